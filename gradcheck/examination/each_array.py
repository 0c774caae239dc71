"""A gradient that joint directions through all arrays leave open: each array by itself, which noise hides least."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat
from gradcheck.evidence.averages import averaged
from gradcheck.evidence.entries import decide, sweep
from gradcheck.examination.array_evidence import evidence_of
from gradcheck.examination.claim import Claim
from gradcheck.examination.gradient import searched
from gradcheck.examination.parts import give_numbers, missing
from gradcheck.examination.zeros import directions_of_zeros
from gradcheck.function.matrix import Dense, one_row
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import whole_box
from gradcheck.results.certificate import ArrayEvidence, Region, shares_of
from gradcheck.results.entries import Entries, latest, none_judged
from gradcheck.results.estimate import unmeasured
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

# An array of so many entries that directions leave open is judged entry by entry, as a gradient of that size is; and so
# many are of a larger one that disagrees along a direction in which no search finds an entry.
FEW_ENTRIES = 100
# Entries that no direction can move, of which so many are judged by themselves.
IMMOVABLE = 16
# What is claimed to change f by more has no square.
HUGE = 1e150


def examine_each_array(problem: Problem, *, confidence: float, rng: np.random.Generator) -> Evidence:
    """Directions that move one array each, the search for what they find wrong, and a bound for what stays open.

    Alone an array takes longer steps in noise: no other bends f on the way. confidence : of all of them together.
    """
    blocks, claimed = problem.parameters.blocks, one_row(problem.matrix)
    usable, setting = np.isfinite(claimed), problem
    problem = replace(problem, matrix=Dense(np.where(usable, claimed, 0.0)[None, :]))
    largest = float(np.max(np.abs(one_row(problem.matrix) * problem.scales), initial=0.0))
    if largest > HUGE:
        problem = problem.in_units(2.0 ** min(math.frexp(largest)[1], 1000))
    size = np.array([root_mean_square(claimed[block.slice][usable[block.slice]]) for block in blocks])
    known = replace(setting, gradient_scale=size)
    claim = Claim(problem, rng, ~usable, known, probed=problem.level)
    beyond, others = np.split(np.flatnonzero(~usable), [IMMOVABLE])
    claim.judged = [none_judged(problem.x.dtype), sweep(setting, claimed[beyond], beyond)]
    arrays, ended = list[ArrayEvidence](), claim.judged[-1].interrupted
    if others.size:
        # What is not finite is wrong, whatever f shows.
        nothing = unmeasured(others.size, problem.x.dtype)
        judgement = decide(setting, nothing, claimed[others], others)
        claim.judged.append(Entries(others, claimed[others], nothing, judgement))
    share = 1.0 - (1.0 - confidence) / len(blocks)
    try:
        for k in range(0 if ended else len(blocks)):
            arrays.append(_alone(claim, k, share))
    except KeyboardInterrupt:
        claim.judged.append(replace(none_judged(problem.x.dtype), interrupted=True))
    arrays += [ArrayEvidence(block) for block in blocks[len(arrays) :]]
    return Evidence(latest(*claim.judged), tuple(arrays), tuple(claim.regions))


def _alone(claim: Claim, k: int, confidence: float) -> ArrayEvidence:
    """What there is to say of the k-th array."""
    block, still = claim.problem.parameters.blocks[k], claim.still
    if not claim.analytic[block.slice].any():
        return _of_zeros(claim, block, confidence)
    claim.begun, claim.tolerant, claim.shares = None, False, shares_of(1.0 - confidence)
    claim.still = np.ones_like(still)
    claim.still[block.slice] = still[block.slice]
    try:
        return _of_directions(claim, k, confidence)
    finally:
        still[block.slice] = claim.still[block.slice]
        claim.still = still


def _of_directions(claim: Claim, k: int, confidence: float) -> ArrayEvidence:
    """What directions show that move one array, whatever they leave open; a small one is judged entry by entry then."""
    tested = searched(claim, lambda *_: claim.setting)
    assert tested is not None
    test, joint = tested
    scaling = test.along.scaling
    if not (joint.certified[0] or claim.wrong_in(claim.problem.parameters.blocks[k])):
        _judge_the_largest(claim, few=not joint.wrong[0])
    give_numbers(claim, joint, scaling)
    claim.judge_the_immovable(scaling)
    limit = Limit.ACCEPTED if claim.tolerant else test.limit
    limit = Limit.NONE if joint.certified[0] else Limit.BUDGET if joint.spent else limit
    return evidence_of(claim, joint, scaling, confidence, limit).arrays[k]


def _judge_the_largest(claim: Claim, *, few: bool) -> None:
    """Judge the entries of which most is claimed, as what is wrong shows there best; few : only where these are all."""
    assert claim.setting is not None
    entries = np.flatnonzero(~claim.still)
    size = np.abs(claim.analytic[entries]) * claim.problem.scales[entries]
    largest = entries[np.argsort(-size, kind="stable")[:FEW_ENTRIES]]
    objective = claim.problem.objective
    if (few and largest.size < entries.size) or POINTS * largest.size > objective.remaining:
        return
    before = objective.nfev
    claim.judge(largest)
    claim.judged[-1] = averaged(claim.setting, claim.judged[-1], before)


def _of_zeros(claim: Claim, block: Block, confidence: float) -> ArrayEvidence:
    """What there is to say of an array that is claimed to do nothing."""
    problem, setting = claim.problem, claim.setting
    assert setting is not None
    lengths: Flat = np.zeros(problem.x.size)
    lengths[block.slice] = np.where(claim.still, 0.0, problem.scales)[block.slice]
    if problem.room is not None:
        lengths[problem.narrow] = 0.0
    array, left = directions_of_zeros(
        setting, block, lengths, claim.judge_column, 1.0 - confidence, confidence, claim.rng
    )
    if left.size and not missing(claim, lengths > 0):
        claim.regions.append(Region(block, whole_box(block), False))
    return array
