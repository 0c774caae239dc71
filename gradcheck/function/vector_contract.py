"""The contract between a function of many outputs, its Jacobian and x, looked at before anything is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.contract import Inspection, Room, callers_code, changed, inspect_f, is_pair, misfit
from gradcheck.function.matrix import Dense, Matrix, Sparse, dtype_by_digits, dtype_of, read_matrix
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.function.repeat import Repeat
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import count


def inspect_jacobian(
    objective: Objective,
    jac: Any,
    x: Flat,
    args: Sequence[Any],
    what: str,
    *,
    repeat: bool,
    room: Room,
) -> Inspection:
    """Call f twice and jac once at x, and look at what they return and at what they did to x.

    jac : a callable, or a Jacobian already computed. Its second call is left to `again`, after f was called elsewhere.
    repeat : False leaves the second call of f to `inspect_again`.
    Exceptions of either at x propagate, with a note.
    """
    findings: list[Finding] = []
    f_x, _ = inspect_f(objective, x, findings, 2 if repeat else 1, room)
    if any(finding.final for finding in findings):
        return Inspection(f_x, None, tuple(findings), "float64", 0, repeat)
    parameters = objective.parameters

    def read(given: Any) -> tuple[Any, Matrix]:
        result = called_at(jac, given, args, what)
        try:
            # Copied at once: the second call may write into the same buffer.
            return result, read_matrix(result, objective.shape or (), parameters, what)
        except (ValueError, TypeError) as error:
            raise NotScalarError(str(error)) from None

    given = parameters.unflatten(x.copy())
    calls = int(callable(jac))
    try:
        result, matrix = read(given)
    except NotScalarError as error:  # no Jacobian of f, or a product of the wrong shape
        findings.append(Finding(str(error), Outcome.FAIL, final=True))
        return Inspection(f_x, None, tuple(findings), "float64", calls, repeat)
    moved = changed(parameters, given, x)
    if moved:
        findings.append(Finding(f"{what} changes x: {moved}", Outcome.FAIL))
    dtype = dtype_of(result, parameters)
    findings += _values_in(matrix, what)
    if any(finding.final for finding in findings):
        return Inspection(f_x, matrix, tuple(findings), dtype, calls, repeat)
    first = _probed(matrix)
    dtype = dtype_by_digits(matrix.array.data if isinstance(matrix, Sparse) else first, dtype)
    if not callable(jac):
        return Inspection(f_x, matrix, tuple(findings), dtype, calls, repeat)

    def ask(_: list[Finding]) -> Flat:
        try:
            return _probed(read(parameters.unflatten(x.copy()))[1])
        except NotScalarError:
            return np.full(first.shape, np.nan)

    again = Repeat(what, first, ask, eps_of(dtype), objective, x)
    return Inspection(f_x, matrix, tuple(findings), dtype, calls, repeat, again)


def called_at(jac: Callable[..., Any] | Any, given: Any, args: Sequence[Any], what: str) -> Any:
    """What a derivative, or a function that returns one, claims."""
    # A LinearOperator is callable, but as its own product.
    return called(jac, given, args, what) if callable(jac) and not hasattr(jac, "matvec") else jac


def called(function: Callable[..., Any], given: Any, args: Sequence[Any], what: str) -> Any:
    """What a function returns at x; an exception gets a note that says who raised it."""
    with callers_code(f"{what} at x"):
        return function(given, *args)


def slope_along(given: Any, parameters: Parameters, v: Flat, outputs: tuple[int, ...], what: str) -> Flat:
    """J v (m,); a gradient, or (value, gradient), is the Jacobian of one number.

    Raises ValueError or TypeError for what is neither.
    """
    row = isinstance(given, np.ndarray) and given.shape == (1, v.size)
    if outputs or row:
        return np.asarray(read_matrix(given, outputs, parameters, what).product(v), np.float64)
    given = given[1] if is_pair(given, parameters) else given
    try:
        gradient = parameters.flatten(given, what)
    except (ValueError, TypeError) as error:
        raise ValueError(misfit(error, given, parameters, what)) from None
    return np.atleast_1d(np.asarray(gradient @ v, np.float64))


def curvature_along(given: Any, parameters: Parameters, v: Flat, what: str) -> float:
    """v.Hv. Raises ValueError or TypeError for what is no Hessian."""
    return float(v @ read_matrix(given, (v.size,), parameters, what).product(v))


def _probed(matrix: Matrix) -> Flat:
    """What tells one Jacobian from another: all entries (m, n), or one product (m,) where they are not at hand."""
    if isinstance(matrix, Dense):
        return matrix.array
    return matrix.product(np.cos(np.arange(matrix.shape[1])))


def _values_in(matrix: Matrix, what: str) -> list[Finding]:
    if isinstance(matrix, Dense):
        bad = np.argwhere(~np.isfinite(matrix.array))
        values = matrix.array[tuple(bad.T)]
    elif isinstance(matrix, Sparse):
        entries = matrix.array.tocoo()
        at = np.flatnonzero(~np.isfinite(entries.data))
        bad, values = np.stack([entries.row[at], entries.col[at]], axis=1), entries.data[at]
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
        values = product[tuple(bad.T)]
    if len(bad) == 0:
        return []
    symbol = "H" if what in ("hess", "hvp") else "J"
    place = (
        f"{symbol}[{', '.join(map(str, bad[0]))}]" if bad.shape[1] == 2 else f"row {bad[0][0]} of a product"
    )
    text = f"{what} is not finite in {count(len(bad), 'place')}: {place} is {values[0]}"
    return [Finding(text, Outcome.FAIL, final=True)]
