"""From evidence and findings to a Report: the outcome, the reason in words, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.estimate import Limit
from gradcheck.parameters import Parameters
from gradcheck.preflight import Finding
from gradcheck.report import ArraySummary, Mismatch, Report
from gradcheck.sweep import Evidence
from gradcheck.verdict import Outcome, Tolerance
from gradcheck.wording import count, mismatch_line, number

__all__ = ["compose"]

ADVICE = {
    Limit.KINK: "move x off the kink, or pass subgradient=True to accept any slope between",
    Limit.JUMP: "f is not continuous there; move x away from the jump",
    Limit.NOISE: "compute f more precisely (float64, tighter solver tolerances)",
    Limit.TRUNCATION: "f changes faster than any usable step; rescale x, or compute f more precisely",
    Limit.DOMAIN: "move x away from the edge, or pass bounds",
    Limit.BUDGET: "raise max_nfev",
    Limit.NONE: "raise the scale of x, or accept it with atol",
}


def compose(
    parameters: Parameters,
    evidence: Evidence | None,
    findings: Sequence[Finding],
    *,
    tolerance: Tolerance,
    nfev: int,
    ngev: int,
    seconds: float,
    seed: Any,
    call: str,
    diagnosis: tuple[str, ...] = (),
) -> Report:
    """The report of a sweep; without evidence the findings alone decide."""
    wrong = mismatches(parameters, evidence) if evidence is not None else ()
    outcome = _outcome(evidence, findings)
    notes = [f.text for f in findings]
    if evidence is not None:
        notes += _notes(parameters, evidence)
    reason = _reason(parameters, outcome, evidence, findings, wrong, tolerance)
    relative = _relative_errors(evidence)
    return Report(
        outcome=outcome,
        reason=reason,
        arrays=summaries(parameters, evidence) if evidence is not None else (),
        wrong=wrong,
        diagnosis=diagnosis,
        notes=tuple(note for note in notes if note not in reason),
        method="sweep",
        nfev=nfev,
        ngev=ngev,
        seconds=seconds,
        max_error=float(np.max(relative)) if relative.size else float("nan"),
        detectable=_worst(evidence.judgement.detectable) if evidence is not None else float("nan"),
        rtol=tolerance.rtol,
        atol=tolerance.atol,
        resolution=tolerance.resolution,
        seed=seed,
        call=call,
        interrupted=evidence is not None and evidence.interrupted,
    )


def mismatches(parameters: Parameters, evidence: Evidence) -> tuple[Mismatch, ...]:
    """The wrong entries, worst first: not finite, then by their distance relative to what was allowed."""
    rows = np.flatnonzero(evidence.judgement.wrong)
    distance = np.abs(evidence.analytic[rows] - evidence.estimate.value[rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(np.isfinite(distance), distance / evidence.judgement.allowed[rows], np.inf)
    found = []
    for row in rows[np.argsort(-excess, kind="stable")].tolist():
        at = int(evidence.coordinates[row])
        found.append(
            Mismatch(
                parameters.name(at),
                parameters.block_of(at).index(at),
                at,
                float(evidence.analytic[row]),
                float(evidence.estimate.value[row]),
                float(evidence.estimate.error[row]),
            )
        )
    return tuple(found)


def summaries(parameters: Parameters, evidence: Evidence) -> tuple[ArraySummary, ...]:
    """One row a parameter array."""
    rows = []
    for b in parameters.blocks:
        mine = (evidence.coordinates >= b.start) & (evidence.coordinates < b.stop)
        known = mine & np.isfinite(evidence.estimate.error)
        distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
        rows.append(
            ArraySummary(
                b.name,
                b.shape,
                int(known.sum()),
                int((mine & evidence.judgement.wrong).sum()),
                int((mine & evidence.judgement.inconclusive).sum()),
                float(distance.max(initial=0.0)) if known.any() else float("nan"),
                float(evidence.estimate.error[known].max(initial=0.0)) if known.any() else float("nan"),
                _worst(evidence.judgement.detectable[known]),
            )
        )
    return tuple(rows)


def _outcome(evidence: Evidence | None, findings: Sequence[Finding]) -> Outcome:
    outcomes = {f.outcome for f in findings}
    if Outcome.FAIL in outcomes or (evidence is not None and evidence.judgement.wrong.any()):
        return Outcome.FAIL
    # A pass needs evidence: something was checked, and all of it was verified.
    if (
        Outcome.INCONCLUSIVE in outcomes
        or evidence is None
        or evidence.coordinates.size == 0
        or not evidence.judgement.verified.all()
    ):
        return Outcome.INCONCLUSIVE
    return Outcome.PASS


def _reason(
    parameters: Parameters,
    outcome: Outcome,
    evidence: Evidence | None,
    findings: Sequence[Finding],
    wrong: tuple[Mismatch, ...],
    tolerance: Tolerance,
) -> str:
    stated = [f.text for f in findings if f.outcome is outcome]
    if stated and not wrong:
        return stated[0]
    if evidence is None or evidence.coordinates.size == 0:
        return "nothing was checked: every coordinate is fixed by its bounds"
    checked = count(int(evidence.coordinates.size), "entry").replace("entrys", "entries")
    if outcome is Outcome.FAIL:
        worst = " ".join(mismatch_line(wrong[0]).split("  ")[::3])
        return f"{len(wrong):,} of {checked} wrong: {worst}"
    if outcome is Outcome.PASS:
        seen = number(_worst(evidence.judgement.detectable), 2)
        return f"all {checked} agree with the numerical derivative; a relative mistake of {seen} would have been seen"
    return _undecided(parameters, evidence, checked, tolerance)


def _undecided(parameters: Parameters, evidence: Evidence, checked: str, tolerance: Tolerance) -> str:
    """What limits the first undecided entry, how many share its fate, and what to do."""
    rows = np.flatnonzero(evidence.judgement.inconclusive)
    limits = evidence.estimate.limit[rows]
    common = max(set(limits), key=lambda limit: int((limits == limit).sum()))
    row = int(rows[limits == common][0])
    name = parameters.name(int(evidence.coordinates[row]))
    text = f"{rows.size:,} of {checked} cannot be decided, {name} for one: {common.value}"
    advice = ADVICE[common]
    reached = float(evidence.judgement.detectable[row])
    if common in (Limit.KINK, Limit.JUMP):
        left, right = number(evidence.estimate.left[row], 4), number(evidence.estimate.right[row], 4)
        text += f" (slope {left} on the left, {right} on the right)" if common is Limit.KINK else ""
    elif common in (Limit.NOISE, Limit.TRUNCATION, Limit.NONE) and np.isfinite(reached):
        text += f" hides relative mistakes below {number(reached, 2)}"
        if tolerance.resolution < reached < 1:
            return f"{text}; the gradient is not the culprit: {advice}, or pass resolution={number(1.1 * reached, 2)}"
    return f"{text}; the gradient is not the culprit: {advice}"


def _notes(parameters: Parameters, evidence: Evidence) -> list[str]:
    notes = []
    skipped = parameters.size - evidence.coordinates.size
    if skipped:
        notes.append(f"{skipped:,} coordinates were not checked: their bounds are equal")
    kinks = np.flatnonzero(evidence.judgement.subgradient)
    if kinks.size:
        name = parameters.name(int(evidence.coordinates[kinks[0]]))
        notes.append(f"{kinks.size:,} entries lie on kinks and pass as subgradients, {name} for one")
    left = evidence.judgement.wrong & (evidence.estimate.limit == Limit.KINK)
    if left.any():
        name = parameters.name(int(evidence.coordinates[np.flatnonzero(left)[0]]))
        notes.append(f"f has a kink at {name}, and the gradient lies outside its one-sided slopes")
    return notes


def _relative_errors(evidence: Evidence | None) -> Any:
    if evidence is None:
        return np.empty(0)
    known = np.isfinite(evidence.estimate.error) & (evidence.judgement.scale > 0)
    distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
    return distance / evidence.judgement.scale[known]


def _worst(values: Any) -> float:
    return float(np.max(values)) if np.size(values) else float("nan")
