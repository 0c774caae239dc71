"""The entries of a Jacobian as one flat vector: their names, and judged entries as evidence."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.contract import output_name
from gradcheck.lines import Entries
from gradcheck.parameters import Block, Parameters
from gradcheck.preflight import Finding
from gradcheck.sweep import Evidence, join
from gradcheck.verdict import Judgement

__all__ = ["JacobianNames", "as_evidence", "jacobian_names", "listed", "part_of", "runs", "take"]

Index = NDArray[np.intp]

# Wrong entries that are listed; where there are more, the worst of them and a note.
LISTED = 1000


@dataclass(frozen=True)
class JacobianNames(Parameters):
    """The entries of J (m, n) as one flat vector, with their names."""

    outputs: tuple[int, ...] = ()
    columns: Parameters | None = None

    def name(self, flat_index: int) -> str:
        """`J[3, 7]`, with the names of row and column where they are not `f[3]` and `x[7]`."""
        n = self.blocks[0].shape[1]
        i, j = divmod(flat_index, n)
        assert self.columns is not None
        symmetric = self.blocks[0].name == "H"
        row = self.columns.name(i) if symmetric else output_name(self.outputs, i)
        column = self.columns.name(j)
        plain = row in (f"f[{i}]", f"x[{i}]", "f") and column == f"x[{j}]"
        place = self.blocks[0].name + f"[{i}, {j}]"
        return place if plain else f"{place} ({row}, {column})"


def jacobian_names(outputs: tuple[int, ...], parameters: Parameters, symbol: str = "J") -> JacobianNames:
    """Names for the Jacobian of a function with outputs of this shape."""
    m, n = int(np.prod(outputs, dtype=np.int64)), parameters.size
    double = np.dtype(np.float64)
    return JacobianNames(
        (Block(symbol, (m, n), double, 0, m * n, double),), (), lambda v: v[0], outputs, parameters
    )


def as_evidence(parts: list[Entries], names: JacobianNames) -> Evidence:
    """Judged entries as evidence about the flat vector of J; each entry once, as it was judged last."""
    n = names.blocks[0].shape[1]
    judged = {
        f.name: np.concatenate([getattr(p.judgement, f.name) for p in parts]) for f in fields(Judgement)
    }
    places = np.concatenate([p.rows.astype(np.int64) * n + p.columns for p in parts])
    everything = Evidence(
        places,
        np.concatenate([p.analytic for p in parts]),
        join([p.estimate for p in parts]),
        Judgement(**judged),
    )
    _, last = np.unique(places[::-1], return_index=True)
    return everything if last.size == places.size else take(everything, np.sort(places.size - 1 - last))


def take(evidence: Evidence, at: Index) -> Evidence:
    """Some of the evidence."""
    estimate = evidence.estimate
    parts = {f.name: getattr(estimate, f.name)[at] for f in fields(estimate) if f.name != "nfev"}
    judgement = Judgement(**{f.name: getattr(evidence.judgement, f.name)[at] for f in fields(Judgement)})
    return replace(
        evidence, coordinates=evidence.coordinates[at], analytic=evidence.analytic[at],
        estimate=replace(estimate, **parts), judgement=judgement,
    )  # fmt: skip


def listed(evidence: Evidence, wrong: int) -> tuple[Evidence, list[Finding]]:
    """The evidence with the worst of its wrong entries, where they are too many to list."""
    if wrong <= LISTED:
        return evidence, []
    excess = np.abs(evidence.analytic - evidence.estimate.value) / evidence.judgement.allowed
    excess = np.where(evidence.judgement.wrong, np.nan_to_num(excess, nan=np.inf), -1.0)
    dropped = np.argsort(-excess, kind="stable")[LISTED:wrong]
    keep = np.ones(excess.size, bool)
    keep[dropped] = False
    text = f"{wrong:,} of {excess.size:,} entries are wrong; the worst {LISTED:,} are listed"
    return take(evidence, np.flatnonzero(keep)), [Finding(text)]


def runs(numbers: set[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as half-open ranges."""
    out: list[tuple[int, int]] = []
    for k in sorted(numbers):
        if out and out[-1][1] == k:
            out[-1] = (out[-1][0], k + 1)
        else:
            out.append((k, k + 1))
    return out


def part_of(entries: Entries, at: Index) -> Entries:
    """Some of the judged entries."""
    estimate = replace(
        entries.estimate,
        **{
            f.name: getattr(entries.estimate, f.name)[at]
            for f in fields(entries.estimate)
            if f.name != "nfev"
        },
    )
    judgement = Judgement(**{f.name: getattr(entries.judgement, f.name)[at] for f in fields(Judgement)})
    return Entries(entries.rows[at], entries.columns[at], entries.analytic[at], estimate, judgement)
