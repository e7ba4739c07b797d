"""Turn a freshly forked child into the process that a job expects: session, files, environment, folder."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NamedTuple

from clustrix.runner import (
    bounds,
    bundles,
    current,
    filters,
    layout,
    processes,
    redacting,
    sealing,
    variables,
)
from clustrix.runner.faults import point
from clustrix.runner.frames import Damaged
from clustrix.runner.messages import Decoder

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Without these a linear algebra library starts a thread for each core of the machine, not for each granted one."""

JOB_VARIABLE = "CLUSTRIX_JOB_ID"


class Order(NamedTuple):
    """What the dispatcher asks the warm parent to start."""

    job: str
    kind: str
    folder: str
    worker: int
    place: str
    """JSON, of the submitter: ``cwd``, ``path``, ``argv``, ``main``, ``bounds``, ``warnings``."""
    environ: str
    blobs: str
    cores: int
    claims: list[list[int]]
    name: str
    attempt: int
    result: str = layout.RESULT
    """What the outcome of a call is named, when it is whole."""
    ledger: str = ""
    """Where the workers of a map keep their claims and marks, if that is not ``folder``: a folder that only this machine sees."""
    element: int | None = None
    """Which one of a map's several places of work this is, where there are several; see ``clustrix.runner.windows``."""
    elements: int = 1
    workers: int = 1
    """How many places there may be, and how many workers this one has."""
    time_s: float | None = None
    """How long a call, or an item of a map, may take."""
    ends: float | None = None
    """When this place of work will be closed, in seconds since the epoch: nothing is begun that would take longer."""

    @classmethod
    def of(cls, told: Mapping[str, Any], folder: str, environ: str = "") -> Order:
        """Of what stands in a job's folder (``layout.ORDER``)."""
        same = ("job", "name", "attempt", "kind", "place", "blobs", "cores", "time_s")
        rest = {name: told[name] for name in same}
        return cls(folder=folder, worker=0, environ=environ, claims=[], **rest)

    def ends_of(self, began: float) -> float | None:
        """When the time of what began then will be up; both in seconds since the epoch."""
        known = [] if self.time_s is None else [began + self.time_s]
        return min([*known, *([] if self.ends is None else [self.ends])], default=None)

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def ledger_file(self, name: str) -> str:
        return os.path.join(self.ledger or self.folder, name)


class Notifier:
    """Tells the dispatcher, if it is there, that something of this job is ready.  Losing a message loses no result."""

    def __init__(self, channel: socket.socket, job: str) -> None:
        self._channel = channel
        self._job = job.encode()

    def send(self, kind: bytes) -> None:
        try:
            point("runner.tell")
            self._channel.send(kind + self._job)
        except OSError:  # no dispatcher at the moment, or one that does not keep up: it looks by itself
            return


def become_runner() -> None:
    """Session and signals.  Called first in the child."""
    os.setsid()
    processes.become_subreaper()
    # All others are as Python has them at its start: the warm parent leaves them alone.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.enable()


def await_order(
    line: socket.socket, rehearse: Callable[[], object]
) -> tuple[Order, bundles.Bundle | Damaged] | None:
    """Wait to be given a job, and rehearse if there is time; None when there will be none."""
    if not select.select([line], [], [], 0)[0]:
        rehearse()
    with line:
        decoder = Decoder()
        point("runner.await")
        while data := line.recv(1 << 14):
            for message, payload in decoder.feed(data):
                order = Order(**message)
                environment.put_on(order)
                return order, bundles.read_bundle(payload, order.blobs)
    return None


