"""Products with Jacobians and Hessians, and adjoints: right ones pass, wrong ones are named."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.fft
import scipy.sparse.linalg
from scipy.optimize import rosen_der, rosen_hess_prod
from scipy.sparse.linalg import aslinearoperator

import gradcheck
from gradcheck import GradientCheckInterrupted, Outcome, check_adjoint, check_hvp, check_jvp, check_vjp

RNG = np.random.default_rng(4)
A = RNG.normal(size=(12, 5))
X = RNG.normal(size=5) / 2.0
WIDE = RNG.normal(size=(8, 300)) / 17.0
TALL = RNG.normal(size=(400, 6)) / 2.0


def names(report):
    """The names of the wrong entries."""
    return {m.name for m in report.wrong}


def sine(matrix):
    """sin(M x), its forward and its backward product."""
    return (
        lambda x: np.sin(matrix @ x),
        lambda x, v: np.cos(matrix @ x) * (matrix @ v),
        lambda x, u: matrix.T @ (np.cos(matrix @ x) * u),
    )


@pytest.mark.parametrize("matrix", [A, WIDE, TALL])
def test_right_products_pass(matrix):
    """Forward and backward products of sin(M x), few and many outputs and parameters."""
    f, jvp, vjp = sine(matrix)
    x = np.linspace(-1.0, 1.0, matrix.shape[1])

    assert check_jvp(f, jvp, x).outcome is Outcome.PASS
    report = check_vjp(f, vjp, x)
    assert report.outcome is Outcome.PASS
    assert report.arrays[0].shape == matrix.shape


@pytest.mark.parametrize("units", [1e5, 1e9, 1e-9])
@pytest.mark.parametrize("named", [False, True])
def test_a_column_in_other_units_of_a_product_is_seen(units, named):
    """tanh(A x / s), of which one of six parameters, or an array of one, has values around s: forgotten, of opposite
    sign or 1 % off in its column is wrong, of jvp and of an operator; the right one passes without a further direction.
    """
    rng = np.random.default_rng(0)
    a, s = rng.normal(size=(8, 6)) / 3.0, np.where(np.arange(6) == 2, units, 1.0)
    x = rng.normal(size=6) * s
    x = {"a": x[:2], "b": x[2:3], "c": x[3:]} if named else x

    def flat(x):
        return np.concatenate(list(x.values())) if named else x

    def f(x):
        return np.tanh(a @ (flat(x) / s))

    for factor, outcome in (
        (1.0, Outcome.PASS),
        (0.0, Outcome.FAIL),
        (-1.0, Outcome.FAIL),
        (1.01, Outcome.FAIL),
    ):
        times = np.where(np.arange(6) == 2, factor, 1.0) / s
        report = check_jvp(f, lambda x, v, times=times: (1.0 - f(x) ** 2) * (a @ (times * flat(v))), x)
        assert report.outcome is outcome, (factor, str(report))
        assert factor != 1.0 or report.nfev == 7


@pytest.mark.slow
@pytest.mark.parametrize(("matrix", "place"), [(A, (7, 3)), (WIDE, (2, 250)), (TALL, (333, 4))])
def test_a_wrong_entry_of_a_product_is_named(matrix, place):
    """One output of jvp, or one entry of vjp, has a term too many: J[i, j] is named also among many."""
    f, jvp, vjp = sine(matrix)
    x = np.linspace(-1.0, 1.0, matrix.shape[1])
    i, j = place

    def forward(x, v):
        out = jvp(x, v)
        out[i] += 0.1 * v[j]
        return out

    def backward(x, u):
        out = vjp(x, u)
        out[j] += 0.1 * u[i]
        return out

    for report in (check_jvp(f, forward, x), check_vjp(f, backward, x)):
        assert report.outcome is Outcome.FAIL
        assert names(report) == {f"J[{i}, {j}]"}


def said(report):
    """All that a report says about the contract."""
    return "\n".join([report.reason, *report.notes])


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [A, TALL])
def test_a_product_that_is_not_linear_is_wrong(matrix):
    """One that forgets its argument, scales with its size, adds a constant, or takes its modulus."""
    f, jvp, vjp = sine(matrix)
    m, n = matrix.shape
    x = np.linspace(-1.0, 1.0, n)
    unused, nonlinear = "does not use its {}", "is not linear in its {}"

    for wrong, words in (
        (lambda product, size: lambda x, v: product(x, np.ones(size)), unused),
        (lambda product, size: lambda x, v: product(x, v) * np.abs(v).sum(), nonlinear),
        (lambda product, size: lambda x, v: product(x, v) + 1e-3, nonlinear),
        (lambda product, size: lambda x, v: product(x, np.abs(v)), nonlinear),
    ):
        for report, argument in (
            (check_jvp(f, wrong(jvp, n), x), "tangent"),
            (check_vjp(f, wrong(vjp, m), x), "cotangent"),
        ):
            assert report.outcome is Outcome.FAIL
            assert words.format(argument) in said(report)


@pytest.mark.parametrize("limit", [1.0, 3.0, 9.0])
def test_a_product_that_is_cut_off_at_a_size_is_not_linear(limit):
    """A gradient that is clipped on its way back, whatever the size: rows of J alone, of about 1, do not show it."""
    f, jvp, vjp = sine(A)
    x = np.linspace(-1.0, 1.0, A.shape[1])

    def cut(product):
        return lambda x, v: np.clip(product(x, v), -limit, limit)

    for check, product in ((check_jvp, jvp), (check_vjp, vjp)):
        assert check(f, product, x).outcome is Outcome.PASS
        report = check(f, cut(product), x)
        assert report.outcome is Outcome.FAIL
        assert "is not linear in its" in said(report)


@pytest.mark.slow
@pytest.mark.parametrize("digits", ["half", "decimals"])
@pytest.mark.parametrize("seed", [0, 1, 11, 14, 17, 22, 23])
def test_one_rounded_output_among_many_makes_no_mixture_of_them_wrong(seed, digits):
    """Over short steps it stays where it is, and its slope seems to be missing in all that random cotangents mix."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.choice([2, 3, 8, 30])), int(rng.integers(110, 200))
    matrix, x = rng.normal(size=(m, n)) / np.sqrt(n), rng.normal(size=n)
    row = int(rng.integers(m))

    def f(x):
        values = np.sin(matrix @ x)
        value = float(np.real(values[row]))
        values[row] = np.float16(value + 1.3) if digits == "half" else round(value, 3)
        return values

    jac = np.cos(matrix @ x)[:, None] * matrix
    assert check_vjp(f, lambda x, u: jac.T @ u, x, rng=seed).outcome is not Outcome.FAIL
    for factor in (-1.0, 0.0):
        wrong = jac.copy()
        wrong[row - 1] *= factor
        assert check_vjp(f, lambda x, u, w=wrong: w.T @ u, x, rng=seed).outcome is not Outcome.PASS
        wrong = jac.copy()
        wrong[row] *= factor
        assert check_vjp(f, lambda x, u, w=wrong: w.T @ u, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.parametrize("step", [1e-7, 1e-6])
def test_a_product_that_is_a_difference_of_gradients_is_linear_enough(step):
    """Its step is for an argument of about 1."""

    def grad(x):
        return 4.0 * x**3 + x.sum()

    def hvp(x, v):
        return (grad(x + step * v) - grad(x - step * v)) / (2.0 * step)

    assert check_hvp(grad, hvp, np.linspace(0.5, 1.5, 5), rtol=1e-5).outcome is Outcome.PASS


@pytest.mark.slow
def test_the_array_whose_product_is_not_linear_is_named():
    """The gradient of a bias that forgets to multiply by what comes in, beside weights that do."""
    x = {"W": A, "b": np.linspace(-1.0, 1.0, 12)}

    def f(p):
        return np.tanh(p["W"] @ X + p["b"])

    def vjp(p, u, forgets=False):
        slope = 1 - f(p) ** 2
        return {"W": (u * slope)[:, None] * X, "b": slope if forgets else u * slope}

    assert check_vjp(f, vjp, x).outcome is Outcome.PASS
    report = check_vjp(f, lambda p, u: vjp(p, u, forgets=True), x)
    assert report.outcome is Outcome.FAIL
    assert 'vjp does not use its cotangent for params["b"]' in said(report)


@pytest.mark.parametrize(("error", "outcome"), [(0.0, Outcome.PASS), (1e-3, Outcome.FAIL)])
def test_what_cancels_may_round_otherwise_where_a_cotangent_lies_otherwise(error, outcome):
    """Softmax maps equal cotangents to 0: what is left is rounding, and depends on the order of a sum."""

    def f(x):
        e = np.exp(x)
        return e / e.sum(axis=1, keepdims=True)

    def vjp(x, u):
        order = slice(None) if u.flags.c_contiguous else slice(None, None, -1)
        wrong = 0.0 if u.flags.c_contiguous else error
        return f(x) * (u - np.add.accumulate((u * f(x))[:, order], axis=1)[:, -1:]) + wrong * u

    x = np.random.default_rng(0).normal(size=(4, 30))
    assert check_vjp(f, vjp, x).outcome is outcome


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("product", [check_vjp, check_jvp])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_where_one_class_is_certain_what_is_left_of_a_cotangent_is_rounding(dtype, product, seed):
    """Where p is nearly 1 the product p (u - p.u) is a few roundings of u, and those of 2 a + b are others.

    A modulus of a thousandth is larger than these, and is told.
    """
    x = (30.0 * np.random.default_rng(seed).standard_normal((1, 10))).astype(dtype)

    def along(x, u, bent=0.0):
        p = softmax(x)
        return p * (u - (p * u).sum(axis=-1, keepdims=True)) + x.dtype.type(bent) * np.abs(u)

    right = product(softmax, along, x, rng=seed)
    assert right.outcome is not Outcome.FAIL
    assert "linear" not in said(right)
    assert "is not linear" in said(product(softmax, lambda x, u: along(x, u, 1e-3), x, rng=seed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_what_cancels_in_attention_is_rounding(seed, dtype):
    """Of scores as large as 50 the weights are nearly 0 or 1, and the gradients of queries and keys cancel."""
    rng = np.random.default_rng(seed)
    x = {name: (4.0 * rng.standard_normal((4, 4))).astype(dtype) for name in "qkv"}

    def f(p):
        return softmax(p["q"] @ p["k"].T) @ p["v"]

    def vjp(p, u):
        weights = softmax(p["q"] @ p["k"].T)
        inner = u @ p["v"].T
        scores = weights * (inner - (weights * inner).sum(axis=-1, keepdims=True))
        return {"q": scores @ p["k"], "k": scores.T @ p["q"], "v": weights.T @ u}

    right = check_vjp(f, vjp, x, rng=seed)
    assert right.outcome is not Outcome.FAIL
    assert "linear" not in said(right)
    wrong = check_vjp(f, lambda p, u: vjp(p, 1.05 * u), x, rng=seed)
    assert wrong.outcome is Outcome.FAIL


def test_a_slope_that_single_precision_would_not_show_is_not_called_wrong():
    """Weights of attention that are 1 but for 1e-12: f in floats stands still, and the claim of 1e-11 is right.

    One that would move f by more than its rounding is wrong.
    """
    rng = np.random.default_rng(4)
    x = {name: (5.0 * rng.standard_normal((4, 4))).astype(np.float32) for name in "qkv"}

    def f(p):
        return softmax(p["q"] @ p["k"].T) @ p["v"]

    def vjp(p, u, surplus=0.0):
        weights = softmax(p["q"] @ p["k"].T)
        inner = u @ p["v"].T
        scores = weights * (inner - (weights * inner).sum(axis=1, keepdims=True))
        return {"q": scores @ p["k"] + np.float32(surplus) * u, "k": scores.T @ p["q"], "v": weights.T @ u}

    assert check_vjp(f, vjp, x, rng=4).outcome is not Outcome.FAIL
    assert check_vjp(f, lambda p, u: vjp(p, u, 1e-2), x, rng=4).outcome is Outcome.FAIL


@pytest.mark.parametrize("forgets", [False, True])
def test_an_array_that_a_normalisation_takes_out_is_rounding_and_linear(forgets):
    """A bias before the mean is taken out: its products are 1e-16, with digits of their own for 2 a + b."""
    rng = np.random.default_rng(0)
    data, x = rng.normal(size=(9, 4)), {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}

    def f(p):
        h = data @ p["W"] + p["b"]
        return np.tanh(h - h.mean(axis=0))

    def vjp(p, u):
        slope = 1.0 - f(p) ** 2
        inner = u * slope
        outer = (slope if forgets else inner) - inner.mean(axis=0)
        return {"W": data.T @ (inner - inner.mean(axis=0)), "b": outer.sum(axis=0)}

    report = check_vjp(f, vjp, x)
    assert (report.outcome is Outcome.FAIL) is forgets
    assert ('linear in its cotangent for params["b"]' in said(report)) is forgets


def test_products_that_are_next_to_nothing_are_linear_as_far_as_they_have_digits():
    """5e-324 is the only digit that 1e-320 has; with 1e-300 a product that forgets its cotangent is told."""

    def f(x):
        return np.sin(x) + x[0]

    def vjp(x, u, size):
        return (size * (1.0 + x)) * u * (1.0 / 3.0)

    x = np.linspace(0.1, 1.0, 5)
    assert "linear" not in said(check_vjp(f, lambda x, u: vjp(x, u, 1e-320), x))
    assert "does not use its cotangent" in said(check_vjp(f, lambda x, u: vjp(x, np.ones(5), 1e-300), x))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_right_vjp_whose_columns_sum_to_0_lies_in_memory_in_any_way(n, dtype):
    """Of equal cotangents a softmax, or what is centred, leaves rounding alone; of up to three entries, too."""
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=n).astype(dtype)

        def softmax(x):
            e = np.exp(x - x.max())
            return e / e.sum()

        def vjp(x, u):
            p = softmax(x)
            return (np.diag(p) - np.outer(p, p)).T @ u

        assert check_vjp(softmax, vjp, x, rng=seed).outcome is Outcome.PASS
        centred = np.eye(n, dtype=dtype) - dtype(1.0 / n)
        report = check_vjp(
            lambda x, a=centred: a @ x**2, lambda x, u, a=centred: 2 * x * (a.T @ u), x, rng=seed
        )
        assert report.outcome is Outcome.PASS, report


@pytest.mark.parametrize("shape", [(13, 9), (4, 5), (2, 3, 4), (7,), (150,), (1, 6)])
def test_a_cotangent_may_lie_in_memory_in_any_way(shape):
    """d(x^2) of a kernel that reads u as if it lay like x; np.ndarray's own arithmetic reads it as it lies."""

    def as_it_is_not(u):
        # The numbers in the order of memory; beyond the end, where all lie in one place, the last of them.
        flat = u.base if isinstance(u.base, np.ndarray) else u
        memory = np.ravel(flat, order="K")
        return np.resize(memory, u.size).reshape(u.shape)

    x = np.random.default_rng(0).normal(size=shape)

    def square(x):
        return x**2

    assert check_vjp(square, lambda x, u: 2 * x * u, x).outcome is Outcome.PASS
    report = check_vjp(square, lambda x, u: 2 * x * as_it_is_not(u), x)
    if min(shape) > 1 or len(shape) == 1:
        assert report.outcome is Outcome.FAIL
        assert "vjp reads its cotangent with other strides than it has" in said(report)

    def only_contiguous(x, u):
        if not u.flags.c_contiguous:
            raise BufferError("ndarray is not C-contiguous")
        return 2 * x * u

    refusing = check_vjp(square, only_contiguous, x)
    assert refusing.outcome is Outcome.FAIL
    assert "in memory: BufferError: ndarray is not C-contiguous" in said(refusing)


def test_a_cotangent_that_is_written_into_is_noted():
    """What a rectifier by hand does with the gradient that comes in: right, and said."""

    def in_place(x, u):
        u[x <= 0] = 0
        return u

    def relu(x):
        return np.maximum(x, 0)

    x = np.random.default_rng(0).normal(size=(5, 4))

    report = check_vjp(relu, in_place, x)
    assert report.outcome is Outcome.PASS
    assert "vjp writes into its cotangent" in said(report)
    assert check_vjp(relu, lambda x, u: u * (x > 0), x).notes == ()
    scaled = check_jvp(np.square, lambda x, v: np.multiply(v, 2 * x, out=v), x)
    assert scaled.outcome is Outcome.PASS
    assert "jvp writes into its tangent" in said(scaled)


def test_a_product_of_zeros_that_is_nan_is_wrong():
    """0 / 0 where the cotangent is normalised first."""
    f, _, vjp = sine(A)

    report = check_vjp(f, lambda x, u: np.linalg.norm(u) * vjp(x, u / np.linalg.norm(u)), X)

    assert report.outcome is Outcome.FAIL
    assert "vjp of a cotangent of zeros is not zero: entry 0 is nan" in said(report)


def test_a_vjp_that_differs_from_call_to_call_is_said_once():
    """A random vjp is FAIL with one finding, not with the same one from two places."""
    f, _, vjp = sine(A)
    generator = np.random.default_rng(0)

    report = check_vjp(f, lambda x, u: vjp(x, u) * generator.random(), X)

    assert report.outcome is Outcome.FAIL
    said = [report.reason, *report.notes]
    assert sum("vjp differs between two calls" in text for text in said) == 1
    steady = check_vjp(f, vjp, X)
    assert not any("differs" in text for text in (steady.reason, *steady.notes))


def test_shapes_and_mutation_of_products_are_said_in_words():
    """The answer has the shape of the other space; the product writes into x."""
    f, jvp, _ = sine(A)

    def mutating(x, v):
        out = jvp(x, v)
        x[0] = 9.0
        return out

    for report, words in (
        (check_jvp(f, vjp_as_jvp, X), "shape (5,)"),
        (check_vjp(f, lambda x, u: jvp(x, np.ones(5)), X), "shape (12,)"),
        (check_jvp(f, mutating, X), "jvp changes x: x[0]"),
    ):
        assert report.outcome is Outcome.FAIL
        assert words in report.reason + " ".join(report.notes)


def vjp_as_jvp(x, v):
    """An answer in the space of x."""
    return np.asarray(v)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 250])
