"""What the points of one direction become: slopes, bars, steps, and what a right row may leave; values by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from by_hand import EPS, STEP, close, direction, fitted, joint_test

from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.joint import directions as directions_module
from gradcheck.joint.directions import Directions
from gradcheck.joint.few_points import AMPLIFIED
from gradcheck.joint.points import first_step
from gradcheck.numerics.line_fit import EIGHT, FOUR, fifth_over_third, positions
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

V = np.array([1.0, -2.0, 0.0, 0.5])
NEAR, FAR = FOUR


def directions(rows: int = 2, *, columns: int = 4, **parts: Any) -> Directions:
    """Those of f(x) = A x with entries of 1, of which some parts of the problem are others."""
    test = joint_test(rows, columns=columns)
    along = test.along
    along.problem = replace(along.problem, **parts)
    return along


def along_lines(along: Directions, *lines: Any) -> list[tuple[Any, list[float]]]:
    """F is a function of the offset, one for each row; returns what is asked for."""
    asked: list[tuple[Any, list[float]]] = []

    def values(tangent: Any, offsets: Any) -> Any:
        offsets = np.asarray(offsets, float)
        asked.append((tangent, offsets.tolist()))
        return np.stack([np.array([line(t) for t in offsets]) for line in lines], axis=1)

    object.__setattr__(along.problem, "along", values)
    return asked


# What a right row may leave


def test_a_residual_is_what_is_claimed_less_what_was_seen():
    """J v is -0.5 in each row; the weight the root of 1 + 4 + 1/4."""
    found = directions().compared(V, 0.01, np.array([-0.5, 0.25]), np.array([1e-9, 1e-8]))
    assert found.residual.tolist() == [0.0, -0.75]
    assert found.weight == pytest.approx(np.sqrt(5.25), rel=1e-15)
    assert (found.step, found.exact, found.noisy, found.fit) == (0.01, False, False, None)
    assert found.tangent is V
    assert found.error.tolist() == [1e-9, 1e-8]


def test_a_right_row_may_leave_three_bars_and_half_of_what_is_accepted():
    """3 E + rtol / 2 of its size; and 64 roundings of its terms, where that is more."""
    along = directions()
    along.sizes = np.array([2.0, 3.0])
    found = along.compared(V, 0.01, np.zeros(2), np.array([1e-9, 1e-8]))
    assert found.allowed == close([3e-9 + 1e-6, 3e-8 + 1.5e-6])
    coarse = directions(eps=1e-3)
    assert coarse.compared(V, 0.01, np.zeros(2), np.zeros(2)).allowed == close(64e-3 * np.sqrt(5.25))


def test_an_absolute_tolerance_counts_at_the_smallest_part_of_a_tangent():
    """Half of atol times 0.5: entries of 0 move nothing."""
    along = directions(tolerance=Tolerance(1e-6, 1e-2))
    assert along.compared(V, 0.01, np.zeros(2), np.zeros(2)).allowed == close(0.5e-6 + 0.5 * 1e-2 * 0.5)


def test_a_row_that_is_claimed_to_be_0_has_the_tolerance_of_its_own_rounding():
    """64 roundings of f(x); where the imaginary part alone shows it, of what its terms may be. Alone it has a size."""
    matrix = Dense(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]))
    along = directions(matrix=matrix, f_x=np.array([7.0, 7.0]), eps=0.0)
    along.sizes = np.array([3.0, 3.0])
    zero = np.zeros(2)
    assert along.compared(V, 0.01, zero, zero).allowed == close([64 * EPS * 7, 1.5e-6])
    # By the complex step f(x) rounds in any case.
    assert along.compared(V, 0.0, zero, zero, exact=True).allowed[0] == close(64 * EPS * 7)
    small = directions(matrix=matrix, f_x=np.array([1.0, 1.0]), eps=0.0)
    small.sizes = np.array([3.0, 3.0])
    small._shown = np.array([False, True])
    assert small.compared(V, 0.0, zero, zero, exact=True).allowed[0] == close(64 * EPS * 3)
    small._shown = np.array([True, True])
    assert small.compared(V, 0.0, zero, zero, exact=True).allowed[0] == close(64 * EPS * 1)
    alone = directions(1, matrix=Dense(np.zeros((1, 4))), f_x=np.array([7.0]))
    assert alone.compared(V, 0.01, zero[:1], zero[:1]).allowed == close(0.5e-6)


def test_a_complex_step_rounds_as_f_does():
    """64 roundings of f(x), where that is more than half of the tolerance; of real points the bar has it."""
    along = directions(f_x=np.array([1e9, 1.0]))
    along.sizes = np.ones(2)
    zero = np.zeros(2)
    assert along.compared(V, 0.0, zero, zero, exact=True).allowed == close([64e9 * EPS, 0.5e-6])
    assert along.compared(V, 0.01, zero, zero).allowed == close([0.5e-6, 0.5e-6])


def test_errors_within_the_tolerance_may_leave_as_much_together_as_the_root_of_their_squares():
    """Three times that: rtol of the terms, and atol of the tangent, whose root is that of 5.25."""
    for atol, spread in ((0.0, 3e-6), (1e-2, 3.0 * (1e-6 + 1e-2))):
        along = directions(tolerance=Tolerance(1e-6, atol))
        along.tolerant = True
        found = along.compared(V, 0.01, np.zeros(2), np.array([1e-9, 1e-8]))
        assert found.allowed == close([3e-9 + spread * np.sqrt(5.25), 3e-8 + spread * np.sqrt(5.25)])


def test_where_nothing_is_known_nothing_is_wrong_and_nothing_certified():
    """A direction off the domain."""
    found = directions()._nothing(V, 0.02)
    assert not found.exceeds.any()
    assert np.isinf(found.error).all()
    assert np.isnan(found.residual).all()
    assert (found.step, found.tangent is V) == (0.02, True)


def test_a_claim_is_asked_for_once_a_tangent():
    """A product may be dear: its bar and its residual rest on the same one."""
    along = directions()
    asked = []

    class Counting(Dense):
        def product(self, tangent: Any) -> Any:
            asked.append(tangent)
            return super().product(tangent)

    along.problem = replace(along.problem, matrix=Counting(np.ones((2, 4))))
    other = V.copy()
    for tangent in (V, other):
        along._complex_error(tangent)
        along.compared(tangent, 0.01, np.zeros(2), np.zeros(2))
    assert len(asked) == 2


@pytest.mark.parametrize(("size", "times"), [(4, 1.0), (100_000, 1.0), (400_000, 2.0)])
def test_the_imaginary_part_rounds_by_its_terms(size: int, times: float):
    """32 roundings of the root of their squares; of very many by the root of their number."""
    along = directions(1)
    along._last = (v := np.ones(size), np.ones(1), np.full(1, 5.0))
    assert along._complex_error(v) == close(32 * EPS * 5 * times)


def test_two_values_at_x_are_the_same_to_a_few_digits_of_twelve():
    """Relative to the larger of both."""
    along = directions(f_x=np.array([2.0, -1e-3]))
    assert along._same(np.array([2.0 + 1.9e-12, -1e-3]))
    assert not along._same(np.array([2.0 + 2.1e-12, -1e-3]))
    assert not along._same(np.array([2.0, -1e-3 + 2e-12]))


# The points


def test_the_outer_points_are_asked_for_first():
    """Then the others; the middle is f(x)."""
    along = directions(f_x=np.array([3.0, 3.0]))
    asked = along_lines(along, lambda t: 3 + t, lambda t: 3 - t)
    step, values = along.values(V, 0.1, EIGHT)
    assert step == 0.1
    assert values is not None
    assert [len(offsets) for _, offsets in asked] == [2, 6]
    assert asked[0][1] == pytest.approx([-0.1, 0.1])
    t = 0.1 * positions(EIGHT)
    assert values == close(np.stack([3 + t, 3 - t], axis=1))


def test_points_no_farther_than_f_was_defined_are_asked_for_at_once():
    """In one call: who evaluates in parallel waits once. Farther ones the outer first, as the first ones are."""
    along = directions(f_x=np.array([3.0, 3.0]))
    asked = along_lines(along, lambda t: 3 + t**3, lambda t: 3 - t)
    for step, side, calls in (
        (0.1, FOUR, [2, 2]),
        (0.1, FOUR, [4]),
        (0.1, EIGHT, [8]),
        (0.05, EIGHT, [8]),
        (0.100001, EIGHT, [2, 6]),
        (0.100001, EIGHT, [8]),
    ):
        asked.clear()
        reached, values = along.values(V, step, side)
        assert reached == step
        assert [len(offsets) for _, offsets in asked] == calls
        t = step * positions(side)
        assert sorted(x for _, offsets in asked for x in offsets) == close(sorted(t[t != 0]))
        assert values == close(np.stack([3 + t**3, 3 - t], axis=1))


@pytest.mark.parametrize("given", [{"n_jobs": 2}, {"vectorized": True}, {"n_jobs": 2, "vectorized": True}])
def test_workers_and_vectorised_functions_are_asked_once(given: dict[str, Any]):
    """Eight points of one round are four for each of two workers; off the domain all were made, and others nearer."""
    along = directions(1, f_x=np.array([3.0]))
    parameters = along.problem.parameters
    object.__setattr__(along.problem, "objective", Objective(lambda x: 3.0, parameters, **given))
    for defined, calls in (("everywhere", [8]), ("near x", [8, 8])):
        asked = along_lines(
            along, lambda t, far=defined: np.nan if far != "everywhere" and abs(t) > 0.05 else 3 + t
        )
        step, values = along.values(V, 0.1, EIGHT)
        assert [len(offsets) for _, offsets in asked] == calls
        assert values == close((3 + step * positions(EIGHT))[:, None])


def test_off_the_domain_all_points_that_were_asked_for_at_once_are_spent():
    """Along one tangent f is defined up to 0.1, along the next one up to 0.05: two points tell, or all eight do."""
    edges = {id(V): 0.11}
    along = directions(1, f_x=np.array([3.0]))
    asked: list[int] = []

    def values(tangent: Any, offsets: Any) -> Any:
        asked.append(len(offsets))
        offsets = np.asarray(offsets)
        return np.where(np.abs(offsets) < edges.get(id(tangent), 0.05), 3 + offsets, np.nan)[:, None]

    object.__setattr__(along.problem, "along", values)
    other = V.copy()
    for reached, calls in ((None, [2, 2, 6]), (0.1, [8, 8])):
        asked.clear()
        if reached is not None:
            assert along.values(V, reached, EIGHT)[0] == reached
            assert asked == [2, 6]
            asked.clear()
        step, found = along.values(other, 0.1, EIGHT)
        assert (step, asked) == (close(0.1 / 30), calls)
        assert found == close((3 + step * positions(EIGHT))[:, None])
    # How far f was not defined is no step over which it was.
    fresh = directions(1, f_x=np.array([3.0]))
    object.__setattr__(fresh.problem, "along", values)
    asked.clear()
    for _ in range(2):
        fresh.values(other, 0.1, FOUR)
    assert asked == [2, 2, 2, 2, 4]


def test_points_between_defined_ends_may_lie_off_the_domain():
    """Then the step is none over which f was defined: the ends are asked for first again."""
    along = directions(1, f_x=np.array([3.0]))
    asked = along_lines(along, lambda t: np.nan if 1e-2 < t < 0.09 else 3 + t)
    for calls in ([2, 6, 2, 6], [2, 6, 8]):
        asked.clear()
        assert along.values(V, 0.1, EIGHT)[0] == close(0.1 / 30)
        assert [len(offsets) for _, offsets in asked] == calls


@pytest.mark.parametrize("edge", [0.05, 0.002, 1e-5])
def test_off_the_domain_the_points_come_thirty_times_nearer_twice(edge: float):
    """Steps of 0.1, 0.1 / 30 and 0.1 / 900; what lies nearer yet is off every one."""
    along = directions(1, f_x=np.array([3.0]))
    asked = along_lines(along, lambda t: 3 + t if t < edge else np.nan)
    step, values = along.values(V, 0.1, EIGHT)
    expected = {0.05: 0.1 / 30, 0.002: 0.1 / 900, 1e-5: None}[edge]
    assert (values is None) == (expected is None)
    if expected is not None:
        assert step == close(expected)
        assert values == close((3 + step * positions(EIGHT))[:, None])
    assert [len(offsets) for _, offsets in asked][:2] == [2, 2]


def test_values_on_a_grid_are_noted_and_round_by_more_than_half_of_it():
    """A thousandth: 0.6 of it is the floor of their noise; the smooth row beside them rounds as x does."""
    along = directions(f_x=np.array([3.0, 3.0]))
    t = 0.1 * positions(EIGHT)
    values = np.stack([np.round(3 + t, 3), 3 + np.sin(t)], axis=1)
    fit = along.fit(values, 0.1, EIGHT)
    assert along.gridded.tolist() == [True, False]
    assert fit.floor[0] == pytest.approx(0.6e-3, rel=1e-6)
    assert fit.floor[1] < 1e-14


def test_a_row_that_stays_lies_on_the_grid_of_those_that_move():
    """It has one value, which lies on any grid: where it is claimed to be 0, and where it was to move."""
    along = directions(3)
    along.problem = replace(along.problem, f_x=np.full(3, 2.0))
    moving = np.round(2.0 + np.sin(0.1 * positions(EIGHT)), 3)
    along._weight = np.array([1.0, 0.0, 0.1])
    along.__dict__["rounding_of_x"] = np.zeros(3)
    fit = along.fit(
        np.stack([moving, np.full(moving.size, 2.0), np.full(moving.size, 2.0)], axis=1), 0.1, EIGHT
    )
    assert along.gridded.tolist() == [True, True, True]
    assert fit.floor == pytest.approx(np.full(3, 0.6e-3), rel=1e-6)


def test_a_row_that_jumps_is_told_from_one_that_noise_moves():
    """By 1 between two points: no more than noise of 4 does."""
    along = directions()
    along_lines(along, lambda t: 0.0, lambda t: float(t > 0.3))
    points, values = np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.0, 1.0]])
    for row, noise, jumps in ((0, None, False), (1, None, True), (1, 0.1, True), (1, 4.0, False)):
        assert along.jumps(V, points, values, np.zeros(2), row, noise) is jumps


def test_the_terms_of_products_alone_are_told_by_other_signs():
    """Where the entries are not known J v is asked for twice more: the size of its terms is a mean of three."""

    class Blind(Dense):
        def norms(self, tangent: Any) -> None:
            return None

    found = directions(matrix=Blind(np.eye(4)[:2])).compared(V, 0.01, np.zeros(2), np.zeros(2))
    assert found.weight.tolist() == close([1.0, 2.0])


@pytest.mark.parametrize(("straightened", "beside"), [(True, 0.1), (False, 1.0)])
def test_points_of_a_coarser_dtype_round_by_how_far_they_lie_beside_their_line(
    straightened: bool, beside: float
):
    """Half a unit roundoff of it of what f changes, over the step where the claim takes them back onto it."""
    along = directions()
    along._weight = np.array([2.0, 3.0])
    along.problem = replace(along.problem, matrix=along.problem.matrix if straightened else cast(Any, None))
    vars(along.problem)["eps_of_x"] = 1e-7
    along.__dict__["rounding_of_x"] = np.array([1e-9, 0.0])
    t = 0.1 * positions(EIGHT)
    fit = along.fit(np.stack([3 + np.sin(t), 3 + np.sin(t)], axis=1), 0.1, EIGHT)
    assert fit.floor == close([1e-9 + 0.5 * beside * 2e-7, 0.5 * beside * 3e-7])


# Along another tangent


def test_probed_noise_is_taken_for_that_of_two_points():
    """Up to three times what was probed, of rounding at the least; where the first direction shows less, that."""
    along = directions()
    odd = np.zeros((4, 2))
    odd[1] = 4.0
    along_lines(along, lambda t: 3 + t, lambda t: 3 + t)
    for probed, floor, noise in ((1e-9, 1e-16, 3e-9), (1e-9, 5e-9, 5e-9), (1.0, 1e-16, 8e-9)):
        along.probed = np.full(2, probed)
        found = along.again(direction(2, fitted(2, noise=8e-9, floor=floor, odd=odd)), V, exact=False)
        assert found.step == close(np.cbrt(noise / 8.0))
        assert found.error == close(np.full(2, 1.5 * 0.71 * noise / found.step + 4.0 * found.step**2))


def test_four_points_serve_for_a_precise_search():
    """Where eight have told what four leave."""
    fit = fitted(2, noise=1e-12, odd=coefficients(0.5, 2.0))
    for known, points in ((fit, 4), (replace(fit, odd=fit.odd[:2]), 2)):
        along = directions()
        asked = along_lines(along, lambda t: 3 - 0.5 * t, lambda t: 3 + 0.25 * t)
        found = along.again(direction(2, known), V, exact=False, precise=True)
        assert sum(len(offsets) for _, offsets in asked) == points
        assert found.residual == pytest.approx([0.0, -0.75], abs=1e-9)


def test_two_points_serve_for_the_search():
    """Truncation b3 h^2 against noise 0.71 / h: both alike at h = cbrt(n / 2 b3); half as much again for the noise."""
    along = directions()
    odd, even = np.zeros((4, 2)), np.zeros((4, 2))
    odd[1] = 4.0
    fit = fitted(2, noise=8e-9, odd=odd, even=even)
    asked = along_lines(along, lambda t: 3 - 0.5 * t, lambda t: 3 + 0.25 * t)
    found = along.again(direction(2, fit), V, exact=False)
    step = 1e-3  # cbrt(8e-9 / 8)
    assert found.step == close(step)
    assert asked[0][1] == close([-step, step])
    assert found.residual == pytest.approx([0.0, -0.75], abs=1e-10)
    assert found.error == close(1.5 * 0.71 * 8e-9 / step + 4.0 * step**2)

    # What f bends may hide in b2 and b4; where little bends 0.3 is far enough.
    even[0], even[1] = 16.0, 25.0
    wider = along.again(direction(2, replace(fit, even=even)), V, exact=False)
    assert wider.step == close(np.cbrt(8e-9 / 40.0))
    odd[1] = 1e-12
    still = along.again(direction(2, fitted(2, noise=8e-9, odd=odd)), V, exact=False)
    assert still.step == 0.3


def test_a_tangent_that_moves_less_bends_f_less():
    """By what is claimed along it over the first, in each row; by the root of its part of the entries at the least.

    Not where the bends of the first are no more than three times what noise shows, 1e-16.
    """
    along = directions()
    odd, even = np.zeros((4, 2)), np.zeros((4, 2))
    odd[1] = 4.0
    along_lines(along, lambda t: 3 + t, lambda t: 3 + t)
    one = np.array([0.0, 0.0, 0.0, 1.0])
    for weights, bends, shares in (
        ([8.0, 8.0], 3.1e-16, [0.5, 0.5]),
        ([8.0, 1.25], 3.1e-16, [0.5, 0.8]),
        ([8.0, 8.0], 2.9e-16, [1.0, 1.0]),
        ([0.0, 0.5], 3.1e-16, [1.0, 1.0]),
    ):
        fit = fitted(2, noise=8e-9, odd=odd, even=even, bends=bends)
        with np.errstate(divide="ignore"):
            found = along.again(direction(2, fit, weight=weights), one, exact=False)
        step = np.median(np.cbrt(8e-9 / (8.0 * np.array(shares))))
        assert found.step == close(step)
        bars = 1.5 * 0.71 * 8e-9 / step + 4.0 * np.array(shares) * step**2
        assert found.error == close(bars)


def test_the_complex_step_serves_for_the_search_where_f_takes_it():
    """Else two points do."""
    along = directions()
    fit = fitted(2, noise=8e-9)
    object.__setattr__(along.problem, "complex_along", lambda v: np.array([3.0 - 0.5j, 3.0 + 0.25j]))
    found = along.again(direction(2, fit), V, exact=True)
    assert (found.exact, found.step) == (True, 0.0)
    assert found.residual == pytest.approx([0.0, -0.75], abs=1e-15)
    assert found.error == close(32 * EPS * np.sqrt(5.25))
    object.__setattr__(along.problem, "complex_along", lambda v: None)
    along_lines(along, lambda t: 3 - 0.5 * t, lambda t: 3 + 0.25 * t)
    assert not along.again(direction(2, fit), V, exact=True).exact


# Further directions


def further(along: Directions, *lines: Any, **parts: Any) -> Any:
    """The next one after a first of these parts; its tangent is V."""
    along._tangent = lambda: V
    asked = along_lines(along, *lines)
    rows = len(lines)
    names = ("noise", "odd", "even", "flat", "outer", "bends")
    fit = {name: parts.pop(name) for name in names if name in parts}
    return along.next([direction(rows, fitted(rows, **fit), **parts)]), asked


def coefficients(third: float, fifth: float) -> Any:
    """|b1|, |b3|, |b5|, |b7| of two rows."""
    return np.array([[1.0, 1.0], [third] * 2, [fifth] * 2, [0.0, 0.0]])


def test_four_points_are_taken_where_noise_and_truncation_are_alike():
    """10 b5 (near far)^2 h^4 against n A / h: h^5 = n A / (4 truncation), the same for most rows; 0.3 at most."""
    # (near - wide) near^2 / (far^2 - near^2) added to near: the weights of the four values, by hand.
    share = NEAR**2 / (FAR**2 - NEAR**2)
    amplified = np.sqrt(2.0) * np.hypot((1 + share) / (2 * NEAR), share / (2 * FAR))
    noise, fifth = 1e-12, 2.0
    truncation = 10 * fifth * NEAR**2 * FAR**2
    step = (noise * amplified / (4 * truncation)) ** 0.2

    def line(t: Any) -> Any:
        return 3 + np.sin(t)

    found, asked = further(directions(), line, line, noise=noise, odd=coefficients(0.5, fifth))
    assert found.step == pytest.approx(step, rel=1e-9)
    t = step * positions(FOUR)
    assert sorted(x for _, offsets in asked for x in offsets) == pytest.approx(sorted(t[t != 0]), rel=1e-9)
    assert further(directions(), line, line, noise=noise, odd=coefficients(0.5, 1e-14))[0].step == 0.3


def test_what_nothing_but_noise_shows_of_bends_is_no_larger_than_that():
    """Where the coefficients are noise: what the outer points were off by, or noise over the step, at the first."""
    share = NEAR**2 / (FAR**2 - NEAR**2)
    amplified = np.sqrt(2.0) * np.hypot((1 + share) / (2 * NEAR), share / (2 * FAR))

    def line(t: Any) -> Any:
        return 3 + t

    odd, noise = coefficients(0.5, 1e9), 1e-12
    for outer, hidden in ((1.0 + 1e-6, 1e-6), (1.0, noise * amplified / STEP)):
        found, _ = further(directions(), line, line, noise=noise, odd=odd, flat=True, outer=outer)
        truncation = 10 * hidden / STEP**4
        assert found.step == pytest.approx((noise * amplified / (4 * truncation)) ** 0.2, rel=1e-6)
    # What shows more than noise, or is smaller, counts as it is.
    truncation = 10 * 1e9 * NEAR**2 * FAR**2
    found, _ = further(directions(), line, line, noise=noise, odd=odd, flat=False, outer=1.0)
    assert found.step == pytest.approx((noise * amplified / (4 * truncation)) ** 0.2, rel=1e-6)
    truncation = 10 * 1e-2 * NEAR**2 * FAR**2
    found, _ = further(
        directions(), line, line, noise=noise, odd=coefficients(0.5, 1e-2), flat=True, outer=9.0
    )
    assert found.step == pytest.approx((noise * amplified / (4 * truncation)) ** 0.2, rel=1e-6)


def test_a_small_fifth_derivative_may_be_an_accident():
    """The fourth and the sixth tell: the root of their product."""

    def line(t: Any) -> Any:
        return 3 + t

    even = np.array([[0.0, 0.0], [8.0, 8.0], [0.5, 0.5], [0.0, 0.0]])
    both = further(directions(), line, line, noise=1e-12, odd=coefficients(0.5, 0.1), even=even)[0]
    alone = further(directions(), line, line, noise=1e-12, odd=coefficients(0.5, 2.0))[0]
    assert both.step == close(alone.step)


@pytest.mark.parametrize(
    ("third", "fifth", "bends"), [(0.5, 1e-6, 30.0), (30.0, 1e-6, 30.0), (0.5, 3.0, 30.0), (0.0, 1e-6, 30.0)]
)
def test_the_slope_by_four_points_is_that_of_the_polynomial_through_them(
    third: float, fifth: float, bends: float
):
    """Its bar: the truncation that the first fit tells, larger where b3 is larger here, or 2.5 times what it adds.

    Of what turns so many times as fast b3 is larger by the third power of that, and b5, which is left, by the fifth.

    What it adds to the slope of the straight line by least squares; with the noise of four values, and rounding. Of
    several rows no more than three tenths of what it takes out of the outer chord, where noise hides b3 of most rows.
    """
    noise = 1e-7

    def line(t: Any) -> Any:
        return 3 - 0.5 * t + bends * t**3 + 7 * t**5

    found, _ = further(directions(), line, line, noise=noise, odd=coefficients(third, fifth))
    step = found.step
    t = step * positions(FOUR)
    y = np.array([line(s) for s in t])
    slope = np.polynomial.Polynomial.fit(t, y, 4, domain=[-1, 1], window=[-1, 1]).coef[1]
    plain = (t @ (y - 3)) / (t @ t)
    mine = abs((y[4] - y[0]) / (t[4] - t[0]) - (y[3] - y[1]) / (t[3] - t[1])) / (t[4] ** 2 - t[3] ** 2)
    larger = np.inf if third == 0 else max(1.0, mine / third)
    truncation = 10 * fifth * NEAR**2 * FAR**2 * step**4
    bent = min(truncation * np.cbrt(larger) ** 5, 2.5 * abs(slope - plain))
    taken = abs(slope - (y[4] - y[0]) / (t[4] - t[0]))
    bent = min(bent, max(0.3 * taken, truncation))
    share = NEAR**2 / (FAR**2 - NEAR**2)
    amplified = np.sqrt(2.0) * np.hypot((1 + share) / (2 * NEAR), share / (2 * FAR))
    assert found.residual == pytest.approx(-0.5 - slope, abs=1e-9)
    assert found.error == pytest.approx(bent + noise * amplified / step + EPS * abs(slope), rel=1e-6)


@pytest.mark.parametrize(("times", "first_power"), [(1.0, True), (2.0, True), (10.0, False), (30.0, False)])
def test_along_a_tangent_with_bends_that_are_shorter_bars_grow_by_the_power_five_thirds(
    times: float, first_power: bool
):
    """Rows that turn 30 times as fast along the second direction: of third order 27,000 times more is seen.

    Of fifth order, which four points leave, it is 24.3 million times: more than the tenfold margin of the first power.
    The neighbour, a claim that is off by eight bars, stands out along the same points.
    """
    odd, rate = np.array([[0.1] * 2, [0.1**3 / 6] * 2, [0.1**5 / 120] * 2, [0.1**7 / 5040] * 2]), 0.1 * times

    def next_one(claimed: float) -> Any:
        matrix = Dense(np.full((2, 4), claimed / V.sum()))
        along = directions(2, matrix=matrix, tolerance=Tolerance(0.0), eps=0.0)
        return further(along, *[lambda t: 3 + np.sin(rate * t)] * 2, noise=1e-16, odd=odd)[0]

    right = next_one(rate)
    assert not right.exceeds[0]
    assert right.off[0] <= right.error[0]
    bar = float(right.error[0])
    for off in (-8.0 * bar, 8.0 * bar):
        wrong = next_one(rate + off)
        assert wrong.error[0] == close(bar)
        assert wrong.exceeds[0]
    # The rest is rounding of values of 3.
    told = 10.0 * odd[2, 0] * NEAR**2 * FAR**2 * right.step**4 * times**3
    assert bool(right.off[0] <= 3.0 * (told + 4.0 * EPS * AMPLIFIED / right.step)) is first_power


@pytest.mark.parametrize("rows", [1, 3])
def test_a_row_that_hardly_bent_along_the_first_direction_bends_as_the_others_do(rows: int):
    """Among others by ten times the h^2 b5 / b3 of most, of what its rule takes out; alone by 2.5 times what it adds.

    Along the first its b3 was a millionth of what it is here.
    """
    noise, bent = 1e-12, (lambda t: 3 - 0.5 * t + 30.0 * t**3)
    third = np.array([30e-6, 30.0, 30.0])[:rows]
    odd = np.stack([np.ones(rows), third, np.full(rows, 1e-3), np.zeros(rows)])
    bends = np.array([[1e-9, 1e-3, 1e-3], [1e-12] * 3, [1e-12] * 3])[:, :rows]
    fit = fitted(rows, bends=bends)
    assert np.isfinite(fifth_over_third(fit)).tolist() == [True] * rows
    along = directions(rows)
    found, _ = further(along, *[bent] * rows, noise=noise, odd=odd, bends=bends)
    step = found.step
    near, wide = 30.0 * (NEAR * step) ** 2, 30.0 * step**2
    value = (near * FAR**2 - wide * NEAR**2) / (FAR**2 - NEAR**2)
    assert value == pytest.approx(0.0, abs=1e-12)
    # By least squares a straight line has the chords' slopes weighted by the squares of their ends.
    plain = (near * NEAR**2 + wide * FAR**2) / (NEAR**2 + FAR**2)
    share = NEAR**2 / (FAR**2 - NEAR**2)
    rest = noise * np.sqrt(2.0) * np.hypot((1 + share) / (2 * NEAR), share / (2 * FAR)) / step + 0.5 * EPS
    truncation = 10 * 1e-3 * NEAR**2 * FAR**2 * step**4
    # Of b3 a million times: of b5 as much of one row, and 1e6^(5/3) of one of several.
    alone = min(truncation * (1e6 if rows == 1 else 1e10), 2.5 * plain)
    rate = 10.0 * step**2 * float(np.median(fifth_over_third(fit)))
    expected = alone if rows == 1 else max(rate * wide, truncation)
    assert expected < alone / 10.0 or rows == 1
    assert found.error[0] == pytest.approx(expected + rest, rel=1e-3)
    assert np.abs(found.residual[1:]) == pytest.approx(np.zeros(rows - 1), abs=1e-9)
    # Those that bent have the bar that the first direction tells.
    assert found.error[1:] == pytest.approx(np.full(rows - 1, truncation + rest), rel=1e-3)


def test_the_bar_of_four_points_holds_the_rounding_of_their_values_and_of_the_slope():
    """Of a straight line through 0 nothing else: half a unit of the largest value, A / h times, and of the slope."""
    along = directions(f_x=np.zeros(2))
    share = NEAR**2 / (FAR**2 - NEAR**2)
    amplified = np.sqrt(2.0) * np.hypot((1 + share) / (2 * NEAR), share / (2 * FAR))
    slopes = 1e6 * np.array([np.pi, np.e])
    straight = (lambda t: slopes[0] * t, lambda t: -slopes[1] * t)
    found, _ = further(along, *straight, odd=coefficients(0.5, 0.0))
    assert found.step == 0.3
    assert found.error == close(EPS * (amplified + 1.0) * slopes, rel=1e-9)
    # Points of a coarser dtype lie beside their line by so much of their step.
    along._weight = np.array([2.0, 3.0])
    vars(along.problem)["eps_of_x"] = 1e-3
    found, _ = further(along, *straight, odd=coefficients(0.5, 0.0))
    assert found.error == close(0.5 * 1e-3 * amplified * along._weight, rel=1e-6)


def test_further_directions_off_the_domain_say_nothing():
    """Four points or eight."""

    def nowhere(t: Any) -> Any:
        return np.nan

    for noisy in (False, np.array([True, True])):
        found, _ = further(
            directions(), nowhere, nowhere, noise=1e-9, odd=coefficients(1.0, 1.0), noisy=noisy
        )
        assert np.isinf(found.error).all()


def test_a_noisy_direction_is_followed_by_longer_ones_of_eight_points():
    """Their own fit tells; noise knows nothing of v, and stays known as noise."""

    def line(t: Any) -> Any:
        return 3 - 0.5 * t

    found, asked = further(directions(), line, line, noise=1e-9, noisy=np.array([True, False]))
    assert sum(len(offsets) for _, offsets in asked) == 8
    assert found.step == pytest.approx(0.03)
    assert found.noisy.tolist() == [True, False]
    assert found.residual == pytest.approx([0.0, 0.0], abs=1e-12)
    assert found.fit is not None


def test_the_complex_step_is_followed_by_others_until_f_refuses_it():
    """Then four points tell."""
    along = directions()
    object.__setattr__(along.problem, "complex_along", lambda v: np.array([3.0 - 0.5j, 3.0 + 0.25j]))

    def line(t: Any) -> Any:
        return 3 - 0.5 * t

    found, asked = further(along, line, line, exact=True)
    assert (found.exact, asked) == (True, [])
    assert found.residual == pytest.approx([0.0, -0.75], abs=1e-15)
    object.__setattr__(along.problem, "complex_along", lambda v: None)
    assert not further(along, line, line, exact=True)[0].exact


def test_four_points_that_bore_a_complex_step_out_do_not_tell_what_four_leave():
    """Where f refuses the next one eight are taken, as where they are asked for."""

    def line(t: Any) -> Any:
        return 3 - 0.5 * t

    fit = fitted(2, noise=1e-12, odd=coefficients(0.5, 2.0))
    for known, eight, points in (
        (fit, False, 4),
        (fit, True, 8),
        (replace(fit, odd=fit.odd[:2], even=fit.even[:2]), False, 8),
    ):
        along = directions()
        along._tangent = lambda: V
        object.__setattr__(along.problem, "complex_along", lambda v: None)
        asked = along_lines(along, line, line)
        found = along.next([direction(2, known, exact=True)], eight=eight)
        assert sum(len(offsets) for _, offsets in asked) == points
        assert (found.exact, found.noisy) == (False, False)
        assert found.residual == pytest.approx([0.0, 0.0], abs=1e-9)


NOISE = 1e-9


def in_noise(
    line: Any, *, steps: Any = (0.01, 0.03, 0.09), claimed: Any = 1.0, **parts: Any
) -> tuple[Any, list[int]]:
    """What follows directions of eight points at these steps, flat with a scatter of 1e-9; and the points asked for."""
    along = directions(1)
    along._tangent = lambda: V
    asked = along_lines(along, line)
    noisy = np.array([True])
    parts = {"flat": True, "spread": NOISE, "noise": 2.0 * NOISE, "bends": NOISE} | parts
    before = [direction(1, fitted(1, step=h, **parts), step=h, noisy=noisy) for h in steps]
    return along.next(before), [len(offsets) for _, offsets in asked]


def test_of_noisy_directions_of_eight_points_three_are_tried_each_three_times_as_long():
    """0.3 at the most; then four points, at the part of the longest that noise and what it hides leave most of."""

    def line(t: Any) -> Any:
        return 3 - 0.5 * t

    for steps, expected in (((0.01,), 0.03), ((0.01, 0.03), 0.09), ((0.2,), 0.3)):
        found, asked = in_noise(line, steps=steps)
        assert (found.step, sum(asked)) == (pytest.approx(expected), 8)
        assert found.hidden is None
    for steps in ((0.01, 0.03, 0.09), (0.3,)):
        found, asked = in_noise(line, steps=steps)
        assert sum(asked) == 4
        assert max(steps) / 8.0 < found.step < max(steps) / 2.0
        assert found.fit is None
        assert found.residual == pytest.approx(0.0, abs=1e-12)


def test_where_noise_is_known_six_longer_steps_are_tried():
    """Else three."""
    test = joint_test(1)
    for probed, tried in ((None, 3), (np.ones(1), 6)):
        along = Directions(
            test.problem,
            test.along.scaling,
            np.random.default_rng(0),
            exact=False,
            fixed=test.along.fixed,
            probed=probed,
        )
        assert along.tried == tried


def test_noise_counts_against_four_points_as_an_accusation_alone():
    """The residual may lack what bends hide, not what noise adds: that is independent of v."""
    found, _ = in_noise(lambda t: 3 - 0.5 * t)
    amplified = np.hypot(FAR**2 / NEAR, NEAR**2 / FAR) / (np.sqrt(2.0) * (FAR**2 - NEAR**2))
    assert found.error == pytest.approx(found.hidden + amplified * 2.0 * NOISE / found.step)
    assert found.most == pytest.approx(np.abs(found.residual) + found.hidden)
    assert found.hidden < found.error / 2.0


def test_what_four_points_accuse_of_eight_of_them_look_at():
    """They see kinks between them."""
    found, asked = in_noise(lambda t: 3 - 0.5 * t + 1e-4 * np.tanh(t / 1e-3))
    assert sum(asked) == 4 + 8
    assert found.step == 0.09
    assert found.fit is not None


def test_along_a_tangent_with_more_bends_four_points_count_what_they_took_out():
    """Of a line with hardly any bend along the first, and t^3 along this one."""
    straight, _ = in_noise(lambda t: 3 - 0.5 * t)
    bent, asked = in_noise(lambda t: 3 - 0.5 * t + t**3)
    assert sum(asked) == 4
    assert bent.hidden > 10.0 * straight.hidden
    assert np.abs(bent.residual) <= bent.hidden


# The first direction


def first_of(
    f: Any,
    gradient: Any,
    x: Any,
    *,
    exact: bool = True,
    fixed: Any = None,
    step: Any = None,
    enough: float = np.inf,
    held: float = 1.0,
    max_nfev: int | None = None,
) -> Any:
    """The first direction of a claim about a scalar f, and the calls of f."""
    parameters, flat = Parameters.of(np.asarray(x, float))
    objective = Objective(f, parameters, max_nfev=max_nfev)
    claim = Problem(
        objective, flat, np.array([objective.value(flat)]), parameters.scales(flat), Tolerance(1e-6),
        matrix=Dense(np.atleast_2d(gradient)),
    )  # fmt: skip
    fixed = np.zeros(1, bool) if fixed is None else fixed
    along = Directions(
        claim,
        replace(scaling_of(claim, np.zeros(flat.size, bool)), held=held),
        np.random.default_rng(0),
        exact=exact,
        fixed=fixed,
        enough=enough,
    )
    return along.first(step), along, objective.nfev - 1


X = np.array([0.4, 0.7, 1.1, 1.6])


def squares(x: Any) -> Any:
    """A sum of squares."""
    return np.sum(x**2)


def test_a_complex_step_that_four_points_confirm_is_taken():
    """One call with complex numbers and four with real ones; one that refuses them takes eight more."""
    found, along, nfev = first_of(squares, 2 * X, X)
    assert (found.exact, along.exact, nfev) == (True, True, 5)
    assert abs(found.residual[0]) <= found.error[0]
    found, along, nfev = first_of(lambda x: float(squares(x)), 2 * X, X)
    assert (found.exact, along.exact, nfev) == (False, False, 9)
    assert first_of(squares, 2 * X, X, exact=False)[2] == 8


def either(f: Any) -> Any:
    """A complex value for complex numbers, a real one for others."""
    return lambda x: f(x) if np.iscomplexobj(x) else float(np.real(f(x)))


@pytest.mark.parametrize(
    ("f", "nfev"),
    [
        # What real points deny is not asked again nearer to x.
        (lambda x: np.sum(np.real(x) ** 2) + 1j * np.sum(np.imag(x)), 13),
        (lambda x: np.sum(np.real(x) ** 2) + 0j * np.sum(x), 13),
        # Another f(x) needs none.
        (lambda x: np.sum(x**2) + (1e-6 if np.iscomplexobj(x) else 0.0), 9),
    ],
)
def test_a_complex_step_that_is_none_is_not_believed(f: Any, nfev: int):
    """Another slope, a slope of 0, another f(x): eight real points tell, along a direction of their own."""
    for left in (None, 1 + 5 + 15):
        found, along, count = first_of(either(f), 2 * X, X, max_nfev=left)
        assert (found.exact, along.exact) == (False, False)
        assert abs(found.residual[0]) <= 3 * found.error[0]
        assert count == nfev


@pytest.mark.parametrize("part", [1e-2, 1e-3])
def test_a_small_part_that_drops_the_imaginary_part_is_seen(part: float):
    """Of a steep f a norm; as large, a complex one stands beside what real points know."""

    def f(x: Any, norm: Any) -> Any:
        return np.sum(np.exp(3.0 * x)) + 100.0 * part * norm(x)

    def dropped(x: Any) -> Any:
        return np.sum(np.abs(x) ** 2)

    gradient = 3.0 * np.exp(3.0 * X) + 200.0 * part * X
    found, _, _ = first_of(either(lambda x: f(x, dropped)), gradient, X)
    assert not found.exact
    assert abs(found.residual[0]) <= 3 * found.error[0]
    found, _, nfev = first_of(either(lambda x: f(x, squares)), gradient, X)
    assert (found.exact, nfev) == (True, 5)


def test_four_points_nearer_yet_may_bear_a_complex_step_out():
    """A sine of 100 x, which bends by as much as it rises between the first ones; none where few calls are left.

    Between these halvings tell that it is continuous: what it bends by is a sixteenth after a few.
    """

    def f(x: Any) -> Any:
        return 1e3 + np.sum(np.sin(100.0 * x))

    gradient = 100.0 * np.cos(100.0 * X)
    found, _, nfev = first_of(f, gradient, X)
    assert (found.exact, nfev) == (True, 1 + 4 + 4 + 5)
    assert abs(found.residual[0]) <= found.error[0]
    assert np.log2(found.step) % 1.0 == pytest.approx(0.0, abs=1e-9)
    # f(x), the complex step and four points come before that; then sixteen are to be left.
    for left, exact in ((1 + 5 + 16, True), (1 + 5 + 15, False)):
        assert first_of(f, gradient, X, max_nfev=left)[0].exact is exact


@pytest.mark.parametrize(("offset", "exact"), [(1e8, True), (1e11, True), (1e15, False)])
def test_where_values_round_real_points_know_one_digit_of_a_complex_step(offset: float, exact: bool):
    """At the first step, which is the longest: beside an f(x) of 1e15 they know none."""
    found, _, nfev = first_of(lambda x: squares(x) + offset, 2 * X, X)
    assert found.exact is exact
    assert nfev == (1 + 4 + 4 if exact else 1 + 4 + 4 + 8)
    assert not exact or found.step == 2.0**-7


def waves(x: Any) -> float:
    """A sum of sines beside 1000, which rounds to 1e-13."""
    return float(np.sum(np.sin(x))) + 1e3


@pytest.mark.parametrize(
    ("beside", "rounded"),
    [
        (lambda x: 0.0, True),
        # Noise of a size of its own, a kink at x, and values on a grid are told as before.
        (lambda x: 1e-9 * np.sin(1e9 * np.sum(x)), False),
        (lambda x: 1e-6 * np.abs(x - X).sum(), False),
        (lambda x: round(waves(x), 10) - waves(x), False),
    ],
)
def test_what_values_round_by_knows_nothing_of_the_tangent(beside: Any, rounded: bool):
    """Eight points that scatter by it: the residual of a right claim lacks one E beside it, not three.

    Four points lack three times what f bends by.
    """
    first, along, _ = first_of(lambda x: waves(x) + float(beside(x)), np.cos(X), X, exact=False)
    assert np.all(first.rounded) == rounded
    assert first.bar[0] == close((1.0 if rounded else 3.0) * first.error[0])
    more = along.next([first], eight=True)
    assert np.all(more.rounded) == rounded
    four = along.next([first])
    assert (four.bar[0] < 0.8 * 3.0 * four.error[0]) == rounded
    # Points of a coarser dtype lie beside their line.
    vars(along.problem)["eps_of_x"] = 1e-3
    assert not np.any(along.rounded(first.fit))


def test_a_large_tangent_is_drawn_again_beside_the_complex_point(monkeypatch: pytest.MonkeyPatch):
    """It takes no memory meanwhile, and is the same; what is claimed along it is asked for once."""
    asked = []

    class Counting(Dense):
        def product(self, tangent: Any) -> Any:
            asked.append(tangent)
            return super().product(tangent)

    found = []
    for kept in (4, 3):
        monkeypatch.setattr(directions_module, "KEPT", kept)
        first, along, nfev = first_of(squares, 2 * X, X)
        asked.clear()
        along.problem = replace(along.problem, matrix=Counting(2 * X[None]))
        second = along.next([first])
        assert (first.exact, second.exact, nfev, len(asked)) == (True, True, 5, 1)
        assert (along._before is None) is (kept == 4)
        found.append([*first.tangent, *first.residual, *second.tangent, *second.residual])
        for each in (first, second):
            assert each.error == close(32 * EPS * np.linalg.norm(2 * X * each.tangent))
    assert found[0] == found[1]


def test_where_the_entries_are_not_known_the_first_direction_tells_the_sizes_of_rows():
    """As evenly as they move f, 1/4 here: 1/4 of the root of 5.25 over that of three that move."""
    for matrix, sizes in ((np.ones((2, 4)), [1.0, 1.0]), (np.array([[0.0] * 4, [1.0] * 4]), [1.0, 1.0])):
        along = directions(matrix=Dense(matrix))
        along.scaling = replace(along.scaling, lengths=np.array([1.0, 2.0, 0.0, 4.0]), even=0.25)
        along.moved, along.sizes = 3, np.zeros(2)
        along._tangent = lambda: V
        along_lines(along, lambda t: 3 - 0.5 * t, lambda t: 3 - 0.5 * t)
        assert along.first(0.01) is not None
        assert along.sizes == close(0.25 * np.sqrt(5.25) / np.sqrt(3.0) * np.array(sizes))
    known = directions()
    known._tangent = lambda: V
    along_lines(known, lambda t: 3 - 0.5 * t, lambda t: 3 - 0.5 * t)
    known.first(0.01)
    assert known.sizes.tolist() == [1.0, 1.0]


def test_four_points_keep_the_step_that_was_chosen_for_the_rows_open_at_first():
    """The first row bends and the second does not: what few rows show of bends may be small by accident."""
    odd = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    for at_first, bends in (([True, True], True), ([False, True], False)):
        along, first = directions(), direction(2, fitted(2, odd=odd, noise=1e-16))
        along_lines(along, lambda t: 3.0 + t, lambda t: 3.0 + t)
        along.pending, steps = np.array(at_first), []
        for _ in range(2):
            steps.append(along.next([first]).step)
            along.pending = np.array([False, True])
        assert steps[0] == steps[1]
        assert (steps[0] < 0.1) is bends


def test_directions_take_over_what_others_told_of_f():
    """The terms of the first claim, which rows move, and which lie on a grid."""
    before, after = directions(), directions()
    before._weight, before._shown = np.array([2.0, 3.0]), np.array([True, False])
    before.gridded = np.array([False, True])
    before._reached = 0.25
    after.follow(before)
    assert after._reached == 0.25
    del after.__dict__["rounding_of_x"]
    assert (after._weight.tolist(), after._shown.tolist()) == ([2.0, 3.0], [True, False])
    assert after.gridded.tolist() == [False, True]


@pytest.mark.parametrize(
    ("lengths", "step", "longest"),
    [
        # A part of the length over which f changes by its own size; no less than one of x.
        ([1.0, 10.0, 1000.0], 3.0, 30.0), ([1.0, 200.0, 1000.0], 60.0, 60.0), ([0.1, 0.5, 9.0], 0.3, 30.0),
        # Rows of which nothing is claimed have no length.
        ([np.inf, np.inf, 10.0], 3.0, 30.0), ([np.inf] * 3, 0.3, 30.0),
        # Farther away x is less than a rounding of the points.
        ([1e40] * 3, 0.3 / EPS, 0.3 / EPS),
    ],
)  # fmt: skip
def test_in_noise_that_is_known_steps_may_be_longer_than_x(lengths: Any, step: float, longest: float):
    """Thirty times, or as far as f takes to change."""
    along = directions(3, f_x=np.full(3, -6.0))
    along._weight = 6.0 / np.array(lengths)
    with np.errstate(divide="ignore"):
        assert along.go_farther() == close(step)
    assert along.longest == close(longest)


def test_a_row_of_zeros_beside_one_that_moves_needs_no_slope():
    """The complex step may be 0 where 0 is claimed; where something is claimed that is no confirmation."""
    parameters, flat = Parameters.of(X)
    for claim, exact in ((np.zeros(4), True), (np.full(4, 1e-6), False)):
        objective = Objective(
            lambda x: np.array([np.sum(x**2), np.pi + 0.0 * np.sum(x)]), parameters, several=True
        )
        problem = Problem(
            objective, flat, objective.at(X)[0], parameters.scales(flat), Tolerance(1e-6),
            matrix=Dense(np.stack([2 * X, claim])),
        )  # fmt: skip
        scaling = scaling_of(problem, np.zeros(4, bool))
        along = Directions(problem, scaling, np.random.default_rng(0), exact=True, fixed=np.zeros(2, bool))
        found = along.first(None)
        assert found is not None
        assert found.exact is exact


def test_a_row_that_is_fixed_needs_no_confirmation():
    """What its complex step shows is of no interest."""

    def f(x: Any) -> Any:
        return np.sum(np.real(x) ** 2) + 0j * np.sum(x) if np.iscomplexobj(x) else float(np.sum(x**2))

    assert first_of(f, 2 * X, X, fixed=np.array([True]))[0].exact


def test_the_first_step_is_a_hundredth_of_the_length_over_which_f_changes():
    """|f(x)| over its slope along v, a thousandth of x at the least and x at the most; a power of two."""
    for offset, expected in ((0.0, None), (1e6, 2.0**-7), (-float(squares(X)) + 1e-5, 2.0**-17)):
        found, _, _ = first_of(lambda x, c=offset: float(squares(x)) + c, 2 * X, X)
        weight = np.linalg.norm(2 * X * found.tangent)
        length = np.clip(abs(float(squares(X)) + offset) / weight, 1e-3, 1.0)
        assert found.step == 2.0 ** round(np.log2(0.01 * length))
        assert expected is None or found.step == expected
    # What is left of a root of f says nothing of a length: a tenth of x.
    found, _, _ = first_of(lambda x: float(squares(x)) - float(squares(X)), 2 * X, X)
    assert found.step == 2.0**-10
    assert first_of(lambda x: float(squares(x)), 2 * X, X, step=0.125)[0].step == 0.125


def test_where_no_row_has_a_length_the_first_step_is_a_hundredth_of_x():
    """Nothing is claimed of f; of one that changes by its size in a billionth of x a tenth of that, as of a root."""
    with np.errstate(divide="ignore", invalid="ignore"):
        assert first_step(np.array([1.0, 0.0]), np.zeros(2), None, 1.0) == 2.0**-7
    assert first_step(np.array([1e-9, 0.0]), np.ones(2), None, 1.0) == 2.0**-10


@pytest.mark.parametrize(
    ("offset", "times", "held", "step"),
    [
        (1e7, 0.5, 10.0, 2.0**-7),
        (1e7, 3.0, 10.0, 2.0**-5),
        (1e7, 100.0, 10.0, 2.0**-4),
        (1e7, 100.0, 3.0, 2.0**-5),
        (1e7, 100.0, 1.0, 2.0**-7),
        (5.0, 100.0, 10.0, 2.0**-6),
    ],
)
def test_where_rounding_would_ask_for_more_directions_the_first_step_is_longer(
    offset: float, times: float, held: float, step: float
):
    """Up to eight times, as far as arrays are held back, and no part of the length over which f changes by its size.

    E h is thirty roundings.

    f(x) of 5 + 4.42 is 1.8 times its slope along v, which is 5.24 here.
    """

    def f(x: Any) -> float:
        return float(squares(x)) + offset

    sizes = first_of(f, 2 * X, X)[1].sizes
    enough = float(30.0 * EPS * f(X) / sizes[0]) / 0.01 / times
    assert first_of(f, 2 * X, X, enough=enough, held=held)[0].step == step
    # The complex step does not round so; four points that bear it out are nearer, but where they do.
    first = first_of(lambda x: squares(x) + offset, 2 * X, X, enough=enough, held=held)[0]
    assert first.step == 2.0 ** (-7 if offset > 1e6 else -12)


def test_off_the_domain_there_is_no_first_direction():
    """By eight points or by four."""

    def real(x: Any) -> Any:
        return float(squares(x)) if (x == X).all() else np.nan

    def entire(x: Any) -> Any:
        return squares(x) if (np.real(x) == X).all() else np.nan

    for f in (real, entire):
        assert first_of(f, 2 * X, X)[0] is None


def test_what_points_may_round_by_is_half_a_unit_of_each_term():
    """|x_j J_ij| as the root of the sum of squares; of products alone, what the first direction tells."""
    along = directions()
    del along.__dict__["rounding_of_x"]
    assert along.rounding_of_x == close(0.5 * EPS * np.linalg.norm(np.linspace(1.0, 2.0, 4)))


def test_no_step_is_longer_than_asked_for():
    """STEP of the helpers, by which the tests above are built."""
    assert direction(1, fitted(1)).step == STEP
