"""The rows of a claim one by one in numbers, where there is one: arrays of one number take ten times as long.

Formulas are written once, for numbers and for arrays alike: `rows_of(m)` says what they are made of.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np


class Rows:
    """Of several rows: NumPy's functions, and arrays (m,) as they are."""

    where: Any = staticmethod(np.where)
    maximum: Any = staticmethod(np.maximum)
    minimum: Any = staticmethod(np.minimum)
    fmax: Any = staticmethod(np.fmax)
    fmin: Any = staticmethod(np.fmin)

    # What formulas are about: an array as it is.
    of: Any = staticmethod(np.asarray)

    @staticmethod
    def array(values: Any) -> Any:
        """An array (m,) of what formulas give."""
        return np.asarray(values)


class _OneRow(Rows):
    """Of one: the same functions of NumPy's numbers, which divide by 0 and take roots as arrays do."""

    of: Any = staticmethod(itemgetter(0))

    @staticmethod
    def array(values: Any) -> Any:
        return np.array([values])

    @staticmethod
    def where(condition: Any, yes: Any, no: Any) -> Any:
        return yes if condition else no

    @staticmethod
    def maximum(one: Any, other: Any) -> Any:
        return one if one > other or one != one else other

    @staticmethod
    def minimum(one: Any, other: Any) -> Any:
        return one if one < other or one != one else other

    @staticmethod
    def fmax(one: Any, other: Any) -> Any:
        return one if one > other or other != other else other

    @staticmethod
    def fmin(one: Any, other: Any) -> Any:
        return one if one < other or other != other else other


_SEVERAL, _ONE = Rows(), _OneRow()


def rows_of(m: int) -> Rows:
    """What formulas about m rows are made of."""
    return _ONE if m == 1 else _SEVERAL
