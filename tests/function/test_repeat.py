"""A derivative asked for a second time: noise of sums is a note; a cache, state, a buffer that adds up are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, Report, check_gradient, check_hvp, check_jacobian, check_jvp, check_vjp

RNG = np.random.default_rng(5)
A = RNG.normal(size=(30, 4))
Y = RNG.normal(size=30)
X = RNG.normal(size=4)
WIDE = RNG.normal(size=(30, 150))
INDEX = RNG.integers(0, 5, 400)
WEIGHTS = RNG.normal(size=400)


def said(report: Report) -> str:
    """All that a report says about the contract."""
    return "\n".join([report.reason, *report.notes])


class Net:
    """|tanh(A x) - y|^2, whose gradient by hand takes tanh(A x) from its own forward pass or from f's last call."""

    def __init__(self, A: np.ndarray, *, stale: bool) -> None:
        self.A, self.stale = A, stale

    def f(self, x: np.ndarray) -> Any:
        """The loss; what it computes is kept."""
        self.h = np.tanh(self.A @ x)
        return np.sum((self.h - Y) ** 2)

    def grad(self, x: np.ndarray) -> np.ndarray:
        """A forward pass at x, unless stale; then backwards."""
        if not self.stale:
            self.f(x)
        return self.A.T @ (2 * (self.h - Y) * (1 - self.h**2))


@pytest.mark.parametrize("n", [1, 4, 40, 150])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_gradient_that_uses_the_last_call_of_f_fails(n, offset):
    """Whichever way it is judged: f is at other points before grad is called again."""
    x = np.random.default_rng(0).normal(size=n) / 3
    stale, own = Net(WIDE[:, :n], stale=True), Net(WIDE[:, :n], stale=False)

    report = check_gradient(lambda x: stale.f(x) + offset, stale.grad, x)

    assert report.outcome is Outcome.FAIL
    assert "it uses what the last call of f left (a stale cache?)" in said(report)
    assert check_gradient(lambda x: own.f(x) + offset, own.grad, x).notes == ()


def test_products_and_jacobians_that_use_the_last_call_of_f_fail():
    """The same for every other derivative of sin(A x)."""

    class Sine:
        def __init__(self, stale: bool) -> None:
            self.stale = stale

        def f(self, x):
            self.c = np.cos(A @ x)
            return np.sin(A @ x)

        def slope(self, x):
            return self.c if self.stale else np.cos(A @ x)

        def g(self, x):
            self.x = x.copy()
            return x**3

    for stale in (False, True):
        s = Sine(stale)

        def at(x, s=s, stale=stale):
            return s.x if stale else x

        for report in (
            check_jacobian(s.f, lambda x, s=s: s.slope(x)[:, None] * A, X),
            check_vjp(s.f, lambda x, u, s=s: A.T @ (s.slope(x) * u), X),
            check_jvp(s.f, lambda x, v, s=s: s.slope(x) * (A @ v), X),
            check_hvp(s.g, lambda x, v, at=at: 3 * at(x) ** 2 * v, X),
        ):
            assert report.outcome is (Outcome.FAIL if stale else Outcome.PASS)
            assert ("last call of f" in said(report)) is stale


def gathered(order: np.random.Generator, dtype: Any, wrong: float = 1.0) -> Any:
    """Sum of w sin(x[index]): its gradient, scattered in another order at each call, as atomic additions do."""

    def grad(x: np.ndarray) -> np.ndarray:
        out = np.zeros(5, dtype)
        for k in order.permutation(400):
            out[INDEX[k]] += dtype(WEIGHTS[k]) * np.cos(x[INDEX[k]])
        return out * dtype(wrong)

    return lambda x: (WEIGHTS.astype(dtype) * np.sin(x[INDEX])).sum(), grad


@pytest.mark.parametrize(("dtype", "mistake"), [(np.float64, 1.001), (np.float32, 1.05)])
def test_sums_in_another_order_are_noise_with_a_size(dtype, mistake):
    """A right gradient passes with a note of a few roundings, whatever the tolerances; a wrong one does not."""
    x = np.linspace(0.3, 1.3, 5).astype(dtype)
    order = np.random.default_rng(0)
    for options in ({}, {"rtol": 1e-2, "atol": 1e-3}):
        report = check_gradient(*gathered(order, dtype), x, **options)
        assert report.outcome is Outcome.PASS
        assert "noise of grad, within the tolerance" in said(report)
    assert check_gradient(*gathered(order, dtype, mistake), x).outcome is Outcome.FAIL


