"""Checking an optimisation problem as `scipy.optimize.minimize` takes it: everything that was written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, Unpack

import numpy as np
from scipy.optimize import Bounds, HessianUpdateStrategy, LinearConstraint, NonlinearConstraint

from gradcheck.checks.gradient import check_gradient
from gradcheck.checks.hessian import check_hessian
from gradcheck.checks.jacobian import check_jacobian
from gradcheck.checks.products import check_hvp
from gradcheck.driver.combine import combine, in_turn
from gradcheck.driver.options import Given, Options, finished, naming, renamed, told
from gradcheck.function.contract import check_callables
from gradcheck.parameters.bounds import check_ends
from gradcheck.parameters.leaves import as_array
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report

Checks = dict[str, Callable[..., Report]]
# By these names SciPy estimates a derivative itself.
ESTIMATED = ("2-point", "3-point", "cs")


@told
def check_problem(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Callable[..., Any] | None = None,
    constraints: Any = (),
    **options: Unpack[Given],
) -> Report:
    """Judge every derivative of an optimisation problem in one call.

    f is never called outside the bounds. Returns one Report: arrays and entries are named by what they belong to,
    `hess: H[3, 4]`, `constraints[0].jac: J[0, 1]`. Raises ValueError where there is nothing to check, and
    GradientCheckInterrupted, whose `report` holds what was known, for KeyboardInterrupt.

    Parameters
    ----------
    fun, x0, args, jac, hess, hessp, bounds
        as `scipy.optimize.minimize` takes them. jac may be True
        where fun returns (value, gradient). Derivatives that SciPy itself estimates ("2-point", "3-point", "cs", a
        HessianUpdateStrategy) are not checked, which a note says. x0 is moved into the bounds, as SciPy does.
    constraints
        dictionaries with `fun`, `jac` and `args`; NonlinearConstraint with `jac` and `hess(x, v)`, the
        Hessian of v.fun, which is checked for one random v of both signs; LinearConstraint holds no derivative.
    options
        as in `check_jacobian`, for every check; max_nfev and max_seconds are for all of them together: one is begun
        with 24 evaluations left, or more.
    """
    check_callables(fun=fun)
    _no_function(x0=x0, args=args)
    args = args if isinstance(args, tuple) else (args,)
    x0, bounds, notes = _start(x0, options.get("bounds"))
    chosen = Options.of(options)
    recipe = chosen.recipe(
        "check_problem", fun, jac, x0, args, hess=hess, hessp=hessp, constraints=constraints
    )
    budget = {name: getattr(chosen, name) for name in ("max_nfev", "max_seconds")}
    each: dict[str, Any] = {name: value for name, value in options.items() if name not in budget}
    each["bounds"] = bounds
    checks = _objective(fun, x0, args, (jac, hess, hessp), each, notes)
    for k, constraint in enumerate(_as_list(constraints)):
        checks |= _constraint(f"constraints[{k}]", constraint, x0, chosen.rng, each, notes)
    if not checks:
        more = f" ({'; '.join(notes)})" if notes else ""
        raise ValueError(f"there is nothing to check: give jac, hess, hessp, or constraints with jac{more}")
    functions, references = _named(checks, jac)
    given = {"jac": jac, "hess": hess, "hessp": hessp, "constraints": _as_list(constraints)}
    shown = [f"{name}={name}" for name, value in given.items() if value is not None and value != []]
    reports = {
        key: replace(report, reason=_as_given(report, functions[key]))
        for key, report in in_turn(checks.items(), **budget).items()
    }
    report = combine(
        reports, method="problem", seed=chosen.rng, call=chosen.call(", ".join(["check_problem(fun, x0", *shown])),
        notes=tuple(notes), left_out=list(checks)[len(reports) :], max_nfev=chosen.max_nfev,
        functions=functions, references=references,
    )  # fmt: skip
    return finished(report, recipe)


def _no_function(**arguments: Any) -> None:
    """Raise TypeError where one of them is a function: a derivative in the place that other checks have for it."""
    for name, value in arguments.items():
        if callable(value):
            called = getattr(value, "__name__", type(value).__name__)
            raise TypeError(
                f"{name} is the function {called}; derivatives are given by name, as jac={called}"
            )


def _named(checks: Checks, jac: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What the functions of each check are called, and which check judges what another one takes to be right."""
    functions: dict[str, tuple[str, ...]] = {}
    references: dict[str, str] = {}
    for key in checks:
        of, dot, what = key.rpartition(".")
        function = "fun" if what == "jac" or (jac is True and not of) else "jac"
        functions[key] = (f"{of}{dot}{function}", key)
        if what != "jac":
            references[key] = f"{of}{dot}jac"
    return functions, references


