"""Mini-batch training: what it records, and that a killed run goes on to the same bits."""

import functools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from gradcheck.errors import DataError
from gradcheck.textbook import TwoLayerNet, softmax_whole_array, train
from gradcheck.textbook.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from reference import backprop

ROOT = Path(__file__).parents[2]


def digits(n=40, d=6, k=3, seed=0):
    """A small task that can be learned: three classes around three centres, in six dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    x = rng.standard_normal((k, d))[labels] * 2 + rng.standard_normal((n, d))
    return (x[:30], labels[:30]), (x[30:], labels[30:])


def backpropagated(network, x, t):
    """The referee's gradient, for the default forms."""
    return backprop.two_layer_net_gradient(network.params, x, t)


def numerical(network, x, t):
    """The chapter's gradient."""
    return network.numerical_gradient(x, t)


def small_net():
    """The same small network each time."""
    return TwoLayerNet(6, 5, 3, weight_init_std=0.1, rng=1)


def run(iterations=20, network=None, gradient=backpropagated, **options):
    """Train the small network on the small task."""
    settings = {"batch_size": 10, "progress": False} | options
    return train(network or small_net(), digits(), gradient, iterations=iterations, **settings)


def assert_same(one, other):
    """All records of two results agree bit for bit."""
    for name in ("losses", "train_accuracy", "test_accuracy", "evaluated_at"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, other.params[name], err_msg=name)


class Killed(Exception):  # noqa: N818 - an event, not an error
    """Stands for whatever ends a run."""


def killed_at(iteration):
    """A callback that ends the run before the step of this iteration."""

    def on_iteration(i, *_):
        if i == iteration:
            raise Killed

    return on_iteration


def test_training_follows_the_chapter_step_by_step():
    """The published loop, written out: the same batches, losses after the step, accuracies at i % 3 == 0."""
    (x_train, t_train), (x_test, t_test) = digits()
    net = small_net()
    rng = np.random.default_rng(0)
    losses, train_accuracy, test_accuracy = [], [], []
    for i in range(7):
        batch = rng.choice(30, 10)
        grads = backpropagated(net, x_train[batch], t_train[batch])
        net.params = {name: net.params[name] - 0.1 * grads[name] for name in grads}
        losses.append(net.loss(x_train[batch], t_train[batch]))
        if i % 3 == 0:
            train_accuracy.append(net.accuracy(x_train, t_train))
            test_accuracy.append(net.accuracy(x_test, t_test))

    result = run(7)

    np.testing.assert_array_equal(result.losses, losses)
    np.testing.assert_array_equal(result.train_accuracy, train_accuracy)
    np.testing.assert_array_equal(result.test_accuracy, test_accuracy)
    np.testing.assert_array_equal(result.evaluated_at, [0, 3, 6])
    np.testing.assert_array_equal(result.params["W1"], net.params["W1"])
    assert result.resumed_from == 0


def test_training_learns():
    """In 300 iterations the loss falls from log 3 to below half of it, and most answers are right."""
    result = run(300)

    assert result.losses[0] == pytest.approx(np.log(3), abs=0.1)  # small weights: nearly even odds
    assert result.losses[-20:].mean() < 0.5 * np.log(3)
    assert result.train_accuracy[-1] > 0.8


def test_the_wrong_sign_does_not_learn():
    """With the gradient's sign wrong the loss rises: the test above can fail."""

    def ascending(network, x, t):
        return {name: -value for name, value in backpropagated(network, x, t).items()}

    assert run(300, gradient=ascending).losses[-20:].mean() > np.log(3)


def test_the_numerical_gradient_trains_the_same_network():
    """Twelve steps by central differences: the same losses to the differences' own error."""
    # Each step is off by less than lr 2e-9; twelve steps, a Lipschitz constant of order 1.
    np.testing.assert_allclose(run(12, gradient=numerical).losses, run(12).losses, rtol=0, atol=1e-8)


