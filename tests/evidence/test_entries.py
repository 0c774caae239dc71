"""What is decided of single entries: sizes, what verifies them, noise that grows with the step; values by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_axes import FLAT, SCALES, X, estimate_of, setting

from gradcheck.evidence import entries as module
from gradcheck.evidence.entries import (
    _chunks,
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
from gradcheck.parameters.tree import Parameters
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance, gradient_scale

EPS = 2.0**-52
EVERY = np.arange(5)


def evidence_of(analytic: Any, *, scale: float = 1.0, **parts: Any) -> Evidence:
    """Open entries 0, 1, .. of these analytic values, of which differences say 1 within 1e-9."""
    m = np.size(analytic)
    nothing = np.zeros(m, bool)
    judgement = Judgement(nothing, nothing, ~nothing, nothing, np.zeros(m), np.full(m, scale))
    return Evidence(np.arange(m), np.asarray(analytic, float), estimate_of(m, **parts), judgement)


# Verified by other estimates


def test_an_estimate_that_agrees_within_its_bar_verifies():
    """Within 3 E and rtol; what is farther, or too crude for the resolution, leaves it open. None convicts."""
    evidence = evidence_of([1.0, 1.0, 1.0, 1.0], scale=2.0)
    at, value = np.array([0, 1, 2]), np.array([1.0 + 2.9e-4, 1.0 + 3.1e-4, 1.0])
    error = np.array([1e-4, 1e-4, 6.7e-4])  # of the third 3 E is more than 1e-3 of 2

    after, count = verify(setting(), evidence, at, value, error)

    assert count == 1
    assert after.judgement.verified.tolist() == [True, False, False, False]
    assert after.judgement.inconclusive.tolist() == [False, True, True, True]
    assert not after.judgement.wrong.any()
    assert after.estimate.value.tolist() == [1.0 + 2.9e-4, 1.0, 1.0, 1.0]
    assert after.estimate.error.tolist() == [1e-4, 1e-9, 1e-9, 1e-9]
    assert after.judgement.allowed[0] == pytest.approx(3e-4 + 1e-6 * (1 + 2.9e-4), rel=1e-9)
    assert evidence.judgement.inconclusive.all()


def test_a_bar_within_the_resolution_is_needed():
    """1e-3 of the size, and atol."""
    for error, tolerance, expected in (
        (0.9e-3 / 3, Tolerance(1e-6, 0.0, 1e-3), 1),
        (1.1e-3 / 3, Tolerance(1e-6, 0.0, 1e-3), 0),
        (1.1e-3 / 3, Tolerance(1e-6, 2e-4, 1e-3), 1),
        (np.inf, Tolerance(1e-6, 0.0, 1e-3), 0),
    ):
        known = setting(tolerance=tolerance)
        assert verify(known, evidence_of([1.0]), np.array([0]), np.ones(1), np.array([error]))[1] == expected


def test_where_x_is_0_four_roundings_of_the_array_are_accepted_besides():
    """The second entry of X is 0."""
    off = 3.9 * EPS
    evidence = evidence_of([off, off], scale=1.0)
    found = verify(setting(tolerance=Tolerance(0.0)), evidence, np.array([0, 1]), np.zeros(2), np.zeros(2))
    assert found[0].judgement.verified.tolist() == [False, True]


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


def test_a_claim_that_shows_is_as_large_as_it_says_where_f_shows_no_slope():
    """More than the noise while x_j changes by its scale, and than 64 roundings of what others move f by."""
    known = setting(level=1e-3, slope=1.0)
    found = estimate_of(5, value=[3.0, 3.0, 3.0, 0.0, 0.0], chord=[3.0, 3.0, 3.0, 0.0, 0.0])
    scale, own = np.ones(5), gradient_scale(found, known.groups(EVERY))
    given = np.array([9.0, 9.0, 9.0, 1.1e-3 / 8, 0.9e-3 / 4])
    assert _of_claims(known, scale, own, given, EVERY).tolist() == [1.0, 1.0, 1.0, 0.0, 1.0]
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
    found = estimate_of(6, error=[1.0, 1.0, 1.0, 1.0, np.inf, 1.0], chord=[0, 0, 0, 1, 0, 0], limit=0)
    given = np.array([0.0, 0.0, 2.0, 0.0, 0.0, 0.0])
    output = np.array([0, 1, 1, 1, 1, 1])
    after = claimed_still(known, found, given, output)
    bar = 4 * EPS * 3.0 / 1e-3
    assert after.error == pytest.approx([1.0, bar, 1.0, 1.0, np.inf, bar], rel=1e-12)
    assert after.noise == pytest.approx([0.0, bar, 0.0, 0.0, 0.0, bar], rel=1e-12)
    assert claimed_still(setting(2), found, given, output) is found
    assert claimed_still(setting(2, still=np.zeros(2, bool)), found, given, output) is found


# The course


def test_columns_are_measured_a_few_at_a_time(monkeypatch):
    """Those of a column together, at most so many columns, and so many lines of all outputs; groups at once."""
    monkeypatch.setattr(module, "CHUNK", 2)
    entries = np.array([0, 5, 1, 6, 2, 7, 3])
    assert [part.tolist() for part in _chunks(setting(2), entries, None)] == [[0, 5, 1, 6], [2, 7, 3]]
    monkeypatch.setattr(module, "TOGETHER", 3)
    assert [part.tolist() for part in _chunks(setting(2), entries, None)] == [[0, 5], [1, 6], [2, 7], [3]]
    groups = [np.arange(5)]
    assert [part.tolist() for part in _chunks(setting(2), entries, groups)] == [entries.tolist()]
    assert _chunks(setting(2), entries[:0], None) == []


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
    return replace(setting(), objective=objective, x=flat, scales=np.ones(40), f_x=np.zeros(1), **parts)


def test_noise_that_grows_with_the_step_widens_the_bar():
    """3.02 times twice its scatter over the step; smooth lines keep theirs. Seven evaluations each."""
    for level, grown in ((1e-3, True), (0.0, False)):
        known = rough(level)
        found = estimate_of(1, noise=1e-12)
        after = _with_noise_that_grows(known, found, np.array([0]), np.array([0]))
        assert known.objective.nfev == 7
        assert (after.error[0] > 1e-4) is np.bool_(grown)
        assert (after.limit[0] is Limit.NOISE) is grown
        assert after.nfev == found.nfev + 7
        if grown:
            assert 1e-3 < after.error[0] < 3.02 * 2 * 1e-3 * 2
    wide = _with_noise_that_grows(
        rough(1e-3), estimate_of(1, error=5.0, noise=1e-12), np.array([0]), np.array([0])
    )
    assert wide.error.tolist() == [5.0]


def test_a_few_lines_are_looked_at_and_the_others_where_one_of_these_shows_it():
    """32 first."""
    at = np.arange(40)
    for level, lines in ((1e-3, 40), (0.0, 32)):
        known = rough(level)
        _with_noise_that_grows(known, estimate_of(40, noise=1e-12), at, at)
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
    assert _with_noise_that_grows(known, found, np.array([0]), np.array([0])) is found
    assert known.objective.nfev == 0


def test_the_structure_of_these_tests():
    """X as they have it."""
    assert np.concatenate([X["a"], X["b"]]).tolist() == FLAT.tolist()
