"""What is decided of single entries: sizes, what verifies them, noise that grows with the step; values by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_axes import FLAT, SCALES, X, estimate_of, setting

from gradcheck import Outcome, check_gradient, check_hessian, check_jacobian
from gradcheck.evidence import entries as module
from gradcheck.evidence.axes import anything
from gradcheck.evidence.entries import (
    _chunks,
    _noise_decides,
    _of_claims,
    _with_noise_that_grows,
    block_scales,
    claimed_still,
    decide,
    judged,
    noise_share,
    sweep,
    verify,
)
from gradcheck.function.objective import Objective
from gradcheck.numerics.tangents import gradient_scale
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance

EPS = 2.0**-52
EVERY = np.arange(5)


def evidence_of(analytic: Any, *, scale: float = 1.0, **parts: Any) -> Entries:
    """Open entries 0, 1, .. of these analytic values, of which differences say 1 within 1e-9."""
    m = np.size(analytic)
    nothing = np.zeros(m, bool)
    judgement = Judgement(nothing, nothing, nothing, np.zeros(m), np.full(m, scale))
    return Entries(np.arange(m), np.asarray(analytic, float), estimate_of(m, **parts), judgement)


@pytest.mark.parametrize(
    ("curvature", "wrong"), [(4.0, [False, True]), (0.0, [True, True]), (np.nan, [True, True])]
)
def test_what_slopes_move_by_where_a_coordinate_is_rounded_is_no_mistake(curvature, wrong):
    """1e-6 of 8 times the root of 4 * 4, of its own slope and of another: 3.2e-5; what is more is wrong."""
    known = setting(tolerance=Tolerance(1e-9, eps=1e-6))
    found = estimate_of(2, curvature=curvature)
    for entries in (np.array([3, 3]), np.array([4, 3]), np.array([3, 4])):
        judgement = decide(known, found, np.array([1.0 + 3.1e-5, 1.0 - 3.3e-5]), entries)
        assert judgement.wrong.tolist() == wrong


# Verified by other estimates


def test_an_estimate_that_agrees_within_its_bar_verifies():
    """Within 3 E and rtol; what is farther, or too crude for the resolution, leaves it open. None convicts."""
    evidence = evidence_of([1.0, 1.0, 1.0, 1.0], scale=2.0)
    at, value = np.array([0, 1, 2]), np.array([1.0 + 2.9e-4, 1.0 + 3.1e-4, 1.0])
    error = np.array([1e-4, 1e-4, 6.7e-4])  # of the third 3 E is more than 1e-3 of 2

    after = verify(setting(), evidence, at, value, error)

    assert after.judgement.verified.tolist() == [True, False, False, False]
    assert after.judgement.inconclusive.tolist() == [False, True, True, True]
    assert not after.judgement.wrong.any()
    assert after.estimate.value.tolist() == [1.0 + 2.9e-4, 1.0, 1.0, 1.0]
    assert after.estimate.error.tolist() == [1e-4, 1e-9, 1e-9, 1e-9]
    assert after.judgement.allowed[0] == pytest.approx(3e-4 + 1e-6 * (1 + 2.9e-4), rel=1e-9)
    assert evidence.judgement.inconclusive.all()
    # What the other estimates cost is counted by those who made them.
    assert after.estimate.nfev == evidence.estimate.nfev


def test_a_bar_within_the_resolution_is_needed():
    """1e-3 of the size, and atol, and the floor of a dtype finer than float16."""
    for error, tolerance, expected in (
        (0.9e-3 / 3, Tolerance(1e-6, 0.0, 1e-3), 1),
        (1.1e-3 / 3, Tolerance(1e-6, 0.0, 1e-3), 0),
        (1.1e-3 / 3, Tolerance(1e-6, 2e-4, 1e-3), 1),
        (1.1e-3 / 3, Tolerance(1e-6, 0.0, 1e-3, floor=2e-4), 1),
        (1.1e-3 / 3, Tolerance(1e-6, 0.0, 1e-3, eps=1e-3, floor=2e-4), 0),
        (np.inf, Tolerance(1e-6, 0.0, 1e-3), 0),
        (0.25, Tolerance(0.0, 0.0, 0.75), 1),
    ):
        known = setting(tolerance=tolerance)
        after = verify(known, evidence_of([1.0]), np.array([0]), np.ones(1), np.array([error]))
        assert after.judgement.verified.tolist() == [bool(expected)]
    # 3 E and rtol are 1, as far as 1 and 2 lie apart; more than 0.375 is accepted, and no mistake.
    known = setting(tolerance=Tolerance(0.3125, 0.0, 0.375))
    after = verify(known, evidence_of([1.0]), np.array([0]), np.array([2.0]), np.array([0.125]))
    assert after.judgement.verified.all()
    # So are 3 E and atol, but the claim may be off by 1.75 so: more than what 0.75 and the atol let pass.
    known = setting(tolerance=Tolerance(0.0, 0.25, 0.75))
    after = verify(known, evidence_of([1.0]), np.array([0]), np.array([2.0]), np.array([0.25]))
    assert not after.judgement.verified.any()


def test_where_x_is_0_four_roundings_of_the_array_are_accepted_besides():
    """The second entry of X is 0."""
    off = 3.9 * EPS
    evidence = evidence_of([off, off], scale=1.0)
    found = verify(setting(tolerance=Tolerance(0.0)), evidence, np.array([0, 1]), np.zeros(2), np.zeros(2))
    assert found.judgement.verified.tolist() == [False, True]


# Sizes


def test_the_size_of_a_gradient_is_its_slopes_or_what_the_probe_moved():
    """The root mean square of an array's; where f is flat along every axis, the probed slope over the scale."""
    known = setting(slope=6.0)
    found = estimate_of(5, value=[3.0, 4.0, 0.0, 0.0, 0.0], chord=[3.0, 4.0, 0.0, 0.0, 0.0])
    size = block_scales(known, found, EVERY)
    assert size[:3] == pytest.approx(np.sqrt(25 / 3), rel=1e-9)
    assert size[3:] == pytest.approx([6.0 / 8.0, 6.0 / 4.0], rel=1e-12)
    known = setting(slope=6.0, gradient_scale=np.array([1.0, 9.0]))
    assert block_scales(known, found, EVERY) == pytest.approx([*[np.sqrt(25 / 3)] * 3, 9.0, 9.0], rel=1e-9)


