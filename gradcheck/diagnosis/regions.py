"""Where an explanation holds, and where wrong entries lie: everywhere, in a row, a column, a block, a triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.diagnosis.scope import MARGIN, Scope
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, hull, in_box, whole_box, working_shape
from gradcheck.results.cause import Extent, Place
from gradcheck.results.verdict import accepted, larger

# Wrong entries that share a row by accident with a chance above this share nothing worth saying.
ACCIDENT = 0.01
# So many zeros that are wrong, and none that is right, tell of all others.
SOME = 3


def holds(
    s: Scope,
    explained: Flat,
    free: int = 0,
    choices: float = 0.0,
    anywhere: bool = True,
    margin: int = MARGIN,
) -> Place | None:
    """Where an explanation holds: everywhere, or in the wrong entries; None where in neither.

    anywhere : whether the wrong entries may lie scattered among right ones; else they must fill a block.
    free, choices, margin : as of `Scope.convinces`.
    """
    fits = s.fits(explained)
    if not fits[s.wrong].all() or not s.convinces(explained, free, choices, margin):
        return None
    whole = bool(fits.all())
    right = s.known & ~s.wrong & (not whole)
    mended = np.where(right, s.analytic, explained)
    confirmed = s.confirmed(mended)
    nothing_else = confirmed is False
    if nothing_else:
        # What nobody judged may be right as well.
        mended = np.where(s.wrong, explained, s.analytic)
        if whole or not s.confirmed(mended):
            return None
    place = everywhere(s, bool(confirmed)) if whole else wrong_place(s, bool(confirmed), fits)
    if s.whole and confirmed is not None:
        place = replace(place, settled=True, changed=_changed(s, mended))
    if nothing_else and place.extent is Extent.JUDGED:
        place = replace(place, extent=Extent.WRONG)
    return place if anywhere or place.tells or whole else None


def everywhere(s: Scope, confirmed: bool | None = False) -> Place:
    """All entries, or all that were tested where not all were, and no direction confirmed the rest.

    Where others are known to be right, the wrong ones: what is 0 among the tested ones fits any factor.
    """
    if s.size == 1:
        return _entry(s, int(s.at[0]), alone=False)
    if s.complete or confirmed:
        return Place(s.names, s.size, Extent.ALL)
    extent, those = Extent.TESTED, s.tested
    if s.unclaimed.intersection(s.names):
        extent, those = Extent.JUDGED, s.wrong
    return Place(s.names, int(those.sum()), extent)


def wrong_place(s: Scope, confirmed: bool = False, fits: Mask | None = None, mostly: bool = False) -> Place:
    """The wrong entries: the only one by name, the block that they fill, or how many.

    confirmed : whether those count as wrong that nobody judged. fits : (m,) which entries an explanation leaves
    right, so that a block may hold them; without one those that are 0, which a factor does. mostly : whether a block
    or a triangle has to be wrong in half of what is known of it, as where it is said to be 0 on one side alone.
    """
    wrong = s.at[s.wrong]
    if wrong.size == 1:
        return _entry(s, int(wrong[0]), alone=s.size > 1 and s.complete)
    place = _region(replace(s, wrong=s.wrong | ~s.known) if confirmed else s, True, fits, mostly)
    return place or Place(s.names, wrong.size, Extent.WRONG if s.complete else Extent.JUDGED)


def common_place(s: Scope) -> Place | None:
    """The row, column or block where all wrong entries lie, be others there right; None without one."""
    place = _region(s, False) if s.wrong.sum() > 1 else None
    return None if place is None else replace(place, judged=not s.complete)


def _entry(s: Scope, at: int, alone: bool) -> Place:
    block = s.parameters.block_of(at)
    return Place((block.name,), 1, Extent.ENTRY, s.parameters.name(at), alone)


def _changed(s: Scope, mended: Flat) -> int:
    """How many of the analytic values are wrong where others take their place: a factor changes no 0."""
    allowed = accepted(larger(s.analytic, mended), s.subject.tolerance)
    return int((np.abs(mended - s.analytic) > allowed).sum())


def _against(s: Scope, fits: Mask | None) -> Mask:
    """(m,) the entries that no block of wrong ones holds: right ones that would not be if something multiplied them.

    fits : those that an explanation leaves right.
    """
    return s.known & ~s.wrong & ((np.abs(s.numerical) > s.bar) if fits is None else ~fits)


def _region(s: Scope, filled: bool, fits: Mask | None = None, mostly: bool = False) -> Place | None:
    """The row, column, block or triangle that the wrong entries fill; or where they lie, be others there right."""
    block, wrong = s.blocks[0], int(s.wrong.sum())
    if len(s.blocks) > 1 or not block.shape:
        return None
    against, alone = _against(s, fits), _sample_alone(s)
    # Of a sample neither tells.
    told = s.complete and not alone
    lines = _some_lines(s, against) if told else None
    whole, box = whole_box(block), box_around(block, s.at[s.wrong])
    # A row before the part of it that is wrong: its other entries may be zero, and right with any factor.
    slabs = [whole.along(axis, span) for axis, span in enumerate(box.ranges) if span[1] - span[0] == 1]
    for candidate in [*slabs, box]:
        if candidate == whole:
            continue
        inside, size = in_box(block, candidate, s.at), candidate.size
        full = (alone or int(inside.sum()) == size) and _fills(s, against, inside)
        full = full and (not mostly or candidate in slabs or _mostly(s, inside))
        share = (size / block.size if s.complete else inside[s.known].mean()) ** (wrong - 1)
        # Where not all is known the box is that of a sample: most of an array is none.
        narrow = s.complete or 2 * size <= block.size
        if full if filled else (narrow and share < ACCIDENT) or (full and candidate in slabs):
            # Lines that are wrong throughout say more than the box around them, or than one with others between.
            if lines is not None and (not full or _gaps(lines.lines)):
                return lines
            return block_place(block, wrong, candidate)
    if not told:
        return lines
    return _diagonal(s, against, filled, mostly) or lines


def _diagonal(s: Scope, against: Mask, filled: bool, mostly: bool) -> Place | None:
    """On, above, below or off the diagonal of a square matrix."""
    shape, wrong = s.blocks[0].shape, int(s.wrong.sum())
    if len(shape) != 2 or not shape[0] == shape[1] > 2 or wrong < 3:
        return None
    for extent, inside in _triangles(*index_of(s.blocks[0], s.at)):
        telling = not filled and inside.mean() ** (wrong - 1) < ACCIDENT
        full = _fills(s, against, inside) and (not mostly or _mostly(s, inside))
        if inside[s.wrong].all() and (telling or full):
            return Place(s.names, wrong, extent, shape=shape)
    return None


def _some_lines(s: Scope, against: Mask) -> Place | None:
    """Several rows, or columns, or indices of one axis, each wrong throughout; more than half hardly by accident."""
    block, shape = s.blocks[0], s.blocks[0].shape
    for axis, along in enumerate(index_of(block, s.at) if len(shape) > 1 else ()):
        lines = np.unique(along[s.wrong])
        share = lines.size / shape[axis]
        some = share <= 0.5 or share ** (int(s.wrong.sum()) - 1) < ACCIDENT
        some &= 1 < lines.size < shape[axis] and s.at.size >= 2 * shape[axis]
        if some and _fills(s, against, np.isin(along, lines)):
            return lines_place(block, int(s.wrong.sum()), axis, lines)
    return None


def _fills(s: Scope, against: Mask, inside: Mask) -> bool:
    """Whether all that is at hand of a part is wrong or known, and nothing in it is right and known not to be zero."""
    return bool((s.wrong | s.known)[inside].all() and not against[inside].any())


def _mostly(s: Scope, inside: Mask) -> bool:
    """Whether half of what is known of a part is wrong: few among zeros are not named by it, but counted."""
    return bool(2 * (inside & s.wrong).sum() >= (inside & s.known).sum())


def _sample_alone(s: Scope) -> bool:
    """Whether only a sample of the entries that nobody judged is at hand.

    What was judged alone was chosen for what it may show, and is no sample.
    """
    return s.sampled and not s.tested.all()


def place_of_zeros(s: Scope) -> Place | None:
    """Where an array is all 0 of which some entries were judged, and all wrong ones are 0: lines, a block, a triangle.

    Lines are rows, columns or indices of an axis; elsewhere the array has others than 0, those that nobody judged too.
    Nothing of a block is right, nor of a line that holds nothing wrong; one of which nothing is known is named with
    the others where some entries were wrong.
    """
    block = s.blocks[0]
    if len(s.blocks) > 1 or (s.whole and s.complete) or not block.shape or block.is_complex:
        return None
    values = s.subject.analytic[block.slice].reshape(block.shape)
    wrong, right = (s.at[some] - block.start for some in (s.wrong, s.known & ~s.wrong & (s.analytic == 0)))
    index, beside = (np.unravel_index(at, block.shape) for at in (wrong, right))
    for axis, along in enumerate(index):
        zero = (values == 0).all(tuple(k for k in range(values.ndim) if k != axis))
        lines = np.unique(along)
        if zero.all() or not zero[lines].all() or block.size == block.shape[axis]:
            continue
        if wrong.size >= SOME and np.isin(beside[axis], lines)[zero[beside[axis]]].all():
            lines = np.flatnonzero(zero)
        if lines.size > 1 and _gaps(tuple(lines.tolist())):
            return lines_place(block, wrong.size, axis, lines)
        slab = whole_box(block).along(axis, (int(lines[0]), int(lines[-1]) + 1))
        return block_place(block, wrong.size, slab)
    return _block_of_zeros(s, values == 0) if wrong.size > 1 and not right.size else None


def _block_of_zeros(s: Scope, zero: np.ndarray) -> Place | None:
    """The block or the triangle that all zeros of an array are."""
    block, wrong = s.blocks[0], s.at[s.wrong]
    box = hull(block, block.start + np.flatnonzero(zero))
    if np.count_nonzero(zero) == box.size < block.size and in_box(block, box, wrong).all():
        return block_place(block, wrong.size, box)
    if zero.ndim != 2 or min(zero.shape) < 3:
        return None
    for extent, inside in _triangles(*np.indices(zero.shape)):
        if np.array_equal(inside, zero) and zero.ravel()[wrong - block.start].all():
            return Place(s.names, wrong.size, extent, shape=block.shape)
    return None


def _triangles(i: Index, j: Index) -> tuple[tuple[Extent, Mask], ...]:
    """The parts that the diagonal makes of a matrix, and which entries (i, j) lie in them."""
    return (Extent.ON, i == j), (Extent.ABOVE, i < j), (Extent.BELOW, i > j), (Extent.OFF, i != j)


def lines_place(block: Block, count: int, axis: int, lines: Index) -> Place:
    """Some rows or columns of an array, that hold so many wrong entries."""
    return Place(
        (block.name,), count, Extent.LINES, shape=block.shape, axis=axis, lines=tuple(lines.tolist())
    )


def block_place(block: Block, count: int, box: Box) -> Place:
    """A block of an array, of which so many entries are wrong."""
    return Place((block.name,), count, Extent.BOX, box=box.ranges[: len(block.shape)], shape=block.shape)


def index_of(block: Block, at: Index) -> tuple[Index, ...]:
    """The indices along each axis of some entries of an array; both parts of a complex entry have those of it."""
    return np.unravel_index(at - block.start, working_shape(block))[: len(block.shape)]


def noun_of(block: Block, axis: int) -> str:
    """What an index along an axis of an array is called."""
    return ("row", "column")[axis] if len(block.shape) == 2 else f"index of axis {axis}"


def box_around(block: Block, at: Index) -> Box:
    """The smallest box that holds some entries of an array, of complex ones both parts."""
    return _of_whole_entries(block, hull(block, at).ranges)


def _of_whole_entries(block: Block, ranges: Sequence[tuple[int, int]]) -> Box:
    return Box((*ranges[: len(block.shape)], *([(0, 2)] if block.is_complex else ())))


def _gaps(lines: tuple[int, ...]) -> bool:
    """Whether others lie between them."""
    return lines[-1] - lines[0] >= len(lines)
