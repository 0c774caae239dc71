"""Named parameter trees <-> one flat vector of reals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.parameters.block import Block, output_name
from gradcheck.parameters.containers import collected, foreign, is_container, is_leaf, walk
from gradcheck.parameters.leaves import (
    DOUBLE,
    all_finite,
    computing_dtype,
    leaf_array,
)
from gradcheck.parameters.quantiles import median, quantile, sampled


@dataclass(frozen=True)
class Parameters:
    """The structure of `x`: how a tree of arrays becomes one flat vector, and back.

    A tree is an array or a scalar, or a dict, list, tuple, namedtuple or dataclass of trees. A list or tuple
    that holds nothing but numbers (`[1.0, 2.0]`, nested too) is taken as an array where NumPy reads it as one; ragged
    it is a list of arrays.
    Integers become float64. A complex entry z is the pair (Re z, Im z); the gradient of a real f is
    df/dRe z + i df/dIm z, the direction of steepest ascent (PyTorch's convention; JAX's is its conjugate).

    columns, outputs : of the entries of a Jacobian, the structure of x and the shape of f's outputs.
    """

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    _rebuild: Callable[[list[Any]], Any]
    columns: Parameters | None = None
    outputs: tuple[int, ...] = ()

    @classmethod
    def of(cls, x: Any) -> tuple[Parameters, Flat]:
        """Read the structure of `x` and copy its values to one flat vector.

        Returns (parameters, x as a flat vector: float64, or longdouble where an array is).
        Raises TypeError for something that is not a number or an array of numbers, ValueError for an array
        whose entries overlap in memory, for an empty tree, and for nan or inf in x.
        """
        if _doubles(x) and x.size and x.flags.c_contiguous:
            return _one_array(x.shape), _finite(_one_array(x.shape), x.flatten())
        if callable(x) and not (hasattr(x, "dtype") or is_container(x)):
            called = getattr(x, "__name__", type(x).__name__)
            text = f"x must be numbers, not the function {called}: the order is f, its derivative, x"
            raise TypeError(text)
        leaves: list[tuple[str, NDArray[Any], Any]] = []
        try:
            rebuild = walk(x, "x" if is_leaf(x) else "params", leaves)
        except RecursionError:
            raise ValueError("x is nested too deeply, or is a part of itself") from None
        blocks: list[Block] = []
        notes: list[str] = []
        start = 0
        for name, array, _ in leaves:
            dtype = computing_dtype(name, array)
            stop = start + array.size * (2 if dtype.kind == "c" else 1)
            blocks.append(Block(name, array.shape, dtype, start, stop))
            start = stop
            if array.dtype.kind in "iub":
                notes.append(f"{name} was given as {array.dtype} and converted to float64")
        notes += [f"{name} was given as {said}" for name, _, leaf in leaves if (said := foreign(leaf))]
        parameters = cls(tuple(blocks), tuple(notes), rebuild)
        if parameters.size == 0:
            raise ValueError(f"x holds no numbers: {x!r}; a gradient needs at least one parameter")
        return parameters, _finite(parameters, parameters._gather([array for _, array, _ in leaves]))

    @cached_property
    def size(self) -> int:
        """Number of reals in all."""
        return self.blocks[-1].stop if self.blocks else 0

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the flat vector: float64, or longdouble where one of the arrays is."""
        return np.result_type(DOUBLE, *(b.real_dtype for b in self.blocks))

    @cached_property
    def is_array(self) -> bool:
        """Whether it is one array, and no tree."""
        return len(self.blocks) == 1 and not self.blocks[0].name.startswith("params")

    @cached_property
    def plain(self) -> bool:
        """Whether x is one array of doubles, so that its tree is the vector but for the shape."""
        return self.is_array and self.blocks[0].dtype == DOUBLE

    def rounding(self, point: Flat) -> Flat:
        """(size,) what the coordinates of a point change by when they are rounded to the dtypes of their arrays."""
        return self.on_grid(point) - point

    def block_of(self, flat_index: int) -> Block:
        """The array that holds one real of the flat vector."""
        stops = [b.stop for b in self.blocks]
        return self.blocks[int(np.searchsorted(stops, flat_index, side="right"))]

    def name(self, flat_index: int) -> str:
        """The name of one real, as a person would write it; `J[3, 7] (row, column)` where these have others."""
        name = self.block_of(flat_index).entry_name(flat_index)
        if self.columns is None:
            return name
        i, j = divmod(flat_index, self.columns.size)
        row = self.columns.name(i) if self.blocks[0].name == "H" else output_name(self.outputs, i)
        column = self.columns.name(j)
        plain = row in (f"f[{i}]", f"x[{i}]", "f") and column == f"x[{j}]"
        return name if plain else f"{name} ({row}, {column})"

    def scales(self, flat: Flat) -> Flat:
        """The size (size,) of the steps' unit for each coordinate: |x_i|, within reason.

        Of the nonzero entries of an array, the smallest 2 % count as large as the next, so that a weight which
        happens to lie near 0 is not stepped by 1e-9, while an array that spans many decades keeps its own
        scale for each entry. Zeros get the array's median, or 1 where all are zero. Heuristic: chosen by trial.
        """
        out = np.abs(flat)
        for b in self.blocks:
            part = out[b.slice]
            if np.count_nonzero(part) == part.size:
                if part.size > 1:
                    np.maximum(part, quantile(sampled(part), 0.02), out=part)
                continue
            zero = part == 0
            sizes = sampled(part[~zero])
            if sizes.size == 0:
                part[:] = 1.0
                continue
            typical = median(sizes)
            np.maximum(part, quantile(sizes, 0.02), out=part)
            part[zero] = typical
        return out

    def on_grid(self, flat: Flat) -> Flat:
        """Round each real to the dtype in which `f` gets it: where a step really lands."""
        if all(b.real_dtype == flat.dtype for b in self.blocks):
            return flat
        out = flat.copy()
        for b in self.blocks:
            out[b.slice] = flat[b.slice].astype(b.real_dtype)
        return out

    def unflatten(self, flat: Flat) -> Any:
        """The tree with the values of `flat` (size,); arrays are views of `flat` where the dtype allows.

        Of k points, the columns of (size, k), each array has a last axis of length k more.
        """
        if self.plain and flat.dtype == DOUBLE and self.blocks[0].shape:
            shape = self.blocks[0].shape
            return flat if len(shape) == 1 else flat.reshape(*shape, *flat.shape[1:])
        return self._rebuild([_leaf(flat[b.slice], b) for b in self.blocks])

    def tree_of(self, leaves: list[NDArray[Any]]) -> Any:
        """The tree that holds these arrays, whatever their shapes."""
        return self._rebuild(list(leaves))

    def unflatten_as(
        self, values: NDArray[Any], pair: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]] | None = None
    ) -> Any:
        """The tree with `values`, (size,) or (size, k), in their own dtype.

        pair : what a complex entry gets of the two values for its real and its imaginary part.
        """
        shaped = []
        for b in self.blocks:
            part = values[b.slice]
            if b.is_complex and pair is not None:
                part = pair(part[0::2], part[1::2])
            shape = (*b.shape, *part.shape[1:])
            shaped.append(part.reshape(shape) if shape else part[0])
        return self._rebuild(shaped)

    def flatten(self, tree: Any, what: str = "grad", *, copy: bool = True) -> Flat:
        """A tree of this structure as a flat vector (size,).

        what : how the tree is called in errors. copy : False where nobody else will write into the tree: one array of
        the vector's dtype is then not copied.
        Raises ValueError naming the first place where structure or shape differ, TypeError for a complex
        array where x is real and for entries that are no numbers.
        """
        arrays = self._fitting(tree, what)
        if not copy and len(arrays) == 1 and arrays[0].dtype == self.dtype and arrays[0].size == self.size:
            # A real array where x is complex has half as many reals: it is gathered, with imaginary parts of 0.
            return arrays[0] if arrays[0].ndim == 1 else arrays[0].ravel()
        return self._gather(arrays)

    def fitting(self, tree: Any) -> list[NDArray[Any]] | None:
        """The arrays of a tree that `flatten` takes, not copied; None of any other."""
        try:
            return self._fitting(tree, "")
        except (ValueError, TypeError):
            return None

    def _fitting(self, tree: Any, what: str) -> list[NDArray[Any]]:
        if self.plain and _doubles(tree) and tree.shape == self.blocks[0].shape:
            return [tree]  # the common case, and the fast one
        arrays = self.arrays(tree, what)
        for b, array in zip(self.blocks, arrays, strict=True):
            if array.shape != b.shape:
                raise ValueError(f"{what} has shape {array.shape} where {b.name} has shape {b.shape}")
            if array.dtype.kind == "c" and not b.is_complex:
                raise TypeError(f"{what} is complex ({array.dtype}) where {b.name} is real ({b.dtype})")
        return arrays

    def arrays(self, tree: Any, what: str = "grad") -> list[NDArray[Any]]:
        """The arrays of a tree of this structure, one a block, not copied; scalars as arrays of shape ().

        Raises ValueError naming the first place where the structure differs, TypeError for what is no number.
        """
        if self.plain and _doubles(tree):
            return [tree]
        return [leaf_array(leaf, what) for leaf in self.leaves(tree, what)]

    def leaves(self, tree: Any, what: str = "grad") -> list[Any]:
        """The leaves of a tree of this structure as they are, in the order of the blocks. Raises as `arrays` does."""
        if self.is_array:
            if isinstance(tree, Mapping):
                raise ValueError(f"{what} is a dict with keys {list(tree)} where x is one array")
            return [tree]
        expected = [b.name for b in self.blocks]
        found = collected(tree, "params", set(expected))
        missing = [name for name in expected if name not in found]
        surplus = [name for name in found if name not in expected]
        if missing or surplus:
            parts = [f"lacks {', '.join(missing[:3])}"] if missing else []
            parts += [f"has {', '.join(surplus[:3])} which x has not"] if surplus else []
            raise ValueError(f"{what} has another structure than x: it {' and '.join(parts)}")
        return [found[name] for name in expected]

    def _gather(self, arrays: list[NDArray[Any]]) -> Flat:
        if self.plain and arrays[0].dtype == DOUBLE:
            return arrays[0].flatten()
        out = np.empty(self.size, self.dtype)
        for b, array in zip(self.blocks, arrays, strict=True):
            part = out[b.slice]
            if b.is_complex:
                part[0::2] = array.real.ravel()
                part[1::2] = array.imag.ravel()
            else:
                part[:] = array.ravel()
        return out


