"""The losses: printed figures, high-precision values, and what they refuse."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck.textbook import (
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    sum_squares_error,
)
from reference import published

# Derandomised: a rerun must agree. No deadline: the machine may be busy.
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)
EPS = np.finfo(float).eps


def batch(seed=0, n=6, k=4):
    """Probabilities (n, k), labels (n,) and the same labels one-hot."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return rng.dirichlet(np.ones(k), n), labels, np.eye(k)[labels]


def mean_log(y, t):
    """-mean over samples of sum(t log(y + 1e-7)), in 50 digits."""
    with mpmath.workdps(50):
        delta = mpmath.mpf(1e-7)
        terms = [
            mpmath.mpf(tk) * mpmath.log(mpmath.mpf(yk) + delta)
            for yk, tk in zip(y.ravel().tolist(), t.ravel().tolist(), strict=True)
        ]
        return float(-mpmath.fsum(terms) / len(y))


@pytest.mark.parametrize(
    ("loss", "output", "printed"),
    [
        (sum_squares_error, published.OUTPUT_1, published.SUM_SQUARES_ERROR_1),
        (sum_squares_error, published.OUTPUT_2, published.SUM_SQUARES_ERROR_2),
        (cross_entropy_error, published.OUTPUT_1, published.CROSS_ENTROPY_1),
        (cross_entropy_error, published.OUTPUT_2, published.CROSS_ENTROPY_2),
    ],
)
def test_the_printed_losses_are_reproduced(loss, output, printed):
    """The four losses of sections 2.1 and 2.2 agree to all printed digits."""
    value = loss(output.value, published.TARGET.value)

    # Two units in the last place: a library's log may round differently from the one that was printed.
    assert value == pytest.approx(printed.value, rel=2 * EPS, abs=0)


def test_lists_are_taken_as_arrays():
    """The chapter's lists need no conversion: 0.5 (0.1^2 + 0.1^2) = 0.01."""
    assert sum_squares_error([0.9, 0.1], [1, 0]) == pytest.approx(0.01, rel=4 * EPS)


@pytest.mark.parametrize("loss", [sum_squares_error, cross_entropy_error, cross_entropy_onehot])
def test_a_target_of_another_shape_is_refused(loss):
    """A target (3, 1) against (3,) would broadcast to a 3 x 3 sum; it is a ValueError naming both shapes."""
    with pytest.raises(ValueError, match=r"t has shape \(3, 1\); y's shape \(3,\) is allowed"):
        loss(np.full(3, 1 / 3), np.ones((3, 1)))


def test_a_batch_is_refused_by_the_form_for_one_sample():
    """cross_entropy_error would sum a batch, not average it."""
    y, _, onehot = batch()

    with pytest.raises(ValueError, match="one sample"):
        cross_entropy_error(y, onehot)


@pytest.mark.parametrize("seed", range(3))
def test_batch_losses_are_the_mean_over_samples(seed):
    """One-hot, label and combined forms agree with a 50-digit evaluation of -mean(sum t log(y + 1e-7))."""
    y, labels, onehot = batch(seed)

    expected = mean_log(y, onehot)

    # A few roundings of numbers of order 1.
    near = pytest.approx(expected, rel=20 * EPS)
    assert cross_entropy_onehot(y, onehot) == near
    assert cross_entropy_label(y, labels) == near
    assert cross_entropy(y, onehot) == near
    assert cross_entropy(y, labels) == near


def test_a_sum_is_not_taken_for_the_mean():
    """Twice the same batch has the same loss, not twice the loss."""
    y, labels, _ = batch()

    once, twice = cross_entropy(y, labels), cross_entropy(np.tile(y, (2, 1)), np.tile(labels, 2))

    assert twice == pytest.approx(once, rel=20 * EPS)


def test_soft_targets_are_honoured_by_default_and_not_as_printed():
    """The printed form replaces a soft target by its largest entry; the default does not."""
    y, _, _ = batch()
    soft = np.random.default_rng(7).dirichlet(np.ones(4), len(y))

    expected = mean_log(y, soft)

    assert cross_entropy(y, soft) == pytest.approx(expected, rel=20 * EPS)
    assert cross_entropy_published(y, soft) == cross_entropy_label_published(y, soft.argmax(axis=1))
    assert abs(cross_entropy_published(y, soft) - expected) > 0.01


