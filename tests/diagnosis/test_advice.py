"""Advice is true of the function at hand, and decides it where it is followed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from benchmarks import advice
from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.diagnosis.undecided import Circumstances, undecided_entries
from gradcheck.parameters.tree import Parameters
from gradcheck.report.text import undecided_sentence
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import Remedy, Undecided
from gradcheck.results.verdict import Tolerance, judge

CASES = {case.name: case for case in advice.undecided()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_advice_that_is_followed_decides_rightly(name):
    """Noise, rounding, terms that cancel, an f that does not move: the first advice is enough."""
    case = CASES[name]
    last, followed, could = advice.follow(case, case.check({}))

    assert could
    assert len(followed) <= 1
    assert last.outcome is not Outcome.INCONCLUSIVE
    assert advice.rightly(case, last)


@pytest.mark.parametrize(("error", "first"), [(1e-4, True), (np.inf, False)])
def test_an_option_that_would_decide_some_comes_last(error, first):
    """Of two open entries one has no bar at all: an atol for the other would leave the check where it is."""
    parameters, _ = Parameters.of(np.ones(3))
    errors, value = np.array([1e-9, 1e-4, error]), np.array([1.0, 1e-3, 1e-3])
    parts = {f.name: np.zeros(3) for f in fields(Estimate)}
    limits = np.full(3, Limit.NOISE, object)
    estimate = Estimate(**parts | {"value": value, "error": errors, "limit": limits, "nfev": 0})
    judgement = judge(value, estimate, value, Tolerance(1e-6))
    assert judgement.inconclusive.tolist() == [False, True, True]

    found = undecided_entries(
        parameters, Entries(np.arange(3), value, estimate, judgement), 3, Circumstances(Tolerance(1e-6))
    )

    remedies = list(found.remedies)
    assert (remedies[0] in (Remedy.ATOL, Remedy.RESOLUTION)) is first
    assert remedies[-1 if first else 0] is Remedy.PRECISE


KINDS = (Limit.NOISE, Limit.TRUNCATION, Limit.JUMP, Limit.DOMAIN, Limit.BUDGET, Limit.SCALE)


@pytest.mark.parametrize("shift", range(len(KINDS)))
def test_of_limits_of_equally_many_entries_the_first_is_named(shift):
    """Whatever the order of a set, which Python draws anew for each process; of more entries, that of most."""
    parameters, _ = Parameters.of(np.ones(len(KINDS)))
    limits = np.roll(np.array(KINDS, object), shift)
    value, parts = np.ones(limits.size), {f.name: np.zeros(limits.size) for f in fields(Estimate)}
    parts |= {"value": value, "error": np.full(limits.size, np.inf), "nfev": 0}

    def named(limit: Any) -> Limit:
        estimate = Estimate(**parts | {"limit": limit})
        judgement = judge(value, estimate, value, Tolerance(1e-6))
        evidence = Entries(np.arange(limits.size), value, estimate, judgement)
        return undecided_entries(
            parameters, evidence, limits.size, Circumstances(Tolerance(1e-6), budgeted=True)
        ).limit

    assert named(limits) is limits[0]
    more = limits.copy()
    more[-2] = more[-1]
    assert named(more) is limits[-1]


def cancels(x: Any) -> float:
    """Terms of 0.3 that leave 5e-17, in float64."""
    return float((0.1 + 0.2) * x[0] - 0.3 * x[0])


def test_float64_is_not_advised_where_f_computes_in_it():
    """Few digits of f(x) do not make it single precision; a gradient in single precision does."""
    double = check_gradient(cancels, lambda x: np.full(x.shape, (0.1 + 0.2) - 0.3), np.zeros(1))
    assert double.undecided is not None
    assert list(double.undecided.remedies) == [Remedy.DIGITS, Remedy.RESOLUTION]
    assert "compute f in float64" not in str(double)
    assert "large terms that cancel" in double.advice

    rng = np.random.default_rng(0)
    a = rng.normal(size=4).astype(np.float32)

    def single(x: Any) -> np.float32:
        return np.float32(1e4) + np.sum(a * np.sin(np.float32(x)), dtype=np.float32)

    x = np.linspace(0.5, 1.0, 4)
    coarse = check_gradient(single, lambda x: a * np.cos(np.float32(x)), x, resolution=1e-5, method="sweep")
    assert coarse.undecided is not None
    assert Remedy.FLOAT64 in list(coarse.undecided.remedies)
    assert "compute f in float64" in coarse.advice


def test_digits_that_cancelled_are_not_called_float32():
    """A pass at single precision's tolerance says what f's values show, not what f computes in."""
    report = check_gradient(
        lambda x: float((1.0 + 1e-12 * x[0]) - 1.0), lambda x: 1e-12 + 0.0 * x, np.ones(1)
    )

    assert report.outcome is Outcome.PASS
    (note,) = report.notes
    assert note.startswith(
        "f's values have the digits of float32 here: what is off by less than rtol=0.001 passes"
    )


@pytest.mark.parametrize("bits", [8, 11])
def test_values_of_two_bytes_are_of_half_precision(bits):
    """bfloat16 has 8 bits and float16 has 11: neither is called the other. A factor of 1.5 is FAIL in both."""

    def f(x: Any) -> Any:
        mantissa, exponent = np.frexp(np.exp(x))
        return np.ldexp(np.rint(mantissa * 2.0**bits) / 2.0**bits, exponent)

    x = np.linspace(0.3, 1.7, 5)
    right = check_jacobian(f, lambda x: np.diag(np.exp(x)), x)
    assert right.outcome is Outcome.PASS
    assert any(n.startswith("f's values have the digits of half precision here: ") for n in right.notes)
    assert check_jacobian(f, lambda x: 1.5 * np.diag(np.exp(x)), x).outcome is Outcome.FAIL


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_no_resolution_is_advised_that_is_none(decimals):
    """What lets half an entry pass is not offered; what is offered is accepted as it is printed."""
    x = np.linspace(-1.0, 1.0, 5)

    def f(x: Any) -> float:
        return float(np.round(np.sum(np.exp(x)), decimals))

    report = check_gradient(f, np.exp, x)
    offered = (
        [report.undecided.offered]
        if report.undecided and Remedy.RESOLUTION in report.undecided.remedies
        else []
    )
    assert report.outcome is Outcome.INCONCLUSIVE
    assert all(value is not None and value <= 0.5 for value in offered)


def test_beside_a_bend_another_point_is_advised():
    """1e-10 from the edge of a barrier no step is small enough; away from it the same gradient is decided."""
    a = np.array([1.0, 2.0, 0.5])

    def f(x: Any) -> float:
        return float(-np.log(1.0 - a @ x))

    def grad(x: Any) -> Any:
        return a / (1.0 - a @ x)

    x = np.array([0.2, 0.3, 0.4 - 2e-10])
    at = check_gradient(f, grad, x)
    assert at.undecided is not None
    assert Remedy.OFF_BEND in list(at.undecided.remedies)
    assert check_gradient(f, grad, x - 0.03).outcome is Outcome.PASS
    assert check_gradient(f, lambda x: 1.1 * grad(x), x - 0.03).outcome is Outcome.FAIL


@pytest.mark.slow
def test_the_complex_step_is_not_advised_for_what_rounding_may_have_taken():
    """A bias before a normalisation: 3e-15 for 0 is no dispute, and asked alone the complex step leaves it open."""
    case = CASES["a bias before a normalisation, one by one"]
    report = case.check({})
    advised = list(report.undecided.remedies)

    assert advised[0] is Remedy.ATOL
    assert Remedy.COMPLEX not in advised
    last, followed, _ = advice.follow(case, report)
    assert followed == [Remedy.ATOL]
    assert last.outcome is Outcome.PASS


def test_the_complex_step_is_not_advised_where_it_was_asked_for():
    """x log x at 1e-24 beside 0.5: the slope shows along no real step, and the complex one is longer than x."""
    x = np.array([1e-24, 0.5, 0.5])

    def advised(method: Any) -> list[Remedy]:
        report = check_gradient(lambda x: np.sum(x * np.log(x)), lambda x: np.log(x) + 1.0, x, method=method)
        assert report.undecided.limit is Limit.DISPUTED
        return list(report.undecided.remedies)

    assert advised("auto") == [Remedy.PRECISE, Remedy.COMPLEX]
    assert advised("complex") == [Remedy.PRECISE]


def test_a_kink_is_only_what_it_looks_like_over_the_steps_of_single_precision():
    """There a sharp bend within them shows as one; in double precision it is one."""
    kink = Undecided("x[0]", Limit.KINK, count=1, total=2, slopes=(-1.0, 1.0), remedies=(Remedy.OFF_KINK,))
    coarse = replace(kink, remedies=(Remedy.FLOAT64, *kink.remedies))

    assert "x[0] for one: a kink at x (slope -1 on the left, 1 on the right)" in undecided_sentence(kink)
    assert "x[0] for one: what looks like a kink at x over the long steps" in undecided_sentence(coarse)


@pytest.mark.parametrize(("beside", "near"), [(1e-12, True), (1e-3, False)])
def test_a_kink_beside_x_is_what_limits_a_bar(beside, near):
    """|x| at 1e-12: the steps end before 0, and the noise of f counts; where it is far, noise is noise of f."""
    x = np.array([beside, 0.7, -0.3])
    a = np.array([1.0, 2.0, 0.5])

    def f(x: Any) -> float:
        noise = 0.0 if near else np.random.default_rng(np.ascontiguousarray(x).view(np.uint32)).normal()
        return float(np.sum(a * np.abs(x)) + x @ x + 1e-3 * noise)

    report = check_gradient(f, lambda x: a * np.sign(x) + 2.0 * x, x, method="sweep")
    moved = check_gradient(f, lambda x: a * np.sign(x) + 2.0 * x, x + 0.01)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.undecided is not None
    assert report.undecided.limit is (Limit.BESIDE if near else Limit.NOISE)
    assert (Remedy.OFF_BESIDE in list(report.undecided.remedies)) is near
    assert (moved.outcome is Outcome.PASS) is near


def test_an_array_whose_gradient_is_zero_is_named_in_a_pass():
    """7 b for 2 b passes at b = 0, and is refused beside it; no note is there where nothing hides."""

    def f(p: Any) -> float:
        return float(np.sum(p["W"] ** 3) + np.sum(p["b"] ** 2))

    def grad(p: Any) -> Any:
        return {"W": 3.0 * p["W"] ** 2, "b": 7.0 * p["b"]}

    w = np.random.default_rng(0).normal(size=(20, 30))
    at = check_gradient(f, grad, {"W": w, "b": np.zeros(4)})
    beside = check_gradient(f, grad, {"W": w, "b": np.full(4, 0.1)})
    right = check_gradient(f, lambda p: grad(p) | {"b": 2.0 * p["b"]}, {"W": w, "b": np.full(4, 0.1)})

    assert at.outcome is Outcome.PASS
    assert any(
        n.startswith('the gradient of params["b"] is 0 here') and "another point" in n for n in at.notes
    )
    assert beside.outcome is Outcome.FAIL
    assert right.notes == ()


@pytest.mark.parametrize("size", [2, 200])
def test_an_array_without_entries_has_no_say(size):
    """Of it nothing is 0, and no mistake hides in it: the others tell what would have been seen."""

    def f(p):
        return float(np.sum(np.sin(p["a"])))

    x = {"a": np.full(size, 0.7), "none": np.empty((0, 3))}
    report = check_gradient(f, lambda p: {"a": np.cos(p["a"]), "none": p["none"]}, x)
    assert report.outcome is Outcome.PASS
    assert report.detectable < 1e-5
    assert "would have been seen" in report.reason
    assert not report.notes
    assert "1 of 2 arrays" not in str(report)
    # Zeros of an array that has entries are said to be some.
    x["none"] = np.zeros((1, 3))
    report = check_gradient(f, lambda p: {"a": np.cos(p["a"]), "none": np.zeros((1, 3))}, x)
    assert any("is 0 here" in n for n in report.notes)


def test_an_f_that_stays_the_same_is_to_be_tried_elsewhere():
    """A gradient and a Jacobian: nothing shows where nothing moves."""
    constant = check_gradient(lambda x: 3.0 + 0.0 * x[0], lambda x: 0.0 * x, np.ones(2))
    outputs = check_jacobian(lambda x: np.floor(x), lambda x: np.zeros((2, 2)), np.array([0.3, 0.6]))

    for report in (constant, outputs):
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "check it at another point, too (check_points draws some)" in report.advice


@pytest.mark.parametrize("factor", [1.0, -3.0])
def test_nothing_is_said_for_a_gradient_of_which_nothing_was_seen(factor):
    """A mistake as large as the entries would be hidden: neither a right gradient nor a wrong one is cleared."""
    x = np.linspace(0.5, 1.0, 4)

    def f(x: Any) -> float:
        noise = np.random.default_rng(np.ascontiguousarray(x).view(np.uint32)).normal()
        return 1e3 * (1.0 + 1e-3 * noise) + float(np.sum(np.sin(x)))

    report = check_gradient(f, lambda x: factor * np.cos(x), x, method="sweep")

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.advice.startswith("nothing is known of the gradient there yet: ")
    assert "culprit" not in str(report)


@pytest.mark.parametrize("steps", [1e6, 3e6])
def test_an_f_that_moves_in_steps_passes_with_a_note_on_what_does_not_show(steps):
    """The trend of floor(1e6 x^2) passes: between its steps its derivative is 0. Smooth f has no note."""
    x = np.array([0.3, 0.71, 1.234])

    def f(x: Any) -> float:
        return float(np.sum(np.floor(steps * x**2))) / steps

    trend = check_gradient(f, lambda x: 2.0 * x, x)
    zero = check_gradient(f, np.zeros_like, x)
    off = check_gradient(f, lambda x: (2.0 + 4.0 * trend.detectable) * x, x)
    smooth = check_gradient(lambda x: float(x @ x), lambda x: 2.0 * x, x)

    assert trend.outcome is Outcome.PASS
    assert any(
        n.startswith("f is smooth near x down to about") and n.endswith("with all its digits f shows more")
        for n in trend.notes
    )
    assert zero.outcome is Outcome.FAIL
    assert off.outcome is Outcome.FAIL
    assert smooth.notes == ()


def test_outputs_that_stay_the_same_are_named_and_the_jacobian_is_not_called_0():
    """Two of six outputs never move: rows claimed for them are undecided; rows of 0 pass, the others are not 0."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(6, 5)), rng.normal(size=5)

    def f(x: Any) -> Any:
        out = a @ x + np.sin(a @ x)
        out[[1, 3]] = 0.7
        return out

    def jac(x: Any) -> Any:
        return a + np.cos(a @ x)[:, None] * a

    def right(x: Any) -> Any:
        out = jac(x)
        out[[1, 3]] = 0.0
        return out

    claimed, passed = check_jacobian(f, jac, x), check_jacobian(f, right, x)

    assert claimed.outcome is Outcome.INCONCLUSIVE
    assert any(
        n.startswith("f[1] and 1 more output are the same at all points around x") for n in claimed.notes
    )
    assert passed.outcome is Outcome.PASS
    assert not any("the Jacobian is 0 here" in n for n in passed.notes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
def test_a_network_of_rectifiers_in_single_precision_is_decided_in_float64(seed):
    """Steps that single precision asks for hold kinks of many units; those of float64 hold none."""
    rng = np.random.default_rng(seed)
    features, answers = rng.normal(size=(32, 10)), rng.normal(size=(32, 4))
    p = {
        "W": rng.normal(size=(10, 16)) / 2,
        "b": 0.1 * rng.normal(size=16),
        "V": rng.normal(size=(16, 4)) / 3,
    }

    def network(kind):
        X, y = features.astype(kind), answers.astype(kind)

        def f(p):
            apart = np.maximum(X @ p["W"] + p["b"], 0) @ p["V"] - y
            return np.mean(apart * apart, dtype=kind)

        def grad(p):
            before = X @ p["W"] + p["b"]
            outer = 2 * (np.maximum(before, 0) @ p["V"] - y) / kind(y.size)
            inner = (outer @ p["V"].T) * (before > 0)
            return {"W": X.T @ inner, "b": inner.sum(0), "V": np.maximum(before, 0).T @ outer}

        return f, grad, {key: value.astype(kind) for key, value in p.items()}

    single = check_gradient(*network(np.float32))
    assert single.outcome is Outcome.INCONCLUSIVE
    assert single.undecided is not None
    assert single.undecided.remedies[0] is Remedy.FLOAT64
    assert check_gradient(*network(np.float64)).outcome is Outcome.PASS


def test_a_derivative_that_is_known_is_not_called_0():
    """resolution=1e-12 asks for more than differences show: 1.16 +- 1e-10 is not 0 within its bar."""
    x = np.array([0.3, 1.2, -0.7, 2.1, 0.9])

    def f(x: np.ndarray) -> float:
        return float(np.sum(np.sin(x) * np.exp(x / 3)))

    grad = np.exp(x / 3) * (np.cos(x) + np.sin(x) / 3)
    report = check_gradient(f, grad, x, resolution=1e-12)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert "x[0] for one: its error bar of" in report.reason
    assert "is wider than resolution allows; what f shows agrees with the gradient" in report.reason
    assert "is 0 within" not in report.reason
    wrong = check_gradient(f, 1.001 * grad, x, resolution=1e-12)
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("x", [np.array([0.3, 0.7, 2.1, 5.0]), np.linspace(0.2, 4.0, 60)])
def test_small_errors_that_nothing_explains_may_be_what_a_solver_leaves(x: np.ndarray):
    """Heron's root after three steps, which does not jump, and the root's derivative; what is larger is none."""
    weights = np.cos(np.arange(x.size)) + 2.0

    def heron(steps: int) -> Any:
        def f(x: np.ndarray) -> float:
            root = 1.0 + 0.0 * x
            for _ in range(steps):
                root = (root + x / root) / 2.0
            return float(weights @ root)

        return f

    grad, left = weights * 0.5 / np.sqrt(x), "a solver or an iteration ends early looks so, too"
    early = check_gradient(heron(3), grad, x)
    assert early.outcome is Outcome.FAIL
    assert any(left in note for note in early.notes)

    assert check_gradient(heron(12), grad, x).outcome is Outcome.PASS
    for wrong in (2.0 * grad, grad + 0.2 * np.sin(np.arange(x.size) ** 2)):
        report = check_gradient(heron(12), wrong, x)
        assert report.outcome is Outcome.FAIL
        assert not any(left in note for note in report.notes)


def _quantised(seed: int) -> tuple[Any, Any, Any]:
    """A loss of activations that are rounded to 1/64, the gradient of its trend, and weights."""
    r = np.random.default_rng(seed)
    data, w, t = r.normal(size=(32, 5)), r.normal(size=5), r.normal(size=32)

    def f(w: Any) -> float:
        return float(np.mean((np.round((data @ w) * 64) / 64 - t) ** 2))

    return f, lambda w: 2 * data.T @ (data @ w - t) / 32, w


@pytest.mark.slow
def test_the_resolution_that_is_advised_is_what_the_report_then_calls_detectable():
    """At R the right gradient passes, and no mistake of 1.2 R: nothing above what was asked for passes."""
    decided = 0
    for seed in range(12):
        f, grad, w = _quantised(seed)
        advised = check_gradient(f, grad, w).undecided.offered
        if advised is None:
            continue
        right = check_gradient(f, grad, w, resolution=advised)
        decided += right.outcome is Outcome.PASS
        assert right.outcome is not Outcome.FAIL
        assert right.outcome is not Outcome.PASS or right.detectable <= advised
        for at in range(5):
            for sign in (1.0, -1.0):
                wrong = grad(w).copy()
                wrong[at] += sign * 1.2 * advised * max(abs(wrong[at]), np.sqrt(np.mean(wrong**2)))
                assert check_gradient(f, wrong, w, resolution=advised).outcome is not Outcome.PASS
    assert decided >= 8
