"""What f may lose in its rounding near x is looked for farther away: jumps tell a lost slope from one of 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_vjp
from gradcheck.evidence.entries import held
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import as_told
from gradcheck.results.verdict import Tolerance, judge


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


@pytest.mark.parametrize(("size", "dtype"), [(2.0, "f4"), (3.0, "f4"), (5.0, "f8")])
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


def accused(f: Any, given: Any, x: Any, *, scale: float = 1.0, **parts: Any) -> tuple[Entries, list[float]]:
    """What is left of the accusation of some claims where f seemed to be flat, and where f was asked for that."""
    asked: list[float] = []
    x, given = np.asarray(x, float), np.asarray(given, float)

    def noting(at: Any) -> float:
        asked.append(float(np.abs(at - x).max()))
        return float(f(at))

    parameters, flat = Parameters.of(x)
    objective = Objective(noting, parameters, max_nfev=parts.pop("max_nfev", None))
    tolerance = Tolerance(1e-6, eps=parts.pop("eps", 2.0**-52))
    setting = Setting(
        objective, flat, objective.value(flat), 1e-18, 1e-3, np.ones(x.size), tolerance, **parts
    )
    flat_there = as_told(np.zeros(x.size), np.full(x.size, 1e-15), np.full(x.size, 1e-3))
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
        evidence, asked = accused(stairs, [claim], [1.0])
        assert evidence.judgement.wrong.tolist() == [wrong], claim
        assert evidence.judgement.inconclusive.tolist() == [not wrong]
        assert len(asked) < 60
    evidence, _ = accused(stairs, [1e-3, 1e-3], [1.0, 1.0])
    assert evidence.judgement.wrong.tolist() == [False, True]


def test_a_unit_that_is_dead_has_no_slope_though_it_has_one_farther_away():
    """f bends from where it is flat, or does not move at all, or lets nothing be asked."""
    dead = np.vectorize(lambda t: max(t - 1.1, 0.0))
    evidence, _ = accused(lambda x: 1.0 + 10.0 * float(dead(x[0])), [5.0], [1.0])
    assert evidence.judgement.wrong.tolist() == [True]
    evidence, asked = accused(lambda x: 1.0, [5.0], [1.0])
    assert evidence.judgement.wrong.tolist() == [True]
    assert max(asked) <= 5.0
    for parts in ({"max_nfev": 3}, {"room": (np.zeros(1), np.ones(1))}):
        evidence, asked = accused(stairs, [1e-3], [1.0], scale=0.1, **parts)
        assert evidence.judgement.wrong.tolist() == [True]
        assert max(asked, default=0.0) <= 1.0


@pytest.mark.parametrize(("scale", "wrong"), [(1e5, False), (1e2, True)])
def test_hardly_any_slope_is_looked_for_without_a_jump(scale: float, wrong: bool):
    """A thousandth of what the array is, or less, where f moves about as claimed at 0.3 of the size of x."""
    dead = np.vectorize(lambda t: max(t - 1.05, 0.0))
    f = lambda x: 1.0 + 10.0 * float(dead(x[0]) - dead(2.0 - x[0]))  # noqa: E731 - flat on both sides of x
    assert accused(f, [8.0], [1.0], scale=scale)[0].judgement.wrong.tolist() == [wrong]
    assert accused(f, [-8.0], [1.0], scale=scale)[0].judgement.wrong.tolist() == [True]


def test_less_than_a_rounding_of_f_is_lost_unseen():
    """1e-8 makes 3e-9 at 0.3 of x; a rounding in float32 of an f of 1 is 1.2e-7, and in float64 2e-16."""
    for eps, wrong in ((2.0**-23, False), (2.0**-52, True)):
        evidence, asked = accused(lambda x: 1.0, [1e-8], [1.0], eps=eps)
        assert evidence.judgement.wrong.tolist() == [wrong]
        assert (asked == []) is not wrong
