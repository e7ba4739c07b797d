"""The fault points of the code, found in the code: where each stands, and which step comes after it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "packages/clustrix-core/src/clustrix", ROOT / "packages/clustrix-ssh/src/clustrix_ssh")

STEPS = {
    "os": {
        "write",
        "pwrite",
        "writev",
        "fsync",
        "fdatasync",
        "truncate",
        "ftruncate",
        "rename",
        "replace",
        "link",
        "symlink",
    }
    | {"fork", "forkpty", "posix_spawn", "execv", "execve", "execvp", "sendfile", "copy_file_range"},
    "subprocess": {"Popen", "run", "check_output", "check_call", "call"},
}
"""System calls, by module."""
METHODS = {
    "sendall",
    "send",
    "recv",
    "recv_into",
    "sendto",
    "recvfrom",
    "write",
    "writelines",
    "write_bytes",
    "write_text",
    "writev",
}
"""Methods of sockets, channels and files that make one."""
OWN = {"write_all"}
_BOUND = {"write": "os.write"}
"""Names of system calls in a loop that is to be quick."""
WHOLE = {"write": ("write", "sync", "rename"), "create": ("write", "sync", "link"), "sync": ("",)}
"""What ``clustrix.runner.whole`` does, with the points that stand in it."""


class Point(NamedTuple):
    """One name."""

    name: str
    file: str
    line: int
    step: str
    """The system call that is made next; empty if there is none: then it can only be the place to kill at, or to wait."""


class Step(NamedTuple):
    """A call that a promise may depend on."""

    file: str
    line: int
    function: str
    call: str
    guarded: bool
    """Whether a point stands directly before it, with no other step between them."""


@cache
def points() -> tuple[Point, ...]:
    """All of them, in the order of the files."""
    return tuple(point for path in _files() for point in _points_of(path))


@cache
def steps() -> tuple[Step, ...]:
    """All calls that look as if a promise depended on them."""
    return tuple(step for path in _files() for step in _steps_of(path))


def _files() -> list[Path]:
    return [path for source in SOURCES for path in sorted(source.rglob("*.py"))]


def _functions(tree: ast.AST) -> Iterator[tuple[str, list[ast.Call]]]:
    """Each function's own calls, in the order of their lines."""

    def own(node: ast.AST) -> Iterator[ast.Call]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from own(child)

    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            name = "" if isinstance(node, ast.Module) else node.name
            yield name, sorted(own(node), key=lambda call: (call.lineno, call.col_offset))


def _steps_of(path: Path) -> Iterator[Step]:
    file = path.relative_to(ROOT / "packages").as_posix()
    for function, calls in _functions(ast.parse(path.read_text())):
        guarded = False
        for call in calls:
            text = _dotted(call.func)
            if text == "point":
                guarded = True
            elif _is_step(call, text):
                yield Step(file, call.lineno, function, text, guarded)
                guarded = False


def _is_step(call: ast.Call, text: str) -> bool:
    module, _, name = text.rpartition(".")
    if module in STEPS:
        return name in STEPS[module]
    if not module:
        return name in OWN
    if name == "execute":
        return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == "COMMIT"
    return name in METHODS and module not in ("whole", "sys.stdout", "sys.stderr", "records")


def _points_of(path: Path) -> Iterator[Point]:
    file = path.relative_to(ROOT / "packages").as_posix()
    inside = file.endswith("runner/whole.py")
    for _, calls in _functions(ast.parse(path.read_text())):
        for number, call in enumerate(calls):
            text = _dotted(call.func)
            if text == "point" and not inside:
                after = _step_after(calls[number + 1 :])
                for name in _names(call.args[0]):
                    yield Point(name, file, call.lineno, after)
            elif text.startswith("whole.") and text != "whole.beside":
                yield from _of_whole(call, text, file)
            elif text.endswith(("_connection.write", "self.write")) and "journal" in file:
                for name in _names(call.args[0]):
                    yield Point(f"journal.{name}", file, call.lineno, "COMMIT")
                    yield Point(f"journal.{name}-done", file, call.lineno, "")


def _step_after(calls: list[ast.Call]) -> str:
    for call in calls:
        text = _dotted(call.func)
        if _is_step(call, text) or text in _BOUND:
            return text
        if text == "point":
            return ""
    return ""


def _of_whole(call: ast.Call, text: str, file: str) -> Iterator[Point]:
    what = text.removeprefix("whole.")
    step = call.args[1] if what == "sync" else call.args[2]
    syncs = any(keyword.arg == "sync" for keyword in call.keywords)
    for name in _names(step):
        for part in WHOLE[what]:
            if part != "sync" or syncs:
                yield Point(f"{name}.{part}".rstrip("."), file, call.lineno, part or "fsync")


def _names(node: ast.expr) -> list[str]:
    """What a name's expression can come to; none where it depends on what is asked for."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if ast.unparse(node) == "f'record{kind}'":
        return ["record.b", "record.d", "record.x"]
    return []


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Name)) else ""
