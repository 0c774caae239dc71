"""The part of a derivative in which a mistake is looked for: its evidence, and what fits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.diagnosis.along import COST, Slope, derivatives_by, slope_along
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.alike import first_of_alike
from gradcheck.parameters.block import Block
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

# All entries of a scope.
ALL = slice(None)
# An explanation counts when an accident would fit as well with a chance of at most 10^-DECADES.
DECADES = 3.0
# Equal but for the rounding of what computed them twice.
SAME = 1e-9
# Entries that are judged for a diagnosis where few are: 0.9^48 < 0.01. Coordinates that it may ask f for, at the most.
SAMPLE, LOOKS = 48, 400
# So many more wrong entries than fitted constants: two entries always fit one.
MARGIN = 2


@dataclass(frozen=True)
class Subject:
    """The derivative under test.

    parameters : its arrays, and the names of their entries; of a Jacobian or a product the one array J (m, n).
    analytic : (size,), nan where it is not known. x : the point, (size,) for a gradient and (n,) for a matrix.
    f_x : f there, (m,) for a matrix. setting : how f is measured, where not every entry was judged.
    """

    parameters: Parameters
    analytic: Flat
    x: Flat
    f_x: Any
    tolerance: Tolerance
    matrix: bool = False
    setting: Setting | None = None
    # What was measured along directions, shared by all that `replace` makes of it.
    _directions: dict[tuple[Block, ...], Slope | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def behind(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The names and shapes of what a matrix is the derivative of, and by which."""
        names = self.parameters
        if names.columns is None:
            return ()
        by = tuple((b.name, b.shape) for b in names.columns.blocks)
        return by if names.blocks[0].name == "H" else (("f(x)", names.outputs), *by)

    def bases(self, at: Index) -> Iterator[tuple[str, Flat]]:
        """What a derivative may be multiplied with by mistake, at some entries: x, and of a matrix f(x) too."""
        n = self.x.size
        yield "x", self.x[at % n]
        if self.matrix:
            yield "f(x)", np.asarray(self.f_x, float).ravel()[at // n]

    def measurable(self, directions: int = 1) -> Setting | None:
        """How f is measured, if it may be along so many directions.

        Not where x lies on a coarser grid than float64: the points are not where they should be.
        """
        setting = self.setting
        if setting is None or any(b.real_dtype != np.float64 for b in setting.parameters.blocks):
            return None
        return setting if setting.objective.remaining >= COST * directions else None

    def direction(self, blocks: tuple[Block, ...], at: Index) -> Slope | None:
        """The derivative of f along a random direction of those entries of some arrays that are at hand, measured once.

        Of a matrix along all of x.
        """
        setting = self.measurable()
        if blocks not in self._directions and setting is not None:
            moved = np.full(self.x.size, self.matrix)
            moved[at % self.x.size] = True
            units = random_units(np.random.default_rng(7), self.x.size)
            tangent = np.where(moved, units * setting.scales, 0.0)
            self._directions[blocks] = slope_along(setting, tangent)
        return self._directions.get(blocks)


@dataclass(frozen=True)
class Scope:
    """What is known of the entries of some arrays; arrays are (m,), ordered by their places.

    at : flat indices of their entries. known : which were judged one by one (`tested`), or are right by a certificate
    of their array; of the others `numerical` and `bar` are nan, and they fit anything. bar : 3 E, for certified ones
    what the certificate bounds their error by. ratio_bar : what is known of a ratio, where directions tell one of many.
    undecided : (k,) flat indices of the entries that are neither wrong nor verified. curvature : the second derivative,
    nan where it is not known. moves : whether f was seen to move beside x by it alone. absent : arrays of which
    entries are left out because they are many, and whether these are known. unclaimed : arrays that hold others, of
    which not even the claim is known, and that are right by a certificate.
    """

    subject: Subject
    blocks: tuple[Block, ...]
    at: Index
    analytic: Flat
    numerical: Flat
    bar: Flat
    wrong: Mask
    tested: Mask
    known: Mask
    curvature: Flat
    moves: Mask
    ratio_bar: Flat
    undecided: Index
    absent: Mapping[str, bool] = field(default_factory=dict)
    unclaimed: frozenset[str] = frozenset()

    @property
    def parameters(self) -> Parameters:
        """The structure of the derivative."""
        return self.subject.parameters

    @property
    def x(self) -> Flat:
        """(m,) the coordinates by which the entries are derivatives."""
        return self.subject.x[self.at % self.subject.x.size]

    @property
    def size(self) -> int:
        """The number of entries of its arrays, those that are not at hand too."""
        return sum(b.size for b in self.blocks)

    @cached_property
    def whole(self) -> bool:
        """Whether every entry of its arrays is at hand."""
        return self.at.size == self.size

    @cached_property
    def complete(self) -> bool:
        """Whether every entry of its arrays is known, those that are not at hand by a certificate."""
        if not self.known.all():
            return False
        return self.whole or all(self.absent.get(b.name, self.within(b).size == b.size) for b in self.blocks)

    @property
    def imaginary(self) -> Mask:
        """Which of the entries are imaginary parts."""
        return np.concatenate(
            [b.is_complex & ((at - b.start) % 2 == 1) for b in self.blocks for at in [self.within(b)]]
        )

    @property
    def telling(self) -> Mask:
        """Which wrong entries have a numerical value beyond its bar: of no other a ratio tells anything."""
        return self.wrong & (np.abs(self.numerical) > self.bar)

    @cached_property
    def witnesses(self) -> Index:
        """Which of the wrong entries are evidence: of those with one x, analytic and numerical value the first.

        Units whose weights are alike have one gradient, and what goes wrong in one of them does so in all. So it does
        at x and at -x, where f is even or odd.
        """
        bad = self.wrong
        bases = (np.abs(np.asarray(base, float)) for _, base in self.subject.bases(self.at[bad]))
        side = np.where(self.analytic[bad] < 0.0, -1.0, 1.0)
        keys = (side * self.analytic[bad], *bases)
        return first_of_alike(keys, side * self.numerical[bad], self.bar[bad], SAME)

    def within(self, block: Block) -> Index:
        """Flat indices of the entries of one array."""
        return self.at[block.holds(self.at)]

    def slack(self, explained: Flat, rows: Any = ALL) -> Flat:
        """3 E + tau for other values in the place of the analytic ones, of some rows (k,) of the entries."""
        size = np.maximum(np.abs(explained), np.abs(self.numerical[rows]))
        return np.asarray(self.bar[rows] + self.subject.tolerance.rtol * size + self.subject.tolerance.atol)

    def fits(self, explained: Flat, rows: Any = ALL) -> Mask:
        """Which of the explained values of some rows (k,) agree with the numerical ones; unknown ones may."""
        with np.errstate(invalid="ignore"):
            off = np.abs(explained - self.numerical[rows])
            return np.asarray(~self.known[rows] | (off <= self.slack(explained, rows)))

    def convinces(self, explained: Flat, free: int = 0, choices: float = 0.0, margin: int = MARGIN) -> bool:
        """Whether so good a fit of the wrong entries can hardly be an accident.

        An unrelated value comes as close as `explained` with a chance of about its distance over the mismatch,
        entry by entry, of which equal ones count once. Each of the `free` fitted constants costs the entry that fits
        best; picking among 10^choices explanations costs that many decades. Fitted constants need at least `margin`
        further entries.
        """
        left = np.maximum(np.abs(explained - self.numerical), self.bar)[self.wrong][self.witnesses]
        mismatch = np.abs(self.analytic - self.numerical)[self.wrong][self.witnesses]
        if free and left.size < free + margin:
            return False
        with np.errstate(divide="ignore"):
            decades = np.sort(np.log10(mismatch / left).clip(0.0, 16.0))
        kept = decades[: decades.size - free]
        return float(kept.sum()) - choices >= DECADES

    def mends(self, explained: Flat, choices: float = 0.0) -> bool:
        """Whether an explanation without fitted constants holds for every entry of its arrays."""
        fits = bool(self.fits(explained).all()) and self.convinces(explained, choices=choices)
        return fits and self.confirmed(explained) is not False

    def confirmed(self, explained: Flat) -> bool | None:
        """Whether f bears an explanation out along a random direction; None where every entry is known, or f is not."""
        if self.complete or not np.isfinite(explained).all():
            return None
        subject, n = self.subject, self.subject.x.size
        columns: Index | slice = ALL
        if subject.matrix:
            # The rows of which every entry is at hand.
            rows = np.flatnonzero(np.bincount(self.at // n, minlength=self.size // n) == n)
            if not rows.size or (rows.size * n < self.size and not self.sampled):
                return None
            mended = explained[np.isin(self.at // n, rows)].reshape(-1, n)
        elif self.sampled or self.whole:
            rows, columns, mended = np.zeros(1, np.intp), self.at, explained[None]
        else:
            return None
        direction = subject.direction(self.blocks, self.at)
        return None if direction is None else direction.agrees(mended, rows, columns, subject.tolerance.rtol)

    @property
    def sampled(self) -> bool:
        """Whether entries are left out because they are many, and not because they are not known."""
        return any(b.name in self.absent for b in self.blocks)

    def measured(self, at: Index) -> Scope | None:
        """The same with some more of its entries judged; None where f cannot be asked for them."""
        n = self.subject.x.size
        columns, which = np.unique(at % n, return_inverse=True)
        setting = self.subject.measurable(columns.size)
        if setting is None or not 0 < columns.size <= LOOKS:
            return None
        seen = derivatives_by(setting, columns)
        numerical, bar, curvature = (part[at // n, which] for part in seen)
        rows = np.searchsorted(self.at, at)
        known = np.isfinite(numerical)
        new = {"numerical": numerical, "bar": bar, "tested": known, "known": known, "curvature": curvature}
        changed = {name: getattr(self, name).copy() for name in (*new, "wrong")}
        for name, values in new.items():
            changed[name][rows] = values
        more = replace(self, **changed)
        changed["wrong"][rows] = ~more.fits(self.analytic[rows], rows)
        return replace(more, wrong=changed["wrong"])

    def some_more(self) -> Scope | None:
        """The same with entries judged, drawn at random, so many that hardly a tenth of all can be of another kind."""
        if self.complete:
            return self
        if not self.whole:
            return None
        left = self.at[~self.tested]
        chosen = np.random.default_rng(0).permutation(left)[:SAMPLE]
        return self.measured(np.sort(chosen))

    def one(self, block: Block) -> Scope:
        """The part of one array."""
        return self.part((block,))

    def part(self, blocks: tuple[Block, ...]) -> Scope:
        """The part of some arrays."""
        if blocks == self.blocks:
            return self
        inside = _inside(self.at, blocks)
        cut = {name: getattr(self, name)[inside] for name in _PER_ENTRY}
        return replace(self, blocks=blocks, undecided=self.undecided[_inside(self.undecided, blocks)], **cut)

    def with_mistake(self) -> tuple[Block, ...]:
        """The arrays in which an entry is wrong."""
        wrong = self.at[self.wrong]
        return tuple(b for b in self.blocks if b.holds(wrong).any())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its arrays."""
        return tuple(b.name for b in self.blocks)


_PER_ENTRY = (
    "at", "analytic", "numerical", "bar", "wrong", "tested", "known", "curvature", "moves", "ratio_bar",
)  # fmt: skip


def _inside(at: Index, blocks: tuple[Block, ...]) -> Mask:
    return np.asarray(np.any([b.holds(at) for b in blocks], axis=0))
