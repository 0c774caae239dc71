"""Values between one-sided slopes that are no subgradient together, and those that are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, Report, check_gradient


def check(f: Callable[[Any], Any], given: Any, x: Any, **options: Any) -> Report:
    """Judge a constant gradient as a subgradient."""
    return check_gradient(
        f, lambda _: np.asarray(given, float), np.asarray(x, float), subgradient=True, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 7.0])
@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([0.25, 0.25, 0.25, 0.25], Outcome.PASS),
        ([1.0, 0.0, 0.0, 0.0], Outcome.PASS),
        ([0.0, 0.5, 0.5, 0.0], Outcome.PASS),
        # No subgradient of a maximum sums to anything but 1: f(x + t) = f(x) + t.
        ([1.0, 1.0, 1.0, 1.0], Outcome.FAIL),
        ([0.5, 0.5, 0.5, 0.5], Outcome.FAIL),
        ([0.0, 0.0, 0.0, 0.0], Outcome.FAIL),
    ],
)
def test_the_subgradients_of_a_maximum_of_ties_sum_to_one(given, outcome, offset):
    """Each of these lies between the slopes 0 and 1 of every entry; the outcome is the same for any seed."""
    for seed in range(5):
        report = check(lambda x: offset + x.max(), given, np.ones(4), rng=seed)
        assert report.outcome is outcome, str(report)
    if outcome is Outcome.FAIL:
        assert "no subgradient" in report.reason


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_subgradients_of_a_norm_at_zero_lie_in_its_ball(sign):
    """|g| <= 1 where every entry between -1 and 1 lies between the slopes; -|x|, which is concave, likewise."""

    def norm(x: np.ndarray) -> float:
        return 3.0 + sign * float(np.linalg.norm(x))

    assert check(norm, [0.6, 0.6], np.zeros(2)).outcome is Outcome.PASS
    assert check(norm, [0.9, -0.9], np.zeros(2)).outcome is Outcome.FAIL


def test_what_does_not_couple_its_entries_may_take_any_of_its_slopes():
    """The sum of |x_i| at 0: every corner of the cube is a subgradient."""
    corners = [[1.0, 1.0, 1.0], [-1.0, 1.0, -1.0], [0.0, 0.3, 1.0]]
    assert all(check(lambda x: np.abs(x).sum(), g, np.zeros(3)) for g in corners)


def test_kinks_that_bend_up_and_down_are_asked_apart():
    """|x| - |y|: nothing is below all slopes along every direction, and 0 is what people choose."""
    assert check(lambda x: 2.0 + abs(x[0]) - abs(x[1]), [0.0, 0.0], np.zeros(2))


def test_what_is_no_subgradient_along_directions_is_not_said_to_be_verified():
    """Each entry could be right: all of them are open, and the report does not say that they agree."""
    report = check(lambda x: x.max(), np.ones(3), np.ones(3))
    assert report.wrong == ()
    assert [a.inconclusive for a in report.arrays] == [3]


def test_without_the_budget_for_directions_they_are_left_out():
    """One direction takes up to 36 evaluations; with none left nothing is called outside."""
    whole = check(lambda x: x.max(), np.ones(2), np.ones(2))
    few = check(lambda x: x.max(), np.ones(2), np.ones(2), max_nfev=whole.nfev - 4 * 12)
    assert (whole.outcome, few.nfev < whole.nfev) == (Outcome.FAIL, True)


@pytest.mark.slow
@pytest.mark.parametrize("n", [45, 105])
def test_entries_that_directions_led_to_are_asked_together_as_well(n):
    """However each was found to lie between its slopes: 0.5 for each of n ties sums to n / 2, which is no maximum's."""
    ties, half = np.ones(n), np.full(n, 0.5)
    assert check(lambda x: x.max(), np.eye(n)[0], ties).outcome is Outcome.PASS
    report = check(lambda x: x.max(), half, ties)
    assert (report.outcome, "no subgradient" in report.reason) == (Outcome.FAIL, True)
    assert check(lambda x: 3.0 + np.linalg.norm(x), half / n**0.5, np.zeros(n)).outcome is Outcome.PASS
    assert check(lambda x: 3.0 + np.linalg.norm(x), 1.8 * half, np.zeros(n)).outcome is Outcome.FAIL