def test_rosenbrocks_hessian_product(n):
    """SciPy's rosen_hess_prod passes; with one entry too many it is refused there."""
    x = np.random.default_rng(0).normal(size=n)

    def wrong(x, v):
        out = rosen_hess_prod(x, v)
        out[3] += v[6]
        return out

    assert check_hvp(rosen_der, rosen_hess_prod, x)
    report = check_hvp(rosen_der, wrong, x)
    assert names(report) == {"H[3, 6]"}
    assert any("not symmetric" in note for note in report.notes)


ADJOINTS = {
    "matrix": (lambda x: A @ x, lambda y: A.T @ y, lambda y: 2.0 * A.T @ y, np.zeros(5)),
    "fft": (np.fft.fft, lambda y: 16 * np.fft.ifft(y), np.fft.ifft, np.zeros(16, complex)),
    "conjugate": (np.fft.fft, lambda y: 16 * np.fft.ifft(y), np.fft.fft, np.zeros(16, complex)),
    "dct": (
        lambda x: scipy.fft.dct(x, norm="ortho"),
        lambda y: scipy.fft.idct(y, norm="ortho"),
        lambda y: scipy.fft.dct(y, norm="ortho"),
        np.zeros(9),
    ),
    "operator": (aslinearoperator(A).matvec, aslinearoperator(A).rmatvec, lambda y: -A.T @ y, np.zeros(5)),
    "difference": (
        np.diff,
        lambda y: -np.diff(y, prepend=0.0, append=0.0),
        lambda y: np.append(-np.diff(y, prepend=0.0), 0.0),
        np.zeros(16),
    ),
    "image": (
        lambda x: np.diff(x, axis=0),
        lambda y: -np.diff(y, axis=0, prepend=0.0, append=0.0),
        lambda y: np.diff(y, axis=0, prepend=0.0, append=0.0),
        np.zeros((4, 3)),
    ),
}


