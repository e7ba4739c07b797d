"""``%clustrix``: words that a notebook has, and the commands of the shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clustrix.errors import ClustrixError
from clustrix_notebook.cells.failing import in_one_block
from clustrix_notebook.words import LineError, split

_HELP = """\
%clustrix             the settings, as a form
%clustrix status      what holds, and how many jobs there are
%clustrix jobs        the jobs, the newest first: --state, --name, --tag, --since, --until, --limit, --all
%clustrix use NAME    have the profile hold from now on; use none: have none
%clustrix doctor      look at all that jobs need
%clustrix help        this text
%%cluster             run a cell as a job: %%cluster --help

The commands of the shell, each with --help:"""


Way = Callable[[Any, list[str]], Any]


def run(shell: Any, line: str) -> Any:
    """Do what the line says.  What goes wrong is shown in one block, without a traceback."""
    try:
        words = split(line)
        way: Way = _ways().get(words[0] if words else "", _command)
        return way(shell, words)
    except ClustrixError as error:
        failure = in_one_block(shell, error)
    raise failure


def words_of() -> list[str]:
    """All first words."""
    from clustrix.cli.commands import clustrix

    own = {word for word in _ways() if word.isalpha()}
    import click

    return sorted(own | set(clustrix.list_commands(click.Context(clustrix))))


def _ways() -> dict[str, Way]:
    return {
        "": _settings,
        "status": _status,
        "jobs": _jobs,
        "use": _use,
        "doctor": _doctor,
        "help": _help,
        "?": _help,
        "-h": _help,
        "--help": _help,
    }


def _settings(shell: Any, words: list[str]) -> None:
    if is_kernel(shell):
        from clustrix_notebook.widget import show_form

        show_form()
    else:
        from clustrix_notebook.lines.telling import settings

        print(settings())


def is_kernel(shell: Any) -> bool:
    """Whether it has a page to show things on; else it is a terminal."""
    return hasattr(shell, "kernel")


def _status(shell: Any, words: list[str]) -> None:
    if words[1:]:
        _command(shell, words)  # the status of jobs
        return
    from clustrix_notebook.lines.telling import status

    print(status())


def _jobs(shell: Any, words: list[str]) -> None:
    if {"--json", "--watch", "--help", "-h"} & set(words):
        _command(shell, words)
        return
    from clustrix_notebook.lines.telling import jobs

    found = jobs(words[1:])
    if is_kernel(shell):
        _display(found)
    else:
        print(found)


def _use(shell: Any, words: list[str]) -> None:
    if len(words) != 2:
        raise LineError("say which: %clustrix use PROFILE, or %clustrix use none")
    from clustrix import configure
    from clustrix_notebook.lines.telling import holds

    configure(profile=None if words[1] == "none" else words[1])
    print(holds())


def _doctor(shell: Any, words: list[str]) -> None:
    if not is_kernel(shell) or set(words[1:]) - {"--job"}:
        _command(shell, words)
        return
    from clustrix_notebook.lines.telling import checks

    _display(checks("--job" in words))


def _display(obj: Any) -> None:
    import IPython.display

    show: Any = IPython.display.display  # untyped as it is
    show(obj)


def _help(shell: Any, words: list[str]) -> None:
    import click

    from clustrix.cli.commands import clustrix

    context = click.Context(clustrix)
    own = set(_ways())
    print(_HELP)
    for name in clustrix.list_commands(context):
        if name not in own:
            command = clustrix.get_command(context, name)
            print(f"  {name.ljust(12)}{command.get_short_help_str(90) if command else ''}")


def _command(shell: Any, words: list[str]) -> None:
    from clustrix_notebook.lines.commands import run_command

    run_command(words, words_of())
