"""Speed of the other checks: sparse Jacobians, and vectorised sweeps against one call a point.

    python benchmarks/derivatives.py

Each time is the best of five runs, in seconds, with SciPy's own differences of the same Jacobian in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from scipy import stats
from scipy.optimize import approx_fprime, rosen, rosen_der
from scipy.optimize._numdiff import approx_derivative, group_columns

from gradcheck import check_gradient, check_jacobian
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.numerics.stencils import STENCIL
from gradcheck.parameters.tree import Parameters

SIZE = 100_000
RUNS = 5


def best(call: Callable[[], Any]) -> tuple[float, Any]:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - started)
    return min(times), result


def chain(x: Any) -> Any:
    y = 2.0 * np.sin(x)
    y[1:] += x[:-1] * x[1:]
    y[:-1] += x[1:] ** 2
    return y


def chain_jac(x: Any) -> Any:
    middle = 2.0 * np.cos(x)
    middle[1:] += x[:-1]
    return scipy.sparse.diags_array([x[1:], middle, 2.0 * x[1:]], offsets=[-1, 0, 1], format="csr")


def sparse_table() -> None:
    x = np.random.default_rng(0).normal(size=SIZE)
    extra = scipy.sparse.coo_array(([0.01], ([777], [778])), shape=(SIZE, SIZE)).tocsr()

    def coupled(x: Any) -> Any:
        y = chain(x)
        y[500] += 0.3 * x[90_000]
        return y

    print(f"tridiagonal Jacobian, {SIZE:,} x {SIZE:,}")
    for name, f, jac in (
        ("right", chain, chain_jac),
        ("one entry off by 0.01", chain, lambda x: chain_jac(x) + extra),
        ("one entry missing from the pattern", coupled, chain_jac),
    ):
        seconds, report = best(partial(check_jacobian, f, jac, x))
        found = ", ".join(m.name for m in report.wrong)
        print(f"  {name:<36} {seconds:6.2f} s  {report.nfev:4d} evaluations  {report.outcome.value} {found}")
    pattern = chain_jac(x)
    started = time.perf_counter()
    approx_derivative(chain, x, method="3-point", sparsity=(pattern, group_columns(pattern)))
    print(f"  {'SciPy, 3-point differences alone':<36} {time.perf_counter() - started:6.2f} s")


def logistic(x: Any) -> Any:
    return stats.norm.logpdf(x).sum(axis=0) + stats.norm.logpdf(x, 1.0, 2.0).sum(axis=0)


def logistic_der(x: Any) -> Any:
    return -x - (x - 1.0) / 4.0


def quadratic(x: Any) -> Any:
    return (x * x).sum(axis=0)


def vectorised_table() -> None:
    x = np.random.default_rng(1).normal(size=100)
    print("a sweep of 100 coordinates, one call a point and one call in all")
    print(f"  {'f':<12} {'600 points':>22} {'gain':>6}   {'whole check':>22} {'gain':>6}")
    for name, f, grad in (
        ("x.x", quadratic, lambda x: 2.0 * x),
        ("rosen", rosen, rosen_der),
        ("two logpdf", logistic, logistic_der),
    ):
        evaluated, whole = [], []
        for vectorized in (False, True):
            parameters, flat = Parameters.of(x)
            objective = Objective(f, parameters, vectorized=vectorized)
            lines, rows = Lines.axes(parameters, flat, np.arange(100)), np.arange(100)
            offsets = 1e-3 * np.tile(STENCIL, (100, 1))
            evaluated.append(best(partial(objective.along, lines, rows, offsets))[0])
            seconds, report = best(partial(check_gradient, f, grad, x, vectorized=vectorized))
            assert report, report
            whole.append(seconds)
        cells = [f"{1e3 * a:8.2f} ms, {1e3 * b:6.2f} ms {a / b:6.1f}" for a, b in (evaluated, whole)]
        print(f"  {name:<12} {cells[0]}   {cells[1]}")
    seconds, _ = best(lambda: approx_fprime(x, rosen))
    print(f"  rosen by scipy.optimize.approx_fprime: {1e3 * seconds:.2f} ms, no verdict")


if __name__ == "__main__":
    sparse_table()
    vectorised_table()
