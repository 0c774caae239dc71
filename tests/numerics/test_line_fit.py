"""One fit gives derivative, bar, noise and kink: against paper, SciPy's Student t and mpmath's derivatives."""

import mpmath
import numpy as np
import pytest
import scipy.stats

from gradcheck.numerics.line_fit import EIGHT, FOUR, KINKED, STUDENT, fit_line, positions

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
