"""Evidence from single entries: what was measured of each is judged, and measured again where it seems wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.axes import (
    along_axes,
    anything,
    directions_of,
    first_steps,
    lines_of,
    measure,
)
from gradcheck.evidence.confirm import CONFIRMED, MARGIN, confirm
from gradcheck.evidence.held import NEARLY, held_nearer, without_lost
from gradcheck.evidence.pilots import pilots, steps_like
from gradcheck.numerics.noise import first_spacing, scatter
from gradcheck.numerics.problem import ROUNDINGS
from gradcheck.numerics.rounding import SPACED
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import gradient_scale, root_mean_square, sizes_by, steepness_nearby
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate, unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate, put, rows
from gradcheck.results.verdict import LEFT, Judgement, accepted, blur_of, judge, larger, visible

# Coordinates measured together: enough to keep array arithmetic cheap, few enough that an interruption loses little;
# and lines of all outputs, so that memory stays bounded.
CHUNK, TOGETHER = 128, 400_000
# What f changes by over the first points is no noise where it is so many times that of one value.
CLEAR = 8.0
# Sums that cancel leave so many roundings of what the derivatives of other arrays are, at the most; by trial on layers
# before a normalisation, whose terms are as much larger as it amplifies them.
RESIDUE = 4096.0
# The moduli of the weights of a stencil's values add up to so much over the step.
WEIGHTS = 3.02


def sweep(setting: Setting, given: Flat, entries: Index) -> Entries:
    """Judge the given entries one by one.

    given : (k,) the derivative under test. entries : (k,) flat indices into J.
    Six evaluations of f a coordinate where the first step serves, all outputs together, and six more for each of the
    (at most 32, unless one of them turns out not to hold) derivatives that seem wrong.
    A KeyboardInterrupt ends it with what is known: the rest has an infinite error bar.
    """
    parts: list[Estimate] = []
    columns = setting.places(entries)[1]
    early = np.zeros(columns.size, bool)
    if setting.together is None and entries.size and _noise_decides(setting, given, entries):
        early = pilots(setting, columns)
    order, first = np.lexsort((columns, ~early)), int(early.sum())
    interrupted = False
    try:
        with setting.objective.keeping_values():
            if first:
                parts.append(measure(setting, entries[order[:first]]))
            for chunk in _chunks(setting, entries[order[first:]]):
                steps = first_steps(setting, chunk)
                if first:
                    steps = steps_like(setting, steps, entries[order[:first]], parts[0], chunk)
                parts.append(measure(setting, chunk, steps, served=first > 0))
    except KeyboardInterrupt:  # between two evaluations of f
        interrupted = True
    interrupted |= setting.objective.interrupted
    left = entries.size - sum(part.value.size for part in parts)
    if left or not parts:
        parts.append(unmeasured(left, setting.x.dtype))
    found = rows(concatenate(parts), np.argsort(order))
    found = claimed_still(setting, found, given, setting.places(entries)[0])
    return judged(setting, found, given, entries, interrupted=interrupted)


def _chunks(setting: Setting, entries: Index) -> list[Index]:
    """Entries in order of their columns, those of a column together, in chunks of a few columns."""
    each = max(1, min(CHUNK, TOGETHER // max(setting.outputs, 1)))
    if setting.together is not None or 0 < entries.size <= each:
        return [entries]  # columns that are moved together share their points
    starts = np.flatnonzero(np.diff(setting.places(entries)[1], prepend=-1))
    return np.split(entries, starts[each::each]) if entries.size else []


def judged(
    setting: Setting, found: Estimate, given: Flat, entries: Index, *, interrupted: bool = False
) -> Entries:
    """The decision about measured entries (k,); what seems wrong is measured again."""
    evidence = Entries(entries, given, found, decide(setting, found, given, entries), interrupted)
    if interrupted:
        return evidence
    try:
        found, judgement = _confirm(setting, evidence)
        return held(replace(setting, together=None), replace(evidence, estimate=found, judgement=judgement))
    except KeyboardInterrupt:
        return replace(evidence, interrupted=True)


def held(setting: Setting, evidence: Entries) -> Entries:
    """The evidence without accusations that do not hold nearer to x, or that f may lose in its rounding."""
    if not evidence.judgement.wrong.any():
        return evidence
    given, entries = evidence.analytic, evidence.coordinates

    def judge(found: Estimate) -> Judgement:
        return decide(setting, found, given, entries)

    return _without_residue(setting, without_lost(setting, held_nearer(setting, evidence, judge), judge))


def verify(
    setting: Setting, evidence: Entries, at: Index, value: Flat, error: Flat, step: Flat | None = None
) -> Entries:
    """Let other estimates (k,) of open entries verify them where they can, and never convict.

    at : positions in the evidence. value, error : (k,) derivatives and their bars E, in units of f per unit of x; an
    infinite bar verifies nothing. step : (k,) those over which they were measured; default the steps of before.
    """
    judgement, tolerance = evidence.judgement, setting.tolerance
    g, bar = evidence.analytic[at], 3.0 * error
    scale, zero = judgement.scale[at], setting.x[setting.places(evidence.coordinates[at])[1]] == 0
    tau, apart = accepted(larger(g, value), tolerance, scale, zero), np.abs(g - value)
    allowed = bar + tau
    right = visible(apart, bar, tau, scale, tolerance) & (apart <= allowed)
    found, decided = rows(evidence.estimate, at[right]), rows(judgement, at[right])
    found = replace(found, value=value[right], error=error[right], nfev=0)
    found = found if step is None else replace(found, step=step[right])
    decided = replace(decided, verified=np.ones_like(decided.verified), allowed=allowed[right])
    return replace(
        evidence,
        estimate=put(evidence.estimate, at[right], found),
        judgement=put(judgement, at[right], decided),
    )


def claimed_still(setting: Setting, found: Estimate, analytic: Flat, output: Index) -> Estimate:
    """Lines along which an output should not move, and does not, whatever grid its values may lie on.

    The noise that is assumed of an output which was never seen to move is held against a claimed slope alone.
    """
    if setting.still is None or not setting.still.any():
        return found
    agreed = setting.still[output] & (analytic == 0) & (found.chord == 0) & np.isfinite(found.error)
    rounding = (4.0 * np.finfo(found.value.dtype).eps * np.abs(setting.f_x[output]) / found.step)[agreed]
    error, noise, limit = found.error.copy(), found.noise.copy(), found.limit.copy()
    error[agreed], noise[agreed], limit[agreed] = rounding, rounding, Limit.NONE
    return replace(found, error=error, noise=noise, limit=limit)


def decide(
    setting: Setting, found: Estimate, given: Flat, entries: Index, *, exact: bool = False
) -> Judgement:
    """Judge measured entries by the rule of `gradcheck.results.verdict`.

    exact : by the complex step, which hides the rounding of slopes nowhere, as differences do but where x is 0.
    """
    output, column = setting.places(entries)
    group, at_zero = setting.groups(entries), setting.x[column] == 0
    own = _without_noise(setting, found, gradient_scale(found, group), given, entries)
    scale = _of_claims(setting, _with_lent(setting, own, entries), own, given, entries)
    if not exact and (scale < LEFT * np.nan_to_num(found.chord)).any():
        # A coordinate that is 0 has no size: f may be steep at any distance.
        scale = np.where(at_zero, scale, np.maximum(scale, LEFT * steepness_nearby(found, group)))
    zero: Mask = at_zero | exact
    blur = blur_of(found.curvature, setting.x[column], output, setting.tolerance.eps)
    return judge(
        given, found, scale, setting.tolerance, zero=zero, blur=blur, subgradient=setting.subgradient
    )


def _noise_decides(setting: Setting, given: Flat, entries: Index) -> bool:
    """Whether first steps leave more noise in some entry than the tolerance lets pass, so that longer ones serve."""
    return 3.0 * WEIGHTS * noise_share(setting, given, entries) > setting.tolerance.rtol


def noise_share(setting: Setting, given: Flat, entries: Index) -> float:
    """The largest part that the noise of one value is of what an entry's first step changes; nan where nothing moves.

    given : (k,) what is claimed of the entries, each as large as the root mean square of its gradient at the least.
    """
    output, column = setting.places(entries)
    size = np.maximum(np.abs(given), sizes_by(setting.groups(entries), given))
    moved = setting.relative_step[output] * setting.scales[column] * size
    return float(np.max(setting.level[output] / np.where(moved > 0, moved, np.nan)))


def block_scales(setting: Setting, found: Estimate, entries: Index) -> Flat:
    """The size (k,) of the gradient that each entry belongs to: of one output, with respect to one array of x."""
    return _with_lent(setting, gradient_scale(found, setting.groups(entries)), entries)


def _with_lent(setting: Setting, own: Flat, entries: Index) -> Flat:
    """The sizes (k,), with what directions and other outputs tell of those that are 0 by their entries alone."""
    output, column = setting.places(entries)
    # Where f is flat along every axis (x y at 0), what it changes along the probed direction still gives a size.
    scale = np.where(own > 0, own, setting.slope[output] / setting.scales[column])
    if setting.gradient_scale is not None:
        scale = np.maximum(scale, setting.gradient_scale[setting.groups(entries)])
    known = scale[scale > 0]
    if setting.outputs > 1 and known.size:
        # An output that depends on nothing counts as large as the others.
        scale = np.where(scale == 0, root_mean_square(known), scale)
    return np.asarray(scale)


def _without_noise(setting: Setting, found: Estimate, own: Flat, given: Flat, entries: Index) -> Flat:
    """The sizes (k,) of gradients, 0 where all of one is claimed to do nothing and f moves by nothing but its noise.

    Which of its lines round to the same value is luck then. What their bars hide is within rtol of what others do. To
    do nothing is to be 0, or some roundings of what another array is seen to do, as a bias before a normalisation is.
    """
    if not (found.chord <= MARGIN * found.error).any():
        return own
    bar = 3.0 * found.error / setting.tolerance.rtol
    lent = _with_lent(setting, np.zeros_like(own), entries)
    still = (given == 0) & (found.chord <= found.error) & (bar <= lent)
    output, column = setting.places(entries)
    scale, others = setting.scales[column], _of_others(setting, own, entries)
    slight = np.abs(given) <= ROUNDINGS * setting.tolerance.eps * others
    slight &= np.abs(given) * np.maximum(scale, 1.0) <= _hidden(setting)[output]
    still |= slight & (found.chord <= MARGIN * found.error) & (bar <= others)
    group = setting.groups(entries)
    return np.where(still & ~np.isin(group, group[~still]), 0.0, own)


def _of_others(setting: Setting, own: Flat, entries: Index) -> Flat:
    """What the array that moves f most does (k,), as a slope along each entry: own sizes, and what directions tell."""
    output, column = setting.places(entries)
    # A slope along the first points that is no noise of theirs, and that of any array that was seen.
    coarse = max(eps_of(block.real_dtype) for block in setting.parameters.blocks)
    reach = SPACED[-1] * first_spacing(coarse)
    most = np.where(setting.slope * reach > CLEAR * setting.level, setting.slope, 0.0)
    np.maximum.at(most, output, own * setting.scales[column])
    return np.asarray(most[output] / setting.scales[column])


def _without_residue(setting: Setting, evidence: Entries) -> Entries:
    """The evidence without accusations of what sums that cancel leave in a derivative, where f shows no slope at all.

    A bias before a normalisation: its gradient is 0, and the roundings of far larger terms beside what others do.
    """
    found, given, entries = evidence.estimate, evidence.analytic, evidence.coordinates
    group, tolerance = setting.groups(entries), setting.tolerance
    others = _of_others(setting, gradient_scale(found, group), entries)
    left = np.abs(given) <= min(RESIDUE * tolerance.eps, tolerance.rtol) * others
    left &= np.abs(found.value) <= MARGIN * found.error
    residue = evidence.judgement.wrong & ~np.isin(group, group[~left])
    return evidence.left_open(residue, Limit.NOISE) if residue.any() else evidence


def _hidden(setting: Setting) -> Flat:
    """By how much (m,) a claim may move f and be nothing beside what others do: its noise, or roundings of that."""
    return np.asarray(np.maximum(setting.level, ROUNDINGS * setting.tolerance.eps * setting.slope))


def _of_claims(setting: Setting, scale: Flat, own: Flat, given: Flat, entries: Index) -> Flat:
    """The sizes (k,), without what other arrays or outputs lend to one along which f shows no slope.

    own : (k,) by the entries of each gradient alone. What is lent bears out a claim of 0 there, or one by which f would
    move no more than its noise while x_j changes by its scale, or than a rounding of what others move it by; any other
    claim is as large as it says.
    """
    flat = own == 0
    if not flat.any():
        return scale
    output, column = setting.places(entries)
    hidden = _hidden(setting)[output]
    # Longer steps than x is large show it, too, as they do at 0.
    shows = np.abs(given) * np.maximum(setting.scales[column], 1.0) > hidden
    return np.where(flat & shows, 0.0, scale)


def _confirm(setting: Setting, evidence: Entries) -> tuple[Estimate, Judgement]:
    """Measure again what seems wrong, by the rule of `gradcheck.evidence.confirm`."""
    given, entries = evidence.analytic, evidence.coordinates
    column = setting.places(entries)[1]
    together = None if setting.outputs == 1 else directions_of(setting, column)

    def again(at: Index, step: Flat, side: NDArray[np.int8]) -> Estimate | None:
        if setting.objective.remaining < POINTS * at.size:
            return None
        return along_axes(setting, entries[at], step, anything, rounds=1, side=side)

    def decided(estimate: Estimate) -> Judgement:
        return decide(setting, estimate, given, entries)

    size = setting.size_of(column)
    own = np.where(size > 0, size, setting.scales[column])
    found, judgement = confirm(given, evidence.estimate, evidence.judgement, again, decided, own, together)
    if setting.together is not None:
        return found, judgement
    found = _with_noise_that_grows(
        setting, found, given, entries, np.flatnonzero(judgement.wrong & (size == 0))
    )
    return found, decided(found)


def _with_noise_that_grows(
    setting: Setting, found: Estimate, given: Flat, entries: Index, at: Index
) -> Estimate:
    """Where x is 0 terms that cancel round as the step does, (0.1 + 0.2) x - 0.3 x, which no noise beside x shows.

    at : those that are called wrong. Of the few columns of which the least is off by the fewest bars, and of the next
    as long as that noise acquits one of these.
    """
    at = at[np.isfinite(found.error[at]) & (found.chord[at] > 0) & (found.limit[at] != Limit.KINK)]
    off = np.abs(given - found.value)
    with np.errstate(all="ignore"):
        at = at[np.argsort(off[at] / found.error[at], kind="stable")]
    columns = setting.places(entries[at])[1]
    first, which = np.unique(columns, return_index=True, return_inverse=True)[1:]
    turn = np.argsort(np.argsort(first))[which] // (CONFIRMED if setting.outputs == 1 else NEARLY)
    for part in (at[turn == k] for k in range(turn.max(initial=-1) + 1)):
        if setting.room is not None or setting.objective.remaining < (SPACED.size - 1) * part.size:
            break
        found, noise = _grown(setting, found, entries, part)
        if not (off[part] <= MARGIN * noise).any():
            break
    return found


def _grown(setting: Setting, found: Estimate, entries: Index, at: Index) -> tuple[Estimate, Flat]:
    """The same with bars that hold the noise of equal steps, and that noise of each row of `at`.

    As long as the first tell it from what f bends; seven values each.
    """
    lines = lines_of(setting, *setting.places(entries[at]))
    offsets = found.step[at][:, None] * SPACED[1:] / SPACED[-1]
    values = setting.objective.along(lines, np.arange(at.size), offsets)
    f_x = setting.f_x[setting.places(entries[at])[0]]
    level = 2.0 * scatter(np.concatenate([f_x[None, :], values.T]))
    noise = WEIGHTS * level / found.step[at]
    grown = noise > found.noise[at]
    error, limit = found.error.copy(), found.limit.copy()
    error[at[grown]] = np.maximum(error[at], noise)[grown]
    limit[at[grown]] = Limit.NOISE
    return replace(found, error=error, limit=limit, nfev=found.nfev + offsets.size), noise
