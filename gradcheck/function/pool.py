"""joblib's workers for as long as a check has use for them, each result taken when it comes."""

from __future__ import annotations

from threading import Event, Thread, main_thread
from typing import Any

from joblib import Parallel
from joblib.parallel import get_active_backend

# Seconds after which it is looked whether a worker failed: that alone wakes nobody.
FAILED = 0.01


class Pool(Parallel):  # type: ignore[misc]  # joblib has no types
    """Parallel that waits for its results, where joblib looks for them every 10 ms: half of what a fast f takes.

    From `__enter__` to `__exit__` is one call for the backend, so that Dask keeps what it has sent.
    Where a version of joblib lacks what is overridden here, it is as joblib has it.
    """

    def __init__(self, n_jobs: int) -> None:
        super().__init__(n_jobs=n_jobs, batch_size=1, pre_dispatch="all")
        self._arrived = Event()
        # Whether the backend, which others may have entered already, is in a call for this one.
        self._in_call = False
        # Within one `joblib.parallel_config` all pools have one backend, which the next may have entered meanwhile.
        self._shared = get_active_backend()[0] is self._backend

    def __enter__(self) -> Any:
        entered = super().__enter__()
        backend = self._backend
        if "start_call" not in vars(backend):
            backend.start_call()
            backend.start_call = backend.stop_call = _nothing
            self._in_call = True
        return entered

    def __exit__(self, *raised: Any) -> None:
        if self._in_call:
            backend = self._backend
            del backend.start_call, backend.stop_call
            backend.stop_call()
        super().__exit__(*raised)

    def leave(self) -> None:
        """Exit; where joblib waits a tenth of a second for its files to be gone, nobody waits with it."""
        waits = type(self._backend).__name__ == "LokyBackend"
        # Once the process ends it waits for no new thread; from Python 3.12 on none can be started.
        if waits and not self._shared and main_thread().is_alive():
            Thread(target=self.__exit__, args=(None, None, None)).start()
        else:
            self.__exit__(None, None, None)

    def print_progress(self) -> None:
        """Called by joblib where a result has come."""
        super().print_progress()
        self._arrived.set()

    def _wait_retrieval(self) -> bool:
        while (more := super()._wait_retrieval()) and self._backend.supports_retrieve_callback:
            if self._aborting:
                break
            self._arrived.wait(FAILED)
            self._arrived.clear()
        return bool(more)


def _nothing() -> None:
    """What is called once a check is not called once a batch."""
