"""Hessians: against differences of the gradient, and symmetric."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import rosen, rosen_der, rosen_hess
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from gradcheck import GradientCheckInterrupted, Outcome, check_gradient, check_hessian, check_hvp
from gradcheck.checks.hessian import asymmetry
from gradcheck.driver.options import Options
from gradcheck.function.matrix import read_matrix
from gradcheck.parameters.tree import Parameters

X = np.random.default_rng(0).normal(size=6)


def wrong(x):
    """Rosenbrock's Hessian with one pair of entries off by a tenth."""
    out = rosen_hess(x)
    out[2, 3] *= 1.1
    out[3, 2] *= 1.1
    return out


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_rosenbrocks_hessian(kind):
    """SciPy's Hessian passes in every form; a wrong pair is named."""
    assert check_hessian(rosen_der, lambda x: kind(rosen_hess(x)), X)
    report = check_hessian(rosen_der, lambda x: kind(wrong(x)), X)
    assert {m.name for m in report.wrong} == {"H[2, 3]", "H[3, 2]"}


def test_asymmetry_is_a_failure_of_its_own():
    """Below what differences resolve with a large rtol, but not symmetric: the pair is named."""
    skew = rosen_hess(X)
    skew[0, 1] += 1.0

    report = check_hessian(rosen_der, skew, X)

    assert report.outcome is Outcome.FAIL
    assert any("not symmetric in 1 pair: H[0, 1]" in note for note in report.notes)


@pytest.mark.parametrize(("off", "outcome"), [(1e-5, Outcome.PASS), (0.1, Outcome.FAIL)])
def test_what_noise_of_the_gradient_hides_is_no_asymmetry(off, outcome):
    """In single precision the gradient shows its slopes to 1e-3: a Hessian may be off by as little, were it of doubles.

    Off by more than the bars of both entries it is not symmetric, whatever is said of the entries by themselves.
    """

    def grad(x):
        return np.float32(rosen_der(x)).astype(np.float64)

    skew = rosen_hess(X)
    skew[0, 1] *= 1.0 + off
    assert check_hessian(grad, skew, X, rtol=1e-6, resolution=0.1).outcome is outcome


def test_rounding_is_no_asymmetry():
    """A Hessian computed as J^T W J in two orders differs by rounding and passes."""
    matrix = np.random.default_rng(1).normal(size=(30, 6))
    tilt = 1e-15 * np.triu(np.ones((6, 6)))

    assert check_hessian(lambda x: matrix.T @ (matrix @ x), lambda x: matrix.T @ matrix + tilt, X)


@pytest.mark.parametrize(("relative", "outcome"), [(1e-14, Outcome.PASS), (1e-7, Outcome.FAIL)])
def test_what_is_left_of_terms_that_cancel_is_symmetric_to_their_digits(relative, outcome):
    """B' D B by another order above the diagonal: entries that are 0 beside others of 1 differ by 1e-14 of these.

    torch's own Hessian of a sorting loss FAILed in 12 of 12: "H[1, 4] is 8e-15, H[4, 1] is -2e-15".
    """
    for seed in range(8):
        rng = np.random.default_rng(seed)
        A, x = rng.normal(size=(18, 6)) / 6.0, 0.5 * rng.normal(size=6)
        A[:, :2] = 0.0
        A[0, 0] = A[1, 1] = 1.0
        off = np.triu(relative * rng.normal(size=(6, 6)))

        def grad(x, A=A):
            return A.T @ np.sinh(A @ x)

        def hess(x, A=A, off=off):
            return A.T @ (np.cosh(A @ x)[:, None] * A) + off

        assert check_hessian(grad, hess, x, rng=seed).outcome is outcome


