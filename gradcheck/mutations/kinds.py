"""The ways in which hand-written derivatives go wrong, each a Mutation."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from gradcheck._typing import Array
from gradcheck.mutations.mutation import (
    Generator,
    Gradient,
    Mutation,
    Tree,
    mutation_of,
    on_all,
    on_block,
    on_entry,
)  # fmt: skip
from gradcheck.parameters.block import Block
from gradcheck.parameters.tree import Parameters

SMALL = 1e-3  # an entry below this part of the largest is "small": a check of norms or sums drowns it


def standard_mutations(grad: Callable[[Tree], Tree] | None = None) -> tuple[Mutation, ...]:
    """Every mutation of this module, the coarse ones first.

    Parameters
    ----------
    grad : callable, optional
        grad(x), the gradient; with it the set includes the gradient at another point (`stale`).

    Returns
    -------
    tuple of Mutation
        Of different names. Those with a number: all entries times 2, 0.5, 1.1, 1.01 and 1.001, one entry times 1.1,
        1.01 and 1.001, a small one times 2; the others with their default.

    Examples
    --------
    >>> from gradcheck.mutations import standard_mutations
    >>> [mutation.name for mutation in standard_mutations()][:4]
    ['all negated', 'all zeroed', 'all x 2', 'all x 0.5']
    """
    mutations = (
        ALL_NEGATED,
        ALL_ZEROED,
        *(all_scaled(factor) for factor in (2.0, 0.5, 1.1, 1.01, 1.001)),
        ALL_TIMES_LENGTH,
        ALL_DIVIDED_BY_LENGTH,
        ONE_NEGATED,
        ONE_ZEROED,
        ONE_NAN,
        *(one_scaled(factor) for factor in (1.1, 1.01, 1.001)),
        small_scaled(2.0),
        ROW_ZEROED,
        ARRAY_ZEROED,
        TRANSPOSED,
        SWAPPED,
        SHIFTED,
        decay_added(),
        decay_dropped(),
        offset(),
        TRUNCATED,
        FLOAT32_ROUNDING,
    )
    return mutations if grad is None else (*mutations, stale(grad))


def _told(factor: float) -> str:
    if not isinstance(factor, Number):
        raise TypeError(f"factor must be a number, not {factor!r:.60}")
    return f"{factor:g}"


def all_scaled(factor: float) -> Mutation:
    """Every entry times `factor`.

    Parameters
    ----------
    factor : float
        Without a unit.

    Returns
    -------
    Mutation
        Changes nothing where the gradient is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import all_scaled, mutate
    >>> mutate(lambda x: 2 * x, all_scaled(0.5))(np.array([1.0, 2.0]))
    array([1., 2.])
    """
    return on_all(f"all x {_told(factor)}", lambda g, _x: g * factor)


def one_scaled(factor: float) -> Mutation:
    """One entry that is not zero times `factor`.

    Parameters
    ----------
    factor : float
        Without a unit.

    Returns
    -------
    Mutation
        The entry is drawn. Changes nothing where the gradient is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import mutate, one_scaled
    >>> mutate(lambda x: 2 * x, one_scaled(1.5), rng=0)(np.array([1.0, 0.0, 3.0]))
    array([2., 0., 9.])
    """
    return on_entry(f"one entry x {_told(factor)}", lambda value: value * factor)


def small_scaled(factor: float) -> Mutation:
    """One entry below 1e-3 of the largest, but not zero, times `factor`.

    Parameters
    ----------
    factor : float
        Without a unit.

    Returns
    -------
    Mutation
        The entry is drawn. Changes nothing where there is none.

    Notes
    -----
    A check of norms or sums drowns such an entry.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import mutate, small_scaled
    >>> mutate(lambda x: 2 * x, small_scaled(2.0))(np.array([1.0, 1e-4, 3.0])).tolist()
    [2.0, 0.0004, 6.0]
    """
    return on_entry(f"one small entry x {_told(factor)}", lambda value: value * factor, below=SMALL)


def decay_added(strength: float = 1e-2) -> Mutation:
    """A term proportional to x too many: g + lambda x.

    Parameters
    ----------
    strength : float, optional
        The largest entry of lambda x, in units of the largest |g|, or of 1 where g is zero. Default 1e-2.

    Returns
    -------
    Mutation
        Changes nothing where x is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import decay_added, mutate
    >>> mutate(lambda x: np.ones(2), decay_added(0.5))(np.array([1.0, -2.0]))
    array([1.25, 0.5 ])
    """
    return on_all("lambda x added", lambda g, x: g + _decay(g, x, strength))


def decay_dropped(strength: float = 1e-2) -> Mutation:
    """A term proportional to x left out (weight decay): g - lambda x, lambda as in `decay_added`.

    Parameters
    ----------
    strength : float, optional
        As in `decay_added`. Default 1e-2.

    Returns
    -------
    Mutation
        Changes nothing where x is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import decay_dropped, mutate
    >>> mutate(lambda x: np.ones(2), decay_dropped(0.5))(np.array([1.0, -2.0]))
    array([0.75, 1.5 ])
    """
    return on_all("lambda x dropped", lambda g, x: g - _decay(g, x, strength))


def offset(strength: float = 1e-2) -> Mutation:
    """A constant added to every entry.

    Parameters
    ----------
    strength : float, optional
        The constant, in units of the largest |g|, or of 1 where g is zero. Default 1e-2.

    Returns
    -------
    Mutation
        The same constant in every entry.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import mutate, offset
    >>> mutate(lambda x: 2 * x, offset(0.25))(np.array([1.0, 2.0]))
    array([3., 5.])
    """
    return on_all("constant offset", lambda g, _x: g + strength * _largest(g))


def stale(grad: Callable[[Tree], Tree], distance: float = 1e-2) -> Mutation:
    """The gradient at another point, as a cache that was not renewed gives it.

    Parameters
    ----------
    grad : callable
        grad(x), called at x_i +- distance * max(|x_i|, 1e-3 max |x|), signs drawn; for x = 0, at +-distance.
    distance : float, optional
        Relative to the entries of x. Default 1e-2.

    Returns
    -------
    Mutation
        Changes nothing where the gradient is the same at both points.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import mutate, stale
    >>> mutate(lambda x: 2 * x, stale(lambda x: 2 * x, 0.5), rng=0)(np.array([1.0, 2.0]))
    array([3., 2.])
    """

    def apply(gradient: Tree, x: Tree, rng: Generator) -> Tree | None:
        right = Gradient.of(gradient, x)
        parameters, flat = Parameters.of(x)
        scale = np.maximum(np.abs(flat), SMALL * np.max(np.abs(flat))) if flat.any() else np.ones_like(flat)
        moved = flat + distance * scale * rng.choice([-1.0, 1.0], flat.size)
        return right.replaced(right.parameters.flatten(grad(parameters.unflatten(moved))))

    return Mutation("gradient at another point", apply)


def _times_length(power: int) -> Callable[[Gradient, Generator], Array | None]:
    """Scale by N or 1/N, N drawn among the lengths of the axes, as a mean taken for a sum does."""

    def scaled(right: Gradient, rng: Generator) -> Array | None:
        lengths = sorted({n for block in right.parameters.blocks for n in block.shape if n > 1})
        return right.values * float(rng.choice(lengths)) ** power if lengths else None

    return scaled


def _array_zeroed(right: Gradient, rng: Generator) -> Array | None:
    filled = [block for block in right.parameters.blocks if right.values[block.slice].any()]
    if len(right.parameters.blocks) < 2 or not filled:
        return None
    wrong = right.values.copy()
    wrong[filled[int(rng.choice(len(filled)))].slice] = 0.0
    return wrong


def _row_zeroed(array: Array, rng: Generator) -> Array:
    filled = np.flatnonzero(np.any(array != 0, axis=tuple(range(1, array.ndim))))
    if filled.size:
        array[int(rng.choice(filled))] = 0.0
    return array


def _swapped(array: Array, rng: Generator) -> Array:
    """Exchange an entry, drawn, with another of a different value; unchanged where all values are equal."""
    entries = array.reshape(-1, array.shape[-1])
    first = int(rng.integers(len(entries)))
    others = np.flatnonzero(np.any(entries != entries[first], axis=1))
    if others.size:
        pair = [first, int(rng.choice(others))]
        entries[pair] = entries[pair[::-1]]
    return entries


def _shifted(array: Array, _rng: Generator) -> Array:
    return np.roll(array.reshape(-1, array.shape[-1]), 1, axis=0)


def _float32(g: Array, _x: Array) -> Array:
    if np.abs(g).max() > np.finfo(np.float32).max:
        return g
    return g.astype(np.float32).astype(g.dtype)


def _decay(g: Array, x: Array, strength: float) -> Array:
    largest = np.max(np.abs(x))
    # Divided first: the product of both scales may overflow where their quotient does not.
    return strength * _largest(g) * (x / largest) if largest > 0 else np.zeros_like(x)


def _largest(g: Array) -> Any:
    """Return the largest |g|, or 1 where all entries are zero: then there is no other scale to take."""
    return np.max(np.abs(g)) or 1.0


def _is_square(block: Block) -> bool:
    return len(block.shape) == 2 and block.shape[0] == block.shape[1]


ALL_NEGATED = on_all("all negated", lambda g, _x: -g)
ALL_ZEROED = on_all("all zeroed", lambda g, _x: np.zeros_like(g))
ALL_TIMES_LENGTH = mutation_of("all x N", _times_length(1))
ALL_DIVIDED_BY_LENGTH = mutation_of("all x 1/N", _times_length(-1))
ONE_NEGATED = on_entry("one entry negated", lambda value: -value)
ONE_ZEROED = on_entry("one entry zeroed", lambda _value: 0.0)
ONE_NAN = on_entry("one entry nan", lambda _value: np.nan)
ROW_ZEROED = on_block("one row zeroed", _row_zeroed, lambda block: len(block.shape) > 1)
ARRAY_ZEROED = mutation_of("one array zeroed", _array_zeroed)
TRANSPOSED = on_block("square array transposed", lambda array, _rng: array.swapaxes(0, 1), _is_square)
SWAPPED = on_block("two entries swapped", _swapped, lambda block: len(block.shape) > 0)
SHIFTED = on_block("shifted by one", _shifted, lambda block: len(block.shape) > 0)
TRUNCATED = on_all("truncated to integers", lambda g, _x: np.trunc(g))
FLOAT32_ROUNDING = on_all("float32 rounding", _float32)
