"""The two-layer network: shapes, and its gradient three ways.

Every coordinate of a small network, and a random sample of each array of the full one. The chapter's own
gradient is of unseeded weights, inputs and targets, so that only what holds for all of them can be compared.
"""

import copy

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SHIFTED, all_scaled, mutate, one_scaled
from gradcheck.textbook import TwoLayerNet, cross_entropy_published, numerical_gradient, softmax_whole_array
from reference import backprop, published
from reference.scipy_oracle import approx_gradient, approx_gradient_at

NAMES = ("W1", "b1", "W2", "b2")
SAMPLE = 20

# A small network whose units differ: weights of 1, so that every coordinate matters.
SMALL = TwoLayerNet(6, 5, 4, weight_init_std=1.0, rng=1)
SMALL_X = np.random.default_rng(2).standard_normal((8, 6))
SMALL_T = np.random.default_rng(3).integers(0, 4, 8)
SMALL_AS_PRINTED = TwoLayerNet(6, 5, 4, rng=1, softmax=softmax_whole_array)
# The chapter's: 784-100-10, a batch of 100 standard normal inputs.
FULL = TwoLayerNet(784, 100, 10, rng=4)
FULL_X = np.random.default_rng(5).standard_normal((100, 784))
FULL_T = np.random.default_rng(6).integers(0, 10, 100)
COORDINATES = {
    name: np.random.default_rng(7).choice(value.size, min(SAMPLE, value.size), replace=False)
    for name, value in FULL.params.items()
}


def loss_by(network, x, t, name):
    """The loss as a function of one array of weights, the others as they are."""
    probe = copy.copy(network)

    def loss(value):
        probe.params = {**network.params, name: value}
        return probe.loss(x, t)

    return loss


def one_sided(network, x, t, name, h=1e-4):
    loss, start = loss_by(network, x, t, name), network.params[name]
    steps = h * np.eye(start.size).reshape(-1, *start.shape)
    return np.array([(loss(start + step) - loss(start)) / h for step in steps]).reshape(start.shape)


def central(network, x, t, name, chosen):
    """The published central difference by some coordinates of one array; the network is left alone."""
    start, loss = network.params[name], loss_by(network, x, t, name)

    def loss_of_chosen(values):
        point = start.copy()
        point.flat[chosen] = values
        return loss(point)

    return numerical_gradient(loss_of_chosen, start.flat[chosen])


def sampled_central(name):
    return central(FULL, FULL_X, FULL_T, name, COORDINATES[name])


CENTRAL = (
    "truncation h^2 |f'''| / 6 for h = 1e-4 and third derivatives below 1: 1.7e-9 at most; rounding of the "
    "loss over h: 1e-11"
)
FORWARD = "its forward step 1.5e-8: truncation below 1e-8, rounding of a loss of some 2 over the step: 6e-8"


def on_the_small_network(name):
    def gradient():
        return SMALL.numerical_gradient(SMALL_X, SMALL_T)[name]

    return Quantity(
        f"6-5-4: dL/d{name}, every coordinate",
        gradient,
        [
            Reference(
                "analytic",
                lambda: backprop.two_layer_net_gradient(SMALL.params, SMALL_X, SMALL_T)[name],
                atol=2e-9,
                reason=CENTRAL,
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(loss_by(SMALL, SMALL_X, SMALL_T, name), SMALL.params[name]),
                atol=2e-7,
                reason=FORWARD,
            ),
            Reference(
                "gradcheck",
                lambda: gradcheck.gradient(loss_by(SMALL, SMALL_X, SMALL_T, name), SMALL.params[name]),
                atol=2e-9,
                reason=f"three of its own error bars; and {CENTRAL}",
            ),
        ],
        [
            Mistake.planted(ALL_NEGATED, gradient, SMALL.params[name], name="the sign"),
            Mistake("one-sided, h = 1e-4", lambda: one_sided(SMALL, SMALL_X, SMALL_T, name)),
            Mistake.planted(
                all_scaled(len(SMALL_X)), gradient, SMALL.params[name], name="the sum over the batch"
            ),
        ],
    )


