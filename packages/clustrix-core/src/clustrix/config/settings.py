"""What is set now, in this process."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from clustrix.config.fields import FIELDS, checked

_settings: dict[str, Any] = {field.name: field.default for field in FIELDS.values() if field.name != "key"}


def configure(**settings: Any) -> None:
    """Set defaults for all calls of this process: ``configure(default_cores=4, async_submit=True)``.

    All or nothing: one bad value, and nothing is changed.  Raises ConfigError naming the field, the value and what
    is allowed; UnknownOption with the nearest name for an unknown field.
    """
    _settings.update(checked(settings, {name: FIELDS[name] for name in _settings}))


def current() -> MappingProxyType[str, Any]:
    """The settings as they are now; read-only."""
    return MappingProxyType(_settings)
