"""What random directions show about whole arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gradcheck._typing import Mask, Values
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box
from gradcheck.results.outcome import Limit

# The least |u_i|: what a single wrong entry certainly contributes.
LEAST = 0.5
# The part of the chance that the first look at a bound takes, which most often is the last.
FIRST_LOOK = 0.75
# Directions after which it is given up where f is noisy: each says less, and entries cost more, too.
MOST_WITH_NOISE = 64


@dataclass(frozen=True)
class Certificate:
    """What K random directions prove about the gradient of one array.

    bound : the scaled error norm ||e s|| is below it, e the error of the gradient and s (`Scaling.lengths`) how far a
        direction moves each entry.
    relative_to_rms : the norm ||e|| itself, in units of the array's root mean square entry.
    confidence : 1 - delta. directions : K. accepted : the part of `relative_to_rms` that is of entries which were
        judged by themselves, and are off by no more than the tolerance lets pass. others : whether the array is claimed
        to be 0; then it is what it moves f by, in units of what an entry of the other arrays does.

    If ||e s|| = B, one direction has a residual within tau with probability at most sqrt(2) tau / B, and K
    independent ones with at most (sqrt(2) tau / B)^K. So if all stay within tau, a B above
    sqrt(2) tau delta^(-1/K) would have had a chance below delta of going unseen. The constant: u_i has a density
    of at most 1/2, and a sum of independent variables with bounded densities has a density of at most
    sqrt(2) times the bound over the norm of the coefficients. docs/certificate.md has the derivation.
    Sources: Ball, Cube slicing in R^n (1986); Rogozin, The estimate for the maximum of the convolution of
    bounded densities (1987).
    """

    name: str
    bound: float
    relative_to_rms: float
    confidence: float
    directions: int
    accepted: float = 0.0
    others: bool = False

    @property
    def left(self) -> float:
        """`relative_to_rms` without what is accepted."""
        most, accepted = self.relative_to_rms, self.accepted
        if accepted == 0:
            return most  # to the last bit
        # No squares, which may be larger than any float.
        return math.sqrt(max(most - accepted, 0.0)) * math.sqrt(most + accepted)

    def __str__(self) -> str:
        directions = f"{self.directions} direction{'s' if self.directions > 1 else ''}"
        whose = "what an entry of the other arrays does" if self.others else "its root mean square entry"
        entry = f"the error of {self.name} is below {self.relative_to_rms:.1e} of {whose}"
        return f"{entry}, confidence {_percent(self.confidence)} % ({directions})"


@dataclass(frozen=True)
class Residual:
    """How far g.v is from the derivative along v: value, and its error bar E.

    weight : ||g v||, the root of the sum of squares of the products. allowed : what a right gradient may leave.
    """

    value: float
    error: float
    weight: float
    allowed: float

    @property
    def exceeds(self) -> bool:
        """Whether something is wrong along this direction."""
        return abs(self.value) > self.allowed


@dataclass(frozen=True)
class ArrayEvidence:
    """What the directions say about one array; `certificate` is None where they are too few or exceed their bars.

    smallest_visible : what a mistake as large as the entry, or as its array's root mean square, leaves at the least.
    limit : what keeps the bound from being smaller. fixed : how many of its entries equal bounds keep from being moved:
    nothing is said of these.
    """

    block: Block
    residuals: tuple[Residual, ...] = ()
    certificate: Certificate | None = None
    smallest_visible: float = LEAST
    limit: Limit = Limit.NONE
    fixed: int = 0

    def beside(self, other: ArrayEvidence) -> ArrayEvidence:
        """The evidence of some columns together with that of others; certified where both are."""
        mine, theirs = self.certificate, other.certificate
        if mine is None or theirs is None:
            return replace(self, certificate=None)
        both = replace(
            mine,
            bound=math.hypot(mine.bound, theirs.bound),
            relative_to_rms=math.hypot(mine.relative_to_rms, theirs.relative_to_rms),
            directions=mine.directions + theirs.directions,
        )
        return replace(self, residuals=self.residuals + other.residuals, certificate=both)

    @property
    def tested(self) -> bool:
        """Whether a direction was measured."""
        return any(math.isfinite(residual.error) for residual in self.residuals)

    @property
    def detectable(self) -> float:
        """The relative mistake of one entry that each of these directions would have shown, or all together exclude."""
        if not self.residuals or self.smallest_visible == 0:
            return math.inf
        each = max(r.allowed + 3.0 * r.error for r in self.residuals) / self.smallest_visible
        return each if self.certificate is None else min(each, self.certificate.relative_to_rms)


def bound_of(most: Sequence[Values], delta: float) -> Values:
    """The scaled error norm (m,) of each row that residuals of at most `most` (K, m) prove, missed with a chance delta.

    The chance that all but k of K directions stay within tau is at most C(K, k) (sqrt(2) tau / B)^(K - k). The k
    least precise may be left out: the shares of k = 0, 1, .. go with 2^-k, and that of the n-th look is
    `share_of(n, 3/4)`. docs/certificate.md derives it.
    """
    bounds = bounds_of_one(len(most), delta)
    if len(most) == 1:
        return np.asarray(bounds[0] * most[0])
    return np.asarray(np.minimum.reduce(bounds[:, None] * np.sort(most, axis=0)[::-1]))


@lru_cache(maxsize=256)
def bounds_of_one(count: int, delta: float) -> Values:
    """(K,) the norm that K residuals of 1 prove, where the 0, 1, .. least precise are left out."""
    share = delta * share_of(count, FIRST_LOOK) / (2.0 - 2.0 ** (1 - count))
    return np.array(
        [math.sqrt(2.0) * (math.comb(count, k) * 2.0**k / share) ** (1.0 / (count - k)) for k in range(count)]
    )


def share_of(nth: int, first: float) -> float:
    """What part of a chance the n-th of any number of occasions gets, all together 1; first : that of the first."""
    return first if nth == 1 else (1.0 - first) / (nth * (nth - 1))


def shares_of(chance: float) -> Iterator[float]:
    """What each of any number of tests gets of a chance: half of it the first, of which most are the only ones."""
    return (chance * share_of(nth, 0.5) for nth in itertools.count(1))


def precise(most: Values, sizes: Values, delta: float) -> Mask:
    """(K,) the directions that the bounds of some rows rest on: all but the least precise, as many as no row needs.

    most : (K, m) what the residuals of these rows are at the most. sizes : (m,) what these are relative to.
    """
    bounds = bounds_of_one(len(most), delta)
    fewest = int(np.argmin(bounds[:, None] * np.sort(most, axis=0)[::-1], axis=0).min())
    kept = np.ones(len(most), bool)
    kept[np.argsort(-np.max(most / sizes, axis=1), kind="stable")[:fewest]] = False
    return kept


@lru_cache(maxsize=256)
def least_bounds(delta: float) -> Values:
    """(MOST_WITH_NOISE,) the same of 1, 2, .. residuals, the best number of them left out."""
    return np.array([bounds_of_one(k, delta).min() for k in range(1, MOST_WITH_NOISE + 1)])


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.10f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Region:
    """A part of an array that holds something wrong and was not taken apart.

    throughout : all sampled entries of it were wrong; otherwise the search ended before it could name the entries.
    stored : how many of its entries a sparse matrix has; None where it has all. factor : what all its entries are off
    by, known to `factor_bar` of itself; where directions bear out the gradient without it each entry is right then
    within `bar`.
    """

    block: Block
    box: Box
    throughout: bool
    stored: int | None = None
    factor: float | None = None
    bar: float = math.inf
    factor_bar: float = math.inf

    @property
    def borne_out(self) -> float | None:
        """The factor, where directions tell that all entries are off by it and by nothing else."""
        return self.factor if math.isfinite(self.bar) else None

    @property
    def size(self) -> int:
        """The entries of it that may be other than zero."""
        return self.box.size if self.stored is None else self.stored

    def __str__(self) -> str:
        return self.box.words(self.block)
