"""Words that would be false: a mean, a mask, an accumulation or a block of zeros where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_adjoint, check_gradient, check_jacobian, check_jvp, check_vjp
from gradcheck.results.cause import Kind

A = np.array([1.0, 2.0, -3.0, 0.5])
UNUSED = "f does not use them there"
MOVES = "f moves beside x, its slope there is 0"


def single(n: int, seed: int = 1) -> Any:
    """(n,) float32, between 0.5 and 2, of both signs."""
    x = np.random.default_rng(seed).uniform(0.5, 2.0, n) * np.resize([1.0, -1.0], n)
    return x.astype(np.float32)


def normal(*shape: int, seed: int = 0) -> Any:
    """Numbers without any pattern."""
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("n", [6, 8, 20])
def test_a_factor_of_a_diagonal_is_no_mean_that_is_left_out(n: int):
    """diag(2 x) times n/(n - 1): less a mean of one entry a row that is as much, of which zeros beside it tell."""
    x, factor = single(n), np.float32(n / (n - 1))
    reports = [
        check_jacobian(lambda x: x * x, lambda x: np.diag(2 * factor * x), x),
        check_vjp(lambda x: x * x, lambda x, u: 2 * factor * x * u, x),
        check_jvp(lambda x: x * x, lambda x, v: 2 * factor * x * v, x),
    ]

    for report in reports:
        assert [cause.kind for cause in report.causes] == [Kind.FACTOR]
    # The mean that is left out is still said.
    centred = check_jacobian(lambda x: x - x.mean(), lambda x: np.eye(n, dtype=x.dtype), x)
    assert centred.causes[0].kind is Kind.NOT_CENTRED


@pytest.mark.parametrize(
    ("dtype", "power", "more"),
    # The cube beside 1 is lost in the noise of float32.
    [(np.float64, p, c) for p in (2, 3, 4) for c in (0.0, 1.0)] + [(np.float32, p, 0.0) for p in (2, 3, 4)],
)
def test_a_minimum_is_not_called_unused(dtype: Any, power: int, more: float):
    """sum((x - a)^p) at a, of which something is claimed: f does use x."""
    report = check_gradient(
        lambda x: np.sum((x - A.astype(dtype)) ** power) + dtype(more), A[::-1].astype(dtype), A.astype(dtype)
    )

    assert report.outcome == "FAIL"
    assert MOVES in " ".join(report.diagnosis)
    assert UNUSED not in " ".join(report.diagnosis)


def test_what_f_does_not_use_is_still_called_unused():
    """A mask leaves two entries of four out; of a minimum beside it neither is said of both."""
    mask, x = np.array([1.0, 0.0, 0.0, 1.0, 0.0]), np.array([0.3, 1.0, -2.0, 0.7, 1.5])
    claim = np.cos(x)
    masked = check_gradient(lambda x: np.sum(mask * np.sin(x)), claim, x)
    both = check_gradient(lambda x: mask @ np.sin(x) + (x[1] - 1) ** 2, claim, x)

    assert UNUSED in " ".join(masked.diagnosis)
    assert "f has no slope there (a minimum, a mask?)" in " ".join(both.diagnosis)


def test_a_constant_too_many_in_a_jacobian_at_a_minimum():
    """(x - a)^2 of each: the diagonal is 0, and f moves."""
    (said, *_) = check_jacobian(lambda x: (x - A) ** 2, lambda x: np.diag(2 * (x - A) + 0.1), A).diagnosis

    assert said.startswith("numerical is 0 in the entries on the diagonal of J, analytic is not: f moves")


@pytest.mark.parametrize("counts", [[2, -4, 1, 3, 7, -5], [8, -3, 2, 5], [4, -2, 6, 3, 1, 2, -8, 5]])
@pytest.mark.parametrize("size", [0.5, 1.0])
def test_a_clip_or_a_sign_of_whole_numbers_is_no_assignment(counts: list[int], size: float):
    """All are whole multiples of one size; of counts that are assigned once each has its own."""
    c = np.array(counts, float)
    x = np.linspace(0.3, 2.0, c.size)
    report = check_gradient(lambda x: c @ x, np.clip(c, -size, size), x)

    assert report.outcome == "FAIL"
    assert Kind.MULTIPLE not in [cause.kind for cause in report.causes]


def test_a_clip_of_some_whole_numbers_is_a_clip():
    """4, 6 and 8 cut to 2 beside two that are 1."""
    c = np.array([4.0, 6.0, 1.0, 8.0, 1.0])
    report = check_gradient(lambda x: c @ x, np.minimum(c, 2.0), np.linspace(0.3, 2.0, 5))

    assert [cause.kind for cause in report.causes] == [Kind.CLIPPED]


def test_ones_and_zeros_are_counts_and_no_clip():
    """The sum of maxima over windows that overlap, of which each entry may be several: assigned, it is 1 of each."""
    x = np.random.default_rng(0).permutation(36).reshape(6, 6) / 7
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2))
    times = (x[..., None] == windows.max(axis=(2, 3)).ravel()).sum(axis=-1)

    def f(x: Any) -> Any:
        return np.lib.stride_tricks.sliding_window_view(x, (2, 2)).max(axis=(2, 3)).sum()

    assert check_gradient(f, times, x).outcome == "PASS"
    report = check_gradient(f, np.minimum(times, 1), x)
    assert report.outcome == "FAIL"
    assert [cause.kind for cause in report.causes] == [Kind.MULTIPLE]


def test_what_is_assigned_for_indices_that_repeat_is_still_said():
    """sum(u * w[index]) with u of many values, and with u = 1."""
    index = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5])
    w = np.linspace(0.3, 2.0, 6)
    for u in (np.array([1.5, -2.0, 0.7, 3.0, -1.1, 0.4]), np.ones(6)):
        report = check_gradient(lambda w, u=u: np.sum((u * w)[index]), u, w)
        assert Kind.MULTIPLE in [cause.kind for cause in report.causes]


def test_a_block_of_zeros_of_which_f_has_most_is_not_named():
    """A gain of six for seven tokens, its product that of the first alone: 36 entries of 216 are missing."""
    p = {"x": np.arange(1.0, 43.0).reshape(7, 6) / 10, "g": np.arange(1.0, 7.0)}

    def vjp(p: Any, u: Any) -> Any:
        u = u.reshape(7, 6)
        return {"x": u * p["g"], "g": (u * p["x"])[0]}

    assert check_vjp(lambda p: (p["x"] * p["g"]).ravel(), vjp, p).diagnosis == (
        "analytic is 0 in all 36 wrong entries of J, numerical is not: a term is missing",
    )


def network(inputs: int, hidden: int, outputs: int, added: float) -> tuple[Any, Any, dict[str, Any]]:
    """A small classifier, its loss -log(p + added), and y - t sent backwards, which is the gradient of -log p."""
    rng = np.random.default_rng(3)
    sizes = {"W1": (inputs, hidden), "b1": hidden, "W2": (hidden, outputs), "b2": outputs}
    p = {name: 0.01 * rng.normal(size=size) for name, size in sizes.items()}
    x, t = rng.random((20, inputs)), np.eye(outputs)[rng.integers(0, outputs, 20)]

    def forward(p: Any) -> tuple[Any, Any]:
        z = 1.0 / (1.0 + np.exp(-(x @ p["W1"] + p["b1"])))
        e = np.exp(z @ p["W2"] + p["b2"])
        return z, e / e.sum(1, keepdims=True)

    def loss(p: Any) -> float:
        return float(-np.sum(t * np.log(forward(p)[1] + added)) / len(x))

    def gradient(p: Any) -> dict[str, Any]:
        z, y = forward(p)
        dy = (y - t) / len(x)
        dz = dy @ p["W2"].T * z * (1.0 - z)
        return {"W1": x.T @ dz, "b1": dz.sum(0), "W2": z.T @ dy, "b2": dy.sum(0)}

    return loss, gradient, p


def test_what_is_off_by_little_more_than_rtol_is_neither_a_factor_nor_one_layer():
    """2e-7 beside probabilities of 0.1: two millionths of every entry, some of which are just within rtol."""
    f, grad, p = network(6, 5, 10, added=2e-7)
    report = check_gradient(f, grad, p)
    assert report.outcome is Outcome.FAIL
    assert report.causes == ()
    assert any("without a small constant that f has, as in log(p + 1e-7)" in note for note in report.notes)
    assert check_gradient(f, grad, p, rtol=1e-4).outcome is Outcome.PASS
    f, grad, p = network(6, 5, 10, added=0.0)
    assert check_gradient(f, grad, p).outcome is Outcome.PASS

    # A factor that is one to rounding is said, however near to 1 it is; so is a layer that is clearly off.
    near = check_gradient(f, lambda p: {name: 1.000003 * g for name, g in grad(p).items()}, p)
    assert [cause.kind for cause in near.causes] == [Kind.FACTOR]
    layer = check_gradient(f, lambda p: grad(p) | {n: np.sin(grad(p)[n] * 1e3) for n in ("W1", "b1")}, p)
    assert Kind.BETWEEN in [cause.kind for cause in layer.causes]


def test_a_decay_before_a_normalisation_may_be_a_projection():
    """f does not change with the size of any column: without its weight decay analytic has no part along any of them.

    It may have been projected as well, and both are said; where each column lacks another part along itself, the
    columns are projected.
    """
    data, w = normal(20, 4), normal(4, 3, seed=1)

    def f(w: Any, decay: float = 0.1) -> float:
        return float(np.sum(np.sin(data @ (w / np.linalg.norm(w, axis=0)))) + decay * np.sum(w**2))

    def grad(w: Any) -> Any:
        size = np.linalg.norm(w, axis=0)
        by_unit = data.T @ np.cos(data @ (w / size))
        return (by_unit - w / size**2 * np.sum(w * by_unit, axis=0)) / size

    (left_out,) = check_gradient(f, grad, w).diagnosis
    part = np.array([0.3, -1.2, 0.8])
    (off,) = check_gradient(lambda w: f(w, 0.0) + float(np.sum(part * w**2)), grad, w).causes

    assert left_out.endswith("a gradient projected off x, as on a sphere, or weight decay left out?")
    assert (off.kind, off.origin) == (Kind.PROJECTED, "each column")


def test_a_constant_under_a_softmax_may_be_a_mean():
    """f does not change with the mean of any row: a constant too many is in analytic alone; both are said."""
    x = normal(6, 4)

    def f(x: Any) -> float:
        return float(np.sum(np.log(np.sum(np.exp(x), axis=1)) - x[:, 0]))

    def grad(x: Any) -> Any:
        p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
        return p - np.eye(4)[0]

    (constant,) = check_gradient(f, lambda x: grad(x) + 0.3, x).diagnosis
    (means,) = check_gradient(f, lambda x: grad(x) + normal(6, 1, seed=2), x).causes

    assert constant.endswith("a mean of x that is not differentiated, or a constant that f does not have?")
    assert (means.kind, means.origin) == (Kind.NOT_CENTRED, "each row")


def test_most_columns_of_a_matrix_are_named_and_not_the_block_around_them():
    """Columns 0, 1, 2 and 5 of 7, as of a point turned and moved away; all are no place."""
    x, off = normal(7), normal(12, 7, seed=4)
    columns = np.isin(np.arange(7), [0, 1, 2, 5])
    a = normal(12, 7, seed=5)

    def said(change: Any) -> Any:
        return check_jacobian(
            lambda x: np.sin(a @ x), lambda x: change(np.cos(a @ x)[:, None] * a), x
        ).diagnosis

    assert said(lambda j: j + np.where(columns, off, 0.0)) == (
        "the wrong entries are columns 0, 1, 2 and 5 of J",
    )
    assert said(lambda j: j + off) == ()


@pytest.mark.slow
def test_no_array_is_called_right_of_which_a_part_is_wrong():
    """One unit is left out of two arrays of a network, of whose biases directions alone tell."""
    rng = np.random.default_rng(3)
    sizes, data, target = (100, 150, 120, 10), rng.normal(size=(60, 100)), rng.normal(size=(60, 10))
    p = {}
    for k in range(3):
        p[f"W{k}"], p[f"b{k}"] = (
            rng.normal(size=sizes[k : k + 2]) / np.sqrt(sizes[k]),
            0.1 * rng.normal(size=sizes[k + 1]),
        )

    def forward(p: Any) -> Any:
        a = np.tanh(data @ p["W0"] + p["b0"])
        b = np.tanh(a @ p["W1"] + p["b1"])
        return a, b, b @ p["W2"] + p["b2"]

    def grad(p: Any) -> Any:
        a, b, out = forward(p)
        d2 = 2.0 * (out - target) / target.size
        d1 = d2 @ p["W2"].T * (1.0 - b**2) * (np.arange(120) != 3)
        d0 = d1 @ p["W1"].T * (1.0 - a**2)
        parts = (("0", data, d0), ("1", a, d1), ("2", b, d2))
        return {n + k: v for k, h, d in parts for n, v in (("W", h.T @ d), ("b", d.sum(axis=0)))}

    for seed in range(3):
        report = check_gradient(lambda p: float(np.mean((forward(p)[2] - target) ** 2)), grad, p, rng=seed)
        b1 = next(a for a in report.arrays if a.name == 'params["b1"]')
        between = [c for c in report.causes if c.kind is Kind.BETWEEN]

        assert max(b1.wrong, b1.about) == 1
        assert all('params["b1"]' in c.place.arrays for c in between)


def test_a_complex_operator_that_nothing_explains_depends_on_no_point():
    """There is no x of which a term could be left out: nothing is said, and nothing breaks."""
    a, off = normal(4, 3) + 1j * normal(4, 3, seed=1), normal(4, 3, seed=2) + 1j * normal(4, 3, seed=3)
    x, y = np.zeros(3, complex), np.zeros(4, complex)
    report = check_adjoint(lambda x: a @ x, lambda y: (a + 0.1 * off).conj().T @ y, x, y)

    assert report.outcome is Outcome.FAIL
    assert report.diagnosis == ()


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize(("axis", "noun"), [(0, "row"), (1, "column")])
def test_weights_left_out_of_the_adjoint_of_a_complex_map_are_named(axis: int, noun: str, real: bool):
    """Of each sample, or of each pixel, as density compensation is; phases of each of them are another mistake."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(9, 6)) + 1j * rng.normal(size=(9, 6))
    weights = np.expand_dims(rng.uniform(0.5, 2.0, (9, 6)[axis]), 1 - axis)
    x = np.zeros(6) if real else np.zeros(6, complex)

    def adjoint(y: Any) -> Any:
        return (a.conj().T @ y).real if real else a.conj().T @ y

    weighted = check_adjoint(lambda x: (weights * a) @ x, adjoint, x, y=np.zeros(9, complex))
    assert weighted.outcome is Outcome.FAIL
    assert f"what each {noun} is multiplied by (a weight" in weighted.diagnosis[0]
    turned = check_adjoint(lambda x: (np.exp(1j * weights) * a) @ x, adjoint, x, y=np.zeros(9, complex))
    assert turned.outcome is Outcome.FAIL
    assert not any("a weight" in said for said in turned.diagnosis)


