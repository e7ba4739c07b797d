"""Commands for jobs that are there: what became of them, what they printed, their results, their end."""

from __future__ import annotations

import json
import pickle
import sys
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import click

from clustrix.cli.chosen import job_argument, job_of, jobs_argument
from clustrix.cli.failures import harmless, traced

FAILED = 1
TIMED_OUT = 124
"""As ``timeout`` has it."""
_CANCEL_SECONDS = 3.0
"""For what is cancelled to be seen to have ended."""


@click.command()
@jobs_argument
@click.option(
    "--items", is_flag=True, help="With a row for each item of a map: its arguments, state and time."
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects; with --items, a map has `rows`.")
def status(jobs: tuple[str, ...], items: bool, as_json: bool) -> None:
    """Tell where jobs are, since when, and why."""
    from clustrix.results.cells import Table

    found = [_told(job_of(name), items) for name in jobs]
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for number, told in enumerate(found):
        if number:
            print()
        rows = told.pop("rows", None)
        width = max(map(len, told))
        for name, value in told.items():
            if value not in (None, "", []):
                print(f"{name.ljust(width)}  {_for_people(name, value)}")
        if rows:
            print(Table(list(rows[0]), [list(row.values()) for row in rows]))


def _told(job: Any, items: bool) -> dict[str, Any]:
    from clustrix.results.items import COLUMNS

    record = job._home.journal.job(job.id)
    now = job.status()
    told = job.progress()
    found = {
        "id": job.id,
        "name": record.name,
        "kind": record.kind,
        "state": str(now.state),
        "reason": now.reason,
        "backend": record.backend,
        "tags": json.loads(record.tags) if record.tags else [],
        "attempt": record.attempt,
        "items": record.items,
        "cores": record.cores,
        "memory_bytes": record.memory_bytes,
        "time_s": record.time_s,
        "created": record.created,
        "started": now.started,
        "ended": now.ended,
        "progress": str(told) if told is not None else None,
    }
    if record.kind == "map":
        found |= {"finished": job.finished(), "failed": job.failed()}
        if items:
            found["rows"] = [dict(zip(COLUMNS, row, strict=True)) for row in job._overview.rows()]
    return found


def _for_people(name: str, value: Any) -> str:
    from datetime import datetime

    from clustrix.config import format_bytes

    if name in ("created", "started", "ended"):
        return datetime.fromtimestamp(value).astimezone().isoformat(" ", "seconds")
    if name == "memory_bytes":
        return format_bytes(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


@click.command()
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
def logs(job: str, follow: bool) -> None:
    """Print what a job has printed: its standard output, then its standard error; followed, both as they come."""
    handle = job_of(job)
    if not follow:
        sys.stdout.write(handle.logs())
        return
    for line in handle.logs(follow=True):
        print(line, flush=True)


@click.command()
@job_argument
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait no longer; the job goes on. Exit code 124.",
)
@click.option(
    "--format",
    "form",
    default="repr",
    show_default=True,
    help="repr, json, pickle, or one that a plugin brings.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Into this file.")
@click.pass_context
def result(context: click.Context, job: str, timeout: float | None, form: str, output: Path | None) -> None:
    """Wait for a job, and print what it returned. Exits with 1 if it came to no result, after its error."""
    handle = job_of(job)
    write = _writer(form)
    if not wait([handle], timeout).done:
        click.echo(handle._not_done(timeout), err=True)
        context.exit(TIMED_OUT)
    try:
        value = handle.result(0)
    except BaseException as error:  # whatever the user's function raised
        _show_failure(error)
        context.exit(FAILED)
    if output is None:
        write(value, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        with output.open("wb") as file:
            write(value, file)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error


def _writer(form: str) -> Any:
    from clustrix import plugins

    known = {"repr": write_repr, "json": _write_json, "pickle": lambda value, file: pickle.dump(value, file)}
    if form in known:
        return known[form]
    found = {entry.name: entry for entry in plugins.entries("result format")}
    if form not in found:
        raise click.BadParameter(f"{form!r} is none of {', '.join([*known, *found])}", param_hint="--format")
    return found[form].load()


def write_repr(value: Any, file: Any) -> None:
    """Whatever the terminal's encoding is."""
    file.write((repr(value) + "\n").encode("utf-8", "backslashreplace"))


def _write_json(value: Any, file: Any) -> None:
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise click.ClickException(
            f"the result cannot be written as JSON ({error}); try --format repr"
        ) from error
    file.write((text + "\n").encode("utf-8", "backslashreplace"))


def _show_failure(error: BaseException) -> None:
    from clustrix.errors import ClustrixError

    ours = isinstance(error, ClustrixError)
    click.echo(harmless(f"{type(error).__name__}: {error}") if ours else traced(error), err=True)


@click.command()
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--tag", metavar="TAG", help="All jobs that have this tag and have not ended.")
@click.option("--all", "everything", is_flag=True, help="All jobs that have not ended.")
def cancel(jobs: tuple[str, ...], tag: str | None, everything: bool) -> None:
    """End jobs, with all of their processes."""
    from clustrix import attach, listing

    handles = [job_of(name) for name in jobs]
    if tag is not None or everything:
        live = ["CREATED", "STAGING", "QUEUED", "RUNNING"]
        handles += [attach(row.id) for row in listing.jobs(state=live, tag=tag, limit=None)]
    elif not jobs:
        raise click.UsageError("say which: JOB, --tag, or --all")
    lives = [handle for handle in handles if handle.cancel()]
    wait(lives, _CANCEL_SECONDS)
    for handle in handles:
        status = handle.status()
        if handle not in lives:
            word = f"had ended before: {status.state}"
        elif handle.done():
            word = "is cancelled"
        else:
            word = f"{status.state}: {status.reason or 'it is being cancelled'}"
        print(harmless(f"{handle.id} {handle.name} {word}"))


@click.command()
@job_argument
def retry(job: str) -> None:
    """Run what has failed once more, as a job of its own; prints its id.

    Of a map, its failed items; a call as it was submitted. It has the environment variables of this command.
    A call that has succeeded, or has not ended, is not run again. Where reuse=True or a key would find the call, they find
    the new job from now on.
    """
    from clustrix import JobState, MapResult
    from clustrix.submission import submit_again

    handle = job_of(job)
    if isinstance(handle, MapResult):
        again = handle.retry_failed()
        print(again.id)
        click.echo(f"{len(again)} items of {len(handle)}", err=True)
        return
    state = handle.state
    if not state.final:
        raise click.ClickException(
            f"job {handle.id} has not ended: {state}. To end it: clustrix cancel {handle.id}"
        )
    if state is JobState.SUCCEEDED:
        raise click.ClickException(f"job {handle.id} has succeeded: clustrix result {handle.id}")
    print(submit_again(handle).id)


@click.command()
@click.argument("function", metavar="FUNCTION")
def forget(function: str) -> None:
    """Have the next call of a function run anew, where reuse=True would give an earlier one's result.

    FUNCTION is its name, as `clustrix jobs` shows it. Results that are there stay.
    """
    from clustrix.submission import forget_all

    print(f"{forget_all(function)} calls of {function} are forgotten")
