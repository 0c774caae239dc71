"""The options that checks of vector functions share: defaults, refusals, the call, budgets, progress, interruption."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

from gradcheck import (
    GradientCheckInterrupted,
    Outcome,
    check_gradient,
    check_hessian,
    check_hvp,
    check_jacobian,
    check_jvp,
    check_points,
    check_problem,
    check_vjp,
    derivative,
    gradient,
    taylor_test,
)
from gradcheck.driver.options import LEAST_BUDGET, Given, Options

A = np.random.default_rng(4).normal(size=(12, 5))
X = np.linspace(-1.0, 1.0, 5)
WIDE = np.random.default_rng(5).normal(size=(8, 150)) / 12.0
TALL = np.random.default_rng(6).normal(size=(120, 4)) / 2.0


def sine(matrix, calls=None, interrupt_at=0):
    """x -> sin(M x), which counts its calls and raises KeyboardInterrupt in one of them."""
    calls = [] if calls is None else calls

    def f(x):
        calls.append(1)
        if len(calls) == interrupt_at:
            raise KeyboardInterrupt
        return np.sin(matrix @ x)

    return f


def slope(matrix, factor=1.0):
    """The Jacobian of sin(M x), with one entry scaled."""

    def jac(x):
        out = np.cos(matrix @ x)[:, None] * matrix
        out[2, 3] *= factor
        return out

    return jac


# Each check as a function of (f, factor of one entry, options), and the shape of its matrix.
def dense(f, factor, **options):
    """Columns one by one."""
    return check_jacobian(f(A), slope(A, factor), X, **options)


def wide(f, factor, **options):
    """Random directions, and the search among 150 columns."""
    return check_jacobian(f(WIDE), slope(WIDE, factor), np.ones(150), **options)


def banded(f, factor, **options):
    """Groups of columns, then directions for the zeros."""
    band = sparse.diags_array([np.ones(8), np.full(9, 2.0)], offsets=[1, 0]).toarray()
    return check_jacobian(f(band), lambda x: sparse.csr_array(slope(band, factor)(x)), np.ones(9), **options)


def forward(f, factor, **options):
    """J v."""
    return check_jvp(f(A), lambda x, v: slope(A, factor)(x) @ v, X, **options)


def backward(f, factor, **options):
    """Rows mixed by random cotangents, then halved."""
    return check_vjp(f(TALL), lambda x, u: slope(TALL, factor)(x).T @ u, np.ones(4), **options)


CHECKS = [dense, wide, banded, forward, backward]


def test_the_names_for_type_checkers_are_the_options():
    """Nothing is missing on either side."""
    assert set(Given.__annotations__) == {field.name for field in fields(Options)}


@pytest.mark.parametrize("check", CHECKS)
def test_an_unknown_option_is_refused_and_the_others_are_named(check):
    """A misspelt option does nothing silently."""
    with pytest.raises(
        TypeError, match=r"there is no option 'rtoll' \(did you mean rtol\?\); there are args, .*rtol, atol"
    ):
        check(sine, 1.0, rtoll=1e-3)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"rtol": "1e-3"}, TypeError, "rtol must be a number"),
        ({"atol": None}, TypeError, "atol must be a number"),
        ({"rtol": -1.0}, ValueError, "rtol must be a finite number >= 0"),
        ({"resolution": 0}, ValueError, "resolution must lie between 0 and 1"),
        ({"resolution": 1.0}, ValueError, "resolution must lie between 0 and 1, not 1.0"),
        ({"confidence": 1.0}, ValueError, "confidence must lie between 0 and 1"),
        ({"method": "magic"}, ValueError, "method must be one of 'auto', 'sweep', 'directions', 'complex'"),
        ({"subgradient": 1}, TypeError, "subgradient must be True or False"),
        ({"progress": "yes"}, TypeError, "progress must be True or False"),
        ({"max_nfev": 30.0}, TypeError, "max_nfev must be an integer or None"),
        ({"max_nfev": LEAST_BUDGET - 1}, ValueError, "max_nfev must be at least 24"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be a number above 0"),
        ({"rng": "seed"}, TypeError, "rng must be a seed, a Generator or None"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(given, error, words):
    """The message says the option, its value and what is allowed; f is not called."""
    calls = []
    with pytest.raises(error, match=words):
        check_jacobian(sine(A, calls), slope(A), X, **given)
    assert not calls


@pytest.mark.parametrize(
    ("check", "call"),
    [
        (forward, "gradcheck.check_jvp(f, jvp, x, method='sweep', confidence=0.99, rng=3)"),
        (backward, "gradcheck.check_vjp(f, vjp, x, method='sweep', confidence=0.99, rng=3)"),
        (dense, "gradcheck.check_jacobian(f, jac, x, method='sweep', confidence=0.99, rng=3)"),
    ],
)
def test_the_call_repeats_what_was_given(check, call):
    """The method and all that is no default; nothing else."""
    assert check(sine, 1.0, method="sweep", confidence=0.99, rng=3, atol=0.0).call == call
    assert check(sine, 1.0, max_nfev=500, max_seconds=60.0).call.endswith(
        "max_nfev=500, max_seconds=60.0, rng=0)"
    )
    assert call.partition(", x")[0] + ", x, rng=0)" == check(sine, 1.0).call


def test_the_call_of_second_derivatives():
    """check_hvp and check_hessian say method and args too; arrays are not for one line of text."""
    x = np.ones(3)
    report = check_hvp(rosen_der, rosen_hess_prod, x, method="directions", rng=1)
    assert report.call == "gradcheck.check_hvp(grad, hvp, x, method='directions', rng=1)"
    pattern = np.ones((3, 3))
    report = check_hessian(lambda x, k: k * rosen_der(x), lambda x, k: k * rosen_hess(x), x, args=(2.0,),
                           sparsity=pattern, max_nfev=100, bounds=(0.0, 2.0))  # fmt: skip
    call = "gradcheck.check_hessian(grad, hess, x, args=(2.0,), sparsity=..., bounds=(0.0, 2.0), max_nfev=100, rng=0)"
    assert report.call == call
    assert report.outcome is Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_budget_is_kept_and_named(check, factor):
    """Whatever it is: f is not called more often, a right derivative never fails, and a wrong one never passes."""
    whole = check(sine, factor, method="sweep").nfev
    for budget in range(LEAST_BUDGET, whole + 1, 5):
        calls = []
        report = check(
            lambda matrix, calls=calls: sine(matrix, calls), factor, max_nfev=budget, method="sweep"
        )

        assert len(calls) == report.nfev <= budget
        assert not report.interrupted
        assert report.outcome is not (Outcome.FAIL if factor == 1.0 else Outcome.PASS)
        if report.outcome is Outcome.INCONCLUSIVE:
            text = " ".join([report.reason, *report.notes])
            assert "the budget was used up" in text or "the search ended" in text
            assert "raise max_nfev" in text
    enough, unlimited = (
        check(sine, factor, method="sweep", **budget) for budget in ({"max_nfev": whole}, {})
    )
    assert (enough.outcome, enough.wrong, enough.nfev) == (unlimited.outcome, unlimited.wrong, whole)


def test_a_budget_of_seconds_ends_a_check(monkeypatch):
    """f takes a second by a clock of the test's own: after five of them it is not called near x any more."""
    now = [0.0]
    monkeypatch.setattr("gradcheck.function.objective.time.monotonic", lambda: now[0])

    def slow(matrix):
        def f(x):
            now[0] += 1.0
            return np.sin(matrix @ x)

        return f

    report = dense(slow, 1.0, max_seconds=20.0, method="sweep")
    assert report.nfev <= 20
    assert report.outcome is Outcome.INCONCLUSIVE
    assert dense(slow, 1.0, max_seconds=100.0, method="sweep").outcome is Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_an_interruption_at_any_call_of_f_leaves_a_report(check, factor):
    """In the preflight, the noise, the evidence, its confirmation, the search: a report of what was known."""
    whole = check(sine, factor).nfev
    first = 2 if check in (forward, backward) else 1  # their first call asks for the outputs of f
    for call in range(first, whole + 1):
        calls = []
        with pytest.raises(GradientCheckInterrupted) as caught:
            check(lambda matrix, calls=calls, call=call: sine(matrix, calls, call), factor)
        report = caught.value.report
        assert len(calls) == call
        assert report.interrupted
        assert report.outcome is not Outcome.PASS
        assert report.outcome is not Outcome.FAIL or factor != 1.0
        if report.outcome is Outcome.INCONCLUSIVE:
            assert "start it again" in report.reason or "the search ended" in report.reason


