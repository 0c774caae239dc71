"""The dot-product test: is one linear operator the adjoint of another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.driver.options import call_text, finished
from gradcheck.function.objective import BudgetSpentError
from gradcheck.function.progress import Progress
from gradcheck.numerics.tangents import ROUNDING, random_units
from gradcheck.report.report import Report
from gradcheck.results.mismatch import ArraySummary, Mismatch
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import DEFAULT_RESOLUTION, Tolerance

__all__ = ["check_adjoint"]

Array = NDArray[Any]

# Entries that are named; each costs about 2 log2 of the size applications.
NAMED = 4
# Each operator is applied four times before the first pair.
LEAST_BUDGET = 10


def check_adjoint(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Any], Any],
    x: Any,
    y: Any = None,
    *,
    pairs: int = 6,
    rtol: float = 0.0,
    resolution: float | None = None,
    max_nfev: int | None = None,
    progress: bool = False,
    rng: Any = 0,
) -> Report:
    """Judge an adjoint by <A x, y> = <x, A^H y> on random pairs.

    forward : forward(x) -> A x, linear, any shape. adjoint : adjoint(y) -> A^H y, of x's shape.
    x : an array of the shape and dtype that forward takes; its values do not matter. y : the same for adjoint;
        default: as forward(x) is. Neither is modified.
    pairs : random pairs. rtol : discrepancy that is accepted, relative to the root of the sum of squares of the terms
        of the inner product.
    resolution : the discrepancy, in the same measure, that must have been visible for a PASS. Default 1e-3, for
        single precision 3e-2.
    max_nfev : budget of applications of forward and adjoint together, at least 10. progress : show a bar of them.

    The error bar is rounding as it was measured: how far A (a + b) is from A a + A b, and the same of the adjoint;
    where that is more than rounding the operator is not linear, which is FAIL.
    Returns a Report with one array, A (rows: outputs of forward, columns: entries of x); a wrong entry that halving the
    pair singles out is named A[i, j]. Raises ValueError or TypeError for arguments that cannot be used,
    and GradientCheckInterrupted, whose `report` holds what was known, for KeyboardInterrupt.
    Source: Claerbout, Earth Soundings Analysis (1992), the dot-product test.
    """
    if not callable(forward) or not callable(adjoint):
        raise TypeError("forward and adjoint must be callable")
    if pairs < 1:
        raise ValueError(f"pairs must be at least 1, not {pairs!r}")
    if max_nfev is not None and max_nfev < LEAST_BUDGET:
        raise ValueError(f"max_nfev must be at least {LEAST_BUDGET}, or None, not {max_nfev!r}")
    started = time.perf_counter()
    generator = np.random.default_rng(rng)
    with Progress(progress) as bar:
        calls = _Calls(max_nfev, bar)
        a = _Operator(forward, _numbers(x, "x"), "forward", "y", calls)
        b = _Operator(
            adjoint, _numbers(a(a.random(generator)) if y is None else y, "y"), "adjoint", "x", calls
        )
        a.answer, b.answer = b.given.shape, a.given.shape
        eps = max(float(np.finfo(v.dtype).eps) for v in (a.given, b.given))
        usual = DEFAULT_RESOLUTION["float32" if eps > 1e-10 else "float64"]
        tolerance = Tolerance(rtol, 0.0, usual if resolution is None else resolution)
        known = _Known()
        try:
            bar.plan(8 + 2 * pairs)
            _examine(known, _Test(a, b, eps), pairs, tolerance, generator)
        except BudgetSpentError:
            known.ended = "the budget of evaluations was used up: raise max_nfev"
        except KeyboardInterrupt:
            known.ended = "the check was interrupted: start it again"
    given = {"y": y, "pairs": pairs if pairs != 6 else None, "rtol": rtol or None, "resolution": resolution,
             "max_nfev": max_nfev}  # fmt: skip
    call = call_text("check_adjoint(forward, adjoint, x", given, rng)
    report = _report(known, a, b, tolerance, rng, call, time.perf_counter() - started)
    return finished(report)


@dataclass
class _Known:
    """What has been found so far; an interruption, or the end of the budget, leaves the rest as it is here."""

    problem: str = ""
    pairs: list[_Pair] = field(default_factory=list)
    wrong: list[Mismatch] = field(default_factory=list)
    ended: str = ""


def _examine(
    known: _Known, test: _Test, pairs: int, tolerance: Tolerance, generator: np.random.Generator
) -> None:
    """The contract of the operators, the pairs, and where they disagree."""
    known.problem = test.contract(generator)
    if known.problem:
        return
    for _ in range(pairs):
        known.pairs.append(test.pair(test.a.random(generator), test.b.random(generator)))
    if _decide(known, tolerance)[0] is Outcome.FAIL:
        for mismatch in _located(test, generator):
            known.wrong.append(mismatch)


def _report(
    known: _Known, a: _Operator, b: _Operator, tolerance: Tolerance, rng: Any, call: str, seconds: float
) -> Report:
    outcome, reason = _decide(known, tolerance)
    if known.wrong:
        one = known.wrong[0]
        reason = f"{reason}; {one.name} for one: forward has {one.numerical:.6g}, adjoint {one.analytic:.6g}"
    worst = max((p.distance / p.weight for p in known.pairs if p.weight > 0), default=math.nan)
    bar = max((3.0 * p.error / p.weight for p in known.pairs if p.weight > 0), default=math.nan)
    shape = (b.given.size, a.given.size)
    checked = shape[0] * shape[1] if known.pairs else 0
    seen = bar + tolerance.rtol
    return Report(
        outcome=outcome, reason=reason,
        arrays=(ArraySummary("A", shape, checked, len(known.wrong), 0, worst, bar / 3.0, seen),),
        wrong=tuple(known.wrong), diagnosis=_factor(known.pairs) if outcome is Outcome.FAIL else (),
        notes=(known.ended,) if known.ended and known.ended != reason else (), method="dot product", nfev=a.calls,
        ngev=b.calls, seconds=seconds, max_error=worst, detectable=seen, rtol=tolerance.rtol, atol=0.0,
        resolution=tolerance.resolution, seed=rng, call=call, functions=("forward", "adjoint"),
        interrupted="interrupted" in known.ended,
    )  # fmt: skip


def _numbers(value: Any, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fc" or array.size == 0:
        raise TypeError(
            f"{name} must be an array of real or complex numbers, not {array.dtype} of shape {array.shape}"
        )
    return array


class _Calls:
    """The applications of both operators, within a budget."""

    def __init__(self, most: int | None, bar: Progress) -> None:
        self.left, self.bar = math.inf if most is None else most, bar

    def count(self) -> None:
        """One more. Raises BudgetSpentError where none is left."""
        if self.left < 1:
            raise BudgetSpentError
        self.left -= 1
        self.bar.evaluated(1)


class _Operator:
    """One of the two functions, on arrays of its own; `given` has the shape and dtype of its argument."""

    def __init__(
        self, function: Callable[[Any], Any], given: Array, name: str, answers: str, budget: _Calls
    ) -> None:
        self.function, self.given, self.name, self.answers = function, given, name, answers
        self.budget = budget
        self.answer: tuple[int, ...] | None = None
        self.calls = 0
        self.changed = False

    def __call__(self, argument: Array) -> Array:
        self.budget.count()
        self.calls += 1
        mine = argument.astype(self.given.dtype)
        kept = mine.copy()
        result = np.array(self.function(mine))
        self.changed |= not np.array_equal(mine, kept)
        return result

    def random(self, generator: np.random.Generator) -> Array:
        """A random argument, entries +-U(0.5, 1.5)."""
        shape = self.given.shape
        values = random_units(generator, self.given.size).reshape(shape)
        if self.given.dtype.kind == "c":
            values = values + 1j * random_units(generator, self.given.size).reshape(shape)
        return np.asarray(values, self.given.dtype)


@dataclass(frozen=True)
class _Pair:
    """<A x, y> and <x, A^H y>: how far apart, E, and the root of the sum of squares of their terms."""

    left: complex
    right: complex
    error: float
    weight: float

    @property
    def distance(self) -> float:
        return abs(self.left - self.right)


class _Test:
    """Pairs, with the rounding of both operators as it was measured."""

    def __init__(self, a: _Operator, b: _Operator, eps: float) -> None:
        self.a, self.b, self.eps = a, b, eps
        self.a_noise: Array = np.zeros(0)
        self.b_noise: Array = np.zeros(0)

    def contract(self, generator: np.random.Generator) -> str:
        """What is wrong with the functions themselves, in words; measures their rounding."""
        for operator, partner in ((self.a, self.b), (self.b, self.a)):
            one, other = operator.random(generator), operator.random(generator)
            first, again, second, both = operator(one), operator(one), operator(other), operator(one + other)
            if first.shape != operator.answer or first.dtype.kind not in "fciub":
                return f"{operator.name} returns shape {first.shape} where {operator.answers} has {operator.answer}"
            if first.dtype.kind == "c" and partner.given.dtype.kind != "c":
                return f"{operator.name} returns complex numbers where {operator.answers} is real: pass a complex one"
            if not all(np.isfinite(v).all() for v in (first, second, both)):
                return f"{operator.name} returns nan or inf"
            if operator.changed:
                return f"{operator.name} changes its argument"
            if not np.array_equal(first, again):
                return f"{operator.name} differs between two calls with the same argument"
            # The sum of the arguments is itself rounded, which A passes on: no more than its own terms round.
            noise = np.abs(both - (first + second))
            size = np.sqrt(np.mean(np.abs(first) ** 2 + np.abs(second) ** 2))
            if float(noise.max()) > 1e5 * ROUNDING * self.eps * size:
                off = f"A(a + b) is off A a + A b by {noise.max() / size:.1e} of its size"
                return f"{operator.name} is not linear: {off}"
            typical = float(np.sqrt(np.mean(noise**2)))
            floor = self.eps * np.maximum(np.abs(first), size)
            if operator is self.a:
                self.a_noise = np.maximum(np.maximum(noise, typical), floor)
            else:
                self.b_noise = np.maximum(np.maximum(noise, typical), floor)
        return ""

    def pair(self, x: Array, y: Array) -> _Pair:
        """One pair; E adds the rounding of both operators and of both sums in quadrature."""
        ax, ay = self.a(x), self.b(y)
        left, right = ax * y.conj(), x * ay.conj()
        weight = math.sqrt(max(_squares(left), _squares(right)))
        # Arguments of entries about 1, as those by which the rounding was measured.
        noise = math.sqrt(_squares(self.a_noise * np.abs(y)) + _squares(self.b_noise * np.abs(x)))
        sums = self.eps * math.log2(2 + left.size + right.size) * weight
        return _Pair(complex(left.sum()), complex(right.sum()), noise + sums, weight)


def _squares(values: Array) -> float:
    return float(np.sum(np.abs(values) ** 2))


def _decide(known: _Known, tolerance: Tolerance) -> tuple[Outcome, str]:
    shown = known.pairs
    if known.problem:
        return Outcome.FAIL, known.problem
    if not shown:
        return Outcome.INCONCLUSIVE, known.ended
    if not all(p.weight > 0 for p in shown):
        text = "forward and adjoint are zero for random arguments: there is nothing to compare"
        return (Outcome.INCONCLUSIVE, text)
    excess = [p.distance - 3.0 * p.error - tolerance.rtol * p.weight for p in shown]
    k = int(np.argmax([e / p.weight for e, p in zip(excess, shown, strict=True)]))
    worst = shown[k]
    if not math.isfinite(worst.distance):
        return Outcome.FAIL, "an inner product is not finite"
    if excess[k] > 0:
        left, right = _number(worst.left), _number(worst.right)
        relative = worst.distance / worst.weight
        return Outcome.FAIL, (
            f"<A x, y> is {left} and <x, A^H y> is {right}: {relative:.2g} apart, relative to their terms, "
            f"where rounding explains {3.0 * worst.error / worst.weight:.1g}"
        )
    if known.ended:
        return Outcome.INCONCLUSIVE, known.ended
    bar = max(3.0 * p.error / p.weight for p in shown)
    if bar > tolerance.resolution:
        return (
            Outcome.INCONCLUSIVE,
            f"rounding hides discrepancies below {bar:.2g}; compute in double precision",
        )
    apart = max(p.distance / p.weight for p in shown)
    return Outcome.PASS, (
        f"<A x, y> = <x, A^H y> for {len(shown)} random pairs to {apart:.1g} of their terms; "
        f"{bar + tolerance.rtol:.1g} would have been seen"
    )


def _number(value: complex) -> str:
    return f"{value.real:.8g}" if value.imag == 0 else f"{value:.8g}"


def _factor(shown: list[_Pair]) -> tuple[str, ...]:
    """The one number by which the two sides differ in all pairs."""
    ratios = [p.left / p.right for p in shown if p.right != 0]
    if len(ratios) < 3:
        return ()
    mean = sum(ratios) / len(ratios)
    if max(abs(r - mean) for r in ratios) > 1e-6 * abs(mean):
        return ()
    return (
        f"<A x, y> = {_number(complex(mean))} x <x, A^H y> in all {len(shown)} pairs: a constant factor?",
    )


def _located(test: _Test, generator: np.random.Generator) -> Iterator[Mismatch]:
    """The entries that differ most along one pair: halves of x, then halves of y."""
    x, y = test.a.random(generator), test.b.random(generator)
    for _ in range(NAMED):
        pair = test.pair(x, y)
        if pair.distance <= 3.0 * pair.error:
            return
        j = _halved(lambda part: test.pair(part, y), x)
        i = None if j is None else _halved(partial(test.pair, _only(x, j)), y)
        if i is None or j is None:
            return
        unit_x, unit_y = _only(np.ones_like(x), j), _only(np.ones_like(y), i)
        entry = test.pair(unit_x, unit_y)
        if entry.distance <= 3.0 * entry.error:
            return
        n = x.size
        row, column = (np.unravel_index(k, v.shape) for k, v in ((i, y), (j, x)))
        name = f"A[{i}, {j}]" + ("" if x.ndim == y.ndim == 1 else f" (y{_index(row)}, x{_index(column)})")
        # Of a complex entry the part that differs more.
        apart = entry.right - entry.left
        imaginary = abs(apart.imag) > abs(apart.real)
        analytic, numerical = (v.imag if imaginary else v.real for v in (entry.right, entry.left))
        name += ".imag" if imaginary else ""
        yield Mismatch(name, (i, j), i * n + j, analytic, numerical, entry.error)
        x.reshape(-1)[j] = 0.0


def _index(at: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(k)) for k in at)}]"


def _only(values: Array, k: int) -> Array:
    out = np.zeros_like(values)
    out.reshape(-1)[k] = values.reshape(-1)[k]
    return out


def _halved(pair: Callable[[Array], _Pair], whole: Array) -> int | None:
    """The entry of `whole` that makes the pair loud, or None where halving loses it."""
    start, stop = 0, whole.size
    while stop - start > 1:
        middle = (start + stop) // 2
        halves = []
        for low, high in ((start, middle), (middle, stop)):
            part = np.zeros_like(whole)
            part.reshape(-1)[low:high] = whole.reshape(-1)[low:high]
            shown = pair(part)
            halves.append((shown.distance / max(shown.error, 1e-300), low, high))
        loudest, start, stop = max(halves)
        if loudest <= 3.0:
            return None
    return start
