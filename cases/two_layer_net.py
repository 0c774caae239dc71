"""The two-layer network: shapes, and its gradient three ways.

Every coordinate of a small network, and a random sample of each array of the full one. The chapter's own
gradient is of unseeded weights, inputs and targets, so that only what holds for all of them can be compared: sizes and
proportions, of ten seeds on our side.
"""

import copy
import functools
import math

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SHIFTED, all_scaled, mutate, one_scaled
from gradcheck.textbook import (
    TwoLayerNet,
    cross_entropy_published,
    numerical_gradient,
    softmax,
    softmax_whole_array,
)
from reference import backprop, published
from reference.scipy_oracle import approx_gradient, approx_gradient_at

NAMES = ("W1", "b1", "W2", "b2")
SAMPLE = 20

# A small network whose units differ: weights of 1, so that every coordinate matters.
SMALL = TwoLayerNet(6, 5, 4, weight_init_std=1.0, rng=1)
SMALL.params["b1"] = np.array([0.3, -0.5, 0.1, 0.8, -0.2])
SMALL.params["b2"] = np.array([0.4, -0.1, 0.2, -0.6])
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
SEEDS = range(10)


def as_printed(seed, softmax=softmax_whole_array):
    """The gradient of one seed's weights, inputs and targets."""
    network, x, t = drawn(seed, softmax)
    return network.numerical_gradient(x, t, method="structured")


def drawn(seed, softmax=softmax_whole_array):
    rng = np.random.default_rng(100 + seed)
    network = TwoLayerNet(784, 100, 10, rng=seed, softmax=softmax, loss=cross_entropy_published)
    return network, rng.standard_normal((100, 784)), rng.standard_normal((100, 10))


@functools.cache
def gradients_as_printed():
    return [as_printed(seed) for seed in SEEDS]


def size(values):
    return np.sqrt(np.mean(np.square(values)))


def over_seeds(of_gradients):
    """The mean over ten seeds of a number taken of each gradient."""
    return np.mean([of_gradients(**gradients) for gradients in gradients_as_printed()])


def size_of_w1(W1, **_):
    return size(W1)


def b1_by_b2(b1, b2, **_):
    """The size of dL/db1 in units of 0.0025 |dL/db2|: weights of 0.01, and a slope of the logistic function of 1/4."""
    return size(b1) / (0.0025 * np.linalg.norm(b2))


def w2_on_b2(W2, b2, **_):
    """The factor by which the rows of dL/dW2 resemble dL/db2: hidden values of some 1/2."""
    return np.mean(W2 @ b2) / (b2 @ b2)


def size_of_row_sums(W2, **_):
    return size(W2[:3].sum(axis=1))


PRINTED_B1 = published.TWO_LAYER_GRADIENT_B1.value
PRINTED_W2 = published.TWO_LAYER_GRADIENT_W2_ROWS.value
PRINTED_B2 = published.TWO_LAYER_GRADIENT_B2.value


def row_sums(gradients):
    return gradients["W2"].sum(axis=1)


def backpropagated_as_printed(seed):
    network, x, t = drawn(seed)
    return backprop.two_layer_net_gradient(network.params, x, t, softmax="whole array", loss="published")


def b2_as_printed():
    network, x, t = drawn(0)
    return central(network, x, t, "b2", np.arange(10))


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


# Of the 100: what is judged is 79,510 weights, and each loss of the judge takes a fifth of the time.
FEW = slice(20)


def structured():
    """All 79,510 central differences of the full network."""
    return FULL.numerical_gradient(FULL_X[FEW], FULL_T[FEW], method="structured")


def judged_in_full(mutation=None):
    gradient = structured()
    if mutation is not None:
        gradient = mutate(lambda _: gradient, mutation)(FULL.params)
    return gradcheck.check_gradient(loss_of(FULL, FULL_X[FEW], FULL_T[FEW]), gradient, FULL.params)


def weights_after_gradient():
    network = copy.deepcopy(SMALL)
    network.numerical_gradient(SMALL_X, SMALL_T)
    return np.concatenate([network.params[name].ravel() for name in NAMES])


def predictions(network=SMALL):
    return network.predict(SMALL_X)


def probabilities_on_paper():
    """Each ratio of exponentials by itself; the logistic function as a hyperbolic tangent."""
    W1, b1, W2, b2 = (SMALL.params[name] for name in NAMES)
    scores = [[float(v) for v in (1 + np.tanh((x @ W1 + b1) / 2)) / 2 @ W2 + b2] for x in SMALL_X]
    return [[1 / math.fsum(math.exp(other - one) for other in row) for one in row] for row in scores]


def loss_on_paper():
    rows = zip(probabilities_on_paper(), SMALL_T, strict=True)
    return -math.fsum(math.log(row[label] + 1e-7) for row, label in rows) / len(SMALL_T)


