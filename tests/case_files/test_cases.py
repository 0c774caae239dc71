"""Case files: what they may say, how they are found, and what a run of them reports."""

import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck import mutations
from gradcheck.cases import (
    Case,
    CaseInterrupted,
    Context,
    Figure,
    LoadedCase,
    Mistake,
    Quantity,
    Reference,
    discover,
    run_case,
)
from gradcheck.cases.comparison import compare
from gradcheck.errors import CaseError, DataError
from gradcheck.results.outcome import Outcome

CASE_FILE = """
from gradcheck.cases import Case, Mistake, Quantity, Reference

case = Case(
    "1",
    "one and one",
    [Quantity("sum", lambda: 1 + 1, [Reference("paper", 2, reason="exact")], [Mistake("minus", lambda: 0)])],
)
"""


def loaded(case, path="cases/example.py"):
    """A case as if it came from a file."""
    return LoadedCase("example", Path(path), Path.cwd(), case)


def one_quantity(measure, expected=1.0, mistakes=(), **tolerance):
    """A case of one quantity with one reference."""
    reference = Reference("paper", expected, reason="by hand", **tolerance)
    return Case("1", "a fact", [Quantity("q", measure, [reference], mistakes)])


def rows_of(case, **options):
    """The rows of a run."""
    return run_case(loaded(case), **options).rows


