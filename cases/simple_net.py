"""One matrix of weights, softmax and cross entropy: the printed scores, loss and gradient.

The printed weights are rounded to eight digits, so everything computed from them is, too. The loss and the
gradient were printed by the form with delta outside of the logarithm (see the errata); the default form has
it inside, which changes the loss by 4e-7.
"""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, one_scaled
from gradcheck.textbook import SimpleNet, cross_entropy_published, numerical_gradient, softmax
from reference import backprop, published, symbolic
from reference.scipy_oracle import approx_gradient

W, X, T = published.SIMPLE_NET_W.value, published.SIMPLE_NET_X.value, published.SIMPLE_NET_T.value
LABEL = 2


def net(W=W):
    return SimpleNet(W)


def net_as_printed(W=W):
    return SimpleNet(W, loss=cross_entropy_published)


def softmax_on_paper(scores):
    """Each ratio by itself: no shift, no shared sum."""
    return np.array([1 / np.sum(np.exp(scores - score)) for score in scores])


def gradient(make=net):
    return make().numerical_gradient(X, T)


def gradient_one_sided(h=1e-4):
    base = net().loss(X, T)
    steps = h * np.eye(W.size).reshape(-1, *W.shape)
    return np.array([(net(W + step).loss(X, T) - base) / h for step in steps]).reshape(W.shape)


# Four samples, with labels.
BATCH = np.array([[0.6, 0.9], [-0.3, 1.2], [1.0, 0.1], [0.2, -0.7]])
LABELS = np.array([2, 0, 1, 2])


def place_of_largest(dW, size=np.abs):
    """Row and column of the largest entry, counted from 1 as in w_23."""
    return [int(at) + 1 for at in np.unravel_index(np.argmax(size(dW)), dW.shape)]


def weights_afterwards():
    given = W.copy()
    made = SimpleNet(given)
    made.numerical_gradient(X, T)
    after = made.W.copy()
    made.W += 1.0
    return [after, given]


def probabilities():
    return softmax(net().predict(X))


def loss_in_symbols(W):
    """-log(y + 1e-7) of the label's probability."""
    scores = X @ W
    return -symbolic.log(1 / sum(symbolic.exp(score - scores[LABEL]) for score in scores) + 1e-7)


CENTRAL = "truncation h^2 |f'''| / 6 below 1e-9, rounding of the loss over h = 1e-4: 2e-12"

