"""Whether accusations hold at other steps: kinks and peaks beside x, and what f may lose in its rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_vjp
from gradcheck.evidence.entries import held
from gradcheck.evidence.held import _of_columns, jump_from_line
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import as_told
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance, judge

# Nearer to x

KNOTS = np.linspace(0.0, 10.0, 100_000)
TABLE = np.sin(KNOTS) + 0.3 * np.cos(3.0 * KNOTS)
SLOPES = np.diff(TABLE) / np.diff(KNOTS)


def lookups(seed: int, n: int) -> tuple[Any, Any, Any]:
    """A sum of linear interpolations in a table, the slopes of its segments, and a point."""
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(1.0, 9.0, n), rng.normal(size=n)
    return (
        lambda x: float(w @ np.interp(x, KNOTS, TABLE)),
        lambda x: w * SLOPES[np.searchsorted(KNOTS, x) - 1],
        x,
    )


@pytest.mark.parametrize("n", [5, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 40))])
def test_the_slope_of_a_segment_of_a_table_is_not_wrong(n: int):
    """Steps of 1e-2 cross a hundred knots; f has all its digits, and a slope beside x. One off by 1 % is told."""
    for seed in range(8):
        f, gradient, x = lookups(seed, n)
        assert check_gradient(f, gradient, x, rng=seed).outcome is not Outcome.FAIL
        assert check_gradient(f, lambda x, g=gradient: 1.01 * g(x), x, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("seed", [8, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (13, 26))])
@pytest.mark.parametrize("scale", [1e-6, 1e-9, 1e-12])
def test_a_peak_within_every_step_around_0_is_not_wrong(scale: float, seed: int):
    """A right Jacobian of a Gaussian peak whose centre is 0, a start value; with that column 10 % off none passes."""
    times = np.linspace(-1.0, 1.0, 200) * scale
    width = 0.2 * scale * np.exp(0.3 * np.random.default_rng(seed).normal())

    def f(p: Any) -> Any:
        return p[0] * np.exp(-0.5 * ((times - p[1]) / p[2]) ** 2) + p[3]

    def jacobian(p: Any) -> Any:
        z = (times - p[1]) / p[2]
        peak = np.exp(-0.5 * z * z)
        return np.c_[peak, p[0] * peak * z / p[2], p[0] * peak * z * z / p[2], np.ones_like(times)]

    def larger(p: Any) -> Any:
        return jacobian(p) * [1.0, 1.1, 1.0, 1.0]

    x = np.array([1.0, 0.0, width, 0.1])
    assert check_jacobian(f, jacobian, x, rng=seed).outcome is not Outcome.FAIL
    assert check_jacobian(f, larger, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.parametrize("width", [1e-5, 1e-8, 1e-11])
def test_where_f_stands_still_around_0_a_claim_of_0_is_not_wrong(width: float):
    """A soft threshold beside other terms, where half of x is 0; of one that is none a claim of 0 is wrong."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        w, x = rng.normal(size=12), np.where(np.arange(12) % 2, rng.normal(size=12), 0.0)

        def f(x: Any, w: Any = w, width: float = width) -> float:
            return float(w @ (np.sign(x) * np.maximum(np.abs(x) - width, 0.0)))

        claim = w * (x != 0)
        assert check_gradient(f, claim, x, rng=seed).outcome is not Outcome.FAIL
        assert check_gradient(lambda x, w=w: float(w @ x), claim, x, rng=seed).outcome is Outcome.FAIL


def accused(
    f: Any, given: float, value: float, *, level: float, x: float = 1.0, step: float = 1e-2, **parts: Any
) -> tuple[Entries, Entries, list[float]]:
    """One accusation of a claim, what is left of it, and where f was asked for that, from x."""
    asked: list[float] = []

    def noting(x: Any) -> float:
        asked.append(float(x[0]))
        return float(f(x[0]))

    parameters, at = Parameters.of(np.array([x]))
    objective = Objective(noting, parameters, max_nfev=parts.pop("max_nfev", None))
    setting = Setting(
        objective,
        at,
        objective.value(at),
        np.ones(1),
        Tolerance(1e-6),
        level=level,
        relative_step=1e-2,
        room=parts.pop("room", None),
    )
    told = as_told(np.array([value]), np.array([1e-9]), np.array([step]))
    limit = np.array([parts.pop("limit", Limit.NOISE)], object)
    told = type(told)(**(vars(told) | {"limit": limit}))
    claim = np.array([given])
    judgement = judge(claim, told, np.ones(1), setting.tolerance)
    before = Entries(np.array([0]), claim, told, judgement)
    del asked[:]
    return before, held(setting, before), [t - x for t in asked]


