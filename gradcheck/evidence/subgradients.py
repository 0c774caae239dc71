"""Whether values between one-sided slopes are together a subgradient: the same question along directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.axes import along_rays
from gradcheck.evidence.hidden_kinks import where_kinks_meet
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS, SPARE
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import Estimate
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Limit, Outcome
from gradcheck.results.verdict import accepted

# Random directions, beside one along which the entries lie farthest from the middle of their slopes and one that is
# positive in every entry: a maximum of ties is found out there, if it has one gradient for each of them.
RANDOM = 2
# At a kink nothing is gained by many steps.
ROUNDS = 6


def along_directions(setting: Setting, evidence: Entries, rng: Any) -> tuple[Entries, tuple[Finding, ...]]:
    """Ask of entries that pass as subgradients that g.v lies between the one-sided slopes along v, too.

    A subgradient of a convex f has g.v <= f'(x; v) for every v, and of a concave one g.v >= f'(x; v). For each of the
    two kinds of kink four directions are tried that move these entries alone. Where a value lies outside, beyond bars
    and tolerance, the entries of that kind do not pass, and a finding says so.
    """
    rows = np.flatnonzero(evidence.judgement.subgradient)
    if rows.size < 2 or evidence.interrupted:
        return evidence, ()
    generator = np.random.default_rng(rng)
    found = evidence.estimate
    convex = found.right[rows] >= found.left[rows]
    output = setting.places(evidence.coordinates[rows])[0]
    findings: list[Finding] = []
    for kind in [rows[(output == i) & bent] for i in np.unique(output) for bent in (convex, ~convex)]:
        if kind.size < 2:
            continue
        if text := _outside(setting, evidence, kind, generator):
            findings.append(Finding(text, Outcome.FAIL))
            # Each could be right, all together are not.
            evidence = evidence.left_open(np.isin(np.arange(evidence.coordinates.size), kind))
    return evidence, tuple(findings)


def _outside(setting: Setting, evidence: Entries, rows: Index, generator: np.random.Generator) -> str:
    """What is wrong with these entries together, in words; empty where nothing is found."""
    entries, found = evidence.coordinates[rows], evidence.estimate
    outputs, at = setting.places(entries)
    units = _units(evidence.analytic[rows] - (found.left[rows] + found.right[rows]) / 2.0, generator)
    units = units[: setting.objective.remaining // (POINTS * ROUNDS)]
    if len(units) == 0:
        return ""
    tangents = np.zeros((len(units), setting.x.size), setting.x.dtype)
    tangents[:, at] = setting.scales[at] * units
    given = tangents[:, at] @ evidence.analytic[rows]
    size = np.abs(tangents[:, at]) @ np.abs(evidence.analytic[rows])
    slopes = _slopes(setting, tangents, int(outputs[0]))
    low, high = np.fmin(slopes.left, slopes.right), np.fmax(slopes.left, slopes.right)
    # What the sum of the entries is off by where each is off by what is accepted of it.
    tau = accepted(size, setting.tolerance)
    slack = 3.0 * slopes.sided + tau
    known = np.isfinite(slopes.error) & np.asarray(
        (slopes.limit == Limit.KINK) | (slopes.limit == Limit.NONE)
    )
    off = known & ((given < low - slack) | (given > high + slack))
    if not off.any():
        return ""
    k = int(np.argmax(off))
    # Where kinks meet f has other slopes beside x, and what lies outside of those at x may be one of them.
    its = setting.places(evidence.coordinates)[0] == outputs[0]
    if where_kinks_meet(setting, evidence, np.flatnonzero((found.limit == Limit.KINK) & its)) > 0:
        return ""
    first, second = (setting.named.name(int(entry)) for entry in entries[:2])
    others = "" if rows.size == 2 else f" and {rows.size - 2} more"
    return (
        f"{first}, {second}{others} lie between the slopes of their kinks, but are no subgradient: along a direction "
        f"of these entries g.v is {given[k]:.4g}, outside the slopes {low[k]:.4g} and {high[k]:.4g} of f"
    )


def _units(apart: Flat, generator: np.random.Generator) -> NDArray[np.float64]:
    """Directions (k, m): away from the middle of the slopes, all positive, and random ones."""
    signs = generator.choice([-1.0, 1.0], (RANDOM + 2, apart.size))
    signs[0] = np.where(apart != 0, np.sign(apart), signs[0])
    signs[1] = 1.0
    return np.asarray(signs * generator.uniform(0.5, 1.5, signs.shape))


def _slopes(setting: Setting, tangents: Flat, output: int) -> Estimate:
    """The one-sided slopes of an output along these tangents (k, size), in units of each."""
    step = setting.relative_step[output] / np.sqrt(np.count_nonzero(tangents, axis=1))

    def wanted(_: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        size = np.abs(so_far.value)
        return setting.tolerance.rtol * size, SPARE * setting.tolerance.resolution * size

    return along_rays(setting, tangents, np.full(step.size, output), step, wanted, rounds=ROUNDS)
