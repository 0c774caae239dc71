"""One gradient at several points."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from gradcheck import GradientCheckInterrupted, Outcome, check_points

POINTS = [np.array([0.5, 1.5]), np.array([-1.0, 0.3]), np.array([2.0, -0.7])]


def only_beyond_one(x):
    """Rosenbrock's gradient with a mistake where x[0] > 1."""
    return rosen_der(x) + np.array([0.0, 5.0 if x[0] > 1 else 0.0])


@pytest.mark.parametrize("points", [POINTS, np.array(POINTS), lambda rng: rng.normal(size=2)])
def test_a_right_gradient_passes_everywhere(points):
    """A list, an array of points, a sampler."""
    report = check_points(rosen, rosen_der, points)

    assert report.outcome is Outcome.PASS
    count = 10 if callable(points) else 3
    assert f"{count} of {count} points pass" in report.notes
    assert report.arrays[0].checked == 2 * count


def test_the_worst_point_comes_first():
    """A mistake at one of three points is found there and nowhere else."""
    report = check_points(rosen, only_beyond_one, POINTS)

    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("point 2: ")
    assert [m.name for m in report.wrong] == ["x[1] at point 2"]
    assert "2 of 3 points pass" in report.notes


@pytest.mark.slow
def test_a_sampler_finds_what_one_point_misses():
    """Forty random points reach the region of the mistake; the same seed draws the same."""
    one, other = (
        check_points(rosen, only_beyond_one, lambda rng: rng.normal(size=2), count=40, rng=5)
        for _ in range(2)
    )

    assert one.outcome is Outcome.FAIL
    assert [m.name for m in one.wrong] == [m.name for m in other.wrong]


def test_kinks_are_counted():
    """One of three points lies on the kink of |x|: INCONCLUSIVE and counted; accepted as a subgradient it passes."""
    points = [np.array([1.0, 2.0]), np.array([0.0, 2.0]), np.array([-1.0, 3.0])]

    report = check_points(lambda x: np.abs(x).sum(), np.sign, points)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "1 of 3 points lies on a kink of f" in report.notes
    assert check_points(lambda x: np.abs(x).sum(), np.sign, points, subgradient=True)


def test_a_failure_outranks_what_is_undecided():
    """A kink at one point and a mistake at another: FAIL, and the mistake is said first."""
    points = [np.array([0.0, 2.0]), np.array([-1.0, 3.0])]

    report = check_points(lambda x: np.abs(x).sum(), lambda x: np.sign(x) + (x < 0), points)

    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("point 1: ")


def test_a_budget_is_for_all_points_together():
    """Points that it does not reach are named, and nothing passes unseen; a mistake that was reached fails."""
    calls = []

    def f(x):
        calls.append(1)
        return rosen(x)

    points = np.random.default_rng(1).normal(size=(5, 3))
    sweep = partial(check_points, f, method="sweep")
    each = sweep(rosen_der, points[:1]).nfev
    calls.clear()
    report = sweep(rosen_der, points, max_nfev=3 * each)
    assert len(calls) == report.nfev <= 3 * each
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == (
        f"point 3 to point 4 were not checked: of {3 * each} evaluations 0 were left, and a check takes at least 24; "
        "raise max_nfev"
    )
    assert (
        report.call == f"gradcheck.check_points(f, grad, points, method='sweep', max_nfev={3 * each}, rng=0)"
    )
    assert sweep(rosen_der, points, max_nfev=7 * each).outcome is Outcome.PASS
    wrong = sweep(lambda x: 1.1 * rosen_der(x), points, max_nfev=3 * each)
    assert wrong.outcome is Outcome.FAIL
    assert any("not checked" in note for note in wrong.notes)


def test_an_interruption_leaves_the_points_before_it():
    """Three points are known, of which the second is wrong; two were not reached."""
    points = np.arange(15.0).reshape(5, 3) / 7.0
    seen = []

    def f(x):
        seen.append(np.abs(x - points[3]).max() < 0.1)
        if sum(seen) == 6:  # the second of six steps
            raise KeyboardInterrupt
        return rosen(x)

    def grad(x):
        return rosen_der(x) * (1.1 if np.array_equal(x, points[1]) else 1.0)

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_points(f, grad, points)
    report = caught.value.report
    assert report.interrupted
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f"x[{i}] at point 1" for i in range(3)}
    assert "point 4 was not checked: the check was interrupted; start it again" in report.notes


