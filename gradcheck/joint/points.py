"""The points along a direction: how far they go, f there, what rounding makes of it, and the fit to what it shows."""

from __future__ import annotations

import math
from functools import cached_property, partial

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.numerics.line_fit import LineFit, ends_and_inner, fit_line, positions
from gradcheck.numerics.outputs import HALF_GRID
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.rounding import FEW, granularity, jump_of, seem_free
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.leaves import all_finite
from gradcheck.parameters.quantiles import median

EPS = float(np.finfo(np.float64).eps)
# Noise beyond so many roundings of a value is not the arithmetic's.
NOISY = 100.0
# A kink that changes f by fewer roundings of the points is none.
SEVERAL = 10.0
# The part of itself that a row has to be claimed to move by, where it stays and others move, to be flat rather than
# rounded.
PLAIN = 1e-4
# What is claimed to move f by no more than so many times its noise may be lost between two steps of a part of f, which
# then shows none of it.
STANDS = 8.0
# Off the domain come nearer three times.
RETREAT, RETREATS = 30.0, 3
# The first step over the length along which f changes by its own size; that length is a thousandth of x at the least,
# for f(x) may cancel to next to nothing. Where it is below the third, as no f changes that could be followed in
# doubles, f(x) is what is left of a root of f, and says nothing of a length: then it is a part of x.
FIRST_STEP, SHORTEST, ROOT, ROOT_LENGTH = 0.01, 1e-3, 1e-9, 0.1
# Where rounding alone would ask for more directions, and f changes by its own size in so many lengths of x, the first
# step is up to so many times as long, but no more than arrays are held back for the one that does least: they bend less
# by that. Rounding makes such a part of E h, by trial on the chapter's network.
ROUNDED, STRETCHED = 30.0, 8.0


