"""Random directions, and the sizes that they are measured by."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index, Mask
from gradcheck.function.matrix import Matrix, Sparse
from gradcheck.results.estimate import Estimate

# A sum of squares between this and its inverse lost none to underflow that counts, and no overflow.
SAFE = 1e-220
# Rounding of an analytic gradient: what its own sums may be off by, in units in the last place.
ROUNDING = 64.0
# Numbers that are worked on at once, so that what is in between takes little memory.
TOGETHER = 2**16


def random_units(generator: np.random.Generator, n: int) -> NDArray[np.float64]:
    """u (n,): +-U(0.5, 1.5). Plain signs would cancel equal and opposite errors half the time."""
    u = generator.uniform(-1.0, 1.0, n)
    for start in range(0, n, TOGETHER):
        part = u[start : start + TOGETHER]
        part += np.copysign(0.5, part)
    return u


def units_in_parts(generator: np.random.Generator, n: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The same, a part after another."""
    for start in range(0, n, TOGETHER):
        part = slice(start, min(start + TOGETHER, n))
        yield part, random_units(generator, part.stop - start)


def opposed(generator: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two random u (n,) of opposite signs in each entry: a modulus, too, is seen not to be linear in them."""
    one, other = random_units(generator, 2 * n).reshape(2, -1)
    return one, -np.copysign(other, one)


def within(tangent: Flat, at: Index | slice) -> Flat:
    """The tangent along some coordinates alone: 0 elsewhere."""
    inside = np.zeros_like(tangent)
    inside[at] = tangent[at]
    return inside


def root_mean_square(values: Flat) -> float:
    """The size of some finite numbers; 0 for none. The largest is taken out first: no square overflows or vanishes."""
    total = float(np.vdot(values, values))
    if SAFE < total < 1.0 / SAFE:
        return math.sqrt(total / values.size)
    largest = float(max(values.max(initial=0.0), -values.min(initial=0.0)))
    if largest == 0:
        return 0.0
    return largest * float(np.sqrt(np.mean((values / largest) ** 2)))


def sizes_by(group: Index, values: Flat, known: Mask | None = None) -> Flat:
    """The root mean square (k,) of the group that each of k finite numbers belongs to; known : those that count."""
    if values.size == 0:
        return np.zeros(0)
    if np.count_nonzero(group == group[0]) == group.size:
        size = root_mean_square(values)
        if known is not None:
            size *= math.sqrt(values.size / (np.count_nonzero(known) or 1))
        return np.full(values.size, size, values.dtype)
    _, which = np.unique(group, return_inverse=True)
    largest = np.zeros(int(which.max()) + 1, values.dtype)
    np.maximum.at(largest, which, np.abs(values))
    relative = (values / np.where(largest > 0, largest, 1.0)[which]).astype(np.float64)
    mean = np.bincount(which, np.square(relative)) / np.maximum(np.bincount(which, known), 1)
    return np.asarray((largest * np.sqrt(mean))[which])


def gradient_scale(estimate: Estimate, group: Index) -> Flat:
    """The size of the gradient that each derivative belongs to (m,), from the numerical side alone.

    group : (m,) which: of each output, the part of one array of x.
    The root mean square of its derivatives. Where all are zero within their bars (a stationary point) it is how steep
    f is within reach of the stencils, which noise alone cannot make large against its own bar.
    """
    size, known = np.abs(estimate.value), np.isfinite(estimate.error)
    size = np.where(known & (size > 3.0 * estimate.error), size, 0.0)
    scale = sizes_by(group, size, known)
    flat = scale == 0
    return np.where(flat, steepness_nearby(estimate, group), scale) if flat.any() else scale


def steepness_nearby(estimate: Estimate, group: Index) -> Flat:
    """How steep f is within reach of the stencils (m,): for each entry its own steepest line from x to a point.

    Or the median of these lines of its gradient where that is larger. Not the steepest of all: one entry that moves f
    far from x does not say what is small in the others.
    """
    known, chord = np.isfinite(estimate.error), np.asarray(estimate.chord)
    _, which = np.unique(group, return_inverse=True)
    typical = np.zeros(int(which.max()) + 1, chord.dtype)
    order = np.lexsort((chord, which))
    order = order[known[order]]
    starts = np.flatnonzero(np.diff(which[order], prepend=-1))
    members = np.diff(np.append(starts, order.size))
    typical[which[order[starts]]] = chord[order[starts + (members - 1) // 2]]
    return np.asarray(np.where(known, np.fmax(chord, typical[which]), typical[which]))


def mean_root(values: list[Flat]) -> Flat:
    """(m,) the root mean square of several arrays (m,), entry by entry; the largest is taken out first."""
    sizes = np.abs(np.array(values))
    unit = sizes.max(axis=0)
    relative = sizes / np.where(unit > 0, unit, 1.0)
    return np.asarray(unit * np.sqrt(np.mean(np.square(relative), axis=0)))


def scaled_rms(matrix: Matrix, scale: Flat) -> Flat | None:
    """(m,) the root mean square of the entries of each row that may not be zero, times the scale of their columns."""
    norms = matrix.norms(scale)
    if norms is None:
        return None
    if isinstance(matrix, Sparse):
        count = np.maximum(np.bincount(matrix.pattern.indices, minlength=matrix.shape[0]), 1)
        return np.asarray(norms / np.sqrt(count))
    return np.asarray(norms / math.sqrt(matrix.shape[1]))
