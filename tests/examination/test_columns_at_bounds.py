"""Jacobians at points where bounds hold some x: on one side, on both, or all of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, sparse

from gradcheck import Outcome, Report, check_gradient, check_jacobian, check_problem

FAIL, PASS = Outcome.FAIL, Outcome.PASS


def f(x: Any) -> Any:
    """sin(x_i) + x_i x_(i+1): two entries a row."""
    return np.sin(x) + x * np.append(x[1:], 0.0)


def jac(x: Any) -> Any:
    """By hand, as an array."""
    return np.diag(np.cos(x) + np.append(x[1:], 0.0)) + np.diag(x[:-1], 1)


def watched(
    function: Callable[[Any], Any], lower: dict[str, Any], upper: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """The function, and the list to which it adds every point outside the bounds; complex ones by their real part."""
    outside: list[Any] = []

    def watching(x: Any) -> Any:
        if any((np.real(x[k]) < lower[k]).any() or (np.real(x[k]) > upper[k]).any() for k in x):
            outside.append(x)
        return function(x)

    return watching, outside


def skipped(report: Report) -> list[str]:
    """The notes about what was not checked."""
    return [note for note in report.notes if "not checked" in note]


# Columns that bounds let go to different sides.


@pytest.mark.parametrize("seed", range(8))
def test_columns_of_a_group_go_to_the_same_side(seed: int):
    """At a corner of a box some may only go up and others only down: each entry is decided."""
    rng = np.random.default_rng(seed)
    x = rng.choice([0.0, 0.4, 1.0], 20)
    claim = jac(x)
    bounds = [(0, 1)] * x.size
    report = check_jacobian(f, sparse.csr_array(claim), x, bounds=bounds, rng=seed)
    assert report.outcome is PASS, str(report)
    claim[7, 7] += 0.01
    report = check_jacobian(f, sparse.csr_array(claim), x, bounds=bounds, rng=seed)
    assert report.outcome is FAIL
    assert [m.name for m in report.wrong] == ["J[7, 7]"]


def test_a_column_with_next_to_no_room_does_not_hold_back_its_group():
    """Of three columns without a common row one has a millionth to go: the others are as precise as without it."""
    x = np.ones(3)
    bounds = [(None, None), (1 - 1e-6, 1 + 1e-6), (None, None)]
    claim = sparse.diags_array(np.cos(x)).tocsr()
    report = check_jacobian(np.sin, claim, x, bounds=bounds, rng=0)
    assert report.outcome is PASS, str(report)
    claim[2, 2] *= 1.0001
    assert check_jacobian(np.sin, claim, x, bounds=bounds, rng=0).outcome is FAIL


def test_sparse_constraints_of_a_problem_are_decided_at_a_corner():
    """The same of `check_problem`, where SciPy takes the bounds."""

    def checked(factor: float) -> Outcome:
        constraint = optimize.NonlinearConstraint(
            np.square, 0, 1, jac=lambda x: sparse.diags_array(2 * factor * x).tocsr()
        )
        return check_problem(
            lambda x: np.sum(x**4), np.array([0.5, 0.0, 2.0]), jac=lambda x: 4 * x**3, bounds=[(0, 2)] * 3,
            constraints=constraint, rng=0,
        ).outcome  # fmt: skip

    assert checked(1.0) is PASS
    assert checked(1.01) is FAIL


# Columns that equal bounds fix.


@pytest.mark.parametrize("n", [3, 9, 150])
@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
def test_no_entry_of_a_fixed_column_is_said_to_agree(n: int, form: Any):
    """Its entries are wrong, and not looked at: n less are checked, and the certificate says so."""
    x = np.linspace(0.2, 1.0, n)
    claim = jac(x)
    claim[0, 0] *= 3.0
    bounds = [(x[0], x[0])] + [(None, None)] * (n - 1)
    report = check_jacobian(f, form(claim), x, bounds=bounds, rng=0)
    assert report.outcome is PASS
    assert f"all {n * (n - 1):,} free entries agree" in report.reason
    assert [array.checked for array in report.arrays] == [n * (n - 1)]
    assert skipped(report) == [f"{n} coordinates were not checked: equal bounds leave no room"]
    assert all("but for what bounds fix" in certificate.name for certificate in report.certificates)
    claim[1, 1] *= 3.0
    assert check_jacobian(f, form(claim), x, bounds=bounds, rng=0).outcome is FAIL


@pytest.mark.parametrize("n", [3, 9, 150])
def test_no_fixed_entry_of_a_gradient_is_said_to_agree(n: int):
    """The same of a gradient, which random directions decide from 5 entries on; all of an array, too."""
    x = {"a": np.linspace(0.2, 1.0, n), "b": np.ones(2)}
    lower = {"a": np.full(n, -np.inf), "b": np.ones(2)}
    upper = {"a": np.full(n, np.inf), "b": np.ones(2)}
    lower["a"][0] = upper["a"][0] = x["a"][0]

    def loss(x: Any) -> float:
        return float(np.sum(np.sin(x["a"])) + np.sum(x["b"] ** 2))

    claim = {"a": np.cos(x["a"]), "b": np.zeros(2)}
    report = check_gradient(loss, claim, x, bounds=(lower, upper), rng=0)
    assert report.outcome is PASS, str(report)
    assert f"all {n - 1} free entries agree" in report.reason
    assert [array.checked for array in report.arrays] == [n - 1, 0]
    assert len(skipped(report)) == 1
    claim["a"][1] *= 1.01
    assert check_gradient(loss, claim, x, bounds=(lower, upper), rng=0).outcome is FAIL


def test_one_entry_that_is_free_is_not_called_by_the_name_of_another():
    """Directions that move one of six coordinates."""
    x = np.linspace(0.2, 1.0, 6)
    bounds = [(t, t) for t in x[:-1]] + [(None, None)]
    report = check_gradient(lambda x: float(np.sum(np.sin(x))), np.cos(x), x, bounds=bounds, rng=0)
    assert report.outcome is PASS
    assert "x[0]" not in report.reason


# Arrays that are claimed to do nothing, and have no room.


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("room", [0.0, 0.01])
@pytest.mark.parametrize("part", [0.0, 1.0])
def test_f_is_never_called_outside_where_an_array_has_no_room(size: int, room: float, part: float):
    """Whether it does nothing, or is only not moved: it is not moved beyond its bounds by itself either."""
    x = {"a": np.linspace(0.5, 1.5, 6), "b": np.linspace(0.5, 1.5, size)}
    lower = {"a": np.full(6, -9.0), "b": x["b"] - room}
    upper = {"a": np.full(6, 9.0), "b": x["b"] + room}
    watching, outside = watched(
        lambda x: np.append(np.sin(x["a"]), part * np.sum(np.sin(x["b"]))), lower, upper
    )
    claim = {
        "a": np.vstack([np.diag(np.cos(x["a"])), np.zeros(6)]),
        "b": np.vstack([np.zeros((6, size)), part * np.cos(x["b"])]),
    }
    report = check_jacobian(watching, claim, x, bounds=(lower, upper), rng=0)
    assert outside == []
    assert report.outcome is PASS, str(report)
    summed, outside = watched(lambda x: np.sum(np.sin(x["a"])) + part * np.sum(np.sin(x["b"])), lower, upper)
    gradient = {"a": np.cos(x["a"]), "b": part * np.cos(x["b"])}
    assert check_gradient(summed, gradient, x, bounds=(lower, upper), rng=0).outcome is PASS
    assert outside == []
