"""Numerical derivatives with their error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from gradcheck._typing import Index
from gradcheck.results.outcome import Limit


@dataclass(frozen=True)
class Estimate:
    """A numerical derivative with its error bar; fields are floats, or arrays of one shape.

    value : units of f per unit of x. error : E, of the same unit; the true derivative is expected within 3 E.
    step : the step taken. noise, truncation, kink : the parts of the bar.
    left, right : one-sided slopes, which differ at a kink; each is expected within 3 `sided` of the true one.
    curvature : the second derivative.
    chord : the steepest line from x to one of the points, a lower bound of how steep f is nearby.
    limit : a Limit, or an array of them. nfev : evaluations of f in all.
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


def shaped(found: Estimate, shape: Callable[[Any], Any], nfev: int) -> Estimate:
    """The same estimate with every array put into the structure of x by `shape`."""
    parts = {f.name: shape(getattr(found, f.name)) for f in fields(Estimate) if f.name != "nfev"}
    return Estimate(**parts, nfev=nfev)


def join(parts: Sequence[Estimate]) -> Estimate:
    """Several estimates as one, in order."""
    arrays = {
        f.name: np.concatenate([np.atleast_1d(getattr(p, f.name)) for p in parts])
        for f in fields(Estimate)
        if f.name != "nfev"
    }
    return Estimate(**arrays, nfev=sum(p.nfev for p in parts))


def unmeasured(m: int, dtype: np.dtype[Any]) -> Estimate:
    """What is known of m derivatives that were not measured: nothing."""
    unknown = np.full(m, np.nan, dtype)
    infinite = np.full(m, np.inf, dtype)
    limit = np.full(m, Limit.BUDGET, object)
    parts: dict[str, Any] = {f.name: unknown for f in fields(Estimate)}
    parts |= {"error": infinite, "limit": limit, "nfev": 0}
    return Estimate(**parts)


def part_of_estimate(found: Estimate, at: Index) -> Estimate:
    """Some of the lines."""
    return replace(
        found, **{f.name: getattr(found, f.name)[at] for f in fields(Estimate) if f.name != "nfev"}
    )
