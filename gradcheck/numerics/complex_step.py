"""The complex step: a second method where f is analytic and computes with complex numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective

# So small that truncation (h^2) vanishes below rounding; there is no difference in which to lose digits.
STEP = 1e-20


def accepts_complex(objective: Objective) -> bool:
    """Whether x can be given as complex numbers at all: real float64 parameters only."""
    return all(b.dtype == np.float64 for b in objective.parameters.blocks)


def complex_derivative(objective: Objective, x: Flat, tangent: Flat) -> Flat:
    """Im f(x + i h v) / h (m,), exact to rounding for an analytic f; nan where f does not take complex numbers.

    tangent : (size,) direction v. Costs one evaluation. Nothing here can tell whether f is analytic (abs, max and
    conj are not): compare. Source: Squire & Trapp, SIAM Review 40 (1998).
    """
    return np.asarray(complex_values(objective, (x + 1j * STEP * tangent)[:, None])[0].imag / STEP)


def complex_values(
    objective: Objective, points: NDArray[np.complexfloating[Any]]
) -> NDArray[np.complexfloating[Any]]:
    """The values (k, m) of f at the columns of `points` (size, k), nan where they are no complex numbers."""
    shape = (points.shape[1], objective.outputs)
    refused = np.full(shape, np.nan * 1j)
    try:
        with warnings.catch_warnings():
            # float(z) of a complex z warns; so f does not take complex numbers, and that is all there is to say.
            warnings.simplefilter("ignore")
            values = objective.complex_values(points)
    except (BudgetSpentError, NotScalarError):
        raise
    except Exception:  # whatever f raises for complex numbers: its user never asked it to take them
        return refused
    if not np.iscomplexobj(values) or values.size != refused.size or not np.isfinite(values).all():
        return refused
    return values.reshape(shape)
