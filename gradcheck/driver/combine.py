"""Several checks as one: made in turn within one budget, and reported together, the worst first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradcheck.driver.options import LEAST_BUDGET
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.report.data import ReportData, added
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import shown

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
    reports = _prepared(reports, functions, references or {})
    every = sorted(reports.items(), key=lambda keyed: SEVERITY[keyed[1].outcome])
    worst, calls = every[0][1], added(report.calls for report in reports.values())
    nfev, ngev, *_ = calls.values()
    outcome, reason, missing = _decided(every, _missing(left_out, reports.values(), max_nfev))
    said = [f"{key}: {note}" for key, report in every for note in report.notes]
    others = [f"{key}: {report.reason}" for key, report in every[1:] if report.outcome is not Outcome.PASS]
    return replace(
        worst,
        outcome=outcome,
        reason=reason,
        arrays=_named(every, "arrays"),
        wrong=_named(every, "wrong"),
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
        certificates=_named(every, "certificates"),
        interrupted=any(report.interrupted for report in reports.values()),
        evidence=None,
        recipe=None,
        parts=tuple(every),
        undecided=None,
    )


def _prepared(
    reports: Mapping[str, Report],
    functions: Mapping[str, tuple[str, ...]] | None,
    references: Mapping[str, str],
) -> Mapping[str, Report]:
    """The reports, with the names that functions have here; by a derivative that is wrong nothing is judged.

    Raises ValueError where there is none.
    """
    if not reports:
        raise ValueError("reports must hold at least one report")
    if functions is not None:
        reports = {key: replace(report, functions=functions[key]) for key, report in reports.items()}
    for key, name in references.items():
        if key in reports:
            reports = {**reports, key: _judged_by(reports[key], reports.get(name), name)}
    return reports


def _named(every: Sequence[tuple[str, Report]], part: str) -> tuple[Any, ...]:
    """What is named in a part of the reports, with the key of its check in front."""
    return tuple(
        replace(one, name=f"{key}: {one.name}") for key, report in every for one in getattr(report, part)
    )


def _decided(every: Sequence[tuple[str, Report]], missing: list[str]) -> tuple[Outcome, str, list[str]]:
    """The outcome and why, and what is left to say of checks that were not made: without these none is a PASS."""
    outcome = every[0][1].outcome
    if outcome is Outcome.PASS and missing:
        return Outcome.INCONCLUSIVE, missing[0], []
    return outcome, _reason(every), missing


def _reason(every: Sequence[tuple[str, Report]]) -> str:
    """Why they pass together, or what the worst of them, the first, says and how many do not pass."""
    key, worst = every[0]
    outcomes = [report.outcome for _, report in every]
    if worst.outcome is Outcome.PASS:
        seen = max(report.detectable for _, report in every)
        named = ", ".join([*(key for key, _ in every[:6]), *["..."] * (len(every) > 6)])
        first = f"all {len(every)} pass ({named})" if len(every) > 1 else f"{named} passes"
        return f"{first}{shown(seen)}"
    failed, undecided = (outcomes.count(outcome) for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE))
    parts = [f"{failed} wrong"] * (failed > 0) + [f"{undecided} undecided"] * (undecided > 0)
    count = f" ({', '.join(parts)} of {len(every)})" if len(every) > 1 else ""
    return f"{key}: {worst.reason}{count}"


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


def _missing(left_out: Sequence[str], made: Collection[Report], max_nfev: int | None) -> list[str]:
    """What to say about checks that were not made."""
    if not left_out:
        return []
    who = f"{left_out[0]} was" if len(left_out) == 1 else f"{left_out[0]} to {left_out[-1]} were"
    if any(report.interrupted for report in made):
        return [f"{who} not checked: the check was interrupted; start it again"]
    left = math.inf if max_nfev is None else max_nfev - sum(map(_spent, made))
    if left >= LEAST_BUDGET:
        return [f"{who} not checked: the time was used up; raise max_seconds"]
    text = f"of {max_nfev:,} evaluations {left:,} were left, and a check takes at least {LEAST_BUDGET}"
    return [f"{who} not checked: {text}; raise max_nfev"]