def test_one_sample_needs_no_batch_axis():
    """(k,) with a one-hot target, a label, or a label in an array: -log(0.25 + 1e-7) in each form."""
    y = np.array([0.25, 0.75])
    expected = pytest.approx(float(-mpmath.log(mpmath.mpf(0.25) + mpmath.mpf(1e-7))), rel=4 * EPS)

    assert cross_entropy(y, [1, 0]) == expected
    assert cross_entropy_onehot(y, [1, 0]) == expected
    assert cross_entropy_label(y, 0) == expected
    assert cross_entropy(y, np.array([0])) == expected


def test_labels_of_a_single_class_are_labels():
    """Three samples, one class: labels (3,) have as many entries as y (3, 1), and are labels all the same."""
    assert cross_entropy(np.ones((3, 1)), np.zeros(3, dtype=int)) == pytest.approx(-1e-7, rel=1e-6)


def test_log_of_zero_is_guarded_by_default_and_not_as_printed():
    """A probability 0 of the right class costs -log(1e-7); the printed label form gives inf and warns."""
    y = np.array([[0.0, 1.0]])

    assert cross_entropy_label(y, [0]) == pytest.approx(7 * np.log(10), rel=4 * EPS)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert cross_entropy_label_published(y, [0]) == np.inf


def test_published_delta_shifts_the_loss():
    """With delta outside of the logarithm the loss of y = 1 is -1e-7: below zero."""
    # One rounding of 0 + 1e-7.
    assert cross_entropy_published([[1.0, 0.0]], [0]) == pytest.approx(-1e-7, rel=EPS)


@pytest.mark.parametrize("label", [-1, 4])
@pytest.mark.parametrize("loss", [cross_entropy, cross_entropy_label, cross_entropy_published])
def test_a_label_outside_of_the_classes_is_refused(loss, label):
    """A negative label would index from the end."""
    y, labels, _ = batch()
    labels[2] = label

    with pytest.raises(ValueError, match="0 to 3 are allowed"):
        loss(y, labels)


def test_labels_that_are_no_integers_are_refused():
    """Labels as floats are a TypeError that names their dtype."""
    y, labels, _ = batch()

    with pytest.raises(TypeError, match="float64"):
        cross_entropy(y, labels.astype(float))


@pytest.mark.parametrize("shape", [(5,), (7,), (6, 1), (4, 6)])
def test_labels_of_another_number_are_refused(shape):
    """Six samples need six labels, in one axis."""
    y, _, _ = batch()

    with pytest.raises(ValueError, match="allowed"):
        cross_entropy(y, np.zeros(shape, dtype=int))


@pytest.mark.parametrize("loss", [cross_entropy, cross_entropy_onehot, cross_entropy_published])
def test_an_empty_batch_is_refused(loss):
    """The mean over no samples is nothing, not 0 or nan."""
    with pytest.raises(ValueError, match="non-empty"):
        loss(np.empty((0, 3)), np.empty((0, 3)))


@pytest.mark.slow
@given(
    y=hnp.arrays(float, (5, 3), elements=st.floats(0, 1, allow_subnormal=False)),
    labels=hnp.arrays(np.int64, 5, elements=st.integers(0, 2)),
)
@REPEATABLE
def test_onehot_and_label_forms_agree(y, labels):
    """The two corrected forms are one function of the same targets."""
    # Both sum the same five logarithms, of size up to 16, in different order.
    near = pytest.approx(cross_entropy_onehot(y, np.eye(3)[labels]), rel=1e-15, abs=1e-14)

    assert cross_entropy_label(y, labels) == near


def test_arguments_are_not_modified():
    """No loss writes to its arguments."""
    y, labels, onehot = batch()
    for array in (y, labels, onehot):
        array.flags.writeable = False  # a write would raise

    for loss in (cross_entropy, cross_entropy_published):
        loss(y, onehot)
        loss(y, labels)
    sum_squares_error(y, onehot)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8, np.uint64, np.int64])
def test_integers_of_every_type_are_what_floats_are(kind):
    """Unsigned ones wrapped around, -1 to 255."""
    a, other = np.array([0, 1, 1], kind), np.array([1, 0, 1], kind)

    assert sum_squares_error(a, other) == 1.0  # ((0 - 1)^2 + (1 - 0)^2 + 0) / 2
