"""Few points of a direction: the step at which they tell most, and what bends may hide from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.numerics.line_fit import FOUR, LineFit, fifth_over_third, hidden_bends, third_order
from gradcheck.parameters.quantiles import median

# The weights of the values in the derivative by four points: the root of the sum of their squares, times the step.
NEAR, FAR = FOUR
AMPLIFIED = math.hypot(FAR**2 / NEAR, NEAR**2 / FAR) / (math.sqrt(2.0) * (FAR**2 - NEAR**2))
# They lie at such a part of the step of eight; at a longer one they leave more of the bends that noise may hide from
# eight than a longer step takes off noise.
PARTS = tuple(2.0 ** (k / 2.0) for k in range(4, 9))
# What four points leave of the bends, over what they take out of the chord of the outer two: h^2 NEAR^2 b5 / b3, less
# than this where bends fall; or so many times what directions of eight points show of it.
LEFT, SPARE = 0.3, 10.0
# Steps that differ by less are alike.
ALIKE = 1.05
# No step of few points is longer.
LONGEST_STEP = 0.3


def two_points(fit: LineFit, share: Values, noise: Values, longest: float) -> tuple[float, Values]:
    """The step of two points, in the median of the rows, and the bar E (m,) of the slope between them.

    share : (m,) the part of the direction of the fit that is moved, in length; f bends by as much less, b3 h^2, but
    where b3 is what noise shows. Of entries that bend f each by itself it grows as the root of their number; by a
    higher power, as where f is one function of them all, parts of a sum of sines lie 45 E off.
    noise : (m,) of one value of f. longest : the longest step.
    """
    share = np.where(fit.bends[0] > 3.0 * fit.scatter, share, 1.0)
    # Noise makes 0.71 / h times that of one value; both are about equal at h. One b3 may be small by accident.
    bend = np.maximum(fit.odd[1], np.sqrt(fit.even[0] * fit.even[1])) * share
    bent = bend > 0
    step = float(median(np.cbrt(noise[bent] / (2.0 * bend[bent])))) if bent.any() else longest
    step = min(step, longest)
    return step, 1.5 * 0.71 * noise / step + bend * step**2


def four_points(fit: LineFit, begin: float, units: Values, rounded: Mask) -> tuple[float, Values]:
    """The step of four points that leaves least of the row of which they tell least, and what bends take of each.

    fit : to eight points. begin : its step. units : (m,) what bars are relative to; rows of inf have no say. rounded :
    (m,) rows whose noise is rounding: what a residual may lack is three times what bends take, and nothing else. The
    second is over the fourth power of the step.
    """
    # One direction may have a small fifth derivative by accident.
    fifth = np.maximum(fit.odd[2], np.sqrt(fit.even[1] * fit.even[2])) * (NEAR**2 * FAR**2)
    # What nothing shows but noise of is no larger than that at the first step: b5 itself would drown there.
    hidden = np.maximum(np.abs(fit.outer - fit.value), fit.noise * (AMPLIFIED / begin))
    truncation = 10.0 * np.where(fit.flat, np.minimum(fifth, hidden / begin**4), fifth)
    counts = truncation * np.where(rounded, 3.0, 1.0)
    return _least_bar(counts, fit.noise * AMPLIFIED, units), truncation


def _least_bar(bends: Values, noise: Values, units: Values) -> float:
    """The step h at which the largest (bends h^4 + noise / h) / units (m,) of some rows is least.

    Each term falls or grows with log h throughout, so that the worst row tells to which side the least one lies.
    """
    bends, noise = bends / units, noise / units
    bent = bends > 0
    if not bent.any():
        return LONGEST_STEP
    own = np.minimum((noise[bent] / (4.0 * bends[bent])) ** 0.2, LONGEST_STEP)
    low, high = float(own.min()), float(own.max())
    while high > ALIKE * low > 0:
        step = math.sqrt(low * high)
        worst = int(np.argmax(bends * step**4 + noise / step))
        if 4.0 * bends[worst] * step**5 > noise[worst]:
            high = step
        else:
            low = step
    return math.sqrt(low * high)


def taken_by_four(fit: LineFit, step: float) -> Values:
    """What noise adds to a slope by four points, and bends take of it, as they are most often, by a fit to eight."""
    return np.asarray(hidden_bends(fit, step) + AMPLIFIED / step * fit.scatter)


def shortest(told: Sequence[tuple[LineFit, Values]], pending: Mask) -> tuple[float, LineFit]:
    """The step at which noise and bends leave most of four points, in the median of some rows (m,), and by which fit.

    told : fits to eight points, with the weights (m,) of their directions.
    """

    def typical(step: float, fit: LineFit, weight: Values) -> float:
        relative = taken_by_four(fit, step) / weight
        relative = relative[pending & np.isfinite(relative)]
        return float(median(relative)) if relative.size else np.inf

    found = [(fit.step / shorter, fit, weight) for fit, weight in told for shorter in PARTS]
    step, fit, _ = min(found, key=lambda each: typical(*each))
    return step, fit


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
    return np.asarray(np.minimum(np.fmin.reduce(bends), np.maximum(left_of(value, outer, step, fits), least)))


def left_of(value: Values, outer: Values, step: float, fits: Sequence[LineFit], more: float = 1.0) -> Values:
    """What four points leave of the bends at the most, by what their rule takes out of the chord of the outer two.

    Rows come of one f: they bend over lengths that are alike. more : how many times as much as along the fits most bend
    in third order.
    """
    bends = float(median(np.min([fifth_over_third(fit) for fit in fits], axis=0)))
    return np.asarray(min(LEFT, SPARE * step**2 * more ** (2 / 3) * bends) * np.abs(value - outer))
