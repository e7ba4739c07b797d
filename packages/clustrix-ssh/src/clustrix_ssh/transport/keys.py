"""Proof of who the user is: keys of an agent and of files, passwords, further factors.

The order is OpenSSH's: public keys (the agent's first), then what has to be typed.  Each is tried once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import paramiko

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import LoginRefused
from clustrix_ssh.transport.interface import Ask, Question
from clustrix_ssh.transport.sshconfig import HostConfig

_MOST_KEYS = 6
"""A server cuts the connection after so many."""
_MOST_TRIES = 3
_KEY_SECONDS = 30.0
"""How long a server may take to look at a key."""
_PERSON_SECONDS = 300.0
"""A person may take as long as they like to answer; the server has its own idea of that."""


class Login:
    """One login on one transport."""

    def __init__(self, config: HostConfig, ask: Ask) -> None:
        self._config = config
        self._ask = ask
        self._said: list[str] = []
        """Why keys could not be used."""
        self._refused = 0
        """How much the server has looked at and refused."""

    def run(self, transport: paramiko.Transport) -> None:
        """Raises LoginRefused, NobodyThere, and what paramiko raises when the connection ends."""
        self._agent = _agent(self._config.agent)
        try:
            self._run(transport)
        finally:
            if self._agent is not None:
                self._agent.close()

    def _run(self, transport: paramiko.Transport) -> None:
        user = self._config.user
        transport.auth_timeout = _KEY_SECONDS
        allowed = self._allowed(transport, user)
        tried = 0
        if "publickey" in allowed:
            for key in self._keys():
                tried += 1
                if tried > _MOST_KEYS:
                    break
                try:
                    rest = transport.auth_publickey(user, key)
                except paramiko.BadAuthenticationType as error:
                    allowed = set(error.allowed_types)
                    break
                except paramiko.AuthenticationException as error:
                    self._heed(transport, error)
                    if not transport.is_active():
                        self._said.append(f"the server has ended the connection after {tried} keys")
                        raise LoginRefused(self._why(allowed, tried)) from error
                    continue
                if not rest:
                    return
                allowed = set(rest)  # the key was right, and more is wanted
                break
        transport.auth_timeout = _PERSON_SECONDS
        if "keyboard-interactive" in allowed and self._interactive(transport, user):
            return
        if "password" in allowed and self._password(transport, user):
            return
        raise LoginRefused(self._why(allowed, tried))

    def _allowed(self, transport: paramiko.Transport, user: str) -> set[str]:
        try:
            transport.auth_none(user)
        except paramiko.BadAuthenticationType as error:
            return set(error.allowed_types)
        except paramiko.AuthenticationException as error:
            self._heed(transport, error)
            raise
        return set()

    def _heed(self, transport: paramiko.Transport, error: paramiko.AuthenticationException) -> None:
        """Tell a server that refuses from one that is gone, or silent: paramiko has one error for both.  Raises EOFError, HostUnreachable."""
        if transport.is_active() and "timeout" not in str(error):
            self._refused += 1
        elif not self._refused:
            if not transport.is_active():
                raise EOFError from error
            seconds = transport.auth_timeout
            raise HostUnreachable(
                f"the login at {self._config.alias} was not over within {seconds:g} s"
            ) from error

    def _keys(self) -> Iterator[paramiko.PKey]:
        """The agent's, those of the named files first; then the files'."""
        files = list(self._config.identity_files)
        wanted = {blob for path in files if (blob := _public_blob(path)) is not None}
        offered: set[bytes] = set()
        agent_keys = self._agent.get_keys() if self._agent is not None else ()
        for key in sorted(agent_keys, key=lambda key: key.asbytes() not in wanted):
            if not self._config.identities_only or key.asbytes() in wanted:
                offered.add(key.asbytes())
                yield key
        for path in files:
            if _public_blob(path) in offered:
                continue
            loaded = self._load(path)
            if loaded is not None and loaded.asbytes() not in offered:
                offered.add(loaded.asbytes())
                yield loaded

    def _load(self, path: str) -> paramiko.PKey | None:
        stamp = _stamp(path)
        if (path, stamp) not in _unlocked:
            loaded = self._read(path)
            if loaded is None:
                return None
            _unlocked[path, stamp] = loaded
        return _unlocked[path, stamp]

    def _read(self, path: str) -> paramiko.PKey | None:
        passphrase: str | None = None
        for _ in range(_MOST_TRIES):
            try:
                return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)
            except (paramiko.PasswordRequiredException, TypeError):
                text = f"Enter passphrase for key '{path}': "
            except FileNotFoundError:
                self._said.append(f"{path} is not there (key_file)")
                return None
            except OSError as error:
                self._said.append(f"{path}: {error.strerror}")
                return None
            except (paramiko.SSHException, ValueError) as error:
                if passphrase is None:
                    self._said.append(_why_unread(path, error))
                    return None
                text = f"That was wrong. Enter passphrase for key '{path}': "
            passphrase = self._ask(Question(self._config.alias, "passphrase", text))
        self._said.append(f"{path}: wrong passphrase")
        return None

    def _password(self, transport: paramiko.Transport, user: str) -> bool:
        text = f"{user}@{self._config.hostname}'s password: "
        for _ in range(_MOST_TRIES):
            password = self._ask(Question(self._config.alias, "password", text))
            try:
                if not transport.auth_password(user, password, fallback=False):
                    return True
            except paramiko.BadAuthenticationType:
                return False
            except paramiko.AuthenticationException as error:
                self._heed(transport, error)
                text = f"That was wrong. {user}@{self._config.hostname}'s password: "
        self._said.append("the password was wrong")
        return False

    def _interactive(self, transport: paramiko.Transport, user: str) -> bool:
        def answer(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            return [self._answer([title, instructions, prompt], echo) for prompt, echo in prompts]

        for _ in range(_MOST_TRIES):
            try:
                return not transport.auth_interactive(user, answer)
            except paramiko.BadAuthenticationType:
                return False
            except paramiko.AuthenticationException as error:
                self._heed(transport, error)
        self._said.append("the answers were wrong")
        return False

    def _answer(self, texts: list[str], echo: bool) -> str:
        kind = "password" if "password" in texts[-1].lower() and not echo else "code"
        return self._ask(Question(self._config.alias, kind, "\n".join(text for text in texts if text), echo))

    def _why(self, allowed: set[str], tried: int) -> str:
        many = "the key was not taken" if tried == 1 else f"none of the {tried} keys was taken"
        keys = many if tried else "there is no key to offer"
        said = "; ".join([keys, *self._said])
        ways = ", ".join(sorted(allowed)) or "nothing"
        return (
            f"{self._config.alias} does not let {self._config.user} in: {said}. It takes: {ways}. "
            f"See key_file and username, or: clustrix login {self._config.alias}"
        )


_unlocked: dict[tuple[str, float], paramiko.PKey] = {}
"""Keys that were read, by path and time of change: as an agent, this process asks for a passphrase once."""


def _why_unread(path: str, error: Exception) -> str:
    with open(path, "rb") as file:
        begins = file.read(100)
    if begins.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return f"{path} is a public key: key_file wants the private one, {path.removesuffix('.pub')}"
    if b"-----BEGIN" not in begins:
        return f"{path} is no private key"
    return f"{path}: {error}"


def _stamp(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _public_blob(path: str) -> bytes | None:
    import base64

    try:
        with open(path + ".pub", encoding="ascii", errors="replace") as file:
            return base64.b64decode(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _agent(path: str) -> paramiko.Agent | None:
    """The agent at this socket, or the usual one; None if there is none."""
    before = os.environ.get("SSH_AUTH_SOCK")
    if path == "none" or not (path or before):
        return None
    if path:
        os.environ["SSH_AUTH_SOCK"] = path
    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return None
    finally:
        if before is not None:
            os.environ["SSH_AUTH_SOCK"] = before
        elif path:
            del os.environ["SSH_AUTH_SOCK"]
