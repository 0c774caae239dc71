"""Each mutation does what its name says and nothing else, and says so where it changes nothing."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest

from gradcheck import mutations as m
from gradcheck import power


@dataclasses.dataclass(frozen=True)
class Layer:
    """A parameter tree as users write them."""

    W: Any
    b: Any


class Pair(NamedTuple):
    """A named tuple: rebuilt with positional arguments."""

    first: Any
    second: Any


VECTOR = np.array([3.0, -2.0, 0.0, 5e-4, 1.5])
POINT = np.array([1.0, -2.0, 0.5, 4.0, 0.25])


def apply(mutation: m.Mutation, gradient: Any, x: Any = None, seed: int = 0) -> Any:
    """Apply with a fresh generator, and hold that neither argument is written to."""
    x = gradient if x is None else x
    before = pickle.dumps((gradient, x))
    wrong = mutation.apply(gradient, x, np.random.default_rng(seed))
    assert pickle.dumps((gradient, x)) == before
    return wrong


def changed(wrong: np.ndarray, right: np.ndarray = VECTOR) -> np.ndarray:
    """Return the flat indices at which two arrays differ."""
    return np.flatnonzero(wrong.ravel() != right.ravel())


@pytest.mark.parametrize("factor", [2.0, 0.5, 1.1, 1.01, 1.001])
def test_all_scaled_multiplies_every_entry(factor):
    """Every entry times the factor: the definition."""
    np.testing.assert_array_equal(apply(m.all_scaled(factor), VECTOR), VECTOR * factor)


def test_all_negated_changes_every_sign():
    """The sign of the whole gradient."""
    np.testing.assert_array_equal(apply(m.ALL_NEGATED, VECTOR), -VECTOR)


def test_all_zeroed_is_the_gradient_that_does_nothing():
    """An identically zero gradient."""
    np.testing.assert_array_equal(apply(m.ALL_ZEROED, VECTOR), np.zeros(5))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("mutation", "expected"),
    [
        (m.ONE_NEGATED, lambda v: -v),
        (m.ONE_ZEROED, lambda v: 0.0),
        (m.ONE_NAN, lambda v: np.nan),
        (m.one_scaled(1.1), lambda v: v * 1.1),
        (m.one_scaled(1.001), lambda v: v * 1.001),
    ],
)
def test_one_entry_is_changed_and_never_a_zero(mutation, expected, seed):
    """Exactly one entry changes, as the name says; the entry that is zero is never chosen."""
    wrong = apply(mutation, VECTOR, seed=seed)
    (index,) = changed(wrong)
    assert index != 2
    np.testing.assert_equal(wrong[index], expected(VECTOR[index]))


def test_the_entry_is_drawn_from_the_seed():
    """Equal seeds hit the same entry; among twenty seeds every entry that is not zero is hit."""
    places = [changed(apply(m.ONE_ZEROED, VECTOR, seed=seed))[0] for seed in range(20)]
    again = [changed(apply(m.ONE_ZEROED, VECTOR, seed=seed))[0] for seed in range(20)]
    assert places == again
    assert set(places) == {0, 1, 3, 4}


def test_small_scaled_hits_only_an_entry_below_a_thousandth_of_the_largest():
    """5e-4 is the only entry that is small beside 3 and not zero."""
    for seed in range(5):
        wrong = apply(m.small_scaled(2.0), VECTOR, seed=seed)
        np.testing.assert_array_equal(changed(wrong), [3])
        assert wrong[3] == 1e-3


def test_small_scaled_does_not_apply_without_a_small_entry():
    """The neighbour of the above: entries of one size, and one at two thousandths of the largest."""
    assert apply(m.small_scaled(2.0), np.array([1.0, 0.0, 2.0])) is None
    assert apply(m.small_scaled(2.0), np.array([1.0, 2e-3])) is None


def test_a_change_below_the_rounding_of_the_dtype_is_none():
    """Times 1 + 1e-9 changes a float64 gradient, and nothing in float32."""
    assert apply(m.all_scaled(1 + 1e-9), np.ones(3)) is not None
    assert apply(m.all_scaled(1 + 1e-9), np.ones(3, np.float32)) is None


@pytest.mark.parametrize(("mutation", "power"), [(m.ALL_TIMES_LENGTH, 1), (m.ALL_DIVIDED_BY_LENGTH, -1)])
def test_length_factors_take_a_length_of_an_axis(mutation, power):
    """Over the seeds, both lengths of a 3 x 7 array are used, and no other factor."""
    right = np.ones((3, 7))
    factors = {float(apply(mutation, right, seed=seed)[0, 0]) for seed in range(20)}
    assert factors == {3.0**power, 7.0**power}


def test_transposed_needs_a_square_array_that_is_not_symmetric():
    """A square array is transposed; vectors, oblong and symmetric arrays are not changed, hence None."""
    square = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(apply(m.TRANSPOSED, square), square.T)
    assert apply(m.TRANSPOSED, VECTOR) is None
    assert apply(m.TRANSPOSED, np.ones((2, 3))) is None
    assert apply(m.TRANSPOSED, square + square.T) is None


def test_transposed_chooses_the_array_to_which_it_applies():
    """In a tree the vector stays and the square matrix is transposed."""
    tree = {"b": np.arange(2.0), "W": np.array([[1.0, 2.0], [3.0, 4.0]])}
    wrong = apply(m.TRANSPOSED, tree)
    np.testing.assert_equal(wrong, {"b": tree["b"], "W": tree["W"].T})


@pytest.mark.parametrize("seed", range(5))
def test_swapped_exchanges_two_different_values(seed):
    """Two places change, and the values are the same as before in another order."""
    wrong = apply(m.SWAPPED, VECTOR, seed=seed)
    assert changed(wrong).size == 2
    np.testing.assert_array_equal(np.sort(wrong), np.sort(VECTOR))


def test_swapped_does_not_apply_to_equal_values():
    """Exchanging equal entries changes nothing."""
    assert apply(m.SWAPPED, np.ones(4)) is None
    assert apply(m.SWAPPED, np.array([2.0])) is None


def test_shifted_moves_every_entry_by_one():
    """The last entry comes first; a constant array is not changed."""
    np.testing.assert_array_equal(apply(m.SHIFTED, VECTOR), [1.5, 3.0, -2.0, 0.0, 5e-4])
    assert apply(m.SHIFTED, np.ones(4)) is None


def test_row_zeroed_clears_one_row_of_a_matrix():
    """One row of the two that are not zero; a vector has no rows."""
    right = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]])
    rows = set()
    for seed in range(10):
        wrong = apply(m.ROW_ZEROED, right, seed=seed)
        (row,) = np.flatnonzero(np.any(wrong != right, axis=1))
        np.testing.assert_array_equal(wrong[row], [0.0, 0.0])
        rows.add(int(row))
    assert rows == {0, 2}
    assert apply(m.ROW_ZEROED, VECTOR) is None


def test_array_zeroed_clears_one_of_several_arrays():
    """One whole array, never one that is zero already; a single array is `ALL_ZEROED`'s business."""
    tree = [np.ones(2), np.zeros(3), np.ones((2, 2))]
    for seed in range(5):
        wrong = apply(m.ARRAY_ZEROED, tree, seed=seed)
        cleared = [k for k in range(3) if not np.array_equal(wrong[k], tree[k])]
        assert cleared in ([0], [2])
        assert not wrong[cleared[0]].any()
    assert apply(m.ARRAY_ZEROED, VECTOR) is None


