"""The corpus of benchmarks/words.py, a sample of it; and what directions confirm of entries that nobody judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import words
from gradcheck import check_gradient, check_hessian, check_jacobian
from gradcheck.results.cause import Extent
from gradcheck.results.outcome import Outcome


@pytest.mark.slow
def test_a_sample_of_the_corpus_is_explained_rightly():
    """One case in 17: nothing false is said, and of twenty mistakes with an explanation at most one goes without."""
    figures = words.Figures.of(list(words.cases(every=17)))

    assert figures.explainable > 20
    assert figures.inexplicable > 20
    assert figures.false == 0
    assert figures.given_words == 0
    assert figures.explained >= 0.95 * figures.explainable


def test_the_corpus_holds_what_was_asked_for():
    """At least sixty kinds with an explanation, and as many without."""
    known = words.explainable()

    assert len({m.name for m in known}) == len(known) >= 60
    assert len(words.inexplicable(known)) >= len(known)
    assert all(m.kinds for m in known)


def large(change: Any) -> Any:
    """Check the gradient of 400 entries, of which the search samples a few."""
    a, x = np.random.default_rng(6).normal(size=(2, 400))
    return check_gradient(lambda x: float(a @ np.sin(x)), lambda x: change(a * np.cos(x), x), x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [lambda g, x: 1.1 * g, lambda g, x: g - 0.01 * x, lambda g, x: g[::-1], lambda g, x: np.exp(x) * g],
    ids=["factor", "decay", "reversed", "exp"],
)
def test_what_fits_a_sample_is_said_only_if_it_fits_the_whole(change):
    """A mistake in all entries is said to be in all; with one in ten off besides, nothing is said."""
    rng = np.random.default_rng(8)
    others = np.where(rng.random(400) < 0.1, 0.1 * rng.normal(size=400), 0.0)

    (cause,) = large(change).causes
    assert cause.place.extent is Extent.ALL
    assert cause.place.count == 400
    assert not any(c.explains for c in large(lambda g, x: change(g, x) + others).causes)


@pytest.mark.slow
def test_a_factor_of_a_large_jacobian_is_confirmed_too():
    """Rows that are sampled, and a direction for all of them."""
    rng = np.random.default_rng(9)
    a, x = rng.normal(size=(20, 300)) / 17.0, rng.normal(size=300)
    off = np.where(rng.random((20, 300)) < 0.1, 0.1 * rng.normal(size=(20, 300)) / 17.0, 0.0)

    def jac(x: Any) -> Any:
        return np.cos(a @ x)[:, None] * a

    clean = check_jacobian(lambda x: np.sin(a @ x), lambda x: 1.3 * jac(x), x)
    spoilt = check_jacobian(lambda x: np.sin(a @ x), lambda x: 1.3 * jac(x) + off, x)

    assert clean.diagnosis == ("analytic = 1.3 x numerical in all 6,000 entries of J",)
    assert not any(c.explains for c in spoilt.causes)


def test_a_budget_that_is_spent_leaves_the_sample_to_speak():
    """Where the directions that bear out a factor are not afforded one for the words does; else they say so."""
    a, x = np.random.default_rng(6).normal(size=(2, 400))

    def check(max_nfev: int | None) -> Any:
        return check_gradient(
            lambda x: float(a @ np.sin(x)), lambda x: 1.1 * a * np.cos(x), x, max_nfev=max_nfev
        )

    whole = check(None)
    for short, borne_out, extent in (
        (whole, True, Extent.ALL),
        (check(32), False, Extent.ALL),
        (check(28), False, Extent.TESTED),
    ):
        assert [region.borne_out is not None for region in short.evidence.regions] == [borne_out]
        assert short.causes[0].place.extent is extent


def matrix(change: Any) -> Any:
    """`large`, with x a matrix (20, 20)."""
    a, x = np.random.default_rng(6).normal(size=(2, 20, 20))

    def wrong(x: Any) -> Any:
        return change((a * np.cos(x)).ravel(), x.ravel()).reshape(20, 20)

    return check_gradient(lambda x: float(np.sum(a * np.sin(x))), wrong, x)


@pytest.mark.slow
def test_a_difference_quotient_that_four_entries_show_is_looked_for_in_more():
    """Of 400 entries that are all wrong the search judges four; not where a tenth of them are off besides."""
    rng = np.random.default_rng(8)
    others = np.where(rng.random(400) < 0.1, 0.1 * rng.normal(size=400), 0.0)

    def quotient(g: Any, x: Any) -> Any:
        return g * ((np.sin(x + 1e-3) - np.sin(x)) / 1e-3 / np.cos(x))

    (said,) = matrix(quotient).diagnosis
    assert said.startswith("analytic - numerical = h/2 f'' with h = 0.001 in all 71 tested entries of x: ")
    assert not any(c.explains for c in matrix(lambda g, x: quotient(g, x) + others).causes)


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["rows", "columns"])
def test_lines_in_another_order_are_told_by_an_entry_of_each(lines: str):
    """Of 400 entries that are all wrong the search judges four; not where a tenth of them are off besides."""
    order, rng = np.random.default_rng(2).permutation(20), np.random.default_rng(8)
    others = np.where(rng.random(400) < 0.1, 0.1 * rng.normal(size=400), 0.0)

    def moved(g: Any, _: Any) -> Any:
        g = g.reshape(20, 20)
        return (g[order] if lines == "rows" else g[:, order]).ravel()

    (said,) = matrix(moved).diagnosis
    assert said.startswith(f"the {lines} of x are in another order: the right one is ")
    assert not any(c.explains for c in matrix(lambda g, x: moved(g, x) + others).causes)


@pytest.mark.slow
def test_counts_are_told_from_the_entries_that_are_wrong():
    """Two or three for one in two thirds of 400 entries, scattered; not where other factors are among them."""
    times = np.random.default_rng(3).integers(1, 4, 400)
    other = np.where(np.arange(400) % 7 == 0, 2.37, 1.0)

    (said,) = matrix(lambda g, x: g / times).diagnosis
    assert said.startswith("numerical is 2 or 3 times analytic in all ")
    assert not any(c.explains for c in matrix(lambda g, x: g / times / other).causes)


@pytest.mark.slow
def test_a_block_is_told_from_a_direction_where_the_search_ended_at_its_edges():
    """29 x 39 of 10,800 entries: the search leaves its edges open. With two entries off beside it, no block is said."""
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(2, 90, 120))

    def negated(x: Any, *off: tuple[int, int]) -> Any:
        out = a * np.cos(x)
        out[22:51, 31:70] *= -1.0
        for place in off:
            out[place] += 0.5
        return out

    def f(x: Any) -> float:
        return float(np.sum(a * np.sin(x)))

    report = check_gradient(f, negated, x)
    beside = check_gradient(f, lambda x: negated(x, (52, 40), (53, 71)), x)

    assert report.diagnosis == ("analytic = -numerical in x[22:51, 31:70]: the sign",)
    assert "1,131 of 10,800 entries wrong" in report.reason
    assert not any("something is wrong somewhere" in note for note in report.notes)
    assert not any(c.explains for c in beside.causes)


@pytest.mark.slow
def test_a_value_that_stands_twice_is_not_called_moved():
    """A row off in a symmetric matrix: what each entry should be stands on the other side of the diagonal."""
    rng = np.random.default_rng(4)
    a, x = rng.normal(size=(120, 120)) / 11.0, rng.normal(size=120)
    off = np.zeros((120, 120))
    off[18] = rng.normal(size=120)

    report = check_hessian(lambda x: a @ a.T @ x + x**3, lambda x: a @ a.T + np.diag(3.0 * x**2) + off, x)

    assert report.diagnosis == ("the wrong entries lie in row 18 of H",)


@pytest.mark.slow
def test_a_block_of_a_large_jacobian_is_given_with_its_edges():
    """13 x 83 of 10,000 entries, of which a sample is judged; with a factor for each column, none is said."""
    rng = np.random.default_rng(9)
    a, x = rng.normal(size=(40, 250)) / 16.0, rng.normal(size=250)

    def jac(x: Any, factor: Any) -> Any:
        out = np.cos(a @ x)[:, None] * a
        out[10:23, 62:145] *= factor
        return out

    report = check_jacobian(lambda x: np.sin(a @ x), lambda x: jac(x, 3.0), x)
    others = check_jacobian(lambda x: np.sin(a @ x), lambda x: jac(x, np.linspace(2.0, 4.0, 83)), x)

    assert report.diagnosis == (
        "analytic = 3 x numerical in J[10:23, 62:145]: a power, as d(x^3) = 3 x^2 dx, or what is there three times?",
    )
    assert "1,079 of 10,000 entries wrong" in report.reason
    assert not any(c.explains for c in others.causes)


def test_a_gradient_that_was_forgotten_is_missing_where_something_is():
    """37 rows of 200 of a table are used: the others are rightly 0, and of what was not found nothing is said."""
    rng = np.random.default_rng(0)
    ids, weights = rng.integers(0, 200, 40), rng.normal(size=(40, 8))
    report = check_gradient(
        lambda x: np.sum(np.tanh(x[ids]) * weights), lambda x: 0 * x, 0.01 * rng.normal(size=(200, 8)), rng=1
    )
    wrong = len(report.wrong)
    assert report.reason.startswith(f"at least {wrong} of 1,600 entries wrong")
    assert report.diagnosis == (
        f"analytic is 0 in all {wrong} wrong entries of x that were judged, numerical is not: a term is missing",
    )
    used = {(int(i), k) for i in ids for k in range(8)}
    assert {m.index for m in report.wrong} <= used


@pytest.mark.parametrize("max_nfev", [24, 30, 60, None])
def test_a_column_of_a_symmetric_array_is_no_transpose(max_nfev: int | None):
    """Its mirror image has the right values, in a row; the budget may end before that is seen."""
    rng = np.random.default_rng(3)
    s, x = np.cov(rng.normal(size=(4, 20))), np.eye(4) + 0.05 * rng.normal(size=(4, 4))
    x = (x + x.T) / 2
    gradient = s - np.linalg.inv(x).T
    gradient[:, 2] *= 0.999
    for seed in range(4):
        report = check_gradient(
            lambda x: -np.log(np.linalg.det(x)) + np.trace(s @ x), gradient, x, rng=seed, max_nfev=max_nfev
        )
        assert not any("transposed" in said for said in report.diagnosis)


def test_what_fits_within_the_bars_comes_before_what_a_wide_tolerance_lets_pass():
    """Of 1.01 a factor (1 + d/x) leaves up to 0.5 %, which is accepted, and no bar holds."""
    rng = np.random.default_rng(1)
    costs = rng.random((6, 7))
    x = {"f": 0.3 + 0.1 * rng.normal(size=6), "g": -0.3 + 0.1 * rng.normal(size=7)}

    def plan(p: Any) -> Any:
        return np.exp((p["f"][:, None] + p["g"] - costs) / 0.3)

    gradient = {"f": 1.01 * (plan(x).sum(1) - 1 / 6), "g": plan(x).sum(0) - 1 / 7}
    for rtol, atol in ((5e-3, 0.0), (None, 1e-3)):
        report = check_gradient(
            lambda p: -(p["f"].mean() + p["g"].mean() - 0.3 * plan(p).sum()),
            gradient,
            x,
            rtol=rtol,
            atol=atol,
            rng=1,
        )
        assert report.diagnosis == ('analytic = 1.01 x numerical in all 6 entries of params["f"]',)


def zeros_of(shape: tuple[int, int], inside: Any, used: Any = True, rng: int = 0) -> Any:
    """The report on a sum of sines of which the gradient is claimed to be 0 in a part; f has no term where not used."""
    generator = np.random.default_rng(rng)
    x, a = generator.normal(size=shape), used * generator.normal(size=shape)
    return check_gradient(
        lambda x: float(np.sum(a * np.sin(x))), lambda x: np.where(inside, 0.0, a * np.cos(x)), x, rng=rng
    )


ROW = np.arange(25)[:, None] * np.ones(25, int)
FORGOTTEN = {
    "two rows": ((200, 250), np.repeat(np.arange(200) >= 198, 250).reshape(200, 250), "x[198:200, :]"),
    "rows": ((25, 25), ROW >= 12, "x[12:25, :]"),
    "rows apart": ((25, 25), ROW % 3 == 1, "rows 1, 4, 7, 10 and 4 more of x"),
    "a triangle": ((100, 300), ~np.tri(100, 300, dtype=bool), "the entries above the diagonal of x"),
    "no place": (
        (6, 5),
        (ROW[:6, :5] + ROW.T[:6, :5]) % 3 == 1,
        "all 6 wrong entries of x that were judged",
    ),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_is_claimed_to_be_0_is_known_from_the_claim(name: str):
    """Six of it are judged; all of it is said to be wrong, as in the headline."""
    shape, inside, place = FORGOTTEN[name]

    report = zeros_of(shape, inside)
    assert report.reason.startswith(f"about {inside.sum():,} of ")
    assert report.diagnosis == (f"analytic is 0 in {place}, numerical is not: a term is missing",)


def test_of_rows_that_are_claimed_to_be_0_some_may_be_right():
    """f uses two of eight: those that hold what is right are not named."""
    named = zeros_of(
        (40, 30), (rows := np.arange(40)[:, None] % 5 == 0), (rows <= 0) | (np.arange(40)[:, None] < 6)
    )
    rows_of = {m.index[0] for m in named.wrong}

    assert rows_of == {0, 5}
    assert named.diagnosis == ("analytic is 0 in rows 0 and 5 of x, numerical is not: a term is missing",)


@pytest.mark.parametrize("seed", range(3))
def test_the_box_of_what_a_search_found_is_no_place_of_all(seed: int):
    """Doubled beside the diagonal in all rows, of which it names some."""
    n = 200
    band = (np.abs(np.arange(n)[:, None] - np.arange(n)) == 1) * 1.0
    x = np.random.default_rng(2).normal(size=n)

    def f(x: Any) -> Any:
        return band @ np.sin(x) + x**3

    wrong = band * np.cos(x) * 2.0 + np.diag(3 * x**2)
    report = check_jacobian(f, wrong, x, rng=seed)
    assert report.outcome == "FAIL"
    assert not any("lie in" in said for said in report.diagnosis)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_one_number_along_an_axis_of_a_large_array_is_named(seed: int):
    """No two of those that were judged share a line: one beside some of them tells whether f's slopes differ there."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(20, 30, 40)), rng.normal(size=(20, 30, 40))
    alike = np.broadcast_to(a[..., :1], a.shape)

    def said(target: np.ndarray, at: np.ndarray) -> bool:
        def f(x: np.ndarray) -> float:
            return float(np.sum(np.log(np.cosh(x - target))))

        def largest(x: np.ndarray) -> np.ndarray:
            return np.broadcast_to(np.tanh(x - target).max(2, keepdims=True) - 0.5, x.shape).copy()

        report = check_gradient(f, largest, at, rng=seed)
        assert report.outcome is Outcome.FAIL
        return any("analytic is one number along axis 2" in sentence for sentence in report.diagnosis)

    assert said(a, x)
    assert not said(alike, np.broadcast_to(x[..., :1], x.shape).copy())


@pytest.mark.parametrize("seed", range(4))
def test_a_factor_of_each_column_is_told_where_a_column_was_not_looked_at(seed: int):
    """One entry of it is judged then; factors of each entry are none."""
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(12, 12)), rng.normal(size=(12, 12))

    def f(x: np.ndarray) -> float:
        return float(np.sum(np.log(np.cosh(x - a))) + 0.1 * np.sum(x.sum(0) ** 2))

    def said(c: np.ndarray) -> str:
        return " ".join(check_gradient(f, (np.tanh(x - a) + 0.2 * x.sum(0)) * c, x, rng=seed).diagnosis)

    assert "a factor of each column (1 to 12) in all 144 entries of x" in said(np.arange(1.0, 13.0))
    assert "a factor of each" not in said(rng.permuted(np.tile(np.arange(1.0, 13.0), (12, 1)), axis=1))
