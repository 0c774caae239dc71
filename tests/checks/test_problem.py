"""Whole optimisation problems, as scipy.optimize.minimize takes them."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import (
    BFGS,
    Bounds,
    LinearConstraint,
    NonlinearConstraint,
    minimize,
    rosen,
    rosen_der,
    rosen_hess,
    rosen_hess_prod,
)

from gradcheck import GradientCheckInterrupted, Outcome, check_gradient, check_problem
from gradcheck.driver.options import LEAST_BUDGET

X = np.array([0.3, -0.4, 0.8])
DISC = {
    "type": "ineq",
    "fun": lambda x, r: r - x[0] ** 2 - x[1] ** 2,
    "jac": lambda x, r: np.array([-2 * x[0], -2 * x[1], 0.0]),
    "args": (2.0,),
}


def curved(jac_factor=1.0, hess_factor=1.0):
    """Two nonlinear constraints with Jacobian and Hessian, perhaps wrong."""
    return NonlinearConstraint(
        lambda x: [x[0] * x[1], x[2] ** 3],
        -1.0,
        1.0,
        jac=lambda x: np.array([[x[1], x[0], 0.0], [0.0, 0.0, jac_factor * 3 * x[2] ** 2]]),
        hess=lambda x, v: np.array(
            [[0.0, v[0], 0.0], [v[0], 0.0, 0.0], [0.0, 0.0, hess_factor * 6 * x[2] * v[1]]]
        ),
    )


def test_everything_that_is_given_is_checked():
    """jac, hess, hessp, a dictionary and a NonlinearConstraint pass; what SciPy takes as well."""
    parts = {"jac": rosen_der, "hess": rosen_hess, "hessp": rosen_hess_prod, "bounds": Bounds(-1.0, 1.0)}
    constraints = [DISC, curved(), LinearConstraint(np.eye(3), -1, 1)]

    report = check_problem(rosen, X, constraints=constraints, **parts)

    assert report.outcome is Outcome.PASS
    assert {a.name.split(":")[0] for a in report.arrays} == {
        "jac", "hess", "hessp", "constraints[0].jac", "constraints[1].jac", "constraints[1].hess",
    }  # fmt: skip
    assert any("constraints[2] is linear" in note for note in report.notes)
    # The same arguments work there.
    assert minimize(rosen, X, jac=rosen_der, hess=rosen_hess, method="trust-constr", constraints=constraints,
                    options={"maxiter": 2}).nit == 2  # fmt: skip


@pytest.mark.parametrize(
    "change", [np.abs, np.square, np.ones_like, lambda v: np.maximum(v, 0.0), lambda v: v[::-1]]
)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_hessian_of_constraints_is_asked_for_multipliers_of_both_signs(change, m):
    """v.H with |v| in the place of v is right for positive v alone."""
    matrices = np.random.default_rng(m).normal(size=(3, 3, 3))[:m]
    matrices += matrices.transpose(0, 2, 1)

    def problem(hess):
        constraint = NonlinearConstraint(
            lambda x: np.array([x @ h @ x / 2 for h in matrices]),
            -1,
            1,
            jac=lambda x: matrices @ x,
            hess=hess,
        )
        return check_problem(rosen, X, constraints=constraint)

    assert problem(lambda x, v: np.tensordot(v, matrices, 1))
    if m > 1 or change(-np.ones(1)) != -1:  # one multiplier is the same in reversed order
        assert problem(lambda x, v: np.tensordot(change(v), matrices, 1)).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"jac": lambda x: 1.01 * rosen_der(x)}, "jac: x["),
        ({"jac": rosen_der, "hess": lambda x: 1.01 * rosen_hess(x)}, "hess: H["),
        ({"jac": rosen_der, "hessp": lambda x, p: rosen_hess(x) @ p + p}, "hessp: H["),
        ({"constraints": DISC | {"jac": lambda x, r: [-2 * x[0], 2 * x[1], 0.0]}}, "constraints[0].jac: J[0, 1]"),
        ({"constraints": (DISC, curved(jac_factor=0.5))}, "constraints[1].jac: J[1, 2]"),
        ({"constraints": curved(hess_factor=0.5)}, "constraints[0].hess: H[2, 2]"),
    ],
)  # fmt: skip
def test_a_wrong_part_is_named(parts, name):
    """Each part of a problem, wrong by itself."""
    report = check_problem(rosen, X, **parts)

    assert report.outcome is Outcome.FAIL
    assert report.wrong[0].name.startswith(name)


def test_value_and_gradient_and_args():
    """jac=True and args as SciPy passes them; a single argument needs no tuple."""

    def fun(x, a):
        return a * rosen(x), a * rosen_der(x)

    assert check_problem(fun, X, 3.0, jac=True, hess=lambda x, a: a * rosen_hess(x))
    assert not check_problem(fun, X, (3.0,), jac=True, hess=lambda x, a: rosen_hess(x))


def test_what_scipy_estimates_is_noted():
    """Strings and quasi-Newton updates hold no derivative of the user's."""
    report = check_problem(rosen, X, jac=rosen_der, hess=BFGS())

    assert report.outcome is Outcome.PASS
    assert any("hess=BFGS is estimated by SciPy" in note for note in report.notes)
    with pytest.raises(ValueError, match="nothing to check"):
        check_problem(rosen, X, jac="2-point")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jac": 3}, "jac must be a function, '2-point', '3-point', 'cs' or True, not 3"),
        ({"jac": BFGS()}, "jac must be a function, '2-point', '3-point', 'cs' or True, not <"),
        ({"jac": rosen_der, "hess": 3}, "hess must be a function, '2-point', '3-point', 'cs' or a Hessian"),
        ({"jac": rosen_der, "hess": False}, "hess must be a function"),
        ({"jac": rosen_der, "hessp": "2-point"}, "hessp must be a function, not '2-point'"),
        ({"jac": rosen_der, "hessp": BFGS()}, "hessp must be a function, not <"),
        (
            {"constraints": {"type": "eq", "fun": rosen, "jac": BFGS()}},
            r"constraints\[0\].jac must be a function, '2-point', '3-point' or 'cs', not <",
        ),
    ],
)  # fmt: skip
def test_what_scipy_does_not_take_is_refused_with_what_it_takes(given, said):
    """Of each argument its own: SciPy has no product with a Hessian by differences, and no gradient by updates."""
    with pytest.raises(ValueError, match=said):
        check_problem(rosen, X, **given)


