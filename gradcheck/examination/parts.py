"""Parts of a gradient: what is wrong with one of them by one factor, or throughout, as a sample of it tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.examination.claim import Claim
from gradcheck.function.matrix import Dense, one_row
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.joint import JointTest
from gradcheck.joint.structured import Part, common_factor, grown, holds_all, striped, suspected_parts, zeros
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.problem import Problem, Scaling
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, few_lines, flat_indices, hull, whole_box, working_shape
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.table import rows

# Entries of a part with a common factor that the report has numbers of. A part of few is judged entry by entry, which
# directions know less of.
SAMPLES, FEW = 2, 6
# What directions know of entries that are off by so many bars tells a factor.
CLEARLY = 10.0
# A factor that is off by no more is asked for once more.
SLIGHT = 1e-3
# Entries of a part without a common factor that are sampled, those first that tell; of at least this part of its root
# mean square, where there are enough.
SAMPLED, TOLD, SIZEABLE = 6, 2, 1e-2
# So many that a sample leaves are judged, too, where some of it are right.
REST = 24
# Of what is claimed to be 0 a third may be: so many are by chance in one of 27 cases.
SOME = 3
# Several wrong entries that lie within such a part of an array tell the box that they fill; others may be all of it, or
# some rows or columns.
SEVERAL, SPREAD = 4, 0.25


def explained_by_a_factor(claim: Claim, test: JointTest, direction: Direction) -> bool:
    """Everything, an array, a row or a column by one factor: taken out of the claim, if the rest is right."""
    part, named = None, False
    for part, alpha in suspected_parts(test, direction, claim.rng):
        if part.single:
            return _wrong_of(claim, np.flatnonzero(part.inside)) > 0
        if _taken_out(claim, test, direction, part, alpha):
            named = True
        elif part.others:
            break  # what looks like a factor there may look so elsewhere
        if named and not part.others:
            return True
    if named:
        return True
    inside = direction.tangent != 0 if part is None else part.inside
    empty = zeros(test, direction, inside)
    if empty is not None:
        return _set_aside(claim, empty)
    # Of several arrays each has mistakes of its own.
    if part is None or len(part.boxes) > 1:
        return False
    # The ratio of a few entries names a line by chance; of one that is claimed to be 0 hardly.
    doubted = not part.whole and claim.analytic[part.inside].any()
    return not (doubted and not holds_all(test, direction, part.inside)) and _set_aside(claim, part)


def fill_arrays(claim: Claim, test: JointTest, direction: Direction, wrong: list[int]) -> bool:
    """Whether arrays that hold some of these wrong entries are named as wrong, or a part of each of them is."""
    named = False
    for block in claim.problem.parameters.blocks:
        mine = [k for k in wrong if block.start <= k < block.stop]
        if not mine:
            continue
        box, lines = hull(block, mine), few_lines(block, mine)
        # Lines side by side are one part.
        apart = box.size > sum(line.size for line in lines)
        several = len(mine) >= SEVERAL
        if apart and _each_named(claim, test, direction, [(block, line) for line in lines]):
            named = True
        elif several and box.size < SPREAD * block.size:
            named |= _named(claim, test, direction, grown(test, direction, block, box))
        elif _set_aside(claim, Part.of(claim.still.size, [(block, whole_box(block))]), dense=True):
            named = True
        elif several:
            named |= lines_named(claim, test, direction, block)
    return named


def lines_named(claim: Claim, test: JointTest, direction: Direction, block: Block) -> bool:
    """Whether rows, or columns, of an array are named as wrong where others hold nothing. Costs a residual a line."""
    found = striped(test, direction, block)
    if found is None:
        return False
    return _taken_out(claim, test, direction, *found) or _set_aside(claim, found[0])


def in_lines(block: Block, wrong: Index, right: Index) -> bool:
    """Whether no row, or no column, of an array holds both wrong and right ones of some entries, and several some."""
    shape = working_shape(block)
    sides = [np.unravel_index(at - block.start, shape) for at in (wrong, right)]
    for bad, good in zip(*sides, strict=True):
        if len(shape) > 1 and np.unique(bad).size < bad.size and not np.isin(bad, good).any():
            return True
    return False


def _named(claim: Claim, test: JointTest, direction: Direction, part: Part) -> bool:
    """Whether a part is off by one factor, or wrong throughout as far as a sample tells."""
    alpha = common_factor(test, direction, part.inside & (direction.tangent != 0), claim.rng)
    return _taken_out(claim, test, direction, part, alpha) or _set_aside(claim, part)


def _each_named(
    claim: Claim, test: JointTest, direction: Direction, parts: Sequence[tuple[Block, Box]]
) -> bool:
    """Whether some parts that hold all that is wrong are named, each by its own factor or throughout."""
    named = False
    for k, each in enumerate(parts):
        part = Part.of(claim.still.size, [each], [*parts[:k], *parts[k + 1 :]])
        along = test.again(np.where(part.inside, direction.tangent, 0.0), exact=direction.exact)
        named |= _named(claim, test, along, part)
    return named


def _set_aside(claim: Claim, part: Part, *, dense: bool = False) -> bool:
    """Whether something is wrong in a part; where most of a sample is, all of it is said to be, and stays still.

    Of a part that is claimed to be 0 three of six say so, or of twelve: what is 0 of the rest is right.
    """
    inside = np.flatnonzero(part.inside & ~claim.still)
    size = np.abs(claim.analytic[inside])
    sizeable = inside[size > SIZEABLE * root_mean_square(size)]
    missing = not size.any()
    # Where half of an array is wrong six of it are by chance in one of 64 cases, twelve in one of 4,096.
    count = 2 * SAMPLED if dense else SAMPLED
    candidates = sizeable if sizeable.size >= count else inside
    if candidates.size < count and (missing or dense):
        return _wrong_of(claim, inside) > 0  # all that is left of it
    # What is wrong with a whole array, and of no common factor, is most often a few entries.
    if candidates.size < count or (part.whole and not (missing or dense)):
        return False
    enough, most = (SOME, min(2 * count, candidates.size)) if missing else (count, count)
    sample, wrong, looked = claim.rng.choice(candidates, most, replace=False), 0, 0
    for stop, hopeful in ((SOME, 0), (count, 1), (most, 1)) if missing else ((TOLD, 0), (count, TOLD)):
        if wrong >= hopeful and (looked < count or wrong < enough):
            wrong, looked = wrong + _wrong_of(claim, sample[looked:stop]), stop
    if wrong < enough:
        return wrong > 0
    left = np.setdiff1d(inside, sample[:looked])
    if wrong < looked and left.size <= REST:
        _wrong_of(claim, left)
        return True
    # Where some of the sample are right so may others be; and what is claimed to be 0 is, unless some of it was wrong.
    zeros = missing or claim.zeros_are_wrong(part.inside)
    part_of_it, counted = wrong / looked, part.inside & ((claim.analytic != 0) | zeros)
    for block, box in part.boxes:
        held = round(part_of_it * np.count_nonzero(counted[flat_indices(block, box)]))
        claim.regions.append(Region(block, box, True, None if held == box.size else held))
    claim.still[inside] = True
    return True


def _wrong_of(claim: Claim, entries: Index) -> int:
    """How many of some entries are wrong; all of them are judged."""
    return int(claim.judge(entries).judgement.wrong.sum())


def missing(claim: Claim, silent: Mask) -> bool:
    """Whether arrays that are claimed to do nothing are seen to do something by a sample of theirs."""
    named = False
    for block in claim.problem.parameters.blocks:
        if silent[block.slice].any():
            named |= _set_aside(claim, Part.of(silent.size, [(block, whole_box(block))]))
    return named


def _taken_out(claim: Claim, test: JointTest, direction: Direction, part: Part, alpha: float | None) -> bool:
    """Whether the claim with this part divided by its factor passes along a fresh direction; then it is the claim.

    direction : the one that tells alpha, or that there is none. The entries of a part of few are judged by themselves;
    so are some of a larger one where the budget may end before directions bear the factor out. Where they are right
    after all the factor is within the tolerance, and nothing is wrong there.
    """
    if alpha is None or alpha == 1.0:
        return False  # f does not move at all: that is no factor of a claim
    inside = np.flatnonzero(part.inside & ~claim.still)
    if inside.size < sum(box.size for _, box in part.boxes):
        # Others were judged before; and no factor changes what is 0.
        inside = inside[claim.analytic[inside] != 0]
    few = inside if inside.size <= FEW else inside[:0]
    if claim.problem.objective.remaining < 2 * len(EIGHT) * test.most + POINTS * SAMPLES and not few.size:
        few = _largest(claim, inside)
    fresh, left = _divided(claim, test, part, alpha, few)
    if fresh is None and abs(left) < SLIGHT:
        # A residual that was small by accident knows its factor less well than another.
        alpha = 1.0 - (1.0 - alpha) * (1.0 - left)
        fresh, _ = _divided(claim, test, part, alpha, few)
    if fresh is None:
        return False
    if few.size:
        off = claim.analytic[few] - one_row(fresh.problem.matrix)[few]
        judgement = claim.judge(few, off).judgement
        wrong = int(judgement.wrong.sum())
        if wrong and (judgement.verified.any() or 2 * wrong < few.size):
            return False  # noise hides what tells a factor from a few entries
    claim.problem, claim.begun = fresh.problem, None if part.others else fresh
    along = abs(_along(fresh.problem, part, direction))
    bar = 3.0 * float(direction.error[0]) / along if along else math.inf
    before, found = _by_both(claim, part, alpha, bar)
    if few.size == inside.size:  # what is left of a part of which others were judged before is no part
        found = [r for r in found if np.isin(flat_indices(r.block, r.box), few).all()]
    if wrong if few.size else any(region.size for region in found):
        claim.regions = before + [region for region in found if region.size]
    else:
        claim.regions = before
        claim.factors |= {region.block.name: region.factor for region in found if region.factor is not None}
    return True


def _by_both(claim: Claim, part: Part, alpha: float, bar: float) -> tuple[list[Region], list[Region]]:
    """The regions that were found before, but for what a part that is divided now holds of them, and those of the part.

    What both hold is off by both factors, which may be none. No entry is in two regions of a factor.
    """
    before, found = list(claim.regions), list[Region]()
    for block, box in part.boxes:
        rest, kept = [box], list[Region]()
        for region in before:
            if region.factor is None or region.block is not block:
                kept.append(region)
                continue
            kept += [replace(region, box=b, stored=_stored(claim, block, b)) for b in region.box.without(box)]
            if shared := box.within(region.box):
                both = _filled(claim, block, shared, alpha, bar + region.factor_bar)
                # What one factor takes the other may give back.
                found += [both] if abs((both.factor or 1.0) - 1.0) > both.factor_bar else []
            rest = [b for each in rest for b in each.without(region.box)]
        before = kept
        found += [_filled(claim, block, b, alpha, bar) for b in rest]
    return before, found


def _beyond(claim: Claim, inside: Index) -> Mask:
    """(k,) of which of some entries factors take more than the tolerance lets pass."""
    given, right = claim.analytic[inside], one_row(claim.problem.matrix)[inside]
    tolerance = claim.problem.tolerance
    allowed = tolerance.rtol * np.maximum(np.abs(given), np.abs(right)) + tolerance.atol
    return np.asarray(np.abs(given - right) > allowed)


def _along(problem: Problem, part: Part, direction: Direction) -> float:
    """What a part is claimed to do along a direction."""
    return float(problem.matrix.product(np.where(part.inside, direction.tangent, 0.0))[0])


def _divided(
    claim: Claim, test: JointTest, part: Part, alpha: float, samples: Index
) -> tuple[JointTest | None, float]:
    """A test of the claim without a part alpha of some entries, if its first direction passes; else what is too much.

    samples : entries that stay still, as they are to be judged by themselves. So do arrays with other mistakes.
    """
    # Of the claim as it holds now: another part may have been divided before.
    claimed = one_row(claim.problem.matrix)
    corrected = np.where(part.inside, claimed * (1.0 - alpha), claimed)
    others = [flat_indices(block, box) for block, box in part.others]
    fresh, direction = passes(claim, test, corrected, np.concatenate([samples, *others]))
    if fresh is not None or direction is None:
        return fresh, math.inf if fresh is None else 0.0
    along = _along(replace(claim.problem, matrix=Dense(corrected[None, :])), part, direction)
    return None, float(direction.residual[0]) / along if along else math.inf


def passes(
    claim: Claim, test: JointTest, right: Flat, still: Index
) -> tuple[JointTest | None, Direction | None]:
    """A test of another claim, if its first direction passes, and that direction; still : entries that it leaves."""
    problem = replace(claim.problem, matrix=Dense(right[None, :]))
    if problem.objective.remaining < 2 * len(EIGHT):
        return None, None
    held = claim.still.copy()
    held[still] = True
    fresh = claim.test_of(problem, held, test)
    direction = fresh.begin()
    return (None if direction is None or direction.exceeds.any() else fresh), direction


def _filled(claim: Claim, block: Block, box: Box, alpha: float, bar: float) -> Region:
    """A part that is off by a factor, which 0 is not, nor what was found to be right; bar : what it is known to.

    alpha : what was divided last; the factor is that of all that was.
    """
    inside = flat_indices(block, box)
    factor, largest = 1.0 / (1.0 - alpha), _largest(claim, inside, 1)
    if claim.analytic[largest].any():
        factor = float((claim.analytic[largest] / one_row(claim.problem.matrix)[largest]).item())
    return Region(block, box, True, _stored(claim, block, box), factor, factor_bar=bar)


def _stored(claim: Claim, block: Block, box: Box) -> int | None:
    """How many entries of a part are wrong by the factors that it was divided by; None where all are."""
    inside = flat_indices(block, box)
    wrong = int(np.count_nonzero(_beyond(claim, inside) & ~claim.found_right(inside)))
    return None if wrong == box.size else wrong


def give_numbers(claim: Claim, joint: Joint, scaling: Scaling) -> None:
    """The largest entries of what is off by a factor, so that the report has numbers: as directions tell them.

    These bear out the claim without the factor, and so each of its entries, to what they bound the error of all by.
    joint, scaling : the last directions, and how far they move each entry. Where they bound nothing, or hardly less
    than what the factor takes, entries of each part are judged by themselves; where none is wrong, it is no part.
    """
    if claim.replaced.size:
        _replaced(claim, joint, scaling.lengths)
    parts: dict[float, list[Region]] = {}
    for region in claim.regions:
        if region.factor is not None:
            parts.setdefault(region.factor, []).append(region)
    for factor, regions in parts.items():
        wrong = np.concatenate([np.empty(0, np.intp), *(part.wrong for part in claim.judged)])
        inside = np.concatenate([flat_indices(region.block, region.box) for region in regions])
        largest = _largest(claim, inside)
        told = claim.told(largest, claim.analytic[largest] / factor, joint, scaling.lengths)
        if told is None:
            without = [r for r in regions if not np.isin(flat_indices(r.block, r.box), wrong).any()]
            _sampled(claim, without, factor)
        elif not np.isin(inside, wrong).any():
            if _clearly_off(told):
                claim.judged.append(told)
            else:
                _sampled(claim, regions, factor)


def _replaced(claim: Claim, joint: Joint, lengths: Flat) -> None:
    """Each entry that is to be another one, where directions prove that but for a few, or a part that holds them."""
    at = np.setdiff1d(claim.replaced, np.flatnonzero(claim.still))
    at = at[_beyond(claim, at)]
    told = claim.told(at, one_row(claim.problem.matrix)[at], joint, lengths)
    left = at if told is None else at[~told.judgement.wrong]
    if told is not None and left.size <= FEW:
        claim.judged.append(rows(told, np.flatnonzero(told.judgement.wrong)))
        claim.judge(left)
        return
    for block in claim.problem.parameters.blocks:
        count = int(block.holds(claim.replaced).sum())
        if count:
            claim.regions.append(Region(block, whole_box(block), True, count))


def _sampled(claim: Claim, regions: list[Region], factor: float) -> None:
    """Judge the largest entries of parts by one factor by themselves, and leave out those in which none is wrong."""
    if not regions:
        return
    each = SAMPLES if len(regions) == 1 else 1
    inside = [flat_indices(region.block, region.box) for region in regions]
    largest = np.sort(np.concatenate([_largest(claim, part, each) for part in inside]))
    wrong = claim.judge(largest, claim.analytic[largest] * (1.0 - 1.0 / factor)).wrong
    left_out = [
        region for region, part in zip(regions, inside, strict=True) if not np.isin(part, wrong).any()
    ]
    claim.regions = [region for region in claim.regions if not any(region is other for other in left_out)]
    if not wrong.size:
        claim.factors |= {region.block.name: factor for region in regions}


def _largest(claim: Claim, inside: Index, count: int = SAMPLES) -> Index:
    """Those of some entries of which most is claimed, in order."""
    return np.sort(inside[np.argsort(-np.abs(claim.analytic[inside]), kind="stable")[:count]])


def _clearly_off(told: Entries) -> bool:
    """Whether entries are off by so many bars that these tell what by."""
    apart = np.abs(told.analytic - told.estimate.value)
    return bool((told.judgement.wrong & (apart >= CLEARLY * 3.0 * told.estimate.error)).all())
