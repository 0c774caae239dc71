"""Words that would be false: a mean, a mask, an accumulation or a block of zeros where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_jvp, check_vjp
from gradcheck.results.cause import Kind

A = np.array([1.0, 2.0, -3.0, 0.5])
UNUSED = "f does not use them there"
MOVES = "f moves beside x, its slope there is 0"


def single(n: int, seed: int = 1) -> Any:
    """(n,) float32, between 0.5 and 2, of both signs."""
    x = np.random.default_rng(seed).uniform(0.5, 2.0, n) * np.resize([1.0, -1.0], n)
    return x.astype(np.float32)


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


def test_what_is_assigned_for_indices_that_repeat_is_still_said():
    """sum(u * w[index]) with u of many values, and with u = 1."""
    index = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5])
    w = np.linspace(0.3, 2.0, 6)
    for u in (np.array([1.5, -2.0, 0.7, 3.0, -1.1, 0.4]), np.ones(6)):
        report = check_gradient(lambda w, u=u: np.sum((u * w)[index]), u, w)
        assert Kind.MULTIPLE in [cause.kind for cause in report.causes]


def test_a_block_of_zeros_that_f_has_too_is_told_by_its_counts():
    """A gain of six for seven tokens, its product that of the first alone: 36 entries of 216 are missing."""
    p = {"x": np.arange(1.0, 43.0).reshape(7, 6) / 10, "g": np.arange(1.0, 7.0)}

    def vjp(p: Any, u: Any) -> Any:
        u = u.reshape(7, 6)
        return {"x": u * p["g"], "g": (u * p["x"])[0]}

    assert check_vjp(lambda p: (p["x"] * p["g"]).ravel(), vjp, p).diagnosis == (
        "analytic is 0 in J[6:42, 42:48], numerical is not, in 36 of the 216 entries known there: "
        "a term is missing",
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
