"""The corpus of benchmarks/words.py, a sample of it; and what directions confirm of entries that nobody judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import words
from gradcheck import check_gradient, check_jacobian
from gradcheck.results.cause import Extent


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
    """Without evaluations for a direction the words are about the entries that were tested, and say so."""
    a, x = np.random.default_rng(6).normal(size=(2, 400))

    def check(max_nfev: int | None) -> Any:
        return check_gradient(
            lambda x: float(a @ np.sin(x)), lambda x: 1.1 * a * np.cos(x), x, max_nfev=max_nfev
        )

    whole = check(None)
    short = check(whole.nfev - 4)

    assert whole.causes[0].place.extent is Extent.ALL
    assert short.nfev == whole.nfev - 4
    assert short.causes[0].place.extent is Extent.TESTED
