"""`scipy.optimize.approx_fprime` for arrays of any shape and for dictionaries of parameters.

Forward differences with the absolute step 1.49e-8: the truncation is step |f''| / 2 and the rounding about
2.2e-16 |f| / step, so agreement to about 1e-7 |f| is what to expect, not more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

Array = npt.NDArray[Any]
STEP = float(np.sqrt(np.finfo(float).eps))


def approx_gradient(f: Callable[[Array], float], x: npt.ArrayLike, *, step: float = STEP) -> Array:
    """Return SciPy's forward differences of scalar `f` at `x`, in x's shape; x is copied."""
    start = np.array(x, dtype=float)
    return approx_gradient_at(f, start, np.arange(start.size), step=step).reshape(start.shape)


def approx_gradient_at(
    f: Callable[[Array], float], x: npt.ArrayLike, flat_indices: npt.ArrayLike, *, step: float = STEP
) -> Array:
    """Return SciPy's forward differences by the coordinates `flat_indices` (C order) of `x` alone: (len,)."""
    start = np.array(x, dtype=float)
    indices = np.asarray(flat_indices, dtype=np.intp).reshape(-1)

    def of_coordinates(values: Array) -> float:
        point = start.copy()
        point.flat[indices] = values
        return f(point)

    return np.asarray(optimize.approx_fprime(start.flat[indices], of_coordinates, step))


def approx_gradients(
    f: Callable[[dict[str, Array]], float], params: Mapping[str, npt.ArrayLike], *, step: float = STEP
) -> dict[str, Array]:
    """Return SciPy's forward differences of `f` by every entry of every array of `params`; copied first."""
    arrays = {name: np.array(value, dtype=float) for name, value in params.items()}
    return {
        name: approx_gradient(lambda value, name=name: f({**arrays, name: value}), arrays[name], step=step)  # type: ignore[misc]
        for name in arrays
    }
