"""Of a large array a sample is looked at: the same words, in little memory, and none that the rest contradicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.diagnosis import explanations, gather
from gradcheck.diagnosis.scope import Scope, Subject
from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.results.certificate import ArrayEvidence, Certificate, Region
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import unmeasured
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Judgement, Tolerance

SHAPE = (60, 80)
AT_HAND = 1200


@pytest.fixture
def scopes(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """Every scope that is gathered, of at most 1,200 entries beside those that were judged."""
    seen: list[Scope] = []

    def kept(*given: Any) -> Scope:
        seen.append(gather.scope_of(*given))
        return seen[-1]

    monkeypatch.setattr(gather, "AT_HAND", AT_HAND)
    monkeypatch.setattr(explanations, "scope_of", kept)
    return seen


def gradient_of(change: Callable[[Any, Any], Any]) -> gradcheck.Report:
    """The report on a sum of sines whose gradient was changed: change(gradient, x)."""
    a, x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    return gradcheck.check_gradient(
        lambda x: float(np.sum(a * np.sin(x))), change(a * np.cos(x), x), x, method="directions"
    )


def put(index: Any, by: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A change of one part."""

    def change(g: Any, x: Any) -> Any:
        out = g.copy()
        out[index] = by(out[index])
        return out

    return change


CHANGES: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "one": (put((3, 4), lambda v: 1.5 * v), "one entry, x[3, 4], scaled by 1.5"),
    "two": (put(([3, 50], [4, 7]), lambda v: 2 * v), "analytic = 2 x numerical in both wrong entries of x"),
    "exchanged": (lambda g, x: swapped(g, (3, 4), (50, 7)), "x[3, 4] and x[50, 7] are exchanged"),
    "row": (put(5, lambda v: 3 * v), "analytic = 3 x numerical in row 5 of x"),
    "zeros": (put(5, lambda v: 0 * v), "analytic is 0 in row 5 of x, numerical is not: a term is missing"),
    "column": (put((..., 7), lambda v: -v), "analytic = -numerical in column 7 of x: the sign"),
    "all": (lambda g, x: 2 * g, "analytic = 2 x numerical in all 4,800 entries of x"),
    "roll": (lambda g, x: np.roll(g, 1), "x is shifted: numpy.roll(analytic, -1) fits"),
    "flip": (lambda g, x: np.flip(g, 0), "x is reversed: numpy.flip(analytic, 0) fits"),
    "decay": (lambda g, x: g - 0.01 * x, "numerical - analytic = lambda x with lambda = 0.01"),
}


def swapped(g: Any, one: tuple[int, int], other: tuple[int, int]) -> Any:
    """A copy with two entries in each other's place."""
    out = g.copy()
    out[one], out[other] = g[other], g[one]
    return out


@pytest.mark.parametrize("name", CHANGES)
def test_a_sample_says_what_the_whole_would(name: str, scopes: list[Scope]) -> None:
    """The sentence is the same, and what is at hand is little."""
    change, words = CHANGES[name]

    report = gradient_of(change)

    assert report.diagnosis[0].startswith(words)
    for scope in scopes:
        assert scope.at.size <= AT_HAND + scope.tested.sum()


@pytest.mark.parametrize("rows", [30, 59])
def test_a_sample_is_not_said_of_all(rows: int, scopes: list[Scope]) -> None:
    """A factor of 2 in a part of the rows, or in all but one, is not said of all entries."""
    report = gradient_of(put(slice(rows), lambda v: 2 * v))

    assert report.outcome is gradcheck.Outcome.FAIL
    assert scopes
    assert not any("all 4,800 entries" in sentence for sentence in report.diagnosis)


def test_noise_beside_a_factor_has_no_words(scopes: list[Scope]) -> None:
    """Where a tenth of the entries is off besides, 2 explains neither all nor some."""
    rng = np.random.default_rng(1)
    off = np.where(rng.random(SHAPE) < 0.1, rng.normal(size=SHAPE), 0.0)

    report = gradient_of(lambda g, x: 2 * g + off)

    assert scopes
    assert not any(cause.explains for cause in report.causes)


