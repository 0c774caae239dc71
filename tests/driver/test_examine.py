"""The course of a check, from methods and a first look by hand: what is asked, in which order, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck.driver.examine import examine
from gradcheck.driver.known import Known
from gradcheck.driver.methods import Method
from gradcheck.driver.options import Options
from gradcheck.driver.prepare import inspect_roughness
from gradcheck.function.contract import Inspection
from gradcheck.function.matrix import Dense, Sparse
from gradcheck.function.objective import BudgetSpentError, NotScalarError
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.boxes import Box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.cause import Cause, Extent, Kind, Place
from gradcheck.results.certificate import ArrayEvidence, Certificate, Region, Residual
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import unmeasured
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.verdict import Judgement, Tolerance

X = np.array([1.0, 2.0])
PARAMETERS, _ = Parameters.of(X)
(BLOCK,) = PARAMETERS.blocks
SEEN, ABOUT = Finding("seen at x"), Finding("how it was gathered")
FINAL = Finding("that was it", Outcome.FAIL, final=True)
LINES = Dense(np.array([[1.0, 2.0]]))
NOBODY = np.zeros(2, bool)
CAUSE = Cause(Kind.SIGN, Place(("x",), 2, Extent.ALL))


def entries(*limits: Limit, **options: Any) -> Entries:
    """Two entries that were measured with steps of 0.125 and 0.5, and what limits each."""
    estimate = replace(
        unmeasured(2, np.dtype(float)),
        step=np.array([0.125, 0.5]),
        limit=np.array(limits or [Limit.NONE] * 2),
    )
    judgement = Judgement(NOBODY, ~NOBODY, NOBODY, np.zeros(2), np.ones(2))
    return Entries(np.arange(2), LINES.array[0], estimate, judgement, **options)


def survey(*regions: Region, certified: bool = False, **options: Any) -> Evidence:
    """One array with one direction."""
    certificate = Certificate("x", 1e-6, 1e-6, 0.999, 1) if certified else None
    array = ArrayEvidence(BLOCK, (Residual(0.0, 1e-9, 1.0, 3e-9),), certificate)
    return Evidence(entries(Limit.DOMAIN, Limit.NONE), (array,), regions, **options)


def evidence(*limits: Limit, **options: Any) -> Evidence:
    """Entries alone."""
    return Evidence(entries(*limits, **options))


class Course:
    """A check whose parts are all given; what it is asked is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **parts: Any) -> None:
        self.monkeypatch, self.asked = monkeypatch, list[Any]()
        self.objective: Any = SimpleNamespace(
            parameters=PARAMETERS, ended=False, interrupted=False, left_domain="", remaining=1000
        )
        self.inspection = Inspection(1.0, LINES, (SEEN,), "float64", 1)
        self.options, self.room = Options(confidence=0.999), parts.pop("room", None)
        self.setting = Setting(
            self.objective, X, 1.0, np.ones(2), Tolerance(1e-6), level=1e-16, relative_step=1e-3
        )
        for name, value in parts.items():
            holders = (self.objective, self.options, self.inspection, self.setting)
            vars(next(part for part in holders if name in vars(part)))[name] = value

    def inspect(self, repeat: bool) -> Inspection:
        self.asked.append(f"repeat: {repeat}")
        return self.inspection

    def explained(self, problem: Any, evidence: Any, again: Any) -> Any:
        self.asked.append(("explain", problem, evidence))
        assert again is self.inspection.again
        return ("a cause",)

    def method(self, cost: int | None, does: Any = None, *, settles: bool = False) -> Method:
        """A method of some cost that does something."""

        def costs(known: Known) -> int | None:
            assert known.inspected is self.inspection
            return cost

        def run(known: Known) -> bool:
            self.asked.append(f"run {cost}")
            if does is not None:
                does(known)
            return settles

        return costs, run

    def finds(
        self, evidence: Any, *, prepared: bool = True, about: Any = (), settles: bool = False
    ) -> Method:
        """A method that finds some evidence."""

        def found(known: Known) -> None:
            known.evidence, known.about = evidence, list(about)
            if prepared:
                known.setting = self.setting

        return self.method(5, found, settles=settles)

    def raises(self, error: BaseException) -> Method:
        """A method that does nothing else."""

        def now(known: Known) -> None:
            raise error

        return self.method(6, now)

    def ends(self) -> Method:
        """A method after which nothing can be measured."""
        return self.method(5, lambda known: known.findings.append(FINAL))

    def examined(self, *methods: Method) -> Known:
        """What is known at the end."""
        self.monkeypatch.setattr("gradcheck.driver.examine.METHODS", methods)
        self.monkeypatch.setattr("gradcheck.driver.examine.explained", self.explained)
        bar: Any = SimpleNamespace(plan=lambda points: self.asked.append(f"{points} planned"))
        known = Known(self.objective, self.options, X)
        known.room = self.room
        examine(known, self.inspect, bar)
        return known


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Course]:
    """A check with some of its parts given."""
    return partial(Course, monkeypatch)


