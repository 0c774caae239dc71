"""Evidence from random directions: one line tests a whole parameter array."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.complex_step import accepts_complex, complex_derivative
from gradcheck.estimate import Estimate, Limit, estimate
from gradcheck.evaluation import Rays
from gradcheck.parameters import Block, Flat
from gradcheck.sweep import Setting

__all__ = [
    "ArrayEvidence",
    "Certificate",
    "Residual",
    "Tangents",
    "certify",
    "complex_residuals",
    "quick_residual",
    "residuals_along",
    "tangent_scale",
]

# sup of the density of e.u is at most sqrt(2)/2 / ||e|| for u_i = +-U(0.5, 1.5): see `Certificate`.
DENSITY = math.sqrt(2.0)
# The least |u_i|: what a single wrong entry certainly contributes.
LEAST = 0.5
# Entries below this many root mean squares of their array are tested as if they were that large: the farther the
# scales of the entries lie apart, the worse one step serves them all. Chosen by trial on the chapter's network.
FLOOR = 2.0
# Rounding of an analytic gradient: what its own sums may be off by, in units in the last place.
ROUNDING = 64.0
NOTHING = np.empty(0, np.intp)


@dataclass(frozen=True)
class Certificate:
    """What K random directions prove about the gradient of one array.

    bound : the scaled error norm ||e s|| is below it, e the error of the gradient and s the scale of each entry
        (`tangent_scale`): no entry is wrong by more than bound / s_i, that is by more than this fraction of
        itself or, for smaller entries, of twice the root mean square of its array.
    relative_to_rms : the norm ||e|| itself, in units of the array's root mean square entry.
    confidence : 1 - delta. directions : K.

    If ||e s|| = B, one direction has a residual within tau with probability at most sqrt(2) tau / B, and K
    independent ones with at most (sqrt(2) tau / B)^K. So if all stay within tau, a B above
    sqrt(2) tau delta^(-1/K) would have had a chance below delta of going unseen. The constant: u_i has a density
    of at most 1/2, and a sum of independent variables with bounded densities has a density of at most
    sqrt(2) times the bound over the norm of the coefficients.
    Sources: Ball, Cube slicing in R^n (1986); Rogozin, The estimate for the maximum of the convolution of
    bounded densities (1987).
    """

    name: str
    bound: float
    relative_to_rms: float
    confidence: float
    directions: int

    def __str__(self) -> str:
        entry = f"the error of {self.name} is below {self.relative_to_rms:.1e} of its root mean square entry"
        return f"{entry}, confidence {_percent(self.confidence)} % ({self.directions} directions)"


@dataclass(frozen=True)
class Residual:
    """How far g.v is from the derivative along v: value, and its error bar E.

    weight : ||g v||, the root of the sum of squares of the products. rounding : what the rounding of g may add.
    """

    value: float
    error: float
    weight: float
    rounding: float
    step: float
    limit: Limit

    @property
    def loud(self) -> bool:
        """Whether something is wrong along this direction."""
        return abs(self.value) > self.allowed

    @property
    def allowed(self) -> float:
        """What a right gradient may leave."""
        return 3.0 * self.error + self.rounding

    @property
    def size(self) -> float:
        """What the residual can be at the most."""
        return abs(self.value) + 3.0 * self.error

    def accepted(self, rtol: float) -> bool:
        """Whether independent errors of rtol in every entry explain it."""
        return abs(self.value) <= 3.0 * self.error + max(self.rounding, rtol * self.weight)


@dataclass(frozen=True)
class ArrayEvidence:
    """What the directions say about one array; `certificate` is None where they are too few or too loud."""

    block: Block
    residuals: tuple[Residual, ...]
    certificate: Certificate | None

    @property
    def loud(self) -> bool:
        """Whether any direction found something wrong."""
        return any(r.loud for r in self.residuals)

    @property
    def detectable(self) -> float:
        """The relative mistake of one entry that every one of these directions would have shown."""
        return max((r.allowed + 3.0 * r.error for r in self.residuals), default=math.inf) / LEAST

    @property
    def limit(self) -> Limit:
        """What keeps the bound from being smaller."""
        return max(self.residuals, key=lambda r: r.error).limit


def tangent_scale(setting: Setting, analytic: Flat, block: Block) -> Flat:
    """The scale s (block.size,) of each entry: 1 / max(|g_i|, floor), so that relative mistakes count alike.

    Where x spans many decades, the floor is taken for g_i times the scale of x_i. From the analytic gradient:
    a wrong one makes the directions less well scaled, not the evidence less true.
    """
    g = np.abs(analytic[block.slice])
    unit = setting.scales[block.slice]
    middle = float(np.median(unit))
    unit = np.where((unit > 1e-3 * middle) & (unit < 1e3 * middle), middle, unit)
    effect = g * unit
    rms = float(np.sqrt(np.mean(effect**2)))
    if rms == 0:
        return np.asarray(unit)
    return np.asarray(unit / np.maximum(effect, min(FLOOR * rms, float(effect.max()))))


class Tangents(Sequence[Flat]):
    """Random tangents for one array, made when asked for: memory for one at a time.

    without : flat indices that stay where they are.
    """

    def __init__(
        self,
        setting: Setting,
        analytic: Flat,
        block: Block,
        seeds: Sequence[int],
        without: NDArray[np.intp] = NOTHING,
    ) -> None:
        self._size, self._where = setting.x.size, block.slice
        self._scale = tangent_scale(setting, analytic, block)
        self._without = without
        self._seeds = seeds
        self._last: tuple[int, Flat] | None = None

    def __len__(self) -> int:
        return len(self._seeds)

    def only(self, seeds: Sequence[int]) -> Tangents:
        """The same array and entries, other seeds."""
        other = copy.copy(self)
        other._seeds, other._last = seeds, None
        return other

    def __getitem__(self, k: Any) -> Any:
        if self._last is None or self._last[0] != k:
            generator = np.random.default_rng(self._seeds[k])
            tangent = np.zeros(self._size, self._scale.dtype)
            tangent[self._where] = self._scale * random_units(generator, self._scale.size)
            tangent[self._without] = 0.0
            self._last = (k, tangent)
        return self._last[1]


def random_units(generator: np.random.Generator, n: int) -> NDArray[np.float64]:
    """u (n,): +-U(0.5, 1.5). Plain signs would cancel equal and opposite errors half the time."""
    u = generator.uniform(-1.0, 1.0, n)
    return np.asarray(u + np.copysign(0.5, u))


def residuals_along(
    setting: Setting, analytic: Flat, tangents: Sequence[Flat], step: float | None = None
) -> tuple[Residual, ...]:
    """How far g.v is from the derivative along each tangent v (size,).

    step : where to begin, from earlier directions of the same array. Six evaluations of f a direction where the
    first step serves.
    """
    m = len(tangents)
    begin = first_length(setting, analytic, tangents[0]) if step is None else step
    expected, weight, reach = np.zeros(m), np.zeros(m), np.full(m, np.inf)
    for k in range(m):
        expected[k], weight[k] = product(analytic, tangents[k])
        reach[k] = room_along(setting, tangents[k])

    def wanted(rows: NDArray[np.intp], _: Estimate) -> tuple[Flat, Flat]:
        # In scaled units each entry counts 1, so these are relative mistakes of one entry.
        return np.full(rows.size, 1e-2 * setting.tolerance.rtol), np.full(
            rows.size, 0.05 * setting.tolerance.resolution
        )

    found = estimate(
        setting.objective, Rays(setting.x, tangents), setting.f_x, level=setting.level,
        step=np.full(m, begin), smallest=np.full(m, 1e-9 * begin), wanted=wanted, room=(reach, reach),
    )  # fmt: skip
    return tuple(
        _residual(
            setting, expected[k] - found.value[k], found.error[k], weight[k], found.step[k], found.limit[k]
        )
        for k in range(m)
    )


def _residual(setting: Setting, value: Any, error: Any, weight: Any, step: Any, limit: Limit) -> Residual:
    rounding = ROUNDING * setting.gradient_eps * float(weight)
    return Residual(float(value), float(error), float(weight), rounding, float(step), limit)


def quick_residual(setting: Setting, analytic: Flat, tangent: Flat, step: float) -> Residual:
    """A residual from four points at a step that is known to serve; the bar is that of the cruder of its values."""
    step = min(step, 0.99 * room_along(setting, tangent))
    offsets = step * np.array([[-1.0, -0.5, 0.5, 1.0]])
    low, near_low, near_high, high = setting.objective.along(
        Rays(setting.x, [tangent]), np.zeros(1, np.intp), offsets
    )[0]
    wide, near = (high - low) / (2.0 * step), (near_high - near_low) / step
    expected, weight = product(analytic, tangent)
    error = abs(near - wide) / 3.0 + 3.0 * setting.level / step
    if not math.isfinite(error):
        return _residual(setting, math.nan, math.inf, weight, step, Limit.DOMAIN)
    return _residual(setting, expected - (4.0 * near - wide) / 3.0, error, weight, step, Limit.NONE)


def product(analytic: Flat, tangent: Flat) -> tuple[float, float]:
    """g.v, and the root of the sum of squares of its terms."""
    products = analytic * tangent
    return float(products.sum()), math.sqrt(float(products @ products))


def room_along(setting: Setting, tangent: Flat) -> float:
    """How far x can go along the tangent, either way, within the bounds."""
    if setting.room is None:
        return math.inf
    moved = tangent != 0
    return float(np.min(np.minimum(*setting.room)[moved] / np.abs(tangent[moved]), initial=np.inf))


def first_length(setting: Setting, analytic: Flat, tangent: Flat) -> float:
    """The first step along a tangent: the relative step, times the length over which f changes by its size."""
    moved = tangent != 0
    slope = math.sqrt(float(np.sum((analytic[moved] * tangent[moved]) ** 2)))
    natural = float(np.median(setting.scales[moved] / np.abs(tangent[moved])))
    length = min(abs(float(setting.f_x)) / slope, natural) if slope > 0 and setting.f_x != 0 else natural
    return setting.relative_step * length


def certify(
    setting: Setting, analytic: Flat, block: Block, residuals: tuple[Residual, ...], confidence: float
) -> Certificate | None:
    """The bound that these residuals prove, or None where one of them is not finite."""
    tau = max(r.size for r in residuals)
    if not math.isfinite(tau):
        return None
    scale = tangent_scale(setting, analytic, block)
    bound = DENSITY * tau * (1.0 - confidence) ** (-1.0 / len(residuals))
    rms = float(np.sqrt(np.mean(analytic[block.slice] ** 2)))
    relative = bound / float(scale.min()) / rms if rms > 0 else math.inf
    return Certificate(block.name, bound, relative, confidence, len(residuals))


def complex_residuals(
    setting: Setting, analytic: Flat, tangents: Sequence[Flat], first: Residual | None
) -> tuple[Residual, ...] | None:
    """Residuals by the complex step, one evaluation each; None where f does not compute with complex numbers.

    first : the residual along the first tangent by real differences, which moved every entry of the array; None
    unless the complex step confirms it within its bar. Without it the complex step is trusted already.
    """
    if not accepts_complex(setting.objective):
        return None
    found = []
    for k in range(len(tangents)):
        scale = first_length(setting, analytic, tangents[k])
        value = complex_derivative(setting.objective, setting.x, tangents[k], scale)
        if not math.isfinite(value):
            return None
        expected, weight = product(analytic, tangents[k])
        error = ROUNDING / 3.0 * float(np.finfo(np.float64).eps) * weight
        residual = _residual(setting, expected - value, error, weight, scale, Limit.NONE)
        if (
            k == 0
            and first is not None
            and not abs(residual.value - first.value) <= 3.0 * (first.error + error)
        ):
            return None
        found.append(residual)
    return tuple(found)


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.10f}".rstrip("0").rstrip(".")
