"""Noise that hides a little more than the resolution is averaged away: the same derivative by several more stencils."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import measure_once
from gradcheck.evidence.entries import verify
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit

# How many times too wide a bar may be: beyond that more than 128 stencils would be needed.
WITHIN_REACH = 8.0
# At least so many stencils more, and twice as many as the square of how many times too wide the bar is.
FEWEST = 8
# And no more evaluations than this times those that the check has made for the same entries.
AFFORDABLE = 2.0
# Half of the steps near the first of these, the other half near the second, all different: no two share a point.
SHORT, LONG, SPREAD = 0.65, 1.0, 0.15
# Noise makes a kink of nothing now and then; one that is there shows in more stencils than this part.
KINKED = 0.25
# The truncation at the longer steps is 1.22 times what both halves differ by: (h_long / h_short)^4 = 5.6.
TRUNCATION = 1.22


def averaged(setting: Setting, evidence: Entries, before: int = 0) -> Entries:
    """Verify entries that noise left undecided by averages of further stencils.

    before : evaluations that the check has made for other entries.

    The noise of one value of f is taken to be independent at different points, as it is where it is measured. An
    average verifies and never convicts: what it contradicts stays undecided. It is taken only where nothing is wrong
    and every open entry is within its reach.
    """
    judgement, found = evidence.judgement, evidence.estimate
    rows = np.flatnonzero(judgement.inconclusive)
    needed = setting.tolerance.resolution * judgement.scale[rows] + setting.tolerance.atol
    ratio = 3.0 * found.error[rows] / needed
    noisy = np.asarray(found.limit[rows] == Limit.NOISE)
    central = np.isfinite(found.left[rows]) & np.isfinite(found.right[rows])
    reachable = bool((noisy & central & (ratio <= WITHIN_REACH)).all())
    if rows.size == 0 or judgement.wrong.any() or not reachable:
        return evidence
    stencils = 2 * np.maximum(np.ceil(np.square(ratio)), FEWEST / 2).astype(np.intp)
    cost = POINTS * _columns_times(setting, evidence.coordinates[rows], stencils)
    if cost > min(AFFORDABLE * (setting.objective.nfev - before), setting.objective.remaining):
        return evidence
    value, error = np.zeros(rows.size, setting.x.dtype), np.full(rows.size, np.inf, setting.x.dtype)
    if setting.outputs > 1:
        stencils = np.full(rows.size, stencils.max())  # outputs share their points
    for count in np.unique(stencils):
        alike = stencils == count
        value[alike], error[alike] = _mean(setting, evidence, rows[alike], int(count))
    error[np.abs(value - found.value[rows]) > 3.0 * (error + found.error[rows])] = np.inf
    evidence = replace(evidence, estimate=replace(found, nfev=found.nfev + cost))
    return verify(setting, evidence, rows, value, error)


def _columns_times(setting: Setting, entries: Index, stencils: Index) -> int:
    """Stencils in all, of which the entries of a column share theirs."""
    column = setting.places(entries)[1]
    most = np.zeros(setting.x.size, np.intp)
    np.maximum.at(most, column, stencils)
    return int(most.sum())


def _mean(setting: Setting, evidence: Entries, rows: Index, stencils: int) -> tuple[Flat, Flat]:
    """Averages (m,) over steps near those that were kept, and their bars; infinite where there is a kink after all."""
    half = stencils // 2
    near = 1.0 + SPREAD * np.linspace(-1.0, 1.0, half)
    parts = [
        measure_once(setting, evidence.coordinates[rows], evidence.estimate.step[rows] * factor)
        for factor in np.concatenate([SHORT * near, LONG * near])
    ]
    value, noise = (np.array([getattr(p, name) for p in parts]) for name in ("value", "noise"))
    kinked = np.mean([p.kink > 0 for p in parts], axis=0) > KINKED
    finite = np.isfinite([p.error for p in parts]).all(axis=0)
    # Relative to the largest, so that no square overflows or vanishes.
    weight = np.square(np.max(noise, axis=0) / noise)
    mean = np.sum(weight * value, axis=0) / np.sum(weight, axis=0)
    apart = np.abs(np.mean(value[:half], axis=0) - np.mean(value[half:], axis=0))
    error = TRUNCATION * apart + np.max(noise, axis=0) / np.sqrt(np.sum(weight, axis=0))
    error += float(np.finfo(value.dtype).eps) * np.abs(mean)
    return mean, np.where(finite & ~kinked, error, np.inf)
