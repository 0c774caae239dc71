"""What the corpus is made of: gradient problems and one-dimensional pairs, each with its true derivative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Tree = Any  # an array, or a dict of arrays

CATEGORIES = (
    "clean",
    "offset by 1e6",
    "noise 1e-9",
    "noise 1e-8",
    "rounded",
    "float32",
    "badly scaled",
    "oscillating",
    "near a kink",
    "on a kink",
    "domain edge",
    "stationary",
    "constant",
    "iterative solver",
)


@dataclass(frozen=True)
class Problem:
    """A function, a right gradient of it as somebody would have written it, a point, and the truth.

    x : an array of any shape, or a dict of arrays.
    true : the true gradient at x to about 1e-15 of its largest entry, of x's structure, float64; nan where there
        is no derivative (on a kink).
    witness : the same by other means (complex step of f, mpmath), slow: what the tests of the corpus compare with.
    note : what is special, in words.
    bias : a solver that is stopped early has an error that may be a smooth function of x, with a derivative of its
        own: how large that may be, relative to the largest entry. No difference of f can tell it from f.
    """

    name: str
    category: str
    f: Callable[[Tree], float]
    grad: Callable[[Tree], Tree]
    x: Tree
    true: Tree
    witness: Callable[[], Tree]
    note: str = ""
    bias: float = 0.0

    @property
    def n(self) -> int:
        """Number of coordinates."""
        return flat(self.x).size


@dataclass(frozen=True)
class Pair:
    """A function of one variable, a point and the true slope there; `witness` gives the slope by mpmath."""

    name: str
    category: str
    phi: Callable[[float], float]
    t: float
    slope: float
    witness: Callable[[], float]


def flat(tree: Tree) -> np.ndarray:
    """Join the arrays of a tree to one vector."""
    leaves = tree.values() if isinstance(tree, dict) else [tree]
    return np.concatenate([np.asarray(leaf).ravel() for leaf in leaves])


def like(tree: Tree, values: np.ndarray) -> Tree:
    """Cut one vector into the structure and the shapes of `tree`; the inverse of `flat`."""
    if not isinstance(tree, dict):
        return values.reshape(np.shape(tree))
    ends = np.cumsum([np.size(leaf) for leaf in tree.values()])
    parts = np.split(values, ends[:-1])
    return {key: part.reshape(np.shape(tree[key])) for key, part in zip(tree, parts, strict=True)}


def in_longdouble(grad: Callable[[Tree], Tree], x: Tree) -> Tree:
    """Evaluate a gradient that follows the dtype of x in extended precision, and round to float64."""
    wide = like(x, flat(x).astype(np.longdouble))
    return like(x, flat(grad(wide)).astype(np.float64))


def complex_step(f: Callable[[Tree], Any], x: Tree) -> Tree:
    """Differentiate an analytic f by the complex step, in extended precision; error about 1e-18 of the terms.

    Source: Squire & Trapp, SIAM Review 40 (1998) 110.
    """
    point = flat(x).astype(np.clongdouble)
    step = np.longdouble(1e-30)
    slopes = np.empty(point.size, np.longdouble)
    for i in range(point.size):
        moved = point.copy()
        moved[i] += 1j * step
        slopes[i] = np.imag(f(like(x, moved))) / step
    return like(x, slopes.astype(np.float64))


def analytic(
    name: str,
    functions: tuple[Callable[[Tree], Any], Callable[[Tree], Tree]],
    x: Tree,
    category: str = "clean",
    note: str = "",
) -> Problem:
    """Make a problem of an analytic f and a gradient that both follow the dtype of x, complex and longdouble."""
    f, grad = functions
    return Problem(
        name,
        category,
        lambda x: float(f(x)),
        grad,
        x,
        in_longdouble(grad, x),
        lambda: complex_step(f, x),
        note,
    )
