"""The complex step beside real differences: the first witness where they agree, a second one where noise is large."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.coordinates import CHUNK, block_scales, decide, sweep, verify
from gradcheck.function.lines import Rays
from gradcheck.function.objective import BudgetSpentError
from gradcheck.numerics.complex_step import accepts_complex, complex_derivative, complex_entries
from gradcheck.numerics.differences import estimate
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import random_units, root_mean_square
from gradcheck.results.estimate import Estimate
from gradcheck.results.evidence import Evidence, take
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import CANCELLING, Judgement, accepted

__all__ = ["by_complex_step", "leave_open", "second_witness"]

# Entries at which real differences must agree before the complex step is trusted for others.
COMPARED = 8
# What a value may lose between x and f besides the noise that was measured, in units in the last place.
ROUNDING = 64.0
# A real difference that is itself known to a tenth only says little for or against.
TELLING = 0.1
# Entries that seem wrong and are measured by real differences before the complex step is believed about the others.
CONFIRMED = 32
# With less room between its bounds than this part of its scale, an entry would hold the whole direction back.
NARROW = 0.1


def by_complex_step(
    setting: Setting, analytic: Flat, coordinates: Index, rng: Any, *, trusted: bool = False
) -> Evidence | None:
    """Judge coordinates by the complex step, one evaluation each; None where it cannot be relied on.

    rng : seed or Generator of one random direction that moves every coordinate. The complex step along it (one
        evaluation) and a real difference (six, where the first step serves) must agree: an f that does not take
        complex numbers, or is not analytic (abs, max at a tie, conj), is found out there.
    trusted : then believe the complex step to rounding, its own and what no value of f shows. Otherwise its bars are
        what an error of one entry alone would have shown along the direction; entries for which that is too little,
        and those that seem wrong, are measured by real differences.
    """
    witness = _along_all(setting, coordinates, rng, trusted=trusted)
    if witness is None:
        return None
    values, interrupted = _complex_values(setting, coordinates)
    if values is None:
        return None
    found = _as_estimate(setting, values, _tolerated(setting, values, coordinates) if trusted else witness)
    judgement = decide(setting, found, analytic, coordinates, exact=trusted)
    evidence = Evidence(coordinates, analytic[coordinates], found, judgement, interrupted)
    if trusted:
        return _left_open(evidence, _shown(setting, coordinates))
    return evidence if interrupted else _borne_out(setting, evidence, analytic)


def _borne_out(setting: Setting, evidence: Evidence, analytic: Flat) -> Evidence | None:
    """The same, with real differences for what the complex step convicts or leaves open; None if they contradict it.

    What it convicts would have shown along the direction, by real differences too.
    """
    wrong, vague = np.flatnonzero(evidence.judgement.wrong), np.flatnonzero(evidence.judgement.inconclusive)
    doubted = np.union1d(wrong[:CONFIRMED], vague)
    if doubted.size == 0:
        return evidence
    if 2 * vague.size > evidence.coordinates.size:
        return None
    size = np.zeros(setting.x.size, setting.x.dtype)
    size[evidence.coordinates] = block_scales(setting, evidence.estimate, evidence.coordinates)
    real = sweep(replace(setting, gradient_scale=size), analytic, evidence.coordinates[doubted])
    convicted = np.isin(doubted, wrong)
    # Too crude to convict, real differences may leave it to the complex step; contradicted, it is not believed at all.
    said = evidence.estimate.value[doubted]
    with np.errstate(invalid="ignore"):
        refuted = np.abs(said - real.estimate.value) > 3.0 * real.estimate.error
    if (convicted & ~real.judgement.wrong & refuted).any():
        return None
    measured = ~convicted | real.judgement.wrong
    return _replaced(evidence, doubted[measured], take(real, np.flatnonzero(measured)))


def _along_all(setting: Setting, coordinates: Index, rng: Any, *, trusted: bool) -> Flat | None:
    """A third of the error (m,) that one entry alone may have and go unseen along a random direction.

    None where the complex step and a real difference along it contradict each other, or say too little.
    """
    moved = setting.scales[coordinates]
    if coordinates.size == 0 or not accepts_complex(setting.objective):
        return None
    if setting.objective.remaining < coordinates.size + 1 + POINTS:
        return None
    if setting.room is not None and (np.minimum(*setting.room)[coordinates] < NARROW * moved).any():
        return None
    tangent = np.zeros(setting.x.size, setting.x.dtype)
    tangent[coordinates] = moved * random_units(np.random.default_rng(rng), coordinates.size)
    value = complex_derivative(setting.objective, setting.x, tangent)
    if not np.isfinite(value):
        return None
    real = _real_difference(setting, tangent)
    error, apart = float(real.error[0]), abs(value - float(real.value[0]))
    told = 3.0 * error <= (1.0 if trusted else TELLING * setting.tolerance.resolution) * abs(value)
    if not told or apart > 3.0 * error + 1e-12 * abs(value) or real.limit[0] in (Limit.KINK, Limit.JUMP):
        return None
    return np.asarray((error + apart / 3.0) / np.abs(tangent[coordinates]))


def _real_difference(setting: Setting, tangent: Flat) -> Estimate:
    """The derivative along one direction, whose natural length is 1."""

    def wanted(_: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        size = np.abs(so_far.value)
        return setting.tolerance.rtol * size, 0.3 * TELLING * setting.tolerance.resolution * size

    step = np.array([setting.relative_step / np.sqrt(np.count_nonzero(tangent))])
    room = None
    if setting.room is not None:
        on = tangent != 0
        reach = np.array([float(np.min(np.minimum(*setting.room)[on] / np.abs(tangent[on])))])
        room = (reach, reach)
    return estimate(
        setting.objective, Rays(setting.x, [tangent]), setting.f_x, level=setting.level, step=step,
        smallest=1e-9 * step, wanted=wanted, room=room,
    )  # fmt: skip


def second_witness(setting: Setting, evidence: Evidence) -> tuple[Evidence, int]:
    """Ask the complex step about entries that noise or bends leave undecided; (evidence, how many it verified).

    It verifies and never convicts: what it contradicts stays undecided, whatever averages of real differences, which
    see less, would say. It is asked only where f takes complex numbers, and believed only where it agrees with the real
    differences, there and at entries that are decided.
    """
    judgement, found = evidence.judgement, evidence.estimate
    noisy = np.asarray(
        (found.limit == Limit.NOISE) | (found.limit == Limit.TRUNCATION) | (found.limit == Limit.NONE)
    )
    open_rows = np.flatnonzero(judgement.inconclusive & noisy & np.isfinite(found.error))
    told = np.flatnonzero(judgement.verified & (3.0 * found.error <= TELLING * np.abs(found.value)))[
        :COMPARED
    ]
    telling = (
        3.0 * found.error[open_rows] <= TELLING * np.abs(found.value[open_rows])
    ).any() or told.size > 0
    if evidence.interrupted or open_rows.size == 0 or not telling or not accepts_complex(setting.objective):
        return evidence, 0
    rows = np.concatenate([open_rows, told])
    values, interrupted = _complex_values(setting, evidence.coordinates[rows])
    evidence = replace(evidence, interrupted=interrupted)
    if values is None or interrupted or not _agree(values, found.value[rows], found.error[rows]):
        return evidence, 0
    values = values[: open_rows.size]
    evidence, verified = verify(setting, evidence, open_rows, values, _rounding(setting, values))
    disputed = np.zeros(evidence.coordinates.size, bool)
    disputed[open_rows] = _accuses(setting, values, evidence, open_rows)
    return _disputed(evidence, disputed & evidence.judgement.inconclusive), verified


def leave_open(setting: Setting, evidence: Evidence) -> Evidence:
    """Leave entries open that real differences verify, but too crudely to refute the complex step that accuses them.

    For an f along whose random directions both agree.
    """
    at, found, judgement = evidence.coordinates, evidence.estimate, evidence.judgement
    if evidence.interrupted or setting.objective.remaining < at.size:
        return evidence
    values, interrupted = _complex_values(setting, at)
    if values is None:
        return evidence
    with np.errstate(invalid="ignore"):
        refuted = np.abs(values - found.value) > 3.0 * found.error
    open_ = judgement.verified & _accuses(setting, values, evidence, np.arange(at.size)) & ~refuted
    judgement = replace(
        judgement, verified=judgement.verified & ~open_, inconclusive=judgement.inconclusive | open_
    )
    return _disputed(replace(evidence, judgement=judgement, interrupted=interrupted), open_)


def _accuses(setting: Setting, values: Flat, evidence: Evidence, rows: Index) -> NDArray[np.bool_]:
    """Whether derivatives (k,) by the complex step say that the analytic ones of these rows are wrong."""
    analytic, scale = evidence.analytic[rows], evidence.judgement.scale[rows]
    zero = setting.x[evidence.coordinates[rows]] == 0
    tau = accepted(analytic, values, scale, setting.tolerance, zero)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(analytic - values) > 3.0 * _rounding(setting, values) + tau)


def _disputed(evidence: Evidence, rows: NDArray[np.bool_]) -> Evidence:
    """The same, with what keeps these rows open."""
    limit = evidence.estimate.limit.copy()
    limit[rows] = Limit.DISPUTED
    return replace(evidence, estimate=replace(evidence.estimate, limit=limit))


def _complex_values(setting: Setting, coordinates: Index) -> tuple[Flat | None, bool]:
    """The complex step at each coordinate (m,), nan after an interruption, and whether there was one.

    None where f gives no complex number or the budget ends.
    """
    values = np.full(coordinates.size, np.nan)
    try:
        for start in range(0, coordinates.size, CHUNK):
            part = slice(start, start + CHUNK)
            at = coordinates[part]
            values[part] = complex_entries(setting.objective, setting.x, at, setting.scales[at])
            if not np.isfinite(values[part]).all():
                return None, False
    except BudgetSpentError:
        return None, False
    except KeyboardInterrupt:
        return values, True
    return values, False


def _as_estimate(setting: Setting, values: Flat, witness: Flat) -> Estimate:
    """Derivatives (m,) by the complex step, nan where not taken; `witness` is what else their bars hold."""
    known = np.isfinite(values)
    error = np.where(known, _rounding(setting, values) + witness, np.inf)
    nothing = np.zeros(values.shape)
    return Estimate(
        value=values, error=error, step=nothing, noise=error, truncation=nothing, kink=nothing, left=values,
        right=values, sided=error, curvature=np.full(values.shape, np.nan), chord=np.abs(values),
        limit=np.array([Limit.BUDGET, Limit.NONE], object)[known.astype(int)], nfev=int(known.sum()),
    )  # fmt: skip


def _shown(setting: Setting, coordinates: Index) -> Flat:
    """What an entry (m,) may be off by and move f by no more than its rounding over the whole size of x.

    1 - tanh(30)^2 is 0 in double, and 1e-26: no gradient is called wrong by what rounding may have taken from it.
    """
    eps = float(np.finfo(np.float64).eps)
    return np.asarray(CANCELLING * eps * abs(float(setting.f_x)) / setting.scales[coordinates])


def _tolerated(setting: Setting, values: Flat, coordinates: Index) -> Flat:
    """A third of the same, as far as that is within rtol of the array: so much is right."""
    size = np.zeros(coordinates.size)
    for block in setting.parameters.blocks:
        mine = (coordinates >= block.start) & (coordinates < block.stop)
        size[mine] = root_mean_square(np.nan_to_num(values[mine]))
    return np.asarray(np.minimum(_shown(setting, coordinates), setting.tolerance.rtol * size) / 3.0)


def _left_open(evidence: Evidence, shown: Flat) -> Evidence:
    """The same, where what is off by no more than this (m,) is not wrong, but open."""
    judgement, found = evidence.judgement, evidence.estimate
    with np.errstate(invalid="ignore"):
        open_ = judgement.wrong & (np.abs(evidence.analytic - found.value) <= shown)
    limit = found.limit.copy()
    limit[open_] = Limit.NOISE
    judgement = replace(
        judgement, wrong=judgement.wrong & ~open_, inconclusive=judgement.inconclusive | open_
    )
    return replace(evidence, estimate=replace(found, limit=limit), judgement=judgement)


def _rounding(setting: Setting, values: Flat) -> Flat:
    """Relative noise of f is relative noise of its imaginary part; there is no difference to amplify it.

    Relative to what f changes over the scale of x where that is more than f(x), which may be 0 by chance.
    """
    eps = float(np.finfo(np.float64).eps)
    size = max(abs(float(setting.f_x)), setting.slope)
    relative = max(ROUNDING * eps, min(4.0 * setting.level / size, 1.0) if size > 0 else 1.0)
    return np.asarray(relative * np.abs(values) + np.finfo(np.float64).tiny)


def _agree(values: Flat, real: Flat, error: Flat) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values - real) <= 3.0 * error + 1e-12 * np.abs(values)).all())


def _replaced(evidence: Evidence, rows: Index, other: Evidence) -> Evidence:
    """The evidence with other evidence about some of its rows."""

    def put(one: Any, another: Any) -> dict[str, Any]:
        parts = {}
        for field in fields(one):
            if field.name != "nfev":
                parts[field.name] = getattr(one, field.name).copy()
                parts[field.name][rows] = getattr(another, field.name)
        return parts

    nfev = evidence.estimate.nfev + other.estimate.nfev
    found = Estimate(**put(evidence.estimate, other.estimate), nfev=nfev)
    judgement = Judgement(**put(evidence.judgement, other.judgement))
    return replace(evidence, estimate=found, judgement=judgement, interrupted=other.interrupted)
