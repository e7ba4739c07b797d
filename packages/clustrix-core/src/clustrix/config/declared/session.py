"""How the process behaves that submits jobs."""

from __future__ import annotations

from functools import partial

from clustrix.config import kinds
from clustrix.config.field import Field

_session = partial(Field, group="session", scope="session")

_ON_A_CLUSTER = (
    "None: 16 items at a time. They are worked on by the elements of an array, up to four in each; elements for which the cluster "
    "has no room yet wait, and the others go on."
)

SESSION = (
    _session(
        "async_submit",
        kinds.FLAG,
        False,
        "A call returns at once, with an AsyncJobResult whose result() waits. False: the call waits, and returns the value.",
        True,
        option="async_submit",
    ),
    _session(
        "progress",
        kinds.FLAG,
        True,
        "Show who waits how far the job is: a bar on a terminal, a line every half minute elsewhere.",
        False,
        option="progress",
    ),
    _session(
        "local_strict",
        kinds.FLAG,
        False,
        "Refuse a job that asks for more than this machine has, instead of running it with what there is.",
        True,
        providers={
            "local": "It is for jobs on this machine only: set it where a job with fewer cores or less memory would be of no use."
        },
        option="local_strict",
    ),
    _session(
        "max_parallel_jobs",
        kinds.count(1, 1_000_000, "number"),
        None,
        "How many items of a map run at a time, at most. None: on one machine as many as its cores allow, on a cluster 16.",
        2,
        providers={
            "local": "None: as many as this machine's cores allow, with default_cores for each. Fewer are better where memory or disk is short.",
            "ssh": "None: as many as that machine's cores allow, with default_cores for each. Fewer leave some to others.",
            **dict.fromkeys(("slurm", "pbs", "sge"), _ON_A_CLUSTER),
        },
    ),
)