def test_arrays_that_the_network_held_are_not_written_to():
    """The network gets new arrays; a caller's reference to the old ones stays as it was."""
    net = small_net()
    held = dict(net.params)

    result = run(3, network=net)

    for name, value in small_net().params.items():
        np.testing.assert_array_equal(held[name], value)
    np.testing.assert_array_equal(net.params["W1"], result.params["W1"])
    assert not np.shares_memory(net.params["W1"], result.params["W1"])


def test_the_callback_sees_each_iteration_before_its_step():
    """Iterations 0, 1, 2, the batch about to be used, and the weights before the step."""
    seen = []

    run(3, on_iteration=lambda i, net, x, t: seen.append((i, net.params["W1"].copy(), x.shape, t.shape)))

    assert [i for i, *_ in seen] == [0, 1, 2]
    np.testing.assert_array_equal(seen[0][1], small_net().params["W1"])
    assert (seen[1][1] != seen[0][1]).any()
    assert seen[0][2:] == ((10, 6), (10,))


def test_a_batch_larger_than_the_set_is_one_epoch_each():
    """30 samples in batches of 50 with replacement: accuracies at every iteration."""
    np.testing.assert_array_equal(run(3, batch_size=50).evaluated_at, [0, 1, 2])


def test_progress_is_shown_on_request(capsys):
    """A bar on standard error with progress, nothing without."""
    run(3)
    silent = capsys.readouterr()
    run(3, progress=True)
    shown = capsys.readouterr()

    assert silent.out == silent.err == ""
    assert shown.out == ""
    assert "3/3" in shown.err


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, np.random.default_rng(1), np.random.Generator(np.random.MT19937(1))])
@pytest.mark.parametrize("at", [1, 5, 6, 17])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, at, seed):
    """Interrupted before or after a checkpoint, and started again: as if nothing had happened."""
    fresh = functools.partial(np.random.default_rng, seed) if isinstance(seed, int) else None
    state = None if fresh else seed.bit_generator.state

    def rng():
        if fresh:
            return fresh()
        seed.bit_generator.state = state
        return seed

    path = tmp_path / "deep" / "er.npz"
    options = {"checkpoint": path, "checkpoint_every": 5}
    whole = run(20, rng=rng())
    with pytest.raises(Killed):
        run(20, rng=rng(), on_iteration=killed_at(at), **options)

    resumed = run(20, rng=rng(), **options)

    assert resumed.resumed_from == at // 5 * 5
    assert_same(resumed, whole)
    assert list(path.parent.iterdir()) == []  # removed when complete


def test_an_uninterrupted_run_with_a_checkpoint_is_the_same(tmp_path):
    """Writing checkpoints changes nothing, whatever their spacing."""
    assert_same(run(20, checkpoint=tmp_path / "c.npz", checkpoint_every=3), run(20))


def with_option(network, x, t, *, option):
    """A gradient that is told apart by an argument alone."""
    return backpropagated(network, x, t)


WITH_OPTION = functools.partial(with_option, option=1)
# What is changed, and what the refusal says of it.
OTHERS = {
    "iterations": ({"iterations": 21}, "iterations 20, now 21"),
    "batch size": ({"batch_size": 11}, "batch_size 10, now 11"),
    "learning rate": ({"learning_rate": 0.11}, "learning_rate 0.1, now 0.11"),
    "seed": ({"rng": 1}, "other rng"),
    "initial weights": (
        {"network": lambda: TwoLayerNet(6, 5, 3, weight_init_std=0.1, rng=2)},
        "other initial weights, loss at the start [0-9.]+, now [0-9.]+",
    ),
    "softmax": (
        {"network": lambda: TwoLayerNet(6, 5, 3, 0.1, rng=1, softmax=softmax_whole_array)},
        "loss at the start [0-9.]+, now [0-9.]+",
    ),
    "network": ({"network": lambda: TwoLayerNet(6, 7, 3, 0.1, rng=1)}, "other initial weights.*"),
    "gradient": ({"gradient": numerical}, 'gradient "test_[^\n]*, now "test_textbook_training.numerical"'),
    "gradient's arguments": (
        {"gradient": functools.partial(with_option, option=2)},
        r"gradient [^\n]*option=1\)\", now [^\n]*option=2\)\"",
    ),
}


