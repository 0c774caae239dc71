"""Does the advice of an undecided report decide it? `python -m benchmarks.advice` applies it by machine.

Every check of benchmarks.verdicts, .peers and .jacobians, and of a few functions that left checks undecided, right and
wrong, that ends INCONCLUSIVE: what its report advises is done, the first that a machine can do. An option is set to the
value printed; x is moved as told; an f that is to be more precise is replaced by the same one without its disturbance,
where the corpus has it. Decided rightly is a right derivative that passes, a wrong one that is refused, or one that is
off by less than the report then calls detectable. Options: --every K takes each K-th; --show prints what falls short.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import gradcheck
from benchmarks import corpus, jacobians, peer_corpus, trials
from benchmarks.corpus import flat, like
from benchmarks.corpus.disturbed import DISTURBANCES
from gradcheck import mutations
from gradcheck.results.undecided import Remedy

Array = Any
Report = gradcheck.Report

# Remedies that are an option of the check.
OPTIONS: dict[Remedy, dict[str, Any]] = {
    Remedy.SUBGRADIENT: {"subgradient": True},
    Remedy.SWEEP: {"method": "sweep"},
    Remedy.COMPLEX: {"method": "complex"},
}
MOVES = (
    Remedy.OFF_KINK,
    Remedy.OFF_JUMP,
    Remedy.OFF_EDGE,
    Remedy.OFF_BEND,
    Remedy.OFF_BESIDE,
    Remedy.ELSEWHERE,
)
PRECISION = (Remedy.FLOAT64, Remedy.DIGITS, Remedy.PRECISE)
# How far x is moved, relative to its size or 1, and how often where f is not finite there.
MOVE, TRIES = 0.03, 20
# Advice that is followed in turn.
TURNS = 3
# On a kink there is no derivative that could be right or wrong, and what is hidden may be seen or not.
UNJUDGED = (peer_corpus.HIDDEN,)


@dataclass(frozen=True)
class Case:
    """One check.

    f, derivative : functions of x. size : of the mistake, 0 for a right one, relative as `Report.detectable` is.
    precise : the same f without its disturbance, None where there is none. matrix : whether it is a Jacobian.
    """

    source: str
    name: str
    f: Callable[[Any], Any]
    derivative: Callable[[Any], Any]
    x: Any
    size: float = 0.0
    precise: Callable[[Any], Any] | None = None
    matrix: bool = False

    def check(self, options: dict[str, Any]) -> Report:
        """The report on it."""
        check = gradcheck.check_jacobian if self.matrix else gradcheck.check_gradient
        with np.errstate(all="ignore"):
            return check(self.f, self.derivative, self.x, **options)


def gradients(problems: list[corpus.Problem], source: str) -> Iterator[Case]:
    """Every problem, right and with every standard mistake."""
    clean = {p.name: p for p in problems}
    for p in problems:
        suffix = next((name for _, name, _ in DISTURBANCES if p.name.endswith(f", {name}")), "")
        base = clean.get(p.name.removesuffix(f", {suffix}")) if suffix else None
        precise = base.f if base is not None else None
        yield Case(source, p.name, p.f, p.grad, p.x, precise=precise)
        if p.category == "on a kink":
            continue
        right, unit = flat(p.grad(p.x)).astype(float), trials.units(p)
        for mutation in mutations.standard_mutations(p.grad):
            mutated = mutations.mutate(p.grad, mutation)
            try:
                with np.errstate(all="ignore"):
                    wrong = mutated(p.x)
            except ValueError:
                continue  # it changes nothing here
            claimed = flat(wrong).astype(float)
            # Where f has no slope a report's `detectable` is relative to what is claimed.
            size = trials.relative(claimed - right, np.where(unit > 0, unit, np.abs(claimed)))
            if size > peer_corpus.LEAST:
                yield Case(source, f"{p.name}: {mutation.name}", p.f, mutated, p.x, size, precise)


def matrices(*, quick: bool) -> Iterator[Case]:
    """Jacobians of disturbed maps, right and with every mistake."""
    for number, each in enumerate(jacobians.maps(0, quick=quick)):
        right = each.jac(each.x)
        wrong = [("", right), *jacobians.mistakes(right, np.random.default_rng(number))]
        for kind, disturb in jacobians.KINDS.items():
            for mistake, jac in wrong:
                with np.errstate(invalid="ignore", divide="ignore"):
                    off = float(np.nan_to_num(np.abs(jac - right) / jacobians.unit(right)).max())
                yield Case(
                    "jacobians", f"{each.name}, {kind}: {mistake}", disturb(each.f), _plus(each.jac, jac - right),
                    each.x, off, each.f, matrix=True,
                )  # fmt: skip


def _plus(jac: Callable[[Array], Array], off: Array) -> Callable[[Array], Array]:
    return lambda x: jac(x) + off


def undecided() -> Iterator[Case]:
    """Functions whose checks people could not get decided."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(32, 20)), rng.normal(size=(32, 20))

    def normalised(p: Any) -> tuple[Array, Array]:
        a = inputs @ p["W"] + p["b"]
        return a, (a - a.mean(0)) / np.sqrt(((a - a.mean(0)) ** 2).mean(0) + 1e-5)

    def loss(p: Any) -> float:
        return float(np.mean((normalised(p)[1] - targets) ** 2))

    def backward(p: Any) -> Any:
        a, h = normalised(p)
        d = 2.0 * (h - targets) / targets.size
        da = (d - d.mean(0) - h * (d * h).mean(0)) / np.sqrt(a.var(0) + 1e-5)
        return {"W": inputs.T @ da, "b": da.sum(0)}

    def off(p: Any) -> Any:
        return backward(p) | {"b": np.full(20, 1e-3)}

    def rounded(p: Any) -> Any:
        g = backward(p)
        return g | {"b": g["b"] + 3e-15}  # more than is taken for 0, and less than f shows

    p = {"W": rng.normal(size=(20, 20)), "b": rng.normal(size=20)}
    for name, method, derivative, size in (
        ("", "auto", backward, 0.0), (", one by one", "sweep", rounded, 0.0), (", off", "sweep", off, 1.0),
    ):  # fmt: skip
        yield _with(
            Case("undecided", f"a bias before a normalisation{name}", loss, derivative, p, size), method
        )
    cancels = Case(
        "undecided", "terms that cancel", lambda x: float((0.1 + 0.2) * x[0] - 0.3 * x[0]),
        lambda x: np.full(x.shape, (0.1 + 0.2) - 0.3), np.zeros(1), precise=lambda x: float(((0.1 + 0.2) - 0.3) * x[0]),
    )  # fmt: skip
    yield cancels
    yield replace(
        cancels, name="terms that cancel, off", derivative=lambda x: np.full(x.shape, 1e-16), size=1.0
    )
    for level in (1e-6, 1e-4):
        for name, factor in (("", 1.0), (", negated", -1.0), (", all x 1.5", 1.5)):
            x, a = rng.normal(size=(2, 6))
            yield Case(
                "undecided", f"noise {level:g}{name}", _noisy(a, level), _scaled_cosine(a, factor), x,
                abs(factor - 1.0), lambda x, a=a: float(a @ np.sin(x)),
            )  # fmt: skip
    for name, factor in (("", 1.0), (", all x 2", 2.0)):
        yield Case(
            "undecided", f"rounded to two decimals{name}", lambda x: float(np.round(np.sum(np.exp(x)), 2)),
            lambda x, factor=factor: factor * np.exp(x), np.linspace(-1.0, 1.0, 5), factor - 1.0,
            lambda x: float(np.sum(np.exp(x))),
        )  # fmt: skip
        yield Case(
            "undecided", f"a large constant{name}", lambda x: float(1e10 + 1e-4 * np.sum(x**2)),
            lambda x, factor=factor: factor * 2e-4 * x, np.linspace(0.5, 1.0, 4), factor - 1.0,
            lambda x: float(1e-4 * np.sum(x**2)),
        )  # fmt: skip


