"""The noise of f near a point is measured: how large it is, and on which grid its values lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.noise import measure_noise
from gradcheck.numerics.outputs import Noise
from gradcheck.numerics.rounding import granularity
from gradcheck.parameters.tree import Parameters


def noise_of(f: Callable[[float], float], x: float = 1.0) -> tuple[Noise, int]:
    """Measure f at x along the unit direction; returns the noise and the number of calls."""
    parameters, flat = Parameters.of(x)
    objective = Objective(f, parameters)
    f_x = objective.value(flat)
    noise = measure_noise(objective, Lines.rays(flat, [np.ones(1)]), np.array([f_x]))
    return Noise(*(getattr(noise, field.name)[..., 0] for field in fields(Noise))), objective.nfev - 1


def seeded(sigma: float, kind: str = "normal") -> Callable[[float], float]:
    """Unit-variance noise times sigma, the same at the same x."""

    def draw(x: float) -> float:
        rng = np.random.default_rng(np.frombuffer(np.float64(x).tobytes(), np.uint32))
        return sigma * (rng.normal() if kind == "normal" else rng.uniform(-math.sqrt(3), math.sqrt(3)))

    return draw


SMOOTH: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "sin": math.sin,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "line": lambda x: 3 * x + 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("sigma", [1e-12, 1e-9, 1e-6, 1e-3])
def test_the_level_is_twice_the_standard_deviation_of_added_noise(name, kind, sigma):
    """Within a factor 4 of 2 sigma: eight values know a standard deviation to a factor of about 2."""
    draw = seeded(sigma, kind)
    levels = [noise_of(lambda t: SMOOTH[name](t) + draw(t), x)[0].level for x in np.linspace(0.7, 1.7, 9)]
    assert 2 * sigma / 4 <= np.median(levels) <= 2 * sigma * 4
    assert min(levels) >= 2 * sigma / 10


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("x", [0.7, 1.0, 1.3])
def test_a_clean_function_has_the_noise_of_its_rounding(name, x):
    """Between half an ulp and a few hundred: never the curvature of f taken for noise."""
    size = abs(SMOOTH[name](x))
    level = noise_of(SMOOTH[name], x)[0].level
    assert np.finfo(float).eps / 2 * size <= level <= 300 * np.finfo(float).eps * max(size, 1.0)


@pytest.mark.parametrize("digits", [4, 6, 8, 10])
def test_a_rounded_function_has_the_noise_of_its_grid(digits):
    """Rounded to so many decimals: off by up to half of the last."""
    level = noise_of(lambda t: round(math.exp(t), digits))[0].level
    half = 0.5 * 10.0**-digits
    assert half <= level <= 20 * half


# A loss that is rounded to so much, by its slope over the spacing of the points, beside a smooth penalty.
STEPS = {"six decimals": 1e-6, "float32": 2.0**-24, "eight decimals": 1e-8}


@pytest.mark.parametrize("slope", [math.e, 0.271, 0.0271, 0.00271])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_part_that_is_rounded_has_the_noise_of_its_steps(step, slope):
    """Though between two of them f has all of its digits, and all first points may lie there.

    A slope that goes into the steps as the spacing of the points does shows none of them: nobody's has such digits.
    """

    def f(t):
        return step * round(math.sin(slope * (t - 1.0)) / step) + 0.7 + 0.01 * t**3

    level = noise_of(f, math.sqrt(1.01))[0].level
    assert 0.5 * step <= level <= 3.0 * step


@pytest.mark.parametrize("n", [2, 3])
def test_smooth_values_that_turn_beyond_them_are_not_steps(n):
    """An oscillation, or a kink, beside which f is smooth: 10^-6 and 2^-20 of f are as small as steps."""
    for other in (
        lambda t: 1e-6 * math.sin(1e4 * t),
        lambda t: 2.0**-20 * math.cos(3e5 * t),
        lambda t: math.e * 10.0**-n * max(t - math.sqrt(1.01) - 1e-4, 0.0),
        lambda t: 1e-6 * math.tanh(1e5 * (t - math.sqrt(1.01) - 3e-5)),
    ):
        level = noise_of(lambda t, other=other: 0.7 + 0.01 * t**3 + other(t), math.sqrt(1.01))[0].level
        assert level <= 1e-12


def test_float32_inside_is_recognised():
    """Values on the float32 grid: off by up to half a spacing, 1.2e-7 of 2.7; and the dtype is named."""
    noise = noise_of(lambda t: float(np.float32(math.exp(t))))[0]
    assert noise.digits == "float32"
    half = float(np.spacing(np.float32(math.e))) / 2
    assert half <= noise.level <= 20 * half
    assert noise_of(math.exp)[0].digits == "float64"


def test_half_precision_inside_is_recognised():
    """Ten bits."""
    noise = noise_of(lambda t: float(np.float16(math.exp(t))))[0]
    assert noise.digits == "float16"
    assert noise.level >= float(np.spacing(np.float16(math.e))) / 2


@pytest.mark.parametrize("size", [1.0, 1e-4, 2.0**20])
@pytest.mark.parametrize("slope", [1.0, 1e-3])
@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, "float32"), (np.float64, "float64")])
def test_a_difference_that_cancels_to_few_bits_is_known_by_its_values_farther_away(
    size, slope, dtype, digits
):
    """Near x the values are a few times 2^-24 or 2^-53 of what is subtracted, as if they were of a coarser dtype."""
    start = dtype(size) * dtype(np.tanh(1.0))

    def change(t: float) -> float:
        return float(dtype(size) * dtype(np.tanh(1.0 + slope * (t - 1.0))) - start)

    assert noise_of(change)[0].digits == digits


def test_whole_numbers_are_no_half_precision():
    """A count has few bits, too: those of float16 fill their format."""
    assert noise_of(lambda t: float(np.floor(40.0 * np.exp(3e5 * (t - 1.0)))))[0].digits != "float16"


def test_an_offset_leaves_the_rounding_of_the_sum():
    """f + 1e6 is rounded to 1e-10."""
    level = noise_of(lambda t: math.exp(t) + 1e6)[0].level
    half = np.spacing(1e6) / 2
    assert half <= level <= 20 * half


@pytest.mark.parametrize("value", [3.0, 0.0, -1e300])
def test_a_constant_is_seen_as_such(value):
    """The same value at every point."""
    assert noise_of(lambda t: value)[0].constant
    assert not noise_of(math.exp)[0].constant


@pytest.mark.parametrize("name", SMOOTH)
def test_the_cost_is_at_most_fourteen_evaluations(name):
    """Seven, and seven more where the first spacing shows nothing."""
    for f in (SMOOTH[name], lambda t: round(SMOOTH[name](t), 6), lambda t: SMOOTH[name](t) + seeded(1e-6)(t)):
        assert noise_of(f)[1] <= 14


def test_the_slope_along_the_direction_is_seen():
    """The derivative of exp at 1, over a few 1e-6."""
    assert noise_of(math.exp)[0].slope == pytest.approx(math.e, rel=1e-4)


def test_beside_the_edge_of_the_domain_the_other_side_is_probed():
    """log(-t) left of 0: all forward points of a step of 1e-6 raise."""
    noise = noise_of(lambda t: math.log(-t), -1e-7)[0]
    assert np.isfinite(noise.level)
    assert noise.level < 1e-9
    assert not noise.constant


def test_where_nothing_is_finite_nothing_is_claimed():
    """f is defined at x alone: no noise level of 0, and nothing raised."""
    noise = noise_of(lambda t: 1.0 if t == 1.0 else math.nan)[0]
    assert noise.level > 0
    assert noise.values[np.isfinite(noise.values)].tolist() == [1.0]


@pytest.mark.parametrize("scale", [1e-280, 1e-200, 1e200, 1e280])
def test_extreme_values_neither_overflow_nor_vanish(scale):
    """The squares of these differences leave the floating-point range; the level scales along."""
    clean = noise_of(lambda t: scale * math.exp(t))[0].level / scale
    assert 1e-16 <= clean <= 1e-12
    assert noise_of(lambda t: scale * (math.exp(t) + seeded(1e-6)(t)))[0].level >= 2e-7 * scale


# The grid on which values lie.


def test_values_of_full_precision_lie_on_no_coarser_grid():
    """Random doubles: quantum 0."""
    values = np.random.default_rng(0).normal(size=12)
    assert granularity(values[:, None]) == (0.0, "float64")


def test_the_grid_of_float32_is_its_spacing():
    """Values in [1, 2) stored in float32: 2^-23."""
    values = np.random.default_rng(0).uniform(1, 2, 12).astype(np.float32).astype(float)
    quantum, name = granularity(values[:, None])
    assert name == "float32"
    assert quantum == 2.0**-23


@pytest.mark.parametrize(
    ("values", "name"),
    [
        # Ten bits or eleven: numbers of float16, down to its least; eight are those of bfloat16.
        ([1025.0, 1537.0, 1281.0, 1153.0], "float16"),
        ([513.0, 769.0, 641.0, 577.0], "float16"),
        ([129.0, 193.0, 161.0, 145.0], "float16"),
        ([2.0**-14 * k / 1024 for k in (1025, 1537, 1281, 1153)], "float16"),
        # Half of those that are not 0, which has no bits.
        ([1025.0, 1537.0, 3.0, 5.0] + [0.0] * 4, "float16"),
        ([1025.0, 3.0, 5.0, 9.0] + [0.0] * 4, "float32"),
        # Nine or seven, and a grid finer than float16 has: whatever cancelled.
        ([257.0, 385.0, 321.0, 289.0], "float32"),
        ([65.0, 97.0, 81.0, 73.0], "float32"),
        ([2.0**-15 * k / 1024 for k in (1025, 1537, 1281, 1153)], "float32"),
        ([2.0**-27 * k for k in (1, -3, 5, 17)], "float32"),
    ],
)
def test_few_bits_are_half_precision_where_they_fill_it(values, name):
    """1, -3, 5 and 17 times 2^-27 are what a float32 that cancels has: a mistake of 9 % passed with their rtol."""
    assert granularity(np.array(values)[:, None])[1] == name


def test_values_farther_away_count_for_the_name_and_not_for_the_step():
    """Eleven bits near x; a value of 24, or of 53, away from it."""
    near = np.array([1025.0, 1537.0, 1281.0, 1153.0])[:, None] * 2.0**-20
    step = granularity(near)[0]
    for far, name in ((0.5, "float16"), (2.0**24 - 1, "float32"), (np.pi, "float64"), (np.nan, "float16")):
        quantum, found = granularity(near, np.array([[far]]))
        assert (quantum, found) == (step, name)


@pytest.mark.parametrize("places", [3, 6, 9])
def test_decimals_are_a_grid(places):
    """Rounded to so many places."""
    values = np.round(np.random.default_rng(0).uniform(1, 9, 12), places)
    quantum, name = granularity(values[:, None])
    assert name == "decimal"
    assert quantum == pytest.approx(10.0**-places)


@pytest.mark.parametrize("power", [-290, -30, 8, 20, 282])
def test_digits_are_a_grid_whatever_the_size_of_f(power):
    """Eight digits of 1.2 to 1.3 times a power of ten; all digits are no grid."""
    mantissas = np.sqrt(np.linspace(1.2, 1.7, 9))
    values = np.array([[float(f"{v:.7f}e{power}")] for v in mantissas])
    step, names = granularity(values)
    assert names[0] == "decimal"
    assert step[0] == pytest.approx(10.0 ** (power - 7), rel=1e-9, abs=0)
    step, names = granularity(mantissas[:, None] * 10.0**power)
    assert (step[0], names[0]) == (0.0, "float64")
