"""One host, looked at as a job would find it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clustrix.backends.interface import Onlooker
from clustrix.config.quantities import format_time
from clustrix.errors import HostUnreachable
from clustrix.runner.amounts import format_bytes
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.nodecheck import Row, look_from_node
from clustrix_ssh.preamble import preamble
from clustrix_ssh.schedulers.interface import Queue, Scheduler, Unavailable
from clustrix_ssh.submitting import run

_HERE = "{}.{}".format(*sys.version_info[:2])
_SKEW_SECONDS = 60.0


async def check_host(settings: Mapping[str, Any], wait_s: float = 0.0) -> list[Row]:
    """All that can be seen from the host itself, and with ``wait_s`` also from a node: so long it is waited for, in seconds.

    Never raises HostUnreachable: that is a row.
    """
    far = FarHost(Onlooker(settings, Path("/nonexistent")))
    rows: list[Row] = []
    try:
        began = time.monotonic()
        agent = await far.agent()
        took = time.monotonic() - began
        rows.append(
            Row("ok", f"connection: {far.name} as {far.facts['user']}, with its agent after {took:.2f} s")
        )
        rows += await _look(far, agent, settings, wait_s)
    except HostUnreachable as error:
        rows.append(Row("failed", f"connection: {error}"))
    except AgentError as error:
        rows.append(Row("failed", str(error)))
    finally:
        await far.close()
    return rows


async def _look(far: FarHost, agent: Agent, settings: Mapping[str, Any], wait_s: float) -> list[Row]:
    facts = far.facts
    rows = [Row("ok", f"machine: {facts['host']}, {facts['system']}, {facts['cores']} cores")]
    skew = facts["time"] - time.time()
    if abs(skew) > _SKEW_SECONDS:
        rows.append(
            Row(
                "warning",
                f"clock: {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
                "jobs are not harmed by that",
            )
        )
    rows.append(Row("ok", "agent: Python {}.{}.{} ({})".format(*facts["python"], facts["executable"])))
    python, why = await far.python(preamble(settings))
    if why:
        rows.append(Row("failed", f"python: {why}"))
    else:
        rows.append(Row("ok", f"python: {_HERE}, as here ({python})"))
    rows.append(await _folder(far, agent))
    scheduler = _scheduler(settings)
    if scheduler is not None:
        rows += await _cluster(far, agent, scheduler, settings, wait_s)
    return rows


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
) -> list[Row]:
    rows: list[Row] = []
    try:
        version = scheduler.read_version(await run(agent, scheduler.version()))
        scheduler = scheduler.of_version(version)
        rows.append(Row("ok", f"scheduler: {version}"))
        answers = [await run(agent, command) for command in scheduler.queues()]
        rows += [_queue(queue) for queue in scheduler.read_queues(answers)] if answers else []
    except Unavailable as error:
        advice = "is this the right host for it (cluster_host), and cluster_type?"
        return [*rows, Row("failed", f"scheduler: {error}", advice)]
    if wait_s > 0:
        rows += await look_from_node(far, agent, scheduler, settings, wait_s)
    return rows


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