@pytest.mark.parametrize(("factor", "rows", "said"), [(2.0, 60, True), (2.0, 40, False)])
def test_a_large_jacobian_is_looked_at_by_rows(
    factor: float, rows: int, said: bool, scopes: list[Scope]
) -> None:
    """A direction tells of the rows that are at hand whole."""
    m, n = SHAPE
    a, x = np.random.default_rng(2).normal(size=(m, n)), np.linspace(0.3, 1.0, n)

    def jac(x: Any) -> Any:
        right = np.cos(a @ x)[:, None] * a
        right[:rows] *= factor
        return right

    report = gradcheck.check_jacobian(lambda x: np.sin(a @ x), jac, x, method="directions")

    assert report.outcome is gradcheck.Outcome.FAIL
    assert scopes
    assert scopes[0].absent
    assert any("2 x numerical in all 4,800 entries of J" in s for s in report.diagnosis) is said


def test_a_factor_that_large_arrays_share_is_said_of_all_though_one_was_sampled(scopes: list[Scope]) -> None:
    """The largest entries of all were judged: of an array without one of these places at random are looked at."""
    rng = np.random.default_rng(0)
    a = {"much": 10.0 * rng.normal(size=1000), "little": rng.normal(size=1000)}
    x = {name: rng.normal(size=1000) for name in a}

    report = gradcheck.check_gradient(
        lambda x: float(sum(np.sum(a[k] * np.sin(x[k])) for k in a)),
        {k: 2.0 * a[k] * np.cos(x[k]) for k in a},
        x,
        method="directions",
    )

    assert report.diagnosis == (
        'analytic = 2 x numerical in all 2,000 entries of params["much"] and params["little"]: a factor 2 too many',
    )
    assert scopes
    for scope in scopes:
        assert scope.at.size <= AT_HAND + scope.tested.sum()


# Parts that are off by a factor, by hand

PARAMETERS, _ = Parameters.of({"W": np.ones((3, 4)), "b": np.ones(3)})
W, B = PARAMETERS.blocks
RTOL, ATOL, BAR = 1e-3, 1e-5, 0.25
ROW = Region(W, Box(((1, 2), (0, 4))), True, 3, 2.0, BAR)
# Row 1 of W is off by a factor 2, which 0 is not; its first entry was judged.
CLAIMED = np.array([1.0, -1.0, 1.0, -1.0, 2.0, -4.0, 0.0, 6.0, 3.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0])
JUDGED = 4


def gathered(
    *regions: Region,
    of: Parameters = PARAMETERS,
    certified: Any = (W, B),
    claimed: Any = CLAIMED,
    wrong: Any = (JUDGED,),
    right: Any = (),
    unknown: Any = (),
    matrix: bool = False,
) -> Scope:
    """What is known where these parts were found and these entries judged to be 1, or where measuring some failed.

    Some arrays are certified within a tenth of their size.
    """
    at = np.sort(np.array([*wrong, *right, *unknown], np.intp))
    error = np.where(np.isin(at, unknown), np.inf, 0.01)
    found = replace(unmeasured(at.size, np.dtype(float)), value=np.ones(at.size), error=error)
    no = np.zeros(at.size, bool)
    judgement = Judgement(np.isin(at, wrong), np.isin(at, right), no, 0.03 + 0.0 * at, np.ones(at.size))
    arrays = [
        ArrayEvidence(b, (), Certificate(b.name, 0.1, 0.1, 0.99, 4)) for b in of.blocks if b in certified
    ]
    subject = Subject(of, claimed, np.ones(claimed.size), 1.0, Tolerance(RTOL, ATOL), matrix)
    return gather.scope_of(
        subject, Evidence(Entries(at, claimed[at], found, judgement), tuple(arrays), regions)
    )


@pytest.mark.parametrize("certified", [(), (W, B)])
def test_the_entries_of_a_factor_that_is_borne_out_are_known_without_it(certified: Any) -> None:
    """Within its bar; 0 is right, and the others are wrong, but not tested. Its array may have no certificate."""
    scope = gathered(ROW, certified=certified)
    row = np.isin(scope.at, [5, 6, 7])
    assert scope.at[row].tolist() == [5, 6, 7]
    assert scope.numerical[row].tolist() == [-2.0, 0.0, 3.0]
    assert scope.bar[row].tolist() == [BAR] * 3
    assert scope.slack(scope.numerical)[row] == pytest.approx(
        BAR + RTOL * np.array([2.0, 0.0, 3.0]) + ATOL, rel=1e-12
    )
    assert scope.wrong[row].tolist() == [True, False, True]
    assert (scope.known[row].tolist(), scope.tested[row].tolist()) == ([True] * 3, [False] * 3)
    # That which was judged is as it was measured; others are right, as far as they are certified.
    assert [scope.numerical[JUDGED], scope.wrong[JUDGED], scope.tested[JUDGED]] == [1.0, True, True]
    assert scope.bar[JUDGED] == pytest.approx(0.03)
    others = ~row & (scope.at != JUDGED) & (scope.at < B.start)
    assert scope.known[others].tolist() == [certified != ()] * 8
    assert not scope.wrong[others].any()
    if certified:
        assert scope.numerical[others].tolist() == CLAIMED[scope.at[others]].tolist()
        size = 0.1 * np.sqrt(np.mean(CLAIMED[W.slice] ** 2))
        assert scope.bar[others] == pytest.approx(np.full(8, size), rel=1e-12)
    else:
        assert np.isnan([scope.numerical[others], scope.bar[others]]).all()


