"""Outcomes: what a check can say, and when it says it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from gradcheck._typing import Index, Mask, Values
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit

# Two gradients of the same f agree to about the square root of what the arithmetic resolves, with room for an
# analytic gradient that is itself computed in that arithmetic: float64 could hold 1e-8, float32 3e-4.
DEFAULT_RTOL = {"float64": 1e-6, "float32": 1e-3, "float16": 1e-1}

# What the noise of the arithmetic leaves visible of a derivative by differences, with a margin.
DEFAULT_RESOLUTION = {"float64": 1e-3, "float32": 3e-2, "float16": 0.5}

# Below this a double loses digits.
TINY = float(np.finfo(np.float64).tiny)
# The unit roundoff of bfloat16 and of float16 is this or more.
HALF = float(np.finfo(np.float16).eps)

# Slopes that cancel in f leave so many roundings of the array's gradient. Without them a Jacobian with the row of
# 3 x + (0.1 + 0.2) y - 0.3 y is undecided at 0, where the rounding shows as a slope of 6e-17.
CANCELLING = 4.0

# The part of what derivatives become within reach of the stencils that they are taken for where x is a solver's answer,
# which leaves next to nothing of them: the noise of float64 leaves about 1e-8 of that to be seen.
LEFT = 1e-4


@dataclass(frozen=True)
class Tolerance:
    """Two different questions, two parameters.

    rtol, atol : which discrepancy the user accepts, |g - r| <= rtol max(|g|, |r|) + atol beyond the error bar.
    resolution : which relative mistake must have been visible for a PASS.
    eps : the relative rounding of the arithmetic of f. floor : slopes that it takes for 0, accepted beside the atol.
    """

    rtol: float
    atol: float = 0.0
    resolution: float = 1e-3
    eps: float = float(np.finfo(float).eps)
    # Of the dtype, as eps: it tells no two tolerances apart.
    floor: float = field(default=0.0, compare=False)
    # What was given of the three; None is a default of the dtype.
    given: tuple[float | None, float, float | None] = field(default=(None, 0.0, None), compare=False)

    @classmethod
    def for_dtypes(
        cls, names: Collection[str], rtol: float | None, atol: float, resolution: float | None
    ) -> Tolerance:
        """Those that are given; for None what the coarsest of these dtypes can hold."""
        dtype = "float16" if "float16" in names else "float32" if "float32" in names else "float64"
        return _for_dtype(dtype, rtol, atol, resolution)

    def of(self, dtype: str) -> Tolerance:
        """The same of another dtype, which decides what was not given."""
        return _for_dtype(dtype, *self.given)

    def strict(self) -> Tolerance:
        """With no more than what the arithmetic is accepted by default: for a fit that has to be better than that."""
        usual = min(rtol for name, rtol in DEFAULT_RTOL.items() if eps_of(name) >= self.eps)
        return replace(self, rtol=min(self.rtol, usual), atol=0.0)

    @property
    def hidden(self) -> float:
        """What need not be seen of a slope of any size. In float16 whole gradients are as small as its floor."""
        return self.atol + (self.floor if self.eps < HALF else 0.0)

    def in_units(self, unit: float) -> Tolerance:
        """The same for slopes that are divided by this number."""
        return replace(self, atol=self.atol / unit, floor=self.floor / unit)

    def __post_init__(self) -> None:
        for name in ("rtol", "atol", "resolution"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number >= 0, not {value!r}")
        if self.resolution >= 1:
            raise ValueError(f"resolution must be below 1 (a mistake of 100 %), not {self.resolution!r}")


@lru_cache(maxsize=32)
def _for_dtype(dtype: str, rtol: float | None, atol: float, resolution: float | None) -> Tolerance:
    return Tolerance(
        DEFAULT_RTOL[dtype] if rtol is None else rtol,
        atol,
        DEFAULT_RESOLUTION[dtype] if resolution is None else resolution,
        eps_of(dtype),
        # Below its smallest normal number a dtype loses digits, and where e^-x is so small e^x is infinite, and
        # 1 / (1 + e^x) is 0.
        float(np.finfo(dtype).tiny),
        (rtol, atol, resolution),
    )


@dataclass(frozen=True)
class Judgement:
    """The decision for each of m derivatives: wrong, verified, or neither.

    allowed : |g - r| up to which a derivative is not called wrong, 3 E + tau.
    scale : the size that a mistake is relative to: the derivative's own, or its array's where that is larger.
    subgradient : verified only as a value between two one-sided slopes.
    """

    wrong: Mask
    verified: Mask
    subgradient: Mask
    allowed: Values
    scale: Values

    @property
    def inconclusive(self) -> Mask:
        """Which are neither wrong nor verified."""
        return ~(self.wrong | self.verified)

    @property
    def detectable(self) -> Values:
        """The smallest mistake of each derivative that would have been seen, relative to `scale`."""
        seen = np.where(self.scale > 0, self.allowed / self.scale, np.inf)
        return np.asarray(seen)


def larger(analytic: Values, value: Values) -> Values:
    """max(|g|, |r|), to which `rtol` is relative; 0 where it is not finite."""
    size = np.maximum(np.abs(analytic), np.abs(value))
    return np.where(np.isfinite(size), size, 0.0)


def accepted(
    size: Values, tolerance: Tolerance, block_scale: Values | float = 0.0, zero: Mask | None = None
) -> Values:
    """What m derivatives may be off by beyond their bars: tau = rtol size + atol + the floor of the dtype.

    size : as of `larger`. zero : (m,) where a coordinate is 0; default nowhere. f rounds next to nothing there, and
    shows what is left of slopes that cancel but for the rounding of their coefficients: four roundings of the array,
    whose size is `block_scale`, are added.
    """
    tau = tolerance.rtol * size + (tolerance.atol + tolerance.floor)
    if zero is not None and zero.any():
        tau = tau + np.where(zero & np.isfinite(block_scale), CANCELLING * tolerance.eps * block_scale, 0.0)
    return np.asarray(tau)


def visible(apart: Values, bar: Values, tau: Values, scale: Values, tolerance: Tolerance) -> Mask:
    """Whether a mistake of the resolution would have been seen of m derivatives that are `apart` from their estimates.

    bar : 3 E. The true derivative lies within it of the estimate, so that the claim is off by |g - r| + 3 E at the
    most: 3 E alone would let a mistake of nearly twice the resolution pass. What is accepted beyond the resolution, by
    `rtol`, is no mistake, and what is hidden at any size is none.
    """
    hidden = tolerance.hidden
    most = tolerance.resolution * scale + hidden
    seen: Mask = np.where(tau > most, 0.0, np.maximum(apart - hidden, 0.0)) + bar <= most
    return seen


def blur_of(curvature: Values, x: Values, output: Index, eps: float) -> Values:
    """How far (m,) derivatives move where a coordinate is rounded: eps |x_j f''_ij|, the most of any j of an output.

    curvature : (m,) f''_ii, nan where it is not known. x : (m,) coordinates. output : (m,) of which output each is.
    f''_ij is no more than the root of f''_ii f''_jj where f is convex. Beside an offset of 1e6, which f adds to, its
    slopes are those a rounding away, and where they cancel (at a minimum) a precise stencil shows that.
    """
    root = np.sqrt(np.abs(np.where(np.isfinite(curvature), curvature, 0.0)))
    most = np.zeros(int(output.max(initial=-1)) + 1, root.dtype)
    np.maximum.at(most, output, np.abs(x) * root)
    return np.asarray(eps * root * most[output])


def judge(
    analytic: Values,
    estimate: Estimate,
    block_scale: Values,
    tolerance: Tolerance,
    *,
    zero: Mask | None = None,
    blur: Values | float = 0.0,
    subgradient: bool = False,
) -> Judgement:
    """Compare m analytic derivatives with their numerical estimates.

    wrong where |g - r| > 3 E + tau, see `accepted`; verified where not wrong and `visible`; else inconclusive. At a
    kink the interval of one-sided slopes takes the place of r, and their bars that of E: outside it every convention
    is wrong, inside it nothing can be verified unless `subgradient` accepts any of it.
    A decision needs positive evidence: nan is neither wrong nor verified, save for an analytic nan, which is wrong.
    Nor is what moves f by less than the smallest normal number at the step that was taken: below it values lose digits.
    zero : (m,) where a coordinate is 0, see `accepted`; default nowhere. blur : (m,) what f's slopes are off by as it
    rounds coordinates, see `blur_of`: no mistake, whatever f shows, and no more than `resolution` leaves.
    """
    r, error = estimate.value, estimate.error
    size = larger(analytic, r)
    tau = accepted(size, tolerance, block_scale, zero) + blur
    bar = 3.0 * error
    allowed, scale = bar + tau, np.maximum(size, block_scale)
    known = np.isfinite(error) & np.isfinite(r)
    apart = np.abs(analytic - r)
    off = apart > allowed
    kink = as_subgradient = np.zeros(off.shape, bool)
    limits = np.ravel(estimate.limit).tolist()
    if Limit.KINK in limits:
        kink = np.asarray(estimate.limit == Limit.KINK) & known
        kink &= ~(np.abs(estimate.right - estimate.left) <= tolerance.floor)
        inside, told = _between_slopes(analytic, estimate, tau, scale, tolerance)
        off = np.where(kink, ~inside, off)
        as_subgradient = kink & inside & told & subgradient & np.isfinite(analytic)
    off &= known
    # The complex step has no length.
    lost = off & (estimate.step > 0) & (apart * estimate.step < TINY)
    wrong = off & ~lost
    seen = visible(apart, bar + blur, tau, scale, tolerance)
    verified = known & ~lost & seen & ~kink & ~wrong
    finite = np.isfinite(analytic)
    if np.count_nonzero(finite) < finite.size:
        wrong, verified = wrong | ~finite, verified & finite
    verified |= as_subgradient
    if Limit.FIXED in limits:
        fixed = np.asarray(estimate.limit == Limit.FIXED)
        verified, wrong = verified & ~fixed, wrong & ~(fixed & finite)
    return Judgement(wrong, verified, as_subgradient, allowed, scale)


def _between_slopes(
    analytic: Values, estimate: Estimate, tau: Values, scale: Values, tolerance: Tolerance
) -> tuple[Mask, Mask]:
    """Whether m derivatives lie between the slopes on both sides, and whether these are known well enough."""
    low, high = np.minimum(estimate.left, estimate.right), np.maximum(estimate.left, estimate.right)
    slack = 3.0 * estimate.sided + tau
    inside = (analytic >= low - slack) & (analytic <= high + slack)
    steepest = np.maximum(scale, np.fmax(np.abs(low), np.abs(high)))
    told = 3.0 * estimate.sided <= tolerance.resolution * steepest + tolerance.hidden
    return inside, told
