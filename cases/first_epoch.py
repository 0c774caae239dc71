"""The first epoch with either softmax, from the same weights and batches: the printed one is ahead at first.

The chapter prints a train accuracy of 0.8107 there. The curve is steep, so that one seed says little: docs/errata.md
has the spread over twelve.
"""

from dataclasses import dataclass

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import TwoLayerNet, numerical_gradient, softmax, softmax_whole_array, train
from reference import published
from reference.backprop import two_layer_net_gradient
from reference.scipy_oracle import approx_gradient

FORMS = {"rows": softmax, "whole array": softmax_whole_array}


@dataclass(frozen=True)
class State:
    """After 601 iterations, which end the chapter's first epoch: accuracies, the networks, and a batch."""

    accuracy: dict[str, float]
    networks: dict[str, TwoLayerNet]
    x: np.ndarray
    t: np.ndarray


def prepare(context):
    data = context.mnist()
    networks = {name: TwoLayerNet(784, 50, 10, rng=0, softmax=form) for name, form in FORMS.items()}
    accuracy = {
        name: train(
            network, data, backpropagated(name), iterations=601, progress=context.progress
        ).train_accuracy[-1]
        for name, network in networks.items()
    }
    return State(accuracy, networks, data.x_train[:100], data.t_train[:100])


def backpropagated(name):
    return lambda network, x, t: two_layer_net_gradient(network.params, x, t, softmax=name)


def loss_by_b1(state, name):
    network = state.networks[name]
    probe = TwoLayerNet(784, 50, 10, rng=0, softmax=network.softmax)

    def loss(b1):
        probe.params = {**network.params, "b1": b1}
        return probe.loss(state.x, state.t)

    return loss


def central(state, name):
    return numerical_gradient(loss_by_b1(state, name), state.networks[name].params["b1"].copy())


def gradient(name, other):
    return Quantity(
        f"dL/db1 after the epoch, softmax by {name}",
        lambda state: central(state, name),
        [
            Reference(
                "analytic",
                lambda state: backpropagated(name)(state.networks[name], state.x, state.t)["b1"],
                atol=1e-9,
                reason="truncation h^2 |f'''| / 6 with third derivatives below 0.1: 2e-10; rounding of a loss of "
                "5 over h",
            ),
            Reference(
                "approx_fprime",
                lambda state: approx_gradient(loss_by_b1(state, name), state.networks[name].params["b1"]),
                atol=4e-7,
                reason="its forward step 1.5e-8: rounding of a loss of 5, 9e-16 and its sum's, over the step: 2e-7",
            ),
        ],
        [
            Mistake("of the other softmax", lambda state: central(state, other)),
            Mistake("1e-4 larger", lambda state: (1 + 1e-4) * central(state, name)),
        ],
    )


case = Case(
    "5.3",
    "The first epoch: the printed softmax is ahead of that by row",
    [
        Quantity(
            "train accuracy after an epoch: printed softmax minus softmax by row",
            lambda state: state.accuracy["whole array"] - state.accuracy["rows"],
            [
                Reference(
                    "ahead",
                    0.002,
                    kind="at_least",
                    reason="twelve seeds gave leads of 0.008 to 0.017 with the full set, -0.001 to 0.014 with "
                    "4,000 digits; "
                    "this one 0.01 or more with either: 100 samples that share a normaliser push harder at first",
                )
            ],
            [Mistake("softmax by row, twice", lambda _: 0.0)],
        ),
        Quantity(
            "train accuracy after an epoch, printed softmax",
            lambda state: state.accuracy["whole array"],
            [
                Reference(
                    "published",
                    published.TRAIN_ACCURACY.value[1],
                    atol=0.04,
                    reason="the curve is steep and the chapter's seed unknown: twelve seeds gave 0.786 to 0.811 "
                    "with the full set, 0.811 to 0.824 with 4,000 digits, 0.038 from the least to the most; by row "
                    "0.774 to 0.801",
                )
            ],
            [
                Mistake("before the epoch", lambda _: published.TRAIN_ACCURACY.value[0]),
                Mistake("after the next", lambda _: published.TRAIN_ACCURACY.value[2]),
            ],
        ),
        gradient("rows", "whole array"),
        gradient("whole array", "rows"),
    ],
    claim="After the first epoch the train accuracy is 0.8107.",
    wrong="The softmax by row would be at 0.786 then, on average: the shared normaliser helps at first.",
    prepare=prepare,
    needs=["mnist"],
)
