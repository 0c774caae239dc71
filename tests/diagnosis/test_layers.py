"""Layers of a batch and outputs that are normalised: what their backward step leaves out is told of a matrix, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_jvp, check_vjp
from gradcheck.results.cause import Kind

Array = Any
X = np.random.default_rng(3).normal(size=(4, 6))
A = np.random.default_rng(4).normal(size=(6, 6))
V = 0.5 * np.random.default_rng(5).normal(size=6)
ROWS = "numerical is analytic without its {} in each row of x in all 576 entries of J: "


def mean(u: Array) -> Array:
    """Of each row."""
    return u.mean(-1, keepdims=True)


def softmax(z: Array) -> Array:
    """Of each row."""
    e = np.exp(z)
    return e / e.sum(-1, keepdims=True)


def spread(x: Array) -> Array:
    """The deviation of each row."""
    return np.sqrt(mean((x - mean(x)) ** 2) + 1e-5)


def standard(x: Array) -> Array:
    """Rows without mean, of deviation 1."""
    return (x - mean(x)) / spread(x)


def root(x: Array) -> Array:
    """The root of the mean square of each row."""
    return np.sqrt(mean(x * x) + 1e-6)


def off(u: Array, y: Array) -> Array:
    """Without its part along y, of mean square 1."""
    return u - y * mean(u * y)


# What is divided or centred, its right backward step, and one in which something is not differentiated.
LAYERS: dict[str, tuple[Callable[..., Array], Callable[..., Array], Callable[..., Array], str]] = {
    "layer normalisation, as constants": (
        standard,
        lambda x, u: off(u - mean(u), standard(x)) / spread(x),
        lambda x, u: u / spread(x),
        ROWS.format("mean and its part along x") + "a normalisation of x that is not differentiated?",
    ),
    "layer normalisation, its mean alone": (
        standard,
        lambda x, u: off(u - mean(u), standard(x)) / spread(x),
        lambda x, u: off(u, standard(x)) / spread(x),
        ROWS.format("mean") + "a mean of x that is not differentiated?",
    ),
    "root mean square": (
        lambda x: x / root(x),
        lambda x, u: (u - x / root(x) * mean(u * x / root(x))) / root(x),
        lambda x, u: u / root(x),
        ROWS.format("part along x") + "a norm of x that is not differentiated?",
    ),
    "softmax": (
        softmax,
        lambda x, u: softmax(x) * (u - np.sum(u * softmax(x), -1, keepdims=True)),
        lambda x, u: softmax(x) * u,
        "numerical is analytic less p times the sum of analytic, p = softmax of each row of x, in all 576 entries of "
        "J: the sum under a softmax is not differentiated?",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_what_a_backward_step_of_a_batch_leaves_out_is_told_by_the_rows_of_x(name: str):
    """Of a vjp by a batch each sample has a mean and a norm of its own; with one entry off besides nothing is said."""
    layer, right, wrong, sentence = LAYERS[name]
    assert check_vjp(layer, right, X).outcome is Outcome.PASS

    report = check_vjp(layer, wrong, X)
    assert report.outcome is Outcome.FAIL
    assert report.diagnosis[0] == sentence

    def spoilt(x: Array, u: Array) -> Array:
        return wrong(x, u) + np.where(np.arange(24).reshape(4, 6) == 7, 0.03 * u[0, 0], 0.0)

    assert not any(cause.explains for cause in check_vjp(layer, spoilt, X).causes)


def inner(x: Array) -> tuple[Array, Array]:
    """A map and its Jacobian."""
    return np.tanh(A @ x) + A @ x**2, (1.0 - np.tanh(A @ x) ** 2)[:, None] * A + 2.0 * A * x


def unit(x: Array) -> Array:
    """A map onto the sphere."""
    h, _ = inner(x)
    return h / np.linalg.norm(h)


def tilted(of: Array, by: Array, d: Array) -> Array:
    """Columns less `by` times their sums over `of`."""
    return d - np.outer(by, of @ d)


# f, its Jacobian, that with the last step of f not differentiated, and what is said.
OUTPUTS: dict[
    str, tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array], str]
] = {
    "centred": (
        lambda x: inner(x)[0] - inner(x)[0].mean(),
        lambda x: inner(x)[1] - inner(x)[1].mean(0),
        lambda x: inner(x)[1],
        "without its mean in each column in all 36 entries of J: a mean of f(x) that is not differentiated?",
    ),
    "of length 1": (
        unit,
        lambda x: tilted(unit(x), unit(x), inner(x)[1]) / np.linalg.norm(inner(x)[0]),
        lambda x: inner(x)[1] / np.linalg.norm(inner(x)[0]),
        "part along f(x) in each column in all 36 entries of J: a norm of f(x) that is not differentiated?",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_are_normalised_are_told_by_the_columns(name: str):
    """By the same words of a Jacobian, of a product forward and of one backward."""
    f, right, wrong, said = OUTPUTS[name]
    assert check_jacobian(f, right, V).outcome is Outcome.PASS
    for report in (
        check_jacobian(f, wrong, V),
        check_jvp(f, lambda x, v: wrong(x) @ v, V),
        check_vjp(f, lambda x, u: wrong(x).T @ u, V),
    ):
        assert report.outcome is Outcome.FAIL
        assert len(report.diagnosis) == 1
        assert report.diagnosis[0].endswith(said)


def test_a_mean_along_one_of_three_axes_is_told_of_a_gradient():
    """A sequence of features, centred along the last axis; along no axis nothing is said."""
    rng = np.random.default_rng(6)
    a, x = rng.normal(size=(2, 3, 4, 5))

    def f(x: Array) -> float:
        return float(np.sum(a * np.sin(x - mean(x))))

    def outer(x: Array) -> Array:
        return a * np.cos(x - mean(x))

    assert check_gradient(f, lambda x: outer(x) - mean(outer(x)), x).outcome is Outcome.PASS
    report = check_gradient(f, outer, x)
    assert report.diagnosis == (
        "numerical is analytic without its mean along axis 2 in all 60 entries of x: "
        "a mean of x that is not differentiated?",
    )
    spoilt = check_gradient(f, lambda x: outer(x) * np.where(np.arange(5) == 1, 1.1, 1.0), x)
    assert not any(cause.kind is Kind.NOT_CENTRED for cause in spoilt.causes)
