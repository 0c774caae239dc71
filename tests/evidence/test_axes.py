"""How single entries are measured: steps, units, limits and room, and what is measured again; values by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck.evidence import axes
from gradcheck.evidence.axes import (
    _in_units,
    _inner_steps,
    _largest_steps,
    _median_by,
    _per_unit,
    _room_of_groups,
    _within_own_size,
    along_axes,
    along_rays,
    anything,
    directions_of,
    first_steps,
    measure,
    measure_once,
)
from gradcheck.evidence.entries import sweep
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

EPS = 2.0**-52
# Two arrays, of three and of two entries.
X = {"a": np.array([1.0, 0.0, -2.0]), "b": np.array([8.0, 1e-3])}
FLAT = np.array([1.0, 0.0, -2.0, 8.0, 1e-3])
SCALES = np.array([1.0, 2.0, 2.0, 8.0, 4.0])


def cubes(x: Any) -> float:
    """A scalar f."""
    return float(np.sum(x["a"] ** 3) + np.sum(x["b"] ** 3))


def two(x: Any) -> Any:
    """Two outputs: sums of squares of each array."""
    return np.array([np.sum(x["a"] ** 2), np.sum(x["b"] ** 2)])


def setting(outputs: int = 1, f: Any = None, **parts: Any) -> Setting:
    """What is known of one of them."""
    parameters, flat = Parameters.of(X)
    if outputs == 1:
        objective = Objective(f or cubes, parameters)
        f_x: Any = objective.value(flat)
    else:
        objective = Objective(f or two, parameters, several=True)
        f_x = objective.at(X)[0]
    given = {
        "level": 1e-15,
        "relative_step": 1e-3,
        "given_scales": SCALES,
        "tolerance": Tolerance(1e-6),
    } | parts
    return Setting(objective, flat, f_x, **given)


def estimate_of(m: int, **parts: Any) -> Estimate:
    """Slopes of 1 with bars of 1e-9."""
    names = (
        "value",
        "error",
        "step",
        "noise",
        "truncation",
        "kink",
        "left",
        "right",
        "sided",
        "curvature",
        "chord",
    )
    usual = {"value": 1.0, "error": 1e-9, "step": 1e-3, "chord": 1.0}
    values = {n: np.broadcast_to(np.asarray(parts.get(n, usual.get(n, 0.0)), float), m).copy() for n in names}
    return Estimate(**values, limit=np.full(m, Limit.NONE, object), nfev=6 * m)


class Asked:
    """Stands for `estimate`: notes the keywords, and answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answer: Any) -> None:
        self.answer = answer
        monkeypatch.setattr(axes, "estimate", self)

    def __call__(self, objective: Any, lines: Any, f_x: Any, **options: Any) -> Estimate:
        self.lines, self.f_x, self.options = lines, f_x, options
        return estimate_of(options["step"].size, **self.answer)


def test_a_step_begins_with_the_scale_of_its_coordinate():
    """Of one output its own part of it; of several the median of those that share the points."""
    assert first_steps(setting(), np.arange(5)) == pytest.approx(1e-3 * SCALES)
    several = setting(2, relative_step=np.array([1e-3, 5e-3]))
    # Output 0 by coordinates 0 and 3, output 1 by coordinate 3.
    entries = np.array([0, 3, 8])
    assert first_steps(several, entries) == pytest.approx([1e-3, 3e-3 * 8, 3e-3 * 8])
    # Moved together: one step for the group, in units of the scales.
    groups = [np.array([0, 3]), np.array([1, 2, 4])]
    together = replace(several, together=groups)
    assert first_steps(together, entries) == pytest.approx([1e-3, 1e-3 * 8, 1e-3 * 8])


def test_the_median_of_a_group_stands_for_its_members():
    """In whatever order they come."""
    found = _median_by(np.array([7, 2, 7, 2, 7]), np.array([1.0, 10.0, 3.0, 20.0, 2.0]))
    assert found.tolist() == [2.0, 15.0, 2.0, 15.0, 2.0]


def test_each_coordinate_has_a_direction_of_its_own_or_that_of_its_group():
    """By number."""
    columns = np.array([4, 0, 3])
    assert directions_of(setting(), columns) is columns
    groups = [np.array([1, 2]), np.array([0, 4]), np.array([3])]
    assert directions_of(setting(together=groups), columns).tolist() == [1, 1, 2]


