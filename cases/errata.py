"""What the chapter's text and code get wrong, each point shown by a number.

The corrected form is what is measured; the form as printed is the planted mistake, which must be refused.
"""

import math
from dataclasses import replace

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
from reference import published
from reference.backprop import two_layer_net_gradient

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


# The first epoch with either softmax: the same weights, batches and learning rate.


def first_epoch(context, softmax_form, name):
    """The train accuracy after 601 iterations, which end the chapter's first epoch."""
    network = TwoLayerNet(784, 50, 10, rng=0, softmax=softmax_form)

    def gradient(network, x, t):
        return two_layer_net_gradient(network.params, x, t, softmax=name)

    trained = train(network, context.mnist(), gradient, iterations=601, progress=context.progress)
    return trained.train_accuracy[-1]


def lead_of_printed_softmax(context):
    by_row = first_epoch(context, softmax, "rows")
    return first_epoch(context, softmax_whole_array, "whole array") - by_row


FIRST_EPOCH = Quantity(
    "5.3 train accuracy after an epoch: printed softmax minus softmax by row",
    lead_of_printed_softmax,
    [
        Reference(
            "ahead",
            0.002,
            kind="at_least",
            reason="four seeds gave leads of 0.006 to 0.017 with the full set and with 4,000 digits: 100 samples "
            "that share a normaliser push harder at first",
        )
    ],
    [Mistake("softmax by row, twice", lambda _: 0.0)],
)

QUANTITIES = [
    Quantity(
        "4.2 softmax: sum of a batch of 100",
        lambda: softmax(scores()).sum(),
        [Reference("one for each row", 100, rtol=100 * ULP, reason="1,000 terms below 1, added pairwise")],
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
                [6.0, 8.0],
                atol=1e-10,
                reason="rounding of f = 25, 3.6e-15, over h = 1e-4: 4e-11",
            )
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
            )
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
]


def without_context(quantity):
    """The same quantity in a case whose functions are all given the context."""

    def ignore(function):
        return (lambda _: function()) if callable(function) else function

    return replace(
        quantity,
        measure=ignore(quantity.measure),
        references=[replace(one, expected=ignore(one.expected)) for one in quantity.references],
        mistakes=[replace(one, measure=ignore(one.measure)) for one in quantity.mistakes],
    )


case = Case(
    "2.3 to 5.3",
    "What the chapter's text and code get wrong",
    [*map(without_context, QUANTITIES), FIRST_EPOCH],
    prepare=lambda context: context,
    needs=["mnist"],
)
