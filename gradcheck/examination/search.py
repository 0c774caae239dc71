"""What a joint direction finds wrong with a gradient, looked for: by its parts, then entry by entry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Index, Values
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import explained_by_a_factor, fill_arrays, in_lines, lines_named
from gradcheck.examination.row_evidence import tolerated
from gradcheck.joint.direction import Direction
from gradcheck.joint.joint import JointTest
from gradcheck.joint.places import Places, find_places
from gradcheck.parameters.boxes import whole_box
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
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


@dataclass(frozen=True)
class Found:
    """What came of a search.

    explains : whether it found anything to judge. dense : what is wrong fills a part of an array, and was not named.
    spent : it ended before its time. tolerated : errors that the tolerance accepts explain what no entry does.
    disputed : entries are open that a direction accuses and their own bars cannot clear.
    """

    explains: bool
    dense: bool = False
    spent: bool = False
    tolerated: bool = False
    disputed: bool = False


def search(claim: Claim, test: JointTest, direction: Direction) -> Found:
    """Find what is wrong along a direction; it stays still from then on."""
    if explained_by_a_factor(claim, test, direction):
        return Found(explains=True)

    def judge(column: int, _: Index, off: Values | None) -> Entries:
        return claim.judge(np.array([column]), off)

    budget = min(WORTHWHILE * claim.still.size, MOST_SEARCHED)
    # What independent errors within the tolerance explain accuses none of the entries, unless a few are found at once.
    accepted = bool(tolerated(test, direction).all())
    patience = SLIGHT if accepted and np.count_nonzero(~claim.still) > LEFT else math.inf
    # Two points a measurement; where they find nothing, four.
    for precise in (False, True):
        places = find_places(
            test, direction, np.ones(1, bool), judge, claim.around, claim.rng, budget,
            precise=precise, patience=patience,
        )  # fmt: skip
        if places.wrong or places.right or places.spent or direction.exact:
            break
    left = np.flatnonzero(~claim.still)
    clear = not test.unsettled.any()
    vain = accepted and not places.wrong and bool(places.unexplained.any())
    if (places.dense or places.spent or vain) and left.size <= (
        LEFT if places.spent and clear and not places.dense else LEFT_IN_NOISE
    ):
        wrong = claim.judge(left).wrong
        places = Places([*places.wrong, *wrong], [*places.right, *np.setdiff1d(left, wrong)])
    if places.dense:
        filled = fill_arrays(claim, test, direction, places.wrong)
        return Found(explains=filled, dense=not filled)
    if places.spent and clear and _told_by_a_sample(claim, test, direction, places):
        return Found(explains=True)
    if places.spent:
        leave_the_rest(claim)
    explained = accepted and not places.wrong
    disputed = not (places.wrong or explained) and claim.leave_open(places.right)
    # Right entries explain it where nothing is left that they do not.
    by_right = places.right and not (explained and (places.spent or places.unexplained.any()))
    return Found(bool(places.wrong or by_right), False, places.spent, explained, disputed)


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


def leave_the_rest(claim: Claim) -> None:
    """Say of the arrays in which entries are wrong that something else may be."""
    for block in claim.problem.parameters.blocks:
        if claim.entries_wrong_in(block):
            claim.regions.append(Region(block, whole_box(block), False))
