"""Kinks that meet at x: slopes that f has beside x and not at x accuse no rule that takes one side of each kink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian


def leaky(z: Any) -> Any:
    """z, and a tenth of it where it is not above 0."""
    return np.where(z > 0, z, 0.1 * z)


def behind(x: np.ndarray) -> float:
    """A rectifier behind another: along x[0] its slope is -0.1 to both sides of 0, and -1, -0.1 or -0.01 beside it."""
    return float(leaky(x[1] - leaky(x[0])))


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        # A tenth for each kink, as backpropagation takes it: that is f's slope where both units are below 0.
        ([-0.01, 0.1], Outcome.INCONCLUSIVE),
        ([-1.0, 1.0], Outcome.INCONCLUSIVE),
        # None of f's slopes near x, by far.
        ([-9.0, 0.1], Outcome.FAIL),
        ([-0.01, 9.0], Outcome.FAIL),
    ],
)
def test_a_slope_that_f_has_beside_x_is_not_accused(given, outcome):
    """f has no derivative at x, though it has a slope along x[0]: the chain of two rules is no mistake."""
    report = check_gradient(behind, np.array(given), np.zeros(2))
    assert report.outcome is outcome, str(report)
    if outcome is Outcome.INCONCLUSIVE:
        assert "kinks that meet at x" in report.reason or "a kink at x" in report.reason


def test_what_lies_between_the_slopes_beside_x_passes_as_a_subgradient():
    """-0.1 and -1 are the slopes of two of the four pieces of f that meet at x."""
    for given in ([-0.1, 0.1], [-1.0, 1.0]):
        assert check_gradient(behind, np.array(given), np.zeros(2), subgradient=True).outcome is Outcome.PASS
    assert (
        check_gradient(behind, np.array([-9.0, 1.0]), np.zeros(2), subgradient=True).outcome is Outcome.FAIL
    )


def test_rows_of_a_jacobian_are_asked_each_for_itself():
    """The kinks of one output excuse nothing of another, which is convex."""

    def f(x: np.ndarray) -> np.ndarray:
        return np.array([behind(x), abs(x[0]) + x[1]])

    right = np.array([[-0.01, 0.1], [-1.0, 1.0]])
    assert check_jacobian(f, right, np.zeros(2)).outcome is Outcome.INCONCLUSIVE
    assert check_jacobian(f, right + np.array([[0, 0], [-0.5, 0]]), np.zeros(2)).outcome is Outcome.FAIL


def test_beside_kinks_an_entry_without_one_is_held_to_its_slope():
    """|x| + y^2, which is convex, and y bends: 1 % too much is wrong, whatever f shows farther on."""

    def f(x: Any) -> float:
        return float(abs(x[0]) + x[1] ** 2)

    assert check_gradient(f, np.array([0.0, 2.02]), np.array([0.0, 1.0])).outcome is Outcome.FAIL
    assert check_gradient(f, np.array([0.0, 2.0]), np.array([0.0, 1.0]), subgradient=True)


@pytest.mark.parametrize("given", [(-0.01, True), (-9.0, False)])
def test_where_kinks_meet_a_mistake_elsewhere_accuses_none_of_them(given):
    """4 for 2 in an array without a kink, 9 for 1 at most in the same: named alone, or with what is no slope of f."""
    slope, right = given

    def f(x: Any) -> float:
        return behind(x["b"]) + float(np.sum(x["w"] ** 2))

    x = {"b": np.zeros(2), "w": np.ones(1)}
    report = check_gradient(f, {"b": np.array([slope, 0.1]), "w": np.array([4.0])}, x)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {'params["w"][0]'} | (set() if right else {'params["b"][0]'})
    report = check_gradient(
        lambda x: behind(x) + float(abs(x[2])), np.array([slope, 0.1, 9.0]), np.zeros(3), subgradient=True
    )
    assert {m.name for m in report.wrong} == {"x[2]"} | (set() if right else {"x[0]"})


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_a_median_of_ties_has_a_slope_that_no_axis_shows(offset):
    """No entry moves the two in the middle of four by itself, together they move them: a half for two is a rule's."""

    def median(x: np.ndarray) -> float:
        return 4.0 * float(np.median(x)) + offset

    for given, outcome in (([0, 2, 2, 0], Outcome.INCONCLUSIVE), ([0, 90, 90, 0], Outcome.FAIL)):
        assert check_gradient(median, np.array(given, float), np.full(4, 1.5)).outcome is outcome
    assert check_gradient(median, np.array([0.0, 2.0, 2.0, 0.0]), np.full(4, 1.5), subgradient=True)
    # Of equal numbers that f takes one by one what is too much is wrong, as it is of any.
    assert (
        check_gradient(lambda x: float(np.sum(x**2)), np.full(4, 3.03), np.full(4, 1.5)).outcome
        is Outcome.FAIL
    )