def _with(case: Case, method: str) -> Case:
    return _Method(**vars(case), method=method)


@dataclass(frozen=True)
class _Method(Case):
    """A case whose check begins with a method."""

    method: str = "auto"

    def check(self, options: dict[str, Any]) -> Report:
        return super().check({"method": self.method} | options)


def _noisy(a: Array, level: float) -> Callable[[Array], float]:
    def f(x: Array) -> float:
        noise = np.random.default_rng(np.ascontiguousarray(x).view(np.uint32)).normal()
        return float(a @ np.sin(x)) * (1.0 + level * noise)

    return f


def _scaled_cosine(a: Array, factor: float) -> Callable[[Array], Array]:
    return lambda x: factor * a * np.cos(x)


def follow(case: Case, report: Report) -> tuple[Report, list[Remedy], bool]:
    """The last report, what was followed in turn, and whether a machine could."""
    options: dict[str, Any] = {}
    followed: list[Remedy] = []
    while report.outcome is gradcheck.Outcome.INCONCLUSIVE and len(followed) < TURNS:
        advised = () if report.undecided is None else report.undecided.remedies
        if not advised:
            return report, followed, False
        # What did not decide it is followed once more only where there is nothing else.
        for remedy in sorted(advised, key=followed.__contains__):
            changed = _apply(case, report, remedy, options)
            if changed is not None and (changed[0] is not case or changed[1] != options):
                case, options = changed
                break
        else:
            return report, [*followed, advised[0]], bool(followed)
        followed.append(remedy)
        report = case.check(options)
    return report, followed, True


