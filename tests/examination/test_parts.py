"""What is said of parts of a gradient: a factor, a sample that is wrong, or nothing; by hand, each look noted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck.examination import claim as of_claim
from gradcheck.examination import parts
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import explained_by_a_factor, fill_arrays, missing
from gradcheck.function.matrix import Dense, one_row
from gradcheck.joint.structured import Part
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region, shares_of
from gradcheck.results.verdict import Tolerance

PARAMETERS, X = Parameters.of({"W": np.ones((6, 8)), "b": np.ones(12), "c": np.ones(20)})
W, B, C = (next(b for b in PARAMETERS.blocks if f'"{name}"' in b.name) for name in "Wbc")
N = X.size
# Six in a row of W that are sizeable, and two that are not.
ROW = Box(((2, 3), (0, 8)))
LOOKED_AT = 8  # the evaluations that a direction may take
DELTA = 0.25


class First:
    """Takes the first ones."""

    def choice(self, candidates: Any, count: int, *, replace: bool) -> Any:
        assert replace is False
        return candidates[:count]


@dataclass
class Known(Claim):
    """A claim of which some entries are wrong, and others open; what is judged is noted."""

    wrong: Any = ()
    undecided: Any = ()
    judged: list[Any] = field(default_factory=list)
    off: Any = None

    def judge(self, entries: Any, off: Any = None) -> Any:
        """Some entries by themselves; what directions say that they are off by is noted, and is in order."""
        assert off is None or entries.tolist() == sorted(entries)
        self.off = off
        self.judged += entries.tolist()
        self.still[entries] = True
        wrong = np.isin(entries, self.wrong)
        verified = ~wrong & ~np.isin(entries, self.undecided)
        return SimpleNamespace(judgement=SimpleNamespace(wrong=wrong, verified=verified))

    def found_right(self, entries: Any) -> Any:
        """Those that were judged and are neither wrong nor open."""
        return (
            np.isin(entries, self.judged) & ~np.isin(entries, self.wrong) & ~np.isin(entries, self.undecided)
        )

    def zeros_are_wrong(self, inside: Any) -> bool:
        """Whether one of them was judged that is."""
        at = np.intersect1d(np.array(self.judged, int), self.wrong).astype(int)
        return bool((inside[at] & (self.analytic[at] == 0)).any())

    @property
    def right(self) -> list[float]:
        """The claim as it would be right."""
        return one_row(self.problem.matrix).tolist()


def claim_of(
    claimed: Any = 1.0, *, wrong: Any = (), undecided: Any = (), still: Any = (), remaining: int = 1000
) -> Any:
    """A claim of these entries, or of equal ones."""
    objective: Any = SimpleNamespace(parameters=PARAMETERS, remaining=remaining)
    matrix = Dense(np.broadcast_to(np.asarray(claimed, float), N)[None, :].copy())
    problem = Problem(objective, X, np.ones(1), np.ones(N), Tolerance(1e-6), None, 2.0**-52, matrix=matrix)
    rng: Any = First()
    return Known(
        problem, rng, np.isin(np.arange(N), still), shares=shares_of(DELTA), wrong=wrong, undecided=undecided
    )


class Fresh:
    """Directions for claims that were mended, one after another, the last of them again; how they were made is noted.

    Of each the part of what row 2 of W is claimed to do along it that is too much: 0 within the bars; None off f's
    domain.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *left: float | None) -> None:
        self.left = left or (0.0,)
        self.made: list[Any] = []
        self.tests: list[Any] = []
        monkeypatch.setattr(of_claim, "JointTest", self)

    def __call__(self, problem: Any, scaling: Any, rng: Any, delta: float, **named: Any) -> Any:
        left = self.left[min(len(self.made), len(self.left) - 1)]
        self.made.append((problem, scaling, rng, delta, named))
        problem.objective.remaining -= LOOKED_AT
        row = slice(flat(W, 2, 0), flat(W, 3, 0))
        residual = (left or 0.0) * np.sum((one_row(problem.matrix) * scaling.lengths)[row], keepdims=True)
        direction = SimpleNamespace(
            tangent=scaling.lengths, exceeds=np.array([left != 0.0]), residual=residual
        )
        self.tests.append(SimpleNamespace(problem=problem, begin=lambda: None if left is None else direction))
        return self.tests[-1]


TEST: Any = SimpleNamespace(known_lengths=None, most=8)
# Of all but one entry; a slope is known to a third of a thousandth along it.
ALONG: Any = SimpleNamespace(
    tangent=np.where(np.arange(N) == B.start, 0.0, 1.0), error=np.full(1, 1e-3 / 3.0)
)


def answering(monkeypatch: pytest.MonkeyPatch, name: str, answer: Any) -> list[Any]:
    """Let a function of joint/structured answer so; returns what it is given."""
    given: list[Any] = []

    def function(*arguments: Any) -> Any:
        given.append(arguments)
        return answer

    monkeypatch.setattr(parts, name, function)
    return given


def part_of(*boxes: tuple[Block, Box]) -> Part:
    """The part that some boxes are."""
    return Part.of(N, boxes)


def flat(block: Block, *index: int) -> int:
    """The place of an entry."""
    return block.start + int(np.ravel_multi_index(index, block.shape))