def write(folder, name, text):
    """Write a file, with the folder it is in; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


# Comparison


@pytest.mark.parametrize(
    ("measured", "expected", "options"),
    [
        (1.0, 1.0, {}),
        (1.0 + 1e-7, 1.0, {"atol": 2e-7}),
        (101.0, 100.0, {"rtol": 0.01}),
        ([[1, 2], [3, 4]], np.array([[1.0, 2.0], [3.0, 4.0]]), {}),
        (True, True, {}),
        ((18, 18), (18, 18), {}),
        (0.93, 0.925, {"kind": "at_least"}),
        (0.92, 0.925, {"kind": "at_least", "atol": 0.01}),
        (3.0, 7.0, {"kind": "at_most"}),
        (np.uint8(3), np.uint8(5), {"atol": 2}),  # 3 - 5 would wrap around to 254
    ],
)
def test_values_within_the_tolerance_pass(measured, expected, options):
    """A difference of at most atol + rtol |expected| passes, for numbers, arrays and counts."""
    assert compare(measured, expected, **options).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("measured", "expected", "options", "said"),
    [
        (1.1, 1.0, {}, "off by 0.1"),
        (1.0 + 1e-6, 1.0, {"atol": 2e-7}, "2e-07 allowed"),
        (102.0, 100.0, {"rtol": 0.01}, "off by 2, 1 allowed"),
        (0.92, 0.925, {"kind": "at_least"}, "not at least 0.925"),
        (7.5, 7.0, {"kind": "at_most"}, "not at most 7"),
        (np.nan, 1.0, {"atol": 1e9}, "not finite"),
        ([1.0, np.inf], [1.0, 2.0], {"rtol": 1e9}, r"at \[1\]"),
        (1.0, np.nan, {"atol": 1e9}, "expected value is nan"),
        (np.inf, np.inf, {}, "not finite"),
        ([], [], {}, "empty"),
        ([1.0], 1.0, {}, "shapes differ"),
        (np.ones((3, 1)), np.ones(3), {}, "shapes differ"),
        (None, 1.0, {}, "NoneType"),
        ("1.0", 1.0, {}, "str '1.0'"),
        ([[1.0], [1.0, 2.0]], [1.0], {}, "not an array of numbers"),
        (1.0, {"W": 1.0}, {}, "expected value is not an array"),
        (1.7e308, -1.7e308, {"rtol": 0.5}, "off by inf"),
    ],
)
def test_what_is_no_positive_evidence_is_refused(measured, expected, options, said):
    """A difference beyond the tolerance, NaN, inf, nothing at all, or another shape never passes."""
    comparison = compare(measured, expected, **options)

    assert comparison.outcome is Outcome.FAIL
    assert re.search(said, comparison.problem)


def test_worst_element_is_largest_relative_to_its_own_allowance():
    """With a relative tolerance, the entry named is not the one of the largest difference."""
    comparison = compare([1.5, 1000.0], [1.0, 1010.0], rtol=0.1)

    assert comparison.index == (0,)
    assert comparison.difference == 0.5
    assert comparison.tolerance == pytest.approx(0.1)
    assert "entry [0]: measured 1.5, not 1" in comparison.problem
    assert "1 of 2 entries is out" in comparison.problem


@dataclass(frozen=True)
class Estimate:
    """A value with its error bar, as the stencils give it."""

    value: object
    error: object


def test_an_estimate_is_judged_with_its_own_error_bar():
    """Three error bars are allowed, no more; a bar that is not finite decides nothing."""
    assert compare(1.0 + 2e-6, Estimate(1.0, 1e-6)).outcome is Outcome.PASS
    assert compare(1.0 + 4e-6, Estimate(1.0, 1e-6)).outcome is Outcome.FAIL
    assert compare([1.0, 2.0], Estimate([1.0, 2.1], [1e-6, 1e-6])).index == (1,)
    assert compare(1.0, Estimate(1.0, np.inf)).outcome is Outcome.INCONCLUSIVE
    assert compare(np.nan, Estimate(1.0, 1e-6)).outcome is Outcome.FAIL


def test_one_side_is_one_side_of_an_estimate_too():
    """At any distance on the allowed one, three bars on the other; without a finite bar nothing is known."""
    known = Estimate(1.0, 1e-3)
    assert compare(2.0, known, kind="at_least").outcome is Outcome.PASS
    assert compare(0.998, known, kind="at_least").outcome is Outcome.PASS
    refused = compare(0.99, known, kind="at_least")
    assert refused.outcome is Outcome.FAIL
    assert "not at least 1" in refused.problem
    assert compare(0.0, known, kind="at_most").outcome is Outcome.PASS
    assert compare(1.01, known, kind="at_most").outcome is Outcome.FAIL
    assert compare(2.0, Estimate(1.0, np.inf), kind="at_least").outcome is Outcome.INCONCLUSIVE


def test_one_side_is_one_side_of_a_derivative_too():
    """exp at 0 has the slope 1; |t| at 0 the slopes -1 and 1; what is hidden by a bar stays undecided."""
    known = gradcheck.derivative(np.exp)
    assert compare(2.0, known, kind="at_least").outcome is Outcome.PASS
    assert compare(0.5, known, kind="at_least").outcome is Outcome.FAIL
    assert compare(0.5, known, kind="at_most").outcome is Outcome.PASS
    assert compare(2.0, known, kind="at_most").outcome is Outcome.FAIL
    assert compare(1.0, known, kind="at_most").outcome is Outcome.PASS
    kink = gradcheck.derivative(abs)
    assert compare(1.5, kink, kind="at_least").outcome is Outcome.PASS
    assert compare(-1.5, kink, kind="at_least").outcome is Outcome.FAIL
    assert compare(0.5, kink, kind="at_least").outcome is Outcome.INCONCLUSIVE
    both = gradcheck.gradient(lambda x: float(np.exp(x).sum()), np.zeros(2))
    mixed = compare([2.0, 0.5], both, kind="at_least")
    assert (mixed.outcome, mixed.index) == (Outcome.FAIL, (1,))


def test_a_derivative_is_judged_by_the_rule_of_the_check():
    """exp at 0 has the slope 1: found, and 1e-6 beside it refused; an entry of an array is named."""
    known = gradcheck.derivative(np.exp)
    passed = compare(1.0, known)
    assert passed.outcome is Outcome.PASS
    # The row shows the bar as its tolerance.
    assert passed.tolerance == 3 * known.error
    assert compare(1.0 + 1e-6, known).outcome is Outcome.FAIL
    assert compare(1.0 + 1e-6, known, atol=2e-6).outcome is Outcome.PASS
    assert compare(1.0 + 1e-6, known, rtol=2e-6).outcome is Outcome.PASS

    x = np.array([[0.5, 1.0], [2.0, 3.0]])
    field = gradcheck.gradient(lambda x: np.sum(x**2), x)
    assert compare(2 * x, field).outcome is Outcome.PASS
    wrong = compare(2 * x + np.array([[0, 0], [1e-5, 0]]), field)
    assert wrong.outcome is Outcome.FAIL
    assert wrong.index == (1, 0)
    assert wrong.difference == pytest.approx(1e-5, rel=1e-3)  # the estimate's own error is some 1e-10
    assert "1 of 4 entries is out" in wrong.problem


def test_a_wide_error_bar_decides_nothing():
    """A bar of 1 around 1 would let any number between -2 and 4 pass: undecided, outside refused."""

    def derivative(value, error):
        """exp at 0 with another value and bar."""
        found = gradcheck.gradient(lambda x: np.sum(np.exp(x)), np.zeros(np.shape(value)))
        return replace(found, value=np.array(value), error=np.array(error))

    wide = compare(1.0, derivative(1.0, 1.0))
    assert wide.outcome is Outcome.INCONCLUSIVE
    assert "a relative mistake of 0.001 must show, none would" in wide.problem
    assert "one of 0.03 would" in compare(1.0, derivative(1.0, 0.01)).problem
    assert compare(5.0, derivative(1.0, 1.0)).outcome is Outcome.FAIL
    assert compare(1.0, derivative(1.0, 3e-4)).outcome is Outcome.PASS
    assert compare(1.0, derivative(1.0, 4e-4)).outcome is Outcome.INCONCLUSIVE
    assert compare([1.0, 1.0], derivative([1.0, np.nan], [1e-6, np.inf])).outcome is Outcome.INCONCLUSIVE
    partly = compare([2.0, 1.0], derivative([1.0, np.nan], [1e-6, np.inf]))
    assert (partly.outcome, partly.index) == (Outcome.FAIL, (0,))
    other = compare([1.0, 2.0], derivative([np.nan, 1.0], [np.inf, 1e-6]))
    assert (other.outcome, other.index) == (Outcome.FAIL, (1,))
    assert compare(1 + 0j, derivative(1.0, 1e-6)).outcome is Outcome.FAIL


def test_a_kink_decides_nothing_between_its_slopes():
    """|x| at 0: 0 is no derivative although the central difference is; 2 is not even a subgradient."""
    kink = gradcheck.derivative(abs)
    undecided = compare(0.0, kink)
    assert undecided.outcome is Outcome.INCONCLUSIVE
    assert "f has a kink there (slope -1 on the left, 1 on the right)" in undecided.problem
    assert compare(0.5, kink).outcome is Outcome.INCONCLUSIVE
    outside = compare(2.0, kink)
    assert outside.outcome is Outcome.FAIL
    assert "not" in outside.problem


# What a case may say


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Reference("r", 1.0, reason=" "), "reason"),
        (lambda: Reference("r", 1.0, reason="x", rtol=-1.0), "rtol"),
        (lambda: Reference("r", 1.0, reason="x", atol=float("inf")), "atol"),
        (lambda: Reference("r", 1.0, reason="x", atol=float("nan")), "atol"),
        (lambda: Reference("r", 1.0, reason="x", kind="near"), "kind"),
        (lambda: Reference("", 1.0, reason="x"), "name"),
        (lambda: Quantity("q", lambda: 1, []), "references is empty"),
        (lambda: Quantity("q", 1.0, [Reference("r", 1, reason="x")]), "measure must be a function"),
        (lambda: Quantity("q", lambda: 1, [Reference("r", 1, reason="x")] * 2), "different names"),
        (lambda: Quantity("q", lambda: 1, [1.0]), "Reference objects"),
        (lambda: Case("1", "t", []), "quantities is empty"),
        (lambda: Case("1", "t", one_quantity(lambda: 1).quantities, needs=["cifar"]), "cifar"),
        (lambda: Case("1", "t", one_quantity(lambda: 1).quantities, needs="mnist"), "sequence"),
        (
            lambda: Case("1", "t", one_quantity(lambda: 1).quantities, needs=5),
            "needs must be a sequence.*not 5",
        ),
        (
            lambda: Case(3.2, "t", one_quantity(lambda: 1).quantities),
            "section must be a non-empty string, not 3.2",
        ),
        (
            lambda: Case("1", "t", one_quantity(lambda: 1).quantities, claim=3),
            "claim must be a string, not 3",
        ),
        (
            lambda: Case("1", "t", one_quantity(lambda: 1).quantities, wrong=None),
            "wrong must be a string, not None",
        ),
        (lambda: Reference("r", 1.0, reason=5), "'r': reason must say why.*it is 5"),
        (lambda: Reference("r", 1.0, reason="x", atol="a"), "'r': atol must be finite and >= 0, not 'a'"),
        (lambda: Figure("f", lambda figure: None, "a", source=3), "source must be a string, not 3"),
        (lambda: Mistake("m", 1.0), "measure must be a function"),
        (lambda: Figure("f", lambda figure: None, alt=""), "alt"),
    ],
)
def test_a_case_that_could_check_nothing_cannot_be_made(make, said):
    """A missing reason, a tolerance without bound, or an empty list is refused, by name."""
    with pytest.raises((ValueError, TypeError), match=said):
        make()


# Rows


def test_each_reference_and_each_mistake_is_a_row():
    """The rows of a run are those the case announces, whatever their outcome."""
    case = one_quantity(lambda: 1.0, mistakes=[Mistake("sign", lambda: -1.0), Mistake("double", lambda: 2.0)])

    rows = rows_of(case)

    assert [(row.quantity, row.reference) for row in rows] == case.row_names()
    assert [row.reference for row in rows] == ["paper", "refuses: sign", "refuses: double"]
    assert {row.outcome for row in rows} == {Outcome.PASS}
    assert rows[1].measured == -1.0
    assert rows[1].difference == 2.0
    assert "refused by 'paper'" in rows[1].reason


def test_a_wrong_value_fails_and_the_row_says_how_much():
    """Measured, expected, difference, tolerance and reason stand in the row."""
    row = rows_of(one_quantity(lambda: 1.5, atol=0.25))[0]

    assert row.outcome is Outcome.FAIL
    assert (row.measured, row.expected, row.difference, row.tolerance) == (1.5, 1.0, 0.5, 0.25)
    assert row.reason == "by hand"
    assert row.problem == "measured 1.5, not 1: off by 0.5, 0.25 allowed"


def test_a_planted_mistake_that_no_reference_refuses_fails():
    """A case whose tolerance lets a planted mistake pass does not pass itself."""
    row = rows_of(one_quantity(lambda: 1.0, atol=10.0, mistakes=[Mistake("sign", lambda: -1.0)]))[1]

    assert row.outcome is Outcome.FAIL
    assert "no reference refuses" in row.problem


def test_one_reference_that_refuses_is_enough():
    """A mistake need not be seen by the loosest of the references."""
    loose, tight = (Reference(str(atol), 1.0, reason="x", atol=atol) for atol in (10.0, 0.1))
    case = Case("1", "t", [Quantity("q", lambda: 1.0, [loose, tight], [Mistake("sign", lambda: -1.0)])])

    assert rows_of(case)[2].outcome is Outcome.PASS
    assert "'0.1'" in rows_of(case)[2].reason


@pytest.mark.parametrize("expected", [lambda: 1 / 0, np.nan, [], None])
def test_a_broken_reference_refuses_nothing(expected):
    """A mistake is not "refused" by a reference that would refuse everything."""
    case = one_quantity(lambda: 1.0, expected, mistakes=[Mistake("sign", lambda: -1.0)])

    assert [row.outcome for row in rows_of(case)] == [Outcome.FAIL, Outcome.FAIL]


def test_every_reference_that_refuses_a_mistake_is_named():
    """The row says who would have seen it: the two tight references, not the loose one."""
    references = [
        Reference(name, 1.0, reason="r", atol=atol) for name, atol in (("a", 0), ("b", 9), ("c", 1))
    ]
    case = Case("1", "t", [Quantity("q", lambda: 1.0, references, [Mistake("sign", lambda: -1.0)])])

    assert rows_of(case)[3].reason.startswith("refused by 'a', 'c': measured -1, not 1: off by 2")


def test_a_mutation_is_planted_into_what_the_quantity_measures():
    """A sign is refused, under the mutation's name or another; what changes nothing is an error of the case."""
    x = np.array([[1.0, 2.0], [2.0, 5.0]])
    mistakes = [
        Mistake.planted(mutations.ALL_NEGATED, lambda: 2 * x, x),
        Mistake.planted(mutations.one_scaled(1.1), lambda: 2 * x, x, name="the (0, 0) entry"),
        Mistake.planted(mutations.TRANSPOSED, lambda: 2 * x, x),
    ]
    rows = rows_of(one_quantity(lambda: 2 * x, 2 * x, mistakes, atol=1e-9))[1:]

    assert [row.reference for row in rows] == [
        "refuses: all negated", "refuses: the (0, 0) entry", "refuses: square array transposed"
    ]  # fmt: skip
    assert [row.outcome for row in rows] == [Outcome.PASS, Outcome.PASS, Outcome.FAIL]
    assert "'square array transposed' changes nothing" in rows[2].problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("all negated", lambda: 1.0, 1.0), "mutation must be one of gradcheck.mutations, not 'all negated'"),
        ((mutations.ALL_NEGATED, 2.0, 1.0), "gradient must be a function, not float"),
    ],
)
def test_what_cannot_be_planted_is_refused_where_it_is_written(arguments, said):
    """Not when the case is run, and by its name."""
    with pytest.raises(TypeError, match=said):
        Mistake.planted(*arguments)


