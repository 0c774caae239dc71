"""One stencil: exact where theory says so, and its bar covers what theory says it misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from gradcheck.numerics.stencils import SIDED_NODES, STENCIL, Fit, central, inner_pairs, one_sided

TINY = 1e-300  # a level of noise that adds nothing to the bar


def fit_of(
    stencil: Callable[..., Any],
    nodes: Any,
    f: Callable[[Any], Any],
    x: float,
    size: float,
    level: float = TINY,
) -> Any:
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


def test_the_inner_pairs_give_the_value_of_the_central_stencil():
    """It is made of the same four values; its bar is at least as wide, and no point farther away is asked for."""
    inner = fit_of(inner_pairs, STENCIL[1:-1], np.exp, 0.5, 0.1, 1e-12)
    whole = fit_central(np.exp, 0.5, 0.1, 1e-12)
    for name in ("value", "noise", "curvature"):
        np.testing.assert_allclose(getattr(inner, name), getattr(whole, name), rtol=1e-9)
    assert inner.truncation[0] > whole.truncation[0]
    # All that the farther pair alone misses: t^3 at t = 1.
    assert fit_of(inner_pairs, STENCIL[1:-1], lambda t: t**3, 0.0, 1.0).truncation[0] == pytest.approx(1.0)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_one_sided_slope_of_what_stands_still_is_nothing(side):
    """Not what is left of its value times the weights, which add up to 0 but for their rounding."""
    assert fit_sided(lambda t: 0.0 * t + 2.2, 0.7, side * 1e-6).value[0] == 0.0
    assert fit_sided(lambda t: 1e-6 * t + 2.2, 0.7, side * 1e-6).value[0] != 0.0


@pytest.mark.parametrize("f", [np.exp, np.sin, lambda t: 1 / (1 + t * t), np.arctan, lambda t: t**7])
@pytest.mark.parametrize("x", [0.3, 1.0, 2.0])
def test_the_bar_of_the_inner_pairs_covers_the_error(f, x):
    """True derivatives by the complex step, at steps so large that rounding does not matter."""
    true = np.imag(f(x + 1e-30j)) / 1e-30
    for size in (0.3, 0.1, 0.03):
        fit = fit_of(inner_pairs, STENCIL[1:-1], f, x, size)
        assert abs(fit.value[0] - true) <= fit.error[0] + 1e-12 / size * max(1, abs(f(x)))


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.3, 0.5, 0.6, 0.9])
def test_the_bar_of_the_inner_pairs_holds_a_kink_beside_x(distance):
    """The slope at x is that of its own side, 1; half of the jump of 2 is in the bar, or what the pairs differ by."""
    for side in (-1.0, 1.0):
        at = side * distance * 1e-3
        fit = fit_of(
            inner_pairs,
            STENCIL[1:-1],
            lambda t, at=at, side=side: t + 2.0 * np.maximum(side * (t - at), 0.0),
            0.0,
            1e-3,
            1e-16,
        )
        assert abs(fit.value[0] - 1.0) <= fit.error[0]
        assert fit.error[0] > 0.05


def test_inner_pairs_off_the_domain_have_no_bar():
    """Nor those one of whose values is infinite."""
    for bad in (np.nan, np.inf):
        fit = fit_of(inner_pairs, STENCIL[1:-1], lambda t, bad=bad: np.where(t > 0.05, bad, t), 0.0, 0.1)
        assert not np.isfinite(fit.error[0])


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

        def noisy(t):
            return 2.0 * np.asarray(t) + level * rng.choice([-1.0, 1.0], np.shape(t))

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


@pytest.mark.parametrize("height", [1e-6, 1.0, 1e6])
def test_a_jump_is_told_from_a_kink_whatever_its_height(height):
    """Second differences of a jump stay when t falls, those of a kink fall with t; each beside the other."""
    offsets = np.tile(0.1 * STENCIL, (3, 1))
    kink = height * np.abs(offsets[0])
    values = np.stack([height * (offsets[0] > 0), kink, 0.0 * kink])
    assert central(0.0, offsets, values, np.full(3, TINY)).jumping.tolist() == [True, False, False]


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


# The parts of the bar, and lines that are measured together.


def test_the_bar_is_the_sum_of_its_parts():
    """E = truncation + kink + noise + eps |value|, each in units of the value."""
    blank = fit_central(np.exp, 0.0, 0.1)
    parts = {"truncation": 1.0, "kink": 2.0, "noise": 4.0, "value": -3.0}
    fit = replace(blank, **{name: np.array([number]) for name, number in parts.items()})
    assert fit.error[0] == pytest.approx(7.0, rel=1e-15)
    alone = replace(fit, truncation=np.zeros(1), kink=np.zeros(1), noise=np.zeros(1))
    assert alone.error[0] == 3.0 * np.finfo(float).eps


@pytest.mark.parametrize(("stencil", "nodes"), [(central, STENCIL), (one_sided, SIDED_NODES)])
def test_lines_measured_together_say_what_each_says_alone(stencil, nodes):
    """A line of values a million times as large, at another step and noise, changes nothing in its neighbour."""
    sizes, heights, levels = (
        np.array([0.1, 0.003, 0.2]),
        np.array([1.0, 1e6, 1e-3]),
        np.array([1e-9, 1e-4, 0.0]),
    )
    offsets = sizes[:, None] * np.asarray(nodes)
    values = heights[:, None] * np.exp(offsets)
    values[0] += 3.0 * (offsets[0] > 0)  # a jump in one of them
    offsets[2] += 1e-3  # and uneven points in another
    together = stencil(1.0, offsets, values, levels)
    for k in range(3):
        alone = stencil(1.0, offsets[k : k + 1], values[k : k + 1], levels[k : k + 1])
        for field in fields(Fit):
            one, many = getattr(alone, field.name)[0], getattr(together, field.name)[k]
            # A sum over several rows may be added up in another order.
            assert one == pytest.approx(many, rel=1e-12, nan_ok=True), field.name


@pytest.mark.parametrize("slope", [3.0, -0.25])
def test_the_chord_of_a_line_is_its_slope(slope):
    """The steepest way from x to a point: of a straight line |slope|, on either side."""

    def line(t):
        return slope * np.asarray(t) + 1.0

    for fit in (fit_central(line, 0.0, 0.1), fit_sided(line, 0.0, 0.1), fit_sided(line, 0.0, -0.1)):
        assert fit.chord[0] == pytest.approx(abs(slope), rel=1e-13)


def test_the_chord_is_that_of_the_steepest_point():
    """t^2 at 0: the chord to t is t, so that the farthest point decides; both sides see it."""
    assert fit_central(lambda t: np.asarray(t) ** 2, 0.0, 0.1).chord[0] == pytest.approx(0.187)
    assert fit_sided(lambda t: np.asarray(t) ** 2, 0.0, -0.1).chord[0] == pytest.approx(0.1)


def test_the_curvature_is_the_second_derivative_where_both_sides_are_known():
    """5 t^2 has the second derivative 10; of one side nothing is said."""

    def bowl(t):
        return 5.0 * np.asarray(t) ** 2 + t

    assert fit_central(bowl, 0.0, 0.1).curvature[0] == pytest.approx(10.0)
    assert np.isnan(fit_sided(bowl, 0.0, 0.1).curvature).tolist() == [True]


def test_one_sided_slopes_are_exact_for_a_parabola_on_each_side():
    """Chords extrapolated to x: left and right slopes of a kink between two parabolas."""
    fit = fit_central(lambda t: np.where(np.asarray(t) < 0, 2 * t - t * t, 5 * t + 3 * t * t), 0.0, 0.1)
    assert fit.left[0] == pytest.approx(2.0, rel=1e-12)
    assert fit.right[0] == pytest.approx(5.0, rel=1e-12)


@pytest.mark.parametrize("second_at", [0.06, 0.1, 0.12, 0.15])
@pytest.mark.parametrize("first_at", [0.0, 0.02, 0.03])
def test_where_two_jumps_of_the_curvature_make_both_values_agree_the_bar_still_holds(first_at, second_at):
    """Their sizes are such that r = r', a tenth of the step from the slope: the curvatures of the points tell."""

    def half(at: float) -> Callable[[Any], Any]:
        return lambda t: 0.5 * np.maximum(np.asarray(t) - at, 0.0) ** 2

    def apart(f: Callable[[Any], Any]) -> float:
        r, wide = richardson(f, 0.1)
        return r - wide

    size = -apart(half(first_at)) / apart(half(second_at))
    fit = fit_central(lambda t: half(first_at)(t) + size * half(second_at)(t), 0.0, 0.1)
    assert abs(fit.value[0]) > 1e-4
    assert abs(fit.value[0]) <= 3.0 * fit.error[0]


