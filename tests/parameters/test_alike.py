"""Entries that are alike are one; what differs in one number is another."""

from __future__ import annotations

import numpy as np

from gradcheck.parameters.alike import first_of_alike

BARS = np.full(5, 1e-9)
ONES, NAN = np.ones(5), np.full(5, np.nan)


def test_of_entries_that_are_alike_the_first_is_one():
    """But for rounding; unknown numbers are alike."""
    rounded = ONES + np.array([0.0, 1e-16, 0.0, 2e-16, 0.0])

    assert first_of_alike((rounded, NAN), rounded, BARS, 1e-9).tolist() == [0]
    assert first_of_alike((ONES,), ONES + np.array([0, 0, 1, 1, 1e-10]), BARS, 1e-9).tolist() == [0, 2]


def test_entries_that_differ_in_one_number_are_others():
    """In a key, or in the value beyond their bars."""
    two = np.array([3.0, 1.0, 3.0, 1.0, 3.0])
    three = np.array([0.0, 0.0, 0.0, 1.0, 0.0])

    assert first_of_alike((two, ONES), ONES, BARS, 1e-9).tolist() == [0, 1]
    assert first_of_alike((ONES, two), three, BARS, 1e-9).tolist() == [0, 1, 3]
    assert first_of_alike((np.arange(5.0), ONES), ONES, BARS, 1e-9).tolist() == [0, 1, 2, 3, 4]
    assert first_of_alike((ONES,), ONES + 3e-9 * np.arange(5), BARS, 1e-9).tolist() == [0, 1, 2, 3, 4]
    assert first_of_alike((np.zeros(0),), np.zeros(0), np.zeros(0), 1e-9).size == 0
