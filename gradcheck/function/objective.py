"""Calling f at points near x: counted, within a budget, never on the caller's arrays."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.arithmetic import callers_arithmetic
from gradcheck.function.lines import MUCH, Lines
from gradcheck.function.workers import POINTS_EACH, SLOW, Kept, dealt, workers
from gradcheck.parameters.leaves import ForeignArrayError, as_array
from gradcheck.parameters.tree import Parameters
from gradcheck.results.words import error_text

# To someone whose f has several outputs, or who gave another function in its place.
ELSEWHERE = "; for a function of several outputs there is check_jacobian; the order is f, its derivative, x"
# Numbers in one stack of points: 32 MiB of doubles.
STACKED = 2**22
# Of lines that are sent without the point that they go through.
NOWHERE = np.empty(0)


class BudgetSpentError(Exception):
    """`max_nfev` evaluations have been made; raised before the next one."""


class NotScalarError(TypeError):
    """f returned something that is not one real number."""


class Objective:
    """f as a function of the flat vector.

    f : called as f(tree, *args); with `has_gradient` it returns (value, gradient), of which the value counts.
    max_nfev : the largest number of evaluations; None is no limit.
    on_evaluation : called with the number of evaluations just made, for a progress bar.
    vectorized : f takes k points at once, along a last axis that every array of the tree has more than x, and
        returns (k,) values, as in scipy.differentiate. Every point counts as an evaluation.
    max_seconds : time after which `remaining` is 0. Only plans are cut short by it, never a stencil.
    n_jobs : workers for the points of one call of `along`, as joblib takes it; not with `vectorized`.
    left_domain : the first that f raised at a point which the check made, in words; empty where it raised nothing.
    Each call gets arrays of its own, so that an f which writes into its argument disturbs nothing.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        parameters: Parameters,
        *,
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
        self._keeps = False
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
    def outputs(self) -> int:
        """The number m of values that f returns: one."""
        return 1

    @property
    def ended(self) -> bool:
        """Whether f is not called any more, and values are nan instead."""
        return self.interrupted

    @contextmanager
    def keeping_values(self) -> Iterator[None]:
        """Within it a KeyboardInterrupt in f takes nothing away: it ends f, whose further values are nan."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def _end(self) -> bool:
        """End f, after a KeyboardInterrupt; False where that is for others to hear of."""
        self.interrupted |= self._keeps
        return self._keeps

    @property
    def remaining(self) -> int:
        """Evaluations left in the budget, of time at the pace so far; a large number where there is no limit."""
        return 0 if self.interrupted else min(self._left, self._in_time())

    def _in_time(self) -> int:
        if self._max_seconds is None or not math.isfinite(self._max_seconds):
            return 2**62
        spent = time.monotonic() - self._started
        pace = max(self.nfev, 1) / max(spent, 1e-9)
        return int(min(2**62, max(0.0, (self._max_seconds - spent) * pace)))

    def affords(self, points: int) -> bool:
        """Whether the budget allows so many evaluations."""
        return min(self._left, self._in_time()) >= points

    @property
    def _left(self) -> int:
        return 2**62 if self._max_nfev is None else max(0, self._max_nfev - self.nfev)

    def value(self, flat: Flat) -> Any:
        """The value of f at `flat`: float, or longdouble where x is. Raises whatever f raises."""
        with callers_arithmetic():
            return self.at(self.parameters.unflatten(flat.copy()))[0]

    def at(self, tree: Any) -> tuple[Any, Any]:
        """The (value, gradient) of f for a tree that the caller keeps; the gradient is None where f gives none."""
        if self.vectorized:
            self._count()
            # Views, so that an f which writes into its argument is seen to do so.
            values = self._stack([a[..., None] for a in self.parameters.arrays(tree)], 1)
            return values[..., 0], None
        result = self._call(tree)
        if self._has_gradient and not (isinstance(result, tuple | list) and len(result) == 2):
            what = _described(result)
            raise NotScalarError(f"with grad=True f must return (value, gradient); it returned {what}")
        value, gradient = result if self._has_gradient else (result, None)
        if isinstance(value, float):  # np.float64 too: the common case, and the fast one
            return value, gradient
        return as_real(value, self.parameters.dtype), gradient

    def _call(self, tree: Any) -> Any:
        self._count()
        started = time.perf_counter()
        result = self._f(tree, *self._args)
        spent = time.perf_counter() - started
        if spent < self._seconds:
            self._seconds = spent
        return result

    @property
    def points_each(self) -> int:
        """Points of one line that a worker is worth: one where f itself takes longer than to start a worker."""
        return 1 if SLOW < self._seconds < math.inf else POINTS_EACH

    def complex_values(self, points: NDArray[np.complexfloating[Any]]) -> NDArray[Any]:
        """What f returns at the complex columns of `points` (size, k), point by point; one only unless vectorised."""
        self._count(points.shape[1])
        if self.vectorized:
            leaves = [points[b.slice].reshape(*b.shape, -1) for b in self.parameters.blocks]
            values = np.asarray(self._f(self.parameters.tree_of(leaves), *self._args))
            return np.moveaxis(values, -1, 0) if values.ndim else values
        (column,) = points.T
        result = self._f(self.parameters.unflatten_as(column), *self._args)
        return np.asarray(result[0] if self._has_gradient else result)

    def probe(self, fresh: Flat) -> Any:
        """The value of f at a vector that the check made; nan where f raises: the point is off its domain."""
        if self.interrupted:
            return np.nan
        try:
            return self.at(self.parameters.unflatten(fresh))[0]
        except (BudgetSpentError, NotScalarError):
            raise
        except KeyboardInterrupt:
            if self._end():
                return np.nan
            raise
        except Exception as error:
            # A domain error is f's right at a point that its user never asked for; at x itself it propagates.
            self._leave(error)
            return np.nan

    def _leave(self, error: Exception) -> None:
        """Keep the first that f raised near x: what comes later may follow from it."""
        self.left_domain = self.left_domain or error_text(error)

    def _count(self, points: int = 1) -> None:
        if self._max_nfev is not None and self._left < points:
            raise BudgetSpentError
        self.nfev += points
        if self._on_evaluation is not None:
            self._on_evaluation(points)

    def along(self, lines: Lines, rows: Index, offsets: Flat) -> Flat:
        """Values of f at lines[rows[i]] moved by offsets[i, j]; both (m, k)."""
        if self.vectorized:
            return self._along_stacked(lines, rows, offsets)
        if workers(self._n_jobs) > 1:
            return self._along_in_workers(lines, rows, offsets)
        values = [
            self._one_by_one(lines, row, mine) for row, mine in zip(rows.tolist(), offsets, strict=True)
        ]
        return np.array(values, offsets.dtype).reshape(offsets.shape)

    def _one_by_one(self, lines: Lines, row: int, offsets: Flat) -> list[Any]:
        # What f's arithmetic warns of at points that nobody asked for is no news: nan is. See `own_arithmetic`.
        return [self.probe(lines.point(row, offset)) for offset in offsets]

    def _along_in_workers(self, lines: Lines, rows: Index, offsets: Flat) -> Flat:
        self._count(offsets.size)
        m, k = offsets.shape
        each, flat = np.repeat(rows, k), offsets.reshape(-1, 1)
        parts = dealt(flat.size, max(m, k // self.points_each), self._n_jobs)
        values = self._through_workers(lines, [(each[part], flat[part]) for part in parts])
        return np.concatenate(values).reshape(m, k) if values else np.full((m, k), np.nan, offsets.dtype)

    def _through_workers(self, lines: Lines, parts: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What `_part` makes of each part, a worker each; nothing where an interruption ends f."""
        shared = (self._sent, lines.x, lines.through(NOWHERE))
        try:
            values, complaint = self._workers.run(_evaluate, shared, parts)
        except KeyboardInterrupt:
            if self._end():
                return []
            raise
        self.left_domain = self.left_domain or complaint
        return values

    def _part(self, lines: Lines, *part: Any) -> Any:
        """The values of one part, in its worker."""
        return self.along(lines, *part)

    def every(self, directions: Lines) -> Lines:
        """A line for each output along each of some directions, those of a direction one after another."""
        return directions

    def line(self, directions: Lines, offsets: Flat) -> Flat:
        """Values (k, 1) at offsets along the first of some lines."""
        if self.vectorized or workers(self._n_jobs) > 1:
            return self.along(directions, np.zeros(1, np.intp), offsets[None, :]).T
        return np.array(self._one_by_one(directions, 0, offsets), offsets.dtype)[:, None]

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

    def _along_stacked(self, lines: Lines, rows: Index, offsets: Flat) -> Flat:
        out = np.full(offsets.shape, np.nan, offsets.dtype)
        points = offsets.shape[1]
        together = max(1, STACKED // (self.parameters.size * points))
        try:
            for start in range(0, rows.size, together):
                part = slice(start, start + together)
                stack = lines.points(np.repeat(rows[part], points), offsets[part].ravel())
                out[part] = self._probe_stack(stack).reshape(-1, points)
        except KeyboardInterrupt:
            if not self._end():
                raise
        return out

    def _probe_stack(self, stack: Flat) -> Flat:
        """The values (..., k) at the columns of `stack` (size, k); one by one where f raises for all together."""
        k = stack.shape[1]
        self._count(k)
        try:
            return self._stack(self.parameters.stacked_leaves(stack), k)
        except NotScalarError:
            raise
        except Exception as error:
            if k == 1:
                self._leave(error)
                return self._undefined()
            self.nfev -= k
        return np.concatenate([self._probe_stack(stack[:, i : i + 1]) for i in range(k)], axis=-1)

    def _undefined(self) -> Flat:
        """The values of one point off f's domain, as `_stack` returns them."""
        return np.full(1, np.nan)

    def _stack(self, leaves: list[NDArray[Any]], k: int) -> Flat:
        """The values (k,) of a vectorised f for arrays with a last axis of length k."""
        result = self._f(self.parameters.tree_of(leaves), *self._args)
        values = np.asarray(result)
        if values.shape != (k,) or values.dtype.kind not in "fiub":
            shape = f"{values.dtype} of shape {values.shape}"
            raise NotScalarError(
                f"with vectorized=True f must return {k} real numbers for {k} points; it returned {shape}"
            )
        return values.astype(self.parameters.dtype)


def _evaluate(sent: Objective, x: Flat, lines: Lines, *part: Any) -> tuple[Any, str]:
    objective = copy.copy(sent)  # others, in other threads, get the same
    with np.errstate(all="ignore"):  # settings do not travel to other threads and processes
        return objective._part(lines.through(x), *part), objective.left_domain


def array_from(result: Any, wanted: str) -> NDArray[Any]:
    """What f returned as an array, an empty one of objects where it is none; wanted : what f must return."""
    try:
        return as_array(result)
    except ForeignArrayError as error:
        raise NotScalarError(f"f must return {wanted}; {error}") from None
    except (ValueError, TypeError):
        return np.empty(0, object)


def as_real(result: Any, dtype: np.dtype[Any]) -> Any:
    """One real number from what f returned; NotScalarError says what it was."""
    array = array_from(result, "one real number")
    if array.size != 1 or array.dtype.kind not in "fiub":
        several = ELSEWHERE if array.size > 1 else ""
        raise NotScalarError(f"f must return one real number; it returned {_described(result)}{several}")
    return array.reshape(())[()].astype(dtype)


def _described(result: Any) -> str:
    if isinstance(result, np.ndarray | np.generic):
        return f"{type(result).__name__} of shape {result.shape} and dtype {result.dtype}"
    if isinstance(result, tuple) and len(result) == 2:
        return "a tuple of 2 (for a pair of value and gradient pass grad=True)"
    return f"{result!r:.60}"