def _doubles(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype == DOUBLE


@lru_cache(maxsize=64)
def _one_array(shape: tuple[int, ...]) -> Parameters:
    """The structure of one array of doubles: the same for all of a shape, with what was made of it."""
    return one_array("x", shape, DOUBLE)


def one_array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Parameters:
    """The structure of one array of reals."""
    block = Block(name, shape, dtype, 0, math.prod(shape))
    return Parameters((block,), (), _first if shape else _first_without_axes)


def jacobian_names(outputs: tuple[int, ...], parameters: Parameters, symbol: str = "J") -> Parameters:
    """The entries of J (m, n) as one flat vector; outputs : the shape of what f returns."""
    m, n = math.prod(outputs), parameters.size
    return Parameters((Block(symbol, (m, n), DOUBLE, 0, m * n),), (), _first, parameters, outputs)


def _first(values: list[Any]) -> Any:
    return values[0]


def _first_without_axes(values: list[Any]) -> Any:
    return np.asarray(values[0])


def _finite(parameters: Parameters, flat: Flat) -> Flat:
    """X as it is. Raises ValueError, which names the first entry that is nan or infinite."""
    if not all_finite(flat):
        where = parameters.name(int(np.flatnonzero(~np.isfinite(flat))[0]))
        raise ValueError(f"x is not finite: {where} is {flat[~np.isfinite(flat)][0]}")
    return flat


def _leaf(part: Flat, b: Block) -> Any:
    """An array of its reals, or of those of k points (size, k); a number where it has no axes."""
    shape = (*b.shape, *part.shape[1:])
    if b.is_complex:
        values = np.empty(shape, b.dtype)
        values.real, values.imag = part[0::2].reshape(shape), part[1::2].reshape(shape)
    else:
        values = part.astype(b.dtype, copy=False).reshape(shape)
    return values if shape else values[()]
