"""The corpus on which verdicts and error bars are measured; it knows nothing of the checker that is measured."""

from __future__ import annotations

from benchmarks.corpus import clean, disturbed, edges, kinks, libraries, lines, shapes, solvers
from benchmarks.corpus.model import CATEGORIES, Pair, Problem, flat, like

__all__ = ["CATEGORIES", "Pair", "Problem", "flat", "like", "pairs", "problems"]


def problems(*, with_libraries: bool = True) -> list[Problem]:
    """Every gradient problem, the same at every call.

    with_libraries : whether to take those of scikit-learn and statsmodels, which then must be installed.
    """
    smooth = clean.problems()
    found = [*smooth, *(libraries.problems() if with_libraries else [])]
    found += disturbed.problems(smooth)
    for module in (shapes, kinks, edges, solvers):
        found += module.problems()
    return found


def pairs() -> list[Pair]:
    """Every pair of a function of one variable and a point, clean and disturbed."""
    smooth = lines.pairs()
    return [*smooth, *disturbed.pairs(smooth)]
