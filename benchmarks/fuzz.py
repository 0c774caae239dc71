"""Random maps, gradients, Hessians, kinks and operators: no right one fails, and what is detectable does not pass.

    python -m benchmarks.fuzz [--vector N] [--scalar N] [--first K] [--only KIND:NUMBER]

--vector, --scalar : so many checks of functions of many outputs, and of one; default 20,000 each (an hour or two).
--first : the number of the first example. --only : one example, with its reports: what is named below a table.
The examples are those of `corpus/random_maps.py`; the referees are reverse mode in extended precision and the complex
step. A size is relative to the entry or to the root mean square of its row, as `Report.detectable` is.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import gradcheck
from benchmarks.corpus.model import flat, like
from benchmarks.corpus.random_maps import SPAN, Example, example, kinked, operator, row_units
from gradcheck import Outcome
from gradcheck.examination.columns import GROUPS_UP_TO
from gradcheck.parameters.tree import Parameters

Array = np.ndarray
# Roundings of f, or so much of what its noise is known to be, that a mistake must move f by while x_j changes by its
# own size: below it nothing can see it.
DIGITS = 32.0
# A mistake must be larger than `detectable` by this: the report's unit is the numerical derivative's.
EDGE = 1.01
# A row is nearly stationary where it is smaller than this part of what it is so many scales of x away: steps reach
# there, and a part of the resolution is not told from 0.
STATIONARY, NEARBY = 1e-4, np.logspace(-7, -1, 7)
# Values of f along a coordinate and the degree of the polynomial through them; what they may scatter by and its slope
# be off by, relative to what the report and the derivative are apart; steps in the scale of x.
POINTS, DEGREE, EXACT, CLOSE, STEPS = 33, 8, 0.01, 0.1, np.logspace(-6, -1, 11)
# A right one that fails where the |x_i| of an array span more than 1e8.
BEYOND = "right FAIL beyond 1e8"
# A wrong one that passes below the size that its own report states, and above that of the right one's report.
WIDER = "wrong PASS below its stated size"
# Numbers that are not normal have lost digits.
SMALLEST = float(np.finfo(np.float64).tiny)
# One example in so many: kinks and operators among the vectors, kinks among the scalars.
KINKS, OPERATORS = 4, 5


@dataclass(frozen=True)
class Said:
    """One check: the example it is of, whether its claim is right, the outcome, and what is wrong with that, if any."""

    example: str
    check: str
    right: bool
    outcome: str
    fault: str = ""
    words: str = ""


def call(check: str, f: Callable[..., Any], J: Array, x: Any, shape: tuple[int, ...], **options: Any) -> Any:
    """Judge the Jacobian J (m, n), constant, by this check of a map with outputs of `shape`."""

    def jvp(_: Any, v: Any) -> Any:
        return (J @ flat(v)).reshape(shape)

    def vjp(_: Any, u: Any) -> Any:
        return like(x, J.T @ np.ravel(u))

    derivative: dict[str, Any] = {
        "check_gradient": lambda _: like(x, J[0]),
        "check_jvp": jvp,
        "check_vjp": vjp,
        "check_hvp": lambda _, v: like(x, J @ flat(v)),
    }
    with np.errstate(all="ignore"):
        return getattr(gradcheck, check)(f, derivative.get(check, lambda _: J), x, **options)


def sizes(e: Example, *, near: bool) -> float:
    """The largest relative mistake that f shows; `near` looks around x at how large each row is there.

    Of a vjp of many outputs as large as it is in U J, which its report is about.
    """
    parameters, point = Parameters.of(e.map.x)
    unit = row_units(e.right)
    if near:
        unit = np.maximum(unit, _nearby(e))
    shown = np.abs(e.wrong - e.right) * parameters.scales(point) > DIGITS * e.map.noise[:, None]
    with np.errstate(all="ignore"):
        relative = np.where(shown, np.abs(e.wrong - e.right) / unit / _among(e, unit), 0.0)
    return float(np.nan_to_num(relative, nan=0.0).max())


def _among(e: Example, unit: Array) -> Array:
    """How many times larger than each row (m, 1) the rows of U J are, in which U weighs outputs by how far they move.

    A row of slopes along entries of x that are small moves little beside its size, and is a large part of U J.
    """
    if e.check != "check_vjp" or len(e.right) <= GROUPS_UP_TO:
        return np.ones((len(e.right), 1))
    parameters, point = Parameters.of(e.map.x)
    change = np.linalg.norm(np.nan_to_num(e.right) * parameters.scales(point), axis=1, keepdims=True)
    moves = change > DIGITS * e.map.noise[:, None]
    usual = float(np.median(change[moves])) if moves.any() else 1.0
    part = unit.min(axis=1, keepdims=True) * np.where(moves, usual / np.where(moves, change, 1.0), 1.0)
    return np.where(part > 0, np.linalg.norm(part) / np.where(part > 0, part, 1.0), len(e.right))


def _nearby(e: Example) -> Array:
    """The sizes of the rows (m, 1) around x, 0 for those that are not nearly stationary."""
    parameters, point = Parameters.of(e.map.x)
    scales = parameters.scales(point)
    rng = np.random.default_rng(5)

    def steep(at: Array) -> Array:
        J = np.nan_to_num(e.map.jac(like(e.map.x, at)), posinf=0.0, neginf=0.0)
        return row_units(J).min(1, keepdims=True)

    here, there = steep(point), np.zeros((len(e.right), 1))
    with np.errstate(all="ignore"):
        for d in np.tile(NEARBY, 4):
            there = np.maximum(there, steep(point + d * rng.choice([-1.0, 1.0], point.size) * scales))
    return np.where(here < STATIONARY * there, there, 0.0)


def excused(e: Example, report: Any) -> bool:
    """Whether every entry that the report calls wrong is one of f as it is computed: 0 where f rounds 1 + 1e-17.

    Or no value of f shows the derivative: while x_j moves so far that f moves by more than its noise, the derivative
    has become another.
    """
    if not report.wrong or (report.arrays[0].name not in ("J", "H") and e.check != "check_gradient"):
        return False
    at = [divmod(m.flat_index, e.right.shape[1]) for m in report.wrong]
    with np.errstate(all="ignore"):
        return all(
            as_computed(e, i, j, m.analytic, m.numerical) or _hidden(e, i, j)
            for (i, j), m in zip(at, report.wrong, strict=True)
        )


def as_computed(e: Example, i: int, j: int, other: float, slope: float) -> bool:
    """Whether f_i, as it is computed, has this slope along x_j, and not the other one.

    A polynomial runs through all values of f, with that slope; or, if it is 0, all values are the same where the other
    slope would move f by many roundings.
    """
    parameters, point = Parameters.of(e.map.x)
    nodes, apart = np.cos(np.pi * np.arange(POINTS) / (POINTS - 1)), abs(other - slope)
    f_x = float(flat(e.map.f(e.map.x))[i])
    for step in STEPS * parameters.scales(point)[j]:
        points = np.tile(point, (POINTS, 1))
        points[:, j] += step * nodes
        moved = np.array([flat(e.map.f(like(e.map.x, p)))[i] for p in points], float) - f_x
        if slope == 0:
            if not moved.any() and apart * step > DIGITS * max(np.spacing(abs(f_x)), SMALLEST):
                return True
            continue
        line = np.polynomial.Polynomial.fit((points - point)[:, j] / step, moved, DEGREE, domain=[-1, 1])
        scatter = np.std(moved - line(nodes)) / step
        if scatter <= EXACT * apart and abs(line.deriv()(0.0) / step - slope) <= CLOSE * apart:
            return True
    return False


def _hidden(e: Example, i: int, j: int) -> bool:
    """Whether noise hides df_i/dx_j as far as it is what it is at x."""
    _, point = Parameters.of(e.map.x)
    slope = e.right[i, j]
    if slope == 0 or e.map.noise[i] == 0:
        return False
    for side in (-1.0, 1.0):
        there = point.copy()
        there[j] += side * DIGITS * e.map.noise[i] / abs(slope)
        if not abs(e.map.jac(like(e.map.x, there))[i, j] - slope) <= abs(slope) / 2:
            return True
    return False


def judged(e: Example, name: str) -> Iterator[Said]:
    """The right derivative and the wrong one."""
    ask = partial(call, e.check, e.map.f, x=e.map.x, shape=e.map.shape)
    right = ask(J=e.right)
    wide = e.map.span > SPAN
    fault = ""
    if right.outcome is Outcome.FAIL:
        fault = "" if not e.map.calm() or excused(e, right) else BEYOND if wide else "right FAIL"
    yield Said(name, e.check, True, right.outcome.value, fault, right.reason)
    wrong = ask(J=e.wrong)
    with np.errstate(all="ignore"):
        fault, words = _missed(e, right, wrong)
    yield Said(name, e.check, False, wrong.outcome.value, fault, words)


def _missed(e: Example, right: Any, wrong: Any) -> tuple[str, str]:
    """What is at fault with a wrong one that passes, if anything, and words: it is above what its report states.

    Where it is only above the smaller one that the report of the right one states, its bars are wider.
    """
    if wrong.outcome is not Outcome.PASS:
        return "", wrong.reason
    size = min(sizes(e, near=False), sizes(e, near=True))
    stated = EDGE * wrong.detectable
    least = min(stated, EDGE * right.detectable) if right.outcome is Outcome.PASS else stated
    words = f"{e.mistake}: size {size:.2g}, stated {stated:.2g}, of the right one {least:.2g}"
    if size <= least:
        return "", wrong.reason
    if size <= stated:
        return WIDER, words
    other = all(
        as_computed(e, i, j, e.right[i, j], e.wrong[i, j]) for i, j in np.argwhere(e.wrong != e.right)
    )
    return ("" if other else "wrong PASS"), words


def judged_kink(seed: int, name: str) -> Iterator[Said]:
    """Slopes within the one-sided ones, and outside them."""
    found = kinked(seed)
    if found is None:
        return
    mine, within, outside, check = found
    ask = partial(call, check, mine.f, x=mine.x, shape=mine.smooth.shape)
    for sub in (False, True):
        kind = f"{check}, kink{', subgradient' if sub else ''}"
        report = ask(J=within, subgradient=sub)
        # Without `subgradient` there is no derivative to pass.
        faults = {Outcome.FAIL: "right FAIL", Outcome.PASS: "" if sub else "wrong PASS"}
        yield Said(name, kind, True, report.outcome.value, faults.get(report.outcome, ""), report.reason)
        report = ask(J=outside, subgradient=sub)
        fault = "wrong PASS" if report.outcome is Outcome.PASS else ""
        yield Said(name, kind, False, report.outcome.value, fault, report.reason)


def judged_operator(seed: int, name: str) -> Iterator[Said]:
    """An adjoint, and a wrong one."""
    found = operator(seed)
    if found is None:
        return
    o, wrong, mistake = found
    with np.errstate(all="ignore"):
        report = gradcheck.check_adjoint(o.forward, o.adjoint, o.x, o.y)
        fault = "right FAIL" if report.outcome is Outcome.FAIL else ""
        yield Said(name, "check_adjoint", True, report.outcome.value, fault, report.reason)
        report = gradcheck.check_adjoint(o.forward, wrong, o.x, o.y)
        fault = "wrong PASS" if report.outcome is Outcome.PASS else ""
        yield Said(name, "check_adjoint", False, report.outcome.value, fault, f"{mistake}: {report.reason}")


def said(kind: str, seed: int) -> Iterator[Said]:
    """What is said of one example: of kind vector, scalar, kink or adjoint; nothing where none is drawn."""
    name = f"{kind}:{seed}"
    if kind == "kink":
        yield from judged_kink(seed, name)
    elif kind == "adjoint":
        yield from judged_operator(seed, name)
    else:
        e = example(seed, scalar=kind == "scalar")
        if e is not None:
            yield from judged(e, name)


def caught(kind: str, seed: int) -> Iterator[Said]:
    """The same; an exception is a fault like any other."""
    try:
        yield from said(kind, seed)
    except Exception as error:
        yield Said(f"{kind}:{seed}", kind, True, "crash", "crash", f"{type(error).__name__}: {error}")


def checks(kind: str, count: int, first: int) -> Iterator[Said]:
    """So many checks; "vector" has kinks and operators among them."""
    made = 0
    seed = first
    while made < count:
        mine = [kind] if kind == "scalar" else [kind, *(["kink"] if seed % KINKS == 0 else []),
                                                *(["adjoint"] if seed % OPERATORS == 0 else [])]  # fmt: skip
        for each in mine:
            for one in caught(each, seed):
                made += 1
                yield one
        seed += 1


def table(
    counts: collections.Counter[tuple[str, bool, str]], faults: collections.Counter[tuple[str, str]]
) -> None:
    """Counts by check."""
    print("| check | right | PASS | INCONCLUSIVE | FAIL | of these no fault of gradcheck | wrong | FAIL |"
          " INCONCLUSIVE | PASS | of these above the stated size |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    kinds = sorted({key[0] for key in counts})
    for kind in [*kinds, "all"]:
        cells = [kind]
        mine = kinds if kind == "all" else [kind]
        for right, order in (
            (True, ("PASS", "INCONCLUSIVE", "FAIL")),
            (False, ("FAIL", "INCONCLUSIVE", "PASS")),
        ):
            known = [sum(counts[k, right, outcome] for k in mine) for outcome in order]
            cells += [f"{sum(known):,}", *(f"{c:,}" for c in known)]
            if right:
                blamed = sum(faults[k, fault] for k in mine for fault in ("right FAIL", BEYOND))
                cells.append(f"{known[-1] - blamed}")
            else:
                cells.append(f"{sum(faults[k, 'wrong PASS'] for k in mine)}")
        print("| " + " | ".join(cells) + " |")


def run(kind: str, count: int, first: int) -> int:
    """Count, and name every fault; returns how many there are, without those of a span beyond 1e8 and those below
    their stated size."""
    counts: collections.Counter[tuple[str, bool, str]] = collections.Counter()
    faults: collections.Counter[tuple[str, str]] = collections.Counter()
    started = time.perf_counter()
    for k, one in enumerate(checks(kind, count, first)):
        counts[one.check, one.right, one.outcome] += 1
        if one.fault:
            faults[one.check, one.fault] += 1
            print(f"{one.fault}  {one.example}  {one.check}: {one.words}", flush=True)
        if k % 1000 == 999:
            print(f"{k + 1:,} checks of {kind} functions, {time.perf_counter() - started:.0f} s", flush=True)
    table(counts, faults)
    return sum(count for (_, fault), count in faults.items() if fault not in (BEYOND, WIDER))


def main() -> None:
    """Run, or show one example; exit status 1 where something is at fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vector", type=int, default=20_000)
    parser.add_argument("--scalar", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.only:
        kind, _, number = options.only.partition(":")
        for one in said(kind, int(number)):
            print(one)
        return
    counts = {"vector": options.vector, "scalar": options.scalar}
    sys.exit(1 if sum(run(kind, count, options.first) for kind, count in counts.items() if count) else 0)


if __name__ == "__main__":
    main()
