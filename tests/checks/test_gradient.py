"""check_gradient and assert_gradient as users meet them: the verdicts, the robustness, the arguments, the cost."""

from __future__ import annotations

import copy
import hashlib
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from gradcheck import (
    GradientCheckInterrupted,
    GradientError,
    Outcome,
    Report,
    assert_gradient,
    check_gradient,
    check_jacobian,
    derivative,
    gradient,
)

X = np.array([1.0, -2.0, 3.0, 0.5, -0.25])


def f(x: np.ndarray) -> float:
    """A smooth function whose every second derivative differs."""
    return float(np.sum(np.exp(0.3 * x) + x**2))


def grad(x: np.ndarray) -> np.ndarray:
    """By hand."""
    return 0.3 * np.exp(0.3 * x) + 2.0 * x


def counted(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """The function, and the list of the points at which it was called."""
    calls: list[Any] = []

    def counting(x: Any, *args: Any) -> Any:
        calls.append(copy.deepcopy(x))
        return function(x, *args)

    return counting, calls


# What existing checkers get wrong.


def test_a_right_gradient_at_a_million_passes():
    """The step of scipy.optimize.check_grad, 1.5e-8, is about one spacing of the numbers there."""
    x = np.full(5, 1e6)

    def sum_of_squares(x: np.ndarray) -> float:
        return float(np.sum(x**2))

    # The reason for this test: SciPy's answer to a right gradient. (2 norm of the discrepancy: 107264 for n = 1000.)
    assert scipy.optimize.check_grad(sum_of_squares, lambda x: 2 * x, x) > 1000
    assert check_gradient(sum_of_squares, lambda x: 2 * x, x).outcome is Outcome.PASS
    assert check_gradient(sum_of_squares, lambda x: 2.00001 * x, x).outcome is Outcome.FAIL


def test_a_zero_gradient_of_a_small_loss_fails():
    """1e-7 sum(x^2): an absolute tolerance of 1e-6 accepts a gradient of zero."""

    def small(x: np.ndarray) -> float:
        return 1e-7 * float(np.sum(x**2))

    assert check_gradient(small, lambda x: 0 * x, X).outcome is Outcome.FAIL
    assert check_gradient(small, lambda x: 2e-7 * x, X).outcome is Outcome.PASS


def test_a_kink_at_x_is_inconclusive():
    """|x| at 0: its slopes are -1 and 1, not 0 +- 0 as scipy.differentiate, numdifftools and jacobi answer."""
    report = check_gradient(abs, lambda x: 0.0, 0.0)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "kink at x (slope -1 on the left, 1 on the right)" in report.reason
    assert "the gradient lies between these slopes" in report.reason


@pytest.mark.parametrize("slope", [-1.0, -0.2, 0.0, 1.0])
def test_a_subgradient_of_a_kink_passes_where_asked_for(slope):
    """Any convention between the slopes, with a note that names the entry."""
    report = check_gradient(abs, lambda x: slope, 0.0, subgradient=True)
    assert report.outcome is Outcome.PASS
    assert "x lies on a kink and passes as a subgradient" in report.notes


@pytest.mark.slow
@pytest.mark.parametrize("subgradient", [False, True])
@pytest.mark.parametrize("slope", [5.0, -1.5, 1.001, 1e3, -1e9])
@pytest.mark.parametrize(("offset", "at"), [(0.0, 0.0), (5.0, 0.0), (5.0, 1.0), (1e-3, -2.0)])
def test_a_slope_outside_the_kink_fails(slope, subgradient, offset, at):
    """No convention makes 5 a slope of |x|, whatever |x| is added to and wherever it lies; nor 1.001, nor 1e3."""
    report = check_gradient(lambda x: offset + abs(x - at), lambda x: slope, at, subgradient=subgradient)
    assert report.outcome is Outcome.FAIL
    assert any("kink" in note for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 0.5, 1.1, 30.0])