class Points:
    """Points along the directions of one claim.

    gridded : (m,) rows whose values were seen to lie on a grid. probed : (m,) the noise of one value, where values near
    x have told it.
    """

    probed: Values | None = None

    def __init__(self, problem: Problem, scaling: Scaling) -> None:
        self.problem, self.scaling = problem, scaling
        self.rows, self.moved = problem.f_x.size, int(np.count_nonzero(scaling.lengths))
        self.gridded = np.zeros(self.rows, bool)
        # The root of the sum of squares of the terms of the first J v.
        self._weight: Values = np.zeros(self.rows)
        # The rows that were found unsettled last, for which fit and which grids.
        self._seen: tuple[LineFit, Mask, Mask] | None = None
        # The longest step over which f was defined: points no farther are asked for at once.
        self._reached = 0.0
        # The values that were taken back onto their line last, and what they were.
        self._raw: tuple[Values, Values] = (np.empty(0), np.empty(0))

    def values(self, tangent: Flat, step: float, side: tuple[float, ...]) -> tuple[float, Values | None]:
        """The step and the values (k, m) at the points of `side`; nearer at bounds, and where f is not defined."""
        c, middle, step = positions(side), len(side), min(step, self.problem.reach(tangent))
        for _ in range(RETREATS):
            outer, inner = ends_and_inner(side)
            values = np.empty((c.size, self.rows))
            values[middle] = self.problem.f_x
            if step <= self._reached or self.problem.objective.at_once:
                outer, inner = np.concatenate([outer, inner]), inner[:0]
            values[outer] = ends = self.problem.along(tangent, step * c[outer])
            if all_finite(ends):
                if inner.size:
                    values[inner] = between = self.problem.along(tangent, step * c[inner])
                if not inner.size or all_finite(between):
                    self._reached = max(self._reached, step)
                    # Asked here, too: most often there is nothing to do, and a call saved.
                    straight = self._straight(values, tangent, step * c) if self.problem.eps_of_x else values
                    return step, straight
            if self.problem.objective.remaining < 2 * len(side):
                break
            step /= RETREAT
        return step, None

    def _straight(self, values: Values, tangent: Flat, offsets: Values) -> Values:
        """Values (k, m), taken back onto their line where rounding moved the points off it; those of f are kept.

        Where f did not move at all the claim is no reason to say that it did.
        """
        if not self.problem.straightened:
            return values
        moved = (values != self.problem.f_x).any(axis=0)
        straight = np.asarray(values - np.where(moved, self.problem.beside(tangent, offsets), 0.0))
        self._raw = (straight, values)
        return straight

    def jumps(
        self,
        tangent: Flat,
        points: Values,
        values: Values,
        slope: Values,
        row: int,
        noise: float | None = None,
    ) -> bool:
        """Whether one row jumps between two points (k,) at which f is `values` (k, m), see `jump_of`."""
        return jump_of(partial(self.problem.along, tangent), points, values, slope, row, noise) > 0

    def fit(self, values: Values, step: float, side: tuple[float, ...]) -> LineFit:
        """The fit to values (k, m)."""
        return fit_line(values, step, side, self._floor(values, step))

    def _floor(self, values: Values, step: float) -> Values:
        """(m,) what rounding may change of one of some values (k, m), on top of half a unit in their last place.

        Rows that lie on a grid are noted.
        """
        floor = self.rounding_of_x
        values = self._raw[1] if values is self._raw[0] else values
        if self.rows > FEW or not seem_free(values):
            grid, names = granularity(values)
            gridded = names != "float64"
            still = (values == self.problem.f_x).all(axis=0)
            if np.count_nonzero(still) and not still.all():
                # One value lies on any grid. Of rows that come of one f it is that of those that move.
                alike = still & ((self._weight == 0) | self._plain(step))
                grid = np.where(alike, np.max(np.where(gridded & ~still, grid, 0.0)), grid)
                gridded = np.where(alike, grid > 0, gridded)
            self.gridded = self.gridded | gridded
            floor = np.maximum(floor, np.where(gridded, HALF_GRID * grid, 0.0))
        if self.probed is not None:
            hardly = self._weight * step <= STANDS * self.probed
            floor = np.maximum(floor, np.where(hardly, 0.5 * self.probed, 0.0))
        if self.problem.eps_of_x == 0:
            return np.asarray(floor)
        # Points of a coarser dtype lie beside their line; the claim that took them back onto it is that at x.
        beside = step if self.problem.straightened else 1.0
        return np.asarray(floor + 0.5 * beside * self.problem.eps_of_x * self._weight)

    def _plain(self, step: float) -> Mask:
        """(m,) rows that a step is claimed to move by more of them, and of the others, than anyone rounds off."""
        size = np.maximum(np.abs(self.problem.f_x), root_mean_square(self.problem.f_x))
        return np.asarray(self._weight * step > PLAIN * size)

    @cached_property
    def rounding_of_x(self) -> Values:
        """(m,) what the rounding of the points may change of f; of products alone, what the first direction tells."""
        norms = self.problem.matrix.norms(self.problem.x)
        return np.asarray(0.5 * EPS * (self._weight if norms is None else norms))

    def _rounding_beside(self, fit: LineFit) -> Values:
        """(m,) what the rounding of the points changes f by, as far from x as those of a fit.

        By the slope at x, or where f bends from a slope of next to nothing, as beside a minimum, by that on the way. Of
        a row that is claimed to be 0 by the slope that it shows.
        """
        # The points round each for itself, and what bends adds up.
        bent = fit.even[0] * fit.step / math.sqrt(self.moved)
        bent = np.where(self.rounding_of_x == 0, np.maximum(bent, 0.5 * np.abs(fit.value)), bent)
        if not np.count_nonzero(EPS * bent > self.rounding_of_x):
            return self.rounding_of_x
        moved = self.scaling.lengths > 0
        own = root_mean_square(self.problem.x[moved] / self.scaling.lengths[moved])
        return np.asarray(np.maximum(self.rounding_of_x, EPS * own * bent))

    def rounded(self, fit: LineFit) -> Mask:
        """(m,) rows in which what a fit takes for noise is what values round by: that knows nothing of the tangent."""
        if self.problem.eps_of_x:
            return np.zeros(self.rows, bool)
        return np.asarray((fit.noise <= NOISY * EPS * fit.size) & ~(fit.kinked | self.gridded))

    def unsettled(self, first: Direction) -> Mask:
        """(m,) rows in which noise, a grid or a kink decides, so that further directions gain little."""
        fit = first.fit
        if fit is None or first.exact:
            return np.zeros(self.rows, bool)
        if self._seen is None or self._seen[0] is not fit or self._seen[1] is not self.gridded:
            beside = self._rounding_beside(fit)
            noisy = fit.noise > NOISY * np.maximum(EPS * fit.size, beside)
            kinked = fit.kinked & (np.abs(fit.kink) * fit.step > SEVERAL * beside)
            rests = ~fit.moved & (fit.value == 0) & (first.weight > 0)
            if np.count_nonzero(rests) and np.count_nonzero(fit.moved):
                rests &= ~self._plain(fit.step)
            self._seen = fit, self.gridded, noisy | self.gridded | kinked | rests
        return self._seen[2]


def lengths_of(f_x: Values, weight: Values) -> Values:
    """The lengths along which f changes by its own size, of the rows that have one, in units of a direction.

    weight : (m,) the root of the sum of squares of the terms of J v.
    """
    lengths = np.abs(f_x) / weight
    return np.asarray(lengths[np.isfinite(lengths)])


def first_step(f_x: Values, weight: Values, asked: Values | None, held: float) -> float:
    """The step of the first direction, a power of two, so that similar claims ask for the same values.

    f_x, weight : (m,) as of `lengths_of`. asked : (m,) the step that rounding would ask for; None where it is no
    matter. held : how many times as far arrays would move were they not held back for the one that does least.
    """
    lengths = lengths_of(f_x, weight)
    usual = ROOT_LENGTH if lengths.size else 1.0
    lengths = lengths[lengths > ROOT]
    within = np.minimum(np.maximum(lengths, SHORTEST), 1.0)
    length = float(median(within)) if lengths.size else usual
    if length == 1.0 and lengths.size and asked is not None:
        asked = asked[np.isfinite(asked)] / FIRST_STEP
        longer = float(median(asked)) if asked.size else 1.0
        length = max(1.0, min(longer, STRETCHED, held, float(median(lengths))))
    return 2.0 ** round(math.log2(FIRST_STEP * length))
