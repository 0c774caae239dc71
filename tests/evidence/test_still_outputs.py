"""Outputs of few digits that stay as they are, as is claimed of them: two evaluations tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import gradcheck
from gradcheck import Outcome, check_jacobian
from gradcheck.evidence import farther

STILL: dict[str, Callable[[np.ndarray], Any]] = {
    "a count": lambda x: np.count_nonzero(x > 0), "an index": lambda x: 1 + np.argmin(np.abs(x)), "0.1": lambda x: 0.1,
    "a unit that is saturated": lambda x: np.tanh(40.0 + x[0]), "whole parts": lambda x: np.floor(x / 7.0 + 10.5),
}  # fmt: skip


def beside(other: Callable[[np.ndarray], Any], n: int) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    """A smooth f with other outputs, its Jacobian with 0 for these, and x; f takes no complex numbers."""
    rng = np.random.default_rng(n)
    a, x = rng.normal(size=(3, n)), rng.choice([-1.0, 1.0], n) * np.linspace(0.8, 1.6, n)

    def function(x: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(x):
            raise TypeError("real numbers alone")
        return np.append(a @ x**2, other(x))

    return function, np.vstack([2 * a * x, np.zeros((np.size(other(x)), n))]), x


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("n", range(1, 5))
def test_an_output_of_few_digits_that_stays_as_it_is_claimed_takes_two_evaluations_more(name: str, n: int):
    """It may be rounded, but stays so farther away. Something else that is claimed of any output does not pass."""
    function, right, x = beside(STILL[name], n)

    report = check_jacobian(function, right, x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 2 * n + 3
    for row in (0, -1):
        wrong = right.copy()
        wrong[row, 0] += 0.3
        assert check_jacobian(function, wrong, x).outcome is not Outcome.PASS


@pytest.mark.parametrize("n", range(1, 5))
def test_an_output_that_moves_farther_away_is_not_taken_to_be_still(n: int):
    """Over short steps 96 stays 96 in float32: 0 is wrong, and what it moves by farther away is right."""
    start = beside(lambda x: 0.0, n)[2]
    function, zero, x = beside(lambda x: np.float32(96.0 + 0.03 * (x[0] - start[0])), n)
    right = zero.copy()
    right[-1, 0] = 0.03

    assert check_jacobian(function, zero, x).outcome is Outcome.FAIL
    assert check_jacobian(function, right, x).outcome is Outcome.PASS


@pytest.mark.parametrize("digits", ["decimals", "half"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 30])
def test_a_row_that_was_left_out_does_not_pass_because_its_output_is_rounded(n: int, digits: str):
    """To two decimals, or to float16: the same at all points beside x, and not at a tenth of it."""
    rng = np.random.default_rng(n)
    a, x = rng.normal(size=n), rng.uniform(0.7, 1.3, n) * 3.0 / n

    def function(x: np.ndarray) -> np.ndarray:
        coarse = np.round(3.0 + x.sum(), 2) if digits == "decimals" else np.float16(3.0 + np.real(x).sum())
        return np.array([a @ x**2, np.sin(x).sum(), coarse])

    zero = np.vstack([2 * a * x, np.cos(x), np.zeros(n)])
    for seed in range(3):
        assert check_jacobian(function, zero, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.parametrize("value", [0.1, 1.7, 3.15, 3.1416, 273.15, 6.0, np.pi])
@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_a_constant_of_a_few_decimals_passes_however_the_others_are_judged(value: float, n: int):
    """Of products nothing is known by plain differences, and what is a constant stays farther away."""
    rng = np.random.default_rng(n)
    a, x = rng.normal(size=(2, n))

    def function(x: np.ndarray) -> np.ndarray:
        return np.array([np.sin(a @ x), value, (a @ x) ** 2])

    def jac(x: np.ndarray) -> np.ndarray:
        return np.vstack([np.cos(a @ x) * a, 0.0 * a, 2 * (a @ x) * a])

    assert check_jacobian(function, lambda x: aslinearoperator(jac(x)), x)
    wrong = check_jacobian(function, lambda x: aslinearoperator(jac(x) + np.diag([0, 1.0, 0])[:, 1:2]), x)
    assert wrong.outcome is not Outcome.PASS


def test_what_is_to_stay_is_looked_at_within_the_bounds():
    """To both sides, as far as they leave room."""
    function, right, x = beside(STILL["0.1"], 3)
    bounds = (x - np.array([1e-3, 1.0, 1.0]), x + np.array([1.0, 1.0, 1e-3]))
    seen: list[np.ndarray] = []

    def watched(x: np.ndarray) -> np.ndarray:
        seen.append(np.array(x))
        return function(x)

    assert check_jacobian(watched, right, x, bounds=bounds).outcome is Outcome.PASS
    reached = np.array(seen)
    assert ((bounds[0] <= reached) & (reached <= bounds[1])).all()
    assert np.abs(reached - x)[:, 1].max() > 0.05


def test_an_interruption_of_the_look_farther_away_leaves_nothing_judged():
    """The last of the evaluations ends the check as any other does."""
    function, right, x = beside(STILL["0.1"], 2)
    calls: list[int] = []

    def interrupting(x: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return function(x)

    with pytest.raises(gradcheck.GradientCheckInterrupted) as raised:
        check_jacobian(interrupting, right, x)
    assert raised.value.report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("value", "few"), [
    (3.0, True), (0.0, True), (4096.0, True), (0.1, True), (-2.5, True), (np.pi, True), (np.inf, True),
    (4097.0, False), (float(np.float32(0.1)), False), (11.686393, False),
])  # fmt: skip
def test_more_than_twelve_bits_or_a_few_decimals_are_no_chance(value: float, few: bool):
    """4097 has 13 bits, 0.1 in float32 has 24; pi lies on no grid."""
    assert farther.few_digits(np.array([value])).tolist() == [few]
