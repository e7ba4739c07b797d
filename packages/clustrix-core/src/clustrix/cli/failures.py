"""How a command says that something went wrong: one block that can be read, and what to do next.

The errors themselves are imported when there is one: the help shall not wait for them.
"""

from __future__ import annotations

import sys

import click

FAILED = 1

_debug = False


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    global _debug
    _debug = value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)
"""Of the whole program, so that it stands before the command."""


def show(error: BaseException, text: str = "", step: str = "") -> None:
    """Print it to stderr; with ``--debug`` as a traceback.

    ``text``: what to say instead of its own text; ``step``: a command that helps.
    """
    if _debug:
        import traceback

        traceback.print_exception(error)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Error: ", "bold red"), harmless(text or str(error))))
    step = step or next_step(error)
    if step:
        console.print(Text.assemble(("  Next: ", "bold"), step))


def next_step(error: BaseException) -> str:
    """A command that helps, where the error itself does not say what to do."""
    from clustrix.errors import ConfigError, ConfigFileError

    if isinstance(error, ConfigFileError):
        return "" if error.advice else f"clustrix config validate {error.path}"
    if isinstance(error, ConfigError) and error.origin:
        return "clustrix config validate"
    return ""


def exit_with(error: Exception) -> None:
    """The end of a command that failed; what is none of our errors is raised again, with its traceback."""
    from clustrix.errors import ClustrixError

    if not isinstance(error, ClustrixError):
        raise error
    show(error)
    sys.exit(FAILED)


def traced(error: BaseException) -> str:
    """The error with its traceback, as far as that is the user's: not how this command came to it."""
    import os
    import traceback

    here = os.path.dirname(os.path.dirname(__file__))
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    return harmless("".join(traceback.format_exception(type(error), error, trace)).rstrip())


def harmless(text: str) -> str:
    """What a job says may hold anything: nothing of it moves the terminal's cursor or changes its colours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