def test_an_interruption_of_the_derivative_leaves_a_report_too():
    """A KeyboardInterrupt in jac at x, and in the vjp while the rows are halved."""

    def interrupting(x):
        raise KeyboardInterrupt

    with pytest.raises(GradientCheckInterrupted, match="interrupted before any entry was judged"):
        check_jacobian(sine(A), interrupting, X)

    calls = []

    def vjp(x, u):
        calls.append(1)
        if len(calls) == total:
            raise KeyboardInterrupt
        return slope(TALL, 1.5)(x).T @ u

    total = 0
    total = check_vjp(sine(TALL), vjp, np.ones(4)).ngev
    calls.clear()
    with pytest.raises(GradientCheckInterrupted) as caught:
        check_vjp(sine(TALL), vjp, np.ones(4))
    assert caught.value.report.outcome is Outcome.FAIL


@pytest.mark.parametrize("check", CHECKS)
def test_progress_is_shown_on_request_alone(check, capsys):
    """A bar on stderr, and nothing without it; the report is the same."""
    quiet = check(sine, 1.0)
    assert capsys.readouterr().err == ""
    shown = check(sine, 1.0, progress=True)
    err = capsys.readouterr().err
    assert "gradcheck" in err
    assert {**shown.to_dict(), "seconds": 0} == {**quiet.to_dict(), "seconds": 0}


