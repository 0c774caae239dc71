"""Mini-batch training: stochastic gradient descent with any gradient, which a killed process takes up again.

Source: the chapter, sections 5.2 and 5.3.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gradcheck._typing import Array
from gradcheck.errors import DataError
from gradcheck.textbook.checkpoint import (
    RECORDS,
    Checkpoint,
    begin_afresh,
    fingerprint,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from gradcheck.textbook.numerical import is_finite

Gradients = Mapping[str, Array]


class Trainable(Protocol):
    """What `train` asks of a network."""

    params: dict[str, Array]

    def loss(self, x: Array, t: Array) -> float:
        """Return the loss of a batch."""

    def accuracy(self, x: Array, t: Array) -> float:
        """Return the share of right answers."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training gave.

    Attributes
    ----------
    losses : ndarray, (iterations,)
        In nats: of each batch, after the step taken on it.
    train_accuracy, test_accuracy : ndarray, (epochs,)
        Shares of right answers, from 0 to 1, after the step of the iterations `evaluated_at`.
    evaluated_at : ndarray of int, (epochs,)
        The iterations, counted from 0.
    params : dict of ndarray
        Copies of the parameters at the end.
    seconds : float
        Wall time of this run, without what was done before an interruption.
    resumed_from : int
        Iterations already done when this run began; 0 for a fresh start.
    """

    losses: Array
    train_accuracy: Array
    test_accuracy: Array
    evaluated_at: Array
    params: dict[str, Array]
    seconds: float
    resumed_from: int


def train(
    network: Trainable,
    data: Iterable[tuple[Array, Array]],
    gradient: Callable[[Any, Array, Array], Gradients],
    *,
    iterations: int,
    batch_size: int = 100,
    learning_rate: float = 0.1,
    rng: int | np.random.Generator | None = 0,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    fresh: bool = False,
    on_iteration: Callable[[int, Any, Array, Array], object] | None = None,
) -> TrainingResult:
    """Train `network` by stochastic gradient descent on batches drawn with replacement.

    Parameters
    ----------
    network : object
        Has `params` (a dict of arrays), `loss(x, t)` and `accuracy(x, t)`, like TwoLayerNet. It is trained itself:
        `params` gets new arrays; those it held are not written to.
    data : Dataset or ((x_train, t_train), (x_test, t_test))
        Inputs and targets, samples along the first axis.
    gradient : callable
        gradient(network, x_batch, t_batch) -> dict like `params`.
    iterations : int
        Number of steps, 1 or more.
    batch_size : int, optional
        Samples of a batch. Default 100.
    learning_rate : float, optional
        In units of the parameter squared per loss. Default 0.1.
    rng : int, Generator or None, optional
        Seed or Generator for the batches, as `numpy.random.default_rng` takes it. Default 0.
    progress : bool, optional
        Show a tqdm bar. Default True.
    checkpoint : path, optional
        File for the state, written every `checkpoint_every` iterations and removed at the end. A run that was killed,
        started again with the same arguments and the same initial network, goes on from it and ends with the same bits.
        One of other settings or data is refused, and stays. The gradient is told by its name, everything else by its
        value.
    checkpoint_every : int, optional
        Iterations from one checkpoint to the next. Default 100.
    fresh : bool, optional
        Discard what checkpoint is there, of whatever settings, and begin at iteration 0.
    on_iteration : callable, optional
        on_iteration(i, network, x_batch, t_batch), called before the step of iteration i.

    Returns
    -------
    TrainingResult
        Losses, accuracies and the parameters at the end.

    Raises
    ------
    ValueError
        For arguments out of range, data or gradients that do not fit, and for a checkpoint with rng=None, which could
        never be taken up.
    TypeError
        Where a count is no integer, or network, data or gradient is none.
    DataError
        Where `checkpoint` is that of another training, which may have begun meanwhile, or some other file.

    Notes
    -----
    Accuracies are taken after the step of every iteration i with i % (train size // batch_size) == 0; of every
    iteration where a batch is as large as the data or larger.

    References
    ----------
    The chapter, section 5.3.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import TwoLayerNet, train
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((40, 2))
    >>> t = (x[:, 0] > x[:, 1]).astype(int)
    >>> net = TwoLayerNet(2, 4, 2, weight_init_std=1.0, rng=0)
    >>> result = train(
    ...     net, ((x[:30], t[:30]), (x[30:], t[30:])), lambda net, x, t: net.numerical_gradient(x, t, "structured"),
    ...     iterations=60, batch_size=10, learning_rate=1.0, progress=False,
    ... )
    >>> result.evaluated_at[:4].tolist(), result.losses.shape
    ([0, 3, 6, 9], (60,))
    >>> bool(result.losses[-10:].mean() < result.losses[:10].mean())
    True
    """
    started = time.perf_counter()
    _check_parts(network, gradient)
    try:
        (x_train, t_train), (x_test, t_test) = data
    except (TypeError, ValueError):
        raise TypeError(
            "data must be ((x_train, t_train), (x_test, t_test)), as load_mnist() returns them"
        ) from None
    counts = {"iterations": iterations, "batch_size": batch_size, "checkpoint_every": checkpoint_every}
    path = None if checkpoint is None else Path(checkpoint)
    _check(counts, learning_rate, len(x_train), len(t_train), repeatable=path is None or rng is not None)
    generator = np.random.default_rng(rng)
    per_epoch = max(len(x_train) // batch_size, 1)
    log: dict[str, list[Any]] = {name: [] for name in RECORDS}
    settings = {"iterations": iterations, "batch_size": batch_size, "learning_rate": learning_rate}
    if path is not None:
        settings |= _identity(network, gradient, generator, (x_train, t_train, x_test, t_test))
        log |= _taken_up(path, settings, network, generator, fresh=fresh)
    resumed_from = len(log["losses"])
    for i in _counted(resumed_from, iterations, progress):
        batch = generator.choice(len(x_train), batch_size)
        x_batch, t_batch = x_train[batch], t_train[batch]
        if on_iteration is not None:
            on_iteration(i, network, x_batch, t_batch)
        network.params = _stepped(network.params, gradient(network, x_batch, t_batch), learning_rate)
        log["losses"].append(float(network.loss(x_batch, t_batch)))
        if i % per_epoch == 0:
            log["train_accuracy"].append(network.accuracy(x_train, t_train))
            log["test_accuracy"].append(network.accuracy(x_test, t_test))
            log["evaluated_at"].append(i)
        if path is not None and (i + 1) % checkpoint_every == 0:
            _save(path, settings, network, generator, log)
    if path is not None:
        remove_checkpoint(path, settings)
    return _result(network, log, started, resumed_from)


def _result(
    network: Trainable, log: Mapping[str, list[Any]], started: float, resumed_from: int
) -> TrainingResult:
    return TrainingResult(
        **_arrays(log),
        params={name: value.copy() for name, value in network.params.items()},
        seconds=time.perf_counter() - started,
        resumed_from=resumed_from,
    )


def _arrays(log: Mapping[str, list[Any]]) -> dict[str, Array]:
    return {name: np.array(log[name], int if name == "evaluated_at" else float) for name in log}


def _stepped(params: Gradients, grads: Gradients, learning_rate: float) -> dict[str, Array]:
    """Return new arrays, one step down; what the caller holds of the old ones stays as it is."""
    for name, value in params.items():
        # Broadcasting would take a step with a gradient of another shape too.
        if name not in grads or np.shape(grads[name]) != value.shape:
            found = f"shape {np.shape(grads[name])}" if name in grads else "nothing"
            raise ValueError(f"gradient returned {found} for {name!r}; shape {value.shape} is allowed")
    return {name: value - learning_rate * grads[name] for name, value in params.items()}


def _save(
    path: Path,
    settings: Mapping[str, Any],
    network: Trainable,
    generator: np.random.Generator,
    log: Mapping[str, list[Any]],
) -> None:
    """Write what `_taken_up` goes on from."""
    state = generator.bit_generator.state
    save_checkpoint(path, Checkpoint(settings, network.params, state, **_arrays(log)))


def _taken_up(
    path: Path,
    settings: Mapping[str, Any],
    network: Trainable,
    generator: np.random.Generator,
    *,
    fresh: bool,
) -> dict[str, list[Any]]:
    """Set network and generator to the checkpoint at `path` and return its records; nothing where there is none."""
    if fresh:
        begin_afresh(path)
    found = load_checkpoint(path, settings)
    if found is None:
        return {}
    log = {name: getattr(found, name).tolist() for name in RECORDS}
    shapes, wanted = (
        {name: np.shape(a) for name, a in params.items()} for params in (found.params, network.params)
    )
    epochs = {len(log[name]) for name in RECORDS if name != "losses"}
    try:
        if shapes != wanted or len(epochs) > 1 or len(log["losses"]) > found.settings["iterations"]:
            raise ValueError("its parts do not fit each other")
        generator.bit_generator.state = found.rng_state
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise DataError(f"{path}: a damaged checkpoint; delete it or name another file") from error
    network.params = dict(found.params)
    return log


def _identity(
    network: Trainable,
    gradient: Callable[..., Gradients],
    generator: np.random.Generator,
    arrays: tuple[Array, Array, Array, Array],
) -> dict[str, Any]:
    """Return, by name, what decides how the training ends, beside its own settings."""
    x_train, t_train, x_test, t_test = arrays
    return {
        "rng": generator.bit_generator.state,
        "gradient": _name_of(gradient),
        "network": _name_of(type(network)),
        "parameters": list(network.params),
        "initial weights": fingerprint(*network.params.values()),
        "training data": fingerprint(x_train, t_train),
        "test data": fingerprint(x_test, t_test),
        # Tells apart networks whose parameters are equal, such as those with another softmax.
        "loss at the start": float(network.loss(x_train[:100], t_train[:100])),
    }


def _name_of(function: Any) -> str:
    if isinstance(function, functools.partial):
        arguments = [_told(value) for value in function.args]
        options = [f"{name}={_told(value)}" for name, value in sorted(function.keywords.items())]
        return f"{_name_of(function.func)}({', '.join([*arguments, *options])})"
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"


def _told(value: Any) -> str:
    # Of a large array repr shows the corners alone.
    return fingerprint(value) if isinstance(value, np.ndarray) else repr(value)


def _counted(start: int, stop: int, progress: bool) -> Iterable[int]:
    if not progress:
        return range(start, stop)
    from tqdm import tqdm  # on use: `import gradcheck` loads NumPy and SciPy alone

    bar: Iterable[int] = tqdm(range(start, stop), initial=start, total=stop)
    return bar


def _check_parts(network: object, gradient: object) -> None:
    for name in ("params", "loss", "accuracy"):
        if not hasattr(network, name):
            raise TypeError(f"network is {network!r:.60}, without {name}; one like TwoLayerNet is allowed")
    if not callable(gradient):
        raise TypeError(f"gradient is {gradient!r:.60}; a function of network, x, t is allowed")


def _check(
    counts: Mapping[str, int], learning_rate: float, inputs: int, targets: int, *, repeatable: bool
) -> None:
    for name, value in counts.items():
        if not isinstance(value, Integral):
            raise TypeError(f"{name} is {value!r:.60}; an integer is allowed")
        if value < 1:
            raise ValueError(f"{name} is {value}; 1 or more is allowed")
    if not (is_finite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate is {learning_rate!r:.60}; a finite positive number is allowed")
    if inputs == 0 or inputs != targets:
        raise ValueError(f"data has {inputs} inputs and {targets} targets to train with")
    if not repeatable:
        raise ValueError("rng is None; with a checkpoint a seed or a Generator is allowed")
