"""Have a page's messages be answered beside a running cell, where JupyterLab and ipykernel can.

JupyterLab (4.4 and later) sends the messages of widgets to a subshell, a thread beside that of the cells.  ipykernel 7.4 overrides that: it
answers where the widget has last published something, which for us, who publish from threads, is the thread of the cells.  Then a form would
freeze for as long as a cell runs.  Our answers need no event loop, so that they may come from wherever the page has asked.
"""

from __future__ import annotations

from typing import Any


def answer_beside_cells(widget: Any) -> None:
    """Leave it to the page where a widget's messages are handled.  Older kernels do so by themselves."""
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = _as_asked


def _as_asked(data: Any, asked: str | None) -> str | None:
    return asked
