"""The checks that users call: composition of what the other modules know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import numpy as np

from gradcheck.checks.hessian import and_hessian
from gradcheck.checks.jacobian import composed
from gradcheck.driver.examine import examine
from gradcheck.driver.known import Known
from gradcheck.driver.listening import listener
from gradcheck.driver.options import (
    GivenToGradients,
    Method,
    Options,
    check_flag,
    finished,
    naming,
    told,
    with_options_of,
)
from gradcheck.driver.prepare import probe_noise
from gradcheck.errors import GradientError
from gradcheck.evidence.axes import measure
from gradcheck.function.contract import ORDER, callers_code, check_callables, inspect
from gradcheck.function.objective import NotScalarError, Objective
from gradcheck.function.progress import Progress
from gradcheck.numerics.differences import first_step
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.estimate import Estimate, shaped
from gradcheck.results.verdict import Tolerance


@told
def check_gradient(
    f: Callable[..., Any],
    grad: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    rtol: float | None = None,
    atol: float = 0.0,
    resolution: float | None = None,
    method: Method = "auto",
    max_nfev: int | None = None,
    bounds: Any = None,
    subgradient: bool = False,
    confidence: float = 1 - 1e-6,
    vectorized: bool = False,
    hessian: Any = None,
    rng: Any = 0,
    max_seconds: float | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Report:
    """Judge a gradient: PASS, FAIL or INCONCLUSIVE, each with its evidence.

    f(x) itself is evaluated twice, to see whether f repeats itself, and never again; once where two evaluations an
    entry bear the gradient out, for then it does.
    Returns a Report. Exceptions that f or grad raise at x itself propagate with a note; at a point that the
    check chose they mean that the point is off f's domain. A KeyboardInterrupt becomes GradientCheckInterrupted, whose
    `report` holds what was known.
    Raises ValueError or TypeError for arguments that cannot be used.

    Parameters
    ----------
    f
        f(x, *args) -> one real number; with `grad=True` it returns (value, gradient).
    grad
        grad(x, *args) -> gradient with the structure of x; or such a gradient; or True. For a complex entry
        of x it is df/dRe + i df/dIm.
    x
        an array or a scalar, or a dict, list, tuple or dataclass of them, nested; never modified.
    args
        further arguments of f, grad and hessian, a tuple.
    rtol
        which relative discrepancy is accepted: rtol max(|analytic|, |numerical|) + atol beyond the error bar.
        Default by the dtype in which f computes: 1e-6 for float64, 1e-3 for float32.
    atol
        which absolute one, in units of f per x.
    resolution
        which relative mistake must have been visible for a PASS. Default 1e-3, for float32 3e-2.
    method
        "sweep" judges every coordinate; "directions" tests whole arrays along random directions, certifies
        what they prove, and locates what is wrong; "complex" judges every coordinate by the complex step, where a
        real difference along a random direction agrees with it. "auto" takes what is cheapest first and goes on
        where that does not settle it: two evaluations for each of up to 4 parameters, or of up to 100 where the
        digits of f(x) show that f is rounded; random directions through all of them at once; for up to 100 the
        complex step where f allows it, with real differences for all that it convicts or leaves open; else "sweep".
    max_nfev
        budget of evaluations of f, at least 24; what it does not reach is reported as not checked. With `hessian` it
        is for both: what is left of it are evaluations of grad, and the second check takes at least 24.
    bounds
        as scipy.optimize takes them; f is not called outside.
    subgradient
        at a kink, accept any value between the one-sided slopes.
    confidence
        of the certificate that random directions give, for all arrays together.
    vectorized
        f takes k points at once, along a last axis more than x has, and returns (k,) values, as in
        scipy.differentiate: a sweep is a few calls of f. grad gets one x, as always.
    hessian
        hessian(x, *args) -> the second derivatives of f, checked as `check_hessian` does, against differences
        of grad; the report holds both.
    rng
        seed or Generator for the random directions, and for the one in which the noise of f is measured.
    max_seconds
        budget of time, at the pace of f so far. Whatever it is, f is called about two dozen times.
    n_jobs
        workers for the points of a sweep, of independent directions and of one stencil, as joblib takes it:
        None is 1, or what an enclosing `joblib.parallel_config` says. The report is the same for any number.
    progress
        show a bar of the evaluations made and still planned.
    """
    started = time.perf_counter()
    _validate(f, grad)
    options = Options(
        rtol=rtol, atol=atol, resolution=resolution, method=method, bounds=bounds, subgradient=subgradient,
        confidence=confidence, rng=rng, max_nfev=max_nfev, max_seconds=max_seconds, n_jobs=n_jobs, progress=progress,
    )  # fmt: skip
    if hessian is not None and not (callable(grad) or grad is True):
        raise TypeError("hessian is compared with differences of grad: pass grad as a callable, or True")
    parameters, flat = Parameters.of(x)
    own = {"vectorized": vectorized, "hessian": hessian}
    recipe = Recipe.of("check_gradient", f, grad, parameters, flat, args, options.repeated | own, rng)
    if vectorized is not False:
        _check_vectorized(vectorized, grad)
    known = _examined(recipe, options, vectorized=bool(vectorized))
    start = "check_gradient(f, True, x" if grad is True else "check_gradient(f, grad, x"
    call = options.call(start, args=recipe.args or None, vectorized=vectorized or None)
    report = composed(known, started, call=call, recipe=recipe)
    pair_missing = grad is True and not report.arrays
    # Without the pair there is no grad to compare it with.
    if hessian is not None and not (report.interrupted or pair_missing):
        return finished(and_hessian(report, f, grad, hessian, x, args, options), recipe)
    return finished(report)


def _examined(recipe: Recipe, options: Options, *, vectorized: bool) -> Known:
    """What is known of the gradient at the end of the check; an interruption leaves what was known by then."""
    grad, parameters, flat, args = recipe.grad, recipe.parameters, recipe.flat, recipe.args
    with Progress(options.progress) as bar:
        objective = Objective(
            recipe.f, parameters, args=args, has_gradient=grad is True, max_nfev=options.max_nfev,
            on_evaluation=bar.evaluated if options.progress else None, vectorized=vectorized,
            max_seconds=options.max_seconds, n_jobs=options.n_jobs,
        )  # fmt: skip
        known = Known(objective, options, flat)
        look = partial(inspect, objective, grad, flat, args, room=known.room)
        examine(known, look, bar)
    return known


@with_options_of(check_gradient)
def assert_gradient(f: Callable[..., Any], grad: Any, x: Any, **options: Unpack[GivenToGradients]) -> Report:
    """`check_gradient` with the same arguments that raises GradientError unless the outcome is PASS.

    INCONCLUSIVE raises as well: the message says what is known of the gradient, and what to do.

    Parameters
    ----------
    f, grad, x, options
        as in `check_gradient`.
    """
    __tracebackhide__ = True
    report = check_gradient(f, grad, x, **options)
    tell = listener.get()
    if tell is not None:
        tell(report)
    if not report:
        raise GradientError(report)
    return report


@told
def gradient(
    f: Callable[..., Any], x: Any, *, args: Sequence[Any] = (), bounds: Any = None, rng: Any = 0
) -> Estimate:
    """The numerical gradient of f at x with an error bar for each entry.

    Returns an Estimate whose `value` and `error` have the structure of x; the true derivative is expected within 3
    errors; of a complex entry it is df/dRe + i df/dIm. Six evaluations of f an entry, more where more are needed, and
    eight for f's noise where it is smooth, some twenty where it is not.
    Raises ValueError where f(x) is not finite.

    Parameters
    ----------
    f
        f(x, *args) -> one real number.
    x
        as in `check_gradient`.
    args
        further arguments of f, a tuple.
    bounds
        as in `check_gradient`; f is not called outside.
    rng
        seed or Generator for the direction in which the noise of f is measured.
    """
    return _estimated(f, x, args, bounds, rng, called="f", at="x")


def _estimated(
    f: Callable[..., Any], x: Any, args: Sequence[Any], bounds: Any, rng: Any, *, called: str, at: str
) -> Estimate:
    """The same; called, at : how the caller has f and x."""
    check_callables(**{called: f})
    with naming(x=at):
        parameters, flat = Parameters.of(x)
        room = room_within(bounds, parameters, flat)
    objective = Objective(f, parameters, args=args)
    with naming(f=called, only=NotScalarError), callers_code(f"{called} at {at}"):
        f_x = objective.value(flat)
    if not np.isfinite(f_x):
        raise ValueError(f"{called}({at}) is {f_x}: there is no derivative to estimate")
    setting = Setting(objective, flat, f_x, parameters.scales(flat), Tolerance(0.0), room)
    noise = probe_noise(setting, rng)
    step = first_step(noise.level, noise.slope, f_x, parameters.size)
    found = measure(replace(setting, level=noise.level, relative_step=step), np.arange(parameters.size))
    if noise.constant:
        # Not a digit changed: the values may lie on a grid of any width, so there is no bar to state.
        found = replace(found, error=np.full(found.error.shape, np.inf))
    return _in_structure(found, parameters, objective.nfev)


def _in_structure(found: Estimate, parameters: Parameters, nfev: int) -> Estimate:
    """The estimate in the structure of x; a complex entry has the error of both its parts, and one limit."""
    pairs: dict[str, Any] = dict.fromkeys(
        ("value", "left", "right", "curvature"), lambda re, im: re + 1j * im
    )
    pairs |= dict.fromkeys(("error", "noise", "truncation", "kink", "sided"), np.hypot)
    pairs |= dict.fromkeys(("step", "chord"), np.maximum)
    # What limits an entry is what limits the wider of its parts.
    order = parameters.unflatten_as
    parts = {name: order(getattr(found, name), pair) for name, pair in pairs.items()}
    limits = found.limit.copy()
    for b in parameters.blocks:
        if b.is_complex:
            part, error = limits[b.slice], found.error[b.slice]
            part[0::2] = np.where(error[1::2] > error[0::2], part[1::2], part[0::2])
    parts["limit"] = order(limits, lambda re, _: re)
    return Estimate(**parts, nfev=nfev)


@told
def derivative(
    phi: Callable[..., Any], t: float = 0.0, *, args: Sequence[Any] = (), bounds: Any = None
) -> Estimate:
    """The derivative of a function of one number at t, with an error bar; fields are floats.

    Parameters
    ----------
    phi
        phi(t, *args) -> one real number. `value` is in units of phi per t; the truth is expected within 3 E.
    t
        one real number.
    args
        further arguments of phi, a tuple.
    bounds
        a pair (lower, upper); phi is not called outside.
    """
    if isinstance(t, list | tuple | Mapping) or getattr(t, "ndim", 0) != 0:
        what = f"an array of shape {t.shape}" if hasattr(t, "shape") else f"a {type(t).__name__}"
        raise ValueError(f"t must be one number, not {what}; gradient takes arrays")
    with naming(x="t"):
        parameters, _ = Parameters.of(t)
    if parameters.blocks[0].is_complex:
        raise TypeError(f"t must be one real number, not {t!r:.60}; gradient takes complex ones")
    found = _estimated(phi, t, args, bounds, 0, called="phi", at="t")
    return shaped(found, lambda part: part.item() if hasattr(part, "item") else part, found.nfev)


def _validate(f: Any, grad: Any) -> None:
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}{ORDER}")
    if grad is None or grad is False:
        raise TypeError(
            f"grad must be a callable, a gradient, or True where f returns (value, gradient); not {grad!r}"
        )
    if isinstance(grad, Iterator):
        kind = type(grad).__name__
        raise TypeError(f"grad must be a callable, a gradient, or True; a {kind} is used up by reading it")


def _check_vectorized(vectorized: Any, grad: Any) -> None:
    check_flag("vectorized", vectorized)
    if vectorized and grad is True:
        raise ValueError(
            "vectorized=True takes the values of f alone: pass grad as a callable or an array, not True"
        )
