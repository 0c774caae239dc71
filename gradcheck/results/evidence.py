"""Judged entries of a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.results.estimate import Estimate, join, unmeasured
from gradcheck.results.verdict import Judgement


@dataclass(frozen=True)
class Evidence:
    """Analytic and numerical derivatives at some coordinates, and what was decided; all arrays are (m,).

    order : the power of the step as which truncation grows, 4 for stencils and 2 for plain central differences.
    """

    coordinates: Index
    analytic: Flat
    estimate: Estimate
    judgement: Judgement
    interrupted: bool = False
    order: int = 4

    @property
    def wrong(self) -> Index:
        """The flat indices of the wrong entries."""
        return self.coordinates[self.judgement.wrong]


@dataclass(frozen=True)
class Doubts:
    """Entries (k,) that differences of other steps accuse: `apart`, if one of them alone were wrong.

    coordinates : flat indices. steps : at which it was seen, in units of x. exact : seen by the complex step.
    """

    coordinates: Index
    steps: Flat
    apart: Flat
    exact: bool = False

    def beyond(self, noise: float) -> Doubts:
        """Those that this noise of one value of f does not explain."""
        return self._some(self.apart > 3.0 * noise / self.steps)

    def about(self, coordinates: Sequence[int]) -> Doubts:
        """Those about some entries."""
        return self._some(np.isin(self.coordinates, coordinates))

    def _some(self, rows: NDArray[np.bool_]) -> Doubts:
        return Doubts(self.coordinates[rows], self.steps[rows], self.apart[rows], self.exact)


NO_DOUBTS = Doubts(np.empty(0, np.intp), np.empty(0), np.empty(0))


def _put(array: NDArray[Any], rows: Index, values: Any) -> NDArray[Any]:
    """A copy of an array with other values in some rows."""
    copy = array.copy()
    copy[rows] = values
    return copy


def none_judged(dtype: np.dtype[Any]) -> Evidence:
    """No entries."""
    no, nothing = np.zeros(0, bool), np.zeros(0)
    judgement = Judgement(no, no, no, no, nothing, nothing)
    return Evidence(np.empty(0, np.intp), np.zeros(0, dtype), unmeasured(0, dtype), judgement)


def merge(parts: Sequence[Evidence]) -> Evidence:
    """Several pieces of evidence as one, each judged as it was."""
    judged = [part.judgement for part in parts]
    joined = {f.name: np.concatenate([getattr(j, f.name) for j in judged]) for f in fields(Judgement)}
    return Evidence(
        np.concatenate([part.coordinates for part in parts]),
        np.concatenate([part.analytic for part in parts]),
        join([part.estimate for part in parts]),
        Judgement(**joined),
        any(part.interrupted for part in parts),
    )


def take(evidence: Evidence, rows: Index) -> Evidence:
    """Some rows of it."""
    found = {f.name: getattr(evidence.estimate, f.name)[rows] for f in fields(Estimate) if f.name != "nfev"}
    judged = {f.name: getattr(evidence.judgement, f.name)[rows] for f in fields(Judgement)}
    return Evidence(
        evidence.coordinates[rows],
        evidence.analytic[rows],
        Estimate(**found, nfev=evidence.estimate.nfev),
        Judgement(**judged),
        evidence.interrupted,
    )


@dataclass(frozen=True)
class Entries:
    """Entries of a Jacobian that were measured and judged; all arrays are (L,)."""

    rows: Index
    columns: Index
    analytic: Flat
    estimate: Estimate
    judgement: Judgement

    @property
    def wrong(self) -> Index:
        """Positions of the wrong ones."""
        return np.flatnonzero(self.judgement.wrong)


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
