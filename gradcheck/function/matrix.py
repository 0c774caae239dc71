"""The Jacobian under test, as it was given: dense, sparse, or as a product alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from gradcheck._typing import Flat, Index
from gradcheck.parameters.leaves import DOUBLE, eps_of
from gradcheck.parameters.tree import Parameters

# Terms of J v that are squared at once, so that they take little memory.
TERMS = 2**17
# Formats by the bits of their numbers, bfloat16 the first, and from how many of these on they are told, so many of them
# small.
FORMATS, SMALL_ONES = (("float16", 8, 8), ("float16", 11, 8), ("float32", 24, 4)), 2
# Sums of squares beyond these may have lost some to underflow or overflow.
SMALLEST, LARGEST = 1e-250, 1e250


def _roots(squares: Flat, terms: Callable[[int], Flat]) -> Flat:
    """The roots of some sums of squares; of those that are out of range from their terms, relative to the largest.

    terms(k) : those of one of the sums.
    """
    found = np.asarray(np.sqrt(squares))
    if squares.size == 1 and SMALLEST <= squares[0] <= LARGEST:
        return found
    # One by one, as they may be long.
    for k in np.flatnonzero(~((squares >= SMALLEST) & (squares <= LARGEST))).tolist():
        sizes = np.abs(terms(k))
        unit = sizes.max(initial=0.0)
        relative = sizes / unit if unit > 0 else sizes
        found[k] = unit * np.sqrt(relative.dot(relative))
    return found


@dataclass(frozen=True)
class Dense:
    """All entries, (m, n)."""

    array: Flat

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        m, n = self.array.shape
        return m, n

    def product(self, tangent: Flat) -> Flat:
        """J v (m,)."""
        return np.asarray(self.array.dot(tangent))

    def norms(self, tangent: Flat) -> Flat:
        """(m,) the root of the sum of squares of the terms of J v."""
        m, n = self.shape
        width = max(1, TERMS // max(m, 1))
        total = np.zeros(m)
        for start in range(0, n, width):
            terms = self.array[:, start : start + width] * tangent[start : start + width]
            # The shorter way of one row; the same sum.
            total = total + (terms[0].dot(terms[0]) if m == 1 else np.einsum("ij,ij->i", terms, terms))
        return _roots(total, lambda k: self.array[k] * tangent)

    def entries(self, rows: Index, columns: Index) -> Flat:
        """J[rows, columns], (L,)."""
        return np.asarray(self.array[rows, columns])

    def largest(self, tangent: Flat) -> Flat:
        """(m,) the largest term of each row of J v."""
        return np.asarray(np.abs(self.array * tangent).max(axis=1))

    def mended(self, factors: Flat, change: Any) -> Dense:
        """J with each row times a factor (m,), plus a sparse matrix (m, n)."""
        array = self.array * factors[:, None]
        coo = change.tocoo()
        array[coo.row, coo.col] += coo.data
        return Dense(array)

    def transposed(self) -> Dense:
        """J' of any J."""
        return Dense(np.ascontiguousarray(self.array.T))


@dataclass(frozen=True)
class Sparse:
    """The stored entries, CSC; `pattern` says where anything but zero may be."""

    array: Any
    pattern: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        m, n = self.array.shape
        return m, n

    def product(self, tangent: Flat) -> Flat:
        """J v (m,)."""
        return np.asarray(self.array @ tangent)

    def norms(self, tangent: Flat) -> Flat:
        """(m,) the root of the sum of squares of the terms of J v."""
        by_rows = cache(self.array.tocsr)

        def terms(k: int) -> Flat:
            rows = by_rows()
            mine = slice(rows.indptr[k], rows.indptr[k + 1])
            return np.asarray(rows.data[mine] * tangent[rows.indices[mine]])

        return _roots(np.asarray(self.array.power(2) @ tangent**2), terms)

    def entries(self, rows: Index, columns: Index) -> Flat:
        """J[rows, columns], (L,)."""
        coo, n = self.array.tocoo(), self.shape[1]
        places = coo.row.astype(np.int64) * n + coo.col
        return values_at(places, coo.data, rows.astype(np.int64) * n + columns)

    def largest(self, tangent: Flat) -> Flat:
        """(m,) the largest term of each row of J v."""
        terms = abs(self.array @ scipy.sparse.diags_array(tangent))
        return np.asarray(terms.max(axis=1).todense()).ravel()

    def mended(self, factors: Flat, change: Any) -> Sparse:
        """J with each row times a factor (m,), plus a sparse matrix (m, n)."""
        array = scipy.sparse.csc_array(scipy.sparse.diags_array(factors) @ self.array + change)
        return Sparse(array, array)

    def transposed(self) -> Sparse:
        """J' of a square J."""
        array = scipy.sparse.csc_array(self.array.T)
        return Sparse(array, array)


