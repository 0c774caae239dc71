"""Mistakes of one factor: everything, an array, a row or a column, asked for before single entries are looked for.

Three weights, by the number of the array, of the row (over all arrays) and of the column, tell where a mistake lies if
it lies in one of each; the ratio of the residual to what that part contributes is the factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.directions import Direction
from gradcheck.evidence.joint import JointTest
from gradcheck.parameters.boxes import Box, working_shape
from gradcheck.parameters.tree import Block

__all__ = ["Part", "common_factor", "suspected_part"]

LIGHTEST = 0.5
# A ratio names a number where its bar is this part of the distance between two of them.
DISTINCT = 0.25


@dataclass(frozen=True)
class Part:
    """Entries that may be wrong by one factor. inside : (n,) which. boxes : what they are, by array."""

    inside: Mask
    boxes: tuple[tuple[Block, Box], ...]

    @property
    def single(self) -> bool:
        """Whether it is one entry, which is none of a pattern."""
        return int(self.inside.sum()) == 1


def common_factor(
    test: JointTest, direction: Direction, part: Mask, rng: np.random.Generator
) -> float | None:
    """The part alpha of the claim on `part` (n,) that is too much, if it is the same in a random half; None if not.

    Costs one residual. The claim divided by 1 / (1 - alpha) is then to be tested along a fresh direction.
    """
    claimed = _claimed(test, np.where(part, direction.tangent, 0.0))
    if claimed == 0:
        return None
    residual, error = float(direction.residual[0]), float(direction.error[0])
    alpha = residual / claimed
    half = part & (rng.random(part.size) < LIGHTEST)
    tangent = np.where(half, direction.tangent, 0.0)
    seen = test.again(tangent, exact=direction.exact)
    expected = alpha * _claimed(test, tangent)
    bar = 3.0 * (float(seen.error[0]) + error) + 1e-9 * abs(float(seen.residual[0]))
    return alpha if abs(float(seen.residual[0]) - expected) <= bar else None


def suspected_part(test: JointTest, direction: Direction) -> Part | None:
    """The row, column or array in which the mistake lies, if it lies in one; None where it is spread over several.

    Costs two to three residuals. A single entry is a row and a column at once.
    """
    blocks = test.problem.parameters.blocks
    array, row, column = _numbers(blocks, test.problem.x.size)
    which = _named(test, direction, array)
    if which is None:
        return None
    block = blocks[which]
    shape = working_shape(block)
    inside = array == which
    if len(shape) < 2:
        return Part(inside, ((block, Box(((0, shape[0]),))),))
    i = _named(test, direction, row, inside)
    j = _named(test, direction, column, inside)
    ranges = [(0, n) for n in shape]
    if i is not None:
        at = i - int(row[block.start])
        inside = inside & (row == i)
        ranges[0] = (at, at + 1)
    if j is not None:
        inside = inside & (column == j)
        index = np.unravel_index(j, shape[1:])
        ranges[1:] = [(int(k), int(k) + 1) for k in index]
    return Part(inside, ((block, Box(tuple(ranges))),)) if inside.any() else None


def _claimed(test: JointTest, tangent: Flat) -> float:
    return float(test.problem.matrix.product(tangent)[0])


def _numbers(blocks: tuple[Block, ...], n: int) -> tuple[Index, Index, Index]:
    """Of each entry (n,) the number of its array, of its row over all arrays, and of its place within the row."""
    array, row, column = np.zeros(n, np.intp), np.zeros(n, np.intp), np.zeros(n, np.intp)
    rows = 0
    for k, b in enumerate(blocks):
        shape = working_shape(b)
        width = max(int(np.prod(shape[1:], dtype=np.int64)), 1)
        array[b.slice] = k
        row[b.slice] = rows + np.repeat(np.arange(shape[0]), width)
        column[b.slice] = np.tile(np.arange(width), shape[0])
        rows += shape[0]
    return array, row, column


def _named(test: JointTest, direction: Direction, number: Index, inside: Mask | None = None) -> int | None:
    """The number that the ratio of the residuals weighted by it and plain names; None where it names none."""
    where = np.ones(number.size, bool) if inside is None else inside
    first, last = int(number[where].min()), int(number[where].max())
    count = last - first + 1
    if count == 1:
        return first
    weights = LIGHTEST + (number - first + 0.5) / count
    seen = test.again(np.where(where, direction.tangent * weights, direction.tangent), exact=direction.exact)
    plain, bar = float(direction.residual[0]), float(direction.error[0])
    if plain == 0:
        return None
    ratio = float(seen.residual[0]) / plain
    width = 3.0 * (float(seen.error[0]) + abs(ratio) * bar) / abs(plain)
    place = (ratio - LIGHTEST) * count - 0.5
    nearest = round(place)
    named = (
        abs(place - nearest) <= max(width * count, 1e-9) and width * count < DISTINCT and 0 <= nearest < count
    )
    return first + nearest if named else None
