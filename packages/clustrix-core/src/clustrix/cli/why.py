"""``clustrix why`` and ``timeline``: what a job waits for, what it died of, where its time went."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import click

from clustrix.cli.chosen import job_argument, job_of
from clustrix.cli.failures import harmless, traced

_BAR_CHARACTERS = 40


@click.command()
@job_argument
def why(job: str) -> None:
    """Tell why a job waits, or why it ended as it did, with the evidence."""
    from clustrix import JobState, MapResult

    handle = job_of(job)
    status = handle.status()
    print(harmless(str(status)))
    if not status.state.final:
        _why_it_waits(handle, status)
        return
    if status.state is JobState.SUCCEEDED:
        print("It has succeeded: clustrix result " + handle.id)
        return
    if isinstance(handle, MapResult) and handle.failed():
        print(handle.errors())
        print(f"To run those again: clustrix retry {handle.id}")
        return
    _, outcome = handle._home.journal.outcome(handle.id)
    if outcome.error is not None:
        _show_record(json.loads(outcome.error))
    else:
        print(traced(handle.exception(0)))
    _show_history(handle)
    if not isinstance(handle, MapResult):
        print(f"To run it again: clustrix retry {handle.id}")


def _why_it_waits(handle: Any, status: Any) -> None:
    from clustrix.dispatcher.instance import Instance

    record = handle._home.journal.job(handle.id)
    if status.reason:
        print(f"The reason that is given: {status.reason}")
    told = handle.progress()
    if told is not None:
        print(f"It says of itself: {told}")
    if not Instance(handle._home.place, record.dispatcher).running():
        print(
            "Its dispatcher is not running: it starts when somebody asks for the job, as `clustrix result` does. "
            "The job is safe in the journal."
        )
    _show_history(handle)


def _show_record(row: dict[str, Any]) -> None:
    print(harmless(f"{row['error']}: {row['cause']}"))
    for name, value in row.get("details", {}).items():
        if name != "traceback" and value is not None:
            print(harmless(f"  {name}: {value}"))
    if row.get("advice"):
        print(f"What to do: {row['advice']}")
    stderr = row.get("stderr", "").rstrip()
    if stderr:
        print("The end of its stderr:")
        print("\n".join(harmless(f"  | {line}") for line in stderr.splitlines()[-12:]))


def _show_history(handle: Any) -> None:
    print("Its history:")
    for at, state, reason in handle._home.journal.history(handle.id):
        print(f"  {_clock(at)}  {state}{f'  {reason}' if reason else ''}")


@click.command()
@job_argument
@click.option("--json", "as_json", is_flag=True, help="A list of objects: state, reason, at, seconds.")
def timeline(job: str, as_json: bool) -> None:
    """Show in which state a job was for how long."""
    handle = job_of(job)
    history = handle._home.journal.history(handle.id)
    final = history[-1][1].final
    ends = [at for at, _, _ in history[1:]] + [history[-1][0] if final else time.time()]
    rows = [
        {"state": str(state), "reason": reason, "at": at, "seconds": end - at}
        for (at, state, reason), end in zip(history, ends, strict=True)
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    whole = max(sum(row["seconds"] for row in rows), 1e-9)
    for row in rows:
        bar = "█" * round(_BAR_CHARACTERS * row["seconds"] / whole)
        reason = f"  {row['reason']}" if row["reason"] else ""
        print(f"{_clock(row['at'])}  {row['state']:<10} {row['seconds']:>9.3f} s  {bar}{reason}")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "milliseconds")
