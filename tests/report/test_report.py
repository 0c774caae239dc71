"""A report is read in seconds by people and to the last bit by programs."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck import (
    GradientCheckInterrupted,
    Mismatch,
    Outcome,
    Report,
    check_gradient,
    check_jacobian,
    check_points,
    check_problem,
)
from gradcheck.report.sentences import place_words
from gradcheck.results.cause import Extent, Place
from gradcheck.results.summaries import ArraySummary
from gradcheck.results.words import count

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "report.md"


def squares(p: Any) -> float:
    """Sum of squares of an array or of a dict of arrays."""
    return float(sum(np.sum(v**2) for v in p.values())) if isinstance(p, dict) else float(np.sum(p**2))


def right(p: Any) -> Any:
    """By hand."""
    return {k: 2 * v for k, v in p.items()} if isinstance(p, dict) else 2 * p


def many_arrays() -> dict[str, np.ndarray]:
    """Fifty arrays of 2,000 entries with long names."""
    rng = np.random.default_rng(0)
    return {f"a rather long name of layer number {i}, weights": rng.normal(size=(40, 50)) for i in range(50)}


# For people.


def test_a_certificate_that_certifies_nothing_is_not_told():
    """Six decimals of f show the steep array, and nothing of one whose slopes are 1e-7."""
    rng = np.random.default_rng(0)

    def f(p: Any) -> float:
        return float(np.round(np.sum(np.sin(p["steep"])) + 1e-7 * np.sum(np.sin(p["flat"])), 6))

    def grad(p: Any) -> Any:
        return {"steep": np.cos(p["steep"]), "flat": 1e-7 * np.cos(p["flat"])}

    p = {"steep": rng.standard_normal(200), "flat": rng.standard_normal(200)}
    report = check_gradient(f, grad, p, rng=0)
    assert {c.name: c.relative_to_rms <= 1.0 for c in report.certificates} == {
        'params["steep"]': True,
        'params["flat"]': False,
    }
    assert "certificate for 1 of 2 arrays" in str(report)
    assert 'the error of params["flat"] is below' not in str(report)


def test_the_first_line_says_outcome_and_why():
    """PASS, FAIL and INCONCLUSIVE, each with its reason."""
    x = np.array([1.0, 2.0, 3.0])
    passed, failed = (
        check_gradient(squares, right, x),
        check_gradient(squares, lambda x: 2 * x * [1, 1, 1.1], x),
    )
    open_ = check_gradient(abs, lambda x: 0.0, 0.0)
    assert str(passed).splitlines()[0] == f"PASS  {passed.reason}"
    assert re.match(r"FAIL  1 of 3 entries wrong: x\[2\] off by \+10 %", str(failed))
    assert re.match(r"INCONCLUSIVE  .*kink", str(open_))


def test_in_a_shell_a_report_is_one_line():
    """`repr` is the first line of the text, whatever the report holds; the text has the rest."""
    for grad in (right, lambda p: 1.01 * right(p)):
        report = check_gradient(squares, grad, np.arange(1.0, 5.0))

        assert repr(report) == f"<Report: {str(report).splitlines()[0]}>"
        assert len(str(report).splitlines()) > 1


def test_each_array_has_a_row():
    """Shape, checked, wrong, max error, error bar, detectable."""
    x = {"W": np.ones((2, 3)), "b": 2.0}
    text = str(
        check_gradient(
            lambda p: squares(p["W"]) + p["b"] ** 2, lambda p: {"W": 3 * p["W"], "b": 2 * p["b"]}, x
        )
    )
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert ["array", "shape", "checked", "wrong", "max error", "error bar", "detectable"] in rows
    weights = next(row for row in rows if row[:2] == ['params["W"]', "2 x 3"])
    assert weights[2:4] == ["6", "6"]
    # 3 against 2: off by 1 in every entry.
    assert float(weights[4]) == pytest.approx(1.0, rel=0.05)
    bias = next(row for row in rows if row[:2] == ['params["b"]', "scalar"])
    assert bias[2:4] == ["1", "0"]


def test_a_mismatch_shows_as_many_digits_as_it_takes():
    """Two numbers that differ in the seventh digit do not read the same."""
    x = np.array([1.0, 2.0])
    report = check_gradient(squares, lambda x: 2 * x * [1, 1 + 3e-6], x)
    line = next(line for line in str(report).splitlines() if "x[1]  analytic" in line)
    analytic, numerical = re.search(r"analytic (\S+)  numerical (\S+)", line).groups()
    assert float(analytic) - float(numerical) == pytest.approx(1.2e-5, rel=0.5)
    assert "0.0003 %" in line


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1.1, "off by +10 %"),
        (0.5, "off by -50 %"),
        (0.002, "off by -99.8 %"),
        (2.0, "off by a factor 2"),
        (-0.5, "off by a factor -0.5"),
        (-1.0, "of opposite sign"),
        (0.0, "missing"),
        (math.nan, "not finite"),
    ],
)
def test_a_discrepancy_reads_as_a_sentence(factor, said):
    """`x[1] of opposite sign`, `x[1] off by a factor 2`: never `+1e+02 %`; nor seventeen digits beside nan, nor -0."""
    x = np.array([1.0, -2.0])
    text = str(check_gradient(squares, lambda x: 2 * x * [1, factor], x))
    assert text.splitlines()[0] == f"FAIL  1 of 2 entries wrong: x[1] {said}"
    line = next(line for line in text.splitlines() if line.startswith("    x[1]"))
    assert re.fullmatch(rf"    x\[1\]  analytic \S+  numerical -4 \+- \S+  {re.escape(said)}", line)
    assert "analytic -0 " not in line


def test_the_columns_of_the_mismatches_are_aligned():
    """Analytic below analytic, numerical below numerical."""
    report = check_gradient(squares, lambda x: 2 * x * 1.1, np.array([1.0, 1000.0, 1 / 3]))
    lines = [line for line in str(report).splitlines() if line.startswith("    x[")]
    assert len(lines) == 3
    assert len({line.index("numerical") for line in lines}) == 1
    assert len({line.index("off by") for line in lines}) == 1


def test_an_undecided_report_says_what_to_do_on_a_line_of_its_own():
    """The first line is short: outcome and cause; the second is advice. Both are the reason."""
    report = check_gradient(lambda x: float(np.sum(np.abs(x))), np.sign, np.array([1.0, 0.0]))
    first, second = str(report).splitlines()[:2]
    assert first.startswith(
        "INCONCLUSIVE  1 of 2 entries cannot be decided, x[1] for one: a kink at x (slope -1"
    )
    assert second.startswith("  the gradient lies between these slopes: move x off the kink")
    assert f"{first}; {second.strip()}" == f"INCONCLUSIVE  {report.reason}"


def test_a_single_entry_is_spoken_of_as_one():
    """No `1 entries`, no `all 1 entry agree`; fixed coordinates are not counted as agreeing."""
    one = check_gradient(squares, right, 2.0)
    assert one.reason.startswith("x agrees with the numerical derivative; a relative mistake of ")
    x = np.array([1.0, 2.0, 3.0])
    fixed = check_gradient(squares, right, x, bounds=[(1, 1), (0, 9), (0, 9)])
    assert fixed.reason.startswith("all 2 free entries agree")
    assert fixed.notes == ("1 coordinate was not checked: equal bounds leave no room",)
    alone = check_gradient(squares, right, x, bounds=[(1, 1), (2, 2), (0, 9)])
    assert alone.reason.startswith("x[2] agrees")


def test_the_resolution_that_is_offered_suffices():
    """The advice names the resolution of the worst undecided entry: with it, the check passes."""
    x = np.linspace(0.2, 1.5, 5)

    def rounded(x):
        return float(np.round(np.sum(np.exp(x)), 3))

    report = check_gradient(rounded, np.exp, x)
    assert report.outcome is Outcome.INCONCLUSIVE
    offered = float(re.search(r"resolution=([\d.e-]+)", report.reason).group(1))
    assert check_gradient(rounded, np.exp, x, resolution=offered).outcome is Outcome.PASS


def test_a_subgradient_does_not_count_as_undetectable():
    """The kink has no derivative to be wrong; the other entry says what would have been seen."""
    x = np.array([0.0, 2.0])
    report = check_gradient(lambda x: float(np.sum(np.abs(x))), np.sign, x, subgradient=True)
    assert report.outcome is Outcome.PASS
    assert report.detectable < 1e-3
    assert report.notes == (
        "x[0] lies on a kink and passes as a subgradient",
        "what f is on either side of a kink does not show at it; try another point, too (check_points draws some)",
    )
    everywhere = check_gradient(abs, lambda x: 0.5, 0.0, subgradient=True)
    assert everywhere.reason == "x agrees with the numerical derivative"


@pytest.mark.parametrize(
    ("x", "method", "last"),
    [
        # Two at x, and the first of six differences.
        (np.linspace(1, 2, 3), "auto", 4),
        # Two at x, sixteen for the noise, six for the first line.
        (np.linspace(1, 2, 3), "sweep", 24),
    ],
)
def test_an_interruption_is_named_as_the_cause(x, method, last):
    """Not the budget: nobody set one. What was not reached counts as unchecked, and has no certificate."""
    calls = [0]

    def interrupted(p):
        calls[0] += 1
        if calls[0] > last:
            raise KeyboardInterrupt
        return squares(p)

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(interrupted, right, x, method=method)
    report = caught.value.report
    assert "the check was interrupted" in report.reason
    assert "start it again" in report.reason
    assert "max_nfev" not in str(report)
    assert sum(array.checked for array in report.arrays) < 170
    assert len(report.certificates) < len(report.arrays)


def test_what_a_budget_did_not_reach_is_not_called_checked():
    """24 evaluations of a noisy f, few of which are left when the noise is known: the budget is named as the cause."""
    x = {"a": np.full(80, 1.5), "b": np.linspace(1, 2, 90)}

    def f(p):
        value = float(sum(np.sum(np.sin(v)) for v in p.values()))
        return value * (1 + 1e-9 * np.sin(1e12 * value))

    report = check_gradient(f, lambda p: {k: np.cos(v) for k, v in p.items()}, x, max_nfev=24)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "the budget of evaluations was used up" in report.reason
    assert "resolution" not in report.reason


def test_numbers_in_the_call_are_plain():
    """`rtol=1e-05`, not `np.float64(1e-05)`: the call can be pasted without NumPy."""
    report = check_gradient(squares, right, np.ones(2), rtol=np.float64(1e-5), max_nfev=np.int64(500))
    assert report.call == "gradcheck.check_gradient(f, grad, x, rtol=1e-05, max_nfev=500, rng=0)"


def test_the_worst_comes_first():
    """By how far beyond what was allowed: nan, then the largest relative discrepancy."""
    x = np.ones(6)
    wrong = 2 * x * [1.01, 1, 3, 1.5, -1, 1]
    wrong[5] = math.nan
    names = [m.name for m in check_gradient(squares, wrong, x).wrong]
    assert names[0] == "x[5]"
    assert set(names) == {"x[0]", "x[2]", "x[3]", "x[4]", "x[5]"}
    assert names.index("x[3]") > max(names.index("x[2]"), names.index("x[4]"))
    assert names[-1] == "x[0]"


def test_a_mismatch_names_its_entry_in_every_way():
    """Name, index in the array, index in the flat vector, both values and the bar."""
    x = {"b": np.ones(2), "W": np.ones((2, 3))}
    gradient = right(x)
    gradient["W"][1, 2] = 5.0
    (mismatch,) = check_gradient(squares, gradient, x).wrong
    assert (mismatch.name, mismatch.index, mismatch.flat_index) == ('params["W"][1, 2]', (1, 2), 7)
    assert mismatch.analytic == 5.0
    assert abs(mismatch.numerical - 2.0) <= 3 * mismatch.error_bar


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: {k: 3 * v for k, v in p.items()},
        lambda p: {k: np.full(v.shape, np.nan) for k, v in p.items()},
    ],
)
def test_a_report_stays_under_25_lines_however_much_is_wrong(wrong):
    """100,000 wrong entries in fifty arrays; no line is wider than a screen can show."""
    report = check_gradient(squares, wrong, many_arrays())
    assert report.outcome is Outcome.FAIL
    lines = str(report).splitlines()
    assert len(lines) < 25
    assert max(map(len, lines)) <= 300


def test_a_report_with_everything_in_it_stays_under_25_lines():
    """Every part at its longest: what the text leaves out it counts."""
    arrays = tuple(
        ArraySummary(f"array {i}" + "x" * 100, (10, 10), 100, 5, i, 1.0, 0.1, 1e-3) for i in range(1000)
    )
    wrong = tuple(Mismatch(f"array {i}[3, 4]" + "y" * 100, (3, 4), i, 1.0, 2.0, 1e-9) for i in range(5000))
    passed = check_gradient(squares, right, np.ones(3))
    report = dataclasses.replace(
        passed,
        outcome=Outcome.FAIL,
        arrays=arrays,
        wrong=wrong,
        diagnosis=tuple(f"diagnosis {i}" for i in range(40)),
        notes=tuple(f"note {i}" for i in range(40)),
    )
    text = str(report)
    assert len(text.splitlines()) < 25
    assert "and 4,995 more" in text
    assert "more arrays" in text
    assert "(and 37 more)" in text
    assert "(and 38 more)" in text


def test_arguments_and_names_with_line_breaks_do_not_break_the_lines():
    """Bounds of a thousand entries in the call, and a key with a line break in it."""
    x = np.linspace(1, 2, 60)
    report = check_gradient(squares, right, x, bounds=(x - 1, x + 1))
    assert len(str(report).splitlines()) == len(str(check_gradient(squares, right, x)).splitlines())
    odd = {"a\nb": np.ones(2)}
    text = str(check_gradient(squares, lambda p: {k: 3 * v for k, v in p.items()}, odd))
    assert all(line.startswith((" ", "FAIL")) for line in text.splitlines())


def test_the_call_repeats_the_check():
    """Options that are not the defaults, and the seed."""
    x = np.ones(3)
    report = check_gradient(
        squares, right, x, rtol=1e-4, atol=1e-9, resolution=0.01, method="sweep", max_nfev=500, subgradient=True,
        confidence=0.999, rng=5,
    )  # fmt: skip
    for option in ("rtol=0.0001", "atol=1e-09", "resolution=0.01", "method='sweep'", "max_nfev=500",
                   "subgradient=True", "confidence=0.999", "rng=5"):  # fmt: skip
        assert option in report.call
    import gradcheck

    again = eval(report.call, {"gradcheck": gradcheck, "f": squares, "grad": right, "x": x})
    assert {**again.to_dict(), "seconds": 0} == {**report.to_dict(), "seconds": 0}


def test_the_cost_is_told():
    """Evaluations, gradients and seconds."""
    report = check_gradient(squares, right, np.ones(3))
    assert f"{report.nfev} evaluations of f, 2 of grad" in str(report)
    assert report.seconds > 0


def test_a_pass_says_what_would_have_been_seen():
    """The resolution reached, in words and in numbers; planted mistakes of twice that size are seen."""
    x = np.linspace(0.5, 1.5, 8)
    report = check_gradient(lambda x: float(np.sum(np.exp(x))), np.exp, x)
    assert "would have been seen" in report.reason
    factor = 1 + 2 * report.detectable
    for at in range(8):
        planted = np.exp(x) * np.where(np.arange(8) == at, factor, 1.0)
        # `detectable` is relative to the larger of the entry and its array's root mean square.
        planted[at] = np.exp(x[at]) + 2 * report.detectable * max(
            np.exp(x[at]), np.sqrt(np.mean(np.exp(2 * x)))
        )
        assert check_gradient(lambda x: float(np.sum(np.exp(x))), planted, x).outcome is Outcome.FAIL
    below = np.exp(x) * (1 + 0.1 * report.detectable)
    assert check_gradient(lambda x: float(np.sum(np.exp(x))), below, x).outcome is not Outcome.FAIL


def test_a_report_is_true_for_a_pass_alone():
    """`if check_gradient(...)` and `assert check_gradient(...)` mean what they say."""
    assert check_gradient(squares, right, np.ones(3))
    assert not check_gradient(squares, lambda x: 3 * x, np.ones(3))
    assert not check_gradient(abs, lambda x: 0.0, 0.0)


def test_a_report_is_a_value():
    """Frozen; nothing in it can be reassigned."""
    report = check_gradient(squares, right, np.ones(3))
    for field in dataclasses.fields(report):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(report, field.name, None)


# For programs.


def reports() -> dict[str, Report]:
    """One of every kind."""
    x = np.linspace(-1.0, 2.0, 5)
    z = {"z": np.array([1 + 2j]), "n": np.array([1, 2])}
    nan = 2 * x
    nan[1] = np.nan
    return {
        "pass": check_gradient(squares, right, x),
        "fail": check_gradient(squares, lambda x: 3 * x, x),
        "nan": check_gradient(squares, nan, x),
        "kink": check_gradient(abs, lambda x: 0.0, 0.0),
        "constant": check_gradient(lambda x: 1.0, right, x),
        "shape": check_gradient(squares, lambda x: x[:, None], x),
        "directions": check_gradient(squares, right, np.linspace(1, 2, 300)),
        "directions, wrong": check_gradient(
            squares, lambda x: np.where(np.arange(300) == 7, 0, 2 * x), np.ones(300)
        ),
        "float32": check_gradient(squares, right, x.astype(np.float32)),
        "longdouble": check_gradient(lambda x: np.sum(x**2), right, x.astype(np.longdouble)),
        "complex": check_gradient(
            lambda p: float(np.sum(np.abs(p["z"]) ** 2) + np.sum(p["n"] ** 2)),
            lambda p: {"z": 2.5 * p["z"], "n": 2 * p["n"]},
            z,
        ),
        "budget": check_gradient(squares, right, np.linspace(1, 2, 40), max_nfev=30, method="sweep"),
        "generator": check_gradient(squares, right, x, rng=np.random.default_rng(3)),
        "fixed": check_gradient(squares, right, x, bounds=(x, x)),
    }


REPORTS = reports()


@pytest.mark.parametrize("kind", REPORTS)
def test_json_is_valid_and_holds_no_nan(kind):
    """A strict parser reads it, and gets the dictionary back."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    report = REPORTS[kind]
    text = report.to_json()
    assert json.loads(text, parse_constant=refuse) == report.to_dict()
    assert json.loads(report.to_json(indent=None)) == report.to_dict()


