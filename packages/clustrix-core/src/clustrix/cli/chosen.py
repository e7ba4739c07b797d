"""Jobs as one names them on a command line: an id, the beginning or the end of one, or ``@last``."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from clustrix.errors import UnknownJob

NO_SUCH_JOB = 3
"""The exit code where there is none, or more than one."""
LAST = "@last"
_SHORTEST = 4
_MOST_LOOKED_AT = 10_000
_ID_CHARACTERS = 26


def job_of(text: str) -> Any:
    """The handle of a job; ends the command with a word if the text names none, or several."""
    from clustrix import attach
    from clustrix.listing import jobs

    word = text.strip().upper()
    if len(word) == _ID_CHARACTERS:
        try:
            return attach(word)
        except UnknownJob as error:
            _leave(str(error))
    rows = jobs(limit=1 if text == LAST else _MOST_LOOKED_AT)
    if text == LAST:
        return attach(rows[0].id) if rows else _leave("there are no jobs yet")
    if len(word) < _SHORTEST:
        _leave(f"{text!r}: give at least {_SHORTEST} characters of the id, or {LAST}")
    found = [row for row in rows if row.id.startswith(word) or row.id.endswith(word)]
    if len(found) == 1:
        return attach(found[0].id)
    if found:
        which = ", ".join(f"{row.id} ({row.name})" for row in found[:5])
        _leave(f"{text!r} is not one job but {len(found)}: {which}{', …' if len(found) > 5 else ''}")
    return _leave(f"no job whose id is {text!r}, or begins or ends so. To see them: clustrix jobs")


def _leave(problem: str) -> NoReturn:
    print(f"Error: {problem}", file=sys.stderr)
    sys.exit(NO_SUCH_JOB)


def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Ids for the shell, the newest first."""
    from click.shell_completion import CompletionItem

    from clustrix.listing import jobs

    rows = [row for row in jobs(limit=50) if row.id.startswith(incomplete.upper())]
    return [CompletionItem(row.id, help=f"{row.name} {row.state}") for row in rows]


job_argument = click.argument("job", metavar="JOB", shell_complete=complete)
jobs_argument = click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete)
