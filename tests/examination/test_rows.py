"""Joint directions for Jacobians: every row from the same points; entries, rows and columns are told apart."""

from collections import Counter

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from gradcheck import Outcome, check_hessian, check_hvp, check_jacobian, check_jvp, check_vjp


def layer(m, n, *, real=False):
    """tanh of a matrix product: (f, its Jacobian, a point)."""
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(m, n)) / np.sqrt(n), rng.normal(size=m), rng.normal(size=n)

    def f(x):
        if real and np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return np.tanh(a @ x + b) + 0.1 * (a @ x)

    return f, a * (1.1 - np.tanh(a @ x + b) ** 2)[:, None], x


SHAPES = [(60, 60), (300, 25), (25, 300)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("real", "most"), [(False, 9), (True, 62)])
def test_a_right_jacobian_costs_the_same_whatever_its_size(shape, real, most):
    """PASS, with so many evaluations of f at most."""
    f, jacobian, x = layer(*shape, real=real)
    report = check_jacobian(f, jacobian, x)

    assert report.outcome is Outcome.PASS
    assert report.nfev <= most
    assert report.certificate.relative_to_rms <= report.resolution


@pytest.mark.parametrize("seed", range(4))
def test_no_row_of_many_denies_the_complex_step_by_its_rounding(seed):
    """Real points confirm 300 rows to five digits: bars of 1e-12 leave one in some hundred just outside."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(300, 500)) / 20.0, rng.normal(size=500)
    report = check_jacobian(lambda x: np.sin(a @ x), np.cos(a @ x)[:, None] * a, x, rng=seed)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 12


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(50, 10_000), (1000, 1000), (10_000, 50)])
def test_four_points_tell_of_a_thousand_rows_what_eight_left(shape):
    """Twice f(x), a direction of eight and one of four: 14, where rows that bent most took 18 to 26."""
    f, jacobian, x = layer(*shape, real=True)
    counts = []
    for seed in range(3):
        report = check_jacobian(f, jacobian, x, rng=seed)
        assert report.outcome is Outcome.PASS
        counts.append(report.nfev)
    assert np.median(counts) == 14


WIDE = [
    pytest.param((50, 10_000), marks=pytest.mark.slow),
    pytest.param((1000, 1000), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("shape", [(60, 60), (100, 100), (300, 25), *WIDE])
def test_one_wrong_entry_costs_ten_evaluations_more_than_none(shape):
    """24 where a right Jacobian takes 14, whatever its size: what the first direction tells of the others counts.

    Two more are for the weights of its columns, four for the entry, four for what chose it; of two wrong ones the
    second shows at once.
    """
    f, jacobian, x = layer(*shape, real=True)
    jacobian[7, 11] *= 1.5
    counts = []
    for seed in range(5):
        report = check_jacobian(f, jacobian, x, rng=seed)
        assert [m.name for m in report.wrong] == ["J[7, 11]"]
        assert report.certificate.relative_to_rms <= report.resolution
        counts.append(report.nfev)
    assert np.median(counts) <= 24
    assert (
        max(counts) <= 39
    )  # the noise of a row that hardly moves along a direction, by accident, is probed: 15
    jacobian[5, 13] *= 1.01
    assert {m.name for m in check_jacobian(f, jacobian, x).wrong} == {"J[7, 11]", "J[5, 13]"}


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_a_certificate_after_a_mistake_holds_as_often_as_it_says(confidence):
    """Of a small error beside a large one, 1e-11 to 1e-9: no more than 1 - confidence are below what is certified."""
    missed = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        a, x = rng.normal(size=(3, 30)), rng.normal(size=30)
        jacobian, row, small = a.copy(), seed % 2, 10.0 ** -rng.integers(9, 12)
        jacobian[0, 3] *= 1.5
        jacobian[row, 17] += small

        def f(x, a=a):
            if np.iscomplexobj(x):
                raise TypeError("real numbers only")
            return a @ x

        report = check_jacobian(f, jacobian, x, rng=seed, confidence=confidence)
        assert report.outcome is Outcome.FAIL
        missed += report.certificate.relative_to_rms * np.sqrt(np.mean(a[row] ** 2)) < small
    assert missed <= (1.0 - confidence) * 150


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("real", [False, True])
def test_one_entry_off_by_a_percent_is_named(shape, real):
    """And no other: the neighbour of the test above."""
    f, jacobian, x = layer(*shape, real=real)
    jacobian[7, 11] *= 1.01
    report = check_jacobian(f, jacobian, x)

    assert report.outcome is Outcome.FAIL
    assert [m.name for m in report.wrong] == ["J[7, 11]"]
    assert report.nfev <= 200


def test_a_row_and_a_column_of_one_factor_are_told_as_such():
    """Twice too large: in words, and with few of the entries judged."""
    for where, word in (((7, slice(None)), "row 7"), ((slice(None), 11), "column 11")):
        f, jacobian, x = layer(60, 60)
        jacobian[where] *= 2.0
        report = check_jacobian(f, jacobian, x)
        assert report.outcome is Outcome.FAIL
        assert any(f"{word} of J" in text for text in report.diagnosis)
        assert report.nfev <= 180


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 3000, 30_000])
def test_rows_within_the_tolerance_throughout_pass(n):
    """Off by 0.1 % where 1 % is accepted, as for few entries; one row by 2 % is wrong, and no other."""
    x = np.random.default_rng(0).normal(size=n)
    right = np.stack([2 * x, np.cos(x), np.exp(x / 3) / 3])

    def f(x):
        return np.array([np.sum(x**2), np.sum(np.sin(x)), np.sum(np.exp(x / 3))])

    factors = np.array([1.001, 1.0, 0.9995])[:, None]
    assert check_jacobian(f, factors * right, x, rtol=1e-2).outcome is Outcome.PASS
    report = check_jacobian(f, np.array([1.001, 1.02, 1.0])[:, None] * right, x, rtol=1e-2)
    assert report.outcome is Outcome.FAIL
    assert {m.name.split(",")[0] for m in report.wrong} == {"J[1"}


@pytest.mark.parametrize("n", [120, 200])
def test_rounding_each_entry_to_float32_is_accepted(n: int):
    """INCONCLUSIVE before: half of what rtol accepts stands out of rows so long. A tenth of a per mille is wrong."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(n, n)), rng.normal(size=n) / np.sqrt(n)
    right = (np.cos(a @ x)[:, None] * a).astype(np.float32).astype(float)
    report = check_jacobian(lambda x: np.sin(a @ x), right, x)
    assert report.outcome is Outcome.PASS
    assert report.detectable > 1e-6 * np.sqrt(n)
    assert report.nfev <= 80

    right[7, 11] *= 1.0001
    report = check_jacobian(lambda x: np.sin(a @ x), right, x)
    assert [m.name for m in report.wrong] == ["J[7, 11]"]
    assert report.reason.startswith("1 of")


