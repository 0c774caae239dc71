"""The decision rule: what is wrong, what is verified, and what cannot be decided."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance, blur_of, judge

STRICT = Tolerance(rtol=1e-6, atol=0.0, resolution=1e-3)


def measured(value: Any, error: Any, limit: Limit = Limit.NOISE, **known: Any) -> Estimate:
    """Make an Estimate of m derivatives; the fields that are not given are nan."""
    value = np.atleast_1d(np.asarray(value, float))
    parts: dict[str, Any] = {f.name: np.full(value.size, np.nan) for f in dataclasses.fields(Estimate)}
    parts |= {"value": value, "error": np.broadcast_to(np.asarray(error, float), value.shape)}
    parts |= {name: np.broadcast_to(np.asarray(v, float), value.shape) for name, v in known.items()}
    return Estimate(**(parts | {"limit": np.full(value.size, limit, object), "nfev": 0}))


def decide(analytic: Any, estimate: Estimate, tolerance: Tolerance = STRICT, **options: Any) -> Judgement:
    """Judge against the derivatives alone: no array is larger than its entries."""
    analytic = np.atleast_1d(np.asarray(analytic, float))
    return judge(analytic, estimate, np.zeros(analytic.size), tolerance, **options)


def verdicts(judgement: Judgement) -> list[str]:
    """Name what was decided for each derivative; exactly one of the three may hold."""
    masks = {"wrong": judgement.wrong, "verified": judgement.verified, "open": judgement.inconclusive}
    together = sum(mask.astype(int) for mask in masks.values())
    assert (together == 1).all()
    return [next(name for name, mask in masks.items() if mask[i]) for i in range(together.size)]


@pytest.mark.parametrize(
    ("distance", "verdict"), [(0.0, "verified"), (2.9e-5, "verified"), (3.2e-5, "wrong"), (-3.2e-5, "wrong")]
)
def test_three_errors_and_rtol_are_allowed_and_no_more(distance, verdict):
    """With E = 1e-5 and rtol 1e-6 of 1, a discrepancy up to 3.1e-5 is allowed."""
    assert verdicts(decide(1.0 + distance, measured(1.0, 1e-5))) == [verdict]


@pytest.mark.parametrize(
    ("distance", "blur", "verdict"),
    [(4e-5, 0.0, "wrong"), (4e-5, 2e-5, "verified"), (6e-5, 2e-5, "wrong"), (4e-5, 1e-3, "open")],
)
def test_what_rounding_a_coordinate_makes_is_no_mistake_and_no_pass_where_it_hides_one(
    distance, blur, verdict
):
    """3.1e-5 is allowed of 1, and the blur beside it; one of the resolution of 1e-3 verifies nothing."""
    judgement = decide(1.0 + distance, measured(1.0, 1e-5), blur=np.array([blur]))
    assert verdicts(judgement) == [verdict]


def test_slopes_move_by_a_rounding_of_a_coordinate_times_second_derivatives():
    """sum of (a + b t - y)^2 for t = 0, 1, 2: f''_aa = 6, f''_bb = 10, f''_ab = 6 <= sqrt(60), a = 1e6, b = 2."""
    curvature, x, eps = np.array([6.0, 10.0, np.nan, 10.0]), np.array([1e6, 2.0, 1e9, 2.0]), 2.0**-52
    blur = blur_of(curvature, x, np.array([0, 0, 0, 1]), eps)
    assert blur == pytest.approx([6e6 * eps, math.sqrt(60.0) * 1e6 * eps, 0.0, 20.0 * eps])
    assert blur_of(np.zeros(0), np.zeros(0), np.zeros(0, int), eps).size == 0


def test_rtol_is_relative_to_the_larger_of_both():
    """A gradient a thousand times too large is not excused by its own size, nor one that is zero."""
    loose = Tolerance(rtol=0.5)
    assert verdicts(decide([1000.0, 0.0, 1.5], measured([1.0, 1.0, 1.0], 0.0), loose)) == [
        "wrong", "wrong", "verified",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "rtol", "resolution", "eps"),
    [
        (["float64"], 1e-6, 1e-3, 2.0**-52),
        (["float32", "float64"], 1e-3, 3e-2, 2.0**-23),
        (["float64", "float32"], 1e-3, 3e-2, 2.0**-23),
        (["float32", "float16"], 1e-1, 0.5, 2.0**-10),
        (["decimal", "longdouble"], 1e-6, 1e-3, 2.0**-52),
        ([], 1e-6, 1e-3, 2.0**-52),
    ],
)
def test_the_coarsest_dtype_decides_what_is_not_given(names, rtol, resolution, eps):
    """Figures of the table in docs/verdict.md; what is given stays, 0 as well."""
    assert Tolerance.for_dtypes(names, None, 0.25, None) == Tolerance(rtol, 0.25, resolution, eps)
    assert Tolerance.for_dtypes(names, 0.0, 0.0, None) == Tolerance(0.0, 0.0, resolution, eps)
    assert Tolerance.for_dtypes(names, None, 0.0, 0.0) == Tolerance(rtol, 0.0, 0.0, eps)
    assert Tolerance.for_dtypes(names, None, 0.25, 0.125).of("float16") == Tolerance(
        0.1, 0.25, 0.125, 2.0**-10
    )
    with pytest.raises(ValueError, match="rtol"):
        Tolerance.for_dtypes(names, -1.0, 0.0, None)


@pytest.mark.parametrize(("zero", "distance", "verdict"), [
    (True, 3.9, "verified"), (True, -3.9, "verified"), (True, 4.1, "wrong"), (True, -4.1, "wrong"),
    (False, 3.9, "wrong"),
])  # fmt: skip
def test_four_roundings_of_the_array_are_allowed_at_a_coordinate_that_is_0(zero, distance, verdict):
    """The array's rms is 8, a rounding of it 8 eps; the bar is nothing."""
    rounding = 8.0 * 2.0**-52
    said = judge(
        np.array([distance * rounding]),
        measured(0.0, 0.0),
        np.array([8.0]),
        Tolerance(0.0),
        zero=np.array([zero]),
    )
    assert verdicts(said) == [verdict]
    assert said.allowed == (4.0 * rounding if zero else 0.0)


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_an_array_of_unknown_size_excuses_nothing(unknown):
    """A rounding of nan or infinity would make no derivative wrong."""
    said = judge(np.array([1.0]), measured(0.0, 0.0), np.array([unknown]), STRICT, zero=np.array([True]))
    assert verdicts(said) == ["wrong"]


