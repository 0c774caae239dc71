"""Longer steps than x is large, where f does not move within the size of x."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_hessian, check_jacobian, check_jvp, check_vjp
from gradcheck.driver.longer import tells
from gradcheck.results.verdict import Tolerance


def _logistic(seed, size):
    """A loss of 60 samples in float32, its gradient, its Hessian, and weights of this size."""
    rng = np.random.default_rng(seed)
    a, y = rng.normal(size=(60, 4)).astype("f4"), (rng.random(60) < 0.5).astype("f4")
    b = (rng.normal(size=4) * size).astype("f4")

    def slopes(b):
        return 1 / (1 + np.exp(-(a @ b)))

    def f(b):
        return np.sum(np.logaddexp(np.float32(0), a @ b) - y * (a @ b))

    def hessian(b):
        return (a * (slopes(b) * (1 - slopes(b)))[:, None]).T @ a

    return f, lambda b: a.T @ (slopes(b) - y), hessian, b


@pytest.mark.parametrize("size", [1e-7, 1e-6, 1e-5])
def test_weights_next_to_0_are_decided_as_at_0(size):
    """f is 41.58 and moves by none of its roundings within the size of x: right ones pass, negated ones FAIL."""
    for seed in range(4):
        f, grad, hessian, b = _logistic(seed, size)

        right = check_gradient(f, grad, b)
        assert right.outcome is Outcome.PASS
        assert any("steps as at x = 0" in note for note in right.notes)
        assert check_gradient(f, lambda b, g=grad: -g(b), b).outcome is Outcome.FAIL
        assert check_hessian(grad, hessian, b).outcome is Outcome.PASS or (size == 1e-5 and seed == 2)
        assert check_hessian(grad, lambda b, h=hessian: -h(b), b).outcome is Outcome.FAIL


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0, 0.0])
@pytest.mark.parametrize("size", [1e-7, 1e-6])
def test_where_f_levels_off_beyond_x_longer_steps_decide_nothing(size, factor):
    """Beside 41.58 in float32 1e-6 tanh(x / 1e-6) has no slope that shows, and x^2 none but far away."""
    constant, width = np.float32(41.5888), np.float32(1e-6)
    for seed in range(4):
        x = (np.random.default_rng(seed).normal(size=4) * size).astype("f4")

        def level(x):
            return constant + width * np.sum(np.tanh(x / width))

        def grad(x):
            return np.float32(factor) * (1 - np.tanh(x / width) ** 2)

        assert check_gradient(level, grad, x).outcome is Outcome.INCONCLUSIVE
        square = check_gradient(lambda x: constant + np.sum(x * x), lambda x: np.float32(2 * factor) * x, x)
        assert square.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("n", [2, 8])
@pytest.mark.parametrize("factor", [-1.0, 2.0, 1.1])
def test_what_f_does_farther_away_bears_out_no_claim_of_next_to_nothing(n, factor):
    """sqrt(x^2 + 1e-10) at 1e-14 has slopes of 1e-9 beside those of 1 at 1e-4: a wrong claim does not pass."""
    x = np.random.default_rng(0).normal(size=n) * 1e-14

    report = check_gradient(
        lambda x: 41.5888 + np.sum(np.sqrt(x * x + 1e-10)), lambda x: factor * x / np.sqrt(x * x + 1e-10), x
    )

    assert report.outcome is not Outcome.PASS


@pytest.mark.parametrize(("dtype", "size", "steep"), [("f4", 1e-6, 1e6), ("f8", 1e-5, 1.0)])
def test_where_f_moves_within_the_size_of_x_or_x_is_not_as_small_steps_are_its_own(dtype, size, steep):
    """Sines of 1e6 x; and an x in float64 that is far more than its roundings, beside a constant that hides f."""
    x = (np.random.default_rng(0).normal(size=4) * size).astype(dtype)
    constant = x.dtype.type(0.0 if steep > 1.0 else 1e12)

    report = check_gradient(
        lambda x: constant + np.sum(np.sin(steep * x)), lambda x: steep * np.cos(steep * x), x
    )

    assert report.outcome is (Outcome.PASS if steep > 1.0 else Outcome.INCONCLUSIVE)
    assert report.nfev <= (20 if steep > 1.0 else 150)
    assert not any("steps as at x = 0" in note for note in report.notes)


# All of four coordinates are small.
EVERY = np.ones(4, bool)


def known(**parts: Any) -> Any:
    """Four entries of 1 that longer steps bear out, and an f that is straight."""
    moves = parts.pop("moves", 0.06)
    judged = {"wrong": np.zeros(4, bool), "verified": np.ones(4, bool)}
    judged |= {name: parts.pop(name) for name in judged if name in parts}
    entries = SimpleNamespace(
        judgement=SimpleNamespace(**judged),
        estimate=SimpleNamespace(value=np.ones(4), error=np.full(4, parts.pop("error", 1e-4))),
        analytic=np.full(4, parts.pop("claim", 1.0)),
        coordinates=np.arange(4),
    )
    evidence = SimpleNamespace(
        entries=entries, regions=parts.pop("regions", ()), arrays=parts.pop("arrays", (True,)),
        certified=lambda array, resolution: array,
    )  # fmt: skip
    norms = parts.pop("norms", np.array([2.0]))
    problem = SimpleNamespace(
        matrix=SimpleNamespace(product=lambda lengths: lengths[:1]), f_x=np.ones(1), scales=np.ones(4),
        weight=lambda lengths, product, rng: norms * lengths.max(),
    )  # fmt: skip
    return SimpleNamespace(**{
        "evidence": evidence, "final": False, "tolerance": Tolerance(1e-6, resolution=1e-3), "problem": problem,
        "x": np.zeros(4), "options": SimpleNamespace(rng=0),
        "objective": SimpleNamespace(line=lambda rays, t: 1.0 + moves * t),
    } | parts)  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        {"evidence": None},
        {"final": True},
        {"regions": ("a part",)},
        {"verified": np.arange(4) > 0},
        {"norms": np.zeros(1)},
        {"error": 4e-4},
        {"moves": 0.61},
        {"arrays": (True, False)},
        {"wrong": np.arange(4) > 2, "claim": 4.6},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_longer_steps_decide_nothing_unless_they_bear_out_all(parts):
    """Each alone: three bars are above a thousandth of what is claimed, f moves by more than ten times 0.03 times 2."""
    assert tells(known(), EVERY)
    assert not tells(known(**parts), EVERY)


@pytest.mark.parametrize("wrong", [1, 4])
def test_longer_steps_convict_where_f_is_half_as_steep_as_is_claimed(wrong):
    """Whatever else is open."""
    assert tells(known(wrong=np.arange(4) < wrong, claim=2.0, verified=np.zeros(4, bool), moves=9.0), EVERY)


def test_bars_of_entries_that_are_not_small_are_no_matter():
    """Only the first coordinate is small, and its bar is 3e-4 of what is claimed; that of the others is 1e-2."""
    wide = known()
    wide.evidence.entries.estimate.error[1:] = 1e-2 / 3

    assert tells(wide, np.arange(4) < 1)
    assert not tells(wide, EVERY)


def _map(seed, n):
    """A tanh layer of n inputs and n + 3 outputs, and its Jacobian."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n + 3, n)) / np.sqrt(n)

    def f(x):
        return np.tanh(a @ x + 0.3)

    return f, lambda x: (1 - f(x) ** 2)[:, None] * a


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8, 40])
@pytest.mark.parametrize("size", [1e-17, 1e-20])
@pytest.mark.parametrize("which", ["one", "all", "one beside 1"])
def test_what_rounding_leaves_of_zeros_has_the_scale_of_zeros(n, size, which):
    """Right Jacobians and products pass, with a column that is 1 % off they FAIL, as at x = 0."""
    f, jac = _map(n, n)
    x = np.full(n, size) if which == "all" else np.eye(n)[0] * size
    x[1] = 1.0 if which == "one beside 1" else x[1]
    off = np.ones(n)
    off[2] = 1.01

    assert check_jacobian(f, jac, x).outcome is Outcome.PASS
    assert check_jacobian(f, lambda x: jac(x) * off, x).outcome is Outcome.FAIL
    assert check_vjp(f, lambda x, u: jac(x).T @ u, x).outcome is Outcome.PASS
    assert check_vjp(f, lambda x, u: off * (jac(x).T @ u), x).outcome is Outcome.FAIL
    assert check_jvp(f, lambda x, v: jac(x) @ v, x).outcome is Outcome.PASS
    assert check_jvp(f, lambda x, v: jac(x) @ (off * v), x).outcome is Outcome.FAIL


