"""Which names a cell needs, and which it brings back."""

from __future__ import annotations

import ast
import builtins
import sys

import pytest

from clustrix_notebook.cells.reading import assigned_by, read_by

READS = [
    ("x = x + 1", {"x"}),
    ("x = 1\nprint(x)", set()),
    ("x += 1", {"x"}),
    ("del x", {"x"}),
    ("x = 1\ndel x\nx", {"x"}),
    ("f'{a!r:>{width}}'", {"a", "width"}),
    ("def g():\n    def h():\n        return deep\n    return h", {"deep"}),
    ("def g():\n    return g()", set()),
    ("def g():\n    return late\nlate = 1\ng()", {"late"}),
    ("def g(a=b, *c, d=e) -> an:\n    return a", {"b", "e", "an"}),
    ("lambda q: q + r", {"r"}),
    ("[i * k for i in z if (w := i)]\nw", {"k", "z", "w"}),
    ("{a: b for a, b in pairs}", {"pairs"}),
    ("class A(Base, metaclass=Meta):\n    x = 1\n    y = x", {"Base", "Meta"}),
    ("class A:\n    x = 1\n    def m(self):\n        return x", {"x"}),
    ("class A:\n    class B:\n        y = z", {"z"}),
    ("@decorate\ndef g():\n    pass", {"decorate"}),
    ("with open('x') as f:\n    f.read(n)", {"n"}),
    ("for i in items:\n    fs.append(lambda: i)", {"items", "fs"}),
    ("for i in items:\n    pass\nprint(i)", {"items", "i"}),
    ("if (m := f()):\n    m.group()\nm", {"f"}),
    ("a = p and (b := 3)\nb", {"p", "b"}),
    ("if c:\n    x = 1\nelse:\n    x = 2\nx", {"c"}),
    ("if c:\n    x = 1\nx", {"c", "x"}),
    ("if c:\n    raise ValueError\nelse:\n    x = 1\nx", {"c"}),
    ("try:\n    import q\nexcept ImportError:\n    q = None\nq", set()),
    ("try:\n    x = f()\nexcept E as e:\n    print(e)\nx", {"f", "E", "x"}),
    ("while True:\n    x = 1\n    break\nx", {"x"}),
    ("t[i].a = v", {"t", "i", "v"}),
    ("x: kind = 1", {"kind"}),
    ("def g():\n    global n\n    n += 1", {"n"}),
    (
        "match p:\n    case {'k': b} if b > c:\n        b\n    case K(d):\n        d\n    case _:\n        u",
        {"p", "c", "K", "u"},
    ),
    ("await job", {"job"}),
    ("async with s as c:\n    await c", {"s"}),
    ("naïve = größe", {"größe"}),
    ("list(range(n))", {"n"}),
]


@pytest.mark.parametrize(("text", "expected"), READS, ids=[text for text, _ in READS])
def test_names_are_read_that_the_cell_may_not_have_assigned_before(text: str, expected: set[str]) -> None:
    """In every kind of scope, and no more than that."""
    found = {
        name for name in read_by(ast.parse(text)) if not hasattr(builtins, name) and not name.startswith("__")
    }
    assert found == expected


def test_a_name_of_a_builtin_is_read_as_any_other() -> None:
    """It may be the user's."""
    assert "list" in read_by(ast.parse("list"))


ASSIGNED = [
    ("a = b = 1", {"a", "b"}),
    ("(a, [b, *c]) = x", {"a", "b", "c"}),
    ("for i in x:\n    pass", {"i"}),
    ("with x as (a, b):\n    pass", {"a", "b"}),
    ("import os.path, json as j\nfrom math import pi as p, e", {"os", "j", "p", "e"}),
    ("def f():\n    inner = 1\nclass C:\n    attribute = 1", {"f", "C"}),
    ("[y := i for i in x]", {"y"}),
    ("try:\n    pass\nexcept E as e:\n    kept = e", {"e", "kept"}),
    (
        "match x:\n    case [a, *rest]:\n        pass\n    case {'k': v, **others}:\n        pass",
        {"a", "rest", "v", "others"},
    ),
    ("x: int = 1", {"x"}),
    ("x += 1", {"x"}),
    ("def f():\n    global g\n    g = 1", {"f", "g"}),
    ("df['a'] = 1\nobj.field.x[0] += 1\ndel d[k]", {"df", "obj", "d"}),
    ("def f():\n    local['a'] = 1", {"f"}),
]


@pytest.mark.parametrize(("text", "expected"), ASSIGNED, ids=[text for text, _ in ASSIGNED])
def test_names_are_assigned_in_every_way_that_there_is(text: str, expected: set[str]) -> None:
    """At the top of the cell, and by functions that say ``global``; also by a change of a part."""
    assert assigned_by(ast.parse(text)) == expected


if sys.version_info >= (3, 12):  # it is their syntax

    def test_type_parameters_are_a_scope_of_their_own() -> None:
        """They are not looked for in the notebook."""
        assert read_by(ast.parse("def f[T](x: T) -> T: return x + k")) == {"k"}
