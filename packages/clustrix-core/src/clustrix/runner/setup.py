"""Turn a freshly forked child into the process that a job expects: session, files, environment, folder, modules."""

from __future__ import annotations

import gc
import json
import mmap
import os
import random
import signal
import socket
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from clustrix.runner import layout, modules, processes
from clustrix.runner.frames import BlobRef, Damaged, digest_of, unpack
from clustrix.runner.pickling import load

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


class SetupFailed(Exception):
    """The job cannot begin; the text says why and what to do."""


class Order(NamedTuple):
    """What the dispatcher asks the warm parent to start."""

    job: str
    kind: str
    folder: str
    worker: int
    cwd: str
    path: list[str]
    environ: str
    blobs: str
    cores: int
    claims: list[list[int]]

    @classmethod
    def from_json(cls, text: bytes) -> Order:
        return cls(**json.loads(text))

    def to_json(self) -> bytes:
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)


class Notifier:
    """Tells the dispatcher, if it is there, that something of this job is ready.  Losing a message loses no result."""

    def __init__(self, channel: socket.socket, job: str) -> None:
        self._channel = channel
        self._job = job.encode()

    def send(self, kind: bytes) -> None:
        try:
            self._channel.send(kind + self._job)
        except OSError:  # no dispatcher at the moment, or one that does not keep up: it looks by itself
            return


def become_job(order: Order) -> None:
    """Session, signals, standard files.  Called first in the child; uses nothing of the user's."""
    os.setsid()
    processes.become_subreaper()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.makedirs(order.folder, mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in (
        (0, null),
        (1, os.open(order.file(layout.OUTPUT), flags, 0o600)),
        (2, os.open(order.file(layout.ERRORS), flags, 0o600)),
    ):
        os.dup2(source, target)
        os.close(source)
    # Line by line, so that what a job prints can be followed.
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    gc.unfreeze()
    gc.enable()
    random.seed()


def take_environment(order: Order) -> None:
    """Put on the submitter's environment variables, with those that clustrix adds."""
    try:
        with open(order.environ, encoding="utf-8", errors="surrogateescape") as file:
            variables: dict[str, str] = json.load(file)
    except (OSError, ValueError) as error:
        raise SetupFailed(
            f"the submitter's environment variables could not be read ({error}); submit the job again"
        ) from error
    os.environ.clear()
    os.environ.update(variables)
    if not any(name in variables for name in THREAD_VARIABLES):
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(order.cores)))
    else:
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, variables.get("OMP_NUM_THREADS", str(order.cores)))
    os.environ[JOB_VARIABLE] = order.job


def take_place(order: Order) -> None:
    """Working directory and module search path of the submitter; an empty ``__main__``."""
    try:
        os.chdir(order.cwd)
    except OSError as error:
        raise SetupFailed(
            f"the working directory of the submission, {order.cwd}, cannot be entered "
            f"({error.strerror}); create it again, or submit from another"
        ) from error
    sys.path[:] = order.path
    sys.argv[:] = [""]
    sys.modules["__main__"] = types.ModuleType("__main__")


class Bundle(NamedTuple):
    """What a job's payload holds; blobs are opened and checked when they are used."""

    meta: dict[str, Any]
    pieces: Sequence[memoryview | BlobRef]
    blobs: str

    def piece(self, number: int) -> memoryview:
        found = self.pieces[number]
        if not isinstance(found, BlobRef):
            return found
        try:
            return _blob(self.blobs, found)
        except Damaged as error:
            raise _damaged(error) from error

    def load(self, numbers: Sequence[int]) -> Any:
        return load([self.piece(number) for number in numbers])


def _damaged(error: Damaged) -> SetupFailed:
    return SetupFailed(f"what was submitted is damaged: {error}; submit the job again")


def open_bundle(payload: bytes, blobs: str) -> Bundle:
    """Check the payload, and make its local modules importable."""
    try:
        bundle = Bundle(*unpack(payload), blobs)
    except Damaged as error:
        raise _damaged(error) from error
    meta = bundle.meta
    python = tuple(meta["python"])
    if python != sys.version_info[:2]:
        raise SetupFailed(
            f"submitted from Python {python[0]}.{python[1]}, but this is Python {sys.version_info[0]}."
            f"{sys.version_info[1]}; bytecode does not travel between them. Use the same minor version"
        )
    if meta.get("sources") is not None:
        rows = json.loads(bytes(bundle.piece(meta["sources"])))
        modules.install({name: modules.Source(*row) for name, row in rows.items()})
    for filename, number in meta.get("lines", {}).items():
        modules.remember_lines(filename, str(bundle.piece(number), "utf-8"))
    return bundle


def _blob(root: str, ref: BlobRef) -> memoryview:
    """A blob as private memory: the job may change its arguments in place, the blob stays as it is."""
    if not ref.size:
        return memoryview(b"")
    try:
        fd = os.open(os.path.join(root, ref.digest[:2], ref.digest), os.O_RDONLY)
    except OSError as error:
        raise Damaged(f"blob {ref.digest[:12]} is not there ({error.strerror})") from error
    try:
        if os.fstat(fd).st_size != ref.size:
            raise Damaged(f"blob {ref.digest[:12]} is not {ref.size} bytes long")
        view = memoryview(mmap.mmap(fd, ref.size, access=mmap.ACCESS_COPY))
    finally:
        os.close(fd)
    if digest_of(view) != ref.digest:
        raise Damaged(f"blob {ref.digest[:12]} does not match its digest")
    return view


def load_function(bundle: Bundle) -> Callable[..., Any]:
    """The user's function; one of ``__main__`` becomes visible there, as it was for the submitter."""
    reference = bundle.meta.get("reference")
    if reference is not None:
        function: Callable[..., Any] = modules.resolve(*reference).__wrapped__
        return function
    function = bundle.load(bundle.meta["function"])
    if isinstance(function, types.FunctionType) and function.__module__ == "__main__":
        main = vars(sys.modules["__main__"])
        main.update({k: v for k, v in function.__globals__.items() if not k.startswith("__")})
        main.setdefault(function.__name__, function)
    return function


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call it; what an async function returns is run to its end."""
    value = function(*args, **kwargs)
    return run_to_end(value) if isinstance(value, types.CoroutineType) else value


def run_to_end(coroutine: types.CoroutineType[Any, Any, Any]) -> Any:
    """The result of a coroutine, in an event loop of its own."""
    import asyncio  # 40 ms that most jobs need not pay

    return asyncio.run(coroutine)
