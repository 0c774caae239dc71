"""A saved check, made again: from its file, or by the test that it came from."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gradcheck.errors import DataError, ReplayError
from gradcheck.replay.trust import import_path, plan_of_check, plan_of_test
from gradcheck.report.saved import Saved
from gradcheck.report.storage import decode

if TYPE_CHECKING:
    from gradcheck.report.report import Report

BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def repeat(saved: Saved, *, trust: bool = False) -> Report:
    """Do the check again: same x, options and seed, with f and grad as they are now.

    Imports the modules that the file names, with their folders on the import path while the check runs.
    trust : whether these may lie outside the current project (`gradcheck.replay.trust.project`).
    Raises ReplayError where something cannot be imported or may not, DataError where the file is damaged.
    """
    import gradcheck

    if saved.missing:
        raise ReplayError(
            f"{saved.path}: cannot be repeated from the file alone: it needs {saved.missing[0]}"
        )
    if not trust:
        plan_of_check(saved).demand(saved)
    with import_path(saved):
        try:
            f, grad, x, args, options, seed = (decode(argument, saved.arrays) for argument in saved.arguments)
            check, rng = getattr(gradcheck, saved.check), _generator(seed)
            if not isinstance(options, dict) or not _takes(check).issuperset(options):
                raise DataError(f"altered: its options are not those of a check: {options!r:.80}")
        except (DataError, ReplayError) as error:
            raise type(error)(f"{saved.path}: {error}") from error
        except Exception as error:  # what a class makes of values that are not its own, too
            raise DataError(f"{saved.path}: altered: {type(error).__name__}: {error}") from error
        if saved.check == "check_problem":
            return cast("Report", check(f, x, args, jac=grad, **options, rng=rng))
        further = {"args": args} if saved.check != "check_adjoint" else {}
        report = check(f, grad, x, **further, **options, rng=rng)
        return cast("Report", report.report if saved.check == "taylor_test" else report)


def _takes(check: Callable[..., Any]) -> set[str]:
    """The options of a check that a file may name."""
    from gradcheck.driver.options import RUNNING

    # The function, its derivative and x have names of their own in the file.
    return set(list(inspect.signature(check).parameters)[3:]) - {"args", "jac", *RUNNING}


def rerun_test(saved: Saved, *, trust: bool = False) -> tuple[dict[str, Any], str]:
    """Run the test that the check came from, and return its worst check: the report, and its text.

    In a process of its own, with the seed of the saved check. trust : as in `repeat`.
    Raises ReplayError where the test is not found or may not be run, or makes no check.
    """
    if not trust:
        plan_of_test(saved).demand(saved)
    seed, test = saved.report["seed"], _test_argument(saved)
    with tempfile.TemporaryDirectory(prefix="gradcheck-") as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", f"--gradcheck-report={file}", test]
        if isinstance(seed, int):
            command.append(f"--gradcheck-seed={seed}")
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=saved.rootdir)
        except OSError as error:
            raise ReplayError(
                f"{saved.path}: pytest cannot be run in {saved.rootdir}: {error.strerror}"
            ) from error
        checks = json.loads(file.read_text())["checks"] if file.exists() and file.stat().st_size else []
    if not checks:
        lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
        last = lines[-1] if lines else "it printed nothing"
        raise ReplayError(f"{saved.path}: running {saved.test!r} in {saved.rootdir} gave no check: {last}")
    # A failing check ends its test, and below Hypothesis' @given the last one is the smallest.
    worst = next((check for check in reversed(checks) if check["outcome"] != "PASS"), checks[-1])
    report = worst["report"]
    return report, worst["text"] or f"{report['outcome']}  {report['reason']}"


def _test_argument(saved: Saved) -> str:
    """The node id as pytest takes it, and never as an option of pytest or the name of a file with more arguments."""
    file, _, rest = str(saved.test).partition("::")
    if saved.rootdir is None or "\0" in str(saved.test) or not saved.rootdir.is_dir():
        raise ReplayError(f"{saved.path}: the root folder of its test is gone: {saved.rootdir}")
    path = saved.rootdir / file
    if not (path.is_file() and path.resolve().is_relative_to(saved.rootdir.resolve())):
        raise ReplayError(f"{saved.path}: no test {saved.test!r} in {saved.rootdir}")
    return f"./{file}::{rest}" if rest else f"./{file}"


def _generator(seed: Any) -> Any:
    """The seed, or the Generator whose state was saved."""
    if not isinstance(seed, dict):
        return seed
    name = seed.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise DataError(f"altered: no generator of NumPy: {name!r:.80}")
    bits = getattr(np.random, name)()
    try:
        bits.state = seed
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise DataError(f"altered: no state of a generator: {error}") from error
    return np.random.Generator(bits)
