"""What the declaration of a field says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from clustrix.config.kinds import Kind, Secret, kind_of
from clustrix.errors import ConfigError


class Field(NamedTuple):
    """One setting, or an option of one function."""

    name: str
    kind: Kind
    default: Any
    help: str
    """A sentence or two, for people who choose a value."""
    example: Any
    """A value that is accepted, and is not the default (but of ``cluster_type``, since the core alone knows one place)."""
    group: str = "jobs"
    """The heading under which it is shown."""
    choices: tuple[str, ...] = ()
    """Values to offer; ``kind`` decides what is accepted."""
    secret: bool = False
    """Whether it is a password or token: it comes from the keyring, the environment or a command, and is never shown or written."""
    security: str = ""
    """What somebody should know who sets it, for the sake of safety; empty where there is nothing."""
    providers: Mapping[str, str] = MappingProxyType({})
    """What it becomes at a place, and what a good value is there: a ``cluster_type`` to a sentence or two. Empty where no place differs."""
    shown: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Other fields and their values with which it matters: ``{"cluster_type": ("slurm",)}``. Of several fields all must match; empty: always."""
    option: str = ""
    """The name under which the decorator and ``options()`` take it, where they do."""
    scope: str = "job"
    """"place": says which place is meant, two values are two places; "job": a job's own need; "session": how this process behaves."""
    setting: bool = True
    """Whether it can be set for all jobs; False for what belongs to one function."""

    def check(self, name: str, value: Any, origin: str = "", example: str = "") -> Any:
        """The value as it is used.  Raises ConfigError under the name by which it was given."""
        given = value.reveal() if isinstance(value, Secret) else value
        try:
            found = self.kind.check(name, given)
        except ConfigError as error:
            shown = kind_of(given) if self.secret else error.value
            hint = example or f"{name}={literal(self.example)}"
            raise type(error)(error.field, shown, error.allowed, hint, origin) from None
        return Secret(found) if self.secret and found is not None else found

    def show(self, value: Any) -> Any:
        """The value as anybody may see it."""
        if value is None:
            return None
        return "…" if self.secret else self.kind.show(value)


def literal(value: Any) -> str:
    """As one writes it in Python, with double quotes."""
    import json

    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, list, dict)) else repr(value)
