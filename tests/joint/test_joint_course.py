"""The course of a joint test: what it takes next, and when it ends; what it does in noise; values by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from by_hand import (
    STEP,
    Steps,
    bound,
    close,
    direction,
    fitted,
    joint_test,
    limit,
    needs,
    scattered,
    taken_by_shortest,
)

from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.first_direction import _longer, at_rest, settled
from gradcheck.joint.forecast import asks_more
from gradcheck.joint.joint import JointTest
from gradcheck.results.outcome import Limit

BOTH = np.array([True, True])


def course(
    test: JointTest, first: Direction | None, *others: Direction, left: int | None = None
) -> tuple[Joint, Any]:
    """What a test says of these directions, and how each further one was asked for; `left` evaluations at the first."""
    asked: list[dict[str, Any]] = []
    answers = list(others)

    def begin() -> Direction | None:
        test.first = first
        if left is not None:
            limit(test, left)
        return first

    def next_one(before: Sequence[Direction], **parts: Any) -> Direction:
        assert first is not None
        assert before[0] is first or before[0].fit is first.fit
        asked.append(parts)
        return answers.pop(0)

    vars(test)["begin"], vars(test.along)["next"] = begin, next_one
    return test.run(), asked


def of_size(test: JointTest, count: int, **parts: Any) -> Direction:
    """One of directions that certify all rows by just so many."""
    return direction(test.rows, fitted(test.rows), error=needs(test, count) / 3.0, **parts)


# The course


def test_off_the_domain_nothing_is_known():
    """No row is certified, wrong or bounded; the budget is not spent."""
    joint, _ = course(joint_test(2), None)
    assert (joint.directions, joint.spent) == ((), False)
    assert joint.bound.tolist() == [math.inf, math.inf]
    assert (joint.certified.tolist(), joint.wrong.tolist()) == ([False, False], [False, False])
    assert joint.sizes.tolist() == [1.0, 1.0]


def test_directions_are_taken_until_they_certify():
    """Of three; none but the last keeps its tangent."""
    test = joint_test(2)
    each = of_size(test, 3)
    joint, asked = course(test, each, each, each)
    assert joint.certified.tolist() == [True, True]
    assert joint.bound == close(np.full(2, bound(3, test.along.delta) * needs(test, 3)), rel=1e-9)
    assert [d.tangent.size for d in joint.directions] == [0, 0, 4]
    assert asked == [{"longer": False, "eight": False}] * 2
    assert (test.exceeded, joint.spent) == (False, False)


def in_noise(test: JointTest, error: Any) -> Direction:
    """A noisy direction of this bar, with so little noise that there is hope."""
    fit = fitted(test.rows, noise=1e-9, flat=True, spread=1e-15, bends=1e-15)
    return direction(test.rows, fit, error=error, noisy=BOTH)


@pytest.mark.parametrize("noisy", [False, True])
def test_a_certificate_rests_on_the_precise_directions_in_noise_alone(noisy: bool):
    """Where f is smooth all of them are named, though one of them says nothing."""
    test = joint_test(2, columns=100)
    good, bad = of_size(test, 4), direction(2, fitted(2), error=1.0)
    if noisy:
        good, bad = in_noise(test, needs(test, 4)), in_noise(test, 1.0)
    joint, asked = course(test, good, good, bad, *[good] * 5)
    assert joint.certified.all()
    assert len(joint.directions) == len(asked) + 1 - noisy
    assert not noisy or max(d.error.max() for d in joint.directions) < 1.0


def test_in_noise_sixty_four_directions_are_taken_at_themost_of():
    """Of which the first ones gave hope."""
    test = joint_test(2, columns=100)
    each = in_noise(test, 1.0)
    joint, asked = course(test, each, *[each] * 63)
    assert len(joint.directions) == len(asked) + 1 == 64
    assert (~(joint.certified | joint.wrong)).all()
    assert not joint.spent


def test_an_output_that_is_claimed_to_rest_and_does_is_certified():
    """Its bound is 0, however wide its bar; at a minimum a mistake is relative to what the slope becomes."""
    test = joint_test(2)
    first = direction(2, fitted(2, moved=[True, False]), weight=[1.0, 0.0], error=[needs(test, 1) / 3.0, 1.0])
    joint, _ = course(test, first)
    assert joint.bound[1] == 0.0
    assert joint.certified.tolist() == [True, True]
    test, even = joint_test(2), np.zeros((4, 2))
    even[0] = 3.0
    joint, _ = course(test, direction(2, fitted(2, even=even), weight=1e-11, error=1e-11))
    assert joint.sizes.tolist() == [1.5, 1.5]  # 2 b2 over four coordinates
    assert joint.certified.tolist() == [True, True]


def test_what_another_test_told_serves_all_directions():
    """Those of the claim itself have four points, which tell nothing."""
    before = joint_test(2)
    before.first = of_size(before, 3)
    test = JointTest(
        before.problem, before.along.scaling, np.random.default_rng(0), 1e-6, exact=False, before=before
    )
    told = []

    def next_one(known: Sequence[Direction], **_: Any) -> Direction:
        told.append([d.fit for d in known])
        return replace(of_size(test, 3), fit=None)

    vars(test.along)["next"] = next_one
    assert test.run().certified.all()
    assert told == [[before.first.fit]] * 3


@pytest.mark.parametrize(("left", "spent"), [(4, False), (3, True)])
def test_without_four_evaluations_no_further_direction_is_taken(left: int, spent: bool):
    """What was found so far has its bound."""
    test = joint_test(2)
    each = of_size(test, 2)
    joint, asked = course(test, each, each, left=left)
    assert joint.spent is spent
    assert joint.certified.tolist() == [not spent] * 2
    assert joint.wrong.tolist() == [False, False]
    assert len(joint.directions) == 1 + len(asked) == (1 if spent else 2)
    assert joint.sizes is test.sizes
    assert np.isfinite(joint.bound).all()


def test_a_further_direction_that_exceeds_its_bars_is_wrong():
    """Not in rows that are not looked at, nor in such as the first said nothing of."""
    for fixed, error, expected in (
        (None, 1.0, [True, True, False]),
        (np.array([True, False, False]), 1.0, [False, True, False]),
        (None, [np.inf, 1.0, 1.0], [False, True, False]),
    ):
        test = joint_test(3, fixed=fixed)
        first = direction(3, fitted(3), error=needs(test, 3) / 3.0 * np.asarray(error))
        exceeding = direction(3, fitted(3), residual=[1e-6, -1e-6, 1e-9])
        joint, _ = course(test, first, first, exceeding)
        assert joint.wrong.tolist() == expected
        assert not joint.certified.any()
        assert np.isinf(joint.bound).all()
        assert (test.exceeded, len(joint.directions)) == (True, 3)
        assert joint.sizes is test.sizes
    test = joint_test(2)
    joint, _ = course(test, direction(2, fitted(2), residual=1e-6))
    assert (joint.wrong.tolist(), test.exceeded, len(joint.directions)) == ([True, True], True, 1)
    assert joint.sizes is test.sizes


def test_rows_that_directions_will_not_certify_are_left_open():
    """At once; where noise was probed eight are taken, for a bound of what is left; beside a kink of eight points."""
    for probed, parts, count, eight in (
        (None, {}, 1, []),
        (np.full(1, 1e-9), {}, 8, [False] * 7),
        (np.full(1, 1e-9), {"kink": 1.0, "kink_error": 1e-9}, 8, [True] * 7),
    ):
        test = joint_test(1)
        test.probed = probed
        each = direction(1, fitted(1, **parts), error=1.0)
        joint, asked = course(test, each, *[each] * 7)
        assert len(joint.directions) == count
        assert [parts["eight"] for parts in asked] == eight
        assert (~(joint.certified | joint.wrong)).tolist() == [True]
        assert not joint.spent


@pytest.mark.parametrize(
    ("rows", "probed", "most"), [(1, False, 8), (2, False, 12), (1, True, 32), (2, True, 48)]
)
def test_how_many_directions_are_taken_at_the_most(rows: int, probed: bool, most: int):
    """Four times as many where noise was probed, and nothing that follows costs less."""
    test = joint_test(rows)
    test.probed = np.ones(rows) if probed else None
    assert test.most == most


def test_directions_are_as_precise_as_two_of_them_have_to_be():
    """E over the sizes: a third of what a residual may be, with a margin of 1.3. Claims may be tolerant.

    Two prove as much as all of them, or the better one, with the share of a second look.
    """
    test = joint_test(2)
    assert test.along.enough == close(1e-3 / (3.0 * 1.3 * bound(2, 1e-6)))
    problem, scaling, rng = test.problem, test.along.scaling, np.random.default_rng(0)
    assert test.along.tolerant is False
    probed = np.array([1e-9, 1e-8])
    other = JointTest(problem, scaling, rng, 1e-6, exact=False, tolerant=True, probed=probed)
    assert other.along.tolerant is True
    assert other.along.probed is probed
    assert other.along.fixed.tolist() == [False, False]


def test_without_eight_evaluations_a_single_coordinate_is_not_begun():
    """For want of them, not of what moves."""
    for left, count in ((7, 0), (8, 1)):
        test = joint_test(2, columns=1)
        limit(test, left)
        joint = test.run()
        assert (len(joint.directions), joint.spent) == (count, count == 0)
        assert joint.sizes is test.sizes


def test_a_search_asks_along_other_tangents_by_what_the_first_direction_told():
    """As it wants them."""
    test, asked = joint_test(2), []
    test.first, tangent = of_size(test, 3), np.ones(4)

    def again(first: Direction, tangent: Any, **parts: Any) -> Direction:
        asked.append((first, tangent, parts))
        return first

    vars(test.along)["again"] = again
    for exact, precise in ((False, True), (True, False)):
        assert test.again(tangent, exact=exact, precise=precise) is test.first
        first, along, parts = asked.pop()
        assert first is test.first
        assert along is tangent
        assert parts == {"exact": exact, "precise": precise}
    test.again(tangent, exact=False)
    assert asked[0][2]["precise"] is False


def test_rows_without_real_points_are_masks():
    """Neither unsettled nor at rest."""
    test = joint_test(2)
    for found in (
        test.along.unsettled(direction(2, None)),
        at_rest(direction(2, None)),
        at_rest(direction(1, fitted(1))),
    ):
        assert found.dtype == bool
        assert not found.any()


def test_in_noise_longer_steps_are_asked_for_where_eight_directions_would_not_do():
    """Where they would, or without noise, not."""
    test = joint_test(2, columns=100)
    test.first = of_size(test, 30)
    assert not asks_more(test.along, test.first, [test.first], np.full(2, 1e-3), BOTH)
    unit = float(taken_by_shortest(test, scattered(1e-9))[0])
    for part, more in ((0.99, False), (1.01, True)):
        first = replace(scattered(1e-9 * part * needs(test, 8) / unit), noisy=BOTH)
        test.first = first
        assert asks_more(test.along, first, [first], np.full(2, 1e-3), BOTH) is more


# Another step


def test_a_first_direction_whose_bars_do_stays():
    """By what is needed of the sizes of its rows; else one that is much nearer is tried."""
    for part, asked in ((0.99, []), (1.01, [STEP / 100])):
        test = joint_test(2)
        test.along.sizes = np.full(2, 4.0)
        error = part * 4e-3 / (3.0 * bound(1, test.along.delta))
        nearer = direction(2, fitted(2), error=error / 10.0)
        steps = Steps(test, nearer)
        first = direction(2, fitted(2, noise=1e-3), error=error)
        found, level = settled(test.along, first, test.most)
        assert steps.asked == asked
        assert (found is first) is (not asked)
        assert found.error == close(np.full(2, error if not asked else error / 10.0))
        assert level is None


def test_no_other_step_is_taken_for_rows_that_are_not_looked_at_nor_along_a_line_that_does_not_move():
    """Nor where a first direction is settled and hopeful, though it does not certify by itself."""
    noisy = fitted(2, noise=1e-3)
    for fixed, first in (
        (BOTH, direction(2, noisy, error=1.0)),
        (None, direction(2, replace(noisy, moved=~BOTH), error=1.0)),
        (None, of_size(joint_test(2), 3)),
        # What is wrong is another matter.
        (None, of_size(joint_test(2), 3, residual=1.0)),
    ):
        test = joint_test(2, fixed=fixed)
        steps = Steps(test)
        assert settled(test.along, first, test.most)[0] is first
        assert steps.asked == []


@pytest.mark.parametrize(
    ("noise", "part", "asked"),
    [
        ([1e-16, 1e-16, 1e-3], 0.99, []),
        ([1e-16, 1e-16, 1e-3], 1.01, [STEP / 100]),
        ([1e-16, 1e-3, 1e-3], 0.99, [STEP / 100]),
    ],
)
def test_rows_that_seem_noisy_by_chance_and_are_harmless_are_left_as_they_are(
    noise: Any, part: float, asked: Any
):
    """Bars ten times as wide would certify them with three directions; of most rows that is no chance.

    What is wrong in them is another matter.
    """
    for residual in (0.0, 1.0):
        test = joint_test(3, columns=100)
        steps = Steps(test, direction(3, fitted(3)))
        bars = [needs(test, 12) / 3.0, needs(test, 12) / 3.0, part * needs(test, 3) / 30.0]
        if noise[1] > 1e-3 / 2:
            bars[1] = bars[2]
        first = direction(3, fitted(3, noise=noise), error=bars, residual=residual)
        assert (settled(test.along, first, test.most)[0] is first) is (not asked)
        assert steps.asked == asked
    # Along a line with a kink no chance is left to noise.
    kinked = replace(first, fit=fitted(3, noise=noise, kink=[0.0, 0.0, 9.0]), error=first.error * 0.5)
    steps = Steps(test, direction(3, fitted(3)))
    assert settled(test.along, kinked, test.most)[0] is not kinked


@pytest.mark.parametrize("gridded", [False, True])
def test_noise_that_is_told_at_once_needs_no_step_nearer(gridded: bool):
    """Twice its scatter, of the row that scatters most; values on a grid are no such noise, but in noise as well."""
    test = joint_test(2)
    test.along.gridded = BOTH & gridded
    steps = Steps(test)
    spread = np.array([1e-9, 1.5e-9])
    fit = fitted(2, noise=1e-9, flat=True, spread=spread, bends=1e-9, floor=1e-9)
    first = direction(2, fit, error=1e-3)
    found, level = settled(test.along, first, test.most)
    assert steps.asked == []
    assert np.asarray(found.noisy).tolist() == [True, True]
    assert level == (None if gridded else close(3e-9))


def test_a_kinked_row_beside_values_on_a_grid_is_not_noisy():
    """Though a kink is unsettled as well."""
    test = joint_test(3)
    test.along.gridded = np.array([True, True, False])
    fit = fitted(3, spread=1e-9, bends=1e-9, kink=[0.0, 0.0, 1.0], kink_error=1e-9, floor=1e-9)
    Steps(test, None)
    found, _ = settled(test.along, direction(3, fit, error=1e-3), test.most)
    assert np.asarray(found.noisy).tolist() == [True, True, False]


def test_steps_in_noise_are_eight_times_as_long():
    """Where it was probed, one over which f may bend, too, if that is eight times as long again: 0.3 of x."""
    for probed, step, expected in (
        (None, 0.01, [0.08]),
        (np.ones(2), 0.3 / 65.0, [0.3, 2.4 / 65.0]),
        (np.ones(2), 0.3 / 64.0, [2.4 / 64.0]),
        (np.ones(2), 0.3 / 63.0, [2.4 / 63.0]),
    ):
        test = joint_test(2)
        test.along.probed = probed
        test.along._weight = test.problem.f_x
        assert _longer(test.along, step) == [close(each) for each in expected]


# What keeps directions from certifying


def test_a_kink_that_most_rows_show_is_the_limit():
    """Else noise is: where values lie on a grid, and where no real points are known, too."""
    kink = {"kink_error": 1e-9}
    for rows, kinks, gridded, expected in (
        (3, [1.0, 1.0, 0.0], False, Limit.KINK),
        (2, [1.0, 0.0], False, Limit.NOISE),
        (2, [1.0, 1.0], True, Limit.NOISE),
    ):
        test = joint_test(rows)
        assert test.limit is Limit.NOISE
        test.first = direction(rows, fitted(rows, kink=kinks, **kink))
        test.along.gridded = np.arange(rows) < int(gridded)
        assert test.limit is expected
    test.first = direction(2, None)
    assert test.limit is Limit.NOISE


def standing(last: Direction | None, fixed: Any = None) -> tuple[list[bool], Direction | None]:
    """The rows that stand out of what a test ended with, and the first direction now."""
    test = joint_test(2, fixed=fixed)
    nobody = ~BOTH
    joint = Joint(() if last is None else (last,), np.ones(2), nobody, nobody, test.sizes)
    found = test.standing_out(joint)
    assert found.dtype == bool
    return found.tolist(), test.first


def test_rows_that_exceed_their_bars_stand_out():
    """Along the last direction, which becomes the first; not those that are not looked at, nor of four points."""
    last = direction(2, fitted(2), residual=[1e-6, 1e-9])
    assert standing(last) == ([True, False], last)
    assert standing(last, fixed=np.array([True, False])) == ([False, False], last)
    few = replace(last, fit=None)
    assert standing(few) == ([False, False], few)
    assert standing(None) == ([False, False], None)
