"""The evidence about a Jacobian: columns one by one, columns in groups, or rows along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from gradcheck._typing import Index
from gradcheck.arraywise.arrays import survey
from gradcheck.arraywise.rows import Rowwise
from gradcheck.evidence.complex_test import mark_disputed
from gradcheck.evidence.entries import sweep
from gradcheck.evidence.one_by_one import one_by_one
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Dense, Matrix, Sparse
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.boxes import Box, runs
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.certificate import ArrayEvidence, Region, Survey
from gradcheck.results.evidence import Evidence, latest, none_judged
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.table import concatenate
from gradcheck.results.table import rows as some_rows

__all__ = ["GROUPS_UP_TO", "by_directions", "every_entry", "with_pattern"]


# Columns, or groups of columns, that are moved one by one; beyond, random directions test whole rows.
GROUPS_UP_TO = 100
# Evaluations of f for one search, beyond those for ten wrong entries: more are reported as regions.
LOCATION_BUDGET = 1500


def every_entry(
    setting: Setting, matrix: Matrix, method: str, rng: Any, *, accused: bool
) -> tuple[Evidence, list[Finding]]:
    """All columns that the bounds leave free, one by one; and what there is to say about how.

    accused : whether the complex step along a joint direction says that something is wrong.
    """
    m, n = matrix.shape
    free = np.arange(n) if setting.room is None else np.flatnonzero(setting.room[0] + setting.room[1] > 0)
    entries = (np.arange(m)[:, None] * n + free).ravel()
    # Asked for before f is called elsewhere: a product may depend on the last call of f.
    given = matrix.entries(*setting.places(entries))
    evidence, notes = one_by_one(setting, given, entries, method, rng)
    if accused and not evidence.judgement.wrong.any():
        evidence = mark_disputed(setting, evidence)
    return evidence, notes


def by_directions(
    setting: Setting, matrix: Matrix, method: str, confidence: float, rng: Any
) -> tuple[Survey, list[Finding]]:
    """Each array of a gradient, or each row of a matrix; groups of columns where its pattern is known."""
    generator = np.random.default_rng(rng)
    if matrix.shape[0] == 1 and isinstance(matrix, Dense):
        row = matrix.array[0]
        return survey(setting, row, confidence=confidence, rng=generator, location_budget=LOCATION_BUDGET), []
    assert isinstance(setting.names, JacobianNames)
    if isinstance(matrix, Sparse):
        return _gather_sparse(setting, matrix, method, confidence, generator, setting.names)
    rowwise = Rowwise(setting, matrix, confidence, generator)
    _judge_the_immovable(rowwise)
    return _surveyed(setting.names, rowwise.examine(), rowwise, [])


def _judge_the_immovable(rowwise: Rowwise) -> None:
    """Columns that bounds hold nearly still, one by one."""
    room = rowwise.setting.room
    if room is None:
        return
    m = rowwise.matrix.shape[0]
    for j in np.flatnonzero(~rowwise.movable & (room[0] + room[1] > 0)).tolist():
        rowwise.judge(np.arange(m), np.full(m, j))


def _gather_sparse(
    setting: Setting,
    matrix: Sparse,
    method: str,
    confidence: float,
    rng: np.random.Generator,
    names: JacobianNames,
) -> tuple[Survey, list[Finding]]:
    """Groups of columns for the pattern, random directions for the zeros."""
    groups = group_columns(matrix.pattern)
    rowwise = Rowwise(setting, matrix, confidence, rng)
    notes: list[Finding] = []
    if method == "sweep" or (method == "auto" and len(groups) <= GROUPS_UP_TO):
        entries = _pattern_entries(setting, matrix, groups)
        # What is wrong here may come from an entry that the pattern lacks, elsewhere in the same group.
        suspects = _first_suspects(setting, entries)
        alone = [rowwise.judge(rows, np.full(rows.size, j)) for j, rows in suspects.items()]
        notes.append(
            Finding(
                f"{entries.coordinates.size:,} entries of the pattern were judged one by one in {len(groups):,} groups "
                "of columns; its zeros were tested along random directions"
            )
        )
        rowwise.wrong_rows.update(_mostly_wrong(setting, entries, alone))
        if set(range(matrix.shape[0])) != rowwise.wrong_rows:
            array = rowwise.examine()
        else:
            array = ArrayEvidence(names.blocks[0], (), None)
        wrong = {int(i) for part in rowwise.judged for i in setting.places(part.wrong)[0]}
        missing = (wrong | rowwise.unexplained) - rowwise.wrong_rows
        rowwise.judged.insert(0, _without_blame(setting, entries, rowwise.judged, missing))
    else:
        _judge_the_immovable(rowwise)
        array = rowwise.examine()
    return _surveyed(names, array, rowwise, notes)


def _pattern_entries(setting: Setting, matrix: Sparse, groups: list[Index]) -> Evidence:
    n = matrix.shape[1]
    columns = np.repeat(np.arange(n), np.diff(matrix.pattern.indptr))
    rows = np.asarray(matrix.pattern.indices, np.intp)
    if setting.room is not None:
        free = (setting.room[0] + setting.room[1] > 0)[columns]
        rows, columns = rows[free], columns[free]
        groups = [group[(setting.room[0] + setting.room[1])[group] > 0] for group in groups]
    return sweep(setting, matrix.entries(rows, columns), rows * n + columns, groups)


def _first_suspects(setting: Setting, entries: Evidence, most: int = 32) -> dict[int, Index]:
    """The rows of the wrong entries by column, for the first few columns."""
    rows, columns = setting.places(entries.wrong)
    return {int(j): rows[columns == j] for j in np.unique(columns)[:most]}


def _mostly_wrong(setting: Setting, entries: Evidence, alone: list[Evidence]) -> set[int]:
    """Rows in which most entries of the pattern are wrong, where looking at columns alone bore that out."""
    cleared = {int(i) for part in alone for i in setting.places(part.coordinates[~part.judgement.wrong])[0]}
    m = setting.outputs
    bad = np.bincount(setting.places(entries.wrong)[0], minlength=m)
    size = np.bincount(setting.places(entries.coordinates)[0], minlength=m)
    most = np.flatnonzero((bad >= 2) & (2 * bad > size))
    if most.size * 2 < m:
        most = most[:0]  # a few rows: their entries are listed
    return set(most.tolist()) - cleared


def _without_blame(setting: Setting, entries: Evidence, judged: list[Evidence], rows: set[int]) -> Evidence:
    """The entries of the groups, without those that were judged alone, and without wrong ones in rows that hold a
    mistake outside the pattern: a group cannot tell which of its columns is to blame."""
    alone = np.concatenate([np.empty(0, np.intp), *(part.coordinates for part in judged)])
    output = setting.places(entries.coordinates)[0]
    blamed = entries.judgement.wrong & np.isin(output, np.fromiter(rows, np.intp, len(rows)))
    return some_rows(entries, np.flatnonzero(~np.isin(entries.coordinates, alone) & ~blamed))


def _surveyed(
    names: JacobianNames, array: ArrayEvidence, rowwise: Rowwise, notes: list[Finding]
) -> tuple[Survey, list[Finding]]:
    """What directions and the search found, in the form that reports are made of."""
    block = names.blocks[0]
    m, n = block.shape
    evidence = latest(concatenate([*rowwise.judged, none_judged(np.dtype(np.float64))]))
    regions = []
    if len(rowwise.wrong_rows) == m:
        regions.append(Region(block, Box(((0, m), (0, n))), True))
    else:
        regions += [Region(block, Box(((a, b), (0, n))), True) for a, b in runs(rowwise.wrong_rows)]
    regions += [Region(block, Box(((0, m), (a, b))), True) for a, b in runs(rowwise.wrong_columns)]
    regions += [Region(block, Box(((0, m), span)), False) for span in rowwise.open[:10]]
    regions += [Region(block, Box(((a, b), (0, n))), False) for a, b in runs(rowwise.unexplained)[:10]]
    survey = Survey((array,), evidence, tuple(regions))
    return survey, notes


def with_pattern(matrix: Matrix, sparsity: Any, names: JacobianNames) -> tuple[Matrix, list[Finding]]:
    """The Jacobian as sparse where a pattern is declared; entries outside it are a finding."""
    if sparsity is None:
        return matrix, []
    try:
        pattern = scipy.sparse.csc_array(sparsity)
    except (ValueError, TypeError):
        raise TypeError(
            f"sparsity must be a matrix {matrix.shape}, dense or sparse, not {sparsity!r:.60}"
        ) from None
    if pattern.shape != matrix.shape:
        raise ValueError(f"sparsity has shape {pattern.shape}, the Jacobian {matrix.shape}")
    pattern = scipy.sparse.csc_array(pattern != 0).astype(np.float64)
    if not isinstance(matrix, Dense | Sparse):
        raise TypeError(
            "sparsity needs the entries of jac: a LinearOperator is tested by directions without it"
        )
    array = scipy.sparse.csc_array(matrix.array)
    array.eliminate_zeros()
    stored = array.copy()
    stored.data = np.ones_like(stored.data)
    outside = (stored - stored.multiply(pattern)).tocoo()
    outside.eliminate_zeros()
    findings = []
    if outside.nnz:
        at = int(outside.row[0]) * matrix.shape[1] + int(outside.col[0])
        text = f"jac has {outside.nnz:,} entries that the declared sparsity says are zero: {names.name(at)} for one"
        findings.append(Finding(text, Outcome.FAIL))
    union = scipy.sparse.csc_array(pattern + stored)
    return Sparse(array, union), findings