def test_zeros_of_x_itself_are_no_clamp():
    """L of a Cholesky factor is 0 above its diagonal, and f does not read that; what f clamps has values of its own."""
    lower = np.tril(normal(4, 4))
    report = check_gradient(
        lambda w: float(np.sum(np.tril(w) ** 2)),
        lambda w: 2 * np.tril(w) + 0.5 * np.triu(np.ones((4, 4)), 1),
        lower,
    )
    x = np.r_[normal(9), 2.5, 3.0, 4.0]
    clamped = check_gradient(lambda x: float(np.sum(np.sin(np.minimum(x, 2.0)))), np.cos, x)

    assert UNUSED in report.diagnosis[0]
    assert "clamp" not in report.diagnosis[0]
    assert "those with x >= 2.5; a clamp" in clamped.diagnosis[0]


def test_the_number_of_all_parameters_is_the_length_of_a_mean_of_all_alone():
    """20 samples beside 20 parameters: the mean of one array is none over the parameters, that of all arrays is."""
    p = {"mu": normal(4), "L": normal(4, 4, seed=1)}

    def said(*names: str) -> str:
        def grad(p: Any) -> Any:
            return {k: np.cos(v) / (20 if k in names else 1) for k, v in p.items()}

        return check_gradient(lambda p: float(sum(np.sum(np.sin(v)) for v in p.values())), grad, p).diagnosis[
            0
        ]

    assert said("mu").endswith('params["mu"]: a constant, a unit, or a mean for a sum?')
    assert "N = 20 (the entries of x)" in said("mu", "L")


