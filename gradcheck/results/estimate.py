"""Numerical derivatives with their error bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask
from gradcheck.results.outcome import Limit


@dataclass(frozen=True)
class Estimate:
    """A numerical derivative with its error bar; fields are floats, or arrays of one shape.

    Attributes
    ----------
    value
        In units of f per unit of x.
    error
        E, of the same unit; the true derivative is expected within 3 E.
    step
        The step taken.
    noise, truncation, kink
        The parts of the bar.
    left, right
        One-sided slopes, which differ at a kink; each is expected within 3 `sided` of the true one.
    curvature
        The second derivative.
    chord
        The steepest line from x to one of the points, a lower bound of how steep f is nearby.
    limit
        A Limit, or an array of them.
    nfev
        Evaluations of f in all.
    """

    value: Any
    error: Any
    step: Any
    noise: Any
    truncation: Any
    kink: Any
    left: Any
    right: Any
    sided: Any
    curvature: Any
    chord: Any
    limit: Any
    nfev: int

    def without_bar(self, at: Index | Mask, limit: Limit | None = None) -> Estimate:
        """The same, where these have no bar; limit : why, where not what limited them."""
        error, limits = self.error.copy(), self.limit.copy()
        error[at] = np.inf
        if limit is not None:
            limits[at] = limit
        return replace(self, error=error, limit=limits)

    def __str__(self) -> str:
        """`0.540302305868 +- 1.5e-12`: each value to the place of the first digit of its bar."""
        return _with_bars(self.value, self.error)

    def __repr__(self) -> str:
        return f"<Estimate: {self}>"


def _with_bars(value: Any, error: Any) -> str:
    """Numbers, arrays, and trees of them, each number with its bar; long arrays as NumPy shortens them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_with_bars(value[key], error[key])}" for key in value) + "}"
    if is_dataclass(value):
        names = [f.name for f in fields(value)]
        parts = [f"{name}={_with_bars(getattr(value, name), getattr(error, name))}" for name in names]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, list | tuple):
        inside = ", ".join(_with_bars(v, e) for v, e in zip(value, error, strict=True))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if np.ndim(value) == 0:
        return _with_bar(value, error)
    values, errors = np.ravel(value), np.ravel(error)
    # The places instead of the texts: of a long array only what is shown is written.
    return np.array2string(
        np.arange(values.size).reshape(np.shape(value)),
        formatter={"int": lambda k: _with_bar(values[k], errors[k])},
        separator=", ",
        threshold=100,
        max_line_width=100,
    )


def _with_bar(value: Any, error: Any) -> str:
    size, bar = float(abs(value)), float(error)
    digits = 6
    if bar == 0:
        digits = 17
    elif math.isfinite(size) and math.isfinite(bar):
        first = math.floor(math.log10(bar))
        digits = min(max(math.floor(math.log10(size)) - first + 1, 1), 17) if size > 0 else 1
    return f"{value + 0.0:.{digits}g} +- {bar:.2g}"  # + 0.0: no "-0"


def shaped(found: Estimate, shape: Callable[[Any], Any], nfev: int) -> Estimate:
    """The same estimate with every array put into the structure of x by `shape`."""
    parts = {f.name: shape(getattr(found, f.name)) for f in fields(Estimate) if f.name != "nfev"}
    return Estimate(**parts, nfev=nfev)


def unmeasured(m: int, dtype: np.dtype[Any]) -> Estimate:
    """What is known of m derivatives that were not measured: nothing."""
    unknown = np.full(m, np.nan, dtype)
    infinite = np.full(m, np.inf, dtype)
    limit = np.full(m, Limit.BUDGET, object)
    parts: dict[str, Any] = {f.name: unknown for f in fields(Estimate)}
    parts |= {"error": infinite, "limit": limit, "nfev": 0}
    return Estimate(**parts)


def as_told(value: Any, error: Any, step: Any) -> Estimate:
    """Derivatives (k,) that a bound of many tells, with bars E: nothing of them was measured by itself.

    step : (k,) over which the many were measured; nan where that is no one length.
    """
    nothing = np.zeros(np.shape(value))
    return Estimate(
        value=value, error=error, step=step, noise=error, truncation=nothing, kink=nothing, left=value, right=value,
        sided=error, curvature=np.full(np.shape(value), np.nan), chord=np.abs(value),
        limit=np.full(np.shape(value), Limit.NONE, object), nfev=0,
    )  # fmt: skip
