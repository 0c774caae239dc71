"""What the command line prints: a line or a table for each case, explanations, a closing line."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck.cases.discovery import LoadedCase
from gradcheck.cases.results import CaseResult, Row
from gradcheck.cases.rowtext import expected, shown, size
from gradcheck.results.outcome import Outcome, counted
from gradcheck.results.words import count, visible

STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.INCONCLUSIVE: "bold yellow"}
# A pipe has no width: wide enough that no cell is folded.
PIPE_WIDTH = 190
# Columns of the whole table; below, the case is named once above its rows; below NARROW, a list instead.
WIDE, NARROW = 120, 78
# Of `123 rows` and `99 of 99`: one line a case, below each other.
ROWS, MISTAKES = 8, 8


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Tell it as any other output that fails; rich would end the program here."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def new_console(*, stderr: bool = False) -> Console:
    """Return a console that keeps to the terminal's width, NO_COLOR and pipes."""
    stream = sys.stderr if stderr else sys.stdout
    # A character that the terminal cannot show must not end a long run.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    columns = os.environ.get("COLUMNS", "")
    told = columns.isdecimal() and int(columns) > 0  # rich takes 0 for a width, in which nothing is shown
    width = None if told else shutil.get_terminal_size().columns if stream.isatty() else PIPE_WIDTH
    # Its own stream: a case may put another in the place of sys.stdout.
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def line(*parts: str | tuple[str, str]) -> Text:
    """Text in parts, some with a style; what a terminal would obey in it is written out."""
    shown = ((visible(part[0]), part[1]) if isinstance(part, tuple) else visible(part) for part in parts)
    return Text.assemble(*shown, overflow="fold")


def show_text(console: Console, text: str) -> None:
    """Print text whose first word may be an outcome, in its colour; a pipe gets the lines as they are."""
    shown = line(text)
    for outcome, style in STYLES.items():
        if text.startswith(outcome.value):
            shown.stylize(style, 0, len(outcome.value))
    console.print(shown, soft_wrap=not console.is_terminal)


def show_case_line(console: Console, result: CaseResult, *, name: int, section: int) -> None:
    """Print one case in one line, what it calls for attention below; `name` and `section` are widths."""
    if not (result.rows or result.complete):  # interrupted before its first row
        return
    planted = [row for row in result.rows if row.is_mistake]
    refused = sum(row.outcome is Outcome.PASS for row in planted)
    rows = count(len(result.rows), "row").rjust(ROWS)
    mistakes = f"{refused} of {len(planted)}".rjust(MISTAKES) + " mistakes refused"
    told = f"  {result.section:{section}}  {rows}, {mistakes}  {result.seconds:6.1f} s  "
    verdict = (result.outcome.value, STYLES[result.outcome]) if result.complete else ("interrupted", "yellow")
    console.print(line((f"{result.name:{name}}", "bold"), told, verdict))
    for note in result.notes:
        console.print(line((f"  note: {note}", "yellow")))
    _show_figures(console, result)


def show_sources(console: Console, results: Iterable[CaseResult]) -> None:
    """Print which data were used, each once."""
    for source in dict.fromkeys(source for result in results for source in result.sources):
        console.print(line((f"data: {source}", "dim")))


def show_result(console: Console, result: CaseResult) -> None:
    """Print the rows of one case under its name, section, title and data source."""
    if not (result.rows or result.complete):  # interrupted before its first row
        return
    title = f"  section {result.section}  {result.title}"
    console.print(line((result.name, "bold"), title, (f"  ({result.seconds:.1f} s)", "dim")))
    for source in result.sources:
        console.print(line((f"  data: {source}", "dim")))
    for note in result.notes:
        console.print(line((f"  note: {note}", "yellow")))
    rows = _folded(result.rows)
    if console.width < NARROW:
        for row in rows:
            _show_row_as_list(console, row)
    elif rows:
        console.print(_table(rows, console.width))
    _show_figures(console, result)
    console.print()


def _show_figures(console: Console, result: CaseResult) -> None:
    for path in result.figures:
        console.print(line((f"  figure: {path}", "dim")))


def _folded(rows: Iterable[Row]) -> list[Row]:
    """The rows, those of a quantity's refused mistakes as one that counts them; the JSON has each."""
    told: list[Row] = []
    for refused, group in groupby(
        rows, key=lambda r: r.quantity if r.is_mistake and r.outcome is Outcome.PASS else None
    ):
        alike = list(group)
        if refused is None:
            told += alike
        else:
            text = f"refuses {count(len(alike), 'planted mistake')}"
            told.append(
                replace(
                    alike[0], reference=text, measured=None, expected=None, difference=None, tolerance=None
                )
            )
    return told


