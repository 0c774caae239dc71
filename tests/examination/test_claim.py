"""A gradient under examination: what is judged stays still and is kept, and what is known of each array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck.examination.claim import Claim
from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.stencils import STENCIL
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region, shares_of
from gradcheck.results.estimate import unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance

PARAMETERS, X = Parameters.of({"W": np.linspace(1.0, 2.0, 12).reshape(3, 4), "b": np.linspace(1.0, 2.0, 5)})
W, B = PARAMETERS.blocks
N = X.size
SCALES = np.full(N, 2.0)


def claim_of(*wrong: int, still: Any = (), unit: float = 1.0, room: Any = None, f: Any = None) -> Claim:
    """A claim about the sum of all squares, some entries of which are twice as large; in units of `unit`."""
    claimed = 2.0 * X
    claimed[list(wrong)] *= 2.0
    objective = Objective(f or (lambda x: float(np.sum(x["W"] ** 2) + np.sum(x["b"] ** 2))), PARAMETERS)
    f_x, tolerance = np.atleast_1d(objective.value(X)), Tolerance(1e-6)
    problem = Problem(objective, X, f_x, SCALES, tolerance, room, 2.0**-52, matrix=Dense(claimed[None, :]))
    setting = Setting(
        objective,
        X,
        f_x,
        SCALES,
        tolerance,
        room,
        level=1e-15,
        relative_step=1e-3,
        gradient_scale=np.full(2, 3.0),
    )
    still = np.isin(np.arange(N), still)
    return Claim(problem.in_units(unit), np.random.default_rng(0), still, setting, exact=False)


def judged(*entries: int, off: float = 0.0, bar: float = 0.0, allowed: float = 1.0, **masks: Any) -> Any:
    """Some entries that are claimed to be 1, off by so much, with a bar E; verified but where another mask holds."""
    k = len(entries)
    estimate = replace(
        unmeasured(k, np.dtype(float)),
        value=np.full(k, 1.0 - off), error=np.full(k, bar), limit=np.full(k, Limit.TRUNCATION, object),
    )  # fmt: skip
    wrong = np.isin(entries, masks.get("wrong", ()))
    open_ = np.isin(entries, masks.get("undecided", ()))
    no = np.zeros(k, bool)
    judgement = Judgement(wrong, ~(wrong | open_), no, np.full(k, allowed), np.ones(k))
    template = claim_of().judge(np.array([0]))
    return replace(
        template,
        coordinates=np.array(entries, np.intp),
        analytic=np.ones(k),
        estimate=estimate,
        judgement=judgement,
    )


def test_of_a_new_claim_nothing_is_known():
    """And f may be asked for complex numbers."""
    of = claim_of()
    claim = Claim(of.problem, of.rng, of.still)
    assert (claim.setting, claim.judged, claim.regions, claim.factors, claim.exact) == (
        None,
        [],
        [],
        {},
        True,
    )


def test_any_number_of_tests_take_no_more_than_the_chance_of_a_claim():
    """Half of it is that of the first; a claim that has none takes none."""
    claim = replace(claim_of(), shares=shares_of(0.1))
    shares = [next(claim.shares) for _ in range(50)]
    assert shares[:4] == pytest.approx([0.05, 0.025, 0.1 / 12.0, 0.1 / 24.0], rel=1e-12)
    assert 0.0989 < sum(shares) <= 0.1
    with pytest.raises(StopIteration):
        next(claim_of().shares)


def test_what_is_judged_is_kept_in_order_and_stays_still():
    """Two entries, of which one is wrong; a later look is kept beside it."""
    claim = claim_of(7)
    found = claim.judge(np.array([7, 2]))
    assert found.coordinates.tolist() == [2, 7]
    assert found.wrong.tolist() == [7]
    assert found.analytic.tolist() == [2.0 * X[2], 4.0 * X[7]]
    assert found.estimate.value == pytest.approx(2.0 * X[[2, 7]], rel=1e-9)
    again = claim.judge(np.array([4]))
    assert [part is mine for part, mine in zip(claim.judged, (found, again), strict=True)] == [True, True]
    assert np.flatnonzero(claim.still).tolist() == [2, 4, 7]


def test_entries_that_were_found_right_are_known():
    """Of those that are asked for; neither wrong ones, nor open ones, nor others."""
    claim = claim_of(7)
    assert claim.found_right(np.array([2, 7])).tolist() == [False, False]
    claim.judge(np.array([7, 2]))
    claim.judged.append(judged(4, 5, undecided=[5]))
    assert claim.found_right(np.array([7, 5, 4, 3, 2])).tolist() == [False, False, True, False, True]


def test_entries_are_judged_in_the_units_of_f():
    """A claim in units of 2 is twice as much of f itself: right ones are right."""
    claim = claim_of(3, unit=2.0)
    assert claim.analytic[5] == X[5]
    assert claim.judge(np.array([3, 5])).wrong.tolist() == [3]
    assert claim.judged[0].analytic.tolist() == [4.0 * X[3], 2.0 * X[5]]


@pytest.mark.parametrize("exact", [False, True])
def test_entries_are_judged_by_the_complex_step_where_f_may_be_asked_for_it(exact: bool):
    """And by real numbers alone where not."""
    asked: list[bool] = []

    def f(x: Any) -> Any:
        asked.append(bool(np.iscomplexobj(x["W"])))
        return np.sum(x["W"] ** 2) + np.sum(x["b"] ** 2)

    claim = claim_of(3, f=f)
    claim.exact = exact
    asked.clear()
    assert claim.judge(np.array([3, 5])).wrong.tolist() == [3]
    assert any(asked) is exact


def test_an_interruption_of_one_look_is_one_of_all():
    """What was found until then is kept: here where f refuses the complex step, and differences take its place."""
    calls: list[int] = []

    def f(x: Any) -> float:
        if np.iscomplexobj(x["W"]):
            raise TypeError("real numbers only")
        calls.append(1)
        if len(calls) > 3:  # f(x), and two real points that are to bear out the complex step
            raise KeyboardInterrupt
        return float(np.sum(x["W"] ** 2))

    claim = claim_of(f=f)
    claim.exact = True
    with pytest.raises(KeyboardInterrupt):
        claim.judge(np.array([1]))
    assert [part.interrupted for part in claim.judged] == [True]
    assert claim.still[1]


@pytest.mark.parametrize("unit", [1.0, 2.0])
@pytest.mark.parametrize(
    ("off", "clear"),
    # What a direction says may differ by a tenth of itself from what is measured, which is 1 and 3 times 2e-6.
    [
        ([1.0, 3.0], True), ([0.92, 3.0], True), ([1.1, 3.0], True), ([1.0, 3.3], True),
        (None, False), ([0.9, 3.0], False), ([1.12, 3.0], False), ([1.0, 3.4], False), ([3.0, 1.0], False),
        ([0.0, 3.0], False), ([-1.0, 3.0], False),
    ],
)  # fmt: skip
def test_entries_that_are_slightly_off_as_a_direction_says_need_no_second_look(
    unit: float, off: Any, clear: bool
):
    """They are wrong either way, by two and six of what is allowed. Told are they in order, in units of f."""
    x = np.where(np.isin(np.arange(N), [4, 5]), 0.0, X)
    objective = Objective(lambda x: float(np.sum(x["W"]) + np.sum(x["b"])), PARAMETERS)
    f_x, tolerance = np.atleast_1d(objective.value(x)), Tolerance(1e-6)
    claimed = np.ones(N)
    claimed[[4, 5]] += 2e-6, 6e-6
    problem = Problem(objective, x, f_x, SCALES, tolerance, None, 2.0**-52, matrix=Dense(claimed[None, :]))
    setting = Setting(
        objective, x, f_x, SCALES, tolerance, None, level=1e-15, relative_step=1e-3, gradient_scale=np.ones(2)
    )
    claim = Claim(problem.in_units(unit), np.random.default_rng(0), np.zeros(N, bool), setting, exact=False)
    before = objective.nfev
    found = claim.judge(np.array([5, 4]), None if off is None else 2e-6 * np.array(off) / unit)
    assert found.wrong.tolist() == [4, 5]
    assert found.estimate.value == pytest.approx([1.0, 1.0], rel=1e-9)
    # A stencil, and a point far nearer to 0.
    assert (objective.nfev - before == 2 * (STENCIL.size + 1)) is clear


# What bounds hold still


def scaled(moved: Any, nothing: Any = (False, False)) -> Scaling:
    """Lengths of 1 of what is moved."""
    two = np.ones(2)
    return Scaling(np.where(moved, 1.0, 0.0), np.ones(1), two, np.array(nothing), two)


def test_entries_that_bounds_hold_nearly_still_are_judged_by_themselves():
    """One that is known already is not, nor one that has no room at all; a wrong one is found."""
    left, right = np.ones(N), np.ones(N)
    left[[3, 4, 5, 6, 7]], right[[3, 4, 5, 6, 7]] = 0.0, [0.01, 0.01, 0.0, 0.01, 0.0]
    left[7] = 0.01
    claim = claim_of(3, 6, still=[4], room=(left, right))
    claim.exact = True
    claim.judge_the_immovable(scaled(left + right > 1.0))
    (found,) = claim.judged
    assert found.coordinates.tolist() == [3, 6, 7]
    assert found.wrong.tolist() == [3, 6]
    # Points beside x that are not on the line may lie beyond the bounds.
    assert claim.exact is False


def test_nothing_is_judged_where_nothing_is_held():
    """Without bounds, or with room for all that directions move."""
    for room in (None, (np.ones(N), np.ones(N))):
        claim = claim_of(room=room)
        claim.exact = True
        claim.judge_the_immovable(scaled(np.ones(N, bool)))
        assert claim.judged == []
        assert claim.exact is True
    claim = claim_of()
    claim.judge_the_immovable(scaled(np.zeros(N, bool)))
    assert claim.judged == []


def test_of_an_array_that_is_claimed_to_do_nothing_those_are_judged_that_have_little_room():
    """No direction moves it: a tenth of the scale on either side would do for one that does."""
    left, right = np.ones(N), np.ones(N)
    left[B.start], right[B.start + 1], left[B.start + 2] = 0.199, 0.199, 0.2
    left[0] = 0.5
    claim = claim_of(room=(left, right))
    claim.judge_the_immovable(scaled(np.arange(N) != 0, (False, True)))
    assert claim.judged[0].coordinates.tolist() == [0]
    claim = claim_of(room=(left, right))
    claim.judge_the_immovable(scaled((np.arange(N) < B.start) & (np.arange(N) > 0), (False, True)))
    assert claim.judged[0].coordinates.tolist() == [0, B.start, B.start + 1]


# What is known of an array


@pytest.mark.parametrize(
    ("wrong", "of"),
    [((), ()), ((0,), (W,)), ((W.stop - 1,), (W,)), ((B.start,), (B,)), ((B.stop - 1, 3), (W, B))],
)
def test_an_array_is_wrong_where_an_entry_of_it_is(wrong: tuple[int, ...], of: tuple[Any, ...]):
    """From its first to its last, in any look."""
    claim = claim_of()
    claim.judged = [judged(5), judged(*range(N), wrong=wrong)]
    for block in (W, B):
        assert claim.entries_wrong_in(block) is (block in of)
        assert claim.wrong_in(block) is (block in of)


def test_an_array_is_wrong_where_a_part_of_it_is():
    """Though none of its entries was judged to be."""
    claim = claim_of()
    claim.regions = [Region(B, whole_box(B), False)]
    assert [claim.wrong_in(block) for block in (W, B)] == [False, True]
    assert [claim.entries_wrong_in(block) for block in (W, B)] == [False, False]


@pytest.mark.parametrize(
    ("entries", "around"),
    [
        ([], []),
        ([6], []),
        ([1, 6], [1, 2, 5, 6]),
        ([8, 0, B.start], [0, 4, 8]),
        ([B.start + 3, 2, B.start, 3], [2, 3, *range(B.start, B.start + 4)]),
    ],
)
def test_around_entries_are_the_boxes_that_hold_those_of_each_array(entries: list[int], around: list[int]):
    """One entry has no box."""
    found = claim_of().around(entries)
    assert found.tolist() == around
    assert found.dtype == np.intp


# Entries that are disputed


@pytest.mark.parametrize(
    ("off", "bar", "crude"),
    [
        # Verified within 4 beyond three bars: what may be off by more than twice that clears nobody.
        (7.99, 0.0, False), (8.01, 0.0, True), (-8.01, 0.0, True), (7.0, 0.3, False), (7.2, 0.3, True),
        (7.99, np.inf, False), (8.01, np.inf, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("exact", [False, True])
def test_entries_whose_bars_cannot_clear_them_are_left_open(off: float, bar: float, crude: bool, exact: bool):
    """Those that a direction accuses alone; the complex step disputes them, of differences it is noise."""
    claim = claim_of()
    claim.exact = exact
    allowed = 4.0 + (3.0 * bar if np.isfinite(bar) else 0.0)
    before = judged(2, 3, 4, off=off, bar=bar, allowed=allowed)
    other = judged(9)
    claim.judged = [before, other]
    assert claim.leave_open([3, 4, 11]) is crude
    mask = np.array([False, crude, crude])
    found = claim.judged[0]
    assert found.judgement.inconclusive.tolist() == mask.tolist()
    assert found.judgement.verified.tolist() == (~mask).tolist()
    limit = Limit.DISPUTED if exact else Limit.NOISE
    assert found.estimate.limit.tolist() == [Limit.TRUNCATION, *[limit if crude else Limit.TRUNCATION] * 2]
    assert found.estimate.value is before.estimate.value
    assert set(before.estimate.limit) == {Limit.TRUNCATION}
    assert claim.judged[1].judgement.verified.tolist() == [True]


def test_what_is_wrong_or_open_already_stays_so():
    """That one look leaves something open is not forgotten for the next."""
    claim = claim_of()
    claim.judged = [judged(2, 3, 4, off=5.0, wrong=[2], undecided=[3]), judged(9)]
    assert claim.leave_open([2, 3]) is False
    assert claim.leave_open([4, 9]) is True
    found = claim.judged[0].judgement
    assert found.wrong.tolist() == [True, False, False]
    assert found.inconclusive.tolist() == [False, True, True]
    assert found.verified.tolist() == [False, False, False]
    assert claim_of().leave_open([1]) is False
