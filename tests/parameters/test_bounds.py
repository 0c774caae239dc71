"""Bounds as SciPy takes them; f is never called outside, and x at a bound is differentiated from the inside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds

from gradcheck import Outcome, check_gradient, derivative, gradient
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.tree import Parameters
from gradcheck.results.outcome import Limit

WEIGHTS = np.array([1.0, 2.0, 3.0])


def f(x: np.ndarray) -> float:
    """Sum of weighted exponentials."""
    return float(WEIGHTS @ np.exp(x))


def grad(x: np.ndarray) -> np.ndarray:
    """By hand."""
    return WEIGHTS * np.exp(x)


def room(bounds: Any, x: Any) -> tuple[list[float], list[float]] | None:
    """The room that bounds leave around x, as lists."""
    found = room_within(bounds, *Parameters.of(x))
    return None if found is None else (found[0].tolist(), found[1].tolist())


# Reading them.


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds([0, 0], [2, 4]),
        ([0, 0], [2, 4]),
        (np.zeros(2), np.array([2.0, 4.0])),
        (0, [2, 4]),
        [(0, 2), (0, 4)],
        ((0, 2), (0, 4)),
        np.array([[0.0, 2.0], [0.0, 4.0]]),
        zip((0, 0), (2, 4), strict=True),
    ],
    ids=["Bounds", "least_squares", "arrays", "number and list", "minimize", "tuples", "matrix", "zip"],
)
def test_every_form_that_scipy_takes_says_the_same(bounds):
    """0 <= x0 <= 2 and 0 <= x1 <= 4 at (1, 1) leave 1 below and (1, 3) above."""
    assert room(bounds, np.ones(2)) == ([1.0, 1.0], [1.0, 3.0])


@pytest.mark.parametrize(
    "bounds", [((0, None), (None, 4)), [(0, None), (None, 4)], [(0, np.inf), (-np.inf, 4)]]
)
def test_none_is_no_bound(bounds):
    """As in scipy.optimize.minimize."""
    assert room(bounds, np.ones(2)) == ([1.0, math.inf], [math.inf, 3.0])


def test_one_number_bounds_every_entry():
    """SciPy's Bounds(0, 2) and a pair of numbers."""
    expected = ([1.0] * 3, [1.0] * 3)
    assert room(Bounds(0, 2), np.ones(3)) == expected
    assert room((0, 2), np.ones(3)) == expected
    assert room((None, 2), np.ones(3)) == ([math.inf] * 3, [1.0] * 3)


def test_bounds_of_a_tree_are_trees():
    """One tree of lower and one of upper bounds, of the structure of x."""
    x = {"W": np.ones((1, 2)), "b": 3.0}
    lower, upper = {"W": np.zeros((1, 2)), "b": 1.0}, {"W": np.full((1, 2), 2.0), "b": 9.0}
    assert room((lower, upper), x) == ([1.0, 1.0, 2.0], [1.0, 1.0, 6.0])


def test_no_bounds_are_no_bounds():
    """None stays None: the estimate need not look at room at all."""
    assert room(None, np.ones(2)) is None


@pytest.mark.parametrize(
    "bounds",
    [3, "ab", (1, 2, 3), [(0, 2)], [(0, 2)] * 3, [(0, 1, 2), (1, 2)], (0, "a"), (np.zeros(3), 2), {}, [0, 2]],
    ids=repr,
)
def test_anything_else_is_refused_by_name(bounds):
    """The error names the argument, what it got, and what is allowed."""
    with pytest.raises(ValueError, match=r"bounds must be .*Bounds.*pair.*2 pairs.*got "):
        room(bounds, np.ones(2))


@pytest.mark.parametrize("bounds", [(2, 3), [(0, 2), (2, 3)], Bounds([0, 2], 3)])
def test_x_outside_its_bounds_is_refused_by_name(bounds):
    """The error names the entry, its value and its interval."""
    with pytest.raises(ValueError, match=r"x lies outside its bounds: x\[\d\] is 1\.0, not in \["):
        room(bounds, np.ones(2))


@pytest.mark.parametrize("bounds", [(3, 1), [(0, 2), (2, 0)], (np.nan, 2), [(0, 2), (0, np.nan)]])
def test_bounds_between_which_nothing_lies_are_refused_by_name(bounds):
    """The error names the entry, both ends, and what is wrong with them: not x."""
    with pytest.raises(ValueError, match=r"bounds of x\[\d\] cannot be used: .*(above|nan is no bound)"):
        room(bounds, np.ones(2))
    with pytest.raises(ValueError, match="6 pairs, one for each real and each imaginary part of x"):
        room([(0, 2)] * 3, np.ones(3) + 1j)


# Keeping within them.


def watched(function: Callable[..., float], lower: Any, upper: Any) -> tuple[Callable[..., float], list[Any]]:
    """The function, and the list to which it adds every point outside the bounds."""
    outside: list[Any] = []

    def watching(x: Any) -> float:
        if (np.asarray(x) < lower).any() or (np.asarray(x) > upper).any():
            outside.append(np.array(x))
        return function(x)

    return watching, outside


