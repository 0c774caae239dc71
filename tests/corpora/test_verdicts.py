"""The benchmark of the verdicts sees bad checkers for what they are; a good one leaves no offender."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import gradcheck
from benchmarks import corpus, trials, verdicts
from gradcheck import Outcome

CHOSEN = ("exp, n=1", "quadratic, n=3", "softmax regression, 4 x 4", "absolute value at 0")


@pytest.fixture
def problems() -> list[corpus.Problem]:
    """Give three smooth problems and one on a kink."""
    return [p for p in corpus.problems(with_libraries=False) if p.name in CHOSEN]


def answer(outcome: Outcome, reason: str = "", detectable: float = 1e-3) -> SimpleNamespace:
    """Make a report as far as the trials read it."""
    return SimpleNamespace(
        outcome=outcome, reason=reason, nfev=22, detectable=detectable, rtol=1e-6, advice=()
    )


def use(monkeypatch: pytest.MonkeyPatch, decide) -> None:
    """Put a checker in the place of `check_gradient`, and one that knows nothing in that of `gradient`."""
    monkeypatch.setattr(gradcheck, "check_gradient", lambda f, grad, x, **_: decide(f, grad, x))

    def blank(f, x, **_):
        return SimpleNamespace(value=x, error=corpus.like(x, np.full(corpus.flat(x).size, 1e-6)))

    monkeypatch.setattr(gradcheck, "gradient", blank)


def oracle(problems: list[corpus.Problem]):
    """Make a checker that knows the truth: right within its resolution of 1e-3, and kinks."""
    truths = {id(p.f): p for p in problems}

    def decide(f, grad, x):
        p = truths[id(f)]
        if np.isnan(corpus.flat(p.true)).any():
            return answer(Outcome.INCONCLUSIVE, "a kink at x")
        got = corpus.flat(grad(x) if callable(grad) else grad)
        size = trials.relative(got - corpus.flat(p.true), trials.units(p))
        return answer(Outcome.FAIL if not size <= 1e-3 else Outcome.PASS)

    return decide


def run(problems: list[corpus.Problem]) -> verdicts.Results:
    """Run the trials that need no timing."""
    right = trials.judge_right(problems, 0)
    by_name = {r.name: r for r in right}
    planted = trials.judge_planted(problems, by_name, 0)
    return verdicts.Results(
        right, planted, trials.judge_honesty(problems, by_name, 0, 2), [], [], 0.0, 0.0, 0.0
    )


@pytest.mark.slow
def test_a_checker_that_knows_the_truth_has_no_offenders(monkeypatch, problems):
    """The benchmark accuses nobody who is right."""
    use(monkeypatch, oracle(problems))
    results = run(problems)

    assert verdicts.offenders(results) == "none"
    figures = verdicts.summary(results)
    assert figures["planted, PASS above detectable"] == 0
    assert figures["twice detectable, caught"] == 1.0
    assert figures["on kinks, INCONCLUSIVE"] == 1


def test_a_checker_that_passes_everything_is_caught(monkeypatch, problems):
    """Every visible mistake counts as missed, and PASS on a kink is an offence."""
    use(monkeypatch, lambda f, grad, x: answer(Outcome.PASS))
    results = run(problems)

    above = sum(t.size > 1e-3 for t in results.planted)
    assert verdicts.summary(results)["planted, PASS above detectable"] == above >= 40
    assert verdicts.summary(results)["twice detectable, caught"] == 0.0
    assert "no derivative exists, but PASS: absolute value at 0" in verdicts.offenders(results)


def test_a_checker_that_fails_everything_is_caught(monkeypatch, problems):
    """Each right gradient is a false alarm, by name."""
    use(monkeypatch, lambda f, grad, x: answer(Outcome.FAIL, "wrong"))
    results = run(problems)

    assert verdicts.summary(results)["right, FAIL"] == len(CHOSEN)
    assert "right gradient FAIL: quadratic, n=3" in verdicts.offenders(results)


def test_a_checker_that_names_another_cause_is_caught(monkeypatch, problems):
    """INCONCLUSIVE for a kink is right on a kink, and named as wrong on a smooth function."""
    use(monkeypatch, lambda f, grad, x: answer(Outcome.INCONCLUSIVE, "a kink at x"))
    figures = verdicts.summary(run(problems))

    assert figures["right, INCONCLUSIVE"] == figures["right, INCONCLUSIVE, another cause named"] == 3


def test_mistakes_that_change_nothing_are_not_planted(monkeypatch, problems):
    """One entry cannot be swapped; every size is that of a real change, relative to entry or array."""
    use(monkeypatch, oracle(problems))
    planted = run(problems).planted
    names = {t.mutation for t in planted if t.name == "exp, n=1"}
    assert "all negated" in names
    assert not names & {"two entries swapped", "square array transposed"}
    assert all(t.size >= 1e-10 or np.isnan(t.size) for t in planted)
    (doubled,) = (t.size for t in planted if t.name == "exp, n=1" and t.mutation == "all x 2")
    assert doubled == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("error", "bar", "expected"),
    [
        (1.0, 0.5, False),
        (1.6, 0.5, True),
        (0.0, 0.0, False),
        (1e-9, 0.0, True),
        (1.0, np.inf, False),
        (np.nan, 1.0, True),
    ],
)
def test_what_lies_outside_three_bars(error, bar, expected):
    """A bar of zero holds only the exact value, an infinite one everything; nan is never inside a finite bar."""
    assert trials.Bar("name", "clean", error, bar, 1.0, 6).outside(3.0) is expected


@pytest.mark.slow
def test_error_bars_are_measured_against_the_truth():
    """The trials call the public functions: bars of sin and exp hold the true slopes."""
    pairs = [
        pair
        for pair in corpus.pairs()
        if pair.name.startswith(("sin t at", "exp t at")) and pair.category == "clean"
    ]
    bars = trials.measure_pairs(pairs)
    assert len(bars) == 32
    assert not any(bar.outside(3.0) for bar in bars)
    # A truth that is off by 1e-6 of the scale lies far outside bars that are below 1e-8 of it.
    assert all(
        trials.Bar("", "", bar.error + 1e-6 * bar.scale, bar.bar, bar.scale, 0).outside(3.0) for bar in bars
    )


@pytest.mark.slow
def test_the_command_writes_tables_and_json(tmp_path, capsys):
    """`--category constant --json` runs in a moment, prints the tables and writes every record."""
    path = tmp_path / "verdicts.json"
    assert verdicts.main(["--category", "constant", "--no-libraries", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(path.read_text(encoding="utf-8"))
    assert "| constant | 5 |" in printed
    assert "Offenders" in printed
    assert len(written["right"]) == 5
    assert written["summary"]["right gradients"] == 5
