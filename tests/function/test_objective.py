"""f is called on arrays of its own, counted, within its budget; lines through x reach the points they say."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient, check_jacobian
from gradcheck.function.lines import Lines
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.parameters.tree import Parameters

X = {"W": np.array([1.0, 2.0]), "b": np.array([3.0], np.float32)}


def total(p: dict[str, np.ndarray]) -> float:
    """Sum of squares."""
    return float(np.sum(p["W"] ** 2) + np.sum(p["b"].astype(float) ** 2))


def objective_of(f: Any, x: Any = X, **options: Any) -> tuple[Objective, np.ndarray]:
    """f as a function of the flat vector of x."""
    parameters, flat = Parameters.of(x)
    return Objective(f, parameters, **options), flat


def test_f_gets_the_tree_and_its_value_is_a_number():
    """The structure, the dtypes and the arguments that its user gave."""
    seen = []

    def f(p: dict[str, np.ndarray], a: float, b: float) -> float:
        seen.append(p)
        return a * total(p) + b

    objective, flat = objective_of(f, args=(2.0, 1.0))
    assert objective.value(flat) == 2 * 14 + 1
    assert seen[0]["b"].dtype == np.float32
    assert list(seen[0]) == ["W", "b"]


def test_every_call_has_arrays_of_its_own():
    """An f that writes into its argument changes neither the flat vector nor the next call."""

    def writing(p: dict[str, np.ndarray]) -> float:
        value = total(p)
        p["W"] += 100.0
        return value

    objective, flat = objective_of(writing)
    before = flat.copy()
    assert objective.value(flat) == objective.value(flat) == 14.0
    np.testing.assert_array_equal(flat, before)


def test_every_call_is_counted_also_those_that_raise():
    """nfev, and the callback of a progress bar."""
    steps: list[int] = []

    def raising(p: Any) -> float:
        raise ValueError("no")

    objective, flat = objective_of(raising, on_evaluation=steps.append)
    with pytest.raises(ValueError, match="no"):
        objective.value(flat)
    assert math.isnan(objective.probe(flat.copy()))
    assert objective.nfev == sum(steps) == 2


def test_the_budget_is_spent_before_the_next_call():
    """The third call of two does not reach f."""
    calls = []
    objective, flat = objective_of(lambda p: calls.append(1) or 1.0, max_nfev=2)
    assert objective.remaining == 2
    objective.value(flat)
    objective.probe(flat.copy())
    assert objective.remaining == 0
    for call in (objective.value, objective.probe):
        with pytest.raises(BudgetSpentError):
            call(flat.copy())
    assert len(calls) == objective.nfev == 2


def test_without_a_budget_there_is_always_more():
    """None is no limit."""
    assert objective_of(total)[0].remaining > 10**12


def test_a_probe_that_raises_is_off_the_domain_and_remembered():
    """nan, with the exception in words."""

    def raising(p: Any) -> float:
        raise ZeroDivisionError("float division by zero")

    objective, flat = objective_of(raising)
    assert math.isnan(objective.probe(flat.copy()))
    assert objective.left_domain == "ZeroDivisionError: float division by zero"


def test_a_probe_never_swallows_an_interrupt():
    """KeyboardInterrupt is no exception of f."""

    def interrupted(p: Any) -> float:
        raise KeyboardInterrupt

    objective, flat = objective_of(interrupted)
    with pytest.raises(KeyboardInterrupt):
        objective.probe(flat.copy())


@pytest.mark.parametrize(
    "result", [3, 3.0, np.float32(3), np.array(3.0), np.array([[3.0]]), True + 2, np.int64(3)]
)
def test_one_real_number_is_taken_in_any_form(result):
    """Python and NumPy scalars, arrays of one entry."""
    objective, flat = objective_of(lambda p: result)
    assert objective.value(flat) == 3.0
    assert np.ndim(objective.value(flat)) == 0


@pytest.mark.parametrize(
    "result", [None, "3", 1j, np.ones(2), [], (1.0, np.ones(3)), {}, [[1.0], [1.0, 2.0]]], ids=repr
)
def test_anything_else_is_described(result):
    """A TypeError, in value and in probe alike: it is no matter of the domain."""
    objective, flat = objective_of(lambda p: result)
    with pytest.raises(NotScalarError, match="f must return one real number; it returned"):
        objective.value(flat)
    with pytest.raises(TypeError):
        objective.probe(flat.copy())


def test_longdouble_values_keep_their_digits():
    """f in extended precision is not rounded to float64."""
    third = np.longdouble(1) / 3
    objective, flat = objective_of(lambda x: x[0], np.array([third]))
    assert objective.value(flat) == third


def test_a_pair_is_taken_apart_where_f_gives_its_gradient():
    """The value counts; the gradient is handed on."""
    objective, _ = objective_of(lambda p: (total(p), "gradient"), has_gradient=True)
    assert objective.at(X) == (14.0, "gradient")


def test_complex_parameters_reach_f_as_such():
    """A flat vector of complex numbers, for the complex step."""
    parameters, flat = Parameters.of(np.array([1.0, 2.0]))
    objective = Objective(lambda x: np.sum(x**2), parameters)
    assert objective.complex_values((flat + 1j * np.array([1.0, 0.0]))[:, None]) == [(1 + 1j) ** 2 + 4]


def test_complex_points_reach_a_vectorised_f_together():
    """Two columns, one call; and f's number of values is not made to fit."""
    parameters, flat = Parameters.of(np.array([1.0, 2.0]))
    objective = Objective(lambda x: np.sum(x**2, axis=0), parameters, vectorized=True)
    points = np.stack([flat + 1j * np.array([1.0, 0.0]), flat + 1j * np.array([0.0, 1.0])], axis=1)
    assert objective.complex_values(points).tolist() == [(1 + 1j) ** 2 + 4, 1 + (2 + 1j) ** 2]
    assert objective.nfev == 2
    assert Objective(lambda x: x, parameters).complex_values(points[:, :1]).shape == (2,)


