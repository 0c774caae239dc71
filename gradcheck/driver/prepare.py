"""What is known of f before entries are judged one by one: its noise, and with it tolerances and first steps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.diagnosis.undecided import SINGLE
from gradcheck.evidence.entries import WEIGHTS
from gradcheck.evidence.farther import leave
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.differences import first_step
from gradcheck.numerics.noise import FIRST_SPACING, first_spacing, least_noise, measure_noise
from gradcheck.numerics.outputs import HALF_GRID, Noise
from gradcheck.numerics.outputs import SINGLE as SINGLE_GRID
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.rounding import (
    BLURRED,
    ROWS,
    SPACED,
    WIDER,
    WIDEST,
    flat_piece,
    lowest_bits,
    on_no_grid,
)
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import DROWNED
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.finding import CONSTANT, Finding
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.undecided import Remedy, Undecided
from gradcheck.results.words import count, number

# Roundings of float64 by which f's values may be off from a smooth function and still be called smooth: a sum of ten
# thousand terms, say.
ROUGH = 1e4

# An f that stays the same around x is asked so many scales of x away. What changes it by this part of itself within one
# is more than what a rounded value of a bounded function hides.
FAR_AWAY, PLAIN = (1.0, 10.0, 100.0, 1000.0), 0.01
# How far the points around x lie, in scales of x; and by how many roundings of f it is claimed to change where that is
# no rounding: 1 + exp(-40) is 1.
AROUND, SEEN = 7.0 * WIDER * FIRST_SPACING, 1e3

# The least atol that is advised: of 0 nothing larger is known to be hidden. None is that is so many times as large as
# what is claimed: any mistake would pass.
TINY, BEYOND = 1e-12, 1e4
# Where steps are shorter than the first bars are wider: by trial up to 2.01 times, for 500 constants at random points.
WIDE = 2.2

# Where a flat piece may end, in first spacings.
FLAT = np.array([SPACED[1], SPACED[-1], WIDER, WIDEST])
# An entry that is a smaller part than this of its scale is 0 but for rounding.
NEARLY_0 = 1e-12

At = TypeVar("At", bound=Setting)


def prepare(setting: At, rng: Any, rounding: Any = 0.0) -> tuple[At, tuple[Finding, ...]]:
    """Measure the noise of every output of f; choose tolerances and steps by it.

    rounding : what values of f are known to be rounded to, which points beside x may not show.
    """
    noise, f_x = probe_noise(setting, rng), setting.f_x
    flat = _flat(setting, noise, rng)
    if flat > 0:
        # No step leaves the flat piece on which x lies, and what f bends beyond is no noise.
        away = 0.5 * flat * setting.scales
        setting = replace(setting, room=(away, away))
        noise = replace(noise, level=np.where(noise.rests, eps_of("float64") * np.abs(f_x), noise.level))
    level = np.maximum(noise.level, np.maximum(rounding, least_noise(setting.parameters, f_x)))
    level, still = _of_still(setting, level, noise.constant, rng)
    step = first_step(level, noise.slope, np.asarray(f_x, np.float64), setting.x.size)
    setting = replace(
        setting, given_scales=setting.scales, level=level, relative_step=step,
        tolerance=setting.tolerance.of(coarsest(setting.eps, noise)),
        slope=np.nan_to_num(noise.slope, posinf=0.0), still=still,
    )  # fmt: skip
    return setting, inspect_noise(noise, setting.objective)


def _of_still(setting: Setting, level: Flat, constant: Mask, rng: Any) -> tuple[Flat, Mask]:
    """The noise of each output (m,), and which are still, by what those that are claimed to be 0 do farther away.

    One that is the same there is a constant, and not rounded to the digits that it has; one that is not was rounded.
    """
    if constant.all() or not constant.any() or not isinstance(setting, Problem):
        return level, constant
    tangent = setting.scales * random_units(np.random.default_rng(rng), setting.x.size)
    idle = constant & (setting.matrix.product(tangent) == 0)
    if not idle.any():
        return level, constant
    moves, f_x = leave(setting, idle, rng), setting.f_x.astype(np.float64)
    level = np.where(idle & ~moves, np.minimum(level, SINGLE_GRID * np.abs(f_x)), level)
    return np.where(moves, np.maximum(level, HALF_GRID * lowest_bits(f_x)), level), constant & ~moves


def _flat(setting: Setting, noise: Noise, rng: Any) -> float:
    """How far some output stays as it is to both sides of x, and bends from there, in scales; 0 where none does.

    The first few tell, of which each has to: those of one f are rounded alike.
    """
    moved = np.fmax.reduce(np.abs(noise.values - noise.values[0])) > BLURRED * np.abs(setting.f_x)
    rests = noise.rests & moved & (noise.digits == "float64")
    if setting.room is not None or setting.eps_of_x or not rests.any():
        return 0.0
    line, spacing, _ = _probed(setting, rng)
    reach = np.inf
    for row in np.flatnonzero(rests)[:ROWS].tolist():
        along = partial(setting.objective.line, line)
        reach = min(reach, flat_piece(along, setting.f_x, spacing * FLAT, row))
        if reach == 0:
            break
    return reach


def probe_noise(setting: Setting, rng: Any) -> Noise:
    """Measure the noise along one random direction that has each coordinate's own scale, within the bounds.

    An output that is claimed to move and stays is looked at farther away.
    """
    line, spacing, back = _probed(setting, rng)
    tangent = line.units[0]

    def claimed() -> Mask:
        if not isinstance(setting, Problem):
            return np.zeros(setting.f_x.shape, bool)
        return np.asarray(
            AROUND * np.abs(setting.matrix.product(tangent)) > SEEN * np.spacing(np.abs(setting.f_x))
        )

    most = np.inf
    if setting.room is not None:
        side, moved = np.where(tangent > 0, setting.room[1], setting.room[0]), tangent != 0
        most = 0.99 * float(np.min(side[moved] / np.abs(tangent[moved]), initial=np.inf))
    return measure_noise(setting.objective, line, setting.f_x, spacing, back=back, claimed=claimed, most=most)


def _probed(setting: Setting, rng: Any) -> tuple[Lines, float, bool]:
    """The line along which noise is measured, the first spacing, and whether there is room behind x, too."""
    spacing = first_spacing(max(eps_of(b.real_dtype) for b in setting.parameters.blocks))
    own = _own_scales(setting.x, setting.scales, spacing)
    tangent, back = _tangent(np.random.default_rng(rng), own, spacing, setting.room)
    return Lines.rays(setting.x, [tangent]), spacing, back


def _tangent(
    generator: np.random.Generator, own: Flat, spacing: float, room: tuple[Flat, Flat] | None
) -> tuple[Flat, bool]:
    """A direction (n,) with a scale for each coordinate, and whether there is room behind x, too."""
    signs = generator.choice([-1.0, 1.0], own.size)
    size = generator.uniform(0.5, 1.5, own.size)
    size *= own
    back = True
    if room is not None:
        # Inwards, and not farther than the bounds allow even the widest probe.
        left, right = room
        signs = np.where(right >= left, 1.0, -1.0)
        size = np.minimum(size, 0.99 * np.maximum(left, right) / (WIDEST * spacing))
        back = bool((np.minimum(left, right) >= WIDEST * spacing * size).all())
    signs *= size
    return signs, back


def _own_scales(x: Flat, scales: Flat, spacing: float) -> Flat:
    """The scales (size,), but for entries so small that the first points would lie beyond their own size."""
    own = np.abs(x)
    zero = own == 0
    own /= spacing
    np.maximum(own, NEARLY_0 * scales, out=own)
    np.minimum(own, scales, out=own)
    own[zero] = scales[zero]
    return own


def coarsest(eps: float, noise: Noise) -> str:
    """The dtype whose tolerances hold: the coarsest of the derivative's and of the grids on which f's values lie."""
    moving = set(noise.digits[~noise.constant].tolist())
    # A few values that lie far apart have few bits too: only where all have so few are they of half precision.
    if eps == eps_of("float16") or moving == {"float16"}:
        return "float16"
    return "float32" if eps == eps_of("float32") or moving & {"float16", "float32"} else "float64"


def inspect_roughness(setting: Setting, steps: Flat) -> tuple[Finding, ...]:
    """What no point can tell of an f that is smooth over long steps only.

    steps : (k,) those over which entries were measured, in units of x; nan where there was none.
    """
    known = steps[np.isfinite(steps) & (steps > 0)]
    if known.size == 0:
        return ()
    f_x, level = np.abs(setting.f_x), setting.level
    if eps_of(f_x.dtype) > SINGLE or setting.tolerance.eps > SINGLE:
        return ()  # the digits of a coarser type have a note of their own
    size = np.maximum(f_x, setting.slope)
    # Of an f that is 0 at x, and of which no slope was probed, nothing is known that its roundings would be small to.
    rough = (level > ROUGH * eps_of(np.float64) * size) & (size > 0)
    if setting.still is not None:
        rough &= ~setting.still  # one value shows no roughness
    if not np.count_nonzero(rough):
        return ()
    least = number(float(np.max(level[rough])), 1)
    return (
        Finding(
            f"f is smooth near x down to about {least} only (rounded, made of steps, or noisy): what this check sees "
            f"is its slope over steps of about {number(float(np.median(known)), 1)}, not nearer to x: with all its "
            "digits f shows more"
        ),
    )


def inspect_noise(noise: Noise, objective: Objective) -> tuple[Finding, ...]:
    """What the probing of the noise says about f."""
    if (np.isfinite(noise.values).sum(axis=0) <= 1).all() and not objective.ended:  # f(x) itself
        text = f"{nowhere(objective)} around x: there is no derivative to estimate"
        return (Finding(text, Outcome.INCONCLUSIVE, final=True),)
    still = np.flatnonzero(noise.constant)
    if still.size in (0, noise.constant.size):  # of an f that never moves there is more to say
        return ()
    named = f"f[{still[0]}]" + (f" and {count(still.size - 1, 'more output')}" if still.size > 1 else "")
    verb = "is" if still.size == 1 else "are"
    return (Finding(f"{named} {verb} the same at all points around x: {CONSTANT}"),)


def nowhere(objective: Objective) -> str:
    """What to say of an f that is known at none of some points."""
    if not objective.left_domain:
        return "f is not finite at any point"
    return f"f raises or is not finite ({objective.left_domain}) at every point"


def unmoved(setting: Problem) -> tuple[Problem, Finding]:
    """What there is to say of an f that is the same at all points around x, and the noise that this leaves.

    Which digits f has is not known where it shows one value. A caller who passes an atol says which slopes need not
    show: then entries are measured, and what f may hide is their bar.
    """
    f_x, at = np.asarray(setting.f_x, np.float64), setting.scales.min()
    # 0 lies on every grid: it may hide whatever is claimed.
    change = np.abs(setting.matrix.product(setting.relative_step.max() * setting.scales))
    if not np.isfinite(change).all():  # what is claimed is wrong whatever f does
        return setting, Finding(CONSTANT)
    setting = replace(setting, level=np.where(f_x == 0, np.maximum(setting.level, change), setting.level))
    if setting.tolerance.atol > 0:
        return setting, Finding(CONSTANT)
    hidden = WIDE * 3.0 * WEIGHTS * float(np.max(setting.level / setting.relative_step)) / float(at)
    remedies: tuple[Remedy, ...] = (Remedy.DIGITS, Remedy.ELSEWHERE)
    offered = None
    claimed = setting.matrix.norms(np.ones(setting.x.size))
    # One that is far larger than all that is claimed lets anything pass: x is too small for the steps that f needs.
    # Beside values that may be rounded by a large part of themselves no bar is known.
    beyond = (
        claimed is not None and claimed.any() and hidden >= BEYOND * claimed.max() / math.sqrt(setting.x.size)
    )
    if not beyond and not ((f_x != 0) & (setting.level > DROWNED * np.abs(f_x))).any():
        remedies, offered = (*remedies, Remedy.ATOL), max(hidden, TINY)
    value = float(f_x[0]) if f_x.size == 1 else None
    why = Undecided("f", Limit.CONSTANT, value=value, known=False, remedies=remedies, offered=offered)
    return setting, Finding("f does not depend on x at all", Outcome.INCONCLUSIVE, final=True, undecided=why)


def contradicted(setting: Problem, rng: Any) -> tuple[Finding, ...]:
    """That an f which stays the same around x is claimed to change; a look farther away tells.

    Either f is the same a thousand scales away, too. Or its values lie on no grid: it is not rounded, but flat at x.
    Slopes up to the atol are accepted, in every entry.
    """
    objective, matrix, x, scales = setting.objective, setting.matrix, setting.x, setting.scales
    signs = np.random.default_rng(rng).choice([-1.0, 1.0], x.size)
    tangent = signs * scales
    # Entries far smaller than their scale were moved by less.
    near = np.abs(matrix.product(signs * _own_scales(x, scales, FIRST_SPACING)))
    f_x, change = setting.f_x, np.abs(matrix.product(tangent))
    near[change <= setting.tolerance.atol * scales.sum()] = 0.0
    change[near == 0.0] = 0.0
    if not (change > 0).any() or not objective.affords(2 * len(FAR_AWAY)):
        return ()
    offsets = np.array([sign * step for step in FAR_AWAY for sign in (-1.0, 1.0)])
    values = objective.line(Lines.rays(x, [tangent]), offsets).reshape(offsets.size, -1)
    known = np.vstack([f_x, np.where(np.isfinite(values), values, f_x)])
    # Where x is held in a coarser type so are the terms of f, whatever its sum is divided by.
    coarse = max(eps_of(block.real_dtype) for block in objective.parameters.blocks)
    rounding = SEEN * coarse * np.abs(known).max(axis=0)
    constant = (values == f_x).all(axis=0) & (f_x != 0) & (change >= PLAIN * np.abs(f_x))
    no_grid = np.array([any(map(on_no_grid, column)) for column in known.T.tolist()])
    flat = no_grid & (AROUND * near >= rounding)
    if not (constant | flat).any():
        return ()
    row = int(np.argmax(np.where(constant | flat, change, 0.0)))
    name = "f" if f_x.size == 1 else f"f[{row}]"
    text = (
        f"{name} does not depend on x: it is {f_x[row]:.17g} up to {FAR_AWAY[-1]:,.0f} times the size of x away"
        if constant[row]
        else f"{name} is flat at x: it is {f_x[row]:.17g} at all points within {100.0 * AROUND:.1g} % of x"
    )
    claim = number(float(change[row]), 2)
    return (Finding(f"{text}; it is claimed to change by {claim} over one of it", Outcome.FAIL, final=True),)
