"""The chapter's own code, as it is printed: its training loop, network, losses and numerical gradient.

What is changed is said where it is changed: names where two sections use one, an argument where the chapter has a
global, and batches from a Generator, so that they can be drawn again. What is wrong in the print is wrong here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Params = dict[str, Array]


def softmax(x: Array) -> Array:
    """Section 4.2: one normaliser for the whole array."""
    x = x - np.max(x)
    y: Array = np.exp(x) / np.sum(np.exp(x))
    return y


def cross_entropy(y: Array, t: Array) -> float:
    """Section 4.2: targets as labels or one-hot; delta outside of the logarithm."""
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    delta = 1e-7
    batch_size = y.shape[0]
    error: float = -np.sum(np.log(y[np.arange(batch_size), t]) + delta) / batch_size
    return error


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """Section 4.2: each entry of x perturbed in place by 1e-4, and restored."""
    h = 1e-4
    grad = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        idx = it.multi_index
        tmp_val = x[idx]
        x[idx] = float(tmp_val) + h
        f_1 = f(x)
        x[idx] = tmp_val - h
        f_2 = f(x)
        grad[idx] = (f_1 - f_2) / (2 * h)
        x[idx] = tmp_val
        it.iternext()
    return grad


def sigmoid(a: Array) -> Array:
    """Section 5.1."""
    y: Array = 1 / (1 + np.exp(-a))
    return y


class TwoLayerNet:
    """Section 5.1, with the weights given instead of drawn."""

    def __init__(self, params: Params) -> None:
        self.params = {name: np.array(value, dtype=float) for name, value in params.items()}

    def predict(self, x: Array) -> Array:
        """Return the probabilities."""
        a1 = np.dot(x, self.params["W1"]) + self.params["b1"]
        z1 = sigmoid(a1)
        a2 = np.dot(z1, self.params["W2"]) + self.params["b2"]
        return softmax(a2)

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss of a batch."""
        return cross_entropy(self.predict(x), t)

    def accuracy(self, x: Array, t: Array) -> float:
        """Return the share of right answers; one-hot targets alone: labels have no second axis."""
        y = self.predict(x)
        y = np.argmax(y, axis=1)
        t = np.argmax(t, axis=1)
        share: float = np.sum(y == t) / float(x.shape[0])
        return share

    def numerical_gradient(self, x: Array, t: Array) -> Params:
        """Return the numerical gradient by each array."""
        return {
            key: numerical_gradient(lambda _: self.loss(x, t), self.params[key])
            for key in ("W1", "b1", "W2", "b2")
        }


def training(
    network: Any,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    gradient: Callable[[Any, Array, Array], Params],
    rng: np.random.Generator,
    *,
    iters_num: int,
    batch_size: int,
    learning_rate: float,
) -> tuple[list[float], list[float], list[float]]:
    """Section 5.3: the loop; returns the losses and the accuracies on either set.

    gradient stands where the chapter has `network.numerical_gradient`, rng.choice for np.random.choice.
    """
    (x_train, t_train), (x_test, t_test) = train, test
    train_loss_list, train_acc_list, test_acc_list = [], [], []
    train_size = x_train.shape[0]
    iter_per_each = train_size / batch_size
    for i in range(iters_num):
        batch_mask = rng.choice(train_size, batch_size)
        x_batch = x_train[batch_mask]
        t_batch = t_train[batch_mask]
        grad = gradient(network, x_batch, t_batch)
        for key in ("W1", "b1", "W2", "b2"):
            network.params[key] -= learning_rate * grad[key]
        loss = network.loss(x_batch, t_batch)
        train_loss_list.append(loss)
        if i % iter_per_each == 0:
            train_acc_list.append(network.accuracy(x_train, t_train))
            test_acc_list.append(network.accuracy(x_test, t_test))
    return train_loss_list, train_acc_list, test_acc_list
