"""The numerical derivative lies within three of its own errors, whatever is done to the digits of f."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

from gradcheck import Estimate, Outcome, check_gradient, check_jacobian, derivative, gradient
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.differences import estimate
from gradcheck.parameters.tree import Parameters
from gradcheck.results.outcome import Limit


class Function(NamedTuple):
    """A function in floating-point numbers, the same in mpmath, and where to look at it."""

    f: Callable[[float], float]
    exact: Callable[[Any], Any]
    points: tuple[float, ...]


AROUND = (-3.7, -1.0, -0.31, 0.02, 0.3, 1.0, 2.9, 10.0)
FUNCTIONS = {
    "exp": Function(math.exp, mpmath.exp, (*AROUND, -37.3, 0.0, 1e-5, 55.5)),
    "sin": Function(math.sin, mpmath.sin, (*AROUND, 0.0, 1e-5, 55.5)),
    "tanh": Function(math.tanh, mpmath.tanh, (-3.7, -1.0, 0.0, 0.02, 1.0, 2.9)),
    "atan": Function(math.atan, mpmath.atan, (*AROUND, 0.0, 1e3)),
    "log": Function(math.log, mpmath.log, (1e-8, 1e-3, 0.3, 1.0, 2.9, 1e8)),
    "sqrt": Function(math.sqrt, mpmath.sqrt, (1e-8, 1e-3, 0.3, 1.0, 2.9, 1e8)),
    "quintic": Function(lambda x: x**5 - 3 * x**3 + x, lambda x: x**5 - 3 * x**3 + x, (*AROUND, 0.0, 1e3)),
    "fourth power": Function(lambda x: x**4, lambda x: x**4, (*AROUND, 1e-5, 1e6)),
    "line": Function(lambda x: 3 * x + 1, lambda x: 3 * x + 1, (*AROUND, 0.0, 1e6)),
    "bell": Function(lambda x: math.exp(-x * x / 2), lambda x: mpmath.exp(-x * x / 2), (-3.7, -0.31, 0.3, 1.0)),
    "resonance": Function(lambda x: 1 / (x * x + 1e-4), lambda x: 1 / (x * x + mpmath.mpf(1e-4)), AROUND),
    "softplus": Function(lambda x: math.log1p(math.exp(x)), lambda x: mpmath.log1p(mpmath.exp(x)), AROUND),
    "wave": Function(lambda x: math.cos(50 * x), lambda x: mpmath.cos(50 * x), (-3.7, -0.31, 0.02, 0.3, 1.0, 2.9)),
    "rounded corner": Function(
        lambda x: math.sqrt(x * x + 1e-6), lambda x: mpmath.sqrt(x * x + mpmath.mpf(1e-6)), (*AROUND, 1e-3)
    ),
    "erf": Function(math.erf, mpmath.erf, (-2.0, -0.31, 0.0, 0.3, 1.0, 2.0)),
    "gamma": Function(math.gamma, mpmath.gamma, (0.3, 1.0, 2.9, 10.0)),
}  # fmt: skip


def true_slope(function: Function, x: float) -> float:
    """The derivative from forty digits."""
    with mpmath.workdps(40):
        return float(mpmath.diff(function.exact, mpmath.mpf(x), h=mpmath.mpf(10) ** -15))


def pairs() -> Iterator[tuple[str, Function, float]]:
    """Every function at every one of its points."""
    for name, function in FUNCTIONS.items():
        for x in function.points:
            yield name, function, x


def outside(
    change: Callable[[Callable[[float], float]], Callable[[float], float]],
) -> tuple[list[str], list[float]]:
    """The pairs whose true derivative lies outside 3 E, and the bars relative to the derivatives."""
    missed, bars = [], []
    for name, function, x in pairs():
        found = derivative(change(function.f), x)
        slope = true_slope(function, x)
        # NaN must not count as inside.
        if not abs(found.value - slope) <= 3 * found.error:
            missed.append(f"{name} at {x}: {found.value!r} +- {found.error:.2g}, true {slope!r}")
        if slope:
            bars.append(found.error / abs(slope))
    return missed, bars


def rounded(digits: int) -> Callable[[Callable[[float], float]], Callable[[float], float]]:
    """Keep so many significant digits, as an f that is printed and read again."""
    return lambda f: lambda x: float(f"{f(x):.{digits}g}")


def noisy(size: float) -> Callable[[Callable[[float], float]], Callable[[float], float]]:
    """Relative noise that is the same at the same x and unrelated between points, as of an iterative solver."""

    def change(f: Callable[[float], float]) -> Callable[[float], float]:
        def disturbed(x: float) -> float:
            seed = np.frombuffer(np.float64(x).tobytes(), np.uint32)
            return f(x) * (1 + size * np.random.default_rng(seed).uniform(-1, 1))

        return disturbed

    return change


@pytest.mark.slow
def test_clean_functions_lie_within_three_errors():
    """Every pair; and the bar is small: the median below 1e-8 of the derivative."""
    missed, bars = outside(lambda f: f)
    assert missed == []
    assert np.median(bars) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_a_large_constant_widens_the_bar_enough(offset):
    """f + 1e6: ten digits less, and the bar knows."""
    missed, bars = outside(lambda f: lambda x: f(x) + offset)
    assert missed == []
    # eps * 1e6 / (h = 1e-3) is about 1e-7 of a slope of 1.
    assert np.median(bars) < 1e-5


# One pair in two hundred may lie outside where f has lost its digits: there are 121 pairs, so at most one.


@pytest.mark.slow
def test_functions_rounded_to_eight_digits_lie_within_three_errors():
    """A staircase, whose treads the probe of the noise has to notice."""
    missed, bars = outside(rounded(8))
    assert len(missed) <= 1, missed
    assert np.median(bars) < 1e-3


@pytest.mark.slow
def test_functions_that_end_in_float32_lie_within_three_errors():
    """The sum of a float32 network, cast to float64."""
    missed, bars = outside(lambda f: lambda x: float(np.float32(f(x))))
    assert len(missed) <= 1, missed
    assert np.median(bars) < 1e-3


@pytest.mark.slow
def test_noisy_functions_lie_within_three_errors():
    """Relative noise of 1e-9, as of a solver with a tolerance of 1e-9."""
    missed, bars = outside(noisy(1e-9))
    assert len(missed) <= 1, missed
    assert np.median(bars) < 1e-4


@pytest.mark.slow
def test_too_small_a_bar_would_be_seen():
    """The neighbouring refusal: bars divided by 1000 do not hold, so the tests above can fail."""
    too_small = 0
    for _, function, x in pairs():
        found = derivative(noisy(1e-9)(function.f), x)
        too_small += abs(found.value - true_slope(function, x)) > 3e-3 * found.error
    assert too_small > 30


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.longdouble])
def test_the_dtype_of_x_sets_the_precision(dtype):
    """The same f and x in three precisions: each within its bar, the bars in their order."""
    x = np.array([0.3, 1.7], dtype)
    found = gradient(lambda t: np.sum(np.exp(t)), x)
    truth = np.exp(x.astype(np.longdouble))
    assert (np.abs(found.value - truth) <= 3 * found.error).all()
    # Central differences reach about eps^(4/5) where f is computed in the dtype of x; a factor 300 of margin.
    assert (found.error <= 300 * float(np.finfo(dtype).eps) ** 0.8 * truth).all()


def test_longdouble_reaches_beyond_float64():
    """The derivative of x^3 in extended precision, against the exact 27/4: digits that float64 cannot hold."""
    found = gradient(lambda t: t[0] ** 3, np.array([1.5], np.longdouble))
    assert abs(found.value[0] - np.longdouble(27) / 4) <= 3 * found.error[0] < 1e-12


def test_a_gradient_is_as_good_as_its_derivatives():
    """The Rosenbrock function in ten variables, against SciPy's own gradient of it."""
    from scipy.optimize import rosen, rosen_der

    x = np.linspace(-1.5, 2.0, 10)
    found = gradient(rosen, x)
    # rosen_der is computed in float64: its own rounding is about eps times its largest term.
    assert (np.abs(found.value - rosen_der(x)) <= 3 * found.error + 1e-12).all()
    assert (found.error <= 1e-8 * np.abs(rosen_der(x)).max()).all()


