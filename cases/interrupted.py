"""A training that is interrupted goes on from its checkpoint and ends with the same bits.

The chapter's training took 38 hours in one piece. Here any of its kind may be killed and started again. A checkpoint of
other settings or data, and a file that is none, is refused and stays.
"""

import contextlib
import functools
import itertools
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.errors import DataError
from gradcheck.textbook import TwoLayerNet, checkpoint, softmax_whole_array, train
from reference import backprop
from reference.scipy_oracle import approx_gradient

NAMES = ("W1", "b1", "W2", "b2")
RNG = np.random.default_rng(0)
# More than the hundred samples whose loss tells one network from another.
TRAIN = (RNG.standard_normal((120, 6)), np.eye(3)[RNG.integers(0, 3, 120)])
TEST = (RNG.standard_normal((12, 6)), np.eye(3)[RNG.integers(0, 3, 12)])
SETTINGS = {"iterations": 13, "batch_size": 10, "learning_rate": 0.3, "checkpoint_every": 5, "rng": 1}


class Ended(Exception):  # noqa: N818 -- it stands for whatever ends a process
    """What ends a training."""


def backpropagated(network, x, t):
    return backprop.two_layer_net_gradient(network.params, x, t)


def scaled(network, x, t, *, factor=1.0):
    return {name: factor * value for name, value in backpropagated(network, x, t).items()}


def run(
    path=None,
    end_at=None,
    *,
    data=(TRAIN, TEST),
    gradient=backpropagated,
    seed=0,
    std=1.0,
    form=None,
    **changes,
):
    """Train, from the checkpoint where there is one; end before the step of iteration `end_at`."""

    def end(i, *_):
        if i == end_at:
            raise Ended

    forms = {} if form is None else {"softmax": form}
    network = TwoLayerNet(6, 5, 3, std, rng=seed, **forms)
    settings = {**SETTINGS, "checkpoint": path, "on_iteration": end, "progress": False, **changes}
    if settings["checkpoint_every"] is None:
        del settings["checkpoint_every"]  # as often as by default
    return train(network, data, gradient, **settings)


def numbers(result):
    """Everything that a training gives, save its time, in one array."""
    parts = [result.params[name].ravel() for name in NAMES]
    return np.concatenate(
        [*parts, result.losses, result.train_accuracy, result.test_accuracy, result.evaluated_at]
    )


def after_interruption(end_at, *, first=None, then=None):
    """Interrupted, then started again, perhaps with something changed: the result, and the files that are left."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "below" / "further" / "training.npz"
        try:
            run(path, end_at, **(first or {}))
        except Ended:
            pass
        else:
            raise AssertionError("the training was not ended")
        result = run(path, **(then or {}))
        return result, len(list(path.parent.iterdir()))


@functools.cache
def interrupted(end_at):
    return after_interruption(end_at)


def other_pixel():
    x, t = TRAIN
    x = x.copy()
    x[0, 0] += 1e-9
    return ((x, t), TEST)


def other_target():
    x, t = TEST
    return (TRAIN, (x, np.roll(t, 1, axis=1)))


CHANGES = {
    "nothing": {},
    "the rate": {"learning_rate": 0.31},
    "the length": {"iterations": 14},
    "the batches' size": {"batch_size": 11},
    "the seed of the batches": {"rng": 2},
    "the initial weights": {"seed": 1},
    "the softmax": {"form": softmax_whole_array},
    "the gradient": {"gradient": scaled},
    "an argument of the gradient": {"gradient": functools.partial(scaled, factor=0.5)},
    "one pixel": {"data": other_pixel()},
    "a test target": {"data": other_target()},
    "how often it is saved": {"checkpoint_every": 4},
}


REFUSED = -1


def started_at(first, then):
    """From which iteration it goes on where something was changed in between; REFUSED, and then that the file stays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npz"
        with contextlib.suppress(Ended):
            run(path, 8, **first)
        before = path.read_bytes()
        try:
            return run(path, **then).resumed_from
        except DataError:
            return REFUSED if path.read_bytes() == before else np.nan


def changed(**more):
    return [started_at({}, change | more) for change in CHANGES.values()]