@pytest.mark.parametrize("kind", REPORTS)
def test_the_dictionary_says_what_the_report_says(kind):
    """The same outcome, the same numbers to the last bit, null for what is not finite."""
    report, told = REPORTS[kind], REPORTS[kind].to_dict()
    assert told["schema"] == "gradcheck-report/2"
    assert told["outcome"] == report.outcome.value
    assert (told["nfev"], told["reason"], told["notes"]) == (report.nfev, report.reason, list(report.notes))
    assert len(told["wrong"]) == len(report.wrong)
    for entry, mismatch in zip(told["wrong"], report.wrong, strict=True):
        assert entry["name"] == mismatch.name
        for name in ("analytic", "numerical", "error_bar"):
            value = getattr(mismatch, name)
            assert entry[name] == (value if math.isfinite(value) else None)


def documented(heading: str) -> dict[str, str]:
    """The keys and types of the table that follows a line of docs/report.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.split(heading, 1)[1].split("\n\n", 2)[1]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, flags=re.MULTILINE))


TABLES = {
    "arrays": "An object of `arrays`:",
    "wrong": "An object of `wrong`:",
    "certificates": "An object of `certificates`:",
    "causes": "An object of `causes`:",
}


@pytest.mark.parametrize("kind", REPORTS)
def test_the_documented_keys_are_those_produced(kind):
    """docs/report.md and `to_dict` agree, at the top and in the lists."""
    told = REPORTS[kind].to_dict()
    top = DOCUMENT.read_text(encoding="utf-8").split("## As JSON", 1)[1].split("An object of", 1)[0]
    assert set(told) == set(re.findall(r"^\| `(\w+)` \|", top, flags=re.MULTILINE))
    for name, heading in TABLES.items():
        for entry in told[name]:
            assert set(entry) == set(documented(heading))


def test_every_documented_list_occurs():
    """The test above would not notice a table that nothing is compared with."""
    for name in TABLES:
        assert any(report.to_dict()[name] for report in REPORTS.values()), name


TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
    "object": dict, "list of pairs": list, "list of strings": list, "list of integers": list, "list of numbers": list,
    "list of objects": list,
}  # fmt: skip


def is_one_of(value: Any, types: str) -> bool:
    """Whether a value is of one of the types named in the document."""
    allowed = [TYPES[name.strip()] for name in re.split(r",| or ", types)]
    return any(isinstance(value, t) and (t is bool or not isinstance(value, bool)) for t in allowed)


@pytest.mark.parametrize("kind", REPORTS)
def test_the_documented_types_are_those_produced(kind):
    """Every value is of a type that its table allows."""
    told = REPORTS[kind].to_dict()
    text = DOCUMENT.read_text(encoding="utf-8").split("## As JSON", 1)[1].split("An object of", 1)[0]
    for key, types in re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", text, flags=re.MULTILINE):
        assert is_one_of(told[key], types), (key, told[key])
    for name, heading in TABLES.items():
        for entry in told[name]:
            for key, types in documented(heading).items():
                assert is_one_of(entry[key], types), (name, key, entry[key])


def test_a_check_that_was_cut_short_clears_nobody():
    """A gradient that is -3 times right, after 12 evaluations of f: nothing is known of it."""
    calls = iter(range(12))

    def interrupted(x: Any) -> float:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return float(np.sum(np.sin(x)))

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(interrupted, lambda x: -3.0 * np.cos(x), np.linspace(0, 1, 200), method="sweep")

    report = caught.value.report
    assert report.advice == "nothing is known of the gradient there yet: start it again"
    assert "culprit" not in str(report)


@pytest.mark.slow
def test_a_budget_that_nobody_set_is_not_to_be_raised():
    """5,000 wrong entries are counted, not those listed; the search has an end of its own.

    A direction shows that nothing else is wrong, unless something is.
    """
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(300, 500)) / 20.0, rng.normal(size=500)

    def wrong(x: Any) -> Any:
        out = np.cos(a @ x)[:, None] * a
        out[50:150, 100:150] *= 2.0
        return out

    def another(x: Any) -> Any:
        out = wrong(x)
        out[60, 155] *= 3.0
        return out

    report = check_jacobian(lambda x: np.sin(a @ x), wrong, x)
    more = check_jacobian(lambda x: np.sin(a @ x), another, x)

    assert report.reason.startswith("5,000 of 150,000 entries wrong: ")
    assert report.diagnosis == ("analytic = 2 x numerical in J[50:150, 100:150]: a factor 2 too many",)
    assert "max_nfev" not in str(report)
    assert not any("something is wrong somewhere" in note for note in report.notes)
    assert not more.reason.startswith("5,000 of ")


def test_the_atol_that_is_offered_suffices():
    """3e-15 for a bias before a normalisation, whose gradient is 0: no resolution decides that, an atol does."""
    rng = np.random.default_rng(0)
    data, target = rng.normal(size=(8, 4)), rng.normal(size=(8, 4))

    def normalised(p: Any) -> Any:
        a = data @ p["W"] + p["b"]
        return a, (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-5)

    def gradient(p: Any) -> Any:
        a, z = normalised(p)
        d = 2.0 * (z - target) / target.size
        da = (d - d.mean(0) - z * (d * z).mean(0)) / np.sqrt(a.var(0) + 1e-5)
        return {"W": data.T @ da, "b": da.sum(0) + 3e-15}

    def f(p: Any) -> float:
        return float(np.mean((normalised(p)[1] - target) ** 2))

    p = {"W": rng.normal(size=(4, 4)), "b": rng.normal(size=4)}
    report = check_gradient(f, gradient, p, method="sweep")
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.undecided is not None
    atol = report.undecided.offered
    assert 0.0 < atol < 1e-9  # the bars of W are 1e-10: b is not asked for more

    offered = float(re.search(r"atol=([\d.e-]+)", report.advice).group(1))
    assert check_gradient(f, gradient, p, method="sweep", atol=offered).outcome is Outcome.PASS
    off = check_gradient(f, lambda p: gradient(p) | {"b": np.full(4, 1e-5)}, p, atol=offered)
    assert off.outcome is Outcome.FAIL


def test_a_pass_says_what_its_point_cannot_tell():
    """At the minimum of a sum of squares any multiple of the gradient passes; beside it the note is gone."""
    at, beside = (check_gradient(squares, lambda x: 3.0 * x, np.full(4, x)) for x in (0.0, 0.5))

    assert at.outcome is Outcome.PASS
    assert any("the gradient is 0 here: a mistake that vanishes with it does not show" in n for n in at.notes)
    assert beside.outcome is Outcome.FAIL
    assert not any("is 0 here" in n for n in check_gradient(squares, right, np.full(4, 0.5)).notes)


def test_a_pass_says_where_its_bars_are_above_the_gradient():
    """What f cannot show passes with any multiple of it, and the note names the array; larger entries have none."""

    def passed(size: float, times: float = 1.0, atol: float = 0.0) -> Report:
        def f(p: Any) -> float:
            return float(np.sum(p["a"] ** 3) + size * np.sum(np.sin(p["b"])))

        def grad(p: Any) -> Any:
            return {"a": 3.0 * p["a"] ** 2, "b": times * size * np.cos(p["b"])}

        return check_gradient(f, grad, {"a": np.ones(3), "b": np.ones(2)}, method="sweep", atol=atol)

    def hidden(report: Report) -> list[str]:
        return [n for n in report.notes if n.startswith('params["b"] passes, but a mistake as large as its')]

    lost, tripled, seen = passed(1e-17), passed(1e-17, times=3.0), passed(1e-3)

    assert [r.outcome for r in (lost, tripled, seen)] == [Outcome.PASS] * 3
    assert [len(hidden(r)) for r in (lost, tripled, seen)] == [1, 1, 0]
    assert passed(1e-3, times=3.0).outcome is Outcome.FAIL


def test_a_gradient_below_its_bars_is_not_called_0():
    """With an atol above all of it anything passes: it is 0 within the bars, which the note says."""
    x = np.linspace(-1.0, 1.0, 5)
    report = check_gradient(
        lambda x: float(1e8 + 1e-5 * np.sum(np.sin(x))), lambda x: 1e-5 * np.cos(x), x, atol=1e-3
    )

    assert report.outcome is Outcome.PASS
    assert any("the gradient is 0 here within its error bars" in n for n in report.notes)


def test_a_part_that_was_sampled_is_counted_as_such():
    """One form of headline: about as many as the part has; all where every one was judged; the place once."""
    a, x = np.random.default_rng(0).normal(size=(2, 60, 80))

    def failed(index: Any, by: Any, rows: int = 60, **options: Any) -> Report:
        wrong = (a * np.cos(x))[:rows]
        wrong[index] = by(wrong[index])
        return check_gradient(lambda x: float(np.sum(a[:rows] * np.sin(x))), wrong, x[:rows], **options)

    row, one = failed(5, np.exp), failed((5, 3), np.exp)
    every = failed(5, np.exp, rows=8, method="sweep")

    assert row.reason.startswith("about 80 of 4,800 entries wrong: x[5, ")
    assert row.arrays[0].about == 80
    assert row.diagnosis == ("the wrong entries lie in row 5 of x",)
    assert any("told by a sample of" in note for note in row.notes)
    assert sum("row 5" in line for line in str(row).splitlines()) == 1
    assert every.reason.startswith("80 of 640 entries wrong: x[5, ")
    assert every.arrays[0].about == 0
    assert one.reason.startswith("1 of 4,800 entries wrong: x[5, 3] ")


def test_a_pass_in_float32_says_so():
    """0.09 % too large passes in single precision, with its reason; in double precision it fails without one."""
    x = np.array([1.0, 2.0])

    def single(x: Any) -> np.float32:
        return np.float32(np.sum(np.sin(np.float32(x)), dtype=np.float32))

    report = check_gradient(single, lambda x: 1.0009 * np.cos(np.float32(x)), x)
    assert report.outcome is Outcome.PASS
    assert any("f computes in float32: what is off by less than rtol=0.001 passes" in n for n in report.notes)

    double = check_gradient(lambda x: float(np.sum(np.sin(x))), lambda x: 1.0009 * np.cos(x), x)
    assert double.outcome is Outcome.FAIL
    assert not any("float32" in n for n in double.notes)


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1.0005), ("float16", 1.01)])
@pytest.mark.parametrize("n", [3, 8, 20])
def test_a_pass_says_whose_values_are_coarse(dtype: str, factor: float, n: int):
    """A derivative in another type than f says so of itself; f is named where x is of that type, or f's value is."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(50, n)) / np.sqrt(n), rng.normal(size=n)

    def f(x: Any) -> float:
        return float(np.sum(np.logaddexp(0.0, a @ x)))

    def grad(x: Any) -> Any:
        return (factor * (a.T @ (1.0 / (1.0 + np.exp(-a @ x))))).astype(dtype)

    alone = check_gradient(f, grad, x)
    passes = f"what is off by less than rtol={alone.rtol:g} passes"
    assert alone.outcome is Outcome.PASS
    assert [note for note in alone.notes if dtype in note] == [
        f"the gradient holds {dtype} values: {passes}; in float64 more would show"
    ]
    matrix = check_jacobian(np.sin, np.diag(np.cos(x)).astype(dtype), x)
    assert any(note.startswith(f"the Jacobian holds {dtype} values: ") for note in matrix.notes)
    if dtype == "float32":
        both = check_gradient(f, lambda x: grad(x) / np.float32(factor), x.astype(dtype))
        assert any(note.startswith("f computes in float32: ") for note in both.notes)


