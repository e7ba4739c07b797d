"""The fields that may be set: the core's, and those that plugins declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clustrix.config import kinds
from clustrix.config.declared import CORE
from clustrix.config.field import Field, literal
from clustrix.config.kinds import Hidden
from clustrix.errors import UnknownOption
from clustrix.plugins import fields as plugin_fields
from clustrix.plugins import look_again

FIELDS: dict[str, Field] = {field.name: field for field in CORE}
"""Core's own; those of plugins are asked for when a name is not among these."""

OPTIONS: dict[str, Field] = {field.option: field for field in CORE if field.option}


def settings_fields(declared: Iterable[Field] | None = None) -> dict[str, Field]:
    """All fields that files and ``configure()`` take, also those of plugins; with a secret comes the command that tells it."""
    found = {field.name: field for field in CORE if field.setting}
    for field in plugin_fields() if declared is None else declared:
        if field.name in found:
            continue  # the core's own
        found[field.name] = field
        if field.secret:
            command = command_of(field)
            found[command.name] = command
    return found


def command_of(secret: Field) -> Field:
    """The field that holds the command which prints a secret."""
    return Field(
        f"{secret.name}_command",
        kinds.text(what="command"),
        None,
        f"A command that prints the {secret.name} in its first line, each time that it is needed. No shell runs it.",
        "pass show uni",
        group=secret.group,
        security="A project file cannot set it: whoever sends you a folder would run a program as you.",
        shown=secret.shown,
        scope=secret.scope,
    )


def checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the decorator or ``options()`` was given, by the fields' names; all or nothing.

    Raises ConfigError for a bad value, UnknownOption (with the nearest name) for an unknown one.
    """
    result = {}
    for name, value in given.items():
        field = OPTIONS.get(name) or _plugin_option(name)
        if field is None:
            raise unknown(name, value, OPTIONS)
        result[field.name] = field.check(name, value)
    return result


def _plugin_option(name: str) -> Field | None:
    return next((field for field in plugin_fields() if field.option == name and not field.secret), None)


def unknown(name: str, value: Any, known: Iterable[str], origin: str = "") -> UnknownOption:
    """The error for a name that nobody declared."""
    from clustrix.config import history

    look_again()  # next time: it may be a plugin's that is installed by then
    advice = history.advice(name) or _of_one_function(name) or nearest(name, known)
    return UnknownOption(name, Hidden("not looked at"), advice, "", origin)


def _of_one_function(name: str) -> str:
    field = OPTIONS.get(name)
    if field is None or field.setting:
        return ""
    return f"it belongs to one function: @cluster({name}={literal(field.example)}), or options()"


def nearest(name: str, known: Iterable[str]) -> str:
    """Which name may have been meant, or which there are."""
    import difflib

    names = sorted(known)
    near = [one for one in names if one.endswith(f"_{name}")]
    near = near or difflib.get_close_matches(str(name)[:100], names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
