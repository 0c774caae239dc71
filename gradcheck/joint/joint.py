"""One direction through all arrays at once: its points give derivative, error bar, noise and certificate of every row.

A right derivative of any size is settled by one to a few directions. Where noise, kinks or a grid of values keep them
from it, the first direction tells so and nothing more is measured this way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.evidence.farther import leave
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.directions import Directions
from gradcheck.joint.first_direction import at_rest, settled, sizes_at_minima, slope_near_zero
from gradcheck.joint.forecast import (
    MARGIN,
    MOST,
    MOST_OF_ROWS,
    PATIENCE,
    asks_more,
    harmless,
    hopeless,
)
from gradcheck.joint.second_look import confirmed
from gradcheck.numerics.line_fit import EIGHT, FOUR
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.rounding import ROUNDED
from gradcheck.results.certificate import MOST_WITH_NOISE, bound_of, least_bounds, precise
from gradcheck.results.outcome import Limit

# Of an array by itself so many directions are taken where they bound its error by such a part of its size: more add
# little, and others do not tell half of an entry from all of it.
TELLING, COARSE = 24, 0.5
# Evaluations of one more direction.
A_DIRECTION = 2 * len(FOUR)
# What f was seen to do along lengths serves for such that are at most so many times as long.
ALIKE = 1.1


class JointTest:
    """Directions for one claim, until it is certified, something is wrong, or nothing can be said this way.

    delta : the chance to be wrong, of all rows together. fixed : rows (m,) that are not looked at.
    exact : whether f may be asked for complex numbers. tolerant : as of `Directions`.
    probed : (m,) the noise of one value of f, where values near x have told it: then directions also go on where they
    will not certify, and what is left has a bound.
    before : a test of another claim for the same f; what its first direction told of f serves this one, too, where f is
    smooth and no coordinate moves farther.
    """

    def __init__(
        self,
        problem: Problem,
        scaling: Scaling,
        rng: np.random.Generator,
        delta: float,
        *,
        exact: bool = True,
        fixed: Mask | None = None,
        probed: Values | None = None,
        tolerant: bool = False,
        before: JointTest | None = None,
    ) -> None:
        self.problem, self.rows, self.probed = problem, problem.f_x.size, probed
        # Two directions certify what they show within so much.
        enough = problem.tolerance.resolution / (3.0 * MARGIN * float(least_bounds(delta)[1]))
        fixed = np.zeros(self.rows, bool) if fixed is None else fixed
        self.along = Directions(
            problem, scaling, rng,
            exact=exact, fixed=fixed, delta=delta, enough=enough, tolerant=tolerant, probed=probed,
        )  # fmt: skip
        self.first: Direction | None = None
        self._begun: Direction | None = None
        self._told = before is not None and before.tells(scaling)
        if before is not None and self._told:
            assert before.first is not None
            self.first = before.first.without_tangent()
            self.along.follow(before.along)
        # Whether four points a direction tell too little, and eight are taken.
        self._by_eight = False
        # Whether some row stood out, were it only before a second look.
        self.exceeded = False
        # Whether the first direction lies nearer to x than others that scatter by as little as a rounded part of f.
        self.past_rounding = False
        # What one value of f may be off by, where the first direction shows noise and nothing else.
        self.level: float | None = None

    @property
    def exact(self) -> bool:
        """Whether f takes complex numbers and is analytic, as far as was seen."""
        return self.along.exact

    @property
    def noisy(self) -> bool:
        """Whether what limits the first direction is noise of a size that is known."""
        return self.first is not None and self.first.in_noise

    @property
    def most(self) -> int:
        """Directions after which it is given up."""
        if self.noisy:
            return MOST_WITH_NOISE
        few = MOST if self.rows == 1 else MOST_OF_ROWS
        return few if self.probed is None else PATIENCE * few

    @property
    def sizes(self) -> Values:
        """(m,) what a mistake in each row is relative to."""
        return self.along.sizes

    def again(self, tangent: Flat, *, exact: bool, precise: bool = False) -> Direction:
        """The same claim along another tangent: two points (four if `precise`), or one complex step."""
        assert self.first is not None
        return self.along.again(self.first, tangent, exact=exact, precise=precise)

    def tells(self, scaling: Scaling) -> bool:
        """Whether the first direction says what others that are no longer ask of f: its noise, and how it bends."""
        known = self.known_lengths
        return known is not None and bool((scaling.lengths <= ALIKE * known).all())

    @property
    def known_lengths(self) -> Flat | None:
        """(n,) how far each coordinate moves along directions of which the first one tells; None where it does not."""
        first = self.first
        if first is None or first.fit is None or first.in_noise or (first.weight <= 3.0 * first.error).any():
            return None
        harm = ~harmless(self.along, first, self.along.needed, self.most, most=first.bar)
        unsettled = self.along.unsettled(first) & harm
        return None if unsettled.any() else self.along.scaling.lengths

    def tells_noise(self, rows: Mask) -> bool:
        """Whether the first direction shows the noise of some rows (m,), and the claim how steep they are."""
        if self.first is None or self.first.fit is None or self.along.gridded.any():
            return False
        return bool((self.first.borne_out & ~self.along.unsettled(self.first))[rows].all())

    def begin(self) -> Direction | None:
        """The first direction, at a step that tells, taken once; None off f's domain."""
        if self._begun is None:
            if self._told and self.first is not None:
                self._begun = self.along.next([self.first])
            else:
                self.first = self.along.first(None)
                if self.first is not None and not self.first.exact:
                    far, fit = self.first.step, self.first.fit
                    self.first, self.level = settled(self.along, self.first, self.most)
                    assert fit is not None
                    slight = bool((fit.flat & (fit.spread <= ROUNDED * fit.size)).all())
                    self.past_rounding = slight and self.first.step < far
                self._begun = self.first
        return self._begun

    def run(self) -> Joint:
        """Take directions."""
        if self.along.moved == 0 or self.problem.objective.remaining < 2 * len(EIGHT):
            return self.nothing(spent=self.along.moved > 0)
        first = self.begin()
        self._begun = None  # with its tangent
        if first is None:
            return self.nothing()
        if not self._told:
            self.along.sizes = sizes_at_minima(self.along, first, self.most)
            if slope_near_zero(self.along, first):
                return self.nothing(first)
        watched = ~self.along.fixed & np.isfinite(first.error)
        resting = watched & (first.weight == 0)
        if np.count_nonzero(resting):
            watched &= ~leave(self.problem, resting & at_rest(first), self.along.rng)
        wrong = first.exceeds & watched
        if np.count_nonzero(wrong):
            self.exceeded = True
            wrong = confirmed(self.along, first, wrong, self.along.unsettled(first))
            return replace(self.nothing(first), wrong=wrong)
        directions = [first]
        del first  # its tangent goes with the next one
        return self._further(directions, ~watched)

    def nothing(self, *directions: Direction, spent: bool = False) -> Joint:
        """That nothing is certified, and nothing wrong."""
        nobody = np.zeros(self.rows, bool)
        return Joint(directions, np.full(self.rows, np.inf), nobody, nobody, self.sizes, spent)

    def _further(self, directions: list[Direction], open_: Mask) -> Joint:
        """Directions after the first, until each row is certified or left open, or one is wrong."""
        watched, needed, nobody, most = ~open_, self.along.needed, open_ & False, self.most
        while True:
            bound = bound_of([d.most for d in directions], self.along.delta)
            # An output that is claimed not to move, and does not, agrees whatever it is off by.
            bound = np.where(at_rest(directions[0]), 0.0, bound)
            certified = (bound <= needed) & (needed > 0) & ~open_
            pending = ~(certified | open_)
            if np.count_nonzero(pending):
                gone = self._given_up(directions, pending, needed, most)
                open_, pending = open_ | gone, pending & ~gone
            if not np.count_nonzero(pending) or len(directions) >= most:
                if self.noisy and certified.any() and len(directions) > 1:
                    residuals = np.array([d.most[certified] for d in directions])
                    kept = precise(residuals, self.sizes[certified], self.along.delta)
                    directions = [d for d, keep in zip(directions, kept, strict=True) if keep]
                return Joint(tuple(directions), bound, certified, nobody, self.sizes)
            if self.problem.objective.remaining < A_DIRECTION:
                return Joint(tuple(directions), bound, certified, nobody, self.sizes, spent=True)
            directions.append(self._next(directions, pending, needed))
            wrong = directions[-1].exceeds & watched & ~open_
            if np.count_nonzero(wrong):
                self.exceeded = True
                return replace(self.nothing(*directions), wrong=wrong)

    def _given_up(self, directions: list[Direction], pending: Mask, needed: Values, most: int) -> Mask:
        """(m,) which of the pending rows further directions would not certify, or the first does not tell enough of."""
        self.along.pending = pending
        first = directions[0]
        disturbed = self.along.unsettled(first)
        if np.count_nonzero(disturbed):
            disturbed = disturbed & ~(harmless(self.along, first, needed, most) | first.noisy)
        if self.probed is None or len(directions) >= TELLING:
            vain = hopeless(self.along, self.first, directions, needed, most)
            return pending & (vain | disturbed)
        if len(directions) < MOST:
            self._by_eight |= bool(disturbed.any())
            return pending & False
        # A bound is worth some more directions even where it does not certify.
        coarse = np.maximum(needed, COARSE * self.sizes)
        return pending & hopeless(self.along, self.first, directions, coarse, TELLING)

    def _next(self, directions: list[Direction], pending: Mask, needed: Values) -> Direction:
        """One more, whose points are as far apart, and as many, as the pending rows ask for."""
        directions[-1] = directions[-1].without_tangent()
        if not self._told:
            self.first = directions[0]
        assert self.first is not None
        told = [self.first] if self._told else directions
        longer = asks_more(self.along, self.first, directions, needed, pending)
        return self.along.next(told, longer=longer, eight=self._by_eight)

    def standing_out(self, joint: Joint) -> Mask:
        """(m,) rows that exceed their bars along the last direction, which becomes the first.

        Directions do not call them wrong where noise is not known to be that alone: entries have to.
        """
        if not joint.directions:
            return np.zeros(self.rows, bool)
        first = joint.directions[-1]
        self.first = first
        return first.exceeds & ~self.along.fixed if first.fit is not None else np.zeros(self.rows, bool)

    @property
    def limit(self) -> Limit:
        """What keeps directions from certifying rows: a kink that most of them show, or noise."""
        fit = self.first.fit if self.first is not None else None
        kinked = fit is not None and not self.along.gridded.any() and 2 * int(fit.kinked.sum()) > self.rows
        return Limit.KINK if kinked else Limit.NOISE

    @property
    def unsettled(self) -> Mask:
        """(m,) rows whose noise, grid or kink the first direction shows without telling its size."""
        return np.ones(self.rows, bool) if self.first is None else self.along.unsettled(self.first)