@pytest.mark.parametrize("size", [1e-17, 1e-14])
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "PASS"), (1.1, "FAIL"), (-1.0, "FAIL")])
def test_an_array_that_is_0_but_for_rounding_has_the_scale_of_zeros_beside_others(size, factor, outcome):
    """Biases of 1e-17 beside weights of 1."""
    rng = np.random.default_rng(3)
    data = rng.normal(size=(20, 3))
    p = {"W": rng.normal(size=(4, 3)), "b": size * rng.normal(size=4)}

    def grad(p):
        t = np.tanh(data @ p["W"].T + p["b"])
        d = 2 * t * (1 - t * t)
        return {"W": d.T @ data, "b": factor * d.sum(0)}

    report = check_gradient(lambda p: np.sum(np.tanh(data @ p["W"].T + p["b"]) ** 2), grad, p)

    assert report.outcome.value == outcome


@pytest.mark.parametrize("size", [1e-17, 1e-14])
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "PASS"), (1.1, "FAIL"), (-1.0, "FAIL")])
def test_an_array_as_small_of_which_f_has_features_keeps_its_own_size(size, factor, outcome):
    """tanh(c / size): f tells which it is. Beside 1e13 it is not called what it is not."""
    rng = np.random.default_rng(3)
    p = {"W": rng.normal(size=3), "c": size * rng.normal(size=4)}

    def f(p):
        return np.sum(np.sin(p["W"])) + np.sum(np.tanh(p["c"] / size))

    def grad(p):
        return {"W": np.cos(p["W"]), "c": factor / size / np.cosh(p["c"] / size) ** 2}

    assert check_gradient(f, grad, p).outcome.value == outcome

    def hidden(p):
        return 1e13 * np.sum(p["W"] ** 2) + f(p)

    def hidden_grad(p):
        return {"W": 2e13 * p["W"] + np.cos(p["W"]), "c": grad(p)["c"]}

    beside = check_gradient(lambda p: float(hidden(p)), hidden_grad, p)
    assert beside.outcome is not (Outcome.FAIL if factor == 1.0 else Outcome.PASS)
