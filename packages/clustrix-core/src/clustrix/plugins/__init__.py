"""What is installed beside the core: backends, fields, commands, observers.  Found through entry points, on first use.

A plugin's author imports ``hookimpl`` from here; the rest of clustrix asks the functions below.  Nothing is looked for
until a name is asked for that is not the core's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clustrix.plugins.registry import HOOK_API, Entry, Registry

if TYPE_CHECKING:
    from clustrix.config.field import Field
    from clustrix.plugins.discovery import Conflict, Found, Plugin
    from clustrix.plugins.hookspecs import hookimpl

__all__ = [
    "HOOK_API",
    "Entry",
    "Registry",
    "backend",
    "backend_names",
    "conflicts",
    "discovered",
    "entries",
    "entry",
    "fields",
    "fields_of",
    "hookimpl",
    "look_again",
    "looks",
]


def backend(name: str) -> Entry:
    """The backend of that name.  Raises UnknownBackend, PluginConflict when two plugins claim it."""
    from clustrix.plugins import builtin

    own = builtin.BACKENDS.get(name)
    if own is not None:
        return own
    return _found().one("backend", name)


def backend_names() -> tuple[str, ...]:
    """All backends there are, sorted."""
    from clustrix.plugins import builtin

    return tuple(sorted({*builtin.BACKENDS, *(entry.name for entry in entries("backend"))}))


def entries(kind: str) -> Sequence[Entry]:
    """What plugins have registered of a kind: "backend", "command", "observer", … (``clustrix.plugins.registry.KINDS``)."""
    return _found().of(kind)


def entry(kind: str, name: str) -> Entry:
    """The one of a kind and name.  Raises PluginError if there is none, PluginConflict when two plugins bring it."""
    return _found().one(kind, name)


def fields() -> tuple[Field, ...]:
    """The fields that installed plugins have declared."""
    return _found().fields()


def fields_of(name: str) -> tuple[Field, ...]:
    """The fields that the plugin has declared which brings a backend; none for the core's own."""
    whose = backend(name).plugin
    return tuple(field for plugin in discovered() if plugin.distribution == whose for field in plugin.fields)


def discovered() -> Sequence[Plugin]:
    """Every plugin that is installed, those that could not be used among them, with what is wrong."""
    return _found().plugins


def conflicts() -> Sequence[Conflict]:
    """Names that several plugins give, so that none of them is used."""
    return _found().conflicts()


def _found() -> Found:
    from clustrix.plugins import discovery

    return discovery.found()


_looks = 0


def looks() -> int:
    """Grows with each new look: what was made of the answers before is to be made anew."""
    return _looks


def look_again() -> None:
    """Have the next question answered anew: something may have been installed since."""
    global _looks
    from clustrix.plugins import discovery

    _looks += 1
    discovery.forget()


def __getattr__(name: str) -> Any:
    if name == "hookimpl":  # pluggy comes with the first plugin, not with clustrix
        from clustrix.plugins.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module 'clustrix.plugins' has no attribute {name!r}")
