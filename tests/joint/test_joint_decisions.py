"""What a joint test decides of its first direction, row by row: noise, kinks, steps, how many more; values by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from by_hand import (
    EPS,
    STEP,
    Steps,
    bound,
    close,
    direction,
    fitted,
    joint_test,
    limit,
    needs,
    row,
    scattered,
    taken_by_shortest,
)

from gradcheck.function.matrix import Dense
from gradcheck.joint.direction import Direction
from gradcheck.joint.directions import Directions
from gradcheck.joint.first_direction import (
    _in_noise,
    _nearer,
    _noise_alone,
    at_rest,
    moves,
    sizes_at_minima,
)
from gradcheck.joint.forecast import (
    enough,
    harmless,
    hopeless,
    most_of,
)
from gradcheck.joint.joint import JointTest
from gradcheck.joint.points import Points
from gradcheck.joint.second_look import confirmed as looked_at_again
from gradcheck.numerics.line_fit import EIGHT, fit_line, positions
from gradcheck.results.certificate import precise


def hopeless_after(test: JointTest, taken: list[Direction], needed: Any) -> Any:
    """What a test gives up after some directions."""
    return hopeless(test.along, test.first, taken, needed, test.most)


def harmless_in(test: JointTest, first: Direction, needed: Any, *, count: int = 0, most: Any = None) -> Any:
    """The rows that a test calls harmless; count : of directions, all that it takes by default."""
    return harmless(test.along, first, needed, count or test.most, most=most)


def test_more_than_half_is_most():
    """Of the rows in question alone."""
    among = np.array([True, True, False, True, True])
    assert not most_of(np.array([True, True, True, False, False]), among)
    assert most_of(np.array([True, True, True, True, False]), among)
    assert not most_of(np.zeros(5, bool), np.zeros(5, bool))


def test_a_line_moves_where_some_row_does():
    """And without real points nothing is known to."""
    assert moves(direction(2, fitted(2, moved=[False, True])))
    assert not moves(direction(2, fitted(2, moved=False)))
    assert not moves(direction(2, None))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 24])
def test_how_many_directions_a_certificate_takes(count: int):
    """The first count whose bound, with a margin of 1.3, is within what is needed; one more just beyond it.

    Residuals of 0 take none; what is not known or needs to be 0, no number of them.
    """
    test = joint_test(6)
    needed = 1.3 * 7.0 * bound(count, test.along.delta)
    most = np.array([7.0, 7.0, 0.0, 0.0, np.nan, 7.0])
    needed = np.array([needed * (1 + 1e-9), needed * (1 - 1e-9), 1.0, 0.0, 1.0, 0.0])

    with np.errstate(all="ignore"):
        found = [enough(test.along, many, most, needed).tolist() for many in (count, count + 1, 64)]

    right = [True, False, True, False, False, False]
    assert found == [right, *[[True, True, *right[2:]]] * 2]
    assert count == 1 or not enough(test.along, count - 1, most, needed)[0]


def test_rows_share_no_chance_to_be_wrong():
    """All are certified together: that the worst is missed is as unlikely as of one alone."""
    assert joint_test(3).along.delta == joint_test(1).along.delta == 1e-6


UNSETTLED = {
    "quiet": ({}, {}, False),
    "noise of a hundred roundings": ({"noise": 100 * EPS * 4, "size": 4.0}, {}, False),
    "noise of more": ({"noise": 101 * EPS * 4, "size": 4.0}, {}, True),
    "as much, of a larger f": ({"noise": 101 * EPS * 4, "size": 8.0}, {}, False),
    "a kink": ({"kink": 4.0}, {}, True),
    "as large as its errors": ({"kink": 2.9}, {}, False),
    "no slope where one is claimed": ({"value": 0.0, "moved": False}, {}, True),
    "no slope where none is claimed": ({"value": 0.0, "moved": False}, {"weight": 0.0}, False),
    "no slope of what moves": ({"value": 0.0}, {}, False),
    "a slope of what does not move": ({"moved": False}, {}, False),
}


@pytest.mark.parametrize("name", UNSETTLED)
def test_what_noise_and_kinks_decide(name: str):
    """A row alone, and beside one that is quiet."""
    parts, of_direction, expected = UNSETTLED[name]
    test = joint_test(1)
    first = direction(1, fitted(1, **parts), **of_direction)
    assert test.along.unsettled(first).tolist() == [expected]
    assert test.along.unsettled(replace(first, exact=True)).tolist() == [False]
    test.first = first
    assert test.unsettled.tolist() == [expected]


def test_rounding_of_the_points_is_no_noise():
    """A hundred times what it moves f by."""
    test = joint_test(2)
    test.along.__dict__["rounding_of_x"] = np.array([1e-10, 1e-12])
    first = direction(2, fitted(2, noise=5e-9))
    assert test.along.unsettled(first).tolist() == [False, True]


def test_a_kink_that_changes_f_by_ten_roundings_of_the_points_is_none():
    """In a step of a hundredth."""
    test = joint_test(3)
    test.along.__dict__["rounding_of_x"] = np.full(3, 1e-9)
    first = direction(3, fitted(3, kink=[0.95e-6, 1.05e-6, -1.05e-6], kink_error=1e-9))
    assert test.along.unsettled(first).tolist() == [False, True, True]


def test_a_grid_is_unsettled():
    """In the rows that lie on one."""
    test = joint_test(2)
    test.along.gridded = np.array([False, True])
    assert test.along.unsettled(direction(2, fitted(2))).tolist() == [False, True]


def test_what_was_found_unsettled_is_asked_again_where_a_grid_is_seen():
    """Of the same fit; and of another one with the same grids."""
    test = joint_test(2)
    first = direction(2, fitted(2))
    found = test.along.unsettled(first)
    assert found.tolist() == [False, False]
    assert test.along.unsettled(first) is found
    test.along.gridded = np.array([True, False])
    assert test.along.unsettled(first).tolist() == [True, False]
    noisy = direction(2, fitted(2, noise=[1e-16, 1e-3]))
    assert test.along.unsettled(noisy).tolist() == [True, True]


@pytest.mark.parametrize(("part", "rests"), [(0.9e-4, True), (1.1e-4, False)])
def test_a_row_that_stays_where_others_move_is_flat_if_it_was_to_move_by_a_part_of_itself(
    part: float, rests: bool
):
    """By a ten-thousandth of the root mean square of f, which is 2 here, in one step; else it may be rounded."""
    test = joint_test(2)
    test.along.problem = replace(test.along.problem, f_x=np.array([2.0, 2.0]))
    test.along._weight = 2.0 * part / STEP * np.ones(2)
    first = direction(2, fitted(2, value=[1.0, 0.0], moved=[True, False]))
    assert test.along.unsettled(first).tolist() == [False, rests]


def test_points_round_by_the_slope_that_f_has_on_the_way():
    """The rounding of each coordinate over how far it moves: the root mean square of 1, 3 and 8 parts of EPS.

    f bends by 6 a unit of x, of which a hundredth is a step of three coordinates; one that stays does not round. What
    x rounds by counts where it is more, and the slope that is shown, by half, where a row is claimed to be 0.
    """
    test = joint_test(4, x=[1.0, 2.0, 3.0, 4.0])
    scaling = replace(test.along.scaling, lengths=np.array([0.0, 2.0, 1.0, 0.5]))
    points = Points(test.problem, scaling)
    vars(points)["rounding_of_x"] = np.array([1e-30, 1.0, 0.0, 0.0])
    fit = fitted(4, even=[[6.0] * 4, *[[0.0] * 4] * 3], value=[5.0, 5.0, -3.0, 0.001])
    bent = 0.06 / math.sqrt(3.0)
    own = math.sqrt((1.0 + 9.0 + 64.0) / 3.0)
    assert points._rounding_beside(fit) == close([EPS * own * bent, 1.0, EPS * own * 1.5, EPS * own * bent])
    vars(points)["rounding_of_x"] = np.full(4, 1e-15)
    steep = fitted(4, even=[[6e6] * 4, *[[0.0] * 4] * 3])
    assert points._rounding_beside(steep) == close([EPS * own * 1e6 * bent] * 4)
    # Where f hardly bends it is what x rounds by.
    vars(points)["rounding_of_x"] = np.ones(4)
    assert points._rounding_beside(fit) is points.rounding_of_x


def test_what_values_round_by_is_no_noise_of_a_row():
    """A hundred units of the last place of f; not where a kink, a grid or coarser points may be it."""
    test = joint_test(5)
    test.along.gridded = np.array([False, False, False, True, False])
    kinks = [0.0, 0.0, 9.0, 0.0, 0.0]
    fit = fitted(5, size=4.0, noise=[400 * EPS, 401 * EPS, 0.0, 0.0, 0.0], kink=kinks)
    assert test.along.rounded(fit).tolist() == [True, False, False, False, True]
    vars(test.along.problem)["eps_of_x"] = 1e-7
    assert test.along.rounded(fit).tolist() == [False] * 5


def test_without_a_first_direction_every_row_is_unsettled():
    """So nothing rests on it; nor is there noise of a known size."""
    test = joint_test(3)
    assert test.unsettled.tolist() == [True, True, True]
    assert test.unsettled.dtype == bool
    assert not test.noisy
    assert test.exceeded is False
    test.first = direction(3, None)
    assert test.unsettled.tolist() == [False, False, False]


def test_noise_of_a_known_size_allows_more_directions():
    """Eight for one row, 12 for several, each of which costs nothing more, or 64, most of them of four points."""
    for rows, most in ((1, 8), (2, 12)):
        test = joint_test(rows)
        test.first = direction(rows, fitted(rows))
        assert (test.noisy, test.most) == (False, most)
    test.first = direction(2, fitted(2), noisy=np.array([False, True]))
    assert (test.noisy, test.most) == (True, 64)


def test_noise_alone_is_small_flat_and_without_kink_or_grid():
    """2e-6 of what f changes along the direction; each condition has a row in which it alone is missing."""
    noise = 1e-10
    test = joint_test(6)
    test.along.gridded = np.arange(6) == 5
    flat, kink = np.arange(6) != 2, np.where(np.arange(6) == 3, 9.0, 0.0)
    spread = np.where(np.arange(6) == 1, 2.1e-6, 1.9e-6) * 3.0 * STEP
    noises = np.where(np.arange(6) == 4, 0.0, noise)
    first = direction(6, fitted(6, noise=noises, flat=flat, spread=spread, kink=kink), weight=3.0)
    assert _noise_alone(test.along, first).tolist() == [True, False, False, False, False, False]
    assert _noise_alone(test.along, direction(6, None)).tolist() == [False] * 6


def test_directions_that_do_not_certify_are_hopeless():
    """More than twelve of them, or more beyond those that there are than coordinates that move."""
    test = joint_test(4, columns=6)
    needed, one = np.full(4, 1e-3), np.ones(4)
    most, two = np.array([needs(test, count) for count in (3, 8, 13, 7)]), np.full(4, needs(test, 2))

    def of(first: Any, *others: Any, residual: float = 0.0, **parts: Any) -> list[bool]:
        test.first = direction(4, fitted(4), error=first / 3.0, residual=residual, **parts)
        few = [direction(4, None, error=other / 3.0) for other in others]
        return hopeless_after(test, [test.first, *few], needed).tolist()

    assert of(most) == [False, True, True, False]  # 8 - 1 of 6 coordinates
    test.along.moved = 7
    alone = [False, False, True, False]
    assert of(most) == alone
    # The better of eight points like the first and of four like the last; those between them do not count.
    for first, others in ((most, [one]), (one, [most]), (one, [two, most]), (most, [two, one])):
        assert of(first, *others) == alone
    for first, others in ((two, [one]), (one, [two]), (one, [one, two])):
        assert of(first, *others) == [False] * 4
    assert of(one, one) == [True] * 4
    # What the first one left along its own tangent others do not leave; four points may have left it for want of more.
    assert of(most, residual=1.0) == alone
    test.first = direction(4, fitted(4), error=one)
    left = direction(4, None, error=most / 3.0, residual=1.0)
    assert hopeless_after(test, [test.first, left], needed).all()


@pytest.mark.parametrize("parts", [{"exact": True}, {"fit": None}, {"fit": "four points"}])
def test_of_directions_that_tell_nothing_of_eight_points_the_worst_says_what_is_hoped_for(parts: Any):
    """By the complex step, without real points, and of four points alone."""
    test = joint_test(2, columns=100)
    fit = fitted(2)
    if parts.get("fit"):
        parts = {"fit": replace(fit, odd=fit.odd[:2])}
    good, bad = (
        replace(direction(2, fit, error=error), **parts) for error in (needs(test, 3) / 3.0, [1.0, 1e-9])
    )
    test.first = good
    needed = np.full(2, 1e-3)
    assert not hopeless_after(test, [good, good], needed).any()
    assert hopeless_after(test, [good, bad, good], needed).tolist() == [True, False]
    # Beside eight points that tell more it has no say.
    test.first = replace(good, exact=False, fit=fit)
    assert not hopeless_after(test, [test.first, bad, good], needed).any()


@pytest.mark.parametrize("rows", [1, 3])
def test_after_three_directions_of_few_points_in_noise_their_median_says_what_is_hoped_for(rows: int):
    """Of one row alone: of many some have three that are bad by chance.

    Where what noise was seen to be is worse, that does; with two of them it alone does.
    """
    test, noisy = joint_test(rows, columns=100), np.ones(rows, bool)
    test.first = first = direction(rows, fitted(rows, flat=True, spread=1e-15, bends=1e-15), noisy=noisy)
    test.along.tried = 1
    enough = needs(test, 64)
    assert (taken_by_shortest(test, first) < enough).all()

    needed = np.full(rows, 1e-3)

    def hopeless(*sizes: float) -> list[bool]:
        few = [direction(rows, None, noisy=noisy, hidden=np.full(rows, enough * each)) for each in sizes]
        return hopeless_after(test, [first, *few], needed).tolist()

    below, above, alone = 0.99, 1.01, rows == 1
    assert hopeless(above, above) == [False] * rows
    assert hopeless(above, above, below) == [alone] * rows
    assert hopeless(below, below, above) == [False] * rows
    assert hopeless(above, above, above, above) == [alone] * rows
    assert hopeless(below, below, below, 9.0) == [False] * rows
    assert hopeless(9.0, 9.0, below, below) == [alone] * rows
    # One of eight points is no such direction.
    eight = direction(rows, fitted(rows, flat=True, spread=1e-15, bends=1e-15), noisy=noisy, error=1.0)
    few = direction(rows, None, noisy=noisy, hidden=np.full(rows, above * enough))
    assert not hopeless_after(test, [first, eight, eight, few, few], needed).any()
    loud = direction(rows, fitted(rows, flat=True, spread=1.0, bends=1.0), noisy=noisy)
    assert hopeless_after(test, [loud, *[replace(few, hidden=np.zeros(rows))] * 3], needed).all()


def test_noisy_directions_hope_for_what_four_points_leave():
    """And three times less for each longer step of three that is still to be tried."""
    test = joint_test(1, columns=100)
    noisy = np.array([True])
    test.first = direction(1, fitted(1), noisy=noisy)
    needed = np.full(1, 1e-3)
    enough = needs(test, 64)

    def hopeless(count: int, part: float) -> bool:
        first = direction(1, fitted(1, flat=True, spread=1e-9, bends=1e-9), noisy=noisy)
        expected = float(taken_by_shortest(test, first)[0])
        scaled = 1e-9 * part * enough / expected
        each = [direction(1, fitted(1, flat=True, spread=scaled, bends=scaled), noisy=noisy)] * count
        return bool(hopeless_after(test, each, needed)[0])

    for count, hope in ((1, 9.0), (2, 3.0), (3, 1.0), (4, 1.0)):
        assert not hopeless(count, 0.99 * hope)
        assert hopeless(count, 1.01 * hope)


def test_noise_that_ten_times_the_bars_would_certify_voids_no_row():
    """With a kink in them; of one row alone only where its noise is known, and then the bars will do."""
    test = joint_test(5, columns=100)
    test.first = direction(5, fitted(5))
    needed = np.full(5, 1e-3)
    enough = needs(test, 12)
    error = np.array([0.099, 0.101, 0.05, 0.05, 0.05]) * enough / 3.0
    kink = np.array([0.0, 0.0, 0.2, 0.3, 0.0]) * enough
    first = direction(5, fitted(5, kink=kink, moved=[True, True, True, True, False]), error=error)
    assert harmless_in(test, first, needed).tolist() == [True, False, True, False, False]
    assert harmless_in(test, direction(5, None), needed).tolist() == [False] * 5
    # By other sizes than what residuals are at the most, and by fewer directions.
    few = needs(test, 3) * np.array([0.099, 0.101, 0.05, 0.05, 0.05])
    kinked = replace(first, fit=fitted(5, kink=[0.0, 0.0, 0.2 * needs(test, 3), 0.3 * needs(test, 3), 0.0]))
    assert harmless_in(test, kinked, needed, most=few, count=3).tolist() == [True, False, True, False, True]
    assert not harmless_in(test, kinked, needed, most=few, count=2)[0]
    assert harmless_in(test, kinked, needed, most=few)[1]

    alone = joint_test(1, columns=100)
    alone.first = direction(1, fitted(1))
    assert not harmless_in(alone, alone.first, needed[:1])[0]
    enough = needs(alone, 64)
    for error, expected in ((0.99, True), (1.01, False)):
        alone.first = direction(1, fitted(1), error=error * enough, noisy=np.array([True]))
        assert bool(harmless_in(alone, alone.first, needed[:1])[0]) is expected


def test_a_row_of_zeros_that_never_moves_is_at_rest():
    """Beside others alone; what moves, is claimed, or is off by something is not."""
    moved, weight, residual = [False, True, False, False], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1e-9]
    first = direction(4, fitted(4, moved=moved, size=0.0), weight=weight, residual=residual)
    assert at_rest(first).tolist() == [True, False, False, False]
    assert not at_rest(direction(1, fitted(1, moved=False), weight=0.0)).any()
    assert not at_rest(direction(4, None, weight=0.0)).any()


@pytest.mark.parametrize(("size", "rests"), [(0.9, True), (1.1, False)])
def test_a_row_whose_rounding_hides_what_others_move_by_is_not_at_rest(size: float, rests: bool):
    """A thousandth of that, by the most common of those that move: three of them, by 1, 2 and 1e9 over a step."""
    hides = size * 1e-3 * STEP * 2.0 / EPS
    fit = fitted(4, moved=[False, True, True, True], size=[hides, 1.0, 1.0, 1.0])
    first = direction(4, fit, weight=[0.0, 1.0, 2.0, 1e9])
    assert at_rest(first).tolist() == [rests, False, False, False]
    still = direction(4, fitted(4, moved=False, size=1e9), weight=[0.0, 1e-12, 1e-12, 1e-12])
    assert not at_rest(still).any()


def test_a_row_that_is_claimed_to_move_by_less_than_its_rounding_is_at_rest_where_it_never_moves():
    """Saturated units: half a unit in the last place of values of 2 and less; complex numbers would show what moves."""
    claimed = np.array([0.9, 1.1, 0.9, 0.9]) * 2.0 * EPS
    parts = {"weight": claimed, "residual": [0.0, 0.0, 0.0, 2.2 * EPS]}
    even = np.zeros((4, 4))
    even[0, 2] = 1.0  # one bends
    first = direction(4, fitted(4, moved=[False, False, True, False], size=2.0, even=even), **parts)
    assert at_rest(first).tolist() == [True, False, False, False]
    assert not at_rest(replace(first, exact=True)).any()


def stationary(**parts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A fit and a direction at a minimum: slopes below their bars, b2 of 3."""
    even = np.zeros((4, 2))
    even[0] = 3.0
    fit = {"even": even, "value": 0.0} | parts.pop("fit", {})
    return fit, {"weight": 1e-10, "error": 1e-9} | parts


