"""``ClusterExecutor``: the interface of ``concurrent.futures.Executor``, for code that was written for executors."""

from __future__ import annotations

import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

from clustrix.backends.local.capacity import machine_cores
from clustrix.config.settings import merge_options, resolve
from clustrix.job import AsyncJobResult
from clustrix.journal import JobState
from clustrix.journal.ids import new_id
from clustrix.mapresult import MapResult
from clustrix.runner import initializing
from clustrix.submission import Subject, submit_call, submit_map

P = ParamSpec("P")
R = TypeVar("R")


class ClusterExecutor(futures.Executor):
    """An executor whose calls are jobs: ``submit`` makes one of a call, ``map`` one of all its items.

    ``options`` are those of ``cluster``, without ``key``: ``ClusterExecutor(cores=2, memory="1GB", profile="hpc")``.  Jobs are durable
    when ``submit`` returns, and go on when this process ends without ``shutdown``.

    ``max_workers`` is how many processes of a map run at once on this machine; None: as many as its cores allow.  Single calls start when
    the cores and memory that they ask for are free: ``cores`` bounds them, not ``max_workers``.  ``initializer(*initargs)`` is
    called once in each process before the functions that run there.  ``mp_context`` and ``max_tasks_per_child`` are those of
    ProcessPoolExecutor and change nothing: each call has a new process of its own.

    Raises ConfigError for a bad value, UnknownOption for an unknown name.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        **options: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if max_tasks_per_child is not None and max_tasks_per_child <= 0:
            raise ValueError("max_tasks_per_child must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if options.get("key") is not None:
            raise TypeError(
                "key names one piece of work, and an executor makes many jobs: use @cluster(key=...)"
            )
        self._options = merge_options({}, options)
        self._workers = max_workers
        self._initializer = (new_id(), initializer, initargs) if initializer is not None else None
        self._broken: BaseException | None = None
        self._closed = False
        self._lock = threading.Lock()
        # A job that has not ended is held by whoever waits for its news; one that has need not be held.
        self._jobs: weakref.WeakSet[AsyncJobResult[Any]] = weakref.WeakSet()

    @property
    def _max_workers(self) -> int:
        # Dask looks at it, as at that of the other executors, to see how many calls to submit ahead.
        if self._workers is not None:
            return self._workers
        cores: int = resolve(self._options)["default_cores"]
        return max(1, machine_cores() // cores)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncJobResult[R]:
        """Submit one call; returns its future at once, which is a job's handle: ``attach(future.id)`` finds it from any process.

        Raises RuntimeError after ``shutdown``, BrokenProcessPool when the initializer has failed, and what a decorated
        function's ``submit`` raises.
        """
        subject, bound = self._subject(fn)
        return self._submitted(functools.partial(submit_call, subject, (*bound, *args), kwargs))

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[R]:
        """Submit one map; returns an iterator over its results in the order of the items.  The iterables are read at once.

        An item that failed raises its own error at its place.  ``timeout``: seconds from this call on; raises
        ``concurrent.futures.TimeoutError`` when they are over.  The map is cancelled, with the items that run, when the iterator has begun and
        ends early: by an error, by the timeout, or since nobody goes on with it.  ``chunksize`` changes nothing: workers take
        more items at a time as they see how short these are.  Raises as ``submit`` does.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        deadline = None if timeout is None else time.monotonic() + timeout
        subject, bound = self._subject(fn)
        if self._workers is not None:
            subject = subject._replace(settings={**subject.settings, "max_parallel_jobs": self._workers})
        items = list(zip(*iterables, strict=False))
        job = self._submitted(functools.partial(submit_map, subject, bound, items, {}))
        assert isinstance(job, MapResult)
        return _in_order(job, deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait until all that were submitted have ended.

        ``cancel_futures``: cancel those that have not begun.  ``wait=False``: return at once; the jobs go on, whatever becomes of this process.
        """
        with self._lock:
            self._closed = True
            jobs = list(self._jobs)
        if cancel_futures:
            for job in jobs:
                if not job.done() and not job.reused and job.state is not JobState.RUNNING:
                    job.cancel()
        if wait:
            futures.wait(jobs)

    def _subject(self, function: Callable[..., Any]) -> tuple[Subject, tuple[Any, ...]]:
        """What the job calls, and the arguments in front of the call's own."""
        name = getattr(function, "__qualname__", None) or type(function).__name__
        settings: Mapping[str, Any] = resolve(self._options)
        if self._initializer is None:
            return Subject(function, name, None, settings), ()
        return Subject(initializing.after, name, None, settings), (*self._initializer, function)

    def _submitted(self, submit: Callable[[], AsyncJobResult[Any]]) -> AsyncJobResult[Any]:
        # Under the lock, so that a shutdown in another thread waits for what was submitted before it.
        with self._lock:
            if self._broken is not None:
                from concurrent.futures.process import BrokenProcessPool  # 10 ms that nobody else need pay

                raise BrokenProcessPool(str(self._broken)) from self._broken
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            job = submit()
            self._jobs.add(job)
        if self._initializer is not None:
            job.add_done_callback(self._look_for_failure)
        return job

    def _look_for_failure(self, job: futures.Future[Any]) -> None:
        """Whether the initializer has failed; then nothing that was submitted later could run either."""
        if job.cancelled() or self._broken is not None:
            return
        error = job.error(0) if isinstance(job, MapResult) and len(job) else job.exception()
        # By name: to import its module takes 10 ms.
        if type(error).__name__ == "BrokenProcessPool" and str(error).startswith(initializing.MESSAGE):
            self._broken = error
            # As the standard library's executors tell who has let go of the futures.
            logging.getLogger("concurrent.futures").critical("Exception in initializer: %s", error)


def _in_order(job: MapResult[R], deadline: float | None) -> Iterator[R]:
    try:
        for index in range(len(job)):
            if not job._wait_until(functools.partial(job._there, index), deadline, goes_on=job.reused):
                raise futures.TimeoutError(f"item {index} of job {job.id} is not done in time")
            yield job._item(index)
    except BaseException:  # GeneratorExit among them: nobody will ask for what is left
        if not job.reused and job.finished() < len(job):
            job.cancel()
        raise
