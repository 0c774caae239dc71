"""Each kind of mistake is named where it is planted, and not named where it nearly is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.checks.gradient import check_gradient
from gradcheck.diagnosis import explanations
from gradcheck.diagnosis.explanations import diagnose
from gradcheck.diagnosis.patterns import CONSTANTS
from gradcheck.diagnosis.scope import Subject
from gradcheck.parameters.tree import Parameters
from gradcheck.report import sentences
from gradcheck.report.sentences import cause_sentence
from gradcheck.results.cause import Cause, Kind
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.verdict import Tolerance, judge

DOCS = Path(__file__).parents[2] / "docs" / "diagnosis.md"
BAR = 1e-10


def diagnosis_of(
    right: Any,
    wrong: Any,
    x: Any = None,
    *,
    only: Any = None,
    rtol: float = 1e-6,
    bar: float = BAR,
    grad: Any = None,
    curvature: float = 0.0,
    chord: float = 0.0,
) -> tuple[Cause, ...]:
    """Diagnose `wrong`, where the numerical gradient is `right` within its bars.

    only : the flat indices that are tested. curvature, chord : what the estimates say of f. rtol, bar : tau and E.
    """
    parameters, flat = Parameters.of(right if x is None else x)
    flat = (
        normal(flat.size, seed=13) if x is None else flat
    )  # else x would be the gradient: a decay like any factor
    analytic, truth = parameters.flatten(wrong), parameters.flatten(right)
    at = np.arange(flat.size) if only is None else np.asarray(only)
    rng = np.random.default_rng(0)
    parts: dict[str, Any] = {f.name: np.zeros(at.size) for f in fields(Estimate)}
    parts |= {
        "value": truth[at] + bar * rng.uniform(-1.0, 1.0, at.size),
        "error": np.full(at.size, bar),
        "step": np.full(at.size, 1e-3),
        "curvature": np.full(at.size, curvature),
        "chord": np.full(at.size, chord),
        "limit": np.full(at.size, Limit.NONE, object),
        "nfev": 0,
    }
    estimate, tolerance = Estimate(**parts), Tolerance(rtol)
    judgement = judge(analytic[at], estimate, np.zeros(at.size), tolerance)
    assert judgement.wrong.any()
    subject = Subject(parameters, analytic, flat, 0.0, tolerance)
    return diagnose(subject, Evidence(Entries(at, analytic[at], estimate, judgement)), grad)


def explain(right: Any, wrong: Any, x: Any = None, **options: Any) -> tuple[str, ...]:
    """The sentences of `diagnosis_of`."""
    return tuple(cause_sentence(cause) for cause in diagnosis_of(right, wrong, x, **options))


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    """Numbers in which nothing but what is planted has a pattern."""
    return np.random.default_rng(seed).normal(size=shape)


def changed(array: np.ndarray, index: Any, value: Any) -> np.ndarray:
    """A copy with one entry or part replaced; `value` may be a function of the old one."""
    out = array.copy()
    out[index] = value(out[index]) if callable(value) else value
    return out


V, M, SQUARE, CUBE = normal(6), normal(4, 3), normal(3, 3), normal(3, 3, 2)
AT7 = np.array([0.7, -1.3, 0.45, 1.9, -0.6, 0.25, 1.1])
AT = changed(normal(6, seed=5), 0, 2.0)  # a point; its largest entry is 2
SIGMOID = 1.0 / (1.0 + np.exp(-AT7))
C = AT - AT.mean()
P = np.array([0.02, 0.1, 0.25, 0.4, 0.6, 0.9])  # probabilities
Q = np.exp(M) / np.exp(M).sum(axis=1, keepdims=True)
LINE = np.linspace(-1.0, 2.9, 12)
# What two bytes leave of M.
HALF = np.max(np.abs(M.astype(np.float16) - M)) / np.max(np.abs(M))
E = normal(8, 4, seed=21)
Z = normal(4) + 1j * normal(4, seed=4)
TREE = {"W": M, "b": normal(3, seed=8)}


def tree(change: Any) -> dict[str, np.ndarray]:
    """TREE with all arrays changed."""
    return {name: change(array) for name, array in TREE.items()}


@dataclass(frozen=True)
class Example:
    """A planted mistake and the sentence it must give."""

    right: Any
    wrong: Any
    sentence: str
    x: Any = None
    options: dict[str, Any] = field(default_factory=dict)


EXAMPLES = {
    "zeros, one": Example(
        V, changed(V, 2, 0.0), "analytic is 0 in x[2] alone, numerical is not: a term is missing"
    ),
    "zeros, a row": Example(
        M, changed(M, 3, 0.0), "analytic is 0 in row 3 of x, numerical is not: a term is missing"
    ),
    "zeros, an array": Example(
        TREE,
        TREE | {"b": np.zeros(3)},
        'analytic is 0 in all 3 entries of params["b"], numerical is not: a term is missing',
    ),
    "sign": Example(
        M, changed(M, (..., 1), lambda v: -v), "analytic = -numerical in column 1 of x: the sign"
    ),
    "twice": Example(V, 2 * V, "analytic = 2 x numerical in all 6 entries of x: a factor 2 too many"),
    "half": Example(
        V,
        V / 2,
        "analytic = 1/2 x numerical in all 6 entries of x: a factor 2 is missing, as from d(x^2) = 2 x dx",
    ),
    "sum for mean": Example(
        TREE,
        TREE | {"W": 100 * M},
        'analytic = 100 x numerical in all 12 entries of params["W"]: a constant, a unit, or a sum for a mean?',
    ),
    "mean for sum": Example(
        TREE,
        tree(lambda v: v / 4),
        'analytic = 1/4 x numerical in all 15 entries of params["W"] and params["b"]: '
        'a mean where f takes the sum, N = 4 (the length of axis 0 of params["W"])?',
    ),
    "a factor": Example(V, 1.1 * V, "analytic = 1.1 x numerical in all 6 entries of x"),
    "of length 1": Example(
        V,
        V / np.linalg.norm(V),
        "analytic = 1/|numerical| x numerical in all 6 entries of x: a gradient divided by its norm?",
    ),
    "ln 10": Example(
        V,
        np.log(10.0) * V,
        "analytic = ln 10 x numerical in all 6 entries of x: a logarithm to another base?",
    ),
    "a factor, one entry": Example(
        TREE,
        TREE | {"W": changed(M, (2, 1), lambda v: 1.11 * v)},
        'one entry, params["W"][2, 1], scaled by 1.11',
    ),
    "transposed": Example(SQUARE, SQUARE.T, "x is transposed"),
    "permuted axes": Example(
        CUBE, CUBE.transpose(1, 0, 2), "x is permuted: analytic.transpose(1, 0, 2) fits"
    ),
    "columns for rows": Example(
        M, M.T.reshape(M.shape), "x is read by columns for rows: analytic.reshape(3, 4).T fits"
    ),
    "rows for columns": Example(
        M, M.reshape(3, 4).T, "x is read by rows for columns: analytic.T.reshape(4, 3) fits"
    ),
    "reversed": Example(M, M[::-1], "x is reversed: numpy.flip(analytic, 0) fits"),
    "reversed, two axes": Example(
        CUBE, np.flip(CUBE, (1, 2)), "x is reversed: numpy.flip(analytic, (1, 2)) fits"
    ),
    "shifted": Example(V, np.roll(V, 2), "x is shifted: numpy.roll(analytic, -2) fits"),
    "shifted along an axis": Example(M, np.roll(M, 1, 1), "x is shifted: numpy.roll(analytic, -1, 1) fits"),
    "shifted, filled": Example(
        V, np.r_[0.0, V[:-1]], "x is shifted: numpy.roll(analytic, -1) fits, but for 1 entry filled with 0"
    ),
    "exchanged": Example(V, V[[0, 4, 2, 3, 1, 5]], "x[1] and x[4] are exchanged"),
    "rows exchanged": Example(M, M[[0, 3, 2, 1]], "rows 1 and 3 of x are exchanged"),
    "rows in another order": Example(
        M,
        M[[2, 1, 3, 0]],
        "the rows of x are in another order: the right one is 3 for 0, 0 for 2, 2 for 3",
    ),
    "another order": Example(
        V,
        V[[0, 4, 1, 3, 2, 5]],
        "the values in all 3 wrong entries of x are right, but in another order",
    ),
    "exchanged arrays": Example(
        {"up": V, "down": AT}, {"up": AT, "down": V}, 'params["up"] and params["down"] are exchanged'
    ),
    "a cycle of arrays": Example(
        {"a": V, "b": AT, "c": normal(6, seed=9)},
        {"a": AT, "b": normal(6, seed=9), "c": V},
        'params["a"] has the gradient of params["b"], params["b"] has the gradient of params["c"], '
        'params["c"] has the gradient of params["a"]',
    ),
    "a copied array": Example(
        {"a": V, "b": AT}, {"a": AT, "b": AT}, 'params["a"] has the gradient of params["b"]'
    ),
    "one triangle": Example(
        SQUARE,
        np.tril(SQUARE),
        "analytic is 0 in the entries above the diagonal of x, numerical is not: a term is missing",
    ),
    "off-diagonals doubled": Example(
        SQUARE,
        np.where(np.eye(3) == 1.0, SQUARE, 2.0 * SQUARE),
        "analytic = 2 x numerical in the entries off the diagonal of x: a factor 2 too many",
    ),
    "reduced": Example(
        TREE,
        TREE | {"b": np.full(3, TREE["b"].sum())},
        'each entry of params["b"] is the sum of the numerical ones over all entries: '
        "reduced over too much, and broadcast?",
    ),
    "along an axis": Example(
        M,
        np.broadcast_to(M.max(axis=0), M.shape),
        "analytic is one number along axis 0 in all 12 entries of x, numerical differs: "
        "reduced over too much, and broadcast, or what differs left out?",
    ),
    "by log x": Example(
        V,
        AT * V,
        "analytic = numerical times x in all 6 entries of x: the derivative by another parameter than x, "
        "or of another function of f?",
        x=AT,
    ),
    "by exp x": Example(
        V,
        np.exp(-AT) * V,
        "analytic = numerical times exp(-x) in all 6 entries of x: the derivative by another parameter than x, "
        "or of another function of f?",
        x=AT,
    ),
    "by a square root": Example(
        V,
        2.0 * np.sqrt(P) * V,
        "analytic = numerical times 2 sqrt(x) in all 6 entries of x: the derivative by another parameter than x, "
        "or of another function of f?",
        x=P,
    ),
    "by log10 x": Example(
        V,
        np.log(10.0) * P * V,
        "analytic = numerical times ln 10 x in all 6 entries of x: the derivative by another parameter than x, "
        "or of another function of f?",
        x=P,
    ),
    "values of f, x for them": Example(
        SIGMOID * (1.0 - SIGMOID),
        AT7 * (1.0 - AT7),
        "analytic = numerical times x (1 - x)/(s (1 - s)), s the sigmoid of x, in all 7 entries of x: "
        "written in values of f, and given others?",
        x=AT7,
    ),
    "values of f, for x": Example(
        1.0 - np.tanh(AT7) ** 2,
        1.0 - np.tanh(np.tanh(AT7)) ** 2,
        "analytic = numerical times (1 - tanh(t)^2)/(1 - t^2), t = tanh(x), in all 7 entries of x: "
        "written in values of f, and given others?",
        x=AT7,
    ),
    "a small constant in a logarithm": Example(
        V / (P + 1e-3),
        V / P,
        "analytic = numerical times 1 + d/x with d = 0.001 +- 2e-14 in all 6 entries of x: "
        "a small constant inside a logarithm, as in log(x + d), left out?",
        x=P,
    ),
    "a norm": Example(
        V - AT * (V @ AT) / (AT @ AT),
        V,
        "numerical is analytic without its part along x in all 6 entries of x: a norm of x that is not differentiated, "
        "or weight decay that f does not have?",
        x=AT,
    ),
    "projected": Example(
        V,
        V - AT * (V @ AT) / (AT @ AT),
        "analytic is numerical without its part along x in all 6 entries of x: "
        "a gradient projected off x, as on a sphere, or weight decay left out?",
        x=AT,
    ),
    "a mean": Example(
        M - M.mean(axis=0),
        M,
        "numerical is analytic without its mean in each column in all 12 entries of x: "
        "a mean of x that is not differentiated?",
    ),
    "centred": Example(
        V,
        V - V.mean(),
        "analytic is numerical without its mean in all 6 entries of x: "
        "a gradient of which the mean was taken off, or a constant left out?",
    ),
    "a normalisation": Example(
        V - V.mean() - C * (V @ C) / (C @ C),
        V,
        "numerical is analytic without its mean and its part along x in all 6 entries of x: "
        "a normalisation of x that is not differentiated?",
        x=AT,
    ),
    "a deviation": Example(
        V - V.mean() - C * (V @ C) / (C @ C),
        V - V.mean(),
        "numerical is analytic without its part along x less its mean in all 6 entries of x: "
        "a standard deviation of x that is not differentiated?",
        x=AT,
    ),
    "a sum": Example(
        V - (V @ P) / P.sum(),
        V,
        "numerical is analytic less one number, so that it has no part along x, in all 6 entries of x: "
        "a sum by which x is divided is not differentiated?",
        x=P,
    ),
    "softmax": Example(
        Q * (M - np.sum(Q * M, axis=1, keepdims=True)),
        Q * M,
        "numerical is analytic less p times the sum of analytic, p = softmax of each row of x, in all 12 entries of x: "
        "the sum under a softmax is not differentiated?",
        x=np.log(Q),
    ),
    "softmax, its diagonal": Example(
        Q * (M - np.sum(Q * M, axis=1, keepdims=True)),
        Q * (1.0 - Q) * M,
        "analytic is the diagonal p (1 - p) alone of p = softmax of each row of x in all 12 entries of x: "
        "what acts between the entries is left out?",
        x=np.log(Q),
    ),
    "softmax, by its values": Example(
        Q * (M - np.sum(Q * M, axis=1, keepdims=True)),
        M,
        "numerical is p times (analytic less its mean over p), p = softmax of each row of x, in all 12 entries of x: "
        "the derivative by p, a softmax that is not differentiated?",
        x=np.log(Q),
    ),
    "a clamp": Example(
        np.where(LINE < 2.0, np.cos(LINE), 0.0),
        np.cos(LINE),
        "numerical is 0 in x[9:12], analytic is not: those with x >= 2.19; a clamp that is not differentiated?",
        x=LINE,
    ),
    "a triangle folded": Example(
        SQUARE + SQUARE.T,
        np.triu(SQUARE + SQUARE.T) + np.triu(SQUARE + SQUARE.T, 1),
        "analytic is numerical with its lower triangle folded onto the upper one in all 9 entries of x: "
        "a symmetric matrix taken for its one triangle?",
    ),
    "one triangle read": Example(
        np.tril(SQUARE + SQUARE.T) + np.tril(SQUARE + SQUARE.T, -1),
        SQUARE + SQUARE.T,
        "numerical is analytic with its upper triangle folded onto the lower one in all 9 entries of x: "
        "f reads one triangle alone, as cholesky and eigvalsh do?",
    ),
    "not used": Example(
        changed(M, (2, slice(None)), 0.0),
        M,
        "numerical is 0 in row 2 of x, analytic is not: f does not use them there (a mask, a clip)?",
    ),
    "stationary": Example(
        changed(M, (2, slice(None)), 0.0),
        M,
        "numerical is 0 in row 2 of x, analytic is not: f moves beside x, its slope there is 0 (a minimum, a saddle?)",
        options={"chord": 1e-3},
    ),
    "assigned": Example(
        V * np.array([1.0, 2.0, 3.0, 3.0, 2.0, 1.0]),
        V,
        "numerical is 2 or 3 times analytic in x[1:5]: "
        "assigned where it should be added up (indices that repeat, windows that overlap), "
        "or an exponent or an index left out?",
    ),
    "added up too often": Example(
        V,
        V * np.array([1.0, 2.0, 3.0, 4.0, 2.0, 1.0]),
        "analytic is 2 to 4 times numerical in x[1:5]: added up more often than f uses it?",
    ),
    "a factor of each row": Example(
        M * np.array([[2.0], [0.5], [1.0], [0.7]]),
        M,
        "analytic = numerical times a factor of each row (0.5 to 2) in all 12 entries of x: "
        "what each row is multiplied by (a weight, a norm, a derivative), or one of several terms left out?",
    ),
    "another axis": Example(
        M / 4,
        M / 3,
        "analytic = 4/3 x numerical in all 12 entries of x: a mean over 3 where f takes it over 4: over another axis?",
    ),
    "N - 1 for N": Example(
        LINE / 12,
        LINE / 11,
        "analytic = 12/11 x numerical in all 12 entries of x: N - 1 for N, N = 12?",
    ),
    "the root of N": Example(
        M,
        M / np.sqrt(3.0),
        "analytic = 1/sqrt(3) x numerical in all 12 entries of x: the root of the length of an axis?",
    ),
    "weight decay": Example(
        V,
        V - 0.01 * AT,
        "numerical - analytic = lambda x with lambda = 0.01 +- 5e-11 in all 6 entries of x: "
        "weight decay left out, or a negative one that f does not have?",
        x=AT,
    ),
    "L1": Example(
        V,
        V + 0.01 * np.sign(AT),
        "analytic - numerical = lambda sign(x) with lambda = 0.01 +- 1e-10 in all 6 entries of x: "
        "an L1 penalty that f does not have, or a negative one left out?",
        x=AT,
    ),
    "offset": Example(
        V,
        V - 0.5,
        "numerical - analytic = 0.5 +- 1e-10 in all 6 entries of x: "
        "a constant left out, or a negative one that f does not have?",
        x=AT,
    ),
    "integers": Example(
        9 * V,
        np.trunc(9 * V),
        "analytic is numerical cut to integers in all 6 entries of x: an integer array?",
    ),
    "clipped": Example(
        M,
        np.clip(M, -0.8, 0.8),
        "analytic is numerical cut off at 0.8 in all 12 entries of x: a clipped gradient?",
    ),
    "float32": Example(
        V,
        V.astype(np.float32).astype(float),
        "analytic has only the digits of float32 in all 6 entries of x, off by up to 2e-08 of the largest: "
        "computed in float32?",
        options={"rtol": 1e-9},
    ),
    "float16": Example(
        M,
        M.astype(np.float16).astype(float),
        f"analytic has only the digits of float16 in all 12 entries of x, off by up to {HALF:.1g} of the largest: "
        "computed in float16?",
    ),
    "conjugate": Example(
        Z,
        Z.conj(),
        "analytic is the conjugate of numerical in all 8 entries of x: df/dRe - i df/dIm, as JAX has it",
    ),
    "Wirtinger": Example(
        Z,
        Z.conj() / 2,
        "analytic is half the conjugate of numerical in all 8 entries of x: Wirtinger's df/dz",
    ),
    "real part": Example(
        Z, Z.real + 0j, "analytic is real in all 8 entries of x, numerical is not: the imaginary part is lost"
    ),
    "a cache": Example(
        V,
        V**2 + 0.3,
        "grad stays the same when x moves, f's slope does not: "
        "a stale cache, x is not used, or used in steps alone (a sign, an argmax)?",
        options={"grad": lambda x: V**2 + 0.3, "curvature": 1.0},
    ),
    "a row only": Example(M, changed(M, 2, np.exp), "the wrong entries lie in row 2 of x"),
    "some rows": Example(E, changed(E, [1, 3, 7], np.exp), "the wrong entries are rows 1, 3 and 7 of x"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_planted_mistake_is_named(name):
    """The sentence, written by hand, is the first that a planted mistake gives."""
    example = EXAMPLES[name]

    assert explain(example.right, example.wrong, example.x, **example.options)[0] == example.sentence


@pytest.mark.slow
def test_the_documented_sentences_are_real():
    """docs/diagnosis.md shows every example's real sentence, and no other."""
    rows = re.findall(r"^\|[^|]+\| `(.+?)` \|", DOCS.read_text(), re.MULTILINE)
    real = [explain(e.right, e.wrong, e.x, **e.options)[0] for e in EXAMPLES.values()]

    assert rows == real