# Lines.


def test_an_axis_moves_one_coordinate():
    """The others stay as they are, to the last bit."""
    parameters, flat = Parameters.of(np.array([1.0, 2.0, 3.0]))
    axes = Lines.axes(parameters, flat, np.array([2, 0]))
    assert len(axes) == 2
    assert axes.point(0, 0.5).tolist() == [1.0, 2.0, 3.5]
    assert axes.point(1, -1.0).tolist() == [0.0, 2.0, 3.0]
    assert flat.tolist() == [1.0, 2.0, 3.0]


def test_a_ray_moves_all_coordinates():
    """Along its tangent."""
    _, flat = Parameters.of(np.array([1.0, 2.0]))
    rays = Lines.rays(flat, [np.array([1.0, -2.0])])
    assert rays.point(0, 0.5).tolist() == [1.5, 1.0]
    assert flat.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e8])
def test_reached_offsets_are_what_the_point_really_moved(size):
    """(x + t) - x, exactly: the point that f gets lies at x + reached."""
    x = np.array([1.0, 1e8, -3.7])
    parameters, flat = Parameters.of(x)
    axes = Lines.axes(parameters, flat, np.arange(3))
    reached = axes.reached(np.arange(3), np.full((3, 1), size))
    for row in range(3):
        moved = axes.point(row, reached[row, 0])
        assert moved[row] - x[row] == reached[row, 0]
        assert moved[row] == x[row] + size


def test_reached_offsets_lie_on_the_grid_of_each_array():
    """A float32 entry moves by whole spacings of float32, a float64 entry beside it does not."""
    parameters, flat = Parameters.of({"a": np.ones(1, np.float32), "b": np.ones(1)})
    axes = Lines.axes(parameters, flat, np.arange(2))
    reached = axes.reached(np.arange(2), np.full((2, 1), 1e-5))
    spacing = float(np.finfo(np.float32).eps)
    assert reached[0, 0] % spacing == 0.0
    assert reached[1, 0] % spacing != 0.0
    for row, name in enumerate("ab"):
        given = parameters.unflatten(axes.point(row, reached[row, 0]))[name]
        # What f gets is exactly where the arithmetic believes it to be.
        assert float(given[0]) == 1.0 + reached[row, 0]


def test_along_evaluates_every_offset_of_every_row():
    """An (m, k) table, in the order asked."""
    parameters, flat = Parameters.of(np.array([1.0, 10.0]))
    objective = Objective(lambda x: float(x[0] + 100 * x[1]), parameters)
    axes = Lines.axes(parameters, flat, np.arange(2))
    table = objective.along(axes, np.array([1, 0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert table.tolist() == [[1101.0, 1201.0], [1004.0, 1005.0]]
    assert objective.nfev == 4


@pytest.mark.parametrize("way", ["in turn", "stacked", "in workers"])
def test_an_interruption_keeps_the_values_that_were_made_where_that_is_asked_for(monkeypatch, way):
    """Those of the first line; then f is not called any more. Elsewhere it is raised."""
    monkeypatch.setattr("gradcheck.function.objective.STACKED", 6)  # one line of two points
    calls: list[int] = []

    def interrupting(x: Any) -> Any:
        calls.append(1)
        if len(calls) == (2 if way == "stacked" else 3):
            raise KeyboardInterrupt
        return np.sum(x**2, axis=0)

    class Interrupted:
        def run(self, *_: Any) -> Any:
            raise KeyboardInterrupt

    options = {"stacked": {"vectorized": True}, "in workers": {"n_jobs": 2}}.get(way, {})
    x = np.array([1.0, 2.0, 3.0])
    lines, rows, offsets = (
        Lines.axes(Parameters.of(x)[0], x, np.arange(3)),
        np.arange(3),
        np.full((3, 2), 1.0),
    )
    for asked in (True, False):
        calls.clear()
        objective, _ = objective_of(interrupting, x, **options)
        vars(objective)["_workers"] = Interrupted()
        if not asked:
            with pytest.raises(KeyboardInterrupt):
                objective.along(lines, rows, offsets)
            assert not objective.interrupted
            continue
        with objective.keeping_values():
            values = objective.along(lines, rows, offsets)
        assert objective.interrupted
        assert objective.remaining == 0
        known = 0 if way == "in workers" else 1
        assert np.isfinite(values).all(axis=1).tolist() == [True] * known + [False] * (3 - known)
        assert values[:known].tolist() == [[17.0, 17.0]][:known]  # 2^2 + 2^2 + 3^2
        made = len(calls)
        assert math.isnan(objective.probe(x.copy()))
        assert len(calls) == made


@pytest.mark.parametrize("number", [Fraction, Decimal])
def test_fractions_and_decimals_are_real_numbers(number):
    """f, its derivative or both may hold them; what is none is still refused."""
    x = np.array([0.25, 1.5, -0.75])

    def f(x):
        return sum((number(float(v)) ** 2 for v in x), number(0))

    for c, outcome in ((2, "PASS"), (3, "FAIL")):
        grad = [c * number(float(v)) for v in x]
        assert check_gradient(f, c * x, x).outcome == outcome
        assert check_gradient(lambda x: float(x @ x), grad, x).outcome == outcome
        squares = check_jacobian(lambda x: [number(float(v)) ** 2 for v in x], c * np.diag(x), x)
        assert squares.outcome == outcome
    assert "it returned '1'" in check_gradient(lambda x: "1", 2 * x, x).reason
    assert "it returned None" in check_gradient(lambda x: None, 2 * x, x).reason
