"""Random directions for all rows of a Jacobian, and the search among its columns: each step of it by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck.arraywise import rows as rows_module
from gradcheck.arraywise.row_residuals import RowResiduals
from gradcheck.arraywise.rows import Rowwise
from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import column_scale, random_units
from gradcheck.parameters.matrix_names import jacobian_names
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Certificate, Residual
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

EPS = 2.0**-52
NONE = Limit.NONE


def rowwise(
    matrix: Any, *, f: Any = None, x: Any = None, confidence: float = 0.5, rng: Any = None, **options: Any
) -> Rowwise:
    """Of a matrix, or the array of a dense one; f is linear, x are ones and there is no noise, but for some parts."""
    matrix = Dense(np.array(matrix, float)) if isinstance(matrix, list | np.ndarray) else matrix
    m, n = matrix.shape
    parameters, flat = Parameters.of(np.ones(n) if x is None else np.array(x, float))
    objective = VectorObjective(matrix.product if f is None else f, parameters)
    parts: dict[str, Any] = {
        "f_x": objective.at(flat)[0], "level": np.zeros(m), "relative_step": np.full(m, 1e-3),
        "scales": np.ones(n), "tolerance": Tolerance(1e-6, resolution=0.125), "gradient_eps": EPS,
        "names": jacobian_names((m,), parameters),
    }  # fmt: skip
    setting = Setting(objective, flat, **(parts | options))
    return Rowwise(setting, matrix, confidence, np.random.default_rng(0) if rng is None else rng)


def residuals(
    value: Any, error: Any = 0.0, weight: Any = 0.0, step: float = 0.25, limit: Any = NONE
) -> RowResiduals:
    """Those of some rows."""
    value = np.array(value, float)
    parts = (np.broadcast_to(np.asarray(part, float), value.shape).copy() for part in (error, weight))
    return RowResiduals(value, *parts, step, np.full(value.shape, limit, object))


def alike(found: Any, expected: Any) -> None:
    """That two residuals are the same."""
    for name in ("value", "error", "weight"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-13, atol=0, err_msg=name
        )
    assert found.step == expected.step
    assert found.limit.tolist() == expected.limit.tolist()


class Drawn:
    """A generator that draws what it is told to; what it is asked for is noted."""

    def __init__(self, *drawn: Any) -> None:
        self.drawn, self.asked = list(drawn), list[Any]()

    def choice(self, among: Any, size: int, **options: Any) -> Any:
        self.asked.append((np.asarray(among).tolist(), size, options))
        return np.array(self.drawn.pop(0))


def replaced(rows: Rowwise, **methods: Any) -> Rowwise:
    """With other methods in the place of its own."""
    vars(rows).update(methods)
    return rows


# What is known beforehand.


def test_it_is_named_by_its_matrix():
    """As the names of its entries are."""
    names = jacobian_names((2,), Parameters.of(np.ones(2))[0], "H")
    rows = rowwise(np.ones((2, 2)), names=names)
    assert rows.block is names.blocks[0]
    found = rows._certificate([residuals([1.0, 1.0])], np.ones(2))
    assert found is not None
    assert found.name == "each row of H"


def test_each_column_has_its_own_scale_and_rounds_by_itself():
    """Points of (1, -2) round by eps each: 3 and 2 * 4 in the first row, 0 and 10 in the second."""
    rows = rowwise([[3.0, 4.0], [0.0, 5.0]], x=[1.0, -2.0])
    np.testing.assert_allclose(rows.rounding, EPS * np.array([math.hypot(3.0, 8.0), 10.0]), rtol=1e-14)
    assert rows.scale.tolist() == column_scale(rows.setting, rows.matrix).tolist()
    assert rows.confidence == 0.5
    assert (rows.judged, rows.open, rows.wrong_rows, rows.wrong_columns, rows.unexplained) == (
        [],
        [],
        *[set()] * 3,
    )


def test_a_direction_moves_what_has_room():
    """At least a tenth of its scale to both sides; each by its scale times a random unit."""
    room = np.array([0.1, 0.2, 1.0, 1.0]), np.array([1.0, 1.0, 0.3, 0.2])
    scales = np.array([1.0, 2.0, 4.0, 2.0])
    rows = rowwise([[1.0, 2.0, 4.0, 8.0]], scales=scales, room=room)
    assert rows.movable.tolist() == [True, True, False, True]
    units = random_units(np.random.default_rng(0), 4)
    assert rows.tangent().tolist() == (rows.scale * units * [1.0, 1.0, 0.0, 1.0]).tolist()
    everywhere = rowwise([[1.0, 2.0]]).movable
    assert (everywhere.tolist(), everywhere.dtype) == ([True, True], np.dtype(bool))


# What a direction says.


def test_the_weight_of_a_row_is_the_root_of_the_sum_of_squares():
    """(3, 4) along (1, -2): 3 and 8. Of products alone 7, 1 and -7 with two draws of signs: their root mean square."""
    assert rowwise([[3.0, 4.0]])._weight(np.array([1.0, -2.0]), np.array([-5.0])).tolist() == [
        math.hypot(3.0, 8.0)
    ]
    rng = Drawn([-1.0, 1.0], [-1.0, -1.0])
    rows = rowwise(Product((1, 2), lambda v: np.array([3.0 * v[0] + 4.0 * v[1]])), rng=rng)
    found = rows._weight(np.ones(2), np.array([7.0]))
    assert found == pytest.approx(math.sqrt((49.0 + 1.0 + 49.0) / 3.0))
    assert rng.asked == [([-1.0, 1.0], 2, {})] * 2


@pytest.mark.parametrize(
    ("tangent", "f_x", "weight", "step"),
    [
        # x of 2 and 6 along 4 and 3 has the lengths 1/2 and 2: 5/4. f of 3 and 1 changes by itself over 3/4 and 1/2.
        ([4.0, -3.0, 0.0], [-3.0, 1.0], [4.0, 2.0], (0.01 * 0.75 + 0.03 * 0.5) / 2.0),
        ([4.0, -3.0, 0.0], [-0.3, 1.0], [0.4, 2.0], (0.01 * 0.75 + 0.03 * 0.5) / 2.0),
        ([4.0, -3.0, 0.0], [100.0, 1.0], [4.0, 2.0], (0.01 * 1.25 + 0.03 * 0.5) / 2.0),
        # One output is 0, or does not change.
        ([4.0, -3.0, 0.0], [0.0, 1.0], [4.0, 2.0], 0.03 * 0.5),
        ([4.0, -3.0, 0.0], [3.0, 1.0], [0.0, 2.0], 0.03 * 0.5),
        ([4.0, -3.0, 0.0], [3.0, 0.5], [0.0, 2.0], 0.03 * 0.25),
        ([4.0, -3.0, 0.0], [3.0, 0.0], [0.0, 2.0], 0.02 * 1.25),
        # Nothing moves.
        ([0.0, 0.0, 0.0], [3.0, 1.0], [4.0, 2.0], 0.02),
    ],
)
def test_the_first_step_is_a_part_of_the_length_over_which_outputs_change(
    tangent: Any, f_x: Any, weight: Any, step: float
):
    """Relative steps of 0.01 and 0.03: the median of those of outputs whose length is known."""
    rows = rowwise(
        np.ones((2, 3)),
        f_x=np.array(f_x),
        scales=np.array([2.0, 6.0, 5.0]),
        relative_step=np.array([0.01, 0.03]),
    )
    assert rows._first_step(np.array(tangent), np.array(weight)) == pytest.approx(step, rel=1e-14)


def test_entries_that_are_known_to_be_wrong_are_taken_out():
    """2 and -1 in the first row, 4 in the last, along (3, -2, 4); each within its bar."""
    rows = rowwise(np.ones((3, 3)))
    rows._known = {(0, 1): (2.0, 0.5), (0, 2): (-1.0, 0.25), (2, 1): (4.0, 1.0)}
    excess, bar = rows._known_wrong(np.array([3.0, -2.0, 4.0]))
    assert (excess.tolist(), bar.tolist()) == ([-8.0, 0.0, -8.0], [2.0, 0.0, 2.0])


def test_residuals_are_the_matrix_less_what_was_measured(monkeypatch: pytest.MonkeyPatch):
    """Two tangents of two rows: what is asked for, and what is made of the answer."""
    asked: list[Any] = []
    found = SimpleNamespace(
        value=np.array([1.0, 2.0, 3.0, 4.0]), error=np.array([0.5, 0.25, 0.125, 1.0]),
        step=np.array([0.5, 0.25, np.nan, 0.0]), limit=np.array([NONE, Limit.NOISE, Limit.KINK, NONE]),
    )  # fmt: skip

    def measured(*given: Any) -> Any:
        asked.append(given)
        return found

    monkeypatch.setattr(rows_module, "measure_tangents", measured)
    rows = replaced(
        rowwise([[3.0, 4.0, 0.0], [0.0, 5.0, 0.0]]), rounding=np.array([1.0, 2.0]), _first_step=lambda *_: 7.0
    )
    rows._known = {(0, 1): (2.0, 0.5)}
    tangents = [np.array([1.0, 2.0, 7.0]), np.array([2.0, -1.0, 7.0])]
    first, second = rows.residuals(tangents)
    weight = np.array([[math.hypot(3.0, 8.0), 10.0], [math.hypot(6.0, 4.0), 5.0]])
    given = np.array([[11.0 - 4.0, 10.0], [2.0 + 2.0, -5.0]])
    bar = np.array([[1.0, 0.0], [0.5, 0.0]])
    ((setting, along, step, *arrays),) = asked
    assert (setting, along, step) == (rows.setting, tangents, 7.0)
    for array, expected in zip(arrays, (given, weight, 3.0 * bar + 64.0 * EPS * weight), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-15)
    # The step that was used is the median of the two; points round by 1 and 2 over each.
    alike(
        first,
        RowResiduals(
            np.array([6.0, 8.0]), np.array([0.5 + 1.0 + 2.0, 0.25 + 8.0]), weight[0], 0.375, found.limit[:2]
        ),
    )
    # A step of 0 is the complex one; one that is unknown is none that was used.
    error = np.array([0.125 + 0.5, 1.0])
    alike(second, RowResiduals(np.array([1.0, -9.0]), error, weight[1], 0.0, found.limit[2:]))
    found.step = np.array([np.nan] * 3 + [0.25])
    asked.clear()
    assert [r.step for r in rows.residuals(tangents, 0.125)] == [0.125, 0.25]
    assert asked[0][2] == 0.125


def test_the_first_step_is_that_of_the_first_tangent():
    """With its own weight; each is weighed with what is expected along it."""
    asked: list[Any] = []

    def noted(*given: Any) -> float:
        asked.extend(part.tolist() for part in given)
        return 0.5

    weighed: list[Any] = []

    def weight(tangent: Any, expected: Any) -> Any:
        weighed.append((tangent.tolist(), expected.tolist()))
        return 2.0 * expected

    rows = replaced(rowwise([[3.0, 4.0]]), _first_step=noted, _weight=weight)
    rows.residuals([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    assert asked == [[1.0, 0.0], [6.0]]
    assert weighed == [([1.0, 0.0], [3.0]), ([0.0, 1.0], [4.0])]
    assert rows.quick(np.array([1.0, 1.0]), 0.5).weight.tolist() == [14.0]


def test_a_residual_of_a_linear_map_is_what_its_matrix_is_off_by():
    """By 0.5 in the first column of the second row; and none after that is known."""
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    rows = rowwise(a + np.array([[0.0, 0.0], [0.5, 0.0]]), f=lambda x: a @ x)
    (found,) = rows.residuals([np.array([2.0, 1.0])])
    np.testing.assert_allclose(found.value, [0.0, 1.0], atol=1e-9)
    assert found.exceeds(EPS).tolist() == [False, True]
    rows._known = {(1, 0): (0.5, 1e-9)}
    (found,) = rows.residuals([np.array([2.0, 1.0])])
    assert found.exceeds(EPS).tolist() == [False, False]


def bent(x: Any) -> Any:
    """2 t + t^3 + t^4 and t beside it."""
    return np.array([2.0 * x[0] + x[0] ** 3 + x[0] ** 4, x[0] + x[1]])


def test_four_points_are_exact_up_to_the_fourth_degree_and_say_what_they_miss():
    """Along (1, 0) at 0: D(h) = 2 + h^2 and D(h/2) are 3/4 h^2 apart, a third of it is in the bar; h is 1/4."""
    rows = rowwise([[2.25, 1.0], [3.0, 1.0]], f=bent, x=[0.0, 0.0], level=np.array([1e-5, 1e-3]))
    rows.rounding = np.array([0.5, 0.25])
    rows._known = {(1, 0): (0.5, 0.125)}
    before = rows.setting.objective.nfev
    found = rows.quick(np.array([1.0, 0.0]), 0.25)
    assert rows.setting.objective.nfev == before + 4
    error = [0.25 / 16 + 3e-5 / 0.25 + 0.5 / 0.25, 3e-3 / 0.25 + 0.125 + 0.25 / 0.25]
    alike(found, residuals([0.25, 1.5], error, [2.25, 3.0]))


def test_four_points_that_are_no_numbers_say_nothing():
    """Values of an infinite size, or whose difference is: an infinite bar, which is never exceeded."""
    for f in (
        lambda x: np.array([np.log(x[0]), x[0]]),
        lambda x: np.array([np.sign(x[0] - 1.0) * 1.5e308, x[0]]),
    ):
        rows = rowwise([[9.0], [1.0]], f=f, f_x=np.ones(2))
        found = rows.quick(np.array([2.0]), 1.0)
        assert (math.isnan(found.value[0]), found.error[0], found.value[1]) == (True, np.inf, 0.0)
        assert found.exceeds(EPS).tolist() == [False, False]
        assert found.limit.tolist() == [NONE, NONE]


# The search.


def test_rows_that_are_named_are_not_looked_at_again():
    """Of four rows beyond their bars one is wrong throughout, and one was left unexplained."""
    rows = rowwise(np.ones((5, 2)))
    now = residuals([1.0, -1.0, 1.0, 1.0, 0.0], 0.25)
    assert rows._unexplained(now).tolist() == [0, 1, 2, 3]
    rows.wrong_rows, rows.unexplained = {1}, {3}
    assert rows._unexplained(now).tolist() == [0, 2]
    rows.wrong_rows = set()
    assert rows._unexplained(now).tolist() == [0, 1, 2]
    # Rounding of the matrix is allowed for: 64 eps of its weight.
    assert rows._unexplained(residuals([65.0 * EPS, 63.0 * EPS, 0.0, 0.0, 0.0], 0.0, 1.0)).tolist() == [0]


@pytest.mark.parametrize("found", ["wrong_rows", "wrong_columns", "_known", "open", None])
def test_a_search_tells_whether_it_explained_anything(found: str | None):
    """A row, a column, an entry, or a range that stays open."""
    asked: list[Any] = []
    rows = rowwise(np.ones((5, 3)))

    def throughout(exceeding: Any) -> Any:
        asked.append(("throughout", exceeding.tolist()))
        if found == "wrong_rows":
            rows.wrong_rows.add(4)
        return exceeding[exceeding != 4]

    def columns(*given: Any) -> Any:
        asked.append(given[:2])
        if found == "open":
            rows.open.append((0, 2))
        return {1: given[2], 2: given[2][:1]}

    def judge_column(j: int, its: Any) -> None:
        asked.append((j, its.tolist()))
        if found == "wrong_columns":
            rows.wrong_columns.add(j)
        if found == "_known":
            rows._known[0, j] = 1.0, 0.0

    replaced(rows, _wrong_throughout=throughout, _columns=columns, _judge_column=judge_column)
    tangent, whole = np.ones(3), residuals(np.ones(5))
    assert rows._search(tangent, whole, np.array([0, 2, 4])) is (found is not None)
    assert asked == [("throughout", [0, 2, 4]), (tangent, whole), (1, [0, 2]), (2, [0])]
    asked.clear()
    rows.wrong_rows.clear()
    assert rows._search(tangent, whole, np.array([4])) is (found == "wrong_rows")
    assert asked == [("throughout", [4])]


def sampled(
    wrong: Any, *, m: int = 8, n: int = 6, movable: Any = None, drawn: Any = (5, 0, 3, 1)
) -> tuple[Rowwise, Any, Any]:
    """Rows of which some (row, column) are judged to be wrong; what is judged; what is drawn."""
    asked: list[Any] = []

    def judge(rows: Any, columns: Any) -> Any:
        asked.append(list(zip(rows.tolist(), columns.tolist(), strict=True)))
        return SimpleNamespace(wrong=np.array([i * n + j for i, j in asked[-1] if (i, j) in wrong], np.intp))

    rng = Drawn(drawn)
    rows = replaced(rowwise(np.ones((m, n)), rng=rng), judge=judge)
    if movable is not None:
        rows.movable = np.array(movable)
    return rows, asked, rng


def test_rows_in_which_three_of_four_samples_are_wrong_are_named_as_a_whole():
    """Rows 1 and 7; row 4 with two is searched. Columns that are not moved are not sampled."""
    wrong = {(1, 0), (1, 1), (1, 5), (4, 0), (4, 3), (7, 0), (7, 1), (7, 3), (7, 5)}
    rows, asked, rng = sampled(wrong, movable=[True, True, False, True, True, True])
    assert rows._wrong_throughout(np.array([1, 4, 7])).tolist() == [4]
    assert rows.wrong_rows == {1, 7}
    assert rng.asked == [([0, 1, 3, 4, 5], 4, {"replace": False})]
    assert asked == [[(i, j) for j in (0, 1, 3, 5) for i in (1, 4, 7)]]


def test_of_two_columns_both_must_be_wrong():
    """Where fewer than three are moved."""
    rows, _, rng = sampled(
        {(1, 0), (1, 3), (4, 0)}, movable=[True, False, False, True, False, False], drawn=(0, 3)
    )
    assert rows._wrong_throughout(np.array([1, 4])).tolist() == [4]
    assert (rows.wrong_rows, rng.asked) == ({1}, [([0, 3], 2, {"replace": False})])


def test_rows_that_are_right_in_most_places_are_searched():
    """All of them, as they are."""
    rows, _, _ = sampled({(1, 0), (4, 0), (4, 1)})
    exceeding = np.array([1, 4, 7])
    assert rows._wrong_throughout(exceeding) is exceeding
    assert rows.wrong_rows == set()


def test_of_many_loud_rows_two_hundred_stand_for_the_rest():
    """All are wrong throughout where these are; where one of them is not, the others stay to be searched."""
    every = {(i, j) for i in range(200) for j in range(6)}
    exceeding = np.arange(202)
    rows, (asked), _ = sampled(every, m=202)
    assert rows._wrong_throughout(exceeding).tolist() == []
    assert rows.wrong_rows == set(range(202))
    assert len(asked[0]) == 800
    rows, _, _ = sampled(every - {(9, 0), (9, 1)}, m=202)
    assert rows._wrong_throughout(exceeding).tolist() == [9, 200, 201]
    assert rows.wrong_rows == set(range(200)) - {9}
    rows, asked, _ = sampled(every, m=202)
    assert rows._wrong_throughout(exceeding[2:200]).tolist() == []
    assert rows.wrong_rows == set(range(2, 200))


def test_a_sparse_matrix_is_not_sampled():
    """Its pattern is judged entry by entry."""
    rows = rowwise(Sparse(sparse.csc_array(np.eye(3)), sparse.csc_array(np.eye(3))))
    exceeding = np.array([1])
    assert rows._wrong_throughout(exceeding) is exceeding


def search_among(off: Any, bars: Any = 0.125) -> tuple[dict[int, list[int]], Rowwise, list[Any]]:
    """The columns in which rows exceed their bars, the largest bar of a part and four evaluations a cut; the cuts."""
    off = np.asarray(off, float)
    m, n = off.shape
    rows, along, bar = rowwise(np.ones((m, n))), np.ones(n), np.broadcast_to(bars, n)
    cuts: list[Any] = []

    def halves(tangent: Any, whole: RowResiduals, cut: Any) -> Any:
        assert tangent is along
        rows.setting.objective.nfev += 4
        start, middle, stop = cut
        np.testing.assert_array_equal(whole.value, off[:, start:stop].sum(axis=1))
        cuts.append(cut)
        parts = (start, middle), (middle, stop)
        return [((a, b), residuals(off[:, a:b].sum(axis=1), bar[a:b].max())) for a, b in parts]

    whole = residuals(off.sum(axis=1), 0.125)
    exceeding = np.flatnonzero(whole.exceeds(EPS))
    found = replaced(rows, _halves=halves)._columns(along, whole, exceeding)
    return {j: its.tolist() for j, its in found.items()}, rows, cuts


def test_columns_are_halved_where_rows_are_loud_in_them():
    """Rows 0 and 1 in column 2, row 2 in column 5 of eight; what is loudest first, and what is silent no more."""
    off = np.zeros((4, 8))
    off[0, 2], off[1, 2], off[2, 5], off[3, 7] = 1.0, -4.0, 2.0, 0.25
    found, rows, cuts = search_among(off)
    assert list(found.items()) == [(2, [0, 1]), (5, [2])]
    assert cuts == [(0, 4, 8), (0, 2, 4), (2, 3, 4), (4, 6, 8), (4, 5, 6)]
    assert rows.open == []


def test_of_what_is_equally_loud_the_larger_parts_come_first(monkeypatch: pytest.MonkeyPatch):
    """Columns 2 and 5 side by side; with three cuts the quarters stay open."""
    off = np.zeros((1, 8))
    off[0, [2, 5]] = 1.0
    found, rows, cuts = search_among(off)
    assert list(found) == [2, 5]
    assert cuts == [(0, 4, 8), (0, 2, 4), (4, 6, 8), (2, 3, 4), (4, 5, 6)]
    for budget, count in ((12, 3), (15, 3), (16, 4)):
        monkeypatch.setattr(rows_module, "LOCATION_BUDGET", budget)
        found, rows, cuts = search_among(off)
        assert len(cuts) == count
        assert (found, rows.open) == (({}, [(2, 4), (4, 6)]) if count == 3 else ({2: [0]}, [(4, 6)]))


def test_what_is_loudest_in_units_of_its_bar_comes_first():
    """2 within 1/8 before 4 within 1: 16 of the one and 4 of the other."""
    off = np.zeros((1, 8))
    off[0, 5], off[0, 2] = 2.0, 4.0
    found, _, _ = search_among(off, np.repeat([1.0, 0.125], 4))
    assert list(found) == [5, 2]


def test_a_row_is_looked_for_where_it_is_loud_alone():
    """Row 0 exceeds its bar in column 1, and row 1 in column 6, neither in the half of the other; 0 does not."""
    off = np.zeros((3, 8))
    off[0, 1], off[1, 6], off[2, 0], off[2, 1] = 1.0, 1.0, 1.0, -1.0
    found, _, _ = search_among(off)
    assert found == {1: [0], 6: [1]}


def test_thirty_two_columns_are_named_at_the_most():
    """Of 33; the half of the last stays open, which was cut before the others were down to one column."""
    off = np.zeros((1, 64))
    off[0, :33] = 1.0
    found, rows, _ = search_among(off)
    assert (list(found), rows.open) == (list(range(32)), [(32, 48)])


def test_halves_are_measured_and_what_they_leave():
    """Columns 2 and 3 to 4 of six: the first at the step of the whole, the second by subtraction."""
    asked: list[Any] = []
    first = residuals([1.0], 0.25, 3.0, 0.5)

    def quick(tangent: Any, step: float) -> RowResiduals:
        asked.append((tangent.tolist(), step))
        return first

    rows = replaced(rowwise(np.ones((1, 6))), quick=quick)
    whole = residuals([4.0], 0.5, 5.0, 0.5)
    one, other = rows._halves(np.arange(1.0, 7.0), whole, (2, 3, 5))
    assert asked == [([0.0, 0.0, 3.0, 0.0, 0.0, 0.0], 0.5)]
    assert one == ((2, 3), first)
    assert other[0] == (3, 5)
    alike(other[1], residuals([3.0], 0.75, 4.0 + 3.0, 0.5))


@pytest.mark.parametrize(
    ("m", "wrong", "named"), [(6, 4, False), (6, 5, True), (10, 5, False), (11, 6, True)]
)
def test_a_column_is_wrong_as_a_whole_where_most_rows_are(m: int, wrong: int, named: bool):
    """More than four, and more than half."""
    asked: list[Any] = []

    def judge(rows: Any, columns: Any) -> Any:
        asked.append((rows.tolist(), columns.tolist()))
        return SimpleNamespace(wrong=np.arange(wrong))

    rows = replaced(rowwise(np.ones((m, 3))), judge=judge)
    rows._judge_column(2, np.array([0, 3]))
    assert asked == [([0, 3], [2, 2])]
    assert rows.wrong_columns == ({2} if named else set())


def test_entries_are_judged_by_themselves_and_what_is_wrong_is_kept(monkeypatch: pytest.MonkeyPatch):
    """J[0, 1] and J[1, 2] are wrong, the second by what is no number; J[1, 0] is right."""
    asked: list[Any] = []
    evidence = SimpleNamespace(
        analytic=np.array([2.0, 4.0, np.nan]), judgement=SimpleNamespace(wrong=np.array([True, False, True])),
        estimate=SimpleNamespace(value=np.array([1.5, 4.5, 6.0]), error=np.array([0.25, 0.125, 0.5])),
    )  # fmt: skip

    def sweep(setting: Any, given: Any, entries: Any) -> Any:
        asked.append((setting, given.tolist(), entries.tolist()))
        return evidence

    monkeypatch.setattr(rows_module, "sweep", sweep)
    rows = rowwise([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert rows.judge(np.array([0, 1, 1]), np.array([1, 0, 2])) is evidence
    assert asked == [(rows.setting, [2.0, 4.0, 6.0], [1, 3, 5])]
    assert rows.judged == [evidence]
    assert rows._known == {(0, 1): (0.5, 0.25)}


# What is reported.


def test_rows_have_the_size_of_their_entries():
    """(0.3, 0.4) with scales of 1: 0.5 / sqrt(2); a row of zeros that of the others together."""
    rows = replaced(rowwise([[0.3, 0.4], [0.0, 0.0], [0.5, 1.2]]), scale=np.ones(2))
    sizes = np.array([0.5, 1.3]) / math.sqrt(2.0)
    none = residuals(np.zeros(3))
    expected = [sizes[0], math.sqrt((sizes**2).mean()), sizes[1]]
    np.testing.assert_allclose(rows._sizes(none, np.ones(2)), expected, rtol=1e-14)
    # Of zeros alone what f changes by.
    rows = rowwise(np.zeros((3, 2)), slope=np.array([2.0, 0.0, 0.5]))
    assert rows._sizes(none, np.ones(2)).tolist() == [2.0, 1.0, 0.5]
    # Of products their weight, over the root of the number of columns that were moved.
    rows = rowwise(Product((3, 6), lambda v: np.zeros(3)))
    along = np.array([1.0, 0.0, -2.0, 3.0, 0.0, 4.0])
    assert rows._sizes(residuals(np.zeros(3), 0.0, [6.0, 2.0, 8.0]), along).tolist() == [3.0, 1.0, 4.0]
    assert rows._sizes(residuals(np.zeros(3), 0.0, [6.0, 2.0, 8.0]), np.zeros(6)).tolist() == [6.0, 2.0, 8.0]


def test_rows_that_are_named_are_not_kept():
    """Wrong throughout."""
    rows = rowwise(np.ones((4, 2)))
    assert rows._kept().tolist() == [True] * 4
    rows.wrong_rows = {1, 3}
    assert rows._kept().tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("error", "wrong", "row"),
    [
        ([1.0, 2.0, 0.5], set(), 0),  # 6 / 2, 12 / 8 and 3 / 4
        ([1.0, 2.5, 0.5], {0}, 1),
        ([1.0, 9.0, 0.5], set(), 1),
        ([1.0, 2.0, np.nan], set(), 2),
        ([1.0, 2.0, 9.0], {2}, 0),
        ([0.01, 0.02, 9.0], {2}, 0),
        ([np.inf, np.nan, 0.5], set(), 0),
    ],
)
def test_the_row_that_says_least_stands_for_a_direction(error: Any, wrong: Any, row: int):
    """What it allows and three bars, in units of its size; not one that is named."""
    sizes, value, weight = np.array([2.0, 8.0, 4.0]), np.array([3.0, -2.0, 5.0]), np.array([16.0, 4.0, 2.0])
    rows = replaced(rowwise(np.ones((3, 2))), _sizes=lambda now, along: now.step * along.size * sizes)
    rows.wrong_rows = wrong
    limit = np.array([NONE, Limit.NOISE, Limit.KINK])
    now = RowResiduals(value, np.array(error), weight, 0.5, limit)
    size = float(sizes[row])
    parts = (float(part[row]) / size for part in (value, np.array(error), weight))
    expected = Residual(*parts, 64.0 * EPS * float(weight[row]) / size, 0.5, limit[row])
    # As text: nan is not equal to itself.
    assert repr(rows._summary(now, np.ones(2))) == repr(expected)


def test_what_the_matrix_rounds_by_may_be_the_most_that_hides():
    """Bars of 1 and 1.15 in rows of one size, so 6 and 6.9; but the rounding of the first may be 1."""
    rows = replaced(rowwise(np.ones((2, 2))), _sizes=lambda *_: np.ones(2))
    now = residuals([1.0, 2.0], [1.0, 1.15], [1.0 / (64.0 * EPS), 0.0])
    assert rows._summary(now, np.ones(2)).value == 1.0
    assert rows._summary(residuals([1.0, 2.0], [1.0, 1.15]), np.ones(2)).value == 2.0


def test_where_every_row_is_named_a_direction_says_nothing():
    """An infinite bar."""
    rows = rowwise(np.ones((2, 2)))
    rows.wrong_rows = {0, 1}
    found = rows._summary(residuals([1.0, 2.0], step=0.5), np.ones(2))
    assert found == Residual(0.0, math.inf, 1.0, 0.0, 0.5, NONE)


def test_a_certificate_is_of_the_rows_that_are_not_named():
    """One direction at delta = 0.5 / (2 rows, 4 rounds) = 1/16: sqrt(2) * 2 / (delta / 2) = 64 sqrt(2) of |r| + 3 E."""
    rows = replaced(
        rowwise(np.ones((2, 3))), _sizes=lambda now, along: np.array([1.0, 16.0]) * now.step * along[0]
    )
    now = residuals([1.0, -2.0], [0.25, 0.5])
    bounds = 64.0 * math.sqrt(2.0) * np.array([1.75, 3.5])
    sizes = np.array([1.0, 16.0]) * 0.25 * 3.0
    along = np.full(3, 3.0)
    assert rows._certificate([now], along) == Certificate(
        "each row of J", pytest.approx(bounds[1]), pytest.approx(bounds[0] / sizes[0]), 0.5, 1
    )
    rows.wrong_rows = {0}
    assert rows._certificate([now], along) == Certificate(
        "each row of J", pytest.approx(bounds[1]), pytest.approx(bounds[1] / sizes[1]), 0.5, 1
    )
    # The sizes are those of the last direction; of two the number is told.
    last = residuals([1.0, -2.0], [0.25, 0.5], step=0.5)
    found = rows._certificate([now, last], along)
    assert found is not None
    assert found.directions == 2
    assert found.relative_to_rms == pytest.approx(found.bound / (2.0 * sizes[1]))


def test_there_is_no_certificate_without_rows_directions_or_columns():
    """Nor where a direction is known of nothing."""
    rows = rowwise(np.ones((2, 3)))
    along, now = np.ones(3), residuals([1.0, 2.0])
    assert rows._certificate([now], along) is not None
    assert rows._certificate([], along) is None
    assert rows._certificate([residuals([1.0, 2.0], [np.inf, 0.0])], along) is None
    rows.wrong_rows = {0, 1}
    assert rows._certificate([now], along) is None
    rows.wrong_rows = set()
    rows.movable = np.zeros(3, bool)
    assert rows._certificate([now], along) is None


# The course of it.


class Scripted:
    """An examination of which every answer is given; what is asked is noted."""

    def __init__(self, exceeding: Any = (), explains: Any = (), bounds: Any = (), ends: Any = ()) -> None:
        self.asked: list[Any] = []
        self.rows = rows = rowwise(np.ones((2, 3)))
        self.count = 0
        exceeding, explains, bounds = dict(exceeding), list(explains), dict(bounds)

        def tangent() -> Any:
            self.count += 1
            return self.count

        def measured(tangents: Any, step: Any) -> Any:
            (k,) = tangents
            self.asked.append((k, step))
            return [residuals([0.0, 0.0], [np.inf if k in ends else 0.0, 0.0], step=k / 8.0)]

        def unexplained(now: Any) -> Any:
            return np.array(exceeding.get(int(8 * now.step), []), np.intp)

        def search(tangent: Any, now: Any, found: Any) -> bool:
            self.asked.append(("search", tangent, 8 * now.step, found.tolist()))
            return bool(explains.pop(0))

        def certificate(told: Any, tangent: Any) -> Any:
            self.asked.append(("certificate", [int(8 * r.step) for r in told], tangent))
            bound = bounds.get(len(told), 1.0)
            return None if bound is None else Certificate("x", bound, bound, 0.5, len(told))

        def summary(now: Any, tangent: Any) -> Any:
            return int(8 * now.step), tangent

        replaced(
            rows, tangent=tangent, residuals=measured, _unexplained=unexplained, _search=search,
            _certificate=certificate, _summary=summary,
        )  # fmt: skip

    def examined(self, residuals: Any, certificate: Any) -> None:
        """That this is found."""
        assert self.rows.examine() == ArrayEvidence(self.rows.block, residuals, certificate)


def test_four_directions_settle_what_is_right():
    """A bound at the resolution; each after the first begins with the step of the one before."""
    script = Scripted(bounds={4: 0.125})
    script.examined(((1, 4), (2, 4), (3, 4), (4, 4)), Certificate("x", 0.125, 0.125, 0.5, 4))
    assert script.asked == [
        (1, None), (2, 0.125), (3, 0.25), (4, 0.375), *[("certificate", [1, 2, 3, 4], 4)] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize(("bounds", "count"), [({6: 0.1}, 6), ({}, 12), (dict.fromkeys(range(13)), 12)])
def test_more_are_taken_where_they_do_not(bounds: Any, count: int):
    """Up to twelve, with or without a bound."""
    script = Scripted(bounds=bounds)
    bound = bounds.get(count, 1.0)
    certificate = None if bound is None else Certificate("x", bound, bound, 0.5, count)
    script.examined(tuple((k, count) for k in range(1, count + 1)), certificate)


def test_what_a_search_explains_is_taken_out_of_new_directions():
    """The second exceeds its bar in row 1 and explained: those before it are dropped, and it is not one of the four."""
    script = Scripted({2: [1]}, [True], {4: 0.1})
    script.examined(tuple((k, 6) for k in (3, 4, 5, 6)), Certificate("x", 0.1, 0.1, 0.5, 4))
    assert script.asked[:5] == [(1, None), (2, 0.125), ("search", 2, 2.0, [1]), (3, None), (4, 0.375)]
    assert script.rows.unexplained == set()


def test_what_no_search_explains_ends_it():
    """The row is kept as one that nothing explains, and the direction alone is told; nothing is certified."""
    script = Scripted({2: [0, 1]}, [False])
    script.examined(((2, 2),), None)
    assert script.asked == [(1, None), (2, 0.125), ("search", 2, 2.0, [0, 1])]
    assert script.rows.unexplained == {0, 1}


def test_after_three_searches_what_is_loud_stays():
    """Each explained something, and the fourth direction exceeds its bar again."""
    script = Scripted({1: [0], 2: [0], 3: [0], 4: [0]}, [True] * 3)
    script.examined(((4, 4),), None)
    assert [step for step in script.asked if step[0] == "search"] == [
        ("search", k, float(k), [0]) for k in (1, 2, 3)
    ]
    assert script.rows.unexplained == {0}


def test_directions_that_say_nothing_of_a_row_are_not_those_that_certify_it():
    """The second is not defined in the first row, unless that one is named; without a certificate all are told."""
    script = Scripted(bounds={4: 0.1}, ends=[2])
    script.examined(((1, 4), (3, 4), (4, 4)), Certificate("x", 0.1, 0.1, 0.5, 4))
    script = Scripted(bounds={4: 0.1}, ends=[2])
    script.rows.wrong_rows = {0}
    script.examined(((1, 4), (2, 4), (3, 4), (4, 4)), Certificate("x", 0.1, 0.1, 0.5, 4))
    script = Scripted(bounds=dict.fromkeys(range(13)), ends=[2])
    script.examined(tuple((k, 12) for k in range(1, 13)), None)