def bent(slope: float, other: float, at: float) -> Any:
    """A line through 1 that has another slope beyond a distance from 1, on both sides."""

    def f(x: float) -> float:
        t = x - 1.0
        return 1.0 + slope * t + (other - slope) * np.sign(t) * max(abs(t) - at, 0.0)

    return f


def test_of_a_claim_that_holds_beside_x_nothing_is_decided_and_another_stays_wrong():
    """A slope of 2 within 1e-5 of x, and of 2.001 over longer steps."""
    f = bent(2.0, 2.001, 1e-5)
    before, after, asked = accused(f, 2.0, 2.001, level=1e-9)
    assert before.judgement.wrong.tolist() == [True]
    assert after.judgement.inconclusive.tolist() == [True]
    assert after.estimate.limit.tolist() == [Limit.TRUNCATION]
    assert len(asked) <= 28
    for claim in (2.002, 1.99, 2.0006):
        _, after, asked = accused(f, claim, 2.001, level=1e-9)
        assert after.judgement.wrong.tolist() == [True]
        assert len(asked) == 1


def test_a_claim_that_holds_on_the_surface_of_a_step_stays_wrong():
    """Stairs of 1e-6 beside a slope of 1: between two of them f shows the 1 alone, of 3 in all."""

    def stairs(x: float) -> float:
        return x + np.floor(2e6 * (x - 1.0) + 0.3) * 1e-6

    before, after, asked = accused(stairs, 1.0, 3.0, level=6e-7)
    assert after.judgement.wrong.tolist() == before.judgement.wrong.tolist() == [True]
    assert len(asked) <= 28


