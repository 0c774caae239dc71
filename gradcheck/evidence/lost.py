"""An f that does not move near x may lose a slope in its rounding: it is looked at farther away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import along_axes, anything
from gradcheck.evidence.confirm import MARGIN, NEARLY
from gradcheck.evidence.nearer import jump_from_line
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement

# A slope of this part of its array, or less, may be lost in f: log(1 + 1e-13 x) moves by a rounding of 1 at a time.
# An f that moves by this part of a claim, or less, does not move.
HARDLY = 1e-3
# Where f seems to be flat it is looked for at this part of the size of x; its first jump at so many times that.
FARTHER, BEYOND = 0.3, (1.0, 4.0, 16.0)


def without_lost(setting: Setting, evidence: Entries, judge: Callable[[Estimate], Judgement]) -> Entries:
    """The evidence without bars where f does not move near x, and farther away moves in jumps.

    judge : decides about all estimates.
    log(1 + e) moves by a rounding of 1 at a time, however small it is itself. What makes less than two jumps at 0.3 of
    the size of x, or less than a rounding of f, is lost; and what f shows there about as it is claimed. Where f bends
    from where it is flat its slope is 0: a unit that is dead has none. Some twenty evaluations for the jump, six a
    column of the few smallest claims, and of the others where one of these is lost.
    """
    given, found = evidence.analytic, evidence.estimate
    output, column = setting.places(evidence.coordinates)
    size = np.abs(setting.x[column])
    steps = FARTHER * np.where(size > 0, size, setting.scales[column])
    moved = np.abs(given) * steps
    still = evidence.judgement.wrong & (found.chord <= HARDLY * np.abs(given)) & np.isfinite(moved)
    if not still.any():
        return evidence
    before = setting.objective.nfev
    values = np.abs(setting.f_x)
    lost = still & (moved <= setting.tolerance.eps * np.maximum(values, np.median(values))[output])
    largest = int(np.argmax(np.where(still, moved, -1.0)))
    jump = 0.0 if lost[largest] else _first_jump(setting, evidence, steps, largest)
    lost |= still & (output == output[largest]) & (moved <= 2.0 * jump)
    # Hardly any slope is lost without a jump that is seen as well.
    open_to = still & ~lost & ((jump > 0) | (np.abs(given) <= HARDLY * evidence.judgement.scale))
    at = np.flatnonzero(open_to)
    at = at[np.argsort(moved[at])]
    early = np.isin(column[at], column[at[:NEARLY]])
    for these in (at[early], at[~early]):
        shown = _shown_farther(setting, evidence, these, steps)
        lost[shown] = True
        if not shown.size:
            break
    found = replace(found, nfev=found.nfev + setting.objective.nfev - before)
    if not lost.any():
        return replace(evidence, estimate=found)
    found = found.without_bar(lost, Limit.NOISE)
    return replace(evidence, estimate=found, judgement=judge(found))


def _first_jump(setting: Setting, evidence: Entries, steps: Flat, at: int) -> float:
    """The jump by which f begins to move along one entry; 0 where it bends, or does not move."""
    entry, claimed = int(evidence.coordinates[at]), float(abs(evidence.analytic[at]))
    for times in BEYOND:
        between = (float(evidence.estimate.step[at]), times * float(steps[at]))
        if between[0] >= between[1]:
            continue
        if jump := jump_from_line(setting, entry, 0.0, between, claimed):
            return jump
    return 0.0


def _shown_farther(setting: Setting, evidence: Entries, at: Index, steps: Flat) -> Index:
    """Those of some entries along which f moves about as claimed over these steps, of all entries."""
    entries, given = evidence.coordinates[at], evidence.analytic[at]
    if at.size == 0 or setting.objective.remaining < POINTS * np.unique(setting.places(entries)[1]).size:
        return at[:0]
    far = along_axes(setting, entries, steps[at], anything, rounds=1)
    off = np.abs(given - far.value) <= MARGIN * far.error + np.abs(given) / 2.0
    shown: Index = at[(far.chord > 0) & off]
    return shown
