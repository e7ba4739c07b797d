"""A setting's value as it stands in the form, and back.

Lists have one entry a line, mappings one ``NAME=value`` a line; an empty text means: not set here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.config.kinds import Hidden
from clustrix.errors import ConfigError

KEPT = "…"
"""Stands for a value that is not shown, and is left as it is."""
LOST = "(to be typed again)"
"""Stands for one that was typed and is not kept anywhere, since it may be secret."""
NONE = "none"
"""The value None, where it is set: an empty text is what is not set."""


def control(field: Field) -> str:
    """How a value is given: "secret", "choice", "flag", "lines", "pairs" or "line"."""
    if field.secret:
        return "secret"
    if field.choices or field.name == "cluster_type":
        return "choice"
    if field.kind is kinds.FLAG:
        return "flag"
    for value in (field.default, field.example):
        if isinstance(value, (list, tuple)):
            return "lines"
        if isinstance(value, Mapping):
            return "pairs"
    return "line"


def text_of(field: Field, value: Any) -> str:
    """The text for a checked value; of what may be secret, names only."""
    if value is None:
        return NONE
    if field.kind is kinds.VARIABLES:
        return "\n".join(f"{name}={KEPT}" for name in value)
    how = control(field)
    if how == "lines":
        return "\n".join(map(str, value))
    if how == "pairs":
        return "\n".join(name if entry is True else f"{name}={entry}" for name, entry in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        said = field.kind.say(value).replace(".0 ", " ")
        return (
            said if _means(field, said, value) else f"{value:g}" if isinstance(value, float) else str(value)
        )
    return str(value)


def _means(field: Field, text: str, value: Any) -> bool:
    try:
        return bool(field.check(field.name, field.kind.read(text)) == value)
    except ConfigError:
        return False


def value_of(field: Field, text: str, before: Any = None) -> Any:
    """What a text means, checked, by the code that checks ``configure()``.

    ``before``: the value that was shown, of which ``NAME=…`` keeps the entry.  Raises ConfigError.
    """
    how = control(field)
    if how == "lines":
        given: Any = [line.strip() for line in text.splitlines() if line.strip()]
    elif how == "pairs":
        given = _pairs(field, text, before if isinstance(before, Mapping) else {})
    else:
        given = field.kind.read(text.strip())
    checked = field.check(field.name, given)
    # As it was written: "16GB" is for people, and is what belongs into a file.
    return given if isinstance(given, str) and isinstance(checked, (int, float)) else checked


def _pairs(field: Field, text: str, before: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, entry = (part.strip() for part in line.partition("="))
        if entry == LOST or (entry == KEPT and name not in before):
            raise ConfigError(
                field.name, Hidden(), f"the value of {name} is not known any more: type it again, as {name}=…"
            )
        same = name in before and equals and str(before[name]) == entry  # a number stays one
        found[name] = before[name] if same or entry == KEPT else entry if equals else True
    return found


def masked(text: str, mark: str) -> str:
    """Pairs without their values."""
    return "\n".join(
        f"{name}={mark}" if equals and entry.strip() != KEPT else line
        for line in text.splitlines()
        for name, equals, entry in [line.partition("=")]
    )
