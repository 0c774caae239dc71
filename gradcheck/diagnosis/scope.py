"""The part of a derivative in which a mistake is looked for: its evidence, and where in it an explanation holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index, Mask
from gradcheck.diagnosis.along import Along, Direction
from gradcheck.parameters.boxes import flat_indices
from gradcheck.parameters.tree import Block, Parameters
from gradcheck.results.cause import Extent, Place
from gradcheck.results.certificate import Survey
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Tolerance

__all__ = ["MARGIN", "Scope", "Subject", "scope_of"]

Bounds = tuple[tuple[int, int], ...]

# An explanation counts when an accident would fit as well with a chance of at most 10^-DECADES.
DECADES = 3.0
# So many more wrong entries than fitted constants: two entries always fit one.
MARGIN = 2
# Wrong entries that share a row by accident with a chance above this share nothing worth saying.
ACCIDENT = 0.01


@dataclass(frozen=True)
class Subject:
    """The derivative under test.

    parameters : its arrays, and the names of their entries; of a Jacobian or a product the one array J (m, n).
    analytic : (size,), nan where it is not known. x : the point, (size,) for a gradient and (n,) for a matrix.
    f_x : f there, (m,) for a matrix. along : measures f along a direction, where not every entry was judged.
    """

    parameters: Parameters
    analytic: Flat
    x: Flat
    f_x: Any
    tolerance: Tolerance
    matrix: bool = False
    along: Along | None = None

    def bases(self, at: Index) -> Iterator[tuple[str, Flat]]:
        """What a derivative may be multiplied with by mistake, at some entries: x, and of a matrix f(x) too."""
        if not self.matrix:
            yield "x", self.x[at]
            return
        n = self.x.size
        yield "x", self.x[at % n]
        yield "f(x)", np.asarray(self.f_x, float).ravel()[at // n]

    @cached_property
    def _directions(self) -> dict[tuple[Block, ...], Direction | None]:
        return {}

    def direction(self, blocks: tuple[Block, ...]) -> Direction | None:
        """The derivative of f along a random direction of some arrays, measured once."""
        if self.along is None:
            return None
        if blocks not in self._directions:
            moved = np.full(self.x.size, self.matrix)
            for b in () if self.matrix else blocks:
                moved[b.slice] = True
            self._directions[blocks] = self.along.direction(moved)
        return self._directions[blocks]


@dataclass(frozen=True)
class Scope:
    """What is known of the entries of some arrays; arrays are (m,), ordered by their places.

    at : flat indices of their entries. known : which were judged one by one (`tested`), or are right by a certificate
    of their array; of the others `numerical`, `bar` and `allowed` are nan, and they fit anything. bar : 3 E, for
    certified ones what the certificate bounds their error by. allowed : 3 E + tau, up to which an entry is not called
    wrong. undecided : (k,) flat indices of the entries that are
    neither wrong nor verified. curvature : the second derivative, nan where it is not known.
    """

    subject: Subject
    blocks: tuple[Block, ...]
    at: Index
    analytic: Flat
    numerical: Flat
    bar: Flat
    allowed: Flat
    wrong: Mask
    tested: Mask
    known: Mask
    curvature: Flat
    undecided: Index

    @property
    def parameters(self) -> Parameters:
        """The structure of the derivative."""
        return self.subject.parameters

    @property
    def x(self) -> Flat:
        """(m,) the coordinates of the entries of a gradient."""
        return self.subject.x[self.at]

    @cached_property
    def complete(self) -> bool:
        """Whether every entry of its arrays is known."""
        return int(self.known.sum()) == sum(b.size for b in self.blocks)

    @property
    def imaginary(self) -> Mask:
        """Which of the entries are imaginary parts."""
        return np.concatenate(
            [b.is_complex & ((at - b.start) % 2 == 1) for b in self.blocks for at in [self.within(b)]]
        )

    def within(self, block: Block) -> Index:
        """Flat indices of the entries of one array."""
        return self.at[(self.at >= block.start) & (self.at < block.stop)]

    def slack(self, explained: Flat) -> Flat:
        """3 E + tau for another value (m,) in the place of the analytic one."""
        size = np.maximum(np.abs(explained), np.abs(self.numerical))
        return np.asarray(self.bar + self.subject.tolerance.rtol * size + self.subject.tolerance.atol)

    def fits(self, explained: Flat) -> Mask:
        """Which of the explained values (m,) agree with the numerical ones; unknown ones may."""
        with np.errstate(invalid="ignore"):
            return np.asarray(~self.known | (np.abs(explained - self.numerical) <= self.slack(explained)))

    def convinces(self, explained: Flat, free: int = 0, choices: float = 0.0, margin: int = MARGIN) -> bool:
        """Whether so good a fit of the wrong entries can hardly be an accident.

        An unrelated value comes as close as `explained` with a chance of about its distance over the mismatch,
        entry by entry. Each of the `free` fitted constants costs the entry that fits best; picking among
        10^choices explanations costs that many decades. Fitted constants need at least `margin`
        further entries.
        """
        left = np.maximum(np.abs(explained - self.numerical), self.bar)[self.wrong]
        mismatch = np.abs(self.analytic - self.numerical)[self.wrong]
        if free and left.size < free + margin:
            return False
        with np.errstate(divide="ignore"):
            decades = np.sort(np.log10(mismatch / left).clip(0.0, 16.0))
        kept = decades[: decades.size - free]
        return float(kept.sum()) - choices >= DECADES

    def holds(
        self,
        explained: Flat,
        free: int = 0,
        choices: float = 0.0,
        anywhere: bool = True,
        margin: int = MARGIN,
    ) -> Place | None:
        """Where an explanation holds: everywhere, or in the wrong entries; None where in neither.

        anywhere : whether the wrong entries may lie scattered among right ones; else they must fill a block.
        """
        fits = self.fits(explained)
        if not fits[self.wrong].all() or not self.convinces(explained, free, choices, margin):
            return None
        everywhere = bool(fits.all())
        right = self.known & ~self.wrong & (not everywhere)
        confirmed = self.confirmed(np.where(right, self.analytic, explained))
        if confirmed is False and not everywhere:
            # What nobody judged may be right as well.
            confirmed = (
                False if self.confirmed(np.where(self.wrong, explained, self.analytic)) is False else None
            )
        if confirmed is False:
            return None
        place = self.everywhere(confirmed) if everywhere else self.wrong_place(confirmed)
        return place if anywhere or place.extent is not Extent.WRONG else None

    def mends(self, explained: Flat, choices: float = 0.0) -> bool:
        """Whether an explanation without fitted constants holds for every entry of its arrays."""
        return (
            bool(self.fits(explained).all())
            and self.convinces(explained, choices=choices)
            and self.confirmed(explained) is not False
        )

    def confirmed(self, explained: Flat) -> bool | None:
        """Whether f bears an explanation out along a random direction; None where every entry is known, or f is not."""
        if self.complete:
            return None
        subject = self.subject
        direction = subject.direction(self.blocks)
        if direction is None:
            return None
        mended = subject.analytic.copy()
        mended[self.at] = explained
        if not np.isfinite(mended[self.at]).all() or self.at.size < sum(b.size for b in self.blocks):
            return None
        if subject.matrix:
            return direction.agrees(mended.reshape(-1, subject.x.size), subject.tolerance.rtol)
        part = np.where(direction.tangent != 0.0, mended, 0.0)
        return direction.agrees(part[None], subject.tolerance.rtol)

    def one(self, block: Block) -> Scope:
        """The part of one array."""
        return self.part((block,))

    def part(self, blocks: tuple[Block, ...]) -> Scope:
        """The part of some arrays."""
        inside = _inside(self.at, blocks)
        cut = {name: getattr(self, name)[inside] for name in _PER_ENTRY}
        return replace(self, blocks=blocks, undecided=self.undecided[_inside(self.undecided, blocks)], **cut)

    def with_mistake(self) -> tuple[Block, ...]:
        """The arrays in which an entry is wrong."""
        wrong = self.at[self.wrong]
        return tuple(b for b in self.blocks if ((wrong >= b.start) & (wrong < b.stop)).any())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its arrays."""
        return tuple(b.name for b in self.blocks)

    def everywhere(self, confirmed: bool | None = False) -> Place:
        """All entries, or all that were tested where not all were, and no direction confirmed the rest."""
        if self.at.size == 1:
            return self._entry(int(self.at[0]), alone=False)
        if self.complete or confirmed:
            return Place(self.names, self.at.size, Extent.ALL)
        return self._tested()

    def _tested(self) -> Place:
        """All tested entries; named with their row or column, where they share one."""
        tested = int(self.tested.sum())
        place = Place(self.names, tested, Extent.TESTED)
        if tested < 2 or len(self.blocks) > 1 or len(self.blocks[0].shape) != 2 or self.blocks[0].is_complex:
            return place
        shape = self.blocks[0].shape
        index = np.unravel_index(self.at[self.tested] - self.blocks[0].start, shape)
        for axis in range(2):
            if np.ptp(index[axis]) == 0:
                box = [(0, n) for n in shape]
                box[axis] = (int(index[axis][0]), int(index[axis][0]) + 1)
                return replace(place, box=tuple(box), shape=shape)
        return place

    def wrong_place(self, confirmed: bool | None = False) -> Place:
        """The wrong entries: the only one by name, the block that they fill, or how many.

        confirmed : whether those count as wrong that nobody judged.
        """
        wrong = self.at[self.wrong]
        if wrong.size == 1:
            return self._entry(int(wrong[0]), alone=self.at.size > 1)
        return self._region(True, self.wrong | (bool(confirmed) & ~self.known)) or Place(
            self.names, wrong.size, Extent.WRONG
        )

    def common_place(self) -> Place | None:
        """The row, column or block where all wrong entries lie, be others there right; None without one."""
        return self._region(False, self.wrong) if self.wrong.sum() > 1 else None

    def lines_of_zeros(self) -> Place | None:
        """The rows, columns or indices of an axis of an array of which a part was tested, where analytic is all 0.

        All wrong entries lie there, and elsewhere analytic has other values: these are exact, tested or not.
        """
        b = self.blocks[0]
        if len(self.blocks) > 1 or self.complete or len(b.shape) < 2 or b.is_complex:
            return None
        values = self.subject.analytic[b.slice].reshape(b.shape)
        index = np.unravel_index(self.at[self.wrong] - b.start, b.shape)
        for axis, along in enumerate(index):
            zero = (values == 0).all(tuple(k for k in range(values.ndim) if k != axis))
            lines = np.unique(along)
            if zero.all() or not zero[lines].all() or b.size == b.shape[axis]:
                continue
            if lines.size > 1:
                return Place(
                    self.names, int(self.wrong.sum()), Extent.LINES, shape=b.shape, axis=axis,
                    lines=tuple(lines.tolist()),
                )  # fmt: skip
            box = tuple(
                (int(lines[0]), int(lines[0]) + 1) if k == axis else (0, n) for k, n in enumerate(b.shape)
            )
            return Place(self.names, int(self.wrong.sum()), Extent.BOX, box=box, shape=b.shape)
        return None

    def _entry(self, at: int, alone: bool) -> Place:
        block = self.parameters.block_of(at)
        return Place((block.name,), 1, Extent.ENTRY, self.parameters.name(at), alone)

    def _region(self, filled: bool, bad: Mask) -> Place | None:
        """The row, column or block of one array that the entries `bad` fill, or (not filled) lie in."""
        if len(self.blocks) > 1 or not self.blocks[0].shape:
            return None
        block, wrong = self.blocks[0], int(bad.sum())
        parts = 2 if block.is_complex else 1
        index = np.unravel_index((self.at - block.start) // parts, block.shape)
        box = tuple((int(i[bad].min()), int(i[bad].max()) + 1) for i in index)
        whole = tuple((0, n) for n in block.shape)
        # A row before the part of it that is wrong: its other entries may be zero, and right with any factor.
        slabs = [
            tuple(box[k] if k == axis else whole[k] for k in range(len(box)))
            for axis in range(len(box))
            if box[axis][1] - box[axis][0] == 1
        ]
        for candidate in [*slabs, box]:
            if candidate == whole:
                continue
            inside = np.all([(i >= a) & (i < b) for i, (a, b) in zip(index, candidate, strict=True)], axis=0)
            full = self._fills(inside, bad, parts * math.prod(b - a for a, b in candidate))
            share = inside[self.known].mean() ** (wrong - 1)
            if full if filled else share < ACCIDENT or (full and candidate in slabs):
                # Lines that are wrong throughout say more than the box around them, or than one with others between.
                lines = self._some_lines(index, bad)
                if lines is not None and (not full or _gaps(lines.lines)):
                    return lines
                return Place(self.names, wrong, Extent.BOX, box=candidate, shape=block.shape)
        return self._diagonal(index, filled, bad) or self._some_lines(index, bad)

    def _diagonal(self, index: tuple[Index, ...], filled: bool, bad: Mask) -> Place | None:
        """On, above, below or off the diagonal of a square matrix."""
        block, wrong = self.blocks[0], int(bad.sum())
        if (
            len(block.shape) != 2
            or not block.shape[0] == block.shape[1] > 2
            or not self.complete
            or wrong < 3
        ):
            return None
        i, j = index
        for extent, inside in (
            (Extent.ON, i == j), (Extent.ABOVE, i < j), (Extent.BELOW, i > j), (Extent.OFF, i != j),
        ):  # fmt: skip
            if inside[bad].all() and (not filled or self._fills(inside, bad, int(inside.sum()))):
                return Place(self.names, wrong, extent, shape=block.shape)
        return None

    def _some_lines(self, index: tuple[Index, ...], bad: Mask) -> Place | None:
        """Several rows, or columns, or indices of one axis, each wrong throughout; at most half of them."""
        shape = self.blocks[0].shape
        if len(shape) < 2 or not self.complete:
            return None
        for axis, along in enumerate(index):
            lines = np.unique(along[bad])
            inside = np.isin(along, lines)
            thick = self.at.size // shape[axis]
            if (
                1 < lines.size <= shape[axis] // 2
                and thick > 1
                and self._fills(inside, bad, int(inside.sum()))
            ):
                return Place(
                    self.names,
                    int(bad.sum()),
                    Extent.LINES,
                    shape=shape,
                    axis=axis,
                    lines=tuple(lines.tolist()),
                )
        return None

    def _fills(self, inside: Mask, bad: Mask, size: int) -> bool:
        """Whether all of a box is `bad` or known, and no entry in it is right and known not to be zero."""
        right = inside & ~bad & (np.abs(self.numerical) > self.bar)
        return int((inside & (bad | self.known)).sum()) == size and not right.any()


def _gaps(lines: tuple[int, ...]) -> bool:
    """Whether others lie between them."""
    return lines[-1] - lines[0] >= len(lines)


_PER_ENTRY = ("at", "analytic", "numerical", "bar", "allowed", "wrong", "tested", "known", "curvature")


def scope_of(subject: Subject, evidence: Evidence | Survey) -> Scope:
    """All that is known of all arrays.

    Entries without a finite analytic and numerical value tell nothing about a mistake.
    """
    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    found, at = judged.estimate, judged.coordinates
    usable = np.isfinite(judged.analytic) & np.isfinite(found.error) & np.isfinite(found.value)
    rows = np.flatnonzero(usable)
    columns: dict[str, NDArray[Any]] = {
        "at": at[rows],
        "analytic": judged.analytic[rows],
        "numerical": found.value[rows],
        "bar": 3.0 * found.error[rows],
        "allowed": judged.judgement.allowed[rows],
        "wrong": judged.judgement.wrong[rows],
        "tested": np.ones(rows.size, bool),
        "known": np.ones(rows.size, bool),
        "curvature": found.curvature[rows],
    }
    if isinstance(evidence, Survey):
        certified = _certified(subject, evidence)
        columns = {name: np.concatenate([columns[name], certified[name]]) for name in columns}
    unknown = _unknown(subject, columns["at"], at[judged.judgement.wrong])
    columns = {name: np.concatenate([columns[name], unknown[name]]) for name in columns}
    order = np.argsort(columns["at"], kind="stable")
    undecided = at[judged.judgement.inconclusive]
    return Scope(
        subject, subject.parameters.blocks, undecided=undecided, **{k: v[order] for k, v in columns.items()}
    )


def _certified(subject: Subject, survey: Survey) -> dict[str, NDArray[Any]]:
    """The entries that a certificate holds right and nobody judged: their analytic value, within its bound."""
    parts: list[tuple[Index, Flat]] = []
    for array in survey.arrays:
        block = array.block
        if array.certificate is None or block.size == 0:
            continue
        open_ = np.zeros(block.size, bool)
        for region in survey.regions:
            if region.block == block:
                open_[flat_indices(block, region.box) - block.start] = True
        judged = survey.judged.coordinates
        open_[judged[(judged >= block.start) & (judged < block.stop)] - block.start] = True
        values = subject.analytic[block.slice]
        open_ |= ~np.isfinite(values)
        free = np.flatnonzero(~open_)
        # The certificate of a matrix is about each row.
        lines = np.nan_to_num(values).reshape(block.shape if subject.matrix else (1, -1))
        largest = float(np.max(np.abs(lines))) or 1.0  # so that no square overflows
        rms = largest * np.sqrt(np.mean((lines / largest) ** 2, axis=1, keepdims=True))
        size = np.broadcast_to(rms, lines.shape).ravel()
        parts.append((block.start + free, array.certificate.relative_to_rms * size[free]))
    at = np.concatenate([np.empty(0, np.intp), *(at for at, _ in parts)])
    bar = np.concatenate([np.empty(0), *(bar for _, bar in parts)])
    values = subject.analytic[at]
    return {
        "at": at, "analytic": values, "numerical": values, "bar": bar,
        "allowed": bar + subject.tolerance.rtol * np.abs(values) + subject.tolerance.atol,
        "wrong": np.zeros(at.size, bool), "tested": np.zeros(at.size, bool), "known": np.ones(at.size, bool),
        "curvature": np.full(at.size, np.nan),
    }  # fmt: skip


def _unknown(subject: Subject, known: Index, wrong: Index) -> dict[str, NDArray[Any]]:
    """The other entries of the arrays that hold a wrong one, as far as analytic has values there."""
    open_ = np.zeros(subject.parameters.size, bool)
    for b in subject.parameters.blocks:
        open_[b.slice] = ((wrong >= b.start) & (wrong < b.stop)).any()
    open_[known] = False
    at = np.flatnonzero(open_ & np.isfinite(subject.analytic))
    nothing, no = np.full(at.size, np.nan), np.zeros(at.size, bool)
    return {
        "at": at, "analytic": subject.analytic[at], "numerical": nothing, "bar": nothing, "allowed": nothing,
        "wrong": no, "tested": no, "known": no, "curvature": nothing,
    }  # fmt: skip


def _inside(at: Index, blocks: tuple[Block, ...]) -> Mask:
    inside = np.zeros(at.size, bool)
    for b in blocks:
        inside |= (at >= b.start) & (at < b.stop)
    return inside
