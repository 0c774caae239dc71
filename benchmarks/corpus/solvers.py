"""Functions that contain an iterative solver stopped at a tolerance: its error is noise, and not random.

The gradients are those of the exact solution (implicit function theorem, envelope theorem), as people write them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import integrate

from benchmarks.corpus.model import Problem, complex_step

Array = np.ndarray


def problems() -> list[Problem]:
    """Bisection, fixed points, conjugate gradients, power iteration, golden section, an adaptive integrator."""
    found = [_bisection(tolerance) for tolerance in (1e-6, 1e-8, 1e-10)]
    found += [_kepler(tolerance) for tolerance in (1e-8, 1e-10)]
    found += [_conjugate_gradients(tolerance) for tolerance in (1e-6, 1e-8)]
    return [
        *found,
        _power_iteration(1e-9),
        _golden_section(1e-6),
        _integrator(1e-8),
        _integrator(1e-6),
        _quadrature(),
    ]


def _problem(
    name: str, f: Any, grad: Any, x: Array, exact: Callable[[Array], Any], bias: float = 0.0
) -> Problem:
    """Take the truth from the exact solution by the complex step; the hand-written gradient is the witness.

    Bisection and golden section make steps, without a bias of their own; an iteration to a tolerance has a smooth
    error, and its derivative is taken to be at most ten tolerances.
    """
    note = "solver stopped at a tolerance"
    return Problem(name, "iterative solver", f, grad, x, complex_step(exact, x), lambda: grad(x), note, bias)


def _newton(residual: Any, slope: Any, start: Any) -> Any:
    """Solve to extended precision, for complex parameters too."""
    value = start
    for _ in range(60):
        value = value - residual(value) / slope(value)
    return value


def _bisection(tolerance: float) -> Problem:
    """f = u^2, where exp(u) + u = x."""

    def solve(x: float, tolerance: float) -> float:
        low, high = -10.0, 10.0
        while high - low > tolerance:
            middle = (low + high) / 2
            low, high = (middle, high) if np.exp(middle) + middle < x else (low, middle)
        return (low + high) / 2

    def grad(x: Array) -> Array:
        u = solve(x[0], 1e-15)
        return np.array([2 * u / (np.exp(u) + 1)])

    def exact(x: Array) -> Any:
        return _newton(lambda u: np.exp(u) + u - x[0], lambda u: np.exp(u) + 1, x[0] / 2) ** 2

    x = np.array([2.3])
    return _problem(f"bisection to {tolerance:g}, n=1", lambda x: solve(x[0], tolerance) ** 2, grad, x, exact)


def _kepler(tolerance: float) -> Problem:
    """f = cos E, where E - e sin E = M; x = (M, e); fixed-point iteration."""

    def solve(x: Array, tolerance: float) -> float:
        value, change = x[0], 1.0
        while abs(change) > tolerance:
            change = x[0] + x[1] * np.sin(value) - value
            value += change
        return float(value)

    def grad(x: Array) -> Array:
        E = solve(x, 1e-15)
        return -np.sin(E) / (1 - x[1] * np.cos(E)) * np.array([1.0, np.sin(E)])

    def exact(x: Array) -> Any:
        return np.cos(_newton(lambda E: E - x[1] * np.sin(E) - x[0], lambda E: 1 - x[1] * np.cos(E), x[0]))

    x = np.array([1.1, 0.4])
    return _problem(
        f"Kepler's equation to {tolerance:g}, n=2",
        lambda x: np.cos(solve(x, tolerance)),
        grad,
        x,
        exact,
        10 * tolerance,
    )


def _conjugate_gradients(tolerance: float) -> Problem:
    """f = b'u, where (A + diag x^2) u = b."""
    rng = np.random.default_rng(71)
    half, b, x = rng.normal(size=(8, 8)), rng.normal(size=8), rng.normal(size=8)
    A = half @ half.T + np.eye(8)

    def solve(x: Array, tolerance: float) -> Array:
        M = A + np.diag(x**2)
        u, r = np.zeros(8), b.copy()
        p, size = r, r @ r
        while np.sqrt(size) > tolerance * np.linalg.norm(b):
            step = size / (p @ (M @ p))
            u, r = u + step * p, r - step * (M @ p)
            p, size = r + (r @ r) / size * p, r @ r
        return u

    def exact(x: Array) -> Any:
        # Gauss-Jordan: NumPy's solver knows no extended precision.
        M = np.column_stack([(A + np.diag(x**2)), b])
        for i in range(8):
            M[i] = M[i] / M[i, i]
            for j in range(8):
                if j != i:
                    M[j] = M[j] - M[j, i] * M[i]
        return b @ M[:, -1]

    return _problem(
        f"conjugate gradients to {tolerance:g}, n=8",
        lambda x: float(b @ solve(x, tolerance)),
        lambda x: -2 * x * np.linalg.solve(A + np.diag(x**2), b) ** 2,
        x,
        exact,
        10 * tolerance,
    )


