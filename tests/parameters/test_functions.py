"""Factors that x tells: of two entries, of the lines of another array; and those that it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient
from gradcheck.results.cause import Kind


def test_two_entries_that_x_tells_are_explained():
    """exp(-x) of both is no accident, whose ratios are known to nine digits; one factor of each is nobody's."""
    x, a = np.array([0.31, -0.62]), np.array([1.7, -0.9])
    told = check_gradient(lambda x: float(a @ np.exp(x)), lambda x: a, x)
    other = check_gradient(lambda x: float(a @ np.exp(x)), lambda x: a * np.exp(x) * [1.31, 0.72], x)

    (cause,) = told.causes
    assert (cause.kind, cause.origin, cause.place.count) == (Kind.PARAMETRISATION, "exp(-x)", 2)
    assert not any(c.explains for c in other.causes)


@pytest.mark.parametrize(
    ("f", "grad", "origin"),
    [
        (lambda x: np.sum(np.exp(x)), lambda x: x * np.exp(x), "x"),
        (lambda x: np.prod(x), lambda x: np.prod(x) + 0.0 * x, "x"),
        (lambda x: np.sum(x**3), lambda x: 3.0 * x, "1/x"),
        (lambda x: np.sum(x**3), lambda x: 3.0 + 0.0 * x, "1/x^2"),
    ],
    ids=["x exp x", "product", "3 x", "3"],
)
def test_the_factor_x_of_whole_numbers_is_no_count(f: Any, grad: Any, origin: str):
    """At (1, 2, 3) the factor x is 2 and 3: nothing was added up too often."""
    (cause,) = check_gradient(f, grad, np.array([1.0, 2.0, 3.0])).causes

    assert (cause.kind, cause.origin) == (Kind.PARAMETRISATION, origin)


def test_x_and_minus_x_are_evidence_for_one():
    """3 for 3 x^2 at -2 and at 2 is 1/4 of it, and at 1 right: no mean over four entries."""
    report = check_gradient(
        lambda x: float(np.sum(x**3)), lambda x: 3.0 + 0.0 * x, np.array([-2.0, -1.0, 1.0, 2.0])
    )

    assert report.outcome == "FAIL"
    assert not any("mean" in said for said in report.diagnosis)


def test_a_short_number_is_not_told_by_an_entry_that_happens_to_be_it():
    """x^3 for 4 x^3 is 0.25 of it, as one entry of x is."""
    x = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    report = check_gradient(lambda x: float(np.sum(x**4)), lambda x: x**3, x)

    assert report.diagnosis == ("analytic = 0.25 x numerical in all 5 entries of x",)


def test_factors_of_lines_are_told_by_the_array_that_holds_them():
    """The scale of each feature, left out of the backward step; other factors are weights of no name."""
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(5, 4)), "scale": rng.uniform(0.5, 2.0, 4)}

    def f(p: Any) -> float:
        return float(np.sum(np.sin(p["W"]) * p["scale"]))

    def grad(p: Any, factor: Any = 1.0) -> Any:
        return {"W": np.cos(p["W"]) * p["scale"] * factor, "scale": np.sin(p["W"]).sum(axis=0)}

    left_out = check_gradient(f, lambda p: grad(p, 1.0 / p["scale"]), p)
    weights = check_gradient(f, lambda p: grad(p, np.array([1.2, 0.7, 1.9, 0.4])), p)

    assert left_out.diagnosis[0] == (
        'analytic = numerical times 1/params["scale"] in all 20 entries of params["W"]: a scale left out, or too many?'
    )
    assert "what each column is multiplied by" in weights.diagnosis[0]


def test_a_factor_of_two_rows_is_told_by_the_array_that_holds_both():
    """A deviation for each of two points in the plane, once too often; those of three others tell nothing."""
    rng = np.random.default_rng(0)
    p = {"mu": rng.normal(size=(2, 3)), "ls": np.array([0.3, -0.4])}

    def said(factor: Any) -> Any:
        def grad(p: Any) -> Any:
            return {"mu": np.cos(p["mu"]) * factor, "ls": -np.sin(p["ls"])}

        return check_gradient(
            lambda p: float(np.sum(np.sin(p["mu"])) + np.sum(np.cos(p["ls"]))), grad, p
        ).diagnosis

    assert said(np.exp(2 * p["ls"])[:, None]) == (
        'analytic = numerical times exp(2 params["ls"]) in all 6 entries of params["mu"]: '
        "a scale left out, or too many?",
    )
    assert not any('params["ls"]' in each for each in said(np.array([1.3, 0.7])[:, None]))


def test_alike_entries_are_described_by_their_factor():
    """At x = 1 nothing but the factor of all is seen, and it is no evidence of any."""
    report = check_gradient(lambda x: float(np.sum(x**3)), lambda x: x**2, np.ones(4))

    assert report.diagnosis == (
        "analytic = 0.333333 x numerical in all 4 wrong entries of x, which are alike",
    )
    assert not any(c.explains for c in report.causes)


@pytest.mark.parametrize(("x", "power"), [(np.array([0.4, 1.3, 2.2]), True), (np.arange(1.0, 6.0), False)])
def test_a_third_is_a_power_as_well_as_a_mean_over_three(x: Any, power: bool):
    """x^2 for 3 x^2 of three entries; of five entries a fifth is a mean alone."""
    change = 1.0 if power else 3.0 / 5.0
    (said,) = check_gradient(lambda x: float(np.sum(x**3)), lambda x: change * x**2, x).diagnosis

    assert ("a power, as d(x^3) = 3 x^2 dx, or a mean where f takes the sum, N = 3" in said) is power
    assert "a mean where f takes the sum" in said
