"""Maps of many outputs with Jacobians by hand, and Hessians: what products and Jacobians are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.corpus.model import Tree, flat, like

Array = np.ndarray
RNG_SEED = 20


@dataclass(frozen=True)
class Map:
    """f: x -> an array of any shape, and its Jacobian by hand.

    jac : x -> (m, n), over the flat vector of all entries of x. f follows the dtype of x where `analytic`, so that the
    complex step is a witness of jac.
    symmetric : f is the gradient of a scalar function, and jac its Hessian.
    """

    name: str
    f: Callable[[Tree], Array]
    jac: Callable[[Tree], Array]
    x: Tree
    analytic: bool = True
    symmetric: bool = False

    @property
    def outputs(self) -> tuple[int, ...]:
        """The shape of what f returns."""
        return np.shape(self.f(self.x))

    def jvp(self, x: Tree, v: Tree, jac: Callable[[Tree], Array] | None = None) -> Array:
        """J v, of f's shape."""
        return ((jac or self.jac)(x) @ flat(v)).reshape(self.outputs)

    def vjp(self, x: Tree, u: Array, jac: Callable[[Tree], Array] | None = None) -> Tree:
        """J^T u, of x's structure."""
        return like(self.x, (jac or self.jac)(x).T @ np.ravel(u))


def _elementwise(phi: Callable[[Any], Any], slope: Callable[[Any], Any]) -> tuple[Any, Any]:
    return phi, lambda x: np.diag(np.ravel(slope(x)))


def _affine_then(A: Array, phi: Any, slope: Any, scale: Any = 1.0, offset: Any = 0.0) -> tuple[Any, Any]:
    """Scale * phi(A x) + offset, row by row."""
    return (
        lambda x: scale * phi(A @ x) + offset,
        lambda x: (scale * slope(A @ x))[:, None] * A,
    )


