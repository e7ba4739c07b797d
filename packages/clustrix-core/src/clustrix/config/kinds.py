"""Kinds of values: how one is checked, and how it is read from text.

A kind's check gives plain data (numbers, texts, tuples and dicts of them): it can be written to any file, and passes the check again.
Environment variables, command lines and texts in files are read first, then checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from clustrix.config.quantities import (
    CORES_HELP,
    format_time,
    parse_cores,
    parse_memory,
    parse_time,
)
from clustrix.errors import ConfigError
from clustrix.runner.amounts import format_bytes
from clustrix.runner.policy import names_of

_LONGEST_TEXT = 500
_MOST_ENTRIES = 200
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"", "none", "null", "~"})


class Kind(NamedTuple):
    """One kind of value."""

    name: str
    """For people: "memory", "yes or no"."""
    check: Callable[[str, Any], Any]
    """Given the field's name and a value, returns the value as it is used, or raises ConfigError."""
    read: Callable[[str], Any]
    """From text to what ``check`` takes.  It raises nothing: what it cannot read it gives back, for ``check`` to refuse."""
    show: Callable[[Any], Any] = lambda value: value
    """The value as anybody may see it."""
    say: Callable[[Any], str] = str
    """A checked number as people read it; asked only where it is not None."""


class Hidden:
    """Stands for a value that nobody shall see; what it shows instead is its kind."""

    def __init__(self, what: str = "hidden") -> None:
        self.what = what

    def __repr__(self) -> str:
        return f"<{self.what}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and other.what == self.what

    def __hash__(self) -> int:
        return hash(self.what)


