"""An f that is the same at all points around x: what is said of it, and what an atol leaves to be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_vjp
from gradcheck.driver import prepare as module
from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import Remedy

X = np.array([1.0, -2.0, 0.5])


def same(value: float) -> Any:
    """A gradient that has one value everywhere."""
    return lambda x: np.full(x.shape, value)


def atol_of(report: Any) -> float:
    """The atol that a report advises."""
    return report.undecided.offered


@pytest.mark.parametrize(("value", "claim"), [(3.0, 0.0), (3.0, 0.001), (0.0, 0.0), (0.0, 1e-4), (1e6, 5.0)])
def test_the_atol_that_is_advised_passes_what_a_constant_f_hides(value, claim):
    """0 and what is no more than f may hide: of 3 a half, of 1e6 in whole thousands some hundreds, of 0 anything."""
    report = check_gradient(lambda x: value, same(claim), X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.undecided is not None
    assert report.undecided.limit is Limit.CONSTANT
    assert report.reason.startswith(f"f does not depend on x at all: it is {value:.17g} at all points")
    atol = atol_of(report)
    assert "pass atol=" in report.advice

    followed = check_gradient(lambda x: value, same(claim), X, atol=atol)
    assert followed.outcome is Outcome.PASS
    assert any("may depend on x at another point" in note for note in followed.notes)


@pytest.mark.parametrize("value", [np.pi, 0.63777257330482, -12.345678, 3.7])
@pytest.mark.parametrize("x", [X, np.array([-3.6, -23.7, 10.4, -12.1, -1.7])])
def test_it_passes_constants_of_any_digits(value, x):
    """The bars of some entries, of a Jacobian for one, are twice those of the first steps: some stayed open."""
    for check, claim in ((check_gradient, 0.0 * x), (check_jacobian, np.zeros((3, x.size)))):

        def f(x, shape=claim.shape[:-1]):
            return np.full(shape, value) if shape else value

        report = check(f, claim, x)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert check(f, claim, x, atol=atol_of(report)).outcome is Outcome.PASS


@pytest.mark.parametrize("f", [lambda x: 0.3, lambda x: 0.07])
def test_no_atol_is_advised_where_rounding_may_be_a_large_part_of_f(f):
    """0.3 may be 0.25 or 0.35: an atol for that was advised, and with it nothing was known either."""
    report = check_gradient(f, same(0.0), X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert list(report.undecided.remedies) == [Remedy.DIGITS, Remedy.ELSEWHERE]


@pytest.mark.parametrize("times", [1.0, -1.0])
def test_no_atol_is_advised_that_any_mistake_would_pass_with(times):
    """Weights of 1e-6, and a loss in float32: over steps of that size nothing shows, and 1e5 hides anything."""
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(40, 30)), rng.normal(size=40), 1e-6 * rng.normal(size=30)
    claim = times * 2.0 * a.T @ (a @ x - b) / 40

    def f(x):
        return np.float32(np.mean((a @ x - b) ** 2))

    assert check_gradient(f, claim, x).outcome is not (Outcome.FAIL if times == 1.0 else Outcome.PASS)
    report = check_gradient(f, claim, x, bounds=(x - 1e-5, x + 1e-5))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert list(report.undecided.remedies) == [Remedy.DIGITS]


@pytest.mark.parametrize(
    ("value", "claim", "atol"), [(3.0, 0.001, 1e-3), (0.0, 1e-4, 1e-5), (1e6, 5.0, 1e-8)]
)
def test_a_smaller_atol_passes_no_claim_that_a_constant_f_may_hide(value, claim, atol):
    """Neither does it fail: 0.001 of an f that is 3 may be rounded away."""
    assert check_gradient(lambda x: value, same(claim), X, atol=atol).outcome is Outcome.INCONCLUSIVE


def test_a_claim_that_no_rounding_hides_fails_beyond_the_atol_only():
    """3 everywhere, claimed to change by about 3 within one scale of x."""
    assert check_gradient(lambda x: 3.0, same(1.0), X, atol=1e-3).outcome is Outcome.FAIL
    assert check_gradient(lambda x: 3.0, same(1.0), X, atol=2.0).outcome is Outcome.PASS


def test_zero_may_be_what_is_left_of_a_rounded_number():
    """1e-3 sum(sin x) in two decimals is 0, and its gradient 1e-3 cos x neither right nor wrong."""
    x = np.full(3, 0.1)
    report = check_gradient(
        lambda x: np.round(1e-3 * np.sin(x).sum(), 2), lambda x: 1e-3 * np.cos(x), x, atol=1e-5
    )
    assert report.outcome is Outcome.INCONCLUSIVE


def test_outputs_of_which_none_moves_are_told_as_one_number_is():
    """A Jacobian and a vjp of a constant f."""

    def f(x: Any) -> Any:
        return np.array([3.0, 1.0])

    def jac(x: Any) -> Any:
        return np.zeros((2, 3))

    for report, again in (
        (check_jacobian(f, jac, X), lambda atol: check_jacobian(f, jac, X, atol=atol)),
        (
            check_vjp(f, lambda x, v: np.zeros(3), X),
            lambda atol: check_vjp(f, lambda x, v: np.zeros(3), X, atol=atol),
        ),
    ):
        assert report.outcome is Outcome.INCONCLUSIVE
        assert report.reason.startswith("f does not depend on x at all: none of its outputs changed")
        assert "Jacobian" in report.reason
        assert again(atol_of(report)).outcome is Outcome.PASS


@pytest.mark.parametrize("at", [np.ones(3), np.zeros(3), np.array([1.0, 0.0, 0.0])])
def test_a_polynomial_that_is_0_at_x_is_not_called_rough(at):
    """The roundings of its values beside x are small to nothing that is known of it."""

    def lorenz(x):
        return np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    def jac(x):
        return np.array([[-10, 10, 0], [28 - x[2], -1, -x[0]], [x[1], x[0], -8 / 3]])

    for seed in range(3):
        report = check_jacobian(lorenz, jac, at, rng=seed)
        assert (report.outcome, report.notes) == (Outcome.PASS, ())
    rounded = check_jacobian(lambda x: np.round(lorenz(x), 6), jac, at, rng=0)
    assert any("smooth near x down to about" in note for note in rounded.notes)


@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("claim", [np.nan, np.inf, -np.inf])
def test_of_a_constant_f_what_is_not_finite_is_the_reason(value, claim):
    """Not that f ought to be computed with more digits; whatever is advised of it beside would be nan."""
    report = check_gradient(lambda x: value, np.array([claim, 0.0, 0.0]), X)

    assert report.outcome is Outcome.FAIL
    assert "x[0]" in report.reason
    assert report.advice == ""
    assert check_gradient(lambda x: value, np.zeros(3), X).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("w", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("n", [1, 5, 20])
def test_the_slope_of_a_dead_zone_is_0_however_narrow_it_is(n, offset, w):
    """A sum of soft thresholds, at their centres: 1 beyond w, which every longer step shows, is no slope at x."""
    a = np.random.default_rng(3).normal(size=n)

    def f(x: np.ndarray) -> float:
        return float(np.sum(np.sign(x - a) * np.maximum(np.abs(x - a) - w, 0.0))) + offset

    assert check_gradient(f, same(0.0), a).outcome is not Outcome.FAIL
    assert check_gradient(f, same(1.0), a).outcome is Outcome.FAIL
    # Beyond the zone 1 is right.
    assert check_gradient(f, same(1.0), a + 0.3 + 3.0 * w).outcome is Outcome.PASS


@pytest.mark.parametrize("tread", [1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("n", [1, 5, 40])
def test_a_tread_is_no_dead_zone(n, tread):
    """Stairs of the same width, whose jumps add up to the slope of 1: the slope beyond them counts."""
    a = np.random.default_rng(3).normal(size=n)

    def f(x: np.ndarray) -> float:
        return float(np.sum(np.sinh(tread * np.round((x - a) / tread))))

    assert check_gradient(f, same(1.0), a).outcome is not Outcome.FAIL
    assert check_gradient(f, same(0.0), a).outcome is not Outcome.PASS


@pytest.mark.parametrize("w", [1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("n", [2, 5])
def test_of_many_outputs_each_may_have_a_dead_zone(n, w):
    """Beside others without one."""
    a = np.random.default_rng(3).normal(size=n)
    zones = np.arange(n) % 2 == 0

    def f(x: np.ndarray) -> np.ndarray:
        return np.where(zones, np.sign(x - a) * np.maximum(np.abs(x - a) - w, 0.0) + 1.0, np.sin(x))

    right = np.diag(np.where(zones, 0.0, np.cos(a)))
    assert check_jacobian(f, lambda x: right, a).outcome is not Outcome.FAIL
    assert check_jacobian(f, lambda x: right + np.diag(1.0 * zones), a).outcome is not Outcome.PASS


@pytest.mark.parametrize("widths", [(1e-5, 1e-3), (1e-3, 1e-5)])
def test_the_narrowest_of_some_dead_zones_counts(widths):
    """Whichever output has it."""
    a, w = np.random.default_rng(3).normal(size=2), np.array(widths)

    def f(x: np.ndarray) -> np.ndarray:
        return np.sign(x - a) * np.maximum(np.abs(x - a) - w, 0.0) + 1.0

    assert check_jacobian(f, lambda x: np.zeros((2, 2)), a).outcome is Outcome.PASS
    assert check_jacobian(f, lambda x: np.eye(2), a).outcome is Outcome.FAIL


def soft(x: np.ndarray) -> float:
    """A dead zone of 1e-3 around 1."""
    return float(np.sum(np.sign(x - 1.0) * np.maximum(np.abs(x - 1.0) - 1e-3, 0.0)))


@pytest.mark.parametrize(
    ("f", "x", "options", "asked"),
    [
        (soft, np.ones(1), {}, True),
        (soft, np.ones(1), {"bounds": [(0.0, 2.0)]}, False),
        (lambda x: round(soft(x), 4), np.ones(1), {}, False),
        (lambda x: 1e12 + float(x[0]), np.ones(1), {}, False),
        (soft, np.ones(1, np.float32), {}, False),
    ],
    ids=["a dead zone", "within bounds", "decimals", "roundings alone", "x in float32"],
)
def test_a_dead_zone_is_looked_for_where_it_could_be_told(f, x, options, asked, monkeypatch):
    """Not where f lies on a grid, or moves by its rounding alone, nor where x rounds; bounds have the steps."""
    calls = []
    monkeypatch.setattr(module, "flat_piece", lambda *given: calls.append(given) or 0.0)
    check_gradient(f, same(1.0), x, **options)
    assert bool(calls) is asked


@pytest.mark.parametrize("offset", [1.0, 1e3])
def test_a_derivative_in_float32_takes_nothing_from_the_digits_of_f(offset):
    """In a dead zone f, in float64, is as precise as beside any derivative."""
    x = np.ones(1)

    def grad(value: float) -> Any:
        return lambda x: np.full(1, value, np.float32)

    assert check_gradient(lambda x: soft(x) + offset, grad(1.0), x).outcome is Outcome.FAIL
    assert check_gradient(lambda x: soft(x) + offset, grad(0.0), x).outcome is Outcome.PASS