def test_a_mutation_is_planted_into_a_case_that_prepares():
    """The gradient then takes the state, as `measure` does."""
    planted = Mistake.planted(mutations.ALL_NEGATED, lambda state: 2.0 * state, 1.0)
    reference = Reference("r", 6.0, reason="twice 3")
    case = Case(
        "1", "t", [Quantity("q", lambda state: 2.0 * state, [reference], [planted])], prepare=lambda _: 3.0
    )

    measured, refused = rows_of(case)
    assert (measured.outcome, refused.outcome, refused.measured) == (Outcome.PASS, Outcome.PASS, -6.0)


def test_a_mistake_that_raises_was_not_refused():
    """A typing error in a planted mistake is no evidence that the case would see it."""
    row = rows_of(one_quantity(lambda: 1.0, mistakes=[Mistake("typing error", lambda: one)]))[1]  # noqa: F821 -- the typing error

    assert row.outcome is Outcome.FAIL
    assert "NameError" in row.problem


def test_an_exception_becomes_a_row_that_says_what_and_where(tmp_path):
    """What was raised stands in the row, with the line of the case file and of the place that raised."""
    text = CASE_FILE.replace("lambda: 1 + 1", "lambda: helper.divide(1, 0)").replace(
        "case =", "import helper_of_this_test as helper\ncase ="
    )
    path = write(tmp_path / "cases", "bad.py", text)
    write(tmp_path, "helper_of_this_test.py", "def divide(a, b):\n    return a / b\n")

    (row, mistake) = run_case(discover([path])[0]).rows

    assert row.outcome is Outcome.FAIL
    assert "the measurement: raised ZeroDivisionError: division by zero" in row.problem
    assert f"{path}:8" in row.problem
    assert "helper_of_this_test.py:2" in row.problem
    assert mistake.outcome is Outcome.PASS  # the reference itself is sound


