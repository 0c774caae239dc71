"""The complex step as witness: it verifies where real differences are too noisy, and is not believed blindly."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.corpus.disturbed import noisy
from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.evidence import complex_test
from gradcheck.evidence.complex_test import by_complex_step, mark_disputed, verify_by_complex_step
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate, unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance


def swamped(x):
    """Five exponentials beside 1e14: real differences see little of the smallest."""
    return np.sum(np.exp(x)) + 1e14


X = np.array([-9.0, 0.3, 1.0, 2.0, 3.0])


def test_an_entry_that_noise_hides_is_verified_by_the_complex_step():
    """1e14 leaves a noise of 0.02; the imaginary part has none of it."""
    report = check_gradient(swamped, np.exp, X)
    assert report.outcome is Outcome.PASS
    assert any("verified by the complex step" in note for note in report.notes)


def test_without_complex_numbers_the_same_stays_undecided():
    """float() refuses complex numbers: the witness is not there."""
    report = check_gradient(lambda x: float(swamped(np.asarray(x, float))), np.exp, X)
    assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("factor", [0.5, 1.01])
def test_what_the_witness_contradicts_does_not_pass(factor):
    """A wrong entry below the noise is left undecided, not verified."""
    wrong = np.where(np.arange(5) == 1, factor, 1.0)
    report = check_gradient(swamped, lambda x: wrong * np.exp(x), X)
    assert report.outcome is not Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 4])
def test_what_the_witness_contradicts_is_not_verified_by_averages_that_see_less(n):
    """Noise that is a part of f is the same part of its imaginary part: 1e-6 is seen there, and 1e-3 by averages."""
    seen = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, weights = rng.uniform(1.0, 10.0, n), rng.normal(size=n)
        f = noisy(10 ** rng.uniform(-10.0, -7.5))(
            lambda x, w=weights: w @ np.log(np.exp(0.3 * x) + 2.0) - 1000.0
        )
        slopes = weights * 0.3 * np.exp(0.3 * x) / (np.exp(0.3 * x) + 2.0)
        largest = np.arange(n) == np.argmax(np.abs(slopes))

        right = check_gradient(f, slopes, x, rng=seed)
        assert right.outcome is not Outcome.FAIL
        for factor in (1 + 1e-5, 1 - 1e-5):
            wrong = check_gradient(f, np.where(largest, factor, 1.0) * slopes, x, rng=seed)
            if right.outcome is Outcome.PASS and right.detectable < 9e-6:
                assert wrong.outcome is not Outcome.PASS, (seed, wrong.detectable)
                seen += "the complex step contradicts it" in wrong.reason
    assert seen >= 10


@pytest.mark.parametrize(
    ("n", "claim", "outcome"),
    [
        (2, 0.0, Outcome.PASS),
        (2, 3e-15, Outcome.INCONCLUSIVE),
        (9, 0.0, Outcome.PASS),
        (9, 3e-15, Outcome.PASS),
    ],
)
def test_what_slopes_that_cancel_leave_at_0_contradicts_nothing(n, claim, outcome):
    """0.1 + 0.2 - 0.3 is 6e-17, which the complex step sees; four roundings of the array are 1e-15 to 2e-15.

    From 4 entries on a mistake is relative to its array where it is certified, and 3e-15 is next to nothing of 1.
    """
    gradient = np.ones(n)
    gradient[:2] = 3.0, claim
    report = check_gradient(
        lambda x: 1e12 + 3.0 * x[0] + (0.1 + 0.2) * x[1] - 0.3 * x[1] + x[2:].sum(),
        gradient,
        np.zeros(n),
        rng=0,
    )
    assert report.outcome is outcome, report


def test_an_f_that_is_not_analytic_is_not_believed():
    """|z| of a complex z is real: its imaginary part says 0, which the real differences contradict."""
    report = check_gradient(
        lambda x: np.sum(np.abs(x)) + 1e14, lambda x: np.zeros(3), np.array([1.0, 2.0, 3.0])
    )
    assert report.outcome is not Outcome.PASS


@pytest.mark.parametrize(
    ("claim", "outcome"), [(0.0, Outcome.INCONCLUSIVE), (-1.0, Outcome.FAIL), (1.0, Outcome.FAIL)]
)
def test_a_slope_on_one_side_of_a_kink_is_not_called_wrong_by_the_complex_step(claim, outcome):
    """It gives the other one of 1e-3 max(x, 0), which real differences along all entries hardly see."""
    x = np.array([1.0, 0.0, 2.0])

    def f(x):
        return 1e11 + np.exp(x[0]) + 1e-3 * np.maximum(x[1], 0.0) + x[2]

    claimed = np.array([np.e, claim, 1.0])
    assert check_gradient(f, claimed, x, method="complex").outcome is outcome


def rectified(p, inputs, targets, back=False):
    """The loss of a layer of rectifiers, or its gradient with the slope on the left at 0."""
    before = inputs @ p["W0"] + p["b0"]
    after = np.maximum(before, 0)
    residual = after @ p["W1"] + p["b1"] - targets
    if not back:
        return np.mean(residual**2)
    outer = 2.0 * residual / residual.size
    inner = (outer @ p["W1"].T) * (before > 0)
    return {"W0": inputs.T @ inner, "b0": inner.sum(0), "W1": after.T @ outer, "b1": outer.sum(0)}


@pytest.mark.parametrize("seed", [8, 19])
@pytest.mark.parametrize("beyond", [0.0, -1e-3])
def test_biases_of_0_beside_rows_of_zeros_lie_on_a_kink(seed, beyond):
    """Padded rows switch at b = 0, the others a ten-thousandth beside it; the claim is the slope on the left.

    A claim that is off by more than any slope differs from another is wrong.
    """
    rng = np.random.default_rng(seed)
    inputs, targets = rng.standard_normal((16, 6)), rng.standard_normal((16, 3))
    inputs[:4] = 0.0
    p = {
        "W0": 1e-4 * rng.standard_normal((6, 8)), "b0": np.zeros(8),
        "W1": 1e-4 * rng.standard_normal((8, 3)), "b1": np.zeros(3),
    }  # fmt: skip
    claimed = rectified(p, inputs, targets, back=True)
    claimed["b0"] = claimed["b0"] + beyond
    report = check_gradient(lambda q: rectified(q, inputs, targets), claimed, p, rng=seed)
    assert (report.outcome is Outcome.FAIL) == (beyond != 0)


def test_the_complex_method_costs_one_evaluation_a_coordinate():
    """Sixteen for noise, two for f(x), and 6 x 8 real ones for comparison: 40 coordinates need 40 more."""
    x = np.linspace(0.1, 4.0, 40)
    report = check_gradient(lambda x: np.sum(np.sin(x)), np.cos, x, method="complex")
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 18 + 48 + 40
    # The analytic gradient and the complex step are both right to rounding.
    assert report.max_error < 1e-14


def test_the_complex_method_refuses_a_mistake_of_one_in_a_million():
    """Twice the accepted rtol in one entry."""
    x = np.linspace(0.1, 1.0, 40)
    wrong = np.where(np.arange(40) == 7, 1 + 2e-6, 1.0)
    report = check_gradient(lambda x: np.sum(np.sin(x)), lambda x: wrong * np.cos(x), x, method="complex")
    assert report.outcome is Outcome.FAIL
    assert [m.flat_index for m in report.wrong] == [7]


def logistic(w):
    """1 / (1 + exp(-w)), of complex numbers too."""
    return 1.0 / (1.0 + np.exp(-w))


@pytest.mark.slow
@pytest.mark.parametrize("wide", [12.0, 30.0, 45.0, 300.0])
def test_the_complex_method_does_not_ask_for_what_rounding_takes_from_a_gradient(wide):
    """1 - tanh(30)^2 and s (1 - s) are 0 in double, and 1e-26 or 1e-17 of the array; a mistake that counts is seen."""
    w = np.linspace(-wide, wide, 12)
    for f, g in (
        (lambda w: np.sum(logistic(w)), lambda w: logistic(w) * (1.0 - logistic(w))),
        (lambda w: np.sum(np.tanh(w)) + w[0], lambda w: 1.0 - np.tanh(w) ** 2 + (np.arange(12) == 0)),
    ):
        right = check_gradient(f, g, w, method="complex")
        assert right.outcome in (Outcome.PASS, Outcome.INCONCLUSIVE), str(right)
        off = 1e-5 * np.max(g(w)) * (np.arange(12) == 11)
        assert (
            check_gradient(f, lambda w, g=g, off=off: g(w) + off, w, method="complex").outcome
            is not Outcome.PASS
        )


def test_where_rounding_takes_all_of_a_gradient_nothing_is_decided_but_what_is_far_off():
    """tanh at 18, an array of its own: 1 - tanh^2 is 8.9e-16 in double, and 9.3e-16. Neither wrong nor verified."""
    x = {"a": np.array([18.0]), "b": np.array([1.0])}

    def check(slope):
        return check_gradient(
            lambda x: np.tanh(x["a"][0]) + np.sin(x["b"][0]),
            lambda x: {"a": np.array([slope]), "b": np.cos(x["b"])},
            x,
            method="complex",
        )

    assert check(1.0 - np.tanh(18.0) ** 2).outcome is Outcome.INCONCLUSIVE
    assert check(1e-3).outcome is Outcome.FAIL


@pytest.mark.parametrize("x", [np.zeros(1), np.zeros(3), np.array([1e-9, 2e-9]), np.array([0.0, 1.0])])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_complex_method_decides_where_f_is_0(x, scale):
    """What f changes over the scale of x, and not f(x), says how large its noise is."""

    def f(x):
        return np.sum((scale * x) ** 2 + np.sin(scale * x))

    slopes = 2 * scale**2 * x + scale * np.cos(scale * x)
    assert check_gradient(f, lambda x: slopes, x, method="complex").outcome is Outcome.PASS
    assert check_gradient(f, lambda x: 1.001 * slopes, x, method="complex").outcome is Outcome.FAIL


def test_where_the_complex_step_cannot_be_trusted_real_differences_decide():
    """|x| is not analytic; the note says what was used instead."""
    report = check_gradient(lambda x: np.sum(np.abs(x)), np.sign, np.array([1.0, -2.0]), method="complex")
    assert report.outcome is Outcome.PASS
    assert any("real differences, which were used instead" in note for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("u", [15.0, 20.0, 25.0, 30.0, 36.0, 60.0])
def test_a_saturated_output_is_no_mistake_of_its_own_row(u):
    """Of a sigmoid at 25 the slope 1.4e-11 has five digits in double, as q (1 - q): not FAIL; 1 % of another row is."""
    x = np.array([u, 0.5, -u, 1.0])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    slopes = sigmoid(x) * (1 - sigmoid(x))
    report = check_jacobian(sigmoid, np.diag(slopes), x, method="complex")
    assert report.outcome is not Outcome.FAIL
    report = check_jacobian(sigmoid, np.diag(slopes * [1.0, 1.01, 1.0, 1.0]), x, method="complex")
    assert [m.name for m in report.wrong] == ["J[1, 1]"]


# The decisions, by hand: half the sum of squares at 1, 2 and 4, whose slopes these are.

AT = np.array([1.0, 2.0, 4.0])
EVERY = np.arange(3)
EPS = 2.0**-52


def setting(x: Any = AT, max_nfev: int | None = None, **parts: Any) -> Setting:
    """What is known of it: f(x) is 10.5."""
    parameters, flat = Parameters.of(x)
    objective = Objective(lambda x: np.sum(x * x) / 2.0, parameters, max_nfev=max_nfev)
    given = {"level": 1e-15, "relative_step": 1e-3, "given_scales": np.ones(3), "tolerance": Tolerance(1e-6)}
    return Setting(objective, flat, 10.5, **(given | parts))


def newly(before: Entries, after: Entries) -> int:
    """How many entries were verified."""
    return int(np.count_nonzero(before.judgement.inconclusive & after.judgement.verified))


def measured(value: Any, error: Any, limit: Limit = Limit.NOISE) -> Estimate:
    """Real differences with these bars."""
    value, error = np.asarray(value, float), np.asarray(error, float)
    limits = np.full(value.size, limit, object)
    return replace(unmeasured(value.size, value.dtype), value=value, error=error, limit=limits)


def evidence_of(claims: Any, found: Estimate, verified: Any, interrupted: bool = False) -> Entries:
    """Entries of which some are verified and the others open; each is as large as its array, 2.6."""
    verified = np.asarray(verified, bool)
    no = np.zeros(3, bool)
    judgement = Judgement(no, verified, no, 3.0 * found.error, np.full(3, 2.6))
    return Entries(EVERY, np.asarray(claims, float), found, judgement, interrupted)


def test_what_the_complex_step_accuses_is_left_open_unless_real_differences_refute_it():
    """1.01 for 1 where a bar of 0.03 holds both; 2, which it does not accuse; 4.02 that a bar of 0.003 bears out."""
    known = setting()
    evidence = evidence_of([1.01, 2.0, 4.02], measured([1.0, 2.0, 4.02], [0.01, 0.01, 1e-3]), [True] * 3)

    after = mark_disputed(known, evidence)

    assert after.judgement.verified.tolist() == [False, True, True]
    assert after.judgement.inconclusive.tolist() == [True, False, False]
    assert after.estimate.limit.tolist() == [Limit.DISPUTED, Limit.NOISE, Limit.NOISE]
    assert known.objective.nfev == 3


def test_nothing_is_left_open_where_the_complex_step_cannot_be_asked():
    """After an interruption, and with two evaluations left for three entries."""
    found = measured([1.0, 2.0, 4.0], [0.01] * 3)
    known = setting()
    interrupted = evidence_of([1.01, 2.0, 4.0], found, [True] * 3, interrupted=True)
    assert mark_disputed(known, interrupted) is interrupted
    evidence = evidence_of([1.01, 2.0, 4.0], found, [True] * 3)
    assert mark_disputed(setting(max_nfev=2), evidence) is evidence
    assert known.objective.nfev == 0


def test_the_second_witness_is_not_asked_where_nothing_is_open():
    """Nor does it cost anything then; of an entry that is open it verifies what is right."""
    found, known = measured(AT, [1e-2] * 3), setting()
    evidence = evidence_of(AT, found, [True, True, True])
    assert verify_by_complex_step(known, evidence) is evidence
    assert known.objective.nfev == 0
    after = verify_by_complex_step(setting(), evidence_of(AT, found, [False, True, True]))
    assert after.judgement.verified.all()


def test_the_second_witness_disputes_what_it_contradicts():
    """1.001 for 1 within a bar of 0.03: open before, and named as disputed after."""
    evidence = evidence_of([1.001, 2.0, 4.0], measured(AT, [1e-2] * 3), [False, True, True])
    after = verify_by_complex_step(setting(), evidence)
    count = newly(evidence, after)
    assert count == 0
    assert after.judgement.inconclusive.tolist() == [True, False, False]
    assert after.estimate.limit.tolist() == [Limit.DISPUTED, Limit.NOISE, Limit.NOISE]


@pytest.mark.parametrize(
    ("f_x", "slope", "level", "relative"),
    [
        (10.5, 0.0, 1e-15, 64 * EPS),
        (10.5, 0.0, 1e-3, 4e-3 / 10.5),
        (10.5, 21.0, 1e-3, 4e-3 / 21.0),
        (10.5, 0.0, 100.0, 1.0),
        (0.0, 0.0, 1e-15, 1.0),
    ],
)
def test_noise_of_f_is_the_same_part_of_its_imaginary_part(f_x, slope, level, relative):
    """Four times the noise over f, or what f changes by; 64 roundings at the least, and all of the value at most."""
    known = replace(setting(level=level), f_x=np.array([f_x]), slope=np.array([slope]))
    assert complex_test._rounding(known, AT, EVERY) == pytest.approx(relative * AT, rel=1e-12)


def test_what_the_complex_step_gives_is_an_estimate_without_a_step():
    """Its bar is rounding and what the direction leaves unseen; what was not taken has none, for want of budget."""
    found = complex_test._as_estimate(setting(), EVERY, np.array([1.0, -2.0, np.nan]), np.full(3, 1e-9))
    expected = [64 * EPS + 1e-9, 128 * EPS + 1e-9, np.inf]
    for part in (found.error, found.noise, found.sided):
        assert part == pytest.approx(expected, rel=1e-12)
    for part in (found.step, found.truncation, found.kink):
        assert part.tolist() == [0.0, 0.0, 0.0]
    for part in (found.value, found.left, found.right):
        assert part.tolist()[:2] == [1.0, -2.0]
    assert found.chord.tolist()[:2] == [1.0, 2.0]
    assert found.limit.tolist() == [Limit.NONE, Limit.NONE, Limit.BUDGET]
    assert found.nfev == 2


def test_what_seems_wrong_to_the_complex_step_is_measured_by_real_differences():
    """The others keep the value that has no step."""
    found = by_complex_step(setting(), np.array([1.0, 2.1, 4.0]), EVERY, 0)
    assert found is not None
    assert found.judgement.wrong.tolist() == [False, True, False]
    assert (found.estimate.step > 0).tolist() == [False, True, False]
    assert found.estimate.value == pytest.approx(AT, rel=1e-6)


@pytest.mark.parametrize(
    ("trusted", "error", "apart", "limit", "borne"),
    [
        # A third of the value, or of a ten-thousandth of it: a tenth of the resolution.
        (True, 0.32, 0.0, Limit.NONE, True),
        (True, 0.34, 0.0, Limit.NONE, False),
        (False, 0.32e-4, 0.0, Limit.NONE, True),
        (False, 0.34e-4, 0.0, Limit.NONE, False),
        # Three bars apart.
        (False, 1e-5, 2.9e-5, Limit.NONE, True),
        (False, 1e-5, -3.1e-5, Limit.NONE, False),
        (False, 1e-5, 0.0, Limit.TRUNCATION, True),
        (True, 1e-5, 0.0, Limit.KINK, False),
        (True, 1e-5, 0.0, Limit.JUMP, False),
    ],
)
def test_the_complex_step_is_relied_on_where_a_real_difference_agrees(
    monkeypatch, trusted, error, apart, limit, borne
):
    """Both along one random direction; what one entry may hide there is a third of the two bars."""
    known = setting()
    seen = []

    def real(setting: Setting, tangent: Any) -> Estimate:
        values = setting.complex_along(tangent)
        assert values is not None
        value = values.imag
        seen.append((tangent, value))
        return measured(value * (1.0 + apart), error * np.abs(value), limit)

    monkeypatch.setattr(complex_test, "_real_difference", real)
    left = complex_test._along_all(known, EVERY, 0, trusted=trusted)

    assert (left is not None) is borne
    if left is not None:
        ((tangent, value),) = seen
        assert left == pytest.approx((error + abs(apart) / 3.0) * np.abs(value / tangent), rel=1e-9)


def test_the_complex_step_is_not_asked_without_entries_nor_of_single_precision():
    """x that is float32 cannot hold complex numbers of double precision."""
    known = setting()
    assert by_complex_step(known, np.zeros(0), np.zeros(0, np.intp), 0) is None
    single = setting(AT.astype(np.float32))
    assert by_complex_step(single, AT, EVERY, 0) is None
    assert (known.objective.nfev, single.objective.nfev) == (0, 0)
