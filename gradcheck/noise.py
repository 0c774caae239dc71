"""How many digits of f can be trusted near x: measured, not assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.evaluation import Lines, Objective

__all__ = ["Noise", "measure_noise"]

Values = NDArray[np.floating[Any]]

# Where the points lie, in units of the spacing; f(x) itself, at 0, is known already. All on one side, so that
# a direction which points inwards serves at bounds and at the edge of f's domain too.
POSITIONS = np.arange(1.0, 8.0)
# First spacing relative to the scale of x. Wide enough to cross several roundings of f to eight digits or of
# x to float32, narrow enough that the fourth differences of a smooth f lie far below its rounding.
FIRST_SPACING = 1e-6
WIDER, NARROWER = 300.0, 1e-3
# Noise that is this part of f itself may be an oscillation faster than both spacings.
NEARLY_ALL = 0.05
# How far the widest probe goes, in first spacings.
WIDEST = WIDER * POSITIONS[-1]


@dataclass(frozen=True)
class Noise:
    """The noise of f near x.

    level : what one value of f may be off by, in units of f; twice the standard deviation that was measured,
        and never below half a unit in the last place.
    slope : |df/dt| along the probed direction, in units of f per scaled unit of x; nan where unknown.
    digits : "float64", "float32", "decimal", ...: the grid on which the values of f lie.
    constant : f had the same value at every probed point.
    values : the values that were probed.
    """

    level: float
    slope: float
    digits: str
    constant: bool
    values: tuple[float, ...]


def measure_noise(
    objective: Objective, line: Lines, f_x: Any, spacing: float = FIRST_SPACING, *, back: bool = True
) -> Noise:
    """Estimate the noise of f along one line through x, from the differences of equally spaced values.

    line : one line; its offsets are in the scaled units in which `spacing` is given.
    f_x : f(x), known already. back : whether f may be called on the other side of x, where it is not finite on this.
    Costs seven evaluations, fourteen where the first spacing shows no noise or too much, and seven more where f
    seems to be nothing but noise.
    Source: Moré & Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011).
    """
    sigma, values = _probe(objective, line, f_x, spacing)
    seen = [values]
    eps = float(np.finfo(values.dtype).eps)
    if not np.isfinite(values).all():
        # Off the domain: the other way, and not so far.
        sigma, values = _probe(objective, line, f_x, (-spacing if back else spacing) * NARROWER)
        seen = [values]
    elif _alike(values):
        second, values = _probe(objective, line, f_x, spacing * WIDER)
        seen.append(values)
        sigma = second if second is not None else _smallest_sigma(seen)
    elif sigma is None or sigma > 100.0 * eps * float(np.max(np.abs(values))):
        # Too much for rounding: noise stays when the points move together, a kink or an oscillation goes.
        second, values = _probe(objective, line, f_x, spacing * NARROWER)
        if not _alike(values):
            seen.append(values)
            sigma = _narrowed(sigma, second, seen)
            if sigma > NEARLY_ALL * float(np.max(np.abs(values))):
                sigma = _at_the_grid(objective, line, f_x, sigma, values)
    sigma = 0.0 if sigma is None else sigma
    # Without the first points: a kink or a jump between them, or at x itself, is not noise at any spacing.
    tails = [values[k:] for values in seen for k in (1, 2, 3)]
    rest = min(max(_sigmas(tail)[1:]) for tail in tails)
    if rest < 0.01 * sigma and not any(_alike(tail) for tail in tails):
        sigma = rest
    every = np.concatenate(seen)
    every = every[np.isfinite(every)]
    size = float(np.max(np.abs(every))) if every.size else 0.0
    quantum, digits = granularity(every)
    if quantum > 0 and float(np.ptp(seen[0])) <= 2.0 * quantum:
        # So near to x only the grid shows; what the wider spacing saw beyond it may be an oscillation.
        sigma = min(sigma, quantum)
    # A value on a grid is off by up to half a step; 0.6 steps cover it, and where the differences show no more than
    # that the grid is all the noise there is (they know a standard deviation to a factor of two only).
    spread = 0.0 if sigma < 0.75 * quantum else 2.0 * sigma
    # Rounding of f itself: eps |f| / 2.
    level = max(spread, 0.6 * quantum, eps * size)
    slope = abs(float(seen[0][-1] - seen[0][0])) / (7.0 * spacing)
    return Noise(level, slope, digits, bool(np.unique(every).size <= 1), tuple(float(v) for v in every))


def _at_the_grid(objective: Objective, line: Lines, f_x: Any, sigma: float, values: Values) -> float:
    """Look once more, as near to x as points can be told apart: there a fast oscillation is smooth, noise is not."""
    third, near = _probe(objective, line, f_x, 64.0 * float(np.finfo(values.dtype).eps))
    if _alike(near) or not np.isfinite(near).all():
        return sigma
    seen = _smallest_sigma([near]) if third is None else third
    return seen if seen < sigma / 10.0 else sigma


def _alike(values: Values) -> bool:
    """Whether the points lie too close to tell the roundings of f apart."""
    return bool(np.unique(values[np.isfinite(values)]).size <= 3)


def _narrowed(first: float | None, second: float | None, seen: list[Values]) -> float:
    first = _smallest_sigma(seen[:1]) if first is None else first
    second = _smallest_sigma(seen[1:]) if second is None else second
    if second < 3.0 * NARROWER * first:
        # It went with the spacing: a kink beside x, and what is left is still that kink. Rounding remains.
        return 0.0
    return second if second < first / 10.0 else max(first, second)


def _probe(objective: Objective, line: Lines, f_x: Any, spacing: float) -> tuple[float | None, Values]:
    offsets = (POSITIONS * spacing).astype(objective.parameters.dtype)
    values = objective.along(line, np.zeros(1, np.intp), offsets[None, :])[0]
    values = np.insert(values, 0, f_x)
    return difference_sigma(values), values


def difference_table(values: Values) -> list[Values]:
    """The differences of order 1, 2, ... of equally spaced values."""
    table = []
    while values.size > 2:
        values = np.diff(values)
        table.append(values)
    return table


def _sigmas(values: Values) -> list[float]:
    """The standard deviation of the noise as each order of differences shows it; too large where f bends."""
    # Relative to the largest value, so that no square overflows or vanishes.
    size = float(np.max(np.abs(values))) or 1.0
    return [
        size * math.sqrt(math.factorial(k) ** 2 / math.factorial(2 * k) * float(np.mean((row / size) ** 2)))
        for k, row in enumerate(difference_table(values), start=1)
    ]


def difference_sigma(values: Values) -> float | None:
    """The standard deviation of the noise in equally spaced values, or None where they do not show it.

    It is shown where three orders of differences in a row agree within a factor 4 and have both signs.
    """
    if not np.isfinite(values).all():
        return None
    table = difference_table(values)
    sigmas = _sigmas(values)
    for k in range(len(table) - 2):
        three = sigmas[k : k + 3]
        if min(three) > 0 and max(three) <= 4 * min(three) and table[k].min() < 0 < table[k].max():
            # The largest of the three: eight values know a standard deviation to a factor of two only.
            return max(three)
    return None


def _smallest_sigma(seen: list[Values]) -> float:
    """Where no spacing shows the noise: the smallest bound, for the bends of f only add to it.

    Differences of one sign throughout are bends, not noise: such orders say nothing.
    """
    bounds = [
        sigma
        for values in seen
        if np.isfinite(values).all()
        for row, sigma in zip(difference_table(values), _sigmas(values), strict=True)
        if row.size > 1 and row.min() < 0 < row.max()
    ]
    return min(bounds, default=0.0)


def granularity(values: Values) -> tuple[float, str]:
    """The step of the grid on which all values lie, and its name; (0, dtype) where it is only the dtype's.

    Recognised: fewer significand bits than the dtype has (float32, float16, bfloat16), and decimals.
    """
    name = str(values.dtype)
    distinct = np.unique(values[values != 0])
    # Four different values, or fewer that are repeated: a smooth f on a fine grid hardly repeats one.
    if distinct.size < 4 and not 0 < 2 * distinct.size <= values.size:
        return 0.0, name
    bits = max(_significant_bits(float(v)) for v in distinct)
    largest = float(np.max(np.abs(distinct)))
    if bits <= 32:
        return math.ldexp(1.0, math.frexp(largest)[1] - max(bits, 8)), "float32" if bits > 11 else "float16"
    # Decimals: the fewest places at which all values stay what they are. 15 digits fit any double.
    for places in range(13 - math.ceil(math.log10(largest))):
        if all(round(float(v), places) == float(v) for v in distinct):
            return 10.0**-places, "decimal"
    return 0.0, name


def _significant_bits(value: float) -> int:
    mantissa = abs(int(math.ldexp(math.frexp(value)[0], 53)))
    return 53 - (mantissa & -mantissa).bit_length() + 1
