"""One gradient at several points: one report, the worst first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, Unpack

import numpy as np

from gradcheck.checks.gradient import check_gradient
from gradcheck.driver.combine import SEVERITY, combine, in_turn
from gradcheck.driver.options import GivenToGradients, Options, call_text, finished, told, with_options_of
from gradcheck.function.contract import callers_code
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.summaries import ArraySummary
from gradcheck.results.words import count as counted
from gradcheck.results.words import shown


@told
@with_options_of(check_gradient)
def check_points(
    f: Callable[..., Any],
    grad: Any,
    points: Any,
    *,
    count: int | None = None,
    **options: Unpack[GivenToGradients],
) -> Report:
    """`check_gradient` at each of several points, as one report.

    Returns a Report: PASS where every point passes, FAIL where one fails. One row an array over all points; the
    entries of the worst point come first, named `x[3] at point 7`. The notes say how many points lie on kinks.
    Raises ValueError or TypeError for arguments that cannot be used, and GradientCheckInterrupted, whose `report` holds
    what was known, for KeyboardInterrupt.

    Parameters
    ----------
    f, grad, options
        as in `check_gradient`; grad must be a callable or True. max_nfev and max_seconds are for all
        points together: one is begun with 24 evaluations left, or more. Each is checked with a seed drawn from rng.
    points
        a sequence of x, an array (k, ...) of them, or a sampler: points(generator) -> x, asked when a point is due.
    count
        how many points to draw from a sampler, default 10; only for a sampler.
    """
    if not callable(grad) and grad is not True:
        raise TypeError("grad must be a callable or True: one gradient is not that of several points")
    given: dict[str, Any] = {**options}
    rng = given.pop("rng", 0)
    budget: dict[str, Any] = {name: given.get(name) for name in ("max_nfev", "max_seconds")}
    Options.of(budget)  # refuses what is none
    generator = np.random.default_rng(rng)
    number = _number_of(points, count)
    # A sampler's seeds are drawn apart, so that the points are the same whatever is asked of them.
    seeds = np.random.default_rng(copy.deepcopy(generator).integers(2**62)) if callable(points) else generator
    chosen = [] if callable(points) else [_read(x, f"points[{k}]") for k, x in enumerate(points)]
    # What repeats it has these points, and seeds drawn as they are drawn now.
    again = copy.deepcopy(seeds)
    each = {name: value for name, value in given.items() if name not in budget}

    def check(k: int, **left: Any) -> Report:
        # A sampler is asked when its point is due: of many the budget may reach a few.
        if k == len(chosen):
            chosen.append(_read(_sampled(points, generator, k), f"what points gave for point {k}"))
        seed = int(seeds.integers(2**31))
        try:
            return check_gradient(f, grad, chosen[k], rng=seed, **each, **left)
        except Exception as error:
            error.add_note(f"gradcheck: at point {k}")
            raise

    with _one_array_told(points):
        made = in_turn(((f"point {k}", partial(check, k)) for k in range(number)), **budget)
    drawn = {"count": number if callable(points) else None}
    report = _as_one(
        list(made.values()), number, seed=rng, call=call_text("check_points(f, grad, points", drawn | given, rng),
        max_nfev=budget["max_nfev"],
    )  # fmt: skip
    args = given.pop("args", ())
    recipe = Recipe.of("check_points", f, grad, *Parameters.of(chosen), args, given, again)
    return finished(report, recipe)


@contextmanager
def _one_array_told(points: Any) -> Iterator[None]:
    """What is raised where one point is given in the place of several says so."""
    try:
        yield
    except TypeError as error:
        if isinstance(points, np.ndarray) and points.ndim == 1:
            raise TypeError(
                f"points is one array of shape {points.shape}, of which each entry is taken for a point: {error}; "
                "for that one point pass points=[x]"
            ) from error
        raise


def _as_one(reports: Sequence[Report], number: int, *, seed: Any, call: str, max_nfev: int | None) -> Report:
    """The report of all points from those of each; number : how many there were to be."""
    by_severity = sorted(range(len(reports)), key=lambda k: -_badness(reports[k]))
    kinks = sum(_on_kink(report) for report in reports)
    passed = sum(report.outcome is Outcome.PASS for report in reports)
    of_all = counted(number, "point")
    notes = [f"{passed} of {of_all} {'passes' if passed == 1 else 'pass'}"]
    if kinks:
        notes.append(f"{kinks} of {of_all} {'lies on a kink' if kinks == 1 else 'lie on kinks'} of f")
    not_made = dict.fromkeys(f"point {k}" for k in (len(reports), number - 1) if len(reports) <= k < number)
    report = combine(
        {f"point {k}": reports[k] for k in by_severity}, method=reports[0].method, seed=seed, call=call,
        notes=tuple(notes), left_out=list(not_made), max_nfev=max_nfev,
    )  # fmt: skip
    reason = report.reason
    if report.outcome is Outcome.PASS:
        where = f"all {len(reports)} points" if len(reports) > 1 else "the one point"
        reason = f"the gradient passes at {where}{shown(report.detectable)}"
    wrong = tuple(replace(m, name=f"{m.name} at point {k}") for k in by_severity for m in reports[k].wrong)
    return replace(report, reason=reason, arrays=_together(reports), wrong=wrong)


def _number_of(points: Any, count: Any) -> int:
    if callable(points):
        number = 10 if count is None else count
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
            raise ValueError(f"count must be an integer of at least 1, or None, not {count!r:.60}")
        return int(number)
    if count is not None:
        raise ValueError("count is for a sampler: a sequence of points has its own length")
    if not isinstance(points, Sequence | np.ndarray) or (isinstance(points, np.ndarray) and points.ndim == 0):
        raise TypeError(
            f"points must be a sequence of points, an array (k, ...) or a sampler, not {points!r:.60}"
        )
    if len(points) == 0:
        raise ValueError("points is empty: nothing would be checked")
    return len(points)


def _sampled(points: Callable[..., Any], generator: np.random.Generator, k: int) -> Any:
    with callers_code(f"points, asked for point {k}"):
        return points(generator)


def _read(x: Any, name: str) -> Any:
    """The point as it is. Raises TypeError or ValueError, with its name in front, where it is none."""
    try:
        Parameters.of(x)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} is no point: {error}") from None
    return x


def _badness(report: Report) -> float:
    """Failures by their relative error, then what is undecided, then what passes."""
    error = report.max_error if np.isfinite(report.max_error) else 0.0
    return 2.0 - SEVERITY[report.outcome] + error / (1.0 + error) * 0.5


def _on_kink(report: Report) -> bool:
    if report.evidence is None:
        return False
    return bool(np.any(report.evidence.entries.estimate.limit == Limit.KINK))


def _about(row: ArraySummary) -> int:
    return max(row.about, row.wrong)


def _together(reports: Sequence[Report]) -> tuple[ArraySummary, ...]:
    """The rows of all points with one name as one row: sums of counts, the largest errors."""
    rows: dict[str, ArraySummary] = {}
    for row in (row for report in reports for row in report.arrays):
        seen = rows.get(row.name)
        rows[row.name] = row if seen is None else replace(
            seen, checked=seen.checked + row.checked, wrong=seen.wrong + row.wrong,
            about=_about(seen) + _about(row) if seen.about or row.about else 0,
            inconclusive=seen.inconclusive + row.inconclusive, max_error=max(seen.max_error, row.max_error),
            error_bar=max(seen.error_bar, row.error_bar), detectable=max(seen.detectable, row.detectable),
        )  # fmt: skip
    return tuple(rows.values())