class NoArray:
    """What NumPy cannot read."""

    def __array__(self, *_, **__):
        raise RuntimeError("no array")


class NoText:
    """What cannot be shown."""

    def __repr__(self):
        raise RuntimeError("no text")


class NoValue:
    """An estimate that does not come."""

    @property
    def value(self):
        raise RuntimeError("no value")


@pytest.mark.parametrize(
    ("measured", "expected", "planted", "outcomes"),
    [
        (NoArray(), 1.0, 0.0, ["FAIL", "PASS"]),
        (NoText(), 1.0, 0.0, ["FAIL", "PASS"]),
        (1.0, NoValue(), 0.0, ["FAIL", "FAIL"]),
        (1.0, 1.0, NoArray(), ["PASS", "FAIL"]),
        (1.0, 1.0, 0.0, ["PASS", "PASS"]),
    ],
)
def test_an_object_that_raises_when_it_is_read_fails_its_row_alone(measured, expected, planted, outcomes):
    """Measured, expected or of a planted mistake: it says what was raised, and no other row is lost."""
    case = one_quantity(lambda: measured, expected, [Mistake("m", lambda: planted)])
    other = Quantity("z", lambda: 1.0, [Reference("paper", 1.0, reason="by hand")])
    rows = rows_of(replace(case, quantities=[*case.quantities, other]))
    assert [row.outcome.value for row in rows] == [*outcomes, "PASS"]
    assert all("raised RuntimeError: no " in row.problem for row in rows if row.outcome is Outcome.FAIL)


