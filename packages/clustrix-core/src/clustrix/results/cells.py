"""Texts of others in a table: one line, no control characters, not too long; tables as text and as HTML."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Sequence
from typing import Any

_MOST_ROWS = 60
"""A longer table shows its beginning and its end."""
_WIDEST_CHARACTERS = 80

_STYLE = "border-collapse:collapse;font-size:0.9em"
_CELL = "text-align:left;padding:2px 8px;white-space:pre-wrap"


def one_line(text: str, most: int = _WIDEST_CHARACTERS) -> str:
    """As it can stand in a cell: what would move a terminal's cursor, or cannot be encoded, is shown as an escape."""
    cut = text[: most + 1]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return cut if len(cut) <= most else cut[: most - 1] + "…"


def shown(value: Any) -> str:
    """A cell's text: nothing for None, seconds with three digits, counts with commas."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return one_line(str(value))


def clock(at: float | None) -> str | None:
    """A time in seconds since the epoch, as clocks here show it."""
    return None if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def as_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns, numbers to the right."""
    cells = [[shown(value) for value in row] for row in _part(rows)]
    numeric = [
        any(isinstance(row[place], (int, float)) for row in rows[:_MOST_ROWS])
        for place in range(len(columns))
    ]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    out = [
        _line(list(map(one_line, columns)), widths, numeric),
        *(_line(row, widths, numeric) for row in cells),
    ]
    if len(cells) < len(rows):
        out.insert(1 + _MOST_ROWS // 2, f"… {len(rows) - len(cells):,} more …")
    return "\n".join(out)


def _part(rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    if len(rows) <= _MOST_ROWS:
        return rows
    return [*rows[: _MOST_ROWS // 2], *rows[-_MOST_ROWS // 2 :]]


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()


def as_html(columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """The same as a table for notebooks: no script, nothing from elsewhere, every text escaped."""
    head = "".join(_cell("th", name) for name in columns)
    body = [f"<tr>{''.join(_cell('td', shown(value)) for value in row)}</tr>" for row in _part(rows)]
    if len(body) < len(rows):
        more = f'<tr><td colspan="{len(columns)}">… {len(rows) - len(body):,} more …</td></tr>'
        body.insert(_MOST_ROWS // 2, more)
    title = f"<caption>{html.escape(one_line(caption))}</caption>" if caption else ""
    return (
        f'<table style="{_STYLE}">{title}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="{_CELL}">{html.escape(one_line(text, len(text)))}</{tag}>'


class Table:
    """Rows of named columns.  Prints as a table, also in a notebook; gives its rows as dicts."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> None:
        self.columns = tuple(columns)
        self.rows = rows
        self.caption = caption

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(zip(self.columns, self.rows[index], strict=True))

    def __str__(self) -> str:
        text = as_text(self.columns, self.rows)
        return f"{one_line(self.caption)}\n{text}" if self.caption else text

    def _repr_html_(self) -> str:
        return as_html(self.columns, self.rows, self.caption)

    def __repr__(self) -> str:
        return f"<Table of {len(self.rows)} rows: {', '.join(self.columns)}>"
