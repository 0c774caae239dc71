"""Several checks as one: what each is given of a budget, and how their reports become one, from reports by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck import GradientCheckInterrupted, Outcome, check_points, check_problem
from gradcheck.driver.combine import combine, in_turn
from gradcheck.report.report import Report
from gradcheck.results.certificate import Certificate
from gradcheck.results.entries import none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit
from gradcheck.results.summaries import ArraySummary, Mismatch
from gradcheck.results.undecided import Undecided

NOBODY: Any = SimpleNamespace()
FIRST = Mismatch("x[0]", (0,), 0, 2.0, 1.0, 1e-9)
SECOND = Mismatch("x[1]", (1,), 1, 3.0, 1.0, 1e-9)
ROW = ArraySummary("x", (2,), 2, 1, 0, 1.0, 1e-9, 1e-6)
PROVED = Certificate("x", 1e-7, 1e-6, 0.999, 2)


def report(outcome: Outcome, **parts: Any) -> Report:
    """One that says next to nothing, but for some parts."""
    plain: dict[str, Any] = {
        "reason": f"because of {outcome}", "arrays": (ROW,), "wrong": (), "diagnosis": (), "notes": (),
        "method": "sweep", "nfev": 10, "ngev": 1, "seconds": 0.5, "max_error": 1e-9, "detectable": 1e-6,
        "rtol": 1e-6, "atol": 0.0, "resolution": 1e-3, "seed": 7, "call": "one of several",
    }  # fmt: skip
    return Report(outcome, **plain | parts)


def combined(reports: dict[str, Report], **options: Any) -> Report:
    """Their one report."""
    return combine(reports, method="all", seed=3, call="the call", **options)


PASSES, FAILS, OPEN = report(Outcome.PASS), report(Outcome.FAIL), report(Outcome.INCONCLUSIVE)


def test_one_report_holds_what_every_one_says_the_worst_first():
    """Each part of it: names with the key in front, sums, the largest, the outcome and the advice of the worst."""
    one = replace(PASSES, notes=("a note",), certificates=(PROVED,), seconds=1.5, ngev=2, max_error=0.75)
    two = replace(
        OPEN, diagnosis=("flat",), causes=(NOBODY,), detectable=0.25, undecided=Undecided("x", Limit.NOISE),
        evidence=Evidence(none_judged(np.dtype(float))), recipe=NOBODY, notes=("noisy",),
    )  # fmt: skip
    three = replace(
        FAILS, wrong=(FIRST, SECOND), nfev=30, max_error=0.5, diagnosis=("a factor",), advice="look"
    )
    found = combined({"a": one, "b": two, "c": three}, notes=("together",), left_out=("d",))

    expected = report(
        Outcome.FAIL,
        reason="c: because of FAIL (1 wrong, 1 undecided of 3)",
        arrays=tuple(replace(ROW, name=f"{key}: x") for key in "cba"),
        wrong=(replace(FIRST, name="c: x[0]"), replace(SECOND, name="c: x[1]")),
        diagnosis=("c: a factor", "b: flat"),
        causes=(NOBODY,),
        notes=(
            "b: because of INCONCLUSIVE",
            "d was not checked: the time was used up; raise max_seconds",
            "together",
            "b: noisy",
            "a: a note",
        ),
        method="all", nfev=50, ngev=4, seconds=2.5, max_error=0.75, detectable=0.25, seed=3, call="the call",
        certificates=(replace(PROVED, name="a: x"),),
        advice="look",
    )  # fmt: skip
    assert found == expected
    assert found.parts == (("c", three), ("b", two), ("a", one))
    # What stands behind one of them does not stand behind all; nor is what one leaves open theirs.
    undecided = combined({"b": two, "a": one})
    assert (undecided.evidence, undecided.recipe, undecided.undecided) == (None, None, None)
    assert undecided.parts == (("b", two), ("a", one))


@pytest.mark.parametrize(
    ("reports", "outcome", "reason"),
    [
        ([FAILS], Outcome.FAIL, "0: because of FAIL"),
        ([OPEN], Outcome.INCONCLUSIVE, "0: because of INCONCLUSIVE"),
        ([PASSES, FAILS], Outcome.FAIL, "1: because of FAIL (1 wrong of 2)"),
        ([FAILS, FAILS, PASSES], Outcome.FAIL, "0: because of FAIL (2 wrong of 3)"),
        ([OPEN, PASSES], Outcome.INCONCLUSIVE, "0: because of INCONCLUSIVE (1 undecided of 2)"),
        ([OPEN, OPEN, FAILS], Outcome.FAIL, "2: because of FAIL (1 wrong, 2 undecided of 3)"),
        ([PASSES], Outcome.PASS, "0 passes; a relative mistake of 1e-06 would have been seen"),
        (
            [PASSES, replace(PASSES, detectable=0.0123)],
            Outcome.PASS,
            "all 2 pass (0, 1); a relative mistake of 0.012 would have been seen",
        ),
        (
            [PASSES] * 6,
            Outcome.PASS,
            "all 6 pass (0, 1, 2, 3, 4, 5); a relative mistake of 1e-06 would have been seen",
        ),
        (
            [PASSES] * 7,
            Outcome.PASS,
            "all 7 pass (0, 1, 2, 3, 4, 5, ...); a relative mistake of 1e-06 would have been seen",
        ),
    ],
)
def test_the_outcome_is_that_of_the_worst_and_the_reason_counts(
    reports: list[Report], outcome: Outcome, reason: str
):
    """FAIL before INCONCLUSIVE before PASS; of all that pass six are named."""
    found = combined({str(k): one for k, one in enumerate(reports)})
    assert (found.outcome, found.reason) == (outcome, reason)
    # What is not right besides the worst is a note; what passes is none.
    assert len(found.notes) == max(sum(one.outcome is not Outcome.PASS for one in reports) - 1, 0)


@pytest.mark.parametrize(
    ("left_out", "interrupted", "text"),
    [
        (("b",), False, "b was not checked: the time was used up; raise max_seconds"),
        (
            ("b", "c", "d"),
            False,
            "b to d were not checked: the time was used up; raise max_seconds",
        ),
        (("b", "c"), True, "b to c were not checked: the check was interrupted; start it again"),
    ],
)
def test_what_was_not_made_leaves_no_pass(left_out: tuple[str, ...], interrupted: bool, text: str):
    """It is the reason where the others pass, and a note where one of them does not."""
    right = combined({"a": replace(PASSES, interrupted=interrupted)}, left_out=left_out)
    assert (right.outcome, right.reason, right.notes) == (Outcome.INCONCLUSIVE, text, ())
    assert right.interrupted is interrupted
    wrong = combined({"a": replace(FAILS, interrupted=interrupted)}, left_out=left_out)
    assert (wrong.outcome, wrong.reason, wrong.notes) == (Outcome.FAIL, "a: because of FAIL", (text,))


def test_one_interruption_is_one_of_all():
    """Of the report that is not the worst."""
    assert combined({"a": FAILS, "b": replace(PASSES, interrupted=True)}).interrupted
    assert not combined({"a": FAILS, "b": PASSES}).interrupted


def test_calls_are_counted_by_the_names_of_the_functions():
    """The second check differentiates grad, and both ask it; their order is that of the checks, whatever was found."""
    one, two = replace(PASSES, nfev=5, ngev=2), replace(FAILS, nfev=47, ngev=3)
    found = combined({"a": one, "b": two}, functions={"a": ("f", "grad"), "b": ("grad", "hess")})
    assert found.functions == ("f", "grad", "hess")
    assert found.calls == found.to_dict()["calls"] == {"f": 5, "grad": 49, "hess": 3}
    assert list(found.calls) == list(found.functions)
    assert (found.nfev, found.ngev) == (5, 49)
    assert "  5 evaluations of f, 49 of grad, 3 of hess, " in str(found)
    # What is made of several is one of several itself.
    twice = combined({"c": found, "d": one})
    assert twice.calls == {"f": 10, "grad": 51, "hess": 3}
    assert one.calls == {"f": 5, "grad": 2}


def test_a_budget_is_spent_by_what_every_check_differentiates():
    """Of 60, five of f and thirty of grad are made by one that gathers two checks: 25 are left, not 55."""
    parts = {"a": replace(PASSES, nfev=5), "b": replace(PASSES, nfev=30)}
    both = combined(parts, functions={"a": ("f", "grad"), "b": ("grad", "hess")})
    given: list[dict[str, Any]] = []
    in_turn(({"both": lambda **_: both} | checks_that_cost(1, 1, given)).items(), max_nfev=60)
    assert given == [{"max_nfev": 25}]


@pytest.mark.parametrize(("budget", "left"), [(33, 23), (30, 20), (10, 0)])
def test_too_little_that_is_left_is_told_by_its_number(budget: int, left: int):
    """Ten were made; a check takes 24 at least. Where 24 are left it was the time that ended."""
    found = combined({"a": PASSES}, left_out=("b",), max_nfev=budget)
    text = f"b was not checked: of {budget} evaluations {left} were left, and a check takes at least 24; raise max_nfev"
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, text)
    ended = combined({"a": PASSES}, left_out=("b",), max_nfev=34)
    assert ended.reason == "b was not checked: the time was used up; raise max_seconds"


def test_no_reports_are_no_pass():
    """Nothing was checked."""
    with pytest.raises(ValueError, match=r"^reports must hold at least one report$"):
        combined({})


def checks_that_cost(
    nfev: int, count: int, given: list[dict[str, Any]], after: Callable[[], None] = lambda: None
) -> dict[str, Callable[..., Report]]:
    """So many checks; what each is given is noted."""

    def check(**options: Any) -> Report:
        given.append(options)
        after()
        return replace(PASSES, nfev=nfev)

    return {f"check {k}": check for k in range(count)}


def test_each_check_gets_what_the_others_left_of_the_evaluations():
    """Of 60, each takes 12: 60, 48, 36 and 24 remain, the least that a check begins with; for the fifth 12 do."""
    given: list[dict[str, Any]] = []
    reports = in_turn(checks_that_cost(12, 6, given).items(), max_nfev=60)
    assert given == [{"max_nfev": 60}, {"max_nfev": 48}, {"max_nfev": 36}, {"max_nfev": 24}]
    assert list(reports) == ["check 0", "check 1", "check 2", "check 3"]
    given.clear()
    assert len(in_turn(checks_that_cost(13, 3, given).items(), max_nfev=36)) == 1  # 23 remain


def test_the_first_check_is_made_with_any_budget():
    """It says what is wrong with one that is none."""
    given: list[dict[str, Any]] = []
    assert len(in_turn(checks_that_cost(1, 2, given).items(), max_nfev=5, max_seconds=-2)) == 1
    assert given == [{"max_nfev": 5, "max_seconds": -2.0}]
    given.clear()
    assert len(in_turn(checks_that_cost(1, 2, given).items())) == 2
    assert given == [{}, {}]


def test_each_check_gets_the_seconds_that_are_left(monkeypatch: pytest.MonkeyPatch):
    """Two seconds each, of five and of four; for what comes before the first none are taken away."""
    now = [100.0]
    monkeypatch.setattr("gradcheck.driver.combine.time.monotonic", lambda: now[0])

    def two_seconds() -> None:
        now[0] += 2.0

    for most, expected in ((5, [5.0, 3.0, 1.0]), (4, [4.0, 2.0]), (4.5, [4.5, 2.5, 0.5])):
        given: list[dict[str, Any]] = []
        reports = in_turn(checks_that_cost(1, 4, given, two_seconds).items(), max_seconds=most)
        assert [options["max_seconds"] for options in given] == expected
        assert len(reports) == len(expected)
        assert isinstance(given[0]["max_seconds"], float)


def test_an_interrupted_check_is_the_last():
    """Its report is kept, and those after it are not made."""
    given: list[dict[str, Any]] = []
    ended = replace(OPEN, interrupted=True)

    def interrupted(**options: Any) -> Report:
        raise GradientCheckInterrupted(ended)

    checks = checks_that_cost(1, 3, given)
    checks["check 1"] = interrupted
    assert in_turn(checks.items()) == {"check 0": replace(PASSES, nfev=1), "check 1": ended}
    assert len(given) == 1


def test_an_interruption_between_two_checks_loses_neither():
    """What is known is kept, as interrupted; before the first there is nothing to keep."""

    def interrupted(**options: Any) -> Report:
        raise KeyboardInterrupt

    given: list[dict[str, Any]] = []
    checks = checks_that_cost(1, 3, given) | {"check 1": interrupted}
    assert in_turn(checks.items()) == {"check 0": replace(PASSES, nfev=1, interrupted=True)}
    with pytest.raises(KeyboardInterrupt):
        in_turn({"check 0": interrupted}.items())


def test_what_no_mistake_would_have_shown_in_is_not_said_to_have_shown_one():
    """Of a Hessian that is 0, and accepted by atol, no relative mistake is known: none of inf is said to be seen."""
    a, x = np.array([1.0, 2.0, 3.0]), np.array([0.3, -0.4, 0.8])

    report = check_problem(
        lambda x: a @ x, x, jac=lambda x: a.copy(), hess=lambda x: np.zeros((3, 3)), atol=1e-6
    )
    assert report.outcome is Outcome.PASS
    assert report.reason == "all 2 pass (jac, hess)"
    points = check_points(lambda x: 3.0, lambda x: 0.0 * x, [x, x + 1.0], atol=1e-3)
    assert points.outcome is Outcome.PASS
    assert points.reason == "the gradient passes at all 2 points"
    assert "a relative mistake of" in check_problem(lambda x: x @ x, x, jac=lambda x: 2 * x).reason
