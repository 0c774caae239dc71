"""Taylor remainders: how they fall with the step, and which mistakes would have shown in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Mask, Values
from gradcheck.numerics.outputs import Noise
from gradcheck.numerics.steps import DROWNED
from gradcheck.numerics.tangents import ROUNDING, root_mean_square
from gradcheck.results.verdict import DEFAULT_RTOL

# A remainder counts where it is this many times what noise explains; three of them make an order.
CLEAR, LEAST = 10.0, 3
# What is expected within so many times what noise explains.
BAR = 3.0
# Steps from which the order is taken: the smallest that are clear.
FITTED = 4
# Weights of five changes of f, at h, h/2, h/4, h/8 and h/16, that leave nothing of a jump and of the first three powers
# of h: the coefficients of (1 - z) (1 - 2 z) (1 - 4 z) (1 - 8 z). Of so many of the smallest steps they leave noise.
WEIGHTS, SMALLEST = (1.0, -15.0, 70.0, -120.0, 64.0), 14
# What they leave is more than what values round, which is by their own size.
ROUNDINGS = 16.0


@dataclass(frozen=True)
class Remainders:
    """The remainders on both sides of x, as norms over the outputs, and the order with which they fall.

    steps : (k,). right, left : (k, m) remainders. noise : (k,) what noise explains of them. slopes : (m,) |J v|.
    expected : the order of a right derivative. own : the number of the first step that is no longer than x is large,
    None where x does not say how long a step is. moves : (k,) what f moves by between both sides, halved, or None where
    noise is as large as f; of_f : (k,) its noise. bends : (m,) the size that a mistake of v.Hv is relative to.
    curved : |v.Hv| of the claim, as a norm over the outputs.
    """

    steps: Values
    right: Values
    left: Values
    noise: Values
    slopes: Values
    expected: int
    own: int | None
    moves: Values | None
    of_f: Values
    bends: Values
    curved: float = 0.0

    @classmethod
    def of(
        cls,
        steps: Values,
        change: Values,
        *,
        f_x: Flat,
        slope: Flat,
        bend: float,
        expected: int,
        length: float,
        own: int | None,
        noises: Noise,
    ) -> Remainders:
        """What slope (m,) and curvature v.Hv of the claim leave of f's changes (2, k, m), outputs in their own units.

        length : of v. own : how many steps, of the smallest, are no longer than x is large; None where x does not say
        how long a step is. noises : of f near x.
        """
        size, h = np.abs(slope), steps[:, None]
        # Each relative to its slope, so that none is drowned.
        unit = np.ones(1)
        if size.size > 1:
            unit = np.where(size > 0, size, np.median(size[size > 0]) if (size > 0).any() else 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            right = np.asarray((change[0] - h * slope - h * h / 2.0 * bend) / unit, np.float64)
            left = np.asarray((change[1] + h * slope - h * h / 2.0 * bend) / unit, np.float64)
            # A curvature of 0 is held to what would change the slope by itself over 1, or over the length of x.
            bends = np.full(size.size, abs(bend)) if bend else size * min(length, 1.0)
        level, of_f, far = _noise(change, noises)
        # Noise as large as f is an oscillation faster than every step, or nothing is known of f.
        drowned = norm(level / unit) > DROWNED * norm(np.maximum(np.abs(f_x), far) / unit)
        moves = norms((change[0] - change[1]) / 2.0 / unit)
        claimed = ROUNDING * np.finfo(np.float64).eps * h * size
        # At x = 0 what f changes by along a step is not its size there.
        return cls(
            steps, right, left, norms((of_f + claimed) / unit), size / unit, expected,
            None if own is None else steps.size - own, None if drowned else moves,
            norms(of_f / unit), bends / unit, abs(bend) * norm(1.0 / unit),
        )  # fmt: skip

    @cached_property
    def slope(self) -> float:
        """That of all outputs together."""
        return norm(self.slopes)

    @cached_property
    def sizes(self) -> Values:
        """(k,) the larger remainder of both sides."""
        return np.maximum(norms(self.right), norms(self.left))

    @cached_property
    def odd(self) -> Values:
        """(k,) the part that changes its sign with the side."""
        return norms((self.right - self.left) / 2.0)

    @cached_property
    def even(self) -> Values:
        """(k,) the part that is the same on both sides."""
        return norms((self.right + self.left) / 2.0)

    @cached_property
    def known(self) -> Mask:
        """(k,) where f is finite."""
        return np.isfinite(self.sizes)

    @property
    def order(self) -> float:
        """The order with which the remainder falls."""
        return self.order_of(self.sizes)

    def clear(self, sizes: Values, noise: Values | None = None) -> NDArray[np.intp]:
        """The smallest steps at which something stands out of the noise, without a gap above them."""
        clear = self.known & (sizes > CLEAR * (self.noise if noise is None else noise))
        first = int(np.argmax(clear)) if clear.any() else 0
        hidden = np.flatnonzero(~clear[first:])
        last = first + int(hidden[0]) if hidden.size else clear.size
        return np.arange(max(first, last - FITTED), last)

    def order_of(self, sizes: Values, noise: Values | None = None) -> float:
        """The power of the step with which something falls; nan where too few of it are clear of the noise."""
        rows = self.clear(sizes, noise)
        if rows.size < LEAST:
            return math.nan
        return float(np.polyfit(np.log(self.steps[rows]), np.log(sizes[rows]), 1)[0])

    @property
    def linear(self) -> bool:
        """Whether the remainder never stands out of the noise."""
        return self.clear(self.sizes).size < LEAST

    def but_for(self, rtol: float) -> Remainders:
        """The same without what slope and curvature are off by, where that is no more than `rtol` of each output's."""
        less = self._without(self.odd, -1.0, 1, self.slopes, rtol)
        return less if self.expected == 2 else less._without(less.even, 1.0, 2, less.bends, rtol)

    def _without(self, sizes: Values, parity: float, power: int, claimed: Values, rtol: float) -> Remainders:
        """Without the part of one parity that falls as a power of the step, as the smallest clear step shows it."""
        rows = self.clear(sizes)
        if not self.order_of(sizes) < power + 0.5:
            return self
        units = self.steps**power
        off = (self.right[rows[-1]] + parity * self.left[rows[-1]]) / 2.0 / units[rows[-1]]
        # The curvature counts by half: h^2 / 2.
        if not (power * np.abs(off) <= rtol * claimed).all():
            return self
        part = units[:, None] * off
        unsure = self.noise + self.noise[rows[-1]] * units / units[rows[-1]]
        return replace(self, right=self.right - part, left=self.left - parity * part, noise=unsure)

    def seen_along(self) -> float:
        """The smallest mistake, relative to the slope, that would have shown: what a remainder ~ h would exceed.

        In the odd part, f(x + h v) - f(x - h v) less 2 h J v, from which all that is even has gone; at as many steps as
        make an order, and by twice as much, so that what is of a higher order there does not hide it.
        """
        size = self.slope
        if self.own is not None or size == 0:
            first = np.flatnonzero(self.known[self.own or 0 :])
            # What f moves by within the size of x, along with the slope, or bends as the claim has it.
            moved = self.sizes / self.steps + self.steps / 2.0 * self.curved
            size = max(size, *moved[self.own or 0 :][first[:1]].tolist())
        if size == 0:
            return math.inf
        each = np.maximum(self.odd, CLEAR * self.noise) / self.steps / size
        return 2.0 * float(np.sort(each[self.known])[LEAST - 1])

    def seen_across(self) -> float:
        """The most, relative to itself, that the curvature v.Hv may be off by: what noise leaves of the even remainder.

        At two steps, as at one the next even power may cancel the mistake.
        """
        size = norm(self.bends)
        if size == 0:
            return math.inf
        each = 2.0 * (self.even + BAR * self.noise) / self.steps**2 / size
        return float(np.sort(each[self.known])[1])


