"""A claim of which the entries stand elsewhere, or are others on the diagonal, is told by two directions."""

import numpy as np
import pytest
import scipy.sparse

from gradcheck import Outcome, check_hessian, check_jacobian
from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.joint.direction import Direction
from gradcheck.joint.repairs import repaired

N = 120
RNG = np.random.default_rng(0)
A, X = RNG.normal(size=(N, N)) / np.sqrt(N), RNG.normal(size=N)


def f(x):
    """One layer."""
    return np.tanh(A @ x)


def jac(x):
    """Its Jacobian by hand."""
    return (1.0 - np.tanh(A @ x) ** 2)[:, None] * A


def no_diagonal(J):
    """A sparse matrix without its diagonal."""
    return J - scipy.sparse.diags_array(J.diagonal())


def directions(wrong, right):
    """What a claim leaves along two directions, exactly; the first moves each column as far."""
    found = []
    for v in (np.where(np.arange(right.shape[1]) % 3 == 0, -1.0, 1.0), np.arange(1.0, right.shape[1] + 1.0)):
        m = right.shape[0]
        found.append(
            Direction(v, 1e-3, np.ones(m), (wrong - right) @ v, np.full(m, 1e-12), np.full(m, 1e-10), True)
        )
    return tuple(found)


SQUARE = np.arange(1.0, 145.0).reshape(12, 12) ** 2 % 17 + 1.0
SYMMETRIC = SQUARE + SQUARE.T
WIDE = SQUARE[:5]
MISTAKES = {
    "transposed": (SQUARE.T, SQUARE),
    "one triangle of a symmetric one": (np.tril(SYMMETRIC), SYMMETRIC),
    "the other triangle": (np.triu(SYMMETRIC), SYMMETRIC),
    "one triangle folded onto the other": (np.tril(SYMMETRIC) + np.tril(SYMMETRIC, -1), SYMMETRIC),
    "and its diagonal doubled": (2.0 * np.triu(SYMMETRIC), SYMMETRIC),
    "off the diagonal doubled": (SQUARE + SQUARE - np.diag(np.diag(SQUARE)), SQUARE),
    "without its diagonal": (SQUARE - np.diag(np.diag(SQUARE)), SQUARE),
    "its rows reversed": (WIDE[::-1], WIDE),
    "its columns reversed": (WIDE[:, ::-1], WIDE),
    "shifted along the rows": (np.roll(WIDE, 1, 1), WIDE),
    "shifted along the columns": (np.roll(WIDE, -1, 0), WIDE),
    "halves of the rows exchanged": (np.roll(SQUARE, 6, 0), SQUARE),
    "two arrays of x exchanged": (np.roll(SQUARE, 5, 1), SQUARE),
    "two rows exchanged": (WIDE[[0, 3, 2, 1, 4]], WIDE),
    "its rows in any order": (SQUARE[[5, 1, 0, 3, 9, 2, 7, 6, 8, 4, 11, 10]], SQUARE),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_right_matrix_is_made_from_the_claim(name):
    """Every entry of it, from what two directions leave; for a matrix that stores what is not 0 as well."""
    wrong, right = MISTAKES[name]
    everywhere = np.ones(right.shape[0], bool)
    found = repaired(Dense(wrong), directions(wrong, right), everywhere)
    assert found is not None
    np.testing.assert_allclose(found.array, right, rtol=1e-12)
    stored = scipy.sparse.csc_array(wrong)
    if right.shape[0] == right.shape[1]:
        again = repaired(Sparse(stored, stored), directions(wrong, right), everywhere)
        assert again is not None
        np.testing.assert_allclose(again.array.toarray(), right, rtol=1e-12)
    assert repaired(Product(wrong.shape, lambda v: wrong @ v), directions(wrong, right), everywhere) is None


@pytest.mark.parametrize("name", MISTAKES)
def test_one_more_wrong_entry_fits_none(name):
    """Beside the diagonal: 1 off in row 2."""
    wrong, right = MISTAKES[name]
    wrong = wrong.copy()
    wrong[2, 3] += 1.0
    everywhere = np.ones(right.shape[0], bool)
    assert repaired(Dense(wrong), directions(wrong, right), everywhere) is None


def test_rows_that_are_right_stay_where_they_are():
    """Two that do the same along a direction have no order of their own: only the wrong ones are exchanged."""
    wrong, right = WIDE[[0, 3, 2, 1, 4]].copy(), WIDE.copy()
    wrong[4], right[4] = wrong[0], right[0]
    found = repaired(Dense(wrong), directions(wrong, right), np.array([False, True, False, True, False]))
    assert found is not None
    assert found.array.tolist() == right.tolist()


@pytest.mark.parametrize("shape", [(6, 6), (100, 100), (300, 25), (25, 300)])
def test_rows_in_another_order_take_some_fifty_evaluations(shape):
    """Two of 100 exchanged took 472, and shuffled ones a search of all their entries."""
    rng = np.random.default_rng(2)
    a, x = rng.normal(size=shape) / np.sqrt(shape[1]), rng.normal(size=shape[1])

    def f(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return np.tanh(a @ x)

    right = (1.0 - np.tanh(a @ x) ** 2)[:, None] * a
    pair = np.arange(shape[0])
    pair[[1, 4]] = 4, 1
    for order, said in (
        (pair, "rows 1 and 4 of J are exchanged"),
        (rng.permutation(shape[0]), "the rows of J are in another order"),
    ):
        report = check_jacobian(f, right[order], x)
        assert report.outcome is Outcome.FAIL
        assert report.diagnosis[0].startswith(said)
        assert report.nfev <= 80


def test_a_few_wrong_entries_of_the_diagonal_are_looked_for_one_by_one():
    """Three rows: any column could be the one."""
    wrong = SQUARE.copy()
    wrong[[1, 4, 7], [1, 4, 7]] += 1.0
    off = (wrong != SQUARE).any(axis=1)
    assert repaired(Dense(wrong), directions(wrong, SQUARE), off) is None


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda J: J.T, "J is transposed"),
        (lambda J: np.roll(J, 1, 1), "J is shifted: numpy.roll(analytic, -1, 1) fits"),
        (lambda J: np.roll(J, N // 2, 1), f"J is shifted: numpy.roll(analytic, -{N // 2}, 1) fits"),
        (lambda J: np.roll(J, 37, 0), "J is shifted: numpy.roll(analytic, -37, 0) fits"),
        (
            lambda J: 2.0 * J - np.diag(np.diag(J)),
            "analytic = 2 x numerical in the entries off the diagonal of J",
        ),
        (lambda J: J[::-1], "J is reversed: numpy.flip(analytic, 0) fits"),
        (lambda J: J - np.diag(np.diag(J)), "analytic is 0 in the entries on the diagonal of J"),
        (lambda J: J + 0.01 * np.eye(N), "analytic - numerical = 0.01"),
    ],
)
def test_what_is_wrong_throughout_in_one_way_takes_some_two_hundred_evaluations(mistake, said):
    """Where 600 to 5,000 were needed: each is proved by fresh directions for the right matrix."""
    report = check_jacobian(f, lambda x: mistake(jac(x)), X)
    assert report.outcome is Outcome.FAIL
    assert report.diagnosis[0].startswith(said)
    assert report.nfev < 300


@pytest.mark.parametrize("factor", [2.0, -1.0, 1.0 / 6.0])
def test_one_array_of_x_by_a_factor_is_told_by_two_directions(factor):
    """The weights of a layer, beside its inputs: every row of J has the factor in the same columns."""
    x = {"h": RNG.normal(size=(6, 5)), "w": RNG.normal(size=(5, 5))}

    def layer(x):
        return np.tanh(x["h"] @ x["w"])

    def jacobian(x, factor=1.0):
        d = 1.0 - layer(x) ** 2
        h = np.einsum("ij,kj,il->ijlk", d, x["w"], np.eye(6))
        w = np.einsum("ij,ik,jl->ijkl", d, x["h"], np.eye(5))
        return {"h": h, "w": factor * w}

    assert check_jacobian(layer, jacobian, x).outcome is Outcome.PASS
    report = check_jacobian(layer, lambda x: jacobian(x, factor), x)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("150 of 1,650 entries wrong")
    assert "in J[:, 30:55]" in report.diagnosis[0]
    assert report.nfev < 300


def test_the_entries_of_a_wrong_diagonal_are_counted_and_named():
    """Each by the certificate of the right matrix; one beside it that is wrong, too, is named as well."""
    only = check_jacobian(f, lambda x: jac(x) + 0.01 * np.eye(N), X)
    assert only.reason.startswith(f"{N} of {N * N:,} entries wrong")
    assert only.certificate is not None
    assert {m.index for m in only.wrong} <= {(k, k) for k in range(N)}

    def two(x):
        J = jac(x) + 0.01 * np.eye(N)
        J[3, 70] *= 1.5
        return J

    both = check_jacobian(f, two, X, method="sweep")
    assert both.outcome is Outcome.FAIL
    assert both.reason.startswith(f"{N + 1} of")
    assert check_jacobian(f, two, X).outcome is Outcome.FAIL


def chain(n, seed=0):
    """x, the gradient of a chain of springs in the field of x^4 and its Hessian; some bonds hardly pull."""
    rng = np.random.default_rng(seed)
    w, x = rng.uniform(0.5, 2.0, n - 1), rng.normal(size=n)

    def grad(x):
        pull = np.append(np.sin(np.diff(x)) * w, 0.0)
        return x**3 + x - pull + np.roll(pull, 1)

    bond = np.cos(np.diff(x)) * w
    H = np.diag(1.0 + 3.0 * x**2 + np.append(bond, 0.0) + np.append(0.0, bond))
    return x, grad, H - np.diag(bond, 1) - np.diag(bond, -1)


@pytest.mark.parametrize("check", [check_hessian, check_jacobian])
@pytest.mark.parametrize("n", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_pairs_that_are_counted_twice_are_told_by_two_directions(check, n):
    """Off the diagonal twice what is right, or halves exchanged: 330 to 1,300 evaluations, and no words of n = 1000."""
    x, grad, H = chain(n)
    twice, exchanged = (
        check(grad, wrong, x) for wrong in (2.0 * H - np.diag(np.diag(H)), np.roll(H, n // 2, 1))
    )
    assert check(grad, H, x).outcome is Outcome.PASS
    assert twice.outcome is exchanged.outcome is Outcome.FAIL
    assert twice.diagnosis[0].startswith("analytic = 2 x numerical in")
    assert exchanged.diagnosis[0].endswith(f"is shifted: numpy.roll(analytic, -{n // 2}, 1) fits")
    assert max(twice.nfev, exchanged.nfev) < 120
    # Each bond by its own factor is no one mistake.
    own = H * np.where(np.eye(n), 1.0, 1.5 + np.add.outer(np.arange(n), np.arange(n)) / n)
    assert not any("x numerical in" in said for said in check(grad, own, x, max_nfev=400).diagnosis)


def test_one_triangle_of_a_hessian_is_told_by_two_directions():
    """log cosh of a x, whose Hessian is A' diag(1 - tanh^2) A, filled below the diagonal alone."""

    def grad(x):
        return A.T @ np.tanh(A @ x)

    def hess(x):
        return A.T @ ((1.0 - np.tanh(A @ x) ** 2)[:, None] * A)

    report = check_hessian(grad, lambda x: np.tril(hess(x)), X)
    assert report.outcome is Outcome.FAIL
    assert "above the diagonal" in report.diagnosis[0]
    assert report.nfev < 400
    assert check_hessian(grad, hess, X).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("mistake", "n", "count"),
    [
        (lambda J: 2.0 * J, 6_000, "17,998"),
        (lambda J: J.T, 6_000, "11,998"),
        (no_diagonal, 6_000, "6,000"),
        pytest.param(lambda J: 2.0 * J, 50_000, "149,998", marks=pytest.mark.slow),
        pytest.param(lambda J: J.T, 50_000, "about 99,998", marks=pytest.mark.slow),
        pytest.param(no_diagonal, 50_000, "about 50,000", marks=pytest.mark.slow),
    ],
)
def test_a_sparse_jacobian_is_never_filled(mistake, n, count):
    """Three diagonals of 50,000: 2.5e9 entries are more than memory holds, and than an index of 32 bits. Fewer, too."""
    x = np.random.default_rng(0).normal(size=n)

    def tridiagonal(x):
        y = np.sin(x) - 2.0 * x**3
        y[1:] += x[:-1]
        y[:-1] += x[1:] ** 2
        return y

    def its_jacobian(x):
        diagonals = [np.ones(n - 1), np.cos(x) - 6.0 * x**2, 2.0 * x[1:]]
        return scipy.sparse.diags_array(diagonals, offsets=[-1, 0, 1]).tocsc()

    report = check_jacobian(tridiagonal, lambda x: mistake(its_jacobian(x)), x)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith(f"{count} of {n * n:,} entries wrong")
    assert report.nfev < 200