def _rows(block: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The Jacobian (m, n) of a map that treats each row of a matrix by itself: one block a row."""

    def jac(x: Array) -> Array:
        blocks = [block(row) for row in x]
        m, n = blocks[0].shape
        out = np.zeros((len(x) * m, len(x) * n))
        for k, one in enumerate(blocks):
            out[k * m : (k + 1) * m, k * n : (k + 1) * n] = one
        return out

    return jac


def _softmax(x: Array) -> Array:
    e = np.exp(x - np.max(np.real(x), -1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _softmax_block(row: Array) -> Array:
    s = _softmax(row)
    return np.diag(s) - np.outer(s, s)


def _norm_block(row: Array) -> Array:
    size = np.sqrt(np.sum(row**2))
    return (np.eye(row.size) - np.outer(row, row) / size**2) / size


def _layer_norm(x: Array) -> Array:
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d**2).mean(-1, keepdims=True) + 1e-5)


def _layer_norm_block(row: Array) -> Array:
    n, d = row.size, row - row.mean()
    s = np.sqrt((d**2).mean() + 1e-5)
    return (np.eye(n) - 1.0 / n - np.outer(d, d) / (n * s**2)) / s


def _polar() -> tuple[Any, Any]:
    def f(x: Array) -> Array:
        return np.stack([x[0] * np.cos(x[1]), x[0] * np.sin(x[1])])

    return f, lambda x: np.array([[np.cos(x[1]), -x[0] * np.sin(x[1])], [np.sin(x[1]), x[0] * np.cos(x[1])]])


def _lorenz() -> tuple[Any, Any]:
    def f(s: Array) -> Array:
        x, y, z = s
        return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    return f, lambda s: np.array([[-10.0, 10.0, 0.0], [28 - s[2], -1.0, -s[0]], [s[1], s[0], -8 / 3]])


def _arm() -> tuple[Any, Any]:
    """Where a planar arm of n links ends."""

    def f(q: Array) -> Array:
        a = np.cumsum(q)
        return np.stack([np.cos(a).sum(), np.sin(a).sum()])

    def jac(q: Array) -> Array:
        a = np.cumsum(q)
        return np.stack([np.cumsum(-np.sin(a)[::-1])[::-1], np.cumsum(np.cos(a)[::-1])[::-1]])

    return f, jac


def _burgers(n: int) -> tuple[Any, Any]:
    """u_i (u_{i+1} - u_{i-1}) / 2 - (u_{i+1} - 2 u_i + u_{i-1}) / 10 on a ring."""

    def f(u: Array) -> Array:
        right, left = np.roll(u, -1), np.roll(u, 1)
        return u * (right - left) / 2 - (right - 2 * u + left) / 10

    def jac(u: Array) -> Array:
        i = np.arange(n)
        out = np.zeros((n, n))
        out[i, i] = (np.roll(u, -1) - np.roll(u, 1)) / 2 + 0.2
        out[i, (i + 1) % n] = u / 2 - 0.1
        out[i, (i - 1) % n] = -u / 2 - 0.1
        return out

    return f, jac


def _matrix_square() -> tuple[Any, Any]:
    return lambda X: X @ X, lambda X: np.kron(np.eye(len(X)), X.T) + np.kron(X, np.eye(len(X)))


def _inverse() -> tuple[Any, Any]:
    return np.linalg.inv, lambda X: -np.kron(np.linalg.inv(X), np.linalg.inv(X).T)


def _solve(b: Array) -> tuple[Any, Any]:
    """X^-1 b of a matrix X."""

    def jac(X: Array) -> Array:
        return -np.kron(np.linalg.inv(X), np.linalg.solve(X, b)[None])

    return lambda X: np.linalg.solve(X, b), jac


def _cumprod() -> tuple[Any, Any]:
    def jac(x: Array) -> Array:
        return np.tril(np.cumprod(x)[:, None] / x[None])

    return np.cumprod, jac


def _convolution(k: Array) -> tuple[Any, Any]:
    def jac(x: Array) -> Array:
        return np.stack([np.convolve(e, k, "full") for e in np.eye(x.size)], 1) * (2 * x)

    return lambda x: np.convolve(x**2, k, "full"), jac


def _dense_layer(X: Array) -> tuple[Any, Any]:
    """tanh(X W + b) of a tree of weights and biases."""

    def f(p: Tree) -> Array:
        return np.tanh(X @ p["W"] + p["b"])

    def jac(p: Tree) -> Array:
        slope = 1 - np.tanh(X @ p["W"] + p["b"]) ** 2
        rows, out = slope.shape
        J = np.zeros((rows, out, X.shape[1] * out + out))
        for k in range(rows):
            for j in range(out):
                J[k, j, j : X.shape[1] * out : out] = slope[k, j] * X[k]
                J[k, j, X.shape[1] * out + j] = slope[k, j]
        return J.reshape(rows * out, -1)

    return f, jac


def _rosenbrock_residuals() -> tuple[Any, Any]:
    def f(x: Array) -> Array:
        return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])

    def jac(x: Array) -> Array:
        n = x.size
        top = np.zeros((n - 1, n))
        top[np.arange(n - 1), np.arange(n - 1)] = -20 * x[:-1]
        top[np.arange(n - 1), np.arange(1, n)] = 10
        return np.concatenate([top, -np.eye(n)[:-1]])

    return f, jac


def _outer() -> tuple[Any, Any]:
    def jac(p: Tree) -> Array:
        return np.hstack(
            [np.kron(np.eye(p["a"].size), p["b"][:, None]), np.kron(p["a"][:, None], np.eye(p["b"].size))]
        )

    return lambda p: np.multiply.outer(p["a"], p["b"]), jac


def _cross(a: Array) -> tuple[Any, Any]:
    K = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
    return lambda x: np.cross(a, x**2), lambda x: K * (2 * x)


def _hessians(rng: np.random.Generator) -> Iterator[Map]:
    A = rng.normal(size=(7, 5))
    S = rng.normal(size=(6, 6))
    yield Map(
        "hessian of a quadratic",
        lambda x: (S + S.T) @ x,
        lambda _: S + S.T,
        rng.normal(size=6),
        symmetric=True,
    )
    yield Map("hessian of logsumexp", _softmax, _softmax_block, rng.normal(size=8), symmetric=True)
    yield Map(
        "hessian of sum x^4 of a matrix", lambda x: 4 * x**3, lambda x: np.diag(12 * x.ravel() ** 2),
        rng.normal(size=(3, 4)), symmetric=True,
    )  # fmt: skip

    def probability(w: Array) -> Array:
        return 1 / (1 + np.exp(-(A @ w)))

    def logistic(w: Array) -> Array:
        return (A.T * (probability(w) * (1 - probability(w)))) @ A

    yield Map(
        "hessian of a logistic loss",
        lambda w: A.T @ probability(w),
        logistic,
        rng.normal(size=5),
        symmetric=True,
    )

    def norm_gradient(x: Array) -> Array:
        return x / np.sqrt(np.sum(x**2))

    yield Map("hessian of a norm", norm_gradient, _norm_block, rng.normal(size=5), symmetric=True)
    yield Map(
        "hessian of exp(a x)",
        lambda x: np.exp(2 * x) * 2,
        lambda x: np.diag(4 * np.exp(2 * x)),
        rng.normal(size=30),
        symmetric=True,
    )
    C = rng.normal(size=(150, 150)) / 12
    C = C + C.T
    yield Map(
        "hessian of many variables",
        lambda x: C @ x + np.sin(x),
        lambda x: C + np.diag(np.cos(x)),
        rng.normal(size=150),
        symmetric=True,
    )


def maps() -> list[Map]:
    """Every map, the same at every call."""
    rng = np.random.default_rng(RNG_SEED)
    found: list[Map] = []

    def add(name: str, functions: tuple[Any, Any], x: Tree, **more: Any) -> None:
        found.append(Map(name, *functions, x, **more))

    A, wide, tall = rng.normal(size=(12, 5)), rng.normal(size=(6, 140)) / 12, rng.normal(size=(130, 4)) / 2
    add("sin(A x)", _affine_then(A, np.sin, np.cos), rng.normal(size=5))
    add("sin(A x), wide", _affine_then(wide, np.sin, np.cos), rng.normal(size=140))
    add("sin(A x), tall", _affine_then(tall, np.sin, np.cos), rng.normal(size=4))
    sizes = np.where(np.arange(130) % 7 == 0, 1e-6, 1.0)
    add("small rows, tall", _affine_then(tall, np.sin, np.cos, sizes), rng.normal(size=4))
    add(
        "offsets, tall",
        _affine_then(tall, np.sin, np.cos, 1.0, np.where(np.arange(130) == 90, 1e6, 0.0)),
        rng.normal(size=4),
    )
    add("rows of many sizes", _affine_then(A, np.sin, np.cos, 10.0 ** np.arange(-6, 6)), rng.normal(size=5))
    add(
        "offsets of many sizes",
        _affine_then(A, np.tanh, lambda z: 1 - np.tanh(z) ** 2, 1.0, 10.0 ** np.arange(-6.0, 6)),
        rng.normal(size=5),
    )
    add("affine", _affine_then(A, lambda z: z, np.ones_like), rng.normal(size=5))
    for scale in (1e-300, 1e-160, 1e-30, 1e30, 1e160, 1e300):
        add(f"values of {scale:g}", _affine_then(A, np.sin, np.cos, scale), rng.normal(size=5))
    for size in (1e-12, 1e-4, 1e4, 1e12):
        add(
            f"x of {size:g}",
            (lambda x, s=size: np.exp(A @ (x / s)), lambda x, s=size: np.exp(A @ (x / s))[:, None] * A / s),
            rng.normal(size=5) * size,
        )
    add(
        "x from 1e-3 to 1e3",
        (
            lambda x: (x / 10.0 ** np.arange(-3, 4)) ** 3,
            lambda x: np.diag(3 * x**2 / 10.0 ** (3 * np.arange(-3, 4))),
        ),
        rng.uniform(0.5, 1.5, 7) * 10.0 ** np.arange(-3, 4),
    )
    for name, phi, slope in (
        ("exp", np.exp, np.exp),
        ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        ("cube", lambda x: x**3, lambda x: 3 * x**2),
        ("sqrt", lambda x: np.sqrt(x + 4), lambda x: 0.5 / np.sqrt(x + 4)),
        ("log", lambda x: np.log(x + 4), lambda x: 1 / (x + 4)),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
        ("arctan", np.arctan, lambda x: 1 / (1 + x**2)),
        ("reciprocal", lambda x: 1 / (x + 5), lambda x: -1 / (x + 5) ** 2),
    ):
        add(f"{name} of a vector", _elementwise(phi, slope), rng.normal(size=9))
        add(f"{name} of a matrix", _elementwise(phi, slope), rng.normal(size=(3, 5)))
    add("square of three axes", _elementwise(lambda x: x**2, lambda x: 2 * x), rng.normal(size=(2, 3, 4)))
    add("cube of 200", _elementwise(lambda x: x**3 + x, lambda x: 3 * x**2 + 1), rng.normal(size=200))
    add("a number", (lambda x: np.sin(3 * x), lambda x: np.array([[3 * np.cos(3 * x)]])), np.array(0.4))
    add("one output", (lambda x: np.sum(x**3)[None], lambda x: 3 * x[None] ** 2), rng.normal(size=6))
    add(
        "a sum of no axes",
        (lambda x: np.sum(x**3), lambda x: 3 * x.reshape(1, -1) ** 2),
        rng.normal(size=(2, 3)),
    )
    add("softmax of rows", (_softmax, _rows(_softmax_block)), rng.normal(size=(3, 4)))
    add("softmax of many rows", (_softmax, _rows(_softmax_block)), rng.normal(size=(26, 4)))
    add(
        "log-softmax of rows",
        (lambda x: np.log(_softmax(x)), _rows(lambda r: np.eye(r.size) - _softmax(r)[None])),
        rng.normal(size=(3, 4)),
    )
    add("layer norm", (_layer_norm, _rows(_layer_norm_block)), rng.normal(size=(4, 6)))
    add(
        "rows of length 1",
        (lambda x: x / np.sqrt((x**2).sum(-1, keepdims=True)), _rows(_norm_block)),
        rng.normal(size=(4, 3)),
    )
    add("polar coordinates", _polar(), np.array([1.3, 0.7]))
    add("Lorenz", _lorenz(), np.array([1.0, 2.0, 20.0]))
    add("planar arm", _arm(), rng.normal(size=6))
    add("Burgers on a ring", _burgers(24), rng.normal(size=24))
    add("matrix square", _matrix_square(), rng.normal(size=(4, 4)))
    add("matrix inverse", _inverse(), rng.normal(size=(4, 4)) + 3 * np.eye(4))
    add("linear solve", _solve(rng.normal(size=4)), rng.normal(size=(4, 4)) + 3 * np.eye(4))
    add("cumulative product", _cumprod(), rng.uniform(0.5, 1.5, 8))
    add(
        "cumulative sum of squares",
        (lambda x: np.cumsum(x**2), lambda x: np.tril(np.ones((x.size, x.size))) * 2 * x),
        rng.normal(size=10),
    )
    add("convolution", _convolution(rng.normal(size=3)), rng.normal(size=12))
    add(
        "dense layer",
        _dense_layer(rng.normal(size=(5, 3))),
        {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)},
    )
    add(
        "dense layer, many outputs",
        _dense_layer(rng.normal(size=(60, 3))),
        {"W": rng.normal(size=(3, 2)), "b": np.zeros(2)},
    )
    add("outer product", _outer(), {"a": rng.normal(size=4), "b": rng.normal(size=3)})
    add("Rosenbrock's residuals", _rosenbrock_residuals(), rng.normal(size=8))
    add("a solution of f = 0", _rosenbrock_residuals(), np.ones(8))
    add("cross product", _cross(rng.normal(size=3)), rng.normal(size=3))
    add(
        "rectifier",
        (lambda x: np.maximum(x, 0) * x, lambda x: np.diag((2 * np.maximum(x, 0)).ravel())),
        rng.normal(size=(4, 5)),
        analytic=False,
    )
    return [*found, *_hessians(rng)]