def test_system_exit_inside_a_case_is_a_row_too():
    """A case that calls sys.exit does not end the run."""
    assert "SystemExit" in rows_of(one_quantity(lambda: sys.exit(0)))[0].problem


def test_a_missing_data_set_is_inconclusive_and_says_what_to_do():
    """DataError in prepare: every row is announced, none passes, none accuses the code under test."""

    def prepare(context):
        raise DataError("no MNIST data: get it with `gradcheck fetch mnist`")

    reference = Reference("paper", 1.0, reason="x")
    quantities = [Quantity("q", lambda state: 1.0, [reference], [Mistake("m", lambda state: 2.0)])]
    result = run_case(loaded(Case("1", "t", quantities, prepare=prepare)))

    assert [row.outcome for row in result.rows] == [Outcome.INCONCLUSIVE] * 2
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "gradcheck fetch mnist" in result.rows[0].problem


def test_prepare_runs_once_and_its_state_reaches_every_function():
    """Measure, expected, mistakes and figures take what prepare returned."""
    prepared, drawn = [], []

    def prepare(context):
        prepared.append(context.fast)
        return {"value": 3.0}

    quantity = Quantity(
        "q",
        lambda state: state["value"],
        [Reference("r", lambda state: state["value"], reason="x")],
        [Mistake("double", lambda state: 2 * state["value"])],
    )
    figure = Figure("f", lambda canvas, state: drawn.append((canvas, state["value"])), alt="a figure")
    case = Case("1", "t", [quantity], prepare=prepare, figures=[figure])

    def save(name, figure, draw):
        draw("canvas")
        return Path(f"{name}-{figure.name}.png")

    result = run_case(loaded(case), Context(fast=True), save_figure=save)

    assert prepared == [True]
    assert [row.expected for row in result.rows] == [3.0, 3.0]
    assert result.outcome is Outcome.PASS
    assert drawn == [("canvas", 3.0)]
    assert result.figures == (Path("example-f.png"),)


