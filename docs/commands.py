"""Writes reference/cli.md from the commands' own help: ``hatch run docs:commands``.  A test fails when the page is stale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from clustrix.cli.commands import clustrix

PAGE = Path(__file__).parent / "reference" / "cli.md"

_HEAD = """\
<!-- Written by docs/commands.py from the commands' own help: change it there, then `hatch run docs:commands`. -->

# The command line

A job is named by its id, by the beginning or the end of it (four characters or more), or by `@last`, the newest. `--debug`, before the
command, shows the traceback of an error.

## Exit codes

| code | means |
|---|---|
| 0 | all is well |
| 1 | the job came to no result, or the command could not do what it should: it has said why |
| 2 | the command was not understood |
| 3 | there is no such job, or several |
| 124 | `result --timeout`: the job is not done; it goes on |
| 130 | `run`: Ctrl-C; the job is cancelled |

## JSON

`--json` prints objects whose members are neither renamed nor taken away; new ones may come. Times are seconds since the epoch.
A job in `clustrix jobs --json` has `id`, `name`, `kind` (`call` or `map`), `state`, `reason`, `backend`, `tags`, `items`, `created`, `started`,
`ended`, `cores`, `memory_bytes` and `attempt`; what is not known is `null`.

## Commands
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_sections(clustrix, "clustrix"))


def _sections(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _sections(command, f"{path} {name}")
            continue
        parent = click.Context(click.Group(), info_name=path, terminal_width=100, max_content_width=100)
        text = command.get_help(click.Context(command, info_name=name, parent=parent))
        yield f"\n### `{path} {name}`\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
