"""Points in float32 lie beside their line: the claim that takes f back onto it is no reason to say that f moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.joint.directions import Directions
from gradcheck.numerics.line_fit import EIGHT, positions
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

# The first of some in every run, the others in the long one.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def trained(seed: int, loss: type) -> tuple[Callable[[Any], Any], Callable[[Any], Any], Any]:
    """Three layers in float32 after a hundred steps of descent: hardly any entry moves the loss by a rounding of it.

    loss : the dtype in which the mean is taken.
    """
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((8, n)).astype(np.float32) for n in (10, 2))
    p = {}
    for k, shape in enumerate([(10, 8), (8, 8), (8, 2)]):
        p[f"W{k}"] = np.float32(0.01) * rng.standard_normal(shape).astype(np.float32)
        p[f"b{k}"] = np.zeros(shape[1], np.float32)

    def forward(p: Any) -> tuple[Any, Any, Any]:
        h = sigmoid(x @ p["W0"] + p["b0"])
        k = sigmoid(h @ p["W1"] + p["b1"])
        return h, k, k @ p["W2"] + p["b2"] - y

    def f(p: Any) -> Any:
        return (forward(p)[2].astype(loss) ** 2).mean()

    def grad(p: Any) -> Any:
        h, k, r = forward(p)
        d2 = 2 * r / r.size
        d1 = d2 @ p["W2"].T * k * (1 - k)
        d0 = d1 @ p["W1"].T * h * (1 - h)
        return {
            "W0": x.T @ d0, "b0": d0.sum(0), "W1": h.T @ d1, "b1": d1.sum(0), "W2": k.T @ d2, "b2": d2.sum(0),
        }  # fmt: skip

    for _ in range(100):
        steps = grad(p)
        p = {k: v - np.float32(0.1) * steps[k] for k, v in p.items()}
    return f, grad, p


@pytest.mark.parametrize("loss", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_float32_hides_is_no_mistake(loss: type, seed: int) -> None:
    """Of 40 right gradients 26 FAILed: f stood still, and was said to move as claimed, without any noise."""
    f, grad, p = trained(seed, loss)
    assert check_gradient(f, grad, p, rng=seed).outcome is Outcome.INCONCLUSIVE
    wrong = {**grad(p), "b2": grad(p)["b2"] + 0.01}
    assert check_gradient(f, wrong, p, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("moves", [True, False])
def test_values_of_an_output_that_stands_still_are_left_as_they_are(moves: bool) -> None:
    """1 + x_0 in float64 at points of float32 is straight to the last bit; 2 does not move, whatever is claimed."""
    x = np.array([1.0, 3.0], np.float32)

    def f(x: Any) -> float:
        return 1.0 + float(x[0]) if moves else 2.0

    parameters, flat = Parameters.of(x)
    objective = Objective(f, parameters)
    problem = Problem(
        objective, flat, np.array([2.0]), None, Tolerance(1e-3), None, 2.0**-23, matrix=Dense(np.array([[1.0, 0.0]])),
    )  # fmt: skip
    scaling = scaling_of(problem, np.zeros(2, bool))
    along = Directions(problem, scaling, np.random.default_rng(0), exact=False, fixed=np.zeros(1, bool))
    tangent = np.array([1.0, 0.0])
    step, values = along.values(tangent, 0.1, EIGHT)
    assert values is not None
    assert values[:, 0] - 2.0 == pytest.approx(positions(EIGHT) * step * moves, abs=1e-14)


@pytest.mark.parametrize("decay", [1e-2, pytest.param(1e-4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_penalty_in_float64_does_not_make_a_network_in_float32_precise(decay: float, seed: int) -> None:
    """The network stands still at all points near x, the penalty moves: that is not all that f does."""
    f, grad, p = trained(seed, np.float64)

    def penalised(p: Any) -> float:
        weights = (p[k].astype(float) for k in ("W0", "W1", "W2"))
        return float(f(p) + 0.5 * decay * sum(np.sum(w * w) for w in weights))

    claim = {k: v + np.float32(decay if k[0] == "W" else 0) * p[k] for k, v in grad(p).items()}
    assert check_gradient(penalised, claim, p, rng=seed).outcome is not Outcome.FAIL
    wrong = {**claim, "b2": claim["b2"] + 0.01}
    assert check_gradient(penalised, wrong, p, rng=seed).outcome is Outcome.FAIL


def spectral_loss(n: int, seed: int) -> Any:
    """The mean distance of log spectra of frames of 64, in float32: x, f, and its gradient by parts a and b."""
    angle = np.arange(33)[:, None] * np.arange(64) * 2.0 * np.pi / 64
    window = np.hanning(65)[:64]
    real, imaginary = (window * part(angle) for part in (np.cos, np.sin))
    real, imaginary = real.astype("f"), imaginary.astype("f")
    x, y = (0.1 * np.random.default_rng(seed).normal(size=(2, n))).astype("f")
    at = np.arange(0, n - 63, 16)[:, None] + np.arange(64)

    def powers(x: Any) -> Any:
        re, im = x[at] @ real.T, x[at] @ imaginary.T
        return re, im, re * re + im * im + np.float32(1e-7)

    wanted = np.log(powers(y)[2])

    def f(x: Any) -> Any:
        return np.float32(0.5) * np.abs(np.log(powers(x)[2]) - wanted).mean()

    def grad(x: Any, a: float = 1.0, b: float = 1.0) -> Any:
        re, im, power = powers(x)
        each = np.sign(np.log(power) - wanted) / power / np.float32(power.size)
        found = np.zeros_like(x)
        np.add.at(found, at, np.float32(a) * (each * re) @ real + np.float32(b) * (each * im) @ imaginary)
        return found

    return x, f, grad


@pytest.mark.parametrize(
    "seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (5, 6, 7))]
)
def test_kinks_that_scatter_more_than_float32_rounds_are_looked_at_from_nearer(seed: int) -> None:
    """Of 33 n / 16 kinks some lie within any usual step. Negated it was INCONCLUSIVE in 3 of 15."""
    x, f, grad = spectral_loss(1000, seed)
    assert check_gradient(f, lambda x: grad(x, -1.0, -1.0), x, rng=seed).outcome is Outcome.FAIL
    assert check_gradient(f, lambda x: grad(x, 1.0, 0.0), x, rng=seed).outcome is Outcome.FAIL
    assert check_gradient(f, grad, x, rng=seed).outcome is not Outcome.FAIL


def test_directions_that_certify_nothing_bound_what_they_can():
    """Shape from shading in float32: its error was bound by 5 of an entry, after 5 to 8 directions."""
    for seed in range(4):
        rng, n = np.random.default_rng(seed), 70
        heights, image = (0.05 * rng.normal(size=(n, n))).astype("f"), rng.random((n - 1, n - 1)).astype("f")
        light = np.array([0.3, 0.2, 0.9], "f") / np.float32(np.sqrt(0.94))
        each, scale = np.float32(2.0 / image.size), np.float32(n / 10)

        def parts(h, light=light, scale=scale):
            across, along = (h[1:, :-1] - h[:-1, :-1]) * scale, (h[:-1, 1:] - h[:-1, :-1]) * scale
            normal = np.sqrt(1 + across * across + along * along)
            return across, along, normal, (light[2] - across * light[0] - along * light[1]) / normal

        def f(h, image=image, parts=parts):
            return ((np.maximum(parts(h)[3], 0) - image) ** 2).mean()

        def grad(h, image=image, light=light, each=each, scale=scale, parts=parts):
            across, along, normal, shade = parts(h)
            off = each * (np.maximum(shade, 0) - image) * (shade > 0)
            by_across = off * (-light[0] / normal - shade * across / normal**2) * scale
            by_along = off * (-light[1] / normal - shade * along / normal**2) * scale
            found = np.zeros_like(h)
            found[1:, :-1] += by_across
            found[:-1, :-1] -= by_across + by_along
            found[:-1, 1:] += by_along
            return found

        undecided = check_gradient(f, grad, heights, rng=seed).undecided
        assert undecided is not None
        assert undecided.known
        assert 0.03 < undecided.reached < 0.5
