"""The first five iterations of a training, beside the chapter's own loop: parameters, losses, accuracies, batches.

The loop of section 5.3 is in `reference/printed_code.py` as it is printed. Small networks, random numbers: here it is
not what is learned that counts, but that every number is the loop's.
"""

import contextlib
import io
import time

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import TwoLayerNet, cross_entropy_published, softmax_whole_array, train
from reference import backprop, printed_code
from reference.scipy_oracle import approx_gradient

NAMES = ("W1", "b1", "W2", "b2")
FIVE = {"iterations": 5, "batch_size": 10, "learning_rate": 0.3}

# 6-5-3, 30 samples to train and 12 to test with, weights that matter from the start.
# A seed with which the accuracies of both sets, before and after the steps, all differ.
RNG = np.random.default_rng(17)
TRAIN = (RNG.standard_normal((30, 6)), np.eye(3)[RNG.integers(0, 3, 30)])
TEST = (RNG.standard_normal((12, 6)), np.eye(3)[RNG.integers(0, 3, 12)])
START = {
    "W1": RNG.standard_normal((6, 5)),
    "b1": RNG.standard_normal(5),
    "W2": RNG.standard_normal((5, 3)),
    "b2": RNG.standard_normal(3),
}


def network(**forms):
    made = TwoLayerNet(6, 5, 3, rng=0, **forms)
    made.params = {name: value.copy() for name, value in START.items()}
    return made


def as_printed(made, x, t):
    return made.numerical_gradient(x, t)


def trained(gradient=as_printed, seed=1, **changes):
    made = network(softmax=softmax_whole_array, loss=cross_entropy_published)
    return train(made, (TRAIN, TEST), gradient, rng=seed, progress=False, **{**FIVE, **changes})


def flat(params):
    return np.concatenate([params[name].ravel() for name in NAMES])


def by_the_loop():
    """The chapter's network, and what its loop records."""
    made = printed_code.TwoLayerNet(START)
    records = printed_code.training(
        made,
        TRAIN,
        TEST,
        printed_code.TwoLayerNet.numerical_gradient,
        np.random.default_rng(1),
        iters_num=5,
        batch_size=10,
        learning_rate=0.3,
    )
    return made, records


def without_biases(made, x, t):
    return {name: value * (name[0] == "W") for name, value in as_printed(made, x, t).items()}


class Decaying:
    """A step that shrinks by 1 % each time."""

    def __init__(self):
        self.factor = 1.0

    def __call__(self, made, x, t):
        """Return the gradient, and shrink the next one."""
        self.factor *= 0.99
        return {name: self.factor * value for name, value in as_printed(made, x, t).items()}


def losses_before_the_step():
    losses = []
    trained_with = network(softmax=softmax_whole_array, loss=cross_entropy_published)

    def before(_, made, x, t):
        losses.append(made.loss(x, t))

    train(trained_with, (TRAIN, TEST), as_printed, rng=1, progress=False, on_iteration=before, **FIVE)
    return losses


def counted(made, x, t):
    """Answers counted one by one."""
    answers = [max(range(3), key=list(y).__getitem__) for y in made.predict(x)]
    return sum(answer == list(row).index(1) for answer, row in zip(answers, t, strict=True)) / len(x)


def counted_after(steps, data):
    return [counted(network_after(k), *data) for k in steps]


def network_after(steps):
    """The chapter's network after so many steps of its loop."""
    made = printed_code.TwoLayerNet(START)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        batch = rng.choice(30, 10)
        grad = made.numerical_gradient(TRAIN[0][batch], TRAIN[1][batch])
        for name in NAMES:
            made.params[name] -= 0.3 * grad[name]
    return made


# The step of the first iteration, which tells the gradient that was taken.

FIRST_BATCH = np.random.default_rng(1).choice(30, 10)


def first_gradient():
    """The gradient of the first step, from what it did to the parameters."""
    return (flat(START) - flat(trained(iterations=1).params)) / 0.3


