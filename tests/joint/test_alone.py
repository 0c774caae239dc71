"""Entries judged by themselves: by four points where these are clear, else by stencils; values by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from by_hand import EPS, close

from gradcheck import check_gradient
from gradcheck.function.objective import Objective
from gradcheck.joint.alone import judge_alone, judge_by_stencils, judge_in_rows
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

X = np.array([1.0, 0.0, -2.0, 0.5])


def smooth(x: Any) -> float:
    """What the entries do by themselves."""
    return float(np.sum(np.exp(x)))


def judged(
    f: Callable[[Any], float],
    claimed: Any,
    *entries: int,
    step: float = 1e-3,
    level: float = 1e-15,
    off: Any = None,
    **parts: Any,
) -> tuple[Entries, int]:
    """What is said of some entries of a claim, and with how many evaluations."""
    parameters, x = Parameters.of(parts.pop("x", X))
    objective = Objective(f, parameters, max_nfev=parts.pop("max_nfev", None))
    f_x = objective.value(x)
    scales = parts.pop("scales", np.where(x != 0, np.abs(x), 1.0))
    tolerance = parts.pop("tolerance", Tolerance(1e-6))
    setting = Setting(objective, x, f_x, scales, tolerance, level=level, relative_step=step, **parts)
    before = objective.nfev
    found = judge_alone(setting, np.asarray(claimed, float), np.array(entries, int), exact=False, off=off)
    return found, objective.nfev - before


def test_four_points_tell_a_wrong_entry_and_a_right_one():
    """Off by 5 %, and not off; within their bars."""
    claimed = np.exp(X) * [1.05, 1.0, 1.0, 1.0]
    for entry in (0, 2, 3):
        evidence, nfev = judged(smooth, claimed, entry, step=5e-4)
        assert nfev == 4
        assert (evidence.judgement.wrong[0], evidence.judgement.verified[0]) == (entry == 0, entry != 0)
        assert abs(evidence.estimate.value[0] - np.exp(X[entry])) <= 3.0 * evidence.estimate.error[0] <= 1e-5
    evidence, nfev = judged(smooth, claimed, 0, 2, 3, step=5e-4)
    assert (nfev, evidence.judgement.wrong.tolist()) == (12, [True, False, False])


def test_what_four_points_tell_of_a_parabola():
    """Its slope of 2 x at 1 without truncation or kink, 3.02 n / h of noise, and a curvature of 2."""
    step, noise = 1e-3, 1e-12
    evidence, nfev = judged(lambda x: float(x[0] ** 2), [2.0, 0.0, 0.0, 0.0], 0, level=noise)
    assert (nfev, evidence.coordinates.tolist(), evidence.analytic.tolist()) == (4, [0], [2.0])
    found = evidence.estimate
    assert (found.nfev, found.limit.tolist()) == (4, [Limit.NONE])
    assert found.step == pytest.approx([step], rel=1e-12)
    for slope in (found.value, found.left, found.right):
        assert slope == pytest.approx([2.0], abs=1e-12)
    for bar in (found.error, found.noise, found.sided):
        assert bar == pytest.approx([3.02 * noise / step], rel=1e-3)
    for nothing in (found.truncation, found.kink):
        assert nothing == pytest.approx([0.0], abs=1e-12)
    assert found.curvature == pytest.approx([2.0], rel=1e-8)
    assert found.chord == pytest.approx([2.0 + step], rel=1e-9)


def test_an_entry_at_0_takes_a_stencil():
    """It has no size; beside others these take four points."""
    claimed = np.exp(X) * [1.05, 1.0, 1.0, 1.0]
    evidence, nfev = judged(smooth, claimed, 0, 1, 2, step=5e-4)
    assert nfev == 4 + 6 + 4
    assert dict(zip(evidence.coordinates.tolist(), evidence.judgement.wrong.tolist(), strict=True)) == {
        0: True, 1: False, 2: False,
    }  # fmt: skip


@pytest.mark.parametrize(("off", "nfev"), [(1.6e-5, 4), (1.4e-5, 10)])
def test_an_entry_that_is_off_by_few_bars_takes_a_stencil(off: float, nfev: int):
    """The pairs differ by h^2 / 6 of the slope, 1.7e-7 of it: 3 E and 1e-6 are 1.5e-6, and ten times that decides.

    Each mistake as slight as that has to show far nearer to x, at one point more.
    """
    evidence, count = judged(smooth, np.exp(X) * (1.0 + off), 0)
    assert evidence.judgement.wrong.tolist() == [True]
    assert count == nfev + 1


def test_four_points_clear_nobody_whom_a_stencil_would_look_at_more_precisely():
    """Three bars, h^2 / 2, are what is accepted at 1.4e-3; beyond it a stencil follows."""
    for step, atol, nfev in ((1.3e-3, 0.0, 4), (1.5e-3, 0.0, 10), (1.5e-3, 1e-6, 4), (1.5e-3, 1e-7, 10)):
        evidence, count = judged(smooth, np.exp(X), 0, step=step, tolerance=Tolerance(1e-6, atol=atol))
        assert evidence.judgement.verified.tolist() == [True]
        assert count == nfev


def test_what_is_claimed_beneath_the_noise_takes_a_stencil():
    """Thirty bars of noise, 3.02 n / h, are more than what is claimed: four points before it would be in vain."""
    for part, four in ((0.9, True), (1.1, False)):
        _, count = judged(smooth, np.exp(X), 0, level=part * 1e-3 * np.e / 90.6)
        assert count % 6 == (4 if four else 0)


def test_a_fast_oscillation_takes_more_than_four_points():
    """A right claim whose slope of 3e4 no point sees: what the pairs show is as small as their bar."""
    for rate in np.linspace(1e4, 3e4, 50):

        def f(x: Any, rate: float = rate) -> float:
            return float(np.sin(rate * x[0]) + x[1])

        claimed = [rate * np.cos(rate), 1.0, 0.0, 0.0]
        evidence, _ = judged(f, claimed, 0)
        assert not evidence.judgement.wrong.any()


def test_a_kink_takes_more_than_four_points():
    """The claim of one side where they see both."""
    evidence, nfev = judged(lambda x: float(abs(x[0] - 1.0) + x[2]), [1.0, 0.0, 1.0, 0.0], 0)
    assert nfev > 4
    assert not evidence.judgement.wrong.any()


def test_an_entry_far_smaller_than_its_step_takes_a_stencil():
    """An entry of a ten-thousandth of its scale is stepped by ten times itself."""
    for entry, four in ((1.01e-4, True), (0.99e-4, False)):
        x = np.array([entry, 1.0])
        _, nfev = judged(smooth, np.exp(x), 0, x=x, scales=np.ones(2))
        assert (nfev == 4) is four


def test_bounds_that_hold_an_entry_keep_it_from_four_points():
    """They have to lie beyond the step on both sides."""
    for room, four in ((1.1e-3, True), (1e-3, False), (0.9e-3, False)):
        _, nfev = judged(smooth, np.exp(X), 0, room=(np.full(4, 1.0), np.full(4, room)))
        assert (nfev == 4) is four


def test_four_points_leave_a_stencil_within_the_budget():
    """Of ten evaluations four may be in vain."""
    for left, four in ((10, True), (9, False)):
        _, nfev = judged(smooth, np.exp(X), 0, max_nfev=1 + left)
        assert (nfev == 4) is four
    assert judged(smooth, np.exp(X), max_nfev=1)[1] == 0


def test_four_points_off_the_domain_are_followed_by_a_stencil():
    """Which comes nearer: the logarithm of 1.0005 - x."""
    with np.errstate(invalid="ignore"):
        evidence, nfev = judged(lambda x: float(np.log(1.0005 - x[0])), [-2000.0, 0.0, 0.0, 0.0], 0)
    assert nfev > 10
    assert not evidence.judgement.wrong.any()


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("width", [np.inf, 1e-6, 1e-9, 1e-12])
def test_at_0_f_has_to_have_the_same_slope_far_nearer(width: float, right: bool):
    """One point more where something is wrong; where f turns steep, or its slope jumps, nobody is accused of the slope
    from far."""

    def steep(x: Any) -> float:
        return float(np.sum(np.sin(x)) + x[1] / (1.0 + (x[1] / width) ** 2))

    def bent(x: Any) -> float:
        return float(np.sum(np.sin(x)) + x[1] ** 2 / np.hypot(x[1], width))

    for f in (steep, bent):
        slope = 1.0 + (f is steep)
        evidence, nfev = judged(f, [1.0, slope if right else 1.5 * slope, 1.0, 1.0], 1, step=1e-2)
        if width == np.inf:
            assert nfev == 6 + (not right)
        assert evidence.judgement.wrong[0] <= (not right)


def test_a_small_mistake_at_0_that_is_what_directions_say_takes_one_stencil():
    """Off by five of what is allowed: one that is not what they say, or of which they say nothing, is seen again."""
    right = np.exp(X)
    claimed = right * (1.0 + 5e-6)
    off = claimed - right
    evidence, nfev = judged(smooth, claimed, 1, step=5e-4, off=off[[1]])
    assert (nfev, evidence.judgement.wrong.tolist()) == (6 + 1, [True])
    assert (evidence.coordinates.tolist(), evidence.analytic.tolist()) == ([1], [claimed[1]])
    for other in (None, off[[1]] - 1e-6, np.zeros(1)):
        evidence, more = judged(smooth, claimed, 1, step=5e-4, off=other)
        assert evidence.judgement.wrong.tolist() == [True]
        assert more >= 12
    # A right claim is no less right for what directions say.
    evidence, _ = judged(smooth, right, 1, step=5e-4, off=off[[1]])
    assert evidence.judgement.verified.tolist() == [True]


@pytest.mark.parametrize(
    ("bars", "apart", "one"), [(31, 0, True), (29, 0, False), (42, 1, True), (38, 1, False)]
)
def test_what_directions_say_may_differ_by_a_tenth_with_three_bars(bars: float, apart: float, one: bool):
    """Of a straight line, off by so many bars, of which directions say one more or less.

    What is wrong at 0 has to be so nearer to it: one point more.
    """

    def line(x: Any) -> float:
        return float(x.sum())

    ones = np.ones(4)
    evidence, nfev = judged(line, 2.0 * ones, 1, level=1e-9, off=ones[:1])
    assert nfev == 6 + 1
    bar = evidence.estimate.error[0]
    claimed = ones.copy()
    claimed[1] = evidence.estimate.value[0] + bars * bar
    for side in (-apart, apart):
        # By itself it is clear from ten times what is allowed on, three bars and the tolerance.
        evidence, nfev = judged(
            line, claimed, 1, level=1e-9, off=np.array([(bars + side) * bar]), tolerance=Tolerance(2.0 * bar)
        )
        assert evidence.judgement.wrong.tolist() == [True]
        assert (nfev == 6 + 1) is one


def test_of_several_entries_each_has_what_directions_say_of_it():
    """The second is right and clear by four points; of the others, at 0, each is off by something else."""
    x, right = np.array([0.0, 1.0, 0.0]), np.exp([0.0, 1.0, 0.0])
    claimed = right * [1.0 + 5e-6, 1.0, 1.0 + 8e-6]
    off = claimed - right
    evidence, nfev = judged(smooth, claimed, 0, 1, 2, x=x, step=5e-4, off=off)
    assert nfev == (6 + 1) + 4 + (6 + 1)
    assert sorted(evidence.coordinates[evidence.judgement.wrong].tolist()) == [0, 2]
    _, more = judged(smooth, claimed, 0, 1, 2, x=x, step=5e-4, off=off[::-1])
    assert more > nfev


def test_what_is_clear_by_itself_needs_nothing_that_directions_say():
    """A right entry, and one that is far off, whatever they say."""
    parameters, x = Parameters.of(X)
    for claimed in (np.exp(X[0]), 2.0 * np.exp(X[0])):
        for off in (None, np.zeros(1), np.ones(1)):
            objective = Objective(smooth, parameters)
            setting = Setting(
                objective, x, objective.value(x), np.ones(4), Tolerance(1e-6), level=1e-15, relative_step=5e-4
            )
            before = objective.nfev
            found = judge_by_stencils(setting, np.array([claimed]), np.array([0]), off)
            assert found.judgement.wrong.tolist() == [claimed > np.e]
            assert objective.nfev - before == 6


# By the complex step


def exactly(
    f: Callable[[Any], Any],
    claimed: Any,
    *entries: int,
    max_nfev: int | None = None,
    x: Any = X,
    scales: Any = None,
) -> tuple[Entries, list[Any]]:
    """What is said by the complex step where that will do, and the points that f is asked at."""
    asked: list[Any] = []
    parameters, x = Parameters.of(x)

    def noting(x: Any) -> Any:
        asked.append(np.array(x))
        return f(x)

    objective = Objective(noting, parameters, max_nfev=max_nfev)
    f_x = objective.value(x)
    claimed = np.asarray(claimed, float)
    scales = np.where(x != 0, np.abs(x), 1.0) if scales is None else scales
    setting = Setting(objective, x, f_x, scales, Tolerance(1e-6), level=1e-15, relative_step=1e-3)
    asked.clear()
    return judge_alone(setting, claimed, np.array(entries, int), exact=True), asked


def entire(x: Any) -> Any:
    """`smooth`, of complex numbers, too."""
    return np.sum(np.exp(x))


def test_the_complex_step_takes_three_evaluations_an_entry():
    """One of them complex; the others a thousandth of its scale away. 32 roundings of the larger slope are the bar."""
    claimed = np.exp(X) * [1.05, 1.0, 1.0, 0.5]
    scales = np.array([1.0, 3.0, 2.0, 0.5])
    evidence, asked = exactly(entire, claimed, 0, 1, 2, 3, scales=scales)
    assert evidence.judgement.wrong.tolist() == [True, False, False, True]
    assert evidence.judgement.verified.tolist() == [False, True, True, False]
    assert (evidence.coordinates.tolist(), evidence.analytic.tolist()) == ([0, 1, 2, 3], claimed.tolist())
    found = evidence.estimate
    assert found.value == close(np.exp(X), rel=4 * EPS)
    bars = 32 * EPS * np.maximum(claimed, np.exp(X))
    for bar in (found.error, found.noise, found.sided):
        assert bar == close(bars)
    for entry in range(4):
        step = np.zeros(4)
        step[entry] = scales[entry]
        at, low, high = asked[3 * entry : 3 * entry + 3]
        assert np.iscomplexobj(at)
        assert (at.real.tolist(), at.imag.tolist()) == (X.tolist(), close(1e-20 * step))
        assert (low, high) == (pytest.approx(X - 1e-3 * step), pytest.approx(X + 1e-3 * step))
    assert (len(asked), found.nfev) == (12, 12)


@pytest.mark.parametrize(("more", "three"), [(0.9, True), (1.1, False)])
def test_the_complex_step_may_lie_a_thousandth_from_the_real_difference(more: float, three: bool):
    """Of a slope of 1000, of which imaginary parts see all but what is claimed to be nothing."""

    def f(x: Any) -> Any:
        return 1000.0 * x[0] + more * np.real(x[0])

    _, asked = exactly(f, [1000.0, 0.0, 0.0, 0.0], 0)
    assert (len(asked) == 3) is three


def test_the_complex_step_sees_neither_kinks_nor_bends():
    """It has no step and no truncation; both sides are as steep as the slope, and what f bends by is not known."""
    found = exactly(entire, np.exp(X), 0, 2)[0].estimate
    for nothing in (found.step, found.truncation, found.kink):
        assert nothing.tolist() == [0.0, 0.0]
    for slope in (found.left, found.right, found.chord):
        assert slope == close(np.exp(X[[0, 2]]), rel=4 * EPS)
    assert np.isnan(found.curvature).all()
    assert found.limit.tolist() == [Limit.NONE, Limit.NONE]
    falling = exactly(lambda x: -entire(x), -np.exp(X), 0)[0].estimate
    assert falling.error == close([32 * EPS * np.e])
    assert falling.chord == close([np.e], rel=4 * EPS)


def test_a_slope_of_nothing_has_a_bar():
    """The least that a float can hold: a claim of 0 that both ways bear out is verified."""
    evidence, asked = exactly(lambda x: np.sum(x[1:]), [0.0, 1.0, 1.0, 1.0], 0, 1)
    assert evidence.judgement.verified.tolist() == [True, True]
    assert evidence.estimate.error[0] == np.finfo(np.float64).tiny
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("claimed", "beside", "trusted"),
    [
        # A thousandth of the larger slope, as their two steps may differ by.
        (1.0, 0.9e-3, True), (1.0, -1.1e-3, False),
        # Half of what the claim is off by.
        (3.0, 0.9, True), (3.0, 1.1, False), (3.0, -0.9, True), (-3.0, -1.9, True), (-3.0, -2.1, False),
    ],
)  # fmt: skip
def test_real_points_have_to_bear_the_complex_step_out(claimed: float, beside: float, trusted: bool):
    """A part of f that loses its imaginary part: the complex step sees a slope of 1, real points 1 + `beside`."""

    def f(x: Any) -> Any:
        return x[0] + beside * np.real(x[0])

    evidence, asked = exactly(f, [claimed, 0.0, 0.0, 0.0], 0)
    if trusted:
        assert (len(asked), evidence.judgement.wrong.tolist()) == (3, [claimed != 1.0])
    else:
        assert len(asked) >= 3 + 6
        assert evidence.judgement.wrong.tolist() == [True]
        assert evidence.estimate.value == pytest.approx([1.0 + beside], rel=1e-9)


@pytest.mark.parametrize(("cubic", "trusted"), [(0.9e3, True), (1.1e3, False)])
def test_real_points_bend_by_the_square_of_their_step(cubic: float, trusted: bool):
    """Of x + c x^3 at 0: c times 1e-6, against a thousandth of the slope of 1."""
    evidence, asked = exactly(lambda x: x[1] + cubic * x[1] ** 3, [0.0, 1.0, 0.0, 0.0], 1)
    assert evidence.judgement.verified.tolist() == [True]
    assert (len(asked) == 3) is trusted


def test_what_takes_no_complex_numbers_is_judged_by_real_ones():
    """Beside an entry for which it does: both, for what one of them knows is doubtful, too."""

    def f(x: Any) -> Any:
        if np.iscomplexobj(x) and np.imag(x[2]) != 0:
            raise TypeError("no complex numbers")
        return np.sum(np.exp(x))

    claimed = np.exp(X) * [1.05, 1.0, 1.0, 1.0]
    assert len(exactly(f, claimed, 0)[1]) == 3
    evidence, asked = exactly(f, claimed, 0, 2)
    assert len(asked) >= 6 + 12
    assert dict(zip(evidence.coordinates.tolist(), evidence.judgement.wrong.tolist(), strict=True)) == {
        0: True, 2: False,
    }  # fmt: skip
    assert (evidence.estimate.step > 0).all()


def test_a_claim_that_is_off_by_few_bars_of_the_complex_step_is_measured_by_real_ones():
    """Three bars and 1e-6 of the slope are allowed, and ten times that is beyond doubt."""
    for off, exact in ((1.01e-5, True), (0.99e-5, False)):
        evidence, asked = exactly(entire, np.exp(X) * (1.0 + off), 0)
        assert evidence.judgement.wrong.tolist() == [True]
        # f bends by more than so little, and is asked from the other side of x as well.
        assert (len(asked) == 4) is exact


@pytest.mark.parametrize(("claimed", "wrong"), [([0.0, 1.0], False), ([-1.0, 1.0], True), ([0.0, 1.5], True)])
def test_at_a_kink_the_complex_step_is_the_slope_on_one_side(claimed: Any, wrong: bool):
    """Of max(0 + ih, 0) the right one; a claim of the left one is not wrong, and one beyond both is."""
    x = np.array([0.0, 1.0])
    evidence, _ = exactly(lambda x: np.maximum(x[0], 0.0) + x[1] ** 2 / 2.0, claimed, 0, 1, x=x)
    assert evidence.judgement.wrong.any() == wrong


def test_the_complex_step_leaves_a_stencil_within_the_budget():
    """Six evaluations: with fewer it is not begun."""
    for left, exact in ((6, True), (5, False)):
        evidence, asked = exactly(entire, np.exp(X), 0, max_nfev=1 + left)
        assert any(map(np.iscomplexobj, asked)) is exact
        assert evidence.judgement.verified.tolist() == [exact]
    assert exactly(entire, np.exp(X))[1] == []


def in_rows(f: Callable[[Any], Any], given: Any, entries: Any, *, level: Any = 1e-15) -> tuple[Entries, int]:
    """What is said of some entries of one column of a Jacobian with three rows, and with how many evaluations."""
    parameters, x = Parameters.of(X)
    objective = Objective(f, parameters, several=True)
    f_x = objective.at(x)[0]
    scales = np.where(x != 0, np.abs(x), 1.0)
    setting = Setting(objective, x, f_x, scales, Tolerance(1e-6), level=level, relative_step=1e-3)
    before = objective.nfev
    return judge_in_rows(setting, np.array(given), np.array(entries)), objective.nfev - before


def rows_of_sines(x: Any) -> Any:
    """Three outputs, of which the second does not move with the first coordinate."""
    return np.array([np.sin(x[0]) + x[2], np.exp(x[3]), 3.0 * np.exp(x[0])])


def test_the_rows_of_a_column_are_told_from_the_same_four_points():
    """Those that are asked for, each by its own noise; entries are places in the matrix, row by row."""
    slopes = np.array([np.cos(1.0), 3.0 * np.e])
    found, nfev = in_rows(rows_of_sines, slopes * [1.1, 1.0], [0, 8])
    assert (nfev, found.estimate.nfev, found.coordinates.tolist()) == (4, 4, [0, 8])
    assert found.judgement.wrong.tolist() == [True, False]
    assert found.judgement.verified.tolist() == [False, True]
    assert np.abs(found.estimate.value - slopes) == pytest.approx(np.zeros(2), abs=1e-8)
    # The third row and its third column alone.
    found, nfev = in_rows(lambda x: np.array([x[0], x[1], x[2] ** 2]), [-4.0], [10])
    assert (nfev, found.judgement.verified.tolist()) == (4, [True])


@pytest.mark.parametrize(
    ("given", "entries", "level"),
    [
        ([np.cos(1.0), 0.0], [0, 4], 1e-15),  # a claim of 0 does not show
        ([np.cos(1.0), 3.0 * np.e], [0, 8], np.array([1e-15, 1e-15, 1e-4])),  # noise of one row
        ([np.cos(1.0), 3.0 * np.e * (1 + 1e-9)], [1, 9], 1e-15),  # at 0
    ],
)
def test_where_four_points_leave_a_doubt_about_one_row_a_stencil_tells_of_all(
    given: Any, entries: Any, level: Any
):
    """All rows from the same six points, and what a doubt takes more."""
    found, nfev = in_rows(rows_of_sines, given, entries, level=level)
    assert nfev >= 6
    assert found.coordinates.tolist() == entries


@pytest.mark.parametrize(("left", "taken"), [(10, 4), (9, 6)])
def test_four_points_and_a_stencil_have_to_be_afforded(
    monkeypatch: pytest.MonkeyPatch, left: int, taken: int
):
    """Ten for one entry."""
    monkeypatch.setattr(Objective, "remaining", left)
    found, nfev = in_rows(rows_of_sines, [np.cos(1.0)], [0])
    assert (nfev, found.judgement.verified.tolist()) == (taken, [True])


@pytest.mark.parametrize("n", [5, 7, 9])
def test_what_is_left_of_forces_that_cancel_is_not_wrong(n):
    """Atoms on a line: the force on the middle one is 0, in code 1e-14 beside 60, and 0 by the complex step."""
    first, second = np.triu_indices(n, 1)
    x = np.arange(1, 3 * n + 1.0).reshape(n, 3)

    def f(x):
        r = np.sqrt(((x[first] - x[second]) ** 2).sum(1))
        return np.sum(np.exp(-r) + 0.5 * (r - 1) ** 2)

    d = x[first] - x[second]
    r = np.sqrt((d**2).sum(1))
    forgotten = np.zeros_like(x)
    for sign, at in ((1, first), (-1, second)):
        np.add.at(forgotten, at, sign * (r - 1 - np.exp(-r))[:, None] * d)
    report = check_gradient(f, forgotten, x)
    assert {m.index[0] for m in report.wrong} == set(range(n)) - {n // 2}
