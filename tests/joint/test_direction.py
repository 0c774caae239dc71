"""What one direction shows and several show together: what is kept, and what follows from it; values by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from by_hand import direction, fitted

from gradcheck.joint.direction import Direction, Joint


def test_a_residual_of_nothing_may_be_three_bars_or_the_noise_or_rounding_that_they_are():
    """Row by row; what four points may lack beside noise is known by itself."""
    two = direction(2, fitted(2), error=[1.0, 2.0], residual=[-5.0, 7.0])
    assert (two.bar.tolist(), two.off.tolist(), two.most.tolist()) == ([3.0, 6.0], [5.0, 7.0], [8.0, 13.0])
    noisy = replace(two, noisy=np.array([True, False]))
    assert (noisy.bar.tolist(), noisy.most.tolist()) == ([1.0, 6.0], [6.0, 13.0])
    assert noisy.bar.dtype == float
    assert replace(two, noisy=True).bar.tolist() == [1.0, 2.0]
    assert replace(two, rounded=True).bar.tolist() == [1.0, 2.0]
    # So is rounding, in these rows or others.
    rounded = np.array([False, True])
    assert replace(two, rounded=rounded).bar.tolist() == [3.0, 2.0]
    assert replace(noisy, rounded=rounded).bar.tolist() == [1.0, 2.0]
    assert not replace(two, rounded=rounded).in_noise
    hidden = np.array([0.25, 0.5])
    for few in (replace(two, hidden=hidden), replace(noisy, hidden=hidden)):
        assert few.bar is hidden
        assert few.most.tolist() == [5.25, 7.5]


@pytest.mark.parametrize(
    ("noisy", "expected"),
    [
        (False, False),
        (np.array([False, False]), False),
        (np.array([False, True]), True),
        (np.array([True, True]), True),
        (True, True),
    ],
)
def test_a_direction_is_in_noise_where_some_row_is(noisy: Any, expected: bool):
    """A plain truth value."""
    assert direction(2, fitted(2), noisy=noisy).in_noise is expected


def test_a_row_exceeds_what_it_may_leave():
    """Either way; what is no number is no evidence."""
    found = direction(4, fitted(4), residual=[1.1, -1.1, 1.0, np.nan], allowed=1.0)
    assert found.exceeds.tolist() == [True, True, False, False]


def test_a_direction_says_the_least_noise_that_its_points_show():
    """That of a first one, which has real points."""
    assert direction(2, fitted(2, least_noise=[1e-9, 2e-9])).noise.tolist() == [1e-9, 2e-9]
    with pytest.raises(AssertionError):
        _ = direction(2, None).noise
    with pytest.raises(AssertionError):
        _ = direction(2, None).borne_out


def test_without_its_tangent_a_direction_is_the_same():
    """With what was made of it before; the one that it was has it still."""
    whole = direction(2, fitted(2), residual=[1.0, 2.0], exact=True)
    most, exceeds = whole.most, whole.exceeds
    short = whole.without_tangent()
    assert (short.tangent.shape, whole.tangent.tolist()) == ((0,), [1.0] * 4)
    assert (short.most is most, short.exceeds is exceeds) == (True, True)
    for name in (
        "step",
        "weight",
        "residual",
        "error",
        "allowed",
        "exact",
        "noisy",
        "rounded",
        "fit",
        "hidden",
    ):
        assert getattr(short, name) is getattr(whole, name)


def test_a_direction_is_plain_but_for_what_is_said():
    """Neither exact nor noisy."""
    one = np.ones(1)
    plain = Direction(one, 0.1, one, one, one, one)
    assert (plain.exact, plain.noisy, plain.rounded, plain.fit, plain.hidden) == (
        False,
        False,
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("slope", "weight", "out"),
    [
        (1.0, 50.0, True),
        (1.0, 51.0, False),
        (50.0, 1.0, True),
        (51.0, 1.0, False),
        (0.0, 0.0, True),
        (1.0, 0.0, False),
    ],
)
def test_f_is_about_as_steep_as_is_claimed_within_a_factor_of_fifty(slope: float, weight: float, out: bool):
    """Up or down, and no more than that; what is claimed to rest may rest."""
    for sign in (1.0, -1.0):
        found = direction(2, fitted(2, value=[sign * slope, 1.0]), weight=[weight, 1.0])
        assert found.borne_out.tolist() == [out, True]


def joint(certified: Any, *, first: float, **parts: Any) -> Joint:
    """A direction of three rows with bars from `first` on, and what it shows."""
    told = direction(3, None, error=first + np.arange(3.0))
    given: dict[str, Any] = {
        "bound": first * np.array([1.0, 2.0, 3.0]), "wrong": np.array([False, False, True]),
        "sizes": first * np.array([2.0, 8.0, 1.0]), "spent": False,
    } | parts  # fmt: skip
    return Joint((told,), certified=np.array(certified), **given)


def test_the_worst_of_several_rows_is_the_largest_bound_of_its_size():
    """Of those that are certified and have a size: 1 of 2 and 2 of 8, of which the bounds of both are made."""
    assert joint([True, True, False], first=1.0).worst == 0.5
    assert joint([False, True, False], first=1.0).worst == 0.25
    assert joint([False, False, False], first=1.0).worst == 0.0
    empty = joint([True, True, False], first=1.0, sizes=np.array([0.0, 8.0, 1.0]))
    assert empty.worst == 0.25
    assert empty.bounds.tolist() == [0.0, 2.0, np.inf]
    assert joint([True, True, False], first=1.0).bounds.tolist() == [1.0, 4.0, np.inf]


def test_a_direction_about_some_rows_says_nothing_of_the_others():
    """Its bars there are infinite, and its tangent is not kept."""
    told = direction(3, None, error=[1.0, 2.0, 3.0], residual=[4.0, 5.0, 6.0])
    some = told.about(np.array([True, False, True]))
    assert (some.error.tolist(), some.residual.tolist()) == ([1.0, np.inf, 3.0], [4.0, 5.0, 6.0])
    assert (some.tangent.size, told.tangent.size) == (0, 4)


@pytest.mark.parametrize("spent", [(False, False), (True, False), (False, True)])
def test_later_directions_add_the_rows_that_the_first_left_open(spent: tuple[bool, bool]):
    """The second alone: of the first both certify, and of the third neither does; what is wrong was told before."""
    before = joint([True, False, False], first=1.0, spent=spent[0])
    later = joint([True, True, False], first=10.0, spent=spent[1], wrong=np.ones(3, bool))
    both = before.beside(later)
    assert both.bound.tolist() == [1.0, 20.0, 3.0]
    assert both.sizes.tolist() == [2.0, 80.0, 1.0]
    assert both.certified.tolist() == [True, True, False]
    assert both.wrong.tolist() == [False, False, True]
    assert both.spent is any(spent)
    assert [d.error.tolist() for d in both.directions] == [[1.0, np.inf, np.inf], [np.inf, 11.0, np.inf]]
