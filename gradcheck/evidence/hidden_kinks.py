"""Kinks that lie closer together than noise lets be told apart: between them f may have any of their slopes."""

from __future__ import annotations

import numpy as np

from gradcheck.evidence.confirm import CONFIRMING_STEP, MARGIN, VISIBLE
from gradcheck.numerics.setting import Setting
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit

# Of a kink that was followed to this part of the size of its coordinate there is one only; where an array of zeros has
# none it takes the second of what is taken for it.
FOLLOWED, FOLLOWED_AT_0 = 1e-6, 1e-9
# Kinks of both signs cancel where all are seen at once: so many times the largest jump of an array leaves room for it.
CANCELLED = 3.0
# An array of zeros has no size, and its first step is a guess: what only so many times that shows through the noise,
# which over the first step hid it, may be the slope of f beyond kinks that noise hides, too.
FAR = 2.0


def open_between_kinks(setting: Setting, evidence: Entries) -> Entries:
    """Nothing decided where what was called wrong may be a slope between kinks that lie together at x.

    Twenty rectifiers whose biases are 0, each of which switches at a place of its own, all nearer to x than noise lets
    steps be: from there f has one kink, or none where their jumps cancel, and its slope at x is that of some of them.
    """
    found, wrong, given = evidence.estimate, evidence.judgement.wrong, evidence.analytic
    if not wrong.any():
        return evidence
    seen = np.asarray(found.kink > 0)  # nan where nothing was measured
    column = setting.places(evidence.coordinates)[1]
    size = setting.size_of(column)
    own = np.where(size > 0, size, setting.scales[column])
    nearest = np.minimum(CONFIRMING_STEP, found.noise / (VISIBLE * np.where(seen, found.kink, np.inf)))
    empty = np.array([not setting.size_of(block.slice).any() for block in setting.parameters.blocks])
    sizeless = empty[setting.owners(column)]
    followed = nearest * found.step <= np.where(sizeless, FOLLOWED_AT_0, FOLLOWED) * own
    jump = np.where(seen & ~followed, 2.0 * found.kink, 0.0)
    # Where a coordinate is not 0, kinks of others lie as near to x as its own value is large, and show.
    doubtful = (jump > 0) | (size == 0)
    _, group = np.unique(2 * setting.groups(evidence.coordinates) + (size == 0), return_inverse=True)
    largest = np.zeros(wrong.size)
    np.maximum.at(largest, group, jump)
    low, high = np.fmin(found.left, found.right), np.fmax(found.left, found.right)
    kinked = np.asarray(found.limit == Limit.KINK)
    outside = np.where(kinked, np.fmax(low - given, given - high), np.abs(given - found.value))
    hidden = wrong & doubtful & (outside <= CANCELLED * largest[group])
    noisy = np.asarray(found.limit == Limit.NOISE) & sizeless
    times = found.step / setting.first_steps[column]
    hidden |= wrong & noisy & (times > FAR) & (outside <= CANCELLED * MARGIN * times * found.noise)
    if not hidden.any():
        return evidence
    return evidence.left_open(hidden & ~kinked, Limit.BESIDE).left_open(hidden & kinked)
