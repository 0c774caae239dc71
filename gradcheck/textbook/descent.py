"""Gradient descent with the numerical gradient.

Source: the chapter, section 4.1.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from gradcheck.textbook.numerical import numerical_gradient

__all__ = ["gradient_descent"]

Array = npt.NDArray[Any]


@overload
def gradient_descent(
    f: Callable[[Array], float],
    init_x: npt.ArrayLike,
    lr: float = ...,
    step_num: int = ...,
    *,
    history: Literal[False] = ...,
) -> Array: ...
@overload
def gradient_descent(
    f: Callable[[Array], float],
    init_x: npt.ArrayLike,
    lr: float = ...,
    step_num: int = ...,
    *,
    history: Literal[True],
) -> tuple[Array, Array]: ...
def gradient_descent(
    f: Callable[[Array], float],
    init_x: npt.ArrayLike,
    lr: float = 0.01,
    step_num: int = 100,
    *,
    history: bool = False,
) -> Array | tuple[Array, Array]:
    """Take `step_num` steps x - lr * gradient from `init_x`.

    init_x : start, of any shape; copied to float64, never modified.
    lr : learning rate, in units of x squared per f.  step_num : number of steps, 0 or more.
    Returns the last x; with `history` also every x on the way, shape (step_num + 1, *init_x.shape),
    the start first and the last x last.
    Raises ValueError where lr is not finite and positive or step_num is negative.
    Source: the chapter, section 4.1; there the form that keeps the history changes the caller's init_x.
    """
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr is {lr}; a finite positive number is allowed")
    if operator.index(step_num) < 0:
        raise ValueError(f"step_num is {step_num}; 0 or more is allowed")
    x = np.array(init_x, dtype=float)
    path = [x]
    for _ in range(step_num):
        x = x - lr * numerical_gradient(f, x)
        path.append(x)
    return (x, np.array(path)) if history else x
