"""How far a direction moves each coordinate, and what a claim about f says before f is measured; values by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.numerics.problem import Problem, Scaling, of_typical_size, scaling_of
from gradcheck.numerics.setting import accepts_complex
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

EPS = 2.0**-52


def claim(
    matrix: Any,
    x: Any,
    f: Callable[[Any], Any] | None = None,
    *,
    scales: Any = None,
    room: Any = None,
    **parts: Any,
) -> Problem:
    """That a matrix is the Jacobian of f at x, called there once; coordinates have the scales |x| if none are given."""
    matrix = (
        Dense(np.atleast_2d(np.asarray(matrix, float))) if isinstance(matrix, list | np.ndarray) else matrix
    )
    m, n = matrix.shape
    x = x if x is not None else np.ones(n)
    parameters, flat = Parameters.of(x)
    options = {name: parts.pop(name) for name in ("max_nfev",) if name in parts}
    if m == 1:
        objective: Any = Objective(f or (lambda x: 0.0), parameters, **options)
        f_x = np.array([objective.value(flat)])
    else:
        objective = Objective(f or (lambda x: np.zeros(m)), parameters, several=True, **options)
        f_x = objective.at(flat)[0]
    scales = np.abs(flat) if scales is None else np.asarray(scales, float)
    unit = parts.get("unit", 1.0)
    return Problem(objective, flat, f_x / unit, scales, Tolerance(1e-6), room, EPS, matrix=matrix, **parts)


def scaled(
    matrix: Any, scales: Any = None, *, x: Any = None, still: Any = (), most: Any = None, room: Any = None
) -> Scaling:
    """The scaling of a claim, some coordinates of which stay still; x is as large as the scales."""
    problem = claim(matrix, x, scales=scales, room=room)
    if scales is not None:
        problem = replace(problem, x=np.where(problem.x != 0, problem.scales, 0.0))
    stays = np.zeros(problem.x.size, bool)
    stays[list(still)] = True
    return scaling_of(problem, stays, most)


def close(values: Any) -> Any:
    """But for roundings."""
    return pytest.approx(values, rel=1e-12, abs=0.0)


TWO = {"a": np.ones(2), "b": np.ones(3)}

# How far coordinates move


def test_an_array_moves_by_its_median_scale():
    """All by one length; the smallest mistake that counts is that of an entry of the root mean square, 5, or more."""
    found = scaled([1.0, 7.0, -5.0, 5.0], [2.0, 3.0, 4.0, 9.0])
    assert found.lengths.tolist() == [3.5] * 4
    assert found.rms == close([5.0])
    assert (found.sizes, found.least) == (close([17.5]), close([17.5]))
    assert (found.nothing.tolist(), found.held) == ([False], 1.0)


@pytest.mark.parametrize(
    ("times", "own"), [(999.5, False), (1000.5, True), (1 / 999.5, False), (1 / 1000.5, True)]
)
def test_entries_of_another_size_move_by_their_own_scale(times: float, own: bool):
    """A thousand times the median, or less than a thousandth; where the larger ones do no more than the others."""
    g = 2.0 / max(times, 1.0)
    found = scaled([2.0, -2.0, 2.0, g], [3.0, 3.0, 3.0, 3.0 * times])
    last = 3.0 * times if own else 3.0
    assert found.lengths == close([3.0, 3.0, 3.0, last])
    # Just as much is another size.
    assert scaled([2.0] * 3 + [2e-3], [3.0, 3.0, 3.0, 3000.0]).lengths.tolist() == [3.0, 3.0, 3.0, 3000.0]
    # What would do more does as much, be it larger or smaller: 4e6 times a scale of 3e-6 is twice what others do.
    assert scaled([2.0] * 3 + [4e6], [3.0, 3.0, 3.0, 3e-6]).lengths == close([3.0, 3.0, 3.0, 1.5e-6])
    assert scaled([2.0] * 3 + [1e6], [3.0, 3.0, 3.0, 3e-6]).lengths == close([3.0, 3.0, 3.0, 3e-6])
    assert scaled([2.0] * 3 + [4.0], [3.0, 3.0, 3.0, 6e3]).lengths == close([3.0, 3.0, 3.0, 1.5])
    assert scaled([2.0] * 4, [3.0, 3000.0, 3000.0, 3000.0]).lengths.tolist() == [3.0, 3000.0, 3000.0, 3000.0]


def of(matrix: Any, x: list[float], scales: list[float]) -> Scaling:
    """The scaling of a claim at an x that is less than its scales in some coordinates."""
    return scaling_of(claim(matrix, np.array(x), scales=scales), np.zeros(len(x), bool))


def test_what_lies_far_below_its_scale_moves_by_its_own_size_where_the_claim_says_that_it_has_another_unit():
    """1e13 and 1e5 of an array whose scales are 1e13 and 3e13: both move by the median, 2e13, as long as the second
    does no more. What would do more does as much, but moves by no less than it is; nothing else claimed, by just that.
    """
    x, scales = [1e13, 1e5], [1e13, 3e13]
    assert of([1e-12, 1e-12], x, scales).lengths == close([2e13, 2e13])
    assert of([1e-12, 4e-6], x, scales).lengths == close([2e13, 5e6])
    found = of([1e-12, 1e-3], x, scales)
    assert (found.lengths, found.sizes) == (close([2e13, 1e5]), close([100.0]))
    assert of([0.0, 1e-3], x, scales).lengths == close([2e13, 1e5])
    # Of rows, and of products, too.
    rows = [[1e-12, 1e-3], [0.0, 0.0]]
    assert of(np.array(rows), x, scales).lengths == close([2e13, 1e5])
    assert of(products_of(*rows), x, scales).lengths == close([2e13, 1e5])
    # As much as the root of 3/4 of the others here; one of another small scale, claimed to be 0, moves by all of that.
    found = of([1.0, 1.0, 1.0, 0.0, 1e9], [1.0, 1.0, 1.0, 1e-4, 1e-10], [1.0, 1.0, 1.0, 1e-4, 1e-5])
    assert found.lengths == close([1.0, 1.0, 1.0, 1e-4, np.sqrt(0.75) * 1e-9])
    # A hundredth of its scale is as small as entries happen to be, and 0 has no size.
    assert of([1e-12, 1e-3], [1e13, 0.9e-2 * 3e13], scales).lengths == close([2e13, 2.7e11])
    assert of([1e-12, 1e-3], [1e13, 1.1e-2 * 3e13], scales).lengths == close([2e13, 2e13])
    assert of([1e-12, 1e-3], [1e13, 0.0], scales).lengths == close([2e13, 2e13])


def test_arrays_have_equal_shares():
    """Of root mean squares of 2 and 8 at scales of 1 and 2 that is 2 and 16: in the median 9, of which the first is
    moved by its own size at most, and the second by 9/16 of its own.
    """
    found = scaled([2.0, -2.0, 8.0, 8.0, -8.0], [1.0, 1.0, 2.0, 2.0, 2.0], x=TWO)
    assert found.lengths == close([1.0, 1.0, 9 / 8, 9 / 8, 9 / 8])
    assert found.rms == close([2.0, 8.0])
    assert found.least == close([2.0, 9.0])
    assert found.sizes == close([2.0])
    assert found.held == 1.0


def test_no_array_has_more_than_ten_times_the_share_of_the_least():
    """Of 1 and 100 the median is 50.5; without that limit they would move 5.05 times as far."""
    found = scaled([1.0, 1.0, 100.0, 100.0, 100.0], x=TWO)
    assert found.lengths == close([1.0, 1.0, 0.1, 0.1, 0.1])
    assert found.held == close(5.05)


def test_an_array_of_entries_far_apart_has_the_share_of_what_each_does():
    """Scales of 1 and 1e4 have a median of 5000.5, by which the second moves and which the first is too far from.

    With entries of 1 they move f by the root mean square of 1 and 5000.5, the others by 2; ten times that is 20.
    """
    share = 20.0 / np.sqrt((1.0 + 5000.5**2) / 2.0)
    found = scaled([1.0, 1.0, 2.0, 2.0, 2.0], [1.0, 1e4, 1.0, 1.0, 1.0], x=TWO)
    assert found.lengths == close([share, 5000.5 * share, 1.0, 1.0, 1.0])
    assert found.least == close([share, 2.0])
    assert found.sizes == close([share])


def test_an_array_that_is_claimed_to_do_nothing_stays_where_it_is():
    """64 roundings of what the others do; what the largest of its scales does counts."""
    eps = 64.0 * EPS
    for first, nothing in ((0.9 * eps, True), (1.1 * eps, False)):
        found = scaled([first, first, 1.0, 1.0, 1.0], x=TWO)
        assert found.nothing.tolist() == [nothing, False]
        assert bool(found.lengths[0] > 0) is not nothing
        assert (found.lengths[2] > 0, found.rms[0]) == (True, close(first))
        assert found.sizes == close([1.0] if nothing else [first])
    # By a scale of 1e4 of one of its three entries.
    wide = {"a": np.ones(3), "b": np.ones(3)}
    for first, nothing in ((0.9e-4 * eps, True), (1.1e-4 * eps, False)):
        found = scaled([first] * 3 + [1.0] * 3, [1.0, 1.0, 1e4, 1.0, 1.0, 1.0], x=wide)
        assert found.nothing.tolist() == [nothing, False]
    # Nothing moves for a gradient that is 0 throughout.
    found = scaled([0.0, 0.0], [3.0, 3.0])
    assert (found.lengths.tolist(), found.nothing.tolist(), found.sizes.tolist()) == (
        [0.0, 0.0],
        [True],
        [0.0],
    )
    assert found.held == 1.0


def test_rows_of_zeros_are_looked_at_as_they_are():
    """Each coordinate by its own size, but where one that moves is at 0, which has none."""
    zeros = np.zeros((2, 3))
    scales = [2.0, 2.0, 2.0]
    assert scaled(zeros, scales).lengths.tolist() == [2.0] * 3
    assert scaled(zeros, scales, x=np.array([1.0, 0.0, 1.0])).lengths.tolist() == [0.0] * 3
    assert scaled(zeros, scales, x=np.array([1.0, 0.0, 1.0]), still=[1]).lengths.tolist() == [2.0, 0.0, 2.0]
    assert scaled(zeros, scales).sizes.tolist() == [0.0, 0.0]
    some = np.array([[0.0] * 3, [1.0] * 3])
    assert scaled(some, scales, x=np.array([1.0, 0.0, 1.0])).lengths.tolist() == [2.0] * 3


def test_what_stays_still_has_no_share():
    """Nor what bounds hold within a tenth of its scale, on one side."""
    gradient = [3.0, 4.0, 1.0, 1.0, 1.0]
    found = scaled(gradient, x=TWO, still=[1])
    assert found.lengths == close([2 / 3, 0.0, 1.0, 1.0, 1.0])  # 3 and 1 in the median
    assert found.rms == close([3.0, 1.0])
    assert (found.least, found.sizes) == (close([2.0, 1.0]), close([1.0]))
    for left, right, held in ((0.19, 9.0, True), (9.0, 0.19, True), (0.2, 9.0, False), (np.nan, 9.0, True)):
        room = np.full(5, np.inf), np.full(5, np.inf)
        room[0][1], room[1][1] = left, right
        found = scaled(gradient, [2.0] * 5, x=TWO, room=room)
        assert bool(found.lengths[1] == 0) is held
        assert (found.lengths[[0, 2, 3, 4]] > 0).all()
    # Beside what stays still already.
    room = np.full(5, np.inf), np.array([0.0, np.inf, np.inf, np.inf, np.inf])
    assert (scaled(gradient, x=TWO, still=[3], room=room).lengths > 0).tolist() == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert not scaled(gradient, x=TWO, still=range(5)).lengths.any()
    # Entries that stay still may be far apart from the others.
    found = scaled([3.0, 1e9, 4.0, 5.0], [1.0, 1e6, 1.0, 1.0], still=[1])
    assert found.lengths.tolist() == [1.0, 0.0, 1.0, 1.0]
    assert found.rms == close([np.sqrt(50 / 3)])
    assert found.least == close([np.sqrt(50 / 3)])
    # What it would do does not count.
    found = scaled([3.0, 4.0, 5.0, 4.0], [1e-6, 1.0, 1.0, 1.0], still=[0])
    assert (found.least, found.sizes) == (close([np.sqrt(57 / 3)]), close([np.sqrt(57 / 3)]))


def test_an_empty_array_moves_nothing():
    """Beside one that does."""
    found = scaled([1.0, 2.0], x={"a": np.ones(0), "b": np.ones(2)})
    assert found.lengths.tolist() == [1.0, 1.0]
    assert (found.rms[0], found.nothing.tolist()) == (0.0, [True, False])


def test_what_moves_beyond_any_float_is_left_to_others():
    """A scale of 1e200 and entries of 1e200."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = scaled([1e200, 1e200, 1.0, 1.0, 1.0], [1e200, 1e200, 1.0, 1.0, 1.0], x=TWO)
    assert found.lengths[:2].tolist() == [0.0, 0.0]
    # As what moves f by less than any.
    assert scaled([1e-300, 0.0, 0.0], [1e-300, 1.0, 1.0]).lengths.tolist() == [0.0, 0.0, 0.0]


