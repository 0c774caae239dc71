"""Random directions through all arrays at once: what the points along each show of every row of a claim."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.few_points import (
    AMPLIFIED,
    FAR,
    LONGEST_STEP,
    NEAR,
    four_points,
    hidden_of,
    left_of,
    shortest,
    two_points,
)
from gradcheck.joint.points import EPS, ROUNDED, Points, first_step, lengths_of
from gradcheck.numerics.line_fit import EIGHT, FOUR, LineFit, by_four, positions
from gradcheck.numerics.problem import Problem, Scaling, of_typical_size
from gradcheck.numerics.tangents import ROUNDING, random_units, root_mean_square, units_in_parts
from gradcheck.parameters.quantiles import median
from gradcheck.results.certificate import LEAST

# Noise is as it was probed where it is no more than so many times that.
AS_PROBED = 3.0
# From one noisy direction of eight points to the next a step is so many times as long; so many are tried. Where noise
# is known more are, and steps may be longer than x, by so much, or by a part of the length over which f changes by its
# own size.
LONGER, TRIED, TRIED_ALONE, FARTHEST_ALONE = 3.0, 3, 6, 30.0
# What the imaginary part rounds by, in units of the root of the sum of squares of the terms: 8 leave 4.1 E at the
# worst, 32 none of 1,610 beyond 3 E; from 1e5 entries on their sum rounds as the root of their number.
COMPLEX_ROUNDING, MANY = 32.0, 1e5
# A row that bends more along a tangent in third order does so in fifth by the power 5/3 of that, if it is a function
# of one sum, as some rows of many are. One row is most often made of many sums, and then as much more will do: with it
# none of 4,635 lines lay beyond 3 E.
FIFTH = (1.0, 5.0 / 3.0)
# A real difference confirms the complex step where it knows five digits itself: what is written with abs or a norm
# changes real values alone, be it a thousandth of the gradient; where values round too much for that, one digit. Four
# points at so much shorter steps than eight have know five of most f: they leave less of the bends.
CONFIRMS, CONFIRMS_ROUNDED, NEARER, NEAREST = 1e-5, 0.1, 32.0, 1024.0
# Tangents of so many coordinates, 2 MB, are drawn once.
KEPT = 2**18
# Independent errors add up to no more than so many times the root of the sum of their squares.
AT_MOST = 3.0
# Two calls at x, one with complex numbers.
SAME = 1e-12
# The places of the four outer values among five or nine.
OUTER = np.array([0, 1, -2, -1])


class Directions(Points):
    """Random directions for one claim, and what f shows along them.

    exact : whether f may be asked for complex numbers; False once they were refused or not borne out.
    sizes : (m,) what a mistake in each row is relative to; 0 until the first direction where the entries are not known.
    tolerant : whether errors within the tolerance, independent ones in every entry, are nothing that is wrong.
    delta : the chance to be wrong of each row. pending : (m,) rows steps are chosen for.
    enough : what E is over the sizes where a first direction is as precise as is asked for. longest : the longest step.
    probed : (m,) the noise of one value of f, where values near x have told it.
    """

    def __init__(
        self,
        problem: Problem,
        scaling: Scaling,
        rng: np.random.Generator,
        *,
        exact: bool,
        fixed: Mask,
        delta: float = 1e-6,
        enough: float = math.inf,
        tolerant: bool = False,
        probed: Values | None = None,
    ) -> None:
        super().__init__(problem, scaling)
        self.rng, self.sizes = rng, scaling.sizes
        self.exact, self.fixed, self.enough, self.tolerant = exact, fixed, enough, tolerant
        self.delta = delta
        self.probed, self.longest = probed, LONGEST_STEP
        self.tried, self.pending = TRIED if probed is None else TRIED_ALONE, ~fixed
        # Rows whose real values show a slope, beside the complex step.
        self._shown = np.zeros(self.rows, bool)
        # The few points that were chosen last, and from what.
        self._chosen: dict[tuple[int, ...], tuple[tuple[float, LineFit], list[Direction]]] = {}
        # Of four points, as first chosen, for few show bends that are small by accident: rounded rows, step, bends.
        self._four: tuple[LineFit, Mask, float, Values] | None = None
        # The tangent that was asked for last, and what is claimed along it.
        self._last: tuple[Flat, Values, Values] | None = None
        # The generator as it was before it drew that, where it is large.
        self._before: np.random.Generator | None = None

    def follow(self, before: Directions) -> None:
        """Take over what other directions of the same f told of it."""
        self._weight, self._shown, self.gridded = before._weight, before._shown, before.gridded
        self._reached = before._reached
        if not np.count_nonzero(self.sizes):  # of products, which the first direction told
            self.sizes = before.sizes

    @property
    def needed(self) -> Values:
        """(m,) what the bound of each row has to be."""
        return self.problem.tolerance.resolution * self.sizes

    def again(self, first: Direction, tangent: Flat, *, exact: bool, precise: bool = False) -> Direction:
        """The same claim along another tangent: two points, or one complex step. For the search for places.

        precise : four points.
        """
        if exact:
            values = self.problem.complex_along(tangent)
            if values is not None:
                return self.compared(tangent, 0.0, values.imag, self._complex_error(tangent), exact=True)
        fit = first.fit
        assert fit is not None
        if precise and len(fit.odd) > 2:  # what four points leave is told by eight
            return self._by_four(first, tangent)
        _, weight = self._claimed(tangent)
        # The length of the first direction that this one has, by its entries, or by what is claimed of them.
        share = np.fmax(weight / first.weight, math.sqrt(np.count_nonzero(tangent) / self.moved))
        noise = fit.noise
        if self.probed is not None:
            noise = np.minimum(noise, np.maximum(AS_PROBED * self.probed, fit.floor))
        step, error = two_points(fit, np.minimum(share, 1.0), noise, self.longest)
        reach = self.problem.reach(tangent)
        if step > reach:  # noise is more of a shorter step
            step, error = reach, error * (step / reach)
        ends = np.array([-step, step])
        low, high = self._straight(self.problem.along(tangent, ends), tangent, ends)
        return self.compared(tangent, step, (high - low) / (2.0 * step), error)

    def _tangent(self, again: np.random.Generator | None = None) -> Flat:
        """Another tangent, or the one that was drawn by a generator as it is again."""
        if again is None:
            self._before = copy.deepcopy(self.rng) if self.scaling.lengths.size > KEPT else None
        tangent = random_units(again or self.rng, self.scaling.lengths.size)
        tangent *= self.scaling.lengths
        return tangent

    def _complex_along(self) -> tuple[NDArray[np.complexfloating[Any]] | None, Flat]:
        """`Problem.complex_along` the tangent that was drawn last, and that tangent.

        A large one is drawn again, so that it takes no memory beside the complex point.
        """
        assert self._last is not None
        tangent, *claimed = self._last
        if self._before is None:
            return self.problem.complex_along(tangent), tangent
        lengths = self.scaling.lengths
        parts = units_in_parts(copy.deepcopy(self._before), lengths.size)
        del tangent
        self._last = None
        values = self.problem.complex_along_parts((part, u * lengths[part]) for part, u in parts)
        tangent = self._tangent(self._before)
        self._last = (tangent, claimed[0], claimed[1])
        return values, tangent

    def _claimed(self, tangent: Flat) -> tuple[Values, Values]:
        """(m,) J v, and the root of the sum of squares of its terms."""
        if self._last is None or self._last[0] is not tangent:
            product = self.problem.matrix.product(tangent)
            self._last = (tangent, product, self.problem.weight(tangent, product, self.rng))
        return self._last[1:]

    def first(self, step: float | None) -> Direction | None:
        """The first direction: the complex step and four real points, or eight points; None off f's domain.

        step : instead of the one that f's size and slope suggest, for real points alone.
        """
        values, tangent = None, self._tangent()
        _, weight = self._claimed(tangent)
        self._weight = weight
        if self.rows > 1 and not (self.sizes > 0).any():
            # Of the entries nothing is known but what they add up to: the largest may be those that move least.
            self.sizes = of_typical_size(self.scaling.even * weight / math.sqrt(self.moved))
        if self.exact and step is None:
            del tangent
            values, tangent = self._complex_along()
        if values is not None and not self._same(values.real):
            values = None
        self.exact = values is not None
        begin = step or first_step(self.problem.f_x, weight, self.asked, self.scaling.held)
        if values is not None:
            found = self._confirmed(tangent, np.asarray(values.imag), begin)
            if found is not None:
                return found
        self.exact = False
        found = self._by_eight(tangent, begin, False)
        return None if found.fit is None else found

    def _confirmed(self, tangent: Flat, slope: Values, begin: float) -> Direction | None:
        """The complex step (m,), where real points bear it out; None where they do not.

        begin : the step of eight points. Nearer four know more digits of a smooth f; where rounding leaves too few of
        them the first step does, and is believed for what it knows.
        """
        _, weight = self._claimed(tangent)
        # Rows come of one f: a steep one bears the complex step out for one that is nearly flat at x.
        steep = np.maximum(np.maximum(weight, np.abs(slope)), root_mean_square(weight))
        step, enough = begin / NEARER, CONFIRMS
        farther: tuple[float, Values] | None = None
        for _ in range(2):
            reached, known = self.values(tangent, step, FOUR)
            if known is None:
                return None
            fit = self.fit(known, reached, FOUR)
            # Of many rows some lie beyond bars that are far finer than what is asked for.
            agrees = np.abs(fit.value - slope) <= 3.0 * fit.error + 0.1 * CONFIRMS * steep
            told = 3.0 * fit.error <= enough * steep
            self._shown = np.abs(fit.value) > 3.0 * fit.error
            unsure = ~(agrees & told & ~fit.kinked & ((slope != 0) | (weight == 0))) & ~self.fixed
            if not np.count_nonzero(unsure):
                if farther is not None and self._jumps_between(tangent, *farther, slope):
                    return None
                return self.compared(
                    tangent, reached, slope, self._complex_error(tangent), exact=True, fit=fit
                )
            denied = ~agrees & told & ~fit.kinked & ~self.fixed
            if np.count_nonzero(denied) or self.problem.objective.remaining < 4 * len(EIGHT):
                return None
            # Nearer yet rounding would leave fewer.
            drowned = 3.0 * AMPLIFIED * fit.floor * NEAREST / begin > CONFIRMS * steep
            rounded = np.count_nonzero(drowned & unsure) > 0
            farther = None if rounded else (reached, known)
            step, enough = (begin, CONFIRMS_ROUNDED) if rounded else (begin / NEAREST, CONFIRMS)
        return None

    def _jumps_between(self, tangent: Flat, step: float, values: Values, slope: Values) -> bool:
        """Whether f jumps between four points, of which nearer ones show the slope (m,) between two steps alone."""
        points = step * positions(FOUR)
        off = np.abs(np.diff(values - points[:, None] * slope, axis=0)).max(axis=0)
        row = int(np.argmax(off / np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)))
        return self.jumps(tangent, points, values, slope, row)

    def go_farther(self) -> float:
        """Allow steps longer than x, of which it is no rounding; returns a part of the length over which f changes."""
        lengths = lengths_of(self.problem.f_x, self._weight)
        step = LONGEST_STEP * min(max(1.0, float(median(lengths)) if lengths.size else 1.0), 1.0 / EPS)
        self.longest = max(step, FARTHEST_ALONE)
        return step

    @property
    def asked(self) -> Values | None:
        """(m,) the first step that rounding would ask for; None where it is no matter."""
        if self.exact or self.scaling.held <= 1.0:
            return None
        floor = np.maximum(EPS * np.abs(self.problem.f_x), self.rounding_of_x)
        return np.asarray(ROUNDED * floor / (self.enough * self.sizes))

    def _same(self, again: Values) -> bool:
        f_x = self.problem.f_x
        # Of many outputs some are what is left of terms as large as the others, which round otherwise.
        size = np.maximum(np.maximum(np.abs(f_x), np.abs(again)), root_mean_square(f_x))
        return bool((np.abs(again - f_x) <= SAME * size).all())

    def _complex_error(self, tangent: Flat) -> Values:
        _, weight = self._claimed(tangent)
        return np.asarray(COMPLEX_ROUNDING * EPS * weight * max(1.0, math.sqrt(tangent.size / MANY)))

    def compared(
        self, tangent: Flat, step: float, slope: Values, error: Values, *, exact: bool = False, **known: Any
    ) -> Direction:
        """What a derivative along a tangent (m,), within `error`, says of the claim; known : other fields."""
        problem, tolerance = self.problem, self.problem.tolerance
        product, weight = self._claimed(tangent)
        # What the smallest single mistake beyond the tolerance leaves at the least.
        # A row that is claimed to be 0 has no size, and no tolerance of the others is its own. What the imaginary part
        # alone shows there may be what is left of terms as large as theirs.
        least = LEAST * tolerance.rtol * self.sizes
        if self.rows > 1:
            lost = np.where(exact & ~self._shown, self.sizes, np.abs(problem.f_x))
            least = np.where(weight == 0, ROUNDING * EPS * lost, least)
        if tolerance.atol:
            nearest = float(np.min(np.abs(tangent), where=tangent != 0, initial=np.inf))
            least = least + LEAST * tolerance.atol * nearest
        if self.tolerant:
            least = np.maximum(least, self.spread(tangent))
        # A claim rounds in its own sums; and where the whole of it hardly moves f it may be what is left of 1 - tanh^2.
        rounding = ROUNDING * problem.eps * weight
        if exact:
            rounding = np.maximum(rounding, ROUNDING * EPS * np.abs(problem.f_x))
        # And in every entry what is 0 to its dtype.
        nothing = tolerance.floor * (tangent @ tangent * tangent.size) ** 0.5
        allowed = 3.0 * error + np.maximum(least, rounding) + nothing
        self._last = None
        return Direction(tangent, step, weight, product - slope, error, allowed, exact, **known)

    def spread(self, tangent: Flat) -> Values:
        """(m,) what independent errors of the size that the tolerance accepts leave along a tangent at the most."""
        tolerance, (_, weight) = self.problem.tolerance, self._claimed(tangent)
        across = math.sqrt(float(tangent @ tangent)) if tolerance.atol else 0.0
        return np.asarray(AT_MOST * (tolerance.rtol * weight + tolerance.atol * across))

    def short_of(self, before: Sequence[Direction]) -> tuple[float, LineFit]:
        """As of `shortest`, by the directions of eight points so far."""
        told = [d for d in before if d.fit is not None and d.hidden is None]
        key = (*(id(d.fit) for d in told), int(self.pending.sum()))
        if key not in self._chosen:
            found = shortest([(d.fit, d.weight) for d in told if d.fit is not None], self.pending)
            # With what it comes from: a number stands for one object as long as that is kept.
            self._chosen = {key: (found, told)}
        return self._chosen[key][0]

    def _by_few(
        self, step: float, fit: LineFit, fits: list[LineFit], tangent: Flat, noisy: Mask | bool
    ) -> Direction:
        """Four points; what bends leave of the slope a direction of eight tells, and noise how far off it may be."""
        step, four = self.values(tangent, step, FOUR)
        if four is None:
            return self._nothing(tangent, step)
        value, inner, outer = by_four(four[OUTER], step, FOUR)
        hidden = hidden_of(value, inner, outer, step, fit.noise, fits)
        error = hidden + AMPLIFIED / step * fit.noise
        return self.compared(tangent, step, value, error, noisy=noisy, hidden=hidden)

    def _nothing(self, tangent: Flat, step: float) -> Direction:
        """A direction along which f is not defined."""
        return self.compared(tangent, step, np.full(self.rows, np.nan), np.full(self.rows, np.inf))

    def next(self, before: Sequence[Direction], *, longer: bool = True, eight: bool = False) -> Direction:
        """A further direction: one complex step, or four points whose truncation the first fit tells.

        Where that is noisy a few points serve, whose bends eight of a longer step bound; some of these are tried first:
        the longer they are the less noise can hide. longer : whether that is asked for. eight : whether eight points
        are where nothing is noisy, as the first direction has.
        """
        first = before[0]
        tangent = self._tangent()
        if first.exact:
            self._claimed(tangent)
            del tangent
            values, tangent = self._complex_along()
            if values is not None:
                return self.compared(tangent, 0.0, values.imag, self._complex_error(tangent), exact=True)
        fit = first.fit
        assert fit is not None
        if first.in_noise:
            return self._in_noise(before, tangent, longer)
        # Where f takes complex numbers no longer four points do not tell what four leave.
        if eight or len(fit.odd) <= len(FOUR):
            return self._by_eight(tangent, first.step, first.noisy)
        return self._by_four(first, tangent)

    def _in_noise(self, before: Sequence[Direction], tangent: Flat, longer: bool) -> Direction:
        noisy = before[0].noisy
        steps = [d.step for d in before if d.hidden is None]
        (step, fit), longest = self.short_of(before), max(steps)
        if longer and len(steps) < self.tried and fit.step == longest < self.longest:
            return self._by_eight(tangent, min(longest * LONGER, self.longest), noisy)
        fits = [d.fit for d in before if d.fit is not None and d.hidden is None]
        found = self._by_few(step, fit, fits, tangent, noisy)
        # Few points see no kink between them, and no step of a grid: eight do.
        accused = (found.exceeds & ~self.fixed).any()
        return self._by_eight(tangent, fit.step, noisy) if accused else found

    def _by_eight(self, tangent: Flat, step: float, noisy: Mask | bool) -> Direction:
        step, eight = self.values(tangent, step, EIGHT)
        if eight is None:
            return self._nothing(tangent, step)
        fit = self.fit(eight, step, EIGHT)
        rounded = fit.flat & self.rounded(fit)
        return self.compared(tangent, step, fit.value, fit.error, noisy=noisy, rounded=rounded, fit=fit)

    def _by_four(self, first: Direction, tangent: Flat) -> Direction:
        """Four points, whose truncation the fit of the first direction tells."""
        fit = first.fit
        assert fit is not None
        if self._four is None or self._four[0] is not fit:
            told = self.pending & (self.sizes > 0)
            units = np.where(told, self.sizes, np.inf) if told.any() else np.ones(self.rows)
            rounded = self.rounded(fit)
            self._four = (fit, rounded, *four_points(fit, first.step, units, rounded))
        _, rounded, step, truncation = self._four
        step, four = self.values(tangent, step, FOUR)
        if four is None:
            return self._nothing(tangent, step)
        value, near, wide = by_four(four[OUTER], step, FOUR)
        plain = (near * NEAR**2 + wide * FAR**2) / (NEAR**2 + FAR**2)
        mine = np.abs(wide - near) / ((FAR**2 - NEAR**2) * step**2)
        more = np.where(fit.odd[1] > 0, np.maximum(1.0, mine / fit.odd[1]), np.inf)
        larger = more ** FIFTH[self.rows > 1]
        bent = np.fmin(truncation * step**4 * larger, 2.5 * np.abs(value - plain))
        if self.rows > 1:
            # Those that hardly bent along the first direction by accident bend as the others do.
            left = left_of(value, wide, step, [fit], float(median(more)))
            bent = np.minimum(bent, np.maximum(left, truncation * step**4))
        rounding = np.maximum(self._floor(four, step), EPS * np.maximum.reduce(np.abs(four)))
        error = bent + np.maximum(fit.noise, rounding) * AMPLIFIED / step + EPS * np.abs(value)
        hidden = 3.0 * np.where(rounded & ~self.gridded, bent, error)
        return self.compared(tangent, step, value, error, hidden=hidden)
