"""Read what a job came to: the value, or the exception to raise.  The counterpart of ``clustrix.runner.outcome``."""

from __future__ import annotations

import json
import linecache
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from types import FunctionType, TracebackType
from typing import Any

import tblib

from clustrix.errors import (
    JOB_ERRORS,
    JobError,
    JobLost,
    RemoteError,
    ResultDamaged,
    ResultUnpicklable,
)
from clustrix.journal import JobRecord, Journal, Outcome
from clustrix.runner import outcome as kinds
from clustrix.runner.frames import CONTAINER, Buffer, Damaged, Record, record_body, unpack
from clustrix.runner.pickling import load


class Subject:
    """Whose outcome it is; what errors call it."""

    def __init__(self, job: str, name: str, place: str, item: int | None = None) -> None:
        self.job = job
        self.name = name
        self.place = place
        self.item = item

    def error(self, cls: type[JobError], cause: str, **more: Any) -> JobError:
        return cls(self.job, self.name, cause, place=self.place, item=self.item, **more)


def read(journal: Journal, job: str) -> tuple[bool, Any]:
    """``(True, value)`` or ``(False, exception)`` of a call that has ended."""
    record, found = journal.outcome(job)
    return decode(journal, record, found)


def decode(journal: Journal, record: JobRecord, found: Outcome) -> tuple[bool, Any]:
    """The same for a job whose rows are at hand."""
    subject = Subject(record.id, record.name, record.backend)
    if found.error is not None:
        return False, _recorded(subject, json.loads(found.error))
    if found.data is None and found.path is None:
        return False, subject.error(JobLost, found.reason or "it has no result")
    try:
        # Private memory in both cases: arrays are views into it, and the caller may change them.
        data = found.data
        buffer = bytearray(data) if data is not None else _mapped(journal, record.id, found.path or "")
        return open_container(subject, buffer)
    except Damaged as error:
        return False, _damaged(subject, error)


def _mapped(journal: Journal, job: str, name: str) -> memoryview:
    """A large result as private memory."""
    fd = journal.place.open(job, name)
    if fd is None:
        raise Damaged("its file is gone")
    try:
        size = os.fstat(fd).st_size
        if not size:
            raise Damaged("its file is empty")
        return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_COPY))
    finally:
        os.close(fd)


def decode_item(subject: Subject, buffer: Buffer, found: Record) -> tuple[bool, Any]:
    """``(True, value)`` or ``(False, exception)`` of one item of a map."""
    try:
        body = record_body(buffer, found)
        if found.flags & CONTAINER:
            return open_container(subject, body)
        return True, load([body])
    except Damaged as error:
        return False, _damaged(subject, error)


def _damaged(subject: Subject, error: Exception) -> JobError:
    advice = "It was not unpickled; submit it again."
    return subject.error(ResultDamaged, f"its result is damaged: {error}", advice=advice)


def open_container(subject: Subject, buffer: Buffer) -> tuple[bool, Any]:
    """Check and unpack an outcome; raises Damaged."""
    meta, found = unpack(buffer)
    pieces = [piece for piece in found if isinstance(piece, memoryview)]
    kind = meta["kind"]
    if kind == kinds.VALUE:
        try:
            return True, load(pieces)
        except Exception as error:  # whatever a class's own __setstate__ raises
            cause = f"its result cannot be unpickled here: {type(error).__name__}: {error}"
            advice = "What it needs must be importable here as well as there."
            failure = subject.error(ResultUnpicklable, cause, advice=advice)
            failure.__cause__ = error
            return False, failure
    if kind == kinds.EXCEPTION:
        return False, _rebuilt(subject, meta, pieces)
    return False, _recorded(subject, explained(meta))


def explained(meta: dict[str, Any]) -> dict[str, Any]:
    """Of an outcome that is neither a value nor an exception: why, as the record of an error (``clustrix.runner.verdict``)."""
    kind = meta["kind"]
    row: dict[str, Any] = {"error": "JobNotStarted", "advice": "", "details": {}, "stderr": ""}
    if kind == kinds.ENDED:
        return {**row, **json.loads(meta["record"])}
    if kind == kinds.EXIT:
        cause = f"its function raised SystemExit({meta['code']!r})"
        advice = "sys.exit ends a program; return or raise an exception in a job."
        details = {"code": meta["code"], "traceback": meta["text"]}
        return row | {"error": "JobExited", "cause": cause, "advice": advice, "details": details}
    if kind == kinds.INTERRUPT:
        cause = "its function raised KeyboardInterrupt, or it got SIGINT from elsewhere"
        advice = "To stop a job, call its cancel(); to tell of a failure, raise an Exception."
        details = {"traceback": meta["text"]}
        return row | {"error": "JobInterrupted", "cause": cause, "advice": advice, "details": details}
    if kind == kinds.UNPICKLABLE:
        cause = f"it returned a {meta['type']} that cannot be sent: {meta['path']}: {meta['reason']}"
        advice = "Return plain data, or write a file and return its path."
        return row | {"error": "ResultUnpicklable", "cause": cause, "advice": advice}
    return row | {"cause": str(meta.get("message", kind))}