def test_entries_in_several_rows_and_columns_are_all_named():
    """Five of 3,600."""
    f, jacobian, x = layer(60, 60)
    places = [(3, 4), (3, 40), (17, 8), (30, 8), (59, 59)]
    for place in places:
        jacobian[place] *= 1.2
    report = check_jacobian(f, jacobian, x)
    assert {m.name for m in report.wrong} == {f"J[{i}, {j}]" for i, j in places}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_sparse_jacobian_passes_at_every_seed_and_a_missing_entry_is_found(seed):
    """Tridiagonal, 2,000 x 2,000, some rows of it next to flat; what is not stored is tested by the same points."""
    n = 2000
    rng = np.random.default_rng(0)
    s = scipy.sparse.diags_array(
        [rng.normal(size=n - 1), 3 + rng.random(n), rng.normal(size=n - 1)], offsets=[-1, 0, 1]
    ).tocsr()
    x = rng.normal(size=n)
    jacobian = (scipy.sparse.diags_array(np.cos(s @ x)) @ s).tocsr()
    assert check_jacobian(lambda x: np.sin(s @ x), jacobian, x, rng=seed).outcome is Outcome.PASS

    lacking = jacobian.tolil()
    lacking[700, 701] = 0.0
    report = check_jacobian(lambda x: np.sin(s @ x), lacking.tocsr(), x, rng=seed)
    assert [m.name for m in report.wrong] == ["J[700, 701]"]


def test_at_a_solution_the_first_step_comes_from_the_slope():
    """f(x) is next to 0, where Newton's method lives: right is PASS, one entry off is named."""
    f, jacobian, x = layer(30, 30, real=True)
    at_x = f(x)
    right = check_jacobian(lambda y: f(y) - at_x, jacobian, x)
    assert right.outcome is Outcome.PASS
    jacobian[3, 5] *= 1.05
    assert [m.name for m in check_jacobian(lambda y: f(y) - at_x, jacobian, x).wrong] == ["J[3, 5]"]


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 150, 400])
def test_at_a_minimum_the_hessian_and_its_products_are_decided(n):
    """The gradient of a logistic regression is 1e-14 there, what rounding leaves of it; a ridge left out is wrong."""
    rng = np.random.default_rng(n)
    inputs = rng.normal(size=(3 * n, n))
    labels = (inputs @ rng.normal(size=n) / np.sqrt(n) + rng.normal(size=3 * n) > 0) * 1.0

    def likely(b):
        return 1 / (1 + np.exp(-inputs @ b))

    def grad(b):
        return inputs.T @ (likely(b) - labels) + 0.5 * b

    def hess(b):
        return inputs.T @ ((likely(b) * (1 - likely(b)))[:, None] * inputs) + 0.5 * np.eye(n)

    b = np.zeros(n)
    for _ in range(12):
        b = b - np.linalg.solve(hess(b), grad(b))
    assert np.abs(grad(b)).max() < 1e-12
    matrix = hess(b)
    for report in (check_hessian(grad, matrix, b), check_hvp(grad, lambda _, v: matrix @ v, b)):
        assert report.outcome is Outcome.PASS
        assert report.nfev <= 60
    if n == 60:
        assert check_hvp(grad, lambda _, v: matrix @ v - 0.5 * v, b).outcome is Outcome.FAIL


