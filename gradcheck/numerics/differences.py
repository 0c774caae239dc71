"""Derivatives along lines: the choice of step, from the values that earlier steps gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Values
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.noise import Noise
from gradcheck.numerics.steps import Search
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit

__all__ = ["Limit", "estimate", "first_step"]

Wanted = Callable[[NDArray[np.intp], "Estimate"], tuple[Values, Values]]

ROUNDS = 12


def first_step(noise: Noise, f_x: Any, size: int) -> float:
    """The step to begin with, relative to the scale of a coordinate: (noise / variation of f)^(1/5) / 2.

    The variation is |f|, or what f changes over one scale of x where that is less (f + 1e6); `size` coordinates
    share the slope that was seen. The 1/5 balances h^4 truncation against 1/h noise.
    """
    size_f = abs(float(f_x))
    slope = noise.slope / np.sqrt(size)
    variation = max(min(size_f, slope), 1e-6 * size_f) if np.isfinite(slope) and slope > 0 else size_f
    if variation == 0:
        variation = max(slope, noise.level) if np.isfinite(slope) else 1.0
    ratio = noise.level / variation if variation > 0 else 1.0
    return float(np.clip(ratio**0.2 / 2.0, 1e-5, 0.1))


def estimate(
    objective: Objective,
    lines: Lines,
    f_x: Any,
    *,
    level: float,
    step: Values,
    smallest: Values,
    largest: Values | None = None,
    wanted: Wanted,
    room: tuple[Values, Values] | None = None,
    rounds: int = ROUNDS,
    side: NDArray[np.int8] | None = None,
    inner: Values | None = None,
) -> Estimate:
    """Estimate the derivative along each of m lines at offset 0.

    level : noise of one value of f.
    step, smallest, largest : (m,) first, least and largest step, in units of each line.
    wanted(rows, estimate) : two errors for those lines, (precise, resolved): below the first nothing more is tried,
        above the second other steps are tried even where theory sees no gain.
    room : (m,), (m,) how far each line may go to the left and to the right; None is anywhere.
    side : (m,) the side to begin on, -1 or 1; 0 is both.
    inner : (m,) a step below all others to try where f bends within each of them; nan is none.
    Six evaluations a line, six more for each further step that is worth trying. Lines for which the budget does
    not suffice are left with an infinite error and Limit.BUDGET.
    """
    search = Search(objective, lines, f_x, level, step, smallest, largest, room, inner)
    rows = search.open_rows(side)
    for _ in range(rounds):
        rows = search.measure(rows)
        if rows.size == 0:
            break
        precise, resolved = wanted(rows, _frozen(search, rows))
        rows = search.plan(rows, precise, resolved)
    return _frozen(search)


def _frozen(search: Search, rows: NDArray[np.intp] | slice = slice(None)) -> Estimate:
    return Estimate(**search.kept_at(rows), limit=search.limit[rows], nfev=search.nfev)
