"""One fit to a few points of a line gives derivative, error bar, noise and kinks of all outputs at once.

The values y at t = h c, with unequal nodes c on both sides of 0 and 0 among them, are expanded in polynomials q_j that
are orthonormal on the nodes: a_j = q_j . y. The derivative at 0 by degree d is the sum over odd j <= d of
a_j q_j'(0) / h; what the higher coefficients hold is noise and what f still bends, and bounds both. The degree with
the least bar counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from gradcheck._typing import Index, Mask, Values

# Offsets of the points on one side, in units of the step. No small whole ratios: equally spaced points take some
# oscillations for polynomials (11 of 2,500 random ones beyond 3 E, worst 16 E; with these 0 of 2,500).
EIGHT = (0.15, 0.28, 0.53, 1.0)
FOUR = (0.53, 1.0)
# A third of Student's t that 3 in 10,000 exceed, by degrees of freedom: the bar is meant to be three of its parts.
STUDENT = {2: 19.2, 4: 3.93, 6: 2.48}
# Truncation counts thrice: the coefficients of a kink beside x fall slowly (with 2.5 times 0.6 % of such kinks lie
# beyond 3 E, with 3 none of 2,500).
TRUNCATION = 3.0
# Noise gives coefficients that are alike within this factor.
FLAT = 5.0
# The jump of the slope is believed where it is three of its errors; the error is that of the two last coefficients.
KINKED, KINK_ERROR = 3.0, 1.2
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class _Nodes:
    """The nodes (k,), and what is made of values there by one product with `linear`, (3 p + k + 2, k).

    p is the number of degrees, which is that of points on one side. The rows of `linear`, each by its slice: `slopes`
    give the derivative by each degree; `coefficients` those of the orthonormal polynomials; `monomials` b1, b3, .. and
    b2, b4, .., over the step to the `exponents` (2 p, 1); `jump` half the jump of the slope; `outer` the derivative by
    the four outer points. Of the moduli of the coefficients bent (p, k) makes the truncation of each degree; of their
    squares spread (p + 2, k) those of its noise, and the means of the upper half and of the last two. amplified : the
    root (p, 1) of the sum of squares of what noise is multiplied by; jump_amplified : that of the jump, with a margin.
    inner, ends : the places of all points but the middle one. powers : (p, p) the monomials t, t^3, .. of the odd
    polynomials q_1, q_3, .., one polynomial a row.
    """

    positions: Values
    linear: Values
    slopes: slice
    coefficients: slice
    monomials: slice
    jump: int
    outer: int
    exponents: Values
    bent: Values
    spread: Values
    amplified: Values
    jump_amplified: float
    inner: Index
    ends: Index
    powers: Values


@cache
def _nodes(side: tuple[float, ...]) -> _Nodes:
    c = np.array([*(-p for p in reversed(side)), 0.0, *side])
    basis, triangle = np.linalg.qr(np.vander(c, increasing=True))
    monomials_of = np.linalg.inv(triangle)
    slopes = monomials_of[1]
    k, degrees = c.size, range(2, c.size, 2)
    p, middle = len(degrees), c.size // 2
    slope, bent, spread = np.zeros((p, k)), np.zeros((p, k)), np.zeros((p + 2, k))
    for row, degree in enumerate(degrees):
        slope[row, 1 : degree + 1 : 2] = slopes[1 : degree + 1 : 2]
        # Where nothing is left the last pair bounds the noise, and what it added is the truncation.
        left = slice(min(degree + 1, k - 2), k)
        spread[row, left] = STUDENT[max(k - 1 - degree, 2)] ** 2 / (k - left.start)
        bent[row, left.start :: 2] = TRUNCATION * np.abs(slopes[left.start :: 2])
    spread[p, middle + 1 :], spread[p + 1, -2:] = 1.0 / middle, 0.5
    jump = _jump(side)
    four = np.zeros((1, k))
    four[0, [0, 1, -2, -1]] = by_four(np.eye(4), 1.0, side[-2:])[0]
    linear = np.concatenate([slope @ basis.T, basis.T, *_monomials(side), jump[None, :], four])
    exponents = np.concatenate([np.arange(1, 2 * p, 2), np.arange(2, 2 * p + 1, 2)])[:, None]
    amplified = np.linalg.norm(slope, axis=1, keepdims=True)
    return _Nodes(
        c, linear, slice(p), slice(p, p + k), slice(p + k, 3 * p + k), 3 * p + k, 3 * p + k + 1, exponents,
        bent, spread, amplified, KINK_ERROR * 2.0 * float(np.linalg.norm(jump[middle + 1 :])),
        np.array([i for i in range(1, k - 1) if i != middle]), np.array([0, k - 1]), monomials_of[1::2, 1::2].T,
    )  # fmt: skip


def _monomials(side: tuple[float, ...]) -> tuple[Values, Values]:
    """(p, k) each: b1, b3, .. and b2, b4, .. of the polynomial through all values, less that in the middle."""
    p, nothing = np.array(side), np.zeros((len(side), 1))
    # From (phi(t) - phi(-t)) / 2t to b1, b3, .. and from (phi(t) + phi(-t) - 2 phi(0)) / 2t^2 to b2, b4, ..
    inverse = np.linalg.inv(np.vander(p**2, increasing=True))
    odd, even = inverse / (2.0 * p), inverse / (2.0 * p**2)
    return np.hstack([-odd[:, ::-1], nothing, odd]), np.hstack([even[:, ::-1], nothing, even])


def _jump(side: tuple[float, ...]) -> Values:
    """(k,) half the jump of the slope at 0, of all values, less that in the middle."""
    # (phi(t) + phi(-t)) / 2 - phi(0) = A |t| + b2 t^2 + b4 t^4 + ..: through as many pairs as there are unknowns.
    p = np.array(side)
    powers = np.stack([p, *(p ** (2 * k) for k in range(1, p.size))], axis=1)
    weights = np.linalg.inv(powers)[0] / 2.0
    return np.concatenate([weights[::-1], [0.0], weights])


@dataclass(frozen=True)
class LineFit:
    """What the points of one line say of m outputs; fields are (m,).

    value : the derivative at 0, in units of f per unit of the line. error : E; the truth is expected within 3 E.
    noise : what one value of f may be off by. floor : the part of it that rounding alone explains.
    least_noise : what it is at the least, for the smaller of the two last coefficients holds little bending.
    spread : the root mean square of the upper half of the coefficients, which is noise where they are alike.
    last : the same of the two last. flat : the coefficients of that half do not fall, as those of noise.
    kink, kink_error : half the jump of the slope at 0, if that is what the even part of f holds, and its error.
    size : the largest value. moved : f is not the same at all points.
    outer : the derivative by the four outer points alone.
    odd, even : (p, m) coefficients |b1|, |b3|, .. and |b2|, |b4|, .. of the polynomial through all points.
    bends : (p - 1, m) the moduli of the coefficients of q_3, q_5, ..
    """

    step: float
    value: Values
    error: Values
    noise: Values
    floor: Values
    least_noise: Values
    spread: Values
    last: Values
    flat: Mask
    kink: Values
    kink_error: Values
    size: Values
    moved: Mask
    outer: Values
    odd: Values
    even: Values
    bends: Values

    @cached_property
    def scatter(self) -> Values:
        """The standard deviation of the noise of one value as few coefficients tell it; of rounding at the least."""
        return np.asarray(np.maximum(np.where(self.flat, self.spread, self.last), self.floor / 2.0))

    @cached_property
    def kinked(self) -> Mask:
        """Where the slopes on the two sides of x differ by more than their errors, and the bar, can explain."""
        return np.asarray(np.abs(self.kink) > np.maximum(KINKED * self.kink_error, 1.5 * self.error))


def positions(side: tuple[float, ...]) -> Values:
    """The offsets of all points, in units of the step; the middle one is 0."""
    return _nodes(side).positions


def ends_and_inner(side: tuple[float, ...]) -> tuple[Index, Index]:
    """The places among all points of the two ends, and of the others but for the middle one."""
    nodes = _nodes(side)
    return nodes.ends, nodes.inner


def by_four(values: Values, step: float, side: tuple[float, ...]) -> tuple[Values, Values, Values]:
    """The derivative (m,) by two points on either side, exact up to t^4; and those by the inner and the outer pair.

    values : (4, m) in order.
    """
    low, near_low, near_high, high = values
    near, far = side
    inner, outer = (near_high - near_low) / (2.0 * near * step), (high - low) / (2.0 * far * step)
    return inner + (inner - outer) * near**2 / (far**2 - near**2), inner, outer


def fit_line(values: Values, step: float, side: tuple[float, ...], floor: Values) -> LineFit:
    """Fit the values (k, m) of m outputs at the positions of `side` times `step`.

    floor : (m,) what rounding may change of one value, on top of half a unit in the last place.
    Source: the orthonormal fit and Student's t are textbook least squares; the bar is by trial, see docs/verdict.md.
    """
    nodes = _nodes(side)
    k, m = values.shape
    middle = k // 2
    y = values - values[middle]
    linear = nodes.linear.dot(y)
    by_step = linear / step
    moduli = np.abs(linear)
    a = moduli[nodes.coefficients]
    size = np.maximum.reduce(np.abs(values))
    rounding = np.maximum(EPS * size, floor)
    # All degrees, (p, m); nan is no bar.
    spread = np.sqrt(nodes.spread.dot(a * a))
    seen = np.maximum(spread[:-2], rounding)
    error = np.fmin((nodes.bent.dot(a) + seen * nodes.amplified + EPS * moduli[nodes.slopes]) / step, np.inf)
    best = error.argmin(axis=0), np.arange(m)
    bar = error[best]
    known, least, last = bar < np.inf, np.minimum(a[-2], a[-1]), np.maximum(a[-2], a[-1])
    monomials = moduli[nodes.monomials] / step**nodes.exponents
    return LineFit(
        step=step,
        value=np.where(known, by_step[best], 0.0),
        error=bar,
        noise=np.where(known, seen[best], rounding),
        floor=rounding,
        least_noise=np.maximum(rounding, least) if k > 5 else rounding,
        spread=spread[-2],
        last=spread[-1],
        flat=np.maximum.reduce(a[middle + 1 : -2], initial=0.0) <= FLAT * last,
        kink=by_step[nodes.jump],
        kink_error=np.maximum(2.0 * least, rounding) * (nodes.jump_amplified / step),
        size=size,
        moved=np.logical_or.reduce(y),
        outer=by_step[nodes.outer],
        odd=monomials[: len(side)],
        even=monomials[len(side) :],
        bends=a[3::2],
    )


def hidden_bends(fit: LineFit, step: float) -> Values:
    """What four points, at a shorter step than the eight of a fit, leave of the slope by the bends of these, (m,).

    What noise may hide of a coefficient a_j counts as there. Of q_j the rule of `by_four` leaves that of its chords
    q_j(c) / c less q_j'(0).
    """
    powers, (near, far) = _nodes(EIGHT).powers[1:], FOUR
    c = step / fit.step * np.array(FOUR)
    inner, outer = (powers @ c ** (2.0 * np.arange(powers.shape[1]))[:, None]).T
    left = np.abs(inner + (inner - outer) * near**2 / (far**2 - near**2) - powers[:, 0])
    return np.asarray(TRUNCATION * left @ np.maximum(fit.bends, fit.scatter) / fit.step)


def third_order(fit: LineFit) -> Values:
    """|b3| (m,) of a fit to eight points by q_3 alone, or what noise may hide of it."""
    return np.asarray(np.maximum(fit.bends[0], fit.scatter) * abs(_nodes(EIGHT).powers[1, 1]) / fit.step**3)


def fifth_over_third(fit: LineFit) -> Values:
    """|b5| / |b3| (m,) of a fit to eight points at the most, infinite where noise hides that of third order."""
    powers, bends = np.abs(_nodes(EIGHT).powers), np.maximum(fit.bends, fit.scatter)
    fifth = (powers[2, 2] * bends[1] + powers[3, 2] * bends[2]) / fit.step**5
    return np.where(fit.bends[0] > 3.0 * fit.scatter, fifth / third_order(fit), np.inf)