def test_what_cannot_be_measured_is_said_in_scipys_words():
    """It is fun and jac that the caller gave; `again` and the entries have them, too."""
    said = {
        "jac: with jac=True fun must return (value, gradient); it returned ": check_problem(
            rosen, X, jac=True
        ),
        "jac: jac has shape () where x has shape ": check_problem(rosen, X, jac=lambda x: 1.0),
        "jac: fun must return one real number; it returned ": check_problem(rosen_der, X, jac=rosen_der),
    }
    for text, report in said.items():
        assert report.reason.startswith(text)
        assert "check_jacobian" not in report.reason
    constraint = {"type": "eq", "fun": lambda x: None, "jac": rosen_der}
    report = check_problem(rosen, X, constraints=constraint)
    assert report.reason.startswith("constraints[0].jac: fun must return an array")


def test_two_lists_are_two_pairs_as_scipy_reads_them():
    """Not lower and upper bounds, as `check_gradient` takes a tuple of two: f was called beyond both ends."""
    called = []

    def f(x):
        called.append(x.copy())
        return np.sum(x**3)

    assert check_problem(f, [0.5, 1.0], jac=lambda x: 3 * x**2, bounds=([0.0, 0.5], [1.0, 2.0]))
    assert (np.max(called, axis=0) <= [0.5, 2.0]).all()
    assert (np.min(called, axis=0) >= [0.0, 1.0]).all()


def test_bounds_hold_for_every_call():
    """A logarithm is never asked outside; x0 outside is moved inside, with a note."""

    def entropy(x):
        assert (x >= 1e-3).all()
        return np.sum(x * np.log(x))

    report = check_problem(
        entropy, [0.0, 0.5], jac=lambda x: np.log(x) + 1.0, bounds=[(1e-3, 1.0), (1e-3, None)]
    )

    assert report.outcome is Outcome.PASS
    assert any("moved inside" in note for note in report.notes)


def test_a_budget_is_for_the_whole_problem_and_an_interruption_leaves_what_was_known():
    """The gradient is checked, the Hessian is not; f is never called more often than allowed."""
    whole = check_problem(rosen, X, jac=rosen_der, hess=rosen_hess)
    first = check_problem(rosen, X, jac=rosen_der)
    assert whole.outcome is Outcome.PASS

    report = check_problem(rosen, X, jac=rosen_der, hess=rosen_hess, max_nfev=LEAST_BUDGET)
    assert report.nfev == first.nfev
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == (
        f"hess was not checked: of {LEAST_BUDGET} evaluations {LEAST_BUDGET - first.nfev} were left, "
        f"and a check takes at least {LEAST_BUDGET}; raise max_nfev"
    )
    assert f"max_nfev={LEAST_BUDGET}, rng=0" in report.call

    calls = []

    def interrupting(x):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return rosen_der(x)

    with pytest.raises(GradientCheckInterrupted) as caught:
        check_problem(rosen, X, jac=interrupting, hess=rosen_hess)
    report = caught.value.report
    assert report.interrupted
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("hess: ")
    assert "start it again" in report.reason
    with pytest.raises(TypeError, match="there is no option 'rtoll'"):
        check_problem(rosen, X, jac=rosen_der, rtoll=1e-3)


