"""What a submission would be, without one: where it would run, what it would ask for, the script that a batch system would get."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clustrix import plugins
from clustrix.backends import Backend, JobSpec
from clustrix.backends.interface import Onlooker, PushingBackend
from clustrix.journal import JobRecord, JobState, NewJob
from clustrix.runner.amounts import format_bytes
from clustrix.session import Session, session
from clustrix.submission import Subject, new_job


def explain(subject: Subject, items: int | None) -> str:
    """See ``ClusterFunction.explain``."""
    home = session()
    job = new_job(home, subject, "call" if items is None else "map", b"", items or 1, None)
    text = _words(job, subject, items)
    target = plugins.backend(job.backend).load()
    if not (isinstance(target, type) and issubclass(target, Backend)) or issubclass(target, PushingBackend):
        return text
    with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
        more = thread.submit(asyncio.run, _ask(target, home, job)).result()
    return f"{text}\n\n{more}" if more else text


def _words(job: NewJob, subject: Subject, items: int | None) -> str:
    cores = f"{job.cores} core" + ("s" if job.cores != 1 else "")
    parts = [
        cores,
        format_bytes(job.memory_bytes) + " of memory"
        if job.memory_bytes is not None
        else "memory as it likes",
        f"at most {job.time_s:g} s" if job.time_s is not None else "as long as it takes",
    ]
    host = subject.settings.get("cluster_host")
    where = f"{job.backend} at {host}" if host else f"{job.backend}, on this machine"
    each = "" if items is None else f" for each of {items:,} items"
    return f"{job.name} would run on {where}, with {', '.join(parts)}{each}."


async def _ask(target: type[Backend], home: Session, job: NewJob) -> str:
    import json

    record = JobRecord(
        **{field: getattr(job, field) for field in NewJob._fields if field in JobRecord._fields},
        seq=0,
        state=JobState.CREATED,
        reason="",
        cancel=False,
        environ="",
        created=time.time(),
        attempt=1,
        spared=0,
        handle="",
    )
    spec = JobSpec(record, home.journal, job.spec)
    folder = Path(home.place.root, "backends", job.backend)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    backend = target(Onlooker(json.loads(job.place) if job.place else {}, folder))
    try:
        return await backend.explain(spec)
    finally:
        await backend.close()
