"""Quantiles against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.parameters.quantiles import SAMPLED, median, quantile, sampled


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


def test_of_many_a_sample_tells_the_quantiles() -> None:
    """The share of a million below the 2 % of 65,536 is 2 % within five deviations, of 0.055 % each."""
    values = np.random.default_rng(1).permutation(10**6).astype(float)
    some = sampled(values)
    assert some.size == SAMPLED
    for share in (0.02, 0.5):
        deviation = np.sqrt(share * (1.0 - share) / SAMPLED)
        assert quantile(some, share) / 10**6 == pytest.approx(share, abs=5.0 * deviation)
    assert sampled(values).tolist() == some.tolist()
    assert sampled(values[:SAMPLED]) is not some
    assert np.shares_memory(sampled(values[:SAMPLED]), values)