def _table(rows: Iterable[Row], width: int) -> Table:
    wide = width >= WIDE
    # The same widths for every case, so that the tables line up below each other.
    name, numbers, verdict, gaps = (20, 10, 12, 6) if wide else (0, 7, 7, 5)
    rest = min(width, PIPE_WIDTH) - name - 2 * numbers - verdict - gaps
    value = max(19, min(36, rest // 3))  # 19: a float64 with all its digits
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    if wide:
        table.add_column("case", width=name, overflow="fold")
    table.add_column("quantity", width=min(44, rest - 2 * value), overflow="fold")
    table.add_column("measured", width=value, overflow="fold")
    table.add_column("reference", width=value, overflow="fold")
    table.add_column("difference" if wide else "differ.", width=numbers, justify="right", no_wrap=True)
    table.add_column("tolerance" if wide else "toler.", width=numbers, justify="right", no_wrap=True)
    table.add_column("outcome", width=verdict, overflow="fold")
    quantity = measured = ""
    for row in rows:
        # Where there is room, every line stands for itself (grep); else what the line above says is left out.
        told = [row.quantity, shown(row.measured, row)]
        if not wide and row.quantity == quantity:
            told = ["", "" if told[1] == measured else told[1]]
        quantity, measured = row.quantity, shown(row.measured, row)
        # What refused a planted mistake is of no interest here; the JSON names it.
        right = "" if row.is_mistake else expected(row)
        reference = ("  " if wide else "\n").join(filter(None, [row.reference, right]))
        cells = [*told, reference, size(row.difference), size(row.tolerance)]
        outcome = line((row.outcome.value, STYLES[row.outcome]))
        table.add_row(*[line(cell) for cell in ([row.case] if wide else []) + cells], outcome)
    return table


def _show_row_as_list(console: Console, row: Row) -> None:
    console.print(line((row.outcome.value, STYLES[row.outcome]), f" {row.quantity}: {row.reference}"))
    pairs = {
        "measured": shown(row.measured, row),
        "expected": expected(row),
        "difference": size(row.difference),
        "tolerance": size(row.tolerance),
    }
    for name, value in pairs.items():
        if value:
            console.print(line(f"  {name} {value}"))


def explain(console: Console, results: Sequence[CaseResult]) -> None:
    """Print, for every row that did not pass, what, where, how much, how much was allowed, and why."""
    rows = [row for result in results for row in result.rows if row.outcome is not Outcome.PASS]
    if rows:
        console.print(line(("Not passed", "bold")))
    # One cause, such as a missing data set, can take down every row of a case: told once.
    for (case, outcome, problem), group in groupby(
        rows, key=lambda row: (row.case, row.outcome, row.problem)
    ):
        alike = list(group)
        what = f"  {case}: {alike[0].quantity}, {alike[0].reference}"
        more = f", and {len(alike) - 1} more of its rows" if len(alike) > 1 else ""
        console.print(line((outcome.value, STYLES[outcome]), what + more))
        console.print(line(f"      {problem}"))
        if len(alike) == 1 and alike[0].reason:
            console.print(line(f"      the tolerance: {alike[0].reason}"))


def show_summary(console: Console, results: Sequence[CaseResult], *, planned: int) -> None:
    """Print how many cases ran to their end in which time."""
    seconds = sum(result.seconds for result in results)
    done = sum(result.complete for result in results)
    cases = f"{done}" if done == planned else f"{done} of {planned}"
    console.print(line((f"{cases} case{'s' if planned != 1 else ''} in {seconds:.1f} s", "dim")))


def show_counts(console: Console, results: Sequence[CaseResult]) -> None:
    """Print the closing line."""
    passed, failed, inconclusive = counted(row.outcome for result in results for row in result.rows).values()
    style = "bold red" if failed else "bold yellow" if inconclusive or not passed else "bold green"
    console.print(line((f"{passed} passed, {failed} failed, {inconclusive} inconclusive", style)))


def show_cases(console: Console, cases: Iterable[LoadedCase]) -> None:
    """Print the name, section and title of each case, and how many rows it gives."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("case", "section", "title"):
        table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right")
    for loaded in cases:
        case = loaded.case
        cells = (loaded.name, case.section, case.title, str(len(case.row_names())))
        table.add_row(*map(line, cells))
    console.print(table)