def told_apart():
    """Two gradients that differ in an argument alone, and targets of the same bits that differ in their type."""
    half, quarter = ({"gradient": functools.partial(scaled, factor=factor)} for factor in (0.5, 0.25))
    reals, integers = (
        {"data": (TRAIN, (TEST[0], np.zeros((12, 3), kind)))} for kind in (np.float64, np.int64)
    )
    pairs = (half, half), (half, quarter), (reals, reals), (reals, integers)
    return [started_at(first, then) for first, then in pairs]


def never_due():
    """What a training gives that ends before its first checkpoint, and the files that it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        return [*run(Path(folder) / "training.npz", iterations=4).losses, len(list(Path(folder).iterdir()))]


def unfinished_file():
    """The files that are left beside that of another process, which may be writing it still."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "training.npz.tmp").write_bytes(b"half of")
        run(Path(folder) / "training.npz")
        return len(list(Path(folder).iterdir()))


def foreign_file(content):
    """Whether it is refused as what it is, and whether it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.npz"
        write(path, content)
        before = path.read_bytes()
        try:
            run(path)
        except DataError as error:
            return [
                "no checkpoint of a training" in str(error),
                path.exists() and path.read_bytes() == before,
            ]
        return [False, path.exists() and path.read_bytes() == before]


def write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with path.open("wb") as file:
            np.savez(file, **content)


# All that a checkpoint has, but by another program.
COMPLETE = {
    "format": np.array("another"),
    "settings": np.array("{}"),
    "rng_state": np.array("{}"),
    **{name: np.ones(1) for name in ("losses", "train_accuracy", "test_accuracy", "evaluated_at")},
}
# The program is right, but one entry is not.
DAMAGED = COMPLETE | {"format": np.array("gradcheck training checkpoint 2")}
FOREIGN = (
    b"",
    b"some text",
    COMPLETE,
    {"W1": np.ones(3)},
    DAMAGED | {"rng_state": np.array("[]")},
    DAMAGED | {"losses": np.ones((1, 1))},
    DAMAGED | {"losses": np.array(["none"])},
)


# One entry of a checkpoint changed, and the iteration from which a training goes on then.
ALTERED = {
    "nothing": ("losses", np.copy, 5),
    "as many losses as iterations": ("losses", lambda losses: np.resize(losses, 13), 13),
    "one loss too many": ("losses", lambda losses: np.resize(losses, 14), REFUSED),
    "one accuracy too many": ("test_accuracy", lambda accuracy: np.append(accuracy, 0.5), REFUSED),
    "one row of weights too few": ("parameter.W1", lambda W1: W1[1:], REFUSED),
    "another generator": ("rng_state", lambda _: np.array('{"bit_generator": "MT19937"}'), REFUSED),
}


def altered(name, change):
    """From which iteration it goes on after that change; REFUSED where it says so and the file stays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npz"
        with contextlib.suppress(Ended):
            run(path, 8)
        with np.load(path) as entries:
            content = dict(entries)
        write(path, content | {name: change(content[name])})
        try:
            return run(path).resumed_from
        except DataError as error:
            return REFUSED if "a damaged checkpoint" in str(error) and path.exists() else 0


def left_behind(end_at):
    """The files that a training leaves which is ended there: none before the first checkpoint, then one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "below" / "training.npz"
        try:
            run(path, end_at)
        except Ended:
            return len(list(path.parent.iterdir())) if path.parent.exists() else 0
        raise AssertionError("the training was not ended")


def by_differences(network, x, t):
    return network.numerical_gradient(x, t)


def flat(params):
    return np.concatenate([params[name].ravel() for name in NAMES])


@functools.cache
def steps_after_interruption():
    """The parameters, and the batch, of each iteration from the checkpoint on: those of a training by differences."""
    seen = []

    def remember(_, network, x, t):
        seen.append((flat(network.params), x, t))

    then = {"gradient": by_differences, "on_iteration": remember}
    after_interruption(8, first={"gradient": by_differences}, then=then)
    return seen


def followed(step=0):
    """The gradient that a step after the checkpoint followed."""
    (before, *_), (after, *_) = itertools.islice(steps_after_interruption(), step, step + 2)
    return (before - after) / SETTINGS["learning_rate"]


def loss_there(values):
    return network_there(values).loss(*steps_after_interruption()[0][1:])


def network_there(values):
    network = TwoLayerNet(6, 5, 3, 1.0, rng=0)
    ends = np.cumsum([value.size for value in network.params.values()])[:-1]
    parts = np.split(values, ends)
    network.params = {
        name: part.reshape(value.shape)
        for (name, value), part in zip(network.params.items(), parts, strict=True)
    }
    return network


def analytic_there():
    values, x, t = steps_after_interruption()[0]
    return flat(backpropagated(network_there(values), x, t))


ENDS = (3, 5, 8, 12)
LONG = {"iterations": 120}
BY_DEFAULT = {**LONG, "checkpoint_every": None}


def state_of(settings):
    """The state of a training of these settings, of which nothing else matters."""
    return checkpoint.Checkpoint(settings, {}, {}, *[np.zeros(0)] * 4)


def other_began_meanwhile():
    """Save the state of one training over that of another: whether that is refused, and the file stays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kept.npz"
        checkpoint.save_checkpoint(path, state_of({"seed": 1}))
        before = path.read_bytes()
        try:
            checkpoint.save_checkpoint(path, state_of({"seed": 2}))
        except DataError:
            return [True, path.read_bytes() == before]
        return [False, path.read_bytes() == before]


