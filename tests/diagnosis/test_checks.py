"""The same words for every check: mistakes planted in Jacobians, Hessians and products, and in trees of arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from gradcheck import check_gradient, check_hessian, check_jacobian, check_jvp, check_vjp
from gradcheck.report.report import Report
from gradcheck.results.cause import Kind

Matrix = Any
Change = Callable[[Matrix], Matrix]


def matrices(n: int = 6, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """A square A, a point x, and f(x) = tanh(A x) with its Jacobian."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(n, n)), 0.3 * rng.normal(size=n)
    return a, x, lambda x: np.tanh(a @ x), lambda x: (1.0 - np.tanh(a @ x) ** 2)[:, None] * a


def jacobian(change: Change) -> Report:
    """check_jacobian of a Jacobian with a mistake."""
    _, x, f, jac = matrices()
    return check_jacobian(f, lambda x: change(jac(x)), x)


def vjp(change: Change) -> Report:
    """check_vjp of its transposed product."""
    _, x, f, jac = matrices()
    return check_vjp(f, lambda x, u: change(jac(x)).T @ u, x)


def jvp(change: Change) -> Report:
    """check_jvp of its product."""
    _, x, f, jac = matrices()
    return check_jvp(f, lambda x, v: change(jac(x)) @ v, x)


def hessian(change: Change) -> Report:
    """check_hessian of a symmetric matrix with a mistake."""
    a, x, _, _ = matrices()
    h = a @ a.T
    return check_hessian(lambda x: h @ x + x**3, lambda x: change(h + np.diag(3.0 * x**2)), x)


def changed(matrix: Any, index: Any, by: Callable[[Any], Any]) -> Any:
    """A copy with one part replaced."""
    out = matrix.copy()
    out[index] = by(out[index])
    return out


OFF = ~np.eye(6, dtype=bool)
MISTAKES: dict[str, tuple[Change, str]] = {
    "sign": (lambda m: -m, "analytic = -numerical in all 36 entries of {}: the sign"),
    "twice": (lambda m: 2.0 * m, "analytic = 2 x numerical in all 36 entries of {}: a factor 2 too many"),
    "ln 10": (
        lambda m: np.log(10.0) * m,
        "analytic = ln 10 x numerical in all 36 entries of {}: a logarithm to another base?",
    ),
    "a column 0": (
        lambda m: changed(m, np.s_[:, 2], np.zeros_like),
        "analytic is 0 in column 2 of {}, numerical is not: a term is missing",
    ),
    "a row negated": (
        lambda m: changed(m, 3, np.negative),
        "analytic = -numerical in row 3 of {}: the sign",
    ),
    "columns exchanged": (lambda m: m[:, [1, 0, 2, 3, 4, 5]], "columns 0 and 1 of {} are exchanged"),
    "rows in another order": (
        lambda m: m[[2, 0, 1, 3, 4, 5]],
        "the rows of {} are in another order: the right one is 1 for 0, 2 for 1, 0 for 2",
    ),
    "rows reversed": (lambda m: m[::-1], "{} is reversed: numpy.flip(analytic, 0) fits"),
    "rows shifted": (lambda m: np.roll(m, 1, 0), "{} is shifted: numpy.roll(analytic, -1, 0) fits"),
    "the lower triangle alone": (
        np.tril,
        "analytic is 0 in the entries above the diagonal of {}, numerical is not: a term is missing",
    ),
    "off the diagonal doubled": (
        lambda m: np.where(OFF, 2.0 * m, m),
        "analytic = 2 x numerical in the entries off the diagonal of {}: a factor 2 too many",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("check", [jacobian, vjp, jvp, hessian])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_matrix_with_a_mistake_gets_its_words(check, name):
    """The sentence, written by hand, is the same for every check but for the matrix's name."""
    change, sentence = MISTAKES[name]

    assert sentence.format("H" if check is hessian else "J") in check(change).diagnosis


@pytest.mark.slow
@pytest.mark.parametrize("check", [jacobian, vjp, jvp])
def test_a_transposed_matrix_is_called_so(check):
    """J for its transpose; with one more entry wrong it is none."""
    assert check(np.transpose).diagnosis == ("J is transposed",)
    assert not any(c.explains for c in check(lambda m: changed(m.T, (0, 1), lambda v: v + 0.01)).causes)


@pytest.mark.slow
@pytest.mark.parametrize("check", [jacobian, vjp, jvp, hessian])
def test_a_matrix_wrong_in_no_simple_way_gets_no_words(check):
    """Each entry off in its own way."""
    off = np.random.default_rng(5).normal(size=(6, 6))

    assert check(lambda m: m + 0.1 * off).causes == ()


def test_the_derivative_of_log_f_and_by_log_x_is_said():
    """Rows multiplied by f, columns by x."""
    _, x, f, jac = matrices()
    by_rows = check_jacobian(f, lambda x: f(x)[:, None] * jac(x), x)
    by_columns = check_jacobian(f, lambda x: x * jac(x), x)

    assert "analytic = numerical times f(x) in all 36 entries of J" in by_rows.diagnosis[0]
    assert "analytic = numerical times x in all 36 entries of J" in by_columns.diagnosis[0]


def test_a_large_jacobian_is_explained_from_the_entries_that_were_looked_at():
    """200 columns are tested by directions; two that are exchanged are found to be."""
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(30, 200)), rng.normal(size=200)
    order = np.arange(200)
    order[[17, 90]] = 90, 17

    report = check_jacobian(
        lambda x: np.sin(a @ x / 10.0), lambda x: (np.cos(a @ x / 10.0)[:, None] * a / 10.0)[:, order], x
    )

    assert report.diagnosis == ("columns 17 and 90 of J are exchanged",)


@pytest.mark.parametrize("n", [20, 200, 1000])
def test_one_wrong_entry_is_no_shift(n):
    """A roll would bring another value to the wrong entry, and make every right one wrong."""
    report = check_gradient(
        lambda x: float(np.sum(np.sin(x))),
        lambda x: np.cos(x) * np.where(np.arange(n) == 1, 1.01, 1.0),
        np.linspace(0.0, 1.0, n),
    )

    assert report.diagnosis == ("one entry, x[1], scaled by 1.01",)


EDGES, STRENGTHS = ((0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (1, 3)), (1.0, 2.0, 0.7, 1.3, 0.9, 1.6)


@pytest.mark.parametrize("left_out", range(6))
def test_an_edge_that_is_left_out_is_no_penalty(left_out):
    """Two entries off by +d and -d: two points always fit a constant, whatever the signs of x."""

    def gradient(x: Any, edges: Any) -> Any:
        g = np.sinh(x)
        for k in edges:
            i, j = EDGES[k]
            g[j] += 2.0 * STRENGTHS[k] * (x[j] - x[i])
            g[i] -= 2.0 * STRENGTHS[k] * (x[j] - x[i])
        return g

    def f(x: Any) -> float:
        springs = (k * (x[j] - x[i]) ** 2 for (i, j), k in zip(EDGES, STRENGTHS, strict=True))
        return float(sum(springs) + np.cosh(x).sum())

    x = np.array([0.7, -0.4, 1.1, -0.9, 0.3])
    report = check_gradient(f, lambda x: gradient(x, [k for k in range(6) if k != left_out]), x)

    assert report.outcome == "FAIL"
    assert report.diagnosis == ()


@pytest.mark.parametrize("by_rows", [False, True], ids=["whole", "each row"])
def test_a_norm_that_is_not_differentiated_is_no_decay(by_rows):
    """f of x / |x|: what is off lies along x, and numerical has nothing there."""
    rng = np.random.default_rng(0)
    a, q = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))

    def norm(q: Any) -> Any:
        return np.sqrt(np.sum(q * q, axis=1 if by_rows else None, keepdims=True))

    def f(q: Any) -> float:
        return float(np.sum(np.sin(a * q / norm(q))))

    report = check_gradient(f, lambda q: a * np.cos(a * q / norm(q)) / norm(q), q)

    along = "x in each row" if by_rows else "x"
    (sentence,) = report.diagnosis
    assert sentence.startswith(f"numerical is analytic without its part along {along} in all 20 entries of x")


