"""The noise of each output of f: the rules of `gradcheck.noise`, for all outputs from the same points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.family import Directions, VectorObjective
from gradcheck.noise import FIRST_SPACING, NARROWER, POSITIONS, WIDER

__all__ = ["Noises", "measure_noises"]

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Noises:
    """level, slope : (m,) as in `gradcheck.noise.Noise`. single : (m,) outputs that lie on the grid of float32."""

    level: Values
    slope: Values
    single: Mask


def measure_noises(
    objective: VectorObjective, line: Directions, f_x: Values, spacing: float, *, back: bool
) -> Noises:
    """Estimate the noise of every output along one line through x.

    f_x : (m,). line : one direction in scaled units. spacing, back : as in `gradcheck.noise.measure_noise`.
    Costs seven evaluations; seven more for each further spacing that some output needs, twenty-eight at most.
    Source: Moré & Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011).
    """

    def probe(at: float) -> Values:
        others = [objective.relative(line.point(0, t)) + f_x for t in POSITIONS * at]
        return np.stack([f_x, *(np.broadcast_to(v, f_x.shape) for v in others)])

    with np.errstate(invalid="ignore", over="ignore"):
        values = probe(spacing)
        off = ~np.isfinite(values).all(axis=0)
        if off.any():
            values[:, off] = probe((-spacing if back else spacing) * NARROWER)[:, off]
        slope = np.abs(values[-1] - values[0]) / (7.0 * spacing * np.where(off, NARROWER, 1.0))
        sigma, smallest = _sigmas(values)
        alike = _distinct(values) <= 3
        size = np.nan_to_num(np.abs(values).max(axis=0))
        eps = float(np.finfo(f_x.dtype).eps)
        coarse = ~alike & ~off & ~(sigma <= 100.0 * eps * size)
        seen = [values]
        if (alike & ~off).any():
            wider = probe(spacing * WIDER)
            second, bound = _sigmas(wider)
            other = np.where(np.isnan(second), np.fmin(smallest, bound), second)
            sigma = np.where(alike & ~off, other, sigma)
            seen.append(np.where(alike & ~off & np.isfinite(wider).all(axis=0), wider, f_x))
        if coarse.any():
            narrower = probe(spacing * NARROWER)
            told = coarse & (_distinct(narrower) > 3)
            sigma = np.where(told, _narrowed(sigma, smallest, narrower), sigma)
            seen.append(np.where(told & np.isfinite(narrower).all(axis=0), narrower, f_x))
        sigma = np.nan_to_num(sigma, nan=0.0, posinf=0.0)
    every = np.concatenate(seen)
    quantum, single = _granularity(np.where(np.isfinite(every), every, f_x))
    level = np.maximum(np.maximum(2.0 * sigma, 0.6 * quantum), eps * np.maximum(size, np.abs(f_x)))
    return Noises(level, np.nan_to_num(slope), single)


def _distinct(values: Values) -> NDArray[np.intp]:
    return np.asarray((np.diff(np.sort(values, axis=0), axis=0) > 0).sum(axis=0) + 1)


def _sigmas(values: Values) -> tuple[Values, Values]:
    """For each column: sigma where three orders of differences in a row show it, else nan; and its smallest bound."""
    size = np.abs(values).max(axis=0)
    row = values / np.where(size > 0, size, 1.0)
    sigmas, mixed = [], []
    for k in range(1, values.shape[0] - 1):
        row = np.diff(row, axis=0)
        factor = math.factorial(k) ** 2 / math.factorial(2 * k)
        sigmas.append(np.sqrt(factor * np.mean(row**2, axis=0)))
        mixed.append((row.min(axis=0) < 0) & (row.max(axis=0) > 0))
    table = np.stack(sigmas)
    found = np.full(size.shape, np.nan)
    for k in range(len(table) - 2):
        three = table[k : k + 3]
        low, high = three.min(axis=0), three.max(axis=0)
        shown = np.isnan(found) & (low > 0) & (high <= 4.0 * low) & mixed[k]
        found[shown] = high[shown]
    bounds = np.where(np.stack(mixed), table, np.inf).min(axis=0)
    return found * size, np.where(np.isfinite(bounds), bounds, 0.0) * size


def _narrowed(first: Values, bound: Values, narrower: Values) -> Values:
    """What a narrower spacing leaves of the noise: a kink beside x goes with it, noise stays."""
    second, smallest = _sigmas(narrower)
    first = np.where(np.isnan(first), bound, first)
    second = np.where(np.isnan(second), smallest, second)
    stays = np.where(second < first / 10.0, second, np.maximum(first, second))
    return np.where(second < 3.0 * NARROWER * first, 0.0, stays)


def _granularity(values: Values) -> tuple[Values, Mask]:
    """The grid (m,) on which the values of each column lie, 0 where it is only the dtype's; and which is float32's."""
    quantum = np.zeros(values.shape[1])
    distinct = _distinct(values)
    # Four different values, or fewer that are repeated: a smooth f on a fine grid hardly repeats one. One value
    # alone may be a constant, or a grid so coarse that nothing was seen to move: then the coarser is believed.
    enough = (distinct >= 4) | (2 * distinct <= values.shape[0])
    size = np.abs(values).max(axis=0)
    with np.errstate(over="ignore", under="ignore"):
        on_single = enough & (values == values.astype(np.float32)).all(axis=0) & (size > 0)
    quantum[on_single] = size[on_single] * float(np.finfo(np.float32).eps)
    # Decimals: the fewest places at which all values stay what they are, of those that a double can tell apart.
    most = 14.0 - np.ceil(np.log10(np.where(size > 0, size, 1.0)))
    scale = 10.0 ** np.clip(most, -300, 300)
    decimal = enough & ~on_single & (size > 0) & (np.rint(values * scale) / scale == values).all(axis=0)
    rest = np.flatnonzero(decimal)
    for places in range(-3, 20):
        if rest.size == 0:
            break
        fits = (np.round(values[:, rest], places) == values[:, rest]).all(axis=0)
        quantum[rest[fits]] = 10.0**-places
        rest = rest[~fits]
    return quantum, on_single & (distinct > 1)


def first_spacing(coarse: float) -> float:
    """The spacing to begin with, where x is held with unit roundoff `coarse`."""
    return max(FIRST_SPACING, 64.0 * coarse)