def test_many_equal_lengths_are_one_number():
    """From 4096 on."""
    for size, strides in ((4095, (8,)), (4096, (0,))):
        lengths = scaled(np.ones((1, size)), np.full(size, 2.0)).lengths
        assert (lengths.shape, lengths.strides) == ((size,), strides)
        assert (lengths == 2.0).all()


def test_of_many_entries_the_least_is_found_wherever_it_is():
    """Whole blocks of 2^16 are worked on at once."""
    size = 2**16 + 7
    for place in (3, size - 3):
        gradient, scales = np.ones((1, size)), np.ones(size)
        scales[place] = 1e-6
        found = scaled(gradient, scales)
        assert found.lengths[place] == 1e-6
        assert found.sizes == close([1e-6])


# Several rows


def test_a_row_is_as_large_as_its_least_entry_or_its_root_mean_square():
    """(3, 4, 5) and (1, 1, 0): each times the length of its column."""
    rms = np.sqrt(50 / 3)
    array = np.array([[3.0, 4.0, 5.0], [1.0, 1.0, 0.0]])
    found = scaled(array, [2.0, 2.0, 2.0])
    assert found.lengths.tolist() == [2.0] * 3
    assert found.sizes == close([2.0 * rms, 2.0 * np.sqrt(2 / 3)])
    # Entries of another size move by their own.
    found = scaled(array, [2.0, 2.0, 2e-6])
    assert found.lengths == close([2.0, 2.0, 2e-6])
    assert found.sizes == close([2e-6 * 5.0, 2e-6 * np.sqrt(2 / 3)])
    # But for those that do not.
    found = scaled(array, [2.0, 2.0, 2e-6], still=[2])
    assert found.sizes == close([2.0 * rms, 2.0])
    assert not scaled(array, still=[0, 1, 2]).sizes.any()