@pytest.mark.parametrize(
    "region", [replace(ROW, factor=None), replace(ROW, bar=np.inf), replace(ROW, bar=np.nan)]
)
def test_of_a_part_that_is_not_borne_out_what_was_judged_is_known_alone(region: Region) -> None:
    """By the sample of a factor, or none."""
    scope = gathered(region)
    row = np.isin(scope.at, [5, 6, 7])
    assert np.flatnonzero(scope.wrong).tolist() == [JUDGED]
    assert (scope.known[row].any(), scope.known[~row].all()) == (False, True)
    assert np.isnan([scope.numerical[row], scope.bar[row], scope.slack(scope.numerical)[row]]).all()


def test_of_two_parts_each_has_its_own_factor() -> None:
    """One that has none is open, and entries beside them are right."""
    first = Region(W, Box(((0, 1), (0, 4))), True, None, -1.0, 0.5)
    scope = gathered(first, ROW, Region(W, Box(((2, 3), (0, 2))), True))
    assert scope.numerical[:4].tolist() == [-1.0, 1.0, -1.0, 1.0]
    assert scope.bar[:8].tolist() == [*[0.5] * 4, pytest.approx(0.03), *[BAR] * 3]
    assert scope.numerical[5:8].tolist() == [-2.0, 0.0, 3.0]
    assert np.flatnonzero(scope.wrong).tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert scope.known[:12].tolist() == [True] * 8 + [False] * 2 + [True] * 2


def test_a_factor_is_known_to_what_its_direction_tells_in_its_part_alone() -> None:
    """Of what was judged there, too; of one that is not borne out, and beside both, nothing is."""
    scope = gathered(replace(ROW, factor_bar=1e-9))
    assert scope.ratio_bar.tolist() == [*[np.inf] * 4, *[1e-9] * 4, *[np.inf] * 4]
    assert gathered(replace(ROW, factor_bar=1e-9, bar=np.inf)).ratio_bar.tolist() == [np.inf] * 12
    last = Region(B, Box(((2, 3),)), True, None, -1.0, 0.5, 1e-3)
    both = gathered(replace(ROW, factor_bar=1e-9), last)
    assert both.ratio_bar.tolist() == [*[np.inf] * 4, *[1e-9] * 4, *[np.inf] * 6, 1e-3]


OPEN = Region(W, Box(((0, 2), (1, 3))), False)