def test_bad_arguments_are_refused():
    """No points, no number of them, one gradient for all, a count for a list."""
    with pytest.raises(ValueError, match="empty"):
        check_points(rosen, rosen_der, [])
    with pytest.raises(TypeError, match="points"):
        check_points(rosen, rosen_der, 3.0)
    with pytest.raises(TypeError, match="grad"):
        check_points(rosen, rosen_der(POINTS[0]), POINTS)
    with pytest.raises(ValueError, match="count"):
        check_points(rosen, rosen_der, POINTS, count=2)
    for count in (0, -1, 2.5, "a", True):
        with pytest.raises(
            ValueError, match=f"count must be an integer of at least 1, or None, not {count!r}"
        ):
            check_points(rosen, rosen_der, lambda rng: rng.normal(size=2), count=count)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([POINTS[0], POINTS[0] * np.nan], r"points\[1\] is no point: x is not finite: x\[0\] is nan"),
        ([POINTS[0], None], r"points\[1\] is no point: x is None"),
        (lambda rng: None, "what points gave for point 0 is no point: x is None"),
    ],
)
def test_what_is_no_point_is_named(points, said):
    """Which of them, before anything is checked."""
    calls = []
    with pytest.raises((ValueError, TypeError), match=said):
        check_points(lambda x: calls.append(1), rosen_der, points)
    assert calls == []


def test_an_exception_says_at_which_point():
    """f or the sampler raises: a note has the number."""
    with pytest.raises(ZeroDivisionError) as caught:
        check_points(lambda x: rosen(x) if x[0] > 0 else 1 / 0, rosen_der, POINTS)
    assert caught.value.__notes__ == ["gradcheck: raised by f at x", "gradcheck: at point 1"]
    with pytest.raises(ZeroDivisionError) as caught:
        check_points(rosen, rosen_der, lambda rng: 1 / 0)
    assert caught.value.__notes__[0] == "gradcheck: raised by points, asked for point 0"


def test_a_sampler_is_asked_for_what_the_budget_reaches():
    """Of a billion points no more are drawn than are checked; those are the same as of a few."""
    drawn = []

    def sampler(rng):
        drawn.append(rng.normal(size=2))
        return drawn[-1]

    report = check_points(rosen, rosen_der, sampler, count=10**9, max_nfev=60)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "to point 999999999 were not checked: of 60 evaluations" in report.reason
    assert 1 < len(drawn) < 15
    assert report.call == "gradcheck.check_points(f, grad, points, count=1000000000, max_nfev=60, rng=0)"
    np.testing.assert_array_equal(drawn, np.random.default_rng(0).normal(size=(len(drawn), 2)))
    # What repeats it has these points, and the same seeds.
    seeds = np.random.default_rng()
    seeds.bit_generator.state = report.recipe.seed
    again = check_points(rosen, rosen_der, report.recipe.x, rng=seeds)
    assert [part.seed for _, part in again.parts] == [part.seed for _, part in report.parts]
    np.testing.assert_array_equal(report.recipe.x, drawn)


def test_one_array_in_the_place_of_points_is_told_as_such():
    """Each of its entries is a point, which an f of arrays cannot take."""
    x = np.array([0.3, -0.4, 0.8])
    with pytest.raises(
        TypeError, match=r"points is one array of shape \(3,\), of which each entry .* points=\[x\]"
    ):
        check_points(lambda x: x @ x, lambda x: 2 * x, x)
    assert check_points(lambda x: x @ x, lambda x: 2 * x, [x]).outcome is Outcome.PASS
    assert check_points(lambda x: x * x, lambda x: 2 * x, x).outcome is Outcome.PASS

    def f(x):
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine"):
        check_points(f, lambda x: 2 * x, [x])
