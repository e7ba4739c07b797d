"""Where a plugin says what it has.  Light: nothing that is named here is loaded before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from clustrix.errors import PluginError

if TYPE_CHECKING:
    from clustrix.config.field import Field

HOOK_API = 1
"""The version of this interface.  It grows with changes that a plugin has to follow."""

KINDS = (
    "backend",
    "command",
    "observer",
    "result format",
    "check",
    "environment builder",
    "cloud provider",
    "price source",
    "ipython extension",
    "display",
    "connection test",
    "assistant",
)
_NAME = r"[a-z][a-z0-9_-]{0,39}"
_TARGET = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"


class Entry(NamedTuple):
    """One thing that a plugin has."""

    kind: str
    name: str
    target: str
    """``package.module:attribute``; imported by ``load``."""
    title: str
    plugin: str
    """The distribution that brings it."""
    needs: str = ""
    """What to install if the target cannot be imported, as pip takes it."""
    serves: tuple[str, ...] = ()
    """Of an assistant the backends that it is for, of a price source the fields beside which it is shown."""

    def load(self) -> Any:
        """The target itself.  Raises PluginError with what to do."""
        module, _, path = self.target.partition(":")
        try:
            found: Any = import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except ImportError as error:
            advice = f'pip install "{self.needs}"' if self.needs else f"see that {self.plugin} is whole"
            raise PluginError(self.plugin, f"{self.kind} {self.name!r}: {error}", advice) from error
        except Exception as error:  # whatever another's module raises when it is imported
            problem = f"{self.kind} {self.name!r}: {self.target} failed: {type(error).__name__}: {error}"
            raise PluginError(
                self.plugin, problem, "it is a fault of the plugin: tell its authors"
            ) from error
        return found


class Registry:
    """Given to each plugin's ``clustrix_register``.

    A *target* is a text, ``"package.module:attribute"``: it is imported when it is used, so that the module which
    registers it stays light.  Names are lower-case letters, digits, ``-`` and ``_``.  Every method raises PluginError for
    what it cannot take; then nothing of the plugin is used.
    """

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self.entries: list[Entry] = []
        self.declared: list[Field] = []

    def backend(
        self, name: str, target: str, *, title: str, fields: Iterable[Field] = (), needs: str = ""
    ) -> None:
        """A place that runs jobs: ``cluster_type="NAME"``.

        ``target``: a subclass of ``clustrix.backends.Backend``, made once for each place.  ``fields``: the settings that it
        reads.  ``needs``: what to install when the target cannot be imported, as ``"clustrix[ssh]"``.
        """
        self._add("backend", name, target, title, needs)
        self.fields(fields)

    def fields(self, fields: Iterable[Field]) -> None:
        """Settings: each is taken by ``configure``, files, environment variables and the command line."""
        self.declared += fields

    def command(self, name: str, target: str, *, title: str) -> None:
        """A command ``clustrix NAME``.  ``target``: a ``click.Command``; ``title``: its line in ``clustrix --help``."""
        self._add("command", name, target, title)

    def observer(self, name: str, target: str, *, title: str = "") -> None:
        """Hears of each change of a job's state.

        ``target``: called in the dispatcher, in a thread of its own, with a list of ``clustrix.plugins.events.JobEvent``
        after they are written to the journal.  What it raises is logged.  It may miss events when the dispatcher is killed.
        """
        self._add("observer", name, target, title or name)

    def result_format(self, name: str, target: str, *, title: str = "") -> None:
        """A form in which ``clustrix result`` can write a value: ``--format NAME``.

        ``target``: called with the value and a binary file to write to; raises TypeError for what it cannot write.
        """
        self._add("result format", name, target, title or name)

    def check(self, name: str, target: str, *, title: str = "") -> None:
        """Something that ``clustrix doctor`` looks at.

        ``target``: called without arguments, gives any number of ``clustrix.plugins.checks.Check``.  It changes nothing, and takes no
        longer than a second or two.  What it raises is shown as a failed check.
        """
        self._add("check", name, target, title or name)

    def environment_builder(self, name: str, target: str, *, title: str = "") -> None:
        """A way to build a Python environment where jobs run."""
        self._add("environment builder", name, target, title or name)

    def cloud_provider(self, name: str, target: str, *, title: str = "") -> None:
        """Makes, sizes and deletes managed Kubernetes clusters."""
        self._add("cloud provider", name, target, title or name)

    def price_source(self, name: str, target: str, *, title: str = "", fields: Iterable[str] = ()) -> None:
        """Says what a machine costs an hour.

        ``target``: called with the settings, a mapping by name; returns a short text, "0.19 USD an hour (2026-11)", or "" for what it does
        not know.  It takes milliseconds: it asks no network.  ``fields``: the settings of which a form shows it, as an instance type.
        """
        self._add("price source", name, target, title or name, serves=tuple(fields))

    def connection_test(self, name: str, target: str, *, title: str = "") -> None:
        """Looks at the place of the backend ``name`` as a job would find it.

        ``target``: called with the settings and with ``ask``, a coroutine function that takes a ``clustrix.backends.Question`` and gives
        a person's answer, or None; an async generator of ``clustrix.plugins.checks.Check``, each as soon as it is known.  It leaves nothing behind.
        """
        self._add("connection test", name, target, title or name)

    def assistant(self, name: str, target: str, *, title: str, backends: Iterable[str]) -> None:
        """Sets something up, with a person who answers: a settings form shows it as a button, where one of these backends is chosen.

        ``target``: as for ``connection_test``; it may also give ``clustrix.plugins.checks.Suggestion``: a setting that the form takes over.
        """
        self._add("assistant", name, target, title, serves=tuple(backends))

    def ipython_extension(self, name: str, target: str, *, title: str = "") -> None:
        """Part of what ``%load_ext clustrix`` brings.

        ``target``: an object, or a module, with ``load(shell)`` and ``unload(shell)``; ``shell`` is IPython's ``InteractiveShell``.
        """
        self._add("ipython extension", name, target, title or name)

    def display(self, name: str, target: str, *, title: str = "") -> None:
        """Shows jobs where IPython displays them.

        ``target``: called with an ``AsyncJobResult``, a ``MapResult`` or a ``JobList``; shows it and returns True, or returns False to
        leave it to the next, and at last to plain HTML.
        """
        self._add("display", name, target, title or name)

    def _add(
        self, kind: str, name: str, target: str, title: str, needs: str = "", serves: tuple[str, ...] = ()
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            allowed = "lower-case letters, digits, - and _, at most 40, beginning with a letter"
            raise PluginError(self._plugin, f"{kind} {name!r} is no name", f"take {allowed}")
        if not isinstance(target, str) or not re.fullmatch(_TARGET, target):
            problem = f"{kind} {name!r}: target {target!r} is not of the form package.module:attribute"
            raise PluginError(self._plugin, problem, "name the target, do not import it")
        self.entries.append(Entry(kind, name, target, str(title), self._plugin, needs, serves))