def test_steps_stay_within_what_x_and_its_array_allow(monkeypatch):
    """64 spacings of x, or of a millionth of its scale; a third of the largest scale; and an entry far smaller."""
    asked = Asked(monkeypatch)
    along_axes(setting(), np.arange(5), np.full(5, 1e-20), anything)
    least = 64 * EPS * np.array([1.0, 2e-6, 2.0, 8.0, 1e-3])
    assert asked.options["smallest"] == pytest.approx(least, rel=1e-12, abs=0)
    assert asked.options["step"] == pytest.approx(least, rel=1e-12, abs=0)
    assert asked.options["largest"] == pytest.approx(0.3 * np.array([2.0, 2.0, 2.0, 8.0, 8.0]), rel=1e-12)
    assert np.isnan(asked.options["inner"]).all()
    assert asked.options["at_zero"].tolist() == [False, True, False, False, False]
    assert (asked.options["unit"], asked.options["room"]) == (None, None)
    assert not asked.options.keys() & {"side", "served", "rounds"}  # as `estimate` has them
    assert asked.options["level"].tolist() == [1e-15] * 5
    along_axes(
        setting(),
        np.arange(5),
        SCALES,
        anything,
        largest=np.full(5, 0.5),
        side=np.ones(5, np.int8),
        served=True,
    )
    assert asked.options["largest"].tolist() == [0.5] * 5
    assert asked.options["side"].tolist() == [1] * 5
    assert asked.options["served"] is True
    assert asked.options["step"] == pytest.approx(SCALES)


def test_coarser_arrays_have_larger_smallest_steps(monkeypatch):
    """Each by the spacing of its own dtype."""
    asked = Asked(monkeypatch)
    parameters, flat = Parameters.of({"a": np.ones(2), "b": np.ones(1, np.float32)})
    objective = Objective(lambda x: 1.0, parameters)
    known = Setting(objective, flat, 1.0, np.ones(3), Tolerance(1e-6), level=1e-15, relative_step=1e-3)
    along_axes(known, np.arange(3), np.ones(3), anything)
    assert asked.options["smallest"] == pytest.approx([64 * EPS, 64 * EPS, 64 * 2.0**-23], rel=1e-12, abs=0)


def test_room_is_that_of_each_coordinate(monkeypatch):
    """Left and right."""
    asked = Asked(monkeypatch)
    room = np.arange(5.0), 10.0 + np.arange(5.0)
    along_axes(setting(room=room), np.array([3, 1]), np.ones(2), anything)
    assert [side.tolist() for side in asked.options["room"]] == [[3.0, 1.0], [13.0, 11.0]]


def test_a_group_has_the_room_of_its_narrowest_member(monkeypatch):
    """In units of the scales; an empty group has all there is."""
    room = np.array([1.0, 2.0, 4.0, 8.0, 1.0]), np.array([2.0, 4.0, 1.0, 16.0, 40.0])
    groups = [np.array([0, 3]), np.array([1, 2]), np.array([4]), np.zeros(0, int)]
    known = setting(2, room=room, together=groups)
    left, right = _room_of_groups(known, np.array([3, 2, 4, 0]))
    assert left.tolist() == [1.0, 1.0, 0.25, 1.0]
    assert right.tolist() == [2.0, 0.5, 10.0, 2.0]
    asked = Asked(monkeypatch)
    along_axes(known, np.array([3, 2]), np.ones(2), anything)
    assert [side.tolist() for side in asked.options["room"]] == [[1.0, 1.0], [2.0, 0.5]]


def test_a_tangent_has_the_room_of_what_first_meets_a_bound_on_each_side(monkeypatch):
    """Left 1, 2 and 4 to go and right 8, 16 and 0.5, along 1, -4 and 0; the third coordinate moves in the other."""
    asked = Asked(monkeypatch)
    room = np.array([1.0, 2.0, 4.0, 9.0, 9.0]), np.array([8.0, 16.0, 0.5, 9.0, 9.0])
    tangents = [np.array([1.0, -4.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, -2.0, 0.0, 0.0])]
    along = setting(room=room)
    along_rays(along, tangents, np.zeros(2, int), np.ones(2), anything)
    # Backwards min(1 / 1, 16 / 4) and 0.5 / 2, ahead min(8 / 1, 2 / 4) and 4 / 2.
    assert [side.tolist() for side in asked.options["room"]] == [[1.0, 0.25], [0.5, 2.0]]


