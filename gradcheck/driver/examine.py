"""The course of a check: the contract, the evidence, cheapest first, what explains it; or what of it is known so far.

A gradient is the Jacobian of one output: whatever m is, the same lines are gone through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat
from gradcheck.diagnosis.explanations import Diagnosis
from gradcheck.driver.prepare import prepare
from gradcheck.evidence.arrays import LOOKS
from gradcheck.evidence.columns import GROUPS_UP_TO, gather
from gradcheck.evidence.directions import Direction
from gradcheck.evidence.examination import examine_jointly
from gradcheck.evidence.joint_rows import survey_rows
from gradcheck.evidence.plain_differences import agreement
from gradcheck.function.matrix import Dense, Matrix, Sparse
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.function.progress import Progress
from gradcheck.function.repeat import Repeat
from gradcheck.numerics.differences import first_step
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.noise import Noise
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.boxes import Box, flat_indices, runs
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.parameters.tree import Block, Parameters
from gradcheck.results.certificate import ArrayEvidence, Region, Survey, array_certified
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Finding, Limit, Outcome
from gradcheck.results.verdict import DEFAULT_RTOL, Tolerance

__all__ = ["Inspected", "Known", "Question", "examine"]

# From here on one joint direction, of eight points and f(x), and perhaps one call with complex numbers, costs no more
# than two differences for each entry and f(x).
JOINT_FROM = 5
# Up to here what a joint direction finds wrong is judged entry by entry: that costs about as much as the search, and
# the report then has a number for each.
JUDGED_UP_TO = 20

# Noise of one value, in units of f(x), at which f is asked again whether it is a function of x; and in units of what x
# moves f by, so that this is not asked where f(x) is nearly 0.
ERRATIC, SLIGHT = 1e-3, 1e-9


class Inspected(Protocol):
    """What the first calls at x gave."""

    @property
    def f_x(self) -> Any:
        """One number, or (m,)."""

    @property
    def matrix(self) -> Matrix | None:
        """The derivative under test (m, n); None where there is none to judge."""

    @property
    def analytic(self) -> Flat | None:
        """Its entries, (n,) or (m, n); None where they are not known."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What there is to say of the calls."""

    @property
    def computes_in(self) -> str:
        """The dtype of f and its derivative, the coarser."""

    @property
    def repeated(self) -> bool:
        """Whether f was called a second time at x."""

    @property
    def again(self) -> Repeat | None:
        """Asks for the derivative once more, after f was elsewhere; None where it is no function."""

    @property
    def ngev(self) -> int:
        """Calls of the derivative so far."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    x : (n,). tolerances : rtol, atol and resolution, None for a default. room : (n,), (n,) to the left and the right.
    inspect(repeat) : the first calls at x. repeat(inspected) : a second call of f there, where it was left out.
    names() : of the entries, once f was called; None for those of x. explain : what kind of mistake fits the evidence.
    """

    x: Flat
    tolerances: tuple[float | None, float, float | None]
    method: str
    confidence: float
    subgradient: bool
    room: tuple[Flat, Flat] | None
    rng: Any
    inspect: Callable[[bool], Inspected]
    repeat: Callable[[Any], tuple[Finding, ...]]
    explain: Callable[[Setting, Matrix, Evidence | Survey], Diagnosis]
    names: Callable[[], Parameters | None] = lambda: None


@dataclass
class Known:
    """What has been found so far; it grows in this order, and an interruption leaves the rest as it is here."""

    findings: list[Finding]
    inspection: Inspected | None = None
    setting: Setting | None = None
    evidence: Evidence | Survey | None = None
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    interrupted: bool = False

    @property
    def final(self) -> bool:
        """Whether nothing can be measured any more."""
        return any(finding.final for finding in self.findings)

    @property
    def ngev(self) -> int:
        """Calls of the derivative."""
        return self.diagnosis.ngev + (self.inspection.ngev if self.inspection is not None else 0)

    @property
    def coarse(self) -> bool:
        """Whether x or the derivative under test is of a coarser type than float64."""
        return self.inspection is not None and self.inspection.computes_in != "float64"

    def tolerance(self, question: Question) -> Tolerance:
        """What is accepted, as far as it is known in which arithmetic f computes."""
        if self.setting is not None:
            return self.setting.tolerance
        rtol, atol, _ = question.tolerances
        if self.inspection is None:
            return Tolerance(rtol or DEFAULT_RTOL["float64"], atol)
        return Tolerance.for_dtypes([self.inspection.computes_in], *question.tolerances)