def _apply(
    case: Case, report: Report, remedy: Remedy, options: dict[str, Any]
) -> tuple[Case, dict[str, Any]] | None:
    """The check as one advice has it; None where a machine cannot follow it."""
    if remedy in (Remedy.RESOLUTION, Remedy.ATOL):
        printed = re.search(rf"{remedy.value}=([\d.e+-]+)", report.advice)
        return None if printed is None else (case, options | {remedy.value: float(printed[1].rstrip("."))})
    if remedy in OPTIONS:
        return case, options | OPTIONS[remedy]
    if remedy in MOVES:
        x = _moved(case)
        return None if x is None else (replace(case, x=x), options)
    if remedy in PRECISION and case.precise is not None and case.f is not case.precise:
        return replace(case, f=case.precise), options
    if remedy is Remedy.FLOAT64 and flat(case.x).dtype == np.float32:
        return replace(case, x=like(case.x, flat(case.x).astype(np.float64))), options
    if remedy is Remedy.APART and isinstance(case.x, np.ndarray) and not case.matrix:
        return _apart(case), options
    return None


def _moved(case: Case) -> Any:
    """Another x, at which f and the derivative are finite; None where there is none nearby."""
    rng = np.random.default_rng(1)
    start = flat(case.x).astype(float)
    scale = np.maximum(np.abs(start), 1.0)
    for _ in range(TRIES):
        x = like(
            case.x, start + MOVE * scale * rng.uniform(0.5, 1.5, start.size) * rng.choice([-1, 1], start.size)
        )
        try:
            with np.errstate(all="ignore"):
                finite = np.isfinite(case.f(x)).all() and np.isfinite(flat(case.derivative(x))).all()
        except (ValueError, ArithmeticError):
            continue
        if finite:
            return x
    return None


def _apart(case: Case) -> Case:
    """Every entry an array of its own."""
    shape = case.x.shape

    def whole(parts: Any) -> Array:
        return np.concatenate([parts[k] for k in parts]).reshape(shape)

    def split(array: Array) -> dict[str, Array]:
        return {str(k): part for k, part in enumerate(np.asarray(array).reshape(-1, 1))}

    f, derivative = case.f, case.derivative
    return replace(
        case,
        f=lambda p: f(whole(p)),
        derivative=lambda p: split(derivative(whole(p))),
        x=split(case.x),
        precise=None,
    )


def rightly(case: Case, report: Report) -> bool:
    """Whether a decided report is right."""
    if report.outcome is gradcheck.Outcome.PASS:
        return case.size <= max(report.detectable, report.resolution, report.rtol)
    return case.size > 0


def sources() -> dict[str, Callable[[], Iterator[Case]]]:
    """Every case, by where it comes from."""
    published = [
        p for p in peer_corpus.entries() if p.problem.category in (peer_corpus.PACKAGES, peer_corpus.NETWORKS)
    ]
    return {
        "verdicts": lambda: gradients(corpus.problems(with_libraries=False), "verdicts"),
        "peers": lambda: gradients([e.problem for e in published if e.kind == peer_corpus.RIGHT], "peers"),
        "jacobians": lambda: matrices(quick=True),
        "undecided": undecided,
    }


def main() -> None:
    """Print what became of the undecided checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--source", nargs="*", default=None)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    started, checks = time.perf_counter(), 0
    counts: Counter[tuple[str, str, str]] = Counter()
    for source, cases in sources().items():
        if given.source is not None and source not in given.source:
            continue
        for k, case in enumerate(cases()):
            if k % given.every and source != "undecided":
                continue
            checks += 1
            report = case.check({})
            if report.outcome is not gradcheck.Outcome.INCONCLUSIVE:
                continue
            last, followed, could = follow(case, report)
            decided = last.outcome is not gradcheck.Outcome.INCONCLUSIVE
            what = "rightly" if decided and rightly(case, last) else "wrongly" if decided else "undecided"
            what = (
                what
                if could
                else "f breaks its contract"
                if report.undecided is None
                else "not for a machine"
            )
            counts[source, followed[0].value if followed else "", what] += 1
            if given.show and what != "rightly":
                said = ", ".join(r.value for r in followed)
                print(
                    f"{source} | {case.name} | {said} | {what} | {report.reason} | {last.reason}", flush=True
                )
    for (source, first, what), count in sorted(counts.items()):
        print(f"{source:10} {first:40} {what:24} {count}")
    total = Counter(what for (_, _, what), count in counts.items() for _ in range(count))
    followed_up = sum(total[what] for what in ("rightly", "wrongly", "undecided"))
    print(f"{checks:,} checks, {sum(total.values())} INCONCLUSIVE, {followed_up} followed by machine")
    print(
        f"decided rightly: {total['rightly']} of {followed_up} ({total['rightly'] / max(followed_up, 1):.1%})"
    )
    print(f"{time.process_time():.0f} s of computing, {time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