PLACES = {
    "lower corner": ([0, 0, 0], [0, 0, 0], [1, 1, 1]),
    "upper corner": ([0, 0, 0], [1, 1, 1], [1, 1, 1]),
    "mixed": ([0, 0, 0], [0, 0.5, 1], [1, 1, 1]),
    "beside a bound": ([0, 0, 0], [1e-9, 1 - 1e-9, 0.5], [1, 1, 1]),
    "narrow": ([0.3, 0.3, 0.3], [0.3, 0.3 + 1e-6, 0.3 + 5e-7], [0.3 + 1e-6] * 3),
    "one side only": ([-np.inf] * 3, [0.1, 0.2, 0.3], [0.1, 0.2, np.inf]),
    "far from 0": ([-100, -50, 2], [-100, -50, 2], [-99, -49, 3]),
}


@pytest.mark.parametrize("place", PLACES)
def test_f_is_never_called_outside(place):
    """Every point of the check and of the noise probe lies within, and a right gradient passes."""
    lower, x, upper = (np.array(v, float) for v in PLACES[place])
    watching, outside = watched(f, lower, upper)
    report = check_gradient(watching, grad, x, bounds=(lower, upper))
    assert outside == []
    assert report.outcome is Outcome.PASS, str(report)


@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_gradient_is_refused_at_bounds_too(place):
    """One entry wrong by 1 % of its array, at a bound or beside one."""
    lower, x, upper = (np.array(v, float) for v in PLACES[place])
    report = check_gradient(f, lambda t: grad(t) * [1, 1, 1.01], x, bounds=(lower, upper))
    assert report.outcome is Outcome.FAIL
    assert [m.flat_index for m in report.wrong] == [2]


@pytest.mark.parametrize("place", PLACES)
def test_the_derivative_at_a_bound_lies_within_three_errors(place):
    """gradient() keeps the same promises as the check; the truth is exp, by hand."""
    lower, x, upper = (np.array(v, float) for v in PLACES[place])
    watching, outside = watched(f, lower, upper)
    found = gradient(watching, x, bounds=(lower, upper))
    assert outside == []
    assert (np.abs(found.value - grad(x)) <= 3 * found.error).all()
    # Six points of order six: better than the 1e-8 of forward differences. In an interval of 1e-6 rounding is all
    # that there is: |f| eps / 1e-6 times the sum of the weights of the stencil, about 50, over a slope of |f| / 6.
    attainable = np.where(upper - lower < 1e-3, 1e-7, 1e-8)
    assert (found.error <= attainable * np.abs(grad(x)).max()).all()


@pytest.mark.parametrize(("t", "slope"), [(0.0, 1.0), (1.0, math.e)])
def test_derivative_is_one_sided_at_the_ends_of_its_interval(t, slope):
    """Exp on [0, 1], where f raises outside."""

    def inside(s: float) -> float:
        assert 0.0 <= s <= 1.0
        return math.exp(s)

    found = derivative(inside, t, bounds=(0, 1))
    assert abs(found.value - slope) <= 3 * found.error
    assert found.error < 1e-9


def test_float32_points_stay_within_their_bounds():
    """A step that rounds to a coarser grid does not round across the bound."""
    x = np.ones(3, np.float32)
    upper = x + np.float32(0.01)
    watching, outside = watched(lambda t: f(np.asarray(t, float)), x, upper)
    report = check_gradient(watching, grad, x, bounds=(x, upper))
    assert outside == []
    assert report.outcome is not Outcome.FAIL


def test_equal_bounds_fix_a_coordinate_and_the_report_says_so():
    """lb == ub leaves nothing to differentiate: not checked, noted, and not a division by zero."""
    bounds = ([0, 0.5, 0], [1, 0.5, 1])
    wrong_there = check_gradient(f, lambda t: grad(t) * [1, 7, 1], np.full(3, 0.5), bounds=bounds)
    assert wrong_there.outcome is Outcome.PASS
    assert any("not checked" in note for note in wrong_there.notes)
    wrong_elsewhere = check_gradient(f, lambda t: grad(t) * [1, 1, 7], np.full(3, 0.5), bounds=bounds)
    assert wrong_elsewhere.outcome is Outcome.FAIL


def test_where_all_bounds_are_equal_nothing_passes():
    """A check that looked at nothing is INCONCLUSIVE, and says why."""
    report = check_gradient(f, grad, np.ones(3), bounds=(1, 1))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "fixed by its bounds" in report.reason


def test_a_fixed_coordinate_has_an_infinite_bar():
    """gradient() says that it does not know, rather than 0."""
    found = gradient(f, np.full(3, 0.5), bounds=([0, 0.5, 0], [1, 0.5, 1]))
    assert found.error[1] == np.inf
    assert found.limit[1] is Limit.FIXED
    assert np.isfinite(found.error[[0, 2]]).all()


def test_f_is_not_called_outside_where_it_is_nan_inside():
    """X at its lower bound, f undefined just above it: no excuse to look below."""
    watching, outside = watched(lambda t: math.nan if 0 < t[0] < 1e-4 else t[0] ** 2 + t[0], 0.0, 1.0)
    report = check_gradient(watching, lambda t: 2 * t + 1, np.zeros(1), bounds=(0, 1))
    assert outside == []
    assert report.outcome is not Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("ulps", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_interval_of_a_few_ulps_decides_nothing(dtype, ulps):
    """Neighbouring floats as bounds: too close for a derivative, and no crash."""
    bounds = (1.0, 1.0 + ulps * float(np.finfo(dtype).eps))
    x = np.ones(3, dtype)
    report = check_gradient(lambda t: f(t.astype(float)), lambda t: 5 * grad(t), x, bounds=bounds)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert (gradient(lambda t: f(t.astype(float)), x, bounds=bounds).error > 1).all()
