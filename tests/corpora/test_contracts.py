"""Maps, operators and products: the corpus is right, right claims pass, planted mistakes of 0.2 % and more fail."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import gradcheck
from benchmarks import contracts
from benchmarks.corpus import flat, like
from benchmarks.corpus.maps import Map, maps
from benchmarks.corpus.mistakes import LEAST, MISTAKES
from benchmarks.corpus.operators import operators

# One claim in so many is tried here, in a few seconds; `python -m benchmarks.contracts` tries all.
EVERY = 97
RIGHT = 13


def by_complex_step(m: Map) -> np.ndarray:
    """The Jacobian (m, n) of an analytic f; a longer step where the values are so small that a product would vanish."""
    x = flat(m.x)
    tiny = np.max(np.abs(m.f(m.x))) < 1e-200
    columns = []
    for j in range(x.size):
        point = x.astype(complex)
        step = (1e-6 if tiny else 1e-30) * (abs(x[j]) or 1.0)
        point[j] += 1j * step
        columns.append(np.ravel(np.imag(m.f(like(m.x, point)))) / step)
    return np.stack(columns, 1)


def test_jacobians_by_hand_are_those_of_their_maps():
    """By the complex step, in units of the largest entry of each row."""
    found = [m for m in maps() if m.analytic]
    assert len(found) >= 60
    for m in found:
        J = m.jac(m.x)
        size = np.abs(J).max(1, keepdims=True)
        apart = np.abs(by_complex_step(m) - J) / np.where(size > 0, size, 1.0)
        # Rounding of the formula; the squares of a step of 1e-6.
        assert apart.max() < (1e-11 if np.abs(J).max() > 1e-200 else 1e-9), m.name


def test_adjoints_are_the_transposes_over_the_reals():
    """Of the matrix over real and imaginary parts, column by column."""
    found = operators()
    assert len(found) >= 45
    for o in found:
        forward, adjoint = (np.asarray(part, float) for part in o.dense())
        size = np.abs(forward).max()
        assert np.abs(forward - adjoint.T).max() <= 1e3 * np.finfo(o.x.dtype).eps * size, o.name


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_no_smaller_than_it_says(mistake):
    """Somewhere 0.2 % of an entry that counts in its row, and the same at every call."""
    tried = 0
    for m in maps():
        J = m.jac(m.x)
        wrong, again = (MISTAKES[mistake](J, contracts.seeded(m.name, mistake)) for _ in range(2))
        if wrong is None:
            continue
        tried += 1
        assert np.array_equal(wrong, again)
        size = np.abs(J).max(1, keepdims=True)
        assert (np.abs(wrong - J) / np.where(size > 0, size, 1.0)).max() >= 0.4 * LEAST, m.name
    assert tried >= 5


@pytest.mark.slow
def test_right_claims_pass_and_wrong_ones_fail():
    """A part of the corpus, chosen by its place in it; every public check is there."""
    found = contracts.claims()
    right, wrong = ([c for c in found if bool(c.mistake) is kind] for kind in (False, True))
    assert len(right) >= 300
    assert len(wrong) >= 4000
    for claim in right[::RIGHT]:
        assert claim.call().outcome.value == "PASS", claim.name
    tried = wrong[::EVERY]
    for claim in tried:
        assert claim.call().outcome.value == "FAIL", claim.name
    checks = collections.Counter(c.check for c in found)
    public = {name for name in gradcheck.__all__ if name.startswith("check_")} | {"taylor_test"}
    assert set(checks) == public | {f"interop.{name}.check_function" for name in contracts.ADAPTERS}
    assert {c.check for c in tried} >= {"check_jacobian", "check_jvp", "check_vjp", "check_adjoint"}
