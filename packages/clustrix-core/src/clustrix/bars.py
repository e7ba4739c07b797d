"""What somebody sees who waits: a bar on a terminal, a line now and then elsewhere, nothing where nobody wants it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from clustrix.runner.setup import JOB_VARIABLE

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

TICK_SECONDS = 0.25
"""How often it is looked at while somebody waits."""
_PATIENCE_SECONDS = 1.0
"""What takes no longer shows nothing."""
_LINE_SECONDS = 30.0


class Line(NamedTuple):
    """How far something is."""

    title: str
    done: float
    total: float | None
    detail: str = ""

    @property
    def text(self) -> str:
        """ "83 of 1,000, 2 failed", or as much of it as is known."""
        share = f"{self.done:,.10g}" + (f" of {self.total:,.10g}" if self.total is not None else "")
        return f"{share}, {self.detail}" if self.detail else share


class Bar:
    """Of one wait, or of several in a row for the same thing.  Shown by the main thread only."""

    def __init__(self, describe: Callable[[], Line | None], wanted: bool = True) -> None:
        """``describe``: how far it is; None: nothing is known yet."""
        self._describe = describe
        self._began = time.monotonic()
        self._shown_at = self._began
        self._rich: RichProgress | None = None
        self._terminal = sys.stderr is not None and _is_terminal()
        self.wanted = (
            wanted
            and sys.stderr is not None
            and JOB_VARIABLE not in os.environ
            and threading.current_thread() is threading.main_thread()
        )

    def tick(self) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if not self.wanted or now - self._began < _PATIENCE_SECONDS:
            return
        if not self._terminal:
            if now - self._shown_at >= _LINE_SECONDS:
                self._shown_at = now
                self._print_line()
            return
        line = self._describe()
        if line is not None:
            self._draw(line)

    def _print_line(self) -> None:
        line = self._describe()
        if line is None:
            return
        with suppress(
            OSError, ValueError
        ):  # a courtesy: the result does not hang on a stream that takes no more
            print(f"clustrix: {line.title}: {line.text}", file=sys.stderr, flush=True)

    def _draw(self, line: Line) -> None:
        if self._rich is None:
            self._rich = _rich_progress()
            self._rich.start()
            self._rich.add_task(line.title, total=line.total, text=line.text)
        self._rich.update(self._rich.task_ids[0], completed=line.done, total=line.total, text=line.text)

    def close(self) -> None:
        """Take it away."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = None


def _is_terminal() -> bool:
    try:
        return bool(sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"
    except ValueError:  # it is closed
        return False


def _rich_progress() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        # What is printed meanwhile appears above the bar; what goes to a file goes there.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def rest(done: int, total: int, seconds: float) -> str:
    """ "12.3/s, 0:01:20 left", as far as it can be told."""
    if not done or seconds <= 0:
        return ""
    rate = done / seconds
    left = int((total - done) / rate)
    shown = f"{rate:.1f}/s" if rate < 100 else f"{rate:,.0f}/s"
    return f"{shown}, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
