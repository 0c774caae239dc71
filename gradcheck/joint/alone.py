"""Entries that joint directions name, each judged by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck._typing import Flat, Index, Mask
from gradcheck.evidence.axes import BEYOND, first_steps, lines_of, measure
from gradcheck.evidence.complex_test import at_a_kink
from gradcheck.evidence.entries import WEIGHTS, claimed_still, decide, held, judged, sweep
from gradcheck.joint.directions import COMPLEX_ROUNDING
from gradcheck.joint.points import EPS
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.stencils import STENCIL, inner_pairs
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate, as_told
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate, rows
from gradcheck.results.verdict import Judgement

# An entry that is off by so many bars needs no second stencil; four points say so where what they see is itself that
# much larger than its bar.
CLEARLY = 10.0
# So many entries of a column that are claimed to be 0 are taken for missing, and as many as the others.
FEW = 2
# A kink at x that explains a claim shows in the real points by this part of it, whatever others beside x add to it.
BENT = 0.03
# The two inner pairs of a stencil.
PAIRS = STENCIL[1:-1]


def judge_alone(
    setting: Setting,
    claimed: Flat,
    entries: Index,
    *,
    exact: bool,
    off: Flat | None = None,
) -> Entries:
    """Some entries (k,) of the claim (n,), each by itself; a second stencil where the first leaves doubts.

    exact : by the complex step and two real points; otherwise by four points, or by a stencil where these leave doubts.
    off : (k,) what directions say that these entries are off by: one that is measured so needs no second look.
    """
    if entries.size == 0 or setting.objective.remaining < 6 * entries.size:
        return sweep(setting, claimed[entries], entries)
    if exact:
        found, bend = _by_complex_step(setting, claimed[entries], entries)
        judgement, clear = _clear(setting, found, claimed[entries], entries, exact=True)
        exactly = Entries(entries, claimed[entries], found, judgement)
        bent = bend >= BENT * np.abs(claimed[entries] - found.value)
        doubted = rows(exactly, np.flatnonzero(judgement.wrong & bent))
        if clear.all() and not at_a_kink(setting, doubted).any():
            return exactly
        return sweep(setting, claimed[entries], entries)
    at = _within_reach(setting, claimed[entries], entries)
    parts = [_by_four_points(setting, claimed[entries[at]], entries[at])] if at.any() else []
    left = np.setdiff1d(entries, parts[0].coordinates) if parts else entries
    if left.size:
        theirs = None if off is None else off[np.searchsorted(entries, left)]
        parts.append(judge_by_stencils(setting, claimed[left], left, theirs))
    return concatenate(parts)


def judge_in_rows(setting: Setting, given: Flat, entries: Index, off: Flat | None = None) -> Entries:
    """Some entries of one column of a matrix, from the same points: four, or a stencil where these leave doubts.

    given, off : as of `judge_by_stencils`.
    """
    claimed, nothing = np.abs(given), given == 0
    if setting.gradient_scale is not None and np.count_nonzero(nothing) <= max(FEW, given.size // 2):
        # Where few are claimed to be 0 they may be as large as the others of their rows.
        claimed = np.where(nothing, setting.gradient_scale[setting.groups(entries)], claimed)
    if _within_reach(setting, claimed, entries).all():
        found = _by_four_points(setting, given, entries)
        if found.coordinates.size == entries.size:
            return found
    return judge_by_stencils(setting, given, entries, off)


def _clear(
    setting: Setting, found: Estimate, given: Flat, entries: Index, *, exact: bool = False
) -> tuple[Judgement, Mask]:
    """The decision about measured entries (k,), and those for which it needs no second look.

    exact : as of `decide`.
    """
    judgement = decide(setting, found, given, entries, exact=exact)
    off = np.abs(given - found.value)
    clear = judgement.verified | (judgement.wrong & (off > CLEARLY * judgement.allowed))
    # Limits such as a kink or an edge want a second look.
    plain = np.array([limit in (Limit.NONE, Limit.NOISE) for limit in found.limit])
    return judgement, clear & plain


def judge_by_stencils(setting: Setting, given: Flat, entries: Index, off: Flat | None = None) -> Entries:
    """One stencil for each of some entries, and a second one for all where the first leaves a doubt.

    given, off : (k,) what is claimed of them, and what directions say that they are off by.
    """
    outputs = setting.places(entries)[0]
    found = claimed_still(setting, measure(setting, entries), given, outputs)
    judgement, clear = _clear(setting, found, given, entries)
    if off is not None:
        apart = np.abs(given - found.value - off) + 3.0 * found.error
        clear |= judgement.wrong & (CLEARLY * apart <= np.abs(off))
    if clear.all():
        return held(setting, Entries(entries, given, found, judgement))
    return judged(setting, found, given, entries)


def _within_reach(setting: Setting, given: Flat, entries: Index) -> Mask:
    """Entries (k,) of which four points can be clear: what is claimed shows beside the noise."""
    if setting.objective.remaining < (len(PAIRS) + len(STENCIL)) * entries.size:
        return np.zeros(entries.size, bool)
    outputs, columns = setting.places(entries)
    steps = first_steps(setting, entries)
    shows = 3.0 * CLEARLY * WEIGHTS * setting.level[outputs] / steps < np.abs(given)
    # An entry at 0 has no size, and far from its own size f may be another function.
    able = shows & (steps <= BEYOND * np.abs(setting.x[columns]))
    room = np.inf if setting.room is None else np.minimum(*setting.room)[columns]
    return np.asarray(able & (room > steps))


def _by_four_points(setting: Setting, given: Flat, entries: Index) -> Entries:
    """Those of some entries about which four points are clear; given : (k,) what is claimed of them."""
    outputs, columns = setting.places(entries)
    lines, lines_at = lines_of(setting, outputs, columns), np.arange(entries.size)
    offsets = lines.reached(lines_at, first_steps(setting, entries)[:, None] * PAIRS)
    values = setting.objective.along(lines, lines_at, offsets)
    found = inner_pairs(setting.f_x[outputs], offsets, values, setting.level[outputs])
    found = replace(found, nfev=len(PAIRS) * np.unique(columns).size)
    judgement, clear = _clear(setting, found, given, entries)
    # Where f oscillates within the points a slope that is as small as their bar is none; and what a stencil would go on
    # to measure clears nobody.
    precise = 3.0 * found.error <= setting.tolerance.rtol * judgement.scale + setting.tolerance.atol
    clear &= (CLEARLY * found.error < np.abs(found.value)) & (judgement.wrong | precise)
    return held(setting, rows(Entries(entries, given, found, judgement), np.flatnonzero(clear)))


def _by_complex_step(setting: Setting, claimed: Flat, entries: Index) -> tuple[Estimate, Flat]:
    """The complex step at each entry, and two real points, which tell an f that is not analytic there.

    And what the slopes of these (k,) differ by.
    """
    x, scales = setting.x, setting.scales
    exact, real, bend = (np.full(entries.size, np.nan) for _ in range(3))
    step = 1e-3
    for k, entry in enumerate(entries):
        tangent = np.zeros(x.size)
        tangent[entry] = scales[entry]
        values = setting.complex_along(tangent)
        low, high = setting.along(tangent, np.array([-step, step]))[:, 0]
        real[k] = (high - low) / (2.0 * step) / scales[entry]
        bend[k] = abs(high - 2.0 * setting.f_x[0] + low) / step / scales[entry]
        exact[k] = np.nan if values is None else float(values.imag[0]) / scales[entry]
    size, own = np.maximum(np.abs(exact), np.abs(claimed)), scales[entries]
    # It may be what is left of larger terms: none above f, nor above what others change f by; a claim is no evidence.
    terms = np.fmax(np.abs(setting.f_x[0]), np.max(np.abs(exact * own))) / own
    rounding = COMPLEX_ROUNDING * EPS * np.maximum(np.abs(exact), np.minimum(size, terms))
    rounding += np.finfo(np.float64).tiny
    # The real difference is off by the square of its step; it has to come nearer to the one than to the other.
    agrees = np.abs(real - exact) <= np.maximum(step * size, 0.5 * np.abs(claimed - exact))
    error = np.where(agrees, rounding, np.inf)
    limit = np.array([Limit.DISPUTED, Limit.NONE], object)[agrees.astype(int)]
    told = as_told(exact, error, np.zeros(entries.size))
    return replace(told, limit=limit, nfev=3 * entries.size), bend
