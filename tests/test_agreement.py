"""The short way: two evaluations an entry where plain differences bear the gradient out, and no verdict elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck
from benchmarks.corpus.disturbed import noisy
from gradcheck import Outcome, agreement
from gradcheck.agreement import NO_DOUBTS, Doubts

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
    """Whether two evaluations at x and two an entry were all."""
    return bool(report.nfev == 2 * n + 2)


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize("seed", range(5))
def test_a_right_gradient_of_a_precise_function_takes_two_evaluations_an_entry(n: int, seed: int):
    """As many as one central difference each; no larger error than rtol would have passed."""
    x = np.random.default_rng(seed).normal(size=n)

    report = gradcheck.check_gradient(f, df, x, rng=seed)

    assert report.outcome is Outcome.PASS
    assert short(report, n)
    # rtol itself, and three bars of the same size at most.
    assert report.detectable <= 4e-6


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("by", [3e-6, -3e-6, 1e-3, 1.0, np.nan])
def test_a_wrong_entry_is_not_borne_out(at: int, by: float):
    """Whichever it is, three times rtol is enough."""
    report = gradcheck.check_gradient(f, off(at, by), X)

    assert report.outcome is Outcome.FAIL
    assert [m.flat_index for m in report.wrong] == [at]


@pytest.mark.parametrize("at", range(4))
def test_what_rtol_allows_passes_as_it_does_in_a_sweep(at: int):
    """Half of it; with another rtol, half of that."""
    assert short(gradcheck.check_gradient(f, off(at, 5e-7), X), 4)
    assert short(gradcheck.check_gradient(f, off(at, 4e-5), X, rtol=1e-4), 4)
    assert gradcheck.check_gradient(f, off(at, 4e-5), X, rtol=1e-5).outcome is Outcome.FAIL


def test_other_methods_judge_by_their_own_evidence():
    """A sweep, directions and the complex step are what they are asked to be."""
    for method in ("sweep", "directions", "complex"):
        assert gradcheck.check_gradient(lambda x: np.sum(np.exp(x) + x**3), df, X, method=method).nfev > 10


def test_the_steps_are_drawn_anew_with_each_seed():
    """Nobody can know them beforehand, and the same seed draws the same."""

    def points(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        gradcheck.check_gradient(lambda x: seen.append(x.tobytes()) or f(x), df, X, rng=seed)
        return seen

    assert points(0) == points(0)
    # f(x) twice, whatever the seed.
    assert set(points(0)) & set(points(1)) == {X.tobytes()}


@pytest.mark.parametrize("size", [1e-10, 1e-9, 1e-8])
def test_noise_that_its_digits_do_not_show_is_measured_instead(size: float):
    """The gradient is right, but the differences are not close enough to say so."""
    report = gradcheck.check_gradient(noisy(size)(f), df, X)

    assert report.outcome is Outcome.PASS
    assert report.nfev > 24
    assert report.detectable > 1e-6


def exponentials(x: np.ndarray) -> float:
    """Their sum."""
    return float(np.sum(np.exp(x)))


def lucky(seeds: range) -> int:
    """How often a gradient of one entry, wrong by 1e-5, passes as one that is right to less, beside noise."""
    passed = 0
    for seed in seeds:
        x = np.random.default_rng(seed).uniform(0.5, 2.0, 1)
        report = gradcheck.check_gradient(noisy(1e-11)(exponentials), 1.00001 * np.exp(x), x, rng=seed)
        passed += report.outcome is Outcome.PASS and report.detectable < 1e-5
    return passed


def test_one_entry_that_agrees_by_luck_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    """Noise makes a single difference agree now and then: the chance that this is believed is one in a thousand."""
    assert lucky(range(200)) == 0

    monkeypatch.setattr(agreement, "LUCK", 1.0)

    assert lucky(range(200)) > 0


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


# Where a sweep begins with steps beyond what limits f near x, it sees less than the differences did.
NEAR = {
    "a jump beside x": (
        lambda x: float(x[0] + (x[0] > 1.000001)),
        lambda x: np.ones(1),
        np.ones(1),
    ),
    "an oscillation in the scale of another entry": (
        lambda x: float(np.sin(x @ [1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0]) - 1000.0),
        lambda x: (
            np.cos(x @ [1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0])
            * np.array([1.5, -2.0, 4.0, 0.5, 1.0, -3.5, 2.5, -1.0])
        ),
        np.array([0.0, 0.0, 1.0, 1e6, 0.0, 0.0, 0.0, 0.0]),
    ),
}


@pytest.mark.parametrize("name", NEAR)
@pytest.mark.parametrize("times", [2.0, 1.4, -2.0])
def test_what_a_report_says_would_be_seen_is_seen(name: str, times: float):
    """The right gradient passes in a few evaluations; what it says is detectable never passes afterwards."""
    function, gradient, x = NEAR[name]
    right = gradcheck.check_gradient(function, gradient, x)
    assert right.outcome is Outcome.PASS
    unit = max(np.abs(gradient(x)))
    for at in range(x.size):
        wrong = gradient(x)
        wrong[at] += times * right.detectable * unit

        assert gradcheck.check_gradient(function, wrong, x).outcome is not Outcome.PASS


def test_doubts_that_noise_explains_are_none():
    """0.1 apart over a step of 1e-3 is noise of 1e-4, a third of which does not explain it."""
    doubts = Doubts(np.array([2, 5]), np.array([1e-3, 1e-2]), np.array([0.1, 0.1]))

    assert doubts.beyond(2e-5).coordinates.tolist() == [2, 5]
    assert doubts.beyond(5e-5).coordinates.tolist() == [5]
    assert doubts.beyond(1e-3).coordinates.size == 0
    assert NO_DOUBTS.beyond(0.0).steps.size == 0
