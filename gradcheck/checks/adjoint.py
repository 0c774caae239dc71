"""The dot-product test: is one linear operator the adjoint of another."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from gradcheck._typing import Array
from gradcheck.checks.dot_product import (
    LEAST_BUDGET,
    DotProduct,
    Operator,
    Pair,
    budget,
    contract,
    numbers,
    only,
    rounding,
)
from gradcheck.diagnosis.matrices import diagnose_operator
from gradcheck.driver.options import Options, call_text, finished, told
from gradcheck.function.contract import check_callables
from gradcheck.function.objective import BudgetSpentError
from gradcheck.function.progress import Progress
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.report.sentences import cause_sentence
from gradcheck.results.cause import Kind
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.summaries import ArraySummary, Mismatch
from gradcheck.results.undecided import INTERRUPTED, OUT_OF_BUDGET
from gradcheck.results.verdict import DEFAULT_RESOLUTION, Tolerance
from gradcheck.results.words import count

# Entries that are named; each costs about 2 log2 of the size applications.
NAMED = 4
# Rows and columns of an operator that is wrong and applied to every unit vector, to see what is wrong with it.
APPLIED = 100
MISSING = "adjoint is A^T, not A^H: the conjugate is missing"
# What is off by less than this part of the resolution, of an entry and of all terms, is no mistake of the code. An
# ill-conditioned operator, a solve, is linear and yet off by its condition times rounding, which linearity cannot show.
LEAST_MISTAKE = 0.05


@told
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
    max_seconds: float | None = None,
    progress: bool = False,
    rng: Any = 0,
) -> Report:
    """Judge an adjoint by <A x, y> = <x, A^H y> on random pairs.

    Where rows or columns of A differ by more than a thousand times in size, two thirds of the pairs weigh them alike.
    The error bar is rounding as it was measured: how far A (a + b) is from A a + A b, and the same of the adjoint;
    where that is more than rounding the operator is not linear, which is FAIL.
    Returns a Report with one array, A (rows: outputs of forward, columns: entries of x); a wrong entry that halving the
    pair singles out is named A[i, j]. Raises ValueError or TypeError for arguments that cannot be used,
    and GradientCheckInterrupted, whose `report` holds what was known, for KeyboardInterrupt.
    Source: Claerbout, Earth Soundings Analysis (1992), the dot-product test.

    Parameters
    ----------
    forward
        forward(x) -> A x, linear, any shape.
    adjoint
        adjoint(y) -> A^H y, of x's shape.
    x
        an array of the shape and dtype that forward takes; its values do not matter.
    y
        the same for adjoint;
        default: as forward(x) is. Neither is modified. Where one of them is real, or one of the operators is linear
        over the reals alone (conj, rfft), the inner products are those over the reals, Re<A x, y> = Re<x, A* y>.
    pairs
        random pairs.
    rtol
        discrepancy that is accepted, relative to the root of the sum of squares of the terms
        of the inner product.
    resolution
        the discrepancy, in the same measure, that must have been visible for a PASS. Default 1e-3, for
        single precision 3e-2.
    max_nfev
        budget of applications of forward and adjoint together, at least 10.
    max_seconds
        budget of time; the first 10 are made in any case.
    progress
        show a bar of them.
    rng
        seed or Generator for the pairs.
    """
    check_callables("; of a matrix it is lambda x: matrix @ x", forward=forward)
    check_callables("; of a matrix it is lambda y: matrix @ y", adjoint=adjoint)
    if not isinstance(pairs, Integral) or pairs < 1:
        raise ValueError(f"pairs must be a whole number of at least 1, not {pairs!r}")
    chosen = Options(rtol=rtol, resolution=resolution, max_seconds=max_seconds, progress=progress)
    if max_nfev is not None and (not isinstance(max_nfev, Integral) or max_nfev < LEAST_BUDGET):
        raise ValueError(f"max_nfev must be at least {LEAST_BUDGET}, or None, not {max_nfev!r}")
    started = time.perf_counter()
    generator = np.random.default_rng(rng)
    # A Generator as it is now: what repeats the check draws the same pairs.
    drawn_with = copy.deepcopy(rng)
    with Progress(progress) as bar:
        count = budget(max_nfev, chosen.max_seconds, bar)
        a = Operator(forward, numbers(x, "x"), "forward", "x", count)
        like = a(a.random(generator)).astype(a.returns) if y is None else y
        b = Operator(
            adjoint, numbers(like, "what forward returns" if y is None else "y"), "adjoint", "y", count
        )
        usual = DEFAULT_RESOLUTION["float32" if rounding(a, b) > 1e-10 else "float64"]
        known = _Known(a, b, Tolerance(chosen.rtol or 0.0, 0.0, chosen.resolution or usual))
        try:
            bar.plan(LEAST_BUDGET - 2 + 2 * pairs)
            known.examine(pairs, generator)
        except BudgetSpentError:
            known.ended = OUT_OF_BUDGET
        except KeyboardInterrupt:
            known.ended = INTERRUPTED
    given = {"y": y, "pairs": pairs if pairs != 6 else None, "rtol": rtol or None, "resolution": resolution,
             "max_nfev": max_nfev, "max_seconds": max_seconds}  # fmt: skip
    call = call_text("check_adjoint(forward, adjoint, x", given, rng)
    report = known.report(rng, call, time.perf_counter() - started)
    options = {"y": y, "pairs": pairs, "rtol": rtol, "resolution": resolution, "max_nfev": max_nfev}
    recipe = Recipe.of("check_adjoint", forward, adjoint, *Parameters.of(a.given), (), options, drawn_with)
    return finished(report, recipe)


@dataclass
class _Known:
    """What has been found so far; an interruption, or the end of the budget, leaves the rest as it is here."""

    a: Operator
    b: Operator
    tolerance: Tolerance
    problem: Finding | None = None
    ill_conditioned: bool = False
    pairs: list[Pair] = field(default_factory=list)
    wrong: list[Mismatch] = field(default_factory=list)
    said: tuple[str, ...] = ()
    ended: str = ""

    def examine(self, pairs: int, generator: np.random.Generator) -> None:
        """The contract of the operators, the pairs, and where they disagree."""
        self.problem, tests = contract(self.a, self.b, generator, self.tolerance.rtol)
        if self.problem is not None:
            return
        for k in range(pairs):
            test = tests[k % len(tests)]
            self.pairs.append(test.pair(*test.arguments(generator)))
        for _ in tests:
            if self.decided()[0] is Outcome.FAIL:
                self.pairs = self.worst.test.with_noise_of(self.worst, self.pairs)
        if self.decided()[0] is not Outcome.FAIL:
            return
        self.said = _factor(self.pairs)
        for mismatch in _located(self.worst):  # each is kept, whatever ends the search
            self.wrong.append(mismatch)
        off = [abs(m.analytic - m.numerical) / max(abs(m.analytic), abs(m.numerical)) for m in self.wrong]
        if max([self.worst.apart, *off]) <= LEAST_MISTAKE * self.tolerance.resolution:
            self.ill_conditioned = True
            self.wrong.clear()
        elif not self.said:
            self.said = _explained(self.worst.test, self.tolerance)

    @property
    def worst(self) -> Pair:
        """The pair that is farthest beyond its bar."""
        return max(self.pairs, key=lambda p: p.apart - p.bar)

    def decided(self) -> tuple[Outcome, str]:
        """The outcome and the reason, of what is known."""
        shown, rtol = self.pairs, self.tolerance.rtol
        if self.problem is not None:
            return self.problem.outcome or Outcome.INCONCLUSIVE, self.problem.text
        if not shown:
            return Outcome.INCONCLUSIVE, self.ended
        if not all(p.weight > 0 for p in shown):
            text = "forward and adjoint are zero for random arguments: there is nothing to compare"
            return Outcome.INCONCLUSIVE, text
        if not all(math.isfinite(p.distance) and math.isfinite(p.bar) for p in shown):
            return Outcome.INCONCLUSIVE, "an inner product is not finite: scale the operators down"
        worst, product, other = self.worst, "<A x, y>", "<x, A^H y>"
        if worst.test.over_reals and (self.a.is_complex or self.b.is_complex):
            product, other = f"Re{product}", f"Re{other}"
        if self.ill_conditioned:
            return Outcome.INCONCLUSIVE, (
                f"{product} and {other} are {worst.apart:.2g} apart, relative to their terms, where linearity shows a "
                f"rounding of {worst.bar:.1g}, but no entry is off by what a mistake would be: an ill-conditioned "
                f"operator, a solve? pass rtol={2.0 * worst.apart:.0e} to accept it"
            )
        if worst.apart > worst.bar + rtol:
            left, right = _number(worst.left), _number(worst.right)
            return Outcome.FAIL, (
                f"{product} is {left} and {other} is {right}: {worst.apart:.2g} apart, relative to their terms, "
                f"where rounding explains {worst.bar:.1g}"
            )
        if self.ended:
            return Outcome.INCONCLUSIVE, self.ended
        apart, bar = max(p.apart for p in shown), max(p.bar for p in shown)
        if bar > self.tolerance.resolution:
            hidden = f"rounding hides discrepancies below {bar:.2g}; compute in double precision"
            return Outcome.INCONCLUSIVE, hidden
        return Outcome.PASS, (
            f"{product} = {other} for {count(len(shown), 'random pair')} to {apart:.1g} of their terms; "
            f"{bar + rtol:.1g} would have been seen"
        )

    def report(self, rng: Any, call: str, seconds: float) -> Report:
        """The report of what is known."""
        a, b, tolerance = self.a, self.b, self.tolerance
        outcome, reason = self.decided()
        if self.wrong:
            one = self.wrong[0]
            reason = (
                f"{reason}; {one.name} for one: forward has {one.numerical:.6g}, adjoint {one.analytic:.6g}"
            )
        told = [p for p in self.pairs if p.weight > 0]
        worst, bar = (
            max(sizes, default=math.nan) for sizes in ([p.apart for p in told], [p.bar for p in told])
        )
        shape, seen = (b.given.size, a.given.size), bar + tolerance.rtol
        checked = math.prod(shape) if self.pairs else 0
        return Report(
            outcome=outcome, reason=reason,
            arrays=(ArraySummary("A", shape, checked, len(self.wrong), 0, worst, bar / 3.0, seen),),
            wrong=tuple(self.wrong), diagnosis=self.said if outcome is Outcome.FAIL else (),
            notes=(self.ended,) if self.ended and self.ended != reason else (), method="dot product", nfev=a.calls,
            ngev=b.calls, seconds=seconds, max_error=worst, detectable=seen, rtol=tolerance.rtol, atol=0.0,
            resolution=tolerance.resolution, seed=rng, call=call, functions=("forward", "adjoint"),
            interrupted=self.ended == INTERRUPTED,
        )  # fmt: skip


def _number(value: complex) -> str:
    return f"{value.real:.8g}" if value.imag == 0 else f"{value:.8g}"


def _factor(shown: list[Pair]) -> tuple[str, ...]:
    """The one number by which the two sides differ, if it explains all pairs to rounding; else it is none."""
    size = max((abs(p.right) for p in shown), default=0.0)
    if len(shown) < 3 or not 0 < size < math.inf:
        return ()
    if not any(p.left for p in shown):
        return ("A x is 0 for every x that was drawn, and A^H y is not: does forward do anything?",)
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


def _explained(test: DotProduct, tolerance: Tolerance) -> tuple[str, ...]:
    """What kind of mistake fits every entry of A, each asked for."""
    a, b = test.a, test.b
    m, n = b.given.size, a.given.size
    if max(m, n) > APPLIED or (test.over_reals and a.is_complex and b.is_complex):
        return ()
    known, claimed = _applied(a).T, _applied(b)
    accepted = max(a.accepted, b.accepted)
    # Of a real x or y the two parts of an entry of A are what the two of the other make.
    if a.is_complex and b.is_complex:
        claimed = claimed.conj()
    elif a.is_complex:
        known = known + 1j * _applied(a, 1j).T
    elif b.is_complex:
        claimed = claimed + 1j * _applied(b, 1j)
    rtol = replace(tolerance, rtol=max(tolerance.rtol, accepted))
    names = jacobian_names(b.given.shape, Parameters.of(a.given.real)[0], "A")
    causes = diagnose_operator(names, claimed, known, accepted, rtol)
    return tuple(MISSING if cause.kind is Kind.CONJUGATE else cause_sentence(cause) for cause in causes)


def _applied(operator: Operator, unit: complex = 1.0) -> Array:
    """(k, l) what it makes of each of the k unit vectors, times a number."""
    units = np.full_like(operator.given, unit)
    return np.stack([operator(only(units, k)).ravel() for k in range(operator.given.size)])


def _located(worst: Pair) -> Iterator[Mismatch]:
    """The entries that differ most along the loudest pair: halves of x, then halves of y."""
    test, x, y = worst.test, worst.x.copy(), worst.y.copy()
    for _ in range(NAMED):
        pair = test.pair(x, y)
        if pair.weight == 0 or pair.apart <= pair.bar:
            return
        j = _halved(lambda part: test.pair(part, y), x)
        i = None if j is None else _halved(partial(test.pair, only(x, j)), y)
        if i is None or j is None:
            return
        entry = test.entry(x, y, i, j)
        if entry is None:
            return
        yield entry
        x.reshape(-1)[j] = 0.0


def _halved(pair: Callable[[Array], Pair], whole: Array) -> int | None:
    """The entry of `whole` that makes the pair exceed its bar, or None where halving loses it."""
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
