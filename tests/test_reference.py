"""The referees are judged themselves: by high precision, by the complex step, and by each other."""

import ast
import itertools
from pathlib import Path

import mpmath
import numpy as np
import pytest

from reference import analytic, backprop, printed_code, published, scipy_oracle

ROOT = Path(__file__).parents[1]
EPS = np.finfo(float).eps
STEP = 1e-30  # of the complex step: no subtraction, so that nothing cancels however small it is


def high_precision_derivative(f, x):
    """The derivative of f at x by mpmath, in 50 digits, as a float."""
    with mpmath.workdps(50):
        return float(mpmath.diff(f, mpmath.mpf(x)))


@pytest.mark.parametrize("path", sorted((ROOT / "reference").glob("*.py")), ids=lambda path: path.name)
def test_the_referees_import_nothing_of_the_package(path):
    """Referee and player share no code: no import of gradcheck, also none inside of a function."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])

    assert "gradcheck" not in modules
    assert modules <= {
        "__future__", "collections", "dataclasses", "functools", "importlib", "numpy", "reference", "scipy", "typing"
    }  # fmt: skip


@pytest.mark.parametrize("x", [-3.0, 0.5, 5.0])
@pytest.mark.parametrize(
    ("derivative", "f"),
    [
        (analytic.parabola_derivative, lambda x: mpmath.mpf(0.01) * x**2 + mpmath.mpf(0.1) * x),
        (analytic.sigmoid_derivative, lambda x: 1 / (1 + mpmath.exp(-x))),
        (analytic.sum_of_squares_gradient, lambda x: x**2),
    ],
)
def test_derivatives_of_one_number_agree_with_high_precision(derivative, f, x):
    """Each closed form at three points, within a few units in the last place."""
    # cosh(x/2)^2 doubles the error of the argument's exponential.
    assert float(derivative(x)) == pytest.approx(high_precision_derivative(f, x), rel=8 * EPS)


@pytest.mark.parametrize("x", [0.1, 1.0, 1.45])
def test_derivative_of_the_logarithm_of_the_reciprocal(x):
    """-1/x over the range of the chapter's figure."""
    expected = high_precision_derivative(lambda x: mpmath.log(1 / x), x)

    assert float(analytic.log_reciprocal_derivative(x)) == pytest.approx(expected, rel=4 * EPS)


def complex_gradient(f, x):
    """Im f(x + i step e_j) / step for each coordinate: exact to rounding for analytic f of real arrays."""
    x = np.asarray(x, dtype=complex)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        point = x.copy()
        point[index] += STEP * 1j
        gradient[index] = np.imag(f(point)) / STEP
    return gradient


def test_gradient_of_the_squared_error():
    """y - t by the complex step."""
    y, t = published.OUTPUT_1.value, published.TARGET.value

    expected = complex_gradient(lambda y: 0.5 * np.sum((y - t) ** 2), y)

    np.testing.assert_allclose(analytic.sum_squares_error_gradient(y, t), expected, rtol=4 * EPS, atol=0)