@pytest.mark.parametrize("seed", [0, 5, 8])
def test_the_noise_of_a_solver_bears_out_no_claim(seed: int):
    """The compliance of springs in a row, beside a term for their mass: one entry without its large part is told."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 120))
    x, load, d = 0.3 + 0.6 * rng.random(n), np.full(n, 0.1), np.eye(n) - np.eye(n, k=-1)
    load[-1] += 1.0

    def solved(x: Any) -> Any:
        return np.linalg.solve(np.dot(d.T * (1e-3 + x**3), d), load)

    def f(x: Any) -> float:
        return float(load @ solved(x) + 10.0 * (np.mean(x) - 0.4) ** 2)

    def gradient(x: Any) -> Any:
        return -((d @ solved(x)) ** 2) * 3.0 * x**2 + 20.0 * (np.mean(x) - 0.4) / n

    def forgets(x: Any) -> Any:
        g = gradient(x)
        g[0] = 20.0 * (np.mean(x) - 0.4) / n
        return g

    for rng_seed in range(3):
        assert check_gradient(f, gradient, x, rng=rng_seed).outcome is Outcome.PASS
        report = check_gradient(f, forgets, x, rng=rng_seed)
        assert [m.flat_index for m in report.wrong] == [0]


# How near to x of 1 a claim of 2 is told from 2.1: sixteen roundings of x apart, which move f by 2.1 each.
NEAR = 16.0 * 2.1 * 2.0**-52 / 0.1


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize(("times", "wrong"), [(16.0, False), (3.0, True)])
def test_beside_large_noise_f_has_to_follow_a_claim_to_one_side(side: float, times: float, wrong: bool):
    """Eight times as far as where it shows first; a solver shows any slope there."""

    def f(x: float) -> float:
        t = side * (x - 1.0)
        # To the other side it has the other slope from two such distances on.
        return 1.0 + side * (2.0 * t + 0.1 * (max(t - times * NEAR, 0.0) + min(t + 1.5 * NEAR, 0.0)))

    _, after, asked = accused(f, 2.0, 2.1, level=1e-9)
    assert after.judgement.wrong.tolist() == [wrong]
    assert asked[:2] == pytest.approx([NEAR, 2.0 * NEAR], rel=0.02, abs=0)
    # A slight one may be of kinks that make less noise: it follows as far as it is seen.
    near = NEAR * 0.1 / 0.01
    _, after, _ = accused(bent(2.0, 2.01, 3.0 * near), 2.0, 2.01, level=1e-9)
    assert after.judgement.wrong.tolist() == [False]


@pytest.mark.parametrize(("slope", "wrong"), [(2.0, False), (2.03, True)])
def test_farther_on_a_claim_is_told_by_so_much_better(slope: float, wrong: bool):
    """2.03 is nearer to a claim of 2 than to 2.1, but is no 2."""
    _, after, _ = accused(lambda x: 1.0 + slope * (x - 1.0), 2.0, 2.1, level=1e-9)
    assert after.judgement.wrong.tolist() == [wrong]


def test_f_is_followed_within_its_bounds_and_its_budget():
    """There is room for twice the distance to the left, and to the right f leaves the claim; one call is left."""

    def f(x: float) -> float:
        return 1.0 + 2.0 * (x - 1.0) + 0.1 * max(x - 1.0 - 1.5 * NEAR, 0.0)

    room = (np.full(1, 3.0 * NEAR), np.full(1, 1.0))
    _, after, asked = accused(f, 2.0, 2.1, level=1e-9, room=room)
    assert after.judgement.wrong.tolist() == [True]
    assert min(asked) >= -3.0 * NEAR
    for calls in (1, 2):
        _, after, asked = accused(f, 2.0, 2.1, level=1e-9, max_nfev=1 + calls)
        assert (after.judgement.wrong.tolist(), len(asked)) == ([True], calls)


@pytest.mark.parametrize("still", [True, False])
def test_beside_0_f_that_stands_still_bears_out_no_claim_of_0(still: bool):
    """It may stand on a step: so nothing is known. A slope that it has is what was found."""
    width = 1e-5 if still else 0.0

    def f(x: float) -> float:
        return 1.0 + 1e-4 * np.sign(x) * max(abs(x) - width, 0.0)

    _, after, _ = accused(f, 0.0, 1e-4, level=1e-15, x=0.0, limit=Limit.NONE)
    assert after.judgement.wrong.tolist() == [not still]
    assert np.isinf(after.estimate.error).tolist() == [still]


@pytest.mark.parametrize(("value", "rounding"), [(0.0, 1.0), (1e-2, 9.0)])
def test_how_near_to_0_f_is_looked_at(value: float, rounding: float):
    """Where a slope of 0 was found by the digits of f, what was measured being what it bends; else by its noise."""
    _, _, asked = accused(
        lambda x: 1.0 + value * x, 1.0, value, level=9.0 * 2.0**-52, x=0.0, limit=Limit.NONE
    )
    assert asked[0] == pytest.approx(16.0 * rounding * 2.0**-52 / (1.0 - value), abs=0)


@pytest.mark.parametrize(("x", "sizeless"), [(1e-12, True), (1e-2, False)])
def test_an_x_that_is_nothing_beside_its_steps_has_no_size(x: float, sizeless: bool):
    """Beside steps of 1 an x of 1e-12 is 0: a claim of 0 is looked at, as f may stand still there.

    And 1e-8 makes 3e-9 over 0.3, more than a rounding of 1e-9, which 0.3 of 1e-2 is not.
    """

    def still(t: float) -> float:
        return 1.0 + np.sign(t - x) * max(abs(t - x) - 1e-5, 0.0)

    _, after, asked = accused(still, 0.0, 1.0, level=1e-15, x=x, limit=Limit.NONE)
    assert (after.judgement.wrong.tolist(), bool(asked)) == ([not sizeless], sizeless)
    evidence, _ = accused_of_no_slope(lambda x: 1.0, [1e-8], [x], eps=1e-9)
    assert evidence.judgement.wrong.tolist() == [sizeless]


def test_what_is_not_looked_at_nearer():
    """No more noise than digits and a gross mistake; a kink; no room; no budget; a step that is as near as can be."""
    f = bent(2.0, 3.0, 1e-5)
    assert accused(f, 2.0, 3.0, level=1e-9)[1].judgement.wrong.tolist() == [False]
    for parts in (
        {"level": 1e-15},
        {"level": 1e-9, "room": (np.full(1, 1e-13), np.zeros(1))},
        {"level": 1e-9, "max_nfev": 1},
        {"level": 1e-9, "step": 1e-13},
    ):
        _, after, asked = accused(f, 2.0, 3.0, **parts)
        assert (after.judgement.wrong.tolist(), asked) == ([True], [])
    # A slight one is looked at whatever the noise: a table's knots may lie beyond the points that show noise.
    _, after, _ = accused(bent(2.0, 2.001, 1e-5), 2.0, 2.001, level=1e-16, limit=Limit.NONE)
    assert after.judgement.wrong.tolist() == [False]


def test_at_0_a_slope_within_the_first_step_is_seen():
    """tanh of 1e9 x has a slope of 1e9 within 1e-9; beyond it f is flat."""
    for claim, wrong in ((1e-3, False), (3e-3, True)):
        _, after, asked = accused(
            lambda x: 1.0 + 1e-12 * np.tanh(1e9 * x), claim, 0.0, level=2e-16, x=0.0, limit=Limit.NONE
        )
        assert after.judgement.wrong.tolist() == [wrong]
        assert abs(asked[0]) <= 1e-11


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_on_a_bound_f_is_looked_at_on_the_other_side(side: float):
    """Nearer to x, and where it leaves its slope; never beyond the bound."""
    room = (np.full(1, float(side < 0)), np.full(1, float(side > 0)))
    _, after, asked = accused(bent(2.0, 2.001, 1e-5), 2.0, 2.001, level=1e-9, room=room)
    assert after.judgement.wrong.tolist() == [False]
    evidence, more = accused_of_no_slope(stairs, [1e-3], [1.0], room=room, eps=1e-6)
    assert evidence.judgement.wrong.tolist() == [False]
    assert min(side * t for t in asked) > 0
    assert more


def leaves(f: Any, slope: float, apart: float) -> bool:
    """Whether f jumps away from a slope at 1 within 1e-9 to 1e-2."""
    parameters, at = Parameters.of(np.ones(1))
    objective = Objective(lambda x: float(f(x[0])), parameters)
    setting = Setting(
        objective, at, objective.value(at), np.ones(1), Tolerance(1e-6), level=1e-9, relative_step=1e-2
    )
    return jump_from_line(setting, 0, slope, (1e-9, 1e-2), apart) > 0


@pytest.mark.parametrize("at", [1e-8, 1e-6, 3e-4, 8e-3])
def test_a_jump_is_told_from_a_kink_and_from_a_bend(at: float):
    """Wherever f leaves the line, on either side; also where it does not."""
    for sign in (-1.0, 1.0):

        def jump(x: float, sign: float = sign) -> float:
            return 1.0 + 1e-2 * (sign * (x - 1.0) > at)

        def kink(x: float, sign: float = sign) -> float:
            return 1.0 + max(sign * (x - 1.0) - at, 0.0)

        assert leaves(jump, 0.0, 1.0)
        assert not leaves(kink, 0.0, 1.0)
    assert not leaves(lambda x: 1.0 + at * np.log1p(((x - 1.0) / at) ** 2), 0.0, 1.0)
    assert not leaves(lambda x: x, 1.0, 1.0)


# Where f does not move


def cross_entropy(seed: int, size: float, dtype: str) -> tuple[Any, Any, Any]:
    """The log-softmax cross-entropy of one sample that is classified as it should be: f, its gradient, and a point."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1, 6)).astype(dtype)
    w = (size * rng.standard_normal((6, 4))).astype(dtype)
    right = int((x @ w).argmax())

    def f(w: Any) -> Any:
        z = x @ w
        z = z - z.max()
        return (np.log(np.exp(z).sum()) - z[0, right]).astype(dtype)

    def gradient(w: Any) -> Any:
        z = x @ w
        p = np.exp(z - z.max())
        p = p / p.sum()
        p[0, right] -= 1.0
        return x.T @ p

    return f, gradient, w


