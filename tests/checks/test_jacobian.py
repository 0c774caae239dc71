"""Jacobians: every entry right or wrong, dense, sparse and as a product, with row and column of what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import rosen_der, rosen_hess
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from gradcheck import Outcome, check_jacobian
from gradcheck.function.coloring import group_columns

A = np.random.default_rng(3).normal(size=(6, 4))
X = np.array([0.3, -0.7, 1.1, 0.4])


def f(x):
    """Six smooth outputs of four numbers."""
    return np.tanh(A @ x) + x[0] * x[3]


def jac(x):
    """The Jacobian of f, from paper."""
    return (1.0 - np.tanh(A @ x) ** 2)[:, None] * A + np.array([x[3], 0.0, 0.0, x[0]])


def scaled(i, j, factor):
    """Jac with one entry multiplied."""

    def wrong(x):
        out = jac(x)
        out[i, j] *= factor
        return out

    return wrong


def tridiagonal(n):
    """A function of n numbers with a tridiagonal Jacobian, and that Jacobian (CSR)."""

    def function(x):
        y = 2.0 * np.sin(x)
        y[1:] += x[:-1] * x[1:]
        y[:-1] += x[1:] ** 2
        return y

    def jacobian(x):
        middle = 2.0 * np.cos(x)
        middle[1:] += x[:-1]
        return scipy.sparse.diags_array([x[1:], middle, 2.0 * x[1:]], offsets=[-1, 0, 1], format="csr")

    return function, jacobian


def names(report):
    """The names of the wrong entries, without the rows and columns of trees."""
    return {m.name for m in report.wrong}


def test_a_right_jacobian_passes():
    """All 24 entries agree, from six evaluations of f a column."""
    report = check_jacobian(f, jac, X)

    assert report.outcome is Outcome.PASS
    assert report.arrays[0].shape == (6, 4)
    assert report.arrays[0].checked == 24
    # Two calls, at most 28 for the noise, and at most two stencils of six points for each of four columns.
    assert report.nfev <= 2 + 28 + 2 * 6 * 4


@pytest.mark.parametrize("factor", [1.0001, 0.0, -1.0])
def test_a_wrong_entry_is_named_by_row_and_column(factor):
    """One entry off by 0.01 %, missing, or of the wrong sign is FAIL, and nothing else is accused."""
    report = check_jacobian(f, scaled(4, 2, factor), X)

    assert report.outcome is Outcome.FAIL
    assert names(report) == {"J[4, 2]"}
    assert report.wrong[0].index == (4, 2)


def test_the_error_bar_holds_the_true_derivative():
    """The numerical value of a wrong entry is the true one within three errors, and the bar is small."""
    (wrong,) = check_jacobian(f, scaled(1, 3, 1.5), X).wrong

    assert abs(wrong.numerical - jac(X)[1, 3]) <= 3 * wrong.error_bar
    assert wrong.error_bar < 1e-7  # a smooth f in double precision is known better than that


@pytest.mark.parametrize(
    "given",
    [lambda x: jac(x).tolist(), lambda x: scipy.sparse.csr_array(jac(x)), lambda x: aslinearoperator(jac(x))],
)
def test_lists_sparse_matrices_and_operators_are_taken(given):
    """The forms in which SciPy takes a Jacobian."""
    assert check_jacobian(f, given, X)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, aslinearoperator])
def test_lists_sparse_matrices_and_operators_are_refused_where_wrong(kind):
    """The same forms with one wrong entry."""
    report = check_jacobian(f, lambda x: kind(scaled(4, 2, 1.1)(x)), X)

    assert names(report) == {"J[4, 2]"}


def test_a_jacobian_already_computed_is_taken():
    """An array in place of a callable, right and wrong."""
    assert check_jacobian(f, jac(X), X)
    assert not check_jacobian(f, 2.0 * jac(X), X)


def test_outputs_and_parameters_of_any_shape():
    """A function of a matrix that returns a matrix: the Jacobian has both shapes, or is flat; places are named."""
    x = np.arange(6.0).reshape(2, 3) + 1.0

    def square(x):
        return x @ x.T

    def derivative(x):
        out = np.zeros((2, 2, 2, 3))
        for i in range(2):
            for j in range(2):
                out[i, j, i] += x[j]
                out[i, j, j] += x[i]
        return out

    def wrong(x):
        out = derivative(x)
        out[1, 0, 1, 2] += 0.1
        return out

    assert check_jacobian(square, derivative, x)
    assert check_jacobian(square, lambda x: derivative(x).reshape(4, 6), x)
    assert names(check_jacobian(square, wrong, x)) == {"J[2, 5] (f[1, 0], x[1, 2])"}


def test_a_tree_of_parameters():
    """A dict of arrays: the Jacobian is a dict as well, and columns have the names of parameters."""
    x = {"w": np.array([0.5, 1.5]), "b": 2.0}

    def line(p):
        return np.array([p["w"][0] * p["b"], p["w"][1] ** 2, p["b"]])

    def derivative(p, sign=1.0):
        dw = np.array([[p["b"], 0.0], [0.0, 2.0 * p["w"][1]], [0.0, 0.0]])
        return {"w": dw, "b": np.array([p["w"][0], 0.0, sign])}

    assert check_jacobian(line, derivative, x)
    assert names(check_jacobian(line, lambda p: derivative(p, -1.0), x)) == {'J[2, 2] (f[2], params["b"])'}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sweep", "directions"])
def test_both_methods_agree(method):
    """Rosenbrock's Hessian as the Jacobian of its gradient, by either kind of evidence; and with two wrong entries."""
    x = np.random.default_rng(0).normal(size=30)

    def wrong(x):
        out = rosen_hess(x)
        out[3, 4] *= 1.01
        out[20, 7] = 0.5
        return out

    assert check_jacobian(rosen_der, rosen_hess, x, method=method)
    assert names(check_jacobian(rosen_der, wrong, x, method=method)) == {"J[3, 4]", "J[20, 7]"}


