"""What the demo shows: steps, checks, bars and tables; plain lines where nobody watches a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 100
_NAME_WIDTH = 20


class Screen:
    """Prints, and counts what has failed."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a "·" must not end a run under LC_ALL=POSIX
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
        self.checks = 0
        self.failed = 0

    def title(self, text: str) -> None:
        self._line(Text(text, "bold"))

    def step(self, text: str) -> None:
        """What is shown next."""
        self._console.print()
        self._line(Text(text, "bold cyan"))

    def check(self, passed: bool, text: str) -> None:
        """Something that was promised, and whether it holds."""
        self.checks += 1
        self.failed += not passed
        mark = ("  ok      ", "green") if passed else ("  failed  ", "bold red")
        self._line(Text.assemble(mark, text))

    def note(self, text: str) -> None:
        """Something worth knowing."""
        for line in text.splitlines():
            self._line(Text("          " + line, "dim"))

    def verdict(self, text: str) -> None:
        """The last line."""
        passed = self.checks - self.failed
        self._console.print()
        style = "bold red" if self.failed else "bold green"
        self._line(Text(f"{passed} of {self.checks} checks passed {text}", style))

    def bars(self) -> Progress:
        """Bars that go when they are full; nothing at all where there is no terminal."""
        return Progress(
            TextColumn("          {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def tables(self, *tables: tuple[str, str, Sequence[tuple[str, int]]]) -> None:
        """Small tables side by side: the names of the two columns, and rows."""
        side_by_side = Table.grid(padding=(0, 2))
        side_by_side.add_row("       ", *(_table(*table) for table in tables))
        self._console.print()
        self._console.print(side_by_side)

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _table(left: str, right: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column(left, overflow="ellipsis", max_width=_NAME_WIDTH)
    table.add_column(right, justify="right", no_wrap=True)
    for name, number in rows:
        table.add_row(name, f"{number:,}")
    return table