def test_columns_are_as_strong_as_each_row_in_its_own_units():
    """Rows of root mean squares 1/4 and 2000: at scales of 1 columns of two ones. A row of zeros has no units."""
    array = np.zeros((3, 5))
    array[0], array[1] = [0.25, -0.25, 0.25, 0.25, 0.25], [2000.0, 2000.0, -2000.0, 2000.0, 2000.0]
    found = scaled(array, x=TWO)
    assert found.rms == close([np.sqrt(2.0)] * 2)
    assert found.lengths == close([1.0] * 5)
    # Of scales 1 and 4 in one array the rows are as large as what they change by, and the second array moves less.
    found = scaled(array[:2], [1.0, 1.0, 4.0, 4.0, 4.0], x=TWO)
    unit = np.sqrt((2.0 + 3.0 * 16.0) / 5.0)
    assert found.rms == close([np.sqrt(2.0) / unit] * 2)
    assert found.lengths == close([1.0, 1.0, 2.5, 2.5, 2.5])


def test_rows_of_a_sparse_matrix_are_as_large_as_their_root_mean_square():
    """Over what is stored, times the least length; of products alone nothing is known."""
    array = sparse.csc_array(np.array([[3.0, 0.0, 4.0], [0.0, 7.0, 0.0]]))
    found = scaled(Sparse(array, array), [2.0, 2.0, 2.0])
    assert found.sizes == close([2.0 * np.sqrt(12.5), 14.0])
    found = scaled(Sparse(array, array), [2.0, 2.0, 2.0], still=[1])
    assert found.sizes == close([2.0 * np.sqrt(12.5), 14.0])
    products = Product((2, 3), lambda v: np.array([v.sum(), v[0]]))
    found = scaled(products, [2.0, 3.0, 4.0])
    assert (found.lengths.tolist(), found.sizes.tolist(), found.rms.tolist()) == (
        [3.0] * 3,
        [0.0, 0.0],
        [1.0],
    )
    assert (found.even, scaled(Sparse(array, array)).even) == (1.0, 1.0)


