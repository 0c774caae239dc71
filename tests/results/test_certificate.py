"""When an array is certified: by its bound, or because every entry of it was judged by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Certificate
from gradcheck.results.entries import Entries, none_judged
from gradcheck.results.evidence import Evidence

PARAMETERS, _ = Parameters.of({"a": np.zeros(2), "b": np.zeros(3)})
A, B = PARAMETERS.blocks


def judged(*coordinates: int) -> Entries:
    """Evidence of these entries; what was decided of them does not matter here."""
    return replace(none_judged(np.dtype(np.float64)), coordinates=np.array(coordinates, np.intp))


@pytest.mark.parametrize(("bound", "certified"), [(0.9e-3, True), (1e-3, True), (1.1e-3, False)])
def test_an_array_is_certified_by_a_bound_within_the_resolution(bound, certified):
    """Up to the resolution, that included; however many of its entries were judged."""
    array = ArrayEvidence(A, (), Certificate("a", 1.0, bound, 0.99, 4))
    assert Evidence(judged(), (array,)).certified(array, 1e-3) is certified
    assert Evidence(judged(0, 1), (array,)).certified(array, 1e-3) is certified


@pytest.mark.parametrize(
    ("block", "coordinates", "certified"),
    [
        (A, (0, 1), True),
        (B, (2, 3, 4), True),
        (A, (0, 1, 2, 3, 4), True),
        (B, (4, 2, 3, 0), True),
        (A, (1, 2), False),
        (B, (3, 4), False),
        (B, (1, 3, 4), False),
        (B, (), False),
    ],
)
def test_an_array_without_directions_is_certified_where_every_entry_was_judged(block, coordinates, certified):
    """All of its own, the first and the last among them; those of its neighbours do not count."""
    assert Evidence(judged(*coordinates)).certified(ArrayEvidence(block, (), None), 1e-3) is certified
