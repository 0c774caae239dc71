"""The part of a gradient in which a mistake is looked for: its evidence, and what its places are called."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Block, Parameters
from gradcheck.results.evidence import Evidence

__all__ = ["Scope", "wrong_scope"]

Box = list[tuple[int, int]]

# An explanation counts when an accident would fit as well with a chance of at most 10^-DECADES.
DECADES = 3.0
# Wrong entries that share a row by accident with a chance above this share nothing worth saying.
ACCIDENT = 0.01
NAMED = 3


@dataclass(frozen=True)
class Scope:
    """The tested entries of one or several arrays, each of which has a wrong one; arrays are (m,).

    gradient : the whole analytic gradient (size,), tested or not. at : flat indices of the tested entries.
    bar : 3 E. allowed : 3 E + tau, up to which an entry is not called wrong. undecided : (k,) flat indices of
    the entries that are neither wrong nor verified.
    """

    parameters: Parameters
    blocks: tuple[Block, ...]
    gradient: Flat
    at: Index
    x: Flat
    analytic: Flat
    numerical: Flat
    bar: Flat
    allowed: Flat
    wrong: Mask
    undecided: Index
    rtol: float
    atol: float

    @property
    def complete(self) -> bool:
        """Whether every entry of its arrays was tested."""
        return self.at.size == sum(b.size for b in self.blocks)

    @property
    def imaginary(self) -> Mask:
        """Which of the tested entries are imaginary parts."""
        return np.concatenate(
            [b.is_complex & ((at - b.start) % 2 == 1) for b in self.blocks for at in [self.within(b)]]
        )

    def within(self, block: Block) -> Index:
        """Flat indices of the tested entries of one array."""
        return self.at[(self.at >= block.start) & (self.at < block.stop)]

    def slack(self, explained: Flat) -> Flat:
        """3 E + tau for another value (m,) in the place of the analytic one."""
        size = np.maximum(np.abs(explained), np.abs(self.numerical))
        return np.asarray(self.bar + self.rtol * size + self.atol)

    def fits(self, explained: Flat) -> Mask:
        """Which of the explained values (m,) agree with the numerical ones."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(explained - self.numerical) <= self.slack(explained))

    def convinces(self, explained: Flat, free: int = 0, choices: float = 0.0) -> bool:
        """Whether so good a fit of the wrong entries can hardly be an accident.

        An unrelated value comes as close as `explained` with a chance of about its distance over the mismatch,
        entry by entry. Each of the `free` fitted constants costs the entry that fits best; picking among
        10^choices explanations costs that many decades.
        """
        left = np.maximum(np.abs(explained - self.numerical), self.bar)[self.wrong]
        mismatch = np.abs(self.analytic - self.numerical)[self.wrong]
        with np.errstate(divide="ignore"):
            decades = np.sort(np.log10(mismatch / left).clip(0.0, 16.0))
        kept = decades[: decades.size - free]
        return float(kept.sum()) - choices >= DECADES

    def holds(self, explained: Flat, free: int = 0, choices: float = 0.0) -> str:
        """Where an explanation holds, in words: everywhere, or in all wrong entries; empty where in neither."""
        fits = self.fits(explained)
        if not fits[self.wrong].all() or not self.convinces(explained, free, choices):
            return ""
        return self.everywhere() if fits.all() else self.wrong_place()

    def one(self, block: Block) -> Scope:
        """The part of one array."""
        mine = (self.at >= block.start) & (self.at < block.stop)
        cut = {name: getattr(self, name)[mine] for name in _PER_ENTRY}
        undecided = self.undecided[(self.undecided >= block.start) & (self.undecided < block.stop)]
        return replace(self, blocks=(block,), undecided=undecided, **cut)

    @property
    def names(self) -> str:
        """`params["W1"] and params["b1"]`, or how many arrays."""
        names = [b.name for b in self.blocks]
        if len(names) > NAMED:
            return f"{len(names)} arrays"
        return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]

    def everywhere(self) -> str:
        """`all 500 entries of params["W2"]`; `tested entries` where not all were."""
        if self.at.size == 1:
            return self.parameters.name(int(self.at[0]))
        tested = "" if self.complete else "tested "
        return f"{_all(self.at.size)} {tested}entries of {self.names}"

    def wrong_place(self) -> str:
        """The wrong entries: the only one by name, `row 3 of params["W1"]`, or how many."""
        wrong = self.at[self.wrong]
        if wrong.size == 1:
            alone = " alone" if self.at.size > 1 else ""
            return self.parameters.name(int(wrong[0])) + alone
        return self._region(filled=True) or f"{_all(wrong.size)} wrong entries of {self.names}"

    def common_place(self) -> str:
        """`row 3 of params["W1"]` where all wrong entries lie, be others there right; empty without one."""
        return self._region(filled=False) if self.wrong.sum() > 1 else ""

    def _region(self, filled: bool) -> str:
        """The row, column or block of one array that the wrong entries fill, or (not filled) lie in."""
        if len(self.blocks) > 1 or not self.blocks[0].shape:
            return ""
        block = self.blocks[0]
        parts = 2 if block.is_complex else 1
        index = np.unravel_index((self.at - block.start) // parts, block.shape)
        box = [(int(i[self.wrong].min()), int(i[self.wrong].max()) + 1) for i in index]
        whole: Box = [(0, n) for n in block.shape]
        # A row before the part of it that is wrong: its other entries may be zero, and right with any factor.
        slabs = [
            [box[k] if k == axis else whole[k] for k in range(len(box))]
            for axis in range(len(box))
            if box[axis][1] - box[axis][0] == 1
        ]
        for candidate in [*slabs, box]:
            if candidate == whole:
                continue
            inside = np.all([(i >= a) & (i < b) for i, (a, b) in zip(index, candidate, strict=True)], axis=0)
            full = self._fills(inside, parts * int(np.prod([b - a for a, b in candidate])))
            share = inside.mean() ** (int(self.wrong.sum()) - 1)
            if full if filled else share < ACCIDENT or (full and candidate in slabs):
                return _box_name(block, candidate)
        return ""

    def _fills(self, inside: Mask, size: int) -> bool:
        """Whether all of a box was tested, and no entry in it is right and known not to be zero."""
        right = inside & ~self.wrong & (np.abs(self.numerical) > self.bar)
        return int(inside.sum()) == size and not right.any()


_PER_ENTRY = ("at", "x", "analytic", "numerical", "bar", "allowed", "wrong")


def wrong_scope(setting: Setting, analytic: Flat, evidence: Evidence) -> Scope | None:
    """The arrays in which something is wrong; None where nothing is.

    analytic : (size,). Entries without a finite analytic and numerical value tell nothing about a mistake.
    """
    found, at = evidence.estimate, evidence.coordinates
    usable = np.isfinite(evidence.analytic) & np.isfinite(found.error) & np.isfinite(found.value)
    wrong = evidence.judgement.wrong & usable
    blocks = tuple(b for b in setting.parameters.blocks if (wrong & (at >= b.start) & (at < b.stop)).any())
    if not blocks:
        return None
    usable &= np.any([(at >= b.start) & (at < b.stop) for b in blocks], axis=0)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(at[rows], kind="stable")]
    return Scope(
        setting.parameters,
        blocks,
        analytic,
        at[rows],
        setting.x[at[rows]],
        evidence.analytic[rows],
        found.value[rows],
        3.0 * found.error[rows],
        evidence.judgement.allowed[rows],
        wrong[rows],
        at[evidence.judgement.inconclusive],
        setting.tolerance.rtol,
        setting.tolerance.atol,
    )


def _all(n: int) -> str:
    return "both" if n == 2 else f"all {n:,}"


def _box_name(block: Block, box: Box) -> str:
    """`row 3 of W`, `column 4 of W`, `x[3:7]`, `W[2, :, 1:3]`."""
    words = []
    for (start, stop), n in zip(box, block.shape, strict=True):
        one, all_ = stop - start == 1, stop - start == n
        words.append(str(start) if one else ":" if all_ else f"{start}:{stop}")
    if len(words) == 2 and ":" in words:
        axis = words.index(":")
        if ":" not in words[1 - axis]:
            return f"{('column', 'row')[axis]} {words[1 - axis]} of {block.name}"
    return f"{block.name}[{', '.join(words)}]"
