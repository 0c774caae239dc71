"""Rectifiers that switch nearer to x than the noise of f lets steps be: their slopes are no mistakes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_axes import estimate_of

from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.evidence import hidden_kinks as module
from gradcheck.evidence.hidden_kinks import (
    _explained,
    _lengths,
    _seen,
    _slopes_beside,
    _tied,
    open_between_kinks,
    where_kinks_meet,
)
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance


def rectifiers(
    seed: int, width: float, dtype: type
) -> tuple[Callable[[Any], float], Callable[[Any], Any], Any]:
    """f, its gradient and x = 0: eight entries, each the shift of twenty rectifiers that switch within `width` of 0."""
    rng = np.random.default_rng(seed)
    slopes, places = rng.standard_normal((8, 20)) / 2000.0, width * rng.standard_normal((8, 20))

    def f(x: Any) -> float:
        rises = np.maximum(x[:, None] + places, 0.0) - np.maximum(places, 0.0)
        return float(dtype(1.386 + np.sum(slopes * rises) + 0.005 * np.sum(x * x)))

    return f, lambda x: (slopes * (x[:, None] + places > 0)).sum(axis=1) + 0.01 * x, np.zeros(8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("width", [1e-4, *(pytest.param(w, marks=pytest.mark.slow) for w in (1e-3, 1e-5))])
def test_kinks_that_noise_hides_from_each_other_are_no_mistake(seed: int, width: float) -> None:
    """From the shortest visible step f has one kink at x, or none, and another slope than at x."""
    f, grad, x = rectifiers(seed, width, np.float32)
    report = check_gradient(f, grad, x, rtol=1e-3, resolution=3e-2)
    assert report.outcome is Outcome.INCONCLUSIVE, report


@pytest.mark.parametrize("seed", range(4))
def test_what_is_far_beyond_all_of_their_jumps_is_one(seed: int) -> None:
    """A sum over the batch where f has the mean: twenty times each slope."""
    f, grad, x = rectifiers(seed, 1e-4, np.float32)
    report = check_gradient(f, lambda x: 20.0 * grad(x), x, rtol=1e-3, resolution=3e-2)
    assert report.outcome is Outcome.FAIL, report


def test_a_kink_that_can_be_followed_to_x_is_one_kink() -> None:
    """The slopes of 0.01 |x| are 0.01 and -0.01: 0.015 is none of them in float64, and may be one in float32."""
    x = np.zeros(8)
    for dtype, outcome in ((np.float64, Outcome.FAIL), (np.float32, Outcome.INCONCLUSIVE)):

        def f(x: Any, dtype: type = dtype) -> float:
            return float(dtype(1.386 + 0.01 * np.sum(np.abs(x))))

        report = check_gradient(f, lambda x: np.full(8, 0.015), x, rtol=1e-3, resolution=3e-2)
        assert report.outcome is outcome, report


def test_a_mistake_beside_kinks_where_x_is_not_0_is_one() -> None:
    """A penalised sum of squares in float32: entries of 0 have kinks, and tell nothing of the others."""
    x = np.array([0.0, 0.7, 0.0, -1.3, 0.4, 0.0])
    wrong = np.array([0, 0, 0, 0.5, 0, 0])

    def f(x: Any) -> float:
        return float(np.float32(np.sum(np.abs(x)) + np.sum((x - 1.0) ** 2)))

    report = check_gradient(f, lambda x: np.sign(x) + 2.0 * (x - 1.0) + wrong, x, rtol=1e-3, resolution=3e-2)
    assert [m.name for m in report.wrong] == ["x[3]"], report


def test_what_is_left_open_says_why() -> None:
    """The kink, or noise beside it."""
    f, grad, x = rectifiers(0, 1e-4, np.float32)
    report = check_gradient(f, grad, x, rtol=1e-3, resolution=3e-2)
    assert report.undecided is not None
    assert report.undecided.limit in (Limit.KINK, Limit.BESIDE), report


def network(seed: int, weights: float) -> tuple[Callable[[Any], float], Callable[[Any], Any], Any]:
    """A classifier of three layers in float32 with rectifiers, fresh weights of this size and biases of 0."""
    rng = np.random.default_rng(seed)
    sizes = (10, 16, 8, 4)
    x = rng.standard_normal((20, 10)).astype(np.float32)
    labels = rng.integers(0, 4, 20)
    p = {}
    for k, (m, n) in enumerate(itertools.pairwise(sizes)):
        p[f"W{k}"] = (weights * rng.standard_normal((m, n))).astype(np.float32)
        p[f"b{k}"] = np.zeros(n, np.float32)

    def forward(p: Any) -> tuple[list[Any], Any]:
        layers = [x]
        for k in range(3):
            z = layers[-1] @ p[f"W{k}"] + p[f"b{k}"]
            layers.append(np.maximum(z, 0) if k < 2 else z)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return layers, e / e.sum(axis=1, keepdims=True)

    def f(p: Any) -> Any:
        return -np.mean(np.log(forward(p)[1][np.arange(20), labels]))

    def grad(p: Any) -> Any:
        layers, d = forward(p)
        d[np.arange(20), labels] -= 1
        d, found = d / np.float32(20), {}
        for k in (2, 1, 0):
            found[f"W{k}"], found[f"b{k}"] = layers[k].T @ d, d.sum(axis=0)
            d = d @ p[f"W{k}"].T * (layers[k] > 0)
        return found

    return f, grad, p


@pytest.mark.parametrize(
    ("weights", "seeds"),
    [(1e-2, 1), *(pytest.param(w, 8, marks=pytest.mark.slow) for w in (1e-2, 1e-1, 1e-3, 1e-4))],
)
def test_fresh_networks_in_float32_are_not_called_wrong(weights: float, seeds: int) -> None:
    """Of 40 with weights of 0.01 and 0.001 34 FAILed; in float64 all that kinks leave to be seen passes."""
    for seed in range(seeds):
        f, grad, p = network(seed, weights)
        assert check_gradient(f, grad, p).outcome is not Outcome.FAIL, seed
    f, grad, p = network(0, weights)
    wrong = check_gradient(f, lambda p: {k: v * (20 if k == "b2" else 1) for k, v in grad(p).items()}, p)
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("seed", range(6))
def test_what_noise_over_the_first_step_does_not_hide_is_no_kink(seed: int) -> None:
    """Residuals that are 0 at x = 0, as those of a camera in its first pose, with an entry that is 10 % off."""
    rng = np.random.default_rng(seed)
    a, b = 300.0 * rng.standard_normal((9, 3)), rng.standard_normal(9)

    def f(x: Any) -> Any:
        return np.sin(a @ x) / (1.0 + 0.1 * b * (a @ x)) + (np.cos(x[0]) - 1.0) * b

    claim = a.copy()
    assert check_jacobian(f, claim, np.zeros(3)).outcome is Outcome.PASS
    claim[4, 1] *= 1.1
    report = check_jacobian(f, claim, np.zeros(3))
    assert [m.name for m in report.wrong] == ["J[4, 1]"], report


# What is decided of a few entries, by hand: an array of zeros beside another, each with its own unit of a step.
X = {"a": np.zeros(3), "b": np.array([8.0, 0.0])}
SCALES = np.array([1.0, 2.0, 2.0, 8.0, 4.0])


def known(f: Any = None, *, x: Any = X, scales: Any = SCALES, **budget: Any) -> Setting:
    """f at x, with first steps of a thousandth of each unit."""
    parameters, flat = Parameters.of(x)
    objective = Objective(f or (lambda x: 0.0), parameters, **budget)
    return Setting(objective, flat, np.zeros(1), scales, Tolerance(1e-6), level=1e-15, relative_step=1e-3)


def accused(off: Any, limit: Limit, **parts: Any) -> Entries:
    """Slopes of 1, and claims that are off by so much and called wrong; of one-sided slopes nothing is known."""
    given = 1.0 + np.asarray(off, float)
    m = given.size
    no, found = np.zeros(m, bool), estimate_of(m, **{"sided": np.nan, **parts})
    found.limit[:] = limit
    judgement = Judgement(np.ones(m, bool), no, no, np.zeros(m), np.ones(m))
    return Entries(np.arange(m), given, found, judgement)


def open_of(evidence: Entries) -> list[Limit | None]:
    """What keeps the entries open of which nothing is decided any more; None of those that are wrong."""
    after = open_between_kinks(known(), evidence)
    pairs = zip(after.judgement.wrong, after.estimate.limit, strict=True)
    return [None if wrong else limit for wrong, limit in pairs]


def test_a_kink_is_followed_by_the_size_of_its_coordinate():
    """To a millionth of 8: with noise of 0.02 k its steps are k of 1e-3, for jumps of 2; three of these may cancel."""
    for steps, off, left in ((7e-3, 5.0, False), (9e-3, 5.0, True), (9e-3, 5.9, True), (9e-3, 6.1, False)):
        noise = 0.02 * steps
        found = open_of(accused([0, 0, 0, off, 0], Limit.TRUNCATION, kink=[0, 0, 0, 1.0, 0], noise=noise))
        assert found[3] == (Limit.BESIDE if left else None), (steps, off)


def test_what_is_not_0_and_has_no_kink_is_wrong_beside_one_that_has():
    """8 and 8: a jump of 2 of the first leaves room for that alone; of 0 and 0 for both."""
    evidence = accused([1.0, 1.0], Limit.TRUNCATION, kink=[1.0, 0.0], noise=1.0)
    for value, wrong in ((8.0, [False, True]), (0.0, [False, False])):
        setting = known(x=np.full(2, value), scales=np.ones(2))
        assert open_between_kinks(setting, evidence).judgement.wrong.tolist() == wrong


def test_a_kink_is_followed_by_no_unit_where_a_coordinate_has_a_size():
    """To a millionth of 8, whatever its unit."""
    setting = known(x=np.full(1, 8.0), scales=np.ones(1))
    for steps, wrong in ((7e-3, True), (9e-3, False)):
        evidence = accused([5.0], Limit.TRUNCATION, kink=1.0, noise=0.02 * steps)
        assert open_between_kinks(setting, evidence).judgement.wrong.tolist() == [wrong]


def test_kinks_at_0_leave_no_room_beside_what_is_not_0():
    """Three jumps of 0.2 at 8, and not of 2 at 0 in the same array."""
    for off, limit in ((0.5, Limit.BESIDE), (0.7, None)):
        evidence = accused([0, 0, 0, off, 0], Limit.TRUNCATION, kink=[0, 0, 0, 0.1, 1.0], noise=1.0)
        assert open_of(evidence)[3] == limit


def test_a_kink_at_0_is_followed_by_the_unit_of_its_step():
    """To a billionth of it where the whole array is 0, of 2 here; to a millionth of 4 beside what is not."""
    for at, steps, left in ((1, 1.9e-6, False), (1, 2.1e-6, True), (4, 3.9e-3, False), (4, 4.1e-3, True)):
        kink = np.where(np.arange(5) == at, 1.0, 0.0)
        found = open_of(accused(5.0 * kink, Limit.TRUNCATION, kink=kink, noise=0.02 * steps))
        assert found[at] == (Limit.BESIDE if left else None), (at, steps)


def test_slopes_at_a_kink_leave_room_to_both_sides():
    """From -1 to 1, with jumps of 2: up to 7 and -7, and what keeps them open is the kink."""
    for given, left in ((6.9, True), (7.1, False), (-6.9, True), (-7.1, False)):
        evidence = accused([given - 1.0], Limit.KINK, kink=1.0, left=-1.0, right=1.0, noise=1.0)
        assert open_of(evidence) == [Limit.KINK if left else None], given


@pytest.mark.parametrize(
    ("times", "off", "left"), [(4.0, 17.9, True), (4.0, 18.1, False), (1.9, 1.0, False), (2.1, 1.0, True)]
)
def test_noise_hides_kinks_of_an_array_of_zeros_beyond_twice_its_first_step(
    times: float, off: float, left: bool
):
    """Nine times the noise of a half, and so many first steps: 18 of four. Beside what is not 0 it hides none."""
    evidence = accused([off] * 5, Limit.NOISE, step=times * 1e-3 * SCALES, noise=0.5)
    assert open_of(evidence) == [Limit.BESIDE if left else None] * 3 + [None] * 2


def test_points_beside_x_are_no_farther_than_a_first_step():
    """The complex step has no length: then it is the first."""
    step = np.array([5e-4, 0.0, 1.0, 9e-3, 3e-3])
    evidence = accused([1.0] * 5, Limit.NONE, step=step)
    assert _lengths(known(), evidence, np.arange(5)).tolist() == [5e-4, 2e-3, 2e-3, 8e-3, 3e-3]


def test_slopes_beside_x_are_taken_over_half_of_how_far_it_is_moved():
    """Along b[0], of unit 8, by 0.016: each coordinate by up to three 1000th of its own, with 0.008 between two."""
    points = []

    def f(x: Any) -> float:
        points.append(np.concatenate([x["a"], x["b"]]))
        return float(3.0 * x["b"][0] + abs(x["a"][0]))

    tangent = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    slopes = _slopes_beside(known(f), tangent, 0, 0.016, 1)
    assert slopes == pytest.approx((3.0, 3.0), rel=1e-9)
    before, after = np.array(points[::2]), np.array(points[1::2])
    assert len(points) == 16
    assert after - before == pytest.approx(np.tile(0.008 * tangent, (8, 1)), abs=1e-12)
    moved = np.abs((before + after) / 2.0 - known().x) / (SCALES / 500.0)
    assert 0.5 <= moved.min() < 0.6
    assert 1.4 < moved.max() <= 1.5
    # The same with the same seed, and others with another.
    for seed, same in ((1, True), (2, False)):
        _slopes_beside(known(f), tangent, 0, 0.016, seed)
        assert np.array_equal(points[-16:], points[:16]) is same


def test_without_sixteen_evaluations_kinks_do_not_meet():
    """None is looked at; with them |a[0]| is, which has slopes of -1 and 1 beside x and not of 1 alone."""

    def f(x: Any) -> float:
        return float(np.sum(np.abs(x["a"])))

    evidence = accused([1.0], Limit.KINK, left=1.0, right=1.0, sided=1e-9)
    for budget, span in ((15, 0.0), (16, 2.0)):
        found = where_kinks_meet(known(f, max_nfev=budget), evidence, np.array([0]))
        assert found == pytest.approx(span, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "slack", "span", "asked", "expected"),
    [
        (10.0, 0.0, 0.0, 3, (False, False)),
        # By what those of another entry span, whatever these do.
        (10.0, 0.0, 9.1, 1, (True, False)),
        (10.0, 0.0, 8.9, 3, (False, False)),
        # By twice what these span, to both sides.
        (2.9, 0.0, 0.0, 1, (True, False)),
        (3.1, 0.0, 0.0, 3, (False, False)),
        (3.1, 0.2, 0.0, 1, (True, False)),
        (-1.9, 0.0, 0.0, 1, (True, False)),
        (-2.1, 0.0, 0.0, 3, (False, False)),
        # Among them.
        (0.5, 0.0, 0.0, 1, (True, True)),
        (1.0, 0.0, 0.0, 1, (True, True)),
        (1.1, 0.2, 0.0, 1, (True, True)),
        (1.1, 0.05, 0.0, 1, (True, False)),
    ],
)
def test_slopes_from_0_to_1_explain_what_lies_beside_them(
    monkeypatch: pytest.MonkeyPatch, given: float, slack: float, span: float, asked: int, expected: Any
):
    """Asked for three times at other points where they do not."""
    turns = []

    def seen(setting: Setting, evidence: Entries, k: int, turn: int) -> tuple[float, float, float]:
        turns.append((k, turn))
        return 0.0, 1.0, slack

    monkeypatch.setattr(module, "_seen", seen)
    assert _explained(known(), accused([0.0, given - 1.0], Limit.KINK), 1, span) == expected
    assert turns == [(1, turn) for turn in range(asked)]


def test_slopes_that_were_seen_at_other_points_count_together(monkeypatch: pytest.MonkeyPatch):
    """From 0 to 1, from 2 to 3 and from -1 to 0: 10 is 7 beyond those of four in all, and 9 beyond the first."""
    answers = {0: (0.0, 1.0, 0.0), 1: (2.0, 3.0, 0.0), 2: (-1.0, 0.0, 0.0)}
    monkeypatch.setattr(module, "_seen", lambda setting, evidence, k, turn: answers[turn])
    assert _explained(known(), accused([9.0], Limit.KINK), 0, 0.0) == (True, False)
    assert _explained(known(), accused([10.1], Limit.KINK), 0, 0.0) == (False, False)


@pytest.mark.parametrize(
    ("given", "level", "clear", "far"),
    [
        # A twentieth of what the claim is off by, or of a fiftieth of the jump.
        (2.0, 1e-15, 0.05, False),
        (-3.0, 1e-15, 0.1, False),
        (0.5, 1e-15, 0.002, False),
        (1.0, 1e-15, 0.002, False),
        # Where values do not round at all, twenty times the least step, of 64 spacings of a millionth of the unit 2.
        (2.0, 0.0, 0.05, False),
        # No farther than the step, where f bends by a twentieth of the jump.
        (2.0, 1e-6, 0.1, True),
        (-6.0, 1e-5, 0.25, True),
    ],
)
def test_slopes_beside_x_are_taken_as_near_as_noise_lets_them_be_seen(
    monkeypatch: pytest.MonkeyPatch, given: float, level: float, clear: float, far: bool
):
    """Twelve times the level, over the length, is a quarter of what is clear; at a kink from -1 to 1."""
    asked: list[Any] = []

    def slopes(setting: Setting, tangent: Any, *given: Any) -> tuple[float, float]:
        asked.append((tangent.tolist(), *given))
        return 0.5, 3.0

    monkeypatch.setattr(module, "_slopes_beside", slopes)
    evidence = accused([0.0, given - 1.0], Limit.KINK, left=1.0, right=-1.0, sided=1e-3)
    least, most, slack = _seen(replace(known(), level=np.array([level])), evidence, 1, 2)
    length = 1e-3 / math.sqrt(5.0) if far else max(48.0 * level / clear, 64.0 * 2.0**-52 * 2e-6 / 0.05)
    assert (least, most) == (-1.0, 3.0)
    assert slack == pytest.approx(3e-3 + clear + 12.0 * level / length, rel=1e-9)
    ((tangent, output, over, seed),) = asked
    assert (tangent, output, seed) == ([0.0, 1.0, 0.0, 0.0, 0.0], 0, 5)
    assert over == pytest.approx(length, rel=1e-9, abs=0.0)


def bound_together(x: Any) -> float:
    """a[0] a[1]^2 / (a[0]^2 + a[1]^2): 0 along each of them, and from 0.15 to 0.75 along both by 0.5 to 1.5."""
    a = x["a"]
    return float(a[0] * a[1] ** 2 / max(a[0] ** 2 + a[1] ** 2, 1e-300))


TIED: dict[str, tuple[dict[str, Any], float, int, bool]] = {
    "tied": ({}, 1.0, 4, True),
    "within a twentieth of what is off": ({}, 16.0, 4, False),
    "without four evaluations": ({}, 1.0, 3, False),
    "bent": ({"curvature": 1.0, "error": 3e-4}, 1.0, 4, False),
    "bent the other way": ({"curvature": -1.0, "error": 3e-4}, 1.0, 4, False),
    "bent within the bar": ({"curvature": 1.0, "error": 3.5e-4}, 1.0, 4, True),
    "steps of other distances": ({"step": [1e-3, 1.5e-5]}, 1.0, 4, False),
    "steps alike": ({"step": [1e-3, 1.6e-5]}, 1.0, 4, True),
    "steps alike, barely": ({"step": [2.0**-10, 2.0**-16]}, 1.0, 4, True),
    "bars as large": ({"error": 1.0}, 1.0, 4, False),
}


@pytest.mark.parametrize("name", TIED)
def test_entries_are_tied_where_f_has_another_slope_along_both(name: str):
    """Beyond three bars and a twentieth of what is off; it takes four evaluations."""
    parts, off, budget, tied = TIED[name]
    evidence = accused([off, off], Limit.NONE, **{"value": 0.0, "error": 0.0} | parts)
    setting, rows = known(bound_together, max_nfev=budget), np.arange(2)
    assert _tied(setting, evidence, np.array([0]), rows, np.array([off, 99.0])) is tied
    assert setting.objective.nfev == 4 if tied else setting.objective.nfev in (0, 4)


def test_what_is_no_more_than_noise_is_not_tied():
    """Values of 1e-4 over 9e-5; and a sum of its slopes, which has no other along both."""
    evidence = accused([1.0, 1.0], Limit.NONE, value=0.0, error=0.0)
    rows, outside = np.arange(2), np.ones(2)
    for level, tied in ((1e-4, False), (1e-7, True)):
        setting = replace(known(bound_together), level=np.array([level]))
        assert _tied(setting, evidence, rows, rows, outside) is tied
    evidence = accused([0.01, 0.01], Limit.NONE, value=1.0, error=0.0)
    assert not _tied(known(lambda x: float(np.sum(x["a"]))), evidence, rows, rows, np.full(2, 0.01))


def test_ties_are_asked_for_at_the_same_points_each_time():
    """To both sides of x, as far as a step over the root of 2 and an eighth of that, along units."""
    points = []

    def f(x: Any) -> float:
        points.append(x["a"][:2].copy())
        return bound_together(x)

    evidence = accused([1.0, 1.0], Limit.NONE, value=0.0, error=0.0)
    for _ in range(2):
        _tied(known(f), evidence, np.arange(2), np.arange(2), np.ones(2))
    assert np.array_equal(points[:4], points[4:])
    units = np.array(points[:4]) / (1e-3 / math.sqrt(2.0) * np.array([[1.0], [0.125], [-1.0], [-0.125]]))
    assert units == pytest.approx(np.tile(random_units(np.random.default_rng(0), 2), (4, 1)), rel=1e-9)


def test_without_two_equal_coordinates_nothing_is_tied():
    """0 and 8, or 0 alone: no evaluation is spent."""
    evidence = accused([1.0] * 5, Limit.NONE, value=0.0, error=0.0)
    for wrong, rows in (([0, 3], [0, 3]), ([0], [0, 3]), ([3], [0, 1, 2, 3])):
        setting = known(bound_together)
        assert not _tied(setting, evidence, np.array(wrong), np.array(rows), np.ones(5))
        assert setting.objective.nfev == 0


class Asked:
    """Stands for what is asked of evidence: notes it, and answers that slopes span 1.5, and explain as is said."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, explained: bool = False, tied: bool = False
    ) -> None:
        self.explained, self.tied = explained, tied
        self.of: list[Any] = []
        monkeypatch.setattr(module, "where_kinks_meet", self.where_kinks_meet)
        monkeypatch.setattr(module, "_explained", self.explains)
        monkeypatch.setattr(module, "_tied", self.ties)

    def where_kinks_meet(self, setting: Setting, evidence: Entries, *kinds: Any) -> float:
        """Of which entries."""
        setting.objective.value(setting.x)
        self.of.append(("meet", *[kind.tolist() for kind in kinds]))
        return 1.5

    def explains(self, setting: Setting, evidence: Entries, k: int, span: float) -> tuple[bool, bool]:
        """By the span."""
        self.of.append((k, span))
        return self.explained, self.explained

    def ties(self, setting: Setting, evidence: Entries, wrong: Any, rows: Any, outside: Any) -> bool:
        """Of which entries, and what they are off by."""
        self.of.append(("tied", wrong.tolist(), rows.tolist(), outside.tolist()))
        return self.tied


