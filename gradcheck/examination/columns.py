"""The evidence about a Jacobian beyond joint directions: columns, alone or in groups, and what these leave of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask, Values
from gradcheck.evidence.complex_test import mark_disputed
from gradcheck.evidence.entries import sweep
from gradcheck.evidence.one_by_one import one_by_one
from gradcheck.examination.row_evidence import between, mended, rows_evidence, sizes_of_rows
from gradcheck.examination.rows import BUDGET
from gradcheck.examination.silent import missing_columns, silent_entries, stays
from gradcheck.examination.zeros import directions_of_zeros
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Sparse, by_entries
from gradcheck.joint.alone import judge_in_rows
from gradcheck.joint.direction import Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places
from gradcheck.numerics.problem import NARROW, Problem, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, runs
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.certificate import ArrayEvidence, Region
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.table import concatenate
from gradcheck.results.table import rows as some_rows

__all__ = ["GROUPS_UP_TO", "SAMPLE", "every_entry", "examine_columns"]


# Columns, or groups of columns, that are moved one by one. Of more a sample is: what is wrong in half of them is missed
# by one in 64 of such samples, and then looked for, as what is in fewer.
GROUPS_UP_TO, SAMPLE = 100, 6
# Columns that are moved alone where the group that they are in disagrees; parts that are named as open.
SUSPECTS, NAMED = 32, 10
# Further tests, each of the rows that no test before called wrong, after which nothing is believed.
TESTS = 4


def every_entry(
    setting: Setting, matrix: Matrix, method: str, rng: Any, *, accused: bool
) -> tuple[Entries, list[Finding]]:
    """All columns that the bounds leave free, one by one; and what there is to say about how.

    accused : whether the complex step along a joint direction says that something is wrong.
    """
    m, n = matrix.shape
    entries = (np.arange(m)[:, None] * n + np.flatnonzero(_free(setting))).ravel()
    # Asked for before f is called elsewhere: a product may depend on the last call of f.
    given = matrix.entries(*setting.places(entries))
    evidence, notes = one_by_one(setting, given, entries, method, rng)
    if accused and not evidence.judgement.wrong.any():
        evidence = mark_disputed(setting, evidence)
    return evidence, notes


def _free(setting: Setting) -> Mask:
    """(n,) the columns that the bounds let move."""
    room = setting.room
    return np.ones(setting.x.size, bool) if room is None else np.asarray(room[0] + room[1] > 0)


def examine_columns(
    setting: Setting, problem: Problem, *, method: str, confidence: float, rng: np.random.Generator
) -> tuple[Evidence, list[Finding]]:
    """Columns by themselves or in groups; then joint directions for the claim that is right where these found it wrong.

    A group that is wrong cannot tell which of its columns is to blame, nor whether an entry is that the pattern lacks.
    It is believed where directions certify the row with what the group says; elsewhere suspects are moved alone, and
    what groups say of them is dropped.
    """
    problem = replace(problem, matrix=by_entries(problem.matrix))
    matrix, names = problem.matrix, setting.names
    assert isinstance(names, JacobianNames)
    m, n = matrix.shape
    block, alone, together = names.blocks[0], list[Entries](), isinstance(matrix, Sparse)
    # Of one that is moved alone the others of its rows are known by the claim.
    judging = replace(setting, gradient_scale=sizes_of_rows(problem, setting.slope))

    def judge(column: int, rows: Index, _: Values | None = None) -> Entries:
        alone.append(moved(judge_in_rows, column, rows))
        return alone[-1]

    def swept(column: int, rows: Index) -> Entries:
        return moved(sweep, column, rows)

    def moved(way: Callable[..., Entries], column: int, rows: Index) -> Entries:
        rows = rows.astype(np.intp)  # those of a sparse matrix are short
        return way(judging, matrix.entries(rows, np.full(rows.size, column)), rows * n + column)

    still, nobody = np.zeros(n, bool), np.zeros(m, bool)
    scaling = scaling_of(problem, still)
    silent = silent_entries(problem, scaling, still)
    delta = (1.0 - confidence) / 4.0

    def rest(fixed: Mask, *judged: Entries) -> tuple[ArrayEvidence, Joint, Mask]:
        """What directions say of the claim that is right in these entries; rows that seem wrong, fixed ones apart."""
        known = latest(concatenate(judged)) if judged else none_judged(problem.x.dtype)
        claim = replace(problem, matrix=mended(setting, matrix, [known], np.zeros(m), nobody))
        test = JointTest(claim, scaling, rng, delta, fixed=fixed)
        joint = test.run()
        array = rows_evidence(claim, names, joint, confidence)
        if not (joint.certified | fixed).all():
            bound = _bound_in_noise(claim, names, test, joint, ~fixed, confidence)
            array = replace(bound or replace(array, certificate=None), limit=test.limit)
        return array, joint, joint.wrong | (~joint.certified & test.standing_out(joint))

    def believed(judged: Entries, joint: Joint) -> Mask:
        """(k,) the entries off by more than directions leave of their rows in the claim that is right in all of them.

        That much lies in no other column of their groups. joint : the first look at that claim.
        """
        doubted = joint.wrong
        for _ in range(TESTS):
            if not joint.wrong.any() or doubted.all():
                break
            _, joint, _ = rest(doubted, judged)
            doubted = doubted | joint.wrong
        rows, columns = setting.places(judged.coordinates)
        off = np.abs(judged.analytic - judged.estimate.value) * scaling.lengths[columns]
        return np.asarray(off > np.where(joint.certified, joint.bound, np.inf)[rows])

    if scaling.nothing.all():
        # Nothing is claimed to move: each column that has room moves by its own scale, 0 or not.
        narrow = still if problem.room is None else np.minimum(*problem.room) < NARROW * problem.scales
        scaling, silent = replace(scaling, lengths=np.where(narrow, 0.0, problem.scales)), still
        array, joint, _ = rest(nobody)
        left = list[int]()
        if array.certificate is None and not joint.wrong.any():
            array, at = directions_of_zeros(setting, block, scaling.lengths, judge, delta, confidence, rng)
            left = at.tolist()
        settled = array.certificate is not None and not (narrow & _free(setting)).any()
        if settled or any(part.judgement.wrong.any() for part in alone):
            open_ = [Region(block, Box((span, (0, n))), False) for span in runs(set(left))[:NAMED]]
            return Evidence(concatenate([none_judged(problem.x.dtype), *alone]), (array,), tuple(open_)), []
    entries, groups = _in_groups(setting, matrix, method, rng)
    seen, looked = entries, None
    if together and entries.wrong.size:
        looked = rest(nobody, entries)
        blamed = entries.judgement.wrong & ~believed(entries, looked[1])
        rows, columns = (np.unique(at) for at in setting.places(entries.coordinates[blamed]))
        for j in columns[: SUSPECTS if n > GROUPS_UP_TO else n].tolist():
            # All of these rows from the same points: the column may hold what the pattern lacks.
            judged = judge(j, rows)
            accused = np.isin(judged.coordinates, entries.coordinates[blamed])
            alone[-1] = some_rows(judged, np.flatnonzero(accused | judged.judgement.wrong))
        entries = some_rows(entries, np.flatnonzero(~blamed))
    # Columns that bounds hold nearly still, which directions do not move.
    held = np.flatnonzero((scaling.lengths == 0) & _free(setting) & ~silent)
    held = np.setdiff1d(held, seen.coordinates % n)
    for j in held[:GROUPS_UP_TO].tolist():
        judge(j, np.arange(m))
    # All that a pattern holds is known by its groups: what is wrong beside it is told by directions.
    throughout = nobody if together and groups else _mostly_wrong(setting, seen, alone, sampled=groups == 0)
    array, wrong = ArrayEvidence(block, (), None), nobody
    if not throughout.all():
        if looked is None or alone or throughout.any():
            looked = rest(throughout, entries, *alone)
        array, joint, seems = looked
        wrong = joint.wrong
        if seems.any():
            # Noise may keep a direction from telling, and not the entries that it leads to.
            test = JointTest(problem, scaling, rng, delta, fixed=~seems)
            out = test.standing_out(test.run())
            if out.any() and test.first is not None:
                find_places(test, test.first, out, judge, between, rng, BUDGET)
            array, joint, _ = rest(throughout, entries, *alone)
            wrong = joint.wrong
    regions, every = list[Region](), stays(problem, scaling, silent, rng, delta)
    if not every and groups == 0:
        missing = missing_columns(problem, scaling, silent, swept, block, rng, delta / 2.0)
        alone, regions, every = [*alone, *missing.judged], missing.regions, missing.every
    if held.size > GROUPS_UP_TO or not every:
        array = replace(array, certificate=None)
    if groups == 0 and array.certificate is not None:
        # What noise hides of an entry of a sample is no question where a certificate bounds it.
        entries = some_rows(entries, np.flatnonzero(~entries.judgement.inconclusive))
    regions += [_of_rows(setting, matrix, [seen, *alone], block, span) for span in _spans(throughout)]
    regions += [Region(block, Box((span, (0, n))), False) for span in _spans(wrong)[:NAMED]]
    text = (
        f"{seen.coordinates.size:,} entries of the pattern were judged one by one in {groups:,} groups of columns; "
        "its zeros were tested along random directions"
    )
    said = [Finding(text)] if groups and isinstance(matrix, Sparse) else []
    return Evidence(latest(concatenate([entries, *alone])), (array,), tuple(regions)), said


def _bound_in_noise(
    problem: Problem, names: JacobianNames, test: JointTest, joint: Joint, looked_at: Mask, confidence: float
) -> ArrayEvidence | None:
    """What directions bound of the rows that they left open for noise alone, whose size they know; None of others."""
    left = ~joint.certified & looked_at
    if joint.wrong.any() or test.first is None or not (left <= test.first.noisy).all():
        return None
    if not (np.isfinite(joint.bound).all() and (joint.sizes > 0).all()):
        return None
    array = rows_evidence(problem, names, replace(joint, certified=looked_at), confidence)
    # Rows that were given up are certified by no later direction.
    known = array.certificate
    return array if known is not None and known.relative_to_rms > problem.tolerance.resolution else None


def _of_rows(
    setting: Setting, matrix: Matrix, judged: list[Entries], block: Block, span: tuple[int, int]
) -> Region:
    """Rows that are wrong throughout, or as far as the columns that were looked at tell.

    Of a pattern its entries were looked at, and are counted.
    """
    known = latest(concatenate(judged))
    inside = np.isin(setting.places(known.coordinates)[0], np.arange(*span))
    wrong, looked = int(known.judgement.wrong[inside].sum()), int(inside.sum())
    box = Box((span, (0, block.shape[1])))
    held = int(matrix.pattern.tocsr()[slice(*span)].nnz) if isinstance(matrix, Sparse) else box.size
    return Region(block, box, True, None if wrong == looked else round(wrong / looked * held))


def _spans(rows: Mask) -> list[tuple[int, int]]:
    """The ranges that some rows (m,) fill."""
    return runs(set(np.flatnonzero(rows).tolist()))


def _in_groups(
    setting: Setting, matrix: Matrix, method: str, rng: np.random.Generator
) -> tuple[Entries, int]:
    """The entries of a pattern in groups of columns, or of columns by themselves; and how many, 0 for a sample."""
    m, n = matrix.shape
    free = np.flatnonzero(_free(setting))
    alone = [np.array([j]) for j in free]
    groups = group_columns(matrix.pattern) if isinstance(matrix, Sparse) else alone
    groups = [group for group in (group[np.isin(group, free)] for group in groups) if group.size]
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
    together = groups if isinstance(matrix, Sparse) else None
    return sweep(setting, given, rows * n + columns, together), count if every else 0


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