@pytest.mark.parametrize("size", [1e-322, 1e-300])
def test_numbers_that_have_lost_their_digits_are_symmetric_as_they_are(size):
    """u.Hv was 1.98e-322 and v.Hu 1.88e-322 of a right H: below 2.2e-308 a product keeps a digit or two."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        row = rng.uniform(1.0, 5.0, 20) * rng.choice([-1.0, 1.0], 20)
        hessian, x = size * np.outer(row, row), 1e9 * rng.normal(size=20)
        report = check_hvp(lambda x, H=hessian: H @ x, lambda x, v, H=hessian: H @ v, x)
        assert report.outcome is Outcome.PASS, report
        tilted = hessian + size * np.triu(np.ones((20, 20)))
        said = str(check_hvp(lambda x, H=hessian: H @ x, lambda x, v, H=tilted: H @ v, x))
        assert ("not symmetric" in said) is (size == 1e-300)


def test_first_and_second_order_in_one_call():
    """check_gradient(..., hessian=): both pass; a wrong Hessian, or a wrong gradient, is said to be that."""
    assert check_gradient(rosen, rosen_der, X, hessian=rosen_hess)

    report = check_gradient(rosen, rosen_der, X, hessian=wrong)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("hessian: ")
    assert {m.name for m in report.wrong} == {"hessian: H[2, 3]", "hessian: H[3, 2]"}

    report = check_gradient(rosen, lambda x: 1.01 * rosen_der(x), X, hessian=rosen_hess)
    assert report.reason.startswith("gradient: ")
    assert any(note.startswith("hessian: ") for note in report.notes)


def test_value_and_gradient_with_a_hessian():
    """grad=True: the gradient that f returns is what the Hessian is compared with."""

    def both(x):
        return rosen(x), rosen_der(x)

    assert check_gradient(both, True, X, hessian=rosen_hess)
    assert not check_gradient(both, True, X, hessian=wrong)
    with pytest.raises(TypeError, match="hessian"):
        check_gradient(rosen, rosen_der(X), X, hessian=rosen_hess)


def test_a_tree_of_parameters():
    """The Hessian over the flat vector of a dict; entries are named by parameters."""
    x = {"w": np.array([1.5, 0.5]), "b": 2.0}

    def grad(p):
        return {"w": np.array([2 * p["w"][0] * p["b"], 3 * p["w"][1] ** 2]), "b": p["w"][0] ** 2}

    right = np.array([[4.0, 0.0, 3.0], [0.0, 3.0, 0.0], [3.0, 0.0, 0.0]])
    assert check_hessian(grad, right, x)
    off = right.copy()
    off[0, 2] = off[2, 0] = 2.0
    report = check_hessian(grad, off, x)
    assert {m.name for m in report.wrong} == {
        'H[0, 2] (params["w"][0], params["b"])',
        'H[2, 0] (params["b"], params["w"][0])',
    }


def test_a_tree_whose_gradient_takes_complex_numbers():
    """Of x^3 over two arrays: the complex step asks for the gradient's parts, too; a factor 1.01 is seen."""
    x = {"W": X.reshape(2, 3), "b": X[:2] + 3.0}

    def grad(p):
        return {key: value**3 for key, value in p.items()}

    def hvp(p, v, factor=1.0):
        return {key: factor * 3.0 * p[key] ** 2 * v[key] for key in p}

    assert check_hvp(grad, hvp, x).outcome is Outcome.PASS
    assert check_hvp(grad, lambda p, v: hvp(p, v, 1.01), x).outcome is Outcome.FAIL
    flat = np.concatenate([x["W"].ravel(), x["b"]])
    assert check_hessian(grad, np.diag(3.0 * flat**2), x).outcome is Outcome.PASS
    report = check_hvp(lambda p: {key: g + 0j for key, g in grad(p).items()}, hvp, x)
    assert 'grad is complex (complex128) where params["W"] is real' in report.reason


def test_a_budget_is_for_the_gradient_and_the_hessian():
    """What is left of it goes to the Hessian; an interruption there leaves the gradient's report too."""
    alone = max(check_gradient(rosen, rosen_der, X, method="sweep").nfev, 24)  # the least budget
    both = check_gradient(rosen, rosen_der, X, hessian=rosen_hess, method="sweep")
    assert check_gradient(rosen, rosen_der, X, hessian=rosen_hess, method="sweep", max_nfev=both.nfev + 24)
    for budget in range(alone, both.nfev, 6):
        report = check_gradient(rosen, rosen_der, X, hessian=rosen_hess, method="sweep", max_nfev=budget)
        assert report.nfev <= budget
        assert report.outcome is not Outcome.FAIL
        assert report or "raise max_nfev" in report.reason
    late = check_gradient(rosen, rosen_der, X, hessian=rosen_hess, method="sweep", max_nfev=alone)
    assert re.fullmatch(
        r"the Hessian was not checked: of \d+ evaluations \d+ were left, and a check takes at least 24; raise max_nfev",
        late.reason,
    )

    calls = []

    def interrupting(x):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return rosen_der(x)

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_gradient(rosen, interrupting, X, hessian=rosen_hess, method="sweep")
    assert [a.name for a in caught.value.report.arrays] == ["hessian: H", "gradient: x"]
    assert caught.value.report.outcome is Outcome.INCONCLUSIVE


