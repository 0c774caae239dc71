"""The structured central differences: the published loop's, to rounding, or a clear refusal."""

from __future__ import annotations

import copy
import itertools
from functools import partial

import mpmath
import numpy as np
import pytest

from gradcheck.textbook import (
    TwoLayerNet,
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    load_mnist,
    sigmoid,
    softmax,
    softmax_whole_array,
    structured_gradient,
    sum_squares_error,
    train,
)
from reference import backprop

NAMES = ("W1", "b1", "W2", "b2")
LABELS_ONLY = (cross_entropy_label, cross_entropy_label_published)
# What a loss takes; cross_entropy_published replaces soft targets by their largest entry.
LOSSES_AND_TARGETS = [
    (loss, kind)
    for loss in (cross_entropy, cross_entropy_onehot, cross_entropy_published, *LABELS_ONLY)
    for kind in ("one-hot", "soft", "labels")
    if (loss not in LABELS_ONLY or kind == "labels")
    and (loss is not cross_entropy_onehot or kind != "labels")
]
BOTH_SOFTMAX = pytest.mark.parametrize("softmax_form", [softmax, softmax_whole_array])


def batch(rng, n=8, d=30, k=5, kind="one-hot"):
    """Inputs in [0, 1], most of them 0 as pixels are, and targets."""
    x = rng.random((n, d)) * (rng.random((n, d)) < 0.3)
    labels = rng.integers(0, k, n)
    targets = {"labels": labels, "one-hot": np.eye(k)[labels], "soft": rng.dirichlet(np.ones(k), n)}
    return x, targets[kind]


def largest_difference(a, b):
    """The largest entry of |a - b|, for gradients with the same names and shapes."""
    assert set(a) == set(b) == set(NAMES)
    assert all(a[name].shape == b[name].shape for name in NAMES)
    return max(float(np.max(np.abs(a[name] - b[name]))) for name in NAMES)


@pytest.mark.slow
@BOTH_SOFTMAX
@pytest.mark.parametrize(("loss", "kind"), LOSSES_AND_TARGETS)
def test_every_coordinate_is_the_loops(softmax_form, loss, kind):
    """On a 30-20-5 net every difference is the published loop's, for each softmax, loss and kind of target."""
    x, t = batch(np.random.default_rng(0), kind=kind)
    net = TwoLayerNet(30, 20, 5, 1.0, rng=1, softmax=softmax_form, loss=loss)

    loop = net.numerical_gradient(x, t)

    # The loop's own rounding, eps L / 2h with L about 5, is some 1e-11; 1e-9 is what is asked for.
    assert largest_difference(structured_gradient(net, x, t), loop) < 1e-10


@pytest.mark.slow
@BOTH_SOFTMAX
@pytest.mark.parametrize(("loss", "kind"), LOSSES_AND_TARGETS)
def test_the_derivative_is_refused(softmax_form, loss, kind):
    """The truncation of the central difference is there: with h = 0.005 it is the loop's, not backpropagation's."""
    x, t = batch(np.random.default_rng(0), kind=kind)
    net = TwoLayerNet(30, 20, 5, 0.5, rng=1, softmax=softmax_form, loss=loss)
    h = 0.005
    loop = loop_with_step(net, x, t, h)
    derivative = backprop.two_layer_net_gradient(
        net.params,
        x,
        t,
        softmax="rows" if softmax_form is softmax else "whole array",
        loss="published" if "published" in loss.__name__ else "corrected",
    )

    structured = structured_gradient(net, x, t, h)

    # Rounding is 50 times smaller than at h = 1e-4; truncation, h^2 |L'''| / 6, is 2,500 times larger.
    assert largest_difference(structured, loop) < 1e-12
    assert largest_difference(structured, derivative) > 1e-7


