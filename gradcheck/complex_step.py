"""The complex step: a second witness where f is analytic and computes with complex numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gradcheck.evaluation import BudgetSpentError, Objective
from gradcheck.parameters import Flat

__all__ = ["accepts_complex", "complex_derivative"]

# So small that truncation (h^2) vanishes below rounding; there is no difference in which to lose digits.
STEP = 1e-20


def accepts_complex(objective: Objective) -> bool:
    """Whether x can be given as complex numbers at all: real float64 parameters only."""
    return all(b.dtype == np.float64 for b in objective.parameters.blocks)


def complex_derivative(objective: Objective, x: Flat, tangent: Flat, scale: float = 1.0) -> float:
    """Im f(x + i h v) / h, exact to rounding for an analytic f; nan where f does not take complex numbers.

    tangent : (size,) direction v. scale : the size of a step along v that is natural for x.
    Costs one evaluation. Nothing here can tell whether f is analytic (abs, max and conj are not): compare.
    Source: Squire & Trapp, SIAM Review 40 (1998).
    """
    step = STEP * scale
    try:
        with warnings.catch_warnings():
            # float(z) of a complex z warns; so f does not take complex numbers, and that is all there is to say.
            warnings.simplefilter("ignore")
            value: Any = objective.complex_value(x + 1j * step * tangent)
    except BudgetSpentError:
        raise
    except Exception:
        # Whatever f raises for complex numbers, its user never asked it to take them.
        return np.nan
    if not isinstance(value, complex) or not np.isfinite(value):
        return np.nan
    return float(value.imag / step)
