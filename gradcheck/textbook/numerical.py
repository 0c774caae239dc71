"""Central differences as the chapter takes them.

Source: the chapter, sections 3.1, 4 and 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["gradient_field", "gradient_for_anydim_published", "numerical_diff", "numerical_gradient"]

Array = npt.NDArray[Any]


def numerical_diff(f: Callable[[float], float], x: float, h: float = 1e-4) -> float:
    """Estimate the derivative of `f` at `x` by (f(x+h) - f(x-h)) / 2h.

    x : a number; an array is taken entry by entry if f works so.  h : the step, in units of x.
    Error: truncation h^2 |f'''| / 6, and rounding about eps |f| / h.
    Source: the chapter, section 3.1.
    """
    return (f(x + h) - f(x - h)) / (2 * h)


def numerical_gradient(f: Callable[[Array], float], x: Array, h: float = 1e-4) -> Array:
    """Estimate the gradient of scalar `f` at `x` by central differences, one coordinate after the other.

    x : floating-point array of any shape. f is called with this very array, perturbed in one entry: the
        chapter's networks read their weights from the array that is perturbed, and never look at f's
        argument. Each entry is restored before the next, also if f raises, so that x ends as it began.
    h : the step, in units of x.
    Returns an array like x, in units of f per x.
    Error: truncation h^2 |f'''| / 6, and rounding about eps |f| / h.
    Raises TypeError where x is no floating-point array (an integer array would truncate x + h),
    ValueError where x is read-only or f does not return a scalar.
    Source: the chapter, section 4.2.
    """
    _check_perturbable(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        saved = x[index]
        try:
            x[index] = saved + h
            f_plus = f(x)
            x[index] = saved - h
            f_minus = f(x)
        finally:
            x[index] = saved
        if np.ndim(f_plus) != 0:
            raise ValueError(f"f returned shape {np.shape(f_plus)}; a scalar is allowed")
        grad[index] = (f_plus - f_minus) / (2 * h)
    return grad


def gradient_field(f: Callable[[Array], float], x0: npt.ArrayLike, x1: npt.ArrayLike) -> tuple[Array, Array]:
    """Estimate the gradient of `f` at each point (x0, x1) of a grid.

    f  : takes a point of shape (2,) and returns a scalar; it need not be separable.
    x0, x1 : coordinates of the points, of one shape, as `numpy.meshgrid` returns them; not modified.
    Returns (G0, G1), both of that shape: the derivatives by the first and by the second coordinate.
    Raises ValueError where the shapes differ.
    Source: the chapter, section 4, point by point (see `gradient_for_anydim_published`).
    """
    x0, x1 = np.asarray(x0, dtype=float), np.asarray(x1, dtype=float)
    if x0.shape != x1.shape:
        raise ValueError(f"x1 has shape {x1.shape}; x0's shape {x0.shape} is allowed")
    points = np.stack([x0.ravel(), x1.ravel()], axis=1)
    gradients = np.array([numerical_gradient(f, point) for point in points]).reshape(-1, 2)
    return gradients[:, 0].reshape(x0.shape), gradients[:, 1].reshape(x0.shape)


def gradient_for_anydim_published(f: Callable[[Array], float], X: Array) -> Array:
    """Return the gradient field as printed: each *row* of X is taken for one point.

    X : (m,), or (2, m) with all first coordinates in one row and all second ones in the other; restored.
    Equals the gradient at the m points only where f is a sum of terms in one coordinate each.
    For the errata. Raises as `numerical_gradient`.
    Source: the chapter, section 4.
    """
    if X.ndim == 1:
        return numerical_gradient(f, X)
    return np.array([numerical_gradient(f, row) for row in X])


def _check_perturbable(x: Array) -> None:
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        kind = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else f"type {type(x).__name__}"
        raise TypeError(
            f"x has {kind}; a floating-point array is allowed: pass numpy.asarray(x, dtype=float)"
        )
    if not x.flags.writeable:
        raise ValueError("x is read-only; f is evaluated on this very array, perturbed: pass x.copy()")
