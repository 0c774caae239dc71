"""Four points of a direction in noise: the step at which they tell most, and what bends may hide from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.numerics.line_fit import FOUR, LineFit, fifth_over_third, hidden_bends, third_order
from gradcheck.parameters.quantiles import median

__all__ = ["AMPLIFIED", "FAR", "NEAR", "Short", "hidden_of", "shortest"]

# The weights of the values in the derivative by four points: the root of the sum of their squares, times the step.
NEAR, FAR = FOUR
AMPLIFIED = math.hypot(FAR**2 / NEAR, NEAR**2 / FAR) / (math.sqrt(2.0) * (FAR**2 - NEAR**2))
# They lie at such a part of the step of eight.
PARTS = tuple(2.0 ** (k / 2.0) for k in range(2, 9))
# What four points leave of the bends, over what they take out of the chord of the outer two: h^2 NEAR^2 b5 / b3, less
# than this where bends fall; or so many times what directions of eight points show of it.
LEFT, SPARE = 0.3, 10.0


@dataclass(frozen=True)
class Short:
    """Four points at a short step around x, and what they leave of the slopes of all rows; arrays are (m,).

    fit : of eight points, which tells. noise : what noise adds, as an E. together : that and what bends may take, as
    they are most often. typical : the same over the weight, in the median.
    """

    step: float
    fit: LineFit
    noise: Values
    together: Values
    typical: float


def shortest(told: Sequence[tuple[LineFit, Values]], pending: Mask) -> Short:
    """The four points that noise and bends leave most of, in the median of some rows (m,).

    told : fits to eight points, with the weights (m,) of their directions.
    """

    def at(fit: LineFit, weight: Values, step: float) -> Short:
        hidden, noise = hidden_bends(fit, step), AMPLIFIED / step
        relative = (hidden + noise * fit.scatter) / weight
        relative = relative[pending & np.isfinite(relative)]
        typical = float(median(relative)) if relative.size else np.inf
        return Short(step, fit, noise * fit.noise, hidden + noise * fit.scatter, typical)

    found = (at(fit, weight, fit.step / shorter) for fit, weight in told for shorter in PARTS)
    return min(found, key=lambda short: short.typical)


def hidden_of(
    value: Values, inner: Values, outer: Values, step: float, noise: Values, fits: Sequence[LineFit]
) -> Values:
    """What four points may lack of the slope beside noise, (m,).

    value : the slope by their rule; inner, outer : by the chords. noise : of one value of f. fits : to eight points.
    Along this tangent f may bend more than along theirs, of fifth order by the power 5/3 of what is seen of third
    beside noise; what is left is less than what the rule took out.
    """
    chords = math.hypot(1.0 / NEAR, 1.0 / FAR) / math.sqrt(2.0) * noise / step
    seen = (np.abs(outer - inner) - 3.0 * chords) / ((FAR**2 - NEAR**2) * step**2)
    told = [(hidden_bends(fit, step), third_order(fit)) for fit in fits if fit.step > step]
    bends = [hidden * np.maximum(seen / third, 1.0) ** (5 / 3) for hidden, third in told]
    least = np.min([hidden for hidden, _ in told], axis=0)
    # Rows come of one f: they bend over lengths that are alike.
    rate = SPARE * step**2 * float(median(np.min([fifth_over_third(fit) for fit in fits], axis=0)))
    return np.asarray(
        np.minimum(np.fmin.reduce(bends), np.maximum(min(LEFT, rate) * np.abs(value - outer), least))
    )
