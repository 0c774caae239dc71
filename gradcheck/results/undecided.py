"""Why a check ends undecided, and what would decide it, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gradcheck.results.outcome import Limit


class Remedy(Enum):
    """What decides a check that is undecided; RESOLUTION or ATOL, of which there is one at most, goes with a value."""

    OFF_KINK = "move x off the kink"
    SUBGRADIENT = "subgradient"
    OFF_JUMP = "move x away from the jump"
    OFF_EDGE = "move x away from the edge, or pass bounds"
    OFF_BEND = "move x to where f bends less"
    OFF_BESIDE = "move x away from that kink, bend or edge"
    ELSEWHERE = "check it at another point, too (check_points draws some)"
    FLOAT64 = "compute f in float64"
    DIGITS = "compute f with all digits of float64"
    PRECISE = "compute f more precisely"
    RESCALE = "rescale x"
    APART = "put such entries into an array of their own"
    RESOLUTION = "resolution"
    ATOL = "atol"
    SWEEP = "method='sweep'"
    COMPLEX = "method='complex'"
    RAISE = "raise max_nfev (or max_seconds)"
    AGAIN = "start it again"


# What ended the measuring before its time, and what decides it then.
ENDED = {Limit.INTERRUPTED: Remedy.AGAIN, Limit.BUDGET: Remedy.RAISE, Limit.SEARCH: Remedy.SWEEP}
# What is said of a check that ended before there was anything else to say.
OUT_OF_BUDGET = f"{Limit.BUDGET.value}: {Remedy.RAISE.value}"
INTERRUPTED = f"{Limit.INTERRUPTED.value}: {Remedy.AGAIN.value}"


@dataclass(frozen=True)
class Undecided:
    """What is undecided and why.

    name : of an entry, one of `count` among `total`; of an array where count is 0. limit : what keeps the bar from
    being smaller. bar : 3 E of that entry. reached : the relative mistake that could be seen, nan where none could.
    slopes : on both sides of a kink. known : whether anything was measured: then the derivative under test agrees
    with it. tested : whether directions were measured at all. value : the one of an f that stays the same, None for
    several outputs. remedies : options first. offered : the value of the option among them that takes one.
    """

    name: str
    limit: Limit
    count: int = 0
    total: int = 0
    bar: float = float("nan")
    reached: float = float("nan")
    slopes: tuple[float, float] | None = None
    known: bool = True
    tested: bool = True
    noun: str = "gradient"
    value: float | None = None
    remedies: tuple[Remedy, ...] = ()
    offered: float | None = None