def test_a_projected_gradient_is_no_decay():
    """A Riemannian gradient on the sphere lacks the part along x."""
    a, x = np.random.default_rng(2).normal(size=(2, 7))

    def projected(x: Any) -> Any:
        g = a * np.cos(x)
        return g - x * (g @ x) / (x @ x)

    report = check_gradient(lambda x: float(a @ np.sin(x)), projected, x)

    assert [c.kind for c in report.causes] == [Kind.PROJECTED]


def test_an_intercept_that_has_no_penalty_is_left_alone():
    """Ridge regression: the decay is in all entries but the first, which is right."""
    a, x = np.random.default_rng(3).normal(size=(2, 9))
    free = np.r_[0.0, np.ones(8)]

    report = check_gradient(
        lambda x: float(a @ np.sin(x) + 0.05 * np.sum(free * x**2)), lambda x: a * np.cos(x), x
    )

    (sentence,) = report.diagnosis
    assert "lambda x with lambda = 0.1 +-" in sentence
    assert "in x[1:9]: weight decay left out, or a negative one that f does not have?" in sentence


@pytest.mark.parametrize("step", [1e-4, 1e-3])
def test_a_difference_quotient_is_called_one(step):
    """Forward differences in the place of a derivative are off by h/2 f''."""
    a, x = np.random.default_rng(4).normal(size=(2, 12))

    def quotient(x: Any) -> Any:
        moved = x + step * np.eye(12)
        return np.array([a @ np.sin(m) - a @ np.sin(x) for m in moved]) / step

    (cause,) = check_gradient(lambda x: float(a @ np.sin(x)), quotient, x).causes

    assert cause.kind is Kind.DIFFERENCE
    assert cause.value == pytest.approx(step, rel=0.05)


SHAPES = [((5,), "numpy.flip(analytic, 0)"), ((3, 3), "numpy.flip(analytic)"),
          ((3, 2, 3, 3), "numpy.flip(analytic, (2, 3))"), ((8, 3, 5, 5), "numpy.flip(analytic, (2, 3))")]  # fmt: skip


@pytest.mark.parametrize(("shape", "order"), SHAPES)
def test_a_kernel_that_is_not_flipped_is_reversed(shape, order):
    """Correlation for convolution, in one, two and four dimensions: the last two axes."""
    a, w = np.random.default_rng(0).normal(size=(2, *shape))
    axes = (0,) if len(shape) == 1 else (-2, -1)

    report = check_gradient(lambda w: float((a * np.sin(w)).sum()), lambda w: np.flip(a * np.cos(w), axes), w)

    assert report.diagnosis == (f"x is reversed: {order} fits",)


ORDERS = {
    "bacd": 'params["a"] and params["b"] are exchanged',
    "cdab": 'params["a"] and params["c"] are exchanged, params["b"] and params["d"] are exchanged',
    "bcad": 'params["a"] has the gradient of params["b"], params["b"] has the gradient of params["c"], '
    'params["c"] has the gradient of params["a"]',
    "bbcd": 'params["a"] has the gradient of params["b"]',
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(4, 5), (30, 7)])
def test_arrays_in_another_order_are_named(order, shape):
    """One pair, two pairs, a cycle, a copy; one by one and by directions."""
    rng = np.random.default_rng(0)
    x, a = ({k: rng.normal(size=shape) for k in "abcd"} for _ in range(2))

    report = check_gradient(
        lambda p: float(sum((a[k] * np.sin(p[k])).sum() for k in p)),
        lambda p: {k: a[s] * np.cos(p[s]) for k, s in zip("abcd", order, strict=True)},
        x,
    )

    assert report.diagnosis == (ORDERS[order],)


