"""Formulas about rows: of one row in numbers what they are in arrays."""

import itertools

import numpy as np
import pytest

from gradcheck.numerics import row_formulas
from gradcheck.numerics.row_formulas import unwrapped, where, wrapped

NUMBERS = [-np.inf, -2.0, -0.5, 0.0, 0.5, 2.0, 1e300, np.inf, np.nan]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmin"])
def test_one_row_is_what_it_is_among_others(name: str):
    """For every pair of numbers, those that are none and infinite ones included."""
    formula = getattr(row_formulas, name)
    for pair in itertools.product(NUMBERS, NUMBERS):
        left, right = (np.array([value, value]) for value in pair)
        expected = formula(left, right)
        assert np.array_equal(expected, getattr(np, name)(left, right), equal_nan=True), pair
        assert np.array_equal(formula(left, right[0]), expected, equal_nan=True), pair
        assert np.array_equal(formula(left[0], right), expected, equal_nan=True), pair
        found = wrapped(formula(unwrapped(left[:1]), unwrapped(right[:1])))
        assert np.array_equal(found, expected[:1], equal_nan=True), pair


def test_one_row_divides_and_chooses_as_arrays_do():
    """By 0, and where both choices are made."""
    for pair in itertools.product(NUMBERS, NUMBERS):
        a, b = (np.array([value] * 3) for value in pair)
        expected = wrapped(where(a > b, a / b, abs(b) ** 0.2))
        assert np.array_equal(expected, np.where(a > b, a / b, abs(b) ** 0.2), equal_nan=True), pair
        left, right = unwrapped(a[:1]), unwrapped(b[:1])
        found = wrapped(where(left > right, left / right, abs(right) ** 0.2))
        assert np.array_equal(found, expected[:1], equal_nan=True), pair
        assert found.shape == (1,)