def large():
    """Sixty outputs of 400 numbers: dense, more columns than are moved one by one."""
    rng = np.random.default_rng(5)
    a, x = rng.normal(size=(60, 400)) / 20.0, rng.normal(size=400)
    return (lambda x: np.tanh(a @ x)), (lambda x: (1.0 - np.tanh(a @ x) ** 2)[:, None] * a), x


@pytest.mark.slow
@pytest.mark.parametrize("operator", [False, True])
@pytest.mark.parametrize("kind", ["right", "entry", "row", "column", "all"])
def test_large_jacobians_by_directions(kind, operator):
    """Random directions certify every row; an entry, a row, a column and the whole are told apart."""
    function, right, x = large()

    def given(x):
        out = right(x)
        part = {"right": None, "entry": (7, 300), "row": 5, "column": (slice(None), 33), "all": slice(None)}[
            kind
        ]
        if part is not None:
            out[part] *= 1.1
        return aslinearoperator(out) if operator else out

    report = check_jacobian(function, given, x)

    if kind == "right":
        assert report.outcome is Outcome.PASS
        assert report.certificate.relative_to_rms < report.resolution
        assert report.nfev < 60  # 24,000 entries
        return
    assert report.outcome is Outcome.FAIL
    # Every entry is wrong by a tenth, which can't be mistaken for anything else.
    assert all(m.analytic == pytest.approx(1.1 * m.numerical, rel=1e-3) for m in report.wrong)
    if kind == "entry":
        assert names(report) == {"J[7, 300]"}
    else:
        place = {"row": "row 5 of J", "column": "column 33 of J", "all": "entries of J"}[kind]
        assert any(place in sentence for sentence in report.diagnosis)


def test_the_certificate_holds_for_all_rows_at_once():
    """More confidence gives a wider bound, by the factor delta / delta' that one direction has."""
    function, right, x = large()
    loose, strict = (
        check_jacobian(function, right, x, confidence=c).certificate for c in (1 - 1e-2, 1 - 1e-6)
    )

    assert loose.directions == strict.directions == 1
    assert strict.bound / loose.bound == pytest.approx(1e4)