@pytest.mark.parametrize(
    ("size", "dtype"), [(2.0, "f4"), pytest.param(3.0, "f4", marks=pytest.mark.slow), (5.0, "f8")]
)
def test_the_gradient_of_a_confident_sample_is_not_wrong(size: float, dtype: str):
    """log(1 + e) moves by a rounding of 1 at a time. One that is off by half in all entries never passes."""
    for seed in range(24):
        f, gradient, w = cross_entropy(seed, size, dtype)
        assert check_gradient(f, gradient, w, rng=seed).outcome is not Outcome.FAIL
    f, gradient, w = cross_entropy(0, 0.5, dtype)
    assert check_gradient(f, lambda w: 1.5 * gradient(w), w, rng=0).outcome is Outcome.FAIL


def softmax(z: Any) -> Any:
    """Of the rows of an array."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_what_attention_loses_beside_entries_of_1_is_not_wrong():
    """In float32, with queries and keys of 4; one that forgets the queries is told."""

    def f(p: Any) -> Any:
        return softmax(p["q"] @ p["k"].T) @ p["v"]

    def vjp(p: Any, u: Any) -> Any:
        a = softmax(p["q"] @ p["k"].T)
        d = u @ p["v"].T
        d = a * (d - (a * d).sum(axis=-1, keepdims=True))
        return {"q": d @ p["k"], "k": d.T @ p["q"], "v": a.T @ u}

    rng = np.random.default_rng(20)
    p = {name: (4.0 * rng.standard_normal((4, 4))).astype("f4") for name in "qkv"}
    assert check_vjp(f, vjp, p, rng=20).outcome is not Outcome.FAIL
    small = {name: array / 4.0 for name, array in p.items()}
    forgets = check_vjp(f, lambda p, u: vjp(p, u) | {"q": np.zeros_like(u)}, small, rng=20)
    assert forgets.outcome is Outcome.FAIL


def accused_of_no_slope(
    f: Any, given: Any, x: Any, *, scale: float = 1.0, step: float = 1e-3, **parts: Any
) -> tuple[Entries, list[float]]:
    """What is left of the accusation of some claims where f seemed to be flat, and where f was asked for that."""
    asked: list[float] = []
    x, given = np.asarray(x, float), np.asarray(given, float)

    def noting(at: Any) -> float:
        asked.append(float(np.abs(at - x).max()))
        if (room := parts.get("room")) is not None:
            assert (x - room[0] <= at).all()
            assert (at <= x + room[1]).all()
        return float(f(at))

    parameters, flat = Parameters.of(x)
    objective = Objective(noting, parameters, max_nfev=parts.pop("max_nfev", None))
    tolerance = Tolerance(1e-6, eps=parts.pop("eps", 2.0**-52))
    setting = Setting(
        objective,
        flat,
        objective.value(flat),
        np.ones(x.size),
        tolerance,
        level=1e-18,
        relative_step=1e-3,
        **parts,
    )
    flat_there = as_told(np.zeros(x.size), np.full(x.size, 1e-15), np.full(x.size, step))
    judgement = judge(given, flat_there, np.full(x.size, scale), tolerance)
    assert judgement.wrong.all()
    del asked[:]
    return held(setting, Entries(np.arange(x.size), given, flat_there, judgement)), asked


def stairs(x: Any) -> float:
    """A slope of 1e-3 in x[0], rounded to 1e-5; none in others."""
    return 1e-3 + np.round(1e-3 * (x[0] - 1.0) / 1e-5) * 1e-5


def test_a_slope_that_f_makes_in_jumps_is_not_wrong_and_one_that_it_has_not_is():
    """Jumps of 1e-5: 1e-3 is seen over 0.3; 5e-5 makes less than two of them there; 4e-3 is another slope."""
    for claim, wrong in ((1e-3, False), (0.8e-3, False), (5e-5, False), (4e-3, True), (-1e-3, True)):
        evidence, asked = accused_of_no_slope(stairs, [claim], [1.0], eps=1e-6)
        assert evidence.judgement.wrong.tolist() == [wrong], claim
        assert evidence.judgement.inconclusive.tolist() == [not wrong]
        assert len(asked) < 60
    evidence, _ = accused_of_no_slope(stairs, [1e-3, 1e-3], [1.0, 1.0], eps=1e-6)
    assert evidence.judgement.wrong.tolist() == [False, True]


def test_a_unit_that_is_dead_has_no_slope_though_it_has_one_farther_away():
    """f bends from where it is flat, or does not move at all, or lets nothing be asked."""
    dead = np.vectorize(lambda t: max(t - 1.1, 0.0))
    evidence, _ = accused_of_no_slope(lambda x: 1.0 + 10.0 * float(dead(x[0])), [5.0], [1.0], eps=1e-5)
    assert evidence.judgement.wrong.tolist() == [True]
    for eps, looked in (
        (1e-5, True),
        (4e-6, False),
    ):  # 5e-3 are more than a thousand roundings: no term hides them
        evidence, asked = accused_of_no_slope(lambda x: 1.0, [5.0], [1.0], eps=eps)
        assert evidence.judgement.wrong.tolist() == [True]
        assert (0.3 <= max(asked, default=0.0) <= 5.0) is looked
    for parts in ({"max_nfev": 3}, {"room": (np.zeros(1), np.full(1, 1e-3))}):
        evidence, asked = accused_of_no_slope(stairs, [1e-3], [1.0], scale=0.1, eps=1e-6, **parts)
        assert evidence.judgement.wrong.tolist() == [True]
        assert max(asked, default=0.0) <= 1.0


@pytest.mark.parametrize(("scale", "wrong"), [(1e5, False), (1e2, True)])
def test_hardly_any_slope_is_looked_for_without_a_jump(scale: float, wrong: bool):
    """A thousandth of what the array is, or less, where f moves about as claimed at 0.3 of the size of x."""
    dead = np.vectorize(lambda t: max(t - 1.05, 0.0))

    def f(x: Any) -> float:
        """Flat on both sides of x."""
        return 1.0 + 10.0 * float(dead(x[0]) - dead(2.0 - x[0]))

    assert accused_of_no_slope(f, [8.0], [1.0], scale=scale)[0].judgement.wrong.tolist() == [wrong]
    assert accused_of_no_slope(f, [-8.0], [1.0], scale=scale)[0].judgement.wrong.tolist() == [True]


def test_less_than_a_rounding_of_f_is_lost_unseen():
    """1e-8 makes 3e-9 at 0.3 of x; a rounding in float32 of an f of 1 is 1.2e-7, and in float64 2e-16."""
    for eps, wrong in ((2.0**-23, False), (2.0**-52, True)):
        evidence, asked = accused_of_no_slope(lambda x: 1.0, [1e-8], [1.0], eps=eps)
        assert evidence.judgement.wrong.tolist() == [wrong]
        assert (max(asked, default=0.0) < 1e-6) is not wrong


@pytest.mark.parametrize("seed", [12, 31, 32, 50, 58])
def test_in_float32_no_step_nearer_than_its_roundings_acquits(seed):
    """sum tanh(W x)^2 in float32, one entry x 1.3 or of the wrong sign: x is given in doubles, and holds no more."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 30))
    x, w = (rng.normal(size=size).astype(np.float32) for size in (n, (12, n)))

    def f(x):
        return np.sum(np.tanh(w @ x) ** 2, dtype=np.float32)

    t = np.tanh(w.astype(float) @ x)
    right = w.T @ (2 * t * (1 - t * t))
    for factor in (1.0, 1.3, -1.0):
        j = int(np.argmax(np.abs(right)))
        claim = right.copy()
        claim[j] *= factor
        report = check_gradient(f, claim.astype(np.float32), x, rng=seed)
        assert [m.flat_index for m in report.wrong] == ([] if factor == 1.0 else [j])


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))]
)
def test_what_stands_still_where_f_rounds_within_itself_is_followed_outward(seed: int):
    """A sine of distances of 2e7: these round to 4e-9, and f stands still nearer, though its digits are all there.

    Right Jacobians FAILed in 11 of 20, "numerical is 0".
    """
    rng = np.random.default_rng(1000 + seed)
    stations, x = 2e7 * rng.normal(size=(8, 3)), 1e4 * rng.normal(size=3)

    def phase(x):
        return np.sin(2.0 * np.pi * np.linalg.norm(x - stations, axis=1) / 0.19)

    far = np.linalg.norm(x - stations, axis=1)
    jacobian = (np.cos(2.0 * np.pi * far / 0.19) * 2.0 * np.pi / 0.19 / far)[:, None] * (x - stations)
    assert check_jacobian(phase, jacobian, x, rng=seed).outcome is not Outcome.FAIL
    assert check_jacobian(phase, -jacobian, x, rng=seed).outcome is not Outcome.PASS


