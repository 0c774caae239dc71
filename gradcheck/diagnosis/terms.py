"""Mistakes that x or f explains: a term left out, another parameter, a norm not differentiated, a difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.diagnosis.patterns import slope
from gradcheck.diagnosis.scope import DECADES, MARGIN, Scope
from gradcheck.results.cause import Cause, Kind, Place

__all__ = ["difference", "lasso", "offset", "parametrisation", "projected", "weight_decay"]

# What the derivative by another parameter is multiplied with: x as log x, as a logit, as a square root, ...
CHAIN: dict[str, Callable[[Flat], Flat]] = {
    "{}": lambda t: t,
    "1/{}": lambda t: 1.0 / t,
    "2 {}": lambda t: 2.0 * t,
    "1/(2 {})": lambda t: 0.5 / t,
    "{0} (1 - {0})": lambda t: t * (1.0 - t),
    "1/({0} (1 - {0}))": lambda t: 1.0 / (t * (1.0 - t)),
    "exp({})": np.exp,
    "exp(-{})": lambda t: np.exp(-t),
}
# Second derivatives are by-products of the first, and known to about so much.
CURVATURE = 0.05
# A direction is called orthogonal to x where rounding explains what is left, or the bars do.
ORTHOGONAL = 1e-9


def _left_out(s: Scope, basis: Flat, kind: Kind) -> Cause | None:
    """numerical - analytic = lambda b, with lambda fitted.

    Signs alone are few bits, and equal and opposite errors are common (a flux, a force between two): an L1 penalty is
    in whole arrays, or in a block of one.
    """
    wrong, slack = s.wrong, s.slack(s.numerical)[s.wrong]
    strength = float(slope(basis[wrong] / slack, (s.numerical - s.analytic)[wrong] / slack))
    bar = float(np.min(s.bar[wrong] / np.abs(basis[wrong])))
    added = strength * basis
    # Where the numerical gradient is the term itself, all that is known of analytic is that it is too small.
    if s.fits(added)[wrong].all():
        return None
    scattered = kind is not Kind.L1 and wrong.sum() > 1 + MARGIN
    place = s.holds(s.analytic + added, free=1, anywhere=scattered)
    if place is None:
        return None
    if kind is Kind.DECAY and len(s.blocks) == 1 and s.at.size == s.blocks[0].size:
        along = abs(float(s.analytic @ s.x))
        if along <= ORTHOGONAL * float(np.linalg.norm(s.analytic) * np.linalg.norm(s.x)):
            return Cause(Kind.PROJECTED, place, 1, origin="x")
    return Cause(kind, place, 1, value=abs(strength), bar=bar, lacking=strength > 0)


def weight_decay(s: Scope) -> Cause | None:
    """A term with x."""
    return None if s.subject.matrix else _left_out(s, s.x, Kind.DECAY)


def lasso(s: Scope) -> Cause | None:
    """A term with sign(x), where that is neither a constant nor x itself up to a factor."""
    if s.subject.matrix:
        return None
    # Signs that a sample happens to share differ in the whole array, for which a direction speaks.
    x = s.x[s.wrong] if s.complete else s.x
    distinct = np.ptp(np.sign(x)) > 0 and np.ptp(np.abs(x)) > 0
    return _left_out(s, np.sign(s.x), Kind.L1) if distinct else None


def offset(s: Scope) -> Cause | None:
    """A constant; of a Hessian on the diagonal, too."""
    return _left_out(s, np.ones_like(s.analytic), Kind.OFFSET)


def parametrisation(s: Scope) -> Cause | None:
    """analytic = t(x) numerical: the derivative by log x, by a logit, of log f, with the chain rule left out."""
    for name, base in s.subject.bases(s.at):
        for words, chain in CHAIN.items():
            t = np.asarray(chain(np.asarray(base, float)))
            lost = np.where(s.analytic == 0.0, np.nan_to_num(s.numerical), np.nan)
            explained = np.where(t == 0.0, lost, s.analytic / t)
            varied = np.ptp(np.abs(t[s.wrong])) > 1e-3 * np.max(np.abs(t[s.wrong]))
            if not varied or not np.isfinite(t[s.wrong]).all() or s.wrong.sum() < 1 + MARGIN:
                continue
            if place := s.holds(explained, choices=math.log10(2 * len(CHAIN)), anywhere=False):
                return Cause(Kind.PARAMETRISATION, place, origin=words.format(name))
    return None


def projected(s: Scope) -> Cause | None:
    """A norm of x that was not differentiated, or a part along x taken off: of an array, its rows or columns."""
    b = s.blocks[0]
    if s.subject.matrix or len(s.blocks) > 1 or b.is_complex or s.at.size < b.size:
        return None
    for kind in (Kind.NOT_PROJECTED, Kind.PROJECTED):
        for words, lines in _lines(b.shape):
            explained = _off_x(s, lines, kind)
            if explained is not None and s.mends(explained, choices=1.0):
                return Cause(kind, s.everywhere(s.confirmed(explained)), origin=words)
    return None


def _lines(shape: tuple[int, ...]) -> Iterator[tuple[str, Index]]:
    """The vectors (k, n) of entries of which each may have a norm of its own: the array, its rows, its columns."""
    places = np.arange(math.prod(shape))
    yield "x", places[None]
    if len(shape) == 2:
        yield "each row of x", places.reshape(shape)
        yield "each column of x", places.reshape(shape).T


def _off_x(s: Scope, lines: Index, kind: Kind) -> Flat | None:
    """What analytic should be, if one side is orthogonal to x and the other is not; None where neither is."""
    # Without all numerical values nothing is known of their part along x but what a direction says of the whole.
    if lines.shape[1] < 1 + MARGIN or not (s.complete or kind is Kind.NOT_PROJECTED):
        return None
    x, g, r, bar = (part[lines] for part in (s.x, s.analytic, s.numerical, s.bar))
    square = np.sum(x * x, axis=1, keepdims=True)
    if not (square > 0).all():
        return None
    still, other = (r, g) if kind is Kind.NOT_PROJECTED else (g, r)
    along = np.abs(np.sum(still * x, axis=1))
    size = np.sqrt(np.sum(still**2, axis=1) * square[:, 0])
    noise = np.sum(bar * np.abs(x), axis=1) if kind is Kind.NOT_PROJECTED else 0.0
    if s.complete and not (along <= noise + ORTHOGONAL * size).all():
        return None
    part = np.sum(other * x, axis=1, keepdims=True) / square * x
    explained = np.empty_like(s.analytic)
    # Either analytic without its part along x, or with that of numerical given back.
    explained[lines] = g - part if kind is Kind.NOT_PROJECTED else g + part
    return explained


def difference(s: Scope) -> Cause | None:
    """analytic - numerical = h/2 f'': a one-sided difference quotient in the place of the derivative."""
    known = s.wrong & np.isfinite(s.curvature)
    b = s.curvature
    if known.sum() < 1 + MARGIN or not b[known].any() or (s.wrong & ~known).any():
        return None
    slack = s.slack(s.numerical)[s.wrong]
    half = float(slope(b[s.wrong] / slack, (s.analytic - s.numerical)[s.wrong] / slack))
    off, term = s.analytic - s.numerical, half * np.nan_to_num(b)
    left = np.abs(off - term)
    if not (left <= s.slack(s.numerical) + CURVATURE * np.abs(term))[s.wrong | s.tested].all():
        return None
    rest = np.maximum(left, np.maximum(s.bar, CURVATURE * np.abs(term)))[s.wrong]
    decades = np.sort(np.log10(np.abs(off[s.wrong]) / rest).clip(0.0, 16.0))[:-1]
    if decades.sum() < DECADES:
        return None
    place: Place = s.everywhere()
    return Cause(Kind.DIFFERENCE, place, 1, vague=True, value=2.0 * half)
