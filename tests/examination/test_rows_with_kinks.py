"""Jacobians some rows of which stand still, are straight, or have a kink beside x: the others are no worse for it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_jacobian
from gradcheck.examination import row_evidence
from gradcheck.examination.row_evidence import run_for_rows
from gradcheck.joint.direction import Direction, Joint


def clipped(n, seed, *, real, far=1.0):
    """f = clip(A x, -far, far), most outputs of which stand still: (f, its Jacobian, x)."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(n, n)), rng.normal(size=n)

    def f(x):
        if real and np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return np.clip(a @ x, -far, far)

    return f, np.where(np.abs(a @ x) < far, 1.0, 0.0)[:, None] * a, x


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("real", "right", "wrong"), [(False, 6, 17), (True, 38, 60)])
def test_outputs_that_stand_still_are_in_the_way_of_no_other(seed, real, right, wrong):
    """They lie on no grid, and have no say in how far to go; a wrong entry of another is named at no sweep's cost."""
    f, jacobian, x = clipped(40, seed, real=real)
    report = check_jacobian(f, jacobian, x, rng=seed)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= right
    row = int(np.flatnonzero(jacobian.any(axis=1))[0])
    jacobian[row, 3] *= 1.5
    report = check_jacobian(f, jacobian, x, rng=seed)
    assert [(m.index, report.outcome) for m in report.wrong] == [((row, 3), Outcome.FAIL)]
    assert report.nfev <= wrong


@pytest.mark.parametrize("seed", range(8))
def test_an_output_that_stands_still_and_is_claimed_to_move_is_wrong(seed):
    """A slope on the wrong side of the clip, of one entry and of all."""
    f, jacobian, x = clipped(40, seed, real=True)
    row = int(np.flatnonzero(~jacobian.any(axis=1))[0])
    for entries in (slice(3, 4), slice(None)):
        claim = jacobian.copy()
        claim[row, entries] = 0.5
        report = check_jacobian(f, claim, x, rng=seed)
        assert report.outcome is Outcome.FAIL
        assert {m.index[0] for m in report.wrong} <= {row}


