"""Functions that take a stack of points: the same answers from a few calls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import rosen, rosen_der

from gradcheck import Outcome, check_gradient

X = np.random.default_rng(1).normal(size=100)


def counted(f):
    """F, and the number of points of each of its calls."""
    calls = []

    def wrapped(x):
        calls.append(np.shape(x)[-1])
        return f(x)

    return wrapped, calls


def wrong(x):
    """Rosenbrock's gradient with one entry off by 1 %."""
    out = rosen_der(x)
    out[42] *= 1.01
    return out


@pytest.mark.parametrize("grad", [rosen_der, wrong])
def test_the_same_answers_as_one_by_one(grad):
    """Outcome, wrong entries, evaluations and numbers are those of the plain function."""
    one = check_gradient(rosen, grad, X)
    stack = check_gradient(rosen, grad, X, vectorized=True)

    assert stack.outcome is one.outcome
    assert [m.name for m in stack.wrong] == [m.name for m in one.wrong]
    assert stack.nfev == pytest.approx(one.nfev, rel=0.1)  # sums in another order may ask for a step more
    for a, b in zip(stack.wrong, one.wrong, strict=True):
        assert abs(a.numerical - b.numerical) <= 3 * (a.error_bar + b.error_bar)


def test_a_sweep_is_a_few_calls():
    """The six points of a hundred coordinates are one call of f."""
    f, calls = counted(rosen)

    report = check_gradient(f, rosen_der, X, vectorized=True, method="sweep")

    assert report.outcome is Outcome.PASS
    assert max(calls) == 600
    assert len(calls) <= 10
    assert sum(calls) == report.nfev


def test_scipy_distributions_and_trees():
    """A log likelihood of scipy.stats in a dict of parameters, each with one axis more."""
    data = np.linspace(-1.0, 2.0, 7)[:, None]

    def f(p):
        return stats.norm.logpdf(data, p["loc"], np.exp(p["log"][0])).sum(axis=0)

    def grad(p, factor=1.0):
        z = (data[:, 0] - p["loc"]) / np.exp(p["log"][0])
        return {"loc": factor * z.sum() / np.exp(p["log"][0]), "log": np.array([(z**2 - 1.0).sum()])}

    x = {"loc": 0.3, "log": np.array([0.2])}
    assert check_gradient(f, grad, x, vectorized=True)
    report = check_gradient(f, lambda p: grad(p, 2.0), x, vectorized=True)
    assert [m.index for m in report.wrong] == [()]  # the scalar, not the array
    assert report.outcome is Outcome.FAIL


def test_many_parameters_by_directions():
    """Directions are stacked as well, and a wrong entry among a thousand is found."""
    x = np.random.default_rng(0).normal(size=1000)

    def off(x):
        out = rosen_der(x)
        out[321] += 50.0
        return out

    assert check_gradient(rosen, rosen_der, x, vectorized=True)
    assert {m.name for m in check_gradient(rosen, off, x, vectorized=True).wrong} == {"x[321]"}


def test_a_stack_that_raises_is_taken_point_by_point():
    """Points outside the domain do not spoil the others, and a stack that gave nothing is not counted."""
    raised = []

    def f(x):
        if np.any(x < 0.99999):
            raised.append(np.shape(x))
            raise ValueError("outside")
        return np.sqrt(x).sum(axis=0)

    x = np.array([1.0, 2.0, 3.0])
    report = check_gradient(f, lambda x: 0.5 / np.sqrt(x), x, method="sweep", vectorized=True)
    assert any(shape[-1] > 1 for shape in raised)
    assert report.outcome is Outcome.PASS
    assert report.nfev == check_gradient(f, lambda x: 0.5 / np.sqrt(x), x, method="sweep").nfev
    assert not check_gradient(f, lambda x: 0.6 / np.sqrt(x), x, vectorized=True)


def test_a_function_that_is_not_vectorised_is_told():
    """One number for a stack, or one for each coordinate: INCONCLUSIVE in words, never a verdict."""
    for f in (lambda x: float(np.sum(x)), lambda x: x):
        report = check_gradient(f, lambda x: np.ones(4), np.arange(4.0), vectorized=True)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "vectorized=True" in report.reason


def test_value_and_gradient_can_not_be_stacked():
    """grad=True gives one gradient for a stack of points."""
    with pytest.raises(ValueError, match="vectorized"):
        check_gradient(rosen, True, X, vectorized=True)
