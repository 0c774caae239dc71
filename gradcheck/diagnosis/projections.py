"""Sums and means along axes: one too many, or what a norm, a mean or a softmax of x takes off and analytic has."""

# ruff: noqa: ARG005 -- one signature for all that may be lacking
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Index
from gradcheck.diagnosis.patterns import factor, slope
from gradcheck.diagnosis.regions import everywhere, index_of
from gradcheck.diagnosis.scope import MARGIN, SAME, Scope
from gradcheck.parameters.block import Block
from gradcheck.results.cause import Cause, Extent, Kind, Place

Array = NDArray[np.floating[Any]]
Axes = tuple[int, ...]

# A line is called orthogonal to a direction where rounding explains what is left.
ORTHOGONAL = 1e-9
# The order of a mean where x is one number along each line: a norm or a softmax of that takes off the same.
ALIKE = "alike"
# What people add to a mean of squares, so that nothing is divided by 0; the first is none.
ADDED = (0.0, 1e-3, 1e-5, 1e-6, 1e-8, 1e-12)
# Entries of a matrix up to which lines within its rows and columns are looked at.
MANY = 200_000
# Entries that are judged to see whether numerical repeats along an axis, where no two that share a line were.
BESIDE = 4


def _sum(a: Array) -> Array:
    """Along each line (k, n)."""
    return np.asarray(np.sum(a, axis=1, keepdims=True))


def _centred(g: Array) -> Array:
    return np.asarray(g - g.mean(axis=1, keepdims=True))


def _off(g: Array, u: Array, added: float) -> Array:
    """G without its part along u, or a little less of it, where something is added to the sum of squares."""
    return np.asarray(g - u * _sum(u * g) / (_sum(u * u) + added))


def _under(p: Array, h: Array) -> Array:
    """H less its sum, as the derivative of a softmax p takes it off."""
    return h - p * _sum(h)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / _sum(e))


# What numerical is where a step of f is not differentiated, of analytic g and x along each line; the simplest first.
# The last number is what the step adds to a sum of squares.
LACKING: tuple[tuple[Kind, str, Callable[[Array, Array, float], Array]], ...] = (
    (Kind.NOT_PROJECTED, "", _off),
    (Kind.NOT_CENTRED, "", lambda g, x, added: _centred(g)),
    (Kind.NOT_SCALED, "", lambda g, x, added: _off(g, _centred(x), added)),
    (Kind.NOT_NORMALISED, "", lambda g, x, added: _off(_centred(g), _centred(x), added)),
    (Kind.NOT_DIVIDED, "", lambda g, x, added: g - _sum(x * g) / _sum(x)),
    (Kind.SOFTMAX, "", lambda g, x, added: _under(_softmax(x), g)),
    (Kind.SOFTMAX, "diagonal", lambda g, x, added: _under(_softmax(x), g / (1.0 - _softmax(x)))),
    (Kind.SOFTMAX, "by p", lambda g, x, added: _under(_softmax(x), _softmax(x) * g)),
)
# Those of which one may have something added to a sum of squares.
OF_SQUARES = (Kind.NOT_PROJECTED, Kind.NOT_SCALED, Kind.NOT_NORMALISED)


def reduced(s: Scope) -> Cause | None:
    """One number for all entries along an axis, where each should have its own: a sum over too much."""
    b, wrong = s.blocks[0], int(s.wrong.sum())
    if len(s.blocks) > 1 or b.is_complex or not (s.whole and s.complete):
        return None
    analytic, numerical, bar, slack = (
        part.reshape(b.shape) for part in (s.analytic, s.numerical, s.bar, s.slack(s.analytic))
    )
    for axis in _axes(b):
        for name, reduce in (("sum", np.sum), ("mean", np.mean)):
            total, noise, allowed = (reduce(a, axis, keepdims=True) for a in (numerical, bar, slack))
            if wrong < total.size + MARGIN:
                continue
            off = np.maximum(np.abs(analytic - total), noise)
            fits = (np.abs(total) > allowed).all() and (off <= allowed).all() and _differs(s, axis)
            if fits and s.convinces(s.numerical + off.ravel(), choices=1.0):
                return Cause(Kind.REDUCED, everywhere(s), origin=_over(b, axis) or "all entries", order=name)
    return None


