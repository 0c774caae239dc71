"""Smooth functions with gradients written by hand.

Each function here gives the pair (f, grad). Both follow the dtype of x: in longdouble they give the truth, f at a
complex argument is the independent witness for it, and in float32 they compute in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Functions = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def elementwise(phi: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Functions:
    """Sum phi(x_i)."""
    return lambda x: np.sum(phi(x)), slope


def quadratic(A: Array, b: Array) -> Functions:
    """x'Ax/2 - b'x for a symmetric A."""

    def f(x: Array) -> Any:
        return x @ (A.astype(x.dtype) @ x) / 2 - b.astype(x.dtype) @ x

    return f, lambda x: A.astype(x.dtype) @ x - b.astype(x.dtype)


def logsumexp() -> Functions:
    """log sum exp x_i, shifted by the largest."""

    def parts(x: Array) -> tuple[Any, Array]:
        top = np.max(x.real)
        return top, np.exp(x - top)

    def f(x: Array) -> Any:
        top, e = parts(x)
        return top + np.log(np.sum(e))

    def grad(x: Array) -> Array:
        _, e = parts(x)
        return e / np.sum(e)

    return f, grad


def norm() -> Functions:
    """Euclidean norm."""
    return lambda x: np.sqrt(np.sum(x**2)), lambda x: x / np.sqrt(np.sum(x**2))


def p_norm(p: float) -> Functions:
    """(sum x_i^p)^(1/p) for positive x."""
    return lambda x: np.sum(x**p) ** (1 / p), lambda x: np.sum(x**p) ** (1 / p - 1) * x ** (p - 1)


def rosenbrock_chain(a: float) -> Functions:
    """Uncoupled Rosenbrock variant: sum of a (x_2i - x_2i-1^2)^2 + (1 - x_2i-1)^2 over pairs."""

    def f(x: Array) -> Any:
        u, v = x[0::2], x[1::2]
        return np.sum(a * (v - u**2) ** 2 + (1 - u) ** 2)

    def grad(x: Array) -> Array:
        u, v = x[0::2], x[1::2]
        g = np.empty_like(x)
        g[0::2] = -4 * a * u * (v - u**2) - 2 * (1 - u)
        g[1::2] = 2 * a * (v - u**2)
        return g

    return f, grad


def himmelblau() -> Functions:
    """(x^2 + y - 11)^2 + (x + y^2 - 7)^2."""

    def grad(x: Array) -> Array:
        u, v = x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7
        return np.stack([4 * x[0] * u + 2 * v, 2 * u + 4 * x[1] * v])

    return lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2, grad


def beale() -> Functions:
    """Beale's function of two variables."""
    c = ((1.5, 1), (2.25, 2), (2.625, 3))

    def grad(x: Array) -> Array:
        r = [(k - x[0] * (1 - x[1] ** p), p) for k, p in c]
        return np.stack(
            [
                sum(-2 * r_k * (1 - x[1] ** p) for r_k, p in r),
                sum(2 * r_k * x[0] * p * x[1] ** (p - 1) for r_k, p in r),
            ]
        )

    return lambda x: sum((k - x[0] * (1 - x[1] ** p)) ** 2 for k, p in c), grad


def powell() -> Functions:
    """Powell's singular function of four variables."""

    def f(x: Array) -> Any:
        a, b, c, d = x
        return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4

    def grad(x: Array) -> Array:
        a, b, c, d = x
        p, q, r, s = 2 * (a + 10 * b), 10 * (c - d), 4 * (b - 2 * c) ** 3, 40 * (a - d) ** 3
        return np.stack([p + s, 10 * p + r, q - 2 * r, -q - s])

    return f, grad


def ackley_like() -> Functions:
    """Ackley's function without its kink at the origin: exponentials of means."""

    def parts(x: Array) -> tuple[Any, Any, Any]:
        s = np.sqrt(1 + np.mean(x**2))
        return s, np.exp(-s / 5), np.exp(np.mean(np.cos(2 * x)))

    def f(x: Array) -> Any:
        _, p, q = parts(x)
        return -20 * p - q

    def grad(x: Array) -> Array:
        s, p, q = parts(x)
        return (4 * p * x / s + 2 * q * np.sin(2 * x)) / x.size

    return f, grad


def griewank_like() -> Functions:
    """1 + sum x^2/4 - prod cos(x_i / sqrt i)."""

    def grad(x: Array) -> Array:
        root = np.sqrt(np.arange(1, x.size + 1).astype(x.dtype))
        product = np.prod(np.cos(x / root))
        return x / 2 + product * np.tan(x / root) / root

    def f(x: Array) -> Any:
        root = np.sqrt(np.arange(1, x.size + 1).astype(x.dtype))
        return 1 + np.sum(x**2) / 4 - np.prod(np.cos(x / root))

    return f, grad


def orthogonality() -> Functions:
    """|X'X - I|^2 over an oblong X."""

    def gap(X: Array) -> Array:
        return X.T @ X - np.eye(X.shape[1]).astype(X.dtype)

    return lambda X: np.sum(gap(X) ** 2), lambda X: 4 * X @ gap(X)


def trace_cube() -> Functions:
    """tr X^3 over a square X that is not symmetric: its gradient is 3 (X^2)', the transpose matters."""
    return lambda X: np.trace(X @ X @ X), lambda X: 3 * (X @ X).T


def bilinear_tanh(a: Array, b: Array) -> Functions:
    """tanh-weighted bilinear form sum tanh(a'X) b over a square X."""

    def f(X: Array) -> Any:
        return np.tanh(a.astype(X.dtype) @ X) @ b.astype(X.dtype)

    def grad(X: Array) -> Array:
        u, v = a.astype(X.dtype), b.astype(X.dtype)
        return np.outer(u, v * (1 - np.tanh(u @ X) ** 2))

    return f, grad


