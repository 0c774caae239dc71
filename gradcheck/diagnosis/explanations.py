"""What kind of mistake fits a mismatch: explanations that bring it within its error bar, in words.

An explanation is reported when it brings every wrong entry of an array within 3 E + tau, and when so good a fit
can hardly be an accident (`Scope.convinces`). No explanation is better than a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.diagnosis.permutations import exchanged_arrays, rearranged
from gradcheck.diagnosis.suspects import Scope, wrong_scope
from gradcheck.numerics.setting import Setting
from gradcheck.results.evidence import Evidence
from gradcheck.results.words import number

__all__ = ["Diagnosis", "diagnose"]

Array = NDArray[np.floating[Any]]
Gradient = Callable[[Flat], Flat]

EXACT, FITTED, RANGE = 0, 1, 2
# Rounding to float32 is off by half of this relative to an entry; sums of many terms by some tens of it.
FLOAT32_OFF = 64 * float(np.finfo(np.float32).eps)
# A factor of 10 or more is an N for a person to recognise (a batch size); a 3 may come from anything.
LEAST_N = 10


@dataclass(frozen=True)
class Diagnosis:
    """sentences : the explanations, best first. ngev : how often grad was called to find them."""

    sentences: tuple[str, ...] = ()
    ngev: int = 0


@dataclass(frozen=True)
class Explanation:
    """One sentence, and what it leaves open: EXACT values, one FITTED constant, or only a RANGE for each entry."""

    sentence: str
    leaves: int


def diagnose(setting: Setting, analytic: Flat, evidence: Evidence, grad: Gradient | None = None) -> Diagnosis:
    """Explain a mismatch, from the evidence that showed it.

    analytic : (size,) the gradient under test. evidence : some or all coordinates of it, judged.
    grad : flat x -> flat gradient, called at most twice, where an array is left unexplained: at another point
        (inside the bounds) and again at x, to see whether it depends on x and on nothing else.
    One explanation for all arrays with a wrong entry comes before one for each of them. Of several that fit the
    same entries, those are kept that leave least open.
    """
    scope = wrong_scope(setting, analytic, evidence)
    if scope is None:
        return Diagnosis()
    together = _explanations(scope)
    if together:
        return Diagnosis(together)
    cached, ngev = "", 0
    parts = [scope.one(b) for b in scope.blocks]
    found = [_explanations(part) for part in parts]
    if grad is not None and not all(found):
        cached, ngev = _cache(setting, analytic, evidence, grad)
    places = [_common_place(part) for part, sentences in zip(parts, found, strict=True) if not sentences]
    ordered = (cached, *(sentence for sentences in found for sentence in sentences), *places)
    return Diagnosis(tuple(sentence for sentence in ordered if sentence), ngev)


def _explanations(scope: Scope) -> tuple[str, ...]:
    found = [e for e in (pattern(scope) for pattern in PATTERNS) if e is not None]
    least = min((e.leaves for e in found), default=EXACT)
    return tuple(e.sentence for e in found if e.leaves == least)


def _common_place(s: Scope) -> str:
    place = s.common_place()
    return f"all {int(s.wrong.sum()):,} wrong entries lie in {place}" if place else ""


def _missing(s: Scope) -> Explanation | None:
    """Exact zeros where the numerical derivative is not zero."""
    if s.analytic[s.wrong].any():
        return None
    imaginary = s.imaginary
    if imaginary[s.wrong].all() and not s.analytic[imaginary].any():
        return Explanation(
            f"analytic is real in {s.everywhere()}, numerical is not: the imaginary part is lost", EXACT
        )
    place = s.wrong_place() if s.analytic.any() else s.everywhere()
    return Explanation(f"analytic is 0 in {place}, numerical is not: a term is missing", EXACT)


def _factor(s: Scope) -> Explanation | None:
    """analytic = c x numerical; a c without a meaning is one fitted constant."""
    g, r, slack = (part[s.wrong] for part in (s.analytic, s.numerical, s.slack(s.numerical)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        c = float(1.0 / _slope(g / slack, r / slack))
        spread = float(np.min(s.bar[s.wrong] / np.abs(r)))
    if not (1e-300 < abs(c) < 1e300 and spread < 0.1):
        return None
    larger = abs(c) > 1.0
    n = round(c if larger else 1.0 / c)
    meaning = _meaning(s, n, larger)
    # The factor must be known well enough to tell n from its neighbours.
    if meaning and spread * abs(n) < 0.25:
        explained = s.analytic / n if larger else s.analytic * n
        if place := s.holds(explained, choices=math.log10(4.0 * abs(n))):
            return Explanation(f"analytic = {_times(n, larger)}numerical in {place}: {meaning}", EXACT)
    if s.wrong.sum() == 1:
        # No evidence for a factor; a description, for people to recognise. Beside undecided entries it would mislead.
        name = s.parameters.name(int(s.at[s.wrong][0]))
        text = f"one entry, {name}, scaled by {_constant(c, spread)}"
        return None if s.undecided.size else Explanation(text, FITTED)
    if place := s.holds(s.analytic / c, free=1):
        return Explanation(f"analytic = {_constant(c, spread)} x numerical in {place}", FITTED)
    return None


def _slope(b: Array, d: Array) -> Any:
    """The least-squares slope of d over b through the origin, by way of numbers that do not overflow."""
    size = np.max(np.abs(b))
    return (b / size) @ d / ((b / size) @ (b / size)) / size


def _meaning(s: Scope, n: int, larger: bool) -> str:
    """What a factor n (`larger`) or 1/n usually comes from; empty where nothing is known."""
    if n == -1:
        return "the sign"
    if n == 2:
        return "a factor 2 too many" if larger else "a factor 2 is missing, as from d(x^2) = 2 x dx"
    length = ""
    for b in (*s.blocks, *s.parameters.blocks):
        if n in b.shape and not length:
            length = f" (the length of axis {b.shape.index(n)} of {b.name})"
    if n < LEAST_N and not length:
        return ""
    mistake = "a sum where f takes the mean" if larger else "a mean where f takes the sum"
    return f"{mistake}, N = {n}{length}?"


def _times(n: int, larger: bool) -> str:
    return "-" if n == -1 else f"{n} x " if larger else f"1/{n} x "


def _constant(c: float, spread: float) -> str:
    """C with the digits that are known, at most six, but as many as it takes to tell it from 1."""
    telling = 1 - math.floor(math.log10(max(abs(c - 1.0), 1e-13)))
    known = -math.floor(math.log10(max(spread, 1e-16)))
    return number(c, max(2, telling, min(max(6, telling + 2), known)))


def _conjugate(s: Scope) -> Explanation | None:
    """Another convention for complex numbers: df/dRe - i df/dIm, or half of it."""
    imaginary = s.imaginary
    if not all(b.is_complex for b in s.blocks):
        return None
    conjugate = np.where(imaginary, -s.analytic, s.analytic)
    for scale, convention in ((1.0, "df/dRe - i df/dIm, as JAX has it"), (2.0, "Wirtinger's df/dz")):
        explained = scale * conjugate
        if s.fits(explained).all() and s.convinces(explained, choices=1.0):
            half = "" if scale == 1.0 else "half "
            text = f"analytic is {half}the conjugate of numerical in {s.everywhere()}: {convention}"
            return Explanation(text, EXACT)
    return None


def _left_out(
    basis: Callable[[Flat], Flat], words: tuple[str, str, str]
) -> Callable[[Scope], Explanation | None]:
    """A pattern: numerical - analytic = lambda b(x), lambda fitted; words for `b`, for + and for -."""

    def pattern(s: Scope) -> Explanation | None:
        b = basis(s.x)
        wrong, slack = s.wrong, s.slack(s.numerical)[s.wrong]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            strength = _slope(b[wrong] / slack, (s.numerical - s.analytic)[wrong] / slack)
            bar = number(float(np.min(s.bar[wrong] / np.abs(b[wrong]))) / 3.0, 1)
            added = strength * b
        # Where the numerical gradient is the term itself, all that is known of analytic is that it is too small.
        if s.fits(added)[wrong].all() or not (place := s.holds(s.analytic + added, free=1)):
            return None
        what, lacking, surplus = words
        value = number(abs(float(strength)), 6)
        sides = "numerical - analytic" if strength > 0 else "analytic - numerical"
        meaning = lacking if strength > 0 else surplus
        return Explanation(f"{sides} = {what.format(value)} +- {bar} in {place}: {meaning}", FITTED)

    return pattern


def _lasso(s: Scope) -> Explanation | None:
    """A term with sign(x), where that is neither a constant nor x itself up to a factor."""
    x = s.x[s.wrong]
    distinct = np.ptp(np.sign(x)) > 0 and np.ptp(np.abs(x)) > 0
    return _sign_term(s) if distinct else None


def _cut(s: Scope) -> Explanation | None:
    """Integers where the numerical derivatives have fractions, always on the same side of them."""
    g, r, allowed = (part[s.wrong] for part in (s.analytic, s.numerical, s.allowed))
    clear = np.abs(r - np.rint(r)) > allowed
    off = np.abs(g - r)
    # A small term left out of a gradient of integers would look alike: fractions lie anywhere up to 1.
    spread = clear.sum() > 2 and off.max() > 0.5 and (off <= 1.0 + allowed).all()
    if not spread or (s.analytic != np.rint(s.analytic)).any():
        return None
    for cut, words in ((np.trunc, "cut"), (np.floor, "rounded down")):
        if np.array_equal(g[clear], cut(r[clear])):
            text = f"analytic is numerical {words} to integers in {s.everywhere()}: an integer array?"
            return Explanation(text, RANGE)
    return None


def _float32(s: Scope) -> Explanation | None:
    """Values that float32 holds, off by what its rounding makes."""
    g, scale = s.analytic, float(np.max(np.abs(s.numerical)))
    off = float(np.max(np.abs(g - s.numerical)))
    if off > FLOAT32_OFF * scale or scale > 1e38 or (g != g.astype(np.float32)).any():
        return None
    # Short binary fractions (0.5, 3) are held by any format, and tell nothing.
    mantissa = np.frexp(g[s.wrong])[0] * 2.0**12
    if np.count_nonzero(mantissa != np.rint(mantissa)) < 2:
        return None
    return Explanation(
        f"analytic has only the digits of float32 in {s.everywhere()}, off by up to {number(off / scale, 1)} "
        "of the largest: computed in float32?",
        RANGE,
    )


def _averaged(s: Scope) -> Explanation | None:
    """One number for all entries along an axis, where each should have its own: a sum over too much."""
    b = s.blocks[0]
    if len(s.blocks) > 1 or b.is_complex or not s.complete:
        return None
    axes = [tuple(range(len(b.shape))), *((k,) for k in range(len(b.shape)) if len(b.shape) > 1)]
    analytic, numerical, bar, slack = (
        part.reshape(b.shape) for part in (s.analytic, s.numerical, s.bar, s.slack(s.analytic))
    )
    for axis in axes:
        over = "all entries" if len(axis) == len(b.shape) else f"axis {axis[0]}"
        for name, reduce in (("sum", np.sum), ("mean", np.mean)):
            reduced, noise, allowed = (reduce(a, axis, keepdims=True) for a in (numerical, bar, slack))
            off = np.maximum(np.abs(analytic - reduced), noise)
            clear = np.abs(reduced) > allowed
            if clear.all() and (off <= allowed).all() and s.convinces(s.numerical + off.ravel(), choices=1.0):
                text = f"each entry of {b.name} is the {name} of the numerical ones over {over}"
                return Explanation(f"{text}: reduced over too much, and broadcast?", EXACT)
    return None


def _repeated(s: Scope) -> Explanation | None:
    """One number in all entries of an array, tested or not, where the numerical ones differ."""
    b, values = s.blocks[0], s.gradient[s.blocks[0].slice]
    if len(s.blocks) > 1 or b.is_complex or b.size < 3 or not values[0] or (values != values[0]).any():
        return None
    if np.ptp(s.numerical) <= 2.0 * s.allowed.max():
        return None
    text = f"analytic is {number(values[0], 6)} in all {b.size:,} entries of {b.name}, numerical differs"
    return Explanation(f"{text}: reduced over too much, and broadcast?", RANGE)


def _moved(s: Scope) -> Explanation | None:
    """The right values in wrong places of an array, or in another array."""
    words = rearranged(s) if len(s.blocks) == 1 else exchanged_arrays(s)
    return Explanation(words, EXACT) if words else None


def _cache(setting: Setting, analytic: Flat, evidence: Evidence, grad: Gradient) -> tuple[str, int]:
    """Whether grad stays the same where f's derivative changes, or changes after a call elsewhere."""
    found = evidence.estimate
    with np.errstate(invalid="ignore"):
        bend = np.abs(found.curvature) * found.step
        bent = np.where(np.isfinite(found.error) & (bend > 3.0 * found.noise), bend, 0.0)
    if not bent.any():
        return "", 0
    row = int(np.argmax(bent))
    at = int(evidence.coordinates[row])
    elsewhere = setting.x.copy()
    # Bends are known only where f was evaluated on both sides: the point is on its domain and within the bounds.
    elsewhere[at] += found.step[row]
    seen: list[Flat] = []
    try:
        for point in (elsewhere, setting.x):
            seen.append(grad(point))
    except Exception:
        return "", len(seen) + 1  # a grad that cannot be called elsewhere tells nothing
    there, again = seen
    size = float(np.max(np.abs(analytic), initial=0.0, where=np.isfinite(analytic)))
    if not np.allclose(again, analytic, rtol=1e-9, atol=1e-9 * size, equal_nan=True):
        return (
            "grad(x) is another one after a call at another point: it remembers earlier calls (a stale cache?)",
            2,
        )
    if np.array_equal(there, analytic, equal_nan=True):
        name = setting.parameters.name(at)
        return (
            f"grad stays the same when {name} moves, f's slope does not: a stale cache, or x is not used?",
            2,
        )
    return "", 2


_weight_decay = _left_out(
    lambda x: x, ("lambda x with lambda = {}", "weight decay left out?", "weight decay that f does not have?")
)
_sign_term = _left_out(
    np.sign,
    ("lambda sign(x) with lambda = {}", "an L1 penalty left out?", "an L1 penalty that f does not have?"),
)
_offset = _left_out(np.ones_like, ("{}", "a constant left out?", "a constant too many?"))

# Simple and specific first; each looks at one array, or at all that have a wrong entry.
PATTERNS = (
    _missing, _conjugate, _factor, _moved, _averaged, _repeated, _cut, _float32, _weight_decay, _lasso, _offset,
)  # fmt: skip