def test_badly_scaled_entries_each_get_a_step_of_their_own():
    """Eighteen orders of magnitude in one vector."""
    scale = np.logspace(-9, 9, 19)
    found = gradient(lambda x: float(np.sum(np.exp(x / scale))), 0.7 * scale)
    truth = np.exp(0.7) / scale
    assert (np.abs(found.value - truth) <= 3 * found.error).all()
    assert (found.error <= 1e-6 * truth).all()


# Edges of the domain.


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (math.sqrt, lambda u: 0.5 / math.sqrt(u)),
        (math.log, lambda u: 1.0 / u),
        (lambda u: math.sqrt(u) ** 3, lambda u: 1.5 * math.sqrt(u)),
    ],
    ids=["sqrt", "log", "power 3/2"],
)
def test_beside_the_edge_of_the_domain_the_bar_holds(f, slope, distance):
    """math.sqrt and math.log raise left of 1: the step shrinks, or one side is used."""
    x = 1.0 + distance
    found = derivative(lambda t: f(t - 1.0), x)
    true = slope(x - 1.0)
    assert abs(found.value - true) <= 3 * found.error
    # Nearer than 1e-6 the rounding of x itself leaves few digits: eps / distance relative.
    assert found.error <= max(1e-5, 1e-11 / distance) * true


