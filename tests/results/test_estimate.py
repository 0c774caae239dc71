"""How a numerical derivative with its bar is written."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import Estimate


def estimate(value: Any, error: Any) -> Estimate:
    """An Estimate of which only value and bar are of interest."""
    parts: dict[str, Any] = {f.name: None for f in dataclasses.fields(Estimate)}
    return Estimate(**(parts | {"value": value, "error": error, "nfev": 0}))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.5403023058679904, 1.47e-12, "0.540302305868 +- 1.5e-12"),
        (2.354e-7, 3e-9, "2.35e-07 +- 3e-09"),
        (-12345.678, 20.0, "-1.235e+04 +- 20"),
        (12345.678, 2.0, "12346 +- 2"),
        (12.0, 1e-3, "12 +- 0.001"),
        (1e-9, 1e-3, "1e-09 +- 0.001"),
        (-0.0, 1e-3, "0 +- 0.001"),
        (0.1, 0.0, "0.10000000000000001 +- 0"),
        (np.nan, np.inf, "nan +- inf"),
        (1.25, np.inf, "1.25 +- inf"),
        (1.25 - 2j, 1e-3, "1.25-2j +- 0.001"),
        (np.array(1.25), np.array(0.1), "1.2 +- 0.1"),
        ([], [], "[]"),
        (np.array([1.25, 3.0]), np.array([0.01, 0.1]), "[1.25 +- 0.01, 3 +- 0.1]"),
        (
            {"b": 3.0, "W": np.array([[1.25]])},
            {"b": 0.1, "W": np.array([[0.01]])},
            "{'b': 3 +- 0.1, 'W': [[1.25 +- 0.01]]}",
        ),
        ((1.25, 3.0), (0.01, 0.1), "(1.25 +- 0.01, 3 +- 0.1)"),
    ],
)
def test_a_value_has_as_many_digits_as_its_bar_leaves(value, error, text):
    """To the place of the first digit of the bar: what lies below is not known."""
    assert str(estimate(value, error)) == text
    assert repr(estimate(value, error)) == f"<Estimate: {text}>"


def test_a_long_array_is_shortened():
    """A million entries are a few lines, with both ends."""
    text = str(estimate(np.arange(1e6), np.full(10**6, 0.1)))

    assert "..." in text
    assert text.startswith("[0 +- 0.1, 1 +- 0.1, ")
    assert text.endswith("999999 +- 0.1]")
    assert len(text) < 200


def test_what_gradient_and_derivative_return_is_written_so():
    """cos 1 = 0.5403023058681398: all but the last of the digits shown are its own."""
    text = str(gradcheck.derivative(np.sin, 1.0))

    assert text.startswith("0.5403023058")
    assert float(text.split(" +- ")[0]) == pytest.approx(
        0.5403023058681398, abs=3 * float(text.split(" +- ")[1])
    )
