"""What a search for what is wrong along a direction decides, with the ways to look by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck.examination import search as module
from gradcheck.examination.search import _square, _taken_for, _told_by_a_sample, search
from gradcheck.function.matrix import Dense
from gradcheck.joint.places import Places
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region

# Too many to judge each of them.
PARAMETERS, X = Parameters.of({"W": np.ones((6, 4)), "b": np.ones(5)})
W, B = PARAMETERS.blocks


class Claim:
    """A claim whose arrays hold wrong entries or not; the entries that are to be left open are noted."""

    def __init__(
        self, *wrong_in: Any, size: int = X.size, disputes: bool = False, wrong: tuple[int, ...] = ()
    ) -> None:
        self.problem = SimpleNamespace(parameters=PARAMETERS)
        self.still, self.rng, self.around = np.zeros(size, bool), object(), object()
        self.regions: list[Region] = []
        self.wrong_in, self.disputes, self.wrong = wrong_in, disputes, wrong
        self.left_open: list[list[int]] = []
        self.judged: list[Any] = []
        self.tolerant = self.unnamed = self.disputed = False

    def entries_wrong_in(self, block: Any) -> bool:
        """Whether single entries of an array are wrong."""
        return block in self.wrong_in

    def leave_open(self, entries: list[int]) -> bool:
        """Whether the bars of some of them cannot clear them."""
        self.left_open.append(entries)
        return self.disputes

    def judge_column(self, column: int, _: Any, off: Any) -> Any:
        """One of them."""
        return self.judge(np.array([column]), off)

    def judge(self, entries: Any, off: Any = None) -> Any:
        """Which of some entries are wrong; what they are said to be off by is noted."""
        self.judged.append((entries.tolist(), off))
        return SimpleNamespace(wrong=np.intersect1d(entries, self.wrong).astype(np.intp))


class Ways:
    """The ways to look, which answer what they are told to, and note what they are given."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *places: Places, factor: bool = False, filled: bool = False
    ) -> None:
        self.places, self.factor, self.filled = list(places), factor, filled
        self.looks: list[Any] = []
        self.asked: list[Any] = []
        monkeypatch.setattr(module, "find_places", self.find_places)
        monkeypatch.setattr(module, "explained_by_a_factor", self.explained_by_a_factor)
        monkeypatch.setattr(module, "fill_arrays", self.fill_arrays)

    def find_places(self, *given: Any, precise: bool, patience: float) -> Places:
        """One answer after another."""
        self.patience = patience
        self.looks.append((*given, precise))
        return self.places.pop(0)

    def explained_by_a_factor(self, *given: Any) -> bool:
        """Whether a part is off by one factor."""
        self.asked.append(given)
        return self.factor

    def fill_arrays(self, *given: Any) -> bool:
        """Whether arrays are named."""
        self.asked.append(given)
        return self.filled


SPREAD = 0.5
ALONG = SimpleNamespace(spread=lambda tangent: np.array([SPREAD * tangent.sum()]))
TEST: Any = SimpleNamespace(along=ALONG, unsettled=np.zeros(1, bool))


def comes_of(claim: Any, direction: Any, test: Any = TEST) -> tuple[bool, bool, bool, bool]:
    """Whether a search is to be followed by another test, and what the claim knows after it."""
    again = search(claim, test, direction)
    return again, claim.unnamed, claim.tolerant, claim.disputed


def along(off: float = 9.0, *, exact: bool = False) -> Any:
    """A direction with a bar E of 0.25, along which independent errors leave 0.5; what is wrong leaves `off`."""
    return SimpleNamespace(tangent=np.ones(1), error=np.full(1, 0.25), off=np.full(1, off), exact=exact)


def test_what_a_factor_explains_is_not_looked_for_entry_by_entry(monkeypatch: pytest.MonkeyPatch):
    """Nothing else is known of it."""
    ways, claim, direction = Ways(monkeypatch, factor=True), Claim(), along()
    given: Any = claim
    assert comes_of(given, direction) == (True, False, False, False)
    assert ways.asked == [(claim, TEST, direction)]
    assert (ways.looks, claim.left_open) == ([], [])


