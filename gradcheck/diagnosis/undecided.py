"""What leaves a check undecided, and which option or change of f would decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import ENDED, Remedy, Undecided
from gradcheck.results.verdict import Tolerance

# Limits that are a size: a larger resolution or atol decides them.
SIZED = (Limit.NOISE, Limit.BESIDE, Limit.TRUNCATION, Limit.ACCEPTED, Limit.NONE)
# What is printed is a little more than what is needed, so that it is enough after it was rounded.
ROOM = 1.1
# A resolution above this lets a mistake of half an entry pass: none is offered.
COARSEST = 0.5
# The rounding of float64 is below this, that of float32 above.
SINGLE = 1e-10
# A step that is a smaller part than this of the first one was not shortened for the precision of smooth functions.
SHORT = 1e-3
# What a shorter step may take away.
LONG_STEPS = (Limit.NOISE, Limit.TRUNCATION, Limit.KINK)


@dataclass(frozen=True)
class Circumstances:
    """What the advice depends on besides the evidence.

    tolerance : what is accepted. budgeted : whether the caller set a budget. noun : what the derivative is called.
    coarse : what is of a coarser type than float64, `f` or the `derivative` alone; "" where f's digits alone are few.
    steps : (n,) the first steps from x, None where no entry was measured from near. some : whether entries were left
    out on purpose, and not for want of room. analytic : the whole derivative under test, where it is one vector.
    subgradient : whether what lies between the slopes of a kink is accepted. method : that the caller asked for.
    """

    tolerance: Tolerance
    budgeted: bool = False
    noun: str = "gradient"
    coarse: str = ""
    steps: Flat | None = None
    some: bool = False
    analytic: Flat | None = None
    subgradient: bool = False
    method: str = "auto"


def ended_by(interrupted: bool, budgeted: bool) -> Limit:
    """What ended a measurement for which no budget was left; budgeted : whether the caller set one."""
    return Limit.INTERRUPTED if interrupted else Limit.BUDGET if budgeted else Limit.SEARCH


def undecided_entries(
    parameters: Parameters, evidence: Entries, total: int, given: Circumstances
) -> Undecided:
    """What limits most of the undecided entries, the worst of them for one."""
    found, judgement = evidence.estimate, evidence.judgement
    rows = np.flatnonzero(judgement.inconclusive)
    limits = found.limit[rows]
    # An accusation says most, however few entries it is about. Of equally many the first: a set has no order.
    kinds = dict.fromkeys(limits.tolist())
    common = max(kinds, key=lambda limit: (limit is Limit.DISPUTED, int((limits == limit).sum())))
    alike = rows[limits == common]
    row = int(alike[np.argmax(judgement.detectable[alike])])
    if common is Limit.NOISE and given.steps is not None:
        first = given.steps[int(evidence.coordinates[row]) % given.steps.size]
        # A complex step has no length that counts: 0.
        common = Limit.BESIDE if 0.0 < found.step[row] < SHORT * first else common
    if common is Limit.BUDGET:
        common = ended_by(evidence.interrupted, given.budgeted)
    kink = (float(found.left[row]), float(found.right[row])) if common is Limit.KINK else None
    # What is off by more than is allowed was left open for another reason: it does not agree.
    agrees = kink is not None or abs(evidence.analytic[row] - found.value[row]) <= judgement.allowed[row]
    known = bool(np.isfinite(found.error[row]) and agrees)
    sized = all(limit in SIZED for limit in limits) and bool(np.isfinite(found.error[rows]).all())
    options, offered = _option(evidence, rows, given.tolerance)
    return Undecided(
        parameters.name(int(evidence.coordinates[row])), common, int(rows.size), total,
        bar=3.0 * float(found.error[row]), reached=float(judgement.detectable[row]), slopes=kink, known=known,
        noun=given.noun, remedies=_remedies(common, given, options, sized), offered=offered,
    )  # fmt: skip


def undecided_array(
    evidence: Evidence, given: Circumstances, certified: Callable[[ArrayEvidence], bool]
) -> Undecided:
    """Which array is not certified, and why; those come first of which nothing is known."""
    open_ = [array for array in evidence.arrays if not certified(array)]
    array = next((a for a in open_ if not a.tested), open_[0])
    limit = array.limit if array.tested else Limit.BUDGET
    if limit is Limit.BUDGET:
        limit = ended_by(evidence.interrupted, given.budgeted)
    reached = array.certificate.left if array.certificate is not None else float("nan")
    options, offered = [Remedy.SWEEP], None
    if given.tolerance.resolution < ROOM * reached <= COARSEST:
        options, offered = [Remedy.RESOLUTION, Remedy.SWEEP], ROOM * reached
    return Undecided(
        array.block.name, limit, reached=reached, known=array.certificate is not None, tested=array.tested,
        noun=given.noun, remedies=_remedies(limit, given, options), offered=offered,
    )  # fmt: skip


def _option(evidence: Entries, rows: Index, tolerance: Tolerance) -> tuple[list[Remedy], float | None]:
    """The resolution, or the atol, with which every undecided entry is decided whose limit is a size; and its value."""
    found, judgement = evidence.estimate, evidence.judgement
    sized = np.array([limit in SIZED for limit in found.limit[rows]], bool)
    rows = rows[sized & np.isfinite(found.error[rows])]
    if rows.size == 0:
        return [], None
    apart, scale = np.abs(evidence.analytic[rows] - found.value[rows]), judgement.scale[rows]
    bar = apart + 3.0 * found.error[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        resolution = ROOM * float(np.max((bar - tolerance.atol) / scale))
    if tolerance.resolution < resolution <= COARSEST:
        return [Remedy.RESOLUTION], resolution
    # Entries that are lost beside the others may be left so; an atol as large as the gradient would pass anything. What
    # others move f by, over the size of an entry that is next to nothing, is no gradient.
    least = ROOM * float(np.max(bar - tolerance.resolution * scale))
    seen = np.fmax(np.abs(evidence.analytic), np.where(np.isfinite(found.error), np.abs(found.value), 0.0))
    told = np.isfinite(judgement.scale) & np.isfinite(seen)
    largest = min(np.max(each, initial=0.0, where=told) for each in (judgement.scale, seen))
    # With it most are settled at the first look, of which the bars are those of the others.
    usual = ROOM * 3.0 * float(np.max(found.error, initial=0.0, where=np.isfinite(found.error)))
    offered = [a for a in (max(usual, least), least) if tolerance.atol < a <= tolerance.resolution * largest]
    return ([Remedy.ATOL], offered[0]) if offered else ([], None)


def _remedies(
    limit: Limit, given: Circumstances, options: list[Remedy], sized: bool = True
) -> tuple[Remedy, ...]:
    """What decides it: options first, then what is to be done about x or f.

    sized : whether the options decide all that is open; those that decide some come last.

    In single precision the digits of f come before both: its steps are so long that kinks of a network, and bends, lie
    within them that none of float64 reach.
    """
    if limit in ENDED:
        return (ENDED[limit],)
    # A derivative of a coarser type takes no digits from f. What f returns may have few because it was rounded, or
    # because all others cancelled.
    single = given.tolerance.eps > SINGLE and given.coarse != "derivative"
    precise = (Remedy.FLOAT64 if given.coarse else Remedy.DIGITS) if single else Remedy.PRECISE
    own = {
        Limit.KINK: (Remedy.OFF_KINK, Remedy.SUBGRADIENT),
        Limit.KINKS: (Remedy.OFF_KINK,),
        Limit.JUMP: (Remedy.OFF_JUMP, precise),
        Limit.DOMAIN: (Remedy.OFF_EDGE,),
        Limit.NOISE: (precise,),
        Limit.BESIDE: (Remedy.OFF_BESIDE, precise),
        Limit.SCALE: (Remedy.APART,),
        Limit.ACCEPTED: (),
        Limit.TRUNCATION: (Remedy.OFF_BEND, Remedy.RESCALE),
        Limit.DISPUTED: (precise,) if given.method == "complex" else (precise, Remedy.COMPLEX),
        Limit.NONE: (precise, Remedy.ELSEWHERE),
    }[limit]
    if limit is Limit.KINK and given.subgradient:
        # What it would accept is told of an entry by itself alone.
        own = (*options, Remedy.OFF_KINK)
    if limit in SIZED:
        own = (*options, *own) if sized else (*own, *options)
    if single and limit in LONG_STEPS:
        return (precise, *(remedy for remedy in own if remedy is not precise))
    return own
