"""Losses of data with gradients written by hand: regressions, likelihoods, networks.

As in `smooth`, each function here gives the pair (f, grad), and both follow the dtype of x, complex and longdouble.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.corpus.model import flat, like
from benchmarks.corpus.smooth import Functions

Array = np.ndarray


def least_squares(A: Array, b: Array) -> Functions:
    """|Ax - b|^2."""

    def residual(x: Array) -> Array:
        return A.astype(x.dtype) @ x - b.astype(x.dtype)

    return lambda x: np.sum(residual(x) ** 2), lambda x: 2 * A.astype(x.dtype).T @ residual(x)


def decay_fit(times: Array, y: Array) -> Functions:
    """Sum of (a exp(-k t) + c - y)^2 over x = (a, k, c)."""

    def parts(x: Array) -> tuple[Array, Array, Array]:
        t = times.astype(x.dtype)
        e = np.exp(-x[1] * t)
        return t, e, x[0] * e + x[2] - y.astype(x.dtype)

    def grad(x: Array) -> Array:
        t, e, r = parts(x)
        return 2 * np.stack([np.sum(r * e), np.sum(-r * x[0] * t * e), np.sum(r)])

    return lambda x: np.sum(parts(x)[2] ** 2), grad


def logistic_regression(X: Array, y: Array, decay: float) -> Functions:
    """Sum of log(1 + exp(-y x'w)), y = +-1, and decay |w|^2 / 2."""

    def margins(w: Array) -> Array:
        return y.astype(w.dtype) * (X.astype(w.dtype) @ w)

    def f(w: Array) -> Any:
        m = margins(w)
        # log(1 + exp(-m)) without overflow; the branches are those of |m|, for complex m too.
        softened = np.log1p(np.exp(np.where(m.real < 0, m, -m))) + np.where(m.real < 0, -m, 0)
        return np.sum(softened) + decay * np.sum(w**2) / 2

    def grad(w: Array) -> Array:
        weights = -y.astype(w.dtype) / (1 + np.exp(margins(w)))
        return X.astype(w.dtype).T @ weights + decay * w

    return f, grad


def poisson_regression(X: Array, y: Array) -> Functions:
    """Sum of exp(x'w) - y x'w."""

    def f(w: Array) -> Any:
        eta = X.astype(w.dtype) @ w
        return np.sum(np.exp(eta) - y.astype(w.dtype) * eta)

    def grad(w: Array) -> Array:
        A = X.astype(w.dtype)
        return A.T @ (np.exp(A @ w) - y.astype(w.dtype))

    return f, grad


def softmax_regression(X: Array, labels: Array) -> Functions:
    """Mean cross entropy of softmax(XW) over W, an array (features, classes)."""

    def probabilities(W: Array) -> tuple[Array, Array]:
        scores = X.astype(W.dtype) @ W
        shifted = scores - np.max(scores.real, axis=1, keepdims=True)
        e = np.exp(shifted)
        return shifted, e

    def f(W: Array) -> Any:
        shifted, e = probabilities(W)
        rows = np.arange(len(labels))
        return np.mean(np.log(np.sum(e, axis=1)) - shifted[rows, labels])

    def grad(W: Array) -> Array:
        _, e = probabilities(W)
        p = e / np.sum(e, axis=1, keepdims=True)
        p[np.arange(len(labels)), labels] -= 1
        return X.astype(W.dtype).T @ p / W.dtype.type(len(labels))

    return f, grad


def network(X: Array, labels: Array) -> Functions:
    """Mean cross entropy of a two-layer tanh network; x is the dict W1, b1, W2, b2; backpropagation by hand."""
    rows = np.arange(len(labels))

    def forward(p: dict[str, Array]) -> tuple[Array, Array, Array]:
        inputs = X.astype(p["W1"].dtype)
        hidden = np.tanh(inputs @ p["W1"] + p["b1"])
        scores = hidden @ p["W2"] + p["b2"]
        return inputs, hidden, scores - np.max(scores.real, axis=1, keepdims=True)

    def f(p: dict[str, Array]) -> Any:
        _, _, scores = forward(p)
        return np.mean(np.log(np.sum(np.exp(scores), axis=1)) - scores[rows, labels])

    def grad(p: dict[str, Array]) -> dict[str, Array]:
        inputs, hidden, scores = forward(p)
        e = np.exp(scores)
        delta = e / np.sum(e, axis=1, keepdims=True)
        delta[rows, labels] -= 1
        delta = delta / delta.dtype.type(len(labels))
        back = (delta @ p["W2"].T) * (1 - hidden**2)
        return {"W1": inputs.T @ back, "b1": back.sum(0), "W2": hidden.T @ delta, "b2": delta.sum(0)}

    return f, grad


def flat_network(X: Array, labels: Array, shape: dict[str, Array]) -> Functions:
    """Take the network of `network` as a function of one flat vector."""
    f, grad = network(X, labels)
    return lambda x: f(like(shape, x)), lambda x: flat(grad(like(shape, x)))


def factorisation(M: Array) -> Functions:
    """|M - UV'|^2 over the dict U, V."""

    def residual(p: dict[str, Array]) -> Array:
        return p["U"] @ p["V"].T - M.astype(p["U"].dtype)

    def grad(p: dict[str, Array]) -> dict[str, Array]:
        r = residual(p)
        return {"U": 2 * r @ p["V"], "V": 2 * r.T @ p["U"]}

    return lambda p: np.sum(residual(p) ** 2), grad


def gaussian(y: Array) -> Functions:
    """Negative log-likelihood of (mean, log sigma)."""

    def f(x: Array) -> Any:
        z = (y.astype(x.dtype) - x[0]) * np.exp(-x[1])
        return np.sum(z**2) / 2 + y.size * x[1]

    def grad(x: Array) -> Array:
        z = (y.astype(x.dtype) - x[0]) * np.exp(-x[1])
        return np.stack([-np.sum(z) * np.exp(-x[1]), y.size - np.sum(z**2)])

    return f, grad


def student(A: Array, b: Array) -> Functions:
    """Sum of log(1 + r^2), r = Ax - b."""

    def residual(x: Array) -> Array:
        return A.astype(x.dtype) @ x - b.astype(x.dtype)

    def grad(x: Array) -> Array:
        r = residual(x)
        return A.astype(x.dtype).T @ (2 * r / (1 + r**2))

    return lambda x: np.sum(np.log(1 + residual(x) ** 2)), grad


def mixture(y: Array) -> Functions:
    """Negative log-likelihood of two Gaussians: x = (mean 1, mean 2, log s1, log s2, logit of the weight)."""

    def terms(x: Array) -> tuple[Array, Array, Array]:
        w = 1 / (1 + np.exp(-x[4]))
        z = (y.astype(x.dtype)[:, None] - x[:2]) * np.exp(-x[2:4])
        density = np.stack([w, 1 - w]) * np.exp(-(z**2) / 2 - x[2:4])
        return w, z, density

    def grad(x: Array) -> Array:
        w, z, density = terms(x)
        share = density / np.sum(density, axis=1, keepdims=True)
        means = -np.sum(share * z * np.exp(-x[2:4]), axis=0)
        scales = -np.sum(share * (z**2 - 1), axis=0)
        return np.concatenate([means, scales, [-np.sum(share[:, 0] - w)]])

    return lambda x: -np.sum(np.log(np.sum(terms(x)[2], axis=1))), grad