# A stranger entry spoils each explanation that is for all entries: it is off in a way of its own.
def spoilt(wrong: np.ndarray) -> np.ndarray:
    """The array with its last entry moved by a hundredth: more than any tolerance here."""
    return changed(wrong, (-1,) * wrong.ndim, lambda v: v + 0.01)


SPOILABLE = {
    "twice": (V, 2 * V),
    "half": (V, V / 2),
    "sign": (V, -V),
    "mean for sum": (V, V / 6),
    "a factor": (V, 1.1 * V),
    "transposed": (SQUARE, SQUARE.T),
    "permuted axes": (CUBE, CUBE.transpose(1, 0, 2)),
    "columns for rows": (M, M.T.reshape(M.shape)),
    "rows for columns": (M, M.reshape(3, 4).T),
    "reversed": (M, M[::-1]),
    "shifted": (V, np.roll(V, 2)),
    "shifted along an axis": (M, np.roll(M, 1, 1)),
    "shifted, filled": (M, np.vstack([np.zeros(3), M[:-1]])),
    "exchanged": (V, V[[5, 1, 2, 3, 4, 0]]),
    "another order": (V, V[[5, 1, 0, 3, 4, 2]]),
    "reduced": (V, np.full(6, V.sum())),
    "mean": (V, np.full(6, V.mean())),
    "weight decay": (V, V - 0.01 * AT),
    "L1": (V, V + 0.01 * np.sign(AT)),
    "offset": (V, V - 0.5),
    "integers": (9 * V, np.trunc(9 * V)),
    "zeros": (V, np.zeros(6)),
    "a mean": (M - M.mean(axis=0), M),
    "clipped": (2.0 * M, np.clip(2.0 * M, -0.8, 0.8)),
    "of length 1": (V, V / np.linalg.norm(V)),
    "not used": (changed(M, (slice(0, 3), slice(None)), 0.0), M),
    "a factor of each row": (M * np.array([[2.0], [0.5], [1.3], [0.7]]), M),
    "assigned": (V * np.array([1.0, 2.0, 3.0, 3.0, 2.0, 2.0]), V),
    "another axis": (M / 4, M / 3),
    "conjugate": (Z, Z.conj()),
    "Wirtinger": (Z, Z.conj() / 2),
    "real part": (Z, Z.real + 0j),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPOILABLE)
