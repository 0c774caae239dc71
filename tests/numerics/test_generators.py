"""Generators for seeds: the numbers of NumPy's."""

import numpy as np
import pytest

from gradcheck.numerics.tangents import generator_of


@pytest.mark.parametrize("seed", [0, 1, 17, 2**31, 2**63 + 5, 10**40])
def test_a_seed_gives_the_numbers_of_default_rng(seed: int):
    """Each time anew, from the beginning."""
    for _ in range(2):
        ours, numpys = generator_of(seed), np.random.default_rng(seed)
        assert np.array_equal(ours.uniform(-1.0, 1.0, 50), numpys.uniform(-1.0, 1.0, 50))
        assert np.array_equal(ours.choice([-1.0, 1.0], 50), numpys.choice([-1.0, 1.0], 50))
        assert ours.integers(2**63) == numpys.integers(2**63)


def test_a_generator_is_used_as_it_is():
    """And what is no seed NumPy refuses."""
    generator = np.random.default_rng(3)

    assert generator_of(generator) is generator
    with pytest.raises(ValueError, match="non-negative"):
        generator_of(-1)


def test_numbers_of_numpy_that_are_seeds():
    """An integer of NumPy, and several of them."""
    for seed in (np.int64(5), [1, 2, 3]):
        assert generator_of(seed).random() == np.random.default_rng(seed).random()
