"""Columns that bounds let move to one side alone: joint directions inwards, all of them at once, and their search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from gradcheck._typing import Flat, Values
from gradcheck.examination.row_evidence import slopes_along
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.places import Judge
from gradcheck.numerics.problem import Problem, of_typical_size
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING, root_mean_square, scaled_rms
from gradcheck.results.certificate import LEAST, bound_of, least_bounds

# Directions after which it is given up; the errors that are asked for are those with which so many suffice.
DIRECTIONS, SUFFICE = 12, 3
# With less room than this part of its scale on either side, a column would hold back the others.
NEXT_TO_NONE = 1e-3
# So few columns are moved one by one where a direction through them tells of a mistake.
FEW = 3
# Of one row what they find wrong is searched for among more than so many entries, between so many tests, with so many
# evaluations each time: one of 3,000 takes 150.
FEW_INWARDS, TESTS, SEARCHED = 60, 3, 250
# The bar that tells which half a mistake lies in, as a part of what it leaves.
CLEARLY = 10.0


def one_sided(problem: Problem) -> Flat:
    """(n,) how far columns that directions leave where they are may move to one side; negative to the left.

    0 of others, and of those that may hardly move.
    """
    if problem.room is None:
        return np.zeros(problem.x.size)
    left, right = problem.room
    far = np.minimum(np.maximum(left, right), problem.scales)
    able = problem.narrow & (far >= NEXT_TO_NONE * problem.scales)
    return np.where(able, np.where(right >= left, far, -far), 0.0)


def shared_with(inwards: Flat, problem: Problem) -> Problem:
    """The problem with the part of the resolution that each of two certificates gets, where columns need another."""
    if not inwards.any():
        return problem
    tolerance = replace(problem.tolerance, resolution=problem.tolerance.resolution / math.sqrt(2.0))
    return replace(problem, tolerance=tolerance)


@dataclass
class InwardTest:
    """Directions for a claim that move columns (n,) by some lengths, each to the side that has its sign.

    delta : the chance to be wrong, of all rows together. tolerant : whether errors within the tolerance, independent
    ones in every entry, are nothing that is wrong.
    """

    setting: Setting
    problem: Problem
    lengths: Flat
    rng: np.random.Generator
    delta: float
    tolerant: bool

    def __post_init__(self) -> None:
        shortest = float(np.min(np.abs(self.lengths), where=self.lengths != 0, initial=np.inf))
        self.sizes = self._sizes() * shortest

    def run(self) -> Joint:
        """Directions until all rows are certified, something is wrong, or nothing can be said this way."""
        needed, nobody = self.problem.tolerance.resolution * self.sizes, np.zeros(self.sizes.size, bool)
        fine = needed / (6.0 * least_bounds(self.delta)[SUFFICE - 1])
        joint = Joint((), np.full(needed.size, np.inf), nobody, nobody, self.sizes)
        for _ in range(DIRECTIONS if (needed > 0).all() else 0):
            look = self.look(self.lengths, fine)
            told = (*(d.without_tangent() for d in joint.directions), look)
            if look.exceeds.any():
                return replace(joint, directions=told, certified=nobody, wrong=look.exceeds)
            bound = bound_of([d.most for d in told], self.delta)
            joint = replace(joint, directions=told, bound=bound, certified=bound <= needed)
            hopeful = 3.0 * look.error * least_bounds(self.delta)[DIRECTIONS - 1] <= needed
            if joint.certified.all() or not hopeful.all():
                break
        return joint

    def look(self, lengths: Flat, fine: Values) -> Direction:
        """One direction, as far as bounds allow to each side; fine : (m,) the errors that are wanted.

        Lengths between nothing and twice those given are as likely to hide a mistake as +-(0.5 to 1.5) of them.
        """
        setting, problem, tolerance = self.setting, self.problem, self.problem.tolerance
        tangent = lengths * self.rng.uniform(0.0, 2.0, lengths.size)
        product = problem.matrix.product(tangent)
        found = slopes_along(setting, tangent, product, lambda at, _: (fine[at], fine[at]))
        weight = problem.weight(tangent, product, self.rng)
        least = LEAST * (tolerance.rtol * self.sizes + tolerance.atol * float(np.abs(lengths).max()))
        if self.tolerant:
            across = tolerance.atol * float(np.linalg.norm(tangent))
            least = np.maximum(least, tolerance.rtol * weight + across)
        allowed = 3.0 * found.error + np.maximum(least, ROUNDING * problem.eps * weight)
        step = float(np.max(found.step))
        return Direction(tangent, step, weight, product - found.value, found.error, allowed)

    def search(self, direction: Direction, judge: Judge, most: int) -> None:
        """Judge columns in which rows are wrong: halves of them are moved, and halves of what is wrong.

        direction : along which something exceeded its bars. judge : looks at the entries of a column in some rows.
        most : evaluations after which none is begun.
        """
        end = self.setting.objective.nfev + most
        left = [(np.flatnonzero(self.lengths), np.flatnonzero(direction.exceeds), direction)]
        while left and self.setting.objective.nfev < end and self.setting.objective.remaining > 0:
            columns, rows, seen = left.pop()
            if columns.size <= FEW:
                for j in columns.tolist():
                    judge(j, rows, None)
                continue
            fine = np.full(self.sizes.size, np.inf)
            fine[rows] = np.abs(seen.residual[rows]) / CLEARLY
            for half in np.array_split(columns, 2):
                moved = np.zeros_like(self.lengths)
                moved[half] = self.lengths[half]
                look = self.look(moved, fine)
                if look.exceeds[rows].any():
                    left.append((half, rows[look.exceeds[rows]], look))

    def _sizes(self) -> Values:
        """(m,) the root mean squares of the rows; of zeros throughout what f changes along a random direction."""
        matrix, scales = self.problem.matrix, self.problem.scales
        rows = scaled_rms(matrix, np.ones(scales.size))
        if rows is None:
            # Of products, what their entries add up to along any direction.
            tangent = scales * self.rng.choice([-1.0, 1.0], scales.size)
            weight = self.problem.weight(tangent, matrix.product(tangent), self.rng)
            rows = weight / (math.sqrt(scales.size) * root_mean_square(scales))
        return of_typical_size(rows if rows.any() else self.setting.slope / root_mean_square(scales))


def searched(lengths: Flat, rows: int) -> int:
    """Evaluations of a search: none in few columns, nor of several rows, of which groups of columns tell at once."""
    return SEARCHED if rows == 1 and np.count_nonzero(lengths) > FEW_INWARDS else 0


def certified_inwards(
    setting: Setting,
    lengths: Flat,
    rng: np.random.Generator,
    shares: Iterable[float],
    known: Callable[[], tuple[Problem, bool]],
    judge: Judge,
    most: int,
) -> Joint | None:
    """Directions inwards, and a search for what they find wrong, until they certify the rest; None where they do not.

    lengths : (n,) as of `InwardTest`. shares : of the chance to be wrong, for each test. known() : the claim as it
    would be right in all that was judged, and whether any of that is wrong; what was looked for and not found is within
    the tolerance. judge : looks at the entries of a column in some rows. most : evaluations of a search; 0 is none.
    """
    found: Joint | None = None
    for share in islice(shares, TESTS):
        right, wrong = known()
        test = InwardTest(setting, right, lengths, rng, share, found is not None and not wrong)
        found = test.run()
        if not found.wrong.any() or most == 0:
            break
        test.search(found.directions[-1], judge, most)
    return found if found is not None and found.certified.all() else None
