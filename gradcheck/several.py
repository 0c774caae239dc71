"""Several reports as one: the worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradcheck.report import ArraySummary, Mismatch, Report
from gradcheck.verdict import Outcome

__all__ = ["combine"]

SEVERITY = {Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASS: 2}


def combine(
    reports: Mapping[str, Report], *, method: str, seed: Any, call: str, notes: tuple[str, ...] = ()
) -> Report:
    """One report of several checks, at least one; each is called by its key.

    FAIL where one fails, PASS where all pass. Names of arrays and entries get the key of their check in front.
    """
    if not reports:
        raise ValueError("reports must hold at least one report")
    order = sorted(reports, key=lambda key: SEVERITY[reports[key].outcome])
    worst = reports[order[0]]
    failed = sum(report.outcome is Outcome.FAIL for report in reports.values())
    undecided = sum(report.outcome is Outcome.INCONCLUSIVE for report in reports.values())
    if worst.outcome is Outcome.PASS:
        seen = max(report.detectable for report in reports.values())
        reason = f"all {len(reports)} pass ({', '.join(order[:6])}{', ...' if len(order) > 6 else ''}); "
        reason += f"a relative mistake of {seen:.2g} would have been seen"
    else:
        parts = [f"{failed} wrong"] * (failed > 0) + [f"{undecided} undecided"] * (undecided > 0)
        count = f" ({', '.join(parts)} of {len(reports)})" if len(reports) > 1 else ""
        reason = f"{order[0]}: {worst.reason}{count}"
    every = [(key, reports[key]) for key in order]
    said = [f"{key}: {note}" for key, report in every for note in report.notes]
    others = [f"{key}: {report.reason}" for key, report in every[1:] if report.outcome is not Outcome.PASS]
    return replace(
        worst,
        reason=reason,
        arrays=tuple(_array(key, a) for key, report in every for a in report.arrays),
        wrong=tuple(_mismatch(key, m) for key, report in every for m in report.wrong),
        diagnosis=tuple(f"{key}: {text}" for key, report in every for text in report.diagnosis),
        notes=(*others, *notes, *said),
        method=method,
        nfev=sum(report.nfev for report in reports.values()),
        ngev=sum(report.ngev for report in reports.values()),
        seconds=sum(report.seconds for report in reports.values()),
        max_error=max(report.max_error for report in reports.values()),
        detectable=max(report.detectable for report in reports.values()),
        seed=seed,
        call=call,
        certificates=tuple(
            replace(c, name=f"{key}: {c.name}") for key, report in every for c in report.certificates
        ),
        interrupted=any(report.interrupted for report in reports.values()),
        evidence=None,
        recipe=None,
    )


def _array(key: str, array: ArraySummary) -> ArraySummary:
    return replace(array, name=f"{key}: {array.name}")


def _mismatch(key: str, mismatch: Mismatch) -> Mismatch:
    return replace(mismatch, name=f"{key}: {mismatch.name}")