def in_single(order: np.random.Generator, x: np.ndarray, wrong: float = 1.0) -> Any:
    """|tanh(M x) - b|^2 in float64; its gradient adds up in float32, in any order, and returns float64."""
    M, b = np.random.default_rng(1).normal(size=(40, x.size)) / 6, np.arange(40) / 40

    def grad(x: np.ndarray) -> np.ndarray:
        h = np.tanh(M @ x)
        p, u = order.permutation(40), (2 * (h - b) * (1 - h**2)).astype(np.float32)
        return np.add.reduce(np.float32(wrong) * M.T[:, p].astype(np.float32) * u[p], axis=1).astype(
            np.float64
        )

    return lambda x: float(np.sum((np.tanh(M @ x) - b) ** 2)), grad


def test_a_gradient_in_float32_within_float64_arrays_is_judged_as_one_of_float32():
    """Its digits tell: two calls that differ by a few of its roundings are noise; 5 % more is wrong."""
    order, x = np.random.default_rng(0), np.random.default_rng(2).normal(size=60)
    report = check_gradient(*in_single(order, x), x)
    assert report.outcome is Outcome.PASS
    assert "noise of grad, within the tolerance" in said(report)
    assert "the gradient holds float32 values" in said(report)
    assert check_gradient(*in_single(order, x, 1.05), x).outcome is Outcome.FAIL


