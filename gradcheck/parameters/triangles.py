"""What the derivative by a symmetric matrix is taken for: one triangle of it, or both folded onto one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Which side, `analytic` or `numerical`, is the other one with a triangle, `lower` or `upper`, added to the other.
Folded = tuple[str, str]


def changes(lower: Any, upper: Any, diagonal: Any) -> Iterator[tuple[Folded | None, Any]]:
    """What to add to a claim whose triangles are not what they are claimed to be; and how they are folded, if they are.

    lower, upper, diagonal : the parts of the claim (n, n), dense or sparse. The diagonal may be added to itself, too.
    What is claimed in one triangle alone may be symmetric, or the sum of a symmetric pair; what is claimed in both may
    be in one, of an f that reads that one, or be each the sum of a pair.
    """
    below, above = (abs(part).max() > 0 for part in (lower, upper))
    off = lower + upper
    if below != above:
        empty = "upper" if below else "lower"
        yield None, off.T
        yield ("analytic", empty), (off.T - off) / 2.0
        yield ("analytic", empty), (off.T - off - diagonal) / 2.0
    elif below:
        yield ("numerical", "lower"), lower.T - lower
        yield ("numerical", "upper"), upper.T - upper
        yield None, off / -2.0


def other_claims(claim: NDArray[Any]) -> Iterator[tuple[Folded | None, NDArray[Any]]]:
    """What a square array of derivatives may have to be, and how it is folded, if it is."""
    diagonal = np.diag(np.diag(claim))
    for folded, change in changes(np.tril(claim, -1), np.triu(claim, 1), diagonal) if claim.size > 1 else ():
        yield folded, claim + change
