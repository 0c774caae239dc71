"""What joint directions show of the arrays of x: the residuals, and a certificate of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.examination.claim import Claim
from gradcheck.examination.row_evidence import residual_of
from gradcheck.joint.direction import Joint
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.parameters.boxes import flat_indices
from gradcheck.results.certificate import LEAST, ArrayEvidence, Certificate, Region
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate, rows


def evidence_of(
    claim: Claim,
    joint: Joint,
    scaling: Scaling | None,
    confidence: float,
    limit: Limit = Limit.NONE,
    alone: Joint | None = None,
) -> Evidence:
    """What the last directions show of every array, and what was judged entry by entry.

    scaling : theirs; None where they settled nothing. limit : what keeps the bounds from being smaller. alone : the
    directions of the arrays that are claimed to be 0, which those others leave where they are.
    """
    judged = concatenate(claim.judged or [none_judged(claim.problem.x.dtype)])
    arrays = []
    for k, block in enumerate(claim.problem.parameters.blocks):
        if scaling is None or np.count_nonzero(claim.still[block.slice]) == block.size:
            arrays.append(ArrayEvidence(block))
            continue
        named = any(region.block is block and region.box.size == block.size for region in claim.regions)
        certified = None if named else (judged, claim.factors.get(block.name), confidence)
        if alone is None or not scaling.nothing[k] or scaling.lengths[block.slice].any():
            arrays.append(array_evidence(claim.problem, joint, scaling, k, certified, limit))
            continue
        found = array_evidence(claim.problem, alone, scaling, k, certified, limit)
        certificate = None if found.certificate is None else replace(found.certificate, others=True)
        arrays.append(replace(found, certificate=certificate))
    return Evidence(latest(judged), tuple(arrays), tuple(_region(r, joint, scaling) for r in claim.regions))


def _region(region: Region, joint: Joint, scaling: Scaling | None) -> Region:
    """What directions bear out of a part that is off by a factor: how far its entries are off without it.

    Those that stay still were judged by themselves, or are no part of the claim.
    """
    lengths = np.zeros(0) if scaling is None else scaling.lengths[flat_indices(region.block, region.box)]
    if region.factor is None or not (lengths.any() and np.isfinite(joint.bound[0])):
        return region
    return replace(region, bar=float(joint.bound[0] / lengths[lengths > 0].min()))


def array_evidence(
    problem: Problem,
    joint: Joint,
    scaling: Scaling,
    k: int,
    certified: tuple[Entries, float | None, float] | None,
    limit: Limit = Limit.NONE,
) -> ArrayEvidence:
    """The evidence about the k-th array; limit : what keeps its bound from being smaller.

    certified : the entries that were judged by themselves, what the array is divided by in the claim that holds, if
    that is a factor, and the confidence; None where there is no certificate.
    """
    block = problem.parameters.blocks[k]
    size = float(joint.sizes[0])
    if np.isfinite(scaling.least[k]):
        size = max(size, float(scaling.least[k]))
    residuals = tuple(residual_of(problem, direction, 0, size) for direction in joint.directions)
    if certified is None or not np.isfinite(joint.bound[0]):
        return ArrayEvidence(block, residuals, None, LEAST * size, limit)
    judged, factor, confidence = certified
    # Entries that were judged to be within the tolerance count with what they may be off by; but for those of a factor,
    # which the claim was divided by.
    apart = 0.0
    if factor is None and judged.coordinates.size:
        right = rows(judged, np.flatnonzero(block.holds(judged.coordinates) & judged.judgement.verified))
        off = np.abs(right.analytic - right.estimate.value) + 3.0 * right.estimate.error
        apart = float(np.linalg.norm(off)) * float(scaling.lengths[block.slice].max(initial=0.0))
    bound = float(np.hypot(joint.bound[0], apart))
    name = block.name if factor is None else f"{block.name} / {factor:.9g}"
    certificate = Certificate(name, bound, bound / size, confidence, len(residuals), apart / size)
    return ArrayEvidence(block, residuals, certificate, LEAST * size, limit)
