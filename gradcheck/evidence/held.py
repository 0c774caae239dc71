"""Whether accusations hold at other steps: nearer to x, and farther away, where f does not move."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.axes import along_axes, anything, lines_of, of_terms, smallest_steps
from gradcheck.evidence.confirm import MARGIN
from gradcheck.numerics.rounding import SINGLE, significant_bits
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement

# Noise of so many roundings of f(x) may be kinks, which the digits of f resolve; what moves f by so many roundings
# shows; and nearer is so many times as near, at the least.
ROUGH, SHOWS, NEARER = 1e3, 16.0, 30.0
# Entries of a column that are looked at so many times as far as others share their points.
ALIKE = 8.0
# Where noise is above that: so many times as far as where one value shows, f shows it as well.
FARTHER_ON = (2.0, 4.0, 8.0)
# Kinks that noise did not show change a slope by no more than this part of what its array is.
SLIGHT = 0.01
# So many columns, those of the weakest accusations, are looked at first; all where one of these does not hold.
NEARLY = 4
# Where f leaves a line is looked for to this part of the way there, in so many bisections at most. It has left it by
# this part of what the other slope makes; by half of that, within so short a way, it jumps.
WITHIN, BISECTIONS, LEFT = 1.0 / 256.0, 24, 0.25
# An f that moves by this part of a claim, or less, does not move.
HARDLY = 1e-3
# So near to x f may round within itself, as of a distance of 2e7 that it takes the sine of: what it makes of x is a
# million times as large.
WITHIN_ITSELF = 1e-6
# Where f seems to be flat it is looked for at this part of the size of x; its first jump at so many times that, and one
# that its digits do not explain nearer, where f bends less.
FARTHER, BEYOND, NEARBY = 0.3, (1.0, 4.0, 16.0), (0.1,)
# Numbers of no more bits are round.
ROUND = 5
# So many jumps, of which the last may be missing or the next one there, tell a slope to some per cent.
JUMPS = 16.0

Decide = Callable[[Estimate], Judgement]


def held_nearer(setting: Setting, evidence: Entries, judge: Decide) -> Entries:
    """The evidence without bars in the columns in which f has the slope that is claimed nearer to x.

    judge : decides about all estimates.
    As near as the digits of f(x) alone let a claim be told from what was found: kinks beside x, as those of a table,
    are noise to points that cross them, and all that f does at a coordinate of 0 may lie within every step. One
    evaluation a column of the few weakest accusations, and of the others where one of these does not hold.
    """
    near = _nearest(setting, evidence)
    at = np.flatnonzero(np.isfinite(near))
    if at.size == 0 or setting.objective.remaining < min(at.size, NEARLY):
        return evidence
    columns = setting.places(evidence.coordinates)[1]
    excess = np.abs(evidence.analytic - evidence.estimate.value)[at] / evidence.judgement.allowed[at]
    early = np.isin(columns[at], columns[at[np.argsort(excess)[:NEARLY]]])
    shown = _shown(setting, evidence, near, at[early])
    if shown.size == 0 or _made_of_steps(setting, evidence, near, shown):
        return evidence
    shown = np.concatenate([shown, _shown(setting, evidence, near, at[~early])])
    beside = ~np.isnan(near) & np.isin(columns, columns[shown])
    found = evidence.estimate.without_bar(beside, Limit.TRUNCATION)
    return replace(evidence, estimate=found, judgement=judge(found))


def _nearest(setting: Setting, evidence: Entries) -> Flat:
    """How near to x (k,) each entry is looked at, by the digits of its output; nan where it is not.

    Infinite where these tell no nearer than it was measured.
    """
    found, given = evidence.estimate, evidence.analytic
    output, column = setting.places(evidence.coordinates)
    x, distance, scale = setting.size_of(column), np.abs(given - found.value), evidence.judgement.scale
    # Where f does not move it may stand on a step: that shows no slope of 0, but beside 0 that there is none as found.
    suspect = evidence.judgement.wrong & np.isfinite(distance) & ((found.limit != Limit.KINK) | (x == 0))
    suspect &= (given != 0) | (x == 0)
    # At a coordinate of 0, which has no size, f may change over any length.
    rough = _rough(setting)[output]
    suspect &= rough | (x == 0) | _slight(evidence)
    # Terms within f are rounded as well, and x; what was measured where f seems to be flat beside 0 is what it bends,
    # or how far a row of zeros that is normalised jumps.
    flat = (x == 0) & (np.abs(found.value) <= MARGIN * found.error)
    eps = setting.tolerance.eps
    # The noise by digits alone where more was measured, but where that is hardly more.
    level = np.where(
        rough, eps * np.maximum(np.abs(setting.f_x), setting.slope)[output], setting.level[output]
    )
    rounding = np.where(flat, eps * np.abs(setting.f_x)[output], np.maximum(level, eps * x * scale))
    near = np.full(distance.size, np.nan)
    near[suspect] = SHOWS * rounding[suspect] / distance[suspect]
    near = _of_columns(np.maximum(near, smallest_steps(setting, column)), column)
    room = np.max(_room(setting, column), axis=0)
    return np.asarray(np.where(NEARER * near > np.minimum(found.step, room), np.inf, near))


def _of_columns(near: Flat, column: Index) -> Flat:
    """Distances (k,), each that of the farthest of its column within a factor of ALIKE, so that these share points.

    Not one for all: an output that is 0 has all digits where others do not move, or by no more than they round.
    """
    known = np.flatnonzero(np.isfinite(near))
    columns, which = np.unique(column[known], return_inverse=True)
    nearest = np.full(columns.size, np.inf)
    np.minimum.at(nearest, which, near[known])
    times = np.floor(np.log(near[known] / nearest[which]) / math.log(ALIKE))
    _, which = np.unique(np.stack([which, times]), axis=1, return_inverse=True)
    shared = np.zeros(known.size)
    np.maximum.at(shared, which, near[known])
    together = near.copy()
    together[known] = shared[which]
    return together


def _slight(evidence: Entries) -> Mask:
    """Accusations (k,) by so little that kinks may make it of which noise shows nothing."""
    distance = np.abs(evidence.analytic - evidence.estimate.value)
    return np.asarray(distance <= SLIGHT * evidence.judgement.scale)


def _room(setting: Setting, column: Index) -> Flat:
    """How far some coordinates may go to the left and to the right, (2, k)."""
    return np.full((2, column.size), np.inf) if setting.room is None else np.stack(setting.room)[:, column]


def _rough(setting: Setting) -> Mask:
    """The outputs (m,) whose noise is far above what their digits resolve."""
    return np.asarray(setting.level > of_terms(setting))


def _shown(setting: Setting, evidence: Entries, near: Flat, at: Index) -> Index:
    """Those of some entries of which f shows the claim rather than what was found, as near to x as that is told.

    To both sides: noise that was taken for less, as it is by luck of one of many outputs, shows anything once.
    Where noise is far above a rounding it may be that of a solver, which shows any slope somewhere near x; kinks that
    make so much of it let f follow the claim from x on, by its digits: to one side at least it has to.
    Slight ones may make less.
    """
    if at.size == 0 or setting.objective.remaining < at.size:
        return at[:0]
    output, column = setting.places(evidence.coordinates)
    left, right = _room(setting, column)
    offset = np.where(right >= left, near, -near)
    at = at[_shows(setting, evidence, offset, at)]
    if at.size == 0 or setting.objective.remaining < at.size:
        return at[:0]
    gross = _rough(setting)[output[at]] & ~_slight(evidence)[at]
    shown, left_open = at[~gross], at[gross]
    both = (np.minimum(left, right) > near)[shown]
    again = _shows(setting, evidence, -offset, shown[both])
    shown = np.concatenate([shown[~both], shown[both][again]])
    for side in (1.0, -1.0):
        follows = left_open
        for times in FARTHER_ON:
            on = side * times * offset
            follows = follows[((-left < on) & (on < right))[follows]]
            if setting.objective.remaining < follows.size:
                return shown
            follows = follows[_shows(setting, evidence, on, follows, times)]
        shown, left_open = np.concatenate([shown, follows]), np.setdiff1d(left_open, follows)
    return shown


def _shows(setting: Setting, evidence: Entries, offset: Flat, at: Index, times: float = 1.0) -> Mask:
    """Of which of some entries (k,) f shows the claim rather than what was found, at an offset of each of all.

    times : how many times as far as that is told, so that it shows by so much better.
    """
    if at.size == 0:
        return np.zeros(0, bool)
    output, column = setting.places(evidence.coordinates[at])
    lines, rows_at = lines_of(setting, output, column), np.arange(at.size)
    offsets = lines.reached(rows_at, offset[at, None])
    values = setting.objective.along(lines, rows_at, offsets)
    slope = (values[:, 0] - setting.f_x[output]) / offsets[:, 0]
    found, given = evidence.estimate, evidence.analytic[at]
    side = np.where(offsets[:, 0] < 0, found.left[at], found.right[at])
    expected = np.where(found.limit[at] == Limit.KINK, side, found.value[at])
    off, other = np.abs(given - slope), np.abs(expected - slope)
    nothing = setting.size_of(column) == 0
    still = (slope == 0) & ~nothing
    # Beside 0 f may leave what was found within any length.
    flat = (found.limit[at] == Limit.KINK) | (np.abs(found.value[at]) <= MARGIN * found.error[at])
    leaves = nothing & flat & ~_rough(setting)[output] & (2.0 * other > np.abs(given - expected))
    return np.asarray(~still & ((2.0 * times * off < other) | leaves))


def _made_of_steps(setting: Setting, evidence: Entries, near: Flat, shown: Index) -> bool:
    """Whether f leaves a slope that it shows near x by a jump: then that is the slope of a step's surface.

    By the one of some entries whose two slopes are most apart.
    """
    distance = np.abs(evidence.estimate.value - evidence.analytic)
    at = int(shown[np.argmax(distance[shown])])
    output, _ = setting.places(evidence.coordinates[[at]])
    if not _rough(setting)[output[0]]:
        return False
    step, given, apart = evidence.estimate.step[at], evidence.analytic[at], distance[at]
    return jump_from_line(setting, int(evidence.coordinates[at]), given, (near[at], step), apart) > 0


def without_lost(setting: Setting, evidence: Entries, judge: Decide) -> Entries:
    """The evidence without bars where f does not move near x, and farther away moves in jumps.

    judge : decides about all estimates.
    log(1 + e) moves by a rounding of 1 at a time, however small it is itself. What makes less than two jumps at 0.3 of
    the size of x, or less than a rounding of f, is lost; and what f shows there about as it is claimed. Where f bends
    from where it is flat its slope is 0: a unit that is dead has none. Some twenty evaluations for the jump, six a
    column of the few smallest claims, and of the others where one of these is lost.
    """
    given, found = evidence.analytic, evidence.estimate
    output, column = setting.places(evidence.coordinates)
    size = setting.size_of(column)
    steps = FARTHER * np.where(size > 0, size, setting.scales[column])
    moved = np.abs(given) * steps
    still = evidence.judgement.wrong & (found.chord <= HARDLY * np.abs(given)) & np.isfinite(moved)
    if not still.any():
        return evidence
    before = setting.objective.nfev
    values = np.abs(setting.f_x)
    rounding = setting.tolerance.eps * np.maximum(values, np.median(values))[output]
    lost = still & (moved <= rounding)
    jump, row = _first_jump(setting, evidence, steps, still, still & ~lost, rounding)
    lost |= still & (output == row) & (moved <= 2.0 * jump)
    # Hardly any slope is lost without a jump that is seen as well.
    open_to = still & ~lost & ((jump > 0) | (np.abs(given) <= HARDLY * evidence.judgement.scale))
    # Over as many jumps as tell a slope f bends less than over all of that way.
    steps = np.minimum(steps, JUMPS * jump / np.abs(given)) if jump > 0 else steps

    def shown(mine: Mask, few: int, ask: Callable[..., Index], steps: Flat) -> Index:
        """Of which f shows the claim over some steps, in the few columns of the smallest; and if any, in the others."""
        at = np.flatnonzero(mine)
        first = np.isin(column[at], column[at[np.argsort(moved[at], kind="stable")[:few]]])
        told = ask(setting, evidence, at[first], steps)
        return np.concatenate([told, ask(setting, evidence, at[~first], steps)]) if told.size else told

    lost[shown(open_to, NEARLY, _shown_farther, steps)] = True
    nearby = still & ~lost & (found.step < WITHIN_ITSELF * size)
    lost[shown(nearby, 1, _followed, NEARBY[0] * steps)] = True
    found = replace(found, nfev=found.nfev + setting.objective.nfev - before)
    if not lost.any():
        return replace(evidence, estimate=found)
    found = found.without_bar(lost, Limit.NOISE)
    return replace(evidence, estimate=found, judgement=judge(found))


def _first_jump(
    setting: Setting, evidence: Entries, steps: Flat, still: Mask, may: Mask, rounding: Flat
) -> tuple[float, int]:
    """The jump by which f begins to move along the largest claim, 0 where it bends, or does not move; and its output.

    still, may : (k,) entries along which f does not move nearby, and those of them that may be rounded off. rounding :
    (k,) of their outputs.
    """
    given, step = np.abs(evidence.analytic), evidence.estimate.step
    output, _ = setting.places(evidence.coordinates)
    slight = given * step <= ROUGH * np.maximum(rounding, setting.tolerance.eps)
    # Where other outputs move, and none of them is rough, none is rounded but by its digits, be they few: those of
    # float16, bfloat16 or float32, and more than of what is cut off at 1 or 100.
    digits = setting.outputs > 1 and not _rough(setting)[np.setdiff1d(output, output[still])].any()
    bits = significant_bits(np.nan_to_num(setting.f_x)[None, :])[output]
    likely = may & (slight | (digits & (bits > ROUND) & (bits <= SINGLE)))
    may = likely if digits or likely.any() else may
    at = int(np.argmax(np.where(may, given * steps, -1.0)))
    # What is claimed to move f by far more than its digits has to be what it does farther away, too; and no farther.
    as_claimed, entry = not slight[at], int(evidence.coordinates[at])
    for times in (NEARBY if as_claimed else BEYOND) if may[at] else ():
        between, claimed = (float(step[at]), times * float(steps[at])), float(given[at])
        if jump := jump_from_line(setting, entry, 0.0, between, claimed, as_claimed=as_claimed):
            return jump, int(output[at])
    return 0.0, int(output[at])


def _followed(setting: Setting, evidence: Entries, at: Index, farthest: Flat) -> Index:
    """Those of some entries along which f, which stands still within their steps, moves about as claimed farther on.

    At two distances, ten times apart, to both sides, and no farther than so (k,), of all entries: so near to x a
    rounding may hide it, as of a distance of 2e7 that f takes the sine of. A unit that is dead moves to one side alone.
    """
    entries, given = evidence.coordinates[at], evidence.analytic[at]
    output, column = setting.places(entries)
    step = np.zeros(setting.x.size)
    np.maximum.at(step, column, evidence.estimate.step[at])
    step, room = step[column], np.min(_room(setting, column), axis=0)
    lines, rows_at = lines_of(setting, output, column), np.arange(at.size)
    shown = before = np.zeros(at.size, bool)
    while at.size:
        step = 10.0 * step
        within = step <= np.minimum(farthest[at], room)
        if not within.any() or setting.objective.remaining < 2 * np.unique(column).size:
            break
        offsets = lines.reached(rows_at, np.stack([-step, step], axis=1))
        values = setting.objective.along(lines, rows_at, offsets)
        sides = (values - setting.f_x[output][:, None]) / offsets
        agrees = within & (np.abs(sides - given[:, None]) <= 0.5 * np.abs(given)[:, None]).all(axis=1)
        shown, before = shown | (agrees & before), agrees
    followed: Index = at[shown]
    return followed


def _shown_farther(setting: Setting, evidence: Entries, at: Index, steps: Flat) -> Index:
    """Those of some entries along which f moves about as claimed over these steps, of all entries."""
    entries, given = evidence.coordinates[at], evidence.analytic[at]
    if at.size == 0 or setting.objective.remaining < POINTS * np.unique(setting.places(entries)[1]).size:
        return at[:0]
    far = along_axes(setting, entries, steps[at], anything, rounds=1)
    off = np.abs(given - far.value) <= MARGIN * far.error + np.abs(given) / 2.0
    shown: Index = at[(far.chord > 0) & off]
    return shown


def jump_from_line(
    setting: Setting,
    entry: int,
    slope: float,
    between: tuple[float, float],
    apart: float,
    *,
    as_claimed: bool = False,
    bend: float = 0.0,
) -> float:
    """The jump by which f leaves the line of some slope through x, between two distances along one coordinate.

    apart : by how much the slope from x to the farther distance is another. 0 where f stays with the line; and where it
    leaves it little by little, as at a kink. as_claimed : nor where it has not left it by about `apart` times the way.
    bend : the second derivative of what takes the place of the line.
    It is the first jump on the way, be there larger ones, which `rounding.jump_of` would find.
    """
    output, column = setting.places(np.array([entry]))
    lines, at = lines_of(setting, output, column), np.zeros(1, np.intp)
    f_x = setting.f_x[output[0]]
    near, far = between
    # As far to both sides, or to the one on which there is room.
    left, right = _room(setting, column)[:, 0]
    sides = [-1.0, 1.0] if min(left, right) > near else [1.0 if right >= left else -1.0]
    far = min(far, left if sides[0] < 0 else np.inf, right if sides[-1] > 0 else np.inf)
    if near >= far or setting.objective.remaining < BISECTIONS + 3:
        return 0.0

    def departure(distance: float) -> tuple[float, float]:
        offset = lines.reached(at, np.array([[distance]]))
        value, t = float(setting.objective.along(lines, at, offset)[0, 0]), float(offset[0, 0])
        return t, value - float(f_x) - (slope + 0.5 * bend * t) * t

    blurred = SHOWS * setting.tolerance.eps * abs(f_x)
    high = max((departure(side * far) for side in sides), key=lambda there: abs(np.nan_to_num(there[1])))
    side, off = math.copysign(1.0, high[0]), abs(high[1])
    if not off > LEFT * apart * far or (as_claimed and abs(off - apart * far) > 0.5 * apart * far):
        return 0.0
    low = departure(side * near)
    for _ in range(BISECTIONS):
        here, there = abs(low[0]), abs(high[0])
        if there - here <= WITHIN * there:
            break
        middle = math.sqrt(here * there) if there > 2.0 * here else (here + there) / 2.0
        found = departure(side * middle)
        low, high = (low, found) if abs(found[1]) > max(LEFT * apart * middle, blurred) else (found, high)
    jump = abs(high[1] - low[1])
    return jump if jump > LEFT / 2.0 * apart * abs(high[0]) else 0.0
