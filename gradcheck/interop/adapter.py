"""What the adapters share: from a function and its backward product, in NumPy, to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from gradcheck.checks.gradient import check_gradient
from gradcheck.checks.linear import accepted_of, not_scaled, other_layouts, told
from gradcheck.checks.products import check_vjp
from gradcheck.driver.options import Given, check_further
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.function.contract import changed, check_callables
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome

__all__ = ["called", "check_call", "judge", "leaves_of", "noted", "optional"]

Pullback = Callable[[Any, Any], Any]
# By what the cotangent is multiplied for a second call: exact in binary, of the other sign, and so large that what cuts
# off at a size shows.
SCALED = -16.0
WEIGHTED = (
    "the outputs of f, complex or of complex x, are judged together, by their product with a random cotangent"
)


def optional(package: str) -> Any:
    """The package. Raises ImportError, with how to install it, where it is not."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        how = f"pip install {package} (the extra gradcheck[{package}])"
        text = f"gradcheck.interop.{package} needs {package}, which is not installed: {how}"
        raise ModuleNotFoundError(text, name=package) from None


def check_call(function: Any, args: Any, *, name: str = "f", order: str = "f, x") -> None:
    """Raise TypeError for what is no function, and for further arguments that are no tuple or list of them."""
    check_callables(f": the order is {order}", **{name: function})
    check_further(args)


def leaves_of(out: Any, is_leaf: Callable[[Any], bool], function: str, leaf: str) -> list[Any]:
    """What a function returned, one after the other: a leaf, or those in a tuple, list or dict, nested, without None.

    function : its name. leaf : what a leaf is called, "a tensor". Raises TypeError for what holds no leaf, or another.
    """
    found: list[Any] = []

    def walk(part: Any, inside: str) -> None:
        if is_leaf(part):
            found.append(part)
        elif isinstance(part, dict | tuple | list):
            for each in part.values() if isinstance(part, dict) else part:
                if each is not None:
                    walk(each, " among others")
        else:
            returned = f"it returned {'None' if part is None else type(part).__name__}{inside}"
            raise TypeError(f"{function} must return {allowed}; {returned}")

    allowed = f"{leaf}, or a tuple, list or dict of them"
    walk(out, "")
    if not found:
        raise TypeError(f"{function} must return {allowed}; it returned a {type(out).__name__} without any")
    return found


def judge(f: Callable[[Any], Any], pullback: Pullback, x: Any, call: str, options: Given) -> Report:
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
            report = _along_one_cotangent(value, pullback, x, np.ones((), outputs.dtype), options)
        elif is_complex:
            # A wrong rule that no entry of J shows along a random cotangent has probability zero.
            report = _along_one_cotangent(value, pullback, x, _random_like(outputs), options)
            report = replace(report, notes=(WEIGHTED, *report.notes))
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


def _random_like(outputs: Any) -> Any:
    generator = np.random.default_rng(0)
    u = generator.standard_normal(outputs.shape).astype(outputs.dtype)
    return u + 1j * generator.standard_normal(outputs.shape) if outputs.dtype.kind == "c" else u


def _along_one_cotangent(
    f: Callable[[Any], Any], pullback: Pullback, x: Any, u: Any, options: Given
) -> Report:
    """The check of the gradient of Re sum(conj(u) f(x)), and of how it scales with u."""
    parameters, flat = Parameters.of(x)
    seen: list[Any] = []

    def weighted(x: Any) -> Any:
        return f(x) if u.shape == () and u == 1 else float(np.real(np.vdot(u, f(x))))

    def grad(x: Any) -> Any:
        gradient = pullback(x, u[()])
        if not seen:
            seen.append(parameters.flatten(gradient))
        return gradient

    report = check_gradient(weighted, grad, x, **options)
    if not seen or not np.isfinite(seen[0]).all():
        return report
    # One call more, with what no rule that is linear over the reals can take for the same.
    scaled = parameters.flatten(pullback(parameters.unflatten(flat.copy()), (SCALED * u)[()]))
    dtypes = [u.real.dtype, *(b.real_dtype for b in parameters.blocks)]
    coarsest = max((d for d in dtypes if d.kind == "f"), key=eps_of)
    accepted = accepted_of(str(coarsest), options.get("rtol"))
    parts = told(parameters, parameters, flat, np.abs(seen[0]), str(coarsest))
    found = not_scaled(seen[0], scaled, SCALED, rtol=accepted, parts=parts)
    calls = 1

    def product(cotangent: Any) -> Any:
        nonlocal calls
        calls += 1
        return parameters.flatten(pullback(parameters.unflatten(flat.copy()), cotangent))

    if found and not_scaled(seen[0], product(u[()]), 1.0, rtol=accepted, parts=parts):
        found = []  # it differs for the same cotangent, too: chance, of which the check tells
    elif u.ndim and not found:
        found = other_layouts(product, u, rtol=accepted, parts=parts)
    return _with(replace(report, ngev=report.ngev + calls), found)


def _with(report: Report, found: Iterable[Finding]) -> Report:
    """The report of a check that fails for these findings as well."""
    for finding in found:
        if report.outcome is Outcome.FAIL:
            report = noted(report, [finding.text])
        else:
            report = replace(
                report, outcome=Outcome.FAIL, reason=finding.text, notes=(report.reason, *report.notes)
            )
    return report
