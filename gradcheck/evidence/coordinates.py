"""Evidence from every coordinate: one line through x along each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.confirm import confirm
from gradcheck.function.lines import Axes
from gradcheck.numerics.differences import ROUNDS, Wanted, estimate
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.parameters.tree import Parameters
from gradcheck.results.estimate import Estimate, join, part_of_estimate, unmeasured
from gradcheck.results.evidence import Doubts, Evidence, _put
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, accepted, gradient_scale, judge

__all__ = ["look_nearer", "sweep", "verify"]


# Lines measured together: enough to keep array arithmetic cheap, few enough that an interruption loses little.
CHUNK = 128
# So many times its own size is no step that an entry is judged by alone; a weight that happens to lie near 0 may be
# stepped by some of it. Then so many stencils are taken within its size.
BEYOND = 10.0
OWN_ROUNDS = 4


def sweep(setting: Setting, analytic: Flat, coordinates: Index) -> Evidence:
    """Judge the given coordinates one by one.

    analytic : (size,) the gradient under test. coordinates : (m,) flat indices.
    Six evaluations of f a coordinate where the first step serves, and six more for each of the (at most 32,
    unless one of them turns out not to hold) derivatives that seem wrong.
    A KeyboardInterrupt ends it with what is known: the rest has an infinite error bar.
    """
    parts: list[Estimate] = []
    interrupted = False
    try:
        for start in range(0, coordinates.size, CHUNK):
            chunk = coordinates[start : start + CHUNK]
            parts.append(measure(setting, chunk))
    except KeyboardInterrupt:
        interrupted = True
    done = sum(np.size(part.value) for part in parts)
    found = join([*parts, unmeasured(coordinates.size - done, setting.x.dtype)])
    return judged(setting, found, analytic, coordinates, interrupted=interrupted)


def judged(
    setting: Setting, found: Estimate, analytic: Flat, coordinates: Index, *, interrupted: bool = False
) -> Evidence:
    """The decision about measured coordinates (m,); what seems wrong is measured again."""
    judgement = decide(setting, found, analytic, coordinates)
    if not interrupted:
        try:
            found, judgement = _confirm(setting, found, judgement, analytic, coordinates)
        except KeyboardInterrupt:
            interrupted = True
    return Evidence(coordinates, analytic[coordinates], found, judgement, interrupted)


def look_nearer(setting: Setting, evidence: Evidence, doubts: Doubts) -> Evidence:
    """Measure entries again that were verified with bars which hide what is held against them, from those steps on.

    The estimate with the smaller bar stays, where the two do not contradict each other. A report on the right
    gradient may have seen that much: what it says is detectable must not pass afterwards.
    """
    rows = np.searchsorted(evidence.coordinates, doubts.coordinates)
    found, judgement = evidence.estimate, evidence.judgement
    bar = 3.0 * found.error[rows]
    with np.errstate(invalid="ignore"):
        within = doubts.apart <= judgement.allowed[rows] - bar
    hidden = judgement.verified[rows] & (doubts.apart < judgement.allowed[rows]) & ~within
    settled = evidence.interrupted or judgement.wrong.any() or not hidden.any()
    if settled or setting.objective.remaining < POINTS * hidden.sum():
        return evidence
    rows, at = rows[hidden], doubts.coordinates[hidden]
    try:
        again = measure(setting, at, doubts.steps[hidden])
    except KeyboardInterrupt:
        return replace(evidence, interrupted=True)
    bars = 3.0 * (found.error[rows] + again.error)
    # Where f does not change at all the steps may drown inside it: that is no better witness.
    moved = again.chord > 0
    better = moved & (again.error < found.error[rows]) & (np.abs(again.value - found.value[rows]) <= bars)
    parts = {
        f.name: _put(getattr(found, f.name), rows[better], getattr(again, f.name)[better])
        for f in fields(Estimate)
        if f.name != "nfev"
    }
    found = Estimate(**parts, nfev=found.nfev + again.nfev)
    analytic = np.zeros(setting.x.size, evidence.analytic.dtype)
    analytic[evidence.coordinates] = evidence.analytic
    return judged(setting, found, analytic, evidence.coordinates)


def verify(
    setting: Setting, evidence: Evidence, rows: Index, value: Flat, error: Flat
) -> tuple[Evidence, int]:
    """Let other estimates (k,) of open rows verify them where they can, and never convict; (evidence, how many).

    value, error : (k,) derivatives and their bars E, in units of f per unit of x; an infinite bar verifies nothing.
    """
    judgement, tolerance = evidence.judgement, setting.tolerance
    g, bar = evidence.analytic[rows], 3.0 * error
    scale, zero = judgement.scale[rows], setting.x[evidence.coordinates[rows]] == 0
    allowed = bar + accepted(g, value, scale, tolerance, zero)
    fine = bar <= tolerance.resolution * scale + tolerance.atol
    with np.errstate(invalid="ignore"):
        right = fine & (np.abs(g - value) <= allowed)
    at = rows[right]
    estimate = replace(
        evidence.estimate,
        value=_put(evidence.estimate.value, at, value[right]),
        error=_put(evidence.estimate.error, at, error[right]),
    )
    judged = replace(
        judgement,
        verified=_put(judgement.verified, at, True),
        inconclusive=_put(judgement.inconclusive, at, False),
        allowed=_put(judgement.allowed, at, allowed[right]),
    )
    return replace(evidence, estimate=estimate, judgement=judged), int(at.size)


def measure(setting: Setting, coordinates: Index, steps: Flat | None = None) -> Estimate:
    """The numerical derivatives at some coordinates (m,), from these steps on, default those of the setting."""
    begin = setting.relative_step * setting.scales[coordinates] if steps is None else steps
    found = _along_axes(setting, coordinates, begin, _as_needed(setting, coordinates))
    return _within_own_size(setting, coordinates, found)


def _as_needed(setting: Setting, coordinates: Index) -> Wanted:
    """The errors that are wanted of these coordinates, precise and resolved."""
    rows = _rows_by_block(setting.parameters, coordinates)

    def wanted(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        # By the numerical side alone: a wrong analytic entry must not make a crude estimate seem good enough.
        members = [np.flatnonzero(np.isin(at, r)) for r in rows]
        size = np.fmax(np.abs(so_far.value), gradient_scale(so_far, members))
        tolerance = setting.tolerance
        return tolerance.rtol * size + tolerance.atol, 0.3 * tolerance.resolution * size + tolerance.atol

    return wanted


def _within_own_size(setting: Setting, coordinates: Index, found: Estimate) -> Estimate:
    """Measure entries again that were measured beyond their own size: there f may have another slope.

    Where both agree the smaller bar stays, and where they do not the nearer one; nothing, if f does not change there.
    """
    size = np.abs(setting.x[coordinates])
    rows = np.flatnonzero((size > 0) & (found.step > BEYOND * size))
    if rows.size == 0 or setting.objective.remaining < POINTS * rows.size:
        return found
    at, own = coordinates[rows], size[rows]
    near = _along_axes(setting, at, own / 4.0, _as_needed(setting, at), rounds=OWN_ROUNDS, largest=own / 2.0)
    before = part_of_estimate(found, rows)
    with np.errstate(invalid="ignore"):
        apart = np.abs(near.value - before.value)
        known = np.isfinite(near.error) & np.isfinite(before.error)
        clash = known & (apart > 3.0 * (near.error + before.error))
    moved = near.chord > 0
    better = np.isfinite(near.error) & np.where(clash, moved, near.error < before.error)
    lost = clash & ~moved
    parts = {
        f.name: _put(getattr(found, f.name), rows[better], getattr(near, f.name)[better])
        for f in fields(Estimate)
        if f.name != "nfev"
    }
    parts["error"] = _put(parts["error"], rows[lost], np.inf)
    parts["limit"] = _put(parts["limit"], rows[lost], Limit.SCALE)
    return Estimate(**parts, nfev=found.nfev + near.nfev)


def measure_once(setting: Setting, coordinates: Index, steps: Flat) -> Estimate:
    """One stencil of this step at each of some coordinates (m,)."""
    return _along_axes(setting, coordinates, steps, _anything, rounds=1)


def _along_axes(
    setting: Setting,
    coordinates: Index,
    step: Flat,
    wanted: Callable[..., tuple[Flat, Flat]],
    rounds: int = ROUNDS,
    side: NDArray[np.int8] | None = None,
    largest: Flat | None = None,
) -> Estimate:
    x = setting.x
    spacing = np.array([float(np.finfo(b.real_dtype).eps) for b in setting.parameters.blocks])
    owner = np.searchsorted([b.stop for b in setting.parameters.blocks], coordinates, side="right")
    # Below 64 spacings of x the step itself would be rounded by a per cent.
    smallest = 64.0 * spacing[owner] * np.maximum(np.abs(x[coordinates]), 1e-6 * setting.scales[coordinates])
    room = setting.room
    return estimate(
        setting.objective,
        Axes(setting.parameters, x, coordinates),
        setting.f_x,
        level=setting.level,
        step=np.maximum(step, smallest),
        smallest=smallest,
        largest=_largest_steps(setting, owner) if largest is None else largest,
        wanted=wanted,
        room=None if room is None else (room[0][coordinates], room[1][coordinates]),
        rounds=rounds,
        side=side,
        inner=_inner_steps(x[coordinates], smallest),
    )


def _inner_steps(x: Flat, smallest: Flat) -> Flat:
    """Steps for entries far smaller than the others of their array: f may be singular at 0 (sqrt, log, cbrt)."""
    inner = np.abs(x) / 16.0
    return np.where((inner > 0) & (inner < smallest), inner, np.nan)


def _largest_steps(setting: Setting, owner: Index) -> Flat:
    """A third of the largest scale of each coordinate's array: beyond it f is another function."""
    return np.array(
        [0.3 * float(setting.scales[b.slice].max(initial=0.0)) for b in setting.parameters.blocks]
    )[owner]


