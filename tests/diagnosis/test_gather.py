"""Of a large array a sample is looked at: the same words, in little memory, and none that the rest contradicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.diagnosis import explanations, gather
from gradcheck.diagnosis.scope import Scope

SHAPE = (60, 80)
AT_HAND = 1200


@pytest.fixture
def scopes(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """Every scope that is gathered, of at most 1,200 entries beside those that were judged."""
    seen: list[Scope] = []

    def kept(*given: Any) -> Scope:
        seen.append(gather.scope_of(*given))
        return seen[-1]

    monkeypatch.setattr(gather, "AT_HAND", AT_HAND)
    monkeypatch.setattr(explanations, "scope_of", kept)
    return seen


def gradient_of(change: Callable[[Any, Any], Any]) -> gradcheck.Report:
    """The report on a sum of sines whose gradient was changed: change(gradient, x)."""
    a, x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    return gradcheck.check_gradient(
        lambda x: float(np.sum(a * np.sin(x))), change(a * np.cos(x), x), x, method="directions"
    )


def put(index: Any, by: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A change of one part."""

    def change(g: Any, x: Any) -> Any:
        out = g.copy()
        out[index] = by(out[index])
        return out

    return change


CHANGES: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "one": (put((3, 4), lambda v: 1.5 * v), "one entry, x[3, 4], scaled by 1.5"),
    "two": (put(([3, 50], [4, 7]), lambda v: 2 * v), "analytic = 2 x numerical in both wrong entries of x"),
    "exchanged": (lambda g, x: swapped(g, (3, 4), (50, 7)), "x[3, 4] and x[50, 7] are exchanged"),
    "row": (put(5, lambda v: 3 * v), "analytic = 3 x numerical in row 5 of x"),
    "zeros": (put(5, lambda v: 0 * v), "analytic is 0 in row 5 of x, numerical is not: a term is missing"),
    "column": (put((..., 7), lambda v: -v), "analytic = -numerical in column 7 of x: the sign"),
    "all": (lambda g, x: 2 * g, "analytic = 2 x numerical in all 4,800 entries of x"),
    "roll": (lambda g, x: np.roll(g, 1), "x is shifted: numpy.roll(analytic, -1) fits"),
    "flip": (lambda g, x: np.flip(g, 0), "x is reversed: numpy.flip(analytic, 0) fits"),
    "decay": (lambda g, x: g - 0.01 * x, "numerical - analytic = lambda x with lambda = 0.01"),
}


def swapped(g: Any, one: tuple[int, int], other: tuple[int, int]) -> Any:
    """A copy with two entries in each other's place."""
    out = g.copy()
    out[one], out[other] = g[other], g[one]
    return out


@pytest.mark.parametrize("name", CHANGES)
def test_a_sample_says_what_the_whole_would(name: str, scopes: list[Scope]) -> None:
    """The sentence is the same, and what is at hand is little."""
    change, words = CHANGES[name]

    report = gradient_of(change)

    assert report.diagnosis[0].startswith(words)
    for scope in scopes:
        assert scope.at.size <= AT_HAND + scope.tested.sum()


@pytest.mark.parametrize("rows", [30, 59])
def test_a_sample_is_not_said_of_all(rows: int, scopes: list[Scope]) -> None:
    """A factor of 2 in a part of the rows, or in all but one, is not said of all entries."""
    report = gradient_of(put(slice(rows), lambda v: 2 * v))

    assert report.outcome is gradcheck.Outcome.FAIL
    assert scopes
    assert not any("all 4,800 entries" in sentence for sentence in report.diagnosis)


def test_noise_beside_a_factor_has_no_words(scopes: list[Scope]) -> None:
    """Where a tenth of the entries is off besides, 2 explains neither all nor some."""
    rng = np.random.default_rng(1)
    off = np.where(rng.random(SHAPE) < 0.1, rng.normal(size=SHAPE), 0.0)

    report = gradient_of(lambda g, x: 2 * g + off)

    assert scopes
    assert not any(cause.explains for cause in report.causes)


@pytest.mark.parametrize(("factor", "rows", "said"), [(2.0, 60, True), (2.0, 40, False)])
def test_a_large_jacobian_is_looked_at_by_rows(
    factor: float, rows: int, said: bool, scopes: list[Scope]
) -> None:
    """A direction tells of the rows that are at hand whole."""
    m, n = SHAPE
    a, x = np.random.default_rng(2).normal(size=(m, n)), np.linspace(0.3, 1.0, n)

    def jac(x: Any) -> Any:
        right = np.cos(a @ x)[:, None] * a
        right[:rows] *= factor
        return right

    report = gradcheck.check_jacobian(lambda x: np.sin(a @ x), jac, x, method="directions")

    assert report.outcome is gradcheck.Outcome.FAIL
    assert scopes
    assert scopes[0].absent
    assert any("2 x numerical in all 4,800 entries of J" in s for s in report.diagnosis) is said
