"""Steps of few points, and what bends may hide from them; values by hand from what fits to eight points tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_hand import STEP, close, fitted, row

from gradcheck.joint.few_points import four_points, hidden_of, left_of, shortest, taken_by_four, two_points
from gradcheck.numerics.line_fit import FOUR, LineFit, fifth_over_third, hidden_bends, third_order

NEAR, FAR = FOUR
# What noise of one value becomes in the slope by four points at a step of 1: the weights of the inner and outer chord.
SHARE = NEAR**2 / (FAR**2 - NEAR**2)
AMPLIFIED = np.sqrt(2.0) * np.hypot((1 + SHARE) / (2 * NEAR), SHARE / (2 * FAR))


def bent(
    third: Any, fifth: Any = 0.0, *, even: Any = (0.0, 0.0, 0.0, 0.0), rows: int = 3, **parts: Any
) -> LineFit:
    """What a line shows whose coefficients b3, b5 and b2, b4, .. are these."""
    odd = [np.zeros(rows), row(third, rows), row(fifth, rows), np.zeros(rows)]
    return fitted(rows, odd=odd, even=[row(each, rows) for each in even], **parts)


# Two points


@pytest.mark.parametrize("third", [0.5, 4.0])
def test_two_points_lie_where_bends_take_as_much_as_noise(third: float):
    """At cbrt(n / 2 b3), in the median of the rows; each has its own bar, 1.5 times 0.71 n / h and b3 h^2."""
    noise = np.array([1e-9, 8e-9, 64e-9])
    step, bar = two_points(bent(third, bends=1.0), np.ones(3), noise, 0.3)
    assert step == close(np.cbrt(8e-9 / (2.0 * third)))
    assert bar == close(1.5 * 0.71 * noise / step + third * step**2)


def test_bends_of_second_and_fourth_order_tell_of_the_third():
    """The root of their product, where that is larger: 20."""
    step, _ = two_points(bent(4.0, even=(16.0, 25.0, 9.0, 9.0), bends=1.0), np.ones(3), np.full(3, 8e-9), 0.3)
    assert step == close(np.cbrt(8e-9 / 40.0))


def test_rows_that_do_not_bend_have_no_say_in_the_step_of_two_points():
    """They are straight as far as was seen, and a kink may lie beyond; where none bends it is the longest."""
    noise = np.full(3, 8e-9)
    step, bar = two_points(bent([0.0, 4.0, 0.0], bends=1.0), np.ones(3), noise, 0.2)
    assert step == close(1e-3)
    assert bar == close(1.5 * 0.71 * 8e-9 / step + np.array([0.0, 4.0, 0.0]) * step**2)
    assert two_points(bent(0.0), np.ones(3), noise, 0.2)[0] == 0.2
    assert two_points(bent(4.0, bends=1.0), np.ones(3), noise, 1e-4)[0] == 1e-4


ALIKE = np.ones(3)


NOBODY, EVERYBODY = np.zeros(3, bool), np.ones(3, bool)


def test_one_row_that_bends_says_the_step_of_four_points():
    """At (A n / 4 t)^(1/5), t = 10 times b5 NEAR^2 FAR^2; where none bends it is the longest.

    Where noise is rounding, which a residual does not lack, bends count thrice.
    """
    told = 10.0 * 4.0 * NEAR**2 * FAR**2
    for rounded, times in ((NOBODY, 4.0), (EVERYBODY, 12.0)):
        step, truncation = four_points(bent(0.0, [0.0, 4.0, 0.0], noise=8e-9), STEP, ALIKE, rounded)
        assert truncation == close([0.0, told, 0.0])
        assert step == close((8e-9 * AMPLIFIED / (times * told)) ** 0.2)
    assert four_points(bent(0.0, noise=8e-9), STEP, ALIKE, EVERYBODY)[0] == 0.3


@pytest.mark.parametrize(("bend", "share"), [(1.5, 1.0), (1.6, 0.25)])
def test_what_is_moved_bends_by_its_share_where_it_is_seen_to_bend(bend: float, share: float):
    """More than three times what noise scatters by."""
    fit = bent(4.0, bends=bend, last=0.5)
    step, _ = two_points(fit, np.full(3, 0.25), np.full(3, 8e-9), 0.3)
    assert step == close(np.cbrt(8e-9 / (8.0 * share)))


# Four points


@pytest.mark.parametrize(
    ("noise", "fifth", "units", "least"),
    [
        # One bends as another, and is in a hundred times the noise.
        ([1e-13, 1e-12, 1e-10], 2.0, [1.0, 1.0, 1.0], (1e-10, 2.0)),
        # What is noisy is large, or has no say: the one with most noise of the others.
        ([1e-13, 1e-12, 1e-10], 2.0, [1.0, 1.0, 1e3], (1e-12, 2.0)),
        ([1e-13, 1e-12, 1e-10], 2.0, [1.0, 1.0, np.inf], (1e-12, 2.0)),
        # One bends, another is noisy: between what is best for each, where both leave as much.
        ([1e-13, 1e-13, 1e-10], [2.0, 2e6, 2.0], [1.0, 1.0, 1.0], (1e-10, 2e6)),
    ],
)
def test_four_points_lie_where_the_worst_row_knows_most(noise, fifth, units, least):
    """Its 10 b5 (near far)^2 h^4 grows by the fourth power, its A n / h falls by the first."""
    fit = bent(0.5, fifth, noise=np.array(noise))
    step, truncation = four_points(fit, 0.01, np.array(units), NOBODY)
    assert truncation == close(10.0 * NEAR**2 * np.broadcast_to(fifth, 3))
    most, bends = least[0] * AMPLIFIED, 10.0 * NEAR**2 * least[1]
    own = (most / (4.0 * bends)) ** 0.2
    assert step == close(own if np.isscalar(fifth) else (most / bends) ** 0.2, rel=0.05)


def test_a_row_by_itself_takes_four_points_where_bends_take_a_quarter_of_what_noise_takes():
    """No search: (A n / 4 t)^(1/5); a twelfth where noise is rounding."""
    for rounded, times in ((False, 4.0), (True, 12.0)):
        its = np.array([rounded])
        alone, one = four_points(bent(0.5, 2.0, noise=1e-12, rows=1), 0.01, np.ones(1), its)
        assert one == close([10.0 * 2.0 * NEAR**2])
        assert alone == close((1e-12 * AMPLIFIED / (times * one[0])) ** 0.2)
    assert four_points(bent(0.0, rows=1), 0.01, np.ones(1), its)[0] == 0.3


def test_bends_of_fourth_and_sixth_order_tell_of_the_fifth():
    """The root of their product, where that is larger."""
    for even, fifth in (((9.0, 8.0, 2.0, 9.0), 4.0), ((9.0, 8.0, 0.02, 9.0), 0.5)):
        _, truncation = four_points(bent(0.5, 0.5, even=even), 0.01, ALIKE, NOBODY)
        assert truncation == close(np.full(3, 10.0 * fifth * NEAR**2))


@pytest.mark.parametrize(
    ("outer", "noise", "shown"), [(1.0 + 1e-6, 1e-12, 1e-6), (1.0, 1e-9, 1e-9 * AMPLIFIED / 0.01)]
)
def test_what_noise_shows_of_bends_is_no_larger_than_that(outer: float, noise: float, shown: float):
    """Of coefficients that do not fall: what the outer points are off by at the first step, or noise makes there."""
    for flat, fifth, truncation in (
        (True, 1e9, shown / 0.01**4),
        (True, 2.0, 2.0 * NEAR**2),
        (False, 1e9, 1e9 * NEAR**2),
    ):
        fit = bent(0.5, fifth, flat=flat, outer=outer, noise=noise)
        assert four_points(fit, 0.01, ALIKE, NOBODY)[1] == close(np.full(3, 10.0 * truncation), rel=1e-6)


def test_four_points_are_no_farther_than_three_tenths():
    """Of rows that hardly bend."""
    assert four_points(bent(0.5, 1e-14, noise=1e-9), 0.01, ALIKE, NOBODY)[0] == 0.3


# Those at a shorter step than eight


def typical(fit: LineFit, shorter: float, row: int = 1) -> float:
    """What four points leave of a slope of 1, by bends and noise."""
    step = fit.step / shorter
    return float(hidden_bends(fit, step)[row] + AMPLIFIED / step * fit.scatter[row])


@pytest.mark.parametrize(("bends", "parts"), [(1e-12, {4.0}), (1e-3, {16.0}), (None, None)])
def test_four_points_lie_where_noise_and_bends_leave_most(bends: float | None, parts: set[float] | None):
    """At a quarter of the step of eight in noise, at a sixteenth where f bends; between them by roots of two.

    At half of it what noise may hide of the bends would leave more in any case.
    """
    all_parts = [2.0, 8.0**0.5, 4.0, 32.0**0.5, 8.0, 128.0**0.5, 16.0]
    chosen = set()
    for bend in [bends] if bends is not None else 10.0 ** np.arange(-11.0, -5.0, 0.25):
        fit = fitted(3, step=0.08, bends=bend, last=[1e-11, 1e-10, 1e-9], noise=5e-10)
        step, told = shortest([(fit, np.ones(3))], np.ones(3, bool))
        best = min(all_parts, key=lambda shorter, fit=fit: typical(fit, shorter))
        assert step == close(0.08 / best)
        assert taken_by_four(told, step) == close([typical(fit, best, row) for row in range(3)])
        assert told is fit
        chosen.add(best)
    assert parts is None or chosen == parts


def test_four_points_lie_at_each_of_the_parts():
    """Where bends of fifth order grow from a tenth of noise to 1e5 times as much."""
    bends = [[[0.0], [size], [0.0]] for size in 10.0 ** np.arange(-1.0, 5.0, 0.1)]
    steps = {
        shortest([(fitted(1, step=1.0, bends=bend, last=1.0), np.ones(1))], np.ones(1, bool))[0]
        for bend in bends
    }
    assert sorted(1.0 / step for step in steps) == close([4.0, 32.0**0.5, 8.0, 128.0**0.5, 16.0], rel=1e-12)


def test_of_several_directions_of_eight_the_one_that_leaves_most_tells():
    """Over the weight of each; of the rows that are asked for, and of which anything is known."""
    first, last = (fitted(3, step=h, bends=1e-12, last=1e-9) for h in (0.02, 0.06))
    one = np.ones(3)
    assert shortest([(first, one), (last, one)], np.ones(3, bool))[1] is last
    assert shortest([(first, 4.0 * one), (last, one)], np.ones(3, bool))[1] is first
    mixed = np.array([4.0, 4.0, 0.5])
    for pending, fit in (((True, True, False), first), ((False, False, True), last)):
        assert shortest([(first, mixed), (last, one)], np.array(pending))[1] is fit
    with np.errstate(divide="ignore"):
        unknown = shortest([(first, np.array([0.0, 4.0, 0.0])), (last, one)], np.ones(3, bool))
    assert unknown[1] is first
    # Of rows without a size nothing says which is better: the longest of the first.
    step, fit = shortest([(first, one), (last, 8.0 * one)], np.zeros(3, bool))
    assert (step, fit is first) == (first.step / 4.0, True)


# What bends may hide

NOISE = 1e-12
# What noise makes of the difference of the chords: each is (f(h) - f(-h)) / 2 h.
CHORDS = NOISE * np.sqrt(2.0) / (2.0 * STEP) * np.hypot(1.0 / NEAR, 1.0 / FAR)


def telling(*, step: float = 0.08, third: Any = 1e-6, fifth: Any = 1e-6) -> LineFit:
    """Eight points that see bends of third and fifth order."""
    bends = [row(third, 3), row(fifth, 3), row(fifth, 3)]
    return fitted(3, step=step, bends=bends)


def hidden(*fits: LineFit, times: float, taken: float = 1e9) -> Any:
    """What is hidden where chords show so many times the b3 of the first fit, and the rule takes out so much."""
    apart = times * third_order(fits[0]) * (FAR**2 - NEAR**2) * STEP**2 + 3.0 * CHORDS
    inner = np.full(3, 2.0)
    outer = inner - apart
    return hidden_of(outer + taken, inner, outer, STEP, np.full(3, NOISE), list(fits))


def test_a_tangent_that_bends_no_more_hides_what_the_first_tells():
    """However much less it bends."""
    fit = telling()
    for times in (0.0, 0.5, 1.0):
        assert hidden(fit, times=times) == close(hidden_bends(fit, STEP), rel=1e-9)


def test_bends_of_third_order_tell_of_the_fifth_by_their_power():
    """Eight times those of the first: 8^(5/3) = 32 times as much."""
    for third in (1e-6, [1e-6, 3e-6, 1e-5]):
        fit = telling(third=third)
        assert hidden(fit, times=8.0) == close(32.0 * hidden_bends(fit, STEP), rel=1e-6)


def test_what_is_hidden_is_less_than_what_the_rule_took_out():
    """Three tenths of it, or ten times the h^2 b5 / b3 of eight points; not less than the least that these tell."""
    steep, usual = telling(fifth=1e-6), telling(fifth=1e-9)
    rate = 10.0 * STEP**2 * fifth_over_third(usual)[0]
    assert rate < 0.1
    assert 10.0 * STEP**2 * fifth_over_third(steep)[0] > 0.3
    for fit, part in ((steep, 0.3), (usual, rate)):
        least = hidden_bends(fit, STEP)
        for sign in (1.0, -1.0):
            taken = sign * 10.0 * least[0] / part
            assert hidden(fit, times=8.0, taken=taken) == close(10.0 * least, rel=1e-6)
        assert hidden(fit, times=8.0, taken=0.0) == close(least, rel=1e-9)
    # In each row.
    fit = telling(fifth=[1e-6, 1e-4, 1e-3])
    assert hidden(fit, times=8.0, taken=0.0) == close(hidden_bends(fit, STEP), rel=1e-9)
    assert hidden_bends(fit, STEP)[2] > 2.0 * hidden_bends(fit, STEP)[0]


def test_what_four_points_leave_is_a_part_of_what_their_rule_takes_out():
    """Three tenths of it at the most, or ten times the h^2 b5 / b3 of the median row; whatever its sign, row by row."""
    fits = [telling(fifth=1e-9, third=[1e-6, 2e-6, 4e-6]), telling(fifth=1e-9, third=[4e-6, 1e-6, 1e-6])]
    value, outer = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.5, 3.0])
    for told in (fits[:1], fits):
        rate = 10.0 * STEP**2 * np.median(np.min([fifth_over_third(fit) for fit in told], axis=0))
        assert rate < 0.1
        assert left_of(value, outer, STEP, told) == close(rate * np.array([1.0, 0.5, 0.0]))
        # With a step that is twice as long a four times as large part.
        assert left_of(value, outer, 2.0 * STEP, told) == close(4.0 * rate * np.array([1.0, 0.5, 0.0]))
    for unknown in (telling(), telling(third=0.0, fifth=0.0)):
        assert left_of(value, outer, STEP, [unknown]) == close(0.3 * np.array([1.0, 0.5, 0.0]))


def test_of_several_fits_those_of_longer_steps_tell_and_the_least_counts():
    """Rows come of one f: the part of what was taken out is that of their median, by the best fit of each."""
    one, other = telling(fifth=1e-9), telling(fifth=3e-9, third=[1e-6, 4e-6, 1e-6])
    short = telling(step=STEP, fifth=1e-16)
    least = hidden_bends(one, STEP)
    assert (least < hidden_bends(other, STEP)).all()
    assert hidden(one, other, short, times=1.0) == close(least, rel=1e-9)
    # The b3 of the other is larger in one row.
    mine, theirs = 32.0 * least, hidden_bends(other, STEP) * np.array([32.0, 2.0 ** (5 / 3), 32.0])
    assert hidden(one, other, times=8.0) == close(np.minimum(mine, theirs), rel=1e-6)
    rates = np.array([fifth_over_third(fit) for fit in (one, other)]).min(axis=0)
    rate = 10.0 * STEP**2 * np.median(rates)
    taken = 3.0 * least[0] / rate
    assert hidden(one, other, times=8.0, taken=taken) == close(np.full(3, 3.0 * least[0]), rel=1e-6)
