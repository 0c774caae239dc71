"""The command line. Everything heavy is imported when it is used, so that `--help` is quick."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradcheck._version import __version__
from gradcheck.cli.check import check, output_file
from gradcheck.cli.commands import diff, new, replay
from gradcheck.cli.outputs import (
    FAILED,
    INTERRUPTED,
    STDOUT,
    UNUSABLE,
    BadInput,
    Commands,
    Outputs,
    figure_folder,
    one_line,
    put,
    targets,
    users_code,
)
from gradcheck.results.outcome import counted, overall
from gradcheck.results.words import short

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.cases.context import Context
    from gradcheck.cases.discovery import LoadedCase
    from gradcheck.cases.figures import SaveFigure
    from gradcheck.cases.results import CaseResult

# To someone who has a gradient and came to try the command.
NOTHING_HERE = (
    "nothing to run in this folder: `gradcheck new NAME` writes a file to start from, and "
    "`gradcheck check model:loss model:gradient --x '[1.0, 2.0]'` checks a gradient without one"
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gradcheck")
def main() -> None:
    """Verify hand-written derivatives: is the gradient right, and how far is it off?

    \b
    Examples:
      gradcheck run                      every case in cases/
      gradcheck run numerical_diff -v    one case, by name or by path, with its rows
      gradcheck run -k gradient -k "*diff" --json rows.json
      gradcheck run --html report.html   the same as a page with figures
      gradcheck list                     which cases there are
      gradcheck new softmax              a case file to start from
      gradcheck check model:loss model:gradient --x "[1.0, 2.0]"
      gradcheck replay .gradcheck/test_weights-7f3a9c.json
      gradcheck diff before.json after.json

    \b
    Completion, for bash (zsh_source and fish_source for the others):
      eval "$(_GRADCHECK_COMPLETE=bash_source gradcheck)"
    """


for command in (check, new, replay, diff):
    main.add_command(command)


_cases = click.argument("cases", nargs=-1, metavar="[PATH|NAME]...")
_words = click.option(
    "-k", "words", metavar="WORD", multiple=True,
    help="Only cases with this in their name; * and ? stand for anything. Several: those that fit any.",
)  # fmt: skip


@main.command()
@_cases
@output_file("--json", "PATH", "Write every row to this file; - is the standard output.")
@output_file(
    "--html", "PATH", "Write a page with every comparison and figure to this file; - is the standard output."
)
@click.option("--figures", type=click.Path(path_type=Path), metavar="DIR", help="Write the figures here.")
@click.option("--figure-format", type=click.Choice(["png", "svg"]), default="png", show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with the four MNIST files, gzipped or not.",
)
@_words
@click.option("--fast", is_flag=True, help="Cut training to what shows the trend.")
@click.option("--numerical", is_flag=True, help="Train by numerical differentiation in full.")
@click.option("--fresh", is_flag=True, help="Begin trainings afresh that an earlier run left unfinished.")
@click.option("-v", "--verbose", is_flag=True, help="Print every row of every case.")
@click.option("-q", "--quiet", is_flag=True, help="Print the closing line alone.")
def run(
    cases: tuple[str, ...],
    json_file: Path | None,
    html_file: Path | None,
    figures: Path | None,
    figure_format: str,
    data: Path | None,
    words: tuple[str, ...],
    fast: bool,
    numerical: bool,
    fresh: bool,
    verbose: bool,
    quiet: bool,
) -> int:
    """Run case files (default: those in cases/) and compare every figure with its references.

    One line a case, and below them what did not pass: what, where, how much, and how much was allowed.

    \b
    Exit status: 0 every row passed; 1 not every row passed; 2 usage, or nothing found to run;
    130 interrupted (Ctrl-C), after printing what was done so far.
    """
    from gradcheck.cases.context import Context
    from gradcheck.cases.figures import figure_writer
    from gradcheck.cli.tables import new_console

    if verbose and quiet:
        raise BadInput("-v and -q: only one of them")
    with users_code(json_file, html_file):
        loaded, broken = _select(cases, words)
    inputs = [*(one.path for one in loaded), *_checked_data(data, loaded)]
    json_file, html_file = targets({"--json": json_file, "--html": html_file}, inputs)
    figures = figure_folder(figures)
    context = Context(data, fast, numerical, progress=sys.stderr.isatty(), fresh=fresh)
    save = None if figures is None else figure_writer(figures, figure_format)
    gallery = None
    if html_file is not None:
        from gradcheck.html import Gallery, render

        gallery = Gallery(save)
    console = new_console(stderr=STDOUT in (json_file, html_file))
    outputs = Outputs()
    show = _printer(console, loaded, verbose, quiet)
    if gallery or save or json_file:
        show = _while_read(show, outputs)
    with _one_blas_thread(), users_code(json_file, html_file):
        results, interrupted = _run_all(loaded, context, gallery or save, show)
    # Files first: a pipe that nobody reads any more takes none of them away.
    if json_file is not None:
        outputs.make(_write_json, json_file, results, interrupted)
    if html_file is not None and gallery is not None:
        outputs.make(put, "--html", html_file, render(results, drawings=gallery.drawings))
    outputs.make(_close, console, results, len(loaded), interrupted, verbose, quiet)
    outputs.tell()
    return INTERRUPTED if interrupted else UNUSABLE if broken else _status(results)


@main.command("list")
@_cases
@_words
def list_cases(cases: tuple[str, ...], words: tuple[str, ...]) -> int:
    """List the cases (default: those in cases/) with section and title."""
    from gradcheck.cli.tables import new_console, show_cases

    console = new_console()
    with users_code():
        loaded, broken = _select(cases, words)
    show_cases(console, loaded)
    return UNUSABLE if broken else 0


@main.command()
@click.argument("dataset", type=click.Choice(["mnist"]))
def fetch(dataset: str) -> None:
    """Download a data set into the user cache, with checksums; `run` then uses it."""
    from gradcheck.textbook.mnist import fetch_mnist

    click.echo(f"{dataset}: in {fetch_mnist(progress=sys.stderr.isatty())}")


def _select(paths: Sequence[str], words: Sequence[str]) -> tuple[list[LoadedCase], bool]:
    """The cases that fit, and whether a file among all of them is broken, which is said; the others are run."""
    from gradcheck.cases.discovery import discover_what_loads

    if not paths and not any(Path("cases").glob("*.py")):
        raise BadInput(NOTHING_HERE)
    found, broken = discover_what_loads(paths or ("cases",))
    for each in broken[: None if found else -1]:
        BadInput(one_line(each)).show()
    if not found:
        raise broken[-1]
    fits = [f"*{word.lower()}*" for word in words] or ["*"]
    selected = [one for one in found if any(fnmatchcase(one.name.lower(), each) for each in fits)]
    if not selected:
        shown = short(" or ".join(map(repr, words)), 200)
        raise BadInput(f"-k: none of the {len(found)} cases has a name that holds {shown}")
    return selected, bool(broken)


def _checked_data(data: Path | None, loaded: Sequence[LoadedCase]) -> list[Path]:
    """The files of a data set that was asked for by name. Refuses missing, truncated or altered ones."""
    asked = os.environ.get("GRADCHECK_MNIST") and any("mnist" in one.case.needs for one in loaded)
    if data is None and not asked:
        return []
    from gradcheck.textbook.mnist import load_mnist

    load_mnist(normalize=False, data=data)
    return [*Path(data or os.environ["GRADCHECK_MNIST"]).glob("*-ubyte*")]


def _one_blas_thread() -> AbstractContextManager[Any]:
    """Keep matrix products to one thread, unless the environment says how many.

    The products of a case are small: a second thread gains nothing, and where other work keeps the cores busy
    the two wait for each other (the chapter's training then took ten times as long).
    """
    if any(os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def _printer(
    console: Console, loaded: Sequence[LoadedCase], verbose: bool, quiet: bool
) -> Callable[[CaseResult], None]:
    """What shows a case when it is done."""
    from gradcheck.cli.tables import show_case_line, show_result

    if quiet:
        return lambda _: None
    if verbose:
        return lambda result: show_result(console, result)
    name = max(len(one.name) for one in loaded)
    section = max(len(one.case.section) for one in loaded)
    return lambda result: show_case_line(console, result, name=name, section=section)


def _while_read(show: Callable[[CaseResult], None], outputs: Outputs) -> Callable[[CaseResult], None]:
    """The same, until it fails: where files were asked for the run goes on for their sake."""
    return lambda result: outputs.make(show, result) if outputs.failure is None else None


def _close(
    console: Console,
    results: Sequence[CaseResult],
    planned: int,
    interrupted: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Print what follows the cases: what did not pass and why, the data, the closing lines."""
    from gradcheck.cli.tables import explain, show_counts, show_sources, show_summary

    if not quiet:
        explain(console, results)
    if interrupted:
        console.print("interrupted: the rows counted here were done, the others were not")
    if not (quiet or verbose):  # -v names them with each case
        show_sources(console, results)
    if not quiet:
        show_summary(console, results, planned=planned)
    show_counts(console, results)


def _run_all(
    loaded: Sequence[LoadedCase],
    context: Context,
    save: SaveFigure | None,
    show: Callable[[CaseResult], None],
) -> tuple[list[CaseResult], bool]:
    """Run the cases, showing each when it is done; the results, and whether the run was interrupted."""
    from tqdm import tqdm

    from gradcheck.cases.results import CaseInterrupted
    from gradcheck.cases.run import run_case

    results: list[CaseResult] = []
    interrupted = False
    bar = tqdm(loaded, unit="case", leave=False, disable=not context.progress)
    try:
        for one in bar:
            bar.set_description(one.name)
            result = run_case(one, context, save_figure=save)
            results.append(result)
            bar.clear()
            show(result)
    except CaseInterrupted as stop:
        bar.clear()
        results.append(stop.result)
        show(stop.result)
        interrupted = True
    except KeyboardInterrupt:  # between two cases
        interrupted = True
    bar.close()
    return results, interrupted


def _status(results: Sequence[CaseResult]) -> int:
    return 0 if overall(result.outcome for result in results) == "PASS" else FAILED


def _write_json(path: Path, results: Sequence[CaseResult], interrupted: bool) -> None:
    rows = [row for result in results for row in result.rows]
    document: dict[str, Any] = {
        "gradcheck": __version__,
        "interrupted": interrupted,
        "counts": counted(row.outcome for row in rows),
        "cases": [result.to_dict() for result in results],
        "rows": [row.to_dict() for row in rows],
    }
    put("--json", path, json.dumps(document, indent=2, allow_nan=False) + "\n")
