"""Private keys on this machine, as ``ssh-keygen`` makes them: which there are, and a new one.  Nothing that is there is ever written over."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clustrix.runner import whole
from clustrix_ssh.transport.keys import Unread, public_blob, read_key

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
"""The best first; ``ssh`` itself tries them in another order."""
_DEFAULTS = (*_USUAL, "id_ecdsa_sk", "id_ed25519_sk", "id_xmss", "id_dsa")
"""What ``ssh`` tries where its configuration names none."""
MOST_PASSPHRASE_BYTES = 72
"""What bcrypt takes, by which the file's format makes a key of it."""


MISSING = "is not there"
PUBLIC = "is a public key"


class KeyProblem(Exception):
    """A key cannot be used, or made."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.advice = advice


def shown(path: str) -> str:
    """As a person writes it."""
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path.startswith(home + "/") else path


def why_wrong(path: str) -> str:
    """Why there is no private key in a file that the settings name; empty if there may be one."""
    if not os.path.lexists(path):
        return MISSING
    try:
        with open(path, "rb") as file:
            begins = file.read(100)
    except FileNotFoundError:
        return "is a link to a file that is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if begins.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return PUBLIC
    return "" if b"-----BEGIN" in begins else "is no private key"


def chosen(files: Sequence[str]) -> str:
    """The one to set up: of those that ``ssh`` would try, what the user has named, else the best that is there; empty if there is none."""
    folder = os.path.expanduser("~/.ssh")
    named = [path for path in files if path not in {os.path.join(folder, name) for name in _DEFAULTS}]
    usual = [os.path.join(folder, name) for name in _USUAL]
    return next((path for path in [*named, *usual] if os.path.exists(path)), "")


def usual_place() -> str:
    """Where a new one is made."""
    return os.path.join(os.path.expanduser("~/.ssh"), _USUAL[0])


def see_that_free(path: str) -> None:
    """Raises KeyProblem if one of the files that would be made is there, as whatever."""
    for name in (path, path + ".pub"):
        if os.path.lexists(name):
            other = f" without {shown(path)}" if name != path else ""
            raise KeyProblem(
                f"{shown(name)} is there{other}: it is not written over",
                "move it away, or have key_file name another file",
            )


def make(path: str, passphrase: str) -> str:
    """A new pair of files; returns the line for the host.  Raises KeyProblem, OSError.

    In this process, since a program's arguments can be seen by everybody on the machine.
    """
    see_that_free(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    secret = passphrase.encode()
    lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, lock)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    if not whole.create(path, [private], "ssh-key", sync=True):
        see_that_free(path)
    line = f"{public.decode()} {_comment()}"
    if not _write_public(path, line):
        raise KeyProblem(
            f"{shown(path)}.pub came into being meanwhile: it is not written over",
            f"move it away; {shown(path)} is a new key",
        )
    return line


def _write_public(path: str, line: str) -> bool:
    if not whole.create(path + ".pub", [f"{line}\n".encode()], "ssh-key"):
        return False
    os.chmod(path + ".pub", 0o644)
    return True


def _comment() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def public_line(path: str, held: set[bytes], ask: Callable[[str], str]) -> tuple[str, paramiko.PKey | None]:
    """The line for the host of a key that is there, and the key, if it had to be read; its public part is written if it is not there.

    ``held``: public parts of keys that an agent has: those need not be read.  Raises KeyProblem, Unread.
    """
    blob = public_blob(path)
    if blob is not None and blob in held:
        return _line_of(path), None
    key = read_key(path, ask)
    if blob is None:
        line = f"{key.get_name()} {key.get_base64()} {_comment()}"
        if os.path.lexists(path + ".pub"):
            raise KeyProblem(f"{shown(path)}.pub is no public key", "move it away, then again")
        with suppress(OSError):  # it is of use to others only
            _write_public(path, line)
        return line, key
    if blob != key.asbytes():
        raise KeyProblem(
            f"{shown(path)}.pub belongs to another key than {shown(path)}", "move it away, then again"
        )
    return _line_of(path), key


def _line_of(path: str) -> str:
    with open(path + ".pub", encoding="utf-8", errors="replace") as file:
        return next(" ".join(line.split()) for line in file if line.strip())


def has_passphrase(path: str) -> bool:
    """Whether a person has to open it."""

    def locked(text: str) -> str:
        raise _Locked

    try:
        read_key(path, locked)
    except _Locked:
        return True
    except Unread:
        return False
    return False


class _Locked(Exception):
    pass
