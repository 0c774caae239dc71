"""The complex step: a second method where f is analytic and computes with complex numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.function.objective import BudgetSpentError, Objective
from gradcheck.parameters.leaves import all_finite

__all__ = ["accepts_complex", "complex_columns", "complex_derivative"]


# So small that truncation (h^2) vanishes below rounding; there is no difference in which to lose digits.
STEP = 1e-20


def accepts_complex(objective: Objective) -> bool:
    """Whether x can be given as complex numbers at all: real float64 parameters only."""
    return all(b.dtype == np.float64 for b in objective.parameters.blocks)


def complex_derivative(objective: Objective, x: Flat, tangent: Flat, scale: float = 1.0) -> Flat:
    """Im f(x + i h v) / h (m,), exact to rounding for an analytic f; nan where f does not take complex numbers.

    tangent : (size,) direction v. scale : the size of a step along v that is natural for x.
    Costs one evaluation. Nothing here can tell whether f is analytic (abs, max and conj are not): compare.
    Source: Squire & Trapp, SIAM Review 40 (1998).
    """
    step = STEP * scale
    return np.asarray(_imaginary(objective, (x + 1j * step * tangent)[:, None])[0] / step)


def complex_columns(objective: Objective, x: Flat, coordinates: Index, scales: Flat) -> Flat:
    """The derivatives of all outputs along some axes (k, m), likewise; in one call of a vectorised f.

    coordinates : (k,) flat indices. scales : (k,) the natural size of a step of each.
    Costs k evaluations; nan from the first on for which f does not serve.
    """
    together = coordinates.size if objective.vectorized else 1
    found = np.full((coordinates.size, objective.outputs), np.nan)
    here = x[:, None].astype(np.complex128)
    for start in range(0, coordinates.size, max(together, 1)):
        part = slice(start, start + together)
        points = here.repeat(coordinates[part].size, axis=1)
        points[coordinates[part], np.arange(points.shape[1])] += 1j * STEP * scales[part]
        found[part] = _imaginary(objective, points) / (STEP * scales[part])[:, None]
        if not all_finite(found[part]):
            break
    return found


def _imaginary(objective: Objective, points: NDArray[np.complexfloating[Any]]) -> Flat:
    """The imaginary parts (k, m) of f at the columns of `points` (size, k), nan where they are no complex numbers."""
    shape = (points.shape[1], objective.outputs)
    try:
        with warnings.catch_warnings():
            # float(z) of a complex z warns; so f does not take complex numbers, and that is all there is to say.
            warnings.simplefilter("ignore")
            values = objective.complex_values(points)
    except BudgetSpentError:
        raise
    except Exception:  # whatever f raises for complex numbers: its user never asked it to take them
        return np.full(shape, np.nan)
    if not np.iscomplexobj(values) or values.size != shape[0] * shape[1]:
        return np.full(shape, np.nan)
    values = values.reshape(shape)
    return values.imag if np.isfinite(values).all() else np.full(shape, np.nan)
