"""Mini-batch training: the loss falls, from log 1000 with the printed forms, from log 10 by row.

The chapter trains by central differences, in six hours and a quarter. Here the backpropagated gradient does it, after
the first iterations have been trained in both ways, and timed.
"""

import copy
import math
import time
from dataclasses import dataclass

import numpy as np

from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.textbook import Dataset, TwoLayerNet, cross_entropy_published, softmax_whole_array, train
from reference import backprop, published
from reference.scipy_oracle import approx_gradient_at

ITERATIONS, FAST = 1000, 400
COMPARED, SAMPLE = 20, 20
NAMES = ("W1", "b1", "W2", "b2")
PRINTED_FORMS = {"softmax": softmax_whole_array, "loss": cross_entropy_published}


@dataclass(frozen=True)
class State:
    """The digits, the losses of both trainings, what one of them was shown, and the time of the differences.

    moments : before the step of the first and of the last iteration, the network, x and t.
    by_differences : losses of the first iterations, trained by central differences.
    seconds : that each of these took.
    """

    data: Dataset
    losses: np.ndarray
    as_printed: np.ndarray
    moments: list
    by_differences: np.ndarray
    seconds: float


def backpropagated(network, x, t):
    return backprop.two_layer_net_gradient(network.params, x, t)


def ascending(network, x, t):
    return {name: -value for name, value in backpropagated(network, x, t).items()}


def slightly_larger(network, x, t):
    return {name: (1 + 1e-7) * value for name, value in backpropagated(network, x, t).items()}


def summed(network, x, t):
    return {name: len(x) * value for name, value in backpropagated(network, x, t).items()}


def backpropagated_as_printed(network, x, t):
    return backprop.two_layer_net_gradient(network.params, x, t, softmax="whole array", loss="published")


def central(network, x, t):
    return network.numerical_gradient(x, t, method="structured")


def trained(data, gradient, iterations, *, progress=False, on_iteration=None, **forms):
    network = TwoLayerNet(784, 50, 10, rng=0, **forms)
    options = {"iterations": iterations, "rng": 1, "progress": progress, "on_iteration": on_iteration}
    return train(network, data, gradient, **options)


def losses(data, gradient, iterations, **options):
    return trained(data, gradient, iterations, **options).losses


def prepare(context):
    data = context.mnist(one_hot_label=True)
    iterations = FAST if context.fast else ITERATIONS
    moments = []

    def remember(i, network, x, t):
        if i in (0, iterations - 1):
            then = copy.copy(network)  # the network gets new arrays with each step; these stay as they are
            moments.append((then, x, t))

    options = {"progress": context.progress}
    differences = trained(data, central, COMPARED)
    with np.errstate(
        divide="ignore"
    ):  # a step in the wrong direction leads to log 0, which nothing guards there
        as_printed = losses(data, backpropagated_as_printed, iterations, **options, **PRINTED_FORMS)
    return State(
        data,
        losses(data, backpropagated, iterations, on_iteration=remember, **options),
        as_printed,
        moments,
        differences.losses,
        differences.seconds / COMPARED,
    )


# The gradient along the training, on coordinates drawn at random.


def chosen(name, value):
    return np.random.default_rng(len(name)).choice(value.size, min(SAMPLE, value.size), replace=False)


def along(state, gradient, name):
    """A gradient by the chosen coordinates of one array, at both moments."""
    return [
        gradient(network, x, t)[name].flat[chosen(name, network.params[name])]
        for network, x, t in state.moments
    ]


def by_scipy(state, name):
    def loss_by(network, x, t):
        probe = copy.copy(network)

        def loss(value):
            probe.params = {**network.params, name: value}
            return probe.loss(x, t)

        return loss

    return [
        approx_gradient_at(loss_by(*moment), moment[0].params[name], chosen(name, moment[0].params[name]))
        for moment in state.moments
    ]


