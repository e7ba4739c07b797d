"""YAML as configuration files use it: mappings, lists and scalars, each with its place in the text.

Read from the parser's events, not by its loader: so a key that stands twice is seen, nothing is nested deeper than it may be, and
neither tags nor anchors do anything. Plain words mean what YAML 1.2 says: ``no`` is a text, and ``12:30`` is one too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from clustrix.errors import ConfigFileError

_DEEPEST = 12
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Node(NamedTuple):
    """A value and where it stands."""

    value: Any
    """A scalar, a list of nodes, or a dict of texts to nodes."""
    line: int
    """Of its key, or of itself where it has none; from 1 on."""
    start: int
    end: int
    """Its characters in the text."""
    column: int
    """Where its key, or itself, begins; from 0 on."""
    block: bool = False
    """Whether it is a mapping that is written line by line."""

    def plain(self) -> Any:
        """Without the places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(path: str, text: str) -> Node | None:
    """The one document of a text; None if it is empty.  Raises ConfigFileError with line and column."""
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        reader = _Reader(path, events)
        next(events)
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            return None
        found = reader.node(next(events), 0)
        next(events)
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise reader.error(after, "a second document begins here", "Put all into one.")
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        problem = f"no valid YAML: {error.problem or error.context}"
        raise ConfigFileError(path, problem, "Mend it there.", line, column) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigFileError(
            path, "no valid YAML: it has a character that is not allowed", "", line
        ) from None
    except ConfigFileError:
        raise
    except (ValueError, OverflowError) as error:  # the scanner's own, as for the escape \UFFFFFFFF
        raise ConfigFileError(path, f"no valid YAML: {error}") from None


class _Reader:
    def __init__(self, path: str, events: Iterator[Any]) -> None:
        self._path = path
        self._events = events

    def node(self, event: Any, depth: int, key: Any = None) -> Node:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise self.error(
                event, "anchors and aliases are not read in configuration files", "Write the value out."
            )
        if event.tag and not event.tag.startswith("tag:yaml.org,2002:str"):
            raise self.error(
                event, f"the tag {event.tag} is not read in configuration files", "Leave it out."
            )
        if depth > _DEEPEST:
            raise self.error(event, f"nested deeper than {_DEEPEST} levels")
        at = key or event.start_mark
        line, column = at.line + 1, at.column
        if isinstance(event, yaml.ScalarEvent):
            value: Any = _scalar(event.value) if event.implicit[0] else event.value
            return Node(value, line, _start(event), _end(event), column)
        if isinstance(event, yaml.SequenceStartEvent):
            entries = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                entries.append(self.node(inner, depth + 1))
            return Node(entries, line, _start(event), _end(inner), column)
        return self._mapping(event, depth, line, column)

    def _mapping(self, event: Any, depth: int, line: int, column: int) -> Node:
        found: dict[str, Node] = {}
        while not isinstance(name := next(self._events), yaml.MappingEndEvent):
            if not isinstance(name, yaml.ScalarEvent):
                raise self.error(name, "a name must be a text")
            if name.anchor or (name.implicit[0] and name.value == "<<"):
                raise self.error(
                    name, "anchors and merges are not read in configuration files", "Use profiles."
                )
            if name.value in found:
                raise self.error(
                    name,
                    f"{name.value!r} stands twice, in lines {found[name.value].line} and {self.line(name)}",
                    "Remove one of them.",
                )
            found[name.value] = self.node(next(self._events), depth + 1, name.start_mark)
        return Node(found, line, _start(event), _end(name), column, event.flow_style is False)

    @staticmethod
    def line(event: Any) -> int:
        return int(event.start_mark.line) + 1

    def error(self, event: Any, problem: str, advice: str = "") -> ConfigFileError:
        mark = event.start_mark
        return ConfigFileError(self._path, problem, advice, mark.line + 1, mark.column + 1)


def _start(event: Any) -> int:
    return int(event.start_mark.index)


def _end(event: Any) -> int:
    return int(event.end_mark.index)


def _scalar(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    # What a number would lose stays a text: the zero of 022, the plus of +5.
    if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,17})", text):
        return int(text)
    if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", text):
        return float(text)
    return text