def loop_with_step(net, x, t, h):
    """The published double loop with a step of one's own choice."""
    loop = {name: np.zeros_like(value) for name, value in net.params.items()}
    for name, value in net.params.items():
        for index in np.ndindex(value.shape):
            saved = value[index]
            value[index] = saved + h
            plus = net.loss(x, t)
            value[index] = saved - h
            loop[name][index] = (plus - net.loss(x, t)) / (2 * h)
            value[index] = saved
    return loop


def test_softmax_forms_are_told_apart():
    """The two softmax forms have different differences: the comparison with the loop can fail."""
    x, t = batch(np.random.default_rng(0))
    rows = TwoLayerNet(30, 20, 5, 1.0, rng=1)
    whole = TwoLayerNet(30, 20, 5, 1.0, rng=1, softmax=softmax_whole_array)

    assert largest_difference(structured_gradient(rows, x, t), whole.numerical_gradient(x, t)) > 1e-3


def mpmath_difference(params, x, t, h, *, whole, delta):
    """(L(w + h) - L(w - h)) / 2h for every parameter, in 50 digits; t : (n, k), delta in or outside of log."""
    with mpmath.workdps(50):
        exact = {name: np.vectorize(mpmath.mpf, otypes=[object])(value) for name, value in params.items()}
        x, t = np.vectorize(mpmath.mpf, otypes=[object])(x), np.vectorize(mpmath.mpf, otypes=[object])(t)
        exp = np.vectorize(mpmath.exp, otypes=[object])
        log = np.vectorize(mpmath.log, otypes=[object])

        def loss():
            z = 1 / (1 + exp(-(x.dot(exact["W1"]) + exact["b1"])))
            e = exp(z.dot(exact["W2"]) + exact["b2"])
            y = e / (e.sum() if whole else e.sum(axis=1)[:, None])
            return -(t * log(y + mpmath.mpf(delta))).sum() / len(x)

        differences = {name: np.zeros(value.shape) for name, value in params.items()}
        for name, value in exact.items():
            for index in np.ndindex(value.shape):
                saved = value[index]
                value[index] = saved + mpmath.mpf(h)
                plus = loss()
                value[index] = saved - mpmath.mpf(h)
                differences[name][index] = float((plus - loss()) / (2 * mpmath.mpf(h)))
                value[index] = saved
        return differences


@pytest.mark.slow
@BOTH_SOFTMAX
@pytest.mark.parametrize("std", [0.01, 1.0, 3.0])
@pytest.mark.parametrize("loss", [cross_entropy, cross_entropy_published])
def test_differences_are_exact_to_rounding(softmax_form, std, loss):
    """Against 50 digits the error is rounding alone, thousands of times below the loop's."""
    rng = np.random.default_rng(5)
    x, t = batch(rng, n=3, d=4, k=3, kind="one-hot" if loss is cross_entropy_published else "soft")
    net = TwoLayerNet(4, 3, 3, std, rng=rng, softmax=softmax_form, loss=loss)
    delta = 0.0 if loss is cross_entropy_published else 1e-7  # outside of the log it leaves no difference
    whole = softmax_form is softmax_whole_array
    exact = mpmath_difference(net.params, x, t, 1e-4, whole=whole, delta=delta)

    # A few eps of the terms that are summed: each as large as the largest weight of W2, or 1.
    allowed = 20 * np.finfo(float).eps * max(1.0, np.abs(net.params["W2"]).max())
    assert largest_difference(structured_gradient(net, x, t), exact) < allowed


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 3.0, 30.0])
@BOTH_SOFTMAX
def test_large_inputs_are_exact(softmax_form, scale):
    """Large inputs need polynomials of degree 6 and 8 and get them: the error is rounding alone."""
    x, t, net = with_inputs_up_to(scale, softmax_form)
    whole = softmax_form is softmax_whole_array
    exact = mpmath_difference(net.params, x, t, 1e-4, whole=whole, delta=1e-7)

    # In units of an input; the coefficients of degree 8 amplify rounding up to 256 times, seldom 20 times.
    assert largest_difference(structured_gradient(net, x, t), exact) < 20 * np.finfo(float).eps * scale