def sizes_of(x: Any = None, **parts: Any) -> list[float]:
    """The sizes of two rows after they were looked at."""
    test = joint_test(2, x=x)
    test.along.sizes = np.full(2, 0.25)
    fit, of_direction = stationary(**parts)
    first = direction(2, fitted(2, **fit), **of_direction)
    test.first = first
    test.along.sizes = sizes_at_minima(test.along, first, test.most)
    return test.sizes.tolist()


def test_at_a_minimum_a_mistake_is_relative_to_what_the_slope_becomes():
    """2 b2 over the four coordinates that move, where that is more than its size; not of what has a slope."""
    assert sizes_of() == [1.5, 1.5]
    assert sizes_of(weight=[1e-10, 1e-3]) == [1.5, 0.25]
    assert sizes_of(weight=[3.0e-9, 1e-10]) == [1.5, 1.5]
    assert sizes_of(fit={"moved": [True, False]}) == [1.5, 0.25]
    assert sizes_of(fit={"even": np.full((4, 2), 0.1)}) == [0.25, 0.25]
    # Beside that next to nothing counts as a millionth of it.
    assert sizes_of(weight=[1e-6, 2.9e-6]) == pytest.approx([0.25 * 3.0, 0.25 * 3.0 / 2.9])
    # However wide the bars are.
    assert sizes_of(weight=[3.0, 7.0], error=2.0) == [1.5, 0.25]
    assert sizes_of(exact=True) == [0.25, 0.25]
    assert sizes_of(fit={"kink": [0.0, 9.0]}) == [1.5, 0.25]


