"""Closed-form derivatives of every function in the chapter, from paper.

Source of the functions: the chapter; the section is given with each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def parabola_derivative(x: float) -> float:
    """Return d/dx (0.01 x^2 + 0.1 x) = 0.02 x + 0.1. Section 3.2."""
    return 0.02 * x + 0.1


def sum_of_squares_gradient(x: npt.ArrayLike) -> Array:
    """Return the gradient 2x of the sum of x_i^2, any shape. Sections 3.3 and 4."""
    return 2.0 * np.asarray(x, dtype=float)


def sum_of_squares_descent(init_x: npt.ArrayLike, lr: float, step_num: int) -> Array:
    """Return where gradient descent on the sum of x_i^2 ends: each step takes x (1 - 2 lr). Section 4.1."""
    return np.asarray(init_x, dtype=float) * (1.0 - 2.0 * lr) ** step_num


def log_reciprocal_derivative(x: npt.ArrayLike) -> Array:
    """Return d/dx log(1/x) = -1/x, entry by entry. Section 2.2."""
    return np.asarray(-1.0 / np.asarray(x, dtype=float))


def sum_squares_error_gradient(y: npt.ArrayLike, t: npt.ArrayLike) -> Array:
    """Return the gradient y - t of half the squared error by y, any shape. Section 2.1."""
    difference: Array = np.asarray(y, dtype=float) - np.asarray(t, dtype=float)
    return difference


def cross_entropy_gradient(y: npt.ArrayLike, t: npt.ArrayLike, delta: float = 1e-7) -> Array:
    """Return the gradient -t / (N (y + delta)) of the mean cross entropy by y. Sections 2.2 and 2.4.

    y : (k,), with N = 1, or (N, k).  t : one-hot or soft targets of y's shape, or integer labels (N,).
    delta = 0 is the printed label form, whose delta stands outside of the logarithm and drops out.
    """
    y = np.asarray(y, dtype=float)
    rows = y.reshape(-1, y.shape[-1])
    targets = onehot(t, rows.shape)
    return (-targets / (rows + delta) / len(rows)).reshape(y.shape)


def sigmoid_derivative(a: npt.ArrayLike) -> Array:
    """Return d/da 1/(1 + exp(-a)) = 1 / (4 cosh^2(a/2)), entry by entry. Section 5.1."""
    return 0.25 / np.cosh(np.asarray(a, dtype=float) / 2.0) ** 2


def softmax_jacobian(a: npt.ArrayLike) -> Array:
    """Return dy_i/da_j = y_i (delta_ij - y_j) of one row of scores a : (k,), as (k, k). Section 4.2."""
    a = np.asarray(a, dtype=float)
    if a.ndim != 1:
        raise ValueError(f"a has shape {a.shape}; one row (k,) is allowed")
    # Every ratio exp(a_i - a_j) by itself: no shift, no shared normaliser.
    y = 1.0 / np.sum(np.exp(a[None, :] - a[:, None]), axis=1)
    return np.diag(y) - np.outer(y, y)


def softmax_whole_array_jacobian(a: npt.ArrayLike) -> Array:
    """Return the Jacobian of the printed softmax, one normaliser for all: a.shape + a.shape. Section 4.2."""
    a = np.asarray(a, dtype=float)
    return softmax_jacobian(a.ravel()).reshape(a.shape + a.shape)


def onehot(t: npt.ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return targets of `shape` (N, k) as they are, integer labels (N,) as rows of the identity."""
    t = np.asarray(t)
    if t.size == shape[0] * shape[1] and not (shape[1] == 1 and np.issubdtype(t.dtype, np.integer)):
        return t.reshape(shape).astype(float)
    if t.size == shape[0] and np.issubdtype(t.dtype, np.integer):
        rows: Array = np.eye(shape[1])[t.reshape(-1)]
        return rows
    raise ValueError(f"t has shape {t.shape} and dtype {t.dtype}; targets {shape} or labels are allowed")
