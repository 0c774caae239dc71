"""1,000 iterations of mini-batch training: the loss falls.

The chapter trains by central differences, in six hours and a quarter; here the backpropagated gradient
does it, after the first iterations have been trained in both ways.
"""

import math
from dataclasses import dataclass

import numpy as np

from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.textbook import Dataset, TwoLayerNet, softmax_whole_array, train
from reference import backprop

ITERATIONS, FAST = 1000, 400
COMPARED = 20


@dataclass(frozen=True)
class State:
    """The digits, and the losses of the training."""

    data: Dataset
    losses: np.ndarray


def backpropagated(network, x, t):
    return backprop.two_layer_net_gradient(network.params, x, t)


def ascending(network, x, t):
    return {name: -value for name, value in backpropagated(network, x, t).items()}


def summed(network, x, t):
    return {name: len(x) * value for name, value in backpropagated(network, x, t).items()}


def central(network, x, t):
    return network.numerical_gradient(x, t, method="structured")


def losses(data, gradient, iterations, *, progress=False, **forms):
    network = TwoLayerNet(784, 50, 10, rng=0, **forms)
    return train(network, data, gradient, iterations=iterations, rng=1, progress=progress).losses


def prepare(context):
    data = context.mnist(one_hot_label=True)
    iterations = FAST if context.fast else ITERATIONS
    return State(data, losses(data, backpropagated, iterations, progress=context.progress))


def rises(values):
    """From each fifth of the training to the next, by how much the mean loss rises."""
    return np.diff([fifth.mean() for fifth in np.array_split(values, 5)])


def enough(state):
    """The odds that the right class has at the end, in the geometric mean: 1 in 2, or 1 in 5 if cut short."""
    return math.log(2 if len(state.losses) == ITERATIONS else 5)


def draw(figure, state):
    axes = figure.subplots()
    axes.plot(state.losses, linewidth=0.6, alpha=0.5, label="each batch")
    smooth = np.convolve(state.losses, np.full(25, 1 / 25), mode="valid")
    axes.plot(np.arange(len(smooth)) + 12, smooth, label="mean of 25")
    axes.axhline(math.log(10), color="gray", linestyle=":", label="log 10: even odds")
    axes.set(xlabel="iteration", ylabel="loss in nats", ylim=(0, None), title="Mini-batch training")
    axes.legend()


case = Case(
    "5.2",
    "1,000 iterations of mini-batch training: the loss falls",
    [
        Quantity(
            "losses of the first 20 iterations",
            lambda state: state.losses[:COMPARED],
            [
                Reference(
                    "trained by central differences",
                    lambda state: losses(state.data, central, COMPARED),
                    atol=1e-9,
                    reason="each step is off by lr times the truncation h^2 |f'''| / 6, below 1e-10; 20 steps",
                )
            ],
            [
                Mistake("the sign", lambda state: losses(state.data, ascending, COMPARED)),
                Mistake("the sum over the batch", lambda state: losses(state.data, summed, COMPARED)),
            ],
        ),
        Quantity(
            "loss after the first step",
            lambda state: state.losses[0],
            [
                Reference(
                    "analytic",
                    math.log(10),
                    atol=0.05,
                    reason="even odds for ten classes; weights of 0.01 give scores of some 0.03, and one step "
                    "lowers the loss by lr times the squared gradient, some 0.02",
                )
            ],
            [
                Mistake(
                    "softmax as printed: log 1000",
                    lambda state: losses(state.data, backpropagated, 1, softmax=softmax_whole_array)[0],
                )
            ],
        ),
        Quantity(
            "rise of the mean loss, fifth by fifth",
            lambda state: rises(state.losses),
            [
                Reference(
                    "the figure: it falls",
                    np.zeros(4),
                    kind="at_most",
                    reason="no rise from any fifth of the training to the next: means of 80 batches or more "
                    "scatter by some 0.01, and the loss falls by 0.03 or more",
                )
            ],
            [Mistake("the sign", lambda state: rises(losses(state.data, ascending, 100)))],
        ),
        Quantity(
            "mean loss of the last 100",
            lambda state: state.losses[-100:].mean(),
            [
                Reference(
                    "log 2 (log 5 with --fast)",
                    enough,
                    kind="at_most",
                    reason="the right class has more than half of the probability (a fifth after 400 "
                    "iterations); on four seeds 0.51 to 0.57 (1.46 to 1.53)",
                )
            ],
            [Mistake("the sign", lambda state: losses(state.data, ascending, 100).mean())],
        ),
    ],
    prepare=prepare,
    figures=[
        Figure(
            "loss",
            draw,
            "The loss of each batch over the iterations: from 2.3, even odds, it stays level for about 100 "
            "iterations, then falls steeply and ever more slowly towards 0.5.",
        )
    ],
    needs=("mnist",),
)