def test_arrays_behind_one_layer_are_right():
    """A mistake in one backward step makes every array before it wrong: look between it and the next."""
    rng = np.random.default_rng(0)
    sizes = (4, 6, 5, 3)
    p = {f"W{k}": rng.normal(size=(sizes[k], sizes[k + 1])) for k in range(3)}
    x = rng.normal(size=(7, 4))

    def forward(p: Any) -> Any:
        a = np.tanh(x @ p["W0"])
        b = np.tanh(a @ p["W1"])
        return a, b, b @ p["W2"]

    def gradient(p: Any) -> Any:
        a, b, out = forward(p)
        d = 2.0 * out
        g2, d = b.T @ d, d @ p["W2"].T * (1.0 - b)  # right: 1 - b**2
        g1, d = a.T @ d, d @ p["W1"].T * (1.0 - a**2)
        return {"W0": x.T @ d, "W1": g1, "W2": g2}

    report = check_gradient(lambda p: float(np.sum(forward(p)[2] ** 2)), gradient, p)

    assert report.diagnosis == (
        'entries of params["W0"] and params["W1"] are wrong, and every other array is right: '
        'look between params["W1"] and params["W2"], if f uses them in this order',
    )


def wide(outputs: int = 600) -> tuple[Any, Any, Any, Any]:
    """Outputs of 50 numbers: 2,400 are more than a vjp is ever asked for one by one, 200 more than it is at first."""
    rng = np.random.default_rng(3)
    a, x = rng.normal(size=(outputs, 50)) / 7.0, rng.normal(size=50)
    return a, x, lambda x: np.tanh(a @ x), lambda x: (1.0 - np.tanh(a @ x) ** 2)[:, None] * a