def _noise(change: Values, noises: Noise) -> tuple[Values, Values, Values]:
    """The noise of f near x (m,), at each step (k, m), and the largest change (m,)."""
    kinds = [name if name in DEFAULT_RTOL else "float64" for name in noises.digits]
    rounding = np.array([float(np.finfo(name).eps) for name in kinds])
    level = np.maximum(noises.level, unexplained(change, rounding))
    # Where f does not move at all at some step, its least change is a step of the grid on which it lies.
    least = np.min(np.where(np.nan_to_num(change) != 0, np.abs(change), np.inf), axis=(0, 1))
    stays = (change == 0).any(axis=(0, 1)) & np.isfinite(least)
    level = np.where(stays, np.maximum(level, least), level)
    # Far from x a value rounds by its own size, which may be many times that of f(x).
    far = np.nan_to_num(np.max(np.abs(change), axis=0), nan=0.0, posinf=0.0)
    return level, level + rounding * far, far.max(axis=0)


def unexplained(change: Values, rounding: Values) -> Values:
    """The noise (m,) of f that its changes (2, k, m) show at the smallest of steps a factor two apart: twice its sigma.

    Where eight points lie on one step of a grid, or a whole number of steps apart, noise shows there alone.
    rounding : (m,) what values round by, relative to their size.
    """
    rows = change[:, -SMALLEST:]
    count = rows.shape[1] - len(WEIGHTS) + 1
    if count < 1:
        return np.zeros(change.shape[2])
    with np.errstate(invalid="ignore", over="ignore"):
        left = sum(w * rows[:, i : i + count] for i, w in enumerate(WEIGHTS)) / norm(np.array(WEIGHTS))
        # Of these values the first is the largest, or rounds no less.
        told = np.isfinite(left) & (np.abs(left) > ROUNDINGS * rounding * np.abs(rows[:, :count]))
    left = np.where(told, left, 0.0)
    # The largest is taken out first, so that no square overflows or vanishes.
    most = np.abs(left).max(axis=(0, 1))
    left /= np.where(most > 0, most, 1.0)
    return np.asarray(2.0 * most * np.sqrt(np.square(left).mean(axis=(0, 1))))


def norm(values: Values) -> float:
    """The root of the sum of squares; inf where a value is not finite."""
    # The largest is taken out first, so that no square overflows or vanishes.
    return root_mean_square(values) * math.sqrt(np.size(values)) if np.isfinite(values).all() else math.inf


def norms(rows: Values) -> Values:
    """The norm (k,) of each row."""
    return np.array([norm(row) for row in rows])