@pytest.mark.slow
def test_a_sparse_jacobian_of_a_hundred_thousand():
    """A tridiagonal Jacobian of 1e5 x 1e5: what it stores and its zeros, from the same points."""
    function, jacobian = tridiagonal(100_000)
    x = np.random.default_rng(0).normal(size=100_000)

    report = check_jacobian(function, jacobian, x)

    assert report.outcome is Outcome.PASS
    assert report.nfev < 20


def test_a_wrong_entry_of_a_sparse_jacobian():
    """One of 29,998 entries off by 1 % is named."""
    function, jacobian = tridiagonal(10_000)

    def wrong(x):
        out = jacobian(x).tocsr()
        out[777, 778] *= 1.01
        return out

    report = check_jacobian(function, wrong, np.random.default_rng(0).normal(size=10_000))

    assert names(report) == {"J[777, 778]"}


def test_an_entry_missing_from_the_pattern_is_found():
    """F depends on x[9000] in output 500, which jac does not store: no entry that it stores is accused instead."""
    function, jacobian = tridiagonal(10_000)

    def coupled(x):
        out = function(x)
        out[500] += 0.3 * x[9000]
        return out

    report = check_jacobian(coupled, jacobian, np.random.default_rng(0).normal(size=10_000))

    assert names(report) == {"J[500, 9000]"}
    assert report.wrong[0].numerical == pytest.approx(0.3, abs=3 * report.wrong[0].error_bar)


def test_a_missing_entry_in_the_group_of_another_column():
    """The missing entry moves together with a stored one of the same row: the right column is blamed."""
    function, jacobian = tridiagonal(300)

    def coupled(x):
        out = function(x)
        out[50] += 0.3 * x[51 + 3 * 20]
        return out

    report = check_jacobian(coupled, jacobian, np.random.default_rng(0).normal(size=300))

    assert names(report) == {"J[50, 111]"}


def test_a_declared_pattern():
    """A dense jac with its pattern: right; with a pattern that misses an entry: FAIL by jac alone and by f."""
    function, jacobian = tridiagonal(40)
    x = np.random.default_rng(0).normal(size=40)
    pattern = jacobian(x).toarray() != 0
    assert check_jacobian(function, lambda x: jacobian(x).toarray(), x, sparsity=pattern)

    pattern[10, 11] = False
    report = check_jacobian(function, lambda x: jacobian(x).toarray(), x, sparsity=pattern)

    assert report.outcome is Outcome.FAIL
    assert "jac has 1 entry that the declared sparsity says is zero: J[10, 11]" in report.reason


@pytest.mark.slow
def test_a_whole_sparse_jacobian_is_wrong():
    """Twice the Jacobian: what is stored of it is counted, by three groups; the list is cut."""
    function, jacobian = tridiagonal(2000)
    x = np.random.default_rng(0).normal(size=2000)

    told = check_jacobian(function, lambda x: 2 * jacobian(x), x)
    assert told.reason.startswith("5,998 of 4,000,000 entries wrong: ")
    assert told.nfev < 200

    report = check_jacobian(function, lambda x: 2 * jacobian(x), x, method="sweep")
    assert report.outcome is Outcome.FAIL
    assert len(report.wrong) == 1000
    assert report.reason.startswith("5,998 of 4,000,000 entries wrong: ")
    assert report.arrays[0].wrong == 5998
    assert "the worst 1,000 wrong entries are listed" in report.notes


def test_groups_share_no_row():
    """Greedy grouping: three groups for a band of three, each column once; n groups for a full row."""
    _, jacobian = tridiagonal(50)
    band = scipy.sparse.csc_array(jacobian(np.ones(50)))
    groups = group_columns(band)

    assert len(groups) == 3
    assert sorted(np.concatenate(groups).tolist()) == list(range(50))
    for group in groups:
        assert (np.diff(band[:, group].tocsr().indptr) <= 1).all()
    assert len(group_columns(scipy.sparse.csc_array(np.ones((1, 7))))) == 7


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_groups_of_any_pattern(seed, m, n):
    """Whatever the pattern, each column is in one group and no group meets a row twice."""
    pattern = scipy.sparse.csc_array(np.random.default_rng(seed).random((m, n)) < 0.3)
    groups = group_columns(pattern)

    assert sorted(np.concatenate(groups).tolist()) == list(range(n))
    assert all((pattern[:, g].sum(axis=1) <= 1).all() for g in groups)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["rounded", "single", "noisy"])
