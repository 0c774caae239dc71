"""What is known of f before the evidence is gathered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.function.objective import Objective
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

# Scales are those of x, but for zeros; so many times as long they have nothing to do with x.
BEYOND_X = 1e3


@dataclass(frozen=True)
class Setting:
    """What is known of f: R^n -> R^m before the evidence is gathered; of a scalar f m is 1.

    x : (n,) the flat point. f_x : (m,) f there. level : (m,) noise of one value of f.
    relative_step : (m,) first step over scale. These and `slope` may be given as one number for all outputs.
    scales : (n,) unit of the steps for each coordinate. room : (n,), (n,) how far each may go, left and right.
    gradient_eps : the unit roundoff in which the derivative under test was computed.
    slope : (m,) what f changes along a random direction, per scaled unit.
    gradient_scale : (m arrays,) the size of each output's gradient with respect to each array, `groups` says which;
        where too few entries are measured to tell.
    still : (m,) outputs that never moved where their noise was measured. names : of the entries of J; default those
        of x.
    An entry is a flat index into the matrix J (m, n), row by row.
    """

    objective: Objective
    x: Flat
    f_x: Any
    level: Any
    relative_step: Any
    scales: Flat
    tolerance: Tolerance
    room: tuple[Flat, Flat] | None = None
    subgradient: bool = False
    gradient_eps: float = float(np.finfo(np.float64).eps)
    gradient_scale: Flat | None = None
    slope: Any = 0.0
    still: Mask | None = None
    names: Parameters | None = None

    def __post_init__(self) -> None:
        own = vars(self)  # a frozen value is made here
        f_x = self.f_x
        if not (isinstance(f_x, np.ndarray) and f_x.ndim):
            own["f_x"] = f_x = np.atleast_1d(f_x)
        for name in ("level", "relative_step", "slope"):
            each = own[name]
            if not (isinstance(each, np.ndarray) and each.shape == f_x.shape):
                one = f_x.size == 1
                own[name] = np.array([each]).reshape(1) if one else np.broadcast_to(each, f_x.shape)

    @property
    def parameters(self) -> Parameters:
        """The structure of x."""
        return self.objective.parameters

    @cached_property
    def _small(self) -> bool:
        """Whether x is nothing beside all of its steps."""
        return bool(BEYOND_X * np.max(np.abs(self.x)) < np.min(self.scales))

    def size_of(self, columns: Index | slice) -> Flat:
        """The sizes (k,) of some coordinates; 0 throughout where x is nothing beside all of its steps."""
        size = np.abs(self.x[columns])
        return np.zeros_like(size) if self._small else size

    @property
    def first_steps(self) -> Flat:
        """(n,) the first step of each coordinate, the shortest of all outputs."""
        return np.asarray(self.relative_step.min() * self.scales)

    def name(self, entry: int) -> str:
        """What an entry is called."""
        return (self.names or self.parameters).name(entry)

    @property
    def outputs(self) -> int:
        """The number m of outputs."""
        return int(self.f_x.size)

    def places(self, entries: Index) -> tuple[Index, Index]:
        """The rows and columns of some entries."""
        if self.outputs == 1:
            return np.zeros(entries.size, np.intp), entries
        rows, columns = np.divmod(entries, self.x.size)
        return rows, columns

    def groups(self, entries: Index) -> Index:
        """To which gradient each entry belongs: of each output the part of one array of x."""
        rows, columns = self.places(entries)
        return np.asarray(rows * len(self.parameters.blocks) + self.owners(columns))

    def owners(self, columns: Index) -> Index:
        """The number of the array that holds each of some coordinates."""
        if len(self.parameters.blocks) == 1:
            return np.zeros(columns.size, np.intp)
        return np.searchsorted([b.stop for b in self.parameters.blocks], columns, side="right")

    def sizes_of(self, entries: Index, size: Flat) -> Flat:
        """`gradient_scale` from the sizes (k,) that the gradients of some entries have."""
        sizes = np.zeros(self.outputs * len(self.parameters.blocks), size.dtype)
        sizes[self.groups(entries)] = size
        return sizes
