"""The course of a check: the contract, the evidence, cheapest first, what explains it; or what of it is known so far.

A gradient is the Jacobian of one output: whatever m is, the same lines are gone through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck.diagnosis.matrices import explained
from gradcheck.driver.between_steps import rounded_part
from gradcheck.driver.known import Known
from gradcheck.driver.methods import METHODS
from gradcheck.driver.prepare import inspect_roughness
from gradcheck.evidence.hidden_kinks import open_between_kinks
from gradcheck.evidence.subgradients import along_directions
from gradcheck.function.contract import Inspection
from gradcheck.function.matrix import Sparse
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.function.progress import Progress
from gradcheck.results.cause import Kind
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit, Outcome


def examine(known: Known, inspect: Callable[..., Inspection], bar: Progress) -> None:
    """Gather all that a report is made of; a KeyboardInterrupt ends it with what is known.

    inspect(repeat=) : the first calls at x, of f twice where every entry is asked for.
    """
    objective = known.objective
    known.findings = [Finding(note) for note in objective.parameters.notes]
    try:
        _examine(known, inspect, bar)
        if known.evidence is not None and objective.ended:
            known.evidence = _cut_short(known.evidence, objective)
        if not known.final and known.inspection is not None and known.inspection.again is not None:
            # What a second call of the derivative adds, now that f was called elsewhere. Where that is another one
            # nothing else explains the first.
            again = known.inspection.again.findings(known.tolerance, known.room)
            known.findings += again
            if again and any(finding.outcome is Outcome.FAIL for finding in again):
                known.causes = tuple(c for c in known.causes if c.kind in (Kind.STALE, Kind.REMEMBERS))
    except KeyboardInterrupt:
        known.interrupted = True
    except BudgetSpentError:
        if known.evidence is None:
            text = "the budget of evaluations was used up before any entry was judged: raise max_nfev"
            known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    except NotScalarError as error:
        # At x it returned what it should: where it does not, it is no function that could be differentiated.
        known.findings.append(Finding(f"at a point near x: {error}", Outcome.INCONCLUSIVE, final=True))
    if known.evidence is not None and known.setting is not None:
        known.findings += inspect_roughness(known.setting, known.evidence.entries.estimate.step)
    if objective.left_domain and known.evidence is not None:
        text = f"a point near x was taken for off f's domain: f raised {objective.left_domain}"
        known.findings.append(Finding(text))
    known.interrupted |= objective.interrupted
    if known.evidence is not None:
        known.interrupted |= known.evidence.interrupted
    elif known.interrupted and not known.final:
        text = "interrupted before any entry was judged: start it again"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))


def _examine(known: Known, inspect: Callable[..., Inspection], bar: Progress) -> None:
    """The first calls, then what is gathered."""
    known.inspection = inspection = inspect(repeat=known.options.method in ("sweep", "complex"))
    known.findings += inspection.findings
    room = known.room
    if room is not None and not (room[0] + room[1] > 0).any():
        text = "nothing was checked: every coordinate is fixed by its bounds"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    if known.final or inspection.matrix is None:
        return
    _gather(known, bar)


def _gather(known: Known, bar: Progress) -> None:
    """One method after another until the check is settled; and what explains its evidence.

    Anew where something is wrong, and f is seen to be rounded to what nothing showed before.
    """
    wrong = _settle(known, bar)
    if wrong and known.evidence is not None and known.setting is not None:
        rounding = rounded_part(known.setting, known.evidence.entries)
        if rounding is not None:
            known.take(known.rounded_by(rounding))
            wrong = _settle(known, bar)
    if known.evidence is not None and known.setting is not None:
        entries = known.evidence.entries
        if known.options.subgradient:
            # However they were found, what each entry may be all of them together may not.
            entries, outside = along_directions(known.setting, entries, known.options.rng)
            known.about += outside
        if wrong or known.options.subgradient:
            entries = open_between_kinks(known.setting, entries)
        if entries is not known.evidence.entries:
            known.evidence = _taken_back(known.evidence, entries)
    known.findings += known.about
    if known.evidence is not None and isinstance(known.problem.matrix, Sparse):
        regions = tuple(_counted(region, known.problem.matrix) for region in known.evidence.regions)
        known.evidence = replace(known.evidence, regions=regions)
    if known.evidence is not None and known.setting is not None:
        assert known.inspection is not None
        known.causes = explained(known.setting, known.evidence, known.inspection.again)


def _settle(known: Known, bar: Progress) -> bool:
    """One method after another until the check is settled; whether something is wrong."""
    for method in METHODS:
        cost = method.cost(known)
        if cost is not None:
            bar.plan(min(cost, known.objective.remaining))
            if method.run(known) or known.final:
                break
    return known.evidence is not None and bool(np.count_nonzero(known.evidence.entries.judgement.wrong))


def _taken_back(evidence: Evidence, entries: Entries) -> Evidence:
    """The evidence with these entries; where all that was called wrong is open, nothing is said to be wrong nearby."""
    before = evidence.entries.judgement.wrong
    wrong, opened = entries.judgement.wrong, before & entries.judgement.inconclusive

    def stands(region: Region) -> bool:
        mine = region.block.holds(entries.coordinates)
        return not (mine & opened).any() or bool((mine & wrong).any())

    return replace(evidence, entries=entries, regions=tuple(filter(stands, evidence.regions)))


def _counted(region: Region, matrix: Sparse) -> Region:
    """The region, with the number of its entries that the pattern has; as it is where that is known better."""
    if region.stored is not None:
        return region
    rows, columns = (slice(start, stop) for start, stop in region.box.ranges)
    return replace(region, stored=int(matrix.pattern[:, columns].tocsr()[rows].nnz))


def _cut_short(evidence: Evidence, objective: Objective) -> Evidence:
    """Evidence that ended before its time, and says so: f has no edge where it was not called any more."""
    entries = evidence.entries
    limit = entries.estimate.limit.copy()
    limit[limit == Limit.DOMAIN] = Limit.BUDGET
    entries = replace(
        entries, estimate=replace(entries.estimate, limit=limit), interrupted=objective.interrupted
    )
    # Without a certificate its directions prove nothing.
    arrays = tuple(a if a.certificate is not None else replace(a, residuals=()) for a in evidence.arrays)
    return replace(evidence, entries=entries, arrays=arrays)
