"""Passwords and tokens: asked for at the moment they are needed, and kept nowhere.

In this order: what ``configure()`` was given, the environment (``CLUSTRIX_PASSWORD``), a command (``password_command``), the system's
keyring, and last a file, which is warned of when it is read.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any, NamedTuple

from clustrix.config import origins
from clustrix.config.field import Field
from clustrix.config.fields import unknown
from clustrix.config.kinds import Secret
from clustrix.config.layers import PREFIX
from clustrix.config.store import Resolved, Settings
from clustrix.errors import SecretUnavailable

SERVICE = "clustrix"
"""Under which the keyring has them; the user's name there is that of the field, with ``@profile`` where it is a profile's own."""

_COMMAND_SECONDS = 120
_DIRECT = (origins.CONFIGURE, origins.ENVIRONMENT, origins.OPTION)


def reveal(settings: Settings, name: str, profile: str | None = None) -> str:
    """A secret, for the profile that holds or the one that is named.

    Raises SecretUnavailable if it cannot be had, with what was tried; UnknownOption for a name that is no secret.
    """
    field = secret_field(settings, name)
    resolved = settings.resolve({} if profile is None else {"profile": profile})
    given = resolved[name]
    if isinstance(given, Secret) and resolved.origin(name).layer in _DIRECT:
        return given.reveal()
    command = resolved[f"{name}_command"]
    if command is not None:
        return _output_of(field, command)
    stored, trouble = _stored(field, resolved.profile)
    if stored is not None:
        return stored
    if isinstance(given, Secret):
        return given.reveal()
    raise SecretUnavailable(name, None, f"not set{trouble}. {_advice(name)}")


def of_variable(name: str) -> str:
    """The value of a secret environment variable of a job: from the environment, else from the keyring.

    Raises SecretUnavailable with what was tried.
    """
    if name in os.environ:
        return os.environ[name]
    try:
        found = _ask(name, "get_password", SERVICE, name)
    except SecretUnavailable as error:
        problem = f"secret {name} is not in the environment, and {error.allowed}"
        raise SecretUnavailable(name, None, problem) from None
    if found is None:
        problem = f"secret {name} is neither in the environment nor in the keyring"
        advice = f"Set it in the environment, or keep it with: keyring set {SERVICE} {name}"
        raise SecretUnavailable(name, None, f"{problem}. {advice}")
    return str(found)


def _advice(name: str) -> str:
    return (
        f"Keep it in the keyring with `clustrix config secret set {name}`, set {PREFIX}{name.upper()} in the environment, "
        f"or set {name}_command to a command that prints it."
    )


def secret_field(settings: Settings, name: str) -> Field:
    """The declaration of a secret.  Raises UnknownOption with the nearest name."""
    field = settings.known.find(name)
    if field is None or not field.secret:
        raise unknown(name, None, [other.name for other in settings.known.all().values() if other.secret])
    return field


def _output_of(field: Field, command: str) -> str:
    # The arguments may be secrets themselves: messages name the program only.
    try:
        words = shlex.split(command)
        program = words[0]
    except (ValueError, IndexError):
        raise SecretUnavailable(
            field.name, None, f"{field.name}_command is no command with arguments; check its quotes"
        ) from None
    try:
        run = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=False
        )
    except OSError as error:
        raise SecretUnavailable(
            field.name, None, f"{program}, of {field.name}_command, cannot be run ({error.strerror})"
        ) from None
    except subprocess.TimeoutExpired:
        problem = f"{program}, of {field.name}_command, took longer than {_COMMAND_SECONDS} s"
        raise SecretUnavailable(field.name, None, problem) from None
    if run.returncode != 0:
        problem = f"{program}, of {field.name}_command, ended with status {run.returncode}"
        raise SecretUnavailable(field.name, None, f"{problem}; run it by hand to see why")
    line = run.stdout.decode("utf-8", "replace").splitlines()[:1]
    if not line or not line[0]:
        raise SecretUnavailable(
            field.name, None, f"{program}, of {field.name}_command, printed no line; run it by hand"
        )
    return _valid(field, line[0])


def _valid(field: Field, text: str) -> str:
    found = field.check(field.name, text)
    if not isinstance(found, Secret):
        raise SecretUnavailable(field.name, None, f"what was found for it is empty. {_advice(field.name)}")
    return found.reveal()


# -- the keyring


class Entry(NamedTuple):
    """A secret's place in the keyring."""

    name: str
    profile: str | None = None

    @property
    def user(self) -> str:
        return f"{self.name}@{self.profile}" if self.profile else self.name


def store(settings: Settings, entry: Entry, text: str) -> None:
    """Keep a secret in the keyring.  Raises SecretUnavailable, ConfigError if it is not one that the field takes."""
    valid = _valid(secret_field(settings, entry.name), text)
    _ask(entry.name, "set_password", SERVICE, entry.user, valid)


def delete(settings: Settings, entry: Entry) -> bool:
    """Remove a secret from the keyring; False if there was none.  Raises SecretUnavailable."""
    secret_field(settings, entry.name)
    if _ask(entry.name, "get_password", SERVICE, entry.user) is None:
        return False
    _ask(entry.name, "delete_password", SERVICE, entry.user)
    return True


def rename(settings: Settings, old: str, new: str) -> None:
    """Have what the keyring has for a profile be for another.  Raises SecretUnavailable."""
    for name, field in settings.known.all().items():
        found = _ask(name, "get_password", SERVICE, Entry(name, old).user) if field.secret else None
        if found is not None:
            _ask(name, "set_password", SERVICE, Entry(name, new).user, found)
            _ask(name, "delete_password", SERVICE, Entry(name, old).user)


def whereabouts(settings: Settings, resolved: Resolved) -> dict[str, str]:
    """Each secret's name, and where it would come from; nothing is revealed, and no command is run."""
    return {
        name: _whereabouts(field, resolved) for name, field in settings.known.all().items() if field.secret
    }


def _whereabouts(field: Field, resolved: Resolved) -> str:
    origin = resolved.origin(field.name)
    if resolved[field.name] is not None and origin.layer in _DIRECT:
        return str(origin)
    if resolved[f"{field.name}_command"] is not None:
        return f"{field.name}_command, {resolved.origin(f'{field.name}_command')}"
    stored, trouble = _stored(field, resolved.profile)
    if stored is not None:
        return "keyring"
    return str(origin) if resolved[field.name] is not None else f"not set{trouble}"


def _stored(field: Field, profile: str | None) -> tuple[str | None, str]:
    """What the keyring has, the profile's own first; else a word about why nothing could be looked up."""
    for entry in (Entry(field.name, profile), Entry(field.name)):
        try:
            found = _ask(field.name, "get_password", SERVICE, entry.user)
        except SecretUnavailable as error:
            return None, f" ({error.allowed})"
        if found is not None:
            return str(found), ""
    return None, ""


def _ask(name: str, action: str, *arguments: str) -> Any:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        problem = 'the keyring cannot be asked: pip install "clustrix[keyring]"'
        raise SecretUnavailable(name, None, problem) from None
    try:
        return getattr(keyring, action)(*arguments)
    except KeyringError as error:
        # Of the foreign error its kind alone: nobody knows what its text holds.
        problem = f"the system's keyring cannot be used ({type(error).__name__})"
        raise SecretUnavailable(name, None, problem) from None