def products_of(*rows: list[float]) -> Product:
    """A matrix of which products alone are known."""
    array = np.array(rows)
    return Product(array.shape, lambda v: array @ v)


def test_of_products_alone_the_least_length_counts_as_the_least_that_is_moved():
    """Scales of 1 and 4 in two arrays, entries of which are taken to be as large."""
    found = scaled(products_of([1.0] * 5, [2.0] * 5), [1.0, 1.0, 4.0, 4.0, 4.0], x=TWO)
    assert found.lengths == close([1.0, 1.0, 2.5, 2.5, 2.5])  # effects of 1 and 4, and 2.5 in the median
    assert found.even == close(0.4)


def test_of_products_alone_a_coordinate_in_large_units_moves_by_its_own_scale():
    """A scale of 1e9 beside 1. Beside 3 times the first, 4e-9 times the last does 4 beside the root of 9/2: as much as
    others do is the root of 9/32 of its scale. Nothing else would move by less than its scale, and all do as much.
    """
    scales = [1.0, 1.0, 1e9]
    found = scaled(products_of([3.0, 0.0, 4e-9], [0.0, 0.0, 0.0]), scales)
    assert found.lengths == close([1.0, 1.0, np.sqrt(9 / 32) * 1e9])
    assert found.even == close(1.0)
    # What would do less, or is claimed to do nothing, moves by all of its scale.
    assert scaled(products_of([3.0, 0.0, 1e-9], [0.0] * 3), scales).lengths == close(scales)
    found = scaled(products_of([3.0, 0.0, 0.0], [0.0] * 3), scales)
    assert (found.lengths, found.even) == (close(scales), close(1.0))
    # So does an array of its own, and all where nothing is claimed.
    arrays = {"a": np.ones(2), "b": np.ones(1)}
    found = scaled(products_of([3.0, 0.0, 0.0], [0.0] * 3), scales, x=arrays)
    assert (found.lengths, found.nothing.tolist()) == (close(scales), [False, False])
    assert scaled(products_of([0.0] * 3, [0.0] * 3), scales).lengths == close([*scales[:2], 1.0])


