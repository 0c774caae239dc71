"""Compare a measured value with an expected one, element by element, and say where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.verdict import Outcome

__all__ = ["KINDS", "Comparison", "as_numbers", "compare", "show_number"]

KINDS = ("close", "at_least", "at_most")


@dataclass(frozen=True)
class Comparison:
    """What one comparison found.

    outcome : PASS, FAIL or INCONCLUSIVE.
    difference, tolerance : of the worst element, the one whose difference is largest relative to what is
        allowed for it; None where nothing could be compared.
    index : of the worst element; () for a scalar, None where nothing could be compared.
    problem : what is wrong, in one sentence; empty on PASS.
    """

    outcome: Outcome
    difference: float | None = None
    tolerance: float | None = None
    index: tuple[int, ...] | None = None
    problem: str = ""


def compare(
    measured: Any, expected: Any, *, rtol: float = 0.0, atol: float = 0.0, kind: str = "close"
) -> Comparison:
    """Judge `measured` against `expected`: |measured - expected| <= atol + rtol |expected| in every element.

    measured : number or array of numbers.
    expected : number or array of the same shape, or an estimate (an object with `.value` and `.error`).
    kind : "close"; "at_least" and "at_most" let the measured value lie on the allowed side at any distance,
        and the difference is how far it lies on the other one.

    PASS needs positive evidence: numbers on both sides, the same shape, at least one element, all finite.
    """
    if hasattr(expected, "value") and hasattr(expected, "error"):
        return _compare_with_estimate(measured, expected, rtol=rtol, atol=atol)
    m, e = as_numbers(measured), as_numbers(expected)
    problem = _unfit(m, e, measured, expected)
    if m is None or e is None or problem:
        return Comparison(Outcome.FAIL, problem=problem)
    return _compare_numbers(m, e, atol + rtol * np.abs(e), kind)


def _compare_with_estimate(measured: Any, estimate: Any, *, rtol: float, atol: float) -> Comparison:
    """Judge a value against a numerical estimate with its own error bar; the one place where this is done."""
    m, e, bar = as_numbers(measured), as_numbers(estimate.value), as_numbers(estimate.error)
    problem = _unfit(m, e, measured, estimate.value)
    if m is None or e is None or problem:
        return Comparison(Outcome.FAIL, problem=problem)
    if bar is None or not np.isfinite(bar).all():
        return Comparison(Outcome.INCONCLUSIVE, problem="the numerical estimate has no finite error bar")
    return _compare_numbers(m, e, 3 * bar + atol + rtol * np.maximum(np.abs(e), np.abs(m)), "close")


def _compare_numbers(m: np.ndarray, e: np.ndarray, allowed: np.ndarray, kind: str) -> Comparison:
    # Differences of the largest floats overflow to inf, and x / 0 is inf: worse than anything allowed.
    with np.errstate(all="ignore"):
        excess = {"close": np.abs(m - e), "at_least": e - m, "at_most": m - e}[kind]
        difference = np.maximum(excess, 0)
        share = np.where(difference == 0, 0, difference / allowed)
    # Not `difference > allowed`: that would let a NaN pass.
    within = difference <= allowed
    # Of several beyond all measure (no tolerance at all), the one that differs most.
    worst = np.where(share == share.max(), difference, -1)
    index = np.unravel_index(int(np.argmax(worst)), share.shape)
    at = tuple(int(i) for i in index)
    off, limit = float(difference[at]), float(np.broadcast_to(allowed, share.shape)[at])
    if within.all():
        return Comparison(Outcome.PASS, off, limit, at)
    place = f"entry {list(at)}: " if at else ""
    others = f"; {int((~within).sum())} of {within.size} entries are out" if within.size > 1 else ""
    relation = {"close": "not", "at_least": "not at least", "at_most": "not at most"}[kind]
    return Comparison(
        Outcome.FAIL,
        off,
        limit,
        at,
        f"{place}measured {show_number(m[at])}, {relation} {show_number(e[at])}: "
        f"off by {off:.3g}, {limit:.3g} allowed{others}",
    )


def as_numbers(value: Any) -> np.ndarray | None:
    """Copy `value` to an array of at least double precision; None where it does not hold numbers."""
    try:
        array = np.array(value)
    except (ValueError, TypeError):  # ragged nested lists
        return None
    if array.dtype.kind not in "biufc":
        return None
    # Integers to float: the difference of two unsigned integers would wrap around.
    return array.astype(np.promote_types(array.dtype, np.float64))


def _unfit(m: np.ndarray | None, e: np.ndarray | None, measured: Any, expected: Any) -> str:
    """Why the two cannot be compared; empty if they can."""
    if m is None:
        return f"the measured value is not an array of numbers but {_describe(measured)}"
    if e is None:
        return f"the expected value is not an array of numbers but {_describe(expected)}"
    if m.shape != e.shape:
        return f"the shapes differ: measured {m.shape}, expected {e.shape}"
    if m.size == 0:
        return "both values are empty: nothing was compared"
    for name, array in (("measured", m), ("expected", e)):
        bad = ~np.isfinite(array)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0]) if array.ndim else ()
            place = f" at {list(at)}" if at else ""
            return f"the {name} value is {array[at]}{place}: {int(bad.sum())} of {bad.size} not finite"
    return ""


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def show_number(value: Any) -> str:
    """Write a number with all its digits, as Python prints it: 0.1999999999990898, 6, True."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return str(number)