@pytest.mark.parametrize("name", ADJOINTS)
def test_adjoints(name):
    """Adjoints of NumPy and SciPy to rounding; scaled, unconjugated, negated or truncated ones are wrong."""
    forward, adjoint, wrong, x = ADJOINTS[name]

    right = check_adjoint(forward, adjoint, x)
    assert right.outcome is Outcome.PASS
    assert right.detectable < 1e-12  # rounding of a dozen terms in double precision
    assert check_adjoint(forward, wrong, x).outcome is Outcome.FAIL


def test_a_wrong_entry_of_an_adjoint_is_named():
    """One entry off by a tenth of a per mille, in double and in single precision."""
    for dtype, factor in ((np.float64, 1.0001), (np.float32, 1.01)):
        matrix = A.astype(dtype)
        other = matrix.T.copy()
        other[3, 7] *= dtype(factor)

        report = check_adjoint(matrix.__matmul__, other.__matmul__, np.zeros(5, dtype))

        assert names(report) == {"A[7, 3]"}
        assert report.wrong[0].analytic == pytest.approx(factor * report.wrong[0].numerical, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("entry", [0.0, 0.1])
def test_an_adjoint_has_a_budget_and_its_interruption_leaves_a_report(entry):
    """At every application of either operator: never more than allowed, no wrong verdict, and the cause in words."""

    def check(end=None, **options):
        applied = []

        def applying(product):
            def operator(argument):
                applied.append(1)
                if len(applied) == end:
                    raise KeyboardInterrupt
                return product(argument)

            return operator

        other = A.T.copy()
        other[3, 7] += entry
        return check_adjoint(
            applying(lambda x: A @ x), applying(lambda y: other @ y), np.zeros(5), np.zeros(12), **options
        )

    whole = check()
    assert whole.outcome is (Outcome.FAIL if entry else Outcome.PASS)
    for budget in range(10, whole.nfev + whole.ngev):
        report = check(max_nfev=budget)
        assert report.nfev + report.ngev == budget
        assert report.outcome is not Outcome.PASS
        assert report.outcome is not Outcome.FAIL or entry
        assert "the budget was used up: raise max_nfev (or max_seconds)" in (report.reason, *report.notes)
    for end in range(1, whole.nfev + whole.ngev + 1):
        with pytest.raises(GradientCheckInterrupted) as caught:
            check(end)
        report = caught.value.report
        assert report.interrupted
        assert report.outcome is not Outcome.PASS
        assert report.outcome is not Outcome.FAIL or entry
        assert "the check was interrupted: start it again" in (report.reason, *report.notes)
    with pytest.raises(ValueError, match="max_nfev must be at least 10"):
        check(max_nfev=9)


def test_a_constant_factor_is_said():
    """The missing normalisation of a Fourier transform."""
    report = check_adjoint(np.fft.fft, np.fft.ifft, np.zeros(16, complex))

    assert "constant factor" in report.diagnosis[0]


@pytest.mark.parametrize(
    ("forward", "adjoint", "outcome", "words"),
    [
        (np.abs, lambda y: y, Outcome.FAIL, "forward is not linear"),
        (lambda x: 2.0 * x, lambda y: y[:3], Outcome.FAIL, "adjoint returns shape (3,)"),
        (lambda x: x * np.nan, lambda y: y, Outcome.FAIL, "nan"),
        (lambda x: 0.0 * x, lambda y: 0.0 * y, Outcome.INCONCLUSIVE, "nothing to compare"),
        (
            lambda x: x + np.random.default_rng().random(),
            lambda y: y,
            Outcome.FAIL,
            "differs between two calls",
        ),
    ],
)
def test_operators_that_are_no_operators(forward, adjoint, outcome, words):
    """Not linear, of another shape, nan, zero, random: in words."""
    report = check_adjoint(forward, adjoint, np.zeros(5))

    assert report.outcome is outcome
    assert words in report.reason


def test_bad_arguments_are_refused():
    """What is not callable, no pairs, no numbers."""
    with pytest.raises(TypeError, match="jvp must be callable"):
        check_jvp(np.sin, A, X)
    with pytest.raises(TypeError, match="callable"):
        check_adjoint(A, A.T, X)
    with pytest.raises(ValueError, match="pairs"):
        check_adjoint(np.fft.fft, np.fft.ifft, X, pairs=0)
    with pytest.raises(TypeError, match="numbers"):
        check_adjoint(np.fft.fft, np.fft.ifft, np.array(["a"]))


@pytest.mark.parametrize("name", ["check_jacobian", "check_jvp", "check_vjp", "check_hessian", "check_hvp"])
def test_help_names_every_option(name):
    """The signature that help() and editors show has each with its default, and no **options."""
    parameters = inspect.signature(getattr(gradcheck, name)).parameters
    assert "options" not in parameters
    gradient = inspect.signature(gradcheck.check_gradient).parameters
    for option in ("rtol", "atol", "resolution", "method", "bounds", "rng", "max_nfev", "progress"):
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[option].default == gradient[option].default


def softmax(x):
    """The softmax of each row."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_back(x, u):
    """Its backward product, by hand: s * (u - sum(s u))."""
    s = softmax(x)
    return s * (u - (u * s).sum(1, keepdims=True))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (26, 4)])
def test_a_matrix_in_and_a_matrix_out_are_rows_of_a_batch(shape):
    """The softmax of each row, few outputs and many: the right backward passes, without the dot product it fails."""
    x = np.random.default_rng(0).normal(size=shape)

    assert check_vjp(softmax, softmax_back, x).outcome is Outcome.PASS
    wrong = check_vjp(softmax, lambda x, u: softmax(x) * u, x)
    assert wrong.outcome is Outcome.FAIL
    assert wrong.wrong
    # J of softmax is symmetric: the same function serves as its forward product.
    assert check_jvp(softmax, softmax_back, x).outcome is Outcome.PASS
    assert check_jvp(softmax, lambda x, v: softmax(x) * v, x).outcome is Outcome.FAIL


def test_a_hessian_product_keeps_the_shape_of_x():
    """f = sum x^4 / 4 of a matrix x: H v = 3 x^2 v has its shape; 2 x v, or a row of it, is refused."""
    x = np.random.default_rng(0).normal(size=(2, 3))

    assert check_hvp(lambda x: x**3, lambda x, v: 3 * x**2 * v, x).outcome is Outcome.PASS
    assert check_hvp(lambda x: x**3, lambda x, v: 2 * x**2 * v, x).outcome is Outcome.FAIL
    cut = check_hvp(lambda x: x**3, lambda x, v: (3 * x**2 * v)[0], x)
    assert cut.outcome is Outcome.FAIL
    assert cut.reason == "hvp has shape (3,) where x has shape (2, 3)"


def test_products_of_numbers_are_numbers():
    """x and f of no axes: d sin = cos; an x of one entry and an f of no axis, too."""
    assert check_vjp(np.sin, lambda x, u: np.cos(x) * u, 0.3).outcome is Outcome.PASS
    assert check_jvp(np.sin, lambda x, v: np.cos(x) * v, 0.3).outcome is Outcome.PASS
    assert check_hvp(np.sin, lambda x, v: np.cos(x) * v, np.array(0.3)).outcome is Outcome.PASS
    assert (
        check_vjp(lambda x: np.sin(x[0]), lambda x, u: np.cos(x) * u, np.array([0.3])).outcome is Outcome.PASS
    )
    assert check_vjp(np.sin, lambda x, u: -np.cos(x) * u, 0.3).outcome is Outcome.FAIL
    assert check_jvp(np.sin, lambda x, v: -np.cos(x) * v, 0.3).outcome is Outcome.FAIL


def test_axes_of_no_entries_are_refused_in_words():
    """An f without outputs, an x without entries; an array of no entries beside others takes no part."""
    nothing = np.ones((0, 3))
    for report in (
        check_vjp(lambda x: x[:0], lambda x, u: 0 * x, X),
        check_jvp(lambda x: x[:0], lambda x, v: v[:0], X),
    ):
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "f must return an array of real numbers; it returned float64 of shape (0,)" in report.reason
    ragged = check_vjp(lambda x: (x, x[:2]), lambda x, u: 0 * x, X)
    assert ragged.outcome is Outcome.INCONCLUSIVE
    assert "f must return an array of real numbers" in ragged.reason
    for check in (
        lambda: check_vjp(lambda x: x.sum(0), lambda x, u: 0 * x, nothing),
        lambda: check_hvp(lambda x: x, lambda x, v: v, nothing),
    ):
        with pytest.raises(ValueError, match="x holds no numbers"):
            check()
    for x, y in ((nothing, None), (X, np.ones(0))):
        with pytest.raises(ValueError, match="must hold at least one number, not shape"):
            check_adjoint(lambda x: x, lambda y: y, x, y)
    beside = {"a": X, "b": nothing}

    def sine(p):
        return np.sin(p["a"])

    assert (
        check_vjp(sine, lambda p, u: {"a": np.cos(p["a"]) * u, "b": p["b"]}, beside).outcome is Outcome.PASS
    )
    assert (
        check_vjp(sine, lambda p, u: {"a": np.sin(p["a"]) * u, "b": p["b"]}, beside).outcome is Outcome.FAIL
    )


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 1e4, 1e8])
@pytest.mark.parametrize("size", [1.0, 1e-6, 1e6])
def test_a_row_of_a_vjp_is_weighed_by_its_own_size(offset, size):
    """Among 150 outputs of sin(M x) one has an offset, or is a million times smaller: a mistake in it is FAIL."""
    matrix, x = np.random.default_rng(0).normal(size=(150, 12)), np.random.default_rng(1).normal(size=12)
    mine = np.arange(150) == 90
    sizes, offsets = np.where(mine, size, 1.0), np.where(mine, offset * size, 0.0)

    def f(x):
        return sizes * np.sin(matrix @ x) + offsets

    for factor, outcome in ((1.0, "PASS"), (1.1, "FAIL"), (0.0, "FAIL"), (-1.0, "FAIL")):
        slope = sizes * np.where(mine, factor, 1.0)
        report = check_vjp(f, lambda x, u, slope=slope: matrix.T @ (u * slope * np.cos(matrix @ x)), x)
        assert report.outcome.value == outcome
        assert {name.split(",")[0] for name in names(report)} == ({"J[90"} if outcome == "FAIL" else set())


@pytest.mark.slow
def test_a_wrong_vjp_of_many_rows_is_named_of_an_f_that_takes_stacks_alone():
    """Every row is asked for then, of f as it was given; a right one passes."""
    rng = np.random.default_rng(0)
    matrix, x = rng.normal(size=(150, 4)), rng.normal(size=4)

    def f(stack):
        return np.einsum("ij,jk->ik", matrix, np.sin(stack))

    def vjp(x, u, factor=1.0):
        jacobian = matrix * np.cos(x)
        jacobian[3, 2] *= factor
        return jacobian.T @ u

    assert check_vjp(f, vjp, x, vectorized=True).outcome is Outcome.PASS
    assert names(check_vjp(f, lambda x, u: vjp(x, u, 1.1), x, vectorized=True)) == {"J[3, 2]"}


@pytest.mark.parametrize("returned", [np.float32, np.float64])
def test_an_output_on_a_coarse_grid_beside_finer_ones_bears_a_row_out(returned):
    """1e-8 A x at 0, one output beside 1e-5, in float32: it stays over steps that show all of the others."""
    A = 1e-8 * np.random.default_rng(0).normal(size=(120, 5))
    offset = np.where(np.arange(120) == 2, -1e-5, 0.0)

    def f(x):
        return (A @ x + offset).astype(np.float32).astype(returned)

    def vjp(_, u, matrix=A):
        return matrix.T @ u.astype(float)

    assert check_vjp(f, vjp, np.zeros(5)).outcome is Outcome.PASS
    wrong = A * np.where(np.arange(120) == 2, 1.01, 1.0)[:, None]
    report = check_vjp(f, lambda x, u: vjp(x, u, wrong), np.zeros(5))
    assert report.outcome is Outcome.FAIL
    assert {m.name.partition(",")[0] for m in report.wrong} == {"J[2"}


def test_outputs_that_do_not_move_hide_nothing():
    """One output is constant, one a sum of probabilities that moves by rounding alone: zero rows pass."""
    matrix = np.random.default_rng(0).normal(size=(120, 6))

    def f(x):
        e = np.exp(matrix[:10] @ x)
        return np.concatenate([[5.0, (e / e.sum()).sum()], np.sin(matrix @ x)])

    def vjp(x, u, claimed=0.0):
        return matrix.T @ (np.cos(matrix @ x) * u[2:]) + claimed * (u[0] + u[1])

    x = np.linspace(-0.5, 0.5, 6)
    assert check_vjp(f, vjp, x).outcome is Outcome.PASS
    assert check_vjp(f, lambda x, u: vjp(x, u, 0.01), x).outcome is Outcome.FAIL


MIXED = RNG.normal(size=(5, 7)) + 1j * RNG.normal(size=(5, 7))


def rfft_adjoint(y, n=16):
    """Over the reals: n times the real part of the inverse transform of y and no more."""
    return n * np.fft.ifft(np.append(y, np.zeros(n - y.size))).real


OVER_THE_REALS = {
    "rfft": (np.fft.rfft, rfft_adjoint, lambda y: np.fft.irfft(y, 16), np.zeros(16), np.zeros(9, complex)),
    "complex matrix, real x": (
        lambda x: MIXED @ x, lambda y: (MIXED.conj().T @ y).real, lambda y: (MIXED.T @ y).real, np.zeros(7),
        np.zeros(5, complex),
    ),
    "real part": (
        lambda z: (MIXED @ z).real, lambda y: MIXED.conj().T @ y, lambda y: MIXED.T @ y, np.zeros(7, complex),
        np.zeros(5),
    ),
    "imaginary part": (
        lambda z: (MIXED @ z).imag, lambda y: 1j * (MIXED.conj().T @ y), lambda y: -1j * (MIXED.conj().T @ y),
        np.zeros(7, complex), np.zeros(5),
    ),
    "conj": (np.conj, np.conj, lambda y: y, np.zeros(7, complex), None),
    "z + 2 conj(z)": (
        lambda z: z + 2 * z.conj(), lambda y: y + 2 * y.conj(), lambda y: 3 * y, np.zeros(7, complex), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OVER_THE_REALS)
def test_adjoints_over_the_reals(name):
    """Re<A x, y> = <x, A* y> where x or y is real, or A is no more than linear over the reals."""
    forward, adjoint, wrong, x, y = OVER_THE_REALS[name]

    right = check_adjoint(forward, adjoint, x, y)
    assert right.outcome is Outcome.PASS
    assert "Re<A x, y>" in right.reason
    assert check_adjoint(forward, wrong, x, y).outcome is Outcome.FAIL
    assert check_adjoint(forward, lambda v: 1.001 * adjoint(v), x, y).outcome is Outcome.FAIL


def test_an_adjoint_that_is_complex_where_x_is_real_is_told_what_to_return():
    """The real part is what is meant."""
    report = check_adjoint(
        lambda x: MIXED @ x, lambda y: MIXED.conj().T @ y, np.zeros(7), np.zeros(5, complex)
    )

    assert report.outcome is Outcome.FAIL
    assert report.reason.endswith(
        "returns complex numbers where x is real: return the real part, or pass a complex x"
    )


@pytest.mark.parametrize(
    ("dtype", "scales"), [(np.float64, (1e160, 1e-200, 1e-300)), (np.float32, (1e30, 1e19, 1e-25, 1e-35))]
)
def test_adjoints_of_any_scale_are_decided(dtype, scales):
    """Sums are scaled before they are squared: a right one passes, half as much again is FAIL, at every size."""
    for scale in scales:
        matrix = (np.arange(1.0, 7.0).reshape(2, 3) * scale).astype(dtype)
        for factor, outcome in ((1.0, Outcome.PASS), (1.5, Outcome.FAIL), (-1.0, Outcome.FAIL)):
            other = (dtype(factor) * matrix).T
            report = check_adjoint(matrix.__matmul__, other.__matmul__, np.zeros(3, dtype))
            assert report.outcome is outcome
            assert "nan" not in report.reason


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_small_rows_and_columns_of_an_operator_are_seen(axis):
    """Rows of sizes from 1e-20 to 1e20: 0.2 % of the largest entry of the smallest is FAIL, and named."""
    matrix = np.random.default_rng(0).normal(size=(9, 9))
    matrix *= 10.0 ** np.linspace(-20, 20, 9)[:, None]
    i, j = 0, int(np.argmax(np.abs(matrix[0])))
    other = matrix.copy()
    other[i, j] *= 1.002
    if axis == "columns":
        matrix, other, i, j = matrix.T, other.T, j, i

    assert check_adjoint(matrix.__matmul__, matrix.T.__matmul__, np.zeros(9)).outcome is Outcome.PASS
    report = check_adjoint(matrix.__matmul__, other.T.__matmul__, np.zeros(9))
    assert report.outcome is Outcome.FAIL
    assert names(report) == {f"A[{i}, {j}]"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [2, 4, 8])
@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_rows_and_columns_of_any_size_are_held_to_their_rounding(dtype, spread, axis):
    """One of 60 off by 1 % is 1e-3 of the terms that weigh all alike; rounding is no more than a hundred eps."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(60, 60)) * 10.0 ** rng.uniform(-spread, spread, 60)[:, None]
        other = matrix.copy()
        other[0] *= 1.01
        if axis == "columns":
            matrix, other = matrix.T, other.T
        right, wrong = (
            check_adjoint(
                matrix.astype(dtype).__matmul__, a.astype(dtype).T.__matmul__, np.zeros(60, dtype), rng=seed
            )
            for a in (matrix, other)
        )

        assert right.outcome is Outcome.PASS
        assert right.detectable < 100.0 * np.finfo(dtype).eps
        assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("many", [1, 8])
def test_rows_that_lose_digits_beside_others_are_no_mistake(dtype, many):
    """(M + c) x - c x loses the digits of c in some rows, M of sizes from 1e-4 to 1e4; A doubled is still FAIL."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(30, 20)) * 10.0 ** rng.uniform(-4, 4, 30)[:, None]
        offset = 1e3 * np.abs(matrix).max(axis=1) * (np.arange(30) < many)
        matrix, offset = matrix.astype(dtype), offset.astype(dtype)

        def forward(x, matrix=matrix, offset=offset):
            return (matrix @ x + offset * x[0]) - offset * x[0]

        x = np.zeros(20, dtype)
        assert check_adjoint(forward, matrix.T.__matmul__, x, rng=seed).outcome is Outcome.PASS
        assert check_adjoint(forward, (2 * matrix).T.__matmul__, x, rng=seed).outcome is Outcome.FAIL


def test_an_ill_conditioned_solve_is_not_accused():
    """Both solves of a Hilbert matrix are stable, and 1e-10 apart by its condition of 1e10: no code is wrong."""
    hilbert = 1.0 / (np.arange(8)[:, None] + np.arange(8) + 1.0)
    forward, adjoint = (lambda v, m=m: np.linalg.solve(m, v) for m in (hilbert, hilbert.T))

    report = check_adjoint(forward, adjoint, np.zeros(8))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "ill-conditioned" in report.reason
    assert check_adjoint(forward, adjoint, np.zeros(8), rtol=1e-6).outcome is Outcome.PASS
    assert check_adjoint(forward, lambda y: 1.002 * adjoint(y), np.zeros(8)).outcome is Outcome.FAIL


OPERATORS = {
    "transposed": (lambda a: a.T, "A is transposed"),
    "a row 0": (
        lambda a: a * np.r_[1, 0, 1, 1, 1, 1][:, None],
        "analytic is 0 in row 1 of A, numerical is not: a term is missing",
    ),
    "a column negated": (lambda a: a * np.r_[1, 1, -1, 1, 1, 1], "analytic = -numerical in column 2 of A: the sign"),
    "shifted": (lambda a: np.roll(a, 1, 1), "A is shifted: numpy.roll(analytic, -1, 1) fits"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_a_wrong_adjoint_gets_the_words_of_a_matrix(name):
    """All of A is asked for where it is wrong; not beyond the budget, and another matrix has none."""
    rng = np.random.default_rng(4)
    a, other = rng.normal(size=(2, 6, 6))
    change, sentence = OPERATORS[name]

    def check(wrong, **options):
        return check_adjoint(lambda x: a @ x, lambda y: wrong.T @ y, np.zeros(6), **options)

    whole = check(change(a))
    assert whole.diagnosis == (sentence,)
    assert check(change(a), max_nfev=whole.nfev + whole.ngev - 1).diagnosis == ()
    assert check(other).diagnosis == ()
    assert check(a).outcome is Outcome.PASS


def test_an_adjoint_without_its_conjugate_is_called_so():
    """A^T for A^H; i A^H differs by a factor, and A itself is no such thing."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5))

    def check(wrong):
        return check_adjoint(lambda x: a @ x, lambda y: wrong @ y, np.zeros(5, complex)).diagnosis

    assert check(a.T) == ("adjoint is A^T, not A^H: the conjugate is missing",)
    assert check(a) == ()
    assert "a constant factor?" in check(1j * a.conj().T)[0]


COMPLEX = {
    "a row doubled": (
        lambda a: a * np.r_[1, 1, 1, 2, 1, 1][:, None],
        "analytic = 2 x numerical in row 3 of A: ",
    ),
    "transposed": (lambda a: a.T, "A is transposed"),
    "one triangle": (np.tril, "analytic is 0 in the entries above the diagonal of A, numerical is not: "),
    "real": (
        np.real,
        "analytic is real in all 36 entries of A, numerical is not: the imaginary part is lost",
    ),
    "conjugate": (np.conj, "adjoint is A^T, not A^H: the conjugate is missing"),
}


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("real", ["", "x", "y"])
def test_a_wrong_complex_adjoint_gets_the_words_of_a_matrix(name, real):
    """Where x or y is real, too; entries are counted, and not their parts. Another matrix has none."""
    rng = np.random.default_rng(4)
    a, other = rng.normal(size=(2, 6, 6)) + 1j * rng.normal(size=(2, 6, 6))
    change, sentence = COMPLEX[name]

    def part(values, which):
        return values.real if which == real else values

    def check(wrong):
        x, y = (part(np.zeros(6, complex), which) for which in "xy")
        return check_adjoint(lambda x: part(a @ x, "y"), lambda y: part(wrong.conj().T @ y, "x"), x, y)

    (said,) = check(change(a)).diagnosis
    assert said.startswith(sentence)
    assert check(other).diagnosis == ()
    assert check(a).outcome is Outcome.PASS


def test_a_factor_explains_all_pairs_to_rounding_or_is_none():
    """32 of a Fourier transform without a trace of i; one of 45 edges left out, 1e-7 of the terms, is no factor."""
    report = check_adjoint(np.fft.fft, np.fft.ifft, np.zeros(32, complex))
    assert report.diagnosis == ("<A x, y> = 32 x <x, A^H y> in all 6 pairs: a constant factor?",)
    turned = check_adjoint(lambda x: 2j * x, lambda y: 2j * y, np.zeros(4, complex))
    assert turned.diagnosis == ("<A x, y> = -1 x <x, A^H y> in all 6 pairs: a constant factor?",)
    rng = np.random.default_rng(66)
    edges, sizes = rng.integers(0, 20, (45, 2)), 10 ** rng.uniform(-3, 3, 45)
    least = int(np.argmin(sizes))

    def adjoint(y):
        out, flow = np.zeros(20), np.where(np.arange(45) == least, 0.0, sizes * y)
        np.add.at(out, edges[:, 0], flow)
        np.add.at(out, edges[:, 1], -flow)
        return out

    lost = check_adjoint(lambda x: sizes * (x[edges[:, 0]] - x[edges[:, 1]]), adjoint, np.zeros(20))
    assert lost.diagnosis == (f"analytic is 0 in row {least} of A, numerical is not: a term is missing",)
    assert names(lost) == {f"A[{least}, {k}]" for k in edges[least]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_whose_sums_come_in_another_order_are_no_random_ones(dtype):
    """Two calls of a scatter differ by rounding, of single precision, too; by 1e-3 they are random."""
    rng, index = np.random.default_rng(0), np.random.default_rng(1).integers(0, 5, 200)

    def scatter(y, chance=0.0):
        out = np.zeros(5, dtype)
        for k in rng.permutation(200):
            out[index[k]] += y[k]
        return out * dtype(1.0 + chance * rng.random())

    x = np.zeros(5, dtype)
    assert check_adjoint(lambda x: x[index], scatter, x).outcome is Outcome.PASS
    assert check_adjoint(lambda x: x[index], lambda y: dtype(1.05) * scatter(y), x).outcome is Outcome.FAIL
    report = check_adjoint(lambda x: x[index], lambda y: scatter(y, 1e-3), x)
    assert "adjoint differs between two calls with the same argument" in report.reason


@pytest.mark.parametrize("cast", [np.float64, np.complex128])
def test_operators_in_float32_within_float64_arrays_are_judged_as_those_of_float32(cast):
    """Sums in any order, as in a projector that adds up in parallel: right ones pass, 1 % more fails."""
    order = np.random.default_rng(0)
    matrix = np.random.default_rng(1).random((20, 30))
    matrix = matrix.astype(np.float32 if cast is np.float64 else np.complex64)

    def product(a, v):
        p = order.permutation(a.shape[1])
        return np.add.reduce(a[:, p] * v.astype(a.dtype)[p], axis=1).astype(cast)

    def checked(factor):
        adjoint = np.float32(factor) * matrix.conj().T
        return check_adjoint(lambda x: product(matrix, x), lambda y: product(adjoint, y), np.zeros(30, cast))

    assert checked(1.0).outcome is Outcome.PASS
    assert checked(1.01).outcome is Outcome.FAIL


def test_an_operator_that_returns_single_precision_is_judged_as_such():
    """Arguments in double precision, sums of 400 terms in single, real and complex: right ones pass, 5 % more fails."""
    for matrix in (TALL.T, TALL.T + 1j * TALL.T[::-1]):
        single = matrix.astype(np.complex64 if np.iscomplexobj(matrix) else np.float32)

        def forward(x, single=single):
            return single @ x.astype(single.dtype)

        def adjoint(y, single=single):
            return single.conj().T @ y.astype(single.dtype)

        x = np.zeros(400, np.result_type(single.dtype, np.float64))
        assert check_adjoint(forward, adjoint, x).outcome is Outcome.PASS
        assert check_adjoint(forward, lambda y, a=adjoint: np.float32(1.05) * a(y), x).outcome is Outcome.FAIL


def test_a_solver_that_stops_early_is_no_operator_that_is_not_linear():
    """Conjugate gradients to 1e-5: INCONCLUSIVE with what to pass, and decided with that."""
    matrix = np.random.default_rng(0).normal(size=(30, 30))
    matrix = matrix @ matrix.T + 30 * np.eye(30)

    def solve(b):
        return scipy.sparse.linalg.cg(matrix, b, rtol=1e-5)[0]

    report = check_adjoint(solve, solve, np.zeros(30))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "linear only nearly" in report.reason
    rtol = float(report.reason.rpartition("rtol=")[2])
    assert check_adjoint(solve, solve, np.zeros(30), rtol=rtol).outcome is Outcome.PASS
    assert check_adjoint(solve, lambda b: 1.01 * solve(b), np.zeros(30), rtol=rtol).outcome is Outcome.FAIL
    assert check_adjoint(lambda x: x + 0.01 * x**2, lambda y: y, np.zeros(30)).outcome is Outcome.FAIL


def test_a_modulus_of_one_number_is_not_linear():
    """Where the argument is one number, chance might give it one sign alone: for every seed it is refused."""
    for report in (
        check_vjp(np.sin, lambda x, u: np.cos(x) * np.abs(u), 0.3),
        check_jvp(np.sin, lambda x, v: np.cos(x) * np.abs(v), 0.3),
        check_vjp(lambda x: np.sum(x**3), lambda x, u: 3 * x**2 * np.abs(u), X),
        *(
            check_adjoint(lambda x: 2 * np.abs(x), lambda y: 2 * y, np.zeros(1), rng=seed)
            for seed in range(10)
        ),
    ):
        assert report.outcome is Outcome.FAIL
        assert "not linear" in report.reason


@pytest.mark.slow
def test_a_product_in_single_precision_is_linear_to_its_own_rounding():
    """x is of doubles; sums of 2,000 terms in floats are off by a few 1e-7 of them, which no longer cancel here.

    One that is not linear in what it is given is found in spite of that.
    """
    wide = np.float32(np.random.default_rng(0).normal(size=(8, 2000)))
    x = np.random.default_rng(1).normal(size=2000)

    def f(x):
        return np.tanh(wide @ np.float32(x) / np.float32(50))

    def jvp(x, v):
        return (1 - f(x) ** 2) * (wide @ np.float32(v)) / np.float32(50)

    assert check_jvp(f, jvp, x).outcome is not Outcome.FAIL
    bent = check_jvp(f, lambda x, v: jvp(x, v) + np.float32(0.1) * jvp(x, v) ** 2, x)
    assert bent.outcome is Outcome.FAIL
    assert any("not linear" in text for text in (bent.reason, *bent.notes))


def test_a_factor_is_called_by_a_name_that_it_is_near_to():
    """In single precision 1e-3 is accepted; 1.02 is no 50/49, though an axis has 50 entries."""
    a = np.float32(np.random.default_rng(0).normal(size=(50, 30)) / 6)
    x = np.random.default_rng(1).normal(size=30)

    def f(x):
        return np.tanh(a @ np.float32(x))

    for factor, said in ((1.02, "analytic = 1.02 x numerical"), (50 / 49, "analytic = 50/49 x numerical")):
        report = check_jvp(f, lambda x, v, c=factor: np.float32(c) * (1 - f(x) ** 2) * (a @ np.float32(v)), x)
        assert report.outcome is Outcome.FAIL
        assert report.diagnosis[0].startswith(said)


def test_a_forward_that_does_nothing_is_told_as_such():
    """No factor makes 0 of anything."""
    report = check_adjoint(lambda u: 0 * u, lambda y: 1e-3 * y, np.array([0.3, -0.4, 0.8]))
    assert report.outcome is Outcome.FAIL
    assert report.diagnosis == (
        "A x is 0 for every x that was drawn, and A^H y is not: does forward do anything?",
    )


def test_an_operator_takes_one_array():
    """Not a tree of them."""
    x = {"a": np.ones(3)}
    with pytest.raises(TypeError, match="x must be one array of real or complex numbers, not a dict"):
        check_adjoint(lambda d: d["a"], lambda y: {"a": y}, x)


def test_a_few_numbers_that_are_the_same_by_their_making_are_in_no_other_order():
    """The rows of np.gradient at its ends: 1 and 1/2, with either sign, where the transpose has others."""
    report = check_adjoint(np.gradient, lambda y: -np.gradient(y), np.zeros(12))
    assert report.outcome is Outcome.FAIL
    assert not any("another order" in said for said in report.diagnosis)


def test_what_an_operator_raises_has_a_note_of_whose_it_is():
    """forward, or adjoint."""
    x = np.ones(3)
    for pair, who in (
        ((lambda v: 1 / 0, lambda v: v), "forward"),
        ((lambda v: v, lambda v: 1 / 0), "adjoint"),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            check_adjoint(*pair, x)
        assert caught.value.__notes__ == [f"gradcheck: raised by {who}"]


def test_an_operator_that_returns_no_numbers_is_named():
    """The caller gave no y: it is what forward returns. One that was given is named."""
    with pytest.raises(TypeError, match="what forward returns must hold real or complex numbers, not object"):
        check_adjoint(lambda x: None, lambda y: y, X)
    with pytest.raises(TypeError, match="y must hold real or complex numbers"):
        check_adjoint(lambda x: x, lambda y: y, X, y="abc")


@pytest.mark.parametrize(("surplus", "outcome"), [(0.0, Outcome.INCONCLUSIVE), (1e-2, Outcome.FAIL)])
def test_an_operator_of_which_roundings_are_left_is_no_wrong_adjoint(surplus, outcome):
    """The Jacobian of a softmax that is nearly certain, in doubles: symmetric, and a few roundings of its argument.

    Of these it is said that they hide what there is; an adjoint with a hundredth more of its argument is wrong.
    """
    p = softmax(np.array([[0.0, 34.0, 2.0, 1.0]]))

    def product(u):
        return p * (u - (p * u).sum())

    for seed in range(8):
        report = check_adjoint(product, lambda u: product(u) + surplus * u, p, rng=seed)
        assert report.outcome is outcome


def test_an_array_of_small_units_that_does_nothing_but_for_one_wrong_entry_is_seen():
    """b does nothing, and one entry of it is claimed to do a tenth of what W does by entry, 1e-10 by size: FAIL."""
    x = {"W": np.array([-1.4e6, 5.3e3, 6.5e6]), "b": np.array([0.489, -0.0073, 0.0072])}
    m = np.random.default_rng(0).normal(size=(6, 3))
    right = np.hstack([m, np.zeros((6, 3))])
    wrong = right.copy()
    wrong[3, 5] = 0.1 * np.sqrt(np.mean(right[3] ** 2))

    def f(p):
        return m @ p["W"]

    for claim, outcome in ((right, Outcome.PASS), (wrong, Outcome.FAIL)):
        for seed in range(3):
            report = check_jvp(f, lambda p, v, c=claim: c @ np.concatenate([v["W"], v["b"]]), x, rng=seed)
            assert report.outcome is outcome
            assert [w.index for w in report.wrong] == ([] if claim is right else [(3, 5)])
