"""The ways to learn about a derivative: what each costs and when it can help, what it is given and what it settles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck import Outcome, check_gradient
from gradcheck.driver import methods
from gradcheck.driver.known import Known
from gradcheck.driver.methods import METHODS
from gradcheck.driver.options import Options
from gradcheck.function.contract import Inspection
from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.boxes import Box
from gradcheck.parameters.matrix_names import jacobian_names
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Certificate, Region, Residual
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import unmeasured
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance

PLAIN, JOINT, EACH_ARRAY, COLUMNS, EVERY = (SimpleNamespace(cost=cost, run=run) for cost, run in METHODS)
SINGLE, DOUBLE = (float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64))
SAID = [Finding("how it was gathered")]
# x of two arrays, w (2, 2) and b (2,), and the names of the one row of a Jacobian by them.
TREE = {"w": np.ones((2, 2)), "b": np.ones(2)}
TWO, _ = Parameters.of(TREE)
W, B = (next(b for b in TWO.blocks if b.size == size) for size in (4, 2))
ROW = jacobian_names((1,), TWO)


def known_of(n: int = 6, rows: int = 1, *, matrix: Any = None, x: Any = None, **parts: Any) -> Known:
    """What is known before any method was run: x = 1, .., n, f(x) = 4 and a matrix of ones, but for some parts."""
    parameters, flat = Parameters.of(np.arange(1.0, n + 1.0) if x is None else x)
    matrix = Dense(np.ones((rows, flat.size))) if matrix is None else matrix
    objective: Any = SimpleNamespace(parameters=parameters, affords=lambda points: True)
    inspection = Inspection(4.0, matrix, (), "float64", 1)
    options = Options(rtol=1e-5, atol=1e-9, resolution=1e-2, confidence=0.99, subgradient=True, rng=7)
    known = Known(objective, options, flat, inspection=inspection)
    for name, value in parts.items():
        vars(next(part for part in (objective, options, inspection, known) if name in vars(part)))[name] = (
            value
        )
    return known


def prepared(known: Known) -> Problem:
    """Its setting, after f was measured from near."""
    known.ready = True
    tolerance = Tolerance(1e-6, resolution=0.125)
    known.setting = replace(known.problem, tolerance=tolerance, level=1e-16, relative_step=1e-3)
    return known.setting


def sparse_of(array: Any) -> Sparse:
    """A matrix whose pattern are its entries."""
    columns = sparse.csc_array(array)
    return Sparse(columns, columns)


class Noted:
    """A function that notes what it is given, and answers what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, answer: Any) -> None:
        self.answer = answer
        self.given: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}
        monkeypatch.setattr(methods, name, self)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.given, self.named = given, named
        return self.answer


def test_what_is_cheapest_is_tried_first():
    """Of ten entries: two evaluations each, a direction of eight points, six each; more directions are for many."""
    known = known_of(10)
    assert [cost(known) for cost, _ in METHODS] == [20, 8, None, None, 60]
    assert [cost(known_of(101)) for cost, _ in METHODS] == [None, 8, 8, None, 606]


@pytest.mark.parametrize(
    ("n", "method", "cost"), [(1, "auto", 2), (100, "auto", 200), (101, "auto", None), (4, "sweep", None)]
)
def test_plain_differences_are_for_up_to_a_hundred_entries(n: int, method: str, cost: int | None):
    """Where nothing else is asked for, and all entries are at hand."""
    assert PLAIN.cost(known_of(n, method=method)) == cost
    assert PLAIN.cost(known_of(n, method=method, matrix=sparse_of(np.ones((1, n))))) is None


@pytest.mark.parametrize(
    ("n", "method", "cost"),
    [(4, "auto", None), (5, "auto", 8), (5, "directions", 8), (5, "sweep", None), (5, "complex", None)],
)
def test_joint_directions_are_for_five_entries_and_more(n: int, method: str, cost: int | None):
    """Where directions may be taken."""
    assert JOINT.cost(known_of(n, method=method)) == cost


@pytest.mark.parametrize("large", [np.inf, np.nan, 1e160])
@pytest.mark.parametrize("form", [Dense, sparse_of])
def test_joint_directions_need_claims_whose_squares_are_numbers(large: float, form: Callable[[Any], Any]):
    """Times the squares of the scales, too; of products alone that is seen when they are taken."""
    array = np.ones((2, 5))
    assert JOINT.cost(known_of(5, matrix=form(array))) == 8
    array[1, 3] = large
    known = known_of(5, matrix=form(array))
    assert JOINT.cost(known) is None
    # Infinity times nothing is no number.
    known.problem = replace(known.problem, given_scales=np.full(5, 1e-200))
    assert JOINT.cost(known) is None
    for scale, cost in ((1.0, 8), (1e60, None), (1e-200, 8)):
        known = known_of(5, matrix=form(np.full((2, 5), 1e100)))
        known.problem = replace(known.problem, given_scales=np.full(5, scale))
        assert JOINT.cost(known) == cost
    assert JOINT.cost(known_of(5, matrix=Product((2, 5), lambda v: array @ v))) == 8


