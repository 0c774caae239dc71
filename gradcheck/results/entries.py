"""Judged entries of a derivative."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.results.estimate import Estimate, unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate, rows
from gradcheck.results.verdict import Judgement


@dataclass(frozen=True)
class Entries:
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

    def left_open(self, these: Mask, limit: Limit | None = None) -> Entries:
        """The same, with nothing decided of these (k,); limit : what keeps them open, where not what limited them."""
        said, rest, limits = self.judgement, ~these, self.estimate.limit.copy()
        judgement = replace(
            said, wrong=said.wrong & rest, verified=said.verified & rest, subgradient=said.subgradient & rest
        )
        if limit is not None:
            limits[these] = limit
        return replace(self, judgement=judgement, estimate=replace(self.estimate, limit=limits))


def latest(*parts: Entries) -> Entries:
    """Several looks at entries as one: each entry once, as it was judged last."""
    evidence = concatenate(parts)
    size = evidence.coordinates.size
    if size < 2:
        return evidence
    _, last = np.unique(evidence.coordinates[::-1], return_index=True)
    return evidence if last.size == size else rows(evidence, np.sort(size - 1 - last))


@cache
def none_judged(dtype: np.dtype[Any]) -> Entries:
    """No entries; nobody writes into arrays of none."""
    no, nothing = np.zeros(0, bool), np.zeros(0)
    judgement = Judgement(no, no, no, nothing, nothing)
    return Entries(np.empty(0, np.intp), np.zeros(0, dtype), unmeasured(0, dtype), judgement)
