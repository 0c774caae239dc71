"""What the remainders of a Taylor test say: the outcome, and why."""

from __future__ import annotations

import math

from gradcheck.numerics.remainders import LEAST, Remainders
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count


def verdict(seen: Remainders, tolerance: Tolerance) -> tuple[Outcome, str]:
    """The outcome, and why.

    seen : without what is accepted, see `Remainders.but_for`.
    """
    if int(seen.known.sum()) < LEAST:
        return (
            Outcome.INCONCLUSIVE,
            "f is not finite along v: choose another tangent, or move x into its domain",
        )
    if seen.linear:
        name, clear = "linear" if seen.expected == 2 else "quadratic", seen.clear(seen.sizes).size
        floor = "the remainder is at the noise floor at every step"
        if clear:
            floor = (
                f"the remainder stands out of the noise at {count(clear, 'step')}, too few to tell its order"
            )
        return _resolved(
            seen, tolerance, f"{floor}:", f"f is {name} along v as far as its noise shows: {floor}"
        )
    odd, even = seen.order_of(seen.odd), seen.order_of(seen.even)
    falls = f"the remainder falls as h^{seen.order:.2f}"
    if seen.order < 0.5:
        return Outcome.INCONCLUSIVE, f"{falls}: f jumps at x, or varies faster than the steps"
    if even < 1.5:
        return Outcome.INCONCLUSIVE, f"{falls}, the same on both sides: a kink at x; move x off it"
    bent = seen.expected == 3 and even < 2.5
    if seen.order >= seen.expected - 0.1 and not odd < 1.5 and not bent:
        return _resolved(seen, tolerance, f"{falls}, but", f"{falls}, as it should")
    if 0.5 <= odd < 1.5:
        falls = falls if seen.order < 1.5 else f"the odd part of the remainder falls as h^{odd:.2f}"
        return _off(seen, falls)
    if bent and seen.order < 2.5:
        return Outcome.FAIL, f"{falls}, not as h^3: the gradient fits, the curvature v.Hv does not"
    return Outcome.INCONCLUSIVE, f"{falls}, neither as h^{seen.expected} nor as a mistake would"


def hides(seen: Remainders, tolerance: Tolerance) -> bool:
    """Whether noise hides a mistake of the resolution: in the slope, or in the curvature where one is claimed."""
    if int(seen.known.sum()) < LEAST:
        return False
    hidden = [seen.seen_along()] + ([seen.seen_across()] if seen.expected == 3 else [])
    return not max(hidden) <= tolerance.resolution


def _resolved(seen: Remainders, tolerance: Tolerance, hidden: str, passed: str) -> tuple[Outcome, str]:
    """PASS where a mistake of the resolution would have shown, in the slope and in the curvature that is claimed."""
    visible = max(seen.seen_along(), tolerance.rtol)
    if not visible <= tolerance.resolution:
        text = f"{hidden} mistakes below {visible:.2g} would be hidden; compute f more precisely"
        return Outcome.INCONCLUSIVE, text
    told = f"{passed}; a relative mistake of {visible:.2g} would have been seen"
    if seen.expected == 2:
        return Outcome.PASS, told
    across = max(seen.seen_across(), tolerance.rtol)
    if across <= tolerance.resolution:
        return Outcome.PASS, f"{told}, and of {across:.2g} in the curvature v.Hv"
    if math.isinf(across):
        text = "the gradient fits along v, but slope and curvature are 0 there: nothing says which mistake is large"
        return Outcome.INCONCLUSIVE, f"{text}; choose another x or tangent, or use check_hessian"
    text = f"the gradient fits along v, but mistakes below {across:.2g} of the curvature v.Hv would be hidden"
    return Outcome.INCONCLUSIVE, f"{text} by the noise of f; compute f more precisely, or use check_hessian"


def _off(seen: Remainders, falls: str) -> tuple[Outcome, str]:
    """FAIL where the odd part of the remainder falls as h, as the moves of f do."""
    if seen.moves is None or seen.order_of(seen.moves, seen.of_f) < 0.5:
        return Outcome.INCONCLUSIVE, f"{falls}, but f does not move as h: it varies faster than the steps"
    last = seen.clear(seen.odd)[-1]
    off = float(seen.odd[last] / seen.steps[last])
    part = f", {100 * off / seen.slope:.3g} % of what is claimed" if seen.slope > 0 else ""
    return (
        Outcome.FAIL,
        f"{falls}, not as h^{seen.expected}: the derivative along v is off by {off:.3g}{part}",
    )
