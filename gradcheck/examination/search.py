"""What a joint direction finds wrong with a gradient, looked for: by its parts, then entry by entry."""

from __future__ import annotations

import math

import numpy as np

from gradcheck._typing import Flat
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import (
    explained_by_a_factor,
    fill_arrays,
    in_lines,
    lines_named,
    passes,
)
from gradcheck.examination.row_evidence import tolerated
from gradcheck.function.matrix import one_row
from gradcheck.joint.direction import Direction
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import Places, find_places
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.triangles import other_claims
from gradcheck.results.certificate import Region
from gradcheck.results.words import number

# A search ends that takes more than this part of what judging every entry does, or so many evaluations.
WORTHWHILE, MOST_SEARCHED = 3, 10_000
# Evaluations after which none is looked for any more that errors within the tolerance would hide.
SLIGHT = 60
# What is left where it ends is judged one by one, up to so many; and of what is dense, which a sample tells, or in
# noise, where an entry takes tens of evaluations.
LEFT, LEFT_IN_NOISE = 250, 20
# Of an array of which so many are wrong, of those that were looked through, so many in all tell how many are.
FEWEST, COUNTED = 4, 60
# Entries that are judged to see whether another claim of many is the right one.
TOLD = 2
# Entries of an array that another claim of all of it may take.
MOST_REPLACED = 2**20


def search(claim: Claim, test: JointTest, direction: Direction) -> bool:
    """Find what is wrong along a direction, which stays still from then on; whether another test may tell more."""
    if _explained_by_a_triangle(claim, test, direction) or explained_by_a_factor(claim, test, direction):
        return True
    budget = min(WORTHWHILE * claim.still.size, MOST_SEARCHED)
    # What independent errors within the tolerance explain accuses none of the entries, unless a few are found at once.
    accepted = bool(tolerated(test, direction).all())
    patience = SLIGHT if accepted and np.count_nonzero(~claim.still) > LEFT else math.inf
    # Two points a measurement; where they find nothing, four.
    for precise in (False, True):
        places = find_places(
            test, direction, np.ones(1, bool), claim.judge_column, claim.around, claim.rng, budget,
            precise=precise, patience=patience,
        )  # fmt: skip
        if places.wrong or places.right or places.spent or direction.exact:
            break
    # What does not move, as it is claimed to do nothing, is looked at by itself.
    left = np.flatnonzero(~claim.still & (direction.tangent != 0))
    clear = not test.unsettled.any()
    vain = accepted and not places.wrong and bool(places.unexplained.any())
    if (places.dense or places.spent or vain) and left.size <= (
        LEFT if places.spent and clear and not places.dense else LEFT_IN_NOISE
    ):
        wrong = claim.judge(left).wrong
        places = Places([*places.wrong, *wrong], [*places.right, *np.setdiff1d(left, wrong)])
    if places.dense:
        claim.unnamed = not fill_arrays(claim, test, direction, places.wrong)
        if claim.unnamed:
            _leave_the_rest(claim)
        return not claim.unnamed
    if places.spent and clear and _told_by_a_sample(claim, test, direction, places):
        return True
    if places.spent:
        _leave_the_rest(claim)
    if places.wrong:
        return not places.spent
    if accepted:
        # Right entries explain it where nothing is left that they do not.
        if places.right and not (places.spent or places.unexplained.any()):
            return True
        again, claim.tolerant = not claim.tolerant, True
        return again
    claim.disputed |= claim.leave_open(places.right)
    return bool(places.right) and not places.spent


def _explained_by_a_triangle(claim: Claim, test: JointTest, direction: Direction) -> bool:
    """A square array that is claimed by one triangle of what is symmetric: mended in the claim, if the rest is right.

    What it may have to be is tried along the direction at no evaluation, and then along a fresh one.
    """
    squares = [b for b in claim.problem.parameters.blocks if _square(b)]
    if not squares:
        return False
    claimed = one_row(claim.problem.matrix)
    shown, allowed = claimed @ direction.tangent - direction.residual[0], direction.allowed[0]
    # One of them, or all by the same mistake.
    for some in [[b] for b in squares] + ([squares] if len(squares) > 1 else []):
        for others in zip(*(other_claims(claimed[b.slice].reshape(b.shape)) for b in some), strict=False):
            right = claimed.copy()
            for block, (_, other) in zip(some, others, strict=True):
                right[block.slice] = other.ravel()
            if abs(right @ direction.tangent - shown) <= allowed and _taken_for(claim, test, right):
                return True
    return False


def _square(block: Block) -> bool:
    shape = block.shape
    return len(shape) == 2 and shape[0] == shape[1] and not block.is_complex and block.size <= MOST_REPLACED


def _taken_for(claim: Claim, test: JointTest, right: Flat) -> bool:
    """Whether another claim passes along a fresh direction, and the two entries that it changes most are wrong."""
    off = one_row(claim.problem.matrix) - right
    changed = np.flatnonzero((off != 0) & ~claim.still)
    few = changed[np.argsort(-np.abs(off[changed]), kind="stable")[:TOLD]]
    fresh, _ = passes(claim, test, right, few)
    if fresh is None or not claim.judge(few, off[np.sort(few)]).judgement.wrong.all():
        return False
    claim.problem, claim.begun = fresh.problem, fresh
    claim.replaced = np.union1d(claim.replaced, changed)
    return True


def _told_by_a_sample(claim: Claim, test: JointTest, direction: Direction, places: Places) -> bool:
    """Whether so many entries are wrong, here and there, that those which were looked through tell how many.

    With others of the same arrays, at random, as some tens are to tell that; small arrays are judged.
    """
    if not places.looked.size:
        return False
    for block in claim.problem.parameters.blocks:
        looked = places.looked[block.holds(places.looked)]
        bad = np.isin(looked, places.wrong)
        if not bad.any():
            continue
        left = block.start + np.flatnonzero(~claim.still[block.slice])
        if left.size <= COUNTED:
            claim.judge(left)
        elif np.count_nonzero(bad) < FEWEST:
            claim.regions.append(Region(block, whole_box(block), False))
        elif not (in_lines(block, looked[bad], looked[~bad]) and lines_named(claim, test, direction, block)):
            more = claim.rng.choice(np.setdiff1d(left, looked), max(COUNTED - looked.size, 0), replace=False)
            share = (np.count_nonzero(bad) + claim.judge(more).wrong.size) / (looked.size + more.size)
            # So many tell two digits.
            about = round(float(number(share * block.size, 2)))
            claim.regions.append(Region(block, whole_box(block), True, about))
        else:
            continue
        claim.still[block.slice] = True
    return True


def _leave_the_rest(claim: Claim) -> None:
    """Say of the arrays in which entries are wrong that something else may be."""
    for block in claim.problem.parameters.blocks:
        if claim.entries_wrong_in(block):
            claim.regions.append(Region(block, whole_box(block), False))