@pytest.mark.parametrize("delta", [0.0, 1e-7, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_gradient_of_the_cross_entropy(delta, soft):
    """-t / (N (y + delta)) by the complex step, for one-hot and soft targets; labels give the same."""
    rng = np.random.default_rng(0)
    y, labels = rng.dirichlet(np.ones(4), 5), rng.integers(0, 4, 5)
    t = rng.dirichlet(np.ones(4), 5) if soft else np.eye(4)[labels]

    expected = complex_gradient(lambda y: -np.sum(t * np.log(y + delta)) / 5, y)

    np.testing.assert_allclose(analytic.cross_entropy_gradient(y, t, delta), expected, rtol=8 * EPS)
    if not soft:
        by_label = analytic.cross_entropy_gradient(y, labels, delta)
        np.testing.assert_array_equal(by_label, analytic.cross_entropy_gradient(y, t, delta))
        one = analytic.cross_entropy_gradient(y[0], t[0], delta)
        np.testing.assert_allclose(one, 5 * expected[0], rtol=8 * EPS)


@pytest.mark.parametrize("whole", [False, True])
def test_jacobian_of_the_softmax(whole):
    """y_i (delta_ij - y_j) by the complex step, one row and the whole array."""
    a = np.random.default_rng(0).standard_normal((2, 3) if whole else 3)
    function = analytic.softmax_whole_array_jacobian if whole else analytic.softmax_jacobian

    jacobian = function(a)

    assert jacobian.shape == a.shape * 2
    for index in np.ndindex(a.shape):
        expected = complex_gradient(lambda a, index=index: (np.exp(a) / np.exp(a).sum())[index], a)
        np.testing.assert_allclose(jacobian[index], expected, rtol=0, atol=4 * EPS)


def test_a_jacobian_for_one_row_refuses_a_batch():
    """Rows of a batch have their own Jacobians."""
    with pytest.raises(ValueError, match="one row"):
        analytic.softmax_jacobian(np.zeros((2, 3)))


def test_descent_on_the_sum_of_squares_is_a_power():
    """Three steps by hand: 3 * 0.8^3 = 1.536."""
    end = analytic.sum_of_squares_descent([3.0], 0.1, 3)

    assert end == pytest.approx([1.536], rel=4 * EPS)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        ([1, 0, 1], [[0, 1], [1, 0], [0, 1]]),
        ([[0, 1], [1, 0], [0, 1]], [[0, 1], [1, 0], [0, 1]]),
        ([[0.5, 0.5], [1, 0], [0, 1]], [[0.5, 0.5], [1, 0], [0, 1]]),
    ],
)
def test_targets_become_onehot(t, expected):
    """Labels, one-hot and soft targets."""
    np.testing.assert_array_equal(analytic.onehot(t, (3, 2)), expected)


@pytest.mark.parametrize("t", [[0.0, 1.0, 0.0], [0, 1], [[0, 1, 0], [1, 0, 0]]])
def test_targets_that_do_not_fit_are_refused(t):
    """Labels that are no integers, too few of them, targets of another number of classes."""
    if np.shape(t) == (2, 3):
        t = np.zeros((2, 2))
    with pytest.raises(ValueError, match="allowed"):
        analytic.onehot(t, (3, 2))


def complex_loss(scores, t, softmax, loss):
    """The loss of scores, written for complex numbers and separately from the referees."""
    shared = 1 if softmax == "rows" else None
    y = np.exp(scores) / np.exp(scores).sum(axis=shared, keepdims=True)
    targets = np.eye(4)[t] if t.ndim == 1 else t
    if loss == "published":
        picked = y[np.arange(len(y)), targets.argmax(axis=1)]
        return -np.sum(np.log(picked) + 1e-7) / len(y)
    return -np.sum(targets * np.log(y + 1e-7)) / len(y)


FORMS = list(itertools.product(("rows", "whole array"), ("corrected", "published")))
RNG = np.random.default_rng(2)
TARGETS = {
    "labels": RNG.integers(0, 4, 6),
    "one-hot": np.eye(4)[RNG.integers(0, 4, 6)],
    "soft": RNG.dirichlet(np.ones(4), 6),
    "any": RNG.standard_normal((6, 4)),  # as the chapter's own example
}


@pytest.mark.parametrize(("softmax", "loss"), FORMS)
@pytest.mark.parametrize("targets", TARGETS)
def test_backpropagation_agrees_with_the_complex_step(softmax, loss, targets):
    """Both networks, both softmax forms, both losses, four kinds of targets: every coordinate to rounding."""
    rng, t = np.random.default_rng(1), TARGETS[targets]
    x = rng.standard_normal((6, 7))
    params = {
        "W1": rng.standard_normal((7, 5)),
        "b1": rng.standard_normal(5),
        "W2": rng.standard_normal((5, 4)),
        "b2": rng.standard_normal(4),
    }
    W = rng.standard_normal((7, 4))

    def two_layer_loss(name, value):
        p = {**params, name: value}
        hidden = 1 / (1 + np.exp(-(x @ p["W1"] + p["b1"])))
        return complex_loss(hidden @ p["W2"] + p["b2"], t, softmax, loss)

    two = backprop.two_layer_net_gradient(params, x, t, softmax=softmax, loss=loss)
    one = backprop.simple_net_gradient(W, x, t, softmax=softmax, loss=loss)

    # Sums of up to 42 products of order 1, each rounded a few times.
    assert set(two) == set(params)
    for name, value in params.items():
        expected = complex_gradient(lambda value, name=name: two_layer_loss(name, value), value)
        np.testing.assert_allclose(two[name], expected, rtol=0, atol=500 * EPS, err_msg=name)
    expected = complex_gradient(lambda W: complex_loss(x @ W, t, softmax, loss), W)
    np.testing.assert_allclose(one, expected, rtol=0, atol=500 * EPS)


