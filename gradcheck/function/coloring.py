"""Which columns of a sparse Jacobian can be moved together: those that share no row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_columns"]


def group_columns(pattern: Any) -> list[NDArray[np.intp]]:
    """Groups of structurally orthogonal columns.

    pattern : (m, n) sparse matrix in CSC form; what is stored counts, whatever its value.
    Greedy in the order of the columns, which is optimal for a band; every column is in one group. Time and memory
    grow with the number of entries.
    Source: Curtis, Powell & Reid, On the estimation of sparse Jacobian matrices (1974).
    """
    starts, rows = pattern.indptr.tolist(), pattern.indices.tolist()
    # Bit c of taken[i]: some column of group c has an entry in row i.
    taken = [0] * pattern.shape[0]
    color = np.zeros(pattern.shape[1], np.intp)
    for j in range(pattern.shape[1]):
        mine = rows[starts[j] : starts[j + 1]]
        used = 0
        for i in mine:
            used |= taken[i]
        lowest = ~used & (used + 1)
        for i in mine:
            taken[i] |= lowest
        color[j] = lowest.bit_length() - 1
    order = np.argsort(color, kind="stable")
    ends = np.cumsum(np.bincount(color))[:-1]
    return [np.asarray(group, np.intp) for group in np.split(order, ends)]