def test_a_dead_unit_that_is_claimed_to_move_is_wrong_however_near_its_edge_is():
    """It moves to one side alone, farther out."""
    for edge in (1e-3, 1e-2, 1e-1):
        x = np.array([1.0, 2.0])

        def f(x, edge=edge):
            return float(np.maximum(x[0] - 1.0 - edge, 0.0) + np.sin(x[1]))

        claim = np.array([1.0, np.cos(2.0)])
        assert [m.name for m in check_gradient(f, claim, x).wrong] == ["x[0]"]


@pytest.mark.parametrize(
    ("f", "step", "wrong"),
    [
        (lambda u: np.round(u / 3e-9) * 3e-9, 1e-10, False),
        (lambda u: np.sign(u) * 1e-8 * (abs(u) > 5e-9), 1e-9, True),
        (lambda u: np.maximum(u - 3e-9, 0.0), 1e-10, True),
        (lambda u: np.round(u / 3e-6) * 3e-6, 1e-5, True),
    ],
    ids=["rounded within itself", "one jump to either side", "dead", "farther than a millionth"],
)
def test_f_is_followed_from_near_x_to_two_distances_on_both_sides(f: Any, step: float, wrong: bool):
    """It is 2 + f(x - 1), of which a slope of 1 is claimed; three more looks at the most for each power of ten."""
    evidence, asked = accused_of_no_slope(lambda x: 2.0 + f(x[0] - 1.0), [1.0], [1.0], step=step)
    assert evidence.judgement.wrong.tolist() == [wrong]
    assert len(asked) < 60


