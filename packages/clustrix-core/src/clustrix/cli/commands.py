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


clustrix.plugged = True
clustrix.later = {
    "cancel": Later("clustrix.cli.jobs:cancel", "End jobs, with all of their processes."),
    "clean": Later(
        "clustrix.cli.clean:clean", "Remove jobs that ended long ago, and files that nobody needs."
    ),
    "config": Later("clustrix.cli.config:config", "Show and change settings, and tell where they come from."),
    "dispatcher": Later("clustrix.cli.service:dispatcher", "See to the background processes that move jobs."),
    "doctor": Later(
        "clustrix.cli.doctor:doctor", "Look at all that jobs need, and say what to do about what is wrong."
    ),
    "forget": Later("clustrix.cli.jobs:forget", "Have the next call of a function run anew."),
    "jobs": Later("clustrix.cli.listing:jobs", "List jobs, the newest first."),
    "logs": Later("clustrix.cli.jobs:logs", "Print what a job has printed."),
    "plugins": Later("clustrix.cli.service:plugins", "List what is installed beside the core."),
    "result": Later("clustrix.cli.jobs:result", "Wait for a job, and print what it returned."),
    "retry": Later("clustrix.cli.jobs:retry", "Run what has failed once more."),
    "run": Later("clustrix.cli.run:run", "Run a function, a script or any program as a job."),
    "status": Later("clustrix.cli.jobs:status", "Tell where jobs are, since when, and why."),
    "timeline": Later("clustrix.cli.why:timeline", "Show in which state a job was for how long."),
    "why": Later("clustrix.cli.why:why", "Tell why a job waits, or why it ended as it did."),
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
