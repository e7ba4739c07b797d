"""Which local modules travel with a job, and their text.

A module is *local* when its file lies outside of the interpreter and of every site-packages: a file beside the
script, a package under work, an editable install.  Such modules travel as source, so that what runs is what was
submitted.  Which ones is read from their import statements, as far as they lead to local modules again.

The text of a loaded module is read once for each import of it: editing the file changes what later processes send, as
it changes what a local call would run only after a reload.  One that is not loaded yet is sent as its file is.
"""

from __future__ import annotations

import functools
import importlib.machinery
import json
import opcode
import os
import re
import site
import sys
import sysconfig
import tokenize
import types
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_IMPORT = re.compile(
    r"^[ \t]*(?:import[ \t]+(?P<plain>[\w., \t]+)"
    r"|from[ \t]+(?P<origin>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#;]*))",
    re.MULTILINE,
)
_IMPORT_NAME, _IMPORT_FROM = opcode.opmap["IMPORT_NAME"], opcode.opmap["IMPORT_FROM"]


class _Module(NamedTuple):
    spec: importlib.machinery.ModuleSpec
    filename: str
    text: str
    package: bool
    imports: tuple[str, ...]
    """Absolute names, of which some are modules and some are names in modules."""
    stamp: tuple[int, int]
    """Time of change and size of the file."""


_cache: dict[str, _Module | None] = {}
_closures: dict[frozenset[str], tuple[dict[str, _Module], bytes]] = {}


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names} | set(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return tuple(os.path.realpath(folder) + os.sep for folder in folders if folder)


@functools.lru_cache(4096)
def _is_local_file(filename: str) -> bool:
    real = os.path.realpath(filename)
    parts = real.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts or not real.endswith(".py"):
        return False
    return not real.startswith(_installed_folders())


def _is_ours(name: str) -> bool:
    # clustrix itself may be under work too; it is installed where jobs run, or sent by other means.
    top = name.partition(".")[0]
    return top == "clustrix" or top.startswith("clustrix_")


def is_local(name: str) -> bool:
    """Whether this is an importable local module that should travel."""
    return _module(name) is not None


def _module(name: str) -> _Module | None:
    known = _cache.get(name)
    if known is None and name in _cache and name not in sys.modules:
        return None
    spec = spec_of(name)
    if (
        known is not None
        and known.spec is spec
        and (name in sys.modules or known.stamp == _stamp(known.filename))
    ):
        return known
    found = _read(name, spec) if spec is not None else None
    _cache[name] = found
    return found


def spec_of(name: str) -> importlib.machinery.ModuleSpec | None:
    """The spec of a loaded module, else what the finders say, without running anything."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    if name in _cache and _cache[name] is not None:
        return _cache[name].spec  # type: ignore[union-attr]
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        above = spec_of(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        path = list(above.submodule_search_locations)
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: importlib.machinery.ModuleSpec | None = find_spec(name, path) if find_spec else None
        if spec is not None:
            return spec
    return None


def _read(name: str, spec: importlib.machinery.ModuleSpec) -> _Module | None:
    if name == "__main__" or _is_ours(name) or not spec.has_location or not spec.origin:
        return None
    if not _is_local_file(spec.origin):
        return None
    try:
        stamp = _stamp(spec.origin)
        with tokenize.open(spec.origin) as file:
            text = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):  # gone, or not Python: it cannot travel as source
        return None
    package = spec.submodule_search_locations is not None
    imports = tuple(dict.fromkeys(_imported(text, name if package else name.rpartition(".")[0])))
    return _Module(spec, spec.origin, text, package, imports, stamp)


def _stamp(filename: str) -> tuple[int, int]:
    try:
        found = os.stat(filename)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _imported(text: str, package: str) -> Iterator[str]:
    """The names that import statements in ``text`` may load (those inside of strings do no harm)."""
    for match in _IMPORT.finditer(text):
        if match["plain"]:
            for part in match["plain"].split(","):
                yield part.split(" as ")[0].strip()
            continue
        origin = match["origin"]
        dots = len(origin) - len(origin.lstrip("."))
        base = origin[dots:]
        if dots:
            above = package.split(".")
            above = above[: len(above) - dots + 1]
            base = ".".join([*above, base] if base else above)
        yield base
        for name in match["names"].strip("()\n\t \\").split(","):
            word = name.split("#")[0].strip().split(" ")[0]
            if word.isidentifier():
                yield f"{base}.{word}"


def closure(names: Iterable[str]) -> bytes | None:
    """The sources of these modules and of all local ones that they lead to, as JSON; None if there are none.

    Rows are ``{name: [text, filename, is package]}``; equal sets give equal bytes.
    """
    wanted = frozenset(name for name in names if is_local(name))
    if not wanted:
        return None
    known = _closures.get(wanted)
    if known is not None and all(_module(name) is module for name, module in known[0].items()):
        return known[1]
    found: dict[str, _Module] = {}
    queue = list(wanted)
    while queue:
        name = queue.pop()
        module = _module(name) if name and name not in found else None
        if module is None:
            continue
        found[name] = module
        queue += module.imports
        parts = name.split(".")
        queue += (".".join(parts[:end]) for end in range(1, len(parts)))
    rows = {name: [found[name].text, found[name].filename, found[name].package] for name in sorted(found)}
    data = json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")
    _closures[wanted] = (found, data)
    return data


def imports_of(name: str) -> tuple[str, ...]:
    """Absolute names that import statements in a local module may load; some are modules, some are names in modules."""
    module = _module(name)
    return module.imports if module is not None else ()


def imported_by(code: types.CodeType) -> Iterator[str]:
    """The names that import statements in a function's body load, as far as they are absolute."""
    names, argument, origin = code.co_names, 0, ""
    instructions = iter(code.co_code)
    for operation, part in zip(instructions, instructions, strict=True):
        argument = argument << 8 | part
        if operation == opcode.EXTENDED_ARG:
            continue
        if operation == _IMPORT_NAME:
            origin = names[argument]
            if origin:
                yield origin
        elif operation == _IMPORT_FROM and origin:
            yield f"{origin}.{names[argument]}"
        argument = 0
