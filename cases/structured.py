"""The same central differences from what a perturbation touches: every form, beside the double loop and on paper.

With a step of 1/200 the truncation of a central difference, 1e-6, is far above the rounding of the double loop, 1e-14:
agreement with the loop shows that the structured form is no derivative but the same difference.
"""

import functools
import math
import warnings

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import (
    TwoLayerNet,
    cross_entropy,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    numerical_gradient,
    softmax,
    softmax_whole_array,
    structured_gradient,
)
from reference import backprop
from reference.scipy_oracle import approx_gradient

NAMES = ("W1", "b1", "W2", "b2")
H = 5e-3

RNG = np.random.default_rng(0)
# Inputs between -1 and 1, some of them 0, and a column that is 0 in every sample.
X = np.round(RNG.uniform(-1, 1, (7, 6)), 2) * (RNG.random((7, 6)) < 0.7)
X[:, 2] = 0.0
LABELS = RNG.integers(0, 4, 7)
ONEHOT = np.eye(4)[LABELS]
SOFT = RNG.dirichlet(np.ones(4), 7)
MIXED = ONEHOT.copy()
MIXED[:2] = [[0.5, 0.5, 0.0, 0.0], [0.0, 0.1, 0.0, 0.9]]


def network(form, loss, std=1.0):
    made = TwoLayerNet(6, 5, 4, std, rng=1, softmax=form, loss=loss)
    made.params["b1"] = np.linspace(-0.5, 0.5, 5)
    made.params["b2"] = np.linspace(0.3, -0.3, 4)
    return made


def flat(params):
    return np.concatenate([params[name].ravel() for name in NAMES])


def by_loop(made, x, t, h=H):
    """The chapter's double loop with another step."""
    return flat(
        {name: numerical_gradient(lambda _: made.loss(x, t), value, h) for name, value in made.params.items()}
    )


def loss_by_all(made, x, t):
    """The loss as a function of all parameters in one array."""
    shapes = {name: made.params[name].shape for name in NAMES}
    cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes.values()])[:-1]

    def loss(values):
        probe = TwoLayerNet(6, 5, 4, rng=0, softmax=made.softmax, loss=made.loss_function)
        parts = np.split(values, cuts)
        probe.params = {name: part.reshape(shapes[name]) for name, part in zip(NAMES, parts, strict=True)}
        return probe.loss(x, t)

    return loss


def backpropagated(made, x, t):
    kind = "rows" if made.softmax is softmax else "whole array"
    printed = made.loss_function in (cross_entropy_published, cross_entropy_label_published)
    form = "published" if printed else "corrected"
    return flat(backprop.two_layer_net_gradient(made.params, x, t, softmax=kind, loss=form))


LOOP = "the same differences; rounding of the loop, 1e-15 of a loss of 3, over 2h = 0.01: 1e-13, a few times over"


def form(name, softmax_form, loss, t, b2=None):
    made = network(softmax_form, loss)
    if b2 is not None:
        made.params["b2"] = np.array(b2)

    def gradient(h=H):
        return flat(structured_gradient(made, X, t, h))

    return Quantity(
        f"{name}: all 59 differences, h = 1/200",
        gradient,
        [
            Reference("double loop", lambda: by_loop(made, X, t), atol=1e-12, reason=LOOP),
            Reference(
                "analytic",
                lambda: backpropagated(made, X, t),
                atol=1e-6,
                reason="truncation h^2 |f'''| / 6 with third derivatives of 0.1: 4e-7; twice that",
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(loss_by_all(made, X, t), flat(made.params)),
                atol=1e-6,
                reason="our truncation, 4e-7; its own errors are below 1e-7",
            ),
        ],
        [
            Mistake("backpropagation: no truncation", lambda: backpropagated(made, X, t)),
            Mistake("h 0.1 % larger", lambda: gradient(1.001 * H)),
            Mistake("1e-5 larger", lambda: (1 + 1e-5) * gradient()),
            Mistake("half of it", lambda: gradient() / 2),
        ],
    )


NETWORK = network(softmax, cross_entropy)
RARE = [0.0, -15.0, -14.0, -16.0]


