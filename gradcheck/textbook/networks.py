"""The chapter's two networks: one matrix, and two layers.

Source: the chapter, sections 4.2 and 5.1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array
from gradcheck.textbook import activations, losses
from gradcheck.textbook.numerical import is_finite, numerical_gradient
from gradcheck.textbook.structured import structured_differences

Seed = int | np.random.Generator | None


class SimpleNet:
    """Scores x W, softmax and a loss: one layer without bias.

    Parameters
    ----------
    W : array_like, (d, k), optional
        Weights, copied to float64; drawn from the standard normal distribution, shape (2, 3), where not given.
    rng : int, Generator or None, optional
        Seed or Generator for that draw, as `numpy.random.default_rng` takes it. Default None: another draw each time.
    softmax : callable, optional
        softmax(scores) -> probabilities. Default `softmax`.
    loss : callable, optional
        loss(probabilities, t) -> float. Default `cross_entropy`.

    Attributes
    ----------
    W : ndarray of float64, (d, k)
        The weights.
    softmax, loss_function : callable
        As given.

    Raises
    ------
    ValueError
        Where W does not have two dimensions.

    Notes
    -----
    `softmax_whole_array` and `cross_entropy_published` reproduce the printed figures.

    References
    ----------
    The chapter, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import SimpleNet
    >>> net = SimpleNet([[0.47, 1.0, 0.85], [0.86, 0.04, 0.69]])
    >>> x, t = np.array([0.6, 0.9]), np.array([0, 0, 1])
    >>> net.predict(x).round(6)
    array([1.056, 0.636, 1.131])
    >>> round(float(net.loss(x, t)), 6)
    0.931106
    >>> net.numerical_gradient(x, t).round(4)
    array([[ 0.2194,  0.1441, -0.3635],
           [ 0.3291,  0.2162, -0.5453]])
    """

    def __init__(
        self,
        W: npt.ArrayLike | None = None,
        *,
        rng: Seed = None,
        softmax: Callable[[Array], Array] = activations.softmax,
        loss: Callable[[Array, Array], float] = losses.cross_entropy,
    ) -> None:
        drawn = np.random.default_rng(rng).standard_normal((2, 3)) if W is None else W
        self.W: Array = np.array(drawn, dtype=float)
        if self.W.ndim != 2:
            raise ValueError(f"W has shape {self.W.shape}; (d, k) is allowed")
        self.softmax = softmax
        self.loss_function = loss

    def predict(self, x: Array) -> Array:
        """Return the scores x W, before softmax.

        Parameters
        ----------
        x : ndarray, (d,) or (n, d)
            One sample, or a batch.

        Returns
        -------
        ndarray, (k,) or (n, k)
            The scores.

        Raises
        ------
        ValueError
            Where x does not fit W.
        """
        scores: Array = np.dot(x, self.W)
        return scores

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss of the softmax of the scores against targets or labels `t`.

        Parameters
        ----------
        x : ndarray, (d,) or (n, d)
            One sample, or a batch.
        t : ndarray
            Targets (k,) or (n, k), or labels, as the network's loss takes them.

        Returns
        -------
        float
            In nats for the default loss.

        Raises
        ------
        TypeError, ValueError
            Where x does not fit W; and what the loss raises, as `cross_entropy` does where t does not fit.
        """
        return self.loss_function(self.softmax(self.predict(x)), t)

    def numerical_gradient(self, x: Array, t: Array) -> Array:
        """Return the central difference of the loss by each weight. W is restored.

        Parameters
        ----------
        x : ndarray, (d,) or (n, d)
            As for `loss`.
        t : ndarray
            As for `loss`.

        Returns
        -------
        ndarray, (d, k)
            In units of the loss per weight, with the step and the error of `numerical_gradient`.

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        return numerical_gradient(lambda _: self.loss(x, t), self.W)


class TwoLayerNet:
    """Sigmoid hidden layer, softmax output and a loss; parameters W1, b1, W2, b2 in the dict `params`.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        d, m, k, each 1 or more.
    weight_init_std : float, optional
        Standard deviation of the initial weights; biases start at 0. Default 0.01.
    rng : int, Generator or None, optional
        Seed or Generator, as `numpy.random.default_rng` takes it. W1 is drawn first, then W2, so that one seed always
        gives one network. Default None: another draw each time.
    softmax : callable, optional
        softmax(scores) -> probabilities. Default `softmax`.
    loss : callable, optional
        loss(probabilities, t) -> float. Default `cross_entropy`.

    Attributes
    ----------
    params : dict of ndarray
        W1 (d, m), b1 (m,), W2 (m, k), b2 (k,), of float64.
    softmax, loss_function : callable
        As given.

    Raises
    ------
    ValueError
        Where a size is below 1 or weight_init_std is negative or not finite.

    Notes
    -----
    `softmax_whole_array` and `cross_entropy_published` are the forms as printed.

    References
    ----------
    The chapter, section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import TwoLayerNet
    >>> net = TwoLayerNet(4, 3, 2, rng=0)
    >>> x, t = np.random.default_rng(1).random((5, 4)), np.array([0, 1, 0, 1, 1])
    >>> net.predict(x).shape
    (5, 2)
    >>> round(float(net.loss(x, t)), 2)  # log 2: small weights tell no class from another
    0.69
    >>> {name: part.shape for name, part in net.numerical_gradient(x, t).items()}
    {'W1': (4, 3), 'b1': (3,), 'W2': (3, 2), 'b2': (2,)}
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        weight_init_std: float = 0.01,
        *,
        rng: Seed = None,
        softmax: Callable[[Array], Array] = activations.softmax,
        loss: Callable[[Array, Array], float] = losses.cross_entropy,
    ) -> None:
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "output_size": output_size}
        for name, size in sizes.items():
            if not isinstance(size, int | np.integer):
                raise TypeError(f"{name} is {size!r:.60}; an integer is allowed")
            if size < 1:
                raise ValueError(f"{name} is {size}; 1 or more is allowed")
        if not (is_finite(weight_init_std) and weight_init_std >= 0):
            raise ValueError(
                f"weight_init_std is {weight_init_std!r:.60}; a finite number from 0 on is allowed"
            )
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
        """Return the probabilities, after softmax.

        Parameters
        ----------
        x : ndarray, (n, d) or (d,)
            A batch, or one sample.

        Returns
        -------
        ndarray, (n, k) or (k,)
            The probabilities.

        Raises
        ------
        ValueError
            Where x does not fit the parameters.
        """
        hidden = activations.sigmoid(np.dot(x, self.params["W1"]) + self.params["b1"])
        return self.softmax(np.dot(hidden, self.params["W2"]) + self.params["b2"])

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss against `t`.

        Parameters
        ----------
        x : ndarray, (n, d) or (d,)
            A batch, or one sample.
        t : ndarray
            One-hot or soft targets (n, k), or labels (n,).

        Returns
        -------
        float
            In nats.

        Raises
        ------
        TypeError, ValueError
            Where x does not fit the parameters; and what the loss raises, as `cross_entropy` does where t does not fit.
        """
        return self.loss_function(self.predict(x), t)

    def accuracy(self, x: Array, t: Array) -> float:
        """Return the share of samples whose most probable class is the target's.

        Parameters
        ----------
        x : ndarray, (n, d)
            A batch.
        t : ndarray
            One-hot or soft targets (n, k), or labels (n,).

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        ValueError
            Where there is no sample or `t` does not fit x.
        """
        y, t = self.predict(x), np.asarray(t)
        if t.shape not in (y.shape, y.shape[:1]) or y.ndim != 2 or y.size == 0:
            raise ValueError(f"t has shape {t.shape}; {y.shape} or {y.shape[:1]} is allowed, n at least 1")
        labels = t.argmax(axis=1) if t.ndim == 2 else t
        return float(np.mean(y.argmax(axis=1) == labels))

    def numerical_gradient(self, x: Array, t: Array, method: str = "loop") -> dict[str, Array]:
        """Return the central differences of the loss by each parameter. The parameters are restored.

        Parameters
        ----------
        x, t : ndarray
            As for `loss`; a batch (n, d) for "structured".
        method : {"loop", "structured"}, optional
            "loop", two losses a parameter as the chapter takes them, or "structured", the same differences from what a
            perturbation touches (see `structured_gradient`). Default "loop".

        Returns
        -------
        dict of ndarray
            Like `params`, in nats per unit of the parameter; the step is 1e-4.

        Raises
        ------
        ValueError
            For another method.
        TypeError, ValueError
            As `loss`; with "structured" as `structured_gradient`.
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

    Parameters
    ----------
    network : TwoLayerNet
        With float64 parameters, `softmax` or `softmax_whole_array`, and a cross entropy of a batch.
    x : array_like, (n, d)
        Inputs; d is the input size, n at least 1.
    t : array_like
        One-hot or soft targets (n, k) or labels (n,), as the network's loss takes them.
    h : float, optional
        The step, in units of the parameters. Default 1e-4.
    n_threads : int, optional
        Threads for networks so large that they are taken in blocks of units; the result does not depend on it. Default
        one per processor.

    Returns
    -------
    dict of ndarray
        Like `network.params`, in nats per unit of the parameter. The parameters are not perturbed.

    Raises
    ------
    TypeError
        For what is no TwoLayerNet, a network whose `predict` or `loss` is not TwoLayerNet's own, parameters that are
        not float64, inputs or targets that are no real numbers which fit float64, and labels that are no integers.
    ValueError
        For a loss, softmax or shape that the formulas do not cover, a step that is not finite and above 0, fewer than
        one thread, where a parameter or the loss is not finite, and where h max|x| is too large for the interpolation's
        remainder to stay below rounding.

    Notes
    -----
    Error: rounding alone, about 1e-15 of the largest weight of W2; the loop's own rounding is about 1e-16 L / h. What a
    perturbation touches, the formulas and the bound of the remainder are derived in `docs/structured.md`.

    References
    ----------
    The chapter, sections 3.1 (central difference) and 5.1 (the network).

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import TwoLayerNet, structured_gradient
    >>> net = TwoLayerNet(4, 3, 2, rng=0)
    >>> x, t = np.random.default_rng(1).random((5, 4)), np.array([0, 1, 0, 1, 1])
    >>> fast, loop = structured_gradient(net, x, t), net.numerical_gradient(x, t)
    >>> all(np.allclose(fast[name], loop[name], rtol=0, atol=1e-10) for name in loop)
    True
    """
    if not isinstance(network, TwoLayerNet):
        raise TypeError(f"network is a {type(network).__name__}; a TwoLayerNet is allowed")
    for name in ("predict", "loss"):
        if getattr(getattr(network, name), "__func__", None) is not getattr(TwoLayerNet, name):
            raise TypeError(f"network.{name} is not TwoLayerNet's own; method 'loop' takes any")
    return structured_differences(
        network.params, x, t, h, softmax=network.softmax, loss=network.loss_function, n_threads=n_threads
    )
