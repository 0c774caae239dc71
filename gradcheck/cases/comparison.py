"""Compare a measured value with an expected one, element by element, and say where they differ most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.numerics.tangents import gradient_scale
from gradcheck.results.estimate import Estimate, shaped
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.verdict import Judgement, Tolerance, judge

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


@own_arithmetic
def compare(
    measured: Any, expected: Any, *, rtol: float = 0.0, atol: float = 0.0, kind: str = "close"
) -> Comparison:
    """Judge `measured` against `expected`: |measured - expected| <= atol + rtol |expected| in every element.

    measured : number or array of numbers.
    expected : number or array of the same shape; or a numerical derivative with its error bar, what
        `gradcheck.gradient` and `gradcheck.derivative` give; or any other object with `.value` and `.error`, whose
        author answers for the error: three of it are allowed.
    kind : "close"; "at_least" and "at_most" let the measured value lie on the allowed side at any distance,
        and the difference is how far it lies on the other one.

    PASS needs positive evidence: numbers on both sides, the same shape, at least one element, all finite.
    """
    if isinstance(expected, Estimate):
        return _compare_with_derivative(measured, expected, Tolerance(rtol, atol), kind)
    has_error = hasattr(expected, "value") and hasattr(expected, "error")
    value = expected.value if has_error else expected
    m, e = as_numbers(measured), as_numbers(value)
    problem = _unfit(m, e, measured, value)
    if m is None or e is None or problem:
        return Comparison(Outcome.FAIL, problem=problem)
    if not has_error:
        return _compare_numbers(m, e, atol + rtol * np.abs(e), kind)
    bar = as_numbers(expected.error)
    if bar is None or not np.isfinite(bar).all():
        return Comparison(Outcome.INCONCLUSIVE, problem="the expected value has no finite error bar")
    return _compare_numbers(m, e, 3 * bar + atol + rtol * np.maximum(np.abs(e), np.abs(m)), kind)


def _compare_with_derivative(
    measured: Any, estimate: Estimate, tolerance: Tolerance, kind: str
) -> Comparison:
    """Judge a value against a numerical derivative by the rule that `check_gradient` has, `gradcheck.results.verdict`.

    FAIL where it lies outside of three bars and the tolerance, or of the one-sided slopes of a kink; INCONCLUSIVE
    where the bar is too wide to have shown a mistake of the default resolution, and at kinks. What lies outside on the
    side that `kind` allows is right, however wide the bar is.
    """
    m, e = as_numbers(measured), as_numbers(estimate.value)
    # A derivative that could not be measured is nan, with an infinite bar: undecided, not different.
    problem = _unfit(m, None if e is None else np.nan_to_num(e), measured, estimate.value)
    if m is not None and m.dtype.kind == "c":
        problem = "the measured value is complex, the derivative of a real function by real numbers is not"
    if m is None or e is None or problem:
        return Comparison(Outcome.FAIL, problem=problem)
    lines = shaped(estimate, np.ravel, estimate.nfev)
    judgement = judge(m.ravel(), lines, gradient_scale(lines, np.zeros(e.size, np.intp)), tolerance)
    above = m.ravel() > lines.value
    right = judgement.wrong & {"close": False, "at_least": above, "at_most": ~above}[kind]
    judgement = replace(judgement, wrong=judgement.wrong & ~right, verified=judgement.verified | right)
    if judgement.inconclusive.any() and not judgement.wrong.any():
        return _undecided(m, lines, judgement, tolerance)
    wrong, allowed = judgement.wrong.reshape(m.shape), judgement.allowed.reshape(m.shape)
    if not wrong.any():
        return _compare_numbers(m, e, allowed, kind)
    only_wrong = _compare_numbers(m, np.where(wrong, e, m), np.where(wrong, allowed, np.inf), kind)
    # At a kink the one-sided slopes decide, and they may lie within what the bar would allow.
    return only_wrong if only_wrong.outcome is Outcome.FAIL else _outside(m, lines, judgement)


def _place(shape: tuple[int, ...], row: int) -> tuple[tuple[int, ...], str]:
    at = tuple(int(i) for i in np.unravel_index(row, shape))
    return at, f"entry {list(at)}: " if at else ""


def _outside(m: np.ndarray, lines: Estimate, judgement: Judgement) -> Comparison:
    """What lies outside of the one-sided slopes of a kink."""
    row = int(np.flatnonzero(judgement.wrong)[0])
    at, place = _place(m.shape, row)
    low, high = sorted((float(lines.left[row]), float(lines.right[row])))
    outside = max(low - m[at], m[at] - high)
    slopes = f"the slopes of a kink, {show_number(low)} and {show_number(high)}"
    problem = f"{place}measured {show_number(m[at])}, not between {slopes}"
    return Comparison(Outcome.FAIL, float(outside), 0.0, at, problem)


def _undecided(m: np.ndarray, lines: Estimate, judgement: Judgement, tolerance: Tolerance) -> Comparison:
    rows = np.flatnonzero(judgement.inconclusive)
    row = int(rows[np.argmax(judgement.detectable[rows])])
    at, place = _place(m.shape, row)
    limit, seen = lines.limit[row], float(judgement.detectable[row])
    problem = f"{place}the derivative is known to {3 * float(lines.error[row]):.3g} only"
    if limit is Limit.KINK:
        slopes = f"slope {float(lines.left[row]):.4g} on the left, {float(lines.right[row]):.4g} on the right"
        problem = f"{place}f has a kink there ({slopes})"
    elif np.isfinite(seen):
        cause = "" if limit is Limit.NONE else f" ({limit.value})"
        shows = f"one of {seen:.2g} would" if seen < 1 else "none would"
        problem += f"{cause}: a relative mistake of {tolerance.resolution:g} must show, {shows}"
    else:
        problem = f"{place}the derivative is not known" + ("" if limit is Limit.NONE else f": {limit.value}")
    difference = float(np.abs(m[at] - lines.value[row]))
    allowed = float(judgement.allowed[row])
    known = np.isfinite(difference) and np.isfinite(allowed)
    return Comparison(
        Outcome.INCONCLUSIVE, difference if known else None, allowed if known else None, at, problem
    )


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
    at, place = _place(share.shape, int(np.argmax(worst)))
    off, limit = float(difference[at]), float(np.broadcast_to(allowed, share.shape)[at])
    if within.all():
        return Comparison(Outcome.PASS, off, limit, at)
    out = int((~within).sum())
    others = f"; {out} of {within.size} entries {'is' if out == 1 else 'are'} out" if within.size > 1 else ""
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
