"""One array of a parameter tree: its place in the flat vector, and the names of its entries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask


def output_name(shape: tuple[int, ...], k: int) -> str:
    """`f[3]`, `f[0, 3]`, or `f` where it returns one number."""
    index = np.unravel_index(k, shape) if shape else ()
    return f"f[{', '.join(str(int(i)) for i in index)}]" if shape else "f"


@dataclass(frozen=True)
class Block:
    """One array of the tree: where its reals lie in the flat vector, and what it is called.

    name : as a person would write it, `x`, `params["W1"]`, `params[0].bias`.
    shape, dtype : of the array as `f` gets it; a complex array takes two reals an entry, (real, imaginary).
    start, stop : its slice of the flat vector.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    stop: int

    @property
    def is_complex(self) -> bool:
        """Whether an entry is a pair of reals."""
        return self.dtype.kind == "c"

    @cached_property
    def real_dtype(self) -> np.dtype[Any]:
        """The dtype of one real of this array: the grid on which a step can land."""
        return np.empty(0, self.dtype).real.dtype

    @cached_property
    def slice(self) -> slice:
        """Its place in the flat vector."""
        return slice(self.start, self.stop)

    @property
    def size(self) -> int:
        """Number of reals."""
        return self.stop - self.start

    def holds(self, at: Index) -> Mask:
        """Which of some places in the flat vector are its own."""
        return np.asarray((at >= self.start) & (at < self.stop))

    def index(self, flat_index: int) -> tuple[int, ...]:
        """The array index of one real of the flat vector; () for a scalar."""
        entry = (flat_index - self.start) // (2 if self.is_complex else 1)
        return tuple(int(k) for k in np.unravel_index(entry, self.shape)) if self.shape else ()

    def entry_name(self, flat_index: int) -> str:
        """`x[5]`, `params["W1"][3, 7]`, `z[2].imag`."""
        index = self.index(flat_index)
        part = ""
        if self.is_complex:
            part = ".imag" if (flat_index - self.start) % 2 else ".real"
        return self.name + (f"[{', '.join(map(str, index))}]" if index else "") + part
