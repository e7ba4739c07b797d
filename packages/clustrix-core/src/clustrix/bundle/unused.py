"""Blobs that no job names any more."""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from clustrix.bundle.blobs import ASIDE, UNUSED_SECONDS, BlobStore
from clustrix.runner.frames import Damaged, peek


class Unused(NamedTuple):
    """A file that can go."""

    path: str
    size_bytes: int


def unused(store: BlobStore, payloads: Iterable[bytes]) -> Iterator[Unused]:
    """The blobs that were not touched for a day and that none of ``payloads`` names, and what killed submitters have left.

    ``payloads``: of all jobs that stay, those that have not ended among them.  They are gone through once, and only if some blob is old.
    """
    before = time.time() - UNUSED_SECONDS
    old = {os.path.basename(path): path for path in _older(store.root, before)}
    if not old:
        return
    for payload in payloads:
        for digest in named(payload):
            old.pop(digest, None)
    for path in old.values():
        try:
            yield Unused(path, os.stat(path).st_size)
        except FileNotFoundError:  # another is cleaning too
            continue


def _older(root: str, before: float) -> Iterator[str]:
    for prefix in os.listdir(root):
        folder = os.path.join(root, prefix)
        if (len(prefix) == 2 or prefix == ASIDE) and os.path.isdir(folder):
            with os.scandir(folder) as entries:
                yield from (entry.path for entry in entries if _modified(entry.path) < before)


def named(payload: bytes) -> list[str]:
    """The digests of the blobs that a payload names."""
    try:
        pieces = peek(io.BytesIO(payload), len(payload))["pieces"]
    except Damaged:  # no job can be begun with it
        return []
    return [where for where, _ in pieces if isinstance(where, str)]


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


def remove(store: BlobStore, blob: Unused) -> bool:
    """Remove one; False if somebody has touched it meanwhile, to name it anew.  Raises OSError."""
    with store.turn(fcntl.LOCK_EX):
        if _modified(blob.path) >= time.time() - UNUSED_SECONDS:  # also if it is no longer there
            return False
        os.unlink(blob.path)
    return True
