"""joblib.Parallel over jobs: ``clustrix.joblib.register()``, then ``with joblib.parallel_config(backend="clustrix")``.

Needs joblib (``pip install clustrix[joblib]``), and is imported only by who wants it.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

try:
    from joblib.parallel import (
        BatchedCalls,
        FallbackToBackend,
        ParallelBackendBase,
        SequentialBackend,
        register_parallel_backend,
    )
except ImportError as error:
    raise ImportError("clustrix.joblib needs joblib: pip install 'clustrix[joblib]'") from error

from clustrix.executor import ClusterExecutor
from clustrix.job import AsyncJobResult
from clustrix.runner.timing import timed

_Batch = tuple[BatchedCalls, "Future[Any]"]
_AHEAD = 10
"""Batches that joblib hands out ahead, for each job that may run: of these a job takes several."""
_BATCH_SECONDS = 0.2
_WORTH = 4
"""How many times as long as its start (scikit-learn: a second to import) a job's work should take."""


def register() -> None:
    """Make ``backend="clustrix"`` known to joblib; more than once does no harm.

    Options of ``cluster`` go behind it: ``parallel_config(backend="clustrix", cores=2, memory="1GB")``.
    """
    register_parallel_backend("clustrix", ClustrixBackend)


class ClustrixBackend(ParallelBackendBase):  # type: ignore[misc]  # joblib is untyped
    """A job runs one batch of joblib's, or as many as make its start worth while.  Called by joblib, not by users."""

    supports_retrieve_callback = True
    default_n_jobs = -1
    """Whoever names this backend wants the places that it has."""

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many jobs run at once; -1: as many as cores allow.  Raises ValueError for 0."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(1, self._places() + 1 + n_jobs)

    def _places(self) -> int:
        return ClusterExecutor(**self.backend_kwargs)._max_workers

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Get ready for one Parallel; returns how many jobs run at once.

        ``options`` are joblib's, about memory maps: jobs keep large arguments as blobs.
        """
        number = self.effective_n_jobs(n_jobs)
        if number == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._executor = ClusterExecutor(**{"name": "joblib", **self.backend_kwargs})
        self._gathering = _Gathering(self._executor, number)
        # Not by what this returns: a Parallel that is used in a with block, as scikit-learn's, asks for effective_n_jobs instead.
        if isinstance(parallel.pre_dispatch, str):
            parallel.pre_dispatch = parallel.pre_dispatch.replace("n_jobs", str(number * _AHEAD))
        return number

    def compute_batch_size(self) -> int:
        """How many tasks joblib should make a batch of."""
        return self._gathering.batch_size()

    def submit(self, func: BatchedCalls, callback: Callable[[Any], None] | None = None) -> Any:
        """One batch."""
        return self._gathering.add(func, callback)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What a batch came to."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what runs and what waits: one task has failed, or the time is over."""
        self._gathering.abort()

    def terminate(self) -> None:
        """The end of one Parallel."""
        self._executor.shutdown(wait=False)

    def get_nested_backend(self) -> tuple[Any, None]:
        """A Parallel within a batch runs in that batch's process, one after the other: its cores are those of the job."""
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None


class _Gathering:
    """Batches that wait, and the jobs that run them, so many at once.

    joblib cuts the last tasks into batches of one, and knows no cost of a start.  So the first jobs have one batch each and tell what
    their start and their work took; each that follows takes of what waits what is worth a start, and no more than its share.
    """

    def __init__(self, executor: ClusterExecutor, places: int) -> None:
        self._executor = executor
        self._places = places
        # Never held while joblib is called: joblib has a lock of its own, and calls add() with it.
        self._lock = threading.Lock()
        self._waiting: deque[_Batch] = deque()
        self._jobs: set[AsyncJobResult[Any]] = set()
        self._ended = self._batches = self._tasks = 0
        self._start_s = self._work_s = 0.0

    def add(self, batch: BatchedCalls, callback: Callable[[Any], None] | None) -> Future[Any]:
        future: Future[Any] = Future()
        if callback is not None:
            future.add_done_callback(callback)
        with self._lock:
            self._waiting.append((batch, future))
        self._fill()
        return future

    def batch_size(self) -> int:
        with self._lock:
            if not self._work_s:
                return 1
            wanted = int(_BATCH_SECONDS * self._tasks / self._work_s)
            return max(1, min(wanted, self._tasks))  # a guess from a few goes no further than twice them

    def abort(self) -> None:
        with self._lock:
            self._waiting.clear()
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()

    def _fill(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or len(self._jobs) >= self._places:
                    return
                taken = [self._waiting.popleft() for _ in range(self._share())]
                finish = functools.partial(self._finish, taken=taken, began=time.monotonic())
                try:
                    job: Any = self._executor.submit(timed, [batch for batch, _ in taken])
                except Exception as error:  # joblib raises it where it is waited for
                    job, refused = None, error
                else:
                    self._jobs.add(job)
            if job is None:
                _settle(taken, refused)
            else:
                job.add_done_callback(finish)

    def _share(self) -> int:
        if not self._ended:
            return 1
        a_start = self._start_s / self._ended / max(self._work_s / self._batches, 1e-6)  # as batches
        even = len(self._waiting) / self._places
        # What takes no longer than a start is not worth one of its own.
        return max(1, min(len(self._waiting), math.ceil(max(a_start, min(even, _WORTH * a_start)))))

    def _finish(self, job: AsyncJobResult[Any], taken: list[_Batch], began: float) -> None:
        try:
            found, work_s = job.result()
        except (Exception, CancelledError) as error:
            found, work_s = error, None
        with self._lock:
            self._jobs.discard(job)
            if work_s is not None:
                self._ended += 1
                self._batches += len(taken)
                self._tasks += sum(len(batch) for batch, _ in taken)
                self._work_s += work_s
                self._start_s += time.monotonic() - began - work_s
        self._fill()
        _settle(taken, found)


def _settle(taken: list[_Batch], found: list[Any] | BaseException) -> None:
    """joblib's callbacks run in here, and bring further batches."""
    for number, (_, future) in enumerate(taken):
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found[number])