def interrupted(path, **changes):
    """Leave the checkpoint of iteration 10 of 20."""
    settings = {"gradient": WITH_OPTION} | changes
    network = settings.pop("network", small_net)()
    with pytest.raises(Killed):
        run(network=network, checkpoint=path, checkpoint_every=5, on_iteration=killed_at(12), **settings)
    assert path.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("other", "said"), OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_of_other_settings_is_refused_and_kept(tmp_path, other, said):
    """Any difference that could change the end is named in one line; the first training then goes on."""
    path = tmp_path / "c.npz"
    interrupted(path)
    before, settings = path.read_bytes(), {"gradient": WITH_OPTION} | other
    network = settings.pop("network", small_net)

    words = (
        rf"c\.npz: the checkpoint of another training \({said}\); name another file, or begin afresh [^\n]*$"
    )
    with pytest.raises(DataError, match=words):
        run(network=network(), checkpoint=path, **settings)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert run(gradient=WITH_OPTION, checkpoint=path).resumed_from == 10


def with_weights(network, x, t, *, weights):
    """A gradient that is told apart by a large array alone."""
    return backpropagated(network, x, t)


def test_a_gradient_is_told_by_the_whole_of_an_array_among_its_arguments(tmp_path):
    """Of which repr shows the corners: one number in its middle differs."""
    one = np.zeros(2000)
    other = np.where(np.arange(2000) == 1000, 1.0, one)
    interrupted(tmp_path / "c.npz", gradient=functools.partial(with_weights, weights=one))

    with pytest.raises(DataError, match=r"\(other gradient\)"):
        run(gradient=functools.partial(with_weights, weights=other), checkpoint=tmp_path / "c.npz")


@pytest.mark.slow
@pytest.mark.parametrize("other", [other for other, _ in OTHERS.values()], ids=OTHERS.keys())
def test_a_training_begins_afresh_where_that_is_asked_for(tmp_path, other):
    """Whatever checkpoint was there, it ends as if none had been."""
    path = tmp_path / "c.npz"
    interrupted(path, **other)

    assert_same(run(gradient=WITH_OPTION, checkpoint=path, fresh=True), run(20))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_checkpoint_stays_whatever_is_asked_for(tmp_path):
    """Beginning afresh discards a checkpoint, nothing else."""
    path = tmp_path / "c.npz"
    np.savez(path, x=np.eye(2))
    before = path.read_bytes()

    with pytest.raises(DataError, match=r"c\.npz: no checkpoint of a training"):
        run(20, checkpoint=path, fresh=True)
    assert path.read_bytes() == before


def overtaken(path, at):
    """Train for 20 iterations; at one of them a training of 21 that began later has saved its own."""

    def meanwhile(i, *_):
        if i == at:
            path.unlink()
            interrupted(path, iterations=21)

    return run(20, gradient=WITH_OPTION, checkpoint=path, checkpoint_every=6, on_iteration=meanwhile)


def test_a_training_does_not_replace_the_checkpoint_of_one_that_began_meanwhile(tmp_path):
    """Both began before there was a file. The later to save is told, and the other is not lost."""
    path = tmp_path / "c.npz"

    with pytest.raises(DataError, match=r"another training \(iterations 21, now 20"):
        overtaken(path, 12)
    assert run(21, gradient=WITH_OPTION, checkpoint=path).resumed_from == 10


def test_a_training_that_is_done_leaves_the_checkpoint_of_another(tmp_path):
    """Its own result is not lost either."""
    path = tmp_path / "c.npz"

    assert_same(overtaken(path, 19), run(20))
    assert run(21, gradient=WITH_OPTION, checkpoint=path).resumed_from == 10


