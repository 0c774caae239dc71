"""The right values in the wrong places: a derivative whose entries, axes or arrays have changed their order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.diagnosis.regions import everywhere, noun_of, wrong_place
from gradcheck.diagnosis.scope import DECADES, SAME, SAMPLE, Scope
from gradcheck.parameters.block import Block
from gradcheck.parameters.triangles import other_claims
from gradcheck.results.cause import Cause, Extent, Kind

Array = NDArray[np.floating[Any]]
Orders = Iterator[tuple[Cause, Array]]

# Arrays of more axes are not tried with their axes permuted: 5! = 120 orders are enough.
MOST_AXES = 5
# So many shifts are tried, the shortest first, of those that bring a fitting value to the worst entry; and so many
# lines that could take the place of a wrong one.
SHIFTS = 8
# So many different values are in another order by no accident.
SEVERAL = 5


def rearranged(s: Scope) -> Cause | None:
    """How the entries of one array have to be moved to be right; None where no way is found.

    Uses analytic values of entries that were not tested, and compares where they are known. No order fits that would
    make an entry wrong that is right. O(n log n), and n for each row in another place.
    """
    b = s.blocks[0]
    if len(s.blocks) > 1 or s.wrong.sum() < 2:
        return None  # whatever moves one value moves another
    # The two parts of a complex entry are moved together.
    array = s.subject.analytic[b.slice].reshape(*b.shape, 2 if b.is_complex else 1)
    at = s.at - b.start
    wrong = np.flatnonzero(s.wrong)
    for tried, (cause, moved) in enumerate(_orders(s, array), start=1):
        # Those that are wrong tell most, and are few.
        of_wrong = _read(moved, at[wrong])
        if not (np.isnan(of_wrong) | s.fits(of_wrong, wrong)).all():
            continue
        explained = _read(moved, at)
        if cause.length is not None:
            if _filled(s, explained, choices=math.log10(tried)):
                return _placed(s, cause, explained)
        elif s.mends(explained, choices=math.log10(tried)) and _tells(s, cause, array, moved, explained):
            return _placed(s, cause, explained)
    for axis in range(len(b.shape) if len(b.shape) > 1 else 0):
        cause_of_lines = _lines(s, array, axis)
        if cause_of_lines is not None:
            return cause_of_lines
    return Cause(Kind.REORDERED, wrong_place(s)) if s.complete and _same_values(s) else None


def folded(s: Scope) -> Cause | None:
    """A square array of which one side is the other with one triangle folded onto the other."""
    shape = s.blocks[0].shape
    if len(s.blocks) > 1 or s.blocks[0].is_complex or not (s.whole and s.complete) or len(shape) != 2:
        return None
    for how, other in other_claims(s.analytic.reshape(shape)) if shape[0] == shape[1] else ():
        if how is not None and s.mends(other.ravel(), choices=1.0):
            side, triangle = how
            doubled = np.trace(other) != np.trace(s.analytic.reshape(shape))
            return Cause(
                Kind.FOLDED, everywhere(s), length=2 if doubled else None, origin=side, order=triangle
            )
    return None


def _filled(s: Scope, explained: Flat, choices: float) -> bool:
    """Whether all entries fit but those that came round, nan, which are few: f is asked for them, and bears it out."""
    lost = np.isnan(explained)
    others = replace(s, wrong=s.wrong & ~lost)
    if not (s.fits(explained) | lost).all() or not others.convinces(explained, choices=choices):
        return False
    unknown = s.at[lost & ~s.known]
    if unknown.size:
        more = s.measured(unknown) if unknown.size <= SAMPLE and s.whole else None
        if more is None or not more.known[lost].all():
            return False
        s = more
    return s.complete or bool(s.confirmed(np.where(lost, s.numerical, explained)))


def _tells(s: Scope, cause: Cause, array: Array, moved: Array, explained: Flat) -> bool:
    """Whether it is more than some right entries in the place of wrong ones, as a transpose of a symmetric array has.

    So it is where every entry is known, f bears it out, or half of those that are not 0 in both are others then. Of a
    band most are, whatever is right: a matrix that is shifted has to be borne out.
    """
    if s.complete or cause.kind is Kind.EXCHANGED or s.confirmed(explained):
        return True
    if s.subject.matrix and cause.kind not in (Kind.TRANSPOSED, Kind.PERMUTED):
        return False
    with np.errstate(invalid="ignore"):
        array, moved = array.ravel(), moved.ravel()
        size = np.maximum(np.abs(array), np.abs(moved))
        other = np.abs(array - moved) > s.subject.tolerance.rtol * size
    return bool(2 * np.count_nonzero(other) >= np.count_nonzero(size))


def _read(array: Array, at: Index) -> Flat:
    """Entries of an array by their places in the order of its rows, without a copy of it."""
    return np.asarray(array[np.unravel_index(at, array.shape)])


def _placed(s: Scope, cause: Cause, explained: Flat) -> Cause:
    """The cause, said of all entries where a direction confirms it of those that nobody judged."""
    if cause.place.extent is not Extent.TESTED:
        return cause
    return replace(cause, place=everywhere(s, s.confirmed(explained)))


def _orders(s: Scope, array: Array) -> Orders:
    """Every other order of one array (*shape, parts), the simplest first."""
    b, axes = s.blocks[0], tuple(range(array.ndim - 1))
    whole = everywhere(s)
    if 1 < len(axes) <= MOST_AXES:
        for order in permutations(axes):
            if order != axes and tuple(b.shape[k] for k in order) == b.shape:
                kind = Kind.TRANSPOSED if len(axes) == 2 else Kind.PERMUTED
                yield (
                    Cause(kind, whole, order=f"analytic.transpose{order}"),
                    array.transpose(*order, len(axes)),
                )
    yield from _exchanged(s, array)
    yield from _shifted(s, array)
    for some in _sets([k for k in axes if b.shape[k] > 1]):
        given = "" if len(some) == len(axes) > 1 else f", {some[0] if len(some) == 1 else some}"
        yield Cause(Kind.REVERSED, whole, order=f"numpy.flip(analytic{given})"), np.flip(array, some)
    if len(axes) > 1:
        by_columns = array.reshape(*b.shape[::-1], array.shape[-1]).transpose(*axes[::-1], -1)
        order_of = f"analytic.reshape{b.shape[::-1]}.T"
        yield Cause(Kind.BY_COLUMNS, whole, order=order_of), by_columns
        by_rows = array.transpose(*axes[::-1], -1)
        yield Cause(Kind.BY_ROWS, whole, order=f"analytic.T.reshape{b.shape}"), by_rows


def _sets(axes: list[int]) -> list[tuple[int, ...]]:
    """Every set of these axes but the empty one, the smallest first."""
    if len(axes) > MOST_AXES:
        return [(k,) for k in axes]
    return [some for size in range(1, len(axes) + 1) for some in combinations(axes, size)]


def _exchanged(s: Scope, array: Array) -> Orders:
    b, parts = s.blocks[0], array.shape[-1]
    entries = np.unique((s.at[s.wrong] - b.start) // parts)
    if entries.size == 2:
        moved = array.reshape(-1, parts).copy()
        moved[entries] = moved[entries[::-1]]
        one, other = (f"{b.name}[{', '.join(map(str, b.index(b.start + parts * int(k))))}]" for k in entries)
        yield Cause(Kind.EXCHANGED, wrong_place(s), moves=((one, other), (other, one))), moved


def _shifted(s: Scope, array: Array) -> Orders:
    """numpy.roll by each k that brings a fitting value to a wrong entry; nan where 0 was filled for what came round."""
    whole = everywhere(s)
    for k, axis in _rolls(s, array):
        order = f"numpy.roll(analytic, {k})" if axis is None else f"numpy.roll(analytic, {k}, {axis})"
        moved = (
            np.roll(array.reshape(-1, array.shape[-1]), k, axis=0)
            if axis is None
            else np.roll(array, k, axis)
        )
        yield Cause(Kind.SHIFTED, whole, order=order), moved.reshape(array.shape)
        rows = np.moveaxis(moved, axis or 0, 0)
        lost = rows[:k] if k > 0 else rows[k:]
        if not lost.any():
            lost[...] = np.nan
            yield Cause(Kind.SHIFTED, whole, order=order, length=lost.size), moved.reshape(array.shape)


def _rolls(s: Scope, array: Array) -> Iterator[tuple[int, int | None]]:
    """Shifts along an axis, or in memory order, of the entry that is known best in units of its slack.

    For a 0 may have come from many places. The values of some may have been lost: then of the next that has not.
    """
    b, parts = s.blocks[0], array.shape[-1]
    best = np.argsort(-np.where(s.wrong, np.abs(s.numerical) / s.slack(s.numerical), 0.0))[:SAMPLE]
    for row in best[s.wrong[best]].tolist():
        entry, part = divmod(int(s.at[row]) - b.start, parts)
        alike = np.abs(array[..., part] - s.numerical[row]) <= s.slack(s.numerical)[row]
        if alike.any():
            break
    else:
        return
    index = b.index(int(s.at[row])) if len(b.shape) > 1 else ()
    for axis in range(len(index)):
        line = alike[(*index[:axis], slice(None), *index[axis + 1 :])]
        yield from ((k, axis) for k in _shifts(line, index[axis]))
    yield from ((k, None) for k in _shifts(alike.ravel(), entry))


def _shifts(alike: NDArray[np.bool_], target: int) -> list[int]:
    """The shortest shifts around a ring that bring one of the alike positions to the target."""
    n = alike.size
    shifts = (target - np.flatnonzero(alike) + n // 2) % n - n // 2
    return [int(k) for k in sorted(shifts, key=abs)[:SHIFTS] if k]


def _lines(s: Scope, array: Array, axis: int, further: bool = True) -> Cause | None:
    """Rows (or columns, or slices along an axis) in another order: which one each wrong line should be.

    further : whether an entry of each other line may be asked for, where those that were judged come from other lines.
    """
    b = s.blocks[0]
    n = b.shape[axis]
    lines = np.moveaxis(array, axis, 0).reshape(n, -1)
    index = list(np.unravel_index(s.at - b.start, array.shape))
    line = index.pop(axis)
    rest = np.ravel_multi_index(index, [m for k, m in enumerate(array.shape) if k != axis])
    moves: dict[int, int] = {}
    order = np.flatnonzero(s.known)[np.argsort(line[s.known], kind="stable")]
    starts = np.searchsorted(line[order], np.arange(n + 1))
    for i in np.unique(line[s.wrong]).tolist():
        mine = order[starts[i] : starts[i + 1]]
        source = _source(s, lines, mine, rest[mine])
        if source is None:
            return None
        moves[i] = source
    sources = np.arange(n)
    sources[list(moves)] = list(moves.values())
    explained = lines[sources[line], rest]
    if not explained[s.wrong].any():
        return None  # what is 0 stands on any line of zeros
    choices = len(moves) * math.log10(n)
    if sorted(moves) != sorted(moves.values()):
        if not (further and len(moves) > 1 and s.convinces(explained, choices=choices)):
            return None
        column = int(np.random.default_rng(0).integers(lines.shape[1]))
        more = s.measured(s.at[~np.isin(line, line[s.tested]) & (rest == column)])
        return None if more is None else _lines(more, array, axis, further=False)
    if not s.mends(explained, choices=choices):
        return None
    named = tuple((str(i), str(k)) for i, k in moves.items())
    return _placed(s, Cause(Kind.LINES, everywhere(s), origin=noun_of(b, axis), moves=named), explained)


def _source(s: Scope, lines: Array, mine: Index, rest: Index) -> int | None:
    """The line whose analytic values fit the numerical ones of another line."""
    r, slack = s.numerical[mine], s.slack(s.numerical)[mine]
    with np.errstate(invalid="ignore"):
        telling = int(np.argmax(np.abs(r) / slack))
        for k in np.flatnonzero(np.abs(lines[:, rest[telling]] - r[telling]) <= slack[telling])[:SHIFTS]:
            if (np.abs(lines[k, rest] - r) <= slack).all():
                return int(k)
    return None


def _same_values(s: Scope) -> bool:
    """Whether the wrong entries hold the right values in any order."""
    at = np.flatnonzero(s.wrong)
    explained = s.analytic.copy()
    explained[at[np.argsort(s.numerical[at])]] = np.sort(s.analytic[at])
    orders = math.lgamma(at.size + 1) / math.log(10.0)
    fits = bool(s.fits(explained)[at].all()) and s.convinces(explained, choices=orders)
    # A few numbers that stand in several places, such as the 1/2 of a difference, are the same by their making.
    apart = np.diff(np.sort(s.numerical[at])) > 2.0 * float(np.max(s.slack(explained)[at]))
    return fits and int(apart.sum()) + 1 >= min(at.size, SEVERAL)


def arrays_moved(s: Scope) -> Cause | None:
    """Arrays of one shape in each other's place, or one array's gradient given for another.

    s : all arrays, those that are right too.
    """
    wrong = s.with_mistake()
    origins = {b.name: _origin(s, b) for b in wrong}
    if not wrong or not all(origins.values()):
        return None
    mine, moves = s.part(wrong), tuple(origins.items())
    if sorted(origins) != sorted(origins.values()):
        return Cause(Kind.COPIED, everywhere(mine), moves=moves)
    given = {origins[b.name]: b for b in wrong}
    at = np.concatenate([mine.within(b) - b.start + given[b.name].start for b in wrong])
    confirmed = mine.confirmed(s.subject.analytic[at])
    return None if confirmed is False else Cause(Kind.ARRAYS, everywhere(mine, confirmed), moves=moves)


def _origin(s: Scope, b: Block) -> str:
    """The array whose right gradient is given for this one; "" without one."""
    given = s.subject.analytic[b.slice]
    if not np.ptp(given) > 0:
        return ""
    for other in [o for o in s.blocks if o.name != b.name and o.shape == b.shape and o.size == b.size > 1]:
        its = s.one(other)
        if not its.wrong.any() and its.complete:
            values = s.subject.analytic[other.slice]
            if np.allclose(given, values, rtol=SAME, atol=SAME * float(np.max(np.abs(values)))):
                return other.name
        elif its.tested.any() and its.at.size > 1:
            there = given[its.at - other.start]
            left = np.maximum(np.abs(there - its.numerical), its.bar)[its.tested]
            with np.errstate(divide="ignore", invalid="ignore"):
                decades = np.log10(np.abs(its.numerical[its.tested]) / left).clip(0.0, 16.0)
            if its.fits(there).all() and np.nansum(decades) >= DECADES:
                return other.name
    return ""