def test_lines_of_a_group_are_measured_in_units_of_their_scales(monkeypatch):
    """Steps and limits are divided by them, slopes as well on the way back, curvatures twice."""
    asked = Asked(monkeypatch, value=8.0, error=4.0, curvature=16.0, step=0.5, chord=2.0)
    groups = [np.array([0, 3]), np.array([1, 2, 4])]
    entries = np.array([1, 8])  # output 0 by a[1], output 1 by b[0]
    known = setting(2, together=groups)
    found = along_axes(known, entries, np.array([0.2, 0.8]), anything)
    assert asked.options["step"] == pytest.approx([0.1, 0.1])
    assert asked.options["largest"] == pytest.approx([0.3, 0.3])
    assert asked.options["unit"] == pytest.approx([1.0, 1.0])
    assert found.value.tolist() == [4.0, 1.0]
    assert found.error.tolist() == [2.0, 0.5]
    assert found.chord.tolist() == [1.0, 0.25]
    assert found.curvature.tolist() == [4.0, 0.25]
    assert found.step.tolist() == [1.0, 4.0]
    tiny = replace(known, x=np.array([1.0, 0.0, -2.0, 8.0, 1e-20]))
    along_axes(tiny, np.array([4]), np.ones(1), lambda at, so_far: (np.ones(1), so_far.value))
    assert asked.options["smallest"] == pytest.approx([64 * EPS * 1e-6], rel=1e-12, abs=0)
    assert asked.options["inner"] == pytest.approx([1e-20 / 16 / 4], rel=1e-12, abs=0)
    # What is wanted of a slope of 8 in units of the line, which is 2 per unit of x: 1 per unit of x, and as much.
    precise, resolved = asked.options["wanted"](np.array([0]), estimate_of(1, value=8.0))
    assert (precise.tolist(), resolved.tolist()) == ([4.0], [8.0])
    # Alone several outputs have steps in units of x, and their scale besides.
    along_axes(setting(2), entries, np.array([0.2, 0.8]), anything)
    assert asked.options["step"] == pytest.approx([0.2, 0.8])
    assert asked.options["unit"] == pytest.approx([2.0, 8.0])


def test_errors_that_are_wanted_are_told_in_units_of_the_lines():
    """What is asked of a slope is asked of it per unit of x."""
    unit = np.array([2.0, 4.0])
    seen = []

    def wanted(at: Any, so_far: Estimate) -> Any:
        seen.append(so_far.value.tolist())
        return np.full(at.size, 1e-6), np.full(at.size, 1e-3)

    precise, resolved = _in_units(wanted, unit)(np.array([1, 0]), estimate_of(2, value=[8.0, 8.0]))
    assert seen == [[2.0, 4.0]]
    assert precise.tolist() == [4e-6, 2e-6]
    assert resolved.tolist() == [4e-3, 2e-3]


def test_slopes_curvatures_and_steps_have_units():
    """All of them, and the rest stays."""
    names = ("value", "error", "noise", "truncation", "kink", "left", "right", "sided", "chord")
    found = _per_unit(estimate_of(1, **dict.fromkeys(names, 6.0), curvature=8.0, step=5.0), np.array([2.0]))
    assert {float(getattr(found, name)[0]) for name in names} == {3.0}
    assert (float(found.curvature[0]), float(found.step[0]), found.nfev) == (2.0, 10.0, 6)


def test_entries_far_smaller_than_their_array_have_steps_of_their_own():
    """A sixteenth of them, below the smallest of the others; none for 0."""
    found = _inner_steps(np.array([16.0, -16.0, 16.0, 0.0]), np.array([1.1, 1.1, 1.0, 1.0]))
    assert found[:2].tolist() == [1.0, 1.0]
    assert np.isnan(found[2:]).all()


