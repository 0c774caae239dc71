"""Backpropagation for both networks of the chapter, derived on paper and written from the derivation.

With y = softmax(a), r = t y / (y + delta) / N and the loss L = -sum(t log(y + delta)) / N, the chain rule
gives dL/da = y S - r, where S sums r over the part of the array that shares the softmax's normaliser: each
row by itself, or the whole array in the form as printed. No division by y is left: y = 0 does no harm.

The printed loss has delta outside of the logarithm, so that r = t / N, and takes the largest entry of each
sample's targets for its label.

Source of the networks: the chapter, sections 4.2 and 5.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reference.analytic import onehot

Array = npt.NDArray[Any]
Softmax = Literal["rows", "whole array"]
Loss = Literal["corrected", "published"]

DELTA = 1e-7


def simple_net_gradient(
    W: npt.ArrayLike,
    x: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    softmax: Softmax = "rows",
    loss: Loss = "corrected",
) -> Array:
    """Return dL/dW of the one-layer network: x^T (dL/da), with a = x W.

    W : (d, k).  x : (d,) or (N, d).  t : one-hot or soft targets, or integer labels.
    """
    W = np.asarray(W, dtype=float)
    x = np.atleast_2d(np.asarray(x, dtype=float))
    return x.T @ score_gradient(x @ W, t, softmax=softmax, loss=loss)


def two_layer_net_gradient(
    params: Mapping[str, npt.ArrayLike],
    x: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    softmax: Softmax = "rows",
    loss: Loss = "corrected",
) -> dict[str, Array]:
    """Return dL/dW1, dL/db1, dL/dW2, dL/db2 of the two-layer network.

    params : W1 (d, m), b1 (m,), W2 (m, k), b2 (k,).  x : (d,) or (N, d).  t : targets or integer labels.
    """
    W1, b1, W2, b2 = (np.asarray(params[name], dtype=float) for name in ("W1", "b1", "W2", "b2"))
    x = np.atleast_2d(np.asarray(x, dtype=float))
    z = 0.5 * (1.0 + np.tanh(0.5 * (x @ W1 + b1)))  # the logistic function; tanh does not overflow
    d_scores = score_gradient(z @ W2 + b2, t, softmax=softmax, loss=loss)
    d_hidden = (d_scores @ W2.T) * z * (1.0 - z)
    return {
        "W1": x.T @ d_hidden,
        "b1": d_hidden.sum(axis=0),
        "W2": z.T @ d_scores,
        "b2": d_scores.sum(axis=0),
    }


def score_gradient(
    a: npt.ArrayLike, t: npt.ArrayLike, *, softmax: Softmax = "rows", loss: Loss = "corrected"
) -> Array:
    """Return dL/da of the loss of the softmax of scores a : (N, k), derived above."""
    if softmax not in ("rows", "whole array"):
        raise ValueError(f'softmax is {softmax!r}; "rows" or "whole array" is allowed')
    if loss not in ("corrected", "published"):
        raise ValueError(f'loss is {loss!r}; "corrected" or "published" is allowed')
    a = np.asarray(a, dtype=float)
    axis = 1 if softmax == "rows" else None
    y = np.exp(a - a.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    targets = onehot(t, a.shape)
    if loss == "published":
        r = np.eye(a.shape[1])[targets.argmax(axis=1)] / len(a)
    else:
        r = targets * (y / (y + DELTA)) / len(a)
    gradient: Array = y * r.sum(axis=axis, keepdims=True) - r
    return gradient
