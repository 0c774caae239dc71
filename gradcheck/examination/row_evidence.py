"""What is known of the rows of a matrix: their sizes, their certificate, and the claim as it would be right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.axes import along_rays
from gradcheck.evidence.entries import claimed_still, decide
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Product, Sparse
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import Judge, Places
from gradcheck.joint.repairs import entries
from gradcheck.numerics.differences import Wanted
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import ROUNDING, root_mean_square, within
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, runs
from gradcheck.parameters.quantiles import median
from gradcheck.results.certificate import LEAST, ArrayEvidence, Certificate, Region, Residual
from gradcheck.results.entries import Entries, latest
from gradcheck.results.estimate import Estimate, as_told
from gradcheck.results.table import rows as table_rows

# One entry makes up its row of J v where it is such a part of it.
MADE_UP = 0.9
# So often rows are asked again that a test leaves open.
AGAIN = 6
# So many rows are not off by the same part by chance.
SHARING = 3
# A residual whose bar is this part of it tells what it is a part of.
TELLS = 0.1
# Where rows may have something in common up to so many groups of a pattern are moved each by itself, which tells and
# counts all that it stores. A group takes two stencils where it is wrong; and what they need beside them, in such
# pairs: the noise, and directions.
GROUPS, AROUND = 20, 4
# Columns that are judged one by one where all may be wrong.
FILLED = 150
# Columns of a row that is wrong throughout that are judged; so many of them tell whether it seems to be.
SAMPLES, TELLING = 6, 2
# Columns that a product is asked for, to see in which its rows are not 0.
ASKED = 64


def run_for_rows(
    problem: Problem,
    scaling: Scaling,
    rng: np.random.Generator,
    shares: Iterator[float],
    *,
    exact: bool = True,
    fixed: Mask | None = None,
    **more: Any,
) -> tuple[JointTest, Joint]:
    """A joint test of all rows, and others of those that it leaves open, as long as each leaves less than half.

    A kink within the step of a few rows is in the way of none that is nearer, or along another direction. The one that
    tells what is wrong is returned, and what they show together.

    shares : of the chance to be wrong, for each test. exact, fixed, more : as of `JointTest`.
    """
    count = left = problem.f_x.size
    fixed = np.zeros(count, bool) if fixed is None else fixed
    test = JointTest(problem, scaling, rng, next(shares), exact=exact, fixed=fixed, **more)
    joint = test.run()
    for _ in range(AGAIN):
        still = count - int(np.count_nonzero(joint.certified | fixed))
        if joint.wrong.any() or joint.spent or still == 0 or 2 * still >= left:
            break
        known = joint.certified | fixed
        again = JointTest(problem, scaling, rng, next(shares), exact=test.exact, fixed=known, **more)
        later, left = again.run(), still
        if later.wrong.any():
            return again, later
        joint = joint.beside(later)
    return test, joint


def measured_by_rows(problem: Problem) -> Problem:
    """With what an entry is measured by: the root mean squares of each row, by each array of x, where they are known.

    An array that is claimed to do nothing has no size of its own, and is measured by the rows; where these are, too, by
    what each does along a random direction of x in units of its scales.
    """
    sizes, rows = [], problem.matrix.norms(np.ones(problem.x.size))
    if rows is None:
        return replace(problem, gradient_scale=None)
    if not rows.any():
        rows = problem.slope * math.sqrt(problem.x.size) / root_mean_square(problem.scales)
    for block in problem.parameters.blocks:
        inside = np.zeros(problem.x.size)
        inside[block.slice] = 1.0
        norms = problem.matrix.norms(inside)
        assert norms is not None  # as those of the rows
        own = norms.any()
        sizes.append((norms if own else rows) / math.sqrt(max(block.size if own else inside.size, 1)))
    return replace(problem, gradient_scale=np.ravel(sizes, order="F"))


def slopes_along(setting: Setting, tangent: Flat, claimed: Flat, wanted: Wanted) -> Estimate:
    """The derivative of each output (m,) along a tangent, by steps of its own, from as many sides as bounds allow.

    claimed : (m,) what it is said to be. wanted : the errors that are wanted, as `estimate` takes them.
    """
    every, step = np.arange(setting.outputs), setting.relative_step.copy()
    found = along_rays(setting, [tangent], every, step, wanted, unit=np.ones(every.size))
    return claimed_still(setting, found, claimed, every)


def of_column(problem: Problem, way: Callable[..., Entries], column: int, rows: Index) -> Entries:
    """The entries of a column in some rows, as one way to judge them tells."""
    rows = rows.astype(np.intp)  # those of a sparse matrix are short
    given = problem.matrix.entries(rows, np.full(rows.size, column))
    return way(problem, given, rows * problem.x.size + column)


def largest_columns(
    problem: Problem, rows: Index, rng: np.random.Generator
) -> tuple[dict[int, Index], bool, float]:
    """A few columns in which most of some rows (k,) are largest, each with those of the rows in which it is not 0.

    Of a row that is nearly empty the others show nothing. Returns whether they hold all that is claimed of these rows,
    too, and the part of these that is not claimed to be 0, as far as a product tells.
    """
    matrix, n = problem.matrix, problem.x.size
    among = np.arange(n)
    if isinstance(matrix, Product):  # a product for each column
        among = np.sort(rng.choice(n, min(ASKED, n), replace=False))
        array = np.stack([matrix.product(within(np.ones(n), j))[rows] for j in among[:, None]], axis=1)
    else:
        array = entries(matrix)[rows]
    scales = scipy.sparse.diags_array(problem.scales[among])
    claimed = scipy.sparse.csc_array(abs(scipy.sparse.csc_array(array)) @ scales)
    claimed.eliminate_zeros()
    columns = rng.permutation(np.flatnonzero(np.diff(claimed.indptr)))
    often = np.bincount(np.ravel(claimed.argmax(axis=1)), minlength=among.size)
    columns = columns[np.argsort(-often[columns], kind="stable")]
    every = columns.size <= 2 * SAMPLES and among.size == n
    few = np.sort(columns if every else columns[:SAMPLES])
    held = [np.sort(claimed.indices[slice(*claimed.indptr[j : j + 2])]) for j in few]
    told = {int(among[j]): rows[inside] for j, inside in zip(few, held, strict=True)}
    return told, every, claimed.nnz / (rows.size * among.size)


def mended(problem: Problem, judged: Sequence[Entries], alpha: Flat | None = None) -> Matrix:
    """The matrix with what was measured in the place of what is off, and rows (m,) without a part alpha, if not 0.

    By less than the tolerance, too, where that is told: what is accepted of many adds up along a direction.
    """
    matrix = problem.matrix
    alpha = np.zeros(matrix.shape[0]) if alpha is None else alpha
    change = scipy.sparse.csr_array(matrix.shape)
    if judged:
        known = latest(*judged)  # one that was judged twice is mended once
        rows, columns = problem.places(known.coordinates)
        off = known.estimate.value - known.analytic
        told = known.judgement.verified & (3.0 * known.estimate.error <= TELLS * np.abs(off))
        mend = (known.judgement.wrong | told) & (alpha[rows] == 0)
        change = scipy.sparse.csr_array((off[mend], (rows[mend], columns[mend])), matrix.shape)
    return matrix.mended(1.0 - alpha, change)


def proved_wrong(
    setting: Setting, claimed: Matrix, right: Matrix, rest: Joint, lengths: Flat, rows: Index, columns: Index
) -> tuple[Entries, Joint]:
    """Entries that a certificate of the right matrix proves wrong: their bars are what it bounds their error by.

    lengths : (n,) how far each coordinate moved. What the others are off by is added to the bounds of their rows.
    """
    moved = lengths[columns]
    at, given = rows * right.shape[1] + columns, claimed.entries(rows, columns)
    value, error = right.entries(rows, columns), rest.bounds[rows] / (3.0 * moved)
    found = as_told(value, error, np.full(rows.size, np.nan))
    judgement = decide(setting, found, given, at)
    clear = judgement.wrong & (np.abs(given - value) > 6.0 * error)
    left = np.where(clear, 0.0, (given - value) * moved) ** 2
    bound = rest.bounds + np.sqrt(np.bincount(rows, left, rest.bound.size))
    proved = table_rows(Entries(at, given, found, judgement), np.flatnonzero(clear))
    return proved, replace(rest, bound=bound)


def between(columns: list[int]) -> Index:
    """The columns from the first of some to the last."""
    return np.arange(min(columns), max(columns) + 1)


def spans(rows: Mask) -> list[tuple[int, int]]:
    """The ranges that some rows (m,) fill."""
    return runs(set(np.flatnonzero(rows).tolist()))


def claimed_in_rows(block: Block, matrix: Matrix, span: tuple[int, int], filled: float) -> Region:
    """Rows that are off by a factor, which 0 is not. filled : the part that is not claimed to be 0, of a product."""
    box = Box((span, (0, matrix.shape[1])))
    if isinstance(matrix, Product):
        claimed = max(1, round(filled * box.size))
    else:
        claimed = int(entries(matrix)[slice(*span)].nonzero()[0].size)
    return Region(block, box, True, None if claimed == box.size else claimed)


def rows_evidence(
    problem: Problem, block: Block, joint: Joint, confidence: float, divided_by: str = ""
) -> ArrayEvidence:
    """What directions certify of the rows of a matrix. block : all of it. divided_by : what was taken out of them."""
    name = f"each row of {block.name}" if problem.f_x.size > 1 else block.name
    name = f"{name} / {divided_by}" if divided_by else name
    certificate = Certificate(name, joint.worst, joint.worst, confidence, len(joint.directions))
    return ArrayEvidence(block, tuple(_residuals(problem, joint)), certificate, LEAST)


def _residuals(problem: Problem, joint: Joint) -> list[Residual]:
    """Of each direction the row that says least, in units of its own size."""
    told = []
    for direction in joint.directions:
        told_of = joint.certified & (joint.sizes > 0) & np.isfinite(direction.error)
        relative = np.where(told_of, (direction.allowed + 3.0 * direction.error) / joint.sizes, -1.0)
        k = int(np.argmax(relative))
        size = float(joint.sizes[k]) or 1.0
        told.append(residual_of(problem, direction, k, size, unit=size))
    return told


def residual_of(problem: Problem, direction: Direction, k: int, size: float, unit: float = 1.0) -> Residual:
    """What one direction shows of a row, in some unit; size : what a mistake in it is relative to."""
    weight, error = float(direction.weight[k]) / unit, float(direction.error[k]) / unit
    least = max(ROUNDING * problem.eps * weight, LEAST * problem.tolerance.rtol * size / unit)
    # More where errors within the tolerance were accepted.
    allowed = max(3.0 * error + least, float(direction.allowed[k]) / unit)
    return Residual(float(direction.residual[k]) / unit, error, weight, allowed)


def scaled_rows(direction: Direction, other: Direction, wrong: Mask, matrix: Matrix) -> tuple[Flat, Mask]:
    """The part of each row (m,) that is too much, and which wrong rows are off by it throughout.

    It holds along another direction, too. One entry that makes up its row is an entry, unless most of the
    others are off by the same part.
    """
    largest = matrix.largest(direction.tangent)
    alpha = np.asarray(direction.residual / matrix.product(direction.tangent))
    claimed = matrix.product(other.tangent)
    # What the part may be off by weighs as much as that direction claims more than this one.
    more = np.maximum(np.abs(claimed / matrix.product(direction.tangent)), 1.0)
    bar = 3.0 * (other.error + more * direction.error) + 1e-9 * np.abs(other.residual)
    fits = wrong & (np.abs(other.residual - alpha * claimed) <= bar) & (other.residual != 0)
    scaled = fits & (largest < MADE_UP * direction.weight) if largest is not None else fits & False
    if fits.any():
        shared = float(median(alpha[fits]))
        off = np.abs(direction.residual - shared * matrix.product(direction.tangent))
        alike = wrong & (off <= 3.0 * direction.error + 1e-9 * np.abs(direction.residual))
        if SHARING <= int(alike.sum()) >= int(wrong.sum()) / 2:
            scaled |= alike
    return alpha, np.asarray(scaled)


def absent_rows(
    setting: Setting,
    judge: Callable[[int, Index], Entries],
    empty: Mask,
    lengths: Flat,
    rng: np.random.Generator,
) -> Mask:
    """Those of some rows (m,), claimed to be 0, of which most entries of a sample are wrong: all of it is missing.

    Not of so few columns that each of them can be told; a sample that shows nothing at first ends there. judge : the
    entries of a column in some rows. lengths : (n,) how far each column moves.
    """
    moved = np.flatnonzero(lengths)
    if not empty.any() or moved.size <= 2 * SAMPLES:
        return empty & False
    wrong = np.zeros(empty.size, int)
    for count, column in enumerate(rng.choice(moved, SAMPLES, replace=False).tolist()):
        if count == TELLING and not wrong.any():
            break
        wrong[setting.places(judge(column, np.flatnonzero(empty)).wrong)[0]] += 1
    return np.asarray(empty & (2 * wrong > SAMPLES))


def stand_out(joint: Joint) -> bool:
    """Whether no bar is what keeps rows from being certified along the last direction, but what they are off by."""
    if not joint.directions:
        return False
    last, open_ = joint.directions[-1], ~joint.certified
    small = np.isfinite(last.off) & (3.0 * last.error <= TELLS * np.maximum(last.off, last.allowed))
    return bool(small[open_].all() and last.off[open_].any())


def tolerated(test: JointTest, direction: Direction) -> Mask:
    """(m,) rows in which independent errors within the tolerance explain what a direction finds."""
    bar = 3.0 * direction.error + test.along.spread(direction.tangent)
    return np.asarray(direction.off <= bar)


def explained(test: JointTest, joint: Joint, rows: Mask) -> bool:
    """Whether that explains what the last direction finds in some rows (m,)."""
    return bool(tolerated(test, joint.directions[-1])[rows].all())


def fill(found: Places, rows: Index, judge: Judge, count: int) -> bool:
    """Judge the columns between those that are wrong, and those beside them until one is right; not of many.

    judge : the entries of a column in some rows. count : how many columns there are.
    """
    low, high = min(found.wrong), max(found.wrong)
    if high - low >= FILLED:
        return False
    for column in sorted(set(range(low, high + 1)) - {*found.wrong, *found.right}):
        judge(column, rows, None)
    for beside in (range(low - 1, -1, -1), range(high + 1, count)):
        for column in beside:
            if high - low >= FILLED or not judge(column, rows, None).judgement.wrong.any():
                break
            low, high = min(low, column), max(high, column)
    return high - low < FILLED


def told_by_groups(setting: Problem, count: int, matrix: Matrix) -> bool:
    """Whether a pattern has fewer groups of columns than so many wrong rows: these are left to another way."""
    if not isinstance(matrix, Sparse):
        return False
    groups = len(group_columns(matrix.pattern))
    few = groups < count and groups <= GROUPS
    return few and setting.objective.affords(2 * POINTS * (groups + AROUND))
