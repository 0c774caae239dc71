"""The chapter's two networks: one matrix, and two layers.

Source: the chapter, sections 4.2 and 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck.textbook import losses
from gradcheck.textbook.numerical import numerical_gradient
from gradcheck.textbook.structured import structured_differences

__all__ = ["SimpleNet", "TwoLayerNet", "structured_gradient"]

Array = npt.NDArray[Any]
Seed = int | np.random.Generator | None


class SimpleNet:
    """Scores x W, softmax and a loss: one layer without bias.

    W : (d, k) weights, copied; drawn from the standard normal distribution, shape (2, 3), where not given.
    rng : seed or Generator for that draw, as `numpy.random.default_rng` takes it.
    softmax, loss : `softmax_whole_array` and `cross_entropy_published` reproduce the printed figures.
    Source: the chapter, section 4.2.
    """

    def __init__(
        self,
        W: npt.ArrayLike | None = None,
        *,
        rng: Seed = None,
        softmax: Callable[[Array], Array] = losses.softmax,
        loss: Callable[[Array, Array], float] = losses.cross_entropy,
    ) -> None:
        """Keep a copy of W, or draw one."""
        drawn = np.random.default_rng(rng).standard_normal((2, 3)) if W is None else W
        self.W: Array = np.array(drawn, dtype=float)
        if self.W.ndim != 2:
            raise ValueError(f"W has shape {self.W.shape}; (d, k) is allowed")
        self.softmax = softmax
        self.loss_function = loss

    def predict(self, x: Array) -> Array:
        """Return the scores x W, before softmax: (k,) for x of shape (d,), (n, k) for (n, d)."""
        scores: Array = np.dot(x, self.W)
        return scores

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss of the softmax of the scores against targets or labels `t`."""
        return self.loss_function(self.softmax(self.predict(x)), t)

    def numerical_gradient(self, x: Array, t: Array) -> Array:
        """Return the central difference of the loss by each weight: W's shape. W is restored."""
        return numerical_gradient(lambda _: self.loss(x, t), self.W)


class TwoLayerNet:
    """Sigmoid hidden layer, softmax output and a loss; parameters W1, b1, W2, b2 in the dict `params`.

    input_size, hidden_size, output_size : d, m, k; W1 (d, m), b1 (m,), W2 (m, k), b2 (k,).
    weight_init_std : standard deviation of the initial weights; biases start at 0.
    rng : seed or Generator, as `numpy.random.default_rng` takes it.
    softmax, loss : `softmax_whole_array` and `cross_entropy_published` are the forms as printed.
    Raises ValueError where a size is below 1 or weight_init_std is negative or not finite.
    Source: the chapter, section 5.1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        weight_init_std: float = 0.01,
        *,
        rng: Seed = None,
        softmax: Callable[[Array], Array] = losses.softmax,
        loss: Callable[[Array, Array], float] = losses.cross_entropy,
    ) -> None:
        """Draw W1, then W2, so that one seed always gives one network."""
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "output_size": output_size}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is {size}; 1 or more is allowed")
        if not 0 <= weight_init_std < np.inf:
            raise ValueError(f"weight_init_std is {weight_init_std}; a finite number from 0 on is allowed")
        generator = np.random.default_rng(rng)
        self.params: dict[str, Array] = {
            "W1": weight_init_std * generator.standard_normal((input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * generator.standard_normal((hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }
        self.softmax = softmax
        self.loss_function = loss

    def predict(self, x: Array) -> Array:
        """Return the probabilities, after softmax: (n, k) for x of shape (n, d), (k,) for (d,)."""
        hidden = losses.sigmoid(np.dot(x, self.params["W1"]) + self.params["b1"])
        return self.softmax(np.dot(hidden, self.params["W2"]) + self.params["b2"])

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss against `t`, in nats: one-hot or soft targets (n, k), or labels (n,)."""
        return self.loss_function(self.predict(x), t)

    def accuracy(self, x: Array, t: Array) -> float:
        """Return the share of samples whose most probable class is the target's.

        x : (n, d).  t : one-hot or soft targets (n, k), or labels (n,).
        Raises ValueError where there is no sample or `t` does not fit x.
        """
        y, t = self.predict(x), np.asarray(t)
        if t.shape not in (y.shape, y.shape[:1]) or y.ndim != 2 or y.size == 0:
            raise ValueError(f"t has shape {t.shape}; {y.shape} or {y.shape[:1]} is allowed, n at least 1")
        labels = t.argmax(axis=1) if t.ndim == 2 else t
        return float(np.mean(y.argmax(axis=1) == labels))

    def numerical_gradient(self, x: Array, t: Array, method: str = "loop") -> dict[str, Array]:
        """Return the central differences of the loss by each parameter, as a dict like `params`.

        x, t : as for `loss`.  method : "loop", two losses a parameter as the chapter takes them, or
        "structured", the same differences from what a perturbation touches.
        The parameters are restored. Raises ValueError for another method.
        """
        if method == "loop":
            return {
                name: numerical_gradient(lambda _: self.loss(x, t), value)
                for name, value in self.params.items()
            }
        if method == "structured":
            return structured_gradient(self, x, t)
        raise ValueError(f'method is {method!r}; "loop" or "structured" is allowed')


def structured_gradient(
    network: TwoLayerNet, x: npt.ArrayLike, t: npt.ArrayLike, h: float = 1e-4, *, n_threads: int | None = None
) -> dict[str, Array]:
    """Return (L(w + h) - L(w - h)) / 2h for every parameter w, as a dict like `network.params`.

    network : TwoLayerNet with float64 parameters, `softmax` or `softmax_whole_array`, and a cross entropy of a batch.
    x : (n, d), d the input size.  t : one-hot or soft targets (n, k) or labels (n,), as the network's loss takes them.
    h : the step, in units of the parameters.
    n_threads : threads for networks so large that they are taken in blocks of units, default one per processor;
        the result does not depend on it.
    Error: rounding alone, about 1e-15 of the largest weight of W2; the loop's own rounding is about 1e-16 L / h.
    Raises TypeError or ValueError for a network, loss or array that the formulas do not cover, and ValueError where
    h max|x| is too large for the interpolation's remainder to stay below rounding.
    """
    if not isinstance(network, TwoLayerNet):
        raise TypeError(f"network is a {type(network).__name__}; a TwoLayerNet is allowed")
    for name in ("predict", "loss"):
        if getattr(getattr(network, name), "__func__", None) is not getattr(TwoLayerNet, name):
            raise TypeError(f"network.{name} is not TwoLayerNet's own; method 'loop' takes any")
    return structured_differences(
        network.params, x, t, h, softmax=network.softmax, loss=network.loss_function, n_threads=n_threads
    )
