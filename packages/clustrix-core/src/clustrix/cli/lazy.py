"""A group of commands that are imported when they are called: ``clustrix --help`` stays quick however many there are."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click


class Later(NamedTuple):
    """A command that is not imported yet."""

    target: str
    """``module:name``."""
    help: str
    """The line that the list of commands shows."""


class LazyGroup(click.Group):
    """``later`` maps names to commands that stand elsewhere; ``plugged`` says whether plugins bring more."""

    later: dict[str, Later] = {}  # noqa: RUF012 -- set by whoever makes the group
    plugged = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.later, *self._titles()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        later = self.later.get(cmd_name)
        if later is not None:
            module, _, name = later.target.partition(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name) or self._of_plugin(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # only on the way to an error

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1, 0.5)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error

    def own(self) -> set[str]:
        """The names that no plugin can have."""
        return {*self.later, *self.commands}

    def _titles(self) -> dict[str, str]:
        """The commands of plugins, each with its line; not those whose names are the group's own."""
        if not self.plugged:
            return {}
        from clustrix.plugins.installed import any_installed

        if not any_installed():
            return {}
        from clustrix.plugins import entries

        return {entry.name: entry.title for entry in entries("command") if entry.name not in self.own()}

    def _of_plugin(self, name: str) -> click.Command | None:
        if name not in self._titles():
            return None
        from clustrix.errors import PluginError
        from clustrix.plugins import entry

        found = entry("command", name)
        command = found.load()
        if isinstance(command, click.Command):
            return command
        problem = f"command {name!r}: {found.target} is no click.Command"
        raise PluginError(found.plugin, problem, "it is a fault of the plugin: tell its authors")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = {name: later.help for name, later in self.later.items()} | self._titles()
        room = formatter.width - 6 - max(map(len, [*lines, *self.commands]), default=0)
        for name, command in self.commands.items():
            if not command.hidden:
                lines[name] = command.get_short_help_str(room)
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(sorted(lines.items()))