@pytest.mark.parametrize(("size", "budget"), [(3333, 9999), (3334, 10_000)])
def test_entries_are_looked_for_by_two_points_and_then_by_four(
    monkeypatch: pytest.MonkeyPatch, size: int, budget: int
):
    """For half of what judging every entry takes, or ten thousand evaluations; each entry by itself."""
    ways = Ways(monkeypatch, Places(), Places(wrong=[3]))
    claim: Any = Claim(size=size)
    direction = along()
    assert comes_of(claim, direction) == (True, False, False, False)
    assert [look[-1] for look in ways.looks] == [False, True]
    for test, of, rows, judge, around, rng, most, _ in ways.looks:
        assert (test, of, around, rng, most) == (TEST, direction, claim.around, claim.rng, budget)
        assert (rows.tolist(), rows.dtype) == ([True], bool)
        judge(5, np.arange(1), "off")
        assert claim.judged.pop() == ([5], "off")


@pytest.mark.parametrize("places", [Places(wrong=[3]), Places(right=[4]), Places(spent=True)])
def test_one_look_is_enough_where_it_tells_something(monkeypatch: pytest.MonkeyPatch, places: Places):
    """What is wrong, what is right, or that the budget has gone."""
    ways = Ways(monkeypatch, places)
    claim: Any = Claim(size=300)
    assert comes_of(claim, along()) == (not places.spent, False, False, False)
    assert len(ways.looks) == 1


def test_the_complex_step_is_not_taken_twice(monkeypatch: pytest.MonkeyPatch):
    """There is no more precise one."""
    ways = Ways(monkeypatch, Places())
    claim: Any = Claim()
    assert comes_of(claim, along(exact=True)) == (False, False, False, False)
    assert len(ways.looks) == 1


@pytest.mark.parametrize("filled", [False, True])
def test_where_wrong_entries_are_dense_their_arrays_are_named(monkeypatch: pytest.MonkeyPatch, filled: bool):
    """Or else left open, as others may be wrong there; which entries are open is no question then."""
    ways = Ways(monkeypatch, Places([3, 4], [5], dense=True, spent=True), filled=filled)
    claim: Any = Claim(W)
    direction = along()
    assert comes_of(claim, direction) == (filled, not filled, False, False)
    assert ways.asked[1:] == [(claim, TEST, direction, [3, 4])]
    assert claim.regions == ([] if filled else [Region(W, whole_box(W), False)])
    assert claim.left_open == []


def test_a_search_that_ends_before_its_time_leaves_the_arrays_open_in_which_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
):
    """Others may be wrong there; of other arrays nothing is said, nor where a search came to its end."""
    for spent, regions in ((True, [Region(W, whole_box(W), False)]), (False, [])):
        Ways(monkeypatch, Places(wrong=[3], spent=spent))
        claim: Any = Claim(W, size=300)
        assert comes_of(claim, along()) == (not spent, False, False, False)
        assert claim.regions == regions
    Ways(monkeypatch, Places(wrong=[25], spent=True))
    claim = Claim(B, size=300)
    claim.regions = [Region(W, whole_box(W), True)]
    search(claim, TEST, along())
    assert claim.regions == [Region(W, whole_box(W), True), Region(B, whole_box(B), False)]


@pytest.mark.parametrize(
    ("places", "unsettled", "most"),
    [
        (Places(wrong=[3], spent=True), False, 250),
        (Places(right=[4], spent=True), False, 250),
        # In noise an entry takes many evaluations; and of what is dense a sample tells.
        (Places(wrong=[3], spent=True), True, 20),
        (Places([3, 4], [5], dense=True), False, 20),
        (Places([3, 4], dense=True, spent=True), False, 20),
    ],
)
@pytest.mark.parametrize("more", [0, 1])
def test_what_is_left_where_a_search_ends_is_judged_one_by_one(
    monkeypatch: pytest.MonkeyPatch, places: Places, unsettled: bool, most: int, more: int
):
    """Up to so many: no array is left open then, nor asked for; of one more none is judged."""
    ways, left = Ways(monkeypatch, places), most + more
    claim: Any = Claim(W, size=300)
    claim.still[:-left] = True
    test = SimpleNamespace(along=ALONG, unsettled=np.array([unsettled]))
    found = comes_of(claim, along(), test)
    if more:
        assert claim.judged == []
        assert found == (False, places.dense, False, False)
        assert (claim.regions != [], len(ways.asked)) == (True, 1 + places.dense)
    else:
        assert claim.judged == [(list(range(300 - most, 300)), None)]
        assert found == (True, False, False, False)
        assert (claim.regions, len(ways.asked)) == ([], 1)


