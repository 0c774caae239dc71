"""From evidence and findings to a Report: the outcome, the reason in words, and what else there is to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.diagnosis.undecided import Circumstances, ended_by, undecided_array, undecided_entries
from gradcheck.diagnosis.untold import solver_left, untold
from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report
from gradcheck.report.sentences import cause_sentence
from gradcheck.report.text import advice_sentence, discrepancy, undecided_sentence
from gradcheck.results.cause import Cause, Kind
from gradcheck.results.certificate import ArrayEvidence, Region
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.summaries import (
    LISTED,
    ArraySummary,
    Mismatch,
    inside,
    largest,
    mismatches,
    relative_errors,
    sampled,
    summaries,
)  # fmt: skip
from gradcheck.results.undecided import Ended, Remedy, Undecided
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count, number, short, shown


def compose(
    parameters: Parameters,
    evidence: Evidence | None,
    findings: Sequence[Finding],
    given: Circumstances,
    *,
    causes: tuple[Cause, ...] = (),
    interrupted: bool = False,
    **known: Any,
) -> Report:
    """The report of some evidence; without it the findings alone decide.

    known : other fields of it; nfev, ngev, seconds, seed and call at least.
    """
    tolerance = given.tolerance
    outcome = _outcome(evidence, findings, tolerance)
    known = {"recipe": None, "functions": ("f", "grad"), **known} | {
        "outcome": outcome,
        "method": "directions" if evidence is not None and evidence.arrays else "sweep",
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "resolution": tolerance.resolution,
        "interrupted": interrupted or (evidence is not None and evidence.interrupted),
        "evidence": evidence,
        "blocks": parameters.blocks,
        "parts": (),
        "causes": causes,
    }
    rest = partial(_told, outcome, parameters, evidence, tuple(findings), causes, given)
    return Report.when_read(known, rest)


@own_arithmetic
def _told(
    outcome: Outcome,
    parameters: Parameters,
    evidence: Evidence | None,
    findings: tuple[Finding, ...],
    causes: tuple[Cause, ...],
    given: Circumstances,
) -> dict[str, Any]:
    """The rest of a report: the rows, the reason in words, and what else there is to say."""
    wrong = mismatches(parameters, evidence.entries) if evidence is not None else ()
    arrays = summaries(parameters, evidence, given.tolerance) if evidence is not None else ()
    arrays = tuple(_counted(array, causes) for array in arrays)
    # A finding that decides is the reason, unless wrong entries say more.
    decisive = next((f.text for f in findings if f.outcome is outcome), "") if not wrong else ""
    undecided = next((replace(f.undecided, noun=given.noun) for f in findings if f.undecided), None)
    if outcome is Outcome.INCONCLUSIVE and not any(f.outcome is outcome for f in findings):
        undecided = _undecided(parameters, evidence, given)
    if undecided is not None:
        reason = f"{undecided_sentence(undecided)}; {advice_sentence(undecided)}"
    else:
        reason = decisive or _reason(parameters, outcome, evidence, wrong, arrays, causes)
    return {
        "reason": reason,
        "arrays": arrays,
        "wrong": wrong,
        "diagnosis": tuple(cause_sentence(cause) for cause in causes if cause.kind is not Kind.BESIDE),
        "notes": (
            *(f.text for f in findings if f.text != decisive),
            *(_notes(outcome, parameters, evidence, causes, arrays, given) if evidence is not None else ()),
        ),
        "max_error": largest(relative_errors(evidence.entries)) if evidence is not None else float("nan"),
        "detectable": _seen(arrays),
        "certificates": ()
        if evidence is None
        else tuple(a.certificate for a in evidence.arrays if a.certificate),
        "undecided": undecided,
        "advice": advice_sentence(undecided) if undecided is not None else "",
    }


def _notes(
    outcome: Outcome,
    parameters: Parameters,
    evidence: Evidence,
    causes: tuple[Cause, ...],
    arrays: tuple[ArraySummary, ...],
    given: Circumstances,
) -> list[str]:
    """What there is to say of the evidence, beside the findings."""
    notes, skipped = [], parameters.size - _size(parameters, evidence)
    if skipped and not given.some:
        were = "was" if skipped == 1 else "were"
        notes.append(f"{count(skipped, 'coordinate')} {were} not checked: equal bounds leave no room")
    if evidence.arrays:
        notes += _not_taken_apart(evidence, given.budgeted, causes)
    notes += _kinks(parameters, evidence.entries, given)
    if evidence.entries.wrong.size > LISTED:
        notes.append(f"the worst {LISTED:,} wrong entries are listed")
    if outcome is Outcome.PASS:
        notes += untold(parameters, evidence, arrays, given)
    elif outcome is Outcome.FAIL:
        notes += solver_left(evidence, causes, given.tolerance)
        notes += [cause_sentence(cause) for cause in causes if cause.kind is Kind.BESIDE]
    return notes


def _outcome(evidence: Evidence | None, findings: Sequence[Finding], tolerance: Tolerance) -> Outcome:
    outcomes = {f.outcome for f in findings}
    if Outcome.FAIL in outcomes or (
        evidence is not None and np.count_nonzero(evidence.entries.judgement.wrong)
    ):
        return Outcome.FAIL
    # A pass needs evidence: something was checked, and all of it was verified.
    if Outcome.INCONCLUSIVE in outcomes or evidence is None or not evidence.entries.judgement.verified.all():
        return Outcome.INCONCLUSIVE
    if not evidence.arrays:
        return Outcome.PASS if evidence.entries.coordinates.size else Outcome.INCONCLUSIVE
    certified = all(evidence.certified(array, tolerance.resolution) for array in evidence.arrays)
    return Outcome.PASS if certified and not evidence.regions else Outcome.INCONCLUSIVE


def _reason(
    parameters: Parameters,
    outcome: Outcome,
    evidence: Evidence | None,
    wrong: tuple[Mismatch, ...],
    arrays: tuple[ArraySummary, ...],
    causes: tuple[Cause, ...],
) -> str:
    if evidence is None or _empty(evidence):
        return "nothing was checked: every coordinate is fixed by its bounds"
    size = _size(parameters, evidence)
    checked = count(size, "entry")
    if outcome is Outcome.FAIL:
        worst = f"{short(wrong[0].name)} {discrepancy(wrong[0])}"
        return f"{_how_many(evidence, arrays, causes)} of {checked} wrong: {worst}"
    if outcome is Outcome.INCONCLUSIVE:
        return _loud(evidence)
    free = "free " if size < parameters.size else ""
    who = f"all {size:,} {free}entries agree"
    if size == 1:
        # Directions that move one of several do not name it.
        only = evidence.entries.coordinates.tolist() or ([] if free else [0])
        who = f"{parameters.name(only[0]) if only else 'the one free entry'} agrees"
    return f"{who} with the numerical derivative{shown(_seen(arrays))}"


def _seen(arrays: tuple[ArraySummary, ...]) -> float:
    """The smallest mistake that would have been seen in any array; in an empty one there is none."""
    return largest([a.detectable for a in arrays if 0 not in a.shape])


def _counted(array: ArraySummary, causes: tuple[Cause, ...]) -> ArraySummary:
    """The array with as many wrong entries as an explanation changes, where f shows that nothing else is wrong."""
    for cause in causes:
        if cause.place.settled and cause.place.arrays == (array.name,):
            return replace(array, about=cause.place.changed if cause.place.changed > array.wrong else 0)
    return array


def _settled(causes: tuple[Cause, ...]) -> set[str]:
    """The arrays in which nothing is wrong but what is explained."""
    return {name for cause in causes if cause.place.settled for name in cause.place.arrays}


def _how_many(evidence: Evidence, arrays: tuple[ArraySummary, ...], causes: tuple[Cause, ...]) -> str:
    """How many are wrong: `7`; `about 300` by a sample; `at least 7` where nothing is known of other entries."""
    wrong = sum(max(a.wrong, a.about) for a in arrays)
    told = {a.name for a in arrays if a.about}
    open_ = {r.block.name for r in evidence.regions if not r.throughout} | (_unknown(evidence) - told)
    if not open_ <= _settled(causes):
        return f"at least {wrong:,}"
    return f"about {wrong:,}" if told else f"{wrong:,}"


def _unknown(evidence: Evidence) -> set[str]:
    """The arrays of which some entries were neither judged nor certified, and that are not wrong throughout."""
    whole = {r.block for r in evidence.regions if r.throughout and r.box.size == r.block.size}
    return {
        array.block.name
        for array in evidence.arrays
        if array.block not in whole and not evidence.certified(array, math.inf)
    }


def _empty(evidence: Evidence) -> bool:
    return not evidence.arrays and evidence.entries.coordinates.size == 0


def _size(parameters: Parameters, evidence: Evidence) -> int:
    """The entries that were looked at."""
    if evidence.arrays:
        return parameters.size - sum(array.fixed for array in evidence.arrays)
    return int(evidence.entries.coordinates.size)


def _undecided(parameters: Parameters, evidence: Evidence | None, given: Circumstances) -> Undecided | None:
    """What is open, as data; None where nothing was checked, or something is wrong somewhere."""
    if evidence is None or _empty(evidence):
        return None
    if not (evidence.arrays and evidence.entries.judgement.verified.all()):
        return undecided_entries(parameters, evidence.entries, _size(parameters, evidence), given)
    if evidence.regions:
        return None

    def certified(array: ArrayEvidence) -> bool:
        # What disagrees is no question of precision.
        return evidence.certified(array, given.tolerance.resolution) or _disagrees(array)

    open_ = not all(certified(array) for array in evidence.arrays)
    return undecided_array(evidence, given, certified) if open_ else None


def _disagrees(array: ArrayEvidence) -> bool:
    return array.certificate is None and any(residual.exceeds for residual in array.residuals)


def _loud(evidence: Evidence) -> str:
    """Something is wrong, but no entry could be named."""
    if evidence.regions:
        return f"something is wrong somewhere in {evidence.regions[0]}; the search ended before it could say where"
    array = next(array for array in evidence.arrays if _disagrees(array))
    name = short(array.block.name)
    return f"{name} disagrees along a random direction, but no entry could be singled out"


def _kinks(parameters: Parameters, evidence: Entries, given: Circumstances) -> list[str]:
    """Kinks at which entries pass, or are wrong: by their slopes, not by the bar between these."""
    notes = []
    kinks = np.flatnonzero(evidence.judgement.subgradient)
    if kinks.size:
        name = short(parameters.name(int(evidence.coordinates[kinks[0]])))
        others = "" if kinks.size == 1 else f", and so do {kinks.size - 1:,} more"
        notes.append(f"{name} lies on a kink and passes as a subgradient{others}")
    left = evidence.judgement.wrong & (evidence.estimate.limit == Limit.KINK)
    if left.any():
        k = int(np.flatnonzero(left)[0])
        name, slopes = parameters.name(int(evidence.coordinates[k])), evidence.estimate
        sides = f"{number(slopes.left[k], 4)} on the left, {number(slopes.right[k], 4)} on the right"
        notes.append(
            f"f has a kink at {name}, and the {given.noun} lies outside its one-sided slopes: {sides}"
        )
    return notes


def _not_taken_apart(evidence: Evidence, budgeted: bool, causes: tuple[Cause, ...]) -> list[str]:
    """What was told by a sample, and where the search ended before it could name the entries."""
    parts = sampled(evidence)
    # What is said of a mistake names its place.
    said = {name for cause in causes if cause.place.tells for name in cause.place.arrays}
    unnamed = [region for region in parts if region.block.name not in said]
    notes = []
    if unnamed:
        named = [f"about {region.size:,} in {_region_name(region)}" for region in unnamed[:3]]
        if len(unnamed) > 3:
            named.append(f"others in {count(len(unnamed) - 3, 'more part')}")
        notes.append(f"a sample tells how many are wrong: {', '.join(named)}")
    elif parts:
        looked = np.any([inside(evidence.entries, region) for region in parts], axis=0)
        wrong = int((looked & evidence.entries.judgement.wrong).sum())
        notes.append(
            f"how many are wrong is told by a sample of {int(looked.sum()):,}, of which {wrong:,} are"
        )
    left = [r for r in evidence.regions if not r.throughout and r.block.name not in _settled(causes)]
    open_ = [_region_name(region) for region in left]
    if open_:
        more = f" and {count(len(open_) - 3, 'more part')}" if len(open_) > 3 else ""
        notes.append(
            f"something is wrong somewhere in {', '.join(open_[:3])}{more}; {_ended(evidence, budgeted)}"
        )
    return notes


def _region_name(region: Region) -> str:
    return region.box.words(replace(region.block, name=short(region.block.name)))


def _ended(evidence: Evidence, budgeted: bool) -> str:
    ended = ended_by(evidence.interrupted, budgeted)
    after = {Ended.SEARCH: "mend what is named and check again", Ended.BUDGET: Remedy.RAISE.value}
    return f"the search ended there: {after.get(ended, Remedy.AGAIN.value)}"
