"""What was measured, entry by entry and direction by direction: what a figure needs and a report does not say."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.parameters.tree import Block
from gradcheck.results.certificate import Region, Residual
from gradcheck.results.evidence import Evidence

__all__ = ["Measurements"]


@dataclass(frozen=True, eq=False)
class Measurements:
    """The arrays that stand behind a report.

    blocks : the parameter arrays. entries : those judged one by one, with their estimates.
    residuals : (name of the array, what one random direction of it showed). regions : what was not taken apart.
    """

    blocks: tuple[Block, ...]
    entries: Evidence
    residuals: tuple[tuple[str, Residual], ...] = ()
    regions: tuple[Region, ...] = ()
