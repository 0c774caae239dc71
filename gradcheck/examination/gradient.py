"""The examination of a gradient by joint directions: a certificate of all arrays, or the places of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradcheck._typing import Flat
from gradcheck.examination.array_evidence import evidence_of
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import give_numbers, missing
from gradcheck.examination.search import search
from gradcheck.examination.silent import moved_alone, silent_entries, stays
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.steps import TOWERING
from gradcheck.results.certificate import shares_of
from gradcheck.results.evidence import Evidence

# Searches, each of which may show what larger errors hid from the one before.
SEARCHES = 12
# The part of the chance that directions of arrays take that are claimed to do nothing, and half of it again.
SILENT = 0.01


def examine_jointly(
    problem: Problem,
    setting_of: Callable[[Direction, float | None, Flat | None], Problem],
    probed: Callable[[], Problem | None],
    *,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Problem | None, Evidence | None, bool]:
    """Certify a gradient (a matrix of one row) by joint directions, or locate what is wrong in it.

    setting_of : what is known for other ways from what the first direction shows of f's noise; and a `gradient_scale`.
    probed : the same from a probe of the noise near x, before entries are accused; None where nothing can be measured.
    Returns what is known of the noise of f, None where the first direction does not tell it; what was found, None where
    joint directions do not settle it; and whether the complex step says then that something is wrong.
    """
    shares = shares_of((1.0 - 2.0 * SILENT) * (1.0 - confidence))
    claim = Claim(problem, rng, np.zeros(problem.x.size, bool), shares=shares)
    examination = _Examination(claim, setting_of, probed, confidence)
    survey = examination.run()
    return claim.setting, survey, examination.accused


def searched(
    claim: Claim, known: Callable[[JointTest, Joint], Problem | None]
) -> tuple[JointTest, Joint] | None:
    """The last test and its directions, after a search for what each one before found wrong; None: no way on.

    known(test, joint) : what measuring entries takes, as far as a test tells it; where something is wrong None is an
    end.
    """
    before: JointTest | None = None
    for _ in range(SEARCHES):
        test = claim.begun or claim.test_of(claim.problem, claim.still, before)
        claim.begun = before = joint = None  # with their tangents
        joint = test.run()
        claim.exact = test.exact and test.first is not None
        left_open = claim.probed is not None and not (joint.certified | joint.wrong)[0]
        if left_open and test.standing_out(joint)[0]:
            assert test.first is not None
            joint = replace(joint, directions=(test.first,), wrong=np.ones(1, bool))
        setting = known(test, joint)
        if not joint.wrong[0]:
            break
        if setting is None:
            return None
        before = test
        if not search(claim, test, joint.directions[-1]):
            break
    assert joint is not None
    return test, joint


@dataclass
class _Examination:
    """The course of an examination.

    accused : whether the complex step says that something is wrong. whole : the scaling of the first test, when all was
    moved.
    """

    claim: Claim
    setting_of: Callable[[Direction, float | None, Flat | None], Problem]
    probed: Callable[[], Problem | None]
    confidence: float
    accused: bool = False
    whole: Scaling | None = None

    def run(self) -> Evidence | None:
        """Directions, what they leave of arrays that are claimed to do nothing, and the evidence of both."""
        claim, tested = self.claim, searched(self.claim, self._known)
        if tested is None:
            return None
        test, joint = tested
        scaling, whole = test.along.scaling, self.whole
        assert whole is not None
        if test.along.moved == 0 and whole is not scaling and self._all_judged(whole):
            # Once all that moves f was judged, a mistake is still measured by what that does.
            scaling = replace(scaling, sizes=whole.sizes)
        settled = bool(joint.certified[0])
        apart: Joint | None = None
        if settled or test.along.moved == 0:
            alone = self._alone(scaling)
            if not stays(alone):
                return None
            apart = alone[1] if alone is not None else None
            if alone is not None and not settled and scaling.nothing.all():
                # Nothing is claimed: these directions are all that there is to look at.
                settled, (test, joint) = True, alone
                scaling = test.along.scaling
                if claim.setting is None and test.first is not None and test.first.fit is not None:
                    claim.setting = self.setting_of(test.first, test.level, scaling.rms)
        if not claim.unnamed:
            give_numbers(claim, joint, scaling)
        decided = claim.disputed or any(part.judgement.wrong.any() for part in claim.judged)
        if claim.unnamed or not (settled or decided):
            if test.first is not None and self._at_zero(scaling) and self._towers(test.first):
                claim.setting = None
            return None
        # Directions may settle everything and leave the noise unknown.
        if self._setting(scaling) is None:
            return None
        claim.judge_the_immovable(scaling)
        if settled and not (decided or claim.regions or np.count_nonzero(test.unsettled)):
            claim.judge_the_small(joint, scaling)
        return evidence_of(claim, joint, scaling if settled else None, self.confidence, alone=apart)

    def _known(self, test: JointTest, joint: Joint) -> Problem | None:
        """What measuring entries takes, where the first direction tells it; before entries are accused, or a probe."""
        claim, scaling, wrong = self.claim, test.along.scaling, joint.wrong[0]
        self.whole = self.whole or scaling
        if claim.setting is None and self._tells(test, wrong):
            assert test.first is not None
            claim.setting = self.setting_of(test.first, test.level, scaling.rms)
        if not wrong:
            return claim.setting
        self.accused = joint.directions[-1].exact
        return self._setting(scaling)

    def _all_judged(self, whole: Scaling) -> bool:
        """Whether nothing is left of any array that was claimed to do something. whole : where everything moves."""
        parts = zip(self.claim.problem.parameters.blocks, whole.nothing, strict=True)
        return all(none or self.claim.still[block.slice].all() for block, none in parts)

    def _setting(self, scaling: Scaling) -> Problem | None:
        """What measuring entries takes: what the first direction told, or a probe of the noise near x."""
        if self.claim.setting is None:
            setting = self.probed()
            if setting is not None:
                setting = replace(setting, gradient_scale=scaling.rms)
            self.claim.setting = setting
        return self.claim.setting

    def _alone(self, scaling: Scaling) -> tuple[JointTest, Joint] | None:
        """Directions that move only arrays that are claimed to do nothing, but for those that are named."""
        claim, delta = self.claim, SILENT * (1.0 - self.confidence)
        alone: tuple[JointTest, Joint] | None = None
        for share in (1.0, 0.5) if np.count_nonzero(scaling.nothing) else ():
            silent = silent_entries(claim.problem, scaling, claim.still)
            alone = moved_alone(claim.problem, scaling, silent, claim.rng, share * delta)
            if stays(alone) or self._setting(scaling) is None or not missing(claim, silent):
                break
        return alone

    def _at_zero(self, scaling: Scaling) -> bool:
        """Whether entries that are 0 move."""
        return bool(((self.claim.problem.x == 0) & (scaling.lengths > 0)).any())

    def _towers(self, first: Direction) -> bool:
        """Whether values along it tower above f(x): their rounding is not f's far nearer to x."""
        size = 0.0 if first.fit is None else float(first.fit.size[0])
        return size > TOWERING * abs(float(self.claim.problem.f_x[0]))

    def _tells(self, test: JointTest, wrong: np.bool_) -> bool:
        """Whether the first direction shows f's noise, and the claim its slope.

        Where something stood out and did not hold at another step, f may only ripple far away. And nearer to x than
        the steps of a part that is rounded it does not show.
        """
        doubtful = test.exceeded and not wrong
        if test.first is None or ((doubtful or test.level is None) and np.count_nonzero(test.unsettled)):
            return False
        if not wrong:
            return True
        return bool(test.first.borne_out.all()) and not (self._towers(test.first) or test.past_rounding)