@pytest.mark.parametrize(("part", "size"), [(0.9, 1.5), (1.1, 0.25)])
def test_at_a_minimum_a_thousandth_of_what_f_bends_is_no_kink(part: float, size: float):
    """b2 h, where noise that would do no harm is all that is unsettled."""
    kink = [part * 1e-3 * 3.0 * 1e-3, 0.0]
    assert sizes_of(fit={"noise": [1e-3, 1e-16], "kink": kink}, step=1e-3) == [size, 1.5]


def test_at_an_entry_that_is_0_what_is_claimed_has_no_such_size():
    """It may show far nearer to x; a claim of 0 has nothing to show."""
    x = [0.0, 1.0, 1.0, 1.0]
    assert sizes_of(x) == [0.25, 0.25]
    assert sizes_of(x, weight=[0.0, 1e-10]) == [1.5, 0.25]
    # An entry of 0 that cannot move shows nothing either way.
    held = joint_test(2, x=x)
    held.along.sizes = np.full(2, 0.25)
    held.along.scaling = replace(held.along.scaling, lengths=np.array([0.0, 1.0, 1.0, 1.0]))
    fit, of_direction = stationary()
    held.first = direction(2, fitted(2, **fit), **of_direction)
    held.along.sizes = sizes_at_minima(held.along, held.first, held.most)
    assert held.sizes.tolist() == [1.5, 1.5]