def repeated(s: Scope) -> Cause | None:
    """One number for all entries of an array, or along an axis, tested or not, where the numerical ones differ."""
    b = s.blocks[0]
    if len(s.blocks) > 1 or b.is_complex:
        return None
    values = s.subject.analytic[b.slice].reshape(b.shape)
    for axis in _axes(b):
        line = values[tuple(slice(0, 1) if k in axis else slice(None) for k in range(values.ndim))]
        several = values.size // line.size > MARGIN and bool(line.all())
        if several and _alike(values, line) and _differs(s, axis):
            over = _over(b, axis)
            value = None if over else float(line.flat[0])
            place = Place(s.names, b.size, Extent.ALL)
            return Cause(Kind.REPEATED, place, vague=True, value=value, origin=over)
    return None


def _axes(b: Block) -> list[Axes]:
    """All axes at once, and each by itself."""
    every = tuple(range(len(b.shape)))
    return [every, *((k,) for k in every if len(every) > 1)]


def _over(b: Block, axis: Axes) -> str:
    """`axis 0`; nothing for all axes at once."""
    return "" if len(axis) == len(b.shape) else f"axis {axis[0]}"


def _alike(values: Array, one: Array) -> bool:
    """Whether they are one number but for the rounding of what summed them up."""
    return bool((np.abs(values - one) <= SAME * np.abs(one)).all())


def _differs(s: Scope, axis: Axes) -> bool:
    """Whether numerical values of the array that are known differ along an axis, and most of them from the analytic.

    One number that most entries are is no sum: what two are off by, equal and opposite, leaves its mean.
    """
    if 2 * s.wrong.sum() <= s.known.sum():
        return False
    line = _line_of(s, axis)
    if np.unique(line[s.known], return_counts=True)[1].max() < 2:
        # One beside each of some that are wrong: which numbers repeat is known without a look at f.
        beside = [np.flatnonzero((line == line[k]) & ~s.known)[:1] for k in np.flatnonzero(s.wrong)[:BESIDE]]
        more = s.measured(s.at[np.unique(np.concatenate(beside))])
        if more is None:
            return False
        s = more
    lines, which = np.unique(line[s.known], return_inverse=True)
    high, low = np.full(lines.size, -np.inf), np.full(lines.size, np.inf)
    np.maximum.at(high, which, s.numerical[s.known])
    np.minimum.at(low, which, s.numerical[s.known])
    return bool((high - low > 2.0 * s.slack(s.analytic)[s.known].max()).any())


def _line_of(s: Scope, axis: Axes) -> Index:
    """(m,) which of the lines along some axes of its array each entry lies on."""
    b, line = s.blocks[0], np.zeros_like(s.at)
    for k, along in enumerate(index_of(b, s.at)):
        line = line if k in axis else line * b.shape[k] + along
    return line


def lacking(s: Scope) -> Cause | None:
    """A norm, a mean, a sum or a softmax of x that was not differentiated: of an array, its rows or columns."""
    # Less a mean of one entry a line, where others are 0, is n/(n - 1) of it: a factor that a few entries show.
    if not _whole(s) or (not s.complete and factor(s) is not None):
        return None
    sets = list(_lines(s))
    for (kind, order, of), (words, lines, x) in itertools.product(LACKING, sets):
        alike = _alike_along(x)
        if alike and kind is not Kind.NOT_CENTRED:
            continue
        # A norm is a root of the sum of squares, or of their mean.
        for added in [n * e for n in (1, x.shape[1]) for e in ADDED] if kind in OF_SQUARES else ADDED[:1]:
            explained = np.empty_like(s.analytic)
            explained[lines] = of(s.analytic[lines], x, added)
            if s.mends(explained, choices=2.0):
                place, order = everywhere(s, s.confirmed(explained)), ALIKE if alike else order
                whole = kind is Kind.SOFTMAX and s.subject.matrix and words == "each row"
                return Cause(kind, place, origin="x" if whole else words, order=order, length=len(lines))
    return None


