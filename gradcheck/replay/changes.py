"""What changed between two reports of a check: better, worse, slower."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RANKS = ("FAIL", "INCONCLUSIVE", "PASS")
# An error or a resolution that moves by less is the same: the step and the noise of f differ between two runs.
SAME_ERROR = 2.0
# Times differ by as much from run to run on a busy machine; evaluations are counted, and do not.
SAME_TIME, LEAST_SECONDS = 2.0, 0.2
# Entries named; the rest is counted.
NAMED = 5


@dataclass(frozen=True)
class Change:
    """One difference. kind : "better", "worse", "slower", "faster" or "other". text : in words, with the numbers."""

    kind: str
    text: str


def compare_reports(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What differs between two reports of the same check, given as dictionaries; empty if nothing does."""
    return [
        *_outcome(before, after),
        *_entries(before, after),
        *_errors(before, after),
        *_cost(before, after),
        *_settings(before, after),
    ]


def _outcome(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    one, two = before["outcome"], after["outcome"]
    if one != two:
        kind = "better" if RANKS.index(two) > RANKS.index(one) else "worse"
        yield Change(kind, f"outcome: {one} -> {two}")


def _entries(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    old, new = ({entry["name"] for entry in report["wrong"]} for report in (before, after))
    if new - old:
        yield Change("worse", f"newly wrong: {_names(new - old)}")
    if old - new:
        # An entry that is not named any more need not be right: the reports may list only some of them.
        kind = "better" if _total(after, "wrong") < _total(before, "wrong") else "other"
        yield Change(kind, f"no longer wrong: {_names(old - new)}")
    for column, text in (("wrong", "wrong entries"), ("inconclusive", "undecided entries")):
        one, two = _total(before, column), _total(after, column)
        if one != two:
            yield Change("better" if two < one else "worse", f"{text}: {one:,} -> {two:,}")


def _errors(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    texts = {"max_error": "largest relative error", "detectable": "smallest detectable mistake"}
    for name, text in texts.items():
        one, two = (math.nan if r[name] is None else r[name] for r in (before, after))
        if math.isnan(one) and math.isnan(two):
            continue
        if name == "max_error" and all(_below_resolution(report) for report in (before, after)):
            continue
        # A number that is no longer there is a change.
        if math.isnan(one) or math.isnan(two) or max(one, two) > SAME_ERROR * min(one, two):
            kind = "better" if two < one or math.isnan(one) else "worse"
            yield Change(kind, f"{text}: {one:.2g} -> {two:.2g}")


def _below_resolution(report: dict[str, Any]) -> bool:
    """Whether the largest error is one that could not have been told from none."""
    error, seen = report["max_error"], report["detectable"]
    return error is not None and seen is not None and error <= seen


def _cost(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name, text in (("nfev", "evaluations of f"), ("ngev", "evaluations of grad")):
        one, two = before[name], after[name]
        if one != two:
            yield Change("slower" if two > one else "faster", f"{text}: {one:,} -> {two:,}")
    one, two = before["seconds"], after["seconds"]
    if max(one, two) >= LEAST_SECONDS and max(one, two) > SAME_TIME * min(one, two):
        yield Change("slower" if two > one else "faster", f"time: {one:.2g} s -> {two:.2g} s")


def _settings(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name in ("rtol", "atol", "resolution", "method", "seed"):
        if before[name] != after[name]:
            yield Change("other", f"{name}: {before[name]} -> {after[name]}")
    one, two = (
        {array["name"]: tuple(array["shape"]) for array in report["arrays"]} for report in (before, after)
    )
    if one and two and one != two:
        yield Change("other", "the parameters differ: these may be two different checks")


def _total(report: dict[str, Any], column: str) -> int:
    return sum(array[column] for array in report["arrays"])


def _names(names: set[str]) -> str:
    shown = sorted(names)[:NAMED]
    return ", ".join(shown) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