def _as_given(report: Report, functions: tuple[str, ...]) -> str:
    """The reason, in which functions that nothing could be measured of have the names that SciPy has for them."""
    if report.arrays:
        return report.reason
    fun, derivative = (name.rpartition(".")[2] for name in functions)
    return renamed(report.reason, {"f": fun, "grad": derivative})


def _start(x0: Any, bounds: Any) -> tuple[Any, Bounds | None, list[str]]:
    """x0 as an array within its bounds; these as SciPy reads them, and a note where it was moved."""
    try:
        x0 = np.atleast_1d(as_array(x0))
    except TypeError as error:
        raise TypeError(f"x0: {error}") from None
    with naming(x="x0"):
        Parameters.of(x0)
    if bounds is None:
        return x0, None, []
    if isinstance(bounds, Bounds):
        try:
            low, high = (
                np.broadcast_to(np.asarray(side, float), x0.shape) for side in (bounds.lb, bounds.ub)
            )
        except ValueError:
            raise ValueError(
                f"bounds must hold one number or {x0.size}, as x0 does, not {bounds!r:.80}"
            ) from None
    else:
        try:
            pairs = [tuple(pair) for pair in bounds]
            low = np.array([-np.inf if a is None else a for a, _ in pairs], float)
            high = np.array([np.inf if b is None else b for _, b in pairs], float)
        except (TypeError, ValueError) as error:
            raise TypeError(f"bounds must be a Bounds or pairs (lower, upper), not {bounds!r:.60}") from error
        if len(pairs) != x0.size:
            raise ValueError(f"bounds must hold {x0.size} pairs, one for each entry of x0, not {len(pairs)}")
    check_ends(low.ravel(), high.ravel(), lambda k: f"x0[{k}]")
    moved, bounds = np.clip(x0, low, high), Bounds(low, high)
    if np.array_equal(moved, x0):
        return x0, bounds, []
    k = int(np.flatnonzero(moved != x0)[0])
    note = f"x0 lies outside its bounds and was moved inside, as SciPy does: x[{k}] to {moved[k]:g}"
    return moved, bounds, [note]


def _as_list(constraints: Any) -> Sequence[Any]:
    single = isinstance(constraints, Mapping | NonlinearConstraint | LinearConstraint)
    if not single and not isinstance(constraints, Iterable):
        raise TypeError(f"constraints must be a constraint or a sequence of them, not {constraints!r:.60}")
    return [constraints] if single else list(constraints)


def _objective(
    fun: Any, x0: Any, args: Any, derivatives: tuple[Any, Any, Any], options: dict[str, Any], notes: list[str]
) -> Checks:
    """The checks of the derivatives of fun, by name; derivatives : jac, hess and hessp."""
    jac, hess, hessp = derivatives
    checks: Checks = {}
    grad = None
    if callable(jac) and x0.size == 1:
        jac = _of_one(jac)
    if callable(jac) or jac is True:
        checks["jac"] = partial(check_gradient, fun, jac, x0, args=args, **options)
        grad = (lambda x, *more: fun(x, *more)[1]) if jac is True else jac
    elif jac is not None and jac is not False:
        notes.append(_by_scipy("jac", jac))
    for name, function, check in (("hess", hess, check_hessian), ("hessp", hessp, check_hvp)):
        if function is None:
            continue
        if not callable(function):
            notes.append(_by_scipy(name, function))
        elif grad is None:
            notes.append(
                f"{name} was not checked: it is compared with differences of jac, which is not given"
            )
        else:
            checks[name] = partial(check, grad, function, x0, args=args, **options)
    return checks


