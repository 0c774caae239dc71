"""The contract between f, grad and x: each breach is named in plain words, and what keeps it is left in peace."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

from gradcheck import Outcome, Report, check_gradient, check_jacobian, check_jvp, taylor_test
from gradcheck.driver.prepare import inspect_noise
from gradcheck.function.contract import Inspection, gradient_at, inspect, inspect_again, is_pair
from gradcheck.function.objective import Objective
from gradcheck.numerics.outputs import Noise
from gradcheck.parameters.tree import Parameters
from gradcheck.results.finding import Finding
from gradcheck.results.verdict import Tolerance

X = np.array([1.0, 2.0, 3.0])
ELSEWHERE = "for a function of several outputs there is check_jacobian; the order is f, its derivative, x"


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


@pytest.mark.parametrize("with_gradient", [False, True])
def test_an_f_or_grad_that_changes_the_structure_of_x_is_named(with_gradient):
    """A key taken out, an array of another shape, something that is no number: said in words, not raised."""
    x = {"W": np.ones((2, 2)), "b": np.ones(2)}

    def spoiling(how: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def spoilt(p: dict[str, Any]) -> Any:
            value, gradient = f(p["W"]) + f(p["b"]), {"W": 2 * p["W"], "b": 2 * p["b"]}
            how(p)
            return (value, gradient) if with_gradient else value

        return spoilt

    cases = {
        'it has another structure than x: it lacks params["b"]': lambda p: p.pop("b"),
        'it has shape (2, 1) where params["b"] has shape (2,)': lambda p: p.update(b=p["b"][:, None]),
        "it is None; real or complex numbers are needed": lambda p: p.update(b=None),
    }
    for words, how in cases.items():
        grad = True if with_gradient else lambda p: {"W": 2 * p["W"], "b": 2 * p["b"]}
        report = check_gradient(spoiling(how), grad, x)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert report.reason == f"f changes x: after the call {words}"

    def popping(p: dict[str, Any]) -> dict[str, Any]:
        return {"W": 2 * p["W"], "b": 2 * p.pop("b")}

    report = check_gradient(lambda p: f(p["W"]) + f(p["b"]), popping, x)
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith("grad changes x: after the call it has another structure than x")


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


@pytest.mark.parametrize("kept", [slice(None), slice(1, 2), None])
def test_a_buffer_is_named_where_grad_keeps_a_part_of_it(kept: slice | None):
    """What nobody keeps is no buffer, wherever the next array may lie in memory."""
    held: list[np.ndarray] = []

    def grad(x: np.ndarray) -> np.ndarray:
        fresh = 2.0 * x
        if kept is None:
            return fresh
        if not held:
            held.append(fresh[kept])
            return fresh
        return np.ndarray(3, buffer=held[0].base)

    report = check_gradient(f, grad, X)
    assert report.outcome is Outcome.PASS
    assert ("same buffer at every call" in said(report)) == (kept is not None)


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
        (None, "grad is None; real or complex numbers are needed"),
        (np.array(["2", "4", "6"]), "grad holds <U1 (ndarray); real or complex numbers are needed"),
        ([[1.0, 2.0], [3.0]], "grad: list cannot be read as an array"),
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
        ({"W": np.ones((2, 2)), "b": None}, "grad is None"),
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
        (X, f"ndarray of shape (3,) and dtype float64; {ELSEWHERE}"),
        (None, "None"),
        ("3", "'3'"),
        (1j, "1j"),
        ([1.0, 2.0], f"[1.0, 2.0]; {ELSEWHERE}"),
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
    report = check_gradient(lambda x: f(x) + rng.normal(), grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("f differs between two calls at the same x: 1")
    assert report.reason.endswith("fix its random seed")


@pytest.mark.parametrize("offset", [0.0, -14.0, 1e3])
@pytest.mark.parametrize(("noise", "decides"), [(1e-5, True), (1.0, False)])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_noise_is_measured_beside_what_f_changes_by_however_small_f_is(offset, noise, decides, n):
    """Of a gradient of the wrong sign 1e-5 hides nothing, be f 14, 0 or 1e3; noise as large as what f changes by does.

    A right one is never wrong.
    """
    x = np.resize(X, n)
    shift = offset if offset != -14.0 else -f(x)
    for seed in range(5):
        rng = np.random.default_rng(seed)

        def drawn(x, rng=rng):
            return f(x) + shift + noise * rng.normal()

        assert check_gradient(drawn, grad, x, rng=seed).outcome is not Outcome.FAIL
        wrong = check_gradient(drawn, lambda x: -grad(x), x, rng=seed)
        assert wrong.outcome is (Outcome.FAIL if decides else Outcome.INCONCLUSIVE)


def test_f_is_not_called_outside_its_bounds_to_see_what_it_changes_by():
    """Beside x, where it differs from call to call, but within them."""
    seen, rng = [], np.random.default_rng(0)

    def drawn(x):
        seen.append(x.copy())
        return f(x) + 1e-5 * rng.normal()

    report = check_gradient(drawn, lambda x: -grad(x), X, bounds=(X, X + 1e-2), method="sweep")
    assert report.outcome is Outcome.FAIL
    assert all(((x >= X) & (x <= X + 1e-2)).all() for x in seen)


def test_an_f_whose_values_come_round_is_told_by_more_calls():
    """A loader of two batches: seen by the second call at once, or by one that is made later."""
    text = "f differs between two calls at the same x: 14 and 15; it comes round every 2 calls: "
    for looked_at in (lambda f: inspected(f, grad).findings, lambda f: once(f, grad)[2]):
        batches = itertools.cycle([14.0, 15.0])
        (finding,) = looked_at(lambda x, batches=batches: next(batches))
        assert finding.text.startswith(text)
        assert finding.final


def test_an_f_that_differs_in_its_last_digits_passes_with_a_note():
    """A parallel sum adds in another order each time: 1e-13 of its value is no randomness."""
    rng = np.random.default_rng(0)
    report = check_gradient(lambda x: f(x) * (1 + 1e-13 * rng.normal()), grad, X)
    assert report.outcome is Outcome.PASS
    assert "f differs between two calls" in said(report)


@pytest.mark.slow
@pytest.mark.parametrize("level", [1e-9, 1e-8, 1e-7])
@pytest.mark.parametrize("seed", range(3))
def test_fresh_noise_is_measured_and_decides_what_it_can(level, seed):
    """Another number at every call, a right gradient and Jacobian are never FAIL, a factor of 1.1 and -1 mostly are."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(5, 8)), rng.normal(size=8)
    slopes = (1 - np.tanh(a @ x / 3) ** 2)[:, None] * a / 3

    def noisy(x):
        return np.tanh(a @ x / 3) * (1 + level * rng.uniform(-1, 1, 5))

    outcomes = {
        factor: [
            check_jacobian(noisy, factor * slopes, x).outcome,
            check_gradient(lambda x: noisy(x).sum(), factor * slopes.sum(0), x).outcome,
        ]
        for factor in (1.0, 1.1, -1.0)
    }
    assert Outcome.FAIL not in outcomes[1.0]
    assert Outcome.PASS not in outcomes[1.1] + outcomes[-1.0]
    if level < 1e-7:
        assert set(outcomes[1.1] + outcomes[-1.0]) == {Outcome.FAIL}
        assert Outcome.PASS in outcomes[1.0]


