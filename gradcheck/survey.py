"""Evidence for many parameters: directions for every array, and a search where they find something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.directions import (
    ArrayEvidence,
    Residual,
    Tangents,
    certify,
    complex_residuals,
    residuals_along,
)
from gradcheck.locate import Box, flat_indices, locate
from gradcheck.parameters import Block, Flat
from gradcheck.sweep import Evidence, Setting, merge, sweep

__all__ = ["Region", "Survey", "survey"]

# Directions an array: with six, a confidence of 1 - 1e-6 costs a factor 10 in the bound; more where that is too much.
FIRST, STEP, MOST = 6, 2, 24
# Sampled entries of a region that are judged one by one.
JUDGED = 4
# Searches of one array: what a first tangent hid behind larger errors, a second shows.
SEARCHES = 3
# Entries with less room between their bounds than this part of their scale are swept instead.
NARROW = 0.1


@dataclass(frozen=True)
class Region:
    """A part of an array that holds something wrong and was not taken apart.

    throughout : most sampled entries of it were wrong; otherwise the search ended before it could name the entries.
    """

    block: Block
    box: Box
    throughout: bool

    def __str__(self) -> str:
        return self.box.words(self.block)


@dataclass(frozen=True)
class Survey:
    """arrays : one ArrayEvidence a parameter array, of the entries not judged one by one.

    judged : suspects, samples of regions and entries that directions cannot move, each judged by itself.
    """

    arrays: tuple[ArrayEvidence, ...]
    judged: Evidence
    regions: tuple[Region, ...]
    interrupted: bool = False


def survey(
    setting: Setting, analytic: Flat, *, confidence: float, rng: np.random.Generator, location_budget: int
) -> Survey:
    """Test every array with random directions; locate and judge what is wrong; certify the rest.

    confidence : of all certificates together. location_budget : evaluations of f for one search.
    """
    each = 1.0 - (1.0 - confidence) / len(setting.parameters.blocks)
    examiner = _Examiner(setting, analytic, each, rng, location_budget)
    arrays: list[ArrayEvidence] = []
    interrupted = False
    try:
        examiner.judge_the_immovable()
        for block in setting.parameters.blocks:
            arrays.append(examiner.examine(block))
    except KeyboardInterrupt:
        interrupted = True
    arrays += [ArrayEvidence(b, (), None) for b in setting.parameters.blocks[len(arrays) :]]
    judged = merge(examiner.judged)
    return Survey(tuple(arrays), judged, tuple(examiner.regions), interrupted or judged.interrupted)


class _Examiner:
    """The examination of one gradient; keeps what was judged one by one, and what directions no longer move."""

    def __init__(
        self, setting: Setting, analytic: Flat, confidence: float, rng: np.random.Generator, budget: int
    ) -> None:
        size = np.concatenate([np.full(b.size, _rms(analytic[b.slice])) for b in setting.parameters.blocks])
        self.setting = replace(setting, gradient_scale=size)
        self.given, self.confidence, self.rng, self.budget = analytic, confidence, rng, budget
        self.still = ~np.isfinite(analytic)
        self.analytic = np.where(self.still, 0.0, analytic)
        self.regions: list[Region] = []
        self.judged = [self.judge([])]

    def judge(self, entries: Sequence[int]) -> Evidence:
        return sweep(self.setting, self.given, np.array(sorted(entries), np.intp))

    def judge_the_immovable(self) -> None:
        """Entries that are not finite (some of them), and those that bounds hold nearly still."""
        single = np.flatnonzero(self.still)[:16].tolist()
        if self.setting.room is not None:
            left, right = self.setting.room
            narrow = (np.minimum(left, right) < NARROW * self.setting.scales) & ~self.still
            self.still |= narrow
            single += np.flatnonzero(narrow & (left + right > 0)).tolist()
        self.judged.append(self.judge(single))

    def examine(self, block: Block) -> ArrayEvidence:
        """One direction; where it is loud the search, and another direction for what is left; then the rest."""
        for _ in range(SEARCHES):
            if self.still[block.slice].all():
                return ArrayEvidence(block, (), None)
            still = np.flatnonzero(self.still[block.slice]) + block.start
            tangents = Tangents(self.setting, self.analytic, block, self._seeds(1), still)
            (first,) = residuals_along(self.setting, self.analytic, tangents)
            if not first.loud:
                return self._certified(block, tangents, first)
            if not self._search(block, tangents[0], first):
                break
        if first.accepted(self.setting.tolerance.rtol):
            return self._certified(block, tangents, first)
        return ArrayEvidence(block, (first,), None)

    def _search(self, block: Block, tangent: Flat, residual: Residual) -> bool:
        """Locate and judge; whether something was found that later directions should leave out."""
        found = locate(
            self.setting, self.analytic, block, tangent, residual, budget=self.budget, generator=self.rng
        )
        samples = [entry for _, entries in found.dense for entry in entries[:JUDGED]]
        evidence = self.judge([*found.suspects, *samples])
        self.judged.append(evidence)
        wrong = set(evidence.wrong.tolist())
        accused = False
        for entry in found.suspects:
            self.still[entry] = True
            accused |= entry in wrong
        for box, entries in found.dense:
            # A region whose samples are right within rtol differs a little throughout: that is not wrong.
            if wrong.intersection(entries):
                self._set_aside(block, box, throughout=True)
                accused = True
        for box in found.open:
            self._set_aside(block, box, throughout=False)
        return accused or bool(found.open)

    def _set_aside(self, block: Block, box: Box, *, throughout: bool) -> None:
        self.still[flat_indices(block, box)] = True
        self.regions.append(Region(block, box, throughout))

    def _certified(self, block: Block, tangents: Tangents, first: Residual) -> ArrayEvidence:
        """As many directions as make the bound meet the resolution; by the complex step where it serves."""
        residuals: tuple[Residual, ...] = (first,)
        witness = complex_residuals(self.setting, self.analytic, tangents, first)
        while len(residuals) < MOST:
            more = tangents.only(
                self._seeds(min(STEP, MOST - len(residuals)) if len(residuals) > 1 else FIRST - 1)
            )
            by_complex = complex_residuals(self.setting, self.analytic, more, None) if witness else None
            if by_complex is None and self.setting.objective.remaining < 6 * len(more):
                break
            found = by_complex or residuals_along(self.setting, self.analytic, more, first.step)
            residuals = (*(witness if by_complex and len(residuals) == 1 and witness else residuals), *found)
            certificate = certify(self.setting, self.analytic, block, residuals, self.confidence)
            if certificate is not None and certificate.relative_to_rms <= self.setting.tolerance.resolution:
                break
        return ArrayEvidence(
            block, residuals, certify(self.setting, self.analytic, block, residuals, self.confidence)
        )

    def _seeds(self, count: int) -> list[int]:
        return [int(seed) for seed in self.rng.integers(2**62, size=count)]


def _rms(values: Flat) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
