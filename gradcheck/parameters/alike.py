"""Which of many entries are alike, told by several numbers of each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gradcheck._typing import Flat, Index


def first_of_alike(keys: Iterable[Flat], values: Flat, bars: Flat, rtol: float) -> Index:
    """Which of k entries come first of those with the same keys and value, in order.

    keys : numbers (k,) that are equal within rtol; nan are alike. values : (k,) and their bars, within which they are.
    """
    groups: list[Index] = []
    for key in keys:
        groups.append(_groups(key, rtol))
        # No two are alike in one number: the others need no look.
        if groups[-1].max(initial=0) + 1 >= values.size:
            return np.arange(values.size)
    order = np.lexsort((values, *groups))
    first = np.ones(values.size, bool)
    first[1:] = np.diff(values[order]) > bars[order][1:] + bars[order][:-1]
    for group in groups:
        first[1:] |= np.diff(group[order]) != 0
    return np.asarray(np.sort(order[first]))


def _groups(values: Flat, rtol: float) -> Index:
    """(k,) one number for all values that are equal."""
    values = np.nan_to_num(values)
    order = np.argsort(values)
    apart = np.diff(values[order]) > rtol * np.abs(values[order][1:])
    found = np.empty(values.size, np.intp)
    found[order] = np.concatenate([[0], np.cumsum(apart)])[: values.size]
    return found
