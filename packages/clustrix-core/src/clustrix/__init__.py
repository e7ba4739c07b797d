"""clustrix: write one Python function and run it anywhere, never lost.

The public names are loaded when they are first used: importing clustrix costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clustrix.attaching import attach
    from clustrix.collecting import as_completed, gather, wait
    from clustrix.config import configure, get_config, load_config, save_config
    from clustrix.decorator import ClusterFunction, cluster
    from clustrix.executor import ClusterExecutor
    from clustrix.job import AsyncJobResult, JobStatus
    from clustrix.journal.records import JobState
    from clustrix.listing import jobs
    from clustrix.mapresult import MapResult
    from clustrix.reports import Progress
    from clustrix.within import CurrentJob, checkpoint, current_job, progress, restore

__version__ = "0.2.0"

__all__ = [
    "AsyncJobResult",
    "ClusterExecutor",
    "ClusterFunction",
    "CurrentJob",
    "JobState",
    "JobStatus",
    "MapResult",
    "Progress",
    "as_completed",
    "attach",
    "checkpoint",
    "cluster",
    "configure",
    "current_job",
    "gather",
    "get_config",
    "jobs",
    "load_config",
    "progress",
    "restore",
    "save_config",
    "wait",
]

_HOMES = {
    "AsyncJobResult": "clustrix.job",
    "ClusterExecutor": "clustrix.executor",
    "ClusterFunction": "clustrix.decorator",
    "CurrentJob": "clustrix.within",
    "JobState": "clustrix.journal.records",
    "JobStatus": "clustrix.job",
    "MapResult": "clustrix.mapresult",
    "Progress": "clustrix.reports",
    "as_completed": "clustrix.collecting",
    "attach": "clustrix.attaching",
    "checkpoint": "clustrix.within",
    "cluster": "clustrix.decorator",
    "configure": "clustrix.config",
    "current_job": "clustrix.within",
    "gather": "clustrix.collecting",
    "jobs": "clustrix.listing",
    "wait": "clustrix.collecting",
    "get_config": "clustrix.config",
    "load_config": "clustrix.config",
    "progress": "clustrix.within",
    "restore": "clustrix.within",
    "save_config": "clustrix.config",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'clustrix' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: object) -> None:
    """``%load_ext clustrix``.  Raises PluginError where nothing is installed that brings it."""
    from clustrix.notebooks import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """``%unload_ext clustrix``."""
    from clustrix.notebooks import unload

    unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
