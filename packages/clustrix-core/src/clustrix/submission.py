"""From a call to a job in the journal: resources, bundle, row, and a word to the dispatcher."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from clustrix.attaching import announced, attach
from clustrix.backends.local.capacity import machine_bytes, machine_cores
from clustrix.bundle import pack_call, pack_map
from clustrix.bundle.packing import Reference
from clustrix.bundle.unused import named
from clustrix.config import format_bytes
from clustrix.config.fields import FIELDS
from clustrix.config.notices import levels_to_the_caller
from clustrix.errors import (
    ClustrixError,
    NestedTooDeep,
    ResourcesUnavailable,
    WaitsForItself,
    storage_error,
)
from clustrix.job import AsyncJobResult
from clustrix.journal import REUSE, NewJob
from clustrix.journal.ids import new_id
from clustrix.plugins import fields_of
from clustrix.runner import bounds, current, filters
from clustrix.runner.policy import RAISE, REQUEUE, Policy
from clustrix.runner.setup import JOB_VARIABLE
from clustrix.session import Session, session

_DEEPEST = 16
"""Jobs within jobs: as deep as nobody means it."""
_warned: set[str] = set()
_forbidden = ""
"""Why this process may submit nothing now; empty: it may."""
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

    Raises BundleError, an error below JournalError, ResourcesUnavailable, KeyTaken.
    """
    _check_allowed()
    home = session()
    key, earlier = _recognised(home, subject, "call", args, kwargs)
    if earlier is not None:
        return earlier
    payload = pack_call(home.blobs, subject.function, subject.reference, args, kwargs)
    return _submitted(home, subject, new_job(home, subject, "call", payload, 1, key))


