"""Slopes that f has between two steps of a part of it that is rounded, as a loss in float32 beside a penalty is."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Flat
from gradcheck.evidence.axes import lines_of
from gradcheck.evidence.held import BEYOND, FARTHER, JUMPS, jump_from_line
from gradcheck.numerics.outputs import HALF_GRID, HALF_SINGLE
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.results.entries import Entries

# What moves f by no more than this part of itself may be lost between two steps of a float32, of which it is two.
HARDLY_SEEN = 4.0 * HALF_SINGLE
# One entry that is accused where all others are decided is more often wrong than all that such a part does not hide.
SEVERAL = 2
# A jump of so many times the noise that was measured is none of it.
NO_NOISE = 16.0


def rounded_part(setting: Setting, evidence: Entries) -> Flat | None:
    """What values of f (m,) are off by, if f leaves a slope that was found by a jump, and moves as claimed over more.

    A loss in float32 beside a penalty in float64 stands still between two steps, and the penalty's slope is all that f
    has there: no noise shows it. What a claim moves f by within its own step is next to nothing then. Along the one
    that moves f most, two evaluations, and some thirty where it does; none where it would have shown. Of what is
    accused; where that is one entry, of those that are open, too.
    """
    found, given = evidence.estimate, evidence.analytic
    output, column = setting.places(evidence.coordinates)
    apart, size = np.abs(given - found.value), np.abs(setting.f_x)
    suspect = evidence.judgement.wrong & (given != 0) & (found.step > 0)
    suspect &= apart * found.step <= HARDLY_SEEN * size[output]
    suspect &= (setting.level <= HARDLY_SEEN * size / NO_NOISE)[output]
    if 0 < np.count_nonzero(suspect) < SEVERAL:
        suspect |= evidence.judgement.inconclusive & np.isfinite(apart) & (found.step > 0)
    if np.count_nonzero(suspect) < SEVERAL:
        return None
    x = setting.size_of(column)
    x = FARTHER * BEYOND[-1] * np.where(x > 0, x, setting.scales[column])
    # Over as many steps of a float32 as tell a slope f bends less than over all of that.
    moved = np.minimum(x * apart, JUMPS * 2.0 * HALF_SINGLE * size[output])
    at = int(np.argmax(np.where(suspect, moved, -1.0)))
    entry, step, far = evidence.coordinates[[at]], float(found.step[at]), float(moved[at] / apart[at])
    if setting.room is not None or far <= step or setting.objective.remaining < POINTS:
        return None
    lines, row = lines_of(setting, *setting.places(entry)), np.zeros(1, np.intp)
    ((low, high),) = lines.reached(row, np.array([[-far, far]]))
    ((left, right),) = setting.objective.along(lines, row, np.array([[low, high]])) - setting.f_x[output[at]]
    slope, bend = (right - left) / (high - low), 2.0 * (right / high - left / low) / (high - low)
    if not abs(slope - given[at]) <= 0.5 * apart[at]:
        return None
    jump = jump_from_line(
        setting, int(entry[0]), float(found.value[at]), (step, far), float(apart[at]), bend=bend
    )
    if jump <= NO_NOISE * setting.level[output[at]]:
        return None
    return np.asarray(HALF_GRID * jump * size / size[output[at]])
