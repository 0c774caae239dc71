"""The choice of steps: what the values of one stencil say about the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values
from gradcheck.function.lines import Family, Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.stencils import SIDED_NODES, STENCIL, Fit, central, one_sided
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put
from gradcheck.results.table import rows as some_rows

Rows = NDArray[np.intp]

POINTS = len(STENCIL)
KEPT = ("value", "step", "noise", "truncation", "kink", "left", "right", "sided", "curvature", "chord")
# Off the domain: come closer three times, then take one side.
RETREAT, RETREATS = 256.0, 3
# Noise of the slope hides no kink of so many times that; more noise, as a part of f, tells of none. Both by trial.
HIDDEN, CLEAN = 20.0, 1e-10
# Where a shorter step has served: between both, as long as that is so much shorter.
NOT_FAR = 0.7
# How often a step may grow, and shrink by leaps, in search of a smooth f.
WIDENINGS, LEAPS = 4, 3
LEAP = 1e-3
# Six more evaluations against noise are worth it where the bar is this many times what is wanted at best.
WORTHWHILE = 100.0
# A bar counts as resolved at this part of what verifies a claim.
SPARE = 0.3
# So many fits in a row that contradict the one before are no polynomial's: f is singular nearer than the steps.
CLASHES = 3
# Noise, or what bends, of this part of f is as large as f: no bar is wide enough. Without this an f that is noise alone
# passes as one of slope 0, and so does log(2 + sin x) at 1e12, which is faster than every step.
DROWNED = 0.03
# Where the values of a stencil are so many times f(x), a slope may hide behind them that shows nearer to x; no value of
# a float64 is told from 0 that is smaller than the second.
TOWERING, SMALLEST_VALUE = 1e3, 1e-290


@dataclass(frozen=True)
class _Seen:
    """What the last stencils show of some rows (k,), and what is wanted of them.

    bar : of the kept fit. off : outside the domain; beyond : where a shorter step has served. kinked : a jump of the
    slope that matters. noisier, wild, lost : as of `_more_noise`. bent : what bends stands out of the noise.
    contested : two fits contradict each other. hidden : as noise may hide here a kink that was seen from farther off.
    """

    bar: Values
    precise: Values
    resolved: Values
    off: Mask
    beyond: Mask
    kinked: Mask
    noisier: Mask
    wild: Mask
    lost: Mask
    bent: Mask
    contested: Mask
    hidden: Mask

    @property
    def unsettled(self) -> Mask:
        """Where another step may be better, whatever noise says."""
        return self.off | self.bent | self.kinked | self.contested


@dataclass
class Search:
    """The state of m lines between rounds; every array is over lines.

    f_x to of_terms : as `estimate` takes them; those of all lines are made those of each.
    """

    objective: Objective
    lines: Lines | Family
    f_x: Any
    level: Any
    step: Values
    smallest: Values
    largest: Any = np.inf
    room: tuple[Any, Any] | None = None
    # Where every larger step has failed: one that leaves the coordinate its sign. Taken once, then nan.
    inner: Any = np.nan
    at_zero: Any = False
    served: bool = False
    of_terms: Any = 0.0

    def __post_init__(self) -> None:
        m, dtype = len(self.lines), self.objective.parameters.dtype
        self.f_x, self.level, self.inner = (np.full(m, v, dtype) for v in (self.f_x, self.level, self.inner))
        self.step, self.smallest = np.array(self.step, dtype), np.array(self.smallest, dtype)
        self.largest, self.of_terms = np.full(m, self.largest), np.full(m, self.of_terms)
        self.at_zero = np.full(m, self.at_zero)
        self.left_room, self.right_room = (np.full(m, each, dtype) for each in self.room or (np.inf, np.inf))
        self.side = np.zeros(m, np.int8)
        self.limit = np.full(m, Limit.BUDGET, object)
        self.kept = dict(zip(KEPT, np.full((len(KEPT), m), np.nan, dtype), strict=True))
        # The bar of the kept fit alone, how far a fit that contradicts it lies away, and whether it sees a kink.
        self.own, self.contested = np.full(m, np.inf, dtype), np.zeros(m, dtype)
        self.kinked = np.zeros(m, bool)
        # The shortest step at which f was seen to bend beyond the noise.
        self.bent_at, self.last_step, self.last_bends = (np.full(m, v) for v in (np.inf, np.nan, np.nan))
        # Lines that take one stencil as near to x as numbers allow, 1, and those that have taken it, 2.
        self.nearest: NDArray[np.int8] = np.zeros(m, np.int8)
        self.clashes, self.shrunk, self.widened, self.off_domain = (np.zeros(m, np.int8) for _ in range(4))
        # Of the last stencils: what they say, and the side on which f was finite.
        self.fit: Fit
        self.finite_side: NDArray[np.int8]
        self._nfev_before = self.objective.nfev

    @property
    def nfev(self) -> int:
        """Evaluations of f so far."""
        return self.objective.nfev - self._nfev_before

    def found(self, rows: Rows | slice = slice(None)) -> Estimate:
        """The best estimates of these rows so far."""
        error = np.where(self.clashes[rows] < CLASHES, self.own[rows] + self.contested[rows], np.inf)
        kept = {name: kept[rows] for name, kept in self.kept.items()}
        return Estimate(**kept, error=error, limit=self.limit[rows], nfev=self.nfev)

    def open_rows(self, side: NDArray[np.int8] | None) -> Rows:
        """Fit the first steps into the room that bounds leave; a line without room is fixed."""
        widest = np.maximum(self.left_room, self.right_room)
        narrow = np.minimum(self.left_room, self.right_room)
        self.limit[widest <= 0] = Limit.FIXED
        if side is not None:
            self.side = side.astype(np.int8)
        cramped = 2.0 * self.step > narrow
        if np.count_nonzero(cramped):
            # A central stencil eight times narrower still beats a one-sided one; below that it drowns in noise.
            central_fits = narrow / 2.0 >= self.step / 8.0
            self.step = np.where(cramped & central_fits, 0.495 * narrow, self.step)
            away = np.where(self.right_room >= self.left_room, 1, -1)
            self.side = np.where(cramped & ~central_fits, away, self.side).astype(np.int8)
        return np.flatnonzero(widest > 0)

    def measure(self, rows: Rows) -> Rows:
        """Evaluate one stencil on each row that the budget allows, and keep the better estimate of each."""
        rows = rows[: self.objective.remaining // POINTS]
        if rows.size == 0:
            return rows
        side, step = self.side[rows], self.step[rows]
        offsets = step[:, None] * STENCIL
        if np.count_nonzero(side):
            room = np.where(side > 0, self.right_room[rows], self.left_room[rows])
            sided = side[:, None] * np.minimum(4.0 * step, 0.99 * room)[:, None] * SIDED_NODES
            offsets = np.where(side[:, None] == 0, offsets, sided)
        offsets = self.lines.reached(rows, offsets)
        values = self.objective.along(self.lines, rows, offsets)
        f_x, level = self.f_x[rows], self.level[rows]
        fit = central(f_x, offsets, values, level)
        at = np.flatnonzero(side)
        if at.size:
            fit = put(fit, at, one_sided(f_x[at], offsets[at], values[at], level[at]))
        # Noise as large as f: whatever fits it is a fit of noise, or of an oscillation faster than x can resolve.
        size = np.abs(values).max(axis=1)
        drowned = (level > DROWNED * size) & (size > 0) & (level > self.of_terms[rows])
        if np.count_nonzero(drowned):
            fit = replace(fit, noise=np.where(drowned, np.inf, fit.noise))
        self.fit = fit
        # In a central stencil the first three points lie to the left.
        self.finite_side = np.where(np.isfinite(values)[:, 3:].all(axis=1), 1, -1).astype(np.int8)
        self._keep(rows, fit)
        return rows

    def _keep(self, rows: Rows, fit: Fit) -> None:
        """Keep the fit with the smaller bar. Of two that contradict each other one is not what it says.

        Then the one with the smaller step is kept, nearer to the limit that a derivative is, unless noise has made
        it much cruder; its bar covers the other until a third agrees with it.
        """
        error = fit.error.copy()
        own, step, kept_step = self.own[rows], self.step[rows], self.kept["step"][rows]
        apart = np.abs(fit.value - self.kept["value"][rows])
        both = np.isfinite(own) & np.isfinite(error)
        clash = both & (apart > error + own)
        # A stencil on which f does not change at all tells no better: its steps may drown inside f.
        nearer = (step < kept_step) & (error <= 3.0 * own) & (fit.chord > 0)
        # Far below the first step the noise was never measured: what the truncation shows may be all noise.
        far = self.shrunk[rows] + self.off_domain[rows] > 1
        error[far] += 4.0 * fit.truncation[far]
        take = np.where(clash, nearer, error < own)
        # The slopes on the two sides of a kink are those of a fit that sees it, not of one whose steps look past it;
        # of two that see it those with the smaller bars, or the nearer ones where these contradict: another kink lies
        # between the two steps.
        kinked = fit.kinked & fit.finite
        if np.count_nonzero(kinked):
            take |= kinked & ~self.kinked[rows] & (step < kept_step)
            sided = self.kept["sided"][rows]
            better = np.where(self._other_kink(rows, fit), step < kept_step, fit.sided < sided)
            take = np.where(kinked & self.kinked[rows], better, take)
        # As near as can be only a slope that is seen counts; a bar there says how small the values are.
        nearest = self.nearest[rows] == 1
        if np.count_nonzero(nearest):
            take = np.where(nearest, fit.finite & (np.abs(fit.value) > 3.0 * error), take)
            clash &= ~nearest
            self.nearest[rows[nearest]] = 2
        agreed, clashing = rows[both & ~clash], rows[clash]
        self.contested[agreed], self.clashes[agreed] = 0.0, 0
        self.contested[clashing] = apart[clash]
        self.clashes[clashing] += 1
        better = rows[take]
        for name in KEPT:
            self.kept[name][better] = self.step[better] if name == "step" else getattr(fit, name)[take]
        self.own[better] = error[take]
        self.kinked[better] = fit.kinked[take]

    def _other_kink(self, rows: Rows, fit: Fit) -> Mask:
        """Rows that show another kink than the kept one: slopes on one side differ by more than the bars of both.

        What noise makes of a kink grows as the step shrinks.
        """
        bar = 3.0 * (fit.sided + self.kept["sided"][rows])
        apart = (np.abs(getattr(fit, side) - self.kept[side][rows]) for side in ("left", "right"))
        growth = np.sqrt(np.maximum(self.kept["step"][rows] / self.step[rows], 1.0))
        return np.asarray((np.fmax(*apart) > bar) & (fit.kink <= growth * self.kept["kink"][rows]))

    def plan(self, rows: Rows, precise: Values, resolved: Values, *, last: bool = False) -> Rows:
        """Choose the next step of each row from its last fit; returns the rows that are worth another stencil.

        last : whether none will be taken: then what limits the rows is all that there is to say.
        """
        rows, precise, resolved = self._without_the_nearest(rows, precise, resolved)
        seen = self._seen(rows, precise, resolved)
        self._name_limits(rows, seen)
        if last:
            return rows[:0]
        self.bent_at[rows[seen.bent]] = np.minimum(self.bent_at, self.step)[rows[seen.bent]]
        factor, widen = self._factors(rows, seen)
        # A kink that the noise would hide at the next step has been followed as far as it can be.
        hidden = seen.kinked & (6.0 * self.fit.noise / factor > self.fit.kink) | seen.hidden
        resolves = seen.bar <= seen.resolved
        balanced = seen.bent & resolves & (factor > 0.3)
        go = ~(seen.bar <= seen.precise) & (seen.unsettled | widen) & ~hidden & ~balanced
        # Between a step that serves and one that leaves the domain little is to be had.
        go &= ~(seen.beyond & (factor > NOT_FAR))
        new_step = self.step[rows] * factor
        new_step[widen] = np.minimum(new_step, self.largest[rows])[widen]
        go &= (new_step >= self.smallest[rows]) & ~(widen & (self.step[rows] >= self.largest[rows]))
        clashing = seen.bent & (~go | (self.clashes[rows] >= CLASHES)) & ~balanced & ~resolves
        inwards = (clashing | seen.lost) & np.isfinite(self.inner[rows])
        if np.count_nonzero(inwards):
            new_step[inwards] = self._start_afresh(rows[inwards])
        go |= inwards
        self.last_step[rows], self.last_bends[rows] = self.step[rows], self.fit.bends
        towering = self._towering(rows, ~resolves) & ~seen.unsettled
        if np.count_nonzero(towering):
            new_step[towering] = self._beneath(rows)[towering]
            self.nearest[rows[towering]] = 1
        go |= towering
        self.shrunk[rows[go & (factor < 1) & ~seen.off]] += 1
        self.widened[rows[go & widen]] += 1
        room = np.minimum(self.left_room[rows], self.right_room[rows]) / 2.0
        self.step[rows] = np.where(self.side[rows] != 0, new_step, np.minimum(new_step, 0.99 * room))
        return np.asarray(rows[go])

    def _seen(self, rows: Rows, precise: Values, resolved: Values) -> _Seen:
        fit, step = self.fit, self.step[rows]
        bar = 3.0 * (self.own[rows] + self.contested[rows])
        off = ~fit.finite
        beyond = off & np.isfinite(self.own[rows]) & (self.kept["step"][rows] < step)
        # What bends as far as f is large is no slope yet, however small it is beside those of other lines.
        # f(x) may cancel to next to nothing: then f is as large as what it moves by.
        size = np.maximum(np.abs(self.f_x[rows]), fit.chord * step)
        whole = fit.truncation * step > DROWNED * size
        precise = np.where(whole & (self.f_x[rows] != 0), 0.0, precise)
        # A jump of the slope that does not matter at this resolution is truncation like any other.
        kinked = fit.kinked & fit.finite & ~(3.0 * self.kept["kink"][rows] <= resolved)
        more = self._more_noise(rows, off | kinked)
        bent = (fit.bends > 3.0 * fit.noise) & ~more[0] & ~off & ~kinked
        contested = (self.contested[rows] > 0) & ~off & ~kinked & ~more[0]
        hidden = self.kinked[rows] & ~(off | kinked) & (HIDDEN * fit.noise > self.kept["kink"][rows])
        hidden &= self.level[rows] <= CLEAN * np.abs(self.f_x[rows])
        return _Seen(bar, precise, resolved, off, beyond, kinked, *more, bent, contested, hidden)

    def _factors(self, rows: Rows, seen: _Seen) -> tuple[Values, Mask]:
        """By what steps change, were they taken, and which of them grow."""
        fit, bent = self.fit, seen.bent
        balance = (fit.noise / (4.0 * fit.bends)) ** 0.2
        need = seen.bar / seen.resolved
        factor = np.ones(rows.size)
        factor[bent] = np.clip(balance[bent], LEAP, 0.5)
        factor[seen.contested & ~bent] = 0.25
        factor[seen.wild] = LEAP
        factor[seen.kinked] = 1.0 / 32.0
        factor[seen.beyond] = np.sqrt(self.kept["step"][rows] / self.step[rows])[seen.beyond]
        outside = seen.off & ~seen.beyond
        if np.count_nonzero(outside):
            factor[outside] = self._retreat(rows, outside)
        quiet = ~(seen.unsettled | seen.noisier)
        worthwhile = (fit.noise > 10.0 * fit.bends) & (seen.bar > WORTHWHILE * seen.precise)
        crude = need > (1.0 / SPARE if self.served else 1.0)
        widen = quiet & self._may_widen(rows) & (worthwhile & (self.shrunk[rows] == 0) | crude)
        factor[widen] = np.clip(np.fmax(balance, need / 10.0)[widen], 8.0, 300.0)
        # The last leap may have gone too far: a little back, where little is missing.
        back = quiet & (self.shrunk[rows] > 0) & (need > 1.0) & (need < 16.0) & (self.widened[rows] < 2)
        if self.served:
            # A first bend may have been noise's; where such steps have served, it is f's.
            back &= 2.0 * self.step[rows] < 0.9 * self.bent_at[rows]
        factor[back] = 2.0
        return factor, widen | back

    def _without_the_nearest(
        self, rows: Rows, precise: Values, resolved: Values
    ) -> tuple[Rows, Values, Values]:
        """Rows that were looked at from as near as can be end with that; what they show there is no plan for others."""
        go = self.nearest[rows] != 2
        if go.all():
            return rows, precise, resolved
        ended = rows[~go]
        fine = 3.0 * self.own[ended] <= precise[~go]
        self.limit[ended[fine]] = Limit.NONE
        self.fit, self.finite_side = some_rows(self.fit, np.flatnonzero(go)), self.finite_side[go]
        return rows[go], precise[go], resolved[go]

    def _towering(self, rows: Rows, crude: Mask) -> Mask:
        """Rows whose values tower above f(x) and its noise, and hide the slope: (s x)^2 + s x at 0, for a large s."""
        beside = np.maximum(np.abs(self.f_x[rows]), self.level[rows])
        moved = self.fit.chord * self.step[rows] / TOWERING > beside
        crude = crude | (np.abs(self.kept["value"][rows]) <= 3.0 * self.own[rows])
        central = self.fit.finite & (self.nearest[rows] == 0) & (self.side[rows] == 0)
        return np.asarray(moved & crude & central)

    def _beneath(self, rows: Rows) -> Values:
        """The steps at which a slope shows beside values that tower: four of the smallest; or where x is 0 the least at
        which what bends, b h^2, still stands a thousandfold above f(x), its noise and the smallest number."""
        bend = self.fit.chord / self.step[rows]
        least = np.maximum(np.maximum(np.abs(self.f_x[rows]), self.level[rows]), SMALLEST_VALUE)
        near = np.sqrt(TOWERING * least) / np.sqrt(bend)
        smallest = 4.0 * self.smallest[rows]
        return np.where(self.at_zero[rows] & (near > 0), np.minimum(near, smallest), smallest)

    def _more_noise(self, rows: Rows, exempt: Mask) -> tuple[Mask, Mask, Mask]:
        """Rows that show more noise than was measured, those for which that is not yet believed, and those lost.

        A shorter step that bends more, in proportion, shows noise, not truncation (near a singularity bends grow
        too, but as a lower power of the step). Or f oscillates faster than the step, or jumps: the noise was
        measured, so before more is believed the step leaps, three times. A row is lost where it could leap to its
        inner step yet.
        """
        bends, growth = self.fit.bends, self.last_step[rows] / self.step[rows]
        grown = bends > np.maximum(1.5, 0.3 * growth) * self.last_bends[rows]
        more = (growth > 1.0) & grown & ~exempt
        wild = more & (self.shrunk[rows] < LEAPS)
        lost = more & ~wild & np.isfinite(self.inner[rows])
        noisier = more & ~wild & ~lost
        if not np.count_nonzero(noisier):
            return noisier, wild, lost
        implied = bends[noisier] * self.step[rows][noisier] / 3.0
        at = rows[noisier]
        self.level[at] = np.maximum(self.level[at], implied)
        self.own[at] += 3.0 * implied / self.kept["step"][at]
        # Noise as large as f itself is an oscillation faster than every step: no bar is wide enough. Eight values know
        # noise to a factor of ten, and bends are up to three times what it is; where f(x) cancels anything is all of f.
        all_of_f = bends * self.step[rows] > DROWNED * np.abs(self.f_x[rows])
        cancelled = np.abs(self.f_x[rows]) <= DROWNED * self.fit.chord * self.step[rows]
        fast = all_of_f & (bends > np.where(cancelled, 1e3, 30.0) * self.fit.noise)
        self.own[rows[noisier & fast]] = np.inf
        return noisier, wild, lost

    def _start_afresh(self, rows: Rows) -> Values:
        """Forget the larger steps, at which no polynomial fits; returns the inner ones, to be taken once."""
        self.own[rows], self.contested[rows], self.clashes[rows], self.side[rows] = np.inf, 0.0, 0, 0
        inner = self.inner[rows]
        self.inner[rows], self.smallest[rows] = np.nan, inner / 1e3
        return np.asarray(inner)

    def _name_limits(self, rows: Rows, seen: _Seen) -> None:
        jumping = self.fit.jumping & (self.shrunk[rows] > 0) & (self.fit.bends > 3.0 * self.fit.noise)
        self.limit[rows] = Limit.NOISE
        self.limit[rows[seen.bent]] = Limit.TRUNCATION
        self.limit[rows[jumping]] = Limit.JUMP
        self.limit[rows[seen.kinked | seen.hidden]] = Limit.KINK
        self.limit[rows[seen.off & ~seen.beyond]] = Limit.DOMAIN
        self.limit[rows[seen.bar <= seen.precise]] = Limit.NONE

    def _may_widen(self, rows: Rows) -> Mask:
        """Never after a step was shrunk, but for the first of all, whose bends may be noise's; and not when the last
        widening brought nothing."""
        worse = (self.widened[rows] > 0) & (self.fit.error > self.own[rows])
        first = (self.shrunk[rows] == 1) & (self.widened[rows] == 0)
        return np.asarray(((self.shrunk[rows] == 0) | first) & (self.widened[rows] < WIDENINGS) & ~worse)

    def _retreat(self, rows: Rows, off: Mask) -> Values:
        """Off the domain: come closer to x, then take the side on which f is finite. Returns the factors."""
        rows, finite_side = rows[off], self.finite_side[off]
        self.off_domain[rows] += 1
        turn = self.off_domain[rows] % (RETREATS + 1) == 0
        other = np.where(self.side[rows] == 0, finite_side, -self.side[rows])
        self.side[rows] = np.where(turn, other, self.side[rows])
        return np.where(turn, RETREAT**RETREATS, 1.0 / RETREAT)
