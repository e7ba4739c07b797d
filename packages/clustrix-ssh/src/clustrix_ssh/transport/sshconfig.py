"""What the user's SSH configuration says of a host.

``ssh -G HOST`` is the truth, since it knows every keyword; where there is no ``ssh``, paramiko's reader of the files has to do.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clustrix.errors import HostUnreachable
from clustrix_ssh.transport.interface import Target

_ASK_SECONDS = 10.0


class HostConfig(NamedTuple):
    """How to reach one host."""

    alias: str
    """As the user calls it."""
    hostname: str
    port: int
    user: str
    identity_files: tuple[str, ...]
    """Those that are there, in order."""
    identities_only: bool
    """Whether an agent may be asked only for the keys of these files."""
    agent: str
    """Path of the agent's socket; empty: the usual one; "none": no agent."""
    proxy_jump: tuple[str, ...]
    """Hops, in order, each as ``[user@]host[:port]``."""
    proxy_command: str
    host_key_alias: str
    """The name under which its key is kept."""
    known_hosts: tuple[str, ...]
    """Files, the user's own first."""
    needs_openssh: str
    """Why only the system's ``ssh`` can do this; empty if paramiko can."""


def look_up(target: Target) -> HostConfig:
    """Raises HostUnreachable when ``ssh`` refuses the configuration, with what it says."""
    options = _ask_ssh(target) if shutil.which("ssh") else _read_files(target.host)
    port = target.port or int(_one(options, "port", "22"))
    hostname = _one(options, "hostname", target.host)
    user = target.username or _one(options, "user", "") or getpass.getuser()
    files = [target.key_file] if target.key_file else options.get("identityfile", [])
    jump = _one(options, "proxyjump", "none")
    command = _one(options, "proxycommand", "none")
    alias = _one(options, "hostkeyalias", "none")
    known = [*_words(options, "userknownhostsfile"), *_words(options, "globalknownhostsfile")]
    return HostConfig(
        alias=target.host,
        hostname=hostname,
        port=port,
        user=user,
        identity_files=tuple(
            path for path in map(_expanded, files) if target.key_file or os.path.exists(path)
        ),
        identities_only=bool(target.key_file) or _one(options, "identitiesonly", "no") == "yes",
        agent=_agent(_one(options, "identityagent", "")),
        proxy_jump=() if jump == "none" else tuple(hop.strip() for hop in jump.split(",")),
        proxy_command="" if command == "none" else command,
        host_key_alias="" if alias == "none" else alias,
        known_hosts=tuple(map(_expanded, known or ["~/.ssh/known_hosts"])),
        needs_openssh=_why_openssh(options, files),
    )


def ssh_options(target: Target) -> list[str]:
    """What the system's ``ssh`` has to be told of a host, beside its name."""
    options: list[str] = []
    config = Path.home() / ".ssh" / "config"
    if "HOME" in os.environ and config.exists():  # ssh itself looks in the home of the password file
        options += ["-F", str(config)]
    if target.port:
        options += ["-p", str(target.port)]
    if target.username:
        options += ["-l", target.username]
    return options


def _ask_ssh(target: Target) -> dict[str, list[str]]:
    try:
        done = subprocess.run(
            ["ssh", "-G", *ssh_options(target), "--", target.host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise HostUnreachable(
            f"ssh -G {target.host} did not answer: see Match exec in ~/.ssh/config"
        ) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise HostUnreachable(f"ssh does not take this host or its configuration ({target.host}): {said[-1]}")
    options: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        options.setdefault(name.lower(), []).append(value)
    return options


def _read_files(host: str) -> dict[str, list[str]]:
    import paramiko

    config = paramiko.SSHConfig()
    for path in (Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config")):
        if path.exists():
            config = paramiko.SSHConfig.from_path(str(path))
            break
    found = config.lookup(host)
    options = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
    usual = ("id_ed25519", "id_ecdsa", "id_rsa")
    options.setdefault("identityfile", [f"~/.ssh/{name}" for name in usual])
    options.setdefault("userknownhostsfile", ["~/.ssh/known_hosts"])
    return options


def _why_openssh(options: Mapping[str, Sequence[str]], files: Sequence[str]) -> str:
    if _one(options, "gssapiauthentication", "no") == "yes" and os.environ.get("KRB5CCNAME"):
        return "Kerberos"
    if options.get("certificatefile"):
        return "certificates"
    if _one(options, "pkcs11provider", "none") != "none":
        return "a smart card"
    control = _expanded(_one(options, "controlpath", "none"))
    if control != "none" and _is_socket(control):
        return "an open ControlMaster"
    for path in map(_expanded, files):
        public = path + ".pub"
        if os.path.exists(path) and os.path.exists(public):
            with open(public, encoding="utf-8", errors="replace") as file:
                if file.read(3) == "sk-":
                    return "a security key"
        if os.path.exists(path + "-cert.pub"):
            return "certificates"
    return ""


def _is_socket(path: str) -> bool:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        return True
    except OSError:
        return False


def _agent(text: str) -> str:
    if text in ("", "SSH_AUTH_SOCK"):
        return ""
    return text if text == "none" else _expanded(text)


def _one(options: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    found = options.get(name)
    return found[0] if found else default


def _words(options: Mapping[str, Sequence[str]], name: str) -> list[str]:
    return [word for text in options.get(name, ()) for word in text.split()]


def _expanded(path: str) -> str:
    """``ssh`` takes the home from the password file; everything else of the user's is below ``HOME``, should that be another."""
    path = path.strip('"')
    theirs, ours = pwd.getpwuid(os.getuid()).pw_dir, str(Path.home())
    if path.startswith(f"{theirs}/.ssh/"):
        path = ours + path[len(theirs) :]
    return os.path.expanduser(path)
