"""The contract between f, grad and x, looked at before anything is differentiated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.parameters.tree import Parameters
from gradcheck.results.outcome import Finding, Outcome

__all__ = ["Inspection", "changed", "gradient_at", "inspect", "inspect_again", "is_pair"]

# Two calls of f may differ by what a parallel sum reorders; more than this is randomness.
REPEATABLE = 1e-9


@dataclass(frozen=True)
class Inspection:
    """What the first calls at x gave.

    f_x : f(x). analytic : the gradient under test, flat; None where there is none to judge.
    computes_in : the name of the dtype of value and gradient, the coarser of the two. ngev : calls of grad.
    repeated : whether f was called a second time at x.
    """

    f_x: Any
    analytic: Flat | None
    findings: tuple[Finding, ...]
    computes_in: str
    ngev: int
    repeated: bool = True


def inspect(
    objective: Objective, grad: Any, x: Flat, args: Sequence[Any] = (), *, repeat: bool = True
) -> Inspection:
    """Call f twice and grad twice at x, and look at what they return and at what they did to x.

    grad : a callable, a tree already computed, or True where f returns (value, gradient).
    repeat : False leaves the second call of f to `inspect_again`, save where f returns its gradient, or where the
        first calls found something that a random f would explain.
    Exceptions that f or grad raise at x propagate, with a note that says where.
    """
    findings: list[Finding] = []
    repeat = repeat or grad is True
    f_x, returned = _inspect_f(objective, x, findings, calls=2 if repeat else 1)
    if any(finding.final for finding in findings):
        return Inspection(f_x, None, tuple(findings), "float64", 0)
    parameters, ngev = objective.parameters, 0
    if grad is True:
        trees = returned
    elif callable(grad):
        trees = _call_grad(grad, parameters, x, args, f_x, findings)
        ngev = len(trees)
    else:
        trees = [grad]
    analytic, dtype = _inspect_gradient(parameters, trees, findings)
    found = Inspection(f_x, analytic, tuple(findings), dtype, ngev, repeat)
    if repeat or not any(finding.outcome for finding in findings):
        return found
    again = inspect_again(objective, found, x)
    if any(finding.final for finding in again):
        return Inspection(f_x, None, again, "float64", ngev)
    return replace(found, findings=(*again, *findings), repeated=True)


def inspect_again(objective: Objective, inspection: Inspection, x: Flat) -> tuple[Finding, ...]:
    """What a second call of f at x adds, where `inspect` left it out."""
    findings = list(inspection.findings)
    value = _call_f(objective, x, findings)[0]
    if not any(finding.final for finding in findings):
        _compare(inspection.f_x, value, findings)
    return tuple(findings[len(inspection.findings) :])


def _inspect_f(objective: Objective, x: Flat, findings: list[Finding], calls: int) -> tuple[Any, list[Any]]:
    values, gradients, kept, given = [], [], [], []
    for _ in range(calls):
        value, gradient, tree = _call_f(objective, x, findings)
        if any(finding.final for finding in findings):
            return np.nan, []
        values.append(value)
        # As it was then: an f that reuses its buffer writes into it at the next call.
        kept.append(copy.deepcopy(gradient))
        gradients.append(gradient)
        given.append(tree)
    first = values[0]
    if not np.isfinite(first):
        findings.append(
            Finding(
                f"f(x) is {first}: there is no derivative to compare with", Outcome.INCONCLUSIVE, final=True
            )
        )
    else:
        _compare(first, values[-1], findings)
    if gradients[0] is not None:
        _note_sharing(objective.parameters, gradients, given[0], "f", findings)
    return first, kept


def _call_f(objective: Objective, x: Flat, findings: list[Finding]) -> tuple[Any, Any, Any]:
    """One call of f at x: value, gradient or None, and the tree that f was given."""
    tree = objective.parameters.unflatten(x.copy())
    try:
        value, gradient = objective.at(tree)
    except NotScalarError as error:
        findings.append(Finding(str(error), Outcome.INCONCLUSIVE, final=True))
        return np.nan, None, tree
    except Exception as error:
        error.add_note("gradcheck: raised by f at x")
        raise
    moved = changed(objective.parameters, tree, x)
    if moved and not findings:
        findings.append(Finding(f"f changes x: {moved}", Outcome.INCONCLUSIVE))
    return value, gradient, tree


def _compare(first: Any, second: Any, findings: list[Finding]) -> None:
    """Two values of f at x should be the same."""
    if first == second:
        return
    text = f"f differs between two calls at the same x: {first:.17g} and {second:.17g}"
    if not abs(first - second) <= REPEATABLE * max(abs(first), abs(second)):
        findings.append(
            Finding(
                text + "; clear the state that it keeps from call to call, or fix its random seed",
                Outcome.INCONCLUSIVE,
                final=True,
            )
        )
    else:
        findings.append(Finding(text))


def _call_grad(
    grad: Callable[..., Any],
    parameters: Parameters,
    x: Flat,
    args: Sequence[Any],
    f_x: Any,
    findings: list[Finding],
) -> list[Any]:
    """Call grad twice: the gradient as it was after the first call, and the second one.

    Once where the first has not the structure of x, which is reason enough to refuse it.
    """
    given = parameters.unflatten(x.copy())
    try:
        first = _gradient_part(grad(given, *args), parameters, f_x, findings)
    except Exception as error:
        error.add_note("gradcheck: raised by grad at x")
        raise
    moved = changed(parameters, given, x)
    if moved:
        findings.append(Finding(f"grad changes x: {moved}", Outcome.FAIL))
    if not _fits(parameters, first):
        return [first]
    kept = copy.deepcopy(first)
    second = _gradient_part(grad(parameters.unflatten(x.copy()), *args), parameters, f_x, [])
    _note_sharing(parameters, [first, second], None if moved else given, "grad", findings)
    return [kept, second]


def _note_sharing(
    parameters: Parameters, gradients: list[Any], given: Any, who: str, findings: list[Finding]
) -> None:
    """What two calls at x returned may be one array, or the x that the first was given (None: not looked at)."""
    first, second = gradients
    if not (_fits(parameters, first) and _fits(parameters, second)):
        return
    what = "" if who == "grad" else " as its gradient"
    if _share(parameters, first, second):
        text = f"{who} returns the same buffer{what} at every call: a caller that keeps it sees it change"
        findings.append(Finding(text))
    if given is not None and _fits(parameters, given) and _share(parameters, first, given):
        text = f"{who} returns a view of x{what}: writing into the gradient would change x"
        findings.append(Finding(text))


def _gradient_part(result: Any, parameters: Parameters, f_x: Any, findings: list[Finding]) -> Any:
    """The gradient of a (value, gradient) pair, whose value must be f's; anything else as it is."""
    if not is_pair(result, parameters):
        return result
    value, gradient = result
    if not abs(value - f_x) <= REPEATABLE * max(abs(value), abs(f_x)):
        text = f"f(x) is {f_x:.17g} but grad returns the value {value:.17g} with its gradient: two different functions"
        findings.append(Finding(text, Outcome.FAIL))
    return gradient


