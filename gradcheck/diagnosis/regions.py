"""The part of an array where the wrong entries lie: a row, a column, a block, a triangle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, in_box, whole_box
from gradcheck.results.cause import Extent, Place

# Wrong entries that share a row by accident with a chance above this share nothing worth saying.
ACCIDENT = 0.01
# So many zeros that are wrong, and none that is right, tell of all others.
SOME = 3
# Blocks that are tried, with the sum of the entries of each.
BLOCKS = 10**6


@dataclass(frozen=True)
class Marked:
    """The entries of one array, and which of them are to be placed; masks are (m,).

    at : flat indices. bad : those whose place is asked for. known : those that were judged, or are certified. right :
    those that are right, and would not be if something multiplied them. sampled : whether only a sample of the entries
    that nobody judged is among them. complete : whether all entries of the array are known.
    """

    block: Block
    at: Index
    bad: Mask
    known: Mask
    right: Mask
    sampled: bool
    complete: bool

    def block_with(self, terms: Flat, sums: Flat, off: Flat) -> tuple[tuple[int, int], ...] | None:
        """The one block whose entries have these sums, of all that hold what is bad and else what nobody judged.

        terms : (k, size) what is added up over the entries of a block. sums, off : (k,) and how far off they may be.
        None where several have them, or so many could that one may by accident.
        """
        block = self.block
        if block.is_complex:
            return None
        ranges = []
        for along in np.unravel_index(self.at - block.start, block.shape):
            inner, outer = along[self.bad], along[self.bad | ~self.known]
            starts = np.arange(outer.min(), inner.min() + 1)
            stops = np.arange(inner.max(), outer.max() + 1) + 1
            ranges.append((starts, stops))
        tried = math.prod(starts.size * stops.size for starts, stops in ranges)
        # One entry more changes a sum by about the spread of the terms: so near do accidents come to it.
        accidents = 2.0 * off / np.maximum(np.sqrt(np.mean(terms**2, axis=1)), 1e-300)
        if tried > BLOCKS or tried * float(np.prod(accidents)) > ACCIDENT:
            return None
        agree: Mask | bool = True
        for these, value, bar in zip(terms, sums, off, strict=True):
            agree &= np.abs(_of_blocks(these.reshape(block.shape), ranges) - value) <= bar
        found = np.argwhere(agree)
        if len(found) != 1:
            return None
        place = found[0].reshape(-1, 2).tolist()
        box = tuple((int(a[i]), int(b[k])) for (a, b), (i, k) in zip(ranges, place, strict=True))
        return None if (in_box(block, Box(box), self.at) & self.right & ~self.bad).any() else box

    def region(self, filled: bool) -> Place | None:
        """The row, column, block or triangle that the bad entries fill; or where they lie, be others there right."""
        block, bad, wrong = self.block, self.bad, int(self.bad.sum())
        parts = 2 if block.is_complex else 1
        index = np.unravel_index((self.at - block.start) // parts, block.shape)
        box = tuple((int(i[bad].min()), int(i[bad].max()) + 1) for i in index)
        whole = tuple((0, n) for n in block.shape)
        # A row before the part of it that is wrong: its other entries may be zero, and right with any factor.
        slabs = [
            tuple(box[k] if k == axis else whole[k] for k in range(len(box)))
            for axis in range(len(box))
            if box[axis][1] - box[axis][0] == 1
        ]
        for candidate in [*slabs, box]:
            if candidate == whole:
                continue
            inside = np.all([(i >= a) & (i < b) for i, (a, b) in zip(index, candidate, strict=True)], axis=0)
            size = parts * math.prod(b - a for a, b in candidate)
            full = self._fills(inside, size)
            share = (size / block.size if self.complete else inside[self.known].mean()) ** (wrong - 1)
            # Where not all is known the box is that of a sample: most of an array is none.
            narrow = self.complete or 2 * size <= block.size
            if full if filled else (narrow and share < ACCIDENT) or (full and candidate in slabs):
                # Lines that are wrong throughout say more than the box around them, or than one with others between.
                lines = self._some_lines(index)
                if lines is not None and (not full or _gaps(lines.lines)):
                    return lines
                return Place((block.name,), wrong, Extent.BOX, box=candidate, shape=block.shape)
        return self._diagonal(index, filled) or self._some_lines(index)

    def _diagonal(self, index: tuple[Index, ...], filled: bool) -> Place | None:
        """On, above, below or off the diagonal of a square matrix."""
        shape, wrong = self.block.shape, int(self.bad.sum())
        square = len(shape) == 2 and shape[0] == shape[1] > 2
        if not square or self.sampled or not self.complete or wrong < 3:
            return None
        for extent, inside in _triangles(*index):
            telling = not filled and inside.mean() ** (wrong - 1) < ACCIDENT
            if inside[self.bad].all() and (telling or self._fills(inside, int(inside.sum()))):
                return Place((self.block.name,), wrong, extent, shape=shape)
        return None

    def _some_lines(self, index: tuple[Index, ...]) -> Place | None:
        """Several rows, or columns, or indices of one axis, each wrong throughout; at most half of them."""
        shape = self.block.shape
        if len(shape) < 2 or self.sampled or not self.complete:
            return None
        for axis, along in enumerate(index):
            lines = np.unique(along[self.bad])
            inside = np.isin(along, lines)
            thick = self.at.size // shape[axis]
            some = 1 < lines.size <= shape[axis] // 2 and thick > 1
            if some and self._fills(inside, int(inside.sum())):
                return _lines(self.block, int(self.bad.sum()), axis, lines)
        return None

    def _fills(self, inside: Mask, size: int) -> bool:
        """Whether all of a box is bad or known, and no entry in it is right and known not to be zero.

        Of an array of which only a sample is at hand, all of the sample.
        """
        size = int(inside.sum()) if self.sampled else size
        seen = inside & (self.bad | self.known)
        return int(seen.sum()) == size and not (inside & self.right & ~self.bad).any()


def _of_blocks(terms: Flat, ranges: Sequence[tuple[Index, Index]]) -> Flat:
    """The sums over all blocks: along two axes for each, of where a block starts and of where it stops."""
    for k, (starts, stops) in enumerate(ranges):
        axis = 2 * k
        sums = np.insert(terms.cumsum(axis), 0, 0.0, axis)
        above, below = sums.take(stops, axis), sums.take(starts, axis)
        terms = np.expand_dims(above, axis) - np.expand_dims(below, axis + 1)
    return terms


def place_of_zeros(block: Block, wrong: Index, right: Index, values: np.ndarray) -> Place | None:
    """The rows, columns or indices of an axis where an array is all 0, or the block or triangle that its zeros are.

    wrong, right : flat indices of zeros that are known; all of the first lie there. values : of the array, those that
    nobody judged too; elsewhere it has others than 0. Nothing of a block is right, nor of a line that holds nothing
    wrong; one of which nothing is known is named with the others where some entries were wrong.
    """
    values = values.reshape(block.shape)
    index, beside = (np.unravel_index(at - block.start, block.shape) for at in (wrong, right))
    for axis, along in enumerate(index):
        zero = (values == 0).all(tuple(k for k in range(values.ndim) if k != axis))
        lines = np.unique(along)
        if zero.all() or not zero[lines].all() or block.size == block.shape[axis]:
            continue
        if wrong.size >= SOME and np.isin(beside[axis], lines)[zero[beside[axis]]].all():
            lines = np.flatnonzero(zero)
        if lines.size > 1 and _gaps(tuple(lines.tolist())):
            return _lines(block, wrong.size, axis, lines)
        return _slab(block, wrong.size, axis, int(lines[0]), int(lines[-1]) + 1)
    return _block_of_zeros(block, wrong, values == 0) if wrong.size > 1 and not right.size else None


def _block_of_zeros(block: Block, wrong: Index, zero: np.ndarray) -> Place | None:
    """The block or the triangle that all zeros of an array are."""
    places = np.nonzero(zero)
    box = tuple((int(i.min()), int(i.max()) + 1) for i in places)
    filled = places[0].size == math.prod(stop - start for start, stop in box) < block.size
    if filled and in_box(block, Box(box), wrong).all():
        return Place((block.name,), wrong.size, Extent.BOX, box=box, shape=block.shape)
    if zero.ndim != 2 or min(zero.shape) < 3:
        return None
    for extent, inside in _triangles(*np.indices(zero.shape)):
        if np.array_equal(inside, zero) and zero.ravel()[wrong - block.start].all():
            return Place((block.name,), wrong.size, extent, shape=block.shape)
    return None


def _triangles(i: Index, j: Index) -> tuple[tuple[Extent, Mask], ...]:
    """The parts that the diagonal makes of a matrix, and which entries (i, j) lie in them."""
    return (Extent.ON, i == j), (Extent.ABOVE, i < j), (Extent.BELOW, i > j), (Extent.OFF, i != j)


def together(block: Block, boxes: Sequence[Box], at: Index) -> Place | None:
    """Where parts of an array lie that are wrong throughout: the block or the lines that they are.

    at : flat indices of entries that are wrong. None for all of the array, for several blocks, and where one of these
    lies elsewhere.
    """
    shape, whole = block.shape, whole_box(block)
    inside = np.any([in_box(block, box, at) for box in boxes], axis=0)
    if block.is_complex or not shape or not inside.all():
        return None
    if len(boxes) == 1 and boxes[0] != whole:
        return Place((block.name,), at.size, Extent.BOX, box=boxes[0].ranges, shape=shape)
    for axis, n in enumerate(shape if len(shape) > 1 else ()):
        spans = [box.ranges[axis] for box in boxes]
        lines = np.unique([k for start, stop in spans for k in range(start, stop)]).astype(np.intp)
        across = all(box == whole.along(axis, box.ranges[axis]) for box in boxes)
        if across and lines.size <= n // 2:
            return _lines(block, at.size, axis, lines)
    return None


def one_line(block: Block, at: Index) -> Place | None:
    """The row or column of a matrix in which all of some entries lie; None without one."""
    if at.size < 2 or len(block.shape) != 2 or block.is_complex:
        return None
    for axis, along in enumerate(np.unravel_index(at - block.start, block.shape)):
        if np.ptp(along) == 0:
            return _slab(block, at.size, axis, int(along[0]), int(along[0]) + 1)
    return None


def two_lines(block: Block, at: Index, wrong: Mask) -> dict[str, Index]:
    """The names of the two rows, or columns, that hold all wrong entries of a matrix, and where their entries are."""
    if len(block.shape) != 2 or block.is_complex:
        return {}
    for axis, along in enumerate(np.unravel_index(at - block.start, block.shape)):
        lines = np.unique(along[wrong])
        if lines.size == 2 and block.shape[1 - axis] > 1:
            noun = ("row", "column")[axis]
            return {f"{noun} {k} of {block.name}": np.flatnonzero(along == k) for k in lines.tolist()}
    return {}


def _lines(block: Block, count: int, axis: int, lines: Index) -> Place:
    return Place(
        (block.name,), count, Extent.LINES, shape=block.shape, axis=axis, lines=tuple(lines.tolist())
    )


def _slab(block: Block, count: int, axis: int, start: int, stop: int) -> Place:
    box = tuple((start, stop) if k == axis else (0, n) for k, n in enumerate(block.shape))
    return Place((block.name,), count, Extent.BOX, box=box, shape=block.shape)


def _gaps(lines: tuple[int, ...]) -> bool:
    """Whether others lie between them."""
    return lines[-1] - lines[0] >= len(lines)
