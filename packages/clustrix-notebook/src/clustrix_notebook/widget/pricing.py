"""What a machine costs an hour, beside the field that chooses it: from whoever knows prices."""

from __future__ import annotations

import logging

from clustrix import plugins
from clustrix.errors import ClustrixError
from clustrix_notebook.widget.editor import Editor

log = logging.getLogger("clustrix.notebook")


def prices(editor: Editor) -> dict[str, str]:
    """By field; nothing where nobody knows, or the values cannot be."""
    sources = [entry for entry in plugins.entries("price source") if entry.serves]
    if not sources:
        return {}
    try:
        settings = editor.tried()
    except ClustrixError:  # the form shows what is wrong
        return {}
    found: dict[str, str] = {}
    for entry in sources:
        try:
            text = str(entry.load()(settings) or "")
        except Exception:  # a plugin's: the form goes on without a price
            log.exception("price source %s", entry.name)
            continue
        if text:
            found |= dict.fromkeys(entry.serves, text)
    return found