def test_bad_arguments_are_refused():
    """What is no function, no constraint, no bounds of this x."""
    with pytest.raises(TypeError, match="fun must be callable"):
        check_problem(3.0, X)
    with pytest.raises(TypeError, match="constraints"):
        check_problem(rosen, X, jac=rosen_der, constraints=3)
    with pytest.raises(TypeError, match=r"constraints\[0\]"):
        check_problem(rosen, X, jac=rosen_der, constraints=[3])
    with pytest.raises(ValueError, match="3 pairs"):
        check_problem(rosen, X, jac=rosen_der, bounds=[(0, 1)])


def test_one_further_argument_needs_no_tuple():
    """As in scipy.optimize.minimize, by position and by name."""
    x = np.array([0.3, -0.4])

    def fun(x, a):
        return a * x @ x

    def jac(x, a):
        return 2 * a * x

    assert check_problem(fun, x, 2.0, jac=jac).outcome is Outcome.PASS
    assert check_problem(fun, x, args=2.0, jac=jac).outcome is Outcome.PASS


@pytest.mark.parametrize("kind", ["le", "", None, 3])
def test_a_constraint_of_no_known_type_is_refused(kind):
    """SciPy knows two."""
    constraint = {"type": kind, "fun": np.sum, "jac": np.ones_like}
    with pytest.raises(ValueError, match=r"constraints\[0\]\['type'\] must be 'eq' or 'ineq', not "):
        check_problem(lambda x: x @ x, np.ones(2), jac=lambda x: 2 * x, constraints=constraint)


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("pair", [False, True])
def test_every_function_is_counted_by_itself(wrong: bool, pair: bool):
    """In the report and its JSON, as often as they were called, in whatever check that was."""
    made: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any) -> Any:
            made[name] += 1
            return function(*args)

        return counting

    fun = counted("fun", (lambda x: (rosen(x), rosen_der(x))) if pair else rosen)
    jac = True if pair else counted("jac", rosen_der)
    hess = counted("hess", lambda x: (2.0 if wrong else 1.0) * rosen_hess(x))
    circle = NonlinearConstraint(
        counted("constraints[0].fun", lambda x: x**2), 0, 1,
        jac=counted("constraints[0].jac", lambda x: np.diag(2 * x)),
        hess=counted("constraints[0].hess", lambda x, v: np.diag(2 * v)),
    )  # fmt: skip
    report = check_problem(
        fun, X, jac=jac, hess=hess, hessp=counted("hessp", rosen_hess_prod), constraints=circle
    )
    assert report.outcome is (Outcome.FAIL if wrong else Outcome.PASS)
    assert report.calls == made | ({"jac": 0} if pair else {})
    assert report.to_dict()["calls"] == report.calls
    made.clear()
    report = check_gradient(fun, jac, X, hessian=hess)
    names = {"f": made["fun"], "grad": made["jac"], "hess": made["hess"]}
    assert report.calls == names
    assert (report.nfev, report.ngev) == (names["f"], names["grad"])


def wrong_sign(x: Any) -> Any:
    """The gradient of x1^4 + .. + x1 x2 with one sign wrong."""
    return 4 * x**3 + np.array([x[1], -x[0], 0.0])


def second(x: Any) -> Any:
    """The Hessian of the same function."""
    return np.diag(12 * x**2) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]])


@pytest.mark.parametrize("jac", [wrong_sign, lambda x: wrong_sign(x) + np.array([0.0, x[1] ** 2, 0.0])])
@pytest.mark.parametrize("hess", [second, lambda x: 2.0 * second(x)])
def test_by_a_wrong_gradient_no_hessian_is_judged(jac: Any, hess: Any):
    """Right or wrong, hess and hessp are open until jac is mended: no entry of them is named, nor explained."""
    x = np.array([0.7, 1.3, 1.9])

    def fun(x: Any) -> float:
        return float(np.sum(x**4) + x[0] * x[1])

    whole = check_problem(fun, x, jac=jac, hess=hess, hessp=lambda x, v: hess(x) @ v)
    second_too = check_gradient(fun, jac, x, hessian=hess)

    for report, first, count in (
        (whole, "jac", "1 wrong, 2 undecided of 3"),
        (second_too, "gradient", "1 wrong, 1 und"),
    ):
        assert report.outcome is Outcome.FAIL
        assert count in report.reason
        assert [m.name for m in report.wrong] == [f"{first}: x[1]"]
        assert all(text.startswith(f"{first}: ") for text in report.diagnosis)
        assert (
            f"it is compared with differences of {first}, which is wrong: mend {first} and check again"
            in str(report)
        )
        assert {part.outcome for key, part in report.parts if key != first} == {Outcome.INCONCLUSIVE}
        assert json.loads(report.to_json())