def richardson(f: Callable[[Any], Any], h: float) -> tuple[float, float]:
    """The two values by the textbook: what is linear in t^2 through two central differences, at 0."""
    t = STENCIL[3:] * h
    d = (f(t) - f(-t)) / (2 * t)
    return tuple((t[k + 1] ** 2 * d[k] - t[k] ** 2 * d[k + 1]) / (t[k + 1] ** 2 - t[k] ** 2) for k in (0, 1))


def test_the_bar_of_one_sided_slopes_is_what_the_nearer_two_points_say_otherwise():
    """t + t^3: chords 1 + t^2, the parabola is exact; the line through 0.53 h and h is off by 0.53 h^2."""
    fit = fit_central(lambda t: np.asarray(t) + np.asarray(t) ** 3, 0.0, 0.1)
    assert fit.right[0] == pytest.approx(1.0, rel=1e-12)
    assert fit.sided[0] == pytest.approx(0.53e-2, rel=1e-9)


def test_the_bar_of_one_sided_slopes_holds_eleven_times_the_noise_over_the_step():
    """The weights of the three values are 5.60, -2.42, 0.24 over h, and that of f(x) the negative sum: 11.7."""
    fit = fit_central(lambda t: 3.0 * np.abs(t), 0.0, 0.1, level=1e-6)
    assert fit.sided[0] == pytest.approx(11.69e-5, rel=1e-3)


