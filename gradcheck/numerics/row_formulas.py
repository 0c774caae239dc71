"""Formulas about rows (m,), in numbers where there is one: arrays of one number take ten times as long.

Numbers are NumPy's, which divide by 0 and take roots as arrays do.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def unwrapped(values: Any) -> Any:
    """An array (m,) as it is, and the number of an array of one."""
    return values[0] if values.size == 1 else values


def wrapped(values: Any) -> Any:
    """An array (m,) of what a formula gives."""
    return values if type(values) is np.ndarray else np.array([values])


def where(condition: Any, yes: Any, no: Any) -> Any:
    """NumPy's, of numbers as well."""
    if type(condition) is np.ndarray:
        return np.where(condition, yes, no)
    return yes if condition else no


def maximum(one: Any, other: Any) -> Any:
    """NumPy's, of numbers as well."""
    if np.ndarray in (type(one), type(other)):
        return np.maximum(one, other)
    return one if one > other or one != one else other


def minimum(one: Any, other: Any) -> Any:
    """NumPy's, of numbers as well."""
    if np.ndarray in (type(one), type(other)):
        return np.minimum(one, other)
    return one if one < other or one != one else other


def fmin(one: Any, other: Any) -> Any:
    """NumPy's, of numbers as well."""
    if np.ndarray in (type(one), type(other)):
        return np.fmin(one, other)
    return one if one < other or other != other else other
