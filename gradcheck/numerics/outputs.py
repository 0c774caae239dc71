"""The noise of f, and what the outputs of one f tell of each other's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Values
from gradcheck.numerics.rounding import decimal_steps, lowest_bits

# The unit roundoff of float32.
HALF_SINGLE = 0.5 * float(np.finfo(np.float32).eps)
# Half a step of a grid, with a margin.
HALF_GRID = 0.6
# What a value of 1 may be off by on the grid of float32.
SINGLE = 1.2 * HALF_SINGLE
# Noise beyond so many roundings of a value is not the arithmetic's. Where so many outputs show such, and so large a
# part of all, the others are taken to have it.
NOISY, FEW_OUTPUTS, MOST_OUTPUTS = 1e3 * float(np.finfo(np.float64).eps), 6, 0.75


@dataclass(frozen=True)
class Noise:
    """The noise of f near x; of m outputs at once the fields are (m,) arrays.

    level : what one value of f may be off by, in units of f; twice the standard deviation that was measured,
        and never below half a unit in the last place.
    slope : |df/dt| along the probed direction, in units of f per scaled unit of x; nan where unknown.
    digits : "float64", "float32", "decimal", ...: the grid on which the values of f lie.
    constant : f had the same value at every probed point.
    values : the values that were probed; of m outputs (k, m), nan where an output is not finite or was not looked at.
    """

    level: Any
    slope: Any
    digits: Any
    constant: Any
    values: Any


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