def gradient_along(name):
    return Quantity(
        f"dL/d{name}, at the first and the last iteration",
        lambda state: along(state, central, name),
        [
            Reference(
                "analytic",
                lambda state: along(state, backpropagated, name),
                atol=1e-9,
                reason="truncation h^2 |f'''| / 6 for h = 1e-4: 1e-9 allows third derivatives of 0.6; no loss is "
                "subtracted from another",
            ),
            Reference(
                "approx_fprime",
                lambda state: by_scipy(state, name),
                atol=2e-7,
                reason="its forward step 1.5e-8: truncation below 1e-8, rounding of a loss of 2.3, 4e-16 and its "
                "sum's, over "
                "the step: 8e-8",
            ),
        ],
        [
            Mistake("the sign", lambda state: along(state, ascending, name)),
            Mistake("the sum over the batch", lambda state: along(state, summed, name)),
            Mistake("the last iteration first", lambda state: along(state, central, name)[::-1]),
        ],
    )


def seconds_of_the_loop(state):
    """What the double loop would take for an iteration: two losses a parameter."""
    network, x, t = state.moments[0]
    started = time.perf_counter()
    for _ in range(50):
        network.loss(x, t)
    each = (time.perf_counter() - started) / 50
    return 2 * sum(network.params[name].size for name in NAMES) * each


def rises(values):
    """From each fifth of the training to the next, by how much the mean loss rises."""
    return np.diff([fifth.mean() for fifth in np.array_split(values, 5)])


def enough(state):
    """The odds that the right class has at the end, in the geometric mean: 1 in 2, or 1 in 5 if cut short."""
    return math.log(2 if len(state.losses) == ITERATIONS else 5)


def draw(figure, state):
    axes = figure.subplots()
    forms = ("as printed", state.as_printed, math.log(1000)), ("by row", state.losses, math.log(10))
    for k, (name, values, start) in enumerate(forms):
        smooth = np.convolve(values, np.full(25, 1 / 25), mode="valid")
        axes.plot(values, linewidth=0.6, alpha=0.5, color=f"C{k}")
        axes.plot(np.arange(len(smooth)) + 12, smooth, color=f"C{k}", label=f"{name}: mean of 25")
        axes.axhline(start, color=f"C{k}", linestyle=":", linewidth=0.8)
    axes.set(xlabel="iteration", ylabel="loss in nats", ylim=(0, None), title="Mini-batch training")
    axes.legend()


def falls(name, of_state, spread):
    return Quantity(
        f"rise of the mean loss, fifth by fifth, {name}",
        lambda state: rises(of_state(state)),
        [
            Reference(
                "the figure: it falls",
                np.zeros(4),
                kind="at_most",
                reason=f"no rise from any fifth of the training to the next: means of 80 batches or more scatter "
                f"by {spread}, "
                "and the loss falls by 0.03 or more",
            )
        ],
        [
            Mistake("the sign", lambda state: rises(losses(state.data, ascending, 100))),
            Mistake("backwards", lambda state: rises(of_state(state)[::-1])),
        ],
    )