def test_an_output_that_depends_on_nothing_counts_as_large_as_the_others():
    """The root mean square of the other sizes; of one output alone there are none."""
    found = estimate_of(2, value=[3.0, 0.0], chord=[3.0, 0.0])
    assert block_scales(setting(2), found, np.array([0, 8])).tolist() == [3.0, 3.0]
    assert block_scales(setting(), found, np.array([0, 3])).tolist() == [3.0, 0.0]
    found = estimate_of(3, value=[0.3, 0.0, 0.4], chord=[0.3, 0.0, 0.4])
    assert block_scales(setting(2), found, np.array([0, 5, 8])) == pytest.approx([0.3, 0.125**0.5, 0.4])


def test_a_claim_that_shows_is_as_large_as_it_says_where_f_shows_no_slope():
    """More than the noise while x_j changes by its scale, and than 64 roundings of what others move f by."""
    known = setting(level=1e-3, slope=1.0)
    found = estimate_of(5, value=[3.0, 3.0, 3.0, 0.0, 0.0], chord=[3.0, 3.0, 3.0, 0.0, 0.0])
    scale, own = np.ones(5), gradient_scale(found, known.groups(EVERY))
    given = np.array([9.0, 9.0, 9.0, 1.1e-3 / 8, 0.9e-3 / 4])
    assert _of_claims(known, scale, own, given, EVERY).tolist() == [1.0, 1.0, 1.0, 0.0, 1.0]
    given = np.array([9.0, 9.0, 9.0, 2.0**-13, 2.0**-12])  # by scales of 8 and 4: as much as the noise
    assert _of_claims(setting(level=2.0**-10), scale, own, given, EVERY).tolist() == [1.0] * 5
    quiet = setting(level=0.0, slope=2.0)
    given = np.array([0.0, 0.0, 0.0, 1.1 * 128 * EPS / 8, 0.9 * 128 * EPS / 4])
    assert _of_claims(quiet, scale, own, given, EVERY).tolist() == [1.0, 1.0, 1.0, 0.0, 1.0]


