"""The contract between f, grad and x: each breach is named in plain words, and what keeps it is left in peace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, Report, check_gradient

X = np.array([1.0, 2.0, 3.0])


def f(x: np.ndarray) -> float:
    """Sum of squares."""
    return float(np.sum(x**2))


def grad(x: np.ndarray) -> np.ndarray:
    """By hand."""
    return 2.0 * x


def said(report: Report) -> str:
    """All that a report says about the contract."""
    return "\n".join([report.reason, *report.notes])


def test_what_keeps_the_contract_is_not_remarked_upon():
    """A clean pair passes without a note."""
    report = check_gradient(f, grad, X)
    assert report.outcome is Outcome.PASS
    assert report.notes == ()


# x is changed.


def test_an_f_that_changes_x_is_named_with_the_entry():
    """f(x) sorts in place: nothing passes, and the entry and both values are named."""

    def sorting(x: np.ndarray) -> float:
        x.sort()
        return f(x)

    report = check_gradient(sorting, grad, X[::-1])
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == "f changes x: x[0] was 3 before the call and is 1 after it"


def test_an_f_that_restores_x_is_not_accused():
    """Changing and restoring is what the chapter's numerical gradient does."""

    def restoring(x: np.ndarray) -> float:
        x[0] += 1.0
        x[0] -= 1.0
        return f(x)

    assert said(check_gradient(restoring, grad, X)).count("changes x") == 0


def test_a_grad_that_changes_x_fails():
    """`x *= 2; return x` gives the right numbers and ruins the caller's point."""

    def in_place(x: np.ndarray) -> np.ndarray:
        x *= 2.0
        return x

    report = check_gradient(f, in_place, X)
    assert report.outcome is Outcome.FAIL
    assert report.reason == "grad changes x: x[0] was 1 before the call and is 2 after it"


def test_a_grad_that_changes_one_array_of_a_tree_is_named_there():
    """The name is that of the tree."""

    def in_place(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        p["b"][1] = 9.0
        return {"W": 2 * p["W"], "b": np.array([2.0, 2.0])}

    x = {"W": np.ones((2, 2)), "b": np.ones(2)}
    report = check_gradient(lambda p: f(p["W"]) + f(p["b"]), in_place, x)
    assert report.outcome is Outcome.FAIL
    assert 'grad changes x: params["b"][1] was 1' in report.reason


# What grad returns.


def test_a_reused_buffer_is_named():
    """The same memory at every call: right here, wrong for an optimiser that keeps it."""
    buffer = np.empty(3)

    def reusing(x: np.ndarray) -> np.ndarray:
        buffer[:] = 2.0 * x
        return buffer

    report = check_gradient(f, reusing, X)
    assert report.outcome is Outcome.PASS
    assert "same buffer at every call" in said(report)


def test_a_reused_buffer_is_judged_by_what_it_held_after_the_first_call():
    """A buffer that accumulates is right once and wrong ever after: it fails."""
    buffer = np.zeros(3)

    def accumulating(x: np.ndarray) -> np.ndarray:
        buffer[:] += 2.0 * x
        return buffer

    report = check_gradient(f, accumulating, X)
    assert report.outcome is Outcome.FAIL
    assert "grad differs between two calls" in said(report)


def test_a_view_of_x_is_named():
    """The gradient of |x|^2 / 2 is x, but it must not be x itself."""
    report = check_gradient(lambda x: f(x) / 2, lambda x: x[:], X)
    assert report.outcome is Outcome.PASS
    assert "view of x" in said(report)
    copied = check_gradient(lambda x: f(x) / 2, lambda x: x.copy(), X)
    assert copied.notes == ()


def test_a_gradient_that_differs_between_two_calls_fails():
    """Dropout left on in the backward pass."""
    calls = []

    def random(x: np.ndarray) -> np.ndarray:
        calls.append(1)
        return 2.0 * x * len(calls)

    report = check_gradient(f, random, X)
    assert report.outcome is Outcome.FAIL
    assert "grad differs between two calls at the same x" in said(report)


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        (X[:, None], "grad has shape (3, 1) where x has shape (3,)"),
        (X[:2], "grad has shape (2,) where x has shape (3,)"),
        (2.0, "grad has shape () where x has shape (3,)"),
        (X[None, :], "grad has shape (1, 3) where x has shape (3,)"),
        ({"x": X}, "grad is a dict with keys ['x'] where x is one array"),
        (2 * X + 0j, "grad is complex (complex128) where x is real (float64)"),
        (None, "grad holds object (NoneType); real or complex numbers are needed"),
        (np.array(["2", "4", "6"]), "grad holds <U1 (ndarray); real or complex numbers are needed"),
        ([[1.0, 2.0], [3.0]], "grad cannot be read as an array"),
        (lambda: X, "grad holds object (function); real or complex numbers are needed"),
    ],
    ids=["column", "short", "scalar", "row", "dict", "complex", "None", "strings", "ragged", "function"],
)
def test_a_gradient_of_another_kind_fails_and_is_described(gradient, words):
    """(n, 1) for (n,) broadcasts elsewhere; here it is refused in one line, without an exception."""
    report = check_gradient(f, lambda x: gradient, X)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith(words)


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        ({"W": np.ones((2, 2))}, 'lacks params["b"]'),
        ({"W": np.ones((2, 2)), "b": np.ones(2), "c": 1.0}, 'has params["c"] which x has not'),
        ({"w": np.ones((2, 2)), "b": np.ones(2)}, 'lacks params["W"] and has params["w"] which x has not'),
        ([np.ones((2, 2)), np.ones(2)], 'lacks params["W"], params["b"]'),
        (np.ones(6), "another structure"),
        (
            {"W": np.ones((2, 2)), "b": np.ones((2, 1))},
            'grad has shape (2, 1) where params["b"] has shape (2,)',
        ),
        ({"W": np.ones((2, 2)), "b": None}, "grad holds object (NoneType)"),
    ],
    ids=["missing", "surplus", "renamed", "list", "flat", "shape", "None inside"],
)
def test_a_gradient_of_another_structure_fails_and_the_place_is_named(gradient, words):
    """The first place where the trees differ."""
    x = {"W": np.ones((2, 2)), "b": np.ones(2)}
    report = check_gradient(lambda p: f(p["W"]) + f(p["b"]), lambda p: gradient, x)
    assert report.outcome is Outcome.FAIL
    assert words in report.reason


