"""The complex step beside real differences: a second witness for entries, or the first where the user asks for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.complex_step import accepts_complex, complex_derivative
from gradcheck.estimate import Estimate, Limit
from gradcheck.evaluation import BudgetSpentError
from gradcheck.parameters import Flat
from gradcheck.sweep import Evidence, Index, Setting, decide, measure

__all__ = ["by_complex_step", "second_witness"]

# Entries at which real differences must agree before the complex step is trusted for others.
COMPARED = 8
# What a value may lose between x and f besides the noise that was measured, in units in the last place.
ROUNDING = 64.0
# A real difference that is itself known to a tenth only says little for or against.
TELLING = 0.1


def by_complex_step(setting: Setting, analytic: Flat, coordinates: Index) -> Evidence | None:
    """Judge coordinates by the complex step, one evaluation each; None where it cannot be trusted.

    Real differences at up to eight coordinates, six evaluations each, must agree with it: an f that does not take
    complex numbers, or is not analytic (abs, max at a tie, conj), does not.
    """
    sample = np.unique(np.linspace(0, coordinates.size - 1, min(COMPARED, coordinates.size)).astype(np.intp))
    if coordinates.size == 0 or not accepts_complex(setting.objective):
        return None
    real = measure(setting, coordinates[sample])
    values = _complex_values(setting, coordinates)
    if values is None or not _agree(values[sample], real):
        return None
    error = _bars(setting, values)
    same = {
        "step": np.full(values.shape, 0.0),
        "truncation": np.zeros(values.shape),
        "kink": np.zeros(values.shape),
    }
    found = Estimate(
        value=values, error=error, noise=error, left=values, right=values, curvature=np.full(values.shape, np.nan),
        chord=np.abs(values), limit=np.full(values.shape, Limit.NONE), nfev=real.nfev + values.size, **same,
    )  # fmt: skip
    return Evidence(coordinates, analytic[coordinates], found, decide(setting, found, analytic, coordinates))


def second_witness(setting: Setting, evidence: Evidence) -> tuple[Evidence, int]:
    """Ask the complex step about entries that noise or bends leave undecided; (evidence, how many it verified).

    It verifies and never convicts: what it contradicts stays undecided. It is asked only where f takes complex
    numbers, and believed only where it agrees with the real differences, there and at entries that are decided.
    """
    judgement, found = evidence.judgement, evidence.estimate
    noisy = np.asarray(
        (found.limit == Limit.NOISE) | (found.limit == Limit.TRUNCATION) | (found.limit == Limit.NONE)
    )
    open_rows = np.flatnonzero(judgement.inconclusive & noisy & np.isfinite(found.error))
    told = np.flatnonzero(judgement.verified & (3.0 * found.error <= TELLING * np.abs(found.value)))[
        :COMPARED
    ]
    telling = (
        3.0 * found.error[open_rows] <= TELLING * np.abs(found.value[open_rows])
    ).any() or told.size > 0
    if open_rows.size == 0 or not telling or not accepts_complex(setting.objective):
        return evidence, 0
    rows = np.concatenate([open_rows, told])
    values = _complex_values(setting, evidence.coordinates[rows])
    if values is None or not _agree(values, _at(found, rows)):
        return evidence, 0
    values = values[: open_rows.size]
    error = _bars(setting, values)
    g = evidence.analytic[open_rows]
    tau = setting.tolerance.rtol * np.maximum(np.abs(g), np.abs(values)) + setting.tolerance.atol
    fine = 3.0 * error <= setting.tolerance.resolution * judgement.scale[open_rows] + setting.tolerance.atol
    right = fine & (np.abs(g - values) <= 3.0 * error + tau)
    at = open_rows[right]
    value, bar, allowed = found.value.copy(), found.error.copy(), judgement.allowed.copy()
    verified, inconclusive = judgement.verified.copy(), judgement.inconclusive.copy()
    value[at], bar[at], allowed[at] = values[right], error[right], (3.0 * error + tau)[right]
    verified[at], inconclusive[at] = True, False
    judged = replace(judgement, verified=verified, inconclusive=inconclusive, allowed=allowed)
    return replace(evidence, estimate=replace(found, value=value, error=bar), judgement=judged), int(at.size)


def _complex_values(setting: Setting, coordinates: Index) -> Flat | None:
    """The complex step at each coordinate (m,), or None where f gives no complex number or the budget ends."""
    tangent = np.zeros(setting.x.size)
    values = np.empty(coordinates.size)
    for k, at in enumerate(coordinates.tolist()):
        tangent[at] = 1.0
        try:
            values[k] = complex_derivative(setting.objective, setting.x, tangent, float(setting.scales[at]))
        except BudgetSpentError:
            return None
        if not np.isfinite(values[k]):
            return None
        tangent[at] = 0.0
    return values


def _bars(setting: Setting, values: Flat) -> Flat:
    """Relative noise of f is relative noise of its imaginary part; there is no difference to amplify it."""
    eps = float(np.finfo(np.float64).eps)
    size = abs(float(setting.f_x))
    relative = max(ROUNDING * eps, 4.0 * setting.level / size if size > 0 else 1.0)
    return np.asarray(relative * np.abs(values) + np.finfo(np.float64).tiny)


def _agree(values: Flat, real: Estimate) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values - real.value) <= 3.0 * real.error + 1e-12 * np.abs(values)).all())


def _at(found: Estimate, rows: Index) -> Estimate:
    return replace(found, value=found.value[rows], error=found.error[rows])
