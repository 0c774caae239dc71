"""The choice of steps: what the values of one stencil say about the next."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values
from gradcheck.numerics.stencils import STENCIL, Fit
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit
from gradcheck.results.table import put, rows

Rows = NDArray[np.intp]
Counts = NDArray[np.int8]

POINTS = len(STENCIL)
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
CONFLICTS = 3
# Noise, or what bends, of this part of f is as large as f: no bar is wide enough. Without this an f that is noise alone
# passes as one of slope 0, and so does log(2 + sin x) at 1e12, which is faster than every step.
DROWNED = 0.03
# Where the values of a stencil are so many times f(x), a slope may hide behind them that shows nearer to x; no value of
# a float64 is told from 0 that is smaller than the second.
TOWERING, SMALLEST_VALUE = 1e3, 1e-290

# Two fits whose slopes differ by this part of half the kink that both show have not found different ones.
SLIGHTLY = 0.2


class State(IntEnum):
    """What the last stencil says of the step of a line: the first that holds."""

    # The stencil lay as near to x as numbers allow: nothing is left to try.
    NEAREST = auto()
    # Outside the domain of f; where a shorter step has served, too far beyond that.
    BEYOND = auto()
    OFF = auto()
    # The slope jumps at x, by so much that it matters; or did, seen from farther off, and noise may hide it here.
    KINKED = auto()
    HIDDEN = auto()
    # A shorter step bends more, which is noise, or an f faster than the steps. The noise was measured: before more is
    # believed the step leaps, and what is left within all other steps is tried.
    LEAPING = auto()
    NOISY = auto()
    # What bends stands out of the noise.
    BENT = auto()
    # The fit contradicts the kept one.
    CONTESTED = auto()
    # Noise is all there is.
    QUIET = auto()


States = NDArray[np.int_]
BENT = (State.LEAPING, State.BENT)
# What limits the bar, where that is not noise.
LIMITS = {
    State.OFF: Limit.DOMAIN,
    State.KINKED: Limit.KINK,
    State.HIDDEN: Limit.KINK,
    **dict.fromkeys(BENT, Limit.TRUNCATION),
}
COUNTS = ("conflicts", "nearest", "shrunk", "widened", "off_domain")


@dataclass
class Search:
    """The state of k lines between two stencils; every field but `served` is an array over them.

    line : the number of each. f_x to at_zero : as `estimate` takes them; inner is nan once that step was taken.
    side : on which the stencil lies, -1 or 1; 0 is both. limit : what limits the bar.
    kept : the best fit so far, taken with `kept_step`; error : the bar of that fit alone. conflict : how far the last
    fit, if that contradicts it, lies away; conflicts : so many have in a row.
    last_step, last_bends : of the fit before.
    nearest : 1 where the next stencil lies as near to x as numbers allow, 2 where the last one did.
    shrunk, widened, off_domain : how often the step has shrunk, has grown, and has led off the domain.
    """

    line: Rows
    f_x: Values
    level: Values
    of_terms: Values
    step: Values
    smallest: Values
    largest: Values
    inner: Values
    left_room: Values
    right_room: Values
    at_zero: Mask
    served: bool
    side: Counts
    limit: NDArray[np.object_]
    kept: Fit
    kept_step: Values
    error: Values
    conflict: Values
    conflicts: Counts
    last_step: Values
    last_bends: Values
    nearest: Counts
    shrunk: Counts
    widened: Counts
    off_domain: Counts

    @classmethod
    def of(
        cls,
        step: Values,
        smallest: Values,
        *,
        f_x: Any,
        level: Any,
        dtype: np.dtype[Any],
        largest: Any = np.inf,
        room: tuple[Any, Any] | None = None,
        side: Any = 0,
        inner: Any = np.nan,
        at_zero: Any = False,
        served: bool = False,
        of_terms: Any = 0.0,
    ) -> Search:
        """All lines before their first stencil, the step of each within the room that bounds leave."""
        m = step.size

        def every(value: Any) -> Values:
            return np.full(m, value, dtype)

        no_fit: dict[str, Any] = {f.name: every(np.nan) for f in fields(Fit)}
        no_fit |= dict.fromkeys(("kinked", "jumping", "stepped", "finite"), np.zeros(m, bool))
        counts = {name: np.zeros(m, np.int8) for name in COUNTS}
        left_room, right_room = map(every, room or (np.inf, np.inf))
        search = cls(
            line=np.arange(m), f_x=every(f_x), level=every(level), of_terms=np.full(m, of_terms), step=every(step),
            smallest=every(smallest), largest=np.full(m, largest), inner=every(inner), left_room=left_room,
            right_room=right_room, at_zero=np.full(m, at_zero), served=served, side=np.full(m, side, np.int8),
            limit=np.full(m, Limit.BUDGET, object), kept=Fit(**no_fit), kept_step=every(np.nan), error=every(np.inf),
            conflict=every(0.0), last_step=np.full(m, np.nan),
            last_bends=np.full(m, np.nan), **counts,
        )  # fmt: skip
        search._fit_into_room()
        return search

    def _fit_into_room(self) -> None:
        """A line without room is fixed."""
        narrow = np.minimum(self.left_room, self.right_room)
        self.limit[np.maximum(self.left_room, self.right_room) <= 0] = Limit.FIXED
        cramped = 2.0 * self.step > narrow
        # A central stencil eight times narrower still beats a one-sided one; below that it drowns in noise.
        central_fits = narrow / 2.0 >= self.step / 8.0
        self.step = np.where(cramped & central_fits, 0.495 * narrow, self.step)
        sided = cramped & ~central_fits
        self.side[sided] = np.where(self.right_room >= self.left_room, 1, -1)[sided]

    def found(self) -> Estimate:
        """The best estimates so far; evaluations are not counted."""
        kept, error = self.kept, np.where(self.conflicts < CONFLICTS, self.error + self.conflict, np.inf)
        return Estimate(
            kept.value, error, self.kept_step, kept.noise, kept.truncation, kept.kink, kept.left, kept.right,
            kept.sided, kept.curvature, kept.chord, self.limit, nfev=0,
        )  # fmt: skip

    def keep(self, fit: Fit) -> None:
        """Keep the fit with the smaller bar. Of two that contradict each other one is not what it says.

        Then the one with the smaller step is kept, nearer to the limit that a derivative is, unless noise has made
        it much cruder; its bar covers the other until a third agrees with it.
        """
        apart = np.abs(fit.value - self.kept.value)
        both = np.isfinite(self.error) & np.isfinite(fit.error)
        clash = both & (apart > fit.error + self.error)
        nearer = self.step < self.kept_step
        # Far below the first step the noise was never measured: what the truncation shows may be all noise.
        far = self.shrunk + self.off_domain > 1
        error = np.where(far, fit.error + 4.0 * fit.truncation, fit.error)
        # A stencil on which f does not change at all tells no better: its steps may drown inside f.
        take = np.where(clash, nearer & (fit.error <= 3.0 * self.error) & (fit.chord > 0), error < self.error)
        # The slopes on the two sides of a kink are those of a fit that sees it, not of one whose steps look past it;
        # of two that see it those with the smaller bars, or the nearer ones where these contradict: another kink lies
        # between the two steps.
        kinked = fit.kinked & fit.finite
        fit = self._as_unsure(fit)
        better = np.where(self._other_kink(fit), nearer, fit.sided < self.kept.sided)
        take = np.where(kinked, np.where(self.kept.kinked, better, take | nearer), take)
        # As near as can be only a slope that is seen counts; a bar there says how small the values are.
        nearest = self.nearest == 1
        take = np.where(nearest, fit.finite & (np.abs(fit.value) > 3.0 * error), take)
        clash &= ~nearest
        self.nearest[nearest] = 2
        self.conflict = np.where(both, np.where(clash, apart, 0.0), self.conflict)
        self.conflicts[both & ~clash] = 0
        self.conflicts[clash] += 1
        self.kept, self.kept_step = (
            put(self.kept, take, rows(fit, take)),
            np.where(take, self.step, self.kept_step),
        )
        self.error = np.where(take, error, self.error)

    def _as_unsure(self, fit: Fit) -> Fit:
        """The fit, and the kept one, known no better than they differ where that is a little of the kink of both.

        So do a slight kink nearer to x and noise that few values do not show, as whole roundings of terms that cancel.
        """
        apart = np.fmax(np.abs(fit.left - self.kept.left), np.abs(fit.right - self.kept.right))
        slight = self._other_kink(fit) & (apart <= SLIGHTLY * np.fmax(fit.kink, self.kept.kink))
        self.kept = replace(self.kept, sided=np.where(slight, apart, self.kept.sided))
        return replace(fit, sided=np.where(slight, apart, fit.sided))

    def _other_kink(self, fit: Fit) -> Mask:
        """Where a fit shows another kink than the kept one: slopes on one side differ by more than the bars of both.

        What noise makes of a kink grows as the step shrinks.
        """
        kept = self.kept
        apart = np.fmax(np.abs(fit.left - kept.left), np.abs(fit.right - kept.right))
        growth = np.sqrt(np.maximum(self.kept_step / self.step, 1.0))
        return np.asarray((apart > 3.0 * (fit.sided + kept.sided)) & (fit.kink <= growth * kept.kink))

    def plan(self, fit: Fit, precise: Values, resolved: Values, *, last: bool = False) -> Mask:
        """Choose the next step of each line from its last fit; returns which are worth another stencil.

        last : whether none will be taken: then what limits the lines is all that there is to say.
        """
        bar, state = 3.0 * (self.error + self.conflict), self._states(fit, resolved)
        self._believe_noise(fit, state == State.NOISY)
        # What bends as far as f is large is no slope yet, however small it is beside those of other lines.
        # f(x) may cancel to next to nothing: then f is as large as what it moves by.
        size = np.maximum(np.abs(self.f_x), fit.chord * self.step)
        precise = np.where(fit.truncation * self.step > DROWNED * size, 0.0, precise)
        enough, resolves = bar <= precise, bar <= resolved
        self._name_limits(fit, state, enough)
        if last:
            return np.zeros(bar.size, bool)
        factor = self._factors(fit, state, bar, precise, resolved)
        step, grows = self.step * factor, (state == State.QUIET) & (factor > 1.0)
        step = np.where(grows, np.minimum(step, self.largest), step)
        go = (factor != 1.0) & ~enough & (step >= self.smallest) & ~(grows & (self.step >= self.largest))
        stuck = np.isin(state, BENT) & ~resolves & (~go | (self.conflicts >= CONFLICTS))
        inwards = stuck & np.isfinite(self.inner)
        step = np.where(inwards, self.inner, step)
        self._forget(inwards)
        towering = (state == State.QUIET) & self._towering(fit, ~resolves)
        step = np.where(towering, self._beneath(fit), step)
        self.nearest[towering] = 1
        self.last_step, self.last_bends = self.step, fit.bends
        go |= inwards | towering
        self.shrunk[go & (factor < 1.0) & fit.finite] += 1
        self.widened[go & grows] += 1
        room = np.minimum(self.left_room, self.right_room) / 2.0
        self.step = np.where(self.side != 0, step, np.minimum(step, 0.99 * room))
        return np.asarray(go)

    def _states(self, fit: Fit, resolved: Values) -> States:
        # A jump of the slope that does not matter at this resolution is truncation like any other.
        kinked = fit.kinked & ~(3.0 * self.kept.kink <= resolved)
        hidden = self.kept.kinked & (HIDDEN * fit.noise > self.kept.kink)
        bent = fit.bends > 3.0 * fit.noise
        # Near a singularity, too, a shorter step bends more, but as a lower power of the step.
        growth = self.last_step / self.step
        noisy = (growth > 1.0) & (fit.bends > np.maximum(1.5, 0.3 * growth) * self.last_bends)
        first = {
            State.NEAREST: self.nearest == 2,
            State.BEYOND: ~fit.finite & np.isfinite(self.error) & (self.kept_step < self.step),
            State.OFF: ~fit.finite,
            State.KINKED: kinked,
            State.HIDDEN: hidden & (self.level <= CLEAN * np.abs(self.f_x)),
            State.LEAPING: noisy & bent & (self.shrunk < LEAPS),
            State.NOISY: noisy & (self.shrunk >= LEAPS) & np.isnan(self.inner),
            State.BENT: bent,
            State.CONTESTED: self.conflict > 0,
        }
        return np.select([*first.values()], [*first], State.QUIET)

    def _believe_noise(self, fit: Fit, noisy: Mask) -> None:
        """Bends that are noise, of which there is more than was measured, tell how much; the kept fit has its part."""
        if not np.count_nonzero(noisy):
            return
        moves = fit.bends * self.step
        self.level = np.where(noisy, np.maximum(self.level, moves / 3.0), self.level)
        # Noise as large as f itself is an oscillation faster than every step: no bar is wide enough. Eight values know
        # noise to a factor of ten, and bends are up to three times what it is; where f(x) cancels anything is all of f.
        cancelled = np.abs(self.f_x) <= DROWNED * fit.chord * self.step
        fast = (moves > DROWNED * np.abs(self.f_x)) & (fit.bends > np.where(cancelled, 1e3, 30.0) * fit.noise)
        self.error = np.where(noisy, np.where(fast, np.inf, self.error + moves / self.kept_step), self.error)

    def _name_limits(self, fit: Fit, state: States, enough: Mask) -> None:
        limit = np.full(state.size, Limit.NOISE, object)
        for each, name in LIMITS.items():
            limit[state == each] = name
        limit[np.isin(state, (*BENT, State.NOISY)) & fit.jumping & (self.shrunk > 0)] = Limit.JUMP
        limit[enough] = Limit.NONE
        self.limit = np.where((state == State.NEAREST) & ~enough, self.limit, limit)

    def _factors(self, fit: Fit, state: States, bar: Values, precise: Values, resolved: Values) -> Values:
        """By what the steps change; 1 where no other step is worth a stencil."""
        balance = (fit.noise / (4.0 * fit.bends)) ** 0.2
        between, shorter = np.sqrt(self.kept_step / self.step), np.clip(balance, LEAP, 0.5)
        need = bar / resolved
        worthwhile = (fit.noise > 10.0 * fit.bends) & (bar > WORTHWHILE * precise) & (self.shrunk == 0)
        crude = need > (1.0 / SPARE if self.served else 1.0)
        widen = (worthwhile | crude) & self._may_widen(fit)
        # The last leap may have gone too far: a little back, where little is missing.
        back = (self.shrunk > 0) & (need > 1.0) & (need < 16.0) & (self.widened < 2)
        longer = np.where(widen, np.clip(np.fmax(balance, need / 10.0), 8.0, 300.0), 1.0)
        factors: dict[State, Any] = {
            # Between a step that serves and one that leaves the domain little is to be had.
            State.BEYOND: np.where(between > NOT_FAR, 1.0, between),
            State.OFF: self._retreat(fit, state == State.OFF),
            # A kink that the noise would hide at the next step has been followed as far as it can be.
            State.KINKED: np.where(6.0 * 32.0 * fit.noise > fit.kink, 1.0, 1.0 / 32.0),
            State.LEAPING: LEAP,
            # What resolves, and would gain little by a step that balances noise and bends, is left as it is.
            State.BENT: np.where((bar <= resolved) & (shorter > 0.3), 1.0, shorter),
            State.CONTESTED: 0.25,
            State.QUIET: np.where(back, 2.0, longer),
        }
        return np.select([state == each for each in factors], [*factors.values()], 1.0)

    def _may_widen(self, fit: Fit) -> Mask:
        """Never after a step was shrunk, but for the first of all, whose bends may be noise's; and not when the last
        widening brought nothing."""
        worse = (self.widened > 0) & (fit.error > self.error)
        first = (self.shrunk == 1) & (self.widened == 0)
        return np.asarray(((self.shrunk == 0) | first) & (self.widened < WIDENINGS) & ~worse)

    def _retreat(self, fit: Fit, off: Mask) -> Values:
        """Off the domain: come closer to x, then take the side on which f is finite. Returns the factors."""
        self.off_domain[off] += 1
        turn = off & (self.off_domain % (RETREATS + 1) == 0)
        self.side = np.where(turn, np.where(self.side == 0, fit.finite_side, -self.side), self.side)
        return np.where(turn, RETREAT**RETREATS, 1.0 / RETREAT)

    def _forget(self, inwards: Mask) -> None:
        """Forget the larger steps, at which no polynomial fits; the inner one is taken once."""
        self.error[inwards], self.conflict[inwards] = np.inf, 0.0
        self.conflicts[inwards], self.side[inwards] = 0, 0
        self.smallest = np.where(inwards, self.inner / 1e3, self.smallest)
        self.inner = np.where(inwards, np.nan, self.inner)

    def _towering(self, fit: Fit, crude: Mask) -> Mask:
        """Lines whose values tower above f(x) and its noise, and hide the slope: (s x)^2 + s x at 0, for a large s."""
        moved = fit.chord * self.step / TOWERING > np.maximum(np.abs(self.f_x), self.level)
        unseen = np.abs(self.kept.value) <= 3.0 * self.error
        return np.asarray(moved & (crude | unseen) & (self.nearest == 0) & (self.side == 0))

    def _beneath(self, fit: Fit) -> Values:
        """The steps at which a slope shows beside values that tower: four of the smallest; or where x is 0 the least at
        which what bends, b h^2, still stands a thousandfold above f(x), its noise and the smallest number."""
        bend = fit.chord / self.step
        least = np.maximum(np.maximum(np.abs(self.f_x), self.level), SMALLEST_VALUE)
        near, smallest = np.sqrt(TOWERING * least) / np.sqrt(bend), 4.0 * self.smallest
        return np.where(self.at_zero & (near > 0), np.minimum(near, smallest), smallest)
