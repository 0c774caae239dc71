"""Arrays of x that are claimed to do nothing: moved by themselves, for the others round by more than they may show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csc_array

from gradcheck._typing import Mask
from gradcheck.function.matrix import Dense, Sparse, one_row
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.problem import Problem, Scaling, of_typical_size
from gradcheck.numerics.tangents import scaled_rms
from gradcheck.results.certificate import LEAST

__all__ = ["silent_entries", "stays"]


def silent_entries(problem: Problem, scaling: Scaling, still: Mask) -> Mask:
    """(n,) the coordinates of arrays that are claimed to do nothing, where directions leave these as they are."""
    found = np.zeros(still.size, bool)
    for block, nothing in zip(problem.parameters.blocks, scaling.nothing, strict=True):
        if nothing:
            found[block.slice] = ~still[block.slice] & (scaling.lengths[block.slice] == 0)
    return found


def stays(problem: Problem, scaling: Scaling, silent: Mask, rng: np.random.Generator, delta: float) -> bool:
    """Whether f shows no slope along directions that move these coordinates (n,) alone, each by its own scale.

    A mistake there is relative to its row: what the direction would miss of it is no more than is accepted.
    """
    if not silent.any():
        return True
    # Of products alone one row is known entry by entry, and several are not: nothing is claimed of a part of x.
    known = problem.matrix if problem.matrix.shape[0] > 1 else Dense(one_row(problem.matrix)[None, :])
    rows = scaled_rms(known, np.ones(silent.size))
    if rows is None:
        return False
    own = replace(scaling, lengths=np.where(silent, problem.scales, 0.0))
    # The claim is 0: what it is beside that, a rounding of 1e-18 for one, is less than the others' tolerance.
    nothing = csc_array(problem.matrix.shape, dtype=np.float64)
    zero = replace(problem, matrix=Sparse(nothing, nothing))
    joint = JointTest(zero, own, rng, delta, exact=False).run()
    if not joint.certified.all():
        return False
    residuals = np.abs([d.residual for d in joint.directions])
    bars = 3.0 * np.array([d.error for d in joint.directions])
    missed = bars.min(axis=0) / (LEAST * problem.scales[silent].min())
    told = missed <= problem.tolerance.rtol * of_typical_size(rows) + problem.tolerance.atol
    return bool(told.all() and (residuals <= bars).all())
