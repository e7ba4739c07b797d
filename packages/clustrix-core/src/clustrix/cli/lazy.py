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
    """``later`` maps names to commands that stand elsewhere."""

    later: dict[str, Later] = {}  # noqa: RUF012 -- set by whoever makes the group

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        later = self.later.get(cmd_name)
        if later is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = later.target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names), default=0)
        lines = [
            (
                name,
                self.later[name].help if name in self.later else self.commands[name].get_short_help_str(room),
            )
            for name in names
            if name in self.later or not self.commands[name].hidden
        ]
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(lines)
