"""Which entries are wrong: group testing with one tangent, split until single entries remain."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck._typing import Flat
from gradcheck.arraywise.residuals import DirectionalTest
from gradcheck.parameters.boxes import Box, flat_indices, join_boxes, working_shape
from gradcheck.results.certificate import Residual

__all__ = ["Located", "locate"]

# Entries sampled before a whole box is called wrong.
SAMPLES = 6
# Entries of at least this part of their array's root mean square are sampled, where there are enough.
SIZEABLE = 1e-2
# A box this small is split to its end: naming its entries costs no more than sampling them.
SMALL = 16
# Evaluations of f that one split may take: two axes, six sampled entries.
COSTLIEST = 40
# Splits, one after another without a find, of boxes that errors within the tolerance would explain as well.
PATIENCE = 60


@dataclass
class Located:
    """What the search found in one array, as flat indices and boxes.

    suspects : single entries. dense : boxes in which all sampled entries were wrong, with those.
    open : boxes that hold something wrong, but the budget ended the search there.
    """

    suspects: list[int] = field(default_factory=list)
    dense: list[tuple[Box, list[int]]] = field(default_factory=list)
    open: list[Box] = field(default_factory=list)


def locate(
    directional: DirectionalTest,
    tangent: Flat,
    residual: Residual,
    *,
    exact: bool,
    budget: int,
    generator: np.random.Generator,
) -> Located:
    """Split the array while its parts exceed their bars.

    The same tangent all along: the residual of one half is that of the whole less that of the other, so a split
    costs one test, and k wrong entries among n about 1 + k log2(n/k) + k tests.
    exact : the tests are complex steps, of one evaluation each; otherwise real differences, of four. A box whose
    halves both exceed their bars may be wrong throughout (a row, a block): a few of its entries are looked at before it
    is split on. budget : evaluations of f after which the search ends with what it knows.
    """
    search = _Search(directional, tangent, exact, generator)
    objective = directional.setting.objective
    last = objective.nfev + budget
    whole = Box(tuple((0, n) for n in search.shape))
    queue: list[tuple[float, int, Box, Residual]] = [(-abs(residual.value), 0, whole, residual)]
    pushed, patience = 1, PATIENCE
    found = Located()
    while queue:
        _, _, box, exceeding = heapq.heappop(queue)
        if box.size == 1:
            found.suspects.append(search.flat_index(box))
            patience = PATIENCE
            continue
        ended = objective.nfev + COSTLIEST > last or objective.remaining < COSTLIEST
        if exceeding.accepted:
            patience -= 1
            if ended or patience < 0:
                continue
        if ended:
            found.open.append(box)
            continue
        parts = search.split(box, exceeding)
        if isinstance(parts, tuple):
            found.dense.append((box, list(parts)))
            patience = PATIENCE
        elif not parts and box.size <= SMALL:
            # Too small to be told apart: each is judged by itself.
            found.suspects += flat_indices(directional.block, box).tolist()
        for part, its in parts if isinstance(parts, list) else ():
            heapq.heappush(queue, (-abs(its.value), pushed, part, its))
            pushed += 1
    found.dense = join_boxes(found.dense)
    return found


class _Search:
    """The tests of one search."""

    def __init__(
        self, directional: DirectionalTest, tangent: Flat, exact: bool, generator: np.random.Generator
    ) -> None:
        self.directional, self.block, self.tangent, self.exact = (
            directional,
            directional.block,
            tangent,
            exact,
        )
        self.shape = working_shape(directional.block)
        self.generator = generator

    def split(self, box: Box, residual: Residual) -> list[tuple[Box, Residual]] | tuple[int, ...]:
        """The parts that exceed their bars; the sampled entries (a tuple) where the box is wrong throughout."""
        axes = box.axes()
        exceeding = self._halve(box, residual, axes[0])
        if len(exceeding) < 2 or box.size <= SMALL:
            return exceeding
        for axis in axes[1:]:
            # An error that fills one column is in both halves of the rows: the other axis isolates it.
            other = self._halve(box, residual, axis)
            if len(other) == 1:
                return other
        return self._all_wrong(box) or exceeding

    def _halve(self, box: Box, whole: Residual, axis: int) -> list[tuple[Box, Residual]]:
        one, other = box.halves(axis)
        first = self._residual(one, whole.step)
        pairs = ((one, first), (other, whole.less(first)))
        exceeding = [(part, its) for part, its in pairs if its.exceeds]
        if not exceeding and not self.exact:
            # The bars of four points, and of a difference, are the cruder ones.
            pairs = ((one, self._precise(one, whole)), (other, self._precise(other, whole)))
            exceeding = [(part, its) for part, its in pairs if its.exceeds]
        return exceeding

    def _all_wrong(self, box: Box) -> tuple[int, ...]:
        """A few sampled entries, if all of them are wrong; () as soon as one is right.

        An entry whose gradient is next to nothing stays right when its whole column is scaled: others are sampled.
        """
        inside = flat_indices(self.block, box)
        sizeable = inside[np.abs(self.directional.analytic[inside]) > SIZEABLE * self.directional.rms]
        candidates = sizeable if sizeable.size >= SAMPLES else inside
        sampled: list[int] = self.generator.choice(candidates, SAMPLES, replace=False).tolist()
        for at in sampled:
            index = np.unravel_index(at - self.block.start, self.shape)
            entry = Box(tuple((int(k), int(k) + 1) for k in index))
            if not self._residual(entry, self._step_of(at)).exceeds:
                return ()
        return tuple(sampled)

    def _residual(self, box: Box, step: float) -> Residual:
        part = self._part(box)
        if self.exact:
            measured = self.directional.by_complex_step([part])
            if measured is not None:
                return measured[0]
        return self.directional.quick(part, step)

    def _precise(self, box: Box, whole: Residual) -> Residual:
        return self.directional.real([self._part(box)], whole.step, 3.3 * whole.error)[0]

    def _part(self, box: Box) -> Flat:
        part = np.zeros_like(self.tangent)
        view = part[self.block.slice].reshape(self.shape)
        where = tuple(slice(a, b) for a, b in box.ranges)
        view[where] = self.tangent[self.block.slice].reshape(self.shape)[where]
        return part

    def _step_of(self, at: int) -> float:
        """The step for a single entry: what the sweep would take, in units of the tangent."""
        speed = abs(float(self.tangent[at]))
        setting = self.directional.setting
        return float(setting.relative_step[0]) * float(setting.scales[at]) / speed if speed > 0 else 1.0

    def flat_index(self, box: Box) -> int:
        """The place of a one-entry box in the flat vector."""
        index: Sequence[int] = [start for start, _ in box.ranges]
        return self.block.start + int(np.ravel_multi_index(tuple(index), self.shape))
