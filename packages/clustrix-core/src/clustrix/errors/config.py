"""Settings and options that cannot be."""

from __future__ import annotations

from typing import Any

from clustrix.errors.root import ClustrixError

_SHOWN_CHARACTERS = 200
"""Of a bad value, in a message."""


class ConfigError(ClustrixError, ValueError):
    """A setting or option with a value that cannot be.

    ``field``, ``value``: what was given; ``allowed``: what may be given; ``example``: one that works; ``origin``: where it
    was given, as ``clustrix.yml:3``; empty for a call.
    """

    def __init__(self, field: str, value: Any, allowed: str, example: str = "", origin: str = "") -> None:
        super().__init__(field, value, allowed, example, origin)
        self.field = field
        self.value = value
        self.allowed = allowed
        self.example = example
        self.origin = origin

    def __str__(self) -> str:
        example = f" Example: {self.example}." if self.example else ""
        stop = "" if self.allowed.endswith("?") else "."
        return f"{self._place()}{self.field}={_shown(self.value)}: {self.allowed}{stop}{example}"

    def _place(self) -> str:
        return f"{self.origin}: " if self.origin else ""


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # an int of more than 4,300 digits, or whatever a class's own __repr__ raises
        return f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


class UnknownOption(ConfigError, TypeError):
    """An option or setting of a name that nobody declared."""

    def __str__(self) -> str:
        return f"{self._place()}unknown option {self.field!r}; {self.allowed}"


class UnknownProfile(ConfigError, LookupError):
    """A profile of a name that no file has.  ``value`` is the name, ``allowed`` says which are near, or which there are."""

    def __str__(self) -> str:
        return f"{self._place()}no profile {_shown(self.value)}; {self.allowed}"


class ConfigFileError(ConfigError):
    """A configuration file cannot be used.

    ``path``: which; ``problem``: what is the matter; ``advice``: what to do; ``line``, ``column``: where, from 1 on, 0 for unknown.
    """

    def __init__(self, path: str, problem: str, advice: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__("file", path, problem)
        self.args = (path, problem, advice, line, column)
        self.path = path
        self.problem = problem
        self.advice = advice
        self.line = line
        self.column = column
        self.origin = path + (f":{line}" if line else "") + (f":{column}" if line and column else "")

    def __str__(self) -> str:
        return f"{self.origin}: {self.problem}." + (f" {self.advice}" if self.advice else "")


class ConfigFileUnsafe(ConfigFileError):
    """A configuration file that another user of this machine could have written; nothing of it is used."""


class SecretUnavailable(ConfigError):
    """A password or token cannot be had.  ``field``: its name; ``allowed``: what was tried, and what to do.  It never holds the secret."""

    def __str__(self) -> str:
        return f"{self._place()}{self.field}: {self.allowed}"


class UnknownBackend(ConfigError):
    """``cluster_type`` names no backend that is installed."""


class KeyTaken(ConfigError):
    """The key names other work already: another function's, or a map where this is a call.

    ``job``: which job has it; ``holder``, ``asked``: what that one is, and what was to be submitted.
    """

    def __init__(self, key: str | None, job: str, holder: str, asked: str) -> None:
        super().__init__("key", key, f"names {holder} already (job {job}), and this is {asked}")
        self.args = (key, job, holder, asked)
        self.job = job
        self.holder = holder
        self.asked = asked

    def __str__(self) -> str:
        return super().__str__() + " Give each its own key."


class ResourcesUnavailable(ConfigError):
    """With ``local_strict=True``: the job asks for more than this machine has."""
