"""Evidence from random directions: one line tests a whole parameter array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.complex_step import complex_derivative
from gradcheck.estimate import ROUNDS, Estimate, Limit, estimate
from gradcheck.evaluation import Rays
from gradcheck.parameters import Block, Flat
from gradcheck.sweep import Setting

__all__ = [
    "ArrayEvidence",
    "Certificate",
    "Gauge",
    "Residual",
    "Tangents",
    "certificate_of",
    "random_units",
    "scaled_bound",
    "tangent_scale",
]

# sup of the density of e.u is at most sqrt(2)/2 / ||e|| for u_i = +-U(0.5, 1.5): see `Certificate`.
DENSITY = math.sqrt(2.0)
# The least |u_i|: what a single wrong entry certainly contributes.
LEAST = 0.5
# Rounding of an analytic gradient: what its own sums may be off by, in units in the last place.
ROUNDING = 64.0
# Steps tried where an earlier direction of the same array has found a good one.
FEWER = 2
# The bar that tells a derivative from 0, relative to it.
TOLD = 0.1
NOTHING = np.empty(0, np.intp)


@dataclass(frozen=True)
class Certificate:
    """What K random directions prove about the gradient of one array.

    bound : the scaled error norm ||e s|| is below it, e the error of the gradient and s (`tangent_scale`) the
        scale of each entry of x over the largest effect that such an entry has: so to say the error norm as a
        fraction of the largest entry.
    relative_to_rms : the norm ||e|| itself, in units of the array's root mean square entry.
    confidence : 1 - delta. directions : K.

    If ||e s|| = B, one direction has a residual within tau with probability at most sqrt(2) tau / B, and K
    independent ones with at most (sqrt(2) tau / B)^K. So if all stay within tau, a B above
    sqrt(2) tau delta^(-1/K) would have had a chance below delta of going unseen. The constant: u_i has a density
    of at most 1/2, and a sum of independent variables with bounded densities has a density of at most
    sqrt(2) times the bound over the norm of the coefficients. docs/certificate.md has the derivation.
    Sources: Ball, Cube slicing in R^n (1986); Rogozin, The estimate for the maximum of the convolution of
    bounded densities (1987).
    """

    name: str
    bound: float
    relative_to_rms: float
    confidence: float
    directions: int

    def __str__(self) -> str:
        directions = f"{self.directions} direction{'s' if self.directions > 1 else ''}"
        entry = f"the error of {self.name} is below {self.relative_to_rms:.1e} of its root mean square entry"
        return f"{entry}, confidence {_percent(self.confidence)} % ({directions})"


@dataclass(frozen=True)
class Residual:
    """How far g.v is from the derivative along v: value, and its error bar E.

    weight : ||g v||, the root of the sum of squares of the products. rounding : what the rounding of g may add.
    least : what the smallest single mistake leaves that is worth a search. spread : what errors of the size
    that the tolerance accepts leave, independent ones in every entry.
    """

    value: float
    error: float
    weight: float
    rounding: float
    step: float
    limit: Limit
    least: float = 0.0
    spread: float = 0.0

    @property
    def loud(self) -> bool:
        """Whether something is wrong along this direction."""
        return abs(self.value) > self.allowed

    @property
    def allowed(self) -> float:
        """What a right gradient may leave."""
        return 3.0 * self.error + max(self.rounding, self.least)

    @property
    def excess(self) -> float:
        """Its size in units of its bar and of what rounding may add; above 1 something differs."""
        explained = 3.0 * self.error + self.rounding
        return abs(self.value) / explained if explained > 0 else math.inf if self.value else 0.0

    @property
    def size(self) -> float:
        """What the residual can be at the most."""
        size = abs(self.value) + 3.0 * self.error
        return size if math.isfinite(size) else math.inf

    @property
    def accepted(self) -> bool:
        """Whether errors that the tolerance accepts, independent ones in every entry, explain it."""
        return abs(self.value) <= 3.0 * self.error + max(self.rounding, self.least, self.spread)

    def less(self, part: Residual) -> Residual:
        """The residual along the rest of the tangent, given that along a part of it."""
        return Residual(
            self.value - part.value,
            self.error + part.error,
            math.sqrt(max(self.weight**2 - part.weight**2, 0.0)),
            self.rounding + part.rounding,
            self.step,
            Limit.NONE,
            self.least,
            math.sqrt(max(self.spread**2 - part.spread**2, 0.0)),
        )


@dataclass(frozen=True)
class ArrayEvidence:
    """What the directions say about one array; `certificate` is None where they are too few or too loud.

    faint : what a mistake as large as the entry itself, or as its array's root mean square, leaves at the least.
    ended : what kept it from more directions, if anything did.
    """

    block: Block
    residuals: tuple[Residual, ...]
    certificate: Certificate | None
    faint: float = LEAST
    ended: Limit | None = None

    @property
    def detectable(self) -> float:
        """The relative mistake of one entry that every one of these directions would have shown."""
        if not self.residuals or self.faint == 0:
            return math.inf
        return max(r.allowed + 3.0 * r.error for r in self.residuals) / self.faint

    @property
    def limit(self) -> Limit:
        """What keeps the bound from being smaller."""
        limits = [r.limit for r in self.residuals]
        return self.ended or max(limits, key=limits.count)


def tangent_scale(setting: Setting, analytic: Flat, block: Block) -> Flat:
    """The scale s (block.size,) of each entry: that of x, over the largest effect |g_i| times it in the array.

    One scale for all where x spans three decades or fewer: entries whose scales lie apart are served badly by one
    step. No entry is weighed by its own gradient: that gains nothing for the small ones, measured on the
    chapter's network and on smooth functions of 1000 parameters, and costs a factor ten in the certificate.
    """
    unit = setting.scales[block.slice]
    middle = float(np.median(unit))
    unit = np.where((unit > 1e-3 * middle) & (unit < 1e3 * middle), middle, unit)
    largest = float(np.max(np.abs(analytic[block.slice]) * unit))
    return np.asarray(unit / largest if largest > 0 else unit)


class Tangents(Sequence[Flat]):
    """Random tangents for one array, made when asked for: memory for one at a time.

    size : of x. scale : (block.size,). seeds : one a tangent. still : flat indices that stay where they are.
    """

    def __init__(
        self, size: int, block: Block, scale: Flat, seeds: Sequence[int], still: NDArray[np.intp] = NOTHING
    ) -> None:
        self._size, self._where, self._scale, self._still = size, block.slice, scale, still
        self._seeds = tuple(seeds)
        self._last: tuple[int, Flat] | None = None

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, k: Any) -> Any:
        if self._last is None or self._last[0] != k:
            generator = np.random.default_rng(self._seeds[k])
            tangent = np.zeros(self._size, self._scale.dtype)
            tangent[self._where] = self._scale * random_units(generator, self._scale.size)
            tangent[self._still] = 0.0
            self._last = (k, tangent)
        return self._last[1]

    def __getstate__(self) -> dict[str, Any]:
        # For a worker: the seed says it all.
        return self.__dict__ | {"_last": None}


def random_units(generator: np.random.Generator, n: int) -> NDArray[np.float64]:
    """u (n,): +-U(0.5, 1.5). Plain signs would cancel equal and opposite errors half the time."""
    u = generator.uniform(-1.0, 1.0, n)
    return np.asarray(u + np.copysign(0.5, u))


class Gauge:
    """How residuals of one array are measured, and what they may be.

    still : flat indices that directions leave alone; analytic must be finite.
    scale : (block.size,) the scales of the tangents; default by `tangent_scale`.
    rms : the root mean square of the other entries; where all of these are 0 (`nothing`), what f changes along the
        probed direction. faint : see ArrayEvidence.
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
            self.rms = setting.slope / float(np.median(setting.scales[block.slice]))
        self.scale = tangent_scale(setting, analytic, block) if scale is None else scale
        tolerance = setting.tolerance
        size = np.maximum(mine, self.rms)
        part = self.scale[moved]
        self.faint = LEAST * float(np.min(part * size, initial=np.inf))
        smallest = float(np.min(part * (tolerance.rtol * size + tolerance.atol), initial=np.inf))
        self.least = LEAST * smallest if math.isfinite(smallest) else 0.0
        self._natural = float(np.median(setting.scales[block.slice] / self.scale))
        self._narrowest = float(part.min(initial=np.inf))

    def tangents(self, seeds: Sequence[int]) -> Tangents:
        """One random direction a seed."""
        return Tangents(self.setting.x.size, self.block, self.scale, seeds, self.still)

    def relative(self, bound: float) -> float:
        """A bound of ||e s|| as one of ||e||, in units of the root mean square entry."""
        return bound / self._narrowest / self.rms if self.rms > 0 else math.inf

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
        error = abs(near - wide) / 3.0 + 3.0 * setting.level / step
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
            value = complex_derivative(self.setting.objective, self.setting.x, tangent, scale)
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
        natural = float(np.median(setting.scales[moved] / np.abs(tangent[moved])))
        length = min(abs(float(setting.f_x)) / slope, natural) if slope > 0 and setting.f_x != 0 else natural
        return setting.relative_step * length

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


