"""The cases on networks and MNIST: acceptance of the full training, interruption, wrong implementations."""

from pathlib import Path

import numpy as np
import pytest

from gradcheck.cases import CaseInterrupted, Context, discover, run_case
from gradcheck.results.outcome import Outcome
from gradcheck.textbook import activations, losses, mnist, networks, numerical, training
from reference import backprop

CASES = Path(__file__).parents[2] / "cases"


def run(name, workdir, *, fresh=False):
    """Run one case cut short, on the embedded digits whatever GRADCHECK_MNIST says: what is seen is the same."""
    (loaded,) = discover([CASES / f"{name}.py"])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GRADCHECK_MNIST", raising=False)
        return run_case(loaded, Context(fast=True, workdir=workdir, fresh=fresh))


@pytest.mark.slow
def test_full_training_acceptance(tmp_path):
    """6,000 iterations, on the full set where GRADCHECK_MNIST names it: every row passes, no file is left."""
    (loaded,) = discover([CASES / "mnist_training.py"])

    result = run_case(loaded, Context(workdir=tmp_path))

    assert [row.problem for row in result.rows if row.outcome is not Outcome.PASS] == []
    last = next(row for row in result.rows if row.quantity == "test accuracy, last")
    assert last.expected == (0.90 if "embedded" in result.sources[0] else 0.925)
    assert last.measured >= last.expected
    # Eight accuracies from the third on, and four iterations at which 100 coordinates were compared.
    shapes = {row.quantity: row.shape for row in result.rows}
    assert shapes["test accuracy by epoch, from the third"] == (8,)
    assert shapes["dL/dW1, at the start and 3 later"] == (4, 100)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The short training, not interrupted."""
    return run("mnist_training", tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("at", [50, 950])
def test_an_interrupted_case_goes_on_and_gives_the_same_rows(tmp_path, monkeypatch, whole, at):
    """Ended before the first checkpoint, or after two comparisons were shown: all rows come out the same."""
    right, calls = backprop.two_layer_net_gradient, 0

    def ended(*arguments):
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return right(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backprop, "two_layer_net_gradient", ended)
        with pytest.raises(CaseInterrupted):
            run("mnist_training", tmp_path)
    left = {path.suffix for path in (tmp_path).iterdir()}
    again = run("mnist_training", tmp_path)

    assert left == ({".json"} if at < 100 else {".json", ".npz"})
    assert again.rows == whole.rows
    assert again.outcome is Outcome.PASS


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """The training left with a checkpoint of iteration 900."""
    right, calls = backprop.two_layer_net_gradient, 0

    def ended(*arguments):
        nonlocal calls
        calls += 1
        if calls == 950:
            raise KeyboardInterrupt
        return right(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backprop, "two_layer_net_gradient", ended)
        with pytest.raises(CaseInterrupted):
            run("mnist_training", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_checkpoint_without_what_was_shown_before_it_is_refused(interrupted, whole):
    """The comparisons at the start cannot be made up for later: one line says so, and how to begin again."""
    next(interrupted.glob("*.json")).unlink()
    (checkpoint,) = interrupted.iterdir()
    before = checkpoint.read_bytes()

    refused = run("mnist_training", interrupted)

    assert {row.outcome for row in refused.rows} == {Outcome.INCONCLUSIVE}
    (said,) = {row.problem for row in refused.rows}
    assert said.endswith("1201.json is missing beside it; `gradcheck run --fresh` begins again")
    assert checkpoint.read_bytes() == before
    assert run("mnist_training", interrupted, fresh=True).rows == whole.rows
    assert list(interrupted.iterdir()) == []


@pytest.mark.slow
def test_a_checkpoint_of_other_settings_is_refused(interrupted, monkeypatch):
    """As it is where the case was edited in between."""
    before = {path: path.read_bytes() for path in interrupted.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(networks.TwoLayerNet, "__init__", wider)
        refused = run("mnist_training", interrupted)

    assert {row.outcome for row in refused.rows} == {Outcome.INCONCLUSIVE}
    (said,) = {row.problem for row in refused.rows}
    assert "the checkpoint of another training (other initial weights" in said
    assert said.endswith("`gradcheck run --fresh`, which discards it")
    assert {path: path.read_bytes() for path in interrupted.iterdir()} == before


def wider(self, *shape, **options):
    """A network whose weights begin twice as large."""
    INIT(self, *shape, weight_init_std=0.02, **options)


INIT = networks.TwoLayerNet.__init__


def test_two_runs_at_once_both_have_all_that_was_shown(tmp_path):
    """One begins on what the other left, and goes on when that has ended and taken its file away."""
    (loaded,) = discover([CASES / "mnist_training.py"])
    shown = loaded.case.prepare.__globals__["Shown"]
    path, batch = tmp_path / "shown.json", (np.eye(6), np.eye(3)[[0, 1, 2, 0, 1, 2]])
    network = networks.TwoLayerNet(6, 5, 3, rng=0)
    one, two = shown(path, 7), shown(path, 7)

    for i in range(7):
        one(i, network, *batch)
        if i > 3:  # it took the checkpoint up here
            two(i, network, *batch)
    taken = one.take()

    for name, gradients in two.take().items():
        np.testing.assert_array_equal(gradients, taken[name])
    assert list(tmp_path.iterdir()) == []


def negated(right):
    """The sign wrong."""

    def wrong(*arguments, **options):
        value = right(*arguments, **options)
        return {name: -part for name, part in value.items()} if isinstance(value, dict) else -value

    return wrong


def summed(right):
    """The mean over the batch left out."""
    return lambda self, x, t: len(x) * right(self, x, t)


def one_sided(right):
    """(f(x + h) - f(x)) / h."""

    def wrong(f, x, h=1e-4):
        base, grad = f(x), np.zeros_like(x)
        for index in np.ndindex(x.shape):
            saved = x[index]
            x[index] = saved + h
            grad[index] = (f(x) - base) / h
            x[index] = saved
        return grad

    return wrong


def not_restored(right):
    """The last coordinate left at x - h."""

    def wrong(f, x, h=1e-4):
        grad = right(f, x, h)
        x.flat[-1] -= h
        return grad

    return wrong


def least_probable(right):
    """argmin for argmax."""
    return lambda self, x, t: float(np.mean(self.predict(x).argmin(axis=1) == np.argmax(t, axis=-1)))


def mirrored(right):
    """sigmoid(-a)."""
    return lambda a: right(-np.asarray(a))


def uphill(right):
    """A step up the gradient."""
    return lambda params, grads, learning_rate: right(params, grads, -learning_rate)


def hardly(right):
    """A step of a hundredth: the mean over the batch taken twice."""
    return lambda params, grads, learning_rate: right(params, grads, learning_rate / 100)


def changed(**change):
    """Load the digits and change a part of them."""

    def mistake(right):
        def wrong(*arguments, **options):
            data = right(*arguments, **options)
            parts = {part: change.get(part, lambda array: array)(getattr(data, part)) for part in PARTS}
            return mnist.Dataset(**parts, source=data.source)

        return wrong

    mistake.__qualname__ = f"changed {', '.join(change)}"
    return mistake


PARTS = ("x_train", "t_train", "x_test", "t_test")

WRONG = [
    ("two_layer_net", activations, "sigmoid", mirrored),
    ("two_layer_net", activations, "sigmoid", negated),
    ("two_layer_net", networks.TwoLayerNet, "loss", summed),
    ("two_layer_net", networks.TwoLayerNet, "loss", negated),
    ("two_layer_net", networks.TwoLayerNet, "accuracy", least_probable),
    ("two_layer_net", networks.TwoLayerNet, "numerical_gradient", negated),
    ("two_layer_net", networks, "numerical_gradient", one_sided),
    ("two_layer_net", networks, "numerical_gradient", not_restored),
    ("two_layer_net", numerical, "numerical_gradient", one_sided),
    ("mnist_training", numerical, "numerical_gradient", one_sided),
    ("mnist_training", networks.TwoLayerNet, "accuracy", least_probable),
    ("minibatch_training", training, "_stepped", uphill),
    ("minibatch_training", training, "_stepped", hardly),
    ("minibatch_training", networks.TwoLayerNet, "numerical_gradient", negated),
    ("minibatch", mnist, "load_mnist", changed(t_train=lambda t: np.roll(t, 400, axis=0))),
    ("minibatch", mnist, "load_mnist", changed(x_train=lambda x: x * 2)),
    ("minibatch", mnist, "load_mnist", changed(x_train=lambda x: x[:-1], t_train=lambda t: t[:-1])),
    ("minibatch", losses, "cross_entropy_onehot", negated),
    ("minibatch", losses, "cross_entropy_label", negated),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "owner", "name", "mistake"),
    WRONG,
    ids=[f"{case}-{name}-{mistake.__qualname__}" for case, _, name, mistake in WRONG],
)
def test_a_wrong_implementation_fails(case, owner, name, mistake, monkeypatch, tmp_path):
    """With one part replaced by a wrong one, the case fails on a number, not on an exception."""
    import gradcheck.textbook as textbook

    right = getattr(owner, name)
    wrong = mistake(right)
    monkeypatch.setattr(owner, name, wrong)
    if getattr(textbook, name, None) is right:  # where the cases import it from
        monkeypatch.setattr(textbook, name, wrong)

    result = run(case, tmp_path)

    failed = [
        row
        for row in result.rows
        if row.outcome is Outcome.FAIL and not row.reference.startswith("refuses: ")
    ]
    assert any(row.measured is not None for row in failed)
