"""Where an explanation holds: each third entry of a vector, all outside of a block, a column of several arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient


def said(shape: Any, change: Any, seed: int = 0) -> Any:
    """What is said of the gradient of a sum of sines and fourth powers once it is changed."""
    a, x = np.random.default_rng(seed).normal(size=(2, *shape))

    def grad(x: Any) -> Any:
        return change(a * np.cos(x) + x**3)

    return check_gradient(lambda x: float(np.sum(a * np.sin(x) + x**4 / 4)), grad, x).diagnosis


THIRD = np.arange(15) % 3 == 2


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (np.where(THIRD, -1.0, 1.0), "analytic = -numerical in x[2::3]: the sign"),
        (np.where(THIRD, np.pi / 180, 1.0), "analytic = pi/180 x numerical in x[2::3]: radians for degrees?"),
        (np.where(THIRD, 0.0, 1.0), "analytic is 0 in x[2::3], numerical is not: a term is missing"),
        (
            np.where(THIRD & (np.arange(15) < 10), 2.0, 1.0),
            "analytic = 2 x numerical in x[2:9:3]: a factor 2 too many",
        ),
        # What is wrong in places of no order has none.
        (
            np.where(np.isin(np.arange(15), [1, 4, 6, 11]), -1.0, 1.0),
            "analytic = -numerical in all 4 wrong entries of x: the sign",
        ),
    ],
)
def test_one_of_several_unknowns_in_turn_is_a_slice_with_a_step(times: Any, words: str):
    """The angles of poses x, y, theta in one vector; a column of a matrix that was made flat."""
    assert said((15,), lambda g: times * g) == (words,)


def test_a_right_entry_in_between_makes_no_slice():
    """x[5] is right: the others of x[2::3] are counted."""
    times = np.where(THIRD, -1.0, 1.0)
    times[5] = 1.0

    assert said((15,), lambda g: times * g) == (
        "analytic = -numerical in all 4 wrong entries of x: the sign",
    )


@pytest.mark.parametrize(
    ("shape", "inner", "words"),
    [
        ((12,), (slice(2, 10),), "the entries outside x[2:10]"),
        ((5, 4), (slice(1, 4), slice(1, 3)), "the entries outside x[1:4, 1:3]"),
        ((4, 5), (slice(1, 4), slice(1, 5)), "the entries outside x[1:4, 1:5]"),
        ((2, 3, 3), (slice(0, 2), slice(1, 3), slice(1, 3)), "the entries outside x[:, 1:3, 1:3]"),
    ],
)
def test_a_border_is_all_outside_of_a_block(shape: Any, inner: Any, words: str):
    """Boundary nodes, padding, the first row and column: 0, or of another sign; one that is right there makes none."""
    outer = np.ones(shape, bool)
    outer[inner] = False
    right = outer.copy()
    right[(0,) * len(shape)] = False

    assert said(shape, lambda g: np.where(outer, 0.0, g)) == (
        f"analytic is 0 in {words}, numerical is not: a term is missing",
    )
    assert said(shape, lambda g: np.where(outer, -g, g)) == (f"analytic = -numerical in {words}: the sign",)
    assert "outside" not in said(shape, lambda g: np.where(right, -g, g))[0]


def test_one_gate_of_each_array_is_said_by_its_place():
    """The sign of the third gate of W, U and b; entries here and there are counted."""
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 8)), "U": rng.normal(size=(2, 8)), "b": rng.normal(size=8)}

    def words(change: Any) -> Any:
        def grad(p: Any) -> Any:
            return {k: change(np.cos(v)) for k, v in p.items()}

        return check_gradient(lambda p: float(sum(np.sum(np.sin(v)) for v in p.values())), grad, p).diagnosis

    gate = np.where(np.arange(8) // 2 == 2, -1.0, 1.0)
    assert words(lambda g: gate * g) == tuple(
        f"analytic = -numerical in {place}: the sign"
        for place in ('params["W"][:, 4:6]', 'params["U"][:, 4:6]', 'params["b"][4:6]')
    )
    scattered = np.where(np.isin(np.arange(8), [0, 1, 4, 7]), -1.0, 1.0)
    assert words(lambda g: g * (scattered if g.ndim == 1 else gate)) == (
        'analytic = -numerical in all 14 wrong entries of params["W"], params["U"] and params["b"]: the sign',
    )
