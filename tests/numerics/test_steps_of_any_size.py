"""Jumps of a part of f that is rounded, to steps of any size: they stay however near two points come."""

import numpy as np
import pytest

from gradcheck.numerics.noise import estimate_noise
from gradcheck.numerics.rounding import HALVINGS, TIMES, granularity, jump_of, jumps, on_stairs, seem_free

POINTS = np.arange(8.0) * 1e-6


def asked(f):
    """Values (k, m) at the points, and how often f is asked between them."""
    calls = []

    def at(offsets):
        calls.append(float(offsets[0]))
        return np.array([[f(calls[-1])]])

    return at, np.array([[f(t)] for t in POINTS.tolist()]), calls


@pytest.mark.parametrize("step", [2.0**-20 / 80.0, 0.7e-7, 3e-7 / 7.0])
def test_a_rounded_part_beside_a_smooth_one_jumps_by_its_step(step):
    """0.1 t rounded to it, and 0.02 t beside that."""
    at, values, calls = asked(lambda t: step * np.floor(0.1 * t / step + 0.3) + 0.02 * t)
    rows, slope = np.ones(1, bool), np.array([0.02])
    for noise in (None, np.array([0.3 * step])):
        calls.clear()
        assert jumps(at, POINTS, values, slope, rows, noise) == pytest.approx([step], rel=1e-2)
        assert TIMES <= len(calls) <= 20


def test_jumps_far_smaller_than_what_f_changes_by_are_found_where_their_noise_is_known():
    """A hundred of them in an interval: their standard deviation is 0.29 steps."""
    step = 1e-9
    at, values, _ = asked(lambda t: step * np.floor(0.1 * t / step + 0.3) + 0.02 * t)
    rows, slope = np.ones(1, bool), np.array([0.02])
    assert jumps(at, POINTS, values, slope, rows).tolist() == [0.0]
    assert jumps(at, POINTS, values, slope, rows, np.array([0.3 * step])) == pytest.approx([step], rel=1e-2)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: 0.02 * t + np.maximum(0.0, t - 2.3e-6),
        lambda t: 0.02 * t + 1e-7 * np.sin(3e6 * t),
        lambda t: 0.02 * t + np.sqrt(np.abs(t - 3.1e-6)),
    ],
    ids=["a kink", "an oscillation", "a root"],
)
def test_what_is_continuous_has_no_jump(f):
    """What is left of its change falls with the interval; it is given up then."""
    at, values, calls = asked(f)
    assert jump_of(at, POINTS, values, np.array([0.02]), 0) == 0.0
    assert len(calls) <= HALVINGS
    assert jumps(at, POINTS, values, np.array([0.02]), np.ones(1, bool)).tolist() == [0.0]


@pytest.mark.parametrize(("offset", "step"), [(1.0, 1e-6 / 7.0), (1e8, 0.0)])
def test_what_is_a_rounding_of_f_is_no_jump(offset, step):
    """1e8 is off by 64 times 2e-8 at the most; of rows of one f three tell, and others jump as they change."""
    at, values, calls = asked(lambda t: offset + np.floor(0.3 * t / 1e-6 * 7.0 + 0.3) * 1e-6 / 7.0)
    rows = np.ones(5, bool)

    def together(offsets):
        return np.repeat(at(offsets), 5, axis=1)

    found = jumps(together, POINTS, np.repeat(values, 5, axis=1), np.zeros(5), rows)
    assert found[:3] == pytest.approx(np.full(3, step), rel=1e-2, abs=1e-12)
    assert (found[3:] > 0).tolist() == [step > 0] * 2
    assert len(calls) <= 3 * HALVINGS


def test_one_jump_beside_x_is_no_rounding():
    """Two intervals have to hold one."""
    at, values, calls = asked(lambda t: 0.02 * t + (1e-7 if t > 2.5e-6 else 0.0))
    assert jumps(at, POINTS, values, np.array([0.02]), np.ones(1, bool)).tolist() == [0.0]
    assert calls == []


@pytest.mark.parametrize(
    ("rises", "expected"),
    [
        ([3, 2, 2, 3, 2, 3, 2], True),
        ([0, 1, 0, 1, 0, 1, 0], True),
        ([2, 2, 2, 2, 2, 2, 2], False),
        ([2, 2, 2.4, 3, 3, 3, 3], False),
        ([2, 2, 3, 2, 2, 2, 2], False),
        ([2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6], False),
    ],
    ids=["two and three", "none and one", "a line", "a kink", "one jump", "a parabola"],
)
def test_values_on_stairs_rise_by_a_few_numbers_of_steps(rises, expected):
    """Now by one and now by another, of a step that is a power of nothing."""
    values = 0.3 + 1e-10 / 7.0 * np.concatenate([[0.0], np.cumsum(rises)])
    assert on_stairs(values) is expected


@pytest.mark.parametrize("step", [1e-6 / 7.0, 0.7e-10, 3.3e-9])
def test_two_treads_show_a_grid_of_any_step(step):
    """Values repeat, and differ by whole steps; of one side of a kink alone they repeat as well."""
    stairs = step * np.array([[7.0, 7.0, 8.0, 8.0, 9.0, 10.0]]).T + 0.1
    assert granularity(stairs)[0] == pytest.approx([step], rel=1e-6)
    assert granularity(stairs)[1].tolist() == ["stairs"]
    rectified = np.maximum(0.0, step * np.array([[-3.0, -2.0, -1.0, 0.31, 1.31, 2.31]]).T) + 0.1 / 7.0
    odd = stairs + np.array([[0.0, 0.0, 0.0, 0.0, 0.37, 0.71]]).T * step
    for values in (rectified, odd):
        assert granularity(values)[0].tolist() == [0.0]
    assert not seem_free(stairs / 7.0)
    assert seem_free(np.array([[0.1, 0.2], [0.15, 0.3]]) / 7.0)


def kink(at):
    """From a slope of 0.01 / 7 to one that is larger by 1 / 3."""
    return lambda t: np.pi + 0.01 * t / 7.0 + max(t - at, 0.0) / 3.0


def two_steps_and_then_one_each(t):
    """Steps of 1e-6 / 7 beside a slope of 0.01 / 7."""
    edges = [1e-8, 4e-7, *(1e-6 * k + 1e-8 for k in range(1, 8))]
    return np.pi + 0.01 * t / 7.0 + 1e-6 / 7.0 * sum(t > edge for edge in edges)


@pytest.mark.parametrize(
    ("f", "looked"), [(kink(1e-8), False), (kink(2.3e-6), False), (two_steps_and_then_one_each, True)]
)
def test_jumps_are_looked_for_where_what_f_rises_by_falls(f, looked):
    """All but the first points show no noise: beyond a kink f rises by as much each time, and never by less again."""
    asked = []

    def at(offsets):
        if offsets.size == 1:
            asked.append(offsets[0])
        return np.array([[f(t)] for t in offsets.tolist()])

    found = estimate_noise(at, 1e-6, back=True)
    assert found.level[0] == pytest.approx(0.6e-6 / 7.0 if looked else 0.0, rel=0.01, abs=1e-15)
    assert any(offset < 7e-6 for offset in asked) is looked


def test_jumps_to_and_fro_are_no_steps():
    """Their sum is next to nothing: between them f has the slope that it has over all of them."""
    at, values, calls = asked(lambda t: 0.02 * t + 1e-8 * (int(t / 1e-6 + 0.5) % 2))
    assert jumps(at, POINTS, values, np.array([0.02]), np.ones(1, bool)).tolist() == [0.0]
    assert calls == []
