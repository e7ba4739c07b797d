"""What IPython asks of the core, and the core of plugins: the magics of ``%load_ext clustrix``, and how jobs are displayed."""

from __future__ import annotations

import sys
import time
from typing import Any

from clustrix import plugins
from clustrix.config.notices import warn_once
from clustrix.errors import PluginError

_ENDING_SECONDS = 0.7
_LOOK_SECONDS = 0.02


def kernel_ends() -> bool:
    """Of an interrupt: whether it is the first part of a kernel's end.

    Jupyter interrupts a kernel before it has it shut down or restarted, and says so a moment later: only a person's interrupt is a wish.
    """
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return False
    until = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < until:
        if shell.exit_now:
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def load(shell: Any) -> None:
    """Add what plugins bring to a shell.  Raises PluginError where there is none, or one is broken."""
    entries = plugins.entries("ipython extension")
    if not entries:
        raise PluginError("", "nothing that is installed brings magics", 'pip install "clustrix[notebook]"')
    for entry in entries:
        entry.load().load(shell)


def unload(shell: Any) -> None:
    """Take it away again."""
    for entry in plugins.entries("ipython extension"):
        entry.load().unload(shell)


def displayed(jobs: Any) -> bool:
    """Whether a plugin has shown a job, a map or a list of them."""
    for entry in plugins.entries("display"):
        try:
            if entry.load()(jobs):
                return True
        except PluginError as error:  # what is left is plain HTML
            warn_once(str(error))
    return False


class Displayed:
    """Mixed into what notebooks display."""

    def _ipython_display_(self) -> None:
        """Called by IPython.  Raises NotImplementedError for it to ask ``_repr_html_``, or ``repr``."""
        if not displayed(self):
            raise NotImplementedError
