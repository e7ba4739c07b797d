"""The digest of a call: equal calls have the same one in every process, different calls never do."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import functools
import math
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustrix.bundle.fingerprint import fingerprint_call, fingerprint_map
from clustrix.errors import BundleError
from tests.core.support import ROOT


def digest(*args: Any, **kwargs: Any) -> str:
    """Of the call of one function with these arguments."""
    return fingerprint_call(len, None, args, kwargs)


# -- values


def deep() -> list[Any]:
    """A list that holds itself, by way of a dictionary."""
    top: list[Any] = [1]
    top.append({"up": top})
    return top


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: int
    tags: list[str] = field(default_factory=list)


class Plain:
    """Its objects are equal to none but themselves, and may be in sets."""

    def __init__(self, x: Any) -> None:
        self.x = x


class Made:
    """Taken apart into a list that is there for this purpose only."""

    def __init__(self, x: list[int]) -> None:
        self.x = x[0]

    def __reduce__(self) -> Any:
        return Made, ([self.x],)


class Pair(NamedTuple):
    a: int
    b: int


NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
SQUARES = np.arange(12.0).reshape(3, 4)

EQUAL: dict[str, Callable[[], tuple[Any, Any]]] = {
    "sets filled in another order": lambda: (set("abcdefgh"), set("hgfedcba")),
    "sets of tuples": lambda: ({("a", 1), ("b", 2)}, {("b", 2), ("a", 1)}),
    "sets of what can change": lambda: ({Color.RED, Color.BLUE}, {Color.BLUE, Color.RED}),
    "sets of objects": lambda: ({*map(Plain, range(9))}, {*map(Plain, reversed(range(9)))}),
    "a text that is shared, and one that is not": lambda: (["ab" * 9] * 2, ["".join("ab" * 9) for _ in "xy"]),
    "a tuple that is shared, and one that is not": lambda: (
        [(1, (2,))] * 2,
        [(1, (2,)), (1, tuple(range(2, 3)))],
    ),
    "lists that hold themselves": lambda: (deep(), deep()),
    "not a number": lambda: (math.nan, float("nan")),
    "a view with gaps": lambda: (np.arange(10)[::2], np.array([0, 2, 4, 6, 8])),
    "a view that runs backwards": lambda: (np.arange(3)[::-1], np.array([2, 1, 0])),
    "a view of columns": lambda: (SQUARES[:, 1:3], SQUARES[:, 1:3].copy()),
    "arrays in Fortran's order": lambda: (SQUARES.T, np.asfortranarray(SQUARES.T.copy())),
    "arrays of objects": lambda: (np.array([1, "a", None], object), np.array([1, "a", None], object)),
    "dates": lambda: (NOW, pickle.loads(pickle.dumps(NOW))),
    "a class's objects": lambda: (Point(1, ["a"]), Point(1, ["a"])),
    "members of an enumeration": lambda: (Color.RED, Color(1)),
    "partials": lambda: (functools.partial(max, 1), functools.partial(max, 1)),
    "views of a dictionary": lambda: ({"a": 1}.keys(), {"a": 1}.keys()),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal_values_have_the_same_digest(case: str) -> None:
    """However they were made."""
    one, other = EQUAL[case]()
    assert digest(one) == digest(other)


SHARED = [1]
PLAIN = Plain(1)
DIFFERENT: dict[str, tuple[Any, Any]] = {
    "int and bool": (1, True),
    "int and float": (1, 1.0),
    "zero and its negative": (0.0, -0.0),
    "text and bytes": ("a", b"a"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "list and tuple": ([1], (1,)),
    "set and frozenset": ({1}, frozenset({1})),
    "None and its text": (None, "None"),
    "nested otherwise": ([[1], 2], [[1, 2]]),
    "nested otherwise, with texts": (["a", ["b"]], [["a"], "b"]),
    "a dictionary in another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "a dictionary and an ordered one": ({"a": 1}, OrderedDict(a=1)),
    "one list twice, and two lists": ([SHARED, SHARED], [SHARED, [1]]),
    "an object in a set and beside it, and two objects": ([{PLAIN}, PLAIN], [{PLAIN}, Plain(1)]),
    "what is made on the way": ([Made([1]), Made([2])], [Made([1]), Made([1])]),
    "a long text": ("a" * 10_000, "a" * 9_999 + "b"),
    "a large number": (10**400, 10**400 + 1),
    "a member and its value": (Color.RED, 1),
    "two members": (Color.RED, Color.BLUE),
    "an attribute": (Point(1, ["a"]), Point(1, ["b"])),
    "a tuple and a named one": ((1, 2), Pair(1, 2)),
    "a text and a path": ("a", pathlib.PurePosixPath("a")),
    "a date and the same in another zone": (
        NOW,
        NOW.astimezone(datetime.timezone(datetime.timedelta(hours=1))),
    ),
    "decimals of another length": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "dtypes": (np.zeros(2, "i4"), np.zeros(2, "u4")),
    "byte orders": (np.ones(2, "<i4"), np.array([1, 1], ">i4")),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "orders in memory": (SQUARES, np.asfortranarray(SQUARES)),
    "empty arrays": (np.zeros((0, 3)), np.zeros((0, 4))),
    "an array and a list": (np.array([1.0]), [1.0]),
    "an array and its scalar": (np.float64(1), np.array(1.0)),
    "a scalar and a float": (np.float64(1), 1.0),
    "an element of many": (np.zeros(10**6), np.arange(10**6) // (10**6 - 1)),
    "what a partial holds": (functools.partial(max, 1), functools.partial(max, 2)),
    "methods of different objects": (Point(1).__eq__, Point(2).__eq__),
    "built-in functions": (max, min),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_values_have_different_digests(case: str) -> None:
    """Also where Python calls them equal."""
    one, other = DIFFERENT[case]
    assert digest(one) != digest(other)


def frame() -> pd.DataFrame:
    """A column of each common kind."""
    columns = {
        "number": [1, 2],
        "text": ["x", None],
        "time": pd.to_datetime(["2026-11-24", "2026-11-25"]),
        "kind": pd.Categorical(["u", "v"]),
    }
    return pd.DataFrame(columns, index=["r", "s"])


def test_frame_has_the_same_digest_after_it_was_looked_at() -> None:
    """pandas keeps what it has computed of a column; that is no change, but a cell, a column or an index label is."""
    table, before = frame(), digest(frame())
    table.describe()
    table.index.get_loc("s")
    _ = table.loc["r"], table["time"].max(), str(table)
    assert digest(table) == digest(table.copy()) == digest(pickle.loads(pickle.dumps(table))) == before
    for change in (
        lambda t: t.rename(columns={"number": "n"}),
        lambda t: t.rename(index={"r": "q"}),
        lambda t: t.assign(number=[1, 3]),
        lambda t: t.assign(number=[1.0, 2.0]),
        lambda t: t.assign(time=t["time"] + pd.Timedelta("1s")),
        lambda t: t[["text", "number", "time", "kind"]],
    ):
        assert digest(change(frame())) != before


def test_digest_of_a_value_stays_while_others_come_and_go() -> None:
    """Ids of objects that were made on the way, and are used again, do no harm."""
    values = [Point(n, [str(n)]) for n in range(50)]
    assert digest(*values) == digest(*copy.deepcopy(values))
    assert len({digest(value) for value in values}) == 50


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, "1", b"1", 1j])
)
HASHABLE = st.recursive(
    ATOMS, lambda part: st.tuples(part, part) | st.frozensets(part, max_size=3), max_leaves=6
)
VALUES = st.recursive(
    HASHABLE,
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(HASHABLE, part, max_size=3)
        | st.sets(HASHABLE, max_size=4)
        | st.tuples(part)
        | st.builds(Point, part, st.lists(part, max_size=2))
    ),
    max_leaves=12,
)

SERVER = """
import pickle, struct, sys
from clustrix.bundle.fingerprint import fingerprint_call
pipe = sys.stdin.buffer
while head := pipe.read(4):
    value = pickle.loads(pipe.read(struct.unpack("<I", head)[0]))
    print(fingerprint_call(len, None, (value,), {}), flush=True)
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[[Any], str]]:
    """The digest of a value in a process that hashes texts otherwise."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given, taken = process.stdin, process.stdout

        def ask(value: Any) -> str:
            data = pickle.dumps(value)
            given.write(struct.pack("<I", len(data)) + data)
            given.flush()
            return taken.readline().decode().strip()

        yield ask
        given.close()


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_any_value_has_the_same_digest_in_another_process(
    elsewhere: Callable[[Any], str], value: Any
) -> None:
    """Whatever its hash seed is."""
    assert digest(value) == elsewhere(value)


@settings(max_examples=1000, deadline=None)
@given(VALUES, VALUES)
def test_digests_are_the_same_if_and_only_if_the_values_are(one: Any, other: Any) -> None:
    """For any two values: never the same for different ones."""
    assert (digest(one) == digest(other)) is same(one, other)
    again = pickle.loads(pickle.dumps(one))
    assert digest([one, other]) == digest([again, pickle.loads(pickle.dumps(other))])


def same(one: Any, other: Any) -> bool:
    """Whether no function could tell them apart, but for the order of sets."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same([*one.items()], [*other.items()])
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, Point):
        return same([one.x, one.tags], [other.x, other.tags])
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return bool(one == other)


