"""What a failing test shows: the user's lines, the report, and the reason first; not this package's own frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest._code import TracebackEntry

PACKAGE = Path(__file__).parents[1]


def hide_own_frames(failure: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave the user's lines of the traceback: of a failure in f, where it was called from and where in f it is.

    pytest asks each frame whether it wants to be hidden, and shows all with `--full-trace`.
    """
    for entry in failure.traceback:
        if _is_own(entry):
            entry.frame.raw.f_globals["__tracebackhide__"] = _hides


def _hides(failure: pytest.ExceptionInfo[BaseException] | None) -> bool:
    """What is raised here and says nothing of the arguments is a bug of this package: its frames are shown."""
    from gradcheck.errors import GradcheckError

    if failure is None:
        return True
    told = isinstance(failure.value, TypeError | ValueError | GradcheckError)
    return told or not _is_own(failure.traceback[-1])


def _is_own(entry: TracebackEntry) -> bool:
    return Path(entry.path).is_relative_to(PACKAGE)


def asserted_reports(failure: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The texts of the reports that the failing `assert` is about, each once; none for other failures."""
    if type(failure.value) is not AssertionError:  # a GradientError has the text in its message
        return []
    last = failure.traceback[-1]
    values, words = last.frame.f_locals, set(re.findall(r"\w+", str(last.statement)))
    # pytest keeps the values inside the expression, such as a call's, under names that nobody else can have.
    asserted = [v for name, v in values.items() if name in words or name.startswith("@py_assert")]
    return list(dict.fromkeys(str(value) for value in asserted if _is_report(value)))


def begin_with_the_reason(report: pytest.TestReport, failure: BaseException, texts: list[str]) -> None:
    """Put the first line of what the check says into pytest's summary, where a line begins with the exception's name.

    texts : the reports that the failing `assert` is about.
    """
    from gradcheck.errors import GradientError

    crash = getattr(report.longrepr, "reprcrash", None)
    said = [str(failure)] if isinstance(failure, GradientError) else texts
    if crash is not None and said:
        crash.message = said[0].partition("\n")[0]


def _is_report(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.startswith("gradcheck.") and kind.__name__ in ("Report", "TaylorResult")
