"""Frozen values whose fields are arrays of one length: some of their rows, other rows in place of some, several as one.

Estimates, judgements and evidence are such tables; a field may be a table itself. `nfev` is a sum, `interrupted` holds
for the whole; any other field that is no array is that of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

import numpy as np

from gradcheck._typing import Index

T = TypeVar("T")

ARRAY = np.ndarray | np.generic
WHOLE: dict[str, Callable[[list[Any]], Any]] = {"nfev": sum, "interrupted": any}


def rows(table: T, at: Index) -> T:
    """Some rows of it, in this order."""
    return cast(T, _made([table], lambda part: part[0][at]))


def put(table: T, at: Index, other: T) -> T:
    """The same with the rows `at` from another, whose rows these are; the first stays as it is."""

    def replaced(pair: list[Any]) -> Any:
        copy = pair[0].copy()
        copy[at] = pair[1]
        return copy

    return cast(T, _made([table, other], replaced))


def concatenate(tables: Sequence[T]) -> T:
    """Several as one, in order."""
    if len(tables) == 1:
        return tables[0]
    return cast(T, _made(list(tables), lambda parts: np.concatenate([np.atleast_1d(part) for part in parts])))


def _made(tables: list[Any], arrays: Callable[[list[Any]], Any]) -> Any:
    parts = {}
    for field in fields(tables[0]):
        values = [getattr(table, field.name) for table in tables]
        if field.name in WHOLE:
            parts[field.name] = WHOLE[field.name](values)
        elif isinstance(values[0], ARRAY):
            parts[field.name] = arrays(values)
        elif is_dataclass(values[0]):
            parts[field.name] = _made(values, arrays)
        else:
            parts[field.name] = values[0]
    return type(tables[0])(**parts)
