"""Activations: the corrected forms by default, the printed softmax under a name that says so.

Source: the chapter, sections 4.2 (softmax) and 5.1 (sigmoid).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array


def sigmoid(a: npt.ArrayLike) -> Array:
    """Return the logistic function 1 / (1 + exp(-a)) of each entry.

    Parameters
    ----------
    a : array_like, any shape
        Numbers, real or complex; integers as floats.

    Returns
    -------
    ndarray
        Of a's shape; of real numbers from 0 to 1.

    Notes
    -----
    Never overflows for real numbers: the exponential is taken of -|a|, where the printed form warns below about -709.

    References
    ----------
    The chapter, section 5.1.

    Examples
    --------
    >>> from gradcheck.textbook import sigmoid
    >>> sigmoid([-1000.0, 0.0, 1.0]).round(6)
    array([0.      , 0.5     , 0.731059])
    """
    a = floats(a)
    # Not |a|: written so, the function is analytic, and complex steps through it are right.
    small = np.exp(np.where(a.real >= 0, -a, a))
    y: Array = np.where(a.real >= 0, 1.0, small) / (1.0 + small)
    return y


def softmax(a: npt.ArrayLike) -> Array:
    """Return the softmax along the last axis: each row is normalised by itself and sums to one.

    Parameters
    ----------
    a : array_like, (..., k)
        Scores, k >= 1; integers as floats. Shifted by each row's maximum, so that exp cannot overflow.

    Returns
    -------
    ndarray
        Probabilities, of a's shape.

    Raises
    ------
    ValueError
        For a scalar.

    References
    ----------
    The chapter, section 4.2, corrected (see `softmax_whole_array`).

    Examples
    --------
    >>> from gradcheck.textbook import softmax
    >>> softmax([[0.3, 2.9, 4.0], [1000.0, 1000.0, 1000.0]]).round(6)
    array([[0.018211, 0.245192, 0.736597],
           [0.333333, 0.333333, 0.333333]])
    """
    a = floats(a)
    if a.ndim == 0:
        raise ValueError("a is a scalar; scores of shape (..., k) are allowed")
    exponentials = np.exp(a - np.max(a, axis=-1, keepdims=True))
    y: Array = exponentials / np.sum(exponentials, axis=-1, keepdims=True)
    return y


def softmax_whole_array(a: npt.ArrayLike) -> Array:
    """Return the softmax as printed: one normaliser for the whole array, so that a whole batch sums to one.

    Parameters
    ----------
    a : array_like, any shape
        Scores; integers as floats. Shifted by the largest of all.

    Returns
    -------
    ndarray
        Of a's shape. It equals `softmax` for one sample (k,).

    Notes
    -----
    With it a batch of 100 samples of 10 classes starts at the loss log 1000, not log 10.

    References
    ----------
    The chapter, section 4.2.

    Examples
    --------
    >>> from gradcheck.textbook import softmax_whole_array
    >>> softmax_whole_array([[1.0, 1.0], [1.0, 1.0]])
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    a = floats(a)
    exponentials = np.exp(a - np.max(a))
    y: Array = exponentials / np.sum(exponentials)
    return y


def floats(a: npt.ArrayLike) -> Array:
    """Return a as an array, integers as float64: differences of unsigned ones would wrap around."""
    a = np.asarray(a)
    return a.astype(np.float64) if a.dtype.kind in "iub" else a