def _of_one(jac: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient by one parameter, for which SciPy takes a number as well."""

    @wraps(jac)
    def row(x: Any, *args: Any) -> Any:
        slope = jac(x, *args)
        return np.atleast_1d(slope) if isinstance(slope, float | int | np.generic) else slope

    return row


def _constraint(
    name: str, constraint: Any, x0: Any, rng: Any, options: dict[str, Any], notes: list[str]
) -> Checks:
    """The checks of one constraint, by name."""
    if isinstance(constraint, LinearConstraint):
        notes.append(f"{name} is linear: its matrix is its derivative")
        return {}
    if isinstance(constraint, Mapping):
        if not callable(constraint.get("fun")):
            raise TypeError(f"{name} must hold a function `fun`, not {constraint.get('fun')!r:.60}")
        kind = constraint.get("type")
        if not (isinstance(kind, str) and kind.lower() in ("eq", "ineq")):
            raise ValueError(f"{name}['type'] must be 'eq' or 'ineq', not {kind!r:.60}")
        fun, jac, hess = constraint["fun"], constraint.get("jac"), None
        args = constraint.get("args", ())
        args = args if isinstance(args, tuple) else (args,)
    elif isinstance(constraint, NonlinearConstraint):
        fun, jac, hess, args = constraint.fun, constraint.jac, constraint.hess, ()
    else:
        kind = type(constraint).__name__
        raise TypeError(f"{name} must be a dict, a NonlinearConstraint or a LinearConstraint, not {kind}")
    if not callable(jac):
        notes.append(_by_scipy(f"{name}.jac", jac))
        return {}
    checks: Checks = {f"{name}.jac": partial(check_jacobian, fun, jac, x0, args=args, **options)}
    if callable(hess):
        v: list[Any] = []

        def gradient(x: Any) -> Any:
            # Of v.fun; jac may be sparse, and one row may come without its axis.
            rows = jac(x)
            with np.errstate(all="ignore"):  # the sum is ours, not jac's
                rows = np.atleast_2d(rows) if isinstance(rows, np.ndarray | list | tuple) else rows
                if not v:
                    # Of both signs, as multipliers are: |v| is not v.
                    signs = np.where(np.arange(rows.shape[0]) % 2, 1.0, -1.0)
                    v.append(signs * np.random.default_rng(rng).uniform(0.5, 1.5, signs.size))
                return rows.T @ v[0]

        # Its gradient is asked for first.
        checks[f"{name}.hess"] = partial(check_hessian, gradient, lambda x: hess(x, v[0]), x0, **options)
    return checks


def _by_scipy(name: str, value: Any) -> str:
    """The note on a derivative that SciPy estimates. Raises ValueError for what is neither that nor a function."""
    what = name.rpartition(".")[2]
    allowed = () if what == "hessp" else ESTIMATED  # SciPy takes differences of jac without being asked
    by_name = isinstance(value, str) and value in allowed
    by_updates = what == "hess" and isinstance(value, HessianUpdateStrategy)
    if not (value is None or by_name or by_updates or (what == "jac" and value is False)):
        others = [repr(known) for known in allowed]
        others += {"jac": ["True"] * (name == what), "hess": ["a HessianUpdateStrategy"]}.get(what, [])
        choices = ", ".join(["a function", *others])
        raise ValueError(f"{name} must be {' or '.join(choices.rsplit(', ', 1))}, not {value!r:.60}")
    shown = repr(value) if isinstance(value, str) or value is None else type(value).__name__
    return f"{name}={shown} is estimated by SciPy: nothing to check"
