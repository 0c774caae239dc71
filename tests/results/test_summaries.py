"""How many entries of an array are wrong, by parts that may lie over each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region
from gradcheck.results.entries import none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.summaries import summaries
from gradcheck.results.verdict import Judgement, Tolerance

PARAMETERS, _ = Parameters.of({"W": np.zeros((3, 4)), "b": np.zeros(2)})
W, B = PARAMETERS.blocks
ALL, ROW = Region(W, whole_box(W), True), Region(W, Box(((1, 2), (0, 4))), True)


@pytest.mark.parametrize(
    ("regions", "about"),
    [
        ((ROW,), 4 + 1),
        ((ROW, ROW), 4 + 1),
        ((ALL, ROW), 12),
        ((ROW, Region(W, Box(((0, 3), (1, 2))), True)), 4 + 3 - 1 + 1),
        # Of one of which not all are wrong it is not known which: no more than both hold, and no more than they fill.
        ((replace(ROW, stored=3), Region(W, Box(((1, 2), (0, 1))), True, 1)), 4 + 1),
        ((replace(ROW, stored=3), Region(W, Box(((0, 1), (0, 4))), True, 2)), 3 + 2),
    ],
)
def test_an_entry_that_lies_in_two_parts_counts_once(regions, about):
    """One that was judged beside them counts, too."""
    at, yes = np.array([0]), np.ones(1, bool)
    judgement = Judgement(yes, ~yes, ~yes, np.ones(1), np.ones(1))
    entries = replace(
        none_judged(np.dtype(float)), coordinates=at, analytic=np.ones(1), judgement=judgement,
        estimate=replace(
            none_judged(np.dtype(float)).estimate, value=np.zeros(1), error=np.full(1, 0.1)
        ),
    )  # fmt: skip
    found = summaries(PARAMETERS, Evidence(entries, (), tuple(regions)), Tolerance(1e-6))
    assert [array.about for array in found] == [about, 0]
