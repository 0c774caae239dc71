"""In which precision numbers were computed, by their digits: what tells it, and what looks like it by chance."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.function.matrix import dtype_by_digits

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=40)
# A bfloat16 has eight bits.
BRAIN = np.ldexp(np.rint(np.ldexp(np.frexp(VALUES)[0], 8)), np.frexp(VALUES)[1] - 8)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (VALUES, "float64"),
        (VALUES.astype(np.float32), "float32"),
        (np.diag(VALUES.astype(np.float32)), "float32"),
        (np.append(VALUES.astype(np.float32), 0.1), "float64"),
        (VALUES.astype(np.float16), "float16"),
        (BRAIN, "float16"),
        # Of so few nothing is told.
        (VALUES[:3].astype(np.float32), "float64"),
        (VALUES[:7].astype(np.float16), "float64"),
        # Grids, which any format holds, are none.
        (np.arange(40.0), "float64"),
        (RNG.integers(500, 2048, 40), "float64"),
        (RNG.integers(2**22, 2**24, 40), "float64"),
        (2.0 ** -np.arange(20), "float64"),
        (np.round(VALUES, 2), "float64"),
        (np.zeros(10), "float64"),
        (np.array([np.nan, np.inf, 1.0, 2.0, 3.0]), "float64"),
    ],
)  # fmt: skip
def test_the_digits_of_numbers_tell_the_format_that_they_have(values, dtype):
    """Within arrays of float64; what lies on a grid, or is too few, tells nothing."""
    assert dtype_by_digits(np.asarray(values, np.float64), "float64") == dtype


def test_what_an_array_says_of_itself_holds():
    """Numbers in arrays of a coarser type were computed in that."""
    assert dtype_by_digits(VALUES.astype(np.float32), "float32") == "float32"