def test_a_right_gradient_judges_the_hessian_and_symmetry_needs_none():
    """A wrong hess beside a right jac is named; that of a constraint goes with its own jac, not with that of fun."""
    right = check_problem(rosen, X, jac=rosen_der, hess=lambda x: 2 * rosen_hess(x))
    assert any(m.name.startswith("hess: H[") for m in right.wrong)
    other = check_problem(rosen, X, jac=lambda x: 2 * rosen_der(x), constraints=curved(hess_factor=2.0))
    assert any(m.name.startswith("constraints[0].hess: ") for m in other.wrong)
    own = check_problem(rosen, X, jac=rosen_der, constraints=curved(jac_factor=2.0))
    assert {m.name.split(":")[0] for m in own.wrong} == {"constraints[0].jac"}
    skew = check_problem(
        rosen, X, jac=lambda x: 2 * rosen_der(x), hess=lambda x: rosen_hess(x) + np.eye(3, k=1)
    )
    assert "hess is not symmetric" in str(skew)


@pytest.mark.parametrize(
    "options", [{}, {"bounds": [(0.0, None)] * 3}, {"bounds": Bounds(0.0, 2.0), "rtol": 1e-5}]
)
def test_the_call_that_repeats_a_problem_can_be_read(options: dict[str, Any]):
    """It said `bounds=bounds, bounds=...`, which no Python takes."""
    report = check_problem(rosen, np.full(3, 0.5), jac=rosen_der, **options)
    call = ast.parse(report.call, mode="eval").body
    assert isinstance(call, ast.Call)
    assert [keyword.arg for keyword in call.keywords] == ["jac", *sorted(options, reverse=True), "rng"]


def test_a_constraint_without_a_type_is_refused_as_scipy_does():
    """SciPy raises KeyError; with a type its derivative is judged."""
    x = np.array([0.3, 1.2])
    constraint = {"fun": lambda x: x[0] * x[1], "jac": lambda x: np.array([x[1], x[0]])}

    with pytest.raises(ValueError, match=r"constraints\[0\]\['type'\] must be 'eq' or 'ineq', not None"):
        check_problem(lambda x: x @ x, x, constraints=constraint)
    assert check_problem(lambda x: x @ x, x, constraints={"type": "eq"} | constraint).outcome == "PASS"


@pytest.mark.parametrize("bounds", [Bounds([0, 0], [5, 5]), Bounds([0, 0, 0, 0], 5), [(0, 5)] * 2])
def test_bounds_of_another_length_are_refused(bounds: Any):
    """With how many are needed; one number for all entries, or one for each, are taken."""
    with pytest.raises(ValueError, match=r"bounds must hold .*3"):
        check_problem(rosen, np.ones(3), jac=rosen_der, bounds=bounds)
    for fitting in (Bounds(0, 5), Bounds([0, 0, 0], [5, 5, 5]), [(0, 5)] * 3):
        assert check_problem(rosen, np.full(3, 2.0), jac=rosen_der, bounds=fitting)


@pytest.mark.parametrize("x0", [10.0, [10.0]])
def test_of_one_parameter_a_number_is_a_gradient_as_scipy_has_it(x0: Any):
    """x as (1,) and a gradient that sums over its entries; twice that is FAIL, and minimize is given the same."""
    target = np.array([1.0, 2.0])

    def fun(x: Any) -> float:
        return float(0.5 * np.sum((x - target) ** 2))

    def jac(x: Any) -> Any:
        return np.sum(x - target)

    minimize(fun, x0, jac=jac)
    right = check_problem(fun, x0, jac=jac, hess=lambda x: np.array([[2.0]]))
    assert right.outcome is Outcome.PASS
    assert check_problem(fun, x0, jac=lambda x: 2.0 * jac(x)).outcome is Outcome.FAIL
    # Of two parameters it is none.
    assert "it is one number" in check_problem(fun, [10.0, 1.0], jac=jac).reason