def loss_of_first_batch(values):
    made = printed_code.TwoLayerNet(START)
    at = 0
    for name in NAMES:
        size = made.params[name].size
        made.params[name] = values[at : at + size].reshape(made.params[name].shape)
        at += size
    return made.loss(TRAIN[0][FIRST_BATCH], TRAIN[1][FIRST_BATCH])


def backpropagated():
    x, t = TRAIN[0][FIRST_BATCH], TRAIN[1][FIRST_BATCH]
    return flat(backprop.two_layer_net_gradient(START, x, t, softmax="whole array", loss="published"))


# 784-50-10 with all defaults: batches of 100, rate 0.1, seed 0.

WIDE = (np.random.default_rng(2).random((600, 784)), np.arange(600) % 10)


def wide_gradient(made, x, t):
    return backprop.two_layer_net_gradient(made.params, x, t)


def wide(**changes):
    made = TwoLayerNet(784, 50, 10, rng=3)
    return train(made, (WIDE, WIDE), wide_gradient, **{"iterations": 5, "progress": False, **changes})


def wide_by_the_loop():
    made = TwoLayerNet(784, 50, 10, rng=3)
    records = printed_code.training(
        made,
        WIDE,
        WIDE,
        wide_gradient,
        np.random.default_rng(0),
        iters_num=5,
        batch_size=100,
        learning_rate=0.1,
    )
    return made.params, records[0]


# What the batches are: a data set whose inputs are the numbers of its rows.


class Watching:
    """A network that learns nothing and remembers what it was shown."""

    def __init__(self):
        self.params = {"w": np.zeros(1)}
        self.asked = []

    def loss(self, x, t):
        """Return nothing to learn from."""
        return 0.0

    def accuracy(self, x, t):
        """Remember how many samples were asked for; return the weight."""
        self.asked.append(len(x))
        return float(self.params["w"][0])


ROWS = np.arange(30.0)[:, None]
OTHER_ROWS = np.arange(12.0)[:, None]


def batches(iterations=4, size=10, seed=5):
    """The inputs and targets of each batch, as the callback sees them."""
    seen = []

    def remember(_, __, x, t):
        seen.append([x[:, 0], t])

    train(
        Watching(),
        ((ROWS, 100.0 + ROWS[:, 0]), (OTHER_ROWS, OTHER_ROWS[:, 0])),
        lambda *_: {"w": np.zeros(1)},
        iterations=iterations,
        batch_size=size,
        rng=seed,
        progress=False,
        on_iteration=remember,
    )
    return np.array(seen)


def drawn(iterations=4, size=10, seed=5, **options):
    rng = np.random.default_rng(seed)
    rows = [rng.choice(30, size, **options) for _ in range(iterations)]
    return np.array([[batch, 100 + batch] for batch in rows], dtype=float)


def watched(iterations=9, **options):
    """Which sets were asked for accuracies, and when: each step adds 1 to the only weight."""
    made = Watching()
    data = ((ROWS, ROWS[:, 0]), (OTHER_ROWS, OTHER_ROWS[:, 0]))
    settings = {"iterations": iterations, "batch_size": 10, "progress": False, **options}
    return made, train(made, data, lambda *_: {"w": np.full(1, -10.0)}, **settings)


def shown(**options):
    """How many characters of a bar are shown, and how many iterations were trained."""
    made, data = Watching(), ((ROWS, ROWS[:, 0]), (OTHER_ROWS, OTHER_ROWS[:, 0]))
    with contextlib.redirect_stderr(io.StringIO()) as screen:
        result = train(made, data, lambda *_: {"w": np.zeros(1)}, iterations=4, **options)
    return [len(screen.getvalue()) > 0, len(result.losses)]


def share_of_time():
    """The seconds that the training says it took, in units of those around it."""
    started = time.perf_counter()
    result = trained()
    return result.seconds / (time.perf_counter() - started)