def is_pair(result: Any, parameters: Parameters) -> bool:
    """Whether grad returned (value, gradient), and not a gradient that is a pair itself."""
    pair = isinstance(result, tuple) and len(result) == 2 and np.ndim(result[0]) == 0
    return pair and not _fits(parameters, result)


def gradient_at(grad: Callable[..., Any], parameters: Parameters, x: Flat, args: Sequence[Any]) -> Flat:
    """One more call of grad, at any point: its gradient, flat. Raises whatever grad raises."""
    result = grad(parameters.unflatten(x.copy()), *args)
    return parameters.flatten(result[1] if is_pair(result, parameters) else result)


def _inspect_gradient(
    parameters: Parameters, trees: list[Any], findings: list[Finding]
) -> tuple[Flat | None, str]:
    try:
        analytic = parameters.flatten(trees[0])
    except (ValueError, TypeError) as error:
        findings.append(Finding(str(error), Outcome.FAIL, final=True))
        return None, "float64"
    if not all(
        _fits(parameters, tree) and np.array_equal(analytic, parameters.flatten(tree), equal_nan=True)
        for tree in trees[1:]
    ):
        findings.append(Finding("grad differs between two calls at the same x", Outcome.FAIL))
    bad = np.flatnonzero(~np.isfinite(analytic))
    if bad.size:
        text = (
            f"grad is not finite in {bad.size:,} of {analytic.size:,} entries: {parameters.name(int(bad[0]))}"
        )
        findings.append(Finding(f"{text} is {analytic[bad[0]]}", Outcome.FAIL))
    dtypes = [leaf.dtype for leaf in parameters.arrays(trees[0])]
    for dtype in sorted({str(d) for d in dtypes if d.kind in "iub"}):
        findings.append(Finding(f"grad returns {dtype}: fractions may have been cut off"))
    reals = [np.empty(0, d).real.dtype for d in dtypes if d.kind in "fc"]
    reals += [b.real_dtype for b in parameters.blocks]
    coarsest = max((float(np.finfo(d).eps), str(d)) for d in reals)[1]
    return analytic, coarsest


def changed(parameters: Parameters, tree: Any, x: Flat) -> str:
    """How a tree that f or grad was given differs from x after the call: its first entry; empty where it does not."""
    try:
        now = parameters.flatten(tree, "it")
    except (ValueError, TypeError) as error:
        return f"after the call {error}"
    moved = np.flatnonzero(now != x)
    if moved.size == 0:
        return ""
    at = int(moved[0])
    return f"{parameters.name(at)} was {x[at]:.17g} before the call and is {now[at]:.17g} after it"


def _fits(parameters: Parameters, tree: Any) -> bool:
    try:
        parameters.flatten(tree)
    except (ValueError, TypeError):
        return False
    return True


def _share(parameters: Parameters, one: Any, other: Any) -> bool:
    return any(np.shares_memory(a, b) for a in parameters.arrays(one) for b in parameters.arrays(other))
