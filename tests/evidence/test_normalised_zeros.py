"""Rows of zeros that are normalised: f saturates within the epsilon of them, far nearer than any first step."""

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient

Weights = dict[str, Any]
SINGLE = np.float32


def normalised(seed: int, epsilon: float, slope: float = 1.0) -> tuple[Any, Any, Weights]:
    """A loss in float32 of rows z / (|z| + epsilon) with z = x w + b, of which two of six are 0.

    slope : by what negative z are multiplied before, as leaky rectifiers do: a kink at 0.
    """
    rng, eps, leak = np.random.default_rng(seed), SINGLE(epsilon), SINGLE(slope)
    x, y = rng.normal(size=(6, 2)).astype(SINGLE), rng.normal(size=(6, 3)).astype(SINGLE)
    v = rng.normal(size=(4, 3)).astype(SINGLE)
    x[:2] = 0.0
    p = {"w": rng.normal(size=(2, 4)), "b": np.zeros(4)}

    def forward(p: Weights) -> tuple[Any, Any, Any, Any]:
        raw = x @ p["w"].astype(SINGLE) + p["b"].astype(SINGLE)
        z = np.where(raw > 0, raw, leak * raw)
        size = np.sqrt(np.sum(z * z, axis=1, keepdims=True))
        return raw, z, size, (z / (size + eps)) @ v - y

    def f(p: Weights) -> float:
        return float(np.mean(forward(p)[3] ** 2))

    def grad(p: Weights) -> Weights:
        raw, z, size, off = forward(p)
        d = (2.0 / off.size * off) @ v.T
        across = np.sum(d * z, axis=1, keepdims=True) / np.where(size > 0, size, SINGLE(1.0))
        d = (d - across * z / (size + eps)) / (size + eps)
        d = np.where(raw > 0, d, leak * d)
        return {"w": x.T @ d, "b": d.sum(axis=0)}

    return f, grad, p


EXAMPLES = [
    (0, 1e-6, 1.0),
    (24, 1e-6, 1.0),
    (35, 1e-6, 1.0),
    (36, 1e-6, 0.1),
    (7, 1e-12, 1.0),
    (20, 1e-12, 0.1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "epsilon", "slope"), EXAMPLES)
def test_what_saturates_within_an_epsilon_of_zeros_is_not_called_wrong(seed, epsilon, slope):
    """Slopes of 1e4 to 1e11 that end within an epsilon of x: those of the steps beyond are no slopes at x.

    Nor is half of it too much, or 0, borne out by them; w is 50 % off beside it, and that no PASS.
    """
    f, grad, p = normalised(seed, epsilon, slope)

    assert check_gradient(f, grad, p, rng=seed).outcome is not Outcome.FAIL
    for name, factor in (("b", 0.0), ("b", 1.5), ("w", 1.5)):
        wrong = check_gradient(f, lambda q, n=name, k=factor: {**grad(q), n: k * grad(q)[n]}, p, rng=seed)
        assert wrong.outcome is not Outcome.PASS


def test_a_slope_that_ends_within_a_millionth_of_zeros_is_told_from_another() -> None:
    """tanh(x / 1e-6) at 0: 1e6 is right, and half as much more is wrong."""
    x = np.zeros(3)

    def f(x: Any) -> float:
        return float(np.sum(np.tanh(1e6 * x)))

    assert check_gradient(f, lambda x: np.full(3, 1e6), x).outcome is Outcome.PASS
    assert check_gradient(f, lambda x: np.full(3, 1.5e6), x).outcome is Outcome.FAIL