def test_the_penalty_of_a_lasso_at_zero_is_judged_by_its_one_sided_slopes(factor):
    """The usual start of a fit: every entry on a kink of 0.6, f(0) = 12; what leaves the slopes is wrong, all of it."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 4))
    target = features @ np.array([3.0, 0.1, -4.0, 0.0])

    def f(w: np.ndarray) -> float:
        return 0.5 * float(np.mean((features @ w - target) ** 2)) + 0.3 * float(np.abs(w).sum())

    smooth = features.T @ -target / 50
    outside = (factor - 1.0) * np.abs(smooth) > 0.3
    given = smooth * np.where(outside, factor, 1.0) + 0.3 * np.where(outside, 0.0, min(factor, 1.0))
    for subgradient in (True, False):
        report = check_gradient(f, lambda w: given, np.zeros(4), subgradient=subgradient)
        assert {m.flat_index for m in report.wrong} == set(np.flatnonzero(outside).tolist())
        if not outside.any():
            assert report.outcome is (Outcome.PASS if subgradient else Outcome.INCONCLUSIVE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("f", "at", "slope", "outcome"),
    [
        (lambda x: np.maximum(x, 0.0), 0.0, 0.0, Outcome.INCONCLUSIVE),
        (lambda x: np.maximum(x, 0.0), 0.0, 5.0, Outcome.FAIL),
        (lambda x: 2.0 + np.minimum(x, 1.0), 1.0, -1.0, Outcome.FAIL),
        (np.floor, 4.0, 0.0, Outcome.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("bounds", [None, [(-3, 7)]])
def test_an_f_that_is_constant_on_one_side_is_not_called_constant(f, at, slope, outcome, bounds):
    """Whichever side the seed looks to first."""
    for seed in range(6):
        report = check_gradient(
            lambda x: float(f(x[0])), lambda x: np.array([slope]), np.array([at]), rng=seed, bounds=bounds
        )
        assert report.outcome is outcome, str(report)
        assert "does not depend" not in report.reason


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [1, 100])
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, -3.0])
def test_a_steep_entry_that_is_0_does_not_say_what_is_small_in_the_others(dtype, offset, factor):
    """(100 x0)^6 moves f by 1e7 within reach, where its slope is 0: 420 of x2, given as 0, passed with a bar of 382."""

    def f(x: np.ndarray) -> Any:
        return (dtype(100) * x[0]) ** 6 + np.tanh(dtype(1000) * x[2]) + dtype(offset)

    x = np.array([0.0, 20.0, -1e-3], dtype)
    slope = 1000.0 * (1.0 - np.tanh(1000.0 * float(x[2])) ** 2)
    for method in ("auto", "sweep"):
        report = check_gradient(f, lambda x: np.array([0.0, 0.0, factor * slope]), x, method=method)
        assert report.outcome is (Outcome.PASS if factor == 1.0 else Outcome.FAIL), str(report)
        assert not report or report.arrays[0].error_bar < 0.01 * slope


@pytest.mark.slow
@pytest.mark.parametrize("large", [1e2, -1e4, 1e7, 1e8, -1e10, 1e15])
@pytest.mark.parametrize("small", [3e-6, 1.764203673770325e-05, 1e-4])
def test_an_entry_far_smaller_than_its_array_is_judged_within_its_own_size(small, large):
    """log(1 + (1000 x0)^2) beside 1e8, which f does not use: 35 was called wrong, as 0 +- 5e-4 at steps of 2e5."""
    slope = 2e6 * small / (1.0 + (1000.0 * small) ** 2)

    def judged(factor: float) -> Outcome:
        gradient = np.array([factor * slope, 0.0])
        x = np.array([small, large])
        return check_gradient(lambda x: float(np.log1p((1000.0 * x[0]) ** 2)), gradient, x).outcome

    assert judged(1.0) is Outcome.PASS
    assert judged(0.0) is Outcome.FAIL
    assert judged(1.01) is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_term_that_f_rounds_to_stairs_is_not_flat(seed):
    """log(1 + (x1 x3)^2) at 1e-3 moves by 2e-16 at a time: 9e-10 was called wrong, as 0 +- 2e-10 on one stair."""
    x = np.random.default_rng(seed).normal(size=4) * 1e-3

    def f(x: np.ndarray) -> float:
        return float(x[0] * np.sin(x[2]) + np.log(1 + (x[1] * x[3]) ** 2) + np.sin(x[2] ** 2))

    def grad(x: np.ndarray) -> np.ndarray:
        v = x[1] * x[3]
        d = 2 * v / (1 + v * v)
        last = x[0] * np.cos(x[2]) + 2 * x[2] * np.cos(x[2] ** 2)
        return np.array([np.sin(x[2]), d * x[3], last, d * x[1]])

    for method in ("auto", "sweep"):
        assert check_gradient(f, grad, x, method=method).outcome is not Outcome.FAIL
        off = np.array([0.0, 0.0, 0.0, 1e-2 * np.sin(x[2])])
        assert check_gradient(f, lambda x, off=off: grad(x) + off, x, method=method).outcome is Outcome.FAIL


def test_a_row_whose_output_is_hidden_by_1_in_float32_is_not_called_wrong():
    """log(1 + u^6) at u = -0.1 is nine roundings of 1: a Jacobian FAILed where a gradient did not."""
    single = np.float32

    def loss(x: np.ndarray) -> Any:
        return np.log(single(1) + ((x[0] * single(100)) ** 3) ** 2)

    x = np.array([-0.0010128123, 0.0023720653], single)
    u = 100 * float(x[0])
    row = [6 * 100 * u**5 / (1 + u**6), 0.0]
    both = check_jacobian(
        lambda x: np.array([loss(x), x[0] * x[1]]), lambda x: np.array([row, [x[1], x[0]]], single), x
    )
    alone = check_gradient(loss, lambda x: np.array(row, single), x)
    assert (both.outcome, alone.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_bar_holds_where_f_is_differentiable_only_once(seed):
    """A squared hinge, whose curvature jumps all around x, with noise of 1e-7: 261 of 600 draws were called wrong."""
    rng = np.random.default_rng(38)
    features = rng.normal(size=(60, 5))
    signs = np.sign(features[:, 0] + 0.5 * rng.normal(size=60))
    w = rng.normal(size=5) * 0.5

    def loss(w: np.ndarray) -> float:
        return float(0.5 * w @ w + 2 * np.sum(np.maximum(1 - signs * (features @ w + 0.2), 0) ** 2))

    size = loss(w)
    inside = np.maximum(1 - signs * (features @ w + 0.2), 0)
    slopes = w - 4 * features.T @ (signs * inside)
    for salt in range(10):

        def noisy(w: np.ndarray, salt: int = 10 * seed + salt) -> float:
            draws = np.random.default_rng([salt, *np.frombuffer(w.tobytes(), np.uint32).tolist()])
            return loss(w) + 1e-7 * size * draws.uniform(0.0, 1.0)

        assert check_gradient(noisy, lambda w: slopes, w, rng=1).outcome is not Outcome.FAIL
        off = np.arange(5) == 0
        assert (
            check_gradient(noisy, lambda w, off=off: slopes * (1 + 0.01 * off), w, rng=1).outcome
            is Outcome.FAIL
        )


@pytest.mark.parametrize(("draw", "entry"), [(244, 4), (1719, 3)])
def test_a_bar_that_bends_fit_by_chance_is_borne_out_at_another_step(draw, entry):
    """A squared hinge in noise of 1e-6: one slope in thousands lies 2.5 of its own bars off, and is not wrong."""
    rng = np.random.default_rng(38)
    features = rng.normal(size=(60, 5))
    signs = np.sign(features[:, 0] + 0.5 * rng.normal(size=60))
    w = np.append(np.random.default_rng(draw).normal(size=5) * 0.5, 0.2)

    def inside(w):
        return np.maximum(1 - signs * (features @ w[:5] + w[5]), 0)

    def loss(w):
        return 0.5 * np.sum(w[:5] ** 2) + 2 * np.sum(inside(w) ** 2)

    size, outer = loss(w), -4 * signs * inside(w)
    slopes = np.append(features.T @ outer + w[:5], outer.sum())

    def noisy(w):
        # A draw from -1 to 1 that x alone determines.
        told = hashlib.blake2b(w.tobytes(), digest_size=8, salt=str(draw).encode()).digest()
        return loss(w) + 1e-6 * size * (int.from_bytes(told, "little") / 2.0**63 - 1.0)

    assert check_gradient(noisy, lambda w: slopes, w, rng=1).outcome is not Outcome.FAIL
    wrong = check_gradient(
        noisy, lambda w: slopes + np.linalg.norm(slopes) * 0.01 * (np.arange(6) == entry), w, rng=1
    )
    assert [m.name for m in wrong.wrong] == [f"x[{entry}]"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_fails(value):
    """NaN compares as not larger than any tolerance; here it is refused, first in the list."""
    bad = grad(X)
    bad[3] = value
    report = check_gradient(f, bad, X)
    assert report.outcome is Outcome.FAIL
    assert report.wrong[0].name == "x[3]"


@pytest.mark.parametrize("at", [0, 17, 79])
def test_one_wrong_entry_among_many_is_named(at):
    """0.1 % of one entry in eighty of different sizes."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=80) * np.logspace(0, 2, 80)

    def one_off(x: np.ndarray) -> np.ndarray:
        out = np.cosh(x / 50)
        out[at] *= 1.001
        return out

    def smooth(x: np.ndarray) -> float:
        return float(np.sum(50 * np.sinh(x / 50)))

    report = check_gradient(smooth, one_off, x)
    assert report.outcome is Outcome.FAIL
    assert [m.index for m in report.wrong] == [(at,)]
    assert check_gradient(smooth, lambda x: np.cosh(x / 50), x).outcome is Outcome.PASS


def test_float32_parameters_pass_and_a_few_per_cent_fail():
    """The whole computation in float32; defaults follow the dtype."""
    x = X.astype(np.float32)

    def single(x: np.ndarray) -> np.float32:
        return np.sum(np.exp(np.float32(0.3) * x) + x * x, dtype=np.float32)

    def single_grad(x: np.ndarray, factor: float = 1.0) -> np.ndarray:
        return (np.float32(0.3) * np.exp(np.float32(0.3) * x) + 2 * x) * np.float32(factor)

    right = check_gradient(single, single_grad, x)
    assert right.outcome is Outcome.PASS, str(right)
    assert right.rtol == 1e-3
    assert check_gradient(single, lambda x: single_grad(x, 1.05), x).outcome is Outcome.FAIL


