"""The checks that users call: composition of what the other modules know."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from gradcheck.bounds import room_within
from gradcheck.diagnose import Diagnosis, diagnose
from gradcheck.errors import GradientCheckInterrupted, GradientError
from gradcheck.estimate import Estimate, first_step, shaped
from gradcheck.evaluation import Objective, Rays
from gradcheck.noise import FIRST_SPACING, WIDEST, Noise, measure_noise
from gradcheck.parameters import Flat, Parameters
from gradcheck.preflight import Finding, Inspection, gradient_at, inspect, inspect_noise
from gradcheck.progress import Progress
from gradcheck.recipe import Recipe
from gradcheck.report import Report
from gradcheck.summary import compose
from gradcheck.survey import LOOKS, Survey, survey
from gradcheck.sweep import Evidence, Setting, measure, sweep
from gradcheck.verdict import DEFAULT_RESOLUTION, DEFAULT_RTOL, Outcome, Tolerance
from gradcheck.witness import by_complex_step, second_witness

__all__ = ["assert_gradient", "check_gradient", "derivative", "gradient"]

METHODS = ("auto", "sweep", "directions", "complex")
# Up to here every coordinate is judged by itself: six evaluations each, what random directions cost for one array
# of a few dozen. Above, directions decide and the search names what is wrong.
SWEEP_UP_TO = 100
# Evaluations of f for one search, beyond those for ten wrong entries: more are reported as regions.
LOCATION_BUDGET = 1500
# f twice, sixteen for its noise, and one coordinate.
LEAST_BUDGET = 24


def check_gradient(
    f: Callable[..., Any],
    grad: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    rtol: float | None = None,
    atol: float = 0.0,
    resolution: float | None = None,
    method: str = "auto",
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

    f : f(x, *args) -> one real number; with `grad=True` it returns (value, gradient).
    grad : grad(x, *args) -> gradient with the structure of x; or such a gradient; or True. For a complex entry
        of x it is df/dRe + i df/dIm.
    x : an array or a scalar, or a dict, list, tuple or dataclass of them, nested; never modified.
    rtol, atol : which discrepancy is accepted, rtol max(|analytic|, |numerical|) + atol beyond the error bar.
        Default rtol by the dtype in which f computes: 1e-6 for float64, 1e-3 for float32.
    resolution : which relative mistake must have been visible for a PASS. Default 1e-3, for float32 3e-2.
    method : "sweep" judges every coordinate; "directions" tests whole arrays along random directions, certifies
        what they prove, and locates what is wrong; "complex" judges every coordinate by the complex step, where real
        differences agree with it; "auto" takes the first for at most 100 parameters, with the complex step as a
        second witness for what noise leaves undecided.
    max_nfev : budget of evaluations of f; what it does not reach is reported as not checked.
    bounds : as scipy.optimize takes them; f is not called outside.
    subgradient : at a kink, accept any value between the one-sided slopes.
    confidence : of the certificate that random directions give, for all arrays together.
    vectorized : f takes k points at once, along a last axis more than x has, and returns (k,) values, as in
        scipy.differentiate: a sweep is a few calls of f. grad gets one x, as always.
    hessian : hessian(x, *args) -> the second derivatives of f, checked as `check_hessian` does, against differences
        of grad; the report holds both.
    rng : seed or Generator for the random directions, and for the one in which the noise of f is measured.
    max_seconds : budget of time, at the pace of f so far. Whatever it is, f is called about two dozen times.
    n_jobs : workers for the points of a sweep, of independent directions and of one stencil, as joblib takes it:
        None is 1, or what an enclosing `joblib.parallel_config` says. The report is the same for any number.
    progress : show a bar of the evaluations made and still planned.

    f(x) itself is evaluated twice, to see whether f repeats itself, and never again.
    Returns a Report. Exceptions that f or grad raise at x itself propagate with a note; at a point that the
    check chose they mean that the point is off f's domain. A KeyboardInterrupt while evidence is gathered becomes
    GradientCheckInterrupted, whose `report` holds what was known.
    Raises ValueError or TypeError for arguments that cannot be used.
    """
    options = {"rtol": rtol, "atol": atol, "resolution": resolution, "method": method, "max_nfev": max_nfev,
               "bounds": bounds, "subgradient": subgradient, "vectorized": vectorized,
               "confidence": confidence}  # fmt: skip
    started = time.perf_counter()
    _validate(f, grad, args, method, max_nfev, subgradient, rng)
    _validate_numbers(rtol=rtol, atol=atol, resolution=resolution, confidence=confidence)
    _validate_running(max_seconds, n_jobs, progress)
    if hessian is not None and not (callable(grad) or grad is True):
        raise TypeError("hessian is compared with differences of grad: pass grad as a callable, or True")
    parameters, flat = Parameters.of(x)
    recipe = Recipe.of(f, grad, parameters, flat, args, options, rng)
    if vectorized and grad is True:
        raise ValueError(
            "vectorized=True takes the values of f alone: pass grad as a callable or an array, not True"
        )
    room = room_within(bounds, parameters, flat)
    with Progress(progress) as bar:
        objective = Objective(
            f,
            parameters,
            args=args,
            has_gradient=grad is True,
            max_nfev=max_nfev,
            on_evaluation=bar.evaluated,
            vectorized=bool(vectorized),
            max_seconds=max_seconds,
            n_jobs=n_jobs,
        )
        inspection = inspect(objective, grad, flat, args)
        findings = [Finding(note) for note in parameters.notes] + list(inspection.findings)
        if room is not None and not (room[0] + room[1] > 0).any():
            text = "nothing was checked: every coordinate is fixed by its bounds"
            findings.append(Finding(text, Outcome.INCONCLUSIVE, final=True))
        setting = evidence = None
        if not any(finding.final for finding in findings):
            setting, more = prepare(
                objective, inspection, flat, (rtol, atol, resolution), rng, room, subgradient
            )
            findings += more
        if setting is not None and inspection.analytic is not None and not any(f.final for f in findings):
            bar.plan(planned(setting, method))
            evidence, said = gather(setting, inspection.analytic, method, confidence, rng)
            findings += said
            if objective.left_domain:
                text = f"a point near x was taken for off f's domain: f raised {objective.left_domain}"
                findings.append(Finding(text))
    diagnosis = explain(setting, inspection, evidence, grad, args)
    report = compose(
        parameters,
        evidence,
        findings,
        tolerance=setting.tolerance if setting else Tolerance(rtol or DEFAULT_RTOL["float64"], atol),
        nfev=objective.nfev,
        ngev=inspection.ngev + diagnosis.ngev,
        seconds=time.perf_counter() - started,
        seed=rng,
        call=call_text("check_gradient", options | {"args": tuple(args)}, rng),
        diagnosis=diagnosis.sentences,
        recipe=recipe,
    )
    if evidence is not None and evidence.interrupted:
        raise GradientCheckInterrupted(report)
    if hessian is not None:
        # SciPy's sparse matrices come with it: not for those who check a gradient alone.
        from gradcheck.hessian import and_hessian

        same = {"rtol": rtol, "atol": atol, "resolution": resolution, "bounds": bounds, "rng": rng}
        return and_hessian(report, f, grad, hessian, x, args, same)
    return report