def without(name):
    """The same network with one array of biases forgotten."""
    probe = copy.copy(SMALL)
    probe.params = {**SMALL.params, name: np.zeros_like(SMALL.params[name])}
    return probe


SOFT = np.full((8, 4), 0.1)
SOFT[np.arange(8), SMALL_T] = 0.7


def accuracies(x=SMALL_X, t=SMALL_T):
    """With labels, one-hot and soft targets."""
    soft = np.full((len(t), 4), 0.1)
    soft[np.arange(len(t)), t] = 0.7
    return [SMALL.accuracy(x, targets) for targets in (t, np.eye(4)[t], soft)]


def initial_weights(seed=4, std=0.01):
    """As NumPy draws them, W1 before W2; biases of 0."""
    rng = np.random.default_rng(seed)
    W1, W2 = (std * rng.standard_normal(shape) for shape in ((784, 100), (100, 10)))
    return np.concatenate([W1.ravel(), np.zeros(100), W2.ravel(), np.zeros(10)])


def flat(params):
    return np.concatenate([params[name].ravel() for name in NAMES])


def spread(name, **options):
    """Mean and standard deviation of an array's initial weights."""
    weights = TwoLayerNet(784, 100, 10, rng=4, **options).params[name]
    return [weights.mean(), weights.std()]


def spread_of(name, count):
    """The mean of so many weights scatters by 0.01 / sqrt(count), their deviation by 0.01 / sqrt(2 count)."""
    four = 0.04 / math.sqrt(count)
    return Quantity(
        f"initial {name}: mean and standard deviation",
        lambda: spread(name),
        [
            Reference(
                "analytic",
                [0.0, 0.01],
                atol=four,
                reason=f"four standard errors of the mean of {count:,} weights; of the deviation that is nearly six",
            )
        ],
        [
            Mistake(
                "a deviation off by 1.5 times the tolerance",
                lambda: spread(name, weight_init_std=0.01 + 1.5 * four),
            ),
            Mistake(
                "a mean off by 1.5 times the tolerance",
                lambda: [spread(name)[0] + 1.5 * four, spread(name)[1]],
            ),
            Mistake("uniform from 0 to 0.01", lambda: [0.005, 0.01 / math.sqrt(12)]),
        ],
    )


def counted_one_by_one(x, t):
    right = [max(range(4), key=y.__getitem__) == label for y, label in zip(SMALL.predict(x), t, strict=True)]
    return sum(right) / len(right)


