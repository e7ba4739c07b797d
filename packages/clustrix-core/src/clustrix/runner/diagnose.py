"""Find the part of an object that refuses to be pickled, and name the path to it.

``argument 'model' → attribute 'lock' (a _thread.lock)`` says what to change; "cannot pickle '_thread.lock' object"
does not.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

_DEEPEST = 20
_WIDEST = 1000

Attempt = Callable[[Any], "Exception | None"]


def locate(obj: Any, subject: str, error: Exception, attempt: Attempt) -> tuple[str, str]:
    """``(path, reason)`` for an object whose pickling raised ``error``.

    ``attempt`` pickles a part and returns what it raised, or None.  The path goes down as long as one of the parts
    fails by itself.
    """
    if isinstance(error, RecursionError):
        return subject, "it is nested too deeply, or refers to itself without end"
    path = [subject]
    seen: set[int] = set()
    while len(path) < _DEEPEST and id(obj) not in seen:
        seen.add(id(obj))
        for name, part in _parts(obj):
            failure = attempt(part)
            if failure is not None:
                path.append(name)
                obj, error = part, failure
                break
        else:
            break
    return " → ".join(path), _reason(obj, error)


def _reason(obj: Any, error: Exception) -> str:
    if isinstance(obj, types.GeneratorType):
        return "a generator cannot be sent; make a list of it: list(...)"
    return f"{type(error).__name__}: {error}"


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """The named parts of an object, in the order in which pickling meets them."""
    if isinstance(obj, Mapping):
        for count, (key, value) in enumerate(obj.items()):
            if count >= _WIDEST:
                return
            yield f"key {key!r}", key
            yield f"[{key!r}]", value
    elif isinstance(obj, (list, tuple, set, frozenset)):
        for index, value in enumerate(obj):
            if index >= _WIDEST:
                return
            yield ("an element" if isinstance(obj, (set, frozenset)) else f"[{index}]"), value
    elif isinstance(obj, types.FunctionType):
        yield from _function_parts(obj)
    elif isinstance(obj, types.MethodType):
        yield "the object it is bound to", obj.__self__
        yield "its function", obj.__func__
    elif isinstance(obj, type):
        for name, value in vars(obj).items():
            if not name.startswith("__"):
                yield f"class attribute '{name}'", value
    if not isinstance(obj, (type, types.ModuleType, types.FunctionType)):
        for name, value in _attributes(obj):
            yield f"attribute '{name}'", value


def _function_parts(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=False):
        try:
            yield f"closure variable '{name}'", cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    for index, value in enumerate(function.__defaults__ or ()):
        yield f"default value {index}", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"default of '{name}'", value
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield f"global variable '{name}'", function.__globals__[name]


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    with suppress(TypeError):  # no __dict__
        yield from list(vars(obj).items())
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                yield name, getattr(obj, name)