def test_a_kink_in_one_output_is_no_pass():
    """|x_3| at 0 with its middle slope, beside 29 smooth outputs."""
    x = np.linspace(0.5, 1.5, 30)
    x[3] = 0.0

    def f(y):
        return np.append(np.sin(y[:-1]), np.abs(y[3]))

    jacobian = np.zeros((30, 30))
    jacobian[np.arange(29), np.arange(29)] = np.cos(x[:-1])
    assert check_jacobian(f, jacobian, x).outcome is not Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 40), (5, 150), (150, 40)])
def test_a_mistake_is_relative_to_its_row_whatever_the_scales_of_x_are(shape):
    """W is a million times as large as b, and so is what it moves: in b a twentieth of the row would have been seen."""
    rng = np.random.default_rng(0)
    m, n = shape
    x = {"W": 1e6 * rng.normal(size=n), "b": rng.normal(size=n)}
    A, B = rng.normal(size=(2, m, n))

    def f(p):
        return 1e6 * np.sin(A @ p["W"] / 1e6) + B @ p["b"]

    right = np.hstack([np.cos(A @ x["W"] / 1e6)[:, None] * A, B])
    wrong = right.copy()
    wrong[2, n + 3] += 0.05

    def claims(J):
        yield check_jacobian(f, J, x)
        yield check_jacobian(f, scipy.sparse.csr_array(J), x)
        yield check_jacobian(f, aslinearoperator(J), x)
        yield check_jvp(f, lambda _, v: J @ np.r_[v["W"], v["b"]], x)
        if m <= 100:  # beyond, the noise of all outputs lies on each entry of U J: one in 480 stays open
            yield check_vjp(f, lambda _, u: {"W": (J.T @ u)[:n], "b": (J.T @ u)[n:]}, x)

    for report in claims(right):
        assert report.outcome is Outcome.PASS
        assert report.detectable < 1e-3
    for report in claims(wrong):
        assert report.outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("large", [1.0, 1e6, 1e20])
@pytest.mark.parametrize("n", [5, 40])
def test_a_row_of_zeros_has_no_tolerance_of_the_others(n, large, real):
    """Two outputs, one of a thousandth: that it does not move at all is wrong however large the other is."""
    rng = np.random.default_rng(0)
    a, x, sizes = rng.normal(size=(2, n)) / np.sqrt(n), rng.normal(size=n), np.array([large, 1e-3])

    def f(x):
        if real and np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return sizes * np.sin(a @ x) + sizes

    right = (sizes * np.cos(a @ x))[:, None] * a
    assert check_jacobian(f, right, x).outcome is Outcome.PASS
    assert check_jacobian(f, right * [[1.0], [0.0]], x).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [12, 40])
