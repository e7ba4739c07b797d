"""Proof of who the user is: keys of an agent and of files, passwords, further factors.

The order is OpenSSH's: public keys (the agent's first), then what has to be typed.  Each is tried once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

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


Unlocked = dict[tuple[str, float], paramiko.PKey]
"""Keys that were read, by path and time of change."""


class Trial:
    """A login by keys alone, at which nobody is asked anything: which of them is taken."""

    def __init__(self, unlocked: Unlocked) -> None:
        """``unlocked``: keys whose passphrase is known; what is read is added."""
        self.unlocked = unlocked
        self.allowed: frozenset[str] = frozenset()
        """What the host takes."""
        self.why = ""
        """Why it was refused, for a person."""
        self.key = ""
        """The key that was taken: its path, or that it is the agent's."""
        self.besides: tuple[str, ...] = ()
        """What the host wants besides that key."""
        self.locked: list[str] = []
        """Files that were passed over for their passphrase."""


class Login:
    """One login on one transport."""

    def __init__(self, config: HostConfig, ask: Ask, trial: Trial | None = None) -> None:
        self._config = config
        self._ask = ask
        self._trial = trial
        self._unlocked = _unlocked if trial is None else trial.unlocked
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
        if self._trial is not None:
            self._trial.allowed = frozenset(allowed)
        if "publickey" in allowed:
            for key, name in self._keys():
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
                if self._trial is not None:
                    self._trial.key, self._trial.besides = name, tuple(rest)
                if not rest:
                    return
                allowed = set(rest)  # the key was right, and more is wanted
                break
        if self._trial is not None:
            raise LoginRefused(self._why(allowed, tried))
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

    def _keys(self) -> Iterator[tuple[paramiko.PKey, str]]:
        """The agent's, those of the named files first; then the files'.  Each with what it is called."""
        files = list(self._config.identity_files)
        wanted = {blob: path for path in files if (blob := public_blob(path)) is not None}
        offered: set[bytes] = set()
        agent_keys = self._agent.get_keys() if self._agent is not None else ()
        for key in sorted(agent_keys, key=lambda key: key.asbytes() not in wanted):
            if not self._config.identities_only or key.asbytes() in wanted:
                offered.add(key.asbytes())
                yield key, wanted.get(key.asbytes(), "a key of the agent")
        for path in files:
            if public_blob(path) in offered:
                continue
            loaded = self._load(path)
            if loaded is not None and loaded.asbytes() not in offered:
                offered.add(loaded.asbytes())
                yield loaded, path

    def _load(self, path: str) -> paramiko.PKey | None:
        stamp = stamp_of(path)
        if (path, stamp) not in self._unlocked:
            try:
                self._unlocked[path, stamp] = read_key(path, lambda text: self._passphrase(path, text))
            except Unread as error:
                self._said.append(str(error))
                return None
        return self._unlocked[path, stamp]

    def _passphrase(self, path: str, text: str) -> str:
        if self._trial is not None:
            self._trial.locked.append(path)
            raise Unread(f"{path} has a passphrase")
        return self._ask(Question(self._config.alias, "passphrase", text))

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


_unlocked: Unlocked = {}
"""As an agent, this process asks for a passphrase once."""


class Unread(Exception):
    """A file has no private key that can be used; its text says why."""


def read_key(path: str, ask: Callable[[str], str]) -> paramiko.PKey:
    """The private key of a file; ``ask``: for its passphrase, with a text.  Raises Unread."""
    passphrase: str | None = None
    for _ in range(_MOST_TRIES):
        try:
            return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)
        except (paramiko.PasswordRequiredException, TypeError):
            text = f"Enter passphrase for key '{path}': "
        except FileNotFoundError as error:
            raise Unread(f"{path} is not there (key_file)") from error
        except OSError as error:
            raise Unread(f"{path}: {error.strerror}") from error
        except (UnknownKeyType, UnsupportedAlgorithm) as error:
            raise Unread(f"{path} is a key of a kind that cannot be used here: take ed25519") from error
        except (paramiko.SSHException, ValueError) as error:
            if passphrase is None:
                raise Unread(_why_unread(path, error)) from error
            text = f"That was wrong. Enter passphrase for key '{path}': "
        passphrase = ask(text)
    raise Unread(f"{path}: wrong passphrase")


def _why_unread(path: str, error: Exception) -> str:
    with open(path, "rb") as file:
        begins = file.read(100)
    if begins.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return f"{path} is a public key: key_file wants the private one, {path.removesuffix('.pub')}"
    if b"-----BEGIN" not in begins:
        return f"{path} is no private key"
    return f"{path}: {error}"


def stamp_of(path: str) -> float:
    """When it was changed; 0 if it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def public_blob(path: str) -> bytes | None:
    """What the file beside a private key has as its public part; None if there is none."""
    import base64

    try:
        with open(path + ".pub", encoding="ascii", errors="replace") as file:
            return base64.b64decode(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def agent_blobs(config: HostConfig) -> set[bytes]:
    """The public parts of the keys that the agent has."""
    agent = _agent(config.agent)
    if agent is None:
        return set()
    try:
        return {key.asbytes() for key in agent.get_keys()}
    finally:
        agent.close()


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
