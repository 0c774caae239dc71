"""The search for wrong entries, with lines and judges by hand: the places of a ratio, and what is measured next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from gradcheck.joint import places
from gradcheck.joint.places import (
    Places,
    _ordered,
    _Part,
    _Search,
    find_places,
    in_random_order,
    told_by,
    weights_of,
)
from gradcheck.numerics.tangents import within


class Order:
    """Takes the entries in the order that they have, or in another; samples are the first ones."""

    def __init__(self, order: Any = None) -> None:
        self.order = order

    def shuffle(self, entries: Any) -> None:
        if self.order is not None:
            entries[:] = entries[self.order]

    def choice(self, entries: Any, count: int, *, replace: bool) -> Any:
        assert replace is False
        return entries[:count]


class Claim:
    """A linear f whose claim is off by `off` (m, n), measured with bars (m,); what is asked is noted.

    Entries are judged to be off by what they are, within `own`, but for those (row, column) that are called right.
    """

    def __init__(
        self, off: Any, bar: Any = 0.0, *, own: float = 0.0, exact: bool = False, right: Any = ()
    ) -> None:
        self.off, self.own, self.exact, self.right = np.asarray(off, float), own, exact, right
        m, n = self.off.shape
        self.bar = np.full(m, bar, float)
        self.asked: list[Any] = []
        self.judged: list[tuple[int, list[int]]] = []
        self.told: list[Any] = []  # what each entry that is judged is said to be off by
        self.nfev, self.remaining = 100, 40
        tolerance = SimpleNamespace(rtol=1e-6)
        self.problem = SimpleNamespace(x=np.zeros(n), objective=self, tolerance=tolerance)
        self.weight = np.ones(m)

    def again(self, tangent: Any, *, exact: bool, precise: bool) -> Any:
        assert (exact, precise) == (self.exact, False)
        self.asked.append(tangent.tolist())
        self.nfev += 2
        return SimpleNamespace(residual=self.off @ tangent, error=self.bar.copy())

    def judge(self, column: int, rows: Any, said: Any) -> Any:
        self.judged.append((column, rows.tolist()))
        self.told.append(None if said is None else said.tolist())
        off = self.off[rows, column].copy()
        off[[(row, column) in self.right for row in rows.tolist()]] = 0.0
        estimate = SimpleNamespace(value=np.full(rows.size, 3.0), error=np.full(rows.size, self.own))
        judgement = SimpleNamespace(wrong=off != 0)
        return SimpleNamespace(analytic=3.0 + off, estimate=estimate, judgement=judgement)

    def direction(self, tangent: Any, least: float = 0.0) -> Any:
        """The direction that found something; a mistake that counts leaves `least`."""
        tangent = np.asarray(tangent, float)
        return SimpleNamespace(
            tangent=tangent, exact=self.exact, residual=self.off @ tangent, error=self.bar,
            allowed=3.0 * self.bar + least, weight=self.weight,
        )  # fmt: skip

    def search(
        self, tangent: Any = None, *, rows: Any = None, least: float = 0.0, order: Any = None
    ) -> _Search:
        """A search along a tangent, by default of ones."""
        m, n = self.off.shape
        test: Any = self
        rng: Any = Order(order)
        along = self.direction(np.ones(n) if tangent is None else tangent, least)
        looked_at = np.ones(m, bool) if rows is None else np.array(rows)
        return _Search(test, along, looked_at, self.judge, _ordered(along, rng))

    def found(
        self, *, budget: int = 1000, around: Any = None, tangent: Any = None, least: float = 0.0
    ) -> Places:
        """What is found along a tangent, by default of ones."""
        m, n = self.off.shape
        test: Any = self
        rng: Any = Order()
        along = self.direction(np.ones(n) if tangent is None else tangent, least)
        return find_places(test, along, np.ones(m, bool), self.judge, around, rng, budget)


def one_row(n: int, **wrong: float) -> Any:
    """A row of n entries that is off by something at `at_k`."""
    off = np.zeros((1, n))
    for name, value in wrong.items():
        off[0, int(name.removeprefix("at_"))] = value
    return off


def part(
    start: int,
    stop: int,
    plain: Any,
    weighted: Any,
    plain_error: Any = 0.0,
    weighted_error: Any = 0.0,
    *,
    span: Any = None,
) -> _Part:
    """Places with their residuals, one for each row; weights grow along a span, by default these places."""
    plain = np.atleast_1d(np.asarray(plain, float))
    pairs = (plain, weighted), (plain_error, weighted_error)
    residual, error = ([np.broadcast_to(np.asarray(v, float), plain.shape) for v in pair] for pair in pairs)
    return _Part(start, stop, span or (start, stop), np.stack(residual), np.stack(error))


def same(found: _Part, expected: _Part) -> None:
    """That two parts are the same."""
    assert (found.start, found.stop, found.span) == (expected.start, expected.stop, expected.span)
    np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-14, atol=0)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-14, atol=0)


def test_weights_grow_in_equal_steps_from_a_half_to_three_halves():
    """Of four places in their middles, or of the four from the eighth on."""
    assert weights_of(np.arange(4), (0, 4)).tolist() == [0.625, 0.875, 1.125, 1.375]
    assert weights_of(9, (8, 12)) == 0.875
    assert weights_of(np.arange(8, 12), (8, 12)).tolist() == [0.625, 0.875, 1.125, 1.375]


@pytest.mark.parametrize("together", [2, 3, 100])
def test_a_part_is_measured_along_its_own_places(monkeypatch: pytest.MonkeyPatch, together: int):
    """Places 1 to 3 of four, of entries 4, 3, 1 and 0; entry 2 does not move. However many are worked on at once."""
    monkeypatch.setattr(places, "TOGETHER", together)
    claim = Claim([[1.0, 10.0, 100.0, 1000.0, 10000.0]], 0.25, exact=True)
    search = claim.search([2.0, -1.0, 0.0, 4.0, 8.0], order=[3, 2, 1, 0])
    assert search.order.tolist() == [4, 3, 1, 0]
    residual, error = search.measure(1, 4, weighted=False)
    assert (residual.tolist(), error.tolist()) == ([3992.0], [0.25])
    search.measure(1, 4, weighted=True)
    search.measure(2, 4, weighted=True)
    search.measure(1, 2, weighted=True)
    assert claim.asked == [
        [2.0, -1.0, 0.0, 4.0, 0.0],
        pytest.approx(
            [2.0 * 8 / 6, -1.0, 0.0, 4.0 * 4 / 6, 0.0]
        ),  # weights of 1/2 + 1/6, 1/2 + 3/6 and 1/2 + 5/6
        [2.5, -0.75, 0.0, 0.0, 0.0],  # of 1/2 + 1/4 and 1/2 + 3/4
        [0.0, 0.0, 0.0, 4.0, 0.0],
    ]


def test_what_is_known_is_taken_out_of_a_part():
    """Places 2 and 5 of 2 to 5, not 1 and 6: off times the tangent, and with the weights 0.8125 and 1.1875 of eight."""
    search = Claim(np.zeros((2, 8))).search([1.0, 1.0, -2.0, 1.0, 1.0, 4.0, 1.0, 1.0])
    for place in (1, 2, 5, 6):
        search.known[place] = np.array([16.0, 0.0]) * place, np.array([0.5, 0.25]) * place
    given = part(2, 6, [1000.0, 100.0], [2000.0, 200.0], [1.0, 2.0], [3.0, 4.0], span=(0, 8))
    before = given.residual.tolist(), given.error.tolist()
    # -2 * 32 + 4 * 80 = 256, with weights 1.1875 * 320 - 0.8125 * 64 = 328; of bars 2 * 1 + 4 * 2.5 = 12 and
    # 0.8125 * 2 + 1.1875 * 10 = 13.5; half of these in the second row.
    same(
        search.explained(2, 6, (0, 8)),
        part(2, 6, [256.0, 0.0], [328.0, 0.0], [12.0, 6.0], [13.5, 6.75], span=(0, 8)),
    )
    same(
        search.corrected(given),
        part(2, 6, [744.0, 100.0], [1672.0, 200.0], [13.0, 8.0], [16.5, 10.75], span=(0, 8)),
    )
    assert (given.residual.tolist(), given.error.tolist()) == before
    assert given.size == 4


def test_what_is_loud_is_beyond_bars_and_the_least_mistake():
    """The direction allowed 0.5 beside its bars: |r| > 3 E + 0.5, in the rows that are looked at; nan is not."""
    claim = Claim(np.zeros((6, 3)), 0.25)
    search = claim.search(rows=[True, True, True, False, True, True], least=0.5)
    assert search.least.tolist() == [0.5] * 6
    residual = np.array([3.5, -3.75, 3.75, 9.0, np.nan, 1.0])
    assert search.exceeds(residual, np.array([1.0, 1.0, 1.0, 1.0, 1.0, np.inf])).tolist() == [
        False, True, True, False, False, False,
    ]  # fmt: skip
    # An allowance below the bars leaves nothing to subtract.
    assert claim.search(least=-0.5).least.tolist() == [0.0] * 6


def test_an_entry_is_judged_by_itself_in_the_rows_that_are_looked_at():
    """Column 2 at place 0: off by 5 in the last row, within 0.25; what is no number explains nothing."""
    claim = Claim([[7.0, 0.0, 7.0], [0.0, 0.0, 0.0], [1.0, 0.0, 5.0]], own=0.25)
    search = claim.search(rows=[False, True, True], order=[2, 1, 0])
    assert search.look_at(0) is True
    assert search.look_at(1) is False
    assert claim.judged == [(2, [1, 2]), (1, [1, 2])]
    assert claim.told == [None, None]
    assert (search.found.wrong, search.found.right) == ([2], [1])
    off, error = search.known[0]
    assert (off.tolist(), error.tolist()) == ([0.0, 0.0, 5.0], [0.0, 0.25, 0.25])
    for value, bar in ((np.nan, 0.25), (1.0, np.inf)):
        odd = Claim([[value, 0.0]], own=bar)
        search = odd.search()
        assert search.look_at(0) is True
        assert [part.tolist() for part in search.known[0]] == [[0.0], [0.0]]


def test_a_judge_is_told_what_an_entry_is_off_by_if_nothing_else_is():
    """The residual over what the entry moves by, in the rows that are looked at: of place 0, entry 2, that is -4."""
    claim = Claim(np.zeros((3, 3)))
    search = claim.search([1.0, 2.0, -4.0], rows=[False, True, True], order=[2, 1, 0])
    search.look_at(0, np.array([9.0, 2.0, -8.0]))
    search.look_at(1, np.array([9.0, 2.0, -8.0]))
    assert claim.told == [[-0.5, 2.0], [1.0, -4.0]]


def test_of_many_others_most_of_a_sample_tell():
    """Two of three wrong ones are enough among more than a thousand; of a thousand the first right one ends it."""
    for others, dense, asked in ((1001, True, 3), (1000, False, 1)):
        off = np.ones((1, others + 1))
        off[0, 1] = 0.0
        claim = Claim(off)
        search = claim.search()
        search.look_at(0)
        claim.judged.clear()
        rng: Any = Order()
        assert search.samples_are_wrong(lambda _, n=others: np.arange(n + 1), rng) is dense
        assert len(claim.judged) == asked


@pytest.mark.parametrize(
    ("wrong", "known", "asked", "dense"),
    [
        ((0, 5), (0,), [], False),  # three of them together leave nothing: none is looked at
        ((0, 2, 3, 4), (0,), [2, 3, 4], True),
        ((0, 2, 4), (0,), [2, 3], False),  # the first that is right ends it
        ((0, 2, 3, 4, 5), (0, 5), [], False),  # three are left in the box: no sample
        ((0, 2, 3, 4, 5, 6), (0, 1, 4), [2, 3, 5], True),
    ],
)
def test_samples_around_what_is_wrong_tell_whether_the_mistake_fills_its_part(
    wrong: Any, known: Any, asked: Any, dense: bool
):
    """Three others in the box of what is wrong, less those that are known; in the order of their places."""
    off = np.zeros((1, 8))
    off[0, list(wrong)] = 1.0
    claim = Claim(off)
    search = claim.search()
    for place in known:
        search.look_at(place)
    claim.judged.clear()
    given: list[list[int]] = []
    rng: Any = Order()

    def around(columns: list[int]) -> Any:
        given.append(list(columns))
        return np.array([0, 2, 3, 4, 5]) if 6 not in wrong else np.arange(7)

    assert search.samples_are_wrong(around, rng) is dense
    assert [column for column, _ in claim.judged] == asked
    assert given == [[k for k in known if k in wrong]]


def test_samples_are_places_of_the_columns_around():
    """In reversed order the columns 0 to 3 of six are the places 2 to 5."""
    claim = Claim(np.ones((1, 6)))
    search, rng = claim.search(order=[5, 4, 3, 2, 1, 0]), Order()
    search.look_at(5)
    assert search.samples_are_wrong(lambda _: np.arange(5), cast("np.random.Generator", rng))
    assert [column for column, _ in claim.judged] == [0, 4, 3, 2]


# Of 16 places the fifth has the weight 1/2 + 5.5 / 16 = 27/32. A bar E of the weighted residual is 3 E / |plain| of a
# weight: of a plain one of 2 that is 24 E places. A bar of the plain one counts ratio times.
FIFTH = 27.0 / 32.0
PLACE = 1.0 / 24.0


@pytest.mark.parametrize(
    ("ends", "plain", "weighted", "bar", "error", "span"),
    [
        ((0, 16), 2.0, 2.0 * FIFTH, 0.0, 0.0, (5, 5)),
        ((0, 16), -2.0, -2.0 * FIFTH, 0.0, 0.0, (5, 5)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.0, 0.9 * PLACE, (5, 5)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.0, 1.1 * PLACE, (4, 6)),
        ((0, 16), -2.0, -2.0 * FIFTH, 0.0, 1.1 * PLACE, (4, 6)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.9 * PLACE / FIFTH, 0.0, (5, 5)),
        ((0, 16), 2.0, 2.0 * FIFTH, 1.1 * PLACE / FIFTH, 0.0, (4, 6)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.5 * PLACE / FIFTH, 0.4 * PLACE, (5, 5)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.5 * PLACE / FIFTH, 0.6 * PLACE, (4, 6)),
        ((0, 16), 2.0, 2.0 * FIFTH, 0.0, 24.0 * PLACE, (0, 15)),
        ((4, 6), 2.0, 2.0 * FIFTH, 0.0, 24.0 * PLACE, (4, 5)),
        ((0, 5), 2.0, 2.0 * FIFTH, 0.0, 0.0, None),
        ((6, 16), 2.0, 2.0 * FIFTH, 0.0, 0.0, None),
        # At 5.25, within 0.2, 0.3, 0.7 and 0.8.
        ((0, 16), 2.0, 2.0 * (FIFTH + 1 / 64), 0.0, 0.2 * PLACE, None),
        ((0, 16), 2.0, 2.0 * (FIFTH + 1 / 64), 0.0, 0.3 * PLACE, (5, 5)),
        ((0, 16), 2.0, 2.0 * (FIFTH + 1 / 64), 0.0, 0.7 * PLACE, (5, 5)),
        ((0, 16), 2.0, 2.0 * (FIFTH + 1 / 64), 0.0, 0.8 * PLACE, (5, 6)),
        # A ratio below all weights: nothing, unless bars reach so far: 3 * 27/32 * 2 / 2 = 81/32 of a weight.
        ((0, 16), 2.0, -2.0 * FIFTH, 0.0, 0.01, None),
        ((0, 16), 2.0, -2.0 * FIFTH, 2.0, 0.0, (0, 15)),
        ((0, 16), 0.0, 1.0, 0.0, 0.0, None),
        ((0, 16), np.inf, 1.0, 0.0, 0.0, None),
        ((0, 16), np.nan, 1.0, 0.0, 0.0, None),
        ((0, 16), 2.0, np.inf, 0.0, 0.0, None),
        ((0, 16), 1.0, 1.5e308, 1.0 / 3.0, 0.0, None),  # the upper end alone is too large for a number
        ((0, 16), 1.0, -1.5e308, 1.0 / 3.0, 0.0, None),  # and here the lower
    ],
)
def test_a_ratio_tells_a_place_to_as_many_bits_as_its_bars_allow(
    ends: Any, plain: float, weighted: float, bar: float, error: float, span: Any
):
    """The first and the last place of the part that it allows; and how many beside each other its bars take."""
    told, width = told_by(plain, bar, weighted, error, (0, 16), ends)
    assert ((told[0], told[-1]) if told else None) == span
    if told:
        assert width == pytest.approx(96.0 * (error + abs(weighted / plain) * bar) / 2.0)


def test_weights_that_are_stretched_tell_finer():
    """Over the four places from the fourth on the weight of the fifth is 1/2 + 1.5 / 4, and a bar counts a quarter."""
    told = [
        told_by(2.0, 0.0, weighted, bar * PLACE, (4, 8), (0, 16))[0]
        for weighted, bar in ((1.75, 3.9), (1.75, 4.1), (0.0, 24.0), (0.0, 9.0), (3.0, 3.0))
    ]
    # No place but the four: a ratio of 0 is at 1.5, within 6 or 9 / 4, and one of 3/2 at 7.5, within 3/4.
    assert [list(t) for t in told] == [[5], [4, 5, 6], [4, 5, 6, 7], [], [7]]


# Of 64 places with a mistake of 8 at the 37th a bar E of the weighted residual is 3 E / 8 * 64 = 24 E places.
AT_37 = 8.0 * (0.5 + 37.5 / 64.0)


def stretched(start: int, stop: int, n: int = 64) -> Any:
    """The tangent of ones with the weights of a span."""
    tangent = np.zeros(n)
    tangent[start:stop] = 0.5 + (np.arange(stop - start) + 0.5) / (stop - start)
    return tangent.tolist()


def test_a_vague_ratio_is_asked_again_with_weights_stretched_over_its_places():
    """A bar of 1/8 leaves places 34 to 40; over these seven it is 3 / 64 * 7 = 0.33 places, and only the 37th is in.

    It may be by chance: in itself 3 / 64 * 2 places are less than a quarter.
    """
    claim = Claim(one_row(64, at_37=8.0), 0.125)
    search = claim.search()
    assert search.suspects(part(0, 64, 8.0, AT_37, 0.0, 0.125), np.ones(1, bool)) == [37]
    assert claim.asked == [stretched(34, 41), stretched(37, 38)]
    # Where it is told at once nothing is measured: 48 times the bar are less than a quarter.
    assert search.suspects(part(0, 64, 8.0, AT_37, 0.0, 0.005), np.ones(1, bool)) == [37]
    assert len(claim.asked) == 2
    assert search.suspects(part(0, 64, 8.0, AT_37, 0.0, 0.0055), np.ones(1, bool)) == [37]
    assert len(claim.asked) == 3


def test_a_place_that_a_ratio_names_by_chance_holds_nothing():
    """Off at 30 and at 44, together they have the ratio of place 37 within half a place: it is asked, for nothing."""
    claim = Claim(one_row(64, at_30=4.0, at_44=4.0), 0.01)
    assert claim.search().suspects(part(0, 64, 8.0, AT_37, 0.0, 0.01), np.ones(1, bool)) == []
    assert claim.asked == [stretched(37, 38)]


def test_places_before_a_half_are_asked_for_and_others_are_not():
    """Around 31.5, where the weight is 1: 15.6 places to each side are 32 of 64, and 15.4 are 30."""
    for width, asked in ((15.6, []), (15.4, [stretched(17, 47)])):
        claim = Claim(one_row(64, at_37=8.0))
        claim.search().suspects(part(0, 64, 8.0, 8.0, 0.0, width / 24.0), np.ones(1, bool))
        assert claim.asked == asked


def test_what_is_known_is_taken_out_of_what_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    """Entries 34 and 40 at the ends of the span are known, those beside it are not moved.

    Their weights are 1/2 + 1/14 and 1/2 + 13/14, and the tangent of the 40th is -2: 8 - 4 * 8/14 + 4 * 2 * 20/14 was
    measured, 8 is left. The bar grows by 0.25 * 8/14 + 0.25 * 2 * 20/14 = 12/14 from 1/8.
    """
    off = one_row(64, at_37=8.0, at_34=-4.0, at_40=-4.0, at_33=16.0, at_41=16.0)
    claim = Claim(off, 0.125, own=0.25)
    tangent = np.ones(64)
    tangent[40] = -2.0
    search = claim.search(tangent)
    for place in (33, 34, 40, 41):
        search.look_at(place)
    asked: list[Any] = []

    def noted(plain: float, bar: float, weighted: float, error: float, span: Any, inside: Any) -> Any:
        assert (plain, bar, inside) == (8.0, 0.0, (0, 64))
        asked.append((float(weighted), float(error), *span))
        return told_by(plain, bar, weighted, error, span, inside)

    monkeypatch.setattr(places, "told_by", noted)
    search.suspects(part(0, 64, 8.0, AT_37, 0.0, 0.125), np.ones(1, bool))
    # That leaves 2.58 places to each side, 35 to 39, and beside these nothing is moved that is known; then one is left.
    told = 0.125 + 12.0 / 14.0
    assert asked == [
        (AT_37, 0.125, 0, 64),
        pytest.approx((8.0, told, 34, 41)),
        (8.0, 0.125, 35, 40),
        (8.0, 0.125, 37, 38),
    ]


def test_rows_that_tell_at_once_keep_their_places():
    """The first row names place 10, the second one after another look 37; together 20 to 40 are asked of two."""
    off = np.vstack([one_row(64, at_10=8.0), one_row(64, at_37=8.0), one_row(64, at_23=8.0)])
    weights = np.array([10.5, 37.5, 23.5]) / 64.0 + 0.5
    claim = Claim(off, 0.01)
    search, exceeding = claim.search(), np.ones(3, bool)
    given = part(0, 64, 8.0 * np.ones(3), 8.0 * weights, 0.0, [0.005, 0.125, 0.125])
    assert search.suspects(given, exceeding) == [10, 23, 37]
    assert claim.asked == [stretched(20, 41)]
    # A row that does not exceed its bar is not asked, nor one whose plain residual is not.
    assert search.suspects(given, np.array([True, False, False])) == [10]
    small = part(0, 64, [8.0, 8.0, 8.0], 8.0 * weights, [0.0, 3.0, 3.0], [0.005, 0.005, 0.005])
    assert search.suspects(small, exceeding) == [10]
    assert len(claim.asked) == 1
    # Two that name one place name it once; one of them has no place at all.
    twice = part(0, 64, [8.0, -4.0, 8.0], [8.0 * weights[0], -4.0 * weights[0], 100.0])
    assert search.suspects(twice, exceeding) == [10]


def test_a_row_that_another_look_does_not_tell_finer_keeps_its_place():
    """Rows name 10 within a quarter of a place and 37 within three: over 10 to 40 the first is told no finer."""
    off = np.vstack([one_row(64, at_10=8.0), one_row(64, at_37=8.0)])
    weights = np.array([10.5, 37.5]) / 64.0 + 0.5
    claim = Claim(off, [0.03, 0.001])
    given = part(0, 64, 8.0 * np.ones(2), 8.0 * weights, 0.0, [0.01, 0.125])
    assert claim.search().suspects(given, np.ones(2, bool)) == [10, 37]
    assert claim.asked[0] == stretched(10, 41)


def test_what_another_look_does_not_tell_better_is_left():
    """A bar of 1.25 leaves 3 * 1.25 / 8 * 7 = 3.28 places to each side: 34 to 40 as before; one of 8 leaves all."""
    for bar in (1.25, 8.0):
        claim = Claim(one_row(64, at_37=8.0), bar)
        assert claim.search().suspects(part(0, 64, 8.0, AT_37, 0.0, 0.125), np.ones(1, bool)) == []
        assert len(claim.asked) == 1
    # 4.5 / 8 is that of place 33.9, where none is.
    claim = Claim(one_row(64, at_37=4.5))
    assert claim.search().suspects(part(0, 64, 8.0, AT_37, 0.0, 0.125), np.ones(1, bool)) == []
    assert len(claim.asked) == 1


def test_weights_are_stretched_four_times_at_the_most():
    """A bar of 1/2 is 3/16 of all places to each side: 12 of 64, and ever again some more than 3/8 of what was left."""
    claim = Claim(one_row(64, at_37=8.0), 0.5)
    assert claim.search().suspects(part(0, 64, 8.0, AT_37, 0.0, 0.5), np.ones(1, bool)) == [37]
    # 25 to 49; 4.69 of these 25: 33 to 41; 1.69 of these 9: 36 to 38; 0.56 of these 3: 37, and 0.19 of itself.
    assert claim.asked == [stretched(25, 50), stretched(33, 42), stretched(36, 39), stretched(37, 38)]
    # 2/3 as much again: 17 to 57; 12.8 of these 41: 25 to 49; 7.8 of 25: 30 to 44; 4.7 of 15: 33 to 41.
    claim = Claim(one_row(128, at_37=8.0), 5.0 / 6.0)
    weighted = 8.0 * (0.5 + 37.5 / 128.0)
    assert claim.search().suspects(part(0, 128, 8.0, weighted, 0.0, 5.0 / 12.0), np.ones(1, bool)) == []
    assert claim.asked == [
        stretched(start, stop, 128) for start, stop in ((17, 58), (25, 50), (30, 45), (33, 42))
    ]


def test_two_places_are_named_and_three_are_not():
    """Of four, of which two are too many to ask again: 1.5 within 0.6 are two, within 1.6 all, 1 within 1.1 three."""
    for center, width, expected in ((1.5, 0.6, [1, 2]), (1.5, 1.6, []), (1.0, 1.1, []), (1.0, 0.9, [1])):
        search = Claim(one_row(4, at_1=8.0)).search()
        weighted = 8.0 * (0.5 + (center + 0.5) / 4.0)
        given = part(0, 4, 8.0, weighted, 0.0, 8.0 * width / 12.0)
        assert search.suspects(given, np.ones(1, bool)) == expected


def test_of_many_rows_fifty_are_asked():
    """The 51st names place 0, where nobody looks."""
    rows, at = np.arange(51), np.append(np.arange(1, 51), 0)
    claim = Claim(np.zeros((51, 64)))
    given = part(0, 64, 8.0 * np.ones(51), 8.0 * (0.5 + (at + 0.5) / 64.0))
    assert claim.search().suspects(given, rows >= 0) == list(range(1, 51))


# Halves of the places 4 to 11 of 16, whose weights are 1/2 + 4.5/16, .. , 1/2 + 11.5/16; a tangent of twos.
ALL = (0, 16)


@pytest.mark.parametrize("known", [(), (6,), (9,)])
def test_both_halves_are_kept_where_both_are_loud(known: Any):
    """Off by 1 at 5 and 9 and by 4 at 6: the first is measured, the second is what it leaves; the first comes last.

    What is known is taken out to see what exceeds its bar, and stays in the rest but where it explains a silent half.
    """
    off = one_row(16, at_5=1.0, at_6=4.0, at_9=1.0)
    claim = Claim(off, 0.25)
    search = claim.search(np.full(16, 2.0))
    for place in known:
        search.look_at(place)
    at = 0.5 + (np.arange(16) + 0.5) / 16.0
    whole = 2.0 * (at[5] + 4.0 * at[6] + at[9])
    found = search.halves(part(4, 12, 12.0, whole, 0.125, 0.0625, span=ALL))
    moved = np.zeros(16)
    moved[4:8] = 2.0
    # Along these four places the weights are 5/8, 7/8, 9/8 and 11/8.
    first = part(4, 8, 10.0, 2.0 * (0.875 + 4.0 * 1.125), 0.25, 0.25)
    # A bar of the rest is that of the whole and that of the first: the weights of all are 5/8 and a quarter of these.
    second = part(8, 12, 2.0, 2.0 * at[9], 0.375, 0.0625 + 0.625 * 0.25 + 0.25 * 0.25, span=ALL)
    if known == (9,):
        assert claim.asked == [moved.tolist()]
        # A half that is silent adds three halves of its bar to the weighted one.
        (only,) = found
        same(only, part(4, 8, 10.0, whole - 2.0 * at[9], 0.25, 0.0625 + 1.5 * 0.375, span=ALL))
        return
    assert claim.asked == [moved.tolist(), (2.0 * np.array(stretched(4, 8, 16))).tolist()]
    same(found[0], second)
    same(found[1], first)
    assert len(found) == 2


def test_one_half_is_kept_where_the_other_is_silent():
    """Off by 1 at 9 alone: the second half; by 1 at 5: the first. One measurement, and three halves of its bar."""
    claim = Claim(one_row(16, at_9=1.0), 0.25)
    (only,) = claim.search(np.full(16, 2.0)).halves(part(4, 12, 2.0, 7.0, 0.125, 0.0625, span=ALL))
    same(only, part(8, 12, 2.0, 7.0, 0.375, 0.0625 + 1.5 * 0.25, span=ALL))
    assert len(claim.asked) == 1
    claim = Claim(one_row(16, at_5=1.0), 0.25)
    (only,) = claim.search(np.full(16, 2.0)).halves(part(4, 12, 2.0, 7.0, 0.125, 0.0625, span=ALL))
    same(only, part(4, 8, 2.0, 7.0, 0.25, 0.0625 + 1.5 * 0.375, span=ALL))
    assert len(claim.asked) == 1


def test_what_is_known_of_a_silent_half_is_taken_out_of_what_is_left():
    """Off by 4 at 6, or at 9, within 1/16: 8 w and 1/8 w of the weighted residual, w = 29/32 or 35/32."""
    for known, other, start in ((6, 9, 8), (9, 6, 4)):
        claim = Claim(one_row(16, **{f"at_{known}": 4.0, f"at_{other}": 1.0}), 0.25, own=0.0625)
        search = claim.search(np.full(16, 2.0))
        search.look_at(known)
        weight = 0.5 + (known + 0.5) / 16.0
        silent = 0.25 if start == 8 else 0.375
        (only,) = search.halves(part(4, 12, 10.0, 7.0, 0.125, 0.0625, span=ALL))
        same(
            only,
            part(
                start, start + 4, 2.0, 7.0 - 8.0 * weight, 0.375 if start == 8 else 0.25,
                0.0625 + 0.125 * weight + 1.5 * silent, span=ALL,
            ),
        )  # fmt: skip


@pytest.mark.parametrize(("left", "right", "starts"), [(3.4, 3.6, [8, 4]), (3.3, 3.6, [8]), (3.4, 3.5, [4])])
def test_the_bars_of_what_is_known_count_in_the_half_that_holds_it(
    left: float, right: float, starts: list[int]
):
    """Known within 1 at 5 and at 9, twice that along the tangent, and off at 6 and at 10.

    3 * (1/4 + 2) is between twice 3.3 and 3.4, and 3 * (1/8 + 1/4 + 2) between twice 3.5 and 3.6.
    """
    claim = Claim(one_row(16, at_5=1.0, at_6=left, at_9=1.0, at_10=right), 0.25, own=1.0)
    search = claim.search(np.full(16, 2.0))
    search.look_at(5)
    search.look_at(9)
    found = search.halves(part(4, 12, 2.0 * (2.0 + left + right), 1.0, 0.125, 0.0625))
    assert [half.start for half in found] == starts


# The whole search.


def weighted(n: int) -> Any:
    """All weights of n places."""
    return (0.5 + (np.arange(n) + 0.5) / n).tolist()


def test_one_wrong_entry_is_named_by_two_measurements_and_one_look():
    """Along ones that was measured, along the weights, and the entry by itself."""
    claim = Claim(one_row(32, at_21=1.0), 1e-6, own=1e-6)
    found = claim.found()
    assert claim.asked == [weighted(32)]
    assert (claim.judged, claim.told) == ([(21, [0])], [[1.0]])
    assert (found.wrong, found.right, found.spent, found.dense) == ([21], [], False, False)
    assert found.unexplained.tolist() == [False]


def test_where_nothing_is_loud_nothing_is_looked_at():
    """A residual of 1, of which 1 is no mistake that counts."""
    claim = Claim(one_row(32, at_21=1.0), 1e-6)
    found = claim.found(least=2.0)
    assert (found.wrong, found.right, claim.judged, found.unexplained.tolist()) == ([], [], [], [False])
    assert claim.asked == [weighted(32)]


@pytest.mark.parametrize(("size", "wrong"), [(4.6, [4]), (4.4, [])])
def test_a_mistake_and_its_opposite_show_in_the_weighted_residual(size: float, wrong: list[int]):
    """At 4 and 27 of 32, whose weights are 23/32 apart: beyond 3 * 1.5 bars.

    The other half is what the first leaves, and is drowned in the bars of both.
    """
    off = 1e-3 * size * 32 / 23
    claim = Claim(one_row(32, at_4=off, at_27=-off), 1e-3)
    found = claim.found()
    assert found.wrong == wrong
    assert (len(claim.asked) > 1) is bool(wrong)


def test_two_wrong_entries_in_one_row_are_told_apart_by_halves():
    """At 4 and 27, three times as large: together they have the ratio of place 21.25, where none is.

    Halves: the first, along ones and along the weights, with one mistake each, the first one first.
    """
    claim = Claim(one_row(32, at_4=1.0, at_27=3.0), 1e-6)
    found = claim.found()
    half = np.zeros(32)
    half[:16] = 1.0
    assert claim.asked == [weighted(32), half.tolist(), stretched(0, 16, 32)]
    assert (found.wrong, found.right) == ([4, 27], [])
    assert (claim.judged, claim.told) == ([(4, [0]), (27, [0])], [[1.0], [3.0]])


def test_a_half_that_holds_all_is_not_asked_for_the_place_that_the_whole_did_not_name():
    """At 3 and 12 of 64: the ratio is that of place 7.5, and a bar of 0.01 leaves four of them, which are asked once.

    The second half holds nothing, nor do the third and fourth eighth; in the first quarter both are loud.
    """
    claim = Claim(one_row(64, at_3=1.0, at_12=1.0), 0.01)
    found = claim.found()

    def plain(start: int, stop: int) -> list[float]:
        return within(np.ones(64), slice(start, stop)).tolist()

    assert claim.asked[:2] == [weighted(64), stretched(6, 10)]
    assert claim.asked[2:5] == [plain(0, 32), plain(0, 16), plain(0, 8)]
    assert claim.asked[5] == stretched(0, 8)
    assert (found.wrong, found.right) == ([3, 12], [])


def test_what_was_found_in_one_half_explains_nothing_in_the_other():
    """The first row names 3 at once; of the second, off at 40 and 50, halves are taken. Nothing is left unexplained."""
    claim = Claim(np.vstack([one_row(64, at_3=1.0), one_row(64, at_40=1.0, at_50=3.0)]), 1e-6)
    found = claim.found()
    assert (found.wrong, found.right) == ([3, 40, 50], [])
    assert found.unexplained.tolist() == [False, False]


def test_what_no_entry_explains_is_said_of_its_rows():
    """Entries that exceed their bars along directions and right by themselves: two rows, in different places."""
    off = np.vstack([one_row(16, at_3=1.0), one_row(16, at_12=1.0), np.zeros((1, 16))])
    claim = Claim(off, 1e-6, right=[(0, 3), (1, 12)])
    found = claim.found()
    assert (found.wrong, sorted(found.right)) == ([], [3, 12])
    assert found.unexplained.tolist() == [True, True, False]
    assert not found.spent


@pytest.mark.parametrize(
    ("budget", "remaining", "spent"), [(1, 40, True), (2, 40, False), (2, 39, True), (1000, 40, False)]
)
def test_a_search_ends_with_its_budget(budget: int, remaining: int, spent: bool):
    """Two evaluations were made, of so many; or less than forty remain of all: what exceeds it is not explained."""
    claim = Claim(np.vstack([one_row(32, at_21=1.0), np.zeros((1, 32))]), 1e-6)
    claim.remaining = remaining
    found = claim.found(budget=budget)
    assert found.spent is spent
    assert found.wrong == ([] if spent else [21])
    assert found.unexplained.tolist() == [spent, False]


def test_parts_are_halved_down_to_single_places():
    """At 6 and 7 of eight one mistake and its opposite: no ratio is told until each is by itself."""
    claim = Claim(one_row(8, at_6=1.0, at_7=-1.0), 1e-6)
    found = claim.found()
    assert (found.wrong, found.right, found.unexplained.tolist()) == ([6, 7], [], [False])


def test_a_single_place_is_looked_at_whatever_its_ratio_says():
    """Off by 2 where the direction saw 1: a ratio of 2 is no weight of the one place there is, and 1 is left over."""
    claim = Claim([[2.0]], 1e-6)
    along = claim.direction([1.0])
    along.residual = np.ones(1)
    vars(claim)["direction"] = lambda *_: along
    found = claim.found()
    assert claim.judged == [(0, [0])]
    assert (found.wrong, found.unexplained.tolist()) == ([0], [True])


def test_an_entry_that_was_looked_at_is_not_looked_at_again():
    """Wrong by 1, of which its own difference shows one half: the rest exceeds its bar down to the entry."""
    claim = Claim(one_row(8, at_5=1.0), 1e-6)
    judge = claim.judge

    def half(column: int, rows: Any, said: Any) -> Any:
        judged = judge(column, rows, said)
        judged.analytic = 3.0 + 0.5 * (judged.analytic - 3.0)
        return judged

    vars(claim)["judge"] = half
    found = claim.found()
    assert claim.judged == [(5, [0])]
    assert (found.wrong, found.right, found.unexplained.tolist()) == ([5], [], [True])


def rows_with(count: int, n: int = 64, *, pair: bool = True) -> Any:
    """Rows that are wrong in one entry each, at 0, 1, ..; and one with a mistake at 40 and its opposite at 20."""
    off = np.zeros((count + pair, n))
    off[np.arange(count), np.arange(count)] = 1.0
    if pair:
        off[count, 40], off[count, 20] = 1.0, -1.0
    return off


@pytest.mark.parametrize(("count", "samples"), [(6, 0), (8, 1), (16, 2)])
def test_where_many_are_wrong_others_around_them_are_sampled(count: int, samples: int):
    """After eight, and when they have doubled; not after six and the pair, with which the search ends.

    Three together leave nothing, and none of them is looked at. The rows name their entries together; the pair takes
    halves, before each of which wrong entries are counted.
    """
    claim = Claim(rows_with(count), 1e-6)
    found = claim.found(around=lambda columns: np.arange(50, 60))
    assert sorted(found.wrong) == [*range(count), 20, 40]
    three = np.isin(np.arange(64), [50, 51, 52]).astype(float).tolist()
    assert (claim.asked.count(three), found.right) == (samples, [])
    assert (found.dense, found.spent) == (False, False)


@pytest.mark.parametrize(("every", "crowded"), [(2, True), (12, False)])
def test_a_search_ends_where_judging_each_entry_costs_less(every: int, crowded: bool):
    """Every second is off by a part of its own: what was looked through at random by then says so.

    Of each twelfth all are named.
    """
    off = np.zeros((1, 240))
    off[0, ::every] = np.random.default_rng(0).uniform(1.0, 2.0, 240 // every)
    claim = Claim(off, 1e-9)
    judge = claim.judge

    def four_points(*given: Any) -> Any:
        claim.nfev += 4
        return judge(*given)

    vars(claim)["judge"] = four_points
    # Those around are sampled, and right.
    found = claim.found(around=lambda columns: np.flatnonzero(off[0] == 0)[:20])
    assert (found.spent, found.dense, found.looked.size > 0) == (crowded, False, crowded)
    if crowded:
        assert 8 <= len(found.wrong) < 240 / every / 2
        assert set(found.wrong) <= set(range(0, 240, every))
        # Whatever was looked through is known, right or wrong.
        bad = np.isin(found.looked, found.wrong)
        assert (off[0, found.looked] != 0).tolist() == bad.tolist()
        assert bad.sum() >= 4
    else:
        assert sorted(found.wrong) == list(range(0, 240, every))


def test_where_samples_are_wrong_too_the_search_ends():
    """The mistake fills its part: the first row is off in four others, which neither sum nor weights show."""
    off = rows_with(8)
    off[0, 50:54] = 1.0, -1.0, -1.0, 1.0
    claim = Claim(off, 1e-6)
    found = claim.found(around=lambda columns: np.arange(50, 54))
    assert found.wrong == [*range(8), 50, 51, 52]
    assert (found.right, found.dense, found.spent) == ([], True, True)


@pytest.mark.parametrize(
    ("bar", "least", "at", "nothing"),
    [
        (0.033, 0.0, [9, 10, 11], True),
        (0.034, 0.0, [9, 10, 11], False),  # 3 E is more than a tenth of what the fifth leaves
        (0.02, 0.03, [9, 10, 11], True),
        (0.02, 0.05, [9, 10, 11], False),
        (0.001, 0.0, [7, 9, 10], False),
        (0.001, 0.0, [6, 7, 10], True),  # two that cancel
    ],
)
def test_several_hold_nothing_where_the_least_that_is_wrong_would_show(
    bar: float, least: float, at: Any, nothing: bool
):
    """Off by 2 and by 1/2, twice that along the tangent; the first row is that, the second is not looked at."""
    off = np.vstack([one_row(16, at_3=2.0, at_5=-0.5, at_6=-0.25, at_7=0.25), np.ones((1, 16))])
    claim = Claim(off, bar)
    search = claim.search(np.full(16, 2.0), rows=[True, False], least=least)
    for place in (3, 5, 4):
        search.look_at(place)
    assert search.hold_nothing(np.array(at)) is nothing
    assert claim.asked == [(2.0 * np.isin(np.arange(16), at)).tolist()]


def test_twelve_times_entries_are_judged_before_a_part_is_halved(monkeypatch: pytest.MonkeyPatch):
    """One row is asked at a time: the twelfth wrong entry is the last before another measurement, of the first half."""
    monkeypatch.setattr(places, "ASKED", 1)
    for count, asked in ((11, 1), (12, 2)):
        claim = Claim(rows_with(count, pair=False), 1e-6)
        found = claim.found(around=lambda columns: np.arange(0))
        assert found.wrong == list(range(count))
        assert len(claim.asked) == asked


def test_a_search_of_nothing_found_nothing():
    """What there is before it begins."""
    assert (Places().wrong, Places().right, Places().spent, Places().dense) == ([], [], False, False)
    assert (Places().unexplained.tolist(), Places().unexplained.dtype) == ([], np.dtype(bool))


def test_a_search_may_begin_with_what_was_asked_already():
    """Its coordinates in random order, those that move, and the same direction with weights by their places."""
    claim = Claim(one_row(6, at_4=1.0))
    tangent = np.array([1.0, 0.0, 1.0, 2.0, 2.0, 1.0])
    along = claim.direction(tangent)
    test: Any = claim
    rng: Any = Order([4, 0, 2, 1, 3])
    order, seen = in_random_order(test, along, rng)
    assert order.tolist() == [5, 0, 3, 2, 4]
    assert order.dtype == np.int32
    weighted = [0.8 * 1.0, 0.0, 1.2 * 1.0, 1.0 * 2.0, 1.4 * 2.0, 0.6 * 1.0]
    assert claim.asked == [pytest.approx(weighted, rel=1e-12)]
    assert seen.residual == pytest.approx(2.8)
    around: Any = None
    other: Any = Order([0, 1, 2, 3, 4])
    found = find_places(test, along, np.ones(1, bool), claim.judge, around, other, 1000, begun=(order, seen))
    assert (found.wrong, [column for column, _ in claim.judged]) == ([4], [4])
    # Nothing was asked twice.
    assert len(claim.asked) == 1


def test_a_row_that_is_claimed_0_has_the_size_of_what_is_found_in_it():
    """Half of rtol of the largest so far is nothing; of a row that has a size it is what that says."""
    for weight, least in ((0.0, 2e-6), (1.0, 0.0)):
        f = Claim(one_row(4, at_1=4.0, at_2=-1.0))
        f.weight[:] = weight
        search = f.search()
        for place in range(4):
            search.look_at(place)
        np.testing.assert_allclose(search.least, least, rtol=1e-12)