def values_at(places: Index, values: Flat, wanted: Index) -> Flat:
    """The values at the places wanted, (k,); 0 where there is none."""
    # A search in the sorted places: indexing of sparse matrices takes seconds for 1e5.
    if places.size == 0:
        return np.zeros(wanted.size)
    order = np.argsort(places)
    at = np.minimum(np.searchsorted(places[order], wanted), places.size - 1)
    return np.where(places[order][at] == wanted, values[order][at], 0.0)


@dataclass(frozen=True)
class Product:
    """Only v -> J v is known, and what is said to be u -> J^T u, if anything is: `rmatvec`."""

    size: tuple[int, int]
    matvec: Callable[[Flat], Flat]
    rmatvec: Callable[[Flat], Any] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.size

    def product(self, tangent: Flat) -> Flat:
        """J v (m,)."""
        return self.matvec(tangent)

    @cached_property
    def asked(self) -> Dense:
        """All entries, a product for each column, once."""
        return Dense(np.stack([self.matvec(unit) for unit in np.eye(self.shape[1])], axis=1))

    def entries(self, rows: Index, columns: Index) -> Flat:
        """J[rows, columns], (L,): one product for each column."""
        out = np.empty(rows.size)
        order = np.argsort(columns, kind="stable")
        starts = np.flatnonzero(np.diff(columns[order], prepend=-1))
        for mine in np.split(order, starts[1:]):
            unit = np.zeros(self.shape[1])
            unit[columns[mine[:1]]] = 1.0
            out[mine] = self.matvec(unit)[rows[mine]]
        return out

    def mended(self, factors: Flat, change: Any) -> Product:
        """J with each row times a factor (m,), plus a sparse matrix (m, n)."""
        return Product(self.size, lambda v: factors * self.matvec(v) + change @ v)

    def norms(self, _: Flat) -> None:
        """Of terms that are not known."""

    def largest(self, _: Flat) -> None:
        """Of terms that are not known."""

    def transposed(self) -> None:
        """Nothing, where entries are not known."""


# J (m, n): what can be asked of it.
Matrix = Dense | Sparse | Product

# Columns that a product is asked for, one by one, to have all entries of J where it is wrong; and so many entries at
# the most, 160 MB.
ASKED, MOST_ENTRIES = 500, 20_000_000


def by_entries(matrix: Matrix) -> Matrix:
    """The same with all its entries, where it is no product, or one of few columns; else itself."""
    m, n = matrix.shape
    if not isinstance(matrix, Product) or n > ASKED or m * n > MOST_ENTRIES:
        return matrix
    return matrix.asked


