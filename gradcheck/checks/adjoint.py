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

from gradcheck.checks.linear import accepted_of
from gradcheck.driver.options import call_text, finished
from gradcheck.function.contract import REPEATABLE
from gradcheck.function.objective import BudgetSpentError
from gradcheck.function.progress import Progress
from gradcheck.numerics.tangents import random_units, root_mean_square
from gradcheck.report.report import Report
from gradcheck.results.mismatch import ArraySummary, Mismatch
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import DEFAULT_RESOLUTION, Tolerance

__all__ = ["check_adjoint"]

Array = NDArray[Any]

# Entries that are named; each costs about 2 log2 of the size applications.
NAMED = 4
# Each operator is applied four times before the first pair, and once more where both spaces are complex.
LEAST_BUDGET = 10
# Rows whose sizes differ by more are weighed alike in some of the pairs: of a small one the sum over all shows little.
SPREAD = 1e3
# What is off by less than this part of the resolution, of an entry and of all terms, is no mistake of the code. An
# ill-conditioned operator, a solve, is linear and yet off by its condition times rounding, which linearity cannot show.
LEAST_MISTAKE = 0.05


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
        default: as forward(x) is. Neither is modified. Where one of them is real, or one of the operators is linear
        over the reals alone (conj, rfft), the inner products are those over the reals, Re<A x, y> = Re<x, A* y>.
    pairs : random pairs. rtol : discrepancy that is accepted, relative to the root of the sum of squares of the terms
        of the inner product.
    resolution : the discrepancy, in the same measure, that must have been visible for a PASS. Default 1e-3, for
        single precision 3e-2.
    max_nfev : budget of applications of forward and adjoint together, at least 10. progress : show a bar of them.

    Where rows or columns of A differ by more than a thousand times in size, two thirds of the pairs weigh them alike.
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
            bar.plan(LEAST_BUDGET - 2 + 2 * pairs)
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
    real_parts: bool = False
    ill_conditioned: bool = False
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
    known.real_parts = test.over_reals and (test.a.is_complex or test.b.is_complex)
    for k in range(pairs):
        weights = test.weights[k % len(test.weights)]
        known.pairs.append(test.pair(weights, *test.arguments(weights, generator)))
    if _decide(known, tolerance)[0] is Outcome.FAIL:
        worst = _worst(known.pairs, tolerance)
        for mismatch in _located(test, worst.weights, generator):
            known.wrong.append(mismatch)
        off = [abs(m.analytic - m.numerical) / max(abs(m.analytic), abs(m.numerical)) for m in known.wrong]
        if max([worst.apart, *off]) <= LEAST_MISTAKE * tolerance.resolution:
            known.ill_conditioned = True
            known.wrong.clear()


def _report(
    known: _Known, a: _Operator, b: _Operator, tolerance: Tolerance, rng: Any, call: str, seconds: float
) -> Report:
    outcome, reason = _decide(known, tolerance)
    if known.wrong:
        one = known.wrong[0]
        reason = f"{reason}; {one.name} for one: forward has {one.numerical:.6g}, adjoint {one.analytic:.6g}"
    worst = max((p.apart for p in known.pairs if p.weight > 0), default=math.nan)
    bar = max((p.bar for p in known.pairs if p.weight > 0), default=math.nan)
    shape = (b.given.size, a.given.size)
    checked = shape[0] * shape[1] if known.pairs else 0
    seen = bar + tolerance.rtol
    return Report(
        outcome=outcome, reason=reason,
        arrays=(ArraySummary("A", shape, checked, len(known.wrong), 0, worst, bar / 3.0, seen),),
        wrong=tuple(known.wrong), diagnosis=_factor(known.pairs) if outcome is Outcome.FAIL else (),
        notes=(known.ended,) if known.ended and known.ended != reason else (), method="dot product", nfev=a.calls,
        ngev=b.calls, seconds=seconds, max_error=worst, detectable=seen, rtol=tolerance.rtol, atol=0.0,
        resolution=tolerance.resolution, seed=rng, call=call, interrupted="interrupted" in known.ended,
    )  # fmt: skip