def texts(known: Known) -> list[str]:
    """What there is to say."""
    return [finding.text for finding in known.findings]


def test_methods_are_run_in_turn_until_one_settles_the_check(course: Callable[..., Course]):
    """One that cannot help is left out; each is planned for at its cost, or what is left of the budget."""
    run, found = course(remaining=150), evidence()
    known = run.examined(
        run.method(200), run.method(None), run.finds(found, about=[ABOUT], settles=True), run.method(7)
    )
    assert run.asked == [
        "repeat: False", "150 planned", "run 200", "5 planned", "run 5", ("explain", run.setting, found),
    ]  # fmt: skip
    assert known.findings == [SEEN, ABOUT]
    assert known.evidence is found
    assert known.causes == ("a cause",)
    assert not known.interrupted


def test_what_there_is_to_say_of_x_comes_first(course: Callable[..., Course]):
    """Its notes, before what the first calls show."""
    whole, _ = Parameters.of(np.array([1, 2]))
    assert whole.notes
    assert texts(course(parameters=whole).examined()) == [*whole.notes, "seen at x"]


@pytest.mark.parametrize(
    ("method", "repeat"), [("auto", False), ("directions", False), ("sweep", True), ("complex", True)]
)
def test_f_is_called_twice_at_once_where_every_entry_is_asked_for(
    course: Callable[..., Course], method: str, repeat: bool
):
    """Other methods ask for the second call later, if they need it."""
    run = course(method=method)
    run.examined()
    assert run.asked == [f"repeat: {repeat}"]


def test_nothing_follows_what_is_final(course: Callable[..., Course]):
    """Of the first calls, of a method, or where there is no derivative."""
    last = course(findings=(FINAL,))
    assert last.examined(last.method(5)).findings == [FINAL]
    none = course(matrix=None)
    assert none.examined(none.method(5)).findings == [SEEN]
    for run in (last, none):
        assert run.asked == ["repeat: False"]
    run = course()
    assert run.examined(run.ends(), run.method(6)).findings == [SEEN, FINAL]
    assert run.asked == ["repeat: False", "5 planned", "run 5"]


@pytest.mark.parametrize(
    ("left", "right", "runs"),
    [
        ([0.0, 0.0], [0.0, 0.0], False),
        ([0.0, 0.25], [0.0, 0.0], True),
        ([0.0, 0.0], [0.25, 0.0], True),
        ([0.5, 0.5], [0.5, 0.5], True),
    ],
)
def test_where_every_coordinate_is_fixed_nothing_is_checked(
    course: Callable[..., Course], left: Any, right: Any, runs: bool
):
    """A coordinate with room to one side will do."""
    run = course(room=(np.array(left), np.array(right)))
    known = run.examined(run.method(5))
    text = "nothing was checked: every coordinate is fixed by its bounds"
    assert known.findings == [SEEN] + [Finding(text, Outcome.INCONCLUSIVE, final=True)] * (not runs)
    assert run.asked[1:] == ["5 planned", "run 5"] * runs


def test_no_evidence_is_not_explained(course: Callable[..., Course]):
    """Nor what came without a setting."""
    run = course()
    assert run.examined(run.method(5)).causes == ()
    assert run.examined(run.finds(evidence(), prepared=False)).causes == ()
    assert run.asked == ["repeat: False", "5 planned", "run 5"] * 2


