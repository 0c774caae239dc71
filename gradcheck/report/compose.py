"""From evidence and findings to a Report: the outcome, the reason in words, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.diagnosis.undecided import Circumstances, ended_by, tested, undecided_array, undecided_entries
from gradcheck.parameters.boxes import in_box
from gradcheck.parameters.tree import Parameters
from gradcheck.report.data import Measurements
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.report.sentences import advice_sentence, cause_sentence, undecided_sentence
from gradcheck.report.text import discrepancy
from gradcheck.results.cause import Cause
from gradcheck.results.certificate import ArrayEvidence, Region, Survey, array_certified
from gradcheck.results.evidence import Evidence
from gradcheck.results.mismatch import ArraySummary, Mismatch
from gradcheck.results.outcome import Finding, Limit, Outcome
from gradcheck.results.undecided import Ended, Remedy, Undecided
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count, number, short

__all__ = ["compose"]

# Wrong entries that are listed, the worst of them.
LISTED = 1000
# What tells more than a point where the derivative is 0, or f has a kink.
ELSEWHERE = "try another point, too (check_points draws some)"
# The rounding of float64 is below the first, that of float32 below the second.
SINGLE, HALF = 1e-10, 1e-5


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
    causes: tuple[Cause, ...] = (),
    recipe: Recipe | None = None,
    interrupted: bool = False,
    budgeted: bool = False,
    noun: str = "gradient",
    functions: tuple[str, str] = ("f", "grad"),
    analytic: Flat | None = None,
    coarse: bool = False,
) -> Report:
    """The report of a sweep or a survey; without evidence the findings alone decide.

    budgeted : whether the caller set a budget. noun : what the derivative is called. functions : what
    the functions are called whose evaluations are counted. analytic : the whole derivative under test, where it is one
    vector. coarse : whether x or that derivative is of a coarser type than float64.
    """
    survey = evidence if isinstance(evidence, Survey) else None
    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    wrong = mismatches(parameters, judged) if judged is not None else ()
    outcome = _outcome(judged, survey, findings, tolerance)
    arrays = summaries(parameters, judged, survey, tolerance) if judged is not None else ()
    given = Circumstances(tolerance, budgeted, noun, coarse)
    undecided = None
    if outcome is Outcome.INCONCLUSIVE and not any(f.outcome is outcome for f in findings):
        undecided = _undecided(parameters, judged, survey, given)
    if undecided is not None:
        reason = f"{undecided_sentence(undecided)}; {advice_sentence(undecided)}"
    else:
        reason = _reason(parameters, outcome, judged, survey, findings, wrong, arrays)
    notes = [f.text for f in findings]
    notes += _notes(parameters, judged, noun) if judged is not None and survey is None else []
    notes += _region_notes(survey, budgeted, causes) if survey is not None else []
    notes += _listed(judged)
    if outcome is Outcome.PASS and judged is not None:
        notes += _not_told(parameters, judged, survey, arrays, given, analytic)
    relative = _relative_errors(judged)
    return Report(
        outcome=outcome,
        reason=reason,
        arrays=arrays,
        wrong=wrong,
        diagnosis=tuple(cause_sentence(cause) for cause in causes),
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
        causes=causes,
        undecided=undecided,
        functions=functions,
        advice=advice_sentence(undecided) if undecided is not None else "",
    )


def _measurements(parameters: Parameters, judged: Evidence, survey: Survey | None) -> Measurements:
    arrays = survey.arrays if survey is not None else ()
    # A certificate names what was compared: the array, or the array over a factor that all its entries share. Without
    # one, directions that show nothing wrong may be of what was made of the claim: a panel of them would call it right.
    residuals = tuple(
        (array.certificate.name if array.certificate is not None else array.block.name, residual)
        for array in arrays
        if array.certificate is not None or any(residual.loud for residual in array.residuals)
        for residual in array.residuals
    )
    regions = survey.regions if survey is not None else ()
    return Measurements(tuple(parameters.blocks), judged, residuals, regions)


def mismatches(parameters: Parameters, evidence: Evidence) -> tuple[Mismatch, ...]:
    """The worst of the wrong entries: first not finite, then by their distance relative to what was allowed."""
    rows = np.flatnonzero(evidence.judgement.wrong)
    distance = np.abs(evidence.analytic[rows] - evidence.estimate.value[rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(np.isfinite(distance), distance / evidence.judgement.allowed[rows], np.inf)
    found = []
    for row in rows[np.argsort(-excess, kind="stable")][:LISTED].tolist():
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
        looked_at = together is not None and tested(together)
        # What passes as a subgradient has no derivative: its slopes say nothing of what would have been seen.
        smooth = known & ~evidence.judgement.subgradient
        rows.append(
            ArraySummary(
                b.name,
                b.shape,
                b.size if looked_at else int(known.sum()),
                int((mine & evidence.judgement.wrong).sum()),
                int((mine & evidence.judgement.inconclusive).sum()),
                float(distance.max(initial=0.0)) if known.any() else float("nan"),
                float(evidence.estimate.error[known].max(initial=0.0)) if known.any() else float("nan"),
                # Entries that were found to be within the tolerance are left out of the directions after that.
                _worst([together.detectable, tolerance.rtol, *_certainly_seen(evidence)[smooth]])
                if together is not None and looked_at
                else _worst(_certainly_seen(evidence)[smooth]),
                _about(evidence, survey, b.name),
            )
        )
    return tuple(rows)


def _certainly_seen(evidence: Evidence) -> Any:
    """The smallest relative mistake of each entry that is called wrong wherever in its 3 E the true value lies."""
    sure = evidence.judgement.allowed + 3.0 * evidence.estimate.error
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(evidence.judgement.scale > 0, sure / evidence.judgement.scale, np.inf)


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
    certified = all(array_certified(evidence, array, tolerance.resolution) for array in survey.arrays)
    return Outcome.PASS if certified and not survey.regions else Outcome.INCONCLUSIVE


def _reason(
    parameters: Parameters,
    outcome: Outcome,
    evidence: Evidence | None,
    survey: Survey | None,
    findings: Sequence[Finding],
    wrong: tuple[Mismatch, ...],
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
        return f"{_how_many(survey, arrays)} of {checked} wrong: {worst}"
    if outcome is Outcome.INCONCLUSIVE:
        assert survey is not None
        return _loud(survey)
    free = "free " if size < parameters.size else ""
    who = f"all {size:,} {free}entries agree" if size > 1 else f"{_only_name(parameters, evidence)} agrees"
    seen = _worst([a.detectable for a in arrays])
    told = f"; a relative mistake of {number(seen, 2)} would have been seen" if np.isfinite(seen) else ""
    return f"{who} with the numerical derivative{told}"


def _how_many(survey: Survey | None, arrays: tuple[ArraySummary, ...]) -> str:
    """How many are wrong: `7`; `about 300` where a sample tells; `at least 7` where the search ended before its end."""
    wrong = sum(max(a.wrong, a.about) for a in arrays)
    if any(a.about for a in arrays):
        return f"about {wrong:,}"
    searched = survey is None or all(region.throughout for region in survey.regions)
    return f"{wrong:,}" if searched else f"at least {wrong:,}"


def _undecided(
    parameters: Parameters,
    evidence: Evidence | None,
    survey: Survey | None,
    given: Circumstances,
) -> Undecided | None:
    """What is open, as data; None where nothing was checked, or something is wrong somewhere."""
    if evidence is None or (survey is None and evidence.coordinates.size == 0):
        return None
    if survey is None or not evidence.judgement.verified.all():
        total = parameters.size if survey is not None else int(evidence.coordinates.size)
        return undecided_entries(parameters, evidence, total, given)
    if survey.regions:
        return None

    def certified(array: ArrayEvidence) -> bool:
        # What disagrees is no question of precision.
        return array_certified(evidence, array, given.tolerance.resolution) or _disagrees(array)

    open_ = not all(certified(array) for array in survey.arrays)
    return undecided_array(survey, given, certified) if open_ else None


def _disagrees(array: ArrayEvidence) -> bool:
    return array.certificate is None and any(residual.loud for residual in array.residuals)


def _loud(survey: Survey) -> str:
    """Something is wrong, but no entry could be named."""
    if survey.regions:
        return (
            f"something is wrong somewhere in {survey.regions[0]}; the search ended before it could say where"
        )
    array = next(array for array in survey.arrays if _disagrees(array))
    name = short(array.block.name)
    return f"{name} disagrees along a random direction, but no entry could be singled out"


def _only_name(parameters: Parameters, evidence: Evidence) -> str:
    return parameters.name(int(evidence.coordinates[0]) if evidence.coordinates.size else 0)


def _region_name(region: Region) -> str:
    text: str = region.box.words(region.block)
    return text.replace(region.block.name, short(region.block.name))


def _not_told(
    parameters: Parameters,
    evidence: Evidence,
    survey: Survey | None,
    arrays: tuple[ArraySummary, ...],
    given: Circumstances,
    analytic: Flat | None,
) -> list[str]:
    """What a PASS at this point, or in this arithmetic, cannot tell, and what would."""
    notes = []
    size = np.maximum(np.abs(evidence.analytic), np.abs(evidence.estimate.value))
    nothing = bool((size <= 3.0 * evidence.estimate.error).all())
    if survey is not None and evidence.coordinates.size < parameters.size:
        nothing &= analytic is not None and not analytic.any()
    # Rounding leaves 1e-17 where 0 is meant: what is within its bars is 0 as far as f shows.
    within = " within its error bars" if nothing and evidence.analytic.any() else ""
    if evidence.judgement.subgradient.any():
        notes.append(f"what f is on either side of a kink does not show at it; {ELSEWHERE}")
    elif nothing:
        notes.append(
            f"the {given.noun} is 0 here{within}: a mistake that vanishes with it does not show; {ELSEWHERE}"
        )
    else:
        still = [] if analytic is None else [b.name for b in parameters.blocks if not analytic[b.slice].any()]
        if still:
            named = ", ".join(map(short, still[:3])) + (
                f" and {len(still) - 3:,} more" if len(still) > 3 else ""
            )
            text = f"the {given.noun} of {named} is 0 here: a mistake that vanishes with it does not show"
            notes.append(f"{text}; {ELSEWHERE}")
    lost = [] if nothing else _lost(parameters, evidence, size)
    hidden = lost + [a.name for a in arrays if a.detectable >= 1.0 and a.name not in lost]
    if hidden and not nothing:
        text = f"{short(hidden[0])} passes, but a mistake as large as its entries would not have been seen"
        notes.append(f"{text}; {ELSEWHERE}, where they are larger")
    if given.tolerance.eps > SINGLE:
        dtype = "float32" if given.tolerance.eps < HALF else "float16"
        computes = f"f computes in {dtype}" if given.coarse else f"f's values have the digits of {dtype} here"
        more = "float64 shows more" if given.coarse else "all digits of float64 would show more"
        notes.append(f"{computes}: what is off by less than rtol={given.tolerance.rtol:g} passes; {more}")
    return notes


def _lost(parameters: Parameters, evidence: Evidence, size: Flat) -> list[str]:
    """Arrays of which every entry was judged and is within its error bar, though not all are claimed to be 0."""
    bar, names = 3.0 * evidence.estimate.error, []
    for b in parameters.blocks:
        mine = (evidence.coordinates >= b.start) & (evidence.coordinates < b.stop)
        if int(mine.sum()) == b.size and evidence.analytic[mine].any() and (size[mine] <= bar[mine]).all():
            names.append(b.name)
    return names


def _listed(evidence: Evidence | None) -> list[str]:
    wrong = 0 if evidence is None else int(evidence.judgement.wrong.sum())
    return [f"the worst {LISTED:,} wrong entries are listed"] if wrong > LISTED else []


def _region_notes(survey: Survey, budgeted: bool, causes: tuple[Cause, ...]) -> list[str]:
    sampled = _sampled(survey.judged, survey)
    # What is said of a mistake names its place.
    said = {name for cause in causes if cause.place.tells for name in cause.place.arrays}
    unnamed = [region for region in sampled if region.block.name not in said]
    notes = []
    if unnamed:
        named = [f"{_region_name(region)} ({region.size:,} entries)" for region in unnamed[:3]]
        if len(unnamed) > 3:
            named.append(f"{len(unnamed) - 3:,} more")
        notes.append(f"of a few entries sampled, most are wrong in {', '.join(named)}")
    elif sampled:
        looked = sum(int(_inside(survey.judged, region).sum()) for region in sampled)
        notes.append(f"how many are wrong is told by a sample of {looked:,}, most of them wrong")
    open_ = [_region_name(region) for region in survey.regions if not region.throughout]
    if open_:
        more = f" and {count(len(open_) - 3, 'more part')}" if len(open_) > 3 else ""
        notes.append(
            f"something is wrong somewhere in {', '.join(open_[:3])}{more}; {_ended(survey, budgeted)}"
        )
    return notes


def _inside(judged: Evidence, region: Region) -> Any:
    """Which of the judged entries lie in a region."""
    b = region.block
    inside = (judged.coordinates >= b.start) & (judged.coordinates < b.stop)
    inside[inside] = in_box(b, region.box, judged.coordinates[inside])
    return inside


def _sampled(judged: Evidence, survey: Survey | None) -> list[Region]:
    """The parts that are wrong throughout as far as a sample tells."""
    regions = survey.regions if survey is not None else ()
    return [r for r in regions if r.throughout and int(_inside(judged, r).sum()) < r.size]


def _about(judged: Evidence, survey: Survey | None, array: str) -> int:
    """How many entries of an array are wrong, those of parts included of which a sample was; 0 where there are none."""
    mine = [r for r in _sampled(judged, survey) if r.block.name == array]
    if not mine:
        return 0
    block, wrong = mine[0].block, judged.judgement.wrong
    outside = wrong & (judged.coordinates >= block.start) & (judged.coordinates < block.stop)
    for region in mine:
        outside &= ~_inside(judged, region)
    return sum(region.size for region in mine) + int(outside.sum())


def _ended(survey: Survey, budgeted: bool) -> str:
    ended = ended_by(survey.interrupted, budgeted)
    after = {Ended.SEARCH: "mend what is named and check again", Ended.BUDGET: Remedy.RAISE.value}
    return f"the search ended there: {after.get(ended, Remedy.AGAIN.value)}"


def _notes(parameters: Parameters, evidence: Evidence, noun: str) -> list[str]:
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
        notes.append(f"f has a kink at {name}, and the {noun} lies outside its one-sided slopes")
    return notes


def _relative_errors(evidence: Evidence | None) -> Any:
    if evidence is None:
        return np.empty(0)
    known = np.isfinite(evidence.estimate.error) & (evidence.judgement.scale > 0)
    distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
    return distance / evidence.judgement.scale[known]


def _worst(values: Any) -> float:
    return float(np.max(values)) if np.size(values) else float("nan")
