"""From a call to a job in the journal: resources, bundle, row, and a word to the dispatcher."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from clustrix.attaching import attach
from clustrix.backends.local.capacity import machine_bytes, machine_cores
from clustrix.bundle import pack_call, pack_map
from clustrix.bundle.packing import Reference
from clustrix.config import format_bytes
from clustrix.config.notices import levels_to_the_caller
from clustrix.errors import ClustrixError, ResourcesUnavailable
from clustrix.job import AsyncJobResult
from clustrix.journal import NewJob
from clustrix.mapresult import MapResult
from clustrix.runner import bounds, filters
from clustrix.runner.setup import JOB_VARIABLE
from clustrix.session import Session, session

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_warned: set[str] = set()
_latest_place: tuple[tuple[Any, ...], str] = ((), "")
"""What was seen at the latest submission, and the text for it: mostly the next one sees the same."""


class Subject(NamedTuple):
    """The function of a job."""

    function: Callable[..., Any]
    name: str
    reference: Reference | None
    settings: Mapping[str, Any]
    """What holds for it, its own options included."""


def submit_call(subject: Subject, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AsyncJobResult[Any]:
    """Make a job of one call; durable when this returns.

    Raises BundleError, an error below JournalError, ResourcesUnavailable.
    """
    home = session()
    payload = pack_call(home.blobs, subject.function, subject.reference, args, kwargs)
    job = _new_job(home, subject, "call", payload, 1)
    known = _write(home, job, subject)
    if known != job.id:
        return attach(known)
    handle: AsyncJobResult[Any] = AsyncJobResult(home, None, job.id, job.name, job.backend)
    home.client(job.dispatcher).submitted(job.id, handle._news)
    return handle


def submit_map(
    subject: Subject, bound: tuple[Any, ...], items: Sequence[tuple[Any, ...]], common: Mapping[str, Any]
) -> AsyncJobResult[Any]:
    """Make one job of many calls: ``function(*bound, *item, **common)``.  Raises as ``submit_call`` does."""
    home = session()
    cores = min(subject.settings["default_cores"], machine_cores())
    workers = max(1, min(machine_cores() // cores, subject.settings["max_parallel_jobs"] or machine_cores()))
    payload = pack_map(home.blobs, subject.function, subject.reference, bound, items, common, workers)
    job = _new_job(home, subject, "map", payload, len(items))
    known = _write(home, job, subject)
    if known != job.id:
        return attach(known)
    handle: MapResult[Any] = MapResult(home, None, job.id, job.name, job.backend, len(items))
    home.client(job.dispatcher).submitted(job.id, handle._news)
    return handle


def _write(home: Session, job: NewJob, subject: Subject) -> str:
    known = home.journal.submit(job, home.introduction(), subject.settings["environment_variables"])
    home.introduced = True
    return known


def _new_job(home: Session, subject: Subject, kind: str, payload: bytes, items: int) -> NewJob:
    cores, memory = _resources(subject)
    return NewJob(
        id=_new_id(),
        name=subject.settings["name"] or subject.name,
        kind=kind,
        dispatcher=home.name,
        backend=subject.settings["cluster_type"],
        cores=cores,
        memory_bytes=memory,
        time_s=subject.settings["default_time"],
        spec=_place_of_submission(),
        payload=payload,
        items=items,
        parent=os.environ.get(JOB_VARIABLE),
        key=subject.settings["key"],
        tags=_tags(subject),
    )


def _tags(subject: Subject) -> str:
    tags = subject.settings["tags"]
    return json.dumps(tags, separators=(",", ":")) if tags else ""


def _place_of_submission() -> str:
    try:
        cwd = os.getcwd()
    except FileNotFoundError as error:
        raise ClustrixError("the working directory does not exist any more; change to another one") from error
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    argv = getattr(sys, "argv", [""])
    seen = (cwd, [*sys.path], [*argv], main, bounds.text(), filters.text())
    global _latest_place
    latest, text = _latest_place
    if seen != latest:
        place = {
            "cwd": cwd,
            "path": [os.path.abspath(entry) if entry else cwd for entry in sys.path],
            "argv": argv,
            "main": os.path.abspath(main) if main else None,
            "bounds": seen[4],
            "warnings": seen[5],
        }
        text = json.dumps(place, separators=(",", ":"))
        _latest_place = seen, text
    return text


def _resources(subject: Subject) -> tuple[int, int | None]:
    """Cores and memory as asked for; a word if this machine has less."""
    cores, memory = subject.settings["default_cores"], subject.settings["default_memory"]
    strict = subject.settings["local_strict"]
    if cores > 1:
        _compare("cores", cores, machine_cores(), str, strict)
    if memory is not None:
        _compare("memory", memory, machine_bytes(), format_bytes, strict)
    return cores, memory


def _compare(field: str, asked: int, there: int, show: Callable[[int], str], strict: bool) -> None:
    if asked <= there:
        return
    if strict:
        allowed = f"{show(asked)} were asked for, this machine has {show(there)} (local_strict=True)"
        raise ResourcesUnavailable(field, asked, allowed)
    if field not in _warned:
        _warned.add(field)
        warnings.warn(
            f"{field}={show(asked)}: this machine has {show(there)}; the job runs with what there is "
            "(local_strict=True refuses it)",
            stacklevel=levels_to_the_caller(),
        )


_id_lock = threading.Lock()
_last_id = (0, 0)


def _new_id() -> str:
    """26 characters: milliseconds since the epoch, then 80 random bits; later ones sort after earlier ones."""
    global _last_id
    with _id_lock:
        now = max(time.time_ns() // 1_000_000, _last_id[0])
        tail = _last_id[1] + 1 if now == _last_id[0] else secrets.randbits(79)
        _last_id = (now, tail)
    number = (now << 80) | tail
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def _reset_ids() -> None:
    # A forked child goes on from the same last id: it must not make the same next one.
    global _id_lock, _last_id
    _id_lock = threading.Lock()
    _last_id = (0, 0)


os.register_at_fork(after_in_child=_reset_ids)