def test_the_least_precise_directions_are_left_out_of_what_the_bounds_rest_on():
    """Two equal ones and one that says nothing: the bound rests on the two."""
    each = np.array([[1e-9], [5.0], [1e-9]])
    assert precise(each, np.array([2.0]), 1e-6).tolist() == [True, False, True]
    assert precise(np.full((3, 1), 1e-9), np.array([2.0]), 1e-6).all()
    # Where some row needs them all.
    assert precise(np.hstack([each, np.ones((3, 1))]), np.array([2.0, 2.0]), 1e-6).all()


ALL = np.array([True, True])


def test_a_smooth_f_is_seen_a_hundred_times_nearer():
    """The bar falls by three; where the coefficients do not fall, what is left is noise."""
    first = direction(2, fitted(2, noise=1e-3), error=3.1e-3)
    for flat, noisy in (
        (False, [False, False]),
        ([True, True], [True, True]),
        ([True, False], [False, False]),
    ):
        test = joint_test(2)
        steps = Steps(test, direction(2, fitted(2, flat=flat), error=1e-3))
        found = _nearer(test.along, first, ALL, ~ALL)
        assert found is not None
        assert steps.asked == [STEP / 100]
        assert row(found.noisy, 2, bool).tolist() == noisy
        assert found.error.tolist() == [1e-3, 1e-3]


