"""Mistakes that show in the values themselves: zeros, factors, conjugates, lost digits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Index
from gradcheck.diagnosis.regions import (
    ACCIDENT,
    everywhere,
    holds,
    index_of,
    noun_of,
    place_of_zeros,
    wrong_place,
)  # fmt: skip
from gradcheck.diagnosis.scope import MARGIN, SAME, Scope
from gradcheck.numerics.tangents import ROUNDING
from gradcheck.results.cause import Cause, Extent, Kind, Place

Array = NDArray[np.floating[Any]]

# A factor of 10 or more is an N for a person to recognise (a batch size); a 3 may come from anything.
LEAST_N = 10
# Factors that mistakes of units, bases and powers make.
CONSTANTS = {
    "ln 10": math.log(10.0), "1/ln 10": 1.0 / math.log(10.0), "ln 2": math.log(2.0), "1/ln 2": 1.0 / math.log(2.0),
    "180/pi": 180.0 / math.pi, "pi/180": math.pi / 180.0, "2 pi": 2.0 * math.pi, "1/(2 pi)": 0.5 / math.pi,
    "pi": math.pi, "1/pi": 1.0 / math.pi, "10/ln 10": 10.0 / math.log(10.0), "20/ln 10": 20.0 / math.log(10.0),
    "ln 10/10": math.log(10.0) / 10.0, "3": 3.0, "1/3": 1.0 / 3.0,
}  # fmt: skip
# Numbers that differ by less are one: so many digits people type, and 1.02 is not 50/49.
DIGITS = 1e-4
# Factors that powers and squares make as well: no ratio of lengths is read into them.
PLAIN = (1.5, 2.0, 3.0, 4.0)
# So near lies one number in fifty to a whole one by accident.
WHOLE = 0.01
# What is counted more often than this is no slip.
MOST_TIMES = 100
# A factor that is off 1 by no more than this many rtol has to fit to rounding.
NEAR = 10.0
# Of a factor of which it is not known yet where it holds.
ANYWHERE = Place((), 0, Extent.WRONG)


def missing(s: Scope) -> Cause | None:
    """Exact zeros where the numerical derivative is not zero."""
    if s.analytic[s.wrong].any():
        return None
    imaginary = s.imaginary
    if imaginary[s.wrong].all() and not s.analytic[imaginary].any():
        return Cause(Kind.REAL, everywhere(s))
    # Where the numerical derivative is 0, too, nothing is missing.
    some = s.analytic.any() or not s.wrong[s.known].all()
    return Cause(Kind.ZERO, place_of_zeros(s) or (wrong_place(s, mostly=True) if some else everywhere(s)))


def factor(s: Scope) -> Cause | None:
    """analytic = c x numerical; a c without a meaning is one fitted constant."""
    if conjugate(s) is not None:
        return None  # a sign of all imaginary parts is that
    c = float(1.0 / slope(s, s.analytic, s.numerical))
    spread = float(np.min(np.minimum(s.bar / np.abs(s.numerical), s.ratio_bar)[s.wrong]))
    if not (1e-300 < abs(c) < 1e300 and spread < 0.1):
        return None
    # Among other factors than a sign and a 2, one of many entries would find one that fits.
    any_of_them = s.witnesses.size > 1 or s.at.size == 1
    for known in (_length(s, c, spread), _constant(s, c, spread) if any_of_them else None):
        if known is not None and (any_of_them or known.length in (-1, 2)):
            value = known.value or c
            choices = math.log10(4.0 * abs(known.length or 10 * len(CONSTANTS)))
            place = holds(s, s.analytic / value, choices=choices)
            if place is not None:
                return replace(known, place=place, value=value, bar=spread)
    near = abs(c - 1.0) < NEAR * s.subject.tolerance.rtol
    if s.wrong.sum() == 1:
        return alike(s)
    # No accident gives two entries one ratio, as it gives them one difference: but it has to be that of all.
    if near:
        # Beside what is accepted of each any number near 1 is the factor of all.
        tolerance = replace(s.subject.tolerance, rtol=ROUNDING * s.subject.tolerance.eps)
        s = replace(s, subject=replace(s.subject, tolerance=tolerance))
        c = float(1.0 / slope(s, s.analytic, s.numerical))
    both = s.witnesses.size == 2 and s.fits(s.analytic / c).all()
    scattered, margin = s.wrong.sum() > 1 + MARGIN, 1 if both else MARGIN
    place = holds(s, s.analytic / c, free=1, anywhere=scattered, margin=margin)
    if place is None:
        return None
    return Cause(Kind.FACTOR, place, 1, value=c, bar=spread, origin="" if both else _over_norm(s, c))


def alike(s: Scope) -> Cause | None:
    """By what the one wrong entry is off, or those that are alike: no evidence for a factor, but people recognise it.

    Beside undecided entries it would mislead, and so would what is off by little more than others may be.
    """
    if s.witnesses.size > 1 or s.undecided.size:
        return None
    with np.errstate(all="ignore"):
        c = float(1.0 / slope(s, s.analytic, s.numerical))
        spread = float(np.min((s.bar / np.abs(s.numerical))[s.wrong]))
    near = abs(c - 1.0) < NEAR * s.subject.tolerance.rtol
    if not (1e-300 < abs(c) < 1e300 and spread < 0.1) or (near and not s.complete):
        return None
    return Cause(Kind.ONE_ENTRY, wrong_place(s), 1, value=c, bar=spread)


def _over_norm(s: Scope, c: float) -> str:
    """What a factor is called by which a whole gradient, or array, is of length 1."""
    whole = np.concatenate([s.subject.analytic[b.slice] for b in s.blocks])
    if whole.size <= MARGIN or abs(float(np.linalg.norm(whole)) - 1.0) > SAME:
        return ""
    return "1/|numerical|" if c > 0 else "-1/|numerical|"


def slope(s: Scope, basis: Array, values: Array) -> Any:
    """The least-squares slope of the values of the wrong entries over a basis, through the origin.

    In units of the slack, and by way of numbers that do not overflow.
    """
    slack = s.slack(s.numerical)[s.wrong]
    b, d = basis[s.wrong] / slack, values[s.wrong] / slack
    size = np.max(np.abs(b))
    return (b / size) @ d / ((b / size) @ (b / size)) / size


def _length(s: Scope, c: float, spread: float) -> Cause | None:
    """A factor -1, 2, N or 1/N that is known well enough to tell N from its neighbours, and from what is not whole."""
    larger = abs(c) > 1.0
    ratio = c if larger else 1.0 / c
    n = round(ratio)
    if spread * abs(n) >= 0.25:
        return None
    value = float(n) if larger else 1.0 / n
    if n in (-1, 2):
        return Cause(Kind.SIGN if n == -1 else Kind.FACTOR, ANYWHERE, value=value, length=n)
    rounding = ROUNDING * s.subject.tolerance.eps
    fits = np.abs(s.analytic / value - s.numerical) <= s.bar + rounding * np.abs(s.numerical)
    if n < 2 or s.witnesses.size < 2 or not fits[s.wrong].all():
        return None
    origin = next((name for name, length in _lengths(s) if length == n), "")
    # Of no known length: numbers that are not whole must hardly ever come so near to one.
    whole = n >= LEAST_N and max(spread, rounding) * n <= WHOLE
    return Cause(Kind.FACTOR, ANYWHERE, value=value, length=n, origin=origin) if origin or whole else None


def _lengths(s: Scope) -> Iterator[tuple[str, int]]:
    """The lengths of axes, and numbers of entries, that a mean may be over, and what they are called."""
    known = (*((b.name, b.shape) for b in (*s.blocks, *s.parameters.blocks)), *s.subject.behind)
    yield from (
        (f"the length of axis {k} of {name}", n) for name, shape in known for k, n in enumerate(shape)
    )
    yield from ((f"the entries of {name}", math.prod(shape)) for name, shape in known if len(shape) > 1)
    if not s.subject.matrix and len(s.blocks) == len(s.parameters.blocks) > 1:
        yield "the entries of x", s.parameters.size


def _constant(s: Scope, c: float, spread: float) -> Cause | None:
    """A factor that is known by name: of units, of bases, of lengths of axes, f(x) itself."""
    found = constant(s, c, spread)
    if found is None:
        return None
    name, value = found
    parts = name.split("/")
    of_axes = name not in CONSTANTS and len(parts) == 2 and all(map(str.isdigit, parts))
    lengths = (float(parts[0]), float(parts[1])) if of_axes else None
    return Cause(Kind.FACTOR, ANYWHERE, value=value, origin=name, span=lengths)


def constant(s: Scope, c: float, spread: float, more: tuple[str, ...] = ()) -> tuple[str, float] | None:
    """The name and the value of a known number that c is, within its spread. more : others, `-1/2`."""
    known = {name: float(Fraction(name)) for name in more} | CONSTANTS
    if not s.subject.matrix and np.ndim(s.subject.f_x) == 0:
        f_x = float(s.subject.f_x)
        if math.isfinite(f_x) and f_x and min(abs(f_x - n) for n in (-1.0, 0.5, 1.0, 2.0)) > DIGITS:
            known |= {"f(x)": f_x, "1/f(x)": 1.0 / f_x, "2 f(x)": 2.0 * f_x, "1/(2 f(x))": 0.5 / f_x}
            known |= {"exp(f(x))": float(np.exp(f_x)), "exp(-f(x))": float(np.exp(-f_x))}
    known |= _of_lengths(sorted({n for b in s.blocks for n in b.shape if n > 1}))
    near = max(3.0 * spread, min(s.subject.tolerance.rtol, DIGITS))
    for name, value in known.items():
        if spread < DIGITS and abs(c - value) <= near * abs(value):
            return name, value
    return None


def _of_lengths(lengths: list[int]) -> dict[str, float]:
    """Factors that the lengths of axes make: one for another, a root, N - 1 for N."""
    known = {f"{a}/{b}": a / b for a in lengths for b in lengths if a != b and max(a / b, b / a) not in PLAIN}
    for n in lengths:
        if n >= LEAST_N:
            known |= {f"{n}/{n - 1}": n / (n - 1), f"{n - 1}/{n}": (n - 1) / n}
        known |= {f"sqrt({n})": math.sqrt(n), f"1/sqrt({n})": 1.0 / math.sqrt(n)}
    return known


def conjugate(s: Scope) -> Cause | None:
    """Another convention for complex numbers: df/dRe - i df/dIm, or half of it."""
    if not all(b.is_complex for b in s.blocks):
        return None
    turned = np.where(s.imaginary, -s.analytic, s.analytic)
    for scale in (1.0, 2.0):
        if s.mends(scale * turned, choices=1.0):
            return Cause(Kind.CONJUGATE, everywhere(s), value=1.0 / scale)
    return None


def clipped(s: Scope) -> Cause | None:
    """No entry larger than some c, where numerical ones are: these are +c or -c, and the others right."""
    seen = s.analytic.any() and _clipped(s)
    return Cause(Kind.CLIPPED, everywhere(s), vague=True, value=_most(s)) if seen else None


def _most(s: Scope) -> float:
    """The size of the largest analytic entry."""
    return float(np.max(np.abs(s.analytic)))


def _clipped(s: Scope) -> bool:
    g, r, c = s.analytic[s.wrong], s.numerical[s.wrong], _most(s)
    most = (np.abs(np.abs(g) - c) <= SAME * c).all() and (np.abs(r) > c).all() and (g * r > 0).all()
    return bool(most and g.size > MARGIN and (np.abs(s.analytic[~s.wrong]) < c).any())


def assigned(s: Scope) -> Cause | None:
    """Of the entries of each column of a matrix the last alone, where several are not zero.

    A product that assigns what each output adds to an entry of x keeps that of the last one. A diagonal alone is none,
    nor is a row or a block that is 0: that the others are left out says all.
    """
    if not s.subject.matrix or not (s.whole and s.complete) or s.analytic[s.wrong].any():
        return None
    shape = s.blocks[0].shape
    kept = (s.analytic != 0.0).reshape(shape)
    rows, columns = np.nonzero(s.wrong.reshape(shape))
    block = kept[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    if not kept[~np.eye(shape[0], shape[1], dtype=bool)].any() or not block.any():
        return None
    several = ((np.abs(s.numerical) > s.bar) | (s.analytic != 0.0)).reshape(shape)
    count = several.sum(axis=0)
    # By accident it is as likely as any other entry of its column; columns that lack the same row share the accident.
    if np.prod(1.0 / np.sort(count[count > 1])[: np.unique(rows).size]) > ACCIDENT:
        return None
    # (m, n) where the last of several lies.
    last = (several[::-1] & (np.cumsum(several[::-1], axis=0) == 1))[::-1]
    return Cause(Kind.MULTIPLE, wrong_place(s), order="last") if np.array_equal(kept, last) else None


def multiple(s: Scope) -> Cause | None:
    """numerical = k analytic with whole k of several sizes, or the other way round: counted another number of times."""
    g, r = s.analytic[s.wrong], s.numerical[s.wrong]
    # Of whole numbers one size with their signs is a clip, or the signs alone: any are whole multiples of that. So is
    # one beside smaller ones; ones and zeros alone are counts.
    smaller = (s.analytic != 0) & (np.abs(s.analytic) < (1.0 - SAME) * _most(s))
    alike = np.ptp(np.abs(g)) <= SAME * np.abs(g).max() and np.ptp(np.sign(g)) > 0
    if alike or (_clipped(s) and smaller.any()):
        return None
    arrays = np.searchsorted([b.stop for b in s.blocks], s.at[s.wrong], side="right")
    for lacking, ratio in ((True, r / g), (False, g / r)):
        if not np.isfinite(ratio).all():
            continue
        times = np.rint(ratio)
        # Of indices that repeat some repeat two or three times; all many times is a factor, 1/N and 2/N of a transform.
        if not 2 <= times.min() <= 3 or times.max() > MOST_TIMES:
            continue
        # One number for each array is a factor of that.
        if all(np.ptp(times[arrays == k]) == 0 for k in np.unique(arrays)):
            return None
        whole = np.ones_like(s.analytic)
        whole[s.wrong] = times if lacking else 1.0 / times
        # Any ratio is within a half of a whole number.
        explained, choices = s.analytic * whole, float(np.sum(np.log10(4.0 * times[s.witnesses])))
        if s.fits(explained)[s.wrong].all() and s.convinces(explained, choices=choices):
            span = (float(times.min()), float(times.max()))
            return Cause(Kind.MULTIPLE, wrong_place(s), times.size, span=span, lacking=lacking)
    return None


def scaled(s: Scope) -> Cause | None:
    """analytic = c numerical with a constant c for each row, each column, or each index of an axis."""
    weight = np.where(s.known, 1.0 / s.slack(s.numerical) ** 2, 0.0)
    above, below = (
        np.where(s.known, weight * part * s.numerical, 0.0).astype(np.float64)
        for part in (s.analytic, s.numerical)
    )
    for noun, line in _indices(s):
        bad, telling, seen = (
            np.bincount(line[those], minlength=line.max() + 1) > 0 for those in (s.wrong, s.telling, s.known)
        )
        lines = int(bad.sum())
        if lines < 2 or (bad & ~telling).any():
            continue
        c = np.where(bad, np.bincount(line, above) / np.bincount(line, below), 1.0)
        # One number in several lines is a factor of these.
        if not (np.isfinite(c) & (c != 0)).all() or np.ptp(c[bad]) <= DIGITS * np.abs(c[bad]).max():
            continue
        explained = s.analytic / c[line]
        place = holds(s, explained, free=lines)
        if place is None and not seen.all() and s.fits(explained).all() and s.convinces(explained, lines):
            # The factor of a line of which nothing was judged is that of one entry.
            rest = np.flatnonzero(~s.known)
            which, first = np.unique(line[rest], return_index=True)
            more = s.measured(s.at[rest[first[~seen[which]]]])
            return scaled(more) if more is not None and more.known.sum() > s.known.sum() else None
        if place is not None:
            # A 1 is one of most lines; where few are wrong the others have no factor.
            few = 2 * lines <= bad.size
            factors = c[bad if few else seen]
            span = (float(factors.min()), float(factors.max()))
            place = wrong_place(s) if few else place
            return Cause(Kind.SCALED, place, lines, origin=noun, span=span)
    return None


def _indices(s: Scope) -> Iterator[tuple[str, Index]]:
    """What an index along each axis of one array is called, and (m,) which the entries have."""
    b = s.blocks[0]
    if len(s.blocks) > 1 or not b.shape:
        return
    for axis, line in enumerate(index_of(b, s.at)):
        if b.size > MARGIN * b.shape[axis]:
            yield noun_of(b, axis), line