def test_the_two_softmax_forms_and_the_two_losses_differ():
    """The comparison above would see the wrong form: each pair of forms is far apart somewhere."""
    a = np.random.default_rng(0).standard_normal((6, 4)) * 5

    gradients = [backprop.score_gradient(a, TARGETS["soft"], softmax=s, loss=ls) for s, ls in FORMS]

    for one, other in itertools.combinations(gradients, 2):
        assert np.abs(one - other).max() > 1e-3


def test_a_probability_of_zero_gives_a_finite_gradient():
    """Scores so far apart that y = 0 in float64: the published loss has dL/da = (0 - 1, 1), no nan."""
    gradient = backprop.score_gradient([[0.0, 1000.0]], [0], loss="published")

    np.testing.assert_array_equal(gradient, [[-1.0, 1.0]])


@pytest.mark.parametrize("option", ["softmax", "loss"])
def test_a_misspelt_form_is_refused(option):
    """A form that does not exist is not taken for the default."""
    with pytest.raises(ValueError, match=f"{option} is 'row'"):
        backprop.score_gradient(np.zeros((1, 2)), [0], **{option: "row"})


def cubic(x):
    """A function of an array of any shape, with the gradient 3 x^2."""
    return float(np.sum(np.asarray(x) ** 3))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 1, 2)])
def test_approx_fprime_for_any_shape(shape):
    """SciPy's forward differences come back in x's shape; x is not written to."""
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    x = np.asarray(x)
    x.flags.writeable = False

    gradient = scipy_oracle.approx_gradient(cubic, x)

    assert gradient.shape == shape
    # Truncation step f''/2 = 4.5e-8 and rounding 2 eps |f| / step = 1e-7 for |f| up to 4.
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=0, atol=1.5e-7)


def test_approx_fprime_for_some_coordinates_and_for_parameters():
    """Chosen flat coordinates, and a dictionary of arrays."""
    x = np.arange(6.0).reshape(2, 3) / 6
    params = {"W": x, "b": np.array([0.5])}

    some = scipy_oracle.approx_gradient_at(cubic, x, [5, 1])
    all_of_them = scipy_oracle.approx_gradients(lambda p: cubic(p["W"]) + 2 * cubic(p["b"]), params)

    # As above.
    np.testing.assert_allclose(some, 3 * x.ravel()[[5, 1]] ** 2, rtol=0, atol=1.5e-7)
    assert set(all_of_them) == {"W", "b"}
    np.testing.assert_allclose(all_of_them["W"], 3 * x**2, rtol=0, atol=1.5e-7)
    np.testing.assert_allclose(all_of_them["b"], [1.5], rtol=0, atol=1.5e-7)
    np.testing.assert_array_equal(params["W"], np.arange(6.0).reshape(2, 3) / 6)


FIGURES = {name: value for name, value in vars(published).items() if isinstance(value, published.Printed)}