def test_an_explanation_that_fits_all_entries_but_one_is_not_given(name):
    """The mistake with one more entry moved by a hundredth has no explanation, as nothing fits all of it."""
    right, wrong = SPOILABLE[name]
    x = AT if right.shape == AT.shape and right.dtype == float else None
    seen = diagnosis_of(right, spoilt(wrong), x)

    assert explain(right, wrong, x)
    assert not any(cause.explains for cause in seen)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(300,), (20, 30), (3, 4, 5)])
def test_a_shift_whose_end_was_filled_is_told_of_a_sample(shape: tuple[int, ...]):
    """The few entries that came round are asked for; filled with another number than 0 it is no shift."""
    a, x = np.random.default_rng(3).normal(size=(2, *shape))

    def shifted(fill: float) -> Any:
        def grad(x: np.ndarray) -> np.ndarray:
            g = np.roll(a * np.cos(x), 1, -1)
            g[..., 0] = fill
            return g

        return check_gradient(lambda x: float(np.sum(a * np.sin(x))), grad, x).causes

    (cause,) = shifted(0.0)
    assert (cause.kind, cause.length) == (Kind.SHIFTED, x.size // shape[-1])
    assert cause.order == f"numpy.roll(analytic, -1{', ' * (len(shape) > 1)}{len(shape) - 1 or ''})"
    assert Kind.SHIFTED not in [cause.kind for cause in shifted(0.25)]


def test_a_direction_of_descent_of_length_1_has_its_sign():
    """Divided by the norm, and negated."""
    (sentence,) = explain(V, -V / np.linalg.norm(V))

    assert sentence.startswith("analytic = -1/|numerical| x numerical in all 6 entries of x: ")


def test_a_factor_in_all_but_one_right_entry_is_not_claimed_for_that_one():
    """Where an entry is right the factor is said to hold in the wrong ones, no more."""
    (sentence,) = explain(V, changed(2 * V, 3, V[3]))

    assert sentence == "analytic = 2 x numerical in all 5 wrong entries of x: a factor 2 too many"


def test_zeros_that_a_factor_cannot_change_belong_to_all_entries():
    """An entry that is 0 on both sides is right with any factor, and does not spoil `all`."""
    right = changed(V, 3, 0.0)

    assert explain(right, 3.5 * right) == ("analytic = 3.5 x numerical in all 6 entries of x",)


def test_a_nearly_symmetric_matrix_is_named_only_where_transposing_mends_it():
    """A transpose shows in two entries; with one of them off otherwise it is no transpose."""
    nearly = changed(SQUARE + SQUARE.T, (0, 1), lambda v: v + 0.5)
    almost = changed(nearly.T, (0, 1), lambda v: v + 0.1)

    assert explain(nearly, nearly.T) == ("x is transposed",)
    assert explain(nearly, almost) == ()


@pytest.mark.parametrize("change", [lambda v: v, spoilt], ids=["as it is", "spoilt"])
def test_only_arrays_of_one_kind_and_nothing_else_wrong_are_exchanged(change):
    """Two vectors behind another array are exchanged; not if an entry is off, shapes differ, or a third is wrong."""
    right = {"first": M, "up": V, "down": AT}
    (sentence, *_) = explain(right, right | {"up": AT, "down": change(V)}) or ("",)

    assert ("are exchanged" in sentence) == (change is not spoilt)
    assert explain([V, AT.reshape(2, 3)], [AT, V.reshape(2, 3)]) == ()
    assert explain([V, AT, normal(6, seed=9)], [normal(6, seed=9), V + AT, V]) == ()
    assert explain([V, AT + 1j], [AT, V + 1j]) == ()


def test_entries_of_a_later_array_are_counted_from_its_own_start():
    """Exchanged and shifted entries have the array's own indices."""
    right = {"b": TREE["b"], "W": M, "z": np.array([*Z, 1.0])}
    exchanged = changed(changed(M, (1, 2), M[3, 0]), (3, 0), M[1, 2])

    assert explain(right, right | {"W": exchanged}) == (
        'params["W"][1, 2] and params["W"][3, 0] are exchanged',
    )
    assert explain(right, right | {"W": np.roll(M, 1, 0)}) == (
        'params["W"] is shifted: numpy.roll(analytic, -1, 0) fits',
    )
    assert explain(right, right | {"W": np.roll(M, 1)}) == (
        'params["W"] is shifted: numpy.roll(analytic, -1) fits',
    )
    assert explain(right, right | {"z": np.roll(right["z"], 2)}) == (
        'params["z"] is shifted: numpy.roll(analytic, -2) fits',
    )


def test_the_parts_of_one_complex_entry_may_be_exchanged():
    """Re and Im in each other's place are two reals in another order."""
    wrong = changed(Z, 2, lambda v: v.imag + 1j * v.real)

    assert explain(Z, wrong) == ("the values in x[2] are right, but in another order",)


def test_a_transpose_within_wide_bars_is_not_named():
    """Two entries a little apart, and bars nearly as wide: transposing them proves nothing."""
    nearly = changed(np.ones((3, 3)) + np.eye(3), (0, 1), 1.02)

    assert explain(nearly, nearly.T, bar=1e-9) == ("x is transposed",)
    assert explain(nearly, nearly.T, bar=0.005) == ()


def test_one_entry_is_evidence_for_no_constant():
    """One wrong entry fits any factor, decay and offset: it is described as scaled, and not explained."""
    (sentence,) = explain(V, changed(V, 3, lambda v: v - 0.01 * AT[3]), AT)

    assert sentence.startswith("one entry, x[3], scaled by ")


@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.5])
def test_one_entry_is_evidence_for_a_factor_that_nobody_chose(factor):
    """A sign or a 2, met to nine digits, is no accident even in one entry."""
    (sentence,) = explain(V, changed(V, 3, lambda v: factor * v))

    assert sentence.startswith("analytic = ")
    assert "numerical in x[3] alone: " in sentence


def test_a_wide_bar_makes_no_factor_of_one_entry():
    """At 3 % of uncertainty 2 and 1.97 are the same: the sentence describes, with the digits that are known."""
    assert explain(np.array([1.0]), np.array([1.97]), bar=0.01) == ("one entry, x[0], scaled by 2",)


def test_a_constant_is_given_with_the_digits_that_are_known():
    """1.1 known to 1e-4 is not 1.09998, and known to 1e-9 is."""
    off = 1.09998 * V

    assert explain(V, off) == ("analytic = 1.09998 x numerical in all 6 entries of x",)
    assert explain(V, off, bar=1e-5) == ("analytic = 1.1 x numerical in all 6 entries of x",)


def test_one_entry_is_not_described_where_others_are_undecided():
    """A derivative that hides in its bar may be wrong as well: then the visible one is not the only one."""
    right = np.array([1.0, 2.0, 1e-9])

    assert explain(right, 1.11 * right, bar=1e-12) != ()
    assert explain(right[[0, 2]], 1.11 * right[[0, 2]], bar=1e-8) == ()
    assert explain(right[[0, 1]], right[[0, 1]] * [1.11, 1.0], bar=1e-8) == (
        "one entry, x[0], scaled by 1.11",
    )


