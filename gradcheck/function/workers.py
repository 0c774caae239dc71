"""Evaluations of f in several workers, through joblib: its backends are how a check leaves one machine."""

from __future__ import annotations

import pickle
import sys
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import numpy as np

from gradcheck._typing import Index
from gradcheck.errors import WorkerError

T = TypeVar("T")

# Points of one line that a worker is worth: to start one takes as long as many an f. A stencil of six has three. An f
# that takes so many seconds is worth one by itself.
POINTS_EACH, SLOW = 2, 0.01
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


def dealt(count: int, most: int, n_jobs: int | None) -> list[Index]:
    """The numbers 0 ... count - 1 in one part a worker, of nearly equal size; at most so many parts, and one at least.

    most : workers that there is work for: lines, or pairs of the points of one line.
    """
    return np.array_split(np.arange(count), max(1, min(most, count, workers(n_jobs))))


class Kept:
    """Workers that stay from one call to the next, so that what a check sends again and again travels once."""

    def __init__(self) -> None:
        self._count = 0
        self._pool: Any = None
        self._close: Callable[[], Any] = lambda: None

    def run(
        self,
        evaluate: Callable[..., tuple[T, str]],
        shared: tuple[Any, ...],
        parts: Sequence[tuple[Any, ...]],
    ) -> tuple[list[T], str]:
        """What `evaluate` makes of each part, a worker each, in their order; and the first complaint of f.

        evaluate(*shared, *part) -> (values, complaint) : must be picklable, as must what f is made of. A value depends
        on its own point alone: the results are the same whatever the number of workers.
        shared : for all parts; what is the same object in the next call, too, is sent once where that is large.
        Raises WorkerError where f cannot be sent to a process, or a process ends while it runs f.
        """
        parts = [(*shared, *part) for part in parts]
        # One part is made here: no worker is faster than the process that would wait for it.
        results = self._elsewhere(evaluate, parts) if len(parts) > 1 else [evaluate(*parts[0])]
        complaints = [complaint for _, complaint in results if complaint]
        return [values for values, _ in results], complaints[0] if complaints else ""

    def _elsewhere(self, evaluate: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> list[T]:
        from joblib import delayed

        try:
            return list(self._of(len(parts))(delayed(evaluate)(*part) for part in parts))
        except BaseException as error:
            self.close()
            explained = _explained(error)
            if explained is None:
                raise
            raise explained from error

    def _of(self, count: int) -> Any:
        """At least so many; never more than there was work for at once."""
        from gradcheck.function.pool import Pool

        if count > self._count:
            self.close()
            self._count, self._pool = count, Pool(count)
            self._pool.__enter__()
            self._close = weakref.finalize(self, self._pool.leave)
        return self._pool

    def close(self) -> None:
        """Let the workers go; others are called if there is more to do."""
        self._close()
        self._count, self._pool = 0, None


def _explained(error: BaseException) -> WorkerError | None:
    """What to raise in the place of an error that comes from sending f to a worker: the cause, and what to do."""
    if isinstance(error, pickle.PicklingError):
        return WorkerError(f"f cannot be sent to another process: {_cause(error)}; {ADVICE}")
    if type(error) in (AttributeError, TypeError):
        # Its "multiprocessing" sends by plain pickle; what f raises near x is no exception any more, and those of this
        # package about what f returned are types of their own.
        said = f"joblib's backend cannot send f, or the check around it: {_cause(error)}"
        return WorkerError(f"{said}; {ADVICE}")
    if isinstance(error, BrokenProcessPool):
        return WorkerError(f"a worker process ended while it called f; {ADVICE}")
    return None


def _cause(error: BaseException) -> str:
    """What pickle said, without the traceback of the process that joblib hands on."""
    lines = str(error.__cause__ or error).strip('"\n ').splitlines()
    return lines[-1].strip()[:200]