def _numbers(value: Any, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fc":
        raise TypeError(f"{name} must hold real or complex numbers, not {array.dtype}")
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one number, not shape {array.shape}")
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
        if result.dtype.kind not in "fciub":
            return result
        # Sums in single precision, and squares in any, would overflow where the operator does not.
        return result.astype(np.result_type(result.dtype, np.float64))

    @property
    def is_complex(self) -> bool:
        return self.given.dtype.kind == "c"

    def random(self, generator: np.random.Generator, weight: Any = 1.0) -> Array:
        """A random argument as the operator gets it, entries +-U(0.5, 1.5) times a weight, in double precision."""
        shape = self.given.shape
        values = random_units(generator, self.given.size).reshape(shape)
        if self.is_complex:
            values = values + 1j * random_units(generator, self.given.size).reshape(shape)
        rounded = np.asarray(values * weight, self.given.dtype)
        return rounded.astype(np.result_type(self.given.dtype, np.float64))


@dataclass(frozen=True)
class _Weights:
    """How the entries of x and y are weighed, and what rounding leaves in A x and A^H y then.

    slack : what is accepted besides, relative to the terms.
    """

    x: Any
    y: Any
    a_noise: Array
    b_noise: Array
    slack: float = 0.0


@dataclass(frozen=True)
class _Pair:
    """<A x, y> and <x, A^H y>: how far apart, E, and the root of the sum of squares of their terms."""

    left: complex
    right: complex
    error: float
    weight: float
    weights: _Weights

    @property
    def distance(self) -> float:
        return abs(self.left - self.right)

    @property
    def apart(self) -> float:
        """Relative to the terms."""
        return self.distance / self.weight

    @property
    def bar(self) -> float:
        """What is no mistake, relative to the terms: 3 E, and what weights make of it."""
        return 3.0 * self.error / self.weight + self.weights.slack


class _Test:
    """Pairs, with the rounding of both operators as it was measured."""

    def __init__(self, a: _Operator, b: _Operator, eps: float) -> None:
        self.a, self.b, self.eps = a, b, eps
        self.over_reals = not (a.is_complex and b.is_complex)
        self.weights: list[_Weights] = []

    def contract(self, generator: np.random.Generator) -> str:
        """What is wrong with the functions themselves, in words; measures their rounding."""
        noises, sizes = [], []
        for operator, partner in ((self.a, self.b), (self.b, self.a)):
            one, other = operator.random(generator), operator.random(generator)
            first, again, second = operator(one), operator(one), operator(other)
            if first.shape != operator.answer or first.dtype.kind not in "fciub":
                return f"{operator.name} returns shape {first.shape} where {operator.answers} has {operator.answer}"
            if first.dtype.kind == "c" and not partner.is_complex:
                text = f"{operator.name} returns complex numbers where {operator.answers} is real"
                return f"{text}: return the real part, or pass a complex {operator.answers}"
            both = operator(one + other)
            if not all(np.isfinite(v).all() for v in (first, second, both)):
                return f"{operator.name} returns nan or inf"
            if operator.changed:
                return f"{operator.name} changes its argument"
            size = _rms(np.maximum(np.abs(first), np.abs(second)))
            noise = np.abs(both - (first + second))
            # What two calls differ by, sums in another order, is rounding too.
            noise = np.maximum(noise, np.abs(first - again))
            if float(np.abs(first - again).max()) > REPEATABLE * size:
                return f"{operator.name} differs between two calls with the same argument"
            # The sum of the arguments is itself rounded, which A passes on: no more than its own terms round.
            if float(noise.max()) > accepted_of(operator.given.dtype.name, None) * size:
                off = f"A(a + b) is off A a + A b by {noise.max() / size:.1e} of its size"
                return f"{operator.name} is not linear: {off}"
            noises.append(noise)
            sizes.append(np.maximum(np.abs(first), np.abs(second)))
            if not self.over_reals:
                turned = np.abs(operator(1j * one) - 1j * first)
                self.over_reals = float(turned.max()) > accepted_of(operator.given.dtype.name, None) * size
        a_noise, b_noise = (self._smooth(*pair) for pair in zip(noises, sizes, strict=True))
        self.weights = [_Weights(1.0, 1.0, a_noise, b_noise)]
        self._weigh(noises, sizes, generator)
        return ""

    def _smooth(self, noise: Array, size: Array) -> Array:
        """The noise of each entry: no less than is typical, nor than rounding of the typical entry."""
        least = max(_rms(noise), self.eps * _rms(size), float(np.finfo(size.dtype).smallest_subnormal))
        return np.maximum(np.maximum(noise, least), self.eps * size)

    def _weigh(self, noises: list[Array], sizes: list[Array], generator: np.random.Generator) -> None:
        """Other weights for y where rows differ much in size, and for x where columns do."""
        (a_noise, b_noise), (rows, columns) = noises, sizes
        for size, noise, operator in ((rows, a_noise, self.b), (columns, b_noise, self.a)):
            # Of what rounding hides, or is nothing, the size is not known: it is weighed as the others are. A noise may
            # be small by chance: what such a pair accepts is a hundred times as much.
            slack = accepted_of(operator.given.dtype.name, None)
            known = (size > 0) & (noise <= 1e-2 * slack * size)
            if not known.any() or size[known].max() <= SPREAD * size[known].min():
                continue
            own = np.maximum(noise, self.eps * size)
            # Around 1, and within half of the exponents of the operator's dtype.
            most = math.sqrt(float(np.finfo(operator.given.dtype).max))
            usual = float(np.median(size[known]))
            weight = np.where(known, np.clip(usual / np.where(known, size, usual), 1.0 / most, most), 1.0)
            one, other = (operator.random(generator, weight) for _ in range(2))
            first, second = operator(one), operator(other)
            rounding = np.abs(operator(one + other) - (first + second))
            if not np.isfinite(rounding).all():
                continue
            mine = self._smooth(rounding, np.maximum(np.abs(first), np.abs(second)))
            if operator is self.b:
                self.weights.append(_Weights(1.0, weight, own, mine, slack))
            else:
                self.weights.append(_Weights(weight, 1.0, mine, own, slack))

    def arguments(self, weights: _Weights, generator: np.random.Generator) -> tuple[Array, Array]:
        """Random x and y, weighed."""
        return self.a.random(generator, weights.x), self.b.random(generator, weights.y)

    def pair(self, weights: _Weights, x: Array, y: Array) -> _Pair:
        """One pair; E adds the rounding of both operators and of both sums in quadrature."""
        left, right = self.a(x) * y.conj(), x * self.b(y).conj()
        if self.over_reals:
            left, right = left.real, right.real
        weight = max(_norm(left), _norm(right))
        # Arguments of the sizes by which the rounding was measured.
        noise = math.hypot(_norm(weights.a_noise * np.abs(y)), _norm(weights.b_noise * np.abs(x)))
        sums = self.eps * math.log2(2 + left.size + right.size) * weight
        return _Pair(complex(left.sum()), complex(right.sum()), noise + sums, weight, weights)

    def entry(self, weights: _Weights, x: Array, y: Array, i: int, j: int) -> Mismatch | None:
        """A[i, j] as both operators have it, or None where they agree on it.

        Over the reals a complex entry has parts of its own: the one that differs most.
        """
        parts_x = [1.0, 1j] if self.over_reals and self.a.is_complex else [1.0]
        parts_y = [1.0, 1j] if self.over_reals and self.b.is_complex else [1.0]
        of_x, of_y = np.broadcast_to(weights.x, x.shape), np.broadcast_to(weights.y, y.shape)
        units = [
            (_only(of_x * p, j, x.dtype), _only(of_y * q, i, y.dtype), p, q) for p in parts_x for q in parts_y
        ]
        shown = [(self.pair(weights, one, other), p, q) for one, other, p, q in units]
        pair, p, q = max(shown, key=lambda s: s[0].distance / s[0].error)
        if pair.distance <= 3.0 * pair.error:
            return None
        size = float(of_x.ravel()[j]) * float(of_y.ravel()[i])
        row, column = (np.unravel_index(k, v.shape) for k, v in ((i, y), (j, x)))
        of_parts = (".imag" if part == 1j else "" for part in (q, p))
        name = "A[{}{}, {}{}]".format(*(v for at in zip((i, j), of_parts, strict=True) for v in at))
        name += "" if x.ndim == y.ndim == 1 else f" (y{_index(row)}, x{_index(column)})"
        # Of a complex entry the part that differs more.
        apart = pair.right - pair.left
        imaginary = abs(apart.imag) > abs(apart.real)
        analytic, numerical = ((v.imag if imaginary else v.real) / size for v in (pair.right, pair.left))
        name += ".imag" if imaginary else ""
        return Mismatch(name, (i, j), i * x.size + j, analytic, numerical, pair.error / size)


def _rms(values: Array) -> float:
    return root_mean_square(np.abs(values).ravel()) if np.isfinite(values).all() else math.inf


def _norm(values: Array) -> float:
    """The root of the sum of squares; the largest is taken out first, so that none overflows or vanishes."""
    return _rms(values) * math.sqrt(values.size)


def _decide(known: _Known, tolerance: Tolerance) -> tuple[Outcome, str]:
    shown = known.pairs
    if known.problem:
        return Outcome.FAIL, known.problem
    if not shown:
        return Outcome.INCONCLUSIVE, known.ended
    if not all(p.weight > 0 for p in shown):
        text = "forward and adjoint are zero for random arguments: there is nothing to compare"
        return (Outcome.INCONCLUSIVE, text)
    if not all(math.isfinite(p.distance) and math.isfinite(p.bar) for p in shown):
        return Outcome.INCONCLUSIVE, "an inner product is not finite: scale the operators down"
    worst = _worst(shown, tolerance)
    product, other = ("Re<A x, y>", "Re<x, A^H y>") if known.real_parts else ("<A x, y>", "<x, A^H y>")
    if known.ill_conditioned:
        return Outcome.INCONCLUSIVE, (
            f"{product} and {other} are {worst.apart:.2g} apart, relative to their terms, where linearity shows a "
            f"rounding of {worst.bar:.1g}, but no entry is off by what a mistake would be: an ill-conditioned "
            f"operator, a solve? pass rtol={2.0 * worst.apart:.0e} to accept it"
        )
    if worst.apart > worst.bar + tolerance.rtol:
        left, right = _number(worst.left), _number(worst.right)
        return Outcome.FAIL, (
            f"{product} is {left} and {other} is {right}: {worst.apart:.2g} apart, relative to their terms, "
            f"where rounding explains {worst.bar:.1g}"
        )
    if known.ended:
        return Outcome.INCONCLUSIVE, known.ended
    bar = max(p.bar for p in shown)
    if bar > tolerance.resolution:
        return (
            Outcome.INCONCLUSIVE,
            f"rounding hides discrepancies below {bar:.2g}; compute in double precision",
        )
    apart = max(p.apart for p in shown)
    return Outcome.PASS, (
        f"{product} = {other} for {len(shown)} random pairs to {apart:.1g} of their terms; "
        f"{bar + tolerance.rtol:.1g} would have been seen"
    )


def _worst(shown: list[_Pair], tolerance: Tolerance) -> _Pair:
    """The pair that is farthest beyond its bar."""
    return max(shown, key=lambda p: p.apart - p.bar - tolerance.rtol)


def _number(value: complex) -> str:
    return f"{value.real:.8g}" if value.imag == 0 else f"{value:.8g}"


def _factor(shown: list[_Pair]) -> tuple[str, ...]:
    """The one number by which the two sides differ, if it explains all pairs to rounding; else it is none."""
    size = max((abs(p.right) for p in shown), default=0.0)
    if len(shown) < 3 or not 0 < size < math.inf:
        return ()
    # Of all pairs together, each relative to its terms.
    terms = [(p.left / p.weight, p.right / p.weight) for p in shown]
    factor = sum(a * b.conjugate() for a, b in terms) / sum(abs(b) ** 2 for _, b in terms)
    bars = [p.bar * max(1.0, abs(factor)) for p in shown]
    if any(abs(a - factor * b) > bar for (a, b), bar in zip(terms, bars, strict=True)):
        return ()
    known = max(bars)
    clean = complex(
        *(0.0 if abs(part) <= known * abs(factor) else part for part in (factor.real, factor.imag))
    )
    return (f"<A x, y> = {_number(clean)} x <x, A^H y> in all {len(shown)} pairs: a constant factor?",)


def _located(test: _Test, weights: _Weights, generator: np.random.Generator) -> Iterator[Mismatch]:
    """The entries that differ most along one pair: halves of x, then halves of y."""
    x, y = test.arguments(weights, generator)
    pair_of = partial(test.pair, weights)
    for _ in range(NAMED):
        pair = pair_of(x, y)
        if pair.weight == 0 or pair.apart <= pair.bar:
            return
        j = _halved(lambda part: pair_of(part, y), x)
        i = None if j is None else _halved(partial(pair_of, _only(x, j)), y)
        if i is None or j is None:
            return
        entry = test.entry(weights, x, y, i, j)
        if entry is None:
            return
        yield entry
        x.reshape(-1)[j] = 0.0


def _index(at: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(k)) for k in at)}]"


def _only(values: Array, k: int, dtype: Any = None) -> Array:
    out = np.zeros_like(values, dtype)
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
