"""The published central differences of the two-layer network, from what each perturbation touches.

A perturbed weight moves one hidden unit (W1, b1) or one score (W2, b2), and sample n only as far as its own input
is not zero. So L(w + h) - L(w - h) is a sum over samples of small corrections to one forward pass. Sample n's
correction depends on u = h x_ni alone: it is evaluated at a few values of u and interpolated between them by a
polynomial whose remainder is bounded below rounding, and a matrix product with the powers of the inputs sums it for
every weight at once. No derivative is coded. `docs/structured.md` derives the formulas and proves the bound.

Source: the chapter, sections 3.1 (central difference) and 5.1 (the network).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, repeat

import numpy as np
import numpy.typing as npt

from gradcheck._typing import Array
from gradcheck.textbook import activations, losses

Shift = Callable[[Array, slice], Array]

_PUBLISHED = (losses.cross_entropy_published, losses.cross_entropy_label_published)
_CORRECTED = (losses.cross_entropy, losses.cross_entropy_onehot, losses.cross_entropy_label)
# Numbers in the largest temporary of a block of units: 2 MB, one block for the chapter's network, where a second
# thread costs more than it brings. Chosen by trial on benchmarks/training.py.
_BLOCK = 2**18


def structured_differences(
    params: Mapping[str, Array],
    x: npt.ArrayLike,
    t: npt.ArrayLike,
    h: float,
    *,
    softmax: Callable[[Array], Array],
    loss: Callable[[Array, Array], float],
    n_threads: int | None,
) -> dict[str, Array]:
    """Return (L(w + h) - L(w - h)) / 2h for every parameter w of L = loss(softmax(sigmoid(x W1 + b1) W2 + b2), t).

    Arguments, result, error and what is raised: those of `structured_gradient`, whose network these are the parts of.
    """
    if not (np.isfinite(h) and h > 0):
        raise ValueError(f"h is {h}; a finite step above 0 is allowed")
    if n_threads is not None and n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}; None or 1 or more is allowed")
    _check_parts(params, softmax, loss)
    forward, inputs, touched, hidden = _forward(params, x, t, softmax, loss)
    W1, W2 = params["W1"], params["W2"]
    slope = hidden * (1 - hidden)

    def moved_unit(u: Array, units: slice) -> Array:
        # sigma(a + u) - sigma(a), without subtracting two nearly equal numbers.
        growth = np.expm1(u)[..., None, None]
        moved: Array = slope[:, units] * growth / (1 + hidden[:, units] * growth)
        return moved

    def moved_score(u: Array, units: slice) -> Array:
        # One score moves by u alone: its series of exp(u) - 1 is summed here.
        return np.broadcast_to(
            np.expm1(u)[..., None, None], (*u.shape, len(hidden), units.stop - units.start)
        )

    # A bias is the weight of one more input, which is always 1; no hidden unit is above it.
    largest, steepness = max(1.0, float(np.abs(inputs).max(initial=0.0))), 0.5 * float(np.abs(W2).max())
    degree = _degree(h * largest, steepness, h)
    terms = range(1, _terms(h * largest * steepness) + 1)
    series = np.array([W2.T**p / math.factorial(p) for p in terms])
    first = _layer(forward, inputs, largest, degree, moved_unit, series, h, n_threads)
    one_term = np.eye(W2.shape[1])[None]
    second = _layer(forward, hidden, 1.0, _degree(h, 1.0, h), moved_score, one_term, h, n_threads)
    gradient = np.zeros_like(W1)
    gradient[touched] = first[:-1]
    return {"W1": gradient, "b1": first[-1], "W2": second[:-1], "b2": second[-1]}


def _layer(
    forward: _Forward,
    inputs: Array,
    largest: float,
    degree: int,
    shift: Shift,
    series: Array,
    h: float,
    n_threads: int | None,
) -> Array:
    """Return the difference quotients for the weights (i, j) from `inputs` (n, i) into units, biases below them.

    Unit j moves score k of sample n, by d: exp(d) - 1 is the sum over p of s^p series[p - 1, k, j], where
    s = shift(u)[..., n, j] and u = h inputs[n, i].
    largest : |input|, that of the bias included.  degree : of the polynomials in u.
    """
    points, *_ = _chebyshev(degree)
    u = h * largest * np.array([points, -points])

    def block(units: slice) -> list[Array]:
        return _tables(forward, shift(u, units), series[:, :, units])

    n_units = series.shape[2]
    width = max(1, _BLOCK // (u.size * forward.y.size))
    units = [slice(j, min(j + width, n_units)) for j in range(0, n_units, width)]
    if len(units) == 1:
        blocks = [block(part) for part in units]
    else:
        with ThreadPoolExecutor(n_threads or os.cpu_count()) as pool:
            blocks = list(pool.map(block, units))
    tables = [np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)]
    differences = _differences(forward, tables, _odd_powers(inputs, largest, len(points)), degree)
    differences /= 2 * h * len(inputs)
    return differences


@cache
def _chebyshev(degree: int) -> tuple[Array, Array, Array]:
    """Return Chebyshev's points above 0; those below are their negatives; and what makes coefficients of values there.

    A polynomial of odd powers, u, u^3, ..., has the coefficients `odd @ values`, one of u^2, u^4, ... `even @ values`.
    """
    points = np.cos(np.pi * np.arange(degree // 2) / degree)
    odd, even = (np.linalg.inv(points[:, None] ** (first + 2 * np.arange(len(points)))) for first in (1, 2))
    return points, odd, even


def _odd_powers(inputs: Array, largest: float, count: int) -> Array:
    """Return the inputs, that of the biases last, in units of the largest: to the powers 1, 3, ... (count, n, i)."""
    powers = np.empty((count, len(inputs), inputs.shape[1] + 1))
    np.divide(inputs, largest, out=powers[0, :, :-1])
    powers[0, :, -1] = 1 / largest
    square = powers[0] ** 2
    for p in range(1, count):
        np.multiply(powers[p - 1], square, out=powers[p])
    return powers


def _tables(forward: _Forward, moved: Array, series: Array) -> list[Array]:
    """Return what has to be summed over the samples, as functions of u, for u > 0 and its negative.

    moved, series : (2, g, n, j) and (p, k, j), as in `_layer`.
    With a normaliser for each sample: the loss at u less that at -u, (g, n, j). With a shared one, by the rule
    log1p(c E + (1 - c) S) = log1p(c E) + log1p(S V): log1p(c E) at u less that at -u; then, with a first axis for u
    and -u, the growth S of the normaliser and, where delta is inside of the logarithm, the changes of V, V^2, ... for
    the series of log1p(S V).
    """

    def over_classes(values: Array) -> Array:
        weighted: Array = np.einsum("...mnj,mn->...nj", values, forward.weights)
        return weighted

    def log_ratio(changes: Array) -> Array:
        """Of the two numbers 1 + changes, at u and at -u."""
        plus, minus = changes
        return over_classes(np.log1p((plus - minus) / (1 + minus)))

    c = forward.kept[..., None]
    # The sum over k of y (exp(d) - 1) is that of s^p times y @ series[p - 1]: a few products for all g.
    S = _horner(moved, forward.y @ series)
    E = _horner(moved[:, :, None], series[:, forward.classes])
    if not forward.shared:
        growth = S[:, :, None]
        return [-log_ratio(c * (E - growth) / (1 + growth))]
    tables = [log_ratio(c * E), S]
    if (c < 1).any():
        powers = accumulate(repeat((1 - c) / (1 + c * E), 2 * moved.shape[1]), np.multiply)
        tables += [over_classes(V - (1 - c) ** b) for b, V in enumerate(powers, start=1)]
    return tables


def _horner(s: Array, coefficients: Array) -> Array:
    """Return coefficients[0] s + coefficients[1] s^2 + ..."""
    *others, last = coefficients
    total: Array = last * s
    for coefficient in reversed(others):
        total += coefficient
        total *= s
    return total


def _terms(change: float) -> int:
    """Return how many terms of exp(d) - 1 = d + d^2 / 2 + ... are enough where |d| is at most `change`.

    The rest, d^(p + 1) / (p + 1)! and less, is then below half a unit in the last place of d.
    """
    term, p = 1.0, 1
    while term > np.finfo(float).eps / 2:
        p += 1
        term *= change / p
    return p - 1


def _differences(forward: _Forward, tables: list[Array], powers: Array, degree: int) -> Array:
    """Return n (L(w + h) - L(w - h)) for every weight (i, j).

    tables : of `_tables`, at Chebyshev's points of u.  powers : (g, n, i), of `_odd_powers`.
    """
    _, to_odd, to_even = _chebyshev(degree)

    def summed(powers: Array, to_coefficients: Array, table: Array) -> Array:
        """Sum over the samples, at u = h x, the polynomials through a table (g, n, j)."""
        coefficients = (to_coefficients @ table.reshape(len(table), -1)).reshape(-1, table.shape[-1])
        sums: Array = powers.reshape(len(coefficients), -1).T @ coefficients
        return sums

    # What is even in u is the same for w + h and w - h, but for a shared normaliser, whose logarithm mixes both.
    difference, *others = tables
    changes = summed(powers, to_odd, difference)
    if forward.shared:
        even_powers = powers * powers[0]

        def both(table: Array) -> Array:
            """At u = +h x and u = -h x: (2, i, j)."""
            odd_part = summed(powers, to_odd, (table[0] - table[1]) / 2)
            even_part = summed(even_powers, to_even, (table[0] + table[1]) / 2)
            return np.stack([even_part + odd_part, even_part - odd_part])

        S, *V_powers = map(both, others)
        series = np.zeros_like(S)
        for b in range(len(V_powers), 0, -1):  # Horner's rule
            unmoved = np.sum(forward.weights * (1 - forward.kept) ** b)
            series = -S * (series + (unmoved + V_powers[b - 1]) / b)
        ratio = (S[0] - S[1]) / (1 + S[1])  # of the two normalisers, less 1
        changes = forward.weights.sum() * np.log1p(ratio) + series[0] - series[1] - changes
    return changes


def _degree(reach: float, steepness: float, h: float) -> int:
    """Return the least degree for which the interpolation's remainder moves no difference quotient by eps.

    reach : largest |u|.  steepness : bound of |d score / du|, also for complex u near 0.
    The bound of the remainder is derived in docs/structured.md.
    """
    radius = min(np.pi / 2, 1 / steepness) if steepness > 0 else np.pi / 2
    s = radius / reach
    ellipse = s + np.sqrt(s**2 - 1) if s > 50 else 1.0
    for degree in (4, 6, 8):
        if 128 * ellipse**-degree < np.finfo(float).eps * h * (ellipse - 1):
            return degree
    raise ValueError(
        f"h max|x| is {reach:.3g} and the largest score change per unit {steepness:.3g}: too large for this form; "
        "scale x to [-1, 1], take a smaller h, or use method 'loop'"
    )


@dataclass(frozen=True)
class _Forward:
    """The forward pass that every perturbation corrects, sample by sample.

    y : (n, k) outputs of the softmax.  shared : whether one normaliser serves all samples.
    classes, weights : (m, n) the classes that the loss looks at and their targets; m is 1 for labels.
    kept : (m, n) y / (y + delta) at those classes, the share of y in the loss's logarithm; 1 where delta is outside.
    """

    y: Array
    shared: bool
    classes: Array
    weights: Array
    kept: Array


def _forward(
    params: Mapping[str, Array],
    x: npt.ArrayLike,
    t: npt.ArrayLike,
    softmax: Callable[[Array], Array],
    loss: Callable[[Array, Array], float],
) -> tuple[_Forward, Array, Array, Array]:
    """Return the forward pass, the inputs, which these are, and the hidden layer; refuse what has no differences.

    A weight whose input is 0 in every sample touches nothing: the inputs are the other columns of x, `touched` (d,).
    """
    W1, b1, W2, b2 = (params[name] for name in ("W1", "b1", "W2", "b2"))
    inputs, targets = np.asarray(x), np.asarray(t)
    for name, array in (("x", inputs), ("t", targets)):
        if not np.can_cast(array.dtype, np.float64):
            raise TypeError(f"{name} has dtype {array.dtype}; real numbers that fit float64 are allowed")
    if inputs.ndim != 2 or inputs.shape[0] == 0 or inputs.shape[1] != len(W1):
        raise ValueError(f"x has shape {inputs.shape}; a batch (n, {len(W1)}) with n at least 1 is allowed")
    touched: Array = np.any(inputs, axis=0)
    inputs = inputs[:, touched].astype(np.float64, copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite raises below
        hidden = activations.sigmoid(inputs @ W1[touched] + b1)
        y = softmax(hidden @ W2 + b2)
        value = loss(y, targets)  # checks t
    if not np.isfinite(value):
        raise ValueError(f"the loss is {value}; only a finite loss has differences")

    published = loss in _PUBLISHED
    if published and targets.size == y.size:
        targets = targets.reshape(y.shape).argmax(axis=1)
    samples = np.arange(len(y))
    if targets.shape != y.shape:
        classes, weights = targets.reshape(1, -1), np.ones((1, len(y)))
    elif np.count_nonzero(targets, axis=1).max() <= 1:  # one-hot: the other classes add nothing
        classes = (targets != 0).argmax(axis=1)[None]
        weights = targets[samples, classes].astype(np.float64)
    else:
        classes = np.broadcast_to(np.arange(y.shape[1])[:, None], y.T.shape)
        weights = targets.T.astype(np.float64)
    seen = y[samples, classes]
    kept = np.ones_like(seen) if published else seen / (seen + losses.DELTA)
    return (
        _Forward(y, softmax is activations.softmax_whole_array, classes, weights, kept),
        inputs,
        touched,
        hidden,
    )


def _check_parts(params: Mapping[str, Array], softmax: object, loss: object) -> None:
    """Refuse what the formulas do not describe: two layers and the chapter's cross entropies are all they know."""
    if softmax not in (activations.softmax, activations.softmax_whole_array):
        raise ValueError(f"softmax is {softmax!r}; softmax or softmax_whole_array is allowed")
    if loss not in _CORRECTED + _PUBLISHED:
        raise ValueError(f"the loss is {loss!r}; a batch's cross entropy is allowed")
    if set(params) != {"W1", "b1", "W2", "b2"}:
        raise ValueError(f"params holds {', '.join(params)}; W1, b1, W2, b2 are allowed")
    for name, value in params.items():
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            found = getattr(value, "dtype", type(value).__name__)
            raise TypeError(f"params[{name!r}] is {found}; an array of float64 is allowed")
        if not np.isfinite(value).all():
            raise ValueError(f"params[{name!r}] holds nan or inf; finite numbers are allowed")
    shapes = {name: value.shape for name, value in params.items()}
    W1, b1, W2, b2 = (shapes[name] for name in ("W1", "b1", "W2", "b2"))
    if not (len(W2) == 2 and b1 == W1[1:] == W2[:1] and b2 == W2[1:]):
        raise ValueError(f"params have shapes {shapes}; (d, m), (m,), (m, k), (k,) are allowed")
