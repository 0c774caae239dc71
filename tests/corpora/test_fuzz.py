"""Random smooth functions: no right gradient fails, and no mistake passes that the report says would be seen.

500 functions at every run, always the same; with --hypothesis-profile=nightly 20,000 others each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from grammar import functions, places
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

import gradcheck
from benchmarks import trials
from benchmarks.corpus import Problem, flat, like
from benchmarks.corpus.expressions import Function
from benchmarks.peer_corpus import noise
from gradcheck import Outcome, mutations
from gradcheck.parameters.tree import Parameters

# What the gradient of the referees and the one that a person would write may differ by, of the entry or of 1e-6 of the
# root mean square of its array: a tenth of what the check accepts. Above that it is off by its own rounding.
AGREED = 1e-7
# Units in the last place of f, or of what its noise is known to be, that a mistake must move.
DIGITS = 32.0
# An array is nearly stationary where its gradient is smaller than this part of what it is `NEARBY` scales of x away,
# as far as a check steps: a tenth of its resolution is not told from 0 there.
STATIONARY, NEARBY = 1e-4, np.logspace(-7, -1, 7)
# What a mistake must be larger than `detectable` by: the report's unit is the larger of the two derivatives that it
# has, which a mistake of the size of rtol makes larger than the true one, and error bars make larger or smaller.
EDGE = 1.01
# Values of f near x and the degree of the polynomial through them; what they may scatter by about it, and its slope be
# off by, relative to what the report and the gradient are apart.
POINTS, DEGREE, EXACT, CLOSE = 33, 8, 0.01, 0.1
NIGHTLY = settings.default.max_examples > 500
FUZZ = settings(
    max_examples=settings.default.max_examples if NIGHTLY else 500,
    deadline=None,
    derandomize=not NIGHTLY,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# No shrinking of what is meant to fail.
BROKEN = settings(FUZZ, max_examples=500, derandomize=True, phases=[Phase.generate], database=None)


@dataclass(frozen=True)
class Example:
    """A function, a point and a wrong gradient of it."""

    function: Function
    x: Any
    problem: Problem
    mistake: str
    wrong: Any

    def __repr__(self) -> str:
        return f"f = {self.function}\nx = {self.x!r}\nmistake: {self.mistake}"

    @property
    def size(self) -> float:
        """How large the mistake is, relative to its entry or its array; 0 where it is no more than rounding."""
        p = self.problem
        by_hand = flat(p.grad(p.x))
        size = seen(p, flat(self.wrong).astype(float) - flat(p.true), flat(self.wrong) - by_hand)
        # As in benchmarks/trials.py.
        return size if size >= max(10 * trials.relative(by_hand - flat(p.true), units(p)), 1e-10) else 0.0


def seen(p: Problem, change: np.ndarray, planted: np.ndarray) -> float:
    """The largest relative change that moves f by more than its digits, together with all that are as large.

    Where hardly a digit of f moves while x changes by its own size, nothing can see it: steps end at a third of that,
    and f's own arithmetic rounds at both ends. Moved by what was planted alone, since a large entry's own rounding may
    move more than a small one's whole gradient; and not by smaller changes, for the same reason.
    """
    parameters, point = Parameters.of(p.x)
    sizes = np.array([trials.relative(c, u) for c, u in zip(change[:, None], units(p)[:, None], strict=True)])
    order = np.argsort(-sizes, kind="stable")
    moved = np.cumsum((np.abs(planted) * parameters.scales(point))[order])
    visible = ~(moved <= DIGITS * noise(p))
    return float(sizes[order][visible][0]) if visible.any() else 0.0


def units(p: Problem) -> np.ndarray:
    """What a mistake in each entry is relative to: as in benchmarks/trials.py, also at nearly stationary points.

    As the report has it, from f's own derivative: how steep f is nearby, where its gradient at x is next to nothing.
    """
    unit = trials.units(p)
    x = flat(p.x)
    scales = Parameters.of(p.x)[0].scales(x)
    # Several, as two entries of opposite signs may leave f where it is.
    signs = np.random.default_rng(5).choice([-1.0, 1.0], (4 * NEARBY.size, x.size))
    with np.errstate(all="ignore"):
        around = [x + d * s * scales for d, s in zip(np.tile(NEARBY, 4), signs, strict=True)]
        there = np.max([steepness(p, like(p.x, point)) for point in around], axis=0)
    still = steepness(p, p.x) < STATIONARY * there
    return np.where(still, np.maximum(unit, there), unit)


def steepness(p: Problem, x: Any) -> np.ndarray:
    """The root mean square of the gradient of each array at x, for each of its entries; 0 where it is no number."""
    leaves = p.grad(x)
    sizes = [
        np.full(np.size(leaf), np.sqrt(np.mean(np.square(leaf))))
        for leaf in (leaves.values() if isinstance(leaves, dict) else [leaves])
    ]
    return np.nan_to_num(np.concatenate(sizes), posinf=0.0)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """A function whose two referees agree about its gradient at x, and a gradient that is wrong."""
    x = draw(places())
    function = draw(functions(x))
    with np.errstate(all="ignore"):
        problem = function.problem(x)
        assume(agreed(problem))
        mistake, wrong = draw(mistakes(function, problem))
    assume(wrong is not None)
    return Example(function, x, problem, mistake, wrong)


def agreed(p: Problem) -> bool:
    """Whether f and its gradient are finite, of ordinary size, and the same by both referees."""
    truth, by_hand = flat(p.true), flat(p.grad(p.x))
    if not (abs(p.f(p.x)) < 1e100 and np.isfinite(truth).all() and np.abs(truth).max() < 1e100):
        return False
    allowed = AGREED * np.maximum(np.abs(truth), 1e-6 * trials.units(p))
    return all((np.abs(other - truth) <= allowed).all() for other in (by_hand, flat(p.witness())))


@st.composite
def mistakes(draw: st.DrawFn, function: Function, p: Problem) -> tuple[str, Any]:
    """What is wrong, and the wrong gradient; None where it changes nothing."""
    gradient = p.grad(p.x)
    kind = draw(st.sampled_from(["one", "small", "all", "pair", "standard", "forgotten"]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    if kind == "standard":
        mutation = draw(st.sampled_from(mutations.standard_mutations(p.grad)))
        return mutation.name, mutation.apply(gradient, p.x, rng)
    if kind == "forgotten":
        operands = function.operands()
        assume(operands)
        at = draw(st.integers(0, len(operands) - 1))
        return f"without {operands[at]}", function.gradient(p.x, operands[at])
    size = 10.0 ** -(draw(st.integers(0, 32)) / 4)
    g, unit = flat(gradient), trials.units(p)
    if kind == "all":
        return f"all x {1 + size}", like(p.x, g * (1 + size))
    change = np.zeros(g.size)
    at = rng.choice(g.size, min(2, g.size) if kind == "pair" else 1, replace=False)
    change[at] = size * (np.abs(g) if kind == "small" else unit)[at] * np.array([1, -1])[: at.size]
    return f"{kind} {at.tolist()} off by {size:.2g}", like(p.x, g + change)


def judge(e: Example, check: Callable[..., Any] = trials.check) -> Outcome:
    """What is said of the right gradient.

    Raises AssertionError for a right one that fails, and for a wrong one that passes although it is larger than what
    the report on it, or that on the right one, says would be seen.
    """
    with np.errstate(all="ignore"):
        p, size, calm = e.problem, e.size, e.function.calm(e.x)
        right, wrong = check(p, p.grad, 0), check(p, e.wrong, 0)
    alarm = calm and right.outcome is Outcome.FAIL and not as_computed(p, right)
    assert not alarm, f"false alarm: {right.reason}"
    planted = trials.Planted(
        p.name,
        p.category,
        e.mistake,
        size / EDGE,
        wrong.outcome.value,
        wrong.detectable,
        right.detectable,
        "",
    )
    missed = wrong.outcome is Outcome.PASS and size > 0 and planted.above
    assert not missed, f"missed: size {size:.3g}, detectable {wrong.detectable:.3g}, {right.detectable:.3g}"
    return right.outcome


def as_computed(p: Problem, report: Any) -> bool:
    """Whether f, as it is computed, has the derivatives that the report has, and not those of its formula.

    In float64 the logarithm of 1 + 1e-17 is 0: no value of f shows the term that is lost so, and its gradient has it.
    Near x a polynomial then runs through all values of f, with the slope of the report; not through noisy values, and
    not with this slope where a step was too long.
    """
    entries = report.evidence.entries
    wrong = np.flatnonzero(entries.judgement.wrong)
    x = flat(p.x)
    for k in wrong:
        step, value = entries.estimate.step[k], entries.estimate.value[k]
        apart = np.abs(entries.analytic[k] - value)
        points = np.tile(x, (POINTS, 1))
        points[:, entries.coordinates[k]] += step * np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))
        t = (points - x)[:, entries.coordinates[k]] / step
        values = np.array([p.f(like(p.x, point)) for point in points]) - p.f(p.x)
        line = np.polynomial.Polynomial.fit(t, values, DEGREE, domain=[-1, 1])
        scatter, slope = np.std(values - line(t)) / step, line.deriv()(0.0) / step
        # Where f does not change at all its steps are lost, not a term of it.
        if value == 0 or scatter > EXACT * apart or not np.abs(slope - value) <= CLOSE * apart:
            return False
    return wrong.size > 0


@pytest.mark.slow
@FUZZ
@given(examples())
def test_right_gradients_never_fail_and_what_is_detectable_never_passes(e: Example):
    """Of random functions, points and mistakes."""
    event(f"right gradient: {judge(e).value}")


@pytest.mark.slow
def test_most_right_gradients_pass():
    """A checker that never decides would have no false alarms either."""
    outcomes: Counter[Outcome] = Counter()
    collect(lambda e: outcomes.update([judge(e)]), count=100)

    # Every tenth function or so is flat in all its digits, or noisy in them, at the point that was drawn.
    assert outcomes[Outcome.PASS] >= 0.8 * outcomes.total()


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "word"), [(0.01, "false alarm"), (100.0, "missed")])
def test_bars_of_a_hundredth_or_a_hundredfold_are_caught(factor: float, word: str):
    """The property fails for a checker with false alarms, and for one that misses what it says it would see."""
    with pytest.raises(AssertionError, match=word):
        collect(lambda e: judge(e, with_bars(factor)))


@pytest.mark.slow
def test_a_fixed_tolerance_is_caught():
    """`allclose` with central differences of step 1e-6, as many a test has it, is not good enough."""
    with pytest.raises(AssertionError, match=r"false alarm|missed"):
        collect(lambda e: judge(e, allclose))


# Shrunk from examples that once failed: f, its right gradient, and x.
SHRUNK = {
    # x[0] moves f by less than a digit; what 10,000 times its size shows is the slope of another part of f.
    "a step far beyond an entry": (
        lambda x: float(x[1] ** 2 + 2 * x[0] + np.exp(-(x[0] ** 2))),
        lambda x: np.array([2 - 2 * x[0] * np.exp(-(x[0] ** 2)), 2 * x[1]]),
        np.array([0.313, 4.77e7]),
    ),
    # Six points many periods apart all see the trend.
    "a ripple on a trend": (
        lambda x: float(np.sum(x - np.cos(0.1 * np.outer([4.5, -1.5, 3.5], x)).mean(axis=0))),
        lambda x: 1 + (np.array([4.5, -1.5, 3.5]) @ np.sin(0.1 * np.outer([4.5, -1.5, 3.5], x))) / 30,
        np.array([40.5, 3.12e7, 5.5, -6.57e-8, 7.22e7, 2.36e7]),
    ),
    # Steps in the scale of the first entry drown in the sum.
    "an entry that drowns in a sum": (
        lambda x: float(np.cos(x.sum())),
        lambda x: -np.sin(x.sum()) * np.ones(x.size),
        np.array([1.43e-7, 3.43e5, 11.2, -374.0, 7.55e3]),
    ),
}


@pytest.mark.parametrize("name", SHRUNK)
def test_a_right_gradient_that_once_failed_does_not(name: str):
    """Where steps mislead it may be undecided, but it is not wrong."""
    f, gradient, x = SHRUNK[name]

    assert gradcheck.check_gradient(f, gradient, x).outcome is not Outcome.FAIL


@pytest.mark.parametrize("name", SHRUNK)
def test_a_wrong_gradient_of_the_same_functions_fails(name: str):
    """Leniency for what cannot be seen is none for what can: the largest entry that f shows, twice too large."""
    f, gradient, x = SHRUNK[name]
    wrong = gradient(x)
    wrong[np.argmax(np.abs(wrong * np.minimum(np.abs(x), 1e3)))] *= 2

    assert gradcheck.check_gradient(f, wrong, x).outcome is Outcome.FAIL


def test_a_mistake_counts_as_far_as_f_shows_it():
    """f is 1e12 times one entry and once the other: of the latter no digit of f moves, whatever the former does."""
    x, true = {"a": np.ones(1), "b": np.ones(1)}, {"a": np.array([1e12]), "b": np.array([1e-6])}
    p = Problem(
        "apart", "clean", lambda x: float(1e12 * x["a"][0] + 1e-6 * x["b"][0]), lambda x: true, x, true, None
    )

    assert seen(p, np.array([0.0, -1e-6]), np.array([0.0, -1e-6])) == 0.0
    assert seen(p, np.array([0.3, -1e-6]), np.array([0.3, -1e-6])) == 3e-13
    assert seen(p, np.array([0.3, 1e3]), np.array([0.3, 1e3])) == 1e9
    assert seen(p, np.array([1e12, 1e6]), np.array([1e12, 1e6])) == 1e12


def lossy(grid: float = 0.0) -> Problem:
    """A tiny f beside a term that its float64 rounds away; on a grid of this size, if any."""

    def f(x: np.ndarray) -> float:
        value = 1e-9 * np.exp(x[0]) + np.log(1 + 5e-17 * np.exp(3 * x[0]))
        return float(np.rint(value / grid) * grid if grid else value)

    x = np.array([0.1])
    right = 1e-9 * np.exp(x) + 1.5e-16 * np.exp(3 * x)
    return Problem("lossy", "clean", f, lambda x: right, x, right, lambda: right)


def test_a_term_that_f_loses_is_no_false_alarm_and_whatever_else_differs_is_one():
    """Of one disagreement: f as it is computed, noise that nobody measured, and steps that were too long or drown."""
    p = lossy()
    report = gradcheck.check_gradient(p.f, p.grad, p.x, rtol=1e-8, method="sweep")
    assert report.outcome is Outcome.FAIL
    assert report.evidence is not None

    def with_value(factor: float) -> Any:
        entries = report.evidence.entries
        estimate = replace(entries.estimate, value=entries.estimate.value * factor)
        return replace(report, evidence=replace(report.evidence, entries=replace(entries, estimate=estimate)))

    assert as_computed(p, report)
    assert not as_computed(lossy(grid=1e-18), report)
    assert not as_computed(p, with_value(1 - 1e-6))
    assert not as_computed(p, with_value(0.0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_mistake_a_little_above_detectable_never_passes(seed: int):
    """Noise may take the numerical derivative towards the mistake, as far as its bar allows: that is counted in."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 2.0, 4)

    def f(x: np.ndarray) -> float:
        return round(float(np.sum(np.exp(x))), 7)

    detectable = gradcheck.check_gradient(f, np.exp(x), x, method="sweep").detectable
    unit = np.maximum(np.exp(x), np.sqrt(np.mean(np.exp(2 * x))))
    for i in range(4):
        # The report's unit is that of the numerical derivatives, which noise changes by less than a hundredth.
        for change in (1.01 * detectable * unit[i], -1.01 * detectable * unit[i]):
            wrong = np.exp(x) + change * (np.arange(4) == i)

            assert gradcheck.check_gradient(f, wrong, x, method="sweep").outcome is not Outcome.PASS


