"""The commands new, replay and diff: a case file to start from, and a saved check done again or compared."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradcheck.cli.outputs import FAILED, BadInput, Command, one_line, raised_at, users_code
from gradcheck.results.words import error_text

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.replay.changes import Change
    from gradcheck.replay.trust import Plan
    from gradcheck.report.saved import Saved


@click.command(cls=Command)
@click.argument("case", metavar="CASE")
def new(case: str) -> None:
    """Write a case file to start from: cases/CASE.py, or the path CASE if it ends in .py.

    \b
    Example:
      gradcheck new softmax && gradcheck run softmax
    """
    from gradcheck.cases.template import case_text
    from gradcheck.files import check_writable, write_text

    path = Path(case) if case.endswith(".py") else Path("cases") / f"{case}.py"
    named = path.stem if case.endswith(".py") else case
    # Others are never run: `run` takes the files of one folder, but helpers and conftest.py.
    if not re.fullmatch(r"[^\W\d_]\w*", named) or named == "conftest":
        raise BadInput(
            "CASE must be a name of letters, digits and _ that begins with a letter, but not conftest; or a path that "
            f"ends in one and .py; not {case!r}"
        )
    try:
        check_writable(path)
        if path.exists():
            raise BadInput(f"{path}: exists already; it is left as it is")
        write_text(path, case_text(path))
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(f"{path}: a case that passes; now put your own function into it")
    click.echo(f"  gradcheck run {path}")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trust", is_flag=True, help="Import and run what lies outside the current project, too.")
def replay(file: Path, trust: bool) -> int:
    """Do a saved check again, and say whether it still fails.

    FILE comes from a failing test, from `gradcheck check --save` or from Report.save. The functions are imported
    as they are now; where they have no name to import, the test that the file comes from is run again. What is going
    to be imported and run is printed first; what lies outside the current project is asked for, or needs --trust.

    \b
    Example:
      gradcheck replay .gradcheck/test_weights-7f3a9c.json

    \b
    Exit status: 0 it passes now; 1 it does not; 2 the file cannot be used.
    """
    from gradcheck.cli.tables import new_console, show_text
    from gradcheck.replay.changes import compare_reports
    from gradcheck.report.saved import load

    console = new_console()
    saved = load(file)
    with users_code():
        report, text = _again(saved, console, trust)
    show_text(console, text)
    was, now = saved.report["outcome"], report["outcome"]
    says = "passes now" if now == "PASS" else f"still {now}" if now == was else f"{now} now"
    show_text(console, f"{says}; it was {was}" if now != was else says)
    _show_changes(console, compare_reports(saved.report, report))
    return 0 if now == "PASS" else FAILED


@click.command(cls=Command)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
def diff(before: Path, after: Path) -> int:
    """Compare two reports of a check: what got better, worse, slower.

    BEFORE and AFTER are replay files, or what `gradcheck check --json` or Report.to_json gave.

    \b
    Example:
      gradcheck diff before.json after.json

    \b
    Exit status: 0 nothing got worse; 1 something did (slower is not worse); 2 a file cannot be used.
    """
    from gradcheck.cli.tables import new_console, show_text
    from gradcheck.replay.changes import compare_reports
    from gradcheck.report.reading import read_report

    changes = compare_reports(read_report(before), read_report(after))
    console = new_console()
    if not changes:
        show_text(console, "no difference")
    _show_changes(console, changes)
    return FAILED if any(change.kind == "worse" for change in changes) else 0


def _again(saved: Saved, console: Console, trust: bool) -> tuple[dict[str, Any], str]:
    """The new report, as a dictionary and as text: from the file, or else from the test it came from."""
    from gradcheck.cli.tables import show_text
    from gradcheck.errors import DataError, ReplayError, UntrustedReplayError
    from gradcheck.replay.repeat import repeat, rerun_test
    from gradcheck.replay.trust import plan_of_check, plan_of_test

    try:
        if not saved.missing:
            _ask(plan_of_check(saved), saved, console, trust)
        report = repeat(saved, trust=True)
    except UntrustedReplayError:
        raise
    except ReplayError as error:
        if saved.test is None:
            raise
        show_text(console, f"{one_line(error)}; running its test again: pytest {saved.test!r}")
        _ask(plan_of_test(saved), saved, console, trust)
        return rerun_test(saved, trust=True)
    except (KeyboardInterrupt, DataError):
        raise
    except BaseException as error:
        raise ReplayError(" ".join([f"{saved.path}: {error_text(error)}", *raised_at(error)])) from error
    return report.to_dict(), str(report)


def _ask(plan: Plan, saved: Saved, console: Console, trust: bool) -> None:
    """Print what is about to be imported and run; ask at a terminal, or refuse, where it is not this project's."""
    from gradcheck.cli.tables import show_text

    for step in plan.steps:
        show_text(console, f"replay {step}")
    if not plan.outside or trust:
        return
    if at_a_terminal():
        for step in plan.outside:
            show_text(console, f"outside this project: {step}")
        if click.confirm("Go on?", err=True):
            return
    plan.demand(saved)


def at_a_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def _show_changes(console: Console, changes: list[Change]) -> None:
    from gradcheck.cli.tables import line

    styles = {"better": "green", "worse": "bold red", "slower": "yellow"}
    for change in changes:
        shown = line("  ", (f"{change.kind:<7}", styles.get(change.kind, "")), change.text)
        console.print(shown, soft_wrap=not console.is_terminal)
