"""The exceptions of the package; bad arguments raise ValueError or TypeError instead."""

from __future__ import annotations

__all__ = ["CaseError", "DataError", "GradcheckError"]


class GradcheckError(Exception):
    """Base of the errors that only this package raises."""


class CaseError(GradcheckError):
    """A case file cannot be used: it does not load, or holds no Case. The message names the file."""


class DataError(GradcheckError):
    """A data file is missing, truncated or altered. The message names the file and what to do."""
