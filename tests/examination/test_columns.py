"""What joint directions leave open of a Jacobian: columns alone or in groups, and directions for what is left."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck import Outcome, check_jacobian
from gradcheck.examination import columns
from gradcheck.examination.columns import examine_columns
from gradcheck.function.matrix import Dense, Matrix, Product, Sparse
from gradcheck.function.objective import Objective
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Tolerance

EPS = 2.0**-52


def founded(
    right: Any, claim: Matrix, *, f: Any = None, x: Any = None, room: Any = None, method: str = "auto"
) -> tuple[Evidence, int, list[str]]:
    """What is found of a claim about x -> right @ x, or another f; the evaluations it took, and what is said."""
    m, n = claim.shape
    parameters, flat = Parameters.of(np.linspace(1.0, 2.0, n) if x is None else x)
    objective = Objective((lambda x: right @ x) if f is None else f, parameters, several=True)
    f_x, scales = objective.at(flat)[0], np.ones(n)
    tolerance = Tolerance(1e-6, resolution=1e-3)
    problem = Problem(
        objective, flat, f_x, scales, tolerance, room, EPS, matrix=claim, names=jacobian_names((m,), parameters),
        level=2.0 * EPS * np.abs(f_x), relative_step=1e-3, slope=1.0,
    )  # fmt: skip
    before = objective.nfev
    found, findings = examine_columns(problem, method=method, confidence=0.999, rng=np.random.default_rng(0))
    return found, objective.nfev - before, [finding.text for finding in findings]


def sparse_of(array: Any) -> Sparse:
    """A matrix whose pattern are its entries."""
    stored = sparse.csc_array(array)
    pattern = stored.copy()
    pattern.data = np.ones_like(pattern.data)
    return Sparse(stored, pattern)


def band(n: int) -> Any:
    """Two entries a row: 1 on the diagonal and 2 beside it."""
    return sparse.diags_array([np.ones(n), np.full(n - 1, 2.0)], offsets=[0, 1], format="lil")


def wrong(found: Evidence) -> set[tuple[int, int]]:
    """The places of the wrong entries."""
    _, n = found.arrays[0].block.shape
    return {divmod(int(k), n) for k in found.entries.wrong}


def certified(found: Evidence) -> bool:
    """Whether directions bound the error of every row within the resolution."""
    (array,) = found.arrays
    return array.certificate is not None and array.certificate.relative_to_rms <= 1e-3


def test_a_right_pattern_takes_its_groups_and_a_direction():
    """Two groups of six evaluations, and eight to sixteen points of directions for the zeros."""
    found, nfev, said = founded(band(40).tocsr(), sparse_of(band(40)))
    assert wrong(found) == set()
    assert certified(found)
    assert found.regions == ()
    assert found.entries.coordinates.size == 79
    assert nfev <= 2 * 6 + 2 * 8
    assert said[0].startswith("79 entries of the pattern were judged one by one in 2 groups of columns;")


def test_an_entry_that_the_pattern_lacks_is_named_and_none_of_its_group():
    """The entry moves with a group, in which another column seems wrong: alone it is right."""
    right = band(40)
    right[7, 30] = 0.5
    found, _, _ = founded(right.tocsr(), sparse_of(band(40)))
    assert wrong(found) == {(7, 30)}
    assert certified(found)


def test_groups_are_believed_where_directions_bear_them_out():
    """Forty wrong entries in forty columns are told by two groups and a few directions."""
    claim = band(50)
    for k in range(0, 40):
        claim[k, k] = 1.1
    found, nfev, _ = founded(band(50).tocsr(), sparse_of(claim))
    assert wrong(found) == {(k, k) for k in range(40)}
    assert certified(found)
    assert nfev <= 2 * 12 + 4 * 8


@pytest.mark.parametrize("missing", [0.5, pytest.param(1e-4, marks=pytest.mark.slow)])
def test_of_many_entries_that_the_pattern_lacks_none_is_blamed_on_its_group(missing: float):
    """A ring without its third diagonal, 300 rows: by chance one looks right along one direction; not along several."""
    n = 300
    left = sparse.csr_array(
        (np.full(n, 2.0), (np.arange(n), np.arange(n) - 1 + n * (np.arange(n) == 0))), (n, n)
    )
    lacks = sparse.csr_array((np.full(n, missing), (np.arange(n), (np.arange(n) + 1) % n)), (n, n))
    found, _, _ = founded(left + lacks, sparse_of(left))
    assert wrong(found)
    assert wrong(found) <= {(k, (k + 1) % n) for k in range(n)}
    assert not certified(found)


def test_rows_that_are_wrong_throughout_are_listed_where_all_of_a_pattern_is_known():
    """Three of four rows, twice as large, and all of four."""
    claim = band(4)
    claim[:3] *= 2.0
    found, _, _ = founded(band(4).tocsr(), sparse_of(claim))
    assert found.regions == ()
    assert wrong(found) == {(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3)}
    assert certified(found)
    found, _, _ = founded(np.ones((4, 4)), sparse_of(np.full((4, 4), 2.0)))
    assert (found.regions, len(wrong(found)), certified(found)) == ((), 16, True)


def test_nothing_is_measured_of_rows_where_all_are_wrong():
    """All of the matrix is one region, without a certificate."""
    found, _, _ = founded(np.ones((4, 4)), Dense(np.full((4, 4), 2.0)))
    assert [region.box.ranges for region in found.regions] == [((0, 4), (0, 4))]
    assert found.arrays[0].certificate is None


@pytest.mark.parametrize("product", [False, True])
def test_of_many_columns_a_sample_is_moved(product: bool):
    """Six of 300, and once or twice more where a row is wrong: that is a region, and the rest is certified."""
    right = np.random.default_rng(0).normal(size=(5, 300))
    given = right.copy()
    given[3] *= 1.5
    claim: Matrix = Product(given.shape, lambda v: given @ v) if product else Dense(given)
    found, nfev, said = founded(right, claim)
    assert said == []
    assert found.entries.coordinates.size == 5 * 6
    assert {i for i, _ in wrong(found)} == {3}
    assert [region.box.ranges for region in found.regions] == [((3, 4), (0, 300))]
    assert certified(found)
    assert nfev <= 4 * 6 * 6


def test_what_the_sample_does_not_show_is_looked_for():
    """Of two wrong entries of a row the sample holds one: the other is named beside it."""
    right = np.random.default_rng(0).normal(size=(5, 300))
    sampled = np.random.default_rng(0).choice(300, 6, replace=False)
    at = {(3, int(sampled[0])), (3, int(np.setdiff1d(np.arange(300), sampled)[0]))}
    given = right.copy()
    for place in at:
        given[place] += 0.5
    found, _, _ = founded(right, Dense(given))
    assert wrong(found) == at
    assert found.regions == ()
    assert certified(found)


def test_zeros_at_a_minimum_are_certified_though_entries_of_x_are_0():
    """Each row (x_i - c_i)^2: what a mistake is relative to is what f changes by; on a kink none is."""
    c = np.linspace(1.0, 2.0, 40)
    c[::7] = 0.0
    zeros = Dense(np.zeros((40, 40)))
    found, nfev, _ = founded(None, zeros, f=lambda x: (x - c) ** 2, x=c)
    assert certified(found)
    assert nfev <= 4 * 8
    found, _, _ = founded(None, zeros, f=lambda x: np.abs(x - c), x=c)
    assert not certified(found)
    found, _, _ = founded(None, zeros, f=lambda x: (x - c) ** 2 + 1e-3 * x, x=c)
    assert wrong(found) == {(k, k) for k in range(40)}


def test_columns_that_bounds_hold_still_are_moved_alone():
    """Two of 300 have a hundredth of their scale to go: a mistake in one is named; more than can be moved are open."""
    right = np.random.default_rng(0).normal(size=(3, 300))
    given = right.copy()
    given[1, 5] += 0.5
    room = np.ones(300)
    room[[5, 6]] = 0.01
    found, _, _ = founded(right, Dense(given), room=(room, room))
    assert wrong(found) == {(1, 5)}
    assert certified(found)
    found, _, _ = founded(right, Dense(right), room=(np.full(300, 0.01), np.full(300, 0.01)))
    assert not certified(found)


def test_rows_that_no_search_explains_are_open(monkeypatch: pytest.MonkeyPatch):
    """Where the search names nothing their entries are no evidence, and the parts are named, ten at the most."""
    right = band(120)
    for k in range(0, 48, 2):
        right[k, 55] = 0.5
    monkeypatch.setattr(columns, "find_places", lambda *_: None)
    found, _, _ = founded(right.tocsr(), sparse_of(band(120)))
    assert wrong(found) == set()
    assert not certified(found)
    assert [region.box.ranges[0] for region in found.regions] == [(k, k + 1) for k in range(0, 20, 2)]
    assert not any(region.throughout for region in found.regions)


def test_a_mistake_that_stands_out_of_rounded_values_is_named_though_directions_cannot_tell_it():
    """Rosenbrock's residuals to eight decimals, x a thousandth: a tenth of one entry is hundreds of bars."""
    x = 1e-3 * np.random.default_rng(0).normal(size=200)

    def f(x: Any) -> Any:
        return np.round(np.concatenate([10.0 * (x[1:] - x[:-1] ** 2), 1.0 - x[:-1]]), 8)

    eye = np.eye(200)
    given = np.vstack([10.0 * (eye[1:] - 2.0 * x[:-1, None] * eye[:-1]), -eye[:-1]])
    assert check_jacobian(f, given, x).outcome is Outcome.INCONCLUSIVE
    largest = int(np.abs(x[:-1]).argmax())
    for place, factor in (
        ((70, 71), 1.1),
        ((largest, largest), 2.0),
    ):  # 0.05 beside 10: a longer step tells it
        wrong_at = given.copy()
        wrong_at[place] *= factor
        report = check_jacobian(f, wrong_at, x)
        assert [m.flat_index for m in report.wrong] == [200 * place[0] + place[1]]


