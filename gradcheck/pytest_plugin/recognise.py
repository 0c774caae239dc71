"""Whether a file in a folder named `cases` holds a Case, told without running it: other projects have such folders."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def holds_a_case(path: Path, project: Path, *, test: bool) -> bool:
    """Whether it, or a module of the project that it imports, makes a Case or imports `gradcheck.cases`.

    project : the root folder of the run; modules are looked for there, and beside the folder of the file.
    test : whether pytest takes it for a module of tests; then what it imports says nothing.
    """
    below = [Path(entry) for entry in sys.path if Path(entry).is_relative_to(project)]
    folders = [path.parent.parent, *(folder for folder in below if "site-packages" not in folder.parts)]
    seen: set[Path] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        text = file.read_bytes()
        if b"gradcheck" in text and b"Case(" in text:
            return True
        if test:
            return False
        for folder, module in _imported(text, file, folders):
            if module.startswith("gradcheck.cases"):
                return True
            place = folder.joinpath(*module.split("."))
            todo += [place.with_name(f"{place.name}.py"), place / "__init__.py"]
    return False


def _imported(text: bytes, file: Path, folders: list[Path]) -> Iterator[tuple[Path, str]]:
    """What a module imports, at any depth, by every name that it may have, with each folder where that may lie."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # no Python: nothing imports it
        return
    for node in ast.walk(tree):
        places, names = folders, []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            places = [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else folders
            start = f"{node.module}." if node.module else ""
            names = [start.rstrip("."), *(f"{start}{alias.name}" for alias in node.names)]
        yield from ((folder, name) for folder in places for name in names if name)
