"""Numbers, counts and names in few letters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

# Control characters but tab and newline, marks that turn the direction of writing, halves of a pair of surrogates: a
# terminal obeys the first, a reader is misled by the second, and UTF-8 has no third.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def number(value: float, digits: int = 3) -> str:
    """A number in few digits; '-' where there is none."""
    if math.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def count(value: int, noun: str) -> str:
    """`1 evaluation`, `12,000 entries`."""
    plural = noun.removesuffix("ry") + "ries" if noun.endswith("ry") else f"{noun}s"  # entries, and arrays
    return f"{value:,} {noun if value == 1 else plural}"


def shown(detectable: float) -> str:
    """What a PASS adds to its reason: the mistake that would have shown; nothing where none is known."""
    if not math.isfinite(detectable):
        return ""
    return f"; a relative mistake of {number(detectable, 2)} would have been seen"


def columns(rows: Sequence[Sequence[str]], left: int = 99) -> list[str]:
    """Rows of cells as lines, below each other; the first `left` of a row to the left, the others to the right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(w) if k < left else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def short(name: str, width: int = 40) -> str:
    """The name, its middle left out where it is long."""
    return name if len(name) <= width else name[: width // 2 - 1] + "..." + name[-(width // 2 - 2) :]


def error_text(error: BaseException) -> str:
    """`ValueError: what it says`; an exception of somebody else's may raise when it is asked for its text."""
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:
        said = "(its text cannot be read)"
    return f"{type(error).__name__}: {said}"


def visible(text: str) -> str:
    """The text with what a terminal would obey written out: `\\x1b[31m`. Lines and tabs stay."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
