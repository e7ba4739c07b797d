"""The handle of a job: a ``concurrent.futures.Future`` that outlives the process that made it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from clustrix import logs, outcomes, reports
from clustrix.bars import TICK_SECONDS, Bar, Line
from clustrix.dispatcher import answering
from clustrix.errors import ClustrixError
from clustrix.errors.timeouts import NotDone
from clustrix.journal import FINAL, JobRecord, JobState
from clustrix.notebooks import Displayed
from clustrix.reports import Progress
from clustrix.session import Session, session

R = TypeVar("R")


_listening = threading.local()
"""``here`` is set in threads that listen to a dispatcher."""


_ENDS = {"done": JobState.SUCCEEDED, "cancelled": JobState.CANCELLED, "undone": JobState.FAILED}
"""What the dispatcher's news of an end say; all that came to no result otherwise are alike to who waits."""


class _Unread(Exception):
    """Stands in a future for the error that is in the journal: ``concurrent.futures.wait`` sees that there is one."""


class JobStatus(NamedTuple):
    """A job at one moment, as the journal has it.  Times are seconds since the epoch, UTC; None: not yet."""

    id: str
    name: str
    state: JobState
    reason: str
    """Why it waits, or why it ended as it did; empty when there is nothing to say."""
    backend: str
    submitted: float
    started: float | None
    ended: float | None

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.id} {self.name} {self.state}{reason}"


