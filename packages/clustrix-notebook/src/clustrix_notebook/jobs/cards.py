"""What a view shows of one job: the latest snapshot, and what it prints while somebody wants to see that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clustrix.errors import ClustrixError, UnknownJob
from clustrix.job import AsyncJobResult
from clustrix.logs import Tail
from clustrix.mapresult import MapResult
from clustrix_notebook.jobs.snapshots import Snapshot, item_error, snapshot

_LOG_CHARACTERS = 200_000
"""The page has so much of a log at most: its end."""

Send = Callable[[dict[str, Any]], None]


class Card:
    """Of one job."""

    def __init__(self, handle: AsyncJobResult[Any]) -> None:
        self.handle = handle
        self.shown: Snapshot = snapshot(handle)
        self._tail: Tail | None = None

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return bool(self.shown["final"]) and self._tail is None

    def look(self, send: Send) -> bool:
        """See what is new; True if the snapshot is another one.  What was printed is sent."""
        ended = self.shown["final"]
        try:
            self._follow(send, ended)
            if ended:
                return False
            found = snapshot(self.handle)
        except UnknownJob as error:  # it was removed
            found = {**self.shown, "reason": str(error), "final": True}
        except (ClustrixError, OSError) as error:  # the next look may find things in order
            found = self.shown if ended else {**self.shown, "reason": str(error)}
        if found == self.shown:
            return False
        self.shown = found
        return True

    # -- its log

    def open_log(self, send: Send) -> None:
        """Send what it has printed, and what it prints from now on."""
        self.close_log()
        handle = self.handle
        self._tail = Tail(handle._home.place, handle.id, handle._prints_elsewhere())
        pieces: list[tuple[int, str]] = []
        size = 0
        for stream, text in self._tail.read():
            pieces.append((stream, text))
            size += len(text)
            while size > _LOG_CHARACTERS and len(pieces) > 1:
                size -= len(pieces.pop(0)[1])
        send({"event": "log", "job": handle.id, "anew": True, "pieces": _end_of(pieces)})

    def close_log(self) -> None:
        """Nobody looks at it any more."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _follow(self, send: Send, ended: bool) -> None:
        if self._tail is None:
            return
        pieces: list[tuple[int, str]] = []
        try:
            for piece in self._tail.read():
                pieces.append(piece)  # those before an error are not read again
        finally:
            if pieces:
                send({"event": "log", "job": self.handle.id, "anew": False, "pieces": _end_of(pieces)})
        if ended:
            self.close_log()

    # -- what can be done with it

    def cancel(self) -> str:
        """Have it ended; returns what is to be said."""
        return "it will be ended" if self.handle.cancel() else "it has ended already"

    def retry(self) -> AsyncJobResult[Any] | None:
        """Submit it once more, of a map what has failed; None where there is nothing to submit."""
        if isinstance(self.handle, MapResult):
            again: MapResult[Any] = self.handle.retry_failed()
            return again if len(again) else None
        from clustrix.submission import submit_again

        return submit_again(self.handle)

    def traceback(self, item: int) -> str:
        """That of an item of a map."""
        return item_error(self.handle, item) if isinstance(self.handle, MapResult) else ""


def _end_of(pieces: list[tuple[int, str]]) -> list[list[Any]]:
    left = _LOG_CHARACTERS
    found: list[list[Any]] = []
    for stream, text in reversed(pieces):
        found.append([stream, text[-left:]])
        left -= len(text)
        if left <= 0:
            break
    return found[::-1]