def test_a_checkpoint_of_other_weights_with_the_same_loss_is_refused(tmp_path):
    """Where W2 is 0 the loss does not tell W1 apart; the weights themselves do."""
    path = tmp_path / "c.npz"
    one, other = (TwoLayerNet(6, 5, 3, rng=seed) for seed in (1, 2))
    for network in (one, other):
        network.params["W2"] = np.zeros((5, 3))
    interrupted(path, network=lambda: one)

    with pytest.raises(DataError, match=r"\(other initial weights\)"):
        run(network=other, gradient=WITH_OPTION, checkpoint=path)


@pytest.mark.parametrize(
    ("part", "said"), [(0, "other training data"), (1, "other test data")], ids=["train", "test"]
)
def test_a_checkpoint_of_other_data_is_refused(tmp_path, part, said):
    """One pixel differs by less than the loss shows."""
    path, data = tmp_path / "c.npz", digits()
    settings = {"iterations": 20, "batch_size": 10, "progress": False, "checkpoint": path}
    with pytest.raises(Killed):
        train(small_net(), data, backpropagated, checkpoint_every=5, on_iteration=killed_at(12), **settings)
    data[part][0][3, 2] += 1e-15

    with pytest.raises(DataError, match=said):
        train(small_net(), data, backpropagated, **settings)


@pytest.mark.parametrize(
    "damage",
    [
        {"rng_state": np.array("{}")},
        {"parameter.W1": np.ones((2, 2))},
        {"parameter.more": np.ones(2)},
        {"losses": np.ones(21)},
        {"evaluated_at": np.zeros(0, int)},
    ],
    ids=["state", "shape", "name", "longer than the training", "lengths"],
)
def test_a_damaged_checkpoint_of_the_same_settings_is_refused(tmp_path, damage):
    """What would go on from it would be another training."""
    path = tmp_path / "c.npz"
    interrupted(path)
    with np.load(path) as archive:
        entries = dict(archive)
    with path.open("wb") as file:
        np.savez(file, **entries | damage)
    network = small_net()
    before = path.read_bytes(), network.params

    with pytest.raises(DataError, match=r"c\.npz: [^\n]*delete it or name another file$"):
        run(network=network, gradient=WITH_OPTION, checkpoint=path)
    assert (path.read_bytes(), network.params) == before


SCRIPT = """
    import os, signal, sys
    import numpy as np
    sys.path[:0] = [{root!r}, {tests!r}]
    from test_textbook_training import run

    def die(i, *_):
        if i == {at}:
            os.kill(os.getpid(), signal.SIGKILL)

    result = run(60, checkpoint={path!r}, checkpoint_every=7, on_iteration=die)
    np.savez({out!r}, resumed_from=result.resumed_from, losses=result.losses, W1=result.params["W1"])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_in_the_middle_and_a_new_process_end_with_the_same_bits(tmp_path):
    """A process kills itself with SIGKILL, twice, at different places; the third one finishes."""
    out = tmp_path / "result.npz"
    codes = []
    for at in (11, 38, 1000):
        names = {"root": str(ROOT), "tests": str(Path(__file__).parent), "at": at}
        names |= {"path": str(tmp_path / "c.npz"), "out": str(out)}
        script = textwrap.dedent(SCRIPT).format(**names)
        codes.append(subprocess.run([sys.executable, "-c", script], check=False, timeout=120).returncode)

    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    whole = run(60)
    with np.load(out) as result:
        assert result["resumed_from"] == 35
        np.testing.assert_array_equal(result["losses"], whole.losses)
        np.testing.assert_array_equal(result["W1"], whole.params["W1"])


def checkpoint(losses=3):
    """A checkpoint to write."""
    return Checkpoint(
        {"iterations": 10},
        {"W": np.eye(2)},
        {"state": 2**127},
        np.zeros(losses),
        np.ones(1),
        np.ones(1),
        np.zeros(1, int),
    )


@pytest.mark.parametrize("moment", ["savez", "fsync", "replace"])
def test_a_checkpoint_that_cannot_be_completed_leaves_the_old_one(tmp_path, monkeypatch, moment):
    """Ended while writing, before the bytes are on disk, or before the name changes: the old one is whole."""
    path = tmp_path / "c.npz"
    save_checkpoint(path, checkpoint(3))

    def ended(*_, **__):
        raise Killed

    monkeypatch.setattr(np if moment == "savez" else os, moment, ended)
    with pytest.raises(Killed):
        save_checkpoint(path, checkpoint(4))

    found = load_checkpoint(path, {"iterations": 10})
    assert len(found.losses) == 3
    assert found.rng_state == {"state": 2**127}
    np.testing.assert_array_equal(found.params["W"], np.eye(2))


@pytest.mark.parametrize("content", ["text", "empty", "npy", "npz", "truncated", "pickle"])
def test_a_file_that_is_no_checkpoint_is_refused_and_kept(tmp_path, content):
    """Somebody's own file is neither read as a checkpoint nor overwritten: DataError with its name."""
    path = tmp_path / "precious.npz"
    if content == "text":
        path.write_text("dear diary")
    elif content == "empty":
        path.touch()
    elif content == "npy":
        with path.open("wb") as file:
            np.save(file, np.eye(2))
    elif content == "npz":
        np.savez(path, x=np.eye(2))
    elif content == "truncated":
        save_checkpoint(path, checkpoint())
        path.write_bytes(path.read_bytes()[:-30])
    else:
        np.savez(path, format=np.array([{}], dtype=object))
    before = path.read_bytes()

    with pytest.raises(DataError, match="precious"):
        run(20, checkpoint=path, checkpoint_every=5)
    assert path.read_bytes() == before


