"""Writes reference/every-field.md from the declarations: ``hatch run docs:explained``.  A test fails when the page is stale."""

from __future__ import annotations

import json
import runpy
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from clustrix.config import yamltext
from clustrix.config.field import Field, literal
from clustrix.config.layers import PREFIX
from clustrix.errors import ConfigFileError

DOCS = Path(__file__).parent
PAGE = DOCS / "reference" / "every-field.md"
PICTURES = DOCS / "pictures"
"""Of a form: one picture a group, where there is one."""
NOT = "does not apply"

_TABLE = runpy.run_path(str(DOCS / "fields.py"))
"""The page that has the same fields in a table."""
_HEAD = """\
<!-- Written by docs/explained.py from the declarations in clustrix.config.declared and clustrix_ssh.fields: change them there, then `hatch run docs:explained`. -->

# Every setting explained

What each setting means, and what a good value is at the place where your jobs run. [](fields.md) has the same settings in a table,
and [](../how-to/configuration.md) tells where they are set and what wins. A form shows of each what stands here.

A place is a value of [`cluster_type`](#cluster_type): `local` is this machine, `ssh` another one without a batch system; `slurm`, `pbs` and `sge` are clusters.
`kubernetes`, `eks`, `aks` and `gke` are to come: what is said of them is true of such places in general, and clustrix runs no jobs there yet.
"""
_KEPT_APART = (
    "It is a secret: it comes from the keyring, the environment or a command, and is never written or shown."
)


def page() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for group, fields in _TABLE["grouped"]().items():
        heading = _TABLE["GROUPS"].get(group, group)
        parts.append(f"\n## {heading}\n")
        if (PICTURES / f"form-{group}.png").exists():
            parts.append(
                f"![{heading}: this part of the form](../pictures/form-{group}.png){{width=640px}}\n"
            )
        parts += [_section(field) for field in fields]
    parts.append(_overview())
    return "\n".join(parts)


def _section(field: Field) -> str:
    sentences = [field.help]
    if field.choices:
        sentences.append(f"One of {', '.join(f'`{choice}`' for choice in field.choices)}.")
    if field.secret:
        sentences.append(_KEPT_APART)
    lines = [f"### `{field.name}`", "", " ".join(sentences), "", *_facts(field), ""]
    if field.security:
        lines += [f"**Security.** {field.security}", ""]
    if field.providers:
        lines += ["| place | what it is there, and a good value |", "|---|---|"]
        for note, places in groupby(field.providers, key=lambda place: field.providers[place]):
            lines.append(f"| {', '.join(f'`{place}`' for place in places)} | {_cell(note)} |")
        lines.append("")
    return "\n".join(lines)


def _facts(field: Field) -> Iterator[str]:
    yield f"- In a file: {_code(in_file(field)) or _why_not(field)}"
    yield f"- In Python: {_code(in_python(field)) or _why_not(field)}"
    yield f"- Environment variable: {_code(in_environment(field)) or _why_not(field)}"
    option = f"@cluster({field.option}={literal(field.example)})" if field.option else ""
    yield f"- Option of `@cluster` and `options()`: {_code(option) or f'{NOT}: it is one for all jobs of a process or place'}"
    yield f"- Default: {_code(_default(field))}"
    when = f"with {_TABLE['visible'](field)}" if field.shown else "always"
    yield f"- Visible in a form: {when}"


def _is_set_for_all(field: Field) -> bool:
    return field.setting or field.name == "profile"  # which is chosen like a setting, and is none


def in_file(field: Field) -> str:
    """Its example as a line of a YAML file; empty where it is not for files."""
    if field.secret or not _is_set_for_all(field):
        return ""
    plain = f"{field.name}: {field.example}"
    if isinstance(field.example, str) and _read(plain) == {field.name: field.example}:
        return plain
    return f"{field.name}: {json.dumps(field.example, ensure_ascii=False)}"


def _read(text: str) -> Any:
    try:
        found = yamltext.parse("clustrix.yml", text)
    except ConfigFileError:
        return None
    return found.plain() if found is not None else None


def in_python(field: Field) -> str:
    """Its example as it is set in a script; empty for what belongs to one function."""
    return f"configure({field.name}={literal(field.example)})" if _is_set_for_all(field) else ""


def in_environment(field: Field) -> str:
    """Its example as a shell sets it; empty for what belongs to one function."""
    if not _is_set_for_all(field):
        return ""
    text = field.example if isinstance(field.example, str) else json.dumps(field.example, ensure_ascii=False)
    return f"{PREFIX}{field.name.upper()}={shlex.quote(text)}"


def _why_not(field: Field) -> str:
    return f"{NOT}: a secret is not for files" if field.secret else f"{NOT}: it belongs to one function"


def _default(field: Field) -> str:
    number = isinstance(field.default, (int, float)) and not isinstance(field.default, bool)
    return (
        literal(field.kind.say(field.default))
        if number and field.kind.say is not str
        else literal(field.default)
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _overview() -> str:
    rows = [
        "\n## All of them at a glance\n",
        f"What there is to each: ✓. Where it {NOT}: no safety is at stake, the value means the same at every place, or the setting is always visible.\n",
        "| setting | tooltip | example | security note | provider note | visible when |",
        "|---|---|---|---|---|---|",
    ]
    for fields in _TABLE["grouped"]().values():
        for field in fields:
            found = [field.help, str(field.example), field.security, field.providers, field.shown]
            cells = " | ".join("✓" if one else NOT for one in found)
            rows.append(f"| [`{field.name}`](#{field.name}) | {cells} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
