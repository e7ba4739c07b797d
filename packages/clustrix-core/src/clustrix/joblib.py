"""joblib.Parallel over jobs: ``clustrix.joblib.register()``, then ``with joblib.parallel_config(backend="clustrix")``.

Needs joblib (``pip install clustrix[joblib]``), and is imported only by who wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from joblib.parallel import (
        AutoBatchingMixin,
        FallbackToBackend,
        ParallelBackendBase,
        SequentialBackend,
        register_parallel_backend,
    )
except ImportError as error:
    raise ImportError("clustrix.joblib needs joblib: pip install 'clustrix[joblib]'") from error

from clustrix.executor import ClusterExecutor
from clustrix.job import AsyncJobResult


def register() -> None:
    """Make ``backend="clustrix"`` known to joblib; more than once does no harm.

    Options of ``cluster`` go behind it: ``parallel_config(backend="clustrix", cores=2, memory="1GB")``.
    """
    register_parallel_backend("clustrix", ClustrixBackend)


class ClustrixBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib is untyped
    """Each batch of joblib's is a job.  Called by joblib, not by users."""

    supports_retrieve_callback = True
    default_n_jobs = -1
    """Whoever names this backend wants the places that it has."""
    # Seconds that joblib tries to make a batch take, 0.2 to 2 otherwise: a job has to import joblib, which takes some 0.3 s.
    MIN_IDEAL_BATCH_DURATION = 2
    MAX_IDEAL_BATCH_DURATION = 20

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many batches joblib should expect to run at once; -1: as many as cores allow.  Raises ValueError for 0."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(1, self._places() + 1 + n_jobs)

    def _places(self) -> int:
        return ClusterExecutor(**self.backend_kwargs)._max_workers

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Get ready for one Parallel; returns how many batches run at once.

        ``options`` are joblib's, about memory maps: jobs keep large arguments as blobs.
        """
        number = self.effective_n_jobs(n_jobs)
        if number == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._executor = ClusterExecutor(**self.backend_kwargs)
        self._batches: list[AsyncJobResult[Any]] = []
        return number

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None] | None = None) -> Any:
        """One batch."""
        batch = self._executor.submit(func)
        self._batches = [known for known in self._batches if not known.done()]
        self._batches.append(batch)
        if callback is not None:
            batch.add_done_callback(callback)
        return batch

    def retrieve_result_callback(self, out: AsyncJobResult[Any]) -> Any:
        """What a batch came to."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what runs and what waits: one task has failed, or the time is over."""
        for batch in self._batches:
            batch.cancel()
        self._batches = []

    def terminate(self) -> None:
        """The end of one Parallel."""
        self._executor.shutdown(wait=False)
        self.reset_batch_stats()

    def get_nested_backend(self) -> tuple[Any, None]:
        """A Parallel within a batch runs in that batch's process, one after the other: its cores are those of the job."""
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None