def cancelling(a: float, b: float) -> Any:
    """3 x[0] + a x[1] - b x[1], where a is b but for a rounding: nobody means the slope a - b."""
    return lambda x: 3.0 * x[0] + a * x[1] - b * x[1]


COEFFICIENTS = [(1.0 + 2.0**-52, 1.0), (1.0 - 2.0**-52, 1.0), (0.1 + 0.2, 0.3)]


@pytest.mark.parametrize(("a", "b"), COEFFICIENTS)
def test_a_slope_that_cancels_to_a_rounding_is_0_at_0(a, b):
    """Two of these were called wrong from some seeds, although they are 1e-16 of their array."""
    for seed in range(5):
        report = check_gradient(cancelling(a, b), lambda x: np.array([3.0, 0.0]), np.zeros(2), rng=seed)
        assert report.outcome is Outcome.PASS, (seed, report)


@pytest.mark.parametrize(("a", "b"), COEFFICIENTS)
@pytest.mark.parametrize("claim", [1e-9, -1e-12, 3e-15])
def test_what_is_more_than_roundings_of_the_array_is_wrong_at_0(a, b, claim):
    """The rms of the array is 2.1, and four roundings of it are 1.9e-15."""
    report = check_gradient(cancelling(a, b), lambda x: np.array([3.0, claim]), np.zeros(2), rng=0)
    assert report.outcome is Outcome.FAIL, report
    assert [m.flat_index for m in report.wrong] == [1]


@pytest.mark.parametrize(("claim", "outcome"), [(0.0, Outcome.PASS), (3e-15, Outcome.FAIL)])
def test_the_same_holds_in_a_row_of_a_jacobian(claim, outcome):
    """One output of two cancels."""
    f = cancelling(0.1 + 0.2, 0.3)
    jac = np.array([[3.0, claim], [1.0, -2.0]])
    report = check_jacobian(
        lambda x: np.array([f(x), x[0] - 2.0 * x[1]]), lambda x: jac.copy(), np.zeros(2), rng=0
    )
    assert report.outcome is outcome, report