def test_noise_never_makes_a_right_jacobian_wrong(kind, seed):
    """Eight decimals, float32 inside, relative noise of 1e-9: never FAIL; with a mistake of a fifth never PASS."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(12, 5)), rng.normal(size=5)

    def disturbed(x):
        y = np.tanh(a @ x) + 2.0
        if kind == "rounded":
            return np.round(y, 8)
        if kind == "single":
            return y.astype(np.float32).astype(np.float64)
        return y * (1.0 + 1e-9 * ((np.sin(1e8 * x.sum() + np.arange(12)) * 1e9) % 1.0 - 0.5))

    def right(x):
        return (1.0 - np.tanh(a @ x) ** 2)[:, None] * a

    def wrong(x):
        out = right(x)
        out.ravel()[np.argmax(np.abs(out))] *= 1.2
        return out

    assert check_jacobian(disturbed, right, x, rng=seed).outcome is not Outcome.FAIL
    assert check_jacobian(disturbed, wrong, x, rng=seed).outcome is not Outcome.PASS


def test_noise_belongs_to_each_output():
    """One output rounded to three digits hides its own row only: the others are still judged, and a mistake found."""

    def partly(x):
        y = f(x)
        y[2] = np.round(y[2], 3)
        return y

    report = check_jacobian(partly, scaled(4, 2, 1.001), X)

    assert {m.index[0] for m in report.wrong} == {4}
    assert report.arrays[0].inconclusive == 4


def test_outputs_of_very_different_size():
    """Each row is judged in its own units: a mistake of 1 % in a row of 1e-12 beside one of 1e12."""
    size = np.array([1e-12, 1.0, 1e12, 1e-6, 1e6, 1.0])

    assert check_jacobian(lambda x: size * f(x), lambda x: size[:, None] * jac(x), X)
    report = check_jacobian(lambda x: size * f(x), lambda x: size[:, None] * scaled(0, 1, 1.01)(x), X)
    assert names(report) == {"J[0, 1]"}


def test_an_output_that_depends_on_nothing():
    """A constant output has a row of zeros, which passes beside others; an entry there is wrong."""

    def with_constant(x):
        return np.append(f(x), 3.0)

    assert check_jacobian(with_constant, lambda x: np.vstack([jac(x), np.zeros(4)]), X)
    report = check_jacobian(with_constant, lambda x: np.vstack([jac(x), 0.1 * np.eye(4)[1]]), X)
    assert names(report) == {"J[6, 1]"}


@pytest.mark.parametrize("a", [0.5, 1.3, 1.6385, 2.9])
def test_one_sparse_column_beside_an_offset(a):
    """An output of sin + 1e7, whose first direction rounding left unseen: a report, where a division by 0 ended it."""
    x = np.array([-0.1961583])

    def function(x):
        return np.array([np.sin(a * x[0]) + 1e7, np.exp(x[0])])

    def column(x):
        return np.array([[a * np.cos(a * x[0])], [np.exp(x[0])]])

    assert check_jacobian(function, lambda x: scipy.sparse.csr_array(column(x)), x)
    wrong = check_jacobian(function, lambda x: scipy.sparse.csr_array(column(x) * [[1.0], [1.1]]), x)
    assert names(wrong) == {"J[1, 0]"}


def test_a_kink_is_no_verdict():
    """At the kink of |x| any slope is undecided; with subgradient=True 0.5 passes, and 2 is wrong."""
    x = np.array([0.0, 1.0])
    claimed = np.diag([0.5, 1.0])

    assert check_jacobian(np.abs, claimed, x).outcome is Outcome.INCONCLUSIVE
    assert check_jacobian(np.abs, claimed, x, subgradient=True).outcome is Outcome.PASS
    assert check_jacobian(np.abs, np.diag([2.0, 1.0]), x, subgradient=True).outcome is Outcome.FAIL


@pytest.mark.parametrize("seed", [9, 103, 126, 176, 271, 290, 302, 374])
def test_at_a_kink_where_terms_cancel_the_slope_on_one_side_is_never_wrong(seed):
    """|a.x - z| at 0, whose values are whole roundings of z: a is the slope on the right, and 1.4 a is none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    x = rng.normal(size=n) * 10.0 ** rng.integers(-1, 2)
    a = rng.normal(size=n)
    at = a @ x

    def bent(x):
        return np.array([abs(a @ x - at), np.sin(x).sum()])

    report = check_jacobian(bent, np.array([a, np.cos(x)]), x, rng=seed)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "slope - on" not in report.reason
    outside = check_jacobian(bent, np.array([1.4 * a, np.cos(x)]), x, rng=seed)
    assert outside.outcome is Outcome.FAIL


