"""A job's payload in the job: checked, its modules made importable, its function and values unpickled."""

from __future__ import annotations

import bisect
import json
import mmap
import os
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.runner import modules
from clustrix.runner.faults import point
from clustrix.runner.frames import BlobRef, Damaged, digest_of, unpack
from clustrix.runner.pickling import load


class SetupFailed(Exception):
    """The job cannot begin; the text says why and what to do."""


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
        """Raises SetupFailed for a module that is not there, and what else unpickling raises."""
        pieces = [self.piece(number) for number in numbers]
        try:
            return load(pieces)
        except ModuleNotFoundError as error:
            raise _missing(error) from error


class Items:
    """The arguments of a map's items: a granule is unpickled when one of its items is asked for, and the latest is kept."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._starts: list[int] = bundle.meta["starts"]
        """Of each granule its first item."""
        self._picked: list[int] | None = bundle.meta.get("picked")
        """For a map of some of the items of an earlier one: which of those its own are."""
        self._first = 0
        self._latest: list[tuple[Any, ...]] = []

    def get(self, index: int) -> tuple[Any, ...]:
        """Those of one item.  Raises SetupFailed, and what unpickling raises."""
        if self._picked is not None:
            index = self._picked[index]
        place = index - self._first
        if not 0 <= place < len(self._latest):
            number = bisect.bisect_right(self._starts, index) - 1
            self._latest = self._bundle.load(self._bundle.meta["granules"][number])
            self._first = self._starts[number]
            place = index - self._first
        return self._latest[place]


def _missing(error: ModuleNotFoundError) -> SetupFailed:
    where = f"{sys.executable} on {os.uname().nodename}"
    return SetupFailed(
        f"{error} in the Python that runs it, {where}: have it installed there, or name another Python"
    )


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


def foresee(payload: bytes, blobs: str) -> None:
    """Where there is time: compile the modules in it, which the next job is likely to bring along as well."""
    with suppress(Damaged, SetupFailed):  # that is for the job to say
        modules.precompile(sources_of(Bundle(*unpack(payload), blobs)))


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
            point("blob.damaged")
            os.rename(path, path + ".damaged")
        raise Damaged(f"blob {ref.digest[:12]} does not match its digest")
    return view


def load_function(bundle: Bundle) -> Callable[..., Any]:
    """The user's function; one of ``__main__`` becomes visible there, as it was for the submitter."""
    reference = bundle.meta.get("reference")
    if reference is not None:
        try:
            function: Callable[..., Any] = modules.resolve(*reference).__wrapped__
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        return function
    function = bundle.load(bundle.meta["function"])
    if isinstance(function, types.FunctionType) and function.__module__ == "__main__":
        main = vars(sys.modules["__main__"])
        main.update({k: v for k, v in function.__globals__.items() if not k.startswith("__")})
        main.setdefault(function.__name__, function)
    return function
