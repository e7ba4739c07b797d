"""``clustrix config``: show and change settings."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clustrix.config.field import Field
    from clustrix.config.store import Resolved

JSON_VERSION = 1
"""Of what ``--json`` prints; changes when something of it is renamed or removed."""

_PLAIN_WIDTH = 1000
"""Where no terminal folds the lines."""


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell."""
    from clustrix.config.store import process

    return [name for name in (*process.known.all(), "profile") if name.startswith(incomplete)]


_setting = click.argument("name", shell_complete=_names)
_profile = click.option("--profile", metavar="NAME", help="As if this profile had been chosen.")


@click.group()
def config() -> None:
    """Show and change settings, and tell where they come from."""


@config.command()
@click.option("--origin", is_flag=True, help="Show where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with origins.")
@_profile
def show(origin: bool, as_json: bool, profile: str | None) -> None:
    """Show all settings as they hold in this folder."""
    resolved = _resolved(profile)
    if as_json:
        settings = {
            name: {"value": resolved.shown(name), "origin": resolved.origin(name)._asdict()}
            for name in resolved
        }
        _print_json({"version": JSON_VERSION, "profile": resolved.profile, "settings": settings})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("setting", "value", *(["from"] if origin else [])):
        table.add_column(column, overflow="fold")
    for name in resolved:
        where = resolved.origin(name)
        style = "dim" if where.layer == "default" else ""
        row = (name, _for_people(_field(name), resolved[name]), *([str(where)] if origin else []))
        table.add_row(*(Text(cell, style=style) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    if resolved.profile is not None:
        console.print(Text(f"profile {resolved.profile}"))
    console.print(table)


@config.command()
@_setting
@_profile
def get(name: str, profile: str | None) -> None:
    """Print the value of one setting; that of a secret is not shown."""
    _field(name)
    click.echo(_as_text(_resolved(profile).shown(name)))


@config.command("set")
@_setting
@click.argument("value")
@click.option("--project", is_flag=True, help="In the project file, not in your own.")
@click.option("--profile", metavar="NAME", help="In this profile, which is made if it is not there.")
def set_(name: str, value: str, project: bool, profile: str | None) -> None:
    """Set NAME to VALUE in your own configuration file, or in that of the project.

    Comments and order of the file stay. The name `profile` chooses the profile that holds.
    """
    from clustrix.config.editing import set_value
    from clustrix.config.fields import FIELDS
    from clustrix.config.store import process

    field = FIELDS["profile"] if name == "profile" and profile is None else _field(name)
    given = None if field.secret else field.kind.read(value)
    checked = field.check(name, given)
    if name == "profile" and checked is not None:
        process.current(checked)  # which raises UnknownProfile
    path = _project_path() if project else _user_path()
    set_value(process, path, name, given, profile or "")
    where = f", in profile {profile}" if profile else ""
    click.echo(f"{path}: {name} is {_for_people(field, checked)}{where}")


@config.command()
@_setting
@click.option("--project", is_flag=True, help="From the project file, not from your own.")
@click.option("--profile", metavar="NAME", help="From this profile.")
def unset(name: str, project: bool, profile: str | None) -> None:
    """Take NAME out of your own configuration file, or out of that of the project."""
    from clustrix.config.editing import unset_value

    path = _project_path() if project else _user_path()
    where = f", in profile {profile}" if profile else ""
    if unset_value(path, name, profile or ""):
        click.echo(f"{path}: {name} is gone{where}")
    else:
        click.echo(f"{path}: {name} is not there{where}")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profiles(as_json: bool) -> None:
    """List the profiles, and the files that have them; a star marks the one that holds."""
    from clustrix.config.store import process

    known = process.profiles()
    chosen = process.current().profile
    found = {
        name: {
            "chosen": name == chosen,
            "files": sorted({value.origin.where for value in values.values()}),
            "settings": sorted(values),
        }
        for name, values in known.items()
    }
    if as_json:
        _print_json({"version": JSON_VERSION, "profile": chosen, "profiles": found})
        return
    for name, entry in found.items():
        files = ", ".join(str(path) for path in entry["files"])  # type: ignore[attr-defined]
        click.echo(f"{'*' if entry['chosen'] else ' '} {name}" + (f"  ({files})" if files else ""))
    if not found:
        click.echo("no profiles; `clustrix config set default_cores 8 --profile NAME` makes one")


@config.command()
@click.argument("file", required=False)
def validate(file: str | None) -> None:
    """Check FILE, or all that holds in this folder; each problem with its file and line.

    Exits with 1 if there is a problem.
    """
    from clustrix.config.validation import problems_here, problems_of

    problems, notes = problems_here() if file is None else problems_of(file)
    for note in notes:
        click.echo(f"note: {note}")
    for problem in problems:
        click.echo(str(problem))
    if problems:
        click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        sys.exit(1)
    click.echo("no problems")


@config.group()
def secret() -> None:
    """Keep passwords and tokens in the system's keyring."""


@secret.command("set")
@click.argument("name")
@click.option("--profile", metavar="PROFILE", help="For this profile only.")
def set_secret(name: str, profile: str | None) -> None:
    """Keep a secret; it is asked for, or read from standard input if that is no terminal."""
    from clustrix.config.secrets import Entry, secret_field, store
    from clustrix.config.store import process

    secret_field(process, name)
    terminal = sys.stdin.isatty()
    text = click.prompt(name, hide_input=True) if terminal else sys.stdin.readline().rstrip("\r\n")
    store(process, Entry(name, profile), text)
    click.echo(f"{name} is in the keyring" + (f", for profile {profile}" if profile else ""))


@secret.command("delete")
@click.argument("name")
@click.option("--profile", metavar="PROFILE", help="That of this profile.")
def delete_secret(name: str, profile: str | None) -> None:
    """Remove a secret from the keyring."""
    from clustrix.config.secrets import Entry, delete
    from clustrix.config.store import process

    there = delete(process, Entry(name, profile))
    click.echo(f"{name} is removed" if there else f"{name} was not in the keyring")


@secret.command("list")
@_profile
def list_secrets(profile: str | None) -> None:
    """List the secrets, and where each would come from; nothing is revealed."""
    from clustrix.config.secrets import whereabouts
    from clustrix.config.store import process

    found = whereabouts(process, _resolved(profile))
    for name, where in found.items():
        click.echo(f"{name}: {where}")
    if not found:
        click.echo("no installed package has a secret")


def _resolved(profile: str | None) -> Resolved:
    from clustrix.config.store import process

    return process.current(profile)


def _field(name: str) -> Field:
    from clustrix.config.fields import unknown
    from clustrix.config.store import process

    field = process.known.find(name)
    if field is None:
        raise unknown(name, None, process.known.all())
    return field


def _user_path() -> str:
    from clustrix.config.files import user_file

    return user_file()


def _project_path() -> str:
    from clustrix.config.files import PROJECT_NAMES, project_file

    return project_file(os.getcwd()) or os.path.join(os.getcwd(), PROJECT_NAMES[0])


def _for_people(field: Field, value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return field.kind.say(value) if number else _as_text(field.show(value))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
