"""The fixture's object: a call checks a gradient for the current test, and its methods what is no gradient."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pytest

import gradcheck
from gradcheck.checks.gradient import check_gradient
from gradcheck.driver.options import GivenToGradients
from gradcheck.errors import GradientError
from gradcheck.files import write_text
from gradcheck.report.recipe import REPEATED
from gradcheck.report.report import Report
from gradcheck.report.saved import save
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import visible

if TYPE_CHECKING:
    from gradcheck.pytest_plugin.run import Run


def _as_method(name: str) -> Any:
    check = getattr(gradcheck, name)
    signature = inspect.signature(check)
    # What takes any option may be given those of the run and of the marker; what takes few only the seed.
    general = "subgradient" in signature.parameters or any(
        p.kind is p.VAR_KEYWORD for p in signature.parameters.values()
    )

    def method(self: Checker, *arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        return self._judged(check, arguments, options, general)

    method.__name__ = name
    method.__doc__ = f"As `gradcheck.{name}`, for the current test: see `__call__`."
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    vars(method)["__signature__"] = signature.replace(parameters=[own, *signature.parameters.values()])
    return method


class Checker:
    """Call it as `check_gradient`: it returns the Report of a check that passed, and fails the test otherwise.

    Its methods do the same for the other checks, under their names.
    """

    if TYPE_CHECKING:  # each has the signature of its check, less what the run gives
        check_adjoint = staticmethod(gradcheck.check_adjoint)
        check_hessian = staticmethod(gradcheck.check_hessian)
        check_hvp = staticmethod(gradcheck.check_hvp)
        check_jacobian = staticmethod(gradcheck.check_jacobian)
        check_jvp = staticmethod(gradcheck.check_jvp)
        check_points = staticmethod(gradcheck.check_points)
        check_problem = staticmethod(gradcheck.check_problem)
        check_vjp = staticmethod(gradcheck.check_vjp)
        taylor_test = staticmethod(gradcheck.taylor_test)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def seed(self) -> int:
        """The seed of the current test, for points and directions of its own."""
        return self._run.seed()[0]

    def __repr__(self) -> str:
        return "gradcheck"

    def __call__(
        self, f: Callable[..., Any], grad: Any, x: Any, **options: Unpack[GivenToGradients]
    ) -> Report:
        """Check as `gradcheck.check_gradient(f, grad, x, **options)` does.

        What is not given comes from the test's marker, from `gradcheck_rtol`, and for rng from the test's name.
        Raises GradientError with the report's text, the seed and the command that repeats it, for FAIL and, unless
        the run or the marker says otherwise, for INCONCLUSIVE; that may be pytest's Skipped instead.
        """
        __tracebackhide__ = True
        report: Report = self._judged(check_gradient, (f, grad, x), {**options}, general=True)
        return report

    # In a test that takes it the fixture hides the module of its name, and is called as that.
    check_gradient = assert_gradient = __call__

    def _judged(
        self, check: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], general: bool
    ) -> Any:
        __tracebackhide__ = True
        seed, origin = self._run.seed()
        defaults: dict[str, Any] = {"rng": seed}
        if general:
            marked = self._run.marked()
            given = {name: value for name, value in marked.items() if name not in ("seed", "inconclusive")}
            defaults = {"rtol": self._run.rtol, "rng": seed} | given
        report = check(*arguments, **(defaults | options))
        policy = "fail" if report.outcome is Outcome.FAIL else self._run.policy()
        fails = not report and policy == "fail"
        lines = [] if "rng" in options else [f"  seed: {seed}, {origin}"]
        replay = None
        if fails:
            replay, line = self._again(report, seed)
            lines.append(line)
        self._run.tell_of(report, replay)
        if fails:
            raise GradientError(report, *lines)
        if not report and policy == "skip":
            # Asked for by the policy: what is not told skips its test, and says why.
            pytest.skip(visible(f"{report.outcome.value}  {report.reason}"))
        return report

    def _again(self, report: Any, seed: int) -> tuple[str | None, str]:
        """The replay file, as seen from where pytest was called, and the line that says how to repeat the check."""
        config, item = self._run.config, self._run.item
        nodeid = item.nodeid if item is not None else None
        report = report.report if isinstance(report, gradcheck.TaylorResult) else report
        if report.recipe is None:  # one that was copied through pickle
            return None, f"  again: pytest {shlex.quote(nodeid or '')} --gradcheck-seed={seed}"
        folder = config.rootpath / ".gradcheck"
        try:
            folder.mkdir(exist_ok=True)
            _ignored_by_git(folder)
            path = save(report, folder / _file_name(nodeid or "check"), test=nodeid, rootdir=config.rootpath)
        except OSError as error:  # a folder that cannot be written must not hide the failure
            return None, f"  no replay file: {error}"
        shown = os.path.relpath(path, config.invocation_params.dir)
        return shown, f"  replay: gradcheck replay {shlex.quote(shown)}"


for _name in REPEATED:
    if _name != "check_gradient":
        setattr(Checker, _name, _as_method(_name))


def _file_name(nodeid: str) -> str:
    """`test_model-weights-7f3a9c.json`: the same for the same test, so that reruns do not pile up."""
    test, bracket, case = nodeid.partition("[")  # a case may hold any text, `::` too
    words = re.sub(r"\W+", "-", test.rpartition("::")[2] + bracket + case).strip("-")[:48]
    return f"{words}-{hashlib.sha256(nodeid.encode()).hexdigest()[:6]}.json"


def _ignored_by_git(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_text(ignore, "*\n")