def throughout(
    block: Block, box: Box, stored: int | None = None, *, factor: Any = None, along: float = math.inf
) -> Region:
    """A part that is wrong; along : what is claimed along the direction that tells its factor, without that."""
    bar = math.inf if factor is None else pytest.approx(1e-3 / along, rel=1e-12)
    return Region(block, box, True, stored, factor, factor_bar=bar)


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whether a claim is explained by some suspected parts, or by zeros."""

    def explain(claim: Any, *suspects: Any, empty: Part | None = None, all_of_it: bool = True) -> bool:
        monkeypatch.setattr(parts, "suspected_parts", lambda *_: iter(suspects))
        answering(monkeypatch, "zeros", empty)
        answering(monkeypatch, "holds_all", all_of_it)
        return explained_by_a_factor(claim, TEST, ALONG)

    return explain


# One factor


@pytest.mark.parametrize("wrong", [True, False])
def test_a_part_of_one_entry_is_judged_and_nothing_else(explained: Any, wrong: bool):
    """It explains what is wrong where it is."""
    at = flat(W, 2, 5)
    claim = claim_of(wrong=[at] if wrong else [])
    assert explained(claim, (part_of((W, Box(((2, 3), (5, 6))))), None), (part_of((W, ROW)), 0.5)) is wrong
    assert claim.judged == [at]
    assert claim.regions == []


@pytest.mark.parametrize(("left", "taken"), [((0.0, 0.0), [B, W]), ((0.0, None), [B]), ((None,), [])])
def test_parts_that_hold_mistakes_of_their_own_are_taken_out_one_after_another(
    monkeypatch: pytest.MonkeyPatch, explained: Any, left: Any, taken: list[Block]
):
    """As long as fresh directions pass: what looks like a factor where they do not may look so elsewhere."""
    fresh = Fresh(monkeypatch, *left)
    boxes = [(block, whole_box(block)) for block in (B, W)]
    suspects = [(Part.of(N, [boxes[k]], [boxes[1 - k]]), alpha) for k, alpha in ((0, 0.25), (1, 0.5))]
    claim = claim_of()
    assert explained(claim, *suspects) is bool(taken)
    assert [(r.block, r.factor) for r in claim.regions] == [
        (block, pytest.approx(4.0 / 3.0 if block is B else 2.0)) for block in taken
    ]
    assert len(fresh.made) == len(left)


def test_a_part_by_a_factor_is_taken_out_of_the_claim(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """Nothing of it is judged, and it moves; the part is named, the rest is right so."""
    fresh = Fresh(monkeypatch)
    sizes = np.ones(N)
    start = flat(W, 2, 0)
    sizes[start : start + 8] = [1.0, 3.0, 2.0, -5.0, 9.0, 3.0, 3.0, 1.0]
    claim = claim_of(sizes, wrong=range(N), still=[start + 4])
    before = throughout(C, Box(((0, 12),)))
    claim.regions, claim.factors = [before], {"c": 1.5}
    assert explained(claim, (part_of((W, ROW)), 0.25)) is True
    assert claim.judged == []
    # 17 are claimed of it along the direction, of which three quarters are left.
    assert claim.regions == [before, throughout(W, ROW, factor=1.0 / 0.75, along=0.75 * 17.0)]
    assert claim.factors == {"c": 1.5}
    right = sizes.copy()
    right[start : start + 8] *= 0.75
    assert claim.right == right.tolist()
    ((problem, scaling, rng, delta, named),) = fresh.made
    assert one_row(problem.matrix).tolist() == right.tolist()
    # It goes on as the next test. What is known stays still in it, and it has the share of the first.
    assert claim.begun is fresh.tests[0]
    assert np.flatnonzero(scaling.lengths == 0).tolist() == [start + 4]
    assert (rng is claim.rng, delta, named) == (
        True,
        DELTA / 2.0,
        {"exact": True, "before": TEST, "tolerant": False, "probed": None},
    )


def test_a_part_that_was_divided_before_stays_so(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """A second factor is taken out of the claim as it holds by then."""
    Fresh(monkeypatch)
    claim = claim_of(wrong=range(N))
    halved = claim.analytic.copy()
    halved[B.slice] *= 0.5
    claim.problem = replace(claim.problem, matrix=Dense(halved[None, :]))
    assert explained(claim, (part_of((W, ROW)), 0.75)) is True
    assert set(claim.right[B.slice]) == {0.5}
    assert claim.right[flat(W, 2, 0)] == 0.25
    assert claim.right[W.start] == 1.0


def test_what_is_divided_twice_is_off_by_both_factors(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """A row of an array by another; then by what makes it right; and the whole of it once more."""
    Fresh(monkeypatch)
    for alpha, factor in ((0.75, 8.0), (-1.0, None), (0.5, 4.0)):
        claim = claim_of(wrong=range(N))
        assert explained(claim, (part_of((W, whole_box(W)), (B, whole_box(B))), 0.5))
        assert explained(claim, (part_of((W, ROW)), alpha))
        found = {region.box: (region.factor, region.stored) for region in claim.regions if region.block is W}
        above, below = Box(((0, 2), (0, 8))), Box(((3, 6), (0, 8)))
        assert found == {above: (2.0, None), below: (2.0, None)} | ({ROW: (factor, None)} if factor else {})
        assert [r.factor for r in claim.regions if r.block is B] == [2.0]
        assert claim.factors == {}
        # In any order: what was divided alone first holds both as well.
        other = claim_of(wrong=range(N))
        assert explained(other, (part_of((W, ROW)), alpha))
        assert explained(other, (part_of((W, whole_box(W))), 0.5))
        assert {r.box: (r.factor, r.stored) for r in other.regions} == found


def test_the_bar_of_a_factor_that_is_two_is_that_of_both(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """Each was told by a direction of its own."""
    Fresh(monkeypatch)
    claim = claim_of(wrong=range(N))
    for _ in range(2):
        assert explained(claim, (part_of((W, ROW)), 0.5))
    (region,) = claim.regions
    assert (region.factor, region.box) == (4.0, ROW)
    assert region.factor_bar == pytest.approx(1e-3 / 4.0 + 1e-3 / 2.0, rel=1e-12)


def test_a_region_without_a_factor_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """What is wrong throughout is no factor's."""
    Fresh(monkeypatch)
    claim = claim_of(wrong=range(N))
    before = Region(W, whole_box(W), True)
    claim.regions = [before]
    assert explained(claim, (part_of((W, ROW)), 0.5))
    assert claim.regions[0] is before
    assert [r.box for r in claim.regions[1:]] == [ROW]