def assert_gradient(f: Callable[..., Any], grad: Any, x: Any, **options: Any) -> Report:
    """`check_gradient` with the same arguments that raises GradientError unless the outcome is PASS.

    INCONCLUSIVE raises as well: the message says that the gradient is not the culprit, and what to do.
    """
    report = check_gradient(f, grad, x, **options)
    if not report:
        raise GradientError(report)
    return report


def gradient(
    f: Callable[..., Any], x: Any, *, args: Sequence[Any] = (), bounds: Any = None, rng: Any = 0
) -> Estimate:
    """The numerical gradient of f at x with an error bar for each entry.

    f : f(x, *args) -> one real number. x : as in `check_gradient`. Returns an Estimate whose `value` and `error`
    have the structure of x; the true derivative is expected within 3 errors. Six evaluations of f an entry, more
    where more are needed, and at most seventeen for f's noise.
    Raises ValueError where f(x) is not finite.
    """
    parameters, flat = Parameters.of(x)
    objective = Objective(f, parameters, args=args)
    f_x = objective.value(flat)
    if not np.isfinite(f_x):
        raise ValueError(f"f(x) is {f_x}: there is no derivative to estimate")
    noise = probe_noise(objective, flat, f_x, rng, room_within(bounds, parameters, flat))
    setting = Setting(
        objective, flat, f_x, noise.level, first_step(noise, f_x, parameters.size), parameters.scales(flat),
        Tolerance(0.0), room_within(bounds, parameters, flat),
    )  # fmt: skip
    found = measure(setting, np.arange(parameters.size))
    if noise.constant:
        # Not a digit changed: the values may lie on a grid of any width, so there is no bar to state.
        found = replace(found, error=np.full(found.error.shape, np.inf))
    return shaped(found, parameters.unflatten_as, objective.nfev)


