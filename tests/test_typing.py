"""What a type checker makes of a user's script: right calls are right, and a misspelt option is an error."""

import subprocess
import sys

USER = """
import numpy as np
from numpy.typing import NDArray

import gradcheck
from gradcheck.pytest_plugin import Checker

Array = NDArray[np.float64]


def f(x: Array) -> float:
    return float(np.sum(x**3))


def grad(x: Array) -> Array:
    return 3 * x**2


def jac(x: Array) -> Array:
    return np.diag(6 * x)


x = np.array([1.0, 2.0])
report: gradcheck.Report = gradcheck.check_gradient(f, grad, x, rtol=1e-6, bounds=[(0, None)] * 2, n_jobs=1)
if report.outcome == "PASS" and report.certificate is not None:
    print(report.certificate.confidence, report.to_json())
gradcheck.assert_gradient(f, grad, x, method="complex", args=(), subgradient=True)
gradcheck.check_jacobian(grad, jac, x, rtol=1e-5)
estimate: gradcheck.Estimate = gradcheck.derivative(np.sin, 1.0)


def test_it(gradcheck: Checker) -> None:
    gradcheck(f, grad, x, rtol=1e-6).nfev
    gradcheck.check_jacobian(grad, jac, x, rtol=1e-5)
"""
MISSPELT = (
    "gradcheck.check_gradient(f, grad, x, rtoll=1e-6)",
    "gradcheck.assert_gradient(f, grad, x, seed=1)",
    "gradcheck.check_jacobian(grad, jac, x, rtoll=1e-5)",
    "gradcheck.check_gradiant(f, grad, x)",
    "check(f, grad, x, seed=1)",
    "check.check_jacobian(grad, jac, x, rtoll=1e-5)",
)


def test_a_users_script_is_typed(tmp_path):
    """mypy --strict: no error in the script, and one for each call that is misspelt."""
    wrong = [
        *USER.splitlines(),
        "",
        "",
        "def test_wrong(check: Checker) -> None:",
        *(f"    {c}" for c in MISSPELT),
    ]
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "wrong.py").write_text("\n".join(wrong) + "\n")

    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path / "cache"),
        "user.py",
        "wrong.py",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    errors = [line for line in result.stdout.splitlines() if ": error: " in line]
    first = len(wrong) - len(MISSPELT) + 1
    assert [line.split(":")[:2] for line in errors] == [
        ["wrong.py", str(first + k)] for k in range(len(MISSPELT))
    ]
    assert "Traceback" not in result.stdout + result.stderr
