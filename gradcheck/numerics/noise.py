"""How many digits of f can be trusted near x: measured, not assumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.outputs import (
    HALF_GRID,
    HALF_SINGLE,
    TAILS,
    VALUES,
    Differences,
    Noise,
    differences,
    hardly_differ,
    with_lucky_outputs,
    with_still_outputs,
)
from gradcheck.numerics.rounding import (
    ROWS,
    SPACED,
    WIDER,
    WIDEST,
    At,
    distinct,
    granularity,
    jump_of,
    jumps,
    lowest_bits,
    on_stairs,
    rounded_beyond,
    rounded_part,
)
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import Parameters

Claimed = Callable[[], Mask]

# First spacing relative to the scale of x. Wide enough to cross several roundings of f to eight digits or of
# x to float32, narrow enough that the fourth differences of a smooth f lie far below its rounding.
FIRST_SPACING = 1e-6
NARROWER = 1e-3
# What is left of the noise without the first points, where a kink lies between these.
SLIGHT = 0.01
# Another spacing as narrow.
ELSEWHERE = 0.7
# Noise that is this part of f itself may be an oscillation faster than both spacings; what changes f by so much of it
# between the nearer ones, and does not look like noise, bends it.
NEARLY_ALL, MUCH = 0.05, 0.01
# Terms that round each for itself leave about so much of what one of their size would.
OF_TERMS = 0.3
# On a grid that shows no slope over the first points an oscillation that the wider ones are too far apart for, of a
# period of 600 spacings at most, has an amplitude of no more than 4 (600 / 7 / 2 pi)^2 = 750 steps of it, at a crest.
# Differences of it are four times as large at the most. What is more jumps.
STEEP = 3e3
# Values so many times f(x) say nothing of its rounding, where they are off by no more than so many roundings of theirs.
TOWERING, ROUNDINGS = 1e3, 16.0
# Where f is looked at for the bits of its values alone, in units of the scale of x.
ELSEWHERE_BITS = 0.1
# Of values that lie so near to each other that f is the same at two pairs of neighbours it moves by jumps, or not at
# all. So many times as wide it is looked at then, until twice five pairs in seven differ, where most steps show, or
# three values lie on a grid: a part with finer steps may show alone at first.
REPEATS, LONGER, CROSSED, TREADS = 2, (10.0, 30.0, 100.0, 300.0), 5, 3


def measure_noise(
    objective: Objective,
    line: Lines,
    f_x: Values,
    spacing: float = FIRST_SPACING,
    *,
    back: bool = True,
    claimed: Claimed | None = None,
    most: float = np.inf,
) -> Noise:
    """Estimate the noise of every output along one line through x, from the differences of equally spaced values.

    line : one line; its offsets are in the scaled units in which `spacing` is given.
    f_x : f(x), (m,). back : whether f may be called on the other side of x, where it is not finite on this.
    claimed() : (m,) outputs that would move between these points, by the derivative under test. most : the offset up to
        which there is room.
    Costs eight evaluations, fifteen where the first spacing shows no noise or too much, and seven more where f
    seems to be nothing but noise or where the second spacing shows far less than the first; two more where its values
    have so few bits that they may be of a coarser dtype. Of many outputs each may want another spacing: 66 at most.
    """
    dtype = objective.parameters.dtype
    held = max(eps_of(block.real_dtype) for block in objective.parameters.blocks)

    def at(offsets: Values) -> Values:
        away = offsets[offsets != 0].astype(dtype)
        values = objective.line(line, away)
        return values if away.size == offsets.size else np.concatenate([f_x[None, :], values])

    found = estimate_noise(
        at,
        spacing,
        back=back,
        x_rounds=held > eps_of(np.float64),
        claimed=claimed,
        longest=most / (WIDEST * spacing),
    )
    return with_lucky_outputs(with_still_outputs(found, f_x), f_x) if f_x.size > 1 else found


def estimate_noise(
    at: At,
    spacing: float,
    *,
    back: bool,
    x_rounds: bool = False,
    claimed: Claimed | None = None,
    longest: float = 0.0,
) -> Noise:
    """Estimate the noise of m outputs from the differences of equally spaced values.

    at(offsets (k,)) : values (k, m) along the line, asked for again where some output needs more of them.
    x_rounds : whether x is held in less than float64; then all of f jumps as x does.
    back, claimed : as in `measure_noise`. longest : how many times as wide as the widest these spacings may be.
    Source: Moré & Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011).
    """
    first = differences(at(SPACED * spacing))
    eps, sigma = eps_of(first.values.dtype), first.sigma
    alike = first.alike & first.finite
    # Too much for rounding: noise stays when the points move together, a kink or an oscillation goes.
    coarse = ~first.alike & first.finite & ~(sigma <= 100.0 * eps * first.size)
    if not first.finite.all():
        # Off the domain: the other way, and not so far.
        inside = at(SPACED * ((-spacing if back else spacing) * NARROWER))
        first = differences(np.where(first.finite, first.values, inside))
        sigma = first.sigma
    seen = [first]
    still, step = np.zeros(first.size.shape, bool), np.zeros(first.size.shape)
    widest, rests = first.values, first.values[1] == first.values[0]
    if alike.any():
        wider = _wider(at, spacing, first, alike, back=back)
        widest = np.where(alike, wider.values, widest)
        wider = replace(wider, bound=np.minimum(first.bound, wider.bound))
        sigma = np.where(alike, wider.known(), sigma)
        seen.append(wider)
    if coarse.any():
        near, narrower, still = _nearer(at, spacing, first, coarse)
        sigma = np.where(narrower.looked, near, sigma)
        seen.append(narrower)
        rests |= still & (narrower.values == first.values[0]).all(axis=0)
        slope = np.median(np.diff(narrower.values, axis=0), axis=0) / NARROWER
        step = np.where(narrower.looked | still, rounded_part(first.values, SPACED[:, None] * slope), 0.0)
        gone = coarse & (near < first.known() / 10.0) & (step == 0)
        if gone.any() and not x_rounds:
            step = np.maximum(step, _jumps(at, spacing, first, slope, gone))
    sigma = _at_a_kink(np.where(np.isnan(sigma), 0.0, sigma), seen)
    longer = _on_long_stairs(at, spacing * WIDER, first, widest, claimed, longest)
    noise = _noise(at, sigma, [*seen, *longer], still, spacing, back=back, x_rounds=x_rounds)
    for part in longer:
        noise = replace(noise, level=np.maximum(noise.level, np.where(part.looked, 2.0 * part.known(), 0.0)))
    # Where all of f lies on a grid its steps are known.
    on_none = first.finite & ~first.alike & (noise.digits == str(first.values.dtype))
    smooth = on_none & (sigma <= ROUNDINGS * eps * first.size) & (step == 0)
    # What such an f shows farther ahead, and not at them, is a part that is rounded.
    if smooth.any():
        step = np.maximum(step, rounded_beyond(at, spacing, first.values, smooth, x_rounds=x_rounds))
    level = np.where(on_none, np.maximum(noise.level, HALF_GRID * step), noise.level)
    return replace(noise, level=level, rests=rests & ~noise.constant)


def _on_long_stairs(
    at: At,
    spacing: float,
    first: Differences,
    widest: Values,
    claimed: Claimed | None,
    longest: float,
) -> list[Differences]:
    """The differences of outputs that move by jumps, over points that lie so far apart that these show.

    first, widest : values at two spacings, the second of which is given. The other arguments are `estimate_noise`'s.
    What is flat beside x and goes on at a kink has no jump.
    """
    found: list[Differences] = []
    rows = first.finite & (np.count_nonzero(widest[1:] == widest[:-1], axis=0) >= REPEATS)
    if longest < LONGER[-1] or not rows.any():
        return found
    every = np.concatenate([first.values, widest])
    moves = np.ptp(every, axis=0) > 0
    stays = rows & ~moves & (widest[0] != 0)  # 0 is left of larger terms, whose digits others tell
    rows &= moves & ~np.isin(granularity(every)[1], ("float16", "float32", "decimal"))
    if claimed is not None and stays.any():
        stays &= claimed()
        if stays.any():
            rows |= stays & (at(SPACED[-1:] * LONGER[-1] * spacing)[0] != widest[0])
    once = np.zeros_like(rows)
    for longer in [spacing * times for times in LONGER]:
        if not rows.any():
            break
        if not (rows & (moves | once)).any() and (at(SPACED[-1:] * longer)[0] == widest[0])[rows].all():
            continue
        seen = at(SPACED * longer)
        wide = differences(np.where(np.isfinite(seen), seen, np.nan))
        differ = np.diff(wide.values, axis=0) != 0
        crossed = rows & wide.finite & (np.count_nonzero(differ, axis=0) >= CROSSED)
        if not _all_jump(at, SPACED * longer, wide.values, differ, crossed & ~once):
            rows &= ~crossed | once
            crossed &= once
        crossed |= rows & wide.finite & (distinct(wide.values) >= TREADS) & (granularity(wide.values)[0] > 0)
        found.append(wide.where(crossed))
        rows &= ~(crossed & once)
        once |= crossed
    return found


def _all_jump(at: At, points: Values, values: Values, differ: Mask, rows: Mask) -> bool:
    """Whether the first few of some rows (m,) jump where they first differ from their neighbours: (k - 1, m)."""
    for i in np.flatnonzero(rows)[:ROWS].tolist():
        pair = slice(int(differ[:, i].argmax()), int(differ[:, i].argmax()) + 2)
        if jump_of(at, points[pair], values[pair], np.zeros(rows.size), i) == 0.0:
            return False
    return True


def _jumps(at: At, spacing: float, first: Differences, slope: Values, gone: Mask) -> Values:
    """The jumps (m,) of outputs whose noise is gone nearer to x, where each has the slope (m,) of one spacing."""
    # Where all but the first points lie beyond a kink these show none, and none rises by less than the one before.
    beside = np.abs(np.diff(first.values, axis=0) - slope)
    falls = (np.diff(beside, axis=0) < -SLIGHT * beside.max(axis=0)).any(axis=0)
    kinked = (first.rest < SLIGHT * first.known()) & ~falls
    gone = gone & ~kinked
    if not gone.any():
        return np.zeros(gone.size)
    gone &= granularity(first.values)[0] == 0  # of a grid the steps are known
    return jumps(at, SPACED * spacing, first.values, slope / spacing, gone, first.known())


def _wider(at: At, spacing: float, first: Differences, alike: Mask, *, back: bool) -> Differences:
    """Look farther out where the points lay too close; on the other side of x where f has not changed at all.

    On one side f may be constant (a rectifier at 0): that it does not depend on x is not said of one side alone.
    """
    unmoved = alike & (first.values.max(axis=0) == first.values.min(axis=0))
    if back and unmoved.any():
        other = differences(at(SPACED * (-spacing * WIDER))).where(alike)
        if other.finite[alike].all():
            return other
    return differences(at(SPACED * (spacing * WIDER))).where(alike)


def _noise(
    at: At, sigma: Values, seen: list[Differences], still: Mask, spacing: float, *, back: bool, x_rounds: bool
) -> Noise:
    """The noise from its standard deviation, the grid of f, and the rounding of f itself.

    still : where values that lie near to each other do not show the noise of those that lie apart.
    """
    every = np.concatenate([part.values for part in seen])
    every = np.where(np.isfinite(every), every, np.nan)
    for k, part in enumerate(seen[1:], start=1):
        every[8 * k : 8 * k + 8, ~part.looked] = np.nan
    low, high = np.fmin.reduce(every, axis=0), np.fmax.reduce(every, axis=0)
    size = np.abs(np.nan_to_num(np.maximum(-low, high).astype(np.float64)))
    quantum, digits = granularity(every)
    if {"float16", "float32"} & set(digits.tolist()):
        # Where bounds leave one side only: as far as the widest probe, on that side.
        away = at(np.array([-1.0, 1.0]) * ELSEWHERE_BITS if back else np.array([0.5, 1.0]) * WIDEST * spacing)
        quantum, digits = granularity(every, np.where(np.isfinite(away), away, np.nan))
    first, eps = seen[0].values, eps_of(seen[0].values.dtype)
    if quantum.any():
        # So near to x only the grid shows; what the wider spacing saw beyond it may be an oscillation.
        jump = (sigma > STEEP * quantum) | ((sigma > ROUNDINGS * quantum) & _stays_and_goes(seen, quantum))
        flat = (np.ptp(first, axis=0) <= 2.0 * quantum) & ~jump
        # Nearer than its own rounding x does not move at all.
        still = (quantum > 0) & (flat | (still & ~(jump & x_rounds)))
        sigma = np.where(still, np.minimum(sigma, quantum), sigma)
    # A value on a grid is off by up to half a step; 0.6 steps cover it, and where the differences show no more than
    # that the grid is all the noise there is (they know a standard deviation to a factor of two only).
    spread = np.where(sigma < 0.75 * quantum, 0.0, 2.0 * sigma)
    # Rounding of f itself: eps |f| / 2. Where the values beside x tower above f(x), and are off by no more than their
    # own rounding, f(x) is not off by that.
    f_x = np.abs(np.nan_to_num(first[0].astype(np.float64)))
    rounding = (size / TOWERING > f_x) & (spread <= ROUNDINGS * eps * size)
    level = np.where(rounding, eps * f_x, np.maximum(spread, eps * size))
    level = np.maximum(level, HALF_GRID * quantum)
    # Terms that cancel leave whole roundings of theirs: few of these lie in a line by luck.
    quiet = (spread <= ROUNDINGS * eps * size) & (distinct(every) >= VALUES) & (first.dtype == np.float64)
    if quiet.any():
        whole = lowest_bits(every[:, quiet].ravel()).reshape(len(every), -1).min(axis=0)
        level[quiet] = np.maximum(
            level[quiet], np.where(whole > ROUNDINGS * eps * size[quiet], HALF_GRID * whole, 0.0)
        )
    slope = np.abs((first[-1] - first[0]).astype(np.float64)) / (7.0 * spacing)
    wide = next((part for part in seen[1:] if part.looked.any()), None)
    if wide is not None and (slope == 0).any():
        # On the first points f was constant, or rounded to one value.
        chord = np.abs((wide.values[-1] - wide.values[0]).astype(np.float64)) / (7.0 * WIDER * spacing)
        slope = np.where((slope == 0) & wide.looked & wide.finite & seen[0].alike, chord, slope)
    # Where f rounds to float32 it may round x too: the same at all points where their spacing is a multiple of x's.
    level = np.where(digits == "float32", np.fmax(level, HALF_SINGLE * slope), level)
    return Noise(level, slope, digits, ~(low < high), every, still)


def _stays_and_goes(seen: list[Differences], quantum: Values) -> Mask:
    """Whether outputs (m,) are the same at some neighbours of points over which they go by many steps of their grid."""
    found = np.zeros(quantum.shape, bool)
    for part in seen:
        moved = np.ptp(part.values, axis=0) > 2.0 * quantum
        stays = np.count_nonzero(part.values[1:] == part.values[:-1], axis=0) >= REPEATS
        found |= part.looked & moved & stays
    return found


def _nearer(at: At, spacing: float, first: Differences, coarse: Mask) -> tuple[Values, Differences, Mask]:
    """Look nearer to x where there was too much noise: the standard deviation now, what was seen, and where it went."""
    narrower = differences(at(SPACED * (spacing * NARROWER)))
    wide, near = first.known(), narrower.known()
    # Noise would show here too, on whatever grid: these are steps of the grid, and those an oscillation.
    still = coarse & narrower.alike & narrower.finite & (np.ptp(narrower.values, axis=0) < wide / 10.0)
    narrower = narrower.where(coarse & ~narrower.alike)
    # It went with the spacing: a kink beside x, and what is left is still that kink. Rounding remains.
    gone = near < 3.0 * NARROWER * wide
    doubtful = narrower.looked & (near < wide / 10.0) & ~gone
    if doubtful.any():
        # One sequence of noise in ten thousand looks smooth: it is not believed alone.
        other = differences(at(SPACED * (spacing * NARROWER * ELSEWHERE)))
        near = np.where(doubtful, np.maximum(near, other.known()), near)
        luck = doubtful & ~(near < wide / 10.0)
        narrower = replace(narrower, rest=np.where(luck, np.nan, narrower.rest))
    sigma = np.where(near < wide / 10.0, near, np.maximum(wide, near))
    sigma = np.where(gone, 0.0, sigma)
    bends = np.isnan(narrower.sigma) & (np.ptp(narrower.values, axis=0) > MUCH * narrower.size)
    all_noise = narrower.looked & (bends | (sigma > NEARLY_ALL * narrower.size))
    if all_noise.any():
        # As near to x as points can be told apart: there a fast oscillation is smooth, noise is not. So is an f that
        # bends within a billionth of x, as of a time in seconds.
        last = differences(at(SPACED * (64.0 * eps_of(first.values.dtype))))
        smooth = all_noise & ~last.alike & last.finite & (last.known() < sigma / 10.0)
        sigma = np.where(smooth, last.known(), sigma)
    return sigma, narrower, still


def _at_a_kink(sigma: Values, seen: list[Differences]) -> Values:
    """Without the first points: a kink or a jump between them, or at x itself, is not noise at any spacing."""
    rest = np.fmin.reduce([part.rest for part in seen], axis=0)
    lower = rest < SLIGHT * sigma
    if not lower.any():
        return sigma
    for part in seen:
        lower &= ~(part.looked & hardly_differ(part.values[TAILS:]))
        for i in np.flatnonzero(lower & part.looked).tolist():
            lower[i] = not on_stairs(part.values[:, i])
    return np.where(lower, rest, sigma)


def least_noise(parameters: Parameters, f_x: Any) -> Values:
    """What values of f (m,) are off by at the least where x is held in float32: so are the terms that f adds up.

    Beside a penalty in float64 a network may stand still at all points near x, and its terms round as it moves on.
    """
    single = not parameters.plain and any(
        eps_of(b.real_dtype) > eps_of(np.float64) for b in parameters.blocks
    )
    return np.asarray(OF_TERMS * HALF_SINGLE * np.abs(f_x) if single else np.zeros(np.shape(f_x)))


def scatter(values: Values) -> Values:
    """The standard deviation (m,) of the noise of eight equally spaced values (8, m); 0 where they show none."""
    return np.asarray(np.nan_to_num(differences(values).sigma))


def first_spacing(coarse: float) -> float:
    """The spacing to begin with, where x is held with unit roundoff `coarse`: there the points must lie apart."""
    return max(FIRST_SPACING, 64.0 * coarse)
