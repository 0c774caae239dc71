"""Checking a Jacobian: every entry, columns in groups, or whole rows along random directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat
from gradcheck.diagnosis.explanations import Diagnosis
from gradcheck.diagnosis.matrices import diagnose_matrix
from gradcheck.driver.options import Given, Options, finished, spelled_out, told
from gradcheck.driver.prepare import prepare
from gradcheck.evidence.columns import GROUPS_UP_TO, gather, with_pattern
from gradcheck.evidence.joint_rows import survey_rows
from gradcheck.evidence.rows import DIRECTIONS
from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.function.matrix import Matrix, Sparse
from gradcheck.function.objective import NotScalarError
from gradcheck.function.progress import Progress
from gradcheck.function.vector_contract import inspect_jacobian
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.numerics.problem import Problem as Claim
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.matrix_names import jacobian_names
from gradcheck.parameters.tree import Parameters
from gradcheck.report.compose import compose
from gradcheck.report.report import Report
from gradcheck.results.certificate import Survey
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Finding, Limit, Outcome
from gradcheck.results.verdict import DEFAULT_RTOL, Tolerance

__all__ = ["check_jacobian"]

# From here on one joint direction costs less than half of what moving each column does.
JOINT_FROM = 4


@told
@spelled_out
@own_arithmetic
def check_jacobian(
    f: Callable[..., Any],
    jac: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    sparsity: Any = None,
    **options: Unpack[Given],
) -> Report:
    """Judge the Jacobian of f: R^n -> R^m: PASS, FAIL or INCONCLUSIVE, with the row and column of what is wrong.

    f : f(x, *args) -> an array of m real numbers, of any shape.
    jac : jac(x, *args) -> J[i, j] = df_i / dx_j: an array (m, n) or of f's shape followed by x's; a tree of such
        arrays with the structure of x; a scipy.sparse matrix; a LinearOperator. Or one of these itself.
    x : as in `check_gradient`, real; never modified.
    sparsity : (m, n), nonzero where an entry may be; as `scipy.optimize.least_squares` takes it. Default for a
        sparse jac: what it stores. Columns that share no row are moved together, and random directions test that
        nothing else is there: a missing entry is found and named.
    method : "sweep" moves every column (or group of columns); "directions" tests whole rows along random directions
        and halves the columns where something is wrong; "auto" takes the first for at most 100 of them.
    rtol, atol, resolution, bounds, subgradient, confidence, rng, max_nfev, max_seconds, progress : as in
        `check_gradient`. A mistake is relative to the entry or to the root mean square of its row, which is the
        gradient of one output, if that is larger.

    Every evaluation serves all outputs. Six a column or a group, and six a direction, where the first step serves.
    Returns a Report with one array, J. Raises ValueError or TypeError for arguments that cannot be used, and
    GradientCheckInterrupted, whose `report` holds what was known, for KeyboardInterrupt.
    """
    chosen = Options.of(options)
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}")
    if jac is None:
        raise TypeError("jac must be a callable or a Jacobian, not None")
    call = chosen.call("check_jacobian(f, jac, x", args=tuple(args) or None, sparsity=sparsity)
    return finished(judge_jacobian(Problem(f, jac, x, tuple(args), sparsity), chosen, call=call))


@dataclass(frozen=True)
class Problem:
    """What is checked: a function, its Jacobian, and where; spent : evaluations of f made before."""

    f: Callable[..., Any]
    jac: Any
    x: Any
    args: tuple[Any, ...] = ()
    sparsity: Any = None
    what: str = "jac"
    symbol: str = "J"
    spent: int = 0


@dataclass
class _Known:
    """What has been found so far; an interruption leaves the rest as it is here."""

    findings: list[Finding]
    tolerance: Tolerance
    evidence: Evidence | Survey | None = None
    ngev: int = 0
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @property
    def final(self) -> bool:
        """Whether nothing can be measured any more."""
        return any(finding.final for finding in self.findings)


def judge_jacobian(
    problem: Problem,
    options: Options,
    *,
    call: str,
    noun: str = "Jacobian",
    extra: Callable[[Matrix, str], list[Finding]] | None = None,
) -> Report:
    """The check itself; `extra` looks at the matrix alone, given the dtype in which it was computed.

    Where it was interrupted the report holds what was known.
    """
    started = time.perf_counter()
    parameters, x = Parameters.of(problem.x)
    if any(b.is_complex for b in parameters.blocks):
        raise TypeError(
            "x is complex; the Jacobian of real parameters alone is checked: pass real and imaginary parts"
        )
    known = _Known(
        [Finding(note) for note in parameters.notes],
        Tolerance(options.rtol or DEFAULT_RTOL["float64"], options.atol),
    )
    with Progress(options.progress) as bar:
        objective = VectorObjective(
            problem.f, parameters, args=problem.args, on_evaluation=bar.evaluated, max_nfev=options.max_nfev,
            max_seconds=options.max_seconds,
        )  # fmt: skip
        objective.nfev = problem.spent
        try:
            _examine(known, problem, options, objective, x, bar, extra)
        except KeyboardInterrupt:
            objective.interrupted = True
        except NotScalarError as error:
            # At x it returned an array of its shape: where it does not, it is no function to be differentiated.
            known.findings.append(Finding(str(error), Outcome.INCONCLUSIVE, final=True))
            known.evidence = None
    if objective.interrupted and known.evidence is None and not known.final:
        text = "interrupted before any entry was judged: start it again"
        known.findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    report = compose(
        jacobian_names(objective.shape or (), parameters, problem.symbol), known.evidence, known.findings,
        tolerance=known.tolerance, nfev=objective.nfev, ngev=known.ngev, seconds=time.perf_counter() - started,
        seed=options.rng, call=call, causes=known.diagnosis.causes,
        budgeted=options.max_nfev is not None or options.max_seconds is not None, noun=noun,
        functions=("grad" if problem.symbol == "H" else "f", problem.what),
    )  # fmt: skip
    report = replace(report, interrupted=objective.interrupted)
    if report.interrupted and report.outcome is Outcome.PASS:
        text = "interrupted before it was done: start it again"
        report = replace(report, outcome=Outcome.INCONCLUSIVE, reason=text)
    return report


def _examine(
    known: _Known,
    problem: Problem,
    options: Options,
    objective: VectorObjective,
    x: Flat,
    bar: Progress,
    extra: Callable[[Matrix, str], list[Finding]] | None,
) -> None:
    """The contract, the noise, the evidence."""
    room = room_within(options.bounds, objective.parameters, x)
    contract = inspect_jacobian(objective, problem.jac, x, problem.args, problem.what)
    known.ngev = contract.ncalls
    known.findings += contract.findings
    if contract.matrix is None or known.final:
        return
    names = jacobian_names(objective.shape or (), objective.parameters, problem.symbol)
    matrix, more = with_pattern(contract.matrix, problem.sparsity, names)
    more += extra(matrix, contract.computes_in) if extra is not None else []
    known.findings += [finding for finding in more if finding not in known.findings]
    generator = np.random.default_rng(options.rng)
    setting: Setting | None = None

    def probed() -> Setting | None:
        nonlocal setting
        if setting is None:
            setting, more = prepare(
                objective, contract.f_x, contract.computes_in, x, tolerances=options.tolerances, rng=generator,
                room=room, subgradient=options.subgradient, names=names,
            )  # fmt: skip
            known.tolerance = setting.tolerance
            known.findings += more
        return None if known.final else setting

    bar.plan(_planned(matrix, options.method))
    evidence: Evidence | Survey | None = None
    if options.method != "sweep" and x.size >= JOINT_FROM:
        tolerance = Tolerance.for_dtypes([contract.computes_in], *options.tolerances)
        eps = float(np.finfo(contract.computes_in).eps)
        scales = objective.parameters.scales(x)
        claim = Claim(objective, x, contract.f_x, matrix, scales, tolerance, room, eps)
        known.tolerance = tolerance
        if claim.in_doubles and finite(matrix):
            evidence = survey_rows(claim, names, probed, confidence=options.confidence, rng=generator)
    if evidence is None:
        if known.final or probed() is None or setting is None:
            return
        evidence, more = gather(setting, matrix, options.method, options.confidence, generator, names)
        known.findings += more
    known.evidence = _cut_short(evidence, objective) if objective.ended else evidence
    if contract.again is not None and not objective.interrupted:
        known.findings += contract.again.findings(known.tolerance, room)
        known.ngev += contract.again.calls
    if evidence is not None and setting is not None:
        known.diagnosis = diagnose_matrix(setting, names, matrix, evidence)


def finite(matrix: Matrix) -> bool:
    """Whether every entry is; of products alone that is seen when they are taken."""
    values = getattr(matrix, "array", None)
    values = getattr(values, "data", values) if scipy.sparse.issparse(values) else values
    return values is None or bool(np.isfinite(values).all())


def _planned(matrix: Matrix, method: str) -> int:
    """The evaluations that a right Jacobian takes, where the first step serves; 0 where the groups are not known."""
    if isinstance(matrix, Sparse):
        return 0
    n = matrix.shape[1]
    return 6 * (n if method == "sweep" or (method == "auto" and n <= GROUPS_UP_TO) else DIRECTIONS)


def _cut_short(evidence: Evidence | Survey | None, objective: VectorObjective) -> Evidence | Survey | None:
    """Evidence that ended before its time, and says so: f has no edge where it was not called any more."""
    if evidence is None:
        return None
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