case = Case(
    "4.2",
    "The gradient of the loss by the weights of a one-layer network",
    [
        Quantity(
            "scores x W",
            lambda: net().predict(X),
            [
                Reference(
                    "published",
                    published.SIMPLE_NET_SCORES.value,
                    atol=(X.sum() + 1) * published.SIMPLE_NET_W.half_unit,
                    reason="half a unit of the eighth digit in each weight, times 0.6 + 0.9; and in the score",
                ),
                Reference(
                    "analytic",
                    lambda: [sum(x * w for x, w in zip(X, column, strict=True)) for column in W.T],
                    atol=1e-15,
                    reason="two products and a sum, each below 2: rounding of some 1e-16",
                ),
            ],
            [
                Mistake("rows of W exchanged", lambda: X @ W[::-1]),
                Mistake("one weight off by 1e-7", lambda: X @ (W + 1e-7 * np.eye(2, 3))),
            ],
        ),
        Quantity(
            "index of the largest score",
            lambda: int(np.argmax(net().predict(X))),
            [Reference("published", published.SIMPLE_NET_ARGMAX.value, reason="an index: no tolerance")],
            [Mistake("the smallest", lambda: int(np.argmin(net().predict(X))))],
        ),
        Quantity(
            "probabilities",
            probabilities,
            [
                Reference(
                    "analytic",
                    lambda: softmax_on_paper(X @ W),
                    rtol=1e-14,
                    reason="three exponentials and a quotient: rounding of some 1e-16, relative",
                )
            ],
            [
                Mistake("not normalised", lambda: np.exp(X @ W)),
                Mistake("no exponential", lambda: (X @ W) / np.sum(X @ W)),
            ],
        ),
        Quantity(
            "loss, as printed",
            lambda: net_as_printed().loss(X, T),
            [
                Reference(
                    "published",
                    published.SIMPLE_NET_LOSS.value,
                    atol=3.0 * published.SIMPLE_NET_W.half_unit,
                    reason="half a unit of the eighth digit in each weight, times 1.5 in each score, times "
                    "the slope of the loss, at most 2 in all scores together",
                )
            ],
            [
                Mistake("another label", lambda: net_as_printed().loss(X, np.array([0, 1, 0]))),
                Mistake("delta inside the logarithm", lambda: net().loss(X, T)),
            ],
        ),
        Quantity(
            "loss",
            lambda: net().loss(X, T),
            [
                Reference(
                    "analytic",
                    lambda: -np.log(softmax_on_paper(X @ W)[LABEL] + 1e-7),
                    rtol=1e-14,
                    reason="a softmax and a logarithm: rounding of some 1e-16, relative",
                )
            ],
            [Mistake("delta outside of the logarithm", lambda: net_as_printed().loss(X, T))],
        ),
        Quantity(
            "dW, as printed",
            lambda: gradient(net_as_printed),
            [
                Reference(
                    "published",
                    published.SIMPLE_NET_GRADIENT.value,
                    atol=2 * published.SIMPLE_NET_GRADIENT.half_unit,
                    reason="half a unit of the eighth digit, and as much from the rounded weights",
                ),
                Reference(
                    "analytic",
                    lambda: backprop.simple_net_gradient(W, X, T, loss="published"),
                    atol=1e-9,
                    reason=CENTRAL,
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda W: net_as_printed(W).loss(X, T), W),
                    atol=1e-7,
                    reason="its forward step 1.5e-8: truncation 2e-9, rounding over the step 3e-8",
                ),
                Reference(
                    "gradcheck",
                    lambda: gradcheck.gradient(lambda W: net_as_printed(W).loss(X, T), W),
                    atol=1e-9,
                    reason=f"three of its own error bars; and {CENTRAL}",
                ),
            ],
            [
                Mistake.planted(ALL_NEGATED, lambda: gradient(net_as_printed), W, name="the sign"),
                Mistake("one entry 1e-7 off", lambda: gradient(net_as_printed) + 1e-7 * np.eye(2, 3)),
                Mistake("delta inside the logarithm", gradient),
            ],
        ),
        Quantity(
            "row and column of the largest |dW|",
            lambda: place_of_largest(gradient(net_as_printed)),
            [
                Reference(
                    "published: w_23 contributes most",
                    published.SIMPLE_NET_LARGEST.value,
                    reason="a place: no tolerance",
                ),
                Reference(
                    "analytic",
                    lambda: place_of_largest(backprop.simple_net_gradient(W, X, T, loss="published")),
                    reason="a place: no tolerance",
                ),
            ],
            [
                Mistake(
                    "the largest, not the largest in size",
                    lambda: place_of_largest(gradient(net_as_printed), np.array),
                ),
                Mistake("transposed", lambda: place_of_largest(gradient(net_as_printed).T)),
            ],
        ),
        Quantity(
            "dW",
            gradient,
            [
                Reference(
                    "analytic", lambda: backprop.simple_net_gradient(W, X, T), atol=1e-9, reason=CENTRAL
                ),
                *(
                    Reference("SymPy", slopes, atol=1e-9, reason=CENTRAL)
                    for slopes in symbolic.gradients(loss_in_symbols, W)
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda W: net(W).loss(X, T), W),
                    atol=1e-7,
                    reason="its forward step 1.5e-8: truncation 2e-9, rounding over the step 3e-8",
                ),
                Reference(
                    "gradcheck",
                    lambda: gradcheck.gradient(lambda W: net(W).loss(X, T), W),
                    atol=1e-9,
                    reason=f"three of its own error bars; and {CENTRAL}",
                ),
            ],
            [
                Mistake.planted(ALL_NEGATED, gradient, W, name="the sign"),
                Mistake.planted(one_scaled(1.001), gradient, W, name="one entry 0.1 % off"),
                Mistake("one-sided, h = 1e-4", gradient_one_sided),
                Mistake("target forgotten", lambda: np.outer(X, probabilities())),
                Mistake("by the input, not by W", lambda: by_the_input()),
            ],
        ),
        Quantity(
            "dW of a batch of labels",
            lambda: net().numerical_gradient(BATCH, LABELS),
            [
                Reference(
                    "analytic",
                    lambda: backprop.simple_net_gradient(W, BATCH, LABELS),
                    atol=2e-9,
                    reason="truncation h^2 |f'''| / 6 with inputs up to 1.2: 1e-9; rounding over h: 5e-12",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda W: net(W).loss(BATCH, LABELS), W),
                    atol=1e-7,
                    reason="its forward step 1.5e-8: truncation 3e-9, rounding over the step 3e-8",
                ),
            ],
            [
                Mistake("the sum over the batch", lambda: 4 * net().numerical_gradient(BATCH, LABELS)),
                Mistake("1e-7 larger", lambda: net().numerical_gradient(BATCH, LABELS) * (1 + 1e-7)),
            ],
        ),
        Quantity(
            "weights after a gradient, and those that were handed over",
            weights_afterwards,
            [Reference("the weights", [W, W], reason="restored, and copied: the same bits")],
            [Mistake("left at w - h", lambda: [W - 1e-4, W])],
        ),
        Quantity(
            "weights drawn with seed 3",
            lambda: SimpleNet(rng=3).W,
            [
                Reference(
                    "standard normal",
                    lambda: np.random.default_rng(3).standard_normal((2, 3)),
                    reason="the same numbers of the same generator",
                )
            ],
            [
                Mistake("uniform", lambda: np.random.default_rng(3).random((2, 3))),
                Mistake("another seed", lambda: SimpleNet(rng=4).W),
                Mistake("transposed", lambda: SimpleNet(rng=3).W.T),
            ],
        ),
    ],
    claim=(
        "The loss of a one-layer network is 1.5631 at the printed weights, and of its gradient by them "
        "w_23 contributes most."
    ),
)


def by_the_input():
    return numerical_gradient(lambda x: net().loss(x, T), X.copy())
