"""Evaluations of f in several workers, through joblib: its backends are how a check leaves one machine."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from gradcheck._typing import Index, Values
from gradcheck.errors import WorkerError

__all__ = ["in_workers", "workers"]

# Points of one line that a worker is worth: to start one takes as long as many an f. A stencil of six has three.
POINTS_EACH = 2
ADVICE = "n_jobs=1 calls it in this process, joblib.parallel_config(backend='threading') in threads of it"
# No machine has more; a larger number is a mistake, and joblib crashes on it.
MOST = 2**15


def workers(n_jobs: int | None) -> int:
    """How many workers joblib would use; 1 where nothing asks for more, without loading joblib.

    n_jobs : as joblib takes it, -1 for all processors. None is 1, or what an enclosing `joblib.parallel_config`
    says, whose backend may be another machine.
    """
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):
        return 1
    from joblib import effective_n_jobs

    return int(effective_n_jobs(n_jobs if n_jobs is None else max(-MOST, min(n_jobs, MOST))))


def in_workers(
    evaluate: Callable[[Index, Values], tuple[Values, str]], rows: Index, offsets: Values, n_jobs: int | None
) -> tuple[Values, str]:
    """Values (m, k) at `offsets` (m, k) of `rows` (m,), the points dealt out evenly, and the last complaint of f.

    evaluate(rows (p,), offsets (p, 1)) -> ((p, 1) values, complaint) : must be picklable, as must what f is made of.
    A value depends on its own point alone: the results are the same whatever the number of workers. There are never
    more of these than there is work for.
    Raises WorkerError where f cannot be sent to a process, or a process ends while it runs f.
    """
    from joblib import Parallel, delayed

    m, k = offsets.shape
    each, flat = np.repeat(rows, k), offsets.reshape(-1, 1)
    number = max(1, min(max(m, k // POINTS_EACH), m * k, workers(n_jobs)))
    parts: Sequence[Index] = np.array_split(np.arange(m * k), number)
    try:
        results = Parallel(n_jobs=number)(delayed(evaluate)(each[part], flat[part]) for part in parts)
    except pickle.PicklingError as error:
        raise WorkerError(f"f cannot be sent to another process: {_cause(error)}; {ADVICE}") from error
    except (AttributeError, TypeError) as error:
        if type(error) not in (AttributeError, TypeError):
            raise  # of this package, about what f returned
        # Its "multiprocessing" sends by plain pickle; what f raises near x is no exception any more.
        said = f"joblib's backend cannot send f, or the check around it: {_cause(error)}"
        raise WorkerError(f"{said}; {ADVICE}") from error
    except BrokenProcessPool as error:
        raise WorkerError(f"a worker process ended while it called f; {ADVICE}") from error
    complaints = [complaint for _, complaint in results if complaint]
    values: Values = np.concatenate([values for values, _ in results]).reshape(m, k)
    return values, complaints[-1] if complaints else ""


def _cause(error: BaseException) -> str:
    """What pickle said, without the traceback of the process that joblib hands on."""
    lines = str(error.__cause__ or error).strip('"\n ').splitlines()
    return lines[-1].strip()[:200]