def test_one_is_not_said_in_the_plural():
    """One entry, one pair, one point, one group: each is written as one, beside several of them."""
    x = np.array([0.5, 0.7, 0.9])

    def place(extent: Extent, n: int) -> str:
        return place_words(Place(("x",), n, extent))

    assert place(Extent.TESTED, 1) == "the one tested entry of x"
    assert place(Extent.TESTED, 2) == "both tested entries of x"
    assert place(Extent.JUDGED, 1) == "the one wrong entry of x that was judged"
    assert place(Extent.JUDGED, 3) == "all 3 wrong entries of x that were judged"
    assert (count(1, "entry"), count(2, "entry"), count(3, "array")) == ("1 entry", "2 entries", "3 arrays")
    one, two = (check_points(lambda x: np.sum(np.exp(x)), np.exp, [x] * k) for k in (1, 2))
    assert one.reason.startswith("the gradient passes at the one point; ")
    assert one.notes[0] == "1 of 1 point passes"
    assert two.reason.startswith("the gradient passes at all 2 points; ")
    assert check_problem(lambda x: np.sum(np.exp(x)), x, jac=np.exp).reason.startswith("jac passes; ")
    pattern = np.zeros((3, 3))
    pattern[0, 0] = 1.0
    sparse = check_jacobian(lambda x: np.exp(x) * [1, 0, 0], pattern * np.exp(x[0]), x, sparsity=pattern)
    assert "1 entries" not in str(sparse)
    assert "1 groups" not in str(sparse)


