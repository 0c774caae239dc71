"""The right values in the wrong places: a gradient whose entries, axes or arrays have changed their order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.diagnosis.suspects import Scope

__all__ = ["exchanged_arrays", "rearranged"]

Array = NDArray[np.floating[Any]]
Orders = Iterator[tuple[str, Array]]

# Arrays of more axes are not tried with their axes permuted: 5! = 120 orders are enough.
MOST_AXES = 5
# So many shifts are tried, the shortest first, of those that bring a fitting value to the worst entry.
SHIFTS = 8


def rearranged(s: Scope) -> str:
    """How the entries of one array have to be moved to be right, in words; empty where no way is found.

    Uses analytic values of entries that were not tested, and compares where they were. O(n log n).
    """
    b = s.blocks[0]
    # The two parts of a complex entry are moved together.
    array = s.gradient[b.slice].reshape(*b.shape, 2 if b.is_complex else 1)
    for tried, (words, moved) in enumerate(_orders(s, array), start=1):
        explained = moved.ravel()[s.at - b.start]
        if s.fits(explained).all() and s.convinces(explained, choices=math.log10(tried)):
            return words
    if _same_values(s):
        return f"the values in {s.wrong_place()} are right, but in another order"
    return ""


def exchanged_arrays(s: Scope) -> str:
    """Two arrays of one shape in each other's place."""
    first, second = s.blocks[0], s.blocks[-1]
    if len(s.blocks) != 2 or first.shape != second.shape or first.size != second.size:
        return ""
    apart = second.start - first.start
    explained = np.concatenate([s.gradient[s.within(first) + apart], s.gradient[s.within(second) - apart]])
    return f"{s.names} are exchanged" if s.fits(explained).all() and s.convinces(explained) else ""


def _orders(s: Scope, array: Array) -> Orders:
    """Every other order of one array (*shape, parts), in words, the simplest first."""
    b, axes = s.blocks[0], tuple(range(array.ndim - 1))
    if 1 < len(axes) <= MOST_AXES:
        for order in permutations(axes):
            if order != axes and tuple(b.shape[k] for k in order) == b.shape:
                how = "transposed" if len(axes) == 2 else f"permuted: analytic.transpose{order} fits"
                yield f"{b.name} is {how}", array.transpose(*order, -1)
    yield from _exchanged(s, array)
    yield from _shifted(s, array)
    for axis in axes:
        yield f"{b.name} is reversed: numpy.flip(analytic, {axis}) fits", np.flip(array, axis)
    if len(axes) > 1:
        yield f"{b.name} is reversed: numpy.flip(analytic) fits", np.flip(array, axes)
        by_columns = array.reshape(*b.shape[::-1], array.shape[-1]).transpose(*axes[::-1], -1)
        yield f"{b.name} is read by columns for rows: analytic.reshape{b.shape[::-1]}.T fits", by_columns
        by_rows = array.transpose(*axes[::-1], -1)
        yield f"{b.name} is read by rows for columns: analytic.T.reshape{b.shape} fits", by_rows


def _exchanged(s: Scope, array: Array) -> Orders:
    b, parts = s.blocks[0], array.shape[-1]
    entries = np.unique((s.at[s.wrong] - b.start) // parts)
    if entries.size == 2:
        moved = array.reshape(-1, parts).copy()
        moved[entries] = moved[entries[::-1]]
        names = (f"{b.name}[{', '.join(map(str, b.index(b.start + parts * int(k))))}]" for k in entries)
        yield f"{' and '.join(names)} are exchanged", moved


def _shifted(s: Scope, array: Array) -> Orders:
    """numpy.roll by each k that brings a fitting value to the worst entry: along an axis, or in memory order."""
    b = s.blocks[0]
    worst = int(np.argmax(np.where(s.wrong, np.abs(s.analytic - s.numerical) / s.allowed, 0.0)))
    entry, part = divmod(int(s.at[worst]) - b.start, array.shape[-1])
    r, slack = s.numerical[worst], s.slack(s.numerical)[worst]
    if len(b.shape) > 1:
        index = b.index(int(s.at[worst]))
        for axis in range(len(b.shape)):
            line = array[(*index[:axis], slice(None), *index[axis + 1 :], part)]
            for k in _shifts(np.abs(line - r) <= slack, index[axis]):
                yield f"{b.name} is shifted: numpy.roll(analytic, {k}, {axis}) fits", np.roll(array, k, axis)
    entries = array.reshape(-1, array.shape[-1])
    for k in _shifts(np.abs(entries[:, part] - r) <= slack, entry):
        yield f"{b.name} is shifted: numpy.roll(analytic, {k}) fits", np.roll(entries, k, axis=0)


def _shifts(alike: NDArray[np.bool_], target: int) -> list[int]:
    """The shortest shifts around a ring that bring one of the alike positions to the target."""
    n = alike.size
    shifts = (target - np.flatnonzero(alike) + n // 2) % n - n // 2
    return [int(k) for k in sorted(shifts, key=abs)[:SHIFTS] if k]


def _same_values(s: Scope) -> bool:
    """Whether the wrong entries hold the right values in any order."""
    at = np.flatnonzero(s.wrong)
    explained = s.analytic.copy()
    explained[at[np.argsort(s.numerical[at])]] = np.sort(s.analytic[at])
    orders = math.lgamma(at.size + 1) / math.log(10.0)
    return bool(s.fits(explained)[at].all()) and s.convinces(explained, choices=orders)
