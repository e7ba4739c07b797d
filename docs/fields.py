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

Memory: units `KB`, `MB`, `GB`, `TB` and `KiB`, `MiB`, `GiB`, `TiB` are all powers of 1024, as batch systems read them; a number is bytes.
Time: `"00:10:00"`, `"90:00"` (minutes and seconds), `"1-12:00"` (days, hours), `"90 min"`; a number is seconds.
"""

_GROUPS = {
    "place": "Where",
    "jobs": "What a job needs and is",
    "session": "How this process behaves",
    "environment": "The job's Python on another machine",
    "scheduler": "What a batch system is asked for",
    "profile": "Profiles",
}


def page() -> str:
    """The text of the page."""
    fields: list[Field] = []
    for field in (*FIELDS.values(), *plugin_fields()):
        fields += [field, command_of(field)] if field.secret else [field]
    groups = list(dict.fromkeys(field.group for field in fields))
    ordered = sorted(groups, key=lambda group: [*_GROUPS, group].index(group))
    parts = [_HEAD]
    for group in ordered:
        parts.append(f"\n## {_GROUPS.get(group, group)}\n")
        parts.append(_table(field for field in fields if field.group == group))
    return "\n".join(parts)


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
    sentences += [f"{provider}: {note}" for provider, note in field.providers.items()]
    for other, values in field.shown.items():
        sentences.append(f"With `{other}` {' or '.join(f'`{value}`' for value in values)}.")
    return " ".join(sentences).replace("|", "\\|")


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, list, dict)) else repr(value)
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
