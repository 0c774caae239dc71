"""Save a check to a file, and do it again from there: JSON with an .npz beside it, no pickle."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.errors import DataError, ReplayError
from gradcheck.report.saved import ARGUMENTS, Saved
from gradcheck.report.storage import decode, roots

if TYPE_CHECKING:
    from gradcheck.report.report import Report

__all__ = ["repeat", "rerun_test"]


def repeat(saved: Saved) -> Report:
    """Do the check again: same x, options and seed, with f and grad as they are now.

    Imports the modules that the file names, with their folders on the import path while the check runs: repeat
    only files whose origin you would also run code from.
    Raises ReplayError where something cannot be imported, DataError where the file is damaged.
    """
    from gradcheck.checks.gradient import check_gradient

    described = saved.document
    if saved.missing:
        raise ReplayError(
            f"{saved.path}: cannot be repeated from the file alone: it needs {saved.missing[0]}"
        )
    with _import_path(saved):
        try:
            f, grad, x, args, options, seed = (decode(described[name], saved.arrays) for name in ARGUMENTS)
        except (DataError, ReplayError) as error:
            raise type(error)(f"{saved.path}: {error}") from error
        return check_gradient(f, grad, x, args=args, **options, rng=_generator(seed))


def rerun_test(saved: Saved) -> tuple[dict[str, Any], str]:
    """Run the test that the check came from, and return its worst check: the report, and its text.

    In a process of its own, with the seed of the saved check.
    Raises ReplayError where the test is not found, or makes no check.
    """
    seed = saved.report["seed"]
    with tempfile.TemporaryDirectory(prefix="gradcheck-") as folder:
        file = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--no-header",
            f"--gradcheck-report={file}",
            str(saved.test),
        ]
        if isinstance(seed, int):
            command.append(f"--gradcheck-seed={seed}")
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=saved.rootdir)
        checks = json.loads(file.read_text())["checks"] if file.exists() and file.stat().st_size else []
    if not checks:
        lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
        last = lines[-1] if lines else "it printed nothing"
        raise ReplayError(f"{saved.path}: running {saved.test!r} in {saved.rootdir} gave no check: {last}")
    # A failing check ends its test, and below Hypothesis' @given the last one is the smallest.
    worst = next((check for check in reversed(checks) if check["outcome"] != "PASS"), checks[-1])
    report = worst["report"]
    return report, worst["text"] or f"{report['outcome']}  {report['reason']}"


def _generator(seed: Any) -> Any:
    """The seed, or the Generator whose state was saved."""
    if not isinstance(seed, dict):
        return seed
    bits = getattr(np.random, seed["bit_generator"])()
    bits.state = seed
    return np.random.Generator(bits)


@contextmanager
def _import_path(saved: Saved) -> Iterator[None]:
    """Put the folders of the saved functions, and the working directory, first on the import path."""
    before = list(sys.path)
    folders = [
        str((saved.path.parent / root).resolve()) for root in roots([saved.document[n] for n in ARGUMENTS])
    ]
    sys.path[:0] = [*folders, str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before
