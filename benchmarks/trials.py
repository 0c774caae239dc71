"""The trials behind benchmarks/verdicts.py: each runs the checker on the corpus and records what it said.

Nothing is judged here; the records hold what is needed to judge: the true size of a mistake, the true error of an
estimate. A size is relative to the larger of the entry itself and the root mean square of its array, the unit of
`Report.detectable`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradcheck
from benchmarks.corpus import Pair, Problem, flat, like
from gradcheck import mutations

# Words of a report's reason for each cause, the more telling first.
CAUSES = (
    ("constant", ("does not depend", "constant", "did not change")),
    ("kink", ("kink",)),
    ("jump", ("jump", "not continuous")),
    ("domain", ("domain", "not finite", "nan", "inf ")),
    ("truncation", ("bends", "oscillates")),
    ("noise", ("noise",)),
)
EXPECTED = {
    "near a kink": {
        "kink",
        "jump",
        "truncation",
        "noise",
        "constant",
    },  # beside its kink a rectifier is constant
    "on a kink": {"kink", "jump"},
    "domain edge": {"domain", "noise", "truncation"},
    "constant": {"constant", "jump"},
    "oscillating": {"truncation", "noise"},
    "clean": set(),
    "stationary": {"noise"},
    "badly scaled": {"noise"},
}
NOISY = {"noise"}  # what limits every other category


@dataclass(frozen=True)
class Right:
    """A right gradient judged. size of the unit: see the module."""

    name: str
    category: str
    n: int
    outcome: str
    reason: str
    cause: str
    nfev: int
    detectable: float
    rtol: float
    kinked: bool
    off: float  # how far the right gradient is from the truth, relative

    @property
    def named_rightly(self) -> bool:
        return self.cause in EXPECTED.get(self.category, NOISY)


@dataclass(frozen=True)
class Planted:
    """A mistake judged. known : what the report on the right gradient said would be seen; size : what was done."""

    name: str
    category: str
    mutation: str
    size: float
    outcome: str
    detectable: float
    known: float
    reason: str

    @property
    def above(self) -> bool:
        """Whether a report that passes it contradicts its own statement, or that on the right gradient."""
        return self.size > self.detectable or self.size > self.known


@dataclass(frozen=True)
class Honesty:
    """An error of `factor` times what the report said is detectable, planted in one entry."""

    name: str
    category: str
    factor: float
    index: int
    detectable: float
    outcome: str


@dataclass(frozen=True)
class Bar:
    """An estimate beside the truth: error and bar in units of x's derivative, and the scale of both.

    error : |estimate - truth| beyond the problem's own bias.
    """

    name: str
    category: str
    error: float
    bar: float
    scale: float
    nfev: int

    def outside(self, bars: float) -> bool:
        """Whether the truth lies outside so many bars; an infinite bar, or none, holds everything."""
        return bool(np.isfinite(self.bar)) and not self.error <= bars * self.bar


def units(p: Problem) -> np.ndarray:
    """Give the size that a mistake in each entry is relative to, from the truth alone.

    At a stationary point that is what the gradient becomes one scale of x away.
    """
    true = np.nan_to_num(flat(p.true))
    if p.category == "stationary":
        x = flat(p.x)
        away = np.maximum(np.abs(x), 1.0) * np.random.default_rng(5).choice([-1.0, 1.0], x.size)
        true = np.maximum(np.abs(true), np.abs(flat(p.grad(like(p.x, x + away)))))
    ends = np.cumsum([np.size(leaf) for leaf in (p.x.values() if isinstance(p.x, dict) else [p.x])])
    sizes = [np.full(part.size, np.sqrt(np.mean(part**2))) for part in np.split(true, ends[:-1])]
    return np.maximum(np.abs(true), np.concatenate(sizes))


def relative(change: np.ndarray, unit: np.ndarray) -> float:
    """Give the largest change relative to its unit; infinite where something that has no size was changed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.where(change == 0, 0.0, np.abs(change) / unit)
    return float(np.max(np.where(np.isnan(sizes), np.inf, sizes), initial=0.0))


def cause_of(report: Any) -> str:
    """Read the cause that an INCONCLUSIVE report names."""
    text = report.reason.removesuffix(f"; {report.advice}").lower()
    return next((cause for cause, words in CAUSES if any(word in text for word in words)), "other")


def check(p: Problem, grad: Any, seed: int) -> Any:
    """Run the checker, silent about what f itself warns of."""
    with np.errstate(all="ignore"):
        return gradcheck.check_gradient(p.f, grad, p.x, rng=seed)


def judge_right(problems: Iterable[Problem], seed: int) -> list[Right]:
    """Judge the right gradient of every problem."""
    found = []
    for p in problems:
        report = check(p, p.grad, seed)
        cause = cause_of(report) if report.outcome is gradcheck.Outcome.INCONCLUSIVE else ""
        truth = flat(p.true)
        off = relative(np.where(np.isnan(truth), 0.0, flat(p.grad(p.x)) - truth), units(p))
        found.append(
            Right(
                p.name,
                p.category,
                p.n,
                report.outcome.value,
                report.reason,
                cause,
                report.nfev,
                report.detectable,
                report.rtol,
                bool(np.isnan(truth).any()),
                off,
            )
        )
    return found


