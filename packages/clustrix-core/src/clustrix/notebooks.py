"""What IPython asks of the core, and the core of plugins: the magics of ``%load_ext clustrix``, and how jobs are displayed."""

from __future__ import annotations

from typing import Any

from clustrix import plugins
from clustrix.config.notices import warn_once
from clustrix.errors import PluginError


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
