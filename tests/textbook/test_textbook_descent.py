"""Gradient descent: the printed end, the path, and that init_x is left alone."""

import numpy as np
import pytest

from gradcheck.textbook import gradient_descent
from reference import analytic, published


def sum_of_squares(x):
    """The chapter's function."""
    return np.sum(x**2)


def test_the_printed_end_is_reproduced():
    """From (-3, 4), lr 0.1, 100 steps: the nine printed digits."""
    end = gradient_descent(sum_of_squares, published.DESCENT_START.value, lr=0.1, step_num=100)

    np.testing.assert_allclose(end, published.DESCENT_END.value, rtol=0, atol=published.DESCENT_END.half_unit)


def test_each_step_takes_the_same_factor():
    """On the sum of squares each step multiplies x by 1 - 2 lr; the history has the start and every step."""
    start = [-3.0, 4.0]

    end, path = gradient_descent(sum_of_squares, start, lr=0.1, step_num=5, history=True)

    expected = [analytic.sum_of_squares_descent(start, 0.1, k) for k in range(6)]
    # Rounding of the difference, eps f / 2h = 3e-11 at f = 25, times lr, over five steps.
    np.testing.assert_allclose(path, expected, rtol=0, atol=2e-10)
    np.testing.assert_array_equal(path[0], start)
    np.testing.assert_array_equal(path[-1], end)


def test_history_does_not_change_the_end():
    """The same end with and without history, bit for bit."""
    end = gradient_descent(sum_of_squares, [-3.0, 4.0], lr=0.1, step_num=7)

    np.testing.assert_array_equal(
        end, gradient_descent(sum_of_squares, [-3.0, 4.0], lr=0.1, step_num=7, history=True)[0]
    )


@pytest.mark.parametrize("history", [False, True])
def test_the_start_is_left_alone(history):
    """The form as printed that keeps the history changes init_x; this one does not, nor returns it."""
    start = np.array([-3.0, 4.0])

    gradient_descent(sum_of_squares, start, lr=0.1, step_num=3, history=history)
    same = gradient_descent(sum_of_squares, start, step_num=0)

    np.testing.assert_array_equal(start, [-3.0, 4.0])
    assert not np.shares_memory(same, start)


def test_an_integer_start_is_converted():
    """[-3, 4] as integers ends where [-3.0, 4.0] does."""
    np.testing.assert_array_equal(
        gradient_descent(sum_of_squares, np.array([-3, 4]), lr=0.1),
        gradient_descent(sum_of_squares, np.array([-3.0, 4.0]), lr=0.1),
    )


def test_too_large_a_learning_rate_diverges_and_too_small_a_one_hardly_moves():
    """lr 1.1 multiplies x by -1.2 a step; lr 1e-10 moves it by 2e-8 of itself in 100 steps."""
    far = gradient_descent(sum_of_squares, [-3.0, 4.0], lr=1.1, step_num=100)
    near = gradient_descent(sum_of_squares, [-3.0, 4.0], lr=1e-10, step_num=100)

    assert np.linalg.norm(far) > 1e8  # 5 * 1.2^100 = 4e8
    np.testing.assert_allclose(near, [-3.0, 4.0], rtol=1e-7)


def test_a_matrix_is_descended_in_its_shape():
    """init_x of any shape; the history stacks steps in front."""
    end, path = gradient_descent(sum_of_squares, np.ones((2, 3)), lr=0.5, step_num=1, history=True)

    # lr 0.5 goes to the minimum in one step, but for the rounding of the gradient, eps f / 2h = 7e-12.
    np.testing.assert_allclose(end, 0, atol=1e-10)
    assert path.shape == (2, 2, 3)


@pytest.mark.parametrize("lr", [0.0, -0.1, np.nan, np.inf, None])
def test_a_learning_rate_that_goes_nowhere_is_refused(lr):
    """0, a negative one, nan and inf are refused by name and value."""
    with pytest.raises(ValueError, match=f"lr is {lr}"):
        gradient_descent(sum_of_squares, [1.0], lr=lr)


def test_a_negative_number_of_steps_is_refused():
    """range(-1) would quietly return the start."""
    with pytest.raises(ValueError, match="step_num is -1"):
        gradient_descent(sum_of_squares, [1.0], step_num=-1)


def test_a_fraction_of_a_step_is_refused():
    """100.0 steps are no integer."""
    with pytest.raises(TypeError, match="float"):
        gradient_descent(sum_of_squares, [1.0], step_num=100.0)
