"""Longer steps than x is large, where f does not move by more than it rounds within the size of x."""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.driver.known import Known
from gradcheck.function.lines import Rays
from gradcheck.numerics.rounding import SINGLE, significant_bits
from gradcheck.numerics.tangents import random_units, root_mean_square
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.finding import Finding

# An x of so many roundings of 1 at most is asked whether f moves by so many of its own within the size of x: by fewer,
# and no step of the usual ones, a tenth of that size, shows a slope to a few per cent.
SMALL, MOVES = 1e3, 1e3
LARGEST = SMALL * eps_of(np.float32)
# Others are so many times as large at the least: sizes that go on over many decades are each a scale of its own.
APART = 1e6
# What is claimed has to be no more than so many times what f shows for an accusation: steeper, and f may have that
# slope at x, and level off before it shows.
STEEPER = 4.5
# A step over which f has to be about as straight as is claimed.
STRAIGHT = 0.03
NOTE = Finding(
    "f does not move by more than a few of its roundings within the size of x: this check sees its slope over "
    "steps as at x = 0"
)


def scales_as_at_zero(known: Known) -> Flat | None:
    """The units of steps (n,) that x would have were its small coordinates 0, where f hardly moves within their size.

    None where there are no such. Two evaluations, where some are small enough for that.
    """
    scales, objective, x = known.problem.given_scales, known.objective, known.x
    if scales is None or known.room is not None:
        return None
    # The first coordinate tells of one, and most often of all.
    if not (-LARGEST <= x[0] <= LARGEST or (x.size > 1 and np.minimum.reduce(scales) <= LARGEST)):
        return None
    f_x = np.asarray(known.problem.f_x, np.float64)
    single = bool((significant_bits(f_x[None, :]) <= SINGLE).all())
    eps = max(eps_of(b.real_dtype) for b in objective.parameters.blocks)
    eps = min(max(eps, eps_of(np.float32)) if single else eps, eps_of(np.float32))
    small = scales <= SMALL * eps
    if not small.any() or not objective.affords(2):
        return None
    if not small.all() and APART * scales[small].max() > scales[~small].min():
        return None
    moved = _moved(known, np.where(small, scales, 0.0))
    if not (np.isfinite(moved).all() and np.median(moved - MOVES * eps * np.abs(f_x)) <= 0):
        return None
    # Beside others of its array a small entry has the scale of a zero, and so has an array of such.
    return objective.parameters.scales(np.where(small, 0.0, x))


def tells(known: Known, small: Mask) -> bool:
    """Whether longer steps of the small coordinates (n,) decide.

    All is borne out; or f is at least about as steep as is claimed, and otherwise.
    """
    evidence = known.evidence
    if evidence is None or known.final:
        return False
    entries = evidence.entries
    wrong = entries.judgement.wrong
    if wrong.any():
        shown = np.abs(np.asarray(entries.estimate.value)[wrong])
        return bool((STEEPER * shown >= np.abs(entries.analytic[wrong])).all())
    if evidence.regions or not entries.judgement.verified.all():
        return False
    # So far away other things may be large, beside which a claim of next to nothing is borne out.
    resolution, each = known.tolerance.resolution, small.astype(known.x.dtype)
    size = root_mean_square(_claimed(known, each)) / math.sqrt(np.count_nonzero(small))
    bars = 3.0 * entries.estimate.error[small[entries.coordinates % small.size]]
    if not (size > 0 and (bars <= resolution * size).all()):
        return False
    # f that moves by more than ten times what is claimed (m,) over a longer step hides what is at x.
    lengths = STRAIGHT * known.problem.scales * each
    if not np.median(_moved(known, lengths) - 10.0 * _claimed(known, lengths)) <= 0:
        return False
    return all(evidence.certified(array, resolution) for array in evidence.arrays)


def _claimed(known: Known, lengths: Flat) -> Flat:
    """What outputs (m,) are claimed to move by along a direction of these lengths, as far as products tell."""
    product = known.problem.matrix.product(lengths)
    return known.problem.weight(lengths, product, np.random.default_rng(known.options.rng))


def _moved(known: Known, lengths: Flat) -> Flat:
    """What outputs (m,) move by along a random direction of these lengths, the larger of both sides."""
    x = known.x
    tangent = lengths * random_units(np.random.default_rng(known.options.rng), x.size)
    values = known.objective.line(Rays(x, [tangent]), np.array([-1.0, 1.0])).reshape(2, -1)
    return np.asarray(np.abs(values - known.problem.f_x).max(axis=0))
