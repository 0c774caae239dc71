"""The names of the entries of a Jacobian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.parameters.block import Block
from gradcheck.parameters.leaves import DOUBLE
from gradcheck.parameters.tree import Parameters


@dataclass(frozen=True)
class JacobianNames(Parameters):
    """The entries of J (m, n) as one flat vector, with their names."""

    outputs: tuple[int, ...]
    columns: Parameters

    def name(self, flat_index: int) -> str:
        """`J[3, 7]`, with the names of row and column where they are not `f[3]` and `x[7]`."""
        n = self.blocks[0].shape[1]
        i, j = divmod(flat_index, n)
        symmetric = self.blocks[0].name == "H"
        row = self.columns.name(i) if symmetric else output_name(self.outputs, i)
        column = self.columns.name(j)
        plain = row in (f"f[{i}]", f"x[{i}]", "f") and column == f"x[{j}]"
        place = self.blocks[0].name + f"[{i}, {j}]"
        return place if plain else f"{place} ({row}, {column})"


def jacobian_names(outputs: tuple[int, ...], parameters: Parameters, symbol: str = "J") -> JacobianNames:
    """Names for the Jacobian of a function with outputs of this shape."""
    m, n = int(np.prod(outputs, dtype=np.int64)), parameters.size
    return JacobianNames((Block(symbol, (m, n), DOUBLE, 0, m * n),), (), lambda v: v[0], outputs, parameters)


def output_name(shape: tuple[int, ...], k: int) -> str:
    """`f[3]`, `f[0, 3]`, or `f` where it returns one number."""
    index = np.unravel_index(k, shape) if shape else ()
    return f"f[{', '.join(str(int(i)) for i in index)}]" if shape else "f"