def on_the_full_network(name):
    chosen = COORDINATES[name]
    x = FULL.params[name].flat[chosen]

    def gradient():
        return sampled_central(name)

    return Quantity(
        f"784-100-10: dL/d{name}, {chosen.size} coordinates",
        gradient,
        [
            Reference(
                "analytic",
                lambda: backprop.two_layer_net_gradient(FULL.params, FULL_X, FULL_T)[name].flat[chosen],
                atol=1e-9,
                reason="weights of 0.01 keep the third derivatives below 0.5, see above; rounding 1e-11",
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient_at(loss_by(FULL, FULL_X, FULL_T, name), FULL.params[name], chosen),
                atol=2e-7,
                reason=FORWARD,
            ),
        ],
        [
            Mistake.planted(ALL_NEGATED, gradient, x, name="the sign"),
            Mistake.planted(SHIFTED, gradient, x, name="coordinates exchanged"),
            Mistake.planted(all_scaled(len(FULL_X)), gradient, x, name="the sum over the batch"),
        ],
    )


def shape_of(name):
    return Quantity(
        f"shape of {name}",
        lambda: FULL.params[name].shape,
        [Reference("published", published.TWO_LAYER_SHAPES.value[name], reason="a shape: no tolerance")],
        [Mistake("hidden layer of 50", lambda: TwoLayerNet(784, 50, 5, rng=0).params[name].shape)],
    )


# The chapter's own call: its forms, and targets drawn from the normal distribution.
PRINTED = TwoLayerNet(784, 100, 10, rng=8, softmax=softmax_whole_array, loss=cross_entropy_published)
PRINTED_BY_ROW = TwoLayerNet(784, 100, 10, rng=8, loss=cross_entropy_published)
PRINTED_T = np.random.default_rng(9).standard_normal((100, 10))
ENDS = [0, 1, 2, -3, -2, -1]  # what NumPy prints of a long axis
CORNERS = np.arange(784 * 100).reshape(784, 100)[np.ix_(ENDS, ENDS)].ravel()


def root_mean_square(values):
    return np.sqrt(np.mean(np.square(values)))


def corners_as_printed():
    return central(PRINTED, FULL_X, PRINTED_T, "W1", CORNERS)


def row_sums_as_printed(network=PRINTED):
    return central(network, FULL_X, PRINTED_T, "W2", np.arange(30)).reshape(3, 10).sum(axis=1)


def b2_as_printed():
    return central(PRINTED, FULL_X, PRINTED_T, "b2", np.arange(10))


def loss_of(network, x, t):
    """The loss as a function of all parameters; the network is left alone."""
    probe = copy.copy(network)

    def loss(params):
        probe.params = params
        return probe.loss(x, t)

    return loss


def backpropagated(params):
    return backprop.two_layer_net_gradient(params, SMALL_X, SMALL_T)


def judged(grad=backpropagated, network=SMALL):
    return gradcheck.check_gradient(loss_of(network, SMALL_X, SMALL_T), grad, SMALL.params)


def structured():
    """All 79,510 central differences of the full network."""
    return FULL.numerical_gradient(FULL_X, FULL_T, method="structured")


def judged_in_full(mutation=None):
    gradient = structured()
    if mutation is not None:
        gradient = mutate(lambda _: gradient, mutation)(FULL.params)
    return gradcheck.check_gradient(loss_of(FULL, FULL_X, FULL_T), gradient, FULL.params)


def weights_after_gradient():
    network = copy.deepcopy(SMALL)
    network.numerical_gradient(SMALL_X, SMALL_T)
    return np.concatenate([network.params[name].ravel() for name in NAMES])


def predictions(network=SMALL):
    return network.predict(SMALL_X)


def counted_one_by_one(x, t):
    right = [max(range(4), key=y.__getitem__) == label for y, label in zip(SMALL.predict(x), t, strict=True)]
    return sum(right) / len(right)