def decide(
    setting: Setting, found: Estimate, analytic: Flat, coordinates: Index, *, exact: bool = False
) -> Judgement:
    """Judge measured coordinates by the rule of `gradcheck.results.verdict`.

    exact : by the complex step, which hides the rounding of slopes nowhere, as differences do but where x is 0.
    """
    scale = block_scales(setting, found, coordinates)
    zero = (setting.x[coordinates] == 0) | exact
    return judge(
        analytic[coordinates], found, scale, setting.tolerance, zero=zero, subgradient=setting.subgradient
    )


def noise_share(setting: Setting, analytic: Flat) -> float:
    """The largest part that the noise of one value is of what an entry's first step changes; nan where nothing moves.

    An entry counts as large as the root mean square of its array at the least.
    """
    shares = []
    for block in setting.parameters.blocks:
        given = np.abs(analytic[block.slice])
        size = np.maximum(given, np.sqrt(np.mean(np.square(given))))
        moved = setting.relative_step * setting.scales[block.slice] * size
        shares.append(np.max(setting.level / np.where(moved > 0, moved, np.nan)))
    return float(np.max(shares))


def block_scales(setting: Setting, found: Estimate, coordinates: Index) -> Flat:
    """The size (m,) of the gradient of each coordinate's array."""
    scale = gradient_scale(found, _rows_by_block(setting.parameters, coordinates))
    # Where f is flat along every axis (x y at 0), what it changes along the probed direction still gives a size.
    scale = np.where(scale > 0, scale, setting.slope / setting.scales[coordinates])
    if setting.gradient_scale is not None:
        scale = np.maximum(scale, setting.gradient_scale[coordinates])
    return np.asarray(scale)


