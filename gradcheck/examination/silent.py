"""Arrays of x that are claimed to do nothing: moved by themselves, for the others round by more than they may show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csc_array

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.examination.row_evidence import FILLED, between
from gradcheck.function.matrix import Dense, Sparse, one_row
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import find_places
from gradcheck.numerics.problem import Problem, Scaling, of_typical_size
from gradcheck.numerics.tangents import scaled_rms
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box
from gradcheck.parameters.quantiles import median
from gradcheck.results.certificate import LEAST, Region
from gradcheck.results.entries import Entries, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.table import concatenate
from gradcheck.results.table import rows as some_rows

# Columns of an array that are looked at first, and of a large one after that; so many that are wrong say that all of
# it is. One of up to `FILLED` columns is looked at column by column.
SOME, SAMPLED = 3, 12
# Arrays that are so much smaller than the others are moved by the scale of these, too.
SMALL = 0.1
# The longest step in noise, in units of the scales.
FARTHEST = 0.25
# Evaluations after which a search for columns of a matrix ends, and other ways name what is wrong.
BUDGET = 1500


def silent_entries(problem: Problem, scaling: Scaling, still: Mask) -> Mask:
    """(n,) the coordinates of arrays that are claimed to do nothing, where directions leave these as they are.

    Those that have no room for directions are none of them.
    """
    found = np.zeros(still.size, bool)
    for block, nothing in zip(problem.parameters.blocks, scaling.nothing, strict=True):
        if nothing:
            found[block.slice] = ~still[block.slice] & (scaling.lengths[block.slice] == 0)
    return found if problem.room is None else found & ~problem.narrow


def moved_alone(
    problem: Problem, scaling: Scaling, silent: Mask, rng: np.random.Generator, delta: float
) -> tuple[JointTest, Joint] | None:
    """Directions that move these coordinates (n,) alone, each by its own scale; None where there are none.

    Certified where f shows no slope, wrong where an output has one for certain: what noise hides is neither. Where they
    tell nothing, and that scale is small beside those of the others, by theirs: a bias before a normalisation is 1e-18
    after some steps of descent, and its size says nothing of how f changes.
    """
    if not silent.any():
        return None
    own = problem.scales
    others = own[scaling.lengths > 0]
    usual = median(others) if others.size else 0.0
    lengths = [own] if own[silent].min() >= SMALL * usual else [own, np.maximum(own, usual)]
    for each in lengths:
        alone = _moved_by(problem, scaling, np.where(silent, each, 0.0), rng, delta / len(lengths))
        if alone[1].certified.all() or alone[1].wrong.any():
            break
    return alone


def stays(alone: tuple[JointTest, Joint] | None) -> bool:
    """Whether f shows no slope along what was moved alone."""
    return alone is None or bool(alone[1].certified.all())


def _moved_by(
    problem: Problem, scaling: Scaling, lengths: Flat, rng: np.random.Generator, delta: float
) -> tuple[JointTest, Joint]:
    """The same, moved by these lengths (n,).

    A mistake there is relative to its row: what the directions would miss of it is no more than is accepted. Where the
    claim is 0 throughout it is relative to what f's slope becomes a scale away, as the directions tell.
    """
    # Of products alone one row is known entry by entry, and several are not: nothing is claimed of a part of x.
    known = problem.matrix if problem.matrix.shape[0] > 1 else Dense(one_row(problem.matrix)[None, :])
    rows = scaled_rms(known, np.ones(lengths.size))
    # The claim is 0: what it is beside that, a rounding of 1e-18 for one, is less than the others' tolerance.
    nothing = csc_array(problem.matrix.shape, dtype=np.float64)
    silent = replace(problem, matrix=Sparse(nothing, nothing))
    test = JointTest(silent, replace(scaling, lengths=lengths), rng, delta, exact=False)
    if rows is None:
        return test, test.nothing()
    joint = test.run()
    if not (joint.certified.all() and rows.any()):
        return test, joint
    accepted = problem.tolerance.rtol * of_typical_size(rows) + problem.tolerance.atol
    claimed = known.norms((lengths > 0).astype(float))
    if claimed is None or (claimed > accepted).any():
        return test, replace(joint, certified=joint.certified & False)
    told, missed = joint.directions, _missed(joint.directions, lengths)
    hidden = (missed > accepted).any() and (missed * told[-1].step / FARTHEST <= accepted).all()
    if hidden or any((d.off > 0).any() for d in told):
        # Noise hides less along a longer step, which nothing bends where f stays. What moves by less than its bars may
        # be more than rounding there.
        longest = test.along.first(FARTHEST)
        told = told if longest is None else (*told, longest)
    within = all((d.off <= 3.0 * d.error).all() for d in told)
    stay = within and (_missed(told, lengths) <= accepted).all()
    return test, replace(joint, certified=joint.certified & stay)


def _missed(directions: Sequence[Direction], lengths: Flat) -> Values:
    """(m,) the slope of an entry that the most precise of some directions would miss."""
    bars = 3.0 * np.array([d.error for d in directions])
    return np.asarray(bars.min(axis=0) / (LEAST * lengths[lengths > 0].min()))


def missing_columns(
    problem: Problem,
    scaling: Scaling,
    silent: Mask,
    judge: Callable[[int, Index], Entries],
    block: Block,
    rng: np.random.Generator,
    delta: float,
) -> tuple[Evidence, bool]:
    """The columns that are wrong in arrays that are claimed to do nothing, where f does not stay.

    Where some of a few are the others of a small array are looked at, or more of a large one, which tell of all of it.
    What none of these show is searched for. judge : looks at the entries of a column in some rows. block : the matrix.
    Returns whether f stays along all that were not looked at, too.
    """
    left, judged, regions = silent.copy(), [none_judged(problem.x.dtype)], list[Region]()
    every = np.arange(problem.f_x.size)
    for array in problem.parameters.blocks:
        columns = rng.permutation(array.start + np.flatnonzero(silent[array.slice]))
        looked, region = _sample(array, columns, lambda column: judge(column, every), block)
        judged += looked
        regions += [] if region is None else [region]
        left[columns[: len(looked)] if region is None else columns] = False
    alone = moved_alone(problem, scaling, left, rng, delta)
    if alone is not None and alone[1].wrong.any():
        test, joint = alone

        def look_at(column: int, rows: Index, _: Values | None) -> Entries:
            judged.append(judge(column, every))
            left[column] = False
            return some_rows(judged[-1], rows)

        find_places(test, joint.directions[-1], joint.wrong, look_at, between, rng, BUDGET)
        alone = moved_alone(problem, scaling, left, rng, delta)
    return Evidence(concatenate(judged), (), tuple(regions)), stays(alone)


def _sample(
    array: Block, columns: Index, judge: Callable[[int], Entries], block: Block
) -> tuple[list[Entries], Region | None]:
    """Some columns (k,) of an array, in this order, and what they tell of all of it."""
    judged = list[Entries]()
    most = columns.size if columns.size <= FILLED else SAMPLED
    for column in columns[:most].tolist():
        if len(judged) == SOME and not any(part.wrong.size for part in judged):
            return judged, None
        judged.append(judge(column))
    wrong = [part.wrong.size for part in judged]
    if np.count_nonzero(wrong) < SOME or most == columns.size:
        return judged, None
    box = Box(((0, block.shape[0]), (array.start, array.stop)))
    held = round(sum(wrong) / (most * block.shape[0]) * box.size)
    # What is 0 of these columns is none of the entries that they tell of.
    told = [some_rows(part, np.flatnonzero(part.judgement.wrong)) for part in judged]
    return told, Region(block, box, True, None if held == box.size else held)
