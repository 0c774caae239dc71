"""Quantiles against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.parameters.quantiles import median, quantile


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10, 101])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_they_are_those_of_numpy(size: int, share: float) -> None:
    """To a rounding: linear between two neighbours."""
    values = np.random.default_rng(size).normal(size=size)
    assert quantile(values, share) == pytest.approx(np.quantile(values, share), rel=1e-15)
    assert median(values) == pytest.approx(np.median(values), rel=1e-15)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_nan_is_the_quantile_of_what_holds_one(size: int) -> None:
    """However the others are sorted."""
    values = np.arange(float(size))
    values[size // 2] = np.nan
    assert np.isnan(quantile(values, 0.02))
    assert np.isnan(median(values))


def test_an_infinite_neighbour_takes_no_part() -> None:
    """The median of three is one of them."""
    assert median(np.array([1.0, 2.0, np.inf])) == 2.0
    assert median(np.array([1.0, np.inf, np.inf])) == np.inf