def _power_iteration(tolerance: float) -> Problem:
    """Largest eigenvalue of A + diag x."""
    rng = np.random.default_rng(72)
    half, x = rng.normal(size=(6, 6)), rng.normal(size=6)
    A = half @ half.T

    def f(x: Array) -> float:
        v, value, change = np.ones(6), 0.0, 1.0
        while change > tolerance:
            w = (A + np.diag(x)) @ v
            size = np.linalg.norm(w)
            value, change = size, abs(size - value)
            v = w / size
        return float(value)

    def exact(x: Array) -> Any:
        M = A + np.diag(x)
        v = np.linalg.eigh((A + np.diag(x.real)).astype(float))[1][:, -1].astype(x.dtype)
        value = v @ M @ v
        for _ in range(200):
            # The Rayleigh quotient of a symmetric matrix, without conjugation: analytic in x.
            w = M @ v
            v = w / np.sqrt(w @ w)
            value = v @ M @ v
        return value

    return _problem(
        f"power iteration to {tolerance:g}, n=6",
        f,
        lambda x: np.linalg.eigh(A + np.diag(x))[1][:, -1] ** 2,
        x,
        exact,
        10 * tolerance,
    )


def _golden_section(tolerance: float) -> Problem:
    """f = min_u (u - x0)^2 + exp(x1 u): the envelope theorem gives the gradient."""

    def inner(u: Any, x: Array) -> Any:
        return (u - x[0]) ** 2 + np.exp(x[1] * u)

    def f(x: Array) -> float:
        low, high, ratio = -5.0, 5.0, (np.sqrt(5) - 1) / 2
        while high - low > tolerance:
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, right) if inner(left, x) < inner(right, x) else (left, high)
        return float(inner((low + high) / 2, x))

    def best(x: Array) -> Any:
        return _newton(
            lambda u: 2 * (u - x[0]) + x[1] * np.exp(x[1] * u),
            lambda u: 2 + x[1] ** 2 * np.exp(x[1] * u),
            x[0],
        )

    def grad(x: Array) -> Array:
        u = best(x)
        return np.array([-2 * (u - x[0]), u * np.exp(x[1] * u)])

    x = np.array([0.6, 0.9])
    return _problem(f"golden section to {tolerance:g}, n=2", f, grad, x, lambda x: inner(best(x), x))


def _integrator(tolerance: float) -> Problem:
    """Logistic growth y' = r y (1 - y) from y0 at t = 2; x = (r, y0); adaptive Runge-Kutta."""

    def f(x: Array) -> float:
        run = integrate.solve_ivp(
            lambda _t, y: x[0] * y * (1 - y), (0.0, 2.0), [x[1]], rtol=tolerance, atol=1e-12
        )
        return float(run.y[0, -1])

    def exact(x: Array) -> Any:
        growth = np.exp(2 * x[0])
        return x[1] * growth / (1 + x[1] * (growth - 1))

    def grad(x: Array) -> Array:
        growth = np.exp(2 * x[0])
        below = (1 + x[1] * (growth - 1)) ** 2
        return np.array([2 * x[1] * growth * (1 - x[1]), growth]) / below

    return _problem(
        f"adaptive integrator to {tolerance:g}, n=2", f, grad, np.array([1.3, 0.2]), exact, 10 * tolerance
    )


def _quadrature() -> Problem:
    """Integral of exp(-x t) sin 3t over t > 0, by adaptive quadrature: 3 / (x^2 + 9)."""

    def f(x: Array) -> float:
        value, _ = integrate.quad(lambda t: np.exp(-x[0] * t) * np.sin(3 * t), 0.0, 40.0, limit=200)
        return float(value)

    # The tail beyond 40 is below e^-48.
    return _problem(
        "adaptive quadrature, n=1",
        f,
        lambda x: -6 * x / (x**2 + 9) ** 2,
        np.array([1.2]),
        lambda x: 3 / (x[0] ** 2 + 9),
    )
