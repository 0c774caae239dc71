"""One directional derivative from a handful of values of f, with its own error bar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Values
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.estimate import Estimate
from gradcheck.results.outcome import Limit

# The six points of the central stencil, in units of the step. About h/2, h and 2h, but not in ratios of small whole
# numbers: an oscillation whose period divides one distance would divide all three, and look like a slow slope.
STENCIL = np.array([-1.87, -1.0, -0.53, 0.53, 1.0, 1.87])
# The six points of the one-sided stencil, in units of its reach; extreme points of a Chebyshev polynomial,
# whose weights amplify noise least among those of the same order.
SIDED_NODES = (1.0 - np.cos(np.pi * np.arange(1, 7) / 6.0)) / 2.0


@dataclass(frozen=True)
class Fit:
    """What one stencil says about m lines; every field is an (m,) array.

    value : the derivative, in units of f per unit of the line.
    truncation : |r - r'|, the distance of two Richardson values.
    noise : what the noise of f can make of the value.
    kink : half the jump of the slope, where the values show one beyond noise; else 0.
    kinked : the jump of the slope is the same at all steps: a kink at x, or too close to tell.
    jumping : f(x+t) - 2 f(x) + f(x-t) does not fall with t, or `stepped`: a jump of f itself.
    stepped : f(x+t) - f(x-t) is the same for all t (of one side, f(x+t) - f(x)): a jump at x, or a slope so steep that
        all of it lies within the nearest points. No slope of the line is known, and there is no bar.
    left, right : one-sided slopes; nan where there is no point on that side. sided : the larger of their bars E.
    curvature : second derivative; nan where only one side is known.
    chord : the steepest slope from x to one of the points.
    finite : whether f was finite at all points; the other fields mean nothing where it was not.
    finite_side : the side, 1 or -1, at whose points it was; -1 where at those of neither.
    """

    value: Values
    truncation: Values
    noise: Values
    kink: Values
    kinked: NDArray[np.bool_]
    jumping: NDArray[np.bool_]
    stepped: NDArray[np.bool_]
    left: Values
    right: Values
    sided: Values
    curvature: Values
    chord: Values
    finite: NDArray[np.bool_]
    finite_side: NDArray[np.int8]

    @cached_property
    def error(self) -> Values:
        """The error bar E: the true derivative is expected within 3 E."""
        error = self.bends + self.noise + eps_of(self.value.dtype) * np.abs(self.value)
        return np.asarray(np.where(self.finite & ~self.stepped, error, np.inf))

    @cached_property
    def bends(self) -> Values:
        """What is no noise of the bar."""
        return self.truncation + self.kink


def central(f_x: Any, offsets: Values, values: Values, level: Values) -> Fit:
    """Two Richardson extrapolations of central differences, and what their points say about kinks.

    f_x : f(x), of each line (m,) or of all. offsets : (m, 6) the offsets actually reached, near STENCIL times the step.
    values : (m, 6) f there. level : (m,) noise of one value of f.
    With D(t) = (f(x+t) - f(x-t)) / 2t at t = 0.53 h, h, 1.87 h: r, extrapolated to t^2 = 0 from the first two, has
    an error O(h^4); r' comes from the last two, and |r - r'| is about twelve times the error of r. A kink of size J
    at distance d << h makes both wrong by J/2 and leaves them close together, so the second differences
    S(t) = f(x+t) - 2 f(x) + f(x-t) are looked at as well: S(t)/t extrapolated to t = 0 is J, and 0 for a smooth f.
    Sources: Richardson 1911; Ridders, Adv. Eng. Softw. 4 (1982); Gill, Murray, Saunders & Wright 1983.
    """
    changes, t, slopes, second, eps, noise = _pairs(f_x, offsets, values, level)
    h, ratio, (r, wide), by_t = t[:, 1], (t[:, :2] / t[:, 1:]) ** 2, slopes.T, second / t
    jump, jump_wide = _at_zero(t[:, :2], by_t[:, :2], t[:, 1:], by_t[:, 1:]).T
    kink = np.abs(jump)
    # Of a smooth f it falls eightfold with h, of a kink it stays; 15 eps / h are three deviations of noise.
    seen = (kink > 15.0 * eps / h) & (np.abs(jump_wide) < 4.0 * kink)
    kinked = kink > 3.0 * np.abs(jump - jump_wide) + 20.0 * eps / h
    # The curvature of a smooth f, too, is the same from the nearer and the farther points. Where f'' jumps beside x
    # the slope is off by about as much, times the step, and r and r' may agree by chance. Three are two deviations
    # of noise; the factor of two by trial on squared hinges, and so that noise is not taken for bends.
    bend = by_t / t
    apart = np.abs(np.subtract(*_extrapolated(bend, ratio).T))
    rough = np.where(apart * h / 4.0 > 3.0 * eps / h, apart * h / 2.0, 0.0)
    stepped = _level_off(changes, eps)
    chords = (values - np.asarray(f_x)[..., None]) / offsets
    # Both sides at once.
    outwards, slopes = (np.concatenate([part[:, 3:], part[:, 2::-1]]) for part in (offsets, chords))
    each, bars = _side(outwards, slopes, np.concatenate([eps, eps]))
    (right, left), (right_bar, left_bar) = each.reshape(2, -1), bars.reshape(2, -1)
    return Fit(
        value=r,
        truncation=np.maximum(np.abs(r - wide), rough),
        noise=noise,
        kink=np.where(seen, kink / 2.0, 0.0),
        kinked=kinked,
        jumping=_alike(np.abs(second), 0.5, eps) | stepped,
        stepped=stepped,
        left=left,
        right=right,
        sided=np.fmax(left_bar, right_bar),
        curvature=bend[:, 1],
        chord=np.abs(chords).max(axis=1),
        finite=np.isfinite(values).all(axis=1) & np.isfinite(r) & np.isfinite(wide),
        finite_side=np.where(np.isfinite(values[:, 3:]).all(axis=1), 1, -1).astype(np.int8),
    )


def inner_pairs(f_x: Any, offsets: Values, values: Values, level: Values) -> Estimate:
    """The derivative by the two inner pairs of points of a central stencil, as `central` has it, and a wider bar.

    f_x, level : as in `central`. offsets, values : (m, 4).
    What the value still lacks is less than what the farther pair alone does, wherever f has a slope at all; half of the
    jump that the second differences leave at x is added, for two pairs do not tell a kink from bends. Evaluations are
    not counted.
    """
    changes, t, slopes, second, eps, noise = _pairs(f_x, offsets, values, level)
    h, r, outer = t[:, 1], slopes[:, 0], changes[:, 1] / (offsets[:, 3] - offsets[:, 0])
    jump = np.abs(_at_zero(t[:, 0], second[:, 0] / t[:, 0], h, second[:, 1] / h))
    kink = np.where(jump > 15.0 * eps / h, jump / 2.0, 0.0)
    truncation = np.abs(r - outer)
    noise = np.where(np.isfinite(values).all(axis=1) & np.isfinite(r), noise, np.inf)
    sided = truncation + kink + noise
    error = sided + eps_of(r.dtype) * np.abs(r)
    chord = np.abs((values - np.asarray(f_x)[..., None]) / offsets).max(axis=1)
    return Estimate(
        r, error, offsets[:, -1], noise, truncation, kink, r, r, sided, second[:, 1] / h / h, chord,
        np.full(r.shape, Limit.NONE, object), nfev=0,
    )  # fmt: skip


def _pairs(f_x: Any, offsets: Values, values: Values, level: Values) -> tuple[Values, ...]:
    """What pairs of points on both sides of x tell, (m, k) each, the nearest first; f_x to level : as in `central`.

    What f changes by over them, half of what lies between them, their slopes extrapolated by neighbours (m, k - 1), and
    the second differences; the noise (m,) of one value, and of the first slope.
    """
    k = values.shape[1] // 2
    # Not 2 h: the step that is really taken differs from h after rounding.
    changes, spans = values[:, k:] - values[:, k - 1 :: -1], offsets[:, k:] - offsets[:, k - 1 :: -1]
    t = spans / 2.0
    h, slopes = t[:, 1], _extrapolated(changes / spans, (t[:, :-1] / t[:, 1:]) ** 2)
    eps = np.maximum(level, eps_of(values.dtype) * np.abs(values).max(axis=1))
    # Uneven offsets (x on a coarse grid) would put a slope into the second differences.
    uneven = offsets[:, k:] + offsets[:, k - 1 :: -1]
    second = (
        values[:, k:] + values[:, k - 1 :: -1] - 2.0 * np.asarray(f_x)[..., None] - slopes[:, :1] * uneven
    )
    # The weights of the four values in r add up to three, over h. Uneven points let the bend of f into it. No h^2:
    # along tangents of 1e200, which a gradient of 1e-200 asks for, it is 0.
    noise = 3.02 * eps / h + np.abs(second[:, 1] / h) * (np.abs(uneven).max(axis=1) / h)
    return changes, t, slopes, second, eps, noise


def _level_off(changes: Values, eps: Values) -> NDArray[np.bool_]:
    """Whether changes (m, k) of f at distances that differ by a factor of 3 and more are the same within a tenth."""
    level = (changes.min(axis=1) > 0) | (changes.max(axis=1) < 0)
    return np.asarray(level & _alike(np.abs(changes), 0.9, eps))


def _alike(sizes: Values, part: float, eps: Values) -> NDArray[np.bool_]:
    """Whether the least of some sizes (m, k) is more than this part of the largest, and no noise."""
    least = sizes.min(axis=1)
    return np.asarray((least > part * sizes.max(axis=1)) & (least > 10.0 * eps))


def _extrapolated(values: Values, ratio: Values) -> Values:
    """What even functions of t are at 0, (m, k), from neighbours of (m, k + 1) values, the nearest first.

    ratio : (m, k) of the squares of their t.
    """
    return np.asarray((values[:, :-1] - ratio * values[:, 1:]) / (1.0 - ratio))


def _at_zero(near: Values, at_near: Values, far: Values, at_far: Values) -> Values:
    """The straight line through two values, at 0."""
    return np.asarray((far * at_near - near * at_far) / (far - near))


def _side(offsets: Values, chords: Values, eps: Values) -> tuple[Values, Values]:
    """The slope on one side and its bar, from three chords (m, 3) between x and the points at these offsets.

    The parabola through the chords, at 0; its distance from the straight line through the nearer two is the truncation.
    """
    near, middle, far = offsets.T
    weights = np.array(
        [
            middle * far / ((middle - near) * (far - near)),
            near * far / ((near - middle) * (far - middle)),
            near * middle / ((near - far) * (middle - far)),
        ]
    ).T.copy()
    slope = (weights * chords).sum(axis=1)
    straight = _at_zero(near, chords[:, 0], middle, chords[:, 1])
    each = weights / offsets
    noise = eps * (np.abs(each).sum(axis=1) + np.abs(each.sum(axis=1)))
    return slope, np.abs(slope - straight) + noise + eps_of(slope.dtype) * np.abs(slope)


def one_sided(f_x: Any, offsets: Values, values: Values, level: Values) -> Fit:
    """Derivative at the end of an interval, of the same order as the central one; kinks cannot be seen.

    f_x : as in `central`. offsets : (m, 6) all of one sign, near SIDED_NODES times the reach; values : (m, 6) f there.
    The weights come from the points actually reached, with f(x) as the seventh: order six, and order five
    without the farthest point; their distance is the truncation.
    """
    f_x = np.broadcast_to(np.asarray(f_x)[..., None], (len(values), 1))
    # In an interval of a few ulps the points fall together: no derivative there.
    apart = np.asarray((np.diff(np.abs(offsets), axis=1, prepend=0.0) > 0).all(axis=1))
    offsets = np.where(apart[:, None], offsets, SIDED_NODES)
    reach = offsets[:, -1]
    nodes = np.insert(offsets / reach[:, None], 0, 0.0, axis=1)
    full = _slope_weights(nodes) / reach[:, None]
    part = _slope_weights(nodes[:, :-1]) / reach[:, None]
    # Without f(x), of which the weights would leave their rounding where f stands still.
    rises = values - f_x.astype(values.dtype)
    r = (full[:, 1:] * rises).sum(axis=1)
    shorter = (part[:, 1:] * rises[:, :-1]).sum(axis=1)
    eps = np.maximum(level, eps_of(values.dtype) * np.maximum(np.abs(values).max(axis=1), np.abs(f_x[:, 0])))
    noise = eps * np.abs(full).sum(axis=1)
    nothing = np.zeros(r.shape, bool)
    stepped = _level_off(rises, eps)
    unknown = np.full(r.shape, np.nan)
    forward = reach > 0
    return Fit(
        value=r,
        truncation=np.abs(r - shorter),
        noise=noise,
        kink=np.zeros(r.shape),
        kinked=nothing,
        jumping=stepped,
        stepped=stepped,
        left=np.where(forward, unknown, r),
        right=np.where(forward, r, unknown),
        sided=np.abs(r - shorter) + noise,
        curvature=unknown,
        chord=np.abs(rises / offsets).max(axis=1),
        finite=apart & np.isfinite(values).all(axis=1) & np.isfinite(r) & np.isfinite(shorter),
        finite_side=np.where(forward, 1, -1).astype(np.int8),
    )


def _slope_weights(nodes: Values) -> Values:
    """(m, k) weights of the derivative at node 0, from the polynomial through all nodes."""
    degree = np.arange(nodes.shape[1])
    powers = np.asarray(nodes, np.float64)[:, None, :] ** degree[None, :, None]
    wanted = np.zeros((nodes.shape[0], degree.size, 1))
    wanted[:, 1] = 1.0
    return np.asarray(np.linalg.solve(powers, wanted)[:, :, 0])
