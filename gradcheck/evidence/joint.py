"""One direction through all arrays at once: its points give derivative, error bar, noise and certificate of every row.

A right derivative of any size is settled by one to a few directions. Where noise, kinks or a grid of values keep them
from it, the first direction tells so and nothing more is measured this way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.numerics.line_fit import EIGHT, FOUR, KINKED, LineFit, fit_line, positions
from gradcheck.numerics.problem import Problem, Scaling, of_typical_size
from gradcheck.numerics.rounding import granularity
from gradcheck.numerics.tangents import ROUNDING, random_units, root_mean_square
from gradcheck.results.certificate import LEAST

__all__ = ["Direction", "Joint", "JointTest", "bound_of"]

EPS = float(np.finfo(np.float64).eps)
# The first step over the length along which f changes by its own size; that length is a thousandth of x at the least,
# for f(x) may cancel to next to nothing.
FIRST_STEP, SHORTEST = 0.01, 1e-3
LONGEST_STEP = 0.3
# Off the domain come nearer three times.
RETREAT, RETREATS = 30.0, 3
# Half a step of a grid, with a margin.
HALF_GRID = 0.6
# Noise beyond so many roundings of a value is not the arithmetic's.
NOISY = 100.0
# A disagreement of fewer bars than this is looked at again along the same direction with another step.
SECOND_LOOK, NEARER = 30.0, 10.0
# What the imaginary part rounds by, in units of the root of the sum of squares of the terms: 8 leave 4.1 E at the
# worst, 32 none of 1,610 beyond 3 E; from 1e5 entries on their sum rounds as the root of their number.
COMPLEX_ROUNDING, MANY = 32.0, 1e5
# A real difference confirms the complex step where it knows one digit itself.
CONFIRMS = 0.1
# Where noise, a kink or bends are in the way: the next step is so much shorter, and f is smooth nearer to x where the
# bar falls by so much. Noise is told from kinks and oscillations by its size: it is this part at most of what f changes
# along the direction. By trial on the corpus; oscillations that are as small were seen at 5e-6.
MUCH_NEARER, FALLS, SCATTER = 100.0, 3.0, 2e-6
# Two calls at x, one with complex numbers.
SAME = 1e-12
# A kink that could explain less than this part of a disagreement is none of its causes.
BESIDE = 0.02
# The next residuals are taken to be up to so much larger than the first ones.
MARGIN = 1.3
# Directions after which it is given up.
MOST = 8
# The weights of the values in the derivative by four points: the root of the sum of their squares, times the step.
NEAR, FAR = FOUR
AMPLIFIED = math.hypot(FAR**2 / NEAR, NEAR**2 / FAR) / (math.sqrt(2.0) * (FAR**2 - NEAR**2))


@dataclass(frozen=True)
class Direction:
    """What one direction v shows of every row; arrays are (m,).

    tangent : (n,) v. step : the longest offset, in units of v. weight : the root of the sum of squares of the terms
    of J v. residual : J v less the derivative along v; error : its E. allowed : what a right row may leave.
    exact : by the complex step. fit : of the real points of a first direction.
    """

    tangent: Flat
    step: float
    weight: Values
    residual: Values
    error: Values
    allowed: Values
    exact: bool = False
    fit: LineFit | None = None

    @property
    def noise(self) -> Values:
        """(m,) what one value of f may be off by, as far as the real points of a first direction show it."""
        assert self.fit is not None
        return self.fit.least_noise

    @property
    def most(self) -> Values:
        """What the residual may be at the most."""
        return np.asarray(np.abs(self.residual) + 3.0 * self.error)

    @property
    def exceeds(self) -> Mask:
        """Rows in which something is wrong; nan is not evidence."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(self.residual) > self.allowed)


@dataclass(frozen=True)
class Joint:
    """What the directions show together; masks and arrays are (m,).

    bound : of the scaled error norm ||e s|| of each row, infinite where there is none. certified : the bound is within
    the resolution. wrong : rows in which something exceeds the bars. The others are open.
    sizes : what a mistake is relative to, in the units of `bound`. spent : whether the budget ended it.
    """

    directions: tuple[Direction, ...]
    bound: Values
    certified: Mask
    wrong: Mask
    sizes: Values
    spent: bool = False

    @property
    def open(self) -> Mask:
        """Rows of which this way nothing more can be said."""
        return ~(self.certified | self.wrong)