def test_a_row_of_zeros_counts_as_large_as_the_others():
    """Their root mean square; of nothing but zeros 0."""
    assert of_typical_size(np.array([3.0, 0.0, 5.0, 4.0])) == close([3.0, np.sqrt(50 / 3), 5.0, 4.0])
    assert of_typical_size(np.zeros(2)).tolist() == [0.0, 0.0]


# Lengths along which f is known


@pytest.mark.parametrize(("times", "kept"), [(1.5, True), (1.0, True), (0.25, True), (0.24, False)])
def test_lengths_are_not_exceeded_where_mistakes_show_nearly_as_well(times: float, kept: bool):
    """By a quarter of what they do otherwise; else f is looked at as it is."""
    gradient, scales = [1.0, 7.0, -5.0, 5.0], [2.0, 3.0, 4.0, 9.0]
    for one in (True, False):
        most = np.full(4, 3.5)
        most[: 1 if one else 4] = times * 3.5
        found, plain = scaled(gradient, scales, most=most), scaled(gradient, scales)
        expected = np.minimum(plain.lengths, most) if kept else plain.lengths
        assert found.lengths == close(expected)
        assert found.sizes == close([5.0 * expected.min()])
        assert found.least == close([5.0 * expected.min()])
        assert (found.rms.tolist(), found.nothing.tolist()) == (plain.rms.tolist(), plain.nothing.tolist())