def print_into(order: Order) -> None:
    """Have the standard files in a folder that several processes share."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for target, name in ((1, layout.OUTPUT), (2, layout.ERRORS)):
        fd = os.open(order.file(name), flags, 0o600)
        os.dup2(fd, target)
        os.close(fd)


def open_standard_files() -> None:
    """Text files on the standard descriptors, line by line so that what a job prints can be followed.

    Called once in the warm parent: each runner puts its own files under the same descriptors.
    """
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 -- for good
    sys.stdout = _for_good(1)
    sys.stderr = _for_good(2)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _for_good(fd: int) -> TextIOWrapper:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


class Environment:
    """The environment variables of jobs, put on in the warm parent: jobs in a row mostly share them."""

    def __init__(self) -> None:
        self._now: tuple[str, int] = ("", 0)
        self._failed: bundles.SetupFailed | None = None
        self.secrets: list[str] = []
        """Texts that the job must not print."""

    def put_on(self, order: Order) -> None:
        """Have os.environ be the submitter's, with what clustrix adds; a failure is kept for ``check``."""
        if self._now == (order.environ, order.cores):
            return
        self._failed, self.secrets = None, []
        self._now = (order.environ, order.cores)
        try:
            read, self.secrets = sealing.opened(variables.read(order.environ))
        except sealing.Unsealable as error:
            self._now = ("", 0)
            self._failed = bundles.SetupFailed(str(error))
            return
        except (OSError, ValueError) as error:
            self._now = ("", 0)
            self._failed = bundles.SetupFailed(
                f"the submitter's environment variables could not be read ({error}); submit the job again"
            )
            return
        # What the user set for OpenMP is meant for its kin too.
        threads = read.get("OMP_NUM_THREADS", str(order.cores))
        os.environ.clear()
        os.environ.update({**dict.fromkeys(THREAD_VARIABLES, threads), **read})

    def add(self, variables: Mapping[str, str], secrets: Sequence[str], cores: int) -> None:
        """Leave what this machine has, and add what the submitter has sent along.  ``secrets``: texts that the job must not print."""
        threads = variables.get("OMP_NUM_THREADS", str(cores))
        os.environ.update({**dict.fromkeys(THREAD_VARIABLES, threads), **variables})
        self.secrets = [*secrets]

    def check(self, order: Order) -> None:
        """In the runner: raises SetupFailed if there is no environment for the job."""
        if self._failed is not None:
            raise self._failed
        os.environ[JOB_VARIABLE] = order.job


environment = Environment()


_inherited: list[str] = []
"""The warm parent's bounds and filters, as texts: most jobs need no others."""


def remember_inheritance() -> None:
    """Called once in the warm parent."""
    _inherited[:] = bounds.text(), filters.text()


def inherited() -> dict[str, str]:
    """What of an order's ``place`` says that all is to stay as it is."""
    return {"bounds": _inherited[0], "warnings": _inherited[1]}


def take_place(order: Order) -> None:
    """Have what a process of the submitter would have: folder, search path, arguments, bounds; an empty ``__main__``."""
    place = json.loads(order.place)
    try:
        os.chdir(place["cwd"])
    except OSError as error:
        raise bundles.SetupFailed(
            f"the working directory of the submission, {place['cwd']}, cannot be entered "
            f"({error.strerror}); create it again, or submit from another"
        ) from error
    sys.path[:] = place["path"]
    sys.argv[:] = place["argv"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if place["main"]:
        main.__file__ = place["main"]  # processes that multiprocessing spawns import it from there
    if place["bounds"] != _inherited[0]:
        bounds.put_on(json.loads(place["bounds"]))
    if place["warnings"] != _inherited[1]:
        filters.put_on(json.loads(place["warnings"]))


def introduce(
    order: Order,
    worker: int | None,
    item: Callable[[], int | None],
    tell: Callable[[bytes], None],
    ends: Callable[[], float | None],
) -> None:
    """Have the user's code find out which job it is in."""
    job = current.CurrentJob(order.job, order.name, order.attempt, None, order.cores)
    current.running = current.Runner(job, order.folder, worker, item, tell, ends)


def end_output() -> None:
    """Have all that was printed leave this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def hide_secrets() -> redacting.Redactor | None:
    """Blot out what the job must not print.  Called when the standard files are in their places."""
    return redacting.Redactor(environment.secrets) if environment.secrets else None


def foresee(order: Order, payload: bytes) -> None:
    """In the warm parent, when it is idle: prepare for more jobs like this one."""
    environment.put_on(order)
    bundles.foresee(payload, order.blobs)


def complain(text: str) -> None:
    """Into the job's stderr, if there is room for that."""
    with suppress(OSError):
        print(f"clustrix: {text}", file=sys.stderr, flush=True)
