"""The digits of single numbers: which of them say that f is rounded, and which are round by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gradcheck.numerics.rounding import (
    FEW,
    decimal_steps,
    flat_piece,
    granularity,
    lies_on,
    lowest_bits,
    on_no_grid,
    rounded_beyond,
    rounded_part,
)


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (11.686393, 1e-6),
        (-0.904901, 1e-6),
        (3.14159265, 1e-8),
        (7.0203, 1e-4),
        (0.12345, 1e-5),
        (123456.7, 1e-1),
        # Of any size.
        (1.0000039e14, 1e7),
        (-9.9473533e282, 1e275),
        (-9.9473533e-282, 1e-289),
        (np.pi * 1e282, 0.0),
        (np.pi * 1e-282, 0.0),
        # All digits of a double.
        (np.pi, 0.0),
        (0.1 + 0.2, 0.0),
        (1e6 / 3.0, 0.0),
        # Fewer than five digits, or no more bits than float32 has: round by chance, or computed in it.
        (2.438, 0.0),
        (0.3, 0.0),
        (13.0, 0.0),
        (127.125, 0.0),
        (float(np.float32(0.1)), 0.0),
        (0.0, 0.0),
        (1e300, 0.0),
        (np.nan, 0.0),
        (np.inf, 0.0),
    ],
)
def test_the_decimals_of_a_number_are_its_rounding_unless_it_is_round_by_chance(value: float, step: float):
    """Twelve digits are the most that count, where a double has sixteen."""
    assert decimal_steps(np.array([value]))[0] == step


@pytest.mark.parametrize("digits", range(5, 13))
def test_from_five_digits_to_twelve_they_count(digits: int):
    """Pi, rounded: below five digits it may be chance, beyond twelve it is no rounding that matters."""
    values = np.array([round(np.pi, digits - 1), round(np.pi, 3), round(np.pi, 13)])
    assert decimal_steps(values) == pytest.approx([10.0 ** (1 - digits), 0.0, 0.0], rel=1e-12)


@pytest.mark.parametrize(
    ("value", "step", "on"),
    [
        (7.033033, 1e-6, True),
        (7.03, 1e-6, True),
        (-7.0330331, 1e-6, False),
        (np.pi, 1e-6, False),
        (0.1 + 0.2, 1e-1, False),
        (12.0, 1.0, True),
        (12.5, 1.0, False),
        (1.23456789e290, 1e282, True),
        (1.23456789e290, 1e283, False),
        (1.23456789e-290, 1e-298, True),
        (1.23456789e-290, 1e-297, False),
        (np.nan, 1e-6, True),
        (-np.inf, 1e-6, True),
        (1e308, 1e-6, False),
    ],
)
def test_a_number_lies_on_a_grid_where_it_has_no_more_decimals(value: float, step: float, on: bool):
    """0.1 + 0.2 is not 0.3; where f is not finite nothing speaks against the grid."""
    assert lies_on(value, step) is on


@pytest.mark.parametrize("value", [np.pi, -np.e, 0.1 + 0.2, 1e6 / 3.0, 2.0 / 3.0 * 1e-3])
def test_a_number_with_all_digits_of_a_double_lies_on_no_grid(value: float) -> None:
    """Of either sign."""
    assert on_no_grid(value)


@pytest.mark.parametrize(
    "value",
    [
        11.686393,
        0.123456789012,
        float(np.float32(np.pi)),
        3.0,
        1.0 + 2.0**-31,
        0.0,
        np.nan,
        np.inf,
        1e300 / 3.0,
        1e-300,
    ],
)
def test_what_may_lie_on_one_takes_a_longer_look(value: float) -> None:
    """Decimals of twelve digits, few bits, no number; and sizes at which a decimal is no exact quotient."""
    assert not on_no_grid(value)


@pytest.mark.parametrize("digits", [4, 6, 9, 11, None])
def test_few_outputs_have_the_grid_of_many(digits: int | None) -> None:
    """The quick look at one value of each of a few outputs decides as the long look at all values does."""
    values = np.random.default_rng(3).normal(size=(9, FEW + 1)) * 10.0 ** np.arange(-3.0, FEW - 2.0)
    if digits is not None:
        values = np.round(values, digits)
    many, names = granularity(values)
    few, few_names = granularity(values[:, :FEW])
    assert few.tolist() == many[:FEW].tolist()
    assert few_names.tolist() == names[:FEW].tolist()


def test_the_lowest_bit_of_a_number_is_the_largest_power_of_two_that_divides_it() -> None:
    """6 = 3 * 2, 0.75 = 3 / 4, -10 = -5 * 2; the last bit of a double; none in 0 and in what is no number."""
    values = np.array([6.0, 0.75, -10.0, 1.0 + 2.0**-52, 2.0**-1074, 0.0, np.nan, np.inf])
    assert lowest_bits(values).tolist() == [2.0, 0.25, 2.0, 2.0**-52, 2.0**-1074, np.inf, np.inf, np.inf]


def test_steps_of_a_part_are_powers_of_ten_or_of_two_and_all_that_is_seen() -> None:
    """Whole numbers of one step between two points, up to 100; one step where there is one jump; no large part of f."""
    smooth = np.linspace(1.0, 1.001, 8)

    def found(unit: float, *counts: float) -> float:
        return float(rounded_part((smooth + unit * np.cumsum([0.0, *counts]))[:, None], smooth[:, None])[0])

    for unit in (1e-6, 1e-8, 2.0**-24, 2.0**-30):
        assert found(unit, 0, 0, 1, 0, 0, 0, 0) == unit
        assert found(unit, 1, 0, -1, 0, 2, 0, 0) == unit
        assert found(unit, 17, 18, 17, 17, 18, 17, 17) == unit
        assert found(unit, 17, 18, 17, 17, 18, 17.01, 17) != unit
        assert found(unit, 0, 0, 1.01, 0, 0, 0, 0) == 0.0
        assert found(unit, 0, 0, 0, 0, 0, 0, 0) == 0.0
    assert found(1e-6, 0, 0, 3, 0, 0, 0, 0) == 0.0  # a jump of its own
    assert found(1e-4, 0, 1, 0, 1, 0, 0, 1) == 0.0
    assert found(1e-8, 200, 0, 0, 301, 0, 0, 150) == 0.0
    assert found(3e-7, 1, 0, 0, 1, 0, 0, 1) == 1e-7 == found(1e-7, 3, 0, 0, 3, 0, 0, 3)
    beside = np.stack([smooth, smooth + 1e-6 * (np.arange(8) > 3), np.full(8, np.nan)], axis=1)
    assert rounded_part(beside, np.stack([smooth] * 3, axis=1)).tolist() == [0.0, 1e-6, 0.0]


def test_each_of_several_outputs_has_the_steps_of_its_own_part() -> None:
    """One is seen at ten times the spacing, one at a hundred times; a smooth one has none, nor one not asked for."""
    asked = []

    def f(t: np.ndarray) -> np.ndarray:
        t = np.asarray(t, float)
        parts = [1e-6 * np.rint(slope * t / 1e-6) for slope in (0.0712, 0.00712)]
        return np.stack(
            [*(part + 1.0 + 0.01 * t for part in parts), 1.0 + t + t**2, parts[0] + 1.0 + t], axis=-1
        )

    def at(offsets: np.ndarray) -> np.ndarray:
        if offsets.size == 8:
            asked.append(float(offsets[1]))
        return f(offsets)

    smooth = np.array([True, True, True, False])
    found = rounded_beyond(at, 1e-6, f(1e-6 * np.arange(8.0)), smooth)
    assert found.tolist() == [1e-6, 1e-6, 0.0, 0.0]
    assert asked == pytest.approx([1e-5, 1e-4], rel=1e-12)


def dead_zone(w: float, offset: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """Values (k, 1) of a soft threshold: 0 within w, and t beyond it, less w."""
    return lambda t: (np.sign(t) * np.maximum(np.abs(t) - w, 0.0))[:, None] + offset


RADII = np.array([1e-6, 1e-5, 3e-4, 2e-3])


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("w", [3e-7, 2e-4, 1.3e-3])
def test_a_flat_piece_ends_where_f_bends(w, offset):
    """To within 15 %, from inside; at w of either side."""
    assert w / 1.15 <= flat_piece(dead_zone(w, offset), np.array([offset]), RADII, 0) <= w

    def one_sided(t: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(t), np.maximum(-t - w, 0.0) + offset], axis=1)

    assert w / 1.15 <= flat_piece(one_sided, np.array([1.0, offset]), RADII, 1) <= w


@pytest.mark.parametrize(
    "f",
    [
        lambda t: 1e-3 * np.pi * np.round(t / 3e-4),
        lambda t: np.sin(0.7 + 1e-3 * np.pi * np.round(t / 3e-4)) - np.sin(0.7),
        lambda t: np.maximum(t, 0.0),
        lambda t: np.maximum(t - 1e-4, 0.0) + np.where(t < -1e-5, -1.0, 0.0),
        lambda t: 1.0 + t**2 * 1e-4,
        lambda t: 1.0 + t**4,
        np.zeros_like,
    ],
    ids=[
        "stairs",
        "stairs within",
        "a kink at x",
        "a jump on the other side",
        "a minimum",
        "a flat one",
        "constant",
    ],
)
def test_no_flat_piece_is_seen_where_f_jumps_or_moves_at_once(f):
    """0, after no more than 16 evaluations: what is the same beside x alone is a tread, or a rounding."""
    asked = []

    def at(t: np.ndarray) -> np.ndarray:
        asked.extend(t.tolist())
        return np.asarray(f(t))[:, None]

    assert flat_piece(at, np.asarray(f(np.zeros(1))), RADII, 0) == 0.0
    assert len(asked) <= 16
