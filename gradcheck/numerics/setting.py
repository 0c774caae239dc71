"""f at x, and what is known of it before the evidence is gathered."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.function.lines import Lines
from gradcheck.function.objective import BudgetSpentError, NotScalarError, Objective
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

# So small that truncation (h^2) vanishes below rounding; there is no difference in which to lose digits.
STEP = 1e-20
# With less room between its bounds than this part of its scale, an entry would hold the whole direction back.
NARROW = 0.1
# Scales are those of x, but for zeros; so many times as long they have nothing to do with x.
BEYOND_X = 1e3


@dataclass(frozen=True)
class Setting:
    """f: R^n -> R^m at x, and what is known of it before the evidence is gathered; of a scalar f m is 1.

    x : (n,) the flat point. f_x : (m,) f there. given_scales : (n,) the unit of a step for each coordinate; None of a
        large x, for which they are made when they are asked for. room : (n,), (n,) how far each may go, left and right.
    eps : the unit roundoff in which the derivative under test was computed. names : of the entries of J; default those
        of x. unit : of values of f, the derivative and the tolerance, a power of two.
    level : (m,) noise of one value of f; None before it is known, and then the rest is not known either.
    relative_step : (m,) first step over scale. These and `slope` may be given as one number for all outputs.
    slope : (m,) what f changes along a random direction, per scaled unit.
    still : (m,) outputs that never moved where their noise was measured.
    gradient_scale : (m arrays,) the size of each output's gradient with respect to each array, `groups` says which;
        where too few entries are measured to tell.
    together : coordinates that are moved together, of which each output depends on one at most; default each alone.
    An entry is a flat index into the matrix J (m, n), row by row.
    """

    objective: Objective
    x: Flat
    f_x: Any
    given_scales: Flat | None
    tolerance: Tolerance
    room: tuple[Flat, Flat] | None = None
    eps: float = float(np.finfo(np.float64).eps)
    subgradient: bool = False
    names: Parameters | None = None
    unit: float = 1.0
    level: Any = None
    relative_step: Any = None
    slope: Any = 0.0
    still: Mask | None = None
    gradient_scale: Flat | None = None
    together: Sequence[Index] | None = None

    def __post_init__(self) -> None:
        own = vars(self)  # a frozen value is made here
        f_x = self.f_x
        if not (isinstance(f_x, np.ndarray) and f_x.ndim):
            own["f_x"] = f_x = np.atleast_1d(f_x)
        for name in ("level", "relative_step", "slope") if self.level is not None else ():
            each = own[name]
            if not (isinstance(each, np.ndarray) and each.shape == f_x.shape):
                one = f_x.size == 1
                own[name] = np.array([each]).reshape(1) if one else np.broadcast_to(each, f_x.shape)

    @property
    def scales(self) -> Flat:
        """(n,) the unit of a step for each coordinate."""
        return self.parameters.scales(self.x) if self.given_scales is None else self.given_scales

    @property
    def parameters(self) -> Parameters:
        """The structure of x."""
        return self.objective.parameters

    @property
    def free(self) -> Mask:
        """(n,) the coordinates that bounds let move, be it to one side, and by little."""
        return (
            np.ones(self.x.size, bool) if self.room is None else np.asarray(self.room[0] + self.room[1] > 0)
        )

    @property
    def narrow(self) -> Mask:
        """(n,) the coordinates that have too little room on one side for directions, which move to both."""
        if self.room is None:
            return np.zeros(self.x.size, bool)
        return ~(np.minimum(*self.room) >= NARROW * self.scales)

    def reach(self, tangent: Flat) -> float:
        """The longest offset along a tangent (n,) that bounds leave to both sides, less a little for what rounds."""
        if self.room is None:
            return math.inf
        moved = tangent != 0
        return 0.99 * float(np.min(np.minimum(*self.room)[moved] / np.abs(tangent[moved]), initial=np.inf))

    @cached_property
    def eps_of_x(self) -> float:
        """The unit roundoff of the coarsest array of x; 0 where all are as fine as float64."""
        if self.parameters.plain:
            return 0.0
        coarse = [eps_of(b.real_dtype) for b in self.parameters.blocks]
        return max((eps for eps in coarse if eps > eps_of(np.float64)), default=0.0)

    @cached_property
    def _small(self) -> tuple[slice, ...]:
        """The arrays of x that are nothing beside all of their steps."""
        size, scales = np.abs(self.x), self.scales
        parts = [block.slice for block in self.parameters.blocks if block.size]
        return tuple(part for part in parts if BEYOND_X * size[part].max() < scales[part].min())

    def size_of(self, columns: Index | slice) -> Flat:
        """The sizes (k,) of some coordinates; 0 throughout an array that is nothing beside all of its steps."""
        if not self._small:
            return np.asarray(np.abs(self.x[columns]))
        size = np.abs(self.x)
        for part in self._small:
            size[part] = 0.0
        return np.asarray(size[columns])

    @property
    def first_steps(self) -> Flat:
        """(n,) the first step of each coordinate, the shortest of all outputs."""
        return np.asarray(self.relative_step.min() * self.scales)

    @property
    def named(self) -> Parameters:
        """What the entries of J are called."""
        return self.names or self.parameters

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

    def along(self, tangent: Flat, offsets: Values) -> Values:
        """The values (k, m) at x moved by k offsets along a tangent (n,); nan where f is not defined."""
        values = self.objective.line(Lines.rays(self.x, [tangent]), np.asarray(offsets))
        return values if self.unit == 1.0 else values / self.unit

    def complex_along(self, tangent: Flat) -> NDArray[np.complexfloating[Any]] | None:
        """f(x + i h v) with its imaginary part over h, (m,), so that it holds the derivative; None where f refuses it.

        Exact to rounding for an analytic f. Nothing here can tell whether f is one (abs, max and conj are not):
        compare. Costs one evaluation. Source: Squire & Trapp, SIAM Review 40 (1998).
        """
        return self.complex_along_parts([(slice(None), tangent)])

    def complex_along_parts(
        self, tangent: Iterable[tuple[slice, Flat]]
    ) -> NDArray[np.complexfloating[Any]] | None:
        """The same along a tangent that is made a part after another."""
        if not accepts_complex(self.objective):
            return None
        point = np.empty((self.x.size, 1), np.complex128)
        point.real[:, 0] = self.x
        for part, values in tangent:
            np.multiply(values, STEP, out=point.imag[part, 0])
        (values,) = complex_values(self.objective, point)
        if not np.isfinite(values).all():
            return None
        return np.asarray((values.real + 1j * (values.imag / STEP)) / self.unit, np.complex128)


def accepts_complex(objective: Objective) -> bool:
    """Whether x can be given as complex numbers at all: real float64 parameters only."""
    return all(b.dtype == np.float64 for b in objective.parameters.blocks)


def complex_values(
    objective: Objective, points: NDArray[np.complexfloating[Any]]
) -> NDArray[np.complexfloating[Any]]:
    """The values (k, m) of f at the columns of `points` (size, k), nan where they are no complex numbers."""
    shape = (points.shape[1], objective.outputs)
    refused = np.full(shape, np.nan * 1j)
    try:
        with warnings.catch_warnings():
            # float(z) of a complex z warns; so f does not take complex numbers, and that is all there is to say.
            warnings.simplefilter("ignore")
            values = objective.complex_values(points)
    except (BudgetSpentError, NotScalarError):
        raise
    except Exception:  # whatever f raises for complex numbers: its user never asked it to take them
        return refused
    if not np.iscomplexobj(values) or values.size != refused.size or not np.isfinite(values).all():
        return refused
    return values.reshape(shape)
