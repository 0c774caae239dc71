"""Derivatives along lines: the choice of step, from the values that earlier steps gave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.row_formulas import maximum, minimum, where
from gradcheck.numerics.steps import Search
from gradcheck.results.estimate import Estimate

Wanted = Callable[[NDArray[np.intp], "Estimate"], tuple[Values, Values]]

ROUNDS = 12
# Steps of lines that share their points lie on powers of this.
STEPS = 4.0


def first_step(level: Any, slope: Any, f_x: Any, size: int) -> Values:
    """The step to begin with, relative to the scale of a coordinate: (noise / variation of f)^(1/5) / 2.

    The variation is |f|, or what f changes over one scale of x where that is less (f + 1e6); `size` coordinates
    share the slope that was seen. The 1/5 balances h^4 truncation against 1/h noise.
    level, slope, f_x : one number or (m,), the noise of one value and what f changes along a scaled direction.
    """
    level, of_f = np.float64(level), abs(f_x)
    slope = slope / math.sqrt(size)
    slope = where(slope > 0, slope, 0.0)  # nan is no slope
    variation = where(slope > 0, maximum(minimum(of_f, slope), 1e-6 * of_f), of_f)
    variation = where(variation > 0, variation, maximum(slope, level))
    ratio = where(variation > 0, level / variation, 1.0)
    return np.asarray(minimum(maximum(ratio**0.2 / 2.0, 1e-5), 0.1), np.float64)


def estimate(
    objective: Objective,
    lines: Lines,
    f_x: Any,
    *,
    level: Any,
    step: Values,
    smallest: Values,
    largest: Values | float = np.inf,
    wanted: Wanted,
    room: tuple[Values, Values] | None = None,
    rounds: int = ROUNDS,
    side: NDArray[np.int8] | None = None,
    inner: Values | float = np.nan,
    unit: Values | None = None,
    at_zero: Mask | bool = False,
    served: bool = False,
    of_terms: Any = 0.0,
) -> Estimate:
    """Estimate the derivative along each of m lines at offset 0.

    f_x, level : f(x) and the noise of one value, of each line (m,) or of all.
    step, smallest, largest : (m,) first, least and largest step, in units of each line.
    wanted(rows, estimate) : two errors for those lines, (precise, resolved): below the first nothing more is tried,
        above the second other steps are tried even where theory sees no gain.
    room : (m,), (m,) how far each line may go to the left and to the right; None is anywhere.
    side : (m,) the side to begin on, -1 or 1; 0 is both.
    inner : (m,) a step below all others to try where f bends within each of them; nan is none.
    at_zero : (m,) lines along which x is 0 and may take any step; default none.
    served : whether these first steps are those that served other lines like these best.
    of_terms : noise, of each line (m,) or of all, that is rounding of terms: it hides no oscillation.
    unit : (m,) where lines share their points: steps lie on powers of 4 of it, so that there are few different ones;
        with one round on powers of the root of 2. None where each line has points of its own.
    Six evaluations a line (or for all that share them), six more for each further step that is worth trying. Lines for
    which the budget does not suffice are left with an infinite error and Limit.BUDGET.
    """
    if unit is not None:
        step = (
            np.maximum(_alike(step / unit) if rounds == 1 else _shared(step / unit), smallest / unit) * unit
        )
    search = Search(
        objective, lines, f_x, level, step, smallest, largest, room, inner, at_zero, served, of_terms
    )
    rows = search.open_rows(side)
    for nth in range(1, rounds + 1):
        rows = search.measure(rows)
        if rows.size == 0:
            break
        precise, resolved = wanted(rows, search.found(rows))
        before = search.step.copy()
        rows = search.plan(rows, precise, resolved, last=nth == rounds)
        if unit is not None:
            search.step[rows] = (
                _shared(search.step[rows] / unit[rows], before[rows] / unit[rows]) * unit[rows]
            )
            rows = rows[(search.step[rows] >= smallest[rows]) | (search.nearest[rows] == 1)]
    return search.found()


def _alike(step: Values) -> Values:
    """The same steps where they are the same but for rounding."""
    return np.asarray(2.0 ** (np.round(2.0 * np.log2(step)) / 2.0))


def _shared(step: Values, before: Values | None = None) -> Values:
    """The steps on a common grid: shorter ones where a step shrank (or is the first), longer ones where it grew."""
    power = np.log2(step) / np.log2(STEPS)
    rounded = np.floor(power)
    if before is not None:
        # Bounds may hold a step that should grow: it stays where it is.
        held = np.floor(np.log2(before) / np.log2(STEPS) + 1e-9)
        rounded = np.where(step > before, np.maximum(rounded, held), rounded)
    return np.asarray(STEPS**rounded)