@pytest.mark.parametrize("distance", [1e-9, 1e-10, 1e-11, 1e-12])
@pytest.mark.parametrize(
    ("f", "slope"),
    [(math.sqrt, lambda u: 0.5 / math.sqrt(u)), (math.log, lambda u: 1.0 / u)],
    ids=["sqrt", "log"],
)
def test_much_nearer_to_the_edge_the_bar_still_holds(f, slope, distance):
    """Where every usable step is longer than the distance: a bar as wide as it takes, and no FAIL."""
    x = 1.0 + distance
    found = derivative(lambda t: f(t - 1.0), x)
    assert abs(found.value - slope(x - 1.0)) <= 3 * found.error


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_at_the_edge_of_the_domain_one_side_is_used(side):
    """exp, defined on one side of 0 only."""

    def half(x: float) -> float:
        if side * x < 0:
            raise ValueError("outside")
        return math.exp(x)

    found = derivative(half, 0.0)
    assert abs(found.value - 1.0) <= 3 * found.error < 1e-6


def test_an_f_that_is_nan_all_around_has_no_derivative():
    """An infinite bar rather than 0 +- 0."""
    found = derivative(lambda x: 1.0 if x == 2.0 else math.nan, 2.0)
    assert found.error == math.inf


# Kinks and jumps.


def kinked(x: float) -> float:
    """Slope cos(1) left of 1, cos(1) + 1 right of it."""
    return max(x - 1.0, 0.0) + math.sin(x)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [10.0**-k for k in range(2, 13)])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_beside_a_kink_the_bar_holds(distance, side):
    """From 1e-2 to 1e-12 beside the corner of relu: shrink, or widen the bar to both slopes."""
    x = 1.0 + side * distance
    found = derivative(kinked, x)
    true = (side > 0) + math.cos(x)
    assert abs(found.value - true) <= 3 * found.error
    # As long as a step of a tenth of the distance resolves anything, it is taken: |f| eps / (distance / 10).
    if distance >= 1e-7:
        assert found.error < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("distance", [10.0**-k for k in range(2, 9)])
def test_beside_a_kink_a_right_gradient_passes(distance):
    """Two slopes are told apart as long as the step can be shorter than the distance."""
    for x, slope in ((1.0 + distance, 1.0), (1.0 - distance, 0.0)):
        right = check_gradient(kinked, lambda t, s=slope: s + math.cos(t), x)
        assert right, str(right)
        other = check_gradient(kinked, lambda t, s=slope: 1.0 - s + math.cos(t), x)
        assert not other, str(other)


def test_on_a_kink_the_bar_covers_both_slopes():
    """value +- 3 E contains cos(1) and cos(1) + 1, and the one-sided slopes are told."""
    found = derivative(kinked, 1.0)
    assert found.limit is Limit.KINK
    assert found.value - 3 * found.error <= math.cos(1.0)
    assert found.value + 3 * found.error >= math.cos(1.0) + 1.0
    # One-sided differences over a step of 1e-3 or less, extrapolated once.
    assert found.left == pytest.approx(math.cos(1.0), abs=1e-3)
    assert found.right == pytest.approx(math.cos(1.0) + 1.0, abs=1e-3)