def network(
    kind: str = "",
) -> tuple[Callable[..., float], Callable[..., dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Two layers of leaky rectifiers with biases of 0, of data with rows of zeros; its gradient, and a wrong one."""
    rng = np.random.default_rng(3)
    data, goal = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    data[:3] = 0.0
    sizes = (3, 6, 5, 2)
    x = {f"W{k}": rng.normal(size=sizes[k : k + 2]) / sizes[k] ** 0.5 for k in range(3)}
    x |= {f"b{k}": np.zeros(sizes[k + 1]) for k in range(3)}

    def forward(x: Any) -> tuple[list[Any], list[Any]]:
        before, after = [], [data]
        for k in range(3):
            before.append(after[-1] @ x[f"W{k}"] + x[f"b{k}"])
            after.append(before[-1] if k == 2 else leaky(before[-1]))
        return before, after

    def loss(x: Any) -> float:
        return float(np.sum((forward(x)[1][-1] - goal) ** 2) / 2.0)

    def grad(x: Any) -> dict[str, np.ndarray]:
        before, after = forward(x)
        back, found = after[-1] - goal, {}
        for k in (2, 1, 0):
            found[f"W{k}"], found[f"b{k}"] = after[k].T @ back, back.sum(axis=0)
            if kind == "mean" and k == 1:
                found["b1"] = back.mean(axis=0)
            back = back @ x[f"W{k}"].T
            if k:
                back = back * np.where(before[k - 1] > 0, 1.0, 0.1)
        return {name: found[name] for name in x}

    return loss, grad, x


@pytest.mark.slow
@pytest.mark.parametrize("subgradient", [False, True])
def test_backpropagation_through_rows_of_zeros_is_not_refused(subgradient):
    """The rule of each unit at 0 is its slope on the left; a mean for a sum is refused all the same."""
    loss, grad, x = network()
    for seed in range(3):
        report = check_gradient(loss, grad, x, subgradient=subgradient, rng=seed)
        assert report.outcome is not Outcome.FAIL, str(report)
    loss, grad, x = network("mean")
    assert check_gradient(loss, grad, x, subgradient=subgradient).outcome is Outcome.FAIL


def test_beside_kinks_an_array_without_one_is_held_to_its_slopes():
    """Biases of 0 behind rows of zeros excuse nothing of weights, which are not 0: 40 % too much in one layer."""
    loss, grad, x = network()

    def wrong(x: Any) -> dict[str, np.ndarray]:
        found = grad(x)
        return found | {"W1": 1.4 * found["W1"]}

    report = check_gradient(loss, wrong, x)
    assert report.outcome is Outcome.FAIL, str(report)


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "factor"), [("W2", 2.0), ("b2", -1.0), ("W0", 1.1)])
def test_a_mistake_in_one_layer_names_no_biases_of_another(wrong, factor):
    """Of backpropagation through rows of zeros what is right stays open where kinks meet, whatever else is wrong."""
    loss, grad, x = network()
    report = check_gradient(loss, lambda x: grad(x) | {wrong: factor * grad(x)[wrong]}, x)
    assert report.outcome is Outcome.FAIL
    assert {m.name.split("[")[1] for m in report.wrong} == {f'"{wrong}"]'}, str(report)