def test_a_penalty_of_signs_is_not_said_beside_the_decay_that_it_equals():
    """At x of +-1 the sign is x; at small x it is not."""
    assert len(explain(V, V - 0.01 * np.sign(AT), np.sign(AT))) == 1
    assert "L1 penalty" in explain(V, V - 0.01 * np.sign(AT), AT / 10.0)[0]


def test_a_constant_is_not_taken_for_a_penalty_of_signs():
    """Where all wrong entries have x of one sign, an L1 penalty is a constant, and said to be one."""
    assert explain(V, V - 0.5, np.abs(AT)) == explain(V, V - 0.5, AT)


def test_a_factor_is_taken_for_a_length_only_where_it_is_known_that_well():
    """100 among factors known to 3 % could be 98 or 102, and 30000.4 is no whole number, however near in the bars."""
    right = np.array([1.0, 1.5, 2.0])

    assert explain(right, 100 * right)[0].endswith(": a constant, a unit, or a sum for a mean?")
    assert explain(right, right / 49)[0].endswith(
        "1/49 x numerical in all 3 entries of x: a constant, a unit, or a mean for a sum?"
    )
    assert explain(right, 100 * right, bar=0.02) == ("analytic = 1e+02 x numerical in all 3 entries of x",)
    assert explain(right, 30000.4 * right) == ("analytic = 30000.4 x numerical in all 3 entries of x",)
    assert explain(right, 123456789.4 * right)[0].endswith(" x numerical in all 3 entries of x")


def test_a_whole_factor_is_n_only_where_n_is_known():
    """The number of entries of x, of all arrays or of one, and no factor of one entry."""
    size = 'a sum where f takes the mean, N = 12 (the entries of params["W"])?'

    assert explain(TREE, TREE | {"W": 12 * TREE["W"]})[0].endswith(size)
    assert explain(TREE, tree(lambda v: v / 15))[0].endswith(
        "a mean where f takes the sum, N = 15 (the entries of x)?"
    )
    assert explain(TREE, tree(lambda v: 13 * v))[0].endswith(": a constant, a unit, or a sum for a mean?")
    scalar = {"a": V, "s": np.array(0.7)}
    assert explain(scalar, {"a": V, "s": np.array(350.0)}) == ('one entry, params["s"], scaled by 500',)


def test_a_length_of_the_array_itself_is_named_before_that_of_another():
    """b has three entries, and so have the rows of W: for b it is its own."""
    (sentence,) = explain(TREE, TREE | {"b": 3 * TREE["b"]})

    assert sentence.endswith('N = 3 (the length of axis 0 of params["b"])?')


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_factor_is_found_in_any_unit(scale):
    """Squares of such numbers would overflow, or vanish."""
    sentence = "analytic = 2 x numerical in all 6 entries of x: a factor 2 too many"

    assert explain(scale * V, 2 * scale * V, bar=1e-12 * scale)[0] == sentence


@pytest.mark.parametrize("scale", [1e-310, 1e307])
def test_a_factor_at_the_end_of_the_numbers_is_no_factor(scale):
    """Its reciprocal is infinite, or has no integer near it: nothing is said of it, and nothing breaks."""
    assert not any("numerical in" in s for s in explain(V / 9.0, scale * V))


def test_arrays_of_one_factor_are_told_together():
    """Whole factors of two sizes are not counts, where each is that of arrays; and what is right is none of them."""
    right = {name: normal(6, seed=k) for k, name in enumerate("abcde")}
    wrong = {
        name: factor * right[name] for name, factor in zip("abcde", (2.0, 6.0, 2.0, 1.0, 6.0), strict=True)
    }
    assert explain(right, wrong) == (
        'analytic = 2 x numerical in all 12 entries of params["a"] and params["c"]: a factor 2 too many',
        'analytic = 6 x numerical in all 12 entries of params["b"] and params["e"]: '
        'a sum where f takes the mean, N = 6 (the length of axis 0 of params["b"])?',
    )
    # Within an array they are.
    wrong["b"] = np.array([2.0, 2.0, 3.0, 6.0, 6.0, 2.0]) * right["b"]
    assert explain(right, wrong)[0].startswith(
        "analytic is 2 to 6 times numerical in all 24 wrong entries of 4 arrays"
    )


def test_an_array_of_another_sign_is_told_beside_those_of_one_factor():
    """The factor of three arrays is said once."""
    right = {name: normal(6, seed=k) for k, name in enumerate("abcd")}
    wrong = {name: factor * right[name] for name, factor in zip("abcd", (0.5, 0.5, -1.0, 0.5), strict=True)}
    told = explain(right, wrong)
    assert len(told) == 2
    assert 'in all 18 entries of params["a"], params["b"] and params["d"]: a factor 2 is missing' in told[0]
    assert told[1] == 'analytic = -numerical in all 6 entries of params["c"]: the sign'


def test_an_entry_that_should_be_zero_is_no_multiple():
    """Nothing times a derivative of 0 is the analytic value."""
    assert explain(changed(V, 2, 0.0), changed(V, 2, 0.5)) == ()


@pytest.mark.parametrize("c", [5.0, 1 / 7, -7.0, 1.5])
def test_a_factor_that_is_no_length_gets_no_meaning(c):
    """5 may come from anything where no axis has five entries."""
    (sentence,) = explain(V, c * V)

    assert sentence == f"analytic = {c:.6g} x numerical in all 6 entries of x"


@pytest.mark.parametrize(("c", "known"), [(3.0, "3"), (1 / 3, "1/3")])
def test_a_third_may_be_that_of_a_power(c, known):
    """Where no axis has three entries: of these a mean is said."""
    (sentence,) = explain(V, c * V)

    meaning = "a power, as d(x^3) = 3 x^2 dx, or what is there three times?"
    assert sentence == f"analytic = {known} x numerical in all 6 entries of x: {meaning}"
    assert "3.001" in explain(V, 3.001 * V)[0]


def test_a_factor_near_one_is_given_with_the_digits_that_tell_it_from_one():
    """1 x numerical would say nothing."""
    assert "1.0000123 x numerical" in explain(V, 1.0000123 * V, rtol=1e-7)[0]
    assert "scaled by 1.001" in explain(np.ones(1), np.array([1.00108]), bar=3e-4)[0]


def test_what_fits_equally_well_is_all_said():
    """At x = (1, ..., 1) weight decay and a constant are the same."""
    first, second = explain(V, V + 0.25, np.ones(6))

    assert "lambda x" in first
    assert "a constant that f does not have" in second


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("x", [0.0, 1.0, None])
def test_where_f_shows_no_slope_no_projection_is_said(columns: int, x: float | None):
    """Rows of one number are 0 without their means, as they are less p times their sums where all x are 0."""
    claim = np.repeat(normal(5, 1), columns, axis=1)
    at = normal(5, columns, seed=9) if x is None else np.full((5, columns), x)

    (sentence,) = explain(np.zeros((5, columns)), claim, at)
    assert sentence == (
        f"numerical is 0 in all {5 * columns} wrong entries of x, analytic is not: f does not use them there "
        "(a mask, a clip)?"
    )


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_where_x_is_one_number_a_norm_or_a_softmax_is_a_mean(x: float):
    """p is 1/k there, and x / |x| the direction of the mean: one sentence. Where x varies it is a softmax."""
    (sentence,) = explain(M - M.mean(axis=1, keepdims=True), M, np.full((4, 3), x))
    assert sentence == (
        "numerical is analytic without its mean in each row in all 12 entries of x: "
        "a mean, a norm or a softmax of x (the same where it is one number) that is not differentiated?"
    )
    assert "p = softmax of each row" in explain(M - Q * M.sum(axis=1, keepdims=True), M, np.log(Q))[0]
    # Neither fits a term that is left out.
    assert not any("without its" in said for said in explain(M, M + M**2, np.full((4, 3), x)))


@pytest.mark.parametrize("size", [1e-12, 1e-8])
def test_scores_that_hardly_vary_have_one_probability(size: float):
    """Of x near 0 p is 1/n: what is off is a mean that was taken off, or a constant."""
    x = size * M
    centred = explain(M, M - M.mean(axis=1, keepdims=True), x)

    assert len(centred) == 1
    assert centred[0].startswith("analytic is numerical without its mean in each row")


def test_a_derivative_in_values_of_f_is_told_by_every_entry():
    """s (1 - s) of x, or of the sigmoid of s, in a Jacobian as well; one entry off, or a factor, is another mistake."""
    given, twice = AT7 * (1.0 - AT7), 1.0 / (2.0 + 2.0 * np.cosh(SIGMOID))
    right = SIGMOID * (1.0 - SIGMOID)

    assert "(1 - x)/(s (1 - s))" in explain(right, given, AT7)[0]
    assert "t that of s" in explain(right, twice, AT7)[0]
    for wrong in (1.1 * given, changed(twice, 3, lambda v: v + 0.01), given + 0.1, SIGMOID):
        assert not any("values of f" in said for said in explain(right, wrong, AT7))


def test_a_constant_without_freedom_beats_a_fitted_one():
    """For f = x.x / 2 a factor 2 and weight decay of -1 are the same; the 2 fits without being fitted."""
    (sentence,) = explain(V, 2 * V, V)

    assert "a factor 2 too many" in sentence


def test_integers_that_are_right_but_for_a_decay_are_not_cut():
    """A gradient of integers from which a small term is missing has fractions left out, but they fit the term."""
    right = np.array([3.0, 12.0, 7.0, 5.0, 9.0, 4.0]) + 0.01 * np.abs(AT)

    (sentence,) = explain(right, np.trunc(right), np.abs(AT))

    assert "weight decay left out" in sentence


