"""What is said beside the explanations of a FAIL: errors that are the same beside x, and those that a solver leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient

LINEAR = "is the same beside x: a term linear in x is left out"
SOLVER = "a solver"


def normal(*shape: int, seed: int = 0) -> Any:
    """Numbers without any pattern."""
    return np.random.default_rng(seed).normal(size=shape)


def same(report: Any) -> bool:
    """Whether the notes say that errors are the same beside x."""
    return any(LINEAR in note for note in report.notes)


def softmax(z: Any) -> Any:
    """Probabilities of each row."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_labels_that_are_wrong_are_off_by_the_same_beside_x(n: int):
    """A one-hot in the next column, and labels left out; probabilities of another temperature change with x."""
    z, labels = normal(n, 4), np.eye(4)[np.arange(n) % 4]

    def f(z: Any) -> float:
        return float(np.sum(np.log(np.exp(z).sum(axis=1)) - np.sum(labels * z, axis=1)))

    assert same(check_gradient(f, lambda z: softmax(z) - np.roll(labels, 1, axis=1), z))
    assert same(check_gradient(f, lambda z: softmax(z) - np.eye(4)[np.arange(n) % 3], z))
    assert not same(check_gradient(f, lambda z: softmax(0.9 * z) - labels, z))
    assert not check_gradient(f, lambda z: softmax(z) - labels, z).notes


def test_a_load_of_the_other_sign_is_off_by_the_same_beside_x():
    """1/2 u.K u - F.u with + F, of a K that bends f; what is linear in f itself is told from nothing."""
    k, load, u = normal(6, 6), normal(6, seed=1), normal(6, seed=2)
    k = k @ k.T
    wrong = check_gradient(lambda u: float(u @ k @ u / 2 - load @ u), lambda u: k @ u + load, u)
    stiff = check_gradient(
        lambda u: float(u @ k @ u / 2 - load @ u), lambda u: (k + np.diag(load)) @ u - load, u
    )
    straight = check_gradient(lambda u: float(load @ u), lambda u: load[::-1] * np.arange(1, 7), u)

    assert wrong.diagnosis == ()
    assert same(wrong)
    assert not same(stiff)
    assert not same(straight)


def test_the_arrays_that_have_other_words_are_left_out():
    """A log sigma that is left out beside a factor 2; beside another sigma it changes with x."""
    p = {"b": normal(5), "ls": np.array([0.3, -0.2, 0.4])}

    def f(p: Any) -> float:
        return float(
            np.sum(np.sin(p["b"]))
            + np.sum(p["ls"] * np.array([1.0, 2.0, 5.0]))
            + np.sum(np.exp(-2 * p["ls"]))
        )

    def said(change: Any) -> Any:
        def grad(p: Any) -> Any:
            return {"b": 2 * np.cos(p["b"]), "ls": change(p["ls"])}

        return check_gradient(f, grad, p)

    left_out = said(lambda ls: -2 * np.exp(-2 * ls))
    assert any(note.startswith('what params["ls"] is off by') for note in left_out.notes)
    assert "a factor 2 too many" in left_out.diagnosis[0]
    assert not same(said(lambda ls: -2 * np.exp(-2 * ls) + np.sinh(ls)))


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