def derivative(
    phi: Callable[..., Any], t: float = 0.0, *, args: Sequence[Any] = (), bounds: Any = None
) -> Estimate:
    """The derivative of a function of one number at t, with an error bar; fields are floats.

    phi : phi(t, *args) -> one real number. `value` is in units of phi per t; the truth is expected within 3 E.
    """
    if np.ndim(t) != 0:
        raise ValueError(f"t must be one number, not an array of shape {np.shape(t)}; gradient takes arrays")
    found = gradient(phi, t, args=args, bounds=bounds)
    return shaped(found, lambda part: part.item() if hasattr(part, "item") else part, found.nfev)


def gather(
    setting: Setting, analytic: Flat, method: str, confidence: float, rng: Any
) -> tuple[Evidence | Survey, list[Finding]]:
    """The evidence of the chosen method, and what there is to say about how it was gathered."""
    n = analytic.size
    if by_directions(n, method):
        generator = np.random.default_rng(rng)
        found = survey(
            setting, analytic, confidence=confidence, rng=generator, location_budget=LOCATION_BUDGET
        )
        return found, []
    room = setting.room
    free = np.arange(n) if room is None else np.flatnonzero(room[0] + room[1] > 0)
    notes: list[Finding] = []
    if method == "complex":
        complex_evidence = by_complex_step(setting, analytic, free)
        if complex_evidence is not None:
            return complex_evidence, []
        notes.append(
            Finding("the complex step does not agree with real differences, which were used instead")
        )
    evidence, verified = second_witness(setting, sweep(setting, analytic, free))
    if verified:
        entries = "1 entry was" if verified == 1 else f"{verified:,} entries were"
        notes.append(Finding(f"{entries} verified by the complex step, real differences being too noisy"))
    return evidence, notes


def by_directions(n: int, method: str) -> bool:
    """Whether n parameters are tested by directions."""
    return method == "directions" or (method == "auto" and n > SWEEP_UP_TO)


def planned(setting: Setting, method: str) -> int:
    """The evaluations that a right gradient takes, where the first step serves."""
    n = setting.x.size
    lines = LOOKS[0] * len(setting.parameters.blocks) if by_directions(n, method) else n
    return min(6 * lines, setting.objective.remaining)


def explain(
    setting: Setting | None,
    inspection: Inspection,
    evidence: Evidence | Survey | None,
    grad: Any,
    args: Sequence[Any],
) -> Diagnosis:
    """What kind of mistake fits; calls grad again, at most twice, only where nothing else explains it."""
    if setting is None or evidence is None or inspection.analytic is None:
        return Diagnosis()

    def again(x: Flat) -> Flat:
        return gradient_at(grad, setting.parameters, x, args)

    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    more_calls = callable(grad) and not evidence.interrupted
    return diagnose(setting, inspection.analytic, judged, again if more_calls else None)


def prepare(
    objective: Objective,
    inspection: Inspection,
    x: Flat,
    tolerances: tuple[float | None, float, float | None],
    rng: Any,
    room: tuple[Flat, Flat] | None,
    subgradient: bool,
) -> tuple[Setting, tuple[Finding, ...]]:
    """Measure the noise of f; choose tolerances and steps by it."""
    noise = probe_noise(objective, x, inspection.f_x, rng, room)
    coarser = [inspection.computes_in, noise.digits]
    dtype = next((name for name in ("float16", "float32") if name in coarser), "float64")
    rtol, atol, resolution = tolerances
    tolerance = Tolerance(
        DEFAULT_RTOL[dtype] if rtol is None else rtol,
        atol,
        DEFAULT_RESOLUTION[dtype] if resolution is None else resolution,
    )
    step = first_step(noise, inspection.f_x, x.size)
    scales = objective.parameters.scales(x)
    eps = float(np.finfo(inspection.computes_in).eps)
    slope = noise.slope if np.isfinite(noise.slope) else 0.0
    setting = Setting(
        objective,
        x,
        inspection.f_x,
        noise.level,
        step,
        scales,
        tolerance,
        room,
        subgradient,
        eps,
        slope=slope,
    )
    return setting, inspect_noise(noise, inspection.f_x)


