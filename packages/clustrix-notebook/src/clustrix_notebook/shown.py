"""How jobs are displayed: live in a notebook; elsewhere what the core has, which is text.

Nothing heavy is imported before it is known that there is a page.
"""

from __future__ import annotations

import functools
from typing import Any
from weakref import WeakValueDictionary

from clustrix.job import AsyncJobResult
from clustrix.listing import JobList

_widgets: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""One for each job: a job that is displayed again is the same widget, so that its views are in step."""


def show(jobs: Any) -> bool:
    """See ``clustrix.plugins.registry.Registry.display``."""
    if not in_notebook():
        return False
    from clustrix_notebook.jobs.rows import Rows
    from clustrix_notebook.jobs.widget import Jobs

    _follow_cells()
    if isinstance(jobs, AsyncJobResult):
        widget = _widgets.get(jobs.id)
        if widget is None:
            widget = _widgets[jobs.id] = Jobs([jobs])
        widget.show()
        return True
    if isinstance(jobs, JobList) and jobs.query is not None:
        Jobs([], Rows(jobs.query, jobs.more)).show()
        return True
    return False


@functools.cache
def _follow_cells() -> None:
    from IPython.core.getipython import get_ipython

    from clustrix_notebook.watching import watcher

    shell: Any = get_ipython()
    shell.events.register("post_run_cell", watcher.look_now)


def in_notebook() -> bool:
    """Whether what is displayed goes to a page: there is a kernel, not a terminal."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
