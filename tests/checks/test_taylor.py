"""The Taylor test: order of convergence with an outcome of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess

from gradcheck import GradientCheckInterrupted, Outcome, check_gradient, taylor_test

X = np.random.default_rng(0).normal(size=6)


def test_the_orders_of_right_derivatives():
    """Remainders fall as h^2 with the gradient, as h^3 with the Hessian (from paper)."""
    second = taylor_test(rosen, rosen_der, X)
    third = taylor_test(rosen, rosen_der, X, hessian=rosen_hess)

    # The next term of the series still shows at the steps that are used.
    assert second.order == pytest.approx(2.0, abs=0.1)
    assert third.order == pytest.approx(3.0, abs=0.1)
    assert second
    assert third


@pytest.mark.parametrize("factor", [1.0001, 0.0, -1.0, 2.0])
def test_a_wrong_gradient_falls_as_h(factor):
    """Off by 0.01 % or more: order 1 and FAIL, with a Hessian too."""
    for hessian in (None, rosen_hess):
        result = taylor_test(rosen, lambda x: factor * rosen_der(x), X, hessian=hessian)

        assert result.outcome is Outcome.FAIL
        assert result.order == pytest.approx(1.0, abs=0.1)


def test_in_a_shell_the_result_is_one_line():
    """`repr` is the first line of the text."""
    wrong = taylor_test(rosen, lambda x: 1.01 * rosen_der(x), np.array([1.2, 0.7]))

    assert repr(wrong) == f"<TaylorResult: {str(wrong).splitlines()[0]}>"
    assert "FAIL" in repr(wrong)


def test_a_wrong_hessian_falls_as_h_squared():
    """A Hessian off by a per mille: order 2, and the gradient is not blamed."""
    result = taylor_test(rosen, rosen_der, X, hessian=lambda x: 1.001 * rosen_hess(x))

    assert result.outcome is Outcome.FAIL
    assert "the gradient fits" in result.reason


def test_a_linear_function_is_said_to_be_linear():
    """No remainder but noise: PASS says so; a wrong slope is FAIL all the same."""
    slopes = np.arange(1.0, 7.0)
    right = taylor_test(lambda x: slopes @ x + 1.0, slopes, X)

    assert right.outcome is Outcome.PASS
    assert right.linear
    assert np.isnan(right.order)
    assert "linear along v" in right.reason
    assert taylor_test(lambda x: slopes @ x + 1.0, 1.01 * slopes, X).outcome is Outcome.FAIL


def test_the_noise_floor_is_said():
    """f rounded to three decimals, or to one, at which it does not move: INCONCLUSIVE, in words."""
    coarse = taylor_test(lambda x: np.round(np.sum(np.exp(x)), 3), np.exp, X)
    still = taylor_test(lambda x: np.round(np.sum(np.sin(x)), 1), np.cos, X)

    assert coarse.outcome is Outcome.INCONCLUSIVE
    assert "noise" in coarse.reason or "hidden" in coarse.reason
    assert still.outcome is Outcome.INCONCLUSIVE
    assert "same value at all steps" in still.reason


def test_nan_never_passes():
    """A derivative that is nan is FAIL, an f that is nan at x or around it is INCONCLUSIVE."""
    assert taylor_test(rosen, lambda x: x * np.nan, X).outcome is Outcome.FAIL
    assert taylor_test(lambda x: np.nan, rosen_der, X).outcome is Outcome.INCONCLUSIVE
    only_here = taylor_test(lambda x: rosen(x) if np.array_equal(x, X) else np.nan, rosen_der, X)
    assert only_here.outcome is Outcome.INCONCLUSIVE


def test_a_kink_is_said():
    """|x| at 0: the same first-order remainder on both sides is a kink, not a wrong derivative."""
    result = taylor_test(lambda x: np.abs(x).sum(), np.zeros(3), np.zeros(3))

    assert result.outcome is Outcome.INCONCLUSIVE
    assert "kink" in result.reason


def test_a_tangent_of_ones_choice_and_vector_functions():
    """A given direction is used as it is; a function of many outputs takes its Jacobian."""
    axis = np.eye(6)[2]
    off = rosen_der(X) + np.eye(6)[4]

    assert taylor_test(rosen, off, X, axis)  # the mistake lies in another coordinate
    assert not taylor_test(rosen, off, X, np.eye(6)[4])
    assert taylor_test(rosen_der, rosen_hess, X)
    assert not taylor_test(rosen_der, 1.001 * rosen_hess(X), X)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_a_budget_and_an_interruption_decide_nothing(factor, capsys):
    """With less than it takes, or ended at any call, the result is INCONCLUSIVE, says why, and holds what was known."""

    def check(end=None, **options):
        calls = []

        def f(x):
            calls.append(1)
            if len(calls) == end:
                raise KeyboardInterrupt
            return rosen(x)

        return taylor_test(f, lambda x: factor * rosen_der(x), X, **options)

    whole = check()
    assert whole.outcome is (Outcome.PASS if factor == 1.0 else Outcome.FAIL)
    assert check(max_nfev=whole.nfev) == whole
    for budget in range(24, whole.nfev):
        result = check(max_nfev=budget)
        assert result.nfev == budget
        assert result.outcome is Outcome.INCONCLUSIVE
        assert result.reason == "the budget was used up: raise max_nfev (or max_seconds)"
    assert result.remainders[:20] == whole.remainders[:20]
    for end in range(1, whole.nfev + 1):
        with pytest.raises(GradientCheckInterrupted) as caught:
            check(end)
        assert caught.value.report.outcome is Outcome.INCONCLUSIVE
        assert caught.value.report.reason == "the check was interrupted: start it again"
        assert caught.value.report.nfev == end
    with pytest.raises(ValueError, match="max_nfev must be at least 24"):
        check(max_nfev=3)
    assert capsys.readouterr().err == ""
    assert check(progress=True) == whole
    assert "gradcheck" in capsys.readouterr().err


def test_an_edge_on_one_side_of_x_decides_nothing():
    """A right and a wrong slope of sqrt(x) where f is nan below x: both sides are needed to tell a kink."""

    def f(x):
        return float(np.sqrt(x[0])) if x[0] >= 1.0 else np.nan

    for slope in (0.5, 0.6):
        result = taylor_test(f, [slope], np.ones(1), np.ones(1))
        assert result.outcome is Outcome.INCONCLUSIVE
        assert "not finite along v" in result.reason


def test_a_result_is_told_as_a_report_is():
    """The keys of docs/report.md, plain values, no nan."""
    for factor, outcome in ((1.0, "PASS"), (2.0, "FAIL")):
        result = taylor_test(rosen, lambda x, factor=factor: factor * rosen_der(x), X, resolution=1e-2, rng=3)
        told = result.to_dict()
        assert set(told) == set(check_gradient(rosen, rosen_der, X).to_dict())
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert (told["outcome"], told["reason"], told["method"]) == (outcome, result.reason, "taylor")
        assert (told["nfev"], told["seed"], told["resolution"]) == (result.nfev, 3, 1e-2)
        assert told["call"] == "gradcheck.taylor_test(f, derivative, x, rng=3)"


@pytest.mark.parametrize("bad", [1.0, None, np.ones(4), (np.ones(3),), "text"], ids=repr)
def test_a_derivative_that_does_not_fit_is_wrong_as_for_check_gradient(bad):
    """In the same words; given as it is, None is no derivative."""
    x = np.ones(3)
    result, report = taylor_test(rosen, lambda x: bad, x), check_gradient(rosen, lambda x: bad, x)
    assert result.outcome is report.outcome is Outcome.FAIL
    assert result.reason == report.reason.replace("grad", "derivative", 1)
    assert (
        taylor_test(rosen, lambda x: (rosen(x), rosen_der(x)), X).outcome is Outcome.PASS
    )  # as value and gradient
    for raising, who in ((lambda x: 1 / 0, "derivative"), (rosen_der, "hessian")):
        hessian = (lambda x: 1 / 0) if who == "hessian" else None
        with pytest.raises(ZeroDivisionError) as caught:
            taylor_test(rosen, raising, x, hessian=hessian)
        assert caught.value.__notes__ == [f"gradcheck: raised by {who} at x"]


def test_a_matrix_that_does_not_fit_is_wrong_and_no_derivative_is_none():
    """A Jacobian and a Hessian of another size; None is refused by name."""
    x = np.ones(3)
    for result in (
        taylor_test(np.sin, lambda x: np.eye(2), x),
        taylor_test(rosen, rosen_der, x, hessian=lambda x: np.eye(2)),
    ):
        assert result.outcome is Outcome.FAIL
        assert "shape (2, 2)" in result.reason
    with pytest.raises(TypeError, match="derivative must be a callable or a derivative, not None"):
        taylor_test(rosen, None, x)


def test_the_text_lists_steps_and_the_seed():
    """The outcome comes first, then the steps, then what repeats it."""
    text = str(taylor_test(rosen, rosen_der, X, rng=3))

    assert text.startswith("PASS")
    assert "seed 3" in text
    with pytest.raises(ValueError, match="tangent"):
        taylor_test(rosen, rosen_der, X, np.zeros(6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "scales"), [(np.float64, (1e160, 1e-160, 1e-300)), (np.float32, (1e30, 1e19, 1e-20, 1e-30))]
)
def test_a_derivative_of_any_scale_is_decided(dtype, scales):
    """No square of a remainder overflows or vanishes: right ones pass, 10 % too much is FAIL."""
    x = np.array([1.0, 2.0, 3.0], dtype)
    for scale in scales:
        size = dtype(scale)

        def f(x, s=size):
            return s * np.sum(np.sin(x), dtype=dtype)

        for factor, outcome in ((1.0, Outcome.PASS), (1.1, Outcome.FAIL), (-1.0, Outcome.FAIL)):
            result = taylor_test(f, lambda x, k=factor, s=size: dtype(k) * s * np.cos(x), x)
            assert result.outcome is outcome
            assert "nan" not in result.reason


@pytest.mark.parametrize("steep", [1e3, 1e8, 1e12, 1e16, 1e20])
def test_a_slope_beside_a_bend_that_hides_it_is_seen_on_both_sides_of_x(steep):
    """(s x)^2 + s x at 0, where x has no scale: the square makes the remainder fall as h^2 whatever the slope is."""

    def f(x):
        return (steep * x[0]) ** 2 + steep * x[0]

    right = taylor_test(f, np.array([steep]), np.zeros(1))
    assert right.outcome is (Outcome.PASS if steep < 1e17 else Outcome.INCONCLUSIVE)
    for factor in (1.1, -1.0):
        wrong = taylor_test(f, np.array([factor * steep]), np.zeros(1))
        assert wrong.outcome is Outcome.FAIL or (steep > 1e17 and wrong.outcome is Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("f", "grad", "x"),
    [
        (rosen, rosen_der, X),
        (lambda x: np.sum(np.exp(x)), np.exp, X),
        (lambda x: np.sum(np.sin(5 * x)) + 1e4, lambda x: 5 * np.cos(5 * x), X),
        (lambda x: 3.0 * x[0] + 7.0, np.eye(6)[0] * 3.0, X),
        (lambda x: np.float32(np.sum(x**3)), lambda x: 3 * x**2, X),
    ],
)
def test_what_is_said_to_be_seen_is_seen(f, grad, x):
    """Off by what the PASS of the right one states, and a tenth more, is FAIL; by a hundredth of that it is not."""
    given = grad if callable(grad) else lambda x: grad
    right = taylor_test(f, given, x, resolution=0.1)
    assert right.outcome is Outcome.PASS
    seen = float(right.reason.split("mistake of ")[1].split()[0])

    assert taylor_test(f, lambda x: (1 + 1.1 * seen) * given(x), x, resolution=0.1).outcome is Outcome.FAIL
    assert taylor_test(f, lambda x: (1 + 0.01 * seen) * given(x), x, resolution=0.1).outcome is Outcome.PASS


def test_a_jacobian_of_one_row_serves_a_function_of_no_axis():
    """f(x) a number, x a number or an array: the gradient, or the one row of its Jacobian."""
    for x, gradient, row in ((0.4, 3 * np.cos(1.2), [[3 * np.cos(1.2)]]), (np.full(2, 0.4), None, None)):

        def f(x):
            return np.sin(3 * np.sum(x))

        slope = np.full(2, 3 * np.cos(2.4)) if gradient is None else gradient
        for given in (slope, np.array(row if row is not None else slope[None])):
            assert taylor_test(f, given, x).outcome is Outcome.PASS
            assert taylor_test(f, 1.01 * np.asarray(given), x).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [1, 2, 5])
def test_steps_land_on_numbers_that_x_holds(n):
    """At a root, sin x at pi, the rounding of x + h v moves f by more than its own; wrong ones are FAIL there, too."""
    x = np.full(n, np.pi)
    for factor, outcome in ((1.0, Outcome.PASS), (1 + 2e-6, Outcome.FAIL), (-1.0, Outcome.FAIL)):
        assert taylor_test(np.sin, lambda x, k=factor: k * np.diag(np.cos(x)), x).outcome is outcome


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("f", [np.sin, np.tanh])
@pytest.mark.parametrize("steep", [1e10, 1e20, 1e50])
def test_a_function_that_varies_faster_than_every_step_decides_nothing(f, n, steep):
    """Its remainder falls as h for the claimed slope alone; a function whose slope the steps show is decided."""
    result = taylor_test(lambda x: f(steep * x), steep * np.eye(n), np.zeros(n))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert taylor_test(f, steep * np.eye(n), np.zeros(n)).outcome is Outcome.FAIL


def _sines(seed, size, dtype):
    """Sines and a half square at a point of this size: f, its gradient, its Hessian, x."""
    rng = np.random.default_rng(seed)
    weights, x = rng.normal(size=(5, 5)).astype(dtype), (rng.normal(size=5) * size).astype(dtype)

    def f(x):
        return np.sum(np.sin(weights @ x)) + dtype(0.5) * (x @ x)

    def hessian(x):
        return (np.eye(5) - (weights * np.sin(weights @ x)[:, None]).T @ weights).astype(dtype)

    return f, lambda x: (weights.T @ np.cos(weights @ x) + x).astype(dtype), hessian, x


@pytest.mark.parametrize("size", [1e-2, *(pytest.param(s, marks=pytest.mark.slow) for s in (1e-3, 1e-5))])
def test_a_hessian_that_noise_hides_is_not_passed(size):
    """In float32 v.Hv h^2 / 2 is below the noise of f at such an x: any H passed; longer steps show the right one."""
    outcomes = []
    for seed in range(6):
        f, grad, hessian, x = _sines(seed, size, np.float32)
        for factor in (-1.0, 0.0, 1.5, 100.0):
            wrong = taylor_test(f, grad, x, hessian=lambda x, k=factor, h=hessian: k * h(x))
            assert wrong.outcome is not Outcome.PASS
            if wrong.outcome is Outcome.INCONCLUSIVE and "gradient fits" in wrong.reason:
                assert "v.Hv would be hidden" in wrong.reason
        right = taylor_test(f, grad, x, hessian=hessian)
        assert right.outcome is not Outcome.FAIL
        outcomes.append(right.outcome)
        assert taylor_test(f, grad, x).outcome is Outcome.PASS
    assert outcomes.count(Outcome.PASS) >= (6 if size == 1e-2 else 1)


@pytest.mark.parametrize("factor", [1.0, 1.5, -1.0, 0.0])
def test_a_hessian_at_a_small_x_is_told_in_float64(factor):
    """The curvature that is seen is said beside the slope."""
    f, grad, hessian, x = _sines(0, 1e-2, np.float64)

    result = taylor_test(f, grad, x, hessian=lambda x: factor * hessian(x))

    assert result.outcome is (Outcome.PASS if factor == 1.0 else Outcome.FAIL)
    assert ("in the curvature v.Hv" in result.reason) is (factor == 1.0)


@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("factor", [1.0, 1.01, 0.5, -1.0, 0.0])
def test_a_hessian_at_a_minimum_at_0_is_told_by_what_f_bends(factor, offset):
    """x.Hx / 2 at 0 has no slope, and moves by v.Hv h^2 / 2: a mistake in the slope is relative to that."""
    matrix = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 3.0]])

    def f(x):
        return offset + x @ matrix @ x / 2

    result = taylor_test(f, lambda x: matrix @ x, np.zeros(3), hessian=lambda x: factor * matrix)

    assert result.outcome is (Outcome.PASS if factor == 1.0 else Outcome.FAIL)
    off = taylor_test(f, lambda x: matrix @ x + 0.1, np.zeros(3), hessian=lambda x: matrix)
    assert off.outcome is Outcome.FAIL


def test_where_slope_and_curvature_are_0_no_size_of_a_mistake_is_invented():
    """x^3 at 0: no mistake is "below inf"; another curvature is wrong."""
    result = taylor_test(
        lambda x: np.sum(x**3), lambda x: 3 * x**2, np.zeros(2), hessian=lambda x: np.diag(6 * x)
    )
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "slope and curvature are 0" in result.reason
    assert "inf" not in result.reason
    wrong = taylor_test(lambda x: np.sum(x**3), lambda x: 3 * x**2, np.zeros(2), hessian=lambda x: np.eye(2))
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("seed", range(3))
def test_longer_steps_than_x_is_large_do_not_convict(seed):
    """In float32 beside 1 curvatures of 1 hide at 2e-4, and from 3e-4 on it is 4: longer steps see no other."""
    bend = np.float32(3e-4)

    def f(x):
        size = np.abs(x)
        beyond = 2.0 * x * x - 3.0 * bend * size + 1.5 * bend * bend
        return np.float32(1.0) + np.sum(np.where(size < bend, x * x / 2, beyond), dtype=np.float32)

    x = np.full(3, 2e-4, np.float32)
    result = taylor_test(f, x, x, hessian=np.eye(3), rng=seed)
    assert result.outcome is Outcome.INCONCLUSIVE
    # Those that are tried are no part of it.
    assert len(result.steps) == 24
    assert result.nfev >= 2 * 33


@pytest.mark.parametrize(("size", "farthest"), [(0.5, 0.0626), (1e-3, 0.125)])
def test_longer_steps_go_as_far_as_at_0_and_no_farther(size, farthest):
    """An eighth of 1, whatever noise hides; of an x that is as large already none is longer."""
    asked = []

    def f(x):
        asked.append(float(np.abs(x - size).max()))
        return float(np.round(1e3 * np.sum(np.sin(x))) / 1e3)

    assert taylor_test(f, np.cos, np.full(3, size)).outcome is Outcome.INCONCLUSIVE
    assert max(asked) <= farthest


@pytest.mark.parametrize("factor", [1.0, 1.0 + 5e-7, 1.0 - 5e-7, 1.0 + 2e-6, 1.0 - 2e-6])
def test_a_curvature_is_accepted_that_is_off_by_half_of_rtol(factor):
    """Of a square nothing of third order hides what v.Hv is off by."""
    matrix, x = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([0.3, -0.7])

    result = taylor_test(lambda x: x @ matrix @ x / 2, lambda x: matrix @ x, x, hessian=factor * matrix)

    assert result.outcome is (Outcome.PASS if abs(factor - 1.0) < 1e-6 else Outcome.FAIL)


@pytest.mark.parametrize(("square", "outcome"), [(0.0, Outcome.PASS), (1e-3, Outcome.FAIL)])
def test_a_curvature_of_0_has_to_be_none_beside_the_slope(square, outcome):
    """A line has no curvature that a mistake could be relative to."""
    slopes, x = np.array([2.0, -1.0, 0.5]), np.array([0.3, -0.7, 1.1])

    result = taylor_test(
        lambda x: slopes @ x + square * x @ x, lambda x: slopes + 2 * square * x, x, hessian=np.zeros((3, 3))
    )

    assert result.outcome is outcome


@pytest.mark.parametrize(("dtype", "outcome"), [(np.float32, Outcome.PASS), (np.float64, Outcome.FAIL)])
def test_a_gradient_in_float32_is_held_to_what_that_can_hold(dtype, outcome):
    """Off by half a thousandth, of an f in float64."""
    x = np.linspace(0.5, 1.5, 4)

    result = taylor_test(lambda x: np.sum(np.sin(x)), lambda x: (1.0005 * np.cos(x)).astype(dtype), x)

    assert result.outcome is outcome


@pytest.mark.parametrize("step", [1e-12, 1e-10, 2.0**-36])
@pytest.mark.parametrize(
    ("factor", "outcome"), [(1.0, Outcome.PASS), (1.01, Outcome.FAIL), (-1.0, Outcome.FAIL)]
)
def test_where_the_remainder_stops_falling_is_noise(step, factor, outcome):
    """f lies on a grid, and the points beside x are a whole number of steps apart: what is left is no mistake."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, y, x = rng.normal(size=(30, 4)), rng.random(30) < 0.5, rng.normal(size=4)

        def f(w, a=a, y=y):
            return np.round((np.logaddexp(0, a @ w) - y * (a @ w)).mean() / step) * step

        def grad(w, a=a, y=y):
            return factor * (a.T @ (1 / (1 + np.exp(-(a @ w))) - y) / 30)

        assert taylor_test(f, grad, x).outcome is outcome


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_off_by_no_more_than_is_accepted_is_not_accused(dtype):
    """Half of rtol passes, as in check_gradient; twice rtol is FAIL, and half of it where that has to be seen."""
    rtol = 1e-6 if dtype is np.float64 else 1e-3
    x = np.linspace(0.5, 1.5, 4).astype(dtype)

    def off(part):
        return taylor_test(
            lambda x: np.sum(np.sin(x)), lambda x: np.asarray((1 + part * rtol) * np.cos(x), dtype), x
        )

    assert off(0.5).outcome is off(-0.5).outcome is Outcome.PASS
    assert off(0.5).order == pytest.approx(2.0, abs=0.1)
    assert off(2.0).outcome is off(-2.0).outcome is Outcome.FAIL
    if dtype is np.float64:
        closer = taylor_test(lambda x: np.sum(np.sin(x)), (1 + 0.5 * rtol) * np.cos(x), x, resolution=1e-8)
        assert closer.outcome is Outcome.FAIL


@pytest.mark.parametrize("size", [1.0, 0.1, 0.01])
def test_float32_is_held_to_what_it_can_show(size):
    """As in check_gradient: a right gradient passes at what float32 resolves, one that is off by a tenth is FAIL."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        a, y = rng.normal(size=(40, 5)).astype(np.float32), (rng.random(40) < 0.5).astype(np.float32)
        x = (size * rng.normal(size=5)).astype(np.float32)

        def f(w, a=a, y=y):
            return (np.logaddexp(np.float32(0), a @ w) - y * (a @ w)).mean()

        def grad(w, a=a, y=y):
            return a.T @ (1 / (1 + np.exp(-(a @ w))) - y) / np.float32(40)

        right = taylor_test(f, grad, x)
        assert right.outcome is Outcome.PASS
        assert (right.resolution, right.rtol) == (3e-2, 1e-3)
        assert taylor_test(f, lambda w, g=grad: -g(w), x).outcome is not Outcome.PASS
        assert taylor_test(f, grad, x, resolution=1e-5).outcome is Outcome.INCONCLUSIVE
    assert taylor_test(rosen, rosen_der, X).resolution == 1e-3
