"""Near the edge of the domain, and on it: beyond, f is nan, or raises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.corpus import smooth
from benchmarks.corpus.model import Problem, complex_step, in_longdouble

Array = np.ndarray
DISTANCES = (1e-3, 1e-4, 1e-6, 1e-8, 1e-10)


def problems() -> list[Problem]:
    """Every function at every distance from its edge, and some points on the edge."""
    return [*_near(), *_on()]


def _quiet(f: Callable[[Any], Any]) -> Callable[[Any], float]:
    """Give nan outside the domain without NumPy's warning."""

    def quiet(x: Any) -> float:
        with np.errstate(all="ignore"):
            return float(f(x))

    return quiet


def ball_barrier() -> smooth.Functions:
    """-log(1 - |x|^2): defined inside the unit ball."""
    return lambda x: -np.log(1 - np.sum(x**2)), lambda x: 2 * x / (1 - np.sum(x**2))


def barrier(A: Array, b: Array) -> smooth.Functions:
    """-sum log(b - Ax): the barrier of a polytope."""

    def slack(x: Array) -> Array:
        return b.astype(x.dtype) - A.astype(x.dtype) @ x

    return lambda x: -np.sum(np.log(slack(x))), lambda x: A.astype(x.dtype).T @ (1 / slack(x))


def _near() -> list[Problem]:
    rng = np.random.default_rng(51)
    each = smooth.elementwise
    A = rng.normal(size=(6, 4))
    towards = A[0] / (A[0] @ A[0])
    # The first face is one unit away along `towards`, the others are a unit beyond its foot.
    b = np.append(1.0, 1 + np.abs(A[1:] @ towards))
    inside, sphere = rng.uniform(0.5, 2.0, size=5), np.array([0.48, -0.6, 0.64])
    logarithm = each(np.log, lambda x: 1 / x)
    root = each(np.sqrt, lambda x: 1 / (2 * np.sqrt(x)))
    entropy = each(lambda x: x * np.log(x), lambda x: np.log(x) + 1)
    found = []
    for d in DISTANCES:
        near: list[tuple[str, smooth.Functions, Array]] = [
            ("log x", logarithm, np.array([d])),
            ("log(x - 1)", each(lambda x: np.log(x - 1), lambda x: 1 / (x - 1)), np.array([1 + d])),
            ("sum of logarithms, n=5", logarithm, np.append(inside[:4], d)),
            ("square root", root, np.array([d])),
            ("entropy, n=5", entropy, np.append(inside[:4], d)),
            ("arcsin", each(np.arcsin, lambda x: 1 / np.sqrt((1 - x) * (1 + x))), np.array([1 - d])),
            ("ball barrier, n=3", ball_barrier(), sphere * (1 - d)),
            ("polytope barrier, n=4", barrier(A, b), towards * (1 - d)),
        ]
        for name, (f, grad), x in near:
            found.append(
                Problem(
                    f"{name}, {d:.0e} from the edge",
                    "domain edge",
                    _quiet(f),
                    grad,
                    x,
                    in_longdouble(grad, x),
                    lambda f=f, x=x: complex_step(f, x),
                    f"domain ends at distance {d:g}",
                )
            )
        found.append(_raising(d))
    return found


def _raising(d: float) -> Problem:
    """Take the logarithm of `math`, which raises ValueError where NumPy's gives nan."""
    f, grad = smooth.elementwise(np.log, lambda x: 1 / x)
    x = np.array([d])
    return Problem(
        f"math.log, {d:.0e} from the edge",
        "domain edge",
        lambda x: math.log(x[0]),
        grad,
        x,
        in_longdouble(grad, x),
        lambda: complex_step(f, x),
        f"raises at distance {d:g}",
    )


def _on() -> list[Problem]:
    """On the edge only a one-sided derivative exists; here it is finite, and it is the gradient."""

    def on_edge(name: str, f: Any, grad: Any, x: Array, witness: Array) -> Problem:
        return Problem(
            name, "domain edge", _quiet(f), grad, x, in_longdouble(grad, x), lambda: witness, "x on the edge"
        )

    def half_line(x: Array) -> Any:
        return np.sum(np.where(x >= 0, np.exp(x), np.nan))

    return [
        on_edge("x^1.5 at 0", lambda x: np.sum(x**1.5), lambda x: 1.5 * np.sqrt(x), np.zeros(1), np.zeros(1)),
        on_edge(
            "exp on a half line, at its end", half_line, np.exp, np.array([0.0, 1.0]), np.array([1.0, math.e])
        ),
        on_edge(
            "x^2.5 + x at 0",
            lambda x: np.sum(x**2.5 + x),
            lambda x: 2.5 * x**1.5 + 1,
            np.array([0.0, 0.5]),
            np.array([1.0, 1 + 2.5 * 0.5**1.5]),
        ),
    ]