def test_a_constant_beside_a_quadratic_is_not_said_of_a_logarithm():
    """Of f = x.x both fit, 2 x + 1 = 2 x (1 + 0.5 / x); of f = log(x + d) the logarithm alone."""
    x = np.array([1.0, 2.0, 3.0, 4.0])
    constant = check_gradient(lambda x: float(x @ x), lambda x: 2 * x + 1, x)
    logarithm = check_gradient(lambda x: float(np.log(x + 0.5).sum()), lambda x: 1 / x, x)

    assert [c.kind for c in constant.causes] == [Kind.OFFSET]
    assert [c.kind for c in logarithm.causes] == [Kind.DELTA]


def test_zeros_off_a_diagonal_of_which_most_are_right_are_counted():
    """A tridiagonal Hessian of which the lower diagonal is left out: the rest below is 0 on both sides."""

    def grad(x: Any) -> Any:
        return np.r_[0.0, x[:-1]] + np.r_[x[1:], 0.0] + 4 * x**3

    def hess(x: Any, lower: float) -> Any:
        return np.diag(np.ones(5), 1) + lower * np.diag(np.ones(5), -1) + np.diag(12 * x**2)

    few = check_jacobian(grad, lambda x: hess(x, 0.0), normal(6))
    full = check_jacobian(lambda x: np.cumsum(np.sin(x)), lambda x: np.diag(np.cos(x)), normal(6))

    assert few.diagnosis == (
        "analytic is 0 in all 5 wrong entries of J, numerical is not: a term is missing",
    )
    assert (
        full.diagnosis[0]
        == "analytic is 0 in the entries below the diagonal of J, numerical is not: a term is missing"
    )


def test_single_numbers_that_are_wrong_each_in_their_own_way_are_described():
    """By what each is off; beside an array that has words, too."""
    p = {"a": np.array(0.9), "b": np.array(-0.5), "c": normal(5)}

    def said(**by: float) -> Any:
        def grad(p: Any) -> Any:
            return {k: by.get(k, 1.0) * np.cos(v) for k, v in p.items()}

        return check_gradient(lambda p: float(sum(np.sum(np.sin(v)) for v in p.values())), grad, p).diagnosis

    assert len(said(a=0.3853, b=1.2208)) == 2
    assert said(a=0.3853) == ('one entry, params["a"], scaled by 0.3853',)
    assert len(said(a=0.3853, c=-1.0)) == 2