def read_matrix(result: Any, outputs: tuple[int, ...], parameters: Parameters, what: str) -> Matrix:
    """The Jacobian that a user's function returned.

    result : (m, n), also where x is a tree; or of f's shape followed by x's, or a tree of such arrays with the
    structure of x; a scipy.sparse matrix or array (m, n); a LinearOperator (m, n).
    Raises ValueError or TypeError naming what it is and what it should be.
    """
    m, n = int(np.prod(outputs, dtype=np.int64)), parameters.size
    if isinstance(result, LinearOperator):
        _fits(result.shape, [(m, n)], what)
        _real(np.dtype(result.dtype or np.float64), what)

        def product(v: Flat) -> Flat:
            values = np.asarray(result.matvec(v))
            _real(values.dtype, what)  # a dtype that was declared need not hold
            return values.astype(np.float64).ravel()

        return Product((m, n), product, rmatvec=result.rmatvec)
    if scipy.sparse.issparse(result):
        _fits(result.shape, [(m, n)], what)
        array = scipy.sparse.csc_array(result, copy=True)
        array.sum_duplicates()
        _real(array.dtype, what)
        array = array.astype(np.float64)
        return Sparse(array, array)
    if isinstance(result, np.ndarray) and result.shape == (m, n):
        _real(result.dtype, what)
        return Dense(np.array(result, np.float64))
    leaves = [np.asarray(leaf) for leaf in parameters.arrays(result, what)]
    parts = []
    for b, leaf in zip(parameters.blocks, leaves, strict=True):
        _real(leaf.dtype, what)
        # One output: SciPy takes its gradient for a row.
        _fits(leaf.shape, [(m, b.size), (*outputs, *b.shape), *([b.shape] if m == 1 else [])], what)
        parts.append(leaf.reshape(m, b.size))
    return Dense(np.hstack(parts).astype(np.float64))


def dtype_of(result: Any, parameters: Parameters) -> str:
    """The name of the coarsest dtype in which a derivative was computed."""
    if isinstance(result, LinearOperator | np.ndarray) or scipy.sparse.issparse(result):
        dtypes = [np.dtype(result.dtype or np.float64)]
    else:
        dtypes = [array.dtype for array in parameters.arrays(result)]
    reals = {np.empty(0, d).real.dtype for d in dtypes if d.kind in "fc"}
    reals |= {b.real_dtype for b in parameters.blocks}
    return max((eps_of(d), str(d)) for d in reals)[1]


def dtype_by_digits(values: NDArray[Any], dtype: str) -> str:
    """The name of the dtype whose digits numbers in arrays of another one have.

    Half of the numbers of a format have all of its bits or all but one (three in four do by chance), small ones among
    them: of numbers on a grid, as integers are, none does that is a quarter of the largest. Four numbers of float64
    have no more than 24 bits once in 10^34.
    """
    if dtype != DOUBLE.name or values.size < FORMATS[-1][2]:
        return dtype
    # One number of most gradients tells that.
    first = values.item(0)
    if first != float(np.float32(first)):
        return dtype
    known = np.abs(values[values != 0])
    mantissa = np.frexp(known)[0]
    small = known <= known.max(initial=0.0) / 4.0
    for name, bits, least in FORMATS:
        if known.size < least:
            continue
        held = mantissa * 2.0**bits
        if (held != np.rint(held)).any():
            continue
        full = 0.25 * held != np.rint(0.25 * held)
        told = 2 * np.count_nonzero(full) >= full.size and np.count_nonzero(full & small) >= SMALL_ONES
        return name if told else dtype
    return dtype


def _fits(shape: tuple[int, ...], wanted: list[tuple[int, ...]], what: str) -> None:
    if tuple(shape) not in wanted:
        distinct = " or ".join(str(w) for w in dict.fromkeys(wanted))
        hint = ""
        if tuple(shape) == wanted[0][::-1]:
            hint = "; is it transposed?"
        elif tuple(shape) == wanted[0][:1] == wanted[0][1:]:
            hint = "; np.diag makes a matrix of derivatives entry by entry"
        raise ValueError(
            f"{what} has shape {tuple(shape)}; {distinct} is needed: one row for each output of f{hint}"
        )


def _real(dtype: np.dtype[Any], what: str) -> None:
    if dtype.kind not in "fiub":
        raise TypeError(f"{what} holds {dtype}; real numbers are needed")


def one_row(matrix: Matrix) -> Flat:
    """The entries (n,) of a matrix of one row; to be read only."""
    n = matrix.shape[1]
    return (
        matrix.array[0] if isinstance(matrix, Dense) else matrix.entries(np.zeros(n, np.intp), np.arange(n))
    )
