"""How residuals of all rows of a Jacobian along one direction are measured, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.evidence.confirm import confirm
from gradcheck.evidence.entries import claimed_still
from gradcheck.function.lines import Family, Rays
from gradcheck.function.matrix import Matrix
from gradcheck.numerics.differences import estimate
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING
from gradcheck.results.estimate import Estimate
from gradcheck.results.verdict import Judgement

__all__ = ["RowResiduals", "measure_tangents", "rounding_of_points"]

# Steps tried along one direction.
ROUNDS = 8


@dataclass(frozen=True)
class RowResiduals:
    """How far J v is from the derivative along v, for each of m rows."""

    value: Flat
    error: Flat
    weight: Flat
    step: float
    limit: NDArray[np.object_]

    def exceeds(self, eps: float) -> NDArray[np.bool_]:
        """Rows in which something is wrong; nan is not evidence."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(self.value) > self.allowed(eps))

    def allowed(self, eps: float) -> Flat:
        """What a right row may leave."""
        return np.asarray(3.0 * self.error + ROUNDING * eps * self.weight)

    def less(self, part: RowResiduals) -> RowResiduals:
        """The residuals along the rest of the tangent, given those along a part of it."""
        return RowResiduals(
            self.value - part.value,
            self.error + part.error,
            np.sqrt(np.maximum(self.weight**2 - part.weight**2, 0.0)) + part.weight,
            self.step,
            self.limit,
        )


def measure_tangents(
    setting: Setting, tangents: list[Flat], step: float, given: Flat, weight: Flat, slack: Flat
) -> Estimate:
    """The derivatives of all m outputs along each tangent (n,): (K * m,) lines, one tangent after the other.

    step : where to begin. given : (K, m) analytic; what seems wrong is measured again. weight : (K, m) the size that
    errors are relative to. slack : (K, m) what the analytic side may be off by.
    """
    count = len(tangents)
    output, direction = (
        np.tile(np.arange(setting.outputs), count),
        np.repeat(np.arange(count), setting.outputs),
    )
    given, weight, slack = given.ravel(), weight.ravel(), slack.ravel()
    tolerance = setting.tolerance
    room = _room_along(setting, tangents)
    size = np.maximum(weight, np.abs(given))

    def along(at: Index, begin: Flat, wanted: Any, **options: Any) -> Estimate:
        family = Family(Rays(setting.x, tangents), direction[at], output[at])
        mine = None if room is None else (room[at], room[at])
        return estimate(
            setting.objective, family, setting.f_x[output[at]], level=setting.level[output[at]], step=begin,
            smallest=np.full(at.size, 1e-9 * step), wanted=wanted, room=mine, unit=np.ones(at.size), **options,
        )  # fmt: skip

    def precisely(at: Index, so_far: Estimate) -> tuple[Flat, Flat]:
        large = np.maximum(size[at], np.nan_to_num(np.abs(so_far.value)))
        # As for gradients: the bars of directions multiply in the certificate.
        return 1e-2 * tolerance.rtol * large, 0.05 * tolerance.resolution * large

    def anything(at: Index, _: Estimate) -> tuple[Flat, Flat]:
        wanted = np.full(at.size, np.inf)
        return wanted, wanted

    def again(at: Index, begin: Flat, side: NDArray[np.int8]) -> Estimate | None:
        if setting.objective.remaining == 0:
            return None
        return along(at, begin, anything, rounds=1, side=side)

    def decided(found: Estimate) -> Judgement:
        allowed = 3.0 * found.error + slack
        with np.errstate(invalid="ignore"):
            wrong = np.abs(given - found.value) > allowed
        return Judgement(wrong, ~wrong, np.zeros_like(wrong), np.zeros_like(wrong), allowed, size)

    found = along(np.arange(given.size), np.full(given.size, step), precisely, rounds=ROUNDS)
    found = claimed_still(setting, found, given, output)
    # A direction has no size of its own, as a coordinate has.
    anywhere = np.full(given.size, np.inf)
    return confirm(given, found, decided(found), again, decided, anywhere, together=direction)[0]


def _room_along(setting: Setting, tangents: list[Flat]) -> Flat | None:
    """How far x can go along the tangent of each line, to either side."""
    if setting.room is None:
        return None
    room = np.minimum(*setting.room)
    most = [float(np.min(room[v != 0] / np.abs(v[v != 0]), initial=np.inf)) for v in tangents]
    return np.repeat(np.array(most), setting.outputs)


def rounding_of_points(setting: Setting, matrix: Matrix) -> Flat:
    """(m,) what rounding each coordinate of a point to its dtype moves the outputs by; 0 where J is not known."""
    eps = [np.full(b.size, float(np.finfo(b.real_dtype).eps)) for b in setting.parameters.blocks]
    norms = matrix.norms(np.concatenate(eps) * np.abs(setting.x))
    return np.zeros(matrix.shape[0]) if norms is None else norms
