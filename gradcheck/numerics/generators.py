"""Generators for seeds, those of NumPy in a tenth of its time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence

__all__ = ["generator_of"]


class _Words(ISeedSequence):
    """What NumPy makes of a seed for PCG64, made once: that is most of the time that `default_rng` takes."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.SeedSequence(seed).generate_state(4, np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> Any:
        """The words; PCG64 asks for four of 64 bits."""
        return self._words[:n_words]


_words = lru_cache(maxsize=64)(_Words)


def generator_of(rng: Any) -> np.random.Generator:
    """`numpy.random.default_rng(rng)`: of an integer the same numbers, of a generator itself."""
    if type(rng) is int:
        return np.random.Generator(np.random.PCG64(cast(Any, _words(rng))))
    return np.random.default_rng(rng)
