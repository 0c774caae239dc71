"""Several checks as one: made in turn within one budget, and reported together, the worst first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradcheck.driver.options import LEAST_BUDGET
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.report.data import ReportData, added
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome

SEVERITY = {Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASS: 2}


def in_turn(
    checks: Iterable[tuple[str, Callable[..., Report]]],
    *,
    max_nfev: int | None = None,
    max_seconds: float | None = None,
) -> dict[str, Report]:
    """The reports of checks that are made one after another, by their keys; each gets what is left of the budget.

    Those for which too little is left are missing; after an interruption too, of which the last report tells.
    """
    reports: dict[str, Report] = {}
    started = time.monotonic()
    for key, check in checks:
        # The first check is made in any case, with all that there is: it says what is wrong with a budget that is none.
        left: dict[str, Any] = {}
        if max_nfev is not None:
            left["max_nfev"] = max_nfev - sum(map(_spent, reports.values()))
        if max_seconds is not None:
            left["max_seconds"] = float(max_seconds) - (time.monotonic() - started if reports else 0.0)
        if reports and (
            left.get("max_nfev", LEAST_BUDGET) < LEAST_BUDGET or left.get("max_seconds", 1.0) <= 0
        ):
            break
        try:
            reports[key] = check(**left)
        except GradientCheckInterrupted as interruption:
            reports[key] = interruption.report
            break
        except KeyboardInterrupt:  # before that check began
            if not reports:
                raise
            last = next(reversed(reports))
            reports[last] = replace(reports[last], interrupted=True)
            break
    return reports


def combine(
    reports: Mapping[str, Report],
    *,
    method: str,
    seed: Any,
    call: str,
    notes: tuple[str, ...] = (),
    left_out: Sequence[str] = (),
    max_nfev: int | None = None,
    functions: Mapping[str, tuple[str, ...]] | None = None,
    references: Mapping[str, str] | None = None,
) -> Report:
    """One report of several checks, at least one; each is called by its key.

    FAIL where one fails, PASS where all pass. Names of arrays and entries get the key of their check in front.
    functions : what the functions of each check are called, by its key; one that two checks call has one name in both.
    left_out : the keys of checks that were not made, as too little of the budget was left or the user interrupted them.
    max_nfev : the budget of all of them. references : the check by whose derivative another one is judged, by the keys.
    """
    if not reports:
        raise ValueError("reports must hold at least one report")
    if functions is not None:
        reports = {key: replace(report, functions=functions[key]) for key, report in reports.items()}
    for key, name in (references or {}).items():
        if key in reports:
            reports = {**reports, key: _judged_by(reports[key], reports.get(name), name)}
    calls = added(report.calls for report in reports.values())
    nfev, ngev, *_ = calls.values()
    order = sorted(reports, key=lambda key: SEVERITY[reports[key].outcome])
    worst, interrupted = reports[order[0]], any(report.interrupted for report in reports.values())
    left = None if max_nfev is None else max_nfev - sum(map(_spent, reports.values()))
    missing = _missing(left_out, interrupted, max_nfev, left)
    outcome, reason = worst.outcome, _reason(reports, order)
    if outcome is Outcome.PASS and left_out:
        outcome, reason, missing = Outcome.INCONCLUSIVE, missing[0], []
    every = [(key, reports[key]) for key in order]
    said = [f"{key}: {note}" for key, report in every for note in report.notes]
    others = [f"{key}: {report.reason}" for key, report in every[1:] if report.outcome is not Outcome.PASS]
    return replace(
        worst,
        outcome=outcome,
        reason=reason,
        arrays=tuple(replace(a, name=f"{key}: {a.name}") for key, report in every for a in report.arrays),
        wrong=tuple(replace(m, name=f"{key}: {m.name}") for key, report in every for m in report.wrong),
        diagnosis=tuple(f"{key}: {text}" for key, report in every for text in report.diagnosis),
        causes=tuple(cause for _, report in every for cause in report.causes),
        notes=(*others, *missing, *notes, *said),
        method=method,
        functions=tuple(calls),
        nfev=nfev,
        ngev=ngev,
        seconds=sum(report.seconds for report in reports.values()),
        max_error=max(report.max_error for report in reports.values()),
        detectable=max(report.detectable for report in reports.values()),
        seed=seed,
        call=call,
        certificates=tuple(
            replace(c, name=f"{key}: {c.name}") for key, report in every for c in report.certificates
        ),
        interrupted=interrupted,
        evidence=None,
        recipe=None,
        parts=tuple(every),
        undecided=None,
    )


def _reason(reports: Mapping[str, Report], order: Sequence[str]) -> str:
    """Why they pass together, or what the worst of them says and how many do not pass. order : keys, worst first."""
    worst = reports[order[0]]
    if worst.outcome is Outcome.PASS:
        seen = max(report.detectable for report in reports.values())
        named = f"{', '.join(order[:6])}{', ...' if len(order) > 6 else ''}"
        first = f"all {len(order)} pass ({named})" if len(order) > 1 else f"{named} passes"
        return f"{first}; a relative mistake of {seen:.2g} would have been seen"
    outcomes = [report.outcome for report in reports.values()]
    failed, undecided = (outcomes.count(outcome) for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE))
    parts = [f"{failed} wrong"] * (failed > 0) + [f"{undecided} undecided"] * (undecided > 0)
    count = f" ({', '.join(parts)} of {len(reports)})" if len(reports) > 1 else ""
    return f"{order[0]}: {worst.reason}{count}"


def _judged_by(report: Report, reference: Report | None, name: str) -> Report:
    """The report of a derivative that is compared with differences of another one: by a wrong one nothing is judged.

    What it says without them, that a Hessian is not symmetric, holds.
    """
    if reference is None or reference.outcome is not Outcome.FAIL:
        return report
    if report.outcome is Outcome.FAIL and not report.wrong:
        return report
    advice = f"mend {name} and check again"
    reason = f"it is compared with differences of {name}, which is wrong: {advice}"
    return replace(
        report, outcome=Outcome.INCONCLUSIVE, reason=reason, advice=advice, undecided=None, arrays=(), wrong=(),
        diagnosis=(), causes=(), certificates=(), evidence=None, max_error=math.nan, detectable=math.inf,
    )  # fmt: skip


def _spent(report: ReportData) -> int:
    """What a check took of its budget: evaluations of what it differentiates."""
    return sum(_spent(part) for _, part in report.parts) if report.parts else report.nfev


def _missing(left_out: Sequence[str], interrupted: bool, max_nfev: int | None, left: int | None) -> list[str]:
    """What to say about checks that were not made."""
    if not left_out:
        return []
    who = f"{left_out[0]} was" if len(left_out) == 1 else f"{left_out[0]} to {left_out[-1]} were"
    if interrupted:
        return [f"{who} not checked: the check was interrupted; start it again"]
    if left is None or left >= LEAST_BUDGET:
        return [f"{who} not checked: the time was used up; raise max_seconds"]
    text = f"of {max_nfev:,} evaluations {left:,} were left, and a check takes at least {LEAST_BUDGET}"
    return [f"{who} not checked: {text}; raise max_nfev"]
