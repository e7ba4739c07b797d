"""Wait for several jobs, calls and maps alike: thin over ``concurrent.futures``, whose futures they are."""

from __future__ import annotations

import concurrent.futures
import difflib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

from clustrix.errors import ConfigError
from clustrix.errors.timeouts import NotDone
from clustrix.job import AsyncJobResult
from clustrix.journal import JobState
from clustrix.mapresult import MapResult

Job = AsyncJobResult[Any]

FIRST_COMPLETED = concurrent.futures.FIRST_COMPLETED
FIRST_EXCEPTION = concurrent.futures.FIRST_EXCEPTION
ALL_COMPLETED = concurrent.futures.ALL_COMPLETED
_WHEN = (FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED)


def gather(*jobs: Job, return_exceptions: bool = False, timeout: float | None = None) -> list[Any]:
    """Wait for all jobs, and return their results in the order of the jobs; of a map that is the list of its results.

    Raises the error of the first job, in that order, that failed.  With ``return_exceptions`` errors stand in the places of
    results, within a map in the places of its items.  ``timeout``: seconds for all of them; raises TimeoutError when they are over.
    The jobs go on in any case.
    """
    many = _handles(jobs, "gather")
    deadline = None if timeout is None else time.monotonic() + timeout
    return [_outcome(job, _left(deadline), return_exceptions) for job in many]


def _outcome(job: Job, left: float | None, return_exceptions: bool) -> Any:
    if not return_exceptions:
        return job.result(left)
    if not concurrent.futures.wait([job], left).done:
        return job.result(0)  # which raises TimeoutError; the function's own would be a result here
    if isinstance(job, MapResult):
        return [_value(job, index) for index in range(len(job))]
    try:
        error = job.exception(0)
    except concurrent.futures.CancelledError as cancelled:
        error = cancelled
    return job.result(0) if error is None else error


def _value(job: MapResult[Any], index: int) -> Any:
    error = job.error(index)
    return job[index] if error is None else error


class DoneAndNotDone(NamedTuple):
    """Sets of jobs, as ``concurrent.futures.wait`` returns them."""

    done: set[Job]
    not_done: set[Job]


def wait(
    jobs: Iterable[Job], timeout: float | None = None, return_when: str = ALL_COMPLETED
) -> DoneAndNotDone:
    """Wait until all jobs have ended, however they did; returns those that have and those that have not.

    ``timeout``: seconds, None for as long as it takes.  ``return_when``: "ALL_COMPLETED", "FIRST_COMPLETED", or "FIRST_EXCEPTION": the
    first that came to no result, or all.  Raises ConfigError for another word.
    """
    if return_when not in _WHEN:
        near = difflib.get_close_matches(str(return_when).upper(), _WHEN, 1, 0.5)
        allowed = f"may be {', '.join(_WHEN)}" + (f"; did you mean {near[0]}?" if near else "")
        raise ConfigError("return_when", return_when, allowed, f'return_when="{(near or _WHEN)[0]}"')
    many = set(_handles(jobs, "wait"))
    if return_when == FIRST_EXCEPTION:
        ended = _until_one_fails(many, timeout)
    else:
        ended = concurrent.futures.wait(many, timeout, return_when).done
    return DoneAndNotDone({job for job in many if job in ended}, {job for job in many if job not in ended})


def _until_one_fails(jobs: set[Job], timeout: float | None) -> set[Future[Any]]:
    # A cancelled job counts as well, which concurrent.futures sees otherwise.
    deadline = None if timeout is None else time.monotonic() + timeout
    ended: set[Future[Any]] = set()
    while len(ended) < len(jobs):
        left = [job for job in jobs if job not in ended]
        new = concurrent.futures.wait(left, _left(deadline), FIRST_COMPLETED).done
        ended |= new
        if not new or any(job in new and job.state is not JobState.SUCCEEDED for job in left):
            break
    return ended


def as_completed(jobs: Iterable[Job], timeout: float | None = None) -> Iterator[Job]:
    """The jobs as they end, each once.

    ``timeout``: seconds for all of them; raises TimeoutError when they are over.  For the items of one map: ``jobs.as_completed()``.
    """
    if isinstance(jobs, MapResult):
        raise TypeError(
            "as_completed() takes several jobs; the items of one map come from jobs.as_completed()"
        )
    return _as_completed(_handles(jobs, "as_completed"), timeout)


def _as_completed(jobs: list[Job], timeout: float | None) -> Iterator[Job]:
    try:
        yield from cast(Iterator[Job], concurrent.futures.as_completed(jobs, timeout))
    except concurrent.futures.TimeoutError as error:  # before Python 3.11 not the built-in one
        raise NotDone(f"not all of {len(jobs)} jobs are done after {timeout:g} s") from error


def _handles(jobs: Any, caller: str) -> list[Job]:
    many = [jobs] if isinstance(jobs, AsyncJobResult) else list(jobs)
    for job in many:
        if not isinstance(job, AsyncJobResult):
            raise TypeError(
                f"{caller}() takes jobs, as submit(), map() and attach() return them, not {job!r}"
            )
        job.done()  # in a forked child: it is followed again
    return many


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
