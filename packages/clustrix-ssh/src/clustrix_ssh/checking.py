"""One host, looked at as a job would find it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from clustrix.backends import Question
from clustrix.config.quantities import format_time
from clustrix.errors import HostUnreachable
from clustrix.plugins.checks import Check
from clustrix.runner.amounts import format_bytes
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.errors import HostKeyUnknown, NobodyThere
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.nodecheck import Row, look_from_node
from clustrix_ssh.people import Answered, Ask, trusted
from clustrix_ssh.preamble import preamble
from clustrix_ssh.schedulers.interface import Queue, Scheduler, Unavailable
from clustrix_ssh.submitting import run

_HERE = "{}.{}".format(*sys.version_info[:2])
_SKEW_SECONDS = 60.0
_NODE_SECONDS = 60.0
"""How long a settings form waits for a node."""


async def look(settings: Mapping[str, Any], ask: Ask) -> AsyncIterator[Check]:
    """The connection test of a settings form, see ``clustrix.plugins.registry.Registry.connection_test``."""
    async for row in rows(settings, ask, _NODE_SECONDS, keeps_passwords=False):
        what, _, found = row.text.partition(": ")
        yield Check(what, row.result, found, row.advice)


async def check_host(settings: Mapping[str, Any], wait_s: float = 0.0) -> list[Row]:
    """The same at once, with nobody who answers."""

    async def nobody(question: Question) -> str | None:
        return None

    return [row async for row in rows(settings, nobody, wait_s)]


async def rows(
    settings: Mapping[str, Any], ask: Ask, wait_s: float, keeps_passwords: bool = True
) -> AsyncIterator[Row]:
    """All that can be seen from the host itself, and with ``wait_s`` also from a node: so long it is waited for, in seconds.

    A host whose key nobody has trusted yet is asked about (a ``Question`` of kind "trust").  Never raises HostUnreachable: that is a row.
    """
    far = FarHost(Answered(settings, ask), keeps_passwords)
    try:
        began = time.monotonic()
        try:
            agent = await far.agent()
        except HostKeyUnknown as error:
            row = await _trusted(far, ask)
            if row is None:
                raise error from None
            yield row
            agent = await far.agent()
        took = time.monotonic() - began
        yield Row("ok", f"connection: {far.name} as {far.facts['user']}, with its agent after {took:.2f} s")
        async for row in _look(far, agent, settings, wait_s):
            yield row
    except HostUnreachable as error:
        yield Row("failed", f"connection: {error}")
    except AgentError as error:
        yield Row("failed", str(error))
    finally:
        await far.close()


async def _trusted(far: FarHost, ask: Ask) -> Row | None:
    from clustrix_ssh.transport.paramiko_connection import host_keys
    from clustrix_ssh.transport.sshconfig import look_up

    def nobody(question: Question) -> str:
        raise NobodyThere(f"{question.host} asks: {question.text.strip()}")

    config = await asyncio.to_thread(look_up, far.target)
    keys = await asyncio.to_thread(host_keys, far.target, nobody)
    path = await trusted(config, keys, ask)
    return None if path is None else Row("ok", f"host key: trusted, in {path}")


async def _look(far: FarHost, agent: Agent, settings: Mapping[str, Any], wait_s: float) -> AsyncIterator[Row]:
    facts = far.facts
    yield Row("ok", f"machine: {facts['host']}, {facts['system']}, {facts['cores']} cores")
    skew = facts["time"] - time.time()
    if abs(skew) > _SKEW_SECONDS:
        yield Row(
            "warning",
            f"clock: {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
            "jobs are not harmed by that",
        )
    yield Row("ok", "agent: Python {}.{}.{} ({})".format(*facts["python"], facts["executable"]))
    python, why = await far.python(preamble(settings))
    if why:
        yield Row("failed", f"python: {why}")
    else:
        yield Row("ok", f"python: {_HERE}, as here ({python})")
    yield await _folder(far, agent)
    scheduler = _scheduler(settings)
    if scheduler is not None:
        async for row in _cluster(far, agent, scheduler, settings, wait_s):
            yield row


async def _folder(far: FarHost, agent: Agent) -> Row:
    root = far.paths.root
    probe = f"{root}/.probe"
    try:
        await agent.ask("many", b"x", ops=[
            {"do": "folders", "paths": [root]},
            {"do": "write", "files": [[probe, 1, 0o600]], "sync": True, "size": 1},
            {"do": "remove", "paths": [probe]},
        ])  # fmt: skip
    except AgentError as error:
        return Row(
            "failed",
            f"folder {root}: {error.text}",
            "free some space there, or set remote_work_dir to another place",
        )
    return Row("ok", f"folder: {root} can be written to")


def _scheduler(settings: Mapping[str, Any]) -> Scheduler | None:
    from clustrix_ssh.clusters import SCHEDULERS

    return SCHEDULERS.get(settings.get("cluster_type") or "")


async def _cluster(
    far: FarHost, agent: Agent, scheduler: Scheduler, settings: Mapping[str, Any], wait_s: float
) -> AsyncIterator[Row]:
    try:
        version = scheduler.read_version(await run(agent, scheduler.version()))
        scheduler = scheduler.of_version(version)
        yield Row("ok", f"scheduler: {version}")
        answers = [await run(agent, command) for command in scheduler.queues()]
        for queue in scheduler.read_queues(answers) if answers else []:
            yield _queue(queue)
    except Unavailable as error:
        advice = "is this the right host for it (cluster_host), and cluster_type?"
        yield Row("failed", f"scheduler: {error}", advice)
        return
    if wait_s > 0:
        for row in await look_from_node(far, agent, scheduler, settings, wait_s):
            yield row


def _queue(queue: Queue) -> Row:
    limits = [
        f"{queue.nodes} nodes" if queue.nodes is not None else "",
        f"{queue.cores} cores" if queue.cores else "",
        format_bytes(queue.memory_bytes) if queue.memory_bytes else "",
        f"at most {format_time(queue.time_s)}" if queue.time_s else "",
        queue.state,
    ]
    default = " (default)" if queue.default else ""
    return Row("ok", f"queue {queue.name}{default}: {', '.join(part for part in limits if part)}")
