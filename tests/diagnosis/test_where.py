"""Where an explanation holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck import check_gradient


def test_one_gate_of_several_arrays_is_said_once():
    """The sign of the third gate of W, U and b."""
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 8)), "U": rng.normal(size=(2, 8)), "b": rng.normal(size=8)}

    def words(change: Any) -> Any:
        def grad(p: Any) -> Any:
            return {k: change(np.cos(v)) for k, v in p.items()}

        return check_gradient(lambda p: float(sum(np.sum(np.sin(v)) for v in p.values())), grad, p).diagnosis

    gate = np.where(np.arange(8) // 2 == 2, -1.0, 1.0)
    assert words(lambda g: gate * g) == (
        'analytic = -numerical in all 12 wrong entries of params["W"], params["U"] and params["b"]: the sign',
    )
