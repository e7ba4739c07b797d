"""``clustrix hosts``: which are known, whether they are whole, whom to trust."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import sys
from collections.abc import Mapping
from typing import Any

import click

from clustrix.errors import ClustrixError
from clustrix_ssh.transport import hostkeys
from clustrix_ssh.transport.interface import Question, Target
from clustrix_ssh.transport.sshconfig import look_up

_PORT = click.option("--port", type=click.IntRange(1, 65535), help="Its port; else as ~/.ssh/config says.")


@click.group()
def hosts() -> None:
    """Machines that jobs are sent to: trust their keys, see what they have."""


@hosts.command("list")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def list_(as_json: bool) -> None:
    """The hosts that your settings and their profiles name."""
    rows = _known()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("no hosts: set cluster_host, or see clustrix config --help")
    for row in rows:
        port = f", port {row['port']}" if row["port"] else ""
        trusted = "trusted" if row["trusted"] else f"not trusted yet: clustrix hosts trust {row['host']}"
        click.echo(f"{row['host']}{port}: {trusted}")


@hosts.command()
@click.argument("host")
@_PORT
@click.option("--yes", is_flag=True, help="Do not ask.")
def trust(host: str, port: int | None, yes: bool) -> None:
    """Show the keys of a host, and add them to your known_hosts if they are right.

    Compare the fingerprint with what the administrators of the host publish: who listens in between shows another.
    """
    from clustrix_ssh.transport.paramiko_connection import host_keys

    target = Target(host, port)
    config = look_up(target)
    keys = host_keys(target, _answer)
    known = {one.blob for one in hostkeys.known_keys(config)}
    new = [key for key in keys if key.asbytes() not in known]
    for key in keys:
        note = "" if key in new else " (trusted)"
        click.echo(
            f"{hostkeys.lookup_name(config)}  {key.get_name()}  {hostkeys.fingerprint(key.asbytes())}{note}"
        )
    if not keys:
        raise click.ClickException(f"{host} has shown no key of a type that is known here")
    changed = {one.type for one in hostkeys.known_keys(config)} & {key.get_name() for key in new}
    if changed:
        raise click.ClickException(
            f"another {', '.join(sorted(changed))} key is trusted for this host. If its administrators confirm the new one: "
            f"clustrix hosts forget {host}, then again"
        )
    if not new:
        click.echo("nothing to do")
        return
    if not yes and not _confirmed():
        raise click.ClickException("nothing was trusted: say yes, or add --yes")
    click.echo(f"written to {hostkeys.trust(config, new)}")


@hosts.command()
@click.argument("host")
@_PORT
def forget(host: str, port: int | None) -> None:
    """Trust a host's keys no longer."""
    config = look_up(Target(host, port))
    count = hostkeys.forget(config)
    click.echo(f"{count} {'key' if count == 1 else 'keys'} of {hostkeys.lookup_name(config)} removed")


@hosts.command()
@click.argument("host", required=False)
@_PORT
@click.option("--profile", metavar="NAME", help="The settings of that profile.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Of a cluster: how long to wait for the one small job that looks from a node. 0: none is sent.",
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def check(host: str | None, port: int | None, profile: str | None, wait: float, as_json: bool) -> None:
    """Look at a host as a job would find it: connection, Python, folders, scheduler, queues, a node.

    Without HOST, the one of your settings. Status 1 if something is wrong.
    """
    from clustrix_ssh.checking import check_host

    rows = asyncio.run(check_host(_settings(host, port, profile), wait))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        for row in rows:
            _show(row.result, row.text, row.advice)
    if any(row.result == "failed" for row in rows):
        raise SystemExit(1)


@hosts.command()
@click.argument("host", required=False)
@_PORT
@click.option("--profile", metavar="NAME", help="The settings of that profile.")
def key(host: str | None, port: int | None, profile: str | None) -> None:
    """Set up a key for a host: make one if there is none, have the host let it in, and see that it does.

    Without HOST, the one of your settings. What the host and the key ask is asked here, and kept nowhere. Nothing that is there is written over. Status
    1 if something is wrong.
    """
    from clustrix.dispatcher.answering import is_possible

    if not is_possible():
        raise click.ClickException("somebody has to answer here: call it in a terminal")
    if not asyncio.run(_set_up_key(_settings(host, port, profile), profile)):
        raise SystemExit(1)


async def _set_up_key(settings: Mapping[str, Any], profile: str | None) -> bool:
    """Whether all is well."""
    from clustrix.plugins.checks import FAILED, Suggestion
    from clustrix_ssh.keysetup import set_up_key

    well = True
    async for found in set_up_key(settings, _typed):
        if isinstance(found, Suggestion):
            value = "" if found.value is None else f" {shlex.quote(found.value)}"
            where = f" --profile {shlex.quote(profile)}" if profile else ""
            verb = "unset" if found.value is None else "set"
            click.echo(f"Then: clustrix config {verb} {found.field}{value}{where}")
        else:
            _show(found.state, f"{found.what}: {found.found}", found.advice)
            well = well and found.state != FAILED
    return well


async def _typed(question: Question) -> str | None:
    """The loop waits for the person, and nothing else does meanwhile."""
    from clustrix.dispatcher.answering import on_terminal

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # that of asyncio lets the prompt wait on
    try:
        if question.kind != "trust":
            return on_terminal(question._asdict())
        click.echo(question.text)
        return "yes" if _confirmed() else None
    finally:
        signal.signal(signal.SIGINT, before)


def _show(state: str, text: str, advice: str) -> None:
    click.echo(f"{state:<9} {text}" + (f"\n          {advice}" if advice else ""))


def _settings(host: str | None, port: int | None, profile: str | None) -> dict[str, Any]:
    from clustrix.config import store

    settings: dict[str, Any] = {**store.process.resolve({} if profile is None else {"profile": profile})}
    if host is not None:
        settings["cluster_host"] = host
    if port is not None:
        settings["cluster_port"] = port
    return settings


def _answer(question: Question) -> str:
    """What a host on the way asks."""
    if not sys.stdin.isatty():
        raise click.ClickException(f"{question.host} asks: {question.text.strip()}. Answer it in a terminal")
    return str(click.prompt(question.text.strip(), prompt_suffix=" ", hide_input=not question.echo))


def _confirmed() -> bool:
    try:
        return click.confirm("Are these the host's?")
    except click.Abort:  # there is nobody to ask
        click.echo()
        return False


def _known() -> list[dict[str, Any]]:
    from clustrix.config import store

    found: dict[tuple[str, int | None], None] = {}
    for profile in (None, *store.process.profiles()):
        settings = store.process.resolve({} if profile is None else {"profile": profile})
        if settings["cluster_host"]:
            found[settings["cluster_host"], settings["cluster_port"]] = None
    rows = []
    for host, port in found:
        try:
            trusted = bool(hostkeys.known_keys(look_up(Target(host, port))))
        except ClustrixError:
            trusted = False
        rows.append({"host": host, "port": port, "trusted": trusted})
    return rows
