"""One fit gives derivative, bar, noise and kink: against paper, SciPy's Student t and mpmath's derivatives."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import scipy.stats

from gradcheck.numerics.line_fit import (
    EIGHT,
    FOUR,
    KINKED,
    STUDENT,
    by_four,
    fifth_over_third,
    fit_line,
    hidden_bends,
    positions,
    third_order,
)

NONE = np.zeros(1)


def fit(f, step, side=EIGHT, floor=NONE):
    """The fit to a function of one variable at 0."""
    return fit_line(np.array([f(t) for t in step * positions(side)])[:, None], step, side, floor)


@pytest.mark.parametrize("freedom", STUDENT)
def test_students_t_is_a_third_of_what_three_in_ten_thousand_exceed(freedom):
    """To the digits that the table gives."""
    assert STUDENT[freedom] == pytest.approx(scipy.stats.t.ppf(1 - 1.5e-4, freedom) / 3, rel=5e-3)


@pytest.mark.parametrize("side", [EIGHT, FOUR])
def test_a_polynomial_of_the_degree_of_the_points_is_met_exactly(side):
    """3 + 2 t - 5 t^2 + 7 t^3 has the slope 2, b2 = -5 and b3 = 7."""
    found = fit(lambda t: 3 + 2 * t - 5 * t**2 + 7 * t**3, 0.1, side)

    assert abs(found.value[0] - 2.0) <= (1e-12 if side is EIGHT else found.error[0])
    assert found.odd[:2, 0] == pytest.approx([2.0, 7.0], rel=1e-9)
    assert found.even[0, 0] == pytest.approx(5.0, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_truth_lies_within_three_bars(seed):
    """exp, sines and fractions with mpmath's derivatives, steps of 1e-3 to 0.3, noise from none to 1e-6."""
    rng = np.random.default_rng(seed)
    for _ in range(100):
        a, b, c = rng.normal(size=3)
        noise = rng.choice([0.0, 1e-12, 1e-9, 1e-6])
        step = 10 ** rng.uniform(-3, -0.5)
        t = step * positions(EIGHT)
        values = np.exp(a * t) * np.sin(b * t + c) / (2 + np.cos(t)) + noise * rng.normal(size=9)
        found = fit_line(values[:, None], step, EIGHT, NONE)

        def f(t, a=a, b=b, c=c):
            return mpmath.exp(a * t) * mpmath.sin(b * t + c) / (2 + mpmath.cos(t))

        truth = float(mpmath.diff(f, 0))
        assert abs(found.value[0] - truth) <= 3 * found.error[0], (seed, a, b, c, noise, step)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_kink_among_the_points_is_within_the_bar(place):
    """|t - place| on one side of x: the coefficients fall slowly, and the bar holds them thrice."""
    for step in (1e-3, 1e-1):
        found = fit(lambda t, step=step: abs(t - place * step) + np.sin(t), step)
        assert abs(found.value[0] - 0.0) <= 3 * found.error[0]


@pytest.mark.parametrize("jump", [1.0, 1e-3])
def test_a_kink_at_x_is_seen_and_its_size_is_told(jump):
    """sin t + jump |t|: the slopes differ by twice the jump."""
    found = fit(lambda t: np.sin(t) + jump * abs(t), 0.01)

    assert found.kink[0] == pytest.approx(jump, rel=1e-6)
    assert abs(found.kink[0]) > KINKED * found.kink_error[0]


def test_a_smooth_function_has_no_kink():
    """sin t + t^2 + t^4."""
    found = fit(lambda t: np.sin(t) + t**2 + t**4, 0.01)
    assert abs(found.kink[0]) <= KINKED * found.kink_error[0]


def test_noise_is_told_and_does_not_fall_along_the_coefficients():
    """1e-8 of scatter: within a factor three of it, and flat; a smooth function's coefficients fall."""
    rng = np.random.default_rng(0)
    spread = [fit(lambda t: np.sin(t) + 1e-8 * rng.normal(), 0.01) for _ in range(50)]

    assert 0.5e-8 < np.median([s.spread[0] for s in spread]) < 2e-8
    assert np.mean([s.flat[0] for s in spread]) > 0.9
    assert not fit(lambda t: 1 / (1.2 - t), 0.5).flat[0]


