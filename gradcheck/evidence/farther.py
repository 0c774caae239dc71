"""Noise that hides a slope over short steps: longer ones verify it, where f is straight enough over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.evidence.axes import measure_once
from gradcheck.evidence.entries import verify
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit

# So many times as long as the kept step at the least and at the most; between them twice what noise asks for.
SHORTEST, LONGEST, SPARE = 4.0, 300.0, 2.0


def verify_farther(setting: Setting, evidence: Entries) -> tuple[Entries, int]:
    """Verify entries that noise left undecided by longer steps than were taken; (evidence, how many it verified).

    A step is a part of x, and f may be straight over more than that: with x of 0.001 and six decimals of f noise takes
    1000 times as much of a slope as with x of 1. Such steps verify and never convict: nearer to x, where noise hides
    it, f may have another slope, and what is known of that has to agree. They are taken only where nothing is wrong:
    six evaluations a column of open entries.
    """
    judgement, found = evidence.judgement, evidence.estimate
    rows = np.flatnonzero(judgement.inconclusive & (found.limit == Limit.NOISE) & np.isfinite(found.error))
    entries = evidence.coordinates[rows]
    columns, column = np.unique(setting.places(entries)[1], return_inverse=True)
    cost = POINTS * columns.size
    if rows.size == 0 or evidence.interrupted or judgement.wrong.any() or cost > setting.objective.remaining:
        return evidence, 0
    needed = setting.tolerance.resolution * judgement.scale[rows] + setting.tolerance.atol
    factor = np.clip(SPARE * 3.0 * found.error[rows] / needed, SHORTEST, LONGEST)
    # The entries of a column share their points.
    steps = np.zeros(columns.size)
    np.maximum.at(steps, column, found.step[rows] * factor)
    try:
        longer = measure_once(setting, entries, steps[column])
    except KeyboardInterrupt:
        return replace(evidence, interrupted=True), 0
    apart = np.abs(longer.value - found.value[rows]) > 3.0 * (longer.error + found.error[rows])
    # An f that does not move at all bears out a claim of 0 alone: how coarse it is nobody knows.
    unmoved = (longer.chord == 0) & (evidence.analytic[rows] != 0)
    error = np.where(apart | unmoved, np.inf, longer.error)
    evidence = replace(evidence, estimate=replace(found, nfev=found.nfev + cost))
    return verify(setting, evidence, rows, longer.value, error, longer.step)
