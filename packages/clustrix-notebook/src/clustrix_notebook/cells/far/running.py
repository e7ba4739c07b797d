"""The cell in its job: unpack the names, run the code, pack what has become of them."""

from __future__ import annotations

import builtins
import io
import re
import subprocess
import sys
import types
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cloudpickle import cloudpickle

from clustrix.runner.modules import remember_lines
from clustrix_notebook.cells.far import shows
from clustrix_notebook.cells.far.homecoming import ERROR, RAISED, VALUE, Homecoming
from clustrix_notebook.cells.far.names import NamePickler, Sent, receive, send_most

LAST = "__clustrix_last__"
"""Where the code leaves the value of its last expression."""
SHELL = "__clustrix_shell__"
"""What the code calls for ``!`` lines."""

_LARGEST_OF_FAILED_BYTES = 1 << 26
"""The names of a cell that has raised travel with its error, and in its pickle: larger ones are left there."""


class Cell(NamedTuple):
    """A cell as it travels."""

    code: types.CodeType
    filename: str
    text: str
    """As the user sees it: tracebacks show its lines."""
    assigned: tuple[str, ...]
    """Names that it assigns, or whose objects it changes, as far as its text tells."""
    names: Sent
    """What it reads."""
    needs: tuple[Any, ...] = ()
    """Modules that have to be there, and what names others that may be imported there."""
    submodules: tuple[str, ...] = ()
    """What it imports by a dotted name, as ``import xml.dom``."""


def run(cell: Cell) -> Homecoming:
    """Called by the runner.  Raises what the cell raises, with the names that were assigned until then."""
    remember_lines(cell.filename, cell.text)
    shows.prepare()
    namespace = vars(sys.modules["__main__"])
    namespace.setdefault("__builtins__", builtins)
    found, lost = receive(cell.names, namespace)
    if lost:
        name, reason = next(iter(lost.items()))
        raise ImportError(f"{name} cannot be had in the job: {reason}")
    namespace.update(found)
    before = dict(namespace)
    known = set(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS)
    namespace[SHELL] = Shell(namespace)
    try:
        _execute(cell, namespace)
        shows.show_figures()
    except Exception as error:
        result = _packed(cell, namespace, before, known, error)
        if result.names.size() < _LARGEST_OF_FAILED_BYTES:
            vars(error)[RAISED] = result.in_one_piece()
        raise error.with_traceback(_of_cell(error.__traceback__, cell.filename))  # noqa: B904 -- the same error
    return _packed(cell, namespace, before, known)


def _execute(cell: Cell, namespace: dict[str, Any]) -> None:
    found = eval(cell.code, namespace)  # noqa: S307 -- it is what the user wants run
    if isinstance(found, types.CoroutineType):  # there is an await at its top
        import asyncio  # few cells need it

        asyncio.run(found)


def _of_cell(trace: Any, filename: str) -> Any:
    """The traceback from the cell's own first line on."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename != filename:
        inner = inner.tb_next
    return inner or trace


def _packed(
    cell: Cell,
    namespace: dict[str, Any],
    before: Mapping[str, Any],
    known: Collection[type],
    error: Exception | None = None,
) -> Homecoming:
    value = namespace.pop(LAST, None)
    changed: dict[str, Any] = {}
    modules: dict[str, tuple[str, ...]] = {}
    for name, found in namespace.items():
        if name == SHELL or (name.startswith("__") and name.endswith("__") and name not in cell.assigned):
            continue
        if name in cell.assigned or name not in before or before[name] is not found:
            if isinstance(found, types.ModuleType):
                own = f"{found.__name__}."
                modules[name] = (found.__name__, *(one for one in cell.submodules if one.startswith(own)))
            else:
                changed[name] = found
    if value is not None:
        changed[VALUE] = value
    if error is not None:
        changed[ERROR] = type(error)

    def make(file: Any, keep: Any) -> NamePickler:
        return _Returning(file, keep, namespace, known)

    sent, lost = send_most(changed, make)
    shown = shows.content_of(value) if VALUE in lost else None
    for inner in (VALUE, ERROR):
        lost.pop(inner, None)
    deleted = tuple(name for name in before if name not in namespace)
    return Homecoming(sent, modules, deleted, lost, shown)


class _Returning(NamePickler):
    """On the way home an open file is none any more, also one that would arrive as a text in memory."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, io.TextIOWrapper):
            raise TypeError("an open file stays in the job")
        return super().reducer_override(obj)


class Shell:
    """``!`` lines, as IPython runs them."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def system(self, command: str) -> None:
        """Its output is the job's."""
        sys.stdout.flush()
        sys.stderr.flush()
        done = subprocess.run(self._expanded(command), shell=True, check=False)  # noqa: S602 -- as the user wants
        self._namespace["_exit_code"] = done.returncode

    def getoutput(self, command: str) -> list[str]:
        """Its lines."""
        done = subprocess.run(  # noqa: S602 -- as above
            self._expanded(command),
            shell=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._namespace["_exit_code"] = done.returncode
        return done.stdout.decode("utf-8", "replace").splitlines()

    def _expanded(self, command: str) -> str:
        """With ``{expression}`` and ``$name`` replaced; what is none of the cell's is the shell's."""
        try:
            return re.sub(r"\{\{|\}\}|\$\$|\{([^{}]+)\}|\$([A-Za-z_]\w*)", self._replaced, command)
        except Exception:  # an expression that is none: IPython leaves the line as it is, too
            return command

    def _replaced(self, match: re.Match[str]) -> str:
        expression, name = match.groups()
        if expression is not None:
            return str(eval(expression, self._namespace))  # noqa: S307 -- as above
        if name is not None:
            return str(self._namespace[name]) if name in self._namespace else match[0]
        return match[0][0] if match[0] != "$$" else "$"