MIXED: dict[str, tuple[Change, str]] = {
    "sign": (lambda m: -m, "analytic = -numerical in all 30,000 entries of J: the sign"),
    "six times": (lambda m: 6.0 * m, "analytic = 6 x numerical in all 30,000 entries of J"),
    "columns negated": (
        lambda m: changed(m, np.s_[:, 3:9], np.negative),
        "analytic = -numerical in J[:, 3:9]: the sign",
    ),
    "columns reversed": (lambda m: m[:, ::-1], "J is reversed: numpy.flip(analytic, 1) fits"),
    "a row 0": (
        lambda m: changed(m, 7, np.zeros_like),
        "analytic is 0 in row 7 of J, numerical is not: a term is missing",
    ),
    "one number": (
        lambda m: np.full_like(m, m.mean()),
        "each entry of J is the mean of the numerical ones over all entries: reduced over too much, and broadcast?",
    ),
    "rows exchanged": (
        lambda m: m[[1, 0, *range(2, 600)]],
        "rows 0 and 1 of J are exchanged",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXED)
def test_a_vjp_of_many_outputs_gets_its_words(name):
    """Where random cotangents disagree, J is asked for."""
    _, x, f, jac = wide()
    change, sentence = MIXED[name]

    assert check_vjp(f, lambda x, u: change(jac(x)).T @ u, x).diagnosis == (sentence,)


@pytest.mark.slow
def test_a_vjp_of_many_outputs_wrong_in_no_simple_way_gets_no_words():
    """Off by another matrix."""
    a, x, f, jac = wide()

    assert check_vjp(f, lambda x, u: (jac(x) + 0.01 * a[::-1]).T @ u, x).causes == ()


ASKED: dict[str, tuple[Change, str]] = {
    "rows reversed": (lambda m: m[::-1], "J is reversed: numpy.flip(analytic, 0) fits"),
    "the mean of each row": (
        lambda m: np.broadcast_to(m.mean(1, keepdims=True), m.shape),
        "each entry of J is the mean of the numerical ones over axis 1: reduced over too much, and broadcast?",
    ),
    "the sum of each column": (
        lambda m: np.broadcast_to(m.sum(0), m.shape),
        "each entry of J is the sum of the numerical ones over axis 0: reduced over too much, and broadcast?",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_a_wrong_vjp_of_some_hundred_outputs_is_asked_for_each(name):
    """What mixed rows cannot tell J itself does; and nothing is said of it where a tenth of its rows is off besides."""
    rng = np.random.default_rng(5)
    a, x = rng.normal(size=(120, 9)) / 3.0, rng.normal(size=9)
    change, sentence = ASKED[name]
    off = np.where(rng.random((120, 1)) < 0.1, rng.normal(size=(120, 9)), 0.0)

    def f(x: Any) -> Any:
        return np.tanh(a @ x)

    def jac(x: Any) -> Any:
        return (1.0 - np.tanh(a @ x) ** 2)[:, None] * a

    report = check_vjp(f, lambda x, u: change(jac(x)).T @ u, x)

    assert report.diagnosis == (sentence,)
    assert report.reason.startswith("1,080 of 1,080 entries wrong: J[")
    assert not any(c.explains for c in check_vjp(f, lambda x, u: (change(jac(x)) + off).T @ u, x).causes)
    assert check_vjp(f, lambda x, u: jac(x).T @ u, x).outcome == "PASS"


@pytest.mark.slow
def test_what_is_asked_for_each_output_counts_in_the_budget():
    """Where the budget ends with the mixed rows, these are what the report is about."""
    _, x, f, jac = wide(200)

    def check(max_nfev: int | None) -> Any:
        return check_vjp(f, lambda x, u: -jac(x).T @ u, x, max_nfev=max_nfev)

    whole, short = check(None), check(60)

    assert whole.wrong[0].name.startswith("J[")
    assert short.outcome == "FAIL"
    assert short.wrong[0].name.startswith("UJ[")
    assert short.nfev <= 60 < whole.nfev


@pytest.mark.slow
def test_the_headline_of_many_outputs_counts_what_was_found():
    """Halved cotangents find wrong entries in the columns that are searched: there are at least these."""
    _, x, f, jac = wide(2400)
    report = check_vjp(f, lambda x, u: changed(jac(x), 7, np.negative).T @ u, x)

    assert report.reason.startswith("at least 4 of ")
    assert "entries wrong: J[7, " in report.reason
    assert "4 columns of 50 were searched for wrong entries" in report.notes
    assert report.diagnosis == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a column 0", "columns exchanged", "off the diagonal doubled"])
def test_a_jvp_of_many_columns_is_explained_as_its_jacobian_is(name):
    """200 columns are tested by directions; what the product makes of each unit vector costs no evaluation of f."""
    _, x, f, jac = matrices(200)
    change = {
        "a column 0": lambda m: changed(m, np.s_[:, 2], np.zeros_like),
        "columns exchanged": lambda m: m[:, [1, 0, *range(2, 200)]],
        "off the diagonal doubled": lambda m: 1.5 * m,
    }[name]
    by_jvp = check_jvp(f, lambda x, v: change(jac(x)) @ v, x)
    by_jac = check_jacobian(f, lambda x: change(jac(x)), x)

    assert by_jvp.diagnosis == by_jac.diagnosis != ()


def softmax(x: Any) -> Any:
    """Of a vector."""
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.mark.slow
@pytest.mark.parametrize("check", ["jacobian", "vjp", "jvp"])
def test_a_softmax_without_its_sum_is_called_so(check):
    """diag(p) for diag(p) - p p'; one entry more that is wrong, and it is none."""
    x = np.random.default_rng(2).normal(size=6)
    words = (
        "numerical is analytic less p times the sum of analytic, p = softmax of x, in all 36 entries of J: "
        "the sum under a softmax is not differentiated?"
    )
    report = {
        "jacobian": lambda: check_jacobian(softmax, lambda x: np.diag(softmax(x)), x),
        "vjp": lambda: check_vjp(softmax, lambda x, u: softmax(x) * u, x),
        "jvp": lambda: check_jvp(softmax, lambda x, v: softmax(x) * v, x),
    }[check]()
    spoilt = check_jacobian(softmax, lambda x: changed(np.diag(softmax(x)), (0, 1), lambda v: v + 1e-3), x)

    assert report.diagnosis == (words,)
    assert not any(c.explains for c in spoilt.causes)


def test_gauss_newton_for_the_hessian_is_said_where_eigenvalues_tell():
    """J'J has no negative eigenvalue, the Hessian has; another symmetric mistake that keeps them is none."""
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(9, 5)), rng.normal(size=9), rng.normal(size=5)

    def jac(x: Any) -> Any:
        return (1.0 - np.tanh(a @ x) ** 2)[:, None] * a

    def grad(x: Any) -> Any:
        return jac(x).T @ (np.tanh(a @ x) - 2.0 * b)

    def hess(x: Any) -> Any:
        t = np.tanh(a @ x)
        return jac(x).T @ jac(x) + a.T @ ((t - 2.0 * b) * -2.0 * t * (1.0 - t**2) * a.T).T

    assert np.linalg.eigvalsh(hess(x))[0] < -0.1
    assert check_hessian(grad, hess, x).diagnosis == ()
    (words,) = check_hessian(grad, lambda x: jac(x).T @ jac(x), x).diagnosis
    assert "J^T J (Gauss-Newton) for the Hessian" in words
    other = np.outer(a[0], a[1]) + np.outer(a[1], a[0])
    assert check_hessian(grad, lambda x: hess(x) + 0.01 * other, x).diagnosis == ()


def descent(p: Any, tolerance: float) -> Any:
    """A linear system solved by gradient descent that stops at a residual."""
    rng = np.random.default_rng(0)
    q, b = rng.normal(size=(20, 20)), rng.normal(size=20)
    m = q @ q.T / 20.0 + np.eye(20) + np.diag(np.r_[p, np.zeros(14)])
    x = np.zeros(20)
    while np.linalg.norm(m @ x - b) > tolerance:
        x = x - (m @ x - b) / np.linalg.norm(m, 2)
    return x, m


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_a_solver_that_stops_early_is_told_from_a_cache(tolerance):
    """The exact gradient, computed beforehand, disagrees by what the solver leaves; f jumps where it stops sooner."""
    c, p = np.random.default_rng(1).normal(size=20), np.linspace(0.5, 1.5, 6)
    x, m = descent(p, 1e-12)
    exact = -(np.linalg.solve(m, c) * x)[:6]

    def f(p: Any) -> float:
        return float(c @ descent(p, tolerance)[0])

    loose = check_gradient(f, lambda p: exact, p)
    assert loose.causes[0].kind is Kind.STOPS
    assert "go on to a smaller tolerance" in loose.diagnosis[0]
    # What is off by more is named beside it, and is no cache either.
    off = check_gradient(f, lambda p: exact * np.r_[1.0, 1.0, 1.03, 1.0, 1.0, 1.0], p)
    assert [cause.kind for cause in off.causes] == [Kind.STOPS, Kind.ONE_ENTRY]
    assert off.causes[1].place.entry == "x[2]"
    far = check_gradient(f, lambda p: exact + np.r_[0.1, 0.2, 0.1, 0.3, 0.2, 0.0], p)
    assert Kind.STOPS not in [cause.kind for cause in far.causes]
    assert check_gradient(lambda p: float(c @ descent(p, 1e-10)[0]), lambda p: exact, p).outcome == "PASS"


@pytest.mark.parametrize("kinks", [0.0, 1.0])
def test_a_smooth_f_and_one_with_kinks_do_not_jump(kinks):
    """A gradient that is off by little, of an f without a jump."""
    a, x = np.random.default_rng(4).normal(size=(2, 8))

    def f(x: Any) -> float:
        return float(a @ np.sin(x) + kinks * np.sum(np.maximum(x - x[0] - 0.05, 0.0)))

    def grad(x: Any) -> Any:
        g = a * np.cos(x) + kinks * (x - x[0] > 0.05)
        g[0] -= kinks * np.sum(x - x[0] > 0.05)
        return g

    assert check_gradient(f, grad, x).outcome == "PASS"
    assert check_gradient(f, lambda x: grad(x) + 1e-3 * a[::-1], x).diagnosis == ()


POLES: dict[str, tuple[Any, Any, Any]] = {
    "at 0": (lambda t: 1.0 / t, lambda t: -1.0 / t**2, [1.64e-3, 2.0]),
    "of second order": (lambda t: 1.0 / t**2, lambda t: -2.0 / t**3, [1.64e-2, 2.0]),
    "within the size of x": (lambda t: 1.0 / (t - 1.0), lambda t: -1.0 / (t - 1.0) ** 2, [1.1, 1.7]),
    "a tangent": (np.tan, lambda t: 1.0 + np.tan(t) ** 2, [1.45, 0.5]),
    "a logarithm": (lambda t: np.log(np.abs(t - 1.0)), lambda t: 1.0 / (t - 1.0), [1.1, 1.7]),
    "a jump": (lambda t: np.sin(t) + 1e-3 * np.floor(t * 9.0 + 0.45), np.cos, [1.1, 1.7]),
}


@pytest.mark.parametrize("name", POLES)
def test_a_pole_beside_x_is_no_jump(name: str):
    """What f does beyond a pole, or at one, is no step of an iteration; a step of it is still said."""
    of, slope, point = POLES[name]
    said = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.array(point) * (1.0 + 0.02 * rng.random(2))
        right = np.diag(slope(x))
        wrong = right + 1e-3 * np.abs(right).max() * rng.uniform(0.5, 1.0, (2, 2))
        report = check_jacobian(of, wrong, x, rng=seed)
        assert report.outcome == "FAIL"
        said.append(Kind.STOPS in [cause.kind for cause in report.causes])

    assert any(said) == (name == "a jump")


def test_a_mask_that_hides_x_is_no_cache():
    """Where the gradient is 0 by mistake it does not change with x either: what is not hidden does."""
    x = np.random.default_rng(6).normal(size=20)
    report = check_gradient(
        lambda x: float(np.sum(np.sin(np.maximum(x, 0.0)) + 0.1 * x**3)),
        lambda x: np.cos(x) * (x < 0.0) + 0.3 * x**2,
        x,
    )

    assert not any(c.kind in (Kind.STALE, Kind.REMEMBERS) for c in report.causes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "words"),
    [
        (np.s_[[1], :], "row 1 of J"),
        (np.s_[[1, 3], :], "rows 1 and 3 of J"),
        (np.s_[:, [2, 4]], "columns 2 and 4 of J"),
    ],
)
@pytest.mark.parametrize("product", [False, True])
def test_rows_of_zeros_of_a_large_jacobian_are_named_though_a_part_was_tested(where, words, product):
    """Of 300 x 200 entries a few are sampled; that analytic is 0 in the whole row is known exactly."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(300, 200)) / 14.0, rng.normal(size=200)

    def f(x: Any) -> Any:
        return np.tanh(a @ x) + a @ x

    def jac(x: Any) -> Any:
        return changed((2.0 - np.tanh(a @ x) ** 2)[:, None] * a, where, np.zeros_like)

    report = check_jvp(f, lambda x, v: jac(x) @ v, x) if product else check_jacobian(f, jac, x)

    assert report.diagnosis == (f"analytic is 0 in {words}, numerical is not: a term is missing",)


@pytest.mark.slow
def test_a_row_of_which_a_part_is_zero_is_not_called_a_row_of_zeros():
    """Half of row 1 is 0, the other half is right."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(300, 200)) / 14.0, rng.normal(size=200)
    report = check_jacobian(
        lambda x: np.tanh(a @ x) + a @ x,
        lambda x: changed((2.0 - np.tanh(a @ x) ** 2)[:, None] * a, np.s_[1, :100], np.zeros_like),
        x,
    )

    assert report.causes[0].kind is Kind.ZERO
    assert not any("row 1 of J" in said for said in report.diagnosis)


@pytest.mark.parametrize("lacking", [True, False])
def test_what_is_zero_is_not_called_projected(lacking):
    """0 has no part along anything: a gradient of equal entries left out, and weight decay of what f does not use."""
    x = np.array([0.5, -1.2, 0.7, 2.0])
    if lacking:
        report = check_gradient(lambda x: 0.58 * float(np.sum(x)), np.zeros_like, x)
    else:
        tree = {"used": x, "not": x + 0.1}
        report = check_gradient(
            lambda p: float(p["used"] @ p["used"]),
            lambda p: {"used": 2.0 * p["used"], "not": 0.01 * p["not"]},
            tree,
        )

    projected = {Kind.PROJECTED, Kind.CENTRED, Kind.NOT_PROJECTED, Kind.NOT_CENTRED, Kind.NOT_NORMALISED}
    assert report.causes
    assert not {cause.kind for cause in report.causes} & projected


def test_rows_with_another_between_them_are_named_not_the_box_around():
    """The row between two wrong ones is 0 and right: an embedding of which some rows occur more than once."""
    rng = np.random.default_rng(5)
    w, at = rng.normal(size=(8, 4)), np.array([1, 3, 1, 5, 3, 1])
    weight = rng.normal(size=(6, 4))

    def assigned(w: Any) -> Any:
        out = np.zeros_like(w)
        out[at] = weight * np.cos(w[at])
        return out

    report = check_gradient(lambda w: float(np.sum(weight * np.sin(w[at]))), assigned, w)

    assert report.diagnosis == ("the wrong entries are rows 1 and 3 of x",)


def windows(back: Callable[[Any, int, Any], None]) -> Report:
    """check_vjp of 7 weighted windows of 3 entries; back(gradient, k, part) puts in what window k gives."""
    weight, x = np.random.default_rng(5).normal(size=(2, 9))
    kernel = weight[:3]

    def f(x: Any) -> Any:
        return np.sin([kernel @ x[k : k + 3] for k in range(7)])

    def vjp(x: Any, u: Any) -> Any:
        gradient = np.zeros(9)
        for k in range(7):
            back(gradient, k, u[k] * np.cos(kernel @ x[k : k + 3]) * kernel)
        return gradient

    return check_vjp(f, vjp, x)


def test_windows_that_are_assigned_and_not_added_up_are_said():
    """Contributions of any size: in each column of J that of the last window alone is left."""

    def assign(gradient: Any, k: int, part: Any) -> None:
        gradient[k : k + 3] = part

    def middle(gradient: Any, k: int, part: Any) -> None:
        gradient[k + 1] = part[1]

    def add(gradient: Any, k: int, part: Any) -> None:
        gradient[k : k + 3] += part

    found, other, right = windows(assign), windows(middle), windows(add)

    assert found.diagnosis == (
        "analytic is 0 in all 12 wrong entries of J, numerical is not: a term is missing",
        "of the entries of each column of J analytic has the last alone: "
        "assigned where it should be added up (indices that repeat, windows that overlap)?",
    )
    assert not other
    assert all(cause.kind is not Kind.MULTIPLE for cause in other.causes)
    assert right


def test_a_diagonal_alone_is_not_called_assigned():
    """Of an upper triangle the diagonal is the last of each column, and of a matrix its own."""
    a, x, *_ = matrices(8)
    a = np.triu(a)

    report = check_jacobian(lambda x: np.sin(a @ x), lambda x: np.diag(np.cos(a @ x) * np.diag(a)), x)

    assert report.diagnosis == (
        "analytic is 0 in the entries above the diagonal of J, numerical is not: a term is missing",
    )


ROWS = np.arange(1.0, 81.0).reshape(8, 10) ** 2 % 13 + 1.0
APART = changed(ROWS, np.s_[:7], lambda m: np.eye(7, 10) * m)
PART = changed(changed(ROWS[:3], np.s_[0, 9], np.zeros_like), np.s_[2, 9], np.zeros_like)
LEFT_OUT = {
    "a row": (ROWS[:2], np.s_[1], "row 1 of J"),
    "the last of rows that share no column": (APART[:, :7], np.s_[7], "row 7 of J"),
    "two of these": (
        changed(np.insert(APART, 6, 1.0, 0)[:, :7], np.s_[6, 6], np.zeros_like),
        np.s_[[6, 8]],
        "rows 6 and 8 of J",
    ),
    "the rows below a diagonal": (np.vstack([np.diag(ROWS[0]), ROWS]), np.s_[10:], "J[10:18, :]"),
    "all rows but the last": (ROWS, np.s_[:7], "J[0:7, :]"),
    "a part of a row": (PART[:2], np.s_[1, :9], "J[1, 0:9]"),
    "a part of two rows": (PART, np.s_[1:, :9], "J[1:3, 0:9]"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("check", ["jacobian", "vjp", "jvp"])
def test_rows_and_blocks_left_out_are_not_called_assigned(check, name):
    """One piece of zeros: that it leaves every column its first entry, or its last, is one accident for all columns."""
    a, left_out, where = LEFT_OUT[name]
    x = np.random.default_rng(5).normal(size=a.shape[1])
    wrong = changed(a, left_out, np.zeros_like)

    def derivative(x: Any) -> Any:
        return wrong * np.cos(x)

    report = {
        "jacobian": lambda: check_jacobian(lambda x: a @ np.sin(x), derivative, x),
        "vjp": lambda: check_vjp(lambda x: a @ np.sin(x), lambda x, u: derivative(x).T @ u, x),
        "jvp": lambda: check_jvp(lambda x: a @ np.sin(x), lambda x, v: derivative(x) @ v, x),
    }[check]()

    assert report.diagnosis == (f"analytic is 0 in {where}, numerical is not: a term is missing",)


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_jacobian, check_hessian])
@pytest.mark.parametrize("step", [1e-3, 1e-4])
def test_a_matrix_made_by_differences_is_called_so(check, step):
    """Forward differences of the function itself; with an error of the same size in other places, nothing is said."""
    rng = np.random.default_rng(8)
    b, y, x = rng.normal(size=(9, 6)), rng.normal(size=9), rng.normal(size=6)

    def f(x: Any) -> Any:
        return b.T @ ((1.0 - np.tanh(b @ x) ** 2) * (np.tanh(b @ x) - y))

    def by_differences(x: Any) -> Any:
        return np.stack([(f(x + step * e) - f(x)) / step for e in np.eye(6)], axis=1)

    def right(x: Any) -> Any:
        t = np.tanh(b @ x)
        return b.T @ (((1.0 - t * t) ** 2 + (t - y) * (-2.0 * t * (1.0 - t * t)))[:, None] * b)

    (words,) = check(f, by_differences, x).diagnosis
    assert words.startswith(f"analytic - numerical = h/2 f'' with h = {step:g} in all 36 entries of ")
    moved = check(f, lambda x: right(x) + np.roll(by_differences(x) - right(x), 1, 0), x)
    assert Kind.DIFFERENCE not in [cause.kind for cause in moved.causes]


def test_a_mean_is_known_by_the_lengths_of_what_a_vjp_maps():
    """1/6 for a batch of 6, of which the matrix J has no axis; 1/7 is the length of nothing."""
    rng = np.random.default_rng(8)
    a, w = rng.normal(size=(6, 4)), rng.normal(size=(4, 5))

    def words(n: int) -> Any:
        return check_vjp(
            lambda w: np.tanh(a @ w), lambda w, u: a.T @ (u * (1.0 - np.tanh(a @ w) ** 2)) / n, w
        ).diagnosis

    assert words(6) == (
        "analytic = 1/6 x numerical in all 600 entries of J: "
        "a mean where f takes the sum, N = 6 (the length of axis 0 of f(x))?",
    )
    assert words(7) == ("analytic = 0.142857 x numerical in all 600 entries of J",)


@pytest.mark.parametrize("other", [False, True])
def test_zeros_that_fill_a_part_of_a_large_vector_are_named_with_it(other):
    """A half of 3,000 entries, of which four are judged; not where a zero elsewhere is claimed as well."""
    rng = np.random.default_rng(8)
    a, x = rng.normal(size=(2, 3000))

    def grad(x: Any) -> Any:
        out = a * np.cos(x)
        out[:1500] = 0.0
        out[2900] *= not other
        return out

    (words,) = check_gradient(lambda x: float(a @ np.sin(x)), grad, x).diagnosis
    assert words.startswith(
        "analytic is 0 in x[0:1500], numerical is not" if not other else "analytic is 0 in all "
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_gradient_that_moves_where_f_does_not_change_is_no_stale_cache(seed):
    """Softmax does not change where all biases move by the same; what is wrong has no simple explanation."""
    rng = np.random.default_rng(0)
    data, noise = rng.normal(size=(50, 6)), rng.normal(size=4)
    targets = np.eye(4)[rng.integers(0, 4, 50)]

    def p(x):
        e = np.exp(np.asarray(data @ x["W"] + x["b"], float))
        return e / e.sum(1, keepdims=True)

    def f(x):
        if np.iscomplexobj(x["b"]) or np.iscomplexobj(x["W"]):
            raise TypeError
        return float(-(targets * np.log(p(x))).sum() / 50)

    def grad(x):
        r = (p(x) - targets) / 50
        return {"W": data.T @ r, "b": r.sum(0) * (1 + 0.3 * noise)}

    report = check_gradient(f, grad, {"W": np.zeros((6, 4)), "b": np.zeros(4)}, rng=seed)
    assert report.outcome.value == "FAIL"
    assert not any(c.kind in (Kind.STALE, Kind.REMEMBERS) for c in report.causes)


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_term_forgotten_where_all_cancels_is_told_by_the_zeros_that_f_shows(columns, seed):
    """exp(X V) - X V at zeros, of which the second is forgotten: rows of one number, as a softmax would make 0 of."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(20, 5))

    def f(x):
        return float((np.exp(data @ x["V"]) - data @ x["V"]).sum() / 20 + np.sum(np.sin(data @ x["M"])))

    def grad(x, forgets=1.0):
        return {
            "M": data.T @ np.cos(data @ x["M"]),
            "V": data.T @ (np.exp(data @ x["V"]) - 1.0 + forgets) / 20,
        }

    x = {"M": np.zeros((5, 3)), "V": np.zeros((5, columns))}
    assert check_gradient(f, lambda x: grad(x, 0.0), x, rng=seed).outcome.value == "PASS"
    report = check_gradient(f, grad, x, rng=seed)
    assert report.outcome.value == "FAIL"
    # f bends there: it uses V, at a minimum.
    assert [cause.kind for cause in report.causes] == [Kind.STATIONARY]
    assert {w.name.split("[")[1] for w in report.wrong} == {'"V"]'}


def padded(seed: int, shape: tuple[int, int], change: Callable[[Any, Any], Any]) -> Report:
    """check_gradient of an f that does not use the last two rows of x; `change` puts the mistake in its gradient."""
    rng = np.random.default_rng(seed)
    x, a = rng.normal(size=shape), rng.normal(size=shape)
    used = np.arange(shape[0])[:, None] < shape[0] - 2

    def f(x: Any) -> float:
        return float(np.sum(used * a * np.sin(np.asarray(x, float))))

    return check_gradient(f, lambda x: np.where(used, a * np.cos(x), change(a * np.cos(x), x)), x, rng=seed)


@pytest.mark.parametrize(("shape", "seed"), [((60, 40), 0), ((60, 40), 2), ((40, 40), 3), ((30, 8), 1)])
def test_what_is_off_from_0_is_off_by_no_factor(shape, seed):
    """Rows of padding by directions, which know their numerical value to be below a bar; a decay is told beside."""
    place = f"x[{shape[0] - 2}:{shape[0]}, :]"
    nothing = f"numerical is 0 in {place}, analytic is not: f does not use them there (a mask, a clip)?"

    assert padded(seed, shape, lambda g, x: g).diagnosis == (nothing,)
    by_nothing, decay = padded(seed, shape, lambda g, x: 0.01 * x).diagnosis
    assert by_nothing == nothing
    assert decay.startswith("analytic - numerical = lambda x with lambda = 0.01 +-")
    assert padded(seed, shape, lambda g, x: 0.0 * g).outcome == "PASS"


@pytest.mark.parametrize(
    ("whole", "said"), [(True, ("J is shifted: numpy.roll(analytic, -1, 1) fits",)), (False, ())]
)
def test_a_band_that_is_rolled_the_wrong_way_is_no_shift(whole, said):
    """Of two diagonals one is in the wrong place, where a roll would bring it: the other is right, and would not be."""
    x = np.random.default_rng(1).normal(size=600) + 2.0

    def f(u: Any) -> Any:
        return -10.0 * u * (u - np.roll(u, 1)) + np.sin(u)

    def vjp(u: Any, v: Any) -> Any:
        on, below = v * (-10.0 * (2.0 * u - np.roll(u, 1)) + np.cos(u)), 10.0 * v * u
        return np.roll(on + np.roll(below, -1), 1) if whole else on + np.roll(below, 1)

    assert check_vjp(f, vjp, x).diagnosis == said


@pytest.mark.parametrize("unit", [1e14, 1.0 / 1.602176634e-19, 6.02214076e23])
@pytest.mark.parametrize("n", [3, 6, 50])
def test_numerical_is_0_by_its_own_bar_and_not_beside_the_claim(unit: float, n: int):
    """Electron volts for joules, moles for molecules: a factor, however large; an entry that f lacks is still said."""
    x = np.random.default_rng(1).normal(size=n)
    p = {"a": x, "b": np.ones(4)}

    def claim(p: Any) -> Any:
        return {"a": unit * np.cos(p["a"]), "b": 2 * p["b"]}

    alone = check_gradient(lambda x: np.sum(np.sin(x)), lambda x: unit * np.cos(x), x)
    beside = check_gradient(lambda p: np.sum(np.sin(p["a"])) + p["b"] @ p["b"], claim, p)
    lacking = check_gradient(lambda p: p["b"] @ p["b"], claim, p)

    assert alone.diagnosis == (f"analytic = {unit:.6g} x numerical in all {n} entries of x",)
    assert not any("numerical is 0" in text for text in beside.diagnosis)
    # Of fifty a sample tells.
    (said,) = lacking.diagnosis
    assert re.fullmatch(
        rf'numerical is 0 in all {n if n < 50 else "[0-9]+"} wrong entries of params\["a"\]( that were judged)?, '
        r"analytic is not: f does not use them there \(a mask, a clip\)\?",
        said,
    )


TERMS: dict[str, tuple[Any, Any, str]] = {
    "weight decay": (lambda w: w @ w, lambda w: 2.0 * w, "weight decay"),
    "signs": (lambda w: 2.0 * np.abs(w).sum(), lambda w: 2.0 * np.sign(w), "an L1 penalty"),
    "a constant": (lambda w: 0.3 * w.sum(), lambda w: np.full(w.size, 0.3), "a constant"),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_term_has_either_sign(name: str, sign: float):
    """A log prior that is forgotten and a penalty too many look alike: both are said, and that with its sign first."""
    term, slope, noun = TERMS[name]
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(40, 6)), rng.normal(size=6)

    def f(w: Any) -> float:
        return float(np.sum(np.logaddexp(0.0, a @ w)))

    def grad(w: Any) -> Any:
        return a.T @ (1.0 / (1.0 + np.exp(-a @ w)))

    forgotten = check_gradient(lambda w: f(w) + sign * float(term(w)), grad, w)
    surplus = check_gradient(f, lambda w: grad(w) - sign * slope(w), w)
    one, other = ("left out", "that f does not have")[:: int(sign)]

    for report in (forgotten, surplus):
        (said,) = report.diagnosis
        assert said.endswith(f": {noun} {one}, or a negative one {other}?")


@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_that_moves_in_steps_is_not_called_a_stale_cache_alone(seed: int):
    """sign(e) for the slope of sqrt(1 + e^2), and argmax for a softmax, stay the same beside x though x is used."""
    rng = np.random.default_rng(seed)
    a, y, w, z = rng.normal(size=(40, 5)), rng.normal(size=40), rng.normal(size=5), 3.0 * rng.normal(size=6)

    signs = check_gradient(
        lambda w: float(np.mean(np.sqrt(1.0 + (y - a @ w) ** 2))),
        lambda w: -a.T @ np.sign(y - a @ w) / 40.0,
        w,
    )
    hard = check_gradient(lambda z: float(np.log(np.exp(z).sum())), lambda z: np.eye(6)[z.argmax()], z)

    for report in (signs, hard):
        assert report.diagnosis[0].endswith(
            ": a stale cache, x is not used, or used in steps alone (a sign, an argmax)?"
        )


def of_an_operator(factors: Any, n: int = 520) -> Report:
    """check_jacobian of a map of real numbers, by products alone: factors (n,) of the three entries of each column."""
    x = np.random.default_rng(5).normal(size=n)

    def f(x: Any) -> Any:
        if np.iscomplexobj(x):
            raise TypeError
        return np.exp(0.3 * x) + np.roll(x, 1) - 2.0 * np.roll(x, 2)

    def forward(v: Any) -> Any:
        v = factors * np.ravel(v)
        return 0.3 * np.exp(0.3 * x) * v + np.roll(v, 1) - 2.0 * np.roll(v, 2)

    def back(u: Any) -> Any:
        u = np.ravel(u)
        return factors * (0.3 * np.exp(0.3 * x) * u + np.roll(u, -1) - 2.0 * np.roll(u, -2))

    return check_jacobian(f, LinearOperator((n, n), matvec=forward, rmatvec=back, dtype=float), x)


def test_where_directions_certify_other_rows_a_factor_is_said_of_what_is_wrong():
    """Not of all that was tested: that is 0 but for the wrong entries, and half of J is right."""
    half = np.where(np.arange(520) < 260, 1.0, 2.0)

    (of_half,), (of_a_row,), (of_all,) = (
        of_an_operator(factors).diagnosis
        for factors in (half, changed(np.ones(520), 3, lambda v: 2.0 * v), 2.0)
    )

    assert re.fullmatch(
        r"analytic = 2 x numerical in all \d+ wrong entries of J that were judged: a factor 2 too many",
        of_half,
    )
    assert of_a_row == (
        "analytic = 2 x numerical in all 3 wrong entries of J that were judged: a factor 2 too many"
    )
    assert re.fullmatch(
        r"analytic = 2 x numerical in all \d+ tested entries of J: a factor 2 too many", of_all
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factors", "said"),
    [
        (np.where(np.arange(600) % 3 == 0, -1.0, 1.0), r"analytic = -numerical in {}: the sign"),
        (
            np.where(np.arange(600) < 300, 0.0, 1.0),
            r"analytic is 0 in {}, numerical is not: a term is missing",
        ),
    ],
)
def test_columns_that_were_judged_fill_no_block(factors, said):
    """The search looked for wrong entries: others in the box around them may be right."""
    (sentence,) = of_an_operator(factors, 600).diagnosis

    assert re.fullmatch(said.format(r"all \d+ wrong entries of J that were judged"), sentence)


def test_words_of_entries_that_f_does_not_use_cost_nothing():
    """Zeros stand on any column of zeros: to see which, 298 columns were measured with four evaluations each."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 300)) / 17.0
    unused = rng.permutation(300)[:150]
    a[:, unused] = 0.0
    x = rng.normal(size=300)
    wrong = (1.0 - np.tanh(a @ x) ** 2)[:, None] * a
    wrong[0, unused[:2]] = 0.1
    report = check_jacobian(lambda x: np.tanh(a @ x.real), wrong, x)
    assert {m.index[1] for m in report.wrong} == set(unused[:2].tolist())
    assert report.nfev <= 80
