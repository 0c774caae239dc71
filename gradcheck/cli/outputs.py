"""Where the command line writes: refused before the work, written whole; what fails is one line and exit status 2."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from gradcheck.files import check_writable, write_text
from gradcheck.results.words import visible

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "STDOUT",
    "BadInput",
    "Commands",
    "figure_folder",
    "one_line",
    "put",
    "targets",
]

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
STDOUT = Path("-")


class BadInput(click.ClickException):
    """What was given cannot be used: one line on the standard error, exit status 2."""

    exit_code = UNUSABLE


def one_line(error: BaseException | str) -> str:
    """A message without its line breaks, its control characters made visible."""
    return visible(" ".join(str(error).split()))


class Commands(click.Group):
    """The commands, with one way out: 130 for Ctrl-C at any moment, 2 and one line for a standard output that fails."""

    def main(  # type: ignore[override]  # click has an overload for each standalone_mode
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and leave with its exit status."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            status = self._status(args, prog_name, **extra)
        except click.ClickException as error:
            with suppress(OSError):
                error.show()
            status = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            status = INTERRUPTED
        except OSError as error:
            status = UNUSABLE
            with suppress(OSError):
                click.echo(f"Error: the output cannot be written: {error.strerror or error}", err=True)
        _forget_output()
        sys.exit(status)

    def _status(self, args: Sequence[str] | None, prog_name: str | None, **extra: Any) -> int:
        if sys.stdout is None:
            raise BadInput("the standard output is closed")
        try:
            status = super().main(args, prog_name, standalone_mode=False, **extra)
        except SystemExit as leave:
            status = leave.code
        with _told():
            sys.stdout.flush()
        return status if isinstance(status, int) else 0 if status is None else UNUSABLE

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments, and print the help where it is asked for."""
        with _told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _told():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    """An output that fails as bad input: click has another exit status where a pipe is closed, and no words."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"the output cannot be written: {error.strerror or error}") from error
    except ValueError as error:
        if not sys.stdout.closed:
            raise
        raise BadInput("the standard output was closed while it was needed") from error


def _forget_output() -> None:
    """Drop what a failing standard output still holds: Python would try again while it ends, and say so."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError, io.UnsupportedOperation), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def targets(files: Mapping[str, Path | None]) -> list[Path | None]:
    """Where the outputs of these options go, wherever f or a case may change to.

    Refuses an output that cannot be written before the long run, not after it.
    """
    if list(files.values()).count(STDOUT) > 1:
        names = " and ".join(option for option, file in files.items() if file == STDOUT)
        raise BadInput(f"{names}: only one can be the standard output")
    for option, file in files.items():
        if file is not None and file != STDOUT:
            try:
                check_writable(file)
            except OSError as error:
                raise BadInput(f"{option}: cannot write {one_line(str(file))}: {error.strerror}") from error
    return [file if file is None or file == STDOUT else file.absolute() for file in files.values()]


def figure_folder(folder: Path | None) -> Path | None:
    """As `targets`, for the folder of --figures; it is made where it is missing."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(f"--figures: cannot write into {one_line(str(folder))}: {error.strerror}") from error
    return folder.absolute()


def put(option: str, file: Path, text: str) -> None:
    """Write `text` to a file, whole or not at all, or to the standard output."""
    if file == STDOUT:
        click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"), nl=False)
        return
    try:
        write_text(file, text)
    except OSError as error:
        raise BadInput(f"{option}: cannot write {one_line(str(file))}: {error.strerror}") from error
