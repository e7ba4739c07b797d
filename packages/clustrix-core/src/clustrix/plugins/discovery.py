"""Find the installed plugins: one by one, so that a broken one stops nobody but itself."""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from clustrix.errors import PluginConflict, PluginError, UnknownBackend
from clustrix.plugins import builtin, hookspecs
from clustrix.plugins.installed import Point, points
from clustrix.plugins.registry import HOOK_API, Entry, Registry

if TYPE_CHECKING:
    from clustrix.config.field import Field

DISABLED = "CLUSTRIX_DISABLE_PLUGINS"
"""Names of plugins or their distributions, with commas between them."""
SLOW_SECONDS = 0.1
"""A plugin that takes longer to register is named as slow."""


class Plugin(NamedTuple):
    """One installed plugin, and whether it can be used."""

    name: str
    """Of its entry point."""
    distribution: str
    version: str
    target: str
    seconds: float
    """How long it took to load."""
    entries: tuple[Entry, ...] = ()
    fields: tuple[Field, ...] = ()
    problem: str = ""
    """Why it is not used; empty if it is."""
    disabled: bool = False

    @property
    def slow(self) -> bool:
        """Whether it holds up everybody who asks for plugins."""
        return self.seconds > SLOW_SECONDS


class Conflict(NamedTuple):
    """One name that several plugins give."""

    kind: str
    name: str
    distributions: tuple[str, ...]


class Found:
    """What one look has found."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = plugins

    def of(self, kind: str) -> Sequence[Entry]:
        """All of a kind."""
        return [entry for plugin in self.plugins for entry in plugin.entries if entry.kind == kind]

    def one(self, kind: str, name: str) -> Entry:
        """The one of that name.  Raises PluginConflict, UnknownBackend, PluginError."""
        same = [entry for entry in self.of(kind) if entry.name == name]
        if len(same) > 1:
            raise PluginConflict(kind, name, tuple(entry.plugin for entry in same))
        if same:
            return same[0]
        raise self._unknown(kind, name)

    def conflicts(self) -> list[Conflict]:
        """What several bring under one name: none of them is used."""
        owners: dict[tuple[str, str], list[str]] = {}
        for plugin in self.plugins:
            for entry in plugin.entries:
                owners.setdefault((entry.kind, entry.name), []).append(plugin.distribution)
        return [Conflict(*what, tuple(whose)) for what, whose in owners.items() if len(whose) > 1]

    def fields(self) -> tuple[Field, ...]:
        """All that are declared; what two declare is the first's, and reported."""
        found: dict[str, Field] = {}
        for plugin in self.plugins:
            for field in plugin.fields:
                found.setdefault(field.name, field)
        return tuple(found.values())

    def _unknown(self, kind: str, name: str) -> PluginError | UnknownBackend:
        names = sorted(
            {entry.name for entry in self.of(kind)} | ({*builtin.BACKENDS} if kind == "backend" else set())
        )
        if kind != "backend":
            return PluginError("", f"there is no {kind} {name!r}", f"known: {', '.join(names) or 'none'}")
        return UnknownBackend("cluster_type", name, self._hint(name, names), 'cluster_type="local"')

    def _hint(self, name: str, names: list[str]) -> str:
        extra = builtin.EXTRAS.get(name)
        if extra is not None:
            return f'{self._trouble(extra)}install it with: pip install "clustrix[{extra}]"'
        near = difflib.get_close_matches(name, names + list(builtin.EXTRAS), 1, 0.6)
        if near:
            return f"did you mean {near[0]!r}?"
        return f"there is no such backend; known: {', '.join(names)}"

    def _trouble(self, extra: str) -> str:
        """What keeps an installed distribution from being used."""
        for plugin in self.plugins:
            if plugin.distribution == f"clustrix-{extra}" and plugin.problem:
                return f"{plugin.distribution} is installed, but {plugin.problem}; "
        return ""


_latest: tuple[str, Found] | None = None


def found() -> Found:
    """The installed plugins; looked for once, and anew when ``CLUSTRIX_DISABLE_PLUGINS`` has changed."""
    global _latest
    disabled = os.environ.get(DISABLED, "")
    latest = _latest
    if latest is None or latest[0] != disabled:
        latest = _latest = disabled, Found(_look({name.strip() for name in disabled.split(",")}))
    return latest[1]


def forget() -> None:
    """Look again next time: something may have been installed since."""
    global _latest
    _latest = None
    importlib.invalidate_caches()


def _look(disabled: set[str]) -> list[Plugin]:
    plugins: dict[Point, Plugin] = {}
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for point in points():
        if point in plugins:  # on the search path twice, as an editable install can be
            continue
        if point.name in disabled or point.distribution in disabled:
            make = _maker(point)
            plugins[point] = make(0.0, problem=f"it is named in {DISABLED}", disabled=True)
        else:
            plugins[point] = _load(point, manager)
    return sorted(plugins.values(), key=lambda plugin: (plugin.distribution, plugin.name))


def _maker(point: Point) -> Callable[..., Plugin]:
    return functools.partial(Plugin, point.name, point.distribution, point.version, point.target)


def _load(point: Point, manager: pluggy.PluginManager) -> Plugin:
    make, distribution = _maker(point), point.distribution
    began = time.perf_counter()
    registry = Registry(distribution)
    try:
        # What it prints shall not stand in the midst of what a command prints for programs.
        with redirect_stdout(sys.stderr):
            module = _target(point.target)
        api = getattr(module, "HOOK_API", None)
        if api != HOOK_API:
            return make(time.perf_counter() - began, problem=_other_api(distribution, api))
        _ask(manager, module, registry)
        strange = next((field for field in registry.declared if not _is_field(field)), None)
        if strange is not None:
            raise PluginError(
                distribution, f"{strange!r} is no Field", "declare it with clustrix.config.Field"
            )
    except PluginError as error:
        return make(time.perf_counter() - began, problem=f"{error.problem}: {error.advice}")
    except (Exception, SystemExit) as error:  # whatever somebody else's module does
        problem = f"it could not be loaded: {type(error).__name__}: {error}"
        return make(time.perf_counter() - began, problem=problem)
    return make(time.perf_counter() - began, tuple(registry.entries), tuple(registry.declared))


def _is_field(declared: Any) -> bool:
    # By name: the class is not imported for everybody.
    return type(declared).__name__ == "Field" and isinstance(declared.name, str)


def _target(text: str) -> Any:
    module, _, path = text.partition(":")
    found: Any = importlib.import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found


def _ask(manager: pluggy.PluginManager, module: Any, registry: Registry) -> None:
    """Have one plugin say what it has; it is alone in the manager meanwhile."""
    manager.register(module)
    try:
        manager.check_pending()
        manager.hook.clustrix_register(registry=registry)
    finally:
        manager.unregister(module)


def _other_api(distribution: str, api: Any) -> str:
    if api is None:
        return f"it does not say HOOK_API = {HOOK_API}: its authors have to add that"
    older = isinstance(api, int) and api < HOOK_API
    cure = f"pip install --upgrade {distribution}" if older else "pip install --upgrade clustrix"
    return (
        f"it is made for version {api} of the plugin interface, this clustrix has version {HOOK_API}: {cure}"
    )