def test_integers_off_by_a_small_term_of_another_kind_are_not_cut():
    """A small irregular term left out of integers leaves fractions near 0 only: no cut makes those."""
    right = np.array([3.0, 12.0, 7.0, 5.0, 9.0, 4.0]) + 0.01 * V**2

    assert explain(right, np.trunc(right), AT) == ()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ([3.7, 8.2], [3.0, 8.0]),
        ([3.7, 8.2, 5.4, 6.0], [3.0, 8.0, 5.0, 9.0]),
        ([3.7, 8.2, 5.4, 2.5], [3.0, 8.0, 5.0, 2.5]),
        ([3.7, 8.2, 5.4, 2.5], [3.0, 9.0, 5.0, 2.0]),
    ],
    ids=["too few", "off by three", "a right fraction", "the other side"],
)
def test_fractions_that_no_integer_array_makes_are_not_called_cut(right, wrong):
    """Two entries prove little; a cut moves by less than 1, leaves no fraction, and goes one way."""
    assert explain(np.array(right), np.array(wrong), AT[: len(right)]) == ()


def test_a_derivative_at_an_integer_may_be_cut_to_the_one_below():
    """What is 6 within its bar may have been 5.999...; cut, it is 5."""
    right, wrong = np.array([3.7, 8.2, 5.4, 6.0, 7.0]), np.array([3.0, 8.0, 5.0, 5.0, 6.0])

    assert "cut to integers" in explain(right, wrong)[0]


def test_whole_numbers_that_no_integer_array_makes_are_not_called_cut():
    """Such an array cuts towards 0 on both sides; labels alone lie on one side of sigmoid -+ labels."""
    labels, sigmoid = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0]), 1.0 / (1.0 + np.exp(-V))

    assert "cut to integers" in explain(9 * V, np.trunc(9 * V))[0]
    assert explain(9 * V, np.floor(9 * V)) == ()
    assert explain(sigmoid - labels, -labels) == ()
    assert explain(sigmoid + labels, labels) == ()


def test_a_coarser_error_than_float32_makes_is_not_its_arithmetic():
    """Values that float32 holds, but off by 1e-4, were not spoilt by it."""
    off = (V * (1 + 1e-4 * np.cos(AT))).astype(np.float32).astype(float)

    assert explain(V, off, AT) == ()


def test_an_error_of_that_size_with_all_digits_is_not_float32():
    """Values that float32 does not hold were not computed in it, nor any beyond its range."""
    off = V * (1 + 1e-7 * np.cos(AT))

    assert explain(V, off, AT, rtol=1e-9) == ()
    assert explain(1e300 * V, 1e300 * off, AT, rtol=1e-9) == ()


@pytest.mark.slow
def test_two_bytes_are_told_by_their_digits():
    """bfloat16 too; not numbers of few bits that lack more than their rounding."""
    rng = np.random.default_rng(2)
    right = rng.normal(size=40)
    brain = np.ldexp(np.rint(np.ldexp(np.frexp(right)[0], 8)), np.frexp(right)[1] - 8)
    (said,) = explain(right, brain)
    assert said.startswith(
        "analytic has only the digits of bfloat16 in all 40 entries of x, off by up to 0.00"
    )
    assert not any("digits of" in said for said in explain(right * (1.0 + 0.05 * rng.normal(size=40)), brain))


def test_short_binary_fractions_are_no_sign_of_float32():
    """0.5 and 3 are held by any format."""
    right = np.array([0.5, 3.0, -1.25, 2.0]) + 1e-7 * V[:4]

    assert explain(right, np.round(right, 3), rtol=1e-9) == ()


def test_sums_over_one_axis_are_named_with_it():
    """Every row the sum over the rows; a bar that hides the sum leaves it unsaid, and only the repetition is seen."""
    wrong = np.broadcast_to(M.sum(axis=0), M.shape)

    assert "is the sum of the numerical ones over axis 0" in explain(M, wrong)[0]
    assert explain(M, wrong, bar=0.3) == (
        "analytic is one number along axis 0 in all 12 entries of x, numerical differs: "
        "reduced over too much, and broadcast, or what differs left out?",
    )


def test_a_sum_of_zero_is_not_named():
    """The derivatives by the biases of a softmax sum to 0: so small a number may come from anything."""
    right = changed(V, 5, -V[:5].sum())

    assert not any("sum of the numerical" in s for s in explain(right, np.full(6, 1e-17)))


def test_one_number_in_all_entries_is_named_from_some_coordinates():
    """What the entries should be is known of two; that all six are the same is seen without testing them."""
    wrong = np.full(6, 0.25)

    assert explain(V, wrong, AT, only=[0, 1]) == (
        "analytic is 0.25 in all 6 entries of x, numerical differs: "
        "reduced over too much, and broadcast, or what differs left out?",
    )
    assert explain(V, changed(wrong, 5, 0.3), AT, only=[0, 1]) == ()


def test_one_number_in_all_entries_where_the_numerical_ones_agree_is_a_factor():
    """A gradient that is 2 everywhere for 1 everywhere is not a matter of broadcasting."""
    assert explain(np.ones(6), np.full(6, 1.5), AT)[0] == "analytic = 1.5 x numerical in all 6 entries of x"


def test_a_number_that_repeats_where_the_right_one_does_is_not_said_to_be_broadcast():
    """Units whose weights are alike have one gradient: right ones are constant along that axis as well."""
    right = np.broadcast_to(normal(5, 1), (5, 6))
    wrong = np.broadcast_to(normal(5, 1, seed=4), (5, 6))
    over = "analytic is one number along axis {} in all 30 entries of x, numerical differs: "

    assert not any("one number" in s or "is the" in s for s in explain(right, wrong, normal(5, 6)))
    assert not any("is the sum" in s for s in explain(right, 6.0 * right, normal(5, 6)))
    assert explain(normal(5, 6), wrong)[0].startswith(over.format(1))
    assert explain(right, np.broadcast_to(normal(6), (5, 6)), normal(5, 6))[0].startswith(over.format(0))


@pytest.mark.parametrize("n", [3, 6, 40])
@pytest.mark.parametrize("c", [-1.23, 0.5 + 1 / 3, 1 / 6, 10.0])
def test_alike_entries_are_evidence_for_one(n: int, c: float):
    """Units whose weights are alike have one gradient: whatever is wrong is a factor, a decay and a constant."""
    x, right = np.full((n, 3), 0.1), np.broadcast_to(normal(3), (n, 3)).copy()
    others = normal(n, 3, seed=5)

    seen = f"analytic = {c:.6g} x numerical in all {n} wrong entries of x, which are alike"
    assert explain(np.full(n, 0.7), np.full(n, 0.7 * c), x[:, 0]) == (seen,)
    assert explain(right, right * normal(3, seed=9), x) == ()
    assert "analytic = " in explain(right, right * c, x)[0]
    assert "analytic = " in explain(others, others * c, x)[0]
    assert explain(np.full(n, 0.7), np.full(n, -0.7), x[:, 0])[0].startswith("analytic = -numerical in all ")


def test_alike_entries_of_a_row_are_evidence_for_one():
    """Each row of them has its factor; where they differ that is a factor of each row."""
    c = np.array([[2.1], [1.9], [1.8], [2.3], [2.2], [1.7]])
    right = np.broadcast_to(normal(6, 1), (6, 3)).copy()

    assert not any("a factor of each row" in s for s in explain(right, c * right, np.ones((6, 3))))
    assert "a factor of each row" in explain(normal(6, 3), c * normal(6, 3), np.ones((6, 3)))[0]


@pytest.mark.parametrize(("n", "change"), [(6, 0.02), (19, 0.02), (4, 0.5)])
def test_a_mean_that_most_entries_are_is_none(n: int, change: float):
    """Two ends are off by equal and opposite amounts, on the way along which the others are alike."""
    right = changed(changed(np.ones(n), 0, 1.0 - change), n - 1, 1.0 + change)
    seen = explain(right, np.ones(n), np.arange(n) + 6.0)
    (mean,) = explain(V, np.full(6, V.mean()))

    assert seen == ()
    assert mean.startswith("each entry of x is the mean of the numerical ones over all entries: ")


def test_several_arrays_with_mistakes_of_their_own_get_a_sentence_each():
    """No explanation fits both; each array has one."""
    first, second = explain(TREE, {"W": 2 * M, "b": -TREE["b"]})

    assert 'of params["W"]' in first
    assert second == 'analytic = -numerical in all 3 entries of params["b"]: the sign'


def test_grad_is_called_for_an_array_that_nothing_explains_alone():
    """Two arrays, each with an explanation of its own, need no further calls; a third without one does."""
    right = {**TREE, "c": V}
    wrong = {"W": 2 * M, "b": -TREE["b"], "c": V}

    asked: list[Any] = []

    def grad(x: Any) -> Any:
        asked.append(x)
        return x

    explained = diagnosis_of(right, wrong, grad=grad, curvature=1.0)
    assert not asked
    unexplained = diagnosis_of(right, wrong | {"c": V**2 + 0.3}, grad=grad, curvature=1.0)

    # At another point, and twice at x: were both unlike what was claimed, and each other, it would be chance.
    assert len(asked) == 3
    assert len(unexplained) == 1 + len(explained) == 3


def test_a_decay_on_weights_alone_names_them_together():
    """The same lambda in two of three arrays is one mistake."""
    params = {"W1": M, "b": TREE["b"], "W2": SQUARE}
    wrong = params | {"W1": 0.9 * M, "W2": 0.9 * SQUARE}

    (sentence,) = explain(
        {k: v + 1.0 for k, v in params.items()}, {k: v + 1.0 for k, v in wrong.items()}, params
    )

    assert 'lambda = 0.1 +- 3e-11 in all 21 entries of params["W1"] and params["W2"]' in sentence


def test_all_of_some_arrays_are_wrong_only_where_each_entry_is():
    """Before one that is right: entries of them are, where some of theirs are right."""
    tree = {"a": M, "b": V, "c": AT}
    wrong = tree | {"a": M + 0.1 * normal(4, 3, seed=7), "b": V + 0.1 * normal(6, seed=8)}
    right = {"a": changed(wrong["a"], 0, M[0]), "b": changed(wrong["b"], 0, V[0])}
    said = 'params["a"] and params["b"] are wrong, and every other array is right: '

    assert explain(tree, wrong)[0].startswith(f"all of {said}")
    for name, array in right.items():
        assert explain(tree, wrong | {name: array})[0].startswith(f"entries of {said}")


