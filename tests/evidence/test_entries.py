"""Evidence from every coordinate, looked at from nearer where something else speaks against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck.evidence.entries import decide, look_nearer, sweep
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.evidence import NO_DOUBTS, Doubts, Evidence
from gradcheck.results.verdict import Tolerance

X = np.array([0.3, 1.2, 2.0])


def f(x: np.ndarray) -> float:
    """A sum of exponentials."""
    return float(np.sum(np.exp(x)))


def setting(function: Callable[[np.ndarray], float] = f, max_nfev: int | None = None) -> Setting:
    """A check of f at X, whose noise is a few roundings."""
    objective = Objective(function, Parameters.of(X)[0], max_nfev=max_nfev)
    return Setting(objective, X, f(X), 1e-15, 1e-3, np.abs(X), Tolerance(1e-6, 0.0, 1e-3))


def crude(s: Setting, analytic: np.ndarray, error: float, value: np.ndarray | None = None) -> Evidence:
    """Evidence on every entry with bars that are much wider than need be."""
    found = sweep(s, analytic, np.arange(3))
    wide = replace(
        found.estimate, error=np.full(3, error), value=found.estimate.value if value is None else value
    )
    return replace(found, estimate=wide, judgement=decide(s, wide, analytic, np.arange(3)))


def off(by: float) -> np.ndarray:
    """The gradient with its middle entry off by so much."""
    return np.exp(X) + np.array([0.0, by, 0.0])


def doubts(apart: float, at: int = 1) -> Doubts:
    """One entry that seems to be off, by a difference of step 1e-3."""
    return Doubts(np.array([at]), np.array([1e-3]), np.array([apart]))


@pytest.mark.parametrize("by", [1e-4, -1e-4])
def test_a_mistake_that_a_wide_bar_hides_is_wrong_from_near(by: float):
    """Of 1e-4, beside a bar of 5e-4; what it was measured by before stays for the others."""
    s = setting()
    before = crude(s, off(by), 5e-4)
    assert before.judgement.verified.all()

    after = look_nearer(s, before, doubts(1e-4))

    assert after.wrong.tolist() == [1]
    assert after.estimate.value[1] == pytest.approx(np.exp(1.2), rel=1e-9)
    assert after.estimate.error.tolist()[::2] == [5e-4, 5e-4]
    assert after.estimate.error[1] < 1e-8
    assert after.estimate.step[1] < 1.01e-3
    assert after.estimate.nfev >= before.estimate.nfev + 6
    assert before.judgement.verified.all(), "the evidence that was given is not changed"


def test_a_right_entry_that_was_doubted_is_known_better():
    """Nothing is called wrong by doubts alone."""
    s = setting()

    after = look_nearer(s, crude(s, off(0.0), 5e-4), doubts(1e-4))

    assert after.judgement.verified.all()
    assert after.estimate.error[1] < 1e-8


@pytest.mark.parametrize(
    ("by", "doubted"),
    [
        (0.0, NO_DOUBTS),
        # Within rtol of 3.32.
        (3e-6, doubts(3e-6)),
        # More than the bar hides: it has spoken already.
        (0.0, doubts(2e-3)),
        # The verdict stands: the middle entry is wrong as it is.
        (1.0, doubts(1e-4, at=0)),
        (0.0, doubts(np.nan)),
    ],
)
def test_what_no_bar_hides_is_not_looked_at(by: float, doubted: Doubts):
    """Not an evaluation, and the very same evidence."""
    s = setting()
    before = crude(s, off(by), 5e-4)
    spent = s.objective.nfev

    assert look_nearer(s, before, doubted) is before
    assert s.objective.nfev == spent


def test_without_a_budget_it_stays_as_it_is():
    """Five evaluations are not enough for one entry."""
    s = setting()
    before = crude(s, off(1e-4), 5e-4)
    spent = s.objective.nfev
    few, enough = (replace(s, objective=Objective(f, s.parameters, max_nfev=n)) for n in (5, 6))

    assert s.objective.nfev == spent
    assert look_nearer(few, before, doubts(1e-4)) is before
    assert look_nearer(enough, before, doubts(1e-4)).estimate.error[1] < 1e-8


def test_two_estimates_that_contradict_each_other_leave_the_first():
    """0.01 apart with bars of 5e-4: one of them is not what it says, and nobody is accused of that."""
    s = setting()
    before = crude(s, off(0.01), 5e-4, value=off(0.01))
    assert before.judgement.verified.all()

    after = look_nearer(s, before, doubts(1e-3))

    assert after.judgement.verified.all()
    assert after.estimate.error[1] == 5e-4


def test_steps_that_drown_inside_f_are_no_better_witness():
    """An f that sees three decimals of x does not move by steps of 1e-5: that is no derivative of 0."""
    s = replace(setting(), tolerance=Tolerance(1e-6, 0.0, 0.9))
    before = crude(s, off(0.0), 1.2)
    assert before.judgement.verified.all()
    coarse = replace(s, objective=Objective(lambda x: f(np.round(x, 3)), s.parameters))
    doubted = Doubts(np.array([1]), np.array([1e-5]), np.array([1.0]))

    after = look_nearer(coarse, before, doubted)

    assert coarse.objective.nfev > 0
    assert after.judgement.verified.all()
    assert after.estimate.error[1] == 1.2


def test_an_interruption_is_told():
    """What was known stays known."""
    calls: list[int] = []

    def interrupting(x: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return f(x)

    s = setting()
    before = crude(s, off(1e-4), 5e-4)
    after = look_nearer(replace(s, objective=Objective(interrupting, s.parameters)), before, doubts(1e-4))

    assert after.interrupted
    assert after.estimate is before.estimate
    again: Any = look_nearer(s, after, doubts(1e-4))
    assert again is after