def _confirm(
    setting: Setting, found: Estimate, judgement: Judgement, analytic: Flat, coordinates: Index
) -> tuple[Estimate, Judgement]:
    """Measure again what seems wrong, by the rule of `gradcheck.evidence.confirm`."""

    def again(rows: Index, step: Flat, side: NDArray[np.int8]) -> Estimate | None:
        if setting.objective.remaining < POINTS * rows.size:
            return None
        return _along_axes(setting, coordinates[rows], step, _anything, rounds=1, side=side)

    def decided(estimate: Estimate) -> Judgement:
        return decide(setting, estimate, analytic, coordinates)

    size = np.abs(setting.x[coordinates])
    own = np.where(size > 0, size, setting.scales[coordinates])
    # What the sum of all entries hardly notices: sixteen roundings of the largest.
    blind = float(16.0 * np.finfo(setting.x.dtype).eps * np.max(np.abs(setting.x), initial=0.0))
    return confirm(analytic[coordinates], found, judgement, again, decided, own, blind=blind, zero=size == 0)


def _anything(at: Index, _: Estimate) -> tuple[Flat, Flat]:
    """No error that is wanted: one stencil will do."""
    wanted = np.full(at.size, np.inf)
    return wanted, wanted


def _rows_by_block(parameters: Parameters, coordinates: Index) -> list[Index]:
    return [np.flatnonzero((coordinates >= b.start) & (coordinates < b.stop)) for b in parameters.blocks]