@pytest.mark.slow
def test_rows_that_noise_alone_keeps_open_are_bounded():
    """`nothing is known` beside 22,500 entries that were checked, before; with a coarser resolution they pass."""
    n = 150
    rng = np.random.default_rng(n)
    a, x = rng.normal(size=(n, n)) / np.sqrt(n), np.random.default_rng(n + 1).normal(size=n)
    right = np.cos(a @ x)[:, None] * a

    def f(x, decimals=7):
        return np.round(np.sin(a @ x), decimals)

    report = check_jacobian(f, right, x)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "what f shows agrees with the Jacobian" in report.reason
    assert report.resolution < report.certificate.relative_to_rms < 0.01
    assert check_jacobian(f, right, x, resolution=0.01).outcome is Outcome.PASS
    # To eight decimals all are certified, and of the flattest row one entry is told.
    assert check_jacobian(partial(f, decimals=8), right, x).outcome is Outcome.PASS
    flattest = int(np.argmin(np.abs(np.cos(a @ x))))
    right[flattest, 11] *= 1.5
    report = check_jacobian(partial(f, decimals=8), right, x)
    assert [m.name for m in report.wrong] == [f"J[{flattest}, 11]"]


def test_columns_that_were_looked_at_for_what_they_are_are_no_sample_of_the_others():
    """Half of the columns are forgotten, as an array of a dict is: 90 of 180, of which "about 147" was said."""
    for seed in (0, 1, 2, 8):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(10, 9)), rng.normal(size=(10, 9))
        x = {"A": rng.normal(size=9), "B": rng.normal(size=9)}
        one, other = a @ x["A"], b @ x["B"]
        jacobian = np.hstack([0.0 * a, -(np.sin(one) * np.sin(other))[:, None] * b])
        report = check_jacobian(
            lambda p, a=a, b=b: np.sin(a @ p["A"]) * np.cos(b @ p["B"]),
            jacobian,
            x,
            method="directions",
            rng=seed,
        )
        assert "90 of 180 entries wrong" in report.reason


@pytest.mark.parametrize("seed", range(6))
def test_of_few_columns_each_tells_what_a_search_loses_in_noise(seed):
    """relu(A x) in float32, with an entry that the pattern lacks: 16 of 30 were INCONCLUSIVE, "somewhere in row 22"."""
    rng, n = np.random.default_rng(seed), 30
    a = sparse.csr_array(sparse.random_array((n, n), density=0.1, rng=rng) + sparse.eye_array(n))
    x = rng.normal(size=n).astype(np.float32)

    def f(x):
        return np.maximum(a @ x.astype(float), 0).astype(np.float32)

    jac = sparse.coo_array(sparse.diags_array((a @ x.astype(float) > 0) * 1.0) @ a)
    assert check_jacobian(f, sparse.csr_array(jac), x).outcome is not Outcome.FAIL
    at = rng.choice(np.flatnonzero(jac.data > 0.3))
    row, column = int(jac.row[at]), int(jac.col[at])
    jac.data[at] = 0.0
    lacking = sparse.csr_array(jac)
    lacking.eliminate_zeros()
    report = check_jacobian(f, lacking, x)
    assert [m.name for m in report.wrong] == [f"J[{row}, {column}]"]
