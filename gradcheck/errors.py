"""The exceptions of the package; bad arguments raise ValueError or TypeError instead."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CaseError",
    "DataError",
    "GradcheckError",
    "GradientCheckInterrupted",
    "GradientError",
    "ReplayError",
    "UntrustedReplayError",
    "WorkerError",
]


class GradcheckError(Exception):
    """Base of the errors that only this package raises."""


class CaseError(GradcheckError):
    """A case file cannot be used: it does not load, or holds no Case. The message names the file."""


class DataError(GradcheckError):
    """A data file is missing, truncated or altered. The message names the file and what to do."""


class ReplayError(GradcheckError):
    """A saved check cannot be repeated. The message says what is missing, and what can be done instead."""


class UntrustedReplayError(ReplayError):
    """A saved check would import or run what lies outside the current project. The message says what."""


class WorkerError(GradcheckError):
    """A worker process could not take f, or ended while it called it. The message says what can be done instead."""


class GradientError(GradcheckError, AssertionError):
    """A gradient did not pass; `report` holds the evidence, and the message is its text and what follows it."""

    def __init__(self, report: Any, *more: str) -> None:
        super().__init__("\n".join([str(report), *more]))
        self.report = report


class GradientCheckInterrupted(KeyboardInterrupt):
    """The user interrupted a check; `report`, a Report or what else the check returns, holds what was known by then."""

    def __init__(self, report: Any) -> None:
        super().__init__(str(report))
        self.report = report