def submit_map(
    subject: Subject, bound: tuple[Any, ...], items: Iterable[tuple[Any, ...]], common: Mapping[str, Any]
) -> AsyncJobResult[Any]:
    """Make one job of many calls: ``function(*bound, *item, **common)``.  Raises as ``submit_call`` does."""
    _check_allowed()
    home = session()
    if subject.settings["reuse"] and subject.settings["key"] is None:
        items = list(items)  # they are gone through twice
    key, earlier = _recognised(home, subject, "map", bound, items, common)
    if earlier is not None:
        return earlier
    cores = min(subject.settings["default_cores"], machine_cores())
    workers = max(1, min(machine_cores() // cores, subject.settings["max_parallel_jobs"] or machine_cores()))
    chunk = subject.settings["chunk"]
    payload, count = pack_map(
        home.blobs, subject.function, subject.reference, bound, items, common, workers, chunk
    )
    return _submitted(home, subject, new_job(home, subject, "map", payload, count, key))


def submit_again(earlier: AsyncJobResult[Any]) -> AsyncJobResult[Any]:
    """A new job of what an earlier call was submitted with; its environment variables are those of this process.

    It takes over the key that the earlier one still has, so that it is the one that is found under it.  If another job has taken
    that meanwhile, this is its handle.  Raises an error below JournalError.
    """
    home = session()
    record = home.journal.job(earlier.id)
    spec, payload = home.journal.payload(record.seq)
    for digest in named(payload):  # what is not there any more is told by the job
        home.blobs.hold(digest)
    job = record.anew(new_id(), os.environ.get(JOB_VARIABLE), spec, payload)
    job = job._replace(key=home.journal.keys.of(record.seq))
    known = home.journal.submit(job)
    return announced(home, job) if known == job.id else _reused(home, known)


@contextmanager
def forbidden(reason: str) -> Iterator[None]:
    """Have every submission of this process raise ClustrixError with this text, as long as the block lasts."""
    global _forbidden
    before, _forbidden = _forbidden, reason
    try:
        yield
    finally:
        _forbidden = before


def _check_allowed() -> None:
    if _forbidden:
        raise ClustrixError(_forbidden)
    if current.brought_along and not _is_installed():
        raise ClustrixError(
            "a job on another machine submits none: what runs it there cannot. Call the function, which runs it in place; or have clustrix "
            f"installed in the job's Python ({sys.executable})"
        )


def _is_installed() -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("clustrix")
    except PackageNotFoundError:
        return False
    return True


def forget_call(subject: Subject, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Make the next such call run anew; False if none is recorded."""
    key = REUSE + _digest("call", subject.function, subject.reference, args, kwargs)
    return session().journal.keys.forget(key)


def forget_all(name: str) -> int:
    """Make the next call of whatever it be run anew, for functions of this name; returns how many were forgotten."""
    return session().journal.keys.forget_all(name)


def _recognised(
    home: Session, subject: Subject, kind: str, *call: Any
) -> tuple[str | None, AsyncJobResult[Any] | None]:
    """The key of a call, and the job that it has been before; that one is found without packing the call again."""
    key = subject.settings["key"]
    if key is not None or not subject.settings["reuse"]:
        return key, None
    key = REUSE + _digest(kind, subject.function, subject.reference, *call)
    found = home.journal.keys.holder(key)
    if found is None:
        return key, None
    job, path = found
    folders = home.place.live, home.place.kept  # it moves from the first to the second
    if path is not None and not any(os.path.exists(os.path.join(folder, job, path)) for folder in folders):
        home.journal.keys.forget(key)  # somebody has removed its result
        return key, None
    return key, _reused(home, job)


def _digest(kind: str, *call: Any) -> str:
    from clustrix.bundle import fingerprint  # most submissions do without

    return (fingerprint.fingerprint_map if kind == "map" else fingerprint.fingerprint_call)(*call)


def _reused(home: Session, job: str) -> AsyncJobResult[Any]:
    within = os.environ.get(JOB_VARIABLE)
    above = home.journal.lineage(within, _DEEPEST) if within is not None else []
    if job in above and not home.journal.finished_among([job]):
        raise WaitsForItself(job)
    handle = attach(job)
    handle.reused = True
    return handle


def _submitted(home: Session, subject: Subject, job: NewJob) -> AsyncJobResult[Any]:
    """Write it down; returns its handle, or that of the job that has its key already."""
    added = subject.settings["environment_variables"]
    if subject.settings["secrets"]:
        added = {**added, **_sealed(home, subject.settings["secrets"], added)}
    known = home.journal.submit(job, home.introduction(), added)
    home.introduced = True
    return announced(home, job, subject.settings["progress"]) if known == job.id else _reused(home, known)


_seals: dict[tuple[str, str, str], str] = {}
"""What this process has sealed, by key, name and text: the same again is the same file again."""


def _sealed(home: Session, names: Sequence[str], added: Mapping[str, str]) -> dict[str, str]:
    """Secrets as the journal's files may have them.  Raises SecretUnavailable for one that is nowhere."""
    from clustrix.config.secrets import of_variable
    from clustrix.runner import sealing

    try:
        path = sealing.key_path(home.place.root)
        found = {}
        for name in names:
            known = (path, name, added[name] if name in added else of_variable(name))
            if known not in _seals:
                _seals[known] = sealing.seal(known[2], path)
            found[name] = _seals[known]
    except OSError as error:
        raise storage_error(home.place.root, error) from error
    return found


def new_job(
    home: Session, subject: Subject, kind: str, payload: bytes, items: int, key: str | None
) -> NewJob:
    """What is written down of a submission."""
    cores, memory = _resources(subject)
    parent = os.environ.get(JOB_VARIABLE)
    if parent is not None and len(home.journal.lineage(parent, _DEEPEST)) >= _DEEPEST:
        raise NestedTooDeep(_DEEPEST)
    return NewJob(
        id=new_id(),
        name=subject.settings["name"] or subject.name,
        kind=kind,
        dispatcher=home.name,
        backend=subject.settings["cluster_type"],
        cores=cores,
        memory_bytes=memory,
        time_s=subject.settings["default_time"],
        spec=_spec(subject, kind),
        payload=payload,
        items=items,
        parent=parent,
        key=key,
        tags=_tags(subject),
        place=place_of(subject.settings),
    )


def _tags(subject: Subject) -> str:
    tags = subject.settings["tags"]
    return json.dumps(tags, separators=(",", ":")) if tags else ""


def _spec(subject: Subject, kind: str) -> str:
    """The place of the submission, with what there is to say beside it."""
    settings = subject.settings
    more: dict[str, Any] = {}
    requeues = settings["max_requeues"] if settings["on_time_limit"] == REQUEUE else 0
    if settings["retries"] or settings["retry_memory"] or settings["on_error"] != RAISE or requeues:
        more["policy"] = Policy(
            settings["on_error"],
            settings["retries"],
            settings["retry_on"],
            settings["retry_delay"],
            settings["retry_memory"] or 1.0,
            settings["retry_memory_limit"],
            requeues,
        )._asdict()
    if kind == "map" and settings["max_parallel_jobs"]:
        more["workers"] = settings["max_parallel_jobs"]
    own = _own_fields(subject.settings, "job")
    if own:
        more["settings"] = own
    if settings["cluster_type"] != "local":  # elsewhere, only what is named may be wanted
        more["variables"] = sorted({*settings["environment_variables"], *settings["secrets"]})
    text = place_of_submission()
    return f"{text[:-1]},{json.dumps(more, separators=(',', ':'))[1:]}" if more else text


def place_of(settings: Mapping[str, Any]) -> str:
    """The settings that tell which place is meant; equal places have equal texts."""
    own = _own_fields(settings, "place")
    return json.dumps(own, separators=(",", ":"), sort_keys=True) if own else ""


_OF_PLACES = [field for field in FIELDS.values() if "cluster_type" in field.shown]
"""The core's own that mean something only where jobs run elsewhere."""


def _own_fields(settings: Mapping[str, Any], scope: str) -> dict[str, Any]:
    """What the place of the job needs: the fields that its plugin has declared, and what is set of the core's; no secrets."""
    backend = settings["cluster_type"]
    if backend == "local":
        return {}
    declared = [field for field in fields_of(backend) if field.scope == scope and not field.secret]
    found = {field.name: settings[field.name] for field in declared}
    return found | {
        field.name: settings[field.name]
        for field in _OF_PLACES
        if field.scope == scope and settings[field.name] != field.default
    }


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
    cores, memory = subject.settings["default_cores"], subject.settings["default_memory"]
    if subject.settings["cluster_type"] != "local":
        return cores, memory
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
