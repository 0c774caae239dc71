"""Numbers, counts and names in few letters."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """A number in few digits; '-' where there is none."""
    if math.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def count(value: int, noun: str) -> str:
    """`1 evaluation`, `12,000 evaluations`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def short(name: str, width: int = 40) -> str:
    """The name, its middle left out where it is long."""
    return name if len(name) <= width else name[: width // 2 - 1] + "..." + name[-(width // 2 - 2) :]
