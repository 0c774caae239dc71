"""Functions of many outputs: one line for each output and direction; the lines of a direction share their points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.lines import Family, Lines
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.parameters.tree import ForeignArrayError, Parameters, as_array

__all__ = ["VectorObjective"]


class VectorObjective(Objective):
    """f: R^n -> R^m as a function of the flat vector; counted and copied as `Objective` does.

    max_nfev, max_seconds : the end; f is not called near x any more, nor after an interruption, which is `interrupted`:
    values are nan then, and a check ends with what it knows.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        parameters: Parameters,
        *,
        args: Sequence[Any] = (),
        on_evaluation: Callable[[int], None] | None = None,
        max_nfev: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        super().__init__(
            f, parameters, args=args, on_evaluation=on_evaluation, max_nfev=max_nfev, max_seconds=max_seconds
        )
        self.shape: tuple[int, ...] | None = None

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
        if self.ended:
            return np.nan
        try:
            return super().probe(fresh)
        except KeyboardInterrupt:
            self.interrupted = True
            return np.nan

    def at(self, tree: Any) -> tuple[Any, Any]:
        """The (m,) values of f for a tree that the caller keeps, and None."""
        self._count()
        values = self._read(self._f(tree, *self._args))
        return values, None

    def complex_values(self, points: NDArray[np.complexfloating[Any]]) -> NDArray[Any]:
        """What f returns (m,) at the one complex column of `points` (size, 1); nothing at the end."""
        if self.ended:
            return np.empty(0)
        self._count()
        (column,) = points.T
        try:
            return np.asarray(self._f(self.parameters.unflatten_as(column), *self._args)).ravel()
        except KeyboardInterrupt:
            self.interrupted = True
            return np.empty(0)

    def _read(self, result: Any) -> Flat:
        try:
            array = as_array(result)
        except ForeignArrayError as error:
            raise NotScalarError(f"f must return an array of real numbers; {error}") from None
        except (ValueError, TypeError):
            array = np.empty(0, object)
        if array.dtype.kind not in "fiub" or array.size == 0:
            raise NotScalarError(
                f"f must return an array of real numbers; it returned {array.dtype} of shape {array.shape}"
            )
        if self.shape is None:
            self.shape = array.shape
        if array.shape != self.shape:
            raise NotScalarError(f"f returned shape {self.shape} at x, and shape {array.shape} near it")
        return np.array(array.ravel(), self.parameters.dtype)

    def along(self, lines: Any, rows: Index, offsets: Flat) -> Flat:
        """Values (r, k) of lines[rows] at their offsets; each point is evaluated once for all lines that share it."""
        if not isinstance(lines, Family):
            lines = self.every(lines)  # of one output
        # Reductions over a short last axis are slow in the other order.
        out = np.empty(offsets.shape, offsets.dtype, order="F")
        if rows.size == 0:
            return out
        direction, output = lines.direction[rows], lines.output[rows]
        order = np.argsort(direction, kind="stable")
        starts = np.flatnonzero(np.diff(direction[order], prepend=-1))
        for mine in np.split(order, starts[1:]):
            out[mine] = self._shared(lines.directions, int(direction[mine[0]]), output[mine], offsets[mine])
        return out

    def _shared(self, directions: Lines, k: int, outputs: Index, offsets: Flat) -> Flat:
        """Values (r, k) of some outputs at offsets along one direction, one call of f for each different offset."""
        out = np.empty(offsets.shape, offsets.dtype)
        if (offsets == offsets[0]).all():
            for column, offset in zip(out.T, offsets[0], strict=True):
                column[:] = np.broadcast_to(self.probe(directions.point(k, offset)), self.outputs)[outputs]
            return out
        places, which = np.unique(offsets, return_inverse=True)
        which, each = which.reshape(offsets.shape), np.broadcast_to(outputs[:, None], offsets.shape)
        for place, offset in enumerate(places):
            at = which == place
            out[at] = np.broadcast_to(self.probe(directions.point(k, offset)), self.outputs)[each[at]]
        return out

    def every(self, directions: Lines) -> Lines:
        """A line for each output along each of some directions, those of a direction one after another."""
        k, m = len(directions), self.outputs
        return Family(directions, np.repeat(np.arange(k), m), np.tile(np.arange(m), k))

    def line(self, directions: Lines, offsets: Flat) -> Flat:
        """Values (k, m) of all outputs at offsets along the first of some lines; nan where f is not defined."""
        out = np.empty((len(offsets), self.outputs), self.parameters.dtype)
        for row, offset in zip(out, offsets, strict=True):
            row[:] = self.probe(directions.point(0, offset))
        return out