def test_atol_accepts_an_absolute_discrepancy():
    """What lies within atol is no mistake, what lies beyond it is."""
    accepting = Tolerance(rtol=0.0, atol=1e-3)
    assert verdicts(decide([1.0009, 1.0011], measured([1.0, 1.0], 0.0), accepting)) == ["verified", "wrong"]


def test_a_bar_wider_than_the_resolution_is_no_pass():
    """Agreement within a bar of 1 % verifies nothing at resolution 1e-3, and does at 1e-1."""
    estimate = measured(1.0, 1e-2)
    assert verdicts(decide(1.0, estimate)) == ["open"]
    assert verdicts(decide(1.0, estimate, Tolerance(rtol=1e-6, resolution=0.1))) == ["verified"]


def test_a_bar_wider_than_the_resolution_still_refuses_what_lies_outside_it():
    """A noisy numerical derivative is evidence against a gradient ten bars away."""
    assert verdicts(decide(1.1, measured(1.0, 1e-2))) == ["wrong"]


def test_a_small_entry_is_measured_by_the_scale_of_its_array():
    """A zero entry beside entries of size 1 is verified by an absolute bar; alone it is not."""
    estimate = measured(0.0, 1e-9)
    beside = judge(np.zeros(1), estimate, np.ones(1), STRICT)
    assert verdicts(beside) == ["verified"]
    assert verdicts(decide(0.0, estimate)) == ["open"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_wrong(value):
    """A nan or inf that the gradient returns is refused, whatever the numerical side knows."""
    assert (
        verdicts(decide([value] * 3, measured([1.0, np.nan, 1.0], [1e-9, np.inf, np.inf]))) == ["wrong"] * 3
    )


@pytest.mark.parametrize(("value", "error"), [(np.nan, 1e-9), (1.0, np.nan), (1.0, np.inf), (np.inf, np.inf)])
def test_without_a_finite_numerical_derivative_nothing_is_decided(value, error):
    """The absence of evidence neither convicts nor passes."""
    assert verdicts(decide(1.0, measured(value, error))) == ["open"]


@pytest.mark.parametrize(
    ("analytic", "verdict"), [(-1.0, "open"), (0.0, "open"), (1.0, "open"), (5.0, "wrong")]
)
def test_at_a_kink_only_what_lies_outside_the_one_sided_slopes_is_wrong(analytic, verdict):
    """Between the slopes every convention is possible and none is verified."""
    kink = measured(0.0, 1.0, Limit.KINK, left=-1.0, right=1.0, sided=1e-9)
    assert verdicts(decide(analytic, kink)) == [verdict]


def test_a_kink_that_is_small_beside_the_array_is_still_no_pass():
    """Half the jump lies within the resolution of a large array: the slope at the kink is not verified by that."""
    kink = measured(0.0, 1.0, Limit.KINK, left=-1.0, right=1.0, sided=1e-9)
    assert verdicts(judge(np.zeros(1), kink, np.full(1, 1e6), STRICT)) == ["open"]


@pytest.mark.parametrize(
    ("analytic", "verdict"), [(-1.0, "verified"), (0.3, "verified"), (5.0, "wrong"), (1.001, "wrong")]
)
def test_a_subgradient_passes_where_it_is_asked_for(analytic, verdict):
    """With subgradient=True a value between the one-sided slopes passes, one outside does not."""
    kink = measured(0.0, 1.0, Limit.KINK, left=-1.0, right=1.0, sided=1e-9)
    assert verdicts(decide(analytic, kink, subgradient=True)) == [verdict]


def test_a_fixed_coordinate_is_open_unless_the_gradient_is_not_finite():
    """Equal bounds leave nothing to measure; nan is refused even so."""
    fixed = measured([1.0, 1.0], np.inf, Limit.FIXED)
    assert verdicts(decide([1.0, np.nan], fixed)) == ["open", "wrong"]


@pytest.mark.parametrize(("step", "verdict"), [(1e-3, "open"), (1.0, "wrong"), (0.0, "wrong")])
def test_what_moves_f_by_less_than_any_normal_number_is_no_mistake_and_no_pass(step, verdict):
    """4e-306 over a step of 1e-3 is 4e-309, beside 2.2e-308: values there have lost digits. A complex step is 0."""
    found = measured([0.0, 1.0], [0.0, 1e-9], step=step, left=np.nan, right=np.nan)

    assert verdicts(decide([4e-306, 1.0], found)) == [verdict, "verified"]
    assert verdicts(decide([0.0, 1.0], found)) == ["verified", "verified"]


def test_what_lies_on_the_edge_of_what_is_allowed_is_allowed():
    """|g - r| = atol without a bar is right; a bar of exactly the resolution, with atol, resolves."""
    assert verdicts(decide(1.5, measured(1.0, 0.0), Tolerance(rtol=0.0, atol=0.5))) == ["verified"]
    assert verdicts(decide(1.0, measured(1.0, 0.25), Tolerance(rtol=0.0, resolution=0.75))) == ["verified"]
    # 3 * 0.5 = 0.5 * 1 + 1
    wide = Tolerance(rtol=0.0, atol=1.0, resolution=0.5)
    assert verdicts(decide(1.0, measured(1.0, 0.5), wide)) == ["verified"]
    assert verdicts(decide(1.0, measured(1.0, 0.51), wide)) == ["open"]


def test_a_derivative_that_is_not_a_number_is_not_verified_by_the_size_of_its_array():
    """A small bar around nan, beside entries of size 1, is no evidence."""
    for value, error in ((np.nan, 1e-9), (np.inf, 1e-9), (1.0, np.inf)):
        assert verdicts(judge(np.ones(1), measured(value, error), np.ones(1), STRICT)) == ["open"]


def test_what_is_not_finite_has_no_size():
    """What is allowed is 3 E + atol, and the scale is that of the array; inf beside inf is refused in silence."""
    tolerance = Tolerance(rtol=0.1, atol=0.25)
    judgement = judge(np.array([np.inf, np.nan]), measured([np.inf, 1.0], 0.5), np.full(2, 0.5), tolerance)
    assert judgement.allowed.tolist() == [1.75, 1.75]
    assert judgement.scale.tolist() == [0.5, 0.5]
    assert verdicts(judgement) == ["wrong", "wrong"]


@pytest.mark.parametrize(
    ("analytic", "verdict"),
    [(0.61, "verified"), (0.59, "wrong"), (3.39, "verified"), (3.41, "wrong"), (2.0, "verified")],
)
def test_the_slopes_at_a_kink_have_a_bar_of_their_own(analytic, verdict):
    """Slopes 1 and 3, known to 0.05 each: three times that and atol make 0.4, however large the jump is.

    The bar of the central value, which holds half the jump, would excuse all of these.
    """
    kink = measured(2.0, 1.0, Limit.KINK, left=3.0, right=1.0, sided=0.05)
    tolerance = Tolerance(rtol=0.0, atol=0.25, resolution=0.1)
    assert verdicts(decide(analytic, kink, tolerance, subgradient=True)) == [verdict]


@pytest.mark.parametrize(("sided", "verdict"), [(1e-3, "verified"), (1.1e-3, "open")])
def test_a_subgradient_passes_only_where_its_slopes_are_known_well_enough(sided, verdict):
    """The steeper slope is 3, a resolution of 1e-3 asks for three bars within 3e-3."""
    kink = measured(2.0, 1.0, Limit.KINK, left=3.0, right=1.0, sided=sided)
    assert verdicts(decide(1.5, kink, subgradient=True)) == [verdict]


def test_a_slope_itself_is_a_subgradient():
    """The interval is closed: where both slopes are 1 and known exactly, 1 is between them."""
    kink = measured(1.0, 0.0, Limit.KINK, left=1.0, right=1.0, sided=0.0)
    assert verdicts(decide(1.0, kink, Tolerance(rtol=0.0), subgradient=True)) == ["verified"]


def test_what_was_detectable_is_relative_to_the_scale():
    """Allowed 3e-3 beside a scale of 0.5 is 0.6 %; where the scale is 0 nothing would have been seen."""
    seen = judge(np.zeros(2), measured([0.0, 0.0], [1e-3, 0.0]), np.array([0.5, 0.0]), STRICT)
    assert seen.detectable.tolist() == [pytest.approx(6e-3), np.inf]


@pytest.mark.slow
@given(
    analytic=st.floats(allow_nan=True, allow_infinity=True),
    value=st.floats(allow_nan=True, allow_infinity=True),
    error=st.floats(min_value=0.0) | st.just(math.nan),
    scale=st.floats(0.0, 1e300),
    limit=st.sampled_from(Limit),
)
def test_exactly_one_verdict_holds_and_a_pass_needs_finite_evidence(analytic, value, error, scale, limit):
    """Whatever the numbers, the three masks exclude each other, and verified means finite and close."""
    estimate = measured(value, error, limit)
    with np.errstate(over="ignore"):  # 3 E may be beyond the largest float: that is not evidence either
        judgement = judge(np.array([analytic]), estimate, np.array([scale]), STRICT)
    assert verdicts(judgement) != ["verified"] or (
        math.isfinite(analytic)
        and math.isfinite(value)
        and abs(analytic - value) <= 3 * error * (1 + 1e-12) + 1.01e-6 * max(abs(analytic), abs(value))
    )


def test_detectable_is_what_is_allowed_relative_to_the_scale():
    """3 E + rtol of a derivative of size 2, over 2."""
    judgement = decide(2.0, measured(2.0, 1e-5))
    # By hand: (3e-5 + 2e-6) / 2.
    assert judgement.detectable[0] == pytest.approx(1.6e-5, rel=1e-12)


@pytest.mark.parametrize(
    ("distance", "tolerance", "verdict"),
    [
        (3.9e-4, STRICT, "verified"),
        (4.1e-4, STRICT, "open"),
        (-4.1e-4, STRICT, "open"),
        (4.1e-4, Tolerance(rtol=1e-6, atol=2e-5, resolution=1e-3), "verified"),
        (5.0e-4, Tolerance(rtol=1e-6, atol=2e-5, resolution=1e-3), "open"),
        (1.9e-3, Tolerance(rtol=2e-3, resolution=1e-3), "verified"),
    ],
)
def test_what_passes_is_off_by_less_than_the_resolution_wherever_in_its_bar_the_truth_lies(
    distance, tolerance, verdict
):
    """With 3 E = 6e-4 of 1 a claim 4e-4 beside the estimate is off by 1e-3 at the most; rtol above that is accepted."""
    assert verdicts(decide(1.0 + distance, measured(1.0, 2e-4), tolerance)) == [verdict]


def test_nothing_is_detectable_where_there_is_no_scale():
    """Zero against zero with a bar: no relative mistake would have been seen."""
    assert decide(0.0, measured(0.0, 1e-9)).detectable[0] == np.inf


@pytest.mark.parametrize("name", ["rtol", "atol", "resolution"])
@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf])
def test_tolerances_are_finite_and_not_negative(name, value):
    """The error names argument and value."""
    with pytest.raises(ValueError, match=rf"{name} must be .*{value}"):
        Tolerance(**({"rtol": 1e-6} | {name: value}))


