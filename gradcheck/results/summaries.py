"""What a check found, in rows: the wrong entries, worst first, and one line for each array."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.parameters.boxes import in_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region, Survey
from gradcheck.results.evidence import Evidence
from gradcheck.results.mismatch import ArraySummary, Mismatch
from gradcheck.results.verdict import Tolerance

__all__ = ["LISTED", "inside", "largest", "mismatches", "relative_errors", "sampled", "summaries"]

# Wrong entries that are listed, the worst of them.
LISTED = 1000


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
        looked_at = together is not None and together.tested
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
                largest([together.detectable, tolerance.rtol, *_certainly_seen(evidence)[smooth]])
                if together is not None and looked_at
                else largest(_certainly_seen(evidence)[smooth]),
                _about(evidence, survey, b.name),
            )
        )
    return tuple(rows)


def _certainly_seen(evidence: Evidence) -> Any:
    """The smallest relative mistake of each entry that is called wrong wherever in its 3 E the true value lies."""
    sure = evidence.judgement.allowed + 3.0 * evidence.estimate.error
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(evidence.judgement.scale > 0, sure / evidence.judgement.scale, np.inf)


def _about(judged: Evidence, survey: Survey | None, array: str) -> int:
    """How many entries of an array are wrong, those of parts included of which a sample was; 0 where there are none."""
    mine = [r for r in sampled(judged, survey) if r.block.name == array]
    if not mine:
        return 0
    block, wrong = mine[0].block, judged.judgement.wrong
    outside = wrong & (judged.coordinates >= block.start) & (judged.coordinates < block.stop)
    for region in mine:
        outside &= ~inside(judged, region)
    return sum(region.size for region in mine) + int(outside.sum())


def sampled(judged: Evidence, survey: Survey | None) -> list[Region]:
    """The parts that are wrong throughout as far as a sample tells."""
    regions = survey.regions if survey is not None else ()
    return [r for r in regions if r.throughout and int(inside(judged, r).sum()) < r.size]


def inside(judged: Evidence, region: Region) -> Mask:
    """Which of the judged entries lie in a region."""
    b = region.block
    inside = (judged.coordinates >= b.start) & (judged.coordinates < b.stop)
    inside[inside] = in_box(b, region.box, judged.coordinates[inside])
    return inside


def relative_errors(evidence: Evidence | None) -> Flat:
    """How far each judged entry of a known size is off, in units of it."""
    if evidence is None:
        return np.empty(0)
    known = np.isfinite(evidence.estimate.error) & (evidence.judgement.scale > 0)
    distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
    return np.asarray(distance / evidence.judgement.scale[known])


def largest(values: Any) -> float:
    """The largest of some numbers; nan where there are none."""
    return float(np.max(values)) if np.size(values) else float("nan")
