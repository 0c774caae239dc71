"""The commands for what is in no case file yet: check, new, replay, diff."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradcheck.cli.outputs import (
    FAILED,
    INTERRUPTED,
    STDOUT,
    BadInput,
    Command,
    one_line,
    put,
    targets,
    users_code,
)
from gradcheck.results.words import error_text

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.replay.changes import Change
    from gradcheck.replay.trust import Plan
    from gradcheck.report.report import Report
    from gradcheck.report.saved import Saved

__all__ = ["check", "diff", "new", "replay"]

METHODS = ("auto", "sweep", "directions")


@click.command(cls=Command)
@click.argument("f", metavar="MODULE:F")
@click.argument("grad", metavar="[MODULE:GRAD]", required=False)
@click.option(
    "--x",
    "point",
    required=True,
    metavar="X",
    help="The point: FILE.npy, FILE.npz (a dict of arrays), JSON such as '[1.0, 2.0]' or '{\"W\": [[1.0]]}', "
    "or MODULE:NAME.",
)
@click.option(
    "--rtol", type=float, help="Which relative discrepancy is accepted (default: by the dtype of f)."
)
@click.option("--atol", type=float, default=0.0, show_default=True, help="Which absolute one.")
@click.option("--resolution", type=float, help="Which relative mistake must have been visible for a PASS.")
@click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True)
@click.option("--max-nfev", type=int, metavar="N", help="Budget of evaluations of f.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random directions.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    help="Write the report to this file; - is the standard output.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Write a file for `replay` and `diff`.",
)
def check(
    f: str, grad: str | None, point: str, json_file: Path | None, save: Path | None, **options: Any
) -> int:
    """Check the gradient GRAD of F at a point; without GRAD, F returns (value, gradient).

    Modules are looked for in the working directory first.

    \b
    Examples:
      gradcheck check model:loss model:gradient --x "[1.0, 2.0]"
      gradcheck check model:loss model:gradient --x weights.npz --rtol 1e-5
      gradcheck check model:value_and_grad --x model:START --save before.json

    \b
    Exit status: 0 PASS; 1 FAIL or INCONCLUSIVE; 2 usage, or something that cannot be imported or called;
    130 interrupted.
    """
    if save is not None and save.suffix != ".json":
        raise BadInput(f"--save: FILE must end in .json, not {save.name!r}")
    json_file, save = targets({"--json": json_file, "--save": save})
    sys.path.insert(0, str(Path.cwd()))
    options["rng"] = options.pop("seed")
    with users_code(json_file):
        function = _named(f)
        gradient = True if grad is None else _named(grad)
        report, status = _checked(function, gradient, _point(point), options)
    _show(_console(json_file), str(report))
    if json_file is not None:
        put("--json", json_file, report.to_json() + "\n")
    if save is not None:
        try:
            report.save(save)
        except OSError as error:
            raise BadInput(f"--save: cannot write {save}: {error.strerror}") from error
    return status


def _checked(function: Any, gradient: Any, x: Any, options: dict[str, Any]) -> tuple[Report, int]:
    """The report, and the exit status that it has."""
    from gradcheck.checks.gradient import check_gradient
    from gradcheck.errors import GradientCheckInterrupted

    try:
        report = check_gradient(function, gradient, x, **options)
    except GradientCheckInterrupted as stop:
        return stop.report, INTERRUPTED
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit(0) in f, too, would end a check that checked nothing as a pass
        raise BadInput(" ".join([one_line(error_text(error)), *_place(error)])) from error
    return report, 0 if report else FAILED


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
    if not re.fullmatch(r"[^\W\d]\w*", path.stem):
        raise BadInput(
            f"CASE must be a name of letters, digits and _, or a path that ends in one and .py; not {case!r}"
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
    from gradcheck.errors import DataError, ReplayError
    from gradcheck.replay.changes import compare_reports
    from gradcheck.report.saved import load

    console = _console()
    try:
        saved = load(file)
        with users_code():
            report, text = _again(saved, console, trust)
    except (DataError, ReplayError) as error:
        raise BadInput(one_line(error)) from error
    _show(console, text)
    was, now = saved.report["outcome"], report["outcome"]
    says = "passes now" if now == "PASS" else f"still {now}" if now == was else f"{now} now"
    _show(console, f"{says}; it was {was}" if now != was else says)
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
    from gradcheck.errors import DataError
    from gradcheck.replay.changes import compare_reports
    from gradcheck.report.reading import read_report

    try:
        changes = compare_reports(read_report(before), read_report(after))
    except DataError as error:
        raise BadInput(one_line(error)) from error
    console = _console()
    if not changes:
        _show(console, "no difference")
    _show_changes(console, changes)
    return FAILED if any(change.kind == "worse" for change in changes) else 0


def _again(saved: Saved, console: Console, trust: bool) -> tuple[dict[str, Any], str]:
    """The new report, as a dictionary and as text: from the file, or else from the test it came from."""
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
        _show(console, f"{one_line(error)}; running its test again: pytest {saved.test!r}")
        _ask(plan_of_test(saved), saved, console, trust)
        return rerun_test(saved, trust=True)
    except (KeyboardInterrupt, DataError):
        raise
    except BaseException as error:
        raise ReplayError(" ".join([f"{saved.path}: {error_text(error)}", *_place(error)])) from error
    return report.to_dict(), str(report)


def _ask(plan: Plan, saved: Saved, console: Console, trust: bool) -> None:
    """Print what is about to be imported and run; ask at a terminal, or refuse, where it is not this project's."""
    for step in plan.steps:
        _show(console, f"replay {step}")
    if not plan.outside or trust:
        return
    if at_a_terminal():
        for step in plan.outside:
            _show(console, f"outside this project: {step}")
        if click.confirm("Go on?", err=True):
            return
    plan.demand(saved)