def test_no_step_is_longer_than_a_third_of_the_largest_scale():
    """Of the array that the coordinate belongs to."""
    assert _largest_steps(setting(), np.array([0, 1, 0])) == pytest.approx([0.6, 2.4, 0.6])
    parameters, flat = Parameters.of({"a": np.ones(0), "b": np.ones(1)})
    empty = replace(
        setting(), objective=Objective(lambda x: 1.0, parameters), x=flat, given_scales=np.array([0.5])
    )
    assert _largest_steps(empty, np.array([0, 1])) == pytest.approx([0.0, 0.15])


def test_one_stencil_is_one(monkeypatch):
    """At the step that is given, for any error."""
    asked = Asked(monkeypatch)
    measure_once(setting(), np.array([0, 3]), np.array([0.1, 0.2]))
    assert asked.options["rounds"] == 1
    assert asked.options["step"].tolist() == [0.1, 0.2]
    assert [w.tolist() for w in asked.options["wanted"](np.arange(2), None)] == [[np.inf] * 2] * 2


def test_what_is_wanted_is_relative_to_the_estimate_and_its_array(monkeypatch):
    """Rtol of the larger of both, and three tenths of the resolution; with atol in either."""
    asked = Asked(monkeypatch)
    measure(setting(tolerance=Tolerance(1e-6, 1e-4, 1e-2)), np.array([0, 1, 2]))
    so_far = estimate_of(2, value=[3.0, -4.0], chord=[3.0, 4.0])
    precise, resolved = asked.options["wanted"](np.array([0, 2]), so_far)
    typical = np.sqrt((9 + 16) / 2)
    assert precise == pytest.approx([1e-6 * typical + 1e-4, 4e-6 + 1e-4], rel=1e-9)
    assert resolved == pytest.approx([3e-3 * typical + 1e-4, 3e-3 * 4 + 1e-4], rel=1e-9)


def again(monkeypatch: pytest.MonkeyPatch, found: Estimate, budget: int | None = None, **near: Any) -> Any:
    """What is made of an estimate at b[1], of size 1e-3, that was measured beyond it; and what was asked for."""
    asked = Asked(monkeypatch, **near)
    known = setting()
    if budget is not None:
        known = replace(known, objective=Objective(cubes, known.parameters, max_nfev=budget))
    return _within_own_size(known, np.array([4]), found), asked


def test_what_was_measured_beyond_its_own_size_is_measured_within_it(monkeypatch):
    """More than ten times; from a quarter of it on, to half of it, four stencils. At 0 there is no size."""
    for step, asks in ((1.01e-2, True), (10 * 1e-3, False), (0.99e-2, False)):
        _, asked = again(monkeypatch, estimate_of(1, step=step))
        assert hasattr(asked, "options") is asks
        if asks:
            assert asked.options["step"].tolist() == [2.5e-4]
            assert asked.options["largest"].tolist() == [5e-4]
            assert asked.options["rounds"] == 4
            # As usual: what is wanted of a slope of 1 beside others of its size.
            wanted = asked.options["wanted"](np.array([0]), estimate_of(1))
            assert [float(each[0]) for each in wanted] == pytest.approx([1e-6, 3e-4])
    asked = Asked(monkeypatch)
    _within_own_size(setting(), np.array([1]), estimate_of(1, step=9.0))
    assert not hasattr(asked, "options")


def test_six_evaluations_are_wanted_for_that(monkeypatch):
    """Fewer are not begun."""
    far = estimate_of(1, step=1.0)
    assert again(monkeypatch, far, budget=5)[0] is far
    assert hasattr(again(monkeypatch, far, budget=6)[1], "options")
    two = estimate_of(2, step=99.0)
    for budget, asks in ((11, False), (12, True)):
        asked = Asked(monkeypatch)
        known = replace(setting(), objective=Objective(cubes, setting().parameters, max_nfev=budget))
        _within_own_size(known, np.array([3, 4]), two)
        assert hasattr(asked, "options") is asks


