"""Where jobs run, and how that place is dealt with."""

from __future__ import annotations

from typing import Any

from clustrix import plugins
from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.errors import ConfigError, UnknownBackend
from clustrix.plugins.builtin import EXTRAS

_ASKED = {"cluster_type": tuple(EXTRAS)}
"""Places that do not tell by themselves what has become of a job."""


def _backend(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(field, value, "must be the name of a backend")
    try:
        return plugins.backend(value).name
    except UnknownBackend as error:
        plugins.look_again()  # next time: it may have been installed by then
        raise UnknownBackend(field, value, error.allowed) from None


def _looks(command: str) -> str:
    return (
        f"Best left at None: ends are seen by files, and `{command}` is asked once for all jobs, every 2 to 60 s. With a longer "
        "pause results come later, too; a shorter one does not ask it more often."
    )


_LEFT_BY_BATCH = (
    "What is left is in `jobs` and `batches` below remote_work_dir: arguments, script, and what the job has printed. Mind your quota with False. "
    "Files that the function writes into its working folder stay in any case."
)

PLACE = (
    Field(
        "cluster_type",
        kinds.Kind("name", _backend, str.strip),
        "local",
        "Where jobs run: local is this machine; ssh is another one, and slurm, pbs and sge are clusters (with clustrix[ssh]).",
        "local",
        group="place",
        security="Anywhere but on this machine: your function, its arguments, your own modules and its results are in files there, and whoever "
        "administers that place can read them.",
        providers={
            "local": "Nothing has to be set up: good for trying a function before it is sent elsewhere.",
            "ssh": "A machine without a batch system; cluster_host names it. Not for the login node of a cluster: jobs would run on it.",
            "slurm": "A cluster on whose login node `sbatch --version` answers. `clustrix setup HOST` finds out what a host has.",
            "pbs": "OpenPBS, PBS Professional or Torque: `qsub --version` on the login node tells. `clustrix setup HOST` finds out what a "
            "host has.",
            "sge": "Grid Engine and its descendants: `qstat -help` on the login node names it in its first line. `clustrix setup HOST` finds "
            "out what a host has.",
        },
        option="cluster_type",
        scope="place",
    ),
    Field(
        "job_poll_interval",
        kinds.TIME,
        None,
        "How long to wait between two looks at jobs that run elsewhere. None: as suits the place, soon after a change and more and more "
        "seldom while there is none.",
        "30 s",
        group="place",
        providers={
            "ssh": "Best left at None: the machine tells of ends over the open connection. With a value, they are heard of at the next look.",
            "slurm": _looks("squeue"),
            "pbs": _looks("qstat"),
            "sge": _looks("qstat"),
        },
        scope="place",
        shown=_ASKED,
    ),
    Field(
        "cleanup_on_success",
        kinds.FLAG,
        True,
        "Remove what a job has left elsewhere, once its result is here. False: it stays there, for you to look at.",
        False,
        group="place",
        security="With False there stay, in files that only you and the administrators there can read: arguments, results, what was printed, and the "
        "values of environment_variables.",
        providers={
            "ssh": "What is left is in `jobs` below remote_work_dir. Files that the function writes into its working folder stay in any case.",
            **dict.fromkeys(("slurm", "pbs", "sge"), _LEFT_BY_BATCH),
        },
        option="cleanup_on_success",
        shown=_ASKED,
    ),
)
