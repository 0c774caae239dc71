"""Which entries are wrong: a measurement along one direction tells a place to as many bits as its bar allows.

Along v with weights w_p in a random order of the entries the residual is the sum of w_p e_p v_p. For one wrong entry
the ratio of the residuals for these weights and for 1 is its weight, and so its place. Where several are wrong a part
of them is measured apart: adaptive group testing with real numbers for answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index, Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.tangents import TOGETHER, within
from gradcheck.results.certificate import LEAST
from gradcheck.results.entries import Entries

# Weights lie between 0.5 and 1.5, in equal steps.
LIGHTEST, HEAVIEST = 0.5, 1.5
# Rows whose ratios are read.
ASKED = 50
# A ratio names one place where its bars are this part of the distance between two; else one may lie there by chance.
SURE = 0.25
# A place that lies between two by less than this was rounded.
ROUNDING = 1e-9
# Times that the weights are stretched over the places that are left.
STRETCHES = 4
# After so many wrong entries, and each time that they have doubled, others in the box that holds them are sampled:
# where all are wrong, too, the mistake fills its part, and entries are not what to look for; nor where most are of so
# many that they would take tens of thousands of evaluations.
MANY, SAMPLES, LARGE = 8, 3, 1000
# Several that are wrong may cancel to as little as this part of the least of them in one case of ten.
TELLING = 0.1
# What judging an entry by itself takes, by four points, or the complex step and two.
ONE, ONE_EXACT = 4, 3
# Entries judged at a node, one after another, before it is split.
TRIES = 12


# judge(column, rows, off) -> the entries of that column in these rows (k,), each judged by itself. off : (k,) what they
# are off by where nothing else is, by a direction; None where none tells.
Judge = Callable[[int, Index, Values | None], Entries]
# around(columns) -> the columns of the smallest boxes that hold them.
Around = Callable[[list[int]], Index]


@dataclass
class Places:
    """What the search found. wrong : columns with a wrong entry. right : columns that were looked at and are not.

    unexplained : rows (m,) in which something remains that no entry explains. spent : it ended before its time.
    dense : sampled entries were wrong, too. looked : the columns that were looked through, at random, where so many of
    them are wrong that judging each by itself costs less.
    """

    wrong: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    unexplained: Mask = field(default_factory=lambda: np.zeros(0, bool))
    spent: bool = False
    dense: bool = False
    looked: Index = field(default_factory=lambda: np.empty(0, np.intp))


@dataclass(frozen=True)
class _Part:
    """Places start..stop - 1 with their residuals (2, m), for weights of 1 and for w, and the bars of both.

    w grows along a span of places. asked : these residuals have named no place before.
    """

    start: int
    stop: int
    span: tuple[int, int]
    residual: Values
    error: Values
    asked: bool = False

    @property
    def size(self) -> int:
        return self.stop - self.start


class _Search:
    def __init__(
        self,
        test: JointTest,
        direction: Direction,
        rows: Mask,
        judge: Judge,
        order: Index,
        precise: bool = False,
    ) -> None:
        self.test, self.exact, self.rows, self.judge = test, direction.exact, rows, judge
        # Coordinates in random order: places.
        self.order = order
        self.tangent = direction.tangent
        # What is said to exceed leaves more than the bars and the smallest mistake that counts.
        self.least = np.maximum(direction.allowed - 3.0 * direction.error, 0.0)
        self.nothing = direction.weight == 0
        self.known: dict[int, tuple[Values, Values]] = {}  # by place
        self.found = Places()
        self.precise = precise
        # Evaluations of f when it began, at the last wrong entry, and of the last one; and how many may go without one.
        self.begin = self.since = test.problem.objective.nfev
        self.last = self.patience = math.inf

    def measure(self, start: int, stop: int, *, weighted: bool) -> tuple[Values, Values]:
        """The residual (m,) along some places, and its bar; weights grow along these."""
        tangent = np.zeros(self.test.problem.x.size)
        for begin in range(start, stop, TOGETHER):
            end = min(begin + TOGETHER, stop)
            inside = self.order[begin:end]
            part = self.tangent[inside]
            tangent[inside] = part * weights_of(np.arange(begin, end), (start, stop)) if weighted else part
        return self.residual(tangent)

    def residual(self, tangent: Flat) -> tuple[Values, Values]:
        """The residual (m,) along a tangent, and its bar."""
        direction = self.test.again(tangent, exact=self.exact, precise=self.precise)
        return direction.residual, direction.error

    def explained(self, start: int, stop: int, span: tuple[int, int]) -> _Part:
        """What entries that were judged explain of the residuals along some places, and how well that is known."""
        residual, error = np.zeros((2, 2, self.rows.size))
        for place, (off, bar) in self.known.items():
            if start <= place < stop:
                moved, weights = self.tangent[self.order[place]], np.array([[1.0], [weights_of(place, span)]])
                residual += off * moved * weights
                error += bar * abs(moved) * weights
        return _Part(start, stop, span, residual, error)

    def corrected(self, part: _Part) -> _Part:
        """The same, less what entries that were judged explain of it."""
        known = self.explained(part.start, part.stop, part.span)
        return replace(part, residual=part.residual - known.residual, error=part.error + known.error)

    def exceeds(self, residual: Values, error: Values) -> Mask:
        return np.asarray((np.abs(residual) > 3.0 * error + self.least) & self.rows)

    def look_at(self, place: int, plain: Values | None = None) -> bool:
        """Judge the entry of one place by itself; whether it is wrong in any row.

        plain : (m,) the residual that it explains if nothing else is wrong.
        """
        column = int(self.order[place])
        rows = np.flatnonzero(self.rows)
        judged = self.judge(column, rows, None if plain is None else plain[rows] / self.tangent[column])
        off, error = np.zeros(self.rows.size), np.zeros(self.rows.size)
        off[rows], error[rows] = judged.analytic - judged.estimate.value, judged.estimate.error
        usable = np.isfinite(off) & np.isfinite(error)
        off, error = np.where(usable, off, 0.0), np.where(usable, error, 0.0)
        self.known[place] = (off, error)
        # A row that is claimed to be 0 has the size of what is found in it.
        told = LEAST * self.test.problem.tolerance.rtol * np.abs(off * self.tangent[column])
        self.least = np.where(self.nothing, np.maximum(self.least, told), self.least)
        is_wrong = bool(judged.judgement.wrong.any())
        (self.found.wrong if is_wrong else self.found.right).append(column)
        return is_wrong

    def samples_are_wrong(self, around: Around, rng: np.random.Generator) -> bool:
        """Whether a few entries among those that are wrong are wrong, too: all, or most of a large part."""
        inside = np.flatnonzero(np.isin(self.order, around(self.found.wrong)))
        others = np.setdiff1d(inside, list(self.known))
        if others.size <= SAMPLES:
            return False
        samples = rng.choice(others, SAMPLES, replace=False)
        if self.hold_nothing(samples):
            return False
        right = 0
        for place in samples:
            right += not self.look_at(int(place))
            if right > (others.size > LARGE):
                return False
        return True

    def crowded(self, parts: list[_Part]) -> Index | None:
        """The columns in none of the parts that are left, where looking at each had cost less; else None."""
        if self.rows.size > 1:
            return None  # of a matrix others are told by the same points
        inside = np.ones(self.order.size, bool)
        for part in parts:
            inside[part.start : part.stop] = False
        looked, each = self.order[inside], ONE_EXACT if self.exact else ONE
        few = np.count_nonzero(np.isin(looked, self.found.wrong)) < MANY / 2
        return None if few or self.test.problem.objective.nfev - self.begin <= each * looked.size else looked

    def explained_by_entries(self, part: _Part) -> Mask:
        """Judge the entries that a part names, one after another; (m,) the rows in which something is left then."""
        objective = self.test.problem.objective
        for nth in range(TRIES):
            now = self.corrected(part)
            left = np.asarray(self.exceeds(now.residual, now.error * [[1.0], [HEAVIEST]]).any(axis=0))
            if not left.any():
                break
            if objective.nfev > min(self.last, self.since + self.patience) or objective.remaining < 40:
                self.found.spent = True
                self.found.unexplained |= left
                return left & False
            asked = part.asked and nth == 0
            places = [part.start] if part.size == 1 else [] if asked else self.suspects(now, left)
            wrong = [self.look_at(place, now.residual[0]) for place in places if place not in self.known]
            if not any(wrong):
                break
            self.since = objective.nfev
        return left

    def hold_nothing(self, places: Index) -> bool:
        """Whether some places together leave nothing, where any that is as wrong as the least so far would show."""
        least = np.full(self.rows.size, np.inf)
        for place, (off, error) in self.known.items():
            left = np.where(np.abs(off) > 3.0 * error, np.abs(off * self.tangent[self.order[place]]), np.inf)
            least = np.minimum(least, left)
        residual, error = self.residual(within(self.tangent, self.order[places]))
        shows = 3.0 * error + self.least <= TELLING * least
        return bool(shows[self.rows].all()) and not self.exceeds(residual, error).any()

    def suspects(self, part: _Part, exceeding: Mask) -> list[int]:
        """The places that the ratios of the rows that exceed their bars name."""
        (plain, weighted), (bar, error), inside = part.residual, part.error, (part.start, part.stop)
        # Rows that share a mistake name the same place: of many, some will do.
        rows = np.flatnonzero(exceeding & self.exceeds(plain, bar))[:ASKED].tolist()
        first = {i: told_by(plain[i], bar[i], weighted[i], error[i], part.span, inside) for i in rows}
        told = {i: (places, width) for i, (places, width) in first.items() if places}
        for _ in range(STRETCHES):
            vague = {i: (places, width) for i, (places, width) in told.items() if width > SURE}
            if not vague:
                break
            start = min(places.start for places, _ in vague.values())
            stop = max(places.stop for places, _ in vague.values())
            if 2 * (stop - start) >= part.size:
                break
            weighted, error = self.measure(start, stop, weighted=True)
            known = self.explained(start, stop, (start, stop))
            weighted, error = weighted - known.residual[1], error + known.error[1]
            new = {i: told_by(plain[i], bar[i], weighted[i], error[i], (start, stop), inside) for i in vague}
            finer = {i: each for i, each in new.items() if each[0] and each[1] < vague[i][1]}
            # A row that allows no place any more named one by chance.
            told = {i: finer.get(i, each) for i, each in told.items() if i not in vague or new[i][0]}
            if not finer:
                break
        # One place, or two.
        return sorted({place for places, _ in told.values() if len(places) <= 2 for place in places})

    def halves(self, part: _Part) -> list[_Part]:
        """The parts of a part in which something exceeds its bar; the second is what the first leaves."""
        middle = (part.start + part.stop) // 2
        ends = (part.start, middle), (middle, part.stop)
        plain, error = self.measure(*ends[0], weighted=False)
        plains, errors = (plain, part.residual[0] - plain), (error, part.error[0] + error)
        for silent, loud in ((0, 1), (1, 0)):
            known = self.explained(*ends[silent], part.span)
            if not self.exceeds(plains[silent] - known.residual[0], errors[silent] + known.error[0]).any():
                # It adds to the weighted residual what is known of it, and at most its weight times its own bar.
                residuals = plains[loud], part.residual[1] - known.residual[1]
                bars = errors[loud], part.error[1] + known.error[1] + HEAVIEST * errors[silent]
                return [_Part(*ends[loud], part.span, np.stack(residuals), np.stack(bars), asked=True)]
        weighted, weighted_error = self.measure(*ends[0], weighted=True)
        # By the weights of the whole part, which are these times `slope`, and `more`.
        slope = (middle - part.start) / (part.span[1] - part.span[0])
        more = float(weights_of(part.start, part.span) - slope * weights_of(part.start, ends[0]))
        rest = part.residual[1] - slope * weighted - more * plain
        bar = part.error[1] + slope * weighted_error + abs(more) * error
        return [
            _Part(*ends[1], part.span, np.stack([plains[1], rest]), np.stack([errors[1], bar])),
            _Part(*ends[0], ends[0], np.stack([plain, weighted]), np.stack([error, weighted_error])),
        ]


def weights_of(places: Index | int, span: tuple[int, int]) -> Any:
    """The weights of some places, which grow along a span of them."""
    start, stop = span
    return LIGHTEST + (places - start + 0.5) / (stop - start)


def told_by(
    plain: float, bar: float, weighted: float, error: float, span: tuple[int, int], inside: tuple[int, int]
) -> tuple[range, float]:
    """Which places inside some the ratio of two residuals allows, by weights along a span; how many its bar would."""
    start, stop = span
    if plain == 0 or not np.isfinite(plain):
        return range(0), math.inf
    ratio = float(weighted) / plain
    width = 6.0 * (error + abs(ratio) * bar) / abs(plain) * (stop - start)
    middle = (ratio - LIGHTEST) * (stop - start) - 0.5 + start
    if not (np.isfinite(middle) and np.isfinite(width)):
        return range(0), math.inf
    to_each_side = max(width / 2.0, ROUNDING)
    first = max(inside[0], start, math.ceil(middle - to_each_side))
    last = min(inside[1] - 1, stop - 1, math.floor(middle + to_each_side))
    return range(first, last + 1), width


def _ordered(direction: Direction, rng: np.random.Generator) -> Index:
    """The coordinates that a direction moves in random order, in half of the memory where they allow it."""
    moved = np.flatnonzero(direction.tangent)
    order: Index = moved.astype(np.int32) if moved.size < 2**31 else moved
    rng.shuffle(order)
    return order


def in_random_order(
    test: JointTest, direction: Direction, rng: np.random.Generator
) -> tuple[Index, Direction]:
    """What a search along a direction begins with: its coordinates in random order, and the same with their weights."""
    order = _ordered(direction, rng)
    tangent = np.zeros_like(direction.tangent)
    tangent[order] = direction.tangent[order] * weights_of(np.arange(order.size), (0, order.size))
    return order, test.again(tangent, exact=direction.exact, precise=False)


def find_places(
    test: JointTest,
    direction: Direction,
    rows: Mask,
    judge: Judge,
    around: Around,
    rng: np.random.Generator,
    budget: int,
    *,
    precise: bool = False,
    patience: float = math.inf,
    begun: tuple[Index, Direction] | None = None,
) -> Places:
    """The wrong entries of the rows (m,) in which a direction found something.

    judge : looks at one entry by itself: nothing is named without. around : the box that holds some entries, in which
    others are sampled. budget, patience : evaluations of f after which it ends, in all and since the last wrong entry.
    precise : four points a measurement, not two.
    begun : of `in_random_order`, where that was asked already.
    Source: adaptive group testing with additive answers; the order and the bars by trial, see docs/verdict.md.
    """
    order, seen = (_ordered(direction, rng), None) if begun is None else begun
    search = _Search(test, direction, rows, judge, order, precise)
    search.since, search.last, search.patience = search.begin, search.begin + budget, patience
    count, found = search.order.size, search.found
    measured = search.measure(0, count, weighted=True) if seen is None else (seen.residual, seen.error)
    residual, error = (
        np.stack(each) for each in zip((direction.residual, direction.error), measured, strict=True)
    )
    parts = [_Part(0, count, (0, count), residual, error)]
    found.unexplained = np.zeros(rows.size, bool)
    sample_at = MANY
    while parts:
        if len(found.wrong) >= sample_at:
            sample_at *= 2
            found.dense = search.samples_are_wrong(around, rng)
            looked = None if found.dense else search.crowded(parts)
            if found.dense or looked is not None:
                found.spent, found.looked = True, found.looked if looked is None else looked
                break
        part = parts.pop()
        left = search.explained_by_entries(part)
        if part.size == 1:
            found.unexplained |= left
        elif left.any():
            parts += search.halves(part)
    return found