def test_what_is_no_better_nearer_is_tried_once_more_and_given_up():
    """A bar that falls by less than three, or a row that is unsettled still."""
    first = direction(2, fitted(2, noise=1.0), error=3e-3)
    for fit, error in ((fitted(2, noise=1e-9), 1e-3), (fitted(2, noise=1e-9, kink=9.0), 1e-5)):
        test = joint_test(2)
        steps = Steps(test, direction(2, fit, error=error), direction(2, fit, error=error))
        assert _nearer(test.along, first, ALL, ~ALL) is None
        assert steps.asked == pytest.approx([STEP / 100, STEP / 1e4], rel=1e-12)


def test_rows_that_scatter_by_as_little_nearer_are_noise():
    """Within a factor of three of the last step; when all are, no nearer one is tried."""
    for noise, expected, steps_taken in (
        ([2.9e-3, 2.9e-3], [True, True], 1),
        ([3.1e-3, 2.9e-3], [False, True], 2),
    ):
        test = joint_test(2)
        first = direction(2, fitted(2, noise=noise), error=1e-3)
        near = direction(2, fitted(2, noise=1e-3), error=1e-3)
        steps = Steps(test, near, direction(2, fitted(2, noise=1e-9), error=1e-3))
        found = np.zeros(2, bool)
        assert _nearer(test.along, first, ALL, found) is None
        assert found.tolist() == expected
        assert len(steps.asked) == steps_taken


def test_off_the_domain_or_the_budget_the_first_direction_stays():
    """No step nearer; sixteen evaluations are wanted for two."""
    first = direction(2, fitted(2), error=1e-3)
    for nothing in (None, direction(2, None, error=1e-9)):
        test = joint_test(2)
        Steps(test, nothing)
        assert _nearer(test.along, first, ALL, ~ALL) is first
    for left, expected in ((16, 1), (15, 0)):
        test = joint_test(2)
        limit(test, left)
        steps = Steps(test, direction(2, fitted(2), error=1e-6))
        found = _nearer(test.along, first, ALL, ~ALL)
        assert (found is first) == (expected == 0)
        assert len(steps.asked) == expected


def in_noise(
    expected: float, *answers: Direction | None, error: float = 1e-6, noise: Any = ALL, left: int = 10**6
) -> tuple[Any, list[float]]:
    """What comes of a noisy first direction of which four points would leave so much, and the steps asked for."""
    test = joint_test(2, columns=100)
    limit(test, left)
    unit = float(taken_by_shortest(test, scattered(1e-9))[0])
    first = replace(scattered(1e-9 * expected / unit), error=np.full(2, error))
    steps = Steps(test, *answers)
    found = _in_noise(test.along, first, noise, ALL)
    return found, steps.asked


def test_noise_that_eight_directions_of_four_points_certify_needs_no_other_step():
    """Where they would take more one step is tried that is eight times as long."""
    enough = needs(joint_test(2, columns=100), 8)
    found, asked = in_noise(0.99 * enough)
    assert asked == []
    assert found.noisy.tolist() == [True, True]
    _, asked = in_noise(1.01 * enough, direction(2, fitted(2)))
    assert asked == [8.0 * STEP]


