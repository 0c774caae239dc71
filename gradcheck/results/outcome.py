"""What a check can say, and what limits an error bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum, StrEnum


class Outcome(StrEnum):
    """What the evidence says; INCONCLUSIVE is never counted as a pass. Equal to its name as text."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def overall(outcomes: Iterable[Outcome]) -> Outcome:
    """FAIL if any is, else INCONCLUSIVE if any is or there is none, else PASS."""
    seen = set(outcomes)
    if Outcome.FAIL in seen:
        return Outcome.FAIL
    return Outcome.PASS if seen == {Outcome.PASS} else Outcome.INCONCLUSIVE


def counted(outcomes: Iterable[str]) -> dict[str, int]:
    """How many there are of each outcome, by its name."""
    seen = Counter(outcomes)
    return {outcome.value: seen[outcome] for outcome in Outcome}


class Limit(Enum):
    """What keeps an error bar from being smaller."""

    NONE = "precise"
    NOISE = "noise of f"
    BESIDE = "noise of f at the short steps that a kink, a sharp bend or an edge beside x leaves"
    TRUNCATION = "f bends within every usable step"
    KINK = "a kink at x"
    KINKS = "kinks that meet at x, beside which f has slopes that it has not at x"
    JUMP = "a jump of f at x"
    SCALE = "an entry far smaller than its array: beyond its own size f has another slope"
    DOMAIN = "the edge of f's domain"
    FIXED = "a fixed coordinate (equal bounds)"
    BUDGET = "the budget was used up"
    INTERRUPTED = "the check was interrupted"
    SEARCH = "the search for wrong entries has taken as many evaluations as it may"
    ACCEPTED = "errors within the tolerance, which add up along random directions"
    CONSTANT = "f is the same at all points around x"
    DISPUTED = "the complex step contradicts it, and real differences are too crude to tell which is right"