def largest_steps():
    """The largest step that is taken, by bisection, for each of the networks of ENDS."""

    def taken(std, largest, h):
        try:
            structured_gradient(network(softmax, cross_entropy, std), largest * X, LABELS, h)
        except ValueError:
            return False
        return True

    return [bisected(functools.partial(taken, *end)) for end in ENDS]


# Weights and largest input: what decides is the slope of the logistic function, twice the weights, that function
# where they are 0, and the output layer.
ENDS = ((0.1, 4.0), (0.8, 4.0), (8.0, 1.0), (0.0, 4.0), (0.1, 1.0))


def bisected(holds, low=1e-6, high=1.0):
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def provable(std, largest):
    """The largest step for which degree 8 is proved to be enough: docs/structured.md."""
    steepness = np.abs(network(softmax, cross_entropy, std).params["W2"]).max() / 2
    radius = min(math.pi / 2, 1 / steepness) if steepness else math.pi / 2
    units, outputs = radius / max(1.0, largest * np.abs(X).max()), 1.0

    def holds(h):
        ellipses = [math.exp(math.acosh(max(1.0, part / h))) for part in (units, outputs)]
        return all(np.finfo(float).eps * h * (R - 1) > 128 * R**-8.0 for R in ellipses)

    return bisected(holds)


def without_a_warning():
    """The differences of a network whose weights are 0, by the form that must not divide by them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return flat(structured_gradient(network(softmax, cross_entropy, 0.0), X, LABELS, H))


def default_step(std, degree):
    """The step of the chapter. Weights of 1 need polynomials of a higher degree than the chapter's small ones."""
    made = network(softmax, cross_entropy, std)

    def difference():
        return flat(made.numerical_gradient(X, LABELS, method="structured"))

    def derivative():
        return backpropagated(made, X, LABELS)

    def with_truncation(h):
        """The derivative on paper, and h^2 times the truncation that the double loop shows at h = 1/200."""
        return derivative() + (h / H) ** 2 * (by_loop(made, X, LABELS) - derivative())

    return Quantity(
        f"default step 1e-4, weights of {std:g}: polynomials of degree {degree}",
        difference,
        [
            Reference(
                "double loop",
                lambda: flat(made.numerical_gradient(X, LABELS)),
                atol=4e-11,
                reason="rounding of the loop: a few 1e-16 of a loss of 2 over 2h = 2e-4, 5e-12; a few times over",
            ),
            Reference(
                "backpropagation and h^2 times the loop's truncation",
                lambda: with_truncation(1e-4),
                atol=2e-14,
                reason="the truncation is in proportion to h^2: 8e-10 here, its next term 1e-5 of that; "
                "rounding 1e-15",
            ),
        ],
        [
            Mistake("1.01e-4", lambda: flat(structured_gradient(made, X, LABELS, 1.01e-4))),
            Mistake("backpropagation", derivative),
            Mistake("1e-8 larger", lambda: (1 + 1e-8) * difference()),
            Mistake("1e-3 larger", lambda: 1.001 * difference()),
        ],
    )


def steep(std, largest=1.0):
    """Larger weights or inputs, for which the polynomial must be of a higher degree: 6, then 8."""
    made, x, h = network(softmax, cross_entropy, std), largest * X, 1e-3
    made.params["W1"] /= largest  # the hidden layer is the same

    def gradient(h=h):
        return flat(structured_gradient(made, x, LABELS, h))

    return Quantity(
        f"weights of {std:g}, inputs up to {largest:g}: all 59 differences, h = 1/1000",
        gradient,
        [
            Reference(
                "double loop",
                lambda: by_loop(made, x, LABELS, h),
                atol=8e-12,
                reason="rounding of the loop, 1e-15 of a loss of up to 8, over 2h = 0.002: 4e-12",
            )
        ],
        [
            Mistake("backpropagation: no truncation", lambda: backpropagated(made, x, LABELS)),
            Mistake("h 1 % larger", lambda: gradient(1.01 * h)),
            Mistake("1e-9 larger", lambda: (1 + 1e-9) * gradient()),
        ],
    )


