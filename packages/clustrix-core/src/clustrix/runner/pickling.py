"""Pickling with out-of-band buffers, in both directions, and classes that come home as the caller's own.

A pickled object is a list of pieces: the pickle itself, then its large buffers (protocol 5), which are never
copied.  Classes that cannot be imported (those of ``__main__``, a notebook, a function's body) go out by value;
on the way back they are named, and resolved to the class the caller already has, so that ``isinstance`` and ``is`` hold.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cloudpickle import cloudpickle

from clustrix.runner.diagnose import locate
from clustrix.runner.frames import Buffer

PROTOCOL = 5
OUT_OF_BAND_BYTES = 8192
"""Smaller buffers are cheaper inside the pickle."""


class Unpicklable(Exception):
    """An object that cannot be sent, with the path to the part that refuses."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Pickled(NamedTuple):
    """A pickle and the buffers that it refers to."""

    stream: bytes
    buffers: list[memoryview]

    def pieces(self) -> list[Buffer]:
        return [self.stream, *self.buffers]


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    """cloudpickle's, with large buffers kept out of the stream."""

    def __init__(self, file: io.BytesIO, keep: Callable[[memoryview], None]) -> None:
        def buffer_callback(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:  # not contiguous: it travels inside
                return True
            if raw.nbytes < OUT_OF_BAND_BYTES:
                return True
            keep(raw)
            return False

        super().__init__(file, protocol=PROTOCOL, buffer_callback=buffer_callback)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.CodeType):
            # cloudpickle leaves the file's name out; without it no traceback could show the user's line.
            make, args = cloudpickle._code_reduce(obj)
            return make, tuple(obj.co_filename if arg == "<dynamic-code>" else arg for arg in args)
        if obj is os.environ or obj is getattr(os, "environb", None):
            # ``from os import environ``: the job has its own, and what is in it belongs into no pickle.
            return getattr, (os, "environ" if obj is os.environ else "environb")
        return super().reducer_override(obj)


class ResultPickler(Pickler):
    """Names classes that the caller has, instead of copying them back over the caller's."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and not cloudpickle._should_pickle_by_reference(obj):
            identity = cloudpickle._get_or_create_tracker_id(obj)
            return resolve_class, (identity, obj.__module__, obj.__qualname__, _by_value(obj))
        return super().reducer_override(obj)


def _by_value(cls: type) -> bytes:
    """The class as plain cloudpickle sends it; computed once for a class."""
    known = _class_bytes.get(cls)
    if known is None:
        known = _class_bytes[cls] = cloudpickle.dumps(cls, protocol=PROTOCOL)
    return known


_class_bytes: dict[type, bytes] = {}


def resolve_class(identity: str, module: str, qualname: str, by_value: bytes) -> Any:
    """The caller's class: the one that was sent, else the one of that name in ``module``, else a copy."""
    known = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(identity)
    if known is not None:
        return known
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) else pickle.loads(by_value)


def dump(obj: Any, subject: str, pickler: Callable[..., Pickler] = Pickler) -> Pickled:
    """Pickle ``obj``; ``subject`` is what an error calls it ("argument 'model'").

    Raises Unpicklable with the path to the culprit.
    """
    file = io.BytesIO()
    buffers: list[memoryview] = []
    try:
        pickler(file, buffers.append).dump(obj)
    except Exception as error:  # whatever a __reduce__ or __getstate__ raises
        raise Unpicklable(*locate(obj, subject, error, _can_dump)) from error
    return Pickled(file.getvalue(), buffers)


def _can_dump(obj: Any) -> Exception | None:
    try:
        Pickler(io.BytesIO(), lambda buffer: None).dump(obj)
    except Exception as error:  # as above
        return error
    return None


def load(pieces: Sequence[Buffer]) -> Any:
    """Rebuild what ``dump`` took apart; the buffers become the object's memory, uncopied."""
    return pickle.loads(pieces[0], buffers=pieces[1:])
