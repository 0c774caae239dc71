"""A check as a test tells it to the run: plain values, as JSON has them."""

from __future__ import annotations

import hashlib
from typing import Any

from gradcheck.report.report import Report


def event(report: Any, test: str | None, replay: str | None, *, in_full: bool) -> dict[str, Any]:
    """What is told of a check.

    test : the node id of its test. replay : the file that repeats it. in_full : with its report.
    """
    told: dict[str, Any] = {"test": test, "outcome": report.outcome.value, "replay": replay}
    if in_full:
        told["report"] = report.to_dict()
        told["text"] = None if report else str(report)
    return told


def figures(report: Any, test: str | None, number: int) -> list[dict[str, str]]:
    """What a page shows of a check that did not pass: drawn in its test, for only there is what was measured.

    number : of the checks that were drawn before it; of more than DRAWN none is.
    """
    from gradcheck.html import DRAWN, figures_of

    if report or not isinstance(report, Report) or number >= DRAWN:
        return []
    return figures_of(report, hashlib.sha256(f"{test or ''} {number + 1}".encode()).hexdigest()[:12])