def _recorded(subject: Subject, row: dict[str, Any]) -> JobError:
    cls = JOB_ERRORS.get(row["error"], JobError)
    return subject.error(
        cls, row["cause"], advice=row["advice"], details=row["details"], stderr=row.get("stderr", "")
    )


def _rebuilt(subject: Subject, meta: dict[str, Any], pieces: Sequence[memoryview]) -> BaseException:
    """The user's exception with its causes, contexts, notes and the frames of the other side."""
    built = [_exception(subject, node, pieces, meta["text"]) for node in meta["nodes"]]
    for node, error in zip(meta["nodes"], built, strict=True):
        cause, context = node["cause"], node["context"]
        error.__cause__ = None if cause is None else built[cause]
        error.__context__ = None if context is None else built[context]
        error.__suppress_context__ = node["suppress"]
        error.__traceback__ = _traceback(node["frames"])
    return built[0]


def _exception(
    subject: Subject, node: dict[str, Any], pieces: Sequence[memoryview], text: str
) -> BaseException:
    name = f"{node['module']}.{node['type']}" if node["module"] != "builtins" else node["type"]
    reason = "it could not be pickled there"
    for rebuild in (_from_own_init, _from_whole, _from_parts):
        try:
            error = rebuild(node, pieces)
        except Exception as failure:  # its class is missing here, or its __init__ wants other arguments
            reason = f"{type(failure).__name__}: {failure}"
            continue
        if error is not None:
            return _with_notes(error, node)
    message = node["text"]
    cause = f"its function raised {name}: {message}"
    advice = f"That exception cannot be rebuilt here ({reason}). The traceback there:\n{text.rstrip()}"
    details = {"type": name, "message": message, "traceback": text}
    return subject.error(RemoteError, cause, advice=advice, details=details)


def _from_own_init(node: dict[str, Any], pieces: Sequence[memoryview]) -> BaseException | None:
    """One whose class has an ``__init__`` and no ``__reduce__`` of its own: calling it again would change it.

    It passes something made of its arguments on to Exception, and is given that when it is unpickled.
    """
    if "parts" not in node:
        return None
    cls = kinds.load_stream(pieces[node["parts"]])[0]
    plain = cls.__reduce__ is BaseException.__reduce__ and cls.__reduce_ex__ is BaseException.__reduce_ex__
    return _from_parts(node, pieces) if plain and isinstance(cls.__init__, FunctionType) else None


def _from_whole(node: dict[str, Any], pieces: Sequence[memoryview]) -> BaseException | None:
    """As its own ``__reduce__`` says."""
    error = kinds.load_stream(pieces[node["whole"]]) if "whole" in node else None
    return error if isinstance(error, BaseException) else None


def _from_parts(node: dict[str, Any], pieces: Sequence[memoryview]) -> BaseException | None:
    """From class, arguments and attributes, without calling the class's own ``__init__``."""
    if "parts" not in node:
        return None
    cls, args, state = kinds.load_stream(pieces[node["parts"]])
    error: BaseException = cls.__new__(cls, *args)
    inits = (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
    built_in = next(init for init in inits if not isinstance(init, FunctionType))
    with suppress(TypeError):
        built_in(
            error, *args
        )  # what a built-in class keeps outside of args and attributes: OSError its errno
    error.args = args
    vars(error).update(state)
    return error


def _with_notes(error: BaseException, node: dict[str, Any]) -> BaseException:
    if node["notes"] and not getattr(error, "__notes__", None):
        vars(error)["__notes__"] = list(node["notes"])  # add_note is not there before Python 3.11
    return error


def _traceback(frames: Sequence[Sequence[Any]]) -> TracebackType | None:
    """A real traceback object, so that the error prints as if it had been raised here."""
    found: dict[str, Any] | None = None
    for filename, name, line in reversed(frames):
        frame = {
            "f_globals": {"__file__": filename, "__name__": "?"},
            "f_code": {"co_filename": filename, "co_name": name},
            "f_lineno": line,
        }
        found = {"tb_frame": frame, "tb_lineno": line, "tb_next": found}
    made: TracebackType | None = tblib.Traceback.from_dict(found).as_traceback() if found else None
    if any(filename in linecache.cache and not os.path.exists(filename) for filename, _, _ in frames):
        from clustrix.tracebacks import readable  # of notebooks only

        return readable(made)
    return made


__all__ = ["Subject", "decode", "decode_item", "explained", "open_container", "read"]
