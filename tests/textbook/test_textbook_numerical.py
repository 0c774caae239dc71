"""Central differences: printed figures, their error, and that the caller's array ends as it began."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck.textbook import (
    gradient_field,
    gradient_for_anydim_published,
    numerical_diff,
    numerical_gradient,
)
from reference import analytic, published

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)


def sum_of_squares(x):
    """The chapter's function, for any shape."""
    return np.sum(x**2)


def saddle(x):
    """x0 x1: not a sum of terms in one coordinate each."""
    return x[0] * x[1]


def test_the_printed_derivative_is_reproduced():
    """0.01 x^2 + 0.1 x at 5: all 16 printed digits, and the analytic value to rounding."""
    value = numerical_diff(lambda x: 0.01 * x**2 + 0.1 * x, 5)

    assert value == published.PARABOLA_DERIVATIVE.value
    # No truncation for a parabola; rounding of f = 0.75 by eps f, divided by 2 h, is 8e-13.
    assert value == pytest.approx(analytic.parabola_derivative(5), rel=0, abs=2e-12)


def test_a_one_sided_difference_would_be_seen():
    """(f(x+h) - f(x)) / h is off by h f''/2 = 1e-6: outside of the tolerance used above."""
    one_sided = ((0.01 * 5.0001**2 + 0.1 * 5.0001) - 0.75) / 1e-4

    assert abs(one_sided - 0.2) > 5e-7


def test_truncation_error_is_that_of_the_central_formula():
    """For x^3 the error is exactly h^2: f''' / 6 = 1."""
    # Rounding: eps f / h = 2e-15 for f near 1 and h = 0.1.
    assert numerical_diff(lambda x: x**3, 1.0, h=0.1) == pytest.approx(3.01, rel=0, abs=2e-14)


@pytest.mark.parametrize("i", range(3))
def test_the_printed_gradients_are_reproduced(i):
    """[6, 8], [0, 4] and [6, 0], to the eight digits that NumPy prints."""
    point = published.GRADIENT_POINTS.value[i].copy()

    gradient = numerical_gradient(sum_of_squares, point)

    np.testing.assert_allclose(
        gradient, published.GRADIENTS.value[i], rtol=0, atol=published.GRADIENTS.half_unit
    )


@given(hnp.arrays(float, hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), elements=st.floats(-10, 10)))
@REPEATABLE
def test_any_shape_is_differentiated_and_restored(x):
    """Arrays of no to three axes: 2x in x's shape, and x is bit for bit what it was."""
    before = x.tobytes()

    gradient = numerical_gradient(sum_of_squares, x)

    assert gradient.shape == x.shape
    assert x.tobytes() == before
    # Rounding: f up to 2,700, eps f / 2h = 3e-9, a few times in the sum of 27 terms.
    np.testing.assert_allclose(gradient, 2 * x, rtol=0, atol=3e-8)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], np.flip])
def test_any_memory_layout_is_differentiated(layout):
    """Fortran order, a strided view and a reversed view give the same gradient."""
    x = layout(np.arange(6.0).reshape(2, 3))

    # f up to 55: eps f / 2h = 6e-11.
    np.testing.assert_allclose(numerical_gradient(sum_of_squares, x), 2 * x, rtol=0, atol=1e-9)


@given(
    x=hnp.arrays(float, (2, 3), elements=st.floats(-10, 10)),
    calls=st.integers(1, 12),
)
@REPEATABLE
def test_the_array_is_restored_when_f_raises(x, calls):
    """Whichever of the twelve evaluations raises, x is bit for bit what it was, and the error comes through."""
    before = x.tobytes()
    seen = 0

    def fails_late(point):
        nonlocal seen
        seen += 1
        if seen == calls:
            raise ZeroDivisionError("planted")
        return sum_of_squares(point)

    with pytest.raises(ZeroDivisionError, match="planted"):
        numerical_gradient(fails_late, x)
    assert x.tobytes() == before


def test_f_is_called_with_the_very_array_twice_per_coordinate():
    """The chapter's networks read their weights from the array that is perturbed."""
    x = np.array([1.0, 2.0, 3.0])
    seen = []

    numerical_gradient(lambda point: seen.append(point is x) or float(sum_of_squares(x)), x)

    assert seen == [True] * 6


@pytest.mark.parametrize(
    "x", [np.array([3, 4]), np.array([True, False]), np.array([1 + 0j]), [3.0, 4.0], 3.0]
)
def test_what_would_truncate_the_step_is_refused(x):
    """Integers cannot hold x + h; the TypeError says what to pass."""
    with pytest.raises(TypeError, match=r"numpy\.asarray\(x, dtype=float\)"):
        numerical_gradient(sum_of_squares, x)


