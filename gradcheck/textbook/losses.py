"""Losses and activations: the corrected forms by default, the printed forms under names that say so.

Source: the chapter, sections 2.1 to 2.4 (losses), 4.2 (softmax) and 5.1 (sigmoid).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Keeps log away from 0; the chapter's value.
DELTA = 1e-7


def sum_squares_error(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Half the sum of squared differences, over every entry of `y` and `t`.

    Parameters
    ----------
    y, t : array_like, of one shape
        Outputs and targets; anything that `numpy.asarray` takes.

    Returns
    -------
    float
        In units of y squared.

    Raises
    ------
    ValueError
        Where the shapes differ (broadcasting would sum something else).

    References
    ----------
    The chapter, section 2.1.

    Examples
    --------
    >>> from gradcheck.textbook import sum_squares_error
    >>> round(float(sum_squares_error([0.1, 0.3, 0.6], [0, 0, 1])), 6)
    0.13
    """
    y, t = _same_shape(y, t)
    error: float = 0.5 * np.sum((y - t) ** 2)
    return error


def cross_entropy_error(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Cross entropy -sum(t log(y + 1e-7)) of one sample, in nats.

    Parameters
    ----------
    y : array_like, (k,)
        Probabilities.
    t : array_like, (k,)
        One-hot or soft targets.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError
        Where the shapes differ, and for a batch, which this form would sum where `cross_entropy_onehot` takes the mean.

    References
    ----------
    The chapter, section 2.2.

    Examples
    --------
    -log(0.6 + 1e-7):

    >>> from gradcheck.textbook import cross_entropy_error
    >>> round(float(cross_entropy_error([0.1, 0.3, 0.6], [0, 0, 1])), 6)
    0.510825
    """
    y, t = _same_shape(y, t)
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; one sample (k,) is allowed, cross_entropy takes batches")
    error: float = -np.sum(t * np.log(y + DELTA))
    return error


def cross_entropy_onehot(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy of a batch, in nats, for one-hot or soft targets.

    Parameters
    ----------
    y : array_like, (n, k) or (k,)
        Probabilities.
    t : array_like, of y's shape
        One-hot or soft targets.

    Returns
    -------
    float
        In nats: -sum(t log(y + 1e-7)) / n.

    Raises
    ------
    ValueError
        Where the shapes differ or there is no sample.

    References
    ----------
    The chapter, section 2.4.

    Examples
    --------
    >>> from gradcheck.textbook import cross_entropy_onehot
    >>> y = [[0.1, 0.3, 0.6], [0.5, 0.3, 0.2]]
    >>> round(float(cross_entropy_onehot(y, [[0, 0, 1], [0.5, 0.5, 0]])), 6)
    0.729693
    """
    y, t = _same_shape(y, t)
    y, t = _as_batch(y), np.atleast_2d(t)
    error: float = -np.sum(t * np.log(y + DELTA)) / y.shape[0]
    return error


def cross_entropy_label(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy of a batch, in nats, for integer labels; 1e-7 guards the logarithm.

    Parameters
    ----------
    y : array_like, (n, k) or (k,)
        Probabilities.
    t : array_like of int, (n,)
        Labels in 0..k-1; one label for y of shape (k,).

    Returns
    -------
    float
        In nats: the mean of -log(y + 1e-7) at the labels.

    Raises
    ------
    TypeError
        Where the labels are no integers.
    ValueError
        Where they do not fit `y`, or there is no sample.

    References
    ----------
    The chapter, section 2.4; there 1e-7 is added to the logarithm, which leaves log 0 unguarded
    (see `cross_entropy_label_published`).

    Examples
    --------
    >>> from gradcheck.textbook import cross_entropy_label
    >>> y = [[0.1, 0.3, 0.6], [0.5, 0.3, 0.2]]
    >>> round(float(cross_entropy_label(y, [2, 0])), 6)
    0.601986
    """
    picked = _picked(y, t)
    error: float = -np.sum(np.log(picked + DELTA)) / picked.size
    return error


def cross_entropy(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy, in nats; targets of y's shape are probabilities, any other are labels.

    Parameters
    ----------
    y : array_like, (n, k) or (k,)
        Probabilities.
    t : array_like
        One-hot or soft targets of y's shape, or labels (n,), integers in 0..k-1.

    Returns
    -------
    float
        In nats: that of `cross_entropy_onehot` or of `cross_entropy_label`.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy_label` where `t` is neither.

    References
    ----------
    The chapter, section 4.2; there soft targets are replaced by their largest entry (see `cross_entropy_published`).

    Examples
    --------
    >>> from gradcheck.textbook import cross_entropy
    >>> y = [[0.1, 0.3, 0.6], [0.5, 0.3, 0.2]]
    >>> round(float(cross_entropy(y, [2, 0])), 6), round(float(cross_entropy(y, [[0, 0, 1], [1, 0, 0]])), 6)
    (0.601986, 0.601986)
    """
    if np.shape(t) == np.shape(y):
        return cross_entropy_onehot(y, t)
    return cross_entropy_label(y, t)


def cross_entropy_label_published(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Return the label form as printed: -mean(log(y) + 1e-7), so that y = 0 gives inf and a RuntimeWarning.

    Parameters
    ----------
    y : array_like, (n, k) or (k,)
        Probabilities.
    t : array_like of int, (n,)
        Labels, as in `cross_entropy_label`.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy_label`.

    Notes
    -----
    For the errata and for reproducing the printed loss.

    References
    ----------
    The chapter, section 2.4 (`cross_entropy_justlabel`).

    Examples
    --------
    A sure and right answer has a loss below 0:

    >>> from gradcheck.textbook import cross_entropy_label_published
    >>> float(cross_entropy_label_published([0.0, 1.0], 1))
    -1e-07
    """
    picked = _picked(y, t)
    error: float = -np.sum(np.log(picked) + DELTA) / picked.size
    return error


def cross_entropy_published(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Return the form for either kind of target as printed: targets of y's size become labels by argmax.

    Parameters
    ----------
    y : array_like, (n, k) or (k,)
        Probabilities.
    t : array_like
        One-hot targets of y's size, or labels (n,). Soft targets are not honoured.

    Returns
    -------
    float
        In nats; log 0 as in `cross_entropy_label_published`.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy_label` where `t` is neither.

    Notes
    -----
    For the errata and for reproducing the printed loss.

    References
    ----------
    The chapter, section 4.2.

    Examples
    --------
    Soft targets, of which the form takes the largest:

    >>> from gradcheck.textbook import cross_entropy, cross_entropy_published
    >>> y, t = [0.5, 0.3, 0.2], [0.6, 0.4, 0.0]
    >>> round(float(cross_entropy_published(y, t)), 4), round(float(cross_entropy(y, t)), 4)
    (0.6931, 0.8975)
    """
    y, t = _as_batch(y), np.asarray(t)
    if t.size == y.size:
        t = t.reshape(y.shape).argmax(axis=1)
    return cross_entropy_label_published(y, t)


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
    a = _floats(a)
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
    a = _floats(a)
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
    a = _floats(a)
    exponentials = np.exp(a - np.max(a))
    y: Array = exponentials / np.sum(exponentials)
    return y


def _floats(a: npt.ArrayLike) -> Array:
    """Return a as an array, integers as float64: differences of unsigned ones would wrap around."""
    a = np.asarray(a)
    return a.astype(np.float64) if a.dtype.kind in "iub" else a


def _same_shape(y: npt.ArrayLike, t: npt.ArrayLike) -> tuple[Array, Array]:
    y, t = _floats(y), _floats(t)
    if y.shape != t.shape:
        raise ValueError(f"t has shape {t.shape}; y's shape {y.shape} is allowed")
    return y, t


def _as_batch(y: npt.ArrayLike) -> Array:
    """Return y as (n, k) with at least one sample and one class."""
    y = np.atleast_2d(np.asarray(y))
    if y.ndim != 2 or y.size == 0:
        raise ValueError(f"y has shape {y.shape}; non-empty (n, k) or (k,) is allowed")
    return y


def _picked(y: npt.ArrayLike, t: npt.ArrayLike) -> Array:
    """Return the probability of each sample's label: (n,)."""
    y, t = _as_batch(y), np.asarray(t)
    n, k = y.shape
    labels = t.reshape(-1)
    if labels.shape != (n,) or t.ndim > 1:
        raise ValueError(f"t has shape {t.shape}; labels ({n},) for y of shape {y.shape} are allowed")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"t has dtype {t.dtype}; labels must be integers")
    # A negative label would silently index from the end.
    if labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"t holds labels from {labels.min()} to {labels.max()}; 0 to {k - 1} are allowed")
    picked: Array = y[np.arange(n), labels]
    return picked
