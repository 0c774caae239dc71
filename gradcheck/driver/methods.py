"""The ways to learn about a derivative, cheapest first; each knows what it costs and where it cannot help."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gradcheck._typing import Flat
from gradcheck.driver.known import Known
from gradcheck.evidence.plain_differences import agreement
from gradcheck.examination.columns import GROUPS_UP_TO, SAMPLE, every_entry, examine_columns
from gradcheck.examination.each_array import examine_each_array
from gradcheck.examination.gradient import examine_jointly
from gradcheck.examination.inwards import one_sided
from gradcheck.examination.rows import examine_rows
from gradcheck.function.matrix import Dense, Sparse
from gradcheck.joint.direction import Direction
from gradcheck.numerics.differences import first_step
from gradcheck.numerics.line_fit import EIGHT
from gradcheck.numerics.noise import least_noise
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.rounding import on_no_grid
from gradcheck.numerics.steps import POINTS
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, flat_indices, runs
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Region
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

# From here on one joint direction, of eight points and f(x), and perhaps one call with complex numbers, costs no more
# than two differences for each entry and f(x).
JOINT_FROM = 5
# So many entries beside bounds take more by themselves than directions that go inwards.
INWARDS_FROM = 20
# Outputs that are rounded to more than this part of the largest are not asked over short steps.
COARSE = 1e-6
# At a kink directions tell nothing, and of an entry its slopes on both sides do: for a caller that accepts what lies
# between these, up to so many are measured one by one, some 35 evaluations each.
SIDED = 1000
# Of up to so many entries each takes its own step in noise and beside kinks for what directions take that do not tell.
ONE_BY_ONE = 40


@dataclass(frozen=True)
class Method:
    """One way to learn about a derivative under test.

    cost(known) : evaluations of f for a right derivative where the first step serves, 0 where nobody knows; None: it
    cannot help. run(known) : adds to what is known; whether that settles the check.
    """

    cost: Callable[[Known], int | None]
    run: Callable[[Known], bool]


def _cost_of_plain_differences(known: Known) -> int | None:
    """For up to 100 entries; from 5 on they are tried where f is rounded alone."""
    asked = _few(known) and isinstance(known.problem.matrix, Dense) and not _rounded(known)
    return 2 * known.x.size if asked else None


def _plain_differences(known: Known) -> bool:
    """Two evaluations an entry; settled where all differences agree with the claim."""
    agreed = agreement(known.problem, few=JOINT_FROM, rng=known.options.rng)
    if agreed is not None:
        known.setting, entries = agreed
        known.evidence = Evidence(entries)
    return agreed is not None


def _cost_of_joint_directions(known: Known) -> int | None:
    """Where every claim is finite: one direction, of eight points."""
    method = known.options.method
    asked = method in ("auto", "directions") and known.x.size >= JOINT_FROM
    # Of fewer entries, which plain differences left open, they tell what is wrong where f has all digits.
    if method == "auto" and 1 < known.x.size < JOINT_FROM:
        asked = all(map(on_no_grid, known.problem.f_x.tolist()))
    if not asked or _rounded(known) or not _finite(known.problem):
        return None
    return 2 * len(EIGHT)


def _joint_directions(known: Known) -> bool:
    """Random directions through all arrays at once, and the search for what they find wrong.

    Settled where everything is certified, or what is wrong was found; else whether something is accused.
    """
    problem, options = known.problem, known.options
    if known.x.size < JOINT_FROM and not known.repeats():
        return False
    rng, told = np.random.default_rng(options.rng), partial(_told, problem)
    if not problem.one_row or _many_inwards(problem):
        setting, evidence = examine_rows(problem, told, known.probe, confidence=options.confidence, rng=rng)
        if evidence is not None:
            known.setting, known.evidence = setting, _free_alone(known, evidence)
        if evidence is not None or not problem.one_row:
            return evidence is not None
    known.setting, evidence, known.accused = examine_jointly(
        problem, told, known.probe, confidence=options.confidence, rng=rng
    )
    if known.x.size < JOINT_FROM and (evidence is None or evidence.entries.judgement.inconclusive.any()):
        known.setting = evidence = (
            None  # each entry by itself is asked for more than a direction tells of so few
        )
    if evidence is not None:
        known.evidence = _named(_free_alone(known, evidence), problem.names)
    return evidence is not None


def _many_inwards(problem: Problem) -> bool:
    """Whether so many entries of one array lie beside bounds that they go inwards before each is judged by itself."""
    if problem.room is None or len(problem.parameters.blocks) > 1:
        return False
    return int(np.count_nonzero(one_sided(problem))) > INWARDS_FROM


def _told(
    problem: Problem, first: Direction, level: float | None = None, sizes: Flat | None = None
) -> Problem:
    """What a first direction tells other ways. level : the noise, where more is known of it; sizes : of the arrays."""
    noise = 2.0 * (first.noise if problem.f_x.size > 1 else first.noise.max()) if level is None else level
    if problem.eps_of_x:
        least = least_noise(problem.parameters, problem.f_x)
        noise = np.maximum(noise, least if problem.f_x.size > 1 else least.max())
    # A power of two, so that similar claims ask for the same values.
    step = 2.0 ** np.round(np.log2(first_step(noise, first.weight, problem.f_x, problem.x.size)))
    still = None if first.fit is None or problem.f_x.size == 1 else ~first.fit.moved
    return replace(
        problem, given_scales=problem.scales, level=noise, relative_step=step, still=still, gradient_scale=sizes,
        slope=first.weight / math.sqrt(problem.x.size),
    )  # fmt: skip


def _cost_of_each_array(known: Known) -> int | None:
    """For a gradient of more than 40 entries: a direction of eight points for each array."""
    few = known.options.method == "auto" and known.x.size <= ONE_BY_ONE
    if not known.problem.one_row or known.options.method in ("sweep", "complex") or few:
        return None
    return 2 * len(EIGHT) * len(known.objective.parameters.blocks)


def _each_array(known: Known) -> bool:
    """Random directions that move one array each, and their searches."""
    setting, options = known.prepared(), known.options
    if setting is None:
        return True
    evidence = examine_each_array(
        setting, confidence=options.confidence, rng=np.random.default_rng(options.rng)
    )
    return _settled_by(known, evidence)


def _cost_of_columns(known: Known) -> int | None:
    """For a Jacobian of more than 100 columns, a sample of these; for a sparse one in groups, as many as it takes."""
    if isinstance(known.problem.matrix, Sparse):
        return 0
    if known.problem.one_row or known.options.method in ("sweep", "complex") or _few(known):
        return None
    return POINTS * SAMPLE


def _columns(known: Known) -> bool:
    """Columns, in groups where the pattern is declared, and what directions show of the rest of each row."""
    setting, options = known.prepared(), known.options
    if setting is None:
        return True
    evidence, known.about = examine_columns(
        setting, method=options.method, confidence=options.confidence, rng=np.random.default_rng(options.rng)
    )  # fmt: skip
    return _settled_by(known, evidence)


def _settled_by(known: Known, evidence: Evidence) -> bool:
    """Whether this settles it: where something is wrong, or everything certified or judged."""
    evidence = _free_alone(known, evidence)
    known.evidence = _named(evidence, known.problem.names)
    if evidence.interrupted or evidence.entries.judgement.wrong.any() or evidence.regions:
        return True
    return all(evidence.certified(array, known.tolerance.resolution) for array in evidence.arrays)


def _cost_of_every_entry(known: Known) -> int | None:
    """For up to 100 columns, where nothing cheaper settled it: noise may leave to be seen of each what it hides."""
    n = known.x.size
    sided = known.options.subgradient and known.evidence is not None and _at_a_kink(known.evidence)
    affordable = n <= (SIDED if sided else GROUPS_UP_TO) and known.objective.affords(POINTS * n)
    return POINTS * n if known.evidence is None or affordable else None


def _at_a_kink(evidence: Evidence) -> bool:
    """Whether a kink is what keeps directions from telling of some array."""
    return any(array.limit is Limit.KINK for array in evidence.arrays)


def _every_entry(known: Known) -> bool:
    """Every column by itself: the complex step, stencils, a second look, averages; settled in any case."""
    setting = known.prepared()
    if setting is None:
        return True
    method = known.options.method if known.evidence is None else "sweep"
    entries, known.about = every_entry(setting, method, known.options.rng, accused=known.accused)
    known.evidence = Evidence(entries)
    return True


METHODS = (
    Method(_cost_of_plain_differences, _plain_differences),
    Method(_cost_of_joint_directions, _joint_directions),
    Method(_cost_of_each_array, _each_array),
    Method(_cost_of_columns, _columns),
    Method(_cost_of_every_entry, _every_entry),
)


def _rounded(known: Known) -> bool:
    """Whether f is known to be rounded to what short steps may not show: then slopes are missing along them."""
    coarse = np.max(known.inspected.rounding) > COARSE * np.max(np.abs(known.problem.f_x), initial=0.0)
    return known.rounded or bool(coarse)


def _few(known: Known) -> bool:
    return known.options.method == "auto" and known.x.size <= GROUPS_UP_TO


def _finite(problem: Problem) -> bool:
    """Whether every entry is, and squares of its changes; of products alone that is seen when they are taken."""
    matrix, scales = problem.matrix, problem.scales
    values = getattr(matrix, "array", None)
    if values is None:
        return True
    values = values if isinstance(matrix, Dense) else values.data
    return bool(np.isfinite(np.vdot(values, values) * np.vdot(scales, scales)))


def _free_alone(known: Known, evidence: Evidence) -> Evidence:
    """Evidence that says of how many entries of each array it is not, as equal bounds fix them."""
    problem = known.problem
    if problem.room is None or problem.free.all():
        return evidence
    fixed = ~problem.free

    def alone(array: ArrayEvidence) -> ArrayEvidence:
        block, certificate = array.block, array.certificate
        # Of x, or of all rows of a matrix.
        rows, columns = (1, fixed[block.slice]) if block.stop <= fixed.size else (block.shape[0], fixed)
        count = rows * int(np.count_nonzero(columns))
        if certificate is not None and count:
            named = replace(certificate, name=f"{certificate.name}, but for what bounds fix,")
            certificate = named if count < block.size else None
        return replace(array, certificate=certificate, fixed=count)

    return replace(evidence, arrays=tuple(alone(array) for array in evidence.arrays))


def _named(evidence: Evidence, names: Parameters | None) -> Evidence:
    """Evidence of the arrays of x as that of the matrix that has these names."""
    if names is None or evidence.arrays[0].block is names.blocks[0]:
        return evidence
    (block,) = names.blocks

    def bound(array: ArrayEvidence) -> float:
        # An array whose entries were all judged by themselves needs no certificate.
        if array.certificate is None:
            return -math.inf if evidence.certified(array, 0.0) else math.inf
        return array.certificate.left

    worst = max(evidence.arrays, key=bound)
    certificate = worst.certificate
    if certificate is not None:
        certificate = replace(certificate, name=f"each row of {block.name}", others=False)
    fixed = sum(array.fixed for array in evidence.arrays)
    array = replace(worst, block=block, certificate=certificate, fixed=fixed)
    regions = [part for region in evidence.regions for part in _in_row(region, block)]
    return replace(evidence, arrays=(array,), regions=tuple(regions))


def _in_row(region: Region, block: Block) -> list[Region]:
    """The entries of a region in the one row of a matrix."""
    spans = runs(set(flat_indices(region.block, region.box).tolist()))
    return [replace(region, block=block, box=Box(((0, 1), span))) for span in spans]