def test_many_arrays_are_counted():
    """Four names would be too long a sentence."""
    params = [V, M, SQUARE, CUBE]

    assert "in all 45 entries of 4 arrays" in explain(params, [2 * v for v in params])[0]


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (np.s_[2, :], "row 2 of x"),
        (np.s_[:, 1], "column 1 of x"),
        (np.s_[1:3, 0:2], "x[1:3, 0:2]"),
        (np.s_[1:3, :], "x[1:3, :]"),
    ],
)
def test_a_part_of_a_matrix_is_named(part, place):
    """A factor in a row, column or block is said to be in it."""
    assert f"in {place}: a factor 2" in explain(M, changed(M, part, lambda v: 2 * v))[0]


def test_a_part_with_a_right_entry_in_it_is_not_named():
    """Two opposite corners of a block are not the block."""
    wrong = changed(changed(M, (1, 0), lambda v: 2 * v), (2, 1), lambda v: 2 * v)

    assert "in both wrong entries of x: a factor 2" in explain(M, wrong)[0]


def test_parts_of_arrays_with_three_axes_are_named_by_slices():
    """x[2, :, :] for a slab, x[0:2, 1, :] for a block."""
    assert "in x[2, :, :]: " in explain(CUBE, changed(CUBE, 2, 0.0 - CUBE[2]))[0]
    assert "in x[0:2, 1, :]: " in explain(CUBE, changed(CUBE, np.s_[0:2, 1], -CUBE[0:2, 1]))[0]


def test_a_row_of_the_second_array_and_of_a_complex_one_is_counted_from_its_own_start():
    """The place is an index of the array, whatever lies before it and however many reals an entry has."""
    z = Z[:, None] * Z
    first, second = {"b": TREE["b"], "W": M}, [V, z]

    assert 'in row 2 of params["W"]: the sign' in explain(first, first | {"W": changed(M, 2, -M[2])})[0]
    assert "in row 1 of params[1]: the sign" in explain(second, [V, changed(z, 1, -z[1])])[0]


def test_wrong_entries_of_several_arrays_are_counted_together():
    """A factor in some entries of two arrays has no place but the arrays."""
    two = {"W": changed(M, (1, 2), lambda v: 1.1 * v), "b": changed(TREE["b"], 0, lambda v: 1.1 * v)}
    four = two | {"W": changed(two["W"], (np.r_[0, 3], np.r_[0, 0]), lambda v: 1.1 * v)}

    assert explain(TREE, four) == (
        'analytic = 1.1 x numerical in all 4 wrong entries of params["W"] and params["b"]',
    )
    # Two entries always fit a constant: each is described.
    assert explain(TREE, two) == (
        'one entry, params["W"][1, 2], scaled by 1.1',
        'one entry, params["b"][0], scaled by 1.1',
    )


def test_an_array_with_one_entry_is_called_by_the_name_of_that():
    """No `all 1 entries`, and nothing to be alone among."""
    assert explain(np.array(3.0), np.array(6.0)) == ("analytic = 2 x numerical in x: a factor 2 too many",)
    assert explain([V, np.ones(1)], [V, np.zeros(1)])[0].startswith(
        "analytic is 0 in params[1][0], numerical"
    )


def test_right_zeros_everywhere_else_do_not_make_a_place_of_the_whole_array():
    """An offset that spares the zero entry is in five wrong entries, not in x[:]."""
    (sentence,) = explain(changed(V, 3, 0.0), changed(V - 0.5, 3, 0.0))

    assert "in all 5 wrong entries of x: a constant" in sentence


def test_most_of_a_row_that_is_wrong_is_a_place():
    """Four entries in one of eight rows: an accident of 1 in 500."""
    right = normal(8, 8)

    assert explain(right, changed(right, np.s_[5, [0, 2, 3, 7]], np.exp)) == (
        "the wrong entries lie in row 5 of x",
    )


def test_of_what_was_not_judged_no_place_is_said():
    """Some of an array: the place is that of those that were judged, and none where it is most of the array."""
    right = normal(10, 8)
    wrong = right + changed(np.zeros((10, 8)), 2, normal(8, seed=7))
    others = [0, 12, *range(24, 80, 3)]

    assert explain(right, wrong) == ("the wrong entries lie in row 2 of x",)
    assert explain(right, wrong, only=sorted([16, 18, 19, 22, *others])) == (
        "the wrong entries that were judged lie in row 2 of x",
    )
    scattered = right + changed(np.zeros(80), at := [1, 9, 14, 28, 38, 50, 59], normal(7)).reshape(10, 8)
    assert explain(right, scattered, only=sorted([*at, *others])) == ()


def test_one_wrong_entry_of_those_that_were_judged_is_not_alone():
    """The others may be wrong, too."""
    wrong = changed(V, 2, 0.0)

    assert explain(V, wrong)[0].startswith("analytic is 0 in x[2] alone, ")
    assert explain(V, wrong, only=[1, 2, 4])[0].startswith("analytic is 0 in x[2], ")


def test_neighbours_of_a_vector_and_rows_of_one_entry_are_no_place():
    """A vector has no rows, and a row with one entry says no more than the entry."""
    column = changed(V, 2, 0.0)[:, None]

    assert explain(V, changed(V, np.s_[2:4], np.exp)) == ()
    assert explain(column, changed(column, (2, 0), 0.5)) == ()


def test_undecided_entries_of_another_array_do_not_matter():
    """One wrong entry in an array where all else is verified is described, whatever the next array is like."""
    right = {"a": np.array([1.0, 2.0]), "b": np.array([1e-9, 2e-9])}
    wrong = {"a": np.array([1.11, 2.0]), "b": np.array([1.0, 2e-9])}

    assert explain(right, wrong, bar=1e-8) == ('one entry, params["a"][0], scaled by 1.11',)


def test_an_order_among_too_many_is_not_claimed():
    """Fifty values closer than their bars have so many orders that one of them always fits."""
    rng = np.random.default_rng(1)
    right, wrong = (rng.permutation(np.linspace(1.0, 2.0, 50)) for _ in range(2))

    assert "are right, but in another order" in explain(right, wrong)[0]
    assert explain(right, wrong, bar=0.01) == ()


def test_factors_of_some_rows_are_said_of_these():
    """Two of six; of most rows one may be 1."""
    right, c = normal(6, 4), np.ones((6, 1))
    some = explain(right, changed(changed(c, 2, 2.0), 4, 5.0) * right)
    most = explain(right, np.array([[2.0], [5.0], [1.0], [3.0], [2.0], [4.0]]) * right)

    assert "times a factor of each row (2 to 5) in rows 2 and 4 of x: " in some[0]
    assert "times a factor of each row (1 to 5) in all 24 entries of x: " in most[0]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 6, 6), 0), ((3, 4, 5), 2), ((2, 3, 4, 4), 1), ((12, 12), 1)]
)
def test_a_factor_of_each_index_of_an_axis_is_told_from_counts(
    shape: tuple[int, ...], axis: int, whole: bool
):
    """Whole ones, too, which are no indices that repeat: those have counts of their own."""
    right, x = normal(*shape), normal(*shape, seed=11)
    c = np.arange(1.0, shape[axis] + 1.0)
    c = c.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    noun = ("row", "column")[axis] if len(shape) == 2 else f"index of axis {axis}"
    some = np.flatnonzero(np.random.default_rng(2).random(right.size) < 0.7)
    only = None if whole else some
    factor = f"analytic = numerical times a factor of each {noun} (1 to {shape[axis]}) in all "

    assert explain(right, c * right, x, only=only)[0].startswith(factor)
    fractions = explain(right, np.sqrt(c + 0.1) * right, x, only=only)
    assert f"a factor of each {noun} (1.04881 to " in fractions[0]
    counts = np.random.default_rng(4).integers(1, 4, shape)
    assert "analytic is 2 or 3 times numerical in all " in explain(right, counts * right, x)[0]