def test_a_longer_step_is_taken_where_noise_takes_less_of_it():
    """Its bar is smaller, and its noise not ten times as large; else the noise is known, and the step stays."""
    enough = needs(joint_test(2, columns=100), 8)
    for farther, taken in (
        (direction(2, fitted(2, noise=9.9e-6), error=0.9e-6, step=0.08), True),
        (direction(2, fitted(2, noise=10.1e-6), error=0.9e-6, step=0.08), False),
        (direction(2, fitted(2, noise=1e-6), error=1.1e-6, step=0.08), False),
        (None, False),
        (direction(2, None, step=0.08), False),
    ):
        found, _ = in_noise(2.0 * enough, farther)
        assert (found.step == 0.08) is taken
        assert found.noisy.tolist() == [True, True]


def test_noise_that_no_step_of_three_tenths_helps_is_left_as_it_is():
    """What four points leave falls as the step grows, to 0.3 at most: 64 directions must certify it there."""
    enough = needs(joint_test(2, columns=100), 64) * 0.3 / STEP
    _, asked = in_noise(0.99 * enough, direction(2, fitted(2)))
    assert len(asked) == 1
    found, asked = in_noise(1.01 * enough)
    assert asked == []
    assert found.noisy is False
    found, asked = in_noise(0.99 * enough, left=15)
    assert asked == []
    assert found.noisy is False


def test_a_bar_that_falls_by_less_than_three_nearer_to_x_is_no_smooth_f():
    """Of rows that nothing else disturbs."""
    first = direction(2, fitted(2, noise=1.0), error=3e-3)
    for error, smooth in ((0.99e-3, True), (1.01e-3, False)):
        test = joint_test(2)
        Steps(test, *[direction(2, fitted(2), error=error)] * 2)
        assert (_nearer(test.along, first, ALL, ~ALL) is not None) is smooth


def test_noise_that_is_known_is_noise_alone_up_to_three_times_that():
    """Though it is more than a small part of what f changes."""
    test = joint_test(2)
    test.along.probed = np.full(2, 1e-9)
    fit = fitted(2, noise=1e-9, flat=True, spread=[2.9e-9, 3.1e-9])
    assert _noise_alone(test.along, direction(2, fit, weight=1e-4)).tolist() == [True, False]
    test.along.probed = None
    assert _noise_alone(test.along, direction(2, fit, weight=1e-4)).tolist() == [False, False]


def test_a_longer_step_in_noise_takes_two_first_directions_at_the_most():
    """Sixteen evaluations."""
    enough = needs(joint_test(2, columns=100), 64) * 0.3 / STEP
    for left, steps in ((16, 1), (15, 0)):
        _, asked = in_noise(0.99 * enough, direction(2, fitted(2)), left=left)
        assert len(asked) == steps


def confirmed(
    line: Any, *, residual: Any = 1e-6, error: float = 1e-9, noisy: Any = False, **parts: Any
) -> tuple[list[bool], list[float]]:
    """Whether rows of a slope of 1, claimed 1 + residual, are wrong after a second look; and its steps.

    line : what f is along the direction, (k,) -> (k,).
    """
    residual = np.atleast_1d(np.asarray(residual, float))
    rows = residual.size
    test = joint_test(rows)
    fit = fitted(rows, **parts)
    first = direction(rows, fit, residual=residual, error=error, noisy=noisy)
    asked: list[float] = []

    def values(tangent: Any, step: float, side: Any) -> Any:
        assert tangent is first.tangent
        asked.append(step)
        t = step * positions(side)
        return step, None if line is None else np.stack([line(t)] * rows, axis=1)

    test.along.values = values
    test.along.fit = lambda values, step, side: fit_line(values, step, side, np.zeros(rows))

    def compared(tangent: Any, step: float, slope: Any, error: Any) -> Direction:
        assert tangent is first.tangent
        assert step == asked[-1]
        return direction(
            rows, None, residual=1.0 + residual - slope, error=error, allowed=3.0 * error + 1e-12
        )

    test.along.compared = compared
    return second_look(test, first, np.ones(rows, bool)).tolist(), asked


def second_look(test: JointTest, first: Direction, wrong: Any) -> Any:
    """What stays wrong."""
    return looked_at_again(test.along, first, wrong, test.along.unsettled(first))


def straight(t: Any) -> Any:
    """A slope of 1."""
    return 3.0 + t


def test_what_is_far_beyond_its_bars_is_wrong_at_once():
    """More than thirty; what is less is looked at again, ten times nearer, and holds on a straight line."""
    assert confirmed(straight, residual=31e-9) == ([True], [])
    assert confirmed(straight, residual=29e-9) == ([True], [STEP / 10.0])
    # Other points show other noise: almost the same step.
    assert confirmed(straight, residual=29e-9, noisy=np.array([True])) == ([True], [STEP / 1.4])


def test_a_second_look_that_agrees_or_shows_another_mistake_convicts_nobody():
    """Both must show the same within their bars; and without its points nothing is known."""
    assert confirmed(lambda t: 3.0 + t * (1 + 29e-9), residual=29e-9)[0] == [False]
    assert confirmed(lambda t: 3.0 + t * (1 - 1e-5), residual=29e-9)[0] == [False]
    assert confirmed(None, residual=29e-9)[0] == [False]
    assert confirmed(None, residual=[29e-9, 31e-9])[0] == [False, True]


