"""What kind of mistake explains a mismatch, as data: the kind, where it holds, and its constants."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kinds of mistakes; those of DESCRIPTIONS say what is seen and explain nothing."""

    ZERO = "zero"
    REAL = "imaginary part lost"
    SIGN = "sign"
    FACTOR = "factor"
    CONJUGATE = "conjugate"
    TRANSPOSED = "transposed"
    FOLDED = "a triangle folded"
    TERM_TRANSPOSED = "a term transposed"
    PERMUTED = "axes permuted"
    BY_COLUMNS = "read by columns for rows"
    BY_ROWS = "read by rows for columns"
    REVERSED = "reversed"
    SHIFTED = "shifted"
    EXCHANGED = "entries exchanged"
    LINES = "rows or columns in another order"
    REORDERED = "values in another order"
    ARRAYS = "arrays in another order"
    COPIED = "the gradient of another array"
    REDUCED = "reduced over too much"
    REPEATED = "one number in all entries"
    CUT = "cut to integers"
    CLIPPED = "clipped"
    FLOAT32 = "computed in float32"
    DECAY = "weight decay"
    FACTOR_BESIDE = "a factor beside a weight decay"
    L1 = "L1 penalty"
    OFFSET = "a constant"
    PARAMETRISATION = "by another parameter"
    BY_VALUE = "a formula in values"
    PROJECTED = "projected"
    NOT_PROJECTED = "a norm not differentiated"
    CENTRED = "centred"
    NOT_CENTRED = "a mean not differentiated"
    NOT_NORMALISED = "a normalisation not differentiated"
    NOT_SCALED = "a deviation not differentiated"
    NOT_DIVIDED = "a sum not differentiated"
    SOFTMAX = "softmax without its sum"
    DELTA = "a small constant inside a logarithm"
    UNUSED = "f does not depend on it"
    STATIONARY = "f is stationary by it"
    MULTIPLE = "assigned instead of added up"
    SCALED = "a factor for each row or column"
    GAUSS_NEWTON = "Gauss-Newton for the Hessian"
    DIFFERENCE = "difference quotient"
    BESIDE = "off by the same beside x"
    STALE = "grad does not follow x"
    REMEMBERS = "grad remembers earlier calls"
    ONE_ENTRY = "one entry scaled"
    REGION = "one place"
    BETWEEN = "all arrays up to one"
    STOPS = "f jumps where an iteration in it ends"


DESCRIPTIONS = (
    Kind.BESIDE, Kind.STALE, Kind.REMEMBERS, Kind.ONE_ENTRY, Kind.REGION, Kind.BETWEEN, Kind.STOPS,
)  # fmt: skip


class Extent(Enum):
    """Which entries an explanation is about."""

    ALL = "all entries"
    TESTED = "all tested entries"
    WRONG = "all wrong entries"
    JUDGED = "all wrong entries that were judged"
    ENTRY = "one entry"
    BOX = "a block"
    LINES = "some rows or columns"
    ABOVE = "above the diagonal"
    BELOW = "below the diagonal"
    OFF = "off the diagonal"
    ON = "on the diagonal"


TRIANGLES = (Extent.ABOVE, Extent.BELOW, Extent.OFF, Extent.ON)


@dataclass(frozen=True)
class Place:
    """Where an explanation holds.

    arrays : their names. count : entries. entry : the name of the only one, where there is one; alone : others are
    right. box : (start, stop) along each axis of the one array, of this shape, where `extent` is BOX. axis, lines :
    which indices along which axis, where it is LINES. settled : whether a direction through all of these arrays shows
    that nothing else in them is wrong; changed : how many entries are, then. judged : whether it holds those that were
    judged, of others that may be wrong.
    """

    arrays: tuple[str, ...]
    count: int
    extent: Extent
    entry: str = ""
    alone: bool = False
    box: tuple[tuple[int, int], ...] = ()
    shape: tuple[int, ...] = ()
    axis: int = 0
    lines: tuple[int, ...] = ()
    settled: bool = False
    changed: int = 0
    judged: bool = False

    @property
    def tells(self) -> bool:
        """Whether it says where entries are, and not how many alone."""
        return self.extent not in (Extent.TESTED, Extent.WRONG, Extent.JUDGED)


@dataclass(frozen=True)
class Cause:
    """One explanation of what is wrong.

    constants : how many were fitted, a function that was chosen among them.
    vague : whether it gives a range for each entry, and no value.
    value, bar : the constant, and its uncertainty (3 E); of a factor, analytic = value x numerical.
    length : N, where the factor is N or 1/N; of a shift the entries filled with 0; of a part that was taken off how
    many lines lack it.
    origin : what the constant is known as, or what takes its place: `the length of axis 0 of x`, `ln 10`, `exp(x)`.
    span : the least and the largest of several constants. order : how to move the entries, `numpy.flip(analytic, 0)`;
    of a folded triangle which, `lower`, origin the side that it is of, and length 2 where the diagonal is doubled; what
    digits are of. moves : pairs of names, (what is wrong, whose gradient it has).
    lacking : whether a term is missing, not surplus; whether a function is one of x, or of f(x), not of another array.
    """

    kind: Kind
    place: Place
    constants: int = 0
    vague: bool = False
    value: float | None = None
    bar: float | None = None
    length: int | None = None
    origin: str = ""
    order: str = ""
    moves: tuple[tuple[str, str], ...] = ()
    lacking: bool = True
    span: tuple[float, float] | None = None

    @property
    def explains(self) -> bool:
        """Whether it is more than a description of what is seen."""
        return self.kind not in DESCRIPTIONS
