"""The Taylor test: does the remainder of the linear model fall as the square of the step."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck._typing import Flat, Values
from gradcheck.driver.options import Options, check_flag, told
from gradcheck.driver.prepare import nowhere
from gradcheck.errors import GradientCheckInterrupted
from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.function.lines import Rays
from gradcheck.function.progress import Progress
from gradcheck.function.vector_contract import call_outputs, called_at, curvature_along, slope_along
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.numerics.noise import first_spacing, measure_noise
from gradcheck.numerics.remainders import LEAST, Remainders, norm
from gradcheck.numerics.steps import DROWNED
from gradcheck.numerics.tangents import ROUNDING, random_units
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.report.report import Report
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import DEFAULT_RTOL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Steps between the largest, an eighth of x's own scale, and the noise floor; a factor two apart.
LARGEST, STEPS = 0.125, 24
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
    seconds: float = field(default=0.0, compare=False)
    recipe: Recipe | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS

    def __repr__(self) -> str:
        return f"<TaylorResult: {str(self).partition(chr(10))[0]}>"

    @property
    def report(self) -> Report:
        """The same as a Report, which has no array: one number is known of all of them."""
        seed = f"rng={self.seed!r}" if self.seed is None or isinstance(self.seed, int) else "rng=..."
        unknown = math.nan
        return Report(
            outcome=self.outcome, reason=self.reason, arrays=(), wrong=(), diagnosis=(), notes=(), method="taylor",
            nfev=self.nfev, ngev=1, seconds=self.seconds, max_error=unknown, detectable=unknown, rtol=0.0, atol=0.0,
            resolution=self.resolution, seed=self.seed, call=f"gradcheck.taylor_test(f, derivative, x, {seed})",
            recipe=self.recipe,
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
@own_arithmetic
def taylor_test(
    f: Callable[..., Any],
    derivative: Any,
    x: Any,
    tangent: Any = None,
    *,
    args: Sequence[Any] = (),
    hessian: Any = None,
    resolution: float = 1e-3,
    vectorized: bool = False,
    max_nfev: int | None = None,
    max_seconds: float | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    rng: Any = 0,
) -> TaylorResult:
    """Judge a derivative by the order in which f(x + h v) - f(x) - h J v falls with h.

    PASS where the remainder falls with at least the expected order less a tenth; or where f is linear along v as far
    as its noise shows, and a mistake of `resolution` would have stood out. FAIL where it falls as h, with J v
    off by more than curvature and noise explain. INCONCLUSIVE where noise hides it, at a kink, and for nan. Only
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
        the relative mistake along v that must have been visible for a PASS.
    max_nfev
        budget of evaluations of f, at least 24; all of it takes about 60.
    vectorized, max_seconds, n_jobs, progress, rng
        as in `check_jacobian`.
    """
    started = time.perf_counter()
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}: the order is f, its derivative, x")
    if derivative is None:
        raise TypeError("derivative must be a callable or a derivative, not None")
    if resolution is None:
        raise TypeError("resolution must be a number, not None")
    check_flag("vectorized", vectorized)
    chosen = Options(
        resolution=resolution,
        max_nfev=max_nfev,
        max_seconds=max_seconds,
        n_jobs=n_jobs,
        progress=progress,
        rng=rng,
    )
    parameters, flat = Parameters.of(x)
    own = {"tangent": tangent, "hessian": hessian, "resolution": resolution, "vectorized": bool(vectorized),
           "max_nfev": max_nfev}  # fmt: skip
    recipe = Recipe.of("taylor_test", f, derivative, parameters, flat, args, own, rng)
    v: Flat = parameters.scales(flat) * random_units(np.random.default_rng(rng), flat.size)
    if tangent is not None:
        v = parameters.flatten(tangent, "tangent")
    v = _landing(flat, v)
    if not (np.isfinite(v).all() and v.any()):
        raise ValueError(f"tangent must be finite and not zero, not {tangent!r:.60}")
    with Progress(progress) as bar:
        objective = VectorObjective(
            f, parameters, args=args, max_nfev=max_nfev, on_evaluation=bar.evaluated, vectorized=bool(vectorized),
            max_seconds=chosen.max_seconds, n_jobs=n_jobs,
        )  # fmt: skip
        line = _Line(objective, flat, v, 2 if hessian is None else 3, rng)
        try:
            bar.plan(USUAL)
            result = _tested(line, derivative, hessian, args, resolution)
        except KeyboardInterrupt:
            objective.interrupted = True
            result = line.unmeasured(_cause(objective))
    result = replace(result, resolution=resolution, seconds=time.perf_counter() - started, recipe=recipe)
    if objective.interrupted:
        raise GradientCheckInterrupted(result)
    return result


@dataclass(frozen=True)
class _Line:
    """What is tested: f along v from x."""

    objective: VectorObjective
    x: Flat
    v: Flat
    expected: int
    seed: Any

    def unmeasured(self, reason: str, outcome: Outcome = Outcome.INCONCLUSIVE) -> TaylorResult:
        """A result without remainders."""
        return TaylorResult(
            outcome, reason, math.nan, self.expected, (), (), (), False, tuple(self.v.tolist()),
            self.objective.nfev, self.seed,
        )  # fmt: skip

    def changes(self, steps: Values, f_x: Values) -> Values:
        """F(x + h v) - f(x) and f(x - h v) - f(x), (2, steps, m)."""
        offsets = np.stack([steps, -steps], axis=1).ravel()
        moved = self.objective.line(Rays(self.x, [self.v]), offsets) - f_x
        return moved.reshape(len(steps), 2, -1).swapaxes(0, 1)


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


def _cause(objective: VectorObjective) -> str:
    if objective.interrupted:
        return "the check was interrupted: start it again"
    return "the budget was used up: raise max_nfev (or max_seconds)"


def _tested(
    line: _Line, derivative: Any, hessian: Any, args: Sequence[Any], resolution: float
) -> TaylorResult:
    objective, flat, v = line.objective, line.x, line.v
    parameters = objective.parameters
    findings: list[Finding] = []
    f_x = call_outputs(objective, flat, findings)
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
    eps = max(float(np.finfo(b.real_dtype).eps) for b in parameters.blocks)
    # A power of two, so that the steps land where `_landing` has it.
    largest = 2.0 ** math.floor(math.log2(LARGEST / float(np.max(np.abs(v) / parameters.scales(flat)))))
    steps = largest * 2.0 ** -np.arange(STEPS)
    noises = measure_noise(objective, Rays(flat, [v * steps[0] / LARGEST]), f_x, first_spacing(eps))
    level = noises.level
    change = line.changes(steps, f_x)
    cut = objective.ended and bool(np.isnan(change).any())
    if not cut and not np.isfinite(change).any():
        return line.unmeasured(
            f"{nowhere(objective)} along v: choose another tangent, or move x into its domain"
        )
    if not cut and not np.nan_to_num(change).any():
        return line.unmeasured("f has the same value at all steps along v")
    # Where f does not move at all at some step, its least change is a step of the grid on which it lies.
    least = np.min(np.where(np.nan_to_num(change) != 0, np.abs(change), np.inf), axis=(0, 1))
    level = np.where((change == 0).any(axis=(0, 1)) & np.isfinite(least), np.maximum(level, least), level)
    # Outputs in their own units: each relative to its slope, so that none is drowned.
    unit = np.ones(1)
    if f_x.size > 1:
        slopes = np.abs(slope)
        unit = np.where(slopes > 0, slopes, np.median(slopes[slopes > 0]) if (slopes > 0).any() else 1.0)
    h = steps[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        right = np.asarray((change[0] - h * slope - h * h / 2.0 * bend) / unit, np.float64)
        left = np.asarray((change[1] + h * slope - h * h / 2.0 * bend) / unit, np.float64)
    # Far from x a value rounds by its own size, which may be many times that of f(x).
    kinds = [name if name in DEFAULT_RTOL else "float64" for name in noises.digits]
    rounding = np.array([float(np.finfo(name).eps) for name in kinds])
    moves = np.array([norm(part) for part in (change[0] - change[1]) / 2.0 / unit])
    far = np.nan_to_num(np.max(np.abs(change), axis=0), nan=0.0, posinf=0.0)
    # Noise as large as f is an oscillation faster than every step, or nothing is known of f.
    drowned = norm(level / unit) > DROWNED * norm(np.maximum(np.abs(f_x), far.max(axis=0)) / unit)
    of_f = level + rounding * far
    noise = [
        norm((mine + ROUNDING * np.finfo(np.float64).eps * h * np.abs(slope)) / unit)
        for h, mine in zip(steps, of_f, strict=True)
    ]
    # At x = 0 nothing says how long a step is, nor that what f changes by along it is its size there.
    scaled = bool((flat[v != 0] != 0).any())
    seen = Remainders(steps, right, left, np.array(noise), norm(slope / unit), line.expected, scaled,
                 None if drowned else moves, np.array([norm(mine / unit) for mine in of_f]))  # fmt: skip
    outcome, reason = (Outcome.INCONCLUSIVE, _cause(objective)) if cut else _verdict(seen, resolution)
    return TaylorResult(
        outcome, reason, seen.order, line.expected, tuple(steps.tolist()), tuple(seen.sizes.tolist()), tuple(noise),
        seen.linear and outcome is Outcome.PASS, tuple(v.tolist()), objective.nfev, line.seed,
    )  # fmt: skip


def _verdict(seen: Remainders, resolution: float) -> tuple[Outcome, str]:
    """The outcome, and why."""
    if int(seen.known.sum()) < LEAST:
        return (
            Outcome.INCONCLUSIVE,
            "f is not finite along v: choose another tangent, or move x into its domain",
        )
    visible = seen.seen_along()
    name = "linear" if seen.expected == 2 else "quadratic"
    if seen.linear:
        if not visible <= resolution:
            return Outcome.INCONCLUSIVE, (
                f"the remainder is at the noise floor at every step: mistakes below {visible:.2g} would be hidden; "
                "compute f more precisely"
            )
        return Outcome.PASS, (
            f"f is {name} along v as far as its noise shows: the remainder is at the noise floor at every step; "
            f"a relative mistake of {visible:.2g} would have been seen"
        )
    odd, even = seen.order_of(seen.odd), seen.order_of(seen.even)
    falls = f"the remainder falls as h^{seen.order:.2f}"
    if seen.order < 0.5:
        return Outcome.INCONCLUSIVE, f"{falls}: f jumps at x, or varies faster than the steps"
    if even < 1.5:
        return Outcome.INCONCLUSIVE, f"{falls}, the same on both sides: a kink at x; move x off it"
    if seen.order >= seen.expected - 0.1 and not odd < 1.5:
        if not visible <= resolution:
            text = f"{falls}, but mistakes below {visible:.2g} would be hidden"
            return Outcome.INCONCLUSIVE, f"{text}; compute f more precisely"
        return (
            Outcome.PASS,
            f"{falls}, as it should; a relative mistake of {visible:.2g} would have been seen",
        )
    if odd < 1.5:
        falls = falls if seen.order < 1.5 else f"the odd part of the remainder falls as h^{odd:.2f}"
        if seen.moves is None or seen.order_of(seen.moves, seen.of_f) < 0.5:
            return (
                Outcome.INCONCLUSIVE,
                f"{falls}, but f does not move as h: it varies faster than the steps",
            )
        off = float(seen.odd[seen.clear(seen.odd)][-1] / seen.steps[seen.clear(seen.odd)][-1])
        part = f", {off / seen.slope:.2g} of it" if seen.slope > 0 else ""
        return (
            Outcome.FAIL,
            f"{falls}, not as h^{seen.expected}: the derivative along v is off by {off:.3g}{part}",
        )
    if seen.expected == 3 and even < 2.5 and seen.order < 2.5:
        return Outcome.FAIL, f"{falls}, not as h^3: the gradient fits, the curvature v.Hv does not"
    return Outcome.INCONCLUSIVE, f"{falls}, neither as h^{seen.expected} nor as a mistake would"
