"""What of a function, and of the modules that it uses, counts in the digest of a call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster
from clustrix.bundle.fingerprint import fingerprint_call
from tests.core.support import run_script

# -- functions


def of_text(text: str, *args: Any) -> str:
    """Of the call of ``f``, as a cell of a notebook defines it."""
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, f"<cell {id(cell)}>", "exec", dont_inherit=True), cell)  # noqa: S102 -- as a notebook does
    return fingerprint_call(cell["f"], None, args, {})


DISPATCH = """
import functools
@functools.singledispatch
def kind(it): return "any"
@kind.register
def _(it: int): return "number"
def f(x): return kind(x)
"""
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
    "single dispatch": (DISPATCH,) * 2,
    "slots": ("class A:\n    __slots__ = ('x', 'y')\ndef f(x): return A()",) * 2,
}


@pytest.mark.parametrize("case", SAME_FUNCTIONS)
def test_function_is_the_same_wherever_it_stands(case: str) -> None:
    """In another file, on another line, with other comments, beside other things."""
    one, other = SAME_FUNCTIONS[case]
    assert of_text(one, 1) == of_text(other, 1)


CHANGED_FUNCTIONS = {
    "what is registered for a type": (DISPATCH, DISPATCH.replace("number", "integer")),
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
        return fingerprint_call(len, None, (scale.times,), {})

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
HELPER = "import deeper\n\nclass Point:\n    def move(self):\n        self.up = self.down = self.left = self.right = 1\n\ndef twice(x):\n    return deeper.FACTOR * x\n"


def printed(
    folder: Path, script: str = SCRIPT, helper: str = HELPER, factor: str = "FACTOR = 2\n", seed: str = "0"
) -> str:
    """What the script prints that stands in the folder with its two modules."""
    folder.mkdir(exist_ok=True)
    (folder / "helper.py").write_text(helper)
    (folder / "deeper.py").write_text(factor)
    return run_script(script, folder=folder, PYTHONHASHSEED=seed, PYTHONDONTWRITEBYTECODE="1").stdout


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
        found.append(run_script(script, PYTHONPATH=str(site)).stdout.split())
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][1] == found[2][1]
