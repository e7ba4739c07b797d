"""Secrets of a job on their way through files: sealed with a key that is not on any disk.

The key is made once, for all jobs of a user on this machine, in a folder that is kept in memory.  Whoever may read the user's
memory and files may open what is sealed, as he could have read the secret itself; what is copied, backed up, searched or shown is
not enough.  When the machine has been started anew the key is gone, and with it what it sealed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping

from clustrix.runner import whole

MARK = "\0"
"""Begins what is sealed; no environment variable can have it."""

_KEY_BYTES = 32
_NONCE_BYTES = 16


class Unsealable(Exception):
    """It cannot be opened; the text says why."""


def made_key(path: str) -> bytes:
    """The key at ``path``, made if need be.  Raises OSError."""
    return _key(_made(path))


def key_path(fallback: str) -> str:
    """Where the key is, made if need be.  ``fallback``: a folder of the user's, for systems without one in memory."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 -- in memory, and its owner is checked
        if folder and os.path.isdir(folder):
            own = os.path.join(folder, f"clustrix-{os.getuid()}")
            if _is_private(own):
                return _made(os.path.join(own, "key"))
    return _made(os.path.join(fallback, "key"))


def _is_private(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _made(path: str) -> str:
    if not os.path.exists(path):
        whole.create(path, [os.urandom(_KEY_BYTES)], "key")  # or another process has made one
    return path


def seal(text: str, path: str, key: bytes = b"") -> str:
    """A text that only who has the key at ``path`` can read; ``key``: what is there, if that is another machine's path.  Raises OSError."""
    key, nonce = key or _key(path), os.urandom(_NONCE_BYTES)
    data = text.encode("utf-8", "surrogateescape")
    hidden = bytes(a ^ b for a, b in zip(data, _stream(key, nonce, len(data)), strict=True))
    return MARK + json.dumps([path, nonce.hex(), hidden.hex(), _check(key, nonce, hidden)])


def opened(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Variables with all that is sealed among them opened, and the texts that were.  Raises Unsealable."""
    found, texts = dict(variables), []
    for name, value in variables.items():
        if value.startswith(MARK):
            found[name] = _open(name, value)
            texts.append(found[name])
    return found, texts


def _open(name: str, sealed: str) -> str:
    path, nonce, hidden, check = json.loads(sealed[len(MARK) :])
    try:
        key = _key(path)
    except OSError as error:
        raise Unsealable(
            f"the key that opens its secret {name} is gone ({error.strerror}), as after a restart of the machine; submit it again"
        ) from error
    data = bytes.fromhex(hidden)
    import hmac  # with the two below it costs every fork, and few jobs have secrets

    if not hmac.compare_digest(check, _check(key, bytes.fromhex(nonce), data)):
        raise Unsealable(f"its secret {name} does not open with the key that is there now; submit it again")
    stream = _stream(key, bytes.fromhex(nonce), len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True)).decode("utf-8", "surrogateescape")


def _key(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _stream(key: bytes, nonce: bytes, size: int) -> bytes:
    """As long as is needed, and used once: the nonce is new each time."""
    return hashlib.shake_256(b"clustrix stream" + key + nonce).digest(size)


def _check(key: bytes, nonce: bytes, hidden: bytes) -> str:
    import hmac

    return hmac.new(hashlib.sha256(b"clustrix check" + key).digest(), nonce + hidden, "sha256").hexdigest()