@pytest.mark.parametrize(
    ("n", "method", "cost"),
    [
        (3, "auto", None),
        (40, "auto", None),
        (41, "auto", 8),
        (3, "directions", 8),
        (101, "sweep", None),
        (101, "complex", None),
    ],
)
def test_arrays_are_moved_alone_where_they_hold_many_entries(n: int, method: str, cost: int | None):
    """A direction of eight points for each of them; of a matrix columns are, and what groups cost nobody knows."""
    assert EACH_ARRAY.cost(known_of(n, method=method)) == cost
    several = known_of(n, method=method, matrix=sparse_of(np.ones((1, n))))
    assert (EACH_ARRAY.cost(several), COLUMNS.cost(several)) == (None, 0)
    two = known_of(x={"w": np.ones(n), "b": np.ones(200)}, method=method)
    assert COLUMNS.cost(two) is None
    assert EACH_ARRAY.cost(two) == (16 if method in ("auto", "directions") else None)


def test_of_a_matrix_a_sample_of_columns_is_moved():
    """Six of them, six evaluations each, where there are more than a hundred."""
    assert COLUMNS.cost(known_of(100, matrix=Dense(np.ones((2, 100))))) is None
    assert COLUMNS.cost(known_of(101, matrix=Dense(np.ones((2, 101))))) == 36
    assert COLUMNS.cost(known_of(101, matrix=Product((1, 101), lambda v: v[:1]))) == 36
    for method, cost in (("directions", 36), ("sweep", None), ("complex", None)):
        assert COLUMNS.cost(known_of(101, matrix=Dense(np.ones((2, 101))), method=method)) == cost


def test_every_entry_is_judged_where_nothing_is_known_or_it_can_be_paid_for():
    """Six evaluations each, for up to 100 after other evidence."""
    asked: list[int] = []

    def affords(points: int) -> bool:
        asked.append(points)
        return points <= 300

    for n, first, later in ((50, 300, 300), (51, 306, None), (100, 600, None), (101, 606, None)):
        known = known_of(n, affords=affords)
        assert EVERY.cost(known) == first
        known.evidence = Evidence(judged())
        assert EVERY.cost(known) == later
    assert set(asked) == {300, 306, 600}
    for n, later in ((100, 600), (101, None)):
        known = known_of(n)
        known.evidence = Evidence(judged())
        assert EVERY.cost(known) == later


@pytest.mark.parametrize(
    ("n", "limit", "subgradient", "cost"),
    [
        (1000, Limit.KINK, True, 6000),
        (1001, Limit.KINK, True, None),
        (101, Limit.KINK, False, None),
        (101, Limit.NOISE, True, None),
    ],
)
def test_up_to_1000_entries_are_judged_at_a_kink_whose_slopes_are_accepted(
    n: int, limit: Limit, subgradient: bool, cost: int | None
):
    """Six evaluations each, as is planned; of another limit than a kink, or where they decide nothing, none."""
    known = known_of(n, subgradient=subgradient)
    (block,) = known.objective.parameters.blocks
    known.evidence = Evidence(judged(), (ArrayEvidence(block, limit=limit),))
    assert EVERY.cost(known) == cost


def judged(*entries: int, wrong: Any = ()) -> Entries:
    """Some entries that were judged by themselves."""
    is_wrong = np.isin(entries, wrong)
    no, ones = np.zeros(len(entries), bool), np.ones(len(entries))
    estimate = unmeasured(len(entries), np.dtype(float))
    return Entries(np.array(entries, np.intp), ones, estimate, Judgement(is_wrong, ~is_wrong, no, ones, ones))


def test_plain_differences_settle_what_they_bear_out(monkeypatch: pytest.MonkeyPatch):
    """They are given the first look, the tolerances and the bounds; otherwise nothing is known."""
    agreement = Noted(monkeypatch, "agreement", None)
    room = np.ones(6), np.zeros(6)
    known = known_of(room=room)
    assert PLAIN.run(known) is False
    assert (known.setting, known.evidence) == (None, None)
    assert agreement.given == (known.problem,)
    assert agreement.named == {"few": 5, "rng": 7}
    told_of(known.problem, known, DOUBLE)
    setting, evidence = prepared(known_of()), judged(0)
    agreement.answer = setting, evidence
    assert PLAIN.run(known) is True
    assert known.setting is setting
    assert known.evidence == Evidence(evidence)


