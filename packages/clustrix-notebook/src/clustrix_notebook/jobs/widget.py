"""Jobs in the page: a card for each that is looked at, and for a list a table above them.  One widget, two models."""

from __future__ import annotations

import json
import time
from typing import Any

import traitlets

from clustrix.attaching import attach
from clustrix.errors import ClustrixError
from clustrix.job import AsyncJobResult
from clustrix.results.cells import clock
from clustrix_notebook.jobs import pictures
from clustrix_notebook.jobs.cards import Card
from clustrix_notebook.jobs.rows import COLUMNS, STATES, Rows
from clustrix_notebook.live import Live, Message
from clustrix_notebook.watching import watcher

_STILL_SECONDS = 5.0
_BYTES_PER_SECOND = 40_000
"""What a table's updates may take: more is sent more seldom."""
_PIECE = 2000
"""So many rows go into one message at first."""
_TABLE_SECONDS = 1.0
_HERE_SECONDS = 300.0
"""A page with a table says once a minute that it is there; after so long without a word nobody looks at it any more."""


class Jobs(Live):
    """A list of jobs, or one of them."""

    cards: Any = traitlets.List().tag(sync=True)
    """Snapshots, as ``snapshots`` says."""
    table = traitlets.Dict().tag(sync=True)
    """Of a list: ``columns`` and ``states``; empty otherwise."""

    def __init__(self, handles: list[AsyncJobResult[Any]], rows: Rows | None = None) -> None:
        self._cards = [Card(handle) for handle in handles]
        self._rows = rows
        self._not_before = 0.0
        self._trouble = ""
        """Why the table is not up to date; the page has been told."""
        self._here_at = time.monotonic()
        super().__init__(
            shows="jobs",
            cards=[card.shown for card in self._cards],
            table={} if rows is None else {"columns": COLUMNS, "states": STATES},
        )
        self.still = self.model_id or ""

    def show(self) -> None:
        super().show()
        watcher.add(self)

    def look(self, draws: bool = False) -> bool:
        """See what is new; called by the watcher."""
        with self._lock:
            changed = [card.look(self.send) for card in self._cards]
            if any(changed):
                self.cards = [card.shown for card in self._cards]
            seen = self._rows is not None and time.monotonic() - self._here_at < _HERE_SECONDS
            if self._rows is not None:
                self._look_at_rows(self._rows)
                if not seen:
                    self._rows.close()
            final = all(card.final for card in self._cards) and not seen
        self.redraw(0.0 if final or draws else _STILL_SECONDS)
        return not final

    def _look_at_rows(self, rows: Rows) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        trouble = ""
        try:
            changed, gone = rows.later()
        except (ClustrixError, OSError) as error:  # as for a card
            rows.close()
            changed, gone, trouble = [], [], str(error)
        size = 0
        if changed or gone or trouble != self._trouble:
            self._trouble = trouble
            message = {"event": "rows", "rows": changed, "gone": gone, "more": rows.more, "trouble": trouble}
            size = len(json.dumps(message, separators=(",", ":")))
            self.send(message)
        self._not_before = now + max(_TABLE_SECONDS, size / _BYTES_PER_SECOND)

    def picture(self) -> str:
        parts = []
        if self._rows is not None:
            known = self._rows.known or {row[0]: row for row in self._rows.all()}
            columns = ("id", "name", "state", "reason", "items", "created", "tags")
            rows = (
                (row[5], row[6], STATES[row[1]], row[2], row[10], clock(row[11]), row[9])
                for row in sorted(known.values(), reverse=True)
            )
            parts.append(pictures.of_table(self.still, columns, rows, len(known), self._rows.more))
        parts += [pictures.of_card(self.still, card.shown) for card in self._cards]
        return "".join(parts)

    # -- what the page asks

    def answered(self) -> None:
        self._here_at = time.monotonic()
        watcher.add(self)

    def _card(self, message: Message) -> Card:
        for card in self._cards:
            if card.handle.id == message["job"]:
                return card
        return Card(attach(str(message["job"])))

    def _all_rows(self, message: Message) -> Message:
        if self._rows is None:
            return {}
        rows = self._rows.all()
        for start in range(0, len(rows), _PIECE):
            self.send(
                {
                    "event": "all rows",
                    "for": message.get("id"),
                    "rows": rows[start : start + _PIECE],
                    "more": self._rows.more,
                }
            )
        return {"count": len(rows)}

    def _is_here(self, _: Message) -> Message:
        return {}

    def _open(self, message: Message) -> Message:
        """Show a job of the table below it."""
        if all(card.handle.id != message["job"] for card in self._cards):
            self._cards.append(Card(attach(str(message["job"]))))
            self.cards = [card.shown for card in self._cards]
        return {}

    def _close(self, message: Message) -> Message:
        for card in self._cards:
            if card.handle.id == message["job"]:
                card.close_log()
        self._cards = [card for card in self._cards if card.handle.id != message["job"]]
        self.cards = [card.shown for card in self._cards]
        return {}

    def _cancel(self, message: Message) -> Message:
        return {"said": self._card(message).cancel()}

    def _retry(self, message: Message) -> Message:
        again = self._card(message).retry()
        if again is None:
            return {"said": "there is nothing to run again"}
        self._cards.append(Card(again))
        self.cards = [card.shown for card in self._cards]
        return {"said": f'submitted again: clustrix.attach("{again.id}")', "job": again.id}

    def _log(self, message: Message) -> Message:
        card = self._card(message)
        if message.get("on"):
            card.open_log(self.send)
        else:
            card.close_log()
        return {}

    def _traceback(self, message: Message) -> Message:
        return {"text": self._card(message).traceback(int(message["item"]))}


Jobs.acts = {
    "rows": Jobs._all_rows,
    "here": Jobs._is_here,
    "open": Jobs._open,
    "close": Jobs._close,
    "cancel": Jobs._cancel,
    "retry": Jobs._retry,
    "log": Jobs._log,
    "traceback": Jobs._traceback,
}