def test_a_checkpoint_without_a_seed_is_refused():
    """Without a seed the batches could never be repeated."""
    with pytest.raises(ValueError, match="rng is None"):
        run(20, rng=None, checkpoint="never written")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", 0),
        ("batch_size", 0),
        ("checkpoint_every", -1),
        ("learning_rate", 0.0),
        ("learning_rate", np.nan),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    """Each by name and value."""
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        run(**{"iterations": 20, name: value})


def test_inputs_without_their_targets_are_refused():
    """30 inputs and 29 targets; and none at all."""
    (x, t), test = digits()

    for data in (((x, t[1:]), test), ((x[:0], t[:0]), test)):
        with pytest.raises(ValueError, match="inputs and"):
            train(small_net(), data, backpropagated, iterations=1, progress=False)


@pytest.mark.parametrize("wrong", ["missing", "transposed", "scalar"])
def test_a_gradient_that_does_not_fit_is_refused(wrong):
    """A missing array, a transposed one, and one that would broadcast."""

    def gradient(network, x, t):
        grads = backpropagated(network, x, t)
        if wrong == "missing":
            del grads["W1"]
        else:
            grads["W1"] = grads["W1"].T if wrong == "transposed" else np.float64(1.0)
        return grads

    with pytest.raises(ValueError, match=r"for 'W1'; shape \(6, 5\) is allowed"):
        run(1, gradient=gradient)


@pytest.mark.parametrize(
    ("name", "value"), [("iterations", 2.0), ("batch_size", "3"), ("checkpoint_every", None)]
)
def test_counts_that_are_no_integers_are_refused(name, value):
    """Each by name and value."""
    with pytest.raises(TypeError, match=f"{name} is {value!r}; an integer is allowed"):
        run(**{"iterations": 20, name: value})


def test_what_is_no_network_no_data_no_gradient_is_refused():
    """The training data alone, the gradient's values, a dict of parameters; in words of what is needed."""
    data = digits()
    for arguments, said in (
        ((small_net(), data[0], backpropagated), r"data must be \(\(x_train, t_train\), "),
        ((small_net(), None, backpropagated), "data must be"),
        ((small_net().params, data, backpropagated), "network is .* without params"),
        ((small_net(), data, {"W1": 0.0}), "gradient is .* a function of network, x, t is allowed"),
    ):
        with pytest.raises(TypeError, match=said):
            train(*arguments, iterations=1, progress=False)
