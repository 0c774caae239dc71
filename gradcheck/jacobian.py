"""Checking a Jacobian: every entry, columns in groups, or whole rows along random directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gradcheck.bounds import room_within
from gradcheck.columns import gather, with_pattern
from gradcheck.contract import Contract, inspect_jacobian
from gradcheck.entries import jacobian_names
from gradcheck.family import Tangents, VectorObjective
from gradcheck.lines import VectorSetting
from gradcheck.matrix import Matrix
from gradcheck.noise import WIDEST
from gradcheck.noises import first_spacing, measure_noises
from gradcheck.parameters import Flat, Parameters
from gradcheck.preflight import Finding
from gradcheck.report import Report
from gradcheck.summary import compose
from gradcheck.survey import Survey
from gradcheck.sweep import Evidence
from gradcheck.verdict import DEFAULT_RESOLUTION, DEFAULT_RTOL, Tolerance

__all__ = ["check_jacobian"]

Index = NDArray[np.intp]

METHODS = ("auto", "sweep", "directions")


def check_jacobian(
    f: Callable[..., Any],
    jac: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    sparsity: Any = None,
    rtol: float | None = None,
    atol: float = 0.0,
    resolution: float | None = None,
    method: str = "auto",
    bounds: Any = None,
    subgradient: bool = False,
    confidence: float = 1 - 1e-6,
    rng: Any = 0,
) -> Report:
    """Judge the Jacobian of f: R^n -> R^m: PASS, FAIL or INCONCLUSIVE, with the row and column of what is wrong.

    f : f(x, *args) -> an array of m real numbers, of any shape.
    jac : jac(x, *args) -> J[i, j] = df_i / dx_j: an array (m, n) or of f's shape followed by x's; a tree of such
        arrays with the structure of x; a scipy.sparse matrix; a LinearOperator. Or one of these itself.
    x : as in `check_gradient`, real; never modified.
    sparsity : (m, n), nonzero where an entry may be; as `scipy.optimize.least_squares` takes it. Default for a
        sparse jac: what it stores. Columns that share no row are moved together, and random directions test that
        nothing else is there: a missing entry is found and named.
    method : "sweep" moves every column (or group of columns); "directions" tests whole rows along random directions
        and halves the columns where something is wrong; "auto" takes the first for at most 100 of them.
    rtol, atol, resolution, bounds, subgradient, confidence, rng : as in `check_gradient`. A mistake is relative to the
        entry or to the root mean square of its row, which is the gradient of one output, if that is larger.

    Every evaluation serves all outputs. Six a column or a group, and six a direction, where the first step serves.
    Returns a Report with one array, J. Raises ValueError or TypeError for arguments that cannot be used.
    """
    chosen = None if method == "auto" else method
    options = {"rtol": rtol, "atol": atol or None, "resolution": resolution, "method": chosen,
               "sparsity": sparsity, "bounds": bounds, "subgradient": subgradient or None}  # fmt: skip
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}")
    if jac is None:
        raise TypeError("jac must be a callable or a Jacobian, not None")
    return judge_jacobian(
        Problem(f, jac, x, tuple(args), sparsity, bounds, subgradient),
        (rtol, atol, resolution), method=method, confidence=confidence, rng=rng,
        call=call_text("check_jacobian(f, jac, x", options, rng),
    )  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """What is checked: a function, its Jacobian, and where."""

    f: Callable[..., Any]
    jac: Any
    x: Any
    args: tuple[Any, ...] = ()
    sparsity: Any = None
    bounds: Any = None
    subgradient: bool = False
    what: str = "jac"
    symbol: str = "J"


def judge_jacobian(
    problem: Problem,
    tolerances: tuple[float | None, float, float | None],
    *,
    method: str,
    confidence: float,
    rng: Any,
    call: str,
    noun: str = "Jacobian",
    extra: Callable[[Matrix, str], list[Finding]] | None = None,
) -> Report:
    """The check itself; `extra` looks at the matrix alone, given the dtype in which it was computed."""
    started = time.perf_counter()
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence!r}")
    Tolerance(tolerances[0] or 0.0, tolerances[1], tolerances[2] or 0.0)
    generator = np.random.default_rng(rng)
    parameters, x = Parameters.of(problem.x)
    if any(b.is_complex for b in parameters.blocks):
        raise TypeError(
            "x is complex; the Jacobian of real parameters alone is checked: pass real and imaginary parts"
        )
    room = room_within(problem.bounds, parameters, x)
    objective = VectorObjective(problem.f, parameters, args=problem.args)
    contract = inspect_jacobian(objective, problem.jac, x, problem.args, problem.what)
    findings = [Finding(note) for note in parameters.notes] + list(contract.findings)
    tolerance = Tolerance(tolerances[0] or DEFAULT_RTOL["float64"], tolerances[1])
    evidence: Evidence | Survey | None = None
    names = jacobian_names(objective.shape or (), parameters, problem.symbol)
    if contract.matrix is not None and not any(f.final for f in findings):
        matrix, more = with_pattern(contract.matrix, problem.sparsity, names)
        findings += more + (extra(matrix, contract.computes_in) if extra is not None else [])
        setting = prepare(objective, contract, x, tolerances, generator, room, problem)
        tolerance = setting.tolerance
        evidence, more = gather(setting, matrix, method, confidence, generator, names)
        findings += more
    report = compose(
        names, evidence, findings, tolerance=tolerance, nfev=objective.nfev, ngev=contract.ncalls,
        seconds=time.perf_counter() - started, seed=rng, call=call,
    )  # fmt: skip
    return in_words_of(report, noun)


def in_words_of(report: Report, noun: str) -> Report:
    """The report of another derivative than a gradient, in its words."""

    def said(text: str) -> str:
        return text.replace("the gradient is not", f"the {noun} is not").replace(
            "the gradient lies", f"the {noun} lies"
        )

    return replace(report, reason=said(report.reason), notes=tuple(said(note) for note in report.notes))


def call_text(start: str, options: dict[str, Any], rng: Any) -> str:
    """The call that repeats a check, with the options that are given."""
    given = [f"{key}={value!r}" if np.ndim(value) == 0 and not scipy.sparse.issparse(value) else f"{key}=..."
             for key, value in options.items() if value is not None]  # fmt: skip
    seed = f"rng={rng!r}" if rng is None or isinstance(rng, int) else "rng=..."
    return f"gradcheck.{', '.join([start, *given, seed])})"


def prepare(
    objective: VectorObjective,
    contract: Contract,
    x: Flat,
    tolerances: tuple[float | None, float, float | None],
    rng: np.random.Generator,
    room: tuple[Flat, Flat] | None,
    problem: Problem,
) -> VectorSetting:
    """Measure the noise of every output; choose tolerances and first steps by it."""
    parameters = objective.parameters
    objective.origin = contract.f_x
    scales = parameters.scales(x)
    spacing = first_spacing(max(float(np.finfo(b.real_dtype).eps) for b in parameters.blocks))
    signs, size = rng.choice([-1.0, 1.0], x.size), rng.uniform(0.5, 1.5, x.size) * scales
    if room is not None:
        # Inwards, and not farther than the bounds allow even the widest probe.
        signs = np.where(room[1] >= room[0], 1.0, -1.0)
        size = np.minimum(size, 0.99 * np.maximum(*room) / (WIDEST * spacing))
    noises = measure_noises(objective, Tangents(x, [signs * size]), contract.f_x, spacing, back=room is None)
    single = contract.computes_in == "float32" or bool(noises.single.any())
    dtype = "float16" if contract.computes_in == "float16" else "float32" if single else "float64"
    rtol, atol, resolution = tolerances
    rtol = DEFAULT_RTOL[dtype] if rtol is None else rtol
    tolerance = Tolerance(rtol, atol, DEFAULT_RESOLUTION[dtype] if resolution is None else resolution)
    return VectorSetting(
        objective, x, contract.f_x, noises.level, first_steps(noises.level, noises.slope, contract.f_x), scales,
        tolerance, room, problem.subgradient, float(np.finfo(contract.computes_in).eps), problem.symbol,
    )  # fmt: skip


def first_steps(level: Flat, slope: Flat, f_x: Flat) -> Flat:
    """The first step (m,) of each output relative to the scales: `gradcheck.estimate.first_step`, for all outputs."""
    size = np.abs(f_x)
    variation = np.where(slope > 0, np.maximum(np.minimum(size, slope), 1e-6 * size), size)
    variation = np.where(variation > 0, variation, np.maximum(slope, level))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(variation > 0, level / variation, 1.0)
    return np.asarray(np.clip(ratio**0.2 / 2.0, 1e-5, 0.1))
