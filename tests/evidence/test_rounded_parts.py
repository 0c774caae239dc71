"""A part of f that is rounded, and one that is not: slopes between two steps of the rounding are not those of f."""

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, derivative, gradient


def penalised(seed, n, penalty, rounding):
    """A logistic loss, rounded, and a penalty that is not: (f, gradient, gradient of the penalty alone, x)."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(2 * n + 5, n)) / np.sqrt(n)
    y, x = np.sign(rng.normal(size=len(a))), rng.normal(size=n)

    def f(x):
        loss = np.mean(np.log1p(np.exp(-y * (a @ np.asarray(x, float)))))
        return float(rounding(loss)) + penalty * float(x @ x)

    loss = -a.T @ (y / (1 + np.exp(y * (a @ x)))) / len(a)
    return f, loss + 2 * penalty * x, 2 * penalty * x, x


def six_decimals(value):
    """As a program prints it."""
    return np.round(value, 6)


SIZES = [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5, 20, 100))]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("rounding", [np.float32, six_decimals])
def test_a_rounded_loss_is_seen_beside_a_penalty_that_is_not_rounded(n, rounding):
    """No right gradient FAILs, and few that lack the loss pass, though it is all that f shows between two steps.

    Of 240 right ones 106 FAILed, where steps were chosen by the noise of the penalty alone.
    """
    right, forgotten = [], []
    for seed in range(8):
        for penalty in (1e-2, 1e-4, 1e-6):
            f, gradient, alone, x = penalised(seed, n, penalty, rounding)
            right.append(check_gradient(f, gradient, x, rng=seed % 4).outcome)
            forgotten.append(check_gradient(f, alone, x, rng=seed % 4).outcome)
    assert Outcome.FAIL not in right
    assert right.count(Outcome.PASS) >= (20 if n < 100 else 8)
    assert forgotten.count(Outcome.PASS) <= 1
    assert forgotten.count(Outcome.FAIL) >= 20


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
def test_what_turns_near_x_by_more_than_rounding_is_seen(width):
    """x + w tanh(x / w) rises twice as fast at 0 as elsewhere; and a kink beside x is none."""
    found = derivative(lambda t: 1.0 + t + width * np.tanh(t / width).real)
    assert abs(found.value - 2.0) <= 3.0 * found.error <= 1e-3
    kinked = check_gradient(lambda x: float(np.sum(np.abs(x - 1.0))), np.ones(3), np.full(3, 1.0 + width))
    assert kinked.outcome is Outcome.PASS


@pytest.mark.parametrize(("offset", "decimals"), [(500.0, 10), (2500.0, 9), (16000.0, 8)])
def test_thirteen_digits_are_a_grid(offset, decimals):
    """Of 10,000 entries 100 were 0 where the slope is plain: between two decimals f does not change."""
    x = np.random.default_rng(4).normal(size=100)

    def f(x):
        return round(float(x @ x) / 2.0 + offset, decimals)

    found = gradient(f, x)
    assert (np.abs(found.value - x) <= 3.0 * found.error + 1e-12).all()
    assert check_gradient(f, x.copy(), x, method="sweep").outcome is Outcome.PASS
    wrong = np.where(np.arange(100) == 39, 0.0, x)
    assert [w.flat_index for w in check_gradient(f, wrong, x, method="sweep").wrong] == [39]


@pytest.mark.parametrize("n", [5, 20])
def test_what_bends_within_a_billionth_of_x_is_not_noise(n):
    """A peak 1 wide at x of 1e8, a line frequency: of 24 right gradients 16 were called wrong, the others undecided."""
    outcomes = []
    for seed in range(6):
        x = 1e8 + np.random.default_rng(seed).normal(size=n)

        def f(x):
            return float(np.sum(1.0 / (1.0 + (x - 1e8) ** 2)))

        u = x - 1e8
        right = -2.0 * u / (1.0 + u * u) ** 2
        outcomes.append(check_gradient(f, right, x, rng=seed).outcome)
        assert check_gradient(f, -right, x, rng=seed).outcome is Outcome.FAIL
    assert Outcome.FAIL not in outcomes
    assert outcomes.count(Outcome.PASS) >= 4


@pytest.mark.parametrize("decimals", [5, 6, 8])
@pytest.mark.parametrize("n", [10, *(pytest.param(n, marks=pytest.mark.slow) for n in (30, 100))])
def test_a_rounded_f_less_its_rounded_target_is_rounded_still(n, decimals):
    """Next to its target f is as small as its steps, and no difference is a decimal: of 180 right ones 9 FAILed."""
    outcomes, wrong = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rng.normal(size=(n, n))
        target = rng.normal(size=n)
        x = target + 1e-3 * rng.normal(size=n)
        rounded = np.round(np.sum(np.sin(target)), decimals)

        def f(x, rounded=rounded):
            return float(np.round(np.sum(np.sin(x)), decimals) - rounded)

        outcomes.append(check_gradient(f, np.cos, x).outcome)
        if seed < 4:
            wrong.append(check_gradient(f, lambda x: np.cos(x) + (np.arange(x.size) == 1), x).outcome)
    # One: in twelve values that happen to lie on whole steps nobody can see them.
    assert outcomes.count(Outcome.FAIL) <= 1
    assert outcomes.count(Outcome.PASS) >= 16
    assert Outcome.PASS not in wrong
    assert wrong.count(Outcome.FAIL) >= 3
