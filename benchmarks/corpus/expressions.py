"""Random smooth functions of arrays that carry their own derivative, for Hypothesis.

An expression is a tree of frozen nodes. Every node maps the arrays of x to a vector, and a cotangent of that vector
back to the gradient, by hand: reverse mode. The values follow the dtype of x, so the same tree gives the gradient that
a person would write (float64), the truth (extended precision), and a second truth by the complex step, which shares
the values but no derivative formula.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from benchmarks.corpus.model import Problem, complex_step, in_longdouble

Vector = np.ndarray
Tree = Any  # an array, or a dict of arrays
Pull = Callable[[Vector], None]


def _erf(u: Vector) -> Vector:
    # SciPy does not know it in extended precision.
    return special.erf(u.astype(complex if np.iscomplexobj(u) else float)).astype(u.dtype)


# Name: (function, derivative); analytic on the real line and near it, and finite far out where that is possible.
UNARY: dict[str, tuple[Callable[[Vector], Vector], Callable[[Vector], Vector]]] = {
    "square": (lambda u: u * u, lambda u: 2 * u),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda u: -np.sin(u)),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "exp": (np.exp, np.exp),
    "cube": (lambda u: u * u * u, lambda u: 3 * u * u),
    "sqrt(1+u^2)": (lambda u: np.sqrt(1 + u * u), lambda u: u / np.sqrt(1 + u * u)),
    "log1p(u^2)": (lambda u: np.log1p(u * u), lambda u: 2 * u / (1 + u * u)),
    "1/(1+u^2)": (lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    "exp(-u^2)": (lambda u: np.exp(-u * u), lambda u: -2 * u * np.exp(-u * u)),
    "sigmoid": (lambda u: (1 + np.tanh(u / 2)) / 2, lambda u: 1 / (4 * np.cosh(u / 2) ** 2)),
    "arctan": (np.arctan, lambda u: 1 / (1 + u * u)),
    "log(2+sin u)": (lambda u: np.log(2 + np.sin(u)), lambda u: np.cos(u) / (2 + np.sin(u))),
    "(1+u^2)^0.3": (lambda u: (1 + u * u) ** 0.3, lambda u: 0.6 * u * (1 + u * u) ** -0.7),
    "erf": (_erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-u * u)),
}
# Name: (value, its derivative by the left operand, and by the right one).
BINARY: dict[str, tuple[Callable[..., Vector], Callable[..., Vector], Callable[..., Vector]]] = {
    "+": (lambda a, b: a + b, lambda a, b: 1 + 0 * (a + b), lambda a, b: 1 + 0 * (a + b)),
    "-": (lambda a, b: a - b, lambda a, b: 1 + 0 * (a + b), lambda a, b: -1 + 0 * (a + b)),
    "*": (lambda a, b: a * b, lambda a, b: b + 0 * a, lambda a, b: a + 0 * b),
    "/1+": (
        lambda a, b: a / (1 + b * b),
        lambda a, b: 1 / (1 + b * b) + 0 * a,
        lambda a, b: -2 * a * b / (1 + b * b) ** 2,
    ),
    "logaddexp": (
        lambda a, b: _logaddexp(a, b),
        lambda a, b: _share(a - b),
        lambda a, b: _share(b - a),
    ),
}
# Those whose argument must not run through many periods within a step: see `Function.calm`.
PERIODIC = ("sin", "cos", "log(2+sin u)")
# Radians that the argument of a sine may run through while x changes by its own size: about thirty periods.
FASTEST = 200.0
# Along so many is that looked at.
DIRECTIONS = 4
REDUCTIONS = ("sum", "mean", "dot", "norm", "logsumexp")


def _logaddexp(a: Vector, b: Vector) -> Vector:
    top = np.maximum(a.real, b.real)  # a shift that is real and cancels, so that f stays analytic
    return top + np.log(np.exp(a - top) + np.exp(b - top))


def _share(u: Vector) -> Vector:
    # Without a modulus, so that it stays analytic: its derivative by the complex step is that of a Hessian.
    near = np.exp(np.where(u.real > 0, -u, u))
    return np.where(u.real > 0, 1.0, near) / (1.0 + near)


@cache
def constants(seed: int, shape: tuple[int, ...]) -> Vector:
    """Halves from -4.5 to 4.5 without 0, from a seed: exact in every dtype. Not to be changed: they are kept."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 10, shape) / 2 * rng.choice([-1.0, 1.0], shape)


class Node(ABC):
    """One node: `forward(x, without)` gives the value and what pulls a cotangent back into `gradients`."""

    length: int
    children: tuple[Node, ...] = ()

    @abstractmethod
    def forward(
        self, x: dict[str, Vector], gradients: dict[str, Vector] | None, without: Node | None
    ) -> tuple[Vector, Pull]:
        """The values, and how to pull their derivatives back; every kind of node has its own."""

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, eq=False)
class Entries(Node):
    """factor * x[key], flat; factor a number or, from a seed, one an entry."""

    key: str
    length: int
    factor: float
    seed: int | None

    def __str__(self) -> str:
        weights = "" if self.seed is None else f"*c{self.seed}"
        return f"({self.factor:g}{weights}*{self.key})"

    def forward(self, x, gradients, without):
        weights = self.factor * (1.0 if self.seed is None else constants(self.seed, (self.length,)))
        weights = np.asarray(weights, x[self.key].real.dtype)

        def pull(cotangent):
            gradients[self.key] += (weights * cotangent).reshape(gradients[self.key].shape)

        return weights * x[self.key].ravel(), pull


