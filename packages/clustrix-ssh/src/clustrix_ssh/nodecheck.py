"""What a job of nothing finds on a node of a cluster: the folder that all nodes have to see, the modules, the Python."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from clustrix_ssh.agent.client import Agent
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.preamble import Preamble, preamble
from clustrix_ssh.schedulers.interface import Need, Refused, Scheduler, Seen, Unavailable
from clustrix_ssh.submitting import answer_of, run, submission

_HERE = "{}.{}".format(*sys.version_info[:2])
_ASK = "import sys; print('\\nclustrix-python', *sys.version_info[:2], sys.executable)"
_LOOK_SECONDS = 0.3
_QUEUE_SECONDS = 3.0
_LATE_SECONDS = 15.0
"""How late a node's file may be seen here after its job has left the queue: shared folders take their time."""
_MEMORY_BYTES = 256 << 20
_TIME_SECONDS = 300.0


class Row(NamedTuple):
    """One thing that was looked at, as it is shown."""

    result: str
    """ "ok", "warning" or "failed"."""
    text: str
    advice: str = ""


async def look_from_node(
    far: FarHost, agent: Agent, scheduler: Scheduler, settings: Mapping[str, Any], wait_s: float
) -> list[Row]:
    """Submits one small job, waits at most ``wait_s`` seconds for it, and leaves nothing behind.

    Raises HostUnreachable, AgentError.
    """
    before = preamble(settings)
    python, why = await far.python(before)
    if why:
        return []  # it was told, and no job could begin
    name = f"clustrix-check-{os.urandom(4).hex()}"
    folder = far.paths.batch(name)
    try:
        script = _script(scheduler, settings, before, python, folder, name)
        await agent.ask("many", ops=[{"do": "folders", "paths": [folder]}])
        reply = await agent.ask("once", script.encode(), **submission(scheduler, folder))
        number = scheduler.read_submitted(answer_of(reply))
    except (Refused, Unavailable) as error:
        await agent.ask("remove", paths=[folder])
        return [
            Row(
                "failed",
                f"node: no job can be submitted: {error}",
                "jobs of these settings would not run, either",
            )
        ]
    try:
        return await _awaited(far, agent, scheduler, number, folder, wait_s)
    finally:
        for command in scheduler.cancel([number]):
            await run(agent, command)
        await agent.ask("remove", paths=[folder])


def _script(
    scheduler: Scheduler, settings: Mapping[str, Any], before: Preamble, python: str, folder: str, name: str
) -> str:
    asked = settings.get("default_memory")
    need = Need(
        name=name,
        cores=1,
        memory_bytes=min(asked, _MEMORY_BYTES) if asked else None,
        time_s=min(settings.get("default_time") or _TIME_SECONDS, _TIME_SECONDS),
        output=f"{folder}/log",
        settings=settings,
    )
    part, seen = shlex.quote(f"{folder}/part"), shlex.quote(f"{folder}/seen")
    lines = [
        f"exec > {part} 2>&1 || exit 1",
        f"trap {shlex.quote(f'mv {part} {seen}')} EXIT",
        "uname -n",
        *before.lines,
        f"{before.python or shlex.quote(python)} -c {shlex.quote(_ASK)}",
    ]
    return scheduler.script(need, lines)


async def _awaited(
    far: FarHost, agent: Agent, scheduler: Scheduler, number: str, folder: str, wait_s: float
) -> list[Row]:
    began = time.monotonic()
    looked = began
    row: Seen | None = None
    left_at: float | None = None
    while True:
        said = (await agent.ask("texts", paths=[f"{folder}/seen"])).header["texts"][0]
        now = time.monotonic()
        if said is not None:
            return _told(said, far.paths.root, now - began)
        if left_at is not None and now - left_at > _LATE_SECONDS:
            return [await _unseen(agent, scheduler, number, folder, far.paths.root)]
        if left_at is None and now - began > wait_s:
            where = (
                f"is {row.state.value}" + (f" ({row.reason})" if row.reason else "")
                if row
                else "is in the queue"
            )
            return [
                Row(
                    "warning",
                    f"node: not looked at: after {wait_s:.0f} s the job that should do it {where}",
                    "it was cancelled. Wait longer with --wait 600, or do not send it with --wait 0",
                )
            ]
        if now - looked > _QUEUE_SECONDS:
            looked = now
            row, gone = await _queued(far, agent, scheduler, number, row)
            left_at = (left_at or now) if gone else None
        await asyncio.sleep(_LOOK_SECONDS)


async def _queued(
    far: FarHost, agent: Agent, scheduler: Scheduler, number: str, before: Seen | None
) -> tuple[Seen | None, bool]:
    """What the queue says of it, and whether it has left it."""
    try:
        rows = scheduler.read_look(await run(agent, scheduler.look(far.facts["user"], [number])))
    except Unavailable:
        return before, False
    return rows.get(number, before), number not in rows


def _told(said: str, root: str, took_s: float) -> list[Row]:
    host, _, rest = said.partition("\n")
    found = [Row("ok", f"node: {host}, after {took_s:.0f} s; it sees {root}")]
    _before, mark, after = rest.rpartition("\nclustrix-python ")
    words = after.split(None, 2) if mark else []
    if len(words) == 3 and words[:2] == _HERE.split("."):
        return [*found, Row("ok", f"python there: {_HERE} ({words[2].strip()})")]
    if len(words) == 3:
        text = f"python there: {'.'.join(words[:2])} ({words[2].strip()}), and this is {_HERE}"
    else:
        text = f"python there: it did not begin: {rest.strip()[-500:] or 'nothing was said'}"
    advice = "name one that the nodes have: python_executable, module_loads or conda_env_name"
    return [*found, Row("failed", text, advice)]


async def _unseen(agent: Agent, scheduler: Scheduler, number: str, folder: str, root: str) -> Row:
    """It has left the queue without a trace here."""
    evidence = ""
    for command in scheduler.past([number]):
        try:
            end = scheduler.read_past(await run(agent, command)).get(number)
        except Unavailable:
            continue
        if end is not None:
            evidence = f" ({end.evidence})" if end.evidence else ""
            break
    log = (await agent.ask("texts", paths=[f"{folder}/log"])).header["texts"][0]
    printed = f": {log.strip()[-300:]}" if log and log.strip() else ""
    return Row(
        "failed",
        f"node: the job is over{evidence}, and what it wrote is not in {root}{printed}",
        "do the nodes see that folder? Set remote_work_dir to one that they share with this host",
    )