def examine(objective: Objective, question: Question, bar: Progress) -> Known:
    """Gather all that a report is made of; a KeyboardInterrupt ends it with what is known."""
    known = Known([Finding(note) for note in objective.parameters.notes])
    try:
        _examine(known, objective, question, bar)
        if known.evidence is not None and objective.ended:
            known.evidence = _cut_short(known.evidence, objective)
        if not known.final and known.inspection is not None and known.inspection.again is not None:
            # What a second call of the derivative adds, now that f was called elsewhere.
            known.findings += known.inspection.again.findings(known.tolerance(question), question.room)
    except KeyboardInterrupt:
        known.interrupted = True
    except BudgetSpentError:
        text = "the budget of evaluations was used up before any entry was judged: raise max_nfev"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    except NotScalarError as error:
        # At x it returned what it should: where it does not, it is no function that could be differentiated.
        known.findings.append(Finding(f"{error} at a point near x", Outcome.INCONCLUSIVE, final=True))
    if objective.left_domain and known.evidence is not None:
        text = f"a point near x was taken for off f's domain: f raised {objective.left_domain}"
        known.findings.append(Finding(text))
    known.interrupted |= objective.interrupted
    if known.evidence is not None:
        known.interrupted |= known.evidence.interrupted
    elif known.interrupted and not known.final:
        text = "interrupted before any entry was judged: start it again"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    return known


def _examine(known: Known, objective: Objective, question: Question, bar: Progress) -> None:
    x, room = question.x, question.room
    quickly = question.method == "auto" and x.size <= GROUPS_UP_TO
    jointly = question.method in ("auto", "directions") and x.size >= JOINT_FROM
    known.inspection = inspection = question.inspect(not (quickly or jointly))
    known.findings += inspection.findings
    if room is not None and not (room[0] + room[1] > 0).any():
        text = "nothing was checked: every coordinate is fixed by its bounds"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    if known.final or inspection.matrix is None:
        return
    matrix, accused = inspection.matrix, False
    scales = objective.parameters.scales(x) if quickly or jointly else np.ones(0)
    if quickly and isinstance(matrix, Dense):
        bar.plan(2 * x.size)
        agreed = agreement(
            objective, inspection, x, scales, question.tolerances, few=JOINT_FROM, room=room, rng=question.rng
        )  # fmt: skip
        if agreed is not None:
            known.setting, known.evidence = agreed.setting, agreed.evidence
            return
    if jointly:
        bar.plan(len(EIGHT) * 2)
        accused = _examine_jointly(known, objective, question, matrix, scales)
    if known.evidence is None and not known.final:
        _examine_closely(known, objective, question, bar, matrix, accused=accused)
    if known.evidence is not None and known.setting is not None:
        known.diagnosis = question.explain(known.setting, matrix, known.evidence)


def _examine_closely(
    known: Known, objective: Objective, question: Question, bar: Progress, matrix: Matrix, *, accused: bool
) -> None:
    """What joint directions do not settle: entry by entry, or arrays and rows by directions of their own."""
    assert known.inspection is not None
    if not (known.inspection.repeated or objective.ended):
        known.findings += question.repeat(known.inspection)
        if known.final:
            return
    if known.setting is None:
        known.setting, more = _prepared(objective, known.inspection, question)
        known.findings += more
    known.findings += _erratic(known, question)
    if known.final:
        return
    bar.plan(_planned(known.setting, matrix, question.method))
    evidence, said = gather(
        known.setting, matrix, question.method, question.confidence, question.rng, accused=accused
    )
    known.evidence = _named(evidence, question.names())
    known.findings += said


def _erratic(known: Known, question: Question) -> list[Finding]:
    """What two more calls at x show of an f so noisy that it may be no function of x, but take turns, for one."""
    setting = known.setting
    assert setting is not None
    size = np.max(np.abs(setting.f_x))
    erratic = bool(np.all(setting.level > np.maximum(ERRATIC * size, SLIGHT * setting.slope)))
    for _ in range(2 if erratic and not known.final else 0):
        found = [finding for finding in question.repeat(known.inspection) if finding.final]
        if found:
            return found
    return []


