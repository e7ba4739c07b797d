"""A Jupyter kernel, as a notebook talks to it."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import KernelManager

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Outputs(NamedTuple):
    """What a cell has shown."""

    stdout: str
    stderr: str
    result: str | None
    """The plain text of ``Out[n]``."""
    displays: list[dict[str, Any]]
    """Each with ``data``, ``metadata``, ``transient``, and ``type``: what kind of message it was."""
    error: str | None
    """The name of the exception's class."""
    traceback: str
    """As it is shown, without colours."""
    order: list[str]
    """Texts and plain texts of displays, one after the other."""
    status: str
    """Of the answer: "ok" or "error"."""


class Kernel:
    """One kernel process."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._folder = folder

    def __enter__(self) -> Kernel:
        self._manager.start_kernel(cwd=str(self._folder))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._manager.context.destroy()

    def run(self, code: str, timeout_s: float = 60, interrupt_when: str = "") -> Outputs:
        """Run a cell to its end.  ``interrupt_when``: as the stop button does, once this has been printed."""
        asked = self._client.execute(code, stop_on_error=False)
        out, err, result, error, trace = "", "", None, None, ""
        displays: list[dict[str, Any]] = []
        order: list[str] = []
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "stream":
                order.append(content["text"])
                if content["name"] == "stdout":
                    out += content["text"]
                else:
                    err += content["text"]
                if interrupt_when and interrupt_when in out:
                    interrupt_when = ""
                    self._manager.signal_kernel(signal.SIGINT)
            elif kind == "error":
                error, trace = content["ename"], _COLOURS.sub("", "\n".join(content["traceback"]))
            elif kind == "execute_result":
                result = content["data"]["text/plain"]
                displays.append({"type": kind, **content})
            elif kind in ("display_data", "update_display_data", "clear_output"):
                displays.append({"type": kind, **content})
                order.append(content.get("data", {}).get("text/plain", ""))
        reply = self._client.get_shell_msg(timeout=20)
        while reply["parent_header"].get("msg_id") != asked:
            reply = self._client.get_shell_msg(timeout=20)
        return Outputs(out, err, result, displays, error, trace, order, reply["content"]["status"])

    def start(self, code: str, until: str) -> None:
        """Run a cell, and come back when it has printed this."""
        asked = self._client.execute(code)
        out = ""
        while until not in out:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream":
                out += message["content"]["text"]

    def restart(self) -> None:
        """As from the menu of a notebook."""
        self._manager.restart_kernel(now=False)
        self._client.wait_for_ready(timeout=60)

    def value(self, expression: str) -> str:
        """The repr of an expression; fails the test if it raises."""
        found = self.run(f"print(repr({expression}))")
        assert found.error is None, found.traceback
        return found.stdout.rstrip("\n")

    def completions(self, text: str) -> list[str]:
        """What TAB offers at the end of the text."""
        content = self._client.complete(text, len(text), reply=True, timeout=20)["content"]
        return list(content["matches"])
