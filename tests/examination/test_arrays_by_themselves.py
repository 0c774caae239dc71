"""What follows on directions that move one array each, array by array: each look by hand, and what is asked noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.examination import each_array, gradient
from gradcheck.examination.each_array import HUGE, examine_each_array
from gradcheck.function.matrix import Dense, one_row
from gradcheck.joint.direction import Joint
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region
from gradcheck.results.entries import none_judged
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

RNG: Any = object()
SIZE, CONFIDENCE, LEVEL = (4, 3), 0.9, np.array([1e-9])
# Of two arrays each has half of the chance to be wrong.
SHARE = 0.05


class Look:
    """A test of the claim with one array moving, and what it shows."""

    def __init__(
        self, *, certified: bool = False, wrong: bool = False, standing_out: bool = False, spent: bool = False,
        first: Any = "first", exact: bool = True, limit: Limit = Limit.KINK, interrupted: bool = False,
    ) -> None:  # fmt: skip
        self.along = SimpleNamespace(scaling=None)
        directions: Any = ("one", "last")
        self.joint = Joint(
            directions, np.ones(1), np.array([certified]), np.array([wrong]), np.ones(1), spent
        )
        self.out, self.first, self.exact, self.limit, self.interrupted = (
            standing_out,
            first,
            exact,
            limit,
            interrupted,
        )

    def run(self) -> Joint:
        """What it shows."""
        if self.interrupted:
            raise KeyboardInterrupt
        return self.joint

    def standing_out(self, joint: Joint) -> Any:
        """Whether noise keeps it from saying that something is wrong."""
        assert joint is self.joint
        return np.array([self.out])


class Claim:
    """A claim of which some entries are wrong once they were searched for."""

    shares: Any

    def __init__(
        self, of: Examination, problem: Any, rng: Any, still: Any, setting: Any, *, probed: Any
    ) -> None:
        assert rng is RNG
        assert (probed == problem.level).all()
        self.probed, self.begun, self.tolerant = probed, None, False
        self.of, self.problem, self.rng, self.still, self.setting = of, problem, rng, still, setting
        self.analytic = one_row(problem.matrix)
        self.judged: list[Any] = []
        self.regions: list[Any] = []
        self.exact = True
        of.claim, of.began = self, still.copy()

    def test_of(self, problem: Any, still: Any, before: Any) -> Look:
        """The next look, with a scaling of its own."""
        assert (problem, still is self.still) == (self.problem, True)
        self.of.stills.append(still.copy())
        given = {"exact": self.exact, "tolerant": self.tolerant, "before": before}
        return self.of.looked(next(self.shares), given)

    def judge_column(self, column: int, _: Any, off: Any) -> Any:
        """One of them."""
        return self.judge(np.array([column]), off)

    def judge(self, entries: Any, off: Any = None) -> Any:
        """Some entries by themselves, of which no direction tells what they are off by."""
        assert off is None
        self.of.entries.append(entries.tolist())
        self.of.objective.nfev += 6 * entries.size
        self.still[entries] = True
        self.judged.append(none_judged(np.dtype(float)))
        return "judged"

    def judge_the_immovable(self, scaling: Any) -> None:
        """Those that bounds hold."""
        self.of.immovable.append(scaling)

    def wrong_in(self, block: Any) -> bool:
        """Whether something in an array is wrong."""
        return self.of.blocks.index(block) in self.of.wrong_in


class Examination:
    """An examination in which looks and searches show, one after another, what they are told to."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        looks: list[Look],
        found: Any = (),
        *,
        sizes: Any = SIZE,
        claimed: Any = None,
        wrong_in: Any = (),
        swept: bool = False,
        left: int = 0,
        missing: bool = False,
        remaining: int = 10**6,
        scales: Any = None,
        room: Any = None,
    ) -> None:
        parameters, x = Parameters.of({f"a{k}": np.ones(size) for k, size in enumerate(sizes)})
        self.blocks = list(parameters.blocks)
        self.looks, self.found, self.wrong_in, self.swept = looks, list(found), set(wrong_in), swept
        self.left, self.lacks = left, missing
        self.made: list[Any] = []
        self.stills: list[Any] = []
        self.searched: list[Any] = []
        self.immovable: list[Any] = []
        self.entries: list[Any] = []
        self.averages: list[Any] = []
        self.told: list[Any] = []
        self.zeros: list[Any] = []
        self.numbered: list[Any] = []
        self.sampled: list[Any] = []
        self.objective: Any = SimpleNamespace(parameters=parameters, remaining=remaining, nfev=11)
        claimed = np.ones(x.size) if claimed is None else np.asarray(claimed, float)
        scales = np.ones(x.size) if scales is None else np.asarray(scales, float)
        self.setting = Problem(
            self.objective, x, np.ones(1), scales, Tolerance(1e-6), room, matrix=Dense(claimed[None, :]),
            level=LEVEL, relative_step=1e-3,
        )  # fmt: skip
        for name in (
            "evidence_of",
            "sweep",
            "directions_of_zeros",
            "give_numbers",
            "missing",
        ):
            monkeypatch.setattr(each_array, name, getattr(self, name))
        monkeypatch.setattr(gradient, "search", self.search)
        monkeypatch.setattr(each_array, "averaged", self.averaged)
        monkeypatch.setattr(each_array, "Claim", lambda *given, **named: Claim(self, *given, **named))
        self.evidence = examine_each_array(self.setting, confidence=CONFIDENCE, rng=RNG)

    def sweep(self, setting: Any, claimed: Any, entries: Any) -> Any:
        """What is claimed to be no number."""
        assert setting is self.setting
        self.beyond = claimed.tolist(), entries.tolist()
        return replace(none_judged(np.dtype(float)), interrupted=self.swept)

    def looked(self, share: float, given: dict[str, Any]) -> Look:
        """The next look."""
        self.made.append((share, given))
        self.shown = self.looks[min(len(self.made), len(self.looks)) - 1]
        self.scaling = self.shown.along.scaling = object()
        return self.shown

    def search(self, claim: Any, test: Any, direction: Any) -> bool:
        """Whether another look is to follow on a search, and whether errors within the tolerance are nothing then."""
        assert (claim, test) == (self.claim, self.shown)
        self.searched.append(direction)
        self.claim.still[np.flatnonzero(~self.claim.still)[:1]] = True
        again, tolerant = self.found[min(len(self.searched), len(self.found)) - 1]
        self.claim.tolerant |= tolerant
        return bool(again)

    def averaged(self, setting: Any, evidence: Any, before: int) -> Any:
        """Averages of what was judged last."""
        assert setting is self.claim.setting
        assert evidence is self.claim.judged[-1]
        self.averages.append(before)
        self.average = replace(evidence, interrupted=True)
        return self.average

    def give_numbers(self, claim: Any, joint: Any, scaling: Any) -> None:
        """Numbers of what is off by a factor."""
        assert (claim, scaling) == (self.claim, self.scaling)
        self.numbered.append(joint)

    def evidence_of(self, claim: Any, joint: Any, scaling: Any, confidence: float, limit: Limit) -> Any:
        """What there is to say of an array."""
        assert (claim, scaling) == (self.claim, self.scaling)
        assert confidence == pytest.approx(1.0 - (1.0 - CONFIDENCE) / len(self.blocks), rel=1e-12)
        assert self.numbered[-1] is joint
        self.told.append((joint, limit))
        return SimpleNamespace(arrays=[f"array {k}, {len(self.made)} looks" for k in range(len(self.blocks))])

    def directions_of_zeros(
        self, setting: Any, block: Any, lengths: Any, judge: Callable[..., Any], *given: Any
    ) -> Any:
        """What there is to say of zeros."""
        assert setting is self.claim.setting
        delta, confidence, rng = given
        assert delta == pytest.approx(1.0 - confidence, rel=1e-12)
        assert confidence == pytest.approx(1.0 - (1.0 - CONFIDENCE) / len(self.blocks), rel=1e-12)
        assert rng is RNG
        assert judge(5, "rows", None) == "judged"
        self.zeros.append((block, lengths.tolist()))
        return f"zeros of {block.name}", np.arange(self.left)

    def missing(self, claim: Any, silent: Any) -> bool:
        """Whether an array of zeros does something."""
        assert claim is self.claim
        self.sampled.append(silent.tolist())
        return self.lacks


