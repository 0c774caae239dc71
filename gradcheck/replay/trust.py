"""What repeating a saved check would import and run, and from where: found out without importing anything."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from gradcheck.errors import ReplayError, UntrustedReplayError
from gradcheck.report.saved import Saved
from gradcheck.report.storage import is_installed, references, roots
from gradcheck.results.words import short

# What lies in the root folder of a project of Python.
MARKS = (".git", "pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini")
PYTHON = "Python itself"
# Letters of a name that are printed.
NAME = 200


@dataclass(frozen=True)
class Plan:
    """steps : what is about to be imported or run, a line each, with its place. outside : those beyond the project."""

    steps: tuple[str, ...]
    outside: tuple[str, ...]

    def demand(self, saved: Saved) -> None:
        """Raise UntrustedReplayError where a step lies outside the project: a file may name any code there is."""
        if self.outside:
            text = f"{self.outside[0]}, which is outside this project; look at the file, then repeat with --trust"
            raise UntrustedReplayError(f"{saved.path}: it {text}")


def plan_of_check(saved: Saved) -> Plan:
    """What `repeat` would import: modules where they would be found now, and folders put on the import path.

    Raises ReplayError for a module that is nowhere: what is not there yet could be anything by then.
    """
    inside = project()
    steps, outside = [], []
    with import_path(saved):
        for reference in references(saved.arguments):
            module = reference.partition(":")[0]
            origins = list(_origins(module))
            if not origins:
                raise ReplayError(
                    f"{saved.path}: cannot import {short(module, NAME)}: there is no such module"
                )
            step = f"imports {short(reference, NAME)} from {_shown(origins[-1])}"
            steps.append(step)
            if not all(_within(origin, inside) for origin in origins):
                outside.append(step)
    for folder in _folders(saved):
        if not _within(folder, inside):
            outside.append(f"imports from {folder}")
    return Plan(tuple(steps), tuple(outside))


def plan_of_test(saved: Saved) -> Plan:
    """What `rerun_test` would run: pytest, with the configuration and the plugins of the test's root folder."""
    if saved.rootdir is None or "\0" in str(saved.rootdir):
        return Plan((), ())
    step = f"runs pytest {saved.test!r} in {_shown(os.path.realpath(saved.rootdir))}"
    return Plan((step,), () if _within(os.path.realpath(saved.rootdir), project()) else (step,))


def project() -> Path:
    """The folder of the project that the working directory belongs to; without one, that directory."""
    here = Path.cwd().resolve()
    marked = (folder for folder in (here, *here.parents) if any((folder / mark).exists() for mark in MARKS))
    found = next(marked, here)
    return here if _too_wide(found) else found


def _too_wide(folder: Path) -> bool:
    """Whether it is a home, the root, or where all programs put their files: anything may lie somewhere below."""
    wide = [Path(folder.anchor), Path(tempfile.gettempdir()).resolve()]
    with suppress(RuntimeError):  # there may be no home
        wide.append(Path.home().resolve())
    return folder in wide


@contextmanager
def import_path(saved: Saved) -> Iterator[None]:
    """Put the folders of the saved functions, and the working directory, first on the import path."""
    before = list(sys.path)
    sys.path[:0] = [*_folders(saved), str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before


def _folders(saved: Saved) -> list[str]:
    return [os.path.realpath(saved.path.parent / root) for root in roots(saved.arguments) if "\0" not in root]


def _origins(module: str) -> Iterator[str]:
    """The files that importing `module` would run, those of the packages around it first; none where it is nowhere."""
    parts = module.split(".")
    search = None
    for k in range(1, len(parts) + 1):
        name = ".".join(parts[:k])
        if k > 1 and search is None:  # no package: there is nothing in it
            return
        # What is loaded is not looked for again.
        loaded = sys.modules.get(name)
        spec = getattr(loaded, "__spec__", None) if loaded is not None else _spec(name, search)
        if loaded is None and spec is None:
            return
        file = getattr(loaded, "__file__", None) or (
            spec.origin if spec is not None and spec.has_location else None
        )
        search = getattr(loaded, "__path__", None) or (
            spec.submodule_search_locations if spec is not None else None
        )
        # A package may have folders and no file of its own; what has neither is part of Python.
        yield from [os.path.realpath(place) for place in ([file] if file else search or [])] or [PYTHON]


def _spec(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        with suppress(Exception):
            spec = finder.find_spec(name, search)
            if spec is not None:
                return spec
    return None


def _within(place: str, inside: Path) -> bool:
    if place == PYTHON:
        return False
    path = Path(place)
    if is_installed(path):
        return False
    return inside in (path, path.parent) if _too_wide(inside) else path.is_relative_to(inside)


def _shown(place: str) -> str:
    here = os.path.realpath(os.getcwd())
    return os.path.relpath(place, here) if place.startswith(here + os.sep) or place == here else place