def judge_planted(problems: Iterable[Problem], right: dict[str, Right], seed: int) -> list[Planted]:
    """Plant every standard mutation in every problem that has a derivative, and judge it.

    A mistake counts as planted only where it changes the gradient by more than rounding: ten times what the right
    gradient itself is off, and 1e-10 of the unit.
    """
    found = []
    for p in problems:
        known, unit = right[p.name], units(p)
        if known.kinked:
            continue
        analytic = p.grad(p.x)
        for k, mutation in enumerate(mutations.standard_mutations(p.grad)):
            with np.errstate(all="ignore"):
                wrong = mutation.apply(analytic, p.x, np.random.default_rng([seed, k]))
            if wrong is None:
                continue
            size = relative(flat(wrong).astype(float) - flat(p.true), unit)
            if size < max(10 * known.off, 1e-10):
                continue
            report = check(p, wrong, seed)
            found.append(
                Planted(
                    p.name,
                    p.category,
                    mutation.name,
                    size,
                    report.outcome.value,
                    report.detectable,
                    known.detectable,
                    report.reason,
                )
            )
    return found


def judge_honesty(
    problems: Iterable[Problem], right: dict[str, Right], seed: int, repeats: int
) -> list[Honesty]:
    """Plant twice what the report said is detectable in entries drawn at random, and a tenth of it.

    `detectable` speaks of the worst entry of all: twice that must be seen anywhere. A tenth may well be seen in
    a better entry, and rightly: it is planted where the error bar is the worst. Stationary points are left out:
    what an error is relative to where the gradient is zero is the checker's choice.
    """
    found = []
    for p in problems:
        known = right[p.name]
        if (
            known.outcome != "PASS"
            or known.kinked
            or p.category == "stationary"
            or not 0 < known.detectable < 0.5
        ):
            continue
        rng = np.random.default_rng([seed, p.n])
        analytic, unit = flat(p.grad(p.x)), units(p)
        bars = _bars(p, seed)
        allowed = (3 * bars + known.rtol * np.abs(analytic)) / np.where(unit > 0, unit, np.inf)
        worst = int(np.argmax(allowed))
        places = (
            [(2.0, int(i)) for i in rng.choice(np.flatnonzero(unit > 0), repeats)] if (unit > 0).any() else []
        )
        for factor, index in [*places, (0.1, worst)]:
            wrong = analytic.copy()
            # Away from zero: towards it the entry's own size, and with it the tolerance, would shrink.
            wrong[index] += factor * known.detectable * unit[index] * (1 if wrong[index] >= 0 else -1)
            report = check(p, like(p.x, wrong), seed)
            found.append(Honesty(p.name, p.category, factor, index, known.detectable, report.outcome.value))
    return found


def _bars(p: Problem, seed: int) -> np.ndarray:
    """The bar of every entry: those of the check itself, or of its own where the check took whole arrays."""
    behind = getattr(check(p, p.grad, seed), "evidence", None)
    if behind is not None and behind.entries.coordinates.size == p.n:
        return np.asarray(behind.entries.estimate.error, float)
    with np.errstate(all="ignore"):
        return flat(gradcheck.gradient(p.f, p.x, rng=seed).error).astype(float)


def measure_pairs(pairs: Iterable[Pair]) -> list[Bar]:
    """Compare `gradcheck.derivative` with the true slope of every pair."""
    found = []
    for pair in pairs:
        with np.errstate(all="ignore"):
            got = gradcheck.derivative(pair.phi, pair.t)
        scale = max(abs(pair.slope), abs(pair.phi(pair.t)) / max(abs(pair.t), 1.0))
        found.append(
            Bar(
                pair.name,
                pair.category,
                abs(float(got.value) - pair.slope),
                float(got.error),
                scale,
                got.nfev,
            )
        )
    return found


def measure_gradients(problems: Iterable[Problem], seed: int) -> list[Bar]:
    """Compare every entry of `gradcheck.gradient` with the truth, where there is one."""
    found = []
    for p in problems:
        with np.errstate(all="ignore"):
            got = gradcheck.gradient(p.f, p.x, rng=seed)
        true, value, error = flat(p.true), flat(got.value).astype(float), flat(got.error).astype(float)
        unit = units(p)
        bias = p.bias * float(np.nanmax(np.abs(true), initial=0.0))
        found += [
            Bar(
                f"{p.name} [{i}]",
                p.category,
                max(0.0, abs(value[i] - true[i]) - bias),
                error[i],
                unit[i],
                got.nfev,
            )
            for i in np.flatnonzero(np.isfinite(true))
        ]
    return found


def own_seconds(method: str, n: int = 100, repeats: int = 9) -> tuple[float, int]:
    """Time the library itself: median seconds of a check of n coordinates without f's own, and its evaluations."""
    x = np.random.default_rng(0).normal(size=n)
    problems: tuple[Callable[..., Any], Callable[..., Any]] = (lambda x: float(x @ x), lambda x: 2 * x)
    f, grad = problems
    report = gradcheck.check_gradient(f, grad, x, method=method)
    spent, own = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        gradcheck.check_gradient(f, grad, x, method=method)
        spent.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(report.nfev):
            f(x)
        own.append(time.perf_counter() - start)
    return float(np.median(spent)) - float(np.median(own)), report.nfev