def test_a_floor_widens_the_bar():
    """What rounding may change of a value is noise, whatever the fit shows."""
    wide, narrow = fit(np.sin, 0.01, floor=np.array([1e-6])), fit(np.sin, 0.01)
    assert wide.error[0] > 1e4 * narrow.error[0]
    assert wide.floor[0] == 1e-6


def test_outputs_do_not_touch_each_other():
    """Two columns are fitted as each alone."""
    t = 0.05 * positions(EIGHT)
    both = fit_line(np.stack([np.exp(t), 1e3 * np.cos(t)], axis=1), 0.05, EIGHT, np.zeros(2))

    alone = [fit(np.exp, 0.05).value[0], fit(lambda t: 1e3 * np.cos(t), 0.05).value[0]]
    assert both.value == pytest.approx(
        alone, abs=1e-13
    )  # matrix products of other shapes round in another order
    assert both.moved.tolist() == [True, True]
    assert not fit(lambda t: 1.0, 0.05).moved[0]


def least_squares(values, degree, step, side):
    """The slope at 0 of the fitted polynomial, what is left of the values, and the weights of the slope."""
    powers = np.vander(positions(side), degree + 1, increasing=True)
    inverse = np.linalg.pinv(powers)
    return inverse[1] @ values / step, values - powers @ (inverse @ values), np.linalg.norm(inverse[1]) / step


def by_degrees(values, step, side, rounding):
    """Value, error and noise of the degree with the least bar, from least squares alone.

    What one degree more adds to the slope is the truncation of the last; what is left of the values is noise, by
    Student's t of so many degrees of freedom. The highest even degree leaves nothing: the two below bound its noise.
    """
    k = values.size
    best = (np.nan, np.inf, np.nan)
    for degree in range(2, k, 2):
        value, left, amplified = least_squares(values, degree, step, side)
        if degree < k - 1:
            bent = sum(
                abs(least_squares(values, d, step, side)[0] - least_squares(values, d - 1, step, side)[0])
                for d in range(degree + 1, k, 2)
            )
        else:
            left = least_squares(values, k - 3, step, side)[1]
            bent = abs(
                least_squares(values, k - 2, step, side)[0] - least_squares(values, k - 3, step, side)[0]
            )
        freedom = k - 1 - degree if degree < k - 1 else 2
        seen = max(np.sqrt(left @ left / freedom) * STUDENT[freedom], rounding)
        error = 3.0 * bent + seen * amplified + 2.0**-52 * abs(value)
        if error < best[1]:
            best = value, error, seen
    return best