def test_bounds_are_respected():
    """sqrt at 0 and log at its edge: f is never called outside, and fixed columns are reported as not checked."""
    seen = []

    def function(x):
        seen.append(x.copy())
        return np.array([x[0] * np.sqrt(1.0 + x[1]), np.log1p(x[1]) * x[2]])

    def derivative(x):
        root = np.sqrt(1.0 + x[1])
        return np.array([[root, x[0] / (2.0 * root), 0.0], [0.0, x[2] / (1.0 + x[1]), np.log1p(x[1])]])

    x = np.array([1.0, 0.0, 2.0])
    report = check_jacobian(function, derivative, x, bounds=([0.5, 0.0, 2.0], [1.0, 1.0, 2.0]))

    assert report.outcome is Outcome.PASS
    points = np.array(seen)
    assert (points >= [0.5, 0.0, 2.0]).all()
    assert (points <= [1.0, 1.0, 2.0]).all()
    assert any("not checked" in note for note in report.notes)
    wrong = derivative(x)
    wrong[1, 1] += 0.1
    assert names(check_jacobian(function, wrong, x, bounds=([0.5, 0.0, 2.0], [1.0, 1.0, 2.0]))) == {"J[1, 1]"}


def test_broken_contracts_are_said_in_words():
    """Randomness, nan, mutation, shape, complex values: the outcome and the words."""
    rng = np.random.default_rng(0)

    def mutating(x):
        x[0] = 5.0
        return jac(x)

    def not_finite(x):
        out = jac(x)
        out[2, 1] = np.nan
        return out

    cases = [
        (lambda x: f(x) + rng.random(), jac, Outcome.INCONCLUSIVE, "differs between two calls"),
        (lambda x: f(x) * np.nan, jac, Outcome.INCONCLUSIVE, "not finite: f[0]"),
        (f, mutating, Outcome.FAIL, "jac changes x: x[0]"),
        (f, not_finite, Outcome.FAIL, "J[2, 1]"),
        (f, lambda x: jac(x).T, Outcome.FAIL, "(4, 6)"),
        (f, lambda x: jac(x) + 1j, Outcome.FAIL, "complex"),
        (f, lambda x: jac(x) + rng.random(), Outcome.FAIL, "jac differs between two calls"),
        (lambda x: f(x) + 1j, jac, Outcome.INCONCLUSIVE, "real numbers"),
        (lambda x: np.empty(0), jac, Outcome.INCONCLUSIVE, "shape (0,)"),
    ]
    for function, derivative, outcome, words in cases:
        report = check_jacobian(function, derivative, X)
        assert report.outcome is outcome, words
        assert words in report.reason + " ".join(report.notes)


def test_a_reused_buffer_does_not_hide_a_mistake():
    """Jac that fills one array at every call is still judged by what it returned first."""
    buffer = np.empty((6, 4))

    def filled(x):
        buffer[:] = scaled(0, 0, 1.5)(x)
        return buffer

    assert names(check_jacobian(f, filled, X)) == {"J[0, 0]"}