def test_a_certificate_leaves_out_what_was_judged_by_itself():
    """An entry on its bound that is undecided, and one that is wrong; where neither is nothing is left out."""
    rng = np.random.default_rng(24)
    x, c = np.append(0.0, rng.dirichlet(np.ones(5))), rng.normal(size=6)

    def f(x):
        return np.sum(x**1.5) + c @ x**2 + np.cos(x).sum()

    def told(gradient, **options):
        report = check_gradient(f, gradient, x, rng=3, **options)
        (line,) = [text for text in str(report).splitlines() if "confidence" in text]
        return sum(array.inconclusive for array in report.arrays), line.split(":")[0].strip()

    right, bounds = 1.5 * np.sqrt(x) + 2.0 * c * x - np.sin(x), [(0, None)] * 6
    assert told(right, bounds=bounds) == (1, "certificate, save what is undecided")
    wrong = right * np.where(np.arange(6) == 3, 1.1, 1.0)
    assert told(wrong, bounds=bounds) == (1, "certificate, save what is named above and what is undecided")
    assert "certificate: the error of x" in str(check_gradient(lambda x: np.sum(np.sin(x)), np.cos(x), x))


def test_a_name_that_a_report_does_not_have_is_answered_with_those_that_it_has():
    """`.ok`, `.passed` and `.success` are guessed; protocols, which ask for names with underscores, get no advice."""
    report = check_gradient(lambda x: float(x @ x), lambda x: 2 * x, np.ones(2))
    for name in ("ok", "passed", "success"):
        with pytest.raises(
            AttributeError, match=rf"no attribute '{name}'; bool\(report\) is whether it passed"
        ):
            getattr(report, name)
    with pytest.raises(AttributeError, match=r"no attribute '_repr_png_'$"):
        _ = report._repr_png_
    assert not hasattr(report, "ok")


@pytest.mark.parametrize("size", [1, 5, 150])
@pytest.mark.parametrize(("given", "subgradient"), [(0.6, False), (0.2, True)])
def test_what_a_kink_decides_is_said_with_its_slopes(size, given, subgradient):
    """0.6 for a slope between -0.5 and 0.5 is no error within a bar of 1; 0.2 passes. Of few entries as of many."""

    def f(x):
        return float(np.abs(x[0]) / 2.0 + np.sum(np.sin(x[1:])))

    x = np.append(0.0, np.linspace(0.2, 1.0, size - 1))
    report = check_gradient(f, np.append(given, np.cos(x[1:])), x, subgradient=subgradient)
    if subgradient:
        assert report.outcome is Outcome.PASS
        assert "x[0] lies on a kink and passes as a subgradient" in report.notes
    else:
        assert [m.name for m in report.wrong] == ["x[0]"]
        text = "f has a kink at x[0], and the gradient lies outside its one-sided slopes: "
        assert f"{text}-0.5 on the left, 0.5 on the right" in report.notes