case = Case(
    "5.1",
    "The gradient of a two-layer network: numerical, backpropagated, and by SciPy",
    [
        *map(shape_of, NAMES),
        Quantity(
            "probabilities of a batch: sum of each row",
            lambda: predictions().sum(axis=1),
            [Reference("analytic", np.ones(8), atol=1e-15, reason="four quotients of one sum: rounding")],
            [
                Mistake(
                    "one normaliser for the batch",
                    lambda: softmax_whole_array(np.log(predictions())).sum(axis=1),
                )
            ],
        ),
        Quantity(
            "accuracy on eight samples",
            lambda: SMALL.accuracy(SMALL_X, np.eye(4)[SMALL_T]),
            [
                Reference(
                    "counted one by one",
                    lambda: counted_one_by_one(SMALL_X, SMALL_T),
                    reason="eighths: no tolerance",
                )
            ],
            [Mistake("least probable class", lambda: np.mean(predictions().argmin(axis=1) == SMALL_T))],
        ),
        *map(on_the_small_network, NAMES),
        Quantity(
            "6-5-4: backpropagation, judged by check_gradient",
            judged,
            [Reference("PASS", True, reason="yes or no: the check itself says how well f is known")],
            [
                Mistake("one entry off by 1 %", lambda: judged(mutate(backpropagated, one_scaled(1.01)))),
                Mistake("another softmax", lambda: judged(network=SMALL_AS_PRINTED)),
            ],
        ),
        *map(on_the_full_network, NAMES),
        Quantity(
            "784-100-10: all differences, judged by check_gradient",
            judged_in_full,
            [
                Reference(
                    "PASS",
                    True,
                    reason="yes or no: random directions certify each array; they accept 1e-6, relative, and the "
                    "differences are off by some 1e-7",
                )
            ],
            [
                Mistake("the sum over the batch", lambda: judged_in_full(all_scaled(len(FULL_X)))),
                Mistake("one entry 0.1 % off", lambda: judged_in_full(one_scaled(1.001))),
            ],
        ),
        Quantity(
            "size of dL/dW1 in its corners, as printed",
            lambda: root_mean_square(corners_as_printed()),
            [
                Reference(
                    "published",
                    root_mean_square(published.TWO_LAYER_GRADIENT_W1_CORNERS.value),
                    rtol=0.5,
                    reason="other random numbers, in six rows and columns: five seeds gave 0.7 to 1.1 of this",
                )
            ],
            [
                Mistake("the sum over the batch", lambda: 100 * root_mean_square(corners_as_printed())),
                Mistake("the mean taken twice", lambda: root_mean_square(corners_as_printed()) / 100),
            ],
        ),
        Quantity(
            "size of the row sums of dL/dW2, as printed",
            lambda: root_mean_square(row_sums_as_printed()),
            [
                Reference(
                    "published",
                    root_mean_square(published.TWO_LAYER_GRADIENT_W2_ROWS.value.sum(axis=1)),
                    rtol=0.9,
                    reason="other random numbers, three of them: five seeds gave 0.4 to 1.03 of this; by row it is 0",
                )
            ],
            [
                Mistake(
                    "softmax by row", lambda: root_mean_square(row_sums_as_printed(network=PRINTED_BY_ROW))
                )
            ],
        ),
        Quantity(
            "sum of dL/db2, as printed",
            lambda: b2_as_printed().sum(),
            [
                Reference(
                    "published",
                    published.TWO_LAYER_GRADIENT_B2.value.sum(),
                    atol=10 * published.TWO_LAYER_GRADIENT_B2.half_unit,
                    reason="half a unit of the eighth digit in each of ten entries",
                ),
                Reference(
                    "analytic",
                    0.0,
                    atol=2e-9,
                    reason="a shift of all scores changes no probability; ten central differences, each with "
                    "truncation h^2 / 6 times at most 0.1",
                ),
            ],
            [
                Mistake("one entry's sign", lambda: (b2_as_printed() * (1 - 2 * np.eye(10)[0])).sum()),
            ],
        ),
        Quantity(
            "weights afterwards",
            weights_after_gradient,
            [
                Reference(
                    "the weights",
                    lambda: np.concatenate([SMALL.params[name].ravel() for name in NAMES]),
                    reason="restored, bit for bit",
                )
            ],
            [Mistake("left at w - h", lambda: weights_after_gradient() - 1e-4)],
        ),
    ],
)
