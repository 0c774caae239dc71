"""Find case files and load them."""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from gradcheck.cases.case import Case
from gradcheck.errors import CaseError


@dataclass(frozen=True)
class LoadedCase:
    """A case and the file that it comes from.

    Attributes
    ----------
    name : str
        That of the file, without .py.
    path : Path
        The file, as it was named.
    root : Path
        The folder above that of the file. It is on the import path while the case runs.
    case : Case
        What the file holds.
    """

    name: str
    path: Path
    root: Path
    case: Case


def discover(paths: str | Path | Iterable[str | Path] = ("cases",)) -> list[LoadedCase]:
    """Load the cases of files, folders, or names of files in `cases/`; each file once, in the order given.

    Files whose name starts with an underscore, and conftest.py, are no case files of a folder.

    Parameters
    ----------
    paths : path or iterable of path, optional
        One or several files, folders, or names: "gradient" stands for cases/gradient.py. The files of a folder come in
        the order of their names. Default the folder `cases`.

    Returns
    -------
    list of LoadedCase
        Each with the file that it comes from.

    Raises
    ------
    CaseError
        In one line that names the file, for a path that does not exist, a folder without case files, a file that does
        not load, or one that does not hold exactly one Case.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from gradcheck.cases import discover
    >>> text = '''from gradcheck.cases import Case, Quantity, Reference
    ... half = Reference("by hand", 0.5, reason="a binary fraction: the same bits")
    ... case = Case("1", "One half", [Quantity("1 / 2", lambda: 1 / 2, [half])])
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "half.py").write_text(text)
    ...     [loaded] = discover([folder])
    >>> loaded.name, loaded.case.title
    ('half', 'One half')
    """
    return [_load(file) for file in _files(paths)]


def discover_what_loads(paths: Iterable[str | Path]) -> tuple[list[LoadedCase], list[CaseError]]:
    """The cases of `discover`, and what is wrong with the files that do not load or hold no case."""
    loaded, broken = [], []
    for file in _files(paths):
        try:
            loaded.append(_load(file))
        except CaseError as error:
            broken.append(error)
    return loaded, broken


def _files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    files: list[Path] = []
    one = isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable)
    given: list[Any] = [paths] if one else [*cast("Iterable[Any]", paths)]
    for path in given:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"paths must be a path or a list of them, not {path!r:.60}")
    for path in given:
        try:
            files += _case_files(path)
        except (
            OSError,
            ValueError,
        ) as error:  # a name that no file can have, or a folder that may not be read
            raise CaseError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return list(dict.fromkeys(files))


def _case_files(path: str | Path) -> list[Path]:
    given, named = Path(path), Path("cases") / f"{path}.py"
    if given.is_dir():
        files = sorted(
            f for f in given.glob("*.py") if not f.name.startswith("_") and f.name != "conftest.py"
        )
        if not files:
            raise CaseError(f"{given}: no case file (*.py) in this folder")
        return files
    if given.is_file() or named.is_file():
        return [given if given.is_file() else named]
    names = sorted(file.stem for file in Path("cases").glob("*.py"))
    others = [*names, *(str(file) for file in given.parent.glob("*") if file != given)]
    near = difflib.get_close_matches(str(path), others, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known cases: {', '.join(names) or 'none in cases/'}"
    raise CaseError(f"{path}: no such file or folder, and no case of this name in cases/; {hint}")


def _load(path: Path) -> LoadedCase:
    if path.suffix != ".py":
        raise CaseError(f"{path}: a case file is a Python file, with a name that ends in .py")
    if not path.is_file():  # a link to a device, which has no end, or to nothing
        raise CaseError(f"{path}: no file")
    root = path.resolve().parent.parent
    # Unique by its path, so that files of the same name in two folders do not meet in sys.modules.
    module = ModuleType(f"gradcheck_case_{path.stem}_{hashlib.sha1(bytes(path.resolve())).hexdigest()[:8]}")
    module.__file__ = str(path)
    try:
        # Compiled here, not imported: a file edited twice within a second must not run from stale bytecode.
        code = compile(path.read_bytes(), str(path), "exec")
        with on_import_path(root):
            sys.modules[module.__name__] = module  # dataclasses look their module up
            exec(code, module.__dict__)
    except SyntaxError as error:
        place = f"{error.filename or path}:{error.lineno or '?'}"
        raise CaseError(f"{place}: syntax error: {error.msg}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CaseError(f"{path}: the file does not load: {what_and_where(error, path)}") from error
    found = {id(value): value for value in vars(module).values() if isinstance(value, Case)}
    if len(found) != 1:
        count = f"{len(found)} Cases, and one file holds one" if found else "no Case (case = Case(...))"
        raise CaseError(f"{path}: the file holds {count}")
    return LoadedCase(path.stem, path, root, next(iter(found.values())))


@contextmanager
def on_import_path(folder: Path) -> Iterator[None]:
    """Put `folder` first on the import path, as pytest's `pythonpath = ["."]` does, and take it off again."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:  # a case file may have taken it off itself
            sys.path.remove(entry)


def what_and_where(error: BaseException, path: Path) -> str:
    """Say what was raised, at which line of the case file, and in which file if another."""
    what = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path)]
    places = list(dict.fromkeys(f"{frame.filename}:{frame.lineno}" for frame in [*own[-1:], *frames[-1:]]))
    return f"{what} (at {', raised in '.join(places)})" if places else what
