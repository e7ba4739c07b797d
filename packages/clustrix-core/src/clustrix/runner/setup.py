"""Turn a freshly forked child into the process that a job expects: session, files, environment, folder, modules."""

from __future__ import annotations

import gc
import json
import mmap
import os
import pickle
import select
import signal
import socket
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NamedTuple, NoReturn

from clustrix.runner import bounds, filters, layout, modules, processes, variables
from clustrix.runner.frames import BlobRef, Damaged, digest_of, packed, unpack
from clustrix.runner.messages import Decoder, encode
from clustrix.runner.pickling import PROTOCOL, load

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
    place: str
    """JSON, of the submitter: ``cwd``, ``path``, ``argv``, ``main``, ``bounds``, ``warnings``."""
    environ: str
    blobs: str
    cores: int
    claims: list[list[int]]

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


def become_runner() -> None:
    """Session and signals.  Called first in the child."""
    os.setsid()
    processes.become_subreaper()
    # All others are as Python has them at its start: the warm parent leaves them alone.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.enable()


def await_order(line: socket.socket) -> tuple[Order, Bundle | Damaged] | None:
    """Wait to be given a job; None when there will be none."""
    if not select.select([line], [], [], 0)[0]:
        rehearse()
    with line:
        decoder = Decoder()
        while data := line.recv(1 << 14):
            for message, payload in decoder.feed(data):
                order = Order(**message)
                environment.put_on(order)
                return order, read_bundle(payload, order.blobs)
    return None


def rehearse() -> None:
    """Do once what every job will do, for nothing: each page of memory that a fork writes to has first to be copied."""
    decoder = Decoder()
    _, pieces = unpack(packed({"python": sys.version_info[:2]}, [pickle.dumps(None, PROTOCOL)]))
    decoder.feed(encode({}))
    load([piece for piece in pieces if not isinstance(piece, BlobRef)])


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
        self._failed: SetupFailed | None = None

    def put_on(self, order: Order) -> None:
        """Have os.environ be the submitter's, with what clustrix adds; a failure is kept for ``check``."""
        if self._now == (order.environ, order.cores):
            return
        self._failed = None
        self._now = (order.environ, order.cores)
        try:
            read = variables.read(order.environ)
        except (OSError, ValueError) as error:
            self._now = ("", 0)
            self._failed = SetupFailed(
                f"the submitter's environment variables could not be read ({error}); submit the job again"
            )
            return
        # What the user set for OpenMP is meant for its kin too.
        threads = read.get("OMP_NUM_THREADS", str(order.cores))
        os.environ.clear()
        os.environ.update({**dict.fromkeys(THREAD_VARIABLES, threads), **read})

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


def take_place(order: Order) -> None:
    """Have what a process of the submitter would have: folder, search path, arguments, bounds; an empty ``__main__``."""
    place = json.loads(order.place)
    try:
        os.chdir(place["cwd"])
    except OSError as error:
        raise SetupFailed(
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


def read_bundle(payload: bytes, blobs: str) -> Bundle | Damaged:
    """Check the payload.  Called in the warm parent, where it costs a tenth of what it does after the fork."""
    try:
        return Bundle(*unpack(payload), blobs)
    except Damaged as error:
        return error


def open_bundle(bundle: Bundle | Damaged) -> Bundle:
    """Make a bundle's local modules importable; raises SetupFailed if it is not for this interpreter."""
    if isinstance(bundle, Damaged):
        raise _damaged(bundle)
    meta = bundle.meta
    python = tuple(meta["python"])
    if python != sys.version_info[:2]:
        raise SetupFailed(
            f"submitted from Python {python[0]}.{python[1]}, but this is Python {sys.version_info[0]}."
            f"{sys.version_info[1]}; bytecode does not travel between them. Use the same minor version"
        )
    modules.install(sources_of(bundle))
    for filename, number in meta.get("lines", {}).items():
        modules.remember_lines(filename, str(bundle.piece(number), "utf-8"))
    return bundle


def sources_of(bundle: Bundle) -> dict[str, modules.Source]:
    """The local modules that travelled, by name."""
    number = bundle.meta.get("sources")
    if number is None:
        return {}
    return {name: modules.Source(*row) for name, row in json.loads(bytes(bundle.piece(number))).items()}


def foresee(order: Order, payload: bytes) -> None:
    """In the warm parent, when it is idle: prepare for more jobs like this one."""
    environment.put_on(order)
    with suppress(Damaged, SetupFailed):  # that is for the job to say
        modules.precompile(sources_of(Bundle(*unpack(payload), order.blobs)))


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
        path = os.path.join(root, ref.digest[:2], ref.digest)
        with suppress(OSError):  # out of the way: the next submission stores it anew
            os.rename(path, path + ".damaged")
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
    """Call it; what an async function returns is run to its end.

    A child that the function has forked, and that comes out of it as well, ends here: the result is the parent's.
    """
    me = os.getpid()
    try:
        value = function(*args, **kwargs)
        return run_to_end(value) if isinstance(value, types.CoroutineType) else value
    finally:
        if os.getpid() != me:
            end_fork(sys.exc_info()[1])


def complain(text: str) -> None:
    """Into the job's stderr, if there is room for that."""
    with suppress(OSError):
        print(f"clustrix: {text}", file=sys.stderr, flush=True)


def end_fork(error: BaseException | None) -> NoReturn:
    """The end of a process that has come out of the user's function without being the job's own, as Python would end it."""
    code = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def run_to_end(coroutine: types.CoroutineType[Any, Any, Any]) -> Any:
    """The result of a coroutine, in an event loop of its own."""
    import asyncio  # 40 ms that most jobs need not pay

    return asyncio.run(coroutine)