def bound_of(most: Values, delta: float) -> Values:
    """The scaled error norm (m,) of each row that residuals of at most `most` (K, m) prove, missed with a chance delta.

    The chance that all but k of K directions stay within tau is at most C(K, k) (sqrt(2) tau / B)^(K - k). The k
    least precise may be left out; the share of k is 2^-(k + 1), that of a look after K directions 1 / (K (K + 1)).
    docs/certificate.md derives it.
    """
    ordered = np.sort(most, axis=0)
    count = len(ordered)
    share = delta / (count * (count + 1))
    options = [
        math.sqrt(2.0)
        * ordered[count - k - 1]
        * (math.comb(count, k) * 2.0 ** (k + 1) / share) ** (1.0 / (count - k))
        for k in range(count)
    ]
    return np.asarray(np.min(options, axis=0))


class JointTest:
    """Directions for one claim, until it is certified, something is wrong, or nothing can be said this way.

    delta : the chance to be wrong, of all rows together. fixed : rows (m,) that are not looked at.
    exact : whether f may be asked for complex numbers.
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
    ) -> None:
        self.problem, self.scaling, self.rng = problem, scaling, rng
        self.rows = problem.f_x.size
        self.delta = delta / self.rows
        self.exact = exact
        self.fixed = np.zeros(self.rows, bool) if fixed is None else fixed
        self.sizes = scaling.sizes
        self.moved = int(np.count_nonzero(scaling.lengths))
        self.first: Direction | None = None
        # Whether some row stood out, were it only before a second look.
        self.exceeded = False
        # What one value of f may be off by, where the first direction shows noise and nothing else.
        self.level: float | None = None
        self._gridded = np.zeros(self.rows, bool)
        # Rows whose real values show a slope, beside the complex step.
        self._shown = np.zeros(self.rows, bool)

    @cached_property
    def rounding_of_x(self) -> Values:
        """(m,) what the rounding of the points may change of f."""
        squares = self.problem.matrix.squares(self.problem.x)
        return np.zeros(self.rows) if squares is None else np.asarray(0.5 * EPS * np.sqrt(squares))

    def run(self) -> Joint:
        """Take directions."""
        nobody, nothing = np.zeros(self.rows, bool), np.full(self.rows, np.inf)
        if self.moved == 0 or self.problem.objective.remaining < 2 * len(EIGHT):
            return Joint((), nothing, nobody, nobody, self.sizes, spent=self.moved > 0)
        first = self._first(None)
        if first is not None and not first.exact and not self._gridded.any():
            first = self._settled(first)
        self.first = first
        if first is None:
            return Joint((), nothing, nobody, nobody, self.sizes)
        self._measure_stationary_rows(first)
        watched = ~self.fixed & np.isfinite(first.error)
        wrong = first.exceeds & watched
        if wrong.any():
            self.exceeded = True
            return Joint((first,), nothing, nobody, self._confirmed(first, wrong), self.sizes)
        directions, open_ = [first], ~watched
        needed = self.problem.tolerance.resolution * self.sizes
        while True:
            bound = bound_of(np.array([d.most for d in directions]), self.delta)
            # An output that is claimed not to move, and does not, agrees whatever it is off by.
            bound = np.where(self._at_rest(first), 0.0, bound)
            certified = (bound <= needed) & (needed > 0) & ~open_
            pending = ~certified & ~open_
            hopeless = self._hopeless(directions, needed) | self._unsettled(first)
            open_ |= pending & hopeless
            pending &= ~hopeless
            if not pending.any() or len(directions) >= MOST:
                return Joint(tuple(directions), bound, certified, nobody, self.sizes)
            if self.problem.objective.remaining < 2 * len(FOUR):
                return Joint(tuple(directions), bound, certified, nobody, self.sizes, spent=True)
            directions.append(self._next(first))
            wrong = directions[-1].exceeds & watched & ~open_
            if wrong.any():
                self.exceeded = True
                return Joint(tuple(directions), nothing, nobody, wrong, self.sizes)

    def _at_rest(self, first: Direction) -> Mask:
        """(m,) rows of zeros whose output does not move at any point; of one row alone that says nothing."""
        if self.rows == 1 or first.fit is None:
            return np.zeros(self.rows, bool)
        return np.asarray(~first.fit.moved & (first.weight == 0) & (first.residual == 0))

    def _measure_stationary_rows(self, first: Direction) -> None:
        """Where all entries are 0 within their bars, a mistake is relative to what they become one scale away."""
        if first.fit is None or first.exact:
            return
        stationary = (first.weight <= 3.0 * first.error) & first.fit.moved & ~self._unsettled(first)
        if ((self.problem.x == 0) & (self.scaling.lengths > 0)).any():
            # An entry that is 0 has no size: what is claimed may show far nearer to x.
            stationary &= first.weight == 0
        self.sizes = np.where(
            stationary, np.maximum(self.sizes, 2.0 * first.fit.even[0] / self.moved), self.sizes
        )

    def _settled(self, first: Direction) -> Direction:
        """Another direction with a far shorter step, where noise, a kink or bends keep the first from telling.

        The bar falls with the step where f is smooth nearer to x; where it does not, that is noise, or a kink at x.
        """
        needed = self.problem.tolerance.resolution * self.sizes
        # By the bars alone: what exceeds them is another matter.
        bars = replace(first, residual=np.zeros(self.rows))
        bound = bound_of(bars.most[None, :], self.delta)
        doubtful = (self._unsettled(first) | self._hopeless([bars], needed)) & ~self.fixed
        if not (doubtful & ~(bound <= needed)).any() or not first_moves(first):
            return first
        noise = self._noise_alone(first)
        if noise.all():
            assert first.fit is not None
            self.level = float(np.max(2.0 * first.fit.spread))
        if noise.all() or self.problem.objective.remaining < 4 * len(EIGHT):
            return first
        nearer = self._first(first.step / MUCH_NEARER)
        if nearer is None:
            return first
        better = (nearer.error < first.error / FALLS) & ~self._unsettled(nearer)
        return nearer if 2 * int(better[doubtful].sum()) > int(doubtful.sum()) else first

    def _noise_alone(self, first: Direction) -> Mask:
        """(m,) rows whose values scatter by so little, and so evenly, that it is noise; nearer to x it is no less."""
        fit = first.fit
        if fit is None:
            return np.zeros(self.rows, bool)
        small = fit.spread <= SCATTER * first.weight * first.step
        return np.asarray(self._unsettled(first) & fit.flat & small & ~_kinked(fit) & ~self._gridded)

    def _hopeless(self, directions: list[Direction], needed: Values) -> Mask:
        """(m,) rows that directions like these do not certify, or at a higher cost than single entries."""
        count = self._directions_needed(np.max([d.most for d in directions], axis=0), needed)
        return np.asarray((count > MOST) | (count - len(directions) > self.moved))

    @property
    def unsettled(self) -> Mask:
        """(m,) rows whose noise, grid or kink the first direction shows without telling its size."""
        return np.ones(self.rows, bool) if self.first is None else self._unsettled(self.first)

    def again(self, tangent: Flat, *, exact: bool) -> Direction:
        """The same claim along another tangent: two points, or one complex step. For the search for places."""
        assert self.first is not None
        if exact:
            values = self.problem.complex_along(tangent)
            if values is not None:
                return self._compared(tangent, 0.0, values.imag, self._complex_error(tangent), exact=True)
        fit = self.first.fit
        assert fit is not None
        # Two points: truncation b3 h^2 against noise 0.71 / h times that of one value; both are about equal at h.
        bend = np.maximum(fit.odd[1], np.sqrt(fit.even[0] * fit.even[1]))
        with np.errstate(divide="ignore"):
            step = float(np.median(np.where(bend > 0, np.cbrt(fit.noise / (2.0 * bend)), LONGEST_STEP)))
        step = min(step, LONGEST_STEP)
        low, high = self.problem.along(tangent, np.array([-step, step]))
        error = 1.5 * 0.71 * fit.noise / step + bend * step**2
        return self._compared(tangent, step, (high - low) / (2.0 * step), error)

    def _tangent(self) -> Flat:
        return np.asarray(self.scaling.lengths * random_units(self.rng, self.scaling.lengths.size))

    def _first(self, step: float | None) -> Direction | None:
        """The first direction: the complex step and four real points, or eight points; None off f's domain.

        step : instead of the one that f's size and slope suggest, for real points alone.
        """
        problem, tangent = self.problem, self._tangent()
        product = problem.matrix.product(tangent)
        weight = problem.weight(tangent, product, self.rng)
        if not (self.sizes > 0).any() and self.rows > 1:
            # Of the entries nothing is known but what they add up to: the largest may be those that move least.
            lengths = self.scaling.lengths[self.scaling.lengths > 0]
            even = float(lengths.min() / lengths.max())
            self.sizes = of_typical_size(even * weight / math.sqrt(self.moved))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            lengths = np.abs(problem.f_x) / weight
        lengths = lengths[np.isfinite(lengths)]
        length = float(np.median(np.clip(lengths, SHORTEST, 1.0))) if lengths.size else 1.0
        # A power of two, so that similar claims ask for the same values.
        begin = 2.0 ** round(math.log2(FIRST_STEP * length)) if step is None else step
        values = problem.complex_along(tangent) if self.exact and step is None else None
        if values is not None and not self._same(values.real):
            values = None
        self.exact = values is not None
        four = None
        for nearer in (1.0, MUCH_NEARER) if values is not None else ():
            assert values is not None
            reached, known = self._values(tangent, begin / nearer, FOUR)
            if known is None:
                return None
            if four is None:
                begin, four = reached, known
            fit = self._fit(known, reached, FOUR)
            error = self._complex_error(tangent)
            slope = np.asarray(values.imag)
            with np.errstate(invalid="ignore"):
                agrees = np.abs(fit.value - slope) <= 3.0 * fit.error
                # Rows come of one f: a steep one bears the complex step out for one that is nearly flat at x.
                steep = np.maximum(np.maximum(weight, np.abs(slope)), root_mean_square(weight))
                told = 3.0 * fit.error <= CONFIRMS * steep
                self._shown = np.abs(fit.value) > 3.0 * fit.error
            unsure = ~(agrees & told & ~_kinked(fit) & ((slope != 0) | (weight == 0))) & ~self.fixed
            if not unsure.any():
                return replace(self._compared(tangent, reached, slope, error, exact=True), fit=fit)
            if self.problem.objective.remaining < 4 * len(EIGHT):
                break
        self.exact = False
        begin, eight = self._values(tangent, begin, EIGHT, known=four)
        if eight is None:
            return None
        fit = self._fit(eight, begin, EIGHT)
        return replace(self._compared(tangent, begin, fit.value, fit.error), fit=fit)

    def _same(self, again: Values) -> bool:
        f_x = self.problem.f_x
        return bool((np.abs(again - f_x) <= SAME * np.maximum(np.abs(f_x), np.abs(again))).all())

    def _values(
        self, tangent: Flat, step: float, side: tuple[float, ...], known: Values | None = None
    ) -> tuple[float, Values | None]:
        """The step and the values (k, m) at the points of `side`; nearer where f is not defined so far from x.

        known : those of `FOUR`, the outer ones of `EIGHT`.
        """
        c = positions(side)
        middle = c.size // 2
        outer = np.array([0, c.size - 1])
        inner = np.array([k for k in range(1, c.size - 1) if k != middle])
        for attempt in range(RETREATS):
            values = np.empty((c.size, self.rows))
            values[middle] = self.problem.f_x
            if known is not None and attempt == 0:
                values[[0, 1, -2, -1]] = known[[0, 1, -2, -1]]
                inner = inner[1:-1]
            else:
                inner = np.array([k for k in range(1, c.size - 1) if k != middle])
                values[outer] = self.problem.along(tangent, step * c[outer])
            if np.isfinite(values[outer]).all():
                values[inner] = self.problem.along(tangent, step * c[inner])
                if np.isfinite(values).all():
                    return step, values
            if self.problem.objective.remaining < 2 * len(side):
                break
            step /= RETREAT
        return step, None

    def _fit(self, values: Values, step: float, side: tuple[float, ...]) -> LineFit:
        grid, names = granularity(values)
        self._gridded |= names != "float64"
        floor = np.maximum(self.rounding_of_x, np.where(names == "float64", 0.0, HALF_GRID * grid))
        return fit_line(values, step, side, floor)

    def _complex_error(self, tangent: Flat) -> Values:
        weight = self.problem.weight(tangent, self.problem.matrix.product(tangent), self.rng)
        return np.asarray(COMPLEX_ROUNDING * EPS * weight * max(1.0, math.sqrt(tangent.size / MANY)))

    def _compared(
        self, tangent: Flat, step: float, slope: Values, error: Values, *, exact: bool = False
    ) -> Direction:
        problem = self.problem
        product = problem.matrix.product(tangent)
        weight = problem.weight(tangent, product, self.rng)
        tolerance = problem.tolerance
        # What the smallest single mistake beyond the tolerance leaves at the least.
        # A row that is claimed to be 0 has no size, and no tolerance of the others is its own. What the imaginary part
        # alone shows there may be what is left of terms as large as theirs.
        zero = (weight == 0) & (self.rows > 1)
        lost = np.where(exact & ~self._shown, self.sizes, np.abs(problem.f_x))
        least = np.where(zero, ROUNDING * EPS * lost, LEAST * tolerance.rtol * self.sizes)
        if tolerance.atol:
            moved = tangent[tangent != 0]
            least = least + LEAST * tolerance.atol * float(np.min(np.abs(moved), initial=np.inf))
        # A claim rounds in its own sums; and where the whole of it hardly moves f it may be what is left of 1 - tanh^2.
        rounding = ROUNDING * np.maximum(problem.eps * weight, EPS * np.abs(problem.f_x) if exact else 0.0)
        allowed = 3.0 * error + np.maximum(least, rounding)
        return Direction(tangent, step, weight, product - slope, error, allowed, exact)

    def _confirmed(self, first: Direction, wrong: Mask) -> Mask:
        """The rows of `wrong` that a kink or fine structure beside x does not explain."""
        if first.exact:
            return wrong
        fit = first.fit
        assert fit is not None
        off = np.abs(first.residual)
        with np.errstate(invalid="ignore"):
            kink = (
                _kinked(fit)
                & (np.abs(fit.kink) > BESIDE * off)
                & (off <= 3.0 * first.error + 2.0 * np.abs(fit.kink))
            )
        wrong = wrong & ~kink & ~self._unsettled(first)
        doubtful = wrong & (off <= SECOND_LOOK * first.error)
        if not doubtful.any() or self.problem.objective.remaining < 2 * len(EIGHT):
            return wrong & ~doubtful
        step, values = self._values(first.tangent, first.step / NEARER, EIGHT)
        if values is None:
            return wrong & ~doubtful
        second = self._fit(values, step, EIGHT)
        again = self._compared(first.tangent, step, second.value, second.error)
        with np.errstate(invalid="ignore"):
            holds = again.exceeds & (np.abs(again.residual - first.residual) <= first.error + again.error)
        return wrong & (~doubtful | holds)

    def _unsettled(self, first: Direction) -> Mask:
        """Rows in which noise, a grid or a kink decides, so that further directions gain little."""
        fit = first.fit
        if fit is None or first.exact:
            return np.zeros(self.rows, bool)
        noisy = fit.noise > NOISY * np.maximum(EPS * fit.size, self.rounding_of_x)
        return np.asarray(
            noisy | self._gridded | _kinked(fit) | ((fit.value == 0) & ~fit.moved & (first.weight > 0))
        )

    def _directions_needed(self, most: Values, needed: Values) -> Values:
        """(m,) how many directions like these a certificate takes; more than `MOST` where none do."""
        counts = np.full(self.rows, MOST + 1)
        for k in range(MOST, 0, -1):
            reached = bound_of(np.broadcast_to(MARGIN * most, (k, self.rows)), self.delta)
            counts[reached <= needed] = k
        return counts

    def _next(self, first: Direction) -> Direction:
        """A further direction: one complex step, or four points whose truncation the first fit tells."""
        tangent = self._tangent()
        if first.exact:
            values = self.problem.complex_along(tangent)
            if values is not None:
                return self._compared(tangent, 0.0, values.imag, self._complex_error(tangent), exact=True)
        fit = first.fit
        assert fit is not None
        third, fifth = fit.odd[1], fit.odd[2]
        # One direction may have a small fifth derivative by accident.
        fifth = np.maximum(fifth, np.sqrt(fit.even[1] * fit.even[2])) if len(fit.even) > 2 else fifth
        truncation = 10.0 * fifth * NEAR**2 * FAR**2
        with np.errstate(divide="ignore"):
            steps = np.where(
                truncation > 0, (fit.noise * AMPLIFIED / (4.0 * truncation)) ** 0.2, LONGEST_STEP
            )
        step, four = self._values(tangent, min(float(np.median(steps)), LONGEST_STEP), FOUR)
        if four is None:
            nothing = np.full(self.rows, np.nan)
            return self._compared(tangent, step, nothing, np.full(self.rows, np.inf))
        low, near_low, _, near_high, high = four
        near, wide = (near_high - near_low) / (2.0 * NEAR * step), (high - low) / (2.0 * FAR * step)
        share = NEAR**2 / (FAR**2 - NEAR**2)
        value = near + (near - wide) * share
        plain = (near * NEAR**2 + wide * FAR**2) / (NEAR**2 + FAR**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            mine = np.abs(wide - near) / ((FAR**2 - NEAR**2) * step**2)
            larger = np.where(third > 0, np.maximum(1.0, mine / third), np.inf)
            bent = np.fmin(truncation * step**4 * larger, 2.5 * np.abs(value - plain))
        noise = np.maximum(fit.noise, self._fit(four, step, FOUR).floor)
        error = bent + noise * AMPLIFIED / step + EPS * np.abs(value)
        return self._compared(tangent, step, value, error)


def _kinked(fit: LineFit) -> Mask:
    """Where the slopes on the two sides of x differ by more than their errors, and the bar, can explain."""
    jump = np.abs(fit.kink)
    return np.asarray((jump > KINKED * fit.kink_error) & (2.0 * jump > 3.0 * fit.error))


def first_moves(first: Direction) -> bool:
    """Whether f changes along a first direction at all."""
    return first.fit is not None and bool(first.fit.moved.any())
