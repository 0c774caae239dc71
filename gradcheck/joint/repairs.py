"""Which other matrix a claim should have been, where one exchange of its entries explains all rows of a Jacobian."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from gradcheck._typing import Index, Mask
from gradcheck.function.matrix import Dense, Matrix, Product, Sparse
from gradcheck.joint.direction import Direction
from gradcheck.numerics.tangents import within
from gradcheck.parameters.triangles import changes

# So many rows are hardly wrong on the diagonal alone by chance; entries of fewer are named one by one.
MANY = 8


def repaired(
    matrix: Matrix, told: tuple[Direction, Direction], wrong: Mask, arrays: Sequence[slice] = ()
) -> tuple[Matrix, bool] | None:
    """The first matrix made from the claim that is right along two directions, in every row; None where none is.

    told : what the claim leaves along them. wrong : (m,) the rows of which something is left. arrays : the columns of
    each array of x. Returns whether entries were moved, too; else some were replaced.
    """
    if isinstance(matrix, Product):
        return None
    shown = [(d.tangent, matrix.product(d.tangent) - d.residual, d.allowed) for d in told]
    for candidate, moved in _candidates(matrix, told[0], wrong, arrays):
        # What is nan fits nothing.
        if all((np.abs(candidate.product(v) - value) <= allowed).all() for v, value, allowed in shown):
            return candidate, moved
    return None


def entries(matrix: Matrix) -> Any:
    """All entries in an array, or a CSR array, which NumPy and SciPy index by rows."""
    assert isinstance(matrix, Dense | Sparse)
    return matrix.array.tocsr() if isinstance(matrix, Sparse) else matrix.array


def _candidates(
    matrix: Matrix, direction: Direction, wrong: Mask, arrays: Sequence[slice]
) -> Iterator[tuple[Matrix, bool]]:
    m, n = matrix.shape
    for columns in arrays if len(arrays) > 1 else ():
        yield from ((scaled, False) for scaled in _scaled_array(matrix, direction, columns))
    if m == n:
        turned = matrix.transposed()
        assert turned is not None
        yield turned, True
        for whole in _symmetric(matrix):
            yield whole, False
        if int(wrong.sum()) >= MANY:
            off = np.where(wrong, direction.residual / direction.tangent, 0.0)
            if np.isfinite(off).all():
                yield matrix.mended(np.ones(m), -scipy.sparse.diags_array(off)), False
    for axis, size in enumerate(matrix.shape):
        lines = np.arange(size)
        for order in (lines[::-1], np.roll(lines, -1), np.roll(lines, 1)):
            yield _reordered(matrix, order, axis), True


def _reordered(matrix: Matrix, order: Index, axis: int) -> Matrix:
    """The rows, or the columns, in another order."""
    if isinstance(matrix, Dense):
        return Dense(np.take(matrix.array, order, axis))
    array = scipy.sparse.csc_array(entries(matrix)[order] if axis == 0 else entries(matrix)[:, order])
    return Sparse(array, array)


def _scaled_array(matrix: Matrix, direction: Direction, columns: slice) -> Iterator[Matrix]:
    """The columns of one array of x by one factor, which the rows tell together."""
    claimed = matrix.product(within(direction.tangent, columns))
    weight = np.where(direction.error > 0, claimed / direction.error**2, 0.0)
    size = float(weight @ claimed)
    if size > 0 and np.isfinite(size):
        part = float(weight @ direction.residual) / size
        inside = scipy.sparse.diags_array(within(np.ones(direction.tangent.size), columns))
        yield matrix.mended(np.ones(claimed.size), scipy.sparse.csc_array(entries(matrix)) @ inside * -part)


def _symmetric(matrix: Matrix) -> Iterator[Matrix]:
    """What a matrix may have to be of which one triangle is empty: symmetric, the other being half of it or the sum."""
    array = scipy.sparse.csc_array(entries(matrix))
    lower, upper = (
        scipy.sparse.csc_array(part) for part in (scipy.sparse.tril(array, -1), scipy.sparse.triu(array, 1))
    )
    if (lower.count_nonzero() == 0) != (upper.count_nonzero() == 0):
        diagonal = scipy.sparse.csc_array(scipy.sparse.diags_array(array.diagonal()))
        for _, change in changes(lower, upper, diagonal):
            yield matrix.mended(np.ones(array.shape[0]), scipy.sparse.csc_array(change))
