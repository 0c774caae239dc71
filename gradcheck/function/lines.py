"""Lines through x along which f is evaluated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.parameters.tree import Parameters

# Bytes that are worth a way of their own.
MUCH = 2**20


class Lines(ABC):
    """Straight lines through x (n,), one a row; a point is a row and an offset along it."""

    x: Flat

    @abstractmethod
    def __len__(self) -> int:
        """How many lines."""

    @abstractmethod
    def point(self, row: int, offset: Any) -> Flat:
        """A new flat vector: x moved by `offset` along line `row`."""

    def points(self, rows: Index, offsets: Flat) -> Flat:
        """The points (size, k) of k rows and offsets, one a column."""
        return np.stack([self.point(r, t) for r, t in zip(rows.tolist(), offsets, strict=True)], axis=1)

    def reached(self, rows: Index, offsets: Flat) -> Flat:
        """The offsets (m, k) at which the points lie after rounding to x's dtype.

        As asked where several coordinates move: each rounds its own way, which the measured noise contains.
        """
        return offsets

    def through(self, x: Flat) -> Self:
        """The same directions through another point, or through none: that of a check is sent to workers once."""
        return replace(self, x=x)  # type: ignore[type-var]  # every one is a dataclass


@dataclass(frozen=True)
class Axes(Lines):
    """One line a coordinate: offsets are in units of that coordinate."""

    parameters: Parameters
    x: Flat
    coordinates: Index

    def __len__(self) -> int:
        return len(self.coordinates)

    def reached(self, rows: Index, offsets: Flat) -> Flat:
        """The offsets after rounding: (x + t) - x, exact by Sterbenz's lemma where t is small against x."""
        at = self.coordinates[rows]
        x = self.x[at][:, None]
        moved = x + offsets
        for b in self.parameters.blocks:
            if b.real_dtype != moved.dtype:
                mine = b.holds(at)
                moved[mine] = moved[mine].astype(b.real_dtype)
        return moved - x

    def point(self, row: int, offset: Any) -> Flat:
        """X with one coordinate moved."""
        moved = self.x.copy()
        moved[self.coordinates[row]] += offset
        return moved

    def points(self, rows: Index, offsets: Flat) -> Flat:
        """X in every column, with one coordinate moved in each."""
        moved = np.repeat(self.x[:, None], rows.size, axis=1)
        moved[self.coordinates[rows], np.arange(rows.size)] += offsets
        return moved


@dataclass(frozen=True)
class Rays(Lines):
    """Dense directions: offsets are in units of the tangent, one tangent (size,) a line."""

    x: Flat
    tangents: Sequence[Flat]

    def __len__(self) -> int:
        return len(self.tangents)

    def __sizeof__(self) -> int:
        # By this Dask tells what it sends as data, by a way of its own, from what it sends with each task.
        held = self.tangents if isinstance(self.tangents, list) else []
        size = sum(tangent.nbytes for tangent in held)
        return int(size if size > MUCH else object.__sizeof__(self))

    def point(self, row: int, offset: Any) -> Flat:
        """X moved along the tangent."""
        moved: Flat = np.multiply(self.tangents[row], offset)
        moved += self.x
        return moved


@dataclass(frozen=True)
class Columns(Lines):
    """Lines that move groups of coordinates, each by its own scale, so that an offset of 1 moves it by that.

    groups : for each line the coordinates that it moves. scales : (n,).
    """

    x: Flat
    groups: Sequence[Index]
    scales: Flat

    def __len__(self) -> int:
        return len(self.groups)

    def point(self, row: int, offset: Any) -> Flat:
        """X with the coordinates of one group moved."""
        moved = self.x.copy()
        group = self.groups[row]
        moved[group] += offset * self.scales[group]
        return moved


@dataclass(frozen=True)
class Family(Lines):
    """Lines of which some share their points: line l is output `output[l]` of f along `directions[direction[l]]`."""

    directions: Lines
    direction: Index
    output: Index

    def __len__(self) -> int:
        return self.direction.size

    @property
    def x(self) -> Flat:  # type: ignore[override]  # nobody moves it
        """(n,) the point."""
        return self.directions.x

    def through(self, x: Flat) -> Self:
        """The same directions through another point."""
        return replace(self, directions=self.directions.through(x))

    def reached(self, rows: Index, offsets: Flat) -> Flat:
        """The offsets after rounding, as those of the direction."""
        return self.directions.reached(self.direction[rows], offsets)

    def point(self, row: int, offset: Any) -> Flat:
        """The point of one line."""
        return self.directions.point(int(self.direction[row]), offset)

    def shared(self, rows: Index, offsets: Flat) -> tuple[list[int], Flat, list[tuple[Any, Any]]]:
        """The points of lines (r,) at offsets (r, k), each once: direction, offset, and places (row, column)."""
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
