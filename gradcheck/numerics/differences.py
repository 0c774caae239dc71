"""Derivatives along lines: the choice of step, from the values that earlier steps gave."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.stencils import SIDED_NODES, STENCIL, Fit, central, one_sided
from gradcheck.numerics.steps import DROWNED, POINTS, Search
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put, rows

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
    slope = np.where(slope > 0, slope, 0.0)  # nan is no slope
    variation = np.where(slope > 0, np.maximum(np.minimum(of_f, slope), 1e-6 * of_f), of_f)
    variation = np.where(variation > 0, variation, np.maximum(slope, level))
    ratio = np.where(variation > 0, level / variation, 1.0)
    return np.asarray(np.minimum(np.maximum(ratio**0.2 / 2.0, 1e-5), 0.1), np.float64)


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
    search = Search.of(
        step, smallest, f_x=f_x, level=level, dtype=objective.parameters.dtype, largest=largest, room=room,
        side=0 if side is None else side, inner=inner, at_zero=at_zero, served=served, of_terms=of_terms,
    )  # fmt: skip
    found, nfev, go = search.found(), objective.nfev, search.limit != Limit.FIXED
    for nth in range(1, rounds + 1):
        search = rows(search, np.flatnonzero(go)[: objective.remaining // POINTS])
        if search.line.size == 0:
            break
        fit, side_before = measure(objective, lines, search), search.side.copy()
        search.keep(fit)
        precise, resolved = wanted(search.line, search.found())
        before = search.step
        go = search.plan(fit, precise, resolved, last=nth == rounds)
        found = put(found, search.line, search.found())
        if unit is not None:
            its = unit[search.line]
            search.step = _shared(search.step / its, before / its) * its
            go &= (search.step >= smallest[search.line]) | (search.nearest == 1)
            # Where bounds hold a step that should grow the same points tell nothing more.
            go &= (search.step != before) | (search.side != side_before)
    return replace(found, nfev=objective.nfev - nfev)


def measure(objective: Objective, lines: Lines, search: Search) -> Fit:
    """Evaluate one stencil on each line, and fit it."""
    side, step = search.side, search.step
    offsets = step[:, None] * STENCIL
    if np.count_nonzero(side):
        room = np.where(side > 0, search.right_room, search.left_room)
        sided = side[:, None] * np.minimum(4.0 * step, 0.99 * room)[:, None] * SIDED_NODES
        offsets = np.where(side[:, None] == 0, offsets, sided)
    offsets = lines.reached(search.line, offsets)
    values = objective.along(lines, search.line, offsets)
    fit = central(search.f_x, offsets, values, search.level)
    at = np.flatnonzero(side)
    if at.size:
        fit = put(fit, at, one_sided(search.f_x[at], offsets[at], values[at], search.level[at]))
    # Noise as large as f: whatever fits it is a fit of noise, or of an oscillation faster than x can resolve.
    size = np.abs(values).max(axis=1)
    drowned = (search.level > DROWNED * size) & (size > 0) & (search.level > search.of_terms)
    return replace(fit, noise=np.where(drowned, np.inf, fit.noise))


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
