"""Training on MNIST: the accuracies by epoch, beside the chapter's.

It trains with the backpropagated gradient and shows on the way, at the start and at three later iterations, that this
is what the published central difference gives, and SciPy's forward difference. A run that is killed goes on from its
last checkpoint.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.errors import DataError
from gradcheck.files import read_json, write_text
from gradcheck.textbook import Dataset, TrainingResult, TwoLayerNet, numerical_gradient, train
from reference import backprop, published
from reference.scipy_oracle import approx_gradient

ITERATIONS, FAST = 6000, 1201  # the latter up to the third printed accuracy
NAMES = ("W1", "b1", "W2", "b2")
SAMPLE = 100
THIRD = published.EVALUATED_AT.value[2]


def backpropagated(network, x, t):
    return backprop.two_layer_net_gradient(network.params, x, t)


def loss_by(network, x, t, name, chosen):
    """The loss as a function of some coordinates of one array; the network is left alone."""
    probe = copy.copy(network)
    probe.params = {**network.params, name: network.params[name].copy()}
    weights = probe.params[name].reshape(-1)  # a view

    def loss(values):
        weights[chosen] = values
        return probe.loss(x, t)

    return loss, weights[chosen]


class Shown:
    """All three gradients at four iterations of the training, on a random sample of each array's coordinates.

    They are kept in a file beside the checkpoint, so that a run that was killed has them all in the end. Another run
    may work on the same two files: what it showed is the same, and when it has ended first its file is gone.
    """

    def __init__(self, path, iterations):
        self.path, self.seen = path, {}
        self.at = [round(part * (iterations - 1) / 3) for part in range(4)]

    def __call__(self, i, network, x, t):
        """Compare before the step of iteration i, if it is one of the four."""
        if i not in self.at:
            return
        self.read()
        rng, analytic = np.random.default_rng(i), backpropagated(network, x, t)
        for name, value in network.params.items():
            chosen = rng.choice(value.size, min(SAMPLE, value.size), replace=False)
            loss, start = loss_by(network, x, t, name, chosen)
            shown = (
                analytic[name].flat[chosen],
                numerical_gradient(loss, start.copy()),
                approx_gradient(loss, start),
            )
            self.seen[f"{name} {i}"] = [gradient.tolist() for gradient in shown]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.seen))

    def read(self):
        """Add what an interrupted run showed, or another one now."""
        if self.path.exists():
            self.seen = read_json(self.path) | self.seen

    def take(self):
        """Return, for each array, the three gradients at the four iterations, and remove the file."""
        self.read()
        self.path.unlink(missing_ok=True)
        return {
            name: np.moveaxis(np.array([self.seen[f"{name} {i}"] for i in self.at]), 1, 0) for name in NAMES
        }


@dataclass(frozen=True)
class State:
    """The digits, the network as trained, its training, and three gradients on the way."""

    data: Dataset
    network: TwoLayerNet
    result: TrainingResult
    gradients: dict[str, np.ndarray]

    @property
    def full(self):
        """Whether these are the chapter's digits."""
        return "embedded" not in self.data.source

    def by_epoch(self, curve):
        """Return a curve where the chapter prints it, from the third value on."""
        return curve[np.isin(self.result.evaluated_at, published.EVALUATED_AT.value) & self.late]

    @property
    def late(self):
        """Where the curves have come to the third printed value or beyond."""
        return self.result.evaluated_at >= THIRD


def prepare(context):
    data = context.mnist(one_hot_label=True)
    iterations = FAST if context.fast else ITERATIONS
    stem = Path(context.workdir) / f"mnist_training-{len(data.x_train)}-{iterations}"
    checkpoint, shown = stem.with_suffix(".npz"), Shown(stem.with_suffix(".json"), iterations)
    if checkpoint.exists() and not (context.fresh or shown.path.exists()):
        raise DataError(
            f"{checkpoint}: {shown.path.name} is missing beside it; `gradcheck run --fresh` begins again"
        )
    network = TwoLayerNet(784, 50, 10, rng=0)
    result = train(
        network,
        data,
        backpropagated,
        iterations=iterations,
        batch_size=100,
        learning_rate=0.1,
        rng=1,
        progress=context.progress,
        checkpoint=checkpoint,
        fresh=context.fresh,
        on_iteration=shown,
    )
    return State(data, network, result, shown.take())


