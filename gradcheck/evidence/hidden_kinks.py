"""Kinks that lie together at x: closer than noise lets be told apart, or made of one another.

Between the first f may have any of their slopes at x, and beside the others it has slopes that it has not at x.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import smallest_steps
from gradcheck.evidence.confirm import CONFIRMING_STEP, MARGIN, VISIBLE
from gradcheck.function.lines import Lines
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import random_units
from gradcheck.results.entries import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import TINY

# Of a kink that was followed to this part of the size of its coordinate there is one only; where an array of zeros has
# none it takes the second of what is taken for it.
FOLLOWED, FOLLOWED_AT_0 = 1e-6, 1e-9
# Kinks of both signs cancel where all are seen at once: so many times the largest jump of an array leaves room for it.
CANCELLED = 3.0
# An array of zeros has no size, and its first step is a guess: what only so many times that shows through the noise,
# which over the first step hid it, may be the slope of f beyond kinks that noise hides, too.
FAR = 2.0

# Points beside x, and the part of their distance over which a slope is taken there: less than any coordinate is moved
# by, so that the kinks at x lie between few of its two points.
BESIDE, WITHIN = 8, 0.25
# A slope lies outside that does by more than this part of what a claim is off, or of a fiftieth of the jump: f bends
# on the way.
CLEARLY = 0.05
# So few points see few of the slopes: others may lie beyond them by so many times what these are apart.
UNSEEN = 2.0
# So many times other points are asked of an entry that is not explained.
TURNS = 3
# Slopes along equal coordinates are of one distance from x where their steps differ by no more.
ALIKE = 64.0
# Entries that are looked at where it is asked whether kinks meet, of all that are at a kink.
FEW = 8


def open_between_kinks(setting: Setting, evidence: Entries) -> Entries:
    """Nothing decided where what was called wrong may be a slope between kinks that lie together at x.

    Twenty rectifiers whose biases are 0, each of which switches at a place of its own, all nearer to x than noise lets
    steps be: from there f has one kink, or none where their jumps cancel, and its slope at x is that of some of them.
    """
    if not evidence.judgement.wrong.any():
        return evidence
    evidence = _without_middles(setting, _without_where_kinks_meet(setting, evidence))
    found, wrong, given = evidence.estimate, evidence.judgement.wrong, evidence.analytic
    seen = np.asarray(found.kink > 0)  # nan where nothing was measured
    column = setting.places(evidence.coordinates)[1]
    size = setting.size_of(column)
    own = np.where(size > 0, size, setting.scales[column])
    nearest = np.minimum(CONFIRMING_STEP, found.noise / (VISIBLE * np.where(seen, found.kink, np.inf)))
    empty = np.array([not setting.size_of(block.slice).any() for block in setting.parameters.blocks])
    sizeless = empty[setting.owners(column)]
    followed = nearest * found.step <= np.where(sizeless, FOLLOWED_AT_0, FOLLOWED) * own
    jump = np.where(seen & ~followed, 2.0 * found.kink, 0.0)
    # Where a coordinate is not 0, kinks of others lie as near to x as its own value is large, and show.
    doubtful = (jump > 0) | (size == 0)
    _, group = np.unique(2 * setting.groups(evidence.coordinates) + (size == 0), return_inverse=True)
    largest = np.zeros(wrong.size)
    np.maximum.at(largest, group, jump)
    low, high = np.fmin(found.left, found.right), np.fmax(found.left, found.right)
    kinked = np.asarray(found.limit == Limit.KINK)
    outside = np.where(kinked, np.fmax(low - given, given - high), np.abs(given - found.value))
    hidden = wrong & doubtful & (outside <= CANCELLED * largest[group])
    noisy = np.asarray(found.limit == Limit.NOISE) & sizeless
    times = found.step / setting.first_steps[column]
    hidden |= wrong & noisy & (times > FAR) & (outside <= CANCELLED * MARGIN * times * found.noise)
    if not hidden.any():
        return evidence
    return evidence.left_open(hidden & ~kinked, Limit.BESIDE).left_open(hidden & kinked)


def _without_where_kinks_meet(setting: Setting, evidence: Entries) -> Entries:
    """The evidence without accusations at a kink of f where it has other slopes beside x than at x.

    Of a convex f, or a concave one, those beside x lie between those at x, and what lies outside is wrong. Where kinks
    are made of kinks (two layers of rectifiers behind a row of zeros) they do not: a rule that takes one side of each
    is then a slope of f beside x, and may be none that f has at x. With `subgradient` what lies between all that were
    seen passes. Sixteen evaluations an entry, as long as what is off by most is explained; of eight at the first.
    """
    found, given = evidence.estimate, evidence.analytic
    (output, column), group = setting.places(evidence.coordinates), setting.groups(evidence.coordinates)
    told = np.isfinite(found.sided) & np.isfinite(given)
    # Kinks of coordinates that are not 0 lie beside one another, most often, and not together.
    kinked = np.asarray(found.limit == Limit.KINK) & told & (setting.x[column] == 0)
    at = np.flatnonzero(evidence.judgement.wrong & told)
    if at.size == 0 or setting.room is not None:
        return evidence
    low, high = np.fmin(found.left, found.right), np.fmax(found.left, found.right)
    outside = np.fmax(low - given, given - high)
    at = at[np.argsort(-outside[at], kind="stable")]
    before = setting.objective.nfev
    hidden, passes = np.zeros((2, given.size), bool)
    for each in dict.fromkeys(output[at].tolist()):
        mine, its = output == each, at[output[at] == each]
        kinks, rows = np.flatnonzero(kinked & mine), np.flatnonzero(told & mine)
        # Along an array without a kink f has a slope, and what is off is wrong, but where f is no sum of its slopes.
        beside = np.isin(group[its], group[kinks])
        if not beside.all():
            if _tied(setting, evidence, its, rows, outside):
                kinks = rows
            else:
                its = its[beside]
        span = where_kinks_meet(setting, evidence, kinks, its) if its.size else 0.0
        if span == 0:
            break
        for k in its.tolist():
            hidden[k], inside = _explained(setting, evidence, k, span)
            passes[k] = inside and setting.subgradient
            if not hidden[k]:  # one is enough; of the others what needs no look is explained
                hidden[its] |= outside[its] <= span
                break
        if not hidden[its].all():
            break
    evidence = replace(evidence, estimate=replace(found, nfev=found.nfev + setting.objective.nfev - before))
    evidence = evidence.left_open(hidden, Limit.KINKS)
    said = evidence.judgement
    said = replace(said, verified=said.verified | passes, subgradient=said.subgradient | passes)
    return replace(evidence, judgement=said)


def _without_middles(setting: Setting, evidence: Entries) -> Entries:
    """The evidence without accusations at kinks where all that is amiss is the middle of an |x| that lies there, too.

    Beside a rectifier at 0, an L1 penalty of x_j has the slope 0 by its rule, and the sum of both rules may be no slope
    of f: its distance from the slope on one side is what another kink has to both sides, where the penalty is alone.
    """
    found, given, wrong = evidence.estimate, evidence.analytic, evidence.judgement.wrong
    output, column = setting.places(evidence.coordinates)
    kinked = np.asarray(found.limit == Limit.KINK) & np.isfinite(found.sided) & (setting.x[column] == 0)
    bar = MARGIN * found.sided + setting.tolerance.rtol * np.abs(given)
    opened = np.zeros(given.size, bool)
    for beyond in (given - found.left, found.right - given):
        for k in np.flatnonzero(kinked & wrong & (CLEARLY * beyond > bar)).tolist():
            alike = (output == output[k]) & (np.abs(beyond - beyond[k]) <= bar + bar[k])
            opened[k] |= bool((kinked & alike & (np.abs(found.kink - beyond[k]) <= bar + bar[k])).any())
    return evidence.left_open(opened, Limit.KINKS) if opened.any() else evidence


def _tied(setting: Setting, evidence: Entries, wrong: Index, rows: Index, outside: Flat) -> bool:
    """Whether f is no sum of its slopes along some entries, as the median of ties, which moves by none of them alone.

    wrong : of them those that are called so. Without two equal coordinates nothing is asked, nor where f bends along
    these: what takes coordinates together and shows no kink is a line along each. Four evaluations.
    """
    found, (output, column) = evidence.estimate, setting.places(evidence.coordinates)
    if (np.abs(found.curvature) * found.step > MARGIN * found.error)[wrong].any():
        return False
    alike = np.isin(setting.x[column[rows]], setting.x[column[wrong]])
    rows = rows[alike]
    if (
        rows.size < 2
        or np.unique(setting.x[column[rows]]).size == rows.size
        or setting.objective.remaining < 4
    ):
        return False
    tangent, lengths = np.zeros(setting.x.size), _lengths(setting, evidence, rows)
    if lengths.max() > ALIKE * lengths.min():  # slopes of other distances
        return False
    step = float(lengths.min()) / math.sqrt(rows.size)
    tangent[column[rows]] = random_units(np.random.default_rng(0), rows.size)
    moved = tangent[column[rows]]
    steps = step / np.array([1.0, 8.0])
    values = setting.along(tangent, np.concatenate([steps, -steps]))[:, output[rows[0]]]
    far, near = (values[:2] - values[2:]) / (2.0 * steps)
    apart = abs(near - found.value[rows] @ moved)
    # What is another nearer to x bends.
    slack = abs(far - near) + setting.level[output[rows[0]]] / steps[1] + found.error[rows] @ np.abs(moved)
    return bool(apart > MARGIN * slack + CLEARLY * float(outside[wrong].max()))


def _explained(setting: Setting, evidence: Entries, k: int, span: float) -> tuple[bool, bool]:
    """Whether a claim lies no farther from the slopes beside x than these leave room for, and whether among them.

    span : what those of another entry span.
    """
    given, low, high = float(evidence.analytic[k]), math.inf, -math.inf
    for turn in range(TURNS):
        least, most, slack = _seen(setting, evidence, k, turn)
        low, high = min(low, least), max(high, most)
        beyond = max(low - given, given - high) - slack
        if beyond <= max(UNSEEN * (high - low), span):
            return True, beyond <= 0
    return False, False


def where_kinks_meet(setting: Setting, evidence: Entries, *kinds: Index) -> float:
    """What f's slopes along one of some entries span where those beside x lie outside of those at x; 0 where none do.

    kinds : of each kind some are asked.
    """
    found = evidence.estimate
    few = FEW // len(kinds)
    rows = [k[np.linspace(0, k.size - 1, min(few, k.size)).round().astype(np.intp)] for k in kinds]
    for k in np.unique(np.concatenate(rows)).tolist():
        if setting.objective.remaining < 2 * BESIDE:
            break
        least, most, slack = _seen(setting, evidence, k)
        low, high = sorted((float(found.left[k]), float(found.right[k])))
        if max(low - least, most - high) > slack:
            return most - least
    return 0.0


def _seen(setting: Setting, evidence: Entries, k: int, turn: int = 0) -> tuple[float, float, float]:
    """The least and the largest slope along an entry at x and beside x, and by how much one is clearly another.

    As near to x as noise leaves that to be seen: what f bends on the way is less there, and kinks are not.
    """
    found, given = evidence.estimate, float(evidence.analytic[k])
    low, high = sorted((float(found.left[k]), float(found.right[k])))
    output, column = setting.places(evidence.coordinates[[k]])
    outside = max(low - given, given - high)
    clear = CLEARLY * max(outside if outside > 0 else VISIBLE * (high - low), TINY)
    noise = MARGIN * float(setting.level[output[0]]) / WITHIN
    farthest = float(_lengths(setting, evidence, np.array([k]))[0]) / math.sqrt(setting.x.size)
    nearest = float(smallest_steps(setting, column)[0]) / CLEARLY
    length = min(max(4.0 * noise / clear, nearest), farthest)
    if length == farthest:  # where noise asks for more f bends by as much
        clear = max(clear, CLEARLY * (high - low))
    tangent = np.zeros(setting.x.size)
    tangent[column] = 1.0
    least, most = _slopes_beside(setting, tangent, int(output[0]), length, TURNS * k + turn)
    slack = MARGIN * float(found.sided[k]) + clear + noise / length
    return min(low, least), max(high, most), slack


def _lengths(setting: Setting, evidence: Entries, rows: Index) -> Flat:
    """The steps (k,) of some entries, no longer than the first; the complex step has no length."""
    step = evidence.estimate.step[rows]
    first = setting.first_steps[setting.places(evidence.coordinates[rows])[1]]
    return np.asarray(np.where(step > 0, np.minimum(step, first), first))


def _slopes_beside(
    setting: Setting, tangent: Flat, output: int, length: float, seed: int
) -> tuple[float, float]:
    """The least and the largest of eight slopes of an output along a tangent (n,).

    length : how far from x the points lie, in units of the tangent; each coordinate is moved by as much of its scale.
    """
    size = length * float(np.max(np.abs(tangent) / setting.scales)) * setting.scales
    generator, across = np.random.default_rng(seed), WITHIN * length * tangent
    points = [size * random_units(generator, size.size) for _ in range(BESIDE)]
    rays = Lines.rays(setting.x, [p + side * across for p in points for side in (-1.0, 1.0)])
    rows = np.arange(2 * BESIDE)
    lines = rays.of(rows, np.full(rows.size, output))
    values = setting.objective.along(lines, rows, np.ones((rows.size, 1)))[:, 0]
    slopes = (values[1::2] - values[::2]) / (2.0 * WITHIN * length)
    return float(slopes.min()), float(slopes.max())