ROUNDING = (
    "both sides take the same differences; what an order of operations changes is rounding of the loss, some 1e-15, "
    "over 2h = 2e-4, times the rate 0.3, in each of five steps: 7e-12; three times that"
)

case = Case(
    "5.2 and 5.3",
    "The first five iterations, beside the chapter's own loop",
    [
        Quantity(
            "6-5-3: parameters after five iterations",
            lambda: flat(trained().params),
            [
                Reference(
                    "the chapter's loop", lambda: flat(by_the_loop()[0].params), atol=2e-11, reason=ROUNDING
                )
            ],
            [
                Mistake("biases that never move", lambda: flat(trained(without_biases).params)),
                Mistake("a decaying rate", lambda: flat(trained(Decaying()).params)),
                Mistake("a rate 1e-9 larger", lambda: flat(trained(learning_rate=0.3 * (1 + 1e-9)).params)),
                Mistake("one iteration too few", lambda: flat(trained(iterations=4).params)),
                Mistake("another seed", lambda: flat(trained(seed=2).params)),
            ],
        ),
        Quantity(
            "6-5-3: losses of five iterations",
            lambda: trained().losses,
            [Reference("the chapter's loop", lambda: by_the_loop()[1][0], atol=2e-11, reason=ROUNDING)],
            [
                Mistake("taken before the step", losses_before_the_step),
                Mistake("biases that never move", lambda: trained(without_biases).losses),
            ],
        ),
        Quantity(
            "6-5-3: train accuracies",
            lambda: trained().train_accuracy,
            [
                Reference("the chapter's loop", lambda: by_the_loop()[1][1], reason="thirtieths"),
                Reference(
                    "counted one by one",
                    lambda: counted_after([1, 4], TRAIN),
                    reason="thirtieths: no tolerance",
                ),
            ],
            [
                Mistake("of the test set", lambda: trained().test_accuracy),
                Mistake("before the step", lambda: counted_after([0, 3], TRAIN)),
            ],
        ),
        Quantity(
            "6-5-3: test accuracies",
            lambda: trained().test_accuracy,
            [
                Reference("the chapter's loop", lambda: by_the_loop()[1][2], reason="twelfths"),
                Reference(
                    "counted one by one", lambda: counted_after([1, 4], TEST), reason="twelfths: no tolerance"
                ),
            ],
            [
                Mistake("of the training set", lambda: trained().train_accuracy),
                Mistake("before the step", lambda: counted_after([0, 3], TEST)),
            ],
        ),
        Quantity(
            "6-5-3: gradient that the first step followed",
            first_gradient,
            [
                Reference(
                    "analytic",
                    backpropagated,
                    atol=4e-9,
                    reason="truncation h^2 |f'''| / 6 with third derivatives up to 2: 3e-9; rounding of the loss "
                    "over h: 1e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(loss_of_first_batch, flat(START)),
                    atol=2e-7,
                    reason="its forward step 1.5e-8: truncation below 1e-8, rounding of a loss of some 4 over "
                    "the step: 1e-7",
                ),
            ],
            [
                Mistake("the sign", lambda: -first_gradient()),
                Mistake(
                    "of another batch",
                    lambda: (flat(START) - flat(trained(iterations=1, seed=2).params)) / 0.3,
                ),
                Mistake("0.001 % too large", lambda: 1.00001 * first_gradient()),
            ],
        ),
        Quantity(
            "784-50-10, all defaults: parameters after five iterations",
            lambda: flat(wide().params),
            [
                Reference(
                    "the chapter's loop",
                    lambda: flat(wide_by_the_loop()[0]),
                    atol=1e-15,
                    reason="the same gradient on both sides; one product and one difference each, weights below 0.1",
                )
            ],
            [
                Mistake("batches of 99", lambda: flat(wide(batch_size=99).params)),
                Mistake("rate 0.1 + 1e-9", lambda: flat(wide(learning_rate=0.1 + 1e-9).params)),
                Mistake("seed 1", lambda: flat(wide(rng=1).params)),
            ],
        ),
        Quantity(
            "784-50-10, all defaults: losses",
            lambda: wide().losses,
            [
                Reference(
                    "the chapter's loop",
                    lambda: wide_by_the_loop()[1],
                    atol=1e-12,
                    reason="rounding of losses of 2.3",
                )
            ],
            [Mistake("of the next iteration", lambda: wide(iterations=6).losses[1:])],
        ),
        Quantity(
            "batches: their rows and targets",
            batches,
            [
                Reference(
                    "numpy.random.Generator.choice",
                    drawn,
                    reason="rows of the set, drawn with replacement by the seed: no tolerance",
                )
            ],
            [
                Mistake("without replacement", lambda: drawn(replace=False)),
                Mistake("another seed", lambda: drawn(seed=6)),
                Mistake("the first rows", lambda: drawn() * 0),
                Mistake("drawn once", lambda: np.repeat(drawn(iterations=1), 4, axis=0)),
            ],
        ),
        Quantity(
            "a batch of 100 from 30 rows",
            lambda: batches(iterations=1, size=100),
            [
                Reference(
                    "numpy.random.Generator.choice",
                    lambda: drawn(iterations=1, size=100),
                    reason="with replacement a batch may be larger than the set: no tolerance",
                )
            ],
            [Mistake("30 rows", lambda: drawn(iterations=1, size=30))],
        ),
        Quantity(
            "iterations of the accuracies: nine of three an epoch",
            lambda: watched()[1].evaluated_at,
            [Reference("i % 3 == 0", [0, 3, 6], reason="integers: no tolerance")],
            [Mistake("from 1 on", lambda: watched()[1].evaluated_at + 1)],
        ),
        Quantity(
            "iterations of the accuracies: batches larger than the set",
            lambda: watched(3, batch_size=50)[1].evaluated_at,
            [Reference("each", [0, 1, 2], reason="integers: no tolerance")],
            [Mistake("every other", lambda: watched(3, batch_size=50)[1].evaluated_at[::2])],
        ),
        Quantity(
            "sets of the accuracies: 30 and 12 samples in turn",
            lambda: watched()[0].asked,
            [Reference("the whole sets, train first", [30, 12] * 3, reason="counts: no tolerance")],
            [Mistake("the other way round", lambda: watched()[0].asked[::-1])],
        ),
        Quantity(
            "steps taken before the accuracies",
            lambda: [watched()[1].train_accuracy, watched()[1].test_accuracy],
            [
                Reference(
                    "one more than i",
                    [[1.0, 4.0, 7.0]] * 2,
                    atol=1e-14,
                    reason="each step adds 0.1 times 10: a few roundings",
                )
            ],
            [Mistake("before the step", lambda: [[0.0, 3.0, 6.0]] * 2)],
        ),
        Quantity(
            "a bar, and four iterations: by default, and without it",
            lambda: [shown(), shown(progress=False)],
            [Reference("shown, and not", [[True, 4], [False, 4]], reason="yes or no, and counts")],
            [Mistake("never shown", lambda: [shown(progress=False)] * 2)],
        ),
        Quantity(
            "seconds of the result, in units of those around the call",
            share_of_time,
            [
                Reference(
                    "most of them", 0.2, kind="at_least", reason="little is done around the training itself"
                ),
                Reference("not more", 1.0, kind="at_most", reason="the clock is the same"),
            ],
            [Mistake("no time", lambda: 0.0), Mistake("the time of day", lambda: time.perf_counter())],
        ),
        Quantity(
            "parameters of the result: copies",
            lambda: shares_memory_with_result(),
            [Reference("no shared memory", False, reason="yes or no")],
            [Mistake("the network's own", lambda: np.shares_memory(START["W1"], START["W1"]))],
        ),
    ],
    claim=(
        "Draw a batch, take the gradient, take a step, record the loss, and the accuracies once an epoch; "
        "then again."
    ),
)


def shares_memory_with_result():
    made, result = watched()
    return bool(np.shares_memory(made.params["w"], result.params["w"]))
