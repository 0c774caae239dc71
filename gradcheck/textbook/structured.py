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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck.textbook import losses
from gradcheck.textbook.networks import TwoLayerNet

__all__ = ["structured_gradient"]

Array = npt.NDArray[Any]
Shift = Callable[[Array, slice], Array]

_PUBLISHED = (losses.cross_entropy_published, losses.cross_entropy_label_published)
_CORRECTED = (losses.cross_entropy, losses.cross_entropy_onehot, losses.cross_entropy_label)
# Numbers in the largest temporary of a block of units: 2 MB, one block for the chapter's network, where a second
# thread costs more than it brings. Chosen by trial on benchmarks/training.py.
_BLOCK = 2**18


def structured_gradient(
    network: TwoLayerNet, x: npt.ArrayLike, t: npt.ArrayLike, h: float = 1e-4, *, n_threads: int | None = None
) -> dict[str, Array]:
    """Return (L(w + h) - L(w - h)) / 2h for every parameter w, as a dict like `network.params`.

    network : TwoLayerNet with float64 parameters, `softmax` or `softmax_whole_array`, and a cross entropy of a batch.
    x : (n, d), d the input size.  t : one-hot or soft targets (n, k) or labels (n,), as the network's loss takes them.
    h : the step, in units of the parameters.
    n_threads : threads for networks so large that they are taken in blocks of units, default one per processor;
        the result does not depend on it.
    Error: rounding alone, about 1e-15 of the largest weight of W2; the loop's own rounding is about 1e-16 L / h.
    Raises TypeError or ValueError for a network, loss or array that the formulas do not cover, and ValueError where
    h max|x| is too large for the interpolation's remainder to stay below rounding.
    """
    if not (np.isfinite(h) and h > 0):
        raise ValueError(f"h is {h}; a finite step above 0 is allowed")
    if n_threads is not None and n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}; None or 1 or more is allowed")
    forward, inputs, touched, hidden = _forward(network, x, t)

    def moved_unit(u: Array, units: slice) -> Array:
        # sigma(a + u) - sigma(a), without subtracting two nearly equal numbers.
        z, growth = hidden[:, units], np.expm1(u)[..., None, None]
        moved: Array = z * (1 - z) * growth / (1 + z * growth)
        return moved

    def moved_score(u: Array, units: slice) -> Array:
        return np.broadcast_to(u[..., None, None], (*u.shape, len(hidden), units.stop - units.start))

    W2 = network.params["W2"]
    first = _layer(forward, inputs, W2, moved_unit, 0.5, h, n_threads)
    second = _layer(forward, hidden, np.eye(W2.shape[1]), moved_score, 1.0, h, n_threads)
    W1 = np.zeros_like(network.params["W1"])
    W1[touched] = first[:-1]
    return {"W1": W1, "b1": first[-1], "W2": second[:-1], "b2": second[-1]}


