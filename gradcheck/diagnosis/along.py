"""Derivatives along a few directions more: whether an explanation holds for the entries that nobody judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING, generator_of, random_units

# Evaluations of f for one direction.
COST = 4
# Points on a line through x, this far to either side of it in units of the scales, and halvings, to look for a jump.
POINTS, REACH, HALVINGS = 33, 0.3, 8
# Fourth differences of a jump are as large after the halvings as before, but for this; and so many times the noise.
STAYS, CLEAR = 0.3, 100.0
# Steps beside a jump differ by no more than this part of it.
ALIKE = 0.1
# No explanation is so good that its constants are known better than this.
LEAST_RTOL = 1e-6


@dataclass(frozen=True)
class Slope:
    """A tangent v (n,), and what f's outputs (m,) do along it: derivative, its error bar 3 E, second derivative."""

    tangent: Flat
    value: Flat
    bar: Flat
    bend: Flat

    def agrees(self, derivative: Flat, rows: Index, columns: Index | slice, rtol: float) -> bool:
        """Whether some rows (k, l) of a derivative fit it, within the bar, rounding, and rtol of independent errors.

        columns : (l,) those at hand; along the others the tangent is 0.
        """
        terms = derivative * self.tangent[columns]
        weight = np.sqrt(np.sum(terms**2, axis=1))
        allowed = self.bar[rows] + (ROUNDING * float(np.finfo(float).eps) + max(rtol, LEAST_RTOL)) * weight
        return bool((np.abs(terms.sum(axis=1) - self.value[rows]) <= allowed).all())


def slope_along(setting: Setting, tangent: Flat, x: Flat | None = None) -> Slope | None:
    """The derivative along a tangent (n,), shortened to the bounds; None where f does not show it.

    x : (n,) another point to look from, with the same noise, where x has no bounds.

    Central differences at two steps, one from the other: the bar is that of the cruder one.
    """
    x, room = setting.x if x is None else x, setting.room
    h = float(np.median(setting.relative_step))
    if setting.objective.remaining < COST:
        return None
    if room is not None:
        most = 0.9 * np.minimum(*room) / h
        tangent = np.clip(tangent, -most, most)
    if not tangent.any():
        return None
    with np.errstate(all="ignore"):
        right, left = _values(setting, x + h * tangent), _values(setting, x - h * tangent)
        wide = (right - left) / (2.0 * h)
        near = (_values(setting, x + h / 2.0 * tangent) - _values(setting, x - h / 2.0 * tangent)) / h
        value = (4.0 * near - wide) / 3.0
        bar = np.abs(near - wide) / 3.0 + 6.0 * setting.level / h
        bend = (right - 2.0 * setting.f_x + left) / h**2
    return Slope(tangent, value, bar, bend) if np.isfinite(value + bar).all() else None


def derivatives_by(setting: Setting, columns: Index) -> tuple[Flat, Flat, Flat]:
    """The derivatives (m, k) by some coordinates, their bars, and the second ones; nan where f shows none."""
    m, scales = setting.outputs, setting.scales
    value, bar, bend = (np.full((m, columns.size), np.nan) for _ in range(3))
    for k, j in enumerate(columns.tolist()):
        unit = np.zeros(scales.size)
        unit[j] = scales[j]
        seen = slope_along(setting, unit)
        if seen is not None:
            size = seen.tangent[j]
            value[:, k], bar[:, k], bend[:, k] = seen.value / size, seen.bar / size, seen.bend / size**2
    return value, bar, bend


def _values(setting: Setting, x: Flat) -> Flat:
    return np.atleast_1d(np.asarray(setting.objective.probe(x), float))


def jump(setting: Setting) -> float | None:
    """By how much an output of f jumps at a place near x; None where none was found.

    On a line, where the fourth difference of the values is largest, the points are put twice as close, again and
    again: that of a smooth f falls by 16 each time, that of a kink by 2, and that of a jump, 3 times it, stays. So
    does that of log |t|, and that of a pole grows: a jump is one step, beside which all others are alike.
    """
    if setting.objective.remaining < POINTS + 4 * HALVINGS:
        return None
    # No farther than x itself: beyond 0 may be a pole, or another function.
    own = np.where(setting.x == 0, setting.scales, np.minimum(np.abs(setting.x), setting.scales))
    tangent = own * random_units(generator_of(11), setting.x.size)
    if setting.room is not None:
        tangent = np.clip(tangent, -np.minimum(*setting.room) / REACH, np.minimum(*setting.room) / REACH)

    def values(t: float) -> Flat:
        return _values(setting, setting.x + t * tangent)

    places = np.linspace(-REACH, REACH, POINTS)
    seen = np.stack([values(t) for t in places])
    bends = np.abs(np.diff(seen, 4, axis=0)) / np.maximum(setting.level, np.finfo(float).tiny)
    if not np.isfinite(bends).all():
        return None
    at, output = (int(k) for k in np.unravel_index(int(np.argmax(bends)), bends.shape))
    line, first = seen[:, output], float(np.max(np.abs(np.diff(seen[:, output], 4))))
    for _ in range(HALVINGS):
        ends, kept = places[at : at + 5], line[at : at + 5]
        places, line = np.linspace(ends[0], ends[-1], 9), np.empty(9)
        line[::2] = kept
        line[1::2] = [values(t)[output] for t in places[1::2]]
        at = int(np.argmax(np.abs(np.diff(line, 4))))
    last = float(np.max(np.abs(np.diff(line, 4))))
    steps = np.sort(np.abs(np.diff(line) - np.median(np.diff(line))))
    stays = last >= STAYS * first and steps[-2] <= ALIKE * steps[-1]
    return last / 3.0 if stays and last > CLEAR * setting.level[output] else None