def root_mean_square(values: Flat) -> float:
    """The size of some finite numbers; 0 for none. The largest is taken out first: no square overflows or vanishes."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if largest > 0 else 0.0


def _bar(found: Estimate, k: int) -> float:
    """The error bar of one direction; at a kink or a jump every slope between the one-sided ones may be meant."""
    error = float(found.error[k])
    if found.limit[k] in (Limit.KINK, Limit.JUMP):
        apart = abs(float(found.right[k]) - float(found.left[k]))
        return error + apart if math.isfinite(apart) else math.inf
    return error


def certificate_of(
    gauge: Gauge, residuals: Sequence[Residual], confidence: float, delta: float
) -> Certificate | None:
    """The bound that these residuals prove, missed with a chance of delta; None where it is not finite.

    confidence : what the certificate states, of which delta is this bound's share.
    """
    bound = scaled_bound(sorted(r.size for r in residuals), delta)
    if not math.isfinite(bound):
        return None
    return Certificate(gauge.block.name, bound, gauge.relative(bound), confidence, len(residuals))


def scaled_bound(sizes: Sequence[float], delta: float) -> float:
    """The scaled error norm that directions with residuals up to `sizes` (K,), ascending, prove.

    The chance that all but m stay within tau is at most C(K, m) (sqrt(2) tau / B)^(K - m). With many directions
    the least precise few are better left out: one m for each twelve directions, and the best counts, each with
    its share of delta.
    """
    k = len(sizes)
    options = range(1 + k // 12)
    share = delta / len(options)
    return min(
        DENSITY * sizes[k - m - 1] * math.pow(share / math.comb(k, m), -1.0 / (k - m)) for m in options
    )


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.10f}".rstrip("0").rstrip(".")
