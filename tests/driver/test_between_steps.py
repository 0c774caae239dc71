"""A loss in float32 beside a penalty in float64: between two steps of the loss f has the slope of the penalty alone."""

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient

Weights = dict[str, Any]


def penalised(seed: int, product: float, decay: float = 0.005) -> tuple[Any, Any, Weights]:
    """A logistic loss of x w + product (x a) (x b), in float32, beside decay (w.w + a.a + b.b).

    a and b do next to nothing, and hold the others back where all move at once.
    """
    rng, single = np.random.default_rng(seed), np.float32
    x, t = rng.normal(size=(12, 20)).astype(single), (rng.random(12) < 0.5).astype(single)
    p = {name: 0.02 * rng.normal(size=20) for name in "wab"}

    def forward(p: Weights) -> tuple[Any, Any, Any]:
        w, a, b = (x @ p[name].astype(single) for name in "wab")
        return a, b, w + single(product) * a * b

    def f(p: Weights) -> float:
        z = forward(p)[2]
        return float(np.mean(np.logaddexp(single(0), z) - t * z)) + decay * float(
            sum(v @ v for v in p.values())
        )

    def grad(p: Weights) -> Weights:
        a, b, z = forward(p)
        d = (1 / (1 + np.exp(-z)) - t) / single(12)
        along = {"w": d, "a": single(product) * b * d, "b": single(product) * a * d}
        return {name: x.T @ each + 2.0 * decay * p[name] for name, each in along.items()}

    return f, grad, p


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "product"), [(7, 1e-2), (10, 1e-2), (13, 1e-2), (26, 1e-2), (11, 1e-3), (12, 1e-3), (17, 1e-3)]
)
def test_a_penalty_beside_a_loss_in_float32_is_not_all_that_f_does(seed: int, product: float) -> None:
    """Right ones are none of FAIL, as they were by factors of -28 to 90; a sign and a half too much in w are."""
    f, grad, p = penalised(seed, product)

    def times(factor: float) -> Any:
        return lambda q: {**grad(q), "w": factor * grad(q)["w"]}

    assert check_gradient(f, grad, p, rng=seed).outcome is not Outcome.FAIL
    for factor in (-1.0, 1.5):
        report = check_gradient(f, times(factor), p, rng=seed)
        assert report.outcome is Outcome.FAIL
        assert all('"w"' in wrong.name for wrong in report.wrong)


@pytest.mark.parametrize(("seed", "size"), [(30, 1e-4), (0, 1e-5)])
def test_an_entry_that_is_accused_alone_is_asked_for_by_those_that_are_open(seed: int, size: float) -> None:
    """A logistic loss of 24 weights: of the accused one a step of the loss may lie beyond all steps of its own."""
    rng, single = np.random.default_rng(seed), np.float32
    x, t = rng.normal(size=(50, 24)), rng.integers(0, 2, 50) * 2 - 1.0
    w = size * rng.normal(size=24)
    rows, signs = x.astype(single), t.astype(single)

    def f(w: Any) -> float:
        loss = np.log1p(np.exp(-(rows @ w.astype(single)) * signs))
        return float(np.mean(loss, dtype=single)) + 0.005 * float(w @ w)

    def grad(w: Any) -> Any:
        return -(x * (t / (1.0 + np.exp((x @ w) * t)))[:, None]).mean(axis=0) + 0.01 * w

    assert check_gradient(f, grad, w).outcome is not Outcome.FAIL
    if seed == 30:
        assert check_gradient(f, lambda w: -grad(w), w).outcome is Outcome.FAIL


def test_what_was_seen_of_a_smooth_f_is_not_asked_for_again() -> None:
    """A slope that is off by 1e-9 within its step costs two evaluations more, and FAILs."""
    x = np.linspace(0.5, 1.5, 6)

    def f(x: Any) -> float:
        return float(np.sum(np.sin(x)))

    report = check_gradient(f, lambda x: np.cos(x) + 3e-6 * (np.arange(6) == 2), x)

    assert report.outcome is Outcome.FAIL
    assert [wrong.flat_index for wrong in report.wrong] == [2]
