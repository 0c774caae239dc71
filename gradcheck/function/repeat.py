"""A derivative asked for again at x, once f was elsewhere: sums in another order, state, a cache of f's last call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.function.objective import BudgetSpentError, Objective
from gradcheck.parameters.block import output_name
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import Tolerance

# What a sum of 4,096 terms may change by in another order, in roundings of the largest: the root of their number.
REORDERED = 64.0
# What has the digits of float64 may hold a factor in single precision: chance of so many roundings of that is no state.
SINGLE = float(np.finfo(np.float32).eps)
# How far from x f is called, in the scale of each entry, so that what it left there cannot be taken for rounding.
ELSEWHERE = 0.1
# Calls of an f that differs, so that chance orders their values once in 5,000 times at most.
CALLS = 6
CLEAR = "clear the state that it keeps from call to call"
# What each call adds is the same to so much of it: what rounding leaves of that beside what it is added to.
GROWS = 1e-6
# Two calls of f may differ by what a parallel sum reorders; more than this, relative to the larger, is randomness.
REPEATABLE = 1e-9
# Randomness of so much is noise like any other, which is measured and decides what it can; more of it wants a seed,
# unless it is no more than a part of what f changes by beside x: it hides no slope then, however small f itself is.
NOISE, HIDES = 1e-6, 0.03


def said_of_two_values(
    objective: Objective, x: Flat, first: Any, second: Any, room: tuple[Flat, Flat] | None
) -> list[Finding]:
    """What there is to say of two values of f at x: of several outputs, of the one that differs most.

    room : as of `Repeat.findings`.
    """
    if not np.count_nonzero(first != second):
        return []
    first, second = np.atleast_1d(first), np.atleast_1d(second)
    k = int(np.argmax(np.abs(first - second)))
    name = f"{output_name(objective.shape or (), k)} is " if objective.several else ""
    seen = [float(first[k]), float(second[k])]
    text = f"f differs between two calls at the same x: {name}{first[k]:.17g} and {second[k]:.17g}"
    apart, size = abs(seen[0] - seen[1]), max(map(abs, seen))
    if apart <= REPEATABLE * size:
        return [Finding(text)]
    why, state = _why_it_differs(seen, lambda: float(np.ravel(objective.value(x))[k]))
    if not state and (apart <= NOISE * size or _hides_little(seen, objective, x, k, room)):
        return [Finding(f"{text}: noise of f, which was measured", random=True)]
    return [Finding(f"{text}; {why}", Outcome.INCONCLUSIVE, final=True)]


def _hides_little(
    seen: list[float], objective: Objective, x: Flat, k: int, room: tuple[Flat, Flat] | None
) -> bool:
    """Whether the values of output k at x differ by a small part of what it changes by beside x, within the bounds.

    Beside x are two points about a tenth of its scales away.
    """
    if not np.isfinite(seen).all():
        return False
    units = np.random.default_rng(0).uniform(0.5, 1.5, x.size) * np.where(np.arange(x.size) % 2, -1.0, 1.0)
    step = ELSEWHERE * objective.parameters.scales(x) * units
    changes = []
    for away in (step, -step):
        within = away if room is None else np.clip(away, -room[0], room[1])
        try:
            changes.append(abs(float(np.ravel(objective.probe(x + within))[k]) - seen[0]))
        except Exception:  # f is the caller's: it may raise anything
            return False
    return bool(np.ptp(seen) <= HIDES * max(filter(np.isfinite, changes), default=0.0))


def _why_it_differs(seen: list[float], again: Callable[[], float]) -> tuple[str, bool]:
    """What to do about an f whose values at one x differ, and whether it is seen to keep state.

    seen : grows by the values of further calls, `again`, which may raise. State is told from randomness by the order of
    the values: a counter drifts, a recurrent state settles, a loader of batches comes round. A random f gives the same
    value when numpy's global generator is put back.
    """
    if not np.isfinite(seen).all():
        return f"{CLEAR}, or fix its random seed", False
    try:
        seen += [float(again()) for _ in range(CALLS)]
        steps = np.diff(seen)
        for period in (2, 3):
            if seen[period:] == seen[:-period]:
                return f"it comes round every {period} calls: {CLEAR}", True
        if (steps > 0).all() or (steps < 0).all():
            return f"it drifts: {CLEAR}", True
        if (np.diff(np.abs(steps)) < 0).all():
            return f"it settles: {CLEAR}", True
        # The legacy state is the one that a careless f draws from: no Generator of ours can show that.
        state = np.random.get_state()  # noqa: NPY002 (what a careless f draws from)
        one = again()
        np.random.set_state(state)  # noqa: NPY002 (back to where that call began)
        two, three = again(), again()
        if one == two == three:
            return f"it settles: {CLEAR}", True
        if one == two:
            return "it draws from numpy.random: seed that at every call", False
    except Exception:  # f is the caller's: it may raise anything
        pass
    return f"{CLEAR}, or fix its random seed", False


@dataclass
class Repeat:
    """A derivative at x as it was first returned, and how to ask for it again.

    what : its name. first : (m, n), its entries, or (m,), a product of it.
    ask : returns the same once more, nan where it has another structure; appends what there is to say of the call.
    eps : the rounding of its arithmetic. at : the same at another point, where it is a function of one.
    calls : of either so far. random : whether values of f at x differ by chance; so may its derivative.
    """

    what: str
    first: Flat
    ask: Callable[[list[Finding]], Flat]
    eps: float
    objective: Objective
    x: Flat
    at: Callable[[Flat], Flat] | None = None
    calls: int = 0
    random: bool = False

    def elsewhere(self, x: Flat) -> Flat:
        """The derivative at another point. Raises whatever it raises."""
        assert self.at is not None
        self.calls += 1
        return self.at(x)

    def findings(self, tolerance: Tolerance, room: tuple[Flat, Flat] | None = None) -> list[Finding]:
        """Ask once more; where that differs as often as it takes to say why. To be called after f was elsewhere.

        room : how far f may go from x, left and right (n,).
        What differs within twice the tolerance, and rounding of the largest term, is a note: of two values that are
        farther apart one is wrong.
        """
        found: list[Finding] = []
        second = self._again(found)
        if self._same(self.first, second):
            return found
        third = self._again([])
        text = f"{self.what} differs between two calls at the same x"
        others = [second, third]
        why = ""
        if self._same(second, third):
            # No chance is in it: what f left behind, then, or a state of its own.
            self._visit(self.x + self._away(room))
            others.append(self._again([]))
            self._visit(self.x)
            back = self._excess(self._again([]), tolerance) <= 1.0
            why = (
                ": it uses what the last call of f left (a stale cache?), not the x that it is given"
                if back
                else ": it keeps state from call to call"
            )
        elif self._grows(second, third) and self._excess(second, tolerance) > 1.0:
            why = ": it adds up from call to call, where it should begin at 0"
        apart = max(float(np.max(np.abs(other - self.first))) for other in others)
        said = f"{text}, by up to {apart:.2g}: noise of {self.what}"
        if max(self._excess(other, tolerance) for other in others) <= 1.0:
            return [*found, Finding(f"{said}, within the tolerance{why}")]
        chance = not why and not self._same(self.first, third)
        if chance and max(self._excess(other, tolerance, SINGLE) for other in others) <= 1.0:
            return [*found, Finding(f"{said}, as of sums in float32 that come in any order")]
        if chance and self.random:
            text = f"f and {self.what} differ between two calls at the same x: fix the random seed of f"
            return [*found, Finding(text, Outcome.INCONCLUSIVE, final=True)]
        return [*found, Finding(text + why, Outcome.FAIL)]

    def _again(self, found: list[Finding]) -> Flat:
        self.calls += 1
        return self.ask(found)

    @staticmethod
    def _same(one: Flat, other: Flat) -> bool:
        alike = one.shape == other.shape and np.count_nonzero(one == other) == one.size
        return alike or np.array_equal(one, other, equal_nan=True)

    def _grows(self, second: Flat, third: Flat) -> bool:
        """Whether each call adds the same, whatever it began with."""
        if not self.first.shape == second.shape == third.shape:
            return False
        with np.errstate(all="ignore"):
            more, again = second - self.first, third - second
            return bool((np.abs(again - more) <= GROWS * np.max(np.abs(more))).all())

    def _excess(self, other: Flat, tolerance: Tolerance, eps: float = 0.0) -> float:
        """How far another value is from the first, relative to what two right ones may be apart; nan is inf.

        eps : the rounding of some of its arithmetic, where that is coarser than is known.
        """
        scales = (
            self.objective.parameters.scales(self.x) if self.first.ndim == 2 else np.ones(self.first.size)
        )
        eps = max(eps, self.eps, tolerance.eps)
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(self.first), np.abs(other))
            effect = np.max(size * scales, axis=-1, keepdims=True)
            rounding = np.where(np.isfinite(effect), REORDERED * eps * effect, 0.0) / scales
            allowed = 2.0 * (tolerance.rtol * size + tolerance.atol) + rounding
            apart = np.abs(other - self.first)
            excess = np.where(apart == 0, 0.0, apart / allowed)
        return float(np.max(np.nan_to_num(excess, nan=np.inf, posinf=np.inf)))

    def _away(self, room: tuple[Flat, Flat] | None) -> Flat:
        """A step away from x, within the bounds."""
        step = ELSEWHERE * self.objective.parameters.scales(self.x)
        if room is None:
            return step
        left, right = room
        return np.asarray(np.where(right >= left, np.minimum(step, right), -np.minimum(step, left)))

    def _visit(self, point: Flat) -> None:
        try:
            self.objective.probe(point.copy())
        except (BudgetSpentError, TypeError):
            return  # the last call of f was elsewhere in any case; what it returns is no matter
