"""A second look along a direction that disagrees: what a kink or fine structure beside x does not explain."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Mask
from gradcheck.joint.direction import Direction
from gradcheck.joint.directions import Directions
from gradcheck.numerics.line_fit import EIGHT

# A disagreement of fewer bars than this is looked at again along the same direction with another step.
SECOND_LOOK, NEARER, BESIDES = 30.0, 10.0, 1.4
# Scatter of a few rows of which the size is not known does not make a disagreement of so many bars.
CERTAIN = 1e4
# A kink that could explain less than this part of a disagreement is none of its causes.
BESIDE = 0.02


def confirmed(along: Directions, first: Direction, wrong: Mask, unsettled: Mask) -> Mask:
    """The rows of `wrong` (m,) that stay so; unsettled : (m,) those in which noise, a grid or a kink decides."""
    fit = first.fit
    if first.exact or fit is None:
        return wrong
    off = np.abs(first.residual)
    kink = (
        fit.kinked & (np.abs(fit.kink) > BESIDE * off) & (off <= 3.0 * first.error + 2.0 * np.abs(fit.kink))
    )
    # Of many rows some seem to scatter by accident.
    some = 2 * np.count_nonzero(unsettled) < unsettled.size
    wrong = wrong & ~kink & (first.noisy | ~unsettled | (some & (off > CERTAIN * first.error)))
    doubtful = wrong & (off <= SECOND_LOOK * first.error)
    if not doubtful.any() or along.problem.objective.remaining < 2 * len(EIGHT):
        return wrong & ~doubtful
    # Noise takes more of a shorter step; other points show other noise.
    nearer = BESIDES if np.any(first.noisy) else NEARER
    step, values = along.values(first.tangent, first.step / nearer, EIGHT)
    if values is None:
        return wrong & ~doubtful
    second = along.fit(values, step, EIGHT)
    again = along.compared(first.tangent, step, second.value, second.error)
    holds = again.exceeds & (np.abs(again.residual - first.residual) <= first.error + again.error)
    return wrong & (~doubtful | holds)
