"""Parts of an array: boxes of entries, and their names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Index, Mask
from gradcheck.parameters.block import Block

# Places in a line, in the mean, that tell of it.
IN_A_LINE = 3


@dataclass(frozen=True)
class Box:
    """A block of entries of one array: (start, stop) along each axis."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(stop - start for start, stop in self.ranges)

    def along(self, axis: int, new: tuple[int, int]) -> Box:
        """The box with another range along one axis."""
        return Box((*self.ranges[:axis], new, *self.ranges[axis + 1 :]))

    def within(self, other: Box) -> Box | None:
        """The part of it that another box of the same array holds; None where they share nothing."""
        ranges = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(self.ranges, other.ranges, strict=True)]
        return Box(tuple(ranges)) if all(a < b for a, b in ranges) else None

    def without(self, other: Box) -> list[Box]:
        """Boxes that hold the rest of it, each entry once."""
        shared, left = self.within(other), self
        if shared is None:
            return [self]
        parts = []
        for axis, (a, b) in enumerate(shared.ranges):
            start, stop = left.ranges[axis]
            parts += [left.along(axis, side) for side in ((start, a), (b, stop)) if side[0] < side[1]]
            left = left.along(axis, (a, b))
        return parts

    def words(self, block: Block) -> str:
        """`rows 512..527 of params["W1"]`, `params["W1"][512:528, 3:4]`, `params["b"]` for all of it."""
        shape = working_shape(block)
        cut = [k for k, (a, b) in enumerate(self.ranges) if b - a < shape[k]]
        if not cut:
            return block.name
        if len(shape) == 2 and len(cut) == 1:
            start, stop = self.ranges[cut[0]]
            noun = ("row", "column")[cut[0]]
            lines = f"{noun} {start}" if stop - start == 1 else f"{noun}s {start}..{stop - 1}"
            return f"{lines} of {block.name}"
        inside = ", ".join(f"{a}" if b - a == 1 else f"{a}:{b}" for a, b in self.ranges)
        return f"{block.name}[{inside}]"


def working_shape(block: Block) -> tuple[int, ...]:
    """The axes of the flat reals of a block: its shape, and one of length two for complex entries."""
    shape = (*block.shape, 2) if block.is_complex else block.shape
    return shape or (1,)


def hull(block: Block, entries: Index | list[int]) -> Box:
    """The smallest box that holds some places of an array in the flat vector."""
    places = np.unravel_index(np.asarray(entries, np.intp) - block.start, working_shape(block))
    return Box(tuple((int(p.min()), int(p.max()) + 1) for p in places))


def few_lines(block: Block, entries: Index | list[int]) -> list[Box]:
    """The rows, or columns, in which some places of an array lie, where these are several and hold some each; or none.

    By chance no three of a few places share each line of several.
    """
    shape, places = working_shape(block), np.asarray(entries, np.intp) - block.start
    for axis, along in enumerate(np.unravel_index(places, shape) if len(shape) > 1 else ()):
        lines = np.unique(along).tolist()
        if 1 < len(lines) <= min(places.size // IN_A_LINE, shape[axis] // 2):
            return [whole_box(block).along(axis, (k, k + 1)) for k in lines]
    return []


def whole_box(block: Block) -> Box:
    """All entries of an array."""
    return Box(tuple((0, n) for n in working_shape(block)))


def flat_indices(block: Block, box: Box) -> Index:
    """All places of a box in the flat vector."""
    grid = np.ix_(*(np.arange(start, stop) for start, stop in box.ranges))
    return np.asarray(block.start + np.ravel_multi_index(grid, working_shape(block)).ravel())


def in_box(block: Block, box: Box, at: Index) -> Mask:
    """Which of some places of an array in the flat vector lie in a box."""
    index = np.unravel_index(at - block.start, working_shape(block))
    inside = [(i >= start) & (i < stop) for i, (start, stop) in zip(index, box.ranges, strict=True)]
    return np.asarray(np.all(inside, axis=0))


def runs(numbers: set[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as half-open ranges."""
    out: list[tuple[int, int]] = []
    for k in sorted(numbers):
        if out and out[-1][1] == k:
            out[-1] = (out[-1][0], k + 1)
        else:
            out.append((k, k + 1))
    return out
