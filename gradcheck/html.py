"""Reports as HTML: one self-contained page that needs no network and no script, and a short form for notebooks."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import gradcheck
from gradcheck.directions import Certificate
from gradcheck.drawings import Drawing, drawing
from gradcheck.report import Mismatch, Report
from gradcheck.verdict import Outcome
from gradcheck.wording import count, mismatch_line, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

    from gradcheck.casefile import Figure
    from gradcheck.cases import CaseResult, Row, SaveFigure
    from gradcheck.plots import Panel

__all__ = ["DRAWN", "Gallery", "figures_of", "render", "snippet"]

# Checks whose figures are drawn, those that did not pass first: three figures of some 30 kB each.
DRAWN = 24
# Figures of one check: of many arrays, maps of those with something wrong come first.
PANELS = 6
# Wrong entries that are named; a report may hold thousands.
NAMED = 20
# How a reference to a planted mistake is called in a row.
REFUSES = "refuses: "


@dataclass
class Gallery:
    """Collects the figures of cases for a page: give it to `run_case` as `save_figure`, then to `render`.

    also : what else is to be done with each figure, e.g. write it to a file.
    """

    also: SaveFigure | None = None
    drawings: dict[str, list[Drawing]] = field(default_factory=dict)

    def __call__(self, case: str, figure: Figure, draw: Callable[[Any], None]) -> Path | None:
        """Draw one figure of a case."""
        drawn = drawing(draw, title=figure.name, alt=figure.alt, key=f"{case}-{figure.name}")
        self.drawings.setdefault(case, []).append(drawn)
        return self.also(case, figure, draw) if self.also is not None else None


@dataclass(frozen=True)
class _Check:
    """A check as the page shows it: what its dictionary says, and its figures."""

    name: str
    anchor: str
    told: Mapping[str, Any]
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True)
class _CasePart:
    """A case as the page shows it, with the checks that it made."""

    anchor: str
    result: CaseResult
    checks: list[_Check]


def render(
    case_results: Sequence[CaseResult],
    reports: Sequence[Mapping[str, Any] | Report] = (),
    *,
    drawings: Mapping[str, Sequence[Drawing]] | None = None,
    title: str = "gradcheck report",
) -> str:
    """One HTML page: a summary, every case with its comparisons, every check with its figures.

    reports : Reports, or what their `to_dict` gave, perhaps with a "name", and with a "report" or "drawings" (what
        `figures_of` gave, in another process) for its figures. drawings : the figures of each case by its name, as a
        Gallery collects them.
    Names and texts are escaped; nothing is loaded from elsewhere.
    """
    told = [(_name(report, k), *_told(report)) for k, report in enumerate(reports, start=1)]
    inner = [(name, *_told(report)) for result in case_results for name, report in result.reports]
    every = _checks([*told, *inner])
    checks, rest = every[: len(told)], iter(every[len(told) :])
    cases = [
        _CasePart(f"case-{k}", result, [next(rest) for _ in result.reports])
        for k, result in enumerate(case_results, start=1)
    ]
    rows = [row for result in case_results for row in result.rows]
    return _environment().get_template("report.html").render(
        title=title,
        cases=cases,
        checks=checks,
        drawings=drawings or {},
        row_counts=_counts(row.outcome.value for row in rows),
        check_counts=_counts(check.told["outcome"] for check in checks),
        outcome=_overall([row.outcome.value for row in rows] + [check.told["outcome"] for check in checks]),
        unsettled=[(c.anchor, r) for c in cases for r in c.result.rows if r.outcome is not Outcome.PASS],
        seconds=sum(result.seconds for result in case_results),
        versions=_versions(),
        drawn=DRAWN,
        figures_left_out=len(every) > DRAWN,
    )  # fmt: skip


def snippet(report: Report) -> str:
    """The report for a notebook: outcome, reason, arrays and the worst entries."""
    return _environment().get_template("snippet.html").render(told=_told(report)[0])


def figures_of(report: Report, key: str) -> list[dict[str, str]]:
    """The figures of a report as plain values, for the "drawings" of `render`.

    key : different for each report of a page. Empty where nothing was measured.
    """
    return [asdict(drawn) for drawn in _figures(report, key)]


def _name(report: Mapping[str, Any] | Report, k: int) -> str:
    name = "" if isinstance(report, Report) else report.get("name")
    return str(name or f"check {k}")


def _told(report: Mapping[str, Any] | Report) -> tuple[dict[str, Any], Report | None]:
    """What a report says as plain values, and the report itself where there is one."""
    source = report if isinstance(report, Report) else report.get("report")
    plain = report.to_dict() if isinstance(report, Report) else dict(report)
    missing = {
        "arrays": (),
        "wrong": (),
        "diagnosis": (),
        "notes": (),
        "certificates": (),
        "reason": "",
        "call": "",
    }
    told = (
        missing | {"outcome": Outcome.INCONCLUSIVE.value, "nfev": None, "seconds": None, "method": ""} | plain
    )
    return told, source if isinstance(source, Report) else None


def _checks(named: Sequence[tuple[str, dict[str, Any], Report | None]]) -> list[_Check]:
    drawable = [k for k, (_, told, report) in enumerate(named) if report is not None or "drawings" in told]
    drawable.sort(key=lambda k: named[k][1]["outcome"] == Outcome.PASS.value)
    chosen = set(drawable[:DRAWN])
    checks = []
    for k, (name, told, report) in enumerate(named):
        anchor = f"check-{k}"
        figures: Iterator[Drawing] = iter(())
        if k in chosen:
            given = (Drawing(**drawn) for drawn in told.get("drawings", ()))
            figures = _figures(report, anchor) if report is not None else given
        checks.append(_Check(name, anchor, told, tuple(figures)))
    return checks


def _figures(report: Report, key: str) -> Iterator[Drawing]:
    from gradcheck.plots import panels

    for k, panel in enumerate(panels(report)[:PANELS]):
        yield drawing(_filled(panel), title=panel.title, alt=panel.alt, key=f"{key}-{k}", size=(4.8, 3.9))


def _filled(panel: Panel) -> Callable[[MatplotlibFigure], None]:
    return lambda figure: panel.draw(figure.subplots())


def _counts(outcomes: Iterator[str]) -> dict[str, int]:
    seen = list(outcomes)
    return {outcome.value: seen.count(outcome.value) for outcome in Outcome}


def _overall(outcomes: Sequence[str]) -> str:
    """FAIL if anything failed; PASS only where there is something, and all of it passed."""
    if "FAIL" in outcomes:
        return "FAIL"
    return "PASS" if set(outcomes) == {"PASS"} else "INCONCLUSIVE"


def _versions() -> str:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy"))
    return f"gradcheck {gradcheck.__version__}, Python {platform.python_version()}, {libraries}"


def _environment() -> Environment:
    from gradcheck.rowtext import shown, size

    environment = Environment(
        loader=PackageLoader("gradcheck"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "shown": shown,
        "size": size,
        "figure": lambda drawn: Markup(drawn.svg),  # made by `drawing`, which escapes its words
        "digits": lambda value, n=3: "-" if value is None else number(float(value), n),
        "count": count,
        "mismatch": _mismatch,
        "certificate": lambda told: str(Certificate(**told)),
        "shape": lambda shape: " x ".join(map(str, shape)) or "scalar",
        "tests": _tests,
        "mistakes": _mistakes,
    }
    environment.globals |= {"named": NAMED, "refuses": REFUSES}
    return environment


def _mismatch(entry: Mapping[str, Any]) -> str:
    numbers = {
        key: float("nan") if entry[key] is None else entry[key]
        for key in ("analytic", "numerical", "error_bar")
    }
    return mismatch_line(Mismatch(**{**entry, **numbers}))


def _tests(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.reference.startswith(REFUSES)]


def _mistakes(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    return [(row.reference.removeprefix(REFUSES), row) for row in rows if row.reference.startswith(REFUSES)]
