"""Jacobians of disturbed functions: a right one is never wrong, and no mistake that would have been seen passes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import gradcheck
from benchmarks.jacobians import KINDS, Trial, check, maps, mistakes, noisy
from gradcheck import Outcome, check_jacobian
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.noise import estimate_noise, measure_noise
from gradcheck.numerics.outputs import Noise, with_lucky_outputs
from gradcheck.parameters.tree import Parameters

X = np.array([0.3, -1.2, 2.0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_disturbed_functions(kind):
    """Every eleventh map of the benchmark, by both methods, right and with three mistakes drawn by chance."""
    rng = np.random.default_rng(7)
    for each in itertools.islice(maps(7, quick=True), 0, None, 11):
        right = each.jac(each.x)
        for method in ("sweep", "directions"):
            trial = check(each, kind, method, right, "", None, 7)
            assert not trial.false_alarm, trial
            wrong = [pair for pair in mistakes(right, rng) if np.any(pair[1] != right)]
            for name, given in wrong[:: max(1, len(wrong) // 3)]:
                trial = check(each, kind, method, given, name, None, 7)
                assert not trial.miss, trial


def test_the_trial_sees_false_alarms_and_misses():
    """What the assertions above look at is not always False."""
    right = Trial("f", "clean", "sweep", "", 0.0, Outcome.FAIL, 1e-6, "", 6)
    missed = Trial("f", "clean", "sweep", "zero", 1.0, Outcome.PASS, 1e-3, "", 6)
    small = Trial("f", "clean", "sweep", "1e-3", 1e-3, Outcome.PASS, 1e-2, "", 6)

    assert (right.false_alarm, right.miss) == (True, False)
    assert (missed.false_alarm, missed.miss) == (False, True)
    assert (small.false_alarm, small.miss) == (False, False)


@pytest.mark.slow
@pytest.mark.parametrize("constant", [0.0, 1.0, 0.37, 1e6, 1.0 / 3.0])
def test_an_output_that_never_moves_agrees_with_a_claimed_zero(constant):
    """Whatever grid its one value may lie on; a claimed slope of 1e4 is wrong."""

    def f(x):
        return np.array([np.sum(x**2), constant])

    assert check_jacobian(f, lambda x: np.array([2.0 * x, 0.0 * x]), X)
    report = check_jacobian(f, lambda x: np.array([2.0 * x, [0.0, 1e4, 0.0]]), X)
    assert [m.name for m in report.wrong] == ["J[1, 1]"]


def test_a_claimed_slope_is_not_held_against_a_value_of_few_decimals():
    """x[0]^2 / 1e4 to two decimals does not move; the right slope is no mistake, and no evidence."""

    def f(x):
        return np.array([x[1] ** 2, np.round(0.37 + x[0] ** 2 / 1e4, 2)])

    report = check_jacobian(f, lambda x: np.array([[0.0, 2.0 * x[1], 0.0], [2e-4 * x[0], 0.0, 0.0]]), X)
    assert report.outcome is Outcome.INCONCLUSIVE


def test_where_no_output_moves_nothing_is_said():
    """As for a gradient: no pass of zeros, no failure of hardly any slope; beside one that moves it is wrong."""
    for claimed in (np.zeros((2, 3)), np.full((2, 3), 1e-18)):
        report = check_jacobian(lambda x: np.array([1.0, 2.0]), claimed, X)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "does not depend on x at all" in report.reason
    moving = check_jacobian(lambda x: np.array([x[0], 2.0, 1.0]), np.eye(3), X)
    assert moving.outcome is Outcome.FAIL


def test_zeros_of_a_noisy_jacobian_are_verified():
    """Relative noise of each output is all that moves it along other coordinates: no oscillation, and no slope."""
    f = noisy(1e-9)(lambda x: np.exp(x))
    x = np.linspace(-1.0, 1.0, 12)

    assert check_jacobian(f, lambda x: np.diag(np.exp(x)), x, method="sweep")
    wrong = np.diag(np.exp(x))
    wrong[3, 8] = 0.1
    report = check_jacobian(f, wrong, x, method="sweep")
    assert [m.name for m in report.wrong] == ["J[3, 8]"]


@pytest.mark.parametrize("method", ["sweep", "directions"])
def test_an_oscillation_faster_than_the_scale_of_x_is_no_mistake(method):
    """sin at x near 1e4: a step of 1 % of x skips sixteen periods."""
    x = 1e4 * np.random.default_rng(0).normal(size=30)
    right = np.diag(np.cos(x))

    assert check_jacobian(np.sin, right, x, method=method).outcome is not Outcome.FAIL
    right[4, 4] *= -1.0
    assert check_jacobian(np.sin, right, x, method=method).outcome is not Outcome.PASS


# One noise for one output and for many.


def tables(seed, m):
    """Values of m outputs at any spacing, noisy to very different degrees, some rounded, some not finite."""
    rng = np.random.default_rng(seed)
    base, slope, sigma = rng.normal(size=m), rng.normal(size=m), 10.0 ** rng.uniform(-17, -1, m)
    places = rng.integers(3, 30, m)
    edge = np.where(rng.random(m) < 0.1, rng.uniform(0, 1e-5, m), np.inf)

    def table(spacing):
        t = spacing * np.arange(8.0)[:, None]
        draw = np.random.default_rng([seed, int(abs(spacing) * 1e18)])
        values = base + slope * t + sigma * draw.normal(size=(8, m))
        values[0] = base
        values = np.array([[round(v, int(p)) for v, p in zip(row, places, strict=True)] for row in values])
        return np.where(t > edge, np.nan, values)

    return table


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_outputs_have_the_noise_that_each_has_alone(seed):
    """A column of the table at a time; also beyond one block of columns."""
    m = 60
    table = tables(seed, m)

    def along(offsets):
        if offsets.size < 7:
            return np.full((offsets.size, m), np.nan)
        return table(float(offsets[-7]))[-offsets.size :]

    together = estimate_noise(lambda offsets: np.tile(along(offsets), 40), 1e-6, back=True)
    for k in range(m):

        def f(t, k=k):
            raise AssertionError("the points come from the table")

        objective = Objective(f, Parameters.of(0.0)[0])
        objective.line = lambda lines, offsets, k=k: along(offsets)[:, [k]]
        alone = measure_noise(objective, Lines.rays(np.zeros(1), [np.ones(1)]), table(1e-6)[0, [k]])
        for column in (k, k + 30 * m):
            assert together.level[column] == alone.level
            assert together.digits[column] == alone.digits
            assert together.constant[column] == alone.constant
            assert np.array_equal(together.slope[[column]], alone.slope, equal_nan=True)


def test_noise_that_happens_to_look_smooth_is_not_believed_alone():
    """A narrower spacing with a hundredth of the noise: a third tells whether that was luck."""
    rng = np.random.default_rng(0)
    noise = {s: 1e-6 * rng.normal(size=(8, 1)) for s in (1e-6, 7e-10)}

    def level(third):
        def at(offsets):
            if offsets.size != 8:
                return np.full((offsets.size, 1), np.nan)
            near = min((1e-6, 1e-9, 7e-10), key=lambda other: abs(other - offsets[1]))
            values = {1e-6: noise[1e-6], 1e-9: 1e-2 * noise[1e-6], 7e-10: third}[near]
            return 1.0 + np.vstack([np.zeros((1, 1)), values[1:]])

        return float(estimate_noise(at, 1e-6, back=True).level[0])

    assert level(noise[7e-10]) > 1e-6
    assert level(1e-2 * noise[7e-10]) < 1e-7


def test_a_rounding_of_x_that_the_spacing_hides_is_in_the_noise():
    """The points lie sixteen spacings of float32 apart: all are rounded alike, and elsewhere they are not."""
    x, spacing = 15748.565679725412, 2.0**-10

    def f(t):
        return float(np.float32(np.sin(np.float32(t))))

    parameters, flat = Parameters.of(x)
    line = Lines.rays(flat, [np.array([16e6 * spacing])])
    noise = measure_noise(Objective(f, parameters), line, np.array([f(x)]))
    clean = measure_noise(Objective(np.sin, parameters), line, np.array([np.sin(x)]))

    assert noise.digits == "float32"
    assert noise.level >= 0.2 * abs(np.cos(x)) * spacing
    assert clean.level < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("claimed", "outcomes"),
    # sigmoid'(-u) = exp(-u) to 1e-9 for u = 22 and for 40: below what 1 + tanh keeps of 1.
    [(1.0, ("INCONCLUSIVE", "PASS")), (1e12, ("FAIL",))],
)
def test_an_output_that_is_zero_is_rounded_as_the_others_are(dtype, claimed, outcomes):
    """(1 + tanh(u / 2)) / 2 vanishes long before its slope does; a slope that would show is still wrong."""
    u = np.array([-22.0 if dtype is np.float32 else -40.0, 0.3])

    def f(x: np.ndarray) -> np.ndarray:
        return np.asarray((1 + np.tanh(x.astype(dtype) / 2)) / 2, float)

    assert f(u)[0] == 0
    J = np.diag(np.exp(u) / (1 + np.exp(u)) ** 2)
    J[0, 0] *= claimed
    for judge, derivative in (
        (gradcheck.check_jacobian, J),
        (gradcheck.check_jvp, lambda x, v: J @ v),
        (gradcheck.check_vjp, lambda x, v: J.T @ v),
    ):
        assert judge(f, derivative, u).outcome.value in outcomes


@pytest.mark.parametrize("claimed", [1.0, 0.0])
def test_an_output_of_eight_digits_that_never_moves_does_not_accuse(claimed):
    """1e14 + 1e8 tanh(x) to eight digits is 1.0000039e14 at every point: neither its slope nor 0 is refuted."""
    x = np.linspace(0.3, 1.2, 4)
    a = np.random.default_rng(3).normal(size=(3, 4))
    factors, offsets = np.full(3, 1e8), np.array([1.0000039e14, 0.0, 0.0])

    def f(x):
        values = factors * np.tanh(a @ x) + offsets
        return np.array([float(f"{v:.7e}") for v in values])

    right = factors[:, None] * (1 - np.tanh(a @ x) ** 2)[:, None] * a
    jacobian = right * np.array([claimed, 1.0, 1.0])[:, None]
    assert len({f(x * (1 + d))[0] for d in np.linspace(-0.3, 0.3, 20)}) > 1
    assert check_jacobian(f, jacobian, x).outcome is not Outcome.FAIL
    wrong = jacobian * np.array([1.0, 1.0, 1.1])[:, None]
    assert check_jacobian(f, wrong, x).outcome is Outcome.FAIL


def test_outputs_that_lie_in_a_line_by_luck_have_the_noise_of_the_others():
    """Of ten with noise of 1e-8 of themselves two show none; that of the least noisy tenth is theirs."""
    level = np.array([1e-16, 1e-16, *np.full(8, 2e-8)])
    noise = Noise(
        level,
        np.ones(10),
        np.full(10, "float64", object),
        np.zeros(10, bool),
        np.ones((8, 10)),
        np.zeros(10, bool),
    )
    assert with_lucky_outputs(noise, np.full(10, 2.0)).level == pytest.approx(np.full(10, 2e-8))
    # By what part they are of themselves.
    sizes = np.array([1e-3, 0.0, *np.full(8, 2.0)])
    assert with_lucky_outputs(noise, sizes).level[:2] == pytest.approx([1e-11, 1e-16])
    # Those that show some have their own, as where all are rounded to the same decimals.
    sizes = np.array([2.0, 2.0, 2000.0, *np.full(7, 2.0)])
    assert with_lucky_outputs(noise, sizes).level[2:] == pytest.approx(np.full(8, 2e-8))
    # Not where a third shows none, nor of a few.
    third = replace(noise, level=np.where(np.arange(10) < 4, 1e-16, 2e-8))
    assert with_lucky_outputs(third, np.full(10, 2.0)) is third
    few = replace(noise, level=level[1:5], constant=np.zeros(4, bool))
    assert with_lucky_outputs(few, np.full(4, 2.0)) is few
