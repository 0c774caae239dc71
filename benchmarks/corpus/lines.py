"""Functions of one variable: the pairs on which error bars are measured.

Each is written once, for a namespace `m` that is NumPy or mpmath: float64 for the value, extended precision for the
true slope, and mpmath's own differentiation as the witness.
"""

# ruff: noqa: ARG005  (every formula takes the namespace, whether or not it needs a function from it)
from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np

from benchmarks.corpus.model import Pair

POINTS = 16  # for each function
MPMATH = SimpleNamespace(
    exp=mpmath.exp,
    log=mpmath.log,
    sin=mpmath.sin,
    cos=mpmath.cos,
    tanh=mpmath.tanh,
    sinh=mpmath.sinh,
    cosh=mpmath.cosh,
    sqrt=mpmath.sqrt,
    arctan=mpmath.atan,
)

Formula = Callable[[Any, Any], Any]

# name, f, f', and the interval of the points: "log" spreads them evenly over the decades.
FUNCTIONS: tuple[tuple[str, Formula, Formula, float, float, bool], ...] = (
    ("sin t", lambda m, t: m.sin(t), lambda m, t: m.cos(t), -6, 6, False),
    ("cos 3t", lambda m, t: m.cos(3 * t), lambda m, t: -3 * m.sin(3 * t), -3, 3, False),
    ("exp t", lambda m, t: m.exp(t), lambda m, t: m.exp(t), -8, 8, False),
    ("exp(-t^2)", lambda m, t: m.exp(-(t**2)), lambda m, t: -2 * t * m.exp(-(t**2)), -3, 3, False),
    ("tanh 2t", lambda m, t: m.tanh(2 * t), lambda m, t: 2 / m.cosh(2 * t) ** 2, -3, 3, False),
    ("cubic", lambda m, t: t**3 - 2 * t + 1, lambda m, t: 3 * t**2 - 2, -3, 3, False),
    ("t^7", lambda m, t: t**7, lambda m, t: 7 * t**6, -3, 3, False),
    ("1 / (1 + t^2)", lambda m, t: 1 / (1 + t**2), lambda m, t: -2 * t / (1 + t**2) ** 2, -5, 5, False),
    ("Runge", lambda m, t: 1 / (1 + 25 * t**2), lambda m, t: -50 * t / (1 + 25 * t**2) ** 2, -1, 1, False),
    ("1 / t", lambda m, t: 1 / t, lambda m, t: -1 / t**2, 1e-3, 1e3, True),
    ("log t", lambda m, t: m.log(t), lambda m, t: 1 / t, 1e-3, 1e3, True),
    ("sqrt t", lambda m, t: m.sqrt(t), lambda m, t: 1 / (2 * m.sqrt(t)), 1e-4, 1e4, True),
    ("t^0.3", lambda m, t: t**0.3, lambda m, t: 0.3 * t**0.3 / t, 1e-3, 1e3, True),
    ("t log t", lambda m, t: t * m.log(t), lambda m, t: m.log(t) + 1, 1e-3, 1e3, True),
    ("square", lambda m, t: t**2, lambda m, t: 2 * t, 1e-6, 1e6, True),
    ("straight line", lambda m, t: 3 * t + 2, lambda m, t: 3 + 0 * t, -1e3, 1e3, False),
    ("arctan 10t", lambda m, t: m.arctan(10 * t), lambda m, t: 10 / (1 + 100 * t**2), -1, 1, False),
    ("softplus", lambda m, t: m.log(1 + m.exp(t)), lambda m, t: 1 / (1 + m.exp(-t)), -10, 10, False),
    (
        "logistic",
        lambda m, t: 1 / (1 + m.exp(-t)),
        lambda m, t: m.exp(-t) / (1 + m.exp(-t)) ** 2,
        -15,
        15,
        False,
    ),
    ("sinh t", lambda m, t: m.sinh(t), lambda m, t: m.cosh(t), -5, 5, False),
    ("t exp(-t)", lambda m, t: t * m.exp(-t), lambda m, t: (1 - t) * m.exp(-t), -3, 10, False),
    (
        "exp(sin 5t)",
        lambda m, t: m.exp(m.sin(5 * t)),
        lambda m, t: 5 * m.cos(5 * t) * m.exp(m.sin(5 * t)),
        -2,
        2,
        False,
    ),
    ("sin t^2", lambda m, t: m.sin(t**2), lambda m, t: 2 * t * m.cos(t**2), 0.1, 6, False),
    ("sin 20t", lambda m, t: m.sin(20 * t), lambda m, t: 20 * m.cos(20 * t), -2, 2, False),
    ("sqrt(1 + t^2)", lambda m, t: m.sqrt(1 + t**2), lambda m, t: t / m.sqrt(1 + t**2), -20, 20, False),
    ("exp(1 / t)", lambda m, t: m.exp(1 / t), lambda m, t: -m.exp(1 / t) / t**2, 0.1, 10, True),
    (
        "rational",
        lambda m, t: (t**2 - 3) / (t**4 + t + 5),
        lambda m, t: (2 * t * (t**4 + t + 5) - (t**2 - 3) * (4 * t**3 + 1)) / (t**4 + t + 5) ** 2,
        -4,
        4,
        False,
    ),
)


def pairs() -> list[Pair]:
    """Every function at `POINTS` random points; each point is one that float32 holds."""
    rng = np.random.default_rng(81)
    found = []
    for name, f, slope, low, high, spread in FUNCTIONS:
        points = (
            np.exp(rng.uniform(np.log(low), np.log(high), POINTS))
            if spread
            else rng.uniform(low, high, POINTS)
        )
        found += [_pair(name, f, slope, float(np.float32(t))) for t in points]
    return found


def _pair(name: str, f: Formula, slope: Formula, t: float) -> Pair:
    def witness() -> float:
        with mpmath.workdps(40):
            return float(mpmath.diff(lambda s: f(MPMATH, s), mpmath.mpf(t)))

    true = float(slope(np, np.longdouble(t)))
    return Pair(f"{name} at {t:.4g}", "clean", lambda s: float(f(np, s)), t, true, witness)