case = Case(
    "5.1",
    "The gradient of a two-layer network: numerical, backpropagated, and by SciPy",
    [
        *map(shape_of, NAMES),
        Quantity(
            "initial weights, seed 4",
            lambda: flat(FULL.params),
            [
                Reference(
                    "0.01 times standard normal, biases 0",
                    initial_weights,
                    reason="the same numbers of the same generator, W1 first: the same bits",
                )
            ],
            [
                Mistake("another seed", lambda: initial_weights(seed=5)),
                Mistake("weights of 0.0101", lambda: initial_weights(std=0.0101)),
                Mistake("biases of 0.01", lambda: np.where(initial_weights() == 0, 0.01, initial_weights())),
            ],
        ),
        spread_of("W1", 78400),
        spread_of("W2", 1000),
        Quantity(
            "probabilities of a batch",
            predictions,
            [
                Reference(
                    "analytic",
                    probabilities_on_paper,
                    rtol=2e-14,
                    reason="scores of up to 5 are rounded by a few 1e-16, their exponentials by five times that",
                )
            ],
            [
                Mistake("one normaliser for the batch", lambda: softmax_whole_array(np.log(predictions()))),
                Mistake("without b1", lambda: predictions(without("b1"))),
                Mistake("without b2", lambda: predictions(without("b2"))),
                Mistake("5e-14 larger", lambda: predictions() * (1 + 5e-14)),
            ],
        ),
        Quantity(
            "probabilities of one sample",
            lambda: SMALL.predict(SMALL_X[0]),
            [
                Reference(
                    "analytic", lambda: probabilities_on_paper()[0], rtol=2e-14, reason="as of the batch"
                )
            ],
            [Mistake("of another sample", lambda: SMALL.predict(SMALL_X[1]))],
        ),
        Quantity(
            "loss of a batch",
            lambda: SMALL.loss(SMALL_X, SMALL_T),
            [
                Reference(
                    "analytic",
                    loss_on_paper,
                    rtol=2e-14,
                    reason="rounding of the probabilities, and of eight logarithms",
                )
            ],
            [
                Mistake("the sum", lambda: 8 * loss_on_paper()),
                Mistake("5e-14 larger", lambda: loss_on_paper() * (1 + 5e-14)),
            ],
        ),
        Quantity(
            "accuracy on eight samples: labels, one-hot and soft targets",
            accuracies,
            [
                Reference(
                    "counted one by one",
                    lambda: [counted_one_by_one(SMALL_X, SMALL_T)] * 3,
                    reason="eighths: no tolerance",
                )
            ],
            [
                Mistake(
                    "least probable class", lambda: [np.mean(predictions().argmin(axis=1) == SMALL_T)] * 3
                ),
                Mistake("on seven of them", lambda: accuracies(SMALL_X[1:], SMALL_T[1:])),
            ],
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
                Mistake("the sum over the batch", lambda: judged_in_full(all_scaled(20))),
                Mistake("one entry 0.1 % off", lambda: judged_in_full(one_scaled(1.001))),
            ],
        ),
        Quantity(
            "dL/dW1, as printed: size, ten seeds",
            lambda: over_seeds(size_of_w1),
            [
                Reference(
                    "published",
                    size(published.TWO_LAYER_GRADIENT_W1_CORNERS.value),
                    rtol=0.4,
                    reason="36 printed entries in six rows and columns: those of 60 seeds scattered by 0.19 of "
                    "their size; "
                    "twice that",
                ),
                Reference(
                    "analytic",
                    0.98 * 0.0025 * math.sqrt(0.009),
                    rtol=0.04,
                    reason="weights 0.01, slope 0.98 / 4, and 100 samples whose scores have a gradient of 0.9 / "
                    "100^2 in "
                    "square: 60 seeds scattered by 0.022; ten by a third of that",
                ),
            ],
            [
                Mistake("weights 5 % larger", lambda: 1.05 * over_seeds(size_of_w1)),
                Mistake("one and a half times", lambda: 1.5 * over_seeds(size_of_w1)),
                Mistake("slope of the logistic function left out", lambda: 4 * over_seeds(size_of_w1)),
            ],
        ),
        Quantity(
            "dL/db1, as printed: size in units of 0.0025 |dL/db2|, ten seeds",
            lambda: over_seeds(b1_by_b2),
            [
                Reference(
                    "published",
                    b1_by_b2(PRINTED_B1, PRINTED_B2),
                    rtol=0.2,
                    reason="60 printed entries of 100: those of 60 seeds scattered by 0.09 of their size; twice that",
                ),
                Reference(
                    "analytic",
                    0.98,
                    rtol=0.07,
                    reason="the slope of the logistic function is 0.98 / 4 on average where its argument "
                    "scatters by 0.28; "
                    "100 entries scatter by 0.07 of their size, ten seeds by 0.022: three times that",
                ),
            ],
            [
                Mistake("a tenth larger", lambda: 1.1 * over_seeds(b1_by_b2)),
                Mistake("a quarter larger", lambda: 1.25 * over_seeds(b1_by_b2)),
                Mistake("slope of the logistic function left out", lambda: 4 * over_seeds(b1_by_b2)),
            ],
        ),
        Quantity(
            "dL/dW2, as printed: on dL/db2, ten seeds",
            lambda: over_seeds(w2_on_b2),
            [
                Reference(
                    "published",
                    w2_on_b2(PRINTED_W2, PRINTED_B2),
                    atol=0.03,
                    reason="three printed rows of 100: those of 60 seeds scattered by 0.0125; some twice that",
                ),
                Reference(
                    "analytic",
                    0.5,
                    atol=0.02,
                    reason="hidden values are 1/2 on average; ten seeds scatter by 0.004 at most",
                ),
            ],
            [
                Mistake("7 % larger", lambda: 1.07 * over_seeds(w2_on_b2)),
                Mistake("hidden values left out", lambda: 1.0),
            ],
        ),
        Quantity(
            "dL/dW2, as printed: row sums, seed 0",
            lambda: row_sums(gradients_as_printed()[0]),
            [
                Reference(
                    "analytic",
                    lambda: row_sums(backpropagated_as_printed(0)),
                    atol=1e-9,
                    reason="truncation h^2 |f'''| / 6 of ten entries, each with third derivatives below 0.05",
                )
            ],
            [
                Mistake("softmax by row: 0", lambda: row_sums(as_printed(0, softmax))),
                Mistake("another seed", lambda: row_sums(gradients_as_printed()[1])),
                Mistake("0.1 % larger", lambda: 1.001 * row_sums(gradients_as_printed()[0])),
            ],
        ),
        Quantity(
            "dL/dW2, as printed: size of three row sums, ten seeds",
            lambda: over_seeds(size_of_row_sums),
            [
                Reference(
                    "published",
                    size_of_row_sums(PRINTED_W2),
                    rtol=0.6,
                    reason="sums that cancel: 60 seeds scattered by half of their size, ten by a sixth; printed "
                    "is one seed",
                )
            ],
            [
                Mistake("softmax by row: 0", lambda: size_of_row_sums(**as_printed(0, softmax))),
                Mistake("twice", lambda: 2 * over_seeds(size_of_row_sums)),
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
    claim=(
        "A 784-100-10 network begins with normal weights of 0.01 and biases of 0; its numerical gradient "
        "has the shapes of its parameters."
    ),
    wrong="A comment says that t is given as labels: accuracy raises an AxisError for them.",
)
