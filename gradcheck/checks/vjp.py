"""Backward products: the rows of a Jacobian one by one, or mixed by random cotangents."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.checks.jacobian import Problem, judge_jacobian, prepare
from gradcheck.driver.options import LEAST_BUDGET, Options
from gradcheck.evidence.columns import GROUPS_UP_TO
from gradcheck.evidence.vector_coordinates import judge_entries, measure_columns
from gradcheck.evidence.vector_evidence import as_evidence
from gradcheck.function.contract import changed
from gradcheck.function.matrix import Matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.function.vector_contract import Contract, call_outputs
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.numerics.setting import VectorSetting
from gradcheck.numerics.tangents import ROUNDING, random_units
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.matrix_names import jacobian_names
from gradcheck.parameters.tree import Parameters
from gradcheck.report.compose import compose
from gradcheck.report.report import Report
from gradcheck.results.outcome import Finding, Outcome

__all__ = ["Pullback", "judge_vjp"]

# Random cotangents that stand for all rows where these are many, and columns that are then taken apart.
MIXED, COLUMNS = 6, 4
# Rows that are named in one column.
ROWS = 16


@dataclass
class Pullback:
    """u -> J^T u as a user's function gives it, for a cotangent of this shape; remembers what it did to x."""

    vjp: Callable[..., Any]
    parameters: Parameters
    x: Flat
    args: tuple[Any, ...]
    shape: tuple[int, ...]
    changes: str = ""
    calls: int = 0

    @property
    def outputs(self) -> int:
        """The number m of values that f returns."""
        return int(np.prod(self.shape, dtype=np.int64))

    def product(self, cotangent: Flat) -> Flat:
        """J^T u (n,). Raises NotScalarError where the answer has not the structure of x."""
        self.calls += 1
        given = self.parameters.unflatten(self.x.copy())
        u = np.array(cotangent, self.x.dtype).reshape(self.shape)
        result = self.vjp(given, u if self.shape else u[()], *self.args)
        self.changes = self.changes or changed(self.parameters, given, self.x)
        try:
            return self.parameters.flatten(result, "vjp")
        except (ValueError, TypeError) as error:
            raise NotScalarError(str(error)) from None

    def rows(self, cotangents: Flat) -> Flat:
        """The products (k, n) of k cotangents (k, m)."""
        return np.stack([self.product(u) for u in cotangents])

    def findings(self, _: Matrix, dtype: str) -> list[Finding]:
        """Mutation, determinism, and whether the product is linear in its cotangent."""
        found = [Finding(f"vjp changes x: {self.changes}", Outcome.FAIL)] if self.changes else []
        generator = np.random.default_rng(1)
        one, other = random_units(generator, 2 * self.outputs).reshape(2, -1)
        if not np.array_equal(self.product(one), self.product(one)):
            return [*found, Finding("vjp differs between two calls at the same x", Outcome.FAIL)]
        return found + not_linear(self.product, one, other, dtype, "vjp")


def not_linear(
    product: Callable[[Flat], Flat], one: Flat, other: Flat, dtype: str, what: str
) -> list[Finding]:
    """A finding where the product of 2 a + b is not twice that of a and that of b within rounding."""
    a, b, both = product(one), product(other), product(2.0 * one + other)
    # Sums inside the product round relative to their largest terms, of which the typical entry is a measure.
    size = np.maximum(np.abs(2.0 * a) + np.abs(b), np.sqrt(np.mean((2.0 * a) ** 2 + b**2)))
    allowed = 1e5 * ROUNDING * float(np.finfo(dtype).eps) * size
    off = np.flatnonzero(~(np.abs(both - (2.0 * a + b)) <= allowed))
    if off.size == 0:
        return []
    k = int(off[0])
    text = f"{what} is not linear: entry {k} of the product of 2 a + b is {both[k]:.8g}, not {2.0 * a[k] + b[k]:.8g}"
    return [Finding(text, Outcome.FAIL)]


