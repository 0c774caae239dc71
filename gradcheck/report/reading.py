"""Reports that come from a file: looked at before anything believes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradcheck.errors import DataError
from gradcheck.files import read_json
from gradcheck.results.outcome import Outcome

Test = Callable[[Any], bool]
OUTCOMES = tuple(outcome.value for outcome in Outcome)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _number(value: Any) -> bool:
    # None: nan, which JSON lacks. An int beyond float64 would end in an OverflowError.
    return value is None or (type(value) in (int, float) and abs(value) < 1e300)


def _each(fields: Mapping[str, Test]) -> Test:
    return lambda value: isinstance(value, list) and all(_faults(part, fields) == [] for part in value)


def _shape(value: Any) -> bool:
    return isinstance(value, list) and all(map(_count, value))


# What is read of a report; it may hold more.
ARRAY: dict[str, Test] = {"name": _text, "shape": _shape, "wrong": _count, "inconclusive": _count}
REPORT: dict[str, Test] = {
    "schema": lambda value: str(value).startswith("gradcheck-report/"),
    "outcome": lambda value: value in OUTCOMES,
    "reason": _text,
    "arrays": _each(ARRAY),
    "wrong": _each({"name": _text}),
    "method": _text,
    "seed": lambda value: value is None or _text(value) or type(value) is int,
    **dict.fromkeys(("nfev", "ngev"), _count),
    "seconds": lambda value: value is not None and _number(value),
    **dict.fromkeys(("max_error", "detectable", "rtol", "atol", "resolution"), _number),
}


def _faults(told: Any, fields: Mapping[str, Test]) -> list[str]:
    """The fields that are missing or of another kind."""
    if not isinstance(told, dict):
        return list(fields)
    return [name for name, fits in fields.items() if name not in told or not fits(told[name])]


def checked_report(told: Any, path: Path) -> dict[str, Any]:
    """The dictionary of a report, from the file `path`. Raises DataError where it lacks what is read of one."""
    faults = _faults(told, REPORT)
    if "schema" in faults:
        raise DataError(f"{path}: holds no report (neither a replay file nor Report.to_json)")
    if faults:
        raise DataError(f"{path}: altered: its report lacks {', '.join(faults)}, or they are no such values")
    report: dict[str, Any] = told
    return report


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dictionary of a report: from a replay file, or from what `Report.to_json` gave.

    Raises DataError, naming the file, for anything else.
    """
    path = Path(path)
    document = read_json(path)
    return checked_report(document.get("report", document) if isinstance(document, dict) else None, path)