@pytest.mark.parametrize(
    ("wrong", "off", "open_"),
    [((), 1.26, True), ((27,), 1.26, False), ((), 1.25, False), ((27,), 1.25, False)],
)
def test_what_a_direction_accuses_is_open_where_none_that_is_left_is_wrong(
    monkeypatch: pytest.MonkeyPatch, wrong: Any, off: float, open_: bool
):
    """The complex step, for one, whose real differences are too crude to clear an entry: nothing passes by these."""
    Ways(monkeypatch, Places(right=[4], spent=True))
    claim: Any = Claim(wrong=wrong, disputes=True)
    claim.still[:26] = True
    assert comes_of(claim, along(off, exact=True)) == (True, False, False, open_)
    assert claim.left_open == ([[4, 26, 27, 28]] if open_ else [])


def test_where_nothing_is_left_and_nothing_was_found_nothing_is_explained(monkeypatch: pytest.MonkeyPatch):
    """All of it was judged before."""
    Ways(monkeypatch, Places(spent=True))
    claim: Any = Claim()
    claim.still[:] = True
    assert comes_of(claim, along()) == (False, False, False, False)


@pytest.mark.parametrize("places", [Places(wrong=[3]), Places(right=[4])])
def test_nothing_is_left_to_judge_where_a_search_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch, places: Places
):
    """Though few entries could be."""
    Ways(monkeypatch, places)
    claim: Any = Claim()
    claim.still[5:] = True
    assert search(claim, TEST, along())
    assert claim.judged == []


@pytest.mark.parametrize(("off", "tolerated"), [(1.25, True), (1.26, False)])
@pytest.mark.parametrize("disputes", [False, True])
def test_what_errors_within_the_tolerance_explain_accuses_no_entry(
    monkeypatch: pytest.MonkeyPatch, off: float, tolerated: bool, disputes: bool
):
    """3 E of 0.75 and 0.5; beyond it what the bars of an entry cannot clear is left open."""
    Ways(monkeypatch, Places(right=[4, 6]))
    claim: Any = Claim(disputes=disputes)
    assert comes_of(claim, along(off)) == (True, False, False, disputes and not tolerated)
    assert claim.left_open == ([] if tolerated else [[4, 6]])


@pytest.mark.parametrize(
    ("size", "off", "patience"), [(251, 1.25, 60), (250, 1.25, np.inf), (251, 1.26, np.inf)]
)
def test_few_evaluations_look_for_what_errors_within_the_tolerance_explain(
    monkeypatch: pytest.MonkeyPatch, size: int, off: float, patience: float
):
    """Where more are left than would be judged one by one."""
    ways = Ways(monkeypatch, Places(right=[4]))
    claim: Any = Claim(size=size)
    search(claim, TEST, along(off))
    assert ways.patience == patience


@pytest.mark.parametrize(("left", "off", "judged"), [(20, 1.25, True), (21, 1.25, False), (20, 1.26, False)])
def test_a_small_array_is_judged_where_errors_within_the_tolerance_leave_something_unexplained(
    monkeypatch: pytest.MonkeyPatch, left: int, off: float, judged: bool
):
    """Of up to twenty each tells by itself whether it is one of these."""
    nothing = {"unexplained": np.ones(1, bool)}
    Ways(monkeypatch, Places(**nothing), Places(**nothing))
    claim: Any = Claim(size=300)
    claim.still[left:] = True
    search(claim, TEST, along(off))
    assert claim.judged == ([(list(range(left)), None)] if judged else [])


