"""Where a Jacobian may be other than zero, as it is declared, and which of its columns can be moved together."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gradcheck.function.matrix import Dense, Matrix, Sparse
from gradcheck.parameters.tree import Parameters
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import count


def group_columns(pattern: Any, columns: NDArray[np.intp] | None = None) -> list[NDArray[np.intp]]:
    """Groups of structurally orthogonal columns.

    pattern : (m, n) sparse matrix in CSC form; what is stored counts, whatever its value. columns : (k,) those that are
    grouped, default all.
    Greedy in their order, which is optimal for a band; every column is in one group. Time and memory grow with the
    number of entries.
    Source: Curtis, Powell & Reid, On the estimation of sparse Jacobian matrices (1974).
    """
    starts, rows = pattern.indptr.tolist(), pattern.indices.tolist()
    # Bit c of taken[i]: some column of group c has an entry in row i.
    taken = [0] * pattern.shape[0]
    columns = np.arange(pattern.shape[1]) if columns is None else columns
    color = np.zeros(columns.size, np.intp)
    for k, j in enumerate(columns.tolist()):
        mine = rows[starts[j] : starts[j + 1]]
        used = 0
        for i in mine:
            used |= taken[i]
        lowest = ~used & (used + 1)
        for i in mine:
            taken[i] |= lowest
        color[k] = lowest.bit_length() - 1
    order = np.argsort(color, kind="stable")
    ends = np.cumsum(np.bincount(color))[:-1]
    return [np.asarray(columns[group], np.intp) for group in np.split(order, ends)]


def with_pattern(matrix: Matrix, sparsity: Any, names: Parameters) -> tuple[Matrix, list[Finding]]:
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
        zero = f"the declared sparsity says {'is' if outside.nnz == 1 else 'are'} zero"
        text = f"jac has {count(outside.nnz, 'entry')} that {zero}: {names.name(at)} for one"
        findings.append(Finding(text, Outcome.FAIL))
    union = scipy.sparse.csc_array(pattern + stored)
    return Sparse(array, union), findings
