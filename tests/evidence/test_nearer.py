"""What steps that noise asked for call wrong is looked at nearer to x, and what f shows there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.evidence.entries import held
from gradcheck.evidence.nearer import jump_from_line
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import as_told
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance, judge

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


@pytest.mark.parametrize("n", [5, 10, pytest.param(40, marks=pytest.mark.slow)])
def test_the_slope_of_a_segment_of_a_table_is_not_wrong(n: int):
    """Steps of 1e-2 cross a hundred knots; f has all its digits, and a slope beside x. One off by 1 % is told."""
    for seed in range(8):
        f, gradient, x = lookups(seed, n)
        assert check_gradient(f, gradient, x, rng=seed).outcome is not Outcome.FAIL
        assert check_gradient(f, lambda x, g=gradient: 1.01 * g(x), x, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("scale", [1e-6, 1e-9, 1e-12])
def test_a_peak_within_every_step_around_0_is_not_wrong(scale: float):
    """A right Jacobian of a Gaussian peak whose centre is 0, a start value; with that column 10 % off none passes."""
    for seed in (8, 13, 26):
        times = np.linspace(-1.0, 1.0, 200) * scale
        width = 0.2 * scale * np.exp(0.3 * np.random.default_rng(seed).normal())

        def f(p: Any, times: Any = times) -> Any:
            return p[0] * np.exp(-0.5 * ((times - p[1]) / p[2]) ** 2) + p[3]

        def jacobian(p: Any, times: Any = times) -> Any:
            z = (times - p[1]) / p[2]
            peak = np.exp(-0.5 * z * z)
            return np.c_[peak, p[0] * peak * z / p[2], p[0] * peak * z * z / p[2], np.ones_like(times)]

        def larger(p: Any) -> Any:
            return jacobian(p) * [1.0, 1.1, 1.0, 1.0]

        x = np.array([1.0, 0.0, width, 0.1])
        assert check_jacobian(f, jacobian, x, rng=seed).outcome is not Outcome.FAIL
        assert check_jacobian(f, larger, x, rng=seed).outcome is not Outcome.PASS


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
        level,
        1e-2,
        np.ones(1),
        Tolerance(1e-6),
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


def test_a_claim_that_holds_beside_x_is_verified_there_and_another_stays_wrong():
    """A slope of 2 within 1e-5 of x, and of 2.001 over longer steps."""
    f = bent(2.0, 2.001, 1e-5)
    before, after, asked = accused(f, 2.0, 2.001, level=1e-9)
    assert before.judgement.wrong.tolist() == [True]
    assert after.judgement.verified.tolist() == [True]
    assert abs(after.estimate.value[0] - 2.0) <= 3.0 * after.estimate.error[0] <= 1e-3
    assert max(map(abs, asked[-6:])) < 1e-9
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


def test_what_is_not_looked_at_nearer():
    """No more noise than digits and a gross mistake; a kink; no room; no budget; a step that is as near as can be."""
    f = bent(2.0, 3.0, 1e-5)
    assert accused(f, 2.0, 3.0, level=1e-9)[1].judgement.wrong.tolist() == [False]
    for parts in (
        {"level": 1e-15},
        {"level": 1e-9, "room": (np.zeros(1), np.ones(1))},
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


def leaves(f: Any, slope: float, apart: float) -> bool:
    """Whether f jumps away from a slope at 1 within 1e-9 to 1e-2."""
    parameters, at = Parameters.of(np.ones(1))
    objective = Objective(lambda x: float(f(x[0])), parameters)
    setting = Setting(objective, at, objective.value(at), 1e-9, 1e-2, np.ones(1), Tolerance(1e-6))
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
