"""The contract between a function of many outputs, its Jacobian and x, looked at before anything is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.contract import REPEATABLE, changed
from gradcheck.function.matrix import Dense, Matrix, Sparse, matrix_dtype, read_matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.parameters.matrix_names import output_name
from gradcheck.results.outcome import Finding, Outcome

__all__ = ["Contract", "call_outputs", "inspect_jacobian"]


@dataclass(frozen=True)
class Contract:
    """What the first calls gave: f_x (m,), the Jacobian under test or None, findings, calls of jac."""

    f_x: Flat
    matrix: Matrix | None
    findings: tuple[Finding, ...]
    computes_in: str
    ncalls: int


def call_outputs(objective: VectorObjective, x: Flat, findings: list[Finding]) -> Flat:
    """f(x), (m,), from two calls; what is wrong with them is appended to `findings`."""
    seen: list[Flat] = []
    for _ in range(2):
        tree = objective.parameters.unflatten(x.copy())
        try:
            values = objective.at(tree)[0]
        except NotScalarError as error:
            findings.append(Finding(str(error), Outcome.INCONCLUSIVE, final=True))
            return np.full(1, np.nan)
        except Exception as error:
            error.add_note("gradcheck: raised by f at x")
            raise
        seen.append(values)
        moved = changed(objective.parameters, tree, x)
        if moved and not findings:
            findings.append(Finding(f"f changes x: {moved}", Outcome.INCONCLUSIVE))
    first, second = seen
    bad = np.flatnonzero(~np.isfinite(first))
    apart = np.flatnonzero(first != second)
    if bad.size:
        name = output_name(objective.shape or (), int(bad[0]))
        text = f"f(x) is not finite: {name} is {first[bad[0]]}; there is no derivative to compare with"
        findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    elif apart.size:
        k = int(apart[np.argmax(np.abs(first - second)[apart])])
        name = output_name(objective.shape or (), k)
        text = f"f differs between two calls at the same x: {name} is {first[k]:.17g} and {second[k]:.17g}"
        if np.abs(first - second)[k] > REPEATABLE * max(abs(first[k]), abs(second[k])):
            findings.append(
                Finding(
                    text + "; clear the state that it keeps from call to call, or fix its random seed",
                    Outcome.INCONCLUSIVE,
                    final=True,
                )
            )
        else:
            findings.append(Finding(text))
    return first


def inspect_jacobian(
    objective: VectorObjective, jac: Any, x: Flat, args: Sequence[Any], what: str = "jac"
) -> Contract:
    """Call f twice and jac twice at x, and look at what they return and at what they did to x.

    jac : a callable, or a Jacobian already computed. Exceptions of either at x propagate, with a note.
    """
    findings: list[Finding] = []
    f_x = call_outputs(objective, x, findings)
    if any(finding.final for finding in findings):
        return Contract(f_x, None, tuple(findings), "float64", 0)
    parameters = objective.parameters
    results: list[Any] = []
    matrices: list[Matrix] = []
    for _ in range(2 if callable(jac) and not hasattr(jac, "matvec") else 1):
        given = parameters.unflatten(x.copy())
        try:
            result = _called(jac, given, args, what)
        except NotScalarError as error:
            findings.append(Finding(str(error), Outcome.FAIL, final=True))
            return Contract(f_x, None, tuple(findings), "float64", len(results) + 1)
        moved = changed(parameters, given, x)
        if moved and not results:
            findings.append(Finding(f"{what} changes x: {moved}", Outcome.FAIL))
        try:
            # Copied at once: the second call may write into the same buffer.
            matrices.append(read_matrix(result, objective.shape or (), parameters, what))
        except (ValueError, TypeError) as error:
            findings.append(Finding(str(error), Outcome.FAIL, final=True))
            return Contract(f_x, None, tuple(findings), "float64", len(results) + 1)
        results.append(result)
    if len(matrices) == 2 and not _alike(*matrices):
        findings.append(Finding(f"{what} differs between two calls at the same x", Outcome.FAIL))
    findings += _values_in(matrices[0], what)
    calls = len(results) if callable(jac) else 0
    return Contract(f_x, matrices[0], tuple(findings), str(matrix_dtype(results[0], parameters)), calls)


def _called(jac: Callable[..., Any] | Any, given: Any, args: Sequence[Any], what: str) -> Any:
    # A LinearOperator is callable, but as its own product.
    if not callable(jac) or hasattr(jac, "matvec"):
        return jac
    try:
        return jac(given, *args)
    except Exception as error:
        error.add_note(f"gradcheck: raised by {what} at x")
        raise


def _alike(one: Matrix, other: Matrix) -> bool:
    if isinstance(one, Dense) and isinstance(other, Dense):
        return np.array_equal(one.array, other.array, equal_nan=True)
    probe = np.cos(np.arange(one.shape[1]))
    return np.array_equal(one.product(probe), other.product(probe), equal_nan=True)


def _values_in(matrix: Matrix, what: str) -> list[Finding]:
    if isinstance(matrix, Dense):
        bad = np.argwhere(~np.isfinite(matrix.array))
    elif isinstance(matrix, Sparse):
        entries = matrix.array.tocoo()
        at = np.flatnonzero(~np.isfinite(entries.data))
        bad = np.stack([entries.row[at], entries.col[at]], axis=1)
    else:
        # Only products are known.
        try:
            product = matrix.product(np.ones(matrix.shape[1]))
        except NotScalarError as error:
            return [Finding(str(error), Outcome.FAIL, final=True)]
        if product.shape != (matrix.shape[0],):
            text = f"the product of {what} with a vector has shape {product.shape}, not ({matrix.shape[0]},)"
            return [Finding(text, Outcome.FAIL, final=True)]
        bad = np.argwhere(~np.isfinite(product))
    if len(bad) == 0:
        return []
    place = f"J[{', '.join(map(str, bad[0]))}]" if bad.shape[1] == 2 else f"row {bad[0][0]} of a product"
    return [
        Finding(f"{what} is not finite in {len(bad):,} places: {place} for one", Outcome.FAIL, final=True)
    ]
