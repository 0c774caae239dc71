"""Random functions and points, for Hypothesis: trees of the nodes of `benchmarks/corpus/expressions.py`."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from benchmarks.corpus.expressions import (
    BINARY,
    REDUCTIONS,
    UNARY,
    Binary,
    Entries,
    Function,
    Linear,
    Node,
    Reduced,
    Tree,
    Unary,
    Vector,
    arrays_of,
)
from gradcheck.strategies import points

SEEDS = st.integers(0, 9)
# Mostly small, as shapes that fail are; now and then above the hundred entries from which directions decide.
LENGTHS = st.sampled_from([6, 6, 6, 6, 6, 30, 30, 30, 100, 300]).flatmap(lambda most: st.integers(1, most))
SHAPES = st.one_of(LENGTHS, st.just(()), st.tuples(st.integers(1, 5), st.integers(1, 6)))
# Made once: a strategy lists all its short decimals.
CALM, WIDE = points(SHAPES, magnitude=(1e-1, 1e1)), points(SHAPES, magnitude=(1e-8, 1e8))


@st.composite
def places(draw: st.DrawFn) -> Tree:
    """A point: one array, or a dict of two; entries from 1e-8 to 1e8, well or badly scaled, some of them zero."""
    keys = ("x",) if draw(st.integers(0, 3)) else ("W", "b")
    entries = CALM if draw(st.booleans()) else WIDE
    arrays = {key: np.array(draw(entries)) for key in keys}
    if draw(st.integers(0, 7)) == 7:
        share, rng = draw(st.sampled_from([0.2, 0.5, 1.0])), np.random.default_rng(draw(SEEDS))
        for array in arrays.values():
            array[rng.random(array.shape) < share] = 0.0
    return arrays["x"] if set(arrays) == {"x"} else arrays


@st.composite
def functions(draw: st.DrawFn, x: Tree) -> Function:
    """A function of trees like x."""
    body = draw(_reduced(arrays_of(x), draw(st.integers(1, 4))))
    factor = 10.0 ** draw(st.sampled_from([0, 0, 0, 0, -3, 3, -8, 8]))
    offset = factor * draw(st.sampled_from([0.0, 0.0, 0.0, 1.0, -1e3, 1e6]))
    return Function(body, factor, offset, draw(st.booleans()))


@st.composite
def _leaf(draw: st.DrawFn, x: dict[str, Vector]) -> Node:
    key = draw(st.sampled_from(sorted(x)))
    size = float(np.median(np.abs(x[key])))
    # In x's own scale, or as it comes: 1e8 is then many periods of a sine, and 1e-8 hardly a change.
    natural = draw(st.integers(0, 4)) > 0
    factor = 10.0 ** -round(math.log10(size)) if natural and size > 0 else 1.0
    return Entries(key, x[key].size, factor, draw(st.none() | SEEDS))


@st.composite
def _vector(draw: st.DrawFn, x: dict[str, Vector], depth: int) -> Node:
    kind = draw(st.sampled_from(["unary", "binary", "linear", "leaf"])) if depth > 0 else "leaf"
    if kind == "leaf":
        return draw(_leaf(x))
    inner = draw(_vector(x, depth - 1))
    if kind == "unary":
        return Unary(draw(st.sampled_from(list(UNARY))), inner)
    if kind == "linear":
        return Linear(inner, draw(st.integers(1, 4)), draw(SEEDS))
    other = draw(_vector(x, depth - 1))
    if other.length not in (1, inner.length):
        other = Reduced(draw(st.sampled_from(REDUCTIONS)), other)
    return Binary(draw(st.sampled_from(list(BINARY))), inner, other)


@st.composite
def _reduced(draw: st.DrawFn, x: dict[str, Vector], depth: int) -> Node:
    body: Node = Reduced(draw(st.sampled_from(REDUCTIONS)), draw(_vector(x, depth)))
    if draw(st.integers(0, 2)) == 0:
        other = Reduced(draw(st.sampled_from(REDUCTIONS)), draw(_vector(x, depth - 1)))
        body = Binary(draw(st.sampled_from(list(BINARY))), body, other)
    return Unary(draw(st.sampled_from(list(UNARY))), body) if draw(st.integers(0, 3)) == 0 else body
