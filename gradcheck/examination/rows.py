"""Joint directions for a Jacobian: all rows from the same points, and the columns in which some are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import scipy.sparse

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.examination.inwards import certified_inwards, one_sided, searched, shared_with
from gradcheck.examination.row_evidence import (
    SAMPLES,
    SHARING,
    absent_rows,
    between,
    claimed_in_rows,
    explained,
    fill,
    largest_columns,
    measured_by_rows,
    mended,
    of_column,
    proved_wrong,
    rows_evidence,
    run_for_rows,
    scaled_rows,
    spans,
    stand_out,
    told_by_groups,
    tolerated,
)
from gradcheck.examination.search import LEFT, SLIGHT
from gradcheck.examination.silent import BUDGET, missing_columns, moved_alone, silent_entries, stays
from gradcheck.examination.zeros import zeros_along_directions
from gradcheck.function.matrix import Matrix, by_entries
from gradcheck.joint.alone import judge_in_rows
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places, in_random_order
from gradcheck.joint.repairs import entries, repaired
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.numerics.steps import POINTS
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box
from gradcheck.results.certificate import ArrayEvidence, Region, shares_of
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

# Where more than so many rows are wrong they may have something in common.
LONE = 2
# Entries that stand elsewhere, or are to be replaced, are told one by one up to so many.
REPLACED = 20_000


def examine_rows(
    problem: Problem,
    setting_of: Callable[[Direction], Problem],
    probed: Callable[[], Problem | None],
    *,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Problem | None, Evidence | None]:
    """Certify all rows of a Jacobian by joint directions, or name the entries that are wrong in a few of them.

    setting_of : what is known for other ways from what the first direction shows of f's noise. probed : the same from a
    probe of the noise near x. Returns the one that was asked for before entries were accused, and the evidence; None
    where joint directions do not settle it.
    """
    if problem.f_x.size == 0:
        return None, None
    still, shares = np.zeros(problem.x.size, bool), shares_of(1.0 - confidence)
    block = problem.named.blocks[0]
    scaling = scaling_of(problem, still)
    silent = silent_entries(problem, scaling, still)
    inwards = one_sided(problem)
    problem = shared_with(inwards, problem)
    if ((scaling.lengths == 0) & ~silent & (inwards == 0) & problem.free).any():
        return None, None  # a column that has no room
    if scaling.nothing.all() and not (scaling.lengths.any() or inwards.any()):
        return None, zeros_along_directions(problem, block, scaling, silent, next(shares), confidence, rng)
    test, joint = run_for_rows(problem, scaling, rng, shares)
    if inwards.any() and not scaling.lengths.any():
        # Where no coordinate moves to both sides what does is right in every row.
        joint = replace(joint, certified=~joint.wrong, bound=np.zeros(joint.wrong.size))
    count = np.count_nonzero(joint.wrong)
    held = bool((problem.narrow & ~silent).any())  # columns that directions leave where they are
    slight = not (count or inwards.any()) and stand_out(joint) and explained(test, joint, ~joint.certified)
    if not (count or joint.certified.all() or slight) or (count and held):
        return None, None
    nothing = bool(count and scaling.nothing.all())  # is claimed to move f, and something does
    share = next(shares) if silent.any() else 0.0
    alone = None if nothing else moved_alone(problem, scaling, silent, rng, share)
    stay = not nothing and stays(alone)
    rows = _Rows(problem, block, setting_of, probed, test, joint, confidence, shares, rng)
    if slight:
        return None, rows.divided() if stay else None
    if stay and not count:
        return None, rows.certificate(inwards)
    forgotten = nothing or bool(alone is not None and alone[1].wrong.any())
    setting = None if held or not (forgotten or stay) else rows.known(joint.wrong)
    if setting is None:
        return None, None
    # Rows and what is left of them are told by their entries.
    rows.problem = replace(problem, matrix=by_entries(problem.matrix))
    rows.setting = measured_by_rows(replace(setting, matrix=rows.problem.matrix))
    if not forgotten:
        return setting, rows.run()
    return setting, rows.beside(scaling.lengths > 0 if nothing else silent, nothing)


@dataclass
class _Rows:
    """The examination of a matrix by its rows: what is wrong in those in which a joint test found something.

    shares : of the chance to be wrong, for each test that comes. judged : entries judged one by one so far.
    left : what directions showed last that take errors within the tolerance for nothing.
    """

    problem: Problem
    block: Block
    setting_of: Callable[[Direction], Problem]
    probed: Callable[[], Problem | None]
    test: JointTest
    joint: Joint
    confidence: float
    shares: Iterator[float]
    rng: np.random.Generator
    setting: Problem = field(init=False)
    judged: list[Entries] = field(default_factory=list)
    left: Joint | None = None

    def known(self, rows: Mask) -> Problem | None:
        """What measuring entries takes, by the first direction, where that tells the noise of some rows, or a probe."""
        first = self.test.first
        return self.setting_of(first) if first and self.test.tells_noise(rows) else self.probed()

    def certificate(self, inwards: Flat) -> Evidence | None:
        """That of all rows, and of columns (n,) that may move to one side alone; None where these have none."""
        array, problem = self.evidence(self.joint), self.problem
        if inwards.any():
            setting = self.known(~self.joint.wrong)
            if setting is None:
                return None
            self.setting = measured_by_rows(setting)
            found = certified_inwards(
                self.setting, inwards, self.rng, self.shares,
                lambda: (replace(problem, matrix=mended(problem, self.judged)), bool(self.wrong_rows.any())),
                self.judge, searched(inwards, self.joint.wrong.size),
            )  # fmt: skip
            if found is None:
                return None
            array = array.beside(self.evidence(found))
        return self.found(array)

    def run(self) -> Evidence | None:
        """What is wrong, and a certificate of the rest; None where it is not found."""
        joint, matrix = self.joint, self.problem.matrix
        direction, count, begun = joint.directions[-1], int(joint.wrong.sum()), None
        if count <= LONE:
            # What the search for entries begins with tells a factor as well.
            begun = in_random_order(self.test, direction, self.rng)
            other = begun[1]
        else:
            other = self.test.again(self.even(), exact=direction.exact, precise=count >= SHARING)
        alpha, scaled = scaled_rows(direction, other, joint.wrong, matrix)
        told, every = stand_out(joint), scaled[joint.wrong].all()
        found = None if every else self.repaired(other)
        if every and told:  # beside noise a sample tells more
            found = self.divided(other)
        if found is None and count > LONE and told_by_groups(self.setting, count, matrix):
            return None
        if found is None and told and not scaled.any() and explained(self.test, joint, joint.wrong):
            found = self.within(begun)
        return found or self.located(alpha, scaled, begun)

    def within(self, begun: tuple[Index, Direction] | None) -> Evidence | None:
        """That of all rows where errors within the tolerance explain what directions show, or each of few columns."""
        wrong, ask = self.joint.wrong, (self.judge, between, self.rng)
        find_places(self.test, self.joint.directions[-1], wrong, *ask, BUDGET, begun=begun, patience=SLIGHT)
        rest = self.certified(mended(self.problem, self.judged))
        if rest is not None:
            return self.found(self.evidence(rest))
        columns = np.flatnonzero(self.problem.free)
        if columns.size > LEFT or not self.setting.objective.affords(2 * POINTS * columns.size):
            return self.bounded()
        self.judged = []
        for column in columns.tolist():
            self.judge(column, np.arange(wrong.size))
        return self.found(ArrayEvidence(self.block))

    def bounded(self) -> Evidence | None:
        """What directions bound that errors within the tolerance keep from certifying; None where they do not."""
        if self.left is None or self.left.wrong.any() or not np.isfinite(self.left.bound).all():
            return None
        every = replace(self.left, certified=~self.left.wrong)
        return self.found(replace(self.evidence(every), limit=Limit.ACCEPTED))

    def even(self) -> Flat:
        """A tangent along which each column moves as far as any."""
        return self.rng.choice([-1.0, 1.0], self.problem.x.size) * self.test.along.scaling.lengths

    def divided(self, other: Direction | None = None) -> Evidence | None:
        """That of all rows, where those that nothing certifies are off by a factor within the tolerance; else None.

        other : another direction than the last one.
        """
        direction = self.joint.directions[-1]
        other = other or self.test.again(self.even(), exact=direction.exact, precise=True)
        alpha, slight = scaled_rows(direction, other, ~self.joint.certified, self.problem.matrix)
        slight &= np.abs(alpha) <= self.problem.tolerance.rtol
        if not slight.any() or (self.joint.wrong & ~slight).any():
            return None
        rest = self.certified(mended(self.problem, (), np.where(slight, alpha, 0.0)))
        return None if rest is None else self.found(self.evidence(rest, "its factor"))

    def beside(self, silent: Mask, nothing: bool) -> Evidence | None:
        """The same, and what is wrong in columns (n,) that are claimed to do nothing; nothing : as all of them are."""
        missing, every = missing_columns(
            self.problem, self.test.along.scaling, silent, self._judged, self.block, self.rng, next(self.shares)
        )  # fmt: skip
        if not missing.entries.wrong.size:
            return None
        if self.joint.wrong.any() and not nothing:
            found = self.run()
        else:
            found = self.found(ArrayEvidence(self.block) if nothing else self.evidence(self.joint))
        if found is None:
            return None
        # A certificate of the others holds where nothing is left of these.
        arrays = found.arrays if every else tuple(replace(a, certificate=None) for a in found.arrays)
        judged = latest(found.entries, missing.entries)
        return Evidence(judged, arrays, found.regions + missing.regions)

    def repaired(self, other: Direction) -> Evidence | None:
        """Where every row is right once the entries stand elsewhere, or on the diagonal are others."""
        matrix = self.problem.matrix
        arrays = [block.slice for block in self.problem.parameters.blocks]
        right = repaired(matrix, (other, self.joint.directions[-1]), self.joint.wrong, arrays)
        rest = None if right is None else self.certified(right)
        if right is None or rest is None:
            return None
        apart = abs(scipy.sparse.csc_array(entries(matrix) - entries(right)))
        count = apart.count_nonzero()
        most = np.ravel((apart @ scipy.sparse.diags_array(self.problem.scales)).max(axis=0).todense())
        others = np.flatnonzero(most)
        for column in np.sort(others[np.argsort(-most[others], kind="stable")[:SAMPLES]]):
            self.judge(int(column), apart[:, [column]].nonzero()[0])
        if not self.wrong_rows.any():
            return None
        if count <= REPLACED:
            rows, columns = (at.astype(np.intp) for at in apart.nonzero())
            lengths = self.test.along.scaling.lengths
            proved, rest = proved_wrong(self.setting, matrix, right, rest, lengths, rows, columns)
            judged = latest(proved, *self.judged)
            if judged.coordinates.size >= count:
                return Evidence(judged, (self.evidence(rest),))
        # What is not proved of each is told by those that were judged.
        box = Box(tuple((int(at.min()), int(at.max()) + 1) for at in apart.nonzero()))
        region = Region(self.block, box, True, None if count == box.size else int(count))
        return self.found(ArrayEvidence(self.block), [region])

    def certified(self, claim: Matrix, beside: Mask | None = None) -> Joint | None:
        """Fresh directions for another matrix; None where they do not certify all rows of it, but for some (m,).

        What the first direction told of f serves them; where that is too little for some row it is seen anew. Where
        errors within the tolerance explain what they find it is nothing.
        """
        beside = self.joint.wrong & False if beside is None else beside
        for before in (self.test, None) if self.test.tells(self.test.along.scaling) else (None,):
            test, rest = self._fresh(claim, before, beside)
            if rest.wrong.any() and explained(test, rest, rest.wrong):
                _, rest = self._fresh(claim, before, beside, tolerant=True)
                self.left = rest
            if (rest.certified | beside).all():
                return rest
            if rest.wrong.any():
                break
        return None

    def _fresh(
        self, claim: Matrix, before: JointTest | None, beside: Mask, *, tolerant: bool = False
    ) -> tuple[JointTest, Joint]:
        """Directions for another matrix, and their test; before : what told of f, where it serves."""
        return run_for_rows(
            replace(self.problem, matrix=claim), self.test.along.scaling, self.rng, self.shares,
            exact=self.test.exact, fixed=beside, tolerant=tolerant, before=before,
        )  # fmt: skip

    def located(self, alpha: Flat, scaled: Mask, begun: tuple[Index, Direction] | None) -> Evidence | None:
        """The rows that are off by a factor, and entries of others; None where that does not explain all.

        begun : as of `find_places`.
        """
        problem, joint = self.problem, self.joint
        every, filled = self.sample(np.flatnonzero(scaled)) if scaled.any() else (False, 1.0)
        if (np.abs(alpha[scaled]) > problem.tolerance.rtol).any() and not self.wrong_rows.any():
            scaled = scaled & False  # of a row that is off by a factor the largest entries are wrong
        rows = joint.wrong & ~scaled
        empty = rows & (joint.directions[-1].weight == 0)
        absent = absent_rows(self.setting, self.judge, empty, self.test.along.scaling.lengths, self.rng)
        rows = rows & ~absent
        if rows.any():
            found = find_places(
                self.test, joint.directions[-1], rows, self.judge, between, self.rng, BUDGET, begun=begun
            )
            looked_at = found.dense and fill(found, np.flatnonzero(rows), self.judge, problem.x.size)
            left = found.unexplained if found.wrong else rows
            left = left & ~tolerated(self.test, joint.directions[-1])
            if (found.dense or found.spent or left.any()) and not looked_at:
                return None
        # Off by less than is accepted throughout: no row of these is wrong, and their certificates are of the rest.
        accepted = scaled & (np.abs(alpha) <= problem.tolerance.rtol) & ~self.wrong_rows
        less = np.where(scaled, alpha, 0.0)
        rest = self.certified(mended(problem, self.judged, less), absent)
        if rest is None:
            return None
        wrong = scaled & ~accepted
        # Rows of which all entries were judged are told entry by entry.
        told = spans(wrong & ~self.wrong_rows if every else wrong)
        regions = [claimed_in_rows(self.block, problem.matrix, span, filled) for span in told]
        regions += [Region(self.block, Box((span, (0, problem.x.size))), True) for span in spans(absent)]
        array = self.evidence(rest, "its factor" if accepted.any() else "")
        if (wrong | absent).all():
            array = replace(array, certificate=None)
        return self.found(array, regions)

    def sample(self, rows: Index) -> tuple[bool, float]:
        """A few columns of rows that are wrong throughout, so that the report has numbers; see `largest_columns`."""
        columns, every, filled = largest_columns(self.problem, rows, self.rng)
        for column, inside in columns.items():
            self.judge(column, inside)
        return every, filled

    def found(self, array: ArrayEvidence, regions: Sequence[Region] = ()) -> Evidence:
        """What was judged so far, and what directions say of the rest."""
        judged = latest(none_judged(self.problem.x.dtype), *self.judged)
        return Evidence(judged, (array,), tuple(regions))

    def evidence(self, joint: Joint, divided_by: str = "") -> ArrayEvidence:
        """What directions certify of a claim; divided_by : as of `rows_evidence`."""
        return rows_evidence(self.problem, self.block, joint, self.confidence, divided_by)

    @property
    def wrong_rows(self) -> Mask:
        """(m,) the rows in which an entry that was judged is wrong."""
        wrong = np.concatenate([np.empty(0, np.intp), *(each.wrong for each in self.judged)])
        return np.isin(np.arange(self.joint.wrong.size), self.problem.places(wrong)[0])

    def judge(self, column: int, rows: Index, off: Values | None = None) -> Entries:
        """The entries of a column in some rows; off : as of `judge_in_rows`. They are kept, and not judged again."""
        at = rows.astype(np.intp) * self.problem.x.size + column
        for known in self.judged:
            if np.array_equal(known.coordinates, at):
                return known
        self.judged.append(self._judged(column, rows, off))
        return self.judged[-1]

    def _judged(self, column: int, rows: Index, off: Values | None = None) -> Entries:
        return of_column(self.setting, partial(judge_in_rows, off=off), column, rows)
