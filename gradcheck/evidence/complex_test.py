"""The complex step beside real differences: the first method where they agree, a second one where noise is large."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import along_rays
from gradcheck.evidence.confirm import CONFIRMED
from gradcheck.evidence.entries import CHUNK, block_scales, decide, sweep, verify
from gradcheck.function.objective import BudgetSpentError
from gradcheck.numerics.rounding import on_no_grid
from gradcheck.numerics.setting import (
    NARROW,
    STEP,
    Setting,
    accepts_complex,
    complex_values,
)
from gradcheck.numerics.steps import POINTS, SPARE
from gradcheck.numerics.tangents import ROUNDING, random_units, sizes_by
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate, as_told
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put, rows
from gradcheck.results.verdict import accepted, larger

# Entries at which real differences must agree before the complex step is trusted for others.
COMPARED = 8
# Roundings of f over the whole size of x that a slope may have lost.
SATURATED = 32.0
# A real difference that is itself known to a tenth only says little for or against.
TELLING = 0.1
# A kink at x that explains what is wrong has at least that much between its slopes; of several no sum comes to nearly 0
# but for one in a hundred.
HIDDEN = 0.01


def by_complex_step(
    setting: Setting, given: Flat, coordinates: Index, rng: Any, *, trusted: bool = False
) -> Entries | None:
    """Judge entries by the complex step, one evaluation a column; None where it cannot be relied on.

    rng : seed or Generator of one random direction that moves every coordinate. The complex step along it (one
        evaluation) and a real difference (six, where the first step serves) must agree: an f that does not take
        complex numbers, or is not analytic (abs, max at a tie, conj), is found out there.
    trusted : then believe the complex step to rounding, its own and what no value of f shows. Otherwise its bars are
        what an error of one entry alone would have shown along the direction; entries for which that is too little,
        and those that seem wrong, are measured by real differences.
    """
    hidden = _along_all(setting, coordinates, rng, trusted=trusted)
    if hidden is None:
        return None
    values, interrupted = _complex_values(setting, coordinates)
    if values is None:
        return None
    bars = _tolerated(setting, values, coordinates) if trusted else hidden
    found = _as_estimate(setting, coordinates, values, bars)
    judgement = decide(setting, found, given, coordinates, exact=trusted)
    evidence = Entries(coordinates, given, found, judgement, interrupted)
    if trusted:
        # What is off by no more than rounding may take is not wrong, but open.
        off = np.abs(given - found.value)
        evidence = evidence.left_open(judgement.wrong & (off <= _shown(setting, coordinates)), Limit.NOISE)
        accused = rows(evidence, np.flatnonzero(evidence.judgement.wrong & (not interrupted)))
        return None if at_a_kink(setting, accused).any() else evidence
    return evidence if interrupted else _borne_out(setting, evidence)


def _borne_out(setting: Setting, evidence: Entries) -> Entries | None:
    """The same, with real differences for what the complex step convicts or leaves open; None if they contradict it.

    What it convicts would have shown along the direction, by real differences too.
    """
    wrong, vague = np.flatnonzero(evidence.judgement.wrong), np.flatnonzero(evidence.judgement.inconclusive)
    doubted = np.union1d(wrong[:CONFIRMED], vague)
    if doubted.size == 0:
        return evidence
    if 2 * vague.size > evidence.coordinates.size:
        return None
    size = block_scales(setting, evidence.estimate, evidence.coordinates)
    known = replace(setting, gradient_scale=setting.sizes_of(evidence.coordinates, size))
    real = sweep(known, evidence.analytic[doubted], evidence.coordinates[doubted])
    convicted = np.isin(doubted, wrong)
    # Too crude to convict, real differences may leave it to the complex step; contradicted, it is not believed at all.
    said = evidence.estimate.value[doubted]
    refuted = np.abs(said - real.estimate.value) > 3.0 * real.estimate.error
    alone = convicted & ~real.judgement.wrong
    if (alone & refuted).any() or at_a_kink(setting, rows(evidence, doubted[alone])).any():
        return None
    measured = ~convicted | real.judgement.wrong
    return put(evidence, doubted[measured], rows(real, np.flatnonzero(measured)))


def at_a_kink(setting: Setting, wrong: Entries) -> NDArray[np.bool_]:
    """Which entries (k,) the complex step knows otherwise from x - ih: max(0 + ih, 0) is the slope on one side alone.

    wrong : what it says of entries that seem wrong. One evaluation for all of them, where f has one output; else one a
    column. Where it cannot be afforded none is.
    """
    output, column = setting.places(wrong.coordinates)
    kinked = np.zeros(output.size, bool)
    together = np.zeros(output.size, np.intp) if setting.outputs == 1 else column
    groups = np.unique(together)
    if setting.objective.remaining < groups.size:
        return kinked
    for group in groups:
        at = np.flatnonzero(together == group)
        tangent = np.zeros(setting.x.size)
        tangent[column[at]] = setting.scales[column[at]] * (1.0 + np.arange(at.size) / at.size)
        moved = tangent[column[at]]
        expected = np.bincount(output[at], moved * wrong.estimate.value[at], setting.outputs)
        rounding = np.bincount(output[at], 3.0 * moved * wrong.estimate.error[at], setting.outputs)
        values = setting.complex_along(-tangent)
        apart = np.abs((np.nan if values is None else values.imag) + expected)
        off = moved * np.abs(wrong.analytic[at] - wrong.estimate.value[at])
        kinked[at] = ~(apart[output[at]] <= HIDDEN * off.min() + rounding[output[at]])
    return kinked


def _along_all(setting: Setting, entries: Index, rng: Any, *, trusted: bool) -> Flat | None:
    """A third of the error (k,) that one entry alone may have and go unseen along a random direction.

    None where the complex step and a real difference along it contradict each other, or say too little, for any output.
    """
    if entries.size == 0:
        return None
    output, column = setting.places(entries)
    at = np.unique(column)
    moved = setting.scales[at]
    if setting.objective.remaining < at.size + 1 + POINTS:
        return None
    if setting.room is not None and (np.minimum(*setting.room)[at] < NARROW * moved).any():
        return None
    tangent = np.zeros(setting.x.size, setting.x.dtype)
    tangent[at] = moved * random_units(np.random.default_rng(rng), at.size)
    values = setting.complex_along(tangent)
    if values is None:
        return None
    real, value = _real_difference(setting, tangent), values.imag
    error, apart = real.error, np.abs(value - real.value)
    told = 3.0 * error <= (1.0 if trusted else TELLING * setting.tolerance.resolution) * np.abs(value)
    clear = (real.limit != Limit.KINK) & (real.limit != Limit.JUMP)
    borne = told & (apart <= 3.0 * error + 1e-12 * np.abs(value)) & clear
    if not borne[np.unique(output)].all():
        return None
    return np.asarray((error + apart / 3.0)[output] / np.abs(tangent[column]))


def _real_difference(setting: Setting, tangent: Flat) -> Estimate:
    """The derivative of each output (m,) along one direction, whose natural length is 1."""

    def wanted(_: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        size = np.abs(so_far.value)
        return setting.tolerance.rtol * size, SPARE * TELLING * setting.tolerance.resolution * size

    step = np.full(setting.outputs, np.median(setting.relative_step) / np.sqrt(np.count_nonzero(tangent)))
    unit = None if setting.outputs == 1 else np.ones(setting.outputs)
    return along_rays(setting, [tangent], np.arange(setting.outputs), step, wanted, unit=unit)


def verify_by_complex_step(setting: Setting, evidence: Entries) -> Entries:
    """Ask the complex step about entries that noise or bends leave undecided.

    It verifies and never convicts: what it contradicts stays undecided, whatever averages of real differences, which
    see less, would say. It is asked only where f takes complex numbers, and believed only where it agrees with the real
    differences, there and at entries that are decided.
    """
    judgement, found = evidence.judgement, evidence.estimate
    noisy = np.asarray(
        (found.limit == Limit.NOISE) | (found.limit == Limit.TRUNCATION) | (found.limit == Limit.NONE)
    )
    open_rows = np.flatnonzero(judgement.inconclusive & noisy & np.isfinite(found.error))
    telling = 3.0 * found.error <= TELLING * np.abs(found.value)
    told = np.flatnonzero(judgement.verified & telling)[:COMPARED]
    asked = np.concatenate([open_rows, told])
    if open_rows.size == 0 or not telling[asked].any():
        return evidence
    if not accepts_complex(setting.objective):
        return evidence
    values, interrupted = _complex_values(setting, evidence.coordinates[asked])
    evidence = replace(evidence, interrupted=interrupted)
    if values is None or interrupted:
        return evidence
    apart = np.abs(values - found.value[asked])
    if not (apart <= 3.0 * found.error[asked] + 1e-12 * np.abs(values)).all():
        return evidence
    seeing = ~_blind(setting, rows(evidence, open_rows), values[: open_rows.size])
    open_rows, values = open_rows[seeing], values[: open_rows.size][seeing]
    rounding = _rounding(setting, values, evidence.coordinates[open_rows])
    evidence = verify(setting, evidence, open_rows, values, rounding)
    disputed = np.zeros(evidence.coordinates.size, bool)
    # Within what rounding may take from f the complex step, asked alone, leaves them open as well.
    clear = np.abs(values - evidence.analytic[open_rows]) > _shown(setting, evidence.coordinates[open_rows])
    disputed[open_rows] = _accuses(setting, values, evidence, open_rows) & clear
    return evidence.left_open(disputed & evidence.judgement.inconclusive, Limit.DISPUTED)


def _blind(setting: Setting, open_: Entries, values: Flat) -> NDArray[np.bool_]:
    """Which entries (k,), whose complex step is `values`, are of outputs that move by roundings, which it does not see.

    It is 0 along all coordinates together, too, though f(x), which lies on a grid, is not the same at all points.
    """
    blind = (values == 0) & (np.nan_to_num(open_.estimate.chord) > 0)
    output, _ = setting.places(open_.coordinates)
    blind[blind] = [not on_no_grid(value) for value in setting.f_x[output[blind]].tolist()]
    if blind.any():
        along = setting.complex_along(setting.scales * (1.0 + np.arange(setting.x.size) / setting.x.size))
        blind &= (along.imag == 0)[output] if along is not None else False
    return np.asarray(blind)


def mark_disputed(setting: Setting, evidence: Entries) -> Entries:
    """Leave entries open that real differences verify, but too crudely to refute the complex step that accuses them.

    For an f along whose random directions both agree.
    """
    at, found, judgement = evidence.coordinates, evidence.estimate, evidence.judgement
    if evidence.interrupted or setting.objective.remaining < at.size:
        return evidence
    values, interrupted = _complex_values(setting, at)
    if values is None:
        return evidence
    refuted = np.abs(values - found.value) > 3.0 * found.error
    open_ = judgement.verified & _accuses(setting, values, evidence, np.arange(at.size)) & ~refuted
    return replace(evidence.left_open(open_, Limit.DISPUTED), interrupted=interrupted)


def _accuses(setting: Setting, values: Flat, evidence: Entries, at: Index) -> NDArray[np.bool_]:
    """Whether derivatives (k,) by the complex step say that the analytic ones of these entries are wrong."""
    analytic, scale = evidence.analytic[at], evidence.judgement.scale[at]
    entries = evidence.coordinates[at]
    zero = setting.x[setting.places(entries)[1]] == 0
    tau = accepted(larger(analytic, values), setting.tolerance, scale, zero)
    return np.asarray(np.abs(analytic - values) > 3.0 * _rounding(setting, values, entries) + tau)


def _complex_values(setting: Setting, entries: Index) -> tuple[Flat | None, bool]:
    """The complex step at each entry (k,), nan after an interruption, and whether there was one.

    None where f gives no complex number or the budget ends.
    """
    output, column = setting.places(entries)
    at, which = np.unique(column, return_inverse=True)
    values, here = np.full((at.size, setting.outputs), np.nan), setting.x[:, None].astype(np.complex128)
    together = CHUNK if setting.objective.vectorized else 1
    try:
        for start in range(0, at.size, together):
            part = slice(start, start + together)
            points, steps = here.repeat(at[part].size, axis=1), STEP * setting.scales[at[part]]
            points[at[part], np.arange(steps.size)] += 1j * steps
            values[part] = complex_values(setting.objective, points).imag / steps[:, None]
            if not np.isfinite(values[part]).all():
                return None, False
    except BudgetSpentError:
        return None, False
    except KeyboardInterrupt:
        return values[which, output], True
    return values[which, output], False


def _as_estimate(setting: Setting, entries: Index, values: Flat, hidden: Flat) -> Estimate:
    """Derivatives (k,) by the complex step, nan where not taken; `hidden` is what else their bars hold."""
    known = np.isfinite(values)
    error = np.where(known, _rounding(setting, values, entries) + hidden, np.inf)
    limit = np.array([Limit.BUDGET, Limit.NONE], object)[known.astype(int)]
    return replace(as_told(values, error, np.zeros(values.shape)), limit=limit, nfev=int(known.sum()))


def _shown(setting: Setting, entries: Index) -> Flat:
    """What an entry (k,) may be off by and move f by no more than its rounding over the whole size of x.

    1 - tanh(30)^2 is 0 in double, and 1e-26: no gradient is called wrong by what rounding may have taken from it. Where
    f saturates it does so over a length of 1 at an x of up to 37, where exp(-x) drowns in 1.
    """
    output, column = setting.places(entries)
    eps = float(np.finfo(np.float64).eps)
    return np.asarray(SATURATED * eps * np.abs(setting.f_x[output]) / setting.scales[column])


def _tolerated(setting: Setting, values: Flat, entries: Index) -> Flat:
    """A third of the same, as far as that is within rtol of the array: so much is right."""
    size = sizes_by(setting.groups(entries), np.nan_to_num(values))
    return np.asarray(np.minimum(_shown(setting, entries), setting.tolerance.rtol * size) / 3.0)


def _rounding(setting: Setting, values: Flat, entries: Index) -> Flat:
    """Relative noise of f is relative noise of its imaginary part; there is no difference to amplify it.

    Relative to what f changes over the scale of x where that is more than f(x), which may be 0 by chance.
    """
    eps = float(np.finfo(np.float64).eps)
    size = np.maximum(np.abs(setting.f_x), setting.slope)
    noise = np.where(size > 0, np.minimum(4.0 * setting.level / np.where(size > 0, size, 1.0), 1.0), 1.0)
    relative = np.maximum(ROUNDING * eps, noise)[setting.places(entries)[0]]
    return np.asarray(relative * np.abs(values) + np.finfo(np.float64).tiny)
