"""The noise of each output of f, from the same points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck._typing import Values
from gradcheck.function.lines import Directions
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.numerics.noise import ELSEWHERE_BITS, POSITIONS, WIDEST, Noise, estimate_noise

__all__ = ["measure_noises"]


# What a value of 1 may be off by on the grid of float32.
SINGLE = 0.6 * float(np.finfo(np.float32).eps)


def measure_noises(
    objective: VectorObjective, line: Directions, f_x: Values, spacing: float, *, back: bool
) -> Noise:
    """Estimate the noise of every output along one line through x.

    f_x : (m,). line : one direction in scaled units. spacing, back : as in `gradcheck.numerics.noise.measure_noise`.
    Costs seven evaluations; seven more for each further spacing that some output needs, forty-four at most.
    """

    def probe(at: float) -> Values:
        values = np.empty((len(POSITIONS) + 1, f_x.size), f_x.dtype)
        values[0] = f_x
        for k, position in enumerate(POSITIONS, start=1):
            values[k] = objective.probe(line.point(0, position * at))
        return values

    def far() -> Values:
        at = (-ELSEWHERE_BITS, ELSEWHERE_BITS) if back else (WIDEST * spacing / 2.0, WIDEST * spacing)
        return np.array([objective.probe(line.point(0, t)) for t in at], f_x.dtype)

    return _with_still_outputs(estimate_noise(probe, spacing, back=back, far=far), f_x)


def _with_still_outputs(noise: Noise, f_x: Values) -> Noise:
    """Outputs that never moved: one value alone does not show on which grid it lies, if on any.

    A number with few bits may be one of float32 (not of a coarser dtype: 1.0 is a constant that people write), and
    where others are decimals it may be one of theirs.
    """
    # Seen at x alone, an output was not seen to stay.
    still = noise.constant & (np.isfinite(noise.values).sum(axis=0) > 1)
    if not still.any():
        return replace(noise, constant=still)
    decimal = noise.digits == "decimal"
    single = SINGLE * np.abs(f_x.astype(np.float64))
    level = np.where(still & ~decimal, np.minimum(noise.level, single), noise.level)
    theirs = np.min(noise.level[decimal & ~still], initial=np.inf)
    if np.isfinite(theirs):
        level[still] = np.maximum(level[still], theirs)
    return replace(noise, level=level, constant=still)
