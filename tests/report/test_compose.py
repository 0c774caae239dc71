"""How many entries are wrong, as the headline, the table and what explains them say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient, check_hvp, check_jacobian, check_jvp, check_vjp
from gradcheck.diagnosis.undecided import Circumstances
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.report.compose import compose
from gradcheck.results.certificate import Region
from gradcheck.results.entries import none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Judgement, Tolerance

SIZES = {60, 150, 600}
POINTS = {n: np.random.default_rng(1).normal(size=n) + 2.0 for n in SIZES}


def upwind(u: Any) -> Any:
    """Each output moves with two inputs."""
    return -10.0 * u * (u - np.roll(u, 1)) + np.sin(u)


def of_upwind(u: Any) -> Any:
    """Its Jacobian by hand, two entries a row."""
    i, J = np.arange(u.size), np.zeros((u.size, u.size))
    J[i, i] = -10.0 * (2.0 * u - np.roll(u, 1)) + np.cos(u)
    J[i, i - 1] = 10.0 * u
    return J


def doubled(J: Any, axis: int) -> Any:
    """Its second half along an axis twice as large."""
    off = np.where(np.arange(len(J)) < len(J) // 2, 1.0, 2.0)
    return J * (off if axis == 1 else off[:, None])


@pytest.mark.parametrize(("n", "axis"), [(60, 0), (60, 1), (150, 0), (150, 1)])
def test_a_factor_is_none_of_entries_that_are_0(n: int, axis: int):
    """Half of the rows or columns of a matrix that is known by products alone: two entries of each, not all."""
    u = POINTS[n]
    K = doubled(of_upwind(u), axis)
    report = check_jvp(upwind, lambda u, v: K @ v, u)
    assert report.reason.removeprefix("about ").startswith(f"{n} of {n * n:,} entries wrong")
    (array,) = report.arrays
    assert max(array.wrong, array.about) == n
    assert report.diagnosis[0].startswith("analytic = 2 x numerical in ")


def test_the_table_counts_no_more_than_the_headline():
    """Each row is asked for where random cotangents disagree: entries that are 0 are not wrong by a factor."""
    u = POINTS[600]
    K = doubled(of_upwind(u), 1)
    report = check_vjp(upwind, lambda u, v: K.T @ v, u)
    (array,) = report.arrays
    assert report.reason.removeprefix("about ").startswith("600 of 360,000 entries wrong")
    assert max(array.wrong, array.about) == 600
    assert report.diagnosis[0].startswith("analytic = 2 x numerical in ")
    # Of products alone a sample of columns tells how many are not 0; one row is half wrong, and searched for its entry.
    (array,) = check_jvp(upwind, lambda u, v: K @ v, u).arrays
    assert 450 < array.about < 750


@pytest.mark.parametrize("seed", range(3))
def test_what_explains_all_is_counted_and_not_what_was_looked_at(seed: int):
    """A softmax of four rows by two, by a sample of its columns; half of what was looked at is no count."""
    z = np.random.default_rng(0).normal(size=20)

    def softmax(z: Any) -> Any:
        e = np.exp(z.reshape(4, 5))
        return e / e.sum(1, keepdims=True)

    right = np.zeros((20, 20))
    for k, p in enumerate(softmax(z)):
        right[5 * k : 5 * k + 5, 5 * k : 5 * k + 5] = np.diag(p) - np.outer(p, p)
    report = check_jacobian(softmax, 2.0 * right, z, method="directions", rng=seed)
    assert report.reason.startswith("about 100 of 400 entries wrong")
    assert report.arrays[0].about == 100
    # Two entries of one row are told as these.
    one = right.copy()
    one[3, [1, 2]] *= 2.0
    report = check_jacobian(softmax, one, z, method="directions", rng=seed)
    assert report.reason.startswith("2 of 400 entries wrong")


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_hessian_of_opposite_sign_is_counted_at_every_seed(seed: int):
    """Three diagonals of 300: 898 entries, found by two directions or column by column."""
    n = 300
    x = np.random.default_rng(3).normal(size=n)

    def grad(x: Any) -> Any:
        d = np.diff(x)
        flow, out = d + 0.3 * d**3, 0.1 * x**3
        out[:-1] -= flow
        out[1:] += flow
        return out

    stiff, i = 1.0 + 0.9 * np.diff(x) ** 2, np.arange(n - 1)
    H = np.diag(0.3 * x**2)
    for rows, columns, sign in ((i, i, 1), (i + 1, i + 1, 1), (i, i + 1, -1), (i + 1, i, -1)):
        H[rows, columns] += sign * stiff
    report = check_hvp(grad, lambda x, v: -H @ v, x, rng=seed)
    assert report.reason.startswith("about 898 of 90,000 entries wrong")


def test_how_many_are_wrong_of_a_sample_is_said_with_it():
    """Half of an array here and there: the share that was seen, and no word of most."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 10))
    claim = np.cos(x) * np.where(rng.random(x.shape) < 0.5, rng.uniform(1.1, 3.0, x.shape), 1.0)
    report = check_gradient(lambda x: float(np.sum(np.sin(x))), claim, x)
    (array,) = report.arrays
    (note,) = report.notes
    assert note == f"a sample tells how many are wrong: about {array.about:,} in x"
    assert report.reason.startswith(f"about {array.about:,} of 2,000 entries wrong")


@pytest.mark.parametrize(
    ("searched", "said"), [(True, "about 14 of 1 entry"), (False, "at least 12 of 1 entry")]
)
def test_a_sample_of_one_array_is_no_count_of_another_that_was_not_searched(searched: bool, said: str):
    """Of an array in which the search ended a bound is known, whatever a sample tells of the other one."""
    parameters, _ = Parameters.of({"W": np.zeros((3, 4)), "b": np.zeros(2)})
    W, b = parameters.blocks
    yes, nothing = np.ones(1, bool), none_judged(np.dtype(float))
    entries = replace(
        nothing,
        coordinates=np.array([0]),
        analytic=np.ones(1),
        judgement=Judgement(yes, ~yes, ~yes, np.ones(1), np.ones(1)),
        estimate=replace(nothing.estimate, value=np.zeros(1), error=np.full(1, 0.1)),
    )
    regions = (Region(W, whole_box(W), True), Region(b, whole_box(b), searched))
    report = compose(
        parameters, Evidence(entries, (), regions), (), Circumstances(Tolerance(1e-6)), nfev=0, ngev=0,
        seconds=0.0, seed=0, call="",
    )  # fmt: skip
    assert report.reason.startswith(said)