@pytest.mark.parametrize("side", [np.exp, lambda t: np.sin(5 * t), lambda t: (t + 1) ** 1.5])
def test_one_sided_slopes_lie_within_three_of_their_bars(side):
    """At a kink of 2 between bends of any kind, at steps from 1e-4 to 0.3."""
    slope = (side(1e-6) - side(-1e-6)) / 2e-6
    for step in (1e-4, 1e-3, 1e-2, 0.1, 0.3):
        fit = fit_central(lambda t: side(np.asarray(t)) + np.abs(t), 0.0, step)
        assert abs(fit.right[0] - slope - 1.0) <= 3.0 * fit.sided[0] + 1e-9
        assert abs(fit.left[0] - slope + 1.0) <= 3.0 * fit.sided[0] + 1e-9


@pytest.mark.parametrize(("stencil", "nodes"), [(central, STENCIL), (one_sided, SIDED_NODES)])
def test_values_beyond_the_largest_float_make_the_fit_void_without_a_warning(stencil, nodes):
    """1.7e308 on one side and -1.7e308 on the other: their difference is inf, and nothing is claimed."""
    values = np.array([[1.7e308, -1.7e308, 1.7e308, -1.7e308, 1.7e308, -1.7e308]])
    assert not stencil(0.0, 0.1 * np.asarray(nodes)[None, :], values, np.zeros(1)).finite[0]


def test_a_point_that_falls_on_x_itself_makes_the_one_sided_fit_void():
    """The first offset rounded to zero: it says nothing about a slope."""
    offsets = np.array([[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]])
    assert not one_sided(1.0, offsets, np.exp(offsets), np.zeros(1)).finite[0]


def test_long_doubles_are_taken_too():
    """The weights of the one-sided stencil come from a solver that knows no long doubles."""
    offsets = np.asarray(0.1 * SIDED_NODES[None, :], np.longdouble)
    fit = one_sided(np.longdouble(1), offsets, 1 + 3 * offsets, np.zeros(1, np.longdouble))
    assert float(fit.value[0]) == pytest.approx(3.0, rel=1e-12)


# Thresholds.


def test_the_noise_of_the_central_value_is_what_the_weights_make_of_it():
    """D at 0.53 h weighs 1 / (1 - 0.53^2), D at h the rest; each has two values, over 1.06 h and 2 h."""
    a = STENCIL[3] ** 2
    weights = 2 / (1.06 * (1 - a)) + 2 * a / (2 * (1 - a))
    for level, height, h in ((1e-6, 1.0, 0.1), (0.0, 1000.0, 0.001)):
        values = np.full((1, 6), height)
        fit = central(height, h * STENCIL[None, :], values, np.array([level]))
        one_value = max(level, np.finfo(float).eps * height)
        # Rounded up in the third digit.
        assert weights * one_value / h <= fit.noise[0] <= 1.005 * weights * one_value / h