def test_a_figure_that_raises_is_a_row():
    """A figure that cannot be drawn does not pass unseen."""
    case = Case(
        "1", "t", one_quantity(lambda: 1.0).quantities, figures=[Figure("f", lambda c: 1 / 0, alt="a")]
    )

    rows = rows_of(case, save_figure=lambda name, figure, draw: draw(None))

    assert (rows[-1].quantity, rows[-1].outcome) == ("figure f", Outcome.FAIL)
    assert "ZeroDivisionError" in rows[-1].problem


def test_an_interrupted_case_keeps_the_rows_so_far():
    """Ctrl-C in the second quantity leaves the first one's row."""

    def interrupt():
        raise KeyboardInterrupt

    first = one_quantity(lambda: 1.0).quantities[0]
    second = Quantity("second", interrupt, first.references)

    with pytest.raises(CaseInterrupted) as stop:
        run_case(loaded(Case("1", "t", [first, second])))

    assert [row.quantity for row in stop.value.result.rows] == ["q"]
    assert not stop.value.result.complete


def test_the_measured_array_is_copied_before_the_case_goes_on():
    """A reference that works in the array which was measured does not change the row."""
    array = np.array([1.0, 2.0])

    def expected():
        array[:] = 7.0
        return [1.0, 2.0]

    assert rows_of(one_quantity(lambda: array, expected))[0].outcome is Outcome.PASS