def test_exceptions_of_f_and_jac_at_x_propagate_with_a_note():
    """What raises at x is the user's own error."""

    def broken(_):
        raise KeyError("weights")

    for function, derivative, note in ((broken, jac, "by f at x"), (f, broken, "by jac at x")):
        with pytest.raises(KeyError) as caught:
            check_jacobian(function, derivative, X)
        assert note in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "sweeep"}, ValueError, "method"),
        ({"rtol": -1.0}, ValueError, "rtol"),
        ({"confidence": 2.0}, ValueError, "confidence"),
        ({"sparsity": np.ones((2, 2))}, ValueError, "sparsity"),
        ({"bounds": (1.0, 2.0)}, ValueError, "outside"),
    ],
)
def test_bad_arguments_are_refused(options, error, words):
    """A misspelt method, a negative tolerance, a pattern of another shape, x outside its bounds."""
    with pytest.raises(error, match=words):
        check_jacobian(f, jac, X, **options)


def test_complex_parameters_are_refused():
    """Real parameters only, said in words."""
    with pytest.raises(TypeError, match="complex"):
        check_jacobian(lambda z: np.abs(z), lambda z: np.eye(2), np.ones(2, complex))


def test_x_is_left_alone():
    """The caller's array is not modified, whatever f does."""
    x = X.copy()

    def writing(x):
        y = f(x)
        x[:] = 0.0
        return y

    report = check_jacobian(writing, jac, x)

    assert np.array_equal(x, X)
    assert report.outcome is Outcome.INCONCLUSIVE


def test_integers_are_converted_and_noted():
    """Integer x becomes float64, as in check_gradient."""
    report = check_jacobian(lambda x: x**2, lambda x: np.diag(2 * x), np.array([1, 2, 3]))

    assert report.outcome is Outcome.PASS
    assert any("converted to float64" in note for note in report.notes)


def test_float32_functions_get_their_tolerance():
    """f that computes in float32 passes at float32's resolution, and a tenth off is FAIL."""

    def single(x):
        return np.tanh(A.astype(np.float32) @ x.astype(np.float32)) + np.float32(1.0)

    def derivative(x):
        return (1.0 - np.tanh(A @ x) ** 2)[:, None] * A

    x = np.array([0.3, -0.2, 0.1, 0.4])
    assert check_jacobian(single, derivative, x).outcome is not Outcome.FAIL
    assert check_jacobian(single, lambda x: 1.1 * derivative(x), x).outcome is Outcome.FAIL


def test_the_same_seed_gives_the_same_report():
    """Equal but for the time; the report says how to repeat it."""
    function, right, x = large()
    one, other = (check_jacobian(function, right, x, rng=7).to_dict() for _ in range(2))

    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert "rng=7" in one["call"]


def test_operators_are_asked_for_products_only():
    """An operator that can do no more than J v is enough, also to name an entry."""
    function, right, x = large()

    def operator(x):
        dense = right(x)
        dense[3, 100] += 0.1
        return LinearOperator(dense.shape, matvec=lambda v: dense @ v)

    assert names(check_jacobian(function, operator, x)) == {"J[3, 100]"}


@pytest.mark.slow
@pytest.mark.parametrize("rng", range(4))
def test_a_small_output_of_single_precision_that_did_not_move_is_not_known_to_stay(rng):
    """1.8e-6 in steps of 3e-8, as (1 + tanh(z / 2)) / 2 has them: over short steps it stays, and its slope is not 0.

    A wrong row of what moves is wrong all the same, and one of the other that is far too large.
    """
    generator = np.random.default_rng(3)
    generator.normal(size=2 * 4 + 4)
    A, x = generator.normal(size=(2, 12)), generator.normal(size=12)
    A *= (np.array([-13.2, 5.6]) / (A @ x))[:, None]

    def f(x):
        z = A.astype(np.float32) @ x.astype(np.float32)
        return (np.float32(0.5) * (1 + np.tanh(z / 2))).astype(float)

    s = 1 / (1 + np.exp(-(A @ x)))
    right = (s * (1 - s))[:, None] * A
    assert check_jacobian(f, right, x, rng=rng).outcome is not Outcome.FAIL
    assert check_jacobian(f, right * [[1.0], [1.1]], x, rng=rng).outcome is Outcome.FAIL
    assert check_jacobian(f, [np.full(12, 1e-3), right[1]], x, rng=rng).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [5, 10, 20])
