"""What a job saves for itself, so that its next attempt goes on where this one was.

Beside the job's folder, since that goes with its attempt: one file for a call, one for each item of a map.  It is written aside and
renamed, so that a kill at any time leaves the latest whole one.
"""

from __future__ import annotations

import os
from typing import Any

from clustrix.runner import pickling, whole
from clustrix.runner.frames import BlobRef, Damaged, Piece, pack, unpack

FOLDER = "checkpoints"
_CALL = "call"


def folder_of(folder: str, job: str) -> str:
    """The one of a job whose files are in ``folder``."""
    return os.path.join(os.path.dirname(os.path.dirname(folder)), FOLDER, job)


def save(folder: str, item: int | None, obj: object) -> None:
    """Raises TypeError, with the path to the part that cannot be saved; OSError: then the one before stays."""
    try:
        pieces: list[Piece] = pickling.dump(obj, "checkpoint", pickling.ResultPickler).pieces()
    except pickling.Unpicklable as error:
        raise TypeError(f"checkpoint(): this cannot be saved: {error}") from error
    os.makedirs(folder, mode=0o700, exist_ok=True)
    whole.write(_path(folder, item), pack({"kind": FOLDER}, pieces), "checkpoint", sync=True)


def read(folder: str, item: int | None, default: Any) -> Any:
    """What was saved last; ``default`` if nothing was.  Raises ValueError if it is damaged."""
    path = _path(folder, item)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return default
    try:
        _, pieces = unpack(data)
    except Damaged as error:
        raise ValueError(f"restore(): {path} is damaged ({error}); remove it to begin anew") from error
    return pickling.load([piece for piece in pieces if not isinstance(piece, BlobRef)])


def _path(folder: str, item: int | None) -> str:
    return os.path.join(folder, _CALL if item is None else str(item))
