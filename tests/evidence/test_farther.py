"""Longer steps verify what noise hides over short ones, and convict nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.evidence import farther, one_by_one
from gradcheck.evidence.entries import sweep
from gradcheck.evidence.farther import verify_farther
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

X = 1e-3 * np.array([1.0, -0.7, 1.6, 0.9])
SAID = "verified by longer steps, noise hiding too much over short ones"


def rounded(f: Callable[[Any], Any], places: int = 6) -> Callable[[Any], Any]:
    """The same with so many decimals."""
    return lambda x: np.round(f(x), places)


def residuals(x: np.ndarray) -> np.ndarray:
    """Straight over steps of 0.1, and a hundred times x there."""
    return np.concatenate([np.sin(x), np.exp(x[:2])])


def slopes(x: np.ndarray) -> np.ndarray:
    """The Jacobian of the residuals."""
    return np.vstack([np.diag(np.cos(x)), np.diag(np.exp(x))[:2]])


def test_a_right_jacobian_at_small_x_passes_with_six_decimals(monkeypatch: pytest.MonkeyPatch):
    """It is said how; without longer steps noise hides mistakes of 10 % and more."""
    report = check_jacobian(rounded(residuals), slopes, X, method="sweep")
    assert report.outcome is Outcome.PASS, report
    assert any(SAID in note for note in report.notes)
    assert report.detectable < 3e-3

    monkeypatch.setattr(one_by_one, "verify_farther", lambda _, evidence: evidence)
    before = check_jacobian(rounded(residuals), slopes, X, method="sweep")
    assert before.outcome is Outcome.INCONCLUSIVE
    # A stencil of six points a column.
    assert report.nfev == before.nfev + 6 * X.size


@pytest.mark.parametrize("off", [0.004, -0.004, 0.01, -0.01])
@pytest.mark.parametrize("place", [(0, 0), (2, 2), (4, 0), (1, 3)])
def test_what_is_off_by_more_than_is_said_to_be_seen_does_not_pass(off: float, place: tuple[int, int]):
    """Nor is it called wrong by longer steps: near x noise hides it."""
    right = check_jacobian(rounded(residuals), slopes, X, method="sweep")
    assert right.detectable < abs(off)
    wrong = slopes(X)
    wrong[place] += off
    report = check_jacobian(rounded(residuals), wrong, X, method="sweep")
    assert report.outcome is Outcome.INCONCLUSIVE, report


def measured(
    f: Callable[[Any], Any], claim: np.ndarray, x: np.ndarray, **options: Any
) -> tuple[Setting, Entries]:
    """What a sweep of a scalar f on a grid of 1e-6 says of a claim."""
    parameters, flat = Parameters.of(x)
    objective = Objective(rounded(f), parameters, **options)
    value = objective.value(flat)
    setting = Setting(
        objective, flat, value, np.abs(x), Tolerance(1e-6, 0.0, 1e-3), level=0.6e-6, relative_step=0.05
    )
    return setting, sweep(setting, claim, np.arange(x.size))


def newly(before: Entries, after: Entries) -> int:
    """How many entries were verified."""
    return int(np.count_nonzero(before.judgement.inconclusive & after.judgement.verified))


def smooth(x: np.ndarray) -> float:
    """Slopes of 2 cos(x) and 3."""
    return float(2.0 * np.sin(x[0]) + 3.0 * x[1])


ONE = np.ones(1, bool)
AT = np.array([1e-3, 2e-3])
RIGHT = np.array([2.0 * np.cos(1e-3), 3.0])


def test_the_step_is_as_long_as_noise_asks_for():
    """Twice that; one stencil of six points an entry, with which a slope of 3 is known to 1e-3."""
    setting, before = measured(smooth, RIGHT, AT)
    assert before.judgement.inconclusive.all()
    after = verify_farther(setting, before)
    count = newly(before, after)
    assert (count, after.judgement.inconclusive.any()) == (2, False)
    assert after.estimate.nfev == before.estimate.nfev + 12 == setting.objective.nfev - 1
    asked = 2.0 * 3.0 * before.estimate.error / (1e-3 * before.judgement.scale)
    assert after.estimate.step == pytest.approx(before.estimate.step * asked, rel=1e-6)
    assert np.abs(after.estimate.value - RIGHT).max() < 1e-3
    assert (np.abs(after.estimate.value - RIGHT) <= 3.0 * after.estimate.error).all()


@pytest.mark.parametrize(
    ("short", "times"), [(1.0, 4.0), (2.1, 4.2), (149.0, 298.0), (151.0, 300.0), (1e4, 300.0)]
)
def test_a_step_is_4_to_300_times_as_long(monkeypatch: pytest.MonkeyPatch, short: float, times: float):
    """Twice what the bar is short of, within that."""
    setting, before = measured(lambda x: 3.0 * x[0], np.array([3.0]), AT[:1])
    error = short * 1e-3 * before.judgement.scale / 3.0
    other = replace(before, estimate=replace(before.estimate, error=error, step=np.full(1, 1e-4)))
    asked: list[float] = []
    once = farther.measure_once

    def noted(setting: Setting, entries: Any, steps: Any) -> Any:
        asked.extend(steps.tolist())
        return once(setting, entries, steps)

    monkeypatch.setattr(farther, "measure_once", noted)
    verify_farther(setting, other)
    assert asked == pytest.approx([1e-4 * times], rel=1e-12)


@pytest.mark.parametrize(
    ("f", "claim"),
    [
        # At 0.001 the slope is 1, and over longer steps 0, or 0.5 on the two sides of 0.
        (lambda x: abs(x[0]), 0.0),
        (lambda x: abs(x[0]), 1.0),
        (lambda x: max(x[0], 0.0), 0.5),
        # 1 + 0.42: what noise shows of it is no 1.
        (lambda x: x[0] + 1e-3 * np.tanh(x[0] / 1e-3), 1.0),
        # Faster than the steps.
        (lambda x: 1e-3 * np.sin(1e3 * x[0]), 0.0),
        # Off the domain.
        (lambda x: 1e-3 * np.log(x[0]), 1.0),
    ],
)
def test_a_slope_that_f_has_farther_away_alone_is_not_verified(f: Any, claim: float):
    """Kinks, another slope nearer to x, oscillations, edges."""
    with np.errstate(invalid="ignore", divide="ignore"):
        setting, before = measured(f, np.array([claim]), AT[:1])
        open_ = replace(
            before,
            judgement=replace(
                before.judgement,
                wrong=np.zeros(1, bool),
                verified=np.zeros(1, bool),
            ),
            estimate=replace(before.estimate, limit=np.array([Limit.NOISE], object)),
        )
        after = verify_farther(setting, open_)
        count = newly(open_, after)
    assert count == 0
    assert after.judgement.inconclusive.all()


@pytest.mark.parametrize(("claim", "count"), [(0.0, 2), (1e-4, 1)])
def test_an_f_that_does_not_move_bears_out_a_claim_of_0_alone(claim: float, count: int):
    """A slope of 1e-4 is within the bar beside one of 3; what does not move may be rounded away."""
    setting, before = measured(lambda x: 3.0 * x[1], np.array([claim, 3.0]), AT)
    assert before.judgement.inconclusive.all()
    after = verify_farther(setting, before)
    verified = newly(before, after)
    assert verified == count
    assert after.judgement.inconclusive.tolist() == [count == 1, False]


def test_a_slope_that_contradicts_what_is_known_nearer_to_x_is_not_verified():
    """By more than the bars of both, in either direction; that of the longer step is a fifth of the other's."""
    setting, before = measured(smooth, RIGHT, AT)
    for off, count in ((1.1, 2), (-1.1, 2), (1.3, 0), (-1.3, 0)):
        moved = before.estimate.value + off * 3.0 * before.estimate.error
        other = replace(before, estimate=replace(before.estimate, value=moved))
        assert newly(other, verify_farther(setting, other)) == count


