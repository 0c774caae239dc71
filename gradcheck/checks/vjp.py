"""Backward products: the rows of a Jacobian one by one, or mixed by random cotangents."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.checks.jacobian import Asked, judge_jacobian
from gradcheck.checks.linear import UserProduct
from gradcheck.diagnosis.undecided import Circumstances
from gradcheck.driver.options import LEAST_BUDGET
from gradcheck.driver.prepare import prepare
from gradcheck.evidence.axes import measure
from gradcheck.evidence.entries import sweep
from gradcheck.examination.columns import GROUPS_UP_TO
from gradcheck.function.contract import inspect_f
from gradcheck.function.matrix import MOST_ENTRIES
from gradcheck.function.objective import Objective
from gradcheck.numerics.outputs import HALF_GRID
from gradcheck.numerics.rounding import granularity
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import ROUNDING, random_units, root_mean_square
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.leaves import eps_of
from gradcheck.parameters.tree import jacobian_names
from gradcheck.report.compose import compose
from gradcheck.report.report import Report
from gradcheck.report.text import discrepancy
from gradcheck.results.entries import latest
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import Tolerance
from gradcheck.results.words import count

# Random cotangents that stand for all rows where these are many, and columns that are then taken apart.
MIXED, COLUMNS = 6, 4
# How long the random tangents are, in x's scales, along which the size of each row is looked at: along one a row may
# hardly move, and over a short one not if it is rounded. What an output moves by is more than MOVED roundings of it.
LOOKS, MOVED = (1e-2, 3e-2, 1e-1), 8.0
# Rows up to which each is asked for where those cotangents say that something is wrong; and of more, those that are
# named in one column.
ASKED, ROWS = 2000, 16


def _rows(pull: UserProduct, cotangents: Flat) -> Flat:
    """The products (k, n) of k cotangents (k, m)."""
    return np.stack([pull.product(u) for u in cotangents])


def _jacobian(pull: UserProduct) -> Callable[..., Flat]:
    """J (m, n) as a function, every row asked for."""
    return lambda *_: _rows(pull, np.eye(pull.space.size))


def judge_vjp(asked: Asked, pull: UserProduct, f_x: Any) -> Report:
    """The check behind `check_vjp`; f_x : what f returned at x, in a call that counts."""
    if pull.space.size > GROUPS_UP_TO and f_x.dtype.kind in "fiub":
        report = _mixed(asked, pull, f_x)
    else:
        report = judge_jacobian(replace(asked, jac=_jacobian(pull)))
    return replace(report, ngev=pull.calls)


def _mixed(asked: Asked, pull: UserProduct, f_x: Any) -> Report:
    """The check of many rows: random cotangents stand for them, until these say that something is wrong."""
    f, vectorized = asked.f, asked.vectorized
    try:
        mix, rounding = _random_cotangents(asked, pull, f_x)
    except KeyboardInterrupt:
        # The check itself makes the report of it.
        mix, rounding, f = np.ones((MIXED, pull.space.size)), np.zeros(1), _interrupting

    def mixed(tree: Any, *args: Any) -> Any:
        values = f(tree, *args)
        with np.errstate(all="ignore"):  # the sum is ours, not f's
            rows = np.asarray(values, np.float64)
            return mix @ (rows.reshape(pull.space.size, -1) if vectorized else rows.ravel())

    of_mix = replace(
        asked, f=mixed, jac=lambda *_: _rows(pull, mix), symbol="UJ", spent=1 + len(LOOKS), rounding=rounding
    )
    report = judge_jacobian(of_mix)
    if report.outcome is Outcome.FAIL and report.wrong:
        report, whole = _every_row(report, asked, pull)
        if whole:
            return report
    # What fits sums of rows need not fit each of them.
    report = replace(report, causes=(), diagnosis=())
    if report.outcome is Outcome.FAIL and report.wrong and not report.interrupted:
        try:
            report = _rows_named(report, asked, pull, mix[0])
        except KeyboardInterrupt:
            report = replace(report, interrupted=True)
    stand = f"{MIXED} random cotangents, the rows of U, stand for all {pull.space.size:,} outputs of f"
    arrays = tuple(
        replace(a, shape=(pull.space.size, asked.recipe.flat.size), name="J") for a in report.arrays
    )
    return replace(report, arrays=arrays, notes=(stand, *report.notes))


def _every_row(report: Report, asked: Asked, pull: UserProduct) -> tuple[Report, bool]:
    """The same failure of J itself, every row of it asked for; and whether that could be done."""
    options = asked.options
    nfev = None if options.max_nfev is None else options.max_nfev - report.nfev
    seconds = None if options.max_seconds is None else options.max_seconds - report.seconds
    spent = (nfev is not None and nfev < LEAST_BUDGET) or (seconds is not None and seconds <= 0)
    held = pull.space.size <= ASKED and pull.space.size * asked.recipe.flat.size <= MOST_ENTRIES
    if report.interrupted or spent or not held:
        return report, False
    left = replace(options, max_nfev=nfev, max_seconds=seconds)
    whole = judge_jacobian(replace(asked, jac=_jacobian(pull), options=left, spent=0))
    told = whole.outcome is Outcome.FAIL and bool(whole.wrong)
    best = whole if told else replace(report, interrupted=whole.interrupted)
    return replace(best, nfev=report.nfev + whole.nfev, seconds=report.seconds + whole.seconds), told


def _interrupting(*_: Any) -> Any:
    raise KeyboardInterrupt


def _random_cotangents(asked: Asked, pull: UserProduct, f_x: Any) -> tuple[Flat, Flat]:
    """(MIXED, m) cotangents that weigh each output by the size of its row of J, so that none is drowned.

    By how far each moves along random tangents, not by its value: beside an offset of 1e6 a row would be seen by none.
    And (MIXED,) what the sums are rounded to, as their terms are: one that is large and of few digits stays where it is
    beside x, while the others show no such rounding.
    """
    f, parameters, x = asked.single, asked.recipe.parameters, asked.recipe.flat
    generator = np.random.default_rng(asked.options.rng)
    room = room_within(asked.options.bounds, parameters, x)
    start = np.asarray(f_x, np.float64).ravel()
    size, moved, seen = np.zeros(start.size), np.zeros(start.size, bool), [start]
    rounding = MOVED * float(np.finfo(pull.space.blocks[0].dtype).eps) * np.abs(start)
    for length in LOOKS:
        step = length * parameters.scales(x) * random_units(generator, x.size)
        if room is not None:
            step = np.clip(step, -room[0], room[1])
        with np.errstate(all="ignore"):
            try:
                values = f(parameters.unflatten(x + step), *asked.recipe.args)
                apart = np.abs(np.asarray(values, np.float64).ravel() - start)
            except Exception:  # f is the caller's: it may raise anything
                continue  # off f's domain, or no array: the check itself will say so
            if apart.shape == start.shape:
                seen.append(np.asarray(values, np.float64).ravel())
                moved |= np.isfinite(apart) & (apart > rounding)
                size = np.maximum(size, np.where(np.isfinite(apart), apart / length, 0.0))
    usual = float(np.median(size[moved])) if moved.any() else 1.0
    # A row that moves by its rounding alone has the size of the others, as a row of zeros has in a Jacobian.
    weight = np.where(moved, usual / np.where(moved, size, 1.0), 1.0)
    units = random_units(generator, MIXED * pull.space.size).reshape(MIXED, -1)
    # As the cotangents will be rounded, so that both sides of the check have the same.
    most = 1e-3 * float(np.finfo(pull.space.blocks[0].dtype).max)
    mix = np.asarray((units * np.minimum(weight, most)).astype(pull.space.blocks[0].dtype), np.float64)
    # Three different ones of four values show a grid as well: a smooth f hardly repeats one.
    every = np.stack([*seen, start, start])
    every[~np.isfinite(every)] = np.nan
    terms = HALF_GRID * mix * np.where(moved, granularity(every)[0], 0.0)
    return mix, np.sqrt(start.size) * np.array([root_mean_square(row) for row in terms])


def _rows_named(report: Report, asked: Asked, pull: UserProduct, cotangent: Flat) -> Report:
    """The same failure with the entries of J itself, where halving the cotangent finds them."""
    started = time.perf_counter()
    options, parameters, x = asked.options, asked.recipe.parameters, asked.recipe.flat
    columns = list(dict.fromkeys(m.flat_index % x.size for m in report.wrong))[:COLUMNS]
    left = None if options.max_nfev is None else options.max_nfev - report.nfev
    if left is not None and left < LEAST_BUDGET:
        return report
    objective = Objective(
        asked.single, parameters, several=True, args=asked.recipe.args, max_nfev=left, n_jobs=options.n_jobs
    )
    f_x, _ = inspect_f(objective, x, [])
    names = jacobian_names(pull.space.blocks[0].shape, parameters)
    room = room_within(options.bounds, parameters, x)
    tolerance, eps = Tolerance.for_dtypes((), *options.tolerances), eps_of(x.dtype)
    at_x = Setting(objective, x, f_x, None, tolerance, room, eps, options.subgradient, names)
    setting, _ = prepare(at_x, rng=0)
    parts = []
    for j in columns:
        rows = _wrong_rows(setting, pull, cotangent, j)
        if rows:
            at = np.array(rows, np.intp)
            parts.append(sweep(setting, _rows(pull, _units(at, pull.space.size))[:, j], at * x.size + j))
    nfev = report.nfev + objective.nfev
    if not any(part.wrong.size for part in parts):
        return replace(report, nfev=nfev, interrupted=objective.interrupted)
    findings = [Finding(f"mixed rows: {report.reason}"), *(Finding(note) for note in report.notes)]
    entries = latest(*parts)
    named = compose(
        names, Evidence(entries), findings,
        Circumstances(setting.tolerance, options.budgeted, "Jacobian", some=True),
        nfev=nfev, ngev=report.ngev, seconds=report.seconds + time.perf_counter() - started, seed=report.seed,
        call=report.call, functions=("f", "vjp"),
    )  # fmt: skip
    worst, total = named.wrong[0], pull.space.size * x.size
    searched = f"{count(len(columns), 'column')} of {x.size:,} were searched for wrong entries"
    reason = f"at least {entries.wrong.size:,} of {total:,} entries wrong: {worst.name} {discrepancy(worst)}"
    return replace(named, reason=reason, notes=(*named.notes, searched), interrupted=objective.interrupted)


def _units(rows: Any, m: int) -> Flat:
    out = np.zeros((rows.size, m))
    out[np.arange(rows.size), rows] = 1.0
    return out


def _wrong_rows(setting: Setting, pull: UserProduct, cotangent: Flat, j: int) -> list[int]:
    """The rows in which column j is wrong: halves of the cotangent against one measured column, without f."""
    m = pull.space.size
    column = measure(setting, np.arange(m) * setting.x.size + j)
    bars = 3.0 * np.abs(cotangent) * column.error

    def exceeds(start: int, stop: int) -> bool:
        part = np.zeros(m)
        part[start:stop] = cotangent[start:stop]
        terms = part * column.value
        rounding = ROUNDING * setting.eps * float(np.sqrt(np.sum(terms**2)))
        apart = abs(pull.product(part)[j] - terms.sum())
        return bool(apart > float(np.sqrt(np.sum(bars[start:stop] ** 2))) + rounding)

    found: list[int] = []
    queue = [(0, m)]
    while queue and len(found) < ROWS:
        start, stop = queue.pop()
        if not exceeds(start, stop):
            continue
        if stop - start == 1:
            found.append(start)
        else:
            middle = (start + stop) // 2
            queue += [(middle, stop), (start, middle)]
    return found
