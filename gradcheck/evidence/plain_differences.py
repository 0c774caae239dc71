"""The short way: where plain central differences bear out every entry of a claim, no more evidence is needed.

A gradient and differences with steps drawn at random, of which neither knows the other, agree to many digits only if
both are right to as many. So the noise of f need not be measured first: what is left between the two shows it. Where
they do not agree this decides nothing, and the check begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.entries import decide
from gradcheck.evidence.farther import BITS_BY_CHANCE, few_digits, stay
from gradcheck.function.lines import Lines
from gradcheck.function.matrix import Dense
from gradcheck.numerics.outputs import HALF_GRID
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.rounding import (
    FEW,
    SINGLE,
    decimal_steps,
    granularity,
    lies_on,
    on_no_grid,
    significant_bits,
)
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.leaves import all_finite, eps_of
from gradcheck.parameters.quantiles import median
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate, unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

# The chance that all entries agree by luck although f is noisier than the bars say.
LUCK = 1e-3
# Units in the last place that a value of f may be off by, where nothing is known.
ROUNDING = 2.0
# The part of the tolerance that so much noise takes at the shortest step.
QUIET = 0.1
# What a claim may be off by, relative to rtol: the wider, the more often noise and a mistake cancel by luck. And
# relative to what rounding and bends explain, which a bar holds three times.
NEAR, EXPLAINED = 0.1, 2.0
# The two sides of a difference, in units of their geometric mean: a bend of f adds nothing to the parabola through
# them, and a kink at x a tenth of its jump, which equal sides would not show to a claim in the middle.
SIDES = np.array([-(1.5**-0.5), 1.5**0.5])
# What noise may take of the tolerance where directions are to decide about few entries.
LITTLE = 0.03
# The sum of the weights of the three values, times the mean side.
WEIGHT = 1.47
# What the largest of a few roundings is of the most that they can be.
TYPICAL = 0.3
# No step is longer than this part of a coordinate's scale.
LONGEST = 0.05
# A coarse rtol of the user's is no reason for a coarse difference: the bar stays within this part of the resolution;
# and within what a PASS allows where the rounding of f leaves no finer one.
FINE, COARSE = 0.1, 1.0 / 3.0
# With fewer entries luck makes a bar so wide that a sweep may call a tenth of what it hides wrong: such a bar stays
# within so many times rtol.
SEVERAL, TOLERATED = 6, 1.5
# Where the noise is a larger part than this of what f changes over the scale of x, f has not the digits of float64:
# directions then need more evaluations, and are cheaper from so many times as many entries on.
CLEAN, DEARER = 1e-12, 2.0


# Whether values of f (m,) are of the numbers to which f was assumed to be rounded.
Fits = Callable[[Flat], bool]


def agreement(problem: Problem, *, few: int, rng: Any) -> tuple[Problem, Entries] | None:
    """All entries borne out by central differences, two evaluations a column; None, early, where they are not.

    Returns what is then known of f, and the evidence; or that of an interruption while they were asked.
    rng : seed or Generator of the steps.
    few : with so many entries or more it is tried only where the rounding of f hides from random directions what they
        must see; where it does not they are cheaper.

    Each entry lies within a tenth of rtol, and what rounding and bends explain, of its difference, and the bar is
    within what a PASS allows, or for fewer than SEVERAL entries within about rtol: so it hardly hides what the stencils
    of a sweep, which see more, would call wrong. Of the noise of f it holds the smaller of two bounds: the difference
    of the slopes on both sides contains it; and n differences within d of a right claim show that it is below
    d LUCK^(-1/n).
    """
    if not isinstance(problem.matrix, Dense):
        return None
    for setting, fits in _assumed(problem):
        claim = _claim(setting, problem.matrix.array, few, rng, rounded=fits is not None)
        if claim is None or problem.objective.remaining < 2 * problem.x.size:
            continue
        # The column that moves f most comes first: where noise or a mistake shows there, two evaluations are lost.
        order = np.zeros(1, np.intp)
        if problem.x.size > 1:
            order = np.argsort(-np.abs(claim.analytic).max(axis=0) * setting.scales, kind="stable")
        try:
            near = _near(claim, order[:1])
            if fits is None or all(fits(side.astype(np.float64)) for side in claim.values[:, :, order[0]]):
                near = near and (order.size == 1 or _near(claim, order[1:]))
                return _agreed(claim, rng) if near else None
        except KeyboardInterrupt:
            return _interrupted(claim)
    return None


def _agreed(claim: _Compared, rng: Any) -> tuple[Problem, Entries] | None:
    """The entries with the bars that their differences show; None where some are too wide."""
    analytic, every = claim.analytic.ravel(), np.arange(claim.analytic.size)
    level, names = _level(claim.setting, claim.values)
    still = np.asarray(~claim.analytic.any(axis=1))
    if still.any():
        # A value of few digits (a count, 0.1) does not tell whether it is rounded: what is claimed to be 0, and stays
        # as it is, has the rounding of any double, if it stays so farther away.
        still &= few_digits(claim.setting.f_x) & (level > claim.setting.level)
        still &= (claim.values == claim.setting.f_x[:, None]).all(axis=(0, 2))
        level, names = np.where(still, claim.setting.level, level), names[~still]
    coarse = {"float16", "float32"} & set(names.tolist())
    if coarse and claim.setting.tolerance.eps < eps_of(np.float32):
        return None  # the tolerances of its arithmetic are others than were assumed
    setting = claim.setting
    if (level != setting.level).any():
        setting = replace(setting, level=level)
    found = _estimate(claim, setting.level)
    if not (found.error <= claim.largest.ravel()).all():
        return None
    judgement = decide(setting, found, analytic, every)
    if not judgement.verified.all() or (still.any() and not stay(setting, still, rng)):
        return None
    return setting, Entries(every, analytic, found, judgement, order=2)


def _interrupted(claim: _Compared) -> tuple[Problem, Entries]:
    """Nothing was judged."""
    analytic, every = claim.analytic.ravel(), np.arange(claim.analytic.size)
    nothing = unmeasured(every.size, claim.setting.x.dtype)
    judgement = decide(claim.setting, nothing, analytic, every)
    return claim.setting, Entries(every, analytic, nothing, judgement, interrupted=True)


@dataclass(frozen=True)
class _Compared:
    """A derivative and what it says about f, (m, n) each, and what differences show as far as they were measured.

    size : of each entry, or of its gradient where that is larger. largest : bar that will do.
    steps : (n,) for the differences, the mean of both sides. values : (2, m, n) of f left and right of x.
    slopes : (3, m, n) there and at x.
    """

    setting: Problem
    analytic: Flat
    size: Flat
    steps: Flat
    largest: Flat
    values: Flat
    slopes: Flat


def _assumed(problem: Problem) -> list[tuple[Problem, Fits | None]]:
    """The setting of a check of an f that computes in the dtype of its gradient and x, of which nothing is asked.

    Before it that of one that is rounded to float32, or to decimals, where the numbers that it returned have as few
    bits or digits; other values have to bear that out.
    """
    f_x, eps = problem.f_x, max(problem.eps, eps_of(problem.x.dtype))
    plain = replace(problem, level=ROUNDING * eps * np.abs(f_x), relative_step=eps)
    if any(map(on_no_grid, f_x[:FEW].tolist())):
        return [(plain, None)]
    values = f_x.astype(np.float64)
    bits = _bits(values)
    # What is round by chance (25, 0.375) may be of any format, but not all of the values.
    if BITS_BY_CHANCE < bits.max() <= SINGLE and eps < eps_of("float32"):
        single = replace(
            problem, level=ROUNDING * eps_of("float32") * np.abs(f_x), relative_step=eps_of("float32"),
            tolerance=problem.tolerance.of("float32"),
        )  # fmt: skip
        return [(single, lambda some: bool((_bits(some) <= SINGLE).all())), (plain, None)]
    steps = decimal_steps(values)
    finest = float(steps[steps > 0].min(initial=np.inf))
    if not np.isfinite(finest) or not all(lies_on(value, finest) for value in values.tolist()):
        return [(plain, None)]
    if (HALF_GRID * finest <= plain.level).any():
        return [(plain, None)]
    decimals = replace(plain, level=np.full(f_x.size, HALF_GRID * finest))
    return [(decimals, lambda some: all(lies_on(value, finest) for value in some.tolist())), (plain, None)]


def _bits(values: Flat) -> NDArray[np.intp]:
    """The significant bits of each number (k,); what is not finite has none."""
    return np.where(np.isfinite(values), significant_bits(np.nan_to_num(values)[None, :]), 0)


def _claim(setting: Problem, analytic: Flat, few: int, rng: Any, *, rounded: bool) -> _Compared | None:
    """The steps that suit a claim; None where it is not finite or 0 throughout, or noise or bounds leave no room.

    rounded : whether values of f lie on a grid that is coarser than their dtype.
    """
    n, scales = analytic.shape[1], setting.scales
    moduli = np.abs(analytic)
    size = _sizes(setting, moduli)
    moved = size * scales
    if not (moved.min() > 0 and all_finite(moved)):
        return None
    # The noise relative to what f changes over one scale of x, which it is rounded as well as itself.
    rounding = ROUNDING * float(setting.relative_step[0])
    # Values on a grid are nothing for directions, which need to see them change by less.
    rounded = rounded or setting.tolerance.eps > eps_of(np.float64)
    # What noise is of a sweep's first step: see `first_step`, `noise_share`. Of many outputs some hardly move: most of
    # them decide.
    usual = max(float(median(setting.level / moved.min(axis=1))), rounding)
    cheaper = not rounded and n >= (few if usual <= CLEAN else DEARER * few)
    if cheaper and 2.0 * usual**0.8 <= LITTLE * setting.tolerance.rtol:
        return None
    share = np.maximum(setting.level[:, None] / moved, rounding)
    if not all_finite(share):
        return None
    chosen = _steps(share, moduli / size, setting.tolerance)
    if chosen is None:
        return None
    steps, bars = chosen
    # None that others would take.
    steps = steps * np.random.default_rng(rng).uniform(0.7, 1.4, n) * scales
    if setting.room is not None and (np.minimum(*setting.room) < SIDES[1] * steps).any():
        return None
    seen = np.empty((5, *analytic.shape), setting.x.dtype)
    return _Compared(setting, analytic, size, steps, bars * size, seen[:2], seen[2:])


def _sizes(setting: Setting, analytic: Flat) -> Flat:
    """Each |entry| (m, n), or the root mean square of its gradient; of an output that is claimed still, of all."""
    size = analytic.copy()
    for block in setting.parameters.blocks if analytic.shape[1] > 1 else ():
        for row in size:
            part = row[block.slice]
            np.maximum(part, root_mean_square(part), out=part)
    if setting.outputs > 1:
        size = np.where(size > 0, size, root_mean_square(size[size > 0]))
    return size


def _steps(share: Flat, part: Flat, tolerance: Tolerance) -> tuple[Flat, Flat] | None:
    """Steps (n,) relative to the scale of x, and the largest bars that will do, to `size`; None where none will.

    share : (m, n) of the noise in what f changes over that scale. part : of the entry in `size`.
    """
    fine = min(tolerance.rtol, FINE * tolerance.resolution)
    if fine == 0:
        return None
    if share.shape[1] < SEVERAL:
        largest = np.maximum(
            fine, np.minimum(COARSE * tolerance.resolution, TOLERATED * tolerance.rtol * part)
        )
    else:
        largest = np.full(share.shape, max(fine, COARSE * tolerance.resolution))
    # Between the shortest step at which the noise is little and the one that balances it with truncation. Powers of
    # four, so that similar claims ask for the same values; outputs share the step that suits most of them.
    balanced, shortest = np.cbrt(share), share / (QUIET * fine)
    powers = np.rint(np.log2(np.minimum(balanced, np.sqrt(balanced * shortest))) / 2.0)
    steps = np.minimum(4.0 ** (np.median(powers, axis=0) if len(powers) > 1 else powers[0]), LONGEST)
    expected = _expected(share, steps)
    if not (expected <= fine).all():
        # Where even so it is more: the step at which their sum is nearly the least that it can be.
        steps = np.minimum(np.cbrt(2.0 * WEIGHT * np.median(share, axis=0)), LONGEST)
        expected = _expected(share, steps)
    return (steps, largest) if (expected <= largest).all() else None


def _expected(share: Flat, steps: Flat) -> Flat:
    """What the bars will be, relative to `size`, where f bends over its scale as the claim tells it."""
    lucky = TYPICAL * _luck(share.shape[1]) * share / steps
    return np.asarray(
        np.maximum(WEIGHT * share / steps, np.minimum(steps / 2.0, lucky)) + np.square(steps) / 6.0
    )


def _near(claim: _Compared, columns: Index) -> bool:
    """Measure the differences of some columns; whether they bear out all of their entries."""
    setting = claim.setting
    axes = Lines.axes(setting.parameters, setting.x, columns)
    reached = axes.reached(np.arange(columns.size), claim.steps[columns][:, None] * SIDES)
    lines = setting.objective.every(axes)
    seen = setting.objective.along(lines, np.arange(len(lines)), reached.repeat(setting.outputs, axis=0))
    values = seen.reshape(columns.size, setting.outputs, 2).T
    low, high = reached.T
    left, right = (values - setting.f_x[:, None]) / reached.T[:, None, :]
    claim.values[:, :, columns] = values
    claim.slopes[:, :, columns] = left, right, (high * left - low * right) / (high - low)
    return _borne_out(claim, columns)


def _borne_out(claim: _Compared, columns: Index) -> bool:
    """Whether the slopes of some columns on both sides and at x bear out all of their entries."""
    left, right, central = claim.slopes[:, :, columns]
    analytic, bend = claim.analytic[:, columns], np.abs(right - left)
    explained = WEIGHT * claim.setting.level[:, None] / claim.steps[columns]
    # What f bends over the scale of x is not counted: it would excuse what is left of an entry near 0.
    explained = explained + bend * (bend / claim.size[:, columns]) / 6.0
    off = np.abs(analytic - central) - EXPLAINED * explained
    near = off <= NEAR * claim.setting.tolerance.rtol * np.abs(analytic)
    return bool((near & (explained <= claim.largest[:, columns])).all())


def _level(setting: Setting, values: Flat) -> tuple[Flat, NDArray[np.object_]]:
    """The noise (m,) of one value of f where it is no more than the rounding that was taken, or seen in the values; and
    what they are numbers of."""
    every = np.concatenate([*values.transpose(0, 2, 1), setting.f_x[None, :]])
    quantum, names = granularity(every)
    rounding = ROUNDING * setting.relative_step * np.abs(every).max(axis=0)
    return np.asarray(np.maximum(np.maximum(setting.level, rounding), HALF_GRID * quantum)), names


def _estimate(claim: _Compared, level: Flat) -> Estimate:
    """The differences with their bars: noise, and what f bends as far as its slopes show; flat, row by row."""
    left, right, central = claim.slopes
    steps, bend, apart = claim.steps, np.abs(right - left), np.abs(claim.analytic - central)
    # Over the length on which its slope doubles f's third derivative is taken to be as large as its slope; and over the
    # scale of x, at the least.
    over_x = np.square(steps / claim.setting.scales) * claim.size
    truncation = np.maximum(bend * (bend / claim.size), over_x) / 6.0
    lucky = (np.maximum(apart - truncation, 0.0) * steps).max(axis=1, keepdims=True) * _luck(steps.size)
    least = np.maximum(WEIGHT * level[:, None] / steps, apart)
    noise = np.maximum(least, np.minimum(bend / 2.0, lucky / steps))
    nothing = np.zeros(left.shape)
    parts = {
        "value": central, "error": noise + truncation, "step": steps + nothing, "noise": noise,
        "truncation": truncation, "kink": nothing, "left": left, "right": right, "sided": bend + noise,
        "curvature": 2.0 * (right - left) / (steps * (SIDES[1] - SIDES[0])),
        "chord": np.maximum(np.abs(left), np.abs(right)), "limit": np.full(left.shape, Limit.NONE, object),
    }  # fmt: skip
    return Estimate(**{name: part.ravel() for name, part in parts.items()}, nfev=2 * steps.size)


def _luck(n: int) -> float:
    """How much larger than the largest of n errors the noise can be, that chance apart."""
    return float(LUCK ** (-1.0 / n))
