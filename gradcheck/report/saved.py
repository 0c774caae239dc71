"""Save a check to a file: one of JSON, its arrays in it, no pickle."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck._version import __version__
from gradcheck.errors import DataError
from gradcheck.files import DAMAGED, read_arrays, read_json, write_text
from gradcheck.report.data import ReportData
from gradcheck.report.reading import checked_report
from gradcheck.report.recipe import REPEATED
from gradcheck.report.storage import Arrays, as_arrays, as_text, encode, missing_parts, roots

SCHEMA = "gradcheck-replay/3"
# Version 2 knew checks of gradients alone. Version 1 had its arrays in an .npz beside it, too: a write that was killed
# left the one with another's other.
OLD_SCHEMAS = ("gradcheck-replay/1", "gradcheck-replay/2")

ARGUMENTS = ("f", "grad", "x", "args", "options", "seed")


@dataclass(frozen=True)
class Saved:
    """A saved check. report : as `Report.to_dict` gave it. test : the pytest node id it came from, or None.

    rootdir : pytest's, for `test`. check : the name of one of `REPEATED`. arguments : as `encode` described ARGUMENTS.
    """

    path: Path
    report: dict[str, Any]
    test: str | None
    rootdir: Path | None
    check: str
    arguments: list[Any]
    arrays: Arrays

    @property
    def missing(self) -> list[str]:
        """What the file could not hold, in words; empty where `repeat` works."""
        return missing_parts(self.arguments)


def save(
    report: ReportData, path: str | os.PathLike[str], *, test: str | None = None, rootdir: Path | None = None
) -> Path:
    """Write `path`, one file of JSON: x, seed, options, evidence, imports of f and grad; whole, or not at all.

    test, rootdir : the pytest node id and root folder of a check in a test, which repeat it where f or grad
        cannot be imported by name. Folders that are missing are made. Returns the path.
    Raises ValueError for a report that no check made, or a path that does not end in .json.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or a Path, not {path!r:.60}")
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path must end in .json, not {path.name!r}")
    recipe = report.recipe
    if recipe is None:
        raise ValueError(
            f"this report does not know its functions: those of {', '.join(REPEATED)} do, but no copy through pickle"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.resolve()
    arrays: Arrays = {}
    document = {
        "schema": SCHEMA,
        "versions": {
            "gradcheck": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "test": test,
        "check": recipe.check,
        "rootdir": None if rootdir is None else Path(os.path.relpath(rootdir, folder)).as_posix(),
        **{name: _described(getattr(recipe, name), arrays, folder) for name in ARGUMENTS},
        "report": report.to_dict(),
    }
    document["arrays"] = as_text(arrays | _evidence(report))
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    return path


def _described(value: Any, arrays: Arrays, folder: Path) -> Any:
    """As `encode`; the report is kept whatever an argument does when it is looked at, such as to hold itself."""
    try:
        return encode(value, arrays, folder)
    except Exception as error:
        return {
            "missing": f"an object of type {type(value).__name__} ({type(error).__name__} while it was read)"
        }


def _evidence(report: ReportData) -> Arrays:
    """What was measured entry by entry, for whoever reads the file without this package."""
    if report.evidence is None:
        return {}
    entries = report.evidence.entries
    return {
        "evidence_flat_index": entries.coordinates,
        "evidence_analytic": entries.analytic,
        "evidence_numerical": np.asarray(entries.estimate.value),
        "evidence_error_bar": np.asarray(entries.estimate.error),
    }


def load(path: str | os.PathLike[str]) -> Saved:
    """Read what `save` wrote. Raises DataError, naming the file, for anything else."""
    path = Path(path)
    document = read_json(path)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema not in (SCHEMA, *OLD_SCHEMAS):
        number = re.fullmatch(r"gradcheck-replay/(\d{1,9})", schema) if isinstance(schema, str) else None
        if number is not None and int(number[1]) > int(SCHEMA.rpartition("/")[2]):
            raise DataError(
                f"{path}: written by a newer gradcheck ({schema}; this one reads up to {SCHEMA!r})"
            )
        raise DataError(f"{path}: not a replay file (its schema is not {SCHEMA!r})")
    lacking = [name for name in (*ARGUMENTS, "arrays", "report") if name not in document]
    if lacking:
        raise DataError(f"{path}: altered: it lacks {', '.join(lacking)}")
    rootdir, test = document.get("rootdir"), document.get("test")
    if not all(part is None or isinstance(part, str) for part in (rootdir, test)):
        raise DataError(f"{path}: altered: test and rootdir must be text")
    check, arguments = document.get("check", REPEATED[0]), [document[name] for name in ARGUMENTS]
    if check not in REPEATED:
        raise DataError(f"{path}: altered: no check {check!r:.80}; there are {', '.join(REPEATED)}")
    for folder in (rootdir or "", *roots(arguments)):
        if not _encodes(folder):
            raise DataError(f"{path}: altered: no folder can have the name {folder!r}")
    return Saved(
        path,
        checked_report(document["report"], path),
        test,
        None if rootdir is None else Path(os.path.abspath(path.parent / rootdir)),
        check,
        arguments,
        _arrays(path, document),
    )


def _encodes(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _arrays(path: Path, document: dict[str, Any]) -> Arrays:
    told = document["arrays"]
    if document["schema"] == OLD_SCHEMAS[0]:
        if not isinstance(told, str):
            raise DataError(
                f"{path}: altered: its arrays are not the name of a file, as {OLD_SCHEMAS[0]} has it"
            )
        return read_arrays(path.parent / Path(told).name)
    try:
        return as_arrays(told)
    except (*DAMAGED, KeyError) as error:
        raise DataError(f"{path}: altered: its arrays: {error}") from error