def test_an_output_that_rounding_alone_moves_agrees_with_a_row_of_zeros(n):
    """The sum of what is centred, and of what is also divided by its spread, are 0."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(5, n)), rng.normal(size=n)

    def f(x):
        centred = x - x.mean()
        return np.r_[np.sin(a @ x), centred.sum(), (centred / np.sqrt((centred**2).mean())).sum()]

    J = np.vstack([np.cos(a @ x)[:, None] * a, np.zeros((2, n))])
    assert check_jacobian(f, J, x).outcome is Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-300, 1e-155, 1e155])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_rows_whose_squares_are_no_floats_are_certified_by_what_they_are(scale, kind):
    """150 columns: a row off by 1e-4 beside one that is 1e5 times smaller; once it passed, "below 2.6e-164"."""
    rng = np.random.default_rng(4)
    a, x = rng.normal(size=(2, 150)), rng.normal(size=150)
    factors = scale * np.array([1.0, 1e-5])

    def f(x):
        return factors * np.sin(a @ x / 12)

    right = (factors * np.cos(a @ x / 12))[:, None] * a / 12
    assert check_jacobian(f, lambda _: kind(right), x).outcome is not Outcome.FAIL
    off = np.array([1.0, 1 + 1e-4])[:, None]
    assert check_jacobian(f, lambda _: kind(right * off), x).outcome is not Outcome.PASS


@pytest.mark.parametrize("shape", [(150, 150), (40, 150), (150, 5)])
def test_rows_of_zeros_at_a_minimum_are_decided(shape):
    """(a . (x - c))^2 at c in every row: noise that grows with the step is no kink there; what is missing is named."""
    rng = np.random.default_rng(0)
    matrix, c = rng.normal(size=shape), rng.normal(size=shape[1])
    zeros = np.zeros(shape)

    def f(x, more=0.0):
        values = (matrix @ (x - c)) ** 2
        values[7] += more * (x[3] - c[3])
        return values

    report = check_jacobian(f, lambda _: zeros, c)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 30
    wrong = check_jacobian(lambda x: f(x, 1e-4), lambda _: zeros, c)
    assert [m.name for m in wrong.wrong] == ["J[7, 3]"]


@pytest.mark.parametrize("jump", [1.0, 1e-3])
def test_rows_of_zeros_on_a_kink_do_not_pass(jump):
    """|a . (x - c)| beside the square: every slope between is a subgradient, and none is a derivative."""
    rng = np.random.default_rng(0)
    matrix, c = rng.normal(size=(40, 150)), rng.normal(size=150)
    zeros = np.zeros((40, 150))

    def f(x):
        inner = matrix @ (x - c)
        return inner**2 + jump * np.abs(inner)

    assert check_jacobian(f, lambda _: zeros, c).outcome is Outcome.INCONCLUSIVE


@pytest.mark.slow
@pytest.mark.parametrize(("offset", "size", "least"), [(0.0, 1.0, 0.0), (1e3, 1e-9, 2e-6)])
def test_zeros_at_minima_of_each_output_pass_where_entries_of_x_are_0_too(offset, size, least):
    """What would have been seen is relative to what f changes by: noise of 1e-13 hides more of slopes of 1e-9."""
    n = 160
    at = np.random.default_rng(1).normal(size=n) + 2.0
    at[::7] = 0.0

    def f(x, center=at):
        return offset + size * (x - center) ** 2

    report = check_jacobian(f, np.zeros((n, n)), at)
    assert report.outcome is Outcome.PASS
    assert least <= report.detectable < report.resolution
    beside = check_jacobian(lambda x: f(x, at + 0.05), np.zeros((n, n)), at, max_nfev=500)
    assert beside.outcome is not Outcome.PASS


def burgers(u):
    """u du/dx and a diffusion on a ring: each output moves with three inputs."""
    left, right = np.roll(u, 1), np.roll(u, -1)
    return 10.0 * u * (left - right) + 10.0 * (left - 2.0 * u + right)


def of_burgers(u):
    """Its Jacobian by hand, (n, n) with three entries a row."""
    i, J = np.arange(u.size), np.zeros((u.size, u.size))
    left, right = np.roll(u, 1), np.roll(u, -1)
    J[i, i] = 10.0 * (left - right) - 20.0
    J[i, i - 1] = 10.0 * u + 10.0
    J[i, (i + 1) % u.size] = 10.0 - 10.0 * u
    return J


U = np.sin(np.linspace(0.3, 6.0, 200))


@pytest.mark.parametrize("factor", [1.01, 2.0, -1.0])
@pytest.mark.parametrize("row", [0, 3, 77])
def test_a_row_of_few_entries_by_a_factor_is_named_by_them(row, factor):
    """Random columns of it are 0 and right; a row of three is known by three columns, of any kind of check."""
    off = np.where(np.arange(U.size) == row, factor, 1.0)

    def wrong(u):
        return off[:, None] * of_burgers(u)

    for report in (
        check_jacobian(burgers, wrong, U),
        check_jvp(burgers, lambda u, v: wrong(u) @ v, U),
    ):
        assert report.outcome is Outcome.FAIL
        assert sorted(m.index for m in report.wrong) == sorted(
            (row, k % U.size) for k in (row - 1, row, row + 1)
        )
        assert report.reason.startswith("3 of 40,000 entries wrong")
        assert any(f"in row {row} of J" in cause for cause in report.diagnosis)
        assert report.nfev < 150
    assert check_jacobian(burgers, of_burgers, U).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("factor", "said"), [(2.0, "analytic = 2 x numerical"), (-1.0, "analytic = -numerical")]
)
@pytest.mark.parametrize(("stored", "count"), [(np.asarray, "about 600"), (scipy.sparse.csr_array, "600")])
def test_a_nearly_empty_jacobian_by_a_factor_takes_as_few_evaluations_as_a_full_one(
    factor, said, stored, count
):
    """In many rows one entry makes up most of J v: that others are off by the same factor tells it from one entry."""
    report = check_jacobian(burgers, lambda u: factor * stored(of_burgers(u)), U)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith(f"{count} of 40,000 entries wrong")
    assert report.diagnosis[0].startswith(f"{said} in all 40,000 entries of J")
    assert report.nfev < 250


@pytest.mark.parametrize("n", [100, pytest.param(600, marks=pytest.mark.slow)])
def test_a_diagonal_jacobian_by_a_factor_is_told_as_one_and_one_entry_of_it_as_that(n):
    """Each row is one entry; a quarter of them, the others are 0. As a matrix, and as a product of many columns."""
    x = np.linspace(0.5, 2.0, n)
    some = np.arange(n) % 4 == 0

    def f(x):
        return np.where(some, np.sin(x) * x, 0.0 * x)

    def slope(x):
        return np.where(some, np.sin(x) + x * np.cos(x), 0.0)

    one = np.where(np.arange(n) == 8, 1.02, 1.0)
    for factor, count in ((np.full(n, 2.0), f"about {n // 4:,}"), (one, "1")):
        for report in (
            check_jacobian(f, lambda x, factor=factor: np.diag(factor * slope(x)), x),
            check_jvp(f, lambda x, v, factor=factor: factor * slope(x) * v, x),
        ):
            assert report.outcome is Outcome.FAIL
            assert report.reason.startswith(f"{count} of {n * n:,} entries wrong")
            assert report.nfev < 200
    assert [m.index for m in report.wrong] == [(8, 8)]


@pytest.mark.parametrize("jac", [of_burgers, lambda u: np.cos(np.outer(u, np.arange(u.size)) % 3.0)])
def test_a_transposed_jacobian_is_known_by_one_direction(jac):
    """J' v for J v along the direction that was measured costs nothing; with entries in every place, or in few."""
    J = jac(U)

    def f(u):
        return burgers(u) if jac is of_burgers else np.tanh(J @ u / 40.0)

    def right(u):
        return of_burgers(u) if jac is of_burgers else (1.0 - np.tanh(J @ u / 40.0) ** 2)[:, None] * J / 40.0

    report = check_jacobian(f, lambda u: right(u).T, U)
    assert report.outcome is Outcome.FAIL
    assert "J is transposed" in report.diagnosis
    assert report.nfev < 300
    assert check_jacobian(f, right, U).outcome is Outcome.PASS


