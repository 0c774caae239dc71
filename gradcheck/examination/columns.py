"""The evidence about a Jacobian beyond joint directions: columns, alone or in groups, and what these leave of rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask, Values
from gradcheck.evidence.complex_test import mark_disputed
from gradcheck.evidence.entries import sweep
from gradcheck.evidence.one_by_one import one_by_one
from gradcheck.examination.inwards import certified_inwards, one_sided, shared_with
from gradcheck.examination.row_evidence import (
    between,
    measured_by_rows,
    mended,
    of_column,
    rows_evidence,
    spans,
)
from gradcheck.examination.silent import BUDGET, missing_columns, moved_alone, silent_entries
from gradcheck.examination.zeros import directions_of_zeros
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Sparse, by_entries
from gradcheck.joint.alone import judge_in_rows
from gradcheck.joint.direction import Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.numerics.setting import NARROW, Setting
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, runs
from gradcheck.results.certificate import ArrayEvidence, Region
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate
from gradcheck.results.table import rows as some_rows
from gradcheck.results.words import count

# Columns, or groups of columns, that are moved one by one. Of more a sample is: what is wrong in half of them is missed
# by one in 64 of such samples, and then looked for, as what is in fewer.
GROUPS_UP_TO, SAMPLE = 100, 6
# Columns that are moved alone where the group that they are in disagrees; parts that are named as open.
SUSPECTS, NAMED = 32, 10
# Further tests, each of the rows that no test before called wrong, after which nothing is believed.
TESTS = 4
# The parts of their chance that tests of columns get that may move to one side alone, one after another.
SHARES = (0.5, 0.25, 0.125)


def every_entry(setting: Problem, method: str, rng: Any, *, accused: bool) -> tuple[Entries, list[Finding]]:
    """All columns that the bounds leave free, one by one; and what there is to say about how.

    accused : whether the complex step along a joint direction says that something is wrong.
    """
    m, n = setting.matrix.shape
    entries = (np.arange(m)[:, None] * n + np.flatnonzero(setting.free)).ravel()
    # Asked for before f is called elsewhere: a product may depend on the last call of f.
    given = setting.matrix.entries(*setting.places(entries))
    evidence, notes = one_by_one(setting, given, entries, method, rng)
    if accused and not evidence.judgement.wrong.any():
        evidence = mark_disputed(setting, evidence)
    return evidence, notes


def examine_columns(
    setting: Problem, *, method: str, confidence: float, rng: np.random.Generator
) -> tuple[Evidence, list[Finding]]:
    """Columns by themselves or in groups; then joint directions for the claim that is right where these found it wrong.

    A group that is wrong cannot tell which of its columns is to blame, nor whether an entry is that the pattern lacks.
    It is believed where directions certify the row with what the group says; elsewhere suspects are moved alone, and
    what groups say of them is dropped.
    """
    setting = replace(setting, matrix=by_entries(setting.matrix))
    problem = shared_with(one_sided(setting), setting)
    scaling = scaling_of(problem, np.zeros(problem.x.size, bool))
    columns = _Columns(setting, problem, scaling, confidence, rng)
    found = columns.of_zeros() if scaling.nothing.all() else None
    return (found, []) if found is not None else columns.of_groups(method)


class _Columns:
    """The examination of a matrix by its columns.

    alone : what was judged of columns that moved by themselves. silent : (n,) columns that are claimed to do nothing,
    and that directions leave where they are.
    """

    def __init__(
        self,
        setting: Problem,
        problem: Problem,
        scaling: Scaling,
        confidence: float,
        rng: np.random.Generator,
    ) -> None:
        assert setting.names is not None
        (self.block,), self.alone = setting.names.blocks, list[Entries]()
        self.setting, self.problem, self.scaling = setting, problem, scaling
        self.confidence, self.rng = confidence, rng
        (self.m, self.n), self.delta = problem.matrix.shape, (1.0 - confidence) / 4.0
        self.nobody = np.zeros(self.m, bool)
        self.silent = silent_entries(problem, scaling, np.zeros(self.n, bool))
        # Of one that is moved alone the others of its rows are known by the claim.
        self._judging = measured_by_rows(setting)

    def judge(self, column: int, rows: Index, _: Values | None = None) -> Entries:
        """The entries of a column in some rows, kept."""
        self.alone.append(of_column(self._judging, judge_in_rows, column, rows))
        return self.alone[-1]

    def right(self, judged: Entries) -> Problem:
        """The claim as it would be right in some entries."""
        return replace(self.problem, matrix=mended(self.problem, [judged]))

    def rest(self, fixed: Mask, *judged: Entries) -> tuple[ArrayEvidence, Joint, Mask]:
        """What directions say of the claim that is right in these entries; rows that seem wrong, fixed ones apart."""
        known = latest(concatenate(judged)) if judged else none_judged(self.problem.x.dtype)
        claim = self.right(known)
        test = JointTest(claim, self.scaling, self.rng, self.delta, fixed=fixed)
        joint = test.run()
        array = rows_evidence(claim, self.block, joint, self.confidence)
        if not (joint.certified | fixed).all():
            bound = _bound_in_noise(claim, self.block, test, joint, ~fixed, self.confidence)
            array = replace(bound or replace(array, certificate=None), limit=test.limit)
        return array, joint, joint.wrong | (~joint.certified & test.standing_out(joint))

    def believed(self, judged: Entries, joint: Joint) -> Mask:
        """(k,) the entries off by more than directions leave of their rows in the claim that is right in all of them.

        That much lies in no other column of their groups. joint : the first look at that claim.
        """
        doubted = joint.wrong
        for _ in range(TESTS):
            if not joint.wrong.any() or doubted.all():
                break
            _, joint, _ = self.rest(doubted, judged)
            doubted = doubted | joint.wrong
        rows, columns = self.setting.places(judged.coordinates)
        off = np.abs(judged.analytic - judged.estimate.value) * self.scaling.lengths[columns]
        # One row at a time: that a wrong one is certified is as unlikely for each.
        return np.asarray(off > np.where(joint.certified, joint.bound, np.inf)[rows])

    def of_zeros(self) -> Evidence | None:
        """Where nothing is claimed to move: each column that has room moves by its own scale, 0 or not."""
        problem, scaling, still = self.problem, self.scaling, np.zeros(self.n, bool)
        narrow = problem.narrow
        self.scaling = replace(scaling, lengths=np.where(narrow, 0.0, problem.scales))
        self.silent = still
        array, joint, _ = self.rest(self.nobody)
        left = list[int]()
        if array.certificate is None and not joint.wrong.any():
            array, at = directions_of_zeros(
                self.setting, self.block, self.scaling.lengths, self.judge, self.delta, self.confidence, self.rng
            )  # fmt: skip
            left = at.tolist()
        settled = array.certificate is not None and not (narrow & self.setting.free).any()
        if not (settled or any(part.judgement.wrong.any() for part in self.alone)):
            return None
        open_ = [Region(self.block, Box((span, (0, self.n))), False) for span in runs(set(left))[:NAMED]]
        return Evidence(concatenate([none_judged(problem.x.dtype), *self.alone]), (array,), tuple(open_))

    def of_groups(self, method: str) -> tuple[Evidence, list[Finding]]:
        """What groups of columns, or a sample of these, and directions say."""
        setting, problem, rng = self.setting, self.problem, self.rng
        together = isinstance(problem.matrix, Sparse)
        seen, groups = _in_groups(setting, problem.matrix, method, rng)
        entries, looked = self._without_blame(seen) if together and seen.wrong.size else (seen, None)
        inwards, every = self._held_judged(entries, moved=None if together else seen)
        # All that a pattern holds is known by its groups: what is wrong beside it is told by directions.
        throughout = self.nobody
        if not (together and groups):
            throughout = _mostly_wrong(setting, seen, self.alone, sampled=groups == 0)
        array, wrong = ArrayEvidence(self.block), self.nobody
        if not throughout.all():
            array, wrong = self._of_directions(throughout, entries, looked)
        regions = list[Region]()
        stayed = moved_alone(problem, self.scaling, self.silent, rng, self.delta).stays
        if not stayed and groups == 0:
            missing, stayed = missing_columns(
                problem, self.scaling, self.silent, partial(of_column, self._judging, sweep), self.block,
                rng, self.delta / 2.0,
            )  # fmt: skip
            self.alone.append(missing.entries)
            regions += missing.regions
        if inwards is not None:
            array = array.beside(rows_evidence(problem, self.block, inwards, self.confidence))
        if not (every and stayed):
            array = replace(array, certificate=None, limit=array.limit if every else Limit.BUDGET)
        if groups == 0 and array.certificate is not None:
            # What noise hides of an entry of a sample is no question where a certificate bounds it.
            entries = some_rows(entries, np.flatnonzero(~entries.judgement.inconclusive))
        regions += [
            _of_rows(setting, problem.matrix, seen, self.alone, self.block, span)
            for span in spans(throughout)
        ]
        regions += [Region(self.block, Box((span, (0, self.n))), False) for span in spans(wrong)[:NAMED]]
        said = [Finding(_of_pattern(seen, groups))] if groups and together else []
        return Evidence(latest(concatenate([entries, *self.alone])), (array,), tuple(regions)), said

    def _of_directions(
        self, throughout: Mask, entries: Entries, looked: tuple[ArrayEvidence, Joint, Mask] | None
    ) -> tuple[ArrayEvidence, Mask]:
        """What directions say of rows that are not wrong throughout, and in which of them something else still is.

        entries : that are believed. looked : the first look, where these are all that is known.
        """
        if looked is None or self.alone or throughout.any():
            looked = self.rest(throughout, entries, *self.alone)
        array, joint, seems = looked
        if seems.any():
            self._follow(seems)
            array, joint, _ = self.rest(throughout, entries, *self.alone)
        if isinstance(self.problem.matrix, Sparse) and joint.wrong.any() and self.n <= GROUPS_UP_TO:
            # A search may lose what rows hold in noise, and kinks: of few columns each tells.
            for j in self.rng.permutation(self.n).tolist():
                judged = self.judge(j, np.flatnonzero(joint.wrong))
                self.alone[-1] = some_rows(judged, np.flatnonzero(judged.judgement.wrong))
                if judged.wrong.size:
                    array, joint, _ = self.rest(throughout, entries, *self.alone)
                if not joint.wrong.any():
                    break
        return array, joint.wrong

    def _without_blame(self, seen: Entries) -> tuple[Entries, tuple[ArrayEvidence, Joint, Mask]]:
        """The entries of groups that are believed, and the first look at the claim that is right in all of them.

        Columns of the others are moved alone.
        """
        looked = self.rest(self.nobody, seen)
        blamed = seen.judgement.wrong & ~self.believed(seen, looked[1])
        rows, columns = (np.unique(at) for at in self.setting.places(seen.coordinates[blamed]))
        for j in columns[: SUSPECTS if self.n > GROUPS_UP_TO else self.n].tolist():
            # All of these rows from the same points: the column may hold what the pattern lacks.
            judged = self.judge(j, rows)
            accused = np.isin(judged.coordinates, seen.coordinates[blamed])
            self.alone[-1] = some_rows(judged, np.flatnonzero(accused | judged.judgement.wrong))
        return some_rows(seen, np.flatnonzero(~blamed)), looked

    def _held_judged(self, entries: Entries, moved: Entries | None) -> tuple[Joint | None, bool]:
        """Columns that bounds hold nearly still: those that may move to one side together, and others alone.

        entries : that are believed. moved : those of columns that were moved alone. Returns what certifies the first,
        None where nothing does, as all of them were judged; and whether that is all of them.
        """
        problem, lengths, inwards = self.problem, one_sided(self.problem), None
        held = (self.scaling.lengths == 0) & problem.free & ~self.silent
        if moved is not None:
            held[moved.coordinates % self.n] = False
        lengths[~held] = 0.0

        def known() -> tuple[Problem, bool]:
            judged = latest(concatenate([entries, *self.alone]))
            return self.right(judged), bool(judged.wrong.size)

        if lengths.any():
            shares = (share * self.delta for share in SHARES)
            inwards = certified_inwards(self.setting, lengths, self.rng, shares, known, self.judge, BUDGET)
        if inwards is not None:
            held &= lengths == 0
        columns = np.flatnonzero(held)
        for j in columns[:GROUPS_UP_TO].tolist():
            self.judge(j, np.arange(self.m))
        return inwards, columns.size <= GROUPS_UP_TO

    def _follow(self, seems: Mask) -> None:
        """Look for entries of rows that seem wrong: noise may keep a direction from telling, and not these."""
        test = JointTest(self.problem, self.scaling, self.rng, self.delta, fixed=~seems)
        out = test.standing_out(test.run())
        if out.any() and test.first is not None:
            find_places(test, test.first, out, self.judge, between, self.rng, BUDGET)


def _of_pattern(seen: Entries, groups: int) -> str:
    judged = seen.coordinates.size
    return (
        f"{count(judged, 'entry')} of the pattern {'was' if judged == 1 else 'were'} judged one by one in "
        f"{count(groups, 'group')} of columns; its zeros were tested along random directions"
    )


def _bound_in_noise(
    problem: Problem, block: Block, test: JointTest, joint: Joint, looked_at: Mask, confidence: float
) -> ArrayEvidence | None:
    """What directions bound of the rows that they left open for noise alone, whose size they know; None of others."""
    left = ~joint.certified & looked_at
    if joint.wrong.any() or test.first is None or not (left <= test.first.noisy).all():
        return None
    if not (np.isfinite(joint.bound).all() and (joint.sizes > 0).all()):
        return None
    array = rows_evidence(problem, block, replace(joint, certified=looked_at), confidence)
    # Rows that were given up are certified by no later direction.
    known = array.certificate
    return array if known is not None and known.relative_to_rms > problem.tolerance.resolution else None


def _of_rows(
    setting: Setting,
    matrix: Matrix,
    seen: Entries,
    alone: list[Entries],
    block: Block,
    span: tuple[int, int],
) -> Region:
    """Rows that are wrong throughout, or as far as the columns that were looked at tell.

    Of a pattern its entries were looked at, and are counted. What the sample that was seen tells of the others it tells
    by the columns that were not looked at for what they are.
    """
    known = latest(concatenate([seen, *alone]))
    rows, columns = setting.places(known.coordinates)
    inside = np.isin(rows, np.arange(*span))
    wrong, looked = int(known.judgement.wrong[inside].sum()), int(inside.sum())
    parts = [none_judged(block.dtype), *alone]
    for_themselves = np.concatenate([setting.places(part.coordinates)[1] for part in parts])
    sample = known.judgement.wrong[inside & ~np.isin(columns, for_themselves)]
    share = float(np.mean(sample)) if sample.size else wrong / looked
    box = Box((span, (0, block.shape[1])))
    held = int(matrix.pattern.tocsr()[slice(*span)].nnz) if isinstance(matrix, Sparse) else box.size
    return Region(block, box, True, None if wrong == looked else wrong + round(share * (held - looked)))


def _in_groups(
    setting: Setting, matrix: Matrix, method: str, rng: np.random.Generator
) -> tuple[Entries, int]:
    """The entries of a pattern in groups of columns, or of columns by themselves; and how many, 0 for a sample."""
    m, n = matrix.shape
    if isinstance(matrix, Sparse):
        groups = [group for columns in _alike(setting) for group in group_columns(matrix.pattern, columns)]
    else:
        groups = [np.array([j]) for j in np.flatnonzero(setting.free)]
    count = len(groups)
    every = method == "sweep" or (method == "auto" and count <= GROUPS_UP_TO) or count <= SAMPLE
    if not every:
        groups = [groups[k] for k in np.sort(rng.choice(count, SAMPLE, replace=False))]
    moved = np.concatenate([np.empty(0, np.intp), *groups])
    if isinstance(matrix, Sparse):
        columns = np.repeat(np.arange(n), np.diff(matrix.pattern.indptr))
        inside = np.isin(columns, moved)
        rows, columns = np.asarray(matrix.pattern.indices, np.intp)[inside], columns[inside]
    else:
        rows, columns = np.repeat(np.arange(m), moved.size), np.tile(moved, m)
    given = matrix.entries(rows, columns)
    setting = replace(setting, together=groups if isinstance(matrix, Sparse) else None)
    return sweep(setting, given, rows * n + columns), count if every else 0


def _alike(setting: Setting) -> list[Index]:
    """The columns that bounds let move, in parts of such as may go to the same side, and about as far.

    Of others one would hold back the group that it is in, or let it go nowhere.
    """
    columns = np.flatnonzero(setting.free)
    if setting.room is None or columns.size == 0:
        return [columns]
    left, right = (room[columns] / setting.scales[columns] for room in setting.room)
    side = np.where(np.minimum(left, right) >= NARROW, 0, np.where(right >= left, 1, -1))
    reach = np.floor(np.log10(np.minimum(np.maximum(left, right), 1.0)))
    _, kind = np.unique(np.stack([side, reach]), axis=1, return_inverse=True)
    return [columns[kind == k] for k in range(int(kind.max()) + 1)]


def _mostly_wrong(setting: Setting, entries: Entries, alone: list[Entries], *, sampled: bool) -> Mask:
    """Rows in which most entries are wrong, where looking at columns alone bore that out.

    Of a few rows of which all entries were looked at these are listed.
    """
    m = setting.outputs
    bad = np.bincount(setting.places(entries.wrong)[0], minlength=m)
    size = np.bincount(setting.places(entries.coordinates)[0], minlength=m)
    most = (bad >= 2) & (2 * bad > size)
    if not sampled and 2 * int(most.sum()) < m:
        most[:] = False
    for part in alone:
        most[setting.places(part.coordinates[~part.judgement.wrong])[0]] = False
    return np.asarray(most)
