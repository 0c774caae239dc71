"""Does the advice of an undecided report decide it? `python -m benchmarks.advice` applies it by machine, on the corpus.

Every right gradient of benchmarks.verdicts, and each with its sign turned, that is INCONCLUSIVE: the first option that
the report names is set to the value printed. Advice about f or x itself (float64, moving x) is counted apart.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import numpy as np

import gradcheck
from benchmarks import corpus
from gradcheck.results.undecided import Advice, Remedy

# Remedies that are an option of the check.
OPTIONS: dict[Remedy, dict[str, Any]] = {
    Remedy.SUBGRADIENT: {"subgradient": True},
    Remedy.SWEEP: {"method": "sweep"},
    Remedy.COMPLEX: {"method": "complex"},
}


def option(advice: Advice) -> dict[str, Any] | None:
    """The keyword argument that an advice names; None where it is about f or x."""
    if advice.remedy in (Remedy.RESOLUTION, Remedy.ATOL):
        return {advice.remedy.value: 1.05 * (advice.value or 0.0)}
    return OPTIONS.get(advice.remedy)


def follow(f: Any, grad: Any, x: Any, report: gradcheck.Report, times: int = 3) -> tuple[str, str]:
    """What became of it, and which advice was followed first; at most so many in turn."""
    given: dict[str, Any] = {}
    first = ""
    for _ in range(times):
        if report.undecided is None or report.outcome is not gradcheck.Outcome.INCONCLUSIVE:
            break
        options = [(a, option(a)) for a in report.undecided.advice]
        usable = [(a, o) for a, o in options if o is not None and not o.items() <= given.items()]
        if not usable:
            first = first or report.undecided.advice[0].remedy.value
            break
        advice, chosen = usable[0]
        first = first or advice.remedy.value
        given |= chosen or {}
        with np.errstate(all="ignore"):
            report = gradcheck.check_gradient(f, grad, x, **given)
    return report.outcome.value, first


def main() -> None:
    """Print what became of the undecided checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    every = parser.parse_args().every
    counts: Counter[tuple[str, str, str]] = Counter()
    for p in corpus.problems(with_libraries=False)[::every]:
        for kind in ("right", "turned"):
            grad = p.grad if kind == "right" else _turned(p.grad)
            with np.errstate(all="ignore"):
                report = gradcheck.check_gradient(p.f, grad, p.x)
            if report.outcome is gradcheck.Outcome.INCONCLUSIVE:
                outcome, first = follow(p.f, grad, p.x, report)
                if report.undecided is None:
                    first = "(the contract)"
                counts[kind, first, outcome] += 1
    for (kind, first, outcome), count in sorted(counts.items()):
        print(f"{kind:8} {first:40} {outcome:14} {count}")


def _turned(grad: Any) -> Any:
    def turned(x: Any) -> Any:
        g = grad(x)
        return {k: -v for k, v in g.items()} if isinstance(g, dict) else -np.asarray(g)

    return turned


if __name__ == "__main__":
    main()