def test_regions_of_a_sparse_matrix_count_what_it_stores(course: Callable[..., Course]):
    """Rows 1 and 2 of columns 0 to 2 hold three of its six entries, where nobody knows better; of a dense one nothing
    is counted."""
    pattern = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    region = Region(BLOCK, Box(((1, 3), (0, 3))), True)
    columns = sparse.csc_array(pattern)
    for matrix, known_before, stored in (
        (Sparse(columns, columns), None, 3),
        (Sparse(columns, columns), 2, 2),
        (Dense(pattern), None, None),
    ):
        run, given = course(matrix=matrix), survey(replace(region, stored=known_before))
        known = run.examined(run.finds(given))
        assert run.asked[-1] == ("explain", run.setting, known.evidence)
        assert isinstance(known.evidence, Evidence)
        assert known.evidence.regions == (replace(region, stored=stored),)
        assert known.evidence.arrays is given.arrays


@pytest.mark.parametrize(
    ("after", "stands"), [([False, False], False), ([True, False], True), ([False, None], True)]
)
def test_where_all_accusations_are_taken_back_no_search_says_that_something_is_wrong(
    course: Callable[..., Course], monkeypatch: pytest.MonkeyPatch, after: Any, stands: bool
):
    """Where kinks meet; where one stands, or they pass as subgradients, what the search left open does as well."""
    given = survey(Region(BLOCK, Box(((0, 2),)), False))
    accused = replace(given.entries.judgement, wrong=~NOBODY, verified=NOBODY)
    given = replace(given, entries=replace(given.entries, judgement=accused))
    passes = None in after
    judgement = replace(
        accused, wrong=np.array(after, bool) & ~NOBODY, verified=~NOBODY if passes else NOBODY
    )
    opened = replace(given.entries, judgement=judgement)
    monkeypatch.setattr("gradcheck.driver.examine.open_between_kinks", lambda setting, entries: opened)
    run = course()
    known = run.examined(run.finds(given))
    assert known.evidence is not None
    assert known.evidence.entries is opened
    assert known.evidence.regions == (given.regions if stands else ())


def test_an_end_before_its_time_makes_no_edges(course: Callable[..., Course]):
    """Where f was not called any more it is not undefined: the budget is the limit; else an edge is an edge."""
    for ended, interrupted in ((False, False), (True, False), (True, True)):
        given, run = evidence(Limit.DOMAIN, Limit.KINK), course(ended=ended, interrupted=interrupted)
        known = run.examined(run.finds(given))
        found = known.evidence
        assert found is not None
        limits = [Limit.BUDGET if ended else Limit.DOMAIN, Limit.KINK]
        assert found.entries.estimate.limit.tolist() == limits
        assert given.entries.estimate.limit.tolist() == [Limit.DOMAIN, Limit.KINK]
        assert found.interrupted is known.interrupted is interrupted
        assert found.entries.judgement is given.entries.judgement
        assert found.entries.estimate.step is given.entries.estimate.step


@pytest.mark.parametrize("interrupted", [False, True])
def test_directions_that_ended_before_their_time_prove_nothing(
    course: Callable[..., Course], interrupted: bool
):
    """Without a certificate they are left out; with one they stay."""
    for certified in (False, True):
        given, run = survey(certified=certified), course(ended=True, interrupted=interrupted)
        found = run.examined(run.finds(given)).evidence
        assert isinstance(found, Evidence)
        assert found.arrays == (given.arrays[0] if certified else replace(given.arrays[0], residuals=()),)
        assert found.entries.estimate.limit.tolist() == [Limit.BUDGET, Limit.NONE]
        assert found.entries.interrupted is found.interrupted is interrupted


