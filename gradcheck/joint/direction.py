"""What one direction shows of every row of a claim, and what several show together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gradcheck._typing import Flat, Mask, Values
from gradcheck.numerics.line_fit import LineFit

UNKEPT = np.empty(0)
# A slope along a direction lies below this part of the root of the sum of squares of its terms in 1.6 % of cases; and
# below that part in one of a thousand.
STEEP, SHALLOW = 0.02, 1e-3


@dataclass(frozen=True)
class Direction:
    """What one direction v shows of every row; arrays are (m,).

    tangent : (n,) v; empty of all but the last of several. step : the longest offset, in units of v.
    weight : the root of the sum of squares of the terms of J v. residual : J v less the derivative along v; error : its
    E. allowed : what a right row may leave.
    exact : by the complex step. noisy : (m,) rows whose error is noise, which knows nothing of v. rounded : rows whose
    error is rounding, which knows nothing of v either. fit : of the real points, where more are to be had like them.
    hidden : what the residual may lack beside noise and rounding; None is a part of E.
    """

    tangent: Flat
    step: float
    weight: Values
    residual: Values
    error: Values
    allowed: Values
    exact: bool = False
    noisy: Mask | bool = False
    rounded: Mask | bool = False
    fit: LineFit | None = None
    hidden: Values | None = None

    @property
    def noise(self) -> Values:
        """(m,) what one value of f may be off by, as far as the real points of a first direction show it."""
        assert self.fit is not None
        return self.fit.least_noise

    def without_tangent(self) -> Direction:
        """The same in less memory, for one that is looked at no more."""
        other = object.__new__(Direction)
        vars(other).update(vars(self), tangent=UNKEPT)  # with what was made of it
        return other

    def about(self, rows: Mask) -> Direction:
        """The same, of some rows (m,) alone."""
        return replace(self.without_tangent(), error=np.where(rows, self.error, np.inf))

    @property
    def in_noise(self) -> bool:
        """Whether noise is what limits some row."""
        # `np.any` of one False takes longer than all else that is asked here.
        return self.noisy is not False and bool(np.any(self.noisy))

    @property
    def bar(self) -> Values:
        """What a residual of nothing may be at the most, but for noise: independent of v, it makes none less likely."""
        if self.hidden is not None:
            return self.hidden
        if self.noisy is False and self.rounded is False:
            return 3.0 * self.error
        return np.where(self.noisy | self.rounded, 1.0, 3.0) * self.error

    @property
    def off(self) -> Values:
        """The size of the residual."""
        return np.abs(self.residual)

    @cached_property
    def most(self) -> Values:
        """What the residual may be at the most, but for noise."""
        return self.off + self.bar

    @property
    def borne_out(self) -> Mask:
        """(m,) rows in which f is about as steep as is claimed, right or wrong: the claim tells how far to move x."""
        assert self.fit is not None
        slope = np.abs(self.fit.value)
        steep = np.asarray((slope >= STEEP * self.weight) & (slope <= self.weight / STEEP))
        if 2 * np.count_nonzero(steep) <= steep.size:
            return steep
        # Where most are, others hardly move along it by accident.
        return np.asarray((slope >= SHALLOW * self.weight) & (slope <= self.weight / STEEP))

    @cached_property
    def exceeds(self) -> Mask:
        """Rows in which something is wrong; nan is not evidence."""
        return self.off > self.allowed


@dataclass(frozen=True)
class Joint:
    """What the directions show together; masks and arrays are (m,).

    bound : of the scaled error norm ||e s|| of each row, infinite where there is none: each may be missed with the
    whole chance, so that of several rows only `worst` and `bounds` are told. certified : the bound is within the
    resolution. wrong : rows in which something exceeds the bars. The others are open.
    sizes : what a mistake is relative to, in the units of `bound`. spent : whether the budget ended it.
    """

    directions: tuple[Direction, ...]
    bound: Values
    certified: Mask
    wrong: Mask
    sizes: Values
    spent: bool = False

    @property
    def worst(self) -> float:
        """What the error of every certified row is below, in units of its size.

        The row that is off by most is one row: that its bound is missed is as unlikely as of one alone.
        """
        known = self.certified & (self.sizes > 0)
        return float(np.max(self.bound[known] / self.sizes[known], initial=0.0))

    @property
    def bounds(self) -> Values:
        """(m,) what the error norms of all certified rows are below at once."""
        return np.where(self.certified, self.worst * self.sizes, np.inf)

    def beside(self, later: Joint) -> Joint:
        """The same, and what later directions certify of the rows that these left open."""
        new = later.certified & ~self.certified
        told = [d.about(self.certified) for d in self.directions] + [d.about(new) for d in later.directions]
        return Joint(
            tuple(told), np.where(new, later.bound, self.bound), self.certified | new, self.wrong,
            np.where(new, later.sizes, self.sizes), self.spent or later.spent,
        )  # fmt: skip