@pytest.mark.parametrize(
    "open_", [OPEN, replace(OPEN, throughout=True), replace(OPEN, throughout=True, factor=3.0)]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_factor_says_nothing_where_another_part_is_open(open_: Region, first: bool) -> None:
    """In whatever order they were found; beside it the factor holds, and what is judged is as it was measured."""
    scope = gathered(*((open_, ROW) if first else (ROW, open_)))
    unknown = np.isin(scope.at, [1, 2, 5, 6])
    assert scope.at[unknown].tolist() == [1, 2, 5, 6]
    assert (scope.known[unknown].any(), scope.wrong[unknown].any()) == (False, False)
    assert np.isnan([scope.numerical[unknown], scope.bar[unknown]]).all()
    assert scope.known[~unknown].all()
    assert np.flatnonzero(scope.wrong).tolist() == [JUDGED, 7]
    assert [scope.numerical[7], scope.bar[7]] == [3.0, BAR]
    # Where both are borne out each has its own, and nothing is open.
    both = gathered(ROW, replace(OPEN, box=Box(((0, 1), (1, 3))), throughout=True, factor=-1.0, bar=0.5))
    assert both.known.all()
    assert both.numerical[[1, 2, 7]].tolist() == [1.0, -1.0, 3.0]


WHOLE = Region(W, whole_box(W), True, None, 2.0, BAR)


@pytest.mark.parametrize(
    ("regions", "certified", "told"),
    [
        ([WHOLE], (B,), True),
        ([], (W, B), True),
        ([replace(WHOLE, bar=np.inf)], (B,), False),
        ([replace(WHOLE, factor=None)], (B,), False),
        ([ROW], (B,), False),
        ([replace(WHOLE, block=B, box=whole_box(B))], (B,), False),
        ([], (B,), False),
    ],
)
def test_what_is_not_at_hand_of_an_array_is_known_by_its_certificate_or_its_factor(
    monkeypatch: pytest.MonkeyPatch, regions: list[Region], certified: Any, told: bool
) -> None:
    """Of all of it, and where every entry is claimed to be a number."""
    monkeypatch.setattr(gather, "AT_HAND", 8)
    scope = gathered(*regions, certified=certified)
    assert scope.absent[W.name] is told
    assert (
        gathered(*regions, certified=certified, claimed=np.where(CLAIMED == 6.0, np.nan, CLAIMED)).absent[
            W.name
        ]
        is False
    )


# What is at hand, by hand


def test_entries_that_could_not_be_measured_are_not_known() -> None:
    """Their array is certified, but they were judged by themselves; without a finite claim they tell nothing."""
    scope = gathered(right=[3], unknown=[1, 7])
    assert scope.at.tolist() == list(range(W.size))
    assert np.flatnonzero(scope.tested).tolist() == [3, JUDGED]
    assert np.flatnonzero(~scope.known).tolist() == [1, 7]
    scope = gathered(Region(W, Box(((2, 3), (0, 2))), True), unknown=[1])
    assert np.flatnonzero(~scope.known).tolist() == [1, 8, 9]
    claimed = np.where(np.isin(np.arange(CLAIMED.size), [2, JUDGED]), np.nan, CLAIMED)
    scope = gathered(claimed=claimed, right=[3])
    assert scope.at.tolist() == [0, 1, 3, *range(5, W.size)]
    assert np.flatnonzero(scope.tested).tolist() == [2]
    # The size of the array is that of the others.
    size = np.sqrt(np.nansum(claimed[W.slice] ** 2) / W.size)
    assert scope.bar[0] == pytest.approx(0.1 * size, rel=1e-12)


def test_an_array_of_which_every_entry_was_judged_has_no_others() -> None:
    """The first of two, or both; the second is known by its certificate."""
    scope = gathered(right=np.setdiff1d(range(W.size), [JUDGED]))
    assert (scope.at.tolist(), scope.absent) == (list(range(W.size)), {B.name: True})
    assert scope.tested.all()
    scope = gathered(right=np.setdiff1d(range(CLAIMED.size), [JUDGED]))
    assert (scope.at.tolist(), scope.absent) == (list(range(CLAIMED.size)), {})
    assert scope.tested.all()


@pytest.mark.parametrize(("judged", "mine"), [(0, W), (W.stop - 1, W), (B.start, B), (B.stop - 1, B)])
def test_of_arrays_that_hold_nothing_wrong_nothing_is_at_hand(
    monkeypatch: pytest.MonkeyPatch, judged: int, mine: Any
) -> None:
    """Not the ends of their open parts either; of the others all that fits."""
    other = B if mine is W else W
    left = Region(other, whole_box(other), False)
    for at_hand in (mine.size - 1, mine.size):
        monkeypatch.setattr(gather, "AT_HAND", at_hand)
        scope = gathered(left, wrong=[judged])
        assert scope.at.tolist() == list(range(mine.start, mine.stop))
        assert scope.absent == {other.name: True}
    monkeypatch.setattr(gather, "AT_HAND", mine.size - 2)
    scope = gathered(left, wrong=[judged])
    assert set(scope.at) <= set(range(mine.start, mine.stop))
    assert scope.absent == {mine.name: True, other.name: True}
    # Where a part of it is wrong throughout it shares what is at hand.
    monkeypatch.setattr(gather, "AT_HAND", 2 * W.size)
    scope = gathered(replace(left, throughout=True), wrong=[judged])
    assert scope.at.tolist() == list(range(CLAIMED.size))
    monkeypatch.setattr(gather, "AT_HAND", 2 * W.size - 3)
    assert gathered(replace(left, throughout=True), wrong=[judged]).absent == {W.name: True}


LARGE, _ = Parameters.of({"a": np.ones(5), "b": np.ones((20, 30))})
A, M = LARGE.blocks


def places_of(scope: Scope) -> set[tuple[int, int]]:
    """The places of the second array that are at hand."""
    return {divmod(int(k), 30) for k in scope.at[scope.at >= M.start] - M.start}


def looked_at(monkeypatch: pytest.MonkeyPatch, most: int, *wrong: tuple[int, int], regions: Any = ()) -> Any:
    """The places that are at hand where so many are, and these are wrong."""
    monkeypatch.setattr(gather, "AT_HAND", most)
    flat = [M.start + 30 * i + j for i, j in wrong]
    claimed = np.ones(LARGE.blocks[-1].stop)
    seen = [gathered(*regions, of=LARGE, claimed=claimed, certified=(A, M), wrong=flat) for _ in range(2)]
    assert [scope.at.tolist() for scope in seen[1:]] == [
        seen[0].at.tolist()
    ]  # the sample is the same each time
    return places_of(seen[0])


def box(rows: Any, columns: Any) -> set[tuple[int, int]]:
    """The places in some rows and columns."""
    return {(i, j) for i in rows for j in columns}


def test_of_a_large_array_the_box_of_the_wrong_entries_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the line that holds them all, where both are no more than half; the other half is a sample."""
    row, part = box([3], range(30)), box([3], range(4, 10))
    assert row <= looked_at(monkeypatch, 72, (3, 4), (3, 9))
    found = looked_at(monkeypatch, 70, (3, 4), (3, 9))
    assert part <= found
    assert len(row & found) < 15
    assert 25 <= len(found - row) <= 35
    column, part = box(range(20), [29]), box(range(7, 17), [29])
    assert column <= looked_at(monkeypatch, 60, (7, 29), (16, 29))
    found = looked_at(monkeypatch, 58, (7, 29), (16, 29))
    assert part <= found
    assert len(column & found) < 15
    assert box([3], range(30)) | box(range(20), [4]) <= looked_at(monkeypatch, 102, (3, 4))
    assert box([3, 4, 5], [4, 5, 6]) <= looked_at(monkeypatch, 18, (3, 4), (5, 6))
    assert len(box(range(2, 5), range(20)) & looked_at(monkeypatch, 100, (2, 0), (4, 19))) < 20


def test_the_ends_of_open_parts_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last entry of each."""
    parts = Region(M, Box(((12, 15), (17, 21))), False), Region(M, Box(((18, 20), (28, 30))), True)
    found = looked_at(monkeypatch, 12, (3, 4), regions=parts)
    assert {(12, 17), (14, 20), (18, 28), (19, 29)} <= found
    assert len(found) <= 4 + 6 + 1


def test_of_an_array_without_a_wrong_entry_places_at_random_are_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That it is wrong throughout was told by another."""
    monkeypatch.setattr(gather, "AT_HAND", 400)
    scope = gathered(
        Region(M, whole_box(M), True), of=LARGE, claimed=np.ones(M.stop), certified=(A, M), wrong=[0]
    )
    assert 80 <= len(places_of(scope)) <= 102
    assert {(0, 0), (19, 29)} <= places_of(scope)


@pytest.mark.parametrize(("most", "rows"), [(590, 29), (100, 5), (20, 1), (18, 0)])
def test_of_a_large_matrix_whole_rows_are_at_hand(
    monkeypatch: pytest.MonkeyPatch, most: int, rows: int
) -> None:
    """As many as half of it holds, and as many of those that hold wrong entries: the bar is that of each row."""
    monkeypatch.setattr(gather, "AT_HAND", most)
    names = jacobian_names((60,), Parameters.of(np.ones(10))[0])
    claimed = np.repeat(np.arange(1.0, 61.0), 10)
    wrong = [27, 49]
    scope = gathered(of=names, claimed=claimed, certified=names.blocks, wrong=wrong, matrix=True)
    found = {divmod(int(k), 10) for k in scope.at}
    whole = {i for i in range(60) if box([i], range(10)) <= found}
    assert whole >= {2, 4} if rows > 1 else len(whole & {2, 4}) == rows
    assert rows <= len(whole) <= 2 * rows
    inside = ~scope.tested
    assert scope.bar[inside] == pytest.approx(0.1 * claimed[scope.at[inside]], rel=1e-12)
