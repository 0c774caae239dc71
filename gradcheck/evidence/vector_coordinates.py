"""Derivatives of all outputs along directions: the search for steps, with few different steps a direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.confirm import confirm
from gradcheck.function.lines import Columns, DenseDirections, Family
from gradcheck.numerics.setting import VectorSetting
from gradcheck.numerics.steps import Search
from gradcheck.results.estimate import Estimate, join, part_of_estimate
from gradcheck.results.evidence import Entries
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, judge

__all__ = ["judge_entries", "measure_columns", "measure_tangents"]

Sizes = Callable[[Index, Flat], tuple[Flat, Flat]]

ROUNDS = 8
# Steps of one direction lie on powers of this: f is evaluated once for each step that some output asks for.
STEPS = 4.0
# Lines searched together; whole directions, so that their outputs share points.
TOGETHER = 400_000


def search_lines(
    setting: VectorSetting,
    family: Family,
    step: Flat,
    smallest: Flat,
    largest: Flat | None,
    room: tuple[Flat, Flat] | None,
    wanted: Sizes,
    rounds: int = ROUNDS,
    side: NDArray[np.int8] | None = None,
) -> Estimate:
    """The derivative of each line of the family, in units of its direction.

    step, smallest, largest : (L,) first, least and largest step; lines of a direction with equal steps share their
    points. wanted(rows, value) : the precise and the resolved error of these lines. side : as in `estimate`.
    Six evaluations a direction where the first step serves all its outputs; six for each further step.
    """
    search = Search(setting.objective, family, 0.0, 0.0, step, smallest, largest, room)
    search.level = setting.level[family.output].astype(search.step.dtype)
    search.taken_off = np.abs(setting.f_x[family.output]).astype(search.step.dtype)
    rows = search.open_rows(side)
    for _ in range(rounds):
        rows = search.measure(rows)
        if rows.size == 0:
            break
        before = search.step[rows].copy()
        precise, resolved = wanted(rows, search.kept["value"][rows])
        more = search.plan(rows, precise, resolved)
        after = search.step[more]
        search.step[more] = _shared(after, before[np.searchsorted(rows, more)])
        rows = more[search.step[more] >= smallest[more]]
    return Estimate(**search.kept_at(slice(None)), limit=search.limit, nfev=search.nfev)


def _alike(step: Flat) -> Flat:
    """The same steps where they are the same but for rounding."""
    return np.asarray(2.0 ** (np.round(2.0 * np.log2(step)) / 2.0))


def _shared(step: Flat, before: Flat | None = None) -> Flat:
    """The steps on a common grid: shorter ones where a step shrank (or is the first), longer ones where it grew."""
    power = np.log2(step) / np.log2(STEPS)
    rounded = np.floor(power)
    if before is not None:
        # Bounds may hold a step that should grow: it stays where it is.
        held = np.floor(np.log2(before) / np.log2(STEPS) + 1e-9)
        rounded = np.where(step > before, np.maximum(rounded, held), rounded)
    return np.asarray(STEPS**rounded)


def measure_columns(
    setting: VectorSetting,
    groups: list[Index],
    group: Index,
    rows: Index,
    columns: Index,
    analytic: Flat,
    again: tuple[Flat, NDArray[np.int8]] | None = None,
) -> Estimate:
    """The derivatives df[rows] / dx[columns], (L,) each, in units of f per x.

    groups : coordinates that are moved together. group : (L,) the group of each line, ascending; it holds the line's
    column. analytic : (L,) tells when an estimate is precise enough. again : (L,) steps and sides, taken once and no
    other.
    """
    if rows.size == 0:
        nothing = {f.name: np.empty(0) for f in fields(Estimate) if f.name not in ("limit", "nfev")}
        return Estimate(**nothing, limit=np.empty(0, object), nfev=0)
    ends = np.flatnonzero(np.diff(group, append=-1)) + 1
    parts, first = [], 0
    for k, end in enumerate(ends):
        if end - first >= TOGETHER or k == ends.size - 1:
            cut = slice(first, int(end))
            parts.append(
                _measure_chunk(
                    setting, groups, group[cut], rows[cut], columns[cut], analytic[cut],
                    None if again is None else (again[0][cut], again[1][cut]),
                )
            )  # fmt: skip
            first = int(end)
    return join(parts)


def _measure_chunk(
    setting: VectorSetting,
    groups: list[Index],
    group: Index,
    rows: Index,
    columns: Index,
    analytic: Flat,
    again: tuple[Flat, NDArray[np.int8]] | None,
) -> Estimate:
    scale = setting.scales[columns]
    family = Family(Columns(setting.x, groups, setting.scales), group, rows)
    spacing = np.array([float(np.finfo(b.real_dtype).eps) for b in setting.parameters.blocks])
    owner = np.searchsorted([b.stop for b in setting.parameters.blocks], columns, side="right")
    # Below 64 spacings of x the step itself would be rounded by a per cent.
    smallest = 64.0 * spacing[owner] * np.maximum(np.abs(setting.x[columns]) / scale, 1e-6)
    # Beyond a third of the largest scale of its array f is another function.
    widest = np.array([float(setting.scales[b.slice].max(initial=0.0)) for b in setting.parameters.blocks])
    largest = widest[owner] / (3.0 * scale)
    room = _room_of_groups(setting, groups, group)
    if again is not None:
        step, side = _alike(again[0] / scale), again[1]
        found = search_lines(
            setting,
            family,
            np.maximum(step, smallest),
            smallest,
            largest,
            room,
            _anything,
            rounds=1,
            side=side,
        )
        return _per_unit(found, scale)
    size = np.nan_to_num(np.abs(analytic), posinf=0.0)
    typical = _rms_by(rows, size, np.ones(size.size, bool), setting.f_x.size)[rows]
    tolerance = setting.tolerance

    def wanted(at: Index, value: Flat) -> tuple[Flat, Flat]:
        large = np.maximum(np.maximum(size, typical)[at] * scale[at], np.nan_to_num(np.abs(value)))
        atol = tolerance.atol * scale[at]
        return tolerance.rtol * large + atol, 0.3 * tolerance.resolution * large + atol

    step = _shared(np.maximum(_median_by(group, setting.begin[rows]), smallest))
    found = search_lines(setting, family, step, smallest, largest, room, wanted)
    return _per_unit(_claimed_still(setting, found, rows, analytic), scale)


def _anything(at: Index, _: Flat) -> tuple[Flat, Flat]:
    """No error that is wanted: one stencil will do."""
    wanted = np.full(at.size, np.inf)
    return wanted, wanted


def _claimed_still(setting: VectorSetting, found: Estimate, rows: Index, analytic: Flat) -> Estimate:
    """Lines along which an output should not move, and does not, whatever grid its values may lie on.

    The noise that is assumed of an output which was never seen to move is held against a claimed slope alone.
    """
    if setting.still is None or not setting.still.any():
        return found
    agreed = setting.still[rows] & (analytic == 0) & (found.chord == 0) & np.isfinite(found.error)
    rounding = (4.0 * np.finfo(found.value.dtype).eps * np.abs(setting.f_x[rows]) / found.step)[agreed]
    error, noise, limit = found.error.copy(), found.noise.copy(), found.limit.copy()
    error[agreed], noise[agreed], limit[agreed] = rounding, rounding, Limit.NONE
    return replace(found, error=error, noise=noise, limit=limit)


def _per_unit(found: Estimate, scale: Flat) -> Estimate:
    """From units of the direction to units of x."""
    slopes = ("value", "error", "noise", "truncation", "left", "right", "sided", "chord")
    parts = {name: getattr(found, name) / scale for name in slopes}
    return replace(found, **parts, step=found.step * scale, curvature=found.curvature / scale**2)


def _room_of_groups(setting: VectorSetting, groups: list[Index], group: Index) -> tuple[Flat, Flat] | None:
    """How far the group of each line may go, left and right, in its own units."""
    if setting.room is None:
        return None
    sides = []
    for room in setting.room:
        most = {
            k: float(np.min(room[groups[k]] / setting.scales[groups[k]])) for k in np.unique(group).tolist()
        }
        sides.append(np.array([most[k] for k in group.tolist()]))
    return sides[0], sides[1]


def measure_tangents(
    setting: VectorSetting, tangents: list[Flat], step: float, given: Flat, weight: Flat, slack: Flat
) -> Estimate:
    """The derivatives of all m outputs along each tangent (n,): (K * m,) lines, one tangent after the other.

    step : where to begin. given : (K, m) analytic; what seems wrong is measured again. weight : (K, m) the size that
    errors are relative to. slack : (K, m) what the analytic side may be off by.
    """
    m = setting.f_x.size
    direction, output = np.repeat(np.arange(len(tangents)), m), np.tile(np.arange(m), len(tangents))
    given, weight, slack = given.ravel(), weight.ravel(), slack.ravel()
    tolerance = setting.tolerance
    room = _room_along(setting, tangents)
    size = np.maximum(weight, np.abs(given))

    def along(lines: Index, begin: Flat, wanted: Sizes, **options: Any) -> Estimate:
        family = Family(DenseDirections(setting.x, tangents), direction[lines], output[lines])
        mine = None if room is None else (room[lines], room[lines])
        return search_lines(
            setting, family, begin, np.full(lines.size, 1e-9 * step), None, mine, wanted, **options
        )

    def precisely(at: Index, value: Flat) -> tuple[Flat, Flat]:
        large = np.maximum(size[at], np.nan_to_num(np.abs(value)))
        # As for gradients: the bars of directions multiply in the certificate.
        return 1e-2 * tolerance.rtol * large, 0.05 * tolerance.resolution * large

    def again(lines: Index, begin: Flat, side: NDArray[np.int8]) -> Estimate | None:
        if setting.objective.remaining == 0:
            return None
        order = np.argsort(lines)
        second = along(lines[order], _alike(begin[order]), _anything, rounds=1, side=side[order])
        return part_of_estimate(second, np.argsort(order))

    def decided(estimate: Estimate) -> Judgement:
        allowed = 3.0 * estimate.error + slack
        with np.errstate(invalid="ignore"):
            wrong = np.abs(given - estimate.value) > allowed
        return Judgement(wrong, ~wrong, np.zeros_like(wrong), np.zeros_like(wrong), allowed, size)

    found = along(np.arange(given.size), _shared(np.full(given.size, step)), precisely)
    found = _claimed_still(setting, found, output, given)
    # A direction has no size of its own, as a coordinate has.
    anywhere = np.full(given.size, np.inf)
    return confirm(given, found, decided(found), again, decided, anywhere, together=direction)[0]


def _room_along(setting: VectorSetting, tangents: list[Flat]) -> Flat | None:
    """How far x can go along the tangent of each line, to either side."""
    if setting.room is None:
        return None
    room = np.minimum(*setting.room)
    most = [float(np.min(room[v != 0] / np.abs(v[v != 0]), initial=np.inf)) for v in tangents]
    return np.repeat(np.array(most), setting.f_x.size)


def judge_entries(
    setting: VectorSetting, groups: list[Index], group: Index, rows: Index, columns: Index, analytic: Flat
) -> Entries:
    """Measure entries, judge them by the rule of `gradcheck.results.verdict`, and confirm what seems wrong."""
    found = measure_columns(setting, groups, group, rows, columns, analytic)

    def again(lines: Index, step: Flat, side: NDArray[np.int8]) -> Estimate | None:
        if setting.objective.remaining == 0:
            return None
        order = np.argsort(group[lines], kind="stable")
        mine = lines[order]
        second = measure_columns(
            setting,
            groups,
            group[mine],
            rows[mine],
            columns[mine],
            analytic[mine],
            (step[order], side[order]),
        )
        return part_of_estimate(second, np.argsort(order))

    def decided(estimate: Estimate) -> Judgement:
        return decide(setting, estimate, rows, columns, analytic)

    size = np.abs(setting.x[columns])
    own = np.where(size > 0, size, setting.scales[columns])
    found, judgement = confirm(
        analytic, found, decided(found), again, decided, own, together=group, zero=size == 0
    )
    return Entries(rows, columns, analytic, found, judgement)


def decide(setting: VectorSetting, found: Estimate, rows: Index, columns: Index, analytic: Flat) -> Judgement:
    """Judge each entry relative to its own size or that of its row (the gradient of one output), if that is larger."""
    scale = row_scale(setting, found, rows, columns)
    zero = setting.x[columns] == 0
    return judge(analytic, found, scale, setting.tolerance, zero=zero, subgradient=setting.subgradient)


def row_scale(setting: VectorSetting, found: Estimate, rows: Index, columns: Index) -> Flat:
    """The size (L,) of each entry's row within one array of x: `gradient_scale` of each output.

    A row of zeros (an output that depends on nothing) has the size of the whole Jacobian.
    """
    blocks = setting.parameters.blocks
    owner = np.searchsorted([b.stop for b in blocks], columns, side="right")
    part = rows * len(blocks) + owner
    count = setting.f_x.size * len(blocks)
    error, value = found.error, found.value
    seen = np.isfinite(error) & (np.abs(value) > 3.0 * error)
    size = _rms_by(part, np.where(seen, np.abs(value), 0.0), seen, count)
    flat = size == 0
    if flat.any():
        steep = np.zeros(count)
        np.maximum.at(steep, part, np.where(np.isfinite(error), np.nan_to_num(found.chord), 0.0))
        size[flat] = steep[flat]
        size[size == 0] = float(np.sqrt(np.mean(size[size > 0] ** 2))) if (size > 0).any() else 0.0
    return np.asarray(size[part])


def _rms_by(group: Index, sizes: Flat, counted: NDArray[np.bool_], count: int) -> Flat:
    """(count,) the root mean square of each group; its largest is taken out first: no square overflows or vanishes."""
    top = np.zeros(count)
    np.maximum.at(top, group, sizes)
    top[top == 0] = 1.0
    squares = np.bincount(group, np.asarray((sizes / top[group]) ** 2, np.float64), count)
    return np.asarray(top * np.sqrt(squares / np.maximum(np.bincount(group, counted, count), 1)))


def _median_by(group: Index, values: Flat) -> Flat:
    """The median of each group (ascending), at each of its members."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = [*starts[1:], group.size]
    out = np.empty(values.shape)
    for a, b in zip(starts.tolist(), ends, strict=True):
        out[a:b] = np.median(values[a:b])
    return out