def divergence(target: Array) -> Functions:
    """KL(target || softmax x)."""
    f_lse, g_lse = logsumexp()

    def f(x: Array) -> Any:
        p = target.astype(x.dtype)
        return np.sum(p * (np.log(p) - x)) + f_lse(x) * np.sum(p)

    def grad(x: Array) -> Array:
        p = target.astype(x.dtype)
        return g_lse(x) * np.sum(p) - p

    return f, grad


def roughness(width: float) -> Functions:
    """Smoothed total variation: sum of sqrt((x_i+1 - x_i)^2 + width^2)."""

    def grad(x: Array) -> Array:
        d = np.diff(x)
        s = d / np.sqrt(d**2 + width**2)
        g = np.zeros_like(x)
        g[1:] += s
        g[:-1] -= s
        return g

    return lambda x: np.sum(np.sqrt(np.diff(x) ** 2 + width**2)), grad


def coupled_chain() -> Functions:
    """Sum of cos(x_i) x_i+1: every entry of the gradient has two terms of different size."""

    def grad(x: Array) -> Array:
        g = np.zeros_like(x)
        g[:-1] -= np.sin(x[:-1]) * x[1:]
        g[1:] += np.cos(x[:-1])
        return g

    return lambda x: np.sum(np.cos(x[:-1]) * x[1:]), grad


def lennard_jones() -> Functions:
    """Energy of atoms at the rows of an array (atoms, 3)."""

    def pairs(x: Array) -> tuple[Array, Array, Array, Array]:
        i, j = np.triu_indices(len(x), 1)
        d = x[i] - x[j]
        return i, j, d, np.sum(d**2, axis=1)

    def grad(x: Array) -> Array:
        i, j, d, s = pairs(x)
        pull = (4 * (-6 / s**7 + 3 / s**4))[:, None] * 2 * d
        g = np.zeros_like(x)
        np.add.at(g, i, pull)
        np.add.at(g, j, -pull)
        return g

    return lambda x: np.sum(4 * (1 / pairs(x)[3] ** 6 - 1 / pairs(x)[3] ** 3)), grad


def oscillator(steps: int = 60, width: float = 0.05) -> Functions:
    """Final position of a van der Pol oscillator by Runge-Kutta; x = (position, speed, damping).

    The gradient carries the sensitivities through the same steps, so that it belongs to the discrete solution.
    """

    def rate(s: Array, mu: Any) -> Array:
        return np.stack([s[1], mu * (1 - s[0] ** 2) * s[1] - s[0]])

    def rate_tangent(s: Array, mu: Any, ds: Array, dmu: Array) -> Array:
        second = (
            dmu * (1 - s[0] ** 2) * s[1] - 2 * mu * s[0] * s[1] * ds[0] + mu * (1 - s[0] ** 2) * ds[1] - ds[0]
        )
        return np.stack([ds[1], second])

    def f(x: Array) -> Any:
        s, mu = x[:2], x[2]
        for _ in range(steps):
            k1 = rate(s, mu)
            k2 = rate(s + width / 2 * k1, mu)
            k3 = rate(s + width / 2 * k2, mu)
            k4 = rate(s + width * k3, mu)
            s = s + width / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s[0]

    def grad(x: Array) -> Array:
        s, mu = x[:2], x[2]
        ds, dmu = np.eye(3).astype(x.dtype)[:2], np.eye(3).astype(x.dtype)[2]
        for _ in range(steps):
            k1, d1 = rate(s, mu), rate_tangent(s, mu, ds, dmu)
            p2, q2 = s + width / 2 * k1, ds + width / 2 * d1
            k2, d2 = rate(p2, mu), rate_tangent(p2, mu, q2, dmu)
            p3, q3 = s + width / 2 * k2, ds + width / 2 * d2
            k3, d3 = rate(p3, mu), rate_tangent(p3, mu, q3, dmu)
            p4, q4 = s + width * k3, ds + width * d3
            k4, d4 = rate(p4, mu), rate_tangent(p4, mu, q4, dmu)
            s = s + width / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            ds = ds + width / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
        return ds[0]

    return f, grad


def logistic_map(rounds: int) -> Functions:
    """x -> r x (1 - x), again and again; x = (r, start). The gradient by the chain rule."""

    def f(x: Array) -> Any:
        value = x[1]
        for _ in range(rounds):
            value = x[0] * value * (1 - value)
        return value

    def grad(x: Array) -> Array:
        value, tangent = x[1], np.eye(2).astype(x.dtype)[1]
        for _ in range(rounds):
            tangent = x[0] * (1 - 2 * value) * tangent
            tangent[0] += value * (1 - value)
            value = x[0] * value * (1 - value)
        return tangent

    return f, grad


def weighted_powers(weights: Array) -> Functions:
    """Sum of w_i (x_i^3 + x_i): with weights over many decades, a gradient of many sizes."""

    def f(x: Array) -> Any:
        return np.sum(weights.astype(x.dtype) * (x**3 + x))

    return f, lambda x: weights.astype(x.dtype) * (3 * x**2 + 1)


def first_few(used: int) -> Functions:
    """Sum of exp(x_i) sin(x_i) over the first coordinates only; the others have a zero gradient."""

    def grad(x: Array) -> Array:
        g = np.zeros_like(x)
        g[:used] = np.exp(x[:used]) * (np.sin(x[:used]) + np.cos(x[:used]))
        return g

    return lambda x: np.sum(np.exp(x[:used]) * np.sin(x[:used])), grad