def test_the_data_source_is_reported(monkeypatch):
    """A case that takes MNIST from its context names where it came from, once, and only its own."""
    from gradcheck.textbook import mnist

    dataset = mnist.Dataset(*[np.zeros(1)] * 4, source="a test")
    monkeypatch.setattr(mnist, "load_mnist", lambda **options: dataset)
    quantity = Quantity("q", lambda data: len(data), [Reference("r", 2, reason="x")])
    case = Case(
        "1", "t", [quantity], prepare=lambda context: [context.mnist(), context.mnist()], needs=["mnist"]
    )
    context = Context()

    assert run_case(loaded(case), context).sources == ("a test",)
    assert context.sources == []
    assert run_case(loaded(one_quantity(lambda: 1.0)), context).sources == ()


def test_a_case_without_a_planted_mistake_is_noted():
    """It runs, and the result says that nothing shows that it can fail."""
    assert "no planted mistake" in run_case(loaded(one_quantity(lambda: 1.0))).notes[0]
    assert run_case(loaded(one_quantity(lambda: 1.0, mistakes=[Mistake("m", lambda: 2)]))).notes == ()


def test_rows_are_json():
    """Rows hold what JSON can: short arrays in full, of long ones the worst entry, and words for inf and NaN."""
    short = rows_of(one_quantity(lambda: np.float32([1, np.inf]), [1, 2]))[0]
    long = rows_of(one_quantity(lambda: np.arange(100.0).reshape(10, 10), lambda: np.zeros((10, 10))))[0]

    assert json.loads(json.dumps(short.to_dict(), allow_nan=False))["measured"] == [1.0, "inf"]
    record = json.loads(json.dumps(long.to_dict(), allow_nan=False))
    assert (record["measured"], record["expected"], record["index"]) == (99.0, 0.0, [9, 9])
    assert record["shape"] == [10, 10]
    assert record["outcome"] == "FAIL"


# Discovery


def test_files_folders_and_names_are_found(tmp_path, monkeypatch):
    """A folder gives its case files, a name the file in cases/; each file is loaded once."""
    for name in ("a.py", "b.py", "_helper.py", "conftest.py"):
        write(tmp_path / "cases", name, CASE_FILE)
    monkeypatch.chdir(tmp_path)

    assert [one.name for one in discover()] == ["a", "b"]
    assert [one.name for one in discover(["b", "cases", "cases/a.py"])] == ["b", "a"]
    assert [one.name for one in discover(name for name in ("b", "a"))] == ["b", "a"]
    for one_path in ("b", Path("cases/b.py")):  # not letter by letter
        assert [one.name for one in discover(one_path)] == ["b"]


