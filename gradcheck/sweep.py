"""Evidence from every coordinate: one line through x along each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.estimate import ROUNDS, Estimate, Limit, estimate
from gradcheck.evaluation import Axes, Objective
from gradcheck.parameters import Flat, Parameters
from gradcheck.verdict import Judgement, Tolerance, gradient_scale, judge

__all__ = ["Evidence", "Setting", "sweep"]

Index = NDArray[np.intp]

# Lines measured together: enough to keep array arithmetic cheap, few enough that an interruption loses little.
CHUNK = 128
# Wrong derivatives measured a second time, with another step, before anyone is accused.
CONFIRMED = 32
CONFIRMING_STEP = 0.37
# How many error bars decide.
MARGIN = 3.0
# Further steps for a weak accusation, in units of the confirming one.
WEAKLY = (1.4, 2.0)
# The part of the distance to what was given that the noise of a second estimate may fill.
TELLING = 0.4


@dataclass(frozen=True)
class Setting:
    """What is known before the evidence is gathered; shared by sweep, directions and locate.

    x : the flat point. f_x : f there. level : noise of one value of f. relative_step : first step over scale.
    scales : (size,) unit of the steps for each coordinate. room : how far each may go, left and right.
    gradient_eps : the unit roundoff in which the analytic gradient was computed.
    slope : what f changes along a random direction, per scaled unit.
    gradient_scale : (size,) the size of each array's gradient, where too few entries are measured to tell.
    """

    objective: Objective
    x: Flat
    f_x: Any
    level: float
    relative_step: float
    scales: Flat
    tolerance: Tolerance
    room: tuple[Flat, Flat] | None = None
    subgradient: bool = False
    gradient_eps: float = float(np.finfo(np.float64).eps)
    gradient_scale: Flat | None = None
    slope: float = 0.0

    @property
    def parameters(self) -> Parameters:
        """The structure of x."""
        return self.objective.parameters


@dataclass(frozen=True)
class Evidence:
    """Analytic and numerical derivatives at some coordinates, and what was decided; all arrays are (m,)."""

    coordinates: Index
    analytic: Flat
    estimate: Estimate
    judgement: Judgement
    interrupted: bool = False

    @property
    def wrong(self) -> Index:
        """The flat indices of the wrong entries."""
        return self.coordinates[self.judgement.wrong]


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
    found = join([*parts, _unmeasured(coordinates.size - done, setting.x.dtype)])
    judgement = decide(setting, found, analytic, coordinates)
    if not interrupted:
        found, judgement = _confirm(setting, found, judgement, analytic, coordinates)
    return Evidence(coordinates, analytic[coordinates], found, judgement, interrupted)


def merge(parts: Sequence[Evidence]) -> Evidence:
    """Several pieces of evidence as one, each judged as it was."""
    judged = [part.judgement for part in parts]
    joined = {f.name: np.concatenate([getattr(j, f.name) for j in judged]) for f in fields(Judgement)}
    return Evidence(
        np.concatenate([part.coordinates for part in parts]),
        np.concatenate([part.analytic for part in parts]),
        join([part.estimate for part in parts]),
        Judgement(**joined),
        any(part.interrupted for part in parts),
    )


def measure(setting: Setting, coordinates: Index) -> Estimate:
    """The numerical derivatives at some coordinates (m,)."""
    scales = setting.scales[coordinates]
    rows = _rows_by_block(setting.parameters, coordinates)

    def wanted(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        # By the numerical side alone: a wrong analytic entry must not make a crude estimate seem good enough.
        members = [np.flatnonzero(np.isin(at, r)) for r in rows]
        size = np.fmax(np.abs(so_far.value), gradient_scale(so_far, members))
        tolerance = setting.tolerance
        return tolerance.rtol * size + tolerance.atol, 0.3 * tolerance.resolution * size + tolerance.atol

    return _along_axes(setting, coordinates, setting.relative_step * scales, wanted)


def _along_axes(
    setting: Setting,
    coordinates: Index,
    step: Flat,
    wanted: Callable[..., tuple[Flat, Flat]],
    rounds: int = ROUNDS,
    side: NDArray[np.int8] | None = None,
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
        largest=_largest_steps(setting, owner),
        wanted=wanted,
        room=None if room is None else (room[0][coordinates], room[1][coordinates]),
        rounds=rounds,
        side=side,
    )


def _largest_steps(setting: Setting, owner: Index) -> Flat:
    """A third of the largest scale of each coordinate's array: beyond it f is another function."""
    return np.array(
        [0.3 * float(setting.scales[b.slice].max(initial=0.0)) for b in setting.parameters.blocks]
    )[owner]


