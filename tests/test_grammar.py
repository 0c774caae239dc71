"""The random functions of the fuzzing compute as they say, in the precision of x."""

from __future__ import annotations

import numpy as np
import pytest
from grammar import BINARY, REDUCTIONS, UNARY, Binary, Entries, Linear, Node, Reduced, Unary

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
