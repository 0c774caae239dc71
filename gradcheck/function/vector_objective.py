"""Functions of many outputs: one line for each output and direction; the lines of a direction share their points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.lines import Family, Lines
from gradcheck.function.objective import STACKED, NotScalarError, Objective, array_from
from gradcheck.function.workers import dealt, workers


class VectorObjective(Objective):
    """f: R^n -> R^m as a function of the flat vector; counted and copied as `Objective` does.

    max_nfev, max_seconds : the end; f is not called near x any more, nor after an interruption, which is `interrupted`:
    values are nan then, and a check ends with what it knows.
    """

    # Of what f returns, once it was called.
    shape: tuple[int, ...] | None = None

    @property
    def outputs(self) -> int:
        """The number m of values that f returns."""
        return int(np.prod(self.shape or (), dtype=np.int64))

    @property
    def remaining(self) -> int:
        """None at the end; before it more than any plan asks for, as the lines of a direction share their points."""
        return 0 if self.ended else 2**62

    @property
    def ended(self) -> bool:
        """Whether f is not called any more: its budget is spent, or the user has interrupted the check."""
        return self.interrupted or super().remaining < 1

    def probe(self, fresh: Flat) -> Any:
        """As that of `Objective`; at the end nan, without a call."""
        return np.nan if self.ended else super().probe(fresh)

    def _end(self) -> bool:
        self.interrupted = True
        return True

    def at(self, tree: Any) -> tuple[Any, Any]:
        """The (m,) values of f for a tree that the caller keeps, and None."""
        if self.vectorized:
            return super().at(tree)
        values = self._read(self._call(tree))
        return values, None

    def complex_values(self, points: NDArray[np.complexfloating[Any]]) -> NDArray[Any]:
        """As that of `Objective`, the m values of each point together; nothing at the end."""
        if self.ended:
            return np.empty(0)
        try:
            return super().complex_values(points)
        except KeyboardInterrupt:
            self.interrupted = True
            return np.empty(0)

    def _read(self, result: Any) -> Flat:
        array = self._as_array(result)
        self._keep_shape(array.shape)
        return np.array(array.ravel(), self.parameters.dtype)

    def _as_array(self, result: Any) -> NDArray[Any]:
        array = array_from(result, "an array of real numbers")
        if array.dtype.kind not in "fiub" or array.size == 0:
            plain = isinstance(result, np.ndarray | np.generic)
            what = f"{array.dtype} of shape {array.shape}" if plain else f"{result!r:.60}"
            raise NotScalarError(f"f must return an array of real numbers; it returned {what}")
        return array

    def _keep_shape(self, shape: tuple[int, ...]) -> None:
        if self.shape is None:
            self.shape = shape
        if shape != self.shape:
            raise NotScalarError(f"f returned shape {shape}, and shape {self.shape} at x")

    def _stack(self, leaves: list[NDArray[Any]], k: int) -> Flat:
        """The values (m, k) of a vectorised f for arrays with a last axis of length k."""
        array = self._as_array(self._f(self.parameters.tree_of(leaves), *self._args))
        if array.ndim == 0 or array.shape[-1] != k:
            raise NotScalarError(
                f"with vectorized=True f must return arrays with a last axis of length {k} for {k} points; "
                f"it returned shape {array.shape}"
            )
        self._keep_shape(array.shape[:-1])
        return np.array(array.reshape(-1, k), self.parameters.dtype)

    def _undefined(self) -> Flat:
        return np.full((self.outputs, 1), np.nan)

    def along(self, lines: Any, rows: Index, offsets: Flat) -> Flat:
        """Values (r, k) of lines[rows] at their offsets; each point is evaluated once for all lines that share it."""
        if not isinstance(lines, Family):
            lines = self.every(lines)  # of one output
        # Reductions over a short last axis are slow in the other order.
        out = np.empty(offsets.shape, offsets.dtype, order="F")
        if rows.size == 0:
            return out
        calls = _calls(lines.direction[rows], lines.output[rows], offsets)
        for call, values in zip(calls, self._made(lines.directions, calls), strict=True):
            out[call.place] = values
        return out

    def line(self, directions: Lines, offsets: Flat) -> Flat:
        """Values (k, m) of all outputs at offsets along the first of some lines; nan where f is not defined."""
        out = np.empty((len(offsets), self.outputs), self.parameters.dtype)
        calls = [_Call(0, offset, slice(None), row) for row, offset in enumerate(offsets)]
        for row, values in zip(out, self._made(directions, calls), strict=True):
            row[:] = values
        return out

    def every(self, directions: Lines) -> Lines:
        """A line for each output along each of some directions, those of a direction one after another."""
        k, m = len(directions), self.outputs
        return Family(directions, np.repeat(np.arange(k), m), np.tile(np.arange(m), k))

    def _made(self, directions: Lines, calls: list[_Call]) -> Iterator[Flat]:
        """What each call is made for, in turn; nan from where the budget ends."""
        together = self._stacked if self.vectorized else self._in_workers
        if not self.vectorized and (len(calls) == 1 or workers(self._n_jobs) == 1):
            together = self._in_turn
        return together(directions, calls)

    def _in_turn(self, directions: Lines, calls: list[_Call]) -> Iterator[Flat]:
        for call in calls:
            values = self.probe(directions.point(call.direction, call.offset))
            yield np.broadcast_to(values, self.outputs)[call.outputs]

    def _in_workers(self, directions: Lines, calls: list[_Call]) -> Iterator[Flat]:
        made = calls[: self._affordable(len(calls))]
        results: list[list[Flat]] = []
        if made:
            self._count(len(made))
            lines = len({call.direction for call in made})
            parts = dealt(len(made), max(lines, len(made) // lines // self.points_each), self._n_jobs)
            results = self._through_workers(directions, [([made[k] for k in part],) for part in parts])
        yield from (values for result in results for values in result)
        yield from repeat(np.array(np.nan), len(calls) - sum(map(len, results)))

    def _part(self, lines: Lines, *part: Any) -> list[Flat]:
        return list(self._in_turn(lines, *part))

    def _stacked(self, directions: Lines, calls: list[_Call]) -> Iterator[Flat]:
        size = max(1, STACKED // max(self.parameters.size, self.outputs))
        for start in range(0, len(calls), size):
            part = calls[start : start + size]
            made = part[: self._affordable(len(part))]
            values: Flat = np.empty((self.outputs, 0))
            if made:
                rows = np.array([call.direction for call in made])
                stack = directions.points(rows, np.array([call.offset for call in made]))
                try:
                    values = self._probe_stack(stack)
                except KeyboardInterrupt:
                    self.interrupted = True
            yield from (column[call.outputs] for column, call in zip(values.T, made, strict=False))
            yield from repeat(np.array(np.nan), len(part) - values.shape[1])

    def _affordable(self, points: int) -> int:
        """How many of so many evaluations the budgets allow."""
        return 0 if self.ended else min(points, super().remaining)


@dataclass(frozen=True)
class _Call:
    """One evaluation: where, the outputs that it is made for, and the place of these among the values."""

    direction: int
    offset: Any
    outputs: Any
    place: Any


def _calls(direction: Index, output: Index, offsets: Flat) -> list[_Call]:
    """One call for each different point of r lines of some outputs along some directions; offsets (r, k)."""
    calls = []
    order = np.argsort(direction, kind="stable")
    starts = np.flatnonzero(np.diff(direction[order], prepend=-1))
    for mine in np.split(order, starts[1:]):
        k, outputs, its = int(direction[mine[0]]), output[mine], offsets[mine]
        if (its == its[0]).all():
            calls += [_Call(k, offset, outputs, (mine, column)) for column, offset in enumerate(its[0])]
            continue
        places, which = np.unique(its, return_inverse=True)
        which = which.reshape(its.shape)
        for place, offset in enumerate(places):
            row, column = np.nonzero(which == place)
            calls.append(_Call(k, offset, outputs[row], (mine[row], column)))
    return calls