# -- arguments


def takes(a: int, /, b: int, c: int = 3, *rest: int, **more: int) -> None:
    """A parameter of each kind."""


def of_takes(*args: Any, **kwargs: Any) -> str:
    return fingerprint_call(takes, None, args, kwargs)


def test_argument_counts_the_same_by_position_and_by_name() -> None:
    """And the order of keyword arguments does not count; their names do."""
    assert of_takes(1, 2, 4) == of_takes(1, 2, c=4) == of_takes(1, c=4, b=2) == of_takes(1, b=2, c=4)
    assert of_takes(1, 2, 4, 5, x=6, y=7) == of_takes(1, 2, 4, 5, y=7, x=6)
    calls = [of_takes(1, 2), of_takes(2, 1), of_takes(1, 2, x=3), of_takes(1, 2, y=3), of_takes(1, 2, 3, 4)]
    assert len(set(calls)) == len(calls)


def test_argument_given_twice_has_a_digest_of_its_own() -> None:
    """It will raise TypeError in the job, as a local call does."""
    assert len({of_takes(1, 2, b=3), of_takes(1, 3, b=2), of_takes(1, 2)}) == 3


def test_map_is_recognised_by_its_items_in_their_order() -> None:
    """And by what they share; it is never a call."""

    def of(*items: Any, **common: Any) -> str:
        return fingerprint_map(takes, None, (), [(item,) for item in items], common)

    assert of(1, 2, b=1, c=2) == of(1, 2, c=2, b=1)
    found = [
        of(1, 2),
        of(2, 1),
        of(1),
        of(1, 2, b=1),
        of((1, 2)),
        of(),
        fingerprint_call(takes, None, (1, 2), {}),
    ]
    assert len(set(found)) == len(found)


# -- what has none


def test_what_cannot_be_digested_is_named() -> None:
    """With the path to it, as when it cannot be sent."""
    lock = threading.Lock()
    with pytest.raises(BundleError, match=r"argument 'b' → \['model'\] → attribute 'tags' → \[0\]"):
        of_takes(1, {"model": Point(1, [lock])})  # type: ignore[list-item]
    with pytest.raises(
        BundleError, match=r"function 'test_what_cannot_be_digested_is_named.* → closure variable 'lock'"
    ):
        fingerprint_call(lambda: lock, None, (), {})
    with pytest.raises(BundleError, match=r"items → \[1\]"):
        fingerprint_map(len, None, (), [(1,), (lock,)], {})


def test_value_that_is_nested_too_deeply_is_refused() -> None:
    """With a sentence, not with a thousand frames."""
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(BundleError, match="nested too deeply"):
        digest(value)
