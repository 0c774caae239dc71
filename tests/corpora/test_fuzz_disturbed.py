"""The random functions with noise, rounding or a large constant on top: what is said of them has to hold, too.

As `tests/corpora/test_fuzz.py`, 250 at every run and 20,000 others with --hypothesis-profile=nightly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from test_fuzz import BROKEN, DIGITS, FUZZ, NIGHTLY, Example, agreed, examples, judge, with_bars

import gradcheck
from benchmarks import trials
from benchmarks.corpus import Problem, disturbed, flat, like
from benchmarks.peer_corpus import noise
from gradcheck import Outcome

# Values that six decimals and 1e6 leave digits of.
VALUES = (0.1, 1e4)
# Radians that the argument of a sine may run through while x changes by its own size. Under a disturbance the steps are
# long: where they skip whole periods is a limit that docs/log/limits.md names.
SLOW = 20.0
# A slope that has changed by this part of itself is another one.
ANOTHER = 0.5


@st.composite
def disturbances(draw: st.DrawFn) -> Example:
    """An example of the fuzzing of smooth functions, whose f is disturbed and whose gradient stays right."""
    e = draw(examples())
    category, name, disturb = draw(st.sampled_from(disturbed.DISTURBANCES))
    p, wrong = e.problem, flat(e.wrong)
    with np.errstate(all="ignore"):
        assume(VALUES[0] <= abs(p.f(p.x)) <= VALUES[1])
        assume(e.function.calm(p.x, fastest=SLOW))
        if category == "float32":
            # f means the point that it is given: one that float32 holds.
            planted = wrong - flat(p.grad(p.x))
            p = disturbed.at_float32(p)
            assume(agreed(p))
            wrong = flat(p.grad(p.x)) + planted
    p = replace(p, name=f"{p.name}, {name}", category=category, f=disturb(p.f), note=name)
    return replace(e, x=p.x, problem=p, wrong=like(p.x, wrong))


def lucky(p: Problem, right: Any) -> bool:
    """Whether a few entries of an f that is noisier than its digits show were borne out by two evaluations each.

    One mistake in a thousand passes so: docs/log/limits.md, "A few coordinates that agree by luck".
    """
    return bool(right.nfev == 2 * p.n + 1 and p.category.startswith("noise"))


def hidden(p: Problem, report: Any) -> bool:
    """Whether each slope that is called wrong has become another one where f begins to show it.

    Over a distance at which it moves f by more than the noise: docs/log/limits.md, "An entry that is 0".
    """
    with np.errstate(all="ignore"):
        x, slopes = flat(p.x), flat(p.grad(p.x))
    for mistake in report.wrong:
        k = mistake.flat_index
        there = x.copy()
        there[k] += DIGITS * noise(p) / abs(slopes[k])
        with np.errstate(all="ignore"):
            slope = flat(p.grad(like(p.x, there)))[k]
        if not abs(slope - slopes[k]) > ANOTHER * abs(slopes[k]):
            return False
    return bool(report.wrong)


def judged(e: Example, check: Callable[..., Any] = trials.check) -> str:
    """What is said of the right gradient; AssertionError for a false alarm, or a mistake that passes."""
    reports: list[Any] = []

    def noted(p: Problem, grad: Any, seed: int) -> Any:
        reports.append(check(p, grad, seed))
        return reports[-1]

    try:
        return judge(e, noted).value
    except AssertionError as error:
        if str(error).startswith("missed") and lucky(e.problem, reports[0]):
            return "luck"
        if str(error).startswith("false alarm") and hidden(e.problem, reports[0]):
            return "hidden"
        raise


@pytest.mark.slow
@settings(FUZZ, max_examples=FUZZ.max_examples if NIGHTLY else 250)
@given(disturbances())
def test_of_disturbed_functions_no_right_gradient_fails_and_what_is_detectable_does_not_pass(e: Example):
    """Noise of 1e-9 and 1e-8, eight digits, six decimals, float32, an offset of 1e6."""
    event(f"{e.problem.note}: {judged(e)}")


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "word"), [(0.01, "false alarm"), (100.0, "missed")])
def test_bars_of_a_hundredth_or_a_hundredfold_are_caught_here_too(factor: float, word: str):
    """The property can fail."""
    with pytest.raises(AssertionError, match=word):
        BROKEN(given(disturbances())(lambda e: judged(e, with_bars(factor)) and None))()


def test_luck_is_that_of_two_evaluations_an_entry_in_noise_alone():
    """No excuse for a check that measured more, or for a function without noise."""
    x = np.array([0.3])
    p = Problem("exp", "noise 1e-8", lambda x: float(np.exp(x[0])), np.exp, x, np.exp(x), lambda: np.exp(x))
    short = gradcheck.check_gradient(p.f, p.grad, x)
    long = gradcheck.check_gradient(p.f, p.grad, x, method="sweep")
    assert short.outcome is long.outcome is Outcome.PASS

    assert lucky(p, short)
    assert not lucky(p, long)
    assert not lucky(replace(p, category="rounded"), short)


@pytest.mark.parametrize(("width", "excused"), [(1e-3, False), (1e-6, True)])
def test_hidden_is_a_slope_that_noise_outlasts_and_no_other(width: float, excused: bool):
    """Of slope 2e-3 at 0 and flat beyond `width`: 32 units in the last place of 1e6 take 4e-6."""

    def grad(x: np.ndarray) -> np.ndarray:
        return 2e-3 / np.cosh(x / width) ** 2

    x = np.zeros(1)
    p = Problem(
        "tanh",
        "offset by 1e6",
        lambda x: 2e-3 * width * np.tanh(x[0] / width) + 1e6,
        grad,
        x,
        grad(x),
        lambda: x,
    )
    # Any report that calls the entry wrong, whatever it was given.
    report = gradcheck.check_gradient(lambda x: float(np.sin(x[0])), lambda x: 2.0 * np.cos(x), x)
    assert report.outcome is Outcome.FAIL

    assert hidden(p, report) is excused
    assert not hidden(p, gradcheck.check_gradient(lambda x: float(np.sin(x[0])), np.cos, x))