@pytest.mark.parametrize(("chance", "wrong"), [(3e-7, False), (1e-4, True)])
def test_chance_of_a_few_roundings_of_float32_is_no_state_whatever_digits_it_has(chance, wrong):
    """2 x times a random factor, 3e-7 from 1: a note with its size, where two values 1e-4 apart are wrong."""
    order, x = np.random.default_rng(0), np.linspace(0.3, 1.3, 6)

    def jvp(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return 2 * x * v * (1 + chance * order.uniform(-1, 1, 6))

    report = check_jvp(lambda x: x**2, jvp, x, rtol=1e-7)
    assert ("noise of jvp, as of sums in float32 that come in any order" in said(report)) is not wrong
    assert (report.reason == "jvp differs between two calls at the same x") is wrong or report.wrong


def test_chance_above_the_tolerance_is_wrong():
    """Two values of a gradient that are 1 % apart cannot both be right, were the first one so."""
    calls = []

    def grad(x):
        calls.append(1)
        return 2 * x if len(calls) == 1 else 2 * x * (1 + 0.01 * len(calls) ** 2)

    report = check_gradient(lambda x: x @ x, grad, X)

    assert report.outcome is Outcome.FAIL
    assert report.reason == "grad differs between two calls at the same x"
    calls.clear()
    assert check_gradient(lambda x: x @ x, grad, X, rtol=0.5, atol=1.0).outcome is Outcome.PASS


@pytest.mark.parametrize(("of_f", "outcome"), [(1e-5, Outcome.INCONCLUSIVE), (0.0, Outcome.FAIL)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_gradient_that_is_random_as_f_is_decides_nothing_and_soon(whole, of_f, outcome):
    """Dropout that hardly shows in f: each gradient is one of another f. Of a steady f it is wrong."""
    draws = np.random.default_rng(0)
    x = np.linspace(0.3, 1.3, 50)

    def f(x: np.ndarray) -> float:
        return float(1.0 + np.sum(1e-2 * np.sin(x) * (1 + of_f * draws.normal(size=50))))

    def grad(x: np.ndarray) -> np.ndarray:
        return 1e-2 * np.cos(x) * (1 + 1e-2 * draws.normal(size=50))

    report = check_gradient(lambda x: (f(x), grad(x)), True, x) if whole else check_gradient(f, grad, x)
    assert report.outcome is outcome
    words = "f and grad differ between two calls at the same x: fix the random seed of f"
    assert (report.reason == words) is (of_f > 0)
    if of_f:
        assert report.nfev < 50


def test_f_is_not_called_outside_its_bounds_to_see_what_a_second_call_says():
    """A stale cache is found within the bounds as well."""
    stale, seen = Net(A, stale=True), []
    bounds = (X - 1e-3, X + 1e-2)

    def f(x):
        seen.append(x)
        return stale.f(x)

    report = check_gradient(f, stale.grad, X, bounds=bounds)

    assert report.outcome is Outcome.FAIL
    assert "last call of f" in said(report)
    assert all(((bounds[0] <= x) & (x <= bounds[1])).all() for x in seen)


class Counter:
    """Grows with every call."""

    calls = 0

    def __call__(self, x: np.ndarray) -> float:
        self.calls += 1
        return float(np.sum(x**2)) * (1.0 + 0.01 * self.calls)


class Average:
    """Keeps a running mean of x, as a normalisation in training does."""

    mean = 0.0

    def __call__(self, x: np.ndarray) -> float:
        self.mean = 0.9 * self.mean + 0.1 * float(x.mean())
        return float(np.sum((x - self.mean) ** 2))


class Recurrent:
    """Keeps its hidden state from one call to the next."""

    state = 0.0

    def __call__(self, x: np.ndarray) -> float:
        self.state = float(np.tanh(-0.6 * self.state + x.sum()))
        return self.state


class Warm:
    """Begins each solve where the last one ended, until that is the solution."""

    at = 0.0

    def __call__(self, x: np.ndarray) -> float:
        before = self.at
        self.at = float(np.cos(before / 8.0) - 0.3 * (before < 0.5)) + x.sum()
        return self.at


class Batches:
    """Another batch at every call, three in turn."""

    calls = 0

    def __call__(self, x: np.ndarray) -> float:
        self.calls += 1
        return float(np.sum(x ** (2 + self.calls % 3)))


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (Counter, "it drifts"),
        (Average, "it drifts"),
        (Recurrent, "it settles"),
        (Warm, "it settles"),
        (Batches, "it comes round every 3 calls"),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_state_is_told_from_randomness(f, why, many):
    """By the order of the values at one x; the seed is not what has to be mended."""
    x, function = np.array([0.3, -0.2, 0.8]), f()
    if many:
        report = check_jacobian(lambda x: np.array([1.0, function(x)]), lambda x: np.zeros((2, 3)), x)
    else:
        report = check_gradient(function, lambda x: 2.0 * x, x)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.endswith(f"{why}: clear the state that it keeps from call to call")


def test_numbers_of_numpys_global_generator_are_called_so():
    """Put back, the generator gives the same value; one that f owns may be either, and both are said."""
    x = np.array([0.3, -0.2, 0.8])
    own = np.random.default_rng(0)
    draw = np.random.normal
    of_all = check_gradient(lambda x: float(np.sum(x**2)) + draw(), lambda x: 2.0 * x, x)
    of_its_own = check_gradient(lambda x: float(np.sum(x**2)) + own.normal(), lambda x: 2.0 * x, x)

    assert of_all.reason.endswith("it draws from numpy.random: seed that at every call")
    assert of_its_own.reason.endswith(
        "clear the state that it keeps from call to call, or fix its random seed"
    )


def test_an_f_that_takes_turns_is_found_out():
    """Two values in turn agree with themselves at every second call; so much noise is looked into."""
    x, turns = np.array([0.3, -0.2, 0.8, 0.5, 1.1, 0.7]), iter(range(1000))
    report = check_gradient(lambda x: float(np.sum(x**2 if next(turns) % 2 else x**3)), lambda x: 2.0 * x, x)

    assert report.reason.endswith(
        "it comes round every 2 calls: clear the state that it keeps from call to call"
    )


@pytest.mark.parametrize("start", [0.0, 2.0, -7.0])
def test_what_adds_up_from_call_to_call_is_told_whatever_it_began_with(start):
    """A buffer that is never cleared: nothing else explains what its first call returned, 2 x + 2 for 2 x among it."""
    buffer = np.full(4, start)

    def accumulating(x: np.ndarray) -> np.ndarray:
        buffer[:] += 2.0 * x
        return buffer.copy()

    report = check_gradient(lambda x: np.sum(x**2), accumulating, X)
    assert report.outcome is Outcome.FAIL
    assert "it adds up from call to call, where it should begin at 0" in said(report)
    assert report.diagnosis == ()
    # One that is the same at every call is explained.
    twice = check_gradient(lambda x: np.sum(x**2), lambda x: 4.0 * x, X)
    assert twice.diagnosis[0].startswith("analytic = 2 x numerical")


@pytest.mark.parametrize("size", [1, 4])
def test_chance_adds_nothing_up(size):
    """A part in a thousand by chance differs between two calls, and grows by no step."""
    rng = np.random.default_rng(0)
    report = check_gradient(
        lambda x: np.sum(x**2), lambda x: 2.0 * x * (1.0 + 1e-3 * rng.normal(size=x.shape)), X[:size]
    )
    assert report.outcome is Outcome.FAIL
    assert "differs between two calls" in said(report)
    assert "adds up" not in said(report)
    assert report.diagnosis == ()