@pytest.mark.parametrize("n", [12, 40, 150])
def test_saturated_outputs_leave_the_others_to_be_judged(n):
    """Slopes of 1e-50 beside values of 1: f shows nothing of them, nor of what they would be by another factor."""
    rng = np.random.default_rng(n)
    a, x = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n)
    saturated = np.arange(n) % 3 == 0
    b = np.where(saturated, 60.0 * np.sign(a @ x), 0.0)

    def f(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return np.tanh(a @ x + b)

    jacobian = a / np.cosh(a @ x + b)[:, None] ** 2
    report = check_jacobian(f, jacobian, x, rng=0)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 18
    for row, off in ((1, 0.5 * jacobian[1, 3]), (1, -jacobian[1, 3]), (3, 1.0)):
        claim = jacobian.copy()
        claim[row, 3] += off
        report = check_jacobian(f, claim, x, rng=0)
        assert [m.index for m in report.wrong] == [(row, 3)]


def beside_a_kink(apart, slope):
    """sin of 40 sums, and past `apart` of x the tenth turns by `slope`: (f, its Jacobian, x)."""
    rng = np.random.default_rng(5)
    a, x = rng.normal(size=(40, 40)) / 6.0, rng.normal(size=40)
    edge = float(a[10] @ x) + apart

    def f(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        z = a @ x
        value = np.sin(z)
        value[10] += slope * max(0.0, z[10] - edge)
        return value

    return f, np.cos(a @ x)[:, None] * a, x


@pytest.mark.parametrize("apart", [1e-3, 1e-4])
def test_a_kink_beside_x_in_one_row_is_looked_at_from_nearer(apart):
    """All others are certified by then, and 40 stencils are not what it takes; what is wrong there is found as well."""
    f, jacobian, x = beside_a_kink(apart, 2.0)
    right = check_jacobian(f, jacobian, x, rng=0)
    assert right.outcome is Outcome.PASS
    assert right.nfev <= 80
    jacobian[10, 3] *= 1.01
    assert check_jacobian(f, jacobian, x, rng=0).outcome is Outcome.FAIL


def test_a_kink_at_x_in_one_row_is_no_pass():
    """Neither slope is the derivative, and no step is nearer."""
    f, jacobian, x = beside_a_kink(0.0, 2.0)
    assert check_jacobian(f, jacobian, x, rng=0).outcome is not Outcome.PASS


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_noise_and_a_kink_leave_open_are_looked_at_by_themselves(seed):
    """In float32 directions are long: of 90 rows one or two turn on the way, and the others are certified by then.

    A stencil for each of the 90 columns took 4,000 evaluations.
    """
    rng = np.random.default_rng(seed)
    a, x = (rng.normal(size=shape).astype(np.float32) for shape in ((90, 90), 90))
    z = a @ x
    jacobian = (np.abs(z) < 1)[:, None] * a

    def f(x):
        return np.clip(a @ x, np.float32(-1), np.float32(1))

    report = check_jacobian(f, jacobian, x, rng=seed)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 400
    # Of each direction a row tells that it certified.
    assert all(
        np.isfinite(residual.error) for array in report.evidence.arrays for residual in array.residuals
    )
    row = int(np.argmax(np.abs(jacobian[:, 3])))
    jacobian[row, 3] *= 1.5
    assert [m.index for m in check_jacobian(f, jacobian, x, rng=seed).wrong] == [(row, 3)]


def shown(
    certified: Any, *, wrong: Any = (), spent: bool = False, bound: float = 1.0, rows: int = 4
) -> Joint:
    """What one direction shows of some rows."""
    one, every = np.ones(rows), np.arange(rows)
    seen = Direction(one, 0.1, one, 0.0 * one, 1e-3 * one, one)
    return Joint((seen,), bound * one, np.isin(every, certified), np.isin(every, wrong), one, spent)


def run(*joints: Joint) -> tuple[Any, Joint, list[Any]]:
    """What tests say that show these in turn, the one that is returned, and what was asked of each."""
    asked: list[Any] = []

    def test_of(*given: Any, fixed: Any, exact: bool) -> Any:
        assert given[:3] == (problem, "scaling", "rng")
        asked.append((np.flatnonzero(fixed).tolist(), given[3], exact))
        return SimpleNamespace(run=lambda: joints[len(asked) - 1], exact=False, nth=len(asked))

    problem: Any = SimpleNamespace(f_x=np.ones(joints[0].wrong.size))
    shares = (0.5**k for k in range(1, 1 + len(joints)))
    tested: Any = "scaling", "rng"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(row_evidence, "JointTest", test_of)
        test, joint = run_for_rows(problem, *tested, shares)
    return test, joint, asked


def test_rows_that_are_left_open_get_a_test_of_their_own_and_its_share_of_the_chance():
    """Each row is told of by the directions that certified it; complex numbers are asked for no more."""
    test, joint, asked = run(shown([0, 1, 3]), shown([2], bound=2.0))
    assert asked == [([], 0.5, True), ([0, 1, 3], 0.25, False)]
    assert (test.nth, joint.certified.all(), joint.wrong.any(), joint.bound.tolist()) == (
        1,
        True,
        False,
        [1, 1, 2, 1],
    )
    assert [np.isfinite(d.error).tolist() for d in joint.directions] == [[1, 1, 0, 1], [0, 0, 1, 0]]
    # What it does not certify stays open.
    assert run(shown([0, 1, 3]), shown([]))[1].certified.tolist() == [True, True, False, True]


def test_tests_go_on_as_long_as_each_leaves_less_than_half():
    """Of eight rows three, one, none: of as many as before no other direction will tell more."""
    first, second, third = (shown(rows, rows=8) for rows in (range(5), (5, 6), (7,)))
    test, joint, asked = run(first, second, third)
    assert (test.nth, joint.certified.all(), [share for _, share, _ in asked]) == (
        1,
        True,
        [0.5, 0.25, 0.125],
    )
    assert asked[2][0] == [0, 1, 2, 3, 4, 5, 6]
    assert len(run(first, shown((5,), rows=8), third)[2]) == 2


def test_what_the_second_test_finds_wrong_is_searched_along_its_direction():
    """The first one saw nothing there."""
    test, joint, _ = run(shown([0, 1, 3]), shown([], wrong=[2]))
    assert (test.nth, joint.wrong.tolist()) == (2, [False, False, True, False])


@pytest.mark.parametrize(
    "first",
    [
        shown([0, 1, 2, 3]),
        shown([0, 1]),
        shown([]),
        shown([0, 1, 3], wrong=[2]),
        shown([0, 1, 3], spent=True),
    ],
)
def test_no_second_test_where_nothing_is_open_or_much_or_something_wrong_or_the_budget_is_spent(first):
    """What keeps half of the rows from being certified is in the way of the others, too."""
    test, joint, asked = run(first)
    assert (test.nth, joint is first, len(asked)) == (1, True, 1)


def without_mask(n, seed, kind):
    """relu(A x) or clip(A x, -1, 1), the Jacobian where nothing is masked, and the rows that stand still."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(n, n)), rng.normal(size=n)

    def f(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return np.maximum(a @ x, 0.0) if kind == "relu" else np.clip(a @ x, -1.0, 1.0)

    z = a @ x
    return f, a, x, z < 0 if kind == "relu" else np.abs(z) > 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [40, 90, 150])
@pytest.mark.parametrize("kind", ["relu", "clip"])
def test_a_forgotten_mask_is_told_by_directions(kind, n, seed):
    """Others move on no grid, and these were claimed to move by far more than any of theirs: they are flat.

    In all rows, in one, and in one entry; each took up to 8,700 evaluations, or was INCONCLUSIVE.
    """
    f, claim, x, still = without_mask(n, seed, kind)
    masked, row = np.where(still[:, None], 0.0, claim), int(np.flatnonzero(still)[0])
    in_one_row, in_one_entry = masked.copy(), masked.copy()
    in_one_row[row] = claim[row]
    in_one_entry[row, 3] = 2.0
    for jacobian, rows, most in ((claim, still, 220), (in_one_row, [row], 130), (in_one_entry, [row], 80)):
        report = check_jacobian(f, jacobian, x, rng=seed)
        assert {m.index[0] for m in report.wrong} <= set(np.arange(n)[rows])
        assert report.wrong
        assert report.nfev <= most


@pytest.mark.parametrize("digits", [1, *(pytest.param(k, marks=pytest.mark.slow) for k in (2, 3))])
def test_rows_of_one_rounded_f_that_stand_still_are_not_called_flat(digits):
    """What moves jumps by 0.1 to 0.001: the grid of those that do not is theirs."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, x = rng.normal(size=(30, 30)) / 6.0, rng.normal(size=30)
        report = check_jacobian(
            lambda x, a=a: np.round(np.sin(a @ x), digits), np.cos(a @ x)[:, None] * a, x, rng=0
        )
        assert report.outcome is not Outcome.FAIL


@pytest.mark.parametrize(("wrong", "most"), [(False, 150), (True, 320)])
def test_stencils_of_outputs_that_stand_still_are_no_more_than_those_of_others(wrong, most):
    """Of 0 no bar is small enough; what others move by is their size. 20 columns took 701 and 1,317 evaluations."""
    f, claim, x, still = without_mask(20, 0, "relu")
    jacobian = claim if wrong else np.where(still[:, None], 0.0, claim)
    report = check_jacobian(f, jacobian, x, rng=0, method="sweep")
    assert report.outcome is (Outcome.FAIL if wrong else Outcome.PASS)
    assert len(report.wrong) == (20 * still.sum() if wrong else 0)
    assert report.nfev <= most
