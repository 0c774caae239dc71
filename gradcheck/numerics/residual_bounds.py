"""What residuals along random directions prove of the error, with a chance to be wrong that is chosen."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gradcheck._typing import Values

__all__ = ["MOST_WITH_NOISE", "bound_of", "bounds_of_one", "least_bounds"]

# Directions after which it is given up where f is noisy: each says less, and entries cost more, too.
MOST_WITH_NOISE = 64


def bound_of(most: Values, delta: float) -> Values:
    """The scaled error norm (m,) of each row that residuals of at most `most` (K, m) prove, missed with a chance delta.

    The chance that all but k of K directions stay within tau is at most C(K, k) (sqrt(2) tau / B)^(K - k). The k
    least precise may be left out; the share of k is 2^-(k + 1), that of a look after K directions 1 / (K (K + 1)).
    docs/certificate.md derives it.
    """
    from_largest = np.sort(most, axis=0)[::-1] if len(most) > 1 else most
    return np.asarray(np.minimum.reduce(bounds_of_one(len(most), delta)[:, None] * from_largest))


@lru_cache(maxsize=256)
def bounds_of_one(count: int, delta: float) -> Values:
    """(K,) the norm that K residuals of 1 prove, where the k least precise are left out."""
    share = delta / (count * (count + 1))
    return np.array(
        [
            math.sqrt(2.0) * (math.comb(count, k) * 2.0 ** (k + 1) / share) ** (1.0 / (count - k))
            for k in range(count)
        ]
    )


@lru_cache(maxsize=256)
def least_bounds(delta: float) -> Values:
    """(MOST_WITH_NOISE,) the same of 1, 2, .. residuals, the best number of them left out."""
    return np.array([bounds_of_one(k, delta).min() for k in range(1, MOST_WITH_NOISE + 1)])
