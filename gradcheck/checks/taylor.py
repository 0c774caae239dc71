"""The Taylor test: does the remainder of the linear model fall as the square of the step."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck._typing import Flat, Values
from gradcheck.driver.options import Options, call_text, check_flag, told
from gradcheck.driver.prepare import coarsest, nowhere
from gradcheck.driver.taylor_verdict import hides, verdict
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.function.contract import ORDER, check_callables, inspect_f, is_pair
from gradcheck.function.lines import Rays
from gradcheck.function.matrix import dtype_of
from gradcheck.function.objective import Objective
from gradcheck.function.progress import Progress
from gradcheck.function.vector_contract import called_at, curvature_along, slope_along
from gradcheck.numerics.noise import first_spacing, measure_noise
from gradcheck.numerics.outputs import Noise
from gradcheck.numerics.remainders import Remainders, norm
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.undecided import INTERRUPTED, OUT_OF_BUDGET
from gradcheck.results.verdict import Tolerance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Steps between the largest, an eighth of x's own scale, and the noise floor; a factor two apart.
LARGEST, STEPS = 0.125, 24
# Where noise hides what these are to show, so many longer ones are taken together, so many times.
TOGETHER, LONGER = 3, 3
# Evaluations of f: two at x, eight for its noise, two at each step.
USUAL = 2 + 8 + 2 * STEPS


@dataclass(frozen=True)
class TaylorResult:
    """The outcome of a Taylor test; true in a boolean context for PASS alone.

    Attributes
    ----------
    order
        the power of the step with which the remainder falls, nan where it is hidden by noise at all steps.
    expected
        the order of a right derivative, 2, or 3 with a Hessian.
    steps
        relative to the tangent.
    remainders
        |f(x + h v) - f(x) - h J v| (and - h^2 v.Hv / 2), the norm over outputs.
    floor
        what noise explains.
    linear
        f is linear along v (quadratic, with a Hessian), as far as noise shows.
    tangent
        v, flat.
    resolution, rtol
        those that were used.
    seconds
        wall time.
    """

    outcome: Outcome
    reason: str
    order: float
    expected: int
    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    floor: tuple[float, ...]
    linear: bool
    tangent: tuple[float, ...]
    nfev: int
    seed: Any
    resolution: float = 1e-3
    rtol: float = 1e-6
    seconds: float = field(default=0.0, compare=False)
    recipe: Recipe | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS

    def __repr__(self) -> str:
        return f"<TaylorResult: {str(self).partition(chr(10))[0]}>"

    @property
    def report(self) -> Report:
        """The same as a Report, which has no array: one number is known of all of them."""
        unknown = math.nan
        return Report(
            outcome=self.outcome, reason=self.reason, arrays=(), wrong=(), diagnosis=(), notes=(), method="taylor",
            nfev=self.nfev, ngev=1, seconds=self.seconds, max_error=unknown, detectable=unknown, rtol=self.rtol,
            atol=0.0, resolution=self.resolution, seed=self.seed, recipe=self.recipe,
            call=call_text("taylor_test(f, derivative, x", {}, self.seed),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The dictionary of its report, by the schema of docs/report.md."""
        return self.report.to_dict()

    def to_json(self, indent: int | None = 2) -> str:
        """The dictionary as JSON text, as `Report.to_json` gives it."""
        return self.report.to_json(indent)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what repeats the test to `path`, one file of JSON, as `Report.save` does."""
        return self.report.save(path)

    def _repr_html_(self) -> str:
        """The report for a notebook."""
        return self.report._repr_html_()

    def plot(self, ax: Axes | None = None) -> Figure:
        """A matplotlib Figure of remainder against step; with `ax` it is drawn there.

        Raises ValueError where f was taken at no step, TypeError for an `ax` that is none.
        """
        from gradcheck.report.plots import drawn_into, figure_of, remainders

        if not self.steps:
            raise ValueError(f"there is nothing to plot, f was taken at no step: {self.reason}")
        panel = remainders(self.steps, self.remainders, self.floor, self.expected, self.order)
        return (
            figure_of([panel], f"{self.outcome.value}: {self.reason}")
            if ax is None
            else drawn_into(ax, panel)
        )

    def __str__(self) -> str:
        rows = [f"{self.outcome.value}  {self.reason}", "  step      remainder  noise explains"]
        rows += [
            f"  {h:<8.1e}  {r:<9.2e}  {n:.1e}"
            for h, r, n in zip(self.steps, self.remainders, self.floor, strict=True)
        ]
        return "\n".join([*rows[:20], f"  {self.nfev} evaluations of f; seed {self.seed!r}"])


@told
def taylor_test(
    f: Callable[..., Any],
    derivative: Any,
    x: Any,
    tangent: Any = None,
    *,
    args: Sequence[Any] = (),
    hessian: Any = None,
    resolution: float | None = None,
    vectorized: bool = False,
    max_nfev: int | None = None,
    max_seconds: float | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    rng: Any = 0,
) -> TaylorResult:
    """Judge a derivative by the order in which f(x + h v) - f(x) - h J v falls with h.

    PASS where the remainder falls with at least the expected order less a tenth; or where f is linear along v as far
    as its noise shows; and a mistake of `resolution` would have stood out, with a Hessian in v.Hv, too. FAIL where it
    falls as h, with J v off by more than curvature and noise explain, and by more than is accepted: 1e-6 in float64,
    1e-3 in float32, or `resolution` where that is less. INCONCLUSIVE where noise hides it, at a kink, and for nan. Only
    steps at which the remainder is clear of the measured noise are used.
    One direction, so one number: `check_gradient` and `check_jacobian` find more, and where.
    A derivative that does not fit x is FAIL. Raises GradientCheckInterrupted, whose `report` is the result as far as it
    was known, for KeyboardInterrupt.

    Parameters
    ----------
    f
        f(x, *args) -> one real number, or an array of them.
    derivative
        derivative(x, *args) -> the gradient with the structure of x, or the Jacobian (m, n); or one of these.
    x
        as in `check_gradient`.
    tangent
        v, with the structure of x; default random, each entry in its own scale.
    args
        further arguments of f, derivative and hessian, a tuple.
    hessian
        hessian(x, *args) -> H (n, n) of a scalar f, or H itself: then order 3 is expected.
    resolution
        the relative mistake along v that must have been visible for a PASS; default by the digits of f, as in
        `check_gradient`.
    max_nfev
        budget of evaluations of f, at least 24; all of it takes about 60.
    vectorized, max_seconds, n_jobs, progress, rng
        as in `check_jacobian`.
    """
    started = time.perf_counter()
    check_callables(ORDER, f=f)
    if derivative is None:
        raise TypeError("derivative must be a callable or a derivative, not None")
    check_flag("vectorized", vectorized)
    chosen = Options(
        resolution=resolution, max_nfev=max_nfev, max_seconds=max_seconds, n_jobs=n_jobs, progress=progress, rng=rng
    )  # fmt: skip
    parameters, flat = Parameters.of(x)
    own = {"tangent": tangent, "hessian": hessian, "resolution": resolution, "vectorized": bool(vectorized),
           "max_nfev": max_nfev}  # fmt: skip
    recipe = Recipe.of("taylor_test", f, derivative, parameters, flat, args, own, rng)
    v = _direction(parameters, flat, tangent, rng)
    with Progress(progress) as bar:
        objective = Objective(
            f, parameters, several=True, args=args, max_nfev=max_nfev, on_evaluation=bar.evaluated,
            vectorized=bool(vectorized), max_seconds=chosen.max_seconds, n_jobs=n_jobs,
        )  # fmt: skip
        line = _Line(objective, flat, v, 2 if hessian is None else 3, rng, resolution)
        try:
            bar.plan(USUAL)
            result = _tested(line, derivative, hessian, args)
        except KeyboardInterrupt:
            objective.interrupted = True
            result = line.unmeasured(_cause(objective))
    result = replace(result, seconds=time.perf_counter() - started, recipe=recipe)
    if objective.interrupted:
        raise GradientCheckInterrupted(result)
    return result


@dataclass(frozen=True)
class _Line:
    """What is tested: f along v from x. resolution : as it was given."""

    objective: Objective
    x: Flat
    v: Flat
    expected: int
    seed: Any
    resolution: float | None

    def unmeasured(self, reason: str, outcome: Outcome = Outcome.INCONCLUSIVE) -> TaylorResult:
        """A result without remainders."""
        return TaylorResult(
            outcome, reason, math.nan, self.expected, (), (), (), False, tuple(self.v.tolist()),
            self.objective.nfev, self.seed, self.resolution or TaylorResult.resolution,
        )  # fmt: skip

    def changes(self, steps: Values, f_x: Values) -> Values:
        """F(x + h v) - f(x) and f(x - h v) - f(x), (2, steps, m)."""
        offsets = np.stack([steps, -steps], axis=1).ravel()
        moved = self.objective.line(Rays(self.x, [self.v]), offsets) - f_x
        return moved.reshape(len(steps), 2, -1).swapaxes(0, 1)


def _direction(parameters: Parameters, x: Flat, tangent: Any, rng: Any) -> Flat:
    """The tangent, flat: as given, or random, each entry in its own scale. Raises ValueError for one of no use."""
    if tangent is not None:
        v = parameters.flatten(tangent, "tangent")
    else:
        v = parameters.scales(x) * random_units(np.random.default_rng(rng), x.size)
    v = _landing(x, v)
    if not (np.isfinite(v).all() and v.any()):
        raise ValueError(f"tangent must be finite and not zero, not {tangent!r:.60}")
    return v


def _landing(x: Flat, v: Flat) -> Flat:
    """The tangent, of whose entries every step ends on a number that x's dtype holds.

    Else x + h v is rounded, and at a root, sin x at pi, that moves f by more than its own rounding. Entries so small
    beside x_i that this would change them by more than 1e-3 are left as they are.
    """
    # A step is v over a power of two, 2**(STEPS + 3) or so at most; twice that where it leaves the binade of x_i.
    grid = np.spacing(np.abs(x)) * 2.0 ** (STEPS + 4)
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = np.round(v / grid) * grid
    return np.where((np.abs(v) > 1e3 * grid) & np.isfinite(rounded), rounded, v)


def _cause(objective: Objective) -> str:
    return INTERRUPTED if objective.interrupted else OUT_OF_BUDGET


def _tested(line: _Line, derivative: Any, hessian: Any, args: Sequence[Any]) -> TaylorResult:
    objective, flat, v = line.objective, line.x, line.v
    parameters = objective.parameters
    findings: list[Finding] = []
    f_x, _ = inspect_f(objective, flat, findings)
    final = next((finding for finding in findings if finding.final), None)
    if final is not None:
        return line.unmeasured(final.text)
    claim = called_at(derivative, parameters.unflatten(flat.copy()), args, "derivative")
    curvature = called_at(hessian, parameters.unflatten(flat.copy()), args, "hessian")
    try:
        slope = slope_along(claim, parameters, v, objective.shape or (), "derivative")
        bend = 0.0 if hessian is None else curvature_along(curvature, parameters, v, "hessian")
    except (ValueError, TypeError) as error:
        return line.unmeasured(str(error), Outcome.FAIL)
    if not (np.isfinite(slope).all() and np.isfinite(bend)):
        return line.unmeasured("the derivative along v is not finite", Outcome.FAIL)
    # A power of two, so that the steps land where `_landing` has it.
    largest = 2.0 ** math.floor(math.log2(LARGEST / float(np.max(np.abs(v) / parameters.scales(flat)))))
    steps = largest * 2.0 ** -np.arange(STEPS)
    eps = max(eps_of(b.real_dtype) for b in parameters.blocks)
    noises = measure_noise(objective, Rays(flat, [v * steps[0] / LARGEST]), f_x, first_spacing(eps))
    change = line.changes(steps, f_x)
    cut = objective.ended and bool(np.isnan(change).any())
    if not cut and not np.isfinite(change).any():
        return line.unmeasured(
            f"{nowhere(objective)} along v: choose another tangent, or move x into its domain"
        )
    if not cut and not np.nan_to_num(change).any():
        return line.unmeasured("f has the same value at all steps along v")
    own = STEPS if (flat[v != 0] != 0).any() else None
    remainders = partial(
        Remainders.of,
        f_x=f_x, slope=slope, bend=bend, expected=line.expected, length=norm(v), own=own, noises=noises,
    )  # fmt: skip
    tolerance = _tolerance(claim, noises, parameters, line.resolution)
    told = _told(line, remainders, steps, change, tolerance)
    if cut:
        return replace(told, outcome=Outcome.INCONCLUSIVE, reason=_cause(objective), linear=False)
    if told.outcome is Outcome.INCONCLUSIVE:
        return _farther(line, f_x, remainders, told, change, tolerance)
    return told


def _farther(
    line: _Line,
    f_x: Values,
    remainders: Callable[[Values, Values], Remainders],
    told: TaylorResult,
    change: Values,
    tolerance: Tolerance,
) -> TaylorResult:
    """A PASS that longer steps than x is large show, where noise hides what the first ones are to show; else `told`.

    They go as far as at 0, of which x that small tells as little. They never convict: f may be another so far away.
    """
    steps = np.array(told.steps)
    longest = LARGEST / float(np.max(np.abs(line.v)))
    for _ in range(LONGER):
        seen = remainders(steps, change).but_for(tolerance.rtol)
        more = steps[0] * 2.0 ** np.arange(TOGETHER, 0, -1)
        if not hides(seen, tolerance) or more[0] > longest or not line.objective.affords(2 * TOGETHER):
            break
        steps = np.concatenate([more, steps])
        change = np.concatenate([line.changes(more, f_x), change], axis=1)
        beyond = _told(line, remainders, steps, change, tolerance)
        if beyond.outcome is Outcome.PASS:
            return beyond
    return replace(told, nfev=line.objective.nfev)


def _told(
    line: _Line,
    remainders: Callable[[Values, Values], Remainders],
    steps: Values,
    change: Values,
    tolerance: Tolerance,
) -> TaylorResult:
    """The result for f's changes (2, k, m) at some steps."""
    found = remainders(steps, change)
    seen = found.but_for(tolerance.rtol)
    outcome, reason = verdict(seen, tolerance)
    return TaylorResult(
        outcome, reason, seen.order, line.expected, tuple(steps.tolist()), tuple(found.sizes.tolist()),
        tuple(found.noise.tolist()), seen.linear and outcome is Outcome.PASS, tuple(line.v.tolist()),
        line.objective.nfev, line.seed, tolerance.resolution, tolerance.rtol,
    )  # fmt: skip


def _tolerance(claim: Any, noises: Noise, parameters: Parameters, resolution: float | None) -> Tolerance:
    """What the dtype of f and of its derivative can hold; no more is accepted than what has to be seen."""
    given = claim[1] if is_pair(claim, parameters) else claim
    name = coarsest(eps_of(dtype_of(given, parameters)), noises)
    tolerance = Tolerance.for_dtypes([name], None, 0.0, resolution)
    return replace(tolerance, rtol=min(tolerance.rtol, tolerance.resolution))