def test_what_is_off_by_most_is_explained_first(monkeypatch: pytest.MonkeyPatch):
    """If it is not, what no more than the slopes span is off by is open, and nothing else; and no other is asked."""
    asked = Asked(monkeypatch)
    evidence = accused([1.5, 5.0, 3.0], Limit.KINK, sided=0.0, left=1.0, right=1.0)
    after = module._without_where_kinks_meet(known(), evidence)
    assert asked.of == [("meet", [0, 1, 2], [1, 2, 0]), (1, 1.5)]
    assert after.judgement.wrong.tolist() == [False, True, True]
    assert after.estimate.limit.tolist() == [Limit.KINKS, Limit.KINK, Limit.KINK]
    # What was asked of f is counted.
    assert after.estimate.nfev == evidence.estimate.nfev + 1


def test_within_bounds_nothing_is_asked_beside_x(monkeypatch: pytest.MonkeyPatch):
    """The points may lie beyond them."""
    asked = Asked(monkeypatch)
    evidence = accused([1.5, 5.0, 3.0], Limit.KINK, sided=0.0, left=1.0, right=1.0)
    setting = replace(known(), room=(np.ones(5), np.ones(5)))
    assert module._without_where_kinks_meet(setting, evidence) is evidence
    assert asked.of == []


