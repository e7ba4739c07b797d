"""Failures of a map's items by kind: the same error, at the same place, with the same message but for its numbers and names."""

from __future__ import annotations

import os
import re
import sysconfig
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from clustrix.outcomes import explained
from clustrix.results.cells import Table, as_html, one_line
from clustrix.runner.frames import Buffer, Damaged, Record, record_body, unpack
from clustrix.runner.outcome import EXCEPTION

_FIRST = 10
"""So many items of a group are named."""
_PATTERN_CHARACTERS = 300

_QUOTED = re.compile(r"""(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)"[^"\n]*"(?!\w)|`[^`\n]*`""")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+|\b(?=[0-9a-f-]*[0-9])[0-9a-f]{8}[0-9a-f-]*\b")
_NUMBER = re.compile(r"(exit code \d+)|(?<![\w.])[-+]?\d[\d_,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|\d+")
_PLACE_IN_TEXT = re.compile(r'^  File "(.+)", line (\d+), in (.+)$', re.MULTILINE)

_HERE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_OTHERS = tuple(
    os.path.join(folder, "")
    for folder in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {_HERE}
)


class Failure(NamedTuple):
    """How one item failed, without its exception being made."""

    type: str
    """The name of the error's class, with its module unless that is builtins, clustrix's errors or the user's own script."""
    message: str
    file: str
    """Of the innermost line that is neither Python's nor an installed package's nor clustrix's; empty if there is none."""
    line: int
    function: str

    @property
    def pattern(self) -> str:
        """The message, with … for what is in quotes and # for numbers; an exit code tells kinds of failures apart, and stays."""
        text = _QUOTED.sub("…", self.message[: 4 * _PATTERN_CHARACTERS])
        return _NUMBER.sub(lambda found: found[1] or "#", _HEXADECIMAL.sub("#", text))[:_PATTERN_CHARACTERS]


def of_record(buffer: Buffer, record: Record) -> Failure:
    """Of an item's record."""
    try:
        return of_container(record_body(buffer, record))
    except Damaged as error:
        return Failure("ResultDamaged", f"its result is damaged: {error}", "", 0, "")


def of_container(buffer: Buffer) -> Failure:
    """Of an outcome as ``clustrix.runner.outcome`` writes it; raises Damaged."""
    meta, _ = unpack(buffer)
    if meta["kind"] == EXCEPTION:
        node = meta["nodes"][0]
        own = node["module"] in ("builtins", "__main__", "clustrix.errors")
        name = node["type"] if own else f"{node['module']}.{node['type']}"
        return Failure(name, node["text"], *_users(node["frames"]))
    places = _PLACE_IN_TEXT.findall(meta.get("text", ""))
    return of_row(explained(meta), [(file, function, int(line)) for file, line, function in places])


def of_row(row: Mapping[str, Any], frames: Sequence[Sequence[Any]] = ()) -> Failure:
    """Of the record of an error, as the dispatcher writes it when a process ended without a result."""
    return Failure(row["error"], row["cause"], *_users(frames))


def of_error(error: BaseException) -> Failure:
    """Of one that is at hand."""
    return Failure(type(error).__name__, str(getattr(error, "cause", error)), "", 0, "")


