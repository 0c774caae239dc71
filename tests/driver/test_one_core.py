"""A gradient is the Jacobian of one output: the same f gets the same verdict, at the same cost, by either check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian

RNG = np.random.default_rng(11)
Function = Callable[[np.ndarray], Any]


def waves(x: np.ndarray) -> Any:
    """Sum of exp(x) sin(x); takes complex numbers."""
    return np.sum(np.exp(x) * np.sin(x))


def slope_of_waves(x: np.ndarray) -> np.ndarray:
    """By hand."""
    return np.exp(x) * (np.sin(x) + np.cos(x))


def noisy(level: float) -> Function:
    """The square of x with relative noise that is a function of x."""
    return lambda x: float(np.sum(x**2) * (1 + level * np.sin(1e12 * np.sum(x))))


def single(x: np.ndarray) -> float:
    """In float32."""
    return float(np.float32(np.sum(np.sin(x.astype(np.float32)))))


def real(f: Function) -> Function:
    """The same for real numbers alone."""
    return lambda x: float(f(x))


def sines(x: np.ndarray) -> Any:
    """Sum of sin(x)."""
    return np.sum(np.sin(x))


def at(n: int) -> np.ndarray:
    """A point of n entries."""
    return np.random.default_rng(n).normal(size=n)


def smooth_cases() -> dict[str, tuple[Function, Function, np.ndarray]]:
    """Right gradients of functions of many kinds."""
    cases: dict[str, tuple[Function, Function, np.ndarray]] = {}
    for n in (1, 2, 4, 5, 9, 20, 21, 40, 99, 101, 1000):
        cases[f"waves, n = {n}"] = waves, slope_of_waves, at(n)
        cases[f"waves of real numbers, n = {n}"] = real(waves), slope_of_waves, at(n)
    small = np.r_[np.ones(9), 1e-7]
    cases |= {
        "log beside ones": (real(lambda x: np.sum(np.log(x))), lambda x: 1 / x, small),
        "a root beside ones": (real(lambda x: np.sum(np.sqrt(x))), lambda x: 0.5 / np.sqrt(x), small / 100),
        "product at 0": (lambda x: float(x[0] * x[1]), lambda x: x[::-1].copy(), np.zeros(2)),
        "squares at 0": (lambda x: float(x @ x), lambda x: 2 * x, np.zeros(6)),
        "coefficients that cancel": (
            lambda x: float((0.1 + 0.2) * x[0] - 0.3 * x[0]),
            np.zeros_like,
            np.zeros(1),
        ),
        "steep at 0": (
            lambda x: float(np.sum(1e20 * x + 1e40 * x**2)),
            lambda x: 1e20 + 2e40 * x,
            np.zeros(3),
        ),
        "a kink at 0": (lambda x: float(np.abs(x).sum()), np.sign, np.zeros(3)),
        "a kink beside x": (
            lambda x: float(np.abs(x - 0.3).sum()),
            lambda x: np.sign(x - 0.3),
            np.full(6, 0.30001),
        ),
        "decimals": (lambda x: round(float(sines(x)), 6), np.cos, at(6)),
        "eight decimals, 30 entries": (lambda x: round(float(sines(x)), 8), np.cos, at(30)),
        "float32": (single, np.cos, at(6)),
        "float32, 120 entries": (single, np.cos, at(120)),
        "beside 1e8": (lambda x: 1e8 + float(sines(x)), np.cos, at(6)),
        "beside 1e6, 150 entries": (lambda x: 1e6 + float(sines(x)), np.cos, at(150)),
        "constant": (lambda x: 1.0, np.zeros_like, at(3)),
        "nothing but an edge": (
            lambda x: float(np.sum(np.sqrt(x))),
            lambda x: 0.5 / np.sqrt(x),
            np.full(3, 1e-300),
        ),
    }
    for k in (9, 7, 6, 5, 4):
        cases[f"noise of 1e-{k}"] = noisy(10.0**-k), lambda x: 2 * x, at(5)
    return cases


SMOOTH = smooth_cases()


def told(report: Any) -> tuple[Any, ...]:
    """What two checks of the same f have in common."""
    return report.outcome, sorted(m.flat_index for m in report.wrong), report.nfev


def both(f: Function, grad: Function, x: np.ndarray, **options: Any) -> tuple[Any, Any]:
    """The reports as a gradient and as the one row of a Jacobian."""
    with np.errstate(all="ignore"):
        return check_gradient(f, grad, x, **options), check_jacobian(
            lambda x: np.atleast_1d(f(x)), lambda x: np.asarray(grad(x))[None, :], x, **options
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("method", ["auto", "sweep", "directions", "complex"])
def test_a_right_gradient_is_the_same_as_a_row(name: str, method: str):
    """Outcome, wrong entries and evaluations."""
    gradient, row = both(*SMOOTH[name], method=method)

    assert told(row) == told(gradient)
    assert gradient.outcome is not Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "constant"])
@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_a_wrong_entry_is_the_same_as_a_row(name: str, factor: float):
    """The largest entry by a factor, or where all are 0 by one."""
    f, grad, x = SMOOTH[name]

    def wrong(x: np.ndarray) -> np.ndarray:
        values = np.array(grad(x), float)
        k = int(np.argmax(np.abs(values)))
        values[k] = factor * values[k] if values[k] else 1.0
        return values

    gradient, row = both(f, wrong, x)
    assert told(row) == told(gradient)


def test_two_rows_that_are_the_same_cost_what_one_does():
    """Their lines share every point; and a mistake in one is named in that one."""
    x = at(30)
    one = check_jacobian(lambda x: np.array([waves(x)]), lambda x: slope_of_waves(x)[None, :], x)
    two = check_jacobian(lambda x: np.array([waves(x)] * 2), lambda x: np.array([slope_of_waves(x)] * 2), x)
    assert (two.outcome, one.outcome) == (Outcome.PASS, Outcome.PASS)
    assert two.nfev <= one.nfev + 1

    def wrong(x: np.ndarray) -> np.ndarray:
        jacobian = np.array([slope_of_waves(x)] * 2)
        jacobian[1, 7] *= 1.01
        return jacobian

    found = check_jacobian(lambda x: np.array([waves(x)] * 2), wrong, x)
    assert [m.name for m in found.wrong] == ["J[1, 7]"]


@pytest.mark.slow
@pytest.mark.parametrize("s", [1e20, 1e50, 1e100])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_slope_at_0_that_shows_only_far_nearer_is_judged(s: float, n: int):
    """f = s x + (s x)^2: its square towers beside x; the claim hides beneath the bar of any step that suits ones."""
    x = np.zeros(n)

    def f(x: np.ndarray) -> np.ndarray:
        return s * x + (s * x) ** 2

    for factor, outcome in (
        (1.0, Outcome.PASS),
        (1.1, Outcome.FAIL),
        (0.0, Outcome.FAIL),
        (-1.0, Outcome.FAIL),
    ):
        gradient = check_gradient(lambda x: float(f(x).sum()), np.full(n, factor * s), x)
        assert gradient.outcome is outcome, factor
        jacobian = check_jacobian(f, factor * s * np.eye(n), x)
        assert jacobian.outcome is outcome, factor


@pytest.mark.slow
@pytest.mark.parametrize("f", [np.tanh, np.expm1, np.sin])
@pytest.mark.parametrize("s", [1e20, 1e50])
def test_a_slope_at_0_within_the_nearest_step_is_no_mistake(f: Function, s: float):
    """tanh(s x): all of it lies nearer than any step that is tried; the right slope is not called wrong."""
    x = np.zeros(3)
    with np.errstate(all="ignore"):
        assert check_gradient(lambda x: float(f(s * x).sum()), np.full(3, s), x).outcome is not Outcome.FAIL
        assert check_jacobian(lambda x: f(s * x), s * np.eye(3), x).outcome is not Outcome.FAIL


def test_an_array_of_two_shapes_is_one_row_of_entries():
    """A tree: the regions and certificates of its arrays are told as those of the row."""
    x = {"w": at(200).reshape(10, 20), "b": at(40)}

    def f(p: dict[str, np.ndarray]) -> float:
        return float(np.sum(np.sin(p["w"])) + np.sum(p["b"] ** 3))

    def jac(p: dict[str, np.ndarray], factor: float = 1.0) -> dict[str, np.ndarray]:
        return {"w": np.cos(p["w"])[None] * factor, "b": 3 * p["b"][None] ** 2}

    right = check_jacobian(lambda p: np.array([f(p)]), jac, x)
    assert right.outcome is Outcome.PASS
    assert right.certificate is not None
    wrong = check_jacobian(lambda p: np.array([f(p)]), lambda p: jac(p, 2.0), x)
    assert wrong.outcome is Outcome.FAIL
    assert all(0 <= m.flat_index < 200 for m in wrong.wrong)


def test_an_array_that_bounds_hold_is_judged_beside_one_that_is_certified():
    """The entries of b are judged one by one, those of w along directions: PASS as a gradient and as a row; or FAIL."""
    x = {"w": at(200), "b": np.array([1.0, 2.0])}
    low = np.concatenate([np.full(200, -np.inf), [1.0 - 1e-3, 2.0 - 1e-3]])
    high = np.concatenate([np.full(200, np.inf), [1.0 + 1e-3, 2.0 + 1e-3]])
    bounds = (low, high)

    def f(p: dict[str, np.ndarray]) -> float:
        return float(np.sum(np.sin(p["w"])) + np.sum(p["b"] ** 3))

    for factor, outcome in ((1.0, Outcome.PASS), (1.1, Outcome.FAIL)):

        def grad(p: dict[str, np.ndarray], factor: float = factor) -> dict[str, np.ndarray]:
            return {"w": np.cos(p["w"]), "b": factor * 3 * p["b"] ** 2}

        gradient = check_gradient(f, grad, x, bounds=bounds)
        row = check_jacobian(
            lambda p: np.array([f(p)]),
            lambda p, grad=grad: {key: part[None] for key, part in grad(p).items()},
            x,
            bounds=bounds,
        )
        assert told(row) == told(gradient)
        assert gradient.outcome is outcome