@pytest.mark.parametrize("n", [2, 4, 30])
def test_an_output_that_is_0_does_not_take_the_others_where_they_stand_still(n):
    """Rows exchanged at x = 0: that of 1 + a.sin(x) was looked at as near as that of 0 rounds, and seemed to stay."""
    a, x = np.linspace(-0.3, 0.4, n), np.zeros(n)

    def f(x):
        return np.array([1.0 + (a * np.sin(x)).sum(), np.sin(x[0]) * np.sin(x[-1])])

    right = np.array([a, 0.0 * a])
    for seed in range(4):
        assert check_jacobian(f, right, x, rng=seed).outcome is Outcome.PASS
        assert check_jacobian(f, right[::-1], x, rng=seed).outcome is Outcome.FAIL


def test_entries_of_a_column_share_points_where_their_digits_are_alike():
    """Within a factor of eight of the nearest, or of the next that is farther."""
    near = np.array([1.0, 7.0, 9.0, 1e-20, 5e-20, np.nan, 2.0])
    column = np.array([0, 0, 0, 1, 1, 1, 1])
    shared = _of_columns(near, column)
    np.testing.assert_array_equal(shared, [7.0, 7.0, 9.0, 5e-20, 5e-20, np.nan, 2.0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_output_that_is_kept_in_float16_stands_still_and_moves_in_jumps(sign):
    """Beside others of float64, within steps that suit these: a right row of it was "numerical 0" in 3 of 40."""
    for seed in (1001, 1013):
        rng = np.random.default_rng(seed)
        A, x = rng.normal(size=(10, 8)), rng.normal(size=8)

        def f(x, A=A):
            y = np.sin(A @ x)
            y[4] = np.float16(y[4])
            return y

        jacobian = np.cos(A @ x)[:, None] * A
        jacobian[4] *= sign
        outcome = check_jacobian(f, jacobian, x, rng=seed - 1000).outcome
        assert (outcome is Outcome.FAIL) == (sign < 0)
