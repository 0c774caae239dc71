"""Points to check a gradient at, for Hypothesis: parameter trees, well and badly scaled, away from kinks.

    from hypothesis import given
    from gradcheck.strategies import points

    @given(x=points((3,)))
    def test_gradient(gradcheck, x):
        gradcheck(f, grad, x)

Entries are short decimals, such as 0.25 or -310.0, so that a failing example can be read and retyped. Hypothesis comes
with the extra `hypothesis`, and is imported by this module alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    said = "gradcheck.strategies needs hypothesis, which is not installed: pip install hypothesis"
    raise ModuleNotFoundError(said, name=error.name) from None

__all__ = ["points"]

DTYPES = ("float16", "float32", "float64", "complex64", "complex128")
SCALINGS = ("any", "well", "badly")
# Three digits: short enough to retype, many enough that entries differ. The simplest first, each written once.
MANTISSAS = [
    f"{sign}{number / 10**more:.{more}f}"
    for more in range(3)
    for sign in ("", "-")
    for number in range(10**more, 10 ** (more + 1))
    if more == 0 or number % 10
]
SIGN, PLACE = st.booleans(), st.integers(0, len(MANTISSAS) // 2 - 1)
# Entries that Hypothesis draws and shrinks one by one; the others repeat them, in an order that comes from a seed.
DRAWN_SINGLY = 20


def points(
    shape: Any,
    *,
    dtype: Any = np.float64,
    magnitude: tuple[float, float] = (1e-3, 1e3),
    scaling: str = "any",
    kinks: Sequence[float] = (),
    margin: float = 1e-2,
) -> st.SearchStrategy[Any]:
    """A strategy for points: an array of `shape`, or a tree of arrays.

    Examples shrink to the smallest shape, and to ones but for the entries that matter, as far as magnitude and
    kinks allow. In an array of more than twenty entries the others repeat the first twenty, at random.

    Parameters
    ----------
    shape : int, tuple of int, strategy or tree
        An integer or a tuple of integers; () for a scalar; a strategy of such shapes, which examples then shrink
        to the smallest of; or a dict, list or tuple of shapes, nested. Lengths are 1 or more.
    dtype : dtype, optional
        float16, float32, float64, complex64 or complex128. Of a complex entry both parts are drawn. Default float64.
    magnitude : (float, float), optional
        The smallest and the largest |entry|, both above 0. Entries are never 0. Default (1e-3, 1e3).
    scaling : {"any", "well", "badly"}, optional
        "well" keeps an array's entries within a factor 10 of each other, "badly" draws each entry's
        magnitude from the whole range; "any" draws one of the two for each array. Default "any".
    kinks : sequence of float, optional
        Values that every entry (or part of one) keeps away from, by more than `margin`. Default none.
    margin : float, optional
        In units of x, 0 or more. Default 1e-2.

    Returns
    -------
    SearchStrategy
        For `hypothesis.given`. It draws new points at each example.

    Raises
    ------
    ValueError, TypeError
        For what cannot be drawn from: a shape, dtype, range or scaling that is not one of these, or a range in which
        the kinks leave no short decimal.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> from gradcheck.strategies import points
    >>> find(points((2,)), lambda x: True, settings=settings(database=None))  # what examples shrink to
    array([1., 1.])
    """
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.name not in DTYPES:
        raise TypeError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    low, high = _range(magnitude, kind)
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(map(repr, SCALINGS))}, not {scaling!r}")
    if not (isinstance(margin, Real) and math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be a finite number >= 0, not {margin!r}")
    try:
        away = tuple(float(kink) for kink in kinks)
    except (TypeError, ValueError):
        raise TypeError(f"kinks must be a list of numbers, not {kinks!r}") from None
    entries = _Entries(kind, low, high, away, margin)
    if not entries.numbers:
        raise ValueError(
            f"no short decimal between {low} and {high} is more than {margin} away from the kinks {list(kinks)}"
        )
    return _tree(shape, entries, scaling)


def _range(magnitude: Any, kind: np.dtype[Any]) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in magnitude)
    except (TypeError, ValueError):
        raise TypeError(f"magnitude must be a pair (smallest, largest), not {magnitude!r}") from None
    limits = np.finfo(kind)
    if not float(limits.smallest_normal) <= low <= high <= float(limits.max):
        raise ValueError(
            f"magnitude must be (smallest, largest) between {limits.smallest_normal} and {limits.max} for {kind}, "
            f"not {magnitude!r}"
        )
    return low, high


def _tree(shape: Any, entries: _Entries, scaling: str) -> st.SearchStrategy[Any]:
    if isinstance(shape, st.SearchStrategy):
        return _array(entries, shape.map(_lengths), scaling)
    if isinstance(shape, Mapping):
        return st.fixed_dictionaries({key: _tree(part, entries, scaling) for key, part in shape.items()})
    if _is_shape(shape):
        return _array(entries, st.just(_lengths(shape)), scaling)
    if isinstance(shape, list | tuple) and shape:
        parts = st.tuples(*[_tree(part, entries, scaling) for part in shape])
        if hasattr(shape, "_fields"):
            return parts.map(lambda drawn: type(shape)(*drawn))
        return parts.map(type(shape))
    raise TypeError(
        f"shape must be an integer, a tuple of integers, or a dict, list or tuple of shapes; not {shape!r}"
    )


def _is_shape(shape: Any) -> bool:
    lengths = shape if isinstance(shape, tuple) else (shape,)
    return all(isinstance(n, int | np.integer) for n in lengths)


def _lengths(shape: Any) -> tuple[int, ...]:
    if not _is_shape(shape):
        raise TypeError(f"shape must be an integer or a tuple of integers, not {shape!r}")
    lengths = tuple(int(n) for n in (shape if isinstance(shape, tuple) else (shape,)))
    if min(lengths, default=1) < 1:
        raise ValueError(f"shape must hold lengths of at least 1, not {shape!r}")
    return lengths


class _Entries:
    """The numbers that an array may hold: short decimals in a range, away from the kinks, by decade."""

    def __init__(
        self, kind: np.dtype[Any], low: float, high: float, kinks: tuple[float, ...], margin: float
    ) -> None:
        self.kind = kind
        real = np.empty(0, kind).real.dtype
        # The simplest first, as Hypothesis shrinks towards it: the decade of 1, then its neighbours.
        first, last = _decade(low), _decade(high)
        if 10.0**last == high and last > first:
            last -= 1  # it would hold nothing but `high`
        decades = sorted(range(first, last + 1), key=lambda decade: (abs(decade), decade))
        self.numbers: dict[int, NDArray[np.float64]] = {}
        for decade in decades:
            # From text: the float nearest to the decimal, which prints as it reads.
            values = np.array([float(f"{digits}e{decade}") for digits in MANTISSAS])
            stored = values.astype(real).astype(np.float64)  # as the array will hold them
            good = (np.abs(values) >= low) & (np.abs(values) <= high)
            for kink in kinks:
                good &= np.abs(stored - kink) > margin
            if good.any():
                self.numbers[decade] = values[good]
        # By sign, then by digits: each shrinks by itself.
        signed = {d: [values[values > 0], values[values < 0]] for d, values in self.numbers.items()}
        self._signed = {d: [v.tolist() for v in parts if v.size] for d, parts in signed.items()}

    @property
    def any_decade(self) -> st.SearchStrategy[int]:
        """One of the decades, which shrinks to that of 1."""
        return st.sampled_from(list(self.numbers))

    def number(self, decade: int, negative: bool, place: int) -> float:
        """The number at `place` of a decade, of the sign asked for where there is one."""
        signs = self._signed[decade]
        numbers = signs[-1 if negative else 0]
        return float(numbers[place % len(numbers)])


def _decade(size: float) -> int:
    return math.floor(math.log10(size) + 1e-12)


@st.composite
def _array(
    draw: st.DrawFn, entries: _Entries, shapes: st.SearchStrategy[tuple[int, ...]], scaling: str
) -> Any:
    shape = draw(shapes)
    badly = draw(st.booleans()) if scaling == "any" else scaling == "badly"
    decade = draw(entries.any_decade)
    size = math.prod(shape) * (2 if entries.kind.kind == "c" else 1)
    # As many draws whatever the decade holds: examples shrink to fewer draws before they shrink to smaller numbers.
    one = st.builds(entries.number, entries.any_decade if badly else st.just(decade), SIGN, PLACE)
    values = np.full(size, entries.numbers[decade][0])
    # One by one, so that a smaller shape needs fewer of the same draws: shapes shrink freely.
    for k in range(min(size, DRAWN_SINGLY)):
        values[k] = draw(one)
    seed = draw(st.integers(0, 2**32 - 1)) if size > DRAWN_SINGLY else 0
    if seed:
        # From the first ones, so that what is wrong with one of the many is wrong with one of the few.
        values[DRAWN_SINGLY:] = np.random.default_rng(seed).choice(values[:DRAWN_SINGLY], size - DRAWN_SINGLY)
    shaped = values[0::2] + 1j * values[1::2] if entries.kind.kind == "c" else values
    return shaped.astype(entries.kind).reshape(shape)[()]
