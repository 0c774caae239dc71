"""The evidence about a Jacobian beyond joint directions: columns, alone or in groups, and what these leave of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask, Values
from gradcheck.evidence.complex_test import mark_disputed
from gradcheck.evidence.entries import sweep
from gradcheck.evidence.one_by_one import one_by_one
from gradcheck.examination.row_evidence import between, mended, rows_evidence, sizes_of_rows
from gradcheck.examination.rows import BUDGET
from gradcheck.examination.silent import silent_entries, stays
from gradcheck.examination.zeros import directions_of_zeros
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Sparse, by_entries
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

    A group that is wrong cannot tell which of its columns is to blame, nor whether an entry is that the pattern lacks:
    its suspects are moved alone.
    """
    problem = replace(problem, matrix=by_entries(problem.matrix))
    matrix, names = problem.matrix, setting.names
    assert isinstance(names, JacobianNames)
    m, n = matrix.shape
    block, alone = names.blocks[0], list[Entries]()
    # Of one that is moved alone the others of its rows are known by the claim.
    judging = replace(setting, gradient_scale=sizes_of_rows(problem))

    def judge(column: int, rows: Index, _: Values | None = None) -> Entries:
        rows = rows.astype(np.intp)  # those of a sparse matrix are short
        alone.append(sweep(judging, matrix.entries(rows, np.full(rows.size, column)), rows * n + column))
        return alone[-1]

    still, throughout = np.zeros(n, bool), np.zeros(m, bool)
    scaling = scaling_of(problem, still)
    silent = silent_entries(problem, scaling, still)
    delta = (1.0 - confidence) / 4.0

    def rest(judged: list[Entries]) -> tuple[ArrayEvidence, Mask, Mask]:
        """What directions say of the claim that is right in these entries; which rows are wrong, and which seem so."""
        claim = replace(problem, matrix=mended(setting, matrix, judged, np.zeros(m), np.zeros(m, bool)))
        test = JointTest(claim, scaling, rng, delta, fixed=throughout)
        joint = test.run()
        array = rows_evidence(claim, names, joint, confidence)
        if not (joint.certified | throughout).all():
            array = replace(array, certificate=None, limit=test.limit)
        return array, joint.wrong, joint.wrong | (~joint.certified & test.standing_out(joint))

    if scaling.nothing.all():
        # Nothing is claimed to move: each column that has room moves by its own scale, 0 or not.
        narrow = still if problem.room is None else np.minimum(*problem.room) < NARROW * problem.scales
        scaling, silent = replace(scaling, lengths=np.where(narrow, 0.0, problem.scales)), still
        array, wrong, _ = rest([])
        left = list[int]()
        if array.certificate is None and not wrong.any():
            array, at = directions_of_zeros(setting, block, scaling.lengths, judge, delta, confidence, rng)
            left = at.tolist()
        settled = array.certificate is not None and not (narrow & _free(setting)).any()
        if settled or any(part.judgement.wrong.any() for part in alone):
            open_ = [Region(block, Box((span, (0, n))), False) for span in runs(set(left))[:NAMED]]
            return Evidence(concatenate([none_judged(problem.x.dtype), *alone]), (array,), tuple(open_)), []
    entries, groups = _in_groups(setting, matrix, method, rng)
    if isinstance(matrix, Sparse):
        rows, columns = setting.places(entries.wrong)
        for j in np.unique(columns)[:SUSPECTS].tolist():
            judge(j, rows[columns == j])
    # Columns that bounds hold nearly still, which directions do not move.
    held = np.flatnonzero((scaling.lengths == 0) & _free(setting) & ~silent)
    held = np.setdiff1d(held, entries.coordinates % n)
    for j in held[:GROUPS_UP_TO].tolist():
        judge(j, np.arange(m))
    throughout = _mostly_wrong(setting, entries, alone, sampled=groups == 0)
    array, wrong = ArrayEvidence(block, (), None), np.zeros(m, bool)
    if not throughout.all():
        array, wrong, seems = rest([latest(concatenate([entries, *alone]))])
        if seems.any():
            # Noise may keep a direction from telling, and not the entries that it leads to.
            test = JointTest(problem, scaling, rng, delta, fixed=~seems)
            out = test.standing_out(test.run())
            if out.any() and test.first is not None:
                find_places(test, test.first, out, judge, between, rng, BUDGET)
            if isinstance(matrix, Sparse):
                entries = _without_blame(setting, entries, wrong)
            array, wrong, _ = rest([latest(concatenate([entries, *alone]))])
    if held.size > GROUPS_UP_TO or not stays(problem, scaling, silent, rng, delta):
        array = replace(array, certificate=None)
    if groups == 0 and array.certificate is not None:
        # What noise hides of an entry of a sample is no question where a certificate bounds it.
        entries = some_rows(entries, np.flatnonzero(~entries.judgement.inconclusive))
    regions = [_of_rows(setting, entries, alone, block, span) for span in _spans(throughout)]
    regions += [Region(block, Box((span, (0, n))), False) for span in _spans(wrong)[:NAMED]]
    text = (
        f"{entries.coordinates.size:,} entries of the pattern were judged one by one in {groups:,} groups of columns; "
        "its zeros were tested along random directions"
    )
    said = [Finding(text)] if groups and isinstance(matrix, Sparse) else []
    return Evidence(latest(concatenate([entries, *alone])), (array,), tuple(regions)), said


def _of_rows(
    setting: Setting, entries: Entries, alone: list[Entries], block: Block, span: tuple[int, int]
) -> Region:
    """Rows that are wrong throughout, or as far as the columns that were looked at tell."""
    judged = latest(concatenate([entries, *alone]))
    inside = np.isin(setting.places(judged.coordinates)[0], np.arange(*span))
    wrong, looked = int(judged.judgement.wrong[inside].sum()), int(inside.sum())
    box = Box((span, (0, block.shape[1])))
    return Region(block, box, True, None if wrong == looked else round(wrong / looked * box.size))


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


def _without_blame(setting: Setting, entries: Entries, missing: Mask) -> Entries:
    """The entries of the groups without wrong ones in rows that hold a mistake outside the pattern: a group cannot tell
    which of its columns is to blame. Those that were judged alone stand beside them."""
    blamed = entries.judgement.wrong & missing[setting.places(entries.coordinates)[0]]
    return some_rows(entries, np.flatnonzero(~blamed))
