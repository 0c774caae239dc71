"""Derivatives along lines: the choice of step, from the values that earlier steps gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.evaluation import Lines, Objective
from gradcheck.noise import Noise
from gradcheck.stencils import SIDED_NODES, STENCIL, Fit, central, one_sided

__all__ = ["Estimate", "Limit", "estimate", "first_step"]

Values = NDArray[np.floating[Any]]
Wanted = Callable[[NDArray[np.intp], "Estimate"], tuple[Values, Values]]

POINTS = len(STENCIL)
ROUNDS = 8


class Limit(Enum):
    """What keeps an error bar from being smaller."""

    NONE = "precise"
    NOISE = "noise of f"
    TRUNCATION = "f bends within every usable step"
    KINK = "a kink at x"
    JUMP = "a jump of f at x"
    DOMAIN = "the edge of f's domain"
    FIXED = "a fixed coordinate (equal bounds)"
    BUDGET = "the budget of evaluations"


@dataclass(frozen=True)
class Estimate:
    """A numerical derivative with its error bar; fields are floats, or arrays of one shape.

    value : units of f per unit of x. error : E, of the same unit; the true derivative is expected within 3 E.
    step : the step taken. noise, truncation : the two parts of the bar.
    left, right : one-sided slopes, which differ at a kink. curvature : the second derivative.
    limit : a Limit, or an array of them. nfev : evaluations of f in all.
    """

    value: Any
    error: Any
    step: Any
    noise: Any
    truncation: Any
    left: Any
    right: Any
    curvature: Any
    limit: Any
    nfev: int


def shaped(found: Estimate, shape: Callable[[Any], Any], nfev: int) -> Estimate:
    """The same estimate with every array put into the structure of x by `shape`."""
    parts = {f.name: shape(getattr(found, f.name)) for f in fields(Estimate) if f.name != "nfev"}
    return Estimate(**parts, nfev=nfev)


def first_step(noise: Noise, f_x: Any, size: int) -> float:
    """The step to begin with, relative to the scale of a coordinate: (noise / variation of f)^(1/5) / 2.

    The variation is |f|, or what f changes over one scale of x where that is less (f + 1e6); `size` coordinates
    share the slope that was seen. The 1/5 balances h^4 truncation against 1/h noise.
    """
    size_f = abs(float(f_x))
    slope = noise.slope / np.sqrt(size)
    variation = max(min(size_f, slope), 1e-6 * size_f) if np.isfinite(slope) and slope > 0 else size_f
    if variation == 0:
        variation = max(slope, noise.level) if np.isfinite(slope) else 1.0
    ratio = noise.level / variation if variation > 0 else 1.0
    return float(np.clip(ratio**0.2 / 2.0, 1e-5, 0.1))


def estimate(
    objective: Objective,
    lines: Lines,
    f_x: Any,
    *,
    level: float,
    step: Values,
    smallest: Values,
    wanted: Wanted,
    room: tuple[Values, Values] | None = None,
    rounds: int = ROUNDS,
) -> Estimate:
    """Estimate the derivative along each of m lines at offset 0.

    level : noise of one value of f. step, smallest : (m,) first and least step, in units of each line.
    wanted(rows, estimate) : two errors for those lines, (precise, resolved): below the first nothing more is tried,
        above the second other steps are tried even where theory sees no gain.
    room : (m,), (m,) how far each line may go to the left and to the right; None is anywhere.
    Six evaluations a line, six more for each further step that is worth trying. Lines for which the budget does
    not suffice are left with an infinite error and Limit.BUDGET.
    """
    search = _Search(objective, lines, f_x, level, step, smallest, room)
    rows = search.open_rows()
    for _ in range(rounds):
        rows = search.measure(rows)
        if rows.size == 0:
            break
        rows = search.plan(rows, wanted)
    return search.result()


class _Search:
    """The state of the lines between rounds; arrays over lines, freed when `estimate` returns."""

    def __init__(
        self,
        objective: Objective,
        lines: Lines,
        f_x: Any,
        level: float,
        step: Values,
        smallest: Values,
        room: tuple[Values, Values] | None,
    ) -> None:
        m = len(lines)
        dtype = objective.parameters.dtype
        self.objective, self.lines, self.f_x = objective, lines, f_x
        self.level = np.full(m, level, dtype)
        self.step = np.array(step, dtype)
        self.smallest = smallest
        anywhere = np.full(m, np.inf, dtype)
        self.left_room: Values = anywhere if room is None else room[0]
        self.right_room: Values = anywhere if room is None else room[1]
        self.side = np.zeros(m, np.int8)
        self.limit = np.full(m, Limit.BUDGET, object)
        self.kept = {name: np.full(m, np.nan, dtype) for name in _KEPT}
        self.kept["error"][:] = np.inf
        self.last_step = np.full(m, np.nan)
        self.last_truncation = np.full(m, np.nan)
        self.shrunk = np.zeros(m, np.int8)
        self.widened = np.zeros(m, np.int8)
        self.off_domain = np.zeros(m, np.int8)
        self.fit: Fit | None = None
        self.finite_side = np.zeros(0, np.int8)
        self.nfev_before = objective.nfev

    def open_rows(self) -> NDArray[np.intp]:
        """Fit the first steps into the room that bounds leave; a line without room is fixed."""
        widest = np.maximum(self.left_room, self.right_room)
        narrow = np.minimum(self.left_room, self.right_room)
        self.limit[widest <= 0] = Limit.FIXED
        cramped = 2.0 * self.step > narrow
        # A central stencil eight times narrower still beats a one-sided one; below that it drowns in noise.
        central_fits = narrow / 2.0 >= self.step / 8.0
        self.step = np.where(cramped & central_fits, 0.495 * narrow, self.step)
        away = np.where(self.right_room >= self.left_room, 1, -1)
        self.side = np.where(cramped & ~central_fits, away, 0).astype(np.int8)
        return np.flatnonzero(widest > 0)

    def measure(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Evaluate one stencil on each row that the budget allows, and keep the better estimate of each."""
        rows = rows[: self.objective.remaining // POINTS]
        if rows.size == 0:
            return rows
        side = self.side[rows]
        reach = 4.0 * self.step[rows]
        room = np.where(side > 0, self.right_room[rows], self.left_room[rows])
        sided = side[:, None] * np.minimum(reach, 0.99 * room)[:, None] * SIDED_NODES
        offsets = np.where(side[:, None] == 0, self.step[rows][:, None] * STENCIL, sided)
        offsets = self.lines.reached(rows, offsets.astype(self.step.dtype))
        values = self.objective.along(self.lines, rows, offsets)
        fit = central(self.f_x, offsets, values, self.level[rows])
        if side.any():
            fit = _choose(side != 0, one_sided(self.f_x, offsets, values, self.level[rows]), fit)
        self.fit = fit
        # In a central stencil the first three points lie to the left.
        finite = np.isfinite(values)
        self.finite_side = np.where(finite[:, 3:].all(axis=1), 1, -1).astype(np.int8)
        self._keep(rows, fit)
        return rows

    def _keep(self, rows: NDArray[np.intp], fit: Fit) -> None:
        """Keep the estimate with the smaller bar; two that contradict each other widen it to cover both."""
        error = np.where(fit.finite, fit.error, np.inf)
        old_error, old_value = self.kept["error"][rows], self.kept["value"][rows]
        apart = np.abs(fit.value - old_value)
        contradicting = np.isfinite(old_error) & np.isfinite(error) & (apart > error + old_error)
        better = error < old_error
        for name in _KEPT:
            new = error if name == "error" else self.step[rows] if name == "step" else getattr(fit, name)
            self.kept[name][rows[better]] = new[better]
        clash = rows[contradicting]
        self.kept["error"][clash] = np.maximum(self.kept["error"][clash], apart[contradicting])

    def plan(self, rows: NDArray[np.intp], wanted: Wanted) -> NDArray[np.intp]:
        """Choose the next step of each row from its last fit; returns the rows that are worth another stencil."""
        fit = self.fit
        assert fit is not None
        precise, resolved = wanted(rows, self.result(rows))
        error = self.kept["error"][rows]
        factor = np.ones(rows.size)
        self.limit[rows] = Limit.NOISE

        off = ~fit.finite
        factor[off] = self._retreat(rows[off], self.finite_side[off])

        bends = fit.truncation + fit.kink
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            balance = (fit.noise / (4.0 * bends)) ** 0.2
            growth = self.last_step[rows] / self.step[rows]
        # A shorter step that bends more, in proportion: not truncation, but more noise than was measured.
        # (Near a singularity bends grow too, but as a lower power of the step.)
        grown = bends > np.maximum(1.5, 0.3 * growth) * self.last_truncation[rows]
        noisier = (growth > 1.0) & grown & ~fit.kinked & ~off
        # ... unless it would be a thousand times more: then f oscillates faster than the step, or jumps.
        wild = noisier & (bends > 1e3 * fit.noise) & (self.shrunk[rows] < 3)
        noisier &= ~wild
        self._raise_noise(rows[noisier], bends[noisier])
        bent = (bends > 3.0 * fit.noise) & ~noisier & ~off
        kinked = fit.kinked & ~off
        factor[bent] = np.clip(balance[bent], 1e-3, 0.5)
        factor[wild] = 1e-3
        factor[kinked] = 1.0 / 32.0
        self.limit[rows[bent]] = Limit.TRUNCATION
        self.limit[rows[kinked]] = Limit.KINK
        self.limit[rows[fit.jumping & noisier]] = Limit.JUMP
        self.limit[rows[off]] = Limit.DOMAIN

        quiet = ~bent & ~noisier & ~off & ~kinked & (self.shrunk[rows] == 0) & (self.widened[rows] < 3)
        widen = quiet & ((fit.noise > 10.0 * bends) | (3.0 * error > resolved)) & ~self._worse(rows, fit)
        factor[widen] = np.clip(balance[widen], 8.0, 30.0)

        done = 3.0 * error <= precise
        self.limit[rows[done]] = Limit.NONE
        new_step = self.step[rows] * factor
        # A kink that the noise would hide at the next step has been followed as far as it can be.
        hidden = kinked & (20.0 * fit.noise / 3.0 / factor > fit.kink)
        go = ~done & (off | bent | kinked | widen) & ~hidden & (new_step >= self.smallest[rows])
        go &= ~((3.0 * error <= resolved) & (factor > 0.3) & (factor < 1.0))
        self.last_step[rows], self.last_truncation[rows] = self.step[rows], bends
        self.shrunk[rows[go & (factor < 1)]] += 1
        self.widened[rows[go & widen]] += 1
        room = np.minimum(self.left_room[rows], self.right_room[rows]) / 2.0
        sided = self.side[rows] != 0
        self.step[rows] = np.where(sided, new_step, np.minimum(new_step, 0.99 * room))
        return rows[go]

    def _worse(self, rows: NDArray[np.intp], fit: Fit) -> NDArray[np.bool_]:
        """Whether the last widening brought nothing: the kept bar is not the last one."""
        last = np.where(fit.finite, fit.error, np.inf)
        return (self.widened[rows] > 0) & (last > self.kept["error"][rows])

    def _retreat(self, rows: NDArray[np.intp], finite_side: NDArray[np.int8]) -> Values:
        """Off the domain: come closer to x first, then take the side on which f is finite. Returns the factors."""
        self.off_domain[rows] += 1
        turn = self.off_domain[rows] % 2 == 0
        other = np.where(self.side[rows] == 0, finite_side, -self.side[rows])
        self.side[rows] = np.where(turn, other, self.side[rows]).astype(np.int8)
        factor: Values = np.full(rows.size, 1.0 / 256.0)
        factor[turn] = 16.0
        return factor

    def _raise_noise(self, rows: NDArray[np.intp], bends: Values) -> None:
        implied = bends * self.step[rows] / 3.0
        self.level[rows] = np.maximum(self.level[rows], implied)
        at = self.kept["step"][rows]
        with np.errstate(invalid="ignore"):
            self.kept["error"][rows] += 3.0 * implied / at

    def result(self, rows: NDArray[np.intp] | slice = slice(None)) -> Estimate:
        """The estimates of these rows, frozen."""
        parts = {name: kept[rows] for name, kept in self.kept.items()}
        return Estimate(**parts, limit=self.limit[rows], nfev=self.objective.nfev - self.nfev_before)


def _choose(mask: NDArray[np.bool_], yes: Fit, no: Fit) -> Fit:
    pairs = {f.name: (getattr(yes, f.name), getattr(no, f.name)) for f in fields(Fit)}
    return Fit(**{name: np.where(mask, a, b) for name, (a, b) in pairs.items()})


_KEPT = ("value", "error", "step", "noise", "truncation", "left", "right", "curvature")