def _layer(
    forward: _Forward,
    inputs: Array,
    moves: Array,
    shift: Shift,
    slope: float,
    h: float,
    n_threads: int | None,
) -> Array:
    """Return the difference quotients for the weights (i, j) from `inputs` (n, i) into units, biases below them.

    Unit j moves the scores of sample n by shift(u)[..., n, j] moves[j], where u = h inputs[n, i].
    slope : a bound of |d shift / du|, also for complex u near 0.
    """
    # A bias is the weight of one more input, which is always 1.
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    largest = np.abs(inputs).max()
    steepness = slope * np.abs(moves).max()
    degree = _degree(h * largest, steepness, h)
    terms = _terms(h * largest * steepness)
    # Chebyshev's points above 0; those below are their negatives.
    grid = np.cos(np.pi * np.arange(degree // 2) / degree)
    u = h * largest * np.stack([grid, -grid])

    def block(units: slice) -> list[Array]:
        return _tables(forward, shift(u, units), moves[units], terms)

    width = max(1, _BLOCK // (2 * grid.size * forward.y.size))
    units = [slice(j, min(j + width, len(moves))) for j in range(0, len(moves), width)]
    if n_threads == 1 or len(units) == 1:
        blocks = [block(part) for part in units]
    else:
        with ThreadPoolExecutor(n_threads or os.cpu_count()) as pool:
            blocks = list(pool.map(block, units))
    tables = [np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)]
    differences = _differences(forward, tables, grid, inputs / largest)
    differences /= 2 * h * len(inputs)
    return differences


def _tables(forward: _Forward, moved: Array, moves: Array, terms: int) -> list[Array]:
    """Return what has to be summed over the samples, as functions of u, for u > 0 and its negative.

    moved, moves : (2, g, n, j) and (j, k); unit j changes the scores of sample n by moved[:, :, n, j] moves[j].
    terms : of the series of exp.
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
    # The sum over k of y (exp(s m) - 1) is that of s^p times y @ m^p / p!: a few products for all g.
    series = [moves.T**p / math.factorial(p) for p in range(1, terms + 1)]
    S = _horner(moved, [forward.y @ term for term in series])
    E = _horner(moved[:, :, None], [term[forward.classes] for term in series])
    if not forward.shared:
        growth = S[:, :, None]
        return [-log_ratio(c * (E - growth) / (1 + growth))]
    tables = [log_ratio(c * E), S]
    if (c < 1).any():
        powers = accumulate(repeat((1 - c) / (1 + c * E), 2 * moved.shape[1]), np.multiply)
        tables += [over_classes(V - (1 - c) ** b) for b, V in enumerate(powers, start=1)]
    return tables


def _horner(s: Array, coefficients: list[Array]) -> Array:
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


def _differences(forward: _Forward, tables: list[Array], grid: Array, inputs: Array) -> Array:
    """Return n (L(w + h) - L(w - h)) for every weight (i, j).

    tables : of `_tables`, at the points `grid` of u.  inputs : (n, i).  Both in units of the largest.
    """
    square = inputs * inputs

    def polynomials(first: int) -> Callable[[Array], Array]:
        """Return what sums over the samples, at u = h x, the polynomials in u^first, u^(first + 2), ... of a table."""
        to_coefficients = np.linalg.inv(grid[:, None] ** (first + 2 * np.arange(len(grid))))
        lowest = inputs if first == 1 else square
        powers = np.concatenate(list(accumulate(repeat(square, len(grid) - 1), np.multiply, initial=lowest)))

        def summed(table: Array) -> Array:
            coefficients = np.tensordot(to_coefficients, table, axes=1)
            sums: Array = powers.T @ coefficients.reshape(len(powers), -1)
            return sums

        return summed

    # What is even in u is the same for w + h and w - h, but for a shared normaliser, whose logarithm mixes both.
    odd = polynomials(1)
    difference, *others = tables
    changes = odd(difference)
    if forward.shared:
        even = polynomials(2)

        def both(table: Array) -> Array:
            """At u = +h x and u = -h x: (2, i, j)."""
            odd_part, even_part = odd((table[0] - table[1]) / 2), even((table[0] + table[1]) / 2)
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

    reach : largest |u|.  steepness : bound of |d score / du|.  The bound is derived in docs/structured.md.
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
    network: TwoLayerNet, x: npt.ArrayLike, t: npt.ArrayLike
) -> tuple[_Forward, Array, Array, Array]:
    """Check all that the formulas take for granted; return the forward pass, inputs, which these are, hidden layer.

    A weight whose input is 0 in every sample touches nothing: the inputs are the other columns of x, `touched` (d,).
    """
    _check_network(network)
    W1, b1, W2, b2 = (network.params[name] for name in ("W1", "b1", "W2", "b2"))
    inputs, targets = np.asarray(x), np.asarray(t)
    for name, array in (("x", inputs), ("t", targets)):
        if not np.can_cast(array.dtype, np.float64):
            raise TypeError(f"{name} has dtype {array.dtype}; real numbers that fit float64 are allowed")
    if inputs.ndim != 2 or inputs.shape[0] == 0 or inputs.shape[1] != len(W1):
        raise ValueError(f"x has shape {inputs.shape}; a batch (n, {len(W1)}) with n at least 1 is allowed")
    touched: Array = np.any(inputs, axis=0)
    inputs = inputs[:, touched].astype(np.float64, copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite raises below
        hidden = losses.sigmoid(inputs @ W1[touched] + b1)
        y = network.softmax(hidden @ W2 + b2)
        loss = network.loss_function(y, targets)  # checks t
    if not np.isfinite(loss):
        raise ValueError(f"the loss is {loss}; only a finite loss has differences")

    published = network.loss_function in _PUBLISHED
    if published and targets.size == y.size:
        targets = targets.reshape(y.shape).argmax(axis=1)
    if targets.shape != y.shape:
        classes, weights = targets.reshape(1, -1), np.ones((1, len(y)))
    elif np.count_nonzero(targets, axis=1).max() <= 1:  # one-hot: the other classes add nothing
        classes = (targets != 0).argmax(axis=1)[None]
        weights = np.take_along_axis(targets.T, classes, axis=0).astype(np.float64)
    else:
        classes, weights = (
            np.broadcast_to(np.arange(y.shape[1])[:, None], y.T.shape),
            targets.T.astype(np.float64),
        )
    seen = np.take_along_axis(y.T, classes, axis=0)
    kept = np.ones_like(seen) if published else seen / (seen + losses.DELTA)
    shared = network.softmax is losses.softmax_whole_array
    return _Forward(y, shared, classes, weights, kept), inputs, touched, hidden


def _check_network(network: TwoLayerNet) -> None:
    """Refuse what the formulas do not describe: the chapter's two layers and its cross entropies are all they know."""
    if not isinstance(network, TwoLayerNet):
        raise TypeError(f"network is a {type(network).__name__}; a TwoLayerNet is allowed")
    for name in ("predict", "loss"):
        if getattr(getattr(network, name), "__func__", None) is not getattr(TwoLayerNet, name):
            raise TypeError(f"network.{name} is not TwoLayerNet's own; method 'loop' takes any")
    if network.softmax not in (losses.softmax, losses.softmax_whole_array):
        raise ValueError(f"network.softmax is {network.softmax!r}; softmax or softmax_whole_array is allowed")
    if network.loss_function not in _CORRECTED + _PUBLISHED:
        raise ValueError(f"network's loss is {network.loss_function!r}; a batch's cross entropy is allowed")
    if set(network.params) != {"W1", "b1", "W2", "b2"}:
        raise ValueError(f"network.params holds {', '.join(network.params)}; W1, b1, W2, b2 are allowed")
    for name, value in network.params.items():
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            found = getattr(value, "dtype", type(value).__name__)
            raise TypeError(f"params[{name!r}] is {found}; an array of float64 is allowed")
        if not np.isfinite(value).all():
            raise ValueError(f"params[{name!r}] holds nan or inf; finite numbers are allowed")
    shapes = {name: value.shape for name, value in network.params.items()}
    W1, b1, W2, b2 = (shapes[name] for name in ("W1", "b1", "W2", "b2"))
    if not (len(W2) == 2 and b1 == W1[1:] == W2[:1] and b2 == W2[1:]):
        raise ValueError(f"params have shapes {shapes}; (d, m), (m,), (m, k), (k,) are allowed")
