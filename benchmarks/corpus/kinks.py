"""Near kinks and on them: the gradient beside a kink is right, however close; on it there is none."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.corpus import losses, smooth
from benchmarks.corpus.model import Problem, analytic, flat, in_longdouble, like

Array = np.ndarray
DISTANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)


def problems() -> list[Problem]:
    """Every function at every distance, on alternating sides, and the points on kinks."""
    return [*_near(), *_on()]


def magnitude(v: Array) -> Array:
    """|v|, and its analytic continuation from the real axis."""
    return np.where(v.real < 0, -v, v)


def ramp(v: Array) -> Array:
    """max(v, 0), and its analytic continuation from the real axis."""
    return np.where(v.real > 0, v, 0 * v)


def _step(v: Array) -> Array:
    return (v > 0).astype(v.dtype)


def shifted_absolute(at: Array) -> smooth.Functions:
    """Sum of |x_i - at_i| + exp(x_i / 2)."""

    def grad(x: Array) -> Array:
        return np.sign(x - at) + np.exp(x / 2) / 2

    return lambda x: np.sum(magnitude(x - at) + np.exp(x / 2)), grad


def rectified(at: float) -> smooth.Functions:
    """Sum of max(x_i - at, 0)^1: zero, with zero gradient, below."""
    return lambda x: np.sum(ramp(x - at)), lambda x: _step(x - at)


def largest_of() -> smooth.Functions:
    """max_i x_i^2: a kink where the largest two tie."""

    def grad(x: Array) -> Array:
        g = np.zeros_like(x)
        k = np.argmax(x**2)
        g[k] = 2 * x[k]
        return g

    return lambda x: (x**2)[np.argmax((x**2).real)], grad


def hinge(X: Array, y: Array) -> smooth.Functions:
    """Sum of max(1 - y x'w, 0) + |w|^2 / 2."""

    def slack(w: Array) -> Array:
        return 1 - y.astype(w.dtype) * (X.astype(w.dtype) @ w)

    def grad(w: Array) -> Array:
        return -X.astype(w.dtype).T @ (y.astype(w.dtype) * _step(slack(w))) + w

    return lambda w: np.sum(ramp(slack(w))) + np.sum(w**2) / 2, grad


def lasso(A: Array, b: Array) -> smooth.Functions:
    """|Ax - b|^2 + 0.3 |x|_1."""
    f, g = losses.least_squares(A, b)
    return lambda x: f(x) + 0.3 * np.sum(magnitude(x)), lambda x: g(x) + 0.3 * np.sign(x)


def huber(targets: Array, delta: float) -> smooth.Functions:
    """Huber's loss of x - targets: the second derivative jumps at |x - target| = delta."""

    def f(x: Array) -> Any:
        r = x - targets.astype(x.dtype)
        outside = delta * magnitude(r) - delta**2 / 2
        return np.sum(np.where(magnitude(r).real <= delta, r**2 / 2, outside))

    return f, lambda x: np.clip(x - targets.astype(x.dtype), -delta, delta)


def pinball(targets: Array, quantile: float) -> smooth.Functions:
    """Quantile loss of targets - x."""

    def f(x: Array) -> Any:
        r = targets.astype(x.dtype) - x
        return np.sum(quantile * ramp(r) + (1 - quantile) * ramp(-r))

    def grad(x: Array) -> Array:
        r = targets.astype(x.dtype) - x
        return np.where(r > 0, -quantile, np.where(r < 0, 1 - quantile, 0)).astype(x.dtype)

    return f, grad


def rectifier_network(X: Array, y: Array) -> smooth.Functions:
    """Squared error of a network with rectified hidden units, over the dict W, b, v."""

    def forward(p: dict[str, Array]) -> tuple[Array, Array, Array]:
        inputs = X.astype(p["W"].dtype)
        before = inputs @ p["W"] + p["b"]
        return inputs, before, ramp(before) @ p["v"] - y.astype(p["W"].dtype)

    def grad(p: dict[str, Array]) -> dict[str, Array]:
        inputs, before, r = forward(p)
        back = np.outer(2 * r, p["v"]) * _step(before)
        return {"W": inputs.T @ back, "b": back.sum(0), "v": ramp(before).T @ (2 * r)}

    return lambda p: np.sum(forward(p)[2] ** 2), grad


def jump(at: float) -> smooth.Functions:
    """Sum of x^2, and 1 more for every x beyond `at`."""
    return lambda x: np.sum(x**2 + (x.real > at)), lambda x: 2 * x


def _beside(tie: Array, k: int, distance: float) -> Array:
    """Move entry k of a point on a kink by `distance`."""
    x = tie.copy()
    x[k] += distance
    return x


def _near() -> list[Problem]:
    rng = np.random.default_rng(41)
    A, b = rng.normal(size=(12, 5)), rng.normal(size=12)
    X, y = rng.normal(size=(15, 5)), np.where(rng.random(15) < 0.5, -1.0, 1.0)
    at, five = rng.normal(size=5), rng.normal(size=5)
    w = rng.normal(size=5)
    on_margin = w + X[0] * (y[0] - X[0] @ w) / (X[0] @ X[0])
    direction = y[0] * X[0] / (X[0] @ X[0])  # one unit along it moves the first margin by one
    net, inputs, targets = _network(rng)
    found = []
    for k, size in enumerate(DISTANCES):
        d = size if k % 2 else -size
        note = f"kink at distance {size:g}"
        near = [
            ("absolute value", smooth.elementwise(magnitude, np.sign), np.array([d])),
            ("shifted absolute value, n=5", shifted_absolute(at), np.append(five[:4], at[4] + d)),
            ("rectified, n=1", rectified(1.0), np.array([1.0 + d])),
            ("largest square, n=3", largest_of(), np.array([0.4, 1.5, -1.5 + d])),
            ("hinge, n=5", hinge(X, y), on_margin + d * direction),
            ("lasso, n=5", lasso(A, b), _beside(np.append(five[:4], 0.0), 4, d)),
            ("Huber, n=5", huber(at, 1.0), np.append(five[:4], at[4] + 1.0 + d)),
            ("pinball, n=5", pinball(at, 0.7), np.append(five[:4], at[4] + d)),
            (
                "rectifier network, n=20",
                rectifier_network(inputs, targets),
                {**net, "b": _beside(net["b"], 1, d)},
            ),
            ("jump, n=1", jump(1.0), np.array([1.0 + d])),
        ]
        found += [
            analytic(f"{name}, {d:+.0e} from its kink", fs, x, "near a kink", note) for name, fs, x in near
        ]
    return found


def _network(rng: np.random.Generator) -> tuple[dict[str, Array], Array, Array]:
    """Draw a rectifier network whose second unit has a pre-activation of exactly zero for the first input alone.

    Inputs are integers and weights eighths, so that no rounding moves it off zero.
    """
    inputs, targets = rng.choice([-2.0, -1.0, 1.0, 2.0], size=(8, 3)), rng.normal(size=8)
    before = np.zeros((8, 4))
    while np.sum(before == 0) != 1:
        net = {"W": rng.integers(-8, 9, (3, 4)) / 8, "b": rng.integers(-4, 5, 4) / 8, "v": rng.normal(size=4)}
        net["b"][1] = -(inputs[0] @ net["W"][:, 1])
        before = inputs @ net["W"] + net["b"]
    return net, inputs, targets


def _on_a_kink(name: str, functions: smooth.Functions, x: Any, kinked: Any) -> Problem:
    """Make a problem without a derivative where `kinked`, a boolean tree; elsewhere the truth is as usual."""
    f, grad = functions
    true = flat(in_longdouble(grad, x))
    true[flat(kinked)] = np.nan
    true = like(x, true)
    return Problem(name, "on a kink", lambda x: float(f(x)), grad, x, true, lambda: true, "x on a kink")


def _unit_or_0(x: Array) -> Array:
    """The gradient of the norm; at 0 the subgradient 0."""
    size = np.sqrt(np.sum(x**2))
    return x / size if size > 0 else np.zeros_like(x)


def _on() -> list[Problem]:
    rng = np.random.default_rng(42)
    A, b, at = rng.normal(size=(12, 5)), rng.normal(size=12), np.array([0.5, -1.0, 2.0])
    net, inputs, targets = _network(rng)
    bent = {"W": np.zeros((3, 4), bool), "b": np.zeros(4, bool), "v": np.zeros(4, bool)}
    bent["W"][:, 1] = bent["b"][1] = True

    def right_of(v: Array) -> Array:
        return (v >= 0).astype(v.dtype)

    def at_kinks(name: str, functions: smooth.Functions, x: Array, kinks: Any) -> Problem:
        return _on_a_kink(name, functions, x, x == kinks)

    absolute, ones = smooth.elementwise(magnitude, np.sign), np.array([1.0])
    return [
        at_kinks("absolute value at 0", absolute, np.array([0.0]), 0.0),
        at_kinks("rectified at its kink, slope 0", rectified(1.0), ones, 1.0),
        at_kinks("rectified at its kink, slope 1", smooth.elementwise(ramp, right_of), np.array([0.0]), 0.0),
        at_kinks("shifted absolute value", shifted_absolute(at), np.array([0.3, -1.0, 1.0]), at),
        at_kinks("largest square, a tie", largest_of(), np.array([0.4, 1.5, -1.5]), [np.nan, 1.5, -1.5]),
        at_kinks("lasso at a zero", lasso(A, b), np.array([0.3, 0.0, -0.4, 1.0, 0.2]), 0.0),
        at_kinks("norm at 0", (smooth.norm()[0], _unit_or_0), np.zeros(3), 0.0),
        at_kinks("pinball at its target", pinball(at, 0.7), np.array([0.5, 0.0, 0.0]), at),
        at_kinks("jump at its edge", jump(1.0), ones, 1.0),
        _on_a_kink("rectifier network, a unit at 0", rectifier_network(inputs, targets), net, bent),
    ]
