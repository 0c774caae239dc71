"""Judged entries of a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.results.estimate import Estimate, unmeasured
from gradcheck.results.table import rows
from gradcheck.results.verdict import Judgement


@dataclass(frozen=True)
class Evidence:
    """Analytic and numerical derivatives of some entries, and what was decided; all arrays are (k,).

    coordinates : flat indices into the matrix J (m, n), row by row; of a gradient those of x.
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


def latest(evidence: Evidence) -> Evidence:
    """Each entry once, as it was judged last."""
    _, last = np.unique(evidence.coordinates[::-1], return_index=True)
    size = evidence.coordinates.size
    return evidence if last.size == size else rows(evidence, np.sort(size - 1 - last))


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


def none_judged(dtype: np.dtype[Any]) -> Evidence:
    """No entries."""
    no, nothing = np.zeros(0, bool), np.zeros(0)
    judgement = Judgement(no, no, no, no, nothing, nothing)
    return Evidence(np.empty(0, np.intp), np.zeros(0, dtype), unmeasured(0, dtype), judgement)
