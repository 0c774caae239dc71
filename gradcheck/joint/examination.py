"""The examination of a gradient by joint directions: a certificate of all arrays, or the places of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.function.matrix import Dense, one_row
from gradcheck.joint.alone import judge_alone
from gradcheck.joint.array_evidence import array_evidence, residual_of
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places
from gradcheck.joint.silent import silent_entries, stays
from gradcheck.joint.structured import Part, common_factor, grown, striped, suspected_parts, zeros
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import TOWERING
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.boxes import Box, flat_indices, hull, whole_box
from gradcheck.parameters.tree import Block
from gradcheck.results.certificate import ArrayEvidence, Region, Survey
from gradcheck.results.evidence import Evidence, latest, none_judged
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate

__all__ = ["examine_jointly"]

# Searches, each of which may show what larger errors hid from the one before.
SEARCHES = 12
# Entries of a part with a common factor that are judged by themselves, so that the report has numbers; all of a part of
# few.
SAMPLES, FEW = 4, 6
# Fresh directions where one exceeds its bars and a second look along it does not bear that out.
FRESH = 2
# Entries of a part without a common factor that are sampled, those first that tell; of at least this part of its root
# mean square, where there are enough.
SAMPLED, TOLD, SIZEABLE = 6, 2, 1e-2
# Several wrong entries that lie within such a part of an array tell the box that they fill; others may be all of it, or
# some rows or columns.
SEVERAL, SPREAD = 4, 0.25
# A claim that is off by no more than this part of what it says along a direction tells how steep f is.
BORNE_OUT = 0.1
# A search ends that takes more than this part of what judging every entry does, or so many evaluations.
WORTHWHILE, MOST_SEARCHED = 3, 10_000


def examine_jointly(
    problem: Problem,
    setting_of: Callable[[Direction, float | None, Flat | None], Setting],
    probed: Callable[[], Setting | None],
    *,
    confidence: float,
    rng: np.random.Generator,
    search: bool,
) -> tuple[Setting | None, Survey | None, bool]:
    """Certify a gradient (a matrix of one row) by joint directions, or locate what is wrong in it.

    setting_of : what is known for other ways from what the first direction shows of f's noise; and a `gradient_scale`.
    probed : the same from a probe of the noise near x, before entries are accused; None where nothing can be measured.
    search : whether what is wrong is looked for; otherwise that something is wrong settles nothing.
    Returns what is known of the noise of f, None where the first direction does not tell it; what was found, None where
    joint directions do not settle it; and whether the complex step says then that something is wrong.
    """
    examination = _Examination(problem, setting_of, probed, confidence, rng, search)
    survey = examination.run()
    return examination.setting, survey, examination.accused


@dataclass
class _Examination:
    problem: Problem
    setting_of: Callable[[Direction, float | None, Flat | None], Setting]
    probed: Callable[[], Setting | None]
    confidence: float
    rng: np.random.Generator
    search: bool

    def __post_init__(self) -> None:
        self.analytic: Flat = one_row(self.problem.matrix)
        self.still: Mask = np.zeros(self.problem.x.size, bool)
        self.setting: Setting | None = None
        self.judged: list[Evidence] = []
        self.regions: list[Region] = []
        # What arrays are divided by in the claim that is certified: a factor within the tolerance.
        self.factors: dict[str, float] = {}
        self.exact = True
        self.accused = False
        # Whether a search ended before its time.
        self.spent = False
        # Whether what is wrong fills a part of an array: other ways name that with fewer evaluations.
        self.dense = False
        # Whether entries are open that a direction accuses and their own bars cannot clear.
        self.disputed = False

    def run(self) -> Survey | None:
        """Directions; where something exceeds the bars the search, and other directions for what is left."""
        delta = 1.0 - self.confidence
        joint: Joint | None = None
        test: JointTest | None = None
        for attempt in range(1, SEARCHES + 1):
            scaling = scaling_of(self.problem, self.still)
            # Where nothing was found wrong something else about f was: it is looked at anew.
            before = test if joint is not None and joint.wrong[0] else None
            test = JointTest(
                self.problem,
                scaling,
                self.rng,
                delta / (attempt * (attempt + 1)),
                exact=self.exact,
                before=before,
            )
            del before
            joint = None  # with its tangent
            joint = test.run()
            self.exact = test.exact and test.first is not None
            if self.setting is None and self._tells(test, joint):
                assert test.first is not None
                self.setting = self.setting_of(test.first, test.level, scaling.rms if self.search else None)
            if joint.certified[0]:
                break
            if joint.wrong[0]:
                self.accused = joint.directions[-1].exact
                self.setting = self.setting or self._probed(scaling)
                if self.setting is None:
                    return None
            if self.search and attempt <= FRESH and not joint.wrong[0] and test.exceeded:
                # Something stood out and did not hold at another step: another direction may tell.
                continue
            if not (self.search and joint.wrong[0]) or not self._search(test, joint.directions[-1]):
                break
            if self.spent:
                break
        assert joint is not None
        assert test is not None
        settled = bool(joint.certified[0])
        if (settled or test.along.moved == 0) and not self._stays(scaling):
            return None
        decided = self.disputed or any(part.judgement.wrong.any() for part in self.judged)
        if self.dense or (not settled and not decided):
            if test.first is not None and self._towering(test.first, scaling):
                self.setting = None
            return None
        # A later direction may settle everything where the first left the noise unknown.
        self.setting = self.setting or self._probed(scaling)
        if self.setting is None:
            return None
        self._judge_the_immovable(scaling)
        return self._survey(joint, scaling if settled else None)

    def _stays(self, scaling: Scaling) -> bool:
        """Whether f stays where only arrays move that are claimed to do nothing, but for those that are named."""
        delta = (1.0 - self.confidence) / (SEARCHES * (SEARCHES + 1))
        for share in (1.0, 0.5) if np.count_nonzero(scaling.nothing) else ():
            silent = silent_entries(self.problem, scaling, self.still)
            if stays(self.problem, scaling, silent, self.rng, share * delta):
                return True
            self.setting = self.setting or self._probed(scaling)
            if not self.search or self.setting is None or not self._missing(silent):
                return False
        return not np.count_nonzero(scaling.nothing)

    def _towering(self, first: Direction, scaling: Scaling) -> bool:
        """Whether values tower above f(x) where x has entries that are 0: their rounding is not f's far nearer to x."""
        at_zero = (self.problem.x == 0) & (scaling.lengths > 0)
        if first.fit is None or not at_zero.any():
            return False
        return bool(first.fit.size[0] > TOWERING * abs(float(self.problem.f_x[0])))

    def _tells(self, test: JointTest, joint: Joint) -> bool:
        """Whether the first direction shows f's noise, and the claim its slope."""
        if test.first is None or (test.level is None and np.count_nonzero(test.unsettled)):
            return False
        if not np.count_nonzero(joint.wrong):
            return True
        return self.search and bool((test.first.off <= BORNE_OUT * test.first.weight).all())

    def _probed(self, scaling: Scaling) -> Setting | None:
        setting = self.probed()
        if setting is None or not self.search:
            return setting
        return replace(setting, gradient_scale=scaling.rms)

    def judge(self, entries: Index) -> Evidence:
        """One by one, and kept; an interruption is one of everything."""
        assert self.setting is not None
        evidence = judge_alone(self.problem, self.setting, self.analytic, np.sort(entries), exact=self.exact)
        self.judged.append(evidence)
        if evidence.interrupted:
            raise KeyboardInterrupt
        return evidence

    def _search(self, test: JointTest, direction: Direction) -> bool:
        """Find what is wrong; whether that explains anything."""
        if self._explained_by_a_factor(test, direction):
            return True

        def judge(column: int, _: Index) -> Evidence:
            return self.judge(np.array([column]))

        budget = min(WORTHWHILE * self.still.size, MOST_SEARCHED)
        found = find_places(test, direction, np.ones(1, bool), judge, self._around, self.rng, budget)
        if found.dense:
            self.still[[*found.wrong, *found.right]] = True
            self.dense = not self._spread(test, direction, found.wrong)
            return not self.dense
        if found.spent:
            self._leave_the_rest(found.wrong)
        # What independent errors within the tolerance explain accuses none of them.
        if not found.wrong and not residual_of(self.problem, direction, 0.0).accepted:
            self._leave_open(found.right)
        self.still[[*found.wrong, *found.right]] = True
        return bool(found.wrong or found.right)

    def _around(self, entries: list[int]) -> Index:
        """All entries of the smallest box of each array that holds these."""
        inside = [np.empty(0, np.intp)]
        for block in self.problem.parameters.blocks:
            mine = [k for k in entries if block.start <= k < block.stop]
            if len(mine) > 1:
                inside.append(flat_indices(block, hull(block, mine)))
        return np.concatenate(inside)

    def _leave_open(self, entries: list[int]) -> None:
        """Where no entry is wrong although a direction says so, those with bars too crude to clear them are open."""
        for k, part in enumerate(self.judged):
            bar = 3.0 * np.where(np.isfinite(part.estimate.error), part.estimate.error, 0.0)
            crude = np.abs(part.analytic - part.estimate.value) + bar > 2.0 * (part.judgement.allowed - bar)
            open_ = np.isin(part.coordinates, entries) & part.judgement.verified & crude
            self.disputed |= bool(open_.any())
            limit = part.estimate.limit.copy()
            limit[open_] = Limit.DISPUTED if self.exact else Limit.NOISE
            judgement = replace(
                part.judgement,
                verified=part.judgement.verified & ~open_,
                inconclusive=part.judgement.inconclusive | open_,
            )
            self.judged[k] = replace(part, estimate=replace(part.estimate, limit=limit), judgement=judgement)

    def _explained_by_a_factor(self, test: JointTest, direction: Direction) -> bool:
        """Everything, an array, a row or a column by one factor: taken out of the claim, if the rest is right."""
        part = None
        for part, alpha in suspected_parts(test, direction, self.rng):
            if part.single:
                return self._single(part)
            if alpha is not None and self._taken_out(test, part, alpha):
                return True
        inside = direction.tangent != 0 if part is None else part.inside
        empty = zeros(test, direction, inside)
        if empty is not None:
            return self._set_aside(empty)
        # Of several arrays each has mistakes of its own.
        return part is not None and len(part.boxes) == 1 and self._set_aside(part)

    def _leave_the_rest(self, wrong: list[int]) -> None:
        """A search ended before its time: something else is wrong in the arrays of these entries."""
        self.spent = True
        for block in self.problem.parameters.blocks:
            if any(block.start <= k < block.stop for k in wrong):
                self.regions.append(Region(block, whole_box(block), False))

    def _spread(self, test: JointTest, direction: Direction, wrong: list[int]) -> bool:
        """Whether arrays that hold some of these wrong entries are named as wrong, or a part of each of them is."""
        named = False
        for block in self.problem.parameters.blocks:
            mine = [k for k in wrong if block.start <= k < block.stop]
            if not mine:
                continue
            box = hull(block, mine)
            if len(mine) >= SEVERAL and box.size < SPREAD * block.size:
                named |= self._named(test, direction, grown(test, direction, block, box))
                continue
            if self._set_aside(Part.of(self.still.size, [(block, whole_box(block))]), dense=True):
                named = True
                continue
            part, alpha = (len(mine) >= SEVERAL and striped(test, direction, block)) or (None, None)
            if part is not None:
                factor = alpha is not None and self._taken_out(test, part, alpha)
                named |= factor or self._set_aside(part)
        return named

    def _named(self, test: JointTest, direction: Direction, part: Part) -> bool:
        """Whether a part is off by one factor, or wrong throughout as far as a sample tells."""
        alpha = common_factor(test, direction, part.inside & (direction.tangent != 0), self.rng)
        return (alpha is not None and self._taken_out(test, part, alpha)) or self._set_aside(part)

    def _set_aside(self, part: Part, *, dense: bool = False) -> bool:
        """Whether something is wrong in a part; where most of a sample is, all of it is said to be, and stays still.

        Of a part that is claimed to be 0 half a sample says so: what is 0 of the rest is right.
        """
        inside = np.flatnonzero(part.inside & ~self.still)
        size = np.abs(self.analytic[inside])
        sizeable = inside[size > SIZEABLE * root_mean_square(size)]
        missing = not size.any()
        # Where half of an array is wrong six of it are by chance in one of 64 cases, twelve in one of 4,096.
        count = 2 * SAMPLED if dense else SAMPLED
        candidates = sizeable if sizeable.size >= count else inside
        # What is wrong with a whole array, and of no common factor, is most often a few entries.
        if candidates.size < count or (part.whole and not (missing or dense)):
            return False
        sample = self.rng.choice(candidates, count, replace=False)
        wrong = self._wrong_of(sample[:TOLD])
        if wrong == TOLD or (wrong and missing):
            wrong += self._wrong_of(sample[TOLD:])
        if wrong < (count / 2 if missing else count):
            return wrong > 0
        share = wrong / count
        for block, box in part.boxes:
            held = round(share * int(part.inside[flat_indices(block, box)].sum()))
            self.regions.append(Region(block, box, True, None if held == box.size else held))
        self.still[inside] = True
        return True

    def _wrong_of(self, entries: Index) -> int:
        """How many of some entries are wrong; all of them are judged."""
        self.still[entries] = True
        return int(self.judge(entries).judgement.wrong.sum())

    def _missing(self, silent: Mask) -> bool:
        """Whether arrays that are claimed to do nothing are seen to do something by a sample of theirs."""
        named = False
        for block in self.problem.parameters.blocks:
            if silent[block.slice].any():
                named |= self._set_aside(Part.of(silent.size, [(block, whole_box(block))]))
        return named

    def _single(self, part: Part) -> bool:
        at = np.flatnonzero(part.inside)
        evidence = self.judge(at)
        self.still[at] = True
        return bool(evidence.judgement.wrong.any())

    def _taken_out(self, test: JointTest, part: Part, alpha: float) -> bool:
        """Whether the claim with this part divided by its factor passes along a fresh direction; then it is the claim.

        Some entries of the part are judged by themselves; where they are right after all the factor is within the
        tolerance, and nothing is wrong there.
        """
        if alpha == 1.0:
            return False  # f does not move at all: that is no factor of a claim
        corrected = np.where(part.inside, self.analytic * (1.0 - alpha), self.analytic)
        problem = replace(self.problem, matrix=Dense(corrected[None, :]))
        if problem.objective.remaining < 2 * len(EIGHT):
            return False
        scaling = scaling_of(problem, self.still)
        fresh = JointTest(
            problem, scaling, self.rng, test.delta * test.rows, exact=self.exact, before=test
        ).begin()
        if fresh is None or fresh.exceeds.any():
            return False
        inside = np.flatnonzero(part.inside & ~self.still)
        count = inside.size if inside.size <= FEW else SAMPLES
        samples = inside[np.argsort(-np.abs(self.analytic[inside]), kind="stable")[:count]]
        evidence = self.judge(samples)
        self.still[samples] = True
        self.problem = problem
        if evidence.judgement.wrong.any():
            self.regions += [self._filled(block, box) for block, box in part.boxes]
        else:
            self.factors |= {block.name: 1.0 / (1.0 - alpha) for block, _ in part.boxes}
        return True

    def _filled(self, block: Block, box: Box) -> Region:
        """A part that is off by a factor, which 0 is not."""
        claimed = int(np.count_nonzero(self.analytic[flat_indices(block, box)]))
        return Region(block, box, True, None if claimed == box.size else claimed)

    def _judge_the_immovable(self, scaling: Scaling) -> None:
        """Entries that bounds hold nearly still, each by itself."""
        room = self.problem.room
        if room is None:
            return
        held = (scaling.lengths == 0) & ~self.still & (room[0] + room[1] > 0)
        for block, nothing in zip(self.problem.parameters.blocks, scaling.nothing, strict=True):
            if nothing:
                held[block.slice] &= (np.minimum(*room) < 0.1 * self.problem.scales)[block.slice]
        if held.any():
            self.exact = False  # real points beside x may lie beyond the bounds
            self.judge(np.flatnonzero(held))
            self.still |= held

    def _survey(self, joint: Joint, scaling: Scaling | None) -> Survey:
        assert self.setting is not None
        if not self.judged:
            self.judged.append(none_judged(self.problem.x.dtype))
        judged = concatenate(self.judged)
        arrays = []
        for k, block in enumerate(self.problem.parameters.blocks):
            if scaling is None or np.count_nonzero(self.still[block.slice]) == block.size:
                arrays.append(ArrayEvidence(block, (), None))
                continue
            named = any(region.block is block and region.box.size == block.size for region in self.regions)
            factor = self.factors.get(block.name)
            certified = None if named else (judged, factor, self.confidence)
            arrays.append(array_evidence(self.problem, joint, scaling, k, certified))
        return Survey(tuple(arrays), latest(judged), tuple(self.regions))
