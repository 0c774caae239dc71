"""A few entries of each array are measured first: where noise asks for longer steps, theirs serve the others, too."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.numerics.setting import Setting
from gradcheck.results.estimate import Estimate

# So many columns of an array go first, where it has so many: three have a median, and cost little beside eight.
PILOTS, FROM = 3, 8


def pilots(setting: Setting, columns: Index) -> Mask:
    """Which entries (k,) in these columns go first: those of a few columns of each array, far apart."""
    first = np.zeros(columns.size, bool)
    owners = setting.owners(columns)
    for number in np.unique(owners):
        mine = np.unique(columns[owners == number])
        if mine.size >= FROM:
            # In the middle of equal parts.
            at = (2 * np.arange(PILOTS) + 1) * mine.size // (2 * PILOTS)
            first |= np.isin(columns, mine[at])
    return first


def steps_like(setting: Setting, begin: Flat, before: Index, found: Estimate, entries: Index) -> Flat:
    """The first steps (k,) of entries: those that served the pilots of their array, where these were longer.

    begin : (k,) the steps otherwise. before, found : the pilots, and what was found.
    The lengths along which f bends are alike in units of x, or in those of the entries' scales: as the pilots' were.
    """
    of_pilots, columns = setting.places(before)[1], setting.places(entries)[1]
    steps, known = begin.copy(), np.isfinite(found.error)
    for number in np.unique(setting.owners(of_pilots[known])):
        served = known & (setting.owners(of_pilots) == number)
        mine = setting.owners(columns) == number
        length = np.log(found.step[served])
        in_scales = length - np.log(setting.scales[of_pilots[served]])
        if np.ptp(length) < np.ptp(in_scales):
            typical = np.exp(np.median(length))
        else:
            typical = np.exp(np.median(in_scales)) * setting.scales[columns[mine]]
        steps[mine] = np.maximum(steps[mine], typical)
    return steps
