"""Pickling with out-of-band buffers, in both directions, and classes that come home as the caller's own.

A pickled object is a list of pieces: the pickle itself, then its large buffers (protocol 5), which are never
copied.  Classes that cannot be imported (those of ``__main__``, a notebook, a function's body) go out by value;
on the way back they are named, and resolved to the class the caller already has, so that ``isinstance`` and ``is`` hold.
"""

from __future__ import annotations

import dis
import functools
import io
import os
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cloudpickle import cloudpickle

from clustrix.runner.diagnose import locate
from clustrix.runner.frames import Buffer, Parts, Piece

PROTOCOL = 5
OUT_OF_BAND_BYTES = 8192
"""Smaller buffers are cheaper inside the pickle."""
_LARGE_BYTES = 1 << 18
"""Below it, one piece is worth a copy."""


_Cache = type(functools.lru_cache(len))
_CO_OPTIMIZED = 1
"""Of functions, but not of the bodies of classes: these look names up where they are, then among the globals."""
_BY_NAME = frozenset({"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})


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

    stream: bytes | Parts
    buffers: list[memoryview]

    def pieces(self) -> list[Piece]:
        return [self.stream, *self.buffers]


class Sink:
    """What a pickler writes.  It hands large ``bytes`` over as they are, and they are not copied here, either."""

    def __init__(self) -> None:
        self._small: list[bytes] = []
        self._buffers: list[Buffer] = []

    def write(self, data: Buffer) -> None:
        if len(data) < _LARGE_BYTES:
            self._small.append(bytes(data))
        else:
            self._buffers += [b"".join(self._small), data]
            self._small = []

    def stream(self) -> bytes | Parts:
        """All of it."""
        end = b"".join(self._small)
        return Parts([*self._buffers, end]) if self._buffers else end


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    """cloudpickle's, with large buffers kept out of the stream."""

    def __init__(self, file: io.BytesIO | Sink, keep: Callable[[memoryview], None]) -> None:
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
        if isinstance(obj, types.FunctionType):
            globals_of(obj.__code__)
        elif isinstance(obj, types.CodeType):
            # cloudpickle leaves the file's name out; without it no traceback could show the user's line.
            make, args = cloudpickle._code_reduce(obj)
            return make, tuple(obj.co_filename if arg == "<dynamic-code>" else arg for arg in args)
        if obj is os.environ or obj is getattr(os, "environb", None):
            # ``from os import environ``: the job has its own, and what is in it belongs into no pickle.
            return getattr, (os, "environ" if obj is os.environ else "environb")
        if type(obj) is _Cache and cloudpickle._lookup_module_and_qualname(obj) is None:
            # functools would have it imported by its name. The function goes as state: it may call itself by this cache.
            bounds = obj.cache_parameters()
            return make_cache, (bounds["maxsize"], bounds["typed"]), obj.__wrapped__, None, None, fill_cache
        if isinstance(obj, io.TextIOWrapper) and "+" in getattr(obj, "mode", ""):
            # cloudpickle makes a text of it in memory, as of one that is only read: what a job writes would be lost.
            raise TypeError("cannot pickle a file that is open for writing")
        if type(obj) is weakref.WeakKeyDictionary:
            # functools.singledispatch has one. What is in it is held there by whoever else holds it, as here.
            return weakref.WeakKeyDictionary, (), None, None, iter(list(obj.items()))
        return super().reducer_override(obj)


def globals_of(code: types.CodeType) -> Any:
    """The names of the globals that a function's code uses, as cloudpickle finds and remembers them.

    It overlooks those in the bodies of classes that the function defines.
    """
    found = cloudpickle._extract_code_globals(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if not constant.co_flags & _CO_OPTIMIZED:
                found.update(
                    dict.fromkeys(
                        step.argval for step in dis.get_instructions(constant) if step.opname in _BY_NAME
                    )
                )
            found.update(globals_of(constant))
    return found


class _Late:
    """A function that is known later."""

    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def make_cache(maxsize: int | None, typed: bool) -> Any:
    """What ``functools.lru_cache`` makes, of a function that is yet to come; empty."""
    return functools.lru_cache(maxsize, typed)(_Late())


def fill_cache(cache: Any, function: Callable[..., Any]) -> None:
    """Here it is."""
    cache.__wrapped__.function = function
    functools.update_wrapper(cache, function)


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
    sink = Sink()
    buffers: list[memoryview] = []
    try:
        pickler(sink, buffers.append).dump(obj)
    except Exception as error:  # whatever a __reduce__ or __getstate__ raises
        raise Unpicklable(*locate(obj, subject, error, _can_dump)) from error
    return Pickled(sink.stream(), buffers)


def _can_dump(obj: Any) -> Exception | None:
    try:
        Pickler(io.BytesIO(), lambda buffer: None).dump(obj)
    except Exception as error:  # as above
        return error
    return None


def load(pieces: Sequence[Buffer]) -> Any:
    """Rebuild what ``dump`` took apart; the buffers become the object's memory, uncopied."""
    return pickle.loads(pieces[0], buffers=pieces[1:])