def test_a_second_call_of_the_derivative_is_looked_at_in_the_end(course: Callable[..., Course]):
    """With the tolerance that is known by then, and the bounds; but for what is final."""
    room = np.ones(2), np.ones(2)
    again: Any = SimpleNamespace(findings=lambda *given: [Finding(f"again with {given}")], calls=1)
    run = course(room=room, again=again)
    known = run.examined(run.finds(evidence(), about=[ABOUT]))
    assert texts(known) == ["seen at x", ABOUT.text, f"again with {(Tolerance(1e-6), room)}"]
    assert run.examined(run.ends()).findings == [SEEN, FINAL]


def test_an_interruption_leaves_what_was_known(course: Callable[..., Course]):
    """The evidence of an earlier method; without any that is said, unless something is final."""
    text = "interrupted before any entry was judged: start it again"
    run, found = course(), evidence()
    known = run.examined(run.raises(KeyboardInterrupt()), run.method(7))
    assert known.findings == [SEEN, Finding(text, Outcome.INCONCLUSIVE, final=True)]
    assert known.interrupted
    assert run.asked == ["repeat: False", "6 planned", "run 6"]
    known = run.examined(run.finds(found), run.raises(KeyboardInterrupt()))
    assert (known.interrupted, known.evidence, known.findings) == (True, found, [SEEN])
    known = course(findings=(FINAL,), interrupted=True).examined()
    assert (known.interrupted, known.findings) == (True, [FINAL])


@pytest.mark.parametrize("who", ["f", "the evidence", "nobody"])
def test_an_interruption_within_f_or_the_evidence_is_one_of_the_check(
    course: Callable[..., Course], who: str
):
    """An objective catches it, and a search that ended before its time says so."""
    run = course(interrupted=who == "f")
    assert run.examined(run.finds(evidence(interrupted=who == "the evidence"))).interrupted is (
        who != "nobody"
    )
    said = texts(run.examined(run.method(5)))
    assert ("interrupted before any entry was judged: start it again" in said) is (who == "f")


def test_a_budget_that_is_spent_leaves_what_was_known(course: Callable[..., Course]):
    """Without evidence nothing can be said."""
    text = "the budget of evaluations was used up before any entry was judged: raise max_nfev"
    run = course()
    known = run.examined(run.raises(BudgetSpentError()))
    assert known.findings == [SEEN, Finding(text, Outcome.INCONCLUSIVE, final=True)]
    assert not known.interrupted
    assert run.examined(run.finds(evidence()), run.raises(BudgetSpentError())).findings == [SEEN]


def test_an_f_that_returns_something_else_near_x_is_no_function_to_differentiate(
    course: Callable[..., Course],
):
    """What the objective says of it, and where."""
    run = course()
    found = Finding("at a point near x: f returned two", Outcome.INCONCLUSIVE, final=True)
    assert run.examined(run.raises(NotScalarError("f returned two"))).findings == [SEEN, found]


def test_an_f_that_is_rough_is_said_to_be(course: Callable[..., Course]):
    """Noise of 1e-6, told with the steps of the entries that were judged, of a survey or not."""
    run = course(level=np.array([1e-6]))
    expected = inspect_roughness(run.setting, np.array([0.125, 0.5]))
    assert "slope over steps of about 0.3," in expected[0].text
    for found in (evidence(), survey()):
        assert run.examined(run.finds(found)).findings == [SEEN, *expected]
    prepared = run.method(5, lambda known: setattr(known, "setting", run.setting))
    assert run.examined(prepared).findings == [SEEN]
    assert run.examined(run.finds(evidence(), prepared=False)).findings == [SEEN]


def test_an_exception_near_x_is_a_note(course: Callable[..., Course]):
    """Where something was measured; else other words say it."""
    run = course(left_domain="ValueError")
    text = "a point near x was taken for off f's domain: f raised ValueError"
    assert run.examined(run.finds(evidence())).findings == [SEEN, Finding(text)]
    assert run.examined(run.method(5)).findings == [SEEN]
    run = course()
    assert run.examined(run.finds(evidence())).findings == [SEEN]


def test_what_is_accepted_is_known_before_f_was_called(course: Callable[..., Course]):
    """As it was given, 0 as well: a check that ends there reports it."""
    options = Options(rtol=0.0, atol=1.0, resolution=0.25)
    assert Known(course().objective, options, X).tolerance == Tolerance(0.0, 1.0, 0.25)
