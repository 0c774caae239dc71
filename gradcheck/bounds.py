"""Bounds on x, as scipy.optimize takes them, and the room that they leave around x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.parameters import Flat, Parameters

__all__ = ["room_within"]


def room_within(bounds: Any, parameters: Parameters, x: Flat) -> tuple[Flat, Flat] | None:
    """How far each coordinate may go down and up, two (size,) arrays; None where there are no bounds.

    bounds : a `scipy.optimize.Bounds`; or a pair (lower, upper), each a number or a tree like x; or a list of
    pairs, one for each entry of x, with None for "no bound". Raises ValueError where x lies outside.
    """
    if bounds is None:
        return None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = _side(bounds.lb, parameters, -np.inf), _side(bounds.ub, parameters, np.inf)
    elif isinstance(bounds, tuple) and len(bounds) == 2:
        lower, upper = _side(bounds[0], parameters, -np.inf), _side(bounds[1], parameters, np.inf)
    else:
        lower, upper = _from_pairs(bounds, parameters)
    outside = np.flatnonzero(~((lower <= x) & (x <= upper)))
    if outside.size:
        k = int(outside[0])
        raise ValueError(
            f"x lies outside its bounds: {parameters.name(k)} is {x[k]}, not in [{lower[k]}, {upper[k]}]"
        )
    return x - lower, upper - x


def _side(value: Any, parameters: Parameters, default: float) -> Flat:
    if value is None:
        return np.full(parameters.size, default)
    if np.ndim(value) == 0 and not isinstance(value, dict):
        return np.full(parameters.size, float(value))
    if isinstance(value, np.ndarray) and value.shape == (parameters.size,):
        return value.astype(np.float64)
    return parameters.flatten(value, "bounds")


def _from_pairs(bounds: Sequence[Any], parameters: Parameters) -> tuple[Flat, Flat]:
    pairs = list(bounds)
    if len(pairs) != parameters.size or any(np.size(np.array(pair, object)) != 2 for pair in pairs):
        raise ValueError(
            f"bounds must be a scipy.optimize.Bounds, a pair (lower, upper), or a list of {parameters.size} pairs, "
            f"one for each entry of x; got {bounds!r}"
        )
    lower = [-np.inf if low is None else float(low) for low, _ in pairs]
    upper = [np.inf if high is None else float(high) for _, high in pairs]
    return np.array(lower), np.array(upper)
