"""Longer steps than x is large, where f does not move by more than it rounds within the size of x."""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Flat
from gradcheck.driver.known import Known
from gradcheck.function.lines import Rays
from gradcheck.numerics.rounding import SINGLE, significant_bits
from gradcheck.numerics.tangents import generator_of, random_units, root_mean_square
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.finding import Finding

# An x of so many roundings of 1 at most is asked whether f moves by so many of its own within the size of x: by fewer,
# and no step of the usual ones, a tenth of that size, shows a slope to a few per cent.
SMALL, MOVES = 1e3, 1e3
LARGEST = SMALL * eps_of(np.float32)
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
    """The units of steps (n,) that x would have were it 0, where f hardly moves within the size of x; else None.

    Two evaluations, where x is small enough for that.
    """
    scales, objective, x = known.problem.given_scales, known.objective, known.x
    # The first coordinate tells most often.
    if scales is None or known.room is not None or not -LARGEST <= x[0] <= LARGEST:
        return None
    if scales.max() > LARGEST:
        return None
    f_x = np.asarray(known.problem.f_x, np.float64)
    single = bool((significant_bits(f_x[None, :]) <= SINGLE).all())
    eps = max(eps_of(b.real_dtype) for b in objective.parameters.blocks)
    eps = min(max(eps, eps_of(np.float32)) if single else eps, eps_of(np.float32))
    if not scales.max() <= SMALL * eps or not objective.affords(2):
        return None
    moved = _moved(known, scales)
    if not (np.isfinite(moved).all() and np.median(moved - MOVES * eps * np.abs(f_x)) <= 0):
        return None
    return np.ones(x.size, scales.dtype)


def tells(known: Known) -> bool:
    """Whether longer steps decide: all is borne out; or f is at least about as steep as is claimed, and otherwise."""
    evidence = known.evidence
    if evidence is None or known.setting is None or known.final:
        return False
    entries = evidence.entries
    wrong = entries.judgement.wrong
    if wrong.any():
        shown = np.abs(np.asarray(entries.estimate.value)[wrong])
        return bool((STEEPER * shown >= np.abs(entries.analytic[wrong])).all())
    if evidence.regions or not entries.judgement.verified.all():
        return False
    # So far away other things may be large, beside which a claim of next to nothing is borne out.
    resolution, norms = known.tolerance.resolution, known.problem.matrix.norms(np.ones(known.x.size))
    if norms is None:
        return False
    size = root_mean_square(norms) / math.sqrt(known.x.size)
    if not (size > 0 and (3.0 * entries.estimate.error <= resolution * size).all()):
        return False
    # f that moves by more than ten times what is claimed (m,) over a longer step hides what is at x.
    if not np.median(_moved(known, STRAIGHT) - 10.0 * STRAIGHT * norms) <= 0:
        return False
    return all(evidence.certified(array, resolution) for array in evidence.arrays)


def _moved(known: Known, lengths: Flat | float) -> Flat:
    """What outputs (m,) move by along a random direction of these lengths, the larger of both sides."""
    x = known.x
    tangent = lengths * random_units(generator_of(known.options.rng), x.size)
    values = known.objective.line(Rays(x, [tangent]), np.array([-1.0, 1.0])).reshape(2, -1)
    return np.asarray(np.abs(values - known.problem.f_x).max(axis=0))
