"""The contract between f, grad and x, looked at before anything is differentiated."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.arithmetic import callers_arithmetic
from gradcheck.function.matrix import Dense, Matrix, dtype_by_digits, dtype_of
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.function.repeat import REPEATABLE, Repeat, said_of_two_values
from gradcheck.parameters.block import output_name
from gradcheck.parameters.leaves import DOUBLE, all_finite, dropped, eps_of, kind_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count

# How far f may go from x, left and right (n,); None is anywhere.
Room = tuple[Flat, Flat] | None


# To someone who gave another function in the place of f.
ORDER = ": the order is f, its derivative, x"


def check_callables(more: str = "", /, **functions: Any) -> None:
    """Raise TypeError, which ends with `more`, where one of the functions of these names is none."""
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name} must be callable, not {type(function).__name__}{more}")


def callers_code(who: str, *notes: str) -> AbstractContextManager[None]:
    """While a function of the caller runs, in his arithmetic: what it raises gets a note that says who raised it."""

    def noted(error: Exception) -> None:
        if not isinstance(error, NotScalarError):  # which this package raised, of what was returned
            error.add_note("; ".join([f"gradcheck: raised by {who}", *notes]))

    return callers_arithmetic(noted)


@dataclass(frozen=True)
class Inspection:
    """What the first calls at x gave.

    f_x : f(x), one number or (m,). matrix : the derivative under test (m, n), of one row for a gradient; None where
        there is none to judge.
    computes_in : the name of the dtype of value and derivative, the coarser of the two.
    ncalls : of the derivative. repeated : whether f was called a second time at x. again : asks for the derivative once
        more, after f was elsewhere; None where it is no function, or cannot be judged.
    names : of the entries of the matrix; None for those of x. rounding : what values of f are rounded to at the least,
        one number or (m,).
    """

    f_x: Any
    matrix: Matrix | None
    findings: tuple[Finding, ...]
    computes_in: str
    ncalls: int
    repeated: bool = True
    again: Repeat | None = None
    names: Parameters | None = None
    rounding: Any = 0.0

    @property
    def analytic(self) -> Flat | None:
        """Its entries (m n,); None where they are not at hand."""
        return self.matrix.array.ravel() if isinstance(self.matrix, Dense) else None

    @property
    def ngev(self) -> int:
        """Calls of the derivative so far."""
        return self.ncalls + (self.again.calls if self.again is not None else 0)


def inspect(
    objective: Objective,
    grad: Any,
    x: Flat,
    args: Sequence[Any] = (),
    *,
    repeat: bool = True,
    room: Room = None,
) -> Inspection:
    """Call f twice and grad once at x, and look at what they return and at what they did to x.

    grad : a callable, a tree already computed that nobody writes into, or True where f returns (value, gradient). Its
        second call is left to `again`, after f was called elsewhere: right after the first a cache of f's last call
        would not show.
    repeat : False leaves the second call of f to `inspect_again`, save where f returns its gradient, or where the
        first calls found something that a random f would explain. room : as of `Repeat.findings`.
    Exceptions that f or grad raise at x propagate, with a note that says where.
    """
    findings: list[Finding] = []
    repeat = repeat or grad is True
    f_x, returned = inspect_f(objective, x, findings, 2 if repeat else 1, room)
    if any(finding.final for finding in findings):
        return Inspection(f_x, None, tuple(findings), "float64", 0)
    parameters, ngev = objective.parameters, 0
    more: Callable[[list[Finding]], Any] | None = None
    if grad is True:
        tree, second = returned
        more = partial(_gradient_of_f, objective, x, [second])
    elif callable(grad):
        tree, more = _call_grad(grad, parameters, x, args, f_x, findings)
        ngev = 1
    else:
        tree = grad
    analytic, dtype = _inspect_gradient(parameters, tree, findings)
    repeated = None
    if more is not None and analytic is not None:
        at = partial(gradient_at, grad, parameters, args=args) if callable(grad) else None
        repeated = _repeat(objective, x, more, analytic, dtype, at)
        if grad is True:
            # f was called twice already: nothing is gained by waiting.
            repeated.random = any(finding.random for finding in findings)
            findings += repeated.findings(Tolerance.for_dtypes([dtype], None, 0.0, None))
            repeated = None
    matrix = None if analytic is None else Dense(analytic[None, :])
    found = Inspection(f_x, matrix, tuple(findings), dtype, ngev, repeat, repeated)
    if repeat or not any(finding.outcome for finding in findings):
        return found
    again = inspect_again(objective, found, x, room)
    if any(finding.final for finding in again):
        return Inspection(f_x, None, again, "float64", ngev)
    return replace(found, findings=(*again, *findings), repeated=True)


def inspect_again(
    objective: Objective, inspection: Inspection, x: Flat, room: Room = None
) -> tuple[Finding, ...]:
    """What a second call of f at x adds, where the first calls left it out."""
    findings = list(inspection.findings)
    value = call_f(objective, x, findings)[0]
    if not any(finding.final for finding in findings):
        findings += said_of_two_values(objective, x, inspection.f_x, value, room)
    return tuple(findings[len(inspection.findings) :])


def inspect_f(
    objective: Objective, x: Flat, findings: list[Finding], calls: int = 2, room: Room = None
) -> tuple[Any, list[Any]]:
    """f(x), a number or (m,), from two calls, or one, and the gradients that they gave, as they were then.

    What is wrong with them is appended to `findings`.
    """
    values, gradients, kept, given = [], [], [], []
    for _ in range(calls):
        value, gradient, tree = call_f(objective, x, findings)
        if any(finding.final for finding in findings):
            return np.nan, []
        values.append(value)
        # As it was then: an f that reuses its buffer writes into it at the next call.
        kept.append(None if gradient is None else _as_it_is(objective.parameters, gradient))
        gradients.append(gradient)
        given.append(tree)
    first = values[0]
    if not np.isfinite(first).all():
        text = f"f(x) is {first}:"
        if objective.several:
            bad = int(np.flatnonzero(~np.isfinite(first))[0])
            text = f"f(x) is not finite: {output_name(objective.shape or (), bad)} is {first[bad]};"
        text += " there is no derivative to compare with"
        findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
    elif calls > 1:
        findings += said_of_two_values(objective, x, first, values[1], room)
    if gradients[0] is not None:
        viewed = _share(objective.parameters, gradients[0], given[0])
        _note_sharing(objective.parameters, gradients, viewed, "f", findings)
    return first, kept


def call_f(objective: Objective, x: Flat, findings: list[Finding]) -> tuple[Any, Any, Any]:
    """One call of f at x: value, gradient or None, and the tree that f was given; what is wrong is appended."""
    tree = objective.parameters.unflatten(x.copy())
    try:
        # What of x is not what the caller passed may be why.
        with callers_code("f at x", *objective.parameters.notes):
            value, gradient = objective.at(tree)
    except NotScalarError as error:
        findings.append(Finding(str(error), Outcome.INCONCLUSIVE, final=True))
        return np.nan, None, tree
    moved = changed(objective.parameters, tree, x)
    if moved and not findings:
        findings.append(Finding(f"f changes x: {moved}", Outcome.INCONCLUSIVE))
    return value, gradient, tree


def _call_grad(
    grad: Callable[..., Any],
    parameters: Parameters,
    x: Flat,
    args: Sequence[Any],
    f_x: Any,
    findings: list[Finding],
) -> tuple[Any, Callable[[list[Finding]], Any]]:
    """Call grad: the gradient as it was then, and how to call it once more."""

    def called(given: Any, said: list[Finding]) -> Any:
        with callers_code("grad at x", *parameters.notes):
            returned = grad(given, *args)
        return _gradient_part(returned, parameters, f_x, said)

    given = parameters.unflatten(x.copy())
    first = called(given, findings)
    moved = changed(parameters, given, x)
    if moved:
        findings.append(Finding(f"grad changes x: {moved}", Outcome.FAIL))
    # What has not the structure of x, a generator for one, is refused as it is.
    kept = _as_it_is(parameters, first)
    viewed = not moved and _share(parameters, first, given)
    before = _kept_by_others(first)
    del given, first

    def again(said: list[Finding]) -> Any:
        second = called(parameters.unflatten(x.copy()), [])
        _note_sharing(parameters, [before(), second], viewed, "grad", said)
        return second

    return kept, again


def _kept_by_others(tree: Any) -> Callable[[], Any]:
    """A tree, for as long as there is more reason to keep it than to see whether it is returned again.

    An array with memory of its own lives where its function keeps it, or a part of it; None else.
    """
    if type(tree) is np.ndarray and tree.base is None:
        return weakref.ref(tree)
    return lambda: tree


def _as_it_is(parameters: Parameters, tree: Any) -> Any:
    """A copy of a gradient; what is none is refused as it is."""
    if parameters.fitting(tree) is None:
        return tree
    return tree.copy() if type(tree) is np.ndarray else copy.deepcopy(tree)


def _gradient_of_f(objective: Objective, x: Flat, before: list[Any], _: list[Finding]) -> Any:
    """The gradient that f returned before, as long as there is one, and then that of another call."""
    return before.pop() if before else objective.at(objective.parameters.unflatten(x.copy()))[1]


def _repeat(
    objective: Objective,
    x: Flat,
    again: Callable[[list[Finding]], Any],
    analytic: Flat,
    dtype: str,
    at: Callable[[Flat], Flat] | None,
) -> Repeat:
    parameters = objective.parameters

    def ask(said: list[Finding]) -> Flat:
        try:
            return parameters.flatten(again(said))[None, :]
        except (ValueError, TypeError):
            return np.full((1, analytic.size), np.nan)

    return Repeat("grad", analytic[None, :], ask, eps_of(dtype), objective, x, at)


def _note_sharing(
    parameters: Parameters, gradients: list[Any], viewed: bool, who: str, findings: list[Finding]
) -> None:
    """What two calls at x returned may be one array; viewed : the first is the x that it was given."""
    what = "" if who == "grad" else " as its gradient"
    # None is an array that nobody kept.
    if gradients[0] is not None and _share(parameters, *gradients):
        text = f"{who} returns the same buffer{what} at every call: a caller that keeps it sees it change"
        findings.append(Finding(text))
    if viewed:
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
    if not (isinstance(result, tuple) and len(result) == 2) or parameters.fitting(result) is not None:
        return False
    return np.ndim(result[0]) == 0 and np.asarray(result[0]).dtype.kind in "fiub"


def gradient_at(grad: Callable[..., Any], parameters: Parameters, x: Flat, args: Sequence[Any]) -> Flat:
    """One more call of grad, at any point: its gradient, flat. Raises whatever grad raises."""
    result = grad(parameters.unflatten(x.copy()), *args)
    return parameters.flatten(result[1] if is_pair(result, parameters) else result)


def _inspect_gradient(parameters: Parameters, tree: Any, findings: list[Finding]) -> tuple[Flat | None, str]:
    try:
        analytic = parameters.flatten(tree, copy=not isinstance(tree, np.ndarray))
    except (ValueError, TypeError) as error:
        findings.append(Finding(misfit(error, tree, parameters), Outcome.FAIL, final=True))
        return None, "float64"
    if not all_finite(analytic):
        bad = np.flatnonzero(~np.isfinite(analytic))
        text = f"grad is not finite in {bad.size:,} of {count(analytic.size, 'entry')}: {parameters.name(int(bad[0]))}"
        findings.append(Finding(f"{text} is {analytic[bad[0]]}", Outcome.FAIL))
    if parameters.plain and type(tree) is np.ndarray and tree.dtype == DOUBLE:
        return analytic, dtype_by_digits(analytic, DOUBLE.name)
    findings += _said_of_leaves(parameters.leaves(tree))
    dtypes = {leaf.dtype for leaf in parameters.arrays(tree)}
    for dtype in sorted({str(d) for d in dtypes if d.kind in "iub"}):
        findings.append(Finding(f"grad returns {dtype}: fractions may have been cut off"))
    return analytic, dtype_by_digits(analytic, dtype_of(tree, parameters))


def misfit(error: Exception, tree: Any, parameters: Parameters, what: str = "grad") -> str:
    """Why a gradient does not fit x, and what may have been meant; error : of reading it as one of the name `what`."""
    if isinstance(tree, tuple) and len(tree) == 2 and np.ndim(tree[0]) == 0:
        kinds = " and a ".join(type(part).__name__ for part in tree)
        return f"{what} returns a pair of a {kinds}: a gradient, or (value, gradient), is needed"
    if isinstance(tree, tuple | list) and len(tree) == 1 and parameters.fitting(tree[0]) is not None:
        return f"{error}; its one part would fit: return it without the {type(tree).__name__}"
    if isinstance(tree, float | int | np.generic):
        kind = type(tree).__name__
        if parameters.size == 1:
            return f"{error}; it is one number ({kind}): np.reshape gives it the shape of x"
        return f"{error}; it is one number ({kind}), and a derivative by each entry of x is needed"
    return str(error)


def _said_of_leaves(leaves: Sequence[Any]) -> list[Finding]:
    """Notes on what a gradient is beside its numbers: labels, a mask, a unit; and JAX in its single precision."""
    if all(type(leaf) is np.ndarray for leaf in leaves):
        return []
    kinds = {
        f"grad returns {kind_of(leaf)}: {what} not looked at" for leaf in leaves if (what := dropped(leaf))
    }
    notes = sorted(kinds)
    if any(kind_of(leaf).startswith("jax") and str(leaf.dtype) == "float32" for leaf in leaves):
        notes.append(
            'grad computes in JAX\'s float32: jax.config.update("jax_enable_x64", True) at the start makes it float64'
        )
    return [Finding(note) for note in notes]


def changed(parameters: Parameters, tree: Any, x: Flat) -> str:
    """How a tree that f or grad was given differs from x after the call: its first entry; empty where it does not."""
    try:
        now = parameters.flatten(tree, "it", copy=False)
    except (ValueError, TypeError) as error:
        return f"after the call {error}"
    moved = now != x
    if not np.count_nonzero(moved):
        return ""
    at = int(moved.argmax())
    return f"{parameters.name(at)} was {x[at]:.17g} before the call and is {now[at]:.17g} after it"


def _share(parameters: Parameters, one: Any, other: Any) -> bool:
    """Whether two trees have memory in common; what has not the structure of x has none."""
    mine, theirs = parameters.fitting(one), parameters.fitting(other)
    return any(np.shares_memory(a, b) for a in mine or [] for b in theirs or [])
