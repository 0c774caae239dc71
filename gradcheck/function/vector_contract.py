"""The contract between a function of many outputs, its Jacobian and x, looked at before anything is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.arithmetic import callers_arithmetic
from gradcheck.function.contract import Inspection, Room, call_f, changed, is_pair, misfit
from gradcheck.function.matrix import Dense, Matrix, Sparse, matrix_dtype, read_matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.function.repeat import Repeat, said_of_two_values, values_beside
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.parameters.matrix_names import output_name
from gradcheck.parameters.tree import Parameters
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import count


def call_outputs(
    objective: VectorObjective, x: Flat, findings: list[Finding], calls: int = 2, room: Room = None
) -> Flat:
    """f(x), (m,), from two calls, or one; what is wrong with them is appended to `findings`."""
    seen: list[Flat] = []
    for _ in range(calls):
        seen.append(call_f(objective, x, findings)[0])
        if any(finding.final for finding in findings):
            return np.full(1, np.nan)
    bad = np.flatnonzero(~np.isfinite(seen[0]))
    if bad.size:
        name = output_name(objective.shape or (), int(bad[0]))
        text = f"f(x) is not finite: {name} is {seen[0][bad[0]]}; there is no derivative to compare with"
        findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    elif calls > 1:
        findings += _differing(objective, x, seen[0], seen[1], room)
    return seen[0]


def call_again(objective: VectorObjective, contract: Inspection, x: Flat, room: Room) -> tuple[Finding, ...]:
    """What a second call of f at x adds, where `inspect_jacobian` left it out."""
    findings: list[Finding] = []
    values = call_outputs(objective, x, findings, calls=1)
    if not any(finding.final for finding in findings):
        findings += _differing(objective, x, contract.f_x, values, room)
    return tuple(finding for finding in findings if finding not in contract.findings)


def _differing(objective: VectorObjective, x: Flat, first: Flat, second: Flat, room: Room) -> list[Finding]:
    """What there is to say of the values (m,) of two calls at x."""
    apart = np.flatnonzero(first != second)
    if apart.size == 0:
        return []
    k = int(apart[np.argmax(np.abs(first - second)[apart])])
    name = output_name(objective.shape or (), k)
    beside = partial(values_beside, objective, x, room, k)
    return said_of_two_values(
        f"{name} is ", float(first[k]), float(second[k]), lambda: float(objective.value(x)[k]), beside
    )


def inspect_jacobian(
    objective: VectorObjective,
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
    repeat : False leaves the second call of f to `call_again`.
    Exceptions of either at x propagate, with a note.
    """
    findings: list[Finding] = []
    f_x = call_outputs(objective, x, findings, calls=2 if repeat else 1, room=room)
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
    dtype = str(matrix_dtype(result, parameters))
    findings += _values_in(matrix, what)
    if not callable(jac) or any(finding.final for finding in findings):
        return Inspection(f_x, matrix, tuple(findings), dtype, calls, repeat)
    first = _probed(matrix)

    def ask(_: list[Finding]) -> Flat:
        try:
            return _probed(read(parameters.unflatten(x.copy()))[1])
        except NotScalarError:
            return np.full(first.shape, np.nan)

    again = Repeat(what, first, first.ndim == 2, ask, float(np.finfo(dtype).eps), objective, x)
    return Inspection(f_x, matrix, tuple(findings), dtype, calls, repeat, again)


def called_at(jac: Callable[..., Any] | Any, given: Any, args: Sequence[Any], what: str) -> Any:
    """What a derivative, or a function that returns one, claims."""
    # A LinearOperator is callable, but as its own product.
    return called(jac, given, args, what) if callable(jac) and not hasattr(jac, "matvec") else jac


def called(function: Callable[..., Any], given: Any, args: Sequence[Any], what: str) -> Any:
    """What a function returns at x; an exception gets a note that says who raised it."""
    try:
        with callers_arithmetic():
            return function(given, *args)
    except NotScalarError:
        raise  # an answer of another shape than x or f has, which nobody raised but this package
    except Exception as error:
        error.add_note(f"gradcheck: raised by {what} at x")
        raise


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
    symbol = "H" if what in ("hess", "hvp") else "J"
    place = (
        f"{symbol}[{', '.join(map(str, bad[0]))}]" if bad.shape[1] == 2 else f"row {bad[0][0]} of a product"
    )
    return [
        Finding(
            f"{what} is not finite in {count(len(bad), 'place')}: {place} for one", Outcome.FAIL, final=True
        )
    ]
