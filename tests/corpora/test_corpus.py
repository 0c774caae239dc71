"""The corpus itself: its right gradients are right, its truths are true, and it is the same every time."""

from __future__ import annotations

import ast
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmarks import corpus
from benchmarks.corpus import disturbed, flat

HAS_LIBRARIES = all(importlib.util.find_spec(name) for name in ("sklearn", "statsmodels"))

# How far a float64 gradient may be from the truth, in units of the largest entry: its own rounding, times the
# condition of the formula where that is large.
ROUNDING = {
    "clean": 1e-13,
    "float32": 1e-6,  # some gradients are computed in float32: a few times its eps, 1.2e-7
    "oscillating": 1e-10,  # sin(1e5 x) loses five digits of its argument
    "domain edge": 1e-5,  # 1 - |x|^2 at 1e-10 from the sphere loses ten digits
    "badly scaled": 1e-9,  # x / scale is rounded, and sines near 1e6 lose six digits
    "near a kink": 1e-13,
}


@pytest.fixture(scope="module")
def problems() -> list[corpus.Problem]:
    """Give every problem; without scikit-learn and statsmodels, those that need neither."""
    return corpus.problems(with_libraries=HAS_LIBRARIES)


def disagreement(a: object, b: object) -> float:
    """Measure the largest difference in units of the largest entry of `b`; nan agrees with nan only."""
    u, v = flat(a).astype(float), flat(b).astype(float)
    if u.shape != v.shape or not np.array_equal(np.isnan(u), np.isnan(v)):
        return np.inf
    known = ~np.isnan(v)
    scale = np.max(np.abs(v[known]), initial=0.0)
    if scale < 1e-40:  # nothing but the truncation error of a complex step of 1e-30 to a zero gradient
        scale = 1.0
    return float(np.max(np.abs(u - v)[known], initial=0.0) / scale)


def test_disagreement_refuses_what_it_must():
    """The measure of the tests below sees one wrong entry, a nan and another shape."""
    right = {"W": np.ones((2, 2)), "b": np.full(3, 2.0)}
    assert disagreement(right, right) == 0.0
    assert disagreement({"W": np.ones((2, 2)), "b": np.array([2.0, 2.0, 2.002])}, right) > 0.9e-3
    assert disagreement({"W": np.ones((2, 2)), "b": np.array([2.0, 2.0, np.nan])}, right) == np.inf
    assert disagreement(np.ones(6), right) == np.inf


@pytest.mark.slow
@pytest.mark.skipif(not HAS_LIBRARIES, reason="scikit-learn and statsmodels are needed for the whole corpus")
def test_the_whole_corpus_is_there(problems):
    """All categories, several hundred problems under unique names, n from 1 to 1,000, both libraries."""
    assert {p.category for p in problems} == set(corpus.CATEGORIES)
    assert len({p.name for p in problems}) == len(problems) >= 300
    assert min(p.n for p in problems) == 1
    assert max(p.n for p in problems) == 1000
    assert sum("scikit-learn" in p.name for p in problems) >= 8
    assert sum("statsmodels" in p.name for p in problems) >= 5


def test_there_are_hundreds_of_pairs_in_every_disturbance():
    """Each clean pair appears under every disturbance; names are unique."""
    pairs = corpus.pairs()
    clean = [pair for pair in pairs if pair.category == "clean"]
    assert len(clean) >= 400
    assert len(pairs) == len(clean) * (1 + len(disturbed.DISTURBANCES))
    assert len({pair.name for pair in pairs}) == len(pairs)


@pytest.mark.slow
def test_the_truth_agrees_with_its_witness(problems):
    """True gradients agree with the complex step of f in extended precision, or with mpmath."""
    wrong = []
    for p in problems:
        # Both are accurate to float64 rounding of their largest entry. Where the witness is the float64 gradient,
        # or x itself is rounded once more (other units), the tolerance is that of such a gradient; at a
        # stationary point the truth is rounding and has no scale of its own.
        loose = (
            p.category in ("badly scaled", "iterative solver", "float32", "domain edge") or "learn" in p.name
        )
        allowed = 1e-9 if loose else 1e-3 if p.category == "stationary" else 1e-13
        if not disagreement(p.true, p.witness()) <= allowed:
            wrong.append((p.name, disagreement(p.true, p.witness())))
    assert wrong == []


@pytest.mark.slow
def test_the_truth_of_hand_written_clean_problems_is_good_to_rounding(problems):
    """With the complex step in extended precision the two agree to a few units of float64 rounding."""
    clean = [p for p in problems if p.category in ("clean", "oscillating", "near a kink")]
    hand_written = [
        p for p in clean if not p.name.startswith(("scikit-learn", "statsmodels", "beta", "Bessel"))
    ]
    assert len(hand_written) > 100
    # Two roundings to float64; the special functions of SciPy are accurate to a few units.
    assert [p.name for p in hand_written if not disagreement(p.true, p.witness()) <= 1e-15] == []


def test_right_gradients_are_right(problems):
    """Every gradient that the checker will be asked to accept agrees with the truth to its own rounding."""
    wrong = []
    for p in problems:
        if p.category in ("on a kink", "stationary"):
            continue
        if not disagreement(p.grad(p.x), p.true) <= ROUNDING.get(p.category, 1e-12):
            wrong.append((p.name, disagreement(p.grad(p.x), p.true)))
    assert wrong == []