# So many units, and outputs, that both are taken in blocks, which threads share.
WIDE = TwoLayerNet(6, 60, 40, rng=2, weight_init_std=0.5)
WIDE_X = np.random.default_rng(3).uniform(-1, 1, (100, 6))
WIDE_LABELS = np.arange(100) % 40


@functools.cache
def in_blocks(n_threads):
    return flat(structured_gradient(WIDE, WIDE_X, WIDE_LABELS, n_threads=n_threads))


case = Case(
    "5.1 and 5.2",
    "The differences of every weight from what a perturbation touches",
    [
        form("by row, labels", softmax, cross_entropy_label, LABELS),
        form("by row, one-hot", softmax, cross_entropy, ONEHOT),
        form("by row, soft targets", softmax, cross_entropy_onehot, SOFT),
        form("by row, two soft targets among one-hot ones", softmax, cross_entropy, MIXED),
        form("by row, printed loss", softmax, cross_entropy_label_published, LABELS),
        form("by row, printed loss of soft targets", softmax, cross_entropy_published, SOFT),
        form("whole array, labels", softmax_whole_array, cross_entropy, LABELS),
        form("whole array, soft targets", softmax_whole_array, cross_entropy, SOFT),
        form("whole array, printed loss", softmax_whole_array, cross_entropy_published, ONEHOT),
        # Where delta takes half of a logarithm, every power of its share counts.
        form("by row, probabilities of 1e-7", softmax, cross_entropy, SOFT, RARE),
        form("whole array, probabilities of 1e-7", softmax_whole_array, cross_entropy, SOFT, RARE),
        steep(1.0),
        steep(3.0),
        steep(8.0),
        steep(1.0, largest=4.0),
        Quantity(
            "largest step for which it is proved that rounding is all: five networks",
            largest_steps,
            [
                Reference(
                    "analytic",
                    lambda: [provable(*end) for end in ENDS],
                    rtol=5e-4,
                    reason="the same condition; a bound that is 1/128 larger moves it by an eighth of that, 1e-3",
                )
            ],
            [
                Mistake("1e-3 larger", lambda: 1.001 * np.array(largest_steps())),
                Mistake("no end", lambda: [1.0] * len(ENDS)),
            ],
        ),
        Quantity(
            "weights of 0: all 59 differences, and no warning",
            without_a_warning,
            [
                Reference(
                    "double loop",
                    lambda: by_loop(network(softmax, cross_entropy, 0.0), X, LABELS),
                    atol=1e-12,
                    reason=LOOP,
                )
            ],
            [Mistake("weights of 0.01", lambda: by_loop(network(softmax, cross_entropy, 0.01), X, LABELS))],
        ),
        default_step(1.0, 6),
        default_step(0.3, 4),
        Quantity(
            "weights of an input that is 0 in every sample",
            lambda: structured_gradient(NETWORK, X, LABELS)["W1"][2],
            [Reference("0, exactly", np.zeros(5), reason="such a weight touches nothing")],
            [Mistake("the row before", lambda: structured_gradient(NETWORK, X, LABELS)["W1"][1])],
        ),
        Quantity(
            "60 units and 40 outputs in blocks, on one thread",
            lambda: in_blocks(1),
            [
                Reference(
                    "analytic",
                    lambda: flat(backprop.two_layer_net_gradient(WIDE.params, WIDE_X, WIDE_LABELS)),
                    atol=1e-9,
                    reason="truncation h^2 |f'''| / 6 with h = 1e-4 and third derivatives below 0.2: 4e-10; "
                    "twice that",
                ),
                Reference("on two threads", lambda: in_blocks(2), reason="the same blocks: the same bits"),
                Reference(
                    "on as many as there are",
                    lambda: in_blocks(None),
                    reason="the same blocks: the same bits",
                ),
            ],
            [
                Mistake("blocks in reverse", lambda: in_blocks(1)[::-1]),
                Mistake("1e-6 larger", lambda: (1 + 1e-6) * in_blocks(1)),
            ],
        ),
    ],
    claim=(
        "Each of the 39,760 weights is moved on its own, and each time the whole loss is computed anew: "
        "twice for each weight, in each iteration."
    ),
)
