"""Ids of jobs: made by the submitter, unique, and in the order of submission when they are sorted."""

from __future__ import annotations

import os
import secrets
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_id_lock = threading.Lock()
_last_id = (0, 0)


def new_id() -> str:
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
