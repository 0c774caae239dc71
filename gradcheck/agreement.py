"""The short way: where plain central differences bear out every entry of a claim, no more evidence is needed.

A gradient and differences with steps drawn at random, of which neither knows the other, agree to many digits only if
both are right to as many. So the noise of f need not be measured first: what is left between the two shows it. Where
they do not agree this decides nothing, and the check begins anew; it is only told where to look from near.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.directions import root_mean_square
from gradcheck.estimate import Estimate, Limit
from gradcheck.evaluation import Axes, Objective
from gradcheck.grid import granularity, significant_bits
from gradcheck.parameters import Flat
from gradcheck.preflight import Inspection
from gradcheck.survey import LITTLE
from gradcheck.sweep import NO_DOUBTS, Doubts, Evidence, Setting, decide, unmeasured
from gradcheck.verdict import Tolerance

__all__ = ["Agreement", "agreement"]

# The chance that all entries agree by luck although f is noisier than the bars say.
LUCK = 1e-3
# Units in the last place that a value of f may be off by, where nothing is known.
ROUNDING = 2.0
# The part of the tolerance that so much noise takes at the shortest step.
QUIET = 0.1
# What a claim may be off by, relative to rtol: the wider, the more often noise and a mistake cancel by luck.
NEAR = 0.1
# No step is longer than this part of a coordinate's scale.
LONGEST = 0.05
# A coarse rtol of the user's is no reason for a coarse difference: the bar stays within this part of the resolution.
FINE = 0.1
# f(x) with more bits than a number that is round by chance (25, 0.375), and no more than float32 has: computed in it.
CHANCE, SINGLE = 12, 24


@dataclass(frozen=True)
class Agreement:
    """What came of it: setting and evidence where every entry was borne out (or it was interrupted), else doubts.

    doubts : entries whose claim was off by more than rtol from a difference, so much that noise must explain it.
    """

    setting: Setting | None = None
    evidence: Evidence | None = None
    doubts: Doubts = NO_DOUBTS


def agreement(
    objective: Objective,
    inspection: Inspection,
    x: Flat,
    tolerances: tuple[float | None, float, float | None],
    *,
    few: int,
    room: tuple[Flat, Flat] | None,
    rng: Any,
) -> Agreement:
    """All entries borne out by central differences, two evaluations each; an end, early, where they are not.

    tolerances : rtol, atol and resolution, None for a default. rng : seed or Generator of the steps.
    few : with so many entries or more it is tried only where the rounding of f hides from random directions what they
        must see; where it does not they are cheaper.

    Each entry lies within a tenth of rtol of its difference, the slopes on both sides of x differ by no more than the
    resolution (no kink), and the bar is within rtol of the entry or of its array's root mean square: so coarse a bar
    hardly hides what the stencils of a sweep, which see more, would call wrong. Of the noise of f it holds the smaller
    of two bounds: the difference of the slopes on both sides contains it; and n differences within d of a right claim
    show that it is below d LUCK^(-1/n).
    """
    if inspection.analytic is None or objective.remaining < 2 * x.size:
        return Agreement()
    claim = _claim(_assumed(objective, inspection, x, tolerances, room), inspection.analytic, few, rng)
    if claim is None:
        return Agreement()
    every = np.arange(x.size)
    try:
        measured = _measured(claim)
    except KeyboardInterrupt:
        nothing = unmeasured(x.size, x.dtype)
        judgement = decide(claim.setting, nothing, claim.analytic, every)
        return Agreement(claim.setting, Evidence(every, claim.analytic, nothing, judgement, interrupted=True))
    if isinstance(measured, Doubts):
        return Agreement(doubts=measured)
    values, slopes = measured
    setting = replace(claim.setting, level=_level(claim.setting, values))
    found = _estimate(claim, slopes, setting.level)
    if not (found.error <= claim.finest * claim.size).all():
        return Agreement()
    judgement = decide(setting, found, claim.analytic, every)
    if not judgement.verified.all():
        return Agreement()
    return Agreement(setting, Evidence(every, claim.analytic, found, judgement, order=2))


@dataclass(frozen=True)
class _Claim:
    """A gradient and what it says about f, (n,) each.

    size : of each entry, or of its array where that is larger. steps : for the differences.
    finest : the largest bar that will do, relative to size.
    """

    setting: Setting
    analytic: Flat
    size: Flat
    steps: Flat
    finest: float


def _assumed(
    objective: Objective,
    inspection: Inspection,
    x: Flat,
    tolerances: tuple[float | None, float, float | None],
    room: tuple[Flat, Flat] | None,
) -> Setting:
    """The setting of a check of an f that is as precise as the numbers that it returns."""
    f_x = inspection.f_x
    names = [inspection.computes_in]
    if CHANCE < int(significant_bits(np.full((1, 1), f_x, np.float64))[0]) <= SINGLE:
        names.append("float32")
    eps = max(float(np.finfo(name).eps) for name in [*names, str(x.dtype)])
    return Setting(
        objective, x, f_x, ROUNDING * eps * abs(float(f_x)), eps, objective.parameters.scales(x),
        Tolerance.for_dtypes(names, *tolerances), room, gradient_eps=float(np.finfo(names[0]).eps),
    )  # fmt: skip


def _claim(setting: Setting, analytic: Flat, few: int, rng: Any) -> _Claim | None:
    """The steps that suit a claim; None where it is not finite or 0 throughout, or noise or bounds leave no room."""
    size = np.abs(analytic)
    with np.errstate(all="ignore"):
        for block in setting.parameters.blocks:
            part = size[block.slice]
            np.maximum(part, root_mean_square(part), out=part)
        # The noise relative to what f changes over one scale of x, which it is rounded as well as itself.
        share = setting.relative_step * ROUNDING
        share = share * np.maximum(abs(float(setting.f_x)) / (size * setting.scales), 1.0)
        usable = np.isfinite(size) & (size > 0) & np.isfinite(share)
    if not usable.all():
        return None
    tolerance = setting.tolerance
    # A sweep's first step, and what noise is of it: see `first_step`, `noise_share`.
    if analytic.size >= few and np.max(2.0 * share**0.8) <= LITTLE * tolerance.rtol:
        return None
    finest = min(tolerance.rtol, FINE * tolerance.resolution)
    if finest == 0:
        return None
    # Between the shortest step at which the noise is little and the one that balances it with truncation.
    balanced, shortest = np.cbrt(share), share / (QUIET * finest)
    steps = np.minimum(np.minimum(balanced, np.sqrt(balanced * shortest)), LONGEST)
    # Powers of four, so that similar claims ask for the same values; but none that others would take.
    steps = 4.0 ** np.rint(np.log2(steps) / 2.0) * np.random.default_rng(rng).uniform(0.7, 1.4, analytic.size)
    # What the bars will be where f bends over its scale, as the claim tells it.
    noise = np.maximum(share / steps, np.minimum(steps / 2.0, _luck(share.size) * share / steps))
    if (noise + np.square(steps) / 6.0 > finest).any():
        return None
    steps = _on_grid(setting, steps * setting.scales)
    if setting.room is not None and (np.minimum(*setting.room) < steps).any():
        return None
    return _Claim(setting, analytic, size, steps, finest)


def _on_grid(setting: Setting, steps: Flat) -> Flat:
    """Steps of 64 spacings of x at the least: shorter ones would be rounded by a per cent."""
    spacing = [np.full(b.size, np.finfo(b.real_dtype).eps, float) for b in setting.parameters.blocks]
    return np.maximum(steps, 64.0 * np.concatenate(spacing) * np.abs(setting.x))


def _measured(claim: _Claim) -> tuple[Flat, Flat] | Doubts:
    """Values of f left and right of x (2, n), and the slopes there and at x (3, n); doubts once one is not close."""
    setting = claim.setting
    values, slopes = (
        np.empty((2, setting.x.size), setting.x.dtype),
        np.empty((3, setting.x.size), setting.x.dtype),
    )
    # The entry that moves f most comes first: where noise or a mistake shows there, two evaluations are lost.
    order = np.argsort(-np.abs(claim.analytic) * setting.scales, kind="stable")
    for rows in (order[:1], order[1:]):
        lines, each = Axes(setting.parameters, setting.x, rows), np.arange(rows.size)
        offsets = lines.reached(each, claim.steps[rows][:, None] * np.array([-1.0, 1.0]))
        values[:, rows] = setting.objective.along(lines, each, offsets).T
        low, high = offsets.T
        with np.errstate(all="ignore"):
            left, right = (values[:, rows] - setting.f_x) / offsets.T
            slopes[:, rows] = left, right, (high * left - low * right) / (high - low)
        left, right, central = slopes[:, rows]
        size, tolerance = claim.size[rows], setting.tolerance
        with np.errstate(invalid="ignore"):
            apart = np.abs(claim.analytic[rows] - central)
            off = apart - setting.level / claim.steps[rows]
            accepted = tolerance.rtol * np.abs(claim.analytic[rows])
            near = off <= NEAR * accepted
            smooth = np.abs(right - left) <= tolerance.resolution * size
        if not (near & smooth).all():
            doubted = (off > accepted) & np.isfinite(apart)
            return Doubts(rows[doubted], claim.steps[rows][doubted], apart[doubted])
    return values, slopes


def _level(setting: Setting, values: Flat) -> float:
    """The noise of one value of f where it is no more than the rounding to the grid on which the values lie."""
    every = np.append(values, setting.f_x)
    largest = float(np.max(np.abs(every)))
    quantum, _ = granularity(every[:, None])
    return max(ROUNDING * setting.relative_step * largest, 0.6 * float(quantum[0]))


def _estimate(claim: _Claim, slopes: Flat, level: float) -> Estimate:
    """The differences with their bars: noise, and what f bends as far as its slopes show."""
    left, right, central = slopes
    steps, bend, apart = claim.steps, np.abs(right - left), np.abs(claim.analytic - central)
    lucky = np.max(apart * steps) * _luck(steps.size)
    noise = np.maximum(np.maximum(level / steps, apart), np.minimum(bend / 2.0, lucky / steps))
    # Over the length on which its slope doubles f's third derivative is taken to be as large as its slope.
    truncation = bend * (bend / claim.size) / 6.0
    nothing = np.zeros(steps.shape)
    return Estimate(
        value=central, error=noise + truncation, step=steps, noise=noise, truncation=truncation, kink=nothing,
        left=left, right=right, curvature=(right - left) / steps, chord=np.maximum(np.abs(left), np.abs(right)),
        limit=np.full(steps.shape, Limit.NONE, object), nfev=2 * steps.size,
    )  # fmt: skip


def _luck(n: int) -> float:
    """How much larger than the largest of n errors the noise can be, that chance apart."""
    return float(LUCK ** (-1.0 / n))