@pytest.mark.parametrize("value", [3.0, 0.0, -1e300])
def test_an_f_that_does_not_depend_on_x_decides_nothing(value):
    """A zero gradient would be right, if f was meant to be constant: nobody can tell."""
    report = check_gradient(lambda x: value, lambda x: 0 * x, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("f does not depend on x at all")


@pytest.mark.parametrize(
    ("value", "slope", "outcome"),
    [
        (3.0, 1.0, Outcome.FAIL),
        (3.0, 1e-3, Outcome.INCONCLUSIVE),  # of a bounded function, and to whole numbers, it may be rounded
        (0.0, 1.0, Outcome.INCONCLUSIVE),  # 0 may be rounded from anything
        (np.pi, 1e-3, Outcome.FAIL),  # with all its digits
        (np.pi, 1e-14, Outcome.INCONCLUSIVE),  # by less than a rounding
        (np.nan, 1.0, Outcome.INCONCLUSIVE),
    ],
)
def test_a_constant_f_that_is_claimed_to_change_is_refused_where_rounding_cannot_explain_it(
    value, slope, outcome
):
    """As a gradient and as a Jacobian."""
    report = check_gradient(lambda x: value, lambda x: 0 * x + slope, X)
    rows = check_jacobian(lambda x: np.full(2, value), lambda x: np.full((2, X.size), slope), X)
    assert (report.outcome, rows.outcome) == (outcome, outcome)
    if outcome is Outcome.FAIL:
        assert "it is claimed to change by" in report.reason


def test_a_rectifier_whose_units_are_all_off_is_flat_at_x():
    """A backward that forgets the mask is wrong there; one in steps of whole numbers may be right elsewhere."""
    weights = np.random.default_rng(0).normal(size=(4, X.size))

    def off(x: np.ndarray) -> float:
        return float(np.maximum(weights @ x - 20.0, 0.0).sum())

    assert check_gradient(off, lambda x: weights.sum(0), X).reason.startswith(
        "f is flat at x: it is 0 at all points"
    )
    assert check_gradient(off, lambda x: 0 * x, X).outcome is Outcome.INCONCLUSIVE
    steps = check_gradient(lambda x: float(np.round(x.sum() + 0.2)), lambda x: np.ones(X.size), X)
    assert steps.outcome is Outcome.INCONCLUSIVE


def test_an_entry_far_below_its_scale_was_not_moved_by_it():
    """Found by random functions: of x = [1e12, 1e3, 1e-13] the last is moved by 1e-7, and has a scale of 50."""

    def f(x: np.ndarray) -> np.ndarray:
        return np.array([2.598076211353316 + 1e-10 * x[2], -1.3])

    x = np.array([9.9e11, 1.35e3, -1e-13])
    slopes = np.array([[0.0, 0.0, 1e-10], [0.0, 0.0, 0.0]])
    assert check_jvp(f, lambda x, v: slopes @ v, x).outcome is not Outcome.FAIL


def test_a_bounded_function_below_its_rounding_is_no_constant_that_is_claimed_to_change():
    """1000 + 1e-3 / (1 + u^2) in eight digits, found by random functions: its right gradient is nothing wrong."""

    def f(x: np.ndarray) -> float:
        return float(f"{1000.0 + 1e-3 / (1.0 + (x @ x + x.sum()) ** 2):.7e}")

    def grad(x: np.ndarray) -> np.ndarray:
        u = x @ x + x.sum()
        return -2e-3 * u / (1.0 + u**2) ** 2 * (2.0 * x + 1.0)

    assert check_gradient(f, grad, np.array([1.0, -3.0])).outcome is Outcome.INCONCLUSIVE


def test_of_an_f_that_is_0_to_rounding_the_rest_is_no_mistake():
    """log(1 + exp(-40)) is 0 in doubles, and has a slope of -4e-18; farther away it is 40."""
    x = np.full(3, 40.0 / 3.0)
    report = check_gradient(
        lambda x: float(np.log(1.0 + np.exp(-x.sum()))), lambda x: np.full(3, -np.exp(-x.sum())), x
    )
    assert report.outcome is not Outcome.FAIL


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
    said = "f raises or is not finite (ValueError: not on the grid) at every point around x: there is no derivative"
    assert report.reason.startswith(said)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("method", ["auto", "sweep", "directions"])
def test_what_f_raises_first_near_x_is_shown(method: Any, n_jobs: int | None):
    """Type and text, of one output and of many, also from workers; a nan has neither."""

    def only_at_x(function: Callable[..., Any], raises: bool = True) -> Callable[..., Any]:
        calls: list[int] = []

        def near_x(x: np.ndarray) -> Any:
            if (x == X).all():
                return function(x)
            calls.append(1)
            if raises:
                raise NameError(f"name 'call_{len(calls)}' is not defined")
            return function(x) * np.nan

        return near_x

    options: dict[str, Any] = {"method": method, "n_jobs": n_jobs}
    reports: list[Any] = [
        check_gradient(only_at_x(f), lambda x: 2 * x, X, **options),
        check_jacobian(only_at_x(np.sin), lambda x: np.diag(np.cos(x)), X, **options),
        taylor_test(only_at_x(f), lambda x: 2 * x, X, n_jobs=n_jobs),
        taylor_test(only_at_x(np.sin), lambda x: np.diag(np.cos(x)), X, n_jobs=n_jobs),
    ]
    for report in reports:
        assert report.outcome is Outcome.INCONCLUSIVE
        assert re.match(
            r"f raises or is not finite \(NameError: name 'call_1' is not defined\) at", report.reason
        )
    report = check_jacobian(only_at_x(np.sin, raises=False), lambda x: np.diag(np.cos(x)), X, **options)
    assert report.reason == "f is not finite at any point around x: there is no derivative to estimate"


def test_a_stack_that_f_refuses_is_no_point_off_its_domain():
    """One by one every point is fine; a point that raises by itself is told."""

    def one_at_a_time(x: np.ndarray) -> np.ndarray:
        if x.shape[-1] > 1:
            raise ValueError("one at a time")
        return np.sum(x**2, axis=0)

    report = check_gradient(one_at_a_time, lambda x: 2 * x, X, vectorized=True)
    assert report.outcome is Outcome.PASS
    assert report.notes == ()

    def edge(x: np.ndarray) -> np.ndarray:
        if (x[0] > X[0]).any():
            raise ValueError("beyond the edge")
        return one_at_a_time(x)

    report = check_gradient(edge, lambda x: 2 * x, X, vectorized=True, method="sweep")
    assert any("ValueError: beyond the edge" in note for note in report.notes)


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
    assert check_gradient(lambda x: np.nan, grad, X).nfev == 1
    assert check_gradient(lambda x: np.nan, grad, X, method="sweep").nfev == 2


# The second call of f, which is left out where every entry is borne out without it.


def test_f_is_called_once_at_x_where_its_differences_bear_the_gradient_out():
    """Two values at x are the same, or differences would not agree to seven digits."""
    seen: list[bytes] = []
    report = check_gradient(lambda x: seen.append(x.tobytes()) or f(x), grad, X)
    assert report.outcome is Outcome.PASS
    assert seen.count(X.tobytes()) == 1
    seen.clear()
    report = check_gradient(lambda x: seen.append(x.tobytes()) or f(x), lambda x: 1.01 * grad(x), X)
    assert report.outcome is Outcome.FAIL
    assert seen.count(X.tobytes()) == 2


@pytest.mark.parametrize("size", [1e-1, 1.0])
def test_a_random_f_is_found_out_after_a_few_evaluations(size):
    """One at x, two beside it, and the second one at x; nine more to tell why it differs, and two what f changes by."""
    rng = np.random.default_rng(0)
    report = check_gradient(lambda x: f(x) * (1 + size * rng.normal()), grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("f differs between two calls at the same x")
    assert report.nfev == 15


def once(f: Callable[..., Any], grad: Any) -> tuple[Inspection, int, tuple[Finding, ...]]:
    """What one call of f shows, how many there were, and what another one adds."""
    parameters, flat = Parameters.of(X)
    objective = Objective(f, parameters, has_gradient=grad is True)
    found = inspect(objective, grad, flat, repeat=False)
    calls = objective.nfev
    return found, calls, () if found.repeated else inspect_again(objective, found, flat)


def test_the_second_call_of_f_adds_what_it_shows_and_nothing_twice():
    """Nothing of a clean f; a note of one that differs a little, and the end of one that differs."""
    found, calls, more = once(f, grad)
    assert (found.findings, found.repeated, calls, more) == ((), False, 1, ())
    twice = inspected(f, grad)
    assert (found.f_x, found.computes_in, found.ngev) == (twice.f_x, twice.computes_in, twice.ngev)
    assert found.analytic is not None
    assert twice.analytic is not None
    assert found.analytic.tolist() == twice.analytic.tolist()
    for apart, final in ((1e-12, False), (1e-3, True)):
        values = iter([14.0, 14.0 + apart])
        found, calls, (finding,) = once(lambda x, values=values: next(values), grad)
        assert (found.findings, calls) == ((), 1)
        assert finding.text.startswith("f differs between two calls at the same x: 14 and 14.0")
        assert finding.final is final
    outcomes = iter([14.0, np.nan, 14.0, X])
    assert [finding.text[:38] for finding in once(lambda x: next(outcomes), grad)[2]] == [
        "f differs between two calls at the sam"
    ]
    assert [finding.text[:20] for finding in once(lambda x: next(outcomes), grad)[2]] == [
        "f must return one re"
    ]


def test_f_is_called_again_at_once_where_its_randomness_would_explain_what_was_found():
    """Its value beside a gradient is another one each time: not two functions, but a random one."""
    rng = np.random.default_rng(0)

    values: list[float] = []

    def random(x: np.ndarray) -> float:
        values.append(f(x) + rng.normal())
        return values[-1]

    found, calls, _ = once(random, lambda x: (random(x), grad(x)))
    (finding,) = found.findings
    assert finding.text.startswith("f differs between two calls")
    # f at first, at the call of grad, once more, nine times to tell why, and twice beside x.
    assert (calls, len(values)) == (13, 14)
    assert found == Inspection(values[0], None, (finding,), "float64", 1)
    # A note of its last digits stands beside what was found.
    last = iter([14.0, 14.0 + 1e-12])
    found, _, _ = once(lambda x: next(last), lambda x: (14.5, grad(x)))
    assert [finding.text[:11] for finding in found.findings] == ["f differs b", "f(x) is 14 "]
    # Where it is the same again, what was found stays.
    found, calls, _ = once(f, lambda x: (f(x) + 0.5, grad(x)))
    assert (calls, found.repeated) == (2, True)
    assert "two different functions" in found.findings[0].text
    assert found.analytic is not None


def test_an_f_that_returns_its_gradient_is_called_twice():
    """Two gradients are what shows a buffer that is shared."""
    found, calls, _ = once(lambda x: (f(x), grad(x)), True)
    assert (calls, found.repeated, found.findings) == (2, True, ())


def test_an_f_that_changes_x_is_said_to_do_so_once():
    """At its first call, and the second one is made at once."""

    def changing(x: np.ndarray) -> float:
        value = f(x)
        x += 1.0
        return value

    found, calls, _ = once(changing, grad)
    assert (calls, found.repeated) == (2, True)
    (finding,) = found.findings
    assert finding.text == "f changes x: x[0] was 1 before the call and is 2 after it"


# The inspection itself: everything it found, word for word.


def inspected(f: Callable[..., Any], grad: Any, x: Any = X, args: tuple[Any, ...] = ()) -> Inspection:
    """Look at a pair at x as a check does."""
    parameters, flat = Parameters.of(x)
    return inspect(Objective(f, parameters, args=args, has_gradient=grad is True), grad, flat, args)


def with_the_second_call(found: Inspection) -> tuple[Finding, ...]:
    """All that is found, with what the second call of grad adds."""
    return (*found.findings, *(found.again.findings(Tolerance(1e-6)) if found.again is not None else ()))


def test_a_clean_pair_is_called_twice_and_nothing_is_found():
    """f(x) = 14, the gradient in float64, a call now and one later; a gradient already computed takes none."""
    found = inspected(f, grad)
    assert (found.f_x, found.computes_in, found.ngev, found.findings) == (14.0, "float64", 1, ())
    assert (with_the_second_call(found), found.ngev) == ((), 2)
    assert found.analytic is not None
    assert found.analytic.tolist() == [2.0, 4.0, 6.0]
    given = inspected(f, 2 * X)
    assert (given.ngev, given.findings, given.again) == (0, (), None)
    assert inspected(lambda x: (f(x), grad(x)), True).ngev == 0


def test_after_a_final_finding_grad_is_not_called():
    """f is inf at x: that value is kept, and there is nothing to judge."""
    found = inspected(lambda x: np.inf, grad)
    words = "f(x) is inf: there is no derivative to compare with"
    assert found == Inspection(np.inf, None, (Finding(words, Outcome.INCONCLUSIVE, True),), "float64", 0)


def test_a_gradient_of_another_shape_is_asked_for_once():
    """The finding is final: a second call could not change it."""
    found = inspected(f, lambda x: x[:2])
    words = "grad has shape (2,) where x has shape (3,)"
    assert found == Inspection(14.0, None, (Finding(words, Outcome.FAIL, True),), "float64", 1)


def test_an_exception_at_x_is_noted_with_who_raised_it():
    """It propagates as it was, with a note."""

    def broken(x: np.ndarray) -> float:
        raise ZeroDivisionError("mine")

    for pair, words in (
        ((broken, grad), "gradcheck: raised by f at x"),
        ((f, broken), "gradcheck: raised by grad at x"),
    ):
        with pytest.raises(ZeroDivisionError, match="mine") as caught:
            inspected(*pair)
        assert caught.value.__notes__ == [words]


def test_further_arguments_go_to_both_at_every_call():
    """Both are called as f(x, *args)."""
    seen: list[Any] = []

    def scaled(x: np.ndarray, factor: float) -> float:
        return factor * f(x)

    def scaled_grad(x: np.ndarray, factor: float) -> np.ndarray:
        seen.append(factor)
        return factor * grad(x)

    assert with_the_second_call(inspected(scaled, scaled_grad, args=(3.0,))) == ()
    assert seen == [3.0, 3.0]
    parameters, flat = Parameters.of(X)
    assert gradient_at(scaled_grad, parameters, flat, (2.0,)).tolist() == [4.0, 8.0, 12.0]


def test_the_gradient_at_another_point_is_taken_out_of_its_pair():
    """One more call gives the gradient alone, and x stays what it is."""

    def in_place(x: np.ndarray) -> tuple[float, np.ndarray]:
        value = f(x)
        x *= 2.0
        return value, x

    parameters, flat = Parameters.of(X)
    assert gradient_at(in_place, parameters, flat, ()).tolist() == [2.0, 4.0, 6.0]
    assert gradient_at(grad, parameters, flat, ()).tolist() == [2.0, 4.0, 6.0]
    assert flat.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("size", [1e6, 1.0, 1e-6])
@pytest.mark.parametrize(
    ("apart", "words"),
    [(1e-5, ", or fix its random seed"), (1e-8, ": noise of f, which was measured"), (1e-10, "")],
)
def test_two_values_are_compared_relative_to_their_size(size, apart, words):
    """1e-10 of f is what a sum in another order changes, 1e-8 is noise, 1e-5 randomness, whatever the size of f."""
    values = iter([size, size * (1 + apart)])
    (finding,) = inspected(lambda x: next(values), grad).findings
    assert finding.text.startswith(f"f differs between two calls at the same x: {size:.17g} and ")
    assert finding.text.endswith(words or f"{size * (1 + apart):.17g}")
    assert finding.outcome is (Outcome.INCONCLUSIVE if apart > 1e-6 else None)
    assert finding.final is (apart > 1e-6)


@pytest.mark.parametrize("size", [1e6, 1.0, 1e-6])
@pytest.mark.parametrize(("apart", "other"), [(1e-8, True), (1e-10, False)])
def test_the_value_beside_a_gradient_is_compared_relative_to_its_size(size, apart, other):
    """Another function differs by more than the order of a sum does."""
    findings = inspected(lambda x: size, lambda x: (size * (1 + apart), grad(x))).findings
    assert bool(findings) is other
    assert all(
        finding.outcome is Outcome.FAIL and "two different functions" in finding.text for finding in findings
    )


def test_a_value_of_zero_beside_a_gradient_is_that_of_an_f_that_is_zero():
    """Nothing is relative to zero; equal is equal."""
    assert inspected(lambda x: 0.0, lambda x: (0.0, grad(x))).findings == ()
    (finding,) = inspected(lambda x: 0.0, lambda x: (1e-300, grad(x))).findings
    assert finding.outcome is Outcome.FAIL


ADDS_UP = (
    "grad differs between two calls at the same x: it adds up from call to call, where it should begin at 0"
)


def test_buffers_inside_a_tree_are_copied_before_the_second_call():
    """A dict made anew around arrays that accumulate: the first gradient is the one that counts."""
    buffer = np.zeros(3)

    def accumulating(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        buffer[:] += 2.0 * p["w"]
        return {"w": buffer}

    found = inspected(lambda p: f(p["w"]), accumulating, {"w": X})
    assert found.analytic is not None
    assert found.analytic.tolist() == [2.0, 4.0, 6.0]
    assert set(with_the_second_call(found)) == {
        Finding("grad returns the same buffer at every call: a caller that keeps it sees it change"),
        Finding(ADDS_UP, Outcome.FAIL),
    }


def test_buffers_inside_the_tree_of_a_pair_are_copied_before_the_second_call():
    """The same for an f that returns its gradient."""
    buffer = np.zeros(3)

    def accumulating(p: dict[str, np.ndarray]) -> tuple[float, dict[str, np.ndarray]]:
        buffer[:] += 2.0 * p["w"]
        return f(p["w"]), {"w": buffer}

    found = inspected(accumulating, True, {"w": X})
    assert found.analytic is not None
    assert found.analytic.tolist() == [2.0, 4.0, 6.0]
    assert Finding(ADDS_UP, Outcome.FAIL) in found.findings


@pytest.mark.parametrize("other", [X[:2], {"x": X}, None], ids=["short", "dict", "None"])
@pytest.mark.parametrize("with_gradient", [False, True])
def test_a_gradient_of_another_shape_at_the_second_call_differs(other, with_gradient):
    """Said as any other difference between two calls, and not raised."""
    gradients = itertools.chain([2 * X], itertools.repeat(other))
    pair = (lambda x: (f(x), next(gradients)), True) if with_gradient else (f, lambda x: next(gradients))
    found = inspected(*pair)
    assert found.analytic is not None
    words = "grad differs between two calls at the same x: it keeps state from call to call"
    assert with_the_second_call(found) == (Finding(words, Outcome.FAIL),)


def test_a_grad_that_changes_x_and_returns_it_is_accused_of_the_change_alone():
    """That it is a view of x is the lesser evil."""

    def in_place(x: np.ndarray) -> np.ndarray:
        x *= 2.0
        return x

    words = "grad changes x: x[0] was 1 before the call and is 2 after it"
    assert inspected(f, in_place).findings == (Finding(words, Outcome.FAIL),)


def test_a_view_of_x_is_a_note_word_for_word():
    """No outcome is spoilt by it."""
    words = "grad returns a view of x: writing into the gradient would change x"
    assert with_the_second_call(inspected(lambda x: f(x) / 2, lambda x: x)) == (Finding(words),)


@pytest.mark.parametrize(("apart", "outcome"), [(1e-10, None), (1e-6, Outcome.FAIL)])
def test_two_gradients_may_differ_by_the_rounding_of_their_largest_effect(
    apart: float, outcome: Outcome | None
):
    """1e-12 beside 1, where x is 1 and 1e6: a sum of both terms rounds by 2e-10, 64 times at the most."""
    one, other = ({"a": np.array([a]), "b": np.ones(1)} for a in (1e-12, 1e-12 + apart))
    gradients = itertools.cycle([one, other])
    x = {"a": np.ones(1), "b": np.array([1e6])}
    found = inspected(lambda p: float(p["b"][0]), lambda p: next(gradients), x)
    (finding,) = with_the_second_call(found)
    assert finding.text.startswith("grad differs between two calls at the same x")
    assert finding.outcome is outcome


def test_with_grad_true_two_gradients_have_no_absolute_tolerance():
    """Off by a half of 2 at the second call."""
    gradients = itertools.cycle([2.0 * X, 2.0 * X - 0.5])
    (finding,) = inspected(lambda x: (f(x), next(gradients)), True).findings
    assert finding.outcome is Outcome.FAIL


def test_two_arrays_are_no_pair_of_value_and_gradient():
    """A value is a scalar: (array, array) where x is one array has another shape, and is named so."""
    parameters, _ = Parameters.of(X)
    assert not is_pair((X, X), parameters)
    assert is_pair((14.0, X), parameters)
    (finding,) = inspected(f, lambda x: (x, x)).findings
    assert finding == Finding("grad has shape (2, 3) where x has shape (3,)", Outcome.FAIL, True)


def test_nan_in_a_gradient_is_one_finding_with_its_first_place():
    """The second call returned the same: that is no difference between two calls."""
    found = inspected(f, lambda x: np.array([2.0, np.nan, np.inf]))
    words = "grad is not finite in 2 of 3 entries: x[1] is nan"
    assert found.findings == (Finding(words, Outcome.FAIL),)


@pytest.mark.parametrize(
    ("of_x", "of_grad", "name"),
    [
        (np.float64, np.float32, "float32"),
        (np.float64, np.float16, "float16"),
        (np.float32, np.float64, "float32"),
        (np.float64, np.float64, "float64"),
        (np.complex128, np.complex64, "float32"),
    ],
)
def test_a_pair_computes_in_the_coarser_of_its_dtypes(of_x, of_grad, name):
    """What x is given as, and what the gradient is returned in; of complex numbers their parts."""
    x = X.astype(of_x)
    assert inspected(lambda x: f(np.abs(x)), lambda x: (2 * x).astype(of_grad), x).computes_in == name


def noise_with(*values: float, constant: bool) -> Noise:
    """Make what a probing found, as far as the inspection reads it."""
    digits = np.array(["float64"], object)
    return Noise(
        np.zeros(1), np.zeros(1), digits, np.array([constant]), np.array(values)[:, None], np.zeros(1, bool)
    )


def test_an_f_that_is_known_at_x_alone_ends_the_check():
    """Of any other the probing says nothing that is final."""
    nowhere = "f is not finite at any point around x: there is no derivative to estimate"
    eight, one = noise_with(*[3.0] * 8, constant=True), noise_with(3.0, constant=True)
    running = Objective(f, Parameters.of(X)[0])
    assert inspect_noise(eight, running) == ()
    assert inspect_noise(one, running) == (Finding(nowhere, Outcome.INCONCLUSIVE, True),)
    assert inspect_noise(noise_with(3.0, np.inf, constant=False), running)[0].final
    assert inspect_noise(noise_with(3.0, 3.1, constant=False), running) == ()


def test_with_grad_true_a_reused_buffer_and_a_view_are_named_too():
    """f that returns (value, gradient) keeps the same contract; one that makes a new array has nothing to say."""
    buffer = np.empty(3)

    def reusing(x: np.ndarray) -> tuple[float, np.ndarray]:
        buffer[:] = 2.0 * x
        return float(x @ x), buffer

    report = check_gradient(reusing, True, X)
    assert report.outcome is Outcome.PASS
    assert "f returns the same buffer as its gradient at every call" in said(report)
    view = check_gradient(lambda x: (0.5 * float(x @ x), x), True, X)
    assert "f returns a view of x as its gradient" in said(view)
    assert check_gradient(lambda x: (float(x @ x), 2.0 * x), True, X).notes == ()


def test_with_grad_true_a_buffer_that_accumulates_is_judged_by_the_first_call():
    """Right once and wrong ever after."""
    buffer = np.zeros(3)

    def accumulating(x: np.ndarray) -> tuple[float, np.ndarray]:
        buffer[:] += 2.0 * x
        return float(x @ x), buffer

    report = check_gradient(accumulating, True, X)
    assert report.outcome is Outcome.FAIL
    assert "grad differs between two calls" in said(report)


def test_f_that_is_a_number_at_x_alone_is_reported():
    """Beside x it returns an array: a report says so, and no exception."""

    def fickle(x: np.ndarray) -> object:
        return float(x @ x) if np.array_equal(x, X) else x

    report = check_gradient(fickle, lambda x: 2.0 * x, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "f must return one real number; it returned" in report.reason
    assert "at a point near x" in report.reason


def test_warnings_of_f_at_points_beside_x_stay_silent_and_those_at_x_do_not():
    """log is not finite left of 0, which the check finds out by itself; at x it is for the user to know."""
    tiny = np.array([1e-9, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_gradient(lambda x: np.sum(np.log(x)), lambda x: 1.0 / x, tiny, method="sweep")
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        check_gradient(lambda x: np.sum(np.log(x)), lambda x: x, np.array([0.0, 1.0]))


class Labelled(np.ndarray):
    """An array with labels, as pandas has them."""

    index, iloc = ("a", "b"), None


class Measured(np.ndarray):
    """An array with a unit, as astropy and pint have them."""

    unit = "km"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ma.array(X, mask=[True, *[False] * (X.size - 1)]), "its mask of 1 entry is not"),
        (X.view(Labelled), "its labels are not"),
        (X.view(Measured), "its unit km is not"),
    ],
)
def test_what_is_dropped_of_x_and_of_a_gradient_is_said(values: np.ndarray, said: str) -> None:
    """Masks, labels and units do not reach f, and are not compared: one note each; none for a plain array."""
    given = check_gradient(f, grad, values)
    returned = check_gradient(f, lambda x: 2 * values if np.array_equal(x, X) else grad(x), X)

    assert any(note.startswith("x was given as") and said in note for note in given.notes)
    plain = check_gradient(f, grad, X)
    assert not any("was given as" in note or "grad returns" in note for note in plain.notes)
    kind = f"{type(values).__name__}: {said}"
    assert any(note.startswith("grad returns") and kind in note for note in returned.notes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda x: 2.0,
            "grad has shape () where x has shape (3,); it is one number (float), and a derivative by each entry of x "
            "is needed",
        ),
        (
            lambda x: (2.0 * x,),
            "grad has shape (1, 3) where x has shape (3,); its one part would fit: return it without the tuple",
        ),
        (
            lambda x: ("14", 2.0 * x),
            "grad returns a pair of a str and a ndarray: a gradient, or (value, gradient), is needed",
        ),
    ],
)
def test_a_gradient_of_another_form_is_told_what_is_needed(wrong: Any, said: str) -> None:
    """A number or a tuple of one, where x is an array: FAIL, with what was returned and what is needed."""
    report = check_gradient(f, wrong, X)

    assert report.outcome is Outcome.FAIL
    assert report.reason == said


def test_a_function_of_several_outputs_is_told_where_to_go() -> None:
    """An array is no value of f: the words name check_jacobian; those on what is no number do not."""
    assert "there is check_jacobian" in check_gradient(lambda x: x**2, grad, X).reason
    assert "check_jacobian" not in check_gradient(lambda x: "text", grad, X).reason


class Foreign:
    """An array of another library, which NumPy reads, or cannot read, as a tensor with a history."""

    def __init__(self, values: np.ndarray, *, readable: bool = True) -> None:
        self.values, self.readable = values, readable

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not self.readable:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.array(self.values, dtype)


class OfJax(np.ndarray):
    """An array that says it is one of JAX."""

    __module__ = "jaxlib._jax"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_in_the_single_precision_of_jax_is_told_how_to_get_doubles(dtype: Any):
    """Nothing is said of one in doubles."""
    said = inspected(f, lambda x: (2.0 * x).astype(dtype).view(OfJax)).findings
    text = 'grad computes in JAX\'s float32: jax.config.update("jax_enable_x64", True) at the start makes it float64'
    assert said == (Finding(text),) * (dtype is np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("form", "place"),
    [(np.array, "J[0, 1]"), (csr_array, "J[0, 1]"), (aslinearoperator, "row 0 of a product")],
)
def test_a_jacobian_that_is_not_finite_fails_with_the_entry(value, form, place):
    """Dense, sparse or as an operator, whose products alone are known."""
    bad = np.diag(2.0 * X)
    bad[0, 1] = value
    report = check_jacobian(lambda x: x**2, lambda x: form(bad), X)
    assert report.outcome is Outcome.FAIL
    assert f"jac is not finite in 1 place: {place} is {value}" in said(report)


def test_a_jacobian_of_another_shape_is_told_what_may_have_been_meant():
    """Derivatives down the columns, as leastsq has them with col_deriv; and those of an f entry by entry."""
    a = np.arange(12.0).reshape(4, 3)
    across = check_jacobian(lambda x: a @ x, lambda x: a.T, X)
    assert across.reason == (
        "jac has shape (3, 4); (4, 3) is needed: one row for each output of f; is it transposed?"
    )
    entries = check_jacobian(np.sin, np.cos, X)
    assert entries.reason.endswith("np.diag makes a matrix of derivatives entry by entry")
    neither = check_jacobian(lambda x: a @ x, lambda x: np.ones((4, 4)), X)
    assert neither.reason.endswith("one row for each output of f")


def test_what_is_of_another_library_is_said_in_words():
    """x that was converted, in a note and beside what f raises; a value that NumPy cannot read is no error of f."""
    report = check_gradient(f, grad, Foreign(X))
    assert report.outcome is Outcome.PASS
    words = "x was given as test_contract.Foreign and converted to an array of NumPy"
    assert any(note.endswith(words.partition(".")[2]) for note in report.notes)
    with pytest.raises(IndexError) as caught:
        check_gradient(lambda p: p["a"], grad, Foreign(X))
    assert "raised by f at x; x was given as" in caught.value.__notes__[0]
    report = check_gradient(lambda x: Foreign(x, readable=False), grad, X)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "f must return one real number" in report.reason
    assert (
        "Foreign cannot be read as an array: Can't call numpy() on Tensor that requires grad" in report.reason
    )
    report = check_gradient(f, lambda x: Foreign(x, readable=False), X)
    assert report.outcome is Outcome.FAIL
    assert "grad: " in report.reason
    with pytest.raises(TypeError, match=r"x: .*Foreign cannot be read as an array: Can't call"):
        check_gradient(f, grad, Foreign(X, readable=False))
