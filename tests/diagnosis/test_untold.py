"""What is said beside the explanations of a FAIL: errors that a solver leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient

SOLVER = "a solver"


def normal(*shape: int, seed: int = 0) -> Any:
    """Numbers without any pattern."""
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_what_a_solver_leaves_in_the_only_entry_has_a_note(tol: float):
    """The right derivative of a root that an iteration leaves at 1e-3; one entry among right ones has no such note."""

    def root(x: Any, tol: float) -> float:
        u, last = 0.0, np.inf
        while abs(u - last) > tol:
            u, last = np.cos(u * 0.7 + float(x[0])), u
        return u

    def slope(x: Any) -> Any:
        u = root(x, 1e-15)
        sine = np.sin(u * 0.7 + float(x[0]))
        return np.array([-2 * u * sine / (1 + 0.7 * sine)])

    early = check_gradient(lambda x: root(x, tol) ** 2, slope, np.array([0.4]))
    among = check_gradient(
        lambda x: float(np.sum(np.sin(x))), lambda x: np.cos(x) * np.array([1.001, 1, 1]), normal(3)
    )

    assert early.outcome == "FAIL"
    assert any(SOLVER in note for note in early.notes)
    assert not any(SOLVER in note for note in among.notes)