@dataclass(frozen=True, eq=False)
class Linear(Node):
    """M u / sqrt(columns), M (length, columns) from a seed."""

    inner: Node
    length: int
    seed: int

    def __str__(self) -> str:
        return f"M{self.seed}[{self.length}]@{self.inner}"

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.inner,)

    def forward(self, x, gradients, without):
        value, below = self.inner.forward(x, gradients, without)
        matrix = constants(self.seed, (self.length, self.inner.length)) / math.sqrt(self.inner.length)
        matrix = matrix.astype(value.real.dtype)
        return matrix @ value, lambda cotangent: below(matrix.T @ cotangent)


@dataclass(frozen=True, eq=False)
class Unary(Node):
    """One of UNARY, entry by entry."""

    name: str
    inner: Node

    def __str__(self) -> str:
        return f"{self.name}[{self.inner}]"

    @property
    def length(self) -> int:
        return self.inner.length

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.inner,)

    def forward(self, x, gradients, without):
        value, below = self.inner.forward(x, gradients, without)
        function, derivative = UNARY[self.name]
        return function(value), lambda cotangent: below(cotangent * derivative(value))


@dataclass(frozen=True, eq=False)
class Binary(Node):
    """One of BINARY, entry by entry; a right operand of length 1 serves all entries of the left one."""

    name: str
    left: Node
    right: Node

    def __str__(self) -> str:
        return f"({self.left} {self.name} {self.right})"

    @property
    def length(self) -> int:
        return self.left.length

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def forward(self, x, gradients, without):
        (a, to_left), (b, to_right) = (n.forward(x, gradients, without) for n in self.children)
        function, by_left, by_right = BINARY[self.name]

        def pull(cotangent):
            if without is not self.left:
                to_left(cotangent * by_left(a, b))
            if without is not self.right:
                part = cotangent * by_right(a, b)
                to_right(part if b.size == a.size else part.sum(keepdims=True))

        return function(a, b), pull


@dataclass(frozen=True, eq=False)
class Reduced(Node):
    """One of REDUCTIONS: a vector of length 1."""

    name: str
    inner: Node
    length: int = 1

    def __str__(self) -> str:
        return f"{self.name}{self.inner}"

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.inner,)

    def forward(self, x, gradients, without):
        u, below = self.inner.forward(x, gradients, without)
        if self.name == "norm":
            value = np.sqrt(1 + (u * u).sum(keepdims=True))
            return value, lambda cotangent: below(cotangent * u / value)
        if self.name == "logsumexp":
            top = u.real.max()
            value = top + np.log(np.exp(u - top).sum(keepdims=True))
            return value, lambda cotangent: below(cotangent * np.exp(u - value))
        weights = constants(u.size, u.shape) if self.name == "dot" else np.ones(u.shape)
        weights = (weights / (u.size if self.name == "mean" else 1)).astype(u.real.dtype)
        return (weights * u).sum(keepdims=True), lambda cotangent: below(cotangent * weights)


@dataclass(frozen=True)
class Function:
    """factor * body(x) + offset, and its gradient; both follow the dtype of x, a dict of arrays or one array.

    complex : whether f takes complex numbers; otherwise it refuses them, as most code that people write.
    """

    body: Node
    factor: float = 1.0
    offset: float = 0.0
    complex: bool = True

    def __str__(self) -> str:
        return f"{self.factor:g}*{self.body} + {self.offset:g}{'' if self.complex else ', real only'}"

    def analytic(self, x: Tree) -> Any:
        """f(x) for real or complex x."""
        return self.factor * self.body.forward(arrays_of(x), None, None)[0][0] + self.offset

    def f(self, x: Tree) -> Any:
        if any(map(np.iscomplexobj, arrays_of(x).values())):
            if not self.complex:
                raise TypeError("real numbers only")
            return complex(self.analytic(x))
        return float(self.analytic(x))

    def gradient(self, x: Tree, without: Node | None = None) -> Tree:
        """The gradient, `without` what reaches f through one operand: a term that somebody forgot."""
        arrays = arrays_of(x)
        gradients = {key: np.zeros_like(value) for key, value in arrays.items()}
        value, pull = self.body.forward(arrays, gradients, without)
        pull(self.factor * np.ones_like(value))
        return gradients if isinstance(x, dict) else gradients["x"]

    def calm(self, x: Tree, fastest: float = FASTEST) -> bool:
        """Whether no sine in it runs through more than a few dozen periods while x changes by its own size.

        Faster ones are a limit of every difference quotient (docs/verdict.md, section 5): where one has the size of the
        noise of f no step shows it. Seen by the complex step along directions that move every entry; several, for two
        entries may cancel along one of them.
        """
        arguments = [
            node.inner for node in self.body.walk() if isinstance(node, Unary) and node.name in PERIODIC
        ]
        rng = np.random.default_rng(0)
        for _ in range(DIRECTIONS):
            moved = {
                key: value
                * (1 + 1e-30j * rng.choice([-1.0, 1.0], value.shape) * rng.uniform(0.5, 1.5, value.shape))
                for key, value in arrays_of(x).items()
            }
            speeds = [np.abs(node.forward(moved, None, None)[0].imag).max() / 1e-30 for node in arguments]
            if not all(speed <= fastest for speed in speeds):
                return False
        return True

    def operands(self) -> list[Node]:
        """The operands that a person might forget."""
        return [node for at in self.body.walk() if isinstance(at, Binary) for node in at.children]

    def problem(self, x: Tree, category: str = "clean") -> Problem:
        """This function at x, as the benchmark of the verdicts has its problems."""
        true = in_longdouble(self.gradient, x)
        return Problem(
            str(self), category, self.f, self.gradient, x, true, lambda: complex_step(self.analytic, x)
        )


def arrays_of(x: Tree) -> dict[str, Vector]:
    return x if isinstance(x, dict) else {"x": np.asarray(x)}
