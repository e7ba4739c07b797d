"""``clustrix run``: a function, a script or any program as a job; with a grid, a map of it."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from clustrix.cli.failures import FAILED, show
from clustrix.cli.functions import SEPARATOR, submit_function
from clustrix.cli.grids import Grid, parsed
from clustrix.cli.jobs import write_repr
from clustrix.config import OPTIONS
from clustrix.errors import ClustrixError, ConfigError, ProgramFailed, UnknownProfile

INTERRUPTED = 130
"""As shells have it for Ctrl-C."""

_FIELDS = ("cores", "memory", "time", "retries", "name", "tags", "profile", "cluster_type")
"""The decorator's options that the command takes, too."""
_LONGEST_NAME = 100


def _with_fields(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the command from the declarations of the fields."""
    for name in reversed(_FIELDS):
        field = OPTIONS[name]
        several = isinstance(field.default, tuple)
        flag = name.removesuffix("s") if several else name.replace("_", "-")
        option = click.option(
            f"--{flag}",
            name,
            metavar=field.kind.name.upper() if not several else "TEXT",
            multiple=several,
            callback=_checked,
            help=field.help + (" May be given several times." if several else ""),
        )
        command = option(command)
    return command


def _checked(context: click.Context, parameter: click.Parameter, given: Any) -> Any:
    """The value as it is used; None for one that was not given."""
    if given is None or given == ():
        return None
    assert parameter.name is not None
    field, flag = OPTIONS[parameter.name], parameter.opts[0]
    example = field.example[0] if isinstance(given, tuple) else field.show(field.example)
    try:
        value = list(given) if isinstance(given, tuple) else field.kind.read(given)
        return field.check(flag, value, example=f"{flag} {example}")
    except ConfigError as error:
        raise click.UsageError(str(error), context) from error


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", nargs=-1, required=True, type=click.UNPROCESSED, metavar="TARGET [ARGS]...")
@click.option(
    "--kw",
    "keywords",
    multiple=True,
    metavar="NAME=VALUE",
    help="A keyword argument of the function. May be given several times.",
)
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="NAME=VALUES",
    help="Run the command for each value: a,b,c or 1:100 or 0:1:0.25. Given several times: for all combinations.",
)
@_with_fields
@click.option("--detach", is_flag=True, help="Print the job's id, and do not wait.")
@click.option("--dry-run", is_flag=True, help="Submit nothing: show what would be submitted, and where.")
def run(
    target: tuple[str, ...],
    keywords: tuple[str, ...],
    grids: tuple[str, ...],
    detach: bool,
    dry_run: bool,
    **fields: Any,
) -> None:
    """Run a function, a script or any program as a job, and wait for it.

    \b
      clustrix run FILE.py::FUNCTION [ARGS]... [--kw name=value]
      clustrix run package.module::FUNCTION [ARGS]...
      clustrix run SCRIPT.py [ARGS]... [--grid alpha=0.1,0.2]
      clustrix run --grid alpha=0.1,0.2 --grid seed=1:100 -- ./prog {alpha} {seed}

    Arguments of a function are numbers, lists and so on as Python writes them, and else texts. What it returns is printed,
    unless it is None.

    A script is run by this Python, a program as a shell would, in the folder of the command. An option that stands
    before -- and is one of this command's is not passed on to it.

    A grid makes one job of all combinations, a map. {name} in the command stands for a value. A script
    without any gets them as options: --alpha 0.1 --seed 1. 1:100 has both ends, 0:1:0.25 is 0, 0.25, 0.5,
    0.75, 1; a value with a comma or a colon stands in double quotes: 'when="12:30",never'.

    The job's id is the first line on stderr. Ctrl-C cancels the job; if this command dies otherwise, the job goes on,
    and clustrix result has what became of it.

    Exits with 0 if the job, or each of its items, has succeeded, with 1 if not, with 2 if the command was
    not understood (nothing is submitted then), with 130 after Ctrl-C.
    """
    if target[0].startswith("-"):
        raise click.NoSuchOption(target[0])
    settings = {name: value for name, value in fields.items() if value is not None}
    is_function = SEPARATOR in target[0]
    if is_function and grids:
        raise click.UsageError("--grid is for scripts and programs; a function has its map().")
    if keywords and not is_function:
        raise click.UsageError("--kw is for functions: clustrix run FILE.py::FUNCTION --kw name=value")
    try:
        if is_function:
            job = submit_function(target[0], target[1:], keywords, settings, dry_run)
        else:
            job = _submit_program(target, parsed(grids), settings, dry_run)
    except UnknownProfile as error:  # it is looked for when it is used
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if dry_run:
        click.echo(job)
        return
    if detach:
        click.echo(job.id)
        return
    _wait(job, shows=is_function)


def _submit_program(target: Sequence[str], grid: Grid, settings: dict[str, Any], dry_run: bool) -> Any:
    from clustrix.cli.programs import PLACEHOLDER, filled, run_program, run_script
    from clustrix.config.store import process
    from clustrix.decorator import cluster

    here = process.resolve(settings)["cluster_type"] == "local"
    script = target[0].endswith(".py")
    command = grid.placed(target, script)
    rows = grid.combinations() if PLACEHOLDER.search(command[0]) else [{}]
    for program in {filled(command[:1], row)[0] for row in rows}:
        if script:
            _check_script(program)
        elif here:  # another machine has other programs
            _check_program(program)
    run: Callable[..., Any] = run_program
    if script and here:
        command[:0] = [sys.executable, "-u"]  # its output is to be seen as it comes
    elif script:
        if PLACEHOLDER.search(command[0]):
            raise click.UsageError("a script that goes to another machine has a name without {}.")
        run = functools.partial(run_script, Path(command[0]).read_bytes())
    settings.setdefault("name", os.path.basename(target[0])[:_LONGEST_NAME])
    # That the same script is called again does not say that it is the same: nobody looks into it.
    runner = cluster(**{**settings, "reuse": False})(run)
    if dry_run:
        return runner.explain(sum(1 for _ in grid.combinations()) if grid.values else None)
    if not grid.values:
        return runner.submit({}, command)
    return runner.map(grid.combinations(), command=command)


def _check_script(script: str) -> None:
    if not os.path.isfile(script):
        raise click.UsageError(f"there is no file {script}.")


def _check_program(program: str) -> None:
    """Raises UsageError for one that cannot be started, before anything is submitted."""
    if shutil.which(program) is not None:
        return
    if ".py:" in program:
        raise click.UsageError(f"there is no program {program}; a function has two colons: FILE.py::FUNCTION")
    if any(character.isspace() for character in program):
        raise click.UsageError(f"there is no program {program!r}; for a line of the shell: sh -c '...'")
    if not os.path.exists(program):
        raise click.UsageError(f"there is no program {program}.")
    if os.path.isdir(program):
        raise click.UsageError(f"{program} is a folder.")
    if os.sep not in program and os.access(program, os.X_OK):
        raise click.UsageError(f"there is no program {program}; for the one in this folder: ./{program}")
    raise click.UsageError(f"{program} may not be executed; allow it: chmod +x {program}")


def _wait(job: Any, shows: bool) -> None:
    """Show its output until it ends; ends the command with the exit code that is due."""
    from clustrix.blocking import wait_for

    try:
        click.echo(f"job {job.id}" + (" had been submitted before" if job.reused else ""), err=True)
        value = wait_for(job)
    except KeyboardInterrupt:
        if not job.reused:
            click.echo(
                f"job {job.id} is cancelled" if job.done() else f"job {job.id} is being cancelled", err=True
            )
        sys.exit(INTERRUPTED)
    except BaseException as error:  # whatever the user's function raised
        _show_failed(job, error)
        sys.exit(FAILED)
    if _is_map(job):
        click.echo(f"all {len(job):,} succeeded; their parameters: clustrix result {job.id}", err=True)
    elif shows and value is not None:
        sys.stdout.flush()
        write_repr(value, sys.stdout.buffer)


def _show_failed(job: Any, error: BaseException) -> None:
    from clustrix.results.failures import raised_in

    step = f"clustrix why {job.id}; clustrix retry {job.id}"
    if _is_map(job):
        groups = job.errors()
        show(error, str(groups) if groups else str(error), step)
    elif isinstance(error, ClustrixError):
        text = f"job {job.id} ({job.name}): {error}" if isinstance(error, ProgramFailed) else str(error)
        show(error, text, step)
    else:
        place = raised_in(error)
        text = f"job {job.id} ({job.name}) failed\n  {type(error).__name__}: {error}"
        show(error, text + (f"\n  at {place}" if place else ""), step)


def _is_map(job: Any) -> bool:
    from clustrix.mapresult import MapResult

    return isinstance(job, MapResult)
