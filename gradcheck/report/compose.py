"""From evidence and findings to a Report: the outcome, the reason in words, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.parameters.tree import Parameters
from gradcheck.report.measurements import Measurements
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.report.text import NOT_TO_BLAME, discrepancy
from gradcheck.results.certificate import ArrayEvidence, Region, Survey
from gradcheck.results.evidence import Evidence
from gradcheck.results.mismatch import ArraySummary, Mismatch
from gradcheck.results.outcome import Finding, Limit, Outcome
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count, number, short

__all__ = ["compose"]

ADVICE = {
    Limit.KINK: "move x off the kink, or pass subgradient=True to accept any slope between",
    Limit.JUMP: "f is not continuous there; move x away from the jump",
    Limit.SCALE: "put such entries into an array of their own",
    Limit.NOISE: "compute f more precisely (float64, tighter solver tolerances)",
    Limit.TRUNCATION: "f changes faster than any usable step; rescale x, or compute f more precisely",
    Limit.DOMAIN: "move x away from the edge, or pass bounds",
    Limit.BUDGET: "raise max_nfev (or max_seconds)",
    Limit.DISPUTED: "compute f more precisely, or pass method='complex' to believe the complex step",
    Limit.NONE: "raise the scale of x, or accept it with atol",
}


def compose(
    parameters: Parameters,
    evidence: Evidence | Survey | None,
    findings: Sequence[Finding],
    *,
    tolerance: Tolerance,
    nfev: int,
    ngev: int,
    seconds: float,
    seed: Any,
    call: str,
    diagnosis: tuple[str, ...] = (),
    recipe: Recipe | None = None,
    interrupted: bool = False,
) -> Report:
    """The report of a sweep or a survey; without evidence the findings alone decide."""
    survey = evidence if isinstance(evidence, Survey) else None
    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    wrong = mismatches(parameters, judged) if judged is not None else ()
    outcome = _outcome(judged, survey, findings, tolerance)
    arrays = summaries(parameters, judged, survey, tolerance) if judged is not None else ()
    reason = _reason(parameters, outcome, judged, survey, findings, wrong, tolerance, arrays)
    notes = [f.text for f in findings]
    notes += _notes(parameters, judged) if judged is not None and survey is None else []
    notes += _region_notes(survey) if survey is not None else []
    relative = _relative_errors(judged)
    return Report(
        outcome=outcome,
        reason=reason,
        arrays=arrays,
        wrong=wrong,
        diagnosis=diagnosis,
        notes=tuple(note for note in notes if note not in reason),
        method="sweep" if survey is None else "directions",
        nfev=nfev,
        ngev=ngev,
        seconds=seconds,
        max_error=float(np.max(relative)) if relative.size else float("nan"),
        detectable=_worst([a.detectable for a in arrays]),
        rtol=tolerance.rtol,
        atol=tolerance.atol,
        resolution=tolerance.resolution,
        seed=seed,
        call=call,
        certificates=tuple(a.certificate for a in survey.arrays if a.certificate)
        if survey is not None
        else (),
        interrupted=interrupted or (evidence is not None and evidence.interrupted),
        evidence=_measurements(parameters, judged, survey) if judged is not None else None,
        recipe=recipe,
    )


def _measurements(parameters: Parameters, judged: Evidence, survey: Survey | None) -> Measurements:
    arrays = survey.arrays if survey is not None else ()
    residuals = tuple((array.block.name, residual) for array in arrays for residual in array.residuals)
    regions = survey.regions if survey is not None else ()
    return Measurements(tuple(parameters.blocks), judged, residuals, regions)


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


def summaries(
    parameters: Parameters, evidence: Evidence, survey: Survey | None, tolerance: Tolerance
) -> tuple[ArraySummary, ...]:
    """One row a parameter array."""
    rows = []
    for k, b in enumerate(parameters.blocks):
        mine = (evidence.coordinates >= b.start) & (evidence.coordinates < b.stop)
        known = mine & np.isfinite(evidence.estimate.error)
        distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
        together = survey.arrays[k] if survey is not None else None
        tested = together is not None and _was_tested(together)
        # What passes as a subgradient has no derivative: its slopes say nothing of what would have been seen.
        smooth = known & ~evidence.judgement.subgradient
        rows.append(
            ArraySummary(
                b.name,
                b.shape,
                b.size if tested else int(known.sum()),
                int((mine & evidence.judgement.wrong).sum()),
                int((mine & evidence.judgement.inconclusive).sum()),
                float(distance.max(initial=0.0)) if known.any() else float("nan"),
                float(evidence.estimate.error[known].max(initial=0.0)) if known.any() else float("nan"),
                # Entries that were found to be within the tolerance are left out of the directions after that.
                _worst([together.detectable, tolerance.rtol, *_certainly_seen(evidence)[smooth]])
                if together is not None and tested
                else _worst(_certainly_seen(evidence)[smooth]),
            )
        )
    return tuple(rows)


def _certainly_seen(evidence: Evidence) -> Any:
    """The smallest relative mistake of each entry that is called wrong wherever in its 3 E the true value lies."""
    sure = evidence.judgement.allowed + 3.0 * evidence.estimate.error
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(evidence.judgement.scale > 0, sure / evidence.judgement.scale, np.inf)


def _was_tested(array: ArrayEvidence) -> bool:
    return any(np.isfinite(residual.error) for residual in array.residuals)


def _outcome(
    evidence: Evidence | None, survey: Survey | None, findings: Sequence[Finding], tolerance: Tolerance
) -> Outcome:
    outcomes = {f.outcome for f in findings}
    if Outcome.FAIL in outcomes or (evidence is not None and evidence.judgement.wrong.any()):
        return Outcome.FAIL
    # A pass needs evidence: something was checked, and all of it was verified.
    if Outcome.INCONCLUSIVE in outcomes or evidence is None or not evidence.judgement.verified.all():
        return Outcome.INCONCLUSIVE
    if survey is None:
        return Outcome.PASS if evidence.coordinates.size else Outcome.INCONCLUSIVE
    certified = all(array_certified(evidence, array, tolerance) for array in survey.arrays)
    return Outcome.PASS if certified and not survey.regions else Outcome.INCONCLUSIVE


def array_certified(evidence: Evidence, array: ArrayEvidence, tolerance: Tolerance) -> bool:
    """Whether directions bound the error of an array within the resolution, or every entry was judged by itself."""
    if array.certificate is not None:
        return array.certificate.relative_to_rms <= tolerance.resolution
    inside = (evidence.coordinates >= array.block.start) & (evidence.coordinates < array.block.stop)
    return int(inside.sum()) == array.block.size


def _reason(
    parameters: Parameters,
    outcome: Outcome,
    evidence: Evidence | None,
    survey: Survey | None,
    findings: Sequence[Finding],
    wrong: tuple[Mismatch, ...],
    tolerance: Tolerance,
    arrays: tuple[ArraySummary, ...],
) -> str:
    stated = [f.text for f in findings if f.outcome is outcome]
    if stated and not wrong:
        return stated[0]
    if evidence is None or (survey is None and evidence.coordinates.size == 0):
        return "nothing was checked: every coordinate is fixed by its bounds"
    size = parameters.size if survey is not None else int(evidence.coordinates.size)
    checked = f"{size:,} {'entry' if size == 1 else 'entries'}"
    if outcome is Outcome.FAIL:
        worst = f"{short(wrong[0].name)} {discrepancy(wrong[0])}"
        throughout = [region for region in survey.regions if region.throughout] if survey is not None else []
        if throughout:
            more = f" and {count(len(throughout) - 1, 'more part')}" if len(throughout) > 1 else ""
            return f"most entries of {_region_name(throughout[0])}{more} wrong: {worst}"
        return f"{len(wrong):,} of {checked} wrong: {worst}"
    if outcome is Outcome.PASS:
        free = "free " if size < parameters.size else ""
        who = (
            f"all {size:,} {free}entries agree" if size > 1 else f"{_only_name(parameters, evidence)} agrees"
        )
        seen = _worst([a.detectable for a in arrays])
        told = f"; a relative mistake of {number(seen, 2)} would have been seen" if np.isfinite(seen) else ""
        return f"{who} with the numerical derivative{told}"
    if survey is not None and evidence.judgement.verified.all():
        return _undecided_survey(evidence, survey, tolerance)
    return _undecided(parameters, evidence, checked, tolerance)


def _only_name(parameters: Parameters, evidence: Evidence) -> str:
    return parameters.name(int(evidence.coordinates[0]) if evidence.coordinates.size else 0)


def _region_name(region: Region) -> str:
    text: str = region.box.words(region.block)
    return text.replace(region.block.name, short(region.block.name)).removeprefix("all of ")


def _undecided_survey(evidence: Evidence, survey: Survey, tolerance: Tolerance) -> str:
    """Which array is not certified, and why."""
    if survey.regions:
        return (
            f"something is wrong somewhere in {survey.regions[0]}; the search ended before it could say where"
        )
    open_ = [array for array in survey.arrays if not array_certified(evidence, array, tolerance)]
    array = next((a for a in open_ if not _was_tested(a)), open_[0])
    name = short(array.block.name)
    if not _was_tested(array):
        cause = _cause(Limit.BUDGET, survey.interrupted)
        return f"{name} was not checked: {cause}{NOT_TO_BLAME}{_advice(Limit.BUDGET, survey.interrupted)}"
    advice = f"{_advice(array.limit, survey.interrupted)}, or pass method='sweep'"
    if array.certificate is None and any(residual.loud for residual in array.residuals):
        return f"{name} disagrees along a random direction, but no entry could be singled out"
    if array.certificate is None:
        cause = _cause(array.limit, survey.interrupted)
        return f"random directions say nothing about {name}: {cause}{NOT_TO_BLAME}{advice}"
    bound = number(1.1 * array.certificate.relative_to_rms, 2)
    text = f"random directions bound the error of {name} by {bound} of its root mean square only"
    return f"{text}: {_cause(array.limit, survey.interrupted)}{NOT_TO_BLAME}{advice} or resolution={bound}"


def _cause(limit: Limit, interrupted: bool) -> str:
    if limit is not Limit.BUDGET:
        return str(limit.value)
    return "the check was interrupted" if interrupted else "the budget of evaluations was used up"


def _advice(limit: Limit, interrupted: bool) -> str:
    return "start it again" if interrupted and limit is Limit.BUDGET else ADVICE[limit]


def _region_notes(survey: Survey) -> list[str]:
    throughout = [region for region in survey.regions if region.throughout]
    notes = []
    if throughout:
        named = [f"{_region_name(region)} ({region.box.size:,} entries)" for region in throughout[:3]]
        if len(throughout) > 3:
            named.append(f"{len(throughout) - 3:,} more")
        notes.append(f"of a few entries sampled, most are wrong in {', '.join(named)}")
    for region in survey.regions:
        if not region.throughout:
            text = f"something is wrong somewhere in {_region_name(region)}"
            notes.append(f"{text}; the search ended there: {ADVICE[Limit.BUDGET]}")
    return notes


def _undecided(parameters: Parameters, evidence: Evidence, checked: str, tolerance: Tolerance) -> str:
    """What limits most of the undecided entries, the worst of them for one, and what to do."""
    rows = np.flatnonzero(evidence.judgement.inconclusive)
    limits = evidence.estimate.limit[rows]
    # An accusation says most, however few entries it is about.
    common = max(set(limits), key=lambda limit: (limit is Limit.DISPUTED, int((limits == limit).sum())))
    alike = rows[limits == common]
    row = int(alike[np.argmax(evidence.judgement.detectable[alike])])
    name = short(parameters.name(int(evidence.coordinates[row])))
    cause = _cause(common, evidence.interrupted)
    text = f"{rows.size:,} of {checked} cannot be decided, {name} for one: {cause}"
    advice = _advice(common, evidence.interrupted)
    reached = float(evidence.judgement.detectable[row])
    if common is Limit.DISPUTED:
        return f"{text}; {advice}"
    if common is Limit.KINK:
        left, right = number(evidence.estimate.left[row], 4), number(evidence.estimate.right[row], 4)
        text += f" (slope {left} on the left, {right} on the right)"
    elif common in (Limit.NOISE, Limit.TRUNCATION, Limit.NONE) and np.isfinite(reached):
        text += f" hides relative mistakes below {number(reached, 2)}"
        if tolerance.resolution < reached < 1:
            advice += f", or pass resolution={number(1.1 * reached, 2)}"
    return f"{text}{NOT_TO_BLAME}{advice}"


def _notes(parameters: Parameters, evidence: Evidence) -> list[str]:
    notes = []
    skipped = parameters.size - evidence.coordinates.size
    if skipped:
        were = "was" if skipped == 1 else "were"
        notes.append(f"{count(skipped, 'coordinate')} {were} not checked: equal bounds leave no room")
    kinks = np.flatnonzero(evidence.judgement.subgradient)
    if kinks.size:
        name = short(parameters.name(int(evidence.coordinates[kinks[0]])))
        others = "" if kinks.size == 1 else f", and so do {kinks.size - 1:,} more"
        notes.append(f"{name} lies on a kink and passes as a subgradient{others}")
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