def collect(use: Callable[[Example], Any], count: int = 500) -> None:
    """Give examples to `use`, the same ones each time."""

    def each(e: Example) -> None:
        use(e)

    settings(BROKEN, max_examples=count)(given(examples())(each))()


def with_bars(factor: float) -> Callable[..., Any]:
    """Make the checker with other bars than it states."""

    def check(p: Problem, grad: Any, seed: int) -> Any:
        report = trials.check(p, grad, seed)
        if report.evidence is None:
            return report
        entries = report.evidence.entries
        value, error = entries.estimate.value, entries.estimate.error
        tau = report.rtol * np.maximum(np.abs(value), np.abs(entries.analytic))
        wrong = np.abs(entries.analytic - value) > factor * 3 * error + tau * max(factor, 1)
        told = report.outcome if report.outcome is not Outcome.FAIL else Outcome.PASS
        return replace(report, outcome=Outcome.FAIL if wrong.any() else told)

    return check


def allclose(p: Problem, grad: Any, seed: int) -> Any:
    """A checker without error bars, which claims to see one per mille."""
    x, g = flat(p.x).astype(float), flat(grad(p.x) if callable(grad) else grad)
    steps = 1e-6 * np.eye(x.size)
    slopes = np.array([(p.f(like(p.x, x + h)) - p.f(like(p.x, x - h))) / 2e-6 for h in steps])
    outcome = Outcome.PASS if np.allclose(g, slopes, rtol=1e-3) else Outcome.FAIL
    report = gradcheck.check_gradient(lambda x: float(x @ x), 2 * np.ones(1), np.ones(1))
    return replace(report, outcome=outcome, detectable=1e-3)
