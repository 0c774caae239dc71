"""What one direction shows of every row of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.numerics.line_fit import LineFit

__all__ = ["Direction"]


@dataclass(frozen=True)
class Direction:
    """What one direction v shows of every row; arrays are (m,).

    tangent : (n,) v; empty of all but the last of several. step : the longest offset, in units of v.
    weight : the root of the sum of squares of the terms of J v. residual : J v less the derivative along v; error : its
    E. allowed : what a right row may leave.
    exact : by the complex step. noisy : (m,) rows whose error is noise, which knows nothing of v. fit : of the real
    points, where more are to be had like them. hidden : what the residual may lack beside noise; None is a part of E.
    """

    tangent: Flat
    step: float
    weight: Values
    residual: Values
    error: Values
    allowed: Values
    exact: bool = False
    noisy: Mask | bool = False
    fit: LineFit | None = None
    hidden: Values | None = None

    @property
    def noise(self) -> Values:
        """(m,) what one value of f may be off by, as far as the real points of a first direction show it."""
        assert self.fit is not None
        return self.fit.least_noise

    @cached_property
    def most(self) -> Values:
        """What the residual may be at the most, but for noise: independent of v, it makes no residual less likely."""
        if self.hidden is not None:
            return np.asarray(np.abs(self.residual) + self.hidden)
        bars = 3.0 if self.noisy is False else np.where(self.noisy, 1.0, 3.0)
        return np.asarray(np.abs(self.residual) + bars * self.error)

    @cached_property
    def exceeds(self) -> Mask:
        """Rows in which something is wrong; nan is not evidence."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(self.residual) > self.allowed)
