"""Recognise a call: a digest that is the same in every process when function, arguments and environment are the same.

**What counts is what travels.**  The digest is of what a job would get: of the function its code and the globals, defaults
and closure that it uses, whatever file and line it stands at; of local modules their whole code, since all of it is
imported; of installed ones the name and the version of their distribution; of arguments what their pickle would hold.

Different calls never have the same digest.  Equal ones may have different digests where equality cannot be told: an object
whose own ``__reduce__`` says something else each time is such a one.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clustrix.bundle.fingerprint import codes, versions
from clustrix.bundle.fingerprint.walk import Walk, node
from clustrix.bundle.packing import Reference, named_arguments
from clustrix.errors import BundleError
from clustrix.runner.diagnose import locate

FORMAT = b"1"
"""Of the digest.  It changes with what counts: then nothing that was recorded before is recognised."""


def fingerprint_call(
    function: Callable[..., Any],
    reference: Reference | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> str:
    """The digest of one call, 64 hexadecimal digits.

    An argument counts the same by position and by name, and the order of keyword arguments does not count.
    Raises BundleError with the path to what cannot be digested.
    """
    modules: set[str] = set()
    subject = _function(modules, function, reference)
    positional, named = _arranged(function, args, kwargs)
    try:
        walk = Walk(modules)
        arguments = [*map(walk.encode, positional), node(b"named", *map(walk.encode, named))]
    except Exception as error:
        for name, value in named_arguments(function, args, kwargs):
            _digested(modules, value, name)  # raises, with the argument's own name
        raise BundleError(*locate((args, dict(kwargs)), "arguments", error, _attempt)) from error
    return _whole(b"call", modules, subject, *arguments)


def fingerprint_map(
    function: Callable[..., Any],
    reference: Reference | None,
    bound: tuple[Any, ...],
    items: Sequence[tuple[Any, ...]],
    common: Mapping[str, Any],
) -> str:
    """The digest of a whole map: of its function, its items in their order, and what they share.  Raises as above."""
    modules: set[str] = set()
    subject = _function(modules, function, reference)
    shared = _digested(modules, (bound, sorted(common.items(), key=_name)), "arguments")
    return _whole(b"map", modules, subject, shared, _digested(modules, list(items), "items"))


def _function(modules: set[str], function: Callable[..., Any], reference: Reference | None) -> bytes:
    if reference is not None:
        return Walk(modules).named(*reference)
    name = getattr(function, "__qualname__", type(function).__name__)
    return _digested(modules, function, f"function '{name}'")


def _arranged(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], list[tuple[str, Any]]]:
    """The arguments as the function sees them: by name, where it has a name for them."""
    code = getattr(function, "__code__", None) if isinstance(function, types.FunctionType) else None
    names = code.co_varnames[code.co_posonlyargcount : code.co_argcount] if code else ()
    first = code.co_posonlyargcount if code else 0
    given = dict(zip(names, args[first:], strict=False))
    if not given.keys().isdisjoint(kwargs):
        return [*args], sorted(kwargs.items(), key=_name)  # it will raise TypeError
    return [*args[:first], *args[first + len(names) :]], sorted((given | dict(kwargs)).items(), key=_name)


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]


def _digested(modules: set[str], obj: Any, subject: str) -> bytes:
    try:
        return Walk(modules).encode(obj)
    except Exception as error:  # whatever a __reduce__ or __getstate__ raises
        raise BundleError(*locate(obj, subject, error, _attempt)) from error


def _attempt(obj: Any) -> Exception | None:
    try:
        Walk(set()).encode(obj)
    except Exception as error:  # as above
        return error
    return None


def _whole(kind: bytes, modules: set[str], *parts: bytes) -> str:
    """Together with the environment that the modules make: what is local, and what is installed."""
    sources, imported = codes.of_local(modules)
    python = str(sys.implementation.cache_tag).encode()
    found = node(kind, FORMAT, python, sources, versions.of_installed(modules | imported), *parts)
    return found[1:].hex()
