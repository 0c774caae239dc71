"""Mistakes of one factor: everything, an array, a row or a column, asked for before single entries are looked for.

Three weights, by the number of the array, of the row in it and of the column, tell where a mistake lies if
it lies in one of each; the ratio of the residual to what that part contributes is the factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.function.matrix import one_row
from gradcheck.joint.direction import STEEP, Direction
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import HEAVIEST, told_by, weights_of
from gradcheck.numerics.tangents import within
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, flat_indices, hull, runs, whole_box, working_shape

# Lines of an array that are measured one by one.
LINES = 200
# Of what is wrong in a few entries half is anything between nothing and all: a bar of this part of it tells.
TELLING = 0.25
# Ratios that are measured to name one.
LOOKS = 4
# Of so many arrays each is measured; factors are alike by chance so seldom.
FEW_ARRAYS, CHANCE = 24, 0.01
# An array with another mistake shares a factor that leaves less than so many times what there was.
RATHER = 3.0
# A ratio names a number where its bars are this part of the distance between two of them.
DISTINCT = 0.5


@dataclass(frozen=True)
class Part:
    """Entries that may be wrong by one factor. inside : (n,) which. boxes : what they are, by array.

    others : parts that hold other mistakes, be it besides.
    """

    inside: Mask
    boxes: tuple[tuple[Block, Box], ...]
    others: tuple[tuple[Block, Box], ...] = ()

    @property
    def single(self) -> bool:
        """Whether it is one entry, which is none of a pattern."""
        return int(self.inside.sum()) == 1

    @property
    def whole(self) -> bool:
        """Whether it is nothing but whole arrays."""
        return all(box.size == block.size for block, box in self.boxes)

    @classmethod
    def of(
        cls, size: int, boxes: Sequence[tuple[Block, Box]], others: Sequence[tuple[Block, Box]] = ()
    ) -> Part:
        """The entries of some boxes, of an x of that size."""
        inside = np.zeros(size, bool)
        for block, box in boxes:
            inside[flat_indices(block, box)] = True
        return cls(inside, tuple(boxes), tuple(others))


def suspected_parts(
    test: JointTest, direction: Direction, rng: np.random.Generator
) -> Iterator[tuple[Part, float | None]]:
    """The parts of the claim that may hold what is wrong with it, the whole first, each with alpha.

    alpha : what part of the claim there is too much, where that is one for all its entries. The claim divided by
    1 / (1 - alpha) is then to be tested along a fresh direction.
    Costs one residual to begin with, one or two more to narrow the part down; they tell whether it has one factor, but
    for a line of an array of one axis, which takes another.
    """
    moved = direction.tangent != 0
    blocks = [block for block in test.problem.parameters.blocks if moved[block.slice].any()]
    which, seen = _named(test, direction, len(blocks), partial(_by_array, direction, blocks))
    alpha = common_factor(test, direction, moved, rng, seen)
    found = list[tuple[Part, float]]()
    if alpha is not None:
        found = [(Part(moved, tuple((b, whole_box(b)) for b in blocks)), alpha)]
    elif which is None and seen is not None:
        found = _each(test, direction, seen, blocks, rng)
    seen = None  # with its tangent
    yield from found
    if which is None:
        return
    part, seen = _part_of(test, direction, blocks[which])
    asked = part.single or (seen is None and len(blocks) == 1)  # of all that moves
    yield part, None if asked else common_factor(test, direction, part.inside & moved, rng, seen)


def _each(
    test: JointTest,
    direction: Direction,
    seen: Direction,
    blocks: Sequence[Block],
    rng: np.random.Generator,
) -> list[tuple[Part, float]]:
    """The arrays that are off by one factor, where others hold other mistakes, and alpha; or each by one of its own.

    Of one that is shared others are off by it, too, unless it leaves far more of them than there was: one mistake is
    everywhere, another besides. Costs one residual an array, or two; none where both so far leave little of the claim,
    as a few entries do among many. seen : the same direction with weights by the number of the array.
    """
    shown = max(float(direction.off[0]), float(seen.off[0]))
    if not 1 < len(blocks) <= FEW_ARRAYS or shown < STEEP * direction.weight[0]:
        return []
    tangents = [within(direction.tangent, b.slice) for b in blocks]
    alone = [test.again(tangent, exact=direction.exact) for tangent in tangents]
    with np.errstate(all="ignore"):
        claimed = np.array([_claimed(test, tangent) for tangent in tangents])
        alpha = np.array([float(each.residual[0]) for each in alone]) / claimed
        bars = 3.0 * np.array([float(each.error[0]) for each in alone]) / np.abs(claimed) + 1e-9 * np.abs(
            alpha
        )
        both = bars[:, None] + bars
        # What is shared by chance, or is nothing, tells no factor.
        alike = (np.abs(alpha[:, None] - alpha) <= both) & (both * len(blocks) ** 2 <= CHANCE * np.abs(alpha))
        sharing, wrong = alike[int(np.argmax(alike.sum(axis=1)))], ~(np.abs(alpha) <= bars)
        if np.count_nonzero(sharing) < 2:
            return _each_by_its_own(test, blocks, alone, wrong, rng)
        best = float(alpha[np.argmin(np.where(sharing, bars, np.inf))])
        divided = np.abs(alpha - best) < RATHER * np.abs(alpha)
    known = sharing | ~wrong
    return [(_arrays(direction.tangent.size, blocks, divided, ~known), best)]


def _each_by_its_own(
    test: JointTest, blocks: Sequence[Block], alone: list[Direction], wrong: Mask, rng: np.random.Generator
) -> list[tuple[Part, float]]:
    """The arrays that are wrong by a factor of their own, as a random half of each tells, and alpha.

    alone : what the direction shows of each array. wrong : those that it shows to be wrong.
    """
    found = []
    for k in np.flatnonzero(wrong):
        mine = np.arange(len(blocks)) == k
        part = _arrays(alone[k].tangent.size, blocks, mine, wrong & ~mine)
        alpha = common_factor(test, alone[k], part.inside, rng)
        found += [] if alpha is None else [(part, alpha)]
    return found


def _arrays(size: int, blocks: Sequence[Block], some: Mask, others: Mask | None = None) -> Part:
    """The part that some arrays are; others : which hold other mistakes."""

    def whole(which: Mask) -> list[tuple[Block, Box]]:
        return [(b, whole_box(b)) for b, yes in zip(blocks, which, strict=True) if yes]

    return Part.of(size, whole(some), whole(some & False if others is None else others))


def common_factor(
    test: JointTest,
    direction: Direction,
    part: Mask,
    rng: np.random.Generator,
    seen: Direction | None = None,
) -> float | None:
    """The part alpha of the claim on `part` (n,) that is too much, if it explains another residual there; None if not.

    seen : that residual, whose entries were weighted; of a random half of them by default. Bars that would let anything
    pass explain nothing.
    """
    claimed = _claimed(test, np.where(part, direction.tangent, 0.0))
    if claimed == 0:
        return None
    if seen is None:
        half = part & (rng.random(part.size) < 0.5)
        seen = test.again(np.where(half, direction.tangent, 0.0), exact=direction.exact)
    residual, error = float(direction.residual[0]), float(direction.error[0])
    alpha = residual / claimed
    off = abs(float(seen.residual[0]) - alpha * _claimed(test, np.where(part, seen.tangent, 0.0)))
    bar = 3.0 * (float(seen.error[0]) + HEAVIEST * error) + 1e-9 * abs(float(seen.residual[0]))
    return alpha if off <= bar <= TELLING * abs(residual) else None


def _by_array(direction: Direction, blocks: Sequence[Block], weights: Values) -> Flat:
    tangent = direction.tangent.copy()
    for b, weight in zip(blocks, weights, strict=True):
        tangent[b.slice] *= weight
    return tangent


def _part_of(test: JointTest, direction: Direction, block: Block) -> tuple[Part, Direction | None]:
    """The row, column or single entry of an array in which the mistake lies, if it lies in one; else all of it.

    And a residual whose weights differ there; None of one axis, of which nothing is measured.
    """
    shape = working_shape(block)
    inside = np.zeros(test.problem.x.size, bool)
    inside[block.slice] = True
    if len(shape) < 2:
        return Part(inside, ((block, Box(((0, shape[0]),))),)), None
    rows, columns = shape[0], math.prod(shape[1:])

    def weighted(weights: Values) -> Flat:
        tangent = direction.tangent.copy()
        tangent[block.slice].reshape(rows, columns)[...] *= weights
        return tangent

    i, along_rows = _named(test, direction, rows, lambda weights: weighted(weights[:, None]))
    j, along_columns = _named(test, direction, columns, weighted)
    ranges, grid = [(0, n) for n in shape], inside[block.slice].reshape(rows, columns)
    if i is not None:
        grid[:i], grid[i + 1 :] = False, False
        ranges[0] = (i, i + 1)
    if j is not None:
        grid[:, :j], grid[:, j + 1 :] = False, False
        ranges[1:] = [(int(k), int(k) + 1) for k in np.unravel_index(j, shape[1:])]
    return Part(inside, ((block, Box(tuple(ranges))),)), along_rows if i is None else along_columns


def _claimed(test: JointTest, tangent: Flat) -> float:
    return float(test.problem.matrix.product(tangent)[0])


def _named(
    test: JointTest, direction: Direction, count: int, weighted: Callable[[Values], Flat]
) -> tuple[int | None, Direction | None]:
    """Which of some parts the ratio of the residuals, weighted part by part and plain, names; None where none.

    weighted : the tangent with these weights (count,) on the parts. Returns the weighted residual, too, as it was seen
    first; None of one part. Where the ratio allows several parts the weights are stretched over these alone, and
    where it allows most of them it is measured more precisely.
    """
    if count == 1:
        return 0, None
    plain, bar = float(direction.residual[0]), float(direction.error[0])
    (start, stop), precise, first = (0, count), False, None
    for _ in range(LOOKS):
        span = start, stop
        weights = np.zeros(count)
        weights[start:stop] = weights_of(np.arange(start, stop), span)
        seen = test.again(weighted(weights), exact=direction.exact and not precise, precise=precise)
        first = first or seen
        told, width = told_by(plain, bar, float(seen.residual[0]), float(seen.error[0]), span, span)
        if not told or width < DISTINCT:
            return told.start if told else None, first
        if 2 * len(told) < stop - start:
            start, stop = told.start, told.stop
        elif precise or direction.exact:
            break
        else:
            precise = True
    return None, first


def zeros(test: JointTest, direction: Direction, inside: Mask) -> Part | None:
    """The entries among some (n,) that are claimed to be 0, if all that is wrong lies there; None if not.

    A triangle, a mask, what a term that was left out would have filled. Costs one residual where there are any.
    """
    claimed = np.abs(one_row(test.problem.matrix)) > 0
    empty = inside & ~claimed & (direction.tangent != 0)
    if not empty.any() or not (inside & claimed).any():
        return None
    if not holds_all(test, direction, empty):
        return None
    blocks = [b for b in test.problem.parameters.blocks if empty[b.slice].any()]
    return Part(empty, tuple((b, hull(b, b.start + np.flatnonzero(empty[b.slice]))) for b in blocks))


def holds_all(test: JointTest, direction: Direction, inside: Mask) -> bool:
    """Whether what is wrong along a direction lies among some entries (n,), as far as is known. Costs one residual."""
    seen = test.again(np.where(inside, direction.tangent, 0.0), exact=direction.exact)
    bar = 3.0 * float(seen.error[0] + direction.error[0])
    return abs(float(seen.residual[0] - direction.residual[0])) <= bar


def grown(test: JointTest, direction: Direction, block: Block, box: Box) -> Part:
    """A box with the lines on all its sides that hold something wrong. Costs one residual a line, and one a side."""
    shape = working_shape(block)
    for axis, forward in itertools.product(range(len(shape)), (False, True)):
        for _ in range(LINES):
            start, stop = box.ranges[axis]
            line = (stop, stop + 1) if forward else (start - 1, start)
            if line[0] < 0 or line[1] > shape[axis]:
                break
            tangent = within(direction.tangent, flat_indices(block, box.along(axis, line)))
            seen = test.again(tangent, exact=direction.exact)
            if not abs(float(seen.residual[0])) > 3.0 * float(seen.error[0]) + _least(direction):
                break
            box = box.along(axis, (min(start, line[0]), max(stop, line[1])))
    return Part.of(test.problem.x.size, [(block, box)])


def _least(direction: Direction) -> float:
    """What a mistake leaves at the least that is worth a search."""
    return max(float(direction.allowed[0] - 3.0 * direction.error[0]), 0.0)


def striped(test: JointTest, direction: Direction, block: Block) -> tuple[Part, float | None] | None:
    """The rows, or the columns, of an array that hold what is wrong, where others hold nothing, with their alpha.

    alpha is None where they have no factor in common. Costs one residual a line.
    """
    shape = working_shape(block)
    for axis in sorted(range(len(shape)), key=lambda k: shape[k]):
        if not 2 < shape[axis] <= LINES or len(shape) < 2:
            continue
        seen = [_along_line(test, direction, block, axis, k) for k in range(shape[axis])]
        residual, error, claimed = np.array(seen).T
        exceeds = np.abs(residual) > 3.0 * error + _least(direction)
        if not exceeds.any() or exceeds.all():
            continue
        boxes = [
            (block, whole_box(block).along(axis, span))
            for span in runs(set(np.flatnonzero(exceeds).tolist()))
        ]
        # The direction itself is more precise than its lines, and holds nothing else if they agree.
        total = float(claimed[exceeds].sum())
        alpha = float(direction.residual[0]) / total if total else 0.0
        bars = 3.0 * (error + float(direction.error[0]) * np.abs(claimed / (total or 1.0)))
        common = (np.abs(residual - alpha * claimed) <= bars + 1e-9 * np.abs(residual))[exceeds].all()
        return Part.of(test.problem.x.size, boxes), alpha if total and common else None
    return None


def _along_line(
    test: JointTest, direction: Direction, block: Block, axis: int, k: int
) -> tuple[float, float, float]:
    """The residual along one line of an array, its error, and what is claimed along it."""
    tangent = within(direction.tangent, flat_indices(block, whole_box(block).along(axis, (k, k + 1))))
    seen = test.again(tangent, exact=direction.exact)
    return float(seen.residual[0]), float(seen.error[0]), _claimed(test, tangent)
