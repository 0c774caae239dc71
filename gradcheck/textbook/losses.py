"""Losses: the corrected forms by default, the printed forms under names that say so.

Source: the chapter, sections 2.1 to 2.4 and 4.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array
from gradcheck.textbook.activations import floats

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


def _same_shape(y: npt.ArrayLike, t: npt.ArrayLike) -> tuple[Array, Array]:
    y, t = floats(y), floats(t)
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
