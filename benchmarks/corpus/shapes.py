"""Difficult shapes of a smooth function: stationary points, constants, oscillations, bad scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from benchmarks.corpus import clean, losses, smooth
from benchmarks.corpus.model import Problem, analytic, flat, in_longdouble, like

Array = np.ndarray


def problems() -> list[Problem]:
    """All of them."""
    return [*_stationary(), *_constant(), *_oscillating(), *_scaled()]


def _stationary() -> list[Problem]:
    rng = np.random.default_rng(61)
    each = smooth.elementwise
    A, b = rng.normal(size=(30, 6)), rng.normal(size=30)
    y = np.where(b > 0, 1.0, -1.0)
    logistic = losses.logistic_regression(A, y, 0.1)
    fitted = optimize.minimize(logistic[0], np.zeros(6), jac=logistic[1], method="BFGS", tol=1e-9).x
    solved = np.linalg.lstsq(A, b, rcond=None)[0]
    squares = each(lambda x: x**2, lambda x: 2 * x)
    rosen = (lambda x: optimize.rosen(x) + 1e6, optimize.rosen_der)
    cases: list[tuple[str, smooth.Functions, Array]] = [
        ("squares at 0, n=10", squares, np.zeros(10)),
        ("1e-7 times squares at 0, n=4", each(lambda x: 1e-7 * x**2, lambda x: 2e-7 * x), np.zeros(4)),
        ("scipy rosen at its minimum, n=10", (optimize.rosen, optimize.rosen_der), np.ones(10)),
        ("scipy rosen + 1e6 at its minimum, n=4", rosen, np.ones(4)),
        ("cosine at 0, n=1", each(np.cos, lambda x: -np.sin(x)), np.zeros(1)),
        ("sine near pi / 2, n=3", each(np.sin, np.cos), np.full(3, np.pi / 2)),
        ("x^4 at 0, n=5", each(lambda x: x**4, lambda x: 4 * x**3), np.zeros(5)),
        ("x^3 at 0, n=2", each(lambda x: x**3, lambda x: 3 * x**2), np.zeros(2)),
        (
            "double well at -1 and 1",
            each(lambda x: (x**2 - 1) ** 2, lambda x: 4 * x * (x**2 - 1)),
            np.array([-1.0, 1.0]),
        ),
        (
            "Gaussian bump at its top, n=3",
            each(lambda x: np.exp(-(x**2)), lambda x: -2 * x * np.exp(-(x**2))),
            np.zeros(3),
        ),
        ("saddle, n=2", (lambda x: x[0] * x[1], lambda x: x[::-1].copy()), np.zeros(2)),
        ("some coordinates at a minimum, n=6", squares, np.array([1.0, 0.0, -2.0, 0.0, 0.0, 3.0])),
        ("least squares at its solution, n=6", losses.least_squares(A, b), solved),
        ("logistic regression at its minimum, n=6", logistic, fitted),
    ]
    for k in range(1, 9):
        at = rng.normal(size=4) * 10.0 ** (k - 4)
        shifted = each(lambda x, at=at: np.cosh(x - at), lambda x, at=at: np.sinh(x - at))
        cases.append((f"cosh about a minimum of size 1e{k - 4}, n=4", shifted, at))
        bump = each(
            lambda x, at=at: np.exp(-((x - at) ** 2)),
            lambda x, at=at: -2 * (x - at) * np.exp(-((x - at) ** 2)),
        )
        cases.append((f"Gaussian bumps about a top of size 1e{k - 4}, n=4", bump, at))
    return [analytic(name, functions, x, "stationary", "stationary point") for name, functions, x in cases]


def _constant() -> list[Problem]:
    zeros = np.zeros_like
    cases: list[tuple[str, Any, Array]] = [
        ("constant 3, n=1", lambda _x: 3.0, np.array([0.5])),
        ("constant 0, n=5", lambda _x: 0.0, np.arange(5.0)),
        ("constant 1e6, n=3", lambda _x: 1e6, np.ones(3)),
        ("rounded to an integer, n=2", lambda x: float(np.sum(np.round(x))), np.array([0.2, 3.1])),
        ("sign, n=3", lambda x: float(np.sum(np.sign(x))), np.array([1.0, -2.0, 0.5])),
    ]
    return [
        Problem(
            name, "constant", f, zeros, x, np.zeros_like(x), lambda x=x: np.zeros_like(x), "constant around x"
        )
        for name, f, x in cases
    ]


def _ripple(k: float, height: float) -> smooth.Functions:
    """Exponential with a ripple of a small height and, for its speed, a large slope."""
    return smooth.elementwise(
        lambda x: np.exp(x) + height * np.sin(k * x), lambda x: np.exp(x) + height * k * np.cos(k * x)
    )


def _oscillating() -> list[Problem]:
    rng = np.random.default_rng(62)
    each = smooth.elementwise
    five, twenty = rng.normal(size=5), rng.normal(size=20)
    rastrigin = each(
        lambda x: x**2 + 10 * (1 - np.cos(2 * np.pi * x)),
        lambda x: 2 * x + 20 * np.pi * np.sin(2 * np.pi * x),
    )
    # Several points for each speed: whether a step meets the period is luck.
    points = {"": five} | {f", point {k}": rng.normal(size=5) for k in range(2, 9)}
    cases = [
        (
            f"sine of {k:g} x, n=5{which}",
            each(lambda x, k=k: np.sin(k * x), lambda x, k=k: k * np.cos(k * x)),
            x,
        )
        for k in (10.0, 1e2, 1e3, 1e4, 1e5)
        for which, x in points.items()
    ]
    cases += [
        ("Rastrigin, n=5", rastrigin, five),
        ("Rastrigin, n=20", rastrigin, twenty),
        (
            "sin(x^2) at 30, n=1",
            each(lambda x: np.sin(x**2), lambda x: 2 * x * np.cos(x**2)),
            np.array([30.1]),
        ),
        (
            "sin(1/x) at 0.05, n=1",
            each(lambda x: np.sin(1 / x), lambda x: -np.cos(1 / x) / x**2),
            np.array([0.05]),
        ),
        (
            "sin(1/x) at 0.003, n=1",
            each(lambda x: np.sin(1 / x), lambda x: -np.cos(1 / x) / x**2),
            np.array([0.003]),
        ),
        ("ripple, k=1e2, height 1e-2, n=5", _ripple(1e2, 1e-2), five),
        ("ripple, k=1e3, height 1e-3, n=5", _ripple(1e3, 1e-3), five),
        ("ripple, k=1e4, height 1e-4, n=5", _ripple(1e4, 1e-4), five),
    ]
    return [analytic(name, functions, x, "oscillating", "oscillates") for name, functions, x in cases]


def rescaled(p: Problem, scale: Array, name: str) -> Problem:
    """Measure x of a clean problem in other units: f(x / scale) at scale * x."""
    x = like(p.x, flat(p.x) * scale)
    units = like(p.x, np.broadcast_to(scale, (p.n,)))

    def f(x: Any) -> float:
        return p.f(like(x, flat(x) / flat(units)))

    def grad(x: Any) -> Any:
        return like(x, flat(p.grad(like(x, flat(x) / flat(units)))) / flat(units))

    def witness() -> Any:
        return like(x, flat(p.witness()) / flat(units))

    # x / scale need not be the original x to the last bit: the truth is taken where f really is evaluated.
    true = like(x, flat(in_longdouble(p.grad, like(p.x, flat(x) / flat(units)))) / flat(units))
    return Problem(f"{p.name}, {name}", "badly scaled", f, grad, x, true, witness, name)


def _scaled() -> list[Problem]:
    rng = np.random.default_rng(63)
    bases = {p.name: p for p in clean.problems()}
    chosen = [
        "Rosenbrock pairs, a=1e4, n=20",
        "logistic regression, n=10",
        "log-sum-exp, n=5",
        "tanh network, n=39",
    ]
    found = []
    for base in (bases[name] for name in chosen):
        for size in (1e-8, 1e-4, 1e4, 1e8):
            found.append(rescaled(base, np.full(base.n, size), f"x in units of {size:g}"))
        found.append(rescaled(base, 10.0 ** rng.uniform(-8, 8, base.n), "units from 1e-8 to 1e8"))
    each, angles, decades = smooth.elementwise, np.array([0.1, 1.7, 2.9]), 10.0 ** np.arange(-8, 9)
    squares, reciprocals = each(lambda x: x**2, lambda x: 2 * x), each(lambda x: 1 / x, lambda x: -1 / x**2)
    cases: list[tuple[str, smooth.Functions, Array]] = [
        ("sine near 1e6, n=3", each(np.sin, np.cos), 1e6 + angles)
    ]
    for size in (1e8, 1e-8):
        sines = each(lambda x, c=size: c * np.sin(x), lambda x, c=size: c * np.cos(x))
        cases.append((f"{size:g} times sines, n=3", sines, angles))
    cases.append(("squares from 1e-8 to 1e8, n=17", squares, decades))
    cases.append(("reciprocals from 1e-8 to 1e8, n=17", reciprocals, decades))
    return found + [analytic(name, functions, x, "badly scaled", name) for name, functions, x in cases]