def test_a_read_only_array_is_refused():
    """It cannot be perturbed in place; the ValueError says to pass a copy."""
    x = np.ones(2)
    x.flags.writeable = False

    with pytest.raises(ValueError, match=r"x\.copy\(\)"):
        numerical_gradient(sum_of_squares, x)


def test_a_function_that_is_not_scalar_is_refused():
    """An f that returns (1,) is not taken for a scalar; x is restored."""
    x = np.ones(2)

    with pytest.raises(ValueError, match=r"f returned shape \(1,\); a scalar is allowed"):
        numerical_gradient(lambda point: point[:1], x)
    np.testing.assert_array_equal(x, 1)


def test_nan_of_f_stays_nan():
    """A nan at a probed point shows in the gradient, where it arose and nowhere else."""
    x = np.array([-1.0, 2.0])

    gradient = numerical_gradient(lambda p: np.nan if p[0] < -1 else float(p.sum()), x)

    assert np.isnan(gradient).tolist() == [True, False]


def grid():
    """The chapter's 18 x 18 grid."""
    return np.meshgrid(published.GRID_AXIS.value, published.GRID_AXIS.value)


def test_gradient_field_of_the_chapter():
    """On the 18 x 18 grid the field of x0^2 + x1^2 is (2 x0, 2 x1), in the grid's shape."""
    X0, X1 = grid()

    G0, G1 = gradient_field(sum_of_squares, X0, X1)

    assert G0.shape == G1.shape == (18, 18)
    # f up to 10: eps f / 2h = 1e-11.
    np.testing.assert_allclose(G0, 2 * X0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(G1, 2 * X1, rtol=0, atol=1e-10)


def test_gradient_field_of_a_function_that_is_not_separable():
    """x0 x1 has the field (x1, x0); the form as printed gives neither."""
    X0, X1 = grid()

    G0, G1 = gradient_field(saddle, X0, X1)
    rows = np.array([X0.ravel(), X1.ravel()])
    printed = gradient_for_anydim_published(saddle, rows)

    np.testing.assert_allclose(G0, X1, rtol=0, atol=1e-10)
    np.testing.assert_allclose(G1, X0, rtol=0, atol=1e-10)
    assert np.abs(printed[0] - X1.ravel()).max() > 1


def test_the_printed_field_is_right_where_f_is_separable():
    """For x0^2 + x1^2 rows taken for points give the same numbers, and the rows are restored."""
    X0, X1 = grid()
    rows = np.array([X0.ravel(), X1.ravel()])
    before = rows.copy()

    printed = gradient_for_anydim_published(sum_of_squares, rows)

    # f is the sum over 324 points, up to 600: eps f / 2h = 7e-10, several times in the sum.
    np.testing.assert_allclose(printed, 2 * rows, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_allclose(gradient_for_anydim_published(sum_of_squares, rows[0]), printed[0], atol=1e-8)


def test_gradient_field_leaves_the_grid_alone():
    """Integer coordinates are converted, not truncated, and nothing is written to."""
    X0, X1 = np.meshgrid([0, 1, 2], [5, 6])
    X0.flags.writeable = X1.flags.writeable = False

    G0, _ = gradient_field(sum_of_squares, X0, X1)

    # f up to 40: eps f / 2h = 4e-11.
    np.testing.assert_allclose(G0, 2 * X0, rtol=0, atol=1e-9)


def test_coordinates_of_different_shapes_are_refused():
    """The two axes of a grid are no grid: meshgrid is missing."""
    with pytest.raises(ValueError, match=r"x1 has shape \(4,\); x0's shape \(3,\) is allowed"):
        gradient_field(sum_of_squares, np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("estimate", [numerical_diff, numerical_gradient])
def test_arguments_in_another_order_are_refused(estimate):
    """x before f; and a list as x, to which no step can be added."""
    x = np.array([3.0, 4.0])
    for arguments, said in (
        ((x, sum_of_squares), "f is array.*the order is f, x"),
        ((None, x), "f is None"),
        ((sum_of_squares, [3.0]), "x (is|has)"),
        ((sum_of_squares, "5"), "x (is|has)"),
    ):
        with pytest.raises(TypeError, match=said):
            estimate(*arguments)
    assert np.all(np.isfinite(estimate(sum_of_squares, x)))


@pytest.mark.parametrize("h", [0, 0.0, np.nan, np.inf, None, "1e-4", 1j])
@pytest.mark.parametrize("estimate", [numerical_diff, numerical_gradient])
def test_a_step_that_is_none_is_refused(estimate, h):
    """Some would return nan or inf without a word."""
    with pytest.raises(ValueError, match=r"h is .*; a finite number other than 0 is allowed"):
        estimate(sum_of_squares, np.array([3.0, 4.0]), h=h)
