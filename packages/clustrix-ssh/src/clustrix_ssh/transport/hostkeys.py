"""Keys of hosts: which are trusted, what to say of others, and how one comes to be trusted.

The files are OpenSSH's own ``known_hosts``, so that what was trusted there is trusted here, and the other way round.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

import paramiko

from clustrix.runner import whole
from clustrix_ssh.errors import HostKeyChanged, HostKeyUnknown
from clustrix_ssh.transport.sshconfig import HostConfig


class KnownKey(NamedTuple):
    """A line of a file that holds for the host."""

    type: str
    blob: bytes
    path: str
    line: int


def lookup_name(config: HostConfig) -> str:
    """The name under which the host's key is kept."""
    name = config.host_key_alias or config.hostname
    return name if config.port == 22 or config.host_key_alias else f"[{name}]:{config.port}"


def known_keys(config: HostConfig) -> list[KnownKey]:
    """The trusted keys of a host.  Raises HostKeyChanged if one of them is revoked."""
    name = lookup_name(config)
    found: list[KnownKey] = []
    for path in config.known_hosts:
        for number, line in enumerate(_lines(path), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            revoked = words[0] == "@revoked"
            if words[0].startswith("@"):
                if not revoked:
                    continue  # of an authority: only the system's ssh understands these
                words = words[1:]
            if len(words) < 3 or not _matches(words[0], name):
                continue
            try:
                blob = base64.b64decode(words[2])
            except ValueError:
                continue
            if revoked:
                raise HostKeyChanged(
                    f"{name}: its key is marked as revoked in {path}, line {number}. Ask who runs the host"
                )
            found.append(KnownKey(words[1], blob, path, number))
    return found


def verify(config: HostConfig, key: paramiko.PKey, known: Sequence[KnownKey]) -> None:
    """Raises HostKeyUnknown, HostKeyChanged."""
    blob, name = key.asbytes(), lookup_name(config)
    if any(one.blob == blob for one in known):
        return
    same = [one for one in known if one.type == key.get_name()]
    if same:
        raise HostKeyChanged(
            f"THE KEY OF {name} HAS CHANGED: it shows {fingerprint(blob)} ({key.get_name()}), and {fingerprint(same[0].blob)} is trusted "
            f"({same[0].path}, line {same[0].line}). Somebody may be listening. If its administrators confirm the new "
            f"fingerprint: clustrix hosts forget {_named(config)}, then clustrix hosts trust {_named(config)}"
        )
    raise HostKeyUnknown(
        f"{name} is not known: its key is {fingerprint(blob)} ({key.get_name()}). If that is the host's: "
        f"clustrix hosts trust {_named(config)}"
    )


def _named(config: HostConfig) -> str:
    return config.alias if config.port == 22 else f"{config.alias} --port {config.port}"


def fingerprint(blob: bytes) -> str:
    """As ``ssh`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def trust(config: HostConfig, keys: Sequence[paramiko.PKey]) -> str:
    """Add keys to the user's own file; returns its path.  Raises OSError."""
    name = lookup_name(config)
    lines = [f"{name} {key.get_name()} {key.get_base64()}" for key in keys]
    path = config.known_hosts[0]
    _rewrite(path, [*_lines(path), *lines])
    return path


def forget(config: HostConfig) -> int:
    """Remove the host's keys from the user's own file; returns how many lines went.  Raises OSError."""
    name, path = lookup_name(config), config.known_hosts[0]
    before = _lines(path)
    after = [line for line in before if not _names(line, name)]
    if len(after) != len(before):
        _rewrite(path, after)
    return len(before) - len(after)


def _names(line: str, name: str) -> bool:
    words = line.split()
    return len(words) >= 3 and not words[0].startswith(("#", "@")) and _matches(words[0], name)


def _matches(patterns: str, name: str) -> bool:
    """Whether a field of names, of patterns, or a hashed one means the host."""
    import fnmatch
    import hmac

    if patterns.startswith("|1|"):
        try:
            _, _, salt, digest = patterns.split("|")
            made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
            return hmac.compare_digest(made, base64.b64decode(digest))
        except ValueError:
            return False
    found = False
    for pattern in patterns.split(","):
        negated = pattern.startswith("!")
        escaped = (
            pattern.removeprefix("!").replace("[", "[[]") if "[" in pattern else pattern.removeprefix("!")
        )
        if fnmatch.fnmatchcase(name.lower(), escaped.lower()):
            if negated:
                return False
            found = True
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except (FileNotFoundError, IsADirectoryError):
        return []


def _rewrite(path: str, lines: Sequence[str]) -> None:
    """In one step; a link stays one."""
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines)
    whole.write(path, [text.encode("utf-8", "surrogateescape")], "known-hosts", sync=True)