def test_lengths_are_kept_where_no_row_shows_far_less():
    """Each of several: the second row has its least entry where coordinates move by a fifth."""
    array = np.array([[1.0, 1.0, 9.0], [1.0, 1.0, 1.0]])
    found = scaled(array, most=np.array([1.0, 1.0, 0.2]))
    assert found.lengths.tolist() == [1.0] * 3
    # By itself the first does: 9 times a fifth, beside a root mean square of 5.3.
    found = scaled(array[[0, 0]], most=np.array([1.0, 1.0, 0.2]))
    assert found.lengths.tolist() == [1.0, 1.0, 0.2]
    assert found.sizes == close([1.8] * 2)
    found = scaled(array, most=np.array([1.0, 1.0, 0.3]))
    assert found.lengths.tolist() == [1.0, 1.0, 0.3]
    assert found.sizes == close([2.7, 0.3])


def test_an_array_beside_those_that_show_as_well_may_show_less():
    """What the smallest mistake leaves is that of the first array either way; the least of each is told."""
    found = scaled([2.0, 2.0, 16.0, 16.0, 16.0], x=TWO, most=np.array([1.0, 1.0, 0.1, 0.1, 0.1]))
    assert found.lengths == close([1.0, 1.0, 0.1, 0.1, 0.1])
    assert (found.least, found.sizes) == (close([2.0, 1.6]), close([1.6]))
    assert found.held == 1.0


def test_what_moves_is_not_left_where_it_is_since_another_test_left_it_there():
    """A mistake in it would show by nothing. What stays still now may have moved then, and before."""
    gradient = [2.0, 2.0, 4.0, 4.0, 4.0]
    plain = scaled(gradient, x=TWO).lengths
    for zeros in ([1], [2, 3, 4]):
        most = plain.copy()
        most[zeros] = 0.0
        assert scaled(gradient, x=TWO, most=most).lengths.tolist() == plain.tolist()
        found = scaled(gradient, x=TWO, most=most * 0.5, still=zeros)
        assert (found.lengths > 0).tolist() == [k not in zeros for k in range(5)]
        assert (found.lengths <= 0.5 * plain).all()
    found = scaled(gradient, x=TWO, most=0.5 * plain, still=[1])
    assert found.lengths[0] == 0.5 * plain[0]
    assert found.lengths[1] == 0.0


# f along a tangent


def squares(x: Any) -> Any:
    """Two outputs of three numbers."""
    return np.stack([x[0] ** 2 + x[1], 3.0 * x[2]])


def test_values_along_a_tangent_are_those_of_f():
    """At x and its offsets times the tangent, in its units."""
    for unit in (1.0, 4.0):
        problem = claim(np.ones((2, 3)), np.array([1.0, 2.0, 3.0]), squares, unit=unit)
        found = problem.along(np.array([1.0, -1.0, 2.0]), np.array([0.5, -2.0]))
        assert found == close(np.array([[3.75, 12.0], [5.0, -3.0]]) / unit)


def test_points_of_a_coarser_dtype_are_taken_back_onto_their_line():
    """By what is claimed: of 2 x_0 + x_1 nothing of their rounding is left, but where products alone are known."""
    x = np.array([1.0, 3.0], np.float32)
    for matrix, straight in (
        (Dense(np.array([[2.0, 1.0]])), True),
        (Sparse(*[sparse.csc_array(np.array([[2.0, 1.0]]))] * 2), True),
        (Product((1, 2), lambda v: np.array([2.0 * v[0] + v[1]])), False),
    ):
        problem = claim(matrix, x, lambda x: float(2.0 * float(x[0]) + float(x[1])))
        assert problem.straightened is straight
        assert problem.eps_of_x == 2.0**-23
        assert accepts_complex(problem.objective) is False
        tangent, offset = np.array([1.0, -1.0]), 1e-3 / 3.0
        (value,) = problem.along(tangent, np.array([offset]))
        assert 1e-9 < abs(value[0] - (5.0 + offset)) < 1e-6
        if straight:
            (beside,) = problem.beside(tangent, np.array([offset]))
            assert abs(value[0] - beside[0] - (5.0 + offset)) < 1e-14


