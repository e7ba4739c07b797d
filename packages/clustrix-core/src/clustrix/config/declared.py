"""The core's own fields, each declared once.

From a declaration come its check, ``configure()``, files, environment variables, ``clustrix config`` and the tables of the documentation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from clustrix import plugins
from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.errors import ConfigError, UnknownBackend
from clustrix.plugins.builtin import EXTRAS
from clustrix.runner.policy import FAIL, ON_ERROR, ON_TIME_LIMIT, RAISE, REQUEUE, STOP

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


_session = partial(Field, group="session", scope="session")
_failures = partial(Field, group="failures")

CORE = (
    Field(
        "cluster_type",
        kinds.Kind("name", _backend, str.strip),
        "local",
        "Where jobs run.",
        "local",
        group="place",
        option="cluster_type",
        scope="place",
    ),
    Field(
        "job_poll_interval",
        kinds.TIME,
        None,
        "How long to wait between two looks at the jobs of a place that has to be asked; None: as suits the place, "
        "soon after a change and more and more seldom while there is none.",
        "30 s",
        group="place",
        scope="place",
        shown=_ASKED,
    ),
    Field(
        "cleanup_on_success",
        kinds.FLAG,
        True,
        "Remove what a job has left at a place that has to be asked, once its result is here; False: it stays there, for you to look at.",
        False,
        group="place",
        option="cleanup_on_success",
        shown=_ASKED,
    ),
    Field(
        "default_cores",
        kinds.CORES,
        1,
        "Cores that one call, or one item of a map, needs.",
        4,
        option="cores",
    ),
    Field(
        "default_memory",
        kinds.MEMORY,
        None,
        "Memory that it needs, for its whole process tree; None: no limit.",
        "16GB",
        option="memory",
    ),
    Field(
        "default_time",
        kinds.TIME,
        None,
        "How long it may take; None: no limit.",
        "02:30:00",
        option="time",
    ),
    Field(
        "environment_variables",
        kinds.VARIABLES,
        {},
        "Environment variables that a job finds beside those of the submitter, or in their stead.",
        {"OMP_NUM_THREADS": "2"},
        security="They are kept where the submitter's variables are, not in the journal, and their values are not shown.",
        option="environment_variables",
    ),
    _session(
        "async_submit",
        kinds.FLAG,
        False,
        "A call returns an AsyncJobResult at once.",
        True,
        option="async_submit",
    ),
    _session(
        "progress",
        kinds.FLAG,
        True,
        "Show who waits how far it is: a bar on a terminal, a line every half minute elsewhere.",
        False,
        option="progress",
    ),
    _session(
        "local_strict",
        kinds.FLAG,
        False,
        "Refuse a job that asks for more than this machine has, instead of running it with what there is.",
        True,
        option="local_strict",
    ),
    _session(
        "max_parallel_jobs",
        kinds.count(1, 1_000_000, "number"),
        None,
        "At most so many processes of a map at once on this machine; None: as many as its cores allow.",
        2,
    ),
    Field(
        "chunk",
        kinds.count(1, 1_000_000, "number"),
        None,
        "How many items of a map a worker takes at a time; None: what suits, a twentieth of a second's worth.",
        100,
        option="chunk",
        setting=False,
    ),
    Field(
        "secrets",
        kinds.texts(200, 50, "names of variables"),
        (),
        "Environment variables that are secret: the job has them, and their values are in no file in the clear, nor in what it prints.",
        ["WANDB_API_KEY"],
        security="Each is taken from the environment or, if it is not there, from the keyring. Whoever can run programs as you can still "
        "get at it, and so can the job. Values of less than four characters are not blotted out of what the job prints.",
        option="secrets",
    ),
    Field(
        "reuse",
        kinds.FLAG,
        False,
        "A call that has been made before, with the same code and arguments, gives the earlier one's job.",
        True,
        option="reuse",
    ),
    _failures(
        "on_error",
        kinds.choice(*ON_ERROR),
        RAISE,
        "What a failed item is to its map: raise: its error is raised at its place, and the others go on; collect: its error stands "
        "among the results; stop: nothing more is begun.",
        STOP,
        choices=ON_ERROR,
        option="on_error",
    ),
    _failures(
        "retries",
        kinds.count(0, 100, "number", none=False),
        0,
        "How often a call, or an item of a map, that has failed is tried again. What was killed from outside is tried again without "
        "counting, five times at most.",
        3,
        option="retries",
    ),
    _failures(
        "retry_on",
        kinds.ERRORS,
        (),
        "The errors for which it is: classes, or their names; none: any.",
        ["ConnectionError", "TimeoutError"],
        option="retry_on",
    ),
    _failures(
        "retry_delay",
        kinds.DELAY,
        1.0,
        "How long to wait before the first retry; twice as long before each that follows.",
        "30 s",
        option="retry_delay",
    ),
    _failures(
        "retry_memory",
        kinds.number(1, 100),
        None,
        "How many times as much memory the next try gets after one that had too little; None: it is not tried again for that.",
        2.0,
        option="retry_memory",
    ),
    _failures(
        "retry_memory_limit",
        kinds.MEMORY,
        None,
        "The most memory that a try may get; None: what the place has.",
        "64GB",
        option="retry_memory_limit",
    ),
    _failures(
        "on_time_limit",
        kinds.choice(*ON_TIME_LIMIT),
        FAIL,
        "What the end of its time is to a call, or to an item of a map: fail: an error; requeue: it is interrupted shortly before, and begun "
        "again, to go on where it has saved (checkpoint, restore).",
        REQUEUE,
        choices=ON_TIME_LIMIT,
        option="on_time_limit",
    ),
    _failures(
        "max_requeues",
        kinds.count(1, 10_000, "number", none=False),
        10,
        "How often it is.",
        100,
        option="max_requeues",
    ),
    Field(
        "key",
        kinds.KEY,
        None,
        "Names one piece of work: while a job with this key is under way or has succeeded, a further submission "
        "with it is that job, not a second one.",
        "experiment-7",
        option="key",
        setting=False,
    ),
    Field(
        "name",
        kinds.text(200),
        None,
        "What the job is called, instead of its function's name.",
        "fit of 2026",
        option="name",
        setting=False,
    ),
    Field(
        "tags",
        kinds.texts(50, 20),
        (),
        "Short texts by which jobs are found again.",
        ["paper", "draft"],
        option="tags",
        setting=False,
    ),
    Field(
        "profile",
        kinds.text(100, "name"),
        None,
        "The profile of a configuration file whose values hold; None: none.",
        "hpc",
        group="profile",
        option="profile",
        setting=False,
    ),
)
