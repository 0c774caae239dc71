"""Formulas about rows: of one row in numbers what they are in arrays."""

import itertools

import numpy as np
import pytest

from gradcheck.numerics.row_formulas import rows_of

NUMBERS = [-np.inf, -2.0, -0.5, 0.0, 0.5, 2.0, 1e300, np.inf, np.nan]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_one_row_is_what_it_is_among_others(name: str):
    """For every pair of numbers, those that are none and infinite ones included."""
    one, several = rows_of(1), rows_of(2)
    for pair in itertools.product(NUMBERS, NUMBERS):
        left, right = (np.array([value, value]) for value in pair)
        expected = getattr(several, name)(left, right)[:1]
        found = one.array(getattr(one, name)(one.of(left[:1]), one.of(right[:1])))
        assert np.array_equal(found, expected, equal_nan=True), pair


def test_one_row_divides_and_chooses_as_arrays_do():
    """By 0, and where both choices are made."""
    one, several = rows_of(1), rows_of(3)
    for pair in itertools.product(NUMBERS, NUMBERS):
        a, b = (np.array([value] * 3) for value in pair)
        expected = several.array(several.where(a > b, a / b, abs(b) ** 0.2))[:1]
        left, right = one.of(a[:1]), one.of(b[:1])
        found = one.array(one.where(left > right, left / right, abs(right) ** 0.2))
        assert np.array_equal(found, expected, equal_nan=True), pair
        assert found.shape == (1,)