CERTIFIED = Look(certified=True)
EXPLAINED, UNEXPLAINED, TOLERATED = (True, False), (False, False), (True, True)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An examination, each of whose arrays shows what the last look does, if no more are told."""
    return lambda *looks, **parts: Examination(monkeypatch, list(looks or [CERTIFIED]), **parts)


def shares(*numbers: int, of: float = SHARE) -> list[Any]:
    """The chances to be wrong of looks with these numbers: half of all, and 1 / (k (k - 1)) of the rest."""
    return [pytest.approx(0.5 * of / max(k * (k - 1), 1), rel=1e-12) for k in numbers]


# All arrays


def test_each_array_moves_alone(examined: Any):
    """The others stay where they are; what is still of it stays so for the others, and for the next look."""
    found = examined(Look(wrong=True), CERTIFIED, CERTIFIED, found=[EXPLAINED], wrong_in=[0])
    assert found.evidence.arrays == ("array 0, 2 looks", "array 1, 3 looks")
    assert [still.tolist() for still in found.stills] == [
        [False] * 4 + [True] * 3,
        [True] + [False] * 3 + [True] * 3,
        [True] * 4 + [False] * 3,
    ]
    assert found.claim.still.tolist() == [True] + [False] * 6
    assert [share for share, _ in found.made] == shares(1, 2, 1)
    assert found.evidence.interrupted is False
    assert found.evidence.entries.coordinates.size == 0


def test_what_is_claimed_to_be_no_number_is_judged_and_counts_as_0(examined: Any):
    """Sixteen of them at the most; sizes of arrays are those of the others."""
    claimed = np.ones(23)
    claimed[:18] = np.nan
    claimed[3], claimed[18:20], claimed[20:] = np.inf, (3.0, 4.0), 2.0
    found = examined(sizes=(20, 3), claimed=claimed)
    values, entries = found.beyond
    assert entries == list(range(16))
    assert values[3] == np.inf
    assert np.isnan(values).sum() == 15
    assert found.claim.analytic.tolist() == [0.0] * 18 + [3.0, 4.0] + [2.0] * 3
    assert found.began.tolist() == [True] * 18 + [False] * 5
    assert found.claim.setting.gradient_scale == pytest.approx([np.sqrt(12.5), 2.0], rel=1e-15)
    assert replace(found.claim.setting, gradient_scale=None) == replace(found.setting, gradient_scale=None)
    found = examined()
    assert (found.beyond, found.began.any()) == (([], []), np.False_)


@pytest.mark.parametrize(
    ("largest", "scale", "unit"),
    [
        (HUGE, 1.0, 1.0),
        (HUGE, 2.0, 2.0 ** (np.frexp(HUGE)[1] + 1)),
        (-(2.0**600), 1.0, 2.0**601),
        (2.0**1010, 1.0, 2.0**1000),
        (1.0, 2.0**600, 2.0**601),
    ],
)
def test_what_is_claimed_to_change_f_by_more_than_has_a_square_is_in_other_units(
    examined: Any, largest: float, scale: float, unit: float
):
    """Those of the largest entry over its scale, up to 2^1000."""
    claimed, scales = np.ones(7), np.ones(7)
    claimed[2], scales[2] = largest, scale
    problem = examined(claimed=claimed, scales=scales).claim.problem
    assert problem.unit == unit
    assert problem.matrix.array[0].tolist() == (claimed / unit).tolist()


def test_of_an_interruption_what_was_found_is_told(examined: Any):
    """While what is no number was judged, or in a look: other arrays have no evidence."""
    found = examined(swept=True)
    assert (found.evidence.interrupted, found.made) == (True, [])
    assert [(a.block, a.residuals, a.certificate) for a in found.evidence.arrays] == [
        (b, (), None) for b in found.blocks
    ]
    found = examined(CERTIFIED, Look(interrupted=True), sizes=(4, 3, 2), wrong_in=[])
    assert found.evidence.interrupted is True
    first, *others = found.evidence.arrays
    assert first == "array 0, 1 looks"
    assert [(a.block, a.residuals, a.certificate) for a in others] == [
        (b, (), None) for b in found.blocks[1:]
    ]
    assert found.claim.still.any() is np.False_


def test_what_was_judged_and_named_is_told(examined: Any):
    """Of all arrays together."""
    found = examined(claimed=[0.0] * 4 + [1.0] * 3, left=1)
    assert found.evidence.regions == (Region(found.blocks[0], whole_box(found.blocks[0]), False),)
    assert found.evidence.arrays == (f"zeros of {found.blocks[0].name}", "array 1, 1 looks")


# One array


@pytest.mark.parametrize(
    ("look", "limit"),
    [
        (Look(certified=True, spent=True), Limit.NONE),
        (Look(spent=True), Limit.BUDGET),
        (Look(), Limit.KINK),
        (Look(limit=Limit.NOISE), Limit.NOISE),
    ],
)
def test_an_array_in_which_nothing_is_wrong_takes_one_look(examined: Any, look: Look, limit: Limit):
    """What limits its bound is told; entries that bounds hold are judged."""
    found = examined(look, sizes=(120,))
    assert found.told == [(look.joint, limit)]
    assert found.immovable == [found.scaling]
    assert found.searched == []
    (named,) = (named for _, named in found.made)
    assert named == {"exact": True, "tolerant": False, "before": None}


def test_searches_go_on_as_long_as_they_find_something_wrong(examined: Any):
    """Each look knows of the one before; twelve are enough, and no other entry is judged then."""
    found = examined(Look(wrong=True), found=[EXPLAINED], wrong_in=[0], sizes=(40,))
    assert [share for share, _ in found.made] == shares(*range(1, 13), of=0.1)
    assert [named["before"] for _, named in found.made] == [None] + [found.shown] * 11
    assert found.searched == ["last"] * 12
    assert found.entries == []


def test_a_search_that_finds_nothing_or_ends_is_the_last(examined: Any):
    """Of its array."""
    ended = examined(Look(wrong=True), CERTIFIED, found=[UNEXPLAINED], wrong_in=[0])
    assert len(ended.searched) == 1
    assert len(ended.made) == 2  # one for each array


def test_what_is_tolerated_is_so_from_then_on(examined: Any):
    """In each look that follows for this array, and no other."""
    found = examined(
        Look(wrong=True), Look(wrong=True), Look(wrong=True), CERTIFIED,
        found=[TOLERATED, UNEXPLAINED, UNEXPLAINED],
    )  # fmt: skip
    assert [named["tolerant"] for _, named in found.made] == [False, True, False]
    found = examined(
        Look(wrong=True), Look(wrong=True), CERTIFIED, CERTIFIED, found=[TOLERATED, EXPLAINED], wrong_in=[0]
    )
    assert [named["tolerant"] for _, named in found.made] == [False, True, True, False]


@pytest.mark.parametrize(
    ("look", "exact"),
    [
        (Look(), True),
        (Look(exact=False), False),
        (Look(first=None), False),
        (Look(exact=False, first=None), False),
    ],
)
def test_f_is_asked_for_complex_numbers_as_long_as_it_takes_them(examined: Any, look: Look, exact: bool):
    """In the looks that follow, of other arrays, too."""
    found = examined(look, CERTIFIED)
    assert [named["exact"] for _, named in found.made] == [True, exact]


def test_what_stands_out_of_noise_is_searched_for_along_its_direction(examined: Any):
    """As if it were wrong: it is by a longer step that the first direction became."""
    found = examined(Look(standing_out=True), found=[UNEXPLAINED], sizes=(120,))
    assert found.searched == ["first"]
    ((joint, limit),) = found.told
    assert (joint.directions, joint.wrong.tolist(), joint.certified.tolist()) == (("first",), [True], [False])
    assert limit is Limit.KINK
    # Of what is certified, or wrong along another direction, that is no question.
    assert examined(Look(certified=True, standing_out=True)).searched == []
    assert examined(Look(wrong=True, standing_out=True), found=[UNEXPLAINED], sizes=(4,)).searched == ["last"]


# Entries of an array


def test_an_array_that_stays_open_is_judged_entry_by_entry_where_it_has_a_hundred(examined: Any):
    """What is open of them is averaged, for as many evaluations as they took; of a larger one none is judged."""
    found = examined(Look(), sizes=(100,))
    assert [sorted(entries) for entries in found.entries] == [list(range(100))]
    assert found.averages == [11]
    assert found.evidence.entries.interrupted is True  # as the average is
    assert examined(Look(), sizes=(101,)).entries == []
    assert examined(sizes=(100,)).entries == []
    wrong = examined(Look(wrong=True), found=[UNEXPLAINED], sizes=(100,), wrong_in=[0])
    assert wrong.entries == []


def test_of_a_larger_array_that_disagrees_the_hundred_are_judged_of_which_most_is_claimed(examined: Any):
    """By what they change f over one scale, the first of equal ones; not those that are known."""
    claimed, scales = np.ones(150), np.ones(150)
    claimed[[140, 141, 143]], scales[142], scales[141], claimed[[3, 4]] = (5.0, -9.0, 0.5), 7.0, 0.5, 0.25
    found = examined(
        Look(wrong=True),
        found=[UNEXPLAINED],
        sizes=(150, 3),
        claimed=[*claimed, 1, 1, 1],
        scales=[*scales, 1, 1, 1],
    )
    # A search made the first still.
    assert found.entries[0] == [142, 140, 141, 1, 2, *range(5, 100)]
    assert found.averages[0] == 11


@pytest.mark.parametrize(("remaining", "judged"), [(24, True), (23, False)])
def test_entries_are_judged_where_the_budget_allows_it(examined: Any, remaining: int, judged: bool):
    """Six evaluations each."""
    assert (examined(Look(), sizes=(4,), remaining=remaining).entries != []) is judged


# Arrays of zeros


def test_an_array_of_zeros_has_directions_of_its_own(examined: Any):
    """By its scales, but where it is known, or has less room than a tenth of them on a side."""
    room = np.full(7, 2.0), np.full(7, 2.0)
    room[0][5], room[1][6] = 0.299, 0.301
    claimed = [1.0, 1.0, 1.0, 1.0, np.nan, 0.0, 0.0]
    found = examined(sizes=(4, 3), claimed=claimed, scales=np.full(7, 3.0), room=room)
    assert found.zeros == [(found.blocks[1], [0.0] * 6 + [3.0])]
    assert found.evidence.arrays[1] == f"zeros of {found.blocks[1].name}"
    assert found.entries == [[5]]
    assert (found.sampled, found.evidence.regions) == ([], ())
    found = examined(sizes=(4, 3), claimed=[0.0] * 4 + [1.0] * 3, scales=np.full(7, 3.0))
    assert found.zeros == [(found.blocks[0], [3.0] * 4 + [0.0] * 3)]


@pytest.mark.parametrize("missing", [False, True])
def test_zeros_that_do_something_are_sampled_where_directions_leave_some(examined: Any, missing: bool):
    """Otherwise the array is left open."""
    found = examined(claimed=[1.0] * 4 + [0.0] * 3, left=2, missing=missing)
    assert found.sampled == [[False] * 4 + [True] * 3]
    region = Region(found.blocks[1], whole_box(found.blocks[1]), False)
    assert found.evidence.regions == (() if missing else (region,))


def test_zeros_that_noise_hides_are_bound_by_their_directions():
    """A spectrum in float32 at a signal of zeros: it said that a search had taken as many evaluations as it may."""
    rng = np.random.default_rng(0)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(101), np.arange(200)) / 200)
    real, imaginary = turns.real.astype(np.float32), turns.imag.astype(np.float32)
    wanted = (4 * rng.random(101)).astype(np.float32)

    def f(x):
        power = (real @ x) ** 2 + (imaginary @ x) ** 2 + np.float32(0.01)
        return np.mean((np.log(power) - wanted) ** 2)

    report = check_gradient(f, np.zeros_like, np.zeros(200, np.float32), rng=0)
    assert report.undecided is not None
    assert report.undecided.limit is Limit.NOISE
    assert 0.03 < report.undecided.reached < 1.0
    assert report.undecided.known

    def tilted(x):
        return f(x) + np.float32(1e-2) * x.sum()

    assert check_gradient(tilted, np.zeros_like, np.zeros(200, np.float32), rng=0).outcome is not Outcome.PASS
