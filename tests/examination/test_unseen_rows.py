"""Rows that show nothing wrong along a direction whose bars are wide; values by hand."""

import numpy as np
import pytest

from gradcheck.examination.row_evidence import unseen_rows
from gradcheck.function.matrix import Dense
from gradcheck.joint.direction import Direction

# Along (1, 1) the rows claim 2, 2, 2, 4 and 6.
CLAIM = Dense(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [3.0, 1.0], [3.0, 3.0]]))


def seen(residual, error, wrong):
    """What is said of rows of which these are wrong, by what the direction leaves and its bars."""
    residual = np.array(residual)
    direction = Direction(np.ones(2), 1.0, np.ones(5), residual, np.array(error), np.zeros(5))
    alpha, unseen = unseen_rows(direction, residual / CLAIM.product(np.ones(2)), np.array(wrong), CLAIM)
    return alpha.tolist(), unseen.tolist()


@pytest.mark.parametrize(("fourth", "may"), [(0.2, True), (1.8, True), (-1.1, False)])
def test_a_row_that_may_be_off_by_what_most_are_is_looked_at(fourth, may):
    """Half of 2, 2, 2 and 6 is too much; of 4 that were 2, which the row leaves within its bar of 3, or not."""
    error = [1e-9, 1e-9, 1e-9, 1.0, 1e-9]
    alpha, unseen = seen([1.0, 1.0, 1.0, fourth, 3.0], error, [True, True, True, False, True])
    assert unseen == [False, False, False, may, False]
    assert alpha == [0.5, 0.5, 0.5, 0.5 if may else fourth / 4.0, 0.5]


@pytest.mark.parametrize(
    ("residual", "wrong"),
    [
        ([1.0, 1.0, 0.0, 0.0, 0.0], [True, True, False, False, False]),
        ([1.0, 1.2, 1.0, 0.0, 3.0], [True, True, True, False, True]),
    ],
)
def test_a_few_rows_or_unlike_ones_say_nothing_of_others(residual, wrong):
    """Two of five, and four that do not share one part."""
    assert not any(seen(residual, [1e-9, 1e-9, 1e-9, 1.0, 1e-9], wrong)[1])
