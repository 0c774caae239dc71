"""One fit to a few points of a line gives derivative, error bar, noise and kinks of all outputs at once.

The values y at t = h c, with unequal nodes c on both sides of 0 and 0 among them, are expanded in polynomials q_j that
are orthonormal on the nodes: a_j = q_j . y. The derivative at 0 by degree d is the sum over odd j <= d of
a_j q_j'(0) / h; what the higher coefficients hold is noise and what f still bends, and bounds both. The degree with
the least bar counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from gradcheck._typing import Mask, Values

__all__ = ["EIGHT", "FOUR", "LineFit", "fit_line"]

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


@dataclass(frozen=True)
class _Nodes:
    """The nodes (k,), their polynomials (k, k), one a column, the slopes q_j'(0) (k,), and the weights of a kink."""

    positions: Values
    basis: Values
    slopes: Values
    odd_monomials: Values
    even_monomials: Values
    kink: Values


@cache
def _nodes(side: tuple[float, ...]) -> _Nodes:
    c = np.array([*(-p for p in reversed(side)), 0.0, *side])
    basis, triangle = np.linalg.qr(np.vander(c, increasing=True))
    slopes = np.linalg.inv(triangle)[1]
    p = np.array(side)
    # From (phi(t) - phi(-t)) / 2t to b1, b3, .. and from (phi(t) + phi(-t) - 2 phi(0)) / 2t^2 to b2, b4, ..
    monomials = np.linalg.inv(np.vander(p**2, increasing=True))
    # (phi(t) + phi(-t)) / 2 - phi(0) = A |t| + b2 t^2 + b4 t^4 + ..: through as many pairs as there are unknowns.
    powers = np.stack([p, *(p ** (2 * k) for k in range(1, p.size))], axis=1)
    return _Nodes(c, basis, slopes, monomials / (2.0 * p), monomials / (2.0 * p**2), np.linalg.inv(powers)[0])


@dataclass(frozen=True)
class LineFit:
    """What the points of one line say of m outputs; fields are (m,).

    value : the derivative at 0, in units of f per unit of the line. error : E; the truth is expected within 3 E.
    noise : what one value of f may be off by. floor : the part of it that rounding alone explains.
    least_noise : what it is at the least, for the smaller of the two last coefficients holds little bending.
    spread : the root mean square of the upper half of the coefficients, which is noise where they are alike.
    flat : the coefficients of that half do not fall, as those of noise.
    truncated : the degree's bar holds more bending than noise.
    kink, kink_error : half the jump of the slope at 0, if that is what the even part of f holds, and its error.
    size : the largest value. moved : f is not the same at all points.
    odd, even : (p, m) coefficients |b1|, |b3|, .. and |b2|, |b4|, .. of the polynomial through all points.
    """

    step: float
    value: Values
    error: Values
    noise: Values
    floor: Values
    least_noise: Values
    spread: Values
    flat: Mask
    truncated: Mask
    kink: Values
    kink_error: Values
    size: Values
    moved: Mask
    odd: Values
    even: Values

    @property
    def kinked(self) -> Mask:
        """Where the slopes on the two sides of x differ by more than their errors, and the bar, can explain."""
        jump = np.abs(self.kink)
        return np.asarray((jump > KINKED * self.kink_error) & (2.0 * jump > 3.0 * self.error))


def positions(side: tuple[float, ...]) -> Values:
    """The offsets of all points, in units of the step; the middle one is 0."""
    return _nodes(side).positions


def fit_line(values: Values, step: float, side: tuple[float, ...], floor: Values) -> LineFit:
    """Fit the values (k, m) of m outputs at the positions of `side` times `step`.

    floor : (m,) what rounding may change of one value, on top of half a unit in the last place.
    Source: the orthonormal fit and Student's t are textbook least squares; the bar is by trial, see docs/verdict.md.
    """
    nodes = _nodes(side)
    k, m = values.shape
    middle = k // 2
    eps = float(np.finfo(np.float64).eps)
    y = values - values[middle]
    a = nodes.basis.T @ y
    size = np.abs(values).max(axis=0)
    rounding = np.maximum(eps * size, floor)
    terms = np.abs(a * nodes.slopes[:, None])
    best_value, best_error = np.zeros(m), np.full(m, np.inf)
    noise, truncated = rounding.copy(), np.zeros(m, bool)
    for degree in range(2, k, 2):
        odd = slice(1, degree + 1, 2)
        value = nodes.slopes[odd] @ a[odd] / step
        amplified = math.sqrt(float(nodes.slopes[odd] @ nodes.slopes[odd])) / step
        if degree < k - 1:
            freedom = k - 1 - degree
            spread = np.sqrt(np.square(a[degree + 1 :]).mean(axis=0)) * STUDENT[freedom]
            bent = terms[degree + 1 :: 2].sum(axis=0) / step
        else:
            # Nothing is left: the last pair bounds the noise, and what it added is the truncation.
            spread = np.sqrt(np.square(a[k - 2 :]).mean(axis=0)) * STUDENT[2]
            bent = terms[k - 2] / step
        seen = np.maximum(spread, rounding)
        error = TRUNCATION * bent + seen * amplified + eps * np.abs(value)
        better = error < best_error
        best_value, best_error = np.where(better, value, best_value), np.where(better, error, best_error)
        noise = np.where(better, seen, noise)
        truncated = np.where(better, TRUNCATION * bent > seen * amplified, truncated)
    odd_part = values[middle + 1 :] - values[middle - 1 :: -1]
    even_part = values[middle + 1 :] + values[middle - 1 :: -1] - 2.0 * values[middle]
    p = len(side)
    powers = step ** (2.0 * np.arange(p))[:, None]
    floor_of_kink = np.maximum(2.0 * np.minimum(np.abs(a[k - 2]), np.abs(a[k - 1])), rounding)
    return LineFit(
        step=step,
        value=best_value,
        error=best_error,
        noise=noise,
        floor=rounding,
        least_noise=np.maximum(
            rounding, np.minimum(np.abs(a[k - 2]), np.abs(a[k - 1])) if k > 5 else rounding
        ),
        spread=np.sqrt(np.square(a[k // 2 + 1 :]).mean(axis=0)),
        flat=np.abs(a[k // 2 + 1 : -2]).max(axis=0, initial=0.0) <= FLAT * np.abs(a[-2:]).max(axis=0),
        truncated=truncated,
        kink=nodes.kink @ even_part / (2.0 * step),
        kink_error=KINK_ERROR * floor_of_kink * float(np.linalg.norm(nodes.kink)) / step,
        size=size,
        moved=(y != 0).any(axis=0),
        odd=np.abs(nodes.odd_monomials @ odd_part) / step / powers,
        even=np.abs(nodes.even_monomials @ even_part) / step**2 / powers,
    )