def test_where_an_entry_is_wrong_none_is_tolerated_or_left_open(monkeypatch: pytest.MonkeyPatch):
    """It is what the direction showed."""
    Ways(monkeypatch, Places([3], [4]))
    claim: Any = Claim(disputes=True)
    assert comes_of(claim, along(0.1)) == (True, False, False, False)
    assert claim.left_open == []


def test_where_nothing_is_found_nothing_is_explained(monkeypatch: pytest.MonkeyPatch):
    """Though it may be tolerated: a test that takes it for nothing is the last."""
    Ways(monkeypatch, *[Places()] * 4)
    claim: Any = Claim()
    assert comes_of(claim, along(1.0)) == (True, False, True, False)
    assert comes_of(claim, along(1.0)) == (False, False, True, False)


LARGE = Parameters.of({"W": np.ones((20, 10)), "b": np.ones(5), "c": np.ones(70)})[0]


def sampled(
    monkeypatch: pytest.MonkeyPatch, wrong: Any, looked: Any, *, still: Any = (), named: bool = False
) -> tuple[bool, Any]:
    """What a sample tells of 275 entries of which some are wrong and some of these were looked through; the claim."""
    asked: list[Any] = []

    def lines(*given: Any) -> bool:
        asked.append([each.tolist() if isinstance(each, np.ndarray) else each for each in given])
        return named

    monkeypatch.setattr(module, "in_lines", lines)
    monkeypatch.setattr(module, "lines_named", lines)
    claim: Any = Claim(size=275, wrong=tuple(wrong))
    claim.problem, claim.rng, claim.asked = SimpleNamespace(parameters=LARGE), np.random.default_rng(0), asked
    claim.still[list(still)] = True
    places: Any = SimpleNamespace(looked=np.array(looked, np.intp), wrong=np.intersect1d(wrong, looked))
    return _told_by_a_sample(claim, TEST, along(), places), claim


def test_sixty_of_an_array_tell_how_many_of_it_are_wrong(monkeypatch: pytest.MonkeyPatch):
    """All but four of eight that were looked through, and others that move: 56 of 60, of 200 about 190."""
    looked, still = [0, 11, 22, 33, 44, 55, 66, 77], range(190, 200)
    wrong = np.setdiff1d(np.arange(200), looked[:4])
    told, claim = sampled(monkeypatch, wrong, looked, still=still)
    assert told
    ((judged, off),) = claim.judged
    assert (len(set(judged)), off) == (52, None)
    assert set(judged) <= set(range(190)) - set(looked)
    w = LARGE.blocks[0]
    assert claim.regions == [Region(w, whole_box(w), True, 190)]
    # Of the other arrays nothing is said.
    assert claim.still.tolist() == [True] * 200 + [False] * 75
    # Whether lines are wrong is asked of those that were looked through.
    assert [each[1:] for each in claim.asked] == [[looked[4:], looked[:4]]]


def test_of_sixty_that_were_looked_through_no_more_are_asked(monkeypatch: pytest.MonkeyPatch):
    """Of 64 a quarter are wrong: 50 of 200."""
    told, claim = sampled(monkeypatch, range(16), range(64))
    assert told
    assert claim.judged == [([], None)]
    assert [(region.throughout, region.stored) for region in claim.regions] == [(True, 50)]


@pytest.mark.parametrize(("wrong", "throughout"), [(3, False), (4, True)])
def test_three_wrong_entries_do_not_tell_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch, wrong: int, throughout: bool
):
    """Others may be wrong there, and it stays still; of four a sample tells."""
    _, claim = sampled(monkeypatch, range(wrong), range(8))
    assert [region.throughout for region in claim.regions] == [throughout]
    assert (claim.judged != []) is throughout
    assert claim.still[:200].all()


