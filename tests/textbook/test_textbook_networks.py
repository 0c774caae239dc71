"""The two networks: printed figures, gradients against backpropagation, and what they refuse."""

import numpy as np
import pytest

from gradcheck.textbook import (
    SimpleNet,
    TwoLayerNet,
    cross_entropy_published,
    softmax,
    softmax_whole_array,
)
from reference import backprop, published

FORMS = [
    pytest.param({}, {}, id="corrected"),
    pytest.param({"softmax": softmax_whole_array}, {"softmax": "whole array"}, id="whole-array softmax"),
    pytest.param({"loss": cross_entropy_published}, {"loss": "published"}, id="published loss"),
    pytest.param(
        {"softmax": softmax_whole_array, "loss": cross_entropy_published},
        {"softmax": "whole array", "loss": "published"},
        id="as printed",
    ),
]
# Truncation h^2 f'''/6 with f''' below 1 for weights and inputs of size 1, and rounding eps f / 2h = 3e-12.
CENTRAL = 2e-9


def sample(n=6, d=7, k=4, seed=3):
    """Inputs, labels, one-hot and soft targets."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return {
        "x": rng.standard_normal((n, d)),
        "labels": labels,
        "one-hot": np.eye(k)[labels],
        "soft": rng.dirichlet(np.ones(k), n),
    }


def printed_net(**forms):
    """SimpleNet with the weights that the chapter prints."""
    return SimpleNet(published.SIMPLE_NET_W.value, **forms)


def test_simple_net_reproduces_the_printed_figures():
    """Scores, argmax, loss and gradient of section 4.2, with the forms as printed."""
    net = printed_net(softmax=softmax_whole_array, loss=cross_entropy_published)
    x, t = published.SIMPLE_NET_X.value, published.SIMPLE_NET_T.value

    # The weights are known to 5e-9 only: each score sums two of them with weights 0.6 and 0.9, 7.5e-9 at
    # most, and the printed score is rounded to 5e-9 itself.
    np.testing.assert_allclose(net.predict(x), published.SIMPLE_NET_SCORES.value, rtol=0, atol=1.25e-8)
    assert net.predict(x).argmax() == published.SIMPLE_NET_ARGMAX.value
    # |dL/dscores| sums to 2 (1 - y_t) = 1.6: 1.6 * 7.5e-9.
    assert net.loss(x, t) == pytest.approx(published.SIMPLE_NET_LOSS.value, rel=0, abs=1.2e-8)
    # The softmax changes by less than 0.25 * 2 * 7.5e-9, times x below 1, and 5e-9 of the printed digit.
    np.testing.assert_allclose(
        net.numerical_gradient(x, t), published.SIMPLE_NET_GRADIENT.value, rtol=0, atol=9e-9
    )


def test_the_printed_loss_tells_the_two_forms_apart():
    """The corrected loss differs from the printed one by 4e-7: 1e-7 - 1e-7 / y, with y = 0.21."""
    difference = published.SIMPLE_NET_LOSS.value - printed_net().loss(
        published.SIMPLE_NET_X.value, published.SIMPLE_NET_T.value
    )

    # The weights are known to 5e-9 only, see above.
    assert difference == pytest.approx(1e-7 / np.exp(-published.SIMPLE_NET_LOSS.value) - 1e-7, abs=1.3e-8)


@pytest.mark.parametrize(("forms", "reference"), FORMS)
@pytest.mark.parametrize("targets", ["labels", "one-hot", "soft"])
def test_simple_net_gradient_is_that_of_backpropagation(forms, reference, targets):
    """Every form and kind of target, on a batch."""
    data = sample()
    net = SimpleNet(np.random.default_rng(0).standard_normal((7, 4)), **forms)

    gradient = net.numerical_gradient(data["x"], data[targets])

    expected = backprop.simple_net_gradient(net.W, data["x"], data[targets], **reference)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=CENTRAL)


@pytest.mark.parametrize(("forms", "reference"), FORMS)
@pytest.mark.parametrize("targets", ["labels", "one-hot", "soft"])
def test_two_layer_net_gradient_is_that_of_backpropagation(forms, reference, targets):
    """Every form and kind of target, all coordinates of all four arrays."""
    data = sample()
    net = TwoLayerNet(7, 5, 4, weight_init_std=1.0, rng=1, **forms)

    gradient = net.numerical_gradient(data["x"], data[targets])

    expected = backprop.two_layer_net_gradient(net.params, data["x"], data[targets], **reference)
    assert list(gradient) == ["W1", "b1", "W2", "b2"]
    for name in gradient:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=0, atol=CENTRAL, err_msg=name)


def test_a_wrong_backpropagation_is_outside_of_that_tolerance():
    """The gradient of the other softmax form, and a sum for the mean, are not within 2e-9."""
    data = sample()
    net = TwoLayerNet(7, 5, 4, weight_init_std=1.0, rng=1)

    gradient = net.numerical_gradient(data["x"], data["labels"])

    wrong = backprop.two_layer_net_gradient(net.params, data["x"], data["labels"], softmax="whole array")
    for name in gradient:
        assert np.abs(gradient[name] - wrong[name]).max() > 1e-3
        assert np.abs(gradient[name] - 6 * gradient[name]).max() > 1e-3


def test_the_weights_are_restored():
    """After a numerical gradient, also one that raises half-way, all parameters are what they were."""
    data = sample()
    calls = 0

    def fails_late(y, t):
        nonlocal calls
        calls += 1
        if calls == 100:  # within W2, after the 70 losses of W1 and the 10 of b1
            raise ZeroDivisionError("planted")
        return cross_entropy_published(y, t)

    net = TwoLayerNet(7, 5, 4, rng=1, loss=fails_late)
    before = {name: value.copy() for name, value in net.params.items()}

    with pytest.raises(ZeroDivisionError):
        net.numerical_gradient(data["x"], data["labels"])

    for name, value in net.params.items():
        np.testing.assert_array_equal(value, before[name])


def test_the_printed_shapes_are_reproduced():
    """784-100-10, and biases that start at 0."""
    net = TwoLayerNet(784, 100, 10, rng=0)

    assert {name: value.shape for name, value in net.params.items()} == published.TWO_LAYER_SHAPES.value
    assert not net.params["b1"].any()
    assert not net.params["b2"].any()
    # 78,400 draws: the standard deviation is known to 1 / sqrt(2 * 78400) = 0.25 %; five times that.
    assert net.params["W1"].std() == pytest.approx(0.01, rel=0.0125)


def test_a_seed_gives_one_network_and_another_seed_another():
    """The same weights from the same seed or Generator."""
    one, same = TwoLayerNet(3, 2, 2, rng=5), TwoLayerNet(3, 2, 2, rng=np.random.default_rng(5))
    other = TwoLayerNet(3, 2, 2, rng=6)

    np.testing.assert_array_equal(one.params["W2"], same.params["W2"])
    assert (one.params["W1"] != other.params["W1"]).any()
    np.testing.assert_array_equal(SimpleNet(rng=5).W, SimpleNet(rng=5).W)
    assert SimpleNet(rng=5).W.shape == (2, 3)


def test_simple_net_copies_the_weights_it_is_given():
    """Training the net does not change the caller's array."""
    W = np.zeros((2, 3))
    net = SimpleNet(W)

    net.W += 1

    assert not W.any()


