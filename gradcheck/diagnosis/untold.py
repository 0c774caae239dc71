"""What a PASS at this point, or in this arithmetic, cannot tell, and what would; and what a FAIL may come of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck._typing import Flat
from gradcheck.diagnosis.along import slope_along
from gradcheck.diagnosis.scope import DECADES, Subject
from gradcheck.diagnosis.undecided import SINGLE, Circumstances
from gradcheck.numerics.tangents import ROUNDING, random_units
from gradcheck.parameters.tree import Parameters
from gradcheck.results.cause import Cause, Extent, Kind, Place
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.summaries import ArraySummary
from gradcheck.results.verdict import HALF, Tolerance
from gradcheck.results.words import short

# What SciPy's solve_ivp leaves in a derivative at its default tolerance, by trial, of the largest entry; and, in units
# of rtol, what is off beside entries that pass.
LEFT, TAIL = 3e-2, 100.0
# What 1e-7 makes beside probabilities of 0.001, of the largest entry.
TINY = 1e-4
# An error is clear that is so many times its bar.
CLEAR = 10.0
SOLVER = (
    "nothing simple explains these errors, small beside the largest entry: the right derivative of an f in which a "
    "solver or an iteration ends early looks so, too; if f has one, go on to a smaller tolerance, and check again"
)
ADDED = (
    "nothing simple explains these tiny errors: a derivative without a small constant that f has, as in log(p + 1e-7), "
    "looks so, and where a solver in f ends early any; differentiate that constant, or pass an rtol that accepts it"
)
# A term linear in x is left out of so many entries at least, where it is data.
LINEAR = 3
# How far beside x another point is taken, in its scales.
BESIDE = 0.05
# What tells more than a point where the derivative is 0, or f has a kink.
ELSEWHERE = "try another point, too (check_points draws some)"


def untold(
    parameters: Parameters,
    evidence: Evidence,
    arrays: tuple[ArraySummary, ...],
    given: Circumstances,
) -> list[str]:
    """Notes on a PASS."""
    notes, entries, analytic = [], evidence.entries, given.analytic
    size = np.maximum(np.abs(entries.analytic), np.abs(entries.estimate.value))
    nothing = bool((size <= 3.0 * entries.estimate.error).all())
    if evidence.arrays and entries.coordinates.size < parameters.size:
        nothing &= analytic is not None and not analytic.any()
    # Rounding leaves 1e-17 where 0 is meant: what is within its bars is 0 as far as f shows.
    within = " within its error bars" if nothing and entries.analytic.any() else ""
    still = [
        b.name for b in parameters.blocks if b.size and analytic is not None and not analytic[b.slice].any()
    ]
    if entries.judgement.subgradient.any():
        notes.append(f"what f is on either side of a kink does not show at it; {ELSEWHERE}")
    elif nothing:
        notes.append(
            f"the {given.noun} is 0 here{within}: a mistake that vanishes with it does not show; {ELSEWHERE}"
        )
    elif still:
        more = f" and {len(still) - 3:,} more" if len(still) > 3 else ""
        text = f"the {given.noun} of {', '.join(map(short, still[:3]))}{more} is 0 here"
        notes.append(f"{text}: a mistake that vanishes with it does not show; {ELSEWHERE}")
    lost = [] if nothing else _lost(parameters, entries, size)
    hidden = lost + [a.name for a in arrays if a.detectable >= 1.0 and a.name not in lost]
    if hidden and not nothing:
        text = f"{short(hidden[0])} passes, but a mistake as large as its entries would not have been seen"
        notes.append(f"{text}; {ELSEWHERE}, where they are larger")
    if given.tolerance.eps > SINGLE:
        single = given.tolerance.eps < HALF
        # Of f's values bfloat16 may be meant, which has the tolerances of float16.
        dtype = "float32" if single else "half precision"
        computes, more = {
            "f": (f"f computes in {dtype}", "float64 shows more"),
            "derivative": (
                f"the {given.noun} holds {'float32' if single else 'float16'} values",
                "in float64 more would show",
            ),
            "": (f"f's values have the digits of {dtype} here", "all digits of float64 would show more"),
        }[given.coarse]
        notes.append(f"{computes}: what is off by less than rtol={given.tolerance.rtol:g} passes; {more}")
    return notes


def solver_left(evidence: Evidence, causes: tuple[Cause, ...], tolerance: Tolerance) -> list[str]:
    """A note on a FAIL of several errors that are little, and clear, and that nothing explains.

    What a solver leaves is so, also where no jump beside x shows it. Where others are known to be right they are off by
    rtol as well, of which these are the largest.
    """
    entries, wrong = evidence.entries, evidence.entries.judgement.wrong
    off = np.abs(entries.analytic - entries.estimate.value)[wrong]
    # A place is no explanation, nor is the factor of some of them.
    sole = wrong.size == 1 and not evidence.arrays
    open_ = [
        c
        for c in causes
        if c.kind is (Kind.ONE_ENTRY if sole else Kind.REGION)
        or (c.kind is Kind.FACTOR and c.place.count < off.size)
    ]
    if off.size < 2 - sole or not np.isfinite(off).all() or len(open_) < len(causes):
        return []
    certified = any(array.certificate is not None for array in evidence.arrays) and not wrong.all()
    most = min(LEFT, TAIL * tolerance.rtol) if certified else LEFT
    known = np.isfinite(entries.estimate.error) & np.isfinite(entries.estimate.value)
    largest = float(np.max(np.abs(entries.estimate.value), initial=0.0, where=known))
    clear = off > CLEAR * 3.0 * entries.estimate.error[wrong]
    if not (off <= most * largest).all() or 2 * clear.sum() < off.size:
        return []
    return [ADDED if (off <= TINY * largest).all() else SOLVER]


def same_beside(
    subject: Subject, evidence: Evidence, causes: tuple[Cause, ...], grad: Callable[[Flat], Flat] | None
) -> tuple[Cause, ...]:
    """Arrays of which nothing is said, and that are off by the same beside x, as a term linear in x makes it.

    Along one random direction of these arrays, at x and where f's slope is another one: what changes in proportion to
    that comes so near in one case of 1,000.
    """
    n, wrong, setting = subject.x.size, evidence.entries.wrong, subject.measurable(3)
    if subject.matrix or wrong.size < LINEAR or grad is None:
        return ()
    told = {name for c in causes for name in c.place.arrays}
    open_ = [b for b in subject.parameters.blocks if b.name not in told and b.holds(wrong).any()]
    if not open_ or setting is None or setting.room is not None:
        return ()
    mine = np.any([b.holds(np.arange(n)) for b in open_], axis=0)
    tangent = np.where(mine, setting.scales * random_units(np.random.default_rng(23), n), 0.0)
    away = BESIDE * setting.scales * random_units(np.random.default_rng(29), n)
    here, there = slope_along(setting, tangent), slope_along(setting, tangent, setting.x + away)
    if here is None or there is None:
        return ()
    ours, slope, bar = subject.analytic * here.tangent, here.value[0], here.bar[0] + there.bar[0]
    off, change = slope - ours.sum(), there.value[0] - slope
    bar += ROUNDING * np.finfo(float).eps * np.linalg.norm(ours)
    if not 10.0**DECADES * bar <= abs(change) * min(1.0, abs(off) / max(abs(slope), 1e-300)):
        return ()
    try:
        same = abs(there.value[0] - grad(setting.x + away) @ here.tangent - off) <= bar
    except Exception:  # grad is the caller's: it may raise anything
        return ()
    place = Place(tuple(b.name for b in open_), wrong.size, Extent.WRONG)
    return (Cause(Kind.BESIDE, place),) if same else ()


def _lost(parameters: Parameters, entries: Entries, size: Flat) -> list[str]:
    """Arrays of which every entry was judged and is within its error bar, though not all are claimed to be 0."""
    bar, names = 3.0 * entries.estimate.error, []
    for b in parameters.blocks:
        mine = b.holds(entries.coordinates)
        if int(mine.sum()) == b.size and entries.analytic[mine].any() and (size[mine] <= bar[mine]).all():
            names.append(b.name)
    return names
