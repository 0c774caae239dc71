"""Derivatives by SymPy, which the chapter imports for its surface: one more referee, where it is installed.

The chapter's formula is written down once more, in symbols, and differentiated by rule: there is no step.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Expression = Callable[[Array], Any]


def gradients(f: Expression, x: npt.ArrayLike) -> list[Callable[[], Array]]:
    """Return one function that gives the gradient of `f` at `x`, or none where SymPy is not installed.

    f : takes an array of symbols in x's shape, returns an expression.
    """
    return [partial(gradient, f, x)] if importlib.util.find_spec("sympy") else []


def gradient(f: Expression, x: npt.ArrayLike) -> Array:
    """Return the gradient of `f` at `x`, in x's shape; f as in `gradients`."""
    sympy = importlib.import_module("sympy")
    x = np.asarray(x, dtype=float)
    symbols = np.array(sympy.symbols(f"x:{x.size}", real=True), dtype=object)
    expression = f(symbols.reshape(x.shape))
    at = dict(zip(symbols, x.flat, strict=True))
    slopes = [float(expression.diff(symbol).subs(at)) for symbol in symbols]
    return np.array(slopes).reshape(x.shape)


def log(expression: Any) -> Any:
    """Return the logarithm of an expression."""
    return importlib.import_module("sympy").log(expression)


def exp(expression: Any) -> Any:
    """Return the exponential of an expression."""
    return importlib.import_module("sympy").exp(expression)