@pytest.mark.parametrize(("claim", "outcome"), [(0.2, "PASS"), (4.9, "PASS"), (-0.1, "FAIL"), (5.1, "FAIL")])
def test_the_slopes_of_a_kink_are_those_of_the_nearest_bend(claim, outcome):
    """Log(e^-x + e^x) looks like |x| from far away; its slope at 0 is 0. The kink is that of 5 max(x, 0)."""

    def f(x: Any) -> float:
        return float(np.logaddexp(-x[0], x[0]) + 5.0 * max(x[0], 0.0) + 1e-3 * x[1])

    report = check_gradient(f, np.array([claim, 1e-3]), np.array([0.0, 3584.0]), subgradient=True)

    assert report.outcome is Outcome[outcome]


@pytest.mark.parametrize("claim", [0.0, 1e-9])
@pytest.mark.parametrize("at", [3.1e11, 2.5e12, 1e13 / 3, 7.7e12])
def test_an_oscillation_faster_than_every_step_is_no_slope_of_0(at, claim):
    """Log(2 + sin(x)) at 1e12: the points show 30 of it at random; beside slopes of 20 that looks like next to none."""

    def f(x: Any) -> float:
        return float(20.0 * x[0] + 30.0 * np.log(2.0 + np.sin(x[1])) + 17.0 * x[2])

    report = check_gradient(f, np.array([20.0, claim, 17.0]), np.array([-2e-10, at, -2e-4]))

    assert report.outcome is not Outcome.PASS


def test_a_smooth_corner_is_no_kink():
    """sqrt(x^2 + 1e-6) bends within 1e-3, and is smooth."""
    found = derivative(lambda x: math.sqrt(x * x + 1e-6), 1e-4)
    assert found.limit is not Limit.KINK
    # By hand: x / sqrt(x^2 + 1e-6).
    assert abs(found.value - 1e-4 / math.sqrt(1e-8 + 1e-6)) <= 3 * found.error < 1e-6


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_beside_a_jump_the_bar_holds(distance, side):
    """x^2 + [x > 1]: the step stays on its side."""
    x = 1.0 + side * distance
    found = derivative(lambda t: t * t + (t > 1.0), x)
    assert abs(found.value - 2.0 * x) <= 3 * found.error


def test_on_a_jump_nothing_passes():
    """There is no derivative, and no gradient is accused either."""
    report = check_gradient(lambda t: t * t + (t > 1.0), lambda t: 2.0 * t, 1.0)
    assert report.outcome.value == "INCONCLUSIVE"


# Where the points lie.


@pytest.mark.parametrize("wild", [math.cos, lambda x: math.cos(50 * x)], ids=["smooth", "oscillating"])
def test_f_is_not_called_farther_away_than_the_size_of_x(wild):
    """A derivative is local: points at ten times |x| and beyond say nothing about it."""
    farthest = 0.0

    def watched(x: float) -> float:
        nonlocal farthest
        farthest = max(farthest, abs(x - 1e8))
        return wild(x)

    derivative(watched, 1e8)
    assert farthest <= 1e9


@pytest.mark.parametrize("x", [1e8, 1e3])
def test_an_oscillation_too_fast_for_the_step_convicts_nobody(x):
    """cos(50 x) rounded to float32: its slope cannot be seen, so the bar must cover it."""
    found = derivative(lambda t: float(np.float32(math.cos(50 * t))), x)
    assert abs(found.value + 50 * math.sin(50 * x)) <= 3 * found.error


