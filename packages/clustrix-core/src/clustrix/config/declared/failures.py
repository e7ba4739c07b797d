"""What shall happen when a call fails, or its time is up."""

from __future__ import annotations

from functools import partial

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.runner.policy import FAIL, ON_ERROR, ON_TIME_LIMIT, RAISE, REQUEUE, STOP

_failures = partial(Field, group="failures")

FAILURES = (
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
        "The errors after which a call is tried again: classes, or their names. None named: any error.",
        ["ConnectionError", "TimeoutError"],
        option="retry_on",
    ),
    _failures(
        "retry_delay",
        kinds.DELAY,
        1.0,
        "How long to wait before the first retry. Before each that follows it is twice as long, five minutes at most.",
        "30 s",
        option="retry_delay",
    ),
    _failures(
        "retry_memory",
        kinds.number(1, 100),
        None,
        "How many times as much memory the next try gets after one that had too little. None: it is not tried again for that.",
        2.0,
        option="retry_memory",
    ),
    _failures(
        "retry_memory_limit",
        kinds.MEMORY,
        None,
        "The most memory that a try may get. None: retry_memory alone decides.",
        "64GB",
        providers={
            "local": "A good value is what this machine has, less what others need: `free -h`.",
            "ssh": "A good value is what that machine has, less what others need: `free -h` there.",
            "slurm": 'A good value is the memory of the largest node: `sinfo -o "%P %m"`, in MB. A try that asks for more is refused, or waits for ever.',
            "pbs": "A good value is the memory of the largest node: `pbsnodes -a`. A try that asks for more is refused, or waits for ever.",
            "sge": "A good value is the memory of the largest node: `qhost`. A try that asks for more waits for ever, or is refused.",
        },
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
        providers={
            "ssh": "It is begun again from here: this machine has to be on.",
            "slurm": "The job has itself queued again (`scontrol requeue`), also while this machine is off. Where the site does not let it, it is "
            "submitted again from here.",
            "pbs": "It is submitted again from here: this machine has to be on.",
            "sge": "The job has itself queued again (by exit status 99), also while this machine is off.",
        },
        option="on_time_limit",
    ),
    _failures(
        "max_requeues",
        kinds.count(1, 10_000, "number", none=False),
        10,
        "How often a job is begun again because its time was up (on_time_limit).",
        100,
        option="max_requeues",
    ),
)
