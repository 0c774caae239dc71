"""The random functions of the fuzzing compute as they say, in the precision of x."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.corpus.expressions import (
    BINARY,
    REDUCTIONS,
    UNARY,
    Binary,
    Entries,
    Function,
    Linear,
    Node,
    Reduced,
    Unary,
)

X = Entries("x", 3, 1.0, None)
NODES: dict[str, Node] = {
    "x": X,
    "weighted": Entries("x", 3, 1e-3, 4),
    "linear": Linear(X, 2, 1),
    **{name: Unary(name, X) for name in UNARY},
    **{name: Binary(name, X, Entries("x", 3, 0.5, None)) for name in BINARY},
    **{name: Reduced(name, X) for name in REDUCTIONS},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.complex128])
@pytest.mark.parametrize("name", NODES)
def test_values_follow_the_dtype_of_x(name, dtype):
    """Constants of double precision made most of a function in float32 compute in float64."""
    x = np.array([0.25, -0.5, 1.5], dtype)
    value, _ = NODES[name].forward({"x": x}, None, None)
    assert value.dtype == dtype


@pytest.mark.parametrize("x", [[1e7, 1e7], [1e7, -1e7], [1.0, 1.0, 1e7, 1.0, 1.0, 1e7]])
def test_a_sine_that_runs_through_many_periods_is_wild_whatever_cancels(x):
    """Where two large entries move against each other their norm does not change: one direction said calm."""
    function = Function(Unary("sin", Reduced("norm", Entries("x", len(x), 1.0, None))))
    assert not function.calm(np.array(x))
    assert function.calm(1e-6 * np.array(x))


@pytest.mark.parametrize("name", NODES)
def test_pulled_back_derivatives_are_analytic(name):
    """Hessians of the fuzzing are complex steps of gradients: the same as central differences of them, to 1e-9."""
    x, u = np.array([0.25, -0.5, 1.5], np.longdouble), np.array([0.5, 1.25, -0.75], np.longdouble)

    def pulled(at: np.ndarray) -> np.ndarray:
        gradients = {"x": np.zeros_like(at)}
        value, pull = NODES[name].forward({"x": at}, gradients, None)
        pull(u[: value.size].astype(value.dtype))
        return gradients["x"]

    for unit in np.eye(3):
        step = np.longdouble(1e-5) * unit
        differences = (pulled(x + step) - pulled(x - step)) / np.longdouble(2e-5)
        assert np.allclose(pulled(x + 1e-25j * unit).imag / 1e-25, differences, rtol=1e-8, atol=1e-8)
