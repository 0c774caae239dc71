"""Gradient descent with the numerical gradient.

Source: the chapter, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array
from gradcheck.textbook.numerical import is_finite, numerical_gradient


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

    The gradient is that of `numerical_gradient`.

    Parameters
    ----------
    f : callable
        f(x) -> float.
    init_x : array_like, any shape
        The start; copied to float64, never modified.
    lr : float, optional
        Learning rate, in units of x squared per f. Default 0.01.
    step_num : int, optional
        Number of steps, 0 or more. Default 100.
    history : bool, optional
        Whether to return every x on the way, too.

    Returns
    -------
    x : ndarray
        The last x, of init_x's shape.
    path : ndarray, (step_num + 1, *init_x.shape)
        With `history` alone: every x, the start first and the last x last.

    Raises
    ------
    ValueError
        Where lr is not finite and positive, step_num is negative, or f does not return a scalar.
    TypeError
        Where step_num is no integer, or f no function.

    References
    ----------
    The chapter, section 4.1; there the form that keeps the history changes the caller's init_x.

    Examples
    --------
    >>> from gradcheck.textbook import gradient_descent
    >>> x, path = gradient_descent(lambda x: (x**2).sum(), [-3.0, 4.0], lr=0.1, step_num=2, history=True)
    >>> x.round(6)
    array([-1.92,  2.56])
    >>> path.shape
    (3, 2)
    """
    if not (is_finite(lr) and lr > 0):
        raise ValueError(f"lr is {lr!r:.60}; a finite positive number is allowed")
    if not isinstance(step_num, Integral):
        raise TypeError(f"step_num is {step_num!r:.60}, a {type(step_num).__name__}; an integer is allowed")
    if step_num < 0:
        raise ValueError(f"step_num is {step_num}; 0 or more is allowed")
    x = np.array(init_x, dtype=float)
    path = [x]
    for _ in range(step_num):
        x = x - lr * numerical_gradient(f, x)
        path.append(x)
    return (x, np.array(path)) if history else x
