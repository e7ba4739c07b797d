"""The commands, each with the module that does its work imported when it is called."""

from __future__ import annotations

import click

from clustrix import __version__
from clustrix.cli.failures import debug_option
from clustrix.cli.lazy import Later, LazyGroup


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="clustrix %(version)s")
@debug_option
def clustrix() -> None:
    """Write one Python function and run it anywhere, never lost."""


clustrix.later = {
    "config": Later("clustrix.cli.config:config", "Show and change settings, and tell where they come from."),
}


@clustrix.command()
@click.pass_context
def demo(context: click.Context) -> None:
    """See clustrix at work on this machine, in about ten seconds.

    Surveys the modules of Python's standard library as one map on all cores, brings an exception home, kills a submitter
    and fetches its result, and says what it measured. Exits with 1 if anything is not as it should be.
    """
    from clustrix.cli.demo import run

    context.exit(run())
