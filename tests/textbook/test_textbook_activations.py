"""The activations: high-precision values, and what they refuse."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck.textbook import sigmoid, softmax, softmax_whole_array

# Derandomised: a rerun must agree. No deadline: the machine may be busy.
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)
EPS = np.finfo(float).eps

scores = hnp.arrays(
    float,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-1000, 1000, allow_subnormal=False),
)


@pytest.mark.slow
@given(scores)
@REPEATABLE
def test_rows_of_softmax_sum_to_one(a):
    """Each row is a probability distribution, also at scores of +-1000."""
    y = softmax(a)

    assert y.shape == a.shape
    assert np.all(y >= 0)
    # k roundings in the sum of k terms that total 1.
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=0, atol=a.shape[1] * EPS)


@pytest.mark.slow
@given(scores, st.floats(-100, 100, allow_subnormal=False))
@REPEATABLE
def test_softmax_ignores_a_shift_of_a_row(a, shift):
    """softmax(a + c) = softmax(a), each row with its own c."""
    shifts = shift * np.arange(1, len(a) + 1)[:, None]

    # a + c is rounded by up to eps 1600 / 2, which moves a probability by as much.
    np.testing.assert_allclose(softmax(a + shifts), softmax(a), rtol=0, atol=2e-12)


@pytest.mark.slow
@given(scores)
@REPEATABLE
def test_the_printed_softmax_shares_one_normaliser(a):
    """The whole array sums to one; its rows are those of softmax only for one sample."""
    y = softmax_whole_array(a)

    np.testing.assert_allclose(y.sum(), 1, rtol=0, atol=a.size * EPS)
    np.testing.assert_array_equal(softmax_whole_array(a[0]), softmax(a[0]))


def test_the_printed_softmax_is_not_the_default():
    """Two equal rows: 1/2 each in the default, 1/4 each as printed."""
    np.testing.assert_array_equal(softmax(np.zeros((2, 2))), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(softmax_whole_array(np.zeros((2, 2))), np.full((2, 2), 0.25))


def test_softmax_of_a_scalar_is_refused():
    """One number has no classes to share among."""
    with pytest.raises(ValueError, match="scalar"):
        softmax(3.0)


@pytest.mark.parametrize("a", [-800.0, -40.0, -1.5, 0.0, 1e-9, 2.0, 36.0, 800.0])
def test_sigmoid_agrees_with_high_precision(a):
    """Within four units in the last place from -800 to 800, without a warning."""
    with mpmath.workdps(50):
        expected = float(1 / (1 + mpmath.exp(-mpmath.mpf(a))))

    # abs: below the smallest normal float the result is rounded to 0 or a subnormal.
    assert float(sigmoid(a)) == pytest.approx(expected, rel=4 * EPS, abs=np.finfo(float).tiny)


@pytest.mark.slow
@given(hnp.arrays(float, 5, elements=st.floats(-1e300, 1e300)))
@REPEATABLE
def test_sigmoid_is_a_symmetric_probability(a):
    """Between 0 and 1, and sigmoid(-a) = 1 - sigmoid(a)."""
    y = sigmoid(a)

    assert np.all((y >= 0) & (y <= 1))
    np.testing.assert_allclose(sigmoid(-a), 1 - y, rtol=0, atol=2 * EPS)


def test_nan_scores_stay_nan():
    """A nan is never turned into a probability."""
    assert np.isnan(sigmoid(np.nan))
    assert np.isnan(softmax([np.nan, 0.0])).all()


def test_arguments_are_not_modified():
    """No activation writes to its argument."""
    a = np.random.default_rng(0).dirichlet(np.ones(4), 6)
    a.flags.writeable = False  # a write would raise

    softmax(a)
    softmax_whole_array(a)
    sigmoid(a)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8, np.uint64, np.int64])
def test_integers_of_every_type_are_what_floats_are(kind):
    """Unsigned ones wrapped around, -1 to 255, and int8 gave halves of few digits."""
    a = np.array([0, 1, 1], kind)

    for function in (sigmoid, softmax, softmax_whole_array):
        found = function(a)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, function(a.astype(float)))
    assert sigmoid(a)[1] == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-15)