def other_ended_meanwhile():
    """Remove a checkpoint that is gone when its turn comes, though it was just read: files left."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gone.npz"
        with mock.patch.object(checkpoint, "_read", return_value=state_of({"seed": 1})):
            checkpoint.begin_afresh(path)
            checkpoint.remove_checkpoint(path, {"seed": 1})
        return len(list(Path(folder).iterdir()))


def refused_with(there, now):
    """What is said of a checkpoint whose settings are the first, to a training whose settings are the second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kept.npz"
        checkpoint.save_checkpoint(path, state_of(there))
        try:
            checkpoint.load_checkpoint(path, now)
        except DataError as error:
            return str(error)
        return ""


# As JSON it has two marks more.
SIXTY = 58 * "s"
SAID = (
    ({"rate": 0.1}, {"rate": 0.2}, "(rate 0.1, now 0.2)"),
    ({"rate": 0.1, "seed": 1}, {"rate": 0.1, "seed": 2}, "(seed 1, now 2)"),
    ({"name": SIXTY}, {"name": "t"}, f'(name "{SIXTY}", now "t")'),
    ({"name": SIXTY + "s"}, {"name": "t"}, "(other name)"),
    ({"name": "t"}, {"name": SIXTY + "s"}, "(other name)"),
    ({"rate": 0.1, "of old": 1}, {"rate": 0.1}, "(written by another version)"),
    ({"rate": 0.1}, {"rate": 0.2}, "begin afresh with fresh=True"),
)