@dataclass(frozen=True)
class Printed:
    """What the chapter prints, and how far other digits may move it; judged as an estimate, by 3 errors."""

    value: np.ndarray
    error: np.ndarray


def printed(figure, other_digits):
    """The printed values that this training has come to; `other_digits` is the allowance on another set."""

    def expected(state):
        late = published.EVALUATED_AT.value >= THIRD
        value = figure.value[late][: len(state.by_epoch(state.result.test_accuracy))]
        return Printed(value, np.full(value.shape, 0.0 if state.full else other_digits / 3))

    return expected


def by_size(full, embedded, fast):
    """A limit that depends on the digits and on the length of the training."""

    def expected(state):
        if len(state.result.losses) < ITERATIONS:
            return fast
        return full if state.full else embedded

    return expected


def gap(state):
    """The largest distance of train and test accuracy from the third printed value on."""
    return np.abs(state.result.train_accuracy - state.result.test_accuracy)[state.late].max()


def ascended(state):
    """The test accuracy of a network trained with the gradient's sign wrong."""

    def ascending(network, x, t):
        return {name: -value for name, value in backpropagated(network, x, t).items()}

    network = TwoLayerNet(784, 50, 10, rng=0)
    return train(network, state.data, ascending, iterations=41, rng=1, progress=False).test_accuracy[-1]


def against_wrong_labels(state):
    return state.network.accuracy(state.data.x_test, np.roll(state.data.t_test, 1, axis=1))


def gradient_on_the_way(name):
    def central(state):
        return state.gradients[name][1]

    return Quantity(
        f"dL/d{name}, at the start and 3 later",
        central,
        [
            Reference(
                "analytic",
                lambda state: state.gradients[name][0],
                atol=1e-9,
                reason="truncation h^2 |f'''| / 6 for h = 1e-4: 1e-9 allows third derivatives of 0.6; rounding "
                "of the loss over h: 1e-11",
            ),
            Reference(
                "approx_fprime",
                lambda state: state.gradients[name][2],
                atol=2e-7,
                reason="its forward step 1.5e-8: truncation below 1e-8, rounding of a loss of 2.3, 4e-16 and its "
                "sum's, over "
                "the step: 8e-8",
            ),
        ],
        [
            Mistake("the sign", lambda state: -central(state)),
            Mistake("the sum over the batch", lambda state: 100 * central(state)),
            Mistake("1e-4 larger", lambda state: (1 + 1e-4) * central(state)),
            Mistake("gradient of another iteration", lambda state: np.roll(central(state), 1, axis=0)),
        ],
    )


def draw_accuracy(figure, state):
    axes, result = figure.subplots(), state.result
    at = published.EVALUATED_AT.value
    axes.plot(result.evaluated_at, result.train_accuracy, color="C0", label="train")
    axes.plot(result.evaluated_at, result.test_accuracy, color="C1", linestyle="--", label="test")
    axes.plot(at, published.TRAIN_ACCURACY.value, "o", color="C0", mfc="none", label="train, the chapter's")
    axes.plot(at, published.TEST_ACCURACY.value, "s", color="C1", mfc="none", label="test, the chapter's")
    axes.set(xlabel="iteration", ylabel="accuracy", ylim=(0, 1), title=state.data.source)
    axes.title.set_fontsize("small")
    axes.legend(loc="lower right")