def test_the_smaller_bar_stays_where_both_agree(monkeypatch):
    """Within three of both bars; else the nearer, and none where f does not change there."""
    far = estimate_of(1, step=1.0, value=1.0, error=1e-3)
    assert again(monkeypatch, far, value=1.005, error=0.9e-3)[0].value.tolist() == [1.005]
    assert again(monkeypatch, far, value=1.005, error=1.1e-3)[0].value.tolist() == [1.0]
    assert again(monkeypatch, far, value=1.007, error=1.1e-3)[0].value.tolist() == [1.007]
    assert again(monkeypatch, far, value=1.005, error=1e-3)[0].value.tolist() == [1.0]
    wide = estimate_of(1, step=1.0, value=1.0, error=0.125)
    assert again(monkeypatch, wide, value=1.75, error=0.125)[0].value.tolist() == [1.0]  # 3 (E + E) apart
    agrees = again(monkeypatch, far, value=1.005, error=1.1e-3, chord=0.0)[0]
    assert agrees.error.tolist() == [1e-3]
    still = again(monkeypatch, far, value=1.007, error=1.1e-3, chord=0.0)[0]
    assert (still.value.tolist(), still.error.tolist()) == ([1.0], [np.inf])
    assert still.limit.tolist() == [Limit.SCALE]
    assert again(monkeypatch, far, value=5.0, error=np.inf)[0].value.tolist() == [1.0]
    lost = estimate_of(1, step=1.0, value=1.0, error=np.inf)
    assert again(monkeypatch, lost, value=5.0, error=1.0)[0].value.tolist() == [5.0]


def test_each_of_some_entries_keeps_its_own(monkeypatch):
    """8, 1 and 1e-3, measured beyond their size: a smaller bar, a contradiction that moves, and one that does not."""
    far = estimate_of(4, step=99.0, value=1.0, error=[1e-3, 1e-3, 1e-3, 1e-3])
    Asked(monkeypatch, value=[1.0, 2.0, 2.0], error=[1e-4, 1e-3, 1e-3], chord=[1.0, 1.0, 0.0])
    found = _within_own_size(setting(), np.array([3, 1, 0, 4]), far)
    assert found.value.tolist() == [1.0, 1.0, 2.0, 1.0]
    assert found.error.tolist() == [1e-4, 1e-3, 1e-3, np.inf]
    assert found.limit.tolist() == [Limit.NONE, Limit.NONE, Limit.NONE, Limit.SCALE]


def test_what_is_measured_begins_as_usual_unless_steps_are_given(monkeypatch):
    """With first steps of their own; in groups, and again within their own size in groups."""
    calls = []

    def along(known: Any, entries: Any, steps: Any, wanted: Any, **options: Any) -> Estimate:
        calls.append((entries.tolist(), steps.tolist(), options, known.together))
        return estimate_of(entries.size, step=99.0, chord=1.0)

    monkeypatch.setattr(axes, "along_axes", along)
    known = setting(2, relative_step=np.array([1e-3, 5e-3]))
    groups = [np.array([0, 3]), np.array([1, 2, 4])]
    measure(replace(known, together=groups), np.array([0, 8]))
    first, within = calls
    # Both share their points: 3e-3 is the median of their parts of the scales.
    assert first == ([0, 8], [3e-3, 3e-3 * 8], {"served": False}, groups)
    assert within[3] is groups
    assert (within[0], within[1], within[2]["rounds"]) == ([0, 8], [0.25, 2.0], 4)
    calls.clear()
    measure(known, np.array([0, 8]), np.array([0.1, 0.2]), served=True)
    assert calls[0] == ([0, 8], [0.1, 0.2], {"served": True}, None)
    assert calls[1][3] is None


def test_slopes_of_every_output_come_of_the_same_points():
    """2 x_j and exp x_j; six points a column."""
    known = setting(2, lambda x: np.array([np.sum(x["a"] ** 2), np.sum(np.exp(x["a"]))]))
    spent = known.objective.nfev
    found = measure(known, np.array([0, 2, 5, 7]))  # both outputs by a[0] and a[2]
    assert found.value == pytest.approx([2.0, -4.0, np.exp(1.0), np.exp(-2.0)], abs=1e-9)
    assert known.objective.nfev - spent == 12


def test_groups_of_columns_share_their_points():
    """Of each output one member alone moves it: the slopes are those of each alone."""
    known = setting(2, together=[np.array([0, 3]), np.array([1, 4])])
    entries = np.array([0, 1, 8, 9])  # a of output 0, b of output 1
    spent = known.objective.nfev
    found = measure(known, entries)
    assert found.value == pytest.approx([2.0, 0.0, 16.0, 2e-3], abs=1e-6)
    assert known.objective.nfev - spent <= 30
    assert sweep(known, np.array([2.0, 0.0, 16.1, 2e-3]), entries).wrong.tolist() == [8]
