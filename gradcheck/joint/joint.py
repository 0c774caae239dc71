"""One direction through all arrays at once: its points give derivative, error bar, noise and certificate of every row.

A right derivative of any size is settled by one to a few directions. Where noise, kinks or a grid of values keep them
from it, the first direction tells so and nothing more is measured this way.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.directions import AS_PROBED, EPS, LONGER, MUCH_NEARER, Directions
from gradcheck.joint.few_points import LONGEST_STEP
from gradcheck.joint.second_look import confirmed
from gradcheck.numerics.line_fit import EIGHT, FOUR, LineFit
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.results.certificate import MOST_WITH_NOISE, bound_of, least_bounds, precise
from gradcheck.results.outcome import Limit

__all__ = ["JointTest"]

# Noise beyond so many roundings of a value is not the arithmetic's.
NOISY = 100.0
# f is smooth nearer to x where the bar falls by so much. Noise is told from kinks and oscillations by its size: it is
# this part at most of what f changes along the direction. By trial on the corpus; oscillations that are as small were
# seen at 5e-6.
FALLS, SCATTER = 3.0, 2e-6
# To A |t| the fit gives b2 = 8.3 A / h, so that a kink is 0.12 of b2 h: what is less than this part of it is none.
SLIGHT = 1e-3
# The next residuals are taken to be up to so much larger than the first ones.
MARGIN = 1.3
# Directions after which it is given up; and of many rows, each of which costs nothing more.
MOST, MOST_OF_ROWS = 8, 12
# Most rows of most maps take up to so many.
USUAL = 3
# So many times as many of an array by itself: nothing that comes after them costs less.
PATIENCE = 4
# After so many directions of few points in noise they tell what the next ones will be.
SEVERAL = 3
# Eight values know a standard deviation to this factor in all but one of thousands.
CAUTIOUS = 10.0
# Kinks lie as near as a ten-thousandth of a step in deep networks: so often a step comes nearer.
COMES_NEARER = 2
# Where noise is what limits, the next step is so many times as long.
FARTHER = 8.0
# The longest that is taken in noise, in units of the scales.
FARTHEST = 0.25
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
        self.delta = delta / self.rows
        self.fixed = np.zeros(self.rows, bool) if fixed is None else fixed
        # Three directions certify what they show within so much.
        enough = problem.tolerance.resolution / (3.0 * MARGIN * float(least_bounds(self.delta)[2]))
        self.along = Directions(
            problem,
            scaling,
            rng,
            exact=exact,
            fixed=self.fixed,
            enough=enough,
            tolerant=tolerant,
            probed=probed,
        )
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
        # What one value of f may be off by, where the first direction shows noise and nothing else.
        self.level: float | None = None
        # The rows that were found unsettled last, for which fit and which grids.
        self._seen: tuple[LineFit, Mask, Mask] | None = None

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
        if self.probed is not None:
            return PATIENCE * few
        return 2 * few if self._by_eight else few

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
        needed = self.problem.tolerance.resolution * self.sizes
        unsettled = self._unsettled(first) & ~self._harmless(first, needed, most=first.bar)
        return None if unsettled.any() else self.along.scaling.lengths

    def tells_noise(self, rows: Mask) -> bool:
        """Whether the first direction shows the noise of some rows (m,), and the claim how steep they are."""
        if self.first is None or self.first.fit is None or self.along.gridded.any():
            return False
        return bool((self.first.borne_out & ~self._unsettled(self.first))[rows].all())

    def begin(self) -> Direction | None:
        """The first direction, at a step that tells, taken once; None off f's domain."""
        if self._begun is None:
            if self._told and self.first is not None:
                self._begun = self.along.next([self.first])
            else:
                self.first = self.along.first(None)
                if self.first is not None and not self.first.exact:
                    self.first = self._settled(self.first)
                self._begun = self.first
        return self._begun

    def run(self) -> Joint:
        """Take directions."""
        nobody, nothing = np.zeros(self.rows, bool), np.full(self.rows, np.inf)
        if self.along.moved == 0 or self.problem.objective.remaining < 2 * len(EIGHT):
            return Joint((), nothing, nobody, nobody, self.sizes, spent=self.along.moved > 0)
        first = self.begin()
        self._begun = None  # with its tangent
        if first is None:
            return Joint((), nothing, nobody, nobody, self.sizes)
        if not self._told:
            self._measure_stationary_rows(first)
        watched = ~self.fixed & np.isfinite(first.error)
        wrong = first.exceeds & watched
        if np.count_nonzero(wrong):
            self.exceeded = True
            return Joint(
                (first,),
                nothing,
                nobody,
                confirmed(self.along, first, wrong, self._unsettled(first)),
                self.sizes,
            )
        directions, open_ = [first], ~watched
        needed = self.problem.tolerance.resolution * self.sizes
        while True:
            bound = bound_of([d.most for d in directions], self.delta)
            # An output that is claimed not to move, and does not, agrees whatever it is off by.
            bound = np.where(self._at_rest(first), 0.0, bound)
            certified = (bound <= needed) & (needed > 0) & ~open_
            pending = ~(certified | open_)
            if np.count_nonzero(pending):
                self.along.pending = pending
                disturbed = self._unsettled(first)
                if np.count_nonzero(disturbed):
                    disturbed = disturbed & ~self._harmless(first, needed) & ~np.asarray(first.noisy)
                gone = pending & (self._hopeless(directions, needed) | disturbed)
                if self.probed is not None and len(directions) < MOST:
                    self._by_eight |= bool(disturbed.any())
                    gone[:] = False
                open_ |= gone
                pending &= ~gone
                self._by_eight = self._by_eight or self._eight_cost_less(directions, needed, pending)
            if not np.count_nonzero(pending) or len(directions) >= self.most:
                if self.noisy and certified.any():
                    most = np.array([d.most[certified] for d in directions])
                    kept = precise(most, self.sizes[certified], self.delta)
                    directions = [d for d, keep in zip(directions, kept, strict=True) if keep]
                return Joint(tuple(directions), bound, certified, nobody, self.sizes)
            if self.problem.objective.remaining < 2 * len(FOUR):
                return Joint(tuple(directions), bound, certified, nobody, self.sizes, spent=True)
            directions[-1] = directions[-1].without_tangent()
            first = directions[0]
            if not self._told:
                self.first = first
            assert self.first is not None
            told = [self.first] if self._told else directions
            longer = self._asks_more(directions, needed, pending)
            directions.append(self.along.next(told, longer=longer, eight=self._by_eight))
            wrong = directions[-1].exceeds & watched & ~open_
            if np.count_nonzero(wrong):
                self.exceeded = True
                return Joint(tuple(directions), nothing, nobody, wrong, self.sizes)

    def _eight_cost_less(self, directions: list[Direction], needed: Values, pending: Mask) -> bool:
        """Whether eight points a direction, as precise as the first, certify the open rows for less than four do.

        Of many rows some hardly bend along the first by accident, and four points tell little of these.
        """
        if not self._tells_by_eight or directions[-1] is self.first:
            return False
        assert self.first is not None
        most, needed = [d.most[pending] for d in directions], needed[pending]

        def cost(points: int, more: Values, left: int) -> float:
            counts = range(1, left - len(most) + 1)
            enough = (k for k in counts if (bound_of([*most, *[more] * k], self.delta) <= needed).all())
            return points * next(enough, math.inf)

        eight = cost(len(EIGHT), self.first.bar[pending], 2 * self.most)
        return eight < cost(len(FOUR), most[-1], self.most)

    def _asks_more(self, directions: list[Direction], needed: Values, pending: Mask) -> bool:
        """Whether most rows would take many directions in noise as it is told so far."""
        if not self.noisy:
            return False
        expected = self.along.short_of(directions).together
        return not _most(self._enough(MOST, expected, needed), pending)

    def _at_rest(self, first: Direction) -> Mask:
        """(m,) rows of zeros whose output does not move at any point; of one row alone that says nothing."""
        if self.rows == 1 or first.fit is None:
            return np.zeros(self.rows, bool)
        return np.asarray(~first.fit.moved & (first.weight == 0) & (first.residual == 0))

    def _measure_stationary_rows(self, first: Direction) -> None:
        """Where all entries are 0 within their bars, a mistake is relative to what they become one scale away."""
        if first.fit is None or first.exact or not np.count_nonzero(first.weight <= 3.0 * first.error):
            return
        there = 2.0 * first.fit.even[0] / self.along.moved
        # At a minimum noise that grows with the step looks like a kink of next to nothing.
        # One of the size of what f bends is a kink.
        slight = np.abs(np.nan_to_num(first.fit.kink)) <= SLIGHT * first.fit.even[0] * first.step
        harmless = self._harmless(first, self.problem.tolerance.resolution * there) & slight
        settled = ~self._unsettled(first) | harmless
        stationary = (first.weight <= 3.0 * first.error) & first.fit.moved & settled
        if ((self.problem.x == 0) & (self.along.scaling.lengths > 0)).any():
            # An entry that is 0 has no size: what is claimed may show far nearer to x.
            stationary &= first.weight == 0
        self.along.sizes = np.where(stationary, np.maximum(self.sizes, there), self.sizes)

    def _settled(self, first: Direction) -> Direction:
        """Another direction with another step, where noise, a kink or bends keep the first from telling.

        The bar falls with a far shorter step where f is smooth nearer to x; where it does not, that is noise, or a kink
        at x. Noise alone takes less of a longer step.
        """
        needed = self.problem.tolerance.resolution * self.sizes
        # By the bars alone: what exceeds them is another matter.
        unbounded = ~(bound_of([first.bar], self.delta) <= needed)
        if not np.count_nonzero(unbounded):
            return first
        doubtful = (self._unsettled(first) | self._hopeless([first], needed, [first.bar])) & ~self.fixed
        if not _most(doubtful, ~self.fixed):
            # Of many rows some seem noisy by chance, and take no more directions than others.
            doubtful &= ~self._harmless(first, needed, most=first.bar, count=USUAL)
        if not np.count_nonzero(doubtful & unbounded) or not first_moves(first):
            return first
        assert first.fit is not None
        noise = self._noise_alone(first)
        if noise.all():
            self.level = float(np.max(2.0 * first.fit.spread))
        elif not self.along.gridded.any():
            nearer = self._nearer(first, doubtful, noise)
            if nearer is not None:
                return nearer
        noise = (noise | self.along.gridded) & doubtful
        return self._in_noise(first, noise, doubtful) if _most(noise, doubtful) else first

    def _nearer(self, first: Direction, doubtful: Mask, noise: Mask) -> Direction | None:
        """A direction with a far shorter step, if f is smooth there; None if it is not.

        noise : (m,) rows that scatter by as little nearer to x are added.
        """
        last = first.fit
        for nth in range(1, COMES_NEARER + 1):
            nearer = self.along.first(first.step / MUCH_NEARER**nth) if self._affords(2) else None
            if nearer is None or nearer.fit is None or last is None:
                return first
            if _most((nearer.error < first.error / FALLS) & ~self._unsettled(nearer), doubtful):
                return replace(nearer, noisy=nearer.fit.flat if _most(nearer.fit.flat, doubtful) else False)
            noise |= last.noise <= FALLS * nearer.fit.noise
            last = nearer.fit
            if (noise | ~doubtful).all():
                break
        return None

    def _in_noise(self, first: Direction, noise: Mask, doubtful: Mask) -> Direction:
        """The same, or a direction with a longer step, of which noise takes less unless f bends too much on the way."""
        needed = self.problem.tolerance.resolution * self.sizes
        known = replace(first, noisy=noise)
        expected = self.along.short_of([known]).together
        if _most(self._enough(MOST, expected, needed), doubtful):
            return known
        hopeful = self._enough(MOST_WITH_NOISE, expected * first.step / LONGEST_STEP, needed)
        if not (_most(hopeful, doubtful) or self.probed is not None) or not self._affords(2):
            return first
        for step in self._longer(first.step):
            farther = self.along.first(step)
            if farther is None or farther.fit is None or first.fit is None:
                return known
            better = (farther.error < first.error) & (farther.fit.noise <= CAUTIOUS * first.fit.noise)
            if _most(better, doubtful):
                return replace(farther, noisy=noise)
        return known

    def _longer(self, step: float) -> list[float]:
        """Longer steps to try in noise; where it is known one over which f may bend, too, if that is much longer."""
        usual = FARTHER * step
        if self.probed is None:
            return [usual]
        far = self.along.go_farther()
        return [far, usual] if far > FARTHER * usual else [usual]

    def _affords(self, firsts: int) -> bool:
        return self.problem.objective.remaining >= 2 * len(EIGHT) * firsts

    @property
    def _tells_by_eight(self) -> bool:
        """Whether the first direction tells what eight points show along others."""
        first = self.first
        return not (
            first is None or first.exact or self.noisy or first.fit is None or len(first.fit.odd) <= len(FOUR)
        )

    def _noise_alone(self, first: Direction) -> Mask:
        """(m,) rows whose values scatter by so little, and so evenly, that it is noise; nearer to x it is no less."""
        fit = first.fit
        if fit is None:
            return np.zeros(self.rows, bool)
        small = fit.spread <= SCATTER * first.weight * first.step
        if self.probed is not None:
            small = small | (fit.spread <= AS_PROBED * self.probed)
        return np.asarray(self._unsettled(first) & fit.flat & small & ~fit.kinked & ~self.along.gridded)

    def _harmless(
        self, first: Direction, needed: Values, *, most: Values | None = None, count: int | None = None
    ) -> Mask:
        """(m,) rows that bars many times as wide would certify, too, with a kink in them: that noise voids no row.

        Where its size is known the bars will do as they are. most : what residuals are at the most; `first.most`.
        count : of directions.
        """
        fit = first.fit
        if fit is None or (self.rows == 1 and not self.noisy):
            return np.zeros(self.rows, bool)
        wide = np.where(first.noisy, 1.0, CAUTIOUS) * (first.most if most is None else most)
        wide = wide + 2.0 * np.abs(np.nan_to_num(fit.kink))
        return np.asarray(self._enough(count or self.most, wide, needed) & fit.moved)

    def _hopeless(
        self, directions: list[Direction], needed: Values, sizes: list[Values] | None = None
    ) -> Mask:
        """(m,) rows that directions like these do not certify, or at a higher cost than single entries.

        sizes : (m,) each, in place of what their residuals are at the most.
        """
        sizes = [d.most for d in directions] if sizes is None else sizes
        if self.noisy:
            # Few points are what most of them will be, at a longer step yet while such are tried and serve.
            short, steps = self.along.short_of(directions), [d.step for d in directions if d.hidden is None]
            grows = max(self.along.tried - len(steps), 0) if short.fit.step == max(steps) else 0
            most = short.together / LONGER**grows
            few = [each for d, each in zip(directions, sizes, strict=True) if d.hidden is not None]
            if self.rows == 1 and len(few) >= SEVERAL:
                most = np.maximum(most, np.median(few, axis=0))
        elif self._tells_by_eight and self.first is not None:
            most = np.minimum(self.first.bar, sizes[-1])
        else:
            most = np.max(sizes, axis=0)
        return ~self._enough(min(self.most, self.along.moved + len(directions)), most, needed)

    def standing_out(self, joint: Joint) -> Mask:
        """(m,) rows that exceed their bars along a direction, in noise one of a longer step: it becomes the first.

        Directions do not call them wrong where noise is not known to be that alone: entries have to.
        """
        if not joint.directions:
            return np.zeros(self.rows, bool)
        first = joint.directions[-1]
        noisy = self.limit is Limit.NOISE and not joint.certified.all() and not first.exceeds.any()
        if noisy and not self.noisy and self._affords(1):
            first = self.along.first(FARTHEST) or first
        self.first = first
        return first.exceeds & ~self.fixed if first.fit is not None else np.zeros(self.rows, bool)

    @property
    def limit(self) -> Limit:
        """What keeps directions from certifying rows: a kink that most of them show, or noise."""
        fit = self.first.fit if self.first is not None else None
        kinked = fit is not None and not self.along.gridded.any() and 2 * int(fit.kinked.sum()) > self.rows
        return Limit.KINK if kinked else Limit.NOISE

    @property
    def unsettled(self) -> Mask:
        """(m,) rows whose noise, grid or kink the first direction shows without telling its size."""
        return np.ones(self.rows, bool) if self.first is None else self._unsettled(self.first)

    def _unsettled(self, first: Direction) -> Mask:
        """Rows in which noise, a grid or a kink decides, so that further directions gain little."""
        fit = first.fit
        if fit is None or first.exact:
            return np.zeros(self.rows, bool)
        if self._seen is None or self._seen[0] is not fit or self._seen[1] is not self.along.gridded:
            noisy = fit.noise > NOISY * np.maximum(EPS * fit.size, self.along.rounding_of_x)
            rests = ~fit.moved & (fit.value == 0) & (first.weight > 0)
            self._seen = fit, self.along.gridded, noisy | self.along.gridded | fit.kinked | rests
        return self._seen[2]

    def _enough(self, count: int, most: Values, needed: Values) -> Mask:
        """(m,) rows that so many directions like these certify; residuals of 0 take no more than one."""
        return np.asarray((most == 0) | (needed / (MARGIN * most) >= least_bounds(self.delta)[count - 1]))


def _most(rows: Mask, among: Mask) -> bool:
    """Whether more than half of some rows are of a kind."""
    return bool(2 * np.count_nonzero(rows & among) > np.count_nonzero(among))


def first_moves(first: Direction) -> bool:
    """Whether f changes along a first direction at all."""
    return first.fit is not None and bool(first.fit.moved.any())