def test_the_entries_of_a_column_take_the_step_of_the_one_that_needs_the_longest():
    """Of slopes of 0.1 and 1 noise hides ten times as much of the first."""
    report = check_jacobian(
        rounded(lambda x: np.array([0.1, 1.0, 0.3]) * x[0]),
        np.array([[0.1], [1.0], [0.3]]),
        10.0 * AT[:1],
        method="sweep",
    )
    assert report.outcome is Outcome.PASS, report
    assert any(f"3 entries were {SAID}" in note for note in report.notes)


def test_nothing_is_asked_where_it_cannot_help():
    """Something is wrong, nothing is open, it is no noise, no bar is known, or no budget is left."""
    setting, before = measured(smooth, RIGHT, AT)
    spent = setting.objective.nfev
    judgement, estimate = before.judgement, before.estimate
    for parts in (
        {"judgement": replace(judgement, wrong=np.array([True, False]))},
        {"judgement": replace(judgement, verified=np.ones(2, bool))},
        {"estimate": replace(estimate, limit=np.full(2, Limit.KINK, object))},
        {"estimate": replace(estimate, error=np.full(2, np.inf))},
    ):
        given = replace(before, **parts)
        after = verify_farther(setting, given)
        count = newly(given, after)
        assert (count, setting.objective.nfev) == (0, spent)
        assert after.judgement.verified.tolist() == given.judgement.verified.tolist()
    for left, taken in ((11, 0), (12, 12)):
        setting, before = measured(smooth, RIGHT, AT, max_nfev=spent + left)
        assert setting.objective.nfev == spent
        assert newly(before, verify_farther(setting, before)) == (2 if taken else 0)
        assert setting.objective.nfev == spent + taken


def test_an_interruption_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch):
    """And ends the check: nothing else is asked."""
    calls = [0]

    def f(x: np.ndarray) -> float:
        calls[0] += 1
        if calls[0] > stop[0]:
            raise KeyboardInterrupt
        return smooth(x)

    stop = [10**6]
    setting, before = measured(f, RIGHT, AT)
    stop[0] = calls[0] + 3
    with monkeypatch.context() as patched:
        patched.setattr(one_by_one, "sweep", lambda *_: before)
        patched.setattr(one_by_one, "averaged", None)
        after, notes = one_by_one.one_by_one(setting, before.analytic, before.coordinates, "sweep", 0)
    assert (after.interrupted, newly(before, after), notes) == (True, 0, [])


@pytest.mark.parametrize("seed", range(5))
def test_a_gradient_at_small_x_is_verified_too(seed: int):
    """A loss with seven decimals, and weights as small as they begin."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(3, 5)), 1e-3 * rng.normal(size=5)

    def loss(x: np.ndarray) -> float:
        return float(np.sum(np.log1p(np.exp(a @ x))))

    gradient = a.T @ (1.0 / (1.0 + np.exp(-(a @ x))))
    report = check_gradient(rounded(loss, 7), gradient, x, rng=seed, method="sweep")
    assert report.outcome is Outcome.PASS, report