class AsyncJobResult(Displayed, Future, Generic[R]):  # type: ignore[type-arg]
    """A job that was submitted, and its result when it has one.

    A true Future: ``concurrent.futures.wait`` and ``as_completed``, ``asyncio.wrap_future``, callbacks and ``await`` work.
    Pickled, it is a handle of the same job.  ``id`` finds the job again from any process: ``attach(id)``.
    """

    def __init__(self, home: Session, record: JobRecord | None, job: str, name: str, backend: str) -> None:
        super().__init__()
        self._session = home
        self.id = job
        """Names the job, in this process and any other."""
        self.name = name
        """The function's name."""
        self.backend = backend
        self._shows = True
        """Whether who waits for it is shown how far it is."""
        self.reused = False
        """Whether an earlier submission was found to be this one: nothing was submitted for this handle."""
        self._decoding = threading.Lock()
        self._outcome: tuple[bool, Any] | None = None
        if record is not None:
            self._follow(record)

    def _follow(self, record: JobRecord) -> None:
        """Take up a job that was submitted before."""
        if record.state in FINAL:
            self._settle(record.state)
        else:
            self._session.client(record.dispatcher).watch([self.id], self._news)

    @property
    def _home(self) -> Session:
        if self._session.pid != os.getpid():
            # This is a forked child: what the parent has open, its listening thread too, is not here.
            self._session = session()
            self._condition = threading.Condition()
            if not super().done():
                self._follow(self._session.journal.job(self.id))
        return self._session

    def _news(self, news: str, error: ClustrixError | None) -> None:
        """From the dispatcher, in the thread that listens to it."""
        _listening.here = True
        if news in _ENDS:
            self._settle(_ENDS[news])
        elif news == "failed" and error is not None and not super().done():
            self.set_exception(error)

    def _settle(self, state: JobState) -> None:
        if super().done():
            return
        # The value is read from the journal when it is asked for: it may be large, and wanted by nobody.
        if state is JobState.CANCELLED:
            super().cancel()
            self.set_running_or_notify_cancel()
        elif state is JobState.SUCCEEDED:
            self.set_result(None)
        else:
            self.set_exception(_Unread())

    def done(self) -> bool:
        """Whether the job has ended, in whatever way."""
        _ = self._home
        return super().done()

    def _invoke_callbacks(self) -> None:
        invoke: Callable[[], None] = super()._invoke_callbacks  # type: ignore[misc]  # not in the stubs
        if self._done_callbacks and getattr(_listening, "here", False):  # type: ignore[attr-defined]
            # A callback may wait for another job, whose news come through this very thread.
            threading.Thread(target=invoke, name="clustrix-callbacks", daemon=True).start()
        else:
            invoke()

    @property
    def state(self) -> JobState:
        """Where the job is in its life, now."""
        return self._home.journal.job(self.id).state

    def status(self) -> JobStatus:
        """State, reason and times, now."""
        record = self._home.journal.job(self.id)
        history = self._home.journal.history(self.id)
        started = next((at for at, state, _ in history if state is JobState.RUNNING), None)
        ended = next((at for at, state, _ in history if state in FINAL), None)
        return JobStatus(
            self.id, record.name, record.state, record.reason, record.backend, record.created, started, ended
        )

    def progress(self) -> Progress | None:
        """How far the job says that it is (``clustrix.progress``), now; None if it says nothing, or has ended."""
        found = [] if self.done() else reports.read(self._home.place, self.id)
        return found[-1] if found else None

    def running(self) -> bool:
        """Whether it runs now."""
        return not self.done() and self.state is JobState.RUNNING

    def result(self, timeout: float | None = None) -> R:
        """Wait for the job, and return what its function returned or raise what it raised.

        ``timeout``: seconds, None to wait as long as it takes.  Raises TimeoutError when it is not done by then (the job
        goes on), an error below JobError when it came to no result, DispatcherError when nobody runs it.
        Ctrl-C stops the waiting, not the job.
        """
        __tracebackhide__ = True  # IPython and pytest show the lines of the job instead
        succeeded, value = self._wait(timeout)
        if succeeded:
            return value  # type: ignore[no-any-return]
        raise value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the job, and return what ``result`` would raise, or None.

        Raises TimeoutError as ``result`` does, JobCancelled for a cancelled job.
        """
        succeeded, value = self._wait(timeout)
        if succeeded:
            return None
        if isinstance(value, CancelledError):
            raise value
        error: BaseException = value
        return error

    def _wait(self, timeout: float | None) -> tuple[bool, Any]:
        _ = self._home
        try:
            if super().done():
                with suppress(CancelledError, _Unread):  # the journal knows more
                    super().result(0)  # raises if nobody could run it
            else:
                self._await_end(timeout)
        except FutureTimeoutError:
            raise NotDone(self._not_done(timeout)) from None
        except KeyboardInterrupt:
            self._say_how_to_go_on()
            raise
        return self._read()

    def _not_done(self, timeout: float | None) -> str:
        """A sentence for who has waited so many seconds in vain: that it goes on, or what it waits for."""
        status = self.status()
        waits = status.reason and status.state is not JobState.RUNNING
        how = f"it is {status.state}: {status.reason}" if waits else "it goes on"
        return f"job {self.id} ({self.name}) is not done after {timeout:g} s; {how}"

    def _await_end(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + min(timeout, threading.TIMEOUT_MAX)
        bar = Bar(self._line, self._shows)
        answers = self._answering()
        try:
            while True:
                left = threading.TIMEOUT_MAX if deadline is None else deadline - time.monotonic()
                # Woken at its end at once; before that, only for what is shown.
                part = min(left, TICK_SECONDS) if bar.wanted else left
                try:
                    with suppress(CancelledError, _Unread):  # the journal knows more
                        super().result(max(0.0, part))
                    return
                except FutureTimeoutError:
                    if part >= left:
                        raise
                bar.tick()
        finally:
            bar.close()
            answers.close()

    def _answering(self) -> ExitStack:
        """Until it is closed: what only a person can answer is asked on this terminal, if there is one."""
        stack = ExitStack()
        if self.backend != "local" and answering.is_possible():
            dispatcher = self._home.journal.job(self.id).dispatcher
            stack.enter_context(self._home.client(dispatcher).answering(answering.on_terminal))
        return stack

    def _line(self) -> Line | None:
        told = self.progress()
        return None if told is None else Line(self.name, told.done, told.total, told.message)

    def _say_how_to_go_on(self) -> None:
        print(
            f"clustrix: stopped waiting; job {self.id} ({self.name}) goes on.\n"
            f"  its result:  clustrix.attach({self.id!r}).result()\n"
            f"  to stop it:  clustrix.attach({self.id!r}).cancel()",
            file=sys.stderr,
        )

    def _read(self) -> tuple[bool, Any]:
        with self._decoding:
            if self._outcome is None:
                self._outcome = self._decode()
                error = None if self._outcome[0] else self._outcome[1]
                self._traceback = getattr(error, "__traceback__", None)
            elif not self._outcome[0]:
                # Each raise would add its own frames to those of the job.
                self._outcome[1].__traceback__ = self._traceback
            return self._outcome

    def _decode(self) -> tuple[bool, Any]:
        return outcomes.read(self._home.journal, self.id)

    def cancel(self) -> bool:
        """Have the job ended, all of its processes with it.

        Returns True if it is, or will be (``cancelled()`` is True when nothing of it runs any more); also if it was cancelled before; False if it had come to another end.  The wish is durable: it holds
        also when the dispatcher is not there at the moment.
        """
        if self._home.journal.request_cancel(self.id):
            self._home.client(self._home.journal.job(self.id).dispatcher).cancel(self.id)
            return True
        return self.state is JobState.CANCELLED

    def logs(self, follow: bool = False) -> Any:
        """What the job has printed.

        Without ``follow``: one text, standard output and then standard error.  With it: an iterator over the lines of
        both, as they come, until the job ends.
        """
        if follow:
            return self._follow_logs()
        return logs.text(self._home.place, self.id, self._prints_elsewhere())

    def _prints_elsewhere(self) -> bool:
        """Whether what it prints has to be brought; once it has ended, it is here."""
        return self.backend != "local" and not self.done()

    def _follow_logs(self) -> Iterator[str]:
        tail = logs.Tail(self._home.place, self.id, self._prints_elsewhere())
        streams = logs.Lines(), logs.Lines()
        while True:
            ended = self.done()
            for stream, text in tail.read():
                yield from streams[stream].add(text)
            if ended:
                yield from filter(None, (lines.rest() for lines in streams))
                return
            self._pause(logs.PAUSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        """Wait for the end of the job, but not longer than this."""
        with suppress(CancelledError, FutureTimeoutError, ClustrixError, _Unread):
            super().result(seconds)

    def __await__(self) -> Generator[Any, None, R]:
        import asyncio  # who awaits has it already, others need not wait for it

        # Not asyncio.wrap_future: a task that stops waiting would cancel the job.
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake(_: Any) -> None:
            with suppress(RuntimeError):  # nobody waits any more, and that loop has been closed
                loop.call_soon_threadsafe(lambda: None if waiter.done() else waiter.set_result(None))

        _ = self._home
        self.add_done_callback(wake)
        yield from waiter
        return self.result(0)

    def __reduce__(self) -> tuple[Any, ...]:
        import clustrix  # it builds on this module

        return clustrix.attach, (self.id,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.name} {self.state}>"

    def _repr_html_(self) -> str:
        from clustrix.results.cells import as_html, clock  # only notebooks ask

        id_, name, state, reason, _, *times = self.status()
        columns = ("id", "name", "state", "reason", "submitted", "started", "ended")
        return as_html(columns, [(id_, name, state, reason, *map(clock, times))])