def test_an_f_that_computes_in_float32_is_recognised():
    """Float64 parameters, float32 inside: the report judges by what f really resolves."""

    def hidden(x: np.ndarray) -> float:
        return float(np.sum(np.exp(x.astype(np.float32))))

    right = check_gradient(hidden, np.exp, X)
    assert right.outcome is Outcome.PASS, str(right)
    assert check_gradient(hidden, lambda x: 1.1 * np.exp(x), X).outcome is Outcome.FAIL


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_a_large_constant_in_f_is_no_excuse_and_no_reproach(offset):
    """f + 1e6 has ten digits less; the report says what is left."""
    right = check_gradient(lambda x: f(x) + offset, grad, X)
    assert right.outcome is Outcome.PASS, str(right)
    assert right.detectable < 1e-3
    assert check_gradient(lambda x: f(x) + offset, lambda x: 1.01 * grad(x), X).outcome is Outcome.FAIL


@pytest.mark.parametrize("at", [1e8, 1e12, -1e15])
def test_the_step_is_never_below_an_ulp(at):
    """x + h == x for an absolute step of 1e-6; (x / at)^3 at x = at has the slope 3 / at."""
    assert at + 1e-6 * (at > 1e11) == at or at == 1e8
    report = check_gradient(lambda x: (x / at) ** 3, lambda x: 3 * (x / at) ** 2 / at, at)
    assert report.outcome is Outcome.PASS, str(report)
    assert (
        check_gradient(lambda x: (x / at) ** 3, lambda x: 3.01 * (x / at) ** 2 / at, at).outcome
        is Outcome.FAIL
    )


def test_parameters_of_seventeen_decades_pass_together():
    """From 1e-8 to 1e8, each with a step of its own; a wrong one is named at either end."""
    scale = np.logspace(-8, 8, 17)

    def scaled(x: np.ndarray) -> float:
        return float(np.sum(np.sin(x / scale)))

    def right(x: np.ndarray) -> np.ndarray:
        return np.cos(x / scale) / scale

    x = 0.7 * scale
    assert check_gradient(scaled, right, x).outcome is Outcome.PASS
    for at in (0, 8, 16):
        factor = np.where(np.arange(17) == at, 1.01, 1.0)
        wrong = check_gradient(scaled, lambda x, k=factor: k * right(x), x)
        assert [m.index for m in wrong.wrong] == [(at,)]


def test_a_noisy_f_passes_at_what_its_noise_allows():
    """1e-6 of noise: right passes and says what would have been seen, 20 % off fails."""
    rng = np.random.default_rng(5)
    noise = {}

    def noisy(x: np.ndarray) -> float:
        # The same at the same x, as an iterative solver is, and unrelated between points.
        key = x.tobytes()
        return f(x) * (1 + noise.setdefault(key, 1e-6 * rng.normal()))

    right = check_gradient(noisy, grad, X, resolution=0.1)
    assert right.outcome is Outcome.PASS, str(right)
    assert 1e-5 < right.detectable < 0.1
    assert check_gradient(noisy, lambda x: 1.2 * grad(x), X).outcome is Outcome.FAIL


def test_a_noise_above_the_resolution_is_inconclusive_and_says_what_to_do():
    """The same f held to 1e-6: not the gradient's fault, and the advice works."""
    rng = np.random.default_rng(5)
    noise: dict[bytes, float] = {}

    def noisy(x: np.ndarray) -> float:
        return f(x) * (1 + noise.setdefault(x.tobytes(), 1e-6 * rng.normal()))

    report = check_gradient(noisy, grad, X, resolution=1e-6)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "noise of f" in report.reason
    assert "what f shows agrees with the gradient" in report.reason


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_a_coordinate_without_influence_is_verified_beside_others(part):
    """f does not use x[1]: zero passes, anything else fails."""
    report = check_gradient(
        lambda x: x[0] ** 3, lambda x: np.array([3 * x[0] ** 2, part]), np.array([2.0, 3.0])
    )
    assert report.outcome is (Outcome.FAIL if part else Outcome.PASS)


@pytest.mark.parametrize("seed", range(5))
def test_a_float32_array_beside_a_float64_one_is_no_reproach(seed):
    """f rounds to seven digits in one of its arguments alone; a right gradient passes, 10 % off does not."""
    rng = np.random.default_rng(seed)
    x = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2).astype(np.float32)}

    def mixed(p: dict[str, np.ndarray]) -> float:
        return float(np.sum(p["W"] ** 2) + np.sum(p["b"] ** 2))

    right = check_gradient(mixed, lambda p: {"W": 2 * p["W"], "b": 2 * p["b"]}, x)
    assert right.outcome is Outcome.PASS, str(right)
    wrong = check_gradient(mixed, lambda p: {"W": 2 * p["W"], "b": np.float32(2.2) * p["b"]}, x)
    assert wrong.outcome is Outcome.FAIL