def test_a_budget_of_seconds_is_for_both_too(monkeypatch):
    """Every call takes a second by a clock of the test's own: both together take no more than allowed."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def taking(function):
        def slow(x):
            now[0] += 1.0
            return function(x)

        return slow

    def check(**options):
        return check_gradient(
            taking(rosen), taking(rosen_der), X, hessian=rosen_hess, method="sweep", **options
        )

    whole = check()
    assert whole.outcome is Outcome.PASS
    for seconds in np.arange(28.0, whole.seconds, 8.0):
        before = now[0]
        report = check(max_seconds=seconds)
        assert now[0] - before <= seconds
        assert report or "max_seconds" in report.reason
    assert not check(max_seconds=28.0)


def test_bad_arguments_are_refused():
    """A gradient that is an array, no Hessian, a Hessian of another shape."""
    with pytest.raises(TypeError, match="grad must be callable"):
        check_hessian(rosen_der(X), rosen_hess, X)
    with pytest.raises(TypeError, match="hess must be"):
        check_hessian(rosen_der, None, X)
    report = check_hessian(rosen_der, np.eye(5), X)
    assert report.outcome is Outcome.FAIL
    assert "(6, 6)" in report.reason


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_symmetry_is_judged_at_any_scale(scale):
    """Squares would overflow or vanish: an exchanged sign is an asymmetry at every size, dense and as products."""
    H = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 4.0]]) * scale
    wrong = H.copy()
    wrong[0, 1] *= -1.0
    x = np.array([0.3, -0.7, 1.1])

    assert check_hessian(lambda x: H @ x, H, x).outcome is Outcome.PASS
    report = check_hessian(lambda x: H @ x, wrong, x)
    assert any("not symmetric in 1 pair" in note for note in (report.reason, *report.notes))
    assert check_hvp(lambda x: H @ x, lambda x, v: H @ v, x).outcome is Outcome.PASS
    report = check_hvp(lambda x: H @ x, lambda x, v: wrong @ v, x)
    assert any("not symmetric" in note for note in (report.reason, *report.notes))


def logistic(n, ridge=1.0):
    """The gradient of a logistic regression, and its Hessian with a ridge that may be another."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(5 * n, n))
    targets = rng.random(5 * n) < 0.5

    def probability(b):
        return 1.0 / (1.0 + np.exp(-inputs @ b))

    def hess(b):
        p = probability(b)
        return (inputs.T * (p * (1.0 - p))) @ inputs + ridge * np.eye(n)

    return lambda b: inputs.T @ (probability(b) - targets) + b, hess


@pytest.mark.parametrize("n", [20, 40])
def test_a_mistake_at_0_takes_about_as_many_gradients_as_elsewhere(n):
    """Where entries of x are 0, of no size: twice the Hessian, or one without its ridge, for 6 n and some."""
    grad, hess = logistic(n)
    forgotten = logistic(n, ridge=0.0)[1]
    x = np.zeros(n)

    assert check_hessian(grad, hess, x).outcome is Outcome.PASS
    twice, without = check_hessian(grad, lambda b: 2.0 * hess(b), x), check_hessian(grad, forgotten, x)
    assert twice.outcome is without.outcome is Outcome.FAIL
    assert "2 x numerical" in twice.diagnosis[0]
    assert twice.nfev <= (400 if n == 20 else 150)
    assert "= 1 +-" in without.diagnosis[0]
    assert "diagonal" in without.diagnosis[0]
    assert len(without.wrong) == n
    assert without.nfev <= 25 * n


def test_rows_in_which_a_factor_hardly_shows_are_not_said_to_share_it_without_looking():
    """Twice the Hessian but for some rows, which are right: these are none of the wrong ones."""
    n = 40
    grad, hess = logistic(n)
    factor = np.full(n, 2.0)
    factor[[3, 11, 29]] = 1.0
    report = check_hessian(grad, lambda b: factor[:, None] * hess(b), np.zeros(n))
    assert report.outcome is Outcome.FAIL
    assert not {m.index[0] for m in report.wrong} & {3, 11, 29}
    assert report.arrays[0].wrong <= 37 * n


@pytest.mark.parametrize("off", [0.0, 0.3])
def test_a_product_that_rounds_is_symmetric_within_its_rounding(off):
    """S v with S and v in half precision, times 0.7 in double, which hides the digits: u.Sv and v.Su differ by 1e-4."""
    half = np.float16(np.random.default_rng(0).normal(size=(20, 20)) / 4)
    half = half + half.T
    half[1, 2] += np.float16(off)
    product = LinearOperator(
        (20, 20), matvec=lambda v: 0.7 * (half @ v.ravel().astype(np.float16)).astype(float)
    )

    said = asymmetry(
        Options.of({}), read_matrix(product, (20,), Parameters.of(np.ones(20))[0], "hess"), "float64", None
    )
    assert [finding.outcome for finding in said] == ([Outcome.FAIL] if off else [])
