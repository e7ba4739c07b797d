"""``clustrix doctor``: look at all that jobs need, change nothing, and say what to do about what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from textwrap import fill
from typing import Any

import click

from clustrix.plugins.checks import FAILED, OK, WARNING, Check, failed

_WIDTH = 110
_INDENT = 10


@click.command()
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="A list of objects: what, state (ok, warning or failed), found, advice.",
)
@click.option(
    "--job",
    "with_job",
    is_flag=True,
    help="Run a job too, here and where your settings say, and tell how long it took.",
)
@click.pass_context
def doctor(context: click.Context, as_json: bool, with_job: bool) -> None:
    """Look at all that jobs need, and say what to do about what is wrong.

    Nothing is changed or started, unless with --job. Exits with 1 if something is wrong that will keep jobs from running.
    """
    found = []
    for check in _checks(with_job):
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        print(json.dumps([check._asdict() for check in found], indent=1))
    else:
        print(_sum(found))
    if any(check.state == FAILED for check in found):
        context.exit(1)


def _checks(with_job: bool) -> Iterator[Check]:
    from clustrix.cli.doctor import machine, running, settings, storage

    groups: list[tuple[str, Callable[[], Iterable[Check]]]] = [
        ("Python", machine.python),
        ("machine", machine.machine),
        ("state directory", storage.directory),
        ("journal", storage.journal),
        ("leftovers", storage.leftovers),
        ("settings", settings.settings),
        ("plugins", settings.plugins),
        ("dispatchers", running.dispatchers),
    ]
    for name, group in groups + ([("job", running.job)] if with_job else []):
        yield from _made(name, group)
    yield from _of_plugins()


def _made(name: str, group: Callable[[], Iterable[Any]]) -> Iterator[Check]:
    """The checks of a group; a group that fails is a finding, too."""
    try:
        for check in group():
            yield (
                check
                if isinstance(check, Check)
                else failed(name, f"{check!r} is no Check", "tell its authors")
            )
    except Exception as error:  # whatever is broken here: the other checks are wanted all the more
        yield failed(name, f"could not be looked at: {type(error).__name__}: {error}", "")


def _of_plugins() -> Iterator[Check]:
    from clustrix.plugins import entries

    for entry in entries("check"):

        def group(entry: Any = entry) -> Iterable[Any]:
            found: Iterable[Any] = entry.load()()
            return found

        yield from _made(entry.name, group)


def _show(check: Check) -> None:
    colour = {OK: "green", WARNING: "yellow", FAILED: "red"}[check.state]
    print(f"{_painted(check.state.ljust(_INDENT), colour)}{check.what}: {check.found}")
    if check.advice:
        indent = " " * _INDENT
        print(
            fill(
                check.advice,
                _WIDTH,
                initial_indent=indent + "→ ",
                subsequent_indent=indent + "  ",
                break_on_hyphens=False,
                break_long_words=False,
            )
        )
    sys.stdout.flush()


def _painted(text: str, colour: str) -> str:
    import os

    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return click.style(text, fg=colour) if wanted else text


def _sum(found: list[Check]) -> str:
    wrong = sum(check.state == FAILED for check in found)
    doubtful = sum(check.state == WARNING for check in found)
    if not wrong and not doubtful:
        return f"\n{len(found)} checks: all is well"
    return f"\n{len(found)} checks: {wrong} failed, {doubtful} to look at"
