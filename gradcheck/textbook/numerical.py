"""Central differences as the chapter takes them.

Source: the chapter, sections 3.1, 4 and 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Number, Real

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array


def numerical_diff(f: Callable[[float], float], x: float, h: float = 1e-4) -> float:
    """Estimate the derivative of `f` at `x` by (f(x+h) - f(x-h)) / 2h.

    Parameters
    ----------
    f : callable
        f(x) -> float.
    x : float
        Where; an array is taken entry by entry if f works so.
    h : float, optional
        The step, in units of x. Default 1e-4.

    Returns
    -------
    float
        In units of f per x.

    Raises
    ------
    TypeError
        Where f is no function, or x neither a number nor an array.
    ValueError
        Where h is not finite, or 0.

    Notes
    -----
    Error: truncation h^2 |f'''| / 6, and rounding about eps |f| / h.

    References
    ----------
    The chapter, section 3.1.

    Examples
    --------
    >>> from gradcheck.textbook import numerical_diff
    >>> round(numerical_diff(lambda x: 0.01 * x**2 + 0.1 * x, 5.0), 9)
    0.2
    """
    _check_call(f, h)
    if not isinstance(x, Number | np.ndarray):
        raise TypeError(f"x is {x!r:.60}; a number or an array is allowed")
    return (f(x + h) - f(x - h)) / (2 * h)


def numerical_gradient(f: Callable[[Array], float], x: Array, h: float = 1e-4) -> Array:
    """Estimate the gradient of scalar `f` at `x` by central differences, one coordinate after the other.

    Parameters
    ----------
    f : callable
        f(x) -> float. It is called with this very array x, perturbed in one entry: the chapter's networks read their
        weights from the array that is perturbed, and never look at f's argument.
    x : ndarray of floats, any shape
        Where. Each entry is restored before the next, also if f raises, so that x ends as it began.
    h : float, optional
        The step, in units of x. Default 1e-4.

    Returns
    -------
    ndarray
        Of x's shape and dtype, in units of f per x.

    Raises
    ------
    TypeError
        Where f is no function, or x no floating-point array (an integer array would truncate x + h).
    ValueError
        Where x is read-only, f does not return a scalar, or h is not finite, or 0.

    Notes
    -----
    Error: truncation h^2 |f'''| / 6, and rounding about eps |f| / h. Two evaluations of f an entry.

    References
    ----------
    The chapter, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import numerical_gradient
    >>> numerical_gradient(lambda x: np.sum(x**2), np.array([3.0, 4.0])).round(6)
    array([6., 8.])
    """
    _check_call(f, h)
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

    Parameters
    ----------
    f : callable
        f(point) -> float, for a point of shape (2,); it need not be separable.
    x0, x1 : array_like, of one shape
        Coordinates of the points, as `numpy.meshgrid` returns them; not modified.

    Returns
    -------
    G0 : ndarray
        Of that shape, in units of f per x0: the derivatives by the first coordinate.
    G1 : ndarray
        Of that shape, in units of f per x1: the derivatives by the second coordinate.

    Raises
    ------
    ValueError
        Where the shapes differ, or f does not return a scalar.

    Notes
    -----
    Error: that of `numerical_gradient`.

    References
    ----------
    The chapter, section 4, point by point (see `gradient_for_anydim_published`).

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import gradient_field
    >>> x0, x1 = np.meshgrid([0.0, 1.0], [2.0, 3.0])
    >>> g0, g1 = gradient_field(lambda x: x[0] * x[1], x0, x1)
    >>> g0.round(6)
    array([[2., 2.],
           [3., 3.]])
    """
    x0, x1 = np.asarray(x0, dtype=float), np.asarray(x1, dtype=float)
    if x0.shape != x1.shape:
        raise ValueError(f"x1 has shape {x1.shape}; x0's shape {x0.shape} is allowed")
    points = np.stack([x0.ravel(), x1.ravel()], axis=1)
    gradients = np.array([numerical_gradient(f, point) for point in points]).reshape(-1, 2)
    return gradients[:, 0].reshape(x0.shape), gradients[:, 1].reshape(x0.shape)


def gradient_for_anydim_published(f: Callable[[Array], float], X: Array) -> Array:
    """Return the gradient field as printed: each *row* of X is taken for one point.

    Parameters
    ----------
    f : callable
        f(row) -> float.
    X : ndarray of floats, (m,) or (2, m)
        Of a (2, m) array one row has all first coordinates and the other all second ones. Perturbed on the way, and
        restored.

    Returns
    -------
    ndarray
        Of X's shape, in units of f per X. It equals the gradient at the m points only where f is a sum of terms in one
        coordinate each.

    Raises
    ------
    TypeError, ValueError
        As `numerical_gradient`.

    Notes
    -----
    For the errata. `gradient_field` is the corrected form.

    References
    ----------
    The chapter, section 4.

    Examples
    --------
    At (0, 2) and (1, 3) the derivatives of x0 x1 by x0 are 2 and 3, those by x1 are 0 and 1:

    >>> import numpy as np
    >>> from gradcheck.textbook import gradient_for_anydim_published
    >>> X = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> gradient_for_anydim_published(lambda x: x[0] * x[1], X).round(6)
    array([[1., 0.],
           [3., 2.]])
    """
    if X.ndim == 1:
        return numerical_gradient(f, X)
    return np.array([numerical_gradient(f, row) for row in X])


def is_finite(value: object) -> bool:
    """Whether it is one real number, and not nan nor infinite."""
    return isinstance(value, Real) and math.isfinite(value)


def _check_call(f: object, h: float) -> None:
    if not callable(f):
        raise TypeError(f"f is {f!r:.60}; a function is allowed: the order is f, x")
    if not (is_finite(h) and h != 0):
        raise ValueError(f"h is {h!r:.60}; a finite number other than 0 is allowed")


def _check_perturbable(x: Array) -> None:
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        kind = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else f"type {type(x).__name__}"
        raise TypeError(
            f"x has {kind}; a floating-point array is allowed: pass numpy.asarray(x, dtype=float)"
        )
    if not x.flags.writeable:
        raise ValueError("x is read-only; f is evaluated on this very array, perturbed: pass x.copy()")
