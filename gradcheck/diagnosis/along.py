"""Derivatives along a few directions more: whether an explanation holds for the entries that nobody judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING

# Evaluations of f for one direction.
COST = 4
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


def slope_along(setting: Setting, tangent: Flat) -> Slope | None:
    """The derivative along a tangent (n,), shortened to the bounds; None where f does not show it.

    Central differences at two steps, one from the other: the bar is that of the cruder one.
    """
    x, room = setting.x, setting.room
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


def derivatives_by(setting: Setting, columns: Index) -> tuple[Flat, Flat]:
    """The derivatives (m, k) by some coordinates, and their bars; nan where f shows none."""
    m, scales = setting.outputs, setting.scales
    value, bar = (np.full((m, columns.size), np.nan) for _ in range(2))
    for k, j in enumerate(columns.tolist()):
        unit = np.zeros(scales.size)
        unit[j] = scales[j]
        seen = slope_along(setting, unit)
        if seen is not None:
            size = seen.tangent[j]
            value[:, k], bar[:, k] = seen.value / size, seen.bar / size
    return value, bar


def _values(setting: Setting, x: Flat) -> Flat:
    return np.atleast_1d(np.asarray(setting.objective.probe(x), float))
