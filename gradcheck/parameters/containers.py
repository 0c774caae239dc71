"""How a nested x is taken apart into its leaves, arrays and numbers, and put together again."""

from __future__ import annotations

import dataclasses
import json
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.parameters.leaves import dropped, kind_of, leaf_array


def _is_number(x: Any) -> bool:
    return isinstance(x, numbers.Number | np.generic)


def is_container(x: Any) -> bool:
    """Whether x may hold arrays: a mapping, a list, a tuple or a dataclass."""
    return isinstance(x, Mapping | list | tuple) or (dataclasses.is_dataclass(x) and not isinstance(x, type))


def is_leaf(x: Any) -> bool:
    """Arrays, scalars, and plain lists of numbers that NumPy reads as an array: a ragged one is a list of arrays."""
    if isinstance(x, np.ndarray):
        return True
    if isinstance(x, list | tuple) and not hasattr(x, "_fields"):
        return _shape(x) is not None
    return not is_container(x)


def _shape(x: Any) -> tuple[int, ...] | None:
    """The shape of a number, or of lists of nothing but numbers, nested and alike; None of all else."""
    if not isinstance(x, list | tuple) or hasattr(x, "_fields"):
        return () if _is_number(x) else None
    shapes = {_shape(v) for v in x}
    inner = shapes.pop() if len(shapes) == 1 else None
    return None if inner is None else (len(x), *inner)


def _children(x: Any) -> tuple[list[tuple[str, Any]], Callable[[list[Any]], Any]]:
    """The (suffix of the name, subtree) pairs of a container, and how to build one like it."""
    if isinstance(x, Mapping):
        keys = list(x)
        # In double quotes, as most people write them, with what would end the string or the line escaped.
        names = [f"[{json.dumps(k, ensure_ascii=False) if isinstance(k, str) else repr(k)}]" for k in keys]
        pairs = [(name, x[k]) for name, k in zip(names, keys, strict=True)]
        return pairs, lambda v: dict(zip(keys, v, strict=True))
    if isinstance(x, list | tuple):
        kind = type(x)
        if hasattr(x, "_fields"):  # a namedtuple takes its fields one by one
            return [(f".{name}", v) for name, v in zip(x._fields, x, strict=True)], lambda v: kind(*v)
        return [(f"[{i}]", v) for i, v in enumerate(x)], kind
    # What its class sets itself (init=False) it sets again.
    fields = [f.name for f in dataclasses.fields(x) if f.init]
    return [(f".{name}", getattr(x, name)) for name in fields], lambda v: dataclasses.replace(
        x, **dict(zip(fields, v, strict=True))
    )


def walk(x: Any, name: str, leaves: list[tuple[str, NDArray[Any], Any]]) -> Callable[[list[Any]], Any]:
    """Append the leaves of `x` in order; return the function that builds a tree from as many new leaves.

    leaves : the name of each, the array that it is, and what was given.
    """
    if is_leaf(x):
        leaves.append((name, leaf_array(x, name), x))
        position = len(leaves) - 1
        if isinstance(x, np.ndarray) and x.ndim == 0:
            return lambda values: np.asarray(values[position])
        return lambda values: values[position]
    if dataclasses.is_dataclass(x):
        _check_remade(x, name)
    pairs, build = _children(x)
    parts = [walk(child, name + suffix, leaves) for suffix, child in pairs]
    return lambda values: build([part(values) for part in parts])


def _check_remade(x: Any, name: str) -> None:
    """Raise TypeError for a dataclass that is not the same when it is made again from what its class is given."""
    advice = "pass its arrays as a dict"
    try:
        again = dataclasses.replace(x)
    except Exception as error:  # an InitVar, an __init__ or __post_init__ of its own
        raise TypeError(f"{name} is a dataclass that cannot be made again ({error}): {advice}") from None
    for own in (f.name for f in dataclasses.fields(x) if not f.init and hasattr(x, f.name)):
        if not _alike(getattr(x, own), getattr(again, own, None)):
            text = f"{name}.{own} has init=False, and its class makes another value of it than it has now"
            raise TypeError(f"{text}: {advice}")


def _alike(one: Any, other: Any) -> bool:
    try:
        return bool(np.array_equal(one, other))
    except Exception:  # what cannot be compared is not known to be the same
        return False


def foreign(x: Any) -> str:
    """What a leaf is that is more than a plain array, and what f and grad do not get of it; empty for others."""
    if type(x) in (np.ndarray, np.memmap) or isinstance(x, list | tuple) or _is_number(x):
        return ""
    what = dropped(x)
    rest = f"; {what} not passed on: f and grad may build it again" if what else ""
    return f"{kind_of(x)} and converted to an array of NumPy{rest}"


def collected(tree: Any, name: str, expected: set[str]) -> dict[str, Any]:
    """The leaves of a tree, by their names."""
    # A list of numbers inside a tree is a leaf where x has an array there, and a container where x has one.
    if name in expected or not is_container(tree):
        return {name: tree}
    found: dict[str, Any] = {}
    for suffix, child in _children(tree)[0]:
        found |= collected(child, name + suffix, expected)
    return found
