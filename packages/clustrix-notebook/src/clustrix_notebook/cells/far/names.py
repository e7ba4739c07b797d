"""The names of a notebook as bytes, in both directions: objects that names share stay shared, and functions stay at home in it.

A function of the notebook finds its globals in the notebook's namespace, so it is sent without them; where it arrives it is made in the
namespace there.  What it refers to is in ``met``, for whoever sends it to send that, too.
"""

from __future__ import annotations

import io
import pickle
import threading
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from cloudpickle import cloudpickle

from clustrix.runner.diagnose import locate
from clustrix.runner.pickling import Pickler, Sink, globals_of, resolve_class

_here = threading.local()
"""``namespace``: where the functions belong that are being unpickled in this thread."""


class Sent(NamedTuple):
    """Named objects, pickled one after the other with one memory."""

    names: tuple[str, ...]
    stream: bytes
    buffers: list[Any]

    def size(self) -> int:
        """In bytes."""
        return len(self.stream) + sum(memoryview(buffer).nbytes for buffer in self.buffers)


class Refused(Exception):
    """An object that cannot be sent.  ``name``; ``path``: to the part that refuses; ``reason``: what it said."""

    def __init__(self, name: str, path: str, reason: str) -> None:
        super().__init__(name, path, reason)
        self.name = name
        self.path = path
        self.reason = reason


class NamePickler(Pickler):
    """clustrix's, with the notebook's functions without their globals."""

    def __init__(
        self, file: Any, keep: Callable[[memoryview], None], namespace: Any, known: Collection[type] = ()
    ) -> None:
        """``known``: classes that the other side has sent, and so has."""
        super().__init__(file, keep)
        self._namespace = namespace
        self._known = known
        self.met: dict[str, str] = {}
        """Names that functions use, each with the name of a function that does."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.FunctionType) and obj.__globals__ is self._namespace:
            return self._of_function(obj)
        if isinstance(obj, type) and obj in self._known:
            identity = cloudpickle._get_or_create_tracker_id(obj)
            return resolve_class, (identity, obj.__module__, obj.__qualname__, _by_value(obj))
        return super().reducer_override(obj)

    def _of_function(self, function: types.FunctionType) -> Any:
        for name in globals_of(function.__code__):
            self.met.setdefault(name, function.__qualname__)
        state, slots = cloudpickle._function_getstate(function)
        del slots["__globals__"]
        cells = None if function.__closure__ is None else len(function.__closure__)
        return make_function, (function.__code__, cells), (state, slots), None, None, fill_function


def _by_value(cls: type) -> bytes:
    """For a process that does not have it; empty if it cannot be sent as it is now."""
    try:
        found: bytes = cloudpickle.dumps(cls)
    except Exception:  # whatever a part of it raises; whoever has the class needs no copy
        return b""
    return found


def make_function(code: types.CodeType, cells: int | None) -> types.FunctionType:
    """A function of this side's namespace; its cells are filled later, since it may be in one of them."""
    closure = None if cells is None else tuple(types.CellType() for _ in range(cells))
    return types.FunctionType(code, _here.namespace, None, None, closure)