@pytest.mark.parametrize("x", [1e-12, -1e-8])
def test_an_f_that_never_moved_is_not_known_to_be_flat(x):
    """x sin(x) rounded to 8 decimals is 0 around 0: its derivative is not known to be 0 +- 0."""
    found = derivative(lambda t: round(t * math.sin(3 * t), 8), x)
    assert abs(found.value - 6 * x) <= 3 * found.error


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("slope", [1e3, 1e8, 1e12, 1e14, 1e16, 1e18, 1e20, 1e25])
def test_a_slope_that_values_tower_above_is_looked_for_as_near_as_numbers_allow(slope, offset):
    """(s x)^2 + s x at 0: 1e40 t^2 at any step of ordinary size. The bar was 1e23 there, and any slope passed."""

    def f(x: float) -> float:
        return (slope * x) ** 2 + slope * x + offset

    for factor, outcome in (
        (1.0, Outcome.PASS),
        (1.1, Outcome.FAIL),
        (-1.0, Outcome.FAIL),
        (0.0, Outcome.FAIL),
    ):
        for method in ("auto", "sweep", "complex"):
            report = check_gradient(f, np.array(factor * slope), 0.0, method=method)
            assert report.outcome in (outcome, Outcome.INCONCLUSIVE), str(report)
            if method == "sweep" and not slope > 1e20:
                assert report.outcome is outcome, str(report)


def test_where_noise_hides_the_slope_at_f_of_x_0_the_step_grows_as_elsewhere():
    """A float32 difference that is 0 at x: every value beside it is large against 0, and none against its noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 3)).astype(np.float32) * np.array([1.0, 1.0, 0.003], np.float32)
    x = rng.normal(size=3)

    def loss(x: np.ndarray) -> Any:
        return np.log1p(np.exp(features @ x.astype(np.float32)))

    start = loss(x)
    report = check_gradient(
        lambda x: float((loss(x) - start).mean()),
        lambda x: features.T @ (1.0 / (1.0 + np.exp(-(features @ x)))) / 40,
        x,
        method="sweep",
    )
    assert report.outcome is Outcome.PASS, str(report)


def test_the_nearest_look_changes_nothing_where_there_is_no_slope():
    """A parabola at 0: its bar is that of the first step, and not one of 1e-36, which rounding would break."""
    report = check_gradient(lambda x: float(x @ x), lambda x: 2 * x + 1e-22, np.zeros(3), method="sweep")
    assert report.outcome is Outcome.PASS
    assert check_gradient(lambda x: float(x @ x), lambda x: 2 * x + 1e-4, np.zeros(3)).outcome is Outcome.FAIL


def test_the_estimate_says_what_it_cost():
    """nfev counts every call of f."""
    calls = []

    def counting(x: float) -> float:
        calls.append(x)
        return math.exp(x)

    found = derivative(counting, 0.3)
    assert isinstance(found, Estimate)
    assert found.nfev == len(calls)


@pytest.mark.parametrize(("x", "known"), [(1e-30, False), (1.0, True)])
def test_fits_that_contradict_each_other_one_after_the_other_have_no_bar(x, known):
    """sqrt at 1e-30, by steps that all reach far beyond: each fit refutes the last. At 1 there is a bar that holds."""
    parameters, flat = Parameters.of(np.array([x, 1.0]))
    objective = Objective(lambda x: float(np.sum(np.sqrt(x))), parameters)

    def wanted(rows, so_far):
        return np.zeros(rows.size), 1e-4 * np.abs(so_far.value)

    found = estimate(
        objective,
        Lines.axes(parameters, flat, np.array([0])),
        objective.value(flat),
        level=2.2e-16,
        step=np.array([1e-5]),
        smallest=np.array([1e-22]),
        wanted=wanted,
    )
    assert np.isfinite(found.error[0]) == known
    if known:
        assert abs(found.value[0] - 0.5) <= 3.0 * found.error[0]


@pytest.mark.parametrize(("noise", "outcome"), [(1.0, Outcome.INCONCLUSIVE), (1e-12, Outcome.PASS)])
def test_an_output_that_is_noise_alone_has_no_slope_of_0(noise, outcome):
    """A number of its own at every x; beside 1, one of 1e-12 hides no slope that counts beside the other output's."""

    def f(x):
        drawn = np.random.default_rng(zlib.crc32(x.tobytes())).uniform(-1.0, 1.0)
        return np.array([(noise < 1.0) + noise * drawn, x[0]])

    report = check_jacobian(f, np.array([[0.0], [1.0]]), np.ones(1), rng=0)

    assert report.outcome is outcome, report