def test_predictions_are_probabilities_in_the_default_form_and_not_as_printed():
    """Rows sum to one; with the printed softmax a batch of six sums to one in all."""
    x = sample()["x"]

    rows = TwoLayerNet(7, 5, 4, rng=1, softmax=softmax).predict(x).sum(axis=1)
    printed = TwoLayerNet(7, 5, 4, rng=1, softmax=softmax_whole_array).predict(x)

    np.testing.assert_allclose(rows, 1, rtol=1e-15)
    assert printed.sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(("batch", "form"), [(100, softmax_whole_array), (1, softmax)])
def test_the_first_loss_is_that_of_even_odds(batch, form):
    """With zero weights: log 10 with row-wise softmax; log 1000 for a batch of 100 with the printed one."""
    net = TwoLayerNet(7, 5, 10, weight_init_std=0.0, softmax=form)

    loss = net.loss(np.ones((batch, 7)), np.zeros(batch, dtype=int))

    # delta = 1e-7 inside of the logarithm lowers the loss by 1e-7 / y = 1e-4 and 1e-6.
    assert loss == pytest.approx(np.log(10 * batch), rel=0, abs=1.1e-7 * 10 * batch)


def test_accuracy_counts_the_right_answers():
    """Labels and one-hot targets give the same share: here 2 of 3, set up by hand."""
    net = TwoLayerNet(2, 2, 2, rng=0)
    net.params = {"W1": 9 * np.eye(2), "b1": np.zeros(2), "W2": np.eye(2), "b2": np.zeros(2)}
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])  # classes 0, 1, 0
    labels = np.array([0, 1, 1])

    assert net.accuracy(x, labels) == pytest.approx(2 / 3, rel=1e-15)
    assert net.accuracy(x, np.eye(2)[labels]) == net.accuracy(x, labels)


def test_accuracy_refuses_targets_that_do_not_fit():
    """Targets of another number of samples or classes, and no sample at all."""
    net = TwoLayerNet(2, 2, 2, rng=0)

    for t in (np.zeros(2, dtype=int), np.zeros((3, 3)), np.array(1)):
        with pytest.raises(ValueError, match="allowed"):
            net.accuracy(np.zeros((3, 2)), t)
    with pytest.raises(ValueError, match="at least 1"):
        net.accuracy(np.zeros((0, 2)), np.zeros(0, dtype=int))


@pytest.mark.parametrize("sizes", [(0, 2, 2), (2, -1, 2), (2, 2, 0)])
def test_a_layer_without_units_is_refused(sizes):
    """A size below 1 is refused by name and value."""
    with pytest.raises(ValueError, match=r"(input|hidden|output)_size is (0|-1); 1 or more"):
        TwoLayerNet(*sizes)


@pytest.mark.parametrize("size", [2.0, "2", None])
def test_a_size_that_is_no_integer_is_refused(size):
    """By name and value; one of NumPy's is an integer."""
    with pytest.raises(TypeError, match=f"hidden_size is {size!r}; an integer is allowed"):
        TwoLayerNet(2, size, 2)
    assert TwoLayerNet(2, np.int64(2), 2).params["W1"].shape == (2, 2)


@pytest.mark.parametrize("std", [-0.01, np.nan, np.inf, None])
def test_a_spread_that_is_none_is_refused(std):
    """A negative, infinite or nan standard deviation."""
    with pytest.raises(ValueError, match="weight_init_std"):
        TwoLayerNet(2, 2, 2, weight_init_std=std)


def test_weights_that_are_no_matrix_are_refused():
    """SimpleNet needs (d, k)."""
    with pytest.raises(ValueError, match=r"W has shape \(3,\)"):
        SimpleNet([1.0, 2.0, 3.0])


def test_an_unknown_method_is_refused():
    """A misspelt method computes nothing, and says so."""
    with pytest.raises(ValueError, match='\'structure\'; "loop" or "structured"'):
        TwoLayerNet(2, 2, 2, rng=0).numerical_gradient(np.zeros((1, 2)), [0], method="structure")