def test_a_symmetric_jacobian_is_not_called_transposed():
    """One entry of a symmetric matrix that is off: the transpose is wrong as well."""
    A = np.add.outer(U, U) / 10.0

    def wrong(u):
        J = A.copy()
        J[5, 9] *= 1.1
        return J

    report = check_jacobian(lambda u: A @ u, wrong, U)
    assert [m.index for m in report.wrong] == [(5, 9)]
    assert not any("transposed" in cause for cause in report.diagnosis)


def test_a_sparse_jacobian_in_which_nothing_is_stored_is_wrong_and_warns_of_nothing():
    """All 600 entries that are not 0 are missing."""
    report = check_jacobian(burgers, lambda u: scipy.sparse.csr_array((U.size, U.size)), U)
    assert report.outcome is Outcome.FAIL


@pytest.mark.parametrize("factor", [2.0, None])
def test_a_block_of_rows_and_columns_is_named_entry_by_entry(factor):
    """A column takes a few evaluations for all rows: those between wrong ones, and beside them until one is right."""
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(120, 200)) / 14.0, rng.normal(size=200)
    wrong = np.cos(a @ x)[:, None] * a
    part = np.s_[50:80, 100:130]
    wrong[part] *= rng.uniform(1.1, 3.0, (30, 30)) if factor is None else factor
    report = check_jacobian(lambda x: np.sin(a @ x), wrong, x)
    assert {divmod(m.flat_index, 200) for m in report.wrong} == {
        (i, j) for i in range(50, 80) for j in range(100, 130)
    }
    assert report.certificate is not None
    assert report.nfev <= 900
    # One of its columns that is right does not end it, and is not named.
    wrong[50:80, 110] = (np.cos(a @ x)[:, None] * a)[50:80, 110]
    assert len(check_jacobian(lambda x: np.sin(a @ x), wrong, x).wrong) == 870


