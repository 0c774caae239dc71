"""What `assert report` shows where it fails: the report's text. pytest itself has one line for each value."""

from __future__ import annotations

import re
from typing import Any

import pytest

__all__ = ["asserted_reports"]


def asserted_reports(failure: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The texts of the reports that the failing `assert` is about, each once; none for other failures."""
    if type(failure.value) is not AssertionError:  # a GradientError has the text in its message
        return []
    last = failure.traceback[-1]
    values, words = last.frame.f_locals, set(re.findall(r"\w+", str(last.statement)))
    # pytest keeps the values inside the expression, such as a call's, under names that nobody else can have.
    asserted = [v for name, v in values.items() if name in words or name.startswith("@py_assert")]
    return list(dict.fromkeys(str(value) for value in asserted if _is_report(value)))


def _is_report(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.startswith("gradcheck.") and kind.__name__ in ("Report", "TaylorResult")
