"""Writes reference/fields.md from the declarations: ``hatch run docs:fields``.  A test fails when the page is stale."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, command_of
from clustrix.plugins import fields as plugin_fields

PAGE = Path(__file__).parent / "reference" / "fields.md"

_HEAD = """\
<!-- Written by docs/fields.py from the declarations in clustrix.config.declared and clustrix_ssh.fields: change them there, then `hatch run docs:fields`. -->

# Settings and options

A setting is set in a [file](../how-to/configuration.md), as an environment variable, by `configure()` or by an option of `@cluster` and
`options()`; what wins is told on [that page](../how-to/configuration.md). The name of the environment variable is that of the
setting in capitals behind `CLUSTRIX_`: `CLUSTRIX_DEFAULT_CORES=4`.

What each becomes at a place, and what a good value is there, is on [a page of its own](every-field.md).

Memory: units `KB`, `MB`, `GB`, `TB` and `KiB`, `MiB`, `GiB`, `TiB` are all powers of 1024, as batch systems read them; a number is bytes.
Time: `"00:10:00"`, `"90:00"` (minutes and seconds), `"1-12:00"` (days, hours), `"90 min"`; a number is seconds.
"""

GROUPS = {
    "place": "Where",
    "jobs": "What a job needs and is",
    "session": "How this process behaves",
    "environment": "The job's Python on another machine",
    "scheduler": "What a batch system is asked for",
    "failures": "When a call fails",
    "profile": "Profiles",
}
"""Headings, in the order of the page; others follow under their own names."""


def page() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for group, fields in grouped().items():
        parts.append(f"\n## {GROUPS.get(group, group)}\n")
        parts.append(_table(fields))
    return "\n".join(parts)


def grouped() -> dict[str, list[Field]]:
    """All fields by group, in the order of the page; behind a secret the command that tells it."""
    found: dict[str, list[Field]] = {group: [] for group in GROUPS}
    for field in (*FIELDS.values(), *plugin_fields()):
        found.setdefault(field.group, []).extend([field, command_of(field)] if field.secret else [field])
    return {group: fields for group, fields in found.items() if fields}


def _table(fields: Iterable[Field]) -> str:
    rows = ["| setting | option | means | default | example |", "|---|---|---|---|---|"]
    for field in fields:
        setting = f"`{field.name}`" if field.setting else "–"
        option = f"`{field.option}`" if field.option else "–"
        rows.append(
            f"| {setting} | {option} | {_meaning(field)} | `{_value(field.default)}` | `{_value(field.example)}` |"
        )
    return "\n".join(rows) + "\n"


def _meaning(field: Field) -> str:
    sentences = [field.help]
    if field.choices:
        sentences.append(f"One of {', '.join(f'`{choice}`' for choice in field.choices)}.")
    if field.secret:
        sentences.append(
            "A secret: it comes from the keyring, the environment or a command, and is never written or shown."
        )
    if field.security:
        sentences.append(field.security)
    if field.shown:
        sentences.append(f"With {visible(field)}.")
    return " ".join(sentences).replace("|", "\\|")


def visible(field: Field) -> str:
    """With which values of other fields it matters."""
    return " and ".join(
        f"`{other}` {' or '.join(f'`{value}`' for value in values)}" for other, values in field.shown.items()
    )


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, list, dict)) else repr(value)
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
