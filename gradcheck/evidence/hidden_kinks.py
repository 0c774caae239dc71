"""Kinks that lie together at x: closer than noise lets be told apart, or made of one another.

Between the first f may have any of their slopes at x, and beside the others it has slopes that it has not at x.
"""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.confirm import CONFIRMING_STEP, MARGIN, VISIBLE
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import generator_of, random_units
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit

# Kinks of both signs cancel where all are seen at once: so many times the largest jump of an array leaves room for it.
CANCELLED = 3.0
# An array of zeros has no size, and its first step is a guess: what only so many times that shows through the noise,
# which over the first step hid it, may be the slope of f beyond kinks that noise hides, too.
FAR = 2.0
# A kink at a coordinate that is not 0 is followed to this part of its size: there is one only.
FOLLOWED = 1e-6
# A slope along equal coordinates is another by more than this part of what a claim is off.
CLEARLY = 0.05
# Slopes along equal coordinates are of one distance from x where their steps differ by no more.
ALIKE = 64.0


def open_between_kinks(setting: Setting, evidence: Entries) -> Entries:
    """Nothing decided where what was called wrong may be a slope between kinks that lie together at x.

    Twenty rectifiers whose biases are 0, each of which switches at a place of its own, all nearer to x than noise lets
    steps be: from there f has one kink, or none where their jumps cancel, and its slope at x is that of some of them.
    And two layers of rectifiers behind a row of zeros, or a penalty beside one: a rule that takes one side of each kink
    is a slope of f beside x, and may be none that f has at x.
    """
    found, wrong, given = evidence.estimate, evidence.judgement.wrong, evidence.analytic
    if not wrong.any():
        return evidence
    seen = np.asarray(found.kink > 0)  # nan where nothing was measured
    column = setting.places(evidence.coordinates)[1]
    size = setting.size_of(column)
    # Where a coordinate is not 0, kinks of others lie as near to x as its own value is large, and show.
    nearest = np.minimum(CONFIRMING_STEP, found.noise / (VISIBLE * np.where(seen, found.kink, np.inf)))
    followed = nearest * found.step <= FOLLOWED * size
    jump = np.where(seen & ~followed, 2.0 * found.kink, 0.0)
    doubtful = (jump > 0) | (size == 0)
    _, group = np.unique(2 * setting.groups(evidence.coordinates) + (size == 0), return_inverse=True)
    largest = np.zeros(wrong.size)
    np.maximum.at(largest, group, jump)
    low, high = np.fmin(found.left, found.right), np.fmax(found.left, found.right)
    kinked = np.asarray(found.limit == Limit.KINK)
    outside = np.where(kinked, np.fmax(low - given, given - high), np.abs(given - found.value))
    hidden = wrong & doubtful & (outside <= CANCELLED * largest[group])
    empty = np.array([not setting.size_of(block.slice).any() for block in setting.parameters.blocks])
    noisy = np.asarray(found.limit == Limit.NOISE) & empty[setting.owners(column)]
    times = found.step / setting.first_steps[column]
    noisy &= wrong & (times > FAR) & (outside <= CANCELLED * MARGIN * times * found.noise)
    hidden |= _tied(setting, evidence, wrong & ~(hidden | noisy) & np.isfinite(found.error), outside)
    if not (hidden | noisy).any():
        return evidence
    evidence = evidence.left_open(noisy, Limit.BESIDE).left_open(hidden & ~kinked, Limit.KINKS)
    return evidence.left_open(hidden & kinked)


def _tied(setting: Setting, evidence: Entries, wrong: Mask, outside: Flat) -> Mask:
    """Those of some wrong entries along which f is no sum of its slopes, as the median of ties.

    It moves by none of them alone, and together they move it. Four evaluations an output, along coordinates that are
    equal to those of its wrong entries, if there are two; none where f bends along one: what takes coordinates together
    and shows no kink is a line along each.
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
        tangent[column[rows]] = moved = random_units(generator_of(0), rows.size)
        steps = float(lengths.min()) / math.sqrt(rows.size) / np.array([1.0, 8.0])
        values = setting.along(tangent, np.concatenate([steps, -steps]))[:, each]
        far, near = (values[:2] - values[2:]) / (2.0 * steps)
        # What is another nearer to x bends.
        slack = abs(far - near) + setting.level[each] / steps[1] + found.error[rows] @ np.abs(moved)
        apart = abs(near - found.value[rows] @ moved)
        tied |= its & (apart > MARGIN * slack + CLEARLY * float(outside[its].max()))
    return tied


def _lengths(setting: Setting, evidence: Entries, rows: Index) -> Flat:
    """The steps (k,) of some entries, no longer than the first; the complex step has no length."""
    step = evidence.estimate.step[rows]
    first = setting.first_steps[setting.places(evidence.coordinates[rows])[1]]
    return np.asarray(np.where(step > 0, np.minimum(step, first), first))