def test_noise_is_a_part_of_what_a_first_step_changes():
    """1e-6 over 1e-3 of the scale times the size: of the entry, or the root mean square of its array."""
    known = setting(level=1e-6)
    given = np.array([3.0, 4.0, 0.0, 10.0, 0.0])
    typical = np.sqrt(25 / 3), np.sqrt(50.0)
    parts = 1e-6 / (1e-3 * SCALES * np.array([3.0, 4.0, typical[0], 10.0, typical[1]]))
    assert noise_share(known, given, EVERY) == pytest.approx(parts.max(), rel=1e-12)
    assert np.isnan(noise_share(known, np.zeros(5), EVERY))


def test_an_output_that_stays_agrees_with_a_claim_of_0_alone():
    """Its bar is then four roundings of f over the step; a claim, a change or no bar at all leave it as it is."""
    known = replace(setting(2, still=np.array([False, True])), f_x=np.array([1.0, -3.0]))
    found = estimate_of(6, error=[1.0, 1.0, 1.0, 1.0, np.inf, 1.0], chord=[0, 0, 0, 1, 0, 0])
    found = replace(found, limit=np.full(6, Limit.NOISE, object))
    given = np.array([0.0, 0.0, 2.0, 0.0, 0.0, 0.0])
    output = np.array([0, 1, 1, 1, 1, 1])
    after = claimed_still(known, found, given, output)
    bar = 4 * EPS * 3.0 / 1e-3
    assert after.error == pytest.approx([1.0, bar, 1.0, 1.0, np.inf, bar], rel=1e-12, abs=0)
    assert after.noise == pytest.approx([0.0, bar, 0.0, 0.0, 0.0, bar], rel=1e-12, abs=0)
    assert [limit is Limit.NONE for limit in after.limit] == [False, True, False, False, False, True]
    assert claimed_still(setting(2), found, given, output) is found
    assert claimed_still(setting(2, still=np.zeros(2, bool)), found, given, output) is found


# The course


def test_columns_are_measured_a_few_at_a_time(monkeypatch):
    """Those of a column together, at most so many columns, and so many lines of all outputs; groups at once."""
    monkeypatch.setattr(module, "CHUNK", 2)
    entries = np.array([0, 5, 1, 6, 2, 7, 3])
    assert [part.tolist() for part in _chunks(setting(2), entries)] == [[0, 5, 1, 6], [2, 7, 3]]
    monkeypatch.setattr(module, "TOGETHER", 3)
    assert [part.tolist() for part in _chunks(setting(2), entries)] == [[0, 5], [1, 6], [2, 7], [3]]
    together = setting(2, together=[np.arange(5)])
    assert [part.tolist() for part in _chunks(together, entries)] == [entries.tolist()]
    assert _chunks(setting(2), entries[:0]) == []
    monkeypatch.setattr(module, "CHUNK", 2)
    assert [part.tolist() for part in _chunks(setting(), np.array([1, 2, 3]))] == [[1, 2], [3]]


