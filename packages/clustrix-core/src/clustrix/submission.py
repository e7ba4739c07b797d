"""From a call to a job in the journal: resources, bundle, row, and a word to the dispatcher."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from clustrix.attaching import attach
from clustrix.backends.local.capacity import machine_bytes, machine_cores
from clustrix.bundle import pack_call, pack_map
from clustrix.bundle.packing import Reference
from clustrix.config import current, format_bytes
from clustrix.errors import ClustrixError, ResourcesUnavailable
from clustrix.job import AsyncJobResult
from clustrix.journal import REUSE, NewJob
from clustrix.journal.ids import new_id
from clustrix.mapresult import MapResult
from clustrix.runner import bounds, filters
from clustrix.runner.setup import JOB_VARIABLE
from clustrix.session import Session, session

_warned: set[str] = set()
_latest_place: tuple[tuple[Any, ...], str] = ((), "")
"""What was seen at the latest submission, and the text for it: mostly the next one sees the same."""


class Subject(NamedTuple):
    """The function of a job."""

    function: Callable[..., Any]
    name: str
    reference: Reference | None
    options: Mapping[str, Any]
    """Field names to values, as the decorator and ``options()`` gave them."""

    def setting(self, field: str) -> Any:
        return self.options[field] if field in self.options else current()[field]


def submit_call(subject: Subject, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AsyncJobResult[Any]:
    """Make a job of one call; durable when this returns.

    Raises BundleError, an error below JournalError, ResourcesUnavailable, KeyTaken.
    """
    home = session()
    key, earlier = _recognised(home, subject, _call_digest, args, kwargs)
    if earlier is not None:
        return earlier
    payload = pack_call(home.blobs, subject.function, subject.reference, args, kwargs)
    job = _new_job(home, subject, "call", payload, 1, key)
    known = _write(home, job)
    if known != job.id:
        return _reused(known)
    handle: AsyncJobResult[Any] = AsyncJobResult(home, None, job.id, job.name, job.backend)
    home.client(job.dispatcher).submitted(job.id, handle._news)
    return handle


def submit_map(
    subject: Subject, bound: tuple[Any, ...], items: Sequence[tuple[Any, ...]], common: Mapping[str, Any]
) -> AsyncJobResult[Any]:
    """Make one job of many calls: ``function(*bound, *item, **common)``.  Raises as ``submit_call`` does."""
    home = session()
    key, earlier = _recognised(home, subject, _map_digest, bound, items, common)
    if earlier is not None:
        return earlier
    cores = min(subject.setting("default_cores"), machine_cores())
    workers = max(1, machine_cores() // cores)
    payload = pack_map(home.blobs, subject.function, subject.reference, bound, items, common, workers)
    job = _new_job(home, subject, "map", payload, len(items), key)
    known = _write(home, job)
    if known != job.id:
        return _reused(known)
    handle: MapResult[Any] = MapResult(home, None, job.id, job.name, job.backend, len(items))
    home.client(job.dispatcher).submitted(job.id, handle._news)
    return handle


def forget_call(subject: Subject, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Make the next such call run anew; False if none is recorded."""
    key = REUSE + _call_digest(subject.function, subject.reference, args, kwargs)
    return session().journal.forget(key)


def forget_all(name: str) -> int:
    """Make the next call of whatever it be run anew, for functions of this name; returns how many were forgotten."""
    return session().journal.forget_all(name)


def _recognised(
    home: Session, subject: Subject, digest: Callable[..., str], *call: Any
) -> tuple[str | None, AsyncJobResult[Any] | None]:
    """The key of a call, and the job that it has been before; that one is found without packing the call again."""
    key = subject.options.get("key")
    if key is not None or not subject.setting("reuse"):
        return key, None
    key = REUSE + digest(subject.function, subject.reference, *call)
    found = home.journal.holder(key)
    if found is None:
        return key, None
    job, path = found
    folders = home.place.live, home.place.kept  # it moves from the first to the second
    if path is not None and not any(os.path.exists(os.path.join(folder, job, path)) for folder in folders):
        home.journal.forget(key)  # somebody has removed its result
        return key, None
    return key, _reused(job)


def _call_digest(*call: Any) -> str:
    from clustrix.bundle.fingerprint import fingerprint_call

    return fingerprint_call(*call)


def _map_digest(*call: Any) -> str:
    from clustrix.bundle.fingerprint import fingerprint_map

    return fingerprint_map(*call)


def _reused(job: str) -> AsyncJobResult[Any]:
    handle = attach(job)
    handle.reused = True
    return handle


def _write(home: Session, job: NewJob) -> str:
    known = home.journal.submit(job, home.introduction())
    home.introduced = True
    return known


def _new_job(
    home: Session, subject: Subject, kind: str, payload: bytes, items: int, key: str | None
) -> NewJob:
    cores, memory = _resources(subject)
    return NewJob(
        id=new_id(),
        name=subject.name,
        kind=kind,
        dispatcher=home.name,
        backend=subject.setting("cluster_type"),
        cores=cores,
        memory_bytes=memory,
        time_s=subject.setting("default_time"),
        spec=place_of_submission(),
        payload=payload,
        items=items,
        parent=os.environ.get(JOB_VARIABLE),
        key=key,
    )


def place_of_submission() -> str:
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
    cores, memory = subject.setting("default_cores"), subject.setting("default_memory")
    if subject.setting("cluster_type") != "local":
        return cores, memory
    strict = subject.setting("local_strict")
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
            stacklevel=_levels_to_the_caller(),
        )


def _levels_to_the_caller() -> int:
    """For ``warnings.warn`` in the calling function: the nearest frame that is not of this package."""
    package, levels = os.path.dirname(__file__) + os.sep, 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, levels = frame.f_back, levels + 1
    return levels
