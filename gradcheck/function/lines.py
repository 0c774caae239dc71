"""Lines through x along which f is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.parameters.tree import Parameters

# Bytes that are worth a way of their own.
MUCH = 2**20


@dataclass(frozen=True)
class Lines:
    """Straight lines through x (n,): line l is what output `output[l]` of f does along direction `direction[l]`.

    moved, units : for each direction the coordinates that it moves, and what an offset of 1 moves them by.
    parameters : where each direction moves one coordinate, the arrays on whose grids its points lie; else None.
    direction, output : None where each direction is one line, of an f of one output.
    """

    x: Flat
    moved: Sequence[Any] | Index
    units: Sequence[Any] | Flat
    parameters: Parameters | None = None
    direction: Index | None = None
    output: Index | None = None

    @classmethod
    def axes(cls, parameters: Parameters, x: Flat, coordinates: Index) -> Lines:
        """One line a coordinate: offsets are in units of that coordinate."""
        return cls(x, coordinates, np.broadcast_to(1.0, coordinates.shape), parameters)

    @classmethod
    def rays(cls, x: Flat, tangents: Sequence[Flat]) -> Lines:
        """One line a tangent (n,): offsets are in units of the tangent."""
        return cls(x, [slice(None)] * len(tangents), tangents)

    @classmethod
    def columns(cls, x: Flat, groups: Sequence[Index], scales: Flat) -> Lines:
        """One line a group of coordinates, each moved by its own scale (n,) for an offset of 1."""
        return cls(x, groups, [scales[group] for group in groups])

    def of(self, direction: Index, output: Index) -> Lines:
        """A line for each of these outputs (k,) along these directions (k,): those along one share their points."""
        return replace(self, direction=direction, output=output)

    def through(self, x: Flat) -> Lines:
        """The same directions through another point, or through none: that of a check is sent to workers once."""
        return replace(self, x=x, direction=None, output=None)

    def __len__(self) -> int:
        return len(self.moved) if self.direction is None else self.direction.size

    def __sizeof__(self) -> int:
        # By this Dask tells what it sends as data, by a way of its own, from what it sends with each task.
        size = sum(unit.nbytes for unit in self.units) if isinstance(self.units, list) else 0
        return int(size if size > MUCH else object.__sizeof__(self))

    def point(self, direction: int, offset: Any) -> Flat:
        """A new flat vector: x moved by `offset` along a direction."""
        which, unit = self.moved[direction], self.units[direction]
        if isinstance(which, slice):  # all of x, which may be large
            moved: Flat = np.multiply(unit, offset)
            moved += self.x
            return moved
        moved = self.x.copy()
        moved[which] += offset * unit
        return moved

    def points(self, directions: Index, offsets: Flat) -> Flat:
        """The points (n, k) of k directions and offsets, one a column."""
        made = [self.point(d, t) for d, t in zip(directions.tolist(), offsets, strict=True)]
        return np.stack(made, axis=1)

    def reached(self, rows: Index, offsets: Flat) -> Flat:
        """The offsets (r, k) of some lines at which their points lie after rounding to the dtype of x.

        (x + t) - x is exact by Sterbenz's lemma where t is small against x. As asked where several coordinates move:
        each rounds its own way, which the measured noise contains.
        """
        if self.parameters is None:
            return offsets
        at = np.asarray(self.moved)[rows if self.direction is None else self.direction[rows]]
        x = self.x[at][:, None]
        reached = x + offsets
        for b in self.parameters.blocks:
            if b.real_dtype != reached.dtype:
                mine = b.holds(at)
                reached[mine] = reached[mine].astype(b.real_dtype)
        return np.asarray(reached - x)

    def shared(self, rows: Index, offsets: Flat) -> tuple[list[int], Flat, list[tuple[Any, Any]]]:
        """The points of lines (r,) at offsets (r, k), each once: direction, offset, and places (row, column)."""
        assert self.direction is not None
        at: list[int] = []
        where: list[Any] = []
        places: list[tuple[Any, Any]] = []
        direction = self.direction[rows]
        order = np.argsort(direction, kind="stable")
        starts = np.flatnonzero(np.diff(direction[order], prepend=-1))
        for mine in np.split(order, starts[1:]) if rows.size else ():
            its = offsets[mine]
            alike = (its == its[0]).all()
            for column, offset in enumerate(its[0] if alike else np.unique(its)):
                row, columns = (slice(None), column) if alike else np.nonzero(its == offset)
                at.append(int(direction[mine[0]]))
                where.append(offset)
                places.append((mine[row], columns))
        return at, np.array(where, offsets.dtype), places