@pytest.mark.parametrize(("real", "most"), [(False, 30), (True, 60)])
def test_one_wrong_entry_of_a_jacobian_costs_one_stencil_and_a_few_directions(real: bool, most: int):
    """Ten times beyond its bars it is looked at once; what the first direction told of f certifies the rest."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        A, x = rng.normal(size=(60, 80)) / 9.0, rng.normal(size=80)

        def f(x, A=A):
            y = A @ x
            if real and np.iscomplexobj(y):
                raise TypeError("real numbers only")
            return np.tanh(y) + 0.1 * y**2

        jacobian = (1.0 - np.tanh(A @ x) ** 2 + 0.2 * (A @ x))[:, None] * A
        jacobian[17, 33] *= 1.1
        report = check_jacobian(f, jacobian, x, rng=seed)
        assert [m.index for m in report.wrong] == [(17, 33)]
        assert len(report.certificates) == 1
        assert report.nfev <= most


FACTORS = np.linspace(0.5, 2.0, U.size)


@pytest.mark.parametrize(
    ("mistake", "count", "said"),
    [
        (lambda J: FACTORS[:, None] * J, "600", "a factor of each row"),
        (lambda J: J * FACTORS, "600", "a factor of each column"),
        (lambda J: np.where(np.eye(U.size) > 0, J, 2.0 * J), "400", "in the entries off the diagonal of J"),
        (lambda J: np.where(np.arange(U.size)[:, None] < 100, J, 0.5 * J), "300", "in J[100:200, "),
        (lambda J: np.roll(J, 1, 1), "about 800", "J is shifted: numpy.roll(analytic, -1, 1) fits"),
        (lambda J: J[:, ::-1], "about 1,192", "J is reversed"),
    ],
)
def test_many_wrong_rows_of_a_pattern_are_told_by_its_groups_and_counted(mistake, count, said):
    """Three entries a row, five groups: what is claimed to be 0, and is, counts nowhere; moved ones are told by f."""
    report = check_jacobian(burgers, scipy.sparse.csr_array(mistake(of_burgers(U))), U)
    assert report.reason.startswith(f"{count} of 40,000 entries wrong")
    assert said in report.diagnosis[0]
    assert report.nfev < 200
    assert check_jacobian(burgers, scipy.sparse.csr_array(of_burgers(U)), U).outcome is Outcome.PASS


@pytest.mark.parametrize("n", [12, 101, 400])
def test_a_row_of_roundings_has_the_size_of_the_others(n):
    """An arm that stands upright: the row of its height is cos(pi/2), 6e-17, for 0. INCONCLUSIVE from n = 101 on.

    Where it is the claim that is next to nothing, and not the row, that is a mistake.
    """
    for seed in range(3):
        lengths = np.random.default_rng(seed).uniform(0.2, 1.0, n)

        def f(x, lengths=lengths):
            angles = np.cumsum(x)
            return np.array([float(lengths @ np.cos(angles)), float(lengths @ np.sin(angles))])

        def jacobian(x, lengths=lengths):
            angles = np.cumsum(x)
            parts = np.array([-lengths * np.sin(angles), lengths * np.cos(angles)])
            return np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]

        upright = np.r_[np.pi / 2, np.zeros(n - 1)]
        report = check_jacobian(f, jacobian, upright, rng=seed)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= 22
        tilted = np.r_[1.0, np.zeros(n - 1)]
        assert check_jacobian(f, jacobian(upright), tilted, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [200, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", range(4))
def test_a_row_that_scatters_does_not_take_the_words_from_all(n, seed):
    """Two diagonals, without the first: of one output in a hundred the noise seems unknown, be it off by 1e11 bars."""
    rng = np.random.default_rng(seed)
    a, x = rng.uniform(0.5, 2.0, n), rng.normal(size=n)

    def f(x):
        return np.sin(a * x.real) + 0.1 * np.roll(x.real, 1) ** 2

    below = np.zeros((n, n))
    below[np.arange(n), np.arange(n) - 1] = 0.2 * np.roll(x, 1)
    report = check_jacobian(f, below, x, rng=seed)
    assert "analytic is 0 in the entries on the diagonal of J" in report.diagnosis[0]
    assert report.nfev <= 150
    assert check_jacobian(f, below + np.diag(a * np.cos(a * x)), x, rng=seed).outcome is Outcome.PASS


@pytest.mark.parametrize("rows", [range(1), pytest.param(range(1, 8), marks=pytest.mark.slow)], ids=str)
def test_a_row_of_zeros_is_searched_by_the_size_of_what_is_found_in_it(rows):
    """Trapezoid defects of a pendulum at 0, one of them claimed 0: it took 700 evaluations in a third, not 100.

    Where sines cancel along the whole direction a part leaves a 1e-9th of them, which seemed to be another mistake.
    """
    count, step = 30, 0.1

    def f(x):
        angle, speed, push = x.reshape(count, 3).real.T
        force = -9.81 * np.sin(angle) - 0.1 * speed + push
        one = np.diff(angle) - step / 2 * (speed[1:] + speed[:-1])
        return np.r_[one, np.diff(speed) - step / 2 * (force[1:] + force[:-1])]

    right = np.zeros((2 * count - 2, 3 * count))
    for k in range(count - 1):
        right[k, 3 * k : 3 * k + 6 : 3], right[k, 3 * k + 1 : 3 * k + 6 : 3] = (-1.0, 1.0), -step / 2
        for at, sign in ((3 * k, -1.0), (3 * k + 3, 1.0)):
            right[count - 1 + k, at : at + 3] = step / 2 * 9.81, sign + step / 2 * 0.1, -step / 2
    x = np.zeros(3 * count)
    assert check_jacobian(f, right, x).outcome is Outcome.PASS
    for row in (count + k for k in rows):
        wrong = right.copy()
        wrong[row] = 0.0
        for seed in range(3):
            report = check_jacobian(f, wrong, x, rng=seed)
            assert {m.index[0] for m in report.wrong} == {row}
            assert len(report.wrong) == 6
            assert report.nfev <= 150


@pytest.mark.parametrize("n", [6, 45])
def test_zeros_at_0_are_told_by_directions(n):
    """The Hessian of sums of sines and of linear terms at 0: 30 evaluations a column it took, as no direction moved."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        a, c = rng.normal(size=(2, n))
        a[n // 3 :] = 0.0

        def gradient(x, a=a, c=c):
            return c + a * np.cos(x.real)

        def hessian(x, a=a):
            return np.diag(-a * np.sin(x))

        x = np.zeros(n)
        report = check_hessian(gradient, hessian, x, rng=seed)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= 40

        def tilted(x, a=a, gradient=gradient):
            return gradient(x) + 1e-2 * a * x.real

        assert check_hessian(tilted, hessian, x, rng=seed).outcome is Outcome.FAIL


@pytest.mark.parametrize("factor", [1.0, 1e-6, 0.0])
@pytest.mark.parametrize("offsets", [[1e15, 0.0, 0.0, 0.0], [1e18, 0.0, 0.0, 0.0], [1e18] * 4])
def test_an_output_that_shows_nothing_is_not_certified(offsets, factor):
    """It never moves beside so large a constant, and every claim for it passed."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        a, x = rng.normal(size=(4, 5)), rng.normal(size=5)
        report = check_jacobian(
            lambda x, a=a: a @ x.real + offsets, np.array([factor, 1, 1, 1])[:, None] * a, x, rng=seed
        )
        assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("steep", [1e3, 1e20])
def test_zeros_beside_which_values_tower_are_looked_at_nearer(steep):
    """(s x)^2 + s x at 0: over usual steps the slope s is a rounding of what it bends."""
    x = np.zeros(8)

    def f(x):
        return (steep * x) ** 2 + steep * x

    assert check_jacobian(f, np.zeros((8, 8)), x).outcome is Outcome.FAIL


def test_a_row_that_moves_more_than_it_rounds_keeps_its_size():
    """1e6 + 1e-7 sin(x): of it f shows a few digits, and twice the slope is wrong or undecided, whatever others do."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        a, x = rng.normal(size=(2, 8))

        def f(x, a=a):
            return np.array([1e6 + 1e-7 * np.sin(x[0]), float(a @ np.sin(x)), np.cos(x[1])])

        jacobian = np.zeros((3, 8))
        jacobian[0, 0], jacobian[1], jacobian[2, 1] = 1e-7 * np.cos(x[0]), a * np.cos(x), -np.sin(x[1])
        assert check_jacobian(f, jacobian, x, rng=seed).outcome is not Outcome.FAIL
        jacobian[0] *= 2.0
        assert check_jacobian(f, jacobian, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.parametrize(("shape", "count"), [((2, 50), 1), ((100, 100), 1), ((100, 100), 2), ((30, 200), 1)])
def test_a_row_that_is_missing_is_told_by_a_sample(shape, count):
    """A row of 100 x 100 that was forgotten took 680 evaluations, and one of 30 x 200 a thousand in a third."""
    f, jacobian, x = layer(*shape, real=True)
    jacobian[:count] = 0.0
    for seed in range(4):
        report = check_jacobian(f, jacobian, x, rng=seed)
        assert report.outcome is Outcome.FAIL
        assert report.reason.startswith(f"about {count * shape[1]:,} of")
        assert "analytic is 0" in report.diagnosis[0]
        assert {m.index[0] for m in report.wrong} == set(range(count))
        assert report.certificate.relative_to_rms <= report.resolution
        assert report.nfev <= 100


@pytest.mark.parametrize("n", [5, 8, 12, 20])
def test_few_columns_are_searched_as_many_are(n):
    """Three wrong entries of 12 x 12 took 105 evaluations, a factor 165: each column was judged by itself."""
    f, right, x = layer(n, n, real=True)
    three = right.copy()
    three[[0, 2, 4], [1, 1, 3]] *= 1.1
    for wrong, names, most in (
        (three, {"J[0, 1]", "J[2, 1]", "J[4, 3]"}, 45),
        (2.0 * right, None, 75),
        (right.T, None, 75),
    ):
        report = check_jacobian(f, wrong, x)
        assert report.outcome is Outcome.FAIL
        assert names is None or {m.name for m in report.wrong} == names
        assert report.nfev <= most


@pytest.mark.parametrize("n", [60, 101, 300])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_jacobian_whose_columns_all_lie_on_bounds_is_certified_inwards(n, side):
    """A start of non-negative least squares: INCONCLUSIVE from 101 columns on, and six evaluations a column below."""
    f, right, x = layer(8, n)
    bounds = (x, x + 3.0) if side > 0 else (x - 3.0, x)

    def inside(at):
        assert ((bounds[0] <= at.real) & (at.real <= bounds[1])).all()
        return f(at)

    wrong = right.copy()
    wrong[3, 7] *= 1.1
    for seed in range(3):
        report = check_jacobian(inside, right, x, bounds=bounds, rng=seed)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= 120
        report = check_jacobian(inside, wrong, x, bounds=bounds, rng=seed)
        assert [m.name for m in report.wrong] == ["J[3, 7]"]


# Errors within the tolerance throughout


def within_rtol(n, factor, kind):
    """A check of sin(A x), whose derivative is claimed times a factor, one or one for each entry, with rtol 1e-2."""
    rng = np.random.default_rng(3)
    A, x = rng.normal(size=(n, n)) / n**0.5, rng.normal(size=n)
    if kind == "sparse":
        A *= np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < 2

    def f(x):
        return np.sin(A @ x)

    def jac(x):
        J = factor * np.cos(A @ x)[:, None] * A
        return scipy.sparse.csr_array(J) if kind == "sparse" else J

    if kind == "vjp":
        return check_vjp(f, lambda x, u: u @ jac(x), x, rtol=1e-2)
    if kind == "jvp":
        return check_jvp(f, lambda x, v: jac(x) @ v, x, rtol=1e-2)
    return check_jacobian(f, jac, x, rtol=1e-2)


@pytest.mark.parametrize("kind", ["dense", "sparse", "vjp", "jvp"])
@pytest.mark.parametrize("n", [30, 60, 110, 160])
def test_one_factor_within_rtol_costs_a_few_directions(n, kind):
    """10 evaluations for a direction, two for another and one for each that certifies what is left; 1.02 is wrong."""
    for factor in (1.0 + 1e-3, 1.0 - 5e-3):
        report = within_rtol(n, factor, kind)
        assert (report.outcome, report.diagnosis) == (Outcome.PASS, ())
        assert report.nfev <= 40
    assert within_rtol(n, 1.02, kind).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("n", [60, 110, 160])
@pytest.mark.parametrize("spread", [0.0, 5e-3])
def test_an_entry_beyond_rtol_among_such_within_it_is_named(n, kind, spread):
    """By one factor, or each by its own: as many are right as before, and 10 % in one are FAIL, there alone."""
    factor = 1.001 * (1.0 + spread * np.random.default_rng(5).uniform(-1.0, 1.0, (n, n)))
    assert within_rtol(n, factor, kind).outcome is Outcome.PASS
    factor[7, 8] *= 1.1
    report = within_rtol(n, factor, kind)
    assert (report.outcome, [m.index for m in report.wrong]) == (Outcome.FAIL, [(7, 8)])


def test_of_many_columns_each_off_within_rtol_it_is_said_what_adds_up():
    """Of 300 columns none is accused; what they may hide is said. No more than some directions are spent on it."""
    report = within_rtol(300, 1.0 + 5e-3 * np.random.default_rng(5).uniform(-1.0, 1.0, (300, 300)), "dense")
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "errors within the tolerance, which add up" in report.reason
    assert report.nfev <= 150


@pytest.mark.parametrize("seed", range(3))
def test_no_point_is_asked_for_again_where_rows_are_missing(seed):
    """A cell of three units whose state is claimed not to move: other states stay where they are by most entries."""
    x, points = np.random.default_rng(seed).uniform(0.3, 1.5, 15), Counter[bytes]()

    def cell(x):
        points[x.tobytes()] += 1
        a, b, c, d, e = x.reshape(5, 3)
        state = a * b + c * np.tanh(d)
        return np.concatenate([state, np.tanh(e) * np.tanh(state)])

    def jac(x):
        a, b, c, d, e = x.reshape(5, 3)
        slopes = np.stack([b, a, np.tanh(d), c * (1 - np.tanh(d) ** 2), 0 * e])
        state = a * b + c * np.tanh(d)
        out, k = np.zeros((2, 3, 5, 3)), np.arange(3)
        out[0, k, :, k] = slopes.T
        out[1, k, :, k] = (slopes * np.tanh(e) * (1 - np.tanh(state) ** 2)).T
        out[1, k, 4, k] = (1 - np.tanh(e) ** 2) * np.tanh(state)
        return out.reshape(6, 15)

    def without_state(x):
        return np.vstack([np.zeros((3, 15)), jac(x)[3:]])

    assert check_jacobian(cell, jac, x).outcome is Outcome.PASS
    points.clear()
    report = check_jacobian(cell, without_state, x)
    assert report.outcome is Outcome.FAIL
    assert len(report.wrong) == 12
    # f is called at x for its own sake.
    assert sum(points.values()) - len(points) <= 1
