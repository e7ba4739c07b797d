"""This process's end of the line to the dispatcher: wake it, start it, and hear from it.

One thread reads; it is there while somebody watches a job.  When the line breaks, the dispatcher is started again and
told anew what is watched: all that it needs is in the journal.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from clustrix import __version__
from clustrix.dispatcher.inline import start_inline
from clustrix.dispatcher.instance import CONNECT_SECONDS, PROTOCOL, Instance, until_connected
from clustrix.errors import ClustrixError, DispatcherError, JournalError
from clustrix.runner import bounds
from clustrix.runner.faults import point
from clustrix.runner.messages import Decoder, encode

log = logging.getLogger("clustrix.dispatcher")

_MOST_FAILURES = 3
_MOST_RETIRED = 2
"""Two sessions with different limits shall not chase away each other's dispatchers for ever."""

OnNews = Callable[[str, "ClustrixError | None"], None]
"""Called with "done", "cancelled", "progress" or "failed" and the error, in the reading thread."""
Answer = Callable[[dict[str, Any]], "str | None"]
"""Has a person answer a ``clustrix.backends.Question``; None if they do not want to.  Called in a thread of its own."""


class Client:
    """Shared by all threads of a process; a forked child makes its own."""

    def __init__(
        self,
        instance: Instance,
        gone: Callable[[], JournalError | None],
        executable: str = "",
        inline: bool = False,
    ) -> None:
        self.instance = instance
        self._gone = gone
        """The error if the state directory does not exist any more."""
        self._executable = executable
        self._inline = inline
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._greeted = False
        """Whether the dispatcher at the other end has said who it is."""
        self._unsaid: list[dict[str, Any]] = []
        self._watches: dict[str, list[OnNews]] = {}
        self._reader: threading.Thread | None = None
        self._started_at = -CONNECT_SECONDS
        self._trouble = ""
        self._retired = 0
        self._answer: Answer | None = None
        self._sitting = 0
        """How many threads wait while somebody sits there."""

    def submitted(self, job: str, on_news: OnNews) -> None:
        """Wake the dispatcher for a new job, and watch it.  Never waits for the dispatcher."""
        self._watch([job], on_news, "submitted")

    def watch(self, jobs: Sequence[str], on_news: OnNews) -> None:
        """Hear of jobs that were submitted before, perhaps elsewhere."""
        self._watch(jobs, on_news, "watch")

    def cancel(self, job: str) -> None:
        """Tell the dispatcher that the journal has a wish for a job's end."""
        with self._lock:
            self._send({"op": "cancel", "jobs": [job]})

    @contextmanager
    def answering(self, answer: Answer) -> Iterator[None]:
        """Meanwhile, have a person answer what the dispatcher has to ask."""
        with self._lock:
            self._answer, self._sitting = answer, self._sitting + 1
            if self._sitting == 1 and self._greeted:
                self._say({"op": "answers", "on": True})
        try:
            yield
        finally:
            with self._lock:
                self._sitting -= 1
                if not self._sitting:
                    self._answer = None
                    if self._greeted:
                        self._say({"op": "answers", "on": False})

    def _say(self, message: dict[str, Any]) -> None:
        """To a dispatcher that is there; another is told by ``_greet``."""
        if self._connection is not None:
            _write(self._connection, message)

    def _asked(self, question: dict[str, Any]) -> None:
        answer = self._answer
        text = answer(question) if answer is not None else None
        with self._lock:
            self._say({"op": "answer", "number": question["number"], "text": text})

    def _watch(self, jobs: Sequence[str], on_news: OnNews, op: str) -> None:
        with self._lock:
            for job in jobs:
                self._watches.setdefault(job, []).append(on_news)
            self._send({"op": op, "jobs": list(jobs)})

    def _send(self, message: dict[str, Any]) -> None:
        """Say something, if there is a line; make one if that takes no waiting, start the dispatcher if it does."""
        if self._reader is None:
            # Before a dispatcher is started: beside that one's own start, a thread's would take milliseconds.
            self._reader = threading.Thread(target=self._read, name="clustrix-client", daemon=True)
            self._reader.start()
        try:
            if self._connection is None:
                self._connect()
            elif self._greeted and not _write(self._connection, message):
                self._connection = None
        except OSError:
            self._connection = None
        if self._connection is None:
            self._start()
        if message["op"] == "cancel" and not self._greeted:
            self._unsaid.append(message)

    def _connect(self) -> socket.socket:
        """Nothing is said until the dispatcher has greeted: it may be one that should make way.

        If this process does not live that long: a dispatcher looks for new jobs whenever a line breaks.
        """
        self._greeted = False
        self._connection = self.instance.connect()
        return self._connection

    def _greet(self, connection: socket.socket, hello: dict[str, Any]) -> None:
        with self._lock:
            if self._unfit(hello):
                _write(connection, {"op": "retire"})
                return
            self._greeted = True
            # All that is watched is named on each new line; the dispatcher at its other end may be a new one.
            messages = [{"op": "submitted", "jobs": list(self._watches)}, *self._unsaid]
            if self._answer is not None:
                messages.append({"op": "answers", "on": True})
            if _write(connection, *messages):
                self._unsaid.clear()

    def _start(self) -> None:
        now = time.monotonic()
        if now - self._started_at < 1.0:
            return
        self._started_at = now
        try:
            if self._inline:
                start_inline(self.instance)
            else:
                self.instance.start(self._executable)
        except OSError as error:
            # The job is in the journal: its submission has not failed.  The reading thread tries again.
            self._trouble = f" ({error})"
            log.warning("the dispatcher could not be started: %s", error)

    def _read(self) -> None:
        failures = 0
        while True:
            connection = self._line()
            if connection is None:
                failures += 1
                gone = self._gone()
                if gone is not None or failures >= _MOST_FAILURES:
                    self._give_up(gone or self._not_started())
                    return
                continue
            failures = 0
            self._listen(connection)
            with self._lock:
                if self._connection is connection:
                    self._connection = None
                connection.close()
                if not self._watches:
                    self._reader = None
                    return

    def _line(self) -> socket.socket | None:
        """A connection on which everything watched will be named; starts the dispatcher as needed."""
        return until_connected(self._connected, self._start_one, lambda: self._gone() is None)

    def _connected(self) -> socket.socket:
        with self._lock:
            return self._connection or self._connect()

    def _start_one(self) -> None:
        with self._lock:
            if self._connection is None:  # whoever submits may have made one meanwhile
                self._start()

    def _listen(self, connection: socket.socket) -> None:
        decoder = Decoder()
        while True:
            try:
                point("client.receive")
                data = connection.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            for message, _ in decoder.feed(data):
                if message["op"] == "hello":
                    self._greet(connection, message)
                    continue
                if message["op"] == "question":
                    # A person takes their time, and news of jobs come here meanwhile.
                    threading.Thread(
                        target=self._asked, args=(message,), name="clustrix-question", daemon=True
                    ).start()
                    continue
                for job in message["jobs"]:
                    self._tell(job, message["op"])

    def _unfit(self, hello: dict[str, Any]) -> bool:
        """Whether that dispatcher should make way: it is of another version, or a session with tight limits has started it."""
        if (hello["protocol"], hello["version"]) != (PROTOCOL, __version__):
            return True
        if self._retired < _MOST_RETIRED and bounds.tighter(hello["bounds"], bounds.mine()):
            self._retired += 1
            return True
        return False

    def _tell(self, job: str, news: str, error: ClustrixError | None = None) -> None:
        with self._lock:
            watchers = list(self._watches.get(job, ()))
            if news != "progress":
                self._watches.pop(job, None)
        for on_news in watchers:
            try:
                on_news(news, error)
            except JournalError as failure:
                log.error("job %s: %s", job, failure)

    def _not_started(self) -> DispatcherError:
        return DispatcherError(
            f"the dispatcher could not be started{self._trouble}; the jobs are safe in the journal. "
            f"Its log: {self.instance.log}"
        )

    def _give_up(self, error: ClustrixError) -> None:
        with self._lock:
            jobs = list(self._watches)
            self._reader = None
        for job in jobs:
            self._tell(job, "failed", error)


def _write(connection: socket.socket, *messages: dict[str, Any]) -> bool:
    """Say something; whether that could be done.  If not, the line is ended: who reads on it makes a new one, and says everything again there."""
    try:
        point("client.write")
        connection.sendall(b"".join(map(encode, messages)))
    except OSError:
        with suppress(OSError):  # it has ended by itself
            connection.shutdown(socket.SHUT_RDWR)
        return False
    return True
