"""A claim about the derivative of f at x, and how far joint directions move each coordinate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.function.matrix import Dense, Matrix, Product, Sparse, one_row
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import TOGETHER, mean_root, root_mean_square, scaled_rms
from gradcheck.parameters.quantiles import median, sampled

# Within an array entries of so many times the median size are moved by the same length, others by their own.
ALIKE = 1e3
# An entry may have another unit than its array where it is so many times less than its scale.
NEAR_ZERO = 1e2
# An array whose gradient is so many roundings of the others' at most is claimed to be 0: in the dtype in which it was
# computed, a bias before a normalisation has 1e-17 or 1e-8 beside 0.1.
ROUNDINGS = 64.0
# The same of float64, in which f is computed.
NOTHING = ROUNDINGS * float(np.finfo(np.float64).eps)
# So many times that may be nothing where the unit of an array is not known.
MAY_BE = 1e6
# Of several rows one is claimed to be 0, each entry of which moves f by so many of its own roundings at most while its
# coordinate changes by its scale.
LOST = 8.0
# Arrays change f by up to so many times what the one does that changes it least.
LARGEST_SHARE = 10.0
# Lengths along which f is known are kept where mistakes show by such a part of what they do along others.
KEPT = 0.25
# So many equal lengths are kept as one number.
MANY = 4096


@dataclass(frozen=True)
class Problem(Setting):
    """The matrix J (m, n) that is claimed to be the derivative of f at x; a gradient is the one row of its J."""

    matrix: Matrix = field(kw_only=True)

    @property
    def one_row(self) -> bool:
        """Whether it is a gradient, or a dense matrix of one row, which is the same."""
        return self.matrix.shape[0] == 1 and isinstance(self.matrix, Dense)

    @property
    def straightened(self) -> bool:
        """Whether values at points that rounding moved off their line are taken back onto it."""
        return self.eps_of_x > 0 and isinstance(self.matrix, Dense | Sparse)

    def beside(self, tangent: Flat, offsets: Values) -> Values:
        """By how much (k, m) f differs, by the claim, at the points of `along` from what it is on the line itself.

        Where x is of a coarser dtype its points lie a little beside the line. A wrong entry of the claim adds less to
        that than it does to a direction, by the unit roundoff of x.
        """
        points = (self.x + offset * tangent for offset in offsets)
        return np.array([self.matrix.product(self.parameters.rounding(point)) for point in points])

    def in_units(self, unit: float) -> Problem:
        """The same with all values of f, the matrix, which is dense, and the tolerance in units of a power of two."""
        assert isinstance(self.matrix, Dense)
        return replace(
            self, f_x=self.f_x / unit, matrix=Dense(self.matrix.array / unit), unit=self.unit * unit,
            tolerance=self.tolerance.in_units(unit), level=None if self.level is None else self.level / unit,
            slope=self.slope / unit,
            gradient_scale=None if self.gradient_scale is None else self.gradient_scale / unit,
        )  # fmt: skip

    def weight(self, tangent: Flat, product: Values, rng: np.random.Generator) -> Values:
        """(m,) the root of the sum of squares of the terms of J v."""
        norms = self.matrix.norms(tangent)
        if norms is not None:
            return norms
        # The entries are not known: other signs have the same sum of squares on average.
        others = [self.matrix.product(tangent * rng.choice([-1.0, 1.0], tangent.size)) for _ in range(2)]
        return mean_root([product, *others])


@dataclass(frozen=True)
class Scaling:
    """How far a joint direction moves each coordinate, and what a mistake is measured by.

    lengths : (n,) s, 0 where a coordinate is not moved. sizes : (m,) the least over the entries of a row of s_j times
    the size that a mistake in it is relative to, the entry or the root mean square of its array.
    rms : (arrays,) that root mean square for the one row of a gradient. nothing : (arrays,) claimed to be 0.
    least : (arrays,) the same as `sizes` of the one row of a gradient, array by array; infinite where nothing is moved.
    held : how many times as far the others would move in the median, were there no array that does so little. even :
    what the entries do that do least, over what those do that do most, as far as is known before the first direction.
    """

    lengths: Flat
    sizes: Values
    rms: Values
    nothing: Mask
    least: Values
    held: float = 1.0
    even: float = 1.0


def rounding_of(problem: Problem) -> float:
    """The part of what others do that the claim of an array is taken for 0 at."""
    return max(NOTHING, ROUNDINGS * problem.eps)


def scaling_of(problem: Problem, still: Mask, most: Flat | None = None) -> Scaling:
    """The lengths s with which all arrays have an equal share in a direction, none moved by more than its own size.

    still : (n,) coordinates that stay where they are. most : (n,) lengths that are not to be exceeded, unless mistakes
    show by far less then.
    In each array s is one length, but for entries whose sizes lie more than a factor 1e3 from the median. With R_A
    the root mean square of g_i |x_i| in an array, s = min(q / R_A, 1) |x|. q is the median of all R_A, or ten times the
    least: how well that array is seen is what counts, and what others do beyond that are bends that hide it.
    """
    blocks = problem.parameters.blocks
    held, scales = still, problem.scales
    if problem.room is not None:
        held = still | problem.narrow
    moved = ~held if np.count_nonzero(held) else None
    own = _own_sizes(problem, scales)
    strength = _strength(problem, own)
    units = [
        _unit(scales[b.slice], strength[b.slice], None if own is scales else own[b.slice]) for b in blocks
    ]
    claimed = [_of(strength[b.slice], moved, b.slice) for b in blocks]
    rms = [root_mean_square(g) for g in claimed]
    effects = [
        size * unit if isinstance(unit, float) else root_mean_square(g * _of(unit, moved, b.slice))
        for b, g, size, unit in zip(blocks, claimed, rms, units, strict=True)
    ]
    # By the largest of its scales: what a small entry changes by may be rounding, what it is claimed to be not.
    reach = [
        size * (unit if isinstance(unit, float) else float(scales[b.slice].max(initial=0.0)))
        for b, size, unit in zip(blocks, rms, units, strict=True)
    ]
    del scales, claimed
    largest = max(effects)
    nothing = _of_nothing(problem, reach, rounding_of(problem) * largest)
    told = [effect for effect, none in zip(effects, nothing, strict=True) if not none]
    usual = float(median(np.array(told))) if told else 0.0
    share = min(usual, LARGEST_SHARE * min(told)) if told else 0.0
    # Rows of zeros throughout are looked at as they are: each coordinate by its own size. One that is 0 has none: a
    # slope may show far nearer to it.
    at_rest = largest == 0 and problem.matrix.shape[0] > 1 and bool((problem.x[~held] != 0).all())
    each = [
        unit * (float(at_rest) if none else _part_of_one(share, effect))
        for unit, effect, none in zip(units, effects, nothing, strict=True)
    ]
    lengths = _joined(problem, each, None if moved is None else held)
    back = usual / share if share > 0 else 1.0

    def measured(lengths: Flat, each: Sequence[Any]) -> Scaling:
        least = [
            _least(length, strength[b.slice], size) for b, length, size in zip(blocks, each, rms, strict=True)
        ]
        smallest = min((size for size, none in zip(least, nothing, strict=True) if not none), default=0.0)
        return Scaling(
            lengths, _sizes(problem, lengths, smallest), np.array(rms), np.array(nothing), np.array(least), back,
            _evenness(problem, lengths, strength, smallest),
        )  # fmt: skip

    found = measured(lengths, each if moved is None else [lengths[b.slice] for b in blocks])
    if most is None:
        return found
    shorter = np.minimum(lengths, most)
    alike = measured(shorter, [shorter[b.slice] for b in blocks])
    # A mistake does not show where nothing moves.
    shows = np.count_nonzero(shorter) == np.count_nonzero(lengths)
    return alike if shows and (alike.sizes >= KEPT * found.sizes).all() else found


def _of(values: Flat, moved: Mask | None, part: slice) -> Flat:
    """Those of the values of one array that are moved; all of them where None says so."""
    return values if moved is None else values[moved[part]]


def _of_nothing(problem: Problem, reach: list[float], most: float) -> list[bool]:
    """Which arrays are claimed to do no more than this, of what each does at the most.

    Where all of one is 0 its scale is no size, 1 for one: beside weights of 0.01 a bias has theirs, if that is less.
    """
    nothing = [its <= most for its in reach]
    for k, (b, its) in enumerate(zip(problem.parameters.blocks, reach, strict=True)):
        if most < its <= MAY_BE * most and not problem.x[b.slice].any():
            scales, others = problem.scales, problem.x != 0
            usual = float(median(scales[others])) if others.any() else math.inf
            nothing[k] = its * usual <= most * float(scales[b.slice].max())
    return nothing


def _part_of_one(share: float, effect: float) -> float:
    """What part of its own size moves an array so that it does its share, 1 at the most.

    0 where what moves is larger than any float: other ways take it from there.
    """
    factor = share / effect if effect else math.nan
    return min(factor, 1.0) if math.isfinite(factor) else 0.0


def _own_sizes(problem: Problem, scales: Flat) -> Flat:
    """(n,) the scales, or |x| where that is far less: near 0 by chance, or in units of its own.

    Of many entries some are near 0.
    """
    if problem.x.size > MANY:
        return scales
    sizes = np.abs(problem.x)
    tiny = (sizes < scales / NEAR_ZERO) & (sizes > 0)
    return np.where(tiny, sizes, scales) if np.count_nonzero(tiny) else scales


def _unit(own: Flat, strength: Flat, least: Flat | None = None) -> Any:
    """How far entries of one array are moved before arrays get equal shares, one length or (k,), by its scales and g.

    least : (k,) as of `_own_sizes`, where some are not the scales. What by the claim does more than the others while it
    changes by its scale has another one: no less than this.
    """
    if own.size == 0:
        return own
    middle = float(median(sampled(own)))
    if least is None and own.min() > middle / ALIKE and own.max() < middle * ALIKE:
        return middle
    unit = np.where((own > middle / ALIKE) & (own < middle * ALIKE), middle, own)
    # Those of other sizes do no more than the others, as arrays do: positions along a line are no lengths, and what is
    # small is in units of its own, or happens to be.
    large, small = own >= middle * ALIKE, own <= middle / ALIKE
    if least is not None:
        small &= least == own  # each of the others has its own unit
    near = root_mean_square(strength[unit == middle] * middle)
    for part in (large, small):
        far = root_mean_square(strength[part] * unit[part])
        if far > near > 0:
            unit = np.where(part, unit * (near / far), unit)
    if least is not None:
        each, tiny = np.abs(strength) * unit, least < own
        near = root_mean_square(each[~tiny])
        wanted = unit * (near / np.where(each > near, each, 1.0))
        # One that is nothing beside that as well lies at a singularity.
        held = tiny & (each > near) & (wanted <= ALIKE * least)
        unit = np.where(held, np.maximum(least, wanted), unit)
    return unit


def _joined(problem: Problem, each: Sequence[Any], held: Mask | None) -> Flat:
    """(n,) the lengths of all arrays, one for all of an array or (k,); 0 of those that are held.

    Many of one length take the memory of one number.
    """
    size = problem.x.size
    if len(each) == 1 and held is None:
        (length,) = each
        if isinstance(length, np.ndarray):
            return length
        return np.full(size, length) if size < MANY else np.broadcast_to(np.array([length]), (size,))
    lengths = np.empty(size, problem.x.dtype)
    for block, length in zip(problem.parameters.blocks, each, strict=True):
        lengths[block.slice] = length
    if held is not None:
        lengths[held] = 0.0
    return lengths


def _strength(problem: Problem, own: Flat) -> Flat:
    """(n,) g of a gradient; of more rows the root mean square of each column, every row in units of its own."""
    if problem.matrix.shape[0] == 1:
        return one_row(problem.matrix)
    rows = scaled_rms(problem.matrix, own)
    if rows is None:
        return _strength_by_products(problem, own)
    turned = problem.matrix.transposed()
    assert turned is not None  # as the rows are known
    return np.asarray(turned.norms(np.where(rows > 0, 1.0 / np.where(rows > 0, rows, 1.0), 0.0)))


def _strength_by_products(problem: Problem, scales: Flat) -> Flat:
    """(n,) the same where entries are not known: 1, but where coordinates have units of their own.

    Then one product along all that have like scales, by random signs, tells what these do. What is claimed to do
    nothing counts as what does least: it is to move by its own size, and to hold back no others of its array.
    """
    n = scales.size
    if not scales.max() >= ALIKE * scales.min():
        return np.ones(n)
    kinds = np.trunc(np.log(scales / median(scales)) / math.log(ALIKE))
    _, kind, size = np.unique(kinds, return_inverse=True, return_counts=True)
    usual = [float(median(scales[kind == k])) for k in range(size.size)]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], n)
    products = [problem.matrix.product(np.where(kind == k, s * signs, 0.0)) for k, s in enumerate(usual)]
    rows = mean_root(products)
    each = [root_mean_square(of_one[rows > 0] / rows[rows > 0]) for of_one in products]
    effects = np.array(each) / np.sqrt(size)
    told = effects > NOTHING * effects.max()
    if not told.any():
        return np.ones(n)
    effects[~told] = effects[told].min()
    return np.asarray((effects / usual)[kind])


def _evenness(problem: Problem, lengths: Flat, strength: Flat, least: float) -> float:
    """What the smallest mistake that counts does, over what the entry does that does most, of products alone."""
    if isinstance(problem.matrix, Product) and problem.matrix.shape[0] > 1 and lengths.any():
        return least / float(np.max(strength * lengths))
    return 1.0


def _sizes(problem: Problem, lengths: Flat, least: float) -> Values:
    """(m,) those of a scaling; least : that of the one row of a gradient."""
    m = problem.matrix.shape[0]
    if m == 1:
        return np.array([least])
    rows = scaled_rms(problem.matrix, np.ones(lengths.size))
    moved = lengths > 0
    if rows is None or not moved.any():
        return np.zeros(m)  # to be filled by the first product
    rows = np.where(_lost(problem), 0.0, rows)
    if isinstance(problem.matrix, Dense):
        entries = np.maximum(np.abs(problem.matrix.array), rows[:, None])
        least = np.min(entries[:, moved] * lengths[moved], axis=1)
        return of_typical_size(np.where(rows > 0, least, 0.0))
    return of_typical_size(rows * lengths[moved].min())


def _lost(problem: Problem) -> Mask:
    """(m,) rows that are claimed to move f by some roundings over all of x, cos(pi/2) for 0: they have no own size."""
    moved = problem.matrix.largest(problem.scales)
    return np.asarray(False if moved is None else moved <= LOST * problem.eps * np.abs(problem.f_x))


def of_typical_size(rows: Values) -> Values:
    """Sizes of rows; a row of zeros counts as large as the others."""
    usual = root_mean_square(rows[rows > 0])
    return np.where(rows > 0, rows, usual)


def _least(lengths: Any, strength: Flat, rms: float) -> float:
    """The least of s_j times the larger of |g_j| and the root mean square, over the entries that are moved."""
    least = math.inf
    for start in range(0, strength.size, TOGETHER):
        part = slice(start, start + TOGETHER)
        sizes = np.maximum(np.abs(strength[part]), rms)
        if isinstance(lengths, np.ndarray):
            least = float(np.min(sizes * lengths[part], where=lengths[part] > 0, initial=least))
        elif lengths > 0:
            least = min(least, lengths * float(sizes.min()))
    return least