@BOTH_SOFTMAX
def test_too_large_inputs_are_refused(softmax_form):
    """Where degree 8 cannot be proved to be enough, nothing is computed and the message says what to do."""
    x, t, net = with_inputs_up_to(100.0, softmax_form)

    with pytest.raises(ValueError, match="scale x to"):
        structured_gradient(net, x, t)


def with_inputs_up_to(scale, softmax_form):
    """A small batch and network whose hidden layer is not saturated."""
    rng = np.random.default_rng(6)
    x, t = batch(rng, n=3, d=4, k=3, kind="soft")
    net = TwoLayerNet(4, 3, 3, 1.0, rng=rng, softmax=softmax_form)
    net.params["W1"] /= scale
    # Negative, so that the largest magnitude is not the largest input.
    return -scale * x, t, net


@BOTH_SOFTMAX
def test_probabilities_as_small_as_delta_are_exact(softmax_form):
    """Where y is about 1e-7, delta takes half of the logarithm, and its powers count at a step of 0.005."""
    rng = np.random.default_rng(7)
    x, t = batch(rng, n=3, d=4, k=3, kind="soft")
    net = TwoLayerNet(4, 3, 3, 1.0, rng=rng, softmax=softmax_form)
    net.params["b2"][:] = [0.0, -14.5, -14.0]
    assert 1e-8 < net.predict(x)[:, 1:].min() < net.predict(x)[:, 1:].max() < 1e-6
    whole = softmax_form is softmax_whole_array
    exact = mpmath_difference(net.params, x, t, 0.005, whole=whole, delta=1e-7)

    # A few eps of the terms that are summed, amplified up to 256 times by degree 8.
    assert largest_difference(structured_gradient(net, x, t, 0.005), exact) < 20 * np.finfo(float).eps


@pytest.fixture(scope="module")
def mnist():
    """The digits to train with."""
    return load_mnist(one_hot_label=True)


@pytest.mark.slow
@pytest.mark.parametrize("iterations", [0, 3000])
def test_full_network_agrees_on_a_sample(mnist, iterations):
    """200 coordinates per array of the 784-50-10 net agree with the loop, at the start and after training."""
    net = TwoLayerNet(784, 50, 10, rng=0)
    if iterations:
        train(net, mnist, backpropagated, iterations=iterations, progress=False)
    rng = np.random.default_rng(1)
    rows = rng.choice(len(mnist.x_train), 100)
    x, t = mnist.x_train[rows], mnist.t_train[rows]

    structured = structured_gradient(net, x, t)

    for name, value in net.params.items():
        chosen = rng.choice(value.size, min(200, value.size), replace=False)
        for flat in chosen:
            saved = value.flat[flat]
            value.flat[flat] = saved + 1e-4
            plus = net.loss(x, t)
            value.flat[flat] = saved - 1e-4
            loop = (plus - net.loss(x, t)) / 2e-4
            value.flat[flat] = saved
            # The loop's own rounding, eps L / 2h with L up to 2.3, is some 1e-11; 1e-9 is what is asked for.
            assert abs(structured[name].flat[flat] - loop) < 1e-9, (name, flat)


def backpropagated(network, x, t):
    """The gradient to train with, from the referee."""
    return backprop.two_layer_net_gradient(network.params, x, t)


def test_black_pixels_touch_nothing():
    """The weights of a pixel that is 0 in the whole batch have the difference 0, exactly; the others do not."""
    x, t = batch(np.random.default_rng(0))
    x[:, 7] = 0
    for softmax_form in (softmax, softmax_whole_array):
        gradient = structured_gradient(TwoLayerNet(30, 20, 5, 1.0, rng=1, softmax=softmax_form), x, t)

        assert not gradient["W1"][7].any()
        assert gradient["W1"][x.any(axis=0)].all()