@pytest.mark.parametrize("name", ["dx", "delta", "rel_step", "h"])
def test_a_step_is_no_option_and_the_error_says_why(name):
    """What other libraries ask for is chosen here."""
    with pytest.raises(TypeError, match=f"no option '{name}'.*, steps are chosen by the check; there are"):
        check_gradient(np.sum, np.ones_like, np.ones(2), **{name: 1e-6})


def test_an_option_of_another_library_is_told_what_it_is_called_here():
    """seed, eps, kwargs, a misspelling: what was meant; too many by position: which there are."""
    f, grad, x = rosen, rosen_der, np.ones(3)
    for check in (
        lambda **o: check_gradient(f, grad, x, **o),
        lambda **o: check_jacobian(grad, rosen_hess, x, **o),
        lambda **o: check_problem(f, x, jac=grad, **o),
    ):
        for name, meant in (
            ("seed", "rng"),
            ("tolerance", "rtol"),
            ("verbose", "progress"),
            ("max_nfevs", "max_nfev"),
        ):
            with pytest.raises(
                TypeError, match=rf"there is no option '{name}' \(did you mean {meant}\?\); there are"
            ):
                check(**{name: 1})
        with pytest.raises(TypeError, match=r"there is no option 'eps' .*, steps are chosen by the check"):
            check(eps=1e-6)
        with pytest.raises(TypeError, match=r"there is no option 'zzzz'; there are"):
            check(zzzz=1)
    with pytest.raises(
        TypeError, match=r"takes f, grad, x by position, x as one array .* 5 were given by position"
    ):
        check_gradient(f, grad, *x)
    with pytest.raises(TypeError, match=r"taylor_test: there is no option 'hess' \(did you mean hessian\?\)"):
        taylor_test(f, grad, x, hess=rosen_hess)


def test_an_argument_of_another_library_is_told_what_it_is_called_here():
    """SciPy has fun, jac and x0; a Jacobian is no grad."""
    f, grad, x = rosen, rosen_der, np.ones(3)
    said = r"check_gradient: there is no 'fun' \(did you mean f\?\); it takes f, grad, x, and options"
    with pytest.raises(TypeError, match=said):
        check_gradient(fun=f, jac=grad, x0=x)
    with pytest.raises(TypeError, match=r"check_gradient: there is no 'x0' \(did you mean x\?\)"):
        check_gradient(f, grad, x0=x)
    with pytest.raises(
        TypeError, match=r"check_jacobian: there is no 'grad' \(did you mean jac\?\); it takes f, jac, x"
    ):
        check_jacobian(grad, grad=rosen_hess, x=x)
    assert check_gradient(f=f, grad=grad, x=x)
    assert check_problem(fun=f, x0=x, jac=grad)


@pytest.mark.parametrize(
    ("check", "asked", "meant"),
    [
        (check_problem, "gradient", "jac"),
        (check_problem, "params", "x0"),
        (check_problem, "f", "fun"),
        (check_hessian, "gradient", "grad"),
        (derivative, "x0", "t"),
        (derivative, "fun", "phi"),
        (gradient, "theta", "x"),
        (check_points, "x", "points"),
        (check_vjp, "jacobian", "vjp"),
    ],
)
def test_what_is_meant_is_an_argument_of_this_check(check, asked, meant):
    """By what it is, not by where it comes: the derivative of a problem is third there, a slope has two arguments."""
    with pytest.raises(TypeError, match=rf"there is no '{asked}' \(did you mean {meant}\?\); it takes "):
        check(rosen, np.ones(3), **{asked: 1.0})


@pytest.mark.parametrize(
    ("check", "asked", "order"),
    [(derivative, "grad", "phi, t"), (gradient, "jac", "f, x"), (check_hessian, "f", "grad, hess, x")],
)
def test_where_no_argument_is_meant_none_is_named(check, asked, order):
    """A slope needs no derivative, a Hessian no f."""
    with pytest.raises(TypeError, match=f"there is no '{asked}'; it takes {order}, and options"):
        check(rosen, np.ones(3), **{asked: rosen_der})


def test_arguments_in_another_order_are_told_the_order():
    """x where a function is expected, and the other way round."""
    x = np.ones(3)
    with pytest.raises(
        TypeError, match="x must be numbers, not the function rosen_der: the order is f, its derivative, x"
    ):
        check_gradient(rosen, x, rosen_der)
    with pytest.raises(
        TypeError, match="x0 is the function rosen_der; derivatives are given by name, as jac=rosen_der"
    ):
        check_problem(rosen, rosen_der, x)
    with pytest.raises(TypeError, match="args is the function rosen_der; derivatives are given by name"):
        check_problem(rosen, x, rosen_der)


def test_an_outcome_equals_its_name():
    """What a person writes without the import; no other name."""
    report = check_gradient(rosen, rosen_der, np.ones(3) * 1.5)
    assert report.outcome == "PASS"
    assert report.outcome != "FAIL"
    assert report.outcome is Outcome.PASS
