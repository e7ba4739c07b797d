"""Import local modules from the sources that travelled with the job, not from files that may have changed since."""

from __future__ import annotations

import importlib
import importlib.machinery
import linecache
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import CodeType, ModuleType
from typing import Any, NamedTuple, cast

_LARGEST_PRECOMPILED = 1 << 18
"""More text is compiled where and when it is imported, which may be never."""


class Source(NamedTuple):
    """One module as it was when the job was submitted."""

    text: str
    filename: str
    package: bool


class BundledModules:
    """Finder and loader for the modules of a bundle.

    It has the methods of importlib.abc's classes without descending from them: importing those costs every fork.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = self._sources.get(fullname)
        if source is None:
            return None
        # A package keeps its real folder as well: data files and modules that did not travel are found there.
        spec = importlib.machinery.ModuleSpec(
            fullname, cast(Any, self), origin=source.filename, is_package=source.package
        )
        if source.package:
            spec.submodule_search_locations = [os.path.dirname(source.filename)]
        spec.has_location = True
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The usual kind of module will do."""

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), vars(module))  # noqa: S102 -- that is what importing is

    def is_package(self, fullname: str) -> bool:
        return self._sources[fullname].package

    def get_filename(self, fullname: str) -> str:
        return self._sources[fullname].filename

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname].text

    def get_code(self, fullname: str) -> CodeType:
        source = self._sources[fullname]
        remember_lines(source.filename, source.text)
        return _compiled.get(source) or _compile(source)


def install(sources: Mapping[str, Source]) -> None:
    """Have imports of this process ask the bundle first."""
    if sources:
        sys.meta_path.insert(0, cast(Any, BundledModules(sources)))


_compiled: dict[Source, CodeType] = {}


def _compile(source: Source) -> CodeType:
    return compile(source.text, source.filename, "exec", dont_inherit=True)


def precompile(sources: Mapping[str, Source]) -> None:
    """Compile in the warm parent what the next runners are likely to import as well."""
    if sum(len(source.text) for source in sources.values()) > _LARGEST_PRECOMPILED:
        return
    wanted = [source for source in sources.values() if source not in _compiled]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in wanted:
            with suppress(Exception):  # an error or a warning is the job's, if the job imports it
                _compiled[source] = _compile(source)
    while sum(len(source.text) for source in _compiled) > 4 * _LARGEST_PRECOMPILED:
        del _compiled[next(iter(_compiled))]


def remember_lines(filename: str, text: str) -> None:
    """Let tracebacks show these lines for ``filename``, whatever the file holds now (or if there is none)."""
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)


def resolve(module: str, qualname: str) -> Any:
    """The object of that name; for a decorated function, the function itself."""
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found