@pytest.mark.parametrize(("level", "height"), [(1e-6, 1.0), (0.0, 1000.0)])
def test_the_noise_of_the_one_sided_value_is_what_its_values_can_do(level, height):
    """Each of the seven values is moved by its noise in turn: what the value changes adds up to the bar."""
    offsets, one_value = 0.2 * SIDED_NODES[None, :], max(level, np.finfo(float).eps * height)
    still = np.full((1, 6), height)
    changes = [abs(one_sided(height + 1.0, offsets, still, np.zeros(1)).value[0])]
    for k in range(6):
        moved = still.copy()
        moved[0, k] += 1.0
        changes.append(abs(one_sided(height, offsets, moved, np.zeros(1)).value[0]))
    fit = one_sided(height, offsets, still, np.array([level]))
    assert fit.noise[0] == pytest.approx(one_value * sum(changes), rel=1e-6, abs=0)
    assert fit.kinked.dtype == fit.jumping.dtype == bool


def test_uneven_points_put_the_bend_of_f_into_the_bar():
    """t^2 on points shifted by d has the slope 2 d at their middle; the bar is f'' times the unevenness, 2 * 2 d."""
    shift, h = 1e-5, 0.01
    offsets = h * STENCIL[None, :] + shift
    fit = central(0.0, offsets, offsets**2, np.array([TINY]))
    assert fit.value[0] == pytest.approx(2 * shift)
    assert fit.noise[0] == pytest.approx(4 * shift, rel=1e-3)


def test_uneven_points_are_no_bend_of_a_line():
    """A steep line on shifted points is neither bent nor kinked, and its bar is that of its rounding."""
    offsets = 0.01 * STENCIL[None, :] + 1e-3
    fit = central(0.0, offsets, 1000.0 * offsets, np.array([TINY]))
    # Rounding of values of 20, over h^2.
    assert abs(fit.curvature[0]) < 1e-9
    assert fit.noise[0] < 1e-11
    assert not fit.jumping[0]


def test_a_kink_counts_where_it_stands_out_of_its_own_noise():
    """The jump extrapolated to t = 0 has a deviation of 4.1 level / h: seen beyond 15 level / h, else 0."""
    level, h = 1e-3, 0.1
    for jump, seen in ((14.9, False), (15.1, True)):
        size = jump * level / h
        fit = fit_central(lambda t, size=size: size / 2 * np.abs(t), 0.0, h, level)
        assert fit.kink[0] == pytest.approx(size / 2 if seen else 0.0)


@pytest.mark.parametrize("f", [lambda t: t**4, lambda t: t**2, np.exp])
def test_the_bend_of_a_smooth_function_is_no_kink(f):
    """What it leaves at t = 0 grows with the points taken: 6.6-fold for t^4. A kink's stays."""
    assert fit_central(f, 0.0, 0.1).kink[0] == 0.0


@pytest.mark.parametrize("unit", [1e-250, 1e-200, 1e200, 1e250])
def test_steps_whose_squares_leave_the_floating_point_range_are_steps(unit):
    """Along tangents of 1 / unit: exp(t / unit) has the slope 1 / unit at 0, to the same relative bar."""
    offsets = unit * 0.01 * STENCIL[None, :]
    values = np.exp(0.01 * STENCIL[None, :])
    fit = central(1.0, offsets, values, np.array([TINY]))
    usual = central(1.0, 0.01 * STENCIL[None, :], values, np.array([TINY]))
    assert fit.finite[0]
    assert fit.value[0] * unit == pytest.approx(1.0, rel=1e-8)
    # The bar is the difference of two values, known to their rounding.
    assert fit.error[0] * unit == pytest.approx(usual.error[0], rel=1e-4, abs=0)
    assert not fit.kinked[0]


def test_points_that_all_fall_on_x_make_the_central_fit_void_without_a_warning():
    """A step below the grid of x, and an f that differs between two calls."""
    fit = central(1.0, np.zeros((1, 6)), np.full((1, 6), 2.0), np.zeros(1))
    assert not fit.finite[0]