def told_of(problem: Problem, known: Known, eps: float) -> None:
    """That it is the claim that is known."""
    inspection = known.inspected
    assert problem.f_x.tolist() == np.atleast_1d(inspection.f_x).tolist()
    assert (problem.objective, problem.x, problem.matrix) == (known.objective, known.x, inspection.matrix)
    assert problem.scales.tolist() == known.objective.parameters.scales(known.x).tolist()
    assert (problem.room, problem.eps) == (known.room, eps)
    assert problem.tolerance == known.tolerance
    assert problem.tolerance.given == (1e-5, 1e-9, 1e-2)


@pytest.mark.parametrize("form", [Dense, sparse_of])
def test_joint_directions_look_at_all_rows_together(
    monkeypatch: pytest.MonkeyPatch, form: Callable[[Any], Any]
):
    """Of several rows, or of a sparse one; settled where they find something."""
    rows = 2 if form is Dense else 1
    names = jacobian_names((rows,), Parameters.of(np.ones(6))[0])
    known = known_of(
        matrix=form(np.ones((rows, 6))),
        f_x=np.arange(1.0, rows + 1.0),
        names=names,
        computes_in="float32",
    )
    examine_rows = Noted(monkeypatch, "examine_rows", (object(), None))
    assert JOINT.run(known) is False
    assert (known.setting, known.evidence) == (None, None)
    problem, _, probe = examine_rows.given
    told_of(problem, known, SINGLE)
    assert problem.named is names
    assert probe == known.probe
    generator = examine_rows.named.pop("rng")
    assert examine_rows.named == {"confidence": 0.99}
    assert generator.random() == np.random.default_rng(7).random()
    examine_rows.answer = setting, found = prepared(known_of()), Evidence(judged())
    assert JOINT.run(known) is True
    assert known.setting is setting
    assert known.evidence is found


@pytest.mark.parametrize(("n", "method"), [(5, "auto"), (21, "auto"), (5, "directions")])
def test_joint_directions_look_at_all_of_a_gradient_together(
    monkeypatch: pytest.MonkeyPatch, n: int, method: str
):
    """From five entries on, and are told what others know."""
    room = np.ones(n), np.ones(n)
    known = known_of(n, method=method, room=room)
    setting, found = prepared(known_of()), Evidence(judged())
    examine_jointly = Noted(monkeypatch, "examine_jointly", (setting, None, True))
    assert JOINT.run(known) is False
    assert known.setting is setting
    assert (known.evidence, known.accused) == (None, True)
    problem, _, probe = examine_jointly.given
    generator = examine_jointly.named.pop("rng")
    known.setting = None
    told_of(problem, known, 2.0**-52)
    assert probe == known.probe
    assert examine_jointly.named == {"confidence": 0.99}
    assert generator.random() == np.random.default_rng(7).random()
    examine_jointly.answer = setting, found, False
    assert JOINT.run(known) is True
    assert (known.evidence, known.accused) == (found, False)


def test_a_first_direction_tells_what_f_is_measured_with(monkeypatch: pytest.MonkeyPatch):
    """Of 16 entries with ||g v|| = 4 and f = 4: a slope of 1, which is what noise is relative to.

    A noise of 2^-42, twice that for a level of 2^-41: (2^-41)^(1/5) / 2 = 2^-9.2, and 2^-9 is the nearest power of
    two. A level of 2^-31 that is known beforehand: 2^-7.2 and 2^-7.
    """
    room = np.ones(16), np.zeros(16)
    names, sizes, given = object(), object(), np.full(16, 2.0)
    known = known_of(16, room=room, names=names, x=given, computes_in="float32")
    examine_jointly = Noted(monkeypatch, "examine_jointly", (None, None, False))
    JOINT.run(known)
    problem, setting_of, _ = examine_jointly.given
    fit = SimpleNamespace(moved=np.array([False]))
    first = SimpleNamespace(noise=np.array([2.0**-42]), weight=np.array([4.0]), fit=fit)
    for known_level, level, step in ((None, 2.0**-41, 2.0**-9), (2.0**-31, 2.0**-31, 2.0**-7)):
        made = setting_of(first, known_level, sizes)
        assert (made.objective, made.x, made.scales) == (known.objective, known.x, problem.scales)
        assert (made.f_x, made.level, made.relative_step, made.slope) == (4.0, level, step, 1.0)
        assert (made.tolerance, made.room, made.subgradient) == (known.tolerance, room, True)
        assert (made.eps, made.names, made.gradient_scale) == (problem.eps, names, sizes)
        assert made.still is None  # of one row that is no output among others
    assert problem.eps == SINGLE


