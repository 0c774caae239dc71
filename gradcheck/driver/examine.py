"""The course of a check: the contract, the noise, the evidence, what explains it; or what of it is known so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.diagnosis.along import Along
from gradcheck.diagnosis.explanations import Diagnosis, diagnose
from gradcheck.diagnosis.scope import Subject
from gradcheck.driver.prepare import prepare
from gradcheck.evidence.arrays import LOOKS, survey
from gradcheck.evidence.complex_test import leave_open
from gradcheck.evidence.examination import examine_jointly
from gradcheck.evidence.joint import Direction
from gradcheck.evidence.one_by_one import one_by_one
from gradcheck.evidence.plain_differences import agreement
from gradcheck.function.contract import Inspection, gradient_at, inspect, inspect_again
from gradcheck.function.matrix import Dense
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.function.progress import Progress
from gradcheck.numerics.differences import first_step
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.noise import Noise
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.setting import Setting
from gradcheck.results.certificate import Survey
from gradcheck.results.evidence import NO_DOUBTS, Doubts, Evidence
from gradcheck.results.outcome import Finding, Outcome
from gradcheck.results.verdict import Tolerance

__all__ = ["Known", "Question", "examine"]

# Up to here every coordinate is judged by itself; above, directions decide and the search names what is wrong.
SWEEP_UP_TO = 100
# From here on one joint direction, of eight points and f(x), and perhaps one call with complex numbers, costs no more
# than two differences for each entry and f(x).
JOINT_FROM = 5
# Up to here what a joint direction finds wrong is judged entry by entry: that costs about as much as the search, and
# the report then has a number for each.
JUDGED_UP_TO = 20
# Evaluations of f for one search, beyond those for ten wrong entries: more are reported as regions.
LOCATION_BUDGET = 1500


@dataclass(frozen=True)
class Question:
    """What is asked; the arguments of `check_gradient`, x as a flat vector (size,).

    tolerances : rtol, atol and resolution, None for a default. room : (size,), (size,) to the left and the right.
    """

    grad: Any
    x: Flat
    args: tuple[Any, ...]
    tolerances: tuple[float | None, float, float | None]
    method: str
    confidence: float
    subgradient: bool
    room: tuple[Flat, Flat] | None
    rng: Any


@dataclass
class Known:
    """What has been found so far; it grows in this order, and an interruption leaves the rest as it is here."""

    findings: list[Finding]
    inspection: Inspection | None = None
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
        """Calls of grad."""
        return self.diagnosis.ngev + (self.inspection.ngev if self.inspection is not None else 0)


def examine(objective: Objective, question: Question, bar: Progress) -> Known:
    """Gather all that a report is made of; a KeyboardInterrupt ends it with what is known."""
    known = Known([Finding(note) for note in objective.parameters.notes])
    try:
        _examine(known, objective, question, bar)
        known.findings += _asked_again(known, question)
    except KeyboardInterrupt:
        known.interrupted = True
    except BudgetSpentError:
        text = "the budget of evaluations was used up before any entry was judged: raise max_nfev"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    except NotScalarError as error:
        # At x it returned a number: where it does not, it is no function that could be differentiated.
        known.findings.append(Finding(f"{error} at a point near x", Outcome.INCONCLUSIVE, final=True))
    if objective.left_domain and known.evidence is not None:
        text = f"a point near x was taken for off f's domain: f raised {objective.left_domain}"
        known.findings.append(Finding(text))
    if known.evidence is not None:
        known.interrupted |= known.evidence.interrupted
    elif known.interrupted:
        text = "interrupted before any entry was judged: start it again"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    return known


def _asked_again(known: Known, question: Question) -> list[Finding]:
    """What a second call of grad adds, now that f was called elsewhere."""
    if known.final or known.inspection is None or known.inspection.again is None:
        return []
    if known.setting is not None:
        tolerance = known.setting.tolerance
    else:
        tolerance = Tolerance.for_dtypes([known.inspection.computes_in], *question.tolerances)
    return known.inspection.again.findings(tolerance, question.room)


def _examine(known: Known, objective: Objective, question: Question, bar: Progress) -> None:
    x, room = question.x, question.room
    quickly = question.method == "auto" and x.size <= SWEEP_UP_TO
    jointly = question.method in ("auto", "directions") and x.size >= JOINT_FROM
    known.inspection = inspect(objective, question.grad, x, question.args, repeat=not (quickly or jointly))
    known.findings += known.inspection.findings
    if room is not None and not (room[0] + room[1] > 0).any():
        text = "nothing was checked: every coordinate is fixed by its bounds"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    if known.final:
        return
    doubts = NO_DOUBTS
    if quickly:
        bar.plan(2 * x.size)
        agreed = agreement(
            objective, known.inspection, x, question.tolerances, few=JOINT_FROM, room=room, rng=question.rng
        )  # fmt: skip
        if agreed.evidence is not None:
            known.setting, known.evidence = agreed.setting, agreed.evidence
            return
        doubts = agreed.doubts
    if jointly and known.inspection.analytic is not None:
        bar.plan(len(EIGHT) * 2)
        held = _examine_jointly(known, objective, question)
        if known.evidence is not None or known.final:
            return
        doubts = held if held.coordinates.size else doubts
    if not known.inspection.repeated:
        known.findings += inspect_again(objective, known.inspection, x)
        if known.final:
            return
    if known.setting is None:
        known.setting, more = _prepared(objective, known.inspection, question)
        known.findings += more
    if known.final or known.inspection.analytic is None:
        return
    bar.plan(planned(known.setting, question.method))
    known.evidence, said = gather(
        known.setting,
        known.inspection.analytic,
        question.method,
        question.confidence,
        question.rng,
        doubts.beyond(float(known.setting.level[0])),
    )
    known.findings += said
    known.diagnosis = explain(
        known.setting, known.inspection.analytic, known.evidence, question.grad, question.args
    )


def _examine_jointly(known: Known, objective: Objective, question: Question) -> Doubts:
    """Joint directions, where x is real and double and every claim finite; what they settle is the evidence.

    Returns what they hold against some entries where they do not.
    """
    inspection, x = known.inspection, question.x
    assert inspection is not None
    analytic = inspection.analytic
    assert analytic is not None
    tolerance = Tolerance.for_dtypes([inspection.computes_in], *question.tolerances)
    eps = float(np.finfo(inspection.computes_in).eps)
    scales = objective.parameters.scales(x)
    f_x = np.array([inspection.f_x])
    problem = Problem(objective, x, f_x, Dense(analytic[None, :]), scales, tolerance, question.room, eps)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.sum(np.square(analytic)) * np.sum(np.square(scales))
    if not problem.in_doubles or not np.isfinite(squares):
        return NO_DOUBTS

    def setting_of(first: Direction, noise_level: float | None) -> Setting:
        level = 2.0 * float(np.max(first.noise)) if noise_level is None else noise_level
        noise = Noise(level, float(first.weight[0]), "float64", False, ())
        # A power of two, so that similar claims ask for the same values.
        step = 2.0 ** np.rint(np.log2(first_step(noise, float(inspection.f_x), x.size)))
        return Setting(
            objective, x, inspection.f_x, level, step, scales, tolerance,
            question.room, question.subgradient, eps, slope=float(first.weight[0]) / np.sqrt(x.size),
        )  # fmt: skip

    def probed() -> Setting | None:
        assert inspection is not None
        setting, findings = _prepared(objective, inspection, question)
        known.findings += findings
        return None if known.final else setting

    search = question.method == "directions" or x.size > JUDGED_UP_TO
    found = examine_jointly(
        problem,
        setting_of,
        probed,
        confidence=question.confidence,
        rng=np.random.default_rng(question.rng),
        search=search,
    )
    known.setting, known.evidence, doubts = found
    if known.setting is not None and known.evidence is not None:
        known.diagnosis = explain(known.setting, analytic, known.evidence, question.grad, question.args)
    return doubts


def _prepared(
    objective: Objective, inspection: Inspection, question: Question
) -> tuple[Setting, tuple[Finding, ...]]:
    return prepare(
        objective, inspection.f_x, inspection.computes_in, question.x, tolerances=question.tolerances,
        rng=question.rng, room=question.room, subgradient=question.subgradient,
    )  # fmt: skip


def gather(
    setting: Setting, analytic: Flat, method: str, confidence: float, rng: Any, doubts: Doubts
) -> tuple[Evidence | Survey, list[Finding]]:
    """The evidence of the chosen method, and what there is to say about how it was gathered.

    doubts : what the short way held against some entries.
    """
    n = analytic.size
    if by_directions(n, method):
        generator = np.random.default_rng(rng)
        surveyed = survey(
            setting, analytic, confidence=confidence, rng=generator, location_budget=LOCATION_BUDGET
        )
        return surveyed, []
    room = setting.room
    free = np.arange(n) if room is None else np.flatnonzero(room[0] + room[1] > 0)
    evidence, notes = one_by_one(setting, analytic[free], free, method, rng, doubts)
    if doubts.exact and not evidence.judgement.wrong.any():
        evidence = leave_open(setting, evidence)
    return evidence, notes


def by_directions(n: int, method: str) -> bool:
    """Whether n parameters are tested by directions."""
    return method == "directions" or (method == "auto" and n > SWEEP_UP_TO)


def planned(setting: Setting, method: str) -> int:
    """The evaluations that a right gradient takes, where the first step serves."""
    n = setting.x.size
    lines = LOOKS[0] * len(setting.parameters.blocks) if by_directions(n, method) else n
    return min(6 * lines, setting.objective.remaining)


def explain(
    setting: Setting, analytic: Flat, evidence: Evidence | Survey, grad: Any, args: Sequence[Any]
) -> Diagnosis:
    """What kind of mistake fits; calls grad again, at most twice, only where nothing else explains it."""

    def again(x: Flat) -> Flat:
        return gradient_at(grad, setting.parameters, x, args)

    more_calls = callable(grad) and not evidence.interrupted
    along = None
    if not evidence.interrupted:
        along = Along.of(setting)
    subject = Subject(setting.parameters, analytic, setting.x, setting.f_x[0], setting.tolerance, along=along)
    return diagnose(subject, evidence, again if more_calls else None)
