"""A report as text: the outcome and why in the first line, never more than 25 lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.report import ArraySummary, Mismatch, Report

__all__ = ["mismatch_line", "report_text"]

# 1 outcome + 1 header + 7 arrays + 1 heading + 5 mismatches + 1 rest + 2 certificate + 2 diagnosis + 3 notes
# + 1 cost = 24.
ARRAYS, MISMATCHES, DIAGNOSES, NOTES = 6, 5, 2, 3


def report_text(report: Report) -> str:
    """The report for people."""
    lines = [f"{report.outcome.value}  {report.reason}"]
    lines += _array_lines(report.arrays)
    lines += _mismatch_lines(report.wrong)
    lines += _certificate_lines(report)
    lines += _capped("looks like", report.diagnosis, DIAGNOSES)
    lines += _capped("note", report.notes, NOTES)
    lines.append(f"  {_cost(report)}")
    return "\n".join(lines)


def number(value: float, digits: int = 3) -> str:
    """A number in few digits; '-' where there is none."""
    if math.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def count(value: int, noun: str) -> str:
    """`1 evaluation`, `12,000 evaluations`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def _array_lines(arrays: tuple[ArraySummary, ...]) -> list[str]:
    if not arrays:
        return []
    # The arrays with something to say come first; the rest are as given.
    order = sorted(arrays, key=lambda a: (a.wrong == 0, a.inconclusive == 0))
    rows = [("array", "shape", "checked", "wrong", "max error", "error bar", "detectable")]
    rows += [
        (
            _short(a.name),
            " x ".join(map(str, a.shape)) or "scalar",
            f"{a.checked:,}",
            f"{a.wrong:,}",
            number(a.max_error, 2),
            number(a.error_bar, 2),
            number(a.detectable, 2),
        )
        for a in order[:ARRAYS]
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  "
        + "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    if len(arrays) > ARRAYS:
        hidden = order[ARRAYS:]
        wrong = sum(a.wrong for a in hidden)
        lines.append(f"  and {count(len(hidden), 'more array')}, {wrong:,} wrong in them")
    return lines


def _mismatch_lines(wrong: tuple[Mismatch, ...]) -> list[str]:
    if not wrong:
        return []
    shown = wrong[:MISMATCHES]
    width = max(len(_short(m.name)) for m in shown)
    lines = ["  worst first:"] + ["    " + mismatch_line(m, width) for m in shown]
    if len(wrong) > MISMATCHES:
        lines.append(f"    and {len(wrong) - MISMATCHES:,} more")
    return lines


def mismatch_line(m: Mismatch, width: int = 0) -> str:
    """`W1[571, 40]  analytic 2.41e-04  numerical 2.17e-04 +- 3e-12  off by +11 %`."""
    analytic, numerical = _as_far_as_different(m.analytic, m.numerical)
    bar = number(m.error_bar, 1)
    return f"{_short(m.name):<{width}}  analytic {analytic}  numerical {numerical} +- {bar}  {_off(m)}"


def _as_far_as_different(a: float, b: float) -> tuple[str, str]:
    """Both with as many digits as it takes to tell them apart, at least four."""
    for digits in range(4, 17):
        pair = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if pair[0] != pair[1] and abs(float(pair[0]) - float(pair[1])) > 0.5 * abs(a - b):
            return pair
    return repr(a), repr(b)


def _off(m: Mismatch) -> str:
    if not math.isfinite(m.analytic):
        return "not finite"
    if m.numerical == 0 or abs(m.numerical) <= 3 * m.error_bar:
        return f"off by {m.analytic - m.numerical:+.2g}"
    ratio = m.analytic / m.numerical
    if m.analytic == 0:
        return "missing"
    if ratio < 0 or ratio > 10:
        return f"{ratio:.4g} times"
    return f"off by {100 * (ratio - 1):+.2g} %"


def _certificate_lines(report: Report) -> list[str]:
    if not report.certificates:
        return []
    weakest = max(report.certificates, key=lambda c: c.relative_to_rms)
    if report.certificate is not None and len(report.arrays) > 1:
        return [f"  certificate for all {len(report.arrays)} arrays, the weakest: {weakest}"]
    if report.wrong or report.certificate is None:
        return [f"  certificate for all that is not named above, the weakest: {weakest}"]
    return [f"  certificate: {weakest}"]


def _capped(title: str, sentences: tuple[str, ...], limit: int) -> list[str]:
    lines = [f"  {title}: {s}" for s in sentences[:limit]]
    if len(sentences) > limit:
        lines[-1] += f" (and {len(sentences) - limit} more)"
    return lines


def _short(name: str, width: int = 40) -> str:
    return name if len(name) <= width else name[: width // 2 - 1] + "..." + name[-(width // 2 - 2) :]


def _cost(report: Any) -> str:
    calls = f"{count(report.nfev, 'evaluation')} of f, {report.ngev:,} of grad, {report.seconds:.2g} s"
    return f"{calls}; again: {report.call}"
