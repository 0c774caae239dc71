"""What the chapter's text and code get wrong, each point shown by a number.

The corrected form is what is measured; the form as printed is the planted mistake, which must be refused. Where the
text is wrong, the number that it should say is measured, and the one that it says is the mistake.
"""

import math

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import (
    TwoLayerNet,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    gradient_descent,
    gradient_field,
    gradient_for_anydim_published,
    numerical_gradient,
    softmax,
    softmax_whole_array,
    train,
)
from reference import analytic, printed_code, published
from reference.backprop import two_layer_net_gradient
from reference.scipy_oracle import approx_gradient

BATCH = 100
ULP = float(np.finfo(float).eps)
T, Y1 = published.TARGET.value, published.OUTPUT_1.value


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


# The softmax: one normaliser for the whole array.


def scores():
    return np.random.default_rng(0).standard_normal((BATCH, 10))


def loss_at_start(softmax_form):
    """The loss of an untrained network on random inputs between 0 and 1, labels in turn."""
    network = TwoLayerNet(784, 50, 10, rng=0, softmax=softmax_form)
    return network.loss(np.random.default_rng(1).random((BATCH, 784)), np.arange(BATCH) % 10)


# The logarithm of zero.


def impossible(label_form):
    """The loss where the network gives the right label no probability at all."""
    with np.errstate(divide="ignore"):
        return label_form(np.array([[1.0, 0.0]]), np.array([1]))


def soft_targets(either_form):
    """Targets that are no one-hot rows: half and half."""
    return either_form(np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]]))


# Integers: x + h is cut off to x, and x - h to x - 1.


def gradient_as_printed(f, x, h=1e-4):
    """The loop of the chapter's section 4, which takes an array of any type."""
    gradient = np.zeros_like(x)
    for i in range(x.size):
        saved = x[i]
        x[i] = saved + h
        plus = f(x)
        x[i] = saved - h
        gradient[i] = (plus - f(x)) / (2 * h)
        x[i] = saved
    return gradient


def integers_are_refused(gradient):
    try:
        gradient(bowl, np.array([3, 4]))
    except TypeError:
        return True
    return False


# The descent for the plot: `x -= ...` works in the caller's array.


def start_after_descent():
    start = published.DESCENT_START.value.copy()
    gradient_descent(bowl, start, lr=0.1, step_num=100, history=True)
    return start


def start_after_descent_as_printed():
    start = published.DESCENT_START.value.copy()
    x = start
    for _ in range(100):
        x -= 0.1 * numerical_gradient(bowl, x)
    return start


# The gradient field: each row of the array taken for one point.

COUPLED_POINTS = np.array([[1.0, 2.0], [3.0, 4.0]])  # two points, (1, 3) and (2, 4), as columns


def square_of_sum(x):
    return np.sum(x) ** 2


# What an epoch is: with 60,000 digits and batches of 100, 600 iterations.


class Idle:
    """A network that learns nothing."""

    def __init__(self):
        self.params = {"w": np.zeros(1)}

    def loss(self, x, t):
        """Return nothing to learn from."""
        return 0.0

    def accuracy(self, x, t):
        """Return nothing."""
        return 0.0


def epochs(iterations=1000, digits=60000):
    """How many epochs of `train` so many iterations are, from the iterations at which it takes accuracies."""
    rows = np.zeros((digits, 1))
    result = train(
        Idle(),
        ((rows, rows), (rows, rows)),
        lambda *_: {"w": np.zeros(1)},
        iterations=iterations,
        progress=False,
    )
    return iterations / np.diff(result.evaluated_at)[0]


# The accuracy: with labels, and as something to differentiate.

NET = TwoLayerNet(6, 5, 4, 1.0, rng=1)
NET_X = np.random.default_rng(2).standard_normal((8, 6))
NET_LABELS = np.random.default_rng(3).integers(0, 4, 8)


def accuracy_with_labels():
    return NET.accuracy(NET_X, NET_LABELS)


def counted():
    answers = [max(range(4), key=list(y).__getitem__) for y in NET.predict(NET_X)]
    return sum(answer == label for answer, label in zip(answers, NET_LABELS, strict=True)) / 8


def raises_with_labels(network):
    try:
        network.accuracy(NET_X, NET_LABELS)
    except ValueError:  # NumPy's AxisError is one
        return True
    return False


def slopes(of_network):
    """The numerical gradient of a number by all weights of W1 and W2."""
    return np.concatenate(
        [
            numerical_gradient(lambda _: of_network(NET_X, NET_LABELS), NET.params[name]).ravel()
            for name in ("W1", "W2")
        ]
    )


# Section 2.3 leaves the batch out "because it is 256".


def numbers_in_batch(pixels=784):
    rows = np.zeros((60000, pixels), dtype=np.uint8)[published.BATCH_MASK.value]
    return rows.size


def accuracy_by_w2(W2):
    probe = TwoLayerNet(6, 5, 4, rng=0)
    probe.params = {**NET.params, "W2": W2}
    return probe.accuracy(NET_X, NET_LABELS)


