"""What further directions would certify, as far as those so far tell, and what it would cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.directions import LONGER, Directions
from gradcheck.joint.few_points import AMPLIFIED, four_points, taken_by_four
from gradcheck.joint.points import EPS, first_step
from gradcheck.numerics.line_fit import EIGHT, FOUR
from gradcheck.results.certificate import least_bounds

# Directions after which it is given up; and of many rows, each of which costs nothing more.
MOST, MOST_OF_ROWS = 8, 12
# So many times as many of an array by itself: nothing that comes after them costs less.
PATIENCE = 4
# The next residuals are taken to be up to so much larger than the first ones.
MARGIN = 1.3
# After so many directions of few points in noise they tell what the next ones will be.
SEVERAL = 3
# By what the fit of degree 6 to eight points and f(x) multiplies the noise of one value at a step of 1.
BY_EIGHT = 3.12
# Eight values know a standard deviation to this factor in all but one of thousands.
CAUTIOUS = 10.0


def enough(along: Directions, count: int, most: Values, needed: Values) -> Mask:
    """(m,) rows that so many directions certify, with residuals of `most` (m,); those of 0 take no more than one.

    needed : (m,) what their bounds have to be; 0 certifies nothing.
    """
    none, one = (least_bounds(along.delta, unseen)[count - 1] for unseen in (0, 1))
    least = np.where(along.unseen, one, none)
    return np.asarray(((most == 0) & (needed > 0)) | (needed / (MARGIN * most) >= least))


def too_few(along: Directions, bar: Values, sizes: Values) -> Mask:
    """(m,) rows of which one direction is taken to prove too little, with a bar like this (m,).

    To be settled before the direction is looked at, of which neither may know anything: then no look is taken after it,
    and the one after two has the share of a first. Where any number of directions proves too little the sizes (m,) are
    not those that will be asked for, as at a minimum.
    """
    least, needed = least_bounds(along.delta), along.problem.tolerance.resolution * sizes
    return np.asarray((least[0] * bar > needed) & (least[-1] * bar <= needed))


def too_few_by_rounding(along: Directions) -> Mask:
    """`too_few`, by a first direction of eight points, as far as the rounding of f(x) tells its bar, then E."""
    if not along.refused:
        return along.unseen
    problem, scaling = along.problem, along.scaling
    weight = problem.matrix.norms(scaling.lengths)
    if weight is None:
        return along.unseen
    step = first_step(problem.f_x, weight, along.asked, scaling.held)
    return too_few(along, BY_EIGHT / step * EPS * np.abs(problem.f_x), scaling.sizes)


def too_few_by_noise(along: Directions, told: Direction) -> Mask:
    """`too_few`, by directions of four points, of f as a first direction has told it for another claim.

    Where that is wrong by a factor two tell of small entries, too, that they are off by it: the bar counts in full.
    """
    if told.fit is None or told.exact:
        return np.zeros(along.rows, bool)
    sizes = np.where(along.sizes > 0, along.sizes, np.inf)
    step, _ = four_points(told.fit, told.step, sizes, along.rounded(told.fit))
    return too_few(along, 3.0 * AMPLIFIED / step * told.fit.noise, along.sizes)


def harmless(
    along: Directions, first: Direction, needed: Values, count: int, *, most: Values | None = None
) -> Mask:
    """(m,) rows that bars many times as wide would certify, too, with a kink in them: that noise voids no row.

    Where its size is known the bars will do as they are, of one row, too. count : of directions. most : (m,) what
    residuals are at the most; `first.most` by default.
    """
    fit = first.fit
    if fit is None or (needed.size == 1 and not first.in_noise):
        return np.zeros(needed.size, bool)
    wide = np.where(first.noisy, 1.0, CAUTIOUS) * (first.most if most is None else most)
    wide = wide + 2.0 * np.abs(np.nan_to_num(fit.kink))
    return np.asarray(enough(along, count, wide, needed) & fit.moved)


def hopeless(
    along: Directions,
    told: Direction | None,
    taken: Sequence[Direction],
    needed: Values,
    most: int,
) -> Mask:
    """(m,) rows that directions like those taken do not certify, or at a higher cost than single entries.

    told : what a first direction shows of f, of this claim or another. most : directions after which it is given up.
    """
    expected = _expected(along, told, taken)
    return ~enough(along, min(most, along.moved + len(taken)), expected, needed)


def _expected(along: Directions, told: Direction | None, taken: Sequence[Direction]) -> Values:
    """(m,) what residuals of further directions are at the most."""
    sizes = [d.most for d in taken]
    if told is not None and told.in_noise:
        # Few points are what most of them will be, at a longer step yet while such are tried and serve.
        (step, fit), steps = along.short_of(taken), [d.step for d in taken if d.hidden is None]
        grows = max(along.tried - len(steps), 0) if fit.step == max(steps) else 0
        most = taken_by_four(fit, step) / LONGER**grows
        few = [each for d, each in zip(taken, sizes, strict=True) if d.hidden is not None]
        return np.maximum(most, np.median(few, axis=0)) if along.rows == 1 and len(few) >= SEVERAL else most
    if told is not None and _tells_by_eight(told):
        return np.minimum(told.bar, sizes[-1])
    return np.asarray(np.max(sizes, axis=0))


def eight_cost_less(
    told: Direction | None,
    taken: Sequence[Direction],
    needed: Values,
    pending: Mask,
    bound: Callable[[Sequence[Values]], Values],
    most: int,
) -> bool:
    """Whether eight points a direction, as precise as the first, certify the open rows for less than four do.

    As far as one of four tells. pending : (m,) the open rows. bound : what residuals (K, m) prove of each row; the
    other parameters as of `hopeless`. Twice as many directions of eight points may be taken.
    """
    if told is None or told.in_noise or not _tells_by_eight(told) or taken[-1].fit is told.fit:
        return False
    sizes = [d.most for d in taken]

    def cost(points: int, more: Values, left: int) -> float:
        counts = range(1, left - len(sizes) + 1)
        certify = (k for k in counts if (bound([*sizes, *[more] * k]) <= needed)[pending].all())
        return points * next(certify, math.inf)

    return cost(len(EIGHT), told.bar, 2 * most) < cost(len(FOUR), sizes[-1], most)


def asks_more(
    along: Directions,
    told: Direction,
    taken: Sequence[Direction],
    needed: Values,
    pending: Mask,
) -> bool:
    """Whether most of the open rows would take many directions in noise as it is told so far."""
    if not told.in_noise:
        return False
    step, fit = along.short_of(taken)
    return not most_of(enough(along, MOST, taken_by_four(fit, step), needed), pending)


def _tells_by_eight(first: Direction) -> bool:
    """Whether it tells what eight points show along others: it has real points, and more than four."""
    return not first.exact and first.fit is not None and len(first.fit.odd) > len(FOUR)


def most_of(rows: Mask, among: Mask) -> bool:
    """Whether more than half of some rows are of a kind."""
    return bool(2 * np.count_nonzero(rows & among) > np.count_nonzero(among))