def test_arrays_that_hold_another_mistake_stay_still_where_a_factor_is_tested(
    monkeypatch: pytest.MonkeyPatch, explained: Any
):
    """That test is none of the whole claim: the next one is made anew."""
    fresh = Fresh(monkeypatch)
    claim = claim_of(wrong=range(N))
    assert explained(claim, (Part.of(N, [(W, whole_box(W)), (B, whole_box(B))], [(B, whole_box(B))]), 0.5))
    ((_, scaling, *_),) = fresh.made
    assert np.flatnonzero(scaling.lengths == 0).tolist() == list(range(B.start, B.stop))
    assert claim.begun is None
    assert not claim.still.any()
    assert [(r.block.name, r.factor) for r in claim.regions] == [(W.name, 2.0), (B.name, 2.0)]


def test_of_a_part_of_six_all_are_judged(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """And stay still from then on; of seven none is, which directions tell enough of."""
    fresh = Fresh(monkeypatch)
    for count, judged in ((6, 6), (7, 0)):
        claim = claim_of(wrong=range(N))
        assert explained(claim, (part_of((B, Box(((2, 2 + count),)))), 0.5))
        assert claim.judged == [B.start + 2 + k for k in range(judged)]
        assert np.flatnonzero(fresh.made[-1][1].lengths == 0).tolist() == claim.judged
        assert (claim.off is None) is (judged == 0)
    claim = claim_of(2.0, wrong=range(N))
    assert explained(claim, (part_of((B, Box(((2, 8),)))), 0.25))
    assert claim.off.tolist() == [0.5] * 6


def test_a_factor_counts_what_is_claimed_as_wrong(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """0 is no factor of anything; each array has its own."""
    Fresh(monkeypatch)
    sizes = np.ones(N)
    sizes[[B.start + 3, B.start + 4]] = 0.0
    claim = claim_of(sizes, wrong=range(N))
    assert explained(claim, (part_of((B, whole_box(B)), (C, whole_box(C))), 0.5))
    assert claim.regions == [
        throughout(B, whole_box(B), 10, factor=2.0, along=0.5 * 29.0),
        throughout(C, whole_box(C), factor=2.0, along=0.5 * 29.0),
    ]


@pytest.mark.parametrize(
    ("alpha", "wrong"), [(1.1e-6, True), (-1.1e-6, True), (0.9e-6, False), (-0.9e-6, False)]
)
def test_a_factor_within_the_tolerance_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, explained: Any, alpha: float, wrong: bool
):
    """Of 1e-6: the claim that holds is the one divided by it, and nothing is named."""
    fresh = Fresh(monkeypatch)
    claim = claim_of()
    claim.factors = {"c": 1.5}
    assert explained(claim, (part_of((W, whole_box(W)), (B, whole_box(B))), alpha)) is True
    factor = 1.0 / (1.0 - alpha)
    assert claim.factors == {"c": 1.5} | ({} if wrong else {W.name: factor, B.name: factor})
    assert [r.factor for r in claim.regions] == [factor, factor][: 2 * wrong]
    assert (claim.judged, claim.begun) == ([], fresh.tests[0])
    assert set(claim.right[W.start : W.stop]) == {1.0 - alpha}


def test_a_part_of_few_that_is_right_entry_by_entry_is_off_by_no_factor(
    monkeypatch: pytest.MonkeyPatch, explained: Any
):
    """However far the factor is from 1: it may be that of noise."""
    Fresh(monkeypatch)
    claim = claim_of()
    assert explained(claim, (part_of((B, Box(((2, 8),)))), -1.0)) is True
    assert (claim.factors, claim.regions) == ({B.name: 0.5}, [])


@pytest.mark.parametrize(
    ("count", "wrong", "undecided", "explains"),
    [
        (8, 0, False, True),
        (6, 2, True, False),
        (6, 3, True, True),
        (6, 5, False, False),
    ],
)
def test_samples_that_are_right_and_wrong_are_of_no_factor(
    monkeypatch: pytest.MonkeyPatch, explained: Any, count: int, wrong: int, undecided: bool, explains: bool
):
    """Noise hides what tells a factor from a few entries: half of six say so, and none against it; eight are not."""
    Fresh(monkeypatch)
    claim = claim_of(wrong=range(B.start, B.start + wrong), undecided=range(N) if undecided else ())
    # Without a factor a part that is not named tells of wrong ones.
    part = part_of((B, Box(((0, count),))), (C, Box(((0, 0),))))
    assert explained(claim, (part, 0.5)) is explains
    assert len(claim.judged) == (0 if count == 8 else 6)
    assert (claim.regions != []) is explains
    assert (set(claim.right) != {1.0}) is explains
    assert (claim.begun is None) is not explains


@pytest.mark.parametrize(
    ("alpha", "left", "remaining", "looked"),
    [
        (1.0, 0.0, 1000, 0),  # f does not move at all
        (0.5, 1.0, 1000, 1),  # something else is wrong
        (0.5, None, 1000, 1),  # off the domain of f
        (0.5, 0.0, LOOKED_AT - 1, 0),  # the budget
    ],
)
def test_a_factor_that_does_not_hold_is_not_taken_out(
    monkeypatch: pytest.MonkeyPatch, explained: Any, alpha: float, left: Any, remaining: int, looked: int
):
    """Nothing is judged, and the claim stays as it is; the next part is asked for."""
    fresh = Fresh(monkeypatch, left)
    claim = claim_of(wrong=range(N), remaining=remaining)
    problem = claim.problem
    assert explained(claim, (part_of((W, ROW), (B, whole_box(B))), alpha)) is False
    assert (claim.judged, claim.regions, claim.begun, claim.still.any()) == ([], [], None, np.False_)
    assert claim.problem is problem
    assert len(fresh.made) == looked
    at = flat(W, 2, 5)
    assert explained(claim, (part_of((W, ROW)), alpha), (part_of((W, Box(((2, 3), (5, 6))))), None))
    assert claim.judged == [at]


def test_a_factor_may_take_what_is_left_of_the_budget(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """Just enough for a direction."""
    Fresh(monkeypatch)
    claim = claim_of(wrong=range(N), remaining=LOOKED_AT)
    assert explained(claim, (part_of((W, ROW), (B, whole_box(B))), 0.5))
    assert len(claim.regions) == 2


@pytest.mark.parametrize(("remaining", "judged"), [(64 + 12, []), (64 + 11, [1, 3])])
def test_where_the_budget_may_end_before_directions_bear_a_factor_out_two_entries_are_judged_first(
    monkeypatch: pytest.MonkeyPatch, explained: Any, remaining: int, judged: list[int]
):
    """The largest of those that are not known, the first of equal ones; they stay still: 8 x 8 directions and 12."""
    fresh = Fresh(monkeypatch)
    sizes, start = np.ones(N), flat(W, 2, 0)
    sizes[start : start + 8] = [1.0, 3.0, 2.0, -5.0, 9.0, 3.0, 3.0, 1.0]
    claim = claim_of(sizes, wrong=range(N), still=[start + 4], remaining=remaining)
    assert explained(claim, (part_of((W, ROW)), 0.25)) is True
    assert claim.judged == [start + k for k in judged]
    assert np.flatnonzero(fresh.made[0][1].lengths == 0).tolist() == sorted([start + 4, *claim.judged])
    assert claim.regions
    if judged:
        assert claim.off.tolist() == [0.75, -1.25]


@pytest.mark.parametrize("left", [0.9e-3, -0.9e-3])
def test_a_factor_that_is_slightly_off_is_asked_for_once_more(
    monkeypatch: pytest.MonkeyPatch, explained: Any, left: float
):
    """By a thousandth at the most: what is left along the fresh direction is taken out, too."""
    fresh = Fresh(monkeypatch, left, 0.0)
    claim = claim_of(wrong=range(N))
    assert explained(claim, (part_of((W, ROW)), 0.5)) is True
    one, other = (problem for problem, *_ in fresh.made)
    kept = 0.5 * (1.0 - left)
    start = flat(W, 2, 0)
    assert set(one_row(one.matrix)[start : start + 8]) == {0.5}
    assert one_row(other.matrix)[start : start + 8] == pytest.approx(np.full(8, kept), rel=1e-12)
    assert (claim.problem, claim.begun) == (other, fresh.tests[1])
    assert [delta for *_, delta, _ in fresh.made] == [DELTA / 2.0, DELTA / 4.0]
    assert claim.regions == [
        throughout(W, ROW, factor=pytest.approx(1.0 / kept, rel=1e-12), along=8.0 * kept)
    ]
    # Those of a part of few stay still in either, and are judged once.
    few, claim = Fresh(monkeypatch, left, 0.0), claim_of(wrong=range(N))
    assert explained(claim, (part_of((W, Box(((2, 3), (0, 6))))), 0.5)) is True
    assert claim.judged == list(range(start, start + 6))
    for _, scaling, *_ in few.made:
        assert np.flatnonzero(scaling.lengths == 0).tolist() == claim.judged


@pytest.mark.parametrize(
    ("left", "remaining", "looked"),
    [
        ([1.1e-3, 0.0], 1000, 1),
        ([-1.1e-3, 0.0], 1000, 1),
        ([None, 0.0], 1000, 1),
        ([0.9e-3, 0.9e-3], 1000, 2),
        ([0.9e-3, 1e-9, 0.0], 1000, 2),
        ([0.9e-3, None], 1000, 2),
        ([0.9e-3, 0.0], 2 * LOOKED_AT - 1, 1),
    ],
)
def test_a_factor_is_asked_for_no_more_than_twice(
    monkeypatch: pytest.MonkeyPatch, explained: Any, left: Any, remaining: int, looked: int
):
    """And once where it is off by more, or the budget ends: nothing is judged, and the claim stays as it is."""
    fresh = Fresh(monkeypatch, *left)
    claim = claim_of(wrong=range(N), remaining=remaining)
    problem = claim.problem
    # Parts of two arrays, so that no sample is taken in its stead.
    assert explained(claim, (part_of((W, ROW), (B, Box(((0, 0),)))), 0.5)) is False
    assert len(fresh.made) == looked
    assert (claim.judged, claim.regions, claim.begun, claim.factors) == ([], [], None, {})
    assert claim.problem is problem


def test_what_does_not_move_tells_no_factor(monkeypatch: pytest.MonkeyPatch, explained: Any):
    """All six of a part stay still, as they are to be judged: what is left along a direction is of others."""
    fresh = Fresh(monkeypatch, 1e-9, 0.0)
    claim = claim_of(wrong=range(N))
    assert explained(claim, (part_of((B, Box(((2, 8),))), (C, Box(((0, 0),)))), 0.5)) is False
    assert (len(fresh.made), claim.judged) == (1, [])


@pytest.mark.parametrize("exact", [True, False])
def test_a_test_moves_what_is_not_known_as_far_as_f_is_known(monkeypatch: pytest.MonkeyPatch, exact: bool):
    """Along no longer directions than the test before, as long as mistakes show; without one as far as may be.

    Each has the next share of the chance, whatever claim it is of.
    """
    fresh = Fresh(monkeypatch)
    claim, other = claim_of(still=[5]), claim_of(2.0)
    claim.exact = exact
    free = claim.test_of(claim.problem, claim.still, None)
    before: Any = SimpleNamespace(known_lengths=0.5 * fresh.made[0][1].lengths)
    assert free is fresh.tests[0]
    claim.test_of(claim.problem, claim.still, before)
    claim.test_of(claim.problem, claim.still, TEST)
    claim.test_of(other.problem, np.arange(N) == 7, None)
    given = [(problem, rng, delta, named) for problem, _, rng, delta, named in fresh.made]
    assert given == [
        (
            of.problem, claim.rng, pytest.approx(DELTA * share, rel=1e-12),
            {"exact": exact, "before": known, "tolerant": False, "probed": None},
        )
        for of, share, known in (
            (claim, 1 / 2, None), (claim, 1 / 4, before), (claim, 1 / 12, TEST), (other, 1 / 24, None),
        )
    ]  # fmt: skip
    lengths = [scaling.lengths.tolist() for _, scaling, *_ in fresh.made]
    assert np.flatnonzero(np.array(lengths[0]) == 0).tolist() == [5]
    assert lengths[1:3] == [before.known_lengths.tolist(), lengths[0]]
    assert np.flatnonzero(np.array(lengths[3]) == 0).tolist() == [7]


# Samples


def test_zeros_are_asked_for_within_the_last_part_that_is_suspected(monkeypatch: pytest.MonkeyPatch):
    """Or in all that moves where none is; those that hold what is wrong are sampled."""
    empty = part_of((B, Box(((2, 9),))))
    given = answering(monkeypatch, "zeros", empty)
    row = part_of((W, ROW))
    claim: Any
    for suspects, inside in (
        ([], ALONG.tangent != 0),
        ([(part_of((W, whole_box(W))), None), (row, None)], row.inside),
    ):
        monkeypatch.setattr(parts, "suspected_parts", lambda *_, suspects=suspects: iter(suspects))
        claim = claim_of(np.where(empty.inside, 0.0, 1.0), wrong=range(N))
        assert explained_by_a_factor(claim, TEST, ALONG)
        assert claim.regions == [throughout(B, Box(((2, 9),)))]
        assert given[-1][:2] == (TEST, ALONG)
        assert given[-1][2].tolist() == inside.tolist()


def test_what_is_suspected_is_given_what_is_known(monkeypatch: pytest.MonkeyPatch):
    """The test, the direction and the generator of the claim; without a part nothing is explained."""
    given = answering(monkeypatch, "suspected_parts", iter(()))
    answering(monkeypatch, "zeros", None)
    claim: Any = claim_of(wrong=range(N))
    assert explained_by_a_factor(claim, TEST, ALONG) is False
    assert given == [(TEST, ALONG, claim.rng)]
    assert claim.judged == []


def test_a_row_is_wrong_throughout_where_six_of_it_are(explained: Any):
    """All of it is said to be, and stays still: with a third of the entries that are left."""
    claim = claim_of(wrong=range(N), still=[flat(W, 2, 0)])
    assert explained(claim, (part_of((W, ROW)), None)) is True
    assert claim.judged == [flat(W, 2, k) for k in range(1, 7)]
    assert claim.regions == [throughout(W, ROW)]
    assert np.flatnonzero(claim.still).tolist() == [flat(W, 2, k) for k in range(8)]


@pytest.mark.parametrize(("claimed", "judged"), [(1.0, 0), (0.0, 6)])
def test_a_row_that_does_not_hold_all_that_is_wrong_is_not_sampled(
    explained: Any, claimed: float, judged: int
):
    """A ratio named it by chance; where it is claimed to be 0 that is not asked."""
    claim = claim_of(np.where(part_of((W, ROW)).inside, claimed, 1.0), wrong=range(N))
    explained(claim, (part_of((W, ROW)), None), all_of_it=False)
    assert len(claim.judged) == judged


@pytest.mark.parametrize(
    ("right", "judged", "explains"), [([0, 1], 2, False), ([0], 2, True), ([1], 2, True), ([5], 6, True)]
)
def test_a_row_of_which_some_are_right_is_not_named(
    explained: Any, right: list[int], judged: int, explains: bool
):
    """Two tell whether others are looked at; what is wrong among them explains something."""
    claim = claim_of(wrong=[flat(W, 2, k) for k in range(8) if k not in right])
    assert explained(claim, (part_of((W, ROW)), None)) is explains
    assert claim.judged == [flat(W, 2, k) for k in range(judged)]
    assert claim.regions == []


def test_parts_of_several_arrays_are_not_sampled(explained: Any):
    """Each has mistakes of its own."""
    claim = claim_of(wrong=range(N))
    assert explained(claim, (part_of((W, ROW), (B, Box(((0, 11),)))), None)) is False
    assert claim.judged == []


def test_a_whole_array_is_searched_and_not_sampled(explained: Any):
    """Without a factor it is most often a few entries; but where it is claimed to do nothing."""
    claim = claim_of(wrong=range(N))
    assert explained(claim, (part_of((B, whole_box(B))), None)) is False
    assert claim.judged == []
    claim = claim_of(0.0, wrong=range(N))
    assert explained(claim, (part_of((B, whole_box(B))), None)) is True
    assert claim.regions == [throughout(B, whole_box(B))]


def test_parts_of_fewer_than_six_that_are_not_known_are_not_sampled(explained: Any):
    """Their entries are looked for."""
    for count, still, explains in ((5, [], False), (6, [], True), (6, [B.start + 5], False)):
        claim = claim_of(wrong=range(N), still=still)
        assert explained(claim, (part_of((B, Box(((1, 1 + count),)))), None)) is explains
        assert (claim.judged == []) is not explains


@pytest.mark.parametrize(("sizeable", "judged"), [(6, range(2, 8)), (5, range(6))])
def test_entries_that_tell_are_sampled_first(explained: Any, sizeable: int, judged: range):
    """Those of a hundredth of the root mean square, if there are six."""
    sizes = np.ones(N)
    start = flat(W, 2, 0)
    sizes[start : start + 8] = 0.0
    sizes[start + 8 - sizeable : start + 8] = 1.0
    # The root mean square of six of eight is sqrt(6 / 8), and of one that is just a hundredth of it this.
    sizes[start + 1] = 0.0099 * np.sqrt(sizeable / 8)
    claim = claim_of(sizes, wrong=range(N))
    explained(claim, (part_of((W, ROW)), None))
    assert claim.judged == [start + k for k in judged]
    sizes[start + 1] = 0.0101 * np.sqrt(sizeable / 8)
    claim = claim_of(sizes, wrong=range(N))
    explained(claim, (part_of((W, ROW)), None))
    assert start + 1 in claim.judged


@pytest.mark.parametrize(
    ("wrong", "judged", "stored"),
    [
        ([0, 1, 2, 3, 4, 5], 6, None),  # all 48
        ([0, 2, 3], 6, 24),
        ([1, 2, 3, 4], 6, 32),
        ([0, 2], 12, 0),
        ([0, 2, 11], 12, 12),
        ([2, 3, 9, 10], 12, 16),
        ([3, 4, 5], 3, 0),
    ],
)
def test_of_what_is_claimed_to_do_nothing_three_of_six_or_of_twelve_say_so(
    wrong: list[int], judged: int, stored: int | None
):
    """What is 0 of the rest is right: as many are counted as the sample tells. One of the first three must be wrong."""
    claim: Any = claim_of(0.0, wrong=[W.start + k for k in wrong])
    silent = np.isin(np.arange(N), range(W.start, W.stop))
    assert missing(claim, silent) is (judged > 3)
    assert claim.judged == [W.start + k for k in range(judged)]
    assert claim.regions == ([] if stored == 0 else [throughout(W, whole_box(W), stored)])


@pytest.mark.parametrize(("left", "all_of_it"), [(24, True), (25, False)])
def test_of_what_a_sample_finds_right_in_part_a_small_rest_is_judged(left: int, all_of_it: bool):
    """Two of six are right: of twenty-four more each is looked at, of twenty-five four in six are counted."""
    claim: Any = claim_of(0.0, wrong=range(W.start, W.start + 4), still=range(W.start + 6 + left, W.stop))
    assert missing(claim, np.isin(np.arange(N), range(W.start, W.stop)))
    assert len(claim.judged) == 6 + all_of_it * left
    assert claim.regions == ([] if all_of_it else [throughout(W, whole_box(W), 32)])


def test_each_array_that_is_claimed_to_do_nothing_is_sampled():
    """Those that stay still, at least in part, and no others; one that does something is enough."""
    silent = np.isin(np.arange(N), [W.start, *range(B.start, B.stop)])
    for wrong, named in ((W, True), (B, True), (C, False)):
        claim: Any = claim_of(0.0, wrong=range(wrong.start, wrong.stop))
        assert missing(claim, silent) is named
        assert claim.regions == ([throughout(wrong, whole_box(wrong))] if named else [])
        assert not set(claim.judged) & set(range(C.start, C.stop))


@pytest.mark.parametrize("wrong", [0, 1, 5])
def test_an_array_of_fewer_than_a_sample_that_is_claimed_to_do_nothing_is_judged(wrong: int):
    """All of it: no sample tells of five entries, and a search takes as many evaluations."""
    claim: Any = claim_of(0.0, wrong=range(B.start, B.start + wrong), still=range(B.start + 5, B.stop))
    silent = np.isin(np.arange(N), range(B.start, B.stop))
    assert missing(claim, silent) is (wrong > 0)
    assert claim.judged == list(range(B.start, B.start + 5))
    assert claim.regions == []


def test_of_zeros_in_a_box_those_are_counted_that_the_part_holds(explained: Any):
    """A triangle, 21 entries of a box of 36; where half of a sample of it is right the others are judged."""
    inside = np.zeros(N, bool)
    inside[W.slice].reshape(6, 8)[:, :6] = np.tri(6, dtype=bool)
    box = Box(((0, 6), (0, 6)))
    claim = claim_of(np.where(inside, 0.0, 1.0), wrong=np.flatnonzero(inside)[[0, 2, 4]])
    assert explained(claim, empty=Part(inside, ((W, box),)))
    assert (claim.regions, len(claim.judged)) == ([], 21)
    claim = claim_of(np.where(inside, 0.0, 1.0), wrong=np.flatnonzero(inside))
    assert explained(claim, empty=Part(inside, ((W, box),)))
    assert claim.regions == [throughout(W, box, 21)]


# Arrays in which wrong entries are dense


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whether arrays are named that hold some wrong entries, where their lines and boxes are these."""

    def fill(
        claim: Any,
        wrong: list[int],
        *,
        box: Part | None = None,
        alpha: float | None = None,
        lines: Any = None,
    ) -> tuple[bool, list[Any], list[Any]]:
        grown, factors = answering(monkeypatch, "grown", box), answering(monkeypatch, "common_factor", alpha)
        striped = answering(monkeypatch, "striped", lines)
        named = fill_arrays(claim, TEST, ALONG, wrong)
        for test, direction, *_ in (*grown, *factors, *striped):
            assert (test, direction) == (TEST, ALONG)
        if factors:
            assert box is not None
            # Its factor is that of what moves.
            assert [mask.tolist() for mask in factors[0][2:3]] == [
                (box.inside & (ALONG.tangent != 0)).tolist()
            ]
            assert factors[0][3] is claim.rng
        return named, [given[2:] for given in grown], [given[2:] for given in striped]

    return fill


def test_an_array_is_wrong_throughout_where_twelve_of_it_are(filled: Any):
    """By chance half of it would be in one of 4,096 cases; of arrays without a wrong entry nothing is asked."""
    claim = claim_of(wrong=range(N))
    named, grown, striped = filled(claim, [W.start, W.stop - 1, B.start, B.stop - 1])
    assert named is True
    assert claim.regions == [throughout(W, whole_box(W)), throughout(B, whole_box(B))]
    assert claim.judged == [*range(W.start, W.start + 12), *range(B.start, B.stop)]
    assert (grown, striped) == ([], [])
    claim = claim_of(wrong=range(N))
    assert filled(claim, [B.start])[0] is True
    assert claim.regions == [throughout(B, whole_box(B))]
    claim = claim_of(wrong=np.setdiff1d(np.arange(N), [11]))
    # Those that are right among the samples make it some entries.
    assert filled(claim, [W.stop - 1])[0] is True
    assert claim.regions == []
    assert claim.judged == list(range(12))


@pytest.mark.parametrize("stored", [None, 24])
def test_zeros_beside_what_is_wrong_count_where_some_of_them_were_wrong(filled: Any, stored: Any):
    """Every second is claimed to be 0: one of those was judged before, and counts for them, or is right."""
    sizes = np.ones(N)
    sizes[W.start + 1 : W.stop : 2] = 0.0
    bad = [*range(W.start, W.stop, 2), *([W.start + 1] if stored is None else [])]
    claim = claim_of(sizes, wrong=bad)
    claim.judge(np.array([W.start + 1]))
    assert filled(claim, [W.start, W.stop - 2])[0] is True
    assert claim.regions == [throughout(W, whole_box(W), stored)]


@pytest.mark.parametrize(("left", "named"), [(11, True), (0, False)])
def test_of_an_array_of_which_fewer_are_left_than_a_sample_all_are_judged(
    filled: Any, left: int, named: bool
):
    """What the search judged before stays as it is; of none that is left nothing is said."""
    claim = claim_of(wrong=range(N), still=range(B.start + left, B.stop))
    assert filled(claim, [B.start, B.stop - 1])[0] is named
    assert claim.judged == list(range(B.start, B.start + left))
    assert claim.regions == []


def test_arrays_of_which_nothing_is_wrong_in_the_sample_are_not_named(filled: Any):
    """But others may be."""
    last = [B.stop - 1, W.stop - 1]
    assert filled(claim_of(wrong=last), last)[0] is False
    for block in (W, B):
        claim = claim_of(wrong=range(block.start, block.stop))
        assert filled(claim, last)[0] is True
        assert claim.regions == [throughout(block, whole_box(block))]


@pytest.mark.parametrize("wrong", [range(C.start, C.start + 4), range(C.start, C.stop, 6)])
def test_an_array_that_is_named_stays_so_where_the_next_is_not(filled: Any, wrong: range):
    """Of the other a box or lines were tried, in which nothing is wrong, or too few to sample."""
    claim = claim_of(wrong=range(W.start, W.stop))
    some = part_of((C, Box(((0, 4),))))
    named, grown, striped = filled(claim, [W.start, W.stop - 1, *wrong], box=some, lines=(some, None))
    assert named is True
    assert claim.regions == [throughout(W, whole_box(W))]
    assert len(grown) + len(striped) == 1


FOUR = [flat(W, 1, 1), flat(W, 1, 5), flat(W, 2, 2), flat(W, 2, 3)]


def test_several_wrong_entries_near_each_other_tell_a_box(monkeypatch: pytest.MonkeyPatch, filled: Any):
    """Less than a quarter of the array holds four of them: the box grows, and is taken by its factor or a sample."""
    box = part_of((W, Box(((1, 4), (1, 7)))))
    for alpha, judged in ((None, 6), (0.5, 0)):
        fresh = Fresh(monkeypatch)
        claim = claim_of(wrong=range(N))
        named, grown, striped = filled(claim, FOUR, box=box, alpha=alpha)
        assert named is True
        assert grown == [(W, Box(((1, 3), (1, 6))))]
        assert striped == []
        assert claim.regions == [throughout(W, Box(((1, 4), (1, 7))), factor=alpha and 2.0, along=9.0)]
        assert len(claim.judged) == judged
        assert len(fresh.made) == (alpha is not None)
    Fresh(monkeypatch, 1.0)
    claim = claim_of(wrong=range(N))
    assert filled(claim, FOUR, box=box, alpha=0.5)[0] is True
    assert len(claim.judged) == 6
    # Other arrays are looked at after it.
    claim = claim_of(wrong=range(N))
    assert filled(claim, [*FOUR, B.start], box=box)[0] is True
    assert claim.regions == [throughout(W, Box(((1, 4), (1, 7)))), throughout(B, whole_box(B))]
    assert filled(claim_of(), FOUR, box=box)[0] is False


@pytest.mark.parametrize(
    "wrong",
    [FOUR[:3], [flat(W, 1, 1), flat(W, 1, 2), flat(W, 3, 3), flat(W, 3, 4)], [*FOUR[:3], flat(W, 5, 7)]],
)
def test_fewer_entries_or_a_quarter_of_an_array_tell_no_box(filled: Any, wrong: list[int]):
    """The second of these is 3 x 4 of 48."""
    assert filled(claim_of(wrong=range(N)), wrong) == (True, [], [])


SPREAD = [flat(W, 0, 0), flat(W, 1, 1), flat(W, 4, 7), flat(W, 5, 7)]
LINES = part_of((W, Box(((0, 2), (0, 8)))), (W, Box(((4, 6), (0, 8)))))


def test_lines_of_an_array_that_is_not_wrong_throughout_are_named(
    monkeypatch: pytest.MonkeyPatch, filled: Any
):
    """By their factor or a sample, where four entries or more are wrong."""
    # The sample of the array is right, and that of its lines is not.
    sampled = range(2)
    for alpha, judged in ((None, 6), (0.5, 0)):
        fresh = Fresh(monkeypatch)
        claim = claim_of(wrong=np.setdiff1d(np.arange(N), sampled))
        named, grown, striped = filled(claim, SPREAD, lines=(LINES, alpha))
        assert named is True
        assert (grown, striped) == ([], [(W,)])
        # With a factor, which is that of each, the two of the sample are no part.
        counts = [14, None] if alpha else [None, None]
        assert claim.regions == [
            throughout(W, box, count, factor=alpha and 2.0, along=16.0)
            for (_, box), count in zip(LINES.boxes, counts, strict=True)
        ]
        assert len(claim.judged) == 2 + judged
        assert len(fresh.made) == (alpha is not None)
    assert filled(claim_of(), SPREAD, lines=(LINES, None))[0] is False
    assert filled(claim_of(), SPREAD, lines=None) == (False, [], [(W,)])
    assert filled(claim_of(), SPREAD[:3], lines=(LINES, None)) == (False, [], [])
    # Another array that is named stays so.
    fresh = Fresh(monkeypatch, 1.0)
    claim = claim_of(wrong=[*np.setdiff1d(np.arange(N), sampled)])
    assert filled(claim, SPREAD, lines=(LINES, 0.5))[0] is True
    assert len(fresh.made) == 1
    assert len(claim.judged) == 8