def _examine_jointly(
    known: Known, objective: Objective, question: Question, matrix: Matrix, scales: Flat
) -> bool:
    """Joint directions, where x is real and double and every claim finite; what they settle is the evidence.

    Returns whether the complex step says that something is wrong where they do not.
    """
    inspection, x = known.inspection, question.x
    assert inspection is not None
    tolerance = known.tolerance(question)
    eps = float(np.finfo(inspection.computes_in).eps)
    f_x = np.atleast_1d(inspection.f_x)
    problem = Problem(objective, x, f_x, matrix, scales, tolerance, question.room, eps)
    if not problem.in_doubles or not _finite(matrix, scales):
        return False
    names, rng = question.names(), np.random.default_rng(question.rng)

    def probed() -> Setting | None:
        setting, findings = _prepared(objective, inspection, question)
        known.findings += findings
        known.setting = setting
        return None if known.final else setting

    if matrix.shape[0] > 1 or not isinstance(matrix, Dense):
        assert isinstance(names, JacobianNames)
        known.evidence = survey_rows(problem, names, probed, confidence=question.confidence, rng=rng)
        return False

    def setting_of(first: Direction, noise_level: float | None) -> Setting:
        level = 2.0 * float(np.max(first.noise)) if noise_level is None else noise_level
        noise = Noise(level, float(first.weight[0]), "float64", False, ())
        # A power of two, so that similar claims ask for the same values.
        step = 2.0 ** np.rint(np.log2(first_step(noise, float(f_x[0]), x.size)))
        return Setting(
            objective, x, f_x, level, step, scales, tolerance, question.room, question.subgradient, eps,
            slope=float(first.weight[0]) / np.sqrt(x.size), names=names,
        )  # fmt: skip

    search = question.method == "directions" or x.size > JUDGED_UP_TO
    known.setting, survey, accused = examine_jointly(
        problem, setting_of, probed, confidence=question.confidence, rng=rng, search=search
    )
    known.evidence = _named(survey, names)
    return accused


def _prepared(
    objective: Objective, inspection: Inspected, question: Question
) -> tuple[Setting, tuple[Finding, ...]]:
    return prepare(
        objective, inspection.f_x, inspection.computes_in, question.x, tolerances=question.tolerances,
        rng=question.rng, room=question.room, subgradient=question.subgradient, names=question.names(),
    )  # fmt: skip


def _finite(matrix: Matrix, scales: Flat) -> bool:
    """Whether every entry is, and squares of its changes; of products alone that is seen when they are taken."""
    values = getattr(matrix, "array", None)
    if values is None:
        return True
    values = values.data if scipy.sparse.issparse(values) else values
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(values, values) * np.vdot(scales, scales)))


def _planned(setting: Setting, matrix: Matrix, method: str) -> int:
    """The evaluations that a right derivative takes, where the first step serves; 0 where the groups are not known."""
    if isinstance(matrix, Sparse):
        return 0
    n = setting.x.size
    one_by_one = method in ("sweep", "complex") or (method == "auto" and n <= GROUPS_UP_TO)
    return min(
        6 * (n if one_by_one else LOOKS[0] * len(setting.parameters.blocks)), setting.objective.remaining
    )


def _named(evidence: Any, names: Parameters | None) -> Any:
    """A survey of the arrays of x as one of the matrix that has these names."""
    if names is None or not isinstance(evidence, Survey) or evidence.arrays[0].block is names.blocks[0]:
        return evidence
    (block,) = names.blocks

    def bound(array: ArrayEvidence) -> float:
        # An array whose entries were all judged by themselves needs no certificate.
        if array.certificate is None:
            return -math.inf if array_certified(evidence.judged, array, 0.0) else math.inf
        return array.certificate.relative_to_rms

    worst = max(evidence.arrays, key=bound)
    certificate = worst.certificate
    if certificate is not None:
        certificate = replace(certificate, name=f"each row of {block.name}")
    array = replace(worst, block=block, certificate=certificate)
    regions = [part for region in evidence.regions for part in _in_row(region, block)]
    return replace(evidence, arrays=(array,), regions=tuple(regions))


def _in_row(region: Region, block: Block) -> list[Region]:
    """The entries of a region in the one row of a matrix."""
    spans = runs(set(flat_indices(region.block, region.box).tolist()))
    return [replace(region, block=block, box=Box(((0, 1), span))) for span in spans]


def _cut_short(evidence: Evidence | Survey, objective: Objective) -> Evidence | Survey:
    """Evidence that ended before its time, and says so: f has no edge where it was not called any more."""
    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    limit = judged.estimate.limit.copy()
    limit[limit == Limit.DOMAIN] = Limit.BUDGET
    judged = replace(
        judged, estimate=replace(judged.estimate, limit=limit), interrupted=objective.interrupted
    )
    if isinstance(evidence, Survey):
        # Without a certificate its directions prove nothing.
        arrays = tuple(a if a.certificate is not None else replace(a, residuals=()) for a in evidence.arrays)
        return replace(evidence, arrays=arrays, judged=judged, interrupted=objective.interrupted)
    return judged