@pytest.mark.parametrize("side", [EIGHT, FOUR])
@pytest.mark.parametrize("seed", range(8))
def test_value_bar_and_noise_are_those_of_least_squares(side, seed):
    """The degree with the least bar, of functions that bend, of noise, and where rounding hides all of it."""
    rng = np.random.default_rng(seed)
    step = 0.1
    t = step * positions(side)
    for bends, noise, floor in ((3.0, 0.0, 0.0), (1.0, 1e-4, 0.0), (0.1, 1e-3, 0.0), (1.0, 1e-6, 1e-2)):
        values = np.sin(bends * (t + rng.normal())) + noise * rng.normal(size=t.size)
        values -= values[t.size // 2]
        found = fit_line(values[:, None], step, side, np.full(1, floor))
        rounding = max(floor, 2.0**-52 * np.abs(values).max())
        value, error, seen = by_degrees(values, step, side, rounding)
        assert found.floor[0] == pytest.approx(rounding, rel=1e-12)
        assert found.value[0] == pytest.approx(value, rel=1e-8)
        assert found.error[0] == pytest.approx(error, rel=1e-6)
        assert found.noise[0] == pytest.approx(seen, rel=1e-6)


def left_of(values, degree):
    """The sum of squares that a fit of a degree leaves: of the coefficients of all higher ones."""
    left = least_squares(values, degree, 1.0, EIGHT)[1]
    return float(left @ left)


@pytest.mark.parametrize("seed", range(8))
def test_the_coefficients_of_the_upper_half_are_told(seed):
    """Their root mean square, the smaller of the last two, and whether the others are within five times of these."""
    rng = np.random.default_rng(seed)
    t = positions(EIGHT)
    for bends in (0.0, 3.0, 3e-6):
        values = rng.normal(size=9) * 1e-6 + bends * t**5
        a = [
            np.sqrt(max(left_of(values, d - 1) - left_of(values, d) if d < 8 else left_of(values, 7), 0.0))
            for d in (5, 6, 7, 8)
        ]
        found = fit_line(values[:, None], 1.0, EIGHT, NONE)
        assert found.spread[0] == pytest.approx(np.sqrt(left_of(values, 4) / 4), rel=1e-6)
        assert found.least_noise[0] == pytest.approx(min(a[2:]), rel=1e-3)
        assert bool(found.flat[0]) is bool(max(a[:2]) <= 5.0 * max(a[2:]))
        assert fit_line(values[:, None], 1.0, EIGHT, np.ones(1)).least_noise[0] == 1.0


def test_the_noise_of_four_points_is_their_rounding_at_the_least():
    """Two coefficients are left of them, and these hold what f bends."""
    found = fit(lambda t: np.exp(3 * t), 0.1, FOUR)
    assert found.least_noise[0] == found.floor[0] == pytest.approx(2.0**-52 * np.exp(0.3))


def test_the_outer_four_points_tell_a_slope_of_their_own():
    """That of the polynomial of degree four through them and f(x), and of the straight lines through each pair."""
    t = 0.1 * positions(EIGHT)
    values = np.exp(3 * t)
    c = np.array([t[0], t[1], 0.0, t[-2], t[-1]])
    slope = np.linalg.solve(np.vander(c, increasing=True), np.exp(3 * c))[1]
    assert fit(lambda t: np.exp(3 * t), 0.1).outer[0] == pytest.approx(slope, rel=1e-9)
    four = values[[0, 1, -2, -1]][:, None]
    value, near, wide = by_four(four, 0.1, FOUR)
    assert value[0] == pytest.approx(slope, rel=1e-9)
    assert near[0] == pytest.approx((values[-2] - values[1]) / (t[-2] - t[1]), rel=1e-12)
    assert wide[0] == pytest.approx((values[-1] - values[0]) / (t[-1] - t[0]), rel=1e-12)


@pytest.mark.parametrize("step", [0.1, 2.0])
def test_even_coefficients_are_in_units_of_f_and_t(step):
    """3 - 5 t^2 + 7 t^4: whatever the step."""
    found = fit(lambda t: 3 - 5 * t**2 + 7 * t**4, step)
    assert found.even[:2, 0] == pytest.approx([5.0, 7.0], rel=1e-9)


def test_where_a_value_is_missing_nothing_is_known():
    """No bar; and 0 stands where the derivative would, so that no nan spreads."""
    values = np.sin(0.1 * positions(EIGHT))
    values[0] = np.nan
    found = fit_line(values[:, None], 0.1, EIGHT, NONE)
    assert (found.value.tolist(), found.error.tolist()) == ([0.0], [np.inf])
    assert found.value.dtype == np.float64


def test_size_is_the_largest_value_and_one_that_moves_is_enough():
    """Of either sign."""
    values = np.full((9, 2), -3.0)
    values[8, 0] = 1.0
    found = fit_line(values, 0.1, EIGHT, np.zeros(2))
    assert found.size.tolist() == [3.0, 3.0]
    assert found.moved.tolist() == [True, False]


def test_a_kink_is_believed_beyond_three_of_its_errors_and_the_bar():
    """Twice the kink is the jump of the slope; each alone is not enough."""
    found = fit(np.sin, 0.01)
    for kink, kink_error, error, expected in (
        (3.1, 1.0, 2.0, True),
        (-3.1, 1.0, 2.0, True),
        (2.9, 1.0, 1.0, False),
        (3.1, 1.0, 2.1, False),
        (3.0, 1.0, 1.0, False),
    ):
        told = replace(
            found, kink=np.array([kink]), kink_error=np.array([kink_error]), error=np.array([error])
        )
        assert told.kinked.tolist() == [expected]


@pytest.mark.parametrize("side", [EIGHT, FOUR])
def test_the_error_of_a_kink_is_what_noise_makes_of_it(side):
    """1.2 of twice the smaller of the last two coefficients, or of rounding, times the weights of the formula.

    A |t| + b2 t^2 + .. through all pairs: the weights of A are the first row of the inverse.
    """
    step, p = 0.1, np.array(side)
    powers = np.stack([p, *(p ** (2 * k) for k in range(1, p.size))], axis=1)
    weights = np.linalg.inv(powers)[0]
    found = fit(np.sin, step, side, np.array([1e-3]))
    assert found.kink_error[0] == pytest.approx(1.2 * 1e-3 * np.linalg.norm(weights) / step, rel=1e-9)
    rng = np.random.default_rng(1)
    values = rng.normal(size=2 * p.size + 1)
    noisy = fit_line(values[:, None], step, side, NONE)
    least = noisy.least_noise[0]
    if side is EIGHT:
        assert noisy.kink_error[0] == pytest.approx(
            1.2 * 2.0 * least * np.linalg.norm(weights) / step, rel=1e-9
        )


def orthonormal():
    """The odd polynomials q_3, q_5, q_7 on the nine points of `EIGHT`, as functions of t and with their slopes at 0."""
    nodes = positions(EIGHT)
    _, triangle = np.linalg.qr(np.vander(nodes, increasing=True))
    powers = np.linalg.inv(triangle)
    return [np.polynomial.Polynomial(powers[:, j]) for j in (3, 5, 7)]


@pytest.mark.parametrize("part", [0.2, 0.5])
def test_four_points_leave_of_bends_what_their_rule_leaves_of_each_polynomial(part):
    """Three times the moduli; what noise may hide of a coefficient counts as there."""
    scatter = 1e-6
    seen = replace(
        fit(np.sin, 0.3), flat=np.array([True]), spread=np.array([scatter]), floor=np.zeros(1),
        bends=np.array([[1e-3], [1e-5], [1e-8]]),
    )  # fmt: skip
    step = 0.3 * part
    left = []
    for q in orthonormal():
        chords = [(q(part * c) - q(-part * c)) / (2.0 * part * c) for c in FOUR]
        inner, outer = chords
        share = FOUR[0] ** 2 / (FOUR[1] ** 2 - FOUR[0] ** 2)
        left.append(abs(inner + (inner - outer) * share - q.deriv()(0.0)))
    assert left[0] == pytest.approx(0.0, abs=1e-12)
    expected = 3.0 * (left[1] * 1e-5 + left[2] * scatter) / 0.3
    assert hidden_bends(seen, step) == pytest.approx(expected)


def test_third_order_is_that_of_the_polynomial_and_so_is_fifth_over_it():
    """b t + c t^3 + d t^5: c, and d / c; where noise hides c nothing is known."""
    found = fit(lambda t: 2.0 * t + 3.0 * t**3 + 0.6 * t**5, 0.1)
    assert third_order(found) == pytest.approx(3.0, rel=0.02)  # q_3 alone has some of t^5
    assert fifth_over_third(found) == pytest.approx(0.2, rel=0.01)
    hidden = replace(found, flat=np.array([True]), spread=found.bends[0] / 2.9)
    assert np.isinf(fifth_over_third(hidden)[0])
    assert third_order(replace(hidden, spread=2.0 * found.bends[0])) == pytest.approx(
        2.0 * third_order(found)
    )
