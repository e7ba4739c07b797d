"""What the demo computes: how large and how deep the modules of the standard library are, and what they import.

The decorated functions run as jobs; each job imports this module, so it imports little.
"""

from __future__ import annotations

import ast
import os
import signal
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from clustrix import cluster

ROOT = sysconfig.get_path("stdlib")
GROUP_BYTES = 32_000
"""Source of one item of the map: some ten milliseconds of work."""

_OTHERS = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (
    *_FUNCTIONS,
    *(ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match),
)


class Module(NamedTuple):
    """One module of the survey."""

    name: str
    lines: int
    functions: int
    depth: int
    """Of the most deeply nested block: 1 is a function at the top, 2 a method or an ``if`` in it."""
    imports: tuple[str, ...]
    """Top-level packages, sorted."""


class TooDeep(Exception):
    """A module is nested more deeply than somebody allows.

    ``pickle`` by itself cannot bring it home: its arguments are not those of ``Exception``.
    """

    def __init__(self, module: str, *, depth: int, allowed: int) -> None:
        super().__init__(f"{module} is nested {depth} deep, {allowed} are allowed")
        self.module = module
        self.depth = depth
        self.allowed = allowed


@cluster
def survey(files: Sequence[str]) -> list[Module]:
    """Survey some files of the standard library."""
    return [_module(file) for file in files]


@cluster
def refuse_deeper(file: str, allowed: int) -> None:
    """Raise TooDeep for a module that is nested more deeply than that."""
    module = _module(file)
    if module.depth > allowed:
        raise TooDeep(module.name, depth=module.depth, allowed=allowed)


def submit_and_die(files: Sequence[str]) -> None:
    """Submit a job, print its id and be killed, with no chance to say goodbye.  The demo calls it in a process of its own."""
    job = survey.submit(files)
    print(job.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def groups() -> list[list[str]]:
    """The files of the standard library, largest first, in groups of about equal work."""
    found: list[list[str]] = []
    room = 0
    for size, file in sorted(_files(), reverse=True):
        if room < size:
            found.append([])
            room = GROUP_BYTES
        found[-1].append(file)
        room -= size
    return found


def _files() -> Iterator[tuple[int, str]]:
    for folder, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in _OTHERS]
        for path in (os.path.join(folder, file) for file in files if file.endswith(".py")):
            yield os.path.getsize(path), path


def _module(file: str) -> Module:
    with open(file, "rb") as source:
        text = source.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own old escapes
        tree = ast.parse(text)
    functions, deepest, imports = 0, 0, set()
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        functions += isinstance(node, _FUNCTIONS)
        if isinstance(node, ast.Import):
            imports |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imports.add(str(node.module).partition(".")[0])
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr):  # expressions hold no blocks
                waiting.append((child, depth + (isinstance(child, _BLOCKS) and not _is_elif(node, child))))
    return Module(_name(file), text.count(b"\n"), functions, deepest, tuple(sorted(imports)))


def _is_elif(parent: ast.AST, node: ast.AST) -> bool:
    return isinstance(parent, ast.If) and isinstance(node, ast.If) and parent.orelse == [node]


def _name(file: str) -> str:
    dotted = os.path.relpath(file, ROOT)[: -len(".py")].replace(os.sep, ".")
    return dotted[: -len(".__init__")] if dotted.endswith(".__init__") else dotted