def test_a_constant_on_the_diagonal_is_not_said_of_its_rows():
    """The identity for diag(mask): the zeros beside it are right, and would not be; of a factor they are."""
    mask = np.diag([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    nothing, constant = explain(mask, np.eye(10))
    (twice,) = explain(np.eye(10), 2.0 * np.eye(10) - mask)

    assert nothing.startswith("numerical is 0 in rows 1, 2, 6 and 8 of x, analytic is not: ")
    assert re.match(
        r"analytic - numerical = 1 \+- \S+ in all 4 wrong entries of x: a constant that f does not have",
        constant,
    )
    assert twice.startswith("analytic = 2 x numerical in rows 1, 2, 6 and 8 of x: ")


def test_the_diagonal_is_a_place_where_no_accident_is():
    """Eight of ten rows on it; three entries of 25 off it are no place."""
    eye = np.diag(np.r_[normal(8), 0.0, 0.0])

    assert explain(np.zeros((10, 10)) + eye, eye + np.diag(np.r_[normal(8, seed=5), 0.0, 0.0])) == (
        "the wrong entries lie on the diagonal of x",
    )
    off = normal(5, 5)
    for at in ((0, 1), (2, 3), (4, 0)):
        off[at] += 0.3 * at[0] + 0.1
    assert explain(normal(5, 5), off) == ()


def test_a_zero_inside_a_row_does_not_break_it():
    """A derivative that is 0 is right also in a row that is negated."""
    right = changed(M, (2, 0), 0.0)

    assert explain(right, changed(right, 2, -right[2])) == ("analytic = -numerical in row 2 of x: the sign",)


def test_wrong_entries_in_two_rows_lie_in_no_row():
    """A place is said only where all wrong entries are."""
    assert explain(M, changed(changed(M, 2, np.exp), (0, 0), 5.0)) == ()


def test_two_neighbours_that_are_wrong_by_accident_are_no_place():
    """Two of three entries of a row say nothing about the row."""
    assert explain(M, changed(M, np.s_[2, :2], np.exp)) == ()


def test_some_coordinates_suffice_for_a_factor_and_a_transpose():
    """The explained entries are those tested; an order is seen from untested entries too."""
    assert explain(M, 2 * M, only=[1, 5, 9]) == (
        "analytic = 2 x numerical in all 3 tested entries of x: a factor 2 too many",
    )
    assert explain(SQUARE, SQUARE.T, only=[1, 2, 4]) == ("x is transposed",)


def test_some_coordinates_do_not_fill_a_row():
    """Three entries of a row of four, the fourth not tested: the row is not claimed."""
    (sentence,) = explain(M.T, changed(M.T, 2, -M.T[2]), only=[0, 8, 9, 11])

    assert sentence == "analytic = -numerical in all 3 wrong entries of x that were judged: the sign"


def test_a_sum_over_everything_needs_everything():
    """Without all numerical values their sum is not known, and only the repetition is said."""
    (sentence,) = explain(V, np.full(6, V.sum()), only=[0, 1, 2, 3, 4])

    assert sentence.startswith("analytic is -1.33266 in all 6 entries of x, numerical differs")


def test_an_entry_that_is_not_finite_explains_nothing_and_hides_nothing():
    """A nan is reported elsewhere; the rest has its own explanation."""
    assert explain(V, changed(V, 2, np.nan)) == ()
    assert explain(V, changed(2 * V, 2, np.nan))[0].startswith(
        "analytic = 2 x numerical in all 5 tested entries"
    )


def test_parts_of_complex_entries_are_moved_together():
    """Two exchanged complex numbers are two entries, not four."""
    assert explain(Z, Z[[0, 2, 1, 3]]) == ("x[1] and x[2] are exchanged",)
    assert explain(Z, np.roll(Z, 1)) == ("x is shifted: numpy.roll(analytic, -1) fits",)


def test_one_imaginary_part_of_zero_is_no_real_gradient():
    """The others have theirs."""
    (sentence,) = explain(Z, changed(Z, 1, lambda v: v.real))

    assert sentence == "analytic is 0 in x[1].imag alone, numerical is not: a term is missing"


def test_a_conjugate_within_wide_bars_is_not_named():
    """Bars of the size of the imaginary parts would let any convention fit."""
    z = np.array([1.0 + 0.2j, 2.0 - 0.2j])

    assert explain(z, z.conj(), bar=1e-3) != ()
    assert explain(z, z.conj(), bar=0.1) == ()


def test_a_complex_number_by_itself_has_no_place():
    """Both of its parts are wrong, and there is nothing to say of where."""
    assert explain(np.array(1.0 + 2.0j), np.array(3.3 + 5.1j)) == ()
    assert explain(np.array(1.0 + 2.0j), np.array(1.0 - 2.0j))[0].startswith("analytic is the conjugate")


def test_a_sign_lost_in_one_imaginary_part_is_no_convention():
    """The conjugate is one only where it is of all entries."""
    wrong = changed(Z, 1, np.conj)

    assert explain(Z, wrong) == ("analytic = -numerical in x[1].imag alone: the sign",)


# The machine may be busy.
UNTIMED = settings(deadline=None)
SIZES = st.floats(0.1, 10.0) | st.floats(-10.0, -0.1)


@pytest.mark.slow
@UNTIMED
@given(
    right=st.lists(SIZES, min_size=3, max_size=12, unique_by=lambda v: round(v, 3)),
    # A number such as ln 10 is said by its name.
    c=SIZES.filter(
        lambda c: abs(c - 1.0) > 1e-3 and all(abs(c / k - 1.0) > 1e-5 for k in CONSTANTS.values())
    ),
)
def test_any_factor_is_found(right, c):
    """A factor on three or more entries is named with its value, whatever the gradient; alike entries are one."""
    sentences = explain(np.array(right), c * np.array(right), np.zeros(len(right)))

    found = [re.match(r"analytic = (\S+?)( x |numerical)", s) for s in sentences]
    values = [{"-": -1.0}.get(m[1]) or eval_fraction(m[1]) for m in found if m]
    # Six digits are printed.
    assert any(abs(value / c - 1.0) < 1e-5 for value in values)


def eval_fraction(text: str) -> float:
    """`1/100`, `1/sqrt(9)` or `1.1`."""
    parts = [re.fullmatch(r"sqrt\((.*)\)", part) or float(part) for part in text.split("/")]
    numerator, denominator = [
        math.sqrt(float(part[1])) if isinstance(part, re.Match) else part for part in [*parts, 1.0][:2]
    ]
    return numerator / denominator


@pytest.mark.slow
@UNTIMED
@given(
    strength=st.floats(1e-3, 1.0),
    x=st.lists(SIZES, min_size=3, max_size=12, unique_by=lambda v: round(abs(v), 3)),
)
def test_any_decay_is_found(strength, x):
    """Lambda is found within its error, whatever the point."""
    at = np.array(x)
    right = normal(at.size, seed=11) + 20.0

    sentences = explain(right, right - strength * at, at)

    found = [re.match(r"numerical - analytic = lambda x with lambda = (\S+) \+- ", s) for s in sentences]
    assert [m for m in found if m]
    assert all(abs(float(m[1]) / strength - 1.0) < 1e-5 for m in found if m)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2,), (3,), (12,), (2, 2), (3, 4), (5, 5), (2, 3, 2)])
@pytest.mark.parametrize("wrong", [2, 3, "all"])
def test_random_mistakes_are_not_explained(shape, wrong):
    """Entries replaced by unrelated numbers have no explanation: nothing is better than something wrong."""
    size = int(np.prod(shape))
    for seed in range(20):
        rng = np.random.default_rng([seed, size])
        right, at = rng.normal(size=shape), rng.normal(size=shape)
        hit = rng.choice(size, min(size, size if wrong == "all" else wrong), replace=False)
        gradient = right.copy()
        gradient.ravel()[hit] = rng.normal(size=hit.size)

        assert [s for s in explain(right, gradient, at) if "wrong entries lie" not in s] == []


def quadratic(p: Any) -> float:
    """A function whose slope changes with x in every entry."""
    return float(0.5 * np.sum(p**2) + np.sum(V[: p.size] * p))


class Cached:
    """A gradient of `quadratic` that answers for the point of its first call for ever."""

    def __init__(self) -> None:
        self.kept: np.ndarray | None = None
        self.points: list[np.ndarray] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.points.append(x.copy())
        if self.kept is None:
            self.kept = x + V
        return self.kept.copy()


