"""What the adapters share: from a function and its backward product, in NumPy, to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from gradcheck.checks.gradient import check_gradient
from gradcheck.checks.products import check_vjp
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.function.contract import changed
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report

__all__ = ["called", "judge", "noted", "optional"]

Pullback = Callable[[Any, Any], Any]
WEIGHTED = (
    "the outputs of f, complex or of complex x, are judged together, by their product with a random cotangent"
)


def optional(package: str) -> Any:
    """The package. Raises ImportError, with the name of the extra that brings it, where it is not installed."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        text = f"gradcheck.interop.{package} needs {package}, which is not installed: the extra gradcheck[{package}]"
        raise ModuleNotFoundError(text, name=package) from error


def judge(f: Callable[[Any], Any], pullback: Pullback, x: Any, call: str, options: dict[str, Any]) -> Report:
    """Judge the derivative of f at x by `check_gradient` or, for more than one output, by `check_vjp`.

    f : f(x) -> a number or an array. x : a tree of arrays.
    pullback : pullback(x, u) -> the gradient of Re sum(conj(u) f(x)), as df/dRe + i df/dIm; u has f's shape.
    call : the adapter's call, to be shown in the report. options : keyword arguments of the check.
    """
    parameters, flat = Parameters.of(x)
    given = parameters.unflatten(flat.copy())
    made = [f(given)]
    outputs = np.asarray(made[0])
    if changed(parameters, given, flat):
        # The check has to see it, in a call of its own.
        made.clear()

    def value(x: Any) -> Any:
        # The first call of the check was made already, above.
        return made.pop() if made else f(x)

    is_complex = outputs.dtype.kind == "c" or any(b.is_complex for b in parameters.blocks)
    try:
        if outputs.ndim == 0 and outputs.dtype.kind != "c":
            report = check_gradient(value, lambda x: pullback(x, np.float64(1.0)), x, **options)
        elif is_complex:
            report = _along_one_cotangent(value, pullback, x, outputs, options)
        else:
            report = check_vjp(value, pullback, x, **options)
    except GradientCheckInterrupted as interruption:
        raise GradientCheckInterrupted(called(interruption.report, call)) from None
    return called(report, call)


def called(report: Report, call: str) -> Report:
    """The report with the call as the user made it, up to x, before the options."""
    _, _, written = report.call.partition(", x")
    return replace(report, call=call + written, functions=("f", "grad"))


def noted(report: Report, notes: Iterable[str]) -> Report:
    """The report with further notes."""
    return replace(report, notes=(*report.notes, *notes))


def _along_one_cotangent(
    f: Callable[[Any], Any], pullback: Pullback, x: Any, outputs: Any, options: dict[str, Any]
) -> Report:
    # A wrong rule that no entry of J shows along a random cotangent has probability zero.
    generator = np.random.default_rng(0)
    u = generator.standard_normal(outputs.shape).astype(outputs.dtype)
    if outputs.dtype.kind == "c":
        u = u + 1j * generator.standard_normal(outputs.shape)

    def weighted(x: Any) -> float:
        return float(np.real(np.vdot(u, f(x))))

    report = check_gradient(weighted, lambda x: pullback(x, u), x, **options)
    return replace(report, notes=(WEIGHTED, *report.notes))
