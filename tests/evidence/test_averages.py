"""Noise that hides a little more than the resolution is averaged away, and nothing is convicted by an average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.corpus.disturbed import noisy
from gradcheck import GradientCheckInterrupted, Outcome, check_gradient
from gradcheck.evidence import one_by_one
from gradcheck.evidence.averages import averaged
from gradcheck.evidence.entries import decide, sweep
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

X = np.array([0.5, 1.0, 1.5])
NOISE = 4e-6


def clean(x: np.ndarray) -> float:
    """A sum of exponentials."""
    return float(np.sum(np.exp(x)))


f = noisy(NOISE)(clean)
SEEDS = [seed for seed in range(10) if seed not in (2, 4)]  # with these the noise stays too large


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_gradient_in_noise_of_twice_the_resolution_passes(seed: int, monkeypatch: pytest.MonkeyPatch):
    """And is said to do so; without averages it would be undecided, at two evaluations in three."""
    report = check_gradient(f, np.exp, X, rng=seed)

    assert report.outcome is Outcome.PASS
    assert any("verified by averages of several differences, one being too noisy" in n for n in report.notes)
    monkeypatch.setattr(one_by_one, "averaged", lambda _, evidence: evidence)
    alone = check_gradient(f, np.exp, X, rng=seed)
    assert alone.outcome is Outcome.INCONCLUSIVE
    assert alone.detectable > report.detectable
    # Eight stencils at the least, and no more than twice what was spent.
    assert alone.nfev + 48 <= report.nfev <= 3 * alone.nfev


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("times", [1.05, -1.05, 5.0, -5.0])
def test_what_is_said_to_be_detectable_never_passes(seed: int, at: int, times: float):
    """Nor do five times that: averages do not bend towards what they are asked."""
    detectable = check_gradient(f, np.exp, X, rng=seed).detectable
    wrong = np.exp(X)
    wrong[at] += times * detectable * max(wrong[at], np.sqrt(np.mean(np.exp(2 * X))))

    assert check_gradient(f, wrong, X, rng=seed).outcome is not Outcome.PASS


def test_noise_of_ten_times_the_resolution_is_not_averaged():
    """More than 128 stencils an entry would be needed: it is said as before, after as many evaluations as before."""
    report = check_gradient(noisy(1e-4)(clean), np.exp, X)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.nfev < 100


def measured(function: Any = f, **options: Any) -> tuple[Setting, Entries]:
    """What a sweep with noise of the true size leaves open, of the right gradient."""
    parameters, flat = Parameters.of(X)
    objective = Objective(function, parameters)
    level = 2.0 * NOISE * clean(X)
    setting = Setting(
        objective,
        flat,
        f(X),
        np.abs(X),
        Tolerance(1e-6, 0.0, 1e-3),
        level=level,
        relative_step=0.05,
        **options,
    )
    return setting, sweep(setting, np.exp(X), np.arange(3))


def newly(before: Entries, after: Entries) -> int:
    """How many entries were verified."""
    return int(np.count_nonzero(before.judgement.inconclusive & after.judgement.verified))


def shifted(k: int) -> Callable[[np.ndarray], float]:
    """The same function and as much noise, other one: of a point so near that the two differ by 1e-17 of f."""
    return lambda x: f(x + 1e-9 * k) - 1e-9 * k * clean(x)


@pytest.mark.slow
def test_the_mean_of_many_stencils_has_a_smaller_bar_that_holds_the_truth():
    """By the law of large numbers: of 60 functions with the same noise, three entries each."""
    inside, verified, smaller = 0, 0, []
    for k in range(60):
        setting, evidence = measured(shifted(k))
        assert not evidence.judgement.wrong.any()
        mean = averaged(setting, evidence)
        verified += newly(evidence, mean)
        at = evidence.judgement.inconclusive & mean.judgement.verified
        off = np.abs(mean.estimate.value - np.exp(X))[at]
        inside += int((off <= 3.0 * mean.estimate.error[at]).sum())
        smaller += (mean.estimate.error / evidence.estimate.error)[at].tolist()

    assert verified > 60
    assert inside == verified
    assert max(smaller) < 1.0
    assert np.median(smaller) < 0.6


def test_an_average_that_contradicts_the_gradient_leaves_it_open():
    """It verifies and never convicts; and what contradicts the first estimate says nothing at all."""
    setting, evidence = measured(shifted(1))
    open_rows = evidence.judgement.inconclusive.tolist()
    assert any(open_rows)
    # The bars of single stencils hide this, those of averages do not. The last one is verified.
    off = evidence.estimate.value + 0.99 * evidence.judgement.allowed * np.array([1.0, -1.0, 0.0])
    other = replace(evidence, analytic=off, judgement=decide(setting, evidence.estimate, off, np.arange(3)))
    assert other.judgement.inconclusive.tolist() == open_rows

    after = averaged(setting, other)
    count = newly(other, after)

    assert count == 0
    assert after.judgement.inconclusive.tolist() == open_rows
    assert after.estimate.nfev > evidence.estimate.nfev
    elsewhere = open_ones(evidence, value=evidence.estimate.value * 1.1)
    assert newly(elsewhere, averaged(setting, elsewhere)) == 0
    assert newly(evidence, averaged(setting, evidence)) > 0


def open_ones(evidence: Entries, **parts: Any) -> Entries:
    """The same, with some fields of the estimate changed."""
    return replace(evidence, estimate=replace(evidence.estimate, **parts))


def test_what_averages_cannot_help_is_left_as_it_is():
    """A kink, an end of an interval, a mistake beside it, no budget, nothing open: not an evaluation more."""
    setting, evidence = measured()
    spent = setting.objective.nfev
    nan, infinite = np.full(3, np.nan), np.full(3, np.inf)
    wrong = replace(evidence.judgement, wrong=np.array([True, False, False]))
    nothing = replace(evidence.judgement, verified=np.ones(3, bool))
    for left in (
        open_ones(evidence, limit=np.full(3, Limit.KINK, object)),
        open_ones(evidence, limit=np.full(3, Limit.TRUNCATION, object)),
        open_ones(evidence, left=nan),
        open_ones(evidence, right=nan),
        open_ones(evidence, error=infinite),
        open_ones(evidence, error=9.0 * setting.tolerance.resolution * np.exp(X)),
        replace(evidence, judgement=wrong),
        replace(evidence, judgement=nothing),
    ):
        after = averaged(setting, left)
        count = newly(left, after)
        assert after is left
        assert count == 0
    assert setting.objective.nfev == spent
    few = replace(setting, objective=Objective(f, setting.parameters, max_nfev=47))
    few.objective.nfev = 40
    assert newly(evidence, averaged(few, evidence)) == 0


def test_a_kink_that_most_stencils_see_is_none_of_noise():
    """Then there is no bar, and nothing is verified."""
    setting, evidence = measured(lambda x: f(x) + 0.01 * abs(x - X).sum())
    smooth = measured()[1]
    before = replace(smooth, analytic=np.exp(X))

    after = averaged(setting, before)
    count = newly(before, after)

    assert count == 0
    assert after.judgement.inconclusive.tolist() == smooth.judgement.inconclusive.tolist()
    assert evidence.judgement.inconclusive.any()


def test_an_interruption_leaves_a_report():
    """In the middle of the averages."""
    most = check_gradient(f, np.exp, X, rng=0).nfev
    calls: list[int] = []

    def interrupting(x: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == most - 5:
            raise KeyboardInterrupt
        return f(x)

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(interrupting, np.exp, X, rng=0)
    assert caught.value.report.interrupted
    assert caught.value.report.outcome is Outcome.INCONCLUSIVE
