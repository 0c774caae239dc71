"""Functions of many outputs: one line for each output and direction; the lines of a direction share their points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.lines import Family
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.parameters.tree import ForeignArrayError, Parameters, as_array

__all__ = ["VectorObjective"]


class VectorObjective(Objective):
    """f: R^n -> R^m as a function of the flat vector; counted and copied as `Objective` does.

    The values at probed points are relative to `origin`, (m,) f(x), so that every line starts from 0.
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
        self.interrupted = False
        self.shape: tuple[int, ...] | None = None
        self.origin: Any = 0.0

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
        """Values (r, k) of lines[rows] at their offsets, relative to f(x); each point is evaluated once for all."""
        if not isinstance(lines, Family):
            raise TypeError(
                f"the lines of a function of many outputs are a Family, not {type(lines).__name__}"
            )
        # Reductions over a short last axis are slow in the other order.
        out = np.empty(offsets.shape, offsets.dtype, order="F")
        direction = lines.direction[rows]
        starts = np.flatnonzero(np.diff(direction, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], rows.size], strict=True):
            part = slice(start, stop)
            self._fill(lines, int(direction[start]), lines.output[rows[part]], offsets[part], out[part])
        return out

    def _fill(self, lines: Family, k: int, outputs: Index, offsets: Flat, out: Flat) -> None:
        alike = bool((offsets == offsets[0]).all())
        owner = np.zeros(len(offsets), np.intp)
        kinds = offsets[:1]
        if not alike:
            _, first, owner = np.unique(offsets[:, 0], return_index=True, return_inverse=True)
            kinds = offsets[first]
            if not np.array_equal(kinds[owner], offsets):
                kinds, owner = np.unique(offsets, axis=0, return_inverse=True)
        for kind, row in enumerate(kinds):
            mine = slice(None) if alike else owner.ravel() == kind
            for j, offset in enumerate(row):
                values = self.relative(lines.directions.point(k, offset))
                out[mine, j] = values if np.ndim(values) == 0 else values[outputs[mine]]

    def relative(self, point: Flat) -> Any:
        """The values f(point) - f(x), (m,); nan where f raises."""
        return self.probe(point) - self.origin
