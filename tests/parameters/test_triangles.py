"""What a square array of derivatives may have to be, where one triangle is taken for both."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.parameters.triangles import other_claims

G = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])


@pytest.mark.parametrize(
    ("claim", "how"),
    [
        ([[1, 4, 6], [0, 4, 10], [0, 0, 6]], ("analytic", "lower")),
        ([[1, 0, 0], [4, 4, 0], [6, 10, 6]], ("analytic", "upper")),
        ([[2, 4, 6], [0, 8, 10], [0, 0, 12]], ("analytic", "lower")),
        ([[1, 2, 3], [0, 4, 5], [0, 0, 6]], None),
        ([[1, 4, 6], [4, 4, 10], [6, 10, 6]], None),
    ],
)
def test_a_symmetric_array_is_found_behind_what_it_is_taken_for(claim, how):
    """Sums of pairs in one triangle, or in both; one triangle left out."""
    found = [
        (name, other) for name, other in other_claims(np.array(claim, float)) if np.array_equal(other, G)
    ]
    assert [name for name, _ in found] == [how]


def test_a_symmetric_array_may_be_of_an_f_that_reads_one_triangle():
    """Then all of a pair is in that one."""
    lower, upper = np.array([[1, 0, 0], [4, 4, 0], [6, 10, 6]]), np.array([[1, 4, 6], [0, 4, 10], [0, 0, 6]])
    found = {how[1]: other for how, other in other_claims(G) if how is not None and how[0] == "numerical"}
    assert np.array_equal(found["lower"], upper)
    assert np.array_equal(found["upper"], lower)


@pytest.mark.parametrize("claim", [np.zeros((0, 0)), np.ones((1, 1)), np.diag([1.0, 2.0])])
def test_what_has_no_triangle_may_be_nothing_else(claim):
    """Nothing is 0 of nothing."""
    assert list(other_claims(claim)) == []
