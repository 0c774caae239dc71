"""A gradient that joint directions through all arrays leave open: each array by itself, which noise hides least."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.entries import sweep
from gradcheck.function.matrix import Dense, one_row
from gradcheck.joint.examination import Examination
from gradcheck.joint.zeros import directions_of_zeros
from gradcheck.numerics.problem import NARROW, Problem
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.boxes import whole_box
from gradcheck.parameters.tree import Block
from gradcheck.results.certificate import ArrayEvidence, Region, Survey
from gradcheck.results.evidence import Evidence, latest, none_judged
from gradcheck.results.table import concatenate

__all__ = ["examine_each_array"]

# Entries that no direction can move, of which so many are judged by themselves.
IMMOVABLE = 16
# What is claimed to change f by more has no square.
HUGE = 1e150


def examine_each_array(
    setting: Setting, problem: Problem, *, confidence: float, rng: np.random.Generator
) -> Survey:
    """Directions that move one array each, the search for what they find wrong, and a bound for what stays open.

    Alone an array takes longer steps in noise: no other bends f on the way. confidence : of all of them together.
    """
    blocks = problem.parameters.blocks
    share = 1.0 - (1.0 - confidence) / len(blocks)
    claimed = one_row(problem.matrix)
    usable = np.isfinite(claimed)
    problem = replace(problem, matrix=Dense(np.where(usable, claimed, 0.0)[None, :]))
    largest = float(np.abs(one_row(problem.matrix) * problem.scales).max(initial=0.0))
    if largest > HUGE:
        problem = problem.in_units(2.0 ** min(math.frexp(largest)[1], 1000))
    size = np.array([root_mean_square(claimed[block.slice][usable[block.slice]]) for block in blocks])
    setting = replace(setting, gradient_scale=size)
    beyond = np.flatnonzero(~usable)[:IMMOVABLE]
    judged = [none_judged(problem.x.dtype), sweep(setting, claimed[beyond], beyond)]
    arrays, regions = list[ArrayEvidence](), list[Region]()
    interrupted = judged[-1].interrupted
    try:
        for k, block in enumerate(() if interrupted else blocks):
            alone = Examination(
                problem, lambda *_: setting, lambda: setting, share, rng,
                alone=block, setting=setting, judged=judged, regions=regions,
            )  # fmt: skip
            alone.still |= ~usable
            if alone.analytic[block.slice].any():
                survey = alone.run()
                assert survey is not None
                arrays.append(survey.arrays[k])
            else:
                arrays.append(_of_zeros(alone, setting, block))
    except KeyboardInterrupt:
        interrupted = True
    arrays += [ArrayEvidence(block, (), None) for block in blocks[len(arrays) :]]
    return Survey(tuple(arrays), latest(concatenate(judged)), tuple(regions), interrupted)


def _of_zeros(alone: Examination, setting: Setting, block: Block) -> ArrayEvidence:
    """What there is to say of an array that is claimed to do nothing."""
    problem = alone.problem
    lengths: Flat = np.where(alone.still, 0.0, problem.scales)
    if problem.room is not None:
        lengths[np.minimum(*problem.room) < NARROW * problem.scales] = 0.0

    def judge(column: int, _: Index) -> Evidence:
        return alone.judge(np.array([column]))

    delta = 1.0 - alone.confidence
    array, left = directions_of_zeros(setting, block, lengths, judge, delta, alone.confidence, alone.rng)
    if left.size and not alone.missing(lengths > 0):
        alone.regions.append(Region(block, whole_box(block), False))
    return array