case = Case(
    "2.3 to 5.2",
    "What the chapter's text and code get wrong",
    [
        Quantity(
            "5.2 epochs in 1,000 iterations of 100 from 60,000 digits",
            epochs,
            [
                Reference(
                    "analytic",
                    1000 * 100 / 60000,
                    rtol=4 * ULP,
                    reason="a quotient of integers: 1.67, one and two thirds",
                )
            ],
            [
                Mistake("ten, of 10,000 digits, as the text says", lambda: epochs(digits=10000)),
                Mistake("one more digit a batch: 1.68", lambda: 1000 * 101 / 60000),
            ],
        ),
        Quantity(
            "5.1 accuracy with labels",
            accuracy_with_labels,
            [Reference("counted one by one", counted, reason="eighths: no tolerance")],
            [
                Mistake(
                    "least probable class", lambda: np.mean(NET.predict(NET_X).argmin(axis=1) == NET_LABELS)
                )
            ],
        ),
        Quantity(
            "5.1 accuracy with labels, as printed: raises",
            lambda: raises_with_labels(printed_code.TwoLayerNet(NET.params)),
            [Reference("argmax over axis 1 of labels", True, reason="yes or no: no tolerance")],
            [Mistake("labels taken as they are", lambda: raises_with_labels(NET))],
        ),
        Quantity(
            "2.5 slopes of the accuracy by 50 weights that are not 0",
            lambda: np.count_nonzero(slopes(NET.accuracy)),
            [
                Reference(
                    "none: it moves in steps",
                    0,
                    reason="a count. Section 2.5 blames overfitting; the reason is that a step of 1e-4 changes no "
                    "answer, so "
                    "that nothing says where to go",
                ),
                Reference(
                    "approx_fprime",
                    lambda: np.count_nonzero(approx_gradient(accuracy_by_w2, NET.params["W2"])),
                    reason="a count; a step of 1.5e-8 changes no answer either",
                ),
            ],
            [Mistake("of the loss", lambda: np.count_nonzero(slopes(NET.loss)))],
        ),
        Quantity(
            "2.5 slopes of the loss by the same weights",
            lambda: slopes(NET.loss),
            [
                Reference(
                    "analytic",
                    lambda: np.concatenate(
                        [
                            two_layer_net_gradient(NET.params, NET_X, NET_LABELS)[name].ravel()
                            for name in ("W1", "W2")
                        ]
                    ),
                    atol=2e-9,
                    reason="truncation h^2 |f'''| / 6 for third derivatives below 1: 1.7e-9 at most",
                )
            ],
            [
                Mistake("of the accuracy", lambda: slopes(NET.accuracy)),
                Mistake("1e-7 larger", lambda: (1 + 1e-7) * slopes(NET.loss)),
            ],
        ),
        Quantity(
            "4.2 softmax: sum of a batch of 100",
            lambda: softmax(scores()).sum(),
            [
                Reference(
                    "one for each row", 100, rtol=100 * ULP, reason="1,000 terms below 1, added pairwise"
                )
            ],
            [Mistake("softmax as printed: 1", lambda: softmax_whole_array(scores()).sum())],
        ),
        Quantity(
            "5.1 loss at the start",
            lambda: loss_at_start(softmax),
            [
                Reference(
                    "log 10",
                    math.log(10),
                    atol=0.01,
                    reason="weights of 0.01 give scores of some 0.03: the loss departs from log 10 by their "
                    "mean, 0.03 / sqrt(10), at most",
                )
            ],
            [Mistake("softmax as printed: log 1000", lambda: loss_at_start(softmax_whole_array))],
        ),
        Quantity(
            "5.1 loss at the start, as printed",
            lambda: loss_at_start(softmax_whole_array),
            [
                Reference(
                    "log 1000",
                    math.log(1000),
                    atol=0.01,
                    reason="100 samples share one normaliser: 1,000 terms; scores of some 0.03 as above",
                )
            ],
            [Mistake("softmax by row: log 10", lambda: loss_at_start(softmax))],
        ),
        Quantity(
            "2.4 label form: loss at y = 0",
            lambda: impossible(cross_entropy_label),
            [
                Reference("-log delta", -math.log(1e-7), rtol=4 * ULP, reason="one logarithm"),
                Reference(
                    "one-hot form",
                    lambda: cross_entropy_onehot(np.array([[1.0, 0.0]]), np.array([[0, 1]])),
                    rtol=4 * ULP,
                    reason="the same logarithm, and a product with 0",
                ),
            ],
            [
                Mistake("log(y) + delta, as printed", lambda: impossible(cross_entropy_label_published)),
                Mistake(
                    "either form, as printed",
                    lambda: impossible(cross_entropy_published),
                ),
            ],
        ),
        Quantity(
            "2.4 label form at y = 0, as printed: infinite",
            lambda: bool(np.isinf(impossible(cross_entropy_label_published))),
            [Reference("log 0", True, reason="yes or no: no tolerance")],
            [Mistake("delta inside", lambda: bool(np.isinf(impossible(cross_entropy_label))))],
        ),
        Quantity(
            "4.2 loss for targets 0.5, 0.5, as printed",
            lambda: soft_targets(cross_entropy_published),
            [
                Reference(
                    "that of label 0",
                    -math.log(0.8) - 1e-7,
                    rtol=4 * ULP,
                    reason="one logarithm; the larger target is taken for the label, the other is lost",
                )
            ],
            [Mistake("targets honoured", lambda: soft_targets(cross_entropy_onehot))],
        ),
        Quantity(
            "2.3 mean loss: the code",
            lambda: cross_entropy_onehot(Y1, T),
            [
                Reference(
                    "formula with the log",
                    -math.log(0.6 + 1e-7),
                    rtol=4 * ULP,
                    reason="one logarithm: some units in the last place",
                ),
                Reference(
                    "one sample",
                    lambda: cross_entropy_error(Y1, T),
                    rtol=4 * ULP,
                    reason="the mean over one sample is that sample's loss",
                ),
            ],
            [Mistake("formula as printed, without the log", lambda: -np.sum(T * Y1) / 1)],
        ),
        Quantity(
            "4 gradient at integers (3, 4)",
            lambda: numerical_gradient(bowl, np.array([3, 4]).astype(float)),
            [
                Reference(
                    "analytic",
                    analytic.sum_of_squares_gradient([3, 4]),
                    atol=1e-10,
                    reason="rounding of f = 25, 3.6e-15, over h = 1e-4: 4e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(bowl, [3, 4]),
                    atol=1e-6,
                    reason="its forward step 1.5e-8: rounding of f = 25, 3.6e-15, over the step: 2.4e-7",
                ),
            ],
            [
                # (9 + 16 - (4 + 16)) / 2e-4 = 25,000, and 35,000.
                Mistake("integers cut off, as printed", lambda: gradient_as_printed(bowl, np.array([3, 4]))),
            ],
        ),
        Quantity(
            "4 integers refused",
            lambda: integers_are_refused(numerical_gradient),
            [Reference("TypeError", True, reason="yes or no: no tolerance")],
            [Mistake("as printed", lambda: integers_are_refused(gradient_as_printed))],
        ),
        Quantity(
            "4.1 start after the descent",
            start_after_descent,
            [Reference("the start", published.DESCENT_START.value, reason="left alone, bit for bit")],
            [Mistake("the descent for the plot, as printed", start_after_descent_as_printed)],
        ),
        Quantity(
            "4 gradient of (x0 + x1)^2 at (1, 3), (2, 4)",
            lambda: np.array(gradient_field(square_of_sum, *COUPLED_POINTS)),
            [
                Reference(
                    "analytic",
                    [[8.0, 12.0], [8.0, 12.0]],
                    atol=1e-10,
                    reason="2 (x0 + x1); rounding of f <= 36, 3.6e-15, over h = 1e-4: 4e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda: np.transpose(
                        [approx_gradient(square_of_sum, point) for point in COUPLED_POINTS.T]
                    ),
                    atol=2e-6,
                    reason="its forward step 1.5e-8: rounding of f <= 36, 7e-15, over the step: 5e-7",
                ),
            ],
            [
                Mistake(
                    "each row taken for one point, as printed",
                    lambda: gradient_for_anydim_published(square_of_sum, COUPLED_POINTS.copy()),
                )
            ],
        ),
        Quantity(
            "4 the same, as printed",
            lambda: gradient_for_anydim_published(square_of_sum, COUPLED_POINTS.copy()),
            [
                Reference(
                    "rows for points",
                    [[6.0, 6.0], [14.0, 14.0]],
                    atol=1e-10,
                    reason="2 (1 + 2) and 2 (3 + 4); rounding of f <= 49, 7e-15, over h = 1e-4: 4e-11",
                )
            ],
            [Mistake("point by point", lambda: np.array(gradient_field(square_of_sum, *COUPLED_POINTS)))],
        ),
        Quantity(
            "4 gradient at one point, as printed for any dimension",
            lambda: gradient_for_anydim_published(square_of_sum, COUPLED_POINTS[0].copy()),
            [Reference("analytic", [6.0, 6.0], atol=1e-10, reason="2 (1 + 2); rounding of f <= 9 over h")],
            [
                Mistake(
                    "each number taken for one point",
                    lambda: analytic.sum_of_squares_gradient(COUPLED_POINTS[0]),
                )
            ],
        ),
        Quantity(
            "2.3 numbers in x_batch, which the comment counts as 256",
            numbers_in_batch,
            [Reference("10 digits of 784 pixels", 7840, reason="a count: no tolerance")],
            [
                Mistake("as the comment says", lambda: 256),
                Mistake("one digit", lambda: 784),
            ],
        ),
    ],
)
