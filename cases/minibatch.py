"""Shapes of the data, a sampled batch, and the two forms of the mean loss on it.

The chapter prints shapes and one batch of the full set. The embedded digits are another set, of 4,000 to
train with, sorted by class; the references say which of the two is meant.
"""

from dataclasses import dataclass

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import (
    Dataset,
    TwoLayerNet,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
)
from reference import published

EMBEDDED_PER_CLASS = 400
ULP = float(np.finfo(float).eps)


@dataclass(frozen=True)
class State:
    """The digits twice, the rows drawn, and a network's answers to them."""

    onehot: Dataset
    raw: Dataset  # the same digits as they lie in the files: 0..255, and labels
    mask: np.ndarray
    y: np.ndarray

    @property
    def full(self):
        """Whether this is the set that the chapter uses."""
        return "embedded" not in self.onehot.source

    @property
    def t_batch(self):
        """The targets of the rows drawn."""
        return self.onehot.t_train[self.mask]


def prepare(context):
    onehot = context.mnist(one_hot_label=True)
    mask = np.random.default_rng(0).choice(len(onehot.x_train), 10)
    # Weights of 1 spread the probabilities out; equal ones would hide a wrong row.
    network = TwoLayerNet(784, 50, 10, weight_init_std=1.0, rng=0)
    return State(onehot, context.mnist(normalize=False), mask, network.predict(onehot.x_train[mask]))


def shape_of_the_set(printed):
    """The printed shape, or that of the embedded set where it is the one in use."""
    return lambda state: printed if state.full else (10 * EMBEDDED_PER_CLASS, printed[1])


def printed_rows(state):
    """The rows that the chapter drew; of a smaller set, the rows that are left after going round."""
    return published.BATCH_MASK.value % len(state.onehot.t_train)


def labels_of_printed_rows(state):
    if state.full:
        return published.BATCH_LABELS.value
    return printed_rows(state) // EMBEDDED_PER_CLASS


SHAPE = "a shape: no tolerance. The chapter prints that of the full set; the embedded one has 400 a class"

case = Case(
    "2.3 and 2.4",
    "Shapes of MNIST, a mini-batch, and its mean loss",
    [
        Quantity(
            "shape of x_train",
            lambda state: state.onehot.x_train.shape,
            [
                Reference(
                    "published, or embedded",
                    shape_of_the_set(published.X_TRAIN_SHAPE.value),
                    reason=SHAPE,
                )
            ],
            [Mistake("test digits for training digits", lambda state: state.onehot.x_test.shape)],
        ),
        Quantity(
            "shape of t_train",
            lambda state: state.onehot.t_train.shape,
            [
                Reference(
                    "published, or embedded",
                    shape_of_the_set(published.T_TRAIN_SHAPE.value),
                    reason=SHAPE,
                )
            ],
            [Mistake("labels for one-hot targets", lambda state: state.raw.t_train.shape)],
        ),
        Quantity(
            "labels of the rows that the chapter drew",
            lambda state: state.onehot.t_train[printed_rows(state)].argmax(axis=1),
            [
                Reference(
                    "published, or embedded",
                    labels_of_printed_rows,
                    reason="labels: no tolerance. The embedded set is sorted, row // 400 is the label",
                )
            ],
            [
                Mistake(
                    "400 rows further",
                    lambda state: state.raw.t_train[(printed_rows(state) + 400) % len(state.raw.t_train)],
                )
            ],
        ),
        Quantity(
            "t_batch",
            lambda state: state.t_batch,
            [
                Reference(
                    "rows of the identity",
                    lambda state: [[float(k == label) for k in range(10)] for label in raw_labels(state)],
                    reason="zeros and one 1: no tolerance; the labels are read a second time, as labels",
                )
            ],
            [
                Mistake("targets of other rows", lambda state: state.onehot.t_train[state.mask - 400]),
                Mistake("rows that do not sum to 1", lambda state: 2 * state.t_batch),
            ],
        ),
        Quantity(
            "x_batch",
            lambda state: state.onehot.x_train[state.mask],
            [
                Reference(
                    "rows, looked up one by one, / 255",
                    lambda state: np.array([state.raw.x_train[int(row)] for row in state.mask]) / 255,
                    reason="one division each: no tolerance",
                )
            ],
            [
                Mistake("not normalised", lambda state: state.raw.x_train[state.mask]),
                Mistake("the first ten rows", lambda state: state.onehot.x_train[:10]),
            ],
        ),
        Quantity(
            "mean loss, one-hot targets",
            lambda state: cross_entropy_onehot(state.y, state.t_batch),
            [
                Reference(
                    "analytic",
                    lambda state: -np.mean([np.log(y[t] + 1e-7) for y, t in picked(state)]),
                    rtol=16 * ULP,
                    reason="ten logarithms and their mean: some units in the last place",
                ),
                Reference(
                    "label form",
                    lambda state: cross_entropy_label(state.y, raw_labels(state)),
                    rtol=16 * ULP,
                    reason="the same ten logarithms, summed in another order",
                ),
            ],
            [
                Mistake("the sum", lambda state: 10 * cross_entropy_onehot(state.y, state.t_batch)),
                Mistake("without the log", lambda state: -np.sum(state.t_batch * state.y) / 10),
            ],
        ),
        Quantity(
            "mean loss, labels",
            lambda state: cross_entropy_label(state.y, raw_labels(state)),
            [
                Reference(
                    "one-hot form",
                    lambda state: cross_entropy_onehot(state.y, state.t_batch),
                    rtol=16 * ULP,
                    reason="the same ten logarithms, summed in another order",
                )
            ],
            [
                Mistake(
                    "delta outside of the logarithm",
                    lambda state: cross_entropy_label_published(state.y, raw_labels(state)),
                ),
                Mistake(
                    "labels of other rows",
                    lambda state: cross_entropy_label(state.y, state.raw.t_train[state.mask - 400]),
                ),
            ],
        ),
    ],
    prepare=prepare,
    needs=("mnist",),
)


def raw_labels(state):
    return state.raw.t_train[state.mask]


def picked(state):
    return zip(state.y, raw_labels(state), strict=True)
