"""clustrix in notebooks: what clustrix asks this plugin.  Light, since everybody pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustrix.plugins import hookimpl

if TYPE_CHECKING:
    from clustrix.plugins.registry import Registry

HOOK_API = 1


@hookimpl
def clustrix_register(registry: Registry) -> None:
    """Magics, and how jobs are displayed."""
    registry.ipython_extension(
        "notebook", "clustrix_notebook.extension:Extension", title="%clustrix and %%cluster"
    )
    registry.display("notebook", "clustrix_notebook.shown:show", title="Jobs, live")