def test_stationary_points_have_gradients_of_rounding_size(problems):
    """At a minimum found numerically both gradients are small beside the curvature, which is of order one."""
    for p in problems:
        if p.category == "stationary" and "some coordinates" not in p.name:
            # A solver's tolerance of 1e-9 at most; times the largest curvature of the examples, about 100.
            assert np.max(np.abs(flat(p.true))) < 1e-7, p.name
            assert np.max(np.abs(flat(p.grad(p.x)) - flat(p.true))) < 1e-12, p.name


def test_points_on_kinks_have_no_derivative_there(problems):
    """One-sided slopes differ, or f jumps, in each coordinate whose truth is nan, and in no other."""
    for p in (p for p in problems if p.category == "on a kink"):
        point, step = flat(p.x), 1e-6
        for i in range(p.n):
            ahead, behind = point.copy(), point.copy()
            ahead[i] += step
            behind[i] -= step
            middle = p.f(p.x)
            bend = (p.f(corpus.like(p.x, ahead)) - 2 * middle + p.f(corpus.like(p.x, behind))) / step
            # Kinks of the corpus bend by more than 0.1, curvature by about its value, below 100, times the step.
            assert (abs(bend) > 0.01) == bool(np.isnan(flat(p.true)[i])), (p.name, i, bend)


def test_there_is_one_kink_nearby_and_no_other(problems):
    """At 1e-2 from its kink f is smooth within 1e-6: a plain central difference agrees with the truth."""
    chosen = [p for p in problems if p.note == "kink at distance 0.01"]
    assert len(chosen) == 10
    for p in chosen:
        point, step, slopes = flat(p.x), 1e-6, np.empty(p.n)
        for i in range(p.n):
            ahead, behind = point.copy(), point.copy()
            ahead[i] += step
            behind[i] -= step
            slopes[i] = (p.f(corpus.like(p.x, ahead)) - p.f(corpus.like(p.x, behind))) / (
                ahead[i] - behind[i]
            )
        # Rounding 1e-16 f / step is below 1e-8, truncation below 1e-9 of the third derivatives; slopes are of order 1.
        assert disagreement(corpus.like(p.x, slopes), p.true) < 1e-6, p.name


def test_true_slopes_of_pairs_agree_with_mpmath():
    """Every clean pair, to the last bit but one."""
    for pair in corpus.pairs():
        if pair.category == "clean":
            witness = pair.witness()
            # Formulas with a cancellation lose a few bits of the 64 of extended precision, none of the 53.
            assert abs(pair.slope - witness) <= 2.3e-16 * abs(witness), pair.name


def test_f_is_finite_deterministic_and_leaves_x_alone(problems):
    """Noise comes from the bits of x, not from a state; neither f nor grad writes to x."""
    for p in problems:
        before = pickle.dumps(p.x)
        first = p.f(p.x)
        p.grad(p.x)
        assert np.isfinite(first), p.name
        assert p.f(p.x) == first, p.name
        assert pickle.dumps(p.x) == before, p.name


@pytest.mark.slow
def test_the_corpus_is_the_same_at_every_call(problems):
    """No global seed, no state: two calls give equal points, values and truths."""
    again = corpus.problems(with_libraries=HAS_LIBRARIES)
    assert [p.name for p in again] == [p.name for p in problems]
    for p, q in zip(problems, again, strict=True):
        np.testing.assert_array_equal(flat(p.x), flat(q.x), err_msg=p.name)
        np.testing.assert_array_equal(flat(p.true), flat(q.true), err_msg=p.name)
        assert p.f(p.x) == q.f(q.x), p.name


@pytest.mark.parametrize("size", [1e-9, 1e-8])
def test_noise_has_the_stated_size(size):
    """Mean and standard deviation over 4,000 points are those of size times a standard normal."""
    f = disturbed.noisy(size)(lambda _x: 1.0)
    values = np.array([f(np.array([k / 7])) - 1.0 for k in range(4000)]) / size
    # Five standard errors: 5 / sqrt(4000) and 5 / sqrt(8000); f near 1 is rounded to 2e-16, 2e-7 of the size.
    assert abs(np.mean(values)) < 0.08
    assert abs(np.std(values) - 1) < 0.06


def test_rounding_keeps_eight_digits():
    """Eight significant digits, whatever the size; or six decimals."""
    assert disturbed.rounded(lambda x: x)(0.00123456789012) == 0.0012345679
    assert disturbed.rounded(lambda x: x)(-98765432.1) == -98765432.0
    assert disturbed.to_decimals(6)(lambda x: x)(1.23456789) == 1.234568


def test_float32_problems_compute_in_float32(problems):
    """Every value of f is a float32 number, and its point is too."""
    chosen = [p for p in problems if p.category == "float32"]
    assert len(chosen) >= 20
    for p in chosen:
        assert float(np.float32(p.f(p.x))) == p.f(p.x), p.name
        np.testing.assert_array_equal(flat(p.x), flat(p.x).astype(np.float32), err_msg=p.name)


def test_the_corpus_does_not_know_the_checker():
    """No module of it imports gradcheck: other checkers are given the same problems."""
    for path in Path(corpus.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "gradcheck" for name in names), path.name
