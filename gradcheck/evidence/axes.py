"""The numerical derivatives of single entries: one line through x along each coordinate, for every output of f."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.function.lines import Lines
from gradcheck.numerics.differences import Wanted, estimate
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS, SPARE
from gradcheck.numerics.tangents import gradient_scale, root_mean_square
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put, rows

# So many times its own size is no step that an entry is judged by alone; a weight that happens to lie near 0 may be
# stepped by some of it. Then so many stencils are taken within its size.
BEYOND = 10.0
OWN_ROUNDS = 4
# An entry is 0 where it is not seen within this part of what the others of its gradient are.
NOTHING = 1e-6
# Terms round to so many roundings of what is left of them at the most.
ROUNDINGS = 1e3


def measure(setting: Setting, entries: Index, steps: Flat | None = None, *, served: bool = False) -> Estimate:
    """The numerical derivatives of some entries (k,), from these steps on, default those of the setting.

    served : whether these steps are those that served others like these, as in `estimate`.
    """
    if steps is None:
        steps = first_steps(setting, entries)
    found = along_axes(setting, entries, steps, _as_needed(setting, entries), served=served)
    return _within_own_size(setting, entries, found)


def first_steps(setting: Setting, entries: Index) -> Flat:
    """The steps (k,) to begin with; those of entries that are moved together are the same, in units of the scales."""
    output, column = setting.places(entries)
    begin = setting.relative_step[output]
    if setting.outputs > 1:
        begin = _median_by(directions_of(setting, column), begin)
    return np.asarray(begin * setting.scales[column])


def _as_needed(setting: Setting, entries: Index) -> Wanted:
    """The errors that are wanted of these entries, precise and resolved."""
    group = setting.groups(entries)
    lent = _lent_to_still(setting, entries)

    def wanted(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        # By the numerical side alone: a wrong analytic entry must not make a crude estimate seem good enough.
        size = np.fmax(np.abs(so_far.value), gradient_scale(so_far, group[at]))
        size = np.where(so_far.chord == 0, np.fmax(size, lent[at]), size)
        tolerance = setting.tolerance
        precise = tolerance.rtol * size + tolerance.atol
        if setting.gradient_scale is not None:
            # Of one that is 0 as far as is seen no bar is small enough; such a part of what others are is.
            unseen = ~(np.abs(so_far.value) > 3.0 * so_far.error)
            precise = np.where(unseen, np.fmax(precise, NOTHING * setting.gradient_scale[group[at]]), precise)
        return precise, SPARE * tolerance.resolution * size + tolerance.atol

    return wanted


def _lent_to_still(setting: Setting, entries: Index) -> Flat:
    """What others change by along each entry (k,) of an output that stands still; 0 of other outputs.

    Of a 0 no bar is small enough, and such an output has no size of its own.
    """
    output, column = setting.places(entries)
    if setting.still is None or setting.still.all():
        return np.zeros(entries.size)
    others = root_mean_square(setting.slope[~setting.still]) / math.sqrt(setting.x.size)
    return np.where(setting.still[output], others / setting.scales[column], 0.0)


def _within_own_size(setting: Setting, entries: Index, found: Estimate) -> Estimate:
    """Measure entries again that were measured beyond their own size: there f may have another slope.

    Where both agree the smaller bar stays, and where they do not the nearer one; nothing, if f does not change there.
    """
    size = setting.size_of(setting.places(entries)[1])
    at = np.flatnonzero((size > 0) & (found.step > BEYOND * size))
    if at.size == 0 or setting.objective.remaining < POINTS * at.size:
        return found
    these, own = entries[at], size[at]
    needed = _as_needed(setting, these)
    near = along_axes(setting, these, own / 4.0, needed, largest=own / 2.0, rounds=OWN_ROUNDS)
    before = rows(found, at)
    clash = np.abs(near.value - before.value) > 3.0 * (near.error + before.error)
    moved = near.chord > 0
    better = np.flatnonzero(np.isfinite(near.error) & np.where(clash, moved, near.error < before.error))
    found = put(found, at[better], rows(near, better))
    return found.without_bar(at[clash & ~moved], Limit.SCALE)


def measure_once(setting: Setting, entries: Index, steps: Flat) -> Estimate:
    """One stencil of this step at each of some entries (k,)."""
    return along_axes(setting, entries, steps, anything, rounds=1)


def along_axes(
    setting: Setting,
    entries: Index,
    step: Flat,
    wanted: Wanted,
    *,
    largest: Flat | None = None,
    **more: Any,
) -> Estimate:
    """The derivatives of some entries (k,) along their axes, from these steps (k,) on.

    wanted : the errors that are wanted. largest : (k,) the longest steps. more : all as `estimate` takes it.
    """
    x = setting.x
    output, column = setting.places(entries)
    scale = setting.scales[column]
    smallest = smallest_steps(setting, column)
    largest = _largest_steps(setting, setting.owners(column)) if largest is None else largest
    inner = _inner_steps(x[column], smallest)
    room = None if setting.room is None else (setting.room[0][column], setting.room[1][column])
    # The members of a group move each by its own scale: their lines are measured in units of it.
    alone = setting.together is None
    unit = np.ones(column.size) if alone else scale
    if not alone and setting.room is not None:
        room = _room_of_groups(setting, column)
    found = estimate(
        setting.objective,
        lines_of(setting, output, column),
        setting.f_x[output],
        level=setting.level[output],
        step=np.maximum(step, smallest) / unit,
        smallest=smallest / unit,
        largest=largest / unit,
        wanted=wanted if alone else _in_units(wanted, unit),
        room=room,
        inner=inner / unit,
        unit=None if setting.outputs == 1 else scale / unit,
        at_zero=x[column] == 0,
        of_terms=of_terms(setting)[output],
        **more,
    )
    return found if alone else _per_unit(found, unit)


def of_terms(setting: Setting) -> Flat:
    """The noise (m,) that terms round to which leave an output, or what it changes by, where they cancel."""
    return np.asarray(ROUNDINGS * setting.tolerance.eps * np.maximum(np.abs(setting.f_x), setting.slope))


def smallest_steps(setting: Setting, column: Index) -> Flat:
    """The least steps (k,) of some coordinates: 64 spacings of x, below which a step is rounded by a per cent."""
    spacing = np.array([float(np.finfo(b.real_dtype).eps) for b in setting.parameters.blocks])
    at = np.abs(setting.x[column])
    # A step from 0 is rounded by no more than itself.
    relative = np.where(at > 0, spacing[setting.owners(column)], np.finfo(np.float64).eps)
    return np.asarray(64.0 * relative * np.maximum(at, 1e-6 * setting.scales[column]))


def along_rays(
    setting: Setting, tangents: Any, output: Index, step: Flat, wanted: Wanted, **more: Any
) -> Estimate:
    """The derivatives of some outputs (k,) along as many tangents (n,), or all along one, from these steps of them on.

    No farther than the bounds allow to each side; more : as `estimate` takes it.
    """
    rays = Lines.rays(setting.x, list(tangents))
    lines = rays.of(np.broadcast_to(np.arange(len(rays)), output.shape), output)
    room = None
    if setting.room is not None:
        (left, right), ahead = setting.room, np.greater(tangents, 0)
        moved = np.abs(np.where(tangents, tangents, np.nan))
        reach = [np.nanmin(np.where(ahead, *way) / moved, axis=1) for way in ((left, right), (right, left))]
        room = np.broadcast_to(reach[0], step.shape), np.broadcast_to(reach[1], step.shape)
    return estimate(
        setting.objective, lines, setting.f_x[output], level=setting.level[output], step=step,
        smallest=1e-9 * step, wanted=wanted, room=room, of_terms=of_terms(setting)[output], **more,
    )  # fmt: skip


def lines_of(setting: Setting, output: Index, column: Index) -> Lines:
    """One line an entry; those of a column, or of columns that are moved together, share their points."""
    if setting.together is not None:
        groups = Lines.columns(setting.x, setting.together, setting.scales)
        return groups.of(directions_of(setting, column), output)
    if setting.outputs == 1:
        return Lines.axes(setting.parameters, setting.x, column)
    moved, direction = np.unique(column, return_inverse=True)
    return Lines.axes(setting.parameters, setting.x, moved).of(direction, output)


def directions_of(setting: Setting, column: Index) -> Index:
    """The number of the direction that moves each of some coordinates."""
    if setting.together is None:
        return column
    owner = np.zeros(setting.x.size, np.intp)
    for k, group in enumerate(setting.together):
        owner[group] = k
    return owner[column]


def _in_units(wanted: Wanted, unit: Flat) -> Wanted:
    """The errors that are wanted, of lines in other units."""

    def scaled(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        precise, resolved = wanted(at, _per_unit(so_far, unit[at]))
        return precise * unit[at], resolved * unit[at]

    return scaled


def _per_unit(found: Estimate, unit: Flat) -> Estimate:
    """From units of the lines to units of x."""
    slopes = ("value", "error", "noise", "truncation", "kink", "left", "right", "sided", "chord")
    parts = {name: getattr(found, name) / unit for name in slopes}
    return replace(found, **parts, step=found.step * unit, curvature=found.curvature / unit**2)


def _room_of_groups(setting: Setting, column: Index) -> tuple[Flat, Flat]:
    """How far those that each coordinate is moved with may go, left and right, in units of the scales."""
    assert setting.room is not None
    assert setting.together is not None
    direction = directions_of(setting, column)
    left, right = (
        np.array([float(np.min(room[g] / setting.scales[g], initial=np.inf)) for g in setting.together])
        for room in setting.room
    )
    return left[direction], right[direction]


def _inner_steps(x: Flat, smallest: Flat) -> Flat:
    """Steps for entries far smaller than the others of their array: f may be singular at 0 (sqrt, log, cbrt)."""
    inner = np.abs(x) / 16.0
    return np.where((inner > 0) & (inner < smallest), inner, np.nan)


def _largest_steps(setting: Setting, owner: Index) -> Flat:
    """A third of the largest scale of each coordinate's array: beyond it f is another function."""
    return np.array(
        [0.3 * float(setting.scales[b.slice].max(initial=0.0)) for b in setting.parameters.blocks]
    )[owner]


def anything(at: Index, _: Estimate) -> tuple[Flat, Flat]:
    """No error that is wanted: one stencil will do."""
    wanted = np.full(at.size, np.inf)
    return wanted, wanted


def _median_by(group: Index, values: Flat) -> Flat:
    """The median of each group, at each of its members."""
    order = np.argsort(group)
    out = values.copy()
    for mine in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if order.size else ():
        out[mine] = np.median(values[mine])
    return out
