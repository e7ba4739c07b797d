"""From a cell that has been understood to a job: pack the names that it reads, and the code that runs it there."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudpickle import cloudpickle

from clustrix.bundle import sources
from clustrix.decorator import ClusterFunction, cluster
from clustrix.errors import BundleError
from clustrix_notebook.cells import far
from clustrix_notebook.cells.far.names import NamePickler, Refused, Sent, send
from clustrix_notebook.cells.far.running import Cell
from clustrix_notebook.cells.source import Source, number_of

if TYPE_CHECKING:
    from clustrix.job import AsyncJobResult

_OF_IPYTHON = frozenset({"get_ipython", "exit", "quit", "open", "display"})
"""Names that IPython puts into the namespace; a job has Python's."""
_LONGEST_TITLE = 60


def submit(shell: Any, source: Source, options: dict[str, Any]) -> AsyncJobResult[Any]:
    """Durable when this returns.  Raises BundleError naming what cannot be sent, and as ``submit`` of a function does."""
    function: ClusterFunction[[Any], Any] = cluster(name=_name(shell, source))(_Runs())
    return function.options(**options).submit(_Parcel(shell, source))


def _name(shell: Any, source: Source) -> str:
    title = "".join(character for character in source.title if character.isprintable())
    name = f"cell [{number_of(shell)}] {title}".strip()
    return name if len(name) <= _LONGEST_TITLE else name[: _LONGEST_TITLE - 1] + "…"


class _Runs:
    """What the job calls.  It becomes ``far.running.run`` where it is unpickled, from the sources that come with it."""

    def __call__(self, cell: Any) -> Any:
        raise NotImplementedError("it is called in the job")

    def __reduce__(self) -> Any:
        return _arrival(), (_sources(),)

    def __clustrix_counts__(self) -> Any:
        return None, ("a cell",)


def _arrival() -> Any:
    def arrive(texts: dict[str, str]) -> Any:
        """Within, since it travels by value then: the job cannot import this package."""
        import os
        from importlib import import_module

        from clustrix.runner import modules

        # Frames of files in the runner's folder are left out of tracebacks.
        folder = os.path.dirname(modules.__file__)
        modules.install(
            {
                name: modules.Source(text, os.path.join(folder, f"{name}.py"), not text)
                for name, text in texts.items()
            }
        )
        return import_module("clustrix_notebook.cells.far.running").run

    return arrive


@cache
def _sources() -> dict[str, str]:
    """The modules that run in the job, by name; packages are empty there."""
    found = {"clustrix_notebook": "", "clustrix_notebook.cells": "", far.__name__: ""}
    for path in sorted(Path(str(far.__file__)).parent.glob("*.py")):
        if path.stem != "__init__":
            found[f"{far.__name__}.{path.stem}"] = path.read_text(encoding="utf-8")
    return found


class _Parcel:
    """The argument of the job: the cell with the names that it reads."""

    def __init__(self, shell: Any, source: Source) -> None:
        self._source = source
        self._values = {
            name: shell.user_ns[name]
            for name in sorted(source.reads)
            if name in shell.user_ns and not _is_of_ipython(shell, name)
        }
        self._cell = _cell(shell, source, self._values)

    def __reduce__(self) -> Any:
        return Cell, tuple(self._cell)

    def __clustrix_counts__(self) -> Any:
        """With ``reuse``: the same text with the same objects is the same work, whatever the number of the cell."""
        return None, (self._source.text, self._values)


def _is_of_ipython(shell: Any, name: str) -> bool:
    return name in _OF_IPYTHON and shell.user_ns[name] is shell.user_ns_hidden.get(name)


def _cell(shell: Any, source: Source, values: dict[str, Any]) -> Cell:
    modules: set[str] = set()
    picklers: list[NamePickler] = []

    def make(file: Any, keep: Any) -> NamePickler:
        picklers.append(_Noting(modules, file, keep, shell.user_global_ns))
        return picklers[0]

    def growing() -> Iterator[tuple[str, Any]]:
        """Those that the cell reads, then those that the functions among them use, and so on."""
        yield from values.items()
        done = set(values)
        while more := [name for name in picklers[0].met if name in shell.user_ns and name not in done]:
            done.update(more)
            yield from ((name, shell.user_ns[name]) for name in more if not _is_of_ipython(shell, name))

    try:
        names: Sent = send(growing(), make)
    except Refused as error:
        user = "" if error.name in values else f" (which {picklers[0].met[error.name]} uses)"
        raise BundleError(error.path + user, error.reason) from error.__cause__
    submodules = {
        module.__name__: module
        for code in _codes_of(source.code)
        for module in cloudpickle._find_imported_submodules(code, values.values())
    }
    needs = (*submodules.values(), *map(_Needed, sorted(modules)))
    return Cell(source.code, source.filename, source.text, source.assigned, names, needs, source.submodules)


def _codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """It and all within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes_of(constant)


class _Needed:
    """Names a module for whoever packs the job: if it is the user's own, it goes along.  There it is nothing."""

    def __init__(self, module: str) -> None:
        self.__module__ = module

    def __reduce__(self) -> Any:
        return str, ()


class _Noting(NamePickler):
    """Notes the modules that the pickle refers to, as the core's does for what it pickles."""

    def __init__(self, modules: set[str], file: Any, keep: Any, namespace: Any) -> None:
        super().__init__(file, keep, namespace)
        self._modules = modules

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.CodeType):
            self._modules.update(sources.imported_by(obj))
        by_value = isinstance(obj, types.FunctionType) and not cloudpickle._should_pickle_by_reference(obj)
        name = obj.__name__ if isinstance(obj, types.ModuleType) else getattr(obj, "__module__", None)
        if isinstance(name, str) and not by_value:
            self._modules.add(name)
        return super().reducer_override(obj)
