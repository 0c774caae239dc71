"""No derivative is called wrong on one measurement: what seems so is measured again, nearer to x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put
from gradcheck.results.table import rows as table_rows
from gradcheck.results.verdict import Judgement

# Lines, or directions that many lines share, measured a second time before anyone is accused.
CONFIRMED = 32
CONFIRMING_STEP = 0.37
# How many error bars decide.
MARGIN = 3.0
# Further steps for a weak accusation, in units of the confirming one: an oscillation that is faster than they are is a
# slope of 0 to most of them.
WEAKLY = (1.4, 2.0)
# The part of the distance to what was given that the noise of a second estimate may fill.
TELLING = 0.4
# A second bar of so many times that distance says nothing of where the second value lies.
OUTWEIGHS = 2.0
# Truncation of so many times the noise, or less, is what that makes of it.
MADE_OF_NOISE = 5.0
# The part of half its jump that noise may be where a kink is looked at again: one that lies beside x by a part of
# such a step is still seen to be one.
VISIBLE = 0.02
# An accusation by so many times the bar that decides is slight: one derivative in ten thousand lies beyond that bar.
SLIGHT = 1.5
# In noise one of up to so many times must hold at a step of this part of the first as well, where the noise leaves more
# to be seen than at the confirming one: where f is differentiable only once the first bar holds too little truncation.
MODERATE, BETWEEN = 10.0, 0.74
# Nearer steps lie on powers of this, so that there are few of them for lines that share their points, and for one
# line of which different derivatives are claimed.
SHARED = 4.0
# No nearer than this part of the first step.
NEAREST = 1e-9


# Measures lines a second time: one stencil for each of these rows, (k,) steps and sides (0 is both); None where it
# cannot be afforded.
Again = Callable[[Index, Flat, NDArray[np.int8]], Estimate | None]


def confirm(
    given: Flat,
    found: Estimate,
    judgement: Judgement,
    again: Again,
    decide: Callable[[Estimate], Judgement],
    own: Flat,
    together: Index | None = None,
) -> tuple[Estimate, Judgement]:
    """Measure what seems wrong again with another step; bars that do not hold are widened, and judged anew.

    given, found, judgement : m analytic derivatives, their estimates, and what these say.
    decide : judges all m estimates. own : (m,) the size of each coordinate, |x| where that is not 0.
    together : (m,) lines with one number share their points; default none do.
    The 32 least wrong are measured, and the others where one of these turns out not to hold.
    """
    suspects = np.flatnonzero(judgement.wrong & np.isfinite(given))
    if suspects.size == 0:
        return found, judgement
    excess = np.abs(given - found.value)[suspects] / judgement.allowed[suspects]
    # The least wrong first: they are the ones that a bar slightly too small would make.
    suspects = suspects[np.argsort(excess)]
    early = _early(suspects if together is None else together[suspects])
    first, rest = suspects[early], suspects[~early]
    measured = partial(_remeasure, given, again=again, own=own, shared=together is not None)
    found, held = measured(found, rows=first)
    if not held and rest.size:
        found, _ = measured(found, rows=rest)
    # A derivative that is 0 within its bar accuses weakly: two more steps must agree.
    bar = MARGIN * found.error[first]
    weak = first[np.isfinite(bar) & (bar > np.abs(found.value[first])) & (found.limit[first] != Limit.NONE)]
    for factor in WEAKLY:
        found, _ = measured(found, rows=weak, factor=factor)
    found = _borne_out_between(given, found, again, first[decide(found).wrong[first]])
    return found, decide(found)


def _borne_out_between(given: Flat, found: Estimate, again: Again, rows: Index) -> Estimate:
    """Without a bar where noise or bends limit it, it accuses moderately, and a shorter step does not share that."""
    first, off = table_rows(found, rows), np.abs(given[rows] - found.value[rows])
    # Bends at a longer step may have ended the search: the bar that was kept may hold little of them all the same.
    limited = np.array([limit in (Limit.NOISE, Limit.TRUNCATION) for limit in first.limit], bool)
    moderate = limited & (off <= MODERATE * MARGIN * first.error) & (first.truncation > 0) & (first.chord > 0)
    rows, first = rows[moderate], table_rows(first, np.flatnonzero(moderate))
    second = again(rows, BETWEEN * first.step, _side(first)) if rows.size else None
    if second is None:
        return found
    shared = np.abs(given[rows] - second.value) > MARGIN * second.error
    return replace(found.without_bar(rows[~shared]), nfev=found.nfev + second.nfev)


def _early(together: Index) -> NDArray[np.bool_]:
    """Those that belong to the first few that are different."""
    if together.size <= CONFIRMED:
        return np.ones(together.size, bool)
    _, first, which = np.unique(together, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[which] < CONFIRMED)


def _remeasure(
    given: Flat, found: Estimate, *, again: Again, rows: Index, own: Flat, shared: bool, factor: float = 1.0
) -> tuple[Estimate, bool]:
    """Measure rows anew; what both estimates say together, and whether the second lets all of the first stand.

    As near to x as the noise lets the difference be seen, unless the first was precise: an oscillation that is faster
    than the first step looks like a slope of 0 there, and like what it is nearby. And within the coordinate's own
    size: a step beyond it may be precise about the slope of another part of f.
    """
    if rows.size == 0:
        return found, True
    first, given, within = table_rows(found, rows), given[rows], own[rows] / found.step[rows]
    distance = np.abs(given - first.value)
    near = _near(first, distance, within, shared=shared)
    second = _second(first, distance, again, rows, np.minimum(CONFIRMING_STEP, near) * factor * first.step)
    if second is None:
        return found, True
    mended, stands = _weighed(given, first, second, within)
    return put(found, rows, replace(mended, nfev=second.nfev)), stands


def _weighed(given: Flat, first: Estimate, second: Estimate, within: Flat) -> tuple[Estimate, bool]:
    """The first estimates (k,) as the second ones leave them: where these contradict them their bar covers both.

    Where the second acquits what the first accused there is no bar left. within : the size of each coordinate in first
    steps.
    """
    distance, away = np.abs(given - first.value), np.abs(given - second.value)
    apart = np.abs(second.value - first.value)
    known, kinked = np.isfinite(second.error), np.asarray(first.limit == Limit.KINK)
    against = away > MARGIN * second.error
    # Where noise alone, larger at a shorter step, does not explain it.
    telling = known & (MARGIN * second.noise <= 1.01 * TELLING * distance)
    # Were what was given right, the second would lie nearer to it: noise that looks a little like a bend is no excuse.
    sides = (away > apart) & (MARGIN * second.error <= OUTWEIGHS * distance)
    acquitted = telling & ~kinked & ~against & ~sides
    clash = known & (apart > first.error + second.error)
    # What is seen from beyond only, where f may be another function, is no accusation; nor is what hardly leaves a bar
    # that may hold too little truncation, where the second value says nothing against what was given.
    bar = MARGIN * first.error
    slight = (distance > bar) & (distance <= SLIGHT * bar) & (first.truncation > 0)
    slight &= ~(against | kinked | clash)
    acquitted |= known & ~telling & ((within < 1.0) | slight)
    # A kink is one at every step, with the same slopes. It lies beside x where a shorter step has a slope between those
    # two: the nearer one counts, with its own bar.
    unlike = known & kinked & ((apart > 0.3 * first.kink) | (second.kink < 0.5 * first.kink))
    beside = unlike & np.asarray(second.limit != Limit.KINK) & _between(second, first)
    acquitted |= unlike & ~beside
    error, limit = np.where(clash, first.error + apart, first.error), first.limit.copy()
    # Two steps that tell different stories decide nothing.
    error[acquitted] = np.inf
    limit[acquitted & np.asarray(first.limit == Limit.NONE)] = Limit.TRUNCATION
    limit[unlike | (acquitted & ~telling)] = Limit.NOISE
    # As they were measured a second time; what limits them is kept.
    at = np.flatnonzero(beside)
    mended = put(replace(first, error=error), at, table_rows(second, at))
    return replace(mended, limit=limit), not (clash | acquitted | beside).any()


def _near(first: Estimate, distance: Flat, within: Flat, *, shared: bool) -> Flat:
    """How near to x (k,) lines are measured anew at the most, as a part of their steps; within : of their own size."""
    precise = np.asarray(first.limit == Limit.NONE)
    near = np.where(precise, 1.0, MARGIN / TELLING * first.noise / distance)
    # However far off the claim is, a kink must be seen to be one.
    near = np.where(np.asarray(first.limit == Limit.KINK), first.noise / (VISIBLE * first.kink), near)
    near = np.where(within < 1.0, np.minimum(near, within), near)
    return SHARED ** np.ceil(np.log(np.maximum(near, NEAREST)) / np.log(SHARED)) if shared else near


def _second(first: Estimate, distance: Flat, again: Again, rows: Index, step: Flat) -> Estimate | None:
    """Rows measured at these steps (k,), on the side on which they were before; and between, where that says nothing.

    Noise that fills a part of the distance to what was given may make several times that of the truncation.
    """
    side = _side(first)
    second = again(rows, step, side)
    if second is None:
        return None
    longer = np.sqrt(step * CONFIRMING_STEP * first.step)
    vague = (MARGIN * second.error > OUTWEIGHS * distance) & (first.limit != Limit.KINK)
    vague &= (second.truncation <= MADE_OF_NOISE * second.noise) & (longer > MARGIN * step)
    at = np.flatnonzero(vague)
    between = again(rows[at], longer[at], side[at]) if at.size else None
    return second if between is None else put(second, at, between)


def _side(found: Estimate) -> NDArray[np.int8]:
    """(k,) 1 or -1 where one side of x was measured alone."""
    return np.asarray(np.isnan(found.left).astype(np.int8) - np.isnan(found.right).astype(np.int8))


def _between(second: Estimate, first: Estimate) -> NDArray[np.bool_]:
    """Whether second values lie between the slopes of the kinks that were found, within their noise."""
    low, high = np.fmin(first.left, first.right), np.fmax(first.left, first.right)
    slack = MARGIN * second.noise
    return np.asarray((low - slack <= second.value) & (second.value <= high + slack))