def at_a_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def _named(reference: str) -> Any:
    """The object that MODULE:NAME names."""
    from gradcheck.errors import ReplayError
    from gradcheck.report.storage import imported

    module, colon, name = reference.partition(":")
    if not (module and colon and name):
        raise BadInput(f"{reference!r}: expected MODULE:NAME, such as model:loss")
    try:
        return imported(reference)
    except ReplayError as error:
        raise BadInput(one_line(error)) from error


def _point(text: str) -> Any:
    if text.endswith((".npy", ".npz")):
        return _arrays(Path(text))
    if re.match(r"[\w.]+:[\w.]+$", text):
        return _named(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"--x: {one_line(repr(text[:80]))} is neither a file .npy or .npz, nor JSON such as '[1.0, 2.0]', "
            f"nor MODULE:NAME ({one_line(error)})"
        ) from error


def _arrays(path: Path) -> Any:
    from gradcheck.errors import DataError
    from gradcheck.files import DAMAGED, read_array, read_arrays

    try:
        if path.suffix == ".npz":
            return read_arrays(path)
        with path.open("rb") as file:
            return read_array(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise BadInput(f"--x: cannot read {path}: {error.strerror}") from error
    except (*DAMAGED, DataError) as error:
        raise BadInput(f"--x: cannot read {path}: {one_line(error)}") from error


def _place(error: BaseException) -> list[str]:
    """Where in the caller's own code it was raised; none where this package refused the arguments."""
    here = str(Path(__file__).parents[1])
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(here)
    ]
    own = [frame for frame in own if not frame.filename.startswith("<")]
    return [f"(at {one_line(own[0].filename)}:{own[0].lineno})"] if own else []


def _console(json_file: Path | None = None) -> Console:
    from gradcheck.cli.tables import new_console

    return new_console(stderr=json_file == STDOUT)


def _show(console: Console, text: str) -> None:
    """Print text whose first word may be an outcome, in its colour; a pipe gets the lines as they are."""
    from gradcheck.cli.tables import STYLES, line

    shown = line(text)
    for outcome, style in STYLES.items():
        if text.startswith(outcome.value):
            shown.stylize(style, 0, len(outcome.value))
    console.print(shown, soft_wrap=not console.is_terminal)


def _show_changes(console: Console, changes: list[Change]) -> None:
    from gradcheck.cli.tables import line

    styles = {"better": "green", "worse": "bold red", "slower": "yellow"}
    for change in changes:
        shown = line("  ", (f"{change.kind:<7}", styles.get(change.kind, "")), change.text)
        console.print(shown, soft_wrap=not console.is_terminal)
