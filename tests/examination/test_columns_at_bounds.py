"""Jacobians at points where bounds hold some x: on one side, on both, or all of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, sparse

from gradcheck import Outcome, Report, check_gradient, check_jacobian, check_problem, check_vjp

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


# Columns that bounds let go to one side alone: directions inwards.


def at_bounds(n: int, held: int, seed: int) -> tuple[Any, Any, Any]:
    """A point with so many coordinates on 0, its bounds, and the numbers of these."""
    rng = np.random.default_rng(seed)
    x, at = rng.uniform(0.2, 1.0, n), rng.choice(n - 1, held, replace=False) + 1
    x[at] = 0.0
    return x, [(0, None)] * n, at


@pytest.mark.parametrize("n", [10, 40, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", range(4))
def test_what_a_pattern_lacks_in_a_column_at_its_bound_is_seen(n: int, seed: int):
    """The entry beside the diagonal is x_i, and the directions that test its zeros do not move the column."""
    x, bounds, at = at_bounds(n, n // 3, seed)
    claim = jac(x)
    assert check_jacobian(f, sparse.csr_array(claim), x, bounds=bounds, rng=seed).outcome is PASS
    j = next(int(j) for j in at if x[j - 1] != 0)
    claim[j - 1, j] = 0.0
    lacking = sparse.csr_array(claim)
    lacking.eliminate_zeros()
    report = check_jacobian(f, lacking, x, bounds=bounds, rng=seed)
    assert report.outcome is FAIL, str(report)
    assert [m.name for m in report.wrong] == [f"J[{j - 1}, {j}]"]
    # Whatever is stored, where the pattern is declared.
    report = check_jacobian(f, claim, x, sparsity=claim != 0, bounds=bounds, rng=seed)
    assert report.outcome is FAIL


@pytest.mark.parametrize(
    ("n", "held"),
    [
        (20, 1),
        (100, 30),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((150, 149), (400, 1), (400, 120))),
    ],
)
@pytest.mark.parametrize("form", ["dense", "sparse", "product", "vjp"])
def test_columns_at_their_bounds_are_moved_together(n: int, held: int, form: str):
    """As many evaluations, however many there are, and a mistake in one of them is named."""
    x, bounds, at = at_bounds(n, held, 0)
    j = int(at[0])

    def checked(claim: Any) -> Report:
        if form == "vjp":
            return check_vjp(f, lambda x, u: claim.T @ u, x, bounds=bounds, rng=0)
        made = {"dense": np.array, "sparse": sparse.csr_array, "product": sparse.linalg.aslinearoperator}[
            form
        ]
        return check_jacobian(f, made(claim), x, bounds=bounds, rng=0)

    report = checked(jac(x))
    assert report.outcome is PASS, str(report)
    assert report.nfev <= 120
    claim = jac(x)
    claim[j, j] *= 1.01
    report = checked(claim)
    assert report.outcome is FAIL, str(report)
    if form != "vjp":
        assert [m.name for m in report.wrong] == [f"J[{j}, {j}]"]


def test_several_mistakes_in_columns_at_their_bounds_are_found_by_halves():
    """Of 120 columns five are wrong, and no other is accused."""
    x, bounds, at = at_bounds(300, 120, 1)
    claim = jac(x)
    claim[at[:5], at[:5]] += 0.1
    report = check_jacobian(f, claim, x, bounds=bounds, rng=0)
    assert {m.name for m in report.wrong} == {f"J[{j}, {j}]" for j in at[:5]}
    assert report.nfev < 1000


def test_errors_within_the_tolerance_pass_at_bounds_as_elsewhere():
    """Every entry is off by a tenth of rtol, which is accepted; by fifty times rtol, which is not."""
    x, bounds, _ = at_bounds(150, 50, 2)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (150, 150))
    for off, outcome in ((1e-7, PASS), (5e-5, FAIL)):
        claim = sparse.csr_array(jac(x) * (1.0 + off * signs))
        assert check_jacobian(f, claim, x, bounds=bounds, rng=0).outcome is outcome


@pytest.mark.slow
def test_an_output_that_nothing_moves_has_no_slope_at_a_bound():
    """Its x are fixed; six points on one side of another, a millionth away, leave no rounding of its value."""
    x = np.linspace(1.0, 2.0, 130)
    bounds = [(t, t) for t in x[:2]] + [(t, t + 1e-6) for t in x[2:]]
    claim = np.diag(2.0 * x + np.append(x[1:], 0.0)) + np.diag(x[:-1], 1)
    report = check_jacobian(lambda x: x * (x + np.append(x[1:], 0.0)), claim, x, bounds=bounds, rng=0)
    assert report.outcome is not FAIL, str(report)
    claim[0, 5] = 0.1
    report = check_jacobian(
        lambda x: x * (x + np.append(x[1:], 0.0)), sparse.csr_array(claim), x, bounds=bounds, rng=0
    )
    assert report.outcome is FAIL


def test_more_columns_without_room_than_can_be_moved_are_said_to_be_open():
    """Each has a millionth of its scale to go; the reason is not that J is 0."""
    x = np.ones(150)
    report = check_jacobian(f, jac(x), x, bounds=[(1 - 1e-6, 1 + 1e-6)] * 150, rng=0)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "0 within" not in report.reason


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_f_is_never_called_outside_of_the_bounds_of_a_jacobian(seed: int):
    """Whatever room there is, on the sides where it is, in whatever form and right or wrong."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([6, 30, 130]))
    x = rng.normal(size=n)
    left, right = (rng.choice([0.0, 1e-6, 0.01, 0.3, np.inf], n) for _ in range(2))
    right_one = np.diag(2.0 * x + np.append(x[1:], 0.0)) + np.diag(x[:-1], 1)
    lower, upper = {"x": x - left}, {"x": x + right}
    bounds = (lower["x"], upper["x"])
    watching, outside = watched(lambda x: x["x"] * (x["x"] + np.append(x["x"][1:], 0.0)), lower, upper)
    for form in (np.array, sparse.csr_array, sparse.linalg.aslinearoperator):
        claim = right_one.copy()
        report = check_jacobian(lambda x: watching({"x": x}), form(claim), x, bounds=bounds, rng=seed)
        assert report.outcome is not FAIL, str(report)
        j = int(np.argmax(left + right))
        claim[j, j] += 1.0
        report = check_jacobian(lambda x: watching({"x": x}), form(claim), x, bounds=bounds, rng=seed)
        assert report.outcome is not PASS, str(report)
    assert outside == []


