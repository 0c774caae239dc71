"""A report as HTML: the form for notebooks, and what a page shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gradcheck.report.data import ReportData
from gradcheck.report.drawings import Drawing, drawing
from gradcheck.report.text import calls_text, left_out, mismatch_line
from gradcheck.results.certificate import Certificate
from gradcheck.results.outcome import Outcome
from gradcheck.results.summaries import Mismatch
from gradcheck.results.words import count, number, visible

# Figures of one check: of many arrays, maps of those with something wrong come first.
PANELS = 6
# Wrong entries that are named; a report may hold thousands.
NAMED = 20


def snippet(report: ReportData) -> str:
    """The report for a notebook: outcome, reason, arrays and the worst entries.

    Parameters
    ----------
    report : Report
        Of any check.

    Returns
    -------
    str
        HTML to put into a page, without figures and without a script; names and texts are escaped.

    Examples
    --------
    >>> import numpy as np
    >>> import gradcheck
    >>> from gradcheck.html import snippet
    >>> report = gradcheck.check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, np.array([1.0, 2.0]))
    >>> "PASS" in snippet(report)
    True
    """
    return environment().get_template("snippet.html").render(told=told_of(report)[0])


def figures_of(report: ReportData, key: str) -> list[dict[str, str]]:
    """The figures of a report as plain values, for the "drawings" of `render`.

    Parameters
    ----------
    report : Report
        Of any check.
    key : str
        Different for each report of a page: identifiers in the figures are made from it.

    Returns
    -------
    list of dict
        "title", "alt" and "svg" of each figure, at most six. Empty where nothing was measured.

    Examples
    --------
    >>> import numpy as np
    >>> import gradcheck
    >>> from gradcheck.html import figures_of
    >>> report = gradcheck.check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, np.array([1.0, 2.0]))
    >>> sorted(figures_of(report, "first")[0])
    ['alt', 'svg', 'title']
    """
    return [asdict(drawn) for drawn in figures(report, key)]


def told_of(report: Mapping[str, Any] | ReportData) -> tuple[dict[str, Any], ReportData | None]:
    """What a report says as plain values, and the report itself where there is one. TypeError for what is none."""
    if not isinstance(report, Mapping | ReportData):
        raise TypeError(f"a report must be a Report or what its to_dict() gave, not {report!r:.60}")
    source = report if isinstance(report, ReportData) else report.get("report")
    plain = report.to_dict() if isinstance(report, ReportData) else dict(report)
    missing: dict[str, Any] = dict.fromkeys(("arrays", "wrong", "diagnosis", "notes", "certificates"), ())
    missing |= {"reason": "", "call": "", "method": "", "nfev": None, "seconds": None}
    missing |= {"outcome": Outcome.INCONCLUSIVE.value}
    return missing | plain, source if isinstance(source, ReportData) else None


def figures(report: ReportData, key: str) -> Iterator[Drawing]:
    """The figures of a report, drawn one by one."""
    from gradcheck.report.plots import panels

    for k, panel in enumerate(panels(report)[:PANELS]):
        yield drawing(panel.fill, title=panel.title, alt=panel.alt, key=f"{key}-{k}", size=(4.8, 3.9))


def environment() -> Environment:
    """The templates, and the filters for what reports hold."""
    made = Environment(
        loader=PackageLoader("gradcheck"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    made.filters |= {
        "figure": lambda drawn: Markup(drawn.svg),  # made by `drawing`, which escapes its words
        "digits": lambda value, n=3: "-" if value is None else number(float(value), n),
        "count": count,
        "calls": calls_text,
        "mismatch": _mismatch,
        "left_out": _left_out,
        "certificate": lambda told: str(Certificate(**told)),
        "shape": lambda shape: " x ".join(map(str, shape)) or "scalar",
    }
    made.globals["named"] = NAMED
    return made


def _shown(value: Any) -> Any:
    """Text that any encoding holds: what others wrote may have control characters and halves of surrogates."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _mismatch(entry: Mapping[str, Any]) -> str:
    numbers = {
        key: float("nan") if entry[key] is None else entry[key]
        for key in ("analytic", "numerical", "error_bar")
    }
    return mismatch_line(Mismatch(**{**entry, **numbers}))


def _left_out(told: Mapping[str, Any], limit: int) -> str:
    """How many wrong entries there are beside the first ones; in files of before every array had but one count."""
    counts = [(array["wrong"], array.get("about", 0)) for array in told["arrays"]]
    return left_out(len(told["wrong"]), min(len(told["wrong"]), limit), counts)