def fill_function(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Here is all that belongs to it."""
    attributes, slots = state
    vars(function).update(attributes)
    slots.pop("_cloudpickle_submodules")  # they are imported by now
    for mine, given in zip(function.__closure__ or (), slots.pop("__closure__") or (), strict=True):
        try:
            mine.cell_contents = given.cell_contents
        except ValueError:  # nothing is assigned to it yet
            continue
    for name, value in slots.items():
        setattr(function, name, value)


Make = Callable[[Any, Callable[[memoryview], None]], NamePickler]


def send(values: Iterable[tuple[str, Any]], make: Make) -> Sent:
    """Pickle them; ``values`` may grow while it is gone through.  Raises Refused."""
    sink = Sink()
    buffers: list[memoryview] = []
    names: list[str] = []
    pickler = make(sink, buffers.append)
    for name, value in values:
        _dump(pickler, name, value)
        names.append(name)
    return Sent(tuple(names), bytes(sink.stream()), [pickle.PickleBuffer(buffer) for buffer in buffers])


def _dump(pickler: NamePickler, name: str, value: Any) -> None:
    def attempt(part: Any) -> Exception | None:
        try:
            NamePickler(io.BytesIO(), lambda _: None, pickler._namespace, pickler._known).dump(part)
        except Exception as error:  # whatever its __reduce__ raises
            return error
        return None

    try:
        pickler.dump(value)
    except Exception as error:  # as above
        raise Refused(name, *locate(value, name, error, attempt)) from error


def send_most(values: Mapping[str, Any], make: Make) -> tuple[Sent, dict[str, str]]:
    """Pickle those that can be; the others are told with their reasons."""
    try:
        return send(values.items(), make), {}
    except Refused:
        lost: dict[str, str] = {}
    for name, value in values.items():
        try:
            send([(name, value)], make)
        except Refused as error:
            lost[name] = error.reason if error.path == name else f"{error.path}: {error.reason}"
    return send([(name, value) for name, value in values.items() if name not in lost], make), lost


@contextmanager
def at_home_in(namespace: dict[str, Any]) -> Iterator[None]:
    """Functions that are unpickled in the block belong to this namespace."""
    before = getattr(_here, "namespace", None)
    _here.namespace = namespace
    try:
        yield
    finally:
        _here.namespace = before


def receive(sent: Sent, namespace: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The objects by their names; those that cannot be had here are told with their reasons."""
    with at_home_in(namespace):
        try:
            unpickler = pickle.Unpickler(io.BytesIO(sent.stream), buffers=iter(sent.buffers))
            return {name: unpickler.load() for name in sent.names}, {}
        except Exception:  # whatever a class's __setstate__ raises
            return _one_by_one(sent)


class _Piece(NamedTuple):
    """The pickle of one name."""

    name: str
    stream: bytes
    buffers: int
    """How many of them it takes."""
    remembers: range
    """Places in the memory that it fills."""
    recalls: frozenset[int]
    """Places in the memory that it looks at."""


def _one_by_one(sent: Sent) -> tuple[dict[str, Any], dict[str, str]]:
    """The same, when one of them is known to fail."""
    found: dict[str, Any] = {}
    lost: dict[str, str] = {}
    memory: dict[int, Any] = {}
    missing: set[int] = set()
    buffers = list(sent.buffers)
    for piece in _pieces(sent):
        # The one in Python: the one in C does not keep a memory that it is given.
        unpickler: Any = pickle._Unpickler(io.BytesIO(piece.stream), buffers=iter(buffers[: piece.buffers]))
        unpickler.memo = memory
        del buffers[: piece.buffers]
        try:
            if piece.recalls & missing:
                raise ValueError("it shares an object with another name that cannot be had here")
            found[piece.name] = unpickler.load()
        except Exception as error:  # as above
            lost[piece.name] = f"{type(error).__name__}: {error}"
            missing.update(piece.remembers)
            memory.update(dict.fromkeys(piece.remembers))  # the next ones count on from there
    return found, lost


def _pieces(sent: Sent) -> Iterator[_Piece]:
    import pickletools  # only on the way to an error

    file = io.BytesIO(sent.stream)
    remembered = 0
    for name in sent.names:
        start = file.tell()
        steps: list[tuple[str, Any]] = [
            (operation.name, argument) for operation, argument, _ in pickletools.genops(file)
        ]
        fills = sum(step == "MEMOIZE" for step, _ in steps)
        yield _Piece(
            name,
            sent.stream[start : file.tell()],
            sum(step == "NEXT_BUFFER" for step, _ in steps),
            range(remembered, remembered + fills),
            frozenset(argument for step, argument in steps if step in ("BINGET", "LONG_BINGET")),
        )
        remembered += fills
