"""Modules, and values that are pickled in ways of their own."""

from __future__ import annotations

import collections
import functools
import itertools
import logging
import os.path
import types
import typing
import xml.etree.ElementTree
from typing import Any

from tests.core.kinds import comes_to

T = typing.TypeVar("T")


# -- modules


@comes_to("b")
def module_as_a_global() -> Any:
    return lambda: os.path.basename("a/b")


@comes_to("<a />")
def submodule_by_its_full_name() -> Any:
    return lambda: xml.etree.ElementTree.tostring(xml.etree.ElementTree.Element("a"), encoding="unicode")


@comes_to("d")
def import_within_the_function() -> Any:
    def inner() -> str:
        import string
        from string import ascii_lowercase as letters

        return letters[3] if string.ascii_lowercase == letters else ""

    return inner


@comes_to(42)
def module_made_here() -> Any:
    made = types.ModuleType("made_here")
    exec("number = 41\ndef more():\n    return number + 1", vars(made))  # noqa: S102
    return lambda: made.more()


# -- values of particular types


@comes_to((3, [1, 2], True, True, None, 2.5))
def constants_and_ranges() -> Any:
    span, cut, rest, no, whole = range(0, 9, 3), slice(1, 3), ..., NotImplemented, None
    return lambda: (len(span), [0, 1, 2, 3][cut], rest is Ellipsis, no is NotImplemented, whole, 2.5)


@comes_to((b"bc", "clustrix.test", 10))
def views_and_loggers() -> Any:
    view, logger = memoryview(b"abcd")[1:3], logging.getLogger("clustrix.test")
    return lambda: (bytes(view), logger.name, logging.DEBUG)


@comes_to((True, True, 2))
def one_object_twice_stays_one() -> Any:
    inner = [1]
    both = {"a": inner, "b": inner}
    function = os.path.join
    return lambda: (both["a"] is both["b"], function is os.path.join, len(both))


@comes_to((True, True))
def cycles() -> Any:
    ring: list[Any] = []
    ring.append({"ring": ring})

    def inner() -> Any:
        return ring[0]["ring"] is ring, inner_again() is inner

    def inner_again() -> Any:
        return inner

    return inner


@comes_to(([1, 2], {"a": 0}, ["x", "y"], {1: 2}))
def containers_of_the_library() -> Any:
    line, ordered = collections.deque([1, 2], maxlen=2), collections.OrderedDict(x=1, y=2)
    default: Any = collections.defaultdict(lambda: 0)
    fixed = types.MappingProxyType({1: 2})
    return lambda: (list(line), {"a": default["a"]}, list(ordered), dict(fixed))


@comes_to(("dict_keys", [1], [2]))
def views_of_dictionaries() -> Any:
    keys, values = {1: 2}.keys(), {1: 2}.values()
    return lambda: (type(keys).__name__, list(keys), list(values))


@comes_to([3, 4])
def iterators_of_the_library() -> Any:
    counting = functools.partial(itertools.islice, itertools.repeat(3), 1)
    return lambda: [*counting(), 4]


@comes_to(True)
def type_variables_and_hints() -> Any:
    hint = typing.Optional[list[T]]  # noqa: UP045
    return lambda: typing.get_args(hint)[1] is type(None)


@comes_to((int, type(None), types.FunctionType, type(...)))
def types_themselves() -> Any:
    return lambda: (int, type(None), types.FunctionType, type(...))
