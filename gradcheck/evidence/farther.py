"""What short steps do not tell: slopes that noise hides, and outputs of few digits that stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.evidence.axes import measure_once
from gradcheck.evidence.entries import verify
from gradcheck.function.lines import Lines
from gradcheck.numerics.rounding import SINGLE, decimal_steps, on_no_grid, significant_bits
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import random_units
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit

# So many times as long as the kept step at the least and at the most; between them twice what noise asks for.
SHORTEST, LONGEST, SPARE = 4.0, 300.0, 2.0
# f(x) with more bits than a number that is round by chance (25, 0.375), and no more than float32 has: computed in it.
BITS_BY_CHANCE = 12
# How far, in the scale of x, an output is to stay the same: any slope that counts leaves the grid of float32 on the
# way, and what counts or finds an index seldom moves so near.
FARTHER = 0.1


def verify_farther(setting: Setting, evidence: Entries) -> Entries:
    """Verify entries that noise left undecided by longer steps than were taken.

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
    if rows.size == 0 or judgement.wrong.any() or cost > setting.objective.remaining:
        return evidence
    needed = setting.tolerance.resolution * judgement.scale[rows] + setting.tolerance.atol
    factor = np.clip(SPARE * 3.0 * found.error[rows] / needed, SHORTEST, LONGEST)
    # The entries of a column share their points.
    steps = np.zeros(columns.size)
    np.maximum.at(steps, column, found.step[rows] * factor)
    longer = measure_once(setting, entries, steps[column])
    apart = np.abs(longer.value - found.value[rows]) > 3.0 * (longer.error + found.error[rows])
    # An f that does not move at all bears out a claim of 0 alone: how coarse it is nobody knows.
    unmoved = (longer.chord == 0) & (evidence.analytic[rows] != 0)
    error = np.where(apart | unmoved, np.inf, longer.error)
    evidence = replace(evidence, estimate=replace(found, nfev=found.nfev + cost))
    return verify(setting, evidence, rows, longer.value, error, longer.step)


def few_digits(values: Flat) -> Mask:
    """Which numbers (m,) have fewer bits, or decimals, than those that are computed in single precision or rounded."""
    values = values.astype(np.float64)
    bits = significant_bits(values[None, :])
    return np.asarray((bits <= BITS_BY_CHANCE) | ((bits > SINGLE) & (decimal_steps(values) == 0)))


def leave(setting: Setting, outputs: Mask, rng: Any) -> Mask:
    """Which of some outputs (m,), claimed to be 0, are not the same farther away.

    They are seen at two points. Numbers on no grid are not asked, as no rounding makes f return them again; nor are
    whole ones: counts and indices go by steps, and are flat.
    """
    asked = outputs & (setting.f_x != np.round(setting.f_x))
    asked[asked] = [not on_no_grid(value) for value in setting.f_x[asked].tolist()]
    return np.asarray(asked & ~_same(setting, rng) if asked.any() else asked)


def stay(setting: Setting, outputs: Mask, rng: Any) -> bool:
    """Whether some outputs (m,) are the same farther away, at two points."""
    return bool(_same(setting, rng)[outputs].all())


def _same(setting: Setting, rng: Any) -> Mask:
    """Which outputs (m,) are the same at two points farther away."""
    tangent = FARTHER * setting.scales * random_units(np.random.default_rng(rng), setting.x.size)
    # To both sides of every second coordinate, so that no sum cancels along both.
    tangents = [tangent, np.where(np.arange(tangent.size) % 2, tangent, -tangent)]
    if setting.room is not None:
        left, right = setting.room
        tangents = [np.clip(each, -left, right) for each in tangents]
    lines = setting.objective.every(Lines.rays(setting.x, tangents))
    seen = setting.objective.along(lines, np.arange(len(lines)), np.ones((len(lines), 1)))
    return np.asarray((seen.reshape(2, -1) == setting.f_x).all(axis=0))
