"""What is known of the rows of a matrix: their sizes, their certificate, and the claim as it would be right."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat, Index, Mask
from gradcheck.function.matrix import Matrix
from gradcheck.joint.direction import Joint
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING, root_mean_square
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.certificate import LEAST, ArrayEvidence, Certificate, Residual
from gradcheck.results.entries import Entries

__all__ = ["between", "mended", "rows_evidence", "sizes_of_rows"]


def sizes_of_rows(problem: Problem, slope: Flat) -> Flat | None:
    """(m arrays,) the root mean squares of each row, by each array of x; None where the entries are not known.

    An array that is claimed to do nothing has no size of its own, and is measured by the rows; where these are, too, by
    what each does along a random direction: slope (m,), of x in units of its scales.
    """
    sizes, rows = [], problem.matrix.norms(np.ones(problem.x.size))
    if rows is None:
        return None
    if not rows.any():
        rows = slope * math.sqrt(problem.x.size) / root_mean_square(problem.scales)
    for block in problem.parameters.blocks:
        inside = np.zeros(problem.x.size)
        inside[block.slice] = 1.0
        norms = problem.matrix.norms(inside)
        assert norms is not None  # as those of the rows
        own = norms.any()
        sizes.append((norms if own else rows) / math.sqrt(max(block.size if own else inside.size, 1)))
    return np.ravel(sizes, order="F")


def mended(setting: Setting, matrix: Matrix, judged: Sequence[Entries], alpha: Flat, scaled: Mask) -> Matrix:
    """The matrix with what was measured in the place of what is wrong, and some rows (m,) without a part alpha."""
    change = scipy.sparse.csr_array(matrix.shape)
    for part in judged:
        rows, columns = setting.places(part.coordinates)
        wrong = part.judgement.wrong & ~scaled[rows]
        off = (part.estimate.value - part.analytic)[wrong]
        change = change + scipy.sparse.csr_array((off, (rows[wrong], columns[wrong])), matrix.shape)
    return matrix.mended(np.where(scaled, 1.0 - alpha, 1.0), change)


def between(columns: list[int]) -> Index:
    """The columns from the first of some to the last."""
    return np.arange(min(columns), max(columns) + 1)


def rows_evidence(problem: Problem, names: JacobianNames, joint: Joint, confidence: float) -> ArrayEvidence:
    """What directions certify of the rows of a matrix."""
    # Rows that are not looked at have no bound.
    known = joint.certified & (joint.sizes > 0)
    worst = float(np.max(joint.bound[known] / joint.sizes[known], initial=0.0))
    certificate = Certificate(
        f"each row of {names.blocks[0].name}", worst, worst, confidence, len(joint.directions)
    )
    return ArrayEvidence(names.blocks[0], tuple(_residuals(problem, joint)), certificate, LEAST)


def _residuals(problem: Problem, joint: Joint) -> list[Residual]:
    """Of each direction the row that says least, in units of its own size."""
    told = []
    for direction in joint.directions:
        relative = np.where(
            joint.certified & (joint.sizes > 0),
            (direction.allowed + 3.0 * direction.error) / joint.sizes,
            -1.0,
        )
        k = int(np.argmax(relative))
        size = float(joint.sizes[k]) or 1.0
        weight, error = float(direction.weight[k]) / size, float(direction.error[k]) / size
        # More where errors within the tolerance were accepted.
        more = float(direction.allowed[k]) / size - 3.0 * error
        allowed = 3.0 * error + max(ROUNDING * problem.eps * weight, LEAST * problem.tolerance.rtol, more)
        told.append(Residual(float(direction.residual[k]) / size, error, weight, allowed, direction.step))
    return told
