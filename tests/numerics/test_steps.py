"""What a fit says about the next step: each state of a search, one line a state; values by hand.

A case says what differs from a quiet line: step 1, f(x) = 1000, a slope of 1 with a bar of 3 E = 3 and neither noise
nor bends, no bounds, smallest step 1e-6. Wanted are 3 E = 0.1 (precise) and 0.2 (resolved) unless a case says so.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.function.lines import Lines
from gradcheck.numerics.differences import estimate, measure
from gradcheck.numerics.stencils import SIDED_NODES, STENCIL, Fit
from gradcheck.numerics.steps import Search, State
from gradcheck.parameters.tree import Parameters
from gradcheck.results.outcome import Limit

FLAGS = ("kinked", "jumping", "stepped", "finite")
QUIET = {"value": 1.0, "left": 1.0, "right": 1.0, "chord": 1.0, "finite": True, "finite_side": 1}
NUMBERS = [field.name for field in fields(Fit) if field.name not in (*FLAGS, "finite_side")]
STATE = {"f_x": 1e3, "error": 1.0, "kept_value": 1.0, "kept_step": 1.0, "kept_kink": 1.0}
SIZES = {"f_x": 0.0, "level": 0.0, "dtype": np.dtype(float)}


def fit_of(cases: list[dict[str, Any]]) -> Fit:
    """What the last stencils said, one line a case."""
    parts: dict[str, Any] = {}
    for field in fields(Fit):
        values = [case.get(field.name, QUIET.get(field.name, 0.0)) for case in cases]
        kind = {"finite_side": np.int8} | dict.fromkeys(FLAGS, bool)
        parts[field.name] = np.array(values, kind.get(field.name, float))
    return Fit(**parts)


def searching(*cases: dict[str, Any], served: bool = False) -> tuple[Search, Fit]:
    """A search in these states, one line a case, and what the last stencils said."""
    m = len(cases)
    search = Search.of(np.ones(m), np.full(m, 1e-6), served=served, **SIZES)
    known = {field.name for field in fields(Fit)} | {"precise", "resolved"}
    for row, case in enumerate(cases):
        for name, value in (STATE | case).items():
            if name in known:
                continue
            if name == "kept_step" or not name.startswith("kept_"):
                getattr(search, name)[row] = value
            else:
                getattr(search.kept, name.removeprefix("kept_"))[row] = value
    return search, fit_of(list(cases))


def planned(*cases: dict[str, Any], served: bool = False) -> tuple[Search, list[bool]]:
    """The search after its next steps were chosen, and whether each case is worth another stencil."""
    search, fit = searching(*cases, served=served)
    wanted = (
        [case.get(name, usual) for case in cases] for name, usual in (("precise", 0.1), ("resolved", 0.2))
    )
    again = search.plan(fit, *(np.array(each) for each in wanted))
    return search, again.tolist()


def steps(*cases: dict[str, Any], served: bool = False) -> list[float]:
    """The next step of each case; 0 for those that end."""
    search, again = planned(*cases, served=served)
    return [float(step) if go else 0.0 for step, go in zip(search.step, again, strict=True)]


# What bends, and what noise leaves


def test_a_step_that_bends_shrinks_to_where_noise_and_bends_balance():
    """(noise / 4 bends)^(1/5), between 1/1000 and 1/2; what bends less than three times its noise is no bend."""
    bent = {"truncation": 0.75, "kink": 0.25}  # bends of 1
    assert steps(
        bent | {"noise": 4.0 / 1024.0},  # (1 / 1024)^(1/5)
        bent | {"noise": 4.0 / 1024.0, "step": 2.0},
        bent,
        bent | {"noise": 4e-20},  # 1e-4
        bent | {"noise": 0.3},  # 0.075^(1/5) = 0.596
        bent | {"noise": 0.34, "widened": 4},
        bent | {"noise": 4.0 / 1024.0, "finite": False, "shrunk": 3},
        bent | {"noise": 4.0 / 1024.0, "smallest": 0.24},
        bent | {"noise": 4.0 / 1024.0, "smallest": 0.26},
        bent | {"smallest": 1e-3},
    ) == pytest.approx([0.25, 0.5, 1e-3, 1e-3, 0.5, 0.0, 1.0 / 256.0, 0.25, 0.0, 1e-3], rel=1e-12)
    search, _ = planned(bent | {"noise": 4.0 / 1024.0}, bent | {"shrunk": 1}, {})
    assert search.shrunk.tolist() == [1, 2, 0]
    assert search.widened.tolist() == [0, 0, 1]
    assert search.last_bends.tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert search.last_step.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_what_serves_is_left_where_little_is_to_be_had():
    """Precise; or resolved, and balanced: the step would shrink by less than 0.3."""
    bent = {"truncation": 1.0, "noise": 4.0 / 1024.0}
    crude = {"truncation": 1.0, "noise": 0.3}
    assert steps(
        bent | {"precise": 3.0},
        bent | {"precise": 2.9},
        bent | {"resolved": 3.0},
        crude | {"resolved": 3.0},
        crude | {"resolved": 2.9},
        # Twice the bar, of which half is what a fit that contradicts lies apart.
        bent | {"precise": 3.1, "conflict": 0.5},
        bent | {"precise": 4.6, "conflict": 0.5},
        {"precise": 3.0, "resolved": 9.0},
    ) == pytest.approx([0.0, 0.25, 0.25, 0.0, 0.5, 0.25, 0.0, 0.0], rel=1e-12)


def test_what_bends_as_far_as_f_is_large_is_precise_by_no_bar():
    """Truncation times the step, over 0.03 of f(x) or of what f moves by, which is all there is where f(x) is 0."""
    fine = {"precise": 3.0, "noise": 0.0, "step": 2.0}  # steps by a thousandth where bent
    assert steps(
        fine | {"truncation": 15.1},
        fine | {"truncation": 14.9},
        fine | {"truncation": 15.1, "f_x": -1e3},
        fine | {"truncation": 14.9, "f_x": -1e3},
        fine | {"truncation": 0.61, "f_x": 1.0, "chord": 20.0},
        fine | {"truncation": 0.59, "f_x": 1.0, "chord": 20.0},
        fine | {"truncation": 0.61, "f_x": 0.0, "chord": 20.0},
        fine | {"truncation": 0.59, "f_x": 0.0, "chord": 20.0},
        fine | {"truncation": 15.0},  # 0.03 of 1000, just
        fine | {"truncation": 15.1, "error": 0.1, "precise": 0.3},
    ) == pytest.approx([2e-3, 0.0, 2e-3, 0.0, 2e-3, 0.0, 2e-3, 0.0, 0.0, 2e-3], rel=1e-12)


def test_a_fit_that_contradicts_the_kept_one_is_asked_again_at_a_quarter_of_the_step():
    """Where it neither bends, which says by how much, nor has a kink."""
    contested = {"conflict": 1.0, "shrunk": 1}
    assert steps(
        contested,
        contested | {"truncation": 1.0},
        contested | {"truncation": 1.0, "noise": 0.4},
        contested | {"kinked": True},
        contested | {"finite": False},
        {"conflict": 0.0, "shrunk": 2, "error": 1.2},
    ) == pytest.approx([0.25, 1e-3, 0.25, 1.0 / 32.0, 1.0 / 256.0, 0.0], rel=1e-12)


def test_a_kink_is_followed_as_long_as_noise_does_not_hide_it():
    """A 32nd of the step, where six times the noise is then less than the kink; one that does not matter bends."""
    kink = {"kinked": True, "kink": 1.0}
    assert steps(
        kink,
        kink | {"noise": 1.0 / 193.0},
        kink | {"noise": 1.0 / 191.0},
        kink | {"resolved": 2.9},
        kink | {"resolved": 3.1},
        kink | {"resolved": 3.1, "kept_kink": 1.1},
        kink | {"precise": 3.0},
        kink | {"resolved": 3.0},
    ) == pytest.approx([1 / 32, 1 / 32, 0.0, 1 / 32, 1e-3, 1 / 32, 0.0, 1e-3], rel=1e-12)


# Longer steps


def test_a_quiet_step_grows_where_its_bar_is_too_wide():
    """By the balance of noise and bends, or a tenth of what is missing; eightfold at least, 300 at most."""
    noisy = {"noise": 1.0, "truncation": 2.0**-27}  # (2^25)^(1/5) = 32
    assert steps(
        {"resolved": 3.0 / 1.1},
        {"resolved": 3.0 / 0.9},
        {"resolved": 0.03},  # a hundredth: ten
        {"resolved": 3.0 / 4000.0},
        noisy,
        noisy | {"resolved": 3.0 / 400.0},
        {"noise": 1.0, "truncation": 2.0**-47},  # 2^9
        {"largest": 5.0},
        {"largest": 1.0},
        {"largest": 1.1},
        {"left_room": 4.0},
        {"right_room": 4.0},
        {"right_room": 4.0, "left_room": 4.0, "side": 1},
        {"resolved": 3.0},
    ) == pytest.approx(
        [8.0, 0.0, 10.0, 300.0, 32.0, 40.0, 300.0, 5.0, 0.0, 1.1, 1.98, 1.98, 8.0, 0.0], rel=1e-12
    )


def test_where_steps_have_served_others_only_a_bar_beyond_what_verifies_makes_them_grow():
    """1 / 0.3 of what resolves."""
    assert steps({"resolved": 3.0 / 3.3}, {"resolved": 3.0 / 3.4}, served=True) == [0.0, 8.0]
    assert steps({"resolved": 3.0 / 3.3}, {"resolved": 3.0 / 3.4}) == [8.0, 8.0]


def test_a_resolved_slope_is_worth_a_longer_step_where_it_is_all_noise():
    """Ten times what bends, and a bar a hundred times what is wanted at best; not once a step has shrunk."""
    noisy = {"noise": 1.0, "truncation": 2.0**-27, "resolved": 4.0, "precise": 0.0299}
    assert steps(
        noisy,
        noisy | {"precise": 0.03},
        noisy | {"shrunk": 1},
        noisy | {"truncation": 0.099},
        noisy | {"truncation": 0.101},
        noisy | {"truncation": 0.05, "kink": 0.051},
        noisy | {"truncation": 0.0},
        {"noise": 0.0, "resolved": 4.0, "precise": 0.029},
    ) == pytest.approx([32.0, 0.0, 0.0, 8.0, 0.0, 0.0, 300.0, 0.0], rel=1e-12)


def test_a_step_may_grow_four_times_and_as_long_as_that_helps():
    """Never after it shrank, but for the first shrinking of all; told by the count of both, and the last bar."""
    search, fit = searching(
        {},
        {"widened": 3},
        {"widened": 4},
        {"shrunk": 1},
        {"shrunk": 1, "widened": 1},
        {"shrunk": 2},
        {"widened": 1, "noise": 0.9},
        {"widened": 1, "noise": 1.1},
        {"widened": 0, "noise": 1.1},
        {"widened": 1, "finite": False},
        {"widened": 1, "noise": 0.5, "truncation": 0.6},
        {"widened": 1, "noise": 1.0, "value": 0.0},
    )
    may = [True, True, False, True, False, False, True, False, True, False, False, True]
    assert search._may_widen(fit).tolist() == may


def test_a_leap_that_went_too_far_is_taken_back_a_little():
    """Twice the step, where less than sixteen times is missing; two such at most; of steps that have served, too."""
    back = {"shrunk": 2}  # 15 times are missing
    assert steps(
        back,
        back | {"resolved": 3.0 / 15.9},
        back | {"resolved": 3.0 / 16.1},
        back | {"resolved": 3.0 / 1.1},
        back | {"resolved": 3.0 / 0.9},
        back | {"widened": 1},
        back | {"widened": 2},
        back | {"largest": 1.5},
        {"shrunk": 1},
        {"shrunk": 1, "resolved": 3.0 / 16.1},
        back | {"resolved": 3.0 / 16.0},
        back | {"resolved": 3.0},
    ) == pytest.approx([2.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 1.5, 2.0, 8.0, 0.0, 0.0], rel=1e-12)
    assert steps(back, served=True) == [2.0]
    search, _ = planned(back, back | {"widened": 2}, {"finite": False}, back | {"widened": 1})
    assert search.widened.tolist() == [1, 2, 0, 2]
    assert search.shrunk.tolist() == [2, 2, 0, 2]


# Off the domain


def test_off_the_domain_steps_come_closer_and_then_take_one_side():
    """A 256th; the fourth time back to the first, on the side where f is finite, and then on the other."""
    off = {"finite": False, "error": np.inf}
    search, again = planned(
        off, off | {"off_domain": 3}, off | {"off_domain": 3, "side": 1}, off | {"off_domain": 7, "side": -1}, {},
        off | {"off_domain": 4, "side": 1}, off | {"off_domain": 1},
    )  # fmt: skip
    assert again == [True] * 7
    near, far = 1.0 / 256.0, 256.0**3
    assert search.step.tolist() == [near, far, far, far, 8.0, near, near]
    assert search.side.tolist() == [0, 1, -1, 1, 0, 1, 0]
    assert search.off_domain.tolist() == [1, 4, 4, 8, 0, 5, 2]
    assert search.shrunk.tolist() == [0] * 7
    assert search.limit.tolist() == [Limit.DOMAIN] * 4 + [Limit.NOISE, Limit.DOMAIN, Limit.DOMAIN]
    search, fit = searching(*(off | {"off_domain": 3, "finite_side": side} for side in (-1, 1)))
    search._retreat(fit, np.array([True, True]))
    assert search.side.tolist() == [-1, 1]


def test_off_the_domain_where_a_shorter_step_has_served_steps_go_between():
    """The geometric mean, as long as that is below 0.7 of the longer one; nothing, where the bar is precise."""
    off = {"finite": False}
    search, again = planned(
        off | {"kept_step": 1.0 / 16.0},
        off | {"kept_step": 0.5},
        off | {"kept_step": 0.48},
        off | {"kept_step": 1.0, "step": 0.5},
        off | {"kept_step": 1.0},
        off | {"kept_step": 0.25, "error": np.inf},
        off | {"kept_step": 1.0 / 16.0, "precise": 3.0},
        off | {"kept_step": 1.0, "step": 4.0},
        off | {"kept_step": 0.49},
    )
    assert again == [True, False, True, True, True, True, False, True, True]
    between = [0.25, 0.48**0.5, 0.5 / 256.0, 1.0 / 256.0, 1.0 / 256.0, 2.0]
    assert [search.step[k] for k in (0, 2, 3, 4, 5, 7)] == pytest.approx(between, rel=1e-12)
    assert search.off_domain.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert search.limit[0] is Limit.NOISE
    assert search.limit[3] is Limit.DOMAIN


# The last round


def test_after_the_last_round_only_what_limits_a_row_is_said():
    """No row is worth another stencil."""
    bent = {"truncation": 1.0, "noise": 4.0 / 1024.0}
    for last, worth in ((False, [True, False, True]), (True, [False] * 3)):
        search, fit = searching(bent, {"error": 0.0}, bent | {"kinked": True, "kink": 1.0})
        assert search.plan(fit, np.full(3, 0.1), np.full(3, 0.2), last=last).tolist() == worth
        assert search.limit.tolist() == [Limit.TRUNCATION, Limit.NONE, Limit.KINK]


# The inner step


def test_where_every_larger_step_has_failed_the_inner_one_is_taken_once():
    """It bends and the step can shrink no more, or three fits in a row were refuted; not where it serves."""
    bent = {"truncation": 1.0, "noise": 4.0 / 1024.0, "inner": 1e-9}
    stuck = bent | {"smallest": 0.5, "conflict": 0.5, "conflicts": 1, "side": 1}
    search, again = planned(
        stuck,
        bent | {"conflicts": 3},
        bent | {"conflicts": 2},
        stuck | {"inner": np.nan},
        stuck | {"resolved": 4.6},
        stuck | {"resolved": 4.4},
        bent | {"smallest": 0.9, "noise": 0.3},
        {"smallest": 9.0, "inner": 1e-9},
        bent | {"smallest": 0.5, "resolved": 3.0},
    )
    assert again == [True, True, True, False, False, True, True, False, False]
    assert [search.step[k] for k in (0, 1, 2, 5, 6)] == pytest.approx(
        [1e-9, 1e-9, 0.25, 1e-9, 1e-9], rel=1e-12
    )
    for k in (0, 1, 5, 6):
        afresh = (search.error[k], search.conflict[k], search.conflicts[k], search.side[k])
        assert afresh == (np.inf, 0.0, 0, 0)
        assert np.isnan(search.inner[k])
        assert search.smallest[k] == pytest.approx(1e-12, rel=1e-12, abs=0)
    assert (search.error[2], search.conflicts[2], search.inner[2], search.smallest[2]) == (1.0, 2, 1e-9, 1e-6)
    assert (search.error[4], search.side[4], search.inner[4]) == (1.0, 1, 1e-9)
    assert search.shrunk.tolist() == [1, 1, 1, 0, 0, 1, 1, 0, 0]


# More noise than was measured


def test_shorter_steps_that_bend_more_show_noise():
    """Leaps, three times, then noise: more than 1.5 times as much, or 0.3 of the ratio of the steps."""
    more = {"truncation": 2.0, "last_step": 2.0, "last_bends": 1.0, "noise": 0.4, "kept_step": 2.0}
    cases: list[dict[str, Any]] = [
        more,
        more | {"shrunk": 2},
        more | {"shrunk": 3},
        more | {"shrunk": 3, "truncation": 1.6},
        more | {"shrunk": 3, "truncation": 1.4},
        more | {"shrunk": 3, "last_step": 10.0, "truncation": 3.1},
        more | {"shrunk": 3, "last_step": 10.0, "truncation": 2.9},
        more | {"shrunk": 3, "last_step": 1.0},
        more | {"shrunk": 3, "last_step": 1.01},
        more | {"shrunk": 3, "inner": 1e-9},
        more | {"shrunk": 2, "inner": 1e-9},
        more | {"shrunk": 3, "level": 5.0},
        more | {"shrunk": 3, "step": 0.5, "last_step": 1.0, "truncation": 2.0},
        {"truncation": 2.0},
        more | {"shrunk": 3, "kink": 1.0},
        more | {"shrunk": 3, "truncation": 1.5},
        more | {"shrunk": 3, "truncation": 2.9, "last_bends": 2.0},
        more | {"shrunk": 3, "truncation": 3.3, "last_bends": 2.0},
    ]
    search, fit = searching(*cases)
    state = search._states(fit, np.full(len(cases), 0.2))
    assert np.flatnonzero(state == State.LEAPING).tolist() == [0, 1, 10]
    assert np.flatnonzero(state == State.NOISY).tolist() == [2, 3, 5, 8, 11, 12, 14, 17]
    assert np.flatnonzero(state == State.BENT).tolist() == [4, 6, 7, 9, 13, 15, 16]
    search._believe_noise(fit, state == State.NOISY)
    # The noise of one value: bends times the step over 3; three times that over the step of the kept fit.
    level = [0, 0, 2 / 3, 1.6 / 3, 0, 3.1 / 3, 0, 0, 2 / 3, 0, 0, 5.0, 1 / 3, 0, 1.0, 0, 0, 1.1]
    assert search.level == pytest.approx(level, rel=1e-12)
    bars = [1, 1, 2, 1.8, 1, 2.55, 1, 1, 2, 1, 1, 2, 1.5, 1, 2.5, 1, 1, 2.65]
    assert search.error == pytest.approx(bars, rel=1e-12)
    # What is off the domain, or has a kink, shows none.
    last = more | {"shrunk": 3}
    search, _ = planned(last | {"finite": False}, last | {"kinked": True}, last | {"noise": 0.7})
    assert search.level.tolist() == [0.0, 0.0, 2 / 3]
    # A step that leaps because of it, one that ends with it, and one that shrinks on to the inner step.
    assert steps(more, last | {"resolved": 9.0}, last | {"inner": 1e-9}) == [1e-3, 0.0, 0.5]


def test_noise_as_large_as_f_has_no_bar():
    """0.03 of f and thirty times what was measured, a thousand where f(x) cancels."""
    noise = {"shrunk": 3, "last_step": 2.0, "last_bends": 1.0, "truncation": 31.0, "noise": 1.0, "f_x": 1e3}
    cancels = noise | {"f_x": 3.0, "chord": 110.0}
    search, fit = searching(
        noise,
        noise | {"truncation": 29.0, "f_x": 900.0},
        noise | {"f_x": 1040.0},
        noise | {"f_x": -1e3},
        noise | {"f_x": -1040.0},
        noise | {"step": 0.5, "f_x": 500.0},
        noise | {"step": 0.5, "f_x": 520.0},
        cancels,
        cancels | {"truncation": 1001.0},
        cancels | {"chord": 90.0},
        cancels | {"f_x": -3.0},
        cancels | {"step": 0.5, "f_x": 3.0, "chord": 190.0},
        cancels | {"step": 0.5, "f_x": 3.0, "chord": 210.0},
        noise | {"truncation": 1001.0, "f_x": 1e9},
        # Equal is not more.
        noise | {"truncation": 30.0, "noise": 0.5, "f_x": 1e3},
        noise | {"truncation": 30.0, "f_x": 900.0},
        cancels | {"chord": 100.0},
    )
    search._believe_noise(fit, np.ones(fit.value.size, bool))
    lost = [True, False, False, True, False, True, False, False, True, True, False, True, False]
    assert np.isinf(search.error).tolist() == [*lost, *[False] * 4]


# As near as numbers allow


def test_values_that_tower_above_f_of_x_are_looked_at_from_as_near_as_can_be():
    """A thousand times f(x) and its noise, where the slope is not seen or not resolved, on both sides, once."""
    towering = {"f_x": 1e-3, "chord": 1.1}
    cases: list[dict[str, Any]] = [
        towering,
        towering | {"chord": 0.9},
        towering | {"f_x": -1e-3},
        towering | {"f_x": 0.0, "level": 1e-3},
        towering | {"f_x": 0.0, "level": 1.2e-3},
        towering | {"chord": 0.6, "step": 2.0},
        towering | {"nearest": 1},
        towering | {"side": 1},
        towering | {"side": -1},
        towering | {"chord": 1.0},
    ]
    search, fit = searching(*cases)
    found = search._towering(fit, np.ones(len(cases), bool))
    assert found.tolist() == [True, False, True, True, False, True, False, False, False, False]
    values = (2.9, 3.1, -2.9, -3.1, 3.0)
    seen = [
        *(towering | {"kept_value": value} for value in values),
        towering | {"kept_value": 5.9, "error": 2.0},
    ]
    search, fit = searching(*seen)
    found = search._towering(fit, np.zeros(len(seen), bool))
    assert found.tolist() == [True, False, True, False, True, True]


def test_the_nearest_step_is_four_of_the_smallest_or_what_x_at_0_allows():
    """sqrt(1000 least / b) where f moves by b h^2: from 1 by 1e8, of f(x) = 1e-15, (1e-12 / 1e8)^(1/2)."""
    at_zero = {"f_x": 1e-15, "chord": 1e8, "at_zero": True}
    cases: list[dict[str, Any]] = [
        at_zero,
        at_zero | {"f_x": -1e-15},
        at_zero | {"at_zero": False},
        at_zero | {"f_x": 0.0, "level": 1e-13},
        at_zero | {"f_x": 0.0, "chord": 1e13},  # 1e-290, as no smaller number counts
        at_zero | {"step": 4.0},
        at_zero | {"f_x": 1.0},
        at_zero | {"chord": 0.0},
        at_zero | {"chord": np.inf},
    ]
    search, fit = searching(*cases)
    near = [1e-10, 1e-10, 4e-6, 1e-9, 1e-150, 2e-10, 4e-6, 4e-6, 4e-6]
    assert search._beneath(fit) == pytest.approx(near, rel=1e-9, abs=0)


def test_the_nearest_look_is_taken_once_and_ends_the_search():
    """By lines whose values tower and that neither bend nor left the domain; what it leaves precise is so."""
    towering = {"f_x": 1e-4, "chord": 1.0, "resolved": 1e-3}
    search, again = planned(
        towering,
        towering | {"resolved": 4.0, "kept_value": 4.0},
        towering | {"resolved": 4.0, "kept_value": 2.0},
        towering | {"truncation": 1.0},
        towering | {"kinked": True, "kink": 1.0},
        towering | {"conflict": 1.0},
        towering | {"finite": False, "error": np.inf},
        towering | {"nearest": 2, "precise": 3.0},
        towering | {"nearest": 2, "precise": 2.9},
        {"nearest": 2},
        towering | {"shrunk": 2, "widened": 2},
        {},
        towering | {"resolved": 3.0, "kept_value": 4.0},
        towering | {"nearest": 2, "error": 0.5, "precise": 1.6},
    )  # fmt: skip
    assert again == [True, False, True, True, True, True, True, False, False, False, True, True, False, False]
    assert search.nearest.tolist() == [1, 0, 1, 0, 0, 0, 0, 2, 2, 2, 1, 0, 0, 2]
    taken = [4e-6, 1.0, 4e-6, 1e-3, 1 / 32, 0.25, 1 / 256, 1.0, 1.0, 1.0, 4e-6, 8.0, 1.0, 1.0]
    assert search.step == pytest.approx(taken, rel=1e-12)
    assert search.limit[7:10].tolist() == [Limit.NONE, Limit.BUDGET, Limit.BUDGET]
    assert search.limit[13] is Limit.NONE
    assert search.shrunk[10] == 2
    assert search.widened.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0]


# What is said of a line that ends


def test_what_limits_a_bar_is_named():
    """Noise, unless it bends, jumps after a step has shrunk and beyond noise, has a kink or is off the domain."""
    jump = {"jumping": True, "shrunk": 1, "truncation": 0.4, "kink": 0.6, "noise": 0.3}
    seen = {"kept_kinked": True, "noise": 0.06, "level": 1e-7}
    search, _ = planned(
        {},
        {"truncation": 1.0},
        jump,
        jump | {"shrunk": 0},
        jump | {"noise": 0.34},
        jump | {"jumping": False},
        jump | {"finite": False},
        jump | {"kinked": True},
        jump | {"precise": 3.0},
        seen,
        seen | {"level": 1.1e-7},
        seen | {"noise": 0.04},
        {"conflict": 1.0},
        {"finite": False, "kept_step": 0.5},
    )
    assert search.limit.tolist() == [
        Limit.NOISE, Limit.TRUNCATION, Limit.JUMP, Limit.TRUNCATION, Limit.NOISE, Limit.TRUNCATION, Limit.DOMAIN,
        Limit.KINK, Limit.NONE, Limit.KINK, Limit.NOISE, Limit.NOISE, Limit.NOISE, Limit.NOISE,
    ]  # fmt: skip


# What is kept


def keeping(*cases: dict[str, Any]) -> tuple[Search, list[bool]]:
    """The search after these fits were offered, and which were taken: all of value 2 but where a case says so."""
    changed = [{"value": 2.0, "noise": 0.5, "step": 0.5} | case for case in cases]
    search, fit = searching(*changed)
    search.keep(fit)
    return search, (search.kept_step == search.step).tolist()


def test_the_fit_with_the_smaller_bar_is_kept():
    """All of it; of one that is not finite nothing."""
    search, taken = keeping(
        {"error": np.inf},
        {"error": 0.6, "kept_value": 2.0},
        {"error": 0.4, "kept_value": 2.0},
        {"error": np.inf, "finite": False},
    )
    assert taken == [True, True, False, False]
    assert search.error == pytest.approx([0.5, 0.5, 0.4, np.inf], rel=1e-9)
    assert search.kept.value.tolist() == [2.0, 2.0, 2.0, 1.0]
    parts = {name: float(k) for k, name in enumerate(NUMBERS, start=3)}
    search, taken = keeping(parts | {"error": 99.0, "kinked": True, "step": 0.25})
    assert {name: float(getattr(search.kept, name)[0]) for name in NUMBERS} == parts
    assert search.kept.kinked.tolist() == [True]
    assert search.error[0] == pytest.approx(parts["noise"] + parts["truncation"] + parts["kink"], rel=1e-9)


def test_of_two_fits_that_contradict_each_other_the_nearer_is_kept_and_covers_the_other():
    """Farther apart than both bars: the shorter step, unless noise makes it three times cruder or f does not change."""
    clash = {"value": 2.0, "kept_value": 1.0, "noise": 0.2, "error": 0.1, "conflicts": 1, "conflict": 0.3}
    search, taken = keeping(
        clash,
        clash | {"step": 1.0},
        clash | {"noise": 0.29},
        clash | {"noise": 0.31},
        clash | {"chord": 0.0},
        clash | {"value": 1.29},
        clash | {"value": 1.31},
        clash | {"value": 0.69},
        clash | {"finite": False},
        clash | {"error": np.inf},
        clash | {"value": 1.1, "noise": 0.05},
        # Equal is not more: 0.75 is three times 0.25, and 1 is both together.
        clash | {"value": 0.0, "kept_value": 2.0, "noise": 0.75, "error": 0.25},
        clash | {"value": 0.0, "kept_value": 1.0, "noise": 0.75, "error": 0.25},
    )
    assert taken[:1] + taken[2:] == [
        True,
        True,
        False,
        False,
        False,
        True,
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    assert search.kept.value[1] == 1.0
    contested = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.31, 0.31, 0.3, 0.3, 0.0, 2.0, 0.0]
    assert search.conflict == pytest.approx(contested, rel=1e-9)
    assert search.conflicts.tolist() == [2, 2, 2, 2, 2, 0, 2, 2, 1, 1, 0, 2, 0]


def test_far_below_the_first_step_truncation_counts_five_times():
    """There it may be noise that was never measured: once a step has shrunk or retreated twice."""
    crude = {"error": 9.0, "noise": 0.0, "truncation": 0.25}
    search, _ = keeping(
        crude | {"shrunk": 1},
        crude | {"off_domain": 1},
        crude | {"shrunk": 1, "off_domain": 1},
        crude | {"shrunk": 2},
        crude | {"shrunk": 2, "off_domain": 2},
    )
    assert search.error == pytest.approx([0.25, 0.25, 1.25, 1.25, 1.25], rel=1e-9)


def test_the_slopes_of_a_kink_are_those_of_a_fit_that_sees_it():
    """Whatever its bar: nearer than one that does not; and of two that do the one whose sides have smaller bars."""
    kink = {"kinked": True, "error": 0.1, "kept_value": 2.0, "kept_sided": 1.0, "sided": 2.0}
    seen = kink | {"kept_kinked": True}
    search, taken = keeping(
        kink,
        kink | {"finite": False},
        kink | {"kinked": False},
        kink | {"kept_step": 0.4},
        seen | {"sided": 0.9},
        seen | {"sided": 1.1},
        seen | {"sided": 1.1, "error": 0.9},
        seen | {"kinked": False, "error": 0.9},
        seen | {"sided": 1.0},
        kink | {"kept_step": 0.5},
    )
    assert taken[:-1] == [True, False, False, False, True, False, False, True, False]
    assert search.kept.kinked.tolist() == [True, False, False, False, True, True, True, False, True, False]


def test_of_two_fits_that_see_a_kink_and_contradict_each_other_the_nearer_counts():
    """The slopes on one side 5 apart, 3 bars of 0.9 and 0.7 are 4.8: another kink lies between the steps."""
    seen = {
        "kinked": True,
        "kept_kinked": True,
        "error": 0.1,
        "kept_value": 2.0,
        "kept_sided": 0.7,
        "sided": 0.9,
    }
    for side in ("left", "right"):
        other = seen | {side: 6.0, f"kept_{side}": 1.0}
        other |= {f"kept_{'left' if side == 'right' else 'right'}": 1.0}
        _, taken = keeping(
            other,
            other | {side: 5.7},
            other | {"kept_step": 0.4},
            other | {"kept_step": 0.4, "sided": 0.6},
            # At half the step noise makes twice as much of a kink: 1.41 times as much is the limit.
            other | {"kink": 1.4},
            other | {"kink": 1.42},
        )
        assert taken == [True, False, False, False, True, False]
    assert keeping(seen | {"left": np.nan, "right": np.nan})[1] == [False]


def test_of_two_fits_of_one_kink_neither_is_known_better_than_they_differ_by_a_little_of_it():
    """Slopes 19 apart at a kink of 2 x 100: noise that few values do not show, or another slight kink. Not 21."""
    seen = {
        "kinked": True,
        "kept_kinked": True,
        "error": 0.1,
        "kept_value": 2.0,
        "kept_sided": 0.2,
        "sided": 0.1,
    }
    seen |= {"kink": 100.0, "kept_kink": 100.0, "left": 1.0, "kept_left": 1.0, "kept_right": 1.0}
    search, taken = keeping(
        seen | {"right": 20.0},
        seen | {"right": 22.0},
        # Within three bars of both they do not contradict each other.
        seen | {"right": 1.8},
    )
    assert taken == [False, True, True]
    assert search.kept.sided.tolist() == [19.0, 0.1, 0.1]


def test_as_near_as_can_be_only_a_slope_that_is_seen_counts():
    """More than three bars from 0, whatever was kept; there is no contradiction, and no second look."""
    near = {"nearest": 1, "error": 0.1, "value": 1.0, "kept_value": 9.0, "conflict": 0.5, "conflicts": 2}
    search, taken = keeping(
        near | {"noise": 0.32},
        near | {"noise": 0.34},
        near | {"noise": 0.32, "value": -1.0},
        near | {"noise": 0.32, "finite": False},
        near | {"noise": 0.2, "nearest": 2},
        near | {"noise": 0.2, "nearest": 0},
        near
        | {"noise": 0.25 - 0.75 * 2.0**-52, "value": 0.75},  # a bar of 0.25, with the rounding of the value
    )
    assert taken == [True, False, True, False, True, True, False]
    assert search.nearest.tolist() == [2, 2, 2, 2, 2, 0, 2]
    assert search.conflict.tolist() == [0.0, 0.0, 0.0, 0.5, 8.0, 8.0, 0.0]
    assert search.conflicts.tolist() == [0, 0, 0, 2, 3, 3, 0]


def test_what_was_kept_is_told_with_its_bar():
    """And what contradicts it; after three contradictions in a row there is none."""
    search, _ = searching(
        {"error": 0.5, "conflict": 0.25},
        {"error": 0.5, "conflicts": 2},
        {"error": 0.5, "conflicts": 3, "conflict": 1.0},
    )
    told = search.found()
    assert told.error.tolist() == [0.75, 0.5, np.inf]
    assert told.value.tolist() == [1.0] * 3
    for name in NUMBERS:
        assert np.array_equal(getattr(told, name), getattr(search.kept, name), equal_nan=True), name
    assert told.step is search.kept_step


# Where f is evaluated


class Told:
    """Stands for an objective: notes where it is evaluated, and answers with the values of f at the offsets."""

    def __init__(self, m: int, f: Any, budget: int = 600) -> None:
        self.parameters, self.flat = Parameters.of(np.zeros(m))
        self.f, self.remaining, self.nfev = f, budget, 0

    def along(self, lines: Any, rows: Any, offsets: Any) -> Any:
        """(k, 6) values."""
        self.rows, self.offsets = rows, offsets
        self.nfev += offsets.size
        return np.array(
            [[float(self.f(row, t)) for t in each] for row, each in zip(rows, offsets, strict=True)]
        )


def measuring(m: int, f: Any, step: Any, *, level: Any = 1e-12, x: float = 0.0, **options: Any) -> Any:
    """A stencil on each of m coordinates of x: the search, the fit, and the objective."""
    told: Any = Told(m, f)
    values = np.array([float(f(row, 0.0)) for row in range(m)])
    search = Search.of(
        np.full(m, step), np.full(m, 1e-9), **SIZES | {"f_x": values, "level": level} | options
    )
    return search, measure(told, Lines.axes(told.parameters, np.full(m, x), np.arange(m)), search), told


def test_first_steps_fit_into_the_room_that_bounds_leave():
    """Both sides where an eighth of the step fits at least twice; else the wider side; none is a fixed coordinate."""
    left = np.array([9.0, 2.0, 1.9, 9.0, 0.25, 0.24, 9.0, 0.1, 0.0, 0.0, 1e-9])
    right = np.array([9.0, 9.0, 9.0, 1.9, 9.0, 9.0, 0.24, 0.1, 0.0, 1e-9, 0.0])
    search = Search.of(np.ones(11), np.full(11, 1e-9), room=(left, right), **SIZES)
    expected = [1.0, 1.0, 0.9405, 0.9405, 0.12375, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert search.step.tolist() == pytest.approx(expected, rel=1e-12)
    assert search.side.tolist() == [0, 0, 0, 0, 0, 1, -1, 1, 1, 1, -1]
    assert search.limit.tolist() == [Limit.BUDGET] * 8 + [Limit.FIXED] + [Limit.BUDGET] * 2
    search = Search.of(np.ones(11), np.full(11, 1e-9), room=(left, right), side=np.full(11, -1), **SIZES)
    assert search.side.tolist() == [-1, -1, -1, -1, -1, 1, -1, 1, 1, 1, -1]
    assert search.side.dtype == np.int8
    room = (np.array([1.1, 0.9]), np.full(2, 9.0))
    shorter = Search.of(np.full(2, 0.5), np.full(2, 1e-9), room=room, **SIZES)
    assert shorter.step.tolist() == pytest.approx([0.5, 0.495 * 0.9], rel=1e-12)
    anywhere = Search.of(np.ones(2), np.full(2, 1e-9), **SIZES)
    assert anywhere.step.tolist() == [1.0, 1.0]
    assert anywhere.limit.tolist() == [Limit.BUDGET] * 2


def test_a_stencil_lies_on_both_sides_of_x_or_on_one_within_its_room():
    """Six points: the step times 0.53, 1 and 1.87; or four steps to one side, or 0.99 of its room."""
    side = np.array([0, 1, -1, 1, -1], np.int8)
    left = np.array([9.0, 1.0, 9.0, 9.0, 1.0])
    right = np.array([9.0, 9.0, 1.0, 1.0, 9.0])
    _, fit, told = measuring(5, lambda row, t: 3.0 * t + 1.0, 0.5, room=(left, right), side=side)
    expected = [0.5 * STENCIL, 2.0 * SIDED_NODES, -2.0 * SIDED_NODES, 0.99 * SIDED_NODES, -0.99 * SIDED_NODES]
    assert told.offsets == pytest.approx(np.array(expected), rel=1e-12)
    assert told.rows.tolist() == [0, 1, 2, 3, 4]
    assert fit.value == pytest.approx([3.0] * 5, rel=1e-9)
    assert np.isnan(fit.left[[1, 3]]).all()
    assert np.isnan(fit.right[[2, 4]]).all()
    assert fit.left[0] == pytest.approx(3.0, rel=1e-9)


def test_points_are_where_x_reaches_them():
    """Beside 1 a step of 1e-15 is four or five roundings."""
    _, _, told = measuring(1, lambda row, t: t, 1e-15, x=1.0)
    expected = (1.0 + 1e-15 * STENCIL) - 1.0
    assert told.offsets[0].tolist() == expected.tolist()


def test_no_more_stencils_are_begun_than_the_budget_allows():
    """Six evaluations each."""
    for budget, count in ((5, 0), (6, 1), (17, 2), (18, 3), (99, 3)):
        told: Any = Told(3, lambda row, t: t, budget)
        found = estimate(
            told, Lines.axes(told.parameters, np.zeros(3), np.arange(3)), 0.0, level=1e-12, step=np.ones(3),
            smallest=np.full(3, 1e-9), wanted=lambda at, _: (np.ones(at.size), np.ones(at.size)), rounds=1,
        )  # fmt: skip
        assert found.nfev == told.nfev == 6 * count
        assert np.isfinite(found.error).tolist() == [True] * count + [False] * (3 - count)
        assert found.limit.tolist() == [Limit.NONE] * count + [Limit.BUDGET] * (3 - count)


def test_noise_as_large_as_f_is_no_slope():
    """More than 0.03 of the largest value; where every value is 0 the noise that was measured is all there is."""
    sizes = [1.0, 1.0, -1.0, 0.0, 0.0, 1.0, 0.125]
    level = np.array([0.03 * 3.73, 0.03 * 3.75, 0.03 * 3.75, 1.0, 0.0, 0.03 * 3.74, 0.03])
    _, fit, _ = measuring(7, lambda row, t: sizes[row] * (t + 1.87), 1.0, level=level)
    assert np.isinf(fit.error).tolist() == [False, True, True, False, False, False, True]
    # The weights of the four values add up to 3.02, over the step.
    assert fit.noise[[0, 3]] == pytest.approx([3.02 * 0.03 * 3.73, 3.02], rel=1e-9)


def test_where_f_is_finite_is_noted():
    """The side on which all three points are; left where neither is."""
    edges = [
        lambda t: t > -0.2,
        lambda t: t < 0.2,
        lambda t: t == 0.0,
        lambda t: t < 1.5,
        lambda t: t != 0.53,
        lambda t: t > -0.7,
    ]
    _, fit, _ = measuring(6, lambda row, t: 1.0 if edges[row](t) else np.nan, 1.0)
    assert fit.finite_side.tolist() == [1, -1, -1, -1, -1, 1]
    assert fit.finite_side.dtype == np.int8
    assert np.isinf(fit.error).all()


def test_a_search_begins_with_nothing_known():
    """In the dtype of x; counts and sides are bytes, so that half a million lines take little memory."""
    sizes: Any = {"f_x": 1.0, "level": 1e-9, "dtype": np.dtype(np.longdouble)}
    search = Search.of(np.ones(2), np.full(2, 1e-6), inner=np.full(2, 0.5), **sizes)
    for name in ("f_x", "level", "step", "smallest", "inner", "error", "conflict", "left_room", "right_room"):
        assert getattr(search, name).dtype == np.longdouble, name
    for name in ("side", "conflicts", "nearest", "shrunk", "widened", "off_domain"):
        assert getattr(search, name).dtype == np.int8, name
        assert getattr(search, name).tolist() == [0, 0], name
    for values in (search.at_zero, search.kept.kinked):
        assert values.dtype == bool
        assert values.tolist() == [False, False]
    for name in ("error", "left_room", "right_room", "largest"):
        assert getattr(search, name).tolist() == [np.inf, np.inf], name
    numbers = [getattr(search.kept, name) for name in NUMBERS]
    for values in (*numbers, search.kept_step, search.last_step, search.last_bends):
        assert np.isnan(values).all()
    assert {values.dtype for values in (*numbers, search.kept_step)} == {np.dtype(np.longdouble)}
    assert search.conflict.tolist() == [0.0, 0.0]
    assert search.limit.tolist() == [Limit.BUDGET] * 2
    assert search.line.tolist() == [0, 1]
    assert search.served is False
    assert (search.f_x.tolist(), search.level.tolist()) == ([1.0, 1.0], [pytest.approx(1e-9)] * 2)
    assert search.inner.tolist() == [0.5, 0.5]
    known = Search.of(
        np.ones(2), np.ones(2), largest=np.array([2.0, 3.0]), at_zero=np.array([True, False]), **sizes
    )
    assert (known.at_zero.tolist(), known.largest.tolist()) == ([True, False], [2.0, 3.0])
    assert np.isnan(known.inner).all()
    assert known.inner.dtype == np.longdouble
    assert search.found().error.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize(("n", "seed"), [(6, 16), (6, 19), (12, 0), (12, 15), (3, 0)])
def test_a_kink_that_noise_hides_at_the_last_step_is_one_still(n: int, seed: int):
    """A lasso at w = 0, a kink from far and near, until the step is 1e-14; slopes outside are wrong."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(2 * n, n)) / n**0.5, rng.normal(size=2 * n)

    def check(slope: float, **options: Any) -> Any:
        claimed = -A.T @ b + np.where(np.arange(n) == n - 1, slope, 0.0)
        return check_gradient(
            lambda w: 0.5 * np.sum((A @ w - b) ** 2) + 5.0 * np.abs(w).sum(), claimed, np.zeros(n), **options
        )

    assert check(4.9, subgradient=True).outcome is Outcome.PASS
    assert "kink" in check(4.9).reason
    assert [m.index for m in check(5.1, subgradient=True).wrong] == [(n - 1,)]
    assert [m.index for m in check(-5.1).wrong] == [(n - 1,)]
