"""Joint directions for a Jacobian: all rows from the same points, and the columns in which some are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.evidence.entries import decide, sweep
from gradcheck.examination.inwards import InwardTest, one_sided, shared_with
from gradcheck.examination.row_evidence import (
    SHARING,
    between,
    mended,
    rows_evidence,
    run_for_rows,
    scaled_rows,
    sizes_of_rows,
    tolerated,
    unseen_rows,
)
from gradcheck.examination.silent import (
    BUDGET,
    FILLED,
    Alone,
    missing_columns,
    moved_alone,
    silent_entries,
)
from gradcheck.function.coloring import group_columns
from gradcheck.function.matrix import Matrix, Product, Sparse, by_entries
from gradcheck.joint.alone import judge_in_rows
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places, in_random_order
from gradcheck.joint.repairs import entries, repaired
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, runs
from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.certificate import ArrayEvidence, Region, shares_of
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.estimate import as_told
from gradcheck.results.evidence import Evidence
from gradcheck.results.table import concatenate
from gradcheck.results.table import rows as table_rows

# Up to so many columns, or groups of a pattern, each is moved where more than so many rows are wrong: that costs about
# as much as the search, and tells what all of them have in common.
JUDGED_UP_TO, LONE = 20, 2
# A group takes two stencils where it is wrong; what groups need beside them, in such pairs: the noise, and directions.
AROUND = 4
# Columns of a row that is wrong throughout that are judged.
SAMPLES = 6
# Stencils that one column may take, where the first leaves doubts.
DOUBTS = 3
# Entries that stand elsewhere, or are to be replaced, are told one by one up to so many.
MOVED, REPLACED = 2000, 20_000
# Columns that a product is asked for, to see in which its rows are not 0.
ASKED = 64


def examine_rows(
    problem: Problem,
    names: JacobianNames,
    setting_of: Callable[[Direction], Setting],
    probed: Callable[[], Setting | None],
    *,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Setting | None, Evidence | None]:
    """Certify all rows of a Jacobian by joint directions, or name the entries that are wrong in a few of them.

    setting_of : what is known for other ways from what the first direction shows of f's noise. probed : the same from
    a probe of the noise near x. Returns the one that was asked for before entries were accused, and the evidence; None
    where joint directions do not settle it.
    """
    if problem.f_x.size == 0:
        return None, None
    still = np.zeros(problem.x.size, bool)
    scaling = scaling_of(problem, still)
    silent = silent_entries(problem, scaling, still)
    inwards = one_sided(problem)
    problem = shared_with(inwards, problem)
    if ((scaling.lengths == 0) & ~silent & (inwards == 0) & problem.free).any():
        return None, None  # a column that has no room
    shares = shares_of(1.0 - confidence)
    test, joint = run_for_rows(
        lambda fixed, share, exact: JointTest(problem, scaling, rng, share, fixed=fixed, exact=exact),
        problem.f_x.size,
        shares,
    )
    wrong, few = bool(joint.wrong.any()), problem.x.size <= JUDGED_UP_TO
    several = np.count_nonzero(joint.wrong) > LONE
    if not (wrong or joint.certified.all()) or (several and few):
        return None, None
    held = bool((problem.narrow & ~silent).any())
    if wrong and held:
        return None, None  # columns that directions leave where they are
    nothing = wrong and bool(scaling.nothing.all())  # is claimed to move f, and something does
    share = next(shares) if silent.any() else 0.0
    alone = Alone(False) if nothing else moved_alone(problem, scaling, silent, rng, share)
    if alone.stays and not wrong:
        array = rows_evidence(problem, names, joint, confidence)
        if inwards.any():
            known = setting_of(test.first) if test.first and test.tells_noise(~joint.wrong) else probed()
            if known is None:
                return None, None
            found = InwardTest(known, problem, inwards, rng, next(shares)).run()
            if not found.certified:
                return None, None
            array = found.beside(array)
        return None, Evidence(none_judged(problem.x.dtype), (array,))
    if held:
        return None, None
    forgotten = nothing or alone.moves
    if not (forgotten or alone.stays) or (forgotten and few):
        return None, None
    setting = setting_of(test.first) if test.first and test.tells_noise(joint.wrong) else probed()
    if setting is None:
        return None, None
    # Rows and what is left of them are told by their entries.
    problem = replace(problem, matrix=by_entries(problem.matrix))
    judging = replace(setting, gradient_scale=sizes_of_rows(problem, setting.slope))
    search = _Search(judging, problem, names, test, joint, confidence, shares, rng)
    if not forgotten:
        return setting, search.run()
    silent = scaling.lengths > 0 if nothing else silent
    return setting, search.beside(scaling, silent, nothing)


@dataclass
class _Search:
    """What is wrong in the rows in which a joint test found something.

    shares : of the chance to be wrong, for each test that comes. judged : entries judged one by one so far.
    filled : the part of scaled rows that is not claimed to be 0, as far as a product tells.
    """

    setting: Setting
    problem: Problem
    names: JacobianNames
    test: JointTest
    joint: Joint
    confidence: float
    shares: Iterator[float]
    rng: np.random.Generator
    judged: list[Entries] = field(default_factory=list)
    filled: float = 1.0

    def run(self) -> Evidence | None:
        """What is wrong, and a certificate of the rest; None where it is not found."""
        joint, matrix = self.joint, self.problem.matrix
        direction, count, begun = joint.directions[-1], int(joint.wrong.sum()), None
        if count <= LONE:
            # What the search for entries begins with tells a factor as well.
            begun = in_random_order(self.test, direction, self.rng)
            other = begun[1]
        else:
            # Another direction, along which each column moves as far as any.
            even = self.rng.choice([-1.0, 1.0], self.problem.x.size) * self.test.along.scaling.lengths
            other = self.test.again(even, exact=direction.exact, precise=count >= SHARING)
        alpha, scaled = scaled_rows(direction, other, joint.wrong, matrix)
        found = None if scaled[joint.wrong].all() else self.repaired(other)
        if found is None and isinstance(matrix, Sparse) and self.told_by_groups(count, matrix):
            return None
        return found or self.located(alpha, scaled, begun)

    def told_by_groups(self, count: int, matrix: Sparse) -> bool:
        """Whether a pattern has fewer groups of columns than so many wrong rows: these are left to another way."""
        groups = len(group_columns(matrix.pattern))
        few = groups < count and groups <= JUDGED_UP_TO and count > LONE
        return few and self.setting.objective.affords(2 * POINTS * (groups + AROUND))

    def beside(self, scaling: Scaling, silent: Mask, nothing: bool) -> Evidence | None:
        """The same, and what is wrong in columns (n,) that are claimed to do nothing; nothing : as all of them are."""
        block = self.names.blocks[0]
        missing = missing_columns(
            self.problem, scaling, silent, self._judged, block, self.rng, next(self.shares)
        )
        if not missing.found:
            return None
        found: Evidence | None
        if nothing:
            found = Evidence(none_judged(self.problem.x.dtype), (ArrayEvidence(block, (), None),))
        elif self.joint.wrong.any():
            found = self.run()
        else:
            array = rows_evidence(self.problem, self.names, self.joint, self.confidence)
            found = Evidence(none_judged(self.problem.x.dtype), (array,))
        return None if found is None else missing.beside(found)

    def repaired(self, other: Direction) -> Evidence | None:
        """Where every row is right once the entries stand elsewhere, or on the diagonal are others."""
        matrix = self.problem.matrix
        arrays = [block.slice for block in self.problem.parameters.blocks]
        found = repaired(matrix, (other, self.joint.directions[-1]), self.joint.wrong, arrays)
        if found is None:
            return None
        right, moved = found
        claim = replace(self.problem, matrix=right)
        rest = self.certified(claim)
        if rest is None:
            return None
        apart = abs(scipy.sparse.csc_array(entries(matrix) - entries(right)))
        count = apart.count_nonzero()
        most = np.ravel((apart @ scipy.sparse.diags_array(self.problem.scales)).max(axis=0).todense())
        others = np.flatnonzero(most)
        for column in np.sort(others[np.argsort(-most[others], kind="stable")[:SAMPLES]]):
            self.judge(int(column), apart[:, [column]].nonzero()[0])
        if not self.wrong_rows(matrix.shape[0]).any():
            return None
        block = self.names.blocks[0]
        if count <= (MOVED if moved else REPLACED):
            proved, rest = self._proved(right, rest, *(at.astype(np.intp) for at in apart.nonzero()))
            judged = latest(concatenate([proved, *self.judged]))
            if judged.coordinates.size >= count:
                return Evidence(judged, (rows_evidence(claim, self.names, rest, self.confidence),))
        # What is not proved of each is told by those that were judged.
        box = Box(tuple((int(at.min()), int(at.max()) + 1) for at in apart.nonzero()))
        regions = (Region(block, box, True, None if count == box.size else int(count)),)
        return Evidence(latest(concatenate(self.judged)), (ArrayEvidence(block, (), None),), regions)

    def _proved(self, right: Matrix, rest: Joint, rows: Index, columns: Index) -> tuple[Entries, Joint]:
        """Entries that a certificate of the right matrix proves wrong: their bars are what it bounds their error by.

        What the others are off by is added to the bounds of their rows.
        """
        lengths = self.test.along.scaling.lengths[columns]
        at, given = rows * right.shape[1] + columns, self.problem.matrix.entries(rows, columns)
        value = right.entries(rows, columns)
        error = rest.bound[rows] / (3.0 * lengths)
        found = as_told(value, error, np.full(rows.size, np.nan))
        judgement = decide(self.setting, found, given, at)
        clear = judgement.wrong & (np.abs(given - value) > 6.0 * error)
        left = np.where(clear, 0.0, (given - value) * lengths) ** 2
        bound = rest.bound + np.sqrt(np.bincount(rows, left, rest.bound.size))
        proved = table_rows(Entries(at, given, found, judgement), np.flatnonzero(clear))
        return proved, replace(rest, bound=bound)

    def certified(self, claim: Problem) -> Joint | None:
        """Fresh directions for another claim; None where they do not certify all rows of it.

        What the first direction told of f serves them; where that is too little for some row it is seen anew. Where
        errors within the tolerance explain what they find it is nothing.
        """
        for before in (self.test, None) if self.test.tells(self.test.along.scaling) else (None,):
            ask = partial(
                run_for_rows, count=self.joint.wrong.size, shares=self.shares, exact=self.test.exact
            )
            test, rest = ask(partial(self._fresh, claim, before))
            if rest.wrong.any() and tolerated(test, rest.directions[-1])[rest.wrong].all():
                _, rest = ask(partial(self._fresh, claim, before, tolerant=True))
            if rest.certified.all():
                return rest
            if rest.wrong.any():
                break
        return None

    def _fresh(
        self,
        claim: Problem,
        before: JointTest | None,
        fixed: Mask,
        share: float,
        exact: bool,
        tolerant: bool = False,
    ) -> JointTest:
        """A test of another claim, for all but some rows (m,); before : what told of f, where it serves."""
        test = JointTest(
            claim, self.test.along.scaling, self.rng, share, exact=exact, fixed=fixed, tolerant=tolerant, before=before
        )  # fmt: skip
        seen = None if before is None or tolerant or fixed.any() else self.seen_of_the_rest()
        if seen is not None:
            test.count(self.joint.directions[-1], *seen)
        return test

    def seen_of_the_rest(self) -> tuple[Values, Values] | None:
        """f's slope (m,) along the first direction, and its error as of `JointTest.count`; None where it cannot serve.

        It told which one of n columns to mend in some rows, whose entries there are known by themselves. Half of the
        chance is for the rows that were left as they are, half for n others.
        """
        if len(self.joint.directions) > 1 or len(self.judged) != 1:
            return None
        (seen,), (judged,) = self.joint.directions, self.judged
        rows, columns = self.setting.places(judged.coordinates)
        error, lengths = 2.0 * seen.error, np.abs(seen.tangent[columns])
        left = self.problem.matrix.product(seen.tangent)
        error[rows] = 2.0 * seen.tangent.size * (seen.error[rows] + judged.estimate.error * lengths)
        return left - seen.residual, error

    def located(self, alpha: Flat, scaled: Mask, begun: tuple[Index, Direction] | None) -> Evidence | None:
        """The rows that are off by a factor, and entries of others; None where that does not explain all.

        begun : as of `find_places`.
        """
        problem, joint = self.problem, self.joint
        unseen = scaled & False
        if scaled[joint.wrong].all():
            alpha, unseen = unseen_rows(joint.directions[-1], alpha, joint.wrong, problem.matrix)
        every = scaled.any() and self.sample(np.flatnonzero(scaled | unseen))
        scaled = scaled | (unseen & self.wrong_rows(scaled.size))
        if (np.abs(alpha[scaled]) > problem.tolerance.rtol).any() and not self.wrong_rows(scaled.size).any():
            scaled = scaled & False  # of a row that is off by a factor the largest entries are wrong
        rows = joint.wrong & ~scaled
        if rows.any():
            found = find_places(
                self.test, joint.directions[-1], rows, self.judge, between, self.rng, BUDGET, begun=begun
            )
            filled = found.dense and self._fill(found.wrong, np.flatnonzero(rows))
            left = found.unexplained if found.wrong else rows
            left = left & ~tolerated(self.test, joint.directions[-1])
            if (found.dense or found.spent or left.any()) and not filled:
                return None
        # Off by less than is accepted throughout: no row of these is wrong, and their certificates are of the rest.
        accepted = scaled & (np.abs(alpha) <= problem.tolerance.rtol) & ~self.wrong_rows(scaled.size)
        claim = replace(problem, matrix=mended(self.setting, problem.matrix, self.judged, alpha, scaled))
        rest = self.certified(claim)
        if rest is None:
            return None
        block, wrong = self.names.blocks[0], scaled & ~accepted
        # Rows of which all entries were judged are told entry by entry.
        told = self.wrong_rows(scaled.size) if every else np.zeros(scaled.size, bool)
        spans = runs(set(np.flatnonzero(wrong & ~told).tolist()))
        regions = [self._of_rows(block, span) for span in spans]
        regions += [
            Region(block, Box(((0, rows.size), (j, j + 1))), True, None if found == rows.size else found)
            for j, found in self.columns(rows.size)
        ]
        array = rows_evidence(claim, self.names, rest, self.confidence)
        if wrong.all():
            array = replace(array, certificate=None)
        elif accepted.any() and array.certificate is not None:
            name = f"{array.certificate.name} / its factor"
            array = replace(array, certificate=replace(array.certificate, name=name))
        judged = latest(concatenate([none_judged(problem.x.dtype), *self.judged]))
        return Evidence(judged, (array,), tuple(regions))

    def _fill(self, wrong: list[int], rows: Index) -> bool:
        """Judge the columns between those that are wrong, and those beside them until one is right; not of many."""
        known = {int(self.setting.places(part.coordinates)[1][0]) for part in self.judged}
        low, high = min(wrong), max(wrong)
        if high - low >= FILLED:
            return False
        for column in sorted(set(range(low, high + 1)) - known):
            self.judge(column, rows)
        for beside in (range(low - 1, -1, -1), range(high + 1, self.problem.x.size)):
            for column in beside:
                if high - low >= FILLED or not self.judge(column, rows).judgement.wrong.any():
                    break
                low, high = min(low, column), max(high, column)
        return high - low < FILLED

    def sample(self, rows: Index) -> bool:
        """A few columns of rows that are wrong throughout, so that the report has numbers.

        Those in which most of these rows are largest, for of a row that is nearly empty the others show nothing.
        Returns whether they hold all that is claimed of these rows.
        """
        n = self.problem.x.size
        among = np.arange(n)
        if isinstance(self.problem.matrix, Product):  # a product for each column
            among = np.sort(self.rng.choice(n, min(ASKED, n), replace=False))
        claimed = self._claimed(rows, among)
        columns = self.rng.permutation(np.flatnonzero(np.diff(claimed.indptr)))
        often = np.bincount(np.ravel(claimed.argmax(axis=1)), minlength=among.size)
        columns = columns[np.argsort(-often[columns], kind="stable")]
        every = columns.size <= 2 * SAMPLES and among.size == n
        for column in np.sort(columns if every else columns[:SAMPLES]):
            mine = slice(claimed.indptr[column], claimed.indptr[column + 1])
            self.judge(int(among[column]), rows[np.sort(claimed.indices[mine])])
        return every

    def _claimed(self, rows: Index, columns: Index) -> Any:
        """How far the entries in some rows (k,) and columns (l,) move f over one scale, CSC (k, l) without zeros."""
        matrix = self.problem.matrix
        if isinstance(matrix, Product):
            units = np.zeros((columns.size, matrix.shape[1]))
            units[np.arange(columns.size), columns] = 1.0
            array = np.stack([matrix.product(unit)[rows] for unit in units], axis=1)
            self.filled = float(np.mean(array != 0))
        else:
            array = entries(matrix)[rows]
        claimed = scipy.sparse.csc_array(abs(scipy.sparse.csc_array(array)) @ self._scaled(columns))
        claimed.eliminate_zeros()
        return claimed

    def _scaled(self, columns: Index) -> Any:
        return scipy.sparse.diags_array(self.problem.scales[columns])

    def _of_rows(self, block: Block, span: tuple[int, int]) -> Region:
        """Rows that are off by a factor, which 0 is not."""
        matrix, box = self.problem.matrix, Box((span, (0, self.problem.x.size)))
        if isinstance(matrix, Product):
            claimed = max(1, round(self.filled * box.size))
        else:
            claimed = int(entries(matrix)[slice(*span)].nonzero()[0].size)
        return Region(block, box, True, None if claimed == box.size else claimed)

    def wrong_rows(self, count: int) -> Mask:
        """(count,) the rows in which an entry that was judged is wrong."""
        found = np.zeros(count, bool)
        for evidence in self.judged:
            found[self.setting.places(evidence.wrong)[0]] = True
        return found

    def columns(self, count: int) -> list[tuple[int, int]]:
        """The columns that are wrong in most of `count` rows, where there are more than a few, and in how many."""
        most = max(SAMPLES, count // 2)
        many = [(e, int(e.judgement.wrong.sum())) for e in self.judged]
        return [(int(self.setting.places(e.coordinates)[1][0]), found) for e, found in many if found > most]

    def judge(self, column: int, rows: Index, off: Values | None = None) -> Entries:
        """The entries of a column in some rows; off : as of `judge_in_rows`. They are kept."""
        self.judged.append(self._judged(column, rows, off))
        return self.judged[-1]

    def _judged(self, column: int, rows: Index, off: Values | None = None) -> Entries:
        rows = rows.astype(np.intp)  # those of a sparse matrix are short
        given = self.problem.matrix.entries(rows, np.full(rows.size, column))
        at = rows * self.problem.x.size + column
        if self.setting.objective.remaining < DOUBTS * POINTS:
            return sweep(self.setting, given, at)
        return judge_in_rows(self.setting, given, at, off)