def test_a_weight_that_nothing_touches_is_a_number_too():
    """The loop multiplies 0 by nan; the form that leaves black pixels out refuses, and takes 1e300."""
    x, t = batch(np.random.default_rng(0))
    x[:, 7] = 0
    net = TwoLayerNet(30, 20, 5, 1.0, rng=1)
    net.params["W1"][7] = 1e300

    assert not structured_gradient(net, x, t)["W1"][7].any()
    net.params["W1"][7] = np.nan
    with pytest.raises(ValueError, match="holds nan or inf"):
        structured_gradient(net, x, t)


@BOTH_SOFTMAX
def test_threads_change_no_bit(softmax_form):
    """The result has the same bits for any number of threads; the hidden layer has four blocks."""
    x, t = batch(np.random.default_rng(0), n=100, d=50, k=10)
    net = TwoLayerNet(50, 200, 10, rng=1, softmax=softmax_form)

    form = "rows" if softmax_form is softmax else "whole array"
    derivative = backprop.two_layer_net_gradient(net.params, x, t, softmax=form)

    one, two, five = (structured_gradient(net, x, t, n_threads=n) for n in (1, 2, 5))

    for name in NAMES:
        assert np.array_equal(one[name], two[name])
        assert np.array_equal(one[name], five[name])
    # Each block is in its place: only the truncation h^2 |f'''| / 6 is between the two.
    assert largest_difference(one, derivative) < 1e-9


def test_nothing_of_the_callers_changes():
    """Network, inputs and targets have the same bits as before, and read-only arrays will do."""
    x, t = batch(np.random.default_rng(0))
    net = TwoLayerNet(30, 20, 5, rng=1)
    before = copy.deepcopy(net.params)
    for array in (x, t, *net.params.values()):
        array.flags.writeable = False

    structured_gradient(net, x, t)

    assert all(np.array_equal(before[name], net.params[name]) for name in NAMES)


def test_network_offers_the_method():
    """`method="structured"` of the network is this function; a misspelt method is refused."""
    x, t = batch(np.random.default_rng(0))
    net = TwoLayerNet(30, 20, 5, rng=1)

    assert (
        largest_difference(net.numerical_gradient(x, t, method="structured"), structured_gradient(net, x, t))
        == 0
    )
    with pytest.raises(ValueError, match="method"):
        net.numerical_gradient(x, t, method="structure")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_other_inputs_are_taken_as_the_loop_takes_them(dtype):
    """Single precision, integer and Boolean inputs are numbers too; the loop computes with them in float64."""
    x, t = batch(np.random.default_rng(0))
    x = (4 * x).astype(dtype)
    net = TwoLayerNet(30, 20, 5, rng=1)

    assert largest_difference(structured_gradient(net, x, t), net.numerical_gradient(x, t)) < 1e-10


@pytest.mark.slow
def test_targets_that_do_not_sum_to_one_are_honoured():
    """Any real targets of y's shape weigh the logarithms, also negative ones, as the chapter's demo has them."""
    rng = np.random.default_rng(0)
    x, one_hot = batch(rng)
    noise = rng.standard_normal((8, 5))
    for softmax_form, t in itertools.product((softmax, softmax_whole_array), (noise, noise * one_hot)):
        net = TwoLayerNet(30, 20, 5, 1.0, rng=1, softmax=softmax_form)

        assert largest_difference(structured_gradient(net, x, t), net.numerical_gradient(x, t)) < 1e-10


class ThreeLayers(TwoLayerNet):
    """A network with one layer more than the formulas know."""

    def predict(self, x):
        return super().predict(sigmoid(x))


def replaced(**params):
    """A network with some parameters of another shape or type, or with others."""
    net = TwoLayerNet(30, 20, 5, rng=1)
    net.params = {name: value for name, value in (net.params | params).items() if value is not None}
    return net


def with_own_loss():
    """A network whose loss is replaced in the instance."""
    net = TwoLayerNet(30, 20, 5)
    net.loss = lambda x, t: 0.0
    return net