def test_an_f_that_takes_no_complex_numbers_is_not_disturbed_by_the_complex_step():
    """float(z) of NumPy warns, math.exp raises, and a user's own check raises whatever it likes: all in silence."""

    def picky(x: np.ndarray) -> float:
        if np.iscomplexobj(x):
            raise CustomError("no complex numbers here")
        return f(x)

    x = np.linspace(-1.0, 2.0, 40)
    for function in (f, picky, lambda x: math.fsum(math.exp(0.3 * v) + v**2 for v in x)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = check_gradient(function, grad, x, method="directions")
        assert report.outcome is Outcome.PASS, str(report)
        assert caught == []


# Exceptions.


class CustomError(Exception):
    """Raised by the user's code."""


def test_an_exception_of_f_at_x_propagates_with_a_note():
    """The same object, so that a debugger shows the user's frame; the note says where it was called."""
    error = CustomError("broken")

    def broken(x: np.ndarray) -> float:
        raise error

    with pytest.raises(CustomError) as caught:
        check_gradient(broken, grad, X)
    assert caught.value is error
    assert caught.value.__notes__ == ["gradcheck: raised by f at x"]


def test_an_exception_of_grad_at_x_propagates_with_a_note():
    """As for f."""
    error = CustomError("broken")

    def broken(x: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(CustomError) as caught:
        check_gradient(f, broken, X)
    assert caught.value is error
    assert caught.value.__notes__ == ["gradcheck: raised by grad at x"]


@pytest.mark.parametrize(
    "kind", [ValueError, CustomError, ZeroDivisionError, FloatingPointError, AssertionError]
)
def test_an_exception_elsewhere_counts_as_leaving_the_domain(kind):
    """math.log raises below 0; x beside the edge is judged from the points where f is defined."""

    def logarithm(x: np.ndarray) -> float:
        if x[0] <= 0:
            raise kind("not defined")
        return math.log(x[0]) + x[1] ** 2

    # The scale of x[0] is raised to that of the array, so that the first points lie left of 0.
    x = np.array([1e-4, 1.0])
    right = check_gradient(logarithm, lambda x: np.array([1 / x[0], 2 * x[1]]), x)
    assert right.outcome is Outcome.PASS, str(right)
    wrong = check_gradient(logarithm, lambda x: np.array([1.01 / x[0], 2 * x[1]]), x)
    assert wrong.outcome is Outcome.FAIL


def test_nan_on_one_side_is_the_edge_of_the_domain():
    """x^1.5 at 0 is differentiable from the right; f warns of nothing that the check could not handle."""

    def power(x: np.ndarray) -> float:
        return float(x[0] ** 1.5 + x[0]) if x[0] >= 0 else math.nan

    # Second derivative infinite at 0: the bar is wide, and right must not fail.
    report = check_gradient(power, lambda x: 1.5 * np.sqrt(x) + 1, np.zeros(1))
    assert report.outcome is not Outcome.FAIL
    smooth = check_gradient(
        lambda x: float(x[0] ** 2 + x[0]) if x[0] >= 0 else math.nan, lambda x: 2 * x + 1, np.zeros(1)
    )
    assert smooth.outcome is Outcome.PASS
    wrong = check_gradient(
        lambda x: float(x[0] ** 2 + x[0]) if x[0] >= 0 else math.nan, lambda x: 2 * x + 1.01, np.zeros(1)
    )
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_an_exit_is_never_swallowed(error):
    """Only Exception means leaving the domain."""

    def leaving(x: np.ndarray) -> float:
        if (x != X).any():
            raise error
        return f(x)

    with pytest.raises(error):
        check_gradient(leaving, grad, X)


def test_a_function_that_takes_no_gradient_does_not_speak_of_one():
    """`gradient` and `derivative` have no order `f, its derivative, x`; `check_gradient` has."""
    for call in (lambda: gradient(lambda x: x, X), lambda: derivative(lambda t: np.ones(2), 1.0)):
        with pytest.raises(
            TypeError, match="must return one real number; it returned ndarray of shape"
        ) as caught:
            call()
        assert "the order is" not in str(caught.value)
    assert check_gradient(lambda x: x, grad, X).reason.endswith("the order is f, its derivative, x")


def test_an_f_without_its_gradient_is_said_to_be_that_with_a_hessian_too():
    """grad=True asks for pairs; there is no gradient whose differences a Hessian could be held against."""
    report = check_gradient(f, True, X, hessian=lambda x: np.eye(5))

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("with grad=True f must return (value, gradient); it returned ")
    pair = check_gradient(lambda x: (np.sum(x**2), 2 * x), True, X, hessian=lambda x: 2 * np.eye(5))
    assert pair.call.startswith("gradcheck.check_gradient(f, True, x, ")
    assert pair.outcome is Outcome.PASS


# Interruptions.


def interrupted_at(call: int, n: int) -> Callable[[np.ndarray], float]:
    """f that raises KeyboardInterrupt at one of its calls."""
    calls = []

    def interrupting(x: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return float(np.sum(x**2))

    return interrupting


def test_an_interruption_gives_the_partial_report():
    """Ctrl-C in the middle of a sweep of 300 coordinates: what was judged by then is there, and it is no pass."""
    x = np.arange(1.0, 301.0)
    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(interrupted_at(1500, 300), lambda x: 2 * x, x, method="sweep")
    report = caught.value.report
    assert isinstance(caught.value, KeyboardInterrupt)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.interrupted
    assert 0 < report.arrays[0].checked < 300
    assert report.nfev == 1500
    assert str(report) == str(caught.value)


def test_what_was_wrong_before_the_interruption_is_reported():
    """Evidence against a gradient is not lost by stopping early."""
    x = np.arange(1.0, 301.0)
    wrong = 2 * x
    wrong[3] = 7.0
    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(interrupted_at(1500, 300), wrong, x, method="sweep")
    assert caught.value.report.outcome is Outcome.FAIL
    assert [m.index for m in caught.value.report.wrong] == [(3,)]


@pytest.mark.parametrize("method", ["sweep", "complex"])
def test_an_interruption_leaves_what_was_measured_of_a_few_entries(method):
    """Of 60, which are measured together: those whose points were made are judged, as where a budget ends there."""
    x = np.linspace(0.1, 1.0, 60)
    calls = []

    def interrupting(x: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == 200:
            raise KeyboardInterrupt
        return np.sum(np.sin(x), dtype=float)

    def reported(factor: float) -> Report:
        calls.clear()
        given = np.cos(x) * np.where(np.arange(60) == 3, factor, 1.0)
        with pytest.raises(GradientCheckInterrupted) as caught:
            check_gradient(interrupting, given, x, method=method)
        return caught.value.report

    right, wrong = reported(1.0), reported(1.5)

    for report in (right, wrong):
        assert report.interrupted
        assert "s, then interrupted; again: " in str(report)
        assert 25 <= report.arrays[0].checked <= 33
    assert right.outcome is Outcome.INCONCLUSIVE
    assert "the check was interrupted" in str(right)
    assert wrong.outcome is Outcome.FAIL
    assert [m.index for m in wrong.wrong] == [(3,)]


def test_a_report_that_was_not_interrupted_does_not_say_so():
    """Not where a budget ended it, either."""
    for options in ({}, {"max_nfev": 40}):
        assert "interrupted" not in str(check_gradient(f, grad, X, method="sweep", **options))


def test_a_keyboard_interrupt_of_grad_at_x_leaves_a_report_too():
    """Nothing was judged by then, and that is what it says; the interruption goes on as KeyboardInterrupt."""

    def interrupted(x: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        check_gradient(f, interrupted, X)
    assert isinstance(caught.value, GradientCheckInterrupted)
    report = caught.value.report
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.interrupted
    assert report.reason == "interrupted before any entry was judged: start it again"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "sweep", "directions", "complex"])
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_an_interruption_at_any_call_of_f_leaves_a_report(method, factor):
    """In the preflight, the probing of the noise, the evidence, its confirmation: no call is without one."""
    x = np.linspace(0.5, 2.0, 8)
    given = 2 * x
    given[3] *= factor
    total = check_gradient(lambda x: np.sum(x**2), given, x, method=method).nfev
    for call in range(1, total + 1):
        calls = []

        def interrupting(x, calls=calls, call=call):
            calls.append(1)
            if len(calls) == call:
                raise KeyboardInterrupt
            return np.sum(x**2)

        with pytest.raises(GradientCheckInterrupted) as caught:
            check_gradient(interrupting, given, x, method=method)
        report = caught.value.report
        assert report.nfev == call
        assert report.interrupted
        assert report.outcome is not Outcome.PASS
        assert {m.flat_index for m in report.wrong} <= ({3} if factor != 1.0 else set())


# Budget and cost.


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sweep", "directions"])
@pytest.mark.parametrize("budget", [24, 25, 40, 61, 100, 333])
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_the_budget_is_never_exceeded(budget, factor, method):
    """Every call of f counts, those of the noise probe and of second measurements too."""
    counting, calls = counted(f)
    x = np.linspace(-1.0, 2.0, 40)
    report = check_gradient(counting, lambda x: factor * grad(x), x, max_nfev=budget, method=method)
    assert len(calls) <= budget
    assert report.nfev == len(calls)


def test_a_budget_that_does_not_suffice_is_no_pass():
    """What was not reached is not vouched for; a wrong entry that was reached fails."""
    x = np.linspace(-1.0, 2.0, 40)
    report = check_gradient(f, grad, x, max_nfev=60, method="sweep")
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "raise max_nfev" in report.reason
    assert report.arrays[0].checked < 40
    assert check_gradient(f, lambda x: 1.5 * grad(x), x, max_nfev=60, method="sweep").outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [1, 10, 40])
def test_six_evaluations_a_coordinate_and_sixteen_a_check(n):
    """The cost on clean functions, as promised in the documentation: a guard against regressions."""
    x = np.linspace(0.5, 2.0, n)
    functions: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (lambda x: np.sum(x**2), lambda x: 2 * x),
        (lambda x: np.sum(np.exp(x)), np.exp),
        (lambda x: np.sum(np.log(x)), lambda x: 1 / x),
        (lambda x: np.sum(np.sin(x)), np.cos),
        (lambda x: np.prod(x), lambda x: np.prod(x) / x),
        (lambda x: np.sum(1 / (1 + x**2)), lambda x: -2 * x / (1 + x**2) ** 2),
        (lambda x: np.sum(x) + 1, np.ones_like),
    ]
    for function, right in functions:
        counting, calls = counted(function)
        report = check_gradient(counting, right, x, method="sweep")
        assert report.outcome is Outcome.PASS, str(report)
        assert len(calls) <= 6 * n + 16
        assert report.nfev == len(calls)


def test_a_coordinate_without_influence_costs_no_more_than_another():
    """f = 3 x[0] + 1: nine derivatives of ten are exactly 0, as in many sparse problems."""
    report = check_gradient(
        lambda x: 3 * x[0] + 1, np.where(np.arange(10) == 0, 3.0, 0.0), np.linspace(0.5, 2, 10)
    )
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 6 * 10 + 16


def test_grad_is_called_twice_and_counted():
    """Once for the gradient, once to see whether it repeats."""
    counting, calls = counted(grad)
    report = check_gradient(f, counting, X)
    assert len(calls) == report.ngev == 2
    assert check_gradient(f, grad(X), X).ngev == 0


# Nothing of the caller's is changed.


def outcomes_of(check: Callable[[], Any]) -> Any:
    """Run a check that may raise."""
    try:
        return check()
    except (CustomError, KeyboardInterrupt, ValueError):
        return None


@pytest.mark.parametrize(
    "trouble", ["none", "f raises", "grad raises", "interrupted", "f writes", "grad writes"]
)
def test_nothing_of_the_callers_is_changed(trouble):
    """x, its read-only flag, a given gradient and the arguments are what they were, also after exceptions."""
    rng = np.random.default_rng(0)
    x = {"W": rng.normal(size=(3, 4))[:, ::2], "b": rng.normal(size=2).astype(np.float32), "s": 2.0}
    extra = rng.normal(size=3)
    before = pickle.dumps((x, extra))
    calls = []

    def loss(p: dict[str, Any], a: np.ndarray) -> float:
        calls.append(1)
        if trouble == "f raises" and len(calls) > 1:
            raise CustomError
        if trouble == "interrupted" and len(calls) > 30:
            raise KeyboardInterrupt
        value = float(np.sum(p["W"] ** 2) + np.sum(p["b"].astype(float) ** 2) + p["s"] ** 2 + a @ a)
        if trouble == "f writes":
            p["W"] += 1.0
            p["b"][:] = 0.0
        return value

    def loss_grad(p: dict[str, Any], a: np.ndarray) -> dict[str, Any]:
        if trouble == "grad raises":
            raise CustomError
        if trouble == "grad writes":
            p["W"] *= 2.0
            p["b"] *= 2.0
            return {"W": p["W"], "b": p["b"], "s": 2 * p["s"]}
        return {"W": 2 * p["W"], "b": 2 * p["b"], "s": 2 * p["s"]}

    report = outcomes_of(lambda: check_gradient(loss, loss_grad, x, args=(extra,)))
    assert pickle.dumps((x, extra)) == before
    if trouble == "none":
        assert report.outcome is Outcome.PASS, str(report)


def test_a_given_gradient_and_bounds_are_not_changed():
    """Arrays that are only read."""
    given, lower, upper = grad(X), X - 1, X + 1
    before = pickle.dumps((given, lower, upper))
    check_gradient(f, given, X, bounds=(lower, upper))
    assert pickle.dumps((given, lower, upper)) == before


def test_the_global_random_state_is_left_alone():
    """Directions come from a Generator of their own; one that is passed is used."""
    np.random.seed(3)  # noqa: NPY002 -- the global state is what must not change
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 -- no other call reads the global state
    check_gradient(f, grad, X)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 -- and it is read again


def test_the_same_seed_gives_the_same_report():
    """All but the seconds; a report can be repeated from what it says."""
    one, two = (check_gradient(f, lambda x: 1.01 * grad(x), X, rng=7).to_dict() for _ in range(2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert one["seed"] == 7
    assert "rng=7" in one["call"]


def test_no_warning_escapes_at_extreme_scales():
    """Derivatives of 1e300 and beyond: overflow in the check's own arithmetic is not the user's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_gradient(lambda x: math.log(x[0]), lambda x: 1 / x, np.array([1e-300]))
    assert report.outcome is not Outcome.FAIL


# Arguments.


def test_args_reach_f_and_grad():
    """As in scipy.optimize."""
    report = check_gradient(lambda x, a, b: a * f(x) + b, lambda x, a, b: a * grad(x), X, args=(3.0, 1.0))
    assert report.outcome is Outcome.PASS
    assert check_gradient(lambda x, a: a * f(x), lambda x, a: grad(x), X, args=(3.0,)).outcome is Outcome.FAIL


def test_a_gradient_already_computed_is_judged():
    """An array, a list, or a tree."""
    assert check_gradient(f, grad(X), X).outcome is Outcome.PASS
    assert check_gradient(f, grad(X).tolist(), X).outcome is Outcome.PASS
    assert check_gradient(f, 2 * grad(X), X).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"rtol": -1.0}, ValueError, "rtol must be a finite number >= 0, not -1.0"),
        ({"rtol": math.nan}, ValueError, "rtol must be a finite number >= 0, not nan"),
        ({"rtol": "a"}, TypeError, "rtol must be a number, not 'a'"),
        ({"atol": -1.0}, ValueError, "atol must be a finite number >= 0, not -1.0"),
        ({"atol": None}, TypeError, "atol must be a number, not None"),
        ({"resolution": 1.0}, ValueError, "resolution must lie between 0 and 1, not 1.0"),
        ({"resolution": 0.0}, ValueError, "resolution must lie between 0 and 1, not 0"),
        ({"resolution": "x"}, TypeError, "resolution must be a number, not 'x'"),
        ({"method": "swep"}, ValueError, "method must be one of .*'sweep'.*not 'swep'"),
        ({"max_nfev": 3}, ValueError, "max_nfev must be at least 24, not 3"),
        ({"max_nfev": 30.5}, TypeError, "max_nfev must be an integer or None, not 30.5"),
        ({"max_nfev": "a"}, TypeError, "max_nfev must be an integer or None, not 'a'"),
        ({"subgradient": "no"}, TypeError, "subgradient must be True or False, not 'no'"),
        ({"confidence": 1.0}, ValueError, "confidence must lie between 0 and 1, not 1.0"),
        ({"confidence": "high"}, TypeError, "confidence must be a number, not 'high'"),
        ({"args": 3}, TypeError, "args must be a tuple of further arguments for the functions, not 3"),
        ({"rng": "a"}, TypeError, "rng must be a seed, a Generator or None, not 'a'"),
        ({"rng": -1}, ValueError, "rng must be a seed, a Generator or None, not -1"),
        ({"bounds": 3}, ValueError, "bounds must be .* got 3"),
        ({"bogus": 1}, TypeError, "bogus"),
    ],
    ids=lambda v: repr(v) if isinstance(v, dict) else "",
)
def test_bad_arguments_are_named_with_value_and_what_is_allowed(options, kind, words):
    """Refused before f is called once."""
    counting, calls = counted(f)
    with pytest.raises(kind, match=words):
        check_gradient(counting, grad, X, **options)
    assert calls == []


@pytest.mark.parametrize("grad", [None, False])
def test_a_missing_gradient_is_refused(grad):
    """It is not the same as a gradient that returns None, which fails."""
    with pytest.raises(TypeError, match="grad must be a callable, a gradient, or True"):
        check_gradient(f, grad, X)


def test_an_f_that_cannot_be_called_is_refused():
    """The arguments in the wrong order, say."""
    with pytest.raises(TypeError, match="f must be callable, not ndarray"):
        check_gradient(X, f, grad)


def test_rtol_accepts_what_it_says():
    """A gradient off by 1 % passes at rtol 0.02 and fails at 0.005."""
    off = 1.01 * grad(X)
    assert check_gradient(f, off, X, rtol=0.02).outcome is Outcome.PASS
    assert check_gradient(f, off, X, rtol=0.005).outcome is Outcome.FAIL


def test_atol_accepts_what_it_says():
    """Off by 1e-3 everywhere: passes at atol 2e-3, fails at 5e-4."""
    off = grad(X) + 1e-3
    assert check_gradient(f, off, X, atol=2e-3).outcome is Outcome.PASS
    assert check_gradient(f, off, X, atol=5e-4).outcome is Outcome.FAIL


# assert_gradient.


def test_assert_gradient_returns_the_report_of_a_pass():
    """So that it can be printed or kept."""
    report = assert_gradient(f, grad, X)
    assert isinstance(report, Report)
    assert report
    assert report.outcome is Outcome.PASS


def test_assert_gradient_raises_on_a_failure():
    """An AssertionError, with the report as its text."""
    with pytest.raises(GradientError, match=r"^FAIL  ") as caught:
        assert_gradient(f, lambda x: 2 * grad(x), X)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.report.outcome is Outcome.FAIL
    assert not caught.value.report


def test_assert_gradient_raises_when_nothing_is_decided():
    """INCONCLUSIVE is never a pass, and the message says whose fault it is not."""
    with pytest.raises(GradientError, match="the gradient lies between these slopes") as caught:
        assert_gradient(abs, lambda x: 0.0, 0.0)
    assert caught.value.report.outcome is Outcome.INCONCLUSIVE
    assert not caught.value.report


def test_assert_gradient_takes_the_same_arguments():
    """Passed on, all of them."""
    assert assert_gradient(abs, lambda x: 0.0, 0.0, subgradient=True)


# derivative and gradient.


@pytest.mark.parametrize(
    ("t", "what"),
    [
        (np.ones(2), r"an array of shape \(2,\)"),
        ([1.0, 2.0], "a list"),
        ([[1.0, 2.0], [3.0]], "a list"),
        ({}, "a dict"),
    ],
)
def test_derivative_refuses_what_is_more_than_a_number(t, what):
    """The error says what takes arrays."""
    with pytest.raises(ValueError, match=f"t must be one number, not {what}; gradient takes arrays"):
        derivative(f, t)


def nested(depth):
    """A list in a list in a list."""
    x = [1.0]
    for _ in range(depth):
        x = [x]
    return x


CYCLIC = [1.0]
CYCLIC.append(CYCLIC)


@pytest.mark.parametrize("x", [CYCLIC, nested(10**5)], ids=["part of itself", "deep"])
def test_an_x_without_end_is_one_message(x):
    """No RecursionError of ours."""
    with pytest.raises(ValueError, match="x is nested too deeply, or is a part of itself"):
        check_gradient(f, np.cos, x)
    with pytest.raises(ValueError, match="x is nested too deeply, or is a part of itself"):
        gradient(f, x)


@pytest.mark.parametrize("grad", [np, memoryview(b"abc")], ids=["module", "memoryview"])
def test_a_derivative_that_cannot_be_copied_is_one_message(grad):
    """It is neither a function nor numbers."""
    with pytest.raises(TypeError, match="the derivative must be a callable or numbers, not a m"):
        check_gradient(f, grad, X)


@pytest.mark.parametrize("made", [lambda x: (v for v in x), lambda x: np], ids=["generator", "module"])
def test_a_gradient_returned_beside_f_that_cannot_be_copied_is_refused(made):
    """As one that grad returns is."""
    report = check_gradient(lambda x: (f(x), made(x)), True, X)

    assert report.outcome is Outcome.FAIL
    assert "numbers" in report.reason or "array" in report.reason


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradient_refuses_an_f_that_is_not_finite_at_x(value):
    """No estimate is better than 0 +- 0."""
    with pytest.raises(ValueError, match=f"f\\(x\\) is {value}: there is no derivative to estimate"):
        gradient(lambda x: value, X)


def test_gradient_has_the_structure_of_x():
    """value and error are trees like x; args are passed on."""
    x = {"W": np.ones((2, 3)), "b": 0.5}
    found = gradient(lambda p, k: k * float(np.sum(p["W"] ** 2) + p["b"] ** 3), x, args=(2.0,))
    np.testing.assert_allclose(found.value["W"], 4.0, atol=3 * found.error["W"].max())
    assert abs(found.value["b"] - 1.5) <= 3 * found.error["b"]
    assert found.error["W"].shape == (2, 3)


def test_derivative_gives_floats():
    """Not arrays of shape ()."""
    found = derivative(math.exp, 1.0)
    assert all(isinstance(getattr(found, name), float) for name in ("value", "error", "step"))
    assert found.nfev <= 6 + 16


# Entries far smaller than the others of their array.


SINGULAR = {
    "sqrt": (lambda x: float(np.sum(np.sqrt(x.real))), lambda x: 0.5 / np.sqrt(x)),
    "log": (lambda x: float(np.sum(np.log(x.real))), lambda x: 1.0 / x),
    "x log x": (lambda x: float(np.sum(x.real * np.log(x.real))), lambda x: 1.0 + np.log(x)),
    "cbrt": (lambda x: float(np.sum(np.cbrt(x.real))), lambda x: np.cbrt(x) / x / 3.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("tiny", [1e-300, 1e-30, 1e-20, 1e-12])
@pytest.mark.parametrize("name", list(SINGULAR))
def test_a_right_gradient_beside_a_singularity_is_never_called_wrong(name, tiny):
    """At [1e-30, 1] sqrt has a slope of 5e14 there, and every step in proportion to the other entry misses it."""
    f, grad = SINGULAR[name]
    for others in ([1.0], np.linspace(1.0, 2.0, 90)):
        assert check_gradient(f, grad, np.array([tiny, *others])).outcome is not Outcome.FAIL


def test_beside_a_singularity_a_step_of_the_entry_s_own_size_decides():
    """log changes by as much near 1e-30 as near 1: the slope 1e30 is verified, and a per cent more is refused."""
    f, grad = SINGULAR["log"]
    x = np.array([1e-30, 1.0])
    assert check_gradient(f, grad, x).outcome is Outcome.PASS
    report = check_gradient(f, lambda x: grad(x) * np.array([1.01, 1.0]), x)
    assert [m.flat_index for m in report.wrong] == [0]


@pytest.mark.slow
def test_a_small_fast_oscillation_on_a_trend_is_no_reason_to_accuse():
    """x - cos(3 x) / 50 at |x| up to 1e8: six points far apart may all lie on the trend, and look precise."""

    def f(x):
        return float(x[0] - np.cos(3.0 * x[0]) / 50.0)

    def grad(x):
        return np.array([1.0 + 0.06 * np.sin(3.0 * x[0])])

    caught = 0
    for x in 10.0 ** np.random.default_rng(0).uniform(2.0, 8.0, (60, 1)):
        assert check_gradient(f, grad, x).outcome is not Outcome.FAIL
        assert check_gradient(f, lambda x: 1.05 * grad(x), x).outcome is not Outcome.PASS
        caught += check_gradient(f, lambda x: 1.05 * grad(x), x).outcome is Outcome.FAIL
    # Where nothing tells the two apart the outcome is open; that is the exception.
    assert caught >= 54


@pytest.mark.slow
@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize("width", [1e-12, 1e-14])
def test_what_f_does_far_nearer_to_0_than_any_first_step_is_no_mistake(power: int, width: float):
    """x / (1 + (x / width)^power) on a trend of 1e-3 x: a step that knows the trend precisely does not know f at 0."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, weights = rng.normal(size=12) * (rng.random(12) < 0.5), rng.normal(size=12)
        x[:2] = 0.0, 1.0

        def f(x, weights=weights):
            return float(weights @ (x / (1 + (x / width) ** power) + 1e-3 * x))

        def grad(x, weights=weights):
            u = (x / width) ** power
            return weights * ((1 - (power - 1) * u) / (1 + u) ** 2 + 1e-3)

        assert check_gradient(f, grad, x).outcome is not Outcome.FAIL
        # What no step bears out, near or far, is a mistake.
        wrong = grad(x)
        wrong[0] *= 2.0
        assert [m.flat_index for m in check_gradient(f, wrong, x).wrong] == [0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_slope_that_only_the_nearest_steps_show_is_no_mistake(seed: int):
    """Found by random functions: a x / (1 + (1e8 c x)^4) at 0 changes no digit of f from steps of 1e-7 on."""
    rng = np.random.default_rng(seed)
    x = np.array([0.0] * 12 + [1e-8, 1e-5] + [1.0] * 9 + [10.0])
    a, c = (rng.integers(1, 10, 24) * rng.choice([-1.0, 1.0], 24) for _ in range(2))

    def f(x):
        return float(np.sum(a * x / (1 + (5e7 * c * x) ** 4)))

    def grad(x):
        u = (5e7 * c * x) ** 4
        return a * (1 - 3 * u) / (1 + u) ** 2

    assert check_gradient(f, grad, x).outcome is not Outcome.FAIL
    assert check_gradient(f, lambda x: 2.0 * grad(x), x).outcome is not Outcome.PASS
    # Where f never changes, near or far, the claim that it does is a mistake.
    wrong = grad(x)
    wrong[-1] = 0.5
    assert [m.flat_index for m in check_gradient(f, wrong, x).wrong] == [23]


@pytest.mark.slow
def test_a_step_that_drowns_in_a_sum_accuses_nothing():
    """cos(sum x) with entries from 1e-7 to 1e5: a step of a small entry may leave the rounded sum as it is."""
    rng = np.random.default_rng(5)

    def f(x):
        return float(np.cos(x.real.sum()))

    for _ in range(40):
        x = rng.normal(size=5) * 10.0 ** rng.uniform(-7.0, 6.0, 5)
        report = check_gradient(f, lambda x: np.full(5, -np.sin(x.sum())), x, method="sweep")
        assert report.outcome is not Outcome.FAIL
        wrong = check_gradient(f, lambda x: np.full(5, -2.0 * np.sin(x.sum())), x, method="sweep")
        assert wrong.outcome is not Outcome.PASS


@pytest.mark.slow
def test_an_oscillation_under_an_offset_is_hardly_ever_taken_for_noise():
    """Sums of sin(a x) + 1e6 at |x| of 1e4, in float32 or two decimals: the weak spot that docs/log/limits.md names."""
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(40):
        n = int(rng.integers(1, 6))
        a, x = 10.0 ** rng.uniform(0.0, 4.0, n), 1e4 * rng.normal(size=n)

        def f(x, a=a):
            return float(np.sum(np.sin(a * x.real))) + 1e6

        for coarse in (lambda x, f=f: float(np.float32(f(x))), lambda x, f=f: round(f(x), 2)):
            refused += check_gradient(coarse, lambda x, a=a: a * np.cos(a * x), x).outcome is Outcome.FAIL
    # docs/log/limits.md says so: a few, with float32 alone.
    assert refused <= 4


def test_a_slope_claimed_where_f_shows_none_is_not_measured_by_what_others_move():
    """f of eight digits uses one array alone: of the other a slope of 0 passes, and none that would show."""
    x = {"W": np.array([-402.56882617]), "b": np.array([-0.41348831, 0.0, -0.2946873])}

    def f(p):
        return float(f"{4.5 * p['W'][0]:.7e}")

    def claimed(slope):
        return check_gradient(f, lambda _: {"W": np.array([4.5]), "b": np.array([slope, 0.0, 0.0])}, x)

    assert claimed(0.0).outcome is Outcome.PASS
    # What rounding leaves of terms that cancel.
    assert claimed(1e-17).outcome is Outcome.PASS
    # Over the size of b f would move by 9e-4, nine units of its last digit; a step of a tenth of that hides it.
    assert claimed(2.25e-3).outcome is Outcome.INCONCLUSIVE
    assert claimed(1.0).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("at", ["zero", "above zero", "half of them free"])
def test_entries_beside_bounds_go_inwards_together(n: int, at: str):
    """A start of non-negative least squares, at 0: six evaluations an entry it took, 1,810 for 300."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n)
    x = np.zeros(n) if at == "zero" else rng.random(n)
    low = np.where(np.arange(n) % 2 == 0, x - 3.0, x) if at == "half of them free" else x.copy()

    def f(x):
        assert (x.real >= low).all()
        return 0.5 * np.sum((a @ x - b) ** 2)

    right = a.T @ (a @ x - b)
    report = check_gradient(f, right, x, bounds=(low, np.inf), method="auto")
    assert report.outcome is Outcome.PASS
    assert report.certificate is not None
    assert report.certificate.name == "x"
    assert report.nfev <= (100 if n == 30 else 60)
    wrong = right.copy()
    wrong[5] *= 1.5
    report = check_gradient(f, wrong, x, bounds=(low, np.inf))
    assert [m.name for m in report.wrong] == ["x[5]"]
    assert report.nfev <= 250


@pytest.mark.parametrize(
    "seed", [1939, 2214, 2251, 2389, 3233, 3321, 3443, 3614, 4088, 4503, 4668, 5361, 5914]
)
def test_noise_beside_kinks_convicts_no_right_gradient_of_a_few_entries(seed: int):
    """Of 6,000 sums of functions of a few lines, with noise of 1e-12 or 1e-9, these FAILed by single entries."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 5)), int(rng.integers(1, 8))
    a = rng.normal(size=(m, n)) * 10 ** rng.uniform(-2, 2)
    x = rng.normal(size=n) * 10 ** rng.uniform(-3, 3, size=(n if rng.random() < 0.3 else 1))
    w = rng.normal(size=m)
    of, slope = (
        (np.sin, np.cos), (np.abs, np.sign), (lambda z: np.maximum(z, 0.0), lambda z: 1.0 * (z > 0.0)),
        (np.exp, np.exp), (lambda z: z**3, lambda z: 3.0 * z**2),
        (lambda z: np.tanh(5.0 * z), lambda z: 5.0 * (1.0 - np.tanh(5.0 * z) ** 2)),
        (lambda z: np.sqrt(np.abs(z) + 1e-3), lambda z: np.sign(z) * 0.5 / np.sqrt(np.abs(z) + 1e-3)),
    )[rng.integers(7)]  # fmt: skip
    rng.choice([0, 0, 1e3, 1e6])
    noise, size = rng.choice([0, 0, 1e-12, 1e-9]), np.abs(a @ x).max()

    def f(x: np.ndarray) -> float:
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        value = float(w @ of(a @ x / size))
        return value * (1.0 + noise * np.sin(1e9 * x.sum() + value * 1e12))

    gradient = a.T @ (w * slope(a @ x / size)) / size
    assert check_gradient(f, gradient, x, rng=seed).outcome is not Outcome.FAIL


@pytest.mark.parametrize("offset", [3e8, 1e9, 1e10, 1e12])
@pytest.mark.parametrize(
    ("shape", "slope"),
    [
        (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
        (np.sin, np.cos),
        (lambda u: np.exp(-u * u), lambda u: -2 * u * np.exp(-u * u)),
        (lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    ],
    ids=["tanh", "sine", "Gaussian", "1 / (1 + u^2)"],
)
def test_a_claim_of_0_beside_an_offset_does_not_pass_for_the_other_entry(offset, shape, slope):
    """The slope of f(x0 - 1e9) at 0.3 is 0.5 to 1; its mean over 1e6 is 0, and x1 is not moved by that."""
    x = np.array([offset + 0.3, 0.5])

    def f(x):
        return shape(x[0] - offset) + x[1] ** 2

    def grad(x):
        return np.array([slope(x[0] - offset), 2 * x[1]])

    assert check_gradient(f, grad, x).outcome is not Outcome.FAIL
    for factor in (0.0, -1.0, 3.0):
        wrong = np.array([factor * slope(x[0] - offset), 1.0])
        assert check_gradient(f, wrong, x).outcome is not Outcome.PASS
    straight = check_gradient(lambda x: 1e-3 * (x[0] - offset) + x[1] ** 2, np.array([1e-3, 1.0]), x)
    assert straight.outcome is Outcome.PASS


@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0, 5.0])
@pytest.mark.parametrize("named", [False, True])
def test_a_parameter_in_other_units_than_its_array_is_seen(factor, named):
    """The law of Arrhenius: 1e13 per second beside 1e5 J/mol. Forgotten, of opposite sign or five times as large as it
    is the derivative by the first is wrong, though that by the second is 1e9 times as large.
    """
    inverse = 1.0 / (8.314 * np.linspace(300.0, 900.0, 20))

    def slopes(p):
        off = 2.0 * (np.log(p[0]) - p[1] * inverse)
        return np.array([factor * np.sum(off) / p[0], -np.sum(off * inverse)])

    def law(p):
        return float(np.sum((np.log(p[0]) - p[1] * inverse) ** 2))

    if named:
        report = check_gradient(
            lambda p: law([p["A"], p["E"]]),
            lambda p: dict(zip("AE", slopes([p["A"], p["E"]]), strict=True)),
            {"A": 1e13, "E": 1e5},
        )
    else:
        report = check_gradient(law, slopes, np.array([1e13, 1e5]))

    assert report.outcome is (Outcome.PASS if factor == 1.0 else Outcome.FAIL)
    if factor != 1.0:
        assert [m.name for m in report.wrong] == ['params["A"]' if named else "x[0]"]


@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "PASS"), (0.0, "FAIL"), (-1.0, "FAIL"), (2.0, "FAIL")])
def test_the_smaller_one_of_two_entries_is_judged_where_directions_do_not_know_it(factor, outcome):
    """cos(0.7) beside 3e7 times as much, of which a direction knows eight digits."""
    report = check_gradient(
        lambda x: float(np.sin(x[0]) + 3e7 * np.sin(x[1])),
        lambda x: np.array([factor * np.cos(x[0]), 3e7 * np.cos(x[1])]),
        np.array([0.7, 0.7]),
    )
    assert report.outcome.value == outcome


@pytest.mark.parametrize("slope", [0.0, 1e-10, 1e-11, 1e-12])
def test_an_array_that_is_claimed_to_be_0_and_moves_f_by_little_is_wrong(slope):
    """Beside slopes of 0.6 that of W is 5e-11 and less, of which f shows some digits; what is 0 passes."""
    a, b = np.array([0.5, -0.4]), np.array([0.6, 0.1])
    report = check_gradient(
        lambda p: float(slope * np.sum(a * np.sin(p["W"])) + np.sum(b * np.sin(p["V"]))),
        lambda p: {"W": np.zeros(2), "V": b * np.cos(p["V"])},
        {"W": np.array([0.1, -0.1]), "V": np.array([0.6, 0.1])},
    )
    assert report.outcome is (Outcome.FAIL if slope else Outcome.PASS)
    assert {m.name for m in report.wrong} == ({'params["W"][0]', 'params["W"][1]'} if slope else set())
    if not slope:
        # Of W nothing is told in units of its own entries, which are 0.
        words = {c.name: str(c) for c in report.certificates}
        assert "of what an entry of the other arrays does" in words['params["W"]']
        assert "of its root mean square entry" in words['params["V"]']
