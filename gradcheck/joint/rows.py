"""Joint directions for a Jacobian: all rows from the same points, and the columns in which some are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.entries import sweep
from gradcheck.function.matrix import Dense, Matrix
from gradcheck.joint.joint import Joint, JointTest
from gradcheck.joint.places import find_places
from gradcheck.joint.silent import silent_entries, stays
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING
from gradcheck.parameters.boxes import Box, runs
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.certificate import LEAST, ArrayEvidence, Certificate, Region, Residual, Survey
from gradcheck.results.evidence import Evidence, latest, none_judged
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate

__all__ = ["survey_rows"]

# Up to so many columns each is moved where something is wrong: that costs about as much as the search.
JUDGED_UP_TO = 20
# Evaluations after which other ways name what is wrong; columns of a row that is wrong throughout that are judged.
BUDGET, SAMPLES = 1500, 6


def survey_rows(
    problem: Problem,
    names: JacobianNames,
    setting_of: Callable[[], Setting | None],
    *,
    confidence: float,
    rng: np.random.Generator,
) -> Survey | None:
    """Certify all rows of a Jacobian by joint directions, or name the entries that are wrong in a few of them.

    setting_of : what is known of f's noise near x, asked for where entries are accused. None where joint directions do
    not settle it.
    """
    if problem.f_x.size == 0:
        return None
    still = np.zeros(problem.x.size, bool)
    scaling = scaling_of(problem, still)
    silent = silent_entries(problem, scaling, still)
    if ((scaling.lengths == 0) & ~silent).any():
        return None  # a column that has no room
    # The first test, that of what is left beside what is wrong, and that of columns that are claimed to do nothing.
    delta = (1.0 - confidence) / (3.0 if silent.any() else 2.0)
    test = JointTest(problem, scaling, rng, delta)
    joint = test.run()
    if not joint.wrong.any() and not stays(problem, scaling, silent, rng, delta):
        return None
    if joint.certified.all():
        return Survey((_evidence(problem, names, joint, confidence),), none_judged(problem.x.dtype), ())
    if not joint.wrong.any() or problem.x.size <= JUDGED_UP_TO:
        return None
    setting = setting_of()
    if setting is None:
        return None
    search = _Search(setting, problem)
    alpha, scaled = _scaled_rows(test, joint, rng)
    if scaled.any():
        search.sample(np.flatnonzero(scaled), rng)
    rows = joint.wrong & ~scaled
    if rows.any():
        found = find_places(test, joint.directions[-1], rows, search.judge, _between, rng, BUDGET)
        if found.dense or found.spent or found.unexplained.any() or not found.wrong:
            return None
    # Off by less than is accepted throughout: no row of these is wrong, and their certificates are of the rest.
    accepted = scaled & (np.abs(alpha) <= problem.tolerance.rtol) & ~search.wrong_rows(scaled.size)
    mended = search.mended(alpha, scaled)
    fixed = joint.wrong if mended is None else np.zeros(joint.wrong.size, bool)
    claim = problem if mended is None else replace(problem, matrix=mended)
    rest = JointTest(claim, scaling, rng, delta, exact=test.exact, fixed=fixed).run()
    if not (rest.certified | fixed).all():
        return None
    if not stays(problem, scaling, silent, rng, delta):
        return None
    block = names.blocks[0]
    wrong = scaled & ~accepted if mended is not None else scaled
    spans = runs(set(np.flatnonzero(wrong).tolist()))
    regions = [Region(block, Box(((a, b), (0, problem.x.size))), True) for a, b in spans]
    regions += [Region(block, Box(((0, rows.size), (j, j + 1))), True) for j in search.columns(rows.size)]
    array = _evidence(claim, names, rest, confidence)
    if mended is None or wrong.all():
        array = replace(array, certificate=None)
    elif accepted.any() and array.certificate is not None:
        name = f"{array.certificate.name} / its factor"
        array = replace(array, certificate=replace(array.certificate, name=name))
    return Survey((array,), latest(concatenate(search.judged)), tuple(regions))


def _scaled_rows(test: JointTest, joint: Joint, rng: np.random.Generator) -> tuple[Flat, Mask]:
    """The part of each row (m,) that is too much, and which wrong rows are off by it throughout.

    It holds for a random half of their columns, too. One entry that makes up its row is an entry.
    """
    direction, matrix = joint.directions[-1], test.problem.matrix
    half = np.where(rng.random(direction.tangent.size) < 0.5, direction.tangent, 0.0)
    seen = test.again(half, exact=direction.exact)
    largest = scaled_largest(matrix, direction.tangent)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = np.asarray(direction.residual / matrix.product(direction.tangent))
        expected = alpha * matrix.product(half)
        bar = 3.0 * (seen.error + direction.error) + 1e-9 * np.abs(seen.residual)
        fits = joint.wrong & (np.abs(seen.residual - expected) <= bar) & (seen.residual != 0)
    return alpha, np.asarray(
        fits & (largest < 0.9 * direction.weight)
    ) if largest is not None else fits & False


def scaled_largest(matrix: Matrix, tangent: Flat) -> Flat | None:
    """(m,) the largest term of each row of J v; None where the entries are not known."""
    if isinstance(matrix, Dense):
        return np.asarray(np.abs(matrix.array * tangent).max(axis=1))
    return None


@dataclass
class _Search:
    setting: Setting
    problem: Problem
    judged: list[Evidence] = field(default_factory=list)

    def sample(self, rows: Index, rng: np.random.Generator) -> None:
        """A few columns of rows that are wrong throughout, so that the report has numbers."""
        n = self.problem.x.size
        for column in np.sort(rng.choice(n, min(SAMPLES, n), replace=False)):
            self.judge(int(column), rows)

    def wrong_rows(self, count: int) -> Mask:
        """(count,) the rows in which an entry that was judged is wrong."""
        found = np.zeros(count, bool)
        for evidence in self.judged:
            found[self.setting.places(evidence.wrong)[0]] = True
        return found

    def columns(self, count: int) -> list[int]:
        """The columns that are wrong in most of `count` rows, where there are more than a few."""
        most = max(SAMPLES, count // 2)
        many = [e for e in self.judged if int(e.judgement.wrong.sum()) > most]
        return [int(self.setting.places(e.coordinates)[1][0]) for e in many]

    def mended(self, alpha: Flat, scaled: Mask) -> Dense | None:
        """The matrix with what was measured in the place of what is wrong; None where not all its entries are known."""
        if not isinstance(self.problem.matrix, Dense):
            return None
        array = self.problem.matrix.array.copy()
        array[scaled] *= 1.0 - alpha[scaled, None]
        for entries in self.judged:
            rows, columns = self.setting.places(entries.coordinates)
            wrong = entries.judgement.wrong & ~scaled[rows]
            array[rows[wrong], columns[wrong]] = entries.estimate.value[wrong]
        return Dense(array)

    def judge(self, column: int, rows: Index) -> Evidence:
        """The entries of a column in some rows."""
        given = self.problem.matrix.entries(rows, np.full(rows.size, column))
        entries = sweep(self.setting, given, rows * self.problem.x.size + column)
        self.judged.append(entries)
        return entries


def _between(columns: list[int]) -> Index:
    return np.arange(min(columns), max(columns) + 1)


def _evidence(problem: Problem, names: JacobianNames, joint: Joint, confidence: float) -> ArrayEvidence:
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
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(
                joint.certified & (joint.sizes > 0),
                (direction.allowed + 3.0 * direction.error) / joint.sizes,
                -1.0,
            )
        k = int(np.argmax(relative))
        size = float(joint.sizes[k]) or 1.0
        weight = float(direction.weight[k]) / size
        told.append(
            Residual(
                float(direction.residual[k]) / size, float(direction.error[k]) / size, weight,
                ROUNDING * problem.eps * weight, direction.step, Limit.NONE, LEAST * problem.tolerance.rtol,
                problem.tolerance.rtol * weight,
            )
        )  # fmt: skip
    return told
