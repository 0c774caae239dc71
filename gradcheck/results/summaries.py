"""What a check found, in rows: the wrong entries, worst first, and one line for each array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import flat_indices, in_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Tolerance

# Wrong entries that are listed, the worst of them.
LISTED = 1000


@dataclass(frozen=True)
class Mismatch:
    """One wrong entry of the gradient.

    name : as a person would write it, `params["W1"][571, 40]`. index : inside its array.
    flat_index : in the flat vector of all parameters. error_bar : E of the numerical value.
    """

    name: str
    index: tuple[int, ...]
    flat_index: int
    analytic: float
    numerical: float
    error_bar: float


@dataclass(frozen=True)
class ArraySummary:
    """One parameter array in a report; nan where nothing was measured.

    checked : entries judged one by one, or all where directions tested them together. wrong : of those judged, and of
        parts that are off by a factor that directions bear out. about : how many are wrong, as far as a sample tells
        that was wrong throughout, or an explanation that f bears out; 0 where `wrong` counts them.
    max_error : largest |analytic - numerical|. error_bar : largest E. Both in units of f per x.
    detectable : the smallest relative mistake of one entry that would have been seen, in the largest of the
        entry's own size and the array's root mean square.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    wrong: int
    inconclusive: int
    max_error: float
    error_bar: float
    detectable: float
    about: int = 0


def mismatches(parameters: Parameters, entries: Entries) -> tuple[Mismatch, ...]:
    """The worst of the wrong entries: first not finite, then by their distance relative to what was allowed."""
    rows = np.flatnonzero(entries.judgement.wrong)
    distance = np.abs(entries.analytic[rows] - entries.estimate.value[rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(np.isfinite(distance), distance / entries.judgement.allowed[rows], np.inf)
    found = []
    for row in rows[np.argsort(-excess, kind="stable")][:LISTED].tolist():
        at = int(entries.coordinates[row])
        found.append(
            Mismatch(
                parameters.name(at),
                parameters.block_of(at).index(at),
                at,
                float(entries.analytic[row]),
                float(entries.estimate.value[row]),
                float(entries.estimate.error[row]),
            )
        )
    return tuple(found)


def summaries(parameters: Parameters, evidence: Evidence, tolerance: Tolerance) -> tuple[ArraySummary, ...]:
    """One row a parameter array."""
    rows, entries = [], evidence.entries
    seen, samples = _certainly_seen(entries, tolerance), sampled(evidence)
    for k, b in enumerate(parameters.blocks):
        mine = b.holds(entries.coordinates)
        known = mine & np.isfinite(entries.estimate.error)
        distance = np.abs(entries.analytic[known] - entries.estimate.value[known])
        together = evidence.arrays[k] if evidence.arrays and evidence.arrays[k].tested else None
        # What passes as a subgradient has no derivative: its slopes say nothing of what would have been seen.
        detectable = seen[known & ~entries.judgement.subgradient].tolist()
        if together is not None:
            # Entries that were found to be within the tolerance are left out of the directions after that.
            detectable += [together.detectable, tolerance.rtol]
        borne_out = [r for r in evidence.regions if r.block == b and r.borne_out is not None]
        told = [r for r in samples if r.block == b]
        rows.append(
            ArraySummary(
                b.name,
                b.shape,
                int(known.sum()) if together is None else b.size - together.fixed,
                _wrong(evidence, b, borne_out),
                int((mine & entries.judgement.inconclusive).sum()),
                largest(distance),
                largest(entries.estimate.error[known]),
                largest(detectable),
                _wrong(evidence, b, borne_out + told) if told else 0,
            )
        )
    return tuple(rows)


def _certainly_seen(entries: Entries, tolerance: Tolerance) -> Any:
    """The smallest relative mistake of each entry that does not pass, wherever in its 3 E the true value lies.

    It is called wrong from 6 E + tau on; and what is verified is off by less than the resolution, see `visible`.
    """
    judged, scale = entries.judgement, entries.judgement.scale
    bar, hidden = 3.0 * entries.estimate.error, tolerance.hidden
    asked = judged.verified & (judged.allowed - bar <= tolerance.resolution * scale + hidden)
    with np.errstate(divide="ignore", invalid="ignore"):
        sure, most = (judged.allowed + bar) / scale, tolerance.resolution + 2.0 * hidden / scale
        return np.where(scale > 0, np.where(asked, np.minimum(sure, most), sure), np.inf)


def _wrong(evidence: Evidence, block: Block, parts: list[Region]) -> int:
    """How many entries of an array are wrong: all of some parts of it, each once, and those judged elsewhere."""
    judged = evidence.entries
    outside = judged.judgement.wrong & block.holds(judged.coordinates)
    for region in parts:
        outside &= ~inside(judged, region)
    size = sum(region.size for region in parts)
    if len(parts) > 1:
        every = np.zeros(block.size, bool)
        for region in parts:
            every[flat_indices(block, region.box) - block.start] = True
        size = min(size, int(every.sum()))
    return size + int(outside.sum())


def sampled(evidence: Evidence) -> list[Region]:
    """The parts that are wrong throughout as far as a sample tells, and nothing else."""
    return [
        r
        for r in evidence.regions
        if r.throughout and r.borne_out is None and int(inside(evidence.entries, r).sum()) < r.size
    ]


def inside(judged: Entries, region: Region) -> Mask:
    """Which of the judged entries lie in a region."""
    inside = region.block.holds(judged.coordinates)
    inside[inside] = in_box(region.block, region.box, judged.coordinates[inside])
    return inside


def relative_errors(evidence: Entries) -> Flat:
    """How far each judged entry of a known size is off, in units of it."""
    known = np.isfinite(evidence.estimate.error) & (evidence.judgement.scale > 0)
    distance = np.abs(evidence.analytic[known] - evidence.estimate.value[known])
    return np.asarray(distance / evidence.judgement.scale[known])


def largest(values: Any) -> float:
    """The largest of some numbers; nan where there are none."""
    return float(np.max(values)) if np.size(values) else float("nan")