def test_a_kink_beside_x_explains_what_it_may():
    """Twice its jump and the bar; a kink of less than a fiftieth of the disagreement is none of its causes."""
    kinked = {"kink_error": 1e-12, "error": 1e-9, "residual": 1e-6}
    assert confirmed(straight, kink=0.5e-6, **kinked)[0] == [False]
    # Too small to explain it: then a kink is unsettled, and nothing is said.
    assert confirmed(straight, kink=0.4e-6, **kinked)[0] == [False]
    # Of noise of a known size the bars will do, kink or not.
    assert confirmed(straight, kink=0.49e-6, noisy=np.array([True]), **kinked)[0] == [True]
    assert confirmed(straight, kink=0.5e-6, noisy=np.array([True]), **kinked)[0] == [False]
    assert confirmed(straight, kink=1.9e-8, noisy=np.array([True]), **kinked)[0] == [True]
    # Three bars of 1e-9 beside it: 0.9974 + 0.003 reaches 1, and 0.9966 + 0.003 does not.
    for kink, wrong in ((0.4987e-6, False), (0.4983e-6, True)):
        assert confirmed(straight, kink=kink, noisy=np.array([True]), **kinked)[0] == [wrong]
    # No kink that is believed, though it could explain it.
    assert confirmed(straight, kink=0.5e-6, kink_error=1.0, residual=1e-6)[0] == [True]


def test_an_unsettled_row_is_wrong_only_where_its_noise_is_known():
    """By the bars, which then are noise; or off by ten thousand of them, where most others do not scatter."""
    assert confirmed(straight, noise=1e-9)[0] == [False]
    one, some = [1e-9, 1e-16, 1e-16], [1e-9, 1e-9, 1e-16]
    for noise, residual, wrong in ((one, 0.99e-5, False), (one, 1.01e-5, True), (some, 1.01e-5, False)):
        assert confirmed(straight, noise=noise, residual=[residual] * 3)[0][0] == wrong
    assert confirmed(straight, noise=1e-9, noisy=np.array([True]))[0] == [True]


@pytest.mark.parametrize(("apart", "wrong"), [(1.5, True), (-1.5, True), (1.6, False), (-1.6, False)])
def test_two_looks_may_differ_by_the_bars_of_both(apart: float, wrong: bool):
    """Bars of 1 and a half beside residuals of 16 and 16 + `apart`, in units that no sum rounds."""
    test, bar = joint_test(1), 2.0**-30
    first = direction(1, fitted(1), residual=16.0 * bar, error=bar)
    t = (STEP / 10.0) * positions(EIGHT)
    test.along.values = lambda *_: (STEP / 10.0, t[:, None])
    test.along.compared = lambda *_: direction(
        1, None, residual=(16.0 + apart) * bar, error=bar / 2.0, allowed=bar
    )
    assert second_look(test, first, np.array([True])).tolist() == [wrong]


def test_without_eight_evaluations_left_what_is_doubtful_is_no_mistake():
    """What is beyond doubt is."""
    for left, expected in ((7, [False, True]), (8, [True, True])):
        test = joint_test(2)
        limit(test, left)
        slopes = np.array([29e-9, 1e-6])
        first = direction(2, fitted(2), residual=slopes)
        t = (STEP / 10.0) * positions(EIGHT)
        test.along.values = lambda *_, t=t: (STEP / 10.0, np.stack([t, t], axis=1))
        test.along.compared = lambda tangent, step, slope, error, slopes=slopes: direction(
            2, None, residual=slopes, error=1e-9
        )
        assert second_look(test, first, ALL).tolist() == expected


def test_the_complex_step_needs_no_second_look():
    """It has neither noise nor kinks."""
    test = joint_test(1)
    first = direction(1, fitted(1, kink=9.0), residual=2e-9, exact=True)
    assert second_look(test, first, np.array([True])).tolist() == [True]


def test_rows_that_are_not_looked_at_are_neither_wrong_nor_certified():
    """A wrong row is wrong, and the same one is left alone where it is fixed."""
    for fixed in (None, np.array([False, True, False])):
        test = joint_test(3, fixed=fixed)
        wrong = np.ones((3, 4))
        wrong[1, 2] = 1.5
        test.problem = replace(test.problem, matrix=Dense(wrong))
        test.along = Directions(
            test.problem, test.along.scaling, np.random.default_rng(0), exact=False, fixed=test.along.fixed
        )
        joint = test.run()
        if fixed is None:
            assert (joint.wrong.tolist(), test.exceeded) == ([False, True, False], True)
        else:
            assert joint.certified.tolist() == [True, False, True]
            assert not joint.wrong.any()
            assert test.exceeded is False


def test_without_eight_evaluations_no_direction_is_taken():
    """Nothing is known then: no bound, no row; as where no coordinate can move, which no budget would change."""
    for left, taken in ((8, True), (7, False)):
        test = joint_test(2)
        limit(test, left)
        joint = test.run()
        assert bool(joint.directions) is taken
        if not taken:
            assert joint.spent
            assert joint.bound.tolist() == [math.inf, math.inf]
            assert (~(joint.certified | joint.wrong)).tolist() == [True, True]
    test = joint_test(2)
    test.along.moved = 0
    assert not test.run().spent


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({}, True),
        ({"noisy": np.array([True])}, False),
        ({"weight": 3e-9}, False),
        ({"fit": None}, False),
        ({"fit": fitted(1, kink=1e-3, kink_error=1e-9)}, False),
    ],
)
def test_a_first_direction_tells_of_f_where_it_is_smooth_and_moves(parts: Any, told: bool):
    """What a noisy, a kinked or a stationary one shows is no measure of others."""
    test = joint_test(1)
    assert not test.tells(test.along.scaling)
    test.first = direction(1, **({"fit": fitted(1)} | parts))
    assert test.tells(test.along.scaling) is told
    for times in (0.5, 1.09, 1.11):
        scaling = replace(test.along.scaling, lengths=times * test.along.scaling.lengths)
        assert test.tells(scaling) is (told and times < 1.1)


def two_rows(**parts: Any) -> JointTest:
    """A test whose first direction is of these parts."""
    test = joint_test(2, columns=100)
    test.first = direction(2, parts.pop("fit", fitted(2)), **parts)
    return test


