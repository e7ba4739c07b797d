"""Make the payload of a job: function, arguments, local modules, source lines for tracebacks.

The payload is a container (``clustrix.runner.frames``) whose meta says which pieces are what; pieces of more
than a few KiB are content-addressed blobs, so that an argument of a thousand calls is stored once.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cloudpickle import cloudpickle

from clustrix.bundle import sources
from clustrix.bundle.blobs import INLINE_BYTES, BlobStore
from clustrix.errors import BundleError
from clustrix.runner.frames import Piece, packed
from clustrix.runner.pickling import Pickled, Pickler, Sink, Unpicklable, dump

TOGETHER_BYTES = 65536
"""Arguments whose pickle is larger are pickled each by itself, so that equal ones become equal blobs."""

Reference = tuple[str, str]
"""Module and qualified name of a decorated function that can be imported where the job runs."""


def _module_needed_by(obj: Any) -> str | None:
    """The module that has to be there when ``obj`` is unpickled, as far as its own reduction tells."""
    if isinstance(obj, types.FunctionType) and not cloudpickle._should_pickle_by_reference(obj):
        return None  # it takes all that it needs along, and that is asked about as well
    name = obj.__name__ if isinstance(obj, types.ModuleType) else getattr(obj, "__module__", None)
    return name if isinstance(name, str) else None


class _Recorder(Pickler):
    """Notes the modules that the pickle refers to."""

    def __init__(self, modules: set[str], file: Sink, keep: Callable[[memoryview], None]) -> None:
        super().__init__(file, keep)
        self._modules = modules

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.CodeType):
            self._modules.update(sources.imported_by(obj))
        name = _module_needed_by(obj)
        if name is not None:
            self._modules.add(name)
        return super().reducer_override(obj)


class Packer:
    """Collects pieces, and the modules that the pickles refer to."""

    def __init__(self, store: BlobStore) -> None:
        self.pieces: list[Any] = []
        self.modules: set[str] = set()
        self._store = store

    def pickle(self, obj: Any, subject: str) -> Pickled:
        return dump(obj, subject, functools.partial(_Recorder, self.modules))

    def dump(self, obj: Any, subject: str) -> Pickled:
        try:
            return self.pickle(obj, subject)
        except Unpicklable as error:
            raise BundleError(error.path, error.reason) from error

    def add(self, piece: Piece) -> int:
        self.pieces.append(self._store.keep(piece))
        return len(self.pieces) - 1

    def add_pickled(self, pickled: Pickled) -> list[int]:
        return [self.add(piece) for piece in pickled.pieces()]

    def function(self, function: Callable[..., Any], reference: Reference | None) -> dict[str, Any]:
        """The part of the meta that tells how to get the function."""
        if reference is not None:
            self.modules.add(reference[0])
            return {"reference": reference}
        name = getattr(function, "__qualname__", type(function).__name__)
        pickled = self.dump(function, f"function '{name}'")
        return {"function": self.add_pickled(pickled), "lines": self._lines(function)}

    def _lines(self, function: Callable[..., Any]) -> dict[str, int]:
        """Source of a function that travels by value: the far side may not have it, or not as it is now."""
        code = getattr(function, "__code__", None)
        if code is None:
            return {}
        text = "".join(linecache.getlines(code.co_filename, getattr(function, "__globals__", None)))
        return {code.co_filename: self.add(text.encode("utf-8", "surrogatepass"))} if text else {}

    def finish(self, meta: dict[str, Any]) -> bytes:
        """The payload."""
        text = sources.closure(self.modules)
        if text is not None:
            meta["sources"] = self.add(text)
        meta["python"] = sys.version_info[:2]
        return packed(meta, self.pieces)


def pack_call(
    store: BlobStore,
    function: Callable[..., Any],
    reference: Reference | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> bytes:
    """The payload of one call.

    Raises BundleError with the path to what cannot be sent; JournalFull, JournalUnusable when a blob cannot be stored.
    """
    packer = Packer(store)
    meta = packer.function(function, reference)
    try:
        if len(args) == 1 and not kwargs:
            alone = packer.pickle(args[0], "argument")
            return packer.finish({**meta, "positional": [packer.add_pickled(alone)], "keyword": {}})
        together = packer.pickle((args, dict(kwargs)), "arguments")
    except Unpicklable:
        for subject, value in named_arguments(function, args, kwargs):
            packer.dump(value, subject)  # raises, with the argument's own name
        raise
    if len(together.stream) <= TOGETHER_BYTES or not _worth_apart(packer, together, args, kwargs, meta):
        meta["arguments"] = packer.add_pickled(together)
    return packer.finish(meta)


def _worth_apart(
    packer: Packer, together: Pickled, args: Sequence[Any], kwargs: Mapping[str, Any], meta: dict[str, Any]
) -> bool:
    """Pickle each argument by itself, unless they share objects: then they stay together, as in a local call."""
    positional = [packer.dump(value, f"argument {index}") for index, value in enumerate(args)]
    keyword = {name: packer.dump(value, f"argument '{name}'") for name, value in kwargs.items()}
    apart = sum(len(pickled.stream) for pickled in (*positional, *keyword.values()))
    if apart > len(together.stream) + INLINE_BYTES // 8:
        return False
    meta["positional"] = [packer.add_pickled(pickled) for pickled in positional]
    meta["keyword"] = {name: packer.add_pickled(pickled) for name, pickled in keyword.items()}
    return True


def named_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """The arguments with what an error calls them."""
    import inspect  # only on the way to an error

    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in plain]
    found = []
    for index, value in enumerate(args):
        found.append((f"argument '{names[index]}'" if index < len(names) else f"argument {index}", value))
    return found + [(f"argument '{name}'", value) for name, value in kwargs.items()]


def reference_to(function: Any, decorated: Any) -> Reference | None:
    """How to import the decorated function where the job runs, or None if it has to travel by value."""
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    if not module or module == "__main__" or "<" in qualname:
        return None
    found: Any = sys.modules.get(module)
    if found is None or getattr(found, "__spec__", None) is None or not _importable(found):
        return None
    for name in qualname.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    return (module, qualname) if found is decorated else None


def _importable(module: types.ModuleType) -> bool:
    spec = module.__spec__
    return spec is not None and spec.has_location and os.path.exists(spec.origin or "")
