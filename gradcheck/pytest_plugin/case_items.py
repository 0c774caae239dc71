"""Case files as tests: each reference and each planted mistake of a case is an item of its own."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from gradcheck.cases.context import Context
from gradcheck.cases.discovery import discover
from gradcheck.cases.results import CaseResult, Row
from gradcheck.cases.run import run_case
from gradcheck.errors import CaseError
from gradcheck.pytest_plugin.run import NAME, Run
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import visible


class RowNotPassedError(AssertionError):
    """A row of a case did not pass; `row` holds the comparison."""

    def __init__(self, row: Row, again: str) -> None:
        lines = [f"{row.outcome.value}  {row.case}: {row.quantity}, {row.reference}", f"  {row.problem}"]
        if row.reason:
            lines.append(f"  the tolerance: {row.reason}")
        super().__init__(visible("\n".join([*lines, f"  again: {again}"])))
        self.row = row


class CaseFile(pytest.File):
    """A case file. The case is run once, when the first of its selected rows is due."""

    def collect(self) -> Iterator[CaseRow]:
        """Load the file, without running the case."""
        try:
            (self.loaded,) = discover([self._shown_path])
        except CaseError as error:
            raise self.CollectError(visible(str(error))) from None
        for index, names in enumerate(self.loaded.case.row_names()):
            # "::" separates the parts of a node id.
            name = " - ".join(" ".join(part.split()).replace("::", ":") for part in names)
            yield CaseRow.from_parent(self, name=visible(name), index=index)

    @cached_property
    def result(self) -> CaseResult:
        """All rows of the case. What it keeps on disk, such as checkpoints of a training, is thrown away."""
        with tempfile.TemporaryDirectory(prefix="gradcheck-") as folder:
            return run_case(self.loaded, Context(workdir=Path(folder)))

    @property
    def _shown_path(self) -> Path:
        """Relative to where pytest was called, as errors name it."""
        start = self.config.invocation_params.dir
        return Path(os.path.relpath(self.path, start)) if self.path.is_relative_to(start) else self.path

    @property
    def again(self) -> str:
        """The command that runs the case without pytest."""
        return f"gradcheck run {shlex.quote(str(self._shown_path))}"


class CaseRow(pytest.Item):
    """One row of a case."""

    parent: CaseFile

    def __init__(self, *, index: int, **options: Any) -> None:
        super().__init__(**options)
        self.index = index
        self.add_marker("gradcheck")

    def runtest(self) -> None:
        """Raise RowNotPassedError unless the row passed, as the run wants INCONCLUSIVE to be taken."""
        run: Run = self.config.pluginmanager.getplugin(NAME)
        result = self.parent.result
        row = result.rows[self.index]
        run.tell(
            {
                "test": self.nodeid,
                "outcome": row.outcome.value,
                "row": row.to_dict(),
                "case": result.to_dict(),
            }
        )
        if row.outcome is Outcome.PASS:
            return
        policy = "fail" if row.outcome is Outcome.FAIL else run.policy()
        if policy == "fail":
            raise RowNotPassedError(row, self.parent.again)
        if policy == "skip":
            # Asked for by the policy: what is not told skips its row, and says why.
            pytest.skip(visible(f"{row.outcome.value}  {row.problem}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **options: Any) -> Any:
        """The message alone: the traceback would show this plugin."""
        if isinstance(excinfo.value, RowNotPassedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **options)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The heading of a failure."""
        return self.path, None, f"{self.path.stem}: {self.name}"