def test_a_resolution_of_everything_is_refused():
    """At resolution 1 a gradient of zero would pass."""
    with pytest.raises(ValueError, match="resolution must be below 1"):
        Tolerance(rtol=1e-6, resolution=1.0)


# What a mistake is relative to.


def test_a_small_entry_is_judged_by_the_root_mean_square_of_its_array():
    """Beside entries of size 1 an entry of 1e-9 that is missing is still seen: its own bar is smaller."""
    c = np.array([1.0, 2.0, 1e-9])
    right = check_gradient(lambda x: c @ np.exp(x), lambda x: c * np.exp(x), np.zeros(3))
    assert right.outcome is Outcome.PASS
    assert right.detectable < 1e-3
    missing = check_gradient(lambda x: c @ np.exp(x), lambda x: c * np.exp(x) * [1, 1, 0], np.zeros(3))
    assert missing.outcome is not Outcome.PASS or right.detectable > 1e-9


def test_each_array_has_its_own_scale():
    """Biases of size 1e-4 are not measured by weights of size 1e4: 1 % of them is refused."""
    x = {"W": np.full(2, 1e4), "b": np.full(2, 1e-4)}

    def f(p: dict[str, np.ndarray]) -> float:
        return float(np.sum(p["W"]) + np.sum(np.sin(1e4 * p["b"])))

    def grad(p: dict[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
        return {"W": np.ones(2), "b": factor * 1e4 * np.cos(1e4 * p["b"])}

    assert check_gradient(f, lambda p: grad(p, 1.0), x).outcome is Outcome.PASS
    wrong = check_gradient(f, lambda p: grad(p, 1.01), x)
    assert [m.name for m in wrong.wrong] == ['params["b"][0]', 'params["b"][1]']


@pytest.mark.parametrize("size", [1e-250, 1e-200, 1e200, 1e250])
def test_the_size_of_derivatives_neither_overflows_nor_underflows(size):
    """The squares of these derivatives leave the floating-point range; the decision does not notice."""
    x = np.array([0.3, 0.7])
    right = check_gradient(lambda t: size * np.sum(np.exp(t)), lambda t: size * np.exp(t), x)
    assert right.outcome is Outcome.PASS, str(right)
    wrong = check_gradient(lambda t: size * np.sum(np.exp(t)), lambda t: size * np.exp(t) * [1, 1.01], x)
    assert [m.name for m in wrong.wrong] == ["x[1]"]


@pytest.mark.parametrize(
    ("f", "grad"),
    [
        (lambda x: x @ x, lambda x: 2 * x),
        (lambda x: np.sum(np.cosh(x)), np.sinh),
        (lambda x: np.sum(x**4), lambda x: 4 * x**3),
        (lambda x: x[0] ** 2 - x[1] ** 2, lambda x: np.array([2 * x[0], -2 * x[1]])),
    ],
    ids=["bowl", "cosh", "flat bowl", "saddle"],
)
def test_a_stationary_point_needs_no_absolute_tolerance(f, grad):
    """All derivatives are zero: right passes with the defaults, and 1e-3 too much is refused."""
    assert check_gradient(f, grad, np.zeros(2)).outcome is Outcome.PASS
    wrong = check_gradient(f, lambda x: grad(x) + 1e-3, np.zeros(2))
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("dtype", "rtol", "resolution"),
    [(np.float64, 1e-6, 1e-3), (np.float32, 1e-3, 3e-2), (np.float16, 0.1, 0.5)],
)
def test_each_arithmetic_has_its_own_defaults(dtype, rtol, resolution):
    """What the documentation states; half of rtol too much is accepted, eight times what is resolved is refused."""
    x = np.ones(2, dtype)

    def f(x: np.ndarray) -> Any:
        return np.sum(x * x, dtype=dtype)

    def grad(x: np.ndarray, factor: float) -> np.ndarray:
        return np.asarray(2 * x.astype(float) * factor)

    right = check_gradient(f, lambda x: grad(x, 1 + rtol / 2), x)
    assert (right.rtol, right.resolution) == (rtol, resolution)
    assert right.outcome is not Outcome.FAIL
    assert check_gradient(f, lambda x: grad(x, 1 + 8 * max(rtol, resolution)), x).outcome is Outcome.FAIL


def test_outcomes_are_called_by_their_names():
    """In reports, JSON and case files."""
    assert [outcome.value for outcome in Outcome] == ["PASS", "FAIL", "INCONCLUSIVE"]


# No excuse for a wrong gradient.


@pytest.mark.slow
@pytest.mark.parametrize("distance", [1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 0.0])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_wrong_slope_beside_a_kink_never_passes(distance, side):
    """|x - 1| at 1e-7 ... 0 from its kink: zero and the opposite sign are refused, or cannot be decided."""
    x = 1.0 + side * distance
    for wrong in (0.0, -side, 1.5 * side):
        report = check_gradient(lambda t: abs(t - 1.0), lambda t, g=wrong: g, x)
        assert report.outcome is not Outcome.PASS, (wrong, str(report))


@pytest.mark.slow
@pytest.mark.parametrize("distance", [1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0])
def test_a_wrong_slope_beside_a_singularity_never_passes(distance, factor):
    """log and arcsin beside the edges of their domains bend without limit: no excuse for a wrong gradient."""
    edge = check_gradient(lambda t: math.log(t - 1.0), lambda t: factor / (t - 1.0), 1.0 + distance)
    root = check_gradient(
        lambda t: math.asin(t), lambda t: factor / math.sqrt((1.0 - t) * (1.0 + t)), 1.0 - distance
    )
    assert edge.outcome is not Outcome.PASS, str(edge)
    assert root.outcome is not Outcome.PASS, str(root)


@pytest.mark.parametrize("bounds", [(0.1, 0.1 + 1e-14), (0.1 - 5e-15, 0.1 + 5e-15)])
def test_bounds_too_close_for_a_derivative_do_not_pass_a_wrong_one(bounds):
    """Within 1e-14 the rounding of f is all there is to see."""
    x = np.full(3, 0.1)
    report = check_gradient(lambda t: np.exp(t).sum(), lambda t: 5.0 * np.exp(t), x, bounds=bounds)
    assert report.outcome is not Outcome.PASS, str(report)


def test_a_strict_tolerance_is_that_of_the_arithmetic():
    """What is smaller stays."""
    assert Tolerance(1e-2, 0.5, 0.1).strict() == Tolerance(1e-6, 0.0, 0.1)
    assert Tolerance(1e-9, 0.5).strict() == Tolerance(1e-9)
    single = float(np.finfo(np.float32).eps)
    assert Tolerance(0.1, 0.0, 0.1, single).strict() == Tolerance(1e-3, 0.0, 0.1, single)
    assert Tolerance(1e-6).strict() == Tolerance(1e-6)


@pytest.mark.parametrize("offset", [1e6, pytest.param(1e7, marks=pytest.mark.slow)])
def test_a_fit_beside_a_large_offset_is_not_wrong_at_its_minimum(offset):
    """Residuals are rounded to 1e-10 or 1e-9, and a gradient of 1e-6 that is left moves by more; 1 % of it is told."""
    for seed in (*range(8), 22, 26, 37, 70, 88, 106, 145):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(50, 400))
        y, t = offset + rng.normal(size=n), np.linspace(0.0, 1.0, n)
        powers = np.stack([np.ones(n), t, t**2])

        def left(p: Any, y: Any = y, t: Any = t) -> Any:
            return (y - (p["a"][0] + p["a"][1] * t + p["a"][2] * t**2)) / np.exp(p["logs"][0])

        def f(p: Any, left: Any = left, n: int = n) -> float:
            return float(0.5 * np.sum(left(p) ** 2) + n * p["logs"][0])

        def gradient(p: Any, left: Any = left, powers: Any = powers, n: int = n) -> Any:
            e = left(p)
            return {"a": -(powers @ e) / np.exp(p["logs"][0]), "logs": np.array([n - e @ e])}

        def larger(p: Any, gradient: Any = gradient) -> Any:
            return {name: 1.01 * part for name, part in gradient(p).items()}

        c = np.linalg.lstsq(powers.T, y - offset, rcond=None)[0]
        spread = np.log(np.std(y - offset - c @ powers))
        p = {"a": np.array([offset, 0.0, 0.0]) + c, "logs": np.array([spread])}
        p["a"][:2] += 1e-8 * np.random.default_rng(seed + 999).normal(size=2)
        report = check_gradient(f, gradient, p, rng=seed)
        assert report.outcome is not Outcome.FAIL
        p["a"][0] += 0.1
        assert check_gradient(f, larger, p, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_slopes_below_the_smallest_normal_number_are_0_to_their_dtype(name):
    """Of a claim of 0 half of it is no mistake, twice it is; in float16 so small a slope has to be seen for a PASS."""
    least = float(np.finfo(name).tiny)
    tolerance = Tolerance.for_dtypes([name], None, 0.0, None)

    def judged(slope, error):
        return decide([0.0], measured([slope], error, step=1.0), tolerance)

    assert judged(0.5 * least, 1e-3 * least).verified.all()
    assert not judged(2.0 * least, 1e-3 * least).verified.any()
    if name != "float64":  # there values of f lose their digits as well
        assert judged(2.0 * least, 1e-3 * least).wrong.all()
    assert judged(0.5 * least, 0.3 * least).verified.all() == (name != "float16")
    assert not judged(0.5 * least, 0.3 * least).wrong.any()
