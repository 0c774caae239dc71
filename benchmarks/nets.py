"""The networks that benchmarks/networks.py checks: the chapter's, and generated ones of any size."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.textbook import TwoLayerNet, load_mnist
from reference.backprop import two_layer_net_gradient

Params = dict[str, np.ndarray]


@dataclass
class Counted:
    """A function that counts its calls and the seconds spent in them."""

    f: Callable[..., Any]
    calls: int = 0
    seconds: float = 0.0

    def __call__(self, *args: Any) -> Any:
        """Call f."""
        started = time.perf_counter()
        try:
            return self.f(*args)
        finally:
            self.calls += 1
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True)
class Net:
    """A network at one point: loss of the parameters, its gradient, where they are, and a batch of data."""

    loss: Callable[[Mapping[str, np.ndarray]], Any]
    gradient: Params
    params: Params
    batch: tuple[np.ndarray, np.ndarray]
    source: str
    evaluated: Counted = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluated", Counted(self.loss))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(v.size for v in self.params.values())


def two_layer(x: np.ndarray, t: np.ndarray, hidden: int, rng: int, source: str) -> Net:
    """The chapter's network, initialised as the chapter does it, on one batch."""
    network = TwoLayerNet(x.shape[1], hidden, t.shape[1], rng=rng)

    def loss(params: Mapping[str, np.ndarray]) -> Any:
        mine = copy.copy(network)
        mine.params = dict(params)
        return mine.loss(x, t)

    return Net(loss, two_layer_net_gradient(network.params, x, t), network.params, (x, t), source)


def chapter(data: Path | None = None, seed: int = 0) -> Net:
    """784-50-10 with a batch of 100 real digits: 39,760 parameters."""
    digits = load_mnist(one_hot_label=True, data=data)
    batch = np.random.default_rng(seed).choice(len(digits.x_train), 100)
    return two_layer(digits.x_train[batch], digits.t_train[batch], 50, seed, digits.source)


def generated(parameters: int, seed: int = 0) -> Net:
    """About so many parameters, on a batch of 8 random samples: the loss costs O(n) itself."""
    width = max(4, round((np.sqrt((11 + 1) ** 2 + 4 * parameters) - 12) / 2))
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(8, width))
    t = np.eye(10)[generator.integers(10, size=8)]
    return two_layer(x, t, width, seed, "random numbers")


def real_only(loss: Callable[[Mapping[str, np.ndarray]], Any]) -> Callable[[Mapping[str, np.ndarray]], float]:
    """The same loss, refusing complex numbers as most code does."""

    def refusing(params: Mapping[str, np.ndarray]) -> float:
        if any(np.iscomplexobj(v) for v in params.values()):
            raise TypeError("real numbers only")
        return float(loss(params))

    return refusing


# ---- mistakes


@dataclass(frozen=True)
class Planted:
    """A wrong gradient, the names of its wrong entries, and of those that matter.

    In a row, a column, a block, an array that is wrong throughout there are entries of next to nothing: those wrong
    by less than 1e-5 of their array's root mean square need not be found.
    """

    gradient: Params
    entries: frozenset[str]
    matter: frozenset[str]


def entry_name(array: str, index: tuple[int, ...]) -> str:
    """As a report names it."""
    return f'params["{array}"][{", ".join(map(str, index))}]'


def planted(net: Net, gradient: Params, least: float = 0.0) -> Planted:
    """Name what differs from the right gradient."""
    names: set[str] = set()
    matter: set[str] = set()
    for array, right in net.gradient.items():
        off = np.abs(gradient[array] - right)
        names |= {entry_name(array, tuple(index)) for index in np.argwhere(off > 0).tolist()}
        large = off > least * np.sqrt(np.mean(right**2))
        matter |= {entry_name(array, tuple(index)) for index in np.argwhere(large).tolist()}
    return Planted(gradient, frozenset(names), frozenset(matter))


def scaled(net: Net, places: list[tuple[str, Any]], factor: float, least: float = 0.0) -> Planted:
    """The gradient with the entries at some places (array, index or slices) scaled."""
    gradient = {name: v.copy() for name, v in net.gradient.items()}
    for array, where in places:
        gradient[array][where] *= factor
    return planted(net, gradient, least)


def random_place(net: Net, generator: np.random.Generator) -> tuple[str, tuple[int, ...]]:
    """An array, each as likely, and an entry of at least a thousandth of the array's largest."""
    array = str(generator.choice(list(net.gradient)))
    size = np.abs(net.gradient[array])
    candidates = np.argwhere(size >= 1e-3 * size.max())
    return array, tuple(int(i) for i in candidates[generator.integers(len(candidates))])


def entries(net: Net, generator: np.random.Generator, count: int) -> Planted:
    """`count` different entries, each wrong by 0.1 %."""
    places: dict[tuple[str, tuple[int, ...]], None] = {}
    while len(places) < count:
        places[random_place(net, generator)] = None
    return scaled(net, list(places), 1.001)


def row(net: Net, generator: np.random.Generator) -> Planted:
    """A row of W1 that belongs to a pixel with ink, wrong by 1 %."""
    inked = np.flatnonzero(np.abs(net.gradient["W1"]).max(axis=1) > 1e-3 * np.abs(net.gradient["W1"]).max())
    i = int(generator.choice(inked))
    return scaled(net, [("W1", np.s_[i, :])], 1.01, 1e-5)


def column(net: Net, generator: np.random.Generator) -> Planted:
    """A column of W1, wrong by 1 %."""
    j = int(generator.integers(net.gradient["W1"].shape[1]))
    return scaled(net, [("W1", np.s_[:, j])], 1.01, 1e-5)


def block(net: Net, generator: np.random.Generator) -> Planted:
    """A block of 8 x 8 entries of W1 where there is ink, wrong by 1 %."""
    i, j = 8 * int(generator.integers(30, 60)), 8 * int(generator.integers(6))
    return scaled(net, [("W1", np.s_[i : i + 8, j : j + 8])], 1.01, 1e-5)


def whole(net: Net, generator: np.random.Generator) -> Planted:
    """A whole array, wrong by 0.1 %."""
    array = str(generator.choice(list(net.gradient)))
    return scaled(net, [(array, np.s_[...])], 1.001, 1e-5)


def opposite_pair(net: Net, generator: np.random.Generator) -> Planted:
    """Two entries of one array, equal and opposite: what one is too large, the other is too small."""
    array, one = random_place(net, generator)
    other = one
    while other == one:
        other = _in(net, array, generator)
    gradient = {name: v.copy() for name, v in net.gradient.items()}
    off = 1e-3 * gradient[array][one]
    gradient[array][one] += off
    gradient[array][other] -= off
    return planted(net, gradient)


def _in(net: Net, array: str, generator: np.random.Generator) -> tuple[int, ...]:
    while True:
        found, index = random_place(net, generator)
        if found == array:
            return index