def test_the_structure_of_x_in_another_container_order_is_right():
    """Dictionaries are matched by key, not by order."""
    x = {"W": np.ones((2, 2)), "b": np.ones(2)}
    report = check_gradient(
        lambda p: f(p["W"]) + 3 * f(p["b"]), lambda p: {"b": 6 * p["b"], "W": 2 * p["W"]}, x
    )
    assert report.outcome is Outcome.PASS


def test_an_integer_gradient_is_named():
    """Fractions may have been cut off: right values pass with a note, cut ones fail."""
    right = check_gradient(f, lambda x: (2 * x).astype(int), X)
    assert right.outcome is Outcome.PASS
    assert "grad returns int64: fractions may have been cut off" in said(right)
    assert check_gradient(f, lambda x: (2 * x).astype(int), X + 0.3).outcome is Outcome.FAIL


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_fails_with_the_entry(value):
    """How many, which is the first, and what it is."""
    bad = np.array([2.0, value, value])
    report = check_gradient(f, lambda x: bad, X)
    assert report.outcome is Outcome.FAIL
    assert f"grad is not finite in 2 of 3 entries: x[1] is {value}" in said(report)
    assert {m.name for m in report.wrong} >= {"x[1]", "x[2]"}


# What f returns.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_f_that_is_not_finite_at_x_has_no_derivative(value):
    """INCONCLUSIVE: the gradient is not to blame."""
    report = check_gradient(lambda x: value, grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == f"f(x) is {value}: there is no derivative to compare with"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (X, "ndarray of shape (3,) and dtype float64"),
        (None, "None"),
        ("3", "'3'"),
        (1j, "1j"),
        ([1.0, 2.0], "[1.0, 2.0]"),
        ((3.0, X), "a tuple of 2 (for a pair of value and gradient pass grad=True)"),
    ],
    ids=["vector", "None", "string", "complex", "list", "pair"],
)
def test_an_f_that_returns_no_number_is_described(value, words):
    """What came back, and for a pair what to do."""
    report = check_gradient(lambda x: value, grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == f"f must return one real number; it returned {words}"


@pytest.mark.parametrize(
    "as_what", [np.float64, np.float32, np.array, lambda v: np.array([v]), lambda v: np.array([[v]])]
)
def test_one_number_in_any_wrapping_is_a_number(as_what: Callable[[float], Any]):
    """NumPy scalars and arrays of one entry are what many losses return."""
    assert check_gradient(lambda x: as_what(f(x)), grad, X).outcome is Outcome.PASS


def test_an_f_that_differs_between_two_calls_decides_nothing():
    """Dropout or a random batch: both values and the remedy are named."""
    rng = np.random.default_rng(0)
    report = check_gradient(lambda x: f(x) + 1e-3 * rng.normal(), grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("f differs between two calls at the same x: 14.0")
    assert report.reason.endswith("fix its random seed")


def test_an_f_that_differs_in_its_last_digits_passes_with_a_note():
    """A parallel sum adds in another order each time: 1e-13 of its value is no randomness."""
    rng = np.random.default_rng(0)
    report = check_gradient(lambda x: f(x) * (1 + 1e-13 * rng.normal()), grad, X)
    assert report.outcome is Outcome.PASS
    assert "f differs between two calls" in said(report)


@pytest.mark.parametrize("value", [3.0, 0.0, -1e300])
def test_an_f_that_does_not_depend_on_x_decides_nothing(value):
    """A zero gradient would be right, if f was meant to be constant: nobody can tell."""
    report = check_gradient(lambda x: value, lambda x: 0 * x, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("f does not depend on x at all")


def test_an_f_that_depends_on_one_entry_alone_does_depend_on_x():
    """A zero column of the gradient is verified beside another entry."""
    report = check_gradient(lambda x: x[0] ** 2, lambda x: np.array([2 * x[0], 0.0, 0.0]), X)
    assert report.outcome is Outcome.PASS
    wrong = check_gradient(lambda x: x[0] ** 2, lambda x: np.array([2 * x[0], 0.1, 0.0]), X)
    assert [m.name for m in wrong.wrong] == ["x[1]"]


def test_an_f_that_is_defined_at_x_alone_decides_nothing():
    """Every point around x raises: that is said, rather than that f is constant."""

    def brittle(x: np.ndarray) -> float:
        if (x != X).any():
            raise ValueError("not on the grid")
        return 1.0

    report = check_gradient(brittle, lambda x: 0 * x, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "raises or is not finite at every point around x" in report.reason


# value_and_grad.


def test_a_value_and_grad_is_taken_apart():
    """grad=True, in SciPy's sense of jac=True: right passes, wrong does not."""
    assert check_gradient(lambda x: (f(x), grad(x)), True, X).outcome is Outcome.PASS
    assert check_gradient(lambda x: (f(x), 1.01 * grad(x)), True, X).outcome is Outcome.FAIL


@pytest.mark.parametrize("result", [14.0, (14.0, X, 1), None, X], ids=["float", "triple", "None", "array"])
def test_grad_true_needs_a_pair(result):
    """What f returned instead is shown."""
    report = check_gradient(lambda x: result, True, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("with grad=True f must return (value, gradient); it returned ")


def test_a_grad_that_returns_its_own_value_must_return_that_of_f():
    """f without the regulariser, value_and_grad with it: two different functions."""
    same = check_gradient(f, lambda x: (f(x), grad(x)), X)
    assert same.outcome is Outcome.PASS
    other = check_gradient(f, lambda x: (f(x) + 0.5, grad(x)), X)
    assert other.outcome is Outcome.FAIL
    assert other.reason == (
        "f(x) is 14 but grad returns the value 14.5 with its gradient: two different functions"
    )


def test_a_gradient_that_is_a_pair_is_not_taken_for_value_and_grad():
    """X is a pair of a scalar and an array, and so is its gradient."""
    x = (2.0, np.ones(3))
    report = check_gradient(lambda p: p[0] ** 2 + f(p[1]), lambda p: (2 * p[0], 2 * p[1]), x)
    assert report.outcome is Outcome.PASS


def test_an_unjudgeable_f_is_not_called_again():
    """After a final finding no further evaluation is spent."""
    report = check_gradient(lambda x: np.nan, grad, X)
    assert report.nfev == 2
