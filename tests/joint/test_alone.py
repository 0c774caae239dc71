"""Entries judged by themselves: by four points where these are clear, else by stencils; values by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.function.objective import Objective
from gradcheck.joint.alone import judge_alone
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.verdict import Tolerance

X = np.array([1.0, 0.0, -2.0, 0.5])


def smooth(x: Any) -> float:
    """What the entries do by themselves."""
    return float(np.sum(np.exp(x)))


def judged(
    f: Callable[[Any], float],
    claimed: Any,
    *entries: int,
    step: float = 1e-3,
    level: float = 1e-15,
    expected: Any = None,
    **parts: Any,
) -> tuple[Entries, int]:
    """What is said of some entries of a claim, and with how many evaluations."""
    parameters, x = Parameters.of(parts.pop("x", X))
    objective = Objective(f, parameters, max_nfev=parts.pop("max_nfev", None))
    f_x = objective.value(x)
    scales = parts.pop("scales", np.where(x != 0, np.abs(x), 1.0))
    setting = Setting(objective, x, f_x, level, step, scales, Tolerance(1e-6), **parts)
    before = objective.nfev
    none: Any = None
    found = judge_alone(
        none, setting, np.asarray(claimed, float), np.array(entries, int), exact=False, expected=expected
    )
    return found, objective.nfev - before


def test_four_points_tell_a_wrong_entry_and_a_right_one():
    """Off by 5 %, and not off; within their bars."""
    claimed = np.exp(X) * [1.05, 1.0, 1.0, 1.0]
    for entry in (0, 2, 3):
        evidence, nfev = judged(smooth, claimed, entry, step=5e-4)
        assert nfev == 4
        assert (evidence.judgement.wrong[0], evidence.judgement.verified[0]) == (entry == 0, entry != 0)
        assert abs(evidence.estimate.value[0] - np.exp(X[entry])) <= 3.0 * evidence.estimate.error[0] <= 1e-5
    evidence, nfev = judged(smooth, claimed, 0, 2, 3, step=5e-4)
    assert (nfev, evidence.judgement.wrong.tolist()) == (12, [True, False, False])


def test_an_entry_at_0_takes_a_stencil():
    """It has no size; beside others these take four points."""
    claimed = np.exp(X) * [1.05, 1.0, 1.0, 1.0]
    evidence, nfev = judged(smooth, claimed, 0, 1, 2, step=5e-4)
    assert nfev == 4 + 6 + 4
    assert dict(zip(evidence.coordinates.tolist(), evidence.judgement.wrong.tolist(), strict=True)) == {
        0: True, 1: False, 2: False,
    }  # fmt: skip


@pytest.mark.parametrize(("off", "nfev"), [(1.6e-5, 4), (1.4e-5, 10)])
def test_an_entry_that_is_off_by_few_bars_takes_a_stencil(off: float, nfev: int):
    """The pairs differ by h^2 / 6 of the slope, 1.7e-7 of it: 3 E and 1e-6 are 1.5e-6, and ten times that decides."""
    evidence, count = judged(smooth, np.exp(X) * (1.0 + off), 0)
    assert evidence.judgement.wrong.tolist() == [True]
    assert count == nfev


def test_four_points_clear_nobody_whom_a_stencil_would_look_at_more_precisely():
    """Three bars, h^2 / 2, are what is accepted at 1.4e-3; beyond it a stencil follows."""
    for step, nfev in ((1.3e-3, 4), (1.5e-3, 10)):
        evidence, count = judged(smooth, np.exp(X), 0, step=step)
        assert evidence.judgement.verified.tolist() == [True]
        assert count == nfev


def test_what_is_claimed_beneath_the_noise_takes_a_stencil():
    """Thirty bars of noise, 3.02 n / h, are more than what is claimed: four points before it would be in vain."""
    for part, four in ((0.9, True), (1.1, False)):
        _, count = judged(smooth, np.exp(X), 0, level=part * 1e-3 * np.e / 90.6)
        assert count % 6 == (4 if four else 0)


def test_a_fast_oscillation_takes_more_than_four_points():
    """A right claim whose slope of 3e4 no point sees: what the pairs show is as small as their bar."""
    for rate in np.linspace(1e4, 3e4, 50):
        f = lambda x, rate=rate: float(np.sin(rate * x[0]) + x[1])  # noqa: E731
        claimed = [rate * np.cos(rate), 1.0, 0.0, 0.0]
        evidence, _ = judged(f, claimed, 0)
        assert not evidence.judgement.wrong.any()


def test_a_kink_takes_more_than_four_points():
    """The claim of one side where they see both."""
    evidence, nfev = judged(lambda x: float(abs(x[0] - 1.0) + x[2]), [1.0, 0.0, 1.0, 0.0], 0)
    assert nfev > 4
    assert not evidence.judgement.wrong.any()


def test_an_entry_far_smaller_than_its_step_takes_a_stencil():
    """An entry of a ten-thousandth of its scale is stepped by ten times itself."""
    for entry, four in ((1.01e-4, True), (0.99e-4, False)):
        x = np.array([entry, 1.0])
        _, nfev = judged(smooth, np.exp(x), 0, x=x, scales=np.ones(2))
        assert (nfev == 4) is four


def test_bounds_that_hold_an_entry_keep_it_from_four_points():
    """They have to lie beyond the step on both sides."""
    for room, four in ((1.1e-3, True), (0.9e-3, False)):
        _, nfev = judged(smooth, np.exp(X), 0, room=(np.full(4, 1.0), np.full(4, room)))
        assert (nfev == 4) is four


def test_four_points_leave_a_stencil_within_the_budget():
    """Of ten evaluations four may be in vain."""
    for left, four in ((10, True), (9, False)):
        _, nfev = judged(smooth, np.exp(X), 0, max_nfev=1 + left)
        assert (nfev == 4) is four
    assert judged(smooth, np.exp(X), max_nfev=1)[1] == 0


def test_four_points_off_the_domain_are_followed_by_a_stencil():
    """Which comes nearer: the logarithm of 1.0005 - x."""
    with np.errstate(invalid="ignore"):
        evidence, nfev = judged(lambda x: float(np.log(1.0005 - x[0])), [-2000.0, 0.0, 0.0, 0.0], 0)
    assert nfev > 10
    assert not evidence.judgement.wrong.any()


def test_an_entry_at_0_that_is_what_directions_say_takes_one_stencil():
    """Off by 5 %: one that is not what they say, or of which they say nothing, is looked at far nearer to 0."""
    claimed, right = np.exp(X) * 1.05, np.exp(X)
    evidence, nfev = judged(smooth, claimed, 1, step=5e-4, expected=right)
    assert (nfev, evidence.judgement.wrong.tolist()) == (6, [True])
    for expected in (None, right * 1.01, claimed):
        evidence, more = judged(smooth, claimed, 1, step=5e-4, expected=expected)
        assert evidence.judgement.wrong.tolist() == [True]
        assert more >= 12
    # A right claim is no less right for what directions say.
    evidence, _ = judged(smooth, right, 1, step=5e-4, expected=claimed)
    assert evidence.judgement.verified.tolist() == [True]
