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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustrix import cluster
from clustrix.bundle.fingerprint import fingerprint_call, fingerprint_map
from clustrix.errors import BundleError
from tests.core.support import run_script


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
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": root},
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


# -- functions


def of_text(text: str, *args: Any) -> str:
    """Of the call of ``f``, as a cell of a notebook defines it."""
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, f"<cell {id(cell)}>", "exec", dont_inherit=True), cell)  # noqa: S102 -- as a notebook does
    return fingerprint_call(cell["f"], None, args, {})


F = "def f(x):\n    return g(x) + K\n"
BASE = "K = 1\ndef g(x):\n    return [x * n for n in range(3)]\n" + F

SAME_FUNCTIONS = {
    "comments and blank lines": (
        BASE,
        "# a word\n\n" + BASE.replace("    return g", "    # so\n\n    return g"),
    ),
    "what it does not use": (BASE, "import os\nZ = 5\ndef h(): pass\n" + BASE),
    "defined in another order": (BASE, F + BASE.replace(F, "")),
    "options of a decorated function that it calls": tuple(
        f"from clustrix import cluster\n@cluster(cores={n})\ndef g(x): return x\nK = 1\n{F}" for n in (1, 2)
    ),
    "a set among its constants": ("f = lambda x: x in {'a', 'b', 'c'}", "f = lambda x: x in {'c', 'b', 'a'}"),
    "a function that calls itself": ("def f(n): return n and f(n - 1)",) * 2,
    "a class": ("class A:\n    def m(self): return super().m()\ndef f(x): return A()",) * 2,
    "an enumeration": ("import enum\nclass E(enum.Enum):\n    A = 1\n    B = 'b'\ndef f(x): return E(x)",)
    * 2,
    "a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int\ndef f(x): return D(x)",
    )
    * 2,
    "a type variable": ("from typing import TypeVar\nT = TypeVar('T')\ndef f(x: T) -> T: return x",) * 2,
    "an abstract class": ("import abc\nclass A(abc.ABC):\n    x = 1\ndef f(x): return A",) * 2,
    "slots": ("class A:\n    __slots__ = ('x', 'y')\ndef f(x): return A()",) * 2,
}


@pytest.mark.parametrize("case", SAME_FUNCTIONS)
def test_function_is_the_same_wherever_it_stands(case: str) -> None:
    """In another file, on another line, with other comments, beside other things."""
    one, other = SAME_FUNCTIONS[case]
    assert of_text(one, 1) == of_text(other, 1)


CHANGED_FUNCTIONS = {
    "its code": (BASE, BASE.replace("+ K", "- K")),
    "a constant in it": ("def f(x): return x + 1", "def f(x): return x + 2"),
    "a constant of another type": ("def f(x): return 1", "def f(x): return True"),
    "a tuple and a set": ("def f(x): return x in (1, 2)", "def f(x): return x in {1, 2}"),
    "the sign of zero": ("def f(x): return 0.0", "def f(x): return -0.0"),
    "a global": (BASE, BASE.replace("K = 1", "K = 2")),
    "a global in a function that it calls": (
        "N = 1\ndef h(x): return N\ndef g(x): return h(x)\nK = 1\n" + F,
        "N = 2\ndef h(x): return N\ndef g(x): return h(x)\nK = 1\n" + F,
    ),
    "a function that it calls": (BASE, BASE.replace("range(3)", "range(4)")),
    "a global of a function inside": (
        "N = 1\ndef f(x): return [lambda: N]",
        "N = 2\ndef f(x): return [lambda: N]",
    ),
    "a default": ("def f(x, y=1): return y", "def f(x, y=2): return y"),
    "a keyword's default": ("def f(x, *, y=1): return y", "def f(x, *, y=2): return y"),
    "a closure": (
        "def make(n):\n    return lambda x: x + n\nf = make(1)",
        "def make(n):\n    return lambda x: x + n\nf = make(2)",
    ),
    "a name that it looks up": ("def f(x): return x.a", "def f(x): return x.b"),
    "a global that was not there": ("def f(x): return max(x)", "max = min\ndef f(x): return max(x)"),
    "a method of a class": (
        "class A:\n    def m(self): return 1\ndef f(x): return A().m()",
        "class A:\n    def m(self): return 2\ndef f(x): return A().m()",
    ),
    "a base class": (
        "class A:\n    x = 1\nclass B(A): pass\ndef f(x): return B.x",
        "class A:\n    x = 2\nclass B(A): pass\ndef f(x): return B.x",
    ),
    "a default of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = 1\ndef f(x): return D()",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = 2\ndef f(x): return D()",
    ),
    "a member of an enumeration": (
        "import enum\nclass E(enum.Enum):\n    A = 1\ndef f(x): return E.A",
        "import enum\nclass E(enum.Enum):\n    A = 2\ndef f(x): return E.A",
    ),
    "a decorated function that it calls": tuple(
        f"from clustrix import cluster\n@cluster\ndef g(x): return {n}\nK = 1\n{F}" for n in (1, 2)
    ),
    "a function behind a cache": tuple(
        f"import functools\n@functools.cache\ndef g(x): return {n}\nK = 1\n{F}" for n in (1, 2)
    ),
    "the module that a name stands for": (
        "import math as m\ndef f(x): return m",
        "import cmath as m\ndef f(x): return m",
    ),
    "what is hung on it": ("def f(x): return f.n\nf.n = 1", "def f(x): return f.n\nf.n = 2"),
    "an annotation": ("def f(x: int): return f", "def f(x: float): return f"),
    "a docstring": ("def f(x):\n    'one'\n    return f", "def f(x):\n    'two'\n    return f"),
    "its name": ("def f(x): return 1", "def g(x): return 1\nf = g"),
    "an exception's place": (
        "def f(x):\n    a = 1\n    try:\n        b(x)\n    except ValueError: pass",
        "def f(x):\n    try:\n        a = 1\n        b(x)\n    except ValueError: pass",
    ),
}