def test_x_in_doubles_is_where_it_is_said_to_be():
    """One array or several; the coarsest array counts, of any shape."""
    for x, eps, doubles in (
        (np.ones(2), 0.0, True),
        ({"a": np.ones(1), "b": np.ones(1)}, 0.0, True),
        ({"a": np.ones(1, np.float32), "b": np.ones(1)}, 2.0**-23, False),
        ({"a": np.ones(1, np.float16), "b": np.ones(1, np.float32)}, 2.0**-10, False),
        ({"a": np.ones(1, np.complex64)}, 2.0**-23, False),
    ):
        problem = claim(np.ones((1, 2)), x)
        assert (problem.eps_of_x, accepts_complex(problem.objective), problem.straightened) == (
            eps,
            doubles,
            eps > 0,
        )


def test_scales_are_those_of_x_where_none_are_given():
    """As its parameters have them."""
    x = np.array([2.0, -2.0, 2.0])
    problem = claim(np.ones((1, 3)), x)
    given = np.array([1.0, 2.0, 3.0])
    for scales, expected in ((None, [2.0, 2.0, 2.0]), (given, given.tolist())):
        other = Problem(
            problem.objective,
            x,
            problem.f_x,
            scales,
            problem.tolerance,
            None,
            EPS,
            matrix=problem.matrix,
        )
        assert other.scales.tolist() == expected
        assert other.parameters is problem.objective.parameters
        assert (other.unit, other.room) == (1.0, None)


# The complex step


def test_the_imaginary_part_is_the_derivative_along_a_tangent():
    """(2 x_0 v_0 + v_1, 3 v_2), in its units, beside f(x); one evaluation, of x and 1e-20 v."""
    asked: list[Any] = []

    def noting(x: Any) -> Any:
        asked.append(np.array(x))
        return squares(x)

    for unit in (1.0, 4.0):
        problem = claim(np.ones((2, 3)), np.array([1.0, 2.0, 3.0]), noting, unit=unit)
        spent, tangent = problem.objective.nfev, np.array([1.0, -5.0, 2.0])
        for found in (
            problem.complex_along(tangent),
            problem.complex_along_parts([(slice(0, 1), tangent[:1]), (slice(1, 3), tangent[1:])]),
        ):
            assert found is not None
            assert found.dtype == np.complex128
            assert found.real == close(np.array([3.0, 9.0]) / unit)
            assert found.imag == close(np.array([-3.0, 6.0]) / unit)
            assert asked[-1].real.tolist() == [1.0, 2.0, 3.0]
            assert asked[-1].imag == close(1e-20 * tangent)
        assert problem.objective.nfev == spent + 2


def raising(error: Exception) -> Any:
    """f that takes real numbers alone."""

    def f(x: Any) -> Any:
        if np.iscomplexobj(x):
            raise error
        return squares(x)

    return f


@pytest.mark.parametrize(
    "f",
    [
        raising(TypeError("no")),
        raising(ZeroDivisionError("no")),
        lambda x: squares(np.real(x)),
        lambda x: squares(x)[: 1 if np.iscomplexobj(x) else 2],
        lambda x: squares(x) * (np.nan if np.iscomplexobj(x) else 1.0),
        lambda x: squares(x) + (np.array([0.0, complex(0.0, np.inf)]) if np.iscomplexobj(x) else 0.0),
    ],
)
def test_what_f_makes_of_complex_numbers_is_not_taken_where_it_is_no_derivative(f: Any):
    """An error, real numbers, others than it has, such as are not finite."""
    problem = claim(np.ones((2, 3)), np.array([1.0, 2.0, 3.0]), f)
    assert problem.complex_along(np.ones(3)) is None


