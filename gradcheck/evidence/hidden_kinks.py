"""Kinks that lie together at x: closer than noise lets be told apart, or made of one another.

Between the first f may have any of their slopes at x, and beside the others it has slopes that it has not at x.
"""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.axes import smallest_steps
from gradcheck.evidence.confirm import CONFIRMING_STEP, MARGIN, VISIBLE
from gradcheck.function.lines import Lines
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import random_units
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import TINY

# Kinks of both signs cancel where all are seen at once: so many times the largest jump of an array leaves room for it.
CANCELLED = 3.0
# An array of zeros has no size, and its first step is a guess: what only so many times that shows through the noise,
# which over the first step hid it, may be the slope of f beyond kinks that noise hides, too.
FAR = 2.0
# Of a kink that was followed to this part of the size of its coordinate, or of its unit where the array has none, there
# is one only.
FOLLOWED, FOLLOWED_AT_0 = 1e-6, 1e-9
# Points beside x, and the part of their distance over which a slope is taken there: less than any coordinate is moved
# by, so that the kinks at x lie between few of its two points.
BESIDE, WITHIN = 8, 0.25
# A slope is another by more than this part of what a claim is off, or of the jump: f bends on the way.
CLEARLY = 0.05
# Slopes along equal coordinates are of one distance from x where their steps differ by no more.
ALIKE = 64.0


def open_between_kinks(setting: Setting, evidence: Entries) -> Entries:
    """Nothing decided where what was called wrong may be a slope between kinks that lie together at x.

    Twenty rectifiers whose biases are 0, each of which switches at a place of its own, all nearer to x than noise lets
    steps be: from there f has one kink, or none where their jumps cancel, and its slope at x is that of some of them.
    And two layers of rectifiers behind a row of zeros: a rule that takes one side of each kink is a slope of f beside
    x, and may be none that f has at x. Sixteen evaluations an output, along what is off by most.
    """
    found, wrong, given = evidence.estimate, evidence.judgement.wrong, evidence.analytic
    if not wrong.any():
        return evidence
    seen = np.asarray(found.kink > 0)  # nan where nothing was measured
    column = setting.places(evidence.coordinates)[1]
    size = setting.size_of(column)
    zero, own = size == 0, np.where(size > 0, size, setting.scales[column])
    empty = np.array([not setting.size_of(block.slice).any() for block in setting.parameters.blocks])
    sizeless = empty[setting.owners(column)]
    nearest = np.minimum(CONFIRMING_STEP, found.noise / (VISIBLE * np.where(seen, found.kink, np.inf)))
    followed = nearest * found.step <= np.where(sizeless, FOLLOWED_AT_0, FOLLOWED) * own
    _, group = np.unique(2 * setting.groups(evidence.coordinates) + zero, return_inverse=True)
    every, together = np.zeros((2, wrong.size))
    np.maximum.at(every, group, np.where(seen, 2.0 * found.kink, 0.0))
    np.maximum.at(together, group, np.where(seen & ~followed, 2.0 * found.kink, 0.0))
    kinked = np.asarray(found.limit == Limit.KINK)
    outside = np.where(kinked, _outside(evidence), np.abs(given - found.value))
    # Where a coordinate is not 0, kinks of others lie as near to x as its own value is large, and show.
    hidden = wrong & ((seen & ~followed) | zero) & (outside <= CANCELLED * together[group])
    noisy = np.asarray(found.limit == Limit.NOISE) & sizeless
    times = found.step / setting.first_steps[column]
    hidden |= wrong & noisy & (times > FAR) & (outside <= CANCELLED * MARGIN * times * found.noise)
    meeting = _meeting(setting, evidence, wrong & ~hidden & zero, outside / every[group])
    meeting |= _tied(setting, evidence, wrong & ~(hidden | meeting) & np.isfinite(found.error), outside)
    if not (hidden | meeting).any():
        return evidence
    evidence = evidence.left_open(hidden & ~kinked, Limit.BESIDE).left_open(hidden & kinked)
    return evidence.left_open(meeting, Limit.KINKS)


def _meeting(setting: Setting, evidence: Entries, wrong: Mask, jumps: Flat) -> Mask:
    """Those of some wrong entries, of coordinates that are 0, whose claims kinks that meet at x explain.

    jumps : (k,) how far each lies outside, in the largest jump of its array. Outputs are asked as long as they are.
    """
    output = setting.places(evidence.coordinates)[0]
    meeting = _middles(setting, evidence, wrong)
    near = wrong & ~meeting & (jumps <= CANCELLED)
    for each in np.unique(output[near]):
        its = near & (output == each)
        if not kinks_meet(setting, evidence, int(np.argmax(np.where(its, jumps, -1.0)))):
            break
        meeting |= its
    return np.asarray(meeting)