@pytest.mark.parametrize("case", CHANGED_FUNCTIONS)
def test_changed_function_has_another_digest(case: str) -> None:
    """Whatever of what it uses has changed."""
    one, other = CHANGED_FUNCTIONS[case]
    assert of_text(one, 1) != of_text(other, 1)


def test_global_that_is_changed_in_place_is_seen() -> None:
    """Between two calls of the same function object."""
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec("TABLE = {'a': [1]}\ndef f(x): return TABLE[x]", cell)  # noqa: S102 -- as a notebook does
    before = fingerprint_call(cell["f"], None, ("a",), {})
    assert fingerprint_call(cell["f"], None, ("a",), {}) == before
    cell["TABLE"]["a"].append(2)
    assert fingerprint_call(cell["f"], None, ("a",), {}) != before
    cell["TABLE"]["a"].pop()
    assert fingerprint_call(cell["f"], None, ("a",), {}) == before
    cell["TABLE"] = {}
    assert fingerprint_call(cell["f"], None, ("a",), {}) != before


def test_method_counts_its_object_and_its_class() -> None:
    """A bound method of a decorated class is its function and what it is bound to."""

    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cluster
        def times(self, x: int) -> int:
            return self.factor * x

    def of(scale: Scale) -> str:
        return digest(scale.times)

    assert of(Scale(2)) == of(Scale(2))
    assert of(Scale(2)) != of(Scale(3))


# -- scripts and modules

SCRIPT = """
import functools
import helper
from helper import Point
from clustrix.bundle.fingerprint import fingerprint_call

class Mine:
    def __init__(self, x): self.x = x
    def get(self): return helper.twice(self.x)

LIMIT = {"a", "b", "c"}

def used(x): return x in LIMIT

def f(x, y=2):
    return used(x), Mine(y).get(), Point

for arguments in ((1,), (Mine(3),), (Point(), helper), (Mine(4).get,), (lambda: used(1),), ({"x", "y"},)):
    print(fingerprint_call(f, None, arguments, {}))
"""
HELPER = "import deeper\n\nclass Point:\n    pass\n\ndef twice(x):\n    return deeper.FACTOR * x\n"


def printed(
    folder: Path, script: str = SCRIPT, helper: str = HELPER, factor: str = "FACTOR = 2\n", seed: str = "0"
) -> str:
    """What the script prints that stands in the folder with its two modules."""
    folder.mkdir(exist_ok=True)
    (folder / "helper.py").write_text(helper)
    (folder / "deeper.py").write_text(factor)
    run = run_script(script, folder=folder, PYTHONHASHSEED=seed, PYTHONDONTWRITEBYTECODE="1")
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_script_has_the_same_digests_elsewhere(tmp_path: Path) -> None:
    """In another folder, with another hash seed, with comments added to it and to its modules."""
    found = printed(tmp_path / "one")
    assert len(set(found.splitlines())) == 6
    assert (
        printed(
            tmp_path / "two", "# moved\n\n\n" + SCRIPT, "# a word\n" + HELPER, "\n\nFACTOR = 2  # so\n", "5"
        )
        == found
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"helper": HELPER.replace("* x", "+ x")},
        {"factor": "FACTOR = 3\n"},
        {"script": SCRIPT.replace('"c"}', '"d"}')},
        {"script": SCRIPT.replace("helper.twice", "-helper.twice")},
    ],
    ids=["a module", "a module of a module", "a constant", "a class"],
)
def test_change_in_what_a_script_uses_changes_its_digests(tmp_path: Path, changed: dict[str, str]) -> None:
    """All of them: each call uses it."""
    before, after = printed(tmp_path).splitlines(), printed(tmp_path, **changed).splitlines()
    assert set(before).isdisjoint(after)


def test_compiled_module_beside_the_script_counts(tmp_path: Path) -> None:
    """It has neither source nor version: its size and time count, and what a relative import names is found."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("from . import plain\n")
    (package / "plain.py").write_text("def g(x):\n    from ._fast import run\n    return run(x)\n")
    script = (
        "import mine\nfrom clustrix.bundle.fingerprint import fingerprint_call\n"
        "print(fingerprint_call(mine.plain.g, None, (1,), {}))\n"
    )
    found = []
    for content in (b"one", b"three"):
        (package / "_fast.so").write_bytes(content)
        found += [printed(tmp_path, script), printed(tmp_path, script)]
    assert found[0] == found[1] != found[2] == found[3]


def test_version_of_an_installed_module_counts(tmp_path: Path) -> None:
    """Also where the distribution has another name than the module, and only if it is used."""
    site = tmp_path / "site-packages"
    script = (
        "import other\nfrom clustrix.bundle.fingerprint import fingerprint_call\n"
        "def f(x): return other.g(x)\n"
        "def h(x): return x\n"
        "print(fingerprint_call(f, None, (1,), {}), fingerprint_call(h, None, (1,), {}))\n"
    )
    found = []
    for version in ("1.0", "1.0", "2.0"):
        info = site / "the_other.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (site / "other.py").write_text("def g(x): return x\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: the-other\nVersion: {version}\n")
        (info / "top_level.txt").write_text("other\n")
        run = run_script(script, PYTHONPATH=str(site))
        assert run.returncode == 0, run.stderr
        found.append(run.stdout.split())
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][1] == found[2][1]


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
