"""The code of functions and of local modules, without file, lines and comments."""

from __future__ import annotations

import dis
import json
import marshal
import threading
import types
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from clustrix.bundle import sources
from clustrix.runner.pickling import globals_of

_OF_THE_COMPILER = frozenset({"__firstlineno__", "__static_attributes__"})
_MOST_CODES = 10_000
_MOST_TEXTS = 100
"""Sets of local modules that are remembered, whole."""
_compiling = threading.Lock()
"""Filters of warnings are the whole process's: two that save and restore them at once would mix them up."""


class Code(NamedTuple):
    """What of a code object counts, and what it needs."""

    code: types.CodeType
    data: bytes
    globals: tuple[str, ...]
    """Names that it, or a function in it, looks up in the module."""
    imports: frozenset[str]
    """Names of modules, and of what is in them, that import statements in it load."""


_codes: dict[int, Code] = {}
_texts: dict[bytes, tuple[bytes, frozenset[str]]] = {}


def of_function(code: types.CodeType) -> Code:
    """What counts of a code object; remembered for as long as the process lives."""
    known = _codes.get(id(code))
    if known is None:
        names = tuple(globals_of(code))
        known = Code(code, _digest(_canonical(code)), names, frozenset(_imports(code)))
        if len(_codes) >= _MOST_CODES:
            _codes.clear()
        _codes[id(code)] = known
    return known


def of_local(modules: Iterable[str]) -> tuple[bytes, frozenset[str]]:
    """The digest of those modules that travel as source with all that they lead to, and the names that these import."""
    data = sources.closure(modules)
    if data is None:
        return b"-", frozenset()
    known = _texts.get(data)
    if known is None:
        parts, imports = [], set()
        for name, (text, _, package) in json.loads(data.decode("utf-8", "surrogatepass")).items():
            found, needed = _of_text(text)
            parts.append((name, package, found))
            imports |= needed.union(sources.imports_of(name))
        known = _digest(marshal.dumps(parts, 2)), frozenset(imports)
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        _texts[data] = known
    return known


def _of_text(text: str) -> tuple[bytes, set[str]]:
    try:
        with _compiling, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were given, or will be, when it is imported
            code = compile(text, "", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # the job will say so, if it imports it
        return _digest(text.encode("utf-8", "surrogatepass")), set()
    return _digest(_canonical(code)), set(_imports(code))


def _digest(data: bytes) -> bytes:
    return b"#" + sha256(data).digest()


def _imports(code: types.CodeType) -> Iterator[str]:
    yield from sources.imported_by(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant)


def _canonical(code: types.CodeType) -> bytes:
    """All of a code object but where it stands; its docstring is one of its constants."""
    parts = (
        code.co_name,
        code.co_flags,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_cellvars,
        code.co_freevars,
        getattr(code, "co_exceptiontable", b""),  # from Python 3.11 on
        tuple(map(_constant, _constants(code))),
    )
    return marshal.dumps(parts, 2)


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """From Python 3.13 on, the body of a class has among them where it stands, and names in the order of a set: not these."""
    if not _OF_THE_COMPILER.intersection(code.co_names):
        return code.co_consts
    used: Counter[int] = Counter()
    found, before = list(code.co_consts), None
    left_out = set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_CONST", "RETURN_CONST") and step.arg is not None:
            used[step.arg] += 1
        if step.opname == "STORE_NAME" and step.argval in _OF_THE_COMPILER and before is not None:
            left_out.add(before)
        before = step.arg if step.opname == "LOAD_CONST" else None
    for place in left_out:
        if used[place] == 1:  # else it is a constant of the user's too
            found[place] = None
    return tuple(found)


def _constant(value: Any) -> tuple[str, Any]:
    """A constant with its kind, so that a tuple is not taken for a set, nor a code object for its bytes."""
    if isinstance(value, types.CodeType):
        return "code", _canonical(value)
    if isinstance(value, tuple):
        return "tuple", tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return "set", tuple(sorted(marshal.dumps(_constant(element), 2) for element in value))
    if isinstance(value, slice):  # from Python 3.14 on
        return "slice", tuple(map(_constant, (value.start, value.stop, value.step)))
    return "", value