def decide(setting: Setting, found: Estimate, analytic: Flat, coordinates: Index) -> Judgement:
    """Judge measured coordinates by the rule of `gradcheck.verdict`."""
    rows = _rows_by_block(setting.parameters, coordinates)
    block_scale = gradient_scale(found, rows)
    # Where f is flat along every axis (x y at 0), what it changes along the probed direction still gives a size.
    block_scale = np.where(block_scale > 0, block_scale, setting.slope / setting.scales[coordinates])
    if setting.gradient_scale is not None:
        block_scale = np.maximum(block_scale, setting.gradient_scale[coordinates])
    return judge(
        analytic[coordinates], found, block_scale, setting.tolerance, subgradient=setting.subgradient
    )


def _confirm(
    setting: Setting, found: Estimate, judgement: Judgement, analytic: Flat, coordinates: Index
) -> tuple[Estimate, Judgement]:
    """Measure what seems wrong again with another step; bars that do not hold are widened, and judged anew."""
    given = analytic[coordinates]
    suspects = np.flatnonzero(judgement.wrong & np.isfinite(given))
    excess = np.abs(given - found.value) / judgement.allowed
    # The least wrong first: they are the ones that a bar slightly too small would make.
    suspects = suspects[np.argsort(excess[suspects])]
    first, rest = suspects[:CONFIRMED], suspects[CONFIRMED:]
    found, held = _remeasure(setting, found, given, coordinates, first)
    if not held and rest.size:
        found, _ = _remeasure(setting, found, given, coordinates, rest)
    # A derivative that is 0 within its bar accuses weakly: two more steps must agree.
    weak = first[
        (MARGIN * found.error[first] > np.abs(found.value[first])) & (found.limit[first] != Limit.NONE)
    ]
    for factor in WEAKLY:
        found, _ = _remeasure(setting, found, given, coordinates, weak, factor)
    return found, decide(setting, found, analytic, coordinates)


def _remeasure(
    setting: Setting, found: Estimate, given: Flat, coordinates: Index, rows: Index, factor: float = 1.0
) -> tuple[Estimate, bool]:
    """Measure rows anew; where the second estimate contradicts the first its bar covers both.

    Where the second acquits what the first accused there is no bar left.

    Where the first was not precise, as near to x as the noise lets the difference be seen: an oscillation that is
    faster than the first step looks like a slope of 0 there, and like what it is nearby.
    """
    if rows.size == 0 or setting.objective.remaining < 6 * rows.size:
        return found, True
    distance = np.abs(given[rows] - found.value[rows])
    precise = np.asarray(found.limit[rows] == Limit.NONE)
    near = np.where(precise, 1.0, MARGIN / TELLING * found.noise[rows] / distance)
    step = np.minimum(CONFIRMING_STEP, near) * factor * found.step[rows]

    def nothing_more(at: Index, _: Estimate) -> tuple[Flat, Flat]:
        anything = np.full(at.size, np.inf)
        return anything, anything

    # On the side on which it was measured.
    side = np.isnan(found.left[rows]).astype(np.int8) - np.isnan(found.right[rows]).astype(np.int8)
    again = _along_axes(setting, coordinates[rows], step, nothing_more, rounds=1, side=side)
    known = np.isfinite(again.error)
    apart = np.abs(again.value - found.value[rows])
    clash = known & (apart > found.error[rows] + again.error)
    kinked = np.asarray(found.limit[rows] == Limit.KINK)
    # Where noise alone, larger at a shorter step, does not explain it.
    telling = known & (MARGIN * again.noise <= 1.01 * TELLING * distance)
    acquitted = telling & ~kinked & ~(np.abs(given[rows] - again.value) > MARGIN * again.error)
    # A kink is one at every step, with the same slopes.
    unlike = known & kinked & ((apart > 0.3 * found.kink[rows]) | (again.kink < 0.5 * found.kink[rows]))
    acquitted |= unlike
    error, limit = found.error.copy(), found.limit.copy()
    error[rows[clash]] += apart[clash]
    # Two steps that tell different stories decide nothing.
    error[rows[acquitted]] = np.inf
    limit[rows[unlike]] = Limit.NOISE
    found = replace(found, error=error, limit=limit, nfev=found.nfev + again.nfev)
    return found, not (clash | acquitted).any()


def join(parts: Sequence[Estimate]) -> Estimate:
    """Several estimates as one, in order."""
    arrays = {
        f.name: np.concatenate([np.atleast_1d(getattr(p, f.name)) for p in parts])
        for f in fields(Estimate)
        if f.name != "nfev"
    }
    return Estimate(**arrays, nfev=sum(p.nfev for p in parts))


def _unmeasured(m: int, dtype: np.dtype[Any]) -> Estimate:
    unknown = np.full(m, np.nan, dtype)
    infinite = np.full(m, np.inf, dtype)
    limit = np.full(m, Limit.BUDGET, object)
    parts: dict[str, Any] = {f.name: unknown for f in fields(Estimate)}
    parts |= {"error": infinite, "limit": limit, "nfev": 0}
    return Estimate(**parts)


def _rows_by_block(parameters: Parameters, coordinates: Index) -> list[Index]:
    return [np.flatnonzero((coordinates >= b.start) & (coordinates < b.stop)) for b in parameters.blocks]
