"""``clustrix jobs``: what there is."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

_STATES = ("CREATED", "STAGING", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST")
_LIMIT = 30
_LOOK_SECONDS = 1.0


@click.command()
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    shell_complete=lambda context, parameter, incomplete: [
        state for state in _STATES if state.startswith(incomplete.upper())
    ],
    help=f"One of {', '.join(_STATES)}; may be given several times.",
)
@click.option("--name", metavar="NAME", help="With * for anything.")
@click.option("--tag", metavar="TAG", help="One that they have.")
@click.option("--since", metavar="WHEN", help="Submitted since then: '2 h' ago, or a date and time.")
@click.option("--until", metavar="WHEN", help="Submitted before.")
@click.option(
    "--limit", type=click.IntRange(0), default=_LIMIT, show_default=True, help="So many at most, the newest."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="A list of objects, one a line; all of them unless --limit is given.",
)
@click.option("--watch", is_flag=True, help="Show them until all have ended, or Ctrl-C.")
@click.pass_context
def jobs(
    context: click.Context,
    /,
    states: tuple[str, ...],
    everything: bool,
    as_json: bool,
    watch: bool,
    limit: int,
    **which: Any,
) -> None:
    """List jobs, the newest first.

    The members of a JSON object are explained in the reference; none is renamed or taken away.
    """
    from clustrix import listing
    from clustrix.errors import ConfigError

    given = context.get_parameter_source("limit") is not click.core.ParameterSource.DEFAULT
    which |= {"state": states or None, "limit": None if everything or (as_json and not given) else limit}
    try:
        if as_json:
            sys.stdout.buffer.writelines(listing.rows_as_json(**which))
        elif watch:
            _watch(which)
        else:
            _show(listing.jobs(**which), limit)
    except ConfigError as error:
        raise click.BadParameter(f"{error.value!r} {error.allowed}", param_hint=f"--{error.field}") from error


def _show(found: Any, limit: int) -> None:
    print(found)
    if found.more and limit:
        print(f"… and older ones: clustrix jobs --all, or --limit {2 * limit}", file=sys.stderr)


def _watch(which: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from clustrix import listing
    from clustrix.journal import FINAL

    console = Console()
    if not console.is_terminal:
        _watch_lines(which)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = listing.jobs(**which)
            live.update(Text(_with_progress(found)), refresh=True)
            if all(row.state in FINAL for row in found):
                return
            time.sleep(_LOOK_SECONDS)


def _with_progress(found: Any) -> str:
    """The table, and below it what running jobs tell of themselves."""
    from clustrix.journal import state_place
    from clustrix.reports import read

    place = state_place()
    told = []
    for row in found:
        reports = read(place, row.id) if row.state.value == "RUNNING" else []
        told += [f"{row.id} {row.name}: {report}" for report in reports[-1:]]
    return "\n".join([str(found), *told])


def _watch_lines(which: dict[str, Any]) -> None:
    """Where no terminal shows a table: a line for each change."""
    from clustrix import listing
    from clustrix.journal import FINAL

    seen: dict[str, str] = {}
    while True:
        found = listing.jobs(**which)
        for row in reversed(found):
            state = str(row.state)
            if seen.get(row.id) != state:
                seen[row.id] = state
                print(row.id, row.name, state, row.reason, flush=True)
        if all(row.state in FINAL for row in found):
            return
        time.sleep(_LOOK_SECONDS)