@pytest.mark.parametrize(("moves", "judged"), [(60, True), (61, False)])
def test_of_sixty_or_fewer_each_is_judged(monkeypatch: pytest.MonkeyPatch, moves: int, judged: bool):
    """Those that move, of each array that holds something wrong."""
    told, claim = sampled(monkeypatch, [201, 210], [0, 201, 210], still=range(205 + moves, 275))
    assert told
    c = list(range(205, 205 + moves))
    assert claim.judged == [(list(range(200, 205)), None), *([(c, None)] if judged else [])]
    assert [region.throughout for region in claim.regions] == ([] if judged else [False])
    assert not claim.still[:200].any()
    assert claim.still[200:].all()


def test_where_lines_are_named_no_sample_is_asked(monkeypatch: pytest.MonkeyPatch):
    """Another test tells of the rest; where nothing was looked through there is none."""
    told, claim = sampled(monkeypatch, range(4), range(8), named=True)
    assert (told, claim.judged, claim.regions, claim.still.any()) == (True, [], [], False)
    assert len(claim.asked) == 2
    # Of the arrays after it a small one is judged all the same.
    told, claim = sampled(monkeypatch, [0, 1, 2, 3, 201], [0, 1, 2, 3, 201], named=True)
    assert (told, claim.judged, claim.regions) == (True, [(list(range(200, 205)), None)], [])
    told, claim = sampled(monkeypatch, [], [])
    assert (told, claim.asked) == (False, [])


class Judging:
    """A claim of six entries, of which the fifth is still; those of `wrong` are."""

    def __init__(self, wrong: Any) -> None:
        self.problem: Any = SimpleNamespace(matrix=Dense(np.array([[1.0, 9.0, 2.0, -7.0, 50.0, 3.0]])))
        self.still, self.replaced = np.arange(6) == 4, np.array([5])
        self.begun: Any = None
        self.wrong, self.judged = wrong, []

    def judge(self, entries: Any, off: Any) -> Any:
        """Each of them, in their order."""
        self.judged.append((sorted(entries.tolist()), off.tolist()))
        return SimpleNamespace(judgement=SimpleNamespace(wrong=np.isin(np.sort(entries), self.wrong)))


@pytest.mark.parametrize(
    ("passes", "wrong", "taken"), [(True, [1, 3], True), (True, [3], False), (False, [1, 3], False)]
)
def test_another_claim_is_taken_for_right_if_the_two_that_it_changes_most_are_wrong(
    monkeypatch: pytest.MonkeyPatch, passes: bool, wrong: Any, taken: bool
):
    """Off by 0.5, 4, 0, -8, 50 and 0: of those that move the fourth and the second, along a fresh direction first."""
    fresh = SimpleNamespace(problem=object()) if passes else None
    asked: list[Any] = []
    monkeypatch.setattr(
        module,
        "passes",
        lambda claim, test, right, few: (asked.append((claim, test, right, few.tolist())), (fresh, None))[1],
    )
    claim: Any = Judging(wrong)
    before, right = claim.problem, np.array([0.5, 5.0, 2.0, 1.0, 0.0, 3.0])
    assert _taken_for(claim, TEST, right) is taken
    assert asked == [(claim, TEST, right, [3, 1])]
    assert claim.judged == ([([1, 3], [4.0, -8.0])] if passes else [])
    if taken:
        assert (claim.problem, claim.begun) == (fresh.problem, fresh)
        assert claim.replaced.tolist() == [0, 1, 3, 5]
    else:
        assert (claim.problem, claim.begun, claim.replaced.tolist()) == (before, None, [5])


@pytest.mark.parametrize(
    ("shape", "is_complex", "asked"),
    [
        ((1024, 1024), False, True),
        ((1025, 1025), False, False),
        ((3, 3), True, False),
        ((3, 4), False, False),
        ((9,), False, False),
        ((3, 3, 3), False, False),
    ],
)
def test_a_square_array_of_a_million_real_entries_may_be_a_triangle(
    shape: Any, is_complex: bool, asked: bool
):
    """A copy of more is not made."""
    block: Any = SimpleNamespace(shape=shape, is_complex=is_complex, size=int(np.prod(shape)))
    assert _square(block) is asked