def test_entries_that_are_0_where_more_is_claimed_need_no_smaller_bar_than_others(n):
    """A triangle of a cumulative sum, transposed: 266, 547 and 1,061 evaluations before, four times a sweep."""
    x = np.random.default_rng(0).normal(size=n)
    report = check_jacobian(np.cumsum, np.triu(np.ones((n, n))), x)
    assert report.diagnosis == ("J is transposed",)
    assert report.nfev <= 24 * n


@pytest.mark.parametrize(
    ("n", "most"), [(20, 560), (60, 420), pytest.param(200, 1500, marks=pytest.mark.slow)]
)
def test_the_diagonal_alone_of_a_tridiagonal_jacobian_is_told(n, most):
    """What is 0 in the columns that are moved alone is so to a millionth: 1,021, 1,844 and 5,685 evaluations before."""
    u = np.random.default_rng(n).normal(size=n)
    report = check_jacobian(
        lambda u: np.convolve(u, [1, -2, 1], "same") + u - u**3,
        scipy.sparse.diags_array(-1 - 3 * u**2).tocsr(),
        u,
    )
    assert report.outcome is Outcome.FAIL
    assert all(abs(m.index[0] - m.index[1]) == 1 for m in report.wrong)
    assert report.nfev <= most


@pytest.mark.parametrize(("n", "most"), [(40, 420), pytest.param(100, 1100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dense", [True, False])
def test_a_triangle_that_is_wrong_is_counted_once(n, most, dense):
    """What the columns hold, in the headline, and the words name it; 1,350 and 3,396 evaluations before."""
    x = np.linspace(0.2, 1.0, n)
    claim = np.ones((n, n)) * np.cos(x) if dense else np.diag(np.cos(x))
    report = check_jacobian(lambda x: np.cumsum(np.sin(x)), claim, x)
    wrong = n * (n - 1) // 2
    assert report.reason.startswith(f"{wrong:,} of {n * n:,} entries wrong")
    assert f"in the entries {'above' if dense else 'below'} the diagonal of J" in report.diagnosis[-1]
    assert report.nfev <= most


def test_the_rmatvec_of_an_operator_has_to_be_the_transpose_of_its_matvec():
    """A least-squares solver takes both; an operator without one is judged by its products alone."""
    x, m = np.array([0.3, -0.4, 0.8]), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [4.0, 0.0, 1.0]])

    def checked(**parts):
        def jac(x):
            return LinearOperator((3, 3), matvec=lambda v: m @ (np.cos(x) * v), **parts)

        return check_jacobian(lambda x: m @ np.sin(x), jac, x)

    wrong = checked(rmatvec=lambda u: m @ u)
    assert wrong.outcome is Outcome.FAIL
    assert wrong.reason.startswith("rmatvec of jac is not the transpose of its matvec: u.(jac v) is ")
    for right in (checked(), checked(rmatvec=lambda u: np.cos(x) * (m.T @ u))):
        assert (right.outcome, right.notes) == (Outcome.PASS, ())
    for tiny in (1e-300, 1e300):
        report = check_jacobian(lambda x, t=tiny: t * (m @ x), lambda x, t=tiny: aslinearoperator(t * m), x)
        assert "rmatvec" not in report.reason
    single = (m * np.cos(x)).astype(np.float32)
    report = check_jacobian(lambda x: m @ np.sin(x), lambda x: aslinearoperator(single), x)
    assert report.outcome is Outcome.PASS, report


def test_an_operator_with_imaginary_parts_is_no_jacobian_of_real_outputs():
    """As a matrix with them is none; they were cast away, and J (1 + i/2) passed."""
    x, m = np.array([0.3, -0.4, 0.8]), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [4.0, 0.0, 1.0]])

    def checked(factor, **parts):
        operator = LinearOperator((3, 3), matvec=lambda v: factor * (m @ (np.cos(x) * v)), **parts)
        return check_jacobian(lambda x: m @ np.sin(x), operator, x)

    assert checked(1.0).outcome is Outcome.PASS
    report = checked(1.0 + 0.5j)  # SciPy finds the dtype
    assert (report.outcome, report.reason) == (Outcome.FAIL, "jac holds complex128; real numbers are needed")
    with pytest.raises(TypeError, match="jac holds complex128; real numbers are needed"):
        checked(1.0 + 0.5j, dtype=float)  # what was declared does not hold


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "it returned None"),
        ({"a": 1.0}, "it returned {'a': 1.0}"),
        ((np.zeros(2), 1.0), "it returned (array("),
    ],
)
def test_an_f_that_returns_no_array_is_told_what_it_returned(result, said):
    """Not how NumPy would read it."""
    report = check_jacobian(lambda x: result, np.eye(2), np.zeros(2))
    assert report.outcome is not Outcome.PASS
    assert said in report.reason