def test_every_printed_figure_has_its_section():
    """Sections 2.1 to 5.3, each one with figures that is printed, and no array that could be changed."""
    sections = {figure.section for figure in FIGURES.values()}

    assert sections == {"2.1", "2.2", "2.3", "3.2", "4", "4.1", "4.2", "5.1", "5.2", "5.3"}
    for name, figure in FIGURES.items():
        assert figure.what, name
        if isinstance(figure.value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                figure.value[...] = 0


def test_the_printed_figures_agree_with_each_other():
    """A figure mistyped would break one of these: what is printed twice, or follows from what is printed."""
    w, x = published.SIMPLE_NET_W.value, published.SIMPLE_NET_X.value
    scores, gradient = published.SIMPLE_NET_SCORES.value, published.SIMPLE_NET_GRADIENT.value

    # Half a unit of each printed number: 0.6 + 0.9 times that of W, and that of the score.
    np.testing.assert_allclose(x @ w, scores, rtol=0, atol=1.25e-8)
    # dL/dW = x (y - t)^T: rows in the ratio of the inputs, and each sums to 0.
    np.testing.assert_allclose(gradient[1] * 0.6, gradient[0] * 0.9, rtol=0, atol=7.5e-9)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1.5e-8)
    # Six rows and columns; 60 of 100 entries.
    assert published.TWO_LAYER_GRADIENT_W1_CORNERS.value.shape == (6, 6)
    assert published.TWO_LAYER_GRADIENT_B1.value.shape == (60,)
    # The biases' gradient sums to 0 in either softmax form: ten numbers of half a unit each.
    assert published.TWO_LAYER_GRADIENT_B2.value.sum() == pytest.approx(0, abs=5e-8)
    # 1,000 and 6,000 iterations at the printed rate, to its last digit.
    for total, rate, n in (
        (published.MINIBATCH_SECONDS, published.MINIBATCH_SECONDS_PER_ITERATION, 1000),
        (published.TRAINING_SECONDS, published.TRAINING_SECONDS_PER_ITERATION, 6000),
    ):
        assert total.value / n == pytest.approx(rate.value, abs=rate.half_unit + total.half_unit / n)
    # Whole digits right out of 60,000 and 10,000.
    for accuracy, size in ((published.TRAIN_ACCURACY, 60000), (published.TEST_ACCURACY, 10000)):
        right = accuracy.value * size
        np.testing.assert_allclose(right, np.round(right), rtol=0, atol=1e-9)
        assert accuracy.value.shape == published.EVALUATED_AT.value.shape == (10,)


def test_the_printed_gradient_of_the_second_layer_tells_which_softmax_was_used():
    """Row-wise softmax would make each row of dL/dW2 sum to 0; the printed rows miss it by 1e-5."""
    rows = published.TWO_LAYER_GRADIENT_W2_ROWS

    # Ten numbers of half a unit each.
    assert (np.abs(rows.value.sum(axis=1)) > 1e4 * 10 * rows.half_unit).all()


def test_the_printed_code_gives_the_printed_figures():
    """Loss and gradient of section 4.2, from the functions as they are printed."""
    W, x, t = published.SIMPLE_NET_W.value.copy(), published.SIMPLE_NET_X.value, published.SIMPLE_NET_T.value

    def loss(W):
        return printed_code.cross_entropy(printed_code.softmax(np.dot(x, W)), t)

    assert loss(W) == pytest.approx(published.SIMPLE_NET_LOSS.value, abs=1.5e-8)  # the weights are rounded
    np.testing.assert_allclose(
        printed_code.numerical_gradient(loss, W), published.SIMPLE_NET_GRADIENT.value, atol=1e-8
    )
    assert np.array_equal(W, published.SIMPLE_NET_W.value)  # restored


def small_training(learning_rate=0.5):
    """Two iterations of the printed loop on six samples, and where they begin."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 2)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    start = {
        "W1": rng.standard_normal((2, 4)),
        "b1": np.zeros(4),
        "W2": rng.standard_normal((4, 3)),
        "b2": np.zeros(3),
    }
    network = printed_code.TwoLayerNet(start)
    records = printed_code.training(
        network, (x, t), (x[:3], t[:3]), printed_code.TwoLayerNet.numerical_gradient, np.random.default_rng(1),
        iters_num=2, batch_size=3, learning_rate=learning_rate,
    )  # fmt: skip
    return x, t, start, network, records


def test_the_printed_loop_steps_down_the_backpropagated_gradient():
    """Each of two steps, by hand: batch, gradient, step, then the loss; accuracies at i = 0 alone."""
    x, t, params, network, (losses, train_accuracy, test_accuracy) = small_training()
    rng = np.random.default_rng(1)
    for k in range(2):
        batch = rng.choice(6, 3)
        gradient = backprop.two_layer_net_gradient(
            params, x[batch], t[batch], softmax="whole array", loss="published"
        )
        params = {name: params[name] - 0.5 * gradient[name] for name in params}
        after = printed_code.TwoLayerNet(params).loss(x[batch], t[batch])
        assert losses[k] == pytest.approx(after, abs=1e-8)
    for name, value in network.params.items():
        np.testing.assert_allclose(value, params[name], atol=1e-8)

    assert len(train_accuracy) == len(test_accuracy) == 1
    assert small_training(learning_rate=0.5001)[3].params["b2"] != pytest.approx(params["b2"], abs=1e-8)