def test_lengths_are_known_where_a_first_direction_tells_of_every_row():
    """Those along which it moved; noise that is harmless voids no row, though the claim is wrong in it."""
    assert joint_test(2).known_lengths is None
    test = two_rows()
    assert test.known_lengths is test.along.scaling.lengths
    noise = fitted(2, noise=[1e-16, 1e-3])
    enough = needs(test, 12) / 30.0
    for error, residual, known in ((0.99, 0.0, True), (0.99, 1.0, True), (1.01, 0.0, False)):
        test = two_rows(fit=noise, error=error * enough, residual=residual)
        assert (test.known_lengths is not None) is known
        assert test.tells(test.along.scaling) is known
    # By what is needed of its size.
    test.along.sizes = np.array([1.0, 2.0])
    assert test.known_lengths is not None
    test.along.sizes = np.array([2.0, 1.0])
    assert test.known_lengths is None
    for weight in ([1.0, 2e-9], [3e-9, 1.0]):
        assert two_rows(weight=weight).known_lengths is None
    assert two_rows(weight=[3.0, 9.0], error=1.0).known_lengths is None
    assert two_rows(weight=[3.1, 9.0], error=1.0).known_lengths is not None
    assert two_rows(noisy=np.array([True, False])).known_lengths is None
    assert two_rows(fit=None).known_lengths is None


def test_a_coordinate_that_moves_farther_than_is_known_is_told_nothing_of():
    """By more than a tenth, were it only one."""
    test = two_rows()
    scaling, lengths = test.along.scaling, test.along.scaling.lengths.copy()
    for times, told in ((1.09, True), (1.11, False)):
        lengths[3] = times * scaling.lengths[3]
        assert test.tells(replace(scaling, lengths=lengths)) is told


def test_a_first_direction_tells_the_noise_of_rows_that_are_as_steep_as_is_claimed():
    """Where neither a grid nor a kink hides it, in these rows; nothing is told without real points."""
    assert not joint_test(2).tells_noise(ALL)
    assert two_rows().tells_noise(ALL)
    assert not two_rows(fit=None).tells_noise(ALL)
    first, second = np.array([True, False]), np.array([False, True])
    for fit in (fitted(2, value=[1.0, 0.01]), fitted(2, kink=[0.0, 9.0]), fitted(2, noise=[1e-16, 1e-3])):
        assert two_rows(fit=fit).tells_noise(first)
        assert not two_rows(fit=fit).tells_noise(second)
        assert not two_rows(fit=fit).tells_noise(ALL)
    # A grid of one row may be one of all.
    gridded = two_rows()
    gridded.along.gridded = second
    assert not gridded.tells_noise(first)


def test_a_slope_of_a_fiftieth_of_what_is_claimed_or_fifty_times_as_much_bears_it_out():
    """Whatever its sign: right or wrong, x is moved as far as it should be."""
    slopes = np.array([0.04, 0.041, 99.0, -99.0, 101.0, -0.039, 0.039, 0.0])
    found = direction(8, fitted(8, value=slopes), weight=2.0)
    assert found.borne_out.tolist() == [True, True, True, True, False, False, False, False]
    assert found.borne_out.dtype == bool
    # Where most are borne out a thousandth will do for the others, which may move so little by accident.
    slopes = np.array([0.04, -0.041, 0.041, 99.0, -99.0, 101.0, -0.0021, 0.0019])
    found = direction(8, fitted(8, value=slopes), weight=2.0)
    assert found.borne_out.tolist() == [True, True, True, True, True, False, True, False]
    assert not direction(1, fitted(1, value=np.nan)).borne_out.any()


def test_what_one_test_told_of_f_spares_the_next_its_eight_points():
    """Directions of four at once; where coordinates move twice as far it begins anew."""
    for times, points in ((1.0, 4), (2.0, 8)):
        before = joint_test(1)
        assert before.run().certified.all()
        scaling = replace(before.along.scaling, lengths=times * before.along.scaling.lengths)
        spent = before.problem.objective.nfev
        test = JointTest(before.problem, scaling, np.random.default_rng(1), 1e-6, exact=False, before=before)
        joint = test.run()
        assert joint.certified.all()
        assert before.problem.objective.nfev - spent == points + 4 * (len(joint.directions) - 1)


def test_a_wrong_claim_is_seen_with_what_another_test_told():
    """The neighbour of the test above."""
    before = joint_test(1)
    before.run()
    wrong = replace(before.problem, matrix=Dense(np.array([[1.0, 1.0, 1.01, 1.0]])))
    test = JointTest(wrong, before.along.scaling, np.random.default_rng(1), 1e-6, exact=False, before=before)
    joint = test.run()
    assert joint.wrong.all()
    assert len(joint.directions) == 1


@pytest.mark.parametrize("told", [False, True])
def test_a_first_direction_is_taken_once(told: bool):
    """Whoever asks for it, and goes on from it; its tangent is not kept after that."""
    before = joint_test(1)
    before.run()
    test = JointTest(
        before.problem, before.along.scaling, np.random.default_rng(1), 1e-6, exact=False,
        before=before if told else None,
    )  # fmt: skip
    spent, points = test.problem.objective.nfev, 4 if told else 8
    first = test.begin()
    assert first is not None
    assert test.begin() is first
    assert (test.first is first) is not told
    assert test.problem.objective.nfev - spent == points
    joint = test.run()
    assert joint.directions[0].residual is first.residual
    assert joint.certified.all()
    assert test.problem.objective.nfev - spent == points + 4 * (len(joint.directions) - 1)
    assert test._begun is None