@pytest.mark.parametrize("n", [3, 12, 150])
@pytest.mark.parametrize(("dtype", "low", "high"), [("f4", -103.0, -88.8), ("f8", -744.0, -709.8)])
def test_a_unit_whose_slope_is_no_normal_number_passes_as_0(n, dtype, low, high):
    """Softplus far out: 1 / (1 + e^-x) is 0 where e^-x is infinite, f shows 4e-42; a wrong entry elsewhere FAILs."""

    def slopes(x):
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-x))

    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=n)
        x[1] = rng.uniform(low, high)
        x = x.astype(dtype)
        assert slopes(x)[1] == 0
        for factor, outcome in ((1.0, Outcome.PASS), (1.1, Outcome.FAIL)):
            off = np.where(np.arange(n) == 0, factor, 1.0)
            report = check_jacobian(lambda x: np.log1p(np.exp(x)), lambda x, k=off: np.diag(k * slopes(x)), x)
            # Values of f below the smallest normal number of float64 are noise where it is f that computes in it.
            assert report.outcome is outcome or (n == 3 and dtype == "f8" and not report.wrong)
            assert all(wrong.flat_index == 0 for wrong in report.wrong)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_transpose_of_an_operator_that_rounds_is_told_within_its_rounding(dtype):
    """Weights and products in half or single precision, float64 outside: right passes; 0.3 in one entry fails."""
    rng = np.random.default_rng(0)
    weights, x = (rng.normal(size=(6, 5)) / 2).astype(dtype), rng.normal(size=5)

    def product(matrix, v):
        return (matrix @ v.ravel().astype(dtype)).astype(float)

    def checked(backward):
        slope = 1.5 * (1 - np.tanh(weights.astype(float) @ x) ** 2)
        operator = LinearOperator(
            (6, 5), matvec=lambda v: slope * product(weights, v), rmatvec=lambda u: product(backward, u * slope),
            dtype=float,
        )  # fmt: skip
        return check_jacobian(lambda x: 1.5 * np.tanh(weights.astype(float) @ x), operator, x, rtol=0.01)

    assert checked(weights.T).outcome is Outcome.PASS
    wrong = weights.T.copy()
    wrong[2, 3] += dtype(0.3)
    assert "not the transpose of its matvec" in checked(wrong).reason


@pytest.mark.parametrize("farads", [1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("column", [0, 1, 3])
def test_columns_beside_one_in_small_units_are_seen(farads, column):
    """A capacitor's discharge by volts, ohms, farads and an offset: a column of 1e6 and more beside others hides none
    of them, forgotten, of opposite sign or half as large again; the right Jacobian costs what differences would.
    """
    p = np.array([5.0, 1e3, farads, 0.3])
    t = np.linspace(0.1, 3.0, 12) * p[1] * farads

    def volts(p):
        return p[0] * np.exp(-t / (p[1] * p[2])) + p[3]

    def slopes(p):
        left = np.exp(-t / (p[1] * p[2]))
        by_time = p[0] * left * t / (p[1] * p[2])
        return np.stack([left, by_time / p[1], by_time / p[2], np.ones_like(t)], axis=1)

    report = check_jacobian(volts, slopes, p)
    assert (report.outcome, report.nfev) == (Outcome.PASS, 9)
    for factor in (0.0, -1.0, 1.5):
        times = np.where(np.arange(4) == column, factor, 1.0)
        report = check_jacobian(volts, lambda p, times=times: slopes(p) * times, p)
        assert report.outcome is Outcome.FAIL, (factor, str(report))