case = Case(
    "5.2",
    "Mini-batch training: the loss falls",
    [
        *map(gradient_along, NAMES),
        Quantity(
            "losses of the first 20 iterations",
            lambda state: state.losses[:COMPARED],
            [
                Reference(
                    "trained by central differences",
                    lambda state: state.by_differences,
                    atol=1e-10,
                    reason="each step is off by lr times the truncation h^2 |f'''| / 6, below 1e-10, along a "
                    "gradient of 0.4: "
                    "some 1e-12 each, and 1e-11 in 20 steps",
                )
            ],
            [
                Mistake("the sign", lambda state: losses(state.data, ascending, COMPARED)),
                Mistake("the sum over the batch", lambda state: losses(state.data, summed, COMPARED)),
                Mistake(
                    "a gradient 1e-7 larger", lambda state: losses(state.data, slightly_larger, COMPARED)
                ),
            ],
        ),
        Quantity(
            "loss after the first step",
            lambda state: state.losses[0],
            [
                Reference(
                    "analytic",
                    math.log(10),
                    atol=0.05,
                    reason="even odds for ten classes; weights of 0.01 give scores of some 0.03, and one step "
                    "lowers the loss by lr times the squared gradient, some 0.02",
                )
            ],
            [
                Mistake("as printed: log 1000", lambda state: state.as_printed[0]),
                Mistake("nine classes", lambda _: math.log(9)),
            ],
        ),
        Quantity(
            "loss after the first step, as printed",
            lambda state: state.as_printed[0],
            [
                Reference(
                    "the figure: it begins at 6.9, log 1000",
                    math.log(1000),
                    atol=0.05,
                    reason="100 samples of ten classes share a normaliser; scores and one step as above",
                )
            ],
            [
                Mistake("by row: log 10", lambda state: state.losses[0]),
                Mistake("batches of 90", lambda _: math.log(900)),
            ],
        ),
        Quantity(
            "loss as printed above the loss by row, at the end",
            lambda state: state.as_printed[-100:].mean() - state.losses[-100:].mean(),
            [
                Reference(
                    "log 100",
                    math.log(100),
                    atol=0.2,
                    reason="where every sample's normaliser is alike, 100 of them weigh 100 times one: on four seeds "
                    "0.01 to 0.1 from it",
                )
            ],
            [
                Mistake("the same form twice", lambda _: 0.0),
                Mistake("batches of 75", lambda _: math.log(75)),
            ],
        ),
        falls("by row", lambda state: state.losses, "0.01"),
        falls("as printed", lambda state: state.as_printed, "0.01"),
        Quantity(
            "mean loss of the last 100",
            lambda state: state.losses[-100:].mean(),
            [
                Reference(
                    "log 2 (log 5 with --fast)",
                    enough,
                    kind="at_most",
                    reason="the right class has more than half of the probability (a fifth after 400 "
                    "iterations); on four seeds 0.51 to 0.57 (1.46 to 1.53)",
                )
            ],
            [Mistake("the sign", lambda state: losses(state.data, ascending, 100).mean())],
        ),
        Quantity(
            "seconds of an iteration by central differences",
            lambda state: state.seconds,
            [
                Reference(
                    "a hundredth of the published 22.43",
                    published.MINIBATCH_SECONDS_PER_ITERATION.value / 100,
                    kind="at_most",
                    reason="some thousandths of a second are expected; a hundredth of the chapter's leaves room "
                    "for a busy "
                    "machine, and none for the double loop",
                )
            ],
            [Mistake("the double loop", seconds_of_the_loop)],
        ),
        Quantity(
            "seconds of the chapter's 1,000 iterations, 6:13:54, by iteration",
            lambda _: (6 * 3600 + 13 * 60 + 54) / ITERATIONS,
            [
                Reference(
                    "published",
                    published.MINIBATCH_SECONDS_PER_ITERATION.value,
                    atol=published.MINIBATCH_SECONDS_PER_ITERATION.half_unit,
                    reason="half a unit of the last digit printed",
                )
            ],
            [Mistake("of 5.3", lambda _: published.TRAINING_SECONDS.value / 6000)],
        ),
    ],
    claim=(
        "1,000 iterations of 100 digits, by numerical differentiation, take 6 h 13 min, and the loss falls."
    ),
    wrong=(
        "The loss begins at log 1000 = 6.9, because the softmax shares its normaliser among the batch; by "
        "row it is log 10 = 2.3. 1,000 iterations are called ten epochs: of 60,000 digits they are one "
        "and two thirds."
    ),
    prepare=prepare,
    figures=[
        Figure(
            "loss",
            draw,
            "The loss of each batch over the iterations, twice: as printed it begins at 6.9, log 1000, by row at "
            "2.3, log "
            "10. Both stay level for about 100 iterations, fall steeply, then ever more slowly, 4.6 apart.",
            source="img_05: the loss as printed, from 6.9 down.",
        )
    ],
    needs=("mnist",),
)
