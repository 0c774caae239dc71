"""What further directions would certify, as far as those so far tell, and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.directions import LONGER, Directions
from gradcheck.joint.few_points import taken_by_four
from gradcheck.numerics.line_fit import FOUR
from gradcheck.results.certificate import least_bounds

# Directions after which it is given up; and of many rows, each of which costs nothing more.
MOST, MOST_OF_ROWS = 8, 12
# So many times as many of an array by itself: nothing that comes after them costs less.
PATIENCE = 4
# The next residuals are taken to be up to so much larger than the first ones.
MARGIN = 1.3
# After so many directions of few points in noise they tell what the next ones will be.
SEVERAL = 3
# Eight values know a standard deviation to this factor in all but one of thousands.
CAUTIOUS = 10.0


def enough(along: Directions, count: int, most: Values, needed: Values) -> Mask:
    """(m,) rows that so many directions certify, with residuals of `most` (m,); those of 0 take no more than one.

    needed : (m,) what their bounds have to be; 0 certifies nothing.
    """
    least = least_bounds(along.delta)[count - 1]
    return np.asarray(((most == 0) & (needed > 0)) | (needed / (MARGIN * most) >= least))


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