def probe_noise(objective: Objective, x: Flat, f_x: Any, rng: Any, room: tuple[Flat, Flat] | None) -> Noise:
    """Measure the noise along one random direction that has each coordinate's own scale, within the bounds."""
    coarse = max(float(np.finfo(b.real_dtype).eps) for b in objective.parameters.blocks)
    # In float32 the points themselves must lie many spacings apart.
    spacing = max(FIRST_SPACING, 64.0 * coarse)
    generator = np.random.default_rng(rng)
    signs = generator.choice([-1.0, 1.0], x.size)
    size = generator.uniform(0.5, 1.5, x.size) * objective.parameters.scales(x)
    if room is not None:
        # Inwards, and not farther than the bounds allow even the widest probe.
        left, right = room
        signs = np.where(right >= left, 1.0, -1.0)
        size = np.minimum(size, 0.99 * np.maximum(left, right) / (WIDEST * spacing))
    return measure_noise(objective, Rays(x, [signs * size]), f_x, spacing, back=room is None)


def call_text(name: str, options: dict[str, Any], rng: Any) -> str:
    """The call that repeats a check, with the options that are not the defaults."""
    defaults = {"rtol": None, "atol": 0.0, "resolution": None, "method": "auto", "max_nfev": None, "bounds": None,
                "subgradient": False, "vectorized": False, "confidence": 1 - 1e-6, "args": ()}  # fmt: skip
    given = [f"{key}={_written(value)}" for key, value in options.items() if not _same(value, defaults[key])]
    seed = f"rng={rng!r}" if rng is None or isinstance(rng, int) else "rng=..."
    return f"gradcheck.{name}(f, grad, x, {', '.join([*given, seed])})"


def _written(value: Any) -> str:
    # Arrays, trees and data are not for one line of text.
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 and "\n" not in text else "..."


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, float | int | str | tuple) and one == other)


def _validate(f: Any, grad: Any, args: Any, method: str, max_nfev: Any, subgradient: Any, rng: Any) -> None:
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}")
    if grad is None or grad is False:
        raise TypeError(
            f"grad must be a callable, a gradient, or True where f returns (value, gradient); not {grad!r}"
        )
    if not isinstance(args, Sequence):
        raise TypeError(f"args must be a tuple of further arguments for f and grad, not {args!r}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if not isinstance(subgradient, bool | np.bool_):
        raise TypeError(f"subgradient must be True or False, not {subgradient!r}")
    if max_nfev is not None:
        if not isinstance(max_nfev, Integral):
            raise TypeError(f"max_nfev must be an integer or None, not {max_nfev!r}")
        if max_nfev < LEAST_BUDGET:
            raise ValueError(f"max_nfev must be at least {LEAST_BUDGET}, not {max_nfev!r}")
    try:
        np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng must be a seed, a Generator or None, not {rng!r} ({error})") from None


def _validate_running(max_seconds: Any, n_jobs: Any, progress: Any) -> None:
    if max_seconds is not None and not (isinstance(max_seconds, Real) and float(max_seconds) > 0):
        raise ValueError(f"max_seconds must be a number above 0, or None, not {max_seconds!r}")
    if n_jobs is not None and not (isinstance(n_jobs, Integral) and n_jobs != 0):
        raise ValueError(
            f"n_jobs must be an integer other than 0 (-1 is every processor), or None, not {n_jobs!r}"
        )
    if not isinstance(progress, bool | np.bool_):
        raise TypeError(f"progress must be True or False, not {progress!r}")


def _validate_numbers(*, atol: Any, confidence: Any, **optional: Any) -> None:
    given = {name: value for name, value in optional.items() if value is not None}
    for name, value in (given | {"atol": atol, "confidence": confidence}).items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence!r}")
    if given.get("resolution") == 0:
        raise ValueError("resolution must lie between 0 and 1, not 0: no error bar is that small")
    Tolerance(given.get("rtol", 0.0), atol, given.get("resolution", 0.0))
