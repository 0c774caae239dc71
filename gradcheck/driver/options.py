"""The options that the checks share: their defaults, what is allowed, and how a call with them is written."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from difflib import get_close_matches
from functools import wraps
from numbers import Integral, Real
from typing import Any, Literal, TypedDict, TypeVar, cast, get_args

import numpy as np

from gradcheck.errors import GradientCheckInterrupted
from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.function.objective import ELSEWHERE
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.verdict import Tolerance

Check = TypeVar("Check", bound=Callable[..., Any])

Method = Literal["auto", "sweep", "directions", "complex"]
METHODS: tuple[Method, ...] = get_args(Method)
# What other libraries call it.
MEANT = {
    "seed": "rng", "random_state": "rng", "key": "rng", "kwargs": "args", "tol": "rtol", "tolerance": "rtol",
    "eps": "rtol", "epsilon": "rtol", "step": "rtol", "h": "rtol", "abs_tol": "atol", "rel_tol": "rtol",
    "absolute_tolerance": "atol", "relative_tolerance": "rtol",
    "maxiter": "max_nfev", "max_evals": "max_nfev", "maxfev": "max_nfev", "verbose": "progress", "workers": "n_jobs",
    "v": "tangent", "direction": "tangent", "hess": "hessian",
}  # fmt: skip
# What other libraries call a function, its derivative and the point, and what a check may call them.
ARGUMENTS = {
    **dict.fromkeys(("f", "fun", "func", "function", "fn", "loss"), ("f", "fun", "phi", "forward")),
    **dict.fromkeys(
        ("grad", "jac", "gradient", "fprime", "derivative", "jacobian", "df"),
        ("grad", "jac", "derivative", "adjoint", "vjp", "jvp"),
    ),
    **dict.fromkeys(("x", "x0", "params", "xk", "theta", "inputs", "weights"), ("x", "x0", "t", "points")),
}
# What other libraries call a step, of which there is no option.
STEPS = (
    "eps", "epsilon", "step", "h", "delta", "dx", "base_step", "rel_step", "abs_step", "finite_diff_rel_step",
)  # fmt: skip
# How a check runs, not what it asks.
RUNNING = ("rng", "progress", "max_seconds", "n_jobs")
# f twice, sixteen for its noise, and one coordinate.
LEAST_BUDGET = 24


class Given(TypedDict, total=False):
    """What a caller may give by name, for type checkers: the fields of `Options`."""

    rtol: float | None
    atol: float
    resolution: float | None
    method: Method
    bounds: Any
    subgradient: bool
    confidence: float
    rng: Any
    max_nfev: int | None
    max_seconds: float | None
    n_jobs: int | None
    progress: bool


class GivenToGradients(Given, total=False):
    """What `check_gradient` may be given by name, for type checkers."""

    args: Sequence[Any]
    vectorized: bool
    hessian: Any


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a check judges, and what it may cost; `check_gradient` and `check_jacobian` say what each means.

    Raises ValueError or TypeError, naming the option, for what cannot be used.
    """

    rtol: float | None = None
    atol: float = 0.0
    resolution: float | None = None
    method: Method = "auto"
    bounds: Any = None
    subgradient: bool = False
    confidence: float = 1 - 1e-6
    rng: Any = 0
    max_nfev: int | None = None
    max_seconds: float | None = None
    n_jobs: int | None = None
    progress: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """The options of a check of many outputs. Raises TypeError for a name that is none."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in given if name not in names]
        if unknown:
            raise TypeError(no_option(unknown[0], names))
        return cls(**given)

    def __post_init__(self) -> None:
        own = vars(self)
        for name in ("rtol", "atol", "resolution", "confidence"):
            value = own[name]
            if type(value) is float or (value is None and name in ("rtol", "resolution")):
                continue  # the common case needs no look
            if not isinstance(value, Real | Decimal):
                raise TypeError(f"{name} must be a number, not {value!r}")
            own[name] = as_float(name, value)  # a frozen value is made here
        if not (isinstance(self.method, str) and self.method in METHODS):
            raise ValueError(
                f"method must be one of {', '.join(map(repr, METHODS))}, not {self.method!r:.60}"
            )
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence!r}")
        if self.resolution is not None and not 0 < self.resolution < 1:
            raise ValueError(f"resolution must lie between 0 and 1, not {self.resolution!r}")
        if not (self.rtol is None and self.resolution is None and self.atol == 0.0):
            Tolerance(self.rtol or 0.0, self.atol, self.resolution or 0.0)
        check_flag("subgradient", self.subgradient)
        check_flag("progress", self.progress)
        self._validate_budgets()
        if self.n_jobs is not None and not (isinstance(self.n_jobs, Integral) and self.n_jobs != 0):
            raise ValueError(
                f"n_jobs must be an integer other than 0 (-1 is every processor), or None, not {self.n_jobs!r}"
            )
        check_rng(self.rng)

    def _validate_budgets(self) -> None:
        if self.max_nfev is not None:
            if not isinstance(self.max_nfev, Integral):
                raise TypeError(f"max_nfev must be an integer or None, not {self.max_nfev!r}")
            if self.max_nfev < LEAST_BUDGET:
                raise ValueError(f"max_nfev must be at least {LEAST_BUDGET}, not {self.max_nfev!r}")
        seconds = self.max_seconds
        if seconds is not None:
            number = as_float("max_seconds", seconds) if isinstance(seconds, Real | Decimal) else 0.0
            if not number > 0:
                raise ValueError(f"max_seconds must be a number above 0, or None, not {seconds!r}")
            vars(self)["max_seconds"] = number

    @property
    def tolerances(self) -> tuple[float | None, float, float | None]:
        """Rtol, atol and resolution; None is a default that depends on f."""
        return self.rtol, self.atol, self.resolution

    @property
    def budgeted(self) -> bool:
        """Whether the caller set a budget."""
        return self.max_nfev is not None or self.max_seconds is not None

    @property
    def repeated(self) -> dict[str, Any]:
        """What makes the same report again, but for rng."""
        return {name: value for name, value in vars(self).items() if name not in RUNNING}

    def recipe(self, check: str, f: Any, derivative: Any, x: Any, args: Sequence[Any], **more: Any) -> Recipe:
        """What repeats a check of many outputs, to be made before it begins; more : what this check alone takes."""
        parameters, flat = Parameters.of(x)
        return Recipe.of(check, f, derivative, parameters, flat, args, self.repeated | more, self.rng)

    def call(self, start: str, **more: Any) -> str:
        """The call that repeats a check: `start`, up to x, what this check alone takes, and the options given.

        What is None or a default is left out.
        """
        given = {
            name: value
            for name, value in vars(self).items()
            if value is not DEFAULTS[name]
            and (name not in RUNNING or name == "max_seconds")  # as max_nfev: it says what was left open
            and not _same(value, DEFAULTS[name])
        }
        return call_text(start, more | given, self.rng)


DEFAULTS = {field.name: field.default for field in fields(Options)}


def as_float(name: str, value: Any) -> float:
    """A real number of any kind, a Fraction or a Decimal too: NumPy knows neither. Raises ValueError beyond float64."""
    try:
        return float(value)
    except (OverflowError, ValueError) as error:  # ValueError: a signalling nan
        raise ValueError(f"{name} must be a number as float64 has them, not {value!r:.80}") from error


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError where it is neither True nor False."""
    if not (value is True or value is False or isinstance(value, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {value!r:.60}")


def check_further(args: Any) -> None:
    """Raise TypeError where args is no sequence of arguments."""
    if type(args) is not tuple and (isinstance(args, str | bytes) or not isinstance(args, Sequence)):
        raise TypeError(f"args must be a tuple of further arguments for the functions, not {args!r:.80}")


def check_rng(rng: Any) -> None:
    """Raise TypeError or ValueError where NumPy makes no generator of it."""
    if rng is None or (isinstance(rng, int | np.random.Generator) and not (isinstance(rng, int) and rng < 0)):
        return  # the common cases: to make a generator takes longer than to look
    try:
        if isinstance(rng, np.matrix):  # whose rows are matrices without end: NumPy would crash
            raise TypeError("a matrix")
        np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        text = f"rng must be a seed, a Generator or None, not {rng!r:.80} ({error})"
        raise type(error)(text) from None


def no_option(name: str, names: Sequence[str]) -> str:
    """What to say of an option that is none: what was meant, where that can be told, and what there is."""
    close = get_close_matches(name, names, n=1)
    meant = MEANT.get(name, close[0] if close else "")
    asked = f" (did you mean {meant}?)" if meant in names else ""
    steps = ", steps are chosen by the check" if name in STEPS else ""
    return f"there is no option {name!r}{asked}{steps}; there are {', '.join(names)}"


def told(check: Check) -> Check:
    """A check as users call it: in the arithmetic of this package, with words where its arguments do not fit.

    It says what was meant by a name that is none, or by too many arguments. In the place of **options its signature
    names each, for `help()` and editors: those of `Options`, or those of another check (`with_options_of`).
    """
    signature = inspect.signature(check)
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        options = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in fields(Options)
        ]
        signature = _spelled_out(signature, options)
    positional = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    judge = own_arithmetic(check)

    @wraps(check)
    def call(*args: Any, **kwargs: Any) -> Any:
        unknown = [name for name in kwargs if name not in signature.parameters]
        for name in unknown:
            if name in ARGUMENTS:
                meant = next((own for own in ARGUMENTS[name] if own in signature.parameters), None)
                asked = "" if meant is None else f" (did you mean {meant}?)"
                order = ", ".join(positional[:3])
                raise TypeError(
                    f"{check.__name__}: there is no {name!r}{asked}; it takes {order}, and options"
                )
        if unknown:
            raise TypeError(f"{check.__name__}: {no_option(unknown[0], named)}")
        if len(args) > len(positional):
            order = ", ".join(positional)
            raise TypeError(
                f"{check.__name__} takes {order} by position, x as one array or tree, and the rest by name; "
                f"{len(args)} were given by position"
            )
        # `check_problem` takes them as scipy.optimize.minimize does: by position, and one alone without a tuple.
        check_further(() if "args" in positional else kwargs.get("args", ()))
        check_rng(kwargs.get("rng"))
        return judge(*args, **kwargs)

    vars(call)["__signature__"] = signature  # what inspect and pydoc read
    return cast(Check, call)


def with_options_of(other: Callable[..., Any]) -> Callable[[Check], Check]:
    """The same check, with a signature that names the options of another check in the place of **options."""
    named = [p for p in inspect.signature(other).parameters.values() if p.kind is p.KEYWORD_ONLY]

    def shown(check: Check) -> Check:
        vars(check)["__signature__"] = _spelled_out(inspect.signature(check), named)
        return check

    return shown


def _spelled_out(signature: inspect.Signature, options: Sequence[inspect.Parameter]) -> inspect.Signature:
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    return signature.replace(parameters=[*own, *options])


@contextmanager
def naming(*, only: type[Exception] = Exception, **names: str) -> Iterator[None]:
    """Errors of this package about an argument of these names speak of it as the caller has it: x0, t, phi."""
    try:
        yield
    except only as error:
        raise type(error)(renamed(str(error), names)) from error.__cause__


def renamed(text: str, names: Mapping[str, str]) -> str:
    """What is said of arguments of these names, as a caller has them who was not asked for f, its derivative, x."""
    text = text.replace(ELSEWHERE, "")
    for ours, theirs in names.items():
        text = re.sub(rf"\b{ours}\b", theirs, text)
    return text


def call_text(start: str, options: Mapping[str, Any], rng: Any) -> str:
    """The call that repeats a check, with the options that are not None."""
    given = [f"{name}={_written(value)}" for name, value in options.items() if value is not None]
    seed = f"rng={rng!r}" if rng is None or isinstance(rng, int) else "rng=..."
    return f"gradcheck.{', '.join([start, *given, seed])})"


def finished(report: Report, recipe: Recipe | None = None) -> Report:
    """The report of a check, and what repeats it. Raises GradientCheckInterrupted, which holds it, if it was ended."""
    if recipe is not None:
        report = replace(report, recipe=recipe)
    if report.interrupted:
        raise GradientCheckInterrupted(report)
    return report


def _written(value: Any) -> str:
    # Arrays, trees and data are not for one line of text.
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 and "\n" not in text and not isinstance(value, np.ndarray) else "..."


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, float | int | str) and one == other)
