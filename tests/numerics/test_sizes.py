"""How large a gradient is, from what was measured of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck.numerics.tangents import gradient_scale
from gradcheck.results.estimate import as_told


def scale_of(value: Any, error: Any, *blocks: Any, chord: Any = np.nan) -> list[float]:
    """The size of the gradient that each derivative is given."""
    group = np.concatenate([np.full(len(block), k) for k, block in enumerate(blocks)])
    values, nothing = np.array(value, float), np.zeros(len(value))
    bars, chords = (np.broadcast_to(np.asarray(part, float), values.shape) for part in (error, chord))
    return gradient_scale(replace(as_told(values, bars, nothing), chord=chords), group).tolist()


def test_the_scale_of_an_array_is_its_root_mean_square():
    """3 and 4 have sqrt(12.5); each array has its own."""
    assert scale_of([3.0, -4.0, 7.0], 1e-3, [0, 1], [2]) == pytest.approx([12.5**0.5, 12.5**0.5, 7.0])


def test_what_lies_within_its_bar_counts_as_zero_in_the_scale():
    """3.5 bars are seen, 2.9 are noise: of the entries 3.5 and 2.9 the first alone has a size."""
    assert scale_of([3.5, 2.9], 1.0, [0, 1]) == pytest.approx([3.5 / 2**0.5] * 2)
    assert scale_of([3.5e-3, 2.9e-3], 1e-3, [0, 1]) == pytest.approx([3.5e-3 / 2**0.5] * 2)


def test_where_nothing_is_seen_the_chords_are_the_scale_the_own_and_the_median():
    """At a stationary point, derivatives of exactly zero among them; a chord without a bar does not count.

    Of an even number the lower one in the middle: the steepest of all says nothing of the others.
    """
    assert scale_of([0.0, 0.1], [0.0, 1.0], [0, 1], chord=[0.5, 2.0]) == [0.5, 2.0]
    assert scale_of([0.0] * 4, [0.1] * 4, range(4), chord=[3e7, 0.0, 25.0, 7.0]) == [3e7, 7.0, 25.0, 7.0]
    assert scale_of([0.0, 0.0], [0.0, np.inf], [0, 1], chord=[0.5, 2.0]) == [0.5, 0.5]
    assert scale_of([0.0, 0.0], [0.0, 1.0], [0], [1], chord=[0.5, 2.0]) == [0.5, 2.0]


def test_an_array_that_was_not_measured_has_no_scale_and_the_next_one_has():
    """An infinite bar says nothing about the size, of its own array or of another."""
    assert scale_of([5.0, 2.0], [np.inf, 1e-3], [0], [1]) == [0.0, 2.0]
