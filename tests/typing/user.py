"""A user's script, for type checkers: right calls are right, and each that is misspelt is an error.

`mypy --strict` of .ci/run reads it; pyright 1.1.414 in strict mode, with reportUnnecessaryTypeIgnoreComment, says the
same. An ignore that silences nothing is an error to both, so that each misspelt call below must be one.
"""

import numpy as np
from numpy.typing import NDArray

import gradcheck
from gradcheck.pytest_plugin import Checker

Array = NDArray[np.float64]


def f(x: Array) -> float:
    """The sum of cubes."""
    return float(np.sum(x**3))


def grad(x: Array) -> Array:
    """Its gradient."""
    return 3 * x**2


def jac(x: Array) -> Array:
    """The Jacobian of that."""
    return np.diag(6 * x)


x = np.array([1.0, 2.0])
report: gradcheck.Report = gradcheck.check_gradient(f, grad, x, rtol=1e-6, bounds=[(0, None)] * 2, n_jobs=1)
if report.outcome == "PASS" and report.certificate is not None:
    print(report.certificate.confidence, report.to_json())
gradcheck.assert_gradient(f, grad, x, method="complex", args=(), subgradient=True)
gradcheck.check_jacobian(grad, jac, x, rtol=1e-5)
estimate: gradcheck.Estimate = gradcheck.derivative(np.sin, 1.0)


def with_the_fixture(gradcheck: Checker) -> None:
    """A test's body."""
    print(gradcheck(f, grad, x, rtol=1e-6).nfev)
    gradcheck.check_jacobian(grad, jac, x, rtol=1e-5)


def misspelt(check: Checker) -> None:
    """Never called."""
    gradcheck.check_gradient(f, grad, x, rtoll=1e-6)  # type: ignore[call-arg]
    gradcheck.assert_gradient(f, grad, x, seed=1)  # type: ignore[call-arg]
    gradcheck.check_jacobian(grad, jac, x, rtoll=1e-5)  # type: ignore[call-arg]
    gradcheck.check_gradiant(f, grad, x)  # type: ignore[attr-defined]
    check(f, grad, x, seed=1)  # type: ignore[call-arg]
    check.check_jacobian(grad, jac, x, rtoll=1e-5)  # type: ignore[call-arg]
    gradcheck.check_points(f, grad, [x], rtoll=1e-5)  # type: ignore[call-arg]
    gradcheck.check_problem(f, x, jac=grad, rtoll=1e-5)  # type: ignore[call-arg]
    gradcheck.power(f, grad, x, rtoll=1e-5)  # type: ignore[call-arg]
    gradcheck.check_gradient(f, grad, x, method="swep")  # type: ignore[arg-type]