class Course:
    """Stands for what a sweep calls: notes it, and answers with the entries as values."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, noise: bool = True, early: tuple[int, ...] = ()
    ) -> None:
        self.early, self.measured, self.stop, self.asked = early, [], 99, 0
        self.noise = noise
        for name in (
            "measure",
            "first_steps",
            "steps_like",
            "pilots",
            "_noise_decides",
            "claimed_still",
            "judged",
        ):
            monkeypatch.setattr(module, name, getattr(self, name.removeprefix("_")))

    def measure(self, setting: Any, entries: Any, steps: Any = None, *, served: bool = False) -> Any:
        if len(self.measured) == self.stop:
            raise KeyboardInterrupt
        assert setting.x.size == 5
        together, steps = setting.together, None if steps is None else steps.tolist()
        self.measured.append((entries.tolist(), steps, together, served))
        return estimate_of(entries.size, value=entries)

    def first_steps(self, setting: Any, entries: Any) -> Any:
        assert setting.x.size == 5
        self.moved_together = setting.together
        return 0.5 * entries

    def steps_like(self, setting: Any, begin: Any, before: Any, found: Any, entries: Any) -> Any:
        assert setting.x.size == 5
        assert found.value.tolist() == before.tolist()
        assert begin.tolist() == (0.5 * entries).tolist()
        return begin + 100.0 * before.sum()

    def pilots(self, setting: Any, columns: Any) -> Any:
        self.asked += 1
        return np.isin(columns, self.early)

    def noise_decides(self, setting: Any, given: Any, entries: Any) -> bool:
        assert entries.size
        return self.noise

    def claimed_still(self, setting: Any, found: Any, analytic: Any, output: Any) -> Any:
        self.still = (found.value.tolist(), analytic.tolist(), output.tolist())
        return found

    def judged(self, setting: Any, found: Any, given: Any, entries: Any, **options: Any) -> Any:
        return found, given.tolist(), entries.tolist(), options


def test_where_noise_decides_the_steps_of_a_few_entries_serve_the_others(monkeypatch):
    """These first, by themselves; then chunks in the order of their columns, by what served the first."""
    monkeypatch.setattr(module, "CHUNK", 2)
    course = Course(monkeypatch, early=(2, 3))
    known, entries, given = setting(2), np.array([4, 3, 0, 2, 8, 1]), np.arange(6.0)

    found, *told = sweep(known, given, entries)

    assert course.measured == [
        ([2, 3, 8], None, None, False),
        ([0, 1], [1300.0, 1300.5], None, True),
        ([4], [1302.0], None, True),
    ]
    assert found.value.tolist() == entries.tolist()
    assert course.still == (entries.tolist(), given.tolist(), [0, 0, 0, 0, 1, 0])
    assert told == [given.tolist(), entries.tolist(), {"interrupted": False}]
    course = Course(monkeypatch, early=(2,))
    sweep(known, np.ones(2), np.array([0, 2]))
    assert course.measured == [([2], None, None, False), ([0], [200.0], None, True)]


def test_where_noise_does_not_decide_every_entry_finds_its_own_step(monkeypatch):
    """So do those that are moved together, at once; of no entries nothing is asked."""
    monkeypatch.setattr(module, "CHUNK", 1)
    groups = [np.array([0, 3]), np.array([1, 2, 4])]
    for noise, moved, entries in ((False, None, [3, 0]), (True, groups, [3, 0]), (True, None, [])):
        course = Course(monkeypatch, noise=noise, early=(0,))
        told = sweep(setting(together=moved), np.ones(len(entries)), np.array(entries, int))
        assert course.asked == 0
        alone = [([0], [0.0], None, False), ([3], [1.5], None, False)] if entries else []
        assert course.measured == (alone if moved is None else [([0, 3], [0.0, 1.5], moved, False)])
        assert told[3] == {"interrupted": False}
        if entries:
            assert course.moved_together is moved
    course = Course(monkeypatch)
    assert sweep(setting(), np.ones(2), np.array([3, 0]))[0].value.tolist() == [3, 0]
    assert (course.asked, course.measured) == (1, [([0], [0.0], None, False), ([3], [1.5], None, False)])


def test_an_interruption_leaves_the_others_unmeasured(monkeypatch):
    """In their places, with no bar, in the dtype of x."""
    monkeypatch.setattr(module, "CHUNK", 2)
    course = Course(monkeypatch)
    course.stop = 1
    found, _, _, options = sweep(setting(), np.ones(5), np.array([4, 2, 0, 1, 3]))
    assert options == {"interrupted": True}
    assert found.value.tolist() == pytest.approx([np.nan, np.nan, 0.0, 1.0, np.nan], nan_ok=True)
    assert np.isinf(found.error).tolist() == [True, True, False, False, True]
    course = Course(monkeypatch)
    course.stop = 0
    long = replace(setting(), x=FLAT.astype(np.longdouble))
    assert sweep(long, np.ones(5), np.arange(5))[0].value.dtype == np.longdouble


def test_noise_decides_where_it_is_more_of_a_first_step_than_the_tolerance():
    """3 E of 3.02 times the noise of a value: an rtol of 1e-6 of a slope of 1 at a step of 1e-3 is 1.10375e-10."""
    for level, decides in ((1.105e-10, True), (1.103e-10, False)):
        assert bool(_noise_decides(setting(level=level), np.ones(1), np.zeros(1, int))) is decides
    assert not _noise_decides(
        setting(level=2.0, tolerance=Tolerance(9.06)), np.array([2000.0]), np.zeros(1, int)
    )


def test_entries_are_told_in_the_order_in_which_they_are_asked_for():
    """Whatever the order of their columns: 3 x^2, of which one is off by 1 %."""
    order = np.array([3, 0, 2])
    given = 3 * FLAT[order] ** 2 * np.array([1.0, 1.01, 1.0])
    evidence = sweep(setting(), given, order)
    assert evidence.coordinates.tolist() == [3, 0, 2]
    assert evidence.analytic.tolist() == given.tolist()
    assert evidence.estimate.value == pytest.approx(3 * FLAT[order] ** 2, rel=1e-8)
    assert evidence.wrong.tolist() == [0]
    assert evidence.judgement.verified.tolist() == [True, False, True]
    assert not evidence.interrupted


def test_an_interruption_leaves_what_is_known():
    """The rest has no bar, and nothing is measured again."""
    calls = []

    def f(x: Any) -> float:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return float(np.sum(x["a"] ** 3) + np.sum(x["b"] ** 3))

    evidence = sweep(setting(f=f), 3 * FLAT**2, EVERY)
    assert evidence.interrupted
    assert evidence.estimate.error.size == 5
    assert np.isinf(evidence.estimate.error).any()
    assert not evidence.judgement.wrong.any()
    spent = len(calls)
    found = estimate_of(5)
    after = judged(setting(f=f), found, np.full(5, 9.0), EVERY, interrupted=True)
    assert after.wrong.size == 5
    assert after.estimate is found
    assert len(calls) <= spent + 1


def confirming(monkeypatch: pytest.MonkeyPatch, known: Any, entries: Any, **parts: Any) -> Any:
    """What `confirm` and `along_axes` and the look for noise that grows are asked when slopes of 9 are given for 1."""
    seen: dict[str, Any] = {"grows": None}

    def confirm(
        given: Any, found: Any, judgement: Any, again: Any, decide: Any, own: Any, together: Any
    ) -> Any:
        if seen.get("stop"):
            raise KeyboardInterrupt
        seen.update(given=given, found=found, again=again, decide=decide, own=own, together=together)
        return found, judgement

    def along_axes(*arguments: Any, **options: Any) -> Any:
        seen["axes"] = (arguments, options)
        return estimate_of(1)

    def grows(setting: Any, found: Any, given: Any, entries: Any, at: Any) -> Any:
        seen["grows"] = (entries.tolist(), at.tolist())
        return replace(found, error=found.error + 99.0)

    monkeypatch.setattr(module, "confirm", confirm)
    monkeypatch.setattr(module, "along_axes", along_axes)
    monkeypatch.setattr(module, "_with_noise_that_grows", grows)
    seen.update(parts)
    seen["evidence"] = judged(known, estimate_of(len(entries)), np.full(len(entries), 9.0), np.array(entries))
    return seen


def test_what_seems_wrong_is_confirmed_by_one_more_stencil_each(monkeypatch):
    """By its own size, or its scale where x is 0; unless the budget does not suffice."""
    known = setting()
    seen = confirming(monkeypatch, known, [4, 1, 0, 3])
    assert seen["own"].tolist() == [1e-3, 2.0, 1.0, 8.0]
    assert seen["together"] is None
    assert seen["given"].tolist() == [9.0] * 4
    assert seen["decide"](estimate_of(4, value=9.0)).wrong.tolist() == [False] * 4
    at, step, side = np.array([3, 0]), np.array([0.1, 0.2]), np.array([0, 1], np.int8)
    assert seen["again"](at, step, side) is not None
    (asked, entries, steps, wanted), options = seen["axes"]
    assert (asked, entries.tolist(), steps, wanted) == (known, [3, 4], step, anything)
    assert options == {"rounds": 1, "side": side}
    # Those at 0 that are wrong by then are asked whether their noise grows, and judged by what is said.
    assert seen["grows"] == ([4, 1, 0, 3], [1])
    assert not seen["evidence"].judgement.wrong.any()
    for budget, entries_asked in ((11, False), (12, True), (13, True)):
        few = replace(known, objective=Objective(lambda x: 0.0, known.parameters, max_nfev=budget))
        again = confirming(monkeypatch, few, [4, 1])["again"]
        assert (again(np.array([0, 1]), step, side) is not None) is entries_asked


def test_lines_that_share_their_points_are_confirmed_together(monkeypatch):
    """By their column, or by the group of it; and no noise is looked for in groups."""
    seen = confirming(monkeypatch, setting(2), [3, 8, 1])
    assert seen["together"].tolist() == [3, 3, 1]
    known = setting(2, together=[np.array([0, 3]), np.array([1, 2, 4])])
    seen = confirming(monkeypatch, known, [3, 8, 1])
    assert seen["together"].tolist() == [0, 0, 1]
    assert seen["grows"] is None
    assert seen["evidence"].judgement.wrong.all()
    seen["again"](np.array([0]), np.ones(1), np.zeros(1, np.int8))
    assert seen["axes"][0][0] is known


def test_an_interruption_while_it_is_confirmed_is_told(monkeypatch):
    """With what was known before."""
    evidence = confirming(monkeypatch, setting(), [0, 3], stop=True)["evidence"]
    assert evidence.interrupted is True
    assert evidence.wrong.tolist() == [0, 3]


def test_a_value_between_the_slopes_of_a_kink_is_verified_where_subgradients_are_asked_for():
    """0 between -1 and 1; else nothing is said of it."""
    found = replace(estimate_of(1, value=0.0, left=-1.0, right=1.0), limit=np.array([Limit.KINK], object))
    for subgradient in (True, False):
        known = setting(subgradient=subgradient)
        assert decide(known, found, np.zeros(1), np.zeros(1, int)).verified.tolist() == [subgradient]


def test_the_complex_step_rounds_as_where_x_is_0():
    """Four roundings of the array are accepted everywhere then."""
    known = setting(tolerance=Tolerance(0.0))
    found = estimate_of(3, value=[1.0, 1.0, 1.0], error=0.0)
    given = np.full(3, 1.0 + 3 * EPS)
    assert decide(known, found, given, EVERY[:3]).wrong.tolist() == [True, False, True]
    assert decide(known, found, given, EVERY[:3], exact=True).wrong.tolist() == [False] * 3


# Noise that grows with the step


def rough(level: float, *, budget: int | None = None, **parts: Any) -> Any:
    """A setting at 0, where f = x and scatters by a part of |x| that seven points show."""
    parameters, flat = Parameters.of(np.zeros(40))

    def f(x: Any) -> float:
        return float(x.sum() + level * np.abs(x).max() * np.sin(1e6 * x.sum()))

    objective = Objective(f, parameters, max_nfev=budget)
    return replace(setting(), objective=objective, x=flat, given_scales=np.ones(40), f_x=np.zeros(1), **parts)


def grown_of(known: Any, found: Any, at: Any = EVERY[:1], off: Any = 1e-3) -> Any:
    """The estimate after that look; off : what is claimed beside what was found."""
    return _with_noise_that_grows(known, found, found.value + off, at, at)


def test_noise_that_grows_with_the_step_widens_the_bar():
    """3.02 times twice its scatter over the step; smooth lines keep theirs. Seven evaluations each."""
    for level, grown in ((1e-3, True), (0.0, False)):
        known = rough(level)
        found = estimate_of(1, noise=1e-12)
        after = grown_of(known, found)
        assert known.objective.nfev == 7
        assert (after.error[0] > 1e-4) is np.bool_(grown)
        assert (after.limit[0] is Limit.NOISE) is grown
        assert after.nfev == found.nfev + 7
        if grown:
            assert 1e-3 < after.error[0] < 3.02 * 2 * 1e-3 * 2
    wide = grown_of(rough(1e-3), estimate_of(1, error=5.0, noise=1e-12))
    assert wide.error.tolist() == [5.0]


def test_the_bar_of_noise_that_alternates_is_known():
    """Values of +-a in turn: differences of order 3 are 8 a, which times 3! / sqrt(6!) is sqrt(3.2) a."""
    known = rough(0.0)

    def alternating(x: Any) -> float:
        return 1e-3 * (-1.0) ** round(7.0 * x.sum() / 1e-3)

    known = replace(known, objective=Objective(alternating, known.parameters), f_x=np.array([1e-3]))
    bar = 3.02 * 2.0 * 3.2**0.5 * 1e-3 / 1e-3
    # The last as it comes, rounded: as much is not more.
    same = grown_of(known, estimate_of(1)).error[0]
    for noise, error, limit in (
        (0.0, bar, Limit.NOISE),
        (1.001 * bar, 1e-9, Limit.NONE),
        (same, 1e-9, Limit.NONE),
    ):
        found = grown_of(known, estimate_of(1, noise=noise))
        assert found.error == pytest.approx([error], rel=1e-9, abs=0)
        assert found.limit.tolist() == [limit]


def test_seven_evaluations_a_line_are_wanted_for_that():
    """Fewer are not begun."""
    at = np.arange(2)
    for budget, spent in ((13, 0), (14, 14)):
        known = rough(1e-3, budget=budget)
        grown_of(known, estimate_of(2, noise=1e-12), at)
        assert known.objective.nfev == spent


def test_a_few_lines_are_looked_at_and_the_others_where_one_of_these_is_acquitted():
    """32 first, those that are off by the fewest bars: where all are off by more than the noise no other is."""
    at = np.arange(40)
    least_first = np.linspace(1.0, 1e-3, 40)
    for level, off, lines in ((1e-3, 1e-3, 40), (1e-3, least_first, 40), (1e-3, 1.0, 32), (0.0, 1e-3, 32)):
        known = rough(level)
        grown_of(known, estimate_of(40, noise=1e-12), at, off)
        assert known.objective.nfev == 7 * lines


@pytest.mark.parametrize(
    "parts", [{"error": np.inf}, {"chord": 0.0}, {"budget": 6}, {"room": True}, {"limit": True}], ids=str
)
def test_lines_without_a_bar_a_change_or_room_are_left_alone(parts: dict[str, Any]):
    """A kink, bounds, a budget: not an evaluation more."""
    room = (np.ones(40), np.ones(40)) if "room" in parts else None
    known = rough(1e-3, budget=parts.get("budget"), room=room)
    found = estimate_of(1, noise=1e-12, **parts)
    if "limit" in parts:
        found = replace(found, limit=np.array([Limit.KINK], object))
    assert grown_of(known, found) is found
    assert known.objective.nfev == 0


def test_the_structure_of_these_tests():
    """X as they have it."""
    assert np.concatenate([X["a"], X["b"]]).tolist() == FLAT.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_an_output_that_is_rounding_along_an_entry_is_0_there(seed):
    """a x - b x y and d x y - c y at their equilibrium: along x the first is 0 or 4e-16."""
    a, b, c, d = np.random.default_rng(seed).uniform(0.3, 3, 4)
    x = np.array([c / d, a / b])

    def f(x):
        return np.array([a * x[0] - b * x[0] * x[1], d * x[0] * x[1] - c * x[1]])

    def jac(x):
        return np.array([[a - b * x[1], -b * x[0]], [d * x[1], d * x[0] - c]])

    outcomes = {check_jacobian(f, jac, x).outcome, check_gradient(lambda x: f(x)[0], jac(x)[0], x).outcome}
    assert Outcome.FAIL not in outcomes
    assert Outcome.PASS in outcomes
    wrong = check_jacobian(f, jac(x) + np.array([[0.5, 0.0], [0.0, 0.0]]), x)
    assert wrong.outcome is not Outcome.PASS
    assert "J[1, 0]" not in [m.name for m in wrong.wrong]


def test_the_hessian_at_an_estimate_is_decided():
    """Of a mean and log variance at their maximum likelihood: the residuals add up to 0, and move by rounding.

    Of 100 right ones none was.
    """
    for seed in range(10):
        y = np.random.default_rng(seed).normal(size=30)

        def grad(p, y=y):
            r = y - p[0]
            return np.array([-np.exp(-p[1]) * r.sum(), 0.5 * y.size - 0.5 * np.exp(-p[1]) * (r**2).sum()])

        def hess(p, y=y):
            r, e = y - p[0], np.exp(-p[1])
            return np.array([[y.size * e, e * r.sum()], [e * r.sum(), 0.5 * e * (r**2).sum()]])

        p = np.array([y.mean(), np.log(y.var())])
        assert check_hessian(grad, hess, p).outcome is Outcome.PASS
        wrong = check_hessian(grad, lambda p: hess(p) + np.array([[0.0, 0.3], [0.3, 0.0]]), p)
        assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("claimed", [0.0, -1.0, 2.0])
def test_an_array_next_to_0_has_no_size_of_others_that_hides_what_it_does(claimed):
    """A net in float32 at weights of 1e-4: a step of 1 in v moves f by a thousand roundings, its own size by none.

    By v 0, -1 and 2 times the gradient PASSed in 5 of 20, as "0.05 would have been seen".
    """
    for seed in range(12):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=3)
        x = {
            "W": (1e-4 * rng.normal(size=(4, 3))).astype(np.float32),
            "v": (1e-4 * rng.normal(size=4)).astype(np.float32),
            "c": np.zeros(1, np.float32),
        }

        def f(x, z=z):
            hidden = np.tanh(x["W"] @ z.astype(np.float32))
            return np.float32(1.0) + x["v"] @ hidden + x["c"][0]

        hidden = np.tanh(x["W"].astype(float) @ z)
        grad = {
            "W": ((x["v"] * (1.0 - hidden**2))[:, None] * z).astype(np.float32),
            "v": (claimed * hidden).astype(np.float32),
            "c": np.ones(1, np.float32),
        }
        assert check_gradient(f, grad, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.parametrize("forgotten", [0.0, 0.01])
def test_an_array_along_which_f_only_rounds_has_no_size_of_its_own(forgotten):
    """The sum of a softmax beside a loss, in float32: one rounding of 47 over a step of 0.3 is no slope.

    Lines that round to the same value had the size of the others, and PASSed, and those off by a rounding their own.
    """
    for seed in range(10):
        rng = np.random.default_rng(seed)
        c, w = rng.normal(size=(2, 6)).astype(np.float32)
        x = {"a": np.zeros(6, np.float32), "b": np.zeros(6, np.float32)}

        def f(x, c=c, w=w):
            e, z = np.exp(x["a"]), np.tanh(x["b"] + c)
            parts = (
                47 * (e / e.sum()).sum(),
                forgotten * (w * np.tanh(x["a"])).sum(),
                (z * z).sum(),
                z.sum(),
            )
            return np.float32(sum(parts))

        z = np.tanh(c)
        grad = {"a": np.zeros(6, np.float32), "b": (2 * z + 1) * (1 - z * z)}
        report = check_gradient(f, grad, x, rng=seed)
        assert (report.outcome is Outcome.PASS) == (forgotten == 0), report


def normalised(seed: int, size: float = 1.0) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """A loss in float32 over a layer that is normalised over its rows: its bias moves nothing but rounding.

    size : of the weights and of the bias.
    """
    rng = np.random.default_rng(seed)
    data, goal = rng.normal(size=(16, 5)).astype(np.float32), rng.normal(size=(16, 4)).astype(np.float32)

    def forward(p):
        a = data @ p["W"] + p["b"]
        return a, (a - a.mean(0)) / np.sqrt(a.var(0) + np.float32(1e-5))

    def grad(p):
        a, y = forward(p)
        d = 2 * (y - goal) / np.float32(goal.size)
        d = (d - d.mean(0) - y * (d * y).mean(0)) / np.sqrt(a.var(0) + np.float32(1e-5))
        return {"W": data.T @ d, "b": d.sum(0)}

    x = {"W": size * rng.normal(size=(5, 4)), "b": size * rng.normal(size=4)}
    x = {name: value.astype(np.float32) for name, value in x.items()}
    return lambda p: np.mean((forward(p)[1] - goal) ** 2), grad, x


@pytest.mark.slow
@pytest.mark.parametrize(("size", "least"), [(1.0, 8), (0.1, 6)])
def test_a_bias_that_moves_nothing_but_rounding_is_verified_in_float32(size, least):
    """Claimed to be some roundings of what weights do. Beside a slope of a thousandth that is no claim of nothing."""
    passed = 0
    for seed in range(10):
        f, grad, x = normalised(seed, size)
        passed += check_gradient(f, grad, x, rng=0).outcome is Outcome.PASS
        wrong = check_gradient(lambda p, f=f: f(p) + np.float32(5e-3) * p["b"].sum(), grad, x, rng=0)
        assert wrong.outcome is Outcome.FAIL
        assert all(m.name.startswith('params["b"]') for m in wrong.wrong)
    assert passed >= least


@pytest.mark.parametrize("size", [4, 150])
@pytest.mark.parametrize(
    ("claim", "slope", "refused"), [(5e-13, 0.0, False), (1e-9, 0.0, True), (5e-13, 1e-9, True)]
)
def test_what_sums_that_cancel_leave_in_a_gradient_is_no_mistake(size, claim, slope, refused):
    """2,000 roundings of what other arrays do, where f shows no slope; more is one, and where f has a slope."""

    def f(p):
        return float(np.sum(np.sin(p["a"])) + slope * np.sum(p["b"]))

    x = {"a": np.linspace(0.5, 1.0, size), "b": np.full(3, 0.7)}
    report = check_gradient(f, {"a": np.cos(x["a"]), "b": np.full(3, claim)}, x)
    assert report.outcome is (Outcome.FAIL if refused else Outcome.INCONCLUSIVE), str(report)
