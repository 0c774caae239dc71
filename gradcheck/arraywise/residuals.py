"""Evidence from random directions: one line tests a whole parameter array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.function.lines import Rays
from gradcheck.numerics.complex_step import complex_derivative
from gradcheck.numerics.differences import ROUNDS, estimate
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import NOTHING, ROUNDING, Tangents, root_mean_square, tangent_scale
from gradcheck.parameters.tree import Block
from gradcheck.results.certificate import LEAST, Residual
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit

__all__ = ["DirectionalTest"]

# Steps tried where an earlier direction of the same array has found a good one.
FEWER = 2
# The bar that tells a derivative from 0, relative to it.
TOLD = 0.1


class DirectionalTest:
    """How residuals of one array are measured, and what they may be.

    still : flat indices that directions leave alone; analytic must be finite.
    scale : (block.size,) the scales of the tangents; default by `tangent_scale`.
    rms : the root mean square of the other entries; where all of these are 0 (`nothing`), what f changes along the
        probed direction. smallest_visible : see ArrayEvidence.
    """

    def __init__(
        self,
        setting: Setting,
        analytic: Flat,
        block: Block,
        still: NDArray[np.intp] = NOTHING,
        scale: Flat | None = None,
    ) -> None:
        self.setting, self.analytic, self.block, self.still = setting, analytic, block, still
        moved = np.ones(block.size, bool)
        moved[still - block.start] = False
        mine = np.abs(analytic[block.slice][moved])
        self.rms = root_mean_square(mine)
        self.nothing = self.rms == 0
        if self.nothing:
            # As in a sweep: where g is 0 throughout, what f changes along any direction says what is small.
            self.rms = float(setting.slope[0]) / float(np.median(setting.scales[block.slice]))
        self.scale = tangent_scale(setting, analytic, block) if scale is None else scale
        tolerance = setting.tolerance
        size = np.maximum(mine, self.rms)
        part = self.scale[moved]
        self.smallest_visible = LEAST * float(np.min(part * size, initial=np.inf))
        smallest = float(np.min(part * (tolerance.rtol * size + tolerance.atol), initial=np.inf))
        self.least = LEAST * smallest if math.isfinite(smallest) else 0.0
        self._natural = float(np.median(setting.scales[block.slice] / self.scale))
        self._narrowest = float(part.min(initial=np.inf))

    def tangents(self, seeds: Sequence[int]) -> Tangents:
        """One random direction a seed."""
        return Tangents(self.setting.x.size, self.block, self.scale, seeds, self.still)

    def relative(self, bound: float) -> float:
        """A bound of ||e s|| as one of ||e||, in units of the root mean square entry."""
        return bound / self._narrowest / self.rms if self.rms > 0 and self._narrowest > 0 else math.inf

    def scaled(self, relative: float) -> float:
        """The inverse of `relative`."""
        return relative * self._narrowest * self.rms if self.rms > 0 else 0.0

    def real(
        self, tangents: Sequence[Flat], step: float | None = None, enough: float = 0.0
    ) -> tuple[Residual, ...]:
        """Residuals along each tangent v (size,) by real differences.

        step : where to begin, from earlier directions of the same array. enough : a bar 3 E below which no other
        step is tried. Six evaluations of f a direction where the first step serves.
        """
        m = len(tangents)
        begin = self.first_length(tangents[0]) if step is None else step
        reach = np.array([self._room_along(tangents[k]) for k in range(m)])
        precise = min(0.1 * self.least, enough) if enough > 0 else 0.1 * self.least
        enough = max(enough, precise)

        def wanted(rows: NDArray[np.intp], so_far: Estimate) -> tuple[Flat, Flat]:
            most = np.array([[precise], [enough]]) * np.ones(rows.size)
            if self.nothing:
                # What is not 0 is told from 0, however small it is beside what other arrays do.
                size = np.abs(so_far.value)
                most = np.where(size > 0, np.minimum(most, TOLD * size), most)
            return most[0], most[1]

        found = estimate(
            self.setting.objective, Rays(self.setting.x, tangents), self.setting.f_x, level=self.setting.level,
            step=np.full(m, begin), smallest=np.full(m, 1e-9 * begin), wanted=wanted, room=(reach, reach),
            rounds=ROUNDS if step is None else FEWER,
        )  # fmt: skip
        return tuple(
            self._residual(tangents[k], found.value[k], _bar(found, k), found.step[k], found.limit[k])
            for k in range(m)
        )

    def quick(self, tangent: Flat, step: float) -> Residual:
        """A residual from four points at a step that is known to serve; the bar is that of the cruder of its values."""
        setting = self.setting
        step = min(step, 0.99 * self._room_along(tangent))
        offsets = step * np.array([[-1.0, -0.5, 0.5, 1.0]])
        low, near_low, near_high, high = setting.objective.along(
            Rays(setting.x, [tangent]), np.zeros(1, np.intp), offsets
        )[0]
        wide, near = (high - low) / (2.0 * step), (near_high - near_low) / step
        error = abs(near - wide) / 3.0 + 3.0 * float(setting.level[0]) / step
        if not math.isfinite(error):
            return self._residual(tangent, math.nan, math.inf, step, Limit.DOMAIN)
        return self._residual(tangent, (4.0 * near - wide) / 3.0, error, step, Limit.NONE)

    def by_complex_step(self, tangents: Sequence[Flat]) -> tuple[Residual, ...] | None:
        """Residuals by the complex step, one evaluation each; None where f does not take complex numbers."""
        found = []
        # Any length that is natural for x will do: there is no difference in which to lose digits.
        scale = self._natural
        for k in range(len(tangents)):
            tangent = tangents[k]
            value = float(complex_derivative(self.setting.objective, self.setting.x, tangent, scale)[0])
            if not math.isfinite(value):
                return None
            weight = math.sqrt(float(np.sum((self.analytic * tangent) ** 2)))
            error = ROUNDING / 3.0 * float(np.finfo(np.float64).eps) * weight
            found.append(self._residual(tangent, value, error, scale, Limit.NONE))
        return tuple(found)

    def first_length(self, tangent: Flat) -> float:
        """The first step along a tangent: the relative step, times the length over which f changes by its size."""
        setting = self.setting
        moved = tangent != 0
        slope = math.sqrt(float(np.sum((self.analytic[moved] * tangent[moved]) ** 2)))
        # Entries that are smaller than any float by the others' measure leave no direction.
        natural = float(np.median(setting.scales[moved] / np.abs(tangent[moved]))) if moved.any() else 1.0
        size = abs(float(setting.f_x[0]))
        length = min(size / slope, natural) if slope > 0 and size > 0 else natural
        return float(setting.relative_step[0]) * length

    def _room_along(self, tangent: Flat) -> float:
        """How far x can go along the tangent, either way, within the bounds."""
        if self.setting.room is None:
            return math.inf
        moved = tangent != 0
        room = np.minimum(*self.setting.room)[moved]
        return float(np.min(room / np.abs(tangent[moved]), initial=np.inf))

    def _residual(self, tangent: Flat, derivative: Any, error: Any, step: Any, limit: Limit) -> Residual:
        products = self.analytic * tangent
        weight = math.sqrt(float(products @ products))
        tolerance = self.setting.tolerance
        across = math.sqrt(float(tangent @ tangent)) if tolerance.atol else 0.0
        return Residual(
            float(products.sum()) - float(derivative),
            float(error),
            weight,
            ROUNDING * self.setting.gradient_eps * weight,
            float(step),
            limit,
            # Of an array that is said to do nothing whatever leaves the bars is too much: what is small is not known.
            0.0 if self.nothing else self.least,
            tolerance.rtol * weight + tolerance.atol * across,
        )


def _bar(found: Estimate, k: int) -> float:
    """The error bar of one direction; at a kink or a jump every slope between the one-sided ones may be meant."""
    error = float(found.error[k])
    if found.limit[k] in (Limit.KINK, Limit.JUMP):
        apart = abs(float(found.right[k]) - float(found.left[k]))
        return error + apart if math.isfinite(apart) else math.inf
    return error
