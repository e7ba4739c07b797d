"""``clustrix clean``: room on the disk."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from clustrix.runner.amounts import format_bytes

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST")


@click.command()
@click.option(
    "--older-than",
    "age",
    default="30d",
    show_default=True,
    metavar="AGE",
    help="Jobs that ended longer ago: '12 h', '90 d', 0 for all but those of the last minute.",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_ENDED, case_sensitive=False),
    help="Jobs that ended so; may be given several times.",
)
@click.option(
    "--kept",
    is_flag=True,
    help="The jobs stay, with their errors. Only the folders go that failed jobs and failed attempts have left: "
    "what they printed, and what was finished of a map.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing: tell what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="An object: of each kind count and bytes.")
def clean(age: str, states: tuple[str, ...], kept: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove jobs that ended long ago, and files that nobody needs.

    A job goes with its result, its output and its arguments, as far as no other job has them too: who still has its handle
    or its id is told that there is no such job. If it was recorded for reuse=True or has a key, the next such call runs anew.

    Jobs that have not ended stay, with all jobs that were submitted from them, or they from those. It can be run at any time,
    and again when it was killed.
    """
    from clustrix.cleaning import Choice, Cleaning
    from clustrix.journal import state_place

    choice = Choice(_seconds(age), states or None, kept)
    place = state_place()
    if not (dry_run or yes):
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked here: add --yes, or --dry-run to see what would go")
        found = Cleaning(place, choice, dry=True).run()
        _show(found, "would go")
        if not found.anything() or not click.confirm("Remove it?"):
            return
    done = Cleaning(place, choice, dry=dry_run).run()
    if as_json:
        print(json.dumps({"dry_run": dry_run, **_rows(done)}, indent=1))
    else:
        _show(done, "would go" if dry_run else "removed")


def _seconds(text: str) -> float:
    from clustrix.config.quantities import parse_time

    return 0.0 if text.strip() == "0" else parse_time("older-than", text) or 0.0


def _rows(done: Any) -> dict[str, Any]:
    parts = {"jobs": done.jobs, "folders": done.folders, "blobs": done.blobs, "files": done.files}
    return {
        **{name: {"count": part.number, "bytes": part.size_bytes} for name, part in parts.items()},
        "journal_bytes": done.journal_bytes,
        "free_bytes": done.free_bytes,
    }


def _show(done: Any, verb: str) -> None:
    for name, row in _rows(done).items():
        if isinstance(row, dict) and row["count"]:
            print(f"{name:<8} {row['count']:>9,}  {format_bytes(row['bytes']):>10}  {verb}")
    if not done.anything():
        print("there is nothing to remove")
    if done.journal_bytes:
        print(f"the journal's file is {format_bytes(done.journal_bytes)} smaller")
    elif done.free_bytes > done.jobs.size_bytes > 0:
        print(
            f"the journal's file keeps its size: {format_bytes(done.free_bytes)} of it are free for new jobs"
        )
