"""Entries that joint directions name, each judged by itself."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import measure
from gradcheck.evidence.entries import decide, judged, sweep
from gradcheck.joint.directions import COMPLEX_ROUNDING, EPS
from gradcheck.numerics.problem import Problem
from gradcheck.numerics.setting import Setting
from gradcheck.results.estimate import Estimate
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

__all__ = ["judge_alone"]

# An entry that is off by so many bars needs no second stencil.
CLEARLY = 10.0


def judge_alone(
    problem: Problem, setting: Setting, claimed: Flat, entries: Index, *, exact: bool
) -> Evidence:
    """Some entries (k,) of the claim (n,), each by itself; a second stencil where the first leaves doubts.

    exact : by the complex step and two real points; otherwise by one stencil.
    """
    if entries.size == 0 or setting.objective.remaining < 6 * entries.size:
        return sweep(setting, claimed[entries], entries)
    found = (
        _by_complex_step(problem, setting, claimed[entries], entries) if exact else measure(setting, entries)
    )
    judgement = decide(setting, found, claimed[entries], entries)
    off = np.abs(claimed[entries] - found.value)
    clear = judgement.verified | (judgement.wrong & (off > CLEARLY * judgement.allowed))
    # Limits such as a kink or an edge want a second look, too; and at 0 f may change only far nearer to x.
    plain = np.array([limit in (Limit.NONE, Limit.NOISE) for limit in found.limit])
    plain &= (setting.x[entries] != 0) | exact
    if (clear & plain).all():
        return Evidence(entries, claimed[entries], found, judgement)
    if exact:
        return sweep(setting, claimed[entries], entries)
    return judged(setting, found, claimed[entries], entries)


def _by_complex_step(problem: Problem, setting: Setting, claimed: Flat, entries: Index) -> Estimate:
    """The complex step at each entry, and two real points, which tell an f that is not analytic there."""
    x, scales = setting.x, setting.scales
    exact, real, step = np.full(entries.size, np.nan), np.full(entries.size, np.nan), 1e-3
    for k, entry in enumerate(entries):
        tangent = np.zeros(x.size)
        tangent[entry] = scales[entry]
        values = problem.complex_along(tangent)
        low, high = problem.along(tangent, np.array([-step, step]))[:, 0]
        unit = problem.unit / scales[entry]
        real[k] = (high - low) / (2.0 * step) * unit
        exact[k] = np.nan if values is None else float(values.imag[0]) * unit
    size = np.maximum(np.abs(exact), np.abs(claimed))
    rounding = COMPLEX_ROUNDING * EPS * size + np.finfo(np.float64).tiny
    # The real difference is off by the square of its step; it has to come nearer to the one than to the other.
    agrees = np.abs(real - exact) <= np.maximum(step * size, 0.5 * np.abs(claimed - exact))
    error = np.where(agrees, rounding, np.inf)
    nothing = np.zeros(entries.size)
    limit = np.array([Limit.DISPUTED, Limit.NONE], object)[agrees.astype(int)]
    return Estimate(
        exact, error, nothing, error, nothing, nothing, exact, exact, error, np.full(entries.size, np.nan),
        np.abs(exact), limit, 0,
    )  # fmt: skip