@pytest.mark.parametrize("explained", [False, True])
def test_outputs_are_asked_as_long_as_they_are_explained(monkeypatch: pytest.MonkeyPatch, explained: bool):
    """First the one with the entry that is off by most."""
    asked = Asked(monkeypatch, explained=explained)
    one = known(lambda x: 0.0, x=np.zeros(3), scales=np.ones(3))
    setting = Setting(
        one.objective, one.x, np.zeros(2), one.scales, one.tolerance, level=1e-15, relative_step=1e-3
    )
    evidence = accused([2.0, 5.0, 3.0, 2.0, 4.0, 6.0], Limit.KINK, sided=0.0, left=1.0, right=1.0)
    module._without_where_kinks_meet(setting, evidence)
    entries = [5, 4, 3, 1, 2, 0] if explained else [5]
    assert [k for k, *_ in asked.of if k != "meet"] == entries
    assert [of for of in asked.of if of[0] == "meet"] == [
        ("meet", [3, 4, 5], [5, 4, 3]), *([("meet", [0, 1, 2], [1, 2, 0])] if explained else [])
    ]  # fmt: skip


@pytest.mark.parametrize("subgradient", [False, True])
def test_what_lies_among_slopes_beside_x_passes_where_subgradients_do(
    monkeypatch: pytest.MonkeyPatch, subgradient: bool
):
    """Each is asked for itself."""
    asked = Asked(monkeypatch, explained=True)
    evidence = accused([1.0, 5.0, 3.0], Limit.KINK, sided=0.0, left=1.0, right=1.0)
    after = module._without_where_kinks_meet(replace(known(), subgradient=subgradient), evidence)
    assert asked.of[1:] == [(1, 1.5), (2, 1.5), (0, 1.5)]
    assert not after.judgement.wrong.any()
    for passed in (after.judgement.verified, after.judgement.subgradient):
        assert passed.tolist() == [subgradient] * 3


@pytest.mark.parametrize("tied", [False, True])
def test_an_array_without_kinks_is_asked_of_where_it_is_tied(monkeypatch: pytest.MonkeyPatch, tied: bool):
    """b is smooth, and off by most; else it is wrong whatever the kinks of a explain."""
    asked = Asked(monkeypatch, explained=True, tied=tied)
    evidence = accused([1.0, 5.0, 3.0, 2.0, 9.0], Limit.KINK, sided=[0, 0, 0, np.nan, 0], left=1.0, right=1.0)
    evidence.estimate.limit[3:] = Limit.NONE
    after = module._without_where_kinks_meet(known(), evidence)
    assert asked.of[0] == ("tied", [4, 1, 2, 0], [0, 1, 2, 4], [1.0, 5.0, 3.0, 2.0, 9.0])
    meet = ("meet", [0, 1, 2, 4], [4, 1, 2, 0]) if tied else ("meet", [0, 1, 2], [1, 2, 0])
    assert asked.of[1:] == [meet, *[(k, 1.5) for k in meet[2]]]
    assert after.judgement.wrong.tolist() == [False, False, False, True, not tied]
