"""Import local modules from the sources that travelled with the job, not from files that may have changed since."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
import sys
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, NamedTuple


class Source(NamedTuple):
    """One module as it was when the job was submitted."""

    text: str
    filename: str
    package: bool


class BundledModules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finder and loader for the modules of a bundle."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = self._sources.get(fullname)
        if source is None:
            return None
        # A package keeps its real folder as well: data files and modules that did not travel are found there.
        folders = [os.path.dirname(source.filename)] if source.package else None
        return importlib.util.spec_from_file_location(
            fullname, source.filename, loader=self, submodule_search_locations=folders
        )

    def is_package(self, fullname: str) -> bool:
        return self._sources[fullname].package

    def get_filename(self, fullname: str) -> str:
        return self._sources[fullname].filename

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname].text

    def get_code(self, fullname: str) -> CodeType:
        source = self._sources[fullname]
        remember_lines(source.filename, source.text)
        return compile(source.text, source.filename, "exec", dont_inherit=True)


def install(sources: Mapping[str, Source]) -> None:
    """Have imports of this process ask the bundle first."""
    if sources:
        sys.meta_path.insert(0, BundledModules(sources))


def remember_lines(filename: str, text: str) -> None:
    """Let tracebacks show these lines for ``filename``, whatever the file holds now (or if there is none)."""
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)


def resolve(module: str, qualname: str) -> Any:
    """The object of that name; for a decorated function, the function itself."""
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found
