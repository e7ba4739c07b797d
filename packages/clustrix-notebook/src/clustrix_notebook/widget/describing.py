"""The declared fields as the page needs them, those of every installed plugin among them.

What a plugin has declared wrongly becomes a problem of its group: the rest is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from clustrix import plugins
from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, settings_fields
from clustrix.errors import ClustrixError
from clustrix_notebook.widget.texts import control, text_of

GROUPS = {
    "place": "Where jobs run",
    "jobs": "What a job needs",
    "environment": "The job's Python there",
    "scheduler": "What the batch system is asked for",
    "failures": "When a job fails",
    "session": "How this notebook behaves",
}
"""Known headings, in their order; others follow under their own names."""


def groups() -> list[dict[str, Any]]:
    """All groups, each with ``name``, ``title``, ``fields`` and ``problems``."""
    found: dict[str, dict[str, Any]] = {}
    core = {field.name for field in FIELDS.values()}
    owners = {field.name: plugin.distribution for plugin in plugins.discovered() for field in plugin.fields}
    for field in _declared():
        owner = (
            ""
            if field.name in core
            else owners.get(field.name.removesuffix("_command"), owners.get(field.name, ""))
        )
        name = field.group if isinstance(field.group, str) and field.group else owner
        group = found.setdefault(name, _group(name))
        try:
            group["fields"].append(described(field, owner))
        except Exception as error:  # whatever somebody else's declaration does when it is read
            group["problems"].append(f"{owner}: field {field.name[:80]}: {_why(error)}; tell its authors")
    for group in found.values():
        group["fields"].sort(key=lambda field: (bool(field["shown"]), not field["owner"]))
    ordered = sorted(found.values(), key=lambda group: _rank(group["name"]))
    return ordered + [
        {**_group(plugin.name), "title": plugin.distribution, "problems": [plugin.problem]}
        for plugin in plugins.discovered()
        if plugin.problem and not plugin.disabled
    ]


def assistants() -> list[dict[str, Any]]:
    """What plugins can set up: ``name``, ``title``, and the ``places`` that it is for."""
    return [
        {"name": entry.name, "title": entry.title, "places": list(entry.serves)}
        for entry in plugins.entries("assistant")
    ]


def _declared() -> Iterable[Field]:
    return settings_fields().values()


def _group(name: str) -> dict[str, Any]:
    return {"name": name, "title": GROUPS.get(name, name.capitalize()), "fields": [], "problems": []}


def _rank(name: str) -> int:
    return list(GROUPS).index(name) if name in GROUPS else len(GROUPS)


def sound(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Those that can be described."""
    found = {}
    for name, field in fields.items():
        with suppress(Exception):  # what ``groups`` shows as a problem
            described(field)
            found[name] = field
    return found


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, ClustrixError) else f"{type(error).__name__}: {error}"


def described(field: Field, owner: str = "") -> dict[str, Any]:
    """One field.  Raises whatever is wrong with its declaration."""
    if not field.secret:
        field.check(field.name, field.example)
        if field.default is not None:
            field.check(field.name, field.default)
    help_ = _text(field.help).strip() or "Whoever has declared it says nothing about it."
    return {
        "name": _text(field.name),
        "control": control(field),
        "choices": _choices(field),
        "help": help_.replace("None:", "Empty:"),
        "example": _example(field),
        "default": "" if field.default is None else text_of(field, field.default),
        "security": _text(field.security),
        "providers": {_text(place): _text(note) for place, note in field.providers.items()},
        "shown": _shown(field.shown),
        "option": _text(field.option),
        "owner": owner,
    }


def _example(field: Field) -> str:
    if field.secret:
        return ""
    if control(field) == "pairs":
        return ", ".join(f"{name}={entry}" for name, entry in field.example.items())
    return (
        field.example if isinstance(field.example, str) else text_of(field, field.example).replace("\n", ", ")
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r}")
    return value


def _shown(given: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    found = {_text(name): [_text(value) for value in values] for name, values in given.items()}
    strange = next((values for values in given.values() if isinstance(values, str)), None)
    if strange is not None:
        raise TypeError(f"shown: expected a tuple of texts, got {json.dumps(strange)}")
    return found


def _choices(field: Field) -> list[list[str]]:
    """Pairs of a value and what it is called."""
    if field.name == "cluster_type":
        titles = {entry.name: entry.title for entry in plugins.entries("backend")}
        titles |= {"local": "This machine"}
        return [
            [name, f"{titles[name]} ({name})" if name in titles else name] for name in plugins.backend_names()
        ]
    return [[_text(choice), choice] for choice in field.choices]
