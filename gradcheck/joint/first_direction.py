"""What the first direction tells of f: noise, kinks, minima; and another step where these keep it from telling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.directions import AS_PROBED, Directions
from gradcheck.joint.few_points import LONGEST_STEP, taken_by_four
from gradcheck.joint.forecast import CAUTIOUS, MOST, enough, harmless, most_of
from gradcheck.joint.points import EPS, NOISY
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.problem import of_typical_size
from gradcheck.numerics.steps import SMALLEST_VALUE, TOWERING
from gradcheck.parameters.quantiles import median
from gradcheck.results.certificate import MOST_WITH_NOISE, bound_of
from gradcheck.results.verdict import LEFT

# f is smooth nearer to x where the bar falls by so much. Noise is told from kinks and oscillations by its size: it is
# this part at most of what f changes along the direction. By trial on the corpus; oscillations that are as small were
# seen at 5e-6.
FALLS, SCATTER = 3.0, 2e-6
# To A |t| the fit gives b2 = 8.3 A / h, so that a kink is 0.12 of b2 h: what is less than this part of it is none.
SLIGHT = 1e-3
# Stencils look a hundredth of a scale away.
LEFT_OF_SCALE = 0.01 * LEFT
# Most rows of most maps take up to so many directions.
USUAL = 3
# What f does beside the nearer slope by the farthest point, in what it scatters by, where it is no scatter.
WAY = 3.0
# Where noise, a kink or bends are in the way the next step is so much shorter. Kinks lie as near as a ten-thousandth of
# a step in deep networks: so often a step comes nearer.
MUCH_NEARER, COMES_NEARER = 100.0, 2
# Where noise is what limits, the next step is so many times as long.
FARTHER = 8.0
# An output stays where it shows such a part of what others move by.
HIDES = 1e-3


def settled(along: Directions, first: Direction, most: int) -> tuple[Direction, float | None]:
    """Another direction with another step, where noise, a kink or bends keep the first from telling; or the first.

    The bar falls with a far shorter step where f is smooth nearer to x; where it does not, that is noise, or a kink
    at x. Noise alone takes less of a longer step. most : directions after which it is given up.

    Returns
    -------
    direction : Direction
    level : float or None
        What one value of f may be off by, where the first direction shows noise and nothing else.
    """
    # By the bars alone, of rounding as of noise, which more directions take less of: what exceeds is another matter.
    needed, bar = along.needed, 3.0 * first.error
    unbounded = ~(bound_of([bar], along.delta) <= needed)
    if not np.count_nonzero(unbounded):
        return first, None
    hopeful = enough(along, min(most, along.moved + 1), bar, needed)
    doubtful = (along.unsettled(first) | ~hopeful) & ~along.fixed
    if not most_of(doubtful, ~along.fixed):
        # Of many rows some seem noisy by chance, and take no more directions than others.
        doubtful &= ~harmless(along, first, needed, USUAL, most=bar)
    if not np.count_nonzero(doubtful & unbounded) or not moves(first):
        return first, None
    assert first.fit is not None
    level, noise = None, _noise_alone(along, first)
    if noise.all():
        level = float(np.max(2.0 * first.fit.spread))
    elif not (along.gridded & ~_beyond_grid(first)).any():
        gridded = along.gridded
        nearer = _nearer(along, first, doubtful, noise)
        if nearer is not None and not gridded.any():
            return nearer, None
        first = nearer or first
    noise = (noise | along.gridded) & doubtful
    return (_in_noise(along, first, noise, doubtful) if most_of(noise, doubtful) else first), level


def _beyond_grid(first: Direction) -> Mask:
    """(m,) rows that scatter by far more than the grid of their values explains: that is what f does on the way."""
    assert first.fit is not None
    return np.asarray(first.fit.spread > NOISY * first.fit.floor)


def _nearer(along: Directions, first: Direction, doubtful: Mask, noise: Mask) -> Direction | None:
    """A direction with a far shorter step, if f is smooth there; None if it is not.

    noise : (m,) rows that scatter by as little nearer to x are added.
    """
    last = first.fit
    for nth in range(1, COMES_NEARER + 1):
        nearer = along.first(first.step / MUCH_NEARER**nth) if affords(along, 2) else None
        if nearer is None or nearer.fit is None or last is None:
            return first
        smooth = along.gridded | ~along.unsettled(nearer)
        if most_of((nearer.error < first.error / FALLS) & smooth, doubtful):
            if _jumps(along, first, nearer, doubtful):
                noise |= doubtful
                break
            return replace(nearer, noisy=nearer.fit.flat if most_of(nearer.fit.flat, doubtful) else False)
        noise |= last.noise <= FALLS * nearer.fit.noise
        last = nearer.fit
        if (noise | ~doubtful).all():
            break
    return None


def _jumps(along: Directions, first: Direction, nearer: Direction, doubtful: Mask) -> bool:
    """Whether f jumps between the nearer points and the farther ones, which scatter: a part of it is rounded.

    Then what is smooth nearer to x is the surface of a step. Looked at along the nearer direction, by the one of some
    rows (m,) that scatters most; kinks between these points turn f and leave no jump.
    """
    far, near = first.fit, nearer.fit
    assert far is not None
    assert near is not None
    rows = doubtful & far.flat & ~far.kinked & (far.spread > NOISY * EPS * far.size)
    if not np.count_nonzero(rows) or along.problem.eps_of_x or not affords(along, 3):
        return False
    row = int(np.argmax(np.where(rows, far.spread / first.weight, -1.0)))
    ends = np.array([nearer.step, first.step])
    values = along.problem.along(nearer.tangent, ends)
    # Where what jumps adds up to nothing the nearer slope is that of the farther points as well.
    beside = values[1, row] - values[0, row] - (first.step - nearer.step) * near.value[row]
    if not abs(beside) > WAY * far.spread[row]:
        return False
    return along.jumps(nearer.tangent, ends, values, near.value, row, float(far.spread[row]))


def _in_noise(along: Directions, first: Direction, noise: Mask, doubtful: Mask) -> Direction:
    """The same, or a direction with a longer step, of which noise takes less unless f bends too much on the way."""
    known = replace(first, noisy=noise)
    step, told = along.short_of([known])
    expected = taken_by_four(told, step)
    if most_of(enough(along, MOST, expected, along.needed), doubtful):
        return known
    hopeful = enough(along, MOST_WITH_NOISE, expected * first.step / LONGEST_STEP, along.needed)
    if not (most_of(hopeful, doubtful) or along.probed is not None) or not affords(along, 2):
        return first
    for step in _longer(along, first.step):
        farther = along.first(step)
        if farther is None or farther.fit is None or first.fit is None:
            return known
        better = (farther.error < first.error) & (farther.fit.noise <= CAUTIOUS * first.fit.noise)
        if most_of(better, doubtful):
            return replace(farther, noisy=noise)
    return known


def _longer(along: Directions, step: float) -> list[float]:
    """Longer steps to try in noise; where it is known one over which f may bend, too, if that is much longer."""
    usual = FARTHER * step
    if along.probed is None:
        return [usual]
    far = along.go_farther()
    return [far, usual] if far > FARTHER * usual else [usual]


def _noise_alone(along: Directions, first: Direction) -> Mask:
    """(m,) rows whose values scatter by so little, and so evenly, that it is noise; nearer to x it is no less."""
    fit = first.fit
    if fit is None:
        return np.zeros(along.rows, bool)
    small = fit.spread <= SCATTER * first.weight * first.step
    if along.probed is not None:
        small = small | (fit.spread <= AS_PROBED * along.probed)
    return np.asarray(along.unsettled(first) & fit.flat & small & ~fit.kinked & ~along.gridded)


def sizes_at_minima(along: Directions, first: Direction, most: int) -> Values:
    """(m,) what mistakes are relative to: where all entries are 0 within their bars, what they become a scale away.

    And a part of that at the least, which an answer of a solver is beside it.
    """
    fit = first.fit
    if fit is None or first.exact:
        return along.sizes
    there = 2.0 * fit.even[0] / along.moved
    claimed, least = first.weight / math.sqrt(along.moved), LEFT_OF_SCALE * there
    nothing = first.weight <= 3.0 * first.error
    if not np.count_nonzero((claimed < least) | nothing):
        return along.sizes
    # At a minimum noise that grows with the step looks like a kink of next to nothing.
    # One of the size of what f bends is a kink.
    slight = np.abs(np.nan_to_num(fit.kink)) <= SLIGHT * fit.even[0] * first.step
    needed = along.problem.tolerance.resolution * there
    calm = ~along.unsettled(first) | (harmless(along, first, needed, most) & slight)
    calm &= fit.moved
    if ((along.problem.x == 0) & (along.scaling.lengths > 0)).any():
        # An entry that is 0 has no size: what is claimed may show far nearer to x.
        calm &= first.weight == 0
    times = np.maximum(least / np.where(claimed > 0, claimed, np.inf), 1.0)
    there = np.where(nothing, there, np.minimum(times * along.sizes, there))
    sizes = np.where(calm, np.maximum(along.sizes, there), along.sizes)
    # One that stays is as large as the others.
    return np.where(at_rest(first), of_typical_size(sizes), sizes) if sizes.any() else sizes


def slope_near_zero(along: Directions, first: Direction) -> bool:
    """Whether f has a slope as near to x as numbers allow, where zeros are claimed at coordinates that are 0.

    (s t)^2 hides s t where s is large: beside it a slope shows nearer to these, which have no size.
    """
    problem, fit = along.problem, first.fit
    hides = along.rows == 1 and fit is not None and not first.weight.any() and problem.eps_of_x == 0
    if not (hides and ((problem.x == 0) & (along.scaling.lengths > 0)).any()):
        return False
    assert fit is not None
    least, bend = max(abs(float(problem.f_x[0])), SMALLEST_VALUE), float(fit.even[0][0])
    if not fit.size[0] > TOWERING * least or bend == 0 or not affords(along, 1):
        return False
    nearest = along.first(math.sqrt(TOWERING * least) / math.sqrt(bend))
    return nearest is not None and bool((nearest.off > 3.0 * nearest.error).any())


def at_rest(first: Direction) -> Mask:
    """(m,) rows whose output moves at no point, and is claimed to move by less than its rounding, if at all.

    Of one row alone that says nothing, nor of one whose rounding hides what others move by.
    """
    fit = first.fit
    if first.off.size == 1 or fit is None or not np.count_nonzero(fit.moved):
        return np.zeros(first.off.size, bool)
    rounding = EPS * fit.size
    hidden = 0.0 if first.exact else rounding
    by = fit.step * (first.weight + fit.step * fit.even[0])
    shows = rounding <= HIDES * median(by[fit.moved])
    return np.asarray(~fit.moved & shows & (first.weight <= hidden) & (first.off <= hidden))


def moves(first: Direction) -> bool:
    """Whether f changes along a first direction at all."""
    return first.fit is not None and bool(first.fit.moved.any())


def affords(along: Directions, firsts: int) -> bool:
    """Whether the budget allows so many first directions."""
    return along.problem.objective.remaining >= 2 * len(EIGHT) * firsts