def test_a_first_direction_tells_of_every_row_what_it_is_measured_with(monkeypatch: pytest.MonkeyPatch):
    """As above, each by its own noise and slope; outputs that did not move along it are still.

    Of the last row (2^-39)^(1/5) / 2 is 2^-8.8.
    """
    f_x, weight, noise = (
        np.array([4.0, -4.0, 0.25]),
        np.array([4.0, 4.0, 8.0]),
        2.0 ** np.array([-42, -32, -42]),
    )
    moved = np.array([True, False, True])
    for rows in (2, 3):
        names = jacobian_names((rows,), Parameters.of(np.ones(16))[0])
        known = known_of(16, rows, names=names, f_x=f_x[:rows], computes_in="float32")
        examine_rows = Noted(monkeypatch, "examine_rows", (None, None))
        JOINT.run(known)
        problem, setting_of, _ = examine_rows.given
        fit = SimpleNamespace(moved=moved[:rows])
        made = setting_of(SimpleNamespace(noise=noise[:rows], weight=weight[:rows], fit=fit))
        assert made.level.tolist() == (2.0 * noise[:rows]).tolist()
        assert made.relative_step.tolist() == [2.0**-9, 2.0**-7, 2.0**-9][:rows]
        assert (made.slope.tolist(), made.f_x.tolist()) == ([1.0, 1.0, 2.0][:rows], f_x[:rows].tolist())
        assert made.still.tolist() == [False, True, False][:rows]
        assert (made.objective, made.x, made.scales) == (known.objective, known.x, problem.scales)
        assert (made.tolerance, made.subgradient, made.room) == (known.tolerance, True, None)
        assert (made.eps, made.names, made.gradient_scale) == (problem.eps, names, None)
        assert setting_of(SimpleNamespace(noise=noise[:rows], weight=weight[:rows], fit=None)).still is None


def array(block: Any, bound: float | None = None) -> ArrayEvidence:
    """An array of which directions prove so much."""
    residual = Residual(0.0, 1e-9, 1.0, 3e-9 + block.size)
    certificate = None if bound is None else Certificate(block.name, bound / 2, bound, 0.99, 3)
    return ArrayEvidence(block, (residual,), certificate)


def test_a_gradient_has_the_survey_of_its_arrays_and_a_row_one_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """By its names: the worst array speaks for the row; one region of columns is one of each run of entries."""
    found = Evidence(judged(), (array(W, 1e-6), array(B, 1e-4)), (Region(W, Box(((0, 2), (1, 2))), True),))
    (block,) = ROW.blocks

    def named(found: Evidence, names: Any = ROW) -> Any:
        Noted(monkeypatch, "examine_each_array", found)
        Noted(monkeypatch, "examine_jointly", (None, found, False))
        known = known_of(x=TREE, names=names)
        JOINT.run(known)
        jointly = known.evidence
        prepared(known)
        EACH_ARRAY.run(known)
        assert known.evidence == jointly
        return known.evidence

    worst = Certificate("each row of J", 5e-5, 1e-4, 0.99, 3)
    start = W.start
    assert named(found) == replace(
        found,
        arrays=(replace(array(B, 1e-4), block=block, certificate=worst),),
        regions=tuple(Region(block, Box(((0, 1), (k, k + 1))), True) for k in (start + 1, start + 3)),
    )
    assert named(found, None) is found
    # What is named by the row already stays as it is.
    row = Evidence(judged(), (array(block, 1e-6),), (Region(block, Box(((0, 1), (2, 3))), True),))
    assert named(row) is row
    # An array without a certificate is the worst, but where all its entries were judged.
    for entries, certificate in ((range(W.start, W.stop), worst), ((W.start,), None)):
        entries_of = judged(*entries)
        several = Evidence(entries_of, (array(B, 1e-4), array(W)))
        of = B if certificate else W
        expected = ArrayEvidence(block, array(of).residuals, certificate)
        assert named(several) == Evidence(entries_of, (expected,))


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        (Evidence(judged(), (array(W, 0.125), array(B, 0.125))), True),
        (Evidence(judged(), (array(W, 0.125), array(B, 0.126))), False),
        (Evidence(judged(*range(B.start, B.stop)), (array(W, 0.125), array(B))), True),
        (Evidence(judged(B.start), (array(W, 0.125), array(B))), False),
        (Evidence(judged(B.start, wrong=[B.start]), (array(B),)), True),
        (Evidence(judged(), (array(B),), (Region(B, Box(((0, 2),)), True),)), True),
        (Evidence(replace(judged(), interrupted=True), (array(B),)), True),
    ],
)
def test_directions_settle_what_is_certified_judged_or_wrong(
    monkeypatch: pytest.MonkeyPatch, found: Evidence, settled: bool
):
    """Everything, at the resolution; or something that is wrong; or an interruption."""
    each_array = Noted(monkeypatch, "examine_each_array", found)
    columns = Noted(monkeypatch, "examine_columns", (found, SAID))
    for method, noted, said in ((EACH_ARRAY, each_array, []), (COLUMNS, columns, SAID)):
        known = known_of(x=TREE)
        setting = prepared(known)
        assert method.run(known) is settled
        assert noted.given[0] is setting
        assert noted.given[0].matrix is known.problem.matrix
        assert noted.named.pop("rng").random() == np.random.default_rng(7).random()
        assert noted.named == {"confidence": 0.99} | ({"method": "auto"} if method is COLUMNS else {})
        assert known.evidence is found
        assert known.about == said


