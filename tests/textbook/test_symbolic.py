"""SymPy beside the other references of the chapter's cases, where it is installed."""

from pathlib import Path

import numpy as np
import pytest

from gradcheck.cases import Context, discover, run_case
from gradcheck.results.outcome import Outcome
from reference import analytic, symbolic

CASES = Path(__file__).parents[2] / "cases"
NAMES = (
    "numerical_diff",
    "partial_derivatives",
    "gradients",
    "sum_squares_error",
    "cross_entropy",
    "sigmoid",
    "simple_net",
)

pytest.importorskip("sympy", reason="SymPy is not installed")


@pytest.mark.parametrize("name", NAMES)
def test_a_case_has_a_column_by_sympy_which_passes(name, tmp_path):
    """The derivative by rule is one of the references, and the chapter's difference lies within its tolerance."""
    (loaded,) = discover([CASES / f"{name}.py"])
    rows = [row for row in run_case(loaded, Context(workdir=tmp_path)).rows if row.reference == "SymPy"]

    assert rows
    assert all(row.outcome is Outcome.PASS for row in rows)


def test_another_formula_has_another_gradient():
    """1 - y^2 is the slope of the hyperbolic tangent, not of the logistic function: the column can fail."""
    a = np.array([[-1.0, 0.5], [2.0, 0.0]])

    def total(activation):
        return symbolic.gradient(lambda symbols: sum(map(activation, symbols.flat)), a)

    right = total(lambda one: 1 / (1 + symbolic.exp(-one)))
    wrong = total(lambda one: 2 / (1 + symbolic.exp(-2 * one)) - 1)

    np.testing.assert_allclose(
        right, analytic.sigmoid_derivative(a), rtol=1e-14
    )  # some units in the last place
    assert np.all(np.abs(wrong - right) > 0.03)
