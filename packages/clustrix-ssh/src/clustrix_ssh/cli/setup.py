"""``clustrix setup``: an interview that finds out what a host has, and writes a profile."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from clustrix.backends.interface import Onlooker
from clustrix.config.quantities import format_time
from clustrix.errors import HostUnreachable
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.schedulers.interface import Queue, Scheduler, Unavailable
from clustrix_ssh.submitting import run

_SCRATCH = ("SCRATCH", "WORK", "WORKDIR")
"""Variables in which sites name a large file system that all nodes see."""


@click.command()
@click.argument("host")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port; else as ~/.ssh/config says.")
@click.option("--username", metavar="NAME", help="Who you are there; else as ~/.ssh/config says.")
@click.option("--key-file", metavar="PATH", help="The private key that lets you in.")
@click.option(
    "--profile",
    metavar="NAME",
    help="What the profile is called; else you are asked, or it is the host's name.",
)
@click.option(
    "--cluster-type",
    type=click.Choice(["ssh", "slurm", "sge", "pbs"]),
    help="What runs jobs there; else the first batch system that answers, or the machine itself.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: take what is found.")
def setup(
    host: str,
    port: int | None,
    username: str | None,
    key_file: str | None,
    profile: str | None,
    cluster_type: str | None,
    yes: bool,
) -> None:
    """Look at HOST, ask a few questions, and write a profile into your settings.

    Then @cluster(profile=NAME) runs there. Nothing is changed on the host.
    """
    asks = not yes and sys.stdin.isatty()
    place = {"cluster_host": host, "cluster_port": port, "username": username, "key_file": key_file}
    settings = {name: value for name, value in place.items() if value is not None}
    found = asyncio.run(_look(settings, cluster_type))
    click.echo(f"{host}: {found.machine}")
    if found.why_no_python:
        click.echo(f"  warning: {found.why_no_python}")
    values: dict[str, Any] = {"cluster_type": _scheduler(found, cluster_type, asks)}
    values |= {name: value for name, value in place.items() if value is not None}
    queue = _queue(found, asks)
    if queue:
        values["default_partition" if values["cluster_type"] == "slurm" else "default_queue"] = queue
    folder = _folder(found, asks)
    if folder != "~/.clustrix":
        values["remote_work_dir"] = folder
    name = profile or (
        click.prompt("Name of the profile", host.partition(".")[0]) if asks else host.partition(".")[0]
    )
    _write(name, values, asks)


class _Found:
    """What a host has."""

    machine = ""
    why_no_python = ""
    scheduler: Scheduler | None = None
    version = ""
    queues: Sequence[Queue] = ()
    scratch = ""


async def _look(settings: Mapping[str, Any], wanted: str | None) -> _Found:
    found = _Found()
    far = FarHost(Onlooker(settings, Path("/nonexistent")))
    try:
        agent = await far.agent()
        facts = far.facts
        found.machine = f"{facts['system']}, {facts['cores']} cores, as {facts['user']}"
        _, found.why_no_python = await far.python()
        await _look_for_scheduler(agent, found, wanted)
        found.scratch = await _look_for_scratch(agent, facts["user"])
    except (HostUnreachable, AgentError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        await far.close()
    return found


async def _look_for_scheduler(agent: Agent, found: _Found, wanted: str | None) -> None:
    from clustrix_ssh.clusters import SCHEDULERS

    for scheduler in SCHEDULERS.values():
        if wanted not in (None, scheduler.name):
            continue
        try:
            found.version = scheduler.read_version(await run(agent, scheduler.version()))
        except Unavailable:
            continue
        found.scheduler = scheduler.of_version(found.version)
        answers = [await run(agent, command) for command in found.scheduler.queues()]
        try:
            found.queues = found.scheduler.read_queues(answers)
        except Unavailable:
            found.queues = ()
        return


async def _look_for_scratch(agent: Agent, user: str) -> str:
    """A folder of the user's own on a file system for data; empty if none is named."""
    asked = " ".join(f'"${name}"' for name in _SCRATCH)
    text = f'for path in {asked}; do [ -n "$path" ] && [ -w "$path" ] && echo "$path" && break; done; :'
    reply = await agent.ask("exec", argv=["/bin/sh", "-c", text], timeout_s=30, login=True)
    path = str(reply.header["out"]).strip()
    return path if not path or user in path.split("/") else f"{path}/{user}"


def _scheduler(found: _Found, wanted: str | None, asks: bool) -> str:
    if found.scheduler is None:
        click.echo(f"  {'jobs' if wanted == 'ssh' else 'no batch system: jobs'} run on that machine itself")
        return "ssh"
    click.echo(f"  batch system: {found.version}")
    kind = found.scheduler.name
    if asks and not click.confirm(
        f"Run jobs through {found.scheduler.title} (else on the machine itself)?", True
    ):
        return "ssh"
    return kind


def _queue(found: _Found, asks: bool) -> str:
    for queue in found.queues:
        limit = f", at most {format_time(queue.time_s)}" if queue.time_s else ""
        cores = f", {queue.cores} cores a node" if queue.cores else ""
        click.echo(f"  queue {queue.name}{' (default)' if queue.default else ''}{cores}{limit}")
    names = [queue.name for queue in found.queues]
    if not asks or len(names) < 2:
        return ""  # the site's own choice
    default = next((queue.name for queue in found.queues if queue.default), names[0])
    chosen = str(click.prompt("Queue", default, type=click.Choice(names)))
    return "" if chosen == default else chosen


def _folder(found: _Found, asks: bool) -> str:
    ours = f"{found.scratch}/clustrix" if found.scratch else "~/.clustrix"
    return str(click.prompt("Folder for clustrix there", ours)) if asks else ours


def _write(profile: str, values: Mapping[str, Any], asks: bool) -> None:
    from clustrix.config.editing import set_value
    from clustrix.config.files import user_file
    from clustrix.config.store import process

    path = user_file()
    click.echo(f"profile {profile}, for {path}:")
    checked = {}
    for name, value in values.items():
        field = process.known.find(name)
        assert field is not None, name
        checked[name] = field.check(name, value)
        click.echo(f"  {name}: {value}")
    if asks and not click.confirm("Write it?", True):
        raise click.ClickException("nothing was written")
    for name, value in checked.items():
        set_value(process, path, name, value, profile)
    click.echo(
        f"written. @cluster(profile={profile!r}) runs there; see: clustrix hosts check --profile {shlex.quote(profile)}"
    )