def raised_in(error: BaseException) -> str:
    """The line of the user's own code that raised it, as people read it; empty if there is none."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    file, line, function = _users(frames)
    return f"{file}:{line}, {function}" if file else ""


def _users(frames: Sequence[Sequence[Any]]) -> tuple[str, int, str]:
    own = [frame for frame in frames if not frame[0].startswith((*_OTHERS, "<frozen "))]
    others = own or [frame for frame in frames if not frame[0].startswith(_HERE)]
    if not others:
        return "", 0, ""
    file, function, line = others[-1]
    return file, line, function


class ErrorGroup:
    """Failures of one kind.  ``indices``: the items, in order; ``example``: the first, whose message and arguments are shown."""

    def __init__(self, failure: Failure, indices: Sequence[int], arguments: Callable[[int], str]) -> None:
        """``failure``: that of the lowest index."""
        self.type = failure.type
        self.file = failure.file
        self.line = failure.line
        self.function = failure.function
        self.pattern = failure.pattern
        """The message that they have in common: … for what is in quotes, # for numbers."""
        self.message = failure.message
        """That of the example."""
        self.indices = sorted(indices)
        self.example = self.indices[0]
        self._arguments = arguments

    @property
    def count(self) -> int:
        return len(self.indices)

    @property
    def place(self) -> str:
        """Where it was raised, in a few characters; empty for what happened to a worker from outside."""
        if not self.file:
            return ""
        return f"{os.path.basename(self.file)}:{self.line} {self.function}"

    @property
    def arguments(self) -> str:
        """Those of the example, in a few characters."""
        return self._arguments(self.example)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``indices`` are the first ten."""
        return {
            "type": self.type,
            "file": self.file or None,
            "line": self.line or None,
            "function": self.function or None,
            "message": self.message,
            "pattern": self.pattern,
            "count": self.count,
            "indices": self.indices[:_FIRST],
            "example": self.example,
            "arguments": self.arguments,
        }

    def __repr__(self) -> str:
        return f"<ErrorGroup {self.count} × {self.type}: {one_line(self.pattern)}>"


class ErrorGroups(Sequence[ErrorGroup]):
    """The kinds of failures of a map at one moment, the most frequent first.  Prints as a table, also in a notebook."""

    def __init__(self, groups: Sequence[ErrorGroup], items: int, left: int = 0) -> None:
        """``left``: how many items may still fail."""
        self.left = left
        self._groups = sorted(groups, key=lambda group: (-group.count, group.indices[0]))
        self.items = items

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, index: int) -> ErrorGroup: ...
    @overload
    def __getitem__(self, index: slice) -> list[ErrorGroup]: ...
    def __getitem__(self, index: int | slice) -> ErrorGroup | list[ErrorGroup]:
        return self._groups[index]

    @property
    def failed(self) -> int:
        """How many items have failed."""
        return sum(group.count for group in self._groups)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as for JSON."""
        groups = [group.to_dict() for group in self._groups]
        return {"items": self.items, "failed": self.failed, "left": self.left, "groups": groups}

    @property
    def headline(self) -> str:
        if not self._groups:
            items = f"{self.items:,} {'item' if self.items == 1 else 'items'}"
            return (
                f"no failures yet; {self.left:,} of {items} are not finished"
                if self.left
                else f"no failures in {items}"
            )
        kinds = "1 kind" if len(self) == 1 else f"{len(self)} kinds"
        left = f"; {self.left:,} are not finished" if self.left else ""
        return f"{self.failed:,} of {self.items:,} items failed, in {kinds}{left}"

    def table(self) -> Table:
        """One row for each kind."""
        rows = [
            (
                group.count,
                group.type,
                group.place,
                (group.message if group.count == 1 else group.pattern).partition("\n")[0],
                _some(group.indices),
                f"{group.example}: {group.arguments}",
            )
            for group in self._groups
        ]
        columns = ("count", "error", "place", "message", "items", "for example")
        return Table(columns, rows, self.headline)

    def __str__(self) -> str:
        return str(self.table()) if self._groups else self.headline

    def _repr_html_(self) -> str:
        return as_html(("failures",), [(self.headline,)]) if not self._groups else self.table()._repr_html_()

    def __repr__(self) -> str:
        return f"<ErrorGroups: {self.headline}>"


def _some(indices: Sequence[int]) -> str:
    text = ", ".join(map(str, indices[:3]))
    return f"{text}, …" if len(indices) > 3 else text


class Failures:
    """Groups failures as they come; each is looked at once."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, int, str], tuple[Failure, array[int]]] = {}
        self._lowest: dict[tuple[str, str, int, str], int] = {}
        self.taken = 0

    def add(self, failure: Failure, index: int) -> None:
        key = (failure.type, failure.file, failure.line, failure.pattern)
        _, indices = self._groups.setdefault(key, (failure, array("I")))
        if index < self._lowest.get(key, index):  # it is the example, whichever came first
            self._groups[key] = failure, indices
        self._lowest[key] = min(index, self._lowest.get(key, index))
        indices.append(index)
        self.taken += 1

    def groups(self, arguments: Callable[[int], str]) -> Iterator[ErrorGroup]:
        """As they are now; ``arguments`` gives the arguments of an item as text."""
        return (ErrorGroup(failure, indices, arguments) for failure, indices in self._groups.values())
