"""The noise of f: as the differences of eight values show it, and as outputs of one f tell of each other's."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values
from gradcheck.numerics.rounding import decimal_steps, distinct, lowest_bits

# The unit roundoff of float32.
HALF_SINGLE = 0.5 * float(np.finfo(np.float32).eps)
# Half a step of a grid, with a margin.
HALF_GRID = 0.6
# What a value of 1 may be off by on the grid of float32.
SINGLE = 1.2 * HALF_SINGLE
# Noise beyond so many roundings of a value is not the arithmetic's. Where so many outputs show such, and so large a
# part of all, the others are taken to have it.
NOISY, FEW_OUTPUTS, MOST_OUTPUTS = 1e3 * float(np.finfo(np.float64).eps), 6, 0.75
# So many values are taken at equal distances.
VALUES = 8
# Outputs whose differences are taken together: few enough to stay in the cache.
TOGETHER = 1024
# What is said without the first one, two or three values.
TAILS = 3
ORDERS = VALUES - 2
# Of order k there are 8 - k differences; a tail has as many fewer, and of the first order nothing is asked.
_order = np.arange(1, ORDERS + 1)
_tail = np.arange(1, TAILS + 1)[:, None]
COUNTS = (VALUES - _order)[:, None].astype(np.float64)
TAIL_COUNTS = np.maximum(COUNTS[1:, 0] - _tail, 1.0)[:, :, None]
IN_TAIL = (np.arange(VALUES - 2) >= _tail)[:, None, :, None]
IN_TAIL = IN_TAIL & (_order[1:] <= ORDERS - _tail)[:, :, None, None]
# The variance of a difference of order k, over that of one value.
FACTORS = np.array([math.factorial(k) ** 2 / math.factorial(2 * k) for k in _order.tolist()])[:, None]


@dataclass(frozen=True)
class Noise:
    """The noise of m outputs of f near x; fields are (m,).

    level : what one value of f may be off by, in units of f; twice the standard deviation that was measured,
        and never below half a unit in the last place.
    slope : |df/dt| along the probed direction, in units of f per scaled unit of x; nan where unknown.
    digits : "float64", "float32", "decimal", ...: the grid on which the values of f lie.
    constant : f had the same value at every probed point.
    values : (k, m), those that were probed; nan where an output is not finite or was not looked at.
    rests : f moves, and has next to x the value that it has at x.
    """

    level: Values
    slope: Values
    digits: NDArray[np.object_]
    constant: Mask
    values: Values
    rests: Mask


def with_still_outputs(noise: Noise, f_x: Values) -> Noise:
    """Outputs that never moved: one value alone does not show on which grid it lies, if on any.

    A number with few bits may be one of float32 (not of a coarser dtype: 1.0 is a constant that people write); with
    fewer digits than a double, but more than people write, it is rounded to them; and where others are decimals it may
    be one of theirs. 0 has no digits: it may be what is left of terms as large as
    those of the other outputs, as 1 - tanh(20) is in single precision, and is rounded as they are.
    """
    # Seen at x alone, an output was not seen to stay.
    still = noise.constant & (np.isfinite(noise.values).sum(axis=0) > 1)
    if not still.any():
        return replace(noise, constant=still)
    decimal = noise.digits == "decimal"
    single = SINGLE * np.abs(f_x.astype(np.float64))
    level = np.where(still & ~decimal, np.minimum(noise.level, single), noise.level)
    level = np.where(still, np.maximum(level, HALF_GRID * decimal_steps(f_x.astype(np.float64))), level)
    theirs = np.min(noise.level[decimal & ~still], initial=np.inf)
    if np.isfinite(theirs):
        level[still] = np.maximum(level[still], theirs)
    if not still.all():
        theirs = np.median(noise.level[~still])
        # Beside outputs in single precision a small number of few bits may be such a rest as well, on its lowest bit.
        coarse = bool(np.isin(noise.digits[~still], ("float32", "float16")).any())
        lowest = HALF_GRID * lowest_bits(f_x.astype(np.float64))
        rest = still & ((f_x == 0) | (coarse & (lowest <= theirs)))
        level[rest] = np.maximum(level[rest], np.minimum(theirs, lowest[rest]))
    return replace(noise, level=level, constant=still)


def with_lucky_outputs(noise: Noise, f_x: Values) -> Noise:
    """Outputs that show no noise where nearly all others do, as of any eight values on stairs some lie in a line.

    They come of one f, and are off by such a part of themselves as the least noisy tenth of the others.
    """
    moving = ~noise.constant & (f_x != 0) & np.isfinite(noise.level)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = noise.level / np.abs(f_x.astype(np.float64))
    noisy = moving & (part > NOISY)
    if np.count_nonzero(noisy) < max(FEW_OUTPUTS, MOST_OUTPUTS * np.count_nonzero(moving)):
        return noise
    least = float(np.quantile(part[noisy], 0.1)) * np.abs(f_x.astype(np.float64))
    return replace(noise, level=np.where(moving & ~noisy, np.maximum(noise.level, least), noise.level))


@dataclass(frozen=True)
class Differences:
    """What the differences of equally spaced values say, (m,) each.

    values : (8, m). looked : outputs for which they count. finite : all values are.
    alike : the points lie too close to tell the roundings of f apart. size : the largest value.
    sigma : the standard deviation of the noise, nan where it is not shown. It is shown where three orders of
        differences in a row agree within a factor 4 and have both signs.
    bound : the smallest order's, inf where there is none. Differences of one sign throughout are bends, not noise:
        such orders say nothing.
    rest : the same of the values without the first one, two or three; the smallest of their largest orders.
    """

    values: Values
    looked: Mask
    finite: Mask
    alike: Mask
    size: Values
    sigma: Values
    bound: Values
    rest: Values

    def known(self) -> Values:
        """Where no order shows the noise: the smallest bound, for the bends of f only add to it."""
        bound = np.where(np.isfinite(self.bound), self.bound, 0.0)
        return np.where(np.isnan(self.sigma), bound, self.sigma)

    def where(self, these: Mask) -> Differences:
        """The same, counting for these outputs alone."""
        return replace(self, looked=these, rest=np.where(these, self.rest, np.nan))


def hardly_differ(values: Values) -> Mask:
    """Whether (k, m) values of an output are three different ones at the most."""
    return np.asarray(distinct(np.where(np.isfinite(values), values, np.nan)) <= 3)


def differences(values: Values) -> Differences:
    """Take the differences of (8, m) values.

    Source: Moré & Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011).
    """
    m = values.shape[1]
    if m > TOGETHER:
        parts = [differences(values[:, k : k + TOGETHER]) for k in range(0, m, TOGETHER)]
        names = [f.name for f in fields(Differences)]
        return Differences(
            **{name: np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in names}
        )
    finite = np.asarray(np.isfinite(values).all(axis=0))
    table = np.zeros((ORDERS, *values[1:].shape), values.dtype)
    row = values
    for k in range(ORDERS):
        row = np.subtract(row[1:], row[:-1], out=table[k, : len(row) - 1])
    # Relative to the largest value, so that no square overflows or vanishes.
    sizes = np.maximum.accumulate(np.abs(values[::-1]))[: -TAILS - 2 : -1].astype(np.float64)
    unit = np.where(sizes == 0, 1.0, sizes)
    # The standard deviation of the noise as each order shows it; too large where f bends.
    sigmas = unit[0] * _deviation(np.square(table / unit[0]).sum(axis=1) / COUNTS, FACTORS)
    squares = np.square(table[1:, :-1] / unit[1:, None, None])
    means = np.where(IN_TAIL, squares, 0.0).sum(axis=2) / TAIL_COUNTS
    rest = np.fmin.reduce((unit[1:, None] * _deviation(means, FACTORS[1:])).max(axis=1), axis=0)
    mixed = (table.min(axis=1) < 0) & (table.max(axis=1) > 0)
    low = np.minimum(np.minimum(sigmas[:-2], sigmas[1:-1]), sigmas[2:])
    high = np.maximum(np.maximum(sigmas[:-2], sigmas[1:-1]), sigmas[2:])
    shown = (low > 0) & (high <= 4.0 * low) & mixed[:-2] & finite
    # The largest of the three: eight values know a standard deviation to a factor of two only.
    sigma = np.where(shown.any(axis=0), high[shown.argmax(axis=0), np.arange(m)], np.nan)
    bound = np.where(mixed & finite, sigmas, np.inf).min(axis=0)
    return Differences(values, np.ones(m, bool), finite, hardly_differ(values), sizes[0], sigma, bound, rest)


def _deviation(mean_squares: Values, factors: Values) -> Values:
    return np.asarray(np.sqrt(factors * mean_squares.astype(np.float64)))
