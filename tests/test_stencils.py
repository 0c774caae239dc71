"""One stencil: exact where theory says so, and its bar covers what theory says it misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.stencils import SIDED_NODES, STENCIL, Fit, central, one_sided

TINY = 1e-300  # a level of noise that adds nothing to the bar


def fit_of(
    stencil: Callable[..., Fit],
    nodes: Any,
    f: Callable[[Any], Any],
    x: float,
    size: float,
    level: float = TINY,
) -> Fit:
    """Fit one line: f at x plus size times the nodes, on the points actually reached."""
    offsets = (x + size * np.asarray(nodes)) - x
    return stencil(f(x), offsets[None, :], np.asarray(f(x + offsets), float)[None, :], np.array([level]))


def fit_central(f: Callable[[Any], Any], x: float, h: float, level: float = TINY) -> Fit:
    """Central stencil of step h."""
    return fit_of(central, STENCIL, f, x, h, level)


def fit_sided(f: Callable[[Any], Any], x: float, reach: float, level: float = TINY) -> Fit:
    """One-sided stencil; a negative reach looks to the left."""
    return fit_of(one_sided, SIDED_NODES, f, x, reach, level)


@pytest.mark.parametrize("degree", range(5))
def test_the_central_stencil_is_exact_up_to_degree_four(degree):
    """Richardson's value has error O(h^4): polynomials of degree four are differentiated without truncation."""
    coefficients = np.arange(1.0, degree + 2)
    polynomial = np.polynomial.Polynomial(coefficients)
    fit = fit_central(polynomial, 0.5, 0.25)
    # Rounding alone: eps times values of about 10 over a step of 0.25.
    assert fit.value[0] == pytest.approx(polynomial.deriv()(0.5), abs=1e-13)
    assert fit.truncation[0] < 1e-13


def test_the_central_stencil_misses_the_fifth_degree_by_what_theory_says():
    """For t^5 at 0: D(t) = t^4, and what is linear in t^2 through t = a and t = b is -(a b)^2 at t = 0."""
    fit = fit_central(lambda t: t**5, 0.0, 1.0)
    a, b, c = STENCIL[3:]
    assert fit.value[0] == pytest.approx(-((a * b) ** 2), rel=1e-12)
    assert fit.truncation[0] == pytest.approx((b * c) ** 2 - (a * b) ** 2, rel=1e-12)


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("degree", range(7))
def test_the_one_sided_stencil_is_exact_up_to_degree_six(degree, side):
    """Seven points, f(x) among them: polynomials of degree six."""
    polynomial = np.polynomial.Polynomial(np.arange(1.0, degree + 2))
    fit = fit_sided(polynomial, 0.5, side * 0.25)
    # The weights sum to about 50 / reach: eps * 10 * 200.
    assert fit.value[0] == pytest.approx(polynomial.deriv()(0.5), abs=1e-11)
    if degree <= 5:
        assert fit.truncation[0] < 1e-11


@pytest.mark.parametrize("f", [np.exp, np.sin, lambda t: 1 / (1 + t * t), np.arctan, lambda t: t**7])
@pytest.mark.parametrize("x", [0.3, 1.0, 2.0])
def test_the_truncation_covers_the_error(f, x):
    """True derivatives by the complex step, at steps so large that rounding does not matter."""
    true = np.imag(f(x + 1e-30j)) / 1e-30
    for size in (0.3, 0.1, 0.03):
        for fit in (fit_central(f, x, size), fit_sided(f, x, size), fit_sided(f, x, -size)):
            # Rounding: eps * |f| * 50 / size at most.
            assert abs(fit.value[0] - true) <= 3 * fit.error[0] + 1e-12 / size * max(1, abs(f(x)))


def test_the_error_falls_with_the_fourth_power_of_the_step():
    """Halving the step: sixteen times less for the central, 64 times less for the sixth-order one-sided value."""
    central_errors = [abs(fit_central(np.exp, 0.0, h).value[0] - 1.0) for h in (0.2, 0.1)]
    sided_errors = [abs(fit_sided(np.exp, 0.0, h).value[0] - 1.0) for h in (0.8, 0.4)]
    # The next term of the series changes the ratio by about h.
    assert central_errors[0] / central_errors[1] == pytest.approx(16, rel=0.05)
    assert sided_errors[0] / sided_errors[1] == pytest.approx(64, rel=0.3)


def test_the_noise_part_is_the_noise_over_the_step():
    """Values off by `level` in the worst way: 5/3 level / (h/2) ... covered by 3 level / h, within the 3 of 3 E."""
    level, h = 1e-6, 0.01
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(200):
        noisy = lambda t: 2.0 * np.asarray(t) + level * rng.choice([-1.0, 1.0], np.shape(t))  # noqa: E731
        fit = fit_central(noisy, 1.0, h, level)
        worst = max(worst, abs(fit.value[0] - 2.0) / (3 * fit.error[0]))
    # It must hold, and not by a wide margin: a bar a hundred times too wide would be of no use.
    assert 0.05 < worst <= 1.0


