"""One leaf of a tree: an array of any library, read as NumPy's, and what is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOUBLE = np.dtype(np.float64)
# Of the numbers of other packages: bfloat16, float8.
UNKNOWN = "numbers, which are none of NumPy's own: pass them as float32, which holds each of them"


@cache
def eps_of(dtype: Any) -> float:
    """The unit roundoff of a floating type, by its dtype or its name."""
    return float(np.finfo(dtype).eps)


def all_finite(values: NDArray[Any]) -> bool:
    """Whether all of some real numbers are; without an array as large where the sum of their squares is."""
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def dropped(value: Any) -> str:
    """What NumPy does not keep of a value, with its verb: a mask, a unit, labels; empty for a plain array."""
    if isinstance(value, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(value).sum())
        return f"its mask of {masked:,} {'entry' if masked == 1 else 'entries'} is"
    unit = getattr(value, "unit", getattr(value, "units", None))
    if unit is not None and not callable(unit):
        return f"its unit {unit} is"
    if hasattr(value, "index") and hasattr(value, "iloc"):
        return "its labels are"
    return ""


def kind_of(value: Any) -> str:
    """What a value is, with the package that it comes from: torch.Tensor, pandas.Series, list."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def as_array(value: Any) -> NDArray[Any]:
    """A value as NumPy reads it. Raises TypeError, which says what it is and why it cannot be read."""
    try:
        array = np.asarray(value)
        return array if array.dtype != object else _floats(array)
    except Exception as error:  # torch raises a RuntimeError for a tensor with a history
        kind = kind_of(value)
        text = f"{kind} cannot be read as an array: {str(error).rstrip('.')}"
        if kind.startswith("torch."):
            text += "; functions of tensors are checked by gradcheck.interop.torch.check_function"
        raise TypeError(text) from None


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    """Fractions, decimals and mpmath's numbers as float64; an array of other objects as it is."""
    real = array.size > 0 and all(isinstance(value, Real | Decimal) for value in array.flat)
    try:
        return array.astype(np.float64) if real else array
    except OverflowError:  # of integers beyond 1e308
        return array


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """An array of numbers of another package, bfloat16 and float8, as float32, which holds each; else itself."""
    if array.dtype.kind == "V" and array.dtype.names is None and np.can_cast(array.dtype, np.float32):
        return array.astype(np.float32)
    return array


def leaf_array(x: Any, name: str) -> NDArray[Any]:
    """A leaf of a tree as an array; the message of what is none begins with its name."""
    try:
        array = as_array(x)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if x is None:
        raise TypeError(f"{name} is None; real or complex numbers are needed")
    if array.dtype.kind not in "fciub":
        needed = (
            UNKNOWN
            if widened(array) is not array
            else f"({type(x).__name__}); real or complex numbers are needed"
        )
        raise TypeError(f"{name} holds {array.dtype} {needed}")
    return array


def computing_dtype(name: str, array: NDArray[Any]) -> np.dtype[Any]:
    """The dtype in which f gets it: integers as float64. Raises TypeError or ValueError for what cannot be moved."""
    if not array.flags.c_contiguous and array.size and _overlaps_itself(array):
        raise ValueError(
            f"{name} overlaps itself in memory (strides {array.strides} for shape {array.shape}): "
            "changing one entry changes others; pass a copy"
        )
    return np.dtype(np.float64) if array.dtype.kind in "iub" else array.dtype.newbyteorder("=")


def _overlaps_itself(array: NDArray[Any]) -> bool:
    """Whether two indices may reach the same memory, as in a broadcast or sliding-window view."""
    reach = array.itemsize
    for stride, length in sorted(
        (abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1
    ):
        if stride < reach:
            return True
        reach += stride * (length - 1)
    return False