def test_a_warning_about_complex_numbers_says_nothing():
    """That of float(z), even where warnings are errors."""
    import warnings

    def f(x: Any) -> Any:
        if np.iscomplexobj(x):
            warnings.warn("discards the imaginary part", np.exceptions.ComplexWarning, stacklevel=1)
        return squares(x)

    problem = claim(np.ones((2, 3)), np.array([1.0, 2.0, 3.0]), f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert problem.complex_along(np.ones(3)) is not None


def test_x_that_is_coarser_than_doubles_is_not_given_as_complex_numbers():
    """f is not asked."""
    problem = claim(np.ones((2, 3)), np.ones(3, np.float32), squares)
    spent = problem.objective.nfev
    assert problem.complex_along(np.ones(3)) is None
    assert problem.objective.nfev == spent


def test_a_spent_budget_and_a_value_that_is_no_number_are_said():
    """Whoever asks has to know."""
    spent = claim(np.ones((1, 3)), np.ones(3), lambda x: x.sum(), max_nfev=1)
    with pytest.raises(BudgetSpentError):
        spent.complex_along(np.ones(3))
    with pytest.raises(NotScalarError):
        claim(np.ones((2, 3)), np.ones(3), raising(NotScalarError("no"))).complex_along(np.ones(3))


# Units and weights


def test_a_claim_in_other_units_is_the_same_claim():
    """f, the matrix and the absolute tolerance over the unit, which units multiply."""
    x = np.array([1.0, 2.0, 3.0])
    problem = claim(np.full((2, 3), 8.0), x, squares)
    problem = Problem(
        problem.objective,
        x,
        problem.f_x,
        x,
        Tolerance(1e-6, atol=32.0),
        (x, x),
        0.5,
        matrix=problem.matrix,
        unit=1.0,
    )
    for found, unit in ((problem.in_units(4.0), 4.0), (problem.in_units(4.0).in_units(2.0), 8.0)):
        assert found.f_x.tolist() == [3.0 / unit, 9.0 / unit]
        assert (found.unit, found.eps, found.room) == (unit, 0.5, (x, x))
        assert isinstance(found.matrix, Dense)
        assert found.matrix.array.tolist() == [[8.0 / unit] * 3] * 2
        assert (found.tolerance.rtol, found.tolerance.atol) == (1e-6, 32.0 / unit)
        assert found.along(np.array([0.0, 1.0, 0.0]), np.array([1.0])) == close(np.array([[4.0, 9.0]]) / unit)
        assert found.level is None
    told = replace(problem, level=2.0, relative_step=0.5, slope=4.0, gradient_scale=np.full(2, 8.0))
    found = told.in_units(4.0)
    assert (found.level.tolist(), found.slope.tolist()) == ([0.5, 0.5], [1.0, 1.0])
    assert isinstance(found.gradient_scale, np.ndarray)
    assert (found.gradient_scale.tolist(), found.relative_step.tolist()) == ([2.0, 2.0], [0.5, 0.5])


def test_the_weight_of_a_direction_is_the_root_of_the_sum_of_squares_of_its_terms():
    """Of products alone that of three with other signs, on average."""
    array = np.array([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0]])
    tangent, rng = np.array([1.0, -1.0, 2.0]), np.random.default_rng(0)
    assert claim(array, None).weight(tangent, array @ tangent, rng) == close([5.0, np.sqrt(21.0)])
    problem = claim(Product((2, 3), lambda v: array @ v), None)
    signs = [np.random.default_rng(1).choice([-1.0, 1.0], (2, 3))[k] for k in range(2)]
    others = [array @ tangent, *[array @ (tangent * sign) for sign in signs]]
    found = problem.weight(tangent, others[0], np.random.default_rng(1))
    assert found == close(np.sqrt(np.mean(np.square(others), axis=0)))
    # Not what the product says alone: rows of terms that cancel have a weight.
    assert problem.weight(np.array([4.0, -3.0, 0.0]), np.zeros(2), np.random.default_rng(3))[0] > 0