case = Case(
    "5.3",
    "A training that is interrupted ends with the same bits",
    [
        Quantity(
            "parameters, losses and accuracies after an interruption before 3, 5, 8, 12",
            lambda: [numbers(interrupted(end)[0]) for end in ENDS],
            [
                Reference(
                    "trained in one piece",
                    lambda: [numbers(run())] * len(ENDS),
                    reason="the same bits: batches, parameters and records go on where they were",
                )
            ],
            [
                Mistake("another seed", lambda: [numbers(run(rng=2))] * len(ENDS)),
                Mistake("begun again with the weights reached", lambda: [numbers(run(seed=3))] * len(ENDS)),
            ],
        ),
        Quantity(
            "gradient that the first step from the checkpoint follows",
            followed,
            [
                Reference(
                    "analytic",
                    analytic_there,
                    atol=4e-9,
                    reason="truncation h^2 |f'''| / 6 with third derivatives up to 2: 3e-9; rounding of the loss "
                    "over h: 1e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(loss_there, steps_after_interruption()[0][0]),
                    atol=2e-7,
                    reason="its forward step 1.5e-8: truncation below 1e-8, rounding of a loss of some 4 over "
                    "the step: 1e-7",
                ),
            ],
            [
                Mistake("of the step after it", lambda: followed(1)),
                Mistake("0.001 % too large", lambda: 1.00001 * followed()),
            ],
        ),
        Quantity(
            "iteration that it goes on from",
            lambda: [interrupted(end)[0].resumed_from for end in ENDS],
            [Reference("the last multiple of 5", [0, 5, 5, 10], reason="counts: no tolerance")],
            [
                Mistake("from the beginning", lambda: [0] * 4),
                Mistake("where it was ended", lambda: list(ENDS)),
            ],
        ),
        Quantity(
            "files left when it is ended there; and when it is done",
            lambda: [*map(left_behind, ENDS), *(interrupted(end)[1] for end in ENDS)],
            [
                Reference(
                    "one from the first checkpoint on; none in the end",
                    [0, 1, 1, 1, 0, 0, 0, 0],
                    reason="counts: no tolerance",
                )
            ],
            [Mistake("the checkpoint kept", lambda: [0, 1, 1, 1, 1, 1, 1, 1])],
        ),
        Quantity(
            "goes on only where nothing that decides the end was changed",
            changed,
            [
                Reference(
                    "5, otherwise -1: refused, and the file stays",
                    [5, *[REFUSED] * (len(CHANGES) - 2), 5],
                    reason="changed in turn: " + ", ".join(CHANGES),
                )
            ],
            [
                Mistake("whatever was changed", lambda: [5] * len(CHANGES)),
                Mistake("begun again, and the file replaced", lambda: [5, *[0] * (len(CHANGES) - 2), 5]),
            ],
        ),
        Quantity(
            "goes on from a checkpoint only where its parts fit each other",
            lambda: [altered(name, change) for name, change, _ in ALTERED.values()],
            [
                Reference(
                    "from 5 or 13, otherwise -1: refused, and the file stays",
                    [expected for _, _, expected in ALTERED.values()],
                    reason="changed in turn: " + ", ".join(ALTERED),
                )
            ],
            [Mistake("whatever was changed", lambda: [5, 13, 14, 5, 5, 5])],
        ),
        Quantity(
            "another training began at the same file meanwhile: refused, kept",
            other_began_meanwhile,
            [Reference("yes", [True, True], reason="yes or no")],
            [Mistake("replaced", lambda: [False, False])],
        ),
        Quantity(
            "another training of the same settings ended meanwhile: files left",
            other_ended_meanwhile,
            [Reference("none, and no error", 0, reason="a count: no tolerance")],
            [Mistake("one", lambda: 1)],
        ),
        Quantity(
            "a checkpoint of other settings: what is said of them; of sixty letters or fewer, what they are",
            lambda: [words in refused_with(there, now) for there, now, words in SAID],
            [Reference("words of the error", [True] * len(SAID), reason="yes or no")],
            [
                Mistake(
                    "the other way round",
                    lambda: [words in refused_with(now, there) for there, now, words in SAID],
                )
            ],
        ),
        Quantity(
            "begins again where that is asked for, whatever was changed",
            lambda: changed(fresh=True),
            [Reference("0", [0] * len(CHANGES), reason="counts: no tolerance")],
            [Mistake("refused", lambda: [REFUSED] * len(CHANGES))],
        ),
        Quantity(
            "an argument of the gradient, and the type of targets: the same and another",
            told_apart,
            [Reference("5, then refused", [5, REFUSED, 5, REFUSED], reason="counts: no tolerance")],
            [Mistake("told by the function and the bits alone", lambda: [5] * 4)],
        ),
        Quantity(
            "four iterations, saved every five: losses, and files left",
            never_due,
            [
                Reference(
                    "without a checkpoint, none",
                    lambda: [*run(iterations=4).losses, 0],
                    reason="the same bits",
                )
            ],
            [Mistake("five iterations", lambda: [*run(iterations=5).losses[1:], 0])],
        ),
        Quantity(
            "files left beside one that another process has not finished",
            unfinished_file,
            [Reference("that one", 1, reason="a count: no tolerance")],
            [Mistake("it is taken away", lambda: 0)],
        ),
        Quantity(
            "iteration that 120 go on from, ended before 110, saved as often as by default",
            lambda: after_interruption(110, first=BY_DEFAULT, then=BY_DEFAULT)[0].resumed_from,
            [Reference("100", 100, reason="a count: no tolerance")],
            [
                Mistake(
                    "saved every five", lambda: after_interruption(110, first=LONG, then=LONG)[0].resumed_from
                )
            ],
        ),
        Quantity(
            "files that are no checkpoint: refused, kept",
            lambda: [foreign_file(content) for content in FOREIGN],
            [Reference("yes", [[True, True]] * len(FOREIGN), reason="yes or no")],
            [Mistake("overwritten", lambda: [[False, False]] * len(FOREIGN))],
        ),
    ],
)
