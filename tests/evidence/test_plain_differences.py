"""The short way: two evaluations an entry where plain differences bear the gradient out, and no verdict elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gradcheck
from benchmarks.corpus import random_maps
from benchmarks.corpus.disturbed import noisy
from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.evidence import plain_differences
from gradcheck.function.contract import inspect
from gradcheck.function.objective import Objective
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

X = np.array([0.3, -1.2, 2.0, 0.7])


def f(x: np.ndarray) -> float:
    """A sum of exponentials and cubes."""
    return float(np.sum(np.exp(x) + x**3))


def df(x: np.ndarray) -> np.ndarray:
    """Its gradient."""
    return np.exp(x) + 3 * x**2


def off(at: int, by: float) -> np.ndarray:
    """The gradient at X with one entry off, relative to itself."""
    wrong = df(X)
    wrong[at] *= 1 + by
    return wrong


def short(report: Any, n: int) -> bool:
    """Whether one evaluation at x and two an entry were all."""
    return bool(report.nfev == 2 * n + 1)


@pytest.mark.parametrize("n", range(1, 5))
@pytest.mark.parametrize("seed", range(5))
def test_a_right_gradient_of_a_precise_function_takes_two_evaluations_an_entry(n: int, seed: int):
    """As many as one central difference each; no larger error than rtol would have passed."""
    x = np.random.default_rng(seed).normal(size=n)

    report = gradcheck.check_gradient(f, df, x, rng=seed)

    assert report.outcome is Outcome.PASS
    assert short(report, n)
    # rtol itself, and three bars of the same size at most.
    assert report.detectable <= 4e-6


@pytest.mark.slow
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("by", [3e-6, -3e-6, 1e-3, 1.0, np.nan])
def test_a_wrong_entry_is_not_borne_out(at: int, by: float):
    """Whichever it is, three times rtol is enough."""
    report = gradcheck.check_gradient(f, off(at, by), X)

    assert report.outcome is Outcome.FAIL
    assert [m.flat_index for m in report.wrong] == [at]


@pytest.mark.slow
@pytest.mark.parametrize("at", range(4))
def test_what_rtol_allows_passes_as_it_does_in_a_sweep(at: int):
    """Half of it, and the short way a twentieth; with another rtol, half and a twentieth of that."""
    for rtol in (1e-6, 1e-4):
        assert short(gradcheck.check_gradient(f, off(at, rtol / 20), X, rtol=rtol), 4)
        half = gradcheck.check_gradient(f, off(at, rtol / 2), X, rtol=rtol)
        assert half.outcome is Outcome.PASS
        assert half.nfev > 10
    assert gradcheck.check_gradient(f, off(at, 4e-5), X, rtol=1e-5).outcome is Outcome.FAIL


def test_other_methods_judge_by_their_own_evidence():
    """A sweep and the complex step are what they are asked to be."""
    for method in ("sweep", "complex"):
        assert gradcheck.check_gradient(lambda x: np.sum(np.exp(x) + x**3), df, X, method=method).nfev > 10


def test_the_steps_are_drawn_anew_with_each_seed():
    """Nobody can know them beforehand, and the same seed draws the same."""

    def points(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        gradcheck.check_gradient(lambda x: seen.append(x.tobytes()) or f(x), df, X, rng=seed)
        return seen

    assert points(0) == points(0)
    # f(x), whatever the seed.
    assert set(points(0)) & set(points(1)) == {X.tobytes()}


@pytest.mark.parametrize("size", [1e-10, 1e-9, 1e-8])
def test_noise_that_its_digits_do_not_show_is_measured_instead(size: float):
    """The gradient is right, but the differences are not close enough to say so."""
    report = gradcheck.check_gradient(noisy(size)(f), df, X)

    assert report.outcome is Outcome.PASS
    assert report.nfev > 2 * X.size + 1
    assert report.detectable > 1e-6


def exponentials(x: np.ndarray) -> float:
    """Their sum."""
    return float(np.sum(np.exp(x)))


def lucky(seeds: range) -> int:
    """How often a gradient of one entry, wrong by 3e-6, passes as one that is right to less, beside noise."""
    passed = 0
    for seed in seeds:
        x = np.random.default_rng(seed).uniform(0.5, 2.0, 1)
        found, _ = asked(noisy(1e-12)(exponentials), 1.000003 * np.exp(x), x, rng=seed)
        if found is not None:
            detectable = 6 * found[1].estimate.error / np.exp(x) + 1e-6
            passed += bool(detectable[0] < 3e-6)
    return passed


@pytest.mark.slow
def test_one_entry_that_agrees_by_luck_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    """Noise makes a single difference agree now and then: the chance that this is believed is one in a thousand."""
    assert lucky(range(300)) == 0

    monkeypatch.setattr(plain_differences, "LUCK", 1.0)

    assert lucky(range(300)) > 0


def rounded_inside(x: np.ndarray) -> float:
    """About 3e-4, but for a logarithm inside of it that is off by 1e-16: far more than the digits of f show."""
    return float(x[0] + np.log(1 + np.exp(-43300.0 * x[0])))


@pytest.mark.slow
def test_two_errors_that_cancel_on_a_coarse_grid_are_not_believed():
    """Such an f rounds on few steps: both sides of x then err alike more often than once in a thousand."""
    slope = 1 - 43300.0 / (1 + np.exp(43300.0 * 2.62e-4))
    mistakes = [s * m for m in (2e-6, 3e-6, 5e-6, 1e-5) for s in (-1.0, 1.0)]

    for seed in range(60):
        for mistake in mistakes:
            given, x = np.array([slope * (1 + mistake)]), np.array([2.62e-4])

            assert asked(rounded_inside, given, x, rng=seed)[0] is None, (seed, mistake)


@pytest.mark.parametrize(
    ("name", "function", "claim"),
    [
        ("a kink at x, and its middle slope", lambda x: float(x[0] + 0.3 * abs(x[0] - 1.0)), 1.0),
        ("a jump at x, and the slope beside it", lambda x: float(x[0] + 1e-4 * (x[0] > 1.0)), 1.0),
        ("a ripple, and the trend", lambda x: float(x[0] + 1e-7 * np.sin(1e5 * (x[0] - 1.0))), 1.0),
    ],
)
def test_a_claim_that_differences_alone_would_bear_out_does_not_pass(
    name: str, function: Callable[..., float], claim: float
):
    """What is on both sides of x is looked at as well, and no step fits the ripple by chance."""
    report = gradcheck.check_gradient(function, np.array([claim]), np.ones(1))

    assert report.outcome is not Outcome.PASS, name


def test_where_nothing_is_known_about_the_steps_it_is_not_tried():
    """No derivative, no room, no noise that is small enough: then what was measured before is measured."""
    flat = np.zeros(2)
    assert gradcheck.check_gradient(lambda x: float(x @ x), lambda x: 2 * x, flat).nfev > 6
    narrow = [(0.3, 0.3 + 1e-12), *[(None, None)] * 3]
    assert gradcheck.check_gradient(f, df, X, bounds=narrow).nfev > 10
    assert gradcheck.check_gradient(f, df, X, rtol=0.0).nfev > 10
    assert gradcheck.check_gradient(f, df, X, resolution=1e-12).nfev > 10
    # And where all is well it is.
    wide = [(0.2, 0.4), *[(None, None)] * 3]
    assert short(gradcheck.check_gradient(f, df, X, bounds=wide), 4)


@pytest.mark.parametrize("cast", [np.float32, lambda x: x])
def test_an_f_in_float32_is_known_by_its_digits(cast: Any):
    """x in float32 or the value of f alone: held to what float32 can hold, and a mistake of 1 % is none of that."""
    x = cast(np.linspace(1.0, 2.0, 4))

    def single(x: np.ndarray) -> Any:
        return np.float32(f(x))

    report = gradcheck.check_gradient(single, df, x)
    assert report.outcome is Outcome.PASS
    assert short(report, 4)
    assert report.rtol == 1e-3
    assert gradcheck.check_gradient(single, lambda x: 1.01 * df(x), x).outcome is Outcome.FAIL


def test_what_rounding_alone_takes_a_right_claim_away_by_is_no_doubt():
    """In float32 it may be more than a tenth of rtol over the steps that are taken, and is less than half of rtol."""
    x, further = np.linspace(0.5, 2.0, 5), 0
    for seed in range(30):
        found, _ = asked(lambda x: np.float32(f(x)), df(x), x, rng=seed)
        assert found is not None, seed
        further += int((np.abs(found[1].estimate.value - df(x)) > 1e-4 * df(x)).any())
        found, _ = asked(lambda x: np.float32(f(x)), 1.0005 * df(x), x, rng=seed)
        assert found is None, seed
    assert further > 0


def test_several_arrays_are_judged_each_in_its_own_scale():
    """An entry counts as large as its own array, not as another one."""
    params = {"large": np.array([3.0, 4.0]), "small": np.array([0.5])}

    def function(p: dict[str, np.ndarray]) -> float:
        return float(1e4 * np.sum(p["large"] ** 2) + np.sin(p["small"][0]))

    def gradient(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"large": 2e4 * p["large"], "small": np.cos(p["small"])}

    right = gradient(params)
    assert gradcheck.check_gradient(function, right, params).outcome is Outcome.PASS
    wrong = right | {"small": right["small"] * 1.001}
    assert [m.name for m in gradcheck.check_gradient(function, wrong, params).wrong] == ['params["small"][0]']


# Where a sweep begins with steps beyond what limits f near x, it may see less than the differences did.
NEAR = {
    "an oscillation in the scale of another entry": (
        lambda x: float(np.sin(x @ [1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0]) - 1000.0),
        lambda x: (
            np.cos(x @ [1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0])
            * np.array([1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0])
        ),
        np.array([0.0, 0.0, 1.0, 1e6, 0.0, 0.0, 0.0, 0.0]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEAR)
@pytest.mark.parametrize("times", [2.0, 1.4, -2.0])
def test_what_a_report_says_would_be_seen_is_seen(name: str, times: float):
    """The right gradient passes in a few evaluations; what it says is detectable never passes afterwards."""
    function, gradient, x = NEAR[name]
    right = gradcheck.check_gradient(function, gradient, x)
    assert right.outcome is Outcome.PASS
    unit = np.sqrt(np.mean(gradient(x) ** 2))
    for at in range(x.size):
        wrong = gradient(x)
        wrong[at] += times * right.detectable * max(unit, abs(wrong[at]))

        assert gradcheck.check_gradient(function, wrong, x).outcome is not Outcome.PASS


# The short way alone, its numbers by hand.


def problem_of(
    objective: Objective,
    claim: Any,
    flat: np.ndarray,
    rtol: float | None = None,
    resolution: float | None = None,
    room: Any = None,
) -> Problem:
    """A gradient, or what returns it, after the first calls."""
    looked, scales = inspect(objective, claim, flat), objective.parameters.scales(flat)
    assert looked.matrix is not None
    eps = float(np.finfo(looked.computes_in).eps)
    tolerance = Tolerance.for_dtypes((looked.computes_in,), rtol, 0.0, resolution)
    return Problem(objective, flat, looked.f_x, scales, tolerance, room, eps, matrix=looked.matrix)


def asked(
    function: Callable[..., float],
    claim: Any,
    x: np.ndarray,
    *,
    rtol: float | None = None,
    resolution: float | None = None,
    few: int = 8,
    max_nfev: int | None = None,
    rng: int = 0,
    room: Any = None,
) -> tuple[tuple[Setting, Entries] | None, list[np.ndarray]]:
    """What comes of it, and the points at which f was asked for it."""
    parameters, flat = Parameters.of(x)
    seen: list[np.ndarray] = []

    def watched(x: np.ndarray) -> float:
        seen.append(np.array(x))
        return function(x)

    objective = Objective(watched, parameters, max_nfev=max_nfev)
    problem = problem_of(objective, claim, flat, rtol, resolution, room)
    seen.clear()
    found = plain_differences.agreement(problem, few=few, rng=rng)
    return found, seen


def moved(seen: list[np.ndarray], x: np.ndarray) -> list[tuple[int, float]]:
    """Which entry each point moves, and how far."""
    return [(int(np.flatnonzero(p != x)[0]), float((p - x)[p != x][0])) for p in seen]


def test_each_entry_moves_both_ways_by_a_step_of_its_own_the_loudest_first():
    """|g x| of the third is the largest: two evaluations are all that its mistake costs."""
    x = np.array([0.3, 1.2, 2.0, 0.7])
    _, seen = asked(f, df(x), x)
    entries, steps = zip(*moved(seen, x), strict=True)

    assert entries == (2, 2, 1, 1, 3, 3, 0, 0)
    assert all(-1.5 * a == pytest.approx(b, rel=1e-6) for a, b in zip(steps[::2], steps[1::2], strict=True))
    assert all(a < 0 < b for a, b in zip(steps[::2], steps[1::2], strict=True))
    # Their geometric mean on one of few powers of four, times 0.7 to 1.4, and no two alike.
    relative = np.array(steps[1::2]) / 1.5**0.5 / x[[2, 1, 3, 0]]
    away = np.log2(relative) % 2.0
    assert (np.minimum(away, 2.0 - away) <= np.log2(1 / 0.7) + 1e-6).all()
    assert len(set(steps)) == 8
    assert (relative < 1e-4).all()

    wrong = df(x)
    wrong[2] *= 1.01
    found, seen = asked(f, wrong, x)
    assert found is None
    assert [entry for entry, _ in moved(seen, x)] == [2, 2]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_bar_is_that_of_the_formula(n: int):
    """docs/verdict.md, from the same values: rounding, what is left, luck, and what f bends."""
    x = np.random.default_rng(n).uniform(0.5, 2.0, n)
    g = df(x)
    found, seen = asked(f, g, x)
    assert found is not None
    values = {at: [0.0, 0.0, 0.0, 0.0] for at in range(n)}
    for (at, step), point in zip(moved(seen, x), seen, strict=True):
        values[at][2 * (step > 0) : 2 * (step > 0) + 2] = [step, f(point)]
    low, f_low, high, f_high = (np.array([values[at][k] for at in range(n)]) for k in range(4))
    left, right = (f_low - f(x)) / low, (f_high - f(x)) / high
    # The slope at x of the parabola through the three points.
    r = (high * left - low * right) / (high - low)
    t, b, size = np.sqrt(-low * high), np.abs(right - left), np.maximum(g, np.sqrt(np.mean(g**2)))
    level = 2 * 2.220446049250313e-16 * max(f(x), *f_low, *f_high)
    bends = np.maximum(b**2 / size, (t / x) ** 2 * size) / 6
    luck = np.max(np.maximum(np.abs(g - r) - bends, 0) * t) * 0.001 ** (-1 / n) / t
    noise = np.maximum(np.maximum(1.47 * level / t, np.abs(g - r)), np.minimum(b / 2, luck))
    estimate = found[1].estimate

    assert estimate.value == pytest.approx(r, rel=1e-12)
    assert estimate.error == pytest.approx(noise + bends, rel=0.02)
    assert estimate.noise == pytest.approx(noise, rel=0.02)
    assert estimate.step == pytest.approx(t, rel=1e-6)
    assert estimate.left == pytest.approx(left)
    assert estimate.right == pytest.approx(right)
    assert estimate.curvature == pytest.approx(2 * (right - left) / (high - low), rel=1e-6)
    assert estimate.chord == pytest.approx(np.maximum(np.abs(left), np.abs(right)))
    assert (estimate.kink == 0).all()
    assert set(estimate.limit) == {Limit.NONE}
    assert estimate.nfev == 2 * n
    assert found[1].order == 2
    assert found[1].judgement.verified.all()
    assert found[0].level == pytest.approx(level)


def test_values_on_a_grid_are_off_by_more_than_half_a_step():
    """Seven decimals: 0.6e-7; where the values lie on no grid, two units in the last place of the largest.

    And what was taken for granted, where three values are too few to show it.
    """
    setting: Any = SimpleNamespace(f_x=np.array([-3.1415927]), relative_step=2.0**-52, level=1e-15)
    decimals = np.array([[[3.2143157, 3.0415826]], [[3.5151527, 3.1516172]]])

    assert plain_differences._level(setting, decimals)[0] == pytest.approx(0.6e-7, rel=1e-9, abs=0.0)
    setting.f_x = np.array([-1000 * np.pi])
    assert plain_differences._level(setting, decimals)[0] == 2 * 2.0**-52 * 1000 * np.pi
    setting.level = 0.6e-6
    assert plain_differences._level(setting, decimals[:, :, :1])[0] == 0.6e-6


def test_from_a_number_of_entries_on_directions_are_cheaper_unless_rounding_hides_what_they_must_see():
    """Eight is such a number: nothing is asked in float64, and two evaluations an entry in float32."""
    x = np.linspace(0.5, 2.0, 8)

    nothing_is_asked(f, df(x), x)
    assert len(asked(f, df(x), x, few=9)[1]) == 16
    single = x.astype(np.float32)
    assert len(asked(f, df(single), single)[1]) == 16


def nothing_is_asked(*arguments: Any, **options: Any) -> None:
    """No evaluation, and no evidence."""
    assert asked(*arguments, **options) == (None, [])


@pytest.mark.parametrize(
    ("claim", "options"),
    [
        (np.array([0.6, 2.4, np.nan]), {}),
        (np.array([0.6, 2.4, np.inf]), {}),
        (np.zeros(3), {}),
        (np.full(3, 1e-12), {}),
        (np.array([0.6, 2.4, 4.0]), {"rtol": 0.0}),
        (np.array([0.6, 2.4, 4.0]), {"resolution": 0.0}),
        (np.array([0.6, 2.4, 4.0]), {"resolution": 1e-12}),
        (np.array([0.6, 2.4, 4.0]), {"max_nfev": 7}),
        (np.array([0.6, 2.4, 4.0]), {"room": (np.full(3, 1e-9), np.ones(3))}),
        (np.array([0.6, 2.4, 4.0]), {"room": (np.ones(3), np.full(3, 1e-9))}),
    ],
)
def test_nothing_is_asked_where_no_answer_could_do(claim: np.ndarray, options: dict[str, Any]):
    """No size to be relative to, no step that is fine enough, no room for it, or no budget."""
    x = np.array([0.3, 1.2, 2.0])

    nothing_is_asked(lambda x: float(x @ x), claim, x, **options)
    assert asked(lambda x: float(x @ x), 2 * x, x, max_nfev=8, room=(np.ones(3), np.ones(3)))[0]


def test_a_coarse_rtol_is_no_reason_for_a_coarse_bar():
    """With rtol 0.1 every bar is within a tenth of the resolution, all the same."""
    x = np.array([0.3, 1.2, 2.0])
    for resolution in (1e-3, 1e-5):
        found, _ = asked(f, df(x), x, rtol=0.1, resolution=resolution)
        assert found is not None
        assert (found[1].estimate.error <= 0.1 * resolution * df(x).max()).all()


def test_no_step_is_longer_than_a_twentieth_of_x():
    """However noisy the digits of f let it be: 0.05 times 1.4, rounded to a power of four below 0.1."""
    x = np.linspace(0.5, 2.0, 7).astype(np.float32)
    _, seen = asked(lambda x: np.float32(np.sum(x**3) + 10_000), 3 * x**2, x, rtol=0.1, resolution=0.9)

    assert len(seen) == 14
    assert max(abs(step) / x[at] for at, step in moved(seen, x)) <= 0.0625 * 1.4 * (1 + 1e-6)
    assert min(abs(step) / x[at] for at, step in moved(seen, x)) > 0.01


def test_an_interruption_leaves_nothing_judged():
    """And says so, rather than beginning anew."""
    parameters, flat = Parameters.of(X)
    calls: list[int] = []

    def interrupting(x: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return f(x)

    objective = Objective(interrupting, parameters)
    problem = problem_of(objective, df(X), flat)
    found = plain_differences.agreement(problem, few=8, rng=0)

    assert found is not None
    assert found[1].interrupted
    assert np.isinf(found[1].estimate.error).all()
    assert found[1].coordinates.tolist() == [0, 1, 2, 3]
    assert found[1].analytic.tolist() == df(X).tolist()
    assert found[1].judgement.inconclusive.all()


def by_hand(steps: Any, slopes: Any, analytic: Any, size: float, level: float, scale: float = 1e3) -> Any:
    """The bars for given slopes left, right and at x."""
    n = len(steps)
    claim: Any = SimpleNamespace(
        steps=np.array(steps), analytic=np.array([analytic]), size=np.full((1, n), size),
        setting=SimpleNamespace(scales=np.full(n, scale)), slopes=np.array(slopes)[:, None, :],
    )  # fmt: skip
    return plain_differences._estimate(claim, np.array([level]))


def test_each_part_of_the_bar_has_its_turn():
    """Of three entries, 0.001 of luck allowed: 0.001^(-1/3) = 10 times what the first is off by is the most."""
    three: Any = {
        "steps": [0.1, 0.2, 0.4],
        "slopes": [[1.8, 1.99, 2.0], [2.2, 2.01, 2.0], [2.0, 2.0, 2.0]],
        "analytic": [2.003, 2.0, 2.0],
        "size": 2.0,
    }
    found = by_hand(**three, level=4e-4)

    # The first is off by 0.003, which its bend of 0.4^2 / 12 explains: no luck, and 1.47 of rounding over the steps.
    assert found.truncation == pytest.approx([0.4 * 0.2 / 6, 0.02 * 0.01 / 6, 0.4**2 * 2e-6 / 6], rel=1e-9)
    assert found.noise == pytest.approx([0.00588, 0.00294, 0.00147], rel=1e-9)
    assert found.error == pytest.approx(found.noise + found.truncation)
    # And what is left between the two where it is more.
    assert by_hand(**three, level=0.0).noise == pytest.approx([0.003, 0.0, 0.0], rel=1e-9)
    # Off by 0.03, 0.0167 of it unexplained over a step of 0.1: ten times that over each step, or half of what
    # the slopes differ by where that is less.
    three["analytic"] = [2.03, 2.0, 2.0]
    left = 0.03 - 0.4 * 0.2 / 6
    assert by_hand(**three, level=0.0).noise == pytest.approx([10 * left, 0.01, 0.0], rel=1e-9)
    assert by_hand([0.1], [[1.99], [2.01], [2.0]], [2.05], 2.0, 0.0).noise == pytest.approx([0.05])


def test_f_bends_over_the_scale_of_x_even_where_its_slopes_are_the_same():
    """(0.1 / 0.5)^2 of a derivative of 2, and a sixth of it."""
    found = by_hand([0.1], [[2.0], [2.0], [2.0]], [2.0], 2.0, 0.0, scale=0.5)

    assert found.truncation == pytest.approx([0.04 * 2.0 / 6], rel=1e-12)
    assert found.error == pytest.approx(found.truncation)


def settled(function: Callable[..., float], x: np.ndarray) -> list[Setting]:
    """What is assumed about f before it is measured."""
    parameters, flat = Parameters.of(x)
    objective = Objective(function, parameters)
    problem = problem_of(objective, np.ones_like(x), flat)
    return [s for s, _ in plain_differences._assumed(problem)]


@pytest.mark.parametrize(
    ("value", "eps", "rtol"),
    [
        (np.pi, 2.0**-52, 1e-6),
        (float(np.float32(np.pi)), 2.0**-23, 1e-3),
        # Twelve bits may be chance, as in 4095; thirteen are not, nor are 24; 25 are more than float32 has.
        (2.0**12 - 1, 2.0**-52, 1e-6),
        (2.0**13 - 1, 2.0**-23, 1e-3),
        (2.0**24 - 1, 2.0**-23, 1e-3),
        (2.0**25 - 1, 2.0**-52, 1e-6),
    ],
)
def test_the_digits_of_one_value_say_in_what_f_may_compute(value: float, eps: float, rtol: float):
    """And so how much noise there is at the least, and what is accepted, if other values bear it out."""
    found = settled(lambda x: value, np.ones(2))[0 if eps > 1e-8 else -1]

    assert found.relative_step == eps
    assert found.level == 2.0 * eps * value
    assert found.tolerance.rtol == rtol
    assert found.eps == 2.0**-52
    assert settled(lambda x: value, np.ones(2, np.float32))[-1].eps == 2.0**-23


@pytest.mark.parametrize("n", [3, 20])
def test_one_value_of_few_bits_makes_no_float32_of_a_double(n: int):
    """Powers of 1.375 and 2.125 have 20 bits: rtol was 1e-3, and a gradient off by 5e-5 passed in two evaluations."""
    x = np.resize([1.375, 2.125, 0.75], n)
    right = check_gradient(lambda x: float(np.sum(x**4)), lambda x: 4 * x**3, x)
    wrong = check_gradient(lambda x: float(np.sum(x**4)), lambda x: 1.00005 * 4 * x**3, x)

    assert (right.outcome, right.rtol) == (Outcome.PASS, 1e-6)
    assert (wrong.outcome, wrong.rtol) == (Outcome.FAIL, 1e-6)
    # Two evaluations were lost on the assumption.
    assert right.nfev <= 2 * n + 3


@pytest.mark.parametrize("share", [1e-17, 1e-14, 1e-12])
def test_steps_lie_between_little_noise_and_as_much_noise_as_truncation(share: float):
    """Of 1e-17: cube root 2.2e-6, shortest 1e-10; the geometric mean, to the next power of four, times 0.7 to 1.4."""
    parameters, flat = Parameters.of(np.ones(2))
    tolerance = Tolerance(1e-6, 0.0, 1e-3)
    setting = Setting(
        Objective(f, parameters),
        flat,
        12.0,
        np.array([1.0, 4.0]),
        tolerance,
        level=0.0,
        relative_step=share / 2,
    )

    claim = plain_differences._claim(setting, np.array([[3.0, 3.0]]), 8, 0, rounded=False)

    assert claim is not None
    cube_root, shortest = share ** (1 / 3), share / 1e-7
    middle = min(cube_root, (cube_root * shortest) ** 0.5)
    factor = claim.steps / np.array([1.0, 4.0]) / 4.0 ** round(np.log2(middle) / 2)
    assert ((factor >= 0.7) & (factor <= 1.4)).all()
    assert factor[0] != factor[1]


def share_of(
    level: float, f_x: float = 1.0, n: int = 2, g: float = 1.0, few: int = 100, **tolerance: float
) -> Any:
    """What is claimed of an f with n slopes g and this noise, at ones."""
    parameters, flat = Parameters.of(np.ones(n))
    accepted = Tolerance(**{"rtol": 1e-6, "atol": 0.0, "resolution": 1e-3} | tolerance)
    setting = Setting(
        Objective(f, parameters), flat, f_x, np.ones(n), accepted, level=level, relative_step=1e-16
    )
    return plain_differences._claim(setting, np.full((1, n), g), few, 0, rounded=False)


def test_the_bar_that_is_expected_is_that_of_noise_or_luck_and_of_bends():
    """Of eight entries luck makes 0.3 * 1000^(1/8) = 0.711 of the noise, of three 3, of one 300 or half of the step."""
    share, steps = np.full((1, 8), 1e-9), np.full(8, 1e-3)
    assert plain_differences._expected(share, steps) == pytest.approx(
        np.full((1, 8), 1.47e-6 + 1e-6 / 6), rel=1e-12
    )
    assert plain_differences._expected(share[:, :3], steps[:3]) == pytest.approx(
        np.full((1, 3), 3e-6 + 1e-6 / 6), rel=1e-12
    )
    assert plain_differences._expected(share[:, :1], steps[:1]) == pytest.approx(
        np.array([[3e-4 + 1e-6 / 6]]), rel=1e-12
    )
    assert plain_differences._expected(share[:, :1], steps[:1] / 2) == pytest.approx(
        np.array([[2.5e-4 + 0.25e-6 / 6]]), rel=1e-12
    )


@pytest.mark.parametrize(
    ("n", "noise", "cheaper"),
    [
        # Clean: from eight on. Coarser: from twelve on, until 2 (noise)^0.8 is 3 % of rtol, at 1.65e-10.
        (7, 1e-14, False),
        (8, 1e-14, True),
        (8, 0.9e-12, True),
        (8, 1.1e-12, False),
        (15, 1.1e-12, False),
        (16, 1.1e-12, True),
        (16, 1.6e-10, True),
        (16, 1.7e-10, False),
    ],
)
def test_directions_come_first_where_they_are_cheaper(n: int, noise: float, cheaper: bool):
    """Then nothing is claimed."""
    assert (share_of(noise, n=n, few=8) is None) is cheaper


def near(apart: float, bend: float = 0.0, level: float = 0.0, largest: float = 1.0, g: float = 2.0) -> bool:
    """Whether one entry g, of size 2, that is so far off is borne out, for a step of 0.1 and rtol 1e-2."""
    claim: Any = SimpleNamespace(
        setting=SimpleNamespace(level=np.array([level]), outputs=1, tolerance=SimpleNamespace(rtol=1e-2)),
        steps=np.array([0.1]), analytic=np.array([[g]]), size=np.array([[2.0]]), largest=np.array([[largest]]),
        slopes=np.array([[[g]], [[g + bend]], [[g - apart]]]),
    )  # fmt: skip
    return plain_differences._borne_out(claim, np.array([0]))


def test_an_entry_is_near_within_a_tenth_of_rtol_and_twice_what_is_explained():
    """0.002 of rtol; 2 * 1.47 * 0.01 / 0.1 of rounding; 2 * 0.3^2 / 2 / 6 of bends."""
    assert near(0.0019)
    assert not near(0.0021)
    assert near(0.294 + 0.0019, level=0.01)
    assert not near(0.294 + 0.0021, level=0.01)
    assert near(0.015 + 0.0019, bend=0.3)
    assert not near(0.015 + 0.0021, bend=0.3)
    assert not near(np.nan)


def test_what_is_explained_has_to_be_within_the_bar():
    """0.147 of rounding, or 0.0075 of bends: whatever the entry is off by."""
    assert near(0.0, level=0.01, largest=0.148)
    assert not near(0.0, level=0.01, largest=0.146)
    assert near(0.0, bend=0.3, largest=0.0076)
    assert not near(0.0, bend=0.3, largest=0.0074)


def test_steps_are_those_of_a_fine_bar_or_where_noise_leaves_none_of_the_least_one():
    """With noise of 1e-12 a bar of 1e-6 is in reach; with 1e-9 the best is 1.5e-6, with 1e-5 it is beyond any use."""
    fine = share_of(1e-12).steps / 4.0 ** round(np.log2((1e-12 ** (1 / 3) * 1e-12 / 1e-7) ** 0.5) / 2)
    assert ((fine >= 0.7) & (fine <= 1.4)).all()
    # 1.47 * 1e-9 / t and t^2 / 6 are least at t = (4.4e-9)^(1/3), and a tenth more at (2.94e-9)^(1/3).
    coarse = share_of(1e-9, n=6).steps / 2.94e-9 ** (1 / 3)
    assert ((coarse >= 0.7) & (coarse <= 1.4)).all()
    assert coarse.max() / coarse.min() > 1.1
    assert share_of(1e-5, n=6) is None
    assert share_of(1e-5, n=6, resolution=1e-2) is not None


def test_six_bars_may_take_a_part_of_the_resolution_and_fewer_are_held_to_rtol():
    """Luck makes the bars of fewer so wide that a sweep calls a tenth of what they hide wrong, beyond rtol."""
    assert share_of(1e-12, n=6).largest == pytest.approx(np.full((1, 6), 1e-3 / 3), rel=1e-12)
    assert share_of(1e-12, n=6, g=100.0).largest == pytest.approx(np.full((1, 6), 1e-1 / 3), rel=1e-12)
    assert share_of(1e-12, n=6, resolution=1e-4).largest == pytest.approx(
        np.full((1, 6), 1e-4 / 3), rel=1e-12
    )
    # rtol of the array, and half as much again of the entry: here they are the same.
    assert share_of(1e-12, n=5).largest == pytest.approx(np.full((1, 5), 1.5e-6), rel=1e-12)
    assert share_of(1e-7, n=5, rtol=1e-4, resolution=1e-2).largest == pytest.approx(np.full((1, 5), 1.5e-4))
    # A third of the resolution, where that is less.
    assert share_of(1e-12, n=5, rtol=1e-4, resolution=1e-4).largest == pytest.approx(
        np.full((1, 5), 1e-4 / 3)
    )
    assert share_of(1e-8, n=6) is not None
    assert share_of(1e-8, n=5) is None


def test_a_small_entry_of_few_is_held_to_rtol_of_its_array():
    """And a larger one to half as much again of itself."""
    parameters, flat = Parameters.of(np.ones(2))
    accepted = Tolerance(1e-6, 0.0, 1e-3)
    setting = Setting(
        Objective(f, parameters), flat, 1.0, np.ones(2), accepted, level=1e-14, relative_step=1e-16
    )

    claim = plain_differences._claim(setting, np.array([[1.0, 7.0]]), 8, 0, rounded=False)

    assert claim is not None
    assert claim.size[0] == pytest.approx([5.0, 7.0])
    assert claim.largest[0] == pytest.approx([5e-6, 10.5e-6])


# The digits of f(x).


def rounded(decimals: int, function: Callable[..., float] = f) -> Callable[..., float]:
    """The function as a file or a printout has it."""
    return lambda x: round(float(function(x)), decimals)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 40])
@pytest.mark.parametrize(
    ("coarse", "most"),
    [
        (rounded(8), 1e-3),
        (lambda x: f(x) + 1e6, 3e-4),
        (lambda x: np.float32(f(x)), 1e-2),
    ],
    ids=["eight decimals", "offset", "float32"],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_right_gradient_of_a_coarse_function_takes_two_evaluations_an_entry(
    coarse: Callable[..., float], most: float, n: int, seed: int
):
    """The rounding is known by the digits of f(x); twice what is said to be detectable is found."""
    x = np.random.default_rng(seed).uniform(0.5, 2.0, n)
    report = gradcheck.check_gradient(coarse, df, x, rng=seed)

    assert report.outcome is Outcome.PASS
    # Where directions are cheaper they come first, from eight entries on.
    assert report.nfev <= max(2 * n + 1, 22)
    assert report.detectable <= most
    wrong = df(x)
    wrong[n // 2] += 2 * report.detectable * max(wrong[n // 2], np.sqrt(np.mean(wrong**2)))
    found = gradcheck.check_gradient(coarse, wrong, x, rng=seed)
    assert found.outcome is Outcome.FAIL
    assert [m.flat_index for m in found.wrong] == [n // 2]


def product(x: np.ndarray) -> float:
    """Sum of a b^2, a and b the halves of x."""
    return float(np.sum(x[:3] * x[3:] * x[3:]))


def product_slope(x: np.ndarray) -> np.ndarray:
    """Its gradient."""
    return np.concatenate([x[3:] ** 2, 2 * x[:3] * x[3:]])


def test_decimals_that_f_has_at_x_alone_cost_two_evaluations():
    """7.033033, since x has two decimals: beside x there are more digits, and the bars are as fine as ever."""
    x = np.array([1.95, 0.88, 0.22, 0.15, 2.46, 2.75])
    assert product(x) == 7.033033

    report = gradcheck.check_gradient(product, product_slope(x), x)

    assert report.outcome is Outcome.PASS
    # A joint direction, and the two points that showed it.
    assert report.nfev == 10 + 2
    assert report.detectable <= 4e-6
    # And where six decimals are all that f has, none are lost.
    coarse = gradcheck.check_gradient(rounded(6, product), product_slope(x), x)
    assert coarse.outcome is Outcome.PASS
    assert short(coarse, 6)
    assert coarse.detectable > 1e-5


def test_a_budget_of_two_evaluations_an_entry_does_not_suffice_for_both():
    """Two are gone for the decimals; f was called twice before."""
    x = np.array([1.95, 0.88, 0.22, 0.15, 2.46, 2.75])
    for most, evidence in ((14, True), (13, False), (12, False)):
        found, seen = asked(product, product_slope(x), x, max_nfev=most + 2)
        assert (found is not None) is evidence, most
        assert len(seen) <= most


KINKED = np.linspace(0.5, 1.1, 7)


def kinked(size: float) -> Callable[..., float]:
    """Smooth but for |x0 - 0.5|, and so far from 0 that it rounds to 1e-10."""
    return lambda x: float(np.sum(np.sin(x)) + size * abs(x[0] - 0.5) + 1e6)


def test_unequal_sides_tell_a_kink_from_a_bend(monkeypatch: pytest.MonkeyPatch):
    """Its middle slope is what equal sides would measure, and their steps are so long that slopes differ by bends."""
    assert gradcheck.check_gradient(kinked(0.3), np.cos(KINKED), KINKED).outcome is Outcome.INCONCLUSIVE
    assert asked(kinked(1e-3), np.cos(KINKED), KINKED)[0] is None

    monkeypatch.setattr(plain_differences, "SIDES", np.array([-1.0, 1.0]))

    assert asked(kinked(1e-3), np.cos(KINKED), KINKED)[0] is not None


def test_what_one_claim_states_of_an_f_in_float32_holds_for_another():
    """At 0 the first values of a linear f have few bits: a right claim must not state what float64 would show. Found by
    random maps."""
    example = random_maps.example(300_001, scalar=False)
    f, x, right = example.map.f, example.map.x, example.right

    report = check_jacobian(f, right, x)
    assert report.outcome is Outcome.PASS
    assert report.detectable >= 1e-3
    assert check_jacobian(f, right * np.where(np.arange(3) == 2, 1.01, 1.0), x).outcome is Outcome.FAIL


def test_what_is_clean_to_a_part_of_a_million_million_is_left_to_directions_from_few_entries_on():
    """Noise of exactly 1e-12 of what f changes over the scale of x counts as clean; twice as much does not."""
    parameters, x = Parameters.of(np.ones(5))
    objective = Objective(np.sum, parameters)
    for level, left in ((1e-12, True), (2e-12, False)):
        setting = Setting(objective, x, 5.0, np.ones(5), Tolerance(1e-6), level=level, relative_step=2.0**-52)
        assert (plain_differences._claim(setting, np.ones((1, 5)), 5, 0, rounded=False) is None) is left


def test_an_f_of_few_bits_by_chance_is_asked_as_one_of_all_digits():
    """(1 + 2^-9)^2 has 19 bits, as a float32 may: its rounding leaves rtol=1e-6 no step, that of float64 does."""
    report = check_gradient(
        lambda x: float(x[0] ** 2), lambda x: 2.0 * x, np.array([1.0 + 2.0**-9]), rtol=1e-6
    )
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 4


@pytest.mark.parametrize(("name", "agreed"), [("float16", False), ("float32", False), ("float64", True)])
def test_values_of_a_coarser_arithmetic_than_was_assumed_are_not_agreed_upon(monkeypatch, name, agreed):
    """Its tolerances are others."""
    parameters, x = Parameters.of(np.ones(1))
    setting = Setting(
        Objective(lambda x: x[0], parameters),
        x,
        1.0,
        np.ones(1),
        Tolerance(1e-6),
        level=2.0**-52,
        relative_step=2.0**-52,
    )
    claim = plain_differences._claim(setting, np.ones((1, 1)), 5, 0, rounded=False)
    assert claim is not None
    assert plain_differences._near(claim, np.arange(1))
    monkeypatch.setattr(plain_differences, "_level", lambda s, _: (s.level, np.array([name], object)))
    assert (plain_differences._agreed(claim, 0) is not None) is agreed
