"""What was found of a derivative under test: entries one by one, whole arrays along directions, parts."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.results.certificate import ArrayEvidence, Region
from gradcheck.results.entries import Entries


@dataclass(frozen=True)
class Evidence:
    """The evidence of a check.

    entries : those that were judged one by one: all, or suspects, samples of regions and what directions cannot move.
    arrays : one ArrayEvidence a parameter array, of its other entries; none where all were judged.
    """

    entries: Entries
    arrays: tuple[ArrayEvidence, ...] = ()
    regions: tuple[Region, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether it ended before its time."""
        return self.entries.interrupted

    def certified(self, array: ArrayEvidence, resolution: float) -> bool:
        """Whether directions bound what is not accepted of an array's error, or each free entry was judged."""
        if array.certificate is not None:
            return array.certificate.left <= resolution
        judged = array.block.holds(self.entries.coordinates).sum()
        return int(judged) == array.block.size - array.fixed
