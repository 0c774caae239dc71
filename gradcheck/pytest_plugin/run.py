"""What one run of pytest gathers: the checks and case rows of every test, also from the workers of pytest-xdist."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gradcheck._version import __version__
from gradcheck.driver.listening import listener
from gradcheck.files import check_writable, write_text
from gradcheck.pytest_plugin.failures import asserted_reports, begin_with_the_reason, hide_own_frames
from gradcheck.results.outcome import counted
from gradcheck.results.words import count, visible

# Under which pytest knows the Run.
NAME = "gradcheck-run"

FORMATS = (".html", ".json")
WORDS = {"PASS": "passed", "FAIL": "failed", "INCONCLUSIVE": "inconclusive"}


class Run:
    """A plugin object: knows the current test, and gathers what the tests tell it.

    What happens in a test is told with `tell`, travels with the test's own report (which pytest-xdist sends to the
    controller as it sends the rest of it), and is gathered there.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Read the options. Raises UsageError for those that cannot be used."""
        self.config = config
        self.item: pytest.Item | None = None
        self.rtol = _rtol(config.getini("gradcheck_rtol"))
        for name in config.getini("gradcheck_cases"):
            _check_cases(name, config.rootpath / name)
        given = config.getoption("gradcheck_report")
        self.report_file = None if given is None else config.invocation_params.dir / given
        self._is_worker = hasattr(config, "workerinput")
        if self.report_file is not None and not self._is_worker:
            _check_writable(self.report_file)
        self._not_written = ""
        self._drawn = 0  # checks whose figures were drawn
        self._told: list[dict[str, Any]] = []
        self._checks: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []

    def tell(self, event: dict[str, Any]) -> None:
        """Add a check or a row to what the current test has to tell: plain values, as JSON has them."""
        self._told.append(event)

    def tell_of(self, report: Any, replay: str | None = None) -> None:
        """Add a check of the current test, with its report where there is a file for it, and figures for a page.

        replay : the file that repeats it.
        """
        test = self.item.nodeid if self.item is not None else None
        told = {"test": test, "outcome": report.outcome.value, "replay": replay}
        if self.report_file is not None:
            told |= {"report": report.to_dict(), "text": None if report else str(report)}
            if self.report_file.suffix == ".html":
                told["report"] |= self._drawings(report, test or "")
        self.tell(told)

    def _drawings(self, report: Any, test: str) -> dict[str, Any]:
        """What a page shows of a check that did not pass: drawn in its test, for only there is what was measured."""
        from gradcheck.html import DRAWN, figures_of
        from gradcheck.report.report import Report

        if report or not isinstance(report, Report) or self._drawn >= DRAWN:
            return {}
        drawn = figures_of(report, hashlib.sha256(f"{test} {self._drawn + 1}".encode()).hexdigest()[:12])
        self._drawn += bool(drawn)
        return {"drawings": drawn} if drawn else {}

    def seed(self) -> tuple[int, str]:
        """The seed for the current test, and where it comes from."""
        given = self.config.getoption("gradcheck_seed")
        if given is not None:
            return given, "from --gradcheck-seed"
        marked = self.marked().get("seed")
        if marked is not None:
            return marked, "from the test's marker"
        name = self.item.nodeid if self.item is not None else ""
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:4], "big"), "from the test's name"

    def marked(self) -> dict[str, Any]:
        """The options of the current test's markers, the closest last."""
        marks = [] if self.item is None else list(self.item.iter_markers("gradcheck"))
        return {name: value for mark in reversed(marks) for name, value in mark.kwargs.items()}

    def policy(self) -> str:
        """What INCONCLUSIVE does to the current test: "fail", "skip" or "pass"."""
        return str(self.marked().get("inconclusive") or self.config.getoption("gradcheck_inconclusive"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note which test runs: its fixtures may check gradients already."""
        self.item = item
        given = [mark.args for mark in item.iter_markers("gradcheck") if mark.args]
        if given:
            said = f"takes its options by name, such as rtol=1e-4, not {visible(repr(given[0])):.80}"
            pytest.fail(f"@pytest.mark.gradcheck {said}", pytrace=False)
        if _draws_points(item):
            _import_checks()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Hear of every `assert_gradient` of the test: it counts as a check of the fixture does."""
        token = listener.set(self._hear)
        try:
            return (yield)
        finally:
            listener.reset(token)

    def _hear(self, report: Any) -> None:
        """Take a report of `assert_gradient`; a marker whose options it did not get is refused."""
        __tracebackhide__ = True
        options = self.marked()
        if options and "gradcheck" not in getattr(self.item, "fixturenames", ()):
            said = f"its marker's options ({', '.join(options)}) are for the fixture `gradcheck`, which it does not use"
            pytest.fail(f"the test calls assert_gradient, and {said}: give them to the call", pytrace=False)
        self.tell_of(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Hang what the test told on its report, and show of a failure what the user wrote and what the check says.

        Workers of pytest-xdist send plain values.
        """
        if call.excinfo is not None:
            hide_own_frames(call.excinfo)
        report = yield
        add = getattr(report.longrepr, "addsection", None)  # what is only text has none
        if call.excinfo is not None and add is not None:
            texts = asserted_reports(call.excinfo)
            for text in texts:
                add("gradcheck", text)
            begin_with_the_reason(report, call.excinfo.value, texts)
        if self._told:
            vars(report)["gradcheck"], self._told = self._told, []
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather what hangs on the report of a test."""
        for event in getattr(report, "gradcheck", ()):
            (self._rows if "row" in event else self._checks).append(event)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report file; a run whose report cannot be written does not pass."""
        if self.report_file is None or self._is_worker:
            return
        interrupted = int(exitstatus) == int(pytest.ExitCode.INTERRUPTED)
        text = self._html() if self.report_file.suffix == ".html" else self._json(interrupted)
        try:
            write_text(self.report_file, text)
        except OSError as error:
            self._not_written = f"cannot be written: {error.strerror}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Close with one line: how many checks and rows there were, and how they came out."""
        parts = []
        if self._checks:
            parts.append(f"{count(len(self._checks), 'check')}: {_outcomes(self._checks)}")
        if self._rows:
            files = len({event["case"]["path"] for event in self._rows})
            rows = f"{count(len(self._rows), 'row')} of {count(files, 'case')}"
            parts.append(f"{rows}: {_outcomes(self._rows)}")
        if self.report_file is not None:
            path = os.path.relpath(self.report_file, self.config.invocation_params.dir)
            report = f"report: {path} {self._not_written}".rstrip()
            parts.append(report if parts else f"no checks; {report}")
        if parts:
            terminalreporter.write_line("gradcheck: " + "; ".join(parts))

    def _json(self, interrupted: bool) -> str:
        """Counts, checks, cases and rows; the last two as `gradcheck run --json` writes them."""
        cases = {event["case"]["path"]: event["case"] for event in self._rows}
        document = {
            "gradcheck": __version__,
            "interrupted": interrupted,
            "counts": counted(event["outcome"] for event in [*self._checks, *self._rows]),
            "checks": self._checks,
            "cases": list(cases.values()),
            "rows": [event["row"] for event in self._rows],
        }
        # Not indented: that takes ten times as long, as much as some of the checks.
        return json.dumps(document, allow_nan=False) + "\n"

    def _html(self) -> str:
        from gradcheck.cases.results import case_results
        from gradcheck.html import render

        return render(case_results(self._rows), [e["report"] | {"name": e["test"]} for e in self._checks])


def _draws_points(item: pytest.Item) -> bool:
    """Whether Hypothesis runs this test, and its module knows this package."""
    test = getattr(item, "obj", None)
    if not getattr(test, "is_hypothesis_test", False):
        return False
    known = vars(getattr(item, "module", None) or object).values()
    named = {str(getattr(value, "__module__", "")) for value in known}
    named |= {str(getattr(value, "__name__", "")) for value in known}
    return any(name.partition(".")[0] == "gradcheck" for name in named)


def _import_checks() -> None:
    """Load what the first check would: Hypothesis gives an example 0.2 s, importing NumPy and SciPy takes longer."""
    import gradcheck

    for name in gradcheck.__all__:
        getattr(gradcheck, name)


def _rtol(text: str) -> float | None:
    if not text:
        return None
    try:
        rtol = float(text)
    except ValueError:
        rtol = -1.0
    if not 0 <= rtol < 1:
        raise pytest.UsageError(f"gradcheck_rtol must be a number between 0 and 1, not {text!r}")
    return rtol


def _check_cases(name: str, path: Path) -> None:
    """Refuse a name under which no case file lies: the run would pass without one."""
    if path.is_dir():
        if any(is_case_name(file) for file in path.glob("*.py")):
            return
        raise pytest.UsageError(f"gradcheck_cases: {name}: no case file (*.py) in this folder")
    if not path.is_file():
        raise pytest.UsageError(f"gradcheck_cases: {name}: no such file or folder in {path.parent}")
    if not is_case_name(path):
        raise pytest.UsageError(
            f"gradcheck_cases: {name}: a case file is a Python file, not conftest.py or _*.py"
        )


def is_case_name(path: Path) -> bool:
    """Whether a file may be a case file, by its name."""
    return path.suffix == ".py" and not path.name.startswith("_") and path.name != "conftest.py"


def _check_writable(path: Path) -> None:
    """Refuse a file that cannot be written before the run, not after it."""
    if path.suffix not in FORMATS:
        raise pytest.UsageError(f"--gradcheck-report: FILE must end in .html or .json, not {path.name!r}")
    try:
        check_writable(path)
    except OSError as error:
        raise pytest.UsageError(f"--gradcheck-report: cannot write {path}: {error.strerror}") from error


def _outcomes(events: list[dict[str, Any]]) -> str:
    counts = counted(event["outcome"] for event in events)
    return ", ".join(f"{number:,} {WORDS[outcome]}" for outcome, number in counts.items() if number)