def judge_vjp(f: Callable[..., Any], pull: Pullback, x: Any, f_x: Any, options: Options, call: str) -> Report:
    """The check behind `check_vjp`; f_x : what f returned at x, in a call that counts."""
    mix = None
    if pull.outputs > GROUPS_UP_TO:
        # Each output in its own size, so that none is drowned.
        size = np.abs(np.asarray(f_x, np.float64)).ravel()
        usual = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
        units = random_units(np.random.default_rng(options.rng), MIXED * pull.outputs).reshape(MIXED, -1)
        mix = units / np.maximum(size, 1e-3 * usual)

    def mixed(tree: Any, *args: Any) -> Any:
        values = f(tree, *args)
        return values if mix is None else mix @ np.asarray(values, np.float64).ravel()

    def jac(*_: Any) -> Any:
        rows = pull.rows(np.eye(pull.outputs) if mix is None else mix)
        leaves = [rows[:, b.slice].reshape(len(rows), *b.shape) for b in pull.parameters.blocks]
        return pull.parameters.tree_of(leaves)

    problem = Problem(mixed, jac, x, pull.args, what="vjp", symbol="J" if mix is None else "UJ", spent=1)
    report = judge_jacobian(problem, options, call=call, extra=pull.findings)
    if mix is not None:
        if report.outcome is Outcome.FAIL and report.wrong and not report.interrupted:
            try:
                report = _rows_named(report, f, pull, options, mix[0])
            except KeyboardInterrupt:
                report = replace(report, interrupted=True)
        shape = (pull.outputs, pull.x.size)
        stand = f"{MIXED} random cotangents, the rows of U, stand for all {pull.outputs:,} outputs of f"
        arrays = tuple(replace(a, shape=shape, name="J") for a in report.arrays)
        report = replace(report, arrays=arrays, notes=(stand, *report.notes))
    return replace(report, ngev=pull.calls)


def _rows_named(
    report: Report, f: Callable[..., Any], pull: Pullback, options: Options, cotangent: Flat
) -> Report:
    """The same failure with the entries of J itself, where halving the cotangent finds them."""
    started = time.perf_counter()
    columns = list(dict.fromkeys(m.flat_index % pull.x.size for m in report.wrong))[:COLUMNS]
    left = None if options.max_nfev is None else options.max_nfev - report.nfev
    if left is not None and left < LEAST_BUDGET:
        return report
    objective = VectorObjective(f, pull.parameters, args=pull.args, max_nfev=left)
    f_x = call_outputs(objective, pull.x, [])
    contract = Contract(f_x, None, (), str(np.result_type(pull.x.dtype)), 0)
    room = room_within(options.bounds, pull.parameters, pull.x)
    setting = prepare(objective, contract, pull.x, options, np.random.default_rng(0), room)
    parts = []
    for j in columns:
        rows = _wrong_rows(setting, pull, cotangent, j)
        if rows:
            at = np.array(rows, np.intp)
            values = pull.rows(np.eye(pull.outputs)[at] if pull.outputs < 2000 else _units(at, pull.outputs))[
                :, j
            ]
            where = np.full(at.size, j), np.zeros(at.size, np.intp)
            parts.append(judge_entries(setting, [np.array([j])], where[1], at, where[0], values))
    nfev = report.nfev + objective.nfev
    if not any(part.wrong.size for part in parts):
        return replace(report, nfev=nfev, interrupted=objective.interrupted)
    names = jacobian_names(pull.shape, pull.parameters)
    findings = [Finding(f"mixed rows: {report.reason}"), *(Finding(note) for note in report.notes)]
    named = compose(
        names, as_evidence(parts, names), findings,
        tolerance=setting.tolerance, nfev=nfev, ngev=report.ngev,
        seconds=report.seconds + time.perf_counter() - started, seed=report.seed, call=report.call,
        budgeted=options.max_nfev is not None or options.max_seconds is not None, noun="Jacobian",
        functions=report.functions,
    )  # fmt: skip
    rest = tuple(note for note in named.notes if "were not checked" not in note)
    return replace(named, notes=rest, interrupted=objective.interrupted)


def _units(rows: Any, m: int) -> Flat:
    out = np.zeros((rows.size, m))
    out[np.arange(rows.size), rows] = 1.0
    return out


def _wrong_rows(setting: VectorSetting, pull: Pullback, cotangent: Flat, j: int) -> list[int]:
    """The rows in which column j is wrong: halves of the cotangent against one measured column, without f."""
    m = pull.outputs
    rows = np.arange(m)
    column = measure_columns(
        setting, [np.array([j])], np.zeros(m, np.intp), rows, np.full(m, j), np.full(m, np.nan)
    )
    bars = 3.0 * np.abs(cotangent) * column.error

    def loud(start: int, stop: int) -> bool:
        part = np.zeros(m)
        part[start:stop] = cotangent[start:stop]
        terms = part * column.value
        rounding = ROUNDING * setting.jac_eps * float(np.sqrt(np.sum(terms**2)))
        apart = abs(pull.product(part)[j] - terms.sum())
        return bool(apart > float(np.sqrt(np.sum(bars[start:stop] ** 2))) + rounding)

    found: list[int] = []
    queue = [(0, m)]
    while queue and len(found) < ROWS:
        start, stop = queue.pop()
        if not loud(start, stop):
            continue
        if stop - start == 1:
            found.append(start)
        else:
            middle = (start + stop) // 2
            queue += [(middle, stop), (start, middle)]
    return found
