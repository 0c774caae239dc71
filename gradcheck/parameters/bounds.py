"""Bounds on x, as scipy.optimize takes them, and the room that they leave around x."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.parameters.tree import Parameters


def room_within(bounds: Any, parameters: Parameters, x: Flat) -> tuple[Flat, Flat] | None:
    """How far each coordinate may go down and up, two (size,) arrays; None where there are no bounds.

    bounds : a `scipy.optimize.Bounds`; or a pair (lower, upper), each a number or a tree like x; or a sequence of
    pairs, one for each entry of x, with None for "no bound". `((0, 1), (0, 2))` is two pairs, as in
    `scipy.optimize.minimize`; `([0, 0], [1, 2])` is lower and upper, as in `scipy.optimize.least_squares`.
    Raises ValueError where x lies outside, and where the bounds are none of these, or hold nothing.
    """
    if bounds is None:
        return None
    try:
        lower, upper = _read(bounds, parameters)
    except (TypeError, ValueError) as error:
        n, of = parameters.size, "entry of x"
        if any(b.is_complex for b in parameters.blocks):
            of = "real and each imaginary part of x"
        raise ValueError(
            f"bounds must be a scipy.optimize.Bounds, a pair (lower, upper), or a sequence of {n} pairs, one for each "
            f"{of}; got {bounds!r:.80} ({error})"
        ) from None
    check_ends(lower, upper, parameters.name)
    outside = np.flatnonzero(~((lower <= x) & (x <= upper)))
    if outside.size:
        k = int(outside[0])
        raise ValueError(
            f"x lies outside its bounds: {parameters.name(k)} is {x[k]}, not in [{lower[k]}, {upper[k]}]"
        )
    return x - lower, upper - x


def check_ends(lower: Flat, upper: Flat, name: Callable[[int], str]) -> None:
    """Raise ValueError where a lower bound lies above the upper one, or one of them is nan; name(k) : of an entry."""
    unusable = np.flatnonzero(~(lower <= upper))
    if unusable.size:
        k = int(unusable[0])
        what = "the lower one is above the upper"
        if np.isnan([lower[k], upper[k]]).any():
            what = "nan is no bound; None, or an infinity, is none"
        raise ValueError(f"bounds of {name(k)} cannot be used: ({lower[k]}, {upper[k]}); {what}")


def _read(bounds: Any, parameters: Parameters) -> tuple[Flat, Flat]:
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = (bounds.lb, bounds.ub)
    elif _are_pairs(bounds) or not (isinstance(bounds, tuple) and len(bounds) == 2):
        return _from_pairs(bounds, parameters)
    lower, upper = bounds
    return _side(lower, parameters, -np.inf), _side(upper, parameters, np.inf)


def _are_pairs(bounds: Any) -> bool:
    """Whether this is ((low, high), (low, high), ...) with numbers or None in each."""
    return isinstance(bounds, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(end is None or np.ndim(end) == 0 for end in pair)
        for pair in bounds
    )


def _side(value: Any, parameters: Parameters, default: float) -> Flat:
    if value is None:
        return np.full(parameters.size, default)
    # Bounds(0, 1) of SciPy holds arrays of one entry.
    if isinstance(value, int | float) or (isinstance(value, np.ndarray) and value.size == 1):
        return np.full(parameters.size, float(np.asarray(value).item()))
    if isinstance(value, np.ndarray) and value.shape == (parameters.size,):
        return value.astype(np.float64)
    return parameters.flatten(value, "one side")


def _from_pairs(bounds: Sequence[Any], parameters: Parameters) -> tuple[Flat, Flat]:
    pairs = list(bounds)
    if len(pairs) != parameters.size:
        raise ValueError(f"{len(pairs)} pairs for {parameters.size} entries")
    lower = [-np.inf if low is None else float(low) for low, _ in pairs]
    upper = [np.inf if high is None else float(high) for _, high in pairs]
    return np.array(lower), np.array(upper)
