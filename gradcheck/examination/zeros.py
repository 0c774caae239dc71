"""A Jacobian that is claimed to be 0: by joint directions; and where noise keeps these from telling, row by row."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.held import SHOWS
from gradcheck.examination.row_evidence import rows_evidence, slopes_along
from gradcheck.examination.silent import moved_alone, stays
from gradcheck.joint.places import Judge
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import TOWERING
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.block import Block
from gradcheck.results.certificate import ArrayEvidence, Certificate, Residual, bound_of
from gradcheck.results.entries import none_judged
from gradcheck.results.estimate import Estimate
from gradcheck.results.evidence import Evidence

# Directions; columns that are moved where one tells of a slope, which costs as much as a search for other mistakes; and
# wrong entries after which no more are.
DIRECTIONS, SEARCHED, ENOUGH = 12, 250, 10
# The bar that tells a slope from 0, relative to it.
TOLD = 0.1


def zeros_along_directions(
    problem: Problem,
    block: Block,
    scaling: Scaling,
    silent: Mask,
    share: float,
    confidence: float,
    rng: np.random.Generator,
) -> Evidence | None:
    """That f stays where nothing is claimed to move it; None where it does not, or its values tower above those at x.

    Beside these a slope may show far nearer to coordinates that are 0, which have no size.
    """
    alone = moved_alone(problem, scaling, silent, rng, share)
    if alone is None or not stays(alone):
        return None
    test, joint = alone
    first = test.first
    if first is None or first.fit is None:
        return None
    if (problem.narrow & ~silent).any() or (first.fit.size > TOWERING * np.abs(problem.f_x)).any():
        return None
    return Evidence(none_judged(problem.x.dtype), (rows_evidence(problem, block, joint, confidence),))


def directions_of_zeros(
    setting: Setting,
    block: Block,
    lengths: Flat,
    judge: Judge,
    delta: float,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[ArrayEvidence, Index]:
    """Directions for rows of zeros, along which each output finds a step of its own; rows that are not flat are judged.

    At a minimum noise hides what some rows bend by over steps that are long for others. What a mistake is relative to
    is what f changes by along the probed direction. judge : looks at the entries of a column in some rows, until they
    explain what was seen, or enough of them are wrong. Returns the rows that they do not explain, too.
    """
    most, told = list[Flat](), list[Residual]()
    # An output that never moved agrees with zeros: of its size nothing is known but its unit.
    slope = np.where(setting.slope > 0, setting.slope, 1.0)
    array = ArrayEvidence(block)
    for _ in range(DIRECTIONS if lengths.any() else 0):
        tangent = lengths * random_units(rng, lengths.size)
        found = _along(setting, tangent, slope)
        with np.errstate(invalid="ignore"):
            off = np.flatnonzero(np.abs(found.value) > 3.0 * found.error)
        if off.size:
            return ArrayEvidence(block), _unexplained(found, off, tangent, judge)
        most.append(np.abs(found.value) + 3.0 * found.error)
        size = float(np.max(found.error / slope))
        told.append(Residual(0.0, size, 0.0, 3.0 * size))
        bound = bound_of(most, delta)
        worst = int(np.argmax(bound / slope))
        certificate = Certificate(
            f"each row of {block.name}" if slope.size > 1 else block.name,
            float(bound.max()), float((bound / slope)[worst]), confidence, len(told),
        )  # fmt: skip
        array = ArrayEvidence(block, tuple(told), certificate, limit=found.limit[worst])
        if certificate.relative_to_rms <= setting.tolerance.resolution:
            break
    if told and not setting.x[block.slice].any() and _moves_beside_0(setting, tangent, slope):
        return ArrayEvidence(block), np.empty(0, np.intp)
    return array, np.empty(0, np.intp)


def _moves_beside_0(setting: Setting, tangent: Flat, slope: Flat) -> bool:
    """Whether some output moves as near to zeros as the slope that it was probed to have would show in its digits.

    A row of zeros that is normalised jumps there, and the steps of directions lie beyond. Two evaluations.
    """
    digits = SHOWS * setting.tolerance.eps * np.abs(setting.f_x)
    near = float(np.max(digits / slope))
    if not 0 < near < np.inf or setting.objective.remaining < 2:
        return False
    values = setting.along(tangent, np.array([-near, near]))
    return bool((np.abs(values - setting.f_x) > 0.5 * digits).all(axis=0).any())


def _along(setting: Setting, tangent: Flat, slope: Flat) -> Estimate:
    """The derivative of each output along a tangent; slope : (m,) what it is relative to."""
    fine = 0.05 * setting.tolerance.resolution * slope

    def wanted(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        # What is not 0 is told from 0, however small it is beside what others do.
        size = np.abs(so_far.value)
        target = np.where(size > 0, np.minimum(fine[at], TOLD * size), fine[at])
        return target, target

    return slopes_along(setting, tangent, np.zeros(slope.size), wanted)


def _unexplained(found: Estimate, off: Index, tangent: Flat, judge: Judge) -> Index:
    """Those of some rows whose slope along a tangent is more than what columns that are judged explain of it."""
    left, error, wrong = found.value[off], found.error[off], 0
    for j in np.flatnonzero(tangent)[:SEARCHED].tolist():
        judged = judge(j, off, None)
        left = left - judged.estimate.value * tangent[j]
        error = error + judged.estimate.error * abs(tangent[j])
        wrong += judged.wrong.size
        if wrong >= ENOUGH or (np.abs(left) <= 3.0 * error).all():
            break
    return np.asarray(off[np.abs(left) > 3.0 * error])
