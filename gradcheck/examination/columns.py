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
from gradcheck.examination.silent import BUDGET, missing_columns, moved_alone, silent_entries, stays
from gradcheck.examination.zeros import directions_of_zeros
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Sparse, by_entries
from gradcheck.joint.alone import judge_in_rows
from gradcheck.joint.direction import Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.numerics.setting import NARROW, Setting
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
    columns = _Columns(replace(setting, matrix=by_entries(setting.matrix)), confidence, rng)
    found = columns.of_zeros() if columns.scaling.nothing.all() else None
    return (found, []) if found is not None else columns.of_groups(method)


class _Columns:
    """The examination of a matrix by its columns.

    entries : what is believed of those that were looked at first, in groups or not. alone : what was judged of columns
    that moved by themselves after that. silent : (n,) columns that are claimed to do nothing, and that directions leave
    where they are.
    """

    def __init__(self, setting: Problem, confidence: float, rng: np.random.Generator) -> None:
        assert setting.names is not None
        (self.block,) = setting.names.blocks
        self.setting, self.confidence, self.rng = setting, confidence, rng
        self.problem = shared_with(one_sided(setting), setting)
        (self.m, self.n), self.delta = setting.matrix.shape, (1.0 - confidence) / 4.0
        self.nobody, still = np.zeros(self.m, bool), np.zeros(self.n, bool)
        self.scaling = scaling_of(self.problem, still)
        self.silent = silent_entries(self.problem, self.scaling, still)
        self.entries, self.alone = none_judged(setting.x.dtype), list[Entries]()
        # Of one that is moved alone the others of its rows are known by the claim.
        self._judging = measured_by_rows(setting)

    def judge(self, column: int, rows: Index, _: Values | None = None) -> Entries:
        """The entries of a column in some rows, kept."""
        self.alone.append(of_column(self._judging, judge_in_rows, column, rows))
        return self.alone[-1]

    def right(self) -> Problem:
        """The claim as it would be right in all that was judged."""
        return replace(self.problem, matrix=mended(self.problem, [self.entries, *self.alone]))

    def rest(self, fixed: Mask) -> tuple[ArrayEvidence, Joint, Mask]:
        """What directions say of that claim; rows that seem wrong, fixed ones apart."""
        claim = self.right()
        test = JointTest(claim, self.scaling, self.rng, self.delta, fixed=fixed)
        joint = test.run()
        array = rows_evidence(claim, self.block, joint, self.confidence)
        if not (joint.certified | fixed).all():
            bound = self._bound_in_noise(claim, test, joint, ~fixed)
            array = replace(bound or replace(array, certificate=None), limit=test.limit)
        return array, joint, joint.wrong | (~joint.certified & test.standing_out(joint))

    def believed(self, joint: Joint) -> Mask:
        """(k,) the entries off by more than directions leave of their rows in the claim that is right in all of them.

        That much lies in no other column of their groups. joint : the first look at that claim.
        """
        doubted = joint.wrong
        for _ in range(TESTS):
            if not joint.wrong.any() or doubted.all():
                break
            _, joint, _ = self.rest(doubted)
            doubted = doubted | joint.wrong
        rows, columns = self.setting.places(self.entries.coordinates)
        off = np.abs(self.entries.analytic - self.entries.estimate.value) * self.scaling.lengths[columns]
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
        self.entries = seen
        looked = self._without_blame(seen) if together and seen.wrong.size else None
        inwards, every = self._held_judged(moved=None if together else seen)
        # All that a pattern holds is known by its groups: what is wrong beside it is told by directions.
        throughout = self.nobody
        if not (together and groups):
            throughout = _mostly_wrong(setting, seen, self.alone, sampled=groups == 0)
        array, wrong = ArrayEvidence(self.block), self.nobody
        if not throughout.all():
            array, wrong = self._of_directions(throughout, looked)
        regions = list[Region]()
        stayed = stays(moved_alone(problem, self.scaling, self.silent, rng, self.delta))
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
            self.entries = some_rows(self.entries, np.flatnonzero(~self.entries.judgement.inconclusive))
        regions += [self._of_rows(seen, span) for span in spans(throughout)]
        regions += [Region(self.block, Box((span, (0, self.n))), False) for span in spans(wrong)[:NAMED]]
        said = [Finding(_of_pattern(seen, groups))] if groups and together else []
        return Evidence(latest(self.entries, *self.alone), (array,), tuple(regions)), said

    def _of_directions(
        self, throughout: Mask, looked: tuple[ArrayEvidence, Joint, Mask] | None
    ) -> tuple[ArrayEvidence, Mask]:
        """What directions say of rows that are not wrong throughout, and in which of them something else still is.

        looked : the first look, where the entries that are believed are all that is known.
        """
        if looked is None or self.alone or throughout.any():
            looked = self.rest(throughout)
        array, joint, seems = looked
        if seems.any():
            self._follow(seems)
            array, joint, _ = self.rest(throughout)
        if isinstance(self.problem.matrix, Sparse) and joint.wrong.any() and self.n <= GROUPS_UP_TO:
            # A search may lose what rows hold in noise, and kinks: of few columns each tells.
            for j in self.rng.permutation(self.n).tolist():
                judged = self.judge(j, np.flatnonzero(joint.wrong))
                self.alone[-1] = some_rows(judged, np.flatnonzero(judged.judgement.wrong))
                if judged.wrong.size:
                    array, joint, _ = self.rest(throughout)
                if not joint.wrong.any():
                    break
        return array, joint.wrong

    def _without_blame(self, seen: Entries) -> tuple[ArrayEvidence, Joint, Mask]:
        """The first look at the claim that is right in all entries that groups show; some of them are believed then.

        Columns of the others are moved alone.
        """
        looked = self.rest(self.nobody)
        blamed = seen.judgement.wrong & ~self.believed(looked[1])
        rows, columns = (np.unique(at) for at in self.setting.places(seen.coordinates[blamed]))
        for j in columns[: SUSPECTS if self.n > GROUPS_UP_TO else self.n].tolist():
            # All of these rows from the same points: the column may hold what the pattern lacks.
            judged = self.judge(j, rows)
            accused = np.isin(judged.coordinates, seen.coordinates[blamed])
            self.alone[-1] = some_rows(judged, np.flatnonzero(accused | judged.judgement.wrong))
        self.entries = some_rows(seen, np.flatnonzero(~blamed))
        return looked

    def _held_judged(self, moved: Entries | None) -> tuple[Joint | None, bool]:
        """Columns that bounds hold nearly still: those that may move to one side together, and others alone.

        moved : the entries of columns that were moved alone. Returns what certifies the first, None where nothing does,
        as all of them were judged; and whether that is all of them.
        """
        problem, lengths, inwards = self.problem, one_sided(self.problem), None
        held = (self.scaling.lengths == 0) & problem.free & ~self.silent
        if moved is not None:
            held[moved.coordinates % self.n] = False
        lengths[~held] = 0.0

        def known() -> tuple[Problem, bool]:
            return self.right(), bool(latest(self.entries, *self.alone).wrong.size)

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

    def _bound_in_noise(
        self, claim: Problem, test: JointTest, joint: Joint, looked_at: Mask
    ) -> ArrayEvidence | None:
        """What directions bound of rows that they left open for noise alone, whose size they know; None of others."""
        left = ~joint.certified & looked_at
        if joint.wrong.any() or test.first is None or not (left <= test.first.noisy).all():
            return None
        if not (np.isfinite(joint.bound).all() and (joint.sizes > 0).all()):
            return None
        array = rows_evidence(claim, self.block, replace(joint, certified=looked_at), self.confidence)
        # Rows that were given up are certified by no later direction.
        known = array.certificate
        return array if known is not None and known.relative_to_rms > claim.tolerance.resolution else None

    def _of_rows(self, seen: Entries, span: tuple[int, int]) -> Region:
        """Rows that are wrong throughout, or as far as the columns that were looked at tell.

        Of a pattern its entries were looked at, and are counted. What the sample that was seen tells of the others it
        tells by the columns that were not looked at for what they are.
        """
        known, matrix = latest(seen, *self.alone), self.problem.matrix
        rows, columns = self.setting.places(known.coordinates)
        inside = np.isin(rows, np.arange(*span))
        wrong, looked = int(known.judgement.wrong[inside].sum()), int(inside.sum())
        for part in self.alone:
            inside = inside & ~np.isin(columns, self.setting.places(part.coordinates)[1])
        sample = known.judgement.wrong[inside]
        share = float(np.mean(sample)) if sample.size else wrong / looked
        box = Box((span, (0, self.n)))
        held = int(matrix.pattern.tocsr()[slice(*span)].nnz) if isinstance(matrix, Sparse) else box.size
        about = None if wrong == looked else wrong + round(share * (held - looked))
        return Region(self.block, box, True, about)


def _of_pattern(seen: Entries, groups: int) -> str:
    judged = seen.coordinates.size
    return (
        f"{count(judged, 'entry')} of the pattern {'was' if judged == 1 else 'were'} judged one by one in "
        f"{count(groups, 'group')} of columns; its zeros were tested along random directions"
    )


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