@pytest.mark.parametrize("before", [None, judged(0)])
def test_every_entry_settles_in_any_case(monkeypatch: pytest.MonkeyPatch, before: Any):
    """By the method that is asked for, or by differences where another one knows something already."""
    found = judged(0, 1)
    every_entry = Noted(monkeypatch, "every_entry", (found, SAID))
    known = known_of(method="complex", names=ROW)
    setting = prepared(known)
    known.evidence, known.accused = before, True
    assert EVERY.run(known) is True
    method = "complex" if before is None else "sweep"
    assert every_entry.given == (setting, method, 7)
    assert every_entry.named == {"accused": True}
    assert known.evidence == Evidence(found)
    assert known.about is SAID


@pytest.mark.parametrize("method", [EACH_ARRAY, COLUMNS, EVERY])
def test_where_nothing_can_be_measured_the_check_ends(method: Any):
    """The noise of f says so: no method is tried."""
    known = known_of()
    known.ready = True
    assert method.run(known) is True
    assert (known.evidence, known.about) == (None, [])


# Kinks at x, with subgradient=True


def lasso(n: int, factor: float = 1.0, mistakes: Any = ()) -> Any:
    """A check of |A w - b|^2 / 2 + 5 |w|_1, most of w 0; the penalty counts so many times, and some entries are off."""
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(2 * n, n)) / n**0.5, rng.normal(size=2 * n)
    w = rng.normal(size=n) * (rng.random(n) < 0.3)
    claimed = A.T @ (A @ w - b) + 5.0 * factor * np.sign(w)
    for kind, off in mistakes:
        claimed[np.flatnonzero((w == 0) == (kind == "zero"))[0]] += off

    def f(w: Any) -> Any:
        return 0.5 * np.sum((A @ w - b) ** 2) + 5.0 * np.abs(w).sum()

    return w, lambda **options: check_gradient(f, claimed, w, **options)


@pytest.mark.slow
@pytest.mark.parametrize("n", [95, 105, 300])
def test_subgradients_of_more_entries_than_100_are_accepted_and_refused_alike(n: int):
    """Directions tell nothing at a kink: slopes on both sides do, of every entry."""
    assert lasso(n)[1](subgradient=True).outcome is Outcome.PASS
    w, check = lasso(n, 2.0)
    assert {m.index[0] for m in check(subgradient=True).wrong} == set(np.flatnonzero(w).tolist())
    for kind, off in (("zero", 10.0), ("other", 1.0)):
        w, check = lasso(n, mistakes=[(kind, off)])
        at = int(np.flatnonzero((w == 0) == (kind == "zero"))[0])
        assert [m.index for m in check(subgradient=True).wrong] == [(at,)]


def test_of_more_than_1000_the_advice_is_a_sweep_and_not_what_was_passed():
    """132 evaluations tell of the kink; without the option it is what is advised."""
    check = lasso(1200)[1]
    report = check(subgradient=True)
    assert (report.outcome, report.nfev < 200) == (Outcome.INCONCLUSIVE, True)
    assert "method='sweep'" in report.reason
    assert "subgradient=True" not in report.reason
    assert "subgradient=True" in check().reason
