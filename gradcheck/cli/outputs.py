"""Where the command line writes: refused before the work, written whole; what fails is one line and exit status 2."""

from __future__ import annotations

import io
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from gradcheck.errors import CaseError, DataError, ReplayError
from gradcheck.files import check_writable, replacing
from gradcheck.results.words import error_text, short, visible

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
# Where a command finds how it was called.
AS_TYPED = "gradcheck.as_typed"
STDOUT = Path("-")
# Letters of a message: a crafted file may have names of a million.
LONGEST = 2000
# Other names of it: to open one would cut off what is in a file that it was sent to.
STDOUT_TOO = tuple(map(Path, ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")))


class BadInput(click.ClickException):
    """What was given cannot be used: one line on the standard error, exit status 2."""

    exit_code = UNUSABLE


def one_line(error: BaseException | str) -> str:
    """A message in one line, its control characters made visible and, where it is very long, its middle left out."""
    return short(visible(" ".join(str(error).split())), LONGEST)


class Command(click.Command):
    """A command. Its exit status is what it returns: whatever else ends it is bad input. It knows how it was called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; keep them as they were typed."""
        ctx.meta[AS_TYPED] = shlex.join(["gradcheck", str(self.name), *args])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            os.getcwd()
        except OSError as error:
            raise BadInput("the working directory is gone") from error
        try:
            with _told():
                return super().invoke(ctx)
        except (click.ClickException, click.Abort, KeyboardInterrupt):
            raise
        except (CaseError, DataError, ReplayError) as error:  # what was given; the message names the file
            raise BadInput(one_line(error)) from error
        except BaseException as error:  # a module that calls sys.exit(0) would else be a check that passed
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = one_line(error_text(error))
            raise BadInput(f"{said} (at {one_line(place.filename)}:{place.lineno})") from error


class Commands(click.Group):
    """The commands, with one way out: 130 for Ctrl-C at any moment, 2 and one line for a standard output that fails."""

    command_class = Command

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments, and print the help where it is asked for."""
        with _told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or print its help."""
        with _told():
            return super().invoke(ctx)

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
            with suppress(OSError, ValueError):  # ValueError: somebody closed it
                error.show()
            status = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            status = INTERRUPTED
        _forget_output()
        sys.exit(status)

    def _status(self, args: Sequence[str] | None, prog_name: str | None, **extra: Any) -> int:
        if sys.stdout is None:
            raise BadInput("the standard output is closed")
        if sys.stderr is None:  # what is told there is told to nobody
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the program ends
        with _told():
            try:
                status = super().main(args, prog_name, standalone_mode=False, **extra)
            except SystemExit as leave:  # click's own, for the completion of a shell
                status = leave.code
            sys.stdout.flush()
        return int(status or 0)


@contextmanager
def _told() -> Iterator[None]:
    """An output that fails as bad input: click has another exit status where a pipe is closed, and no words."""
    try:
        yield
    except OSError as error:
        what = one_line(str(error.filename)) if error.filename is not None else "the output cannot be written"
        raise BadInput(f"{what}: {error.strerror or error}") from error
    except ValueError as error:
        if not sys.stdout.closed:
            raise
        raise BadInput("the standard output was closed while it was needed") from error


class Outputs:
    """What a command writes when its work is done: each output, whatever becomes of others; then what failed first."""

    def __init__(self) -> None:
        self.failure: BadInput | None = None

    def make(self, write: Callable[..., object], *arguments: Any) -> None:
        """Write one of them; keep what it fails of."""
        try:
            with _told():
                write(*arguments)
        except BadInput as error:
            self.failure = self.failure or error

    def tell(self) -> None:
        """Raise what failed first, if anything did."""
        if self.failure is not None:
            raise self.failure


@contextmanager
def users_code(*documents: Path | None) -> Iterator[None]:
    """While functions of the user run: they may put other streams in the place of the standard ones, for themselves.

    What they print goes to the standard error where the standard output is to hold one of these documents.
    """
    streams = sys.stdout, sys.stderr
    if any(file is not None and _absolute(file) == STDOUT for file in documents):
        sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def _forget_output() -> None:
    """Drop what a failing standard output still holds: Python would try again while it ends, and say so."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError, io.UnsupportedOperation), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def targets(files: Mapping[str, Path | None], inputs: Iterable[Path] = ()) -> list[Path | None]:
    """Where the outputs of these options go, wherever f or a case may change to.

    Refuses an output that cannot be written, or is an input, before the long run, not after it.
    """
    given = {Path(os.path.realpath(file)) for file in inputs}
    found: dict[Path, str] = {}
    for option, file in files.items():
        if file is None:
            continue
        place = _place(option, file)
        if place in found:
            what = "the standard output" if place == STDOUT else one_line(str(file))
            raise BadInput(f"{found[place]} and {option}: only one can be {what}")
        if place in given:
            raise BadInput(f"{option}: cannot write {one_line(str(file))}: that is an input of this command")
        found[place] = option
    return [None if file is None else _absolute(file) for file in files.values()]


def _place(option: str, file: Path) -> Path:
    """Which file that is, by one name. Raises BadInput where it cannot be written, or holds somebody's work."""
    if _absolute(file) == STDOUT:
        return STDOUT
    target = Path(os.path.realpath(file))  # what a link points to is written
    if ".py" in (file.suffix, target.suffix):  # `--json cases/*.py` names the first case as the output
        raise BadInput(f"{option}: cannot write {one_line(str(file))}: that is the name of a Python file")
    with writing(option, file):
        check_writable(file)
    return target


def _absolute(file: Path) -> Path:
    return STDOUT if file == STDOUT or file in STDOUT_TOO else file.absolute()


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


def raised_at(error: BaseException) -> list[str]:
    """Where in the caller's own code it was raised; none where this package refused the arguments."""
    others = (str(Path(__file__).parents[1]), "<")
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(others)
    ]
    return [f"(at {one_line(own[0].filename)}:{own[0].lineno})"] if own else []


@contextmanager
def writing(option: str, file: Path) -> Iterator[None]:
    """Say of an OSError that the file of an option cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{option}: cannot write {one_line(str(file))}: {error.strerror}") from error


def put(option: str, file: Path, text: str) -> None:
    """Write `text` to a file, whole or not at all, or to the standard output."""
    if file == STDOUT:
        click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"), nl=False)
        return
    put_bytes(option, file, text.encode("utf-8", "backslashreplace"))


def put_bytes(option: str, file: Path, data: bytes) -> None:
    """Write `data` to a file, whole or not at all."""
    with writing(option, file), replacing(file) as opened:
        opened.write(data)
