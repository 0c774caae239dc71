"""Evaluations of f in several workers, through joblib: its backends are how a check leaves one machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from gradcheck._typing import Index, Values

__all__ = ["in_workers", "workers"]


def workers(n_jobs: int | None) -> int:
    """How many workers joblib would use; 1 where nothing asks for more, without loading joblib.

    n_jobs : as joblib takes it, -1 for all processors. None is 1, or what an enclosing `joblib.parallel_config`
    says, whose backend may be another machine.
    """
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):
        return 1
    from joblib import effective_n_jobs

    return int(effective_n_jobs(n_jobs))


def in_workers(
    evaluate: Callable[[Index, Values], tuple[Values, str]], rows: Index, offsets: Values, n_jobs: int | None
) -> tuple[Values, str]:
    """Values (m, k) at `offsets` (m, k) of `rows` (m,), the points dealt out evenly, and the last complaint of f.

    evaluate(rows (p,), offsets (p, 1)) -> ((p, 1) values, complaint) : must be picklable, as must what f is made of.
    A value depends on its own point alone: the results are the same whatever the number of workers.
    """
    from joblib import Parallel, delayed

    m, k = offsets.shape
    each, flat = np.repeat(rows, k), offsets.reshape(-1, 1)
    parts: Sequence[Index] = np.array_split(np.arange(m * k), min(m * k, workers(n_jobs)))
    results = Parallel(n_jobs=n_jobs)(delayed(evaluate)(each[part], flat[part]) for part in parts)
    complaints = [complaint for _, complaint in results if complaint]
    values: Values = np.concatenate([values for values, _ in results]).reshape(m, k)
    return values, complaints[-1] if complaints else ""
