"""Evidence for many columns: random directions, each of which tests every row of a Jacobian at once."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.arraywise.row_residuals import RowResiduals, measure_tangents, rounding_of_points
from gradcheck.evidence.entries import sweep
from gradcheck.function.lines import Rays
from gradcheck.function.matrix import Matrix, Sparse
from gradcheck.numerics.residual_bounds import bound_of
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import (
    ROUNDING,
    column_scale,
    mean_root,
    random_units,
    root_mean_square,
    scaled_rms,
)
from gradcheck.results.certificate import ArrayEvidence, Certificate, Residual
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

__all__ = ["Rowwise"]


# Columns looked at before a whole row is called wrong, and how many of them must be.
SAMPLES, ENOUGH = 4, 3
# Rows beyond their bars whose sampled entries are looked at one by one; the farthest stand for the others.
ROWS = 200
# Columns that one search may name, and evaluations that it may take.
NAMED, LOCATION_BUDGET = 32, 1500
DIRECTIONS, MOST = 4, 12
# Searches, after each of which other directions are taken.
SEARCHES = 3


class Rowwise:
    """Random directions for one Jacobian, and the search for the columns in which rows exceed their bars.

    block : the matrix, as its entries are named. judged : entries judged one by one. wrong_rows : wrong in most of
    their entries. wrong_columns : likewise.
    open : ranges of columns that hold something wrong, where the search ended. unexplained : rows that do.
    """

    def __init__(self, setting: Setting, matrix: Matrix, confidence: float, rng: np.random.Generator) -> None:
        self.setting, self.matrix, self.rng = setting, matrix, rng
        assert setting.names is not None
        (self.block,) = setting.names.blocks
        self.confidence = confidence
        self.scale = column_scale(setting, matrix)
        self.rounding = rounding_of_points(setting, matrix)
        self.movable = np.ones(setting.x.size, bool)
        if setting.room is not None:
            # As for gradients: entries with little room would hold the others back, and are judged one by one.
            self.movable = np.minimum(*setting.room) >= 0.1 * setting.scales
        self.judged: list[Evidence] = []
        self.wrong_rows, self.wrong_columns = set[int](), set[int]()
        self.open: list[tuple[int, int]] = []
        self.unexplained = set[int]()
        self._known: dict[tuple[int, int], tuple[float, float]] = {}

    def examine(self) -> ArrayEvidence:
        """Directions; where rows exceed their bars the search, and others for what is left; then the certificate."""
        residuals: list[RowResiduals] = []
        searches = 0
        while len(residuals) < MOST:
            tangent = self.tangent()
            step = residuals[-1].step if residuals else None
            now = self.residuals([tangent], step)[0]
            exceeding = self._unexplained(now)
            if exceeding.size and searches < SEARCHES:
                searches += 1
                residuals = []
                if self._search(tangent, now, exceeding):
                    continue
            residuals.append(now)
            if exceeding.size:
                self.unexplained.update(exceeding.tolist())
                return ArrayEvidence(self.block, (self._summary(now, tangent),), None)
            if len(residuals) >= DIRECTIONS:
                certificate = self._certificate(residuals, tangent)
                if certificate and certificate.relative_to_rms <= self.setting.tolerance.resolution:
                    break
        certificate = self._certificate(residuals, tangent)
        if certificate is not None:
            # Directions that tell nothing of some row are among those that its bound leaves out.
            residuals = [r for r in residuals if np.isfinite(r.error[self._kept()]).all()]
        worst = tuple(self._summary(r, tangent) for r in residuals)
        return ArrayEvidence(self.block, worst, certificate)

    def tangent(self) -> Flat:
        """Random directions of all columns, each in its own scale."""
        return np.where(self.movable, self.scale * random_units(self.rng, self.scale.size), 0.0)

    def residuals(self, tangents: list[Flat], step: float | None = None) -> list[RowResiduals]:
        """How far J v is from the derivative along each tangent v (n,)."""
        expected = np.stack([self.matrix.product(v) for v in tangents])
        weight = np.stack([self._weight(v, e) for v, e in zip(tangents, expected, strict=True)])
        begin = self._first_step(tangents[0], weight[0]) if step is None else step
        known = [self._known_wrong(v) for v in tangents]
        given = expected - np.stack([excess for excess, _ in known])
        bar = np.stack([bar for _, bar in known])
        slack = 3.0 * bar + ROUNDING * self.setting.gradient_eps * weight
        found = measure_tangents(self.setting, tangents, begin, given, weight, slack)
        m = self.matrix.shape[0]
        out = []
        for k in range(len(tangents)):
            part = slice(k * m, (k + 1) * m)
            steps = found.step[part]
            used = float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else begin
            value = given[k] - found.value[part]
            error = found.error[part] + bar[k] + self.rounding / np.where(steps > 0, steps, np.inf)
            out.append(RowResiduals(value, error, weight[k], used, found.limit[part]))
        return out

    def _known_wrong(self, tangent: Flat) -> tuple[Flat, Flat]:
        """What entries that are known to be wrong contribute to each row of J v, and how well that is known."""
        excess, bar = np.zeros(self.matrix.shape[0]), np.zeros(self.matrix.shape[0])
        for (i, j), (off, error) in self._known.items():
            excess[i] += off * tangent[j]
            bar[i] += error * abs(tangent[j])
        return excess, bar

    def _weight(self, tangent: Flat, expected: Flat) -> Flat:
        norms = self.matrix.norms(tangent)
        if norms is not None:
            return norms
        # The entries are not known: other signs have the same sum of squares on average.
        others = [self.matrix.product(tangent * self.rng.choice([-1.0, 1.0], tangent.size)) for _ in range(2)]
        return mean_root([expected, *others])

    def _first_step(self, tangent: Flat, weight: Flat) -> float:
        """As for gradients: the relative step, times the length over which an output changes by its size."""
        moved = tangent != 0
        if not moved.any():  # entries smaller than any float by the others' measure
            return float(np.median(self.setting.relative_step))
        natural = float(np.median(self.setting.scales[moved] / np.abs(tangent[moved])))
        size = np.abs(self.setting.f_x)
        known = (weight > 0) & (size > 0)
        if not known.any():
            return float(np.median(self.setting.relative_step)) * natural
        length = np.minimum(size[known] / weight[known], natural)
        return float(np.median(self.setting.relative_step[known] * length))

    def _unexplained(self, now: RowResiduals) -> Index:
        """The rows that exceed their bars, but for those that are named or that nothing explains."""
        exceeding = np.flatnonzero(now.exceeds(self.setting.gradient_eps))
        return np.setdiff1d(exceeding, list(self.wrong_rows | self.unexplained))

    def _search(self, tangent: Flat, whole: RowResiduals, exceeding: Index) -> bool:
        """Name rows and columns; whether that explains anything."""
        before = (len(self.wrong_rows), len(self.wrong_columns), len(self._known), len(self.open))
        exceeding = self._wrong_throughout(exceeding)
        if exceeding.size:
            suspects = self._columns(tangent, whole, exceeding)
            for j, rows in suspects.items():
                self._judge_column(j, rows)
        return before != (
            len(self.wrong_rows), len(self.wrong_columns), len(self._known), len(self.open)
        )  # fmt: skip

    def _wrong_throughout(self, exceeding: Index) -> Index:
        """Sample entries of rows beyond their bars, and name those in which most are wrong. Returns the others."""
        if isinstance(self.matrix, Sparse):
            return exceeding  # its pattern is judged entry by entry
        places = np.flatnonzero(self.movable)
        columns = np.sort(self.rng.choice(places, min(SAMPLES, places.size), replace=False))
        sampled = exceeding[:ROWS]
        rows = np.tile(sampled, columns.size)
        group = np.repeat(np.arange(columns.size), sampled.size)
        wrong = self.setting.places(self.judge(rows, columns[group]).wrong)[0]
        wrong = np.bincount(wrong, minlength=self.matrix.shape[0])
        through = sampled[wrong[sampled] >= min(ENOUGH, columns.size)]
        if through.size == 0:
            return exceeding
        if through.size == sampled.size and exceeding.size > ROWS:
            through = exceeding
        self.wrong_rows.update(through.tolist())
        return exceeding[~np.isin(exceeding, through)]

    def _columns(self, tangent: Flat, whole: RowResiduals, exceeding: Index) -> dict[int, Index]:
        """Halve the columns while rows exceed their bars in them: {column: rows that exceed their bars in it}."""
        last = self.setting.objective.nfev + LOCATION_BUDGET
        eps = self.setting.gradient_eps
        queue = [(0.0, 0, (0, tangent.size), whole, exceeding)]
        pushed, found = 1, dict[int, Index]()
        while queue:
            _, _, (start, stop), residual, rows = heapq.heappop(queue)
            if stop - start == 1:
                found[start] = rows
                continue
            if self.setting.objective.nfev + 4 > last or len(found) >= NAMED:
                self.open.append((start, stop))
                continue
            middle = (start + stop) // 2
            halves = self._halves(tangent, residual, (start, middle, stop))
            for part, its in halves:
                mine = rows[its.exceeds(eps)[rows]]
                if mine.size:
                    excess = float(np.max(np.abs(its.value[mine]) / its.allowed(eps)[mine]))
                    heapq.heappush(queue, (-excess, pushed, part, its, mine))
                    pushed += 1
        return found

    def _halves(
        self, tangent: Flat, whole: RowResiduals, cut: tuple[int, int, int]
    ) -> list[tuple[tuple[int, int], RowResiduals]]:
        """The residuals of both halves of a range of columns: the second is what the first leaves of the whole."""
        start, middle, stop = cut
        part = np.zeros_like(tangent)
        part[start:middle] = tangent[start:middle]
        first = self.quick(part, whole.step)
        return [((start, middle), first), ((middle, stop), whole.less(first))]

    def quick(self, tangent: Flat, step: float) -> RowResiduals:
        """Residuals from four points at a step that is known to serve; the bar is that of the cruder of its values."""
        setting = self.setting
        shape = setting.f_x.shape
        points = step * np.array([-1.0, -0.5, 0.5, 1.0])
        low, near_low, near_high, high = setting.objective.line(Rays(setting.x, [tangent]), points)
        with np.errstate(invalid="ignore", over="ignore"):
            wide, near = (high - low) / (2.0 * step), (near_high - near_low) / step
            error = np.abs(near - wide) / 3.0 + 3.0 * setting.level / step
            expected = self.matrix.product(tangent)
            excess, bar = self._known_wrong(tangent)
            value = expected - excess - (4.0 * near - wide) / 3.0
        error = np.where(np.isfinite(error), error, np.inf) + bar + self.rounding / step
        return RowResiduals(
            value, error, self._weight(tangent, expected), step, np.full(shape, Limit.NONE, object)
        )

    def _judge_column(self, j: int, rows: Index) -> None:
        if self.judge(rows, np.full(rows.size, j)).wrong.size > max(SAMPLES, self.matrix.shape[0] // 2):
            self.wrong_columns.add(j)

    def judge(self, rows: Index, columns: Index) -> Evidence:
        """Judge entries, each column moved alone, and remember what the wrong ones contribute."""
        given = self.matrix.entries(rows, columns)
        judged = sweep(self.setting, given, rows * self.matrix.shape[1] + columns)
        self.judged.append(judged)
        for k in np.flatnonzero(judged.judgement.wrong).tolist():
            excess = float(judged.analytic[k] - judged.estimate.value[k])
            if math.isfinite(excess):
                self._known[int(rows[k]), int(columns[k])] = (excess, float(judged.estimate.error[k]))
        return judged

    def _sizes(self, residuals: RowResiduals, tangent: Flat) -> Flat:
        """(m,) the root mean square of the scaled entries of each row; of all rows, for a row of zeros.

        Of zeros alone what f changes by along the probed direction, as where an array of a gradient is 0 throughout.
        """
        size = scaled_rms(self.matrix, self.scale)
        if size is None:
            size = residuals.weight / math.sqrt(max(int((tangent != 0).sum()), 1))
        if not (size > 0).any():
            return np.where(self.setting.slope > 0, self.setting.slope, 1.0)
        return np.where(size > 0, size, root_mean_square(size[size > 0]))

    def _kept(self) -> NDArray[np.bool_]:
        """Rows that are not named as wrong throughout."""
        kept = np.ones(self.matrix.shape[0], bool)
        kept[list(self.wrong_rows)] = False
        return kept

    def _summary(self, residuals: RowResiduals, tangent: Flat) -> Residual:
        """The row that says least, in units of its own size."""
        size, kept = self._sizes(residuals, tangent), self._kept()
        if not kept.any():
            return Residual(0.0, math.inf, 1.0, 0.0, residuals.step, Limit.NONE)
        relative = np.where(
            kept, (residuals.allowed(self.setting.gradient_eps) + 3.0 * residuals.error) / size, -1.0
        )
        k = int(np.argmax(np.where(np.isnan(relative), np.inf, relative)))
        rounding = ROUNDING * self.setting.gradient_eps * residuals.weight[k] / size[k]
        value, error, weight = (
            float(part[k] / size[k]) for part in (residuals.value, residuals.error, residuals.weight)
        )
        return Residual(value, error, weight, float(rounding), residuals.step, residuals.limit[k])

    def _certificate(self, residuals: list[RowResiduals], tangent: Flat) -> Certificate | None:
        """The bound for every row that is not named, all rows together at the confidence asked for."""
        kept = self._kept()
        if not residuals or not kept.any() or not self.movable.any():
            return None
        most = np.array([np.abs(r.value) + 3.0 * r.error for r in residuals])[:, kept]
        # Shared among the rows and the rounds between searches; looks have their shares in `bound_of`.
        bounds = bound_of(most, (1.0 - self.confidence) / (self.matrix.shape[0] * (SEARCHES + 1)))
        if not np.isfinite(bounds).all():
            return None
        relative = float(np.max(bounds / self._sizes(residuals[-1], tangent)[kept]))
        return Certificate(
            f"each row of {self.block.name}", float(bounds.max()), relative, self.confidence, len(residuals)
        )
