"""Proof of who the user is: keys of an agent and of files, passwords, further factors.

The order is OpenSSH's: public keys (the agent's first), then what has to be typed.  Each is tried once.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import paramiko

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import LoginRefused, NobodyThere
from clustrix_ssh.transport.interface import Ask, Question, Target
from clustrix_ssh.transport.sshconfig import HostConfig

_MOST_KEYS = 6
"""A server cuts the connection after so many."""
_COMMAND_SECONDS = 60.0


class Login:
    """One login on one transport."""

    def __init__(self, target: Target, config: HostConfig, ask: Ask) -> None:
        self._target = target
        self._config = config
        self._ask = ask
        self.asked = False
        """Whether a password or a further factor was needed: then it must not be made again unattended."""
        self._said: list[str] = []
        """Why keys could not be used."""

    def run(self, transport: paramiko.Transport) -> None:
        """Raises LoginRefused, NobodyThere, and what paramiko raises when the connection ends."""
        user = self._config.user
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
                except paramiko.AuthenticationException:
                    continue
                if not rest:
                    return
                allowed = set(rest)  # the key was right, and more is wanted
                break
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
        return set()

    def _keys(self) -> Iterator[paramiko.PKey]:
        """The agent's, those of the named files first; then the files'."""
        files = list(self._config.identity_files)
        wanted = {blob for path in files if (blob := _public_blob(path)) is not None}
        offered: set[bytes] = set()
        agent_keys = list(_agent_keys(self._config.agent))
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
        passphrase: str | None = None
        for _ in range(3):
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
                    self._said.append(f"{path}: {error}")
                    return None
                text = f"That was wrong. Enter passphrase for key '{path}': "
            passphrase = self._ask(Question(self._config.alias, "passphrase", text))
        self._said.append(f"{path}: wrong passphrase")
        return None

    def _password(self, transport: paramiko.Transport, user: str) -> bool:
        given = self._command_password()
        for _ in range(1 if given is not None else 3):
            text = f"{user}@{self._config.hostname}'s password: "
            password = (
                given if given is not None else self._ask(Question(self._config.alias, "password", text))
            )
            self.asked = self.asked or given is None
            try:
                if not transport.auth_password(user, password, fallback=False):
                    return True
            except paramiko.AuthenticationException:
                continue
        self._said.append("the password was wrong")
        return False

    def _command_password(self) -> str | None:
        command = self._target.password_command
        if not command:
            return None
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise HostUnreachable(
                f"password_command has not answered within {_COMMAND_SECONDS:g} s"
            ) from error
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise HostUnreachable(f"password_command has failed with status {done.returncode}: {said[-1]}")
        return done.stdout.rstrip("\n")

    def _interactive(self, transport: paramiko.Transport, user: str) -> bool:
        given = self._command_password()

        def answer(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            found = []
            for prompt, echo in prompts:
                if given is not None and "password" in prompt.lower():
                    found.append(given)
                    continue
                self.asked = True
                text = "\n".join(part for part in (title, instructions, prompt) if part)
                found.append(self._ask(Question(self._config.alias, "code", text, echo)))
            return found

        for _ in range(3):
            try:
                return not transport.auth_interactive(user, answer)
            except NobodyThere:
                raise
            except paramiko.BadAuthenticationType:
                return False
            except paramiko.AuthenticationException:
                continue
        self._said.append("the answers were wrong")
        return False

    def _why(self, allowed: set[str], tried: int) -> str:
        keys = f"none of the {tried} keys was taken" if tried else "there is no key to offer"
        said = "; ".join([keys, *self._said])
        ways = ", ".join(sorted(allowed)) or "nothing"
        return (
            f"{self._config.alias} does not let {self._config.user} in: {said}. It takes: {ways}. "
            f"See key_file and username, or: clustrix login {self._config.alias}"
        )


def _public_blob(path: str) -> bytes | None:
    import base64

    try:
        with open(path + ".pub", encoding="ascii", errors="replace") as file:
            return base64.b64decode(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _agent_keys(path: str) -> Iterator[paramiko.PKey]:
    if path == "none":
        return
    before = os.environ.get("SSH_AUTH_SOCK")
    if not path and not before:
        return
    if path:
        os.environ["SSH_AUTH_SOCK"] = path
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return
    finally:
        if path:
            if before is None:
                del os.environ["SSH_AUTH_SOCK"]
            else:
                os.environ["SSH_AUTH_SOCK"] = before
    yield from agent.get_keys()
