"""The fields that may be set, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from clustrix import plugins
from clustrix.config.quantities import parse_cores, parse_memory, parse_time
from clustrix.errors import ConfigError, UnknownOption

Check = Callable[[str, Any], Any]


class Field(NamedTuple):
    """One setting."""

    name: str
    default: Any
    check: Check
    """Given the name and a value, returns the value as it is used, or raises ConfigError."""
    help: str
    example: str
    option: str = ""
    """The name under which the decorator and ``options()`` take it, where they do."""


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(field, value, "must be True or False", f"{field}=True")
    return value


def _cluster_type(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(field, value, "must be the name of a backend", 'cluster_type="local"')
    return plugins.backend(value).name


def _key(field: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= 500 and _encodable(value)):
        raise ConfigError(
            field, value, "must be a text of 1 to 500 characters, or None", 'key="experiment-7"'
        )
    if value is not None and value.startswith("call:"):
        raise ConfigError(
            field, value, "must not begin with call:, as the keys of reuse do", 'key="experiment-7"'
        )
    return value


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("cluster_type", "local", _cluster_type, "Where jobs run.", '"local"', "cluster_type"),
        Field("default_cores", 1, parse_cores, "Cores that one call needs.", "4", "cores"),
        Field(
            "default_memory",
            None,
            parse_memory,
            "Memory that one call needs; None: no limit.",
            '"16GB"',
            "memory",
        ),
        Field(
            "default_time",
            None,
            parse_time,
            "How long one call may take; None: no limit.",
            '"02:00:00"',
            "time",
        ),
        Field(
            "async_submit", False, _flag, "A call returns an AsyncJobResult at once.", "True", "async_submit"
        ),
        Field(
            "local_strict",
            False,
            _flag,
            "Refuse a job that asks for more than this machine has, instead of running it with what there is.",
            "True",
            "local_strict",
        ),
        Field(
            "key",
            None,
            _key,
            "Names one piece of work: while a job with this key is under way or has succeeded, a further submission "
            "with it is that job, not a second one.",
            '"experiment-7"',
            "key",
        ),
        Field(
            "reuse",
            False,
            _flag,
            "A call that has been made before, with the same code and arguments, gives the earlier one's job.",
            "True",
            "reuse",
        ),
    )
}

OPTIONS: dict[str, Field] = {field.option: field for field in FIELDS.values() if field.option}


def checked(given: dict[str, Any], known: dict[str, Field]) -> dict[str, Any]:
    """The given values, each checked by its field; all or nothing.

    Raises ConfigError for a bad value, UnknownOption (with the nearest name) for an unknown one.
    """
    result = {}
    for name, value in given.items():
        if name not in known:
            raise unknown(name, value, known)
        result[known[name].name] = known[name].check(name, value)
    return result


def unknown(name: str, value: Any, known: Iterable[str]) -> UnknownOption:
    """The error for a name that nobody declared."""
    import difflib

    known = list(known)
    near = [one for one in known if one.endswith(f"_{name}")] or difflib.get_close_matches(
        name, known, 1, 0.5
    )
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    return UnknownOption(name, value, hint)