@pytest.mark.parametrize(
    ("net", "error", "words"),
    [
        (object(), TypeError, "network is a object"),
        (ThreeLayers(30, 20, 5), TypeError, "network.predict"),
        (with_own_loss(), TypeError, "network.loss"),
        (TwoLayerNet(30, 20, 5, softmax=np.tanh), ValueError, "softmax"),
        (TwoLayerNet(30, 20, 5, loss=sum_squares_error), ValueError, "sum_squares_error"),
        (TwoLayerNet(30, 20, 5, loss=cross_entropy_error), ValueError, "cross_entropy_error"),
        (TwoLayerNet(30, 20, 5, loss=partial(cross_entropy)), ValueError, "partial"),
        (replaced(W3=np.zeros((5, 5))), ValueError, "W3"),
        (replaced(b2=None), ValueError, "b2"),
        (replaced(b1=np.zeros(20, dtype=np.float32)), TypeError, "float32"),
        (replaced(b1=[0.0] * 20), TypeError, "list"),
        (replaced(b1=np.zeros((20, 1))), ValueError, "shapes"),
        (replaced(b1=np.zeros(1)), ValueError, "shapes"),
        (replaced(b2=np.zeros(1)), ValueError, "shapes"),
        (replaced(W2=np.zeros((21, 5))), ValueError, "shapes"),
        (replaced(W1=np.zeros(20)), ValueError, "shapes"),
        (replaced(W2=np.zeros((20, 5, 1)), b2=np.zeros((5, 1))), ValueError, "shapes"),
        (replaced(b2=np.full(5, np.nan)), ValueError, r"params\['b2'\] holds nan or inf"),
        (replaced(W1=np.full((30, 20), np.inf)), ValueError, r"params\['W1'\] holds nan or inf"),
        (replaced(W2=np.full((20, 5), 1e8)), ValueError, "smaller h"),
    ],
)
def test_other_networks_are_refused(net, error, words):
    """What the formulas do not describe raises and names what is allowed; it is never computed."""
    x, t = batch(np.random.default_rng(0))

    with pytest.raises(error, match=words):
        structured_gradient(net, x, t)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"x": np.ones(30)}, ValueError, "x has shape"),
        ({"x": np.ones((0, 30))}, ValueError, "x has shape"),
        ({"x": np.ones((8, 29))}, ValueError, "x has shape"),
        ({"x": np.ones((8, 30), dtype=complex)}, TypeError, "x has dtype"),
        ({"x": np.full((8, 30), np.nan)}, ValueError, "loss is nan"),
        ({"x": np.full((8, 30), np.inf)}, ValueError, "loss is nan"),
        ({"t": np.ones((8, 4))}, ValueError, "t has shape"),
        ({"t": np.ones(8)}, TypeError, "t has dtype"),
        ({"t": np.full(8, 5)}, ValueError, "labels"),
        ({"t": np.full((8, 5), "a")}, TypeError, "t has dtype"),
        ({"t": np.full((8, 5), np.nan)}, ValueError, "loss is nan"),
        ({"h": 0.0}, ValueError, "h is"),
        ({"h": -1e-4}, ValueError, "h is"),
        ({"h": np.nan}, ValueError, "h is"),
        ({"h": 0.3}, ValueError, "smaller h"),
        ({"n_threads": 0}, ValueError, "n_threads"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, words):
    """Wrong shapes, types and numbers raise, naming the argument; no difference is returned."""
    x, t = batch(np.random.default_rng(0))

    with pytest.raises(error, match=words):
        structured_gradient(TwoLayerNet(30, 20, 5, rng=1), **({"x": x, "t": t} | arguments))


def test_infinite_loss_is_refused():
    """The published loss is infinite where a probability underflows: it has no differences there."""
    x, _ = batch(np.random.default_rng(0))
    net = TwoLayerNet(30, 20, 5, 1.0, rng=1, loss=cross_entropy_published)
    net.params["b2"][0] = 1e4

    with pytest.raises(ValueError, match="loss is inf"):
        structured_gradient(net, x, np.ones(8, dtype=int))
    net.loss_function = cross_entropy
    assert np.isfinite(structured_gradient(net, x, np.ones(8, dtype=int))["W1"]).all()
