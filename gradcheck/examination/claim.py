"""A gradient under examination: what is claimed, what was judged of it entry by entry, and what is left to move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.evidence.entries import decide
from gradcheck.examination.silent import silent_entries
from gradcheck.function.matrix import one_row
from gradcheck.joint.alone import judge_alone
from gradcheck.joint.direction import Joint
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import few_lines, flat_indices, hull
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import as_told
from gradcheck.results.outcome import Limit
from gradcheck.results.table import rows

# Small entries that are judged one by one beside a certificate.
SMALL = 40
# Of so many entries in all each is.
FEW = 4


@dataclass
class Claim:
    """The one row that is claimed, and what is known of it so far.

    problem : with the claim as it would be right, as far as that is known. still : (n,) entries that directions leave
    where they are, as they were judged or named. setting : what measuring entries takes, once it is known.
    judged, regions : what was found. factors : what arrays are divided by in the claim of `problem`, where that is
    within the tolerance. exact : whether f may be asked for complex numbers. begun : a test of the claim as it is now,
    whose first direction was taken. tolerant : whether errors within the tolerance are nothing that is wrong. unnamed :
    whether what is wrong fills a part of an array, and was not named. disputed : whether entries are open that a
    direction accuses and their own bars cannot clear. probed : as of `JointTest`. shares : of the chance to be wrong,
    for each test that comes.
    """

    problem: Problem
    rng: np.random.Generator
    still: Mask
    setting: Problem | None = None
    judged: list[Entries] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    factors: dict[str, float] = field(default_factory=dict)
    replaced: Index = field(default_factory=lambda: np.empty(0, np.intp))
    exact: bool = True
    begun: JointTest | None = None
    tolerant: bool = False
    unnamed: bool = False
    disputed: bool = False
    probed: Values | None = None
    shares: Iterator[float] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        self.analytic: Flat = one_row(self.problem.matrix)

    def test_of(self, problem: Problem, still: Mask, before: JointTest | None) -> JointTest:
        """A test of the claim of a problem, with its share of the chance; before : one that tells of f what it may."""
        known = None if before is None else before.known_lengths
        return JointTest(
            problem, scaling_of(problem, still, known), self.rng, next(self.shares),
            exact=self.exact, before=before, tolerant=self.tolerant, probed=self.probed,
        )  # fmt: skip

    def judge(self, entries: Index, off: Flat | None = None) -> Entries:
        """One by one, in order, and kept; they stay still from then on. An interruption is one of everything.

        off : (k,) as of `judge_alone`, for entries in order.
        """
        assert self.setting is not None
        unit = self.problem.unit
        claimed = self.analytic if unit == 1.0 else self.analytic * unit
        evidence = judge_alone(
            self.setting, claimed, np.sort(entries), exact=self.exact, off=None if off is None else off * unit
        )
        self.judged.append(evidence)
        self.still[entries] = True
        if evidence.interrupted:
            raise KeyboardInterrupt
        return evidence

    def judge_column(self, column: int, _: Index, off: Values | None) -> Entries:
        """One of them, as searches for places ask for it."""
        return self.judge(np.array([column]), off)

    def told(self, entries: Index, right: Flat, joint: Joint, lengths: Flat) -> Entries | None:
        """Entries (k,) that are to be others, `right` (k,), as directions tell them that bear out the rest, or None.

        lengths : (n,) how far the directions of `joint` move each entry.
        """
        if not (joint.certified[0] and (lengths[entries] > 0).all()):
            return None
        assert self.setting is not None
        unit = self.problem.unit
        given = self.analytic[entries] * unit
        value, error = right * unit, float(joint.bound[0]) / lengths[entries] * unit / 3.0
        found = as_told(value, error, joint.directions[0].step * lengths[entries])
        return Entries(entries, given, found, decide(self.setting, found, given, entries))

    def judge_the_immovable(self, scaling: Scaling) -> None:
        """Judge entries that bounds hold nearly still."""
        if self.problem.room is None:
            return
        silent = silent_entries(self.problem, scaling, self.still)
        held = (scaling.lengths == 0) & ~self.still & self.problem.free & ~silent
        if held.any():
            self.exact = False  # real points beside x may lie beyond the bounds
            self.judge(np.flatnonzero(held))

    def judge_the_small(self, joint: Joint, scaling: Scaling) -> None:
        """Judge the entries of which directions know only that they are small beside as few others, or fewer.

        Each may be off by all that it is; of up to four in all one that is claimed to be 0, too. What noise hides of
        one is no question: it was bounded as the others were.
        joint, scaling : the last directions, and how far they move each entry.
        """
        if np.count_nonzero(self.analytic) > 2 * SMALL:
            return
        few = self.still.size <= FEW
        claimed = np.abs(self.analytic) * scaling.lengths
        asked = (scaling.lengths > 0) & (few | (claimed > 0))
        small = np.flatnonzero(asked & (claimed < joint.bound[0]) & ~self.still)
        others = np.count_nonzero(asked) - small.size
        if 0 < small.size <= SMALL and (few or others <= small.size) and others:
            told = self.judge(small)
            self.judged[-1] = rows(told, np.flatnonzero(~told.judgement.inconclusive))

    def wrong_in(self, block: Block) -> bool:
        """Whether something in an array was found to be wrong."""
        return any(region.block is block for region in self.regions) or self.entries_wrong_in(block)

    def entries_wrong_in(self, block: Block) -> bool:
        """Whether entries of an array were judged to be wrong."""
        return any(block.holds(part.wrong).any() for part in self.judged)

    def zeros_are_wrong(self, inside: Mask) -> bool:
        """Whether some among these (n,) that are claimed to be 0 were judged to be wrong."""
        return any((inside[part.wrong] & (self.analytic[part.wrong] == 0)).any() for part in self.judged)

    def found_right(self, entries: Index) -> Mask:
        """(k,) which of some entries were judged to be right."""
        right = [part.coordinates[part.judgement.verified] for part in self.judged]
        return np.isin(entries, np.concatenate(right)) if right else np.zeros(entries.size, bool)

    def around(self, entries: list[int]) -> Index:
        """All entries of the few lines of each array that hold these, or of the smallest box."""
        inside = [np.empty(0, np.intp)]
        for block in self.problem.parameters.blocks:
            mine = [k for k in entries if block.start <= k < block.stop]
            if len(mine) > 1:
                inside += [flat_indices(block, box) for box in few_lines(block, mine) or [hull(block, mine)]]
        return np.concatenate(inside)

    def leave_open(self, entries: list[int]) -> bool:
        """Leave judged entries open whose bars are too crude to clear them of what a direction says; whether any is."""
        disputed = False
        for k, part in enumerate(self.judged):
            bar = 3.0 * np.where(np.isfinite(part.estimate.error), part.estimate.error, 0.0)
            crude = np.abs(part.analytic - part.estimate.value) + bar > 2.0 * (part.judgement.allowed - bar)
            # A value between the slopes of a kink is cleared by these, and what directions show there by the kink.
            told = part.judgement.verified & ~part.judgement.subgradient
            open_ = np.isin(part.coordinates, entries) & told & crude
            disputed |= bool(open_.any())
            self.judged[k] = part.left_open(open_, Limit.DISPUTED if self.exact else Limit.NOISE)
        return disputed
