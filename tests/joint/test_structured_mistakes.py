"""Mistakes of one factor, by hand: of a linear f each residual is known, and so is the part that is wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck.function.matrix import Dense
from gradcheck.joint import structured
from gradcheck.joint.direction import Direction
from gradcheck.joint.structured import Part, common_factor, grown, striped, suspected_parts, zeros
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters

TREE = {"b": np.zeros(5), "T": np.zeros((2, 3, 4)), "W": np.zeros((4, 6))}
PARAMETERS, FLAT = Parameters.of(TREE)
B, T, W = (next(b for b in PARAMETERS.blocks if f'"{name}"' in b.name) for name in "bTW")
N = FLAT.size
# What f does, and a tangent; their products are exact, and of one sign so that no two mistakes cancel.
RIGHT = np.resize([1.0, -2.0, 4.0], N)
ALONG = (
    np.resize([1.0, -0.5, 2.0, 1.0, -1.0, 0.5, 4.0], N)
    * np.sign(RIGHT)
    * np.resize([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0], N)
)


class Linear:
    """A claim (n,) about a linear f, measured within a bar, of which a closer look leaves a part `finer`."""

    def __init__(
        self, claim: Any, *, right: Any = RIGHT, bar: float = 0.0, finer: float = 1.0, exact: bool = False
    ) -> None:
        self.off, self.bar, self.finer, self.exact = claim - right, bar, finer, exact
        self.problem = SimpleNamespace(x=FLAT, matrix=Dense(claim[None, :]), parameters=PARAMETERS)
        self.seen: list[Direction] = []

    def along(self, tangent: Any, bar: float, least: float = 0.0) -> Direction:
        """What a direction shows; a mistake that counts leaves `least` beyond the bars."""
        one = np.ones(1)
        residual = self.off @ tangent
        return Direction(tangent, 0.0, one, residual * one, bar * one, (3 * bar + least) * one, self.exact)

    def again(self, tangent: Any, *, exact: bool, precise: bool = False) -> Direction:
        """The same claim along another tangent."""
        assert exact is (self.exact and not precise)
        self.seen.append(self.along(tangent, self.bar * (self.finer if precise else 1.0)))
        return self.seen[-1]

    def parts(self, tangent: Any = ALONG, bar: float | None = None) -> list[tuple[Part, float | None]]:
        """What may hold what is wrong along a tangent, whose bar is that of others by default."""
        test: Any = self
        first = self.along(tangent, self.bar if bar is None else bar)
        return list(suspected_parts(test, first, np.random.default_rng(0)))

    def factor(self, part: Any, *, bar: float = 0.0, tangent: Any = ALONG) -> float | None:
        """That of a part (n,), of which every other entry is looked at."""
        test: Any = self
        rng: Any = SimpleNamespace(random=lambda n: np.resize([0.25, 0.75], n))
        return common_factor(test, self.along(tangent, bar), part, rng)


def claimed(block: Block | None, where: Any = np.s_[...], factor: float = 1.5) -> Any:
    """The right gradient with a part of an array, or all of it, times a factor."""
    claim = RIGHT.copy()
    if block is None:
        return claim * factor
    claim[block.slice].reshape(block.shape)[where] *= factor
    return claim


def inside(block: Block, where: Any = np.s_[...]) -> Any:
    """(n,) a part of an array."""
    return claimed(block, where, np.nan) != RIGHT


def whole(block: Block) -> tuple[Block, Box]:
    """An array as a box."""
    return block, Box(tuple((0, n) for n in block.shape))


def same(found: Part, mask: Any, *boxes: tuple[Block, Box]) -> None:
    """That a part is these entries, and is called by these boxes."""
    assert found.inside.tolist() == mask.tolist()
    assert found.inside.dtype == bool
    assert found.boxes == boxes


def test_a_part_is_the_entries_of_its_boxes():
    """One entry is no pattern, and only whole arrays are whole."""
    rows = Part.of(N, [(W, Box(((1, 3), (0, 6)))), (B, Box(((4, 5),)))])
    same(rows, inside(W, np.s_[1:3]) | inside(B, 4), (W, Box(((1, 3), (0, 6)))), (B, Box(((4, 5),))))
    assert (rows.single, rows.whole) == (False, False)
    both = Part.of(N, [whole(W), whole(B)])
    assert (both.single, both.whole) == (False, True)
    one = Part.of(N, [(B, Box(((4, 5),)))])
    assert (one.single, one.whole) == (True, False)


# What is suspected


@pytest.mark.parametrize(("factor", "alpha"), [(2.0, 0.5), (-1.0, 2.0), (0.5, -1.0)])
def test_a_claim_that_is_off_by_one_factor_is_suspected_first(factor: float, alpha: float):
    """All arrays, with the part of the claim that there is too much: 1 - 1 / factor."""
    part, found = Linear(claimed(None, factor=factor)).parts()[0]
    same(part, np.ones(N, bool), *map(whole, PARAMETERS.blocks))
    assert found == pytest.approx(alpha, rel=1e-12)


def test_what_does_not_move_is_no_part_of_what_is_wrong():
    """An array that stays still has no number and no name; entries of others that do are no part of the whole."""
    tangent = np.where(inside(T) | inside(B, 2), 0.0, ALONG)
    part, found = Linear(claimed(None, factor=2.0)).parts(tangent)[0]
    same(part, ~(inside(T) | inside(B, 2)), *(whole(b) for b in PARAMETERS.blocks if b is not T))
    assert found == pytest.approx(0.5, rel=1e-12)
    ((part, found),) = Linear(claimed(W)).parts(tangent)
    same(part, inside(W), whole(W))
    assert found == pytest.approx(1 / 3, rel=1e-12)
    # The factor is that of what moves.
    ((part, found),) = Linear(claimed(B)).parts(tangent)
    same(part, inside(B), whole(B))
    assert found == pytest.approx(1 / 3, rel=1e-12)


WHERE = {
    "an array": (W, np.s_[:, :], ((0, 4), (0, 6))),
    "the first row": (W, np.s_[0, :], ((0, 1), (0, 6))),
    "a row": (W, np.s_[2, :], ((2, 3), (0, 6))),
    "the last row": (W, np.s_[3, :], ((3, 4), (0, 6))),
    "a column": (W, np.s_[:, 3], ((0, 4), (3, 4))),
    "the last column": (W, np.s_[:, 5], ((0, 4), (5, 6))),
    "a vector": (B, np.s_[:], ((0, 5),)),
    "three axes": (T, np.s_[:, :, :], ((0, 2), (0, 3), (0, 4))),
    "the first of three axes": (T, np.s_[1], ((1, 2), (0, 3), (0, 4))),
    "a column of the others": (T, np.s_[:, 1, 2], ((0, 2), (1, 2), (2, 3))),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", WHERE)
def test_a_line_of_an_array_that_is_off_by_one_factor_is_named(name: str, exact: bool):
    """And its factor: half as much again is a third too much."""
    block, where, ranges = WHERE[name]
    ((part, alpha),) = Linear(claimed(block, where), exact=exact).parts()
    same(part, inside(block, where), (block, Box(ranges)))
    assert alpha == pytest.approx(1 / 3, rel=1e-12)


@pytest.mark.parametrize(
    ("block", "at", "ranges"),
    [(W, (2, 4), ((2, 3), (4, 5))), (W, (0, 0), ((0, 1), (0, 1))), (T, (1, 2, 3), ((1, 2), (2, 3), (3, 4)))],
)
def test_a_single_entry_is_named_without_a_factor(block: Block, at: Any, ranges: Any):
    """Any one entry is off by one factor."""
    ((part, alpha),) = Linear(claimed(block, at)).parts()
    same(part, inside(block, at), (block, Box(ranges)))
    assert part.single
    assert alpha is None


def test_what_is_off_by_several_factors_has_none():
    """Of the array that holds it; where two arrays do the other one is told."""
    claim = claimed(W, 1)
    claim[inside(W, np.s_[1, ::2])] *= 2.0
    ((part, alpha),) = Linear(claim).parts()
    same(part, inside(W, 1), (W, Box(((1, 2), (0, 6)))))
    assert alpha is None
    ((part, alpha),) = Linear(np.where(inside(W, 1), claim, claimed(B))).parts()
    same(part, inside(B), (B, whole_box(B)))
    assert ([b.name for b, _ in part.others], alpha) == ([W.name], pytest.approx(1.0 / 3.0))


def rows_off(*sizes: float) -> Any:
    """A claim of which the rows of W are off by so much, along a tangent of the signs of what is right."""
    claim = RIGHT.copy()
    claim[W.slice].reshape(4, 6)[...] += np.outer(sizes, np.sign(RIGHT[W.slice][:6]) / 6.0)
    return claim


def row_named(test: Linear, bar: float = 0.0) -> int | None:
    """Which row of W is said to hold all that is wrong along a direction with this bar, and nothing else is."""
    ((part, _),) = test.parts(np.sign(RIGHT), bar)
    ((block, box),) = part.boxes
    assert block is W
    first, last = box.ranges[0]
    assert box.ranges[1] == (0, 6)
    same(part, inside(W, np.s_[first:last]), (W, box))
    return None if last - first == 4 else first


def test_two_lines_are_the_array_that_holds_them():
    """The ratio of their residuals names none between two, nor one before the first or beyond the last."""
    for sizes in ((0, 1, 1, 0), (3, -1, 0, 0), (2, -1, 0, 0), (0, 0, -1, 3), (0, 0, -1, 2), (0, -1, 0, 2)):
        assert row_named(Linear(rows_off(*sizes))) is None
    assert row_named(Linear(rows_off(0, 2, 0, 0))) == 1


LAST_ROW = pytest.mark.parametrize("size", [2.0, -2.0])
BARS = pytest.mark.parametrize(("seen", "first"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
W_ALONE = np.where(inside(W), np.sign(RIGHT), 0.0)


def lines_of(width: float, seen: float, first: float, size: float, **options: Any) -> tuple[Any, int]:
    """The row of W that is named where W alone moves and the last of four is off; and how many ratios that took.

    Its ratio is 1.375, known to 3 (E + 1.375 E0) / 2, which is `width` of what lies between two. All of W is asked for
    once before, and so are its columns, of which none is alone.
    """
    unit = width * 2.0 / (4.0 * 3.0 * (seen + 1.375 * first))
    test = Linear(rows_off(0, 0, 0, size), bar=seen * unit, **options)
    *_, (part, _) = test.parts(W_ALONE, first * unit)
    ((_, box),) = part.boxes
    start, stop = box.ranges[0]
    columns = sum(1 for each in test.seen if np.ptp(np.abs(each.tangent[W.slice].reshape(4, 6)[3])) > 1e-9)
    return (start if stop - start == 1 else None), len(test.seen) - columns


@BARS
@LAST_ROW
def test_a_ratio_names_a_line_where_bars_are_a_quarter_of_what_lies_between_two(
    seen: float, first: float, size: float
):
    """What allows one line and less than half of the others is measured once more, with weights for these alone."""
    assert lines_of(0.25 * (1 - 1e-6), seen, first, size) == (3, 1)
    assert lines_of(0.25 * (1 + 1e-6), seen, first, size) == (3, 2)


@BARS
@LAST_ROW
@pytest.mark.parametrize("exact", [False, True])
def test_a_ratio_names_no_line_where_its_bars_allow_half_of_them(
    seen: float, first: float, size: float, exact: bool
):
    """A distance between two lines is the bar that lets the last but one of four be meant, too.

    A closer look, which the complex step has not, tells no more here.
    """
    assert lines_of(1 - 1e-6, seen, first, size, exact=exact) == (3, 2)
    assert lines_of(1 + 1e-6, seen, first, size, exact=exact) == (None, 1 if exact else 2)


@pytest.mark.parametrize("exact", [False, True])
def test_a_closer_look_may_name_a_line(exact: bool):
    """Half the bar is told by more points where two leave it open; there are none where the complex step was taken."""
    bar = 1.5 * 2.0 / (4.0 * 3.0)
    test = Linear(rows_off(0, 0, 0, 2.0), bar=bar, finer=0.5, exact=exact)
    found = [part for part, _ in test.parts(np.sign(RIGHT), 0.0)]
    if exact:
        assert found == []
    else:
        same(found[0], inside(W, 3), (W, Box(((3, 4), (0, 6)))))


def of_784(off: dict[int, float], bar: float) -> tuple[int | None, list[int]]:
    """The row of 784 that is named where these are off, 1 in all; and how many rows moved each time.

    bar : E of each ratio, and none of the first direction's.
    """
    mistakes, asked = np.zeros(784), list[int]()
    mistakes[list(off)] = list(off.values())

    def along(tangent: Any, error: float) -> Direction:
        one = np.ones(1)
        return Direction(tangent, 0.0, one, mistakes @ tangent * one, error * one, one)

    def again(tangent: Any, *, exact: bool, precise: bool) -> Direction:
        assert not exact
        asked.append(np.count_nonzero(tangent))
        return along(tangent, bar)

    test: Any = SimpleNamespace(again=again)
    named, first = structured._named(test, along(np.ones(784), 0.0), 784, lambda weights: weights)
    assert first is not None
    assert np.count_nonzero(first.tangent) == 784
    return named, asked


@pytest.mark.parametrize(
    ("bar", "named", "moved"),
    [
        # 3 E of 784 rows is less than a quarter.
        (1e-4, 720, [784]),
        # 2.35 rows: two on either side, and of five 0.015.
        (1e-3, 720, [784, 5]),
        # 23.5 rows, 1.41 of 47, 0.09 of three.
        (1e-2, 720, [784, 47, 3]),
        # 117 rows; behind 720 there are 63. Of 181 it is 27, of 55 8.25, of 17 2.55: that is still too many.
        (5e-2, None, [784, 181, 55, 17]),
        # 235 rows before, and the 63 behind; of 299 it is 134.5: more than half, and no closer look tells more.
        (1e-1, None, [784, 299, 299]),
    ],
)
def test_weights_are_stretched_over_the_lines_that_a_ratio_allows(
    bar: float, named: int | None, moved: list[int]
):
    """The others stay still; four ratios at the most."""
    assert of_784({720: 1.0}, bar) == (named, moved)
    assert of_784({720: -1.0}, bar) == (named, moved)


@pytest.mark.parametrize(
    ("off", "moved"),
    [
        # Between two: that is neither.
        ({720: 0.5, 721: 0.5}, [784, 4]),
        ({720: 0.7, 721: 0.3}, [784, 5]),
        # Of those that the mean of two allows none is off by anything.
        ({300: 0.5, 721: 0.5}, [784, 4]),
        ({0: 1.0 / 3.0, 783: 2.0 / 3.0}, [784, 5]),
        # The ratio of two that cancel in part lies beyond the last.
        ({600: -1.0, 720: 2.0}, [784]),
    ],
)
def test_stretched_weights_name_no_line_where_two_are_off(off: dict[int, float], moved: list[int]):
    """Of one each of these bars would tell."""
    assert of_784(off, 1e-3) == (None, moved)


@pytest.mark.parametrize(("bar", "between"), [(0.1, 0.1), (0.0, 1e-9)])
@pytest.mark.parametrize(("share", "row"), [(0.99, 2), (1.01, None)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_ratio_between_two_lines_names_the_nearer_one_within_its_bar(
    bar: float, between: float, share: float, row: int | None, sign: int
):
    """A part of what is wrong is in the row before, or behind it; rounding is allowed where there is no bar."""
    sizes = np.zeros(4)
    sizes[2], sizes[2 + sign] = 1.0 - share * between, share * between
    assert row_named(Linear(rows_off(*sizes), bar=bar / (4.0 * 3.0))) == row


def test_of_one_array_that_moves_its_lines_are_asked_for_at_once():
    """All of it first: half of its entries tell that it has one factor, or none."""
    tangent = np.where(inside(W), ALONG, 0.0)
    for part, alpha in Linear(claimed(W)).parts(tangent):
        same(part, inside(W), whole(W))
        assert alpha == pytest.approx(1 / 3, rel=1e-12)
    ((part, alpha),) = Linear(claimed(W, 2)).parts(tangent)
    same(part, inside(W, 2), (W, Box(((2, 3), (0, 6)))))
    assert alpha == pytest.approx(1 / 3, rel=1e-12)


def test_of_one_vector_that_moves_half_is_asked_for_once():
    """It is all of what moves: with one factor or without, what would be asked of it is known."""
    tangent = np.where(inside(B), ALONG, 0.0)
    several = claimed(B)
    several[inside(B, np.s_[::2])] *= 2.0
    for claim, alphas in ((claimed(B), [pytest.approx(1 / 3, rel=1e-12), None]), (several, [None])):
        test = Linear(claim)
        found = test.parts(tangent)
        assert [alpha for _, alpha in found] == alphas
        assert len(test.seen) == 1
        for part, _ in found:
            same(part, inside(B), whole(B))
    # Beside another array it is asked for by itself: a ratio of the two names it.
    test = Linear(claimed(B))
    ((part, alpha),) = test.parts(np.where(inside(B) | inside(W), ALONG, 0.0))
    same(part, inside(B), whole(B))
    assert (alpha, len(test.seen)) == (pytest.approx(1 / 3, rel=1e-12), 2)


# The factor of a part


def test_a_factor_holds_in_half_of_a_part():
    """1.5 of what is right is a third too much; where every other entry is off by more it is none."""
    assert Linear(claimed(W)).factor(inside(W)) == pytest.approx(1 / 3, rel=1e-12)
    claim = claimed(W)
    claim[inside(W, np.s_[:, ::2])] *= 1.01
    assert Linear(claim).factor(inside(W)) is None


def test_a_part_that_is_claimed_to_be_0_has_no_factor():
    """Nor one of which what is claimed cancels."""
    claim = np.where(inside(B), 0.0, RIGHT)
    assert Linear(claim).factor(inside(B)) is None
    cancelling = np.where(inside(B), 0.0, RIGHT)
    cancelling[B.slice][:2] = 1.0
    tangent = ALONG.copy()
    tangent[B.slice][:2] = 1.0, -1.0
    assert Linear(cancelling).factor(inside(B), tangent=tangent) is None
    assert Linear(cancelling).parts(np.where(inside(B), tangent, 0.0)) != []


def test_what_bars_can_explain_is_no_other_factor():
    """Half a part is off by 3 (E + 1.5 E0) more than the factor of all says, or by a little less: that is the bar.

    b = (1, -2, 4, 1, -2), moved by its signs: 10 in all, 7 in every other entry; 2 is the residual of all.
    """
    for bars in ((0.01, 0.0), (0.0, 0.01), (0.004, 0.01)):
        bar = 3.0 * (bars[0] + 1.5 * bars[1])
        for part, factor in ((0.999, True), (1.001, False)):
            off = np.zeros(N)
            # 1.4 belongs to the half, of the factor 0.2.
            off[B.start] = 1.4 + bar * part
            off[B.start + 1] = -(0.6 - bar * part)
            test = Linear(RIGHT + off, bar=bars[0])
            test.problem.matrix = Dense(RIGHT[None, :])
            found = test.factor(inside(B), bar=bars[1], tangent=np.sign(RIGHT))
            assert (found is not None) is factor
            assert found is None or found == pytest.approx(0.2, rel=1e-12)


@pytest.mark.parametrize(("part", "factor"), [(0.999, True), (1.001, False)])
def test_bars_that_let_anything_pass_explain_nothing(part: float, factor: bool):
    """A quarter of the residual is where they do: 5 of b, which is off by half of 10."""
    bar = 0.25 * 5.0 / 3.0 * part
    for bars in ((bar, 0.0), (0.0, bar / 1.5)):
        test = Linear(claimed(B), bar=bars[0])
        assert (test.factor(inside(B), bar=bars[1], tangent=np.sign(RIGHT)) is not None) is factor


# What is claimed to be 0


def hollow(block: Block, where: Any, right: float = 2.0) -> tuple[Any, Any]:
    """A claim of zeros somewhere, and what is right there."""
    return claimed(block, where, 0.0), np.where(inside(block, where), right, RIGHT)


def test_zeros_that_hold_all_that_is_wrong_are_a_part():
    """Of several arrays, each with the box that holds its own."""
    claim, right = hollow(W, np.s_[1:3, 2:4])
    claim[B.start + 3] = 0.0
    test: Any = Linear(claim, right=right)
    first = test.along(ALONG, 0.0)
    mask = inside(W, np.s_[1:3, 2:4]) | inside(B, 3)
    found = zeros(test, first, np.ones(N, bool))
    assert found is not None
    boxes = {B: Box(((3, 4),)), W: Box(((1, 3), (2, 4)))}
    same(found, mask, *((b, boxes[b]) for b in PARAMETERS.blocks if b in boxes))
    # Among those of one array alone, and of what moves.
    claim[B.start + 3] = RIGHT[B.start + 3]
    still = np.where(inside(W, np.s_[1, 2]), 0.0, ALONG)
    test = Linear(claim, right=right)
    found = zeros(test, test.along(still, 0.0), inside(W))
    assert found is not None
    same(found, inside(W, np.s_[1:3, 2:4]) & ~inside(W, np.s_[1, 2]), (W, Box(((1, 3), (2, 4)))))


def test_zeros_explain_nothing_where_there_are_none_or_nothing_else():
    """Nor where something else is wrong."""
    claim, right = hollow(W, np.s_[:, 3:])
    test: Any = Linear(claim, right=right)
    first = test.along(ALONG, 0.0)
    assert zeros(test, first, inside(W)) is not None
    assert zeros(test, first, inside(W, np.s_[:, :3])) is None
    assert zeros(test, first, inside(W, np.s_[:, 3:])) is None
    claim[B.start] += 1.0
    test = Linear(claim, right=right)
    assert zeros(test, test.along(ALONG, 0.0), np.ones(N, bool)) is None


@pytest.mark.parametrize(("beside", "found"), [(0.0299, True), (0.0301, False)])
@pytest.mark.parametrize("bars", [(0.01, 0.0), (0.0, 0.01), (0.004, 0.006)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_wrong_beside_zeros_may_be_what_both_bars_allow(
    beside: float, found: bool, bars: tuple[float, float], sign: float
):
    """Three times their sum."""
    claim, right = hollow(W, np.s_[:, 3:])
    claim[B.start] += sign * beside / ALONG[B.start]
    test: Any = Linear(claim, right=right, bar=bars[0])
    assert (zeros(test, test.along(ALONG, bars[1]), np.ones(N, bool)) is not None) is found


# Boxes that grow


@pytest.mark.parametrize(
    ("where", "ranges"),
    [
        (np.s_[1:3, 1:5], ((1, 3), (1, 5))),
        (np.s_[:, :], ((0, 4), (0, 6))),
        (np.s_[1:2, 2:4], ((1, 2), (2, 4))),
    ],
)
def test_a_box_grows_to_where_lines_hold_nothing(where: Any, ranges: Any):
    """On all sides, to the edges of the array at the most."""
    test: Any = Linear(claimed(W, where))
    part = grown(test, test.along(ALONG, 0.0), W, Box(((1, 2), (2, 3))))
    same(part, inside(W, where), (W, Box(ranges)))


def test_a_box_of_three_axes_grows_along_each():
    """Here by one at each of five sides."""
    where = np.s_[0:2, 0:3, 1:4]
    test: Any = Linear(claimed(T, where))
    part = grown(test, test.along(ALONG, 0.0), T, Box(((0, 1), (1, 2), (2, 3))))
    same(part, inside(T, where), (T, Box(((0, 2), (0, 3), (1, 4)))))


@pytest.mark.parametrize(("more", "stop"), [(0.999, 3), (1.001, 4)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_line_holds_something_beyond_its_bars_and_the_smallest_mistake(more: float, stop: int, sign: float):
    """Three bars of 0.01 and 0.1 beside them."""
    claim = claimed(B, np.s_[1:3])
    claim[B.start + 3] += sign * more * 0.13 / ALONG[B.start + 3]
    test: Any = Linear(claim, bar=0.01)
    part = grown(test, test.along(ALONG, 0.02, least=0.1), B, Box(((1, 2),)))
    assert part.boxes == ((B, Box(((1, stop),))),)


def test_a_box_grows_by_so_many_lines_at_the_most(monkeypatch: pytest.MonkeyPatch):
    """Each costs a measurement; here two on each side."""
    monkeypatch.setattr(structured, "LINES", 2)
    test: Any = Linear(claimed(W))
    part = grown(test, test.along(ALONG, 0.0), W, Box(((0, 1), (2, 3))))
    assert part.boxes == ((W, Box(((0, 3), (0, 5)))),)


# Stripes


STRIPES = {
    "rows": (np.s_[[0, 2], :], [((0, 1), (0, 6)), ((2, 3), (0, 6))]),
    "rows side by side": (np.s_[1:3, :], [((1, 3), (0, 6))]),
    "columns": (np.s_[:, [0, 1, 4]], [((0, 4), (0, 2)), ((0, 4), (4, 5))]),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", STRIPES)
def test_lines_that_are_wrong_by_one_factor_among_others_are_a_part(name: str, exact: bool):
    """Rows or columns, side by side as one box, with their factor."""
    where, boxes = STRIPES[name]
    test: Any = Linear(claimed(W, where), exact=exact)
    found = striped(test, test.along(ALONG, 0.0), W)
    assert found is not None
    part, alpha = found
    same(part, inside(W, where), *((W, Box(box)) for box in boxes))
    assert alpha == pytest.approx(1 / 3, rel=1e-12)


def test_lines_of_the_last_axis_of_three_are_a_part():
    """Where each of the others is wrong throughout, and the first has no more than two lines."""
    test: Any = Linear(claimed(T, np.s_[:, :, [1, 3]]))
    found = striped(test, test.along(ALONG, 0.0), T)
    assert found is not None
    same(
        found[0], inside(T, np.s_[:, :, [1, 3]]),
        (T, Box(((0, 2), (0, 3), (1, 2)))), (T, Box(((0, 2), (0, 3), (3, 4)))),
    )  # fmt: skip
    assert found[1] == pytest.approx(1 / 3, rel=1e-12)
    test = Linear(claimed(T, 0))
    assert striped(test, test.along(ALONG, 0.0), T) is None


def test_lines_without_a_factor_in_common_are_a_part_without_one():
    """Each off by another; or what they claim cancels, or is 0."""
    claim = claimed(W, np.s_[[0, 2], :])
    claim[inside(W, 2)] *= 1.2
    zero = claimed(W, np.s_[[0, 2], :], 0.0)
    for wrong in (claim, zero):
        test: Any = Linear(wrong)
        found = striped(test, test.along(ALONG, 0.0), W)
        assert found is not None
        same(found[0], inside(W, np.s_[[0, 2], :]), *((W, Box(((k, k + 1), (0, 6)))) for k in (0, 2)))
        assert found[1] is None


def test_where_no_line_or_each_is_wrong_there_are_no_stripes(monkeypatch: pytest.MonkeyPatch):
    """Nor in a vector, nor among more lines than are measured."""
    test: Any = Linear(RIGHT)
    assert striped(test, test.along(ALONG, 0.0), W) is None
    test = Linear(claimed(W))
    assert striped(test, test.along(ALONG, 0.0), W) is None
    test = Linear(claimed(B, np.s_[1:3]))
    assert striped(test, test.along(ALONG, 0.0), B) is None
    test = Linear(claimed(W, np.s_[[0, 2], :]))
    first = test.along(ALONG, 0.0)
    monkeypatch.setattr(structured, "LINES", 4)
    assert striped(test, first, W) is not None
    monkeypatch.setattr(structured, "LINES", 3)
    assert striped(test, first, W) is None


@pytest.mark.parametrize(("more", "rows"), [(0.999, 1), (1.001, 2)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stripe_leaves_more_than_its_bars_and_the_smallest_mistake(more: float, rows: int, sign: float):
    """Three bars of 0.01 and 0.1 beside them."""
    claim = claimed(W, 0)
    claim[W.start + 12] += sign * more * 0.13 / ALONG[W.start + 12]
    test: Any = Linear(claim, bar=0.01)
    found = striped(test, test.along(ALONG, 0.02, least=0.1), W)
    assert found is not None
    assert len(found[0].boxes) == rows


@pytest.mark.parametrize(("more", "common"), [(0.999, True), (1.001, False)])
@pytest.mark.parametrize("bars", [(0.01, 0.0), (0.0, 0.01), (0.006, 0.01)])
def test_stripes_have_a_factor_within_their_bars(more: float, common: bool, bars: tuple[float, float]):
    """Rows of which as much is claimed: 3 (E + E0 / 2) from the factor of both."""
    tangent = np.sign(RIGHT)
    claim = claimed(W, np.s_[[0, 2], :])
    size = np.abs(claim[W.slice].reshape(4, 6)).sum(axis=1)
    assert size[0] == size[2]
    allowed = 3.0 * (bars[0] + bars[1] / 2.0)
    test: Any = Linear(claim, bar=bars[0])
    test.off[W.start] += more * allowed * np.sign(RIGHT[W.start])
    test.off[W.start + 12] -= more * allowed * np.sign(RIGHT[W.start + 12])
    found = striped(test, test.along(tangent, bars[1]), W)
    assert found is not None
    assert (found[1] is not None) is common
    assert found[1] is None or found[1] == pytest.approx(1 / 3, rel=1e-12)


@pytest.mark.parametrize("names", [("b", "W"), ("T", "W"), ("b", "T")])
@pytest.mark.parametrize("factor", [0.5, -1.0, 3.0])
def test_two_arrays_of_three_by_one_factor_are_told_by_a_residual_each(names: Any, factor: float):
    """After one with weights by array, which names none."""
    claim, blocks = RIGHT.copy(), [b for b in (B, T, W) if any(f'"{name}"' in b.name for name in names)]
    for block in blocks:
        claim[block.slice] *= factor
    linear = Linear(claim)
    (part, alpha), *others = linear.parts()
    assert [b.name for b, _ in part.boxes] == [b.name for b in blocks]
    assert all(box.size == block.size for block, box in part.boxes)
    assert alpha == pytest.approx(1.0 - 1.0 / factor, rel=1e-12)
    assert others == []
    assert len(linear.seen) == 1 + 3


@pytest.mark.parametrize("third", [1.0, -1.0])
def test_arrays_that_do_not_share_a_factor_have_their_own(third: float):
    """Each is a part, beside which the others hold other mistakes; a residual an array, and one for half of each."""
    factors = {B.name: (B, 0.5), T.name: (T, third), W.name: (W, 3.0)}
    claim = RIGHT.copy()
    for block, factor in factors.values():
        claim[block.slice] *= factor
    linear = Linear(claim)
    parts = linear.parts()
    off = [name for name, (_, factor) in factors.items() if factor != 1.0]
    assert [[b.name for b, _ in part.boxes] for part, _ in parts] == [[name] for name in off]
    for part, alpha in parts:
        ((block, box),) = part.boxes
        same(part, inside(block), (block, box))
        assert alpha == pytest.approx(1.0 - 1.0 / factors[block.name][1], rel=1e-12)
        assert [b.name for b, _ in part.others] == [name for name in off if name != block.name]
    assert len(linear.seen) == 1 + 3 + len(off)


def test_an_array_without_a_factor_is_none_of_those_that_have_their_own():
    """Nor one that is claimed to be 0."""
    claim = claimed(B, factor=0.5)
    claim[T.slice] *= np.resize([3.0, 1.0], 24)
    assert [[b.name for b, _ in part.boxes] for part, _ in Linear(claim).parts()] == [[B.name]]
    claim[T.slice] = 0.0
    assert [[b.name for b, _ in part.boxes] for part, _ in Linear(claim).parts()] == [[B.name]]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("factors", "inside", "others", "alpha"),
    [
        ((0.5, 3.0, 0.5), "bTW", "T", -1.0),  # everything by 1/2, and T six times as much besides
        ((2.0, 2.0, -2.0), "bTW", "W", 0.5),
        ((2.0, 2.0, 1.01), "bT", "W", 0.5),  # of W a half would leave a hundred times what there is
        ((2.0, 2.0, 0.0), "bT", "W", 0.5),
    ],
)
def test_a_factor_that_arrays_share_is_told_where_another_holds_something_else(
    factors: Any, inside: str, others: str, alpha: float, exact: bool
):
    """That one is off by it, too, unless it leaves far more there; one residual an array."""
    claim = RIGHT.copy()
    for block, factor in zip((B, T, W), factors, strict=True):
        claim[block.slice] *= factor
    linear = Linear(claim, exact=exact)
    ((part, told),) = linear.parts()
    assert told == pytest.approx(alpha, rel=1e-12)
    assert [b.name for b, _ in part.boxes] == [f'params["{name}"]' for name in inside]
    assert [b.name for b, _ in part.others] == [f'params["{name}"]' for name in others]
    assert part.inside.sum() == sum(box.size for _, box in part.boxes)
    assert len(linear.seen) == 1 + 3


def test_a_shared_factor_is_asked_for_where_more_than_a_few_entries_may_be_off(
    monkeypatch: pytest.MonkeyPatch,
):
    """A direction that shows less is one of single entries; and of more arrays each would cost too much."""
    claim = RIGHT.copy()
    for block in (B, T):
        claim[block.slice] *= 2.0
    claim[W.slice] = 0.0
    for weight, asked in ((0.0, True), (49.0, True), (51.0, False)):
        linear: Any = Linear(claim)
        first = linear.along(ALONG, 0.0)
        # A fiftieth of the root of the sum of squares.
        first = replace(first, weight=weight * first.off)
        assert bool(list(suspected_parts(linear, first, np.random.default_rng(0)))) is asked
        assert len(linear.seen) == (4 if asked else 1)
    monkeypatch.setattr(structured, "FEW_ARRAYS", 2)
    assert Linear(claim).parts() == []


@pytest.mark.parametrize(("bar", "told"), [(1e-4, True), (0.5, False)])
def test_a_factor_is_shared_by_no_chance(bar: float, told: bool):
    """Within wide bars any two are alike."""
    claim = RIGHT.copy()
    for block in (B, T):
        claim[block.slice] *= 2.0
    claim[W.slice] = 0.0
    boxes = [[b.name for b, _ in part.boxes] for part, _ in Linear(claim, bar=bar).parts()]
    assert ([B.name, T.name] in boxes) is told
