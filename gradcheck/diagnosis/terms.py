"""Mistakes that x, f or digits explain: a term left out, another parameter, a difference quotient, a coarser type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.diagnosis.along import slope_along
from gradcheck.diagnosis.gather import MOVES
from gradcheck.diagnosis.patterns import constant, slope
from gradcheck.diagnosis.regions import ACCIDENT, everywhere, holds, index_of, wrong_place
from gradcheck.diagnosis.scope import DECADES, MARGIN, SAME, Scope
from gradcheck.function.matrix import dtype_by_digits
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.functions import CHAIN, VALUES
from gradcheck.results.cause import Cause, Kind

# Terms that are left out, or one too many, as functions of x; a constant is on the diagonal of a Hessian, too.
TERMS: dict[Kind, Callable[[Flat], Flat]] = {
    Kind.DECAY: np.asarray,
    Kind.L1: np.sign,
    Kind.OFFSET: np.ones_like,
}
# A factor of more than this beside a term is none that the term could be told from.
MOST_N = 1e4
# Steps of difference quotients as people choose them.
STEPS: dict[str, Callable[[Flat], Flat]] = {
    "": np.ones_like,
    " max(1, |x|)": lambda x: np.maximum(1.0, np.abs(x)),
    " |x|": np.abs,
}
# Second derivatives are by-products of the first, and known to about so much.
CURVATURE = 0.05
# An eigenvalue is 0 below the first of these shares of the largest one, and is not above the second.
NO_EIGENVALUE, EIGENVALUE = 1e-10, 1e-3
# A bar by which f may change by more than this of itself, while x does by its own size, is wide.
WIDE = 0.1
# Rounding is off by half a unit relative to an entry, sums of many terms by some tens of it; of two bytes by fewer.
OFF = {"float32": 64 * 2.0**-23, "float16": 8 * 2.0**-10, "bfloat16": 8 * 2.0**-7}


def left_out(s: Scope, kind: Kind) -> Cause | None:
    """numerical - analytic = lambda b, with lambda fitted; kind : which b.

    Signs alone are few bits, and equal and opposite errors are common (a flux, a force between two): an L1 penalty is
    in whole arrays, or in a block of one, where the signs are neither a constant nor x itself up to a factor.
    """
    wrong, basis = s.wrong, TERMS[kind](s.x)
    if wrong.sum() < 1 + MARGIN or (s.subject.matrix and kind is not Kind.OFFSET):
        return None
    # Signs that a sample happens to share differ in the whole array, for which a direction speaks.
    x = s.x[wrong] if s.complete else s.x
    if kind is Kind.L1 and not (np.ptp(np.sign(x)) > 0 and np.ptp(np.abs(x)) > 0):
        return None
    strength = float(slope(s, basis, s.numerical - s.analytic))
    bar = float(np.min(s.bar[wrong] / np.abs(basis[wrong])))
    added = strength * basis
    # Where the numerical gradient is the term itself, all that is known of analytic is that it is too small.
    if s.fits(added)[wrong].all():
        return None
    scattered = kind is not Kind.L1 and wrong.sum() > 1 + MARGIN
    place = holds(s, s.analytic + added, free=1, anywhere=scattered)
    if place is None:
        return None
    return Cause(kind, place, 1, value=abs(strength), bar=bar, lacking=strength > 0)


def factor_beside(s: Scope) -> Cause | None:
    """analytic - lambda x = c (numerical - lambda x) with a whole c, or 1/c: a factor of all but a weight decay."""
    if s.witnesses.size < 2 + MARGIN or s.subject.matrix or len(s.blocks) > 1:
        return None
    basis, wrong = np.asarray(s.x, float), s.wrong
    weight = 1.0 / s.slack(s.numerical)[wrong]
    sides = np.stack([s.numerical[wrong], basis[wrong]], axis=1).astype(float) * weight[:, None]
    known = (s.analytic[wrong] * weight).astype(float)
    if not (np.isfinite(sides).all() and np.isfinite(known).all()):
        return None
    c, d = np.linalg.lstsq(sides, known, rcond=None)[0]
    whole = float(np.rint(c if abs(c) > 1.0 else 1.0 / c)) if 1.0 / MOST_N < abs(c) < MOST_N else 1.0
    c = whole if abs(c) > 1.0 else 1.0 / whole
    if c == 1.0 or not d:
        return None
    strength = float(slope(s, basis, s.analytic - c * s.numerical)) / (1.0 - c)
    term = strength * basis
    # Where numerical is the term alone any factor of the rest fits; two constants fit two ratios of both.
    tells = wrong & (np.abs(s.numerical - term) > s.slack(s.numerical))
    ratios = np.sort((s.numerical / basis)[tells])
    if 1 + np.count_nonzero(np.diff(ratios) > SAME * np.abs(ratios[1:])) < 2 + MARGIN:
        return None
    choices = 1.0 + 2.0 * math.log10(abs(whole))
    place = holds(s, (s.analytic - term) / c + term, free=1, choices=choices, anywhere=False)
    if place is None:
        return None
    return Cause(Kind.FACTOR_BESIDE, place, 2, value=strength, length=int(whole), lacking=abs(c) < 1.0)


def term_transposed(s: Scope) -> Cause | None:
    """analytic - numerical is antisymmetric: a term of a square matrix, a right one but for its transposition."""
    shape = s.blocks[0].shape
    if len(s.blocks) > 1 or s.blocks[0].is_complex or not (s.whole and s.complete) or len(shape) != 2:
        return None
    off = (s.analytic - s.numerical).reshape(shape)
    # Of each pair one entry is evidence; one pair, or two, may be a flux.
    pairs = s.wrong & np.triu(np.ones(shape, bool), 1).ravel()
    if shape[0] != shape[1] or pairs.sum() < 1 + MARGIN:
        return None
    explained = s.numerical + (off + off.T).ravel()
    if not s.fits(explained).all() or not replace(s, wrong=pairs).convinces(explained):
        return None
    return Cause(Kind.TERM_TRANSPOSED, everywhere(s), vague=True)


def unused(s: Scope) -> Cause | None:
    """Numerical zeros where analytic is not zero: f does not depend on these entries, or is stationary by them."""
    zero = np.zeros_like(s.analytic)
    if s.telling.any() or not (s.convinces(zero) and _is_zero(s).all()):
        return None
    place = wrong_place(s, mostly=True)
    if s.wrong.sum() < 1 + MARGIN:
        # Where few were judged a direction through all of them tells.
        if not (s.analytic.all() and s.fits(zero).all() and s.confirmed(zero)):
            return None
        place = everywhere(s, True)
    # What analytic is there may be told as well: a weight decay alone.
    mine = s.wrong & s.tested
    # The complex step sees the slope alone: it has no second derivative.
    if s.moves[mine].any() or _bends(s, mine & ~np.isfinite(s.curvature)):
        return Cause(Kind.STATIONARY, place, 1, lacking=not s.moves[mine].all())
    beyond = _beyond(s)
    return Cause(Kind.UNUSED, place, 1, origin=beyond, order="clamp" if beyond else "")


def _bends(s: Scope, unknown: Mask) -> bool:
    """Whether f bends by those entries of which a complex step told the slope alone: along them all at once."""
    subject = s.subject
    setting = subject.measurable()
    if setting is None or not unknown.any():
        return False
    tangent = np.zeros(subject.x.size)
    at = np.unique(s.at[unknown] % subject.x.size)
    tangent[at] = (random_units(np.random.default_rng(19), subject.x.size) * setting.scales)[at]
    seen = slope_along(setting, tangent)
    if seen is None:
        return False
    moved = np.abs(seen.bend) * float(np.median(setting.relative_step)) ** 2 > MOVES * setting.level
    rows = s.at[unknown] // subject.x.size if subject.matrix else np.zeros(1, np.intp)
    return bool(moved[rows].any())


def _is_zero(s: Scope) -> Mask:
    """Which wrong entries are 0 as far as f shows, not beside the claim alone: a bar as wide as f hides anything."""
    f_x = np.abs(dict(s.subject.bases(s.at)).get("f(x)", s.subject.f_x))  # where it is 0 it has no size
    wide = (s.bar * np.abs(s.x) > WIDE * f_x) & (f_x > 0)
    return np.asarray(((s.numerical == 0.0) | ~wide)[s.wrong])


def _beyond(s: Scope) -> str:
    """`x >= 2`, where the wrong entries are those of the largest or smallest x or |x|, and hardly by accident."""
    bad, n = s.wrong, int(s.wrong.sum())
    accident = math.lgamma(s.at.size + 1) - math.lgamma(n + 1) - math.lgamma(s.at.size - n + 1)
    if s.subject.matrix or not (s.whole and s.complete) or math.exp(-accident) > ACCIDENT:
        return ""
    for name, size in (("x", s.x), ("|x|", np.abs(s.x))) if np.ptp(s.x[bad]) > 0 else ():
        if size[bad].min() > size[~bad].max():
            return f"{name} >= {size[bad].min():.3g}"
        if size[bad].max() < size[~bad].min():
            return f"{name} <= {size[bad].max():.3g}"
    return ""


def parametrisation(s: Scope, fitted: bool) -> Cause | None:
    """analytic = t numerical: the derivative by log x, by a logit, of log f, with the chain rule left out.

    t : a function of x, of f(x), or of another array that has a number for each line of this one, a scale of it.

    fitted : up to a constant factor, for which two entries are too few.
    """
    if s.telling.sum() < (2 + MARGIN if fitted else 2):
        return None
    for name, base in (*s.subject.bases(s.at), *_other_arrays(s)):
        for words, chain in (CHAIN if fitted else CHAIN | VALUES).items():
            cause = _chain(s, np.asarray(chain(np.asarray(base, float))), fitted)
            if cause is not None:
                kind = Kind.BY_VALUE if words in VALUES else cause.kind
                return replace(cause, kind=kind, origin=words.format(name), lacking=name in ("x", "f(x)"))
    return None


def _other_arrays(s: Scope) -> Iterator[tuple[str, Flat]]:
    """The arrays of x that have a number for each row, column or index of an axis of the one in question."""
    b = s.blocks[0]
    real = not (s.subject.matrix or len(s.blocks) > 1 or b.is_complex)
    for other in s.parameters.blocks if real else ():
        for axis, along in enumerate(index_of(b, s.at)):
            if other is not b and other.size == b.shape[axis] > 1 and not other.is_complex:
                yield other.name, s.subject.x[other.slice][along]


def _chain(s: Scope, t: Flat, fitted: bool) -> Cause | None:
    """analytic = t numerical; fitted : up to a constant factor."""
    wrong = s.wrong
    varied = np.ptp(np.abs(t[wrong])) > 1e-3 * np.max(np.abs(t[wrong]))
    if not varied or not np.isfinite(t[wrong]).all():
        return None
    c, name = 1.0, ""
    if fitted:
        c = float(slope(s, t * s.numerical, s.analytic))
        spread = float(np.min((s.bar / np.abs(s.numerical))[wrong]))
        known = constant(s, c, spread, ("-1", "2", "1/2", "-2", "-1/2"))
        name, c = ("", c) if known is None else known
        if not 1e-300 < abs(c) < 1e300:
            return None
    lost = np.where(s.analytic == 0.0, np.nan_to_num(s.numerical), np.nan)
    explained = np.where(t == 0.0, lost, s.analytic / (c * t))
    free, choices = int(fitted and not name), math.log10(4 * len(CHAIN))
    place = holds(s, explained, free=free, choices=choices, anywhere=False)
    if place is None:
        return None
    # The function was chosen, too: where a constant alone fits as well, as where t hardly varies, that is what is said.
    return Cause(Kind.PARAMETRISATION, place, 2 * int(fitted), value=c, order=name)


def delta(s: Scope) -> Cause | None:
    """analytic = (1 + d/x) numerical: log(x + d) differentiated as log x."""
    if s.subject.matrix or s.telling.sum() < 1 + MARGIN:
        return None
    x, off = s.x, s.analytic - s.numerical
    if not (x[s.wrong] != 0).all() or np.ptp(np.abs(x[s.wrong])) <= 1e-3 * np.max(np.abs(x[s.wrong])):
        return None
    basis = s.numerical / x
    d = float(slope(s, basis, off))
    # Where it is one number the same is said of a constant.
    alike = np.ptp(basis[s.wrong]) <= 1e-3 * np.max(np.abs(basis[s.wrong]))
    place = None if alike or not d > 0 else holds(s, s.analytic * x / (x + d), free=1, choices=1.0)
    bar = float(np.min((s.bar / np.abs(basis))[s.wrong]))
    return None if place is None else Cause(Kind.DELTA, place, 1, value=d, bar=bar)


def difference(s: Scope) -> Cause | None:
    """analytic - numerical = h/2 f'': a one-sided difference quotient in the place of the derivative."""
    off, bent = s.analytic - s.numerical, s.curvature[s.wrong]
    if bent.size < 1 + MARGIN or not (np.isfinite(bent).all() and bent.any()):
        return None
    for words, step in STEPS.items():
        basis = s.curvature * step(np.asarray(s.x, float))
        half = float(slope(s, basis, off))
        term = half * np.nan_to_num(basis)
        left = np.abs(off - term)
        # And the term with h^2 besides, whose derivative is taken to be as large as the second one is anywhere.
        crude = CURVATURE * np.abs(term) + 2.0 * abs(half) * np.max(np.abs(term[s.wrong]))
        rest = np.maximum(left, np.maximum(s.bar, crude))[s.wrong]
        decades = np.sort(np.log10(np.abs(off[s.wrong]) / rest)[s.witnesses].clip(0.0, 16.0))[:-1]
        fits = (left <= s.slack(s.numerical) + crude)[s.wrong | s.tested].all()
        if fits and decades.sum() >= DECADES:
            return Cause(Kind.DIFFERENCE, everywhere(s), 1, vague=True, value=2.0 * half, origin=words)
    return None


def gauss_newton(s: Scope) -> Cause | None:
    """A symmetric J^T J for the Hessian: without negative eigenvalues where that has some, or of lower rank."""
    n = s.subject.x.size
    if s.names != ("H",) or not (s.whole and s.complete) or n < 1 + MARGIN:
        return None
    # LAPACK knows no longdouble.
    analytic, numerical = (np.asarray(side, np.float64).reshape(n, n) for side in (s.analytic, s.numerical))
    if not np.allclose(analytic, analytic.T, rtol=0.0, atol=1e-9 * float(np.max(np.abs(analytic)))):
        return None
    ours, its = np.linalg.eigvalsh(analytic), np.linalg.eigvalsh((numerical + numerical.T) / 2.0)
    nothing, something = NO_EIGENVALUE * np.max(np.abs(ours)), EIGENVALUE * np.max(np.abs(its))
    rank = int((ours > nothing).sum())
    lost = rank < n and not np.diag(analytic).min() <= nothing and (np.abs(its) > something).sum() > rank
    if ours[0] < -nothing or not (lost or its[0] < -something):
        return None
    return Cause(
        Kind.GAUSS_NEWTON, everywhere(s), vague=True, span=(float(rank), float(n)), lacking=bool(its[0] < 0)
    )


def cut(s: Scope) -> Cause | None:
    """Integers where the numerical derivatives have fractions, towards 0 of them, as an integer array takes them.

    What is between 0 and 1 and left out of whole numbers (a sigmoid beside labels) is so to one side of them alone.
    """
    g, r, allowed = (part[s.wrong] for part in (s.analytic, s.numerical, s.slack(s.analytic)))
    clear = np.abs(r - np.rint(r)) > allowed
    off = np.abs(g - r)
    # A small term left out of a gradient of integers would look alike: fractions lie anywhere up to 1.
    spread = clear.sum() > 2 and off.max() > 0.5 and (off <= 1.0 + allowed).all()
    whole = np.array_equal(s.analytic, np.rint(s.analytic)) and np.array_equal(g[clear], np.trunc(r[clear]))
    several = spread and (np.ptp(np.sign(r[clear])) > 0 or np.unique(g).size > MARGIN)
    return Cause(Kind.CUT, everywhere(s), vague=True) if whole and several else None


def float32(s: Scope) -> Cause | None:
    """Values that float32 holds, or a type of two bytes, off by what its rounding makes."""
    g, scale = s.analytic, float(np.nanmax(np.abs(s.numerical)))
    off = float(np.nanmax(np.abs(g - s.numerical)))
    if not np.isfinite(g).all() or scale > 1e38 or (g != g.astype(np.float32)).any():
        return None
    mantissa, order = np.frexp(g)[0], "float32"
    if dtype_by_digits(g, "float64") == "float16":
        order = "bfloat16" if np.array_equal(mantissa * 2.0**8, np.rint(mantissa * 2.0**8)) else "float16"
    # Short binary fractions (0.5, 3) are held by any format, and tell nothing.
    long = mantissa[s.wrong] * 2.0**12
    if off > OFF[order] * scale or (order == "float32" and np.unique(long[long != np.rint(long)]).size < 2):
        return None
    return Cause(Kind.FLOAT32, everywhere(s), vague=True, value=off / scale, order=order)
