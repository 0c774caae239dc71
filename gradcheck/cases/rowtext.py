"""The values of a row as short text, the same in the terminal and on the page."""

from __future__ import annotations

from typing import Any

from gradcheck.cases.comparison import show_number
from gradcheck.cases.results import Row

# More entries than this are told by the worst one.
LISTED = 4


# How the expected value of a one-sided reference is written.
RELATIONS = {"close": "", "at_least": ">= ", "at_most": "<= "}


def expected(row: Row) -> str:
    """The expected value, with `>=` or `<=` where the reference is one-sided."""
    text = shown(row.expected, row)
    return RELATIONS[row.kind] + text if text else ""


def shown(value: Any, row: Row) -> str:
    """A number with all its digits, a short list to nine, the worst entry of a long one with its place."""
    if value is None:
        return ""
    flat = _flat(value)
    if not row.shape and not isinstance(value, list):
        return show_number(value)
    if isinstance(value, list) and len(flat) <= LISTED:
        return _nested(value)
    if isinstance(value, list):
        for i in row.index or ():
            value = value[i] if isinstance(value, list) else value
    if isinstance(value, list) or row.index is None:
        return f"{' x '.join(map(str, row.shape))} numbers"
    return f"[{', '.join(map(str, row.index))}]: {_short(value)}"


def size(value: float | None) -> str:
    """A difference or a tolerance in two digits; empty where there is none."""
    if value is None:
        return ""
    return "0" if value == 0 else f"{value:.1e}"


def _flat(value: Any) -> list[Any]:
    return [item for part in value for item in _flat(part)] if isinstance(value, list) else [value]


def _nested(value: Any) -> str:
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else _short(value)


def _short(value: Any) -> str:
    """Nine digits: one more than NumPy prints, so that a printed figure is recognised."""
    return f"{value + 0.0:.9g}" if isinstance(value, float) else str(value)  # + 0.0: no "-0"
