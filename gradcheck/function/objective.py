"""Calling f at points near x: counted, within a budget, never on the caller's arrays."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain, repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.arithmetic import callers_arithmetic
from gradcheck.function.lines import MUCH, Lines
from gradcheck.function.workers import POINTS_EACH, SLOW, Kept, dealt, workers
from gradcheck.parameters.leaves import as_array, widened
from gradcheck.parameters.tree import Parameters
from gradcheck.results.words import error_text

# To someone whose f has several outputs, or who gave another function in its place.
ELSEWHERE = "; for a function of several outputs there is check_jacobian; the order is f, its derivative, x"
# More evaluations than any plan asks for; numbers in one stack of points, 32 MiB of doubles.
UNLIMITED, STACKED = 2**62, 2**22
# Of lines that are sent without the point that they go through.
NOWHERE = np.empty(0)


class BudgetSpentError(Exception):
    """`max_nfev` evaluations have been made; raised before the next one."""


class NotScalarError(TypeError):
    """f returned something that is not one real number, or not an array of them."""


class Objective:
    """f as a function of the flat vector, one number or several: its values are numbers, or (m,).

    f : called as f(tree, *args); with `has_gradient` it returns (value, gradient), of which the value counts.
    several : f returns an array, of any shape. Lines share points then, so that no plan knows what it takes: the
        budget ends f and not a plan. Where it is spent, and after an interruption, f is not called near x any more:
        values are nan, and a check ends with what it knows.
    max_nfev : the largest number of evaluations; None is no limit.
    on_evaluation : called with the number of evaluations just made, for a progress bar.
    vectorized : f takes k points at once, along a last axis that every array of the tree has more than x, and
        returns (k,) values, as in scipy.differentiate, or (..., k). Every point counts as an evaluation.
    max_seconds : time after which `remaining` is 0. Only plans are cut short by it, never a stencil.
    n_jobs : workers for the points of one call of `along`, as joblib takes it; not with `vectorized`.
    shape : of what f returns, once it was called. outputs : the number m of its values.
    left_domain : the first that f raised at a point which the check made, in words; empty where it raised nothing.
    Each call gets arrays of its own, so that an f which writes into its argument disturbs nothing.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        parameters: Parameters,
        *,
        several: bool = False,
        args: Sequence[Any] = (),
        has_gradient: bool = False,
        max_nfev: int | None = None,
        on_evaluation: Callable[[int], None] | None = None,
        vectorized: bool = False,
        max_seconds: float | None = None,
        n_jobs: int | None = 1,
    ) -> None:
        self.parameters = parameters
        self.nfev = 0
        self.interrupted = False
        self.several = several
        self.shape: tuple[int, ...] | None = None if several else ()
        self.outputs = 1
        self._keeps = several
        self.left_domain = ""
        self._f = f
        self._args = tuple(args)
        self._has_gradient = has_gradient
        self._max_nfev = max_nfev
        self._on_evaluation = on_evaluation
        self.vectorized = vectorized
        self._max_seconds = max_seconds
        self._n_jobs = n_jobs
        self._started = time.monotonic()
        # Of the fastest call so far; the first may make what later ones use.
        self._seconds = math.inf

    @property
    def ended(self) -> bool:
        """Whether f is not called any more, and values are nan instead."""
        return self.interrupted or (self.several and self._affordable < 1)

    @contextmanager
    def keeping_values(self) -> Iterator[None]:
        """Within it a KeyboardInterrupt in f takes nothing away: it ends f, whose further values are nan."""
        before, self._keeps = self._keeps, True
        try:
            yield
        finally:
            self._keeps = before

    def _end(self, error: KeyboardInterrupt) -> None:
        """End f; raise the error where it is for others to hear of."""
        if not self._keeps:
            raise error
        self.interrupted = True

    @property
    def remaining(self) -> int:
        """Evaluations left in the budget, of time at the pace so far; a large number where there is no limit.

        Of several numbers none at the end, and before it more than any plan asks for.
        """
        if self.ended:
            return 0
        return UNLIMITED if self.several else self._affordable

    @property
    def at_once(self) -> bool:
        """Whether points that are asked for together take less time than one after another."""
        return self.vectorized or workers(self._n_jobs) > 1

    def affords(self, points: int) -> bool:
        """Whether the budget allows so many evaluations."""
        return self._affordable >= points

    @property
    def _affordable(self) -> int:
        left = UNLIMITED if self._max_nfev is None else max(0, self._max_nfev - self.nfev)
        if self._max_seconds is None or not math.isfinite(self._max_seconds):
            return left
        spent = time.monotonic() - self._started
        pace = max(self.nfev, 1) / max(spent, 1e-9)
        return int(min(left, max(0.0, (self._max_seconds - spent) * pace)))

    def value(self, flat: Flat) -> Any:
        """The value of f at `flat`: of float, or longdouble where x is. Raises whatever f raises."""
        with callers_arithmetic():
            return self.at(self.parameters.unflatten(flat.copy()))[0]

    def at(self, tree: Any) -> tuple[Any, Any]:
        """The (value, gradient) of f for a tree that the caller keeps; the gradient is None where f gives none."""
        if self.vectorized:
            self._count()
            # Views, so that an f which writes into its argument is seen to do so.
            views = [a[..., None] for a in self.parameters.arrays(tree)]
            return self._stack(self.parameters.tree_of(views), 1)[0], None
        self._count()
        started = time.perf_counter()
        result = self._f(tree, *self._args)
        spent = time.perf_counter() - started
        if spent < self._seconds:
            self._seconds = spent
        if self.several:
            array = as_reals(result)
            self._keep_shape(array.shape)
            return np.array(array.ravel(), self.parameters.dtype), None
        if self._has_gradient and not (isinstance(result, tuple | list) and len(result) == 2):
            what = _described(result)
            raise NotScalarError(f"with grad=True f must return (value, gradient); it returned {what}")
        value, gradient = result if self._has_gradient else (result, None)
        if isinstance(value, float):  # np.float64 too: the common case, and the fast one
            return value, gradient
        return as_real(value, self.parameters.dtype), gradient

    def complex_values(self, points: NDArray[np.complexfloating[Any]]) -> NDArray[Any]:
        """What f returns at the complex columns of (size, k) points; of one unless vectorised; nothing at the end."""
        if self.ended:
            return np.empty(0)
        self._count(points.shape[1])
        tree = self.parameters.unflatten_as(points if self.vectorized else points[:, 0])
        try:
            result = self._f(tree, *self._args)
        except KeyboardInterrupt as error:
            self._end(error)
            return np.empty(0)
        values = np.asarray(result[0] if self._has_gradient else result)
        return np.moveaxis(values, -1, 0) if self.vectorized and values.ndim else values

    def probe(self, fresh: Flat) -> Any:
        """The value of f at a vector that the check made; nan where f raises: the point is off its domain."""
        if self.interrupted or (self.several and self.ended):  # of one number, most often, no second question
            return self._undefined
        try:
            return self.at(self.parameters.unflatten(fresh))[0]
        except (BudgetSpentError, NotScalarError):
            raise
        except KeyboardInterrupt as error:
            self._end(error)
        except Exception as error:
            # A domain error is f's right at a point that its user never asked for; at x itself it propagates.
            self._leave(error)
        return self._undefined

    @property
    def _undefined(self) -> Any:
        """The value at a point off f's domain, and where f is not called any more."""
        return np.full(self.outputs, np.nan) if self.several else np.nan

    def _leave(self, error: Exception) -> None:
        """Keep the first that f raised near x: what comes later may follow from it."""
        self.left_domain = self.left_domain or error_text(error)

    def _count(self, points: int = 1) -> None:
        if self._max_nfev is not None and self._max_nfev - self.nfev < points:
            raise BudgetSpentError
        self.nfev += points
        if self._on_evaluation is not None:
            self._on_evaluation(points)

    def along(self, lines: Lines, rows: Index, offsets: Flat) -> Flat:
        """Values (r, k) of lines[rows] moved by offsets (r, k); what lines share of them is evaluated once."""
        if lines.output is None:
            at = np.repeat(rows, offsets.shape[1]).tolist()
            return self._values(lines, at, offsets.ravel()).reshape(offsets.shape)
        # Reductions over a short last axis are slow in the other order.
        out = np.empty(offsets.shape, offsets.dtype, order="F")
        at, offset, places = lines.shared(rows, offsets)
        wanted = [lines.output[rows[row]] for row, _ in places] if self.several else None
        for place, values in zip(places, self._in_turn(lines, at, offset, wanted), strict=True):
            out[place] = values
        return out

    def line(self, directions: Lines, offsets: Flat) -> Flat:
        """Values (k, m) at offsets along the first of some lines; nan where f is not defined."""
        return self._values(directions, [0] * offsets.size, offsets)

    def _values(self, directions: Lines, rows: list[int], offsets: Flat) -> Flat:
        """Values (k, m) at k points."""
        out = np.empty((offsets.size, self.outputs), self.parameters.dtype)
        for row, values in enumerate(self._in_turn(directions, rows, offsets)):
            out[row] = values
        return out

    def every(self, directions: Lines) -> Lines:
        """A line for each output along each of some directions, those of a direction one after another."""
        if not self.several:
            return directions
        k, m = len(directions), self.outputs
        return directions.of(np.repeat(np.arange(k), m), np.tile(np.arange(m), k))

    def _in_turn(
        self, directions: Lines, rows: list[int], offsets: Flat, wanted: list[Index] | None = None
    ) -> Iterator[Any]:
        """The values at k points, in turn; nan where f is not called any more.

        wanted : the outputs that each is made for; None is all of them.
        """
        if self.vectorized:
            made = self._stacked(directions, rows, offsets)
        elif offsets.size > 1 and workers(self._n_jobs) > 1:
            return self._in_workers(directions, rows, offsets, wanted)
        else:
            made = map(self.probe, map(directions.point, rows, offsets))
        return made if wanted is None else (values[its] for values, its in zip(made, wanted, strict=True))

    def _in_workers(
        self, directions: Lines, rows: list[int], offsets: Flat, wanted: list[Index] | None
    ) -> Iterator[Any]:
        made = self._begun(len(rows))
        results: list[list[Any]] = []
        if made:
            self._count(made)
            lines = len({*rows[:made]})
            # A worker is worth one point where f itself takes longer than to start it.
            each = 1 if SLOW < self._seconds < math.inf else POINTS_EACH
            parts = dealt(made, max(lines, made // lines // each), self._n_jobs)
            sent = [([rows[k] for k in p], offsets[p], wanted and [wanted[k] for k in p]) for p in parts]
            shared = (self._sent, directions.x, directions.through(NOWHERE))
            try:
                results, complaint = self._workers.run(_evaluate, shared, sent)
                self.left_domain = self.left_domain or complaint
            except KeyboardInterrupt as error:
                self._end(error)
        yield from chain.from_iterable(results)
        yield from repeat(np.array(np.nan), len(rows) - sum(map(len, results)))

    def _begun(self, points: int) -> int:
        """How many of so many evaluations are made: of one number all, or none, as the budget ends plans."""
        if self.ended:
            return 0
        return min(points, self._affordable) if self.several else points

    @cached_property
    def _sent(self) -> Self:
        """For workers: without budgets, counts and callbacks, which stay where the check runs."""
        other = copy.copy(self)
        other._max_nfev = other._max_seconds = other._on_evaluation = None
        other._n_jobs, other.left_domain, other._keeps = 1, "", False
        other.__dict__.pop("_workers", None)
        return other

    def __sizeof__(self) -> int:
        # By this Dask tells what it sends once from what it sends with each task; f may hold data of any size.
        return MUCH + 1

    @cached_property
    def _workers(self) -> Kept:
        return Kept()

    def _stacked(self, directions: Lines, rows: list[int], offsets: Flat) -> Iterator[Any]:
        size = max(1, STACKED // max(self.parameters.size, self.outputs))
        for start in range(0, len(rows), size):
            points = min(size, len(rows) - start)
            part = slice(start, start + self._begun(points))
            values: Flat = np.empty(0)
            if rows[part]:
                try:
                    values = self._probe_stack(directions.points(np.array(rows[part]), offsets[part]))
                except KeyboardInterrupt as error:
                    self._end(error)
            yield from values
            yield from repeat(self._undefined, points - len(values))

    def _probe_stack(self, stack: Flat) -> Flat:
        """The values (k,), or (k, m), at the columns of `stack` (size, k); one by one where f raises for all."""
        k = stack.shape[1]
        self._count(k)
        try:
            return self._stack(self.parameters.unflatten(stack), k)
        except NotScalarError:
            raise
        except Exception as error:
            if k == 1:
                self._leave(error)
                return np.array([self._undefined])
            self.nfev -= k
        return np.concatenate([self._probe_stack(stack[:, i : i + 1]) for i in range(k)])

    def _stack(self, tree: Any, k: int) -> Flat:
        """The values (k,), or (k, m), of a vectorised f for arrays with a last axis of length k."""
        result = self._f(tree, *self._args)
        values = as_reals(result) if self.several else np.asarray(result)
        told = f"with vectorized=True f must return {{}} for {k} points; it returned {{}}shape {values.shape}"
        if self.several:
            if values.shape[-1:] != (k,):
                raise NotScalarError(told.format(f"arrays with a last axis of length {k}", ""))
            self._keep_shape(values.shape[:-1])
            return np.array(values.reshape(-1, k), self.parameters.dtype).T
        if values.shape != (k,) or values.dtype.kind not in "fiub":
            raise NotScalarError(told.format(f"{k} real numbers", f"{values.dtype} of "))
        return values.astype(self.parameters.dtype)

    def _keep_shape(self, shape: tuple[int, ...]) -> None:
        if self.shape is None:
            self.shape, self.outputs = shape, math.prod(shape)
        if shape != self.shape:
            raise NotScalarError(f"f returned shape {shape}, and shape {self.shape} at x")


def _evaluate(sent: Objective, x: Flat, lines: Lines, *part: Any) -> tuple[list[Any], str]:
    objective = copy.copy(sent)  # others, in other threads, get the same
    with np.errstate(all="ignore"):  # settings do not travel to other threads and processes
        return list(objective._in_turn(lines.through(x), *part)), objective.left_domain


def _array_from(result: Any, wanted: str) -> NDArray[Any]:
    """What f returned as an array, an empty one of objects where it is none; wanted : what f must return."""
    try:
        return widened(as_array(result))
    except TypeError as error:
        if isinstance(result, list | tuple):
            return np.empty(0, object)
        raise NotScalarError(f"f must return {wanted}; {error}") from None


def as_real(result: Any, dtype: np.dtype[Any]) -> Any:
    """One real number from what f returned; NotScalarError says what it was."""
    array = _array_from(result, "one real number")
    if array.size != 1 or array.dtype.kind not in "fiub":
        several = ELSEWHERE if array.size > 1 else ""
        raise NotScalarError(f"f must return one real number; it returned {_described(result)}{several}")
    return array.reshape(())[()].astype(dtype)


def as_reals(result: Any) -> NDArray[Any]:
    """An array of real numbers from what f returned; NotScalarError says what it was."""
    array = _array_from(result, "an array of real numbers")
    if array.dtype.kind not in "fiub" or array.size == 0:
        plain = isinstance(result, np.ndarray | np.generic)
        what = f"{array.dtype} of shape {array.shape}" if plain else f"{result!r:.60}"
        raise NotScalarError(f"f must return an array of real numbers; it returned {what}")
    return array


def _described(result: Any) -> str:
    if isinstance(result, np.ndarray | np.generic):
        return f"{type(result).__name__} of shape {result.shape} and dtype {result.dtype}"
    if isinstance(result, tuple) and len(result) == 2:
        return "a tuple of 2 (for a pair of value and gradient pass grad=True)"
    return f"{result!r:.60}"
