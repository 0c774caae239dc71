"""Checking a Jacobian: every entry, columns in groups, or whole rows along random directions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Unpack

import numpy as np

from gradcheck._typing import Flat
from gradcheck.checks.linear import rounding_of_pair
from gradcheck.diagnosis.undecided import Circumstances
from gradcheck.driver.examine import examine
from gradcheck.driver.known import Known
from gradcheck.driver.options import Given, Options, check_flag, finished, told
from gradcheck.function.coloring import with_pattern
from gradcheck.function.contract import ORDER, Inspection, Room, check_callables
from gradcheck.function.matrix import Matrix, Product
from gradcheck.function.objective import Objective
from gradcheck.function.progress import Progress
from gradcheck.function.vector_contract import inspect_jacobian
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.report.compose import compose
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.entries import Entries
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome


@told
def check_jacobian(
    f: Callable[..., Any],
    jac: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    sparsity: Any = None,
    vectorized: bool = False,
    **options: Unpack[Given],
) -> Report:
    """Judge the Jacobian of f: R^n -> R^m: PASS, FAIL or INCONCLUSIVE, with the row and column of what is wrong.

    Every evaluation serves all outputs. Six a column or a group, and six a direction, where the first step serves.
    Returns a Report with one array, J. Raises ValueError or TypeError for arguments that cannot be used, and
    GradientCheckInterrupted, whose `report` holds what was known, for KeyboardInterrupt.

    Parameters
    ----------
    f
        f(x, *args) -> an array of m real numbers, of any shape.
    jac
        jac(x, *args) -> J[i, j] = df_i / dx_j: an array (m, n) or of f's shape followed by x's; a tree of such
        arrays with the structure of x; a scipy.sparse matrix; a LinearOperator. Or one of these itself.
    x
        as in `check_gradient`, real; never modified.
    args
        further arguments of f and jac, a tuple.
    sparsity
        (m, n), nonzero where an entry may be; as `scipy.optimize.least_squares` takes it. Default for a
        sparse jac: what it stores. Columns that share no row are moved together, and random directions test that
        nothing else is there: a missing entry is found and named.
    method
        "sweep" moves every column (or group of columns); "directions" tests whole rows along random directions
        and finds the columns where something is wrong; "complex" moves every column by the complex step, where a
        real difference along a random direction agrees with it. "auto" takes what is cheapest first: differences where
        f is rounded, joint directions from 5 columns on, and then the first for at most 100 columns.
    vectorized
        f takes k points at once, along a last axis more than x has, and returns an array with a last axis of length k
        more than f(x) has, as in scipy.differentiate.jacobian. jac gets one x, as always.
    rtol, atol, resolution, bounds, subgradient, confidence, rng, max_nfev, max_seconds, n_jobs, progress
        as in `check_gradient`. A mistake is relative to the entry or to the root mean square of its row, which is the
        gradient of one output, if that is larger.
    """
    check_callables(ORDER, f=f)
    if jac is None:
        raise TypeError("jac must be a callable or a Jacobian, not None")
    asked = Asked.of(
        "check_jacobian(f, jac, x", f, jac, x, args, options, vectorized=vectorized, sparsity=sparsity
    )
    return finished(judge_jacobian(asked), asked.recipe)


@dataclass(frozen=True)
class Asked:
    """What is checked: a function, its Jacobian, where and how. `recipe` and `call` repeat what the user asked for.

    spent : evaluations of f made before. rounding : (m,) what its values are rounded to at the least. extra : looks at
    the matrix alone, given the dtype in which it was computed. after : the same once entries were judged, given these.
    """

    f: Callable[..., Any]
    jac: Any
    recipe: Recipe
    options: Options
    call: str
    vectorized: bool = False
    sparsity: Any = None
    what: str = "jac"
    symbol: str = "J"
    spent: int = 0
    rounding: Any = 0.0
    extra: Callable[[Matrix, str], list[Finding]] | None = None
    after: Callable[[Matrix, str, Entries | None], list[Finding]] | None = None

    @classmethod
    def of(
        cls, start: str, f: Any, derivative: Any, x: Any, args: Sequence[Any], given: Given,
        *, vectorized: bool, **own: Any,
    ) -> Asked:  # fmt: skip
        """What a user asks for. start : how the call begins, up to x. own : what this check alone takes.

        Raises ValueError or TypeError for what cannot be used.
        """
        options = Options.of(given)
        check_flag("vectorized", vectorized)
        call = options.call(start, args=tuple(args) or None, **own, vectorized=vectorized or None)
        vectorized, check = bool(vectorized), start.partition("(")[0]
        recipe = options.recipe(check, f, derivative, x, args, **own, vectorized=vectorized)
        return cls(f, derivative, recipe, options, call, vectorized, **own)

    @property
    def single(self) -> Callable[..., Any]:
        """A function of one point from f, which may take many along a last axis."""
        if not self.vectorized:
            return self.f
        f, parameters = self.f, self.recipe.parameters

        def single(tree: Any, *args: Any) -> Any:
            stacks = [array[..., None] for array in parameters.arrays(tree)]
            return np.asarray(f(parameters.tree_of(stacks), *args))[..., 0]

        return single


# Pairs of vectors that a transpose is asked for, and what the two sides may be apart by, relative to their terms.
PAIRS, TRANSPOSE = 2, 1e-5


def judge_jacobian(asked: Asked) -> Report:
    """The check itself. An interrupted one holds what was known."""
    started = time.perf_counter()
    recipe, options = asked.recipe, asked.options
    _refuse_complex(recipe.parameters)
    with Progress(options.progress) as bar:
        objective = Objective(
            asked.f, recipe.parameters, several=True, args=recipe.args, max_nfev=options.max_nfev,
            on_evaluation=bar.evaluated, vectorized=asked.vectorized, max_seconds=options.max_seconds,
            n_jobs=options.n_jobs,
        )  # fmt: skip
        objective.nfev = asked.spent
        known = Known(objective, options, recipe.flat)
        examine(known, partial(_inspected, objective, asked, known.room), bar)
    if asked.after is not None and known.inspection is not None and known.inspection.matrix is not None:
        evidence = known.evidence.entries if known.evidence is not None else None
        known.findings += asked.after(known.problem.matrix, known.inspection.computes_in, evidence)
    of_gradient = asked.symbol == "H"
    report = composed(
        known, started, call=asked.call, noun="Hessian" if of_gradient else "Jacobian",
        functions=("grad" if of_gradient else "f", asked.what),
    )  # fmt: skip
    if report.interrupted and report.outcome is Outcome.PASS:
        text = "interrupted before it was done: start it again"
        report = replace(report, outcome=Outcome.INCONCLUSIVE, reason=text)
    return report


def _refuse_complex(parameters: Parameters) -> None:
    if any(b.is_complex for b in parameters.blocks):
        raise TypeError(
            "x is complex; the Jacobian of real parameters alone is checked: pass real and imaginary parts"
        )


def composed(known: Known, started: float, noun: str = "gradient", **more: Any) -> Report:
    """The report of what is known; started : when the check began. more : as of `compose`."""
    options, looked = known.options, known.inspection
    analytic = looked.analytic if looked is not None else None
    named = (looked.names if looked is not None else None) or known.objective.parameters
    steps = None if known.setting is None else known.setting.first_steps
    given = Circumstances(
        known.tolerance, options.budgeted, noun, known.coarse, steps,
        analytic=analytic, subgradient=options.subgradient, method=options.method,
    )  # fmt: skip
    return compose(
        named, known.evidence, known.findings, given, nfev=known.objective.nfev, ngev=known.ngev,
        seconds=time.perf_counter() - started, seed=options.rng, causes=known.causes,
        interrupted=known.interrupted, **more,
    )  # fmt: skip


def _inspected(objective: Objective, asked: Asked, room: Room, *, repeat: bool) -> Inspection:
    """The first calls at x; the matrix as sparse where a pattern is declared."""
    contract = inspect_jacobian(
        objective, asked.jac, asked.recipe.flat, asked.recipe.args, asked.what, repeat=repeat, room=room
    )
    if contract.matrix is None or any(finding.final for finding in contract.findings):
        return replace(contract, matrix=None)
    names = jacobian_names(objective.shape or (), objective.parameters, asked.symbol)
    matrix, more = with_pattern(contract.matrix, asked.sparsity, names)
    if isinstance(matrix, Product):
        more += _of_transpose(matrix, asked.what)
    more += asked.extra(matrix, contract.computes_in) if asked.extra is not None else []
    more = [finding for finding in more if finding not in contract.findings]
    findings = (*contract.findings, *more)
    return replace(contract, matrix=matrix, findings=findings, names=names, rounding=asked.rounding)


def _of_transpose(matrix: Product, what: str) -> list[Finding]:
    """Whether the rmatvec of a LinearOperator is the transpose of its matvec: u.(J v) = (J^T u).v for random vectors.

    An operator that has none is not judged by it.
    """
    rng, transpose = np.random.default_rng(0), matrix.rmatvec
    if transpose is None:
        return []

    def backward(u: Flat) -> Flat:
        return np.asarray(transpose(u), np.float64).ravel()

    for _ in range(PAIRS):
        u, v = rng.normal(size=matrix.shape[0]), rng.normal(size=matrix.shape[1])
        try:
            back = backward(u)
        except Exception:  # it is the caller's, and most have none
            return []
        forward = matrix.product(v)
        left, right = float(u @ forward), float(back @ v)
        # The sums of the moduli, for which no product is squared.
        size = max(float(np.abs(u * forward).sum()), float(np.abs(back * v).sum()))
        if not math.isfinite(size) or abs(left - right) <= TRANSPOSE * size:
            continue
        if abs(left - right) > rounding_of_pair(matrix.product, backward, v, u):
            said = f"u.({what} v) is {left:.8g} and ({what}^T u).v is {right:.8g} for random u and v"
            return [Finding(f"rmatvec of {what} is not the transpose of its matvec: {said}", Outcome.FAIL)]
    return []