# Directions in noise, whose steps are long.


@pytest.mark.slow
@pytest.mark.parametrize("digits", [4, 6, 9])
@pytest.mark.parametrize("n", [5, 60])
def test_steps_that_noise_asks_for_end_at_the_bounds(n: int, digits: int):
    """A tenth of x is room for directions, and less than what they take where f is rounded."""
    x = np.linspace(0.5, 1.5, n)
    lower, upper = {"x": 0.88 * x}, {"x": 1.12 * x}
    bounds = (lower["x"], upper["x"])

    def rounded(x: Any) -> Any:
        return np.round(f(x["x"]), digits)

    watching, outside = watched(rounded, lower, upper)
    summed, outside_too = watched(lambda x: float(np.sum(rounded(x))), lower, upper)
    right, wrong = jac(x), jac(x)
    wrong[1, 1] *= 3.0
    for claim, never in ((right, FAIL), (wrong, PASS)):
        for method in ("auto", "directions"):
            report = check_jacobian(
                lambda x: watching({"x": x}), claim, x, bounds=bounds, method=method, rng=0
            )
            assert report.outcome is not never, str(report)
            report = check_gradient(
                lambda x: summed({"x": x}), claim.sum(axis=0), x, bounds=bounds, method=method, rng=0
            )
            assert report.outcome is not never, str(report)
    assert outside == outside_too == []
