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
# So many shifts are tried of those that fit one row best.
SHIFTS = 3


def repaired(
    matrix: Matrix, told: tuple[Direction, Direction], wrong: Mask, arrays: Sequence[slice] = ()
) -> Matrix | None:
    """The first matrix made from the claim that is right along two directions, in every row; None where none is.

    told : what the claim leaves along them. wrong : (m,) the rows of which something is left. arrays : the columns of
    each array of x.
    """
    if isinstance(matrix, Product):
        return None
    shown = [(d.tangent, matrix.product(d.tangent) - d.residual, d.allowed) for d in told]
    for candidate in _candidates(matrix, told, wrong, arrays):
        # What is nan fits nothing.
        if all((np.abs(candidate.product(v) - value) <= allowed).all() for v, value, allowed in shown):
            return candidate
    return None


def entries(matrix: Matrix) -> Any:
    """All entries in an array, or a CSR array, which NumPy and SciPy index by rows."""
    assert isinstance(matrix, Dense | Sparse)
    return matrix.array.tocsr() if isinstance(matrix, Sparse) else matrix.array


def _candidates(
    matrix: Matrix, told: tuple[Direction, Direction], wrong: Mask, arrays: Sequence[slice]
) -> Iterator[Matrix]:
    (m, n), direction = matrix.shape, told[0]
    for columns in arrays if len(arrays) > 1 else ():
        inside = scipy.sparse.diags_array(within(np.ones(n), columns))
        yield from _scaled(matrix, direction, scipy.sparse.csc_array(entries(matrix)) @ inside)
    if m == n:
        turned = matrix.transposed()
        assert turned is not None
        yield turned
        yield from _symmetric(matrix)
        if int(wrong.sum()) >= MANY:
            off = np.where(wrong, direction.residual / direction.tangent, 0.0)
            if np.isfinite(off).all():
                yield matrix.mended(np.ones(m), -scipy.sparse.diags_array(off))
        array = scipy.sparse.csc_array(entries(matrix))
        yield from _scaled(matrix, direction, array - scipy.sparse.diags_array(array.diagonal()))
    yield _reordered(matrix, _matched(matrix, told[1], wrong), 0)
    lines = np.arange(n)
    for order in (lines[::-1], *(np.roll(lines, k) for k in _shifts(matrix, told[1], wrong))):
        yield _reordered(matrix, order, 1)


def _reordered(matrix: Matrix, order: Index, axis: int) -> Matrix:
    """The rows, or the columns, in another order."""
    if isinstance(matrix, Dense):
        return Dense(np.take(matrix.array, order, axis))
    array = scipy.sparse.csc_array(entries(matrix)[order] if axis == 0 else entries(matrix)[:, order])
    return Sparse(array, array)


def _matched(matrix: Matrix, direction: Direction, wrong: Mask) -> Index:
    """The order of the rows in which wrong ones are claimed to do what others of them do along v, by their sizes."""
    claimed, rows, order = matrix.product(direction.tangent), np.flatnonzero(wrong), np.arange(wrong.size)
    seen = claimed - direction.residual
    order[rows[np.argsort(seen[rows])]] = rows[np.argsort(claimed[rows])]
    return order


def _shifts(matrix: Matrix, direction: Direction, wrong: Mask) -> list[int]:
    """By how much to shift the columns: by one, or as one wrong row fits best what it does along v."""
    seen = matrix.product(direction.tangent) - direction.residual
    k = int(np.argmax(np.where(wrong, np.abs(seen), 0.0)))
    row = scipy.sparse.csr_array(entries(matrix)[[k]]).toarray()[0].astype(np.float64)
    shifted = np.fft.irfft(np.conj(np.fft.rfft(row)) * np.fft.rfft(direction.tangent), row.size)
    return [-1, 1, *np.argsort(np.abs(shifted - seen[k]))[:SHIFTS].tolist()]


def _scaled(matrix: Matrix, direction: Direction, part: Any) -> Iterator[Matrix]:
    """Some of the entries, a sparse matrix, by one factor, which the rows tell together."""
    claimed = part @ direction.tangent
    weight = np.where(direction.error > 0, claimed / direction.error**2, 0.0)
    size = float(weight @ claimed)
    if size > 0 and np.isfinite(size):
        surplus = float(weight @ direction.residual) / size
        yield matrix.mended(np.ones(claimed.size), part * -surplus)


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
