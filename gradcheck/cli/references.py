"""What the words of a command name: functions as MODULE:NAME or FILE.py:NAME, points and bounds as JSON or files."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import traceback
from contextlib import suppress
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from sysconfig import get_path
from typing import Any

from gradcheck.cli.outputs import BadInput, one_line
from gradcheck.results.words import error_text

# What the names of files of arrays end in.
ARRAYS = (".npy", ".npz")
REFERENCE = re.compile(r"([\w./\\-]+|.+\.py):[\w.]+$")


def named(reference: str) -> Any:
    """The object that MODULE:NAME or FILE.py:NAME names; modules of the working directory come first.

    Raises BadInput, which says what was meant where that can be told.
    """
    from gradcheck.errors import ReplayError
    from gradcheck.report.storage import imported

    module, colon, name = reference.rpartition(":")
    if not (module and colon and name):
        raise BadInput(f"{reference!r}: expected MODULE:NAME, such as model:loss")
    if module.endswith(".py"):
        module = _on_the_path(Path(module))
    _first_on_the_path(Path.cwd())
    try:
        return imported(f"{module}:{name}")
    except ReplayError as error:
        raise BadInput(one_line(error) + _line_of(error.__cause__) + _meant(module, name)) from error


def _line_of(error: BaseException | None) -> str:
    """Where a module that was imported raised it: the innermost line outside of Python's own and installed code."""
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    others = (str(Path(__file__).parents[1]), get_path("stdlib"), get_path("purelib"), "<")
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    return f" (at {one_line(own[-1].filename)}:{own[-1].lineno})" if own else ""


def _on_the_path(file: Path) -> str:
    """The name under which the file is imported: its folder is put on the import path."""
    if not file.is_file():
        raise BadInput(f"{one_line(str(file))}: there is no such file")
    folder = file.resolve().parent
    if folder != Path.cwd():
        _first_on_the_path(folder)
    before = getattr(sys.modules.get(file.stem), "__file__", None)
    if file.stem in sys.modules and (before is None or Path(before).resolve() != file.resolve()):
        raise BadInput(f"{one_line(str(file))}: cannot be imported, another module {file.stem} is")
    if "." in file.stem and before is None:
        _load(file)
    return file.stem


def _load(file: Path) -> None:
    """Import a file that no import statement could name: the dots of its name are no packages."""
    spec = spec_from_file_location(file.stem, file.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[file.stem]
        if isinstance(error, KeyboardInterrupt):
            raise
        said = one_line(error_text(error)) + _line_of(error)
        raise BadInput(f"cannot import {one_line(str(file))}: {said}") from error


def _first_on_the_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _meant(module: str, name: str) -> str:
    """What was perhaps meant: a name in the module, or a module in the working directory."""
    found = sys.modules.get(module)
    if found is not None:
        close = get_close_matches(name, [n for n in dir(found) if not n.startswith("_")], n=1)
        return f"; did you mean {module}:{close[0]}?" if close else ""
    close = get_close_matches(module, [path.stem for path in Path.cwd().glob("*.py")], n=1, cutoff=0.7)
    return f"; did you mean {close[0]}:{name}?" if close and close[0] != module else ""


def point(text: str) -> Any:
    """What --x says: FILE.npy, FILE.npz, JSON, MODULE:NAME."""
    if text.endswith(ARRAYS):
        return _arrays(Path(text))
    return json_or_named("--x", text, "[1.0, 2.0]", "a file .npy or .npz, nor ")


def json_or_named(option: str, text: str, example: str, others: str = "") -> Any:
    """What an option says as JSON, as Python writes it ([1., 2.], None) or as MODULE:NAME.

    others : what else it might have been, for the error.
    """
    if REFERENCE.match(text):
        return named(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return ast.literal_eval(text)
        raise BadInput(
            f"{option}: {one_line(repr(text[:80]))} is neither {others}JSON such as '{example}', "
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