@pytest.mark.parametrize(("mutation", "sign"), [(m.decay_added(0.1), 1), (m.decay_dropped(0.1), -1)])
def test_decay_is_proportional_to_x(mutation, sign):
    """The difference is lambda x, its largest entry a tenth of the largest gradient: 0.1 * 3 / 4 * x."""
    wrong = apply(mutation, VECTOR, POINT)
    # Rounding of one addition and one subtraction of numbers below 4.
    np.testing.assert_allclose(wrong - VECTOR, sign * 0.075 * POINT, rtol=0, atol=2e-15)


def test_decay_does_not_apply_at_the_origin():
    """Lambda times zero changes nothing."""
    assert apply(m.decay_added(), VECTOR, np.zeros(5)) is None


def test_offset_is_the_same_in_every_entry():
    """A tenth of the largest entry, or of one where the gradient is zero."""
    # Rounding of one addition and one subtraction of numbers below 4.
    np.testing.assert_allclose(apply(m.offset(0.1), VECTOR) - VECTOR, np.full(5, 0.3), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(apply(m.offset(0.1), np.zeros(2)), [0.1, 0.1])


def test_truncated_drops_the_fractions():
    """As an integer array does; whole numbers are not changed."""
    np.testing.assert_array_equal(apply(m.TRUNCATED, VECTOR), [3.0, -2.0, 0.0, 0.0, 1.0])
    assert apply(m.TRUNCATED, np.array([1.0, -7.0])) is None


def test_float32_rounding_keeps_the_dtype_and_loses_digits():
    """0.1 becomes the float32 nearest to it; 0.5 is a float32 already; beyond its range it does not apply."""
    wrong = apply(m.FLOAT32_ROUNDING, np.array([0.1, 0.5]))
    assert wrong.dtype == np.float64
    np.testing.assert_array_equal(wrong, [float(np.float32(0.1)), 0.5])
    assert apply(m.FLOAT32_ROUNDING, np.array([0.5])) is None
    assert apply(m.FLOAT32_ROUNDING, np.array([1e300])) is None


def test_stale_is_the_gradient_at_a_point_nearby():
    """Of sum(x^2), 2 (x + d) with |d| one per cent of each |x|; a constant gradient is not changed."""
    wrong = apply(m.stale(lambda x: 2 * x), 2 * POINT, POINT)
    # Two roundings of the sum and one of the quotient below.
    np.testing.assert_allclose(np.abs(wrong / (2 * POINT) - 1), np.full(5, 0.01), rtol=1e-12)
    assert apply(m.stale(np.ones_like), np.ones(5), POINT) is None


def test_stale_moves_away_from_the_origin():
    """At x = 0 there is no scale; the distance is absolute."""
    wrong = apply(m.stale(lambda x: 2 * x), np.zeros(3), np.zeros(3))
    np.testing.assert_array_equal(np.abs(wrong), np.full(3, 0.02))
    again = apply(m.stale(lambda x: 2 * x, distance=0.5), np.zeros(3), np.zeros(3))
    np.testing.assert_array_equal(np.abs(again), np.ones(3))


def test_mutations_of_a_zero_gradient_say_that_they_change_nothing():
    """Zero scaled, negated, transposed or swapped is zero: None, never a copy that passes for wrong."""
    zero = np.zeros((3, 3))
    additive = {"constant offset", "lambda x added", "lambda x dropped"}
    applied = {
        mutation.name
        for mutation in m.standard_mutations()
        if apply(mutation, zero, np.ones((3, 3))) is not None
    }
    assert applied == additive


@pytest.mark.parametrize("mutation", m.standard_mutations(lambda x: x), ids=lambda mutation: mutation.name)
def test_structure_types_and_dtypes_are_kept(mutation):
    """Dict, list, tuple, named tuple, dataclass, scalar and array come back as such, float32 as float32."""
    rng = np.random.default_rng(3)
    tree = {
        "layers": [
            Layer(rng.normal(size=(2, 2)), rng.normal(size=2).astype(np.float32)),
            (np.full(1, 1.5), np.float32(2.5)),
        ],
        "pair": Pair(np.array(0.7), rng.normal(size=3).astype(np.longdouble)),
        "tiny": 1e-5,
        "empty": np.zeros((0, 3)),
    }
    wrong = apply(mutation, tree)
    layer, (array, small) = wrong["layers"]
    assert isinstance(layer, Layer)
    assert isinstance(wrong["pair"], Pair)
    assert array.shape == (1,)
    assert isinstance(small, np.float32)
    assert layer.W.shape == (2, 2)
    assert layer.b.dtype == np.float32
    assert np.shape(wrong["pair"].first) == ()
    assert wrong["pair"].second.dtype == np.longdouble
    assert list(wrong) == list(tree)


def test_names_are_unique():
    """A mutation is asked for, and reported, by its name."""
    names = [mutation.name for mutation in m.standard_mutations(lambda x: x)]
    assert len(set(names)) == len(names)


def test_standard_mutations_include_the_stale_gradient_only_with_grad():
    """Another point's gradient cannot be had from the gradient at this one."""
    assert len(m.standard_mutations(lambda x: x)) == len(m.standard_mutations()) + 1


def test_integer_gradients_are_mutated_as_floats():
    """1.001 times an integer is no integer."""
    np.testing.assert_array_equal(apply(m.all_scaled(1.5), np.array([1, 2])), [1.5, 3.0])


def test_mutate_gives_the_same_wrong_entry_at_every_call():
    """A check calls grad more than once; also a Generator is used only for one seed."""
    for rng in (7, np.random.default_rng(7)):
        wrong = m.mutate(lambda x, factor: factor * x, m.ONE_ZEROED, rng)
        first, second = wrong(POINT, 3.0), wrong(POINT, 3.0)
        np.testing.assert_array_equal(first, second)
        assert changed(first, 3.0 * POINT).size == 1


def test_mutate_refuses_to_hand_out_a_right_gradient():
    """Where nothing changes, the wrapped callable raises rather than pass the right gradient for wrong."""
    with pytest.raises(ValueError, match="square array transposed"):
        m.mutate(lambda x: x, m.TRANSPOSED)(POINT)


def test_a_real_gradient_of_a_complex_x_is_planted_into():
    """Its imaginary parts are 0: mistakes of the right structure, and not none at all."""
    z = np.array([1 + 2j, 3 - 1j])
    wrong = apply(m.ALL_NEGATED, z.real, z)
    np.testing.assert_array_equal(wrong, [-1.0, -3.0])
    assert wrong.dtype == complex
    assert power(lambda z: float(np.sum(z.real**2)), lambda z: 2 * z.real, z)


def test_complex_entries_move_as_pairs():
    """Transposed, swapped and shifted, a complex entry keeps its imaginary part."""
    right = np.array([[1 + 2j, 3 + 4j], [5 + 6j, 7 + 8j]])
    np.testing.assert_array_equal(apply(m.TRANSPOSED, right), right.T)
    np.testing.assert_array_equal(apply(m.SHIFTED, right), np.roll(right, 1))
    swapped = apply(m.SWAPPED, right)
    assert changed(swapped, right).size == 2
    assert set(swapped.ravel()) == set(right.ravel())


def test_x_and_gradient_may_list_their_arrays_in_another_order():
    """Lambda x goes to the array of the same name."""
    gradient = {"W": np.zeros(2), "b": np.array([1.0])}
    wrong = apply(m.decay_added(1.0), gradient, {"b": np.array([2.0]), "W": np.array([1.0, 0.5])})
    np.testing.assert_equal(wrong, {"W": np.array([0.5, 0.25]), "b": np.array([2.0])})


def test_a_gradient_of_another_shape_than_x_is_refused():
    """Both shapes are named: a mutation of a misshapen gradient would be a second mistake."""
    with pytest.raises(ValueError, match=r"\(2,\) where x has shape \(5,\)"):
        apply(m.ALL_NEGATED, np.ones(2), POINT)


def test_a_gradient_that_is_not_finite_is_refused():
    """It is wrong already; the entry is named."""
    with pytest.raises(ValueError, match=r"not finite at x\[1\]"):
        apply(m.ALL_NEGATED, np.array([1.0, np.nan]), np.ones(2))


@pytest.mark.parametrize("make", [m.all_scaled, m.one_scaled])
@pytest.mark.parametrize("factor", [None, "2", [2.0]])
def test_a_factor_that_is_no_number_is_refused(make, factor):
    """By its value; a number of any kind is one."""
    with pytest.raises(TypeError, match="factor must be a number, not "):
        make(factor)
    assert make(np.float32(2)).name.endswith("x 2")
