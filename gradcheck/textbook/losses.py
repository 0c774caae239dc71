"""Losses and activations: the corrected forms by default, the printed forms under names that say so.

Source: the chapter, sections 2.1 to 2.4 (losses), 4.2 (softmax) and 5.1 (sigmoid).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "cross_entropy",
    "cross_entropy_error",
    "cross_entropy_label",
    "cross_entropy_label_published",
    "cross_entropy_onehot",
    "cross_entropy_published",
    "sigmoid",
    "softmax",
    "softmax_whole_array",
    "sum_squares_error",
]

Array = npt.NDArray[Any]

# Keeps log away from 0; the chapter's value.
DELTA = 1e-7


def sum_squares_error(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Half the sum of squared differences, over every entry of `y` and `t`.

    y, t : outputs and targets, of one shape; anything that `numpy.asarray` takes.
    Raises ValueError where the shapes differ (broadcasting would sum something else).
    Source: the chapter, section 2.1.
    """
    y, t = _same_shape(y, t)
    error: float = 0.5 * np.sum((y - t) ** 2)
    return error


def cross_entropy_error(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Cross entropy -sum(t log(y + 1e-7)) of one sample, in nats.

    y : (k,) probabilities.  t : (k,) one-hot or soft targets.
    Raises ValueError for a batch, which this form would sum where `cross_entropy_onehot` takes the mean.
    Source: the chapter, section 2.2.
    """
    y, t = _same_shape(y, t)
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; one sample (k,) is allowed, cross_entropy takes batches")
    error: float = -np.sum(t * np.log(y + DELTA))
    return error


def cross_entropy_onehot(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy of a batch, in nats, for one-hot or soft targets.

    y : (n, k) or (k,) probabilities.  t : the same shape.
    Raises ValueError where the shapes differ or there is no sample.
    Source: the chapter, section 2.4.
    """
    y, t = _same_shape(y, t)
    y, t = _as_batch(y), np.atleast_2d(t)
    error: float = -np.sum(t * np.log(y + DELTA)) / y.shape[0]
    return error


def cross_entropy_label(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy of a batch, in nats, for integer labels; 1e-7 guards the logarithm.

    y : (n, k) or (k,) probabilities.  t : (n,) labels in 0..k-1; one label for y of shape (k,).
    Raises TypeError where the labels are no integers, ValueError where they do not fit `y`.
    Source: the chapter, section 2.4; there 1e-7 is added to the logarithm, which leaves log 0 unguarded
    (see `cross_entropy_label_published`).
    """
    picked = _picked(y, t)
    error: float = -np.sum(np.log(picked + DELTA)) / picked.size
    return error


def cross_entropy(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Mean cross entropy, in nats; targets of y's shape are probabilities, any other are labels.

    y : (n, k) or (k,) probabilities.  t : one-hot or soft targets of y's shape, or labels (n,).
    Raises as `cross_entropy_label` where `t` is neither.
    Source: the chapter, section 4.2; there soft targets are replaced by their largest entry
    (see `cross_entropy_published`).
    """
    if np.shape(t) == np.shape(y):
        return cross_entropy_onehot(y, t)
    return cross_entropy_label(y, t)


def cross_entropy_label_published(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Return the label form as printed: -mean(log(y) + 1e-7), so that y = 0 gives inf and a RuntimeWarning.

    Arguments and errors as `cross_entropy_label`. For the errata and for reproducing the printed loss.
    Source: the chapter, section 2.4 (`cross_entropy_justlabel`).
    """
    picked = _picked(y, t)
    error: float = -np.sum(np.log(picked) + DELTA) / picked.size
    return error


def cross_entropy_published(y: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """Return the form for either kind of target as printed: targets of y's size become labels by argmax.

    Arguments as `cross_entropy`; log 0 as in `cross_entropy_label_published`. Soft targets are not honoured.
    Source: the chapter, section 4.2.
    """
    y, t = _as_batch(y), np.asarray(t)
    if t.size == y.size:
        t = t.reshape(y.shape).argmax(axis=1)
    return cross_entropy_label_published(y, t)


def sigmoid(a: npt.ArrayLike) -> Array:
    """Return the logistic function 1 / (1 + exp(-a)) of each entry; any shape.

    Never overflows: the exponential is taken of -|a|, where the printed form warns below about -709.
    Source: the chapter, section 5.1.
    """
    a = np.asarray(a)
    # Not |a|: written so, the function is analytic, and complex steps through it are right.
    small = np.exp(np.where(a.real >= 0, -a, a))
    y: Array = np.where(a.real >= 0, 1.0, small) / (1.0 + small)
    return y


def softmax(a: npt.ArrayLike) -> Array:
    """Return the softmax along the last axis: each row is normalised by itself and sums to one.

    a : (..., k) scores, k >= 1. Shifted by each row's maximum, so that exp cannot overflow.
    Raises ValueError for a scalar.
    Source: the chapter, section 4.2, corrected (see `softmax_whole_array`).
    """
    a = np.asarray(a)
    if a.ndim == 0:
        raise ValueError("a is a scalar; scores of shape (..., k) are allowed")
    exponentials = np.exp(a - np.max(a, axis=-1, keepdims=True))
    y: Array = exponentials / np.sum(exponentials, axis=-1, keepdims=True)
    return y


def softmax_whole_array(a: npt.ArrayLike) -> Array:
    """Return the softmax as printed: one normaliser for the whole array, so that a whole batch sums to one.

    Equals `softmax` for one sample (k,). A batch of 100 starts at the loss log 1000, not log 10.
    Source: the chapter, section 4.2.
    """
    a = np.asarray(a)
    exponentials = np.exp(a - np.max(a))
    y: Array = exponentials / np.sum(exponentials)
    return y


def _same_shape(y: npt.ArrayLike, t: npt.ArrayLike) -> tuple[Array, Array]:
    y, t = np.asarray(y), np.asarray(t)
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