def test_the_points_actually_reached_are_used():
    """At x = 1e8 and h = 1e-7 the offsets round by some per cent; a line is differentiated without error."""
    h = 1e-7
    offsets = (1e8 + h * STENCIL) - 1e8
    assert np.abs(offsets / (h * STENCIL) - 1).max() > 0.01
    fit = central(np.float64(3e8), offsets[None, :], (3 * (1e8 + offsets))[None, :], np.array([TINY]))
    # 3e8 + t is itself rounded to 6e-8: the slope is known to the noise that the fit states.
    assert abs(fit.value[0] - 3.0) <= 3 * fit.error[0]


# Kinks and jumps.


@pytest.mark.parametrize("jump", [1.0, 1e-3])
def test_a_kink_at_x_is_recognised_at_any_step(jump):
    """Slopes -jump/2 and jump/2: half the jump is in the bar, and the slopes are told."""
    for h in (1e-1, 1e-4):
        fit = fit_central(lambda t: jump / 2 * np.abs(t) + np.sin(t), 0.0, h, 1e-16)
        assert fit.kinked[0]
        assert fit.kink[0] == pytest.approx(jump / 2, rel=1e-3)
        assert fit.left[0] == pytest.approx(1 - jump / 2, abs=1e-2)
        assert fit.right[0] == pytest.approx(1 + jump / 2, abs=1e-2)


@pytest.mark.parametrize(
    "f", [np.exp, np.cos, lambda t: np.sqrt(t * t + 1), lambda t: t**3, lambda t: t * np.abs(t) * t]
)
@pytest.mark.parametrize("h", [1e-1, 1e-2, 1e-3])
def test_a_smooth_function_has_no_kink(f, h):
    """Second differences fall with the square of the step."""
    fit = fit_central(f, 0.1, h, 1e-16)
    assert not fit.kinked[0]
    assert not fit.jumping[0]


def test_noise_is_no_kink():
    """A line with noise of the stated level: kinks are seen beyond noise alone."""
    rng = np.random.default_rng(1)
    seen = [
        fit_central(lambda t: t + 1e-9 * rng.uniform(-1, 1, np.shape(t)), 0.0, 1e-3, 1e-9).kinked[0]
        for _ in range(300)
    ]
    assert not any(seen)


@pytest.mark.parametrize("place", [0.0, 0.1, -0.1])
def test_a_jump_of_f_is_recognised(place):
    """f(x+t) - 2 f(x) + f(x-t) does not fall with t where f jumps at x, or between x and the nearest points."""
    assert fit_central(lambda t: 1.0 * (np.asarray(t) > place * 1e-4), 0.0, 1e-4, 1e-16).jumping[0]


@pytest.mark.parametrize("place", [0.7, -0.7, 1.5])
def test_a_jump_among_the_points_widens_the_bar(place):
    """The slope of exp is 1; a step of f inside the stencil makes the two Richardson values differ by 1 / h."""
    fit = fit_central(lambda t: np.exp(t) + (np.asarray(t) > place * 1e-4), 0.0, 1e-4, 1e-16)
    assert abs(fit.value[0] - 1.0) <= 3 * fit.error[0]
    assert fit.error[0] > 1.0


# What is not finite.


@pytest.mark.parametrize("bad", range(6))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_point_that_is_not_finite_makes_the_fit_void(bad, value):
    """One bad value among six, in either stencil; the other line is not affected."""
    for stencil, nodes in ((central, STENCIL), (one_sided, SIDED_NODES)):
        offsets = np.tile(0.1 * np.asarray(nodes), (2, 1))
        values = np.exp(offsets)
        values[0, bad] = value
        fit = stencil(1.0, offsets, values, np.full(2, TINY))
        assert fit.finite.tolist() == [False, True]
        assert fit.value[1] == pytest.approx(1.0, abs=1e-5)


def test_points_that_fall_together_make_the_fit_void():
    """Offsets on a grid coarser than the stencil."""
    offsets = np.array([[0.1, 0.1, 0.2, 0.3, 0.3, 0.4], list(0.4 * SIDED_NODES)])
    fit = one_sided(1.0, offsets, np.exp(offsets), np.full(2, TINY))
    assert fit.finite.tolist() == [False, True]


def test_the_other_side_is_unknown_to_a_one_sided_fit():
    """Its own slope is one of the two, the other is nan."""
    right, left = fit_sided(np.exp, 0.0, 0.1), fit_sided(np.exp, 0.0, -0.1)
    assert np.isnan(right.left[0])
    assert right.right[0] == right.value[0]
    assert np.isnan(left.right[0])
    assert left.left[0] == left.value[0]