class Late(Cached):
    """A gradient that answers for the point before, where that was another one."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.points.append(x.copy())
        if self.kept is None or not np.array_equal(x, self.points[-2]):
            self.kept = (self.points[-2] if len(self.points) > 1 else x + 0.3 * V) + V
        return self.kept.copy()


def test_a_cache_is_found_with_two_more_calls():
    """grad answers for an old point; two calls more show it, and are counted."""
    grad = Cached()
    grad(AT + 0.1 * V**3)

    report = check_gradient(quadratic, grad, AT)

    assert report.outcome is Outcome.FAIL
    assert report.diagnosis[0].startswith("grad stays the same when x moves")
    assert report.ngev == 4 == len(grad.points) - 1


def test_of_several_arrays_that_a_cache_ignores_the_words_agree():
    """One moves, two move."""
    x, stale = {"a": AT[:4], "b": AT[4:]}, {"a": V[:4], "b": V[4:]}

    (sentence,) = check_gradient(
        lambda p: sum(map(quadratic, (p["a"] + 1, p["b"]))), lambda p: stale, x
    ).diagnosis
    assert re.match(r'grad stays the same when params\["."\] and params\["."\] move, ', sentence)


def test_a_grad_that_remembers_is_found():
    """grad(x) changes after a call elsewhere, though two calls in a row agree."""
    report = check_gradient(quadratic, Late(), AT)

    assert report.outcome is Outcome.FAIL
    assert "remembers earlier calls" in report.diagnosis[0]


@pytest.mark.parametrize("chance", [1e-4, 0.3])
def test_a_random_grad_remembers_nothing(chance):
    """Its second value is another one, and so is its third: the words are those of chance."""
    draws = np.random.default_rng(0)

    report = check_gradient(
        quadratic, lambda x: (x + V[: x.size]) * (1 + chance * draws.normal(size=x.size)), AT
    )

    assert report.outcome is Outcome.FAIL
    assert not any("remembers" in said for said in report.diagnosis)
    assert any(
        "grad differs between two calls at the same x" in said for said in (report.reason, *report.notes)
    )


def test_a_constant_gradient_of_a_straight_function_is_no_cache():
    """Where f does not bend, a grad that stays the same is no mistake: the factor is not a cache."""
    report = check_gradient(lambda x: float(V @ x), lambda x: V + 0.1 * np.cos(7 * V), AT)

    assert report.outcome is Outcome.FAIL
    assert report.diagnosis == ()
    assert report.ngev == 2


def test_grad_is_called_within_the_bounds():
    """The point elsewhere lies where f was evaluated; four of the coordinates may not grow at all."""
    grad = Cached()
    grad(AT + 0.1 * V**3)
    upper = AT + np.array([0.0, 0.0, 1.0, 1e-4, 0.0, 0.0])

    report = check_gradient(quadratic, grad, AT, bounds=list(zip(AT - 1.0, upper, strict=True)))

    assert "stays the same" in report.diagnosis[0]
    assert all(np.all((x >= AT - 1.0) & (x <= upper)) for x in grad.points[1:])


def test_a_grad_that_fails_elsewhere_is_no_reason_to_fail():
    """An exception away from x tells nothing about the mistake."""

    def grad(x: np.ndarray) -> np.ndarray:
        if not np.array_equal(x, AT):
            raise ArithmeticError("not here")
        return x + V + 0.1 * np.cos(7 * V)

    report = check_gradient(quadratic, grad, AT)

    assert report.outcome is Outcome.FAIL
    assert report.diagnosis == ()
    assert report.ngev == 4


def test_grad_is_not_called_again_where_something_else_explains():
    """The two calls are for what is left unexplained."""
    report = check_gradient(quadratic, lambda x: 2 * (x + V), AT)

    assert report.ngev == 2
    assert "a factor 2 too many" in report.diagnosis[0]


def test_a_right_gradient_has_no_diagnosis():
    """A PASS needs no explanation."""
    assert check_gradient(quadratic, lambda x: x + V, AT).diagnosis == ()


@pytest.mark.parametrize("returns_value", [False, True])
def test_a_pair_of_value_and_gradient_is_understood_at_other_points(returns_value):
    """grad may return (value, gradient); the calls that look for a cache read it the same way."""

    def grad(x: np.ndarray) -> Any:
        wrong = V + AT + 0.1 * np.cos(7 * V)
        return (quadratic(x), wrong) if returns_value else wrong

    assert "stays the same" in check_gradient(quadratic, grad, AT).diagnosis[0]


def test_random_directions_are_explained_from_what_they_located():
    """Among 400 parameters the one wrong entry is found, and described."""
    at = normal(20, 20, seed=9)

    report = check_gradient(
        lambda x: np.sum(np.sin(x)),
        lambda x: changed(np.cos(x), (7, 3), lambda v: 1.11 * v),
        at,
        method="directions",
    )

    assert report.diagnosis == ("one entry, x[7, 3], scaled by 1.11",)
    assert "looks like: one entry, x[7, 3], scaled by 1.11" in str(report)


def test_an_analytic_value_that_is_merely_small_is_not_short_of_a_decay():
    """Where the numerical gradient is lambda x, and the analytic one next to nothing, no term is singled out."""
    assert explain(1e9 * AT, V, AT) == ()


def normalised(added: float, axis: int) -> tuple[Any, Any, Any]:
    """A normalisation with something added to the variance: right, with mean and deviation kept, and with one."""
    x, d = normal(6, 5, seed=31), normal(6, 5, seed=32)
    variance = x.var(axis, keepdims=True) + added
    h = (x - x.mean(axis, keepdims=True)) / np.sqrt(variance)

    def mean(a: Any) -> Any:
        return a.mean(axis, keepdims=True)

    right = (d - mean(d) - h * mean(d * h)) / np.sqrt(variance)
    return x, right, (d / np.sqrt(variance), (d - mean(d)) / np.sqrt(variance))


@pytest.mark.slow
@pytest.mark.parametrize("added", [0.0, 1e-5, 1e-3])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_normalisation_is_known_with_what_is_added_to_its_variance(added, axis):
    """Batch and layer normalisation as libraries have them; with something else added, nothing is said."""
    x, right, (both, deviation) = normalised(added, axis)
    line = ("column", "row")[axis]

    assert explain(right, both, x) == (
        f"numerical is analytic without its mean and its part along x in each {line} in all 30 entries of x: "
        "a normalisation of x that is not differentiated?",
    )
    assert explain(right, deviation, x) == (
        f"numerical is analytic without its part along x less its mean in each {line} in all 30 entries of x: "
        "a standard deviation of x that is not differentiated?",
    )
    if added:
        assert explain(normalised(0.37 * added, axis)[1], both, x) == ()


def test_sizes_that_differ_are_not_called_signs_nor_clipped():
    """Two sizes in the place of one; a bound that one right entry is above."""
    assert explain(M, changed(np.sign(M), 0, lambda v: 2.0 * v)) == ()
    assert explain(M, changed(np.clip(M, -0.5, 0.5), np.unravel_index(np.argmax(M), M.shape), M.max())) == ()
    # As many signs as an accident may make agree.
    assert explain(V, np.sign(V)) == ()
    # One number in the place of another is a factor, and no bound.
    alike = np.where(np.eye(4) > 0, -2.0, 0.25)
    assert not any("cut off" in said for said in explain(alike, np.where(np.eye(4) > 0, -1.9, 0.25)))


@pytest.mark.slow
def test_every_kind_of_explanation_stands_in_the_documentation():
    """By an example of the table, or by its words in the text below it."""
    shown = {
        cause.kind for e in EXAMPLES.values() for cause in diagnosis_of(e.right, e.wrong, e.x, **e.options)
    }
    text = DOCS.read_text()
    told = {
        Kind.BETWEEN: "every other array is right: look between",
        Kind.FACTOR_BESIDE: "a factor of all but a weight decay, lambda = 0.1",
        Kind.TERM_TRANSPOSED: "a term of analytic is transposed?",
        Kind.DIFFERENCE: sentences.QUOTIENT,
        Kind.BESIDE: "is off by is the same beside x: a term linear in x is left out",
        Kind.STOPS: sentences.STOPS,
        Kind.GAUSS_NEWTON: sentences.SECOND,
        Kind.REMEMBERS: "it remembers earlier calls",
    }

    assert {kind for kind, words in told.items() if words in text} | shown == set(Kind)


@pytest.mark.parametrize("width", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("bar", [3e-4, 1e-3, 3e-3])
def test_a_function_of_x_that_hardly_varies_is_no_other_reading_of_a_factor(width: float, bar: float):
    """cosh x, 1 - x^2 and exp x of small weights are one number within the bars: 1.5 times is all."""
    for size, only in ((40, None), (200, [3, 50, 90, 150])):
        x, right = width * normal(size), 1.0 + 0.3 * normal(size, seed=4)
        (sentence,) = explain(right, 1.5 * right, x, bar=bar, rtol=1e-3, only=only)
        assert sentence.startswith("analytic = 1.5 x numerical")
    # Where the bars tell them apart, one that is by another parameter is that.
    (sentence,) = explain(right, 0.4 * (2.0 + 2.0 * np.cosh(x)) * right, x, bar=1e-9, rtol=1e-6)
    assert "sigmoid" in sentence


@pytest.mark.parametrize(
    ("c", "said", "left_out"),
    [(-1.0, "-", 0.2), (2.0, "2 x ", 0.05), (12.0, "12 x ", 0.0916667), (1 / 12, "1/12 x ", 0.0)],
    ids=["sign", "2", "12", "1/12"],
)
def test_a_factor_of_all_but_the_weight_decay_is_told(c: float, said: str, left_out: float):
    """Of a mean beside its penalty the sum was given, or the other sign; a factor that is not whole is not said.

    c (g - 0.1 x) + 0.1 x = c (g - (c - 1) / c 0.1 x): the penalty may be left out as well, if it is another one.
    """
    loss, decay = normal(7, seed=2), 0.1 * AT7
    told = f"analytic = {said}numerical, and lambda x, in all 7 entries of x: "
    told += "a factor of all but a weight decay, lambda = 0.1"
    other = f", or beside one left out, lambda = {left_out}?" if left_out else "?"

    assert explain(loss + decay, c * loss + decay, AT7) == (told + other,)
    assert explain(loss + decay, 1.37 * c * loss + decay, AT7) == ()
    assert explain(loss, c * loss, AT7)[0].startswith("analytic = ")
    assert not any("lambda x, in" in each for each in explain(0.2 * AT7, 0.2 * AT7 + loss, AT7))
    assert explain(loss + decay, loss, AT7)[0].startswith(
        "numerical - analytic = lambda x with lambda = 0.1 "
    )


def test_two_ratios_tell_no_factor_beside_a_weight_decay():
    """4 x and 6 x for which 8 x and 18 x are given: two constants fit that."""
    weights, x = np.array([2.0, 3.0, 2.0, 3.0, 3.0, 2.0, 3.0]), AT7

    assert not any("lambda x, in" in each for each in explain(2.0 * weights * x, 2.0 * weights**2 * x, x))


def test_two_of_the_entries_tell_no_factor_beside_a_weight_decay():
    """Of five entries two constants leave three, of three one, which is no evidence."""
    loss, x = normal(5, seed=2), AT7[:5]

    assert "lambda x, in" in explain(loss + 0.1 * x, 2.0 * loss + 0.1 * x, x)[0]
    assert explain((loss + 0.1 * x)[:3], (2.0 * loss + 0.1 * x)[:3], x[:3]) == ()


def test_a_term_that_is_transposed_beside_others_is_told():
    """W^-1 for W^-T beside the data of a likelihood: what is off is antisymmetric; of two pairs it may be a flux."""
    w, data = normal(4, 4), normal(4, 4, seed=1)
    right, wrong = data - np.linalg.inv(w).T, data - np.linalg.inv(w)
    said = "analytic - numerical is antisymmetric in all 16 entries of x: a term of analytic is transposed?"
    pair = np.zeros((4, 4))
    pair[0, 1], pair[1, 0] = 0.5, -0.5

    assert explain(right, wrong, w) == (said,)
    assert explain(right, right.T, w) == ("x is transposed",)
    assert said not in explain(right, right + pair, w)
    assert said not in explain(right, wrong + np.triu(np.full((4, 4), 0.01)), w)


def test_decibels_are_known():
    """10 log10 for the natural logarithm."""
    assert explain(V, 10.0 / np.log(10.0) * V)[0].endswith("in all 6 entries of x: decibels?")


def test_what_a_factor_explains_is_asked_no_further(monkeypatch):
    """Everything twice: no sum, mean or function of x is tried; with each entry times x one is."""
    asked: list[int] = []
    monkeypatch.setattr(explanations, "BY_X", (lambda s: asked.append(s.size),))
    x = np.linspace(0.5, 2.0, 12)
    f, grad = lambda x: float(np.sum(np.sin(x))), np.cos

    assert check_gradient(f, lambda x: 2.0 * grad(x), x).outcome is Outcome.FAIL
    assert asked == []
    assert check_gradient(f, lambda x: x * grad(x), x).outcome is Outcome.FAIL
    assert asked != []
