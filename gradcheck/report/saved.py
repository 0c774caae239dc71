"""Save a check to a file: JSON with an .npz beside it, no pickle."""

from __future__ import annotations

import json
import os
import platform
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck._version import __version__
from gradcheck.errors import DataError
from gradcheck.report.data import ReportData
from gradcheck.report.storage import Arrays, encode, missing_parts

SCHEMA = "gradcheck-replay/1"


ARGUMENTS = ("f", "grad", "x", "args", "options", "seed")


@dataclass(frozen=True)
class Saved:
    """A saved check. report : as `Report.to_dict` gave it. test : the pytest node id it came from, or None.

    missing : what the file could not hold, in words; empty where `repeat` works.
    rootdir : pytest's, for `test`. document, arrays : the content of the two files.
    """

    path: Path
    report: dict[str, Any]
    test: str | None
    rootdir: Path | None
    missing: tuple[str, ...]
    document: dict[str, Any]
    arrays: Arrays


def save(
    report: ReportData, path: str | os.PathLike[str], *, test: str | None = None, rootdir: Path | None = None
) -> Path:
    """Write `path` (JSON) and, beside it, the arrays as .npz: x, seed, options, evidence, imports of f and grad.

    test, rootdir : the pytest node id and root folder of a check in a test, which repeat it where f or grad
        cannot be imported by name. Folders that are missing are made. Returns the path.
    Raises ValueError for a report that no check made, or a path that does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path must end in .json, not {path.name!r}: the arrays go to the .npz beside it")
    recipe = report.recipe
    if recipe is None:
        raise ValueError(
            "this report does not know its functions: those of check_gradient do, but no copy through pickle"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.resolve()
    arrays: Arrays = {}
    values = {"f": recipe.f, "grad": recipe.grad, "x": recipe.x, "args": recipe.args,
              "options": dict(recipe.options), "seed": recipe.seed}  # fmt: skip
    document = {
        "schema": SCHEMA,
        "versions": {
            "gradcheck": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "arrays": path.with_suffix(".npz").name,
        "test": test,
        "rootdir": None if rootdir is None else Path(os.path.relpath(rootdir, folder)).as_posix(),
        **{name: encode(value, arrays, folder) for name, value in values.items()},
        "report": report.to_dict(),
    }
    arrays |= _evidence(report)
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    # NumPy's stub takes any keyword for `allow_pickle`, which is a bool.
    np.savez(path.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]
    path.write_text(text, encoding="utf-8")
    return path


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
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON, or truncated: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a replay file (its schema is not {SCHEMA!r})")
    lacking = [name for name in (*ARGUMENTS, "arrays", "report") if name not in document]
    if lacking:
        raise DataError(f"{path}: altered: it lacks {', '.join(lacking)}")
    beside = path.parent / Path(document["arrays"]).name
    try:
        with beside.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{beside}: missing, truncated or altered: {error}") from error
    rootdir = document.get("rootdir")
    return Saved(
        path,
        document["report"],
        document.get("test"),
        None if rootdir is None else (path.parent / rootdir).resolve(),
        tuple(missing_parts([document[name] for name in ARGUMENTS])),
        document,
        arrays,
    )