def _middles(setting: Setting, evidence: Entries, wrong: Mask) -> Mask:
    """Those of some wrong entries of which all that is amiss is the middle of an |x| that lies there, too.

    Beside a rectifier at 0, an L1 penalty of x_j has the slope 0 by its rule, and the sum of both rules may be no slope
    of f: its distance from the slope on one side is what another kink has to both sides, where the penalty is alone.
    """
    found, given, output = evidence.estimate, evidence.analytic, setting.places(evidence.coordinates)[0]
    at_zero = setting.x[setting.places(evidence.coordinates)[1]] == 0
    kinked = np.asarray(found.limit == Limit.KINK) & np.isfinite(found.sided) & at_zero
    bar = MARGIN * found.sided + setting.tolerance.rtol * np.abs(given)
    middles = np.zeros(given.size, bool)
    for beyond in (given - found.left, found.right - given):
        for k in np.flatnonzero(kinked & wrong & (CLEARLY * beyond > bar)).tolist():
            alike = (output == output[k]) & (np.abs(beyond - beyond[k]) <= bar + bar[k])
            middles[k] |= bool((kinked & alike & (np.abs(found.kink - beyond[k]) <= bar + bar[k])).any())
    return middles


def _outside(evidence: Entries) -> Flat:
    """How far the claims (k,) lie outside of the slopes on both sides of x; negative between them."""
    found, given = evidence.estimate, evidence.analytic
    low, high = np.fmin(found.left, found.right), np.fmax(found.left, found.right)
    return np.asarray(np.fmax(low - given, given - high))


def kinks_meet(setting: Setting, evidence: Entries, k: int) -> bool:
    """Whether f has slopes along an entry beside x that lie outside of those at x, as no convex or concave f has.

    As near to x as noise leaves that to be seen: what f bends on the way is less there, and kinks are not.
    """
    found, remaining = evidence.estimate, setting.objective.remaining
    output, column = setting.places(evidence.coordinates[[k]])
    low, high = sorted((float(found.left[k]), float(found.right[k])))
    if setting.room is not None or remaining < 2 * BESIDE or not np.isfinite(found.sided[k]):
        return False
    clear = CLEARLY * max(float(_outside(evidence)[k]), high - low, TINY)
    noise = MARGIN * float(setting.level[output[0]]) / WITHIN
    nearest = float(smallest_steps(setting, column)[0]) / CLEARLY
    farthest = float(_lengths(setting, evidence, np.array([k]))[0]) / math.sqrt(setting.x.size)
    length = min(max(4.0 * noise / clear, nearest), farthest)
    size = length / float(setting.scales[column[0]]) * setting.scales
    across, generator = np.zeros(setting.x.size), np.random.default_rng(k)
    across[column] = WITHIN * length
    points = [size * random_units(generator, size.size) for _ in range(BESIDE)]
    rays = Lines.rays(setting.x, [p + side * across for p in points for side in (-1.0, 1.0)])
    rows = np.arange(2 * BESIDE)
    lines = rays if setting.outputs == 1 else rays.of(rows, output.repeat(rows.size))
    values = setting.objective.along(lines, rows, np.ones((rows.size, 1)))[:, 0]
    slopes = (values[1::2] - values[::2]) / (2.0 * WITHIN * length)
    beyond = max(low - float(slopes.min()), float(slopes.max()) - high)
    return beyond > MARGIN * float(found.sided[k]) + clear + noise / length


def _tied(setting: Setting, evidence: Entries, wrong: Mask, outside: Flat) -> Mask:
    """Those of some wrong entries along which f is no sum of its slopes, as the median of ties.

    It moves by none of them alone, and together they move it. Four evaluations an output, as long as these are, along
    coordinates that are equal to those of its wrong entries, if there are two; none where f bends along one: what takes
    coordinates together and shows no kink is a line along each.
    """
    found, (output, column) = evidence.estimate, setting.places(evidence.coordinates)
    tied, at = wrong & False, setting.x[column]
    bends = np.abs(found.curvature) * found.step > MARGIN * found.error
    for each in np.unique(output[wrong]) if setting.room is None else ():
        its = wrong & (output == each)
        rows = np.flatnonzero((output == each) & np.isfinite(found.error) & np.isin(at, at[its]))
        if bends[its].any() or np.unique(at[rows]).size == rows.size or setting.objective.remaining < 4:
            continue
        lengths = _lengths(setting, evidence, rows)
        if lengths.max() > ALIKE * lengths.min():  # slopes of other distances
            continue
        tangent = np.zeros(setting.x.size)
        tangent[column[rows]] = moved = random_units(np.random.default_rng(0), rows.size)
        steps = float(lengths.min()) / math.sqrt(rows.size) / np.array([1.0, 8.0])
        values = setting.along(tangent, np.concatenate([steps, -steps]))[:, each]
        far, near = (values[:2] - values[2:]) / (2.0 * steps)
        # What is another nearer to x bends.
        slack = abs(far - near) + setting.level[each] / steps[1] + found.error[rows] @ np.abs(moved)
        apart = abs(near - found.value[rows] @ moved)
        if not apart > MARGIN * slack + CLEARLY * float(outside[its].max()):
            break
        tied |= its
    return tied


def _lengths(setting: Setting, evidence: Entries, rows: Index) -> Flat:
    """The steps (k,) of some entries, no longer than the first; the complex step has no length."""
    step = evidence.estimate.step[rows]
    first = setting.first_steps[setting.places(evidence.coordinates[rows])[1]]
    return np.asarray(np.where(step > 0, np.minimum(step, first), first))