class Secret:
    """A password or token in memory: not shown, and not sent anywhere."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not sent anywhere; the other side asks for it itself")


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(field, value, "must be True or False")
    return value


def _read_flag(text: str) -> Any:
    lowered = text.strip().lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else text


FLAG = Kind("yes or no", _flag, _read_flag)


def _read_number(text: str) -> Any:
    # int() would also take "1_000" and digits of other scripts, and refuses more than 4,300 digits.
    stripped = text.strip()
    return int(stripped) if re.fullmatch(r"[+-]?[0-9]{1,18}", stripped) else text


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.strip().lower() in _NONE else read(text)


CORES = Kind("cores", parse_cores, _read_number)
MEMORY = Kind("memory", parse_memory, _or_none(_read_number), say=format_bytes)
TIME = Kind("time", parse_time, _or_none(_read_number), say=format_time)


def _delay(field: str, value: Any) -> float:
    if value is None or (value == 0 and not isinstance(value, bool)):
        return 0.0
    return parse_time(field, value) or 0.0


DELAY = Kind("time", _delay, _or_none(_read_number), say=format_time)
"""A time that may be none at all."""


def count(least: int, most: int, what: str, none: bool = True) -> Kind:
    """A whole number in bounds, or None."""

    def check(field: str, value: Any) -> int | None:
        if value is None and none:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            otherwise = ", or None" if none else ""
            raise ConfigError(field, value, f"must be a whole number from {least} to {most:,}{otherwise}")
        return value

    return Kind(what, check, _or_none(_read_number) if none else _read_number)


def text(longest: int = _LONGEST_TEXT, what: str = "text", lines: bool = False) -> Kind:
    """A text, or None; of one line without control characters, unless it may have ``lines``."""

    def check(field: str, value: Any) -> str | None:
        if value is not None and not _is_text(value, longest, lines):
            one_line = "" if lines else " on one line"
            raise ConfigError(field, value, f"must be a text of 1 to {longest} characters{one_line}, or None")
        return None if value is None else str(value)

    return Kind(what, check, _or_none(str))


def _key(field: str, value: Any) -> str | None:
    found: str | None = text(lines=True).check(field, value)
    if found is not None and found.startswith("call:"):
        raise ConfigError(field, value, "must not begin with call:, as the keys of reuse do")
    return found


KEY = Kind("text", _key, _or_none(str))


def _is_text(value: Any, longest: int, lines: bool = False) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return False
    # Halves of characters cannot be stored anywhere.
    return not re.search(r"[\ud800-\udfff]" if lines else r"[\0-\x1f\x7f\ud800-\udfff]", value)


def choice(*names: str, none: bool = False) -> Kind:
    """One of some names; with ``none`` also None."""

    def check(field: str, value: Any) -> str | None:
        if value is None and none:
            return None
        if not isinstance(value, str) or value not in names:
            listed = ", ".join(f'"{name}"' for name in names) + (", or None" if none else "")
            raise ConfigError(field, value, f"must be one of {listed}")
        return value

    return Kind("name", check, _or_none(str.strip) if none else str.strip)


def number(least: float, most: float) -> Kind:
    """A number in bounds, or None."""

    def check(field: str, value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ConfigError(field, value, f"must be a number from {least:g} to {most:g}, or None")
        return float(value)

    def read(given: str) -> Any:
        try:
            return float(given)
        except ValueError:
            return given

    return Kind("number", check, _or_none(read))


def texts(longest: int, most: int, what: str = "list of texts") -> Kind:
    """Some texts; a list or tuple becomes a tuple."""

    def check(field: str, value: Any) -> tuple[str, ...]:
        allowed = f"must be a list of up to {most} texts of 1 to {longest} characters"
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise ConfigError(field, value, allowed)
        for index, entry in enumerate(value):
            if not _is_text(entry, longest):
                raise ConfigError(f"{field}[{index}]", entry, f"must be a text of 1 to {longest} characters")
        return tuple(value)

    return Kind(what, check, _read_list)


def _read_list(given: str) -> Any:
    if given.lstrip().startswith("["):
        return _read_json(given)
    return [part.strip() for part in given.split(",") if part.strip()]


def _variables(field: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_ENTRIES:
        raise ConfigError(
            field, kind_of(value), f"must map up to {_MOST_ENTRIES} names of variables to texts"
        )
    found = {}
    for name, entry in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[^\s=\0\ud800-\udfff]{1,200}", name):
            allowed = "the name of a variable must be a text of up to 200 characters without spaces and equals signs"
            raise ConfigError(field, name, allowed)
        number = isinstance(entry, int) and not isinstance(entry, bool)
        written = str(entry) if number and abs(entry) < 10**18 else entry
        if not isinstance(written, str) or re.search(r"[\0\ud800-\udfff]", written):
            # The others may be secrets: the message holds the kind of this one only.
            raise ConfigError(
                f"{field}[{name!r}]",
                kind_of(entry),
                "must be a text without null characters, or a whole number",
            )
        found[name] = written
    return found


def _read_variables(given: str) -> Any:
    if given.lstrip().startswith("{"):
        return _read_json(given)
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        return given
    return {name.strip(): entry for name, _, entry in pairs}


def _errors(field: str, value: Any) -> tuple[str, ...]:
    found = []
    for entry in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(entry, type) and issubclass(entry, Exception):
            found.append(names_of(entry)[0])
        elif isinstance(entry, str) and re.fullmatch(r"[A-Za-z_][\w.]{0,199}", entry):
            found.append(entry)
        else:
            raise ConfigError(
                field, entry, "must be a class of exceptions, the name of one, or a list of such"
            )
    return tuple(found)


ERRORS = Kind("errors", _errors, _read_list)
"""Classes of exceptions, by their names."""


def kind_of(value: Any) -> Hidden:
    """What a message may show of a value that it must not."""
    return Hidden(f"a value of type {type(value).__name__}")


def _read_json(given: str) -> Any:
    import json

    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


VARIABLES = Kind(
    "variables",
    _variables,
    _read_variables,
    lambda value: dict.fromkeys(value, "…"),
)
"""Environment variables: they may hold secrets, so their values are shown to nobody."""

__all__ = [
    "CORES",
    "CORES_HELP",
    "DELAY",
    "ERRORS",
    "FLAG",
    "KEY",
    "MEMORY",
    "TIME",
    "VARIABLES",
    "Hidden",
    "Kind",
    "Secret",
    "choice",
    "count",
    "kind_of",
    "number",
    "text",
    "texts",
]