@pytest.mark.parametrize("paths", [3, None, [3], b"b"])
def test_what_is_no_path_is_refused(paths):
    """By the name of the argument."""
    with pytest.raises(TypeError, match="paths must be a path or a list of them, not "):
        discover(paths)


def test_a_case_without_its_file_is_refused(tmp_path, monkeypatch):
    """It says what makes one; what `discover` gives runs."""
    write(tmp_path / "cases", "a.py", CASE_FILE)
    monkeypatch.chdir(tmp_path)
    (loaded,) = discover()

    assert run_case(loaded).complete
    with pytest.raises(
        TypeError, match=r"loaded must be a LoadedCase.* as LoadedCase\(name, path, root, case\)"
    ):
        run_case(loaded.case)
    with pytest.raises(TypeError, match="loaded must be a LoadedCase, which discover gives; not a list"):
        run_case([loaded])


def test_the_folder_that_holds_cases_is_importable_while_a_case_loads_and_runs(tmp_path):
    """Case files import their neighbours' modules, at the top and later; the import path is left as it was."""
    text = CASE_FILE.replace("lambda: 1 + 1", "measure").replace(
        "case =",
        "import early_module\ndef measure():\n    import late_module\n    return late_module.TWO\ncase =",
    )
    path = write(tmp_path / "cases", "c.py", text)
    write(tmp_path, "early_module.py", "")
    write(tmp_path, "late_module.py", "TWO = 2\n")
    before = list(sys.path)

    assert run_case(discover([path])[0]).outcome is Outcome.PASS
    assert sys.path == before


def test_an_edited_file_is_read_again(tmp_path):
    """A file changed within the same second, to the same length, is not run from old bytecode."""
    path = write(tmp_path / "cases", "c.py", CASE_FILE)
    assert run_case(discover([path])[0]).outcome is Outcome.PASS

    path.write_text(CASE_FILE.replace("1 + 1", "1 + 2"))

    assert run_case(discover([path])[0]).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "bad.py:1: syntax error"),
        ("\n\nx = 'unfinished\n", "bad.py:3: syntax error"),
        ("import module_that_is_nowhere\n", r"ModuleNotFoundError.*bad.py:1"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ("case = 1\n", "no Case"),
        ("", "no Case"),
        (CASE_FILE + CASE_FILE.replace("case =", "other ="), "2 Cases"),
        ("x = '\x00'", "null bytes"),
        (CASE_FILE.replace('reason="exact"', 'reason=""'), r"reason must say why.*bad.py:7"),
    ],
)
def test_a_file_that_is_no_case_file_is_named(tmp_path, text, said):
    """A file that does not load, or does not hold one Case, raises CaseError in one line."""
    path = write(tmp_path / "cases", "bad.py", text)

    with pytest.raises(CaseError, match=said) as error:
        discover([path])

    assert "\n" not in str(error.value)


def test_paths_that_lead_nowhere_are_named(tmp_path, monkeypatch):
    """A missing path, an empty folder and a file that is not Python are refused; a near name is offered."""
    write(tmp_path / "cases", "gradients.py", CASE_FILE)
    write(tmp_path, "notes.txt", "")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    for path, said in {
        "gradeints": "did you mean gradients?",
        "missing.py": "known cases: gradients",
        "cases/gradient.py": "did you mean cases/gradients.py?",
        "empty": "no case file",
        "notes.txt": "ends in .py",
    }.items():
        with pytest.raises(CaseError, match=said):
            discover([path])


def test_one_alias_of_the_same_case_is_one_case(tmp_path):
    """Two names for one Case are no ambiguity."""
    assert (
        discover([write(tmp_path / "cases", "c.py", CASE_FILE + "same = case\n")])[0].case.title
        == "one and one"
    )
