"""Are the words right that a report says of a mistake? `python -m benchmarks.words` prints it (docs/diagnosis.md).

Mistakes that people make are planted in gradients, Jacobians, Hessians and backward products of several maps and sizes,
and as many that no simple explanation fits. An explanation is true if its kind is one of those written beside the
mistake. What only describes (one entry scaled, one row, a jump of f) counts as no explanation.
Options: --every K takes each K-th case; --sample N takes N at random, the same each time; --show prints those that fall
short.
"""

# A mistake is given the derivative, x and a generator, whatever it takes of them.
# ruff: noqa: ARG001, ARG005 -- one signature for all mistakes

from __future__ import annotations

import argparse
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import gradcheck
from gradcheck.results.cause import Kind

Array = Any
Change = Callable[[Array, Array, np.random.Generator], Array | None]

SEED = 20
# Entries from which on a problem is large.
LARGE = 5_000
# Up to so many entries every one is looked at where much is wrong.
FULL = 100


@dataclass(frozen=True)
class Problem:
    """A right derivative at x, and the check of a wrong one.

    right : the derivative, an array of any shape. run(derivative) checks another function of x.
    matrix : whether it is a Jacobian or the like. every : large ones take each so-many-th mistake. own : mistakes that
    only this map can have; it gets no others.
    """

    name: str
    x: Array
    right: Callable[[Array], Array]
    run: Callable[[Callable[[Array], Array]], gradcheck.Report]
    matrix: bool
    every: int = 1
    own: tuple[Mistake, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """What goes wrong. change(derivative, x, rng) is the wrong one, None where it changes nothing.

    kinds : the explanations that are true of it; empty where there is none. where : "gradient", "matrix", or "".
    """

    name: str
    change: Change
    kinds: tuple[Kind, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Case:
    """One problem with one mistake, and what was said."""

    problem: str
    mistake: Mistake
    outcome: str
    said: tuple[str, ...]
    true: int
    false: int


# Problems


def _gradient(name: str, f: Callable[[Array], float], grad: Callable[[Array], Array], x: Array) -> Problem:
    def run(derivative: Callable[[Array], Array]) -> gradcheck.Report:
        return gradcheck.check_gradient(f, derivative, x)

    return Problem(f"gradient {name}", x, grad, run, matrix=False, every=1 if x.size < LARGE else 8)


def gradients(rng: np.random.Generator) -> Iterator[Problem]:
    """Gradients of arrays of several shapes, separable and coupled."""
    for shape in ((9,), (30,), (4, 5), (6, 6), (3, 2, 3, 3), (400,), (20, 30), (250, 400)):
        a, x = rng.normal(size=shape), rng.normal(size=shape)
        b = rng.normal(size=shape) / math.sqrt(x.size)

        def f(x: Array, a: Array = a, b: Array = b) -> float:
            return float(np.sum(a * np.sin(x)) + 0.5 * np.sum(b * x) ** 2 + 0.25 * np.sum(x**4) / x.size)

        def grad(x: Array, a: Array = a, b: Array = b) -> Array:
            return a * np.cos(x) + np.sum(b * x) * b + x**3 / x.size

        yield _gradient(f"{shape}", f, grad, x)

    for n, k in ((6, 4), (25, 20)):
        inputs, x = rng.normal(size=(3 * n, n)), rng.normal(size=(n, k)) / math.sqrt(n)
        labels = np.eye(k)[rng.integers(0, k, 3 * n)]

        def loss(w: Array, inputs: Array = inputs, labels: Array = labels) -> float:
            z = inputs @ w
            return float(np.mean(np.log(np.exp(z).sum(1)) - np.sum(labels * z, 1)) + 0.1 * np.sum(w**3))

        def backward(w: Array, inputs: Array = inputs, labels: Array = labels) -> Array:
            return inputs.T @ (_softmax(inputs @ w) - labels) / len(inputs) + 0.3 * w**2

        yield _gradient(f"of a classifier ({n}, {k})", loss, backward, x)


def matrices(rng: np.random.Generator) -> Iterator[Problem]:
    """Jacobians by entries, as backward products, and Hessians."""
    for m, n in ((6, 6), (5, 8), (12, 12), (40, 250)):
        a, x = rng.normal(size=(m, n)) / math.sqrt(n), rng.normal(size=n)

        def f(x: Array, a: Array = a) -> Array:
            return np.tanh(a @ x) + 0.1 * a @ (x * x)

        def jac(x: Array, a: Array = a) -> Array:
            return (1.0 - np.tanh(a @ x) ** 2)[:, None] * a + 0.2 * a * x

        yield _matrix(f"jacobian {m} x {n}", f, jac, x)
        yield _products(f"vjp {m} x {n}", f, jac, x)
    for m, n in ((7, 7), (120, 9)):
        a, b, x = rng.normal(size=(m, n)) / n, rng.normal(size=(m, n)) / n, rng.normal(size=n)

        def g(x: Array, a: Array = a, b: Array = b) -> Array:
            return np.exp(a @ x) * np.cos(b @ x)

        def jac_g(x: Array, a: Array = a, b: Array = b) -> Array:
            size = np.exp(a @ x)[:, None]
            return size * (np.cos(b @ x)[:, None] * a - np.sin(b @ x)[:, None] * b)

        yield _matrix(f"jacobian of waves {m} x {n}", g, jac_g, x)
        yield _products(f"vjp of waves {m} x {n}", g, jac_g, x)
        yield _forward(f"jvp of waves {m} x {n}", g, jac_g, x)
    for n in (6, 12, 120):
        a, x = rng.normal(size=(n, n)) / math.sqrt(n), rng.normal(size=n)
        h = a @ a.T

        def grad(x: Array, h: Array = h) -> Array:
            return h @ x + x**3 / 3.0 + np.sum(x) * x + 0.5 * np.sum(x * x)

        def hess(x: Array, h: Array = h) -> Array:
            ones = np.ones(x.size)
            return h + np.diag(x * x + np.sum(x)) + np.outer(x, ones) + np.outer(ones, x)

        yield _hessian(f"hessian {n}", grad, hess, x)


def _matrix(name: str, f: Callable[[Array], Array], jac: Callable[[Array], Array], x: Array) -> Problem:
    def run(derivative: Callable[[Array], Array]) -> gradcheck.Report:
        return gradcheck.check_jacobian(f, derivative, x)

    return Problem(name, x, jac, run, matrix=True, every=1 if x.size < 100 else 3)


def _products(name: str, f: Callable[[Array], Array], jac: Callable[[Array], Array], x: Array) -> Problem:
    def run(derivative: Callable[[Array], Array]) -> gradcheck.Report:
        return gradcheck.check_vjp(f, lambda x, u: derivative(x).T @ u, x)

    return Problem(name, x, jac, run, matrix=True, every=1 if x.size < 100 else 3)


def _forward(name: str, f: Callable[[Array], Array], jac: Callable[[Array], Array], x: Array) -> Problem:
    def run(derivative: Callable[[Array], Array]) -> gradcheck.Report:
        return gradcheck.check_jvp(f, lambda x, v: derivative(x) @ v, x)

    return Problem(name, x, jac, run, matrix=True)


def _hessian(name: str, grad: Callable[[Array], Array], hess: Callable[[Array], Array], x: Array) -> Problem:
    def run(derivative: Callable[[Array], Array]) -> gradcheck.Report:
        return gradcheck.check_hessian(grad, derivative, x)

    return Problem(name, x, hess, run, matrix=True, every=1 if x.size < 100 else 3)


# Maps with mistakes of their own


def _softmax(z: Array, axis: int = -1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _given(problem: Problem, *mistakes: tuple[str, Callable[[Array], Array], Kind]) -> Problem:
    """A map with the derivatives, functions of x, that people take for its own."""
    # Entries of a matrix that are not kept are zeros that should be none: both are said.
    own = [
        Mistake(
            name, lambda d, x, rng, wrong=wrong: wrong(x), (kind, *(ZERO if "assigned, the" in name else ()))
        )
        for name, wrong, kind in mistakes
    ]
    spoilt = [Mistake(f"{m.name}, spoilt", _spoilt(m.change)) for m in own]
    return replace(problem, own=(*own, *spoilt), every=1)


def _weighted_sines(a: Array) -> tuple[Callable[[Array], float], Callable[[Array], Array]]:
    """The sum of a sin u, and its gradient."""
    return (lambda u: float(np.sum(a * np.sin(u)))), (lambda u: np.asarray(a * np.cos(u)))


def special(rng: np.random.Generator) -> Iterator[Problem]:
    """What only some functions let one do wrong: norms, means, softmaxes, clamps, logarithms, sums over indices."""
    for shape in ((5, 4), (12, 30)):
        a, x = rng.normal(size=shape), rng.normal(size=shape)
        of, by = _weighted_sines(a)

        def centre(x: Array) -> Array:
            return x - x.mean(0)

        def unit(x: Array) -> Array:
            return x / np.linalg.norm(x, axis=1, keepdims=True)

        def unit_of(x: Array, by: Any = by) -> Array:
            return by(unit(x)) / np.linalg.norm(x, axis=1, keepdims=True)

        def standard(x: Array) -> Array:
            return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)

        def standard_of(x: Array, by: Any = by) -> Array:
            return by(standard(x)) / x.std(1, keepdims=True)

        def off_x(x: Array, u: Array) -> Array:
            return u - np.sum(u * x, 1, keepdims=True) / np.sum(x * x, 1, keepdims=True) * x

        def of_softmax(x: Array, a: Array = a) -> Array:
            p = _softmax(x)
            return p * (a - np.sum(p * a, 1, keepdims=True))

        yield _given(
            _gradient(
                f"centred {shape}", lambda x, of=of: of(centre(x)), lambda x, by=by: centre(by(centre(x))), x
            ),
            ("a mean not differentiated", lambda x, by=by: by(centre(x)), Kind.NOT_CENTRED),
        )
        yield _given(
            _gradient(
                f"unit rows {shape}", lambda x, of=of: of(unit(x)), lambda x, u=unit_of: off_x(x, u(x)), x
            ),
            ("a norm not differentiated", unit_of, Kind.NOT_PROJECTED),
        )
        yield _given(
            _gradient(
                f"normalised rows {shape}",
                lambda x, of=of: of(standard(x)),
                lambda x, u=standard_of: off_x(standard(x), u(x) - u(x).mean(1, keepdims=True)),
                x,
            ),
            ("a normalisation not differentiated", standard_of, Kind.NOT_NORMALISED),
        )
        yield _given(
            _gradient(f"softmax {shape}", lambda x, a=a: float(np.sum(a * _softmax(x))), of_softmax, x),
            ("a softmax without its sum", lambda x, a=a: a * _softmax(x), Kind.SOFTMAX),
            ("a softmax, its diagonal", lambda x, a=a: a * _softmax(x) * (1 - _softmax(x)), Kind.SOFTMAX),
        )
        yield _given(
            _gradient(
                f"clamped {shape}", lambda x, of=of: of(np.clip(x, -0.8, 0.8)),
                lambda x, by=by: by(np.clip(x, -0.8, 0.8)) * (np.abs(x) < 0.8), x,
            ),
            ("a clamp not differentiated", lambda x, by=by: by(np.clip(x, -0.8, 0.8)), Kind.UNUSED),
        )  # fmt: skip
        yield _given(
            _gradient(
                f"logarithms {shape}", lambda x, a=a: float(np.sum(a * np.log(x + 1e-3))),
                lambda x, a=a: a / (x + 1e-3), rng.uniform(0.01, 1.0, shape),
            ),
            ("a constant in a logarithm", lambda x, a=a: a / x, Kind.DELTA),
        )  # fmt: skip
        yield _given(
            _gradient(f"sines {shape}", of, by, x),
            (
                "a difference quotient",
                lambda x, a=a: a * (np.sin(x + 1e-3) - np.sin(x)) / 1e-3,
                Kind.DIFFERENCE,
            ),
        )
        counts = rng.integers(1, 4, shape)
        yield _given(
            _gradient(
                f"repeated indices {shape}", lambda x, of=of, c=counts: of(x) * 0.0 + float(np.sum(c * np.sin(x))),
                lambda x, c=counts: c * np.cos(x), x,
            ),
            ("assigned, not added", np.cos, Kind.MULTIPLE),
        )  # fmt: skip
    for m, n in ((9, 6), (4, 7)):
        a, x = rng.normal(size=(m, n)), rng.normal(size=n)

        def jac(x: Array, a: Array = a) -> Array:
            return (1.0 - np.tanh(a @ x) ** 2)[:, None] * a

        def grad(x: Array, a: Array = a, jac: Any = jac) -> Array:
            return jac(x).T @ (np.tanh(a @ x) - 3.0)

        def hess(x: Array, a: Array = a, jac: Any = jac) -> Array:
            t = np.tanh(a @ x)
            return jac(x).T @ jac(x) + (a.T * ((t - 3.0) * -2.0 * t * (1.0 - t**2))) @ a

        gauss_newton = ("Gauss-Newton", lambda x, jac=jac: jac(x).T @ jac(x), Kind.GAUSS_NEWTON)
        yield _given(_hessian(f"residuals {m} x {n}", grad, hess, x), gauss_newton)
    for n in (6, 150):
        x = rng.normal(size=n)

        def jac_softmax(x: Array) -> Array:
            p = _softmax(x)
            return np.diag(p) - np.outer(p, p)

        without = ("a softmax without its sum", lambda x: np.diag(_softmax(x)), Kind.SOFTMAX)
        for make, what in ((_matrix, "jacobian"), (_products, "vjp")):
            yield _given(make(f"{what} of softmax {n}", _softmax, jac_softmax, x), without)

    for n, indices in (
        (8, (0, 1, 1, 3, 3, 3, 4, 5, 6, 6, 7, 7, 2, 5, 1, 0)),
        (9, tuple(k + w for k in range(7) for w in range(3))),
    ):
        weights, x, at = rng.normal(size=len(indices)), rng.normal(size=n), np.array(indices)
        outputs = len(at) if len(at) < 20 else 7

        def gather(x: Array, w: Array = weights, at: Array = at, m: int = outputs) -> Array:
            return np.tanh((w * x[at]).reshape(m, -1).sum(1))

        def jac_gather(
            x: Array, w: Array = weights, at: Array = at, m: int = outputs, g: Any = gather
        ) -> Array:
            jac = np.zeros((m, x.size))
            np.add.at(jac, (np.repeat(np.arange(m), at.size // m), at), w)
            return (1.0 - g(x) ** 2)[:, None] * jac

        def last(x: Array, jac: Any = jac_gather) -> Array:
            right = jac(x)
            later = np.cumsum((right != 0)[::-1], axis=0)[::-1]
            return np.where(later == 1, right, 0.0)

        for make, what in ((_matrix, "jacobian"), (_products, "vjp")):
            wrong = ("assigned, the last stays", last, Kind.MULTIPLE)
            yield _given(make(f"{what} of gathered {outputs}", gather, jac_gather, x), wrong)

    yield from _of_training(rng)


def _of_training(rng: np.random.Generator) -> Iterator[Problem]:
    """What is done to gradients for a training, and the normalisations that libraries have."""
    for shape in ((5, 4), (12, 30)):
        a, x = rng.normal(size=shape), rng.normal(size=shape)
        of, by = _weighted_sines(a)

        def spread(x: Array) -> Array:
            return np.sqrt(x.var(0) + 1e-5)

        def standard(x: Array, spread: Any = spread) -> Array:
            return (x - x.mean(0)) / spread(x)

        def outer(x: Array, by: Any = by, h: Any = standard) -> Array:
            return by(h(x))

        yield _given(
            _gradient(f"changed {shape}", of, by, x),
            ("clipped", lambda x, by=by: np.clip(by(x), -0.5, 0.5), Kind.CLIPPED),
            ("of length 1", lambda x, by=by: by(x) / np.linalg.norm(by(x)), Kind.FACTOR),
        )
        yield _given(
            _gradient(
                f"batch normalisation {shape}",
                lambda x, of=of, h=standard: of(h(x)),
                lambda x, d=outer, h=standard, s=spread: (
                    (d(x) - d(x).mean(0) - h(x) * (d(x) * h(x)).mean(0)) / s(x)
                ),
                x,
            ),
            ("a batch as constants", lambda x, d=outer, s=spread: d(x) / s(x), Kind.NOT_NORMALISED),
            (
                "a deviation as constant",
                lambda x, d=outer, s=spread: (d(x) - d(x).mean(0)) / s(x),
                Kind.NOT_SCALED,
            ),
        )
        yield _given(
            _gradient(
                f"softmax of a function {shape}",
                lambda x, of=of: of(3.0 * _softmax(x)),
                lambda x, by=by: (
                    3.0
                    * _softmax(x)
                    * (by(3.0 * _softmax(x)) - np.sum(_softmax(x) * by(3.0 * _softmax(x)), 1, keepdims=True))
                ),
                x,
            ),
            ("by the values of a softmax", lambda x, by=by: 3.0 * by(3.0 * _softmax(x)), Kind.SOFTMAX),
        )
        yield _given(
            _gradient(
                f"sigmoids {shape}",
                lambda x, a=a: float(np.sum(a / (1.0 + np.exp(-x)))),
                lambda x, a=a: a * np.exp(-x) / (1.0 + np.exp(-x)) ** 2,
                x,
            ),
            ("a sigmoid not differentiated", lambda x, a=a: a + 0.0 * x, Kind.PARAMETRISATION),
        )


# Mistakes that have an explanation


def put(array: Array, index: Any, by: Callable[[Array], Array]) -> Array:
    """A copy with one part changed."""
    out = array.copy()
    out[index] = by(out[index])
    return out


def _part(
    make: Callable[[Array, np.random.Generator], Any], by: Callable[[Array], Array], dims: int = 1
) -> Change:
    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        return put(d, make(d, rng), by) if d.ndim >= dims else None

    return change


def _entry(d: Array, rng: np.random.Generator) -> Any:
    return tuple(int(rng.integers(n)) for n in d.shape)


def _row(d: Array, rng: np.random.Generator) -> Any:
    return int(rng.integers(d.shape[0]))


def _column(d: Array, rng: np.random.Generator) -> Any:
    return (..., int(rng.integers(d.shape[-1])))


def _block(d: Array, rng: np.random.Generator) -> Any:
    return tuple(slice(n // 4, n // 4 + max(2, n // 3)) for n in d.shape)


def _times(c: float) -> Callable[[Array], Array]:
    return lambda part: c * part


def _whole(by: Callable[[Array], Array], dims: int = 1) -> Change:
    return lambda d, x, rng: by(d) if d.ndim >= dims else None


def _square(by: Callable[[Array], Array]) -> Change:
    return lambda d, x, rng: by(d) if d.ndim == 2 and d.shape[0] == d.shape[1] else None


def _swapped(axis: int | None) -> Change:
    """Two entries, or two lines along an axis, in each other's place."""

    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if axis is None:
            i, k = rng.choice(d.size, 2, replace=False)
            flat = d.ravel().copy()
            flat[[i, k]] = flat[[k, i]]
            return flat.reshape(d.shape)
        if d.ndim < 2:
            return None
        order = np.arange(d.shape[axis])
        i, k = rng.choice(order, 2, replace=False)
        order[[i, k]] = order[[k, i]]
        return np.take(d, order, axis)

    return change


def _shuffled(axis: int | None) -> Change:
    """All entries, or all lines along an axis, in another order."""

    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if axis is None:
            return rng.permutation(d.ravel()).reshape(d.shape)
        return np.take(d, rng.permutation(d.shape[axis]), axis) if d.ndim > 1 and d.shape[axis] > 3 else None

    return change


def _cycle(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
    if d.ndim < 2 or d.shape[0] < 4:
        return None
    order = np.arange(d.shape[0])
    a, b, c = rng.choice(order, 3, replace=False)
    order[[a, b, c]] = order[[b, c, a]]
    return d[order]


def _scaled_lines(axis: int) -> Change:
    """Each row, or column, with a factor of its own. Of large arrays not every entry is looked at."""

    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if d.ndim != 2 or d.size > FULL or min(d.shape) < 3:
            return None
        factors = rng.uniform(0.5, 2.0, d.shape[axis])
        return d * (factors[:, None] if axis == 0 else factors)

    return change


def _some_rows(by: Callable[[Array], Array]) -> Change:
    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if d.ndim != 2 or d.size > FULL or len(d) < 6:
            return None
        return put(d, rng.choice(len(d), 3, replace=False), by)

    return change


def _ratio(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
    return d * d.shape[0] / d.shape[-1] if d.ndim > 1 and d.shape[0] != d.shape[-1] else None


def _counted(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
    times = rng.integers(1, 4, d.shape)
    times.ravel()[:2] = 2, 3
    return d * times if d.size <= FULL else None


def _off_x(d: Array, x: Array, axis: int | None, sign: float) -> Array:
    along = np.sum(d * x, axis=axis, keepdims=True) / np.sum(x * x, axis=axis, keepdims=True) * x
    return d - along if sign < 0 else along


def _projected_rows(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
    return _off_x(d, x, 1, -1.0) if d.ndim == 2 else None


def _by_x(t: Callable[[Array], Array]) -> Change:
    return lambda d, x, rng: d * t(x)


def _reduced(reduce: Callable[..., Array], axis: int | None) -> Change:
    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if axis is not None and d.ndim < 2:
            return None
        return np.broadcast_to(reduce(d, axis=axis, keepdims=True), d.shape).copy()

    return change


ORDER = (Kind.REVERSED, Kind.SHIFTED, Kind.EXCHANGED, Kind.LINES, Kind.REORDERED, Kind.TRANSPOSED, Kind.PERMUTED,
         Kind.BY_COLUMNS, Kind.BY_ROWS)  # fmt: skip
FACTOR = (Kind.FACTOR,)
ZERO = (Kind.ZERO,)
FACTORS = {"2": 2.0, "1/2": 0.5, "100": 100.0, "1/100": 0.01, "32": 32.0, "1/32": 1 / 32, "1.1": 1.1, "0.9": 0.9,
           "-3": -3.0, "1.001": 1.001, "ln 10": math.log(10), "1/ln 10": 1 / math.log(10), "ln 2": math.log(2),
           "pi/180": math.pi / 180, "180/pi": 180 / math.pi, "2 pi": 2 * math.pi, "1/pi": 1 / math.pi}  # fmt: skip
CHAINS: dict[str, Callable[[Array], Array]] = {
    "x": lambda x: x, "1/x": lambda x: 1 / x, "2x": lambda x: 2 * x, "1/(2x)": lambda x: 0.5 / x,
    "exp(x)": np.exp, "exp(-x)": lambda x: np.exp(-x), "x(1-x)": lambda x: x * (1 - x), "x^2": lambda x: x**2,
    "1-x^2": lambda x: 1 - x**2, "-x^2": lambda x: -(x**2), "x ln 10": lambda x: x * math.log(10.0),
}  # fmt: skip


def explainable() -> list[Mistake]:
    """At least sixty mistakes, each with the explanations that are true of it."""
    out = [Mistake("sign", _whole(np.negative), (Kind.SIGN,))]
    out += [Mistake(f"all x {name}", _whole(_times(c)), FACTOR) for name, c in FACTORS.items()]
    out += [
        Mistake("all x N", lambda d, x, rng: d * d.shape[-1], FACTOR),
        Mistake("all x 1/N", lambda d, x, rng: d / d.shape[0], FACTOR),
        Mistake("all 0", _whole(np.zeros_like), ZERO),
        Mistake("an entry 0", _part(_entry, np.zeros_like), ZERO),
        Mistake("an entry negated", _part(_entry, np.negative), (Kind.SIGN,)),
        Mistake("an entry x 2", _part(_entry, _times(2.0)), FACTOR),
        Mistake("an entry x 1/2", _part(_entry, _times(0.5)), FACTOR),
        Mistake("a row 0", _part(_row, np.zeros_like, 2), ZERO),
        Mistake("a column 0", _part(_column, np.zeros_like, 2), ZERO),
        Mistake("a row negated", _part(_row, np.negative, 2), (Kind.SIGN,)),
        Mistake("a column negated", _part(_column, np.negative, 2), (Kind.SIGN,)),
        Mistake("a row x 2", _part(_row, _times(2.0), 2), FACTOR),
        Mistake("a column x 1.1", _part(_column, _times(1.1), 2), FACTOR),
        Mistake("a block 0", _part(_block, np.zeros_like), ZERO),
        Mistake("a block negated", _part(_block, np.negative), (Kind.SIGN,)),
        Mistake("a block x 3", _part(_block, _times(3.0)), FACTOR),
        Mistake("transposed", _square(np.transpose), (Kind.TRANSPOSED,)),
        Mistake("axes exchanged", lambda d, x, rng: d.swapaxes(-1, -2).copy() if d.ndim > 2 else None, ORDER),
        Mistake("by columns", _whole(lambda d: d.T.reshape(d.shape), 2), ORDER),
        Mistake("by rows", _whole(lambda d: d.reshape(d.shape[::-1]).T, 2), ORDER),
        Mistake("flipped", _whole(np.flip), ORDER),
        Mistake("flipped, first axis", _whole(lambda d: np.flip(d, 0)), ORDER),
        Mistake("flipped, last axis", _whole(lambda d: np.flip(d, -1)), ORDER),
        Mistake("flipped, last two axes", _whole(lambda d: np.flip(d, (-2, -1)), 3), ORDER),
        Mistake("rolled", _whole(lambda d: np.roll(d, 1)), ORDER),
        Mistake("rolled by -2", _whole(lambda d: np.roll(d, -2)), ORDER),
        Mistake("rolled along the first axis", _whole(lambda d: np.roll(d, 1, 0), 2), ORDER),
        Mistake("rolled along the last axis", _whole(lambda d: np.roll(d, -1, -1), 2), ORDER),
        Mistake("two entries exchanged", _swapped(None), ORDER),
        Mistake("two rows exchanged", _swapped(0), ORDER),
        Mistake("two columns exchanged", _swapped(-1), ORDER),
        Mistake("three rows in a cycle", _cycle, ORDER),
        Mistake("rows in another order", _shuffled(0), ORDER),
        Mistake("columns in another order", _shuffled(-1), ORDER),
        Mistake("sum over everything", _reduced(np.sum, None), (Kind.REDUCED, Kind.REPEATED)),
        Mistake("mean over everything", _reduced(np.mean, None), (Kind.REDUCED, Kind.REPEATED)),
        Mistake("sum over the rows", _reduced(np.sum, 0), (Kind.REDUCED, Kind.REPEATED)),
        Mistake("mean over the columns", _reduced(np.mean, 1), (Kind.REDUCED, Kind.REPEATED)),
        Mistake("a constant added", lambda d, x, rng: d + 0.25, (Kind.OFFSET,)),
        Mistake("a constant left out", lambda d, x, rng: d - 0.031, (Kind.OFFSET,)),
        Mistake("the lower triangle alone", _square(np.tril), ZERO),
        Mistake("the upper triangle alone", _square(np.triu), ZERO),
        Mistake("the diagonal alone", _square(lambda d: np.diag(np.diag(d))), ZERO),
        Mistake("the diagonal 0", _square(lambda d: d - np.diag(np.diag(d))), ZERO),
        Mistake("off the diagonal doubled", _square(lambda d: 2 * d - np.diag(np.diag(d))), FACTOR),
        Mistake("the diagonal doubled", _square(lambda d: d + np.diag(np.diag(d))), FACTOR),
        Mistake("lambda I left out", _square(lambda d: d - 0.02 * np.eye(len(d))), (Kind.OFFSET,), "matrix"),
        Mistake("a factor of each row", _scaled_lines(0), (Kind.SCALED,)),
        Mistake("a factor of each column", _scaled_lines(-1), (Kind.SCALED,)),
        Mistake("some rows negated", _some_rows(np.negative), (Kind.SIGN,)),
        Mistake("some rows 0", _some_rows(np.zeros_like), ZERO),
        Mistake("one axis for another", _ratio, FACTOR),
        Mistake("x 1/sqrt(N)", lambda d, x, rng: d / math.sqrt(d.shape[-1]), FACTOR),
        Mistake("counted too often", _counted, (Kind.MULTIPLE,)),
        Mistake("decay left out", lambda d, x, rng: d - 0.01 * x, (Kind.DECAY,), "gradient"),
        Mistake("decay too many", lambda d, x, rng: d + 0.3 * x, (Kind.DECAY,), "gradient"),
        Mistake("L1 left out", lambda d, x, rng: d - 0.01 * np.sign(x), (Kind.L1,), "gradient"),
        Mistake("L1 too many", lambda d, x, rng: d + 0.1 * np.sign(x), (Kind.L1,), "gradient"),
        Mistake("projected", lambda d, x, rng: _off_x(d, x, None, -1.0), (Kind.PROJECTED,), "gradient"),
        Mistake("projected by rows", _projected_rows, (Kind.PROJECTED,), "gradient"),
        Mistake("cut", lambda d, x, rng: np.trunc(d), (Kind.CUT, *ZERO), "gradient"),
        Mistake("all entries in another order", _shuffled(None), ORDER, "gradient"),
    ]  # fmt: skip
    out += [
        Mistake(f"by another parameter, {name}", _by_x(t), (Kind.PARAMETRISATION,))
        for name, t in CHAINS.items()
    ]
    return out


# Mistakes that no simple explanation fits


def _noise(size: float, share: float = 1.0, at_least: int = 2) -> Change:
    """Some entries off by a random part of the typical one."""

    def change(d: Array, x: Array, rng: np.random.Generator) -> Array:
        count = max(at_least, int(share * d.size))
        at = rng.choice(d.size, min(count, d.size), replace=False)
        flat = d.ravel().copy()
        flat[at] += size * np.sqrt(np.mean(d**2)) * rng.normal(size=at.size)
        return flat.reshape(d.shape)

    return change


def _own_factors(low: float, high: float, share: float = 1.0) -> Change:
    def change(d: Array, x: Array, rng: np.random.Generator) -> Array:
        factors = np.where(rng.random(d.shape) < share, rng.uniform(low, high, d.shape), 1.0)
        factors.ravel()[:2] = low, high
        return d * factors

    return change


def _spoilt(change: Change) -> Change:
    """A mistake that has an explanation, with a tenth of the entries off besides."""

    def spoilt(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        wrong = change(d, x, rng)
        return None if wrong is None else _noise(0.1, 0.1, 3)(wrong, x, rng)

    return spoilt


def _flux(d: Array, x: Array, rng: np.random.Generator) -> Array:
    """One term between two entries left out: equal and opposite."""
    i, k = rng.choice(d.size, 2, replace=False)
    flat = d.ravel().copy()
    off = rng.normal()
    flat[i] += off
    flat[k] -= off
    return flat.reshape(d.shape)


def _fluxes(d: Array, x: Array, rng: np.random.Generator) -> Array:
    return _flux(_flux(_flux(d, x, rng), x, rng), x, rng)


def _along(make: Callable[[Array], Array], size: float) -> Change:
    return lambda d, x, rng: d + size * np.sqrt(np.mean(d**2)) * make(d)


def _line_off(axis: int) -> Change:
    def change(d: Array, x: Array, rng: np.random.Generator) -> Array | None:
        if d.ndim < 2:
            return None
        index: list[Any] = [slice(None)] * d.ndim
        index[axis] = int(rng.integers(d.shape[axis]))
        return put(d, tuple(index), lambda part: part + rng.normal(size=part.shape))

    return change


def inexplicable(mistakes: list[Mistake]) -> list[Mistake]:
    """As many mistakes that nothing simple explains, those with an explanation but for a few entries among them."""
    out = [
        Mistake(f"noise {size} in {share}", _noise(size, share))
        for size in (1.0, 0.1, 1e-3, 1e-5)
        for share in (1.0, 0.3, 0.02)
    ]
    out += [
        Mistake("two entries off", _noise(0.3, 0.0, 2)),
        Mistake("three entries off", _noise(0.3, 0.0, 3)),
        Mistake("five entries off", _noise(0.01, 0.0, 5)),
        Mistake("a factor of its own", _own_factors(0.5, 2.0)),
        Mistake("a factor of its own, near 1", _own_factors(0.99, 1.01)),
        Mistake("a factor of its own in some", _own_factors(0.5, 2.0, 0.2)),
        Mistake("a term between two", _flux),
        Mistake("three terms between two", _fluxes),
        Mistake("a sine of the place", _along(lambda d: np.sin(np.arange(1.0, d.size + 1)).reshape(d.shape), 0.1)),
        Mistake("a slope of the place", _along(lambda d: np.linspace(-1, 2, d.size).reshape(d.shape), 0.1)),
        Mistake("a square of the derivative", lambda d, x, rng: d + 0.1 * d * np.abs(d)),
        Mistake("a row off", _line_off(0)),
        Mistake("a column off", _line_off(-1)),
        Mistake("another derivative", lambda d, x, rng: rng.normal(size=d.shape)),
        Mistake("a root", lambda d, x, rng: np.sign(d) * np.abs(d) ** 0.9),
    ]  # fmt: skip
    # What one entry shows, or repeats, is not spoilt by others.
    alone = (Kind.CUT, Kind.ZERO)
    spoilt = [m for m in mistakes if not m.name.startswith("an entry") and m.kinds[0] not in alone]
    return out + [Mistake(f"{m.name}, spoilt", _spoilt(m.change), (), m.where) for m in spoilt]


# The run


def _fits(mistake: Mistake, problem: Problem) -> bool:
    return mistake.where in ("", "matrix" if problem.matrix else "gradient")


def plant(problem: Problem, mistake: Mistake, seed: int) -> Case | None:
    """One check of a derivative with a mistake in it; None where the mistake changes nothing."""
    right = problem.right(problem.x)
    with np.errstate(all="ignore"):
        wrong = mistake.change(right, problem.x, np.random.default_rng(seed))
    if wrong is None or not np.isfinite(wrong).all():
        return None
    off = np.abs(wrong - right)
    if np.max(off) <= 1e-4 * np.max(np.abs(right)):
        return None  # it may be within what is accepted

    def derivative(x: Array) -> Array:
        return np.asarray(mistake.change(problem.right(x), x, np.random.default_rng(seed)))

    report = problem.run(derivative)
    explained = [cause.kind for cause in report.causes if cause.explains]
    true = sum(kind in mistake.kinds for kind in explained)
    return Case(problem.name, mistake, report.outcome.value, report.diagnosis, true, len(explained) - true)


def cases(every: int = 1, sample: int | None = None) -> Iterator[Case]:
    """All cases, or each `every`-th, or so many that are drawn at random."""
    rng = np.random.default_rng(SEED)
    problems = [*gradients(rng), *matrices(rng), *special(rng)]
    known = explainable()
    planned: list[tuple[Problem, Mistake, int]] = []
    number = 0
    for shift, problem in enumerate(problems):
        for k, mistake in enumerate(problem.own or known + inexplicable(known)):
            number += 1
            if _fits(mistake, problem) and (k + shift) % every == 0 and k % problem.every == 0:
                planned.append((problem, mistake, number))
    if sample is not None:
        random.Random(1).shuffle(planned)
    planted = (case for one in planned if (case := plant(*one)) is not None)
    yield from itertools.islice(planted, sample)


@dataclass(frozen=True)
class Figures:
    """Counts of cases and of explanations."""

    explainable: int
    explained: int
    inexplicable: int
    given_words: int
    true: int
    false: int

    @classmethod
    def of(cls, found: list[Case]) -> Figures:
        """Count; a mistake is explained if something true was said of it and nothing false."""
        known = [c for c in found if c.mistake.kinds and c.outcome == "FAIL"]
        unknown = [c for c in found if not c.mistake.kinds and c.outcome == "FAIL"]
        return cls(
            len(known),
            sum(c.true > 0 and c.false == 0 for c in known),
            len(unknown),
            sum(c.false > 0 for c in unknown),
            sum(c.true for c in found),
            sum(c.false for c in found),
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    started = time.perf_counter()
    found = []
    for c in cases(given.every, given.sample):
        found.append(c)
        short = (c.mistake.kinds and not c.true) or c.false or c.outcome != "FAIL"
        if given.show and short:
            print(f"{c.problem:24} {c.mistake.name:36} {c.outcome:12} {c.said}", flush=True)
    f = Figures.of(found)
    kinds = len({c.mistake.name for c in found if c.mistake.kinds})
    undecided = sum(c.outcome != "FAIL" for c in found)
    print(f"{len(found):,} mistakes of {kinds} explainable kinds, {undecided} not FAIL")
    print(f"explained: {f.explained:,} of {f.explainable:,} ({f.explained / max(f.explainable, 1):.2%})")
    print(f"explanations true: {f.true:,} of {f.true + f.false:,} ({f.true / max(f.true + f.false, 1):.2%})")
    share = f.given_words / max(f.inexplicable, 1)
    print(f"inexplicable given words: {f.given_words:,} of {f.inexplicable:,} ({share:.2%})")
    print(f"{time.process_time():.0f} s of computing, {time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
