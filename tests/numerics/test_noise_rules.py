"""The rules by which noise is told from kinks, oscillations and bends, on values that are known for every spacing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics import outputs
from gradcheck.numerics.noise import (
    FIRST_SPACING,
    estimate_noise,
    first_spacing,
    measure_noise,
)
from gradcheck.numerics.outputs import Noise, with_still_outputs
from gradcheck.numerics.rounding import WIDEST
from gradcheck.parameters.tree import Parameters

EPS = float(np.finfo(float).eps)
FIRST, WIDE, NEAR, OTHER, LAST = ALL = 1e-6, 3e-4, 1e-9, 0.7e-9, 64.0 * EPS

Output = Callable[[np.ndarray, float], Any]


def estimated(*outputs: Output, spacing: float = FIRST, back: bool = True) -> tuple[Noise, list[float]]:
    """Estimate the noise of outputs, each a function of (offsets, spacing); and the spacings that were asked for."""
    asked: list[float] = []

    def probe(at: float) -> np.ndarray:
        asked.append(at)
        offsets = at * np.arange(8.0)
        return np.stack([np.broadcast_to(np.asarray(f(offsets, at), float), 8) for f in outputs], axis=1)

    return estimate_noise(eight_at(probe, len(outputs)), spacing, back=back), asked


def eight_at(probe: Callable[[float], np.ndarray], m: int = 1) -> Any:
    """The values along a line where eight equally spaced ones are known, (8, m) by their spacing, and no others."""

    def at(offsets: np.ndarray) -> np.ndarray:
        return probe(float(offsets[1])) if offsets.size == 8 else np.full((offsets.size, m), np.nan)

    return at


def level_of(output: Output, **options: Any) -> tuple[float, list[float]]:
    """The level of one output, and the spacings."""
    noise, asked = estimated(output, **options)
    return float(noise.level[0]), asked


def near_to(asked: list[float], *expected: float) -> bool:
    """Whether these spacings were asked for, in this order."""
    return asked == pytest.approx(list(expected), rel=1e-12, abs=0)


def draws(seed: int) -> np.ndarray:
    """Eight values of unit noise."""
    return np.random.default_rng(seed).normal(size=8)


def noisy(sizes: dict[float, float], around: float = 1.0) -> Output:
    """Noise of a size that depends on the spacing alone: other draws at each."""

    def output(offsets: np.ndarray, at: float) -> np.ndarray:
        size = next(size for spacing, size in sizes.items() if math.isclose(abs(at), spacing))
        return around + size * draws(round(1e3 * math.log10(abs(at))) + 100_000)

    return output


def orders(values: Any) -> list[float]:
    """The deviation of the noise that each order of differences implies (Moré & Wild 2011, eq. 2.2)."""
    found = []
    for k in range(1, len(values) - 1):
        values = np.diff(values)
        found.append(math.sqrt(math.factorial(k) ** 2 / math.factorial(2 * k) * np.mean(np.square(values))))
    return found


def by_the_paper(values: Any) -> float | None:
    """The largest of the first three orders in a row within a factor 4 whose differences have both signs."""
    sigmas, row = orders(values), np.asarray(values)
    for k in range(4):
        row, three = np.diff(row), sigmas[k : k + 3]
        if row.min() < 0 < row.max() and max(three) <= 4 * min(three):
            return max(three)
    return None


def least_bound(values: Any) -> float:
    """The smallest deviation of the orders whose differences have both signs."""
    sigmas, row = orders(values), np.asarray(values)
    mixed = []
    for sigma in sigmas:
        row = np.diff(row)
        if row.min() < 0 < row.max():
            mixed.append(sigma)
    return min(mixed)


# Noise that is seen at once.


# With seed 14, 17 and 53 the parabola leaves the first three orders within a factor of 5, and not of 4.
@pytest.mark.parametrize("bend", [0.0, 3e-15])
@pytest.mark.parametrize("seed", [*range(20), 53])
def test_noise_that_is_shown_is_twice_the_deviation_of_the_paper(seed, bend):
    """Noise of some twenty roundings, alone and on a parabola: one probing suffices."""
    values = 1.0 + bend * np.arange(8.0) ** 2 + 5e-15 * draws(seed)
    sigma = by_the_paper(values)
    assert sigma is not None
    level, asked = level_of(lambda t, at: values)
    assert level == pytest.approx(2 * sigma, rel=1e-9, abs=0)
    assert near_to(asked, FIRST)


def test_bends_hide_low_orders_and_noise_is_read_from_higher_ones():
    """A parabola of 1e-12 under noise of 5e-15: the first orders are of one sign, or grow apart."""
    values = 1.0 + 1e-12 * np.arange(8.0) ** 2 + 5e-15 * draws(3)
    assert orders(values)[0] > 30 * orders(values)[3]
    level, _ = level_of(lambda t, at: values)
    assert level == pytest.approx(2 * by_the_paper(values), rel=1e-9, abs=0)


def test_rounding_is_the_least_noise_there_is():
    """exp at its usual spacing: at least one ulp, at most a few."""
    level, asked = level_of(lambda t, at: np.exp(t))
    assert EPS <= level <= 20 * EPS
    assert near_to(asked, FIRST)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_growth_is_no_noise_though_its_orders_agree(sign):
    """6^k: each order of differences is five times the last, all of one sign; and nearer to x nothing is left of it."""
    values = 1.0 + sign * math.pi * 1e-11 * 6.0 ** np.arange(8.0)
    sizes = orders(values)
    assert max(sizes[:3]) < 4 * min(sizes[:3])
    level, asked = level_of(lambda t, at: values if at == FIRST else 1.0)
    assert near_to(asked, FIRST, NEAR)
    assert level <= 2 * EPS


# Too few different values: further apart.


def test_values_that_are_alike_are_probed_three_hundred_times_as_wide():
    """1e-11 of a slope is two roundings over seven first spacings; over the wider ones the noise is seen."""
    values = 1.0 + 5e-15 * draws(1)
    level, asked = level_of(lambda t, at: values if abs(at) > 1e-5 else 1.0)
    assert level == pytest.approx(2 * by_the_paper(values), rel=1e-9, abs=0)
    assert near_to(asked, FIRST, -WIDE)
    # Which is what others are told who ask how far a probe may go.
    assert -7 * asked[-1] == pytest.approx(WIDEST * FIRST, rel=1e-9, abs=0)


def test_the_same_value_everywhere_is_constant():
    """So it is said, with the rounding of the value for its noise; zero has none."""
    noise, asked = estimated(lambda t, at: -math.pi, lambda t, at: 0.0, lambda t, at: np.exp(t))
    assert noise.constant.tolist() == [True, True, False]
    assert noise.level[:2].tolist() == [math.pi * EPS, 0.0]
    assert near_to(asked, FIRST, -WIDE)


def test_constant_is_not_said_of_one_side_of_x():
    """A rectifier at 0, probed to the left, and a step at 4: the wider look is on the other side."""
    noise, asked = estimated(lambda t, at: np.maximum(-t, 0.0), lambda t, at: np.floor(4.0 + t))
    assert near_to(asked, FIRST, -WIDE)
    assert noise.constant.tolist() == [False, False]
    # The slope is that of the side on which f moves.
    assert noise.slope[0] == pytest.approx(1.0, rel=1e-9, abs=0)
    # Where bounds forbid the other side, or f is not finite there, it is this side again.
    assert near_to(estimated(lambda t, at: 1.0 + 0.0 * t, back=False)[1], FIRST, WIDE)
    edge = estimated(lambda t, at: np.where(t < 0, np.nan, 1.0))
    assert near_to(edge[1], FIRST, -WIDE, WIDE)
    assert edge[0].constant.tolist() == [True]


@pytest.mark.parametrize(("highest", "asked_for"), [(2, [FIRST, WIDE]), (3, [FIRST])])
def test_three_different_values_are_alike_and_four_are_not(highest, asked_for):
    """Of three nothing can be told about the roundings of f."""
    steps = np.array([0, 1, 2, 0, 1, highest, 1, 0])
    _, asked = level_of(lambda t, at: 1.0 + 16 * EPS * steps)
    assert near_to(asked, *asked_for)


def test_where_no_spacing_shows_the_noise_the_smallest_bound_of_all_counts():
    """Two values sixteen roundings apart, and half a period of a sine: the least of the orders with both signs."""
    first = 1.0 + 16 * EPS * np.array([0, 0, 0, 1, 0, 0, 0, 0])
    bend = 1.0 + 1e-6 * np.sin(0.4 * np.arange(8.0) + 0.6)
    assert by_the_paper(bend) is None
    assert least_bound(bend) > 50 * min(orders(bend))
    level, asked = level_of(lambda t, at: first if abs(at) < 1e-5 else bend)
    assert near_to(asked, FIRST, WIDE)
    assert level == pytest.approx(2 * least_bound(first), rel=1e-9, abs=0)
    flat, _ = level_of(lambda t, at: 1.0 if abs(at) < 1e-5 else bend)
    assert flat == pytest.approx(2 * least_bound(bend), rel=1e-9, abs=0)


# Too much for rounding: nearer.


def test_noise_stays_when_the_points_move_together():
    """1e-3 at both spacings: twice the larger of the two deviations, and both are asked for."""
    output = noisy({FIRST: 1e-3, NEAR: 1e-3})
    wide, near = (by_the_paper(output(np.zeros(8), at)) for at in (FIRST, NEAR))
    assert wide is not None
    assert near is not None
    level, asked = level_of(output)
    assert level == pytest.approx(2 * max(wide, near), rel=1e-9, abs=0)
    assert near_to(asked, FIRST, NEAR)


@pytest.mark.parametrize("at", [0.0, 0.5, 2.5, 6.5])
def test_a_kink_or_a_jump_is_no_noise(at):
    """It lies between two of the points, or at x: nearer it is gone, or in the first points alone.

    A slope that turns by a power of ten over the spacing would be taken for steps of a rounded part.
    """
    for f in (lambda t: math.e * np.abs(t - at * FIRST), lambda t: 1e-3 * (t > at * FIRST)):
        level, _ = level_of(lambda t, _, f=f: 1.0 + 3.0 * np.sin(t) + f(t))
        assert level <= 20 * EPS


@pytest.mark.parametrize(("wide", "near"), [(1e-5, 1e-5), (1e-5, 2e-6), (2e-6, 1e-5)])
def test_a_jump_at_x_leaves_the_noise_of_the_other_points(wide, near):
    """The least, over one to three values left out, of the largest order beyond the first; of either spacing."""
    base = noisy({FIRST: wide, NEAR: near})

    def jumping(t, at):
        return base(t, at) + 0.03 * (t == 0)

    seen = [max(orders(base(np.zeros(8), at)[first:])[1:]) for at in (FIRST, NEAR) for first in (1, 2, 3)]
    level, asked = level_of(jumping)
    assert near_to(asked[:2], FIRST, NEAR)
    assert level == pytest.approx(2 * min(seen), rel=1e-9, abs=0)


def test_much_less_noise_nearer_to_x_is_believed_when_it_is_seen_twice():
    """1e-3, then 1e-5 at both narrow spacings: an oscillation lay between; the larger of the two counts."""
    output = noisy({FIRST: 1e-3, NEAR: 1e-5, OTHER: 1e-5})
    twice = max(by_the_paper(output(np.zeros(8), at)) or 0.0 for at in (NEAR, OTHER))
    level, asked = level_of(output)
    assert level == pytest.approx(2 * twice, rel=1e-9, abs=0)
    assert near_to(asked, FIRST, NEAR, OTHER)


@pytest.mark.parametrize("luck", [5e-5, 5e-6])
def test_noise_that_looks_small_by_chance_is_not_believed(luck):
    """1e-3, then far less, but again 1e-3 at another spacing as narrow."""
    output = noisy({FIRST: 1e-3, NEAR: luck, OTHER: 1e-3})
    level, asked = level_of(output)
    assert level >= 2 * (by_the_paper(output(np.zeros(8), FIRST)) or 0.0) * (1 - 1e-9)
    assert near_to(asked, FIRST, NEAR, OTHER)


def test_what_shrinks_with_the_spacing_is_a_kink_and_leaves_rounding():
    """1e-3 at the first spacing, 1e-6 at a thousandth of it: in proportion."""
    level, asked = level_of(noisy({FIRST: 1e-3, NEAR: 1e-6}))
    assert level <= 20 * EPS
    assert near_to(asked, FIRST, NEAR)


def test_what_shrinks_less_than_the_spacing_is_noise():
    """A hundredth of 1e-3 at a thousandth of the spacing is not in proportion."""
    level, _ = level_of(noisy({FIRST: 1e-3, NEAR: 1e-5, OTHER: 1e-5}))
    assert level > 1e-6


@pytest.mark.parametrize(
    ("part", "level", "again"),
    [(2.9e-3, 0.0, []), (3.1e-3, 3.1e-3, [OTHER]), (0.099, 0.099, [OTHER]), (0.101, 1.0, [])],
)
def test_noise_a_thousand_times_nearer_is_none_less_or_as_much(part, level, again):
    """Below three thousandths of the first it went with the spacing; below a tenth it is asked for twice."""
    unit = draws(1)

    def output(t, at):
        return 1.0 + 1e-3 * unit * (1.0 if at == FIRST else part)

    found, asked = level_of(output)
    assert near_to(asked, FIRST, NEAR, *again)
    usual = by_the_paper(1e-3 * unit)
    assert usual is not None
    assert found == pytest.approx(2 * level * usual, rel=1e-6, abs=20 * EPS)


@pytest.mark.parametrize(("last", "believed"), [(1e-4, True), (0.5, False)])
def test_noise_as_large_as_f_is_looked_at_where_points_can_hardly_be_told_apart(last, believed):
    """Half of f at all spacings is noise, unless it is far less at 64 roundings of x: a fast oscillation."""
    output = noisy({FIRST: 0.5, NEAR: 0.5, LAST: last})
    level, asked = level_of(output)
    assert near_to(asked, FIRST, NEAR, LAST)
    usual = max(by_the_paper(output(np.zeros(8), at)) or 0.0 for at in (FIRST, NEAR))
    smooth = by_the_paper(output(np.zeros(8), LAST))
    assert smooth is not None
    assert level == pytest.approx(2 * (smooth if believed else usual), rel=1e-9, abs=0)


@pytest.mark.parametrize(("part", "nearly_all"), [(0.01, False), (0.5, True)])
def test_noise_is_nearly_all_of_f_relative_to_f(part, nearly_all):
    """Around 100 as around 1: one part in a hundred is noise, a half is worth another look."""
    for around in (0.01, 1.0, 100.0):
        _, asked = level_of(noisy(dict.fromkeys((FIRST, NEAR, LAST), part * around), around))
        assert near_to(asked, *([FIRST, NEAR, LAST] if nearly_all else [FIRST, NEAR]))


def test_points_that_cannot_be_told_apart_show_no_less_noise():
    """The same value at all of the nearest points is no evidence of a smooth f, nor is one that is not finite."""
    for nearest in (1.0, np.nan):
        base = noisy({FIRST: 0.5, NEAR: 0.5})
        level, asked = level_of(
            lambda t, at, n=nearest, base=base: n if math.isclose(at, LAST) else base(t, at)
        )
        assert near_to(asked, FIRST, NEAR, LAST)
        assert level > 0.5


# Off the domain.


@pytest.mark.parametrize(("back", "inside"), [(True, -NEAR), (False, NEAR)])
def test_off_the_domain_points_are_taken_nearer_and_on_the_other_side(back, inside):
    """nan on the first points; an output that is finite there keeps what they said."""
    values, kept = 1.0 + 5e-15 * draws(5), 1.0 + 5e-15 * draws(6)

    def edge(t, at):
        return np.nan if math.isclose(at, FIRST) else values

    noise, asked = estimated(edge, lambda t, at: kept if math.isclose(at, FIRST) else np.nan, back=back)
    assert near_to(asked, FIRST, inside)
    assert noise.level == pytest.approx([2 * by_the_paper(values), 2 * by_the_paper(kept)], rel=1e-9, abs=0)


@pytest.mark.parametrize("beyond", [np.inf, -np.inf, 1.7e308])
def test_values_beyond_all_others_are_taken_in_silence(beyond):
    """inf on the first points as nan is; differences that overflow are no numbers, and no warning."""
    values = 1.0 + 5e-15 * draws(5)
    signs = np.array([1, 1, -1, 1, -1, -1, 1, 1])
    level, asked = level_of(lambda t, at: beyond * signs if at == FIRST else values)
    if np.isinf(beyond):
        assert near_to(asked, FIRST, -NEAR)
        assert level == pytest.approx(2 * by_the_paper(values), rel=1e-9, abs=0)
    else:
        assert level > 0


def test_where_nothing_is_finite_but_x_the_rounding_of_f_is_all_that_is_known():
    """No deviation is made up."""
    noise, _ = estimated(lambda t, at: np.where(t == 0, 2.0, np.nan))
    assert noise.level.tolist() == [2.0 * EPS]
    assert noise.constant.tolist() == [True]


def at_the_edge(x: float) -> float:
    """A number for x <= 0 alone."""
    if x > 0:
        raise ValueError("off the domain")
    return math.exp(x)


def test_the_other_side_of_x_is_looked_at_unless_it_may_not_be():
    """x = 0 at the edge of the domain: eight values on the left, or f(x) alone."""
    parameters, flat = Parameters.of(0.0)
    line = Lines.rays(flat, [np.ones(1)])
    found = measure_noise(Objective(at_the_edge, parameters), line, np.ones(1))
    values = found.values[np.isfinite(found.values)]
    assert values.size == 8
    assert values.max() == 1.0
    assert EPS <= found.level <= 20 * EPS
    alone = measure_noise(Objective(at_the_edge, parameters), line, np.ones(1), back=False).values
    assert alone[np.isfinite(alone)].tolist() == [1.0]


def test_long_doubles_keep_their_digits():
    """exp of a long double is known to more than a double holds, where there is such a type."""
    x = np.longdouble(1)
    parameters, flat = Parameters.of(x)
    line = Lines.rays(flat, [np.ones(1, np.longdouble)])
    found = measure_noise(Objective(np.exp, parameters), line, np.array([np.exp(x)]))
    assert found.digits == str(np.dtype(np.longdouble))
    eps = float(np.finfo(np.longdouble).eps)
    assert eps <= found.level <= 100 * eps


class Asked:
    """Stands for an objective: notes the offsets along the line, and answers."""

    def __init__(self, f: Callable[[np.ndarray], Any]) -> None:
        self.parameters = Parameters.of(0.0)[0]
        self.f, self.asked = f, []

    def line(self, line: Any, offsets: Any) -> Any:
        """(k, 1) values."""
        self.asked.append(offsets.tolist())
        return np.asarray(self.f(offsets), float)[:, None]


@pytest.mark.parametrize("fewer", [np.float16, np.float32])
def test_where_values_have_few_bits_two_more_far_away_are_looked_at(fewer):
    """A tenth of the scale on either side; on one side as far as the widest probe, 300 times the first, and half."""
    spacing = 1e-3
    for back, far in ((True, [-0.1, 0.1]), (False, [1.05, 2.1])):
        for beyond in (fewer, np.float64):
            # What cancels beside x has few bits, and more of them far away.
            known: Any = Asked(
                lambda t, beyond=beyond: np.exp(t).astype(fewer if t.max() < 0.05 else beyond).astype(float)
            )
            found = measure_noise(
                known, Lines.rays(np.zeros(1), [np.ones(1)]), np.ones(1), spacing, back=back
            )
            assert known.asked[0] == pytest.approx(spacing * np.arange(1.0, 8.0))
            assert [at for at in known.asked if len(at) == 2] == [pytest.approx(far)]
            assert found.digits == np.dtype(beyond).name
    double: Any = Asked(np.exp)
    assert measure_noise(double, Lines.rays(np.zeros(1), [np.ones(1)]), np.ones(1)).digits == "float64"
    assert [len(offsets) for offsets in double.asked] == [7, 1]


def test_the_rounding_of_negative_values_is_that_of_their_size():
    """From -8 to -1 in steps that round: at least an ulp of the largest."""
    level, _ = level_of(lambda t, at: (np.arange(8.0) - 8.0) * math.pi)
    assert level >= 8 * math.pi * EPS


# The grid of f.


def test_a_grid_that_is_all_there_is_leaves_six_tenths_of_its_step():
    """Values rounded to 1e-6 show no more than the grid: half a step, with a margin."""
    level, asked = level_of(lambda t, at: np.round(1.0 + 0.2 * t, 6))
    assert near_to(asked, FIRST, WIDE)
    assert level == pytest.approx(0.6e-6, rel=1e-9, abs=0)


def test_noise_beyond_the_grid_is_twice_its_deviation():
    """Steps of 1e-6 under noise of 1e-4."""
    output = noisy({FIRST: 1e-4, NEAR: 1e-4})
    level, _ = level_of(lambda t, at: np.round(output(t, at), 6))
    seen = max(by_the_paper(np.round(output(np.zeros(8), at), 6)) or 0.0 for at in (FIRST, NEAR))
    assert level == pytest.approx(2 * seen, rel=1e-9, abs=0)


def test_what_the_wider_spacing_sees_beyond_a_grid_is_not_all_noise():
    """On the first points nothing but the grid of 1e-6; an oscillation of 1e-3 over the wider ones is not its noise."""
    level, asked = level_of(lambda t, at: np.round(1.0 + (1e-3 * draws(4) if abs(at) > 1e-5 else 0.0), 6))
    assert near_to(asked, FIRST, -WIDE)
    assert level <= 2e-6 * (1 + 1e-9)


@pytest.mark.parametrize(("highest", "still"), [(2, True), (3, False)])
def test_two_steps_of_a_grid_on_the_first_points_are_the_grid_alone(highest, still):
    """Up to 2 steps above 1, then noise of a thousand: not more than a step is taken for it. With 3 it is."""
    step = 2.0**-20
    near = 1.0 + step * np.array([0, 1, highest, 0, 1, 0, 0, 1])
    wide = 1.0 + step * np.round(1000 * draws(8))
    level, asked = level_of(lambda t, at: near if abs(at) < 1e-5 else wide)
    assert near_to(asked, FIRST, WIDE)
    seen = by_the_paper(wide)
    assert seen is not None
    assert level == pytest.approx(2 * step if still else 2 * seen, rel=1e-9, abs=0)


@pytest.mark.parametrize(
    ("size", "stays", "noise"), [(1000, 0, False), (1000, 2, True), (10, 2, False), (5000, 0, True)]
)
def test_what_stays_and_goes_by_many_steps_of_a_grid_moves_by_jumps(size, stays, noise):
    """Flat on the first points. No oscillation has neighbours that are the same, or thousands of steps, beside that."""
    step = 2.0**-22
    rise = np.round(size * np.array([1.0, -0.7, 1.3, -1.1, 0.8, -1.2, 0.9])) + 1.0  # odd: on no coarser grid
    rise[2 : 2 + stays] = 0.0
    wide = 1.0 + step * np.cumsum([0.0, *rise])
    seen = by_the_paper(wide)
    assert seen is not None
    level, _ = level_of(lambda t, at: 1.0 if abs(at) < 1e-5 else wide)
    assert level == pytest.approx(2 * seen if noise else 2 * step, rel=1e-9, abs=0)


@pytest.mark.parametrize("x_rounds", [False, True])
def test_jumps_of_an_f_whose_x_rounds_are_no_oscillation(x_rounds):
    """It stays at 1e-9 for x does not move there; an x of all digits does, and the grid is all the noise there is."""
    step = 2.0**-22
    first = 1.0 + step * np.array([0.0, 0.0, 301.0, 301.0, 91.0, 91.0, -251.0, 0.0])
    at = eight_at(lambda spacing: np.ones((8, 1)) if spacing < 1e-7 else first[:, None])
    noise = estimate_noise(at, FIRST, back=True, x_rounds=x_rounds)
    seen = by_the_paper(first)
    assert seen is not None
    assert float(noise.level[0]) == pytest.approx(2 * seen if x_rounds else 2 * step, rel=1e-9, abs=0)


def test_noise_within_three_quarters_of_a_step_is_the_grid_alone():
    """0 and 1 at random have a deviation of about half a step: 0.6 steps; of more than a step, a step counts."""
    step = 2.0**-20
    for steps, level in (([0, 1, 0, 1, 0, 0, 0, 0], 0.6), ([0, 2, 2, 3, 1, 3, 2, 0], 2.0)):
        wide = 1.0 + step * np.array(steps)
        seen = by_the_paper(wide)
        assert seen is not None
        assert (0.3 * step < seen < 0.75 * step) if level < 1 else (step < seen < 1.75 * step)
        found, _ = level_of(lambda t, at, wide=wide: 1.0 if abs(at) < 1e-5 else wide)
        assert found == pytest.approx(level * step, rel=1e-9, abs=0)


@pytest.mark.parametrize(("step", "grid_alone"), [(2.0**-20, True), (2.0**-10, False)])
def test_steps_of_a_grid_near_to_x_are_the_grid_alone_where_they_are_small(step, grid_alone):
    """Noise of 4e-3 on the first points, one step up and down nearer: of a millionth, or as large as that noise."""
    first = 1.0 + step * np.round(4e-3 / step * draws(8))
    first[-1] = first[0]  # no slope, which would add what float32 makes of x
    near = 1.0 + step * np.array([0, 1, 0, 0, 1, 1, 0, 1])
    level, asked = level_of(lambda t, at: first if at == FIRST else near)
    assert near_to(asked, FIRST, NEAR)
    seen = by_the_paper(first)
    assert seen is not None
    assert level == pytest.approx(2 * (step if grid_alone else seen), rel=1e-9, abs=0)


def test_where_f_rounds_to_float32_it_may_round_x_too():
    """The unit roundoff of float32 times the slope: 2^-24 * 3e4 beside a grid of 2^-23; of float64 nothing is added."""

    def line(t, at):
        return 1.0 + 1e4 * math.pi * t

    noise, _ = estimated(lambda t, at: line(t, at).astype(np.float32), line)
    assert noise.digits.tolist() == ["float32", "float64"]
    assert noise.level[0] == pytest.approx(2.0**-24 * noise.slope[0], rel=1e-9, abs=0)
    assert noise.level[1] <= 20 * EPS


def test_values_that_tower_above_f_of_x_say_nothing_of_its_rounding():
    """1e28 t (1 + t): the rounding of what is 1e22 is none of the 1 or the 0 that f is at x; noise is."""
    level, _ = level_of(lambda t, at: 1.0 + 1e28 * t * (1.0 + t))
    assert level == EPS
    assert level_of(lambda t, at: 1e28 * t * (1.0 + t))[0] == 0.0
    # A thousand times f(x), and a little more or less.
    assert level_of(lambda t, at: 1.0 + 999.5 * t / (7.0 * FIRST))[0] == EPS
    assert level_of(lambda t, at: 1.0 + 998.5 * t / (7.0 * FIRST))[0] >= 999.5 * EPS
    # Twenty roundings of the largest value are more than rounding.
    values = np.concatenate([[0.0], 1e22 + 100 * EPS * 1e22 * draws(3)[1:]])
    assert level_of(lambda t, at: values)[0] > 20 * EPS * 1e22
    # So are sixteen and a half, by the largest order that the values show without the first, or the first few.
    values = np.concatenate([[0.0], 1e22 * (1.0 + 9.5 * EPS * draws(3)[1:])])
    seen = 2 * min(max(orders(values[first:])[1:]) for first in (1, 2, 3))
    assert 16.1 < seen / (EPS * values.max()) < 16.9
    assert level_of(lambda t, at: values)[0] == pytest.approx(seen, rel=1e-9)
    # And a value that is not small beside them is off by what they are.
    assert level_of(lambda t, at: 1.0 + 100.0 * t / FIRST)[0] >= EPS * 700


def test_terms_that_cancel_leave_whole_roundings_of_theirs():
    """Eight values in a line on whole numbers of 2^-62, a hundred times their own roundings: 0.6 of these, not 0."""
    grid = 2.0**-62

    def in_a_line(t: np.ndarray, at: float) -> np.ndarray:
        return np.arange(8.0) * np.round(at / grid) * grid

    assert level_of(in_a_line)[0] == pytest.approx(0.6 * grid, rel=1e-12, abs=0)
    # Other lines round by their own size, which is none at x.
    assert level_of(lambda t, at: t / 3.0)[0] == 0.0


# Slopes, values, and outputs side by side.


def test_the_slope_is_the_chord_over_the_first_points():
    """Seven spacings; a falling f has a positive one too."""
    noise, _ = estimated(lambda t, at: 5.0 - 3.0 * t, lambda t, at: 2.0 + 4.0 * t, spacing=1e-4)
    assert noise.slope == pytest.approx([3.0, 4.0], rel=1e-9, abs=0)


def test_a_slope_that_the_first_points_show_is_not_that_of_wider_ones():
    """16 roundings up at the last of them, and f that falls by 1 farther out; beside one that never moves."""
    up = 1.0 + 16 * EPS * (np.arange(8.0) == 7)
    noise, asked = estimated(lambda t, at: up if at == FIRST else 1.0 - np.abs(t), lambda t, at: 3.0)
    assert near_to(asked, FIRST, -WIDE)
    assert noise.slope == pytest.approx([16 * EPS / (7 * FIRST), 0.0], rel=1e-9, abs=0)


def test_values_that_were_not_looked_at_are_not_reported():
    """The second output alone was looked at more widely, the third more nearly: nan elsewhere."""
    noise, asked = estimated(lambda t, at: np.exp(t), lambda t, at: 1.0, noisy(dict.fromkeys(ALL, 1e-3)))
    assert near_to(asked, FIRST, -WIDE, NEAR)
    finite = np.isfinite(noise.values).reshape(3, 8, 3)
    assert finite.all(axis=1).tolist() == [[True, True, True], [False, True, False], [False, False, True]]
    assert finite.any(axis=1).tolist() == finite.all(axis=1).tolist()


KINDS: list[Output] = [
    lambda t, at: np.exp(t),
    lambda t, at: 1.0 + 5e-15 * draws(2),
    lambda t, at: 3.0,
    lambda t, at: np.round(1.0 + 0.37 * t, 6),
    lambda t, at: 1.0 + np.abs(t - 2.5e-6),
    noisy(dict.fromkeys(ALL, 1e-3)),
    noisy({FIRST: 1e-3, WIDE: 1.0, NEAR: 1e-5, OTHER: 1e-5, LAST: 1.0}),
    noisy({FIRST: 0.5, WIDE: 0.5, NEAR: 0.5, OTHER: 0.5, LAST: 1e-4}),
    lambda t, at: np.where(t > 1e-8, np.nan, 1.0 + 5e-15 * draws(9)),
    lambda t, at: 1e200 * np.exp(t),
    lambda t, at: (1.0 + np.sin(1e5 * t)).astype(np.float32),
    lambda t, at: 1.0 + math.pi * 1e-11 * 6.0 ** np.arange(8.0) * (at == FIRST),
    lambda t, at: (
        noisy({FIRST: 1e-5, NEAR: 2e-6}, 1.0)(t, at) + 0.03 * (t == 0) if at in (FIRST, NEAR) else 1.0
    ),
    # What the other spacings would say about these is not asked.
    noisy(dict.fromkeys(ALL, 5e-14) | {FIRST: 5e-15}),
    lambda t, at: 1.0 + 5e-15 * draws(11) * (at == FIRST),
    lambda t, at: 1.0 + 5e-15 * draws(1) * (abs(at) > 1e-5),
    lambda t, at: np.round(1.0 + 1e-3 * draws(4) * (abs(at) > 1e-5), 6),
    lambda t, at: 1.0 + 2.0**-20 * (np.round(4e3 * draws(8)) if at == FIRST else np.arange(8) % 2),
]


@pytest.mark.slow
def test_outputs_side_by_side_have_the_noise_that_each_has_alone():
    """What one of them needs to be looked at again for says nothing about the others; thousands of them at once."""
    together, _ = estimated(*KINDS)
    many, _ = estimated(*KINDS * 200)
    for k, kind in enumerate(KINDS):
        alone, _ = estimated(kind)
        for noise in (together, many):
            assert noise.level[k] == alone.level[0], k
            assert noise.slope[k] == pytest.approx(alone.slope[0], nan_ok=True), k
            assert noise.digits[k] == alone.digits[0], k
            assert noise.constant[k] == alone.constant[0], k
    assert (many.level.reshape(200, -1) == together.level).all()


def test_outputs_are_looked_at_a_few_at_a_time(monkeypatch):
    """So that their differences stay in the cache: five at once, and the last two, are told as each alone."""
    monkeypatch.setattr(outputs, "TOGETHER", 5)
    parts, _ = estimated(*KINDS)
    for k, kind in enumerate(KINDS):
        alone, _ = estimated(kind)
        assert parts.level[k] == alone.level[0], k
        assert parts.slope[k] == pytest.approx(alone.slope[0], nan_ok=True), k
        assert (parts.digits[k], parts.constant[k]) == (alone.digits[0], alone.constant[0]), k


# Outputs that never moved.


HALF_SINGLE = 2.0**-24


def still_beside(
    f_x: list[float],
    level: list[float],
    still: list[bool],
    digits: list[str] | None = None,
    seen: int = 8,
) -> list[float]:
    """What is made of the levels of outputs of which some never moved; each was seen at so many points."""
    values = np.full((8, len(f_x)), np.nan)
    values[:seen] = f_x
    names = np.array(digits or ["float64"] * len(f_x), object)
    noise = Noise(np.array(level), np.zeros(len(f_x)), names, np.array(still), values, np.array(still))
    told = with_still_outputs(noise, np.array(f_x))
    assert told.constant.tolist() == [each and seen > 1 for each in still]
    return told.level.tolist()


def test_a_value_that_never_moved_is_rounded_as_a_float32_at_most():
    """0.6 of its spacing, 1.2 half ones; unless it has the digits of a decimal, of which it is off by 0.6."""
    at_most = still_beside(
        [1.0, -3.0, 1.0, 1.0], [9.0, 9.0, 1e-9, 9.0], [True] * 4, [*["float64"] * 3, "decimal"]
    )
    assert at_most == pytest.approx([1.2 * HALF_SINGLE, 3.6 * HALF_SINGLE, 1e-9, 9.0], rel=1e-12, abs=0)
    # Eight digits; 0.3 is written so by chance.
    assert still_beside([0.12345678, 0.3], [1e-12, 1e-12], [True, True]) == pytest.approx(
        [6e-9, 1e-12], abs=0
    )
    # What moves, or was seen at x alone, is as it was.
    assert still_beside([0.12345678, 0.12345678], [9.0, 1e-12], [False, True])[0] == 9.0
    assert still_beside([0.12345678], [1e-12], [False]) == [1e-12]
    assert still_beside([0.12345678], [1e-12], [True], seen=1) == [1e-12]
    assert still_beside([0.12345678], [1e-12], [True], seen=2) == pytest.approx([6e-9], abs=0)
    once = np.where(np.arange(8)[:, None] > [7, 0], np.nan, 1.0)
    noise = Noise(
        np.zeros(2), np.zeros(2), np.array(["float64"] * 2, object), np.ones(2, bool), once, np.zeros(2, bool)
    )
    assert with_still_outputs(noise, np.ones(2)).constant.tolist() == [True, False]


def test_where_others_are_decimals_a_value_that_never_moved_may_be_one_of_theirs():
    """The finest of those that move."""
    digits = ["decimal", "decimal", "float64", "float64", "decimal", "float64"]
    still = [False, False, False, True, True, True]
    level = [1e-3, 1e-4, 1e-6, 1e-9, 1e-5, 1e-2]
    found = still_beside([5.0, 5.0, 5.0, 1.0, 1.0, 2.0**20], level, still, digits)
    assert found == pytest.approx([1e-3, 1e-4, 1e-6, 1e-4, 1e-4, 1e-2], abs=0)


def test_0_may_be_what_is_left_of_terms_as_large_as_the_others():
    """It is off by the median of what they are; in single precision so is a small number, by its lowest bit."""
    f_x, still = [5.0, 5.0, 5.0, 0.0, 2.0**-30, 1.0], [False, False, False, True, True, True]
    level = [1e-10, 1e-9, 8e-9, 1e-15, 1e-17, 1e-15]
    double, single = ["float64"] * 6, [*["float64"] * 2, "float32", *["float64"] * 3]
    assert still_beside(f_x, level, still, double) == pytest.approx([*level[:3], 1e-9, 1e-17, 1e-15], abs=0)
    lowest = 0.6 * 2.0**-30  # 5.6e-10
    for names in (single, [*["float64"] * 2, "float16", *["float64"] * 3]):
        assert still_beside(f_x, level, still, names) == pytest.approx(
            [*level[:3], 1e-9, lowest, 1e-15], abs=0
        )
    # Not where it is larger than theirs, nor by what those say that do not move.
    level = [1e-10, 5e-10, 8e-9, 1e-8, 1e-17, 1e-15]
    assert still_beside(f_x, level, still, single) == pytest.approx([*level[:3], 5e-10, 1e-17, 1e-15], abs=0)
    names = [*["float64"] * 5, "float32"]
    level[1] = 1e-9
    assert still_beside(f_x, level, still, names)[4] == 1e-17
    assert still_beside([0.0, 2.0**-30], [1e-15, 1e-17], [True, True], ["float32"] * 2) == [0.0, 1e-17]


def test_the_first_spacing_is_wider_where_x_is_held_in_fewer_digits():
    """64 roundings of x, where that is more than 1e-6."""
    assert first_spacing(EPS) == FIRST_SPACING
    assert first_spacing(2.0**-24) == 2.0**-18
