"""What a check can say, what limits an error bar, and what there is to say about the contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Outcome(StrEnum):
    """What the evidence says; INCONCLUSIVE is never counted as a pass. Equal to its name as text."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Limit(Enum):
    """What keeps an error bar from being smaller."""

    NONE = "precise"
    NOISE = "noise of f"
    BESIDE = "noise of f at the short steps that a kink, a sharp bend or an edge beside x leaves"
    TRUNCATION = "f bends within every usable step"
    KINK = "a kink at x"
    JUMP = "a jump of f at x"
    SCALE = "an entry far smaller than its array: beyond its own size f has another slope"
    DOMAIN = "the edge of f's domain"
    FIXED = "a fixed coordinate (equal bounds)"
    BUDGET = "the budget of evaluations"
    DISPUTED = "the complex step contradicts it, and real differences are too crude to tell which is right"


@dataclass(frozen=True)
class Finding:
    """One thing about the contract, in words.

    outcome : the best that the check can still say; None is a mere note.
    final : nothing can be measured after this.
    """

    text: str
    outcome: Outcome | None = None
    final: bool = False


# What to do about an f that stays the same around x.
CONSTANT = (
    "it may depend on x at another point (check_points draws some), or over a longer way if it is rounded: "
    "compute it with all its digits"
)
