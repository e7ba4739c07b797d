"""The connection test: looks at the place of a draft, step by step, and runs a job there, without having the draft hold."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from clustrix import plugins
from clustrix.config.store import Resolved
from clustrix.errors import ClustrixError, JobError
from clustrix.plugins.checks import FAILED, Check, failed, ok
from clustrix.plugins.registry import Entry
from clustrix_notebook.widget.conversing import Ask, Doing, Step, Verdict

_JOB_SECONDS = 120.0
_LOOK_SECONDS = 0.05


async def connection_test(settings: Resolved, ask: Ask, stopped: threading.Event) -> AsyncIterator[Step]:
    """Of the place that these settings mean."""
    began = time.monotonic()
    whole = True
    place = settings["cluster_type"]
    try:
        async for check in _looked(place, settings, ask):
            whole = whole and not (isinstance(check, Check) and check.state == FAILED)
            yield check
        if whole:
            yield Doing("running a job there")
            check = await asyncio.to_thread(run_job, settings, stopped)
            whole = check.state != FAILED
            yield check
    except Exception as error:  # a plugin's: whatever it is, it is a finding
        whole = False
        yield failed("test", f"{type(error).__name__}: {error}", "")
    verdict = f"{place} can be used" if whole else f"{place} cannot be used as it is"
    yield Verdict(f"{verdict}; looked for {time.monotonic() - began:.1f} s", whole)


async def _looked(place: str, settings: Resolved, ask: Ask) -> AsyncIterator[Step]:
    entry = next((entry for entry in plugins.entries("connection test") if entry.name == place), None)
    if entry is None:
        yield ok("place", f"{place} has nothing to look at but a job")
        return
    yield Doing("connecting")
    async for check in entry.load()(settings, ask):
        yield check
        yield Doing("looking further")


async def assistance(entry: Entry, settings: Resolved, ask: Ask) -> AsyncIterator[Step]:
    """What a plugin's assistant does, step by step."""
    whole = True
    yield Doing("looking")
    async for step in entry.load()(settings, ask):
        whole = whole and not (isinstance(step, Check) and step.state == FAILED)
        yield step
    yield Verdict("done: test the connection now" if whole else "not done", whole)


def run_job(settings: Mapping[str, Any], stopped: threading.Event) -> Check:
    """A job that does nothing, with these settings, there and back; cancelled when somebody has ``stopped``."""
    from clustrix.submission import Subject, submit_call

    def call() -> None:
        """Within, since it travels by value then."""

    quiet = {
        **settings,
        "name": "connection test",
        "progress": False,
        "reuse": False,
        "key": None,
        "retries": 0,
        "secrets": (),
    }
    began = time.monotonic()
    try:
        job = submit_call(Subject(call, "connection test", None, quiet), (), {})
        while not job.done():
            if stopped.wait(_LOOK_SECONDS) or time.monotonic() - began > _JOB_SECONDS:
                reason = job.status().reason
                job.cancel()
                return failed(
                    "job",
                    f"not back after {time.monotonic() - began:.0f} s{f': {reason}' if reason else ''}",
                    "It was cancelled. See what it waits for: the queue may be full, or its limits too small.",
                )
        job.result(timeout=_JOB_SECONDS)
    except (ClustrixError, JobError) as error:
        return failed("job", str(error), "")
    return ok("job", f"ran there and came back after {time.monotonic() - began:.2f} s")