def draw_loss(figure, state):
    axes = figure.subplots()
    axes.plot(state.result.losses, linewidth=0.4)
    axes.set(xlabel="iteration", ylabel="loss in nats", ylim=(0, None), title="Loss of each batch")


SAME_DIGITS = "0.01: four seeds came within 0.005 of every value from the third on"

case = Case(
    "5.3",
    "Training on MNIST: the accuracies by epoch",
    [
        *map(gradient_on_the_way, NAMES),
        Quantity(
            "test accuracy, last",
            lambda state: state.result.test_accuracy[-1],
            [
                Reference(
                    "0.925, embedded 0.90, --fast 0.85",
                    by_size(full=0.925, embedded=0.90, fast=0.85),
                    kind="at_least",
                    reason="the chapter ends at 0.9306; the embedded set has a fifteenth of the digits to train "
                    "with; --fast ends where the chapter has 0.8776",
                )
            ],
            [Mistake("the sign", ascended), Mistake("against wrong labels", against_wrong_labels)],
        ),
        Quantity(
            "test accuracy by epoch, from the third",
            lambda state: state.by_epoch(state.result.test_accuracy),
            [
                Reference(
                    "published",
                    printed(published.TEST_ACCURACY, other_digits=0.026),
                    atol=0.01,
                    reason=f"{SAME_DIGITS}; on the embedded set also three standard errors of 1,000 digits",
                )
            ],
            [
                Mistake("curve of one epoch before", lambda state: before(state, state.result.test_accuracy)),
                Mistake(
                    "share of wrong answers", lambda state: 1 - state.by_epoch(state.result.test_accuracy)
                ),
            ],
        ),
        Quantity(
            "train accuracy by epoch, from the third",
            lambda state: state.by_epoch(state.result.train_accuracy),
            [
                Reference(
                    "published",
                    printed(published.TRAIN_ACCURACY, other_digits=0.04),
                    atol=0.01,
                    reason=f"{SAME_DIGITS}; the 4,000 embedded digits are fitted more closely, by 0.037 on "
                    "five seeds",
                )
            ],
            [
                Mistake(
                    "curve of one epoch before", lambda state: before(state, state.result.train_accuracy)
                ),
                Mistake(
                    "share of wrong answers", lambda state: 1 - state.by_epoch(state.result.train_accuracy)
                ),
            ],
        ),
        Quantity(
            "train and test accuracy: distance",
            gap,
            [
                Reference(
                    "0.01, embedded 0.07",
                    lambda state: 0.01 if state.full else 0.07,
                    kind="at_most",
                    reason="the chapter's differ by 0.005 at most; the 4,000 embedded digits are fitted more "
                    "closely than new ones, by 0.05 on five seeds",
                )
            ],
            [
                Mistake(
                    "test against wrong labels",
                    lambda state: state.result.train_accuracy[-1] - against_wrong_labels(state),
                )
            ],
        ),
    ],
    claim=(
        "6,000 iterations are ten epochs; the accuracies rise from 0.10 over 0.81 after the first to "
        "0.93, on new digits as on those of the training."
    ),
    prepare=prepare,
    figures=[
        Figure(
            "accuracy",
            draw_accuracy,
            "Train and test accuracy over the iterations, both curves close together: from 0.1 to 0.8 within 600 "
            "iterations, then ever more slowly; the chapter's as markers, the last at 0.93.",
            source="img_06: both accuracies by epoch, the test set dashed; here they are the markers.",
        ),
        Figure(
            "loss",
            draw_loss,
            "The loss of each batch over the iterations: from 2.3 it falls steeply within the first 600, then "
            "ever more slowly.",
        ),
    ],
    needs=("mnist",),
)


def before(state, curve):
    """The value printed one epoch earlier, for each that is compared."""
    at = published.EVALUATED_AT.value
    wanted = at[(at >= THIRD) & (at <= state.result.evaluated_at[-1])] - 600
    return curve[np.isin(state.result.evaluated_at, wanted)]
