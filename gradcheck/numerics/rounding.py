"""The grid on which the values of f lie, where it is coarser than that of their dtype."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Values

__all__ = ["SINGLE", "decimal_step", "distinct", "granularity", "lies_on", "significant_bits"]


# The powers of ten that are doubles: a product or quotient with one is rounded once.
TENS = np.array([float(10**k) for k in range(23)])
# Digits of a decimal: fifteen fit any double.
DIGITS = 12
# The bits of a float32. A number of no more bits, or of fewer digits than the next, is round by chance (127.125, 0.3).
SINGLE, CHANCE = 24, 5
# The bits of a float16 and of a bfloat16; the least float16; and the most bits of what is still taken for a float32, or
# for a sum of a few of them.
HALF, BRAIN, LEAST_HALF, SHORT = 11, 8, 2.0**-24, 32


def granularity(values: Values, far: Values | None = None) -> tuple[Values, NDArray[np.object_]]:
    """The step of the grid on which the values of each output lie, and its name.

    values : (k, m) of m outputs; nan does not count, and there are no infinities.
    far : (l, m) more of them, farther from x, which count for the name alone: beside x a difference of nearly equal
        terms has few bits, whatever it computes in.
    Returns (m,) steps, 0 where the grid is only the dtype's, and (m,) names: "float32" or "float16" where the values
    have as few significant bits, "decimal", or that of the dtype.
    """
    m = values.shape[1]
    quantum, names = np.zeros(m), np.full(m, str(values.dtype), object)
    count = distinct(np.where(values == 0, np.nan, values))
    # Four different values, or fewer that are repeated: a smooth f on a fine grid hardly repeats one.
    enough = (count >= 4) | ((count > 0) & (2 * count <= (~np.isnan(values)).sum(axis=0)))
    if not enough.any():
        return quantum, names
    values = values.astype(np.float64, copy=False)
    largest = np.fmax.reduce(np.abs(values), axis=0)
    bits = significant_bits(values)
    short = enough & (bits <= SHORT)
    if short.any():
        quantum[short] = np.ldexp(1.0, np.frexp(largest[short])[1] - np.maximum(bits[short], BRAIN))
        every = values if far is None else np.concatenate([values, far.astype(np.float64)])
        names[short] = _binary(every[:, short], str(names[0]))
    places = _decimal_places(values, largest)
    decimal = enough & ~short & (places >= 0)
    if decimal.any():
        quantum[decimal] = 1.0 / TENS[places[decimal]]
        names[decimal] = "decimal"
    return quantum, names


def _binary(values: Values, wider: str) -> NDArray[np.object_]:
    """The format (m,) whose numbers these are: `wider` where they have more bits than float32.

    A few bits alone make no float16: an integer has few, and so has what cancels. Of numbers of a format three in four
    have all of its bits or all but one: half of the values do, small ones among them, and none lies on a finer grid.
    """
    bits = significant_bits(values)
    each = significant_bits(values.reshape(1, -1)).reshape(values.shape)
    lowest = np.frexp(np.nan_to_num(values))[1] - each
    finest = np.ldexp(1.0, np.where(np.nan_to_num(values) != 0, lowest, 1000).min(axis=0))
    known = np.maximum((np.nan_to_num(values) != 0).sum(axis=0), 1)
    filled = {p: 2 * ((each == p) | (each == p - 1)).sum(axis=0) >= known for p in (HALF, BRAIN)}
    half = (bits <= HALF) & filled[HALF] & (finest >= LEAST_HALF)
    half |= (bits == BRAIN) & filled[BRAIN]
    return np.where(half, "float16", np.where(bits <= SHORT, "float32", wider)).astype(object)


def decimal_step(value: float) -> float:
    """The unit of the last decimal of one number; 0 where it has as many as a double, or as few as by chance."""
    one = np.array([[value]])
    if not np.isfinite(value) or significant_bits(one)[0] <= SINGLE:
        return 0.0
    places = int(_decimal_places(one, np.abs(one[0]))[0])
    if places < 0 or abs(value) * TENS[places] < 10.0 ** (CHANCE - 1):
        return 0.0
    return float(1.0 / TENS[places])


def lies_on(value: float, step: float) -> bool:
    """Whether one number is a decimal of this step, 10^-k; what is not finite is on every grid."""
    tens = TENS[round(-np.log10(step))]
    with np.errstate(over="ignore", invalid="ignore"):
        return not np.isfinite(value) or bool(np.rint(value * tens) / tens == value)


def distinct(values: Values) -> NDArray[np.intp]:
    """How many different values each column has, nan left out."""
    ordered = np.sort(values, axis=0)
    different = np.add.reduce(ordered[1:] > ordered[:-1], axis=0, dtype=np.intp)
    return np.asarray(different + ~np.isnan(ordered[0]))


def significant_bits(values: Values) -> NDArray[np.intp]:
    """The significand bits that the values of each column need, (m,)."""
    mantissa = np.frexp(np.nan_to_num(values))[0]
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    # The lowest bit that is set in any of them.
    lowest = np.bitwise_or.reduce(whole, axis=0)
    return np.asarray(54 - np.frexp((lowest & -lowest).astype(np.float64))[1], np.intp)


def _decimal_places(values: Values, largest: Values) -> NDArray[np.intp]:
    """The fewest decimal places at which all values of a column stay what they are, (m,); -1 where there are none."""
    found = np.full(values.shape[1], -1, np.intp)
    finest = np.minimum(DIGITS - np.ceil(np.log10(np.maximum(largest, 1e-300))), len(TENS) - 1).astype(
        np.intp
    )
    unit = TENS[np.maximum(finest, 0)]
    whole = np.rint(values * unit)
    # Exact: a double is a decimal if it is the one nearest to that quotient.
    fits = (finest >= 0) & ~((whole / unit < values) | (whole / unit > values)).any(axis=0)
    if fits.any():
        tens = TENS[: DIGITS + 2].astype(np.int64)
        common = np.gcd.reduce(np.nan_to_num(whole[:, fits]).astype(np.int64), axis=0)
        zeros = (common % tens[:, None] == 0).sum(axis=0) - 1
        found[fits] = np.maximum(finest[fits] - zeros, 0)
    return found
