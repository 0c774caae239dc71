"""Cases and checks as one self-contained HTML page that needs no network and no script."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from gradcheck._version import __version__
from gradcheck.cases.case import REFUSES, Figure
from gradcheck.cases.figures import SaveFigure
from gradcheck.cases.results import CaseResult
from gradcheck.cases.rowtext import expected, shown, size
from gradcheck.report.data import ReportData
from gradcheck.report.drawings import Drawing, drawing, drawing_of
from gradcheck.report.html import environment, figures, told_of
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome, counted, overall

# Checks whose figures are drawn, those that did not pass first: three figures of some 30 kB each.
DRAWN = 24


@dataclass
class Gallery:
    """Collects the figures of cases for a page: give it to `run_case` as `save_figure`, then to `render`.

    `render` takes its `drawings`.

    Attributes
    ----------
    also : callable or None
        What else is to be done with each figure, e.g. write it to a file: called as `save_figure` of `run_case`.
    drawings : dict of list of Drawing
        The figures of each case, by its name.

    Examples
    --------
    >>> from gradcheck.cases import Figure
    >>> from gradcheck.html import Gallery
    >>> gallery = Gallery()
    >>> line = Figure("line", lambda figure: figure.subplots().plot([0, 1]), alt="A line that rises from 0 to 1.")
    >>> gallery("my_case", line, line.draw)
    >>> [drawing.title for drawing in gallery.drawings["my_case"]]
    ['line']
    """

    also: SaveFigure | None = None
    drawings: dict[str, list[Drawing]] = field(default_factory=dict)

    def __call__(self, case: str, figure: Figure, draw: Callable[[Any], None]) -> Path | None:
        """Draw one figure of a case.

        Parameters
        ----------
        case : str
            The name of the case.
        figure : Figure
            Its name and its words.
        draw : callable
            draw(canvas) fills a matplotlib Figure.

        Returns
        -------
        Path or None
            What `also` returns.
        """
        words = f"{figure.alt} Beside it, {figure.source}" if figure.source else figure.alt
        drawn = drawing(draw, title=figure.name, alt=words, key=f"{case}-{figure.name}")
        self.drawings.setdefault(case, []).append(drawn)
        return self.also(case, figure, draw) if self.also is not None else None


def render(
    case_results: Sequence[CaseResult],
    reports: Sequence[Mapping[str, Any] | Report] = (),
    *,
    drawings: Mapping[str, Sequence[Drawing]] | None = None,
    title: str = "gradcheck report",
) -> str:
    """One HTML page: a summary, every case with its comparisons, every check with its figures.

    The cases stand in the order of their sections.
    Names and texts are escaped; nothing is loaded from elsewhere.

    Parameters
    ----------
    case_results : sequence of CaseResult
        What `run_case` gave; may be empty.
    reports : sequence of Report, TaylorResult or dict, optional
        Reports and results of Taylor tests, or what their `to_dict` gave, perhaps with a "name", and with a "report" or
        "drawings" (what `figures_of` gave, in another process) for its figures.
    drawings : dict of list of Drawing, optional
        The figures of each case by its name, as a Gallery collects them.
    title : str, optional
        Of the page. Default "gradcheck report".

    Returns
    -------
    str
        The page. At most `DRAWN` checks have figures, those that did not pass first.

    Examples
    --------
    >>> import numpy as np
    >>> import gradcheck
    >>> from gradcheck.html import render
    >>> report = gradcheck.check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, np.array([1.0, 2.0]))
    >>> page = render([], [report.to_dict() | {"name": "sum of squares"}])
    >>> page[:15], "sum of squares" in page
    ('<!DOCTYPE html>', True)
    """
    for name, given in (("case_results", case_results), ("reports", reports)):
        if isinstance(given, Mapping) or not isinstance(given, Iterable):
            raise TypeError(f"{name} must be a list of them, not {given!r:.60}")
    for result in case_results:
        if not isinstance(result, CaseResult):
            raise TypeError(
                f"case_results must hold what run_case gave, not {result!r:.60}; reports come second"
            )
    reports = [getattr(report, "report", report) for report in reports]  # that of a Taylor test
    case_results = sorted(case_results, key=lambda result: _place(result.section))
    told = [(_name(report, k), *told_of(report)) for k, report in enumerate(reports, start=1)]
    inner = [(name, *told_of(report)) for result in case_results for name, report in result.reports]
    every = _checks([*told, *inner])
    checks, rest = every[: len(told)], iter(every[len(told) :])
    cases = [
        (f"case-{k}", result, [next(rest) for _ in result.reports])
        for k, result in enumerate(case_results, start=1)
    ]
    rows = [row for result in case_results for row in result.rows]
    page = environment()
    page.filters |= {"expected": expected, "shown": shown, "size": size}
    page.globals["refuses"] = REFUSES
    return page.get_template("report.html").render(
        title=title,
        cases=cases,
        checks=checks,
        drawings=drawings or {},
        row_counts=counted(row.outcome for row in rows),
        check_counts=counted(check["told"]["outcome"] for check in checks),
        outcome=overall([*(row.outcome for row in rows), *(check["told"]["outcome"] for check in checks)]).value,
        unsettled=[(at, r) for at, case, _ in cases for r in case.rows if r.outcome is not Outcome.PASS],
        seconds=sum(result.seconds for result in case_results),
        versions=_versions(),
        drawn=DRAWN,
        figures_left_out=len(every) > DRAWN,
    )  # fmt: skip


def _place(section: str) -> list[tuple[int, ...]]:
    """Where a case stands: after the last section that it is about, "2.3" before "2.10"; without numbers, first."""
    numbers = [tuple(map(int, number.split("."))) for number in re.findall(r"\d+(?:\.\d+)*", section)]
    return numbers[::-1]


def _name(report: Mapping[str, Any] | Report, k: int) -> str:
    name = report.get("name") if isinstance(report, Mapping) else ""
    return str(name or f"check {k}")


def _checks(named: Sequence[tuple[str, dict[str, Any], ReportData | None]]) -> list[dict[str, Any]]:
    """Each check as the page shows it: its name, its anchor, what its dictionary says, and its figures."""
    drawable = [k for k, (_, told, report) in enumerate(named) if report is not None or "drawings" in told]
    drawable.sort(key=lambda k: named[k][1]["outcome"] == Outcome.PASS.value)
    chosen = set(drawable[:DRAWN])
    checks = []
    for k, (name, told, report) in enumerate(named):
        anchor = f"check-{k}"
        drawn: Iterator[Drawing] = iter(())
        if k in chosen:
            # What this process draws goes in as it is; what comes in a dictionary may be anybody's.
            given = filter(None, map(drawing_of, told.get("drawings", ())))
            drawn = figures(report, anchor) if report is not None else given
        checks.append({"name": name, "anchor": anchor, "told": told, "drawings": tuple(drawn)})
    return checks


def _versions() -> str:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy"))
    return f"gradcheck {__version__}, Python {platform.python_version()}, {libraries}"
