"""Plain HTML beside a widget: what a saved notebook shows that is opened without a kernel.

The page hides it as long as a view of the widget lives (``hideStill`` in page/dom.js); where there is none, the line "model not found"
that JupyterLab shows instead of the widget is hidden.  Until a second has gone by neither is seen, so that nothing jumps.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

_STYLE = """\
<style>
@keyframes clx-late { from { max-height: 0; overflow: hidden; visibility: hidden; } to { max-height: none; } }
.clx-still { animation: clx-late 1s step-end; font-size: 13px; }
.clx-still p { margin: 4px 0 !important; }
.clx-still table { border-collapse: collapse; }
.clx-still :is(td, th) { text-align: left !important; padding: 2px 10px 2px 0; vertical-align: top; white-space: pre-wrap; }
.jp-OutputArea-child:has(.clx-still) + .jp-OutputArea-child > .jp-OutputArea-output.jupyter-widgets { display: none; }
</style>"""


def picture(name: str, title: str, *parts: str) -> str:
    """The whole, of parts that are HTML already.  ``name``: which widget it stands for."""
    head = f"<p><b>{text(title)}</b></p>"
    return f'{_STYLE}<div class="clx-still" data-clx="{text(name)}">{head}{"".join(parts)}</div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows of texts."""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text(value: Any) -> str:
    """A text, whatever is in it."""
    return html.escape("" if value is None else str(value))
