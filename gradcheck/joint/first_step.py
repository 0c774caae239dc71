"""How far the first direction goes: by the size of f, its slope, and what rounding makes of the bar."""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Values
from gradcheck.parameters.quantiles import median

# The first step over the length along which f changes by its own size; that length is a thousandth of x at the least,
# for f(x) may cancel to next to nothing. Where it is below the third, as no f changes that could be followed in
# doubles, f(x) is what is left of a root of f, and says nothing of a length: then it is a part of x.
FIRST_STEP, SHORTEST, ROOT, ROOT_LENGTH = 0.01, 1e-3, 1e-9, 0.1
# Where rounding alone would ask for more directions, and f changes by its own size in so many lengths of x, the first
# step is up to so many times as long, but no more than arrays are held back for the one that does least: they bend less
# by that. Rounding makes such a part of E h, by trial on the chapter's network.
ROUNDED, STRETCHED = 30.0, 8.0


def lengths_of(f_x: Values, weight: Values) -> Values:
    """The lengths along which f changes by its own size, of the rows that have one, in units of a direction.

    weight : (m,) the root of the sum of squares of the terms of J v.
    """
    lengths = np.abs(f_x) / weight
    return np.asarray(lengths[np.isfinite(lengths)])


def first_step(f_x: Values, weight: Values, asked: Values | None, held: float) -> float:
    """The step of the first direction, a power of two, so that similar claims ask for the same values.

    f_x, weight : (m,) as of `lengths_of`. asked : (m,) the step that rounding would ask for; None where it is no
    matter. held : how many times as far arrays would move were they not held back for the one that does least.
    """
    lengths = lengths_of(f_x, weight)
    usual = ROOT_LENGTH if lengths.size else 1.0
    lengths = lengths[lengths > ROOT]
    within = np.minimum(np.maximum(lengths, SHORTEST), 1.0)
    length = float(median(within)) if lengths.size else usual
    if length == 1.0 and lengths.size and asked is not None:
        asked = asked[np.isfinite(asked)] / FIRST_STEP
        longer = float(median(asked)) if asked.size else 1.0
        length = max(1.0, min(longer, STRETCHED, held, float(median(lengths))))
    return 2.0 ** round(math.log2(FIRST_STEP * length))
