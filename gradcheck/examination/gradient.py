"""The examination of a gradient by joint directions: a certificate of all arrays, or the places of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat
from gradcheck.examination.array_evidence import evidence_of
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import missing
from gradcheck.examination.search import search as search_for
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.silent import silent_entries, stays
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import TOWERING
from gradcheck.results.evidence import Evidence

__all__ = ["SEARCHES", "examine_jointly"]

# Searches, each of which may show what larger errors hid from the one before.
SEARCHES = 12
# Fresh directions where one exceeds its bars and a second look along it does not bear that out.
FRESH = 2
# A claim that is off by no more than this part of what it says along a direction tells how steep f is.
BORNE_OUT = 0.1


def examine_jointly(
    problem: Problem,
    setting_of: Callable[[Direction, float | None, Flat | None], Setting],
    probed: Callable[[], Setting | None],
    *,
    confidence: float,
    rng: np.random.Generator,
    search: bool,
) -> tuple[Setting | None, Evidence | None, bool]:
    """Certify a gradient (a matrix of one row) by joint directions, or locate what is wrong in it.

    setting_of : what is known for other ways from what the first direction shows of f's noise; and a `gradient_scale`.
    probed : the same from a probe of the noise near x, before entries are accused; None where nothing can be measured.
    search : whether what is wrong is looked for; otherwise that something is wrong settles nothing.
    Returns what is known of the noise of f, None where the first direction does not tell it; what was found, None where
    joint directions do not settle it; and whether the complex step says then that something is wrong.
    """
    claim = Claim(problem, rng, np.zeros(problem.x.size, bool))
    examination = _Examination(claim, setting_of, probed, confidence, search)
    survey = examination.run()
    return claim.setting, survey, examination.accused


class _Examination:
    def __init__(
        self,
        claim: Claim,
        setting_of: Callable[[Direction, float | None, Flat | None], Setting],
        probed: Callable[[], Setting | None],
        confidence: float,
        search: bool,
    ) -> None:
        self.claim, self.setting_of, self.probed = claim, setting_of, probed
        self.confidence, self.search = confidence, search
        self.accused = False

    def run(self) -> Evidence | None:
        """Directions; where something exceeds the bars the search, and other directions for what is left."""
        claim, delta = self.claim, 1.0 - self.confidence
        joint: Joint | None = None
        test: JointTest | None = None
        unnamed = disputed = False
        for attempt in range(1, SEARCHES + 1):
            scaling = scaling_of(claim.problem, claim.still)
            # Where nothing was found wrong something else about f was: it is looked at anew.
            before = test if joint is not None and joint.wrong[0] else None
            share = delta / (attempt * (attempt + 1))
            test = JointTest(claim.problem, scaling, claim.rng, share, exact=claim.exact, before=before)
            del before
            joint = None  # with its tangent
            joint = test.run()
            claim.exact = test.exact and test.first is not None
            if claim.setting is None and self._tells(test, joint):
                assert test.first is not None
                claim.setting = self.setting_of(test.first, test.level, scaling.rms if self.search else None)
            if joint.certified[0]:
                break
            if joint.wrong[0]:
                self.accused = joint.directions[-1].exact
                if self._setting(scaling) is None:
                    return None
            if self.search and attempt <= FRESH and not joint.wrong[0] and test.exceeded:
                # Something stood out and did not hold at another step: another direction may tell.
                continue
            if not (self.search and joint.wrong[0]):
                break
            found = search_for(claim, test, joint.directions[-1])
            unnamed, disputed = found.dense, disputed | found.disputed
            if not found.explains or found.spent:
                break
        assert joint is not None
        assert test is not None
        settled = bool(joint.certified[0])
        if (settled or test.along.moved == 0) and not self._stays(scaling):
            return None
        decided = disputed or any(part.judgement.wrong.any() for part in claim.judged)
        if unnamed or (not settled and not decided):
            if test.first is not None and self._towering(test.first, scaling):
                claim.setting = None
            return None
        # A later direction may settle everything where the first left the noise unknown.
        if self._setting(scaling) is None:
            return None
        claim.judge_the_immovable(scaling)
        return evidence_of(claim, joint, scaling if settled else None, self.confidence)

    def _setting(self, scaling: Scaling) -> Setting | None:
        """What measuring entries takes: what the first direction told, or a probe of the noise near x."""
        if self.claim.setting is None:
            setting = self.probed()
            if setting is not None and self.search:
                setting = replace(setting, gradient_scale=scaling.rms)
            self.claim.setting = setting
        return self.claim.setting

    def _stays(self, scaling: Scaling) -> bool:
        """Whether f stays where only arrays move that are claimed to do nothing, but for those that are named."""
        claim, delta = self.claim, (1.0 - self.confidence) / (SEARCHES * (SEARCHES + 1))
        for share in (1.0, 0.5) if np.count_nonzero(scaling.nothing) else ():
            silent = silent_entries(claim.problem, scaling, claim.still)
            if stays(claim.problem, scaling, silent, claim.rng, share * delta):
                return True
            if not self.search or self._setting(scaling) is None or not missing(claim, silent):
                return False
        return not np.count_nonzero(scaling.nothing)

    def _towering(self, first: Direction, scaling: Scaling) -> bool:
        """Whether values tower above f(x) where x has entries that are 0: their rounding is not f's far nearer to x."""
        problem = self.claim.problem
        at_zero = (problem.x == 0) & (scaling.lengths > 0)
        if first.fit is None or not at_zero.any():
            return False
        return bool(first.fit.size[0] > TOWERING * abs(float(problem.f_x[0])))

    def _tells(self, test: JointTest, joint: Joint) -> bool:
        """Whether the first direction shows f's noise, and the claim its slope."""
        if test.first is None or (test.level is None and np.count_nonzero(test.unsettled)):
            return False
        if not np.count_nonzero(joint.wrong):
            return True
        return self.search and bool((test.first.off <= BORNE_OUT * test.first.weight).all())