def projected(s: Scope) -> Cause | None:
    """A part along x, or a mean, that analytic has not and numerical has: of an array, its rows or columns."""
    if s.subject.matrix or not _whole(s):
        return None
    for (words, lines, x), kind in itertools.product(_lines(s), (Kind.PROJECTED, Kind.CENTRED)):
        u, g = x if kind is Kind.PROJECTED else np.ones_like(x), s.analytic[lines]
        size = np.sqrt(_sum(g * g) * _sum(u * u))
        if not (np.abs(_sum(u * g)) <= ORTHOGONAL * size).all() or not size.all():
            continue
        if kind is Kind.PROJECTED and _alike_along(x):
            continue
        if s.complete:
            parts = u * _sum(u * s.numerical[lines]) / _sum(u * u)
        elif len(lines) == 1:
            basis = np.empty_like(s.analytic)
            basis[lines] = u
            parts = u * slope(s, basis, s.numerical - s.analytic)
        else:
            continue
        explained = np.empty_like(s.analytic)
        explained[lines] = g + parts
        if s.mends(explained, choices=2.0):
            order = ALIKE if _alike_along(x) else ""
            return Cause(
                kind, everywhere(s, s.confirmed(explained)), origin=words, order=order, length=len(lines)
            )
    return None


def _whole(s: Scope) -> bool:
    """Whether it is one real array of which every analytic value is at hand, and f shows more than one wrong slope.

    Where numerical is 0 too much fits: all rows of one number are 0 without their means.
    """
    return len(s.blocks) == 1 and not s.blocks[0].is_complex and s.whole and bool(s.telling.sum() > 1)


def _alike_along(x: Array) -> bool:
    """Whether x is one number along each line: then all that is taken off there is a mean."""
    return bool((np.ptp(x, axis=1) <= SAME * np.abs(x).max(axis=1)).all())


def _lines(s: Scope) -> Iterator[tuple[str, Index, Array]]:
    """The vectors (k, n) of entries of which each may have a norm of its own, and what that is the norm of there.

    Of a gradient the array and its lines along each axis. Of a matrix its rows, which are gradients, and the lines of
    each along the axes of x; and f(x), of which every column is the derivative by one coordinate, and its lines.
    None in which a wrong entry has no numerical value: 0 has no part along anything, and is another mistake.
    """
    for words, lines, x in _every_line(s):
        told = s.telling[lines].any(axis=1) | ~s.wrong[lines].any(axis=1)
        if lines.shape[1] > MARGIN and told.all():
            yield words, lines, x


def _every_line(s: Scope) -> Iterator[tuple[str, Index, Array]]:
    shape = s.blocks[0].shape
    places = np.arange(math.prod(shape))
    if not s.subject.matrix:
        yield from ((words or "x", lines, s.x[lines]) for words, lines in _along(places[None], shape))
        return
    values = dict(s.subject.bases(s.at))
    names, rows = s.parameters, places.reshape(shape)
    sides = [("x", rows, s.subject.behind[-1][1] if len(s.subject.behind) == 2 else ())]
    if names.columns is not None and names.blocks[0].name != "H":
        sides.append(("f(x)", rows.T, names.outputs))
    for of, vectors, axes in sides if places.size <= MANY else sides[:1]:
        whole = "each row" if of == "x" else of
        for words, lines in _along(vectors, axes if math.prod(axes) == vectors.shape[1] else ()):
            yield f"{words} of {of}" if words else whole, lines, values[of][lines]


def _along(vectors: Index, shape: tuple[int, ...]) -> Iterator[tuple[str, Index]]:
    """The vectors (k, n) themselves, and their lines along each of several axes of one: `each row`, `axis 2`."""
    yield "", vectors
    for axis in reversed(range(len(shape))) if len(shape) > 1 else ():
        words = ("each column", "each row")[axis] if len(shape) == 2 else f"axis {axis}"
        each = np.moveaxis(vectors.reshape(-1, *shape), 1 + axis, -1)
        yield words, each.reshape(-1, shape[axis])
