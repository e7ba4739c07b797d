"""What the batch system tells a job that runs in it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

_EARLY_SECONDS = 90.0
"""Schedulers send their signals up to so much earlier than they were told to."""


class Surroundings(NamedTuple):
    """Where this job runs; empty and None where there is no batch system."""

    number: str
    """What the scheduler calls the job."""
    restarts: int | None
    """How often it has been queued again by the scheduler; None where that may be, and nobody counts."""
    ends: float | None
    """When the scheduler will end it, in seconds since the epoch."""
    cores: int | None
    """How many it was given on this machine."""
    notice_s: float = 0.0
    """How long before that the scheduler was told to send a signal."""

    def time_is_over(self) -> bool:
        """Whether a signal that has come now tells of the end of the time."""
        return self.ends is not None and time.time() >= self.ends - self.notice_s - _EARLY_SECONDS


def look(began: float, time_s: float | None, notice_s: float = 0.0) -> Surroundings:
    """``began``: when it was started; ``time_s``: what was asked for."""
    return _look(began, time_s)._replace(notice_s=notice_s)


def _look(began: float, time_s: float | None) -> Surroundings:
    environ = os.environ
    ends = began + time_s if time_s is not None else None
    if "SLURM_JOB_ID" in environ:
        number = environ.get("SLURM_ARRAY_JOB_ID", environ["SLURM_JOB_ID"])
        told = environ.get("SLURM_JOB_END_TIME", "")
        return Surroundings(
            number,
            int(environ.get("SLURM_RESTART_COUNT", "0")),
            float(told) if told.isdigit() else ends,
            _cores(environ.get("SLURM_CPUS_ON_NODE", "")),
        )
    if "SGE_ROOT" in environ and "JOB_ID" in environ:
        restarts = None if environ.get("RESTARTED", "0") != "0" else 0
        return Surroundings(environ["JOB_ID"], restarts, ends, _cores(environ.get("NSLOTS", "")))
    if "PBS_JOBID" in environ:
        given = environ.get("NCPUS") or environ.get("PBS_NUM_PPN") or ""
        return Surroundings(environ["PBS_JOBID"], None, ends, _cores(given))
    return Surroundings("", 0, None, _cores(environ.get("CLUSTRIX_CORES", "")))


def index(variable: str, first: int) -> int:
    """This element's place in its array, from 0; 0 where it is in none.  ``first``: what the scheduler calls the first."""
    text = os.environ.get(variable, "") if variable else ""
    return int(text) - first if text.isdigit() else 0  # SGE says "undefined"


def listen(asked_to_end: Callable[[int, FrameType | None], None], around: Surroundings) -> None:
    """Understand what batch systems send before they kill, beside SIGTERM: SGE sends SIGUSR2, and SIGUSR1 when the time is nearly over."""

    def nearly(number: int, frame: FrameType | None) -> None:
        if around.time_is_over():  # else SGE is about to suspend the job, or its user means something by it
            asked_to_end(number, frame)

    signal.signal(signal.SIGUSR1, nearly)
    signal.signal(signal.SIGUSR2, asked_to_end)


def _cores(text: str) -> int | None:
    return int(text) if text.isdigit() else None
