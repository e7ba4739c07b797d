"""What a cell displays in its job, in the notebook."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any


def show(content: str) -> None:
    """One display, as it came among the job's output."""
    with suppress(ValueError, KeyError, TypeError):  # the job has printed the mark by itself
        message = json.loads(base64.b64decode(content))
        if "clear" in message:
            _ipython().clear_output(wait=message["clear"])
            return
        publish(message["data"], message["metadata"], message["id"], message["update"])


def publish(
    data: dict[str, Any], metadata: dict[str, Any], display_id: str | None = None, update: bool = False
) -> None:
    """As if it had been displayed here."""
    transient = {"display_id": display_id} if display_id else None
    _ipython().publish_display_data(data, metadata, transient=transient, update=update)


def _ipython() -> Any:
    """Untyped as it is."""
    import IPython.display

    return IPython.display
