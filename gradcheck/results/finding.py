"""What there is to say about the contract, in words and as data."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.results.outcome import Outcome
from gradcheck.results.undecided import Undecided


@dataclass(frozen=True)
class Finding:
    """One thing about the contract, in words.

    outcome : the best that the check can still say; None is a mere note.
    final : nothing can be measured after this. undecided : what it leaves so, and why, as data. random : it tells that
        values of f at x differ by chance, which is measured as noise.
    """

    text: str
    outcome: Outcome | None = None
    final: bool = False
    undecided: Undecided | None = None
    random: bool = False


# What to do about an f that stays the same around x.
CONSTANT = (
    "it may depend on x at another point (check_points draws some), or over a longer way if it is rounded: "
    "compute it with all its digits"
)
