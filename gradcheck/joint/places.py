"""Which entries are wrong: a measurement along one direction tells a place to as many bits as its bar allows.

Along v with weights w_p in a random order of the entries the residual is the sum of w_p e_p v_p. For one wrong entry
the ratio of the residuals for these weights and for 1 is its weight, and so its place. Where several are wrong a part
of them is measured apart: adaptive group testing with real numbers for answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck._typing import Index, Mask, Values
from gradcheck.joint.direction import Direction
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.tangents import TOGETHER
from gradcheck.results.evidence import Evidence

__all__ = ["Judge", "Places", "find_places"]

# Weights lie between 0.5 and 1.5, in equal steps.
LIGHTEST = 0.5
# Rows whose ratios are read.
ASKED = 50
# Times that the weights are stretched over the places that are left.
STRETCHES = 4
# After so many wrong entries, and each time that they have doubled, others in the box that holds them are sampled:
# where all are wrong, too, the mistake fills its part, and entries are not what to look for; nor where most are of so
# many that they would take tens of thousands of evaluations.
MANY, SAMPLES, LARGE = 8, 3, 1000
# Entries judged at a node, one after another, before it is split.
TRIES = 12


# judge(column, rows) -> the entries of that column in these rows, each judged by itself.
Judge = Callable[[int, Index], Evidence]
# around(columns) -> the columns of the smallest boxes that hold them.
Around = Callable[[list[int]], Index]


@dataclass
class Places:
    """What the search found. wrong : columns with a wrong entry. right : columns that were looked at and are not.

    unexplained : rows (m,) in which something remains that no entry explains. spent : it ended before its time.
    dense : sampled entries were wrong, too.
    """

    wrong: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    unexplained: Mask = field(default_factory=lambda: np.zeros(0, bool))
    spent: bool = False
    dense: bool = False


@dataclass(frozen=True)
class _Part:
    """Places start..stop - 1 with their residuals (m,) for weights of 1 and for w, and the bars of both."""

    start: int
    stop: int
    plain: Values
    plain_error: Values
    weighted: Values
    weighted_error: Values

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
        rng: np.random.Generator,
        precise: bool = False,
    ) -> None:
        self.test, self.exact, self.rows, self.judge = test, direction.exact, rows, judge
        # Coordinates in random order: places.
        self.order = _places(np.flatnonzero(direction.tangent))
        rng.shuffle(self.order)
        self.tangent = direction.tangent
        # What is said to exceed leaves more than the bars and the smallest mistake that counts.
        self.least = np.maximum(direction.allowed - 3.0 * direction.error, 0.0)
        self.known: dict[int, tuple[Values, Values]] = {}  # by place
        self.found = Places()
        self.precise = precise

    def weights(self, places: Index | int, span: tuple[int, int] | None = None) -> Any:
        """The weights of some places, which grow along a span of the vector; default all of it."""
        start, stop = span or (0, self.order.size)
        return LIGHTEST + (places - start + 0.5) / (stop - start)

    def measure(
        self, start: int, stop: int, *, weighted: bool, span: tuple[int, int] | None = None
    ) -> tuple[Values, Values]:
        """The residual (m,) along some places, and its bar."""
        tangent = np.zeros(self.test.problem.x.size)
        for begin in range(start, stop, TOGETHER):
            end = min(begin + TOGETHER, stop)
            inside = self.order[begin:end]
            part = self.tangent[inside]
            tangent[inside] = part * self.weights(np.arange(begin, end), span) if weighted else part
        direction = self.test.again(tangent, exact=self.exact, precise=self.precise)
        return direction.residual, direction.error

    def explained(self, start: int, stop: int) -> _Part:
        """What entries that were judged explain of the residuals along some places, and how well that is known."""
        plain, plain_error, weighted, weighted_error = np.zeros((4, self.rows.size))
        for place, (off, error) in self.known.items():
            if start <= place < stop:
                moved, weight = self.tangent[self.order[place]], self.weights(place)
                plain += off * moved
                plain_error += error * abs(moved)
                weighted += off * moved * weight
                weighted_error += error * abs(moved) * weight
        return _Part(start, stop, plain, plain_error, weighted, weighted_error)

    def corrected(self, part: _Part) -> _Part:
        """The same, less what entries that were judged explain of it."""
        known = self.explained(part.start, part.stop)
        return _Part(
            part.start, part.stop, part.plain - known.plain, part.plain_error + known.plain_error,
            part.weighted - known.weighted, part.weighted_error + known.weighted_error,
        )  # fmt: skip

    def exceeds(self, residual: Values, error: Values) -> Mask:
        return np.asarray((np.abs(residual) > 3.0 * error + self.least) & self.rows)

    def look_at(self, place: int) -> bool:
        """Judge the entry of one place by itself; whether it is wrong in any row."""
        column = int(self.order[place])
        rows = np.flatnonzero(self.rows)
        judged = self.judge(column, rows)
        off, error = np.zeros(self.rows.size), np.zeros(self.rows.size)
        off[rows], error[rows] = judged.analytic - judged.estimate.value, judged.estimate.error
        usable = np.isfinite(off) & np.isfinite(error)
        self.known[place] = (np.where(usable, off, 0.0), np.where(usable, error, 0.0))
        is_wrong = bool(judged.judgement.wrong.any())
        (self.found.wrong if is_wrong else self.found.right).append(column)
        return is_wrong

    def samples_are_wrong(self, around: Around, rng: np.random.Generator) -> bool:
        """Whether a few entries among those that are wrong are wrong, too: all, or most of a large part."""
        inside = np.flatnonzero(np.isin(self.order, around(self.found.wrong)))
        others = np.setdiff1d(inside, list(self.known))
        if others.size <= SAMPLES:
            return False
        right = 0
        for place in rng.choice(others, SAMPLES, replace=False):
            right += not self.look_at(int(place))
            if right > (others.size > LARGE):
                return False
        return True

    def suspects(self, part: _Part, exceeding: Mask) -> list[int]:
        """The places that the ratios of the rows that exceed their bars name."""
        # Rows that share a mistake name the same place: of many, some will do.
        rows = np.flatnonzero(exceeding & self.exceeds(part.plain, part.plain_error))[:ASKED]
        spans = {
            int(i): span
            for i in rows
            if (span := self._span(part, int(i), part.weighted[i], part.weighted_error[i])) is not None
        }
        for _ in range(STRETCHES):
            vague = {i: (first, last) for i, (first, last) in spans.items() if last > first}
            if not vague:
                break
            start = min(first for first, _ in vague.values())
            stop = 1 + max(last for _, last in vague.values())
            if 2 * (stop - start) >= part.size:
                break
            weighted, error = self.measure(start, stop, weighted=True, span=(start, stop))
            for place, (off, own) in self.known.items():
                if start <= place < stop:
                    factor = self.tangent[self.order[place]] * self.weights(place, (start, stop))
                    weighted = weighted - off * factor
                    error = error + own * abs(factor)
            shorter = {}
            for i, (first, last) in vague.items():
                new = self._span(part, i, weighted[i], error[i], start, stop)
                if new is not None and new[1] - new[0] < last - first:
                    shorter[i] = new
            spans = {i: span for i, span in spans.items() if i not in vague} | shorter
        # One place, or two.
        return sorted({place for span in spans.values() if span[1] - span[0] <= 1 for place in span})

    def _span(
        self, part: _Part, row: int, weighted: float, error: float, start: int = 0, stop: int | None = None
    ) -> tuple[int, int] | None:
        """The first and the last of the places that a ratio allows; None where there is none."""
        count = (self.order.size if stop is None else stop) - start
        plain, bar = float(part.plain[row]), float(part.plain_error[row])
        if plain == 0 or not np.isfinite(plain):
            return None
        ratio = float(weighted) / plain
        width = 3.0 * (error + abs(ratio) * bar) / abs(plain)
        low, high = ((ratio + sign * width - LIGHTEST) * count - 0.5 + start for sign in (-1.0, 1.0))
        if not (np.isfinite(low) and np.isfinite(high)):
            return None
        first, last = max(part.start, int(np.ceil(low))), min(part.stop - 1, int(np.floor(high)))
        return None if last < first else (first, last)

    def halves(self, part: _Part) -> list[_Part]:
        """The parts of a part in which something exceeds its bar; the second is what the first leaves."""
        middle = (part.start + part.stop) // 2
        plain, error = self.measure(part.start, middle, weighted=False)
        right_plain, right_error = part.plain - plain, part.plain_error + error
        left, right = self.explained(part.start, middle), self.explained(middle, part.stop)
        # A half that is silent adds to the weighted residual what is known of it, and at most its weight times its own
        # bar.
        if not self.exceeds(plain - left.plain, error + left.plain_error).any():
            return [
                _Part(
                    middle, part.stop, right_plain, right_error, part.weighted - left.weighted,
                    part.weighted_error + left.weighted_error + 1.5 * error,
                )
            ]  # fmt: skip
        if not self.exceeds(right_plain - right.plain, right_error + right.plain_error).any():
            return [
                _Part(
                    part.start, middle, plain, error, part.weighted - right.weighted,
                    part.weighted_error + right.weighted_error + 1.5 * right_error,
                )
            ]  # fmt: skip
        weighted, weighted_error = self.measure(part.start, middle, weighted=True)
        return [
            _Part(
                middle, part.stop, right_plain, right_error, part.weighted - weighted,
                part.weighted_error + weighted_error,
            ),
            _Part(part.start, middle, plain, error, weighted, weighted_error),
        ]  # fmt: skip


def _places(coordinates: Index) -> Index:
    """In half of the memory, where they allow it."""
    return coordinates.astype(np.int32) if coordinates.size < 2**31 else coordinates


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
) -> Places:
    """The wrong entries of the rows (m,) in which a direction found something.

    judge : looks at one entry by itself: nothing is named without. around : the box that holds some entries, in which
    others are sampled. budget : evaluations of f after which it ends. precise : four points a measurement, not two.
    Source: adaptive group testing with additive answers; the order and the bars by trial, see docs/verdict.md.
    """
    search = _Search(test, direction, rows, judge, rng, precise)
    objective = test.problem.objective
    last = objective.nfev + budget
    count = search.order.size
    weighted, weighted_error = search.measure(0, count, weighted=True)
    parts = [_Part(0, count, direction.residual, direction.error, weighted, weighted_error)]
    unexplained = np.zeros(rows.size, bool)
    sample_at = MANY
    while parts:
        if len(search.found.wrong) >= sample_at:
            sample_at *= 2
            if search.samples_are_wrong(around, rng):
                search.found.dense = search.found.spent = True
                break
        part = parts.pop()
        for _ in range(TRIES):
            now = search.corrected(part)
            exceeding = search.exceeds(now.plain, now.plain_error) | search.exceeds(
                now.weighted, 1.5 * now.weighted_error
            )
            if not exceeding.any():
                break
            if objective.nfev > last or objective.remaining < 40:
                search.found.spent = True
                unexplained |= exceeding
                exceeding[:] = False
                break
            places = [part.start] if part.size == 1 else search.suspects(now, exceeding)
            fresh = [place for place in places if place not in search.known]
            wrong = [search.look_at(place) for place in fresh]
            if not any(wrong):
                break
        if not exceeding.any():
            continue
        if part.size == 1:
            unexplained |= exceeding
            continue
        parts += search.halves(part)
    search.found.unexplained = unexplained
    return search.found
